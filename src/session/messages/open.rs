//! SELECT and EXAMINE: nothing is said before it is known what may be.

use std::time::Instant;

use crate::imap::rights::Rights;
use crate::imap::status::Status;
use crate::rewrite::status_data;
use crate::wire::response::Code;

use super::super::effect::{Effect, Opening, Own};
use super::super::event::{Event, EventKind, FilterAction, FilteredResponse, NoteStatus, ResultStatus, VerdictKind};
use super::super::in_flight::Entry;
use super::super::names::Resolved;
use super::super::refusal::Answer;
use super::super::verdicts::{Place, Verdicts};
use super::contents::Told;
use super::look::{Then, Work};
use super::{Session, View};

/// A mailbox that is being opened and in which messages may be hidden: what the upstream says of it meanwhile.
#[derive(Debug, Default)]
pub(in crate::session) struct Guarded {
    flags: Vec<u8>,
    permanent: Option<Vec<u8>>,
    sticky: bool,
    /// What tells whether anything has changed since it was opened last.
    pub(super) told: Told,
}

/// The same once the upstream has opened it.
#[derive(Debug)]
pub(super) struct Opened {
    guarded: Guarded,
    uidvalidity: Option<u32>,
    /// What the upstream said of writing to it, for the tagged answer.
    code: &'static str,
    target: Resolved,
}

impl Guarded {
    /// `* FLAGS (…)`
    pub fn flags(&mut self, list: &[u8]) {
        self.flags = list.trim_ascii().to_vec();
    }

    /// A response code.
    pub fn code(&mut self, code: &Code<'_>) {
        if code.is("PERMANENTFLAGS") {
            self.permanent = Some(code.args.to_vec());
        }
        self.sticky |= code.is("UIDNOTSTICKY");
        self.told.code(code);
    }
}

/// The words of a list in parentheses.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|octet| matches!(octet, b' ' | b'(' | b')')).filter(|word| !word.is_empty())
}

impl Session {
    pub(super) fn opening_now(&self) -> Option<&Opening> {
        self.in_flight.barring().find_map(|entry| match &entry.effect {
            Effect::Opening(opening) => Some(&**opening),
            _ => None,
        })
    }

    /// Might messages be hidden in this mailbox, at some hour or with some ID?
    pub(in crate::session) fn guards_mailbox(&self, target: &Resolved) -> bool {
        self.bound.may_hide_messages_in(&self.target(target), self.wall)
    }

    /// The upstream has opened the mailbox: which messages are there for this client?
    pub(in crate::session) fn begin_open(&mut self, mut entry: Box<Entry>, code: Option<&Code<'_>>, now: Instant) {
        let Effect::Opening(opening) = &mut entry.effect else { return };
        let Some(guarded) = opening.guarded.take() else { return };
        let read_only = opening.examine || opening.read_only || code.is_some_and(|code| code.is("READ-ONLY"));
        let opened = Opened {
            guarded: *guarded,
            uidvalidity: opening.uidvalidity,
            code: if read_only { "READ-ONLY" } else { "READ-WRITE" },
            target: opening.target.clone(),
        };
        let filter = self.bound.message_filter(&self.target(&opened.target), self.wall);
        let places = self.places_of(&opened.target, opened.uidvalidity);
        let mut view = View { pending: opening.exists.unwrap_or(0), ..View::default() };
        view.remember_in(places, &*self.shared.verdicts);
        view.set_filter(filter);
        view.flags = words(&opened.guarded.flags).filter(|flag| flag.starts_with(b"\\")).map(Into::into).collect();
        if !opened.guarded.sticky {
            view.begin_contents(&opened.guarded.told, &*self.shared.verdicts);
        }
        self.view = Some(Box::new(view));
        if opened.guarded.sticky {
            // UIDs that are others the next time cannot be followed.
            self.work = Some(Work { then: Then::Open(entry, Box::new(opened)), rounds: 0 });
            return self.fail_open(FilteredResponse::Numbers, now);
        }
        self.begin_work(Then::Open(entry, Box::new(opened)), now);
    }

    /// Where it is remembered what rules say to messages there, and of which the client was told.
    pub(super) fn places_of(&self, target: &Resolved, uidvalidity: Option<u32>) -> Option<(Place, Place)> {
        uidvalidity.map(|uidvalidity| (self.place_of(target, uidvalidity), self.told_in(target, uidvalidity)))
    }

    /// Whose mailbox that is, for what is remembered.
    pub(super) fn place_of(&self, target: &Resolved, uidvalidity: u32) -> Place {
        let octets = target.octets.as_deref().unwrap_or(target.name.as_str().as_bytes());
        Place::new(&self.subject.user, &self.subject.upstream, octets, uidvalidity)
    }

    /// The same for what clients of these rules were told there. Who sees more is told of more: UIDNEXT of those who see less must
    /// not tell of that.
    pub(super) fn told_in(&self, target: &Resolved, uidvalidity: u32) -> Place {
        let octets = target.octets.as_deref().unwrap_or(target.name.as_str().as_bytes());
        let rules = self.bound.message_rules_of(&self.target(target), self.wall);
        let who = [&*self.subject.user, "\0", &rules.join("\0")].concat();
        Place::new(&who, &self.subject.upstream, octets, uidvalidity)
    }

    /// What there is for this client is known.
    pub(super) fn finish_open(&mut self, mut entry: Box<Entry>, opened: Opened, now: Instant) {
        let rights = self.bound.rights(&self.target(&opened.target), self.wall).rights;
        let Some(view) = &mut self.view else { return };
        // What has gone meanwhile the client never knew.
        view.messages.tell_expunged();
        view.messages.tell_new();
        view.note_top();
        let exists = view.messages.upstream_count().saturating_add(view.pending);
        let mut out = Vec::new();
        view.keep_floor(&*self.shared.verdicts);
        view.keep_contents(&opened.guarded.told, &*self.shared.verdicts);
        view.write_opened(&opened, rights, &mut out);
        self.out.client().extend_from_slice(&out);
        if let Effect::Opening(opening) = &mut entry.effect {
            opening.exists = Some(exists);
            opening.hidden = self.view.as_ref().map(|view| view.hidden());
        }
        let asking = self.view.as_mut().map(|view| std::mem::take(&mut view.asking)).unwrap_or_default();
        self.note_hits(&asking.by, &asking.shadow);
        self.alert_of(&entry, &asking.by, VerdictKind::Narrowed);
        if let Some(view) = &mut self.view {
            view.hidden_by.clone_from(&asking.by);
        }
        let judged = entry.judged.get_or_insert_default();
        judged.by.join(&asking.by);
        judged.shadow.join(&asking.shadow);
        if !asking.by.is_empty() {
            judged.verdict = Some(VerdictKind::Narrowed);
        }
        self.await_change(now);
        let rest = format!("OK [{}] x\r\n", opened.code);
        self.conclude(entry, Some(Status::Ok), rest.as_bytes(), now);
    }

    /// It cannot be worked out what may be seen: nothing is, and nothing is selected (contract.md §7).
    pub(super) fn fail_open(&mut self, response: FilteredResponse, now: Instant) {
        let Some(Work { then: Then::Open(entry, _), .. }) = self.work.take() else { return };
        self.leave_view();
        self.forget_mailbox();
        self.state.closed();
        self.state_moved();
        let kind = EventKind::FilterFailure { response, action: FilterAction::Withheld };
        self.out.record(Event::new(std::sync::Arc::clone(&self.ctx), kind));
        let line = self.local_answer(&entry.tag, &Answer::Unavailable);
        self.count_command(entry.verb, entry.kind, NoteStatus::Unavailable, None);
        let code = Code { name: b"UNAVAILABLE", args: b"", len: 0 };
        self.record_done(entry, ResultStatus::No, Some(&code), now);
        self.answer_in_turn(line);
        let closing = self.unselecting();
        self.send_own_as(&closing, Own::Unselect, now);
    }
}

impl View {
    /// What is known of this mailbox from other sessions.
    pub(super) fn remember_in(&mut self, places: Option<(Place, Place)>, verdicts: &dyn Verdicts) {
        (self.place, self.told_in) = places.unzip();
        self.floor = self.told_in.as_ref().and_then(|place| verdicts.floor(place));
        self.top = self.top.max(self.floor);
    }

    /// UIDNEXT never goes back, not in other sessions either.
    pub(super) fn keep_floor(&mut self, verdicts: &dyn Verdicts) {
        if let (Some(place), Some(top)) = (&self.told_in, self.top.filter(|top| Some(*top) > self.floor)) {
            verdicts.raise_floor(place, top);
            self.floor = Some(top);
        }
    }

    /// Messages that the upstream has and the client does not.
    fn hidden(&self) -> crate::imap::message::UidSet {
        self.messages.hidden()
    }

    /// The untagged answer to SELECT.
    fn write_opened(&self, opened: &Opened, rights: Rights, out: &mut Vec<u8>) {
        self.write_flags(out);
        if let Some(list) = &opened.guarded.permanent {
            out.extend_from_slice(b"* OK [PERMANENTFLAGS ");
            out.extend_from_slice(&status_data::narrow_flags(&permanent(list), rights));
            out.extend_from_slice(b"] ok\r\n");
        }
        super::tell::line(out, self.messages.client_count(), "EXISTS");
        super::tell::line(out, self.recent_count(), "RECENT");
        let unseen = self.asking.unseen.intersect(&self.messages.visible());
        let first = unseen.first().and_then(|uid| self.messages.by_uid(uid));
        if let Some(number) = first.and_then(|message| message.number) {
            out.extend_from_slice(format!("* OK [UNSEEN {number}] ok\r\n").as_bytes());
        }
        if let Some(uidvalidity) = opened.uidvalidity {
            out.extend_from_slice(format!("* OK [UIDVALIDITY {uidvalidity}] ok\r\n").as_bytes());
        }
        out.extend_from_slice(format!("* OK [UIDNEXT {}] ok\r\n", self.uid_next()).as_bytes());
    }
}

/// Where clients may make keywords, those that there are could be known from hidden messages alone: they are not named.
fn permanent(list: &[u8]) -> Vec<u8> {
    if !words(list).any(|word| word == b"\\*") {
        return list.to_vec();
    }
    let kept: Vec<&[u8]> = words(list).filter(|word| word.starts_with(b"\\")).collect();
    [b"(", kept.join(&b' ').as_slice(), b")"].concat()
}
