//! The closed list of what can be recorded, and of what is only counted.
//!
//! ```text
//!   session ─▶ Event ─▶ audit  (a line of the log, written before the bytes move)
//!                  └──▶ metrics (counters)
//!           ─▶ Note  ──▶ metrics only: too frequent, or too dull, for a log
//! ```
//!
//! An [`Event`] knows what happened; it does not know when (the writer of the log puts `ts`, `seq` and `prev` on it, so
//! that order is total) nor how it is spelled (`audit::record`). No event can hold a body, a credential or SASL data: there
//! is no field for them. What peers say (names, patterns, flags) is kept as it came and escaped and cut where it is written.

mod facts;
mod kind;
mod note;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use crate::imap::verb::Verb;

pub use crate::imap::message::ReadClass;
pub use facts::{AppendSource, HeaderFacts, OtherLog, ReadCounts, ReadMessage, ReadSet, TlsFacts};
pub use kind::EventKind;
pub use note::{LogObserver, LoginResult, Note, NoteStatus, Observer, RuleEffect, RuleMode, SessionPhase};
pub use words::{
    AccessVia, AclOp, AuthFailureReason, CloseReason, CloseSegment, ClosedBy, CopyOp, Durability, ExpungeHow,
    FaultReason, FilterAction, FilteredResponse, FlagOp, GapReason, KilledBy, LimitAction, LimitKind, LimitName,
    LimitPer, ListOp, LoadedBy, LockOp, MailboxChange, Mechanism, OnFailure, OpenReason, RefusedReason, ResultStatus,
    Side, Stage, StopReason, UpstreamError, VerdictKind,
};

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Whose session; shared by all events between two changes of it.
    pub ctx: Arc<EventContext>,
    /// Ordinal of the command in its session, from 1. `sid-cmd` is the REF of a refusal.
    pub cmd: Option<u32>,
    /// The command.
    pub verb: Option<Verb>,
    /// Where in the command's life.
    pub stage: Option<Stage>,
    /// Another event of the same command and kind follows: this one holds only a part.
    pub more: bool,
    /// The mailbox that this is about.
    pub mailbox: Option<Arc<MailboxRef>>,
    /// What the rules said.
    pub policy: Option<PolicyOutcome>,
    /// How it ended.
    pub result: Option<CommandResult>,
    /// Command complete to tagged response, in microseconds.
    pub lat_us: Option<u64>,
    /// What it was.
    pub kind: EventKind,
}

impl Event {
    /// An event of a session, or of the proxy itself ([`EventContext::proxy`]), with nothing but its kind filled in.
    #[must_use]
    pub fn new(ctx: Arc<EventContext>, kind: EventKind) -> Self {
        Self {
            ctx,
            cmd: None,
            verb: None,
            stage: None,
            more: false,
            mailbox: None,
            policy: None,
            result: None,
            lat_us: None,
            kind,
        }
    }

    /// An event of the proxy itself.
    #[must_use]
    pub fn of_proxy(kind: EventKind) -> Self {
        Self::new(Arc::new(EventContext::proxy()), kind)
    }
}

/// What all events of a session share. Built when the session begins, and once more when it logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventContext {
    /// Session id.
    pub sid: Option<Arc<str>>,
    /// Whose mail is opened; only after login (or, on `auth.*`, whose it would have been).
    pub user: Option<Arc<str>>,
    /// Who proved an identity. Written only where it differs from `user`.
    pub actor: Option<Arc<str>>,
    /// The proxy's own credential that was used.
    pub credential: Option<Arc<str>>,
    /// The client's address, after PROXY protocol.
    pub client_ip: Option<IpAddr>,
    /// Name of the listener.
    pub listener: Option<Arc<str>>,
    /// Name of the upstream.
    pub upstream: Option<Arc<str>>,
}

impl EventContext {
    /// The context of events that belong to no session.
    #[must_use]
    pub fn proxy() -> Self {
        Self::default()
    }
}

/// The mailbox that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRef {
    /// Canonical UTF-8 name.
    pub name: Arc<str>,
    /// UIDVALIDITY, where known.
    pub uidv: Option<u32>,
    /// MAILBOXID, where known.
    pub id: Option<Arc<str>>,
}

impl MailboxRef {
    /// A mailbox of which only the name is known.
    #[must_use]
    pub fn named(name: Arc<str>) -> Self {
        Self { name, uidv: None, id: None }
    }
}

/// What the rules said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOutcome {
    /// First 8 hex digits of SHA-256 over all rule files.
    pub rev: Arc<str>,
    /// The verdict.
    pub verdict: VerdictKind,
    /// Ids of the rules that took something, each once.
    pub by: Vec<Arc<str>>,
    /// Ids of the shadow rules that would have.
    pub shadow: Vec<Arc<str>>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// The tagged status, or what came in its place.
    pub status: ResultStatus,
    /// The response code's name (`NOPERM`, `UNAVAILABLE` …), in upper case.
    pub code: Option<Arc<str>>,
}

impl CommandResult {
    /// A result without a response code.
    #[must_use]
    pub fn plain(status: ResultStatus) -> Self {
        Self { status, code: None }
    }
}
