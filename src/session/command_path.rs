//! One command, client to upstream: read this first.
//!
//! ```text
//!   bytes ─▶ frame ─▶ parse ─▶ legal? known? ─▶ names ─▶ decide ─┬─▶ refused: recorded, answered in its turn
//!                                                                └─▶ Held ─▶ [UIDs] ─▶ [intent] ─▶ sent under our tag
//! ```
//!
//! What does not parse, or is not on the list of commands, is `BAD` and never forwarded. What stands behind a command
//! whose answer decides what the next one is about is not even looked at before that answer (design: barriers).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::imap::verb::{CommandKind, Verb};
use crate::policy::{AuditLevel, Refusal, RefusalKind, Request, Roles, Verdict};
use crate::wire::command::{Args, Command};

use super::asks::{absent_answer, flags_wanted, names_mailbox, role_of_named};
use super::effect::{Effect, Held, Judged, Own};
use super::event::{CloseReason, FaultReason, NoteStatus, Side, VerdictKind};
use super::in_flight::{Entry, Tag};
use super::refusal::{Answer, Bye};
use super::{ClientMode, Session};

impl Session {
    /// One decision in 32 is timed, with the clock that the session was given.
    pub(super) fn begin_timing(&self) -> Option<Instant> {
        (self.commands % 32 == 1).then(self.shared.stopwatch)
    }

    pub(super) fn timed(&self, begun: Option<Instant>) -> Option<Duration> {
        begun.map(|begun| (self.shared.stopwatch)().saturating_duration_since(begun))
    }

    /// A whole frame. `false`: it is not done with, look at it again when what is under way has ended.
    pub(super) fn on_frame(&mut self, frame: &[u8], more: bool, now: Instant) -> bool {
        if self.on_append_end(frame, now) {
            return true;
        }
        if let Some(answer) = self.doomed.take() {
            // The end of a command whose literal was dropped.
            self.answer_doomed(&answer, now);
            return true;
        }
        if frame == b"\r\n" {
            return true; // quirk C25: some clients put an empty line behind an APPEND
        }
        if self.swallow_done && frame.eq_ignore_ascii_case(b"DONE\r\n") {
            self.swallow_done = false;
            return true; // quirk S23: the upstream had ended IDLE before the client did
        }
        if self.is_mail_text(frame, more) {
            self.fault(Side::Client, FaultReason::CommandSyntax, Bye::Garbage, now);
            return true;
        }
        let command = match Command::parse(frame, self.utf8_mode()) {
            Ok(command) => command,
            Err(error) => {
                self.commands = self.commands.saturating_add(1);
                let (answer, reason) = (Answer::Syntax, FaultReason::CommandSyntax);
                self.bad_command_at(frame, &answer, reason, Some(error.at), now);
                return true;
            }
        };
        if self.filtered() && self.retried != Some(self.commands) && self.needs_names_anew(&command, now) {
            self.retried = Some(self.commands);
            self.begin_names(now);
            return false;
        }
        let unnamed = matches!(command.verb, Verb::Noop | Verb::Logout | Verb::Capability | Verb::Id);
        if !self.filtered() && !unnamed && self.refresh_names(now) {
            return false;
        }
        if !self.filtered()
            && self.bound.names_mailboxes()
            && command.mailboxes().any(|(role, arg)| names_mailbox(role, arg) && self.asks_for_name(arg, now))
        {
            return false;
        }
        if self.renews_before_command(now) || self.adopts_mailbox(&command, now) {
            return false;
        }
        self.commands = self.commands.saturating_add(1);
        self.on_command(&command, frame, more, now);
        true
    }

    /// Answers a command whose literal was dropped, now that it is over.
    pub(super) fn answer_doomed(&mut self, answer: &Answer, now: Instant) {
        let tag = std::mem::take(&mut self.sasl_tag);
        self.answer(&tag, answer);
        if answer.result().0 == "BAD" {
            self.count_bad(FaultReason::LiteralTooLong, None, now);
        }
    }

    /// In filtered scope a LIST is answered from what the upstream lists now, and a name that is absent may be a new one.
    /// What is hidden is asked for just as often as what is not there (surface R13).
    fn needs_names_anew(&mut self, command: &Command<'_>, now: Instant) -> bool {
        use crate::wire::command::Role as Names;
        if let Args::List(list) = &command.args {
            return !list.asks_for_delimiter();
        }
        let absent = command.mailboxes().any(|(role, arg)| {
            !matches!(role, Names::ListReference | Names::ListPattern | Names::Create | Names::RenameTo)
                && self.is_absent(arg)
        });
        absent && self.may_refresh(now)
    }

    fn on_command(&mut self, command: &Command<'_>, frame: &[u8], more: bool, now: Instant) {
        let legal = self.state.phase().is_some_and(|phase| command.verb.legal_in(phase));
        if !legal {
            return self.bad_command(frame, &Answer::WrongState, FaultReason::WrongState, now);
        }
        if !self.state.is_before_login() && !self.knows_command(command.verb) {
            return self.bad_command(frame, &Answer::UnknownCommand, FaultReason::UnknownCommand, now);
        }
        if !self.state.is_before_login() && !self.knows_extensions_of(command) {
            return self.bad_command(frame, &Answer::Syntax, FaultReason::CommandSyntax, now);
        }
        self.bad = 0;
        let tag = command.tag.text.as_bytes();
        match command.verb {
            Verb::Capability if self.state.is_before_login() => self.answer_capability(tag),
            Verb::Noop if self.state.is_before_login() => self.answer_done(tag, Verb::Noop),
            Verb::Logout => self.on_logout(tag, now),
            Verb::StartTls => self.on_starttls(tag, more, now),
            Verb::Login => self.on_login(command, frame, now),
            Verb::Authenticate => self.on_authenticate(command, now),
            Verb::Id if !self.admits_local(command, now) => {}
            Verb::Id => self.on_id(command, now),
            Verb::Compress => self.bad_command(frame, &Answer::UnknownCommand, FaultReason::UnknownCommand, now),
            _ => self.on_judged_command(command, now),
        }
    }

    fn answer_capability(&mut self, tag: &[u8]) {
        let list = self.capabilities_before_login();
        let out = self.out.client();
        out.extend_from_slice(b"* CAPABILITY ");
        out.extend_from_slice(list.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.answer_done(tag, Verb::Capability);
    }

    fn answer_done(&mut self, tag: &[u8], verb: Verb) {
        self.answer(tag, &Answer::Completed(verb));
        self.count_command(verb, verb.kind(), NoteStatus::Ok, None);
    }

    fn on_logout(&mut self, tag: &[u8], now: Instant) {
        let mut line = Bye::Logout.line().as_bytes().to_vec();
        Answer::Completed(Verb::Logout).write(tag, &mut line);
        self.count_command(Verb::Logout, CommandKind::Meta, NoteStatus::Ok, None);
        self.mode = ClientMode::Over;
        if self.in_flight.is_empty() {
            return self.finish_logout(&line, now);
        }
        self.logout = Some(line); // in its turn
    }

    /// Everything before LOGOUT is answered.
    pub(super) fn finish_logout(&mut self, line: &[u8], now: Instant) {
        if self.leg.phase == super::upstream::LegPhase::Ready {
            let serial = self.in_flight.next_serial();
            self.write_own_tag(serial);
            self.out.upstream().extend_from_slice(b"LOGOUT\r\n");
        }
        self.out.client().extend_from_slice(line);
        self.client_told_bye = true;
        self.end(CloseReason::Logout, None, now);
    }

    fn on_id(&mut self, command: &Command<'_>, now: Instant) {
        let Args::Id(fields) = &command.args else { return };
        if self.audit_failing {
            return self.answer(command.tag.text.as_bytes(), &Answer::Unavailable);
        }
        let fields = fields.as_deref().unwrap_or_default();
        let of = |wanted: &str| -> Option<Box<str>> {
            let field = fields.iter().find(|field| field.name.is(wanted))?;
            let octets = &field.value.as_ref()?.octets;
            Some(
                String::from_utf8_lossy(octets).chars().filter(|c| !c.is_control()).take(64).collect::<String>().into(),
            )
        };
        let (name, version) = (of("name"), of("version"));
        let id = match (&name, &version) {
            (None, None) => String::new(),
            (name, version) => format!("{}/{}", name.as_deref().unwrap_or(""), version.as_deref().unwrap_or("")),
        };
        self.subject.client_id = Arc::from(id);
        self.record_client_id(name, version, of("os"), of("vendor"));
        let mut line = b"* ID (\"name\" \"imapwarden\")\r\n".to_vec();
        Answer::Completed(Verb::Id).write(command.tag.text.as_bytes(), &mut line);
        self.count_command(Verb::Id, CommandKind::Meta, NoteStatus::Ok, None);
        self.answer_in_turn(line);
        if !self.state.is_before_login() {
            self.bind_rules(now);
            if !self.judge_again(now) {
                return;
            }
            if self.leg.capabilities.id && !self.id_sent {
                // Some servers serve nobody who has not said who they are (quirk V02). Never the client's own words.
                self.id_sent = true;
                self.send_own_as(b"ID (\"name\" \"imapwarden\")", Own::Id, now);
            }
        }
    }

    /// A line of ours, when all commands before it are answered.
    pub(super) fn answer_in_turn(&mut self, line: Vec<u8>) {
        if self.in_flight.is_empty() {
            return self.out.client().extend_from_slice(&line);
        }
        let now = self.client_heard;
        self.in_flight.push(Entry::local(line, now));
    }

    /// Every other command: names, policy, then up or not.
    fn on_judged_command(&mut self, command: &Command<'_>, now: Instant) {
        let mut names = Vec::new();
        for (role, arg) in command.mailboxes() {
            if !names_mailbox(role, arg) {
                continue;
            }
            match self.resolve(arg) {
                Some(resolved) => names.push((role, arg, resolved)),
                None => {
                    // A name that cannot be read where rules name mailboxes is absent, and never goes up.
                    if !self.admits_local(command, now) {
                        return;
                    }
                    let mut held = self.held_of(command, Effect::Plain, now);
                    held.judged.verdict = Some(VerdictKind::Hidden);
                    self.note_judged(&held, None);
                    return self.refuse_held(held, &absent_answer(role));
                }
            }
        }
        let roles = Roles::of(command.verb);
        let mut targets = smallvec::SmallVec::<[_; 3]>::new();
        for (at, (_, _, resolved)) in names.iter().enumerate() {
            let role = role_of_named(roles, at);
            targets.push((role, self.target_as(role, resolved)));
        }
        if let (Some(role), Some(selected)) = (roles.selected, self.state.selected()) {
            targets.push((role, self.target(&selected.target)));
        }
        let request = Request::new(command.verb, &targets).flags(flags_wanted(command, self.opened_read_only()));
        let request = Request { deleted_expunges: self.leg.deleted_expunges(), ..request };
        let begun = self.begin_timing();
        let verdict = self.bound.decide(&request, self.wall);
        let took = self.timed(begun);
        let limits = self.bound.limiting(&targets, self.wall);
        let demand = self.take_command(&limits, now);
        let audit = self.bound.audit_level(&targets, self.wall);
        drop(targets);
        let absent = names.iter().find(|(role, _, resolved)| must_exist(*role) && !self.exists(resolved));
        let absent = absent.map(|(role, _, _)| absent_answer(*role));
        let unsubscribed = command.verb == Verb::Unsubscribe
            && self.filtered()
            && names.iter().any(|(_, _, resolved)| !self.is_subscribed(resolved) && !self.exists(resolved));
        let effect = self.effect_of(command, names.iter().map(|(_, arg, resolved)| (*arg, resolved)));
        let mut held = self.held_of(command, effect, now);
        held.set_audit(audit, command);
        if let Some(over) = &demand.over {
            // Commands are counted as they come: what is hidden or forbidden plays no part.
            return self.refuse_limited(held, over, demand.shadow);
        }
        match verdict {
            _ if unsubscribed => {
                // As for a name that was never subscribed to.
                let line = self.local_answer(&held.tag, &Answer::Completed(Verb::Unsubscribe));
                self.answer_in_turn(line);
            }
            Verdict::Refused(Refusal { kind: RefusalKind::Hidden, by, shadow }) => {
                let role = names.first().map_or(crate::wire::command::Role::Open, |(role, _, _)| *role);
                held.judged = Judged { verdict: Some(VerdictKind::Hidden), by, shadow };
                self.note_judged(&held, took);
                self.refuse_held(held, &absent_answer(role));
            }
            _ if absent.is_some() => {
                held.judged.verdict = Some(VerdictKind::Hidden);
                self.note_judged(&held, took);
                self.refuse_held(held, &absent.unwrap_or(Answer::Absent));
            }
            Verdict::Refused(Refusal { by, shadow, .. }) => {
                held.judged = Judged { verdict: Some(VerdictKind::Refused), by, shadow };
                self.note_judged(&held, took);
                let reference = self.reference();
                self.refuse_held(held, &Answer::NotPermitted { reference });
            }
            Verdict::Allowed(permit) => {
                if let Some(over) = self.budget_fetch(command, limits, &mut held.effect, now) {
                    return self.refuse_limited(held, &over, permit.shadow().joined(&demand.shadow));
                }
                held.judged.shadow = demand.shadow;
                let octets = names.iter().map(|(_, arg, resolved)| (*arg, resolved.octets.clone())).collect::<Vec<_>>();
                self.forward(command, permit, held, &octets, took, now);
            }
        }
    }

    pub(super) fn held_of(&self, command: &Command<'_>, effect: Effect, now: Instant) -> Held {
        let content = matches!(&command.args, Args::Fetch(fetch) if fetch.is_content());
        // Not about the open one alone.
        let elsewhere = matches!(&command.args, Args::Esearch(esearch) if !esearch.sources.is_empty());
        Held {
            tag: Tag::from_slice(command.tag.text.as_bytes()),
            cmd: self.commands,
            verb: command.verb,
            kind: if content { CommandKind::FetchContent } else { command.verb.kind() },
            since: now,
            effect,
            judged: Judged::default(),
            audit: AuditLevel::default(),
            mailbox: self.state.selected().filter(|_| !elsewhere).map(|selected| Arc::clone(&selected.mailbox)),
            line: Vec::new(),
            stream: None,
            wait_quiet: false,
            ready: now,
            parts: super::messages::Parts::default(),
        }
    }

    /// Leads from the text of a refusal to its record: session id and ordinal of the command.
    pub(super) fn reference(&self) -> String {
        format!("{}-{}", self.start.sid, self.commands)
    }

    /// Records a refusal and answers it. A SELECT that is refused leaves nothing selected (RFC 9051 §6.3.2).
    pub(super) fn refuse_held(&mut self, held: Held, answer: &Answer) {
        let unrecorded = self.audit_failing && *answer != Answer::Unavailable;
        let answer = if unrecorded { &Answer::Unavailable } else { answer };
        if unrecorded {
            self.note(super::event::Note::RefusedForAudit);
        } else if held.judged.verdict.is_some() || !held.judged.shadow.is_empty() {
            self.record_refused(&held, answer);
        } else {
            self.count_command(held.verb, held.kind, NoteStatus::Unavailable, None);
        }
        if matches!(held.verb, Verb::Select | Verb::Examine) && self.state.selected().is_some() {
            self.leave_view();
            self.forget_mailbox();
            self.state.closed();
            self.state_moved();
            let line = self.local_answer(&held.tag, answer);
            self.answer_in_turn(line);
            let closing = self.unselecting();
            return self.send_own_as(&closing, Own::Unselect, held.since);
        }
        let line = self.local_answer(&held.tag, answer);
        self.answer_in_turn(line);
    }

    pub(super) fn local_answer(&self, tag: &[u8], answer: &Answer) -> Vec<u8> {
        let mut line = Vec::new();
        answer.write(tag, &mut line);
        line
    }
}

fn must_exist(role: crate::wire::command::Role) -> bool {
    use crate::wire::command::Role as Names;
    !matches!(role, Names::Create | Names::RenameTo | Names::Unsubscribe | Names::ListReference | Names::ListPattern)
}
