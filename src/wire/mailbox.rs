//! How is a mailbox name spelled on the wire?
//!
//! ```text
//!   IMAP4rev1               Entw&APw-rfe.2024   ⇄   Entwürfe/2024
//!   UTF8=ACCEPT, IMAP4rev2  Entwürfe.2024       ⇄   Entwürfe/2024
//! ```
//!
//! A client's spelling is taken only if it is the one canonical spelling of a name: two spellings of one name would be two
//! chances to slip past a rule. An upstream's is taken as well as can be, and whoever asks learns whether it was canonical.
//! The upstream's delimiter becomes "/". A "/" that is an ordinary character at an upstream with another delimiter is
//! written as U+2215 in the name that policy sees, so that it makes no level; [`encode`] turns it back.

use crate::imap::mailbox::MailboxName;

/// Is 8-bit text allowed, and are names UTF-8 (after ENABLE UTF8=ACCEPT or IMAP4rev2)?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Utf8Mode {
    /// IMAP4rev1: names are modified UTF-7 (RFC 3501 §5.1.3).
    #[default]
    Off,
    /// Names are UTF-8, and `&` is a character as any other (RFC 9755 §3).
    On,
}

/// Why octets are no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not UTF-8, in UTF-8 mode.
    #[error("not UTF-8")]
    NotUtf8,
    /// Octets above 127 where names are modified UTF-7.
    #[error("8-bit text")]
    EightBit,
    /// Base64 that is broken, not shortest, or stands for ASCII or half a surrogate pair.
    #[error("not canonical modified UTF-7")]
    NotCanonical,
    /// Control characters, line or paragraph separators, noncharacters.
    #[error("characters that no name may have")]
    Forbidden,
}

/// Stands for a "/" that does not part levels.
const DIVISION_SLASH: char = '\u{2215}';

/// The name that a client's octets spell.
///
/// # Errors
/// If they are not the canonical spelling of a name.
pub fn decode(octets: &[u8], mode: Utf8Mode, delimiter: Option<char>) -> Result<MailboxName, NameError> {
    if let Some(text) = itself(octets, mode, delimiter) {
        return Ok(MailboxName::new(text));
    }
    let text = decode_text(octets, mode)?;
    // Else two spellings would be one name: see the module's picture.
    let ambiguous = |c| c == DIVISION_SLASH && delimiter != Some('/');
    if text.chars().any(|c| is_forbidden(c) || ambiguous(c)) {
        return Err(NameError::Forbidden);
    }
    Ok(canonical(&text, delimiter))
}

/// Most names: each letter stands for itself, and there is one way to spell it. `None`: it is not one of them.
fn itself(octets: &[u8], mode: Utf8Mode, delimiter: Option<char>) -> Option<&str> {
    let shifts = mode == Utf8Mode::Off;
    let slash_is_a_letter = delimiter != Some('/');
    let is_itself = |octet: &u8| match octet {
        b'&' => !shifts,
        b'/' => !slash_is_a_letter,
        b' '..=b'~' => true,
        _ => false,
    };
    let parts_levels = |octet: &u8| slash_is_a_letter && delimiter == Some(char::from(*octet));
    let all = octets.iter().all(|octet| is_itself(octet) && !parts_levels(octet));
    if all { std::str::from_utf8(octets).ok() } else { None }
}

/// The text of the octets, with the delimiter as it is: for LIST patterns, which have levels but are no names.
///
/// # Errors
/// As [`decode`], but for forbidden characters.
pub fn decode_text(octets: &[u8], mode: Utf8Mode) -> Result<String, NameError> {
    match mode {
        Utf8Mode::On => std::str::from_utf8(octets).map(str::to_owned).map_err(|_| NameError::NotUtf8),
        Utf8Mode::Off if !octets.is_ascii() => Err(NameError::EightBit),
        // Most names: each letter stands for itself, and there is one way to spell it.
        Utf8Mode::Off if octets.iter().all(|octet| matches!(octet, b' '..=b'~') && *octet != b'&') => {
            Ok(octets.iter().copied().map(char::from).collect())
        }
        Utf8Mode::Off => {
            let text = utf7_decode(octets).ok_or(NameError::NotCanonical)?;
            if utf7_encode(&text) == octets { Ok(text) } else { Err(NameError::NotCanonical) }
        }
    }
}

/// A name as an upstream spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamName {
    /// The name, as far as it can be read.
    pub name: MailboxName,
    /// Is it spelled canonically? If not, encoding `name` again does not give what the upstream knows.
    pub canonical: bool,
}

/// Reads what an upstream sends: UTF-8 where modified UTF-7 is due, the reverse, and broken base64 all occur. What cannot be
/// read stands in the name as it is, or as U+FFFD.
#[must_use]
pub fn decode_lenient(octets: &[u8], mode: Utf8Mode, delimiter: Option<char>) -> UpstreamName {
    if let Ok(name) = decode(octets, mode, delimiter) {
        return UpstreamName { name, canonical: true };
    }
    let text = utf7_decode(octets).filter(|_| mode == Utf8Mode::Off);
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(octets).into_owned());
    UpstreamName { name: canonical(&text, delimiter), canonical: false }
}

/// The octets that spell a name, for an upstream with that delimiter, or a client that is shown it.
#[must_use]
pub fn encode(name: &MailboxName, mode: Utf8Mode, delimiter: Option<char>) -> Vec<u8> {
    let text = match delimiter {
        Some('/') => name.as_str().to_owned(),
        None => name.as_str().replace(DIVISION_SLASH, "/"),
        Some(delimiter) => {
            let swap = |c| match c {
                '/' => delimiter,
                DIVISION_SLASH => '/',
                c => c,
            };
            name.as_str().chars().map(swap).collect()
        }
    };
    encode_text(&text, mode)
}

/// The octets that spell a text whose delimiter is already the upstream's.
#[must_use]
pub fn encode_text(text: &str, mode: Utf8Mode) -> Vec<u8> {
    match mode {
        Utf8Mode::On => text.as_bytes().to_vec(),
        Utf8Mode::Off => utf7_encode(text),
    }
}

fn canonical(text: &str, delimiter: Option<char>) -> MailboxName {
    match delimiter {
        Some('/') => MailboxName::new(text),
        delimiter => {
            let swap = |c| match c {
                '/' => DIVISION_SLASH,
                c if Some(c) == delimiter => '/',
                c => c,
            };
            MailboxName::new(&text.chars().map(swap).collect::<String>())
        }
    }
}

/// C0, DEL, C1, line and paragraph separator, noncharacters: no mailbox of a sane server has them (surface C.3).
const fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fdd0}'..='\u{fdef}')
        || (c as u32) & 0xfffe == 0xfffe
}

/// RFC 3501 §5.1.3: printable ASCII stands for itself, `&-` for `&`, and `&…-` is UTF-16 in base64 with `,` for `/` and
/// without padding. `None` where that cannot be read; what can be read need not be canonical.
fn utf7_decode(octets: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'&' => {
                let end = memchr::memchr(b'-', after)?;
                let (inside, behind) = after.split_at_checked(end)?;
                if inside.is_empty() {
                    text.push('&')
                } else {
                    text.push_str(&utf16_from_base64(inside)?)
                }
                rest = behind.get(1..)?;
            }
            0x20..=0x7e => {
                text.push(char::from(*first));
                rest = after;
            }
            _ => return None,
        }
    }
    Some(text)
}

fn utf16_from_base64(digits: &[u8]) -> Option<String> {
    let (mut bits, mut have, mut units) = (0_u32, 0_u32, Vec::new());
    for digit in digits {
        let value = BASE64.iter().position(|letter| letter == digit)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        have += 6;
        if have >= 16 {
            have -= 16;
            units.push(u16::try_from((bits >> have) & 0xffff).ok()?);
            bits &= (1 << have) - 1;
        }
    }
    // What is left is padding of less than a digit, and zero.
    if have >= 6 || bits != 0 {
        return None;
    }
    String::from_utf16(&units).ok()
}

fn utf7_encode(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in text.chars() {
        match c {
            ' '..='~' => {
                flush_base64(&mut shifted, &mut octets);
                octets.push(u8::try_from(c).unwrap_or(b'?'));
                if c == '&' {
                    octets.push(b'-');
                }
            }
            c => shifted.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    flush_base64(&mut shifted, &mut octets);
    octets
}

fn flush_base64(units: &mut Vec<u16>, octets: &mut Vec<u8>) {
    if units.is_empty() {
        return;
    }
    octets.push(b'&');
    let (mut bits, mut have) = (0_u32, 0_u32);
    for unit in units.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        have += 16;
        while have >= 6 {
            have -= 6;
            octets.push(base64_digit(bits >> have));
            bits &= (1 << have) - 1;
        }
    }
    if have > 0 {
        octets.push(base64_digit(bits << (6 - have)));
    }
    octets.push(b'-');
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn base64_digit(value: u32) -> u8 {
    usize::try_from(value & 63).ok().and_then(|value| BASE64.get(value)).copied().unwrap_or(b'A')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<String, NameError> {
        decode(octets, Utf8Mode::Off, Some('/')).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn modified_utf7() {
        let rows: &[(&str, &[u8], Result<&str, NameError>)] = &[
            ("ascii", b"Sent Items", Ok("Sent Items")),
            ("empty", b"", Ok("")),
            ("ampersand", b"R&-D", Ok("R&D")),
            ("umlaut", b"Entw&APw-rfe", Ok("Entwürfe")),
            ("RFC 3501", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", Ok("~peter/mail/台北/日本語")),
            ("surrogate pair", b"&2D3eAA-", Ok("\u{1f600}")),
            ("inbox", b"iNbox", Ok("INBOX")),
            ("inbox in base64", b"&AEkATgBCAE8AWA-", Err(NameError::NotCanonical)),
            ("printable ASCII in base64", b"&AGE-", Err(NameError::NotCanonical)),
            ("ampersand in base64", b"&ACY-", Err(NameError::NotCanonical)),
            ("not closed", b"&AOk", Err(NameError::NotCanonical)),
            ("closed by nothing", b"a&", Err(NameError::NotCanonical)),
            ("two runs where one does", b"&AOk-&AOk-", Err(NameError::NotCanonical)),
            ("bits left over", b"&AOl-", Err(NameError::NotCanonical)),
            ("a digit too many", b"&AOkA-", Err(NameError::NotCanonical)),
            ("slash for comma", b"&U/BTFw-", Err(NameError::NotCanonical)),
            ("padding", b"&AOk=-", Err(NameError::NotCanonical)),
            ("half a pair", b"&2D0-", Err(NameError::NotCanonical)),
            ("8-bit", b"\xc3\xa9", Err(NameError::EightBit)),
            ("control", b"a\x01b", Err(NameError::NotCanonical)),
            ("line end", b"a\r\nb", Err(NameError::NotCanonical)),
            ("control in base64", b"&AAE-", Err(NameError::Forbidden)),
            ("C1 in base64", b"&AIU-", Err(NameError::Forbidden)),
            ("line separator", b"&ICg-", Err(NameError::Forbidden)),
            ("noncharacter", b"&,,4-", Err(NameError::Forbidden)),
        ];
        for (name, octets, want) in rows {
            assert_eq!(read(octets), want.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn utf8() {
        let read = |octets: &[u8]| decode(octets, Utf8Mode::On, Some('/')).map(|name| name.as_str().to_owned());
        let rows: &[(&str, &[u8], Result<&str, NameError>)] = &[
            ("umlaut", "Entwürfe".as_bytes(), Ok("Entwürfe")),
            ("ampersand is itself", b"&AOk-", Ok("&AOk-")),
            ("overlong", b"\xc0\xaf", Err(NameError::NotUtf8)),
            ("surrogate", b"\xed\xa0\x80", Err(NameError::NotUtf8)),
            ("NUL", b"a\0", Err(NameError::Forbidden)),
        ];
        for (name, octets, want) in rows {
            assert_eq!(read(octets), want.map(str::to_owned), "{name}");
        }
        // The same five characters are another name in the other mode (surface C.4).
        let name = decode(b"&AOk-", Utf8Mode::On, None).unwrap();
        assert_eq!(encode(&name, Utf8Mode::Off, None), b"&-AOk-");
    }

    #[test]
    fn delimiters() {
        let rows: &[(&str, &[u8], Option<char>, &str)] = &[
            ("dot", b"INBOX.Sent", Some('.'), "INBOX/Sent"),
            ("slash in a level", b"a/b.c", Some('.'), "a\u{2215}b/c"),
            ("flat", b"a/b", None, "a\u{2215}b"),
            ("backslash", b"a\\b", Some('\\'), "a/b"),
            ("slash", b"a/b", Some('/'), "a/b"),
        ];
        for (what, octets, delimiter, want) in rows {
            let name = decode(octets, Utf8Mode::Off, *delimiter).unwrap();
            assert_eq!(name.as_str(), *want, "{what}");
            assert_eq!(encode(&name, Utf8Mode::Off, *delimiter), *octets, "{what}");
        }
    }

    #[test]
    fn what_upstreams_send() {
        let rows: &[(&str, &[u8], &str, bool)] = &[
            ("canonical", b"Entw&APw-rfe", "Entwürfe", true),
            ("UTF-8 in rev1", "Entwürfe".as_bytes(), "Entwürfe", false),
            ("ASCII in base64", b"&AGE-", "a", false),
            ("open ampersand", b"Research & Development", "Research & Development", false),
            ("Latin-1", b"Entw\xfcrfe", "Entw\u{fffd}rfe", false),
        ];
        for (what, octets, want, canonical) in rows {
            let read = decode_lenient(octets, Utf8Mode::Off, Some('/'));
            assert_eq!((read.name.as_str(), read.canonical), (*want, *canonical), "{what}");
        }
    }

    proptest::proptest! {
        /// What stands for itself is what the whole way comes to.
        #[test]
        fn most_names_are_themselves(octets in "[ -~é\u{1}]{0,12}", utf8: bool, at in 0usize..4) {
            let mode = if utf8 { Utf8Mode::On } else { Utf8Mode::Off };
            let delimiter = [None, Some('/'), Some('.'), Some('\\')][at];
            if let Some(text) = itself(octets.as_bytes(), mode, delimiter) {
                let whole = decode_text(octets.as_bytes(), mode).map(|text| canonical(&text, delimiter));
                proptest::prop_assert_eq!(Ok(MailboxName::new(text)), whole);
            }
        }

        #[test]
        fn encoding_is_undone_by_decoding(text in "\\PC{0,20}") {
            let octets = encode_text(&text, Utf8Mode::Off);
            proptest::prop_assert_eq!(decode_text(&octets, Utf8Mode::Off).unwrap(), text);
        }

        #[test]
        fn whatever_decodes_is_canonical(octets in "[&A-Ca,/+-]{0,12}") {
            if let Ok(text) = decode_text(octets.as_bytes(), Utf8Mode::Off) {
                proptest::prop_assert_eq!(encode_text(&text, Utf8Mode::Off), octets.as_bytes());
            }
        }
    }
}
