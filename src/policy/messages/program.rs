//! The search programs of one rule, compiled.
//!
//! ```text
//!   hide_messages, except_messages ──▶ one tree: any of these and none of those
//!     what only the upstream can answer ──▶ asked      (as large subtrees as there are: one search for each)
//!     what never changes for one UID    ──▶ parts      (answers to these are remembered)
//!     flags, OLDER, YOUNGER and the rest of the tree ──▶ rest
//! ```

use std::num::NonZeroU32;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz};

use super::Needs;
use crate::imap::message::{Flag, UidSet};
use crate::mail::Needle;

/// What a message is tested for.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Test {
    /// All of these; of none: `ALL`.
    All(Vec<Test>),
    /// One of these at least.
    Any(Vec<Test>),
    /// `NOT`
    Not(Box<Test>),
    /// A flag or keyword is set, or not.
    Flag(Flag, bool),
    /// `BEFORE`, `ON`, `SINCE` and those of the Date field.
    Date(DateOf, When, Day),
    /// `LARGER`
    Larger(u64),
    /// `SMALLER`
    Smaller(u64),
    /// `OLDER`, in seconds
    Older(NonZeroU32),
    /// `YOUNGER`, in seconds
    Younger(NonZeroU32),
    /// `UID`
    Uid(UidSet),
    /// `HEADER`, `SUBJECT`, `FROM` and its like
    Field(Box<FieldTest>),
    /// `BODY`, `TEXT`, …: only the upstream knows.
    Only(Only),
    /// The answer to what was asked under this number.
    Asked(usize),
    /// The answer to the part of this number.
    Part(usize),
}

/// Of which date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum DateOf {
    /// INTERNALDATE
    Internal,
    /// The Date field
    Sent,
}

/// On which side of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum When {
    Before,
    On,
    Since,
}

/// A day that is written, or counted from the one on which it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Day {
    Fixed(Date),
    /// `{today-30d}`
    Today(i32),
}

impl Day {
    pub(super) fn on(self, today: Date) -> Date {
        match self {
            Self::Fixed(date) => date,
            Self::Today(days) => today.saturating_add(days.days()),
        }
    }
}

/// A text in a field.
#[derive(Debug, Clone)]
pub(in crate::policy) struct FieldTest {
    /// The field in lower case.
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) key: FieldKey,
    pub(in crate::policy) needle: Needle,
}

/// With which key, and so where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum FieldKey {
    /// `HEADER`: the whole of it.
    Header,
    /// `SUBJECT`
    Subject,
    /// `FROM`, `TO`, `CC`, `BCC`: addresses and names.
    Addresses,
}

/// What only the upstream can tell.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Only {
    Body(Box<str>),
    Text(Box<str>),
    /// `SAVEDBEFORE` and its like (RFC 8514)
    Saved(When, Day),
    /// RFC 8474
    EmailId(Box<str>),
    /// RFC 8474
    ThreadId(Box<str>),
}

impl Test {
    /// All of these; one alone is itself.
    pub(in crate::policy) fn every(mut tests: Vec<Self>) -> Self {
        if tests.len() == 1 { tests.remove(0) } else { Self::All(tests) }
    }

    /// One of these; one alone is itself.
    pub(in crate::policy) fn any(mut tests: Vec<Self>) -> Self {
        if tests.len() == 1 { tests.remove(0) } else { Self::Any(tests) }
    }

    /// Visits it and all tests in it.
    pub(in crate::policy) fn walk<'t>(&'t self, visit: &mut dyn FnMut(&'t Self)) {
        visit(self);
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().for_each(|test| test.walk(visit)),
            Self::Not(test) => test.walk(visit),
            Self::Flag(..)
            | Self::Date(..)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Older(_)
            | Self::Younger(_)
            | Self::Uid(_)
            | Self::Field(_)
            | Self::Only(_)
            | Self::Asked(_)
            | Self::Part(_) => {}
        }
    }

    pub(in crate::policy) fn has(&self, mut is: impl FnMut(&Self) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |test| found |= is(test));
        found
    }

    fn is_leaf(&self) -> bool {
        !matches!(self, Self::All(_) | Self::Any(_) | Self::Not(_))
    }

    /// Does every leaf ask the upstream?
    fn is_for_upstream(&self) -> bool {
        self.has(Self::is_leaf) && !self.has(|test| test.is_leaf() && !matches!(test, Self::Only(_)))
    }

    /// Can the answer change for one UID?
    fn changes(&self, asked: &[Self]) -> bool {
        self.has(|test| match test {
            Self::Flag(..) | Self::Older(_) | Self::Younger(_) => true,
            Self::Asked(at) => asked.get(*at).is_none_or(|asked| asked.changes(&[])),
            _ => false,
        })
    }

    /// Takes the largest subtrees of which that holds out of it.
    fn lift(self, is: &dyn Fn(&Self) -> bool, out: &mut Vec<Self>, stands: fn(usize) -> Self) -> Self {
        if is(&self) {
            out.push(self);
            return stands(out.len().saturating_sub(1));
        }
        match self {
            Self::All(tests) => Self::All(Self::lift_each(tests, is, out, stands, Self::All)),
            Self::Any(tests) => Self::Any(Self::lift_each(tests, is, out, stands, Self::Any)),
            Self::Not(test) => Self::Not(Box::new(test.lift(is, out, stands))),
            leaf => leaf,
        }
    }

    /// Neighbours of which it holds are taken out together.
    fn lift_each(
        tests: Vec<Self>,
        is: &dyn Fn(&Self) -> bool,
        out: &mut Vec<Self>,
        stands: fn(usize) -> Self,
        join: fn(Vec<Self>) -> Self,
    ) -> Vec<Self> {
        let (mut together, others): (Vec<Self>, Vec<Self>) = tests.into_iter().partition(|test| is(test));
        let together = match together.len() {
            0 => None,
            1 => together.pop(),
            _ => Some(join(together)),
        };
        let lifted = together.into_iter().chain(others);
        lifted.map(|test| test.lift(is, out, stands)).collect()
    }
}

/// `hide_messages`, `except_messages` and `judge` of one rule.
#[derive(Debug)]
pub(in crate::policy) struct MessageRule {
    /// Any of these…
    pub(super) hide: Test,
    /// … and none of those.
    pub(super) except: Option<Test>,
    /// `judge = "upstream"`
    pub(super) upstream: bool,
    /// As the rule file has them.
    pub(in crate::policy) written: Written,
    /// What the upstream is asked.
    pub(super) asked: Box<[Test]>,
    pub(super) parts: Box<[Test]>,
    pub(super) rest: Test,
    /// All that is needed, and what is needed again where answers are remembered.
    pub(super) needs: Needs,
    pub(super) needs_again: Needs,
    /// Is `{today}` in it?
    pub(super) counts_days: bool,
}

/// The programs as the rule file has them.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Written {
    pub(in crate::policy) hide: Box<[Box<str>]>,
    pub(in crate::policy) except: Box<[Box<str>]>,
}

impl MessageRule {
    pub(in crate::policy) fn new(hide: Vec<Test>, except: Vec<Test>, upstream: bool, written: Written) -> Self {
        let (hide, except) = (Test::any(hide), (!except.is_empty()).then(|| Test::any(except)));
        let (mut asked, mut parts) = (Vec::new(), Vec::new());
        let for_upstream: fn(&Test) -> bool = Test::is_for_upstream;
        let for_all: fn(&Test) -> bool = |_| true;
        let ask = if upstream { for_all } else { for_upstream };
        let mut sides = vec![hide.clone().lift(&ask, &mut asked, Test::Asked)];
        if let Some(except) = except.clone() {
            sides.push(Test::Not(Box::new(except.lift(&ask, &mut asked, Test::Asked))));
        }
        let lasting = |test: &Test| !test.changes(&asked);
        let rest = Test::every(sides).lift(&lasting, &mut parts, Test::Part);
        let (mut needs, mut needs_again) = (Needs::default(), Needs::default());
        parts.iter().chain([&rest]).for_each(|test| needs.add(test));
        needs_again.add(&rest);
        let both = Test::All([Some(hide.clone()), except.clone()].into_iter().flatten().collect());
        let counts_days = both.has(|test| match test {
            Test::Date(_, _, day) | Test::Only(Only::Saved(_, day)) => matches!(day, Day::Today(_)),
            _ => false,
        });
        let (asked, parts) = (asked.into(), parts.into());
        Self { hide, except, upstream, written, asked, parts, rest, needs, needs_again, counts_days }
    }

    /// Is everything that it asks for remembered?
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.rest, Test::Part(_))
    }

    /// Is the answer to what is asked under this number the same whenever it is asked?
    pub(super) fn lasts(&self, asked: usize) -> bool {
        self.asked.get(asked).is_some_and(|test| !test.changes(&[]))
    }
}

impl Needs {
    fn add(&mut self, test: &Test) {
        test.walk(&mut |test| match test {
            Test::Flag(..) => self.flags = true,
            Test::Date(DateOf::Internal, ..) | Test::Older(_) | Test::Younger(_) => self.internal_date = true,
            Test::Date(DateOf::Sent, ..) => self.add_field("date"),
            Test::Larger(_) | Test::Smaller(_) => self.size = true,
            Test::Field(field) => self.add_field(&field.name),
            _ => {}
        });
    }
}

/// The day in UTC.
pub(super) fn day_of(at: Timestamp) -> Date {
    tz::TimeZone::UTC.to_datetime(at).date()
}
