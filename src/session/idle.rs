//! IDLE … DONE (RFC 9051 §6.3.13).
//!
//! ```text
//!   client  IDLE  ──────────────────────────────────  DONE      nothing but DONE ends it
//!   up      IDLE ───────── DONE │ LIST … │ IDLE ──── DONE      it pauses where the proxy has to ask for something
//! ```
//!
//! Any other line ends it too, but as an error, and is not read as a command: else the proxy and the upstream would disagree
//! on what is one (surface F.4).

use std::time::Instant;

use crate::imap::verb::{CommandKind, Verb};

use super::effect::Effect;
use super::event::NoteStatus;
use super::in_flight::Entry;
use super::refusal::Answer;
use super::{ClientMode, Session};

impl Session {
    /// The upstream idles.
    pub(super) fn on_idle_confirmed(&mut self, serial: u32, line: &[u8]) {
        let Some(entry) = self.in_flight.find(|entry| entry.serial == serial) else { return };
        let Effect::Idle { confirmed, done, pausing, resumed, .. } = &mut entry.effect else { return };
        *confirmed = true;
        let (send_done, known) = (*done || *pausing, *resumed);
        if !known {
            self.out.client().extend_from_slice(line);
        }
        if send_done {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
    }

    /// A line of the client's while it idles.
    pub(super) fn on_idle_line(&mut self, line: &[u8], _now: Instant) {
        let is_done = line.eq_ignore_ascii_case(b"DONE\r\n");
        self.mode = ClientMode::Command;
        if let Some(entry) = self.idle_paused.take() {
            let answer = if is_done { Answer::Completed(Verb::Idle) } else { Answer::Syntax };
            self.answer(&entry.tag, &answer);
            let status = if is_done { NoteStatus::Ok } else { NoteStatus::Bad };
            self.count_command(Verb::Idle, CommandKind::Meta, status, None);
            self.state_moved();
            return;
        }
        let mut send_done = false;
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Idle { .. }))
            && let Effect::Idle { confirmed, done, broken, pausing, .. } = &mut entry.effect
        {
            *done = true;
            *broken = !is_done;
            send_done = *confirmed && !*pausing; // else it goes up when the upstream is ready for it, or has gone up
        }
        if send_done {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
        self.state_moved();
    }

    /// The proxy has something to ask for: IDLE ends upstream.
    pub(super) fn pause_idle(&mut self) {
        let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Idle { done: false, .. })) else {
            return;
        };
        let Effect::Idle { confirmed, pausing, .. } = &mut entry.effect else { return };
        let send_done = *confirmed && !*pausing;
        *pausing = true;
        if send_done {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
    }

    /// IDLE has ended upstream: for the client, too? If not it is kept until it goes on.
    pub(super) fn keeps_idling(&mut self, entry: Box<Entry>) -> Option<Box<Entry>> {
        let pauses = matches!(entry.effect, Effect::Idle { pausing: true, done: false, .. });
        if !pauses || !matches!(self.mode, ClientMode::Idle) {
            return Some(entry);
        }
        self.idle_paused = Some(entry);
        None
    }

    /// All that was to be asked for is answered: the upstream idles again.
    pub(super) fn resume_idle(&mut self, now: Instant) {
        let waits = self.turning.is_some() || self.needs_view || self.work.is_some();
        if self.closing || waits || !self.in_flight.is_empty() {
            return;
        }
        if self.idle_paused.is_some() && self.looks_while_idle(now) {
            return;
        }
        let Some(mut entry) = self.idle_paused.take() else { return };
        let serial = self.in_flight.next_serial();
        self.write_own_tag(serial);
        self.out.upstream().extend_from_slice(b"IDLE\r\n");
        entry.effect = Effect::Idle { confirmed: false, done: false, broken: false, pausing: false, resumed: true };
        (entry.serial, entry.sent) = (serial, now);
        self.in_flight.push(entry);
    }
}
