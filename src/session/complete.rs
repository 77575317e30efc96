//! What becomes of a command when its tagged answer comes: state, record, the client's own tag.

use std::sync::Arc;
use std::time::Instant;

use crate::imap::status::Status;
use crate::imap::verb::Verb;
use crate::wire::response;
use crate::wire::response::Code;

use super::effect::{Effect, Own};
use super::event::{CloseReason, KilledBy, MailboxRef, Note};
use super::follow::{copy_uid, note_append_uid};
use super::in_flight::{Answered, Entry};
use super::recording::result_status;
use super::refusal::{Answer, Bye};
use super::state::Selected;
use super::{ClientMode, Session};

impl Session {
    /// A command is answered. `rest` is its line behind the tag.
    pub(super) fn complete(&mut self, entry: Box<Entry>, status: Option<Status>, rest: &[u8], now: Instant) {
        self.close_gate(entry.serial);
        if matches!(entry.effect, Effect::LoggingIn) {
            self.on_login_answer(status, rest, now);
            return;
        }
        let text = response::tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        let code = response::code(text);
        if let Some(code) = &code {
            self.follow_code_of(code);
        }
        // An answer that was cut (RFC 9738) is none: what it does not tell must not look like what is hidden.
        let cut = self.filtered() && code.as_ref().is_some_and(|code| code.is("MESSAGELIMIT"));
        let status = if cut && status == Some(Status::Ok) { Some(Status::No) } else { status };
        if let Effect::Own(own) = entry.effect {
            // Of messages that are gone already nothing is told (RFC 5530): a header that is NIL is none that has no such field.
            let gone = code.as_ref().is_some_and(|code| code.is("EXPUNGEISSUED"));
            let status = if gone && matches!(own, Own::Look(_)) { Some(Status::No) } else { status };
            return self.complete_own(own, status, now);
        }
        let Some(entry) = self.keeps_idling(entry) else {
            self.looks_while_idle(now);
            return;
        };
        self.note(Note::UpstreamResponse { after: now.saturating_duration_since(entry.sent) });
        if let Some(entry) = self.go_on_guarded(entry, status, code.as_ref(), now)
            && let Some(entry) = self.ask_afterwards(entry, status, rest, now)
        {
            self.conclude(entry, status, rest, now);
        }
    }

    /// A command is over: state, record, and the client's own tag. `rest` is the line that answers it, behind the tag.
    pub(super) fn conclude(&mut self, entry: Box<Entry>, status: Option<Status>, rest: &[u8], now: Instant) {
        let text = response::tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        let code = response::code(text);
        let ok = status == Some(Status::Ok);
        let mut entry = entry;
        self.coverage.settle();
        let parts = std::mem::take(&mut entry.parts);
        self.finish_search(&mut entry, status);
        let cancelled = matches!(&entry.effect, Effect::Appending { cancelled: Some(_), .. });
        let limited = self.finish_budget(&mut entry).filter(|_| cancelled || status != Some(Status::Bad));
        // What passes as it came is written behind its record, without a copy of its own.
        let marking = Self::marking(&mut entry);
        let passes = limited.is_none() && marking.is_none() && self.passes_answer(&entry, code.as_ref());
        let answer = match (passes, &limited) {
            (true, _) => Vec::new(),
            (false, Some(answer)) => self.local_answer(&entry.tag, answer),
            (false, None) => self.answer_of(&mut entry, status, rest, code.as_ref()),
        };
        self.move_state(&mut entry, status, code.as_ref());
        let status = if limited.is_some() { Some(Status::No) } else { status };
        let said = limited.as_ref().and_then(|answer| answer.result().1);
        let code = said.map(|name| Code { name: name.as_bytes(), args: b"", len: 0 }).or(code);
        let (result, note) = result_status(status);
        let (verb, kind, serial, overhead) = (entry.verb, entry.kind, entry.serial, entry.overhead);
        let duration = (verb != Verb::Idle).then(|| now.saturating_duration_since(entry.since));
        if let (Effect::Copying { code: known, .. }, Some(code)) =
            (&mut entry.effect, code.as_ref().filter(|code| code.is("COPYUID")))
        {
            *known = copy_uid(code.args).or(known.take());
        }
        if let Some(code) = code.as_ref().filter(|code| code.is("APPENDUID")) {
            note_append_uid(&mut entry.effect, code);
        }
        if let Effect::Searching(searching) = &entry.effect
            && searching.saves
        {
            self.saved_content = ok && searching.content; // RFC 5182 §2.1: of one that failed nothing is saved
        }
        if ok {
            self.note_copies(&entry.effect);
            self.note_context(&entry);
        }
        let changes_names =
            ok && matches!(verb, Verb::Create | Verb::Delete | Verb::Rename | Verb::Subscribe | Verb::Unsubscribe);
        if changes_names {
            self.names_changed();
        }
        if ok && self.guards() {
            self.judge_stored(&entry.effect);
        }
        let appended = self.appended_here(&entry, code.as_ref());
        let tag = std::mem::take(&mut entry.tag); // never recorded
        self.record_done(entry, result, code.as_ref(), now);
        self.note(Note::CommandDone { verb: Some(verb), kind, status: note, duration, overhead: Some(overhead) });
        if let Some(line) = marking {
            self.send_own_as(&line, Own::Seen, now);
            self.answer_in_turn(answer);
        } else if self.guards() {
            // What has happened meanwhile is told first, once it has been looked at.
            if let Some(answer) = self.refuse_stream(serial, answer) {
                self.say_appended(answer, parts.hush, appended, now);
            }
            return;
        } else if passes {
            let out = self.out.client();
            out.extend_from_slice(&tag);
            out.push(b' ');
            out.extend_from_slice(rest);
        } else if let Some(answer) = self.refuse_stream(serial, answer) {
            self.out.client().extend_from_slice(&answer);
        }
        self.answer_waiting(now);
    }

    /// In a mailbox where messages may be hidden a command may go on where the upstream is done with a part of it. What is
    /// over comes back.
    fn go_on_guarded(
        &mut self,
        mut entry: Box<Entry>,
        status: Option<Status>,
        code: Option<&Code<'_>>,
        now: Instant,
    ) -> Option<Box<Entry>> {
        if status == Some(Status::Ok)
            && let Some(line) = entry.parts.rest.pop()
        {
            self.send_rest(entry, &line);
            return None;
        }
        match &entry.effect {
            Effect::Opening(opening) if opening.guarded.is_some() && status == Some(Status::Ok) => {
                self.begin_open(entry, code, now);
                None
            }
            // Rules changed while it was being opened.
            Effect::Opening(opening) if status == Some(Status::Ok) && self.guards_mailbox(&opening.target) => {
                self.in_flight.push(entry);
                self.end_by_rules(KilledBy::Reload, "rules hide messages now of what was being opened", now);
                None
            }
            _ => Some(entry),
        }
    }

    /// The next line of a command that goes up in several.
    fn send_rest(&mut self, mut entry: Box<Entry>, line: &[u8]) {
        let serial = self.in_flight.next_serial();
        entry.serial = serial;
        self.in_flight.push(entry);
        self.send_with_literals(serial, line);
    }

    /// Does the client get the upstream's words, and at once?
    fn passes_answer(&self, entry: &Entry, code: Option<&Code<'_>>) -> bool {
        let special = matches!(entry.effect, Effect::Idle { .. } | Effect::Closing { .. })
            || code.is_some_and(|code| code.is("CAPABILITY"));
        let streams =
            self.appending.is_some() || matches!(self.mode, ClientMode::Stream(_) | ClientMode::AwaitStream(_));
        !(self.filtered() || special || streams)
    }

    /// Answers of ours that waited for their turn.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        while let Some(entry) = self.in_flight.pop_local() {
            if let Effect::Local(line) = entry.effect {
                self.out.client().extend_from_slice(&line);
            }
        }
        if let Some((entry, Answered { status, rest })) = self.in_flight.pop_answered() {
            if let Some(entry) = self.ask_afterwards(entry, status, &rest, now) {
                self.conclude(entry, status, &rest, now);
            }
            return;
        }
        if self.in_flight.is_empty() {
            if let Some(line) = self.logout.take() {
                return self.finish_logout(&line, now);
            }
            self.resume_held(now);
        }
    }

    /// The tagged line for the client.
    pub(super) fn answer_of(
        &mut self,
        entry: &mut Entry,
        status: Option<Status>,
        rest: &[u8],
        code: Option<&Code<'_>>,
    ) -> Vec<u8> {
        let mut line = entry.tag.to_vec();
        line.push(b' ');
        if let Effect::Idle { broken: true, .. } = entry.effect {
            line.clear();
            Answer::Syntax.write(&entry.tag, &mut line);
            return line;
        }
        if let (Effect::Closing { by_absence: true, .. }, Some(Status::No)) = (&entry.effect, status) {
            line.clear();
            Answer::Completed(entry.verb).write(&entry.tag, &mut line);
            return line;
        }
        if self.filtered() {
            self.write_filtered_answer(entry, status, code, &mut line);
            return line;
        }
        match (&entry.effect, code) {
            (_, Some(code)) if code.is("CAPABILITY") => line.extend_from_slice(&self.filter_capability_code(rest)),
            (Effect::Copying { .. }, Some(_)) | (_, _) => line.extend_from_slice(rest),
        }
        line
    }

    /// The state moves on the tagged answer (RFC 9051 §3).
    pub(super) fn move_state(&mut self, entry: &mut Entry, status: Option<Status>, code: Option<&Code<'_>>) {
        match (&mut entry.effect, status) {
            (Effect::Opening(opening), Some(Status::Ok)) => {
                opening.read_only = opening.examine || code.is_some_and(|code| code.is("READ-ONLY"));
                let mailbox = Arc::new(MailboxRef {
                    name: Arc::clone(&opening.mailbox.name),
                    uidv: opening.uidvalidity,
                    id: opening.id.take(),
                });
                opening.mailbox = Arc::clone(&mailbox);
                self.forget_mailbox();
                self.coverage = self.shelf.take(&mailbox).unwrap_or_default();
                if opening.hidden.is_none() {
                    self.view = None;
                }
                self.state.opened(Selected {
                    mailbox,
                    target: opening.target.clone(),
                    read_only: opening.read_only,
                    exists: opening.exists.unwrap_or(0),
                });
            }
            // NO leaves nothing selected; BAD leaves what was (RFC 9051 §6.3.2).
            (Effect::Opening(_), Some(Status::No))
            | (Effect::Closing { .. }, Some(Status::Ok))
            | (Effect::Closing { by_absence: true, .. }, Some(Status::No)) => {
                self.leave_view();
                self.forget_mailbox();
                self.state.closed();
            }
            (Effect::Enabling { utf8 }, Some(Status::Ok)) => self.utf8 |= *utf8,
            (Effect::Idle { done: false, .. }, _) if matches!(self.mode, ClientMode::Idle) => {
                self.mode = ClientMode::Command;
                self.swallow_done = true;
            }
            _ => {}
        }
        self.state_moved();
    }

    pub(super) fn complete_own(&mut self, own: Own, status: Option<Status>, now: Instant) {
        let failed = status != Some(Status::Ok);
        match own {
            Own::Look(look) => return self.looked(look, !failed, now),
            // Which names there are must be known; that there are no namespaces, or subscriptions, may be.
            Own::Names if failed => {
                return self.end(CloseReason::UpstreamFault, Some(Bye::Unavailable), now);
            }
            Own::Names => self.names_known(now),
            Own::Name(name) => self.name_answered(&name),
            Own::Status(statuses) => self.status_answered(*statuses, status, now),
            Own::Uses if !failed => self.uses_answered(),
            Own::Again => return self.told_again(now),
            Own::Found | Own::Lengths | Own::Structures => return self.known_afterwards(!failed, now),
            // What could not be learnt is not told.
            Own::Headers => {
                if let Some(held) = self.held.take() {
                    self.record_intent(*held, now);
                }
            }
            Own::Uids | Own::Deleted | Own::Sizes => {
                if let Some(held) = self.held.take() {
                    if failed {
                        // The client's own command would fail the same way: nothing of it goes up.
                        self.refuse_held_or_stream(
                            *held,
                            &Answer::Refused { text: "[CANNOT] the messages could not be found" },
                            now,
                        );
                    } else if matches!(own, Own::Sizes) {
                        self.cap_sizes(*held, now);
                    } else {
                        self.record_intent(*held, now);
                    }
                }
            }
            _ => {}
        }
        self.answer_waiting(now);
    }
}
