//! What rules say to messages: what must be asked to know it, and what is remembered of it.
//!
//! ```text
//!   unjudged ─▶ recall ─▶ remembered whole: shown, or not
//!                     └─▶ [UID SEARCH of a rule …] ─▶ UID FETCH 11,15 (FLAGS …) ─▶ judge ─▶ shown, or not, and remembered
//! ```

use std::sync::Arc;
use std::time::Instant;

use crate::imap::message::{Uid, UidSet};
use crate::policy::{Facts, Lasting, MessageFilter, Needs};
use crate::view::messages::Standing;

use super::super::verdicts::{Judged, Verdicts};
use super::facts::{self, Seen};
use super::look::{Asking, Judging, Look, Then, Work};
use super::{Session, View};

impl View {
    /// What judges now.
    fn judging(&self) -> Option<&Arc<MessageFilter>> {
        self.asking.there.as_ref().or(self.filter.as_ref())
    }

    pub(super) fn needs(&self) -> Needs {
        self.judging().map(|filter| filter.needs().clone()).unwrap_or_default()
    }

    pub(super) fn asks_searches(&self) -> bool {
        self.judging().is_some_and(|filter| !filter.searches().is_empty())
    }

    /// May it be shown, as far as these facts go? What is missing hides.
    pub(super) fn judge(&mut self, uid: Uid, seen: &Seen, now: jiff::Timestamp) -> bool {
        self.judged(uid, seen, now).1
    }

    /// The same, and what of it lasts.
    pub(super) fn judged(&mut self, uid: Uid, seen: &Seen, now: jiff::Timestamp) -> (Lasting, bool) {
        let Some(filter) = self.judging() else { return (Lasting::default(), true) };
        if seen.flags.is_none() && (filter.needs().flags || filter.needs_again().flags) {
            self.asking.unsure = true;
            return (Lasting::default(), false);
        }
        let found: Vec<Option<bool>> =
            self.asking.found.iter().map(|found| found.as_ref().map(|set| set.contains(uid))).collect();
        let facts = seen.facts(uid, &found);
        let lasting = match self.asking.known.of(uid) {
            Some(lasting) => lasting.clone(),
            None => {
                let lasting = filter.judge_lasting(&facts);
                match filter.is_sure_of(&facts) {
                    true if self.asking.there.is_none() => self.asking.fresh.insert(uid, &lasting),
                    is_sure => self.asking.unsure |= !is_sure,
                }
                lasting
            }
        };
        let filter = self.asking.there.as_ref().or(self.filter.as_ref());
        let Some(judgement) = filter.map(|filter| (filter, filter.judge_changing(&lasting, &facts, now))) else {
            return (lasting, true);
        };
        let (filter, judgement) = judgement;
        if !judgement.by.is_empty() || !judgement.shadow.is_empty() {
            let (by, shadow) = filter.hits(&judgement);
            self.asking.by.join(&by);
            self.asking.shadow.join(&shadow);
        }
        (lasting, !judgement.hidden)
    }

    /// What was judged is remembered.
    pub(super) fn remember(&mut self, verdicts: &dyn Verdicts) {
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
            let items = facts::items(needs);
            let pieces = self.spell_in_pieces(set, items.len().saturating_add(32));
            lines.extend(pieces.into_iter().map(|set| format!("UID FETCH {set} {items}").into_bytes()).rev());
        }
        lines
    }
}

impl Session {
    pub(super) fn ask_about_unjudged(&mut self, now: Instant) {
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
        view.asking.asked = view.asking.again.len().saturating_add(view.asking.anew.len());
        let mut lines = view.fetch_lines();
        let Some(first) = lines.pop() else {
            return self.finish_judging(now);
        };
        view.asking.rest = lines;
        self.ask(Look::Facts, &first, now);
    }

    /// Asks the filter's search of this number of all that is unjudged.
    pub(super) fn ask_search(&mut self, at: usize, now: Instant) {
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

    /// All that could be learnt of what was unjudged has been: what nothing hides is shown.
    pub(super) fn finish_judging(&mut self, now: Instant) {
        let opening = self.is_opening();
        let Some(view) = &mut self.view else { return };
        let unjudged = std::mem::take(&mut view.asking.unjudged);
        let shown = std::mem::take(&mut view.asking.shown);
        view.asking.judging = Judging::Not;
        let (asked, heard) = (std::mem::take(&mut view.asking.asked), std::mem::take(&mut view.asking.heard));
        view.asking.unsure |= asked != heard;
        (view.asking.known, view.asking.found) = (Judged::default(), Vec::new());
        view.remember(&*self.shared.verdicts);
        if view.asking.there.take().is_some() {
            if let Some(Work { then: Then::Copy(held), .. }) = &mut self.work {
                super::copy::leaves(held, shown);
            }
            return self.look_on(now);
        }
        view.messages.show(&shown, if opening { Standing::Visible } else { Standing::New });
        let rejected = unjudged.without(&shown);
        // Of a mailbox that is being opened nothing is shown that could be hidden.
        if !opening {
            rejected.intersect(&view.messages.shown()).iter().for_each(|uid| view.messages.hide(uid));
        }
        rejected.runs().for_each(|(first, last)| view.asking.hidden.insert_run(first, last));
        self.look_on(now);
    }
}

impl Asking {
    /// What lasts of judgements is another filter's.
    pub(super) fn forget(&mut self) {
        (self.known, self.fresh) = (Judged::default(), Judged::default());
    }

    /// Messages from `first` to `last`, all of which were asked for: rules say the same of them as of another.
    pub(super) fn take_judged(&mut self, first: Uid, last: Uid, lasting: &Lasting, shown: bool) {
        let heard = u64::from(last.get().saturating_sub(first.get())).saturating_add(1);
        self.heard = self.heard.saturating_add(heard);
        self.fresh.insert_run(first, last, lasting);
        if shown {
            self.shown.insert_run(first, last);
        }
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
