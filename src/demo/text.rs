//! The words of a message, as a reader sees them: what SEARCH compares.
//!
//! ```text
//!   Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=      ──▶  grüße
//!   Content-Transfer-Encoding: base64 …       ──▶  the text in it, in its charset
//! ```

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;

use super::mime::{Content, Mail, Part, field, fields, unfold};
use crate::wire::search::Date;

/// Text without case.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Is `needle`, which is folded, in the text?
pub(super) fn contains(text: &str, needle: &str) -> bool {
    fold(text).contains(needle)
}

/// The decoded values of all fields of that name.
pub(super) fn header_values<'m>(header: &'m [u8], name: &'m str) -> impl Iterator<Item = String> + 'm {
    let wanted = fields(header).filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    wanted.map(|field| decoded(field.value))
}

/// The whole header, decoded, a line a field.
pub(super) fn header_text(header: &[u8]) -> String {
    let line =
        |field: super::mime::Field<'_>| format!("{}: {}\n", String::from_utf8_lossy(field.name), decoded(field.value));
    fields(header).map(line).collect()
}

/// Encoded words are decoded (RFC 2047), also where only a lenient reader expects them.
fn decoded(value: &[u8]) -> String {
    let line = [b" ", &*unfold(value), b"\n"].concat();
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// The day in a Date field, in its own zone: `Thu, 1 Feb 2024 23:30:00 -0500` (RFC 5322 §3.3, RFC 5322 §4.3 for years).
pub(super) fn sent_date(value: &[u8]) -> Option<Date> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let mut words = text.split(|c: char| c.is_whitespace() || c == ',' || c == '-').filter(|word| !word.is_empty());
    let day = words.by_ref().find_map(|word| word.parse().ok().filter(|day| (1..=31).contains(day)))?;
    let month = words.next()?;
    let month = (1..).zip(MONTHS).find(|(_, name)| month.starts_with(name))?.0;
    let year = match words.next()?.parse().ok()? {
        year @ 0..50 => 2000_u16.saturating_add(year),
        year @ 50..1000 => 1900_u16.saturating_add(year),
        year => year,
    };
    Some(Date { year, month, day })
}

/// All text in the body: every part that is text, decoded, and the headers of messages in it.
pub(super) fn body_text(mail: &Mail) -> impl Iterator<Item = String> + '_ {
    let mut texts = Vec::new();
    collect(mail.root(), &mut texts);
    texts.into_iter().map(|text| match text {
        Piece::Header(part) => header_text(mail.header(part)),
        Piece::Body(part) => part_text(mail, part).into_owned(),
    })
}

enum Piece<'m> {
    Header(&'m Part),
    Body(&'m Part),
}

fn collect<'m>(part: &'m Part, pieces: &mut Vec<Piece<'m>>) {
    match &part.content {
        Content::Leaf if part.media.kind == "text" => pieces.push(Piece::Body(part)),
        Content::Leaf => {}
        Content::Multipart(children) => children.iter().for_each(|child| collect(child, pieces)),
        Content::Message(inner) => {
            pieces.push(Piece::Header(inner));
            collect(inner, pieces);
        }
    }
}

/// The text of a part, out of its transfer encoding and charset. What is broken is taken as it stands.
fn part_text<'m>(mail: &'m Mail, part: &Part) -> Cow<'m, str> {
    let body = mail.body(part);
    let encoding = field(mail.header(part), "content-transfer-encoding").unwrap_or_default();
    let octets = match encoding.to_ascii_lowercase().as_slice() {
        b"base64" => base64_decode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        b"quoted-printable" => quoted_printable_decode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        _ => Cow::Borrowed(body),
    };
    let decoder = part.media.param("charset").filter(|name| !name.is_empty()).and_then(charset_decoder);
    match (decoder, octets) {
        (Some(decode), octets) => Cow::Owned(decode(&octets)),
        (None, Cow::Borrowed(octets)) => String::from_utf8_lossy(octets),
        (None, Cow::Owned(octets)) => Cow::Owned(String::from_utf8_lossy(&octets).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields() {
        let rows = [
            ("plain", "Budget", "Budget"),
            ("encoded word", "=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus", "Grüße aus"),
            ("two of them", "=?utf-8?q?Gr=C3=BC?= =?utf-8?b?w59l?=", "Grüße"),
            ("raw UTF-8", "Grüße", "Grüße"),
            ("no encoded word", "a =? b", "a =? b"),
            ("empty", "", ""),
        ];
        for (name, value, want) in rows {
            assert_eq!(decoded(value.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn sent_dates() {
        let rows = [
            ("Thu, 1 Feb 2024 23:30:00 -0500", Some((2024, 2, 1))),
            ("1 Feb 2024 23:30 GMT", Some((2024, 2, 1))),
            ("Thu, 01 February 99 00:00:00 +0000", Some((1999, 2, 1))),
            ("01-Feb-24", Some((2024, 2, 1))),
            ("yesterday", None),
            ("1 2 3", None),
        ];
        for (value, want) in rows {
            let got = sent_date(value.as_bytes()).map(|date| (date.year, date.month, date.day));
            assert_eq!(got, want, "{value}");
        }
    }
}
