//! A segment's bytes → lines, in constant memory; and what the chain needs to know of one line.
//!
//! ```text
//!   … ,"data":{…}}\n {"v":1,"seq":7,"prev":"…", … }\n {"v":1,"se
//!                    └──────── Piece::Line ───────┘  └ Piece::Unfinished
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Deserialize;

use super::chain::{Hash, Position};
use super::record::{MAX_LINE, SCHEMA};

/// Octets read at once. Room for several lines of the greatest length.
const BUFFER: usize = 4 * MAX_LINE;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'l> {
    /// A line, without its `\n`.
    Line(&'l [u8]),
    /// A line longer than any record can be. This many octets of it, its `\n` included, were passed over.
    TooLong(u64),
    /// Octets behind the last `\n`; none where the file ends as it should.
    Unfinished(u64),
}

impl<R: Read> Lines<R> {
    /// Lines from where `from` stands.
    pub fn new(from: R) -> Self {
        Self { from, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The next line. [`Piece::Unfinished`] is the end.
    pub fn next(&mut self) -> io::Result<Piece<'_>> {
        let mut searched = self.start;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                let line = self.start..searched + at;
                self.start = line.end + 1;
                return Ok(Piece::Line(&self.buffer[line]));
            }
            searched = self.end;
            if self.end - self.start >= BUFFER {
                return self.pass_over();
            }
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (searched, self.end, self.start) = (searched - self.start, self.end - self.start, 0);
            }
            if self.fill()? == 0 {
                let rest = self.end - self.start;
                self.start = self.end;
                return Ok(Piece::Unfinished(rest as u64));
            }
        }
    }

    fn pass_over(&mut self) -> io::Result<Piece<'_>> {
        let mut passed = 0;
        loop {
            passed += (self.end - self.start) as u64;
            (self.start, self.end) = (0, 0);
            if self.fill()? == 0 {
                return Ok(Piece::TooLong(passed));
            }
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[..self.end]) {
                self.start = at + 1;
                return Ok(Piece::TooLong(passed + self.start as u64));
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the chain needs to know of a record. Fields that are not named here pass.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'l> {
    v: u64,
    pub seq: u64,
    prev: &'l str,
    #[serde(borrow)]
    pub log: Cow<'l, str>,
    #[serde(borrow)]
    pub node: Cow<'l, str>,
    pub ts: &'l str,
    #[serde(rename = "type")]
    pub type_name: &'l str,
    code: &'l str,
    pub stage: Option<&'l str>,
    #[serde(default)]
    pub more: bool,
    #[serde(borrow, default)]
    pub data: Facts<'l>,
}

/// Of `data`, what bears on whether the log is whole.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Facts<'l> {
    pub intent: Option<u64>,
    #[serde(borrow)]
    pub reason: Option<Cow<'l, str>>,
    pub segment: Option<u64>,
    pub records: Option<u64>,
    pub torn: Option<u64>,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub n: Option<u64>,
    #[serde(borrow)]
    pub by_type: Option<BTreeMap<Cow<'l, str>, u64>>,
}

/// Two letters, three digits, and how bad it is.
fn is_code(code: &str) -> bool {
    matches!(code.as_bytes(), [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'I' | b'W' | b'E'])
}

/// Why a line is not a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotARecord {
    /// It says that it is of another version of the schema.
    Version(u64),
    /// It says nothing that could be understood.
    Unreadable,
}

/// As much of a line as any version will have.
#[derive(Deserialize)]
struct AnyVersion {
    v: u64,
}

impl<'l> Line<'l> {
    /// Reads a line, given without its `\n`.
    pub fn parse(bytes: &'l [u8]) -> Result<Self, NotARecord> {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(line) if line.v == SCHEMA && is_code(line.code) => Ok(line),
            _ => Err(match serde_json::from_slice(bytes) {
                Ok(AnyVersion { v }) if v > SCHEMA => NotARecord::Version(v),
                _ => NotARecord::Unreadable,
            }),
        }
    }

    /// The hash that it names.
    pub fn prev(&self) -> Option<Hash> {
        self.prev.parse().ok()
    }

    /// Is this what comes next? A jump in numbers has to be named by the record behind it.
    pub fn follows(&self, position: Position) -> bool {
        self.prev() == Some(position.prev) && (self.seq == position.next_seq || self.names_gap(position.next_seq))
    }

    /// Does it say that the numbers from `first` up to its own were lost?
    pub fn names_gap(&self, first: u64) -> bool {
        self.type_name == "audit.gap"
            && self.seq > first
            && self.data.first == Some(first)
            && self.data.last == self.seq.checked_sub(1)
            && self.data.n == self.seq.checked_sub(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut pieces = Vec::new();
        loop {
            match lines.next().expect("memory can be read") {
                Piece::Line(line) => pieces.push(format!("line {}", line.len())),
                Piece::TooLong(n) => pieces.push(format!("too long {n}")),
                Piece::Unfinished(n) => {
                    pieces.push(format!("rest {n}"));
                    return pieces;
                }
            }
        }
    }

    #[test]
    fn lines_of_any_length() {
        let exact = [vec![b'a'; BUFFER - 1], vec![b'\n']].concat();
        let above = [vec![b'a'; BUFFER], b"\nbc\n".to_vec()].concat();
        let many = b"0123456789\n".repeat(BUFFER / 5);
        for (name, bytes, expected) in [
            ("nothing", &b""[..], vec!["rest 0"]),
            ("two lines", b"a\nbc\n", vec!["line 1", "line 2", "rest 0"]),
            ("an empty line", b"\n\n", vec!["line 0", "line 0", "rest 0"]),
            ("unfinished", b"a\nbc", vec!["line 1", "rest 2"]),
            ("fills the buffer", &exact, vec!["line 262143", "rest 0"]),
            ("longer than the buffer", &above, vec!["too long 262145", "line 2", "rest 0"]),
            ("never ends", &above[..BUFFER], vec!["too long 262144", "rest 0"]),
        ] {
            assert_eq!(pieces(bytes), expected, "{name}");
        }
        assert!(pieces(&many).iter().rev().skip(1).all(|piece| piece == "line 10"));
    }

    #[test]
    fn what_is_no_record() {
        for (name, line, expected) in [
            ("newer", r#"{"v":2,"number":1}"#, NotARecord::Version(2)),
            ("older", r#"{"v":0}"#, NotARecord::Unreadable),
            ("other JSON", r#"{"a":1}"#, NotARecord::Unreadable),
            ("no JSON", "\u{1}\u{2}", NotARecord::Unreadable),
            ("behind the end", r#"{"v":2} x"#, NotARecord::Unreadable),
        ] {
            assert_eq!(Line::parse(line.as_bytes()).err(), Some(expected), "{name}");
        }
    }
}
