//! Writing atoms, strings and literals, so that whatever they hold, they end where they should.
//!
//! Octets of any origin go in, well-formed IMAP comes out: a CR, LF or NUL never stands outside a literal, and a string
//! is quoted only if quoting can say it (surface F.5).

use super::command::token::{is_astring_char, is_atom_char};
use super::mailbox::Utf8Mode;

/// Appends the shortest `astring` for `octets`: atom, quoted string, or literal.
///
/// A literal is non-synchronizing if `nonsync` (towards an upstream that has LITERAL+), else `{n}`: right in responses,
/// where nobody waits.
pub fn astring(out: &mut Vec<u8>, octets: &[u8], mode: Utf8Mode, nonsync: bool) {
    // A quoted NIL is the name, an atom might be read as none.
    if !octets.is_empty() && octets.iter().all(|octet| is_astring_char(*octet)) && !octets.eq_ignore_ascii_case(b"NIL")
    {
        out.extend_from_slice(octets);
    } else {
        string(out, octets, mode, nonsync);
    }
}

/// Appends a `string`: quoted if it can be, else a literal.
pub fn string(out: &mut Vec<u8>, octets: &[u8], mode: Utf8Mode, nonsync: bool) {
    if can_quote(octets, mode) { quoted(out, octets) } else { literal(out, octets, nonsync) }
}

/// Appends an `nstring`.
pub fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>, mode: Utf8Mode, nonsync: bool) {
    match octets {
        Some(octets) => string(out, octets, mode, nonsync),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Can a quoted string say it? Without CR, LF and NUL, at most 1024 octets, and 8-bit only as UTF-8 in UTF-8 mode.
#[must_use]
pub fn can_quote(octets: &[u8], mode: Utf8Mode) -> bool {
    let text = mode == Utf8Mode::On && std::str::from_utf8(octets).is_ok();
    octets.len() <= 1024 && octets.iter().all(|octet| matches!(octet, 0x20..=0x7e) || (text && *octet > 0x7f))
}

/// Appends a literal with its announcement.
pub fn literal(out: &mut Vec<u8>, octets: &[u8], nonsync: bool) {
    literal_header(out, octets.len() as u64, nonsync);
    out.extend_from_slice(octets);
}

/// Appends `{n}` or `{n+}` and CRLF.
pub fn literal_header(out: &mut Vec<u8>, size: u64, nonsync: bool) {
    let plus = if nonsync { "+" } else { "" };
    out.extend_from_slice(format!("{{{size}{plus}}}\r\n").as_bytes());
}

fn quoted(out: &mut Vec<u8>, octets: &[u8]) {
    out.push(b'"');
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

/// Can it stand as an atom?
#[must_use]
pub fn is_atom(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|octet| is_atom_char(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::token::{Cursor, astring as read};
    use proptest::prelude::*;

    fn written(octets: &[u8], mode: Utf8Mode) -> Vec<u8> {
        let mut out = Vec::new();
        astring(&mut out, octets, mode, false);
        out
    }

    #[test]
    fn the_shortest_form() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"INBOX", b"INBOX"),
            (b"a]", b"a]"),
            (b"", b"\"\""),
            (b"nil", b"\"nil\""),
            (b"Sent Items", b"\"Sent Items\""),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            (b"a%", b"\"a%\""),
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            (b"\xc3\xa9", b"{2}\r\n\xc3\xa9"),
            (b"\t", b"{1}\r\n\t"),
        ];
        for (octets, want) in rows {
            assert_eq!(written(octets, Utf8Mode::Off), *want, "{}", octets.escape_ascii());
        }
        assert_eq!(written("é".as_bytes(), Utf8Mode::On), "\"é\"".as_bytes());
        assert_eq!(written(b"\xff", Utf8Mode::On), b"{1}\r\n\xff");
        let mut out = Vec::new();
        nstring(&mut out, None, Utf8Mode::Off, false);
        string(&mut out, b"\n", Utf8Mode::Off, true);
        assert_eq!(out, b"NIL{1+}\r\n\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in prop::collection::vec(1_u8.., 0..40), utf8: bool, nonsync: bool) {
            let mode = if utf8 { Utf8Mode::On } else { Utf8Mode::Off };
            let mut out = Vec::new();
            astring(&mut out, &octets, mode, nonsync);
            let (rest, text) = read(Cursor::new(&out, mode)).unwrap();
            prop_assert!(rest.rest().is_empty());
            prop_assert_eq!(&text.octets[..], &octets[..]);
        }
    }
}
