//! IDLE … DONE (RFC 9051 §6.3.13).
//!
//! Nothing but DONE ends it. Any other line ends it too, but as an error, and is not read as a command: else the proxy and
//! the upstream would disagree on what is one (surface F.4).

use std::time::Instant;

use super::effect::Effect;
use super::{ClientMode, Session};

impl Session {
    /// The upstream idles.
    pub(super) fn on_idle_confirmed(&mut self, serial: u32, line: &[u8]) {
        let mut send_done = false;
        let mut said = line;
        if let Some(entry) = self.in_flight.find(|entry| entry.serial == serial)
            && let Effect::Idle { confirmed, done, paused, resumed, .. } = &mut entry.effect
        {
            *confirmed = true;
            send_done = *done || *paused;
            if *resumed {
                said = b""; // the client was told when it began
            }
        }
        self.out.client().extend_from_slice(said);
        if send_done {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
    }

    /// A line of the client's while it idles.
    pub(super) fn on_idle_line(&mut self, line: &[u8], _now: Instant) {
        let is_done = line.eq_ignore_ascii_case(b"DONE\r\n");
        self.mode = ClientMode::Command;
        let mut send_done = false;
        if self.end_paused_idle(is_done) {
            return self.state_moved();
        }
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Idle { .. }))
            && let Effect::Idle { confirmed, done, broken, paused, .. } = &mut entry.effect
        {
            *done = true;
            *broken = !is_done;
            // Else it goes up when the upstream is ready for it, or has gone up already.
            send_done = *confirmed && !*paused;
        }
        if send_done {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
        self.state_moved();
    }
}
