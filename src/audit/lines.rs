//! A segment's bytes → lines, in constant memory.
//!
//! ```text
//!   … ,"data":{…}}\n {"v":1,"seq":7,"prev":"…", … }\n {"v":1,"se
//!                    └──────── Piece::Line ───────┘  └ Piece::Unfinished
//! ```

use std::io::{self, Read};

use super::record::MAX_LINE;

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
    /// Octets behind the last `\n`; none where the file ends as it should. Should the file grow, the line goes on.
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
                return Ok(Piece::Unfinished((self.end - self.start) as u64));
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
    fn a_file_that_grows_goes_on_where_it_ended() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("grows");
        std::fs::write(&path, "one\ntw").expect("it can be written");
        let mut lines = Lines::new(std::fs::File::open(&path).expect("it is there"));
        assert_eq!(lines.next().expect("read"), Piece::Line(b"one"));
        for _ in 0..2 {
            assert_eq!(lines.next().expect("read"), Piece::Unfinished(2));
        }
        std::fs::write(&path, "one\ntwo\nthree\n").expect("it can be written");
        assert_eq!(lines.next().expect("read"), Piece::Line(b"two"));
        assert_eq!(lines.next().expect("read"), Piece::Line(b"three"));
        assert_eq!(lines.next().expect("read"), Piece::Unfinished(0));
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
}
