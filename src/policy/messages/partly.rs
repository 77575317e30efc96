//! What rules say to a message of which only some facts are known, as to one in an audit log: yes, no, or not to be told.
//!
//! Where a client waits, what is missing is doubt and hides. Here nobody waits, and what is missing is said to be missing.

use jiff::Timestamp;

use super::answer::Answer;
use super::judge::Judge;
use super::program::{DateOf, FieldKey, FieldTest, Test};
use super::{Facts, Judgement, MessageFilter, Needs};
use crate::policy::rule::Mode;

impl MessageFilter {
    /// What the enforced rules say, as far as these facts go. `known`: which of them are there; fields as records have them, of
    /// addresses without the names beside them. `None`: it cannot be told.
    #[must_use]
    pub fn judge_partly(&self, facts: &Facts<'_>, known: &Needs, now: Timestamp) -> Option<Judgement> {
        let judge = Judge::new(facts, self.today);
        let mut judgement = Judgement::default();
        let mut is_sure = true;
        for (number, rule) in (0u16..).zip(&self.rules).filter(|(_, rule)| rule.mode == Mode::Enforce) {
            let program = &rule.program;
            let answer = |test: &Test| match program.upstream {
                true => Answer::Doubt, // what its SEARCH says nobody knows
                false => partly(&judge, test, known, now),
            };
            let spared = program.except.as_ref().map_or(Answer::No, answer);
            match answer(&program.hide).min(spared.not()) {
                Answer::Yes => judgement.by.push(number),
                Answer::Doubt => is_sure = false,
                Answer::No => {}
            }
        }
        judgement.hidden = !judgement.by.is_empty();
        (is_sure || judgement.hidden).then_some(judgement)
    }
}

fn partly(judge: &Judge<'_, '_>, test: &Test, known: &Needs, now: Timestamp) -> Answer {
    let each = |test: &Test| partly(judge, test, known, now);
    match test {
        Test::All(tests) => tests.iter().map(each).min().unwrap_or(Answer::Yes),
        Test::Any(tests) => tests.iter().map(each).max().unwrap_or(Answer::No),
        Test::Not(test) => each(test).not(),
        leaf if !is_told(leaf, known) => Answer::Doubt,
        leaf => match (judge.answer(leaf, &[], Some(now), |_| Answer::Doubt), leaf) {
            // A record has no names beside addresses.
            (Answer::No, Test::Field(field)) if looks_at_names(field) => Answer::Doubt,
            (answer, _) => answer,
        },
    }
}

/// Are the facts there that the test looks at?
fn is_told(leaf: &Test, known: &Needs) -> bool {
    let has_field = |name: &str| known.fields.iter().any(|field| **field == *name);
    match leaf {
        Test::Flag(..) => known.flags,
        Test::Date(DateOf::Internal, ..) | Test::Older(_) | Test::Younger(_) => known.internal_date,
        Test::Date(DateOf::Sent, ..) => has_field("date"),
        Test::Larger(_) | Test::Smaller(_) => known.size,
        Test::Uid(_) => true,
        Test::Field(field) => has_field(&field.name),
        Test::Only(_) | Test::Asked(_) | Test::Part(_) => false,
        Test::All(_) | Test::Any(_) | Test::Not(_) => true,
    }
}

fn looks_at_names(field: &FieldTest) -> bool {
    let is_address = matches!(&*field.name, "from" | "to");
    match field.key {
        FieldKey::Header => is_address,
        FieldKey::Addresses => is_address && !field.needle.written().contains('@'),
        FieldKey::Subject => false,
    }
}
