//! A header taken apart into fields, as strictly as it can be and as leniently as some reader would.

use std::borrow::Cow;
use std::cell::OnceCell;

use jiff::civil::Date;

use super::address::Addresses;
use super::fold::Needle;
use super::word::Text;
use super::{Found, date};

/// More of one message is not looked at: it cannot be told what is in it.
const MOST_OCTETS: usize = 64 * 1024;
/// Likewise.
const MOST_FIELDS: usize = 1000;

/// The fields of a message that were asked for.
#[derive(Debug)]
pub struct Header<'h> {
    fields: Vec<Field<'h>>,
}

/// One instance of a field.
#[derive(Debug)]
pub struct Field<'h> {
    name: Cow<'h, [u8]>,
    /// As it stands, with its line ends.
    value: &'h [u8],
    /// Some reader would not see it as this field, or not all of it.
    odd: bool,
    text: OnceCell<Text>,
    addresses: OnceCell<Addresses>,
}

impl<'h> Header<'h> {
    /// Takes it apart. `None` where it is longer than anybody's mail is.
    #[must_use]
    pub fn read(octets: &'h [u8]) -> Option<Self> {
        if octets.len() > MOST_OCTETS {
            return None;
        }
        let mut header = Self { fields: Vec::new() };
        let mut rest = octets;
        while !rest.is_empty() {
            let (field, behind) = rest.split_at(end_of_field(rest));
            header.add(field);
            rest = behind;
        }
        (header.fields.len() <= MOST_FIELDS).then_some(header)
    }

    fn add(&mut self, line: &'h [u8]) {
        self.fields.extend(Field::read(line, false));
        // Some readers end a line at a CR that stands alone, and begin another one there.
        if memchr::memchr_iter(b'\r', line).any(|at| !matches!(line.get(at.saturating_add(1)), None | Some(b'\n'))) {
            let lines = line.split(|octet| *octet == b'\r').skip(1);
            self.fields.extend(lines.filter_map(|line| Field::read(line, true)));
        }
    }

    /// Each instance of the field of that name, which is in lower case.
    pub fn fields<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Field<'h>> + 's {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Where the line and those that continue it end: never 0.
fn end_of_field(octets: &[u8]) -> usize {
    let mut ends = memchr::memchr_iter(b'\n', octets).map(|at| at.saturating_add(1));
    ends.find(|end| !matches!(octets.get(*end), Some(b' ' | b'\t'))).unwrap_or(octets.len())
}

impl<'h> Field<'h> {
    /// `field = field-name *WSP ":" unstructured CRLF` (RFC 5322 §4.5: blanks before the colon are obsolete, and are read).
    fn read(line: &'h [u8], odd: bool) -> Option<Self> {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line.get(..colon)?.trim_ascii(), line.get(colon.saturating_add(1)..)?);
        if name.is_empty() {
            return None;
        }
        let is_plain = name.iter().all(u8::is_ascii_graphic) && !line.starts_with(b" ") && !line.starts_with(b"\t");
        let shown = name.iter().copied().filter(|octet| octet.is_ascii_graphic());
        let name = if is_plain { Cow::Borrowed(name) } else { Cow::Owned(shown.collect()) };
        let odd = odd || !is_plain || is_odd(value);
        Some(Self { name, value, odd, text: OnceCell::new(), addresses: OnceCell::new() })
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| Text::read(self.value, self.is_parameterised()))
    }

    /// Can there be parameters in it (RFC 2231)?
    fn is_parameterised(&self) -> bool {
        self.name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case(b"content-"))
    }

    /// Is that in its text?
    #[must_use]
    pub fn text_has(&self, needle: &Needle) -> Found {
        self.text().has(needle, self.odd)
    }

    /// Is that in one of its addresses, or a name that goes with them? By every reading it is only where it is in an address
    /// (in each, where the field tells who a message is from): names say what the sender likes.
    #[must_use]
    pub fn addresses_have(&self, needle: &Needle) -> Found {
        let addresses = self.addresses.get_or_init(|| Addresses::read(self.value, self.text()));
        let of_each = self.name.eq_ignore_ascii_case(b"from");
        if !self.odd && addresses.are(needle, of_each) {
            return Found::Surely;
        }
        match addresses.may_have(needle) {
            true => Found::Perhaps,
            false => match self.text().has(needle, self.odd) {
                Found::Not => Found::Not,
                Found::Perhaps | Found::Surely => Found::Perhaps,
            },
        }
    }

    /// The day that a Date field says, in its own zone; `None` where it is no date as RFC 5322 has it.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        if self.odd { None } else { date::read(self.value) }
    }
}

/// Is there an octet in it at which readers part: NUL, a CR or LF that stands alone, a line of nothing but blanks?
fn is_odd(value: &[u8]) -> bool {
    let mut blank = false;
    let mut octets = value.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            0 => return true,
            b'\r' if !matches!(octets.peek(), Some(b'\n') | None) => return true,
            b'\n' if blank && octets.peek().is_some() => return true,
            b'\n' => blank = true,
            b'\r' | b' ' | b'\t' => {}
            _ => blank = false,
        }
    }
    false
}
