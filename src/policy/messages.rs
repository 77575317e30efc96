//! Which messages do not exist for this client?
//!
//! ```text
//!   rules in force for a mailbox ──▶ MessageFilter: needs() ──FETCH──▶ Facts ──▶ judge() ──▶ Judgement
//!                                                   searches() ─SEARCH─▶ found ──┘
//! ```
//!
//! Here a rule's SEARCH program is judged, by the proxy and not by the upstream, wherever that can be done. What is in
//! doubt is hidden: a date that cannot be read, a field that can be read in two ways, an answer that is missing.
//!
//! Most of a judgement never changes for one UID. [`MessageFilter::judge_lasting`] makes that [`Lasting`] part of it, which
//! may be remembered for as long as [`MessageFilter::digest`] stays the same; [`MessageFilter::judge_changing`] makes a
//! [`Judgement`] of it with what may have changed since.

mod answer;
mod judge;
mod partly;
mod program;
mod render;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use self::answer::Answer;
use self::judge::Judge;
pub(super) use self::program::{DateOf, Day, FieldKey, FieldTest, MessageRule, Only, Test, When, Written};
use super::rule::Mode;
use super::verdict::{Effect, Hits};
use crate::imap::message::{Flag, Uid};

/// Part of every digest: another way of judging makes what is remembered worthless.
const EDITION: &[u8] = b"imapwarden judge 1\0";

/// What must be fetched of a message to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// `FLAGS`
    pub flags: bool,
    /// `INTERNALDATE`
    pub internal_date: bool,
    /// `RFC822.SIZE`
    pub size: bool,
    /// `BODY.PEEK[HEADER.FIELDS (…)]`: names in lower case, sorted, each once.
    pub fields: Box<[Box<str>]>,
}

impl Needs {
    /// Is nothing needed?
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add_field(&mut self, name: &str) {
        if let Err(at) = self.fields.binary_search_by(|known| (**known).cmp(name)) {
            let mut fields = std::mem::take(&mut self.fields).into_vec();
            fields.insert(at, name.into());
            self.fields = fields.into();
        }
    }

    fn join(&mut self, other: &Self) {
        self.flags |= other.flags;
        self.internal_date |= other.internal_date;
        self.size |= other.size;
        other.fields.iter().for_each(|name| self.add_field(name));
    }
}

/// When a message came, as INTERNALDATE says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalDate {
    /// The day, in the zone that was said: what BEFORE, ON and SINCE go by.
    pub date: Date,
    /// The moment: what OLDER and YOUNGER go by.
    pub at: Timestamp,
}

impl InternalDate {
    /// Reads `date-time` of RFC 9051 without its quotes: `17-Jul-1996 02:44:25 -0700`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let zoned = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok()?;
        let (date, zoned) = (zoned.to_date().ok()?, zoned.to_timestamp().ok()?);
        Some(Self { date, at: zoned })
    }
}

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// Its UID.
    pub uid: Uid,
    /// Its flags; nothing where [`Needs::flags`] does not ask for them.
    pub flags: &'f [Flag],
    /// INTERNALDATE
    pub internal_date: Option<InternalDate>,
    /// RFC822.SIZE
    pub size: Option<u64>,
    /// The fetched fields as they came, all instances of each.
    pub header: Option<&'f [u8]>,
    /// For each of [`MessageFilter::searches`], in their order: was the message found? `None` where there is no answer.
    pub found: &'f [Option<bool>],
}

impl<'f> Facts<'f> {
    /// Nothing but its UID.
    #[must_use]
    pub const fn of(uid: Uid) -> Self {
        Self { uid, flags: &[], internal_date: None, size: None, header: None, found: &[] }
    }
}

/// A search program that only the upstream can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSearch {
    /// What stands behind `UID SEARCH` and the UIDs, with a leading charset where one is needed. Each piece but the last
    /// ends with the announcement of a literal: what follows waits for `+`.
    pub pieces: Box<[Box<[u8]>]>,
    /// Is it written in UTF-8? Then `CHARSET UTF-8` must stand before it.
    pub is_utf8: bool,
    /// Is its answer the same whenever it is asked of one UID?
    pub lasting: bool,
}

/// A rule of a filter.
#[derive(Debug, Clone)]
pub struct FilterRule {
    /// Its id.
    pub id: Arc<str>,
    /// Is it applied, or only evaluated?
    pub mode: Mode,
    program: Arc<MessageRule>,
    /// Of its questions, the first one's place among all.
    asked_from: usize,
    /// Of its parts likewise.
    parts_from: usize,
}

/// Numbers of rules in [`MessageFilter::rules`].
pub type RuleNumbers = SmallVec<[u16; 4]>;

/// What the rules say to one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Does it not exist for this client?
    pub hidden: bool,
    /// The rules that hide it.
    pub by: RuleNumbers,
    /// The shadow rules that would.
    pub shadow: RuleNumbers,
}

/// What never changes of a judgement, as long as the filter's digest stays: worth remembering. Few messages differ in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Lasting(SmallVec<[u8; 8]>);

/// Four answers an octet.
const ANSWERS: usize = 4;

impl Lasting {
    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it was stored. What is missing in it is taken for doubt.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    fn of(answers: impl ExactSizeIterator<Item = Answer>) -> Self {
        let mut octets: SmallVec<[u8; 8]> = SmallVec::from_elem(0, answers.len().div_ceil(ANSWERS));
        for (at, answer) in answers.enumerate() {
            if let Some(octet) = octets.get_mut(at / ANSWERS) {
                *octet |= answer.code() << (2 * (at % ANSWERS));
            }
        }
        Self(octets)
    }

    fn answer(&self, at: usize) -> Answer {
        self.0.get(at / ANSWERS).map_or(Answer::Doubt, |octet| Answer::from_code(octet >> (2 * (at % ANSWERS)) & 3))
    }
}

/// The rules that hide messages of one mailbox, now.
#[derive(Debug, Clone)]
pub struct MessageFilter {
    rules: Box<[FilterRule]>,
    /// What `{today}` is.
    today: Date,
    needs: Needs,
    needs_again: Needs,
    searches: Box<[UpstreamSearch]>,
    parts: usize,
}

impl MessageFilter {
    /// Of these rules, on that day.
    pub(super) fn of(rules: Vec<(Arc<str>, Mode, Arc<MessageRule>)>, at: Timestamp) -> Self {
        let today = program::day_of(at);
        let mut filter = Self {
            rules: Box::default(),
            today,
            needs: Needs::default(),
            needs_again: Needs::default(),
            searches: Box::default(),
            parts: 0,
        };
        let (mut bound, mut searches) = (Vec::with_capacity(rules.len()), Vec::new());
        for (id, mode, program) in rules {
            filter.needs.join(&program.needs);
            filter.needs_again.join(&program.needs_again);
            let (asked_from, parts_from) = (searches.len(), filter.parts);
            let asked = program.asked.iter().enumerate();
            searches.extend(asked.map(|(at, test)| render::search(test, today, program.lasts(at))));
            filter.parts = filter.parts.saturating_add(program.parts.len());
            bound.push(FilterRule { id, mode, program, asked_from, parts_from });
        }
        (filter.rules, filter.searches) = (bound.into(), searches.into());
        filter
    }

    /// Its rules: [`Judgement`] names them by their places here.
    #[must_use]
    pub const fn rules(&self) -> &[FilterRule] {
        &self.rules
    }

    /// What must be fetched of a message that nothing is remembered of.
    #[must_use]
    pub const fn needs(&self) -> &Needs {
        &self.needs
    }

    /// What must be fetched of one whose [`Lasting`] part is remembered.
    #[must_use]
    pub const fn needs_again(&self) -> &Needs {
        &self.needs_again
    }

    /// What the upstream must be asked.
    #[must_use]
    pub const fn searches(&self) -> &[UpstreamSearch] {
        &self.searches
    }

    /// Is all of a judgement remembered? Then flags and the clock change nothing about it.
    #[must_use]
    pub fn lasting(&self) -> bool {
        self.rules.iter().all(|rule| rule.program.is_lasting())
    }

    /// Are messages judged alike whose fetched fields are alike, whatever else is true of them?
    #[must_use]
    pub fn goes_by_fields(&self) -> bool {
        let by_uid = |test: &Test| test.has(|test| matches!(test, Test::Uid(_)));
        let Needs { flags, internal_date, size, ref fields } = self.needs;
        self.lasting()
            && self.searches.is_empty()
            && !(flags || internal_date || size || fields.is_empty())
            && !self.rules.iter().any(|rule| rule.program.parts.iter().any(by_uid))
    }

    /// Tells these programs, on this day, from all others.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(EDITION);
        for rule in &self.rules {
            let FilterRule { mode, program, .. } = rule;
            hash.update([u8::from(*mode == Mode::Enforce), u8::from(program.upstream)]);
            for test in [Some(&program.hide), program.except.as_ref()] {
                let program = test.map(|test| render::text(test, self.today)).unwrap_or_default();
                hash.update((program.len() as u64).to_be_bytes());
                hash.update(program);
            }
        }
        hash.finalize().into()
    }

    /// Is the message hidden?
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, now: Timestamp) -> Judgement {
        self.judge_changing(&self.judge_lasting(facts), facts, now)
    }

    /// What of the judgement never changes for this UID.
    #[must_use]
    pub fn judge_lasting(&self, facts: &Facts<'_>) -> Lasting {
        let judge = Judge::new(facts, self.today);
        let mut answers: SmallVec<[Answer; 16]> = SmallVec::new();
        for rule in &self.rules {
            let program = &rule.program;
            let answer = |part| judge.answer(part, rule.asked(facts), None, |_| Answer::Doubt);
            let of_rule = program.parts.iter().map(answer);
            // Where nothing else is asked for, doubt and yes come to the same: fewer kinds to remember.
            let same = program.is_lasting();
            answers.extend(of_rule.map(|answer| if same { Answer::of(answer.hides()) } else { answer }));
        }
        Lasting::of(answers.into_iter())
    }

    /// Are all facts there that [`MessageFilter::judge_lasting`] needs? Without them its answer is doubt, which hides, and
    /// is not to be remembered.
    #[must_use]
    pub fn is_sure_of(&self, facts: &Facts<'_>) -> bool {
        let answered = self
            .searches
            .iter()
            .enumerate()
            .all(|(at, search)| !search.lasting || facts.found.get(at).is_some_and(Option::is_some));
        answered
            && (facts.header.is_some() || self.needs.fields.is_empty())
            && (facts.size.is_some() || !self.needs.size)
            && (facts.internal_date.is_some() || !self.needs.internal_date)
    }

    /// Is the message hidden, as far as it is remembered and as it stands now? Of the facts those of
    /// [`MessageFilter::needs_again`] are looked at, and answers to searches that do not last.
    #[must_use]
    pub fn judge_changing(&self, lasting: &Lasting, facts: &Facts<'_>, now: Timestamp) -> Judgement {
        let judge = Judge::new(facts, self.today);
        let mut judgement = Judgement::default();
        for (number, rule) in (0u16..).zip(&self.rules) {
            let part = |at: usize| lasting.answer(rule.parts_from.saturating_add(at));
            if judge.answer(&rule.program.rest, rule.asked(facts), Some(now), part).hides() {
                judgement.hidden |= rule.mode == Mode::Enforce;
                let by = if rule.mode == Mode::Enforce { &mut judgement.by } else { &mut judgement.shadow };
                by.push(number);
            }
        }
        judgement
    }

    /// Do rules look at this flag? To change it is to change what they say.
    #[must_use]
    pub fn looks_at(&self, flag: &Flag) -> bool {
        self.rules.iter().any(|rule| {
            let in_rest = rule.program.rest.has(|test| matches!(test, Test::Flag(known, _) if is_same(known, flag)));
            in_rest
                || rule
                    .program
                    .asked
                    .iter()
                    .any(|asked| asked.has(|test| matches!(test, Test::Flag(known, _) if is_same(known, flag))))
        })
    }

    /// When `{today}` next means another day, if it is asked for. Hours of rules are [`super::Bound::next_change`]'s.
    #[must_use]
    pub fn changes_at(&self) -> Option<Timestamp> {
        let counts_days = self.rules.iter().any(|rule| rule.program.counts_days);
        let tomorrow = self.today.checked_add(1.days()).ok().filter(|_| counts_days)?;
        TimeZone::UTC.to_timestamp(tomorrow.at(0, 0, 0, 0)).ok()
    }

    /// When OLDER or YOUNGER next say something else of a message that came then.
    #[must_use]
    pub fn message_changes_at(&self, came: InternalDate, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for rule in &self.rules {
            rule.program.rest.walk(&mut |test| {
                let (Test::Older(seconds) | Test::Younger(seconds)) = test else { return };
                // A message is both at the very second; behind it, it is no longer young.
                let first = i64::from(seconds.get()).saturating_add(i64::from(matches!(test, Test::Younger(_))));
                let at = came.at.checked_add(first.seconds()).ok();
                next = next.into_iter().chain(at.filter(|at| *at > now)).min();
            });
        }
        next
    }

    /// The rules of a judgement, as they are recorded: those that hide, and those in shadow.
    #[must_use]
    pub fn hits(&self, judgement: &Judgement) -> (Hits, Hits) {
        let named = |numbers: &RuleNumbers| {
            let mut hits = Hits::NONE;
            let rules = numbers.iter().filter_map(|number| self.rules.get(usize::from(*number)));
            rules.for_each(|rule| hits.add(&rule.id, Effect::HideMessages));
            hits
        };
        (named(&judgement.by), named(&judgement.shadow))
    }
}

impl FilterRule {
    fn asked<'f>(&self, facts: &Facts<'f>) -> &'f [Option<bool>] {
        facts.found.get(self.asked_from..).unwrap_or_default()
    }
}

/// Flags know no case (RFC 9051 §2.3.2).
pub(in crate::policy) fn is_same(one: &Flag, other: &Flag) -> bool {
    one.is_system() == other.is_system() && one.name().eq_ignore_ascii_case(other.name())
}
