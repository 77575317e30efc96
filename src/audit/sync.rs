//! Kernel → disk: what was written is synced a moment later, and `head` renewed. On a thread of its own, so that the next
//! write does not wait for the disk (with `durability = "strict"` it does, and the writer syncs itself). It also looks how much room there is.
//!
//! ```text
//!   wrote ─▶ Unsynced ── 50 ms or 256 records ─▶ fdatasync ─▶ head
//! ```

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::chain::{Hash, Position};
use super::line::Line;
use super::lines::{Lines, Piece};
use super::purge;
use super::segment::{Noted, Space};
use super::shared::{Shared, locked};
use super::writer::reason_of;
use crate::session::event::GapReason;

/// Records that may be in the kernel only.
const RECORDS: u64 = 256;

/// Octets that are written again at once.
const AGAIN: usize = 64 * 1024;

/// What is in the kernel and may not be on disk.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub tails: Vec<Tail>,
    pub records: u64,
    /// When the first of them was written.
    pub since: Option<Instant>,
    /// The newest of them.
    pub newest: Noted,
    /// A sync failed: the kernel may have forgotten that these bytes are not on disk.
    pub broken: bool,
    /// The syncer looks by itself before the first of them is too old: nobody need wake it for that.
    pub dozing: bool,
    /// The writer ended.
    pub ended: bool,
}

/// Part of a segment.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    pub file: Arc<File>,
    pub from: u64,
    pub to: u64,
}

impl Unsynced {
    /// Nothing, behind the newest record.
    pub fn new(newest: Noted) -> Self {
        Self { tails: Vec::new(), records: 0, since: None, newest, broken: false, dozing: false, ended: false }
    }
}

/// Syncs until the writer ends.
pub(super) fn run(shared: &Arc<Shared>) {
    let (mut looked, mut oldest) = (Instant::now(), None);
    // Under load it wakes by itself for each sync: a session that woke it would pay for that.
    let mut doze = None;
    while let Some(due) = wait(shared, looked + shared.tuning.look, &mut doze) {
        if due.look {
            looked = Instant::now();
            look(shared);
            purge::look(shared, &mut oldest);
        }
        if due.sync {
            if let Err(error) = sync(shared) {
                shared.fail(reason_of(&error), &error);
            }
            doze = Some(Instant::now() + shared.tuning.sync_after);
        }
    }
}

/// What there is to do.
struct Due {
    sync: bool,
    look: bool,
}

/// Waits until there is something to do; `None`: never again. At the end of a doze all that was written since is due.
fn wait(shared: &Shared, look_at: Instant, doze: &mut Option<Instant>) -> Option<Due> {
    let mut unsynced = shared.unsynced();
    loop {
        if unsynced.ended {
            return None;
        }
        let now = Instant::now();
        // While the log fails the writer syncs what it tries.
        let too_old = unsynced.since.filter(|_| !shared.failing()).map(|since| since + shared.tuning.sync_after);
        let sync_at = too_old.map(|at| doze.map_or(at, |doze| doze.min(at)));
        let due =
            Due { sync: sync_at.is_some_and(|at| at <= now || unsynced.records >= RECORDS), look: look_at <= now };
        doze.take_if(|until| *until <= now);
        unsynced.dozing = doze.is_some();
        if due.sync || due.look {
            return Some(due);
        }
        let until = sync_at.or(*doze).map_or(look_at, |at| at.min(look_at));
        unsynced = shared.to_sync.wait_timeout(unsynced, until - now).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Is there room? Below its threshold the log fails before the file system does.
fn look(shared: &Shared) {
    let space = shared.on_disk(&shared.syncing, || shared.disk.space(shared.directory.handle()));
    let space = match space {
        Ok(space) => space,
        Err(error) => return shared.fail(GapReason::IoError, &error),
    };
    #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
    shared.observer.disk_free(space.free as f64 / space.total.max(1) as f64);
    let is_low = space.free < space.total / 10;
    if is_low && !shared.low.swap(is_low, Ordering::Relaxed) {
        tracing::warn!("less than 10 % of the audit log's disk is free: {} MiB", space.free >> 20);
    }
    shared.low.store(is_low, Ordering::Relaxed);
    let needed = threshold(space, shared.settings.min_free);
    shared.no_room.store(space.free < needed, Ordering::Relaxed);
    if space.free < needed && !shared.failing() {
        let why = format!("{} MiB are free, {} MiB are needed", space.free >> 20, needed >> 20);
        shared.fail(GapReason::DiskFull, &why);
    }
}

/// What must be free: so much, or 5 % of the disk, whichever is less.
pub(super) fn threshold(space: Space, min_free: u64) -> u64 {
    min_free.min(space.total / 20)
}

impl Shared {
    /// `records` lines stand in `tail` and wait to be synced.
    pub(super) fn wrote(&self, tail: Tail, records: u64, newest: Noted) {
        let mut unsynced = self.unsynced();
        match unsynced.tails.last_mut() {
            Some(last) if Arc::ptr_eq(&last.file, &tail.file) => last.to = tail.to,
            _ => unsynced.tails.push(tail),
        }
        unsynced.newest = newest;
        let before = unsynced.records;
        unsynced.records = before.saturating_add(records);
        let first = unsynced.since.is_none() && !unsynced.dozing;
        unsynced.since.get_or_insert_with(Instant::now);
        let due = before < RECORDS && unsynced.records >= RECORDS;
        // Who is woken needs the lock.
        drop(unsynced);
        if first || due {
            self.to_sync.notify_one();
        }
    }
}

/// Has the disk hold all that was written, and renews `head`.
pub(super) fn sync(shared: &Shared) -> io::Result<()> {
    let head_file = locked(&shared.head_file);
    let mut unsynced = shared.unsynced();
    let (tails, newest, broken) = (unsynced.tails.clone(), unsynced.newest, unsynced.broken);
    (unsynced.records, unsynced.since) = (0, None);
    drop(unsynced);
    if tails.is_empty() {
        return Ok(());
    }
    let began = Instant::now();
    let result = shared.on_disk(&shared.syncing, || {
        if broken {
            write_again(shared, &tails, newest)?;
        }
        tails.iter().try_for_each(|tail| {
            still_named(&tail.file)?;
            shared.disk.sync(&tail.file)
        })?;
        newest.write(&*shared.disk, &head_file)
    });
    shared.synced(began.elapsed());
    let mut unsynced = shared.unsynced();
    unsynced.broken = result.is_err();
    if result.is_ok() {
        unsynced.tails.retain_mut(|tail| {
            if let Some(synced) = tails.iter().find(|synced| Arc::ptr_eq(&synced.file, &tail.file)) {
                tail.from = synced.to;
            }
            tail.from < tail.to
        });
    } else {
        unsynced.since.get_or_insert(began);
    }
    result
}

/// What is written to a file that somebody removed is written for nobody.
fn still_named(file: &File) -> io::Result<()> {
    if file.metadata()?.nlink() == 0 { Err(io::Error::other("a segment was removed")) } else { Ok(()) }
}

/// After a sync that failed the kernel may take what it holds for written. If it still has the bytes, and they are ours,
/// they are handed to it once more.
fn write_again(shared: &Shared, tails: &[Tail], newest: Noted) -> io::Result<()> {
    if last_hash(tails)? != Some(newest.hash) {
        return Err(io::Error::other("records that were not on disk yet are gone"));
    }
    let mut buffer = vec![0; AGAIN];
    for tail in tails {
        let mut at = tail.from;
        while at < tail.to {
            let n = usize::try_from(tail.to - at).unwrap_or(AGAIN).min(AGAIN);
            let Some(bytes) = buffer.get_mut(..n) else { break };
            tail.file.read_exact_at(bytes, at)?;
            shared.disk.write_at(&tail.file, bytes, at)?;
            at += n as u64;
        }
    }
    Ok(())
}

/// The hash of the last line, if all of them hang together.
fn last_hash(tails: &[Tail]) -> io::Result<Option<Hash>> {
    let mut position: Option<Position> = None;
    for tail in tails {
        let mut file = &*tail.file;
        file.seek(SeekFrom::Start(tail.from))?;
        let mut lines = Lines::new(io::Read::take(file, tail.to - tail.from));
        loop {
            match lines.next()? {
                Piece::Line(bytes) => match Line::parse(bytes) {
                    Ok(line) if position.is_none_or(|position| line.follows(position)) => {
                        position = Some(Position { next_seq: line.seq, prev: Hash::ZERO }.after(bytes));
                    }
                    _ => return Ok(None),
                },
                Piece::Unfinished(0) => break,
                Piece::Unfinished(_) | Piece::TooLong(_) => return Ok(None),
            }
        }
    }
    Ok(position.map(|position| position.prev))
}
