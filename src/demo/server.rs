//! A connection: bytes in, commands one after another, bytes out.
//!
//! ```text
//!   socket ──▶ Incoming ──▶ wire::command ──▶ Session ──▶ out ──▶ socket
//!                 ▲ "+" for a literal            ▲
//!                 └── Session says whether       └── changes of other sessions, in IDLE
//! ```
//!
//! It knows when a client may send what, and nothing of mail; that is the [`Session`]'s.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::commands::{CAPABILITIES, Outcome, Refused, Session};
use super::incoming::{Incoming, Line};
use super::store::Store;
use crate::imap::verb::Verb;
use crate::wire::command::{Args, Command, Fetch, Utf8Mode, tag_of};
use crate::wire::frame::{Announced, FrameFault};
use crate::wire::sasl;

/// More output than this is sent before more is made.
const OUT_HIGH: usize = 256 * 1024;
/// A buffer that has grown beyond this is given back.
const OUT_KEPT: usize = 64 * 1024;

/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves IMAP4rev1 on the listener, until the future is dropped; then all connections end, too.
pub async fn serve(listener: TcpListener, store: Store) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error is about one connection (reset before it was accepted), or about having too many of them.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let store = store.clone();
                connections.spawn(async move {
                    // A client that goes away in the middle of something is no error of ours.
                    let _ = converse(stream, store).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, store: Store) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (rx, tx) = stream.into_split();
    let mut connection = Connection { incoming: Incoming::new(rx), tx, session: Session::new(store) };
    connection.session.out.extend_from_slice(greeting().as_bytes());
    connection.flush().await?;
    while connection.one_command().await? && !connection.session.is_over() {}
    connection.flush().await?;
    connection.tx.shutdown().await
}

fn greeting() -> String {
    format!("* OK [CAPABILITY {CAPABILITIES} AUTH=PLAIN] imapwarden demo server ready\r\n")
}

struct Connection {
    incoming: Incoming<OwnedReadHalf>,
    tx: OwnedWriteHalf,
    session: Session,
}

impl Connection {
    /// Reads a command and answers it. `false` when the conversation is over.
    async fn one_command(&mut self) -> io::Result<bool> {
        loop {
            match self.incoming.next_line().await? {
                Line::Closed => return Ok(false),
                Line::Complete => {
                    let frame = self.incoming.take();
                    return self.answer(&frame).await;
                }
                Line::Literal(literal) => match self.may_send(literal) {
                    Ok(()) => self.read_literal(literal).await?,
                    Err(refused) => return self.refuse_literal(literal, refused).await,
                },
                Line::Fault { fault, whole } => return self.fault(fault, whole).await,
            }
        }
    }

    fn may_send(&mut self, literal: Announced) -> Result<(), Refused> {
        let expected = self.incoming.expected(literal)?;
        self.session.may_send(&expected)
    }

    async fn read_literal(&mut self, literal: Announced) -> io::Result<()> {
        if literal.sync {
            self.tx.write_all(b"+ go ahead\r\n").await?;
        }
        self.incoming.read_literal(literal).await
    }

    /// The client of a synchronizing literal waits, so what comes next is a command; else the rest must be read past.
    async fn refuse_literal(&mut self, literal: Announced, refused: Refused) -> io::Result<bool> {
        let frame = if literal.sync {
            self.incoming.take()
        } else {
            match self.incoming.skip_command(literal).await? {
                Some(frame) => frame,
                None => return Ok(false),
            }
        };
        self.tagged(tag_of(&frame), None, Err(refused)).await
    }

    async fn fault(&mut self, fault: FrameFault, whole: bool) -> io::Result<bool> {
        let text = match fault {
            FrameFault::BareLineEnd => "lines end in CR LF",
            FrameFault::LineTooLong => "the line is too long",
            FrameFault::OpenQuote => "a quoted string does not end",
            FrameFault::BadLiteral | FrameFault::Lost => "no literal is announced like that",
        };
        if !whole || fault == FrameFault::Lost {
            self.session.out.extend_from_slice(format!("* BYE {text}\r\n").as_bytes());
            self.flush().await?;
            return Ok(false);
        }
        let frame = self.incoming.take();
        self.tagged(tag_of(&frame), None, Err(Refused::bad(text))).await
    }

    async fn answer(&mut self, frame: &[u8]) -> io::Result<bool> {
        if frame == b"\r\n" {
            return Ok(true); // some clients send one behind APPEND
        }
        let command = match Command::parse(frame, Utf8Mode::Off) {
            Ok(command) => command,
            Err(error) => return self.tagged(tag_of(frame), None, Err(Refused::Bad(error.to_string().into()))).await,
        };
        let outcome = match (&command.args, self.session.admit(command.verb)) {
            (_, Err(refused)) => Err(refused),
            (Args::Fetch(fetch), Ok(())) => self.fetch(command.verb, fetch).await?,
            (Args::None, Ok(())) if command.verb == Verb::Idle => match self.idle().await? {
                Some(outcome) => outcome,
                None => return Ok(false),
            },
            (Args::Authenticate(authenticate), Ok(())) => {
                let initial = authenticate.initial_response.as_ref().map(|initial| initial.base64);
                match self.authenticate(authenticate.mechanism.text, initial).await? {
                    Some(outcome) => outcome,
                    None => return Ok(false),
                }
            }
            (_, Ok(())) => self.session.execute(&command),
        };
        self.session.announce(command.verb);
        self.tagged(Some(command.tag.text), Some(command.verb), outcome).await
    }

    async fn fetch(&mut self, verb: Verb, fetch: &Fetch<'_>) -> io::Result<Outcome> {
        let mut fetching = match self.session.fetch(fetch, verb.is_uid_form()) {
            Ok(fetching) => fetching,
            Err(refused) => return Ok(Err(refused)),
        };
        while self.session.fetch_next(&mut fetching) {
            if self.session.out.len() > OUT_HIGH {
                self.flush().await?;
            }
        }
        Ok(fetching.outcome())
    }

    /// IDLE until DONE (RFC 2177); changes are pushed as they happen. `None` if the client has gone.
    async fn idle(&mut self) -> io::Result<Option<Outcome>> {
        let Some(mut changes) = self.session.changes() else { return Ok(Some(Err(Refused::bad("log in first")))) };
        self.session.out.extend_from_slice(b"+ idling\r\n");
        loop {
            self.session.announce(Verb::Idle);
            self.flush().await?;
            if self.session.is_over() {
                return Ok(None);
            }
            tokio::select! {
                line = self.incoming.next_line() => return match line? {
                    Line::Closed | Line::Fault { whole: false, .. } => Ok(None),
                    _ if self.incoming.take().eq_ignore_ascii_case(b"DONE\r\n") => Ok(Some(Ok("IDLE completed".into()))),
                    _ => Ok(Some(Err(Refused::bad("IDLE ends with DONE")))),
                },
                Ok(()) = changes.changed() => {}
            }
        }
    }

    /// AUTHENTICATE PLAIN (RFC 4616), with or without an initial response. `None` if the client has gone.
    async fn authenticate(&mut self, mechanism: &str, initial: Option<&str>) -> io::Result<Option<Outcome>> {
        if !mechanism.eq_ignore_ascii_case("PLAIN") {
            return Ok(Some(Err(Refused::No("PLAIN is the only mechanism".into()))));
        }
        let response = match initial {
            Some(initial) => initial.as_bytes().to_vec(),
            None => {
                self.session.out.extend_from_slice(b"+ \r\n");
                self.flush().await?;
                match self.incoming.next_line().await? {
                    Line::Closed | Line::Fault { whole: false, .. } => return Ok(None),
                    _ => self.incoming.take().strip_suffix(b"\r\n").unwrap_or_default().to_vec(),
                }
            }
        };
        if response == b"*" {
            return Ok(Some(Err(Refused::bad("cancelled"))));
        }
        let Ok(message) = sasl::decode(&response) else { return Ok(Some(Err(Refused::bad("not base64")))) };
        Ok(Some(match sasl::plain(&message) {
            Ok(plain) => self.session.plain(&plain),
            Err(_) => Err(Refused::bad("not a message of PLAIN")),
        }))
    }

    async fn tagged(&mut self, tag: Option<&str>, verb: Option<Verb>, outcome: Outcome) -> io::Result<bool> {
        let tag = tag.unwrap_or("*");
        let line = match (outcome, verb) {
            (Ok(text), Some(verb)) if text.is_empty() => format!("{tag} OK {verb} completed\r\n"),
            (Ok(text), _) => format!("{tag} OK {text}\r\n"),
            (Err(Refused::No(text)), _) => format!("{tag} NO {text}\r\n"),
            (Err(Refused::Bad(text)), _) => format!("{tag} BAD {text}\r\n"),
        };
        self.session.out.extend_from_slice(line.as_bytes());
        self.flush().await?;
        Ok(true)
    }

    async fn flush(&mut self) -> io::Result<()> {
        write_out(&mut self.tx, &mut self.session.out).await
    }
}

async fn write_out(tx: &mut (impl AsyncWrite + Unpin), out: &mut Vec<u8>) -> io::Result<()> {
    tx.write_all(out).await?;
    out.clear();
    out.shrink_to(OUT_KEPT);
    Ok(())
}
