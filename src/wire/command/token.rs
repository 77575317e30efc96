//! The terminals of RFC 9051 §9: atoms, strings, numbers, sets, flags. Everything that a command is made of, and where in
//! the frame it stands.
//!
//! The input is a [`Cursor`]: the rest of the frame, at which offset it begins, and whether 8-bit text is allowed.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take, take_while, take_while_m_n, take_while1};
use nom::combinator::{map, opt, value, verify};
use nom::error::ContextError;
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use nom::{Compare, CompareResult, Input, Needed, Parser};

use crate::imap::mailbox::MailboxName;
use crate::imap::message::{Flag, SeqNumber, SeqSet};
use crate::wire::error::SyntaxError;
use crate::wire::frame::Announced;
use crate::wire::mailbox::{self, NameError, Utf8Mode};

/// Where something stands in the frame.
pub type Span = Range<usize>;

/// What every parser of this grammar returns.
pub(crate) type Parsed<'f, T> = nom::IResult<Cursor<'f>, T, SyntaxError>;

/// Deepest nesting of parentheses, and of keys in a search program.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most elements of a list; a sequence set is bounded by the length of its line alone.
pub(crate) const MAX_ELEMENTS: usize = 10_000;

/// The rest of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'f> {
    rest: &'f [u8],
    at: usize,
    mode: Utf8Mode,
}

impl<'f> Cursor<'f> {
    /// The whole frame.
    #[must_use]
    pub const fn new(frame: &'f [u8], mode: Utf8Mode) -> Self {
        Self { rest: frame, at: 0, mode }
    }

    /// Offset in the frame.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'f [u8] {
        self.rest
    }

    /// What lies between here and `end`.
    pub(crate) fn span_to(&self, end: &Self) -> Span {
        self.at..end.at
    }

    pub(crate) fn error<T>(self, expected: &'static str) -> Parsed<'f, T> {
        Err(nom::Err::Error(SyntaxError::new(self.at, expected)))
    }

    pub(crate) fn failure<T>(self, expected: &'static str) -> Parsed<'f, T> {
        Err(nom::Err::Failure(SyntaxError::new(self.at, expected)))
    }
}

impl<'f> Input for Cursor<'f> {
    type Item = u8;
    type Iter = std::iter::Copied<std::slice::Iter<'f, u8>>;
    type IterIndices = std::iter::Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.rest.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { rest: self.rest.get(..index).unwrap_or(self.rest), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        let index = index.min(self.rest.len());
        Self { rest: self.rest.get(index..).unwrap_or_default(), at: self.at.saturating_add(index), ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(u8) -> bool>(&self, predicate: P) -> Option<usize> {
        self.rest.iter().position(|octet| predicate(*octet))
    }

    fn iter_elements(&self) -> Self::Iter {
        self.rest.iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        match count.checked_sub(self.rest.len()) {
            None | Some(0) => Ok(count),
            Some(missing) => Err(Needed::new(missing)),
        }
    }
}

impl Compare<&str> for Cursor<'_> {
    fn compare(&self, text: &str) -> CompareResult {
        self.rest.compare(text)
    }

    fn compare_no_case(&self, text: &str) -> CompareResult {
        self.rest.compare_no_case(text)
    }
}

/// An atom or keyword, as the client spelled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'f> {
    /// Where.
    pub span: Span,
    /// Its text: printable ASCII.
    pub text: &'f str,
}

impl Word<'_> {
    /// Is it this word, in any case?
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// How a string was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringForm {
    /// `word`
    Atom,
    /// `"word"`
    Quoted,
    /// `{4}`, `{4+}`, `~{4}`, with the octets behind it.
    Literal {
        /// Does the client wait for `+`?
        sync: bool,
        /// Is it a literal8?
        binary: bool,
    },
}

/// A string argument. `Debug` does not show it: it may be a password or a search for somebody's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<'f> {
    /// Where: quotes and literal announcement included, so that nobody changes one alone.
    pub span: Span,
    /// The octets that are meant: without quotes and escapes.
    pub octets: Cow<'f, [u8]>,
    /// How it was written.
    pub form: StringForm,
}

impl Text<'_> {
    /// Is it this word, in any case?
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.octets.eq_ignore_ascii_case(word.as_bytes())
    }

    /// As UTF-8, if it is.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.octets).ok()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?}, {:?}, {} octets)", self.span, self.form, self.octets.len())
    }
}

/// The name of a mailbox, as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxArg<'f> {
    /// The string.
    pub text: Text<'f>,
}

impl MailboxArg<'_> {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.text.span.clone()
    }

    /// The octets of the name, still encoded.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.text.octets
    }

    /// What policy compares: decoded strictly, with the upstream's delimiter turned into "/".
    ///
    /// # Errors
    /// If the octets are no name in this mode.
    pub fn name(&self, mode: Utf8Mode, delimiter: Option<char>) -> Result<MailboxName, NameError> {
        mailbox::decode(&self.text.octets, mode, delimiter)
    }
}

/// A sequence set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetArg {
    /// Where.
    pub span: Span,
    /// What it says.
    pub set: SeqSet,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagArg {
    /// Where.
    pub span: Span,
    /// Which.
    pub flag: Flag,
}

/// Flags of STORE or APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagList {
    /// Where: with the parentheses, if they are there.
    pub span: Span,
    /// In the order written.
    pub flags: Vec<FlagArg>,
}

/// A literal of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiteralSpan {
    /// `{5}` or `~{5+}`, with its CRLF.
    pub announcement: Span,
    /// The octets.
    pub data: Span,
    /// Does the client wait for `+`?
    pub sync: bool,
    /// Is it a literal8?
    pub binary: bool,
}

/// Names what was expected, where a parser fails on its first octet.
pub(crate) fn expect<'f, T>(
    expected: &'static str,
    mut parser: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, T> {
    move |i| {
        parser.parse(i).map_err(|error| match error {
            nom::Err::Error(error) => nom::Err::Error(SyntaxError::add_context(i, expected, error)),
            other => other,
        })
    }
}

/// Once its first token is read, an alternative is meant: what fails behind it fails for good.
pub(crate) fn cut<'f, T>(
    mut parser: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, T> {
    move |i| {
        parser.parse(i).map_err(|error| match error {
            nom::Err::Error(error) => nom::Err::Failure(error),
            other => other,
        })
    }
}

/// The parsed value with its place.
pub(crate) fn spanned<'f, T>(
    mut parser: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, (Span, T)> {
    move |i| {
        let (rest, value) = parser.parse(i)?;
        Ok((rest, (i.span_to(&rest), value)))
    }
}

/// A word of the grammar, in any case, that ends where words end.
pub(crate) fn keyword<'f>(word: &'static str) -> impl FnMut(Cursor<'f>) -> Parsed<'f, ()> {
    move |i| match tag_no_case::<_, _, SyntaxError>(word).parse(i) {
        Ok((rest, _)) if !rest.rest.first().is_some_and(|octet| is_word_char(*octet)) => Ok((rest, ())),
        _ => i.error(word),
    }
}

/// `SP`: exactly one.
pub(crate) fn sp(i: Cursor<'_>) -> Parsed<'_, ()> {
    expect("one space", value((), tag(" "))).parse(i)
}

pub(crate) fn open(i: Cursor<'_>) -> Parsed<'_, ()> {
    expect("(", value((), tag("("))).parse(i)
}

pub(crate) fn close(i: Cursor<'_>) -> Parsed<'_, ()> {
    expect(")", value((), tag(")"))).parse(i)
}

/// `CRLF`, with nothing behind it.
pub(crate) fn end(i: Cursor<'_>) -> Parsed<'_, ()> {
    let (rest, ()) = expect("the end of the command", value((), tag("\r\n"))).parse(i)?;
    if rest.rest.is_empty() { Ok((rest, ())) } else { rest.error("the end of the command") }
}

/// `"(" element *(SP element) ")"`
pub(crate) fn list1<'f, T>(
    element: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Vec<T>> {
    let mut list = delimited(open, bounded(separated_list1(sp, element)), close);
    move |i| list.parse(i)
}

/// `"(" [element *(SP element)] ")"`
pub(crate) fn list0<'f, T>(
    element: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Vec<T>> {
    let mut some = preceded(open, nom::sequence::terminated(bounded(separated_list1(sp, element)), close));
    move |i| match (open, close).parse(i) {
        Ok((rest, _)) => Ok((rest, Vec::new())),
        Err(_) => some.parse(i),
    }
}

/// No list is longer than [`MAX_ELEMENTS`].
pub(crate) fn bounded<'f, T>(
    mut parser: impl Parser<Cursor<'f>, Output = Vec<T>, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Vec<T>> {
    move |i| {
        let (rest, list) = parser.parse(i)?;
        if list.len() > MAX_ELEMENTS { i.failure("a list of at most 10000 elements") } else { Ok((rest, list)) }
    }
}

/// ```abnf
/// ATOM-CHAR       = <any CHAR except atom-specials>
/// atom-specials   = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
/// list-wildcards  = "%" / "*"
/// quoted-specials = DQUOTE / "\"
/// resp-specials   = "]"
/// ```
#[must_use]
pub const fn is_atom_char(octet: u8) -> bool {
    matches!(octet, 0x21..=0x7e) && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`
#[must_use]
pub const fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

/// Characters that would make another word of a keyword. `[`, `<` and `.` end some (`BODY[`, `<0.1>`, `FLAGS.SILENT`).
const fn is_word_char(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

/// `atom = 1*ATOM-CHAR`
pub(crate) fn atom(i: Cursor<'_>) -> Parsed<'_, Word<'_>> {
    expect("an atom", word_of(is_atom_char)).parse(i)
}

/// Octets of one class, which is ASCII.
pub(crate) fn word_of<'f>(class: impl Fn(u8) -> bool + Copy) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Word<'f>> {
    move |i| {
        let (rest, word) = take_while1(class).parse(i)?;
        match std::str::from_utf8(word.rest) {
            Ok(text) => Ok((rest, Word { span: i.span_to(&rest), text })),
            Err(_) => i.error("ASCII"),
        }
    }
}

/// ```abnf
/// tag = 1*<any ASTRING-CHAR except "+">
/// ```
/// At most 64 octets: a client's own counter is shorter, and every answer repeats it.
pub(crate) fn tag_of_command(i: Cursor<'_>) -> Parsed<'_, Word<'_>> {
    let tag_char = |octet| is_astring_char(octet) && octet != b'+';
    expect("a tag", verify(word_of(tag_char), |word: &Word<'_>| word.text.len() <= 64)).parse(i)
}

/// ```abnf
/// quoted          = DQUOTE *QUOTED-CHAR DQUOTE
/// QUOTED-CHAR     = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4
/// ```
/// No other escape, and 8-bit text only in UTF-8 mode, where it must be UTF-8.
pub(crate) fn quoted(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    let (mut rest, _) = expect("a quoted string", tag("\"")).parse(i)?;
    let mut octets: Cow<'_, [u8]> = Cow::Borrowed(b"");
    loop {
        let plain = |octet| !matches!(octet, b'"' | b'\\' | b'\r' | b'\n' | 0);
        let (after, run) = take_while(plain).parse(rest)?;
        match &mut octets {
            Cow::Borrowed(b"") => octets = Cow::Borrowed(run.rest),
            octets => octets.to_mut().extend_from_slice(run.rest),
        }
        match after.rest {
            [b'"', ..] => {
                rest = after.take_from(1);
                break;
            }
            [b'\\', quoted @ (b'"' | b'\\'), ..] => {
                octets.to_mut().push(*quoted);
                rest = after.take_from(2);
            }
            [b'\\', ..] => return after.take_from(1).failure("\\\" or \\\\"),
            _ => return after.failure("the end of the quoted string"),
        }
    }
    match (i.mode, std::str::from_utf8(&octets)) {
        (Utf8Mode::Off, _) if !octets.is_ascii() => i.failure("7-bit text"),
        (Utf8Mode::On, Err(_)) => i.failure("UTF-8"),
        _ => Ok((rest, Text { span: i.span_to(&rest), octets, form: StringForm::Quoted })),
    }
}

/// ```abnf
/// literal         = "{" number64 ["+"] "}" CRLF *CHAR8
/// literal8        = "~{" number64 ["+"] "}" CRLF *OCTET
/// ```
/// This is the part up to CRLF. No sign, no leading zero, at most 2^63-1 (RFC 9051 `number64`).
pub(crate) fn announcement(i: Cursor<'_>) -> Parsed<'_, Announced> {
    let (rest, binary) = map(opt(tag("~")), |tilde| tilde.is_some()).parse(i)?;
    let (rest, _) = expect("a literal", tag("{")).parse(rest)?;
    let (rest, size) = cut(number64).parse(rest)?;
    let (rest, sync) = map(opt(tag("+")), |plus| plus.is_none()).parse(rest)?;
    let (rest, _) = cut(expect("}", tag("}\r\n"))).parse(rest)?;
    Ok((rest, Announced { size, sync, binary }))
}

/// A literal or literal8 with its octets, whatever they are; one that is cut short fails at the end of the frame.
pub(crate) fn any_literal(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    let (rest, Announced { size, sync, binary }) = announcement(i)?;
    let whole = usize::try_from(size).ok().and_then(|size| take::<_, _, SyntaxError>(size).parse(rest).ok());
    let Some((rest, data)) = whole else {
        return rest.take_from(rest.input_len()).failure("the octets of a literal");
    };
    let form = StringForm::Literal { sync, binary };
    Ok((rest, Text { span: i.span_to(&rest), octets: Cow::Borrowed(data.rest), form }))
}

/// A literal that is no literal8 (those stand only where the grammar names them), without NUL.
pub(crate) fn literal(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    if i.rest.first() == Some(&b'~') {
        return i.error("a literal");
    }
    let (rest, text) = any_literal(i)?;
    if text.octets.contains(&0) { i.failure("a literal without NUL") } else { Ok((rest, text)) }
}

/// `literal8`
pub(crate) fn literal8(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    if i.rest.first() == Some(&b'~') { any_literal(i) } else { i.error("a literal8") }
}

/// `string = quoted / literal`
pub(crate) fn string(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    match i.rest.first() {
        Some(b'"') => quoted(i),
        Some(b'{') => literal(i),
        _ => i.error("a string"),
    }
}

/// `astring = 1*ASTRING-CHAR / string`
pub(crate) fn astring(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    string_or(is_astring_char, "a string or an atom", i)
}

/// `list-mailbox = 1*list-char / string`, where `list-char = ATOM-CHAR / list-wildcards / resp-specials`
pub(crate) fn list_mailbox(i: Cursor<'_>) -> Parsed<'_, MailboxArg<'_>> {
    let list_char = |octet| is_astring_char(octet) || matches!(octet, b'%' | b'*');
    map(|i| string_or(list_char, "a mailbox pattern", i), |text| MailboxArg { text }).parse(i)
}

fn string_or<'f>(class: impl Fn(u8) -> bool + Copy, expected: &'static str, i: Cursor<'f>) -> Parsed<'f, Text<'f>> {
    if matches!(i.rest.first(), Some(b'"' | b'{')) {
        return string(i);
    }
    let (rest, word) = expect(expected, take_while1(class)).parse(i)?;
    Ok((rest, Text { span: i.span_to(&rest), octets: Cow::Borrowed(word.rest), form: StringForm::Atom }))
}

/// `nstring = string / nil`
pub(crate) fn nstring(i: Cursor<'_>) -> Parsed<'_, Option<Text<'_>>> {
    alt((map(string, Some), value(None, keyword("NIL")))).parse(i)
}

/// `mailbox = "INBOX" / astring`
pub(crate) fn mailbox(i: Cursor<'_>) -> Parsed<'_, MailboxArg<'_>> {
    expect("a mailbox name", map(astring, |text| MailboxArg { text })).parse(i)
}

/// `from` to `to` digits, as a number
pub(crate) fn digits<'f>(from: usize, to: usize) -> impl FnMut(Cursor<'f>) -> Parsed<'f, u16> {
    let digit = |octet: u8| octet.is_ascii_digit();
    let mut digits = map(take_while_m_n(from, to, digit), |digits: Cursor<'f>| {
        digits.rest.iter().fold(0_u16, |number, digit| {
            number.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
        })
    });
    move |i| digits.parse(i)
}

fn all_digits(i: Cursor<'_>) -> Parsed<'_, &str> {
    map(expect("a number", word_of(|octet| octet.is_ascii_digit())), |word| word.text).parse(i)
}

/// `number = 1*DIGIT`, unsigned 32-bit
pub(crate) fn number(i: Cursor<'_>) -> Parsed<'_, u32> {
    let (rest, digits) = all_digits(i)?;
    digits.parse().map_or_else(|_| i.error("a number below 2^32"), |number| Ok((rest, number)))
}

/// `nz-number = digit-nz *DIGIT`
pub(crate) fn nz_number(i: Cursor<'_>) -> Parsed<'_, NonZeroU32> {
    let (rest, digits) = all_digits(i)?;
    if digits.starts_with('0') {
        return i.error("a number without leading zeros, above 0");
    }
    digits.parse().map_or_else(|_| i.error("a number below 2^32"), |number| Ok((rest, number)))
}

/// `number64 = 1*DIGIT`, below 2^63; without leading zeros, which servers read differently
pub(crate) fn number64(i: Cursor<'_>) -> Parsed<'_, u64> {
    let (rest, digits) = all_digits(i)?;
    if digits.len() > 1 && digits.starts_with('0') {
        return i.error("a number without leading zeros");
    }
    match digits.parse::<i64>().map(u64::try_from) {
        Ok(Ok(number)) => Ok((rest, number)),
        _ => i.error("a number below 2^63"),
    }
}

/// ```abnf
/// sequence-set    = (seq-number / seq-range) *("," (seq-number / seq-range)) / seq-last-command
/// seq-range       = seq-number ":" seq-number
/// seq-number      = nz-number / "*"
/// seq-last-command = "$"
/// ```
pub(crate) fn sequence_set(i: Cursor<'_>) -> Parsed<'_, SetArg> {
    if let [b'$', ..] = i.rest {
        let rest = i.take_from(1);
        return Ok((rest, SetArg { span: i.span_to(&rest), set: SeqSet::Saved }));
    }
    let (rest, ranges) = separated_list1(tag(","), seq_range).parse(i)?;
    Ok((rest, SetArg { span: i.span_to(&rest), set: SeqSet::Ranges(ranges) }))
}

pub(crate) fn seq_range(i: Cursor<'_>) -> Parsed<'_, (SeqNumber, SeqNumber)> {
    let (rest, first) = seq_number(i)?;
    match rest.rest {
        [b':', ..] => map(seq_number, |last| (first, last)).parse(rest.take_from(1)),
        _ => Ok((rest, (first, first))),
    }
}

fn seq_number(i: Cursor<'_>) -> Parsed<'_, SeqNumber> {
    match i.rest {
        [b'*', ..] => Ok((i.take_from(1), SeqNumber::Star)),
        _ => expect("a sequence set", map(nz_number, SeqNumber::Number)).parse(i),
    }
}

/// `uid-set`, as `sequence-set`, but without `*` and `$`: known UIDs of QRESYNC and the like.
pub(crate) fn plain_set(i: Cursor<'_>) -> Parsed<'_, SetArg> {
    let (rest, set) = sequence_set(i)?;
    if set.set == SeqSet::Saved || set.set.has_star() { i.error("a set of numbers") } else { Ok((rest, set)) }
}

/// ```abnf
/// flag            = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension
/// flag-keyword    = "$MDNSent" / "$Forwarded" / "$Junk" / "$NotJunk" / "$Phishing" / atom
/// flag-extension  = "\" atom
/// ```
pub(crate) fn flag(i: Cursor<'_>) -> Parsed<'_, FlagArg> {
    let (name, _) = opt(tag("\\")).parse(i)?;
    let (rest, _) = expect("a flag", atom).parse(name)?;
    let span = i.span_to(&rest);
    let text = i.rest.get(..span.len()).and_then(|text| std::str::from_utf8(text).ok());
    match text.and_then(Flag::parse) {
        Some(flag) => Ok((rest, FlagArg { span, flag })),
        None => i.error("a flag"),
    }
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub(crate) fn flag_list(i: Cursor<'_>) -> Parsed<'_, FlagList> {
    map(spanned(list0(flag)), |(span, flags)| FlagList { span, flags }).parse(i)
}

/// The literals of a frame that has been parsed: every line end but the last stands behind an announcement.
pub(crate) fn literals(frame: &[u8]) -> Vec<LiteralSpan> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(line_end) = memchr::memmem::find(frame.get(from..).unwrap_or_default(), b"\r\n") {
        let line_end = from.saturating_add(line_end);
        let data = line_end.saturating_add(2);
        let Some(brace) = memchr::memrchr(b'{', frame.get(..line_end).unwrap_or_default()) else { break };
        let binary = brace.checked_sub(1).and_then(|at| frame.get(at)) == Some(&b'~');
        let begin = if binary { brace.saturating_sub(1) } else { brace };
        let line = Cursor { rest: frame.get(begin..data).unwrap_or_default(), at: begin, mode: Utf8Mode::Off };
        let Ok((rest, Announced { size, sync, .. })) = announcement(line) else { break };
        let Ok(size) = usize::try_from(size) else { break };
        if begin < from || rest.at != data {
            break;
        }
        from = data.saturating_add(size);
        found.push(LiteralSpan { announcement: begin..data, data: data..from, sync, binary });
    }
    found
}

/// The announcement of a literal at the very end of a frame.
pub(crate) fn trailing_announcement(frame: &[u8]) -> Option<Announced> {
    let brace = memchr::memrchr(b'{', frame)?;
    let binary = brace.checked_sub(1).and_then(|at| frame.get(at)) == Some(&b'~');
    let (rest, literal) = announcement(Cursor::new(frame.get(brace..)?, Utf8Mode::Off)).ok()?;
    rest.rest.is_empty().then_some(Announced { binary, ..literal })
}
