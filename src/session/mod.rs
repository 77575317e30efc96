//! ONE CLIENT AND ITS UPSTREAM, sans-IO.
//!
//! Bytes, time and news come in through `handle_*`, what is to be done comes out of [`Session::poll_output`], in order.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

mod afterwards;
mod alerts;
mod append;
pub mod asks;
mod auth;
pub mod budgets;
mod by_the_thousand;
mod capability;
mod client_input;
mod command_path;
mod complete;
mod contexts;
mod counted;
mod coverage;
mod deadline;
mod effect;
pub mod event;
pub mod extensions;
mod filter;
mod follow;
mod foresight;
mod forward;
mod headers;
mod idle;
mod in_flight;
mod inbox;
mod judging;
mod limiting;
mod listing;
pub mod locks;
mod messages;
mod names;
mod outbox;
mod parts;
mod reads;
mod recording;
mod refusal;
mod response_path;
mod searches;
mod seq_uids;
mod shared;
mod sources;
mod state;
mod told_status;
mod unasked;
mod upstream;
pub mod verdicts;

pub use budgets::{Budgets, InMemory};
pub use messages::facts;
pub use shared::{Clock, Limits, Shared, UpstreamInfo, UserTest};

use crate::policy::{Bound, Hits, Subject, TlsLevel};
use crate::wire::frame::CommandFramer;

use auth::{Login, SaslStep};
use coverage::{Coverage, Shelf};
use effect::{Held, Judged};
use event::{
    CloseReason, ClosedBy, Event, EventContext, FaultReason, KilledBy, Note, ReadCounts, ResultStatus, SessionPhase,
    Side,
};
use in_flight::{InFlight, Tag};
use inbox::Inbox;
use names::Names;
use outbox::Outbox;
use refusal::{Answer, Bye};
use response_path::Reading;
use state::State;
use upstream::{LegPhase, UpstreamLeg};

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
    /// The address that it connected to, as far as that is known.
    pub connected_to: Option<SocketAddr>,
    /// Who handed it on, and spoke the PROXY protocol.
    pub via: Option<IpAddr>,
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
    /// Record this before any later output, as [`Output::Record`]: a later record names it as what announced it.
    Announce(Box<Event>),
    /// Count this.
    Note(Note),
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

/// Commands that may be under way at once; more wait in the buffer, and the client's socket behind it.
const MAX_IN_FLIGHT: usize = 64;

/// Answers in BAD after which the client is sent away.
const MAX_BAD: u32 = 10;

/// The same before login, where nobody has a reason to guess.
const MAX_BAD_BEFORE_LOGIN: u32 = 3;

/// Failed logins after which the connection ends.
const MAX_AUTH_FAILURES: u32 = 5;

/// Buffered bytes of the client's beyond which no more are read.
const MAX_INBOX: usize = 256 * 1024;

/// One client and its upstream.
pub struct Session {
    start: SessionStart,
    shared: Arc<Shared>,
    rev: Arc<str>,
    state: State,
    mode: ClientMode,
    client_tls: Option<ClientTls>,
    /// The client asked for things in UTF-8 (`ENABLE UTF8=ACCEPT` or `IMAP4rev2`) and the upstream agreed.
    utf8: bool,
    /// Something was switched on for the whole session (ENABLE, NOTIFY): filtered scope may not carry it.
    switched_on: bool,
    /// The same of what a session does not have in which messages may be hidden.
    switched_beyond: bool,

    inbox: Inbox,
    framer: CommandFramer,
    /// Up to where in the command under way literals have been asked for.
    asked_upto: usize,
    commands: u32,
    bad: u32,
    auth_failures: u32,
    /// Octets behind a refused synchronizing literal of an APPEND may come: mail must not run (quirk C24).
    suspect: bool,

    /// The line behind a message literal is to come.
    appending: Option<Box<append::Stream>>,
    /// The upstream's answer to an APPEND whose octets are still coming.
    early_answer: Option<Vec<u8>>,
    /// How a command is answered whose literal was dropped.
    doomed: Option<Answer>,
    /// LOGOUT's answer, which waits for commands before it.
    logout: Option<Vec<u8>>,
    /// One DONE may come late (quirk S23).
    swallow_done: bool,
    id_sent: bool,
    /// The command for which names were asked again.
    retried: Option<u32>,
    /// No command is read before this time.
    pause: Option<Instant>,

    leg: UpstreamLeg,
    login: Option<Box<Login>>,
    login_shadow: Hits,
    sasl_tag: Tag,
    first_message: Option<Zeroizing<Vec<u8>>>,
    reading: Reading,
    /// What is left of a command whose literal the upstream has not asked for yet.
    gate: Option<Box<append::Gate>>,
    in_flight: InFlight,
    /// A command that waits for what must come before it.
    held: Option<Box<Held>>,
    /// A command whose answer waits until the record has what it needs.
    afterwards: Option<Box<afterwards::Afterwards>>,
    /// Mail that comes without being asked for.
    unasked: Option<Box<reads::Reads>>,

    subject: Subject,
    bound: Bound,
    /// Rules that begin to hide: they hold as soon as what is under way has ended.
    turning: Option<Arc<Shared>>,
    /// They hold, and the names are to come: is the open mailbox one of them?
    turned: bool,
    /// The client idles, the upstream does not.
    idle_paused: Option<Box<in_flight::Entry>>,
    /// When hours next change what the rules say.
    rules_change: Option<Instant>,
    /// Under which names budgets are drawn on.
    owners: limiting::Owners,
    /// Where this session counts.
    seats: Vec<budgets::Seat>,
    names: Names,
    coverage: Coverage,
    shelf: Shelf,
    /// `$` stands for what a search in messages has found.
    saved_content: bool,
    /// Searches in the open mailbox that go on.
    contexts: Vec<contexts::Context>,
    /// The open mailbox, where messages may be hidden in it.
    view: Option<Box<messages::View>>,
    /// What waits until the view knows what it must.
    work: Option<messages::Work>,
    /// Rules or hours may have changed what is hidden in it.
    filter_is_stale: bool,
    /// A mailbox is open in which messages may be hidden now, and could not when it was opened.
    needs_view: bool,

    out: Outbox,
    ctx: Arc<EventContext>,
    phase: Option<SessionPhase>,
    read_counts: ReadCounts,
    alerts: alerts::Alerts,
    bytes_in: u64,
    bytes_out: u64,

    opened: Instant,
    client_heard: Instant,
    upstream_heard: Instant,
    /// The wall time of the turn under way, for rules with hours.
    wall: jiff::Timestamp,
    audit_failing: bool,
    draining: bool,
    /// The client sends no more.
    client_done: bool,
    faults: u32,
    upstream_bye: bool,
    client_told_bye: bool,
    closing: bool,
}

/// How the client's next octets are to be read.
#[derive(Debug)]
enum ClientMode {
    /// TLS has to come first.
    Handshake,
    /// Commands.
    Command,
    /// Lines of a SASL exchange.
    Sasl(SaslStep),
    /// IDLE: DONE, and nothing else.
    Idle,
    /// A message literal, once the upstream has asked for it.
    AwaitStream(Box<append::Stream>),
    /// Octets of a message literal.
    Stream(Box<append::Stream>),
    /// Octets of a literal that nobody takes, of a command that is answered when it is over.
    Discard { left: u64, then: Answer },
    /// The rest of a line that is too long: at most so many octets.
    DiscardLine(usize),
    /// Nothing more is read.
    Over,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("sid", &self.start.sid).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Session {
    /// A new session; the TCP connection stands, TLS (if implicit) not yet.
    #[must_use]
    pub fn new(start: SessionStart, shared: Arc<Shared>, now: Instant) -> Self {
        let subject = Subject {
            user: Arc::default(),
            actor: Arc::default(),
            groups: Arc::default(),
            listener: Arc::clone(&start.listener),
            upstream: Arc::default(),
            client_ip: start.client_ip,
            client_id: Arc::default(),
            tls: TlsLevel::None,
        };
        let bound = shared.rules.bind(&subject);
        let mut session = Self {
            rev: Arc::clone(shared.rules.rev()),
            state: State::NotAuthenticated,
            mode: if start.tls == ListenerTls::Implicit { ClientMode::Handshake } else { ClientMode::Command },
            client_tls: None,
            utf8: false,
            switched_on: false,
            switched_beyond: false,
            inbox: Inbox::default(),
            framer: CommandFramer::default(),
            asked_upto: 0,
            commands: 0,
            bad: 0,
            auth_failures: 0,
            suspect: false,
            appending: None,
            early_answer: None,
            doomed: None,
            logout: None,
            swallow_done: false,
            id_sent: false,
            retried: None,
            pause: None,
            leg: UpstreamLeg::default(),
            login: None,
            login_shadow: Hits::default(),
            sasl_tag: Tag::new(),
            first_message: None,
            reading: Reading::default(),
            gate: None,
            in_flight: InFlight::default(),
            held: None,
            afterwards: None,
            unasked: None,
            subject,
            bound,
            turning: None,
            turned: false,
            idle_paused: None,
            rules_change: None,
            owners: limiting::Owners::default(),
            seats: Vec::new(),
            names: Names::default(),
            coverage: Coverage::default(),
            shelf: Shelf::default(),
            saved_content: false,
            contexts: Vec::new(),
            view: None,
            work: None,
            filter_is_stale: false,
            needs_view: false,
            out: Outbox::default(),
            ctx: Arc::new(EventContext::proxy()),
            phase: None,
            read_counts: ReadCounts::default(),
            alerts: alerts::Alerts::default(),
            bytes_in: 0,
            bytes_out: 0,
            opened: now,
            client_heard: now,
            upstream_heard: now,
            wall: shared.clock.at(now),
            audit_failing: false,
            draining: false,
            client_done: false,
            faults: 0,
            upstream_bye: false,
            client_told_bye: false,
            closing: false,
            start,
            shared,
        };
        session.name_context();
        session.move_phase(Some(SessionPhase::Preauth));
        if session.start.tls != ListenerTls::Implicit {
            session.record_open();
            session.greet();
        }
        session
    }

    fn greet(&mut self) {
        let list = self.capabilities_before_login();
        let out = self.out.client();
        out.extend_from_slice(b"* OK [CAPABILITY ");
        out.extend_from_slice(list.as_bytes());
        out.extend_from_slice(b"] imapwarden ready\r\n");
    }

    fn subject_of(&self, user: Arc<str>, actor: Arc<str>, upstream: Arc<str>) -> Subject {
        Subject {
            user,
            actor,
            groups: Arc::clone(&self.subject.groups),
            listener: Arc::clone(&self.start.listener),
            upstream,
            client_ip: self.start.client_ip,
            client_id: Arc::clone(&self.subject.client_id),
            tls: if self.client_tls.is_some() { TlsLevel::Server } else { TlsLevel::None },
        }
    }

    /// Bytes that the client sent.
    pub fn handle_client_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.closing {
            return;
        }
        self.client_heard = now;
        self.bytes_in = self.bytes_in.saturating_add(bytes.len() as u64);
        let taken = if self.inbox.is_empty() { self.stream_octets(bytes) } else { 0 };
        self.inbox.extend(bytes.get(taken..).unwrap_or_default());
        self.pump(now);
    }

    /// Bytes that the upstream sent.
    pub fn handle_upstream_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.closing {
            return;
        }
        self.upstream_heard = now;
        self.read_responses(bytes, now);
        self.pump(now);
    }

    /// The client will send no more (EOF). What it has sent is still answered.
    pub fn handle_client_closed(&mut self, now: Instant) {
        self.client_done = true;
        self.pump(now);
    }

    /// The client is gone (reset, or it takes no more bytes).
    pub fn handle_client_lost(&mut self, now: Instant) {
        self.end(CloseReason::ClientClosed, None, now);
    }

    /// The client has not read for as long as it may.
    pub fn handle_client_stalled(&mut self, now: Instant) {
        self.end(CloseReason::Limit, None, now);
    }

    /// The client reads again: the upstream was silent because nobody listened.
    pub fn handle_client_reads(&mut self, now: Instant) {
        self.upstream_heard = now;
    }

    /// The address of the client has failed to log in too often: instead of connecting upstream, the login under way is
    /// refused, and the session ends.
    pub fn handle_too_many_failures(&mut self, now: Instant) {
        if let Some(login) = self.login.take() {
            self.drop_upstream();
            self.record_auth_failure(login.mechanism, event::AuthFailureReason::TooMany, Some(&login), now);
            self.answer(&login.tag, &Answer::AuthenticationFailed);
        }
        self.end(CloseReason::AuthFailures, Some(Bye::Garbage), now);
    }

    /// The upstream's side of the connection ended (EOF or reset).
    pub fn handle_upstream_closed(&mut self, now: Instant) {
        if self.closing || self.leg.phase == LegPhase::Away {
            return;
        }
        if self.login.is_some() {
            self.leg.phase = LegPhase::Gone;
            self.note_upstream_error(event::UpstreamError::Reset);
            self.give_up_login(now);
            return self.pump(now);
        }
        if matches!(self.leg.phase, LegPhase::Gone) {
            return;
        }
        self.leg.phase = LegPhase::Gone;
        let bye = (!self.client_told_bye && !self.logging_out()).then_some(Bye::Unavailable);
        let reason = if self.upstream_bye { CloseReason::UpstreamBye } else { CloseReason::UpstreamClosed };
        self.end(reason, bye, now);
    }

    /// TLS with the client stands.
    pub fn handle_client_tls(&mut self, tls: ClientTls, now: Instant) {
        let implicit = self.start.tls == ListenerTls::Implicit;
        self.client_tls = Some(tls);
        self.client_heard = now;
        self.mode = ClientMode::Command;
        // Nothing learnt in clear survives (RFC 9051 §6.2.1).
        self.inbox.clear();
        self.framer.reset();
        self.subject.client_id = Arc::from("");
        self.bad = 0;
        self.record_open();
        if implicit {
            self.greet();
        }
    }

    /// TLS with the client failed: nothing more can be said to it.
    pub fn handle_client_tls_failed(&mut self, now: Instant) {
        self.end(CloseReason::Tls, None, now);
    }

    /// The connection asked for by [`Output::Connect`] stands; `tls`: is it already under TLS?
    pub fn handle_upstream_connected(&mut self, tls: bool, now: Instant) {
        self.on_upstream_connected(tls, now);
    }

    /// TLS asked for by [`Output::StartUpstreamTls`] stands.
    pub fn handle_upstream_tls(&mut self, now: Instant) {
        self.on_upstream_tls(now);
    }

    /// [`Output::Connect`] or [`Output::StartUpstreamTls`] failed.
    pub fn handle_upstream_failed(&mut self, why: ConnectFailure, now: Instant) {
        self.on_upstream_failed(why, now);
        self.pump(now);
    }

    /// The answer to [`Output::Intent`]: does the record stand?
    pub fn handle_recorded(&mut self, recorded: bool, now: Instant) {
        if let Some(held) = self.held.take() {
            if recorded {
                self.send_held(*held, now);
            } else {
                self.note(Note::RefusedForAudit);
                let mut held = *held;
                held.judged = Judged::default(); // no refusal by a rule, and nothing to record it in
                self.refuse_held_or_stream(held, &Answer::Unavailable, now);
            }
        }
        self.pump(now);
    }

    /// An [`Output::Record`] could not be written: what stands behind it must not happen.
    pub fn handle_record_failed(&mut self, now: Instant) {
        self.out.clear();
        self.audit_failing = true;
        if self.closing {
            // It was the record of the end: the session still has to end.
            if !self.client_told_bye {
                self.out.client().extend_from_slice(Bye::Unavailable.line().as_bytes());
            }
            return self.out.push(Output::Close);
        }
        self.end(CloseReason::Audit, Some(Bye::Unavailable), now);
    }

    /// The audit log began to fail (`true`) or works again (`false`).
    pub fn handle_audit_failing(&mut self, failing: bool, now: Instant) {
        self.audit_failing = failing;
        let reads = |entry: &in_flight::Entry| matches!(entry.effect, effect::Effect::Fetching(_));
        if failing && (self.unasked.is_some() || self.in_flight.iter().any(reads)) {
            self.out.clear();
            self.end(CloseReason::Audit, Some(Bye::Unavailable), now);
        }
        self.pump(now);
    }

    /// The proxy drains: say BYE at the next moment between commands, or at once if `hard`.
    pub fn handle_drain(&mut self, hard: bool, now: Instant) {
        self.draining = true;
        self.move_phase(Some(SessionPhase::Draining));
        if hard {
            return self.end(CloseReason::Drain, Some(Bye::Drain), now);
        }
        self.pump(now);
    }

    /// Somebody ends this session: at once, whatever is under way.
    pub fn handle_kill(&mut self, by: KilledBy, why: &Arc<str>, now: Instant) {
        if !self.closing {
            self.record_kill(by, why);
            self.end(CloseReason::Killed, Some(Bye::Killed), now);
        }
    }

    /// Locks have changed: is this one of those who are kept out? A login that is under way is looked at when it ends.
    pub fn handle_locks(&mut self, now: Instant) {
        if !self.state.is_before_login() {
            self.ends_for_lock(now);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop();
        if let Some(Output::ToClient(bytes)) = &output {
            self.bytes_out = self.bytes_out.saturating_add(bytes.len() as u64);
        }
        output
    }

    /// May more bytes of the client be read? (`false` is back-pressure.)
    #[must_use]
    pub fn wants_client_bytes(&self) -> bool {
        !self.closing && self.inbox.len() < MAX_INBOX.max(self.shared.limits.max_line.saturating_mul(2))
    }

    /// May more bytes of the upstream be read?
    #[must_use]
    pub fn wants_upstream_bytes(&self) -> bool {
        // While the log fails IDLE stays silent: nothing is delivered that cannot be recorded (audit.md §4).
        !self.closing && self.leg.is_open() && !(self.audit_failing && matches!(self.mode, ClientMode::Idle))
    }

    /// Whose session this is, for what is counted.
    #[must_use]
    pub fn context(&self) -> &EventContext {
        &self.ctx
    }

    /// Has it no buffer at hand for what it puts out next?
    #[must_use]
    pub fn wants_buffer(&self) -> bool {
        self.out.wants_buffer()
    }

    /// A buffer that came out of [`Session::poll_output`] and has been written, or another.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.out.recycle(buffer);
    }

    /// Nothing is under way (IDLE is): the relay may give back its own buffers, as this gives back the session's.
    pub fn is_idle(&mut self) -> bool {
        let idle = self.out.is_empty()
            && self.inbox.is_empty()
            && self.held.is_none()
            && self.login.is_none()
            && self.in_flight.oldest_waiting().is_none()
            && self.reading.between_responses();
        if idle {
            self.out.relax();
            self.in_flight.relax();
            self.reading.relax();
            self.inbox.relax(true);
        }
        idle
    }

    /// Answers a command in the proxy's own words, in its turn: never before commands that came before it (quirk C11).
    fn answer(&mut self, tag: &[u8], answer: &Answer) {
        if self.in_flight.is_empty() {
            return answer.write(tag, self.out.client());
        }
        let mut line = Vec::new();
        answer.write(tag, &mut line);
        self.answer_in_turn(line);
    }

    /// A line too long to wait for, bytes that cannot be framed: the client is sent away.
    fn fault(&mut self, side: Side, reason: FaultReason, bye: Bye, now: Instant) {
        self.record_fault(side, reason);
        let reason = if side == Side::Client { CloseReason::ClientFault } else { CloseReason::UpstreamFault };
        self.end(reason, Some(bye), now);
    }

    fn upstream_fault(&mut self, reason: FaultReason, now: Instant) {
        self.note_upstream_error(event::UpstreamError::Syntax);
        self.fault(Side::Upstream, reason, Bye::Unavailable, now);
    }

    /// A departure that is lived with: said once per session and kind.
    fn note_fault(&mut self, side: Side, reason: FaultReason) {
        let bit = 1u32.checked_shl(reason as u32).unwrap_or(0);
        if self.faults & bit == 0 {
            self.faults |= bit;
            self.record_fault(side, reason);
        }
    }

    /// Closes the upstream's leg, the client stays.
    fn drop_upstream(&mut self) {
        if self.leg.is_open() {
            self.out.push(Output::CloseUpstream);
        }
        self.leg = UpstreamLeg::default();
        self.in_flight = InFlight::default();
        self.reading = Reading::default();
        self.gate = None;
    }

    fn logging_out(&self) -> bool {
        matches!(self.state, State::Logout) || self.logout.is_some()
    }

    /// Ends the session: what was under way is recorded as cut, the client hears why, both legs close.
    fn end(&mut self, reason: CloseReason, bye: Option<Bye>, now: Instant) {
        if self.closing {
            return;
        }
        self.closing = true;
        self.mode = ClientMode::Over;
        self.seats.clear();
        let waiting = self.work.take().and_then(messages::Work::into_entry);
        let asked = self.afterwards.take().map(|afterwards| afterwards.entry);
        if let Some(reads) = &mut self.unasked {
            reads.end(&mut self.coverage);
        }
        if reason != CloseReason::Audit {
            self.record_unasked(ResultStatus::Cut);
        }
        let cut: Vec<_> = asked.into_iter().chain(self.in_flight.drain()).chain(waiting).collect();
        for mut entry in cut {
            if let effect::Effect::Fetching(reads) = &mut entry.effect {
                reads.end(&mut self.coverage);
            }
            if !matches!(entry.effect, effect::Effect::Own(_) | effect::Effect::Local(_)) {
                self.count_command(entry.verb, entry.kind, event::NoteStatus::Cut, None);
                if reason != CloseReason::Audit {
                    self.record_done(entry, ResultStatus::Cut, None, now);
                }
            }
        }
        if let Some(login) = self.login.take() {
            self.record_auth_failure(login.mechanism, event::AuthFailureReason::Unavailable, Some(&login), now);
        }
        let by = match reason {
            CloseReason::Logout | CloseReason::ClientClosed => ClosedBy::Client,
            CloseReason::UpstreamClosed | CloseReason::UpstreamBye => ClosedBy::Upstream,
            _ => ClosedBy::Proxy,
        };
        if reason != CloseReason::Audit {
            self.record_close(reason, by, now);
        }
        if let Some(bye) = bye.filter(|_| !self.client_told_bye && !self.reading.client_is_inside()) {
            self.out.client().extend_from_slice(bye.line().as_bytes());
        }
        self.move_phase(None);
        self.state = State::Logout;
        self.out.push(Output::Close);
    }

    fn move_phase(&mut self, to: Option<SessionPhase>) {
        if self.phase != to {
            let from = std::mem::replace(&mut self.phase, to);
            self.note(Note::SessionState { from, to });
        }
    }

    /// The state changed: tell the gauges.
    fn state_moved(&mut self) {
        if !self.draining && !self.closing {
            self.move_phase(Some(self.state.label()));
        }
    }
}
