//! What must be found out before the client hears of it: which UIDs there are, and what rules say to them.
//!
//! ```text
//!   opened:   UID SEARCH RETURN (ALL) ALL ─┐                           FETCH 4:5 (UID FLAGS …)   :arrived, judged as it comes
//!                                          ├─▶ [UID SEARCH of a rule] ─▶ UID FETCH 11,15 (FLAGS …) ─▶ shown, or not
//!   changed:  ─────────────────────────────┘
//! ```
//!
//! Numbers of the upstream's go up here and nowhere else, and only in a FETCH, during which it may not change them (RFC 9051
//! §5.5). What does not come out even is asked again, and then given up: what is not known stays hidden.

use std::sync::Arc;
use std::time::Instant;

use crate::imap::message::{Flag, Uid, UidSet};
use crate::policy::{Facts, Hits, MessageFilter, Needs};
use crate::view::messages::Standing;
use crate::wire::response::{Head, Keyword, Numbered, head, number};

use super::super::effect::{Effect, Held, Own};
use super::super::event::{FilteredResponse, Note};
use super::super::follow::uid_set;
use super::super::in_flight::Entry;
use super::super::verdicts::{Judged, Verdicts};
use super::facts::{self, Seen};
use super::tell::Appended;
use super::{Hush, Session, View};

/// What a command of the proxy's own asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Look {
    /// Nothing: the upstream shall say what it has not said yet.
    Sync,
    /// Which UIDs there are.
    All,
    /// The same of messages behind those that are known, and, where that is all that is needed, facts of them.
    Arrived,
    /// What only the upstream can tell of them: the answer to the filter's search of this number.
    Found(usize),
    /// Facts about messages by UID.
    Facts,
    /// Which are unseen.
    Unseen,
    /// Which are recent.
    Recent,
    /// Which are flagged `\\Deleted`.
    Deleted,
    /// Opens another mailbox for a while.
    Visit,
    /// Opens the client's own again.
    Return,
    /// Which UIDs there are in it.
    Recount,
    /// Closes the other one, where nothing was open before.
    Leave,
}

/// What waits for that.
#[derive(Debug)]
pub(in crate::session) struct Work {
    pub(super) then: Then,
    /// How often it has been asked anew.
    pub(super) rounds: u8,
}

impl Work {
    /// The client's command that is not answered yet.
    pub(in crate::session) fn into_entry(self) -> Option<Entry> {
        match self.then {
            Then::Open(entry, _) | Then::Status(entry, _) => Some(*entry),
            Then::Say { .. } | Then::Idle | Then::Copy(_) | Then::Read => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Then {
    /// A SELECT.
    Open(Box<Entry>, Box<super::open::Opened>),
    /// A tagged answer.
    Say { line: Vec<u8>, hush: Hush, appended: Option<Appended> },
    /// IDLE, which goes on.
    Idle,
    /// STATUS.
    Status(Box<Entry>, Box<super::status::Visit>),
    /// A COPY or MOVE to where messages may be hidden.
    Copy(Box<Held>),
    /// The command that was not looked at yet.
    Read,
}

/// Asked anew so often at most.
const MAX_ROUNDS: u8 = 4;

/// What is being found out.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Answers to [`Look::Arrived`]: number, UID, and whether it may be shown, where that is known.
    rows: Vec<(u32, Uid, Option<bool>)>,
    /// Up to which number of the upstream's was asked.
    upto: u32,
    /// The upstream moved numbers where it may not, or what came does not come out even.
    pub(super) uneven: bool,
    /// Further lines of the question under way, the last one first.
    rest: Vec<Vec<u8>>,
    /// Messages whose UIDs are known, and what rules say to them is not.
    pub(super) unjudged: UidSet,
    /// Of those, the ones that nothing hides.
    pub(super) shown: UidSet,
    /// What is remembered of them, and what will be.
    known: Judged,
    fresh: Judged,
    /// Of those, the ones of which facts must be asked for: all that rules need, and what may have changed.
    anew: UidSet,
    again: UidSet,
    /// Numbers that an answer to a search has.
    pub(super) collected: UidSet,
    /// The answers to the filter's searches.
    found: Vec<Option<UidSet>>,
    /// How far the judging of what is unjudged has come.
    pub(super) judging: Judging,
    /// What is asked is what this says to them, where they are to be copied to.
    pub(super) there: Option<Arc<MessageFilter>>,
    /// By which rules messages are hidden, and by which they would be.
    pub(super) by: Hits,
    pub(super) shadow: Hits,
    /// What must be asked when all is judged, the last one first.
    pub(super) wants: Vec<Look>,
    pub(super) unseen: UidSet,
    pub(super) deleted: UidSet,
    /// What a mailbox that was opened again has, until it is known which messages those are.
    pub(super) returned: Option<u32>,
    pub(super) uidvalidity: Option<u32>,
    /// Messages that rules hid in this look.
    hidden: u64,
}

/// How far the judging has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Judging {
    /// It has not begun.
    #[default]
    Not,
    /// What is remembered has been sorted out.
    Recalled,
    /// The filter's searches have been asked.
    Searched,
}

impl View {
    /// Is there something of which the client must not hear yet?
    pub fn must_look(&self) -> bool {
        self.pending > 0 || !self.again.is_empty()
    }

    /// The items that are fetched to judge a message.
    fn items(needs: &Needs) -> String {
        let mut items = String::from("(UID FLAGS");
        if needs.internal_date {
            items.push_str(" INTERNALDATE");
        }
        if needs.size {
            items.push_str(" RFC822.SIZE");
        }
        if !needs.fields.is_empty() {
            items.push_str(" BODY.PEEK[HEADER.FIELDS (");
            for (at, field) in needs.fields.iter().enumerate() {
                if at > 0 {
                    items.push(' ');
                }
                let mut name = Vec::new();
                crate::wire::encode::astring(&mut name, field.as_bytes(), crate::wire::command::Utf8Mode::Off, false);
                items.push_str(&String::from_utf8_lossy(&name));
            }
            items.push_str(")]");
        }
        items.push(')');
        items
    }

    /// What judges now.
    fn judging(&self) -> Option<&Arc<MessageFilter>> {
        self.asking.there.as_ref().or(self.filter.as_ref())
    }

    fn needs(&self) -> Needs {
        self.judging().map(|filter| filter.needs().clone()).unwrap_or_default()
    }

    fn asks_searches(&self) -> bool {
        self.judging().is_some_and(|filter| !filter.searches().is_empty())
    }

    /// May it be shown, as far as these facts go? What is missing hides.
    fn judge(&mut self, uid: Uid, seen: &Seen, now: jiff::Timestamp) -> bool {
        let Some(filter) = self.judging() else { return true };
        if seen.flags.is_none() && (filter.needs().flags || filter.needs_again().flags) {
            return false;
        }
        let found: Vec<Option<bool>> =
            self.asking.found.iter().map(|found| found.as_ref().map(|set| set.contains(uid))).collect();
        let facts = Facts {
            flags: seen.flags.as_deref().unwrap_or_default(),
            internal_date: seen.internal_date,
            size: seen.size,
            header: seen.header.as_deref(),
            found: &found,
            ..Facts::of(uid)
        };
        let lasting = match self.asking.known.of(uid) {
            Some(lasting) => lasting.clone(),
            None => {
                let lasting = filter.judge_lasting(&facts);
                if self.asking.there.is_none() && filter.is_sure_of(&facts) {
                    self.asking.fresh.insert(uid, &lasting);
                }
                lasting
            }
        };
        let filter = self.asking.there.as_ref().or(self.filter.as_ref());
        let Some(judgement) = filter.map(|filter| (filter, filter.judge_changing(&lasting, &facts, now))) else {
            return true;
        };
        let (filter, judgement) = judgement;
        if !judgement.by.is_empty() || !judgement.shadow.is_empty() {
            let (by, shadow) = filter.hits(&judgement);
            self.asking.by.join(&by);
            self.asking.shadow.join(&shadow);
        }
        !judgement.hidden
    }
}

impl Session {
    /// Finds out what must be known, then goes on with this.
    pub(super) fn begin_work(&mut self, then: Then, now: Instant) {
        self.work = Some(Work { then, rounds: 0 });
        self.look_on(now);
    }

    /// The next question, or what waits for the answers.
    pub(super) fn look_on(&mut self, now: Instant) {
        let opening = self.is_opening();
        let esearch = self.leg.capabilities.esearch;
        let Some(view) = &mut self.view else { return };
        let known = view.messages.upstream_count();
        if view.asking.unjudged.is_empty() && view.pending > 0 {
            let first = known.saturating_add(1);
            view.asking.upto = known.saturating_add(view.pending);
            view.asking.rows.clear();
            view.asking.uneven = false;
            if opening && known == 0 && esearch {
                view.asking.collected = UidSet::new();
                return self.ask(Look::All, b"UID SEARCH RETURN (ALL) ALL", now);
            }
            // All that is known of a whole mailbox need not be asked for again.
            let bare = opening && known == 0 || view.asks_searches();
            let items = if bare { "(UID)".to_owned() } else { View::items(&view.needs()) };
            let line = format!("FETCH {first}:{} {items}", view.asking.upto);
            return self.ask(Look::Arrived, line.as_bytes(), now);
        }
        if view.asking.unjudged.is_empty() && !view.again.is_empty() {
            view.asking.unjudged = std::mem::take(&mut view.again).intersect(&view.messages.shown());
            view.asking.shown = UidSet::new();
            view.asking.judging = Judging::Not;
        }
        if !view.asking.unjudged.is_empty() {
            return self.ask_about_unjudged(now);
        }
        if let Some(want) = view.asking.wants.pop() {
            view.asking.collected = UidSet::new();
            let key = match want {
                Look::Unseen => "UNSEEN",
                Look::Recent => "RECENT",
                Look::Deleted => "DELETED",
                _ => "ALL",
            };
            let returns = if esearch { "RETURN (ALL) " } else { "" };
            return self.ask(want, format!("UID SEARCH {returns}{key}").as_bytes(), now);
        }
        self.go_on(now);
    }

    /// Is nothing of the mailbox known yet, to anybody?
    fn is_opening(&self) -> bool {
        match &self.work {
            Some(Work { then: Then::Open(..), .. }) => true,
            Some(Work { then: Then::Status(_, visit), .. }) => visit.is_away(),
            Some(Work { then: Then::Read, .. }) => self.view.as_ref().is_some_and(|view| view.adopting),
            _ => false,
        }
    }

    fn ask_about_unjudged(&mut self, now: Instant) {
        let Some(view) = &mut self.view else { return };
        let searches = view.judging().map_or(0, |filter| filter.searches().len());
        if view.judging().is_none() {
            // Nothing hides here, now.
            view.asking.shown = view.asking.unjudged.clone();
            return self.finish_judging(now);
        }
        if view.asking.judging == Judging::Not {
            view.asking.judging = Judging::Recalled;
            let verdicts = Arc::clone(&self.shared.verdicts);
            view.recall(&*verdicts);
        }
        if view.asking.judging == Judging::Recalled {
            view.asking.found = Vec::new();
            if searches > 0 {
                return self.ask_search(0, now);
            }
            view.asking.judging = Judging::Searched;
        }
        let Some(view) = &mut self.view else { return };
        let mut lines = view.fetch_lines();
        let Some(first) = lines.pop() else {
            return self.finish_judging(now);
        };
        view.asking.rest = lines;
        self.ask(Look::Facts, &first, now);
    }

    /// Asks the filter's search of this number of all that is unjudged.
    fn ask_search(&mut self, at: usize, now: Instant) {
        let esearch = self.leg.capabilities.esearch;
        let Some(view) = &mut self.view else { return };
        let Some(search) = view.judging().and_then(|filter| filter.searches().get(at)).cloned() else {
            view.asking.judging = Judging::Searched;
            return self.ask_about_unjudged(now);
        };
        view.asking.collected = UidSet::new();
        let program = search.pieces.concat();
        let head = if esearch { "UID SEARCH RETURN (ALL) " } else { "UID SEARCH " };
        let charset = if search.is_utf8 { "CHARSET UTF-8 " } else { "" };
        let line = |set: String| [head, charset, "UID ", &set, " "].concat().into_bytes();
        let mut lines: Vec<Vec<u8>> = view
            .spell_in_pieces(&view.asking.searched(search.lasting), program.len().saturating_add(64))
            .into_iter()
            .map(|set| [line(set), program.clone()].concat())
            .rev()
            .collect();
        let Some(first) = lines.pop() else {
            // Nobody has to be asked; what is remembered holds the answer.
            view.asking.found.push(None);
            return self.ask_search(at.saturating_add(1), now);
        };
        view.asking.rest = lines;
        self.ask(Look::Found(at), &first, now);
    }

    pub(super) fn ask(&mut self, look: Look, line: &[u8], now: Instant) {
        let serial = self.in_flight.next_serial();
        self.in_flight.push(Entry::own(serial, Own::Look(look), now));
        self.send_with_literals(serial, &[line, b"\r\n"].concat());
    }

    /// What the question under way is.
    pub(in crate::session) fn looking(&self) -> Option<Look> {
        self.in_flight.iter().find_map(|entry| match entry.effect {
            Effect::Own(Own::Look(look)) => Some(look),
            _ => None,
        })
    }

    /// A question is answered.
    pub(in crate::session) fn looked(&mut self, look: Look, ok: bool, now: Instant) {
        let counts = self.counts();
        let Some(view) = &mut self.view else { return };
        if ok && let Some(line) = view.asking.rest.pop() {
            return self.ask(look, &line, now);
        }
        view.asking.rest = Vec::new();
        match look {
            Look::Sync => {}
            Look::All | Look::Arrived if !ok || !view.take_arrived(look) => return self.look_again(now),
            Look::All | Look::Arrived => {}
            Look::Found(at) => {
                let found = std::mem::take(&mut view.asking.collected);
                // NO and BAD are no answer, and hide all that was asked for.
                view.asking.found.push(ok.then_some(found));
                let next = at.saturating_add(1);
                return self.ask_search(next, now);
            }
            // What was not told because of a failure must not look like what is hidden: a mirror would delete it.
            Look::Facts if !ok => {
                view.asking.judging = Judging::Not;
                view.asking.shown = UidSet::new();
                return self.look_again(now);
            }
            Look::Facts => return self.finish_judging(now),
            Look::Unseen | Look::Recent | Look::Deleted if !ok && counts => return self.fail_status(now),
            // Without an answer nothing is unseen, recent or deleted.
            Look::Unseen => view.asking.unseen = std::mem::take(&mut view.asking.collected),
            Look::Recent => view.recent = std::mem::take(&mut view.asking.collected),
            Look::Deleted => view.asking.deleted = std::mem::take(&mut view.asking.collected),
            Look::Visit | Look::Return | Look::Recount | Look::Leave => return self.travelled(look, ok, now),
        }
        self.look_on(now);
    }

    /// All that could be learnt of what was unjudged has been: what nothing hides is shown.
    fn finish_judging(&mut self, now: Instant) {
        let opening = self.is_opening();
        let Some(view) = &mut self.view else { return };
        let unjudged = std::mem::take(&mut view.asking.unjudged);
        let shown = std::mem::take(&mut view.asking.shown);
        view.asking.judging = Judging::Not;
        (view.asking.known, view.asking.found) = (Judged::default(), Vec::new());
        view.remember(&*self.shared.verdicts);
        if view.asking.there.take().is_some() {
            if let Some(Work { then: Then::Copy(held), .. }) = &mut self.work {
                super::copy::leaves(held, shown);
            }
            return self.look_on(now);
        }
        view.messages.show(&shown, if opening { Standing::Visible } else { Standing::New });
        for uid in unjudged.iter().filter(|uid| !shown.contains(*uid)) {
            view.messages.hide(uid);
            view.asking.hidden = view.asking.hidden.saturating_add(1);
        }
        self.look_on(now);
    }

    /// Something did not come out even: the upstream gets a chance to say what has happened, then all is asked anew.
    fn look_again(&mut self, now: Instant) {
        let Some(work) = &mut self.work else { return };
        work.rounds = work.rounds.saturating_add(1);
        if work.rounds < MAX_ROUNDS {
            return self.ask(Look::Sync, b"NOOP", now);
        }
        match work.then {
            Then::Open(..) => self.fail_open(FilteredResponse::Numbers, now),
            Then::Status(..) => self.fail_status(now),
            Then::Read => self.fail_adopting(now),
            // What the upstream says does not come out even, and never will.
            Then::Say { .. } | Then::Idle | Then::Copy(_) => self.end_filtered(FilteredResponse::Numbers, now),
        }
    }

    fn counts(&self) -> bool {
        matches!(self.work, Some(Work { then: Then::Status(..), .. }))
    }

    /// What waited for the answers goes on.
    fn go_on(&mut self, now: Instant) {
        let verdicts = Arc::clone(&self.shared.verdicts);
        let hidden = self.view.as_mut().map_or(0, |view| {
            view.remember(&*verdicts);
            std::mem::take(&mut view.asking.hidden)
        });
        if hidden > 0 {
            self.note(Note::Hidden { messages: hidden, mailboxes: 0 });
        }
        if self.renews_at().is_some() {
            self.await_change(now);
        }
        let Some(work) = self.work.take() else { return };
        match work.then {
            Then::Open(entry, opened) => self.finish_open(*entry, *opened, now),
            Then::Say { line, hush, appended } => {
                self.tell(hush);
                let line = self.with_append_uid(line, appended);
                self.out.client().extend_from_slice(&line);
                self.answer_waiting(now);
            }
            Then::Idle => {
                self.tell(Hush::No);
                self.answer_waiting(now);
            }
            Then::Status(entry, visit) => self.status_known(*entry, *visit, now),
            Then::Copy(held) => self.copy_known(*held, now),
            Then::Read => self.adopted(now),
        }
    }

    /// A whole FETCH response to a question of ours.
    pub(in crate::session) fn learn_facts(&mut self, response: &[u8]) {
        let Head::Number { number, what: Numbered::Fetch, rest } = head(response) else { return };
        let seen = facts::read(response, rest);
        let (Some(look), Ok(number), wall) = (self.looking(), u32::try_from(number), self.wall) else { return };
        let Some(view) = &mut self.view else { return };
        let Some(uid) = seen.uid else {
            view.asking.uneven |= look == Look::Arrived;
            return;
        };
        if view.filter.is_some() || look == Look::Arrived {
            view.note_recent(uid, &seen);
        }
        match look {
            Look::Arrived if number > view.messages.upstream_count() => {
                let judged = (!view.asks_searches() && seen.flags.is_some()).then(|| view.judge(uid, &seen, wall));
                if judged == Some(true) {
                    view.note_age(&seen, wall);
                }
                view.asking.rows.push((number, uid, judged));
            }
            Look::Facts if view.asking.unjudged.contains(uid) => {
                let known = view.messages.by_upstream(number).is_some_and(|message| message.uid == uid);
                if view.news.contains(uid)
                    && let Some(flags) = &seen.flags
                {
                    view.fresh_flags.push((uid, flags.clone()));
                }
                // A server that numbers otherwise than we do is believed in nothing.
                if known && view.judge(uid, &seen, wall) {
                    view.note_age(&seen, wall);
                    view.asking.shown.insert(uid);
                }
            }
            // News of a message that is known.
            _ => view.flags_changed(number, Some(uid)),
        }
    }

    /// A response to a question of ours is too large to be looked at: what it is about stays hidden.
    pub(in crate::session) fn too_large_to_judge(&mut self, begun: &[u8]) {
        let Head::Number { number, what: Numbered::Fetch, rest } = head(begun) else { return };
        let seen = facts::read(begun, rest);
        let arrived = self.looking() == Some(Look::Arrived);
        if let (Some(view), true, Ok(number)) = (&mut self.view, arrived, u32::try_from(number)) {
            match seen.uid {
                Some(uid) if number > view.messages.upstream_count() => {
                    view.asking.rows.push((number, uid, Some(false)));
                }
                _ => view.asking.uneven = true,
            }
        }
    }

    /// Numbers of a search of ours.
    pub(super) fn learn_found(&mut self, keyword: Keyword, list: &[u8]) {
        let look = self.looking();
        let Some(view) = &mut self.view else { return };
        let numbers = match keyword {
            Keyword::Esearch => {
                let mut words = list.split(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
                words.find(|word| word.eq_ignore_ascii_case(b"ALL"));
                words.next().and_then(uid_set).unwrap_or_default()
            }
            _ => list
                .split(|octet| matches!(octet, b' ' | b'\r' | b'\n'))
                .filter_map(|word| Uid::new(u32::try_from(number(word)?).ok()?))
                .collect(),
        };
        for (first, last) in numbers.runs() {
            view.asking.collected.insert_run(first, last);
        }
        match look {
            Some(Look::All) => view.take_all(),
            Some(Look::Recount) => view.take_recount(),
            _ => {}
        }
    }
}

impl Asking {
    /// What lasts of judgements is another filter's.
    pub(super) fn forget(&mut self) {
        (self.known, self.fresh) = (Judged::default(), Judged::default());
    }

    /// Of which messages the upstream must be asked: those of which nothing is remembered, and where the answer does not last
    /// the others, too.
    fn searched(&self, lasting: bool) -> UidSet {
        let mut set = self.anew.clone();
        if !lasting {
            self.again.runs().for_each(|(first, last)| set.insert_run(first, last));
        }
        set
    }
}

impl View {
    /// What was judged is remembered.
    fn remember(&mut self, verdicts: &dyn Verdicts) {
        let fresh = std::mem::take(&mut self.asking.fresh);
        if let (Some(place), Some(digest), false) = (&self.place, &self.digest, fresh.is_empty()) {
            verdicts.remember(place, digest, &fresh);
        }
    }

    /// Sorts out what is remembered of what is unjudged.
    fn recall(&mut self, verdicts: &dyn Verdicts) {
        let unjudged = self.asking.unjudged.clone();
        (self.asking.anew, self.asking.again) = (unjudged.clone(), UidSet::new());
        let (Some(filter), Some(place), Some(digest), None) =
            (&self.filter, &self.place, &self.digest, &self.asking.there)
        else {
            return;
        };
        let known = verdicts.recall(place, digest);
        let sorted = known.sort(filter, &unjudged);
        sorted.shown.runs().for_each(|(first, last)| self.asking.shown.insert_run(first, last));
        self.asking.anew = sorted.unknown;
        let kinds = known.kinds().filter_map(|(lasting, uids)| Some((lasting, uids.intersect(&unjudged).first()?)));
        for (lasting, any) in kinds.filter(|_| filter.lasting()) {
            let judgement = filter.judge_changing(lasting, &Facts::of(any), jiff::Timestamp::UNIX_EPOCH);
            let (by, shadow) = filter.hits(&judgement);
            self.asking.by.join(&by);
            self.asking.shadow.join(&shadow);
        }
        if !filter.lasting() {
            for (_, uids) in known.kinds() {
                let again = uids.intersect(&unjudged);
                again.runs().for_each(|(first, last)| self.asking.again.insert_run(first, last));
            }
            self.asking.anew = unjudged.without(&self.asking.again);
            self.asking.known = known;
        }
    }

    /// The lines that ask for facts, the last one first.
    fn fetch_lines(&self) -> Vec<Vec<u8>> {
        let Some(filter) = self.judging() else { return Vec::new() };
        let mut lines = Vec::new();
        for (set, needs) in [(&self.asking.again, filter.needs_again()), (&self.asking.anew, filter.needs())] {
            let items = Self::items(needs);
            let pieces = self.spell_in_pieces(set, items.len().saturating_add(32));
            lines.extend(pieces.into_iter().map(|set| format!("UID FETCH {set} {items}").into_bytes()).rev());
        }
        lines
    }

    fn note_recent(&mut self, uid: Uid, seen: &Seen) {
        if seen.flags.as_ref().is_some_and(|flags| flags.contains(&Flag::Recent)) {
            self.recent.insert(uid);
        }
    }

    /// The UIDs of the whole mailbox, at the moment at which there are as many as messages.
    fn take_all(&mut self) {
        let all = std::mem::take(&mut self.asking.collected);
        self.asking.uneven = all.len() != u64::from(self.pending) || self.messages.upstream_count() > 0;
        if self.asking.uneven {
            return;
        }
        for (first, last) in all.runs() {
            let len = last.get().saturating_sub(first.get()).saturating_add(1);
            self.messages.push_run(first, len, Standing::Hidden);
        }
        self.pending = 0;
        self.asking.unjudged = all;
    }

    /// What was told of messages that have come. `false`: it does not come out even.
    fn take_arrived(&mut self, look: Look) -> bool {
        if look == Look::All {
            return !self.asking.uneven && self.pending == 0 || self.messages.upstream_count() > 0;
        }
        let mut rows = std::mem::take(&mut self.asking.rows);
        rows.sort_unstable_by_key(|row| row.0);
        rows.dedup();
        let first = self.messages.upstream_count().saturating_add(1);
        let even = !self.asking.uneven
            && rows.len() as u64 == u64::from(self.asking.upto.saturating_sub(first).saturating_add(1))
            && rows.iter().zip(first..).all(|(row, number)| row.0 == number)
            && rows.is_sorted_by(|one, next| one.1 < next.1)
            && rows.first().is_none_or(|row| self.messages.last().is_none_or(|last| last < row.1));
        if !even {
            return false;
        }
        for (_, uid, judged) in rows {
            let standing = if judged == Some(true) { Standing::New } else { Standing::Hidden };
            self.messages.push(uid, standing);
            self.pending = self.pending.saturating_sub(1);
            self.asking.hidden = self.asking.hidden.saturating_add(u64::from(judged == Some(false)));
            if judged.is_none() {
                self.asking.unjudged.insert(uid);
            }
        }
        true
    }

    /// The UIDs of a mailbox that was opened again: what is gone, and what has come.
    pub(super) fn take_recount(&mut self) {
        let Some(returned) = self.asking.returned.take() else { return };
        let all = std::mem::take(&mut self.asking.collected);
        let known = self.messages.upstream();
        let last = self.messages.last();
        self.asking.uneven |= all.len() != u64::from(returned);
        for uid in known.iter().filter(|uid| !all.contains(*uid)) {
            self.messages.lose(uid);
            self.again.remove(uid);
        }
        for (first, end) in all.runs() {
            let first = if last >= Some(first) {
                last.and_then(|last| Uid::new(last.get().saturating_add(1)))
            } else {
                Some(first)
            };
            let Some(first) = first.filter(|first| *first <= end) else { continue };
            let len = end.get().saturating_sub(first.get()).saturating_add(1);
            self.messages.push_run(first, len, Standing::Hidden);
            self.asking.unjudged.insert_run(first, end);
        }
        // A UID that nobody knew cannot have been there before those that somebody does.
        self.asking.uneven |= self.messages.upstream_count() != returned;
    }

    pub(super) fn recount_is_even(&self) -> bool {
        !self.asking.uneven
    }

    /// Numbers moved while numbers were asked for.
    pub fn numbers_moved(&mut self) {
        self.asking.uneven = true;
    }
}
