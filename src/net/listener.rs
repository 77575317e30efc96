//! Where clients come in: who is let in, who is told why not, and what a session begins with.
//!
//! ```text
//!   accept ─▶ [a balancer? ─▶ whose is it?] ─▶ log works? room? not guessing? ─┬─ no ─▶ session.refused, [TLS,] BYE
//!                                                                              └─ yes ─▶ [TLS] ─▶ Session ─▶ relay
//! ```

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::admission::Connections;
use super::drain::{self, Control, Signal};
use super::leg::Leg;
use super::proxy_protocol::{self, Heard, Origin};
use super::relay::{HANDSHAKE, Relay, linger, now};
use super::server::Server;
use super::tls::{self, ServerTls};
use crate::audit::{Entry, ids};
use crate::config;
use crate::metrics::{ListenerMetrics, Metrics};
use crate::session::event::{Event, EventContext, EventKind, RefusedReason};
use crate::session::{ClientTls, ListenerTls, Session, SessionStart};

/// Connections that wait to be accepted: a storm of clients that reconnect must not be turned away by the kernel.
const BACKLOG: i32 = 4096;

/// Clients that are being told why they are refused. More of them are just closed.
const MAX_REFUSALS: usize = 256;

/// Waits after an accept that failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);
const MAX_BACK_OFF: Duration = Duration::from_secs(1);

/// A listener: its socket, and what holds for those who come.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    /// Somebody keeps it for the next process.
    kept: bool,
    state: Arc<ListenerState>,
}

/// What holds for those who come by one listener.
#[derive(Debug)]
pub struct ListenerState {
    name: Arc<str>,
    mode: ListenerTls,
    pub(super) metrics: Arc<ListenerMetrics>,
    settings: ArcSwap<Settings>,
    connections: Connections,
    /// Clients that are being told why they are refused.
    refusals: AtomicUsize,
    /// It is no longer in the configuration.
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Settings {
    tls: Option<ServerTls>,
    allow_plaintext_login: bool,
    balancers: Vec<IpNet>,
    max_connections: usize,
    max_connections_per_ip: usize,
}

impl Settings {
    fn new(listener: &config::Listener, tls: Option<ServerTls>) -> Self {
        Self {
            tls,
            allow_plaintext_login: listener.allow_plaintext_login,
            balancers: listener.proxy_protocol_from.clone(),
            max_connections: listener.max_connections,
            max_connections_per_ip: listener.max_connections_per_ip,
        }
    }
}

impl Bound {
    /// Binds a listener's address; nobody is let in before [`serve`]. Must be called in a runtime.
    ///
    /// # Errors
    ///
    /// The address is taken, is none of this host's, or may not be bound by this user.
    pub fn bind(listener: &config::Listener, tls: Option<ServerTls>, metrics: &Metrics) -> io::Result<Self> {
        let address = listener.bind;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?; // [::] serves both families
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let state = Arc::new(ListenerState::new(listener, tls, metrics));
        Ok(Self { socket: TcpListener::from_std(socket.into())?, kept: false, state })
    }

    /// The same with sockets that somebody keeps, one for each of them.
    ///
    /// # Errors
    ///
    /// The runtime does not take one.
    pub fn kept(
        listener: &config::Listener,
        tls: Option<ServerTls>,
        metrics: &Metrics,
        sockets: Vec<std::net::TcpListener>,
    ) -> io::Result<Vec<Self>> {
        let state = Arc::new(ListenerState::new(listener, tls, metrics));
        let bound = |socket| Ok(Self { socket: TcpListener::from_std(socket)?, kept: true, state: Arc::clone(&state) });
        sockets.into_iter().map(bound).collect()
    }

    /// The address that was bound, with the port that the system chose where that was 0.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// For [`ListenerState::reload`].
    #[must_use]
    pub fn state(&self) -> Arc<ListenerState> {
        Arc::clone(&self.state)
    }
}

impl ListenerState {
    fn new(listener: &config::Listener, tls: Option<ServerTls>, metrics: &Metrics) -> Self {
        let counters = metrics.listener(&listener.name);
        counters.limit(listener.max_connections as u64);
        Self {
            name: Arc::from(&*listener.name),
            mode: match listener.tls {
                config::ListenerTls::Implicit => ListenerTls::Implicit,
                config::ListenerTls::Starttls => ListenerTls::Starttls,
                config::ListenerTls::Off => ListenerTls::Off,
            },
            metrics: counters,
            settings: ArcSwap::from_pointee(Settings::new(listener, tls)),
            connections: Connections::default(),
            refusals: AtomicUsize::new(0),
            closed: watch::Sender::new(false),
        }
    }

    /// Nobody more comes in by it; sessions stay.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Certificates and limits for those who come from now on. How TLS begins stays: that is a matter of the port.
    pub fn reload(&self, listener: &config::Listener, tls: Option<ServerTls>) {
        self.metrics.limit(listener.max_connections as u64);
        self.settings.store(Arc::new(Settings::new(listener, tls)));
    }

    /// The certificates in force, to keep their tickets good over a reload.
    #[must_use]
    pub fn server_tls(&self) -> Option<ServerTls> {
        self.settings.load().tls.clone()
    }

    /// What TLS begins with.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.settings.load().tls.as_ref().map(|tls| Arc::clone(&tls.config))
    }

    /// Does it say, by the PROXY protocol, whose connections it hands on?
    fn is_balancer(&self, peer: IpAddr) -> bool {
        self.settings.load().balancers.iter().any(|balancers| balancers.contains(&peer))
    }

    fn enter(self: &Arc<Self>, server: &Server, address: IpAddr) -> Result<Admitted, RefusedReason> {
        may_come(server, address)?;
        let settings = self.settings.load();
        self.connections.enter(address, settings.max_connections, settings.max_connections_per_ip)?;
        Ok(Admitted { listener: Arc::clone(self), address: Some(address) })
    }

    /// A place for a connection of which it is still to be heard whose it is.
    fn enter_unnamed(self: &Arc<Self>, server: &Server) -> Result<Admitted, RefusedReason> {
        if server.log.failing() {
            return Err(RefusedReason::Audit);
        }
        self.connections.enter_unnamed(self.settings.load().max_connections)?;
        Ok(Admitted { listener: Arc::clone(self), address: None })
    }
}

fn may_come(server: &Server, address: IpAddr) -> Result<(), RefusedReason> {
    if server.log.failing() {
        return Err(RefusedReason::Audit);
    }
    match server.failures.refuses(address, now()) {
        true => Err(RefusedReason::AuthFailures),
        false => Ok(()),
    }
}

/// A place among the connections of a listener.
struct Admitted {
    listener: Arc<ListenerState>,
    /// `None` until it is known.
    address: Option<IpAddr>,
}

impl Admitted {
    /// It is known now whose the connection is: from here on it is treated as if that client had connected itself.
    fn name(&mut self, server: &Server, address: IpAddr) -> Result<(), RefusedReason> {
        may_come(server, address)?;
        let max = self.listener.settings.load().max_connections_per_ip;
        self.listener.connections.name(address, max)?;
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.listener.connections.leave(self.address);
    }
}

/// Accepts until the server stops listening, or this listener is closed.
pub async fn serve(server: Arc<Server>, bound: Bound) {
    let (mut accepting, mut closed) = (server.listening(), bound.state.closed.subscribe());
    let mut heart = server.pulse.heart();
    let mut back_off = BACK_OFF;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = accepting.wait_for(|accepting| !accepting.takes(bound.kept)) => return,
            _ = closed.wait_for(|closed| *closed) => return,
            () = heart.answer() => continue,
            accepted = bound.socket.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                back_off = BACK_OFF;
                bound.state.metrics.accepted();
                on_connection(&server, &bound.state, socket, peer);
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::error!(listener = %bound.state.name, %error, "cannot accept connections");
                sleep(back_off).await;
                back_off = back_off.saturating_mul(2).min(MAX_BACK_OFF);
            }
        }
    }
}

/// The connection was gone before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn on_connection(server: &Arc<Server>, listener: &Arc<ListenerState>, socket: TcpStream, peer: SocketAddr) {
    // An address of IPv4 is one, whatever socket it came by: rules name it so.
    let peer = plain(peer);
    if listener.is_balancer(peer.ip()) {
        return match listener.enter_unnamed(server) {
            Ok(place) => drop(tokio::spawn(hand_on(Arc::clone(server), place, socket, peer))),
            Err(reason) => turn_away(server, listener, Leg::new(socket), None, reason),
        };
    }
    match listener.enter(server, peer.ip()) {
        Ok(admitted) => {
            let reached = socket.local_addr().map_or(peer, plain);
            let entry = server.sessions.enter();
            let origin = Origin { client: peer, reached, via: None };
            let server = Arc::clone(server);
            tokio::spawn(admit(Box::new(Arriving { server, admitted, entry, client: Leg::new(socket), origin })));
        }
        Err(reason) => turn_away(server, listener, Leg::new(socket), Some(peer.ip()), reason),
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Tells why, unless too many are being told.
fn turn_away(
    server: &Arc<Server>,
    listener: &Arc<ListenerState>,
    client: Leg,
    address: Option<IpAddr>,
    reason: RefusedReason,
) {
    if listener.refusals.fetch_add(1, Ordering::Relaxed) < MAX_REFUSALS {
        tokio::spawn(refuse(Arc::clone(server), Arc::clone(listener), client, address, reason));
    } else {
        listener.refusals.fetch_sub(1, Ordering::Relaxed);
        listener.metrics.refused(reason);
    }
}

/// A connection that a balancer hands on: whose it is comes first.
async fn hand_on(server: Arc<Server>, mut place: Admitted, mut socket: TcpStream, peer: SocketAddr) {
    let listener = Arc::clone(&place.listener);
    let reached = socket.local_addr().map_or(peer, plain);
    let entry = server.sessions.enter();
    let limit = server.shared.load().limits.pre_auth_timeout;
    let heard = tokio::select! {
        biased;
        () = ends(&entry.control) => return,
        heard = timeout(limit, proxy_protocol::hear(&mut socket)) => heard,
    };
    let origin = match heard {
        Ok(Ok(Heard::Nothing)) => return,
        Ok(Ok(Heard::Own)) => Origin { client: peer, reached, via: None },
        Ok(Ok(Heard::HandedOn(client, reached))) => Origin { client, reached, via: Some(peer.ip()) },
        Ok(Err(_)) | Err(_) => {
            // Of what else stands behind it nobody knows what it is: no answer would be understood. All that is known of whose
            // it is, is who sent it.
            return Box::pin(record_refused(&server, &listener, Some(peer.ip()), RefusedReason::ProxyProtocol)).await;
        }
    };
    match place.name(&server, origin.client.ip()) {
        Ok(()) => {
            let client = Leg::new(socket);
            admit(Box::new(Arriving { server, admitted: place, entry, client, origin })).await;
        }
        Err(reason) => turn_away(&server, &listener, Leg::new(socket), Some(origin.client.ip()), reason),
    }
}

/// All sessions are to end.
async fn ends(control: &Control) {
    poll_fn(|cx| match control.take(cx.waker()) {
        news if news.has(Signal::DRAIN) || news.has(Signal::END) => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
}

/// A client that may come in. In a place of its own: what moves on into the session would else be kept room for, in the task, for
/// as long as the session lasts.
struct Arriving {
    server: Arc<Server>,
    admitted: Admitted,
    entry: drain::Entry,
    client: Leg,
    origin: Origin,
}

/// How it arrives, then its session.
async fn admit(arriving: Box<Arriving>) {
    if let Some((_admitted, relay)) = Box::pin(arriving.arrive()).await {
        relay.run().await;
    }
}

impl Arriving {
    /// TLS, if that comes first. `None`: it comes to no session.
    async fn arrive(mut self: Box<Self>) -> Option<(Admitted, Box<Relay>)> {
        if self.admitted.listener.mode != ListenerTls::Implicit {
            return Some(self.begin(None));
        }
        match handshake(&self.admitted.listener, &mut self.client, Some(&self.entry.control)).await {
            Ok(stands) => Some(self.begin(Some(stands))),
            Err(Unshaken::Silent) => None,
            Err(Unshaken::Failed) => {
                let address = Some(self.origin.client.ip());
                record_refused(&self.server, &self.admitted.listener, address, RefusedReason::Tls).await;
                None
            }
        }
    }

    /// The session of a client whose connection stands, and its place, which is free again when that is over.
    fn begin(self: Box<Self>, tls: Option<ClientTls>) -> (Admitted, Box<Relay>) {
        let Self { server, admitted, entry, client, origin } = *self;
        let listener = &admitted.listener;
        let start = SessionStart {
            sid: ids::session_id(),
            listener: Arc::clone(&listener.name),
            client_ip: origin.client.ip(),
            client_port: origin.client.port(),
            connected_to: Some(origin.reached),
            via: origin.via,
            tls: listener.mode,
            allow_plaintext_login: listener.settings.load().allow_plaintext_login,
            tag_prefix: ids::tag_prefix(),
        };
        let now = now();
        let mut session = Session::new(start, server.shared.load_full(), now);
        if let Some(tls) = tls {
            session.handle_client_tls(tls, now);
        }
        let relay = Relay::new(server, Arc::clone(listener), entry, session, (client, origin));
        (admitted, relay)
    }
}

/// Why TLS does not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unshaken {
    /// The client said nothing: a balancer looks whether the port is open. Or the proxy stops.
    Silent,
    /// It said something else.
    Failed,
}

/// The handshake of implicit TLS; the end of all sessions ends it, too.
async fn handshake(
    listener: &ListenerState,
    client: &mut Leg,
    control: Option<&Control>,
) -> Result<ClientTls, Unshaken> {
    let config = listener.tls().ok_or(Unshaken::Silent)?;
    client.begin_server_tls(config).map_err(|_| Unshaken::Silent)?;
    let shaking = poll_fn(|cx| {
        let news = control.map_or(Signal::NONE, |control| control.take(cx.waker()));
        if news.has(Signal::DRAIN) || news.has(Signal::END) {
            return Poll::Ready(Err(Unshaken::Silent));
        }
        client.poll_handshake(cx).map_err(|_| Unshaken::Failed)
    });
    let shaken = timeout(HANDSHAKE, shaking).await.unwrap_or(Err(Unshaken::Failed));
    if shaken == Err(Unshaken::Silent) || !client.has_heard() {
        return Err(Unshaken::Silent);
    }
    let facts = client.tls().filter(|_| shaken.is_ok());
    listener.metrics.tls_handshake(facts.and_then(tls::label), facts.is_some());
    facts.map(|facts| tls::client_tls(facts, client.sni())).ok_or(Unshaken::Failed)
}

/// A client that may not come in: it is recorded, and told why where that can be done.
async fn refuse(
    server: Arc<Server>,
    listener: Arc<ListenerState>,
    mut client: Leg,
    address: Option<IpAddr>,
    reason: RefusedReason,
) {
    record_refused(&server, &listener, address, reason).await;
    let speaks = match (listener.mode, reason) {
        // Where there is no room at all, none is made for handshakes.
        (ListenerTls::Implicit, RefusedReason::TooMany) => false,
        (ListenerTls::Implicit, _) => handshake(&listener, &mut client, None).await.is_ok(),
        (ListenerTls::Starttls | ListenerTls::Off, _) => true,
    };
    if speaks {
        client.queue(bye(reason).into());
        let said = timeout(HANDSHAKE, poll_fn(|cx| client.poll_close(cx))).await;
        if matches!(said, Ok(Ok(()))) {
            linger(&mut client).await;
        }
    }
    listener.refusals.fetch_sub(1, Ordering::Relaxed);
}

/// `address` is the client's, where it is known.
async fn record_refused(server: &Server, listener: &ListenerState, address: Option<IpAddr>, reason: RefusedReason) {
    if reason == RefusedReason::Audit {
        return listener.metrics.refused(reason); // that is what cannot be recorded
    }
    let context =
        EventContext { client_ip: address, listener: Some(Arc::clone(&listener.name)), ..EventContext::default() };
    let event = Event::new(Arc::new(context), EventKind::SessionRefused { reason });
    server.observe_event(&event);
    // Nothing waits for this record: the client gets nothing either way.
    let _ = server.log.submit(vec![Entry { event: Box::new(event), intent: None }]).await;
}

/// What a client hears that is not let in.
fn bye(reason: RefusedReason) -> &'static str {
    match reason {
        RefusedReason::TooMany | RefusedReason::TooManyFromAddress => "* BYE [UNAVAILABLE] too many connections\r\n",
        RefusedReason::AuthFailures => "* BYE [UNAVAILABLE] too many failed logins, try again later\r\n",
        RefusedReason::Draining => "* BYE server is restarting, please reconnect\r\n",
        RefusedReason::Audit | RefusedReason::Tls | RefusedReason::ProxyProtocol => {
            "* BYE [UNAVAILABLE] closing connection\r\n"
        }
    }
}
