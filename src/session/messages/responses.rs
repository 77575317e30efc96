//! What the upstream says of messages, as far as it is the client's business.

use std::time::Instant;

use crate::imap::message::Uid;
use crate::imap::status::Status;
use crate::wire::fetch::FetchScan;
use crate::wire::response::{self, Code, Head, Keyword, Numbered};

use super::super::ClientMode;
use super::super::effect::{Effect, Own};
use super::super::event::{CloseReason, Event, EventKind, FaultReason, FilterAction, FilteredResponse, Side};
use super::super::refusal::Bye;
use super::super::response_path::Flow;
use super::contents::Told;
use super::look::Look;
use super::{Hush, Session, View};

/// A FETCH response that is relayed under another number: its UID, wherever it stands, must be that of the message.
#[derive(Debug, Default)]
pub(in crate::session) struct UidCheck {
    pub(super) scan: FetchScan,
    /// Which that is, where the mailbox has a view.
    pub(super) uid: Option<Option<Uid>>,
    /// The client did not ask for it.
    pub(super) strip: bool,
}

impl Session {
    /// Takes what is about messages. `None`: it is about something else, and goes its usual way.
    pub(in crate::session) fn route_guarded(
        &mut self,
        head: &Head<'_>,
        line: &[u8],
        literal: Option<u64>,
        now: Instant,
    ) -> Option<(Option<u64>, Flow)> {
        if self.opening_now().is_some() {
            return self.route_opening(head, line, literal);
        }
        let flow = match *head {
            Head::Number { number, what, rest } => {
                return Some(self.on_guarded_number(number, what, rest, line, literal, now));
            }
            Head::Status { status: Status::Bye, .. } | Head::Tagged { .. } | Head::Continuation => return None,
            Head::Status { text, .. } => {
                if let Some(code) = response::code(text) {
                    self.on_guarded_code(&code, now);
                }
                Flow::Drop
            }
            Head::Data { keyword, rest } => return self.on_guarded_data(keyword, line.get(rest..).unwrap_or_default()),
        };
        Some((None, flow))
    }

    /// A mailbox is being opened: what is said of it is kept until it is known what may be said.
    fn route_opening(&mut self, head: &Head<'_>, line: &[u8], literal: Option<u64>) -> Option<(Option<u64>, Flow)> {
        match *head {
            Head::Number { number, what: Numbered::Exists, .. } => {
                self.told(|told| told.exists(number));
                self.follow_exists(number);
            }
            Head::Number { number, what: Numbered::Recent, .. } => self.told(|told| told.recent(number)),
            Head::Number { number, what: Numbered::Expunge, .. } => {
                self.told(Told::expunge);
                let opening = self.opening()?;
                let left = opening.exists.filter(|exists| u64::from(*exists) >= number);
                opening.exists = left.and_then(|exists| exists.checked_sub(1)).or(opening.exists);
            }
            Head::Number { .. } => {}
            Head::Data { keyword: Keyword::Flags, rest } => {
                if let Some(guarded) = self.opening().and_then(|opening| opening.guarded.as_mut()) {
                    guarded.flags(line.get(rest..).unwrap_or_default());
                }
            }
            Head::Status { status: Status::Bye, .. } | Head::Tagged { .. } | Head::Continuation => return None,
            Head::Status { text, .. } => {
                if let Some(code) = response::code(text) {
                    self.follow_code(&code);
                    if let Some(guarded) = self.opening().and_then(|opening| opening.guarded.as_mut()) {
                        guarded.code(&code);
                    }
                }
            }
            Head::Data {
                keyword: Keyword::Search | Keyword::Esearch | Keyword::Sort | Keyword::Thread | Keyword::Vanished,
                ..
            } => {}
            Head::Data { .. } => return None,
        }
        Some((literal, Flow::Drop))
    }

    fn told(&mut self, tell: impl FnOnce(&mut Told)) {
        if let Some(guarded) = self.opening().and_then(|opening| opening.guarded.as_mut()) {
            tell(&mut guarded.told);
        }
    }

    fn on_guarded_number(
        &mut self,
        number: u64,
        what: Numbered,
        rest: usize,
        line: &[u8],
        literal: Option<u64>,
        now: Instant,
    ) -> (Option<u64>, Flow) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let looking = self.looking();
        let Some(view) = &mut self.view else { return (literal, Flow::Drop) };
        match what {
            // Another mailbox is on its way out, or the client's own on its way back: nothing counts but what it comes to.
            Numbered::Exists if looking == Some(Look::Return) || view.asking.returned.is_some() => {
                view.asking.returned = Some(number);
            }
            Numbered::Exists | Numbered::Expunge if looking == Some(Look::Leave) => {}
            Numbered::Expunge if view.expunged_in_recount(number, looking) => {}
            Numbered::Exists | Numbered::Expunge if view.adopting => {
                let word = if what == Numbered::Exists { "EXISTS" } else { "EXPUNGE" };
                let known =
                    if what == Numbered::Exists { view.exists(number).is_some() } else { view.expunged(number) };
                // What the client says by numbers was written before it could know of this.
                let tells = what == Numbered::Exists || !self.reads_anew() || !self.next_counts_on_numbers();
                match known && tells {
                    true => super::tell::line(self.out.client(), number, word),
                    false => self.numbers_fault(now),
                }
            }
            Numbered::Exists => {
                let grew = view.exists(number);
                if grew.is_none() {
                    self.numbers_fault(now);
                } else if grew == Some(true) {
                    self.pause_idle();
                }
            }
            Numbered::Expunge => {
                if !view.expunged(number) {
                    self.numbers_fault(now);
                } else if matches!(self.mode, ClientMode::Idle) {
                    self.tell(Hush::No);
                }
            }
            Numbered::Fetch => return self.on_guarded_fetch(number, rest, line, literal, now),
            Numbered::Recent | Numbered::UidFetch | Numbered::Other => {}
        }
        (literal, Flow::Drop)
    }

    fn on_guarded_code(&mut self, code: &Code<'_>, now: Instant) {
        let uidvalidity = || response::number(code.args);
        let open = self.state.selected().and_then(|selected| selected.mailbox.uidv);
        if code.is("UIDVALIDITY")
            && matches!(self.looking(), Some(Look::Visit | Look::Return))
            && let Some(view) = &mut self.view
        {
            view.asking.uidvalidity = response::number(code.args).and_then(|number| u32::try_from(number).ok());
        }
        if code.is("HIGHESTMODSEQ")
            && self.looking() == Some(Look::Return)
            && let Some(view) = &mut self.view
        {
            view.asking.mod_seq = response::number(code.args);
        }
        if code.is("UIDVALIDITY") && self.view.is_some() && self.work.is_none() && uidvalidity() != open.map(u64::from)
        {
            // All UIDs are others: what is known of them means nothing any more.
            return self.numbers_fault(now);
        }
        if code.is("COPYUID") {
            self.follow_code(code);
            self.tell_copied();
        }
        if code.is("APPENDUID") {
            self.follow_code(code);
            self.tell_replaced();
        }
    }

    /// MOVE says where messages have gone before they are gone (RFC 6851 §4.3).
    fn tell_copied(&mut self) {
        let known = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Copying { code: Some(code), uids: Some(uids), .. } => Some((code.clone(), uids.clone())),
            _ => None,
        });
        if let Some((code, asked)) = known
            && code.source.intersect(&asked) == code.source
            && code.source.len() == code.copies.len()
        {
            let line = format!("* OK [COPYUID {} {} {}] ok\r\n", code.uidvalidity, code.source, code.copies);
            self.out.client().extend_from_slice(line.as_bytes());
        }
    }

    /// REPLACE says what the message has become before it is gone (RFC 8508 §3.4). Where messages may be hidden, that is told
    /// once this one is judged.
    fn tell_replaced(&mut self) {
        let known = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Appending { guarded: false, replaced: Some(_), uid, uidv, .. } => uidv.zip(*uid),
            _ => None,
        });
        if let Some((uidv, uid)) = known {
            super::tell::append_uid(self.out.client(), uidv, uid);
        }
    }

    fn on_guarded_data(&mut self, keyword: Keyword, list: &[u8]) -> Option<(Option<u64>, Flow)> {
        match keyword {
            Keyword::Search | Keyword::Esearch | Keyword::Sort | Keyword::Thread => {
                let own_deleted =
                    self.in_flight.barring().any(|entry| matches!(entry.effect, Effect::Own(Own::Deleted)));
                if own_deleted && matches!(keyword, Keyword::Search | Keyword::Esearch) {
                    return None;
                }
                if own_deleted || keyword == Keyword::Thread && self.looking().is_some() {
                    return Some((None, Flow::Drop)); // nobody asked
                }
                if self.looking().is_some() {
                    self.learn_found(keyword, list);
                } else {
                    self.take_results(keyword, list);
                }
                Some((None, Flow::Drop))
            }
            Keyword::Flags => Some((None, Flow::Drop)),
            Keyword::Vanished => {
                // Nobody has switched on what makes a server say so.
                self.note_fault(Side::Upstream, FaultReason::ResponseSyntax);
                Some((None, Flow::Drop))
            }
            _ => None,
        }
    }

    /// The upstream's numbers are not what they were: no number of ours would be right.
    pub(super) fn numbers_fault(&mut self, now: Instant) {
        self.end_filtered(FilteredResponse::Numbers, now);
    }

    /// A response that cannot be filtered with certainty: none of it is relayed, the session ends (contract.md §7).
    pub(super) fn end_filtered(&mut self, response: FilteredResponse, now: Instant) {
        let kind = EventKind::FilterFailure { response, action: FilterAction::Closed };
        self.out.record(Event::new(std::sync::Arc::clone(&self.ctx), kind));
        self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now);
    }
}

impl View {
    /// EXISTS: did it grow? `None`: it shrank, which it may not.
    fn exists(&mut self, number: u32) -> Option<bool> {
        let known = self.messages.upstream_count().saturating_add(self.pending);
        let grown = number.checked_sub(known)?;
        self.pending = self.pending.saturating_add(grown);
        Some(grown > 0)
    }

    /// EXPUNGE in a mailbox that has been opened again, while it is not known what is in it.
    fn expunged_in_recount(&mut self, number: u32, looking: Option<Look>) -> bool {
        if looking != Some(Look::Return) && self.asking.returned.is_none() {
            return false; // behind the answer to the search the numbers are the view's again
        }
        let left = self.asking.returned.filter(|returned| number <= *returned);
        self.asking.uneven |= left.is_none();
        self.asking.returned = left.and_then(|left| left.checked_sub(1)).or(self.asking.returned);
        true
    }

    /// EXPUNGE. `false`: there is no such number.
    fn expunged(&mut self, number: u32) -> bool {
        self.numbers_moved();
        if let Some(message) = self.messages.expunge(number) {
            self.again.remove(message.uid);
            self.recent.remove(message.uid);
            return true;
        }
        let known = self.messages.upstream_count();
        let is_pending = number > known && number <= known.saturating_add(self.pending);
        self.pending = self.pending.saturating_sub(u32::from(is_pending));
        is_pending
    }
}
