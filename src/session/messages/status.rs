//! STATUS of a mailbox in which messages may be hidden: counted here, of what is visible.
//!
//! ```text
//!   the open one      from its view
//!   another one       as it was counted before, if nothing has changed there ([`super::peek`]); else by a visit:
//!                     EXAMINE it, look at it as SELECT does, count, and go back
//!
//!   a1 STATUS x (MESSAGES) ─▶ STATUS x ─▶ [STATUS INBOX] ─▶ EXAMINE x ─▶ … ─▶ [SELECT INBOX ─▶ UID SEARCH ALL ─▶ FETCH … CHANGEDSINCE]
//! ```
//!
//! There is one connection to the upstream, and it can have one mailbox open. Where the client's own is one whose numbers
//! pass, its UIDs are asked for before it is left: from then on it has a view. What changed there meanwhile is told: arrivals and
//! what has gone are known by UID, flags by their mod-sequences. (Of an upstream without CONDSTORE a change of flags at the very
//! moment of a visit is seen when the client next asks.) A visit reads with EXAMINE, so it takes no `\Recent` there.

use std::collections::VecDeque;
use std::time::Instant;

use crate::imap::message::UidSet;
use crate::imap::status::Status;
use crate::wire::command::folder::StatusKind;

use super::super::effect::{Effect, Held};
use super::super::event::{CloseReason, Event, EventKind, FilterAction, FilteredResponse};
use super::super::in_flight::Entry;
use super::super::names::Resolved;
use super::super::refusal::Bye;
use super::super::told_status::OfCommand;
use super::super::verdicts::Said;
use super::look::{Look, Then, Work};
use super::{Session, View};

/// A STATUS under way.
#[derive(Debug)]
pub(in crate::session) struct Visit {
    pub(super) target: Resolved,
    pub(super) items: Vec<StatusKind>,
    stage: Stage,
    /// What the client has open.
    home: Option<Box<View>>,
    /// HIGHESTMODSEQ of that.
    pub(super) mark: Option<u64>,
    /// UIDVALIDITY, and what else the upstream says of the mailbox.
    pub(super) said: Option<(u32, Said)>,
    /// What it is answered, once that is known; nothing where it cannot be.
    pub(super) answer: Option<Vec<u8>>,
    /// It comes with a LIST (RFC 5819), and these wait behind it.
    listed: Option<VecDeque<Resolved>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The mailbox is the open one.
    Here,
    /// The upstream is asked what it says of the other one.
    Asking,
    /// The first one is about to get a view.
    Adopting,
    /// The other one is open.
    Away,
    /// The first one is being opened again.
    Returning,
}

impl Visit {
    /// Is what is looked at a mailbox of which the client or we know nothing yet?
    pub fn is_about_the_unknown(&self) -> bool {
        matches!(self.stage, Stage::Away | Stage::Adopting)
    }

    /// Is what is looked at the client's own?
    pub fn is_at_home(&self) -> bool {
        matches!(self.stage, Stage::Here | Stage::Returning)
    }

    /// Is it the open one?
    pub fn is_here(&self) -> bool {
        self.stage == Stage::Here
    }

    /// Is it looked at to be counted?
    pub fn counts(&self) -> bool {
        matches!(self.stage, Stage::Here | Stage::Away)
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
        self.begin_visit(Self::entry_of(held, 0, now), target, items, None, now);
    }

    /// STATUS of all these comes before the line that answers a LIST.
    pub(in crate::session) fn begin_listed_status(
        &mut self,
        line: Vec<u8>,
        (cmd, verb): OfCommand,
        mut targets: VecDeque<Resolved>,
        items: Vec<StatusKind>,
        now: Instant,
    ) {
        match targets.pop_front() {
            Some(first) => {
                let entry = Box::new(Entry { cmd, verb, ..Entry::local(line, now) });
                self.begin_visit(entry, first, items, Some(targets), now);
            }
            None => self.answer_in_turn(line),
        }
    }

    fn begin_visit(
        &mut self,
        entry: Box<Entry>,
        target: Resolved,
        items: Vec<StatusKind>,
        listed: Option<VecDeque<Resolved>>,
        now: Instant,
    ) {
        let open = self.state.selected();
        let here = open.is_some_and(|open| open.target.name == target.name) && self.view.is_some();
        let stage = if here { Stage::Here } else { Stage::Asking };
        let visit = Visit { target, items, stage, home: None, mark: None, said: None, answer: None, listed };
        if here {
            if let Some(view) = &mut self.view {
                view.asking.wants = visit.wants();
            }
            return self.begin_work(Then::Status(entry, Box::new(visit)), now);
        }
        if !self.may_know(&visit.items) {
            return self.leave_for(entry, visit, now);
        }
        let line = self.peek_line(&visit);
        self.visiting(Look::Peek, &line, entry, visit, now);
    }

    fn visiting(&mut self, look: Look, line: &[u8], entry: Box<Entry>, visit: Visit, now: Instant) {
        self.work = Some(Work { then: Then::Status(entry, Box::new(visit)), rounds: 0 });
        self.ask(look, line, now);
    }

    /// The client's own mailbox is about to be left: what must be known to find it again as it was?
    pub(super) fn leave_for(&mut self, entry: Box<Entry>, mut visit: Visit, now: Instant) {
        let is_open = self.state.selected().is_some();
        match (&self.view, self.mark_line()) {
            (None, _) if is_open => {
                visit.stage = Stage::Adopting;
                self.adopt_open(Then::Status(entry, Box::new(visit)), now);
            }
            (Some(_), Some(line)) => self.visiting(Look::Mark, &line, entry, visit, now),
            _ => self.depart(entry, visit, now),
        }
    }

    /// Opens the other mailbox.
    pub(super) fn depart(&mut self, entry: Box<Entry>, mut visit: Visit, now: Instant) {
        visit.stage = Stage::Away;
        visit.home = self.view.take();
        let filter = self.bound.message_filter(&self.target(&visit.target), self.wall);
        let mut view = View::default();
        view.set_filter(filter);
        view.asking.wants = visit.wants();
        self.view = Some(Box::new(view));
        let line = self.opening_of("EXAMINE", &visit.target);
        self.visiting(Look::Visit, &line, entry, visit, now);
    }

    pub(super) fn opening_of(&self, verb: &str, target: &Resolved) -> Vec<u8> {
        let mut line = format!("{verb} ").into_bytes();
        let octets = target.octets.as_deref().unwrap_or(target.name.as_str().as_bytes());
        crate::wire::encode::string(&mut line, octets, self.utf8_mode(), false);
        line
    }

    /// All that was asked is known: of the mailbox, or of the one that the client has come back to.
    pub(super) fn status_known(&mut self, entry: Box<Entry>, mut visit: Visit, now: Instant) {
        match visit.stage {
            Stage::Here | Stage::Asking => {
                let figures = self.figures(&visit);
                visit.answer = figures.and_then(|figures| self.status_line(&visit, &figures));
                self.answer_status(entry, visit, now);
            }
            Stage::Adopting => {
                self.finish_adopting();
                self.leave_for(entry, visit, now);
            }
            Stage::Away => {
                if let Some(view) = &mut self.view {
                    view.messages.tell_expunged();
                    view.note_top();
                    view.keep_floor(&*self.shared.verdicts);
                }
                if let Some(figures) = self.figures(&visit) {
                    self.remember_figures(&visit, &figures);
                    visit.answer = self.status_line(&visit, &figures);
                }
                self.go_back(entry, visit, now);
            }
            Stage::Returning => self.answer_status(entry, visit, now),
        }
    }

    pub(super) fn answer_status(&mut self, entry: Box<Entry>, visit: Visit, now: Instant) {
        let known = visit.answer.is_some();
        match visit.answer {
            Some(line) => {
                if visit.listed.is_some() {
                    self.record_counted_status((entry.cmd, entry.verb), &visit.target, &line);
                }
                self.out.client().extend_from_slice(&line);
            }
            None => {
                let kind =
                    EventKind::FilterFailure { response: FilteredResponse::Status, action: FilterAction::Withheld };
                self.out.record(Event::new(std::sync::Arc::clone(&self.ctx), kind));
            }
        }
        match (visit.listed, entry.effect) {
            (Some(rest), Effect::Local(line)) => {
                // A mailbox of which nothing can be said is left out (RFC 5819 §2).
                self.begin_listed_status(line, (entry.cmd, entry.verb), rest, visit.items, now);
                self.answer_waiting(now);
            }
            (_, effect) => {
                let entry = Box::new(Entry { effect, ..*entry });
                let (status, rest): (_, &[u8]) =
                    if known { (Status::Ok, b"OK x\r\n") } else { (Status::No, b"NO [UNAVAILABLE] x\r\n") };
                self.conclude(entry, Some(status), rest, now);
            }
        }
    }

    /// What was open before is opened again, or nothing is.
    fn go_back(&mut self, entry: Box<Entry>, mut visit: Visit, now: Instant) {
        visit.stage = Stage::Returning;
        self.view = visit.home.take();
        if let Some(view) = &mut self.view {
            (view.asking.uneven, view.asking.returned, view.asking.mod_seq) = (false, None, None);
            view.keep_recent();
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
        self.visiting(look, &line, entry, visit, now);
    }

    /// A mailbox was opened or closed on the way.
    pub(super) fn travelled(&mut self, look: Look, ok: bool, now: Instant) {
        let open = self.state.selected().and_then(|open| open.mailbox.uidv);
        let mark = match &self.work {
            Some(Work { then: Then::Status(_, visit), .. }) => visit.mark,
            _ => None,
        };
        let Some(view) = &mut self.view else { return };
        match look {
            Look::Visit if ok => {
                let uidvalidity = view.asking.uidvalidity;
                let target = match &self.work {
                    Some(Work { then: Then::Status(_, visit), .. }) => visit.target.clone(),
                    _ => return,
                };
                let places = self.places_of(&target, uidvalidity);
                if let Some(view) = &mut self.view {
                    view.remember_in(places, &*self.shared.verdicts);
                }
                return self.look_on(now);
            }
            Look::Visit => return self.fail_status(now),
            Look::Leave => {
                // Without UNSELECT it is a NO that closes it.
                self.view = None;
                let Some(Work { then: Then::Status(entry, visit), .. }) = self.work.take() else { return };
                return self.answer_status(entry, *visit, now);
            }
            Look::Return if ok && view.asking.uidvalidity == open && view.was_left_alone(mark) => {
                view.asking.returned = None;
                return self.look_on(now);
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
                match (view.recount_is_even(), mark.filter(|mark| view.asking.mod_seq != Some(*mark))) {
                    (true, Some(mark)) => {
                        let line = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {mark})");
                        return self.ask(Look::Changed, line.as_bytes(), now);
                    }
                    (true, None) => return self.look_on(now),
                    (false, _) => {}
                }
            }
            _ => {}
        }
        // The client's mailbox is not what it was, or is gone: so is the session.
        self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now);
    }

    /// The other mailbox cannot be looked at.
    pub(super) fn fail_status(&mut self, now: Instant) {
        let Some(Work { then: Then::Status(entry, visit), .. }) = self.work.take() else { return };
        match visit.stage {
            Stage::Away => self.go_back(entry, *visit, now),
            Stage::Here | Stage::Asking => self.answer_status(entry, *visit, now),
            Stage::Adopting | Stage::Returning => self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now),
        }
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
