//! IDLE in a mailbox where messages may be hidden: the upstream idles, and is interrupted when something has come that must
//! be looked at before the client hears of it.
//!
//! ```text
//!   upstream  IDLE + … * 9 EXISTS   DONE OK   FETCH 9 … OK   IDLE +
//!   client    IDLE + …                                      * 7 EXISTS …      or nothing, where it is hidden
//! ```

use std::time::Instant;

use crate::imap::status::Status;

use super::super::effect::Effect;
use super::super::in_flight::Entry;
use super::look::{Then, Work};
use super::{Session, fetch};

impl Session {
    /// Something has come: if the client idles, the upstream must stop to be asked.
    pub(super) fn pause_idle(&mut self, _now: Instant) {
        if !fetch::listens(&self.mode) {
            return;
        }
        let mut stop = false;
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Idle { .. }))
            && let Effect::Idle { confirmed, done, paused, .. } = &mut entry.effect
            && !*paused
        {
            *paused = true;
            stop = *confirmed && !*done;
        }
        if stop {
            self.out.upstream().extend_from_slice(b"DONE\r\n");
        }
    }

    /// The upstream has ended an IDLE that was interrupted.
    pub(in crate::session) fn look_while_idle(&mut self, entry: Entry, now: Instant) {
        self.begin_work(Then::Idle(Box::new(entry)), now);
    }

    /// What has come while the client idles is known.
    pub(super) fn idle_on(&mut self, mut entry: Entry, now: Instant) {
        let Effect::Idle { confirmed, done, paused, resumed, .. } = &mut entry.effect else { return };
        if *done {
            return self.conclude(entry, Some(Status::Ok), b"OK x\r\n", now);
        }
        (*confirmed, *paused, *resumed) = (false, false, true);
        self.tell(false);
        let serial = self.in_flight.next_serial();
        entry.serial = serial;
        self.in_flight.push(entry);
        self.write_own_tag(serial);
        self.out.upstream().extend_from_slice(b"IDLE\r\n");
    }

    /// The client ends IDLE while the upstream is being asked.
    pub(in crate::session) fn end_paused_idle(&mut self, is_done: bool) -> bool {
        if let Some(Work { then: Then::Idle(entry), .. }) = &mut self.work
            && let Effect::Idle { done, broken, .. } = &mut entry.effect
        {
            (*done, *broken) = (true, !is_done);
            return true;
        }
        false
    }
}
