//! ONE CLIENT AND ITS UPSTREAM, sans-IO.
//!
//! Bytes, time and news come in through `handle_*`, what is to be done comes out of [`Session::poll_output`], in order.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub mod event;

use event::Event;

/// What a session is told of its client and of its surroundings when it begins.
#[derive(Debug, Clone)]
pub struct SessionStart {
    /// Session id: 12 characters of base32 (60 random bits).
    pub sid: Arc<str>,
    /// Name of the listener that accepted the connection.
    pub listener: Arc<str>,
    /// The client's address, after PROXY protocol.
    pub client_ip: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// How the listener treats TLS.
    pub tls: ListenerTls,
    /// Is LOGIN in clear taken (`allow_plaintext_login`)?
    pub allow_plaintext_login: bool,
    /// Unguessable start of the tags that this session uses upstream: 13 characters of base32.
    pub tag_prefix: Arc<str>,
}

/// How a listener treats TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerTls {
    /// TLS before the first byte.
    Implicit,
    /// STARTTLS is offered.
    Starttls,
    /// Clear only.
    Off,
}

/// What a TLS handshake with the client came to.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// "TLSv1.2" or "TLSv1.3".
    pub version: &'static str,
    /// Cipher suite, as its IANA name.
    pub cipher: Box<str>,
    /// Server name that the client asked for.
    pub sni: Option<Box<str>>,
}

/// Why an upstream could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The connection was refused, or no address could be found.
    Refused,
    /// Nothing came within `upstream_timeout`.
    Timeout,
    /// TLS failed: certificate, name or protocol.
    Tls,
}

/// What a session wants done, in order.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the client. Hand the emptied buffer back with [`Session::recycle`].
    ToClient(Vec<u8>),
    /// Bytes for the upstream. Hand the emptied buffer back with [`Session::recycle`].
    ToUpstream(Vec<u8>),
    /// Record this before any later output; if that fails call [`Session::handle_record_failed`] and perform nothing more of this turn.
    Record(Box<Event>),
    /// Record this and answer with [`Session::handle_recorded`]: the command behind it waits.
    Intent(Box<Event>),
    /// Connect to a server of this upstream (with implicit TLS where configured), then
    /// [`Session::handle_upstream_connected`] or [`Session::handle_upstream_failed`].
    Connect {
        /// Name of the upstream.
        upstream: Arc<str>,
    },
    /// The bytes before are out: begin the TLS handshake with the client, then [`Session::handle_client_tls`].
    StartClientTls,
    /// The bytes before are out: begin the TLS handshake with the upstream, then [`Session::handle_upstream_tls`].
    StartUpstreamTls,
    /// Close the upstream's leg once its bytes are out.
    CloseUpstream,
    /// Flush, close both legs: the session is over.
    Close,
}

/// One client and its upstream.
#[derive(Debug)]
pub struct Session {
    _start: SessionStart,
}

#[expect(unused_variables, reason = "being written")]
impl Session {
    /// A new session; the TCP connection stands, TLS (if implicit) not yet.
    #[must_use]
    pub fn new(start: SessionStart, shared: Arc<Shared>, now: Instant) -> Self {
        Self { _start: start }
    }
    /// Bytes that the client sent.
    pub fn handle_client_bytes(&mut self, bytes: &[u8], now: Instant) {}
    /// Bytes that the upstream sent.
    pub fn handle_upstream_bytes(&mut self, bytes: &[u8], now: Instant) {}
    /// The client's side of the connection ended (EOF or reset).
    pub fn handle_client_closed(&mut self, now: Instant) {}
    /// The upstream's side of the connection ended (EOF or reset).
    pub fn handle_upstream_closed(&mut self, now: Instant) {}
    /// TLS with the client stands.
    pub fn handle_client_tls(&mut self, tls: ClientTls, now: Instant) {}
    /// TLS with the client failed: nothing more can be said to it. `why` is one of a closed list of short reasons.
    pub fn handle_client_tls_failed(&mut self, why: &'static str, now: Instant) {}
    /// The connection asked for by [`Output::Connect`] stands; `tls`: is it already under TLS?
    pub fn handle_upstream_connected(&mut self, tls: bool, now: Instant) {}
    /// TLS asked for by [`Output::StartUpstreamTls`] stands.
    pub fn handle_upstream_tls(&mut self, now: Instant) {}
    /// [`Output::Connect`] or [`Output::StartUpstreamTls`] failed.
    pub fn handle_upstream_failed(&mut self, why: ConnectFailure, now: Instant) {}
    /// The answer to [`Output::Intent`].
    pub fn handle_recorded(&mut self, recorded: bool, now: Instant) {}
    /// An [`Output::Record`] could not be written: what stands behind it must not happen.
    pub fn handle_record_failed(&mut self, now: Instant) {}
    /// The audit log began to fail (`true`) or works again (`false`).
    pub fn handle_audit_failing(&mut self, failing: bool, now: Instant) {}
    /// A reload: the rules that hold from the next command on.
    pub fn handle_rules(&mut self, now: Instant) {}
    /// The proxy drains: say BYE at the next moment between commands, or at once if `hard`.
    pub fn handle_drain(&mut self, hard: bool, now: Instant) {}
    /// A deadline passed.
    pub fn handle_deadline(&mut self, now: Instant) {}
    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// When [`Session::handle_deadline`] must be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }
    /// May more bytes of the client be read? (`false` is back-pressure.)
    #[must_use]
    pub fn wants_client_bytes(&self) -> bool {
        true
    }
    /// May more bytes of the upstream be read?
    #[must_use]
    pub fn wants_upstream_bytes(&self) -> bool {
        true
    }
    /// A buffer that came out of [`Session::poll_output`] and has been written.
    pub fn recycle(&mut self, buffer: Vec<u8>) {}
    /// Nothing is under way: the relay may give back its own buffers, too.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        true
    }
}

/// What all sessions share: the rules in force, limits, what is known of each upstream. Swapped as a whole on reload.
#[derive(Debug)]
pub struct Shared {}
