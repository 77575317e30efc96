//! What the client has sent, cut into commands: nothing here knows what a command means.
//!
//! ```text
//!   inbox ─▶ mode? ─┬─ Command ─▶ a line, or a literal announced ─▶ command_path
//!                   ├─ Sasl, Idle ─▶ a line that is no command
//!                   └─ Stream, Discard ─▶ octets, counted
//! ```

use std::time::{Duration, Instant};

use crate::imap::verb::CommandKind;
use crate::wire::command::{Command, tag_of};
use crate::wire::frame::{FrameFault, Framed};

use super::event::{CloseReason, FaultReason, NoteStatus, Side};
use super::in_flight::Tag;
use super::inbox::Inbox;
use super::refusal::{Answer, Bye};
use super::{ClientMode, MAX_BAD, MAX_BAD_BEFORE_LOGIN, MAX_IN_FLIGHT, Session};

/// Largest literal that is an argument; message literals are streamed and have a limit of their own.
const MAX_ARGUMENT: u64 = 64 * 1024;

/// Largest command, all its literals but a streamed one counted.
const MAX_COMMAND: usize = 256 * 1024;

/// The same before login.
const MAX_COMMAND_BEFORE_LOGIN: usize = 16 * 1024;

/// Longest line that is read to its end when it is too long; beyond that the client is sent away.
const MAX_OVERLONG: usize = 1024 * 1024;

/// A client that errs waits this much longer with each error before its next command is read.
const PENALTY: Duration = Duration::from_millis(100);

impl Session {
    /// Reads what the client has sent, as far as it may be read now.
    pub(super) fn pump(&mut self, now: Instant) {
        self.wall = self.shared.clock.at(now);
        self.turn_if_quiet(now);
        self.adopt_if_due(now);
        while !self.closing && self.step(now) {}
        self.inbox.relax(false);
        self.resume_idle(now);
        self.drain_if_quiet(now);
        self.close_if_done(now);
    }

    /// The client sends no more: once all that it sent is answered, the session is over.
    pub(super) fn close_if_done(&mut self, now: Instant) {
        let answered = self.held.is_none()
            && self.login.is_none()
            && self.gate.is_none()
            && self.in_flight.oldest_waiting().is_none()
            && self.pause.is_none();
        let waits_for_client = match self.mode {
            ClientMode::Command | ClientMode::Over => false,
            // What the upstream has not asked for yet may have come already.
            ClientMode::AwaitStream(_) | ClientMode::Stream(_) => self.inbox.is_empty(),
            _ => true,
        };
        if self.client_done && !self.closing && (answered || waits_for_client) {
            self.end(CloseReason::ClientClosed, None, now);
        }
    }

    pub(super) fn drain_if_quiet(&mut self, now: Instant) {
        let quiet = self.held.is_none()
            && self.login.is_none()
            && self.in_flight.oldest_waiting().is_none()
            && matches!(self.mode, ClientMode::Command | ClientMode::Idle);
        if self.draining && quiet && !self.closing {
            self.end(CloseReason::Drain, Some(Bye::Drain), now);
        }
    }

    /// Must the next command wait?
    pub(super) fn blocked(&self, now: Instant) -> bool {
        if self.appending.is_some() {
            return false; // in the middle of a command: the line behind its message has to come
        }
        self.held.is_some()
            || self.turning.is_some()
            || self.work.is_some()
            || self.gate.is_some()
            || self.login.is_some()
            || self.in_flight.has_barrier()
            || self.in_flight.len() >= MAX_IN_FLIGHT
            || (self.filtered() && !self.in_flight.is_empty())
            || self.pause.is_some_and(|until| until > now)
    }

    /// One line, or a run of octets. Says whether there may be more to do.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        match &self.mode {
            ClientMode::Handshake | ClientMode::Over | ClientMode::AwaitStream(_) => false,
            ClientMode::Stream(_) => {
                let inbox = std::mem::take(&mut self.inbox);
                let taken = self.stream_octets(&inbox);
                self.put_back(inbox, taken);
                taken > 0
            }
            ClientMode::Discard { left, .. } => {
                let empty = *left == 0;
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbox.len());
                self.inbox.skip(take);
                self.discarded(take as u64);
                take > 0 || empty
            }
            ClientMode::DiscardLine(_) => self.discard_line(now),
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
    pub(super) fn step_line(&mut self, now: Instant, on: impl FnOnce(&mut Self, &[u8], Instant)) -> bool {
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

    pub(super) fn put_back(&mut self, mut inbox: Inbox, used: usize) {
        inbox.skip(used);
        self.inbox = inbox;
    }

    pub(super) fn step_command(&mut self, now: Instant) -> bool {
        if self.filtered() && self.appending.is_none() && self.refresh_names(now) {
            return false;
        }
        if self.inbox.is_empty() {
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
                let done = self.on_frame(frame, more, now);
                self.framer.reset();
                (if done { end } else { 0 }, done)
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
        if used > 0 {
            self.asked_upto = 0; // what comes now begins anew
        }
        self.put_back(inbox, used);
        go_on
    }

    /// A line announced a literal. Says how much of the inbox is done with, and whether to go on.
    pub(super) fn on_literal(
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
        if let Some(answer) = self.doomed.take() {
            // A command whose literal was dropped goes on with another one: that, too, comes or is not asked for.
            self.framer.reset();
            if literal.sync {
                self.answer_doomed(&answer, now);
            } else if literal.size > self.shared.limits.max_literal {
                self.fault(Side::Client, FaultReason::LiteralTooLong, Bye::Garbage, now);
            } else {
                self.mode = ClientMode::Discard { left: literal.size, then: answer };
            }
            return (end, true);
        }
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
        if literal.sync && end > self.asked_upto {
            self.asked_upto = end;
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

    pub(super) fn on_frame_fault(&mut self, fault: FrameFault, frame: &[u8], ended: bool, now: Instant) {
        self.commands = self.commands.saturating_add(1);
        let reason = match fault {
            FrameFault::BareLineEnd => FaultReason::BareLf,
            FrameFault::LineTooLong => FaultReason::LineTooLong,
            FrameFault::OpenQuote => FaultReason::CommandSyntax,
            FrameFault::BadLiteral | FrameFault::Lost => FaultReason::LiteralSize,
        };
        self.bad_command(frame, &Answer::Syntax, reason, now);
        if fault == FrameFault::Lost {
            self.fault(Side::Client, reason, Bye::Garbage, now);
        } else if !ended && !self.closing {
            self.mode = ClientMode::DiscardLine(MAX_OVERLONG.saturating_sub(frame.len()));
        }
    }

    /// The rest of a line that is too long, and has been answered, is dropped up to its end.
    pub(super) fn discard_line(&mut self, now: Instant) -> bool {
        let ClientMode::DiscardLine(left) = &mut self.mode else { return false };
        let end = memchr::memchr(b'\n', &self.inbox);
        let take = end.map_or(self.inbox.len(), |at| at.saturating_add(1));
        self.inbox.skip(take);
        *left = left.saturating_sub(take);
        let over = *left == 0;
        if over {
            self.fault(Side::Client, FaultReason::LineTooLong, Bye::Garbage, now);
        } else if end.is_some() {
            self.mode = ClientMode::Command;
        }
        take > 0
    }

    /// Answers what is no command, and counts it.
    pub(super) fn bad_command(&mut self, frame: &[u8], answer: &Answer, reason: FaultReason, now: Instant) {
        self.bad_command_at(frame, answer, reason, None, now);
    }

    /// The same, and at which octet it went wrong.
    pub(super) fn bad_command_at(
        &mut self,
        frame: &[u8],
        answer: &Answer,
        reason: FaultReason,
        at: Option<usize>,
        now: Instant,
    ) {
        let tag = tag_of(frame).unwrap_or("*").to_owned();
        self.answer(tag.as_bytes(), answer);
        self.count_bad(reason, at, now);
    }

    pub(super) fn count_bad(&mut self, reason: FaultReason, at: Option<usize>, now: Instant) {
        self.bad = self.bad.saturating_add(1);
        self.record_fault_at(Side::Client, reason, at.and_then(|at| u64::try_from(at).ok()));
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
}
