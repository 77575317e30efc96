//! What can happen: one kind for each type of record.

use std::net::IpAddr;
use std::sync::Arc;

use super::{
    AccessVia, AclOp, AppendSource, AuthFailureReason, CloseReason, CloseSegment, ClosedBy, CopyOp, Durability,
    ExpungeHow, FaultReason, FilterAction, FilteredResponse, FlagOp, GapReason, HeaderFacts, KilledBy, LimitAction,
    LimitKind, LimitName, LimitPer, ListOp, LoadedBy, LockOp, MailboxChange, Mechanism, OnFailure, OpenReason,
    OtherLog, ReadClass, ReadCounts, ReadMessage, ReadSet, RefusedReason, Side, Stage, StopReason, TlsFacts,
    UpstreamError,
};
use crate::imap::message::{Flag, Uid, UidSet};

/// What happened. One variant for each type of record, as `schema/audit-v1.schema.json` has them.
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
        /// What is done.
        op: AclOp,
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
        /// Messages that it was put together from.
        sources: Vec<AppendSource>,
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
        /// Records that were shown, or rows; `None` where the showing begins before that is known.
        rows: Option<u64>,
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
