//! LIST, with its extensions (RFC 5258, 5819, 6154, 8440, 9590), LSUB and XLIST.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};
use nom::sequence::preceded;

use super::command::folder::{StatusItem, entries, status_items};
use super::command::token::{
    Cursor, MailboxArg, Parsed, Span, Text, cut, expect, keyword, list_mailbox, list0, list1, mailbox, sp, spanned,
};

/// LIST, LSUB, XLIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<'f> {
    /// Selection options, if there are parentheses for them.
    pub select: Option<Vec<SelectOption>>,
    /// What patterns are relative to.
    pub reference: MailboxArg<'f>,
    /// Patterns: `*` and `%` are wild.
    pub patterns: Vec<MailboxArg<'f>>,
    /// Where the patterns stand, with their parentheses.
    pub patterns_span: Span,
    /// Return options, if RETURN is there.
    pub returns: Option<Vec<ReturnOption<'f>>>,
}

impl List<'_> {
    /// Is it `LIST "" ""`, which asks for the delimiter alone (RFC 9051 §6.3.9)?
    #[must_use]
    pub fn asks_for_delimiter(&self) -> bool {
        self.patterns.iter().all(|pattern| pattern.octets().is_empty())
    }
}

/// A selection option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectOption {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: SelectKind,
}

/// A selection option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectKind {
    /// RFC 5258
    Subscribed,
    /// RFC 5258
    Remote,
    /// RFC 5258
    RecursiveMatch,
    /// RFC 6154
    SpecialUse,
}

/// A return option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnOption<'f> {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: ReturnKind<'f>,
}

/// A return option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnKind<'f> {
    /// RFC 5258
    Subscribed,
    /// RFC 5258
    Children,
    /// RFC 6154
    SpecialUse,
    /// RFC 5819
    Status(Vec<StatusItem>),
    /// RFC 8440
    MyRights,
    /// RFC 9590
    Metadata(Vec<Text<'f>>),
}

/// ```abnf
/// list            = "LIST" [SP "(" [list-select-opts] ")"] SP mailbox SP mbox-or-pat [SP list-return-opts]
/// mbox-or-pat     = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"
/// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
/// ```
pub(crate) fn list(i: Cursor<'_>) -> Parsed<'_, List<'_>> {
    let select = opt(nom::sequence::terminated(list0(select_option), sp));
    let patterns = alt((list1(list_mailbox), map(list_mailbox, |pattern| vec![pattern])));
    let returns = opt(preceded((sp, keyword("RETURN")), cut(preceded(sp, list0(return_option)))));
    map(
        (select, mailbox, sp, spanned(patterns), returns),
        |(select, reference, (), (patterns_span, patterns), returns)| List {
            select,
            reference,
            patterns,
            patterns_span,
            returns,
        },
    )
    .parse(i)
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox`
pub(crate) fn plain_list(i: Cursor<'_>) -> Parsed<'_, List<'_>> {
    map((mailbox, sp, list_mailbox), |(reference, (), pattern)| List {
        select: None,
        reference,
        patterns_span: pattern.span(),
        patterns: vec![pattern],
        returns: None,
    })
    .parse(i)
}

/// `list-select-opt = "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE"`
fn select_option(i: Cursor<'_>) -> Parsed<'_, SelectOption> {
    let kind = alt((
        value(SelectKind::Subscribed, keyword("SUBSCRIBED")),
        value(SelectKind::Remote, keyword("REMOTE")),
        value(SelectKind::RecursiveMatch, keyword("RECURSIVEMATCH")),
        value(SelectKind::SpecialUse, keyword("SPECIAL-USE")),
    ));
    map(spanned(expect("a selection option", kind)), |(span, kind)| SelectOption { span, kind }).parse(i)
}

/// ```abnf
/// return-option   = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / "STATUS" SP "(" status-att *(SP status-att) ")" /
///                   "MYRIGHTS" / "METADATA" SP entries
/// ```
fn return_option(i: Cursor<'_>) -> Parsed<'_, ReturnOption<'_>> {
    let kind = alt((
        value(ReturnKind::Subscribed, keyword("SUBSCRIBED")),
        value(ReturnKind::Children, keyword("CHILDREN")),
        value(ReturnKind::SpecialUse, keyword("SPECIAL-USE")),
        map(preceded(keyword("STATUS"), cut(preceded(sp, status_items))), ReturnKind::Status),
        value(ReturnKind::MyRights, keyword("MYRIGHTS")),
        map(preceded(keyword("METADATA"), cut(preceded(sp, entries))), ReturnKind::Metadata),
    ));
    map(spanned(expect("a return option", kind)), |(span, kind)| ReturnOption { span, kind }).parse(i)
}
