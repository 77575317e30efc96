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

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::imap::message::{Flag, Uid, UidSet};
use crate::imap::verb::{CommandKind, Verb};

/// Makes an enum of names that stand in records and metrics labels: the names are the contract, the variants are ours.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in records and labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

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

names! {
    /// Where in a command's life an event stands (audit.md §3).
    Stage {
        /// Before the command goes up.
        Intent = "intent",
        /// What really happened.
        Done = "done",
        /// Nothing went up.
        Refused = "refused",
    }
}

names! {
    /// What became of a request.
    VerdictKind {
        /// Nothing was taken.
        Allowed = "allowed",
        /// Went up or came back with less.
        Narrowed = "narrowed",
        /// Answered as absent.
        Hidden = "hidden",
        /// Refused.
        Refused = "refused",
        /// A budget is used up.
        Limited = "limited",
    }
}

names! {
    /// How a command ended.
    ResultStatus {
        /// Tagged OK.
        Ok = "OK",
        /// Tagged NO.
        No = "NO",
        /// Tagged BAD.
        Bad = "BAD",
        /// The peer, or the proxy, said BYE instead.
        Bye = "BYE",
        /// The connection was lost first.
        Cut = "CUT",
    }
}

pub use crate::imap::message::ReadClass;

/// What happened. One variant a type of audit.md §2, as far as this version can produce it.
///
/// Events with a refused form carry the same variant with [`Stage::Refused`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// `proxy.start`
    ProxyStart {
        /// Version of this program.
        version: Arc<str>,
        /// SHA-256 of the configuration file, in hex.
        config_sha256: Arc<str>,
    },
    /// `proxy.stop`
    ProxyStop {
        /// Why.
        reason: StopReason,
    },
    /// `proxy.drain`
    ProxyDrain {
        /// Open sessions.
        open: u64,
        /// Time they are given.
        window_s: u64,
    },
    /// `upstream.state`
    UpstreamState {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// Which of its servers, `host:port`.
        server: Option<Arc<str>>,
        /// Is it up?
        up: bool,
        /// Why not.
        reason: Option<UpstreamError>,
    },
    /// `session.open`
    SessionOpen {
        /// The client's port.
        port: u16,
        /// The peer that spoke PROXY protocol.
        via: Option<IpAddr>,
        /// TLS, where it stands already.
        tls: Option<TlsFacts>,
    },
    /// `session.refused`
    SessionRefused {
        /// Why.
        reason: RefusedReason,
    },
    /// `session.close`
    SessionClose {
        /// Why.
        reason: CloseReason,
        /// Who ended it.
        by: ClosedBy,
        /// How long it lasted.
        dur_ms: u64,
        /// Commands read.
        commands: u32,
        /// Octets from the client.
        bytes_in: u64,
        /// Octets to the client.
        bytes_out: u64,
        /// Messages by the class reached, over the whole session.
        reads: ReadCounts,
    },
    /// `session.kill`: somebody ends a session from outside; `session.close` follows.
    SessionKill {
        /// Who, or what.
        by: KilledBy,
        /// The reason that was given.
        why: Arc<str>,
    },
    /// `client.id`
    ClientId {
        /// The program's name.
        name: Option<Box<str>>,
        /// Its version.
        version: Option<Box<str>>,
        /// Its system.
        os: Option<Box<str>>,
        /// Who makes it.
        vendor: Option<Box<str>>,
    },
    /// `auth.success`
    AuthSuccess {
        /// How.
        mech: Mechanism,
        /// Groups that rules see.
        groups: Vec<Arc<str>>,
        /// Name of the upstream.
        upstream: Arc<str>,
        /// Time that it took.
        ms: u64,
    },
    /// `auth.failure`
    AuthFailure {
        /// How.
        mech: Mechanism,
        /// Why.
        reason: AuthFailureReason,
    },
    /// `auth.refused`: `policy.by` names the rule.
    AuthRefused {
        /// How.
        mech: Mechanism,
    },
    /// `mailbox.list`
    MailboxList {
        /// LIST or LSUB.
        op: ListOp,
        /// Reference name, as canonical UTF-8.
        reference: Box<str>,
        /// Pattern; several are joined by a space.
        pattern: Box<str>,
        /// Names delivered.
        n: u64,
        /// Names withheld.
        hidden: u64,
    },
    /// `mailbox.status`
    MailboxStatus {
        /// Items asked for, in upper case.
        items: Vec<&'static str>,
    },
    /// `mailbox.open`
    MailboxOpen {
        /// Can it be written to?
        rw: bool,
        /// Messages that the upstream announced; absent where it was refused.
        exists: Option<u32>,
        /// Messages hidden.
        hidden: Option<u32>,
        /// Their UIDs; written up to 4 KiB.
        hidden_uids: Option<UidSet>,
    },
    /// `mailbox.hidden`: taken out of an open view, or never let into it.
    MailboxHidden {
        /// Which messages; written up to 4 KiB.
        uids: UidSet,
    },
    /// `mailbox.change`
    MailboxChange {
        /// What was done.
        op: MailboxChange,
        /// New name of a RENAME.
        to: Option<Arc<str>>,
    },
    /// `mailbox.acl`
    MailboxAcl {
        /// Identifier.
        who: Option<Box<str>>,
        /// Rights named.
        rights: Option<Box<str>>,
    },
    /// `message.read` before it happens, or refused.
    MessageRead {
        /// UIDs after narrowing; absent where they are not known (a refusal by sequence number).
        uids: Option<UidSet>,
        /// Class that was asked for.
        want: ReadClass,
    },
    /// `message.read`, what was delivered. Counts are those of the two lists; a message stands in one of them.
    MessageReadDone {
        /// Classes `listed` to `envelope`.
        sets: Vec<ReadSet>,
        /// Messages of class `preview` and above.
        msgs: Vec<ReadMessage>,
    },
    /// `message.search`
    MessageSearch {
        /// Names of criteria, each once.
        keys: Vec<&'static str>,
        /// Search terms, only at level `headers`.
        terms: Vec<Box<str>>,
        /// Was content tested?
        content: bool,
        /// Messages found.
        hits: Option<u64>,
        /// Their UIDs; written up to 4 KiB.
        uids: Option<UidSet>,
        /// Messages withheld from the answer.
        hidden: Option<u64>,
    },
    /// `message.flag`
    MessageFlag {
        /// What is done with the flags.
        op: FlagOp,
        /// Flags that go up.
        flags: Vec<Flag>,
        /// Flags that rules took.
        dropped: Vec<Flag>,
        /// Of which messages.
        uids: Option<UidSet>,
        /// How many.
        n: Option<u64>,
    },
    /// `message.copy`
    MessageCopy {
        /// COPY or MOVE.
        op: CopyOp,
        /// Where to: canonical name.
        dst: Arc<str>,
        /// UIDVALIDITY there.
        dst_uidv: Option<u32>,
        /// Which messages.
        uids: Option<UidSet>,
        /// Their UIDs there.
        dst_uids: Option<UidSet>,
        /// How many.
        n: Option<u64>,
    },
    /// `message.append`
    MessageAppend {
        /// Octets.
        size: u64,
        /// Flags set.
        flags: Vec<Flag>,
        /// UID given.
        uid: Option<Uid>,
        /// UIDVALIDITY there.
        uidv: Option<u32>,
        /// UID that REPLACE takes away.
        replaces: Option<Uid>,
        /// What its header says.
        hdr: Option<Box<HeaderFacts>>,
    },
    /// `message.expunge`
    MessageExpunge {
        /// By which command.
        how: ExpungeHow,
        /// Which messages.
        uids: Option<UidSet>,
        /// How many.
        n: Option<u64>,
    },
    /// `command.refused`: verbs without a type of their own.
    CommandRefused,
    /// `limit.hit`
    LimitHit {
        /// Which.
        limit: LimitName,
        /// What is counted.
        kind: LimitKind,
        /// For whom.
        per: LimitPer,
        /// Used so far.
        used: u64,
        /// Allowed.
        max: u64,
        /// In which time.
        window_s: Option<u64>,
        /// What was done.
        action: LimitAction,
    },
    /// `policy.load`
    PolicyLoad {
        /// Revision now in force.
        rev: Arc<str>,
        /// Revision before.
        old_rev: Option<Arc<str>>,
        /// What caused it.
        by: LoadedBy,
        /// Number of rules.
        rules: u64,
        /// Ids of new rules.
        added: Vec<Arc<str>>,
        /// Ids of rules that are gone.
        removed: Vec<Arc<str>>,
        /// Ids of rules that read differently.
        changed: Vec<Arc<str>>,
    },
    /// `policy.load_failed`: what was in force stays.
    PolicyLoadFailed {
        /// What caused it.
        by: LoadedBy,
        /// Problems as `file:line:column: text`; the first 20 are written.
        problems: Vec<Box<str>>,
    },
    /// `policy.alert`: a request ran into rules that ask for alerts; once a session, rule and mailbox.
    PolicyAlert {
        /// Their ids.
        rules: Vec<Arc<str>>,
        /// Where messages, or the mailbox itself, were to go.
        to: Option<Arc<str>>,
    },
    /// `policy.expire`: the end of a rule, or of an exception from one, has come.
    PolicyExpire {
        /// Id of the rule.
        rule: Arc<str>,
        /// That end, as RFC 3339 writes it.
        until: Arc<str>,
        /// The reason of the exception; `None` where it is the rule itself.
        exception: Option<Arc<str>>,
    },
    /// `protocol.fault`
    ProtocolFault {
        /// Whose.
        side: Side,
        /// What was wrong.
        reason: FaultReason,
        /// At which byte of its line.
        at: Option<u64>,
    },
    /// `filter.failure`: a response under a hiding rule could not be filtered with certainty.
    FilterFailure {
        /// Which.
        response: FilteredResponse,
        /// What was done.
        action: FilterAction,
    },
    /// `lock.change`: somebody is kept out, or no longer.
    LockChange {
        /// What was done.
        op: LockOp,
        /// Its id.
        lock: Arc<str>,
        /// Who: `user=…` or `client_ip=…`.
        subject: Arc<str>,
        /// When it ends by itself, as RFC 3339 writes it.
        until: Arc<str>,
        /// Name of the token.
        by: Arc<str>,
        /// The reason that was given.
        why: Arc<str>,
    },
    /// `admin.action`
    AdminAction {
        /// Name of the token, or `signal`.
        who: Arc<str>,
        /// Its role.
        role: Option<Arc<str>>,
        /// HTTP method, or the signal.
        method: Arc<str>,
        /// The route, as in the documents, not as sent.
        route: Arc<str>,
        /// On what.
        target: Option<Box<str>>,
        /// HTTP status.
        status: Option<u16>,
        /// Was it refused?
        refused: bool,
    },
    /// `audit.access`: somebody read the log.
    AuditAccess {
        /// Name of the token, or of the account on this machine.
        who: Arc<str>,
        /// By which way.
        via: AccessVia,
        /// The tool, or the route.
        command: Arc<str>,
        /// What was asked for: `key=value`, with blanks between them.
        filter: Box<str>,
        /// Records that were shown, or rows.
        rows: u64,
        /// The case that it was for, as whoever asked called it.
        case: Option<Box<str>>,
    },
    /// `audit.open`: first line of a segment. Made by the writer of the log, by nobody else.
    AuditOpen {
        /// Why a segment begins.
        reason: OpenReason,
        /// Its number.
        segment: u32,
        /// Version of this program.
        version: Arc<str>,
        /// What holds when records cannot be written.
        on_failure: OnFailure,
        /// When records are on disk.
        durability: Durability,
        /// Bytes of an unfinished line before it.
        torn: Option<u64>,
        /// The logs beside this one, in the first segment of a process.
        others: Vec<OtherLog>,
    },
    /// `audit.close`: last line of a segment. Made by the writer of the log.
    AuditClose {
        /// Why it ends.
        reason: CloseSegment,
        /// Records in the segment, this one included.
        records: u64,
    },
    /// `audit.purge`: a segment that is older than is kept. Made by the writer of the log, before it is removed.
    AuditPurge {
        /// Its number.
        segment: u32,
        /// Number of its first record.
        first: u64,
        /// Number of its last record.
        last: u64,
        /// Hash of its last line.
        hash: Box<str>,
    },
    /// `audit.checkpoint`: a note was signed. Made by the writer of the log.
    AuditCheckpoint {
        /// Records that it covers: the number of the last one, and one.
        size: u64,
        /// Hash of the last one.
        hash: Box<str>,
        /// Id of the key.
        key: Box<str>,
    },
    /// `audit.key`: which key signs a segment. Made by the writer of the log.
    AuditKey {
        /// The segment.
        segment: u32,
        /// Id of the key that signed this; none where it is the first.
        old: Option<Box<str>>,
        /// Id of the key.
        new: Box<str>,
        /// The key, in base64.
        public: Box<str>,
        /// The signature, in base64.
        sig: Box<str>,
    },
    /// `audit.gap`: numbers that were given to records which were lost. Made by the writer of the log.
    AuditGap {
        /// First number lost.
        first: u64,
        /// Last number lost.
        last: u64,
        /// How many.
        n: u64,
        /// How many of which type.
        by_type: Vec<(&'static str, u64)>,
        /// Why.
        reason: GapReason,
    },
}

impl EventKind {
    /// The dotted type of audit.md §2.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.spelled(None).0
    }

    /// The dotted type and its code: two letters, three digits, and `I`, `W` or `E`. Refusals are `W`.
    #[must_use]
    pub const fn spelled(&self, stage: Option<Stage>) -> (&'static str, &'static str) {
        let refused = matches!(stage, Some(Stage::Refused));
        match self {
            Self::ProxyStart { .. } => ("proxy.start", "SY100I"),
            Self::ProxyStop { .. } => ("proxy.stop", "SY101I"),
            Self::ProxyDrain { .. } => ("proxy.drain", "SY102I"),
            Self::UpstreamState { .. } => ("upstream.state", "SY110W"),
            Self::SessionOpen { .. } => ("session.open", "SE100I"),
            Self::SessionRefused { .. } => ("session.refused", "SE100W"),
            Self::SessionClose { .. } => ("session.close", "SE101I"),
            Self::SessionKill { .. } => ("session.kill", "SE102W"),
            Self::ClientId { .. } => ("client.id", "SE110I"),
            Self::AuthSuccess { .. } => ("auth.success", "AU100I"),
            Self::AuthFailure { .. } => ("auth.failure", "AU100W"),
            Self::AuthRefused { .. } => ("auth.refused", "AU101W"),
            Self::MailboxList { .. } => ("mailbox.list", "MB110I"),
            Self::MailboxStatus { .. } => ("mailbox.status", if refused { "MB111W" } else { "MB111I" }),
            Self::MailboxOpen { .. } => ("mailbox.open", if refused { "MB100W" } else { "MB100I" }),
            Self::MailboxHidden { .. } => ("mailbox.hidden", "MB112I"),
            Self::MailboxChange { .. } => ("mailbox.change", if refused { "MB120W" } else { "MB120I" }),
            Self::MailboxAcl { .. } => ("mailbox.acl", if refused { "MB130W" } else { "MB130I" }),
            Self::MessageRead { .. } => ("message.read", if refused { "MS100W" } else { "MS100I" }),
            Self::MessageReadDone { .. } => ("message.read", "MS101I"),
            Self::MessageSearch { .. } => ("message.search", if refused { "MS110W" } else { "MS110I" }),
            Self::MessageFlag { .. } => ("message.flag", if refused { "MS120W" } else { "MS120I" }),
            Self::MessageCopy { .. } => ("message.copy", if refused { "MS130W" } else { "MS130I" }),
            Self::MessageAppend { .. } => ("message.append", if refused { "MS140W" } else { "MS140I" }),
            Self::MessageExpunge { .. } => ("message.expunge", if refused { "MS150W" } else { "MS150I" }),
            Self::CommandRefused => ("command.refused", "CM100W"),
            Self::LimitHit { .. } => ("limit.hit", "LI100W"),
            Self::PolicyLoad { .. } => ("policy.load", "PO200I"),
            Self::PolicyLoadFailed { .. } => ("policy.load_failed", "PO200E"),
            Self::PolicyAlert { .. } => ("policy.alert", "PO300W"),
            Self::PolicyExpire { .. } => ("policy.expire", "PO210I"),
            Self::ProtocolFault { .. } => ("protocol.fault", "PR100W"),
            Self::FilterFailure { .. } => ("filter.failure", "PR200E"),
            Self::LockChange { .. } => ("lock.change", "AD110W"),
            Self::AdminAction { refused: true, .. } => ("admin.action", "AD100W"),
            Self::AdminAction { refused: false, .. } => ("admin.action", "AD100I"),
            Self::AuditAccess { .. } => ("audit.access", "AL300I"),
            Self::AuditOpen { .. } => ("audit.open", "AL100I"),
            Self::AuditClose { .. } => ("audit.close", "AL101I"),
            Self::AuditPurge { .. } => ("audit.purge", "AL130I"),
            Self::AuditCheckpoint { .. } => ("audit.checkpoint", "AL110I"),
            Self::AuditKey { .. } => ("audit.key", "AL120I"),
            Self::AuditGap { .. } => ("audit.gap", "AL200E"),
        }
    }

    /// The first two letters of the code: the metrics label `area`.
    #[must_use]
    pub fn area(&self) -> &'static str {
        self.spelled(None).1.get(..2).unwrap_or_default()
    }
}

/// A log beside another, and its newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLog {
    /// Its id.
    pub log: Arc<str>,
    /// Number of the record.
    pub seq: u64,
    /// Hash of the record.
    pub hash: Arc<str>,
}

/// TLS with the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Cipher suite, as its IANA name.
    pub cipher: Box<str>,
    /// Server name that the client asked for.
    pub sni: Option<Box<str>>,
    /// SHA-256 of the client's certificate, in hex.
    pub client_cert_sha256: Option<Box<str>>,
}

/// Messages by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCounts([u64; ReadClass::ALL.len()]);

impl ReadCounts {
    /// `n` more messages of this class.
    pub fn add(&mut self, class: ReadClass, n: u64) {
        let count = &mut self.0[class as usize];
        *count = count.saturating_add(n);
    }

    /// Messages of this class.
    #[must_use]
    pub fn of(&self, class: ReadClass) -> u64 {
        self.0[class as usize]
    }
}

/// Messages of one class below `preview`.
#[derive(Debug, Clone)]
pub struct ReadSet {
    /// `listed`, `searched` or `envelope`.
    pub class: ReadClass,
    /// Which; absent where the upstream never told a UID.
    pub uids: Option<UidSet>,
    /// How many.
    pub n: u64,
    /// Octets of strings of class preview and above: 0 for these.
    pub bytes: u64,
}

/// A message of which content was delivered.
#[derive(Debug, Clone)]
pub struct ReadMessage {
    /// Its UID; absent where the upstream never told it.
    pub uid: Option<Uid>,
    /// Class reached.
    pub class: ReadClass,
    /// Octets delivered.
    pub bytes: u64,
    /// RFC822.SIZE, where it was seen.
    pub size: Option<u64>,
    /// Part numbers and section texts (`1.1`, `TEXT`), where not the whole message.
    pub parts: Vec<Box<str>>,
    /// EMAILID, where it passed by.
    pub emailid: Option<Box<str>>,
    /// What its header says, as far as it passed by.
    pub hdr: Option<Box<HeaderFacts>>,
}

/// What a message's header says. At level `metadata` only the Message-ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// Message-ID.
    pub message_id: Option<Box<str>>,
    /// From.
    pub from: Option<Box<str>>,
    /// To.
    pub to: Option<Box<str>>,
    /// Date, as written in the header.
    pub date: Option<Box<str>>,
    /// Subject, decoded.
    pub subject: Option<Box<str>>,
}

names! {
    /// Why the proxy stops.
    StopReason {
        /// SIGTERM or SIGINT, and all sessions ended.
        Drained = "drained",
        /// A second signal, or the end of the drain window.
        Forced = "forced",
        /// It could not go on.
        Error = "error",
    }
}

names! {
    /// What went wrong with an upstream.
    UpstreamError {
        /// Connection refused, or no address.
        Refused = "refused",
        /// Nothing came in time.
        Timeout = "timeout",
        /// TLS failed.
        Tls = "tls",
        /// It refuses the proxy's own login.
        Auth = "auth",
        /// It said BYE.
        Bye = "bye",
        /// It could not be understood.
        Syntax = "syntax",
        /// The connection was lost.
        Reset = "reset",
    }
}

names! {
    /// Why a connection is turned away.
    RefusedReason {
        /// The listener's `max_connections`.
        TooMany = "too_many",
        /// The listener's `max_connections_per_ip`.
        TooManyFromAddress = "too_many_from_address",
        /// The address failed to log in too often.
        AuthFailures = "auth_failures",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The PROXY protocol header was missing or wrong.
        ProxyProtocol = "proxy_protocol",
        /// The proxy is draining.
        Draining = "draining",
        /// The audit log fails.
        Audit = "audit",
    }
}

names! {
    /// Why a session ended.
    CloseReason {
        /// LOGOUT.
        Logout = "logout",
        /// The client's connection ended without LOGOUT.
        ClientClosed = "client_closed",
        /// The upstream's connection ended without BYE.
        UpstreamClosed = "upstream_closed",
        /// The upstream said BYE.
        UpstreamBye = "upstream_bye",
        /// The upstream was silent for too long.
        UpstreamTimeout = "upstream_timeout",
        /// The upstream could not be understood.
        UpstreamFault = "upstream_fault",
        /// Nobody logged in within `pre_auth_timeout`.
        PreAuthTimeout = "pre_auth_timeout",
        /// The client was silent for `idle_timeout`.
        IdleTimeout = "idle_timeout",
        /// STARTTLS failed.
        Tls = "tls",
        /// Framing was lost, or too much that could not be understood.
        ClientFault = "client_fault",
        /// Too many logins failed.
        AuthFailures = "auth_failures",
        /// The rules no longer let this session be.
        Policy = "policy",
        /// A response could not be filtered.
        FilterFailure = "filter_failure",
        /// A limit was reached.
        Limit = "limit",
        /// The audit log fails.
        Audit = "audit",
        /// The proxy drained.
        Drain = "drain",
        /// Somebody ended it: `session.kill` says who and why.
        Killed = "killed",
        /// A fault of the proxy itself.
        Internal = "internal",
    }
}

names! {
    /// Who, or what, ended a session from outside.
    KilledBy {
        /// Somebody, by the admin API.
        Admin = "admin",
        /// A lock.
        Lock = "lock",
    }
}

names! {
    /// What is done with a lock.
    LockOp {
        /// It holds from now on.
        Add = "add",
        /// Somebody took it away.
        Remove = "remove",
        /// Its time is over.
        Expire = "expire",
    }
}

names! {
    /// Who ended a session.
    ClosedBy {
        /// The client.
        Client = "client",
        /// The upstream.
        Upstream = "upstream",
        /// The proxy.
        Proxy = "proxy",
    }
}

names! {
    /// How somebody logs in. The verb tells LOGIN from AUTHENTICATE LOGIN.
    Mechanism {
        /// The LOGIN command, or SASL LOGIN.
        Login = "LOGIN",
        /// SASL PLAIN (RFC 4616).
        Plain = "PLAIN",
        /// XOAUTH2 (Google, Microsoft).
        Xoauth2 = "XOAUTH2",
        /// OAUTHBEARER (RFC 7628).
        Oauthbearer = "OAUTHBEARER",
        /// SCRAM-SHA-1 (RFC 5802).
        ScramSha1 = "SCRAM-SHA-1",
        /// SCRAM-SHA-256 (RFC 7677).
        ScramSha256 = "SCRAM-SHA-256",
        /// EXTERNAL (RFC 4422 appendix A).
        External = "EXTERNAL",
        /// Any other, which is not offered.
        Other = "OTHER",
    }
}

names! {
    /// Why a login failed.
    AuthFailureReason {
        /// The upstream, or the proxy's own store, says no.
        Credentials = "credentials",
        /// The credential's time is over.
        Expired = "expired",
        /// The credential was revoked.
        Revoked = "revoked",
        /// Nobody could be asked.
        Unavailable = "unavailable",
        /// Too many failures, or too many sessions.
        TooMany = "too_many",
        /// The exchange was not understood, or was cancelled.
        Protocol = "protocol",
    }
}

names! {
    /// LIST or LSUB.
    ListOp {
        /// LIST.
        List = "LIST",
        /// LSUB.
        Lsub = "LSUB",
    }
}

names! {
    /// What is done to a mailbox.
    MailboxChange {
        /// CREATE.
        Create = "create",
        /// DELETE.
        Delete = "delete",
        /// RENAME.
        Rename = "rename",
        /// SUBSCRIBE.
        Subscribe = "subscribe",
        /// UNSUBSCRIBE.
        Unsubscribe = "unsubscribe",
    }
}

names! {
    /// What STORE does with flags.
    FlagOp {
        /// `+FLAGS`
        Add = "add",
        /// `-FLAGS`
        Remove = "remove",
        /// `FLAGS`
        Replace = "replace",
    }
}

names! {
    /// COPY or MOVE.
    CopyOp {
        /// COPY.
        Copy = "copy",
        /// MOVE.
        Move = "move",
    }
}

names! {
    /// How messages are expunged.
    ExpungeHow {
        /// EXPUNGE.
        Expunge = "expunge",
        /// UID EXPUNGE.
        UidExpunge = "uid_expunge",
        /// CLOSE.
        Close = "close",
    }
}

names! {
    /// What a limit counts.
    LimitKind {
        /// Octets delivered.
        Download = "download",
        /// Messages delivered.
        Messages = "messages",
        /// Commands.
        Commands = "commands",
        /// Sessions at the same time.
        Sessions = "sessions",
        /// Octets of one message.
        MessageSize = "message_size",
        /// Failed logins.
        AuthFailures = "auth_failures",
        /// Commands that could not be understood.
        BadCommands = "bad_commands",
        /// Octets of a line.
        Line = "line",
        /// Octets of a literal.
        Literal = "literal",
    }
}

/// Which limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitName {
    /// That of a rule, by its id.
    Rule(Arc<str>),
    /// That of a key in `[limits]`, or of a listener.
    Key(&'static str),
}

names! {
    /// For whom a limit counts.
    LimitPer {
        /// A user.
        User = "user",
        /// A credential.
        Credential = "credential",
        /// A client's address.
        ClientIp = "client_ip",
        /// A session.
        Session = "session",
        /// A listener.
        Listener = "listener",
    }
}

names! {
    /// What is done when a limit is reached.
    LimitAction {
        /// NO, or BAD.
        Refuse = "refuse",
        /// Later.
        Delay = "delay",
        /// BYE.
        Close = "close",
    }
}

names! {
    /// What made the proxy read its rules.
    LoadedBy {
        /// Its start.
        Start = "start",
        /// SIGHUP.
        Signal = "signal",
        /// The admin API.
        Api = "api",
    }
}

names! {
    /// A side of the proxy.
    Side {
        /// The client's.
        Client = "client",
        /// The upstream's.
        Upstream = "upstream",
    }
}

names! {
    /// What was wrong with bytes.
    FaultReason {
        /// LF without CR before it.
        BareLf = "bare_lf",
        /// CR without LF after it.
        BareCr = "bare_cr",
        /// A NUL outside a binary literal.
        Nul = "nul",
        /// A line past `max_line`.
        LineTooLong = "line_too_long",
        /// A literal past its limit.
        LiteralTooLong = "literal_too_long",
        /// A literal's size that is no number, or overflows.
        LiteralSize = "literal_size",
        /// Bytes behind STARTTLS, before the handshake.
        BytesBehindStarttls = "bytes_behind_starttls",
        /// A command that the grammar does not know.
        UnknownCommand = "unknown_command",
        /// A command that does not follow its grammar.
        CommandSyntax = "command_syntax",
        /// A command that is not legal in this state.
        WrongState = "wrong_state",
        /// A tag that is none, or `+`.
        BadTag = "bad_tag",
        /// A SASL exchange that does not follow its mechanism.
        Sasl = "sasl",
        /// A response that does not follow its grammar.
        ResponseSyntax = "response_syntax",
        /// A tagged response to nothing that is under way.
        UnknownTag = "unknown_tag",
        /// A continuation request that nobody waits for.
        UnexpectedContinuation = "unexpected_continuation",
        /// A response that has no place in this state.
        OutOfPlace = "out_of_place",
        /// A FETCH item that the table of read classes lacks.
        UnknownItem = "unknown_item",
        /// The connection ended inside a line or a literal.
        Truncated = "truncated",
    }
}

names! {
    /// Which response could not be filtered.
    FilteredResponse {
        /// LIST, LSUB.
        List = "list",
        /// STATUS.
        Status = "status",
        /// NAMESPACE.
        Namespace = "namespace",
        /// MYRIGHTS, ACL, LISTRIGHTS.
        Rights = "rights",
        /// FETCH.
        Fetch = "fetch",
        /// SEARCH, ESEARCH, SORT, THREAD.
        Search = "search",
        /// EXISTS, EXPUNGE, VANISHED.
        Numbers = "numbers",
        /// OK, NO, BAD, BYE.
        Condition = "condition",
        /// Any other.
        Other = "other",
    }
}

names! {
    /// What is done with a response that cannot be filtered.
    FilterAction {
        /// It is not relayed.
        Withheld = "withheld",
        /// The session ends, too.
        Closed = "closed",
    }
}

names! {
    /// By which way the log was read.
    AccessVia {
        /// With the tools of this program.
        Cli = "cli",
        /// Over the admin API.
        Api = "api",
    }
}

names! {
    /// Why a segment begins.
    OpenReason {
        /// A new log.
        First = "first",
        /// The proxy started.
        Start = "start",
        /// The segment before is full.
        Rotate = "rotate",
    }
}

names! {
    /// Why a segment ends.
    CloseSegment {
        /// It is full.
        Rotate = "rotate",
        /// The proxy stops.
        Stop = "stop",
    }
}

names! {
    /// Why records were lost.
    GapReason {
        /// No room on disk.
        DiskFull = "disk_full",
        /// Any other error of writing.
        IoError = "io_error",
    }
}

names! {
    /// `[audit] on_failure`: what holds when records cannot be written.
    OnFailure {
        /// What cannot be recorded is not done.
        Refuse = "refuse",
        /// Serve, and count the loss.
        Continue = "continue",
    }
}

names! {
    /// `[audit] durability`: when records are on disk.
    Durability {
        /// In the kernel before their bytes move, on disk within 50 ms.
        Batched = "batched",
        /// On disk before their bytes move.
        Strict = "strict",
    }
}

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
