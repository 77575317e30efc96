//! One session, one task: what its sockets bring goes in, what it wants done is done in order.
//!
//! ```text
//!   client ─read─▶ ┌─────────┐ ◀─read─ upstream          each only while the other side takes what it leads to
//!          ◀write─ │ Session │ ─write▶
//!                  └─────────┘ ─▶ record: what stands behind it waits until the log has it
//!     news (reload, drain, log), deadlines ─▶
//! ```
//!
//! A turn: wait until something happens, read what there is, perform all outputs, write each side once. Nothing is
//! allocated for a wait, and nothing is held by it but what the session must remember.
//!
//! **Invariant.** Octets that a session put out behind a record are flushed only after the log has said that the record
//! is written: [`Relay::perform`](super::outputs) is the only one that queues, and it does not return before that.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep_until, timeout};

use super::drain::{self, Signal};
use super::leg::{Heard, Leg, lend_buffer};
use super::listener::ListenerState;
use super::proxy_protocol::Origin;
use super::server::Server;
use super::tls;
use super::upstream::{Connected, Connector};
use crate::session::{ConnectFailure, Session};

/// Time that a client may take to read what waits for it.
const CLIENT_STALL: Duration = Duration::from_secs(5 * 60);

/// Time that a TLS handshake may take.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Quiet time after which memory is given back.
const QUIET: Duration = Duration::from_secs(2);

/// Time for the last octets of a session, and then for the client to close.
const LAST_WORDS: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(2);

/// Octets that are read and forgotten while the client closes.
const LINGER_OCTETS: usize = 1024 * 1024;

/// A session and its two sides.
pub(super) struct Relay {
    pub(super) server: Arc<Server>,
    pub(super) listener: Arc<ListenerState>,
    pub(super) entry: drain::Entry,
    pub(super) session: Session,
    pub(super) client: Leg,
    /// Whose connection it is.
    pub(super) origin: Origin,
    pub(super) client_tls: Handshake,
    pub(super) upstream: Option<UpstreamSide>,
    pub(super) connecting: Option<Connecting>,
    /// Commands that were announced to the log, with the numbers of those records.
    pub(super) intents: Vec<(Option<u32>, u64)>,
    /// The client sends nothing more.
    pub(super) client_eof: bool,
    /// The upstream is not read because the client does not read.
    pub(super) choked: bool,
    /// A record could not be written: the session is ending, and what it still wants recorded is not.
    pub(super) unrecorded: bool,
    /// The session is over once what it said is out.
    pub(super) over: bool,
    /// When to look whether memory can be given back; nothing to give back if `at_rest`.
    pub(super) relax_at: Option<Instant>,
    pub(super) at_rest: bool,
    /// For when the timer is set; it may be earlier than needed.
    pub(super) armed: Option<Instant>,
    /// Whom news wake.
    woken: Option<Waker>,
}

/// How far TLS has come that a session asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// None is under way.
    Settled,
    /// What was said in clear has to go out first.
    Due,
    /// Under way, at most until then.
    Shaking(Instant),
}

/// A connection to an upstream.
pub(super) struct UpstreamSide {
    pub leg: Leg,
    pub tls: Handshake,
    pub connector: Arc<Connector>,
    /// Which of its servers.
    pub server: usize,
}

impl Drop for UpstreamSide {
    fn drop(&mut self) {
        self.connector.metrics.closed();
    }
}

/// A connection that is being made.
pub(super) struct Connecting {
    pub connector: Arc<Connector>,
    pub connected: Pin<Box<dyn Future<Output = Result<Connected, ConnectFailure>> + Send>>,
}

/// The time, as the runtime's timers tell it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Relay {
    /// A session whose client's connection stands, with implicit TLS if it has that.
    pub fn new(
        server: Arc<Server>,
        listener: Arc<ListenerState>,
        entry: drain::Entry,
        session: Session,
        (client, origin): (Leg, Origin),
    ) -> Box<Self> {
        Box::new(Self {
            server,
            listener,
            entry,
            session,
            client,
            origin,
            client_tls: Handshake::Settled,
            upstream: None,
            connecting: None,
            intents: Vec::new(),
            client_eof: false,
            choked: false,
            unrecorded: false,
            over: false,
            relax_at: None,
            at_rest: false,
            armed: None,
            woken: None,
        })
    }

    /// Relays until the session is over and what it said is out.
    pub async fn run(mut self: Box<Self>) {
        let mut timer = pin!(sleep_until(tokio::time::Instant::now()));
        if self.server.log.failing() {
            self.session.handle_audit_failing(true, now());
        }
        loop {
            self.perform().await;
            if self.over {
                break;
            }
            poll_fn(|cx| self.poll_turn(cx, timer.as_mut())).await;
        }
        Box::pin(self.finish()).await;
    }

    /// Waits until something has happened, and tells the session.
    fn poll_turn(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<()> {
        let news = self.entry.control.take_as(cx.waker(), &mut self.woken);
        if news != Signal::NONE {
            self.on_news(news);
            return Poll::Ready(());
        }
        let mut happened = self.poll_writes(cx);
        happened |= self.poll_client_tls(cx) || self.poll_upstream_tls(cx) || self.poll_connecting(cx);
        happened |= self.poll_reads(cx);
        if happened {
            return Poll::Ready(());
        }
        self.poll_timer(cx, timer)
    }

    fn on_news(&mut self, news: Signal) {
        let now = now();
        if news.has(Signal::RELOAD) {
            self.session.handle_shared(self.server.shared.load_full(), now);
        }
        if news.has(Signal::AUDIT) {
            self.session.handle_audit_failing(self.server.log.failing(), now);
        }
        if news.has(Signal::LOCKS) {
            self.session.handle_locks(now);
        }
        if news.has(Signal::KILL)
            && let Some(order) = self.entry.control.order()
        {
            self.session.handle_kill(order.by, &order.why, now);
        }
        if news.has(Signal::DRAIN) || news.has(Signal::END) {
            self.session.handle_drain(news.has(Signal::END), now);
        }
    }

    fn poll_writes(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(upstream) = &mut self.upstream {
            // Where that fails, reading tells so in a moment, and what the upstream has said last is not lost.
            let _ = upstream.leg.poll_flush(cx);
        }
        if let Poll::Ready(Err(_)) = self.client.poll_flush(cx) {
            self.session.handle_client_lost(now());
            return true;
        }
        if self.choked && self.client.has_room() {
            self.choked = false;
            self.session.handle_client_reads(now());
        }
        false
    }

    fn poll_client_tls(&mut self, cx: &mut Context<'_>) -> bool {
        if self.client_tls == Handshake::Settled {
            return false;
        }
        if self.client_tls == Handshake::Due && self.client.is_flushed() {
            self.client_tls = Handshake::Shaking(now() + HANDSHAKE);
            let begun = self.listener.tls().map(|config| self.client.begin_server_tls(config));
            if !matches!(begun, Some(Ok(()))) {
                return self.on_client_tls(false);
            }
        }
        match self.client_tls {
            Handshake::Shaking(_) => match self.client.poll_handshake(cx) {
                Poll::Ready(done) => self.on_client_tls(done.is_ok()),
                Poll::Pending => false,
            },
            Handshake::Settled | Handshake::Due => false,
        }
    }

    fn on_client_tls(&mut self, stands: bool) -> bool {
        self.client_tls = Handshake::Settled;
        let facts = self.client.tls().filter(|_| stands);
        self.listener.metrics.tls_handshake(facts.and_then(tls::label), stands);
        match facts.map(|facts| tls::client_tls(facts, self.client.sni())) {
            Some(tls) => self.session.handle_client_tls(tls, now()),
            None => self.session.handle_client_tls_failed(now()),
        }
        true
    }

    fn poll_upstream_tls(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(upstream) = self.upstream.as_mut().filter(|upstream| upstream.tls != Handshake::Settled) else {
            return false;
        };
        if upstream.tls == Handshake::Due && upstream.leg.is_flushed() {
            upstream.tls = Handshake::Shaking(now() + HANDSHAKE);
            if upstream.connector.begin_tls(&mut upstream.leg, upstream.server).is_err() {
                return self.on_upstream_tls(false);
            }
        }
        match upstream.tls {
            Handshake::Shaking(_) => match upstream.leg.poll_handshake(cx) {
                Poll::Ready(done) => self.on_upstream_tls(done.is_ok()),
                Poll::Pending => false,
            },
            Handshake::Settled | Handshake::Due => false,
        }
    }

    fn on_upstream_tls(&mut self, stands: bool) -> bool {
        if let Some(upstream) = self.upstream.as_mut().filter(|_| stands) {
            upstream.tls = Handshake::Settled;
            self.session.handle_upstream_tls(now());
        } else {
            if let Some(upstream) = self.upstream.take() {
                tracing::warn!(upstream = upstream.connector.name(), "TLS after STARTTLS failed");
            }
            self.session.handle_upstream_failed(ConnectFailure::Tls, now());
        }
        true
    }

    fn poll_connecting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Connecting { connector, connected }) = &mut self.connecting else { return false };
        let Poll::Ready(connected) = connected.as_mut().poll(cx) else { return false };
        match connected {
            Ok(Connected { leg, server, tls }) => {
                let connector = Arc::clone(connector);
                connector.metrics.opened();
                self.upstream = Some(UpstreamSide { leg, tls: Handshake::Settled, connector, server });
                self.session.handle_upstream_connected(tls, now());
            }
            Err(failure) => self.session.handle_upstream_failed(failure, now()),
        }
        self.connecting = None;
        true
    }

    fn poll_reads(&mut self, cx: &mut Context<'_>) -> bool {
        let client = self.poll_client(cx);
        self.poll_upstream(cx) || client
    }

    /// Something has come, then: memory is given back when nothing more does for some time.
    fn heard(&mut self, at: Option<Instant>) {
        self.relax_at = at.map(|at| at + QUIET);
        self.at_rest = false;
    }

    fn poll_client(&mut self, cx: &mut Context<'_>) -> bool {
        let room = self.client.answers_have_room()
            && self.upstream.as_ref().is_none_or(|upstream| upstream.leg.has_room())
            && self.client_tls == Handshake::Settled;
        if !room || self.client_eof || !self.session.wants_client_bytes() {
            return false;
        }
        let (mut at, mut octets) = (None, 0_u64);
        let heard = self.client.poll_read(cx, &mut |bytes| {
            octets = octets.saturating_add(bytes.len() as u64);
            lend(&mut self.session);
            self.session.handle_client_bytes(bytes, *at.get_or_insert_with(now));
        });
        match heard {
            Poll::Pending => return false,
            Poll::Ready(Ok(Heard::Bytes | Heard::Nothing)) => {
                self.listener.metrics.received(octets);
                self.entry.control.live.received(octets, at);
            }
            Poll::Ready(Ok(Heard::End)) => {
                self.client_eof = true;
                self.session.handle_client_closed(now());
            }
            Poll::Ready(Err(_)) => self.session.handle_client_lost(now()),
        }
        self.heard(at);
        true
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(upstream) = self.upstream.as_mut().filter(|upstream| upstream.tls == Handshake::Settled) else {
            return false;
        };
        if !self.session.wants_upstream_bytes() {
            return false;
        }
        if !self.client.has_room() {
            self.choked = true;
            return false;
        }
        let (mut at, mut octets) = (None, 0_u64);
        let heard = upstream.leg.poll_read(cx, &mut |bytes| {
            octets = octets.saturating_add(bytes.len() as u64);
            lend(&mut self.session);
            self.session.handle_upstream_bytes(bytes, *at.get_or_insert_with(now));
        });
        match heard {
            Poll::Pending => return false,
            Poll::Ready(Ok(Heard::Bytes | Heard::Nothing)) => upstream.connector.metrics.received(octets),
            Poll::Ready(Ok(Heard::End) | Err(_)) => {
                self.upstream = None;
                self.session.handle_upstream_closed(now());
            }
        }
        self.heard(at);
        true
    }

    /// The timer is set anew only to make it earlier: it may come too early, but most commands leave it alone. Until it comes it
    /// knows whom to wake.
    fn poll_timer(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let upstream = self.upstream.as_ref().map_or(0, |upstream| upstream.leg.held());
        self.entry.control.live.holds(self.client.held().saturating_add(upstream));
        if self.relax_at.is_none() && !self.at_rest {
            self.relax_at = Some(now() + QUIET);
        }
        let Some(due) = self.next_due() else { return Poll::Pending };
        if self.armed.is_none_or(|armed| due < armed) {
            timer.as_mut().reset(due.into());
            self.armed = Some(due);
        } else if !timer.is_elapsed() {
            return Poll::Pending;
        }
        // A turn that has used up its share of the thread must not keep the timer from hearing whom to wake.
        ready!(pin!(unconstrained(timer)).poll(cx));
        self.armed = None;
        self.on_time(now());
        Poll::Ready(())
    }

    fn next_due(&self) -> Option<Instant> {
        let handshake = |tls: Handshake| match tls {
            Handshake::Shaking(until) => Some(until),
            Handshake::Settled | Handshake::Due => None,
        };
        let upstream = self.upstream.as_ref();
        [
            // While the client does not read, nobody listens to the upstream: its silence says nothing.
            self.session.next_deadline().filter(|_| !self.choked),
            self.client.stalled_since().map(|since| since + CLIENT_STALL),
            upstream.and_then(|upstream| Some(upstream.leg.stalled_since()? + upstream.connector.timeout())),
            handshake(self.client_tls),
            upstream.and_then(|upstream| handshake(upstream.tls)),
            self.relax_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_time(&mut self, now: Instant) {
        let over = |since: Option<Instant>, limit: Duration| since.is_some_and(|since| since + limit <= now);
        if over(self.client.stalled_since(), CLIENT_STALL) {
            self.session.handle_client_stalled(now);
        }
        if matches!(self.client_tls, Handshake::Shaking(until) if until <= now) {
            self.on_client_tls(false);
        }
        if let Some(upstream) = &self.upstream {
            if matches!(upstream.tls, Handshake::Shaking(until) if until <= now) {
                self.on_upstream_tls(false);
            } else if over(upstream.leg.stalled_since(), upstream.connector.timeout()) {
                self.upstream = None;
                self.session.handle_upstream_closed(now);
            }
        }
        if !self.choked {
            self.session.handle_deadline(now);
        }
        if self.relax_at.is_some_and(|at| at <= now) {
            self.relax(now);
        }
    }

    /// Gives memory back where nothing is under way.
    fn relax(&mut self, now: Instant) {
        self.relax_at = None;
        self.at_rest = self.session.is_idle() && self.client.is_flushed();
        if self.at_rest {
            self.client.relax();
            if let Some(upstream) = &mut self.upstream {
                upstream.leg.relax();
            }
            self.intents = Vec::new();
        } else {
            self.relax_at = Some(now + QUIET.saturating_mul(8));
        }
    }

    /// The session is over: what it said goes out, then both sides close.
    async fn finish(mut self: Box<Self>) {
        self.connecting = None;
        let closing = poll_fn(|cx| {
            let client = self.client.poll_close(cx).is_ready();
            let upstream = self.upstream.as_mut().is_none_or(|upstream| upstream.leg.poll_close(cx).is_ready());
            if client && upstream { Poll::Ready(()) } else { Poll::Pending }
        });
        let said = timeout(LAST_WORDS, closing).await.is_ok();
        let Self { entry, upstream, mut client, client_eof, .. } = *self;
        drop(upstream);
        drop(entry);
        if said && !client_eof {
            linger(&mut client).await;
        }
    }
}

/// What a session is about to read leads to octets that go out.
fn lend(session: &mut Session) {
    if session.wants_buffer() {
        session.recycle(lend_buffer());
    }
}

/// A socket that is closed while octets of the peer's are unread resets the connection, and the peer never sees what was
/// said last. So they are read, until the peer has closed, too.
pub(super) async fn linger(client: &mut Leg) {
    let mut left = LINGER_OCTETS;
    let reading = poll_fn(|cx| {
        loop {
            match ready!(client.poll_discard(cx)) {
                Ok(n) if n > 0 && n < left => left = left.saturating_sub(n),
                _ => return Poll::Ready(()),
            }
        }
    });
    let _ = timeout(LINGER, reading).await;
}
