//! Nobody waits for ever: a disk that gives no word makes the log fail.
//!
//! ```text
//!   writer ── on_disk(write) ──▶ …  5 s  … ◀── watch ─▶ fail: whoever waits is answered
//!   sync   ── on_disk(sync)  ──▶ …
//! ```
//!
//! On a thread of its own: the others are those that would be stuck.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::shared::Shared;

/// A disk that takes longer than this for a sync is slow: nobody but the log's own threads waits for it.
const PROMPT: Duration = Duration::from_millis(20);

/// Since when somebody is at work on the disk: milliseconds of the log's life, and one; 0 is not.
#[derive(Debug, Default)]
pub(super) struct Busy(AtomicU64);

/// Watches until the writer ends.
pub(super) fn run(shared: &Shared) {
    let mut unsynced = shared.unsynced();
    while !unsynced.ended {
        let tick = shared.tuning.stall / 10;
        unsynced = shared.ended.wait_timeout(unsynced, tick).unwrap_or_else(PoisonError::into_inner).0;
        if shared.is_stuck(&shared.writing) || shared.is_stuck(&shared.syncing) {
            drop(unsynced);
            shared.give_up(&"the disk gives no word");
            unsynced = shared.unsynced();
        }
    }
}

impl Shared {
    /// Does work that the disk may hold up, under the eyes of the watch.
    pub(super) fn on_disk<T>(&self, busy: &Busy, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        busy.0.store(since.saturating_add(1), Ordering::Relaxed);
        let result = work();
        busy.0.store(0, Ordering::Relaxed);
        result
    }

    /// Is the disk at work for the log, and takes its time? Then a write may wait for it.
    pub(super) fn may_wait_for_disk(&self) -> bool {
        self.syncing.0.load(Ordering::Relaxed) > 0
            && (self.is_slow.load(Ordering::Relaxed) || self.syncing.since(self).is_some_and(|age| age >= PROMPT))
    }

    /// The disk took so long to hold what was written.
    pub(super) fn synced(&self, took: Duration) {
        self.is_slow.store(took >= PROMPT, Ordering::Relaxed);
        self.observer.synced(took);
    }

    fn is_stuck(&self, busy: &Busy) -> bool {
        busy.since(self).is_some_and(|age| age >= self.tuning.stall)
    }
}

impl Busy {
    /// For how long.
    fn since(&self, shared: &Shared) -> Option<Duration> {
        let since = self.0.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)?;
        Some(shared.began.elapsed().saturating_sub(since))
    }
}
