//! At which byte does the grammar end, and what did it expect there?

use super::command::token::Cursor;

/// What a client sent is no command. The text of the frame is not part of it: it may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error at byte {at}: expected {expected}")]
pub struct SyntaxError {
    /// Offset in the frame.
    pub at: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

impl SyntaxError {
    /// `expected` would have been right at `at`.
    #[must_use]
    pub const fn new(at: usize, expected: &'static str) -> Self {
        Self { at, expected }
    }
}

/// Of two alternatives the one that came farther says what is wrong.
impl nom::error::ParseError<Cursor<'_>> for SyntaxError {
    fn from_error_kind(input: Cursor<'_>, _: nom::error::ErrorKind) -> Self {
        Self::new(input.at(), "something else")
    }

    fn append(_: Cursor<'_>, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }

    fn or(self, other: Self) -> Self {
        if other.at >= self.at { other } else { self }
    }
}

/// A name for what was expected holds only where nothing of it was read.
impl nom::error::ContextError<Cursor<'_>> for SyntaxError {
    fn add_context(input: Cursor<'_>, expected: &'static str, other: Self) -> Self {
        if other.at == input.at() { Self { expected, ..other } } else { other }
    }
}
