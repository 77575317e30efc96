//! IDLE in a mailbox where messages may be hidden: the upstream idles, and pauses when something has come that must be looked at
//! before the client hears of it.
//!
//! ```text
//!   upstream  IDLE + … * 9 EXISTS   DONE OK   FETCH 9 … OK   IDLE +
//!   client    IDLE + …                                      * 7 EXISTS …      or nothing, where it is hidden
//! ```

use std::time::Instant;

use super::Session;
use super::look::Then;

impl Session {
    /// The upstream idles no more, and the client knows nothing of it: is there something to be asked? Then that is under way.
    pub(in crate::session) fn looks_while_idle(&mut self, now: Instant) -> bool {
        let looks = self.view.as_ref().is_some_and(|view| view.must_look());
        if looks {
            self.begin_work(Then::Idle, now);
        }
        looks
    }
}
