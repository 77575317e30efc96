//! Where does a line end, and where does a literal begin? The only place that counts bytes.
//!
//! ```text
//!   client    a1 APPEND x {5}␍␊hello␍␊        strict: CRLF only, numbers to the letter
//!   upstream  * 1 FETCH (BODY[] {5}␍␊hello)␍␊  lenient: what can be framed, passes
//! ```
//!
//! Framing knows quotes and literals and nothing of verbs, so boundaries hold for garbage, too, and the octets of a
//! literal are never read as a command. It keeps no bytes: it looks at a buffer that its caller holds and remembers
//! how far it has looked, so nothing is scanned twice.

use memchr::{memchr, memrchr};

/// A literal announced at the end of a line (RFC 9051 §4.3, RFC 7888, RFC 3516 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Octets that follow the line.
    pub size: u64,
    /// Does the sender wait for a continuation request (`{n}`, not `{n+}`)?
    pub sync: bool,
    /// Is it a literal8 (`~{n}`)?
    pub binary: bool,
}

/// Why a client's bytes cannot be framed. None of these may ever reach the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// A line ended in LF without CR, or held a CR without LF.
    BareLineEnd,
    /// The line is longer than `max_line`.
    LineTooLong,
    /// A quoted string is open at the end of the line.
    OpenQuote,
    /// `{…}` at the end of the line holds no number of RFC 9051 (sign, blank, leading zero, overflow).
    BadLiteral,
    /// The line says a non-synchronizing literal in a way that cannot be counted: what follows cannot be told from commands.
    Lost,
}

/// What stands at the beginning of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// Not yet a whole line.
    More,
    /// A line that ends at `end` (exclusive, CRLF included) and announces a literal.
    Literal {
        /// End of the line.
        end: usize,
        /// What it announces.
        literal: Announced,
    },
    /// The last line of a command, ending at `end` (exclusive, CRLF included).
    Complete {
        /// End of the line.
        end: usize,
    },
    /// The line cannot be taken; it ends at `end`, if it has ended.
    Fault {
        /// Why.
        fault: FrameFault,
        /// End of the line, LF included; `None` where the end has not come.
        end: Option<usize>,
    },
}

/// Finds the lines of a client's command. One per command: after `Complete` begin anew.
#[derive(Debug, Default, Clone)]
pub struct CommandFramer {
    /// Where the line under way begins.
    line: usize,
    /// Up to where it has been searched for its end.
    searched: usize,
}

impl CommandFramer {
    /// Looks for the end of the line that begins where the last line or literal ended.
    /// `buffer` holds the command from its first octet; `max_line` is the longest line, literals not counted.
    pub fn next(&mut self, buffer: &[u8], max_line: usize) -> Framed {
        let from = self.searched.max(self.line).min(buffer.len());
        let Some(found) = memchr(b'\n', buffer.get(from..).unwrap_or_default()) else {
            self.searched = buffer.len();
            return if buffer.len().saturating_sub(self.line) > max_line {
                Framed::Fault { fault: FrameFault::LineTooLong, end: None }
            } else {
                Framed::More
            };
        };
        let end = from.saturating_add(found).saturating_add(1);
        let line = buffer.get(self.line..end).unwrap_or_default();
        let fault = |fault| Framed::Fault { fault, end: Some(end) };
        if line.len() > max_line {
            return fault(FrameFault::LineTooLong);
        }
        let Some(text) = line.strip_suffix(b"\r\n") else { return fault(FrameFault::BareLineEnd) };
        let special = memchr::memchr2(b'\r', b'"', text);
        if special.is_some_and(|at| memchr(b'\r', text.get(at..).unwrap_or_default()).is_some()) {
            return fault(FrameFault::BareLineEnd);
        }
        let open_quote = |text| special.is_some() && open_quote(text);
        if text.last() != Some(&b'}') {
            return if open_quote(text) { fault(FrameFault::OpenQuote) } else { Framed::Complete { end } };
        }
        match (open_quote(text), announced(text)) {
            (false, Ok(Some(literal))) => {
                self.line = end;
                self.searched = end;
                Framed::Literal { end, literal }
            }
            (false, Ok(None)) => Framed::Complete { end },
            // A parser that does not know quotes would swallow n octets here: no safe way on (surface F.3).
            (true, Ok(Some(literal))) if !literal.sync => fault(FrameFault::Lost),
            (true, _) => fault(FrameFault::OpenQuote),
            (false, Err(BadNumber { nonsync: true })) => fault(FrameFault::Lost),
            (false, Err(BadNumber { nonsync: false })) => fault(FrameFault::BadLiteral),
        }
    }

    /// The literal just announced is in the buffer, too: go on behind it.
    pub fn skip(&mut self, octets: usize) {
        self.line = self.line.saturating_add(octets);
        self.searched = self.line;
    }

    /// Where the line under way begins.
    #[must_use]
    pub fn line_start(&self) -> usize {
        self.line
    }

    /// Begins a new command.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Is a quoted string open at the end of `text`? (`\` quotes the next octet inside one, RFC 9051 §9 `quoted`.)
fn open_quote(text: &[u8]) -> bool {
    let mut rest = text;
    let mut open = false;
    while let Some(at) = if open { memchr::memchr2(b'"', b'\\', rest) } else { memchr(b'"', rest) } {
        let skip = if rest.get(at) == Some(&b'\\') {
            2
        } else {
            open = !open;
            1
        };
        rest = rest.get(at.saturating_add(skip)..).unwrap_or_default();
    }
    open
}

struct BadNumber {
    nonsync: bool,
}

/// Reads `{n}`, `{n+}`, `~{n}`, `~{n+}` at the end of `text`, which ends in `}`. A brace without a digit behind it is text
/// for the grammar to judge.
fn announced(text: &[u8]) -> Result<Option<Announced>, BadNumber> {
    let Some(open) = memrchr(b'{', text) else { return Ok(None) };
    let inside = text.get(open.saturating_add(1)..text.len().saturating_sub(1)).unwrap_or_default();
    let (digits, sync) = match inside.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (inside, true),
    };
    // RFC 9051: number64 up to 2^63-1; a leading zero is read differently by different servers (quirk L05), so it is refused.
    let size = match digits {
        [] => None,
        [b'0', _, ..] => None,
        _ if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok())
        }
        _ => None,
    };
    let Some(size) = size.and_then(|size| u64::try_from(size).ok()) else {
        return Err(BadNumber { nonsync: inside.contains(&b'+') });
    };
    let binary = open.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'~');
    Ok(Some(Announced { size, sync, binary }))
}

/// What ends at a line end of the upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseEnd {
    /// The response ends here.
    Complete,
    /// A literal of so many octets follows.
    Literal(u64),
    /// A literal follows whose length does not fit 64 bits: nothing behind it can be framed (quirk L08).
    Overflow,
}

/// What a line of the upstream's (its line end included) ends in. Lenient, as quirks are: LF alone ends a line, leading
/// zeros and negative numbers occur; whatever is no number in braces is text.
#[must_use]
pub fn response_end(line: &[u8]) -> ResponseEnd {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let Some(text) = text.strip_suffix(b"}") else { return ResponseEnd::Complete };
    let Some(open) = memrchr(b'{', text) else { return ResponseEnd::Complete };
    let inside = text.get(open.saturating_add(1)..).unwrap_or_default();
    let digits = inside.strip_prefix(b"-").unwrap_or(inside);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || open_quote(text) {
        return ResponseEnd::Complete;
    }
    if digits.len() != inside.len() {
        return ResponseEnd::Literal(0); // a negative length stands for nothing (quirk L06)
    }
    match std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok()) {
        Some(size) => ResponseEnd::Literal(size),
        None => ResponseEnd::Overflow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Framed {
        CommandFramer::default().next(bytes, 64)
    }

    const fn literal(end: usize, size: u64, sync: bool, binary: bool) -> Framed {
        Framed::Literal { end, literal: Announced { size, sync, binary } }
    }

    const fn fault(fault: FrameFault, end: usize) -> Framed {
        Framed::Fault { fault, end: Some(end) }
    }

    #[test]
    fn a_clients_lines() {
        let rows: &[(&str, &[u8], Framed)] = &[
            ("whole", b"a NOOP\r\nb", Framed::Complete { end: 8 }),
            ("unfinished", b"a NOOP\r", Framed::More),
            ("synchronizing", b"a X {5}\r\n", literal(9, 5, true, false)),
            ("non-synchronizing", b"a X {5+}\r\n", literal(10, 5, false, false)),
            ("literal8", b"a X ~{5}\r\n", literal(10, 5, true, true)),
            ("in a quoted string", b"a X \"{5}\r\n", fault(FrameFault::OpenQuote, 10)),
            ("in a closed one", b"a X \"{5}\"\r\n", Framed::Complete { end: 11 }),
            ("escaped quote", b"a X \"\\\"{5}\"\r\n", Framed::Complete { end: 13 }),
            ("open quote, non-synchronizing", b"a X \"{5+}\r\n", fault(FrameFault::Lost, 11)),
            ("bare LF", b"a X\n", fault(FrameFault::BareLineEnd, 4)),
            ("bare LF behind a literal", b"a X {5}\n", fault(FrameFault::BareLineEnd, 8)),
            ("bare CR", b"a\rX\r\n", fault(FrameFault::BareLineEnd, 5)),
            ("leading zero", b"a X {05}\r\n", fault(FrameFault::BadLiteral, 10)),
            ("sign", b"a X {-5}\r\n", fault(FrameFault::BadLiteral, 10)),
            ("blank", b"a X { 5}\r\n", fault(FrameFault::BadLiteral, 10)),
            ("plus before", b"a X {+5}\r\n", fault(FrameFault::Lost, 10)),
            ("two plus", b"a X {5++}\r\n", fault(FrameFault::Lost, 11)),
            ("beyond 63 bits", b"a X {9223372036854775808}\r\n", fault(FrameFault::BadLiteral, 27)),
            ("beyond 63 bits, unstoppable", b"a X {9223372036854775808+}\r\n", fault(FrameFault::Lost, 28)),
            ("zero", b"a X {0}\r\n", literal(9, 0, true, false)),
        ];
        for (name, bytes, want) in rows {
            assert_eq!(first(bytes), *want, "{name}");
        }
        assert_eq!(first(&[b'x'; 65]), Framed::Fault { fault: FrameFault::LineTooLong, end: None });
    }

    #[test]
    fn cutting_never_matters() {
        let command = b"a LOGIN {5}\r\nal\r\n {3+}\r\nx\ny\r\n";
        let mut framer = CommandFramer::default();
        let mut seen = Vec::new();
        for upto in 0..=command.len() {
            let mut again = true;
            while again {
                again = false;
                let have = command.get(..upto).unwrap();
                if framer.line_start() > have.len() {
                    continue;
                }
                match framer.next(have, 64) {
                    Framed::Literal { literal, .. } => {
                        seen.push(literal.size);
                        framer.skip(usize::try_from(literal.size).unwrap());
                        again = true;
                    }
                    Framed::Complete { end } => assert_eq!(end, command.len()),
                    Framed::More => {}
                    Framed::Fault { fault, .. } => panic!("{fault:?}"),
                }
            }
        }
        assert_eq!(seen, [5, 3]);
    }

    #[test]
    fn an_upstreams_lines() {
        let rows: &[(&str, &[u8], ResponseEnd)] = &[
            ("plain", b"* 1 EXISTS\r\n", ResponseEnd::Complete),
            ("literal", b"* 1 FETCH (BODY[] {12}\r\n", ResponseEnd::Literal(12)),
            ("leading zero", b"* 1 FETCH (BODY[] {012}\r\n", ResponseEnd::Literal(12)),
            ("negative", b"* 1 FETCH (BODY[] {-1}\r\n", ResponseEnd::Literal(0)),
            ("LF", b"* 1 FETCH (BODY[] {5}\n", ResponseEnd::Literal(5)),
            ("quoted", b"* LIST () \"/\" \"a{5}\"\r\n", ResponseEnd::Complete),
            ("2^32", b"* 2 FETCH (BODY[] {4294967296}\r\n", ResponseEnd::Literal(4_294_967_296)),
            ("too large", b"* 2 FETCH (BODY[] {99999999999999999999}\r\n", ResponseEnd::Overflow),
            ("not a number", b"* 2 FETCH (X {a}\r\n", ResponseEnd::Complete),
        ];
        for (name, bytes, want) in rows {
            assert_eq!(response_end(bytes), *want, "{name}");
        }
    }
}
