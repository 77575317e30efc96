//! What sessions, the writer, the syncer and the watch have in common: the queue, the numbers, and whether the log fails.
//!
//! ```text
//!   enqueue ─▶ queue ─▶ (writer: lines) ─▶ waiting ─▶ written
//!                 └─────────── fail ──────────┘        refuse: answered at once;  continue: lost, ─▶ audit.gap
//! ```
//!
//! **Invariant:** while the log fails, numbers are given only under the lock, so that those given away without a record
//! and those of records never meet.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot, watch};

use super::chain::{Hash, Position};
use super::log::{Entry, Settings, Tuning};
use super::pace::Pace;
use super::purge::{Purge, Sealed};
use super::record::{LogName, Sort, Spelled};
use super::segment::{Directory, Disk, Noted};
use super::sync::Unsynced;
use super::watch::Busy;
use crate::session::event::{EventKind, GapReason, LogObserver, OnFailure, StopReason};

/// Records that may wait.
pub(super) const QUEUE: usize = 4096;

/// Lines that were handed over together. What they say stands in the order of batches beside the queue.
#[derive(Debug)]
pub(super) struct Batch {
    /// How many.
    pub lines: usize,
    /// May they be written into the room kept for the last records?
    pub last_words: bool,
    pub done: oneshot::Sender<u64>,
}

impl Batch {
    fn permits(&self) -> usize {
        permits(self.lines)
    }
}

/// A batch larger than the queue may stand in an empty one.
fn permits(records: usize) -> usize {
    records.min(QUEUE)
}

/// May these be written into the room kept for the last records?
pub(super) fn are_last_words(entries: &[Entry]) -> bool {
    entries.iter().all(|entry| matches!(entry.event.kind, EventKind::AdminAction { .. } | EventKind::ProxyDrain { .. }))
}

impl State {
    /// Is there nothing that a record made now would have to wait for?
    pub fn is_free(&self) -> bool {
        self.queue.is_empty()
            && self.failing.is_none()
            && self.lost.is_none()
            && self.closing.is_none()
            && !self.abandoned
    }
}

/// Who waits for a batch whose lines are being written.
#[derive(Debug)]
pub(super) struct Waiter {
    pub done: oneshot::Sender<u64>,
    /// Number of its last record.
    pub seq: u64,
}

/// Segments, where somebody asked for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The one that is sealed.
    pub sealed: u32,
    /// The one that takes records now.
    pub open: u32,
}

/// How the log is to end.
#[derive(Debug)]
pub(super) enum Stop {
    /// With its last records; then tell.
    Close(StopReason, oneshot::Sender<()>),
    /// As it stands.
    Abandon,
}

/// Numbers that were given away without a record.
#[derive(Debug)]
pub(super) struct Lost {
    pub first: u64,
    pub by_type: Vec<(&'static str, u64)>,
    pub reason: GapReason,
}

impl Lost {
    pub fn add(&mut self, type_name: &'static str, n: u64) {
        match self.by_type.iter_mut().find(|(name, _)| *name == type_name) {
            Some((_, count)) => *count = count.saturating_add(n),
            None => self.by_type.push((type_name, n)),
        }
    }

    /// The record that names them, where `next` is its own number.
    pub fn event(&self, next: u64) -> EventKind {
        EventKind::AuditGap {
            first: self.first,
            last: next.saturating_sub(1),
            n: next.saturating_sub(self.first),
            by_type: self.by_type.clone(),
            reason: self.reason,
        }
    }
}

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub queue: VecDeque<Batch>,
    /// The lines of all in it.
    spelled: Spelled,
    /// Records in it.
    queued: usize,
    /// Those whose lines are being written.
    pub waiting: Vec<Waiter>,
    /// The next number.
    pub next_seq: u64,
    /// The newest record that is in the kernel.
    pub newest: Noted,
    pub failing: Option<GapReason>,
    /// A segment that is to go.
    pub purge: Purge,
    /// When the next note is to be signed; never where the log has no key.
    pub checkpoint_at: Option<Instant>,
    /// The newest note.
    pub note: Option<Arc<str>>,
    /// Lost, and not yet named by a record.
    pub lost: Option<Lost>,
    /// Who asks whether the writer is at work.
    asking: Vec<oneshot::Sender<()>>,
    /// Who asks for the next segment.
    pub rotating: Vec<oneshot::Sender<Rotated>>,
    closing: Option<StopReason>,
    closed: Option<oneshot::Sender<()>>,
    abandoned: bool,
    /// The writer waits for work.
    asleep: bool,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Work {
    /// Write what is queued, or what was lost.
    Round,
    /// Have a segment go that is older than is kept.
    Purge,
    /// Sign a note.
    Checkpoint,
    /// Go over to the next segment, because somebody asks for it.
    Rotate,
    /// Try whether the log works again.
    Heal,
    /// Write the last records and end.
    Close(StopReason),
    /// End.
    Abandon,
}

pub(super) struct Shared {
    pub settings: Settings,
    pub tuning: Tuning,
    pub name: LogName,
    pub directory: Directory,
    pub disk: Arc<dyn Disk>,
    pub observer: Arc<dyn LogObserver>,
    state: Mutex<State>,
    work: Condvar,
    room: Semaphore,
    /// As in the state, to be read without the lock.
    failing: AtomicBool,
    refusing: watch::Sender<bool>,
    /// Less than a tenth is free: it was said.
    pub low: AtomicBool,
    /// Less is free than must be.
    pub no_room: AtomicBool,
    unsynced: Mutex<Unsynced>,
    pub to_sync: Condvar,
    pub ended: Condvar,
    /// Segments that were begun.
    pub begun: AtomicU64,
    /// Held while files of a segment go.
    pub removing: Mutex<()>,
    /// The `head` file: who holds it syncs.
    pub head_file: Mutex<File>,
    pub began: Instant,
    pub writing: Busy,
    pub syncing: Busy,
    /// The newest sync took long.
    pub is_slow: AtomicBool,
    pub pace: Pace,
    /// May a session write itself, on the runtime that it runs on?
    pub has_workers: OnceLock<bool>,
}

/// A thread that panics leaves no half of anything behind a lock here: what it held is as good as before.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(
        settings: Settings,
        tuning: Tuning,
        name: LogName,
        directory: Directory,
        (disk, observer): (Arc<dyn Disk>, Arc<dyn LogObserver>),
        head_file: File,
        position: Position,
    ) -> Self {
        let newest = Noted { seq: position.next_seq.saturating_sub(1), hash: position.prev };
        Self {
            settings,
            tuning,
            name,
            directory,
            disk,
            observer,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                spelled: Spelled::default(),
                queued: 0,
                waiting: Vec::new(),
                next_seq: position.next_seq,
                newest,
                failing: None,
                purge: Purge::Nothing,
                checkpoint_at: None,
                note: None,
                lost: None,
                asking: Vec::new(),
                rotating: Vec::new(),
                closing: None,
                closed: None,
                abandoned: false,
                asleep: false,
            }),
            work: Condvar::new(),
            room: Semaphore::new(QUEUE),
            failing: AtomicBool::new(false),
            refusing: watch::Sender::new(false),
            low: AtomicBool::new(false),
            no_room: AtomicBool::new(false),
            unsynced: Mutex::new(Unsynced::new(newest)),
            to_sync: Condvar::new(),
            ended: Condvar::new(),
            begun: AtomicU64::new(0),
            removing: Mutex::new(()),
            head_file: Mutex::new(head_file),
            began: Instant::now(),
            writing: Busy::default(),
            syncing: Busy::default(),
            is_slow: AtomicBool::new(false),
            pace: Pace::default(),
            has_workers: OnceLock::new(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        locked(&self.unsynced)
    }

    pub fn refusing(&self) -> bool {
        self.settings.on_failure == OnFailure::Refuse && self.failing()
    }

    pub fn watch_refusing(&self) -> watch::Receiver<bool> {
        self.refusing.subscribe()
    }

    pub fn head(&self) -> (u64, Hash) {
        let newest = self.state().newest;
        (newest.seq, newest.hash)
    }

    pub fn newest_note(&self) -> Option<Arc<str>> {
        self.state().note.clone()
    }

    pub fn queued(&self) -> (usize, usize) {
        (self.state().queued, QUEUE)
    }

    /// Waits until so many records may be queued; `false`: there will be no queue.
    pub async fn has_room_for(&self, records: usize) -> bool {
        let permits = u32::try_from(permits(records)).unwrap_or(u32::MAX);
        if let Ok(permits) = self.room.try_acquire_many(permits) {
            permits.forget();
            return true;
        }
        match self.room.acquire_many(permits).await {
            Ok(permits) => {
                permits.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Queues a batch for which there is room. Whoever does sees to it that it is written.
    pub fn enqueue(&self, batch: Batch, spelled: &Spelled) {
        let permits = batch.permits();
        let mut state = self.state();
        let ending = state.closing.is_some() || state.abandoned;
        if !ending && (state.failing.is_none() || batch.last_words) {
            state.queued = state.queued.saturating_add(permits);
            state.spelled.append(spelled);
            return state.queue.push_back(batch);
        }
        if !ending && self.settings.on_failure == OnFailure::Continue {
            self.lose(&mut state, batch, spelled.sorts());
        }
        drop(state);
        self.room.add_permits(permits);
    }

    /// Has the writer's thread look at the queue, unless it is about to.
    pub fn wake(&self) {
        if std::mem::take(&mut self.state().asleep) {
            self.work.notify_one();
        }
    }

    /// Is there nothing to write?
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.queue.is_empty() && (state.lost.is_none() || state.failing.is_some())
    }

    /// Gives the numbers of a batch away.
    fn lose(&self, state: &mut State, batch: Batch, sorts: impl Iterator<Item = Sort>) {
        let reason = state.failing.unwrap_or(GapReason::IoError);
        let first = state.next_seq;
        let lost = state.lost.get_or_insert_with(|| Lost { first, by_type: Vec::new(), reason });
        sorts.for_each(|sort| lost.add(sort.type_name, 1));
        let n = batch.lines as u64;
        state.next_seq = first.saturating_add(n);
        self.observer.lost(reason, n);
        let _ = batch.done.send(state.next_seq.saturating_sub(1));
    }

    /// What the writer is to do; waits until there is something. While the log fails, not longer than until `retry`.
    pub fn next(&self, retry: &mut Option<Instant>) -> Work {
        let mut state = self.state();
        loop {
            for word in state.asking.drain(..) {
                let _ = word.send(());
            }
            if state.abandoned {
                return Work::Abandon;
            }
            if matches!(state.purge, Purge::Due(_)) && state.failing.is_none() && state.closing.is_none() {
                return Work::Purge;
            }
            let works = state.failing.is_none() && state.closing.is_none();
            if works && !state.rotating.is_empty() {
                return Work::Rotate;
            }
            let checkpoint_at = state.checkpoint_at.filter(|_| works);
            if checkpoint_at.is_some_and(|at| at <= Instant::now()) {
                return Work::Checkpoint;
            }
            if !state.queue.is_empty() || (state.lost.is_some() && state.failing.is_none()) {
                return Work::Round;
            }
            if let Some(reason) = state.closing {
                return Work::Close(reason);
            }
            state.asleep = true;
            let now = Instant::now();
            if state.failing.is_none() {
                *retry = None;
                state = match checkpoint_at {
                    Some(at) => self.work.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0,
                    None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
                continue;
            }
            let at = *retry.get_or_insert(now + self.tuning.retry);
            if at <= now {
                *retry = None;
                return Work::Heal;
            }
            state = self.work.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes batches and their lines from the queue, so many records or one batch.
    pub fn take(&self, state: &mut State, records: usize, into: &mut Vec<Batch>, spelled: &mut Spelled) {
        let (mut taken, mut permits) = (0, 0);
        while let Some(batch) = state.queue.pop_front_if(|batch| taken == 0 || taken + batch.lines <= records) {
            taken += batch.lines;
            permits += batch.permits();
            into.push(batch);
        }
        state.queued = state.queued.saturating_sub(permits);
        self.room.add_permits(permits);
        spelled.clear();
        state.spelled.take_front(taken, spelled);
    }

    /// The log fails from now on: whoever waits is answered.
    pub fn fail(&self, reason: GapReason, why: &dyn std::fmt::Display) {
        self.fail_with(&mut self.state(), reason, why);
    }

    pub fn fail_with(&self, state: &mut State, reason: GapReason, why: &dyn std::fmt::Display) {
        let refuse = self.settings.on_failure == OnFailure::Refuse;
        if state.failing.is_none() {
            state.failing = Some(reason);
            self.failing.store(true, Ordering::Relaxed);
            self.observer.failing(true);
            self.refusing.send_replace(refuse);
            tracing::error!(reason = reason.as_str(), "the audit log fails: {why}");
        }
        state.rotating.clear();
        for waiter in state.waiting.drain(..).filter(|_| !refuse) {
            let _ = waiter.done.send(waiter.seq);
        }
        let queue = std::mem::take(&mut state.queue);
        self.room.add_permits(std::mem::take(&mut state.queued));
        let spelled = std::mem::take(&mut state.spelled);
        let mut sorts = spelled.sorts();
        // Under `refuse` dropping them is the answer.
        for batch in queue.into_iter().filter(|_| !refuse) {
            let lines = batch.lines;
            self.lose(state, batch, sorts.by_ref().take(lines));
        }
        state.asleep = false;
        self.work.notify_one();
    }

    /// As [`Shared::fail`], and who waits for the end of the log waits in vain.
    pub fn give_up(&self, why: &dyn std::fmt::Display) {
        let mut state = self.state();
        self.fail_with(&mut state, GapReason::IoError, why);
        state.closed = None;
    }

    /// Asks the writer for word.
    pub fn ask(&self, word: oneshot::Sender<()>) {
        let mut state = self.state();
        if !state.abandoned {
            state.asking.push(word);
            state.asleep = false;
            self.work.notify_one();
        }
    }

    /// Asks the writer for the next segment. Who gets no word was not heard: the log fails, or ends.
    pub fn ask_to_rotate(&self, word: oneshot::Sender<Rotated>) {
        let mut state = self.state();
        if !state.abandoned && state.closing.is_none() && state.failing.is_none() {
            state.rotating.push(word);
            state.asleep = false;
            self.work.notify_one();
        }
    }

    /// Asks the writer to have a segment go.
    pub fn ask_to_purge(&self, sealed: Sealed) {
        let mut state = self.state();
        state.purge = Purge::Due(sealed);
        state.asleep = false;
        self.work.notify_one();
    }

    /// The log works again.
    pub fn works(&self) {
        let mut state = self.state();
        if state.failing.take().is_some() {
            self.failing.store(false, Ordering::Relaxed);
            self.observer.failing(false);
            self.refusing.send_replace(false);
            tracing::info!("the audit log works again");
        }
    }

    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Asks the writer to end.
    pub fn stop(&self, stop: Stop) {
        let mut state = self.state();
        match stop {
            Stop::Abandon => state.abandoned = true,
            Stop::Close(reason, done) if state.closing.is_none() && !state.abandoned => {
                (state.closing, state.closed) = (Some(reason), Some(done));
            }
            Stop::Close(..) => {}
        }
        state.asleep = false;
        self.work.notify_one();
    }

    /// The writer ended. `closed`: the last records are on disk.
    pub fn end(&self, closed: bool) {
        let mut state = self.state();
        state.abandoned = true;
        if let Some(done) = state.closed.take().filter(|_| closed) {
            let _ = done.send(());
        }
        state.waiting.clear();
        state.queue.clear();
        state.spelled.clear();
        state.asking.clear();
        state.rotating.clear();
        drop(state);
        self.room.close();
        self.unsynced().ended = true;
        self.to_sync.notify_all();
        self.ended.notify_all();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).field("name", &self.name).finish_non_exhaustive()
    }
}
