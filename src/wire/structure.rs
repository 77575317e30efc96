//! Which numbered parts has a message? Read from its BODY or BODYSTRUCTURE (RFC 9051 §7.5.2).
//!
//! ```text
//!   (("text" …)("text" …) "alternative")("message" "rfc822" … 900 (envelope) ("text" … 80 2) 21) "mixed"
//!     1.1       1.2                       2                                  2.1
//! ```
//!
//! Servers write what they like here (quirks B01 to B24): whatever stands behind the octets of a part is passed over, and
//! what nests too deeply, or has too many parts, is left out. So there may be less to be read in a message than is true, never more.

use std::num::NonZeroU32;

use super::fetch::{FetchEvent, FetchScan, ItemKind, quoted_end};
use super::frame::{ResponseEnd, response_end};
use super::number::digits;

/// Most parts of a message that are told apart.
const MOST_NODES: usize = 256;

/// How deep lists of parts are followed.
const MOST_LEVELS: usize = 32;

/// Most numbers in the number of a part.
const MOST_NUMBERS: usize = 15;

/// `1.2.1`: what stands below the fifteenth number counts as the part that it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PartNumber {
    numbers: [u16; MOST_NUMBERS],
    len: u8,
}

impl PartNumber {
    /// The message itself.
    pub const NONE: Self = Self { numbers: [0; MOST_NUMBERS], len: 0 };

    /// The number that a section begins with, and what stands behind it and its dot: `1.2.TEXT`. `None`: it is no number.
    #[must_use]
    pub fn read(section: &[u8]) -> Option<(Self, &[u8])> {
        let (mut number, mut rest) = (Self::NONE, section);
        while rest.first().is_some_and(u8::is_ascii_digit) {
            let (one, behind) = digits(rest)?;
            number = number.child(one);
            rest = behind.strip_prefix(b".").or_else(|| behind.is_empty().then_some(behind))?;
        }
        (number != Self::NONE).then_some((number, rest))
    }

    /// The number that a command names.
    #[must_use]
    pub fn of(numbers: &[NonZeroU32]) -> Self {
        numbers.iter().fold(Self::NONE, |number, one| number.child(u64::from(one.get())))
    }

    /// The part of that number in this one.
    #[must_use]
    pub fn child(mut self, number: u64) -> Self {
        if let Some(place) = self.numbers.get_mut(usize::from(self.len)) {
            *place = u16::try_from(number).unwrap_or(u16::MAX);
            self.len = self.len.saturating_add(1);
        }
        self
    }

    /// The numbers, from the outermost part to this one.
    fn numbers(&self) -> &[u16] {
        self.numbers.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// If it is in the other part: the number there of the part that it is in, or is.
    #[must_use]
    pub fn number_below(&self, other: &Self) -> Option<u16> {
        self.numbers().strip_prefix(other.numbers())?.first().copied()
    }

    /// Is it what messages begin with: `1`, `1.1` …?
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.numbers().iter().all(|number| *number == 1)
    }
}

impl std::fmt::Debug for PartNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.numbers().iter().map(u16::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// What it can be asked whether it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// `BODY[n]`, and its octets: rather too few, where that is not told.
    Part(PartNumber, u64),
    /// `BODY[n.TEXT]` of a message in the message, or its own; and likewise.
    Text(PartNumber, u64),
    /// Anything below `n`, whose parts are not known.
    Below(PartNumber),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    /// Of so many octets.
    Leaf(u32),
    /// So many parts follow, each with its own.
    Multipart(u16),
    /// A message of so many octets: its body follows.
    Message(u32),
    /// It has parts, and nobody knows which.
    Opaque(u32),
}

/// The parts of a message, each before those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure(Box<[Node]>);

impl Structure {
    /// Reads the list that `text` begins with, and whatever is in it: quoted strings, literals. `None`: it is no such list, or not
    /// all of it is there.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { text, at: 0, nodes: Vec::new() };
        reader.body(0)?;
        Some(Self(reader.nodes.into()))
    }

    /// Reads `BODY (…)` or `BODYSTRUCTURE (…)`.
    #[must_use]
    pub fn read_item(text: &[u8]) -> Option<Self> {
        let name = text.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
        let (name, list) = text.split_at_checked(name)?;
        let is_one = name.eq_ignore_ascii_case(b"BODY") || name.eq_ignore_ascii_case(b"BODYSTRUCTURE");
        is_one.then(|| Self::read(list.trim_ascii_start()))?
    }

    /// Is all content of the message in what `has` says was read? Headers are no content.
    pub fn is_covered(&self, mut has: impl FnMut(Piece) -> bool) -> bool {
        let body = self.body(0, PartNumber::NONE, &mut has);
        body.covered || has(Piece::Text(PartNumber::NONE, body.octets))
    }

    /// The body of a message that has this number: it is one part, or has several.
    fn body(&self, at: usize, number: PartNumber, has: &mut impl FnMut(Piece) -> bool) -> Walked {
        match self.0.get(at) {
            Some(Node::Multipart(children)) => self.children(at, *children, number, has),
            Some(Node::Opaque(_)) => {
                let one = self.part(at, number.child(1), has);
                Walked { covered: one.covered || has(Piece::Below(number)), ..one }
            }
            Some(Node::Leaf(_) | Node::Message(_)) | None => self.part(at, number.child(1), has),
        }
    }

    fn children(&self, at: usize, children: u16, number: PartNumber, has: &mut impl FnMut(Piece) -> bool) -> Walked {
        let mut all = Walked { next: at.saturating_add(1), covered: true, octets: 0 };
        for child in 1..=children {
            let one = self.part(all.next, number.child(u64::from(child)), has);
            all = Walked {
                next: one.next,
                covered: all.covered && one.covered,
                octets: all.octets.saturating_add(one.octets),
            };
        }
        all
    }

    fn part(&self, at: usize, number: PartNumber, has: &mut impl FnMut(Piece) -> bool) -> Walked {
        let next = at.saturating_add(1);
        match self.0.get(at) {
            Some(Node::Leaf(octets)) => {
                let octets = u64::from(*octets);
                Walked { next, covered: has(Piece::Part(number, octets)), octets }
            }
            Some(Node::Opaque(octets)) => {
                let octets = u64::from(*octets);
                let covered = has(Piece::Part(number, octets)) || has(Piece::Below(number));
                Walked { next, covered, octets }
            }
            Some(Node::Multipart(children)) => {
                let all = self.children(at, *children, number, has);
                Walked { covered: all.covered || has(Piece::Part(number, all.octets)), ..all }
            }
            Some(Node::Message(octets)) => {
                let (body, octets) = (self.body(next, number, has), u64::from(*octets));
                let covered = body.covered || has(Piece::Text(number, body.octets)) || has(Piece::Part(number, octets));
                Walked { covered, octets, ..body }
            }
            None => Walked { next, covered: true, octets: 0 },
        }
    }
}

/// A part that was looked at, with all in it.
struct Walked {
    /// Where the next one stands.
    next: usize,
    covered: bool,
    octets: u64,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl<'t> Reader<'t> {
    /// `body = "(" (body-type-1part / body-type-mpart) ")"`, with room for it.
    fn body(&mut self, level: usize) -> Option<()> {
        self.open()?;
        if self.peek()? == b'(' {
            return self.multipart(level);
        }
        self.one_part(level)?;
        self.close()
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`, behind its parenthesis.
    fn multipart(&mut self, level: usize) -> Option<()> {
        let (place, level) = (self.nodes.len(), level.saturating_add(1));
        let mut children = 0u16;
        self.nodes.push(Node::Multipart(0));
        while self.peek()? == b'(' {
            if level >= MOST_LEVELS || self.nodes.len() >= MOST_NODES {
                self.value()?;
                continue;
            }
            self.body(level)?;
            children = children.saturating_add(1);
        }
        let known = if level >= MOST_LEVELS { Node::Opaque(0) } else { Node::Multipart(children) };
        *self.nodes.get_mut(place)? = known;
        self.close()
    }

    /// `body-type-1part`, up to the number of its octets: strings and lists, of which servers leave out some. Without that number
    /// there is nothing in it (quirks B01, B02, B22).
    fn one_part(&mut self, level: usize) -> Option<()> {
        let mut words: [&[u8]; 2] = [b"", b""];
        for field in 0usize.. {
            if self.peek()? == b')' && field > 0 {
                self.nodes.push(Node::Multipart(0));
                return Some(());
            }
            let value = self.value()?;
            if let (Some((octets, b"")), false) = (digits(value), value.is_empty()) {
                return self.one_part_of(u32::try_from(octets).unwrap_or(u32::MAX), words, level);
            }
            if let Some(word) = words.get_mut(field) {
                *word = value;
            }
        }
        None
    }

    fn one_part_of(&mut self, octets: u32, words: [&[u8]; 2], level: usize) -> Option<()> {
        let [kind, subtype] = words.map(unquoted);
        if kind.eq_ignore_ascii_case(b"multipart") {
            self.nodes.push(Node::Opaque(octets)); // quirk B10
            return Some(());
        }
        let is_message = kind.eq_ignore_ascii_case(b"message")
            && (subtype.eq_ignore_ascii_case(b"rfc822") || subtype.eq_ignore_ascii_case(b"global"));
        if !is_message {
            self.nodes.push(Node::Leaf(octets));
            return Some(());
        }
        let level = level.saturating_add(1);
        let has_body = self.peek()? == b'(' && {
            self.value()?; // its envelope
            self.peek()? == b'(' && !self.is_empty_list()
        };
        if !has_body || level >= MOST_LEVELS || self.nodes.len().saturating_add(1) >= MOST_NODES {
            self.nodes.push(Node::Opaque(octets)); // quirks B04, B05
            return Some(());
        }
        self.nodes.push(Node::Message(octets));
        self.body(level)
    }

    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at) == Some(&b' ') {
            self.at = self.at.saturating_add(1);
        }
        self.text.get(self.at).copied()
    }

    fn is_empty_list(&self) -> bool {
        let list = self.text.get(self.at..).and_then(|list| list.strip_prefix(b"("));
        list.is_some_and(|list| list.trim_ascii_start().starts_with(b")"))
    }

    fn open(&mut self) -> Option<()> {
        (self.peek()? == b'(').then(|| self.at = self.at.saturating_add(1))
    }

    /// The parenthesis that closes the list, whatever stands before it.
    fn close(&mut self) -> Option<()> {
        while self.peek()? != b')' {
            self.value()?;
        }
        self.at = self.at.saturating_add(1);
        Some(())
    }

    /// A string, an atom, or a list with all that is in it; as it is written, but for literals.
    fn value(&mut self) -> Option<&'t [u8]> {
        let mut depth = 0usize;
        loop {
            let begin = self.peek().map(|_| self.at)?;
            let rest = self.text.get(begin..)?;
            let mut value = rest;
            match rest.first()? {
                b'(' => {
                    depth = depth.saturating_add(1);
                    self.at = begin.saturating_add(1);
                }
                b')' => {
                    depth = depth.checked_sub(1)?;
                    self.at = begin.saturating_add(1);
                }
                b'"' => {
                    self.at = quoted_end(self.text, begin.saturating_add(1))?;
                    value = self.text.get(begin..self.at)?;
                }
                b'{' | b'~' => {
                    self.at = begin.saturating_add(literal_len(rest)?);
                    value = self.text.get(begin..self.at)?;
                }
                b'\r' | b'\n' => return None,
                _ => {
                    let len = rest.iter().position(|octet| matches!(octet, b' ' | b'(' | b')' | b'\r' | b'\n'))?;
                    self.at = begin.saturating_add(len);
                    value = rest.get(..len)?;
                }
            }
            if depth == 0 {
                return Some(value);
            }
        }
    }
}

/// How long the literal is that the text begins with, with what announces it. `~{…}` may hold NUL (RFC 9051 §9 `literal8`).
fn literal_len(text: &[u8]) -> Option<usize> {
    let begin = text.strip_prefix(b"~").unwrap_or(text).strip_prefix(b"{")?;
    let (size, behind) = digits(begin)?;
    let octets = behind.strip_prefix(b"+").unwrap_or(behind).strip_prefix(b"}\r\n")?;
    let (_, behind) = octets.split_at_checked(usize::try_from(size).ok()?)?;
    Some(text.len().saturating_sub(behind.len()))
}

fn unquoted(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"\"").and_then(|word| word.strip_suffix(b"\"")).unwrap_or(word)
}

/// What a FETCH response says that has a structure in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StructureTold {
    /// `UID`
    pub uid: Option<u64>,
    /// `RFC822.SIZE`
    pub size: Option<u64>,
    /// Is there an item for the parts at all?
    pub has_item: bool,
    /// The parts, where they can be read.
    pub structure: Option<Structure>,
}

/// Reads a FETCH response from behind the word FETCH, with its literals; or what there is of it.
#[must_use]
pub fn structure_told(response: &[u8]) -> StructureTold {
    let (mut told, mut scan, mut at) = (StructureTold::default(), FetchScan::default(), 0usize);
    while let Some(rest) = response.get(at..).filter(|rest| !rest.is_empty()) {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end.saturating_add(1));
        let line = rest.get(..end).unwrap_or_default();
        let literal = if let ResponseEnd::Literal(size) = response_end(line) { Some(size) } else { None };
        scan.fragment(line, literal, |event| match event {
            FetchEvent::Uid { uid, .. } => told.uid = Some(uid),
            FetchEvent::Size(size) => told.size = Some(size),
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Structure => {
                let is_envelope = line.get(at).is_some_and(|octet| octet.eq_ignore_ascii_case(&b'E'));
                told.has_item |= !is_envelope;
                told.structure = told.structure.take().or_else(|| Structure::read_item(rest.get(at..)?));
            }
            FetchEvent::Inline { .. } | FetchEvent::Literal { .. } | FetchEvent::Opaque => {}
        });
        let Some(octets) = literal.and_then(|size| usize::try_from(size).ok()) else { break };
        at = at.saturating_add(end).saturating_add(octets);
    }
    told
}

#[cfg(test)]
mod tests;
