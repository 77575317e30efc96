//! JSON, written straight into a line: no tree, no temporary strings.
//!
//! Everything a peer can say comes through [`text`]: what could end a string or a line, or play with a terminal, is
//! escaped, so no peer can forge a line or a field.

use std::fmt;
use std::io::Write as _;

/// Octets of most keys, with what stands around them.
const KEY: usize = 32;

/// An object that is being written.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    #[inline]
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Goes on with one that somebody else has opened, and will put a comma before what is written here.
    #[inline]
    pub fn go_on(out: &'o mut Vec<u8>) -> Self {
        Self { out, empty: true }
    }

    /// Closes it.
    #[inline]
    pub fn close(self) {
        self.out.push(b'}');
    }

    /// Octets of all that is written, from the begin of the buffer.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// The key; what is written to the result next is its value. `key` is ours, never a peer's.
    #[inline]
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        let comma = usize::from(self.empty);
        // Together: each piece would ask for room by itself.
        let mut pieces = [0; KEY];
        match pieces.get_mut(..key.len().saturating_add(4)) {
            Some(all) => {
                if let [comma, quote, name @ .., end, colon] = &mut *all {
                    (*comma, *quote, *end, *colon) = (b',', b'"', b'"', b':');
                    name.copy_from_slice(key.as_bytes());
                }
                self.out.extend_from_slice(all.get(comma..).unwrap_or_default());
            }
            None => {
                self.out.extend_from_slice(b",\"".get(comma..).unwrap_or_default());
                self.out.extend_from_slice(key.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
        }
        self.empty = false;
        self.out
    }

    /// A text of at most `max` octets.
    #[inline]
    pub fn text(&mut self, key: &str, value: &str, max: usize) {
        text(self.key(key), cut(value, max));
    }

    /// A word of the schema: written as it is.
    #[inline]
    pub fn word(&mut self, key: &str, value: &str) {
        let out = self.key(key);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    /// A word of the schema, left out where there is none.
    #[inline]
    pub fn maybe_word(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.word(key, value);
        }
    }

    /// `true` or `false`.
    #[inline]
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A number.
    #[inline]
    pub fn number(&mut self, key: &str, value: impl itoa::Integer) {
        number(self.key(key), value);
    }

    /// Something whose `Display` is JSON.
    pub fn displayed(&mut self, key: &str, value: impl fmt::Display) {
        // Writing into memory cannot fail.
        let _ = write!(self.key(key), "{value}");
    }

    /// A value whose `Display` needs quotes and no escapes: an address, a time.
    pub fn quoted(&mut self, key: &str, value: impl fmt::Display) {
        let _ = write!(self.key(key), "\"{value}\"");
    }

    /// Four numbers with dots between them, as IPv4 addresses are written.
    pub fn dotted(&mut self, key: &str, numbers: [u8; 4]) {
        let out = self.key(key);
        out.push(b'"');
        for (at, n) in numbers.into_iter().enumerate() {
            if at > 0 {
                out.push(b'.');
            }
            number(out, n);
        }
        out.push(b'"');
    }

    /// A text of at most `max` octets, left out where there is none.
    #[inline]
    pub fn maybe_text(&mut self, key: &str, value: Option<&str>, max: usize) {
        if let Some(value) = value {
            self.text(key, value, max);
        }
    }

    /// A number, left out where there is none.
    #[inline]
    pub fn maybe_number(&mut self, key: &str, value: Option<impl itoa::Integer>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }
}

/// `value`, cut to `max` octets between two characters.
pub fn cut(value: &str, max: usize) -> &str {
    value.get(..value.floor_char_boundary(max)).unwrap_or(value)
}

/// A number in decimal digits.
pub fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A JSON string.
pub fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let bytes = value.as_bytes();
    // Looked at to the end: several octets at once, where most texts are plain.
    let plain = |byte: &u8| matches!(byte, 0x20..=0x7E) & (*byte != b'"') & (*byte != b'\\');
    if bytes.iter().fold(true, |all, byte| all & plain(byte)) {
        out.extend_from_slice(bytes);
    } else {
        value.chars().for_each(|char| escaped(out, char));
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, char: char) {
    match char {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // C0, DEL and C1 move cursors; U+2028 and U+2029 end lines for some; the rest turn text around (UAX #9).
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{feff}' => {
            let _ = write!(out, "\\u{:04x}", u32::from(char));
        }
        char => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_and_cannot_leave_its_string() {
        for (name, value) in [
            ("plain", "INBOX"),
            ("empty", ""),
            ("quotes", r#"a","seq":9,"x":"\"#),
            ("line ends", "a\r\n{\"v\":1}\n\u{2028}\u{85}"),
            ("controls", "\0\u{1b}[2J\u{7f}\u{9b}"),
            ("turned around", "\u{202e}cod.exe\u{2066}"),
            ("other scripts", "Entwürfe/草稿/🗄"),
        ] {
            let mut out = Vec::new();
            text(&mut out, value);
            assert_eq!(serde_json::from_slice::<String>(&out).ok().as_deref(), Some(value), "{name}");
            assert!(!String::from_utf8_lossy(&out).chars().any(char::is_control), "{name}");
        }
    }

    #[test]
    fn cuts_between_characters() {
        for (value, max, expected) in [("abc", 2, "ab"), ("aü", 2, "a"), ("aü", 3, "aü"), ("", 0, ""), ("🗄", 3, "")]
        {
            assert_eq!(cut(value, max), expected);
        }
    }
}
