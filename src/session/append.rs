//! APPEND and REPLACE, whose messages are streamed: no octet of one is ever collected.
//!
//! ```text
//!   client  a APPEND x {5}␍␊ ─▶ judged ─▶ intent ─▶ t APPEND x {5}␍␊   upstream
//!           + …              ◀─────────────────────  +
//!           hello␍␊          ─────────────────────▶  hello␍␊
//! ```
//!
//! All that can be refused is refused before `+` (surface F.3). What the client sends all the same is counted and dropped,
//! and never read as commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::imap::message::Uid;
use crate::imap::verb::Verb;
use crate::policy::{AuditLevel, FlagChange, FlagsWanted, Limiting, Narrowing, Permit, Request, Role, Verdict};
use crate::wire::command::append::{AppendNext, MessageForm, MessageHead, parse_append_continuation};
use crate::wire::command::{AppendContinuation, AppendPrefix, Command, CommandPrefix, MessageLiteral, SetArg};
use crate::wire::frame::Announced;
use crate::wire::number::write_number;
use crate::wire::patch::Patch;
use crate::wire::response::number;

use super::asks::flags_appended;
use super::effect::{Effect, Held, Judged, Own, Replaced};
use super::event::{FaultReason, MailboxRef, Note, Side, VerdictKind};
use super::in_flight::Tag;
use super::refusal::{Answer, Bye};
use super::{ClientMode, Session};

/// A message literal on its way.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    /// Number of the command's tag upstream.
    pub serial: u32,
    /// Octets that are still to come.
    pub left: u64,
    /// Does the client wait for `+`?
    pub sync: bool,
    /// How the octets are wrapped, hence what may stand behind them.
    pub form: MessageForm,
    /// Are further messages allowed (MULTIAPPEND)?
    pub several: bool,
    /// What is left out of their flags.
    pub later: Narrowing,
    /// How large each may be, and which limits say so.
    pub largest: u64,
    pub limits: Arc<[Limiting]>,
    /// The upstream has refused: the octets go nowhere, and this is said when they are over.
    pub refused: bool,
    /// When it was last looked at how fast it comes, and how much was to come then.
    pub looked: Option<(Instant, u64)>,
}

/// How often that is looked at, and how much must have come: who sends an octet now and then would keep a connection and the
/// upstream's buffers for ever.
const LOOK_AT_PACE: Duration = Duration::from_secs(60);
const LEAST_PACE: u64 = 1024;

impl Stream {
    /// When its pace must be looked at.
    pub fn looks_at(&self) -> Option<Instant> {
        self.looked.map(|(at, _)| at + LOOK_AT_PACE)
    }

    /// Does it come fast enough? Looked at from here on.
    pub fn keeps_pace(&mut self, now: Instant) -> bool {
        let before = self.looked.replace((now, self.left));
        before.is_none_or(|(_, left)| left.saturating_sub(self.left) >= LEAST_PACE)
    }
}

/// What is left of a command behind a literal that the upstream has not asked for.
#[derive(Debug)]
pub(super) struct Gate {
    serial: u32,
    rest: Zeroizing<Vec<u8>>,
    /// Ends of the lines in `rest` at which to wait again.
    stops: SmallVec<[usize; 2]>,
}

impl Session {
    /// Sends a line of ours under a tag of ours.
    pub(super) fn send_own(&mut self, line: &[u8]) -> u32 {
        let serial = self.in_flight.next_serial();
        self.write_own_tag(serial);
        let out = self.out.upstream();
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        serial
    }

    /// The same, followed until its answer.
    pub(super) fn send_own_as(&mut self, line: &[u8], own: Own, now: Instant) {
        let serial = self.send_own(line);
        self.in_flight.push(super::in_flight::Entry::own(serial, own, now));
    }

    pub(super) fn write_own_tag(&mut self, serial: u32) {
        let out = self.out.upstream();
        out.extend_from_slice(self.start.tag_prefix.as_bytes());
        write_number(out, serial);
        out.push(b' ');
    }

    /// Sends a command whose literals, if it has any, stand in it: one by one, as the upstream asks for them.
    ///
    /// Never unasked (`{n+}`), whatever it offers: Dovecot reads the octets of a literal that it has not asked for as
    /// commands where it refuses the line before them (an unknown command, a bad flag), and so they would run unjudged.
    pub(super) fn send_with_literals(&mut self, serial: u32, line: &[u8]) {
        self.write_own_tag(serial);
        if memchr::memchr(b'{', line).is_none() {
            return self.out.upstream().extend_from_slice(line);
        }
        let (out, stops) = asking_for_literals(line);
        self.send_in_parts(serial, &out, &stops);
    }

    /// Sends what goes up up to the first stop; the rest as it is asked for.
    fn send_in_parts(&mut self, serial: u32, out: &[u8], stops: &[usize]) {
        let Some(first) = stops.first().copied() else {
            return self.out.upstream().extend_from_slice(out);
        };
        self.out.upstream().extend_from_slice(out.get(..first).unwrap_or_default());
        let rest = Zeroizing::new(out.get(first..).unwrap_or_default().to_vec());
        let stops = stops.iter().skip(1).map(|stop| stop.saturating_sub(first)).collect();
        self.gate = Some(Box::new(Gate { serial, rest, stops }));
    }

    /// The upstream asked for the literal.
    pub(super) fn open_gate(&mut self, _now: Instant) {
        let Some(mut gate) = self.gate.take() else { return };
        let Some(next) = (!gate.stops.is_empty()).then(|| gate.stops.remove(0)) else {
            return self.out.upstream().extend_from_slice(&gate.rest);
        };
        self.out.upstream().extend_from_slice(gate.rest.get(..next).unwrap_or_default());
        let next = next.min(gate.rest.len());
        gate.rest.drain(..next);
        gate.stops.iter_mut().for_each(|stop| *stop = stop.saturating_sub(next));
        self.gate = Some(gate);
    }

    /// A command was answered: if it still waited to be asked for a literal, it never will be.
    pub(super) fn close_gate(&mut self, serial: u32) {
        if self.gate.as_ref().is_some_and(|gate| gate.serial == serial) {
            self.gate = None;
        }
    }

    /// A line that announces a literal: is it the message of an APPEND? `None`: no. Else whether the line is done with.
    pub(super) fn on_message_literal(&mut self, frame: &[u8], more: bool, now: Instant) -> Option<bool> {
        let (from, several) = match self.appending.take() {
            Some(stream) => return self.on_continued(frame, stream, more, now),
            None => match Command::parse_prefix(frame, self.utf8_mode()) {
                Ok(CommandPrefix::MessageLiteral(message)) => {
                    let several = message.append.verb == Verb::Append;
                    (message, several)
                }
                _ => return None,
            },
        };
        if self.filtered()
            && self.retried != Some(self.commands)
            && self.is_absent(&from.append.mailbox)
            && self.may_refresh(now)
        {
            self.retried = Some(self.commands);
            self.begin_names(now);
            return Some(false); // the line is read again when the names are there
        }
        if !self.filtered() && self.refresh_names(now) {
            return Some(false);
        }
        if self.asks_for_name(&from.append.mailbox, now) {
            return Some(false);
        }
        if from.append.replaced.is_some() && self.renews_before_command(now) {
            return Some(false);
        }
        self.commands = self.commands.saturating_add(1);
        self.begin_append(frame, &from, several, more, now);
        Some(true)
    }

    fn begin_append(&mut self, frame: &[u8], message: &MessageLiteral<'_>, several: bool, more: bool, now: Instant) {
        let MessageLiteral { append, literal } = message;
        let tag = Tag::from_slice(append.tag.text.as_bytes());
        let legal = self.state.phase().is_some_and(|phase| append.verb.legal_in(phase));
        if !legal || !self.knows_command(append.verb) {
            let answer = if legal { Answer::UnknownCommand } else { Answer::WrongState };
            return self.refuse_literal(tag, &answer, *literal, more, now);
        }
        if !append.messages.iter().all(|head| self.takes_form(head.form)) {
            // A URL is a read of another mailbox (surface A.3): not offered wherever rules take something.
            return self.refuse_literal(tag, &Answer::Syntax, *literal, more, now);
        }
        if literal.size > self.shared.limits.max_literal {
            let text = "[TOOBIG] message too large";
            return self.refuse_literal(tag, &Answer::Refused { text }, *literal, more, now);
        }
        if self.audit_failing {
            self.note(Note::RefusedForAudit);
            return self.refuse_literal(tag, &Answer::Unavailable, *literal, more, now);
        }
        let Some(resolved) = self.resolve(&append.mailbox) else {
            let over = self.take_command(&self.bound.limiting(&[], self.wall), now).over;
            let answer = over.map_or(Answer::TryCreate, |over| over.answer(self.reference()));
            return self.refuse_literal(tag, &answer, *literal, more, now);
        };
        let mut targets = SmallVec::<[_; 2]>::new();
        targets.push((Role::AppendTo, self.target(&resolved)));
        if let (Some(_), Some(selected)) = (&append.replaced, self.state.selected()) {
            targets.push((Role::ReplaceFrom, self.target(&selected.target)));
        }
        let request = Request::new(append.verb, &targets).flags(flags_appended(append));
        let request = Request { deleted_expunges: self.leg.deleted_expunges(), ..request };
        let begun = self.begin_timing();
        let verdict = self.bound.decide(&request, self.wall);
        let took = self.timed(begun);
        let limits = self.bound.limiting(&targets, self.wall);
        let demand = self.take_command(&limits, now);
        let size = Self::over_size(&limits, literal.size);
        let audit = self.bound.audit_level(&targets, self.wall);
        drop(targets);
        let replaced = append.replaced.as_ref().map(|set| Box::new(replaced(frame, set, append.verb)));
        let flags = append.messages.iter().filter_map(|head| head.flags.as_ref());
        let flags = flags.flat_map(|list| list.flags.iter().map(|arg| arg.flag.clone())).collect();
        let mut held = Held {
            tag: tag.clone(),
            cmd: self.commands,
            verb: append.verb,
            kind: append.verb.kind(),
            since: now,
            effect: Effect::Appending {
                dst: Arc::new(MailboxRef::named(Arc::from(resolved.name.as_str()))),
                size: literal.size,
                flags,
                uid: None,
                uidv: None,
                cancelled: None,
                guarded: self.guards_mailbox(&resolved),
                header: Box::default(),
                sources: append.messages.iter().flat_map(|head| &head.urls).map(|url| self.source(url)).collect(),
                replaced,
            },
            judged: Judged::default(),
            audit,
            mailbox: None,
            line: Vec::new(),
            stream: None,
            wait_quiet: false,
            ready: now,
            parts: super::messages::Parts::default(),
        };
        let shadow = demand.shadow.joined(&size.shadow);
        // What is hidden is answered as what is not there, however large the message.
        let takes_it = matches!(verdict, Verdict::Allowed(_)) && self.exists(&resolved);
        if let Some(over) = demand.over.or(size.over.filter(|_| takes_it)) {
            let answer = self.note_limited(&mut held, &over, shadow);
            self.record_refused(&held, &answer);
            return self.refuse_literal(tag, &answer, *literal, more, now);
        }
        held.judged.shadow = shadow;
        let permit = match verdict {
            Verdict::Allowed(permit) if self.exists(&resolved) => permit,
            Verdict::Allowed(_) => {
                held.judged.verdict = Some(VerdictKind::Hidden);
                self.note_judged(&held, took);
                self.record_refused(&held, &Answer::TryCreate);
                return self.refuse_literal(tag, &Answer::TryCreate, *literal, more, now);
            }
            Verdict::Refused(refusal) => {
                let hidden = refusal.kind == crate::policy::RefusalKind::Hidden;
                let answer =
                    if hidden { Answer::TryCreate } else { Answer::NotPermitted { reference: self.reference() } };
                let verdict = if hidden { VerdictKind::Hidden } else { VerdictKind::Refused };
                held.judged = Judged { verdict: Some(verdict), by: refusal.by, shadow: refusal.shadow };
                self.note_judged(&held, took);
                self.record_refused(&held, &answer);
                return self.refuse_literal(tag, &answer, *literal, more, now);
            }
        };
        if let Some(set) = &append.replaced
            && let Err(answer) = self.replaces(set, &mut held)
        {
            return self.refuse_literal(tag, &answer, *literal, more, now);
        }
        let form = append.messages.last().map_or(MessageForm::Plain, |head| head.form);
        let later = if several { self.narrowing_of_later(append.verb, &resolved) } else { Narrowing::default() };
        let largest = Self::largest_message(&limits).unwrap_or(u64::MAX).min(self.shared.limits.max_literal);
        let (left, sync) = (literal.size, literal.sync);
        let limits = limits.into_iter().filter(|limiting| limiting.limits.message_size.is_some()).collect();
        let stream =
            Stream { serial: 0, left, sync, form, several, later, largest, limits, refused: false, looked: None };
        self.send_append(frame, append, permit, resolved.octets, held, Box::new(stream), now);
    }

    #[expect(clippy::too_many_arguments, reason = "all that an APPEND consists of")]
    fn send_append(
        &mut self,
        frame: &[u8],
        append: &AppendPrefix<'_>,
        permit: Permit,
        octets: Option<Arc<[u8]>>,
        mut held: Held,
        stream: Box<Stream>,
        now: Instant,
    ) {
        let narrowing = permit.narrowing();
        let mut patch = Patch::new(frame);
        if let (true, Some(octets)) = (self.filtered(), octets) {
            let mut text = Vec::new();
            crate::wire::encode::string(&mut text, &octets, self.utf8_mode(), false);
            patch.replace(append.mailbox.span(), text);
        }
        if let (true, Some(set), Effect::Appending { replaced: Some(replaced), .. }) =
            (self.guards(), &append.replaced, &held.effect)
        {
            patch.replace(append.verb_span.clone(), Verb::UidReplace.name());
            patch.replace(set.span.clone(), replaced.uid.map(|uid| uid.to_string()).unwrap_or_default());
        }
        drop_flags_of(&append.messages, narrowing, &mut patch);
        if let Effect::Appending { flags, .. } = &mut held.effect {
            flags.retain(|flag| !drops(narrowing, flag));
        }
        let verdict = if narrowing.is_none() { VerdictKind::Allowed } else { VerdictKind::Narrowed };
        let shadow = permit.shadow().joined(&held.judged.shadow);
        held.judged = Judged { verdict: Some(verdict), by: permit.by().clone(), shadow };
        self.note_judged(&held, None);
        let from = append.tag.span.end.saturating_add(1);
        held.line = patch.to_vec().get(from..).unwrap_or_default().to_vec();
        held.stream = Some(stream);
        self.prepare(held, now);
    }

    /// Which message does REPLACE take away? One that may be seen, in a mailbox that may be changed.
    fn replaces(&self, set: &SetArg, held: &mut Held) -> Result<(), Answer> {
        if self.filtered() && self.opened_read_only() {
            return Err(Answer::Refused { text: "[NOPERM] mailbox is read-only" });
        }
        let (Some(view), Effect::Appending { replaced, .. }) = (&self.view, &mut held.effect) else { return Ok(()) };
        let meant = view.meant(&set.set, held.verb.is_uid_form()).map_err(|_| Answer::Syntax)?;
        // What is hidden is not there, as what is gone.
        let uid = meant.first().ok_or(Answer::Refused { text: "[CANNOT] no such message" })?;
        *replaced = Some(Box::new(Replaced { uid: Some(uid), ask: None }));
        held.parts.hush = super::messages::Hush::No;
        Ok(())
    }

    /// Refuses a command that was held, whose message may be coming all the same.
    pub(super) fn refuse_held_or_stream(&mut self, mut held: Held, answer: &Answer, now: Instant) {
        let Some(stream) = held.stream.take() else { return self.refuse_held(held, answer) };
        if held.judged.verdict.is_some() && !self.audit_failing {
            self.record_refused(&held, answer);
        } else {
            self.count_command(held.verb, held.kind, super::event::NoteStatus::Unavailable, None);
        }
        let literal = Announced { size: stream.left, sync: stream.sync, binary: stream.form != MessageForm::Plain };
        self.refuse_literal(held.tag, answer, literal, !self.inbox.is_empty(), now);
    }

    /// The head of an APPEND goes up, as far as its literal.
    pub(super) fn send_stream(&mut self, serial: u32, line: &[u8], mut stream: Box<Stream>, _now: Instant) {
        stream.serial = serial;
        self.write_own_tag(serial);
        self.announce(line, stream);
    }

    /// Sends what ends in the announcement of a message, of which not an octet goes up before it is asked for: see
    /// [`Session::send_with_literals`].
    fn announce(&mut self, line: &[u8], stream: Box<Stream>) {
        let (out, mut stops) = asking_for_literals(line);
        stops.pop(); // the message itself is no part of the line
        self.send_in_parts(stream.serial, &out, &stops);
        self.mode = ClientMode::AwaitStream(stream);
    }

    /// What is left out of the flags of messages behind the first (MULTIAPPEND), whichever they are going to be.
    fn narrowing_of_later(&self, verb: Verb, resolved: &super::names::Resolved) -> Narrowing {
        if !self.bound.restricts() {
            return Narrowing::default();
        }
        let targets = [(Role::AppendTo, self.target(resolved))];
        let all = FlagsWanted { seen: true, deleted: true, other: true, change: FlagChange::Add };
        let request = Request::new(verb, &targets).flags(all);
        let request = Request { deleted_expunges: self.leg.deleted_expunges(), ..request };
        match self.bound.decide(&request, self.wall) {
            Verdict::Allowed(permit) => permit.narrowing(),
            Verdict::Refused(_) => {
                Narrowing { drop_seen: true, drop_deleted: true, drop_other: true, ..Narrowing::default() }
            }
        }
    }

    fn streaming(&mut self, mut stream: Box<Stream>, now: Instant) -> ClientMode {
        if stream.left > 0 {
            stream.looked = Some((now, stream.left));
            return ClientMode::Stream(stream);
        }
        self.appending = Some(stream);
        self.framer.reset();
        ClientMode::Command
    }

    /// The upstream asks for the message.
    pub(super) fn begin_stream(&mut self, line: &[u8], now: Instant) {
        if let ClientMode::AwaitStream(stream) = std::mem::replace(&mut self.mode, ClientMode::Command) {
            if stream.sync {
                self.out.client().extend_from_slice(line);
            }
            self.mode = self.streaming(stream, now);
        }
    }

    /// Hands octets of a message on; says how many were taken.
    pub(super) fn stream_octets(&mut self, bytes: &[u8]) -> usize {
        let ClientMode::Stream(stream) = &mut self.mode else { return 0 };
        let take = usize::try_from(stream.left).unwrap_or(usize::MAX).min(bytes.len());
        stream.left = stream.left.saturating_sub(take as u64);
        let (left, refused, serial) = (stream.left, stream.refused, stream.serial);
        if !refused {
            self.collect_appended(serial, bytes.get(..take).unwrap_or_default());
            self.out.upstream().extend_from_slice(bytes.get(..take).unwrap_or_default());
        }
        if left == 0
            && let ClientMode::Stream(stream) = std::mem::replace(&mut self.mode, ClientMode::Command)
        {
            self.appending = Some(stream);
            self.framer.reset();
        }
        take
    }

    /// Octets of an appended message: its record tells of its header.
    fn collect_appended(&mut self, serial: u32, octets: &[u8]) {
        if let Some(entry) = self.in_flight.find(|entry| entry.serial == serial)
            && entry.audit > AuditLevel::None
            && let Effect::Appending { header, .. } = &mut entry.effect
        {
            header.push(octets, entry.audit);
        }
    }

    /// The line behind a message, where it announces another literal.
    fn on_continued(&mut self, line: &[u8], mut next: Box<Stream>, more: bool, now: Instant) -> Option<bool> {
        match parse_append_continuation(line, next.form, next.several, self.utf8_mode()) {
            Ok(AppendContinuation { then: AppendNext::Message(form, literal), messages, urls })
                if self.takes_form(form) && messages.iter().all(|head| self.takes_form(head.form)) =>
            {
                (next.left, next.sync, next.form) = (literal.size, literal.sync, form);
                if !literal.sync && literal.size > self.shared.limits.max_literal {
                    self.fault(Side::Client, FaultReason::LiteralTooLong, Bye::Garbage, now);
                    return Some(true);
                }
                if !next.refused && literal.size > next.largest {
                    self.cancel_append(next, more, now);
                    return Some(true);
                }
                let mut patch = Patch::new(line);
                drop_flags_of(&messages, next.later, &mut patch);
                self.follow_append(&messages, &next);
                self.follow_urls(next.serial, urls.iter().chain(messages.iter().flat_map(|head| &head.urls)));
                if next.refused {
                    // Nothing of it goes up any more, but what comes unasked has to be counted.
                    if literal.sync {
                        self.finish_refused(next.serial);
                    } else {
                        self.mode = self.streaming(next, now);
                    }
                } else {
                    self.announce(&patch.to_vec(), next);
                }
            }
            _ => {
                // The upstream waits for the rest of a command that will never be whole.
                self.fault(Side::Client, FaultReason::CommandSyntax, Bye::Garbage, now);
            }
        }
        Some(true)
    }

    /// A message behind others is too large: none of them is stored. An empty literal tells the upstream so (RFC 3502 §4), and
    /// the client hears why when that is answered.
    fn cancel_append(&mut self, mut stream: Box<Stream>, more: bool, now: Instant) {
        let over = Self::over_size(&stream.limits, stream.left).over;
        if let Some(entry) = self.in_flight.find(|entry| entry.serial == stream.serial)
            && let Effect::Appending { cancelled, .. } = &mut entry.effect
        {
            *cancelled = Some(Box::new(over));
        }
        self.send_in_parts(stream.serial, b" {0}\r\n\r\n", &[6]);
        if !stream.sync {
            stream.refused = true;
            self.mode = self.streaming(stream, now);
        } else if more {
            self.fault(Side::Client, FaultReason::CommandSyntax, Bye::Garbage, now);
        } else {
            self.suspect = true;
        }
    }

    /// One more message of an APPEND under way: its record tells of it, too.
    fn follow_append(&mut self, messages: &[MessageHead<'_>], stream: &Stream) {
        let added = messages.iter().filter_map(|head| head.flags.as_ref()).flat_map(|list| &list.flags);
        let added: Vec<_> = added.map(|arg| arg.flag.clone()).filter(|flag| !drops(stream.later, flag)).collect();
        if let Some(entry) = self.in_flight.find(|entry| entry.serial == stream.serial)
            && let Effect::Appending { size, flags, .. } = &mut entry.effect
        {
            *size = size.saturating_add(stream.left);
            for flag in added {
                if !flags.contains(&flag) {
                    flags.push(flag);
                }
            }
        }
    }

    /// The line behind a message, where it ends the command. False: there is none under way.
    pub(super) fn on_append_end(&mut self, line: &[u8], now: Instant) -> bool {
        let Some(stream) = self.appending.take() else { return false };
        let end = parse_append_continuation(line, stream.form, stream.several, self.utf8_mode());
        let ends = |end: &AppendContinuation<'_>| {
            end.then == AppendNext::End && end.messages.iter().all(|head| self.takes_form(head.form))
        };
        let Some(end) = end.ok().filter(ends) else {
            self.fault(Side::Client, FaultReason::CommandSyntax, Bye::Garbage, now);
            return true;
        };
        if stream.refused {
            self.finish_refused(stream.serial);
        } else {
            self.follow_urls(stream.serial, end.urls.iter().chain(end.messages.iter().flat_map(|head| &head.urls)));
            self.out.upstream().extend_from_slice(line);
        }
        true
    }

    /// The upstream answered before the message was over: the client is told when it has sent the rest.
    pub(super) fn refuse_stream(&mut self, serial: u32, answer: Vec<u8>) -> Option<Vec<u8>> {
        let stream = match &mut self.mode {
            ClientMode::Stream(stream) => stream,
            ClientMode::AwaitStream(stream) if stream.serial == serial => {
                let (sync, left) = (stream.sync, stream.left);
                if sync {
                    self.mode = ClientMode::Command; // it was never asked for, so it will not be sent
                    return Some(answer);
                }
                let mut stream = stream.clone();
                stream.refused = true;
                stream.left = left;
                self.early_answer = Some(answer);
                self.mode = self.streaming(stream, self.upstream_heard);
                return None;
            }
            _ => match &mut self.appending {
                Some(stream) => stream,
                None => return Some(answer),
            },
        };
        if stream.serial != serial {
            return Some(answer);
        }
        stream.refused = true;
        self.early_answer = Some(answer);
        None
    }

    fn finish_refused(&mut self, _serial: u32) {
        if let Some(answer) = self.early_answer.take() {
            self.out.client().extend_from_slice(&answer);
        }
    }

    /// Refuses a command at its message literal.
    fn refuse_literal(&mut self, tag: Tag, answer: &Answer, literal: Announced, more: bool, now: Instant) {
        if literal.sync {
            self.answer(&tag, answer);
            if more {
                // It did not wait: what stands behind is mail, or cannot be told from it (quirk C24).
                return self.fault(Side::Client, FaultReason::CommandSyntax, Bye::Garbage, now);
            }
            self.suspect = true;
        } else if literal.size > self.shared.limits.max_literal {
            self.answer(&tag, answer);
            self.fault(Side::Client, FaultReason::LiteralTooLong, Bye::Garbage, now);
        } else {
            self.sasl_tag = tag;
            self.mode = ClientMode::Discard { left: literal.size, then: answer.clone() };
            if literal.size == 0 {
                self.discarded(0);
            }
        }
    }

    /// Is this line part of a message that was refused, and is sent all the same? One line may be the client's next
    /// command; one that is none, or a second one on its heels, is mail (quirk C24), and mail must not run.
    pub(super) fn is_mail_text(&mut self, frame: &[u8], more: bool) -> bool {
        if !std::mem::take(&mut self.suspect) {
            return false;
        }
        more || Command::parse(frame, self.utf8_mode()).is_err()
    }
}

/// What REPLACE takes away, where numbers pass.
pub(super) fn replaced(frame: &[u8], set: &SetArg, verb: Verb) -> Replaced {
    let text = frame.get(set.span.clone()).unwrap_or_default();
    match verb.is_uid_form() {
        true => Replaced { uid: number(text).and_then(|number| Uid::new(u32::try_from(number).ok()?)), ask: None },
        false => Replaced { uid: None, ask: Some(text.into()) },
    }
}

/// A line with its literals as it goes up, and where the upstream has to ask before more of it may go.
fn asking_for_literals(line: &[u8]) -> (Zeroizing<Vec<u8>>, SmallVec<[usize; 2]>) {
    let mut stops = SmallVec::<[usize; 2]>::new();
    let mut out = Zeroizing::new(Vec::with_capacity(line.len().saturating_add(8)));
    let mut framer = crate::wire::frame::CommandFramer::default();
    let mut begin = 0;
    while let crate::wire::frame::Framed::Literal { end, literal } = framer.next(line, usize::MAX) {
        let brace = line.get(..end).and_then(|line| memchr::memrchr(b'{', line)).unwrap_or(end);
        out.extend_from_slice(line.get(begin..brace).unwrap_or_default());
        out.extend_from_slice(format!("{{{}}}\r\n", literal.size).as_bytes());
        stops.push(out.len());
        begin = end;
        framer.skip(usize::try_from(literal.size).unwrap_or(usize::MAX));
    }
    out.extend_from_slice(line.get(begin..).unwrap_or_default());
    (out, stops)
}

/// Takes out of the flags of messages what may not be set.
fn drop_flags_of(messages: &[MessageHead<'_>], narrowing: Narrowing, patch: &mut Patch<'_>) {
    for list in messages.iter().filter_map(|head| head.flags.as_ref()).filter(|_| narrowing.drops_flags()) {
        let kept: Vec<String> =
            list.flags.iter().filter(|arg| !drops(narrowing, &arg.flag)).map(|arg| arg.flag.to_string()).collect();
        patch.replace(list.span.clone(), format!("({})", kept.join(" ")));
    }
}

fn drops(narrowing: Narrowing, flag: &crate::imap::message::Flag) -> bool {
    use crate::imap::message::Flag;
    match flag {
        Flag::Seen => narrowing.drop_seen,
        Flag::Deleted => narrowing.drop_deleted,
        _ => narrowing.drop_other,
    }
}
