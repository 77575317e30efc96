//! STATUS of a mailbox in which messages may be hidden: counted here, of what is visible.
//!
//! ```text
//!   the open one      from its view
//!   another one       EXAMINE it, look at it as SELECT does, count, and go back
//!
//!   a1 STATUS x (MESSAGES) ─▶ EXAMINE x ─▶ … ─▶ [SELECT INBOX ─▶ UID SEARCH ALL]     what changed there meanwhile is told
//! ```
//!
//! There is one connection to the upstream, and it can have one mailbox open. Where the client's own is one whose numbers
//! pass, its UIDs are asked for before it is left, so that afterwards it is known what has changed: from then on it has a view.

use std::time::Instant;

use crate::imap::message::UidSet;
use crate::imap::status::Status;
use crate::wire::command::folder::StatusKind;

use super::super::effect::{Effect, Held};
use super::super::event::{CloseReason, Event, EventKind, FilterAction, FilteredResponse};
use super::super::in_flight::Entry;
use super::super::names::Resolved;
use super::super::refusal::Bye;
use super::look::{Look, Then};
use super::{Session, View};

/// A STATUS under way.
#[derive(Debug)]
pub(in crate::session) struct Visit {
    target: Resolved,
    items: Vec<StatusKind>,
    stage: Stage,
    /// What the client has open.
    home: Option<Box<View>>,
    /// What it is answered, once that is known; nothing where it cannot be.
    answer: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The mailbox is the open one.
    Here,
    /// The other one is open.
    Away,
    /// The first one is being opened again.
    Returning,
}

impl Visit {
    /// Is the mailbox that is looked at one of which the client knows nothing?
    pub fn is_away(&self) -> bool {
        self.stage == Stage::Away
    }
}

impl Session {
    pub(in crate::session) fn begin_status(
        &mut self,
        held: Held,
        target: Resolved,
        items: Vec<StatusKind>,
        now: Instant,
    ) {
        let entry = Box::new(Self::entry_of(held, 0, now));
        let open = self.state.selected();
        let here = open.is_some_and(|open| open.target.name == target.name) && self.view.is_some();
        let visit = Visit { target, items, stage: Stage::Here, home: None, answer: None };
        if here {
            if let Some(view) = &mut self.view {
                view.asking.wants = visit.wants();
            }
            return self.begin_work(Then::Status(entry, Box::new(visit)), now);
        }
        self.leave_for(*entry, visit, now);
    }

    /// Opens the other mailbox.
    fn leave_for(&mut self, entry: Entry, mut visit: Visit, now: Instant) {
        visit.stage = Stage::Away;
        visit.home = self.view.take();
        let filter = self.bound.message_filter(&self.target(&visit.target), self.wall);
        let mut view = View::default();
        view.set_filter(filter);
        view.asking.wants = visit.wants();
        self.view = Some(Box::new(view));
        let line = self.opening_of("EXAMINE", &visit.target);
        self.work = Some(super::Work { then: Then::Status(Box::new(entry), Box::new(visit)), rounds: 0 });
        self.ask(Look::Visit, &line, now);
    }

    fn opening_of(&self, verb: &str, target: &Resolved) -> Vec<u8> {
        let mut line = format!("{verb} ").into_bytes();
        let octets = target.octets.as_deref().unwrap_or(target.name.as_str().as_bytes());
        crate::wire::encode::string(&mut line, octets, self.utf8_mode(), false);
        line
    }

    /// All that was asked is known: of the mailbox, or of the one that the client has come back to.
    pub(super) fn status_known(&mut self, entry: Entry, mut visit: Visit, now: Instant) {
        match visit.stage {
            Stage::Here => {
                visit.answer = self.counted(&entry, &visit);
                self.answer_status(entry, visit, now);
            }
            Stage::Away => {
                if let Some(view) = &mut self.view {
                    view.messages.tell_expunged();
                    view.note_top();
                    view.keep_floor(&*self.shared.verdicts);
                }
                visit.answer = self.counted(&entry, &visit);
                self.go_back(entry, visit, now);
            }
            Stage::Returning => self.answer_status(entry, visit, now),
        }
    }

    fn answer_status(&mut self, entry: Entry, visit: Visit, now: Instant) {
        match visit.answer {
            Some(line) => {
                self.out.client().extend_from_slice(&line);
                self.conclude(entry, Some(Status::Ok), b"OK x\r\n", now);
            }
            None => {
                let kind =
                    EventKind::FilterFailure { response: FilteredResponse::Status, action: FilterAction::Withheld };
                self.out.record(Event::new(std::sync::Arc::clone(&self.ctx), kind));
                self.conclude(entry, Some(Status::No), b"NO [UNAVAILABLE] x\r\n", now);
            }
        }
    }

    /// What was open before is opened again, or nothing is.
    fn go_back(&mut self, entry: Entry, mut visit: Visit, now: Instant) {
        visit.stage = Stage::Returning;
        self.view = visit.home.take();
        if let Some(view) = &mut self.view {
            (view.asking.uneven, view.asking.returned) = (false, None);
        }
        let open = self.state.selected().map(|open| (open.target.clone(), open.read_only));
        let (look, line) = match (&self.view, open) {
            (Some(_), Some((target, read_only))) => {
                let verb = if read_only { "EXAMINE" } else { "SELECT" };
                (Look::Return, self.opening_of(verb, &target))
            }
            _ => {
                // A view for the answer to what closes the mailbox: nothing of it is the client's business.
                self.view = Some(Box::default());
                (Look::Leave, self.unselecting())
            }
        };
        self.work = Some(super::Work { then: Then::Status(Box::new(entry), Box::new(visit)), rounds: 0 });
        self.ask(look, &line, now);
    }

    /// A mailbox was opened or closed on the way.
    pub(super) fn travelled(&mut self, look: Look, ok: bool, now: Instant) {
        let open = self.state.selected().and_then(|open| open.mailbox.uidv);
        let Some(view) = &mut self.view else { return };
        match look {
            Look::Visit if ok => {
                let uidvalidity = view.asking.uidvalidity;
                let target = match &self.work {
                    Some(super::Work { then: Then::Status(_, visit), .. }) => visit.target.clone(),
                    _ => return,
                };
                let place = uidvalidity.map(|uidvalidity| self.place_of(&target, uidvalidity));
                if let Some(view) = &mut self.view {
                    view.remember_in(place, &*self.shared.verdicts);
                }
                return self.look_on(now);
            }
            Look::Visit => return self.fail_status(now),
            Look::Leave => {
                // Without UNSELECT it is a NO that closes it.
                self.view = None;
                let Some(super::Work { then: Then::Status(entry, visit), .. }) = self.work.take() else { return };
                return self.answer_status(*entry, *visit, now);
            }
            Look::Return if ok && (view.asking.uidvalidity == open || open.is_none()) => {
                view.asking.collected = UidSet::new();
                view.asking.returned.get_or_insert(0);
                view.pending = 0;
                let line: &[u8] =
                    if self.leg.capabilities.esearch { b"UID SEARCH RETURN (ALL) ALL" } else { b"UID SEARCH ALL" };
                return self.ask(Look::Recount, line, now);
            }
            Look::Recount if ok => {
                view.take_recount();
                if view.recount_is_even() {
                    return self.look_on(now);
                }
            }
            _ => {}
        }
        // The client's mailbox is not what it was, or is gone: so is the session.
        self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now);
    }

    /// The other mailbox cannot be looked at.
    pub(super) fn fail_status(&mut self, now: Instant) {
        let Some(super::Work { then: Then::Status(entry, visit), .. }) = self.work.take() else { return };
        match visit.stage {
            Stage::Away => self.go_back(*entry, *visit, now),
            Stage::Here => self.answer_status(*entry, *visit, now),
            Stage::Returning => self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now),
        }
    }

    /// `* STATUS x (MESSAGES 3)` of the view that is looked at.
    fn counted(&self, entry: &Entry, visit: &Visit) -> Option<Vec<u8>> {
        let view = self.view.as_ref()?;
        let Effect::Status { mailbox, .. } = &entry.effect else { return None };
        let shown = match visit.stage {
            Stage::Here => view.messages.shown(),
            _ => view.messages.visible(),
        };
        let count = |set: &UidSet| set.intersect(&shown).len();
        let uidvalidity = match visit.stage {
            Stage::Here => self.state.selected().and_then(|open| open.mailbox.uidv),
            _ => view.asking.uidvalidity,
        };
        let mut out = b"* STATUS ".to_vec();
        let octets = visit.target.octets.as_deref().unwrap_or(mailbox.name.as_bytes());
        crate::wire::encode::astring(&mut out, octets, self.utf8_mode(), false);
        out.extend_from_slice(b" (");
        let mut first = true;
        for item in &visit.items {
            let number = match item {
                StatusKind::Messages => shown.len(),
                StatusKind::Recent => count(&view.recent),
                StatusKind::UidNext => u64::from(view.uid_next()),
                StatusKind::UidValidity => u64::from(uidvalidity?),
                StatusKind::Unseen => count(&view.asking.unseen),
                StatusKind::Deleted => count(&view.asking.deleted),
                StatusKind::Size
                | StatusKind::HighestModSeq
                | StatusKind::AppendLimit
                | StatusKind::MailboxId
                | StatusKind::DeletedStorage => continue,
            };
            let word = StatusKind::ALL.iter().find(|(kind, _)| kind == item).map_or("", |(_, word)| word);
            out.extend_from_slice(format!("{}{word} {number}", if first { "" } else { " " }).as_bytes());
            first = false;
        }
        out.extend_from_slice(b")\r\n");
        Some(out)
    }
}

impl Visit {
    /// What must be asked for the items, the last one first.
    fn wants(&self) -> Vec<Look> {
        let of = |item: &StatusKind| match item {
            StatusKind::Unseen => Some(Look::Unseen),
            StatusKind::Deleted => Some(Look::Deleted),
            // What has come since the client opened it is known of the mailbox that it has open.
            StatusKind::Recent if self.stage != Stage::Here => Some(Look::Recent),
            _ => None,
        };
        let mut wants: Vec<Look> = self.items.iter().filter_map(of).collect();
        wants.dedup();
        wants
    }
}
