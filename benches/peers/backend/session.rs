//! One connection: cuts what arrives into commands, and writes all answers to one read at once.
//!
//! ```text
//!   Line ──"{n}"──▶ Literal ──▶ Line ──▶ answered        a literal of APPEND is counted, not kept
//!     ├── IDLE ──▶ Idle ──"DONE"──▶ Line
//!     └── AUTHENTICATE ──▶ Sasl ──▶ Line
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::canned::Canned;
use super::commands::{self, Next};

/// What a connection reads into at first, and at most.
const READ: (usize, usize) = (4 << 10, 256 << 10);
/// An answer at least this long is written from where it lies.
const LONG: usize = 32 << 10;
/// Literals up to this are kept: a name or a password.
const KEPT: u64 = 4096;

/// Speaks IMAP until the client leaves.
pub async fn run(mut stream: impl AsyncRead + AsyncWrite + Unpin, canned: &'static Canned) -> io::Result<()> {
    let mut session = Session { canned, expect: Expect::Line, command: Vec::new(), out: Out::default() };
    session.out.text(commands::GREETING);
    session.out.flush(&mut stream).await?;
    let mut buffer = vec![0; READ.0];
    let mut held = 0;
    while !session.out.last {
        let read = stream.read(&mut buffer[held..]).await?;
        if read == 0 {
            return Ok(());
        }
        let end = held + read;
        let taken = session.take(&buffer[..end]);
        buffer.copy_within(taken..end, 0);
        held = end - taken;
        if end == buffer.len() && buffer.len() < READ.1 {
            buffer.resize(buffer.len() * 4, 0);
        }
        session.out.flush(&mut stream).await?;
    }
    stream.shutdown().await
}

/// What the next octets are.
enum Expect {
    Line,
    Literal {
        left: u64,
        kept: bool,
    },
    /// DONE, for the command with this tag.
    Idle(Vec<u8>),
    /// The client's response to the challenge, for the command with this tag.
    Sasl(Vec<u8>),
}

struct Session {
    canned: &'static Canned,
    expect: Expect,
    /// The command so far, where it came in more than one piece.
    command: Vec<u8>,
    out: Out,
}

impl Session {
    /// Answers all commands that are complete in these octets; says how many octets are done with.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if let Expect::Literal { left, kept } = &mut self.expect {
                let part = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if *kept {
                    self.command.extend_from_slice(&rest[..part]);
                }
                *left -= part as u64;
                at += part;
                if *left == 0 {
                    self.expect = Expect::Line;
                }
                continue;
            }
            let Some(length) = memchr::memchr(b'\n', rest).map(|end| end + 1) else { break };
            self.line(rest[..length].trim_ascii_end());
            at += length;
        }
        at
    }

    fn line(&mut self, line: &[u8]) {
        match std::mem::replace(&mut self.expect, Expect::Line) {
            Expect::Idle(tag) => self.out.tagged(&tag, "OK Idle completed (0.001 + 0.000 secs)."),
            Expect::Sasl(tag) => self.out.tagged(&tag, commands::LOGGED_IN),
            Expect::Line | Expect::Literal { .. } => self.command_line(line),
        }
    }

    fn command_line(&mut self, line: &[u8]) {
        if let Some((text, size, waits)) = literal(line) {
            self.command.extend_from_slice(text);
            if waits {
                self.out.text(b"+ OK\r\n");
            }
            if size > 0 {
                self.expect = Expect::Literal { left: size, kept: size <= KEPT };
            }
            return;
        }
        let next = if self.command.is_empty() {
            commands::answer(line, self.canned, &mut self.out)
        } else {
            let mut whole = std::mem::take(&mut self.command);
            whole.extend_from_slice(line);
            commands::answer(&whole, self.canned, &mut self.out)
        };
        self.expect = match next {
            Next::Line => Expect::Line,
            Next::Idle(tag) => Expect::Idle(tag),
            Next::Sasl(tag) => Expect::Sasl(tag),
        };
    }
}

/// `… {n}` or `… {n+}`: what stands before it, how long it is, and whether the client waits to be asked for it.
fn literal(line: &[u8]) -> Option<(&[u8], u64, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let (digits, waits) = match inner[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&inner[open + 1..], true),
    };
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((&line[..open], size, waits))
}

/// What is to be written after this read.
#[derive(Default)]
pub struct Out {
    parts: Vec<Part>,
    last: bool,
}

enum Part {
    Made(Vec<u8>),
    Canned(&'static [u8]),
}

impl Out {
    /// Words of this moment.
    pub fn text(&mut self, text: &[u8]) {
        match self.parts.last_mut() {
            Some(Part::Made(made)) => made.extend_from_slice(text),
            _ => self.parts.push(Part::Made(text.to_vec())),
        }
    }

    /// Words that are always the same: copied where that is cheaper than a write of their own.
    pub fn canned(&mut self, text: &'static [u8]) {
        if text.len() < LONG { self.text(text) } else { self.parts.push(Part::Canned(text)) }
    }

    /// The end of an answer.
    pub fn tagged(&mut self, tag: &[u8], text: &str) {
        self.text(tag);
        self.text(b" ");
        self.text(text.as_bytes());
        self.text(b"\r\n");
    }

    /// Nothing follows.
    pub fn close(&mut self) {
        self.last = true;
    }

    async fn flush(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        for part in self.parts.drain(..) {
            match part {
                Part::Made(made) => stream.write_all(&made).await?,
                Part::Canned(canned) => stream.write_all(canned).await?,
            }
        }
        stream.flush().await
    }
}
