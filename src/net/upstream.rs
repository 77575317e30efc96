//! The way to an upstream: its servers in order, each of their addresses, TLS at once where that is said.
//!
//! ```text
//!   server that worked last ─▶ addresses, a new attempt each 250 ms ─▶ [TLS] ─▶ connection
//!        └─ no ─▶ the next server … ─▶ none: the failure that says most
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::leg::Leg;
use super::proxy_protocol::{self, Origin};
use super::tls::Trust;
use crate::audit::{Entry, Log};
use crate::config::{ForwardClient, Server, Upstream, UpstreamTls};
use crate::metrics::UpstreamMetrics;
use crate::session::ConnectFailure;
use crate::session::event::{Event, EventKind, UpstreamError};

/// Time that one address has before the next one is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// The way to one upstream.
#[derive(Debug)]
pub struct Connector {
    name: Arc<str>,
    servers: Vec<KnownServer>,
    tls: UpstreamTls,
    trust: Option<Trust>,
    forward: ForwardClient,
    timeout: Duration,
    /// What is told of its servers; `None`: nothing, where somebody only looks at what is there.
    log: Option<Log>,
    pub(super) metrics: Arc<UpstreamMetrics>,
    /// Index of the server that worked last.
    last: AtomicUsize,
}

#[derive(Debug)]
struct KnownServer {
    server: Server,
    label: Arc<str>,
    state: AtomicU8,
}

/// What is known of a server: nothing, at first.
const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// A connection that stands.
pub(super) struct Connected {
    pub leg: Leg,
    /// Which server it is.
    pub server: usize,
    /// Does TLS stand already?
    pub tls: bool,
}

impl Connector {
    /// The way to an upstream, with what it is verified by and the time that all its servers together may take.
    #[must_use]
    pub fn new(
        upstream: &Upstream,
        trust: Option<Trust>,
        timeout: Duration,
        log: impl Into<Option<Log>>,
        metrics: Arc<UpstreamMetrics>,
    ) -> Self {
        let known = |server: &Server| KnownServer {
            server: server.clone(),
            label: server.to_string().into(),
            state: AtomicU8::new(UNKNOWN),
        };
        Self {
            name: Arc::from(&*upstream.name),
            servers: upstream.servers.iter().map(known).collect(),
            tls: upstream.tls,
            trust,
            forward: upstream.forward_client,
            timeout,
            log: log.into(),
            metrics,
            last: AtomicUsize::new(0),
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does TLS begin after the greeting?
    pub(super) fn starttls(&self) -> bool {
        self.tls == UpstreamTls::Starttls
    }

    /// Time that it may take to connect, or to take what it is sent.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects to the first server that can be had. `origin` is whose the connection is for; none where it is our own.
    pub(super) async fn connect(&self, origin: Option<&Origin>) -> Result<Connected, ConnectFailure> {
        let began = Instant::now();
        let until = began + self.timeout;
        let first = self.last.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for step in 0..self.servers.len() {
            let at = first.wrapping_add(step) % self.servers.len();
            let left = u32::try_from(self.servers.len().saturating_sub(step)).unwrap_or(u32::MAX).max(1);
            let share = until.saturating_duration_since(Instant::now()) / left;
            match timeout(share, self.connect_to(at, origin)).await.unwrap_or(Err(ConnectFailure::Timeout)) {
                Ok(connected) => {
                    self.metrics.connected(began.elapsed());
                    self.last.store(at, Ordering::Relaxed);
                    self.is_up(at).await;
                    return Ok(connected);
                }
                Err(failure) => {
                    self.is_down(at, failure).await;
                    failures.push(failure);
                }
            }
        }
        self.metrics.up(false);
        // A wrong certificate needs somebody's hand, silence maybe, a refusal heals by itself.
        let said = [ConnectFailure::Tls, ConnectFailure::Timeout];
        Err(said.into_iter().find(|failure| failures.contains(failure)).unwrap_or(ConnectFailure::Refused))
    }

    async fn connect_to(&self, at: usize, origin: Option<&Origin>) -> Result<Connected, ConnectFailure> {
        let Some(KnownServer { server, .. }) = self.servers.get(at) else { return Err(ConnectFailure::Refused) };
        let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
        let addresses = by_turns(addresses.map_err(|_| ConnectFailure::Refused)?);
        let socket = race(addresses).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ConnectFailure::Timeout,
            _ => ConnectFailure::Refused,
        })?;
        let mut leg = Leg::new(socket);
        if self.forward == ForwardClient::Proxy {
            leg.queue(proxy_protocol::header(origin).map_err(|_| ConnectFailure::Refused)?);
            poll_fn(|cx| leg.poll_flush(cx)).await.map_err(|_| ConnectFailure::Refused)?;
        }
        let tls = self.tls == UpstreamTls::Implicit;
        if tls {
            self.begin_tls(&mut leg, at).map_err(|_| ConnectFailure::Tls)?;
            poll_fn(|cx| leg.poll_handshake(cx)).await.map_err(|error| {
                tracing::warn!(upstream = %self.name, %server, %error, "TLS with an upstream failed");
                ConnectFailure::Tls
            })?;
        }
        Ok(Connected { leg, server: at, tls })
    }

    /// Begins TLS on a connection to this server.
    pub(super) fn begin_tls(&self, leg: &mut Leg, at: usize) -> io::Result<()> {
        let trust = self.trust.as_ref().and_then(|trust| Some((&trust.config, trust.names.get(at)?)));
        let (config, name) = trust.ok_or(io::ErrorKind::InvalidInput)?;
        leg.begin_client_tls(Arc::clone(config), name.clone())
    }

    /// It answers: said once, where it was down before.
    async fn is_up(&self, at: usize) {
        if self.changed(at, UP) == Some(DOWN) {
            self.record(at, true, None).await;
        }
    }

    /// It does not: said once.
    pub(super) async fn is_down(&self, at: usize, failure: ConnectFailure) {
        if self.changed(at, DOWN).is_some() {
            let reason = match failure {
                ConnectFailure::Refused => UpstreamError::Refused,
                ConnectFailure::Timeout => UpstreamError::Timeout,
                ConnectFailure::Tls => UpstreamError::Tls,
            };
            self.record(at, false, Some(reason)).await;
        }
    }

    /// What it was before, if that was something else.
    fn changed(&self, at: usize, to: u8) -> Option<u8> {
        let before = self.servers.get(at)?.state.swap(to, Ordering::Relaxed);
        (before != to).then_some(before)
    }

    async fn record(&self, at: usize, up: bool, reason: Option<UpstreamError>) {
        let server = self.servers.get(at).map(|known| Arc::clone(&known.label));
        let (name, reads) = (&self.name, server.as_deref().unwrap_or_default());
        match reason {
            None => tracing::info!(upstream = %name, server = reads, "upstream is up again"),
            Some(reason) => tracing::warn!(upstream = %name, server = reads, %reason, "upstream is down"),
        }
        let kind = EventKind::UpstreamState { upstream: Arc::clone(&self.name), server, up, reason };
        // Nothing waits for this record: it announces nothing, it tells.
        let Some(log) = &self.log else { return };
        let _ = log.submit(vec![Entry { event: Box::new(Event::of_proxy(kind)), intent: None }]).await;
    }
}

/// Addresses of both families by turns, beginning with the one that the system would take (RFC 8305 §4).
fn by_turns(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.collect();
    let six_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().rev().partition(|address| address.is_ipv6() == six_first);
    let mut turns = Vec::with_capacity(first.len().saturating_add(second.len()));
    while !first.is_empty() || !second.is_empty() {
        turns.extend(first.pop());
        turns.extend(second.pop());
    }
    turns
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// The first of these addresses that answers. Each has a head start before the next.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running: Vec<Attempt> = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let more = waiting.next().map(|address| running.push(Box::pin(TcpStream::connect(address)))).is_some();
        if !more && running.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            connected = first_of(&mut running) => match connected {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            },
            () = sleep(NEXT_ADDRESS), if waiting.len() > 0 => {}
        }
    }
}

async fn first_of(running: &mut Vec<Attempt>) -> io::Result<TcpStream> {
    poll_fn(|cx| {
        for at in 0..running.len() {
            if let Some(attempt) = running.get_mut(at)
                && let Poll::Ready(done) = attempt.as_mut().poll(cx)
            {
                drop(running.swap_remove(at));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let of = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').filter(|text| !text.is_empty()).map(|text| text.parse().expect("an address")).collect()
        };
        for (name, given, expected) in [
            ("none", "", ""),
            ("one family", "192.0.2.1:1 192.0.2.2:1", "192.0.2.1:1 192.0.2.2:1"),
            ("six first", "[::1]:1 [::2]:1 192.0.2.1:1", "[::1]:1 192.0.2.1:1 [::2]:1"),
            ("four first", "192.0.2.1:1 [::1]:1 [::2]:1", "192.0.2.1:1 [::1]:1 [::2]:1"),
        ] {
            assert_eq!(by_turns(of(given).into_iter()), of(expected), "{name}");
        }
    }
}
