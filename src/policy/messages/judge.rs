//! One message, one test: yes, no, or doubt.

use std::cell::OnceCell;

use jiff::Timestamp;
use jiff::civil::Date;

use super::program::{DateOf, FieldKey, FieldTest, Test, When};
use super::{Answer, Facts, is_same};
use crate::mail::Header;

/// What is known of one message, its header read when that is first asked for.
pub(super) struct Judge<'j, 'f> {
    facts: &'j Facts<'f>,
    today: Date,
    header: OnceCell<Option<Header<'f>>>,
}

impl<'j, 'f> Judge<'j, 'f> {
    pub(super) const fn new(facts: &'j Facts<'f>, today: Date) -> Self {
        Self { facts, today, header: OnceCell::new() }
    }

    /// `found` are the upstream's answers to this rule's questions, `part` those that are there already. Without a `now`
    /// nothing can be said of OLDER and YOUNGER.
    pub(super) fn answer(
        &self,
        test: &Test,
        found: &[Option<bool>],
        now: Option<Timestamp>,
        part: impl Fn(usize) -> Answer + Copy,
    ) -> Answer {
        let each = |test: &Test| self.answer_of(test, found, now, &part);
        each(test)
    }

    fn answer_of(
        &self,
        test: &Test,
        found: &[Option<bool>],
        now: Option<Timestamp>,
        part: &dyn Fn(usize) -> Answer,
    ) -> Answer {
        let each = |test: &Test| self.answer_of(test, found, now, part);
        match test {
            Test::All(tests) => least(tests.iter().map(each)),
            Test::Any(tests) => most(tests.iter().map(each)),
            Test::Not(test) => each(test).not(),
            Test::Flag(flag, is_set) => {
                Answer::of(self.facts.flags.iter().any(|known| is_same(known, flag)) == *is_set)
            }
            Test::Date(DateOf::Internal, when, day) => {
                let date = self.facts.internal_date.map(|internal| internal.date);
                Answer::known(date.map(|date| is_on(date, *when, day.on(self.today))))
            }
            Test::Date(DateOf::Sent, when, day) => self.sent(*when, day.on(self.today)),
            Test::Larger(size) => Answer::known(self.facts.size.map(|octets| octets > *size)),
            Test::Smaller(size) => Answer::known(self.facts.size.map(|octets| octets < *size)),
            Test::Older(seconds) => self.age(now, i64::from(seconds.get()), |age, limit| age >= limit),
            Test::Younger(seconds) => self.age(now, i64::from(seconds.get()), |age, limit| age <= limit),
            Test::Uid(set) => Answer::of(set.contains(self.facts.uid)),
            Test::Field(field) => self.field(field),
            // What only the upstream can tell has been asked for; where it has not, nothing is known.
            Test::Only(_) => Answer::Doubt,
            Test::Asked(at) => Answer::known(found.get(*at).copied().flatten()),
            Test::Part(at) => part(*at),
        }
    }

    /// RFC 5032: both ends belong to it.
    fn age(&self, now: Option<Timestamp>, limit: i64, is: fn(i64, i64) -> bool) -> Answer {
        let (Some(now), Some(came)) = (now, self.facts.internal_date) else { return Answer::Doubt };
        Answer::of(is(now.as_second().saturating_sub(came.at.as_second()), limit))
    }

    fn header(&self) -> Option<&Header<'f>> {
        self.header.get_or_init(|| self.facts.header.and_then(Header::read)).as_ref()
    }

    fn sent(&self, when: When, day: Date) -> Answer {
        let Some(header) = self.header() else { return Answer::Doubt };
        let dates = header.fields("date").map(|field| field.date());
        Answer::agreed(dates.map(|date| Answer::known(date.map(|date| is_on(date, when, day)))))
    }

    fn field(&self, test: &FieldTest) -> Answer {
        let Some(header) = self.header() else { return Answer::Doubt };
        let mut answers = header.fields(&test.name).map(|field| match test.key {
            FieldKey::Header | FieldKey::Subject => field.text_has(&test.needle),
            FieldKey::Addresses => field.addresses_have(&test.needle),
        });
        let first = answers.next();
        let Some(first) = first else { return Answer::of(false) };
        // Every instance counts: which of them a reader takes nobody knows.
        answers.fold(Answer::from(first), |all, next| if all == Answer::from(next) { all } else { Answer::Doubt })
    }
}

fn is_on(date: Date, when: When, day: Date) -> bool {
    match when {
        When::Before => date < day,
        When::On => date == day,
        When::Since => date >= day,
    }
}

fn least(answers: impl Iterator<Item = Answer>) -> Answer {
    answers.min().unwrap_or(Answer::Yes)
}

fn most(answers: impl Iterator<Item = Answer>) -> Answer {
    answers.max().unwrap_or(Answer::No)
}
