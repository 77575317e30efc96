//! One session, from the client's side.
//!
//! Every answer is read to its tagged response, which must have the tag that is awaited and say OK; anything else is an
//! error that ends the measurement.

use std::io;

use base64::Engine as _;

use super::door::Door;
use super::responses::{End, Responses};
use super::stream::Stream;

/// A session.
pub struct Client {
    stream: Stream,
    responses: Responses,
    /// Commands sent.
    sent: u64,
}

/// What came with an answer, its tagged response included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer {
    /// Untagged responses.
    pub untagged: u64,
    /// Octets.
    pub octets: u64,
}

impl Client {
    /// Connects, and reads the greeting.
    pub async fn connect(door: &Door) -> io::Result<Self> {
        let stream = door.connect().await?;
        let mut client = Self { stream, responses: Responses::default(), sent: 0 };
        while client.responses.untagged == 0 {
            if let Some(end) = client.responses.next()? {
                return Err(io::Error::other(format!("the greeting is {end:?}")));
            }
            if client.responses.untagged == 0 {
                client.read().await?;
            }
        }
        Ok(client)
    }

    /// Connects and logs in as the user of this number.
    pub async fn session(door: &Door, number: usize) -> io::Result<Self> {
        let mut client = Self::connect(door).await?;
        client.command(&format!("LOGIN {} secret", door.user(number))).await?;
        Ok(client)
    }

    /// AUTHENTICATE PLAIN with an initial response.
    pub async fn authenticate(&mut self, user: &str) -> io::Result<Answer> {
        let response = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0secret"));
        self.command(&format!("AUTHENTICATE PLAIN {response}")).await
    }

    /// A command, to its tagged response.
    pub async fn command(&mut self, text: &str) -> io::Result<Answer> {
        self.pipeline(std::iter::once(text)).await
    }

    /// Commands in one write, to the tagged response of the last.
    pub async fn pipeline<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> io::Result<Answer> {
        let first = self.sent + 1;
        let mut out = Vec::with_capacity(128);
        for text in texts {
            self.sent += 1;
            out.extend_from_slice(tag(self.sent).as_bytes());
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&out).await?;
        self.answers(first).await
    }

    /// Appends a message, asking first or (LITERAL+) not.
    pub async fn append(&mut self, message: &[u8], ask: bool) -> io::Result<Answer> {
        self.sent += 1;
        let (tag, size, plus) = (tag(self.sent), message.len(), if ask { "" } else { "+" });
        self.stream.write_all(format!("{tag}APPEND Drafts (\\Seen) {{{size}{plus}}}\r\n").as_bytes()).await?;
        if ask {
            self.continuation().await?;
        }
        self.stream.write_all(message).await?;
        self.stream.write_all(b"\r\n").await?;
        self.answers(self.sent).await
    }

    /// Waits for whatever there is to tell.
    pub async fn idle(&mut self) -> io::Result<()> {
        self.sent += 1;
        self.stream.write_all(format!("{}IDLE\r\n", tag(self.sent)).as_bytes()).await?;
        self.continuation().await
    }

    /// Ends the wait.
    pub async fn done(&mut self) -> io::Result<Answer> {
        self.stream.write_all(b"DONE\r\n").await?;
        self.answers(self.sent).await
    }

    /// LOGOUT, to the end of the connection, which is the server's to close.
    pub async fn logout(mut self) -> io::Result<()> {
        self.command("LOGOUT").await?;
        let mut rest = [0; 256];
        loop {
            match self.stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Closed without the alert that TLS has for that.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Did a ticket spare the full handshake?
    pub fn resumed(&self) -> bool {
        self.stream.resumed()
    }

    /// Reads the answers to all commands sent, from the one with this number.
    async fn answers(&mut self, first: u64) -> io::Result<Answer> {
        let (untagged, octets) = (self.responses.untagged, self.responses.octets);
        for number in first..=self.sent {
            let line = match self.end().await? {
                End::Tagged(line) => line,
                End::Continuation => return Err(io::Error::other("a continuation that nobody asked for")),
            };
            match line.strip_prefix(&tag(number)) {
                Some(rest) if rest.starts_with("OK") => {}
                Some(_) => return Err(io::Error::other(format!("answered: {line}"))),
                None => return Err(io::Error::other(format!("answered out of turn, {number} awaited: {line}"))),
            }
        }
        Ok(Answer { untagged: self.responses.untagged - untagged, octets: self.responses.octets - octets })
    }

    async fn continuation(&mut self) -> io::Result<()> {
        match self.end().await? {
            End::Continuation => Ok(()),
            End::Tagged(line) => Err(io::Error::other(format!("answered: {line}"))),
        }
    }

    async fn end(&mut self) -> io::Result<End> {
        loop {
            if let Some(end) = self.responses.next()? {
                return Ok(end);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let read = self.stream.read(self.responses.room()).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
        }
        self.responses.filled(read);
        Ok(())
    }
}

/// With the blank that follows it.
fn tag(number: u64) -> String {
    format!("a{number} ")
}
