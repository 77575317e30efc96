//! How does a rule stand with one session, at one moment?
//!
//! ```text
//!   Rule ─▶ BoundRule: could apply to this session ─▶ Standing: in force now? less what exceptions spare
//!             at login, and with each ID                at each command
//! ```

use std::ops::Deref;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::condition::Facts;
use super::exception::{BoundException, Exception, ExceptionInfo};
use super::mailboxes::{Mailboxes, Names, Patterns};
use super::rule::Rule;

/// A rule that could apply to a session, and what is left to be asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BoundRule {
    pub(super) at: u32,
    gate: Gate,
    exceptions: Box<[BoundException]>,
}

/// When it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Gate {
    /// With the ID that was sent last.
    Always,
    /// Only with another ID.
    Never,
    /// While it lives, at the hours of its `when`, but not at those of its `unless` tables with these numbers.
    Timed { unless: Box<[usize]> },
}

impl BoundRule {
    /// `None`: it never applies to this subject, at no hour and with no ID.
    pub(super) fn of(at: u32, rule: &Rule, facts: &Facts) -> Option<Self> {
        if !rule.when.may_hold(facts) {
            return None;
        }
        let mut in_force = rule.when.id_holds(facts);
        let mut hours = Vec::new();
        for (number, unless) in rule.unless.iter().enumerate().filter(|(_, unless)| unless.must_hold(facts)) {
            match (&unless.client_id, &unless.time) {
                (None, None) => return None,
                (Some(_), None) => in_force &= !unless.id_holds(facts),
                (_, Some(_)) if unless.id_holds(facts) => hours.push(number),
                (_, Some(_)) => {}
            }
        }
        let gate = match in_force {
            false => Gate::Never,
            true if rule.life.is_unbounded() && rule.when.time.is_none() && hours.is_empty() => Gate::Always,
            true => Gate::Timed { unless: hours.into() },
        };
        Some(Self { at, gate, exceptions: BoundException::of(&rule.exceptions, facts) })
    }

    /// How it stands then; `None` where it is over.
    pub(super) fn standing<'b>(&'b self, rule: &'b Rule, at: Timestamp) -> Option<Standing<'b>> {
        if rule.life.is_over(at) {
            return None;
        }
        let mut standing = Standing { rule, exceptions: &self.exceptions, at, in_force: self.is_open(rule, at) };
        standing.in_force = standing.in_force && !standing.is_relaxed();
        Some(standing)
    }

    fn is_open(&self, rule: &Rule, at: Timestamp) -> bool {
        match &self.gate {
            Gate::Always => true,
            Gate::Never => false,
            Gate::Timed { unless } => {
                let spared = |number: &usize| rule.unless.get(*number).is_some_and(|unless| unless.time_holds(at));
                rule.life.contains(at) && rule.when.time_holds(at) && !unless.iter().any(spared)
            }
        }
    }

    pub(super) fn next_change(&self, rule: &Rule, after: Timestamp) -> Option<Timestamp> {
        // Whether with this ID or not: what will be hidden with another is reserved until it is over.
        let hours: &[usize] = match &self.gate {
            Gate::Always | Gate::Never => &[],
            Gate::Timed { unless } => unless,
        };
        let spared = hours.iter().filter_map(|number| rule.unless.get(*number)?.next_change(after));
        let relaxed = self.exceptions.iter().filter(|exception| exception.id_holds);
        let relaxed = relaxed.filter_map(|exception| rule.exceptions.get(exception.number)?.next_change(after));
        let own = rule.when.next_change(after).into_iter().chain(rule.life.next_change(after));
        own.chain(spared).chain(relaxed).min().filter(|_| !rule.life.is_over(after))
    }
}

/// A rule that is not over, at one moment. What it does is less than what the rule says where an exception holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'b> {
    rule: &'b Rule,
    exceptions: &'b [BoundException],
    at: Timestamp,
    /// Does it apply now?
    pub(super) in_force: bool,
}

impl Deref for Standing<'_> {
    type Target = Rule;
    fn deref(&self) -> &Rule {
        self.rule
    }
}

impl<'b> Standing<'b> {
    /// The exceptions that hold.
    fn holding(&self) -> impl Iterator<Item = &'b Exception> + use<'b> {
        let (rule, at) = (self.rule, self.at);
        let with_id = self.exceptions.iter().filter(|exception| exception.id_holds);
        with_id.filter_map(move |exception| rule.exceptions.get(exception.number)).filter(move |held| held.holds(at))
    }

    /// The rule itself.
    pub(super) fn rule(&self) -> &'b Rule {
        self.rule
    }

    /// The exceptions that may hold, now or later.
    pub(super) fn exceptions_to_come(&self) -> impl Iterator<Item = &'b Exception> + use<'b> {
        let (rule, at) = (self.rule, self.at);
        let found = self.exceptions.iter().filter_map(move |exception| rule.exceptions.get(exception.number));
        found.filter(move |exception| !exception.life().is_over(at))
    }

    /// Does an exception hold that is about everything?
    fn is_relaxed(&self) -> bool {
        self.holding().any(|exception| exception.mailboxes.is_none())
    }

    /// Which mailboxes do exceptions spare?
    fn spares(&self) -> impl Iterator<Item = &'b Patterns> + use<'b> {
        self.holding().filter_map(|exception| exception.mailboxes.as_ref())
    }

    /// Are there mailboxes that an exception spares?
    pub(super) fn spares_some(&self) -> bool {
        self.spares().next().is_some()
    }

    /// The exceptions that hold for that mailbox, or for everything.
    pub(super) fn told(&self, names: Option<&Names<'_>>) -> impl Iterator<Item = ExceptionInfo<'b>> {
        let rule = self.rule;
        let about = move |exception: &&Exception| match (&exception.mailboxes, names) {
            (None, _) => true,
            (Some(spares), Some(names)) => spares.spare(names),
            (Some(_), None) => false,
        };
        self.holding().filter(about).map(|exception| ExceptionInfo {
            rule: &rule.id,
            reason: &exception.reason,
            until: exception.until,
            file: &exception.file,
            line: exception.line,
        })
    }

    fn excepts(&self, names: &Names<'_>) -> bool {
        !self.exceptions.is_empty() && self.spares().any(|spares| spares.spare(names))
    }

    fn excepts_below(&self, names: &Names<'_>) -> bool {
        !self.exceptions.is_empty() && (self.is_relaxed() || self.spares().any(|spares| spares.spare_all_below(names)))
    }

    /// Is it about this mailbox?
    pub(super) fn covers(&self, names: &Names<'_>) -> bool {
        self.rule.covers(names) && !self.excepts(names)
    }

    /// Does it hide this mailbox, or would it at another hour?
    pub(super) fn hides(&self, names: &Names<'_>) -> bool {
        self.rule.hides(names) && !self.is_relaxed() && !self.excepts(names)
    }

    /// Could it hide a name below, at this or another hour?
    pub(super) fn may_hide_below(&self, names: &Names<'_>) -> bool {
        self.rule.may_hide_below(names) && !self.excepts_below(names)
    }

    /// Does it hide messages in this mailbox, or would it at another hour?
    pub(super) fn hides_messages_in(&self, names: &Names<'_>) -> bool {
        self.rule.hides_messages_in(names) && !self.is_relaxed() && !self.excepts(names)
    }

    /// Could it hide messages in it, or in one below, at this or another hour? What goes with them stays: it is neither
    /// deleted nor renamed.
    pub(super) fn may_hide_messages_from(&self, names: &Names<'_>) -> bool {
        let below = || self.rule.messages.is_some() && self.rule.may_cover_below(names) && !self.excepts_below(names);
        self.hides_messages_in(names) || below()
    }

    /// Is it about everything that RENAME moves in the same way where it is moved to? Says no where it cannot be told.
    pub(super) fn covers_alike(&self, from: &Names<'_>, to: &Names<'_>) -> bool {
        let spared: SmallVec<[&Patterns; 2]> = self.spares().collect();
        match &self.rule.mailboxes {
            Some(mailboxes) => mailboxes.cover_alike(from, to, &spared),
            None if spared.is_empty() => true,
            None => Mailboxes::default().cover_alike(from, to, &spared),
        }
    }

    /// Is it about this mailbox whenever the other is in force, whatever the hour and the ID?
    pub(super) fn outlasts(&self, other: &Self, names: &Names<'_>) -> bool {
        let about = |exception: &Exception| exception.mailboxes.as_ref().is_none_or(|spares| spares.spare(names));
        let exceptions = self.exceptions.iter().filter_map(|exception| self.rule.exceptions.get(exception.number));
        let relaxed = exceptions.filter(|exception| self.at < exception.until).any(about);
        self.rule.id == other.rule.id || (!relaxed && self.rule.life.covers(&other.rule.life))
    }
}

#[cfg(test)]
mod tests;
