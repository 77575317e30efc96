//! Commands that change messages: STORE, COPY, MOVE; and two small ones of searches.

use std::num::NonZeroU32;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{map, opt, value};
use nom::multi::{many0, separated_list1};
use nom::sequence::{delimited, preceded};

use super::token::{
    Cursor, FlagList, MailboxArg, Parsed, SetArg, Span, Text, close, expect, flag, flag_list, keyword, mailbox,
    number64, nz_number, open, quoted, sequence_set, sp, spanned,
};
use crate::imap::message::Flag;

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which messages.
    pub set: SetArg,
    /// `(UNCHANGEDSINCE n)` (RFC 7162 §3.1.3): where, and the number.
    pub unchanged_since: Option<(Span, u64)>,
    /// What to do with the flags.
    pub action: StoreAction,
    /// Is no answer wanted?
    pub silent: bool,
    /// Where `+FLAGS.SILENT` stands.
    pub action_span: Span,
    /// The flags.
    pub flags: FlagList,
}

/// What STORE does with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// ```abnf
/// store           = "STORE" SP sequence-set [SP "(" "UNCHANGEDSINCE" SP mod-sequence-value ")"] SP store-att-flags
/// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
/// ```
/// `\Recent` is none that a client may name (RFC 3501 §9 `flag-extension`).
pub(crate) fn store(i: Cursor<'_>) -> Parsed<'_, Store> {
    let unchanged = delimited((open, keyword("UNCHANGEDSINCE"), sp), number64, close);
    let (i, set) = sequence_set(i)?;
    let (i, unchanged_since) = opt(preceded(sp, spanned(unchanged))).parse(i)?;
    let (begin, ()) = sp(i)?;
    let sign = alt((value(StoreAction::Add, tag("+")), value(StoreAction::Remove, tag("-"))));
    let (i, action) = map(opt(sign), |sign| sign.unwrap_or(StoreAction::Replace)).parse(begin)?;
    let silent = alt((value(true, keyword("FLAGS.SILENT")), value(false, keyword("FLAGS"))));
    let (i, silent) = expect("FLAGS or FLAGS.SILENT", silent).parse(i)?;
    let action_span = begin.span_to(&i);
    let (begin, ()) = sp(i)?;
    let (i, flags) = alt((flag_list, bare_flags)).parse(begin)?;
    if flags.flags.iter().any(|arg| arg.flag == Flag::Recent) {
        return begin.failure("flags that a client may set");
    }
    Ok((i, Store { set, unchanged_since, action, silent, action_span, flags }))
}

fn bare_flags(i: Cursor<'_>) -> Parsed<'_, FlagList> {
    map(spanned(separated_list1(sp, flag)), |(span, flags)| FlagList { span, flags }).parse(i)
}

/// COPY, MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy<'f> {
    /// Which messages.
    pub set: SetArg,
    /// Where to.
    pub mailbox: MailboxArg<'f>,
}

/// `copy = "COPY" SP sequence-set SP mailbox`
pub(crate) fn copy(i: Cursor<'_>) -> Parsed<'_, Copy<'_>> {
    map((sequence_set, sp, mailbox), |(set, (), mailbox)| Copy { set, mailbox }).parse(i)
}

/// `cancelupdate = "CANCELUPDATE" 1*(SP quoted)` (RFC 5267 §5): tags of searches
pub(crate) fn cancel_update(i: Cursor<'_>) -> Parsed<'_, Vec<Text<'_>>> {
    let (first, ()) = sp(i)?;
    let _ = quoted(first)?;
    many0(preceded(sp, quoted)).parse(i)
}

/// UIDBATCHES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidBatches {
    /// Messages in a batch.
    pub size: NonZeroU32,
    /// Which batches.
    pub range: Option<(NonZeroU32, NonZeroU32)>,
}

/// `uidbatches = "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]`
pub(crate) fn uid_batches(i: Cursor<'_>) -> Parsed<'_, UidBatches> {
    let range = map((nz_number, tag(":"), nz_number), |(first, _, last)| (first, last));
    map((nz_number, opt(preceded(sp, range))), |(size, range)| UidBatches { size, range }).parse(i)
}
