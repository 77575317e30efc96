//! How did a command end? (RFC 9051 §7.1)

use std::fmt;

/// The condition that begins a status response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not understood.
    Bad,
    /// The connection is about to close.
    Bye,
    /// A greeting: authenticated by other means.
    Preauth,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
            Self::Preauth => "PREAUTH",
        }
    }

    /// Reads the word, in any case.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        [Self::Ok, Self::No, Self::Bad, Self::Bye, Self::Preauth]
            .into_iter()
            .find(|status| word.eq_ignore_ascii_case(status.as_str().as_bytes()))
    }

    /// Can it end a command (stand behind its tag)?
    #[must_use]
    pub const fn is_tagged(self) -> bool {
        matches!(self, Self::Ok | Self::No | Self::Bad)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(Status::from_word(b"ok"), Some(Status::Ok));
        assert_eq!(Status::from_word(b"PREAUTH"), Some(Status::Preauth));
        assert_eq!(Status::from_word(b"OKAY"), None);
        assert!(Status::Bad.is_tagged() && !Status::Bye.is_tagged());
    }
}
