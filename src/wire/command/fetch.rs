//! FETCH: which parts of which messages, and whether reading them sets `\Seen`.

use std::num::NonZeroU32;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{map, opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use nom::{Input, Parser};

use super::token::{
    Cursor, Parsed, SetArg, Span, Text, astring, bounded, close, cut, expect, keyword, list1, number64, nz_number,
    open, sequence_set, sp, spanned,
};
use crate::imap::message::ReadClass;

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch<'f> {
    /// Which messages.
    pub set: SetArg,
    /// Where the items stand, with their parentheses.
    pub items_span: Span,
    /// What is asked. A macro stands alone.
    pub items: Vec<FetchItem<'f>>,
    /// Modifiers.
    pub modifiers: Vec<FetchModifier>,
    /// Where they stand, with the space before them.
    pub modifiers_span: Option<Span>,
}

impl Fetch<'_> {
    /// The highest class of what is asked.
    #[must_use]
    pub fn class(&self) -> ReadClass {
        self.items.iter().map(FetchItem::class).max().unwrap_or(ReadClass::Listed)
    }

    /// Does it ask for content (`preview` or more), or only for data about messages?
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.class() >= ReadClass::Preview
    }

    /// Does it set `\Seen`?
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        self.items.iter().any(|item| !item.peek)
    }
}

/// An item of FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchItem<'f> {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: FetchKind<'f>,
    /// Does reading it leave `\Seen` as it is?
    pub peek: bool,
}

/// An item of FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchKind<'f> {
    /// The macro `FLAGS INTERNALDATE RFC822.SIZE ENVELOPE`
    All,
    /// The macro `FLAGS INTERNALDATE RFC822.SIZE`
    Fast,
    /// The macro `FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY`
    Full,
    /// `UID`
    Uid,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `ENVELOPE`
    Envelope,
    /// `BODY` without a section: structure without extension data
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `MODSEQ` (RFC 7162)
    ModSeq,
    /// `EMAILID` (RFC 8474)
    EmailId,
    /// `THREADID` (RFC 8474)
    ThreadId,
    /// `SAVEDATE` (RFC 8514)
    SaveDate,
    /// `PREVIEW` (RFC 8970)
    Preview {
        /// `(LAZY)`
        lazy: bool,
    },
    /// `RFC822`, and `RFC822.PEEK` of before IMAP4rev1 (quirk C04)
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`, and `RFC822.TEXT.PEEK` of before IMAP4rev1
    Rfc822Text,
    /// `BODY[…]<…>`, `BODY.PEEK[…]<…>`
    Section {
        /// What is in the brackets.
        section: Section<'f>,
        /// First octet, and how many.
        partial: Option<(u64, u64)>,
    },
    /// `BINARY[…]<…>`, `BINARY.PEEK[…]<…>` (RFC 3516)
    Binary {
        /// The part; empty for the message.
        part: Vec<NonZeroU32>,
        /// First octet, and how many.
        partial: Option<(u64, u64)>,
    },
    /// `BINARY.SIZE[…]`
    BinarySize {
        /// The part; empty for the message.
        part: Vec<NonZeroU32>,
    },
    /// `X-GM-MSGID`, `X-GM-THRID`, `X-GM-LABELS`: understood nowhere, passed on in plain scope.
    Vendor(&'static str),
}

/// What stands in the brackets of `BODY[…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'f> {
    /// The numbers; empty for the message itself.
    pub part: Vec<NonZeroU32>,
    /// What of it.
    pub text: SectionText<'f>,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText<'f> {
    /// All of it.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (…)`
    HeaderFields(Vec<Text<'f>>),
    /// `HEADER.FIELDS.NOT (…)`
    HeaderFieldsNot(Vec<Text<'f>>),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

impl FetchItem<'_> {
    /// How much of a message the item reads.
    #[must_use]
    pub fn class(&self) -> ReadClass {
        match &self.kind {
            FetchKind::Fast
            | FetchKind::Uid
            | FetchKind::Flags
            | FetchKind::InternalDate
            | FetchKind::Size
            | FetchKind::ModSeq
            | FetchKind::EmailId
            | FetchKind::ThreadId
            | FetchKind::SaveDate
            | FetchKind::BinarySize { .. }
            | FetchKind::Vendor(_) => ReadClass::Listed,
            FetchKind::All
            | FetchKind::Full
            | FetchKind::Envelope
            | FetchKind::Body
            | FetchKind::BodyStructure
            | FetchKind::Rfc822Header => ReadClass::Envelope,
            FetchKind::Preview { .. } => ReadClass::Preview,
            FetchKind::Rfc822 => ReadClass::Full,
            FetchKind::Rfc822Text => ReadClass::Part,
            FetchKind::Section { section, partial } => match section.text {
                SectionText::Whole if section.part.is_empty() && partial.is_none() => ReadClass::Full,
                SectionText::Whole | SectionText::Text => ReadClass::Part,
                SectionText::Header
                | SectionText::HeaderFields(_)
                | SectionText::HeaderFieldsNot(_)
                | SectionText::Mime => ReadClass::Envelope,
            },
            FetchKind::Binary { part, partial } if part.is_empty() && partial.is_none() => ReadClass::Full,
            FetchKind::Binary { .. } => ReadClass::Part,
        }
    }

    /// The edit that makes it leave `\Seen` as it is. `RFC822` and `RFC822.TEXT` have no such form: what stands for them
    /// is answered under the name that the edit gives (`BODY[]`, `BODY[TEXT]`).
    #[must_use]
    pub fn as_peek(&self) -> Option<(Span, &'static str)> {
        let insert = |word: &str| {
            let at = self.span.start.saturating_add(word.len());
            (at..at, ".PEEK")
        };
        match &self.kind {
            _ if self.peek => None,
            FetchKind::Section { .. } => Some(insert("BODY")),
            FetchKind::Binary { .. } => Some(insert("BINARY")),
            FetchKind::Rfc822 => Some((self.span.clone(), "BODY.PEEK[]")),
            FetchKind::Rfc822Text => Some((self.span.clone(), "BODY.PEEK[TEXT]")),
            _ => None,
        }
    }
}

/// A modifier of FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchModifier {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: FetchModifierKind,
}

/// A modifier of FETCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchModifierKind {
    /// `CHANGEDSINCE n` (RFC 7162 §3.1.4.1). iOS sends 0, which the grammar has not (quirk C10).
    ChangedSince(u64),
    /// `VANISHED` (RFC 7162 §3.2.6)
    Vanished,
    /// `PARTIAL a:b` (RFC 9394 §3.2)
    Partial(PartialRange),
}

/// `1:100`, or `-1:-100`, counted from the end (RFC 9394 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialRange {
    /// One end.
    pub first: NonZeroU32,
    /// The other.
    pub last: NonZeroU32,
    /// Are they counted from the end?
    pub from_end: bool,
}

/// ```abnf
/// partial-range       = partial-range-first / partial-range-last
/// partial-range-first = nz-number ":" nz-number
/// partial-range-last  = "-" nz-number ":" "-" nz-number
/// ```
pub(crate) fn partial_range(i: Cursor<'_>) -> Parsed<'_, PartialRange> {
    let minus = || preceded(tag("-"), nz_number);
    let from_end = map((minus(), tag(":"), minus()), |(first, _, last)| PartialRange { first, last, from_end: true });
    let from_start = (nz_number, tag(":"), nz_number);
    alt((from_end, map(from_start, |(first, _, last)| PartialRange { first, last, from_end: false }))).parse(i)
}

/// ```abnf
/// fetch           = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
///                   [SP "(" fetch-modifier *(SP fetch-modifier) ")"]
/// ```
pub(crate) fn fetch(i: Cursor<'_>) -> Parsed<'_, Fetch<'_>> {
    let items = alt((list1(fetch_att), map(fetch_macro, |item| vec![item]), map(fetch_att, |item| vec![item])));
    let (i, (set, (), (items_span, items))) = (sequence_set, sp, spanned(items)).parse(i)?;
    let (i, modifiers) = opt(spanned(preceded(sp, list1(modifier)))).parse(i)?;
    let (modifiers_span, modifiers) = modifiers.map_or((None, Vec::new()), |(span, list)| (Some(span), list));
    Ok((i, Fetch { set, items_span, items, modifiers, modifiers_span }))
}

/// `"ALL" / "FULL" / "FAST"`, never inside a list
fn fetch_macro(i: Cursor<'_>) -> Parsed<'_, FetchItem<'_>> {
    let kind = alt((
        value(FetchKind::All, keyword("ALL")),
        value(FetchKind::Full, keyword("FULL")),
        value(FetchKind::Fast, keyword("FAST")),
    ));
    map(spanned(kind), |(span, kind)| FetchItem { span, kind, peek: true }).parse(i)
}

/// ```abnf
/// fetch-att       = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
///                   "BODY" ["STRUCTURE"] / "UID" / "BODY" section [partial] / "BODY.PEEK" section [partial] /
///                   "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary /
///                   "MODSEQ" / "EMAILID" / "THREADID" / "SAVEDATE" / "PREVIEW" [SP "(" "LAZY" ")"]
/// ```
pub(crate) fn fetch_att(i: Cursor<'_>) -> Parsed<'_, FetchItem<'_>> {
    if let Some(item) = word_item(i) {
        return Ok(item);
    }
    // What is an error to one alternative may be another.
    match section_att(i) {
        Err(nom::Err::Error(_)) => any_att(i),
        told => told,
    }
}

/// Items that are a word and nothing more.
const WORDS: [(&str, FetchKind<'static>); 13] = [
    ("UID", FetchKind::Uid),
    ("FLAGS", FetchKind::Flags),
    ("INTERNALDATE", FetchKind::InternalDate),
    ("ENVELOPE", FetchKind::Envelope),
    ("BODYSTRUCTURE", FetchKind::BodyStructure),
    ("BODY", FetchKind::Body),
    ("MODSEQ", FetchKind::ModSeq),
    ("EMAILID", FetchKind::EmailId),
    ("THREADID", FetchKind::ThreadId),
    ("RFC822.SIZE", FetchKind::Size),
    ("RFC822.HEADER", FetchKind::Rfc822Header),
    ("X-GM-MSGID", FetchKind::Vendor("X-GM-MSGID")),
    ("X-GM-LABELS", FetchKind::Vendor("X-GM-LABELS")),
];

/// One of them, with the end of the item behind it: found at once, as most items are.
fn word_item(i: Cursor<'_>) -> Option<(Cursor<'_>, FetchItem<'_>)> {
    let ends = |octet: &u8| matches!(octet, b' ' | b')' | b'\r' | b'[' | b'"');
    let len = i.rest().iter().take(16).position(ends)?;
    let (word, behind) = i.rest().split_at_checked(len)?;
    if !matches!(behind.first(), Some(b' ' | b')' | b'\r')) {
        return None;
    }
    let (_, kind) = WORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))?;
    let rest = i.take_from(len);
    Some((rest, FetchItem { span: i.span_to(&rest), kind: kind.clone(), peek: true }))
}

fn sections(i: Cursor<'_>) -> Parsed<'_, (FetchKind<'_>, bool)> {
    alt((
        preceded(section_word("BODY.PEEK"), map(cut(section_item), |kind| (kind, true))),
        preceded(section_word("BODY"), map(cut(section_item), |kind| (kind, false))),
        preceded(section_word("BINARY.PEEK"), map(cut(binary_item), |kind| (kind, true))),
        preceded(section_word("BINARY.SIZE"), map(cut(section_binary), |part| (FetchKind::BinarySize { part }, true))),
        preceded(section_word("BINARY"), map(cut(binary_item), |kind| (kind, false))),
    ))
    .parse(i)
}

fn section_att(i: Cursor<'_>) -> Parsed<'_, FetchItem<'_>> {
    map(spanned(sections), |(span, (kind, peek))| FetchItem { span, kind, peek }).parse(i)
}

/// Any item: what all of them are looked for in.
fn any_att(i: Cursor<'_>) -> Parsed<'_, FetchItem<'_>> {
    let metadata = |word, kind: FetchKind<'static>| value((kind, true), keyword(word));
    let plain = alt((
        metadata("UID", FetchKind::Uid),
        metadata("FLAGS", FetchKind::Flags),
        metadata("INTERNALDATE", FetchKind::InternalDate),
        metadata("ENVELOPE", FetchKind::Envelope),
        metadata("BODYSTRUCTURE", FetchKind::BodyStructure),
        metadata("BODY", FetchKind::Body),
        metadata("MODSEQ", FetchKind::ModSeq),
        metadata("EMAILID", FetchKind::EmailId),
        metadata("THREADID", FetchKind::ThreadId),
        metadata("SAVEDATE", FetchKind::SaveDate),
        map(preceded(keyword("PREVIEW"), opt((sp, open, keyword("LAZY"), close))), |lazy| {
            (FetchKind::Preview { lazy: lazy.is_some() }, true)
        }),
    ));
    let rfc822 = alt((
        metadata("RFC822.SIZE", FetchKind::Size),
        metadata("RFC822.HEADER", FetchKind::Rfc822Header),
        metadata("RFC822.TEXT.PEEK", FetchKind::Rfc822Text),
        metadata("RFC822.PEEK", FetchKind::Rfc822),
        value((FetchKind::Rfc822Text, false), keyword("RFC822.TEXT")),
        value((FetchKind::Rfc822, false), keyword("RFC822")),
        metadata("X-GM-MSGID", FetchKind::Vendor("X-GM-MSGID")),
        metadata("X-GM-THRID", FetchKind::Vendor("X-GM-THRID")),
        metadata("X-GM-LABELS", FetchKind::Vendor("X-GM-LABELS")),
    ));
    let item = expect("a FETCH item", alt((sections, plain, rfc822)));
    map(spanned(item), |(span, (kind, peek))| FetchItem { span, kind, peek }).parse(i)
}

/// The word, if `[` follows.
fn section_word<'f>(word: &'static str) -> impl FnMut(Cursor<'f>) -> Parsed<'f, ()> {
    move |i| {
        let (rest, ()) = keyword(word)(i)?;
        if rest.rest().first() == Some(&b'[') { Ok((rest, ())) } else { i.error(word) }
    }
}

fn section_item(i: Cursor<'_>) -> Parsed<'_, FetchKind<'_>> {
    map((section, opt(partial)), |(section, partial)| FetchKind::Section { section, partial }).parse(i)
}

fn binary_item(i: Cursor<'_>) -> Parsed<'_, FetchKind<'_>> {
    map((section_binary, opt(partial)), |(part, partial)| FetchKind::Binary { part, partial }).parse(i)
}

/// `partial = "<" number64 "." nz-number64 ">"`
fn partial(i: Cursor<'_>) -> Parsed<'_, (u64, u64)> {
    let length = expect("a number above 0", nom::combinator::verify(number64, |length| *length > 0));
    map(delimited(tag("<"), cut((number64, tag("."), length)), cut(expect(">", tag(">")))), |(from, _, length)| {
        (from, length)
    })
    .parse(i)
}

/// ```abnf
/// section         = "[" [section-spec] "]"
/// section-spec    = section-msgtext / (section-part ["." section-text])
/// section-text    = section-msgtext / "MIME"
/// ```
fn section(i: Cursor<'_>) -> Parsed<'_, Section<'_>> {
    let of_part = alt((section_msgtext, value(SectionText::Mime, keyword("MIME"))));
    let part = map((section_part, opt(preceded(tag("."), of_part))), |(part, text)| Section {
        part,
        text: text.unwrap_or(SectionText::Whole),
    });
    let message = map(section_msgtext, |text| Section { part: Vec::new(), text });
    let spec =
        map(opt(alt((part, message))), |spec| spec.unwrap_or(Section { part: Vec::new(), text: SectionText::Whole }));
    delimited(tag("["), spec, expect("a section and ]", tag("]"))).parse(i)
}

/// ```abnf
/// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
/// header-list     = "(" header-fld-name *(SP header-fld-name) ")"
/// ```
fn section_msgtext(i: Cursor<'_>) -> Parsed<'_, SectionText<'_>> {
    let fields = || cut(preceded(sp, list1(expect("the name of a header field", astring))));
    alt((
        map(preceded(keyword("HEADER.FIELDS.NOT"), fields()), SectionText::HeaderFieldsNot),
        map(preceded(keyword("HEADER.FIELDS"), fields()), SectionText::HeaderFields),
        value(SectionText::Header, keyword("HEADER")),
        value(SectionText::Text, keyword("TEXT")),
    ))
    .parse(i)
}

/// `section-part = nz-number *("." nz-number)`, at most 32 deep
fn section_part(i: Cursor<'_>) -> Parsed<'_, Vec<NonZeroU32>> {
    let (rest, part) = bounded(separated_list1(tag("."), nz_number)).parse(i)?;
    if part.len() > super::token::MAX_DEPTH { i.failure("a part at most 32 deep") } else { Ok((rest, part)) }
}

/// `section-binary = "[" [section-part] "]"`
fn section_binary(i: Cursor<'_>) -> Parsed<'_, Vec<NonZeroU32>> {
    let part = map(opt(section_part), Option::unwrap_or_default);
    delimited(tag("["), part, expect("a part and ]", tag("]"))).parse(i)
}

/// `fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / "PARTIAL" SP partial-range`
fn modifier(i: Cursor<'_>) -> Parsed<'_, FetchModifier> {
    let kind = alt((
        map(preceded((keyword("CHANGEDSINCE"), sp), number64), FetchModifierKind::ChangedSince),
        value(FetchModifierKind::Vanished, keyword("VANISHED")),
        map(preceded((keyword("PARTIAL"), sp), partial_range), FetchModifierKind::Partial),
    ));
    map(spanned(expect("CHANGEDSINCE, VANISHED or PARTIAL", kind)), |(span, kind)| FetchModifier { span, kind })
        .parse(i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Utf8Mode;

    proptest::proptest! {
        /// What is found at once is what all alternatives come to.
        #[test]
        fn items_at_once(word in "(uid|Flags|ENVELOPE|BODY|body\\[\\]|BODY.PEEK\\[(TEXT|1.2|HEADER)\\]|BODYSTRUCTURE|BINARY.SIZE\\[1\\]|RFC822(.SIZE|.TEXT|.HEADER)?|MODSEQ|PREVIEW( \\(LAZY\\))?|X-GM-LABELS|SAVEDATE|[A-Z.]{1,6})", behind in "[ )\\r\\[.<A-]{0,2}") {
            let text = word + &behind;
            let i = Cursor::new(text.as_bytes(), Utf8Mode::Off);
            let told = |parsed: Parsed<'_, FetchItem<'_>>| parsed.map(|(rest, item)| (rest.at(), format!("{item:?}")));
            let all = match section_att(i) {
                Err(nom::Err::Error(_)) => any_att(i),
                told => told,
            };
            proptest::prop_assert_eq!(told(fetch_att(i)), told(all), "{}", text);
        }
    }
}
