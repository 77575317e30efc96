//! Commands about mailboxes: SELECT, CREATE, RENAME, STATUS, and metadata of mailboxes.

use std::num::NonZeroU32;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{map, opt, value};
use nom::sequence::{delimited, preceded, separated_pair};

use super::token::{
    Cursor, MailboxArg, Parsed, SetArg, Span, Text, Word, any_literal, astring, atom, close, cut, expect, keyword,
    list1, mailbox, number, number64, nz_number, open as paren, plain_set, quoted, sp, spanned,
};

/// SELECT, EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<'f> {
    /// What to open.
    pub mailbox: MailboxArg<'f>,
    /// Parameters in parentheses.
    pub params: Vec<OpenParam>,
    /// Where they stand, with the space before them.
    pub params_span: Option<Span>,
}

/// A parameter of SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenParam {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: OpenKind,
}

/// A parameter of SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenKind {
    /// `CONDSTORE` (RFC 7162 §3.1.8)
    Condstore,
    /// `QRESYNC (…)` (RFC 7162 §3.2.5)
    Qresync {
        /// The UIDVALIDITY that the client knows.
        uid_validity: NonZeroU32,
        /// The mod-sequence that it knows.
        mod_seq: u64,
        /// The UIDs that it knows.
        known_uids: Option<SetArg>,
        /// Sequence numbers, and the UIDs that they had.
        seq_match: Option<(SetArg, SetArg)>,
    },
}

/// `select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]`
pub(crate) fn open(i: Cursor<'_>) -> Parsed<'_, Open<'_>> {
    let (rest, (mailbox, params)) = (mailbox, opt(spanned(preceded(sp, list1(open_param))))).parse(i)?;
    let (params_span, params) = params.map_or((None, Vec::new()), |(span, params)| (Some(span), params));
    Ok((rest, Open { mailbox, params, params_span }))
}

/// ```abnf
/// select-param    = "CONDSTORE" / "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
///                   [SP "(" known-sequence-set SP known-uid-set ")"] ")"
/// ```
fn open_param(i: Cursor<'_>) -> Parsed<'_, OpenParam> {
    let known_uids = opt(preceded(sp, plain_set));
    let seq_match = opt(preceded(sp, delimited(paren, separated_pair(plain_set, sp, plain_set), close)));
    let inner = (nz_number, preceded(sp, number64), known_uids, seq_match);
    let qresync = map(delimited(paren, inner, close), |(uid_validity, mod_seq, known_uids, seq_match)| {
        OpenKind::Qresync { uid_validity, mod_seq, known_uids, seq_match }
    });
    let kind = alt((
        value(OpenKind::Condstore, keyword("CONDSTORE")),
        preceded(keyword("QRESYNC"), cut(preceded(sp, qresync))),
    ));
    map(spanned(expect("CONDSTORE or QRESYNC", kind)), |(span, kind)| OpenParam { span, kind }).parse(i)
}

/// CREATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create<'f> {
    /// The new mailbox.
    pub mailbox: MailboxArg<'f>,
    /// Special uses asked for (RFC 6154 §3), each with its backslash.
    pub special_use: Vec<Word<'f>>,
}

/// ```abnf
/// create          = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]
/// use-attr        = "\" atom
/// ```
pub(crate) fn create(i: Cursor<'_>) -> Parsed<'_, Create<'_>> {
    let uses = delimited((paren, keyword("USE"), sp), super::token::list0(attribute), close);
    map((mailbox, opt(preceded(sp, uses))), |(mailbox, uses)| Create { mailbox, special_use: uses.unwrap_or_default() })
        .parse(i)
}

/// `"\" atom`
pub(crate) fn attribute(i: Cursor<'_>) -> Parsed<'_, Word<'_>> {
    let (name, _) = expect("an attribute", tag("\\")).parse(i)?;
    let (rest, _) = atom(name)?;
    let span = i.span_to(&rest);
    match i.rest().get(..span.len()).map(std::str::from_utf8) {
        Some(Ok(text)) => Ok((rest, Word { span, text })),
        _ => i.error("an attribute"),
    }
}

/// RENAME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename<'f> {
    /// The name that is.
    pub from: MailboxArg<'f>,
    /// The name that shall be.
    pub to: MailboxArg<'f>,
}

/// `rename = "RENAME" SP mailbox SP mailbox`
pub(crate) fn rename(i: Cursor<'_>) -> Parsed<'_, Rename<'_>> {
    map((mailbox, sp, mailbox), |(from, (), to)| Rename { from, to }).parse(i)
}

/// STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusArgs<'f> {
    /// Of which mailbox.
    pub mailbox: MailboxArg<'f>,
    /// What is asked.
    pub items: Vec<StatusItem>,
}

/// An item of STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusItem {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: StatusKind,
}

/// An item of STATUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusKind {
    /// RFC 9051 §6.3.11
    Messages,
    /// RFC 3501 §6.3.10
    Recent,
    /// RFC 9051 §6.3.11
    UidNext,
    /// RFC 9051 §6.3.11
    UidValidity,
    /// RFC 9051 §6.3.11
    Unseen,
    /// RFC 9051 §6.3.11
    Deleted,
    /// RFC 8438
    Size,
    /// RFC 7162 §3.1.7
    HighestModSeq,
    /// RFC 7889 §2
    AppendLimit,
    /// RFC 8474 §4.3
    MailboxId,
    /// RFC 9208 §4.1.4
    DeletedStorage,
}

impl StatusKind {
    /// Every item and its word.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::AppendLimit, "APPENDLIMIT"),
        (Self::MailboxId, "MAILBOXID"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
    ];
}

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
pub(crate) fn status(i: Cursor<'_>) -> Parsed<'_, StatusArgs<'_>> {
    map((mailbox, sp, status_items), |(mailbox, (), items)| StatusArgs { mailbox, items }).parse(i)
}

/// `"(" status-att *(SP status-att) ")"`
pub(crate) fn status_items(i: Cursor<'_>) -> Parsed<'_, Vec<StatusItem>> {
    list1(status_item).parse(i)
}

fn status_item(i: Cursor<'_>) -> Parsed<'_, StatusItem> {
    let (rest, word) = expect("a STATUS item", atom).parse(i)?;
    let known = StatusKind::ALL.iter().find(|(_, name)| word.is(name));
    match known {
        Some((kind, _)) => Ok((rest, StatusItem { span: word.span, kind: *kind })),
        None => i.error("a STATUS item"),
    }
}

/// GETMETADATA (RFC 5464 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata<'f> {
    /// Of which mailbox; the empty name is the server.
    pub mailbox: MailboxArg<'f>,
    /// Options, wherever they stand.
    pub options: Vec<MetadataOption>,
    /// Names of entries.
    pub entries: Vec<Text<'f>>,
}

/// An option of GETMETADATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataOption {
    /// Values of at most so many octets.
    MaxSize(u32),
    /// `DEPTH 0`, `1` or, as `None`, `infinity`.
    Depth(Option<u32>),
}

/// ```abnf
/// getmetadata         = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
/// getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"
/// entries             = entry / "(" entry *(SP entry) ")"
/// ```
/// The RFC's examples have the options behind the mailbox; both are read.
pub(crate) fn get_metadata(i: Cursor<'_>) -> Parsed<'_, GetMetadata<'_>> {
    let options = || opt(nom::sequence::terminated(list1(metadata_option), sp));
    map((options(), mailbox, sp, options(), entries), |(before, mailbox, (), behind, entries)| GetMetadata {
        mailbox,
        options: before.into_iter().chain(behind).flatten().collect(),
        entries,
    })
    .parse(i)
}

pub(crate) fn entries(i: Cursor<'_>) -> Parsed<'_, Vec<Text<'_>>> {
    alt((list1(entry), map(entry, |entry| vec![entry]))).parse(i)
}

/// `entry = astring` that begins with a slash
fn entry(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    expect("the name of an entry", nom::combinator::verify(astring, |text: &Text<'_>| text.octets.starts_with(b"/")))
        .parse(i)
}

/// `"MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity")`
fn metadata_option(i: Cursor<'_>) -> Parsed<'_, MetadataOption> {
    let depth = alt((
        value(MetadataOption::Depth(Some(0)), keyword("0")),
        value(MetadataOption::Depth(Some(1)), keyword("1")),
        value(MetadataOption::Depth(None), keyword("infinity")),
    ));
    alt((
        preceded((keyword("MAXSIZE"), sp), map(number, MetadataOption::MaxSize)),
        preceded((keyword("DEPTH"), sp), depth),
    ))
    .parse(i)
}

/// SETMETADATA (RFC 5464 §4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMetadata<'f> {
    /// Of which mailbox; the empty name is the server.
    pub mailbox: MailboxArg<'f>,
    /// Entries and their new values; `None` removes one.
    pub entries: Vec<(Text<'f>, Option<Text<'f>>)>,
}

/// ```abnf
/// setmetadata     = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"
/// value           = nstring / literal8
/// ```
pub(crate) fn set_metadata(i: Cursor<'_>) -> Parsed<'_, SetMetadata<'_>> {
    let new = alt((value(None, keyword("NIL")), map(alt((quoted, any_literal)), Some)));
    map((mailbox, sp, list1(separated_pair(entry, sp, new))), |(mailbox, (), entries)| SetMetadata { mailbox, entries })
        .parse(i)
}
