//! What is counted and not recorded, and who wants to hear of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::words::names;
use super::{Event, EventContext, GapReason, Mechanism, ReadClass, UpstreamError, VerdictKind};
use crate::imap::verb::{CommandKind, Verb};

/// What is counted but not recorded. Cheap to make: nothing in it allocates.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// A command got its tagged response (or never will).
    CommandDone {
        /// The command; `None` for one that the grammar does not know.
        verb: Option<Verb>,
        /// What sort of work it was.
        kind: CommandKind,
        /// How it ended.
        status: NoteStatus,
        /// Command complete to tagged response; `None` for IDLE.
        duration: Option<Duration>,
        /// The part of it that waited neither for the client nor for the upstream.
        overhead: Option<Duration>,
    },
    /// A session went from one phase to another; `None` is before its begin and after its end.
    SessionState {
        /// From.
        from: Option<SessionPhase>,
        /// To.
        to: Option<SessionPhase>,
    },
    /// A request was decided.
    Decided {
        /// How.
        verdict: VerdictKind,
        /// How long that took, where it was measured.
        took: Option<Duration>,
    },
    /// A rule took something, or would have.
    RuleHit {
        /// Its id.
        rule: Arc<str>,
        /// What it takes.
        effect: RuleEffect,
        /// Is it in force?
        mode: RuleMode,
    },
    /// An attempt to log in ended.
    LoginDone {
        /// How.
        mech: Mechanism,
        /// With what.
        result: LoginResult,
        /// How long it took.
        duration: Duration,
    },
    /// The upstream answered: from the command's last byte up to its first byte back.
    UpstreamResponse {
        /// How long that took.
        after: Duration,
    },
    /// Something was wrong with the upstream of this session.
    UpstreamFailed {
        /// What.
        reason: UpstreamError,
    },
    /// Messages of one class were delivered.
    Read {
        /// The class.
        class: ReadClass,
        /// How many.
        messages: u64,
        /// Their octets, of class preview and above.
        bytes: u64,
    },
    /// Something was withheld.
    Hidden {
        /// Messages.
        messages: u64,
        /// Mailboxes.
        mailboxes: u64,
    },
    /// A command or login was refused because the audit log fails.
    RefusedForAudit,
}

names! {
    /// How a command ended: the metrics label `status`.
    NoteStatus {
        /// OK.
        Ok = "OK",
        /// NO, but not for want of an upstream.
        No = "NO",
        /// BAD.
        Bad = "BAD",
        /// NO or BYE with UNAVAILABLE, from whichever side.
        Unavailable = "UNAVAILABLE",
        /// The connection was lost first.
        Cut = "CUT",
    }
}

names! {
    /// Phase of a session: the metrics label `state`.
    SessionPhase {
        /// Nobody is logged in.
        Preauth = "preauth",
        /// Logged in, nothing selected.
        Authenticated = "authenticated",
        /// A mailbox is selected.
        Selected = "selected",
        /// In IDLE.
        Idle = "idle",
        /// Told to end.
        Draining = "draining",
    }
}

names! {
    /// What a rule takes: the metrics label `effect`.
    RuleEffect {
        /// `hide`
        Hide = "hide",
        /// `rights`
        Rights = "rights",
        /// `hide_messages`
        HideMessages = "hide_messages",
        /// `deny_commands`
        DenyCommands = "deny_commands",
        /// `deny_login`
        DenyLogin = "deny_login",
        /// `limit`
        Limit = "limit",
    }
}

names! {
    /// Is a rule in force?
    RuleMode {
        /// It is.
        Enforce = "enforce",
        /// Evaluated, counted and recorded, not applied.
        Shadow = "shadow",
    }
}

names! {
    /// How an attempt to log in ended: the metrics label `result`.
    LoginResult {
        /// It succeeded.
        Success = "success",
        /// Wrong credentials.
        Credentials = "credentials",
        /// The credential's time is over.
        Expired = "expired",
        /// A rule refused it.
        Refused = "refused",
        /// Nobody could be asked.
        Unavailable = "unavailable",
        /// Too many.
        TooMany = "too_many",
    }
}

/// Who wants to hear of notes and events without recording them: metrics.
pub trait Observer: Send + Sync {
    /// Something happened that is recorded, too.
    fn event(&self, event: &Event);
    /// Something happened that is only counted.
    fn note(&self, ctx: &EventContext, note: &Note);
}

/// What the audit log tells of itself while it writes. Called from the writer's thread: must not block.
pub trait LogObserver: Send + Sync {
    /// A record of this area (first two letters of its code) was written.
    fn recorded(&self, area: &'static str);
    /// One hand-over to the kernel took this long.
    fn wrote(&self, took: Duration);
    /// One sync took this long.
    fn synced(&self, took: Duration);
    /// A note was signed.
    fn signed(&self);
    /// Records were lost.
    fn lost(&self, reason: GapReason, n: u64);
    /// The log began to fail, or works again.
    fn failing(&self, failing: bool);
    /// Free space where the log lives, 0 to 1.
    fn disk_free(&self, ratio: f64);
}
