//! What does each upstream offer before login? Asked once, so that the first client has the same choice as all others.
//!
//! ```text
//!   connect ─▶ greeting ─▶ [STARTTLS ─▶ TLS] ─▶ CAPABILITY ─▶ LOGOUT
//!        └─ away ─▶ again a little later, for as long as nothing is known
//! ```
//!
//! Sessions learn the same whenever somebody logs in. But a client that logs in with a token, and is not told that it may,
//! never would: somebody has to ask before. Knows nothing of clients; no credentials ever pass here.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::leg::{Heard, Leg};
use super::server::Server;
use super::upstream::{Connected, Connector};
use crate::session::UpstreamInfo;

/// From one round to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// Octets of an answer. What says more than this before login is no IMAP server.
const MAX_ANSWER: usize = 64 * 1024;

/// Asks every upstream of which nothing is known, for as long as there is a server. Those of a reload come in turn.
pub(super) async fn acquaint(server: Weak<Server>) {
    while let Some(server) = server.upgrade() {
        let mut asked = JoinSet::new();
        for info in server.shared().upstreams.iter().filter(|info| !info.is_known()) {
            if let Some(connector) = server.connector(&info.name) {
                asked.spawn(ask(connector, Arc::clone(info)));
            }
        }
        drop(server);
        while asked.join_next().await.is_some() {}
        sleep(AGAIN).await;
    }
}

async fn ask(connector: Arc<Connector>, info: Arc<UpstreamInfo>) {
    // Why it cannot be reached has been said by the connector.
    let Ok(connected) = connector.connect().await else { return };
    let limit = connector.timeout();
    match timeout(limit, capabilities(connected, &connector, info.starttls)).await {
        Ok(Ok(list)) => info.learn(list.split(|octet| *octet == b' ')),
        Ok(Err(error)) => tracing::debug!(upstream = %info.name, %error, "the upstream does not say what it offers"),
        Err(_) => tracing::debug!(upstream = %info.name, "the upstream does not say what it offers in time"),
    }
}

/// What stands behind `* CAPABILITY`.
async fn capabilities(connected: Connected, connector: &Connector, starttls: bool) -> io::Result<Vec<u8>> {
    let Connected { leg, server, tls } = connected;
    let mut talk = Talk { leg, heard: Vec::new() };
    if !starts_with(&talk.line().await?, b"* OK") {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    if starttls && !tls {
        talk.run(b"s1 STARTTLS\r\n").await?;
        // Nothing that came in clear survives (RFC 9051 §6.2.1).
        if !talk.heard.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        connector.begin_tls(&mut talk.leg, server)?;
        poll_fn(|cx| talk.leg.poll_handshake(cx)).await?;
    }
    let list = talk.run(b"s2 CAPABILITY\r\n").await?.ok_or(io::ErrorKind::InvalidData)?;
    // It has said what was asked: how it takes the farewell does not matter.
    let _ = talk.run(b"s3 LOGOUT\r\n").await;
    let _ = poll_fn(|cx| talk.leg.poll_close(cx)).await;
    Ok(list)
}

/// A conversation, line by line.
struct Talk {
    leg: Leg,
    heard: Vec<u8>,
}

impl Talk {
    /// A command, which must end in OK; the capabilities, if they were told.
    async fn run(&mut self, command: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.leg.queue(command.to_vec());
        let tag = command.get(..3).unwrap_or_default();
        let mut told = None;
        loop {
            let line = self.line().await?;
            if let Some(list) = behind(&line, b"* CAPABILITY ") {
                told = Some(list.to_vec());
            } else if let Some(status) = behind(&line, tag) {
                return if starts_with(status, b"OK") { Ok(told) } else { Err(io::ErrorKind::Unsupported.into()) };
            }
        }
    }

    /// A line without its end. What waits to go out goes first: the command, or the last words of a handshake.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.heard) {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(line.trim_ascii_end().to_vec());
            }
            if self.heard.len() > MAX_ANSWER {
                return Err(io::ErrorKind::InvalidData.into());
            }
            poll_fn(|cx| self.leg.poll_flush(cx)).await?;
            let heard = &mut self.heard;
            let read = poll_fn(|cx| self.leg.poll_read(cx, &mut |octets| heard.extend_from_slice(octets))).await?;
            if read == Heard::End {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn starts_with(line: &[u8], words: &[u8]) -> bool {
    behind(line, words).is_some()
}

/// The rest of a line that begins with these words, in any case.
fn behind<'l>(line: &'l [u8], words: &[u8]) -> Option<&'l [u8]> {
    let (head, rest) = line.split_at_checked(words.len())?;
    head.eq_ignore_ascii_case(words).then_some(rest)
}
