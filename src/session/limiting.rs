//! Rules with `limit`: what is left of their budgets, and what becomes of a command that asks for more.
//!
//! ```text
//!   command   ─▶ commands ─▶ message_size of APPEND ─▶ is anything left? ─▶ [RFC822.SIZE] ─▶ up
//!   response  ─▶ * 3 FETCH (… BODY[] {4711} ─▶ take 4711 ─┬─ taken: passes
//!                                                         └─ not left: kept whole; NO [LIMIT] ends the command
//! ```
//!
//! Each message is taken from the budget before its first octet goes to the client, whole or not at all (surface A.7). What
//! has been delivered stays counted, so a client that reads again pays again.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::imap::message::{Uid, UidSet};
use crate::imap::verb::Verb;
use crate::policy::{Effect as RuleEffect, Hits, Limiting, Measure, Mode, Per};
use crate::wire::command::{Args, Command, Fetch};

use super::auth::Login;
use super::budgets::{Account, Owner, Seat};
use super::effect::{Effect, Held, Judged};
use super::event::{LimitAction, LimitKind, LimitPer, ReadClass, VerdictKind};
use super::in_flight::Entry;
use super::refusal::Answer;
use super::{Output, Session};

/// Under which names this session draws on budgets.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    user: Arc<str>,
    client_ip: Arc<str>,
    session: Arc<str>,
}

/// A budget that is used up.
#[derive(Debug, Clone)]
pub(super) struct Over {
    rule: Arc<str>,
    pub(super) kind: LimitKind,
    pub(super) per: LimitPer,
    pub(super) used: u64,
    pub(super) max: u64,
    pub(super) window: Option<Duration>,
}

/// What limits say to one demand.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The budgets that gave it.
    taken: Vec<Account>,
    /// What it is refused for.
    pub(super) over: Option<Over>,
    /// The shadow rules that would have.
    pub(super) shadow: Hits,
}

/// The limits of one FETCH.
#[derive(Debug, Default)]
pub(super) struct FetchBudget {
    limits: Vec<Limiting>,
    /// Is content asked for?
    counts_messages: bool,
    /// The message that was counted last: one may come in several responses.
    counted: Option<u64>,
    /// Why something was kept from the client.
    over: Option<Over>,
    shadow: Hits,
}

/// The set of a FETCH whose messages must be small enough.
#[derive(Debug)]
pub(super) struct SizeCap {
    by: Limiting,
    max: u64,
    pub(super) set: Box<[u8]>,
    /// Where the set stands in the command.
    at: Range<usize>,
    /// It may come to mean more messages than it does now.
    open_ended: bool,
    /// Does it go up by UID, whatever the client said?
    by_uid: bool,
    /// Number, UID and size of each message in it.
    pub(super) sizes: Vec<(u32, Uid, u64)>,
}

impl Over {
    fn of_size(limiting: &Limiting, used: u64, max: u64) -> Self {
        Self::new(limiting, LimitKind::MessageSize, used, max, None)
    }

    fn new(limiting: &Limiting, kind: LimitKind, used: u64, max: u64, window: Option<Duration>) -> Self {
        let per = match limiting.limits.per {
            Per::User => LimitPer::User,
            Per::ClientIp => LimitPer::ClientIp,
            Per::Session => LimitPer::Session,
        };
        Self { rule: Arc::clone(&limiting.rule), kind, per, used, max, window }
    }

    fn of(limiting: &Limiting, account: &Account, used: u64) -> Self {
        Self::new(limiting, kind(account.measure), used, account.quota.max, Some(account.quota.window))
    }

    pub(super) const fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// As the client hears it.
    pub(super) fn answer(&self, reference: String) -> Answer {
        match self.kind {
            LimitKind::MessageSize => Answer::TooBig { reference },
            _ => Answer::Limited { reference },
        }
    }
}

impl Session {
    /// After login, and whenever rules are bound anew.
    pub(super) fn name_owners(&mut self) {
        self.owners = match self.bound.limits() {
            true => Owners {
                user: crate::policy::budget_owner(&self.subject.user).into(),
                client_ip: network(self.subject.client_ip).into(),
                session: Arc::clone(&self.start.sid),
            },
            false => Owners::default(),
        };
    }

    fn owner(&self, limiting: &Limiting) -> Owner {
        let of = match limiting.limits.per {
            Per::User => &self.owners.user,
            Per::ClientIp => &self.owners.client_ip,
            Per::Session => &self.owners.session,
        };
        Owner { rule: Arc::clone(&limiting.rule), of: Arc::clone(of) }
    }

    fn account(&self, limiting: &Limiting, measure: Measure) -> Option<Account> {
        let quota = limiting.limits.quota(measure)?;
        Some(Account { owner: self.owner(limiting), measure, quota })
    }

    /// Takes so much from all budgets that count it, or from none.
    fn take(&self, limits: &[Limiting], measure: Measure, amount: u64, now: Instant) -> Demand {
        let mut demand = Demand::default();
        for limiting in limits {
            let Some(account) = self.account(limiting, measure) else { continue };
            match (self.shared.budgets.take(&account, amount, now), limiting.mode) {
                (Ok(()), _) => demand.taken.push(account),
                (Err(_), Mode::Shadow) => demand.shadow.add(&limiting.rule, RuleEffect::Limit),
                (Err(used), Mode::Enforce) => _ = demand.over.get_or_insert(Over::of(limiting, &account, used)),
            }
        }
        if demand.over.is_some() {
            self.give_back(&demand, amount);
        }
        demand
    }

    fn give_back(&self, demand: &Demand, amount: u64) {
        demand.taken.iter().for_each(|account| self.shared.budgets.give_back(account, amount));
    }

    /// A budget of which nothing is left.
    fn used_up(&self, limits: &[Limiting], measure: Measure, now: Instant) -> Option<Over> {
        let enforced = limits.iter().filter(|limiting| limiting.mode == Mode::Enforce);
        enforced.filter_map(|limiting| Some((limiting, self.account(limiting, measure)?))).find_map(
            |(limiting, account)| {
                let used = self.shared.budgets.used(&account, now);
                (used >= account.quota.max).then(|| Over::of(limiting, &account, used))
            },
        )
    }

    /// A command was received.
    pub(super) fn take_command(&self, limits: &[Limiting], now: Instant) -> Demand {
        self.take(limits, Measure::Commands, 1, now)
    }

    /// The same for one that names no mailbox, and is answered here. `false`: it is refused.
    pub(super) fn admits_local(&mut self, command: &Command<'_>, now: Instant) -> bool {
        if self.state.is_before_login() || !self.bound.limits() {
            return true;
        }
        let demand = self.take_command(&self.bound.limiting(&[], self.wall), now);
        let Some(over) = demand.over else { return true };
        let held = self.held_of(command, Effect::Plain, now);
        self.refuse_limited(held, &over, demand.shadow);
        false
    }

    /// Is a message of that size too large to be put there?
    pub(super) fn over_size(limits: &[Limiting], size: u64) -> Demand {
        let mut demand = Demand::default();
        for limiting in limits {
            let Some(max) = limiting.limits.message_size.filter(|max| size > *max) else { continue };
            match limiting.mode {
                Mode::Enforce => _ = demand.over.get_or_insert(Over::of_size(limiting, size, max)),
                Mode::Shadow => demand.shadow.add(&limiting.rule, RuleEffect::Limit),
            }
        }
        demand
    }

    /// The largest message that may be put anywhere.
    pub(super) fn largest_message(limits: &[Limiting]) -> Option<u64> {
        let enforced = limits.iter().filter(|limiting| limiting.mode == Mode::Enforce);
        enforced.filter_map(|limiting| limiting.limits.message_size).min()
    }

    /// Refuses a command for a limit.
    pub(super) fn refuse_limited(&mut self, mut held: Held, over: &Over, shadow: Hits) {
        let answer = self.note_limited(&mut held, over, shadow);
        self.refuse_held(held, &answer);
    }

    /// Counts and records that a command is refused for a limit, and says how.
    pub(super) fn note_limited(&mut self, held: &mut Held, over: &Over, shadow: Hits) -> Answer {
        held.judged = Judged { verdict: Some(VerdictKind::Limited), by: over.hits(), shadow };
        self.note_judged(held, None);
        self.record_limit_hit(over, Some((held.cmd, held.verb)), LimitAction::Refuse);
        over.answer(format!("{}-{}", self.start.sid, held.cmd))
    }

    /// A FETCH is about to go up: is anything left of what it reads? If so it is followed from here on.
    pub(super) fn budget_fetch(
        &self,
        command: &Command<'_>,
        limits: Vec<Limiting>,
        effect: &mut Effect,
        now: Instant,
    ) -> Option<Over> {
        let (Args::Fetch(fetch), Effect::Fetching(reads)) = (&command.args, effect) else { return None };
        let class = fetch.class();
        let counted = [(Measure::Download, ReadClass::Envelope), (Measure::Messages, ReadClass::Preview)];
        let mut counted = counted.into_iter().filter(|(_, from)| class >= *from);
        if let Some(over) = counted.find_map(|(measure, _)| self.used_up(&limits, measure, now)) {
            return Some(over);
        }
        if class >= ReadClass::Preview {
            let capped = limits.iter().filter(|limiting| limiting.mode == Mode::Enforce);
            let capped = capped.filter_map(|limiting| Some((limiting.limits.message_size?, limiting)));
            reads.cap = capped.min_by_key(|(max, _)| *max).map(|(max, by)| {
                let tag = command.tag.span.end.saturating_add(1);
                let span = &fetch.set.span;
                Box::new(SizeCap {
                    by: by.clone(),
                    max,
                    set: command.frame().get(span.clone()).unwrap_or_default().into(),
                    at: span.start.saturating_sub(tag)..span.end.saturating_sub(tag),
                    open_ended: fetch.set.set.has_star(),
                    by_uid: command.verb.is_uid_form(),
                    sizes: Vec::new(),
                })
            });
        }
        if class >= ReadClass::Envelope && !limits.is_empty() {
            let counts_messages = class >= ReadClass::Preview;
            reads.budget = Some(Box::new(FetchBudget { limits, counts_messages, ..FetchBudget::default() }));
        }
        None
    }

    /// Could something of this FETCH be kept from the client? Then `\\Seen` is not for the upstream to set on all of it.
    pub(super) fn marks_later(&self, fetch: &Fetch<'_>, effect: &mut Effect) -> bool {
        let Effect::Fetching(reads) = effect else { return false };
        // What is too large is left out before it goes up.
        let draws = |limiting: &Limiting| limiting.limits.download.or(limiting.limits.messages).is_some();
        let keeps = |limiting: &Limiting| limiting.mode == Mode::Enforce && draws(limiting);
        let keeps = |budget: &FetchBudget| budget.limits.iter().any(keeps);
        let read_only = self.opened_read_only();
        reads.marks = fetch.sets_seen() && !read_only && reads.budget.as_deref().is_some_and(keeps);
        reads.marks
    }

    /// The command that sets `\\Seen` where [`Session::marks_later`] kept it back.
    pub(super) fn marking(entry: &mut Entry) -> Option<Vec<u8>> {
        let Effect::Fetching(reads) = &mut entry.effect else { return None };
        let uids = std::mem::take(&mut reads.marked);
        (!uids.is_empty()).then(|| format!("UID STORE {uids} +FLAGS (\\Seen)").into_bytes())
    }

    /// The sizes of all messages of a FETCH are known: those that are too large are left out of it.
    pub(super) fn cap_sizes(&mut self, mut held: Held, now: Instant) {
        let Effect::Fetching(reads) = &mut held.effect else { return self.record_intent(held, now) };
        let Some(cap) = reads.cap.take() else { return self.record_intent(held, now) };
        let (small, large): (Vec<_>, Vec<_>) = cap.sizes.iter().copied().partition(|(_, _, size)| *size <= cap.max);
        let Some((_, _, largest)) = large.iter().max_by_key(|(_, _, size)| *size) else {
            if cap.open_ended && !small.is_empty() {
                held.line = cap.with_set(&held, &small);
            }
            return self.record_intent(held, now);
        };
        let over = Over::of_size(&cap.by, *largest, cap.max);
        if small.is_empty() {
            reads.asked = Some(large.iter().map(|(_, uid, _)| *uid).collect());
            return self.refuse_limited(held, &over, Hits::NONE);
        }
        reads.asked = Some(small.iter().map(|(_, uid, _)| *uid).collect());
        reads.budget.get_or_insert_default().over = Some(over);
        held.line = cap.with_set(&held, &small);
        self.record_intent(held, now);
    }

    /// A FETCH response begins, its first literal announced: may the client have it? All of it, or nothing.
    pub(super) fn admits_response(&mut self, serial: u32, octets: usize, literal: Option<u64>) -> bool {
        let Some(reads) = self.reads_of(serial) else { return true };
        let (class, seq) = (reads.now_reaches(), reads.now_number());
        if class < ReadClass::Envelope {
            return true;
        }
        let Some((payer, mut budget)) = self.take_budget(serial) else { return true };
        let size = (octets as u64).saturating_add(literal.unwrap_or(0));
        let again = !budget.counts_messages || budget.counted == Some(seq);
        let over = self.take_response(&mut budget, size, literal.unwrap_or(0), again);
        let admitted = over.is_none();
        budget.counted = Some(seq).filter(|_| admitted).or(budget.counted);
        budget.over = budget.over.or(over);
        self.put_budget(payer, budget);
        if let Some(reads) = self.reads_of(serial).filter(|_| !admitted) {
            reads.forget_response();
        }
        admitted
    }

    /// The budget that pays for a response which is counted with that FETCH. Which of several it answers can be unclear:
    /// then the one that has a budget pays.
    fn take_budget(&mut self, serial: u32) -> Option<(u32, Box<FetchBudget>)> {
        let own = self.reads_of(serial).is_some_and(|reads| reads.budget.is_some());
        let entry = self.in_flight.find(|entry| match &entry.effect {
            Effect::Fetching(reads) => reads.budget.is_some() && (!own || entry.serial == serial),
            _ => false,
        })?;
        match &mut entry.effect {
            Effect::Fetching(reads) => Some((entry.serial, reads.budget.take()?)),
            _ => None,
        }
    }

    fn put_budget(&mut self, payer: u32, budget: Box<FetchBudget>) {
        if let Some(reads) = self.reads_of(payer) {
            reads.budget = Some(budget);
        }
    }

    fn take_response(&self, budget: &mut FetchBudget, octets: u64, literal: u64, again: bool) -> Option<Over> {
        let now = self.upstream_heard;
        let size = Self::over_size(&budget.limits, literal);
        budget.shadow.join(&size.shadow);
        if size.over.is_some() {
            return size.over;
        }
        let download = self.take(&budget.limits, Measure::Download, octets, now);
        budget.shadow.join(&download.shadow);
        if download.over.is_some() || again {
            return download.over;
        }
        let messages = self.take(&budget.limits, Measure::Messages, 1, now);
        budget.shadow.join(&messages.shadow);
        if messages.over.is_some() {
            self.give_back(&download, octets);
        }
        messages.over
    }

    /// The response goes on behind a literal, and announces another one, perhaps: may the client have that? What has
    /// begun must end well-formed; a literal that it may not have becomes NIL.
    pub(super) fn admits_fragment(&mut self, serial: u32, octets: usize, literal: Option<u64>) -> bool {
        let Some((payer, mut budget)) = self.take_budget(serial) else { return true };
        let (octets, mut admitted) = (octets as u64, true);
        match literal {
            Some(size) => {
                let over = self.take_response(&mut budget, octets.saturating_add(size), size, true);
                admitted = over.is_none();
                budget.over = budget.over.or(over);
            }
            None => self.charge(&budget.limits, octets),
        }
        self.put_budget(payer, budget);
        if let Some(reads) = self.reads_of(serial).filter(|_| !admitted) {
            reads.forget_literal();
        }
        admitted
    }

    /// A part of a line that passes in pieces.
    pub(super) fn charge_piece(&mut self, serial: u32, octets: usize) {
        if let Some((payer, budget)) = self.take_budget(serial) {
            self.charge(&budget.limits, octets as u64);
            self.put_budget(payer, budget);
        }
    }

    fn charge(&self, limits: &[Limiting], octets: u64) {
        let accounts = limits.iter().filter_map(|limiting| self.account(limiting, Measure::Download));
        accounts.for_each(|account| self.shared.budgets.charge(&account, octets, self.upstream_heard));
    }

    /// A FETCH is over: was something kept from the client? Says how it is answered then.
    pub(super) fn finish_budget(&mut self, entry: &mut Entry) -> Option<Answer> {
        if let Effect::Appending { cancelled, .. } = &mut entry.effect {
            let over = *cancelled.take()?;
            return Some(self.finish_cancelled(entry, over));
        }
        let Effect::Fetching(reads) = &mut entry.effect else { return None };
        let FetchBudget { over, shadow, .. } = *reads.budget.take()?;
        if over.is_none() && shadow.is_empty() {
            return None;
        }
        let judged = entry.judged.get_or_insert_default();
        judged.shadow.join(&shadow);
        let by = over.as_ref().map_or(Hits::NONE, Over::hits);
        let verdict = if over.is_some() { VerdictKind::Limited } else { VerdictKind::Allowed };
        if over.is_some() {
            judged.verdict = Some(verdict);
            judged.by.join(&by);
            self.out.push(Output::Note(super::event::Note::Decided { verdict, took: None }));
        }
        self.note_hits(&by, &shadow);
        self.alert_of(entry, &by, verdict);
        let over = over?;
        self.record_limit_hit(&over, Some((entry.cmd, entry.verb)), LimitAction::Refuse);
        Some(over.answer(format!("{}-{}", self.start.sid, entry.cmd)))
    }

    /// An APPEND is over of which a message was too large.
    fn finish_cancelled(&mut self, entry: &mut Entry, over: Option<Over>) -> Answer {
        let Some(over) = over else { return Answer::Refused { text: "[TOOBIG] message too large" } };
        let judged = entry.judged.get_or_insert_default();
        judged.verdict = Some(VerdictKind::Limited);
        judged.by.join(&over.hits());
        self.note_hits(&over.hits(), &Hits::NONE);
        self.alert_of(entry, &over.hits(), VerdictKind::Limited);
        self.record_limit_hit(&over, Some((entry.cmd, entry.verb)), LimitAction::Refuse);
        over.answer(format!("{}-{}", self.start.sid, entry.cmd))
    }

    /// Somebody has logged in: is there room for one more session? Rules that are not in force count it, too, for when
    /// they are. The answer, where there is none.
    pub(super) fn take_seats(&mut self, login: &Login, now: Instant) -> Option<Answer> {
        self.seats.clear();
        for (limiting, in_force) in self.bound.limiting_sessions(self.shared.clock.at(now)) {
            let refuses = in_force && limiting.mode == Mode::Enforce;
            let Some(max) = limiting.limits.sessions else { continue };
            let owner = self.owner(&limiting);
            match Seat::take(&self.shared.budgets, owner.clone(), max) {
                Ok(seat) => self.seats.push(seat),
                Err(used) if refuses => {
                    self.seats.clear();
                    let over = Over::new(&limiting, LimitKind::Sessions, used, max, None);
                    self.record_limit_hit(&over, Some((login.cmd, login.verb)), LimitAction::Refuse);
                    let shadow = std::mem::take(&mut self.login_shadow);
                    self.record_login_limited(login, over.hits(), shadow, now);
                    return Some(over.answer(format!("{}-{}", self.start.sid, login.cmd)));
                }
                Err(_) => {
                    if in_force {
                        self.login_shadow.add(&limiting.rule, RuleEffect::Limit);
                    }
                    self.seats.extend(Seat::take(&self.shared.budgets, owner, u64::MAX));
                }
            }
        }
        None
    }

    /// The rules are others: an open session stays, and is counted where it now counts.
    pub(super) fn move_seats(&mut self, now: Instant) {
        let limiting = self.bound.limiting_sessions(self.shared.clock.at(now));
        let owners: Vec<Owner> = limiting.iter().map(|(limiting, _)| self.owner(limiting)).collect();
        self.seats.retain(|seat| owners.contains(seat.owner()));
        for owner in owners {
            if !self.seats.iter().any(|seat| *seat.owner() == owner) {
                self.seats.extend(Seat::take(&self.shared.budgets, owner, u64::MAX));
            }
        }
    }
}

impl Over {
    fn hits(&self) -> Hits {
        let mut hits = Hits::NONE;
        hits.add(&self.rule, RuleEffect::Limit);
        hits
    }
}

impl SizeCap {
    /// The set has become one of UIDs, and stands there.
    pub(super) fn place(&mut self, set: &[u8], at: usize) {
        self.set = set.into();
        self.at = at..at.saturating_add(set.len());
        self.by_uid = true;
    }

    /// The command that asks for sizes.
    pub(super) const fn form(&self, verb: Verb) -> Verb {
        if self.by_uid { Verb::UidFetch } else { verb }
    }

    /// The command with these messages in the place of its set.
    fn with_set(&self, held: &Held, messages: &[(u32, Uid, u64)]) -> Vec<u8> {
        let by_uid = self.by_uid;
        let number = |(seq, uid, _): &(u32, Uid, u64)| if by_uid { Some(*uid) } else { Uid::new(*seq) };
        let set: UidSet = messages.iter().filter_map(number).collect();
        let before = held.line.get(..self.at.start).unwrap_or_default();
        let behind = held.line.get(self.at.end..).unwrap_or_default();
        [before, set.to_string().as_bytes(), behind].concat()
    }
}

const fn kind(measure: Measure) -> LimitKind {
    match measure {
        Measure::Download => LimitKind::Download,
        Measure::Messages => LimitKind::Messages,
        Measure::Commands => LimitKind::Commands,
    }
}

/// An address of IPv4; of IPv6 the network of 64 bits, in which a client picks its addresses as it likes (RFC 8981).
fn network(address: std::net::IpAddr) -> String {
    match address.to_canonical() {
        std::net::IpAddr::V4(four) => four.to_string(),
        std::net::IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let rows = [
            ("IPv4", "203.0.113.5", "203.0.113.5"),
            ("IPv4 on a socket of both", "::ffff:203.0.113.5", "203.0.113.5"),
            ("IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ];
        for (name, address, want) in rows {
            assert_eq!(network(address.parse().unwrap()), want, "{name}");
        }
    }
}
