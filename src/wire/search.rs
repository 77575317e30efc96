//! SEARCH programs (RFC 9051 §6.4.4 and extensions), and the commands around them: SEARCH, SORT, THREAD, ESEARCH.
//!
//! ```
//! use imapwarden::wire::search::{self, KeyKind};
//!
//! let keys = search::parse_keys("OR FROM eve LARGER 20000000 UNSEEN").unwrap();
//! assert!(matches!(keys[0].kind, KeyKind::Or(..)) && keys.len() == 2);
//! ```

use std::num::NonZeroU32;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::combinator::{map, opt, value, verify};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};

use super::command::fetch::{PartialRange, partial_range};
use super::command::notify::{MailboxFilter, filter_mailboxes};
use super::command::token::{
    Cursor, MAX_DEPTH, Parsed, SetArg, Span, Text, Word, astring, atom, bounded, close, cut, digits, expect, keyword,
    list0, list1, number64, nz_number, open, quoted, sequence_set, sp, spanned, word_of,
};
use super::error::SyntaxError;
use super::mailbox::Utf8Mode;
use crate::imap::message::{Flag, SeqSet};

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search<'f> {
    /// RETURN, if it is there (RFC 4731).
    pub returns: Option<Returns>,
    /// What is searched for.
    pub program: Program<'f>,
}

/// ESEARCH (RFC 7377).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esearch<'f> {
    /// Where; nothing for the selected mailbox.
    pub sources: Vec<MailboxFilter<'f>>,
    /// What.
    pub search: Search<'f>,
}

/// SORT (RFC 5256).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort<'f> {
    /// RETURN, if it is there (RFC 5267 §3).
    pub returns: Option<Returns>,
    /// By what.
    pub criteria: Vec<SortKey>,
    /// What is searched for; its charset is always there.
    pub program: Program<'f>,
}

/// THREAD (RFC 5256).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread<'f> {
    /// `REFERENCES`, `ORDEREDSUBJECT`, …
    pub algorithm: Word<'f>,
    /// What is searched for; its charset is always there.
    pub program: Program<'f>,
}

/// `RETURN (…)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returns {
    /// Where, from RETURN on.
    pub span: Span,
    /// What shall be returned; nothing stands for ALL.
    pub options: Vec<SearchReturn>,
}

/// What a search shall return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchReturn {
    /// RFC 4731
    Min,
    /// RFC 4731
    Max,
    /// RFC 4731
    All,
    /// RFC 4731
    Count,
    /// RFC 5182
    Save,
    /// RFC 9394
    Partial(PartialRange),
    /// RFC 5267
    Context,
    /// RFC 5267
    Update,
    /// RFC 6203
    Relevancy,
}

/// A key of SORT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// By what.
    pub by: SortBy,
    /// The other way round.
    pub reverse: bool,
}

/// By what SORT sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Internal date
    Arrival,
    /// First Cc address
    Cc,
    /// Sent date
    Date,
    /// First From address
    From,
    /// RFC822.SIZE
    Size,
    /// Base subject
    Subject,
    /// First To address
    To,
    /// RFC 5957
    DisplayFrom,
    /// RFC 5957
    DisplayTo,
    /// RFC 6203 §5
    Relevancy,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program<'f> {
    /// The charset of its strings, if it is said.
    pub charset: Option<Text<'f>>,
    /// Where the keys stand.
    pub keys_span: Span,
    /// All of them must match.
    pub keys: Vec<Key<'f>>,
}

/// A search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'f> {
    /// Where.
    pub span: Span,
    /// Which.
    pub kind: KeyKind<'f>,
}

/// A search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind<'f> {
    /// `ALL`
    All,
    /// `NEW`: recent and unseen
    New,
    /// `ANSWERED` and its like are true, `UNANSWERED` and its like false; `OLD` is not `\Recent`.
    Flag(Flag, bool),
    /// `FROM`, `TO`, `CC`, `BCC`, `SUBJECT`
    Field(Field, Text<'f>),
    /// `HEADER name value`
    Header(Text<'f>, Text<'f>),
    /// `BODY`
    Body(Text<'f>),
    /// `TEXT`
    Text(Text<'f>),
    /// `SINCE`, `SENTON`, `SAVEDBEFORE`, …
    Date(DateOf, When, Date),
    /// `LARGER`
    Larger(u64),
    /// `SMALLER`
    Smaller(u64),
    /// `OLDER` (RFC 5032), in seconds
    Older(NonZeroU32),
    /// `YOUNGER` (RFC 5032), in seconds
    Younger(NonZeroU32),
    /// A sequence set: of message numbers, and `$` the saved result
    Set(SetArg),
    /// `UID`
    Uid(SetArg),
    /// `MODSEQ` (RFC 7162 §3.1.5)
    ModSeq(u64),
    /// `SAVEDATESUPPORTED` (RFC 8514)
    SaveDateSupported,
    /// `EMAILID` (RFC 8474)
    EmailId(Text<'f>),
    /// `THREADID` (RFC 8474)
    ThreadId(Text<'f>),
    /// `FUZZY` (RFC 6203)
    Fuzzy(Box<Key<'f>>),
    /// `NOT`
    Not(Box<Key<'f>>),
    /// `OR`
    Or(Box<Key<'f>>, Box<Key<'f>>),
    /// Parentheses
    And(Vec<Key<'f>>),
    /// `X-GM-RAW` and its like: understood nowhere, passed on in plain scope.
    Vendor(&'static str, Text<'f>),
}

/// A field that has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `BCC`
    Bcc,
    /// `CC`
    Cc,
    /// `FROM`
    From,
    /// `SUBJECT`
    Subject,
    /// `TO`
    To,
}

impl Field {
    /// The name of the field in a header.
    #[must_use]
    pub const fn header_name(self) -> &'static str {
        match self {
            Self::Bcc => "Bcc",
            Self::Cc => "Cc",
            Self::From => "From",
            Self::Subject => "Subject",
            Self::To => "To",
        }
    }
}

/// Which date of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateOf {
    /// INTERNALDATE
    Internal,
    /// The Date field
    Sent,
    /// When it came into this mailbox (RFC 8514)
    Saved,
}

/// On which side of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// Earlier
    Before,
    /// That day
    On,
    /// That day or later
    Since,
}

/// A day; it may be one that no calendar has (`31-Feb-2024`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// 0 to 9999
    pub year: u16,
    /// 1 to 12
    pub month: u8,
    /// 1 to 31
    pub day: u8,
}

impl<'f> Key<'f> {
    /// Visits the key and all keys in it, outer ones first.
    pub fn walk<'k>(&'k self, visit: &mut dyn FnMut(&'k Key<'f>)) {
        visit(self);
        match &self.kind {
            KeyKind::Not(key) | KeyKind::Fuzzy(key) => key.walk(visit),
            KeyKind::Or(left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            KeyKind::And(keys) => keys.iter().for_each(|key| key.walk(visit)),
            _ => {}
        }
    }

    /// Is there a key in it for which this holds?
    pub fn any(&self, mut test: impl FnMut(&Key<'f>) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |key| found |= test(key));
        found
    }

    /// Does it name messages by sequence number? `$` is none.
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        self.any(|key| matches!(&key.kind, KeyKind::Set(set) if set.set != SeqSet::Saved))
    }

    /// Does it look into messages: body, header, or by a vendor's query?
    #[must_use]
    pub fn reads_content(&self) -> bool {
        self.any(|key| {
            matches!(
                key.kind,
                KeyKind::Field(..) | KeyKind::Header(..) | KeyKind::Body(_) | KeyKind::Text(_) | KeyKind::Vendor(..)
            )
        })
    }
}

/// Reads the keys of a rule: a search program without a command around it.
///
/// # Errors
/// With the first byte at which the text is no program.
pub fn parse_keys(text: &str) -> Result<Vec<Key<'_>>, SyntaxError> {
    match keys(Cursor::new(text.as_bytes(), Utf8Mode::On)) {
        Ok((rest, keys)) if rest.rest().is_empty() => Ok(keys),
        Ok((rest, _)) => Err(SyntaxError::new(rest.at(), "a space and a search key, or the end")),
        Err(error) => Err(super::command::syntax_error(error, text.as_bytes())),
    }
}

/// ```abnf
/// search          = "SEARCH" [SP search-return-opts] SP search-program
/// ```
pub(crate) fn search(i: Cursor<'_>) -> Parsed<'_, Search<'_>> {
    map((opt(nom::sequence::terminated(returns, sp)), program), |(returns, program)| Search { returns, program })
        .parse(i)
}

/// ```abnf
/// esearch         = "ESEARCH" [SP "IN" SP "(" filter-mailboxes *(SP filter-mailboxes) ")"] [SP search-return-opts]
///                   SP search-program
/// ```
pub(crate) fn esearch(i: Cursor<'_>) -> Parsed<'_, Esearch<'_>> {
    let sources = preceded((keyword("IN"), sp), cut(list1(filter_mailboxes)));
    map((opt(nom::sequence::terminated(sources, sp)), search), |(sources, search)| Esearch {
        sources: sources.unwrap_or_default(),
        search,
    })
    .parse(i)
}

/// ```abnf
/// sort            = "SORT" [SP search-return-opts] SP sort-criteria SP charset SP search-key *(SP search-key)
/// sort-criteria   = "(" sort-criterion *(SP sort-criterion) ")"
/// ```
pub(crate) fn sort(i: Cursor<'_>) -> Parsed<'_, Sort<'_>> {
    let (i, returns) = opt(nom::sequence::terminated(returns, sp)).parse(i)?;
    let (i, (criteria, (), program)) = (list1(sort_criterion), sp, program_in_charset).parse(i)?;
    Ok((i, Sort { returns, criteria, program }))
}

/// ```abnf
/// sort-criterion  = ["REVERSE" SP] sort-key
/// sort-key        = "ARRIVAL" / "CC" / "DATE" / "FROM" / "SIZE" / "SUBJECT" / "TO" / "DISPLAYFROM" / "DISPLAYTO" /
///                   "RELEVANCY"
/// ```
fn sort_criterion(i: Cursor<'_>) -> Parsed<'_, SortKey> {
    let by = |by, word| value(by, keyword(word));
    let key = alt((
        by(SortBy::Arrival, "ARRIVAL"),
        by(SortBy::Cc, "CC"),
        by(SortBy::Date, "DATE"),
        by(SortBy::From, "FROM"),
        by(SortBy::Size, "SIZE"),
        by(SortBy::Subject, "SUBJECT"),
        by(SortBy::To, "TO"),
        by(SortBy::DisplayFrom, "DISPLAYFROM"),
        by(SortBy::DisplayTo, "DISPLAYTO"),
        by(SortBy::Relevancy, "RELEVANCY"),
    ));
    let reverse = map(opt((keyword("REVERSE"), sp)), |reverse| reverse.is_some());
    map((reverse, expect("a sort key", key)), |(reverse, by)| SortKey { by, reverse }).parse(i)
}

/// `thread = "THREAD" SP thread-alg SP charset SP search-key *(SP search-key)`
pub(crate) fn thread(i: Cursor<'_>) -> Parsed<'_, Thread<'_>> {
    map((expect("a threading algorithm", atom), sp, program_in_charset), |(algorithm, (), program)| Thread {
        algorithm,
        program,
    })
    .parse(i)
}

/// ```abnf
/// search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
/// search-return-opt  = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / "PARTIAL" SP partial-range / "CONTEXT" / "UPDATE" /
///                      "RELEVANCY"
/// ```
fn returns(i: Cursor<'_>) -> Parsed<'_, Returns> {
    let plain = |option, word| value(option, keyword(word));
    let option = alt((
        plain(SearchReturn::Min, "MIN"),
        plain(SearchReturn::Max, "MAX"),
        plain(SearchReturn::All, "ALL"),
        plain(SearchReturn::Count, "COUNT"),
        plain(SearchReturn::Save, "SAVE"),
        map(preceded((keyword("PARTIAL"), sp), partial_range), SearchReturn::Partial),
        plain(SearchReturn::Context, "CONTEXT"),
        plain(SearchReturn::Update, "UPDATE"),
        plain(SearchReturn::Relevancy, "RELEVANCY"),
    ));
    let returns = preceded(keyword("RETURN"), cut(preceded(sp, list0(expect("a RETURN option", option)))));
    map(spanned(returns), |(span, options)| Returns { span, options }).parse(i)
}

/// ```abnf
/// search-program  = ["CHARSET" SP charset SP] search-key *(SP search-key)
/// charset         = atom / quoted
/// ```
fn program(i: Cursor<'_>) -> Parsed<'_, Program<'_>> {
    let charset = opt(delimited((keyword("CHARSET"), sp), cut(charset), sp));
    map((charset, spanned(keys)), |(charset, (keys_span, keys))| Program { charset, keys_span, keys }).parse(i)
}

/// `charset SP search-key *(SP search-key)`
fn program_in_charset(i: Cursor<'_>) -> Parsed<'_, Program<'_>> {
    map((charset, sp, spanned(keys)), |(charset, (), (keys_span, keys))| Program {
        charset: Some(charset),
        keys_span,
        keys,
    })
    .parse(i)
}

fn charset(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    expect("a charset", verify(astring, |charset: &Text<'_>| !charset.octets.is_empty())).parse(i)
}

/// `search-key *(SP search-key)`
fn keys(i: Cursor<'_>) -> Parsed<'_, Vec<Key<'_>>> {
    bounded(separated_list1(sp, key(MAX_DEPTH))).parse(i)
}

/// A key, and at most `depth` others around one another in it.
fn key<'f>(depth: usize) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Key<'f>> {
    move |i| {
        let Some(inner) = depth.checked_sub(1) else { return i.failure("keys nested at most 32 deep") };
        let (rest, kind) = expect("a search key", alt((by_word(inner), in_parentheses(inner), set))).parse(i)?;
        Ok((rest, Key { span: i.span_to(&rest), kind }))
    }
}

fn set(i: Cursor<'_>) -> Parsed<'_, KeyKind<'_>> {
    map(sequence_set, KeyKind::Set).parse(i)
}

/// `"(" search-key *(SP search-key) ")"`
fn in_parentheses<'f>(depth: usize) -> impl FnMut(Cursor<'f>) -> Parsed<'f, KeyKind<'f>> {
    let keys = move |i| bounded(separated_list1(sp, key(depth))).parse(i);
    move |i| map(delimited(open, cut(keys), cut(close)), KeyKind::And).parse(i)
}

/// ```abnf
/// search-key      = "ALL" / "ANSWERED" / "BCC" SP astring / "BEFORE" SP date / "BODY" SP astring / …
/// ```
/// One word tells which: all keys of RFC 9051, RFC 3501 (NEW, OLD, RECENT), RFC 5032, 6203, 7162, 8474, 8514.
fn by_word<'f>(depth: usize) -> impl FnMut(Cursor<'f>) -> Parsed<'f, KeyKind<'f>> {
    move |i| {
        let letters = |octet: u8| octet.is_ascii_alphabetic() || octet == b'-';
        let (rest, word) = expect("a search key", word_of(letters)).parse(i)?;
        let upper = word.text.to_ascii_uppercase();
        if let Some(kind) = flag_key(&upper) {
            return Ok((rest, kind));
        }
        if let Some((of, when)) = date_key(&upper) {
            return argument(rest, date, |date| KeyKind::Date(of, when, date));
        }
        if let Some(field) = field_key(&upper) {
            return argument(rest, astring, |text| KeyKind::Field(field, text));
        }
        match upper.as_str() {
            "ALL" => Ok((rest, KeyKind::All)),
            "NEW" => Ok((rest, KeyKind::New)),
            "SAVEDATESUPPORTED" => Ok((rest, KeyKind::SaveDateSupported)),
            "KEYWORD" => argument(rest, keyword_flag, |flag| KeyKind::Flag(flag, true)),
            "UNKEYWORD" => argument(rest, keyword_flag, |flag| KeyKind::Flag(flag, false)),
            "HEADER" => argument(rest, (astring, sp, astring), |(name, (), text)| KeyKind::Header(name, text)),
            "BODY" => argument(rest, astring, KeyKind::Body),
            "TEXT" => argument(rest, astring, KeyKind::Text),
            "LARGER" => argument(rest, number64, KeyKind::Larger),
            "SMALLER" => argument(rest, number64, KeyKind::Smaller),
            "OLDER" => argument(rest, nz_number, KeyKind::Older),
            "YOUNGER" => argument(rest, nz_number, KeyKind::Younger),
            "UID" => argument(rest, sequence_set, KeyKind::Uid),
            "MODSEQ" => argument(rest, mod_seq, KeyKind::ModSeq),
            "EMAILID" => argument(rest, astring, KeyKind::EmailId),
            "THREADID" => argument(rest, astring, KeyKind::ThreadId),
            "NOT" => argument(rest, key(depth), |key| KeyKind::Not(Box::new(key))),
            "FUZZY" => argument(rest, key(depth), |key| KeyKind::Fuzzy(Box::new(key))),
            "OR" => argument(rest, (key(depth), sp, key(depth)), |(left, (), right)| {
                KeyKind::Or(Box::new(left), Box::new(right))
            }),
            "X-GM-RAW" => argument(rest, astring, |text| KeyKind::Vendor("X-GM-RAW", text)),
            "X-GM-MSGID" => argument(rest, astring, |text| KeyKind::Vendor("X-GM-MSGID", text)),
            "X-GM-THRID" => argument(rest, astring, |text| KeyKind::Vendor("X-GM-THRID", text)),
            "X-GM-LABELS" => argument(rest, astring, |text| KeyKind::Vendor("X-GM-LABELS", text)),
            _ => i.error("a search key"),
        }
    }
}

/// `SP` and what belongs to a key: the key is known, so what fails here fails for good.
fn argument<'f, T>(
    i: Cursor<'f>,
    parser: impl Parser<Cursor<'f>, Output = T, Error = SyntaxError>,
    make: impl FnMut(T) -> KeyKind<'f>,
) -> Parsed<'f, KeyKind<'f>> {
    map(cut(preceded(sp, parser)), make).parse(i)
}

fn flag_key(word: &str) -> Option<KeyKind<'static>> {
    let (name, set) = match word {
        "OLD" => ("RECENT", false),
        _ => word.strip_prefix("UN").map_or((word, true), |name| (name, false)),
    };
    let flag = match name {
        "ANSWERED" => Flag::Answered,
        "DELETED" => Flag::Deleted,
        "DRAFT" => Flag::Draft,
        "FLAGGED" => Flag::Flagged,
        "SEEN" => Flag::Seen,
        "RECENT" if set || word == "OLD" => Flag::Recent,
        _ => return None,
    };
    Some(KeyKind::Flag(flag, set))
}

fn date_key(word: &str) -> Option<(DateOf, When)> {
    let (of, side) = match (word.strip_prefix("SENT"), word.strip_prefix("SAVED")) {
        (Some(side), _) => (DateOf::Sent, side),
        (_, Some(side)) => (DateOf::Saved, side),
        _ => (DateOf::Internal, word),
    };
    let when = match side {
        "BEFORE" => When::Before,
        "ON" => When::On,
        "SINCE" => When::Since,
        _ => return None,
    };
    Some((of, when))
}

fn field_key(word: &str) -> Option<Field> {
    match word {
        "BCC" => Some(Field::Bcc),
        "CC" => Some(Field::Cc),
        "FROM" => Some(Field::From),
        "SUBJECT" => Some(Field::Subject),
        "TO" => Some(Field::To),
        _ => None,
    }
}

/// `flag-keyword = atom`
fn keyword_flag(i: Cursor<'_>) -> Parsed<'_, Flag> {
    map(expect("a keyword", atom), |word| Flag::Keyword(word.text.into())).parse(i)
}

/// ```abnf
/// search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-value
/// entry-type-req     = "priv" / "shared" / "all"
/// ```
fn mod_seq(i: Cursor<'_>) -> Parsed<'_, u64> {
    let kind = alt((keyword("priv"), keyword("shared"), keyword("all")));
    preceded(opt((quoted, sp, kind, sp)), number64).parse(i)
}

/// `date = date-text / DQUOTE date-text DQUOTE`
fn date(i: Cursor<'_>) -> Parsed<'_, Date> {
    expect("a date as 1-Feb-2024", alt((delimited(tag("\""), date_text, tag("\"")), date_text))).parse(i)
}

/// ```abnf
/// date-text       = date-day "-" date-month "-" date-year
/// date-day        = 1*2DIGIT
/// date-year       = 4DIGIT
/// ```
pub(crate) fn date_text(i: Cursor<'_>) -> Parsed<'_, Date> {
    let day = verify(digits(1, 2), |day| (1..=31).contains(day));
    map((day, tag("-"), month, tag("-"), digits(4, 4)), |(day, _, month, _, year)| Date {
        year,
        month,
        day: u8::try_from(day).unwrap_or(31),
    })
    .parse(i)
}

/// `date-month = "Jan" / "Feb" / …`
fn month(i: Cursor<'_>) -> Parsed<'_, u8> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    for (number, name) in (1..).zip(MONTHS) {
        if let Ok((rest, _)) = tag_no_case::<_, _, SyntaxError>(name).parse(i) {
            return Ok((rest, number));
        }
    }
    i.error("a month")
}
