//! What the answers to the proxy's own questions say: UIDs, and facts about messages.

use crate::imap::message::{Flag, Uid};
use crate::view::messages::Standing;
use crate::wire::response::{Head, Keyword, Numbered, head, number};

use super::super::follow::uid_set;
use super::facts::{self, Seen};
use super::look::Look;
use super::{Session, View};

impl Session {
    /// A whole FETCH response to a question of ours.
    pub(in crate::session) fn learn_facts(&mut self, response: &[u8]) {
        let Head::Number { number, what: Numbered::Fetch, rest } = head(response) else { return };
        let seen = facts::read(response, rest);
        let (Some(look), Ok(number), wall) = (self.looking(), u32::try_from(number), self.wall) else { return };
        let Some(view) = &mut self.view else { return };
        let Some(uid) = seen.uid else {
            view.asking.uneven |= look == Look::Arrived && number > view.messages.upstream_count();
            return view.news_of(number, seen.flags);
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
                view.asking.heard = view.asking.heard.saturating_add(1);
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
            _ if view.messages.by_upstream(number).is_some_and(|message| message.uid == uid) => {
                view.news_of(number, seen.flags);
            }
            _ => {}
        }
    }

    /// A response to a question of ours is too large to be looked at: what it is about stays hidden.
    pub(in crate::session) fn too_large_to_judge(&mut self, begun: &[u8]) {
        let Head::Number { number, what: Numbered::Fetch, rest } = head(begun) else { return };
        let seen = facts::read(begun, rest);
        if let Some(view) = &mut self.view {
            view.asking.unsure = true;
        }
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

impl View {
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
        self.push_all(all);
    }

    /// What was told of messages that have come. `false`: it does not come out even.
    pub(super) fn take_arrived(&mut self, look: Look) -> bool {
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
            if judged == Some(false) {
                self.asking.hidden.insert(uid);
            }
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
        for uid in known.without(&all).iter() {
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
