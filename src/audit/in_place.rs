//! A session writes its records itself where nobody else does: to wake a thread, and to be woken by it, costs several times
//! as much as to hand a line to the kernel. Where several have something to say in the same turn of the runtime, the first that
//! comes to it writes for all ([`super::pace`]).
//!
//! ```text
//!   submit ─▶ at once: is the writer free, and nothing queued? ── yes: written ─▶ told
//!      │         └─ no: queue ─▶ is the writer free? ─┬─ yes: a round, then look again ─▶ told
//!      │                            ▲                 ├─ no: who holds it looks again before it lets go for good
//!      └─ together: queue ─▶ others first ─┘          └─ not now: the thread is woken
//! ```
//!
//! Not while a slow disk is at work for the log: the kernel may let a write wait for it, a worker of the runtime must not wait
//! for long. Not with [`Durability::Strict`], where each round waits for the disk; not while the log fails; and not on a runtime
//! whose only worker this would be. What a disk that dies can hold up is one worker, and the watch tells all others.

use std::sync::{Mutex, MutexGuard, TryLockError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::yield_now;

use super::error::LogFailing;
use super::record::Spelled;
use super::shared::Shared;
use super::writer::Writer;
use crate::session::event::{Durability, GapReason};

/// Rounds that a session writes for others.
const ROUNDS: usize = 4;

/// How often a session lets others go first, before it waits to be woken.
const TURNS: usize = 3;

/// How often a session looks whether another has written its line: that takes less than to be woken.
const LOOKS: usize = 64;

/// How a session's lines come to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the session, with nothing else.
    AtOnce,
    /// By the first session that comes to it, with those of all others that had something to say in this turn of the runtime.
    Together,
    /// By the writer's thread.
    Queued,
}

/// What is best now.
pub(super) fn way(shared: &Shared) -> Way {
    match may(shared) {
        false => Way::Queued,
        true if shared.pace.is_together() => Way::Together,
        true => Way::AtOnce,
    }
}

/// Waits until the other sessions that are ready have handed over their lines, too, and writes all, unless one of them has
/// done so; `None`: whoever writes is not done yet. All that wait here are ready again, and to be run by any worker, before the
/// first of them writes: a disk that holds it up holds up nobody else.
pub(super) async fn write_together(
    shared: &Shared,
    writer: &Mutex<Writer>,
    written: &mut oneshot::Receiver<u64>,
) -> Option<Result<u64, LogFailing>> {
    for _ in 0..TURNS {
        let mut left = Left { shared, writer, ended: true };
        yield_now().await;
        left.ended = false;
        drop(left);
        if let Some(told) = told(written) {
            return Some(told);
        }
        write(shared, writer);
        if let Some(told) = told(written) {
            return Some(told);
        }
    }
    None
}

fn told(written: &mut oneshot::Receiver<u64>) -> Option<Result<u64, LogFailing>> {
    match written.try_recv() {
        Ok(seq) => Some(Ok(seq)),
        Err(TryRecvError::Closed) => Some(Err(LogFailing)),
        Err(TryRecvError::Empty) => None,
    }
}

/// A session that ends while it waits for others leaves its lines to be written.
struct Left<'l> {
    shared: &'l Shared,
    writer: &'l Mutex<Writer>,
    ended: bool,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if self.ended {
            write(self.shared, self.writer);
        }
    }
}

/// Writes these, if nothing stands before them and the log takes them now; else the queue will.
pub(super) fn write_at_once(
    shared: &Shared,
    writer: &Mutex<Writer>,
    spelled: &Spelled,
) -> Option<Result<u64, LogFailing>> {
    let mut held = soon(writer).filter(|writer| writer.has_room())?;
    let died = Died(shared);
    let written = held.at_once(spelled);
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
        && *shared.has_workers.get_or_init(|| {
            Handle::try_current().is_ok_and(|runtime| {
                runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1
            })
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
