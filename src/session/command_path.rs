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

use crate::imap::message::SeqSet;
use crate::imap::verb::{CommandKind, Verb};
use crate::policy::{FlagChange, FlagsWanted, Permit, Refusal, RefusalKind, Request, Role, Roles, Verdict};
use crate::wire::command::{Args, Command, FetchKind, MailboxArg, tag_of};
use crate::wire::frame::{FrameFault, Framed};
use crate::wire::patch::Patch;

use super::effect::{Effect, Held, Judged, Opening, Own, Searching};
use super::event::{
    CloseReason, CopyOp, ExpungeHow, FaultReason, FlagOp, ListOp, MailboxChange, MailboxRef, NoteStatus, ReadClass,
    Side, VerdictKind,
};
use super::in_flight::{Entry, Tag};
use super::names::Resolved;
use super::reads::Reads;
use super::refusal::{Answer, Bye};
use super::{ClientMode, MAX_BAD, MAX_BAD_BEFORE_LOGIN, MAX_IN_FLIGHT, Output, Session};

/// Largest literal that is an argument; message literals are streamed and have a limit of their own.
const MAX_ARGUMENT: u64 = 64 * 1024;

/// Largest command, all its literals but a streamed one counted.
const MAX_COMMAND: usize = 256 * 1024;

/// The same before login.
const MAX_COMMAND_BEFORE_LOGIN: usize = 16 * 1024;

/// A client that errs waits this much longer with each error before its next command is read.
const PENALTY: Duration = Duration::from_millis(100);

impl Session {
    /// Reads what the client has sent, as far as it may be read now.
    pub(super) fn pump(&mut self, now: Instant) {
        self.wall = self.shared.clock.at(now);
        while !self.closing && self.step(now) {}
        if self.inbox.is_empty() && self.inbox.capacity() > 4096 {
            self.inbox = Vec::new();
        }
        self.drain_if_quiet(now);
        self.close_if_done(now);
    }

    /// The client sends no more: once all that it sent is answered, the session is over.
    fn close_if_done(&mut self, now: Instant) {
        let answered = self.held.is_none()
            && self.login.is_none()
            && self.gate.is_none()
            && self.in_flight.oldest_waiting().is_none()
            && self.pause.is_none();
        let waits_for_client = !matches!(self.mode, ClientMode::Command | ClientMode::Over);
        if self.client_done && !self.closing && (answered || waits_for_client) {
            self.end(CloseReason::ClientClosed, None, now);
        }
    }

    /// One decision in 32 is timed, with the clock that the session was given.
    pub(super) fn begin_timing(&self) -> Option<Instant> {
        (self.commands % 32 == 1).then(self.shared.stopwatch)
    }

    pub(super) fn timed(&self, begun: Option<Instant>) -> Option<Duration> {
        begun.map(|begun| (self.shared.stopwatch)().saturating_duration_since(begun))
    }

    fn drain_if_quiet(&mut self, now: Instant) {
        let quiet = self.held.is_none()
            && self.login.is_none()
            && self.in_flight.oldest_waiting().is_none()
            && matches!(self.mode, ClientMode::Command | ClientMode::Idle);
        if self.draining && quiet && !self.closing {
            self.end(CloseReason::Drain, Some(Bye::Drain), now);
        }
    }

    /// Must the next command wait?
    fn blocked(&self, now: Instant) -> bool {
        if self.appending.is_some() {
            return false; // in the middle of a command: the line behind its message has to come
        }
        self.held.is_some()
            || self.gate.is_some()
            || self.login.is_some()
            || self.in_flight.has_barrier()
            || self.in_flight.len() >= MAX_IN_FLIGHT
            || (self.filtered() && !self.in_flight.is_empty())
            || self.pause.is_some_and(|until| until > now)
    }

    /// One line, or a run of octets. Says whether there may be more to do.
    fn step(&mut self, now: Instant) -> bool {
        match &self.mode {
            ClientMode::Handshake | ClientMode::Over | ClientMode::AwaitStream(_) => false,
            ClientMode::Stream(_) => {
                let inbox = std::mem::take(&mut self.inbox);
                let taken = self.stream_octets(&inbox);
                self.put_back(inbox, taken);
                taken > 0
            }
            ClientMode::Discard { left, .. } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbox.len());
                self.inbox.drain(..take);
                self.discarded(take as u64);
                take > 0
            }
            ClientMode::Idle => self.step_line(now, |this, line, now| this.on_idle_line(line, now)),
            ClientMode::Sasl(_) => self.step_line(now, |this, line, now| {
                if let ClientMode::Sasl(step) = std::mem::replace(&mut this.mode, ClientMode::Command) {
                    this.on_sasl_line(step, line, now);
                }
            }),
            ClientMode::Command if self.blocked(now) => false,
            ClientMode::Command => self.step_command(now),
        }
    }

    /// A line that is no command.
    fn step_line(&mut self, now: Instant, on: impl FnOnce(&mut Self, &[u8], Instant)) -> bool {
        let Some(end) = memchr::memchr(b'\n', &self.inbox).map(|at| at.saturating_add(1)) else {
            if self.inbox.len() > self.shared.limits.max_line {
                self.fault(Side::Client, FaultReason::LineTooLong, Bye::Garbage, now);
            }
            return false;
        };
        let inbox = std::mem::take(&mut self.inbox);
        on(self, inbox.get(..end).unwrap_or_default(), now);
        self.put_back(inbox, end);
        true
    }

    fn put_back(&mut self, mut inbox: Vec<u8>, used: usize) {
        if used >= inbox.len() {
            inbox.clear();
        } else {
            inbox.drain(..used);
        }
        self.inbox = inbox;
    }

    fn step_command(&mut self, now: Instant) -> bool {
        if self.appending.is_none() && self.refresh_names(now) {
            return false;
        }
        let before_login = self.state.is_before_login();
        let max_line = if before_login {
            self.shared.limits.max_line.min(MAX_ARGUMENT as usize)
        } else {
            self.shared.limits.max_line
        };
        let inbox = std::mem::take(&mut self.inbox);
        let framed = self.framer.next(&inbox, max_line);
        let (used, go_on) = match framed {
            Framed::More => (0, false),
            Framed::Literal { end, literal } => self.on_literal(&inbox, end, literal, now),
            Framed::Complete { end } => {
                let frame = inbox.get(..end).unwrap_or_default();
                let more = inbox.len() > end;
                if self.on_frame(frame, more, now) {
                    self.framer.reset();
                    (end, true)
                } else {
                    self.framer.reset();
                    (0, false)
                }
            }
            Framed::Fault { fault, end } => {
                self.on_frame_fault(
                    fault,
                    inbox.get(..end.unwrap_or(inbox.len())).unwrap_or_default(),
                    end.is_some(),
                    now,
                );
                self.framer.reset();
                (end.unwrap_or(inbox.len()), true)
            }
        };
        self.put_back(inbox, used);
        go_on
    }

    /// A line announced a literal. Says how much of the inbox is done with, and whether to go on.
    fn on_literal(
        &mut self,
        inbox: &[u8],
        end: usize,
        literal: crate::wire::frame::Announced,
        now: Instant,
    ) -> (usize, bool) {
        let frame = inbox.get(..end).unwrap_or_default();
        if !self.state.is_before_login()
            && let Some(done) = self.on_message_literal(frame, inbox.len() > end, now)
        {
            self.framer.reset();
            return (if done { end } else { 0 }, done);
        }
        let most = if self.state.is_before_login() { MAX_COMMAND_BEFORE_LOGIN } else { MAX_COMMAND };
        let too_large = literal.size > MAX_ARGUMENT || (frame.len() as u64).saturating_add(literal.size) > most as u64;
        let wrong = Command::parse_prefix(frame, self.utf8_mode()).is_err();
        if too_large || wrong {
            self.commands = self.commands.saturating_add(1);
            let answer = if too_large { Answer::TooLarge } else { Answer::Syntax };
            self.framer.reset();
            if literal.sync {
                // Refused before it was sent: the next octets are a command (surface F.3).
                self.bad_command(frame, &answer, FaultReason::CommandSyntax, now);
            } else if literal.size > self.shared.limits.max_literal {
                self.fault(Side::Client, FaultReason::LiteralTooLong, Bye::Garbage, now);
            } else {
                // It comes all the same, and must not be read as commands: answered when it is over.
                self.sasl_tag = Tag::from_slice(tag_of(frame).unwrap_or("*").as_bytes());
                self.mode = ClientMode::Discard { left: literal.size, then: answer };
            }
            return (end, true);
        }
        // The octets follow the line in the inbox; a repeated look at the same line must not ask twice.
        self.framer.skip(usize::try_from(literal.size).unwrap_or(usize::MAX));
        if literal.sync {
            self.out.client().extend_from_slice(b"+ OK\r\n");
        }
        (0, true)
    }

    /// Octets of a literal that nobody takes were dropped; behind it the command line goes on.
    pub(super) fn discarded(&mut self, octets: u64) {
        let ClientMode::Discard { left, then } = &mut self.mode else { return };
        *left = left.saturating_sub(octets);
        if *left == 0 {
            let then = then.clone();
            self.mode = ClientMode::Command;
            self.framer.reset();
            self.doomed = Some(then);
        }
    }

    fn on_frame_fault(&mut self, fault: FrameFault, frame: &[u8], ended: bool, now: Instant) {
        self.commands = self.commands.saturating_add(1);
        let reason = match fault {
            FrameFault::BareLineEnd => FaultReason::BareLf,
            FrameFault::LineTooLong => FaultReason::LineTooLong,
            FrameFault::OpenQuote => FaultReason::CommandSyntax,
            FrameFault::BadLiteral | FrameFault::Lost => FaultReason::LiteralSize,
        };
        self.bad_command(frame, &Answer::Syntax, reason, now);
        if fault == FrameFault::Lost || !ended {
            self.fault(Side::Client, reason, Bye::Garbage, now);
        }
    }

    /// Answers what is no command, and counts it.
    pub(super) fn bad_command(&mut self, frame: &[u8], answer: &Answer, reason: FaultReason, now: Instant) {
        let tag = tag_of(frame).unwrap_or("*").to_owned();
        self.answer(tag.as_bytes(), answer);
        self.count_bad(reason, now);
    }

    fn count_bad(&mut self, reason: FaultReason, now: Instant) {
        self.bad = self.bad.saturating_add(1);
        self.record_fault(Side::Client, reason);
        self.note(super::event::Note::CommandDone {
            verb: None,
            kind: CommandKind::Meta,
            status: NoteStatus::Bad,
            duration: None,
            overhead: None,
        });
        let most = if self.state.is_before_login() { MAX_BAD_BEFORE_LOGIN } else { MAX_BAD };
        if self.bad >= most {
            return self.end(CloseReason::ClientFault, Some(Bye::Garbage), now);
        }
        if self.bad > 1 {
            self.pause = Some(now + PENALTY.saturating_mul(self.bad));
        }
    }

    /// A whole frame. `false`: it is not done with, look at it again when what is under way has ended.
    fn on_frame(&mut self, frame: &[u8], more: bool, now: Instant) -> bool {
        if self.on_append_end(frame, now) {
            return true;
        }
        if let Some(answer) = self.doomed.take() {
            // The end of a command whose literal was dropped.
            let tag = std::mem::take(&mut self.sasl_tag);
            self.answer(&tag, &answer);
            self.count_bad(FaultReason::LiteralTooLong, now);
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
            Err(_) => {
                self.commands = self.commands.saturating_add(1);
                self.bad_command(frame, &Answer::Syntax, FaultReason::CommandSyntax, now);
                return true;
            }
        };
        if self.filtered() && self.retried != Some(self.commands) && self.needs_names_anew(&command, now) {
            self.retried = Some(self.commands);
            self.begin_names(now);
            return false;
        }
        self.commands = self.commands.saturating_add(1);
        self.on_command(&command, frame, more, now);
        true
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
        self.bad = 0;
        let tag = command.tag.text.as_bytes();
        match command.verb {
            Verb::Capability if self.state.is_before_login() => self.answer_capability(tag),
            Verb::Noop if self.state.is_before_login() => self.answer_done(tag, Verb::Noop),
            Verb::Logout => self.on_logout(tag, now),
            Verb::StartTls => self.on_starttls(tag, more, now),
            Verb::Login => self.on_login(command, frame, now),
            Verb::Authenticate => self.on_authenticate(command, now),
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
            self.bind_rules();
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
            use crate::wire::command::Role as Names;
            if matches!(role, Names::ListReference | Names::ListPattern) {
                continue;
            }
            if matches!(role, Names::MetadataRead | Names::MetadataChange) && arg.octets().is_empty() {
                continue; // the server itself
            }
            match self.resolve(arg) {
                Some(resolved) => names.push((role, arg, resolved)),
                None => {
                    // A name that cannot be read where rules name mailboxes is absent, and never goes up.
                    let mut held = self.held_of(command, Effect::Plain, now);
                    held.judged.verdict = Some(VerdictKind::Hidden);
                    self.note_verdict(&held.judged, None);
                    return self.refuse_held(held, &Self::absent_for(role));
                }
            }
        }
        let roles = Roles::of(command.verb);
        let mut targets = smallvec::SmallVec::<[_; 3]>::new();
        for (at, (_, _, resolved)) in names.iter().enumerate() {
            let role = if at == 1 { roles.second.or(roles.named) } else { roles.named };
            targets.push((role.unwrap_or(Role::Named), self.target(resolved)));
        }
        if let (Some(role), Some(selected)) = (roles.selected, self.state.selected()) {
            targets.push((role, self.target(&selected.target)));
        }
        let request = Request::new(command.verb, &targets).flags(flags_wanted(command));
        let begun = self.begin_timing();
        let verdict = self.bound.decide(&request, self.wall);
        let took = self.timed(begun);
        drop(targets);
        let absent = names.iter().find(|(role, _, resolved)| must_exist(*role) && !self.exists(resolved));
        let absent = absent.map(|(role, _, _)| Self::absent_for(*role));
        let unsubscribed = command.verb == Verb::Unsubscribe
            && self.filtered()
            && names.iter().any(|(_, _, resolved)| !self.is_subscribed(resolved) && !self.exists(resolved));
        let effect = self.effect_of(command, names.iter().map(|(_, arg, resolved)| (*arg, resolved)));
        let mut held = self.held_of(command, effect, now);
        match verdict {
            _ if unsubscribed => {
                // As for a name that was never subscribed to.
                let line = self.local_answer(&held.tag, &Answer::Completed(Verb::Unsubscribe));
                self.answer_in_turn(line);
            }
            Verdict::Refused(Refusal { kind: RefusalKind::Hidden, by, shadow }) => {
                let role = names.first().map_or(crate::wire::command::Role::Open, |(role, _, _)| *role);
                held.judged = Judged { verdict: Some(VerdictKind::Hidden), by, shadow };
                self.note_verdict(&held.judged, took);
                self.refuse_held(held, &Self::absent_for(role));
            }
            _ if absent.is_some() => {
                held.judged.verdict = Some(VerdictKind::Hidden);
                self.note_verdict(&held.judged, took);
                self.refuse_held(held, &absent.unwrap_or(Answer::Absent));
            }
            Verdict::Refused(Refusal { by, shadow, .. }) => {
                held.judged = Judged { verdict: Some(VerdictKind::Refused), by, shadow };
                self.note_verdict(&held.judged, took);
                let reference = format!("{}-{}", self.start.sid, self.commands);
                self.refuse_held(held, &Answer::NotPermitted { reference });
            }
            Verdict::Allowed(permit) => {
                let octets = names.iter().map(|(_, arg, resolved)| (*arg, resolved.octets.clone())).collect::<Vec<_>>();
                self.forward(command, permit, held, &octets, took, now);
            }
        }
    }

    pub(super) fn absent_for(role: crate::wire::command::Role) -> Answer {
        use crate::wire::command::Role as Names;
        match role {
            // As for any absent name: the client may create it, and learns then whether it may.
            Names::CopyTo | Names::MoveTo | Names::AppendTo | Names::ReplaceTo => Answer::TryCreate,
            _ => Answer::Absent,
        }
    }

    fn held_of(&self, command: &Command<'_>, effect: Effect, now: Instant) -> Held {
        let content = matches!(&command.args, Args::Fetch(fetch) if fetch.is_content());
        Held {
            tag: Tag::from_slice(command.tag.text.as_bytes()),
            cmd: self.commands,
            verb: command.verb,
            kind: if content { CommandKind::FetchContent } else { command.verb.kind() },
            since: now,
            effect,
            judged: Judged::default(),
            mailbox: self.state.selected().map(|selected| Arc::clone(&selected.mailbox)),
            line: Vec::new(),
            stream: None,
            wait_quiet: false,
            ready: now,
        }
    }

    /// Records a refusal and answers it. A SELECT that is refused leaves nothing selected (RFC 9051 §6.3.2).
    pub(super) fn refuse_held(&mut self, held: Held, answer: &Answer) {
        if held.judged.verdict.is_some() || !held.judged.shadow.is_empty() {
            self.record_refused(&held, answer);
        } else {
            self.count_command(held.verb, held.kind, NoteStatus::Unavailable, None);
        }
        if matches!(held.verb, Verb::Select | Verb::Examine) && self.state.selected().is_some() {
            self.state.closed();
            self.coverage.clear();
            self.state_moved();
            if self.leg.capabilities.unselect {
                let now = held.since;
                self.send_own_as(b"UNSELECT", Own::Unselect, now);
            }
        }
        let line = self.local_answer(&held.tag, answer);
        self.answer_in_turn(line);
    }

    fn local_answer(&self, tag: &[u8], answer: &Answer) -> Vec<u8> {
        let mut line = Vec::new();
        answer.write(tag, &mut line);
        line
    }

    /// What the rules left of a command goes up, after what must come first.
    fn forward(
        &mut self,
        command: &Command<'_>,
        permit: Permit,
        mut held: Held,
        names: &[(&MailboxArg<'_>, Option<Box<[u8]>>)],
        took: Option<Duration>,
        now: Instant,
    ) {
        let narrowing = permit.narrowing();
        let narrowed = !narrowing.is_none();
        held.judged = Judged {
            verdict: Some(if narrowed { VerdictKind::Narrowed } else { VerdictKind::Allowed }),
            by: permit.by().clone(),
            shadow: permit.shadow().clone(),
        };
        self.note_verdict(&held.judged, took);
        if self.audit_failing && self.is_recorded(&held) {
            self.note(super::event::Note::RefusedForAudit);
            held.judged = Judged::default();
            return self.refuse_held(held, &Answer::Unavailable);
        }
        if self.filtered() && self.answer_from_view(command, &mut held, now) {
            return;
        }
        let frame = command.frame();
        let mut patch = Patch::new(frame);
        for (arg, octets) in names {
            // In filtered scope only the upstream's own spelling goes up (surface R2).
            if let (true, Some(octets)) = (self.filtered(), octets) {
                let mut text = Vec::new();
                crate::wire::encode::string(&mut text, octets, self.utf8_mode(), self.leg.capabilities.literal_plus);
                patch.replace(arg.span(), text);
            }
        }
        match &command.args {
            Args::Open(_) if narrowing.examine => {
                patch.replace(command.verb_span.clone(), "EXAMINE");
                if let Effect::Opening(opening) = &mut held.effect {
                    opening.examine = true;
                }
            }
            Args::Fetch(fetch) if narrowing.peek => {
                for item in fetch.items.iter().filter(|item| !item.peek) {
                    peek(&mut patch, frame, item, &mut held.effect);
                }
            }
            Args::Store(store) if narrowing.drops_flags() => {
                self.drop_flags(&mut patch, store, narrowing, &mut held.effect);
            }
            Args::None if narrowing.expunge_nothing && command.verb == Verb::Close => {
                held.effect = Effect::Closing { uids: None };
                let read_only = self.state.selected().is_some_and(|selected| selected.read_only);
                if !read_only {
                    if !self.leg.capabilities.unselect {
                        let answer = Answer::Refused { text: "[CANNOT] the server cannot close without expunging" };
                        return self.refuse_held(held, &answer);
                    }
                    patch.replace(command.verb_span.clone(), "UNSELECT");
                }
            }
            Args::Enable(words) => {
                if !self.narrow_enable(words, &mut patch, &mut held) {
                    return;
                }
            }
            _ => {}
        }
        let from = command.tag.span.end.saturating_add(1);
        let line = patch.to_vec();
        // The tag is never touched by a patch: what stands behind it is where it was.
        held.line = line.get(from..).unwrap_or_default().to_vec();
        self.prepare(held, now);
    }

    /// ENABLE goes up with what is offered; where nothing is left, nothing is enabled (RFC 5161 §3.1).
    fn narrow_enable(
        &mut self,
        words: &[crate::wire::command::Word<'_>],
        patch: &mut Patch<'_>,
        held: &mut Held,
    ) -> bool {
        let kept: Vec<&str> = words.iter().map(|word| word.text).filter(|word| self.may_enable(word)).collect();
        let utf8 =
            kept.iter().any(|word| ["UTF8=ACCEPT", "IMAP4rev2"].iter().any(|name| name.eq_ignore_ascii_case(word)));
        held.effect = Effect::Enabling { utf8 };
        if kept.is_empty() {
            let mut line = b"* ENABLED\r\n".to_vec();
            Answer::Completed(Verb::Enable).write(&held.tag, &mut line);
            self.answer_in_turn(line);
            return false;
        }
        if kept.len() < words.len()
            && let (Some(first), Some(last)) = (words.first(), words.last())
        {
            patch.replace(first.span.start..last.span.end, kept.join(" "));
        }
        true
    }

    fn drop_flags(
        &self,
        patch: &mut Patch<'_>,
        store: &crate::wire::command::store::Store,
        narrowing: crate::policy::Narrowing,
        effect: &mut Effect,
    ) {
        use crate::imap::message::Flag;
        let dropped = |flag: &Flag| match flag {
            Flag::Seen => narrowing.drop_seen,
            Flag::Deleted => narrowing.drop_deleted,
            _ => narrowing.drop_other,
        };
        let kept: Vec<String> =
            store.flags.flags.iter().filter(|arg| !dropped(&arg.flag)).map(|arg| arg.flag.name().to_owned()).collect();
        patch.replace(store.flags.span.clone(), format!("({})", kept.join(" ")));
        if store.action == crate::wire::command::store::StoreAction::Replace {
            // Replacing would clear flags that may not be touched: those that may be set are added (RFC 4314 §4).
            let silent = if store.silent { ".SILENT" } else { "" };
            patch.replace(store.action_span.clone(), format!("+FLAGS{silent}"));
        }
        if let Effect::Storing { flags, dropped: gone, .. } = effect {
            let (lost, left) = std::mem::take(flags).into_iter().partition(dropped);
            *gone = lost;
            *flags = left;
        }
    }

    fn is_recorded(&self, held: &Held) -> bool {
        !matches!(
            held.effect,
            Effect::Plain | Effect::Idle { .. } | Effect::Enabling { .. } | Effect::Closing { uids: None }
        ) || matches!(held.verb, Verb::Idle)
    }

    /// Asks first for the UIDs that the record needs, where the command does not name them.
    pub(super) fn prepare(&mut self, mut held: Held, now: Instant) {
        let own = match &held.effect {
            Effect::Fetching(reads) if reads.ask.is_some() => {
                reads.ask.clone().map(|set| (fetch_uids(&set), Own::Uids))
            }
            Effect::Storing { ask: Some(set), .. } | Effect::Copying { ask: Some(set), .. } => {
                Some((fetch_uids(set), Own::Uids))
            }
            Effect::Expunging { .. } | Effect::Closing { uids: Some(_) }
                if !self.state.selected().is_some_and(|selected| selected.read_only) =>
            {
                Some((b"UID SEARCH DELETED".to_vec(), Own::Deleted))
            }
            _ => None,
        };
        match own {
            // What the upstream answers to ours must be told from what it answers to the client's.
            Some((line, own)) if self.in_flight.is_empty() => {
                self.held = Some(Box::new(held));
                self.send_own_as(&line, own, now);
            }
            Some(_) => {
                held.wait_quiet = true;
                self.held = Some(Box::new(held));
            }
            None => {
                held.ready = now;
                self.record_intent(held, now);
            }
        }
    }

    /// All before it is answered: a command that waited for quiet goes on.
    pub(super) fn resume_held(&mut self, now: Instant) {
        if self.in_flight.is_empty()
            && let Some(mut held) = self.held.take_if(|held| held.wait_quiet)
        {
            held.wait_quiet = false;
            self.prepare(*held, now);
        }
    }

    /// The UIDs are known: the record goes first (audit.md §3).
    pub(super) fn record_intent(&mut self, held: Held, now: Instant) {
        match self.intent(&held) {
            Some(event) => {
                self.held = Some(Box::new(held));
                self.out.push(Output::Intent(Box::new(event)));
            }
            None => self.send_held(held, now),
        }
    }

    /// Up it goes.
    pub(super) fn send_held(&mut self, held: Held, now: Instant) {
        let serial = self.in_flight.next_serial();
        let idle = held.verb == Verb::Idle;
        let judged = (!held.judged.by.is_empty()
            || !held.judged.shadow.is_empty()
            || held.judged.verdict == Some(VerdictKind::Narrowed))
        .then(|| Box::new(held.judged));
        self.in_flight.push(Entry {
            serial,
            tag: held.tag,
            cmd: held.cmd,
            verb: held.verb,
            kind: held.kind,
            since: held.since,
            sent: now,
            effect: held.effect,
            mailbox: held.mailbox,
            judged,
            overhead: now.saturating_duration_since(held.ready),
        });
        if idle {
            self.mode = ClientMode::Idle;
            self.move_phase(Some(super::event::SessionPhase::Idle));
        }
        match held.stream {
            Some(stream) => self.send_stream(serial, &held.line, stream, now),
            None => self.send_with_literals(serial, &held.line),
        }
    }

    /// What a command is followed as.
    fn effect_of<'a>(
        &self,
        command: &Command<'_>,
        mut names: impl Iterator<Item = (&'a MailboxArg<'a>, &'a Resolved)>,
    ) -> Effect {
        let first = names.next().map(|(_, resolved)| resolved);
        let named = || {
            let name = first.map_or("", |resolved| resolved.name.as_str());
            Arc::new(MailboxRef::named(Arc::from(name)))
        };
        let change = |op| Effect::Changing { op, name: named(), to: None };
        match &command.args {
            Args::Open(_) => match first {
                Some(resolved) => Effect::Opening(Box::new(Opening {
                    mailbox: named(),
                    target: resolved.clone(),
                    examine: command.verb == Verb::Examine,
                    exists: None,
                    uidvalidity: None,
                    read_only: command.verb == Verb::Examine,
                })),
                None => Effect::Plain,
            },
            Args::Create(_) => change(MailboxChange::Create),
            Args::Mailbox(_) => match command.verb {
                Verb::Delete => change(MailboxChange::Delete),
                Verb::Subscribe => change(MailboxChange::Subscribe),
                Verb::Unsubscribe => change(MailboxChange::Unsubscribe),
                Verb::GetAcl | Verb::MyRights => {
                    Effect::Acl { mailbox: named(), target: first.cloned(), who: None, rights: None }
                }
                _ => Effect::Plain,
            },
            Args::Rename(_) => {
                let to = names.next().map(|(_, resolved)| Arc::from(resolved.name.as_str()));
                Effect::Changing { op: MailboxChange::Rename, name: named(), to }
            }
            Args::List(list) => {
                let text = |arg: &MailboxArg<'_>| String::from_utf8_lossy(arg.octets()).into_owned();
                Effect::Listing {
                    op: if command.verb == Verb::Lsub { ListOp::Lsub } else { ListOp::List },
                    reference: text(&list.reference).into(),
                    pattern: list.patterns.iter().map(text).collect::<Vec<_>>().join(" ").into(),
                    n: 0,
                    hidden: 0,
                }
            }
            Args::Status(status) => Effect::Status {
                mailbox: named(),
                items: status.items.iter().map(|item| status_name(item.kind)).collect(),
            },
            Args::SetAcl(acl) => Effect::Acl {
                mailbox: named(),
                target: None,
                who: acl.identifier.as_str().map(Into::into),
                rights: acl.rights.as_str().map(Into::into),
            },
            Args::Acl(acl) => Effect::Acl {
                mailbox: named(),
                target: None,
                who: acl.identifier.as_str().map(Into::into),
                rights: None,
            },
            Args::Fetch(fetch) => Effect::Fetching(Box::new(self.reads_for(command, fetch))),
            Args::Search(_) | Args::Sort(_) | Args::Thread(_) => Effect::Searching(Box::new(searching(command))),
            Args::Store(store) => {
                let (uids, ask) = self.asked(&store.set.set, command.verb.is_uid_form());
                Effect::Storing {
                    op: match store.action {
                        crate::wire::command::store::StoreAction::Add => FlagOp::Add,
                        crate::wire::command::store::StoreAction::Remove => FlagOp::Remove,
                        crate::wire::command::store::StoreAction::Replace => FlagOp::Replace,
                    },
                    flags: store.flags.flags.iter().map(|arg| arg.flag.clone()).collect(),
                    dropped: Vec::new(),
                    uids,
                    ask: ask.then(|| text_of(command.frame(), &store.set.span)),
                }
            }
            Args::Copy(copy) => {
                let (uids, ask) = self.asked(&copy.set.set, command.verb.is_uid_form());
                Effect::Copying {
                    op: if command.verb.base() == Verb::Move { CopyOp::Move } else { CopyOp::Copy },
                    dst: Arc::from(first.map_or("", |resolved| resolved.name.as_str())),
                    uids,
                    code: None,
                    ask: ask.then(|| text_of(command.frame(), &copy.set.span)),
                }
            }
            Args::UidExpunge(set) => {
                Effect::Expunging { how: ExpungeHow::UidExpunge, uids: self.asked(&set.set, true).0 }
            }
            Args::None => match command.verb {
                Verb::Expunge => Effect::Expunging { how: ExpungeHow::Expunge, uids: None },
                Verb::Close => Effect::Closing { uids: Some(crate::imap::message::UidSet::new()) },
                Verb::Unselect => Effect::Closing { uids: None },
                Verb::Idle => Effect::Idle { confirmed: false, done: false, broken: false },
                _ => Effect::Plain,
            },
            _ => Effect::Plain,
        }
    }

    /// The UIDs of a set, or whether the upstream must be asked which they are.
    fn asked(&self, set: &SeqSet, uid_form: bool) -> (Option<crate::imap::message::UidSet>, bool) {
        if !uid_form {
            return (None, true);
        }
        // `*` is the largest UID there is, whatever it is: recorded as all there could be, never as too little.
        (set.resolve(u32::MAX), matches!(set, SeqSet::Saved))
    }

    fn reads_for(&self, command: &Command<'_>, fetch: &crate::wire::command::Fetch<'_>) -> Reads {
        let uid_form = command.verb.is_uid_form();
        let says_uid = uid_form || fetch.items.iter().any(|item| item.kind == FetchKind::Uid);
        let (asked, _) = self.asked(&fetch.set.set, uid_form);
        let unknown = asked.is_none();
        Reads {
            wants: fetch.class(),
            wants_flags: fetch
                .items
                .iter()
                .any(|item| matches!(item.kind, FetchKind::Flags | FetchKind::All | FetchKind::Fast | FetchKind::Full)),
            slice: fetch.items.iter().filter_map(|item| partial_of(&item.kind)).max(),
            asked,
            ask: (unknown && (!says_uid || fetch.class() >= ReadClass::Preview))
                .then(|| text_of(command.frame(), &fetch.set.span)),
            ..Reads::default()
        }
    }
}

/// Octets of a slice that is asked for.
fn partial_of(kind: &FetchKind<'_>) -> Option<u64> {
    match kind {
        FetchKind::Section { partial, .. } | FetchKind::Binary { partial, .. } => partial.map(|(_, octets)| octets),
        _ => None,
    }
}

fn status_name(kind: crate::wire::command::folder::StatusKind) -> &'static str {
    crate::wire::command::folder::StatusKind::ALL
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or("OTHER", |(_, name)| name)
}

fn text_of(frame: &[u8], span: &std::ops::Range<usize>) -> Box<[u8]> {
    frame.get(span.clone()).unwrap_or_default().into()
}

fn fetch_uids(set: &[u8]) -> Vec<u8> {
    [b"FETCH ", set, b" (UID)"].concat()
}

fn must_exist(role: crate::wire::command::Role) -> bool {
    use crate::wire::command::Role as Names;
    !matches!(role, Names::Create | Names::RenameTo | Names::Unsubscribe | Names::ListReference | Names::ListPattern)
}

/// The flags that a command is about, as rights go: `\Seen`, `\Deleted`, and all others.
fn flags_wanted(command: &Command<'_>) -> FlagsWanted {
    use crate::imap::message::Flag;
    let (flags, change) = match &command.args {
        Args::Store(store) => (
            &store.flags,
            match store.action {
                crate::wire::command::store::StoreAction::Add => FlagChange::Add,
                crate::wire::command::store::StoreAction::Remove => FlagChange::Remove,
                crate::wire::command::store::StoreAction::Replace => FlagChange::Replace,
            },
        ),
        _ => return FlagsWanted::NONE,
    };
    let mut wanted = FlagsWanted { change, ..FlagsWanted::NONE };
    for arg in &flags.flags {
        match arg.flag {
            Flag::Seen => wanted.seen = true,
            Flag::Deleted => wanted.deleted = true,
            _ => wanted.other = true,
        }
    }
    wanted
}

/// The form of an item that leaves `\Seen` alone. The old forms have none of their own: they become sections, and the answer
/// is given their name again.
fn peek(patch: &mut Patch<'_>, frame: &[u8], item: &crate::wire::command::FetchItem<'_>, effect: &mut Effect) {
    let rename = |effect: &mut Effect, from: &'static str, to: &'static str| {
        if let Effect::Fetching(reads) = effect {
            reads.renames.push((from, to));
        }
    };
    match item.kind {
        FetchKind::Rfc822 => {
            patch.replace(item.span.clone(), "BODY.PEEK[]");
            rename(effect, "BODY[]", "RFC822");
        }
        FetchKind::Rfc822Text => {
            patch.replace(item.span.clone(), "BODY.PEEK[TEXT]");
            rename(effect, "BODY[TEXT]", "RFC822.TEXT");
        }
        _ => {
            let text = frame.get(item.span.clone()).unwrap_or_default();
            if let Some(bracket) = memchr::memchr(b'[', text) {
                patch.insert(item.span.start.saturating_add(bracket), ".PEEK");
            }
        }
    }
}

fn searching(command: &Command<'_>) -> Searching {
    let keys = command.search_keys().unwrap_or_default();
    let mut names = Vec::new();
    let mut content = false;
    for key in keys {
        content |= key.reads_content();
        key.walk(&mut |key| {
            let name = key_name(&key.kind);
            if !names.contains(&name) {
                names.push(name);
            }
        });
    }
    Searching { keys: names, content, uid: command.verb.is_uid_form(), ..Searching::default() }
}

/// The criterion's name, for the record; never what it looks for.
fn key_name(kind: &crate::wire::search::KeyKind<'_>) -> &'static str {
    use crate::wire::search::{DateOf, Field, KeyKind};
    match kind {
        KeyKind::All => "ALL",
        KeyKind::New => "NEW",
        KeyKind::Flag(..) => "FLAG",
        KeyKind::Field(Field::Bcc, _) => "BCC",
        KeyKind::Field(Field::Cc, _) => "CC",
        KeyKind::Field(Field::From, _) => "FROM",
        KeyKind::Field(Field::Subject, _) => "SUBJECT",
        KeyKind::Field(Field::To, _) => "TO",
        KeyKind::Header(..) => "HEADER",
        KeyKind::Body(_) => "BODY",
        KeyKind::Text(_) => "TEXT",
        KeyKind::Date(DateOf::Internal, ..) => "DATE",
        KeyKind::Date(DateOf::Sent, ..) => "SENTDATE",
        KeyKind::Date(DateOf::Saved, ..) => "SAVEDATE",
        KeyKind::Larger(_) => "LARGER",
        KeyKind::Smaller(_) => "SMALLER",
        KeyKind::Older(_) => "OLDER",
        KeyKind::Younger(_) => "YOUNGER",
        KeyKind::Set(_) => "SET",
        KeyKind::Uid(_) => "UID",
        KeyKind::ModSeq(_) => "MODSEQ",
        KeyKind::SaveDateSupported => "SAVEDATESUPPORTED",
        KeyKind::EmailId(_) => "EMAILID",
        KeyKind::ThreadId(_) => "THREADID",
        KeyKind::Fuzzy(_) => "FUZZY",
        KeyKind::Not(_) => "NOT",
        KeyKind::Or(..) => "OR",
        KeyKind::And(_) => "AND",
        KeyKind::Vendor(name, _) => name,
    }
}
