//! Where does an answer end? Lines are cut at LF, literals by their count.
//!
//! ```text
//!   * 1 FETCH (UID 1 BODY[] {5}⏎ a1 OK ) ⏎      one untagged response: what is in a literal is no line
//!   a1 OK Fetch completed⏎                        the end
//! ```

use std::io;

/// What ends a wait.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// `+ …`
    Continuation,
    /// `a1 OK …`: the line.
    Tagged(String),
}

/// What has been read and not yet been looked at, and counts of what has.
#[derive(Default)]
pub struct Responses {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// Octets of a literal that are still to come.
    literal: u64,
    /// The line at hand goes on with what began before a literal.
    goes_on: bool,
    /// Untagged responses seen.
    pub untagged: u64,
    /// Octets seen.
    pub octets: u64,
}

/// A buffer at first, and at most: a session that waits holds little.
const BUFFER: (usize, usize) = (1 << 10, 256 << 10);

impl Responses {
    /// The next end that the octets at hand hold.
    pub fn next(&mut self) -> io::Result<Option<End>> {
        loop {
            let held = &self.buffer[self.begin..self.end];
            if self.literal > 0 {
                let part = held.len().min(usize::try_from(self.literal).unwrap_or(usize::MAX));
                self.literal -= part as u64;
                self.begin += part;
                if self.literal > 0 {
                    return Ok(None);
                }
                continue;
            }
            let Some(length) = memchr::memchr(b'\n', held).map(|at| at + 1) else { return Ok(None) };
            let line = &held[..length];
            let starts = !std::mem::replace(&mut self.goes_on, false);
            self.begin += length;
            if let Some(size) = literal(line) {
                self.literal = size;
                self.goes_on = true;
            }
            match line[0] {
                b'*' if starts => self.untagged += 1,
                b'+' if starts => return Ok(Some(End::Continuation)),
                _ if starts => {
                    return Ok(Some(End::Tagged(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())));
                }
                _ => {}
            }
        }
    }

    /// Room to read into.
    pub fn room(&mut self) -> &mut [u8] {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() {
            if self.begin > 0 {
                self.buffer.copy_within(self.begin..self.end, 0);
                (self.begin, self.end) = (0, self.end - self.begin);
            } else {
                self.buffer.resize((self.buffer.len() * 4).max(BUFFER.0), 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// So many octets of that room have been read into.
    pub fn filled(&mut self, read: usize) {
        self.end += read;
        self.octets += read as u64;
        // The read that took all there was room for will not be the last.
        if self.begin == 0 && self.end == self.buffer.len() && self.end < BUFFER.1 {
            self.buffer.resize(self.end * 4, 0);
        }
    }
}

/// `{n}` at the end of a line.
fn literal(line: &[u8]) -> Option<u64> {
    let inner = line.trim_ascii_end().strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}
