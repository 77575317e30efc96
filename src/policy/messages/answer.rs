//! Yes, no, or doubt: Kleene's logic of three values.
//!
//! What hides takes doubt for yes, what spares takes it for no. So one evaluation serves both, and `NOT` turns what is
//! sure into what is sure and leaves doubt as it is.

use crate::mail::Found;

/// Does a message match?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Answer {
    /// By no reading.
    No,
    /// By some readings, or it cannot be told.
    Doubt,
    /// By every reading.
    Yes,
}

impl Answer {
    pub(super) const fn of(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }

    /// Nothing is known: doubt.
    pub(super) fn known(matches: Option<bool>) -> Self {
        matches.map_or(Self::Doubt, Self::of)
    }

    pub(super) const fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Doubt => Self::Doubt,
            Self::Yes => Self::No,
        }
    }

    /// Of several readings: sure where they agree.
    pub(super) fn agreed(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut answers = answers.into_iter();
        let first = answers.next().unwrap_or(Self::Doubt);
        if answers.all(|answer| answer == first) { first } else { Self::Doubt }
    }

    /// Does a rule hide what it is told so of?
    pub(super) fn hides(self) -> bool {
        self != Self::No
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::No => 0,
            Self::Doubt => 1,
            Self::Yes => 2,
        }
    }

    /// What no code says is doubt.
    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::No,
            2 => Self::Yes,
            _ => Self::Doubt,
        }
    }
}

impl From<Found> for Answer {
    fn from(found: Found) -> Self {
        match found {
            Found::Not => Self::No,
            Found::Perhaps => Self::Doubt,
            Found::Surely => Self::Yes,
        }
    }
}
