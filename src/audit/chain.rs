//! What makes a log's lines hang together: each line names the hash of the bytes before it.
//!
//! ```text
//!   {"v":1,"seq":0,"prev":"AAAA…"}   {"v":1,"seq":1,"prev":"MlJA…"}   {"v":1,"seq":2, …
//!    └────────── SHA-256, base64url ───────────────────▲
//! ```
//!
//! The hash is over the exact bytes of a line without its `\n`: no canonical form of JSON is needed, a shell can check it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Octets of a hash as text.
pub const HASH_TEXT: usize = 43;

/// SHA-256 of a line. What the first line of a log names is [`Hash::ZERO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// 32 zero bytes: before the first line of a log there is none.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of a line, given without its `\n`.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Appends its text to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut text = [0; HASH_TEXT];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).unwrap_or(0);
        debug_assert_eq!(written, HASH_TEXT);
        out.extend_from_slice(&text);
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Hash {
    type Err = ();

    /// Canonical base64url of 32 bytes, nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        // As much as so many characters could stand for; no memory is asked for, since this is done for each line.
        let mut bytes = [0; HASH_TEXT / 4 * 3 + 3];
        let written = (text.len() == HASH_TEXT).then(|| URL_SAFE_NO_PAD.decode_slice(text, &mut bytes)).ok_or(())?;
        written.map_err(|_| ()).and_then(|n| bytes.get(..n).and_then(|hash| hash.try_into().ok()).map(Self).ok_or(()))
    }
}

/// Where a log stands: the number of the next record, and the hash that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the next record.
    pub next_seq: u64,
    /// Hash of the line before it.
    pub prev: Hash,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { next_seq: 0, prev: Hash::ZERO };

    /// After one more line.
    #[must_use]
    pub fn after(self, line: &[u8]) -> Self {
        Self { next_seq: self.next_seq.saturating_add(1), prev: Hash::of(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_one_text() {
        assert_eq!(Hash::ZERO.to_string(), "A".repeat(HASH_TEXT));
        let hash = Hash::of(b"imapwarden");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let mut written = Vec::new();
        hash.write(&mut written);
        assert_eq!(written, hash.to_string().as_bytes());
        // The last character carries two bits that must be 0: another spelling is not a hash.
        for wrong in ["", "AAAA", &"A".repeat(44), &format!("{}B", "A".repeat(42))] {
            assert_eq!(wrong.parse::<Hash>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_position_follows_its_lines() {
        let after = Position::START.after(b"one");
        assert_eq!(after, Position { next_seq: 1, prev: Hash::of(b"one") });
    }
}
