//! Who the client is: LOGIN, AUTHENTICATE, ID; and what it switches on: ENABLE.

use nom::Parser;
use nom::bytes::complete::tag;
use nom::combinator::{map, opt, value, verify};
use nom::multi::separated_list1;
use nom::sequence::preceded;

use super::token::{
    Cursor, Parsed, Text, Word, astring, atom, bounded, close, expect, keyword, nstring, open, sp, spanned, string,
    word_of,
};
use crate::wire::command::Span;
use std::fmt;

/// LOGIN. The password's `Debug` is redacted, as that of every [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login<'f> {
    /// The login name.
    pub user: Text<'f>,
    /// The password.
    pub password: Text<'f>,
}

/// `login = "LOGIN" SP userid SP password`, both `astring`
pub(crate) fn login(i: Cursor<'_>) -> Parsed<'_, Login<'_>> {
    // Pine writes `us(er pa%ss` (quirk C21); no server reads that, and neither does this grammar.
    map((astring, sp, astring), |(user, (), password)| Login { user, password }).parse(i)
}

/// AUTHENTICATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate<'f> {
    /// The SASL mechanism.
    pub mechanism: Word<'f>,
    /// The initial response (RFC 4959), still base64; `=` stands for an empty one.
    pub initial_response: Option<InitialResponse<'f>>,
}

/// base64 of SASL data. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct InitialResponse<'f> {
    /// Where.
    pub span: Span,
    /// base64, or `=`.
    pub base64: &'f str,
}

impl fmt::Debug for InitialResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitialResponse({:?})", self.span)
    }
}

/// ```abnf
/// authenticate    = "AUTHENTICATE" SP auth-type [SP initial-resp]
/// initial-resp    = (base64 / "=")
/// ```
pub(crate) fn authenticate(i: Cursor<'_>) -> Parsed<'_, Authenticate<'_>> {
    let base64 = word_of(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'='));
    let response = expect("base64", verify(base64, |word: &Word<'_>| is_base64(word.text)));
    let response = map(response, |word| InitialResponse { span: word.span, base64: word.text });
    map((expect("a SASL mechanism", atom), opt(preceded(sp, response))), |(mechanism, initial_response)| Authenticate {
        mechanism,
        initial_response,
    })
    .parse(i)
}

/// `base64 = *(4base64-char) [base64-terminal]`: whole quanta, padding only at the end.
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(data.len());
    text == "=" || (text.len().is_multiple_of(4) && padding <= 2 && !data.contains('='))
}

/// `enable = "ENABLE" 1*(SP capability)`
pub(crate) fn enable(i: Cursor<'_>) -> Parsed<'_, Vec<Word<'_>>> {
    bounded(separated_list1(sp, expect("a capability", atom))).parse(i)
}

/// One field of ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdField<'f> {
    /// Where: name and value.
    pub span: Span,
    /// Its name.
    pub name: Text<'f>,
    /// Its value; `None` for NIL.
    pub value: Option<Text<'f>>,
}

/// ```abnf
/// id               = "ID" SP id-params-list
/// id-params-list   = "(" [string SP nstring *(SP string SP nstring)] ")" / nil
/// ```
/// At most 30 fields (RFC 2971 §3.3).
pub(crate) fn id(i: Cursor<'_>) -> Parsed<'_, Option<Vec<IdField<'_>>>> {
    if let Ok((rest, ())) = keyword("NIL")(i) {
        return Ok((rest, None));
    }
    if let Ok((rest, ())) = value((), tag::<_, _, crate::wire::error::SyntaxError>("()")).parse(i) {
        return Ok((rest, Some(Vec::new())));
    }
    let field = spanned((expect("the name of an ID field", string), sp, nstring));
    let field = map(field, |(span, (name, (), value))| IdField { span, name, value });
    let (rest, (_, fields, _)) = (expect("NIL or (", open), separated_list1(sp, field), close).parse(i)?;
    if fields.len() > 30 { i.failure("at most 30 ID fields") } else { Ok((rest, Some(fields))) }
}
