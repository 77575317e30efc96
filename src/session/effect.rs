//! What is followed of a command from the moment it goes up until its tagged answer: what it will have done, and what
//! must be said of it in the record.

use std::sync::Arc;
use std::time::Instant;

use crate::imap::mailbox::MailboxName;
use crate::imap::message::{Flag, Uid, UidSet};
use crate::imap::verb::Verb;
use crate::policy::{AuditLevel, Hits};

use super::event::{AclOp, AppendSource, CopyOp, ExpungeHow, FlagOp, ListOp, MailboxChange, MailboxRef, VerdictKind};
use super::in_flight::Tag;
use super::reads::Reads;

/// What a command is about to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// Nothing: the proxy has answered, and the answer waits for its turn.
    Local(Vec<u8>),
    /// Nothing that is recorded.
    Plain,
    /// One of the proxy's own.
    Own(Own),
    /// A login.
    LoggingIn,
    /// ENABLE of these.
    Enabling { utf8: bool },
    /// SELECT or EXAMINE.
    Opening(Box<Opening>),
    /// CLOSE (which expunges these) or UNSELECT.
    /// `by_absence`: the upstream has no UNSELECT and is asked for a mailbox that is not there, whose NO closes the open one.
    Closing { uids: Option<UidSet>, by_absence: bool },
    /// IDLE; `done`: the client has said DONE, `broken`: or something else. `pausing`: the proxy ends it upstream, the client
    /// knows nothing of it; `resumed`: nor that it begins again.
    Idle { confirmed: bool, done: bool, broken: bool, pausing: bool, resumed: bool },
    /// LIST, LSUB or XLIST. `statuses`: with STATUS of each mailbox (RFC 5819).
    Listing { op: ListOp, reference: Box<str>, pattern: Box<str>, n: u64, hidden: u64, statuses: bool },
    /// STATUS. `guarded`: messages may be hidden there.
    Status { mailbox: Arc<MailboxRef>, items: Vec<&'static str>, guarded: Option<Box<super::names::Resolved>> },
    /// FETCH.
    Fetching(Box<Reads>),
    /// SEARCH, SORT, THREAD.
    Searching(Box<Searching>),
    /// CANCELUPDATE of searches that had these numbers.
    Cancelling(Vec<u32>),
    /// STORE.
    Storing { op: FlagOp, flags: Vec<Flag>, dropped: Vec<Flag>, uids: Option<UidSet>, ask: Option<Box<[u8]>> },
    /// COPY, MOVE. `guarded`: messages may be hidden there.
    Copying {
        op: CopyOp,
        dst: Arc<str>,
        uids: Option<UidSet>,
        code: Option<CopyUid>,
        ask: Option<Box<[u8]>>,
        guarded: Option<Box<super::names::Resolved>>,
    },
    /// APPEND, REPLACE.
    /// `guarded`: messages may be hidden there. `cancelled`: a message behind others was too large, for which rule if it was for one.
    Appending {
        dst: Arc<MailboxRef>,
        size: u64,
        flags: Vec<Flag>,
        uid: Option<Uid>,
        uidv: Option<u32>,
        guarded: bool,
        cancelled: Option<Box<Option<super::limiting::Over>>>,
        header: Box<super::headers::HeaderText>,
        sources: Vec<AppendSource>,
        replaced: Option<Box<Replaced>>,
    },
    /// EXPUNGE, UID EXPUNGE.
    Expunging { how: ExpungeHow, uids: Option<UidSet>, ask: Option<Box<[u8]>> },
    /// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
    Changing { op: MailboxChange, name: Arc<MailboxRef>, to: Option<Arc<str>> },
    /// ACL commands.
    Acl {
        op: AclOp,
        mailbox: Arc<MailboxRef>,
        target: Option<super::names::Resolved>,
        who: Option<Box<str>>,
        rights: Option<Box<str>>,
    },
}

/// A command that the proxy sends for its own purposes: a closed list with a door of its own, as none of them carries a
/// byte of the client's.
#[derive(Debug)]
pub(super) enum Own {
    /// CAPABILITY before login.
    Capability,
    /// ID: some servers want one before they serve (quirk V02).
    Id,
    /// NAMESPACE: the prefix of the personal namespace.
    Namespace,
    /// `LIST "" *`: every name.
    Names,
    /// `LIST "" ""`: the delimiter.
    Delimiter,
    /// `LIST (SPECIAL-USE) "" *`: the mailboxes that are for something.
    Uses,
    /// `LIST "" name`: how the upstream spells this one, and what it is for.
    Name(MailboxName),
    /// `LSUB "" *`: every subscription.
    Subscriptions,
    /// `STATUS name (…)`: what LIST was asked to tell of each mailbox.
    Status(Box<super::listing::Statuses>),
    /// `FETCH set (UID)`: which UIDs the client's numbers stand for.
    Uids,
    /// `FETCH set (UID RFC822.SIZE)`: which messages are too large to be read.
    Sizes,
    /// `FETCH set (UID)` behind a search: which UIDs it has found.
    Found,
    /// `UID SEARCH RETURN (ALL) …` behind one that counts: what else has it found?
    Again,
    /// `UID FETCH set (UID RFC822.SIZE)` behind slices of messages: are they all of them?
    Lengths,
    /// `UID FETCH set (UID RFC822.SIZE BODYSTRUCTURE)` behind numbered parts of messages: are they all of them?
    Structures,
    /// `UID FETCH set (UID BODY.PEEK[HEADER.FIELDS (…)])`: what the record says of messages.
    Headers,
    /// `UID STORE set +FLAGS (\\Seen)`: what the client read of a FETCH that limits may cut short.
    Seen,
    /// `UID SEARCH DELETED`: what an EXPUNGE is going to remove.
    Deleted,
    /// UNSELECT, so that nothing stays open behind a SELECT that was refused here.
    Unselect,
    /// What the view of an open mailbox must know.
    Look(super::messages::Look),
}

/// A mailbox that is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub mailbox: Arc<MailboxRef>,
    pub target: super::names::Resolved,
    /// Does it go up as EXAMINE?
    pub examine: bool,
    pub exists: Option<u32>,
    pub uidvalidity: Option<u32>,
    /// MAILBOXID (RFC 8474).
    pub id: Option<Arc<str>>,
    pub read_only: bool,
    /// What is said of it is kept until it is known which messages may be seen.
    pub guarded: Option<Box<super::messages::Guarded>>,
    /// The messages that may not.
    pub hidden: Option<UidSet>,
}

/// A search that is under way.
#[derive(Debug, Default)]
pub(super) struct Searching {
    pub keys: Vec<&'static str>,
    /// What is looked for, at level `headers`.
    pub terms: Vec<Box<str>>,
    pub content: bool,
    /// Are the numbers in its answer UIDs?
    pub uid: bool,
    pub hits: u64,
    pub uids: UidSet,
    /// What was told by sequence number.
    pub numbers: super::searches::Numbers,
    /// They are more than a record holds, or not to be known any more.
    pub many: bool,
    /// What it finds is what `$` stands for afterwards; and is nothing of it told?
    pub saves: bool,
    pub saves_only: bool,
    /// It goes up with ALL, which its client has not asked for.
    pub adds_all: bool,
    /// It tells a part, and how many there are: the line that asks for all of them.
    pub again: Option<Box<[u8]>>,
    /// Does its answer tell all that it finds, or how many that is?
    pub tells_all: bool,
    /// Is the client told what else is found, later?
    pub goes_on: bool,
    /// How many that it has found are hidden. Mostly it is asked of others alone.
    pub hidden: Option<u64>,
    /// What it has found of a view, and how that is said.
    pub guarded: Option<Box<super::messages::Results>>,
}

/// What REPLACE takes away.
#[derive(Debug)]
pub(super) struct Replaced {
    pub uid: Option<Uid>,
    /// Its number, of which the upstream must be asked first which UID that is.
    pub ask: Option<Box<[u8]>>,
}

/// A COPYUID code (RFC 4315 §3).
#[derive(Debug, Clone)]
pub(super) struct CopyUid {
    pub uidvalidity: u32,
    pub source: UidSet,
    pub copies: UidSet,
}

/// What the policy said of a command, kept for its records.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub verdict: Option<VerdictKind>,
    pub by: Hits,
    pub shadow: Hits,
}

impl Judged {
    /// What the record of the end has of it: nothing where rules had nothing to say.
    pub fn into_recorded(self) -> Option<Box<Self>> {
        let said = !self.by.is_empty() || !self.shadow.is_empty() || self.verdict == Some(VerdictKind::Narrowed);
        said.then(|| Box::new(self))
    }
}

/// A command that was judged and may go up, once what must come first has come: the UIDs it is about, then its record.
#[derive(Debug)]
pub(super) struct Held {
    pub tag: Tag,
    pub cmd: u32,
    pub verb: Verb,
    pub kind: crate::imap::verb::CommandKind,
    pub since: Instant,
    pub effect: Effect,
    pub judged: Judged,
    /// How much of it is recorded.
    pub audit: AuditLevel,
    pub mailbox: Option<Arc<MailboxRef>>,
    /// The command behind its tag, line ends, literals and all.
    pub line: Vec<u8>,
    /// Does a message literal follow that is streamed?
    pub stream: Option<Box<super::append::Stream>>,
    /// It waits until nothing else is under way, so that answers to the proxy's own question can be told.
    pub wait_quiet: bool,
    /// When nothing but the proxy's own work stood between it and the upstream.
    pub ready: Instant,
    /// What it becomes in a mailbox where messages may be hidden.
    pub parts: super::messages::Parts,
}
