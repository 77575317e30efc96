//! Whole commands from a socket, literals included, within limits.
//!
//! ```text
//!   a APPEND Sent (\Seen) {5}␍␊ │ hello │ ␍␊        next_line, read_literal, next_line, take
//! ```
//!
//! A command is collected in one buffer, mail and all: what is appended stays in memory anyway. Every future here may be
//! dropped half-way; what has been read stays read.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::commands::Refused;
use crate::wire::command::append::{AppendNext, MessageForm, parse_append_continuation};
use crate::wire::command::{AppendPrefix, Command, CommandPrefix, Utf8Mode};
use crate::wire::frame::{Announced, CommandFramer, FrameFault, Framed};

/// The longest line.
const MAX_LINE: usize = 64 * 1024;
/// The largest argument that comes as a literal.
const MAX_ARGUMENT: u64 = 64 * 1024;
/// The largest message; a command that has brought as much brings no more.
pub(super) const MAX_MESSAGE: u64 = 64 * 1024 * 1024;
/// A buffer that has grown beyond this is given back.
const KEPT: usize = 64 * 1024;

/// What `next_line` found. The octets stay in the buffer until `take`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A command is complete.
    Complete,
    /// The line announces a literal.
    Literal(Announced),
    /// The line cannot be framed; if `whole`, its end is known.
    Fault { fault: FrameFault, whole: bool },
    /// The client has closed its side.
    Closed,
}

/// A literal that is about to come.
#[derive(Debug)]
pub(super) enum Expected<'b> {
    /// An argument of some command.
    Argument,
    /// The first message of an APPEND.
    Message(Box<AppendPrefix<'b>>),
    /// One more message of an APPEND that has been let in.
    OneMore,
}

pub(super) struct Incoming<R> {
    rx: R,
    buffer: Vec<u8>,
    framer: CommandFramer,
    /// Up to where the command under way has been framed.
    framed: usize,
    /// Where the message that was sent last ends.
    message_end: Option<usize>,
    literal_is_message: bool,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub fn new(rx: R) -> Self {
        Self {
            rx,
            buffer: Vec::new(),
            framer: CommandFramer::default(),
            framed: 0,
            message_end: None,
            literal_is_message: false,
        }
    }

    /// Reads up to the end of a line.
    pub async fn next_line(&mut self) -> io::Result<Line> {
        loop {
            match self.framer.next(&self.buffer, MAX_LINE) {
                Framed::More => {
                    if self.fill().await? == 0 {
                        return Ok(Line::Closed);
                    }
                }
                Framed::Literal { end, literal } => {
                    self.framed = end;
                    return Ok(Line::Literal(literal));
                }
                Framed::Complete { end } => {
                    self.framed = end;
                    return Ok(Line::Complete);
                }
                Framed::Fault { fault, end } => {
                    self.framed = end.unwrap_or(self.buffer.len());
                    return Ok(Line::Fault { fault, whole: end.is_some() });
                }
            }
        }
    }

    /// What is the literal that the last line announces? It is refused if no command goes on so, or it is too large.
    pub fn expected(&mut self, literal: Announced) -> Result<Expected<'_>, Refused> {
        let frame = self.buffer.get(..self.framed).unwrap_or_default();
        let expected = match self.message_end {
            None => match Command::parse_prefix(frame, Utf8Mode::Off)? {
                CommandPrefix::MessageLiteral(message) => Expected::Message(Box::new(message.append)),
                CommandPrefix::ArgumentLiteral(_) => Expected::Argument,
            },
            Some(end) => {
                let behind = frame.get(end..).unwrap_or_default();
                match parse_append_continuation(behind, MessageForm::Plain, true, Utf8Mode::Off)?.then {
                    AppendNext::Message(MessageForm::Plain, _) => Expected::OneMore,
                    AppendNext::Message(..) => return Err(Refused::bad("only plain messages can be appended")),
                    AppendNext::Argument(_) | AppendNext::End => Expected::Argument,
                }
            }
        };
        let held = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        self.literal_is_message = !matches!(expected, Expected::Argument);
        if self.literal_is_message && is_too_big(held, literal.size) {
            return Err(Refused::No("[TOOBIG] the message is too large".into()));
        }
        if !self.literal_is_message && literal.size > MAX_ARGUMENT {
            return Err(Refused::bad("the literal is too large"));
        }
        Ok(expected)
    }

    /// Reads the literal that the last line announced.
    pub async fn read_literal(&mut self, literal: Announced) -> io::Result<()> {
        let size = usize::try_from(literal.size).unwrap_or(usize::MAX);
        let end = self.framed.saturating_add(size);
        while self.buffer.len() < end {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.framer.skip(size);
        self.framed = end;
        if self.literal_is_message {
            self.message_end = Some(end);
        }
        Ok(())
    }

    /// Reads past the rest of a command whose literal is not wanted but comes, and gives what stood before it. `None` if
    /// the client goes away, or the rest cannot be framed.
    pub async fn skip_command(&mut self, mut literal: Announced) -> io::Result<Option<Vec<u8>>> {
        let frame = self.take();
        loop {
            let mut left = literal.size;
            while left > 0 {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    return Ok(None);
                }
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                self.buffer.drain(..here);
                left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
            }
            match self.next_line().await? {
                // A synchronizing literal would never come: the client waits for an answer.
                Line::Literal(next) if !next.sync => literal = next,
                Line::Complete | Line::Literal(_) => {
                    self.take();
                    return Ok(Some(frame));
                }
                Line::Fault { .. } | Line::Closed => return Ok(None),
            }
            self.take();
        }
    }

    /// Takes what has been framed out of the buffer; what is behind it is the next command.
    pub fn take(&mut self) -> Vec<u8> {
        let behind = self.buffer.split_off(self.framed.min(self.buffer.len()));
        let frame = std::mem::replace(&mut self.buffer, behind);
        self.framer.reset();
        self.framed = 0;
        self.message_end = None;
        frame
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT);
        }
        self.buffer.reserve(4096);
        self.rx.read_buf(&mut self.buffer).await
    }
}

/// May a message of that size not come behind as much of its command?
const fn is_too_big(held: u64, size: u64) -> bool {
    size > MAX_MESSAGE || held > MAX_MESSAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_too_big() {
        let rows = [
            ("the largest", 40, MAX_MESSAGE, false),
            ("larger", 40, MAX_MESSAGE + 1, true),
            ("one more behind a small one", 1_000, MAX_MESSAGE, false),
            ("one more behind the largest", MAX_MESSAGE + 40, 1, true),
        ];
        for (name, held, size, want) in rows {
            assert_eq!(is_too_big(held, size), want, "{name}");
        }
    }
}
