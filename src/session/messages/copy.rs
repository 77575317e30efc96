//! COPY and MOVE to where messages may be hidden: what would be hidden there is not put there.
//!
//! Else a client could make mail vanish that it may see, or find out by copying what hides it there. Where the same rules hold
//! in both mailboxes what is visible in one is visible in the other, and nothing has to be asked.

use std::time::Instant;

use crate::imap::message::UidSet;
use crate::wire::command::{Command, Role};

use super::super::effect::{Effect, Held, Judged};
use super::super::event::{CloseReason, VerdictKind};
use super::super::refusal::{Answer, Bye};
use super::look::Then;
use super::{Session, View};

/// Messages whose UIDs fit into a line of 60,000 octets, however they are spelled.
const MOST_AT_ONCE: u64 = 5_000;

/// The messages that are to be copied are these.
pub(super) fn leaves(held: &mut Held, shown: UidSet) {
    if let Effect::Copying { uids, .. } = &mut held.effect {
        *uids = Some(shown);
    }
}

impl Session {
    /// Must it be asked first what rules say to these messages, where they are going? Then that is under way.
    pub(super) fn asks_destination(&mut self, held: Held, meant: &UidSet, now: Instant) -> Option<Held> {
        let Effect::Copying { guarded: Some(target), .. } = &held.effect else { return Some(held) };
        if held.parts.destination_known {
            return Some(held);
        }
        let there = self.bound.message_filter(&self.target(target), self.wall);
        let Some(view) = &mut self.view else { return Some(held) };
        let Some(there) = there.filter(|there| Some(there.digest()) != view.digest) else { return Some(held) };
        view.asking.there = Some(there);
        (view.asking.by, view.asking.shadow) = (crate::policy::Hits::NONE, crate::policy::Hits::NONE);
        view.asking.unjudged = meant.clone();
        view.asking.shown = UidSet::new();
        view.asking.judging = super::look::Judging::Not;
        self.begin_work(Then::Copy(Box::new(held)), now);
        None
    }

    /// It is known what would be hidden there.
    pub(super) fn copy_known(&mut self, mut held: Held, now: Instant) {
        let Some(view) = &mut self.view else { return };
        let by = std::mem::take(&mut view.asking.by);
        if !by.is_empty() {
            held.judged = Judged { verdict: Some(VerdictKind::Refused), by, shadow: held.judged.shadow.clone() };
            self.note_judged(&held, None);
            let reference = self.reference();
            return self.refuse_held(held, &Answer::NotPermitted { reference });
        }
        let meant = match &mut held.effect {
            Effect::Copying { uids, .. } => uids.clone().unwrap_or_default(),
            _ => UidSet::new(),
        };
        held.parts.destination_known = true;
        if let Some(parted) = self.part_line(held, &meant, now) {
            self.prepare(parted, now);
        }
    }

    /// The lines of a COPY or MOVE, which is all or nothing. So many that they may not fit into one are saved at the upstream
    /// first. What is done goes by how many there are, not by how much room their ranges take: what is hidden between them makes
    /// that more. `None`: it is refused.
    pub(super) fn copy_lines(&self, before: &[u8], meant: &UidSet, behind: &[u8]) -> Option<Vec<Vec<u8>>> {
        let view = self.view.as_ref()?;
        if meant.len() <= MOST_AT_ONCE {
            return Some(vec![[before, view.spell(meant).as_bytes(), behind].concat()]);
        }
        if !self.leg.capabilities.searchres {
            return None;
        }
        let mut lines = view.saving_lines(meant);
        lines.push([before, b"$", behind].concat());
        Some(lines)
    }

    /// The client was told which UIDs its messages have where they went: UIDNEXT of that mailbox is larger, from now on.
    pub(in crate::session) fn note_copies(&self, effect: &Effect) {
        if let Effect::Copying { guarded: Some(target), code: Some(code), .. } = effect
            && let Some(last) = code.copies.last()
        {
            self.shared.verdicts.raise_floor(&self.told_in(target, code.uidvalidity), last);
        }
    }

    /// What is said next was written under other rules, perhaps: what they hide now is gone before it is looked at. Says whether
    /// that has to be found out.
    pub(in crate::session) fn renews_before_command(&mut self, now: Instant) -> bool {
        self.renew_filter();
        let must = self.view.as_ref().is_some_and(|view| !view.again.is_empty());
        if must {
            self.begin_work(Then::Read, now);
        }
        self.work.is_some()
    }

    /// The same as soon as the client says anything, or at once where it idles.
    pub(in crate::session) fn adopt_if_due(&mut self, now: Instant) {
        let idles = self.idle_paused.is_some();
        if self.needs_view && (idles || !self.inbox.is_empty()) && self.is_quiet() && !self.closing {
            self.needs_view = false;
            self.adopt_open(if idles { Then::Idle } else { Then::Read }, now);
        }
    }

    /// The open mailbox gets a view: all that the client knows is visible, until it is judged.
    pub(super) fn adopt_open(&mut self, then: Then, now: Instant) {
        let Some(open) = self.state.selected() else { return };
        let (exists, places) = (open.exists, self.places_of(&open.target, open.mailbox.uidv));
        let mut view = View { pending: exists, adopting: true, ..View::default() };
        view.remember_in(places, &*self.shared.verdicts);
        view.asking.wants = vec![super::look::Look::Recent];
        self.view = Some(Box::new(view));
        self.begin_work(then, now);
    }

    /// All is known that the client was told before there was a view.
    pub(super) fn finish_adopting(&mut self) {
        if let Some(view) = self.view.as_mut().filter(|view| view.adopting) {
            view.adopting = false;
            view.note_top();
            self.filter_is_stale = true;
            self.renew_filter();
        }
    }

    /// The open mailbox is one whose numbers pass, and the command is about another one in which messages may be hidden: then
    /// its UIDs must be known first, and the command is read again when they are.
    pub(in crate::session) fn adopts_mailbox(&mut self, command: &Command<'_>, now: Instant) -> bool {
        if self.state.selected().is_none() || self.view.is_some() || !self.may_hide_messages() {
            return false;
        }
        let looks = |role| matches!(role, Role::CopyTo | Role::MoveTo);
        let guarded = command.mailboxes().filter(|(role, _)| looks(*role)).any(|(_, arg)| {
            self.resolve(arg).is_some_and(|resolved| self.exists(&resolved) && self.guards_mailbox(&resolved))
        });
        if guarded {
            self.adopt_open(Then::Read, now);
        }
        guarded && self.work.is_some()
    }

    /// What is in the open mailbox cannot be found out.
    pub(super) fn fail_adopting(&mut self, now: Instant) {
        self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now);
    }
}
