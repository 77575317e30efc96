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

use crate::imap::message::{Uid, UidSet};
use crate::policy::{Hits, MessageFilter};

use super::super::effect::{Effect, Held, Own};
use super::super::event::{FilteredResponse, Note};
use super::super::in_flight::Entry;
use super::super::verdicts::Judged;
use super::facts;
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
    /// What the upstream says of another mailbox: is it what it said when that was counted?
    Peek,
    /// How far mod-sequences have come in the client's mailbox, which is about to be left.
    Mark,
    /// Opens another mailbox for a while.
    Visit,
    /// Opens the client's own again.
    Return,
    /// Which UIDs there are in it.
    Recount,
    /// Which flags have changed there meanwhile.
    Changed,
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
    pub(in crate::session) fn into_entry(self) -> Option<Box<Entry>> {
        match self.then {
            Then::Open(entry, _) | Then::Status(entry, _) => Some(entry),
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
    pub(super) rows: Vec<(u32, Uid, Option<bool>)>,
    /// Up to which number of the upstream's was asked.
    pub(super) upto: u32,
    /// The upstream moved numbers where it may not, or what came does not come out even.
    pub(super) uneven: bool,
    /// Further lines of the question under way, the last one first.
    pub(super) rest: Vec<Vec<u8>>,
    /// Messages whose UIDs are known, and what rules say to them is not.
    pub(super) unjudged: UidSet,
    /// Of those, the ones that nothing hides.
    pub(super) shown: UidSet,
    /// What is remembered of them, and what will be.
    pub(super) known: Judged,
    pub(super) fresh: Judged,
    /// Of those, the ones of which facts must be asked for: all that rules need, and what may have changed.
    pub(super) anew: UidSet,
    pub(super) again: UidSet,
    /// Numbers that an answer to a search has.
    pub(super) collected: UidSet,
    /// The answers to the filter's searches.
    pub(super) found: Vec<Option<UidSet>>,
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
    /// Is that known, or only taken for want of an answer?
    pub(super) knows_unseen: bool,
    pub(super) deleted: UidSet,
    /// What a mailbox that was opened again has, until it is known which messages those are.
    pub(super) returned: Option<u32>,
    pub(super) uidvalidity: Option<u32>,
    /// HIGHESTMODSEQ of such a mailbox.
    pub(super) mod_seq: Option<u64>,
    /// Of how many messages facts were asked for, and came.
    pub(super) asked: u64,
    pub(super) heard: u64,
    /// Something hides because of an answer that was missing: it is not what rules say for good.
    pub(super) unsure: bool,
    /// Messages that rules hid in this look.
    pub(super) hidden: UidSet,
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
            let items = if bare { "(UID)".to_owned() } else { facts::items(&view.needs()) };
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
    pub(super) fn is_opening(&self) -> bool {
        match &self.work {
            Some(Work { then: Then::Open(..), .. }) => true,
            Some(Work { then: Then::Status(_, visit), .. }) => visit.is_about_the_unknown(),
            _ => self.view.as_ref().is_some_and(|view| view.adopting),
        }
    }

    pub(super) fn ask(&mut self, look: Look, line: &[u8], now: Instant) {
        let serial = self.in_flight.next_serial();
        self.in_flight.push(Entry::own(serial, Own::Look(look), now));
        self.send_with_literals(serial, &[line, b"\r\n"].concat());
    }

    /// What the question under way is.
    pub(in crate::session) fn looking(&self) -> Option<Look> {
        self.in_flight.barring().find_map(|entry| match entry.effect {
            Effect::Own(Own::Look(look)) => Some(look),
            _ => None,
        })
    }

    /// A question is answered.
    pub(in crate::session) fn looked(&mut self, look: Look, ok: bool, now: Instant) {
        if let Look::Peek | Look::Mark = look {
            return self.peeked(look, ok, now);
        }
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
            // Some servers say NO where a message has gone meanwhile, and know of it once they may say so.
            Look::Found(_) if !ok && self.work.as_ref().is_some_and(|work| work.rounds == 0) => {
                view.asking.judging = Judging::Not;
                view.asking.shown = UidSet::new();
                return self.look_again(now);
            }
            Look::Found(at) => {
                let found = std::mem::take(&mut view.asking.collected);
                // NO and BAD, said again, are no answer, and hide all that was asked for.
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
            Look::Unseen => {
                view.asking.unseen = std::mem::take(&mut view.asking.collected);
                view.asking.knows_unseen = ok;
            }
            Look::Recent => view.recent = std::mem::take(&mut view.asking.collected),
            Look::Deleted => view.asking.deleted = std::mem::take(&mut view.asking.collected),
            // Without an answer the client hears of it when it asks itself.
            Look::Changed | Look::Peek | Look::Mark => {}
            Look::Visit | Look::Return | Look::Recount | Look::Leave => return self.travelled(look, ok, now),
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

    /// Is it the answer to STATUS that needs to be known?
    fn counts(&self) -> bool {
        matches!(&self.work, Some(Work { then: Then::Status(_, visit), .. }) if visit.counts())
    }

    /// Is there a command of the client's that will be looked at when all is known?
    pub(super) fn reads_anew(&self) -> bool {
        matches!(self.work, Some(Work { then: Then::Read, .. }))
    }

    /// What waited for the answers goes on.
    fn go_on(&mut self, now: Instant) {
        let verdicts = Arc::clone(&self.shared.verdicts);
        let hidden = self.view.as_mut().map_or_else(UidSet::new, |view| {
            view.remember(&*verdicts);
            std::mem::take(&mut view.asking.hidden)
        });
        if !hidden.is_empty() {
            self.note(Note::Hidden { messages: hidden.len(), mailboxes: 0 });
            self.record_hidden(hidden);
        }
        if self.renews_at().is_some() {
            self.await_change(now);
        }
        let Some(work) = self.work.take() else { return };
        match work.then {
            Then::Open(entry, opened) => self.finish_open(entry, *opened, now),
            Then::Say { line, hush, appended } => {
                self.say_told(&line, hush, appended);
                self.answer_waiting(now);
            }
            Then::Idle => {
                self.finish_adopting();
                if self.view.as_ref().is_some_and(|view| view.must_look()) {
                    return self.begin_work(Then::Idle, now);
                }
                self.tell(Hush::No);
                self.answer_waiting(now);
            }
            Then::Status(entry, visit) => self.status_known(entry, *visit, now),
            Then::Copy(held) => self.copy_known(*held, now),
            Then::Read => {
                self.finish_adopting();
                self.answer_waiting(now);
            }
        }
    }
}
