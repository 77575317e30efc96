//! `[[exception]]`: for whom, and where, one rule takes nothing, and until when.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::condition::{Condition, Facts};
use super::life::Life;
use super::mailboxes::Patterns;

/// What relaxes one rule.
#[derive(Debug, Clone)]
pub(super) struct Exception {
    /// All of it must hold for all readings of the names.
    pub(super) condition: Condition,
    /// `None`: the rule takes nothing at all.
    pub(super) mailboxes: Option<Patterns>,
    /// Not included.
    pub(super) until: Timestamp,
    pub(super) reason: Arc<str>,
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
}

impl Exception {
    pub(super) fn life(&self) -> Life {
        Life::ending(self.until)
    }

    pub(super) fn holds(&self, at: Timestamp) -> bool {
        at < self.until && self.condition.time_holds(at)
    }

    /// When that can next change.
    pub(super) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let hours = self.condition.next_change(after).filter(|_| after < self.until);
        hours.into_iter().chain(self.life().next_change(after)).min()
    }
}

/// An exception that may hold for a session, by its number in the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BoundException {
    pub(super) number: usize,
    /// With the ID that was sent last?
    pub(super) id_holds: bool,
}

impl BoundException {
    /// Those that may hold for this subject, at some hour or with some ID.
    pub(super) fn of(exceptions: &[Exception], facts: &Facts) -> Box<[Self]> {
        let holding = exceptions.iter().enumerate().filter(|(_, exception)| exception.condition.must_hold(facts));
        holding.map(|(number, exception)| Self { number, id_holds: exception.condition.id_holds(facts) }).collect()
    }
}

/// What is told of an exception that holds.
#[derive(Debug, Clone, Copy)]
pub struct ExceptionInfo<'a> {
    /// Id of the rule that it relaxes.
    pub rule: &'a Arc<str>,
    /// Why there is one.
    pub reason: &'a Arc<str>,
    /// The first moment at which it no longer holds.
    pub until: Timestamp,
    /// In which file it stands.
    pub file: &'a Arc<Path>,
    /// At which line, from 1.
    pub line: usize,
}
