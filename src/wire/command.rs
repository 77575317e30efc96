//! What does a command say, and where in the frame does it say it?
//!
//! ```text
//!   a1 UID COPY 4:7 "Archive/2024"␍␊
//!   ~~ ~~~~~~~~ ~~~ ~~~~~~~~~~~~~~
//!   tag  verb   set  mailbox          each with its span, for a Patch
//! ```
//!
//! A frame is a whole command: its lines, and its literals as they were sent. What parses, parses to the last octet; what
//! does not is `BAD` and never forwarded. Whether a command is legal now, allowed, or of a capability that is offered is
//! not for the grammar to say.
//!
//! ```
//! use imapwarden::wire::command::{Command, Role, Utf8Mode};
//!
//! let command = Command::parse(b"a1 UID COPY 4:7 Archive\r\n", Utf8Mode::Off).unwrap();
//! let (role, mailbox) = command.mailboxes().next().unwrap();
//! assert_eq!((role, mailbox.octets()), (Role::CopyTo, &b"Archive"[..]));
//! ```
//!
//! Read [`args`](Args) for the shape of every command; the terminals are in [`token`].

pub mod append;
pub mod fetch;
pub mod folder;
pub mod login;
pub mod notify;
pub mod right;
pub mod store;
pub mod token;

mod mailboxes;

pub use append::{Append, AppendContinuation, AppendPrefix, CommandPrefix, MessageLiteral};
pub use fetch::{Fetch, FetchItem, FetchKind, FetchModifier};
pub use mailboxes::Role;
pub use token::{FlagArg, FlagList, LiteralSpan, MailboxArg, SetArg, Span, StringForm, Text, Word};

pub use super::mailbox::Utf8Mode;

use nom::Parser;
use nom::combinator::map;
use nom::sequence::preceded;

use super::error::SyntaxError;
use super::list::List;
use super::search::{Esearch, Search, Sort, Thread};
use crate::imap::message::SeqSet;
use crate::imap::verb::Verb;
use token::{Cursor, Parsed, end, expect, sp, tag_of_command, word_of};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'f> {
    /// The client's tag.
    pub tag: Word<'f>,
    /// Which command.
    pub verb: Verb,
    /// Where its name stands, `UID` included.
    pub verb_span: Span,
    /// Everything behind it.
    pub args: Args<'f>,
    frame: &'f [u8],
}

/// The arguments, by shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Args<'f> {
    /// CAPABILITY, NOOP, LOGOUT, STARTTLS, NAMESPACE, IDLE, CHECK, CLOSE, UNSELECT, EXPUNGE
    None,
    /// ID; `None` for NIL
    Id(Option<Vec<login::IdField<'f>>>),
    /// AUTHENTICATE
    Authenticate(login::Authenticate<'f>),
    /// LOGIN
    Login(login::Login<'f>),
    /// ENABLE
    Enable(Vec<Word<'f>>),
    /// COMPRESS
    Compress(Word<'f>),
    /// SELECT, EXAMINE
    Open(folder::Open<'f>),
    /// CREATE
    Create(folder::Create<'f>),
    /// DELETE, SUBSCRIBE, UNSUBSCRIBE, GETACL, MYRIGHTS, GETQUOTAROOT
    Mailbox(MailboxArg<'f>),
    /// RENAME
    Rename(folder::Rename<'f>),
    /// LIST, LSUB, XLIST
    List(List<'f>),
    /// STATUS
    Status(folder::StatusArgs<'f>),
    /// APPEND
    Append(Append<'f>),
    /// REPLACE, UID REPLACE
    Replace(append::Replace<'f>),
    /// SETACL
    SetAcl(right::SetAcl<'f>),
    /// DELETEACL, LISTRIGHTS
    Acl(right::Acl<'f>),
    /// GETQUOTA: the name of a quota root
    GetQuota(Text<'f>),
    /// SETQUOTA
    SetQuota(right::SetQuota<'f>),
    /// GETMETADATA
    GetMetadata(folder::GetMetadata<'f>),
    /// SETMETADATA
    SetMetadata(folder::SetMetadata<'f>),
    /// NOTIFY
    Notify(notify::Notify<'f>),
    /// SEARCH, UID SEARCH
    Search(Search<'f>),
    /// ESEARCH
    Esearch(Esearch<'f>),
    /// SORT, UID SORT
    Sort(Sort<'f>),
    /// THREAD, UID THREAD
    Thread(Thread<'f>),
    /// FETCH, UID FETCH
    Fetch(Fetch<'f>),
    /// STORE, UID STORE
    Store(store::Store),
    /// COPY, MOVE and their UID forms
    Copy(store::Copy<'f>),
    /// UID EXPUNGE
    UidExpunge(SetArg),
    /// CANCELUPDATE
    CancelUpdate(Vec<Text<'f>>),
    /// UIDBATCHES
    UidBatches(store::UidBatches),
}

impl<'f> Command<'f> {
    /// Reads a whole frame: `a LOGIN {5}\r\nalice {3+}\r\npwd\r\n`.
    ///
    /// # Errors
    /// With the first byte at which the frame is no command.
    pub fn parse(frame: &'f [u8], mode: Utf8Mode) -> Result<Self, SyntaxError> {
        match command(Cursor::new(frame, mode), frame) {
            Ok((_, command)) => Ok(command),
            Err(error) => Err(syntax_error(error, frame)),
        }
    }

    /// Reads the beginning of a frame up to and including the line that announces a literal: is the literal message data to
    /// be streamed, or an argument to be collected?
    ///
    /// # Errors
    /// If no command begins so, whatever comes behind it: then no `+` should be sent for it.
    pub fn parse_prefix(frame: &'f [u8], mode: Utf8Mode) -> Result<CommandPrefix<'f>, SyntaxError> {
        append::prefix(frame, mode)
    }

    /// Every mailbox that the command names, with what it does there.
    pub fn mailboxes(&self) -> impl Iterator<Item = (Role, &MailboxArg<'f>)> {
        mailboxes::of(self).into_iter()
    }

    /// The messages that the command is about. Those that a search program names are in its keys.
    #[must_use]
    pub fn sequence_set(&self) -> Option<&SetArg> {
        match &self.args {
            Args::Fetch(fetch) => Some(&fetch.set),
            Args::Store(store) => Some(&store.set),
            Args::Copy(copy) => Some(&copy.set),
            Args::Replace(replace) => Some(&replace.set),
            Args::UidExpunge(set) => Some(set),
            _ => None,
        }
    }

    /// Does the command name messages by sequence number, also inside a search program? `$` is none.
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        let by_number = |set: &SetArg| set.set != SeqSet::Saved;
        let outside =
            !self.verb.is_uid_form() && self.verb != Verb::UidExpunge && self.sequence_set().is_some_and(by_number);
        outside || self.search_keys().is_some_and(|keys| keys.iter().any(super::search::Key::uses_sequence_numbers))
    }

    /// The program of SEARCH, SORT, THREAD and ESEARCH.
    #[must_use]
    pub fn search_keys(&self) -> Option<&[super::search::Key<'f>]> {
        match &self.args {
            Args::Search(search) => Some(&search.program.keys),
            Args::Esearch(esearch) => Some(&esearch.search.program.keys),
            Args::Sort(sort) => Some(&sort.program.keys),
            Args::Thread(thread) => Some(&thread.program.keys),
            _ => None,
        }
    }

    /// The literals of the command, in order.
    #[must_use]
    pub fn literals(&self) -> Vec<LiteralSpan> {
        token::literals(self.frame)
    }

    /// The frame.
    #[must_use]
    pub const fn frame(&self) -> &'f [u8] {
        self.frame
    }
}

/// A tag that can be answered, from the beginning of a frame that may be anything.
#[must_use]
pub fn tag_of(frame: &[u8]) -> Option<&str> {
    match nom::sequence::terminated(tag_of_command, nom::bytes::complete::take(1_usize))
        .parse(Cursor::new(frame, Utf8Mode::Off))
    {
        Ok((rest, word)) if matches!(frame.get(rest.at().saturating_sub(1)), Some(b' ' | b'\r')) => Some(word.text),
        _ => None,
    }
}

pub(crate) fn syntax_error(error: nom::Err<SyntaxError>, frame: &[u8]) -> SyntaxError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => SyntaxError::new(frame.len(), "more"),
    }
}

/// `command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF`
fn command<'f>(i: Cursor<'f>, frame: &'f [u8]) -> Parsed<'f, Command<'f>> {
    let (i, (tag, verb, verb_span)) = head(i)?;
    let (i, args) = args(verb, i)?;
    let (i, ()) = end(i)?;
    Ok((i, Command { tag, verb, verb_span, args, frame }))
}

/// `tag SP` and the name of the command
pub(crate) fn head(i: Cursor<'_>) -> Parsed<'_, (Word<'_>, Verb, Span)> {
    let (i, tag) = tag_of_command(i)?;
    let (begin, ()) = sp(i)?;
    let (i, verb) = verb(begin)?;
    Ok((i, (tag, verb, begin.span_to(&i))))
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge / …)`, or one word
fn verb(i: Cursor<'_>) -> Parsed<'_, Verb> {
    let mut word = expect("a command", word_of(|octet| octet.is_ascii_alphanumeric()));
    let (rest, name) = word(i)?;
    if !name.is("UID") {
        return Verb::from_name(name.text).map_or_else(|| i.error("a command"), |verb| Ok((rest, verb)));
    }
    let (second, ()) = sp(rest)?;
    let (rest, name) = word(second)?;
    let verb = Verb::from_name(name.text).and_then(Verb::uid_form);
    verb.map_or_else(|| second.error("a command that has a UID form"), |verb| Ok((rest, verb)))
}

/// The arguments of a verb, with the space before them.
fn args(verb: Verb, i: Cursor<'_>) -> Parsed<'_, Args<'_>> {
    match verb {
        Verb::Capability
        | Verb::Noop
        | Verb::Logout
        | Verb::StartTls
        | Verb::Namespace
        | Verb::Idle
        | Verb::Check
        | Verb::Close
        | Verb::Unselect
        | Verb::Expunge => Ok((i, Args::None)),
        Verb::Id => map(preceded(sp, login::id), Args::Id).parse(i),
        Verb::Authenticate => map(preceded(sp, login::authenticate), Args::Authenticate).parse(i),
        Verb::Login => map(preceded(sp, login::login), Args::Login).parse(i),
        Verb::Enable => map(preceded(sp, login::enable), Args::Enable).parse(i),
        Verb::Compress => map(preceded(sp, token::atom), Args::Compress).parse(i),
        Verb::Select | Verb::Examine => map(preceded(sp, folder::open), Args::Open).parse(i),
        Verb::Create => map(preceded(sp, folder::create), Args::Create).parse(i),
        Verb::Delete | Verb::Subscribe | Verb::Unsubscribe | Verb::GetAcl | Verb::MyRights | Verb::GetQuotaRoot => {
            map(preceded(sp, token::mailbox), Args::Mailbox).parse(i)
        }
        Verb::Rename => map(preceded(sp, folder::rename), Args::Rename).parse(i),
        Verb::List => map(preceded(sp, super::list::list), Args::List).parse(i),
        Verb::Lsub | Verb::Xlist => map(preceded(sp, super::list::plain_list), Args::List).parse(i),
        Verb::Status => map(preceded(sp, folder::status), Args::Status).parse(i),
        Verb::Append => map(preceded(sp, append::append), Args::Append).parse(i),
        Verb::Replace | Verb::UidReplace => map(preceded(sp, append::replace), Args::Replace).parse(i),
        Verb::SetAcl => map(preceded(sp, right::set_acl), Args::SetAcl).parse(i),
        Verb::DeleteAcl | Verb::ListRights => map(preceded(sp, right::acl), Args::Acl).parse(i),
        Verb::GetQuota => map(preceded(sp, token::astring), Args::GetQuota).parse(i),
        Verb::SetQuota => map(preceded(sp, right::set_quota), Args::SetQuota).parse(i),
        Verb::GetMetadata => map(preceded(sp, folder::get_metadata), Args::GetMetadata).parse(i),
        Verb::SetMetadata => map(preceded(sp, folder::set_metadata), Args::SetMetadata).parse(i),
        Verb::Notify => map(preceded(sp, notify::notify), Args::Notify).parse(i),
        Verb::Search | Verb::UidSearch => map(preceded(sp, super::search::search), Args::Search).parse(i),
        Verb::Esearch => map(preceded(sp, super::search::esearch), Args::Esearch).parse(i),
        Verb::Sort | Verb::UidSort => map(preceded(sp, super::search::sort), Args::Sort).parse(i),
        Verb::Thread | Verb::UidThread => map(preceded(sp, super::search::thread), Args::Thread).parse(i),
        Verb::Fetch | Verb::UidFetch => map(preceded(sp, fetch::fetch), Args::Fetch).parse(i),
        Verb::Store | Verb::UidStore => map(preceded(sp, store::store), Args::Store).parse(i),
        Verb::Copy | Verb::UidCopy | Verb::Move | Verb::UidMove => map(preceded(sp, store::copy), Args::Copy).parse(i),
        Verb::UidExpunge => map(preceded(sp, token::sequence_set), Args::UidExpunge).parse(i),
        Verb::CancelUpdate => map(store::cancel_update, Args::CancelUpdate).parse(i),
        Verb::UidBatches => map(preceded(sp, store::uid_batches), Args::UidBatches).parse(i),
    }
}

#[cfg(test)]
mod tests;
