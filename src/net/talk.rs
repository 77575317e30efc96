//! A conversation with an upstream, beside all sessions: one response after the other.

use std::future::poll_fn;
use std::io;

use super::leg::{Heard, Leg};
use super::upstream::{Connected, Connector};

/// Octets of one response, literals included. What says more at once is no IMAP server.
const MAX_RESPONSE: usize = 256 * 1024;

/// Untagged responses that end in text for people (RFC 9051 §7.1).
const TEXTS: [&[u8]; 5] = [b"* OK", b"* NO", b"* BAD", b"* BYE", b"* PREAUTH"];

/// Nobody else speaks on this connection.
pub(super) struct Talk {
    leg: Leg,
    heard: Vec<u8>,
}

impl Talk {
    /// Waits for the greeting, and begins TLS where that is to come after it.
    pub async fn begin(connected: Connected, connector: &Connector) -> io::Result<Self> {
        let Connected { leg, server, tls } = connected;
        let mut talk = Self { leg, heard: Vec::new() };
        if !starts_with(&talk.response().await?, b"* OK") {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if connector.starttls() && !tls {
            talk.say(b"s1 STARTTLS\r\n".to_vec());
            while !talk.ends_in_ok(b"s1 ").await? {}
            // Nothing that came in clear survives (RFC 9051 §6.2.1).
            if !talk.heard.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            connector.begin_tls(&mut talk.leg, server)?;
            poll_fn(|cx| talk.leg.poll_handshake(cx)).await?;
        }
        Ok(talk)
    }

    /// What goes out when the next response is waited for.
    pub fn say(&mut self, octets: Vec<u8>) {
        self.leg.queue(octets);
    }

    /// A response with its end, literals included. What waits to go out goes first: a command, or the last words of a
    /// handshake.
    pub async fn response(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = end_of_response(&self.heard) {
                return Ok(self.heard.drain(..end).collect());
            }
            if self.heard.len() > MAX_RESPONSE {
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

    /// Is the next response the one that ends the command of this tag? Then it must be OK.
    async fn ends_in_ok(&mut self, tag: &[u8]) -> io::Result<bool> {
        match behind(&self.response().await?, tag) {
            Some(status) if !starts_with(status, b"OK") => Err(io::ErrorKind::Unsupported.into()),
            status => Ok(status.is_some()),
        }
    }

    /// Says nothing more.
    pub async fn close(mut self) {
        // It has said what was asked: how it takes the farewell does not matter.
        let _ = poll_fn(|cx| self.leg.poll_flush(cx)).await;
        let _ = poll_fn(|cx| self.leg.poll_close(cx)).await;
    }
}

/// Behind the first line that announces no literal; behind each literal the line goes on. What is for people may end as if it
/// announced one.
fn end_of_response(heard: &[u8]) -> Option<usize> {
    let has_text = !starts_with(heard, b"* ") || TEXTS.iter().any(|words| starts_with(heard, words));
    if has_text {
        return memchr::memchr(b'\n', heard)?.checked_add(1);
    }
    let mut at = 0usize;
    loop {
        let rest = heard.get(at..)?;
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest.get(..end)?;
        at = at.checked_add(end)?.checked_add(1)?;
        match announced(line.trim_ascii_end()) {
            Some(octets) => at = at.checked_add(octets)?,
            None => return Some(at),
        }
    }
}

/// `{310}` at the end of a line.
fn announced(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?;
    let digits = digits.get(memchr::memrchr(b'{', digits)?.checked_add(1)?..)?;
    std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?.parse().ok()
}

pub(super) fn starts_with(line: &[u8], words: &[u8]) -> bool {
    behind(line, words).is_some()
}

/// The rest of a line that begins with these words, in any case.
pub(super) fn behind<'l>(line: &'l [u8], words: &[u8]) -> Option<&'l [u8]> {
    let (head, rest) = line.split_at_checked(words.len())?;
    head.eq_ignore_ascii_case(words).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_end_behind_their_literals() {
        let rows: [(&str, &[u8], Option<usize>); 10] = [
            ("a text", b"* OK ready {5}\r\n", Some(16)),
            ("the end of a command", b"v1 NO no {310}\r\n", Some(16)),
            ("a continuation", b"+ {3}\r\n", Some(7)),
            ("nothing", b"", None),
            ("a line", b"* OK\r\n* NO\r\n", Some(6)),
            ("a part of one", b"* OK", None),
            ("a literal", b"* LIST () \"/\" {3}\r\na b\r\n* x\r\n", Some(24)),
            ("a literal that has not come", b"* LIST () \"/\" {30}\r\na b\r\n", None),
            ("two", b"* x {1}\r\na {1}\r\nb\r\n", Some(19)),
            ("no literal", b"* x {1\r\n", Some(8)),
        ];
        for (name, heard, end) in rows {
            assert_eq!(end_of_response(heard), end, "{name}");
        }
        assert_eq!(end_of_response(b"* x {18446744073709551615}\r\n"), None, "longer than anything");
    }
}
