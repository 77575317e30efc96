//! Do several sessions have something to say at the same time? Then they say it together: one write for all, and nobody waits for
//! another's.
//!
//! ```text
//!   at once ── each 512 writes ─▶ together, for 32 rounds ──┬─ two sessions or more in a round ─▶ for 32 more
//!      ▲                                                    └─ fewer ─┐
//!      └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! It is tried, not guessed: whether sessions are ready at once is known to nobody but the runtime.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Writes of single sessions before it is tried whether they could go together.
const AT_ONCE: u32 = 512;

/// Rounds of which it is seen whether they are worth their wait.
const ROUNDS: u32 = 32;

/// How it is done at the moment. Written by whoever holds the writer.
#[derive(Debug)]
pub(super) struct Pace {
    together: AtomicBool,
    /// Writes, or rounds, until it is thought over.
    left: AtomicU32,
    /// Batches in the rounds since.
    batches: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        // The first sessions show what is to come.
        Self { together: AtomicBool::new(true), left: AtomicU32::new(ROUNDS), batches: AtomicU32::new(0) }
    }
}

impl Pace {
    /// Do sessions write together?
    pub fn is_together(&self) -> bool {
        self.together.load(Ordering::Relaxed)
    }

    /// A session wrote what it had to say, or a round what so many had.
    pub fn wrote(&self, batches: usize) {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        let seen = self.batches.load(Ordering::Relaxed).saturating_add(u32::try_from(batches).unwrap_or(u32::MAX));
        if left > 0 {
            self.left.store(left, Ordering::Relaxed);
            return self.batches.store(seen, Ordering::Relaxed);
        }
        let together = !self.is_together() || seen >= 2 * ROUNDS;
        self.together.store(together, Ordering::Relaxed);
        self.left.store(if together { ROUNDS } else { AT_ONCE }, Ordering::Relaxed);
        self.batches.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pays_is_done() {
        let pace = Pace::default();
        for (n, batches, together, why) in [
            (ROUNDS, 3, true, "several had something to say"),
            (ROUNDS, 1, false, "one by one"),
            (AT_ONCE - 1, 1, false, "for a while"),
            (1, 1, true, "is it still so?"),
            (ROUNDS - 1, 1, true, "not known yet"),
            (1, 1, false, "it is"),
        ] {
            (0..n).for_each(|_| pace.wrote(batches));
            assert_eq!(pace.is_together(), together, "{why}");
        }
    }
}
