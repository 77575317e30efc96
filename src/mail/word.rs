//! Encoded words (RFC 2047), as the RFC has them and as readers take them.
//!
//! ```text
//!   strictly    a word between blanks, each decoded for itself
//!   leniently   anywhere, blanks in it, no end to it; neighbours of one charset decoded together
//!   not at all  as it stands
//! ```

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{Encoding, REPLACEMENT};
use mail_parser::decoders::charsets::map::charset_decoder;
use smallvec::{SmallVec, smallvec};

use super::Found;
use super::fold::{Needle, fold};
use super::parameter;

/// Takes whatever has the letters of base64 in it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Words that are longer are none for a strict reader.
const LONGEST: usize = 1000;

/// The value of a field in all its readings.
#[derive(Debug)]
pub(super) struct Text {
    /// Folded; the strict reading first.
    readings: SmallVec<[String; 1]>,
    /// Do all readings that decode say the same?
    agreed: bool,
    /// Could all of it be read?
    readable: bool,
    /// What a lenient reader makes of it, not folded: where addresses are looked for.
    pub(super) lenient: Option<String>,
}

impl Text {
    pub(super) fn read(value: &[u8], has_parameters: bool) -> Self {
        if let Some(plain) = plain(value).filter(|_| !has_parameters) {
            return Self { readings: smallvec![plain], agreed: true, readable: true, lenient: None };
        }
        let value = unfold(value);
        let (mut raw, mut readable) = octets_as_text(&value);
        let mut texts = Vec::new();
        let mut lenient = None;
        if memchr::memmem::find(&value, b"=?").is_some() {
            let variants = [Way::Strict, Way::Together, Way::Apart, Way::Closed].map(|way| decode(&value, way));
            readable &= variants.iter().all(|variant| variant.readable);
            lenient = variants.get(1).map(|variant| variant.text.clone());
            variants.into_iter().for_each(|variant| variant.add_to(&mut texts));
        } else if !raw.is_empty() {
            texts.push(raw.remove(0));
        }
        // Those that decode must agree; others are looked at, too.
        let decoding = texts.len();
        raw.into_iter().for_each(|text| add(&mut texts, text));
        if has_parameters {
            parameter::readings(&value).into_iter().for_each(|text| add(&mut texts, text));
        }
        let mut readings: SmallVec<[String; 1]> = texts.iter().map(|text| fold(text)).collect();
        let agreed = readings.iter().take(decoding).all(|text| readings.first() == Some(text));
        readings.dedup();
        Self { readings, agreed, readable, lenient }
    }

    pub(super) fn has(&self, needle: &Needle, odd: bool) -> Found {
        let mut readings = self.readings.iter();
        let by_the_first = readings.next().is_some_and(|text| needle.is_in(text));
        let sure = self.agreed && self.readable && !odd;
        match by_the_first || readings.any(|text| needle.is_in(text)) {
            true if by_the_first && sure => Found::Surely,
            true => Found::Perhaps,
            false if self.readable => Found::Not,
            false => Found::Perhaps,
        }
    }

    pub(super) fn readings(&self) -> impl Iterator<Item = &String> {
        self.readings.iter()
    }

    pub(super) const fn is_readable(&self) -> bool {
        self.readable
    }

    pub(super) const fn is_agreed(&self) -> bool {
        self.agreed
    }
}

fn add(texts: &mut Vec<String>, text: String) {
    if !texts.contains(&text) {
        texts.push(text);
    }
}

/// The folded value, where nothing in it needs to be decoded: most of all fields.
fn plain(value: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut before = b' ';
    for &octet in value {
        match octet {
            b'\r' | b'\n' => continue,
            b' ' | b'\t' if before == b' ' => continue,
            b' ' | b'\t' => text.push(' '),
            b'?' if before == b'=' => return None,
            0x21..=0x7e => text.push(char::from(octet.to_ascii_lowercase())),
            _ => return None,
        }
        before = if octet == b'\t' { b' ' } else { octet };
    }
    let end = text.trim_end().len();
    text.truncate(end);
    Some(text)
}

/// Without the line ends, and the blanks around all of it.
fn unfold(value: &[u8]) -> Vec<u8> {
    let without: Vec<u8> = value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).collect();
    without.trim_ascii().to_vec()
}

/// Octets that say no charset: UTF-8 (RFC 6532), or else it is not known which.
fn octets_as_text(octets: &[u8]) -> (SmallVec<[String; 2]>, bool) {
    match std::str::from_utf8(octets) {
        Ok(text) => (smallvec![text.to_owned()], true),
        Err(_) => {
            let western = encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned();
            (smallvec![String::from_utf8_lossy(octets).into_owned(), western], false)
        }
    }
}

/// How a reader decodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As RFC 2047 §5 and §6 have it.
    Strict,
    /// Leniently; the octets of neighbours are decoded together.
    Together,
    /// Leniently; each word for itself.
    Apart,
    /// Leniently; blanks within a word are nothing.
    Closed,
}

#[derive(Default)]
struct Decoded {
    text: String,
    readable: bool,
}

/// An encoded word and where it stands.
struct Word<'v> {
    charset: &'v [u8],
    encoding: u8,
    text: &'v [u8],
    /// Behind the word.
    end: usize,
}

fn decode(value: &[u8], way: Way) -> Decoded {
    let mut out = Decoded { text: String::new(), readable: true };
    // Octets decoded out of words whose charset has yet to be applied.
    let mut pending: Option<(Vec<u8>, Vec<u8>)> = None;
    let mut at = 0;
    let mut literal = 0;
    while let Some(found) = memchr::memmem::find(value.get(at..).unwrap_or_default(), b"=?") {
        let start = at.saturating_add(found);
        let Some(word) = Word::read(value, start, way) else {
            at = start.saturating_add(2);
            continue;
        };
        let between = value.get(literal..start).unwrap_or_default();
        // Blanks between two words are nothing (RFC 2047 §6.2).
        let joins = pending.is_some() && between.iter().all(u8::is_ascii_whitespace);
        let octets = word.octets(way, &mut out.readable);
        match &mut pending {
            Some((charset, before))
                if joins && way != Way::Strict && way != Way::Apart && charset.eq_ignore_ascii_case(word.charset) =>
            {
                before.extend_from_slice(&octets);
            }
            _ => {
                out.flush(&mut pending);
                if !joins {
                    out.push(between);
                }
                pending = Some((word.charset.to_vec(), octets));
            }
        }
        (at, literal) = (word.end, word.end);
    }
    out.flush(&mut pending);
    out.push(value.get(literal..).unwrap_or_default());
    out
}

impl Decoded {
    /// It, and what comes of it where a reader decodes until nothing is left to decode.
    fn add_to(self, texts: &mut Vec<String>) {
        let again = self.text.contains("=?").then(|| decode(self.text.as_bytes(), Way::Together).text);
        add(texts, self.text);
        again.into_iter().for_each(|text| add(texts, text));
    }

    fn push(&mut self, octets: &[u8]) {
        let (texts, readable) = octets_as_text(octets);
        self.readable &= readable;
        self.text.push_str(texts.first().map_or("", String::as_str));
    }

    fn flush(&mut self, pending: &mut Option<(Vec<u8>, Vec<u8>)>) {
        let Some((charset, octets)) = pending.take() else { return };
        let (text, readable) = in_charset(&charset, &octets);
        self.readable &= readable;
        self.text.push_str(&text);
    }
}

/// The text, and whether that can be said.
pub(super) fn in_charset(charset: &[u8], octets: &[u8]) -> (String, bool) {
    // RFC 2231 §5: the language behind the charset.
    let charset = charset.split(|octet| *octet == b'*').next().unwrap_or_default();
    match Encoding::for_label(charset).filter(|encoding| *encoding != REPLACEMENT) {
        Some(encoding) => {
            let (text, broken) = encoding.decode_without_bom_handling(octets);
            (text.into_owned(), !broken)
        }
        None => match charset_decoder(charset) {
            // UTF-7 and its like are decoded by some and not by others.
            Some(decode) => (decode(octets), false),
            None => (octets_as_text(octets).0.join(" "), false),
        },
    }
}

impl<'v> Word<'v> {
    /// ```abnf
    /// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
    /// ```
    fn read(value: &'v [u8], start: usize, way: Way) -> Option<Self> {
        let rest = value.get(start..)?;
        let charset_end = memchr::memchr(b'?', rest.get(2..)?)?.checked_add(2)?;
        let charset = rest.get(2..charset_end)?;
        let [encoding, b'?', text @ ..] = rest.get(charset_end.checked_add(1)?..)? else { return None };
        let encoding = encoding.to_ascii_lowercase();
        if (charset.is_empty() && way == Way::Strict)
            || charset.iter().any(u8::is_ascii_whitespace)
            || !matches!(encoding, b'q' | b'b')
        {
            return None;
        }
        let begins = charset_end.checked_add(3)?;
        // RFC 2047 §2: 75 octets; who writes more means something else, and finds no end of it here.
        let near = if way == Way::Strict { text.get(..LONGEST).unwrap_or(text) } else { text };
        let length = memchr::memmem::find(near, b"?=");
        let (text, length) = match (length, way) {
            (Some(length), _) => (text.get(..length)?, length.checked_add(2)?),
            (None, Way::Strict) => return None,
            // Without an end it goes on to the end of the line.
            (None, _) => (text, text.len()),
        };
        let end = start.checked_add(begins)?.checked_add(length)?;
        let word = Self { charset, encoding, text, end };
        (way != Way::Strict || word.is_strict(value, start)).then_some(word)
    }

    /// Stands it between blanks, and are there none in it?
    fn is_strict(&self, value: &[u8], start: usize) -> bool {
        let blank = |at: Option<usize>| at.and_then(|at| value.get(at)).is_none_or(u8::is_ascii_whitespace);
        let bracket = |at: Option<usize>| {
            // In a comment or before an address a word may stand beside these (RFC 2047 §5).
            matches!(at.and_then(|at| value.get(at)), Some(b'(' | b')' | b'<' | b',' | b':' | b';'))
        };
        let (before, behind) = (start.checked_sub(1), Some(self.end));
        (blank(before) || bracket(before))
            && (blank(behind) || bracket(behind))
            && !self.text.iter().any(|octet| octet.is_ascii_whitespace() || *octet == b'?')
    }

    fn octets(&self, way: Way, readable: &mut bool) -> Vec<u8> {
        match self.encoding {
            b'b' => base64(self.text, readable),
            _ => quoted(self.text, way, readable),
        }
    }
}

fn base64(text: &[u8], readable: &mut bool) -> Vec<u8> {
    let letters: Vec<u8> =
        text.iter().copied().filter(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/')).collect();
    let padding = text.iter().rev().take_while(|octet| **octet == b'=').count();
    *readable &= letters.len().saturating_add(padding) == text.len();
    LENIENT.decode(&letters).unwrap_or_else(|_| {
        *readable = false;
        // All whole groups of it.
        let whole = letters.len().saturating_sub(letters.len() % 4);
        letters.get(..whole).and_then(|letters| LENIENT.decode(letters).ok()).unwrap_or_default()
    })
}

fn quoted(text: &[u8], way: Way, readable: &mut bool) -> Vec<u8> {
    let hex = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [octet, behind @ ..] = rest {
        rest = behind;
        match octet {
            b'=' => match (hex(behind.first()), hex(behind.get(1))) {
                (Some(high), Some(low)) => {
                    out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                    rest = behind.get(2..).unwrap_or_default();
                }
                _ => {
                    *readable = false;
                    out.push(b'=');
                }
            },
            b'_' => out.push(b' '),
            b' ' | b'\t' if way == Way::Closed => {}
            octet => out.push(*octet),
        }
    }
    out
}
