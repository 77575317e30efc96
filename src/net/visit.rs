//! A login of an operator's own, beside all sessions: to see what is there.
//!
//! ```text
//!   Connector, as sessions use it ─▶ greeting, TLS ─▶ CAPABILITY ─▶ AUTHENTICATE PLAIN or LOGIN ─▶ commands, one by one
//! ```
//!
//! No rule stands between: whoever visits knows the password. Nothing is recorded, as nothing is relayed.

use std::future::Future;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::timeout;

use super::talk::{Talk, behind, starts_with};
use super::upstream::Connector;
use crate::session::ConnectFailure;

/// Responses of one command that are kept.
const MAX_RESPONSES: usize = 200_000;

/// A connection that is logged in, or is about to be.
pub struct Visit {
    talk: Talk,
    /// Number of the last command.
    tag: u32,
    capabilities: Vec<String>,
    timeout: Duration,
}

/// Why a visit comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// There is no way to it.
    #[error("{0}")]
    Unreachable(&'static str),
    /// The connection ended, or said nothing for too long.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// It said NO or BAD, with this text.
    #[error("the server says: {0}")]
    Refused(String),
    /// It offers no login by password.
    #[error("the server takes no password here")]
    NoPassword,
}

impl Visit {
    /// Connects as sessions do.
    ///
    /// # Errors
    /// Where there is no way to the upstream, or it does not speak IMAP.
    pub async fn begin(connector: &Connector) -> Result<Self, VisitError> {
        let connected = connector.connect(None).await.map_err(|failure| {
            VisitError::Unreachable(match failure {
                ConnectFailure::Refused => "it cannot be reached",
                ConnectFailure::Timeout => "it does not answer in time",
                ConnectFailure::Tls => "TLS fails: its certificate, its name or its protocol",
            })
        })?;
        let limit = connector.timeout();
        let talk = within(limit, Talk::begin(connected, connector)).await?;
        let mut visit = Self { talk, tag: 0, capabilities: Vec::new(), timeout: limit };
        visit.ask_capabilities().await?;
        Ok(visit)
    }

    /// Logs in as `user`, with the password of `actor` where that is somebody else.
    ///
    /// # Errors
    /// Where it is refused, or the connection breaks.
    pub async fn login(&mut self, user: &str, actor: Option<&str>, password: &str) -> Result<(), VisitError> {
        if self.offers("AUTH=PLAIN") {
            let authzid = if actor.is_some() { user } else { "" };
            let proof = STANDARD.encode(format!("{authzid}\0{}\0{password}", actor.unwrap_or(user)));
            self.exchange(b"AUTHENTICATE PLAIN", &[proof.into_bytes()]).await?;
        } else if self.offers("LOGINDISABLED") || actor.is_some() {
            return Err(VisitError::NoPassword);
        } else {
            // Literals say any octet, and never need quotes.
            let command = format!("LOGIN {{{}}}", user.len());
            let name = [user.as_bytes(), format!(" {{{}}}", password.len()).as_bytes()].concat();
            self.exchange(command.as_bytes(), &[name, password.as_bytes().to_vec()]).await?;
        }
        self.ask_capabilities().await
    }

    /// Is that among the capabilities?
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|offered| offered.eq_ignore_ascii_case(capability))
    }

    /// The untagged responses to a command that must end in OK.
    ///
    /// # Errors
    /// Where it does not, or the connection breaks.
    pub async fn run(&mut self, command: &[u8]) -> Result<Vec<Vec<u8>>, VisitError> {
        self.exchange(command, &[]).await
    }

    /// The same of a command with literals, in pieces each of which but the last ends where a literal is announced.
    ///
    /// # Errors
    /// Where it does not end in OK, or the connection breaks.
    pub async fn run_in_pieces(&mut self, pieces: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, VisitError> {
        let lines: Vec<Vec<u8>> =
            pieces.iter().map(|piece| piece.strip_suffix(b"\r\n").unwrap_or(piece).to_vec()).collect();
        let (first, rest) = lines.split_first().ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        self.exchange(first, rest).await
    }

    /// Logs out.
    pub async fn end(mut self) {
        self.talk.say(b"v0 LOGOUT\r\n".to_vec());
        self.talk.close().await;
    }

    async fn ask_capabilities(&mut self) -> Result<(), VisitError> {
        let told = self.run(b"CAPABILITY").await?;
        let lists = told.iter().filter_map(|line| behind(line, b"* CAPABILITY "));
        let words = lists.flat_map(|list| list.trim_ascii_end().split(|octet| *octet == b' '));
        self.capabilities = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        Ok(())
    }

    /// A command, and a line for each continuation that it is asked for.
    async fn exchange(&mut self, command: &[u8], lines: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, VisitError> {
        self.tag = self.tag.wrapping_add(1);
        let tag = format!("v{} ", self.tag);
        self.say(&[tag.as_bytes(), command].concat());
        let (mut told, mut lines) = (Vec::new(), lines.iter());
        loop {
            let response = within(self.timeout, self.talk.response()).await?;
            if let Some(status) = behind(&response, tag.as_bytes()) {
                return match starts_with(status, b"OK") {
                    true => Ok(told),
                    false => Err(VisitError::Refused(String::from_utf8_lossy(status.trim_ascii_end()).into_owned())),
                };
            }
            if response.starts_with(b"+") {
                let line = lines.next().ok_or(io::Error::from(io::ErrorKind::InvalidData))?;
                self.say(line);
            } else if told.len() < MAX_RESPONSES {
                told.push(response);
            } else {
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            }
        }
    }

    fn say(&mut self, line: &[u8]) {
        self.talk.say([line, b"\r\n"].concat());
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
