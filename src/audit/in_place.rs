//! A session writes its records itself where nobody else does: to wake a thread, and to be woken by it, costs several times
//! as much as to hand a line to the kernel.
//!
//! ```text
//!   submit ─▶ is the writer free, and nothing queued? ── yes: written ─▶ told
//!             └─ no: queue ─▶ is the writer free? ─┬─ yes: a round, then look again ─▶ told
//!                                                  ├─ no: who holds it looks again before it lets go for good
//!                                                  └─ not now: the thread is woken
//! ```
//!
//! Not while a slow disk is at work for the log: the kernel may let a write wait for it, a worker of the runtime must not wait
//! for long. Not with [`Durability::Strict`], where each round waits for the disk; not while the log fails; and not on a runtime
//! whose only worker this would be. What a disk that dies can hold up is one worker, and the watch tells all others.

use std::sync::{Mutex, MutexGuard, TryLockError};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::error::LogFailing;
use super::log::Entry;
use super::shared::Shared;
use super::writer::Writer;
use crate::session::event::{Durability, GapReason};

/// Rounds that a session writes for others.
const ROUNDS: usize = 4;

/// How often a session looks whether another has written its line: that takes less than to be woken.
const LOOKS: usize = 64;

/// Writes these, if nothing stands before them and the log takes them now; else the queue will.
pub(super) fn write_at_once(
    shared: &Shared,
    writer: &Mutex<Writer>,
    entries: &[Entry],
) -> Option<Result<u64, LogFailing>> {
    if !may(shared) {
        return None;
    }
    let mut held = soon(writer).filter(|writer| writer.has_room())?;
    let died = Died(shared);
    let written = held.at_once(entries);
    drop(died);
    drop(held);
    // Whoever found it held since then relies on this.
    if !shared.is_idle() {
        write(shared, writer);
    }
    written
}

/// The writer, if whoever holds it lets go in a moment.
fn soon(writer: &Mutex<Writer>) -> Option<MutexGuard<'_, Writer>> {
    for _ in 0..LOOKS {
        match writer.try_lock() {
            Ok(writer) => return Some(writer),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            Err(TryLockError::Poisoned(_)) => break, // and the log has ended
        }
    }
    None
}

/// Sees to it that what is queued is written.
pub(super) fn write(shared: &Shared, writer: &Mutex<Writer>) {
    for _ in 0..ROUNDS {
        if !may(shared) {
            break;
        }
        match writer.try_lock() {
            Ok(mut writer) if writer.has_room() => {
                let _died = Died(shared);
                writer.round();
            }
            Ok(_) => break,
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(_)) => return, // and the log has ended
        }
        // As above.
        if shared.is_idle() {
            return;
        }
    }
    shared.wake();
}

fn may(shared: &Shared) -> bool {
    shared.settings.durability == Durability::Batched
        && !shared.failing()
        && !shared.may_wait_for_disk()
        && Handle::try_current().is_ok_and(|runtime| {
            runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1
        })
}

/// Ends the log where whoever writes panics: what it holds may be half of something.
struct Died<'s>(&'s Shared);

impl Drop for Died<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(GapReason::IoError, &"its writer died");
            self.0.end(false);
        }
    }
}
