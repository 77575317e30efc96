//! STATUS of another mailbox is answered from memory where the upstream's own figures prove that nothing has changed.
//!
//! ```text
//!   a1 STATUS x (MESSAGES UNSEEN) ─▶ STATUS x (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)
//!                                    as when it was counted  ─▶ that is the answer
//!                                    otherwise               ─▶ a visit, and the answer is remembered
//! ```
//!
//! *What is told depends on nothing hidden, and neither does the kind of what is asked.* How often a visit is needed does: a
//! message that comes or goes there costs one, be it hidden or not, as it costs a judgement at SELECT. Nothing else may: no
//! shortcut is taken for a mailbox in which nothing is hidden, none for one in which nothing is unseen, so of two mailboxes at
//! rest, one with hidden messages and one without, both are asked for the same. And that a visit took place shows in nothing
//! but time: `\Recent` is kept ([`super::recent`]), and news of flags are asked for.
//!
//! To ask for HIGHESTMODSEQ switches CONDSTORE on at the upstream (RFC 7162 §3.1): the client is told no mod-sequence all the
//! same ([`super::left_out`]).

use std::time::Instant;

use crate::imap::message::UidSet;
use crate::policy::MessageFilter;
use crate::wire::command::folder::StatusKind;
use crate::wire::response::{Token, number, token};

use super::super::names::Resolved;
use super::super::verdicts::{Counts, Said};
use super::figures::Figures;
use super::look::{Look, Then, Work};
use super::status::Visit;
use super::{Session, View};

/// What a STATUS response says.
#[derive(Debug, Default)]
struct Told {
    mailbox: Vec<u8>,
    messages: Option<u64>,
    uid_next: Option<u64>,
    uidvalidity: Option<u64>,
    recent: Option<u64>,
    mod_seq: Option<u64>,
}

impl Told {
    fn read(response: &[u8], at: usize) -> Option<Self> {
        let (name, at) = token(response, at)?;
        let mut told = Self { mailbox: name.string()?, ..Self::default() };
        let (Token::Open, mut at) = token(response, at)? else { return None };
        while let (Token::Atom(word), behind) = token(response, at)? {
            let (Token::Atom(value), end) = token(response, behind)? else { return None };
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let item = match () {
                () if is("MESSAGES") => Some(&mut told.messages),
                () if is("UIDNEXT") => Some(&mut told.uid_next),
                () if is("UIDVALIDITY") => Some(&mut told.uidvalidity),
                () if is("RECENT") => Some(&mut told.recent),
                () if is("HIGHESTMODSEQ") => Some(&mut told.mod_seq),
                () => None,
            };
            if let Some(item) = item {
                *item = number(value);
            }
            at = end;
        }
        Some(told)
    }

    /// UIDVALIDITY and the rest, where all of it is there. A mailbox without mod-sequences says 0 (RFC 7162 §3.1.2.2).
    fn said(&self) -> Option<(u32, Said)> {
        let small = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        let said = Said {
            uid_next: small(self.uid_next)?,
            messages: small(self.messages)?,
            recent: small(self.recent),
            highest_mod_seq: self.mod_seq.filter(|mod_seq| *mod_seq > 0),
        };
        Some((small(self.uidvalidity)?, said))
    }
}

impl Look {
    /// Is it a STATUS?
    pub(in crate::session) const fn asks_status(self) -> bool {
        matches!(self, Self::Peek | Self::Mark)
    }
}

/// Where only flags can change what it says, mod-sequences prove that it says the same.
fn can_be_proven(filter: &MessageFilter) -> bool {
    filter.lasting() || !filter.needs_again().internal_date && filter.searches().iter().all(|search| search.lasting)
}

impl Session {
    /// Can what is remembered answer these items?
    pub(super) fn may_know(&self, items: &[StatusKind]) -> bool {
        self.leg.capabilities.condstore
            || !items.iter().any(|item| matches!(item, StatusKind::Unseen | StatusKind::Deleted))
    }

    /// `STATUS "x" (MESSAGES …)`
    pub(super) fn peek_line(&self, visit: &Visit) -> Vec<u8> {
        let recent = if visit.items.contains(&StatusKind::Recent) { " RECENT" } else { "" };
        let mod_seq = if self.leg.capabilities.condstore { " HIGHESTMODSEQ" } else { "" };
        let mut line = self.opening_of("STATUS", &visit.target);
        line.extend_from_slice(format!(" (MESSAGES UIDNEXT UIDVALIDITY{recent}{mod_seq})").as_bytes());
        line
    }

    /// How far mod-sequences have come in the open mailbox.
    pub(super) fn mark_line(&self) -> Option<Vec<u8>> {
        let open = self.state.selected().filter(|_| self.leg.capabilities.condstore)?;
        Some([self.opening_of("STATUS", &open.target).as_slice(), b" (HIGHESTMODSEQ)"].concat())
    }

    /// What the upstream says of the mailbox that was asked about. `false`: it is another one.
    pub(in crate::session) fn learn_status(&mut self, response: &[u8], rest: usize) -> bool {
        let Some(look) = self.looking() else { return false };
        let Some(told) = Told::read(response, rest) else { return false };
        let delimiter = self.delimiter();
        let name = crate::wire::mailbox::decode_lenient(&told.mailbox, self.utf8_mode(), delimiter).name;
        let open = self.state.selected().map(|open| open.target.name.clone());
        let Some(Work { then: Then::Status(_, visit), .. }) = &mut self.work else { return false };
        match look {
            Look::Peek if name == visit.target.name => visit.said = told.said(),
            Look::Mark if Some(name) == open => visit.mark = told.mod_seq.filter(|mod_seq| *mod_seq > 0),
            _ => return false,
        }
        true
    }

    /// A STATUS of ours is answered.
    pub(super) fn peeked(&mut self, look: Look, ok: bool, now: Instant) {
        let Some(Work { then: Then::Status(entry, mut visit), .. }) = self.work.take() else { return };
        if look == Look::Mark {
            return self.depart(entry, *visit, now);
        }
        visit.said = visit.said.take().filter(|_| ok);
        visit.answer = self.known_figures(&visit).and_then(|figures| self.status_line(&visit, &figures));
        match visit.answer {
            Some(_) => self.answer_status(entry, *visit, now),
            None => self.leave_for(entry, *visit, now),
        }
    }

    /// What is remembered, where it holds still.
    fn known_figures(&self, visit: &Visit) -> Option<Figures> {
        let (uidvalidity, said) = visit.said.as_ref()?;
        let (filter, digest) = self.judge_of(&visit.target)?;
        let place = self.place_of(&visit.target, *uidvalidity);
        let (then, counts) = self.shared.verdicts.counts(&place, &digest)?;
        let counts = counts.still_true(&then, said, filter.is_none_or(|filter| filter.lasting()))?;
        let floor = self.shared.verdicts.floor(&self.told_in(&visit.target, *uidvalidity));
        Some(Figures {
            messages: counts.messages.into(),
            uid_next: floor.map_or(1, |uid| uid.get().saturating_add(1)),
            uidvalidity: Some(*uidvalidity),
            unseen: counts.unseen.map(u64::from),
            deleted: counts.deleted.map(u64::from),
            recent: counts.recent.map(u64::from),
        })
    }

    /// What was counted there is remembered.
    pub(super) fn remember_figures(&self, visit: &Visit, figures: &Figures) {
        let (Some((uidvalidity, said)), Some(view)) = (&visit.said, &self.view) else { return };
        let same = figures.uidvalidity == Some(*uidvalidity) && !view.asking.unsure;
        let Some((_, digest)) = self.judge_of(&visit.target).filter(|_| same) else { return };
        let small = |number: u64| u32::try_from(number).ok();
        let Some(messages) = small(figures.messages) else { return };
        let counts = Counts {
            messages,
            unseen: figures.unseen.and_then(small),
            deleted: figures.deleted.and_then(small),
            recent: figures.recent.and_then(small),
        };
        self.shared.verdicts.count(&self.place_of(&visit.target, *uidvalidity), &digest, said, counts);
    }

    /// What judges there, and its digest. `None`: what it says changes without a trace.
    fn judge_of(&self, target: &Resolved) -> Option<(Option<std::sync::Arc<MessageFilter>>, [u8; 32])> {
        let filter = self.bound.message_filter(&self.target(target), self.wall);
        let digest = filter.as_ref().map(|filter| filter.digest()).unwrap_or_default();
        filter.as_ref().is_none_or(|filter| can_be_proven(filter)).then_some((filter, digest))
    }
}

impl View {
    /// Nothing can have happened while the mailbox was left: neither flags nor arrivals, by mod-sequences, and nothing has gone.
    pub(super) fn was_left_alone(&self, mark: Option<u64>) -> bool {
        mark.is_some()
            && self.asking.mod_seq == mark
            && self.pending == 0
            && self.asking.returned.unwrap_or(0) == self.messages.upstream_count()
    }

    /// How many of these are among those.
    pub(super) fn count(set: &UidSet, shown: &UidSet) -> u64 {
        set.intersect(shown).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_response_is_read() {
        let rows: [(&str, Option<(u32, u32, u32, Option<u64>)>); 6] = [
            ("INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 12)", Some((7, 3, 9, Some(12)))),
            ("\"a b\" (UIDVALIDITY 7 X-MORE y UIDNEXT 9 MESSAGES 3)", Some((7, 3, 9, None))),
            ("{1}\r\nx (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 0)", Some((7, 3, 9, None))),
            ("x (MESSAGES 3 UIDNEXT 9)", None),
            ("x (MESSAGES 99999999999 UIDNEXT 9 UIDVALIDITY 7)", None),
            ("x (MESSAGES", None),
        ];
        for (text, want) in rows {
            let line = format!("{text}\r\n");
            let told = Told::read(line.as_bytes(), 0).and_then(|told| told.said());
            let told = told.map(|(uidv, said)| (uidv, said.messages, said.uid_next, said.highest_mod_seq));
            assert_eq!(told, want, "{text}");
        }
    }
}
