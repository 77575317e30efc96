//! Who holds this owns the segment: it numbers lines, chains them, and hands all that is queued to the kernel at once. That
//! is a thread of its own, or a session that finds it free ([`super::in_place`]).
//!
//! ```text
//!   queue ─▶ up to 256 records ─▶ lines ─▶ one write(2) ─▶ (strict: fdatasync ─▶) whoever waits is told, then the next
//!                                   └─ full? audit.close ─▶ new segment ─▶ audit.open
//!   failed: cut back to the last whole line ─▶ each second: audit.gap, audit.close, audit.open, each with its sync ─▶ works
//! ```
//!
//! A failure ends in a new segment: the end of the old one and the begin of the new one are the two appends in a row that
//! prove that the disk works, the old file is not trusted further, and the log shows that something was amiss.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::beside::Site;
use super::chain::{Hash, Position};
use super::error::{LogFailing, OpenError};
use super::keys::{self, Signer};
use super::log::{Settings, Tuning};
use super::note::Note;
use super::purge::Purge;
use super::record::{self, LogName, Sort, Spelled};
use super::segment::{Directory, Disk, Noted};
use super::shared::{Batch, Lost, Rotated, Shared, State, Waiter, Work, locked};
use super::stamp::Stamp;
use super::sync::Tail;
use super::{ids, resume, sync};
use crate::session::event::{
    CloseSegment, Durability, Event, EventKind, GapReason, LogObserver, OnFailure, OpenReason, OtherLog, StopReason,
};

/// Records written at once: no more are told at once that they stand, and none waits for the hashes of more.
const ROUND: usize = 256;

/// Buffers larger than this are given back.
const KEEP: usize = 1024 * 1024;

/// Writes the log.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    segment: Option<Segment>,
    next_segment: u32,
    /// None where the log has no key.
    signer: Option<Signer>,
    position: Position,
    /// When the newest line was made.
    stamp: Stamp,
    lines: Vec<u8>,
    /// What the lines are, in order.
    sorts: Vec<Sort>,
    undo: Undo,
    batches: Vec<Batch>,
    /// The lines of the batches at hand.
    taken: Spelled,
    /// Lines of the log's own.
    own: Spelled,
    waiters: Vec<Waiter>,
    /// Logs beside this one that are still to be named.
    others: Vec<OtherLog>,
}

/// The segment that is open.
#[derive(Debug)]
struct Segment {
    file: Arc<File>,
    number: u32,
    /// Octets of its whole lines.
    len: u64,
    records: u64,
    began: Instant,
}

/// What holds again if lines cannot be written.
#[derive(Debug)]
struct Undo {
    prev: Hash,
    next_seq: u64,
    lost: Option<Lost>,
}

impl Writer {
    /// Takes the log up and writes the first line of a segment.
    pub fn open(
        site: &Site,
        settings: Settings,
        observer: Arc<dyn LogObserver>,
        tuning: Tuning,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, OpenError> {
        let directory = Directory::open(&site.directory)?;
        let path = directory.path().to_owned();
        let failed = |error: io::Error| OpenError::io(&path, "the audit log cannot be written", &error);
        let space = disk.space(directory.handle()).map_err(failed)?;
        let needed = sync::threshold(space, settings.min_free);
        if space.free < needed {
            return Err(OpenError::no_room(&path, space.free, needed));
        }
        let resumed = resume::resume(&directory)?;
        directory.reserve().map_err(failed)?;
        let head_file = directory.head_file().map_err(failed)?;
        let reason = if resumed.left.log.is_some() { OpenReason::Start } else { OpenReason::First };
        let signer = Signer::take_up(&directory, &resumed.left)?;
        // A key that was made before the log began has given it its name.
        let log = resumed.left.log.as_deref().or(signer.as_ref().map(|signer| signer.name().log()));
        let log = log.map(Arc::from).or_else(|| site.log.clone()).unwrap_or_else(ids::log_id);
        let name = LogName { log, node: Arc::clone(&settings.node), hashing: settings.hashing.clone() };
        let position = resumed.position;
        let shared = Shared::new(settings, tuning, name, directory, (disk, observer), head_file, position);
        let mut writer = Self {
            shared: Arc::new(shared),
            segment: None,
            next_segment: resumed.segment,
            signer,
            position,
            stamp: Stamp::new(Timestamp::now()),
            lines: Vec::new(),
            sorts: Vec::new(),
            undo: Undo { prev: position.prev, next_seq: position.next_seq, lost: None },
            batches: Vec::new(),
            taken: Spelled::default(),
            own: Spelled::default(),
            waiters: Vec::new(),
            others: site.others(),
        };
        writer.begin_segment(reason, resumed.torn).map_err(failed)?;
        sync::sync(&writer.shared).map_err(failed)?;
        // From here on a log without `head` is one that was cut: its name has to be on disk, too.
        writer.shared.directory.sync_names().map_err(failed)?;
        writer.checkpoint().map_err(failed)?;
        Ok(writer)
    }

    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Is there a segment that takes more lines, so that a round asks nothing of the disk but to take them?
    pub fn has_room(&self) -> bool {
        !self.is_full() && self.segment.is_some() && !self.is_overdue()
    }

    fn is_full(&self) -> bool {
        let Tuning { segment: len, rotate, .. } = self.shared.tuning;
        self.segment.as_ref().is_some_and(|segment| segment.len >= len || segment.began.elapsed() >= rotate)
    }

    /// By the clock that records tell, is a note due before another record stands? Its thread may have slept, or the machine.
    fn is_overdue(&self) -> bool {
        let uncovered = self.signer.as_ref().and_then(|signer| signer.uncovered);
        let late = self.shared.tuning.checkpoint * 3 / 2;
        uncovered.is_some_and(|since| {
            Duration::try_from(Timestamp::now().duration_since(since)).is_ok_and(|age| age >= late)
        })
    }

    /// Writes what is queued, by now maybe nothing.
    pub fn round(&mut self) {
        let shared = Arc::clone(&self.shared);
        if shared.is_idle() {
            return; // somebody else did
        }
        if !shared.failing()
            && let Err(error) = self.make_room()
        {
            return shared.fail(reason_of(&error), &error);
        }
        let mut state = shared.state();
        shared.take(&mut state, ROUND, &mut self.batches, &mut self.taken);
        self.begin(&mut state);
        // Nobody else gives numbers now, so the lock need not be held while the lines are made.
        let alone = state.failing.is_none() && shared.settings.on_failure == OnFailure::Refuse;
        let mut state = if alone {
            drop(state);
            self.place_taken();
            shared.state()
        } else {
            self.place_taken();
            state
        };
        if alone && state.failing.is_some() {
            self.waiters.clear();
            return self.take_back(&mut state, GapReason::IoError);
        }
        state.next_seq = self.position.next_seq;
        std::mem::swap(&mut state.waiting, &mut self.waiters);
        let last_words = state.failing.is_some();
        drop(state);
        match self.append(last_words) {
            Ok(()) => self.settle(),
            Err(error) => self.fail(&error),
        }
        self.give_back_lines();
    }

    /// Writes these, if nothing stands before them; `None`: not now. As a round that nobody waits for.
    pub fn at_once(&mut self, spelled: &Spelled) -> Option<Result<u64, LogFailing>> {
        let shared = Arc::clone(&self.shared);
        if shared.settings.on_failure != OnFailure::Refuse || spelled.len() > ROUND {
            return None;
        }
        let mut state = shared.state();
        if !state.is_free() {
            return None;
        }
        self.begin(&mut state);
        drop(state);
        self.place(spelled);
        shared.pace.wrote(1);
        let mut state = shared.state();
        if state.failing.is_some() {
            self.take_back(&mut state, GapReason::IoError);
            return Some(Err(LogFailing));
        }
        state.next_seq = self.position.next_seq;
        drop(state);
        let written = self.append(false);
        self.give_back_lines();
        Some(match written {
            // Others were told that the log fails while the disk held this up: so it came too late.
            Ok(()) if shared.failing() => Err(LogFailing),
            Ok(()) => Ok(self.position.next_seq.saturating_sub(1)),
            Err(error) => {
                self.fail(&error);
                Err(LogFailing)
            }
        })
    }

    /// What could not be appended has no numbers, and the log fails.
    fn fail(&mut self, error: &io::Error) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        self.take_back(&mut state, reason_of(error));
        shared.fail_with(&mut state, reason_of(error), error);
    }

    fn give_back_lines(&mut self) {
        if self.lines.capacity() > KEEP {
            self.lines = Vec::new();
        }
        if self.taken.capacity() > KEEP {
            self.taken = Spelled::default();
        }
    }

    /// Lines begin: those of an earlier loss first.
    fn begin(&mut self, state: &mut State) {
        self.lines.clear();
        self.sorts.clear();
        self.position.next_seq = state.next_seq;
        self.undo = Undo { prev: self.position.prev, next_seq: state.next_seq, lost: state.lost.take() };
        if let Some(gap) = self.undo.lost.as_ref().map(|lost| lost.event(state.next_seq)) {
            self.line(&Event::of_proxy(gap));
        }
    }

    /// The lines of the batches at hand.
    fn place_taken(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        let mut next = self.position.next_seq;
        self.place(&taken);
        self.taken = taken;
        self.shared.pace.wrote(self.batches.len());
        for Batch { lines, done, .. } in self.batches.drain(..) {
            next = next.saturating_add(lines as u64);
            self.waiters.push(Waiter { done, seq: next.saturating_sub(1) });
        }
    }

    /// Gives lines their places.
    fn place(&mut self, spelled: &Spelled) {
        self.stamp.set(Timestamp::now());
        for (line, sort) in spelled.lines() {
            record::place(line, &self.stamp, &self.shared.name, &mut self.position, &mut self.lines);
            self.sorts.push(sort);
        }
    }

    /// A line of the log's own.
    fn line(&mut self, event: &Event) {
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        own.add(event, None, self.shared.name.hashing.as_deref());
        self.place(&own);
        self.own = own;
    }

    /// Hands the lines to the kernel. If that fails no part of them stays.
    fn append(&mut self, last_words: bool) -> io::Result<()> {
        let shared = &*self.shared;
        let Some(segment) = &mut self.segment else {
            return Err(io::Error::other("no segment could be begun"));
        };
        if shared.no_room.load(Ordering::Relaxed) && !last_words {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let write = || shared.disk.write_at(&segment.file, &self.lines, segment.len);
        let began = Instant::now();
        let written = shared.on_disk(&shared.writing, || match write() {
            Err(error) if last_words && is_full(&error) && shared.directory.release_reserve() => write(),
            result => result,
        });
        shared.observer.wrote(began.elapsed());
        if let Err(error) = written {
            segment.cut_back();
            return Err(error);
        }
        let records = self.sorts.len() as u64;
        let from = segment.len;
        segment.len = from.saturating_add(self.lines.len() as u64);
        segment.records = segment.records.saturating_add(records);
        let newest = Noted { seq: self.position.next_seq.saturating_sub(1), hash: self.position.prev };
        if let Some(signer) = &mut self.signer {
            signer.uncovered.get_or_insert_with(Timestamp::now);
        }
        shared.wrote(Tail { file: Arc::clone(&segment.file), from, to: segment.len }, records, newest);
        self.sorts.iter().for_each(|sort| shared.observer.recorded(sort.area));
        shared.state().newest = newest;
        Ok(())
    }

    /// The lines at hand stand, if need be once the disk has them. Where it has not they stay, and are announcements of what
    /// was refused: a change that is recorded and did not happen is the lesser evil.
    fn settle(&mut self) {
        if self.shared.settings.durability == Durability::Strict {
            // Under the watch of its own: the syncer may look for room meanwhile.
            let synced = self.shared.on_disk(&self.shared.writing, || sync::sync(&self.shared));
            if let Err(error) = synced {
                return self.shared.fail(reason_of(&error), &error);
            }
        }
        self.tell();
    }

    /// Tells those who wait for the lines just written.
    fn tell(&mut self) {
        std::mem::swap(&mut self.shared.state().waiting, &mut self.waiters);
        for Waiter { done, seq } in self.waiters.drain(..) {
            let _ = done.send(seq);
        }
    }

    /// The lines at hand will not be written: their numbers are free again, or, where somebody goes on, lost.
    fn take_back(&mut self, state: &mut State, reason: GapReason) {
        let end = self.position.next_seq;
        self.position.prev = self.undo.prev;
        let earlier = self.undo.lost.take();
        let goes_on = self.shared.settings.on_failure == OnFailure::Continue && !state.waiting.is_empty();
        if !goes_on && state.next_seq <= end {
            (state.next_seq, state.lost) = (self.undo.next_seq, earlier);
            return;
        }
        let first = self.undo.next_seq;
        let mut lost = earlier.unwrap_or(Lost { first, by_type: Vec::new(), reason });
        self.sorts.iter().for_each(|sort| lost.add(sort.type_name, 1));
        self.shared.observer.lost(reason, end.saturating_sub(first));
        for (type_name, n) in state.lost.take().into_iter().flat_map(|later| later.by_type) {
            lost.add(type_name, n);
        }
        state.lost = Some(lost);
    }

    /// Goes over to the next segment because somebody asks for it; who asked hears it when the disk has the end of the last one.
    fn rotate(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let asking = std::mem::take(&mut shared.state().rotating);
        if shared.failing() {
            return Ok(()); // who asked hears that it fails
        }
        let Some(sealed) = self.segment.as_ref().map(|segment| segment.number) else {
            return Err(io::Error::other("no segment could be begun"));
        };
        self.in_time()?;
        self.end_segment(CloseSegment::Rotate)?;
        self.begin_segment(OpenReason::Rotate, None)?;
        sync::sync(&shared)?;
        let open = self.next_segment.saturating_sub(1);
        for word in asking {
            let _ = word.send(Rotated { sealed, open });
        }
        Ok(())
    }

    /// Goes over to the next segment when this one is full or old.
    fn make_room(&mut self) -> io::Result<()> {
        if self.is_full() {
            self.end_segment(CloseSegment::Rotate)?;
            self.begin_segment(OpenReason::Rotate, None)?;
        } else {
            self.in_time()?;
        }
        Ok(())
    }

    /// A note comes before a record that it would be too old for.
    fn in_time(&mut self) -> io::Result<()> {
        if self.is_overdue() { self.checkpoint() } else { Ok(()) }
    }

    fn begin_segment(&mut self, reason: OpenReason, torn: Option<u64>) -> io::Result<()> {
        self.settle_keys()?;
        let number = self.next_segment;
        let shared = Arc::clone(&self.shared);
        let file = shared.on_disk(&shared.writing, || shared.directory.create_segment(number))?;
        let unannounced = self.signer.as_mut().filter(|signer| !signer.is_announced(number));
        let announces = unannounced.is_some();
        if let Some(signer) = unannounced {
            shared.on_disk(&shared.writing, || signer.prepare(&shared.directory, number))?;
        }
        self.segment = Some(Segment { file: Arc::new(file), number, len: 0, records: 0, began: Instant::now() });
        let (version, on_failure) = (Arc::clone(&shared.settings.version), shared.settings.on_failure);
        let durability = shared.settings.durability;
        let others = std::mem::take(&mut self.others);
        let opened = self.own_lines(false, |writer| {
            let kind = EventKind::AuditOpen { reason, segment: number, version, on_failure, durability, torn, others };
            writer.line(&Event::of_proxy(kind));
            if announces {
                writer.announce(number);
            }
        });
        if let Err(error) = opened {
            // The file stays, empty, and is taken the next time.
            self.segment = None;
            return Err(error);
        }
        self.next_segment = number.saturating_add(1);
        shared.begun.fetch_add(1, Ordering::Relaxed);
        if announces {
            self.is_announced(number, None);
            self.settle_keys()?;
        }
        Ok(())
    }

    fn end_segment(&mut self, reason: CloseSegment) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let next = self.next_segment;
        if let Some(signer) = &mut self.signer {
            let mut prepare = || shared.on_disk(&shared.writing, || signer.prepare(&shared.directory, next));
            let last_words = reason == CloseSegment::Stop;
            match prepare() {
                Err(error) if last_words && is_full(&error) && shared.directory.release_reserve() => prepare()?,
                prepared => prepared?,
            }
        }
        self.own_lines(reason == CloseSegment::Stop, |writer| {
            if writer.signer.is_some() {
                writer.announce(next);
            }
            let records = writer.records_so_far().saturating_add(1);
            writer.line(&Event::of_proxy(EventKind::AuditClose { reason, records }));
        })?;
        if let Some(segment) = self.segment.take() {
            let newest = shared.state().newest;
            self.is_announced(next, Some((segment.number, newest)));
        }
        self.settle_keys()
    }

    /// The record that says which key signs a segment.
    fn announce(&mut self, segment: u32) {
        if let Some(kind) = self.signer.as_ref().map(|signer| signer.announce(segment, self.position)) {
            self.line(&Event::of_proxy(kind));
        }
    }

    fn is_announced(&mut self, segment: u32, closed: Option<(u32, Noted)>) {
        if let Some(signer) = &mut self.signer {
            signer.is_written(segment, closed);
        }
    }

    /// What a segment that has ended still needs: its last note, and that its key is wiped. Not before the disk has it all.
    fn settle_keys(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(signer) = self.signer.as_mut().filter(|signer| signer.is_unsettled()) else { return Ok(()) };
        sync::sync(&shared)?;
        let note = shared.on_disk(&shared.writing, || signer.settle(&shared.directory))?;
        self.signed(note);
        Ok(())
    }

    fn signed(&self, note: Option<Note>) {
        let mut state = self.shared.state();
        state.checkpoint_at = Some(Instant::now() + self.shared.tuning.checkpoint);
        if let Some(note) = note {
            state.note = Some(note.to_string().into());
            self.shared.observer.signed();
        }
    }

    /// Signs that the log is what it is now, and says so in the log.
    fn checkpoint(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let (Some(signer), Some(segment)) = (&mut self.signer, &self.segment) else { return Ok(()) };
        // A note about records that a loss of power takes away would prove that they were cut.
        sync::sync(&shared)?;
        let newest = shared.state().newest;
        let note = shared.on_disk(&shared.writing, || signer.note(&shared.directory, segment.number, newest))?;
        let (size, hash, key) = (note.size, newest.hash.to_string().into(), note.id.to_string().into());
        self.signed(Some(note));
        self.own_line(false, EventKind::AuditCheckpoint { size, hash, key })
    }

    /// Records of the segment, with the lines at hand.
    fn records_so_far(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| segment.records).saturating_add(self.sorts.len() as u64)
    }

    /// Writes an event of the log's own.
    fn own_line(&mut self, last_words: bool, kind: EventKind) -> io::Result<()> {
        self.own_lines(last_words, |writer| writer.line(&Event::of_proxy(kind)))
    }

    fn own_lines(&mut self, last_words: bool, spell: impl FnOnce(&mut Self)) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        self.begin(&mut state);
        spell(self);
        state.next_seq = self.position.next_seq;
        drop(state);
        self.append(last_words).inspect_err(|error| self.take_back(&mut shared.state(), reason_of(error)))
    }

    /// A segment goes: the record that says so has to be on disk before.
    fn purge(&mut self) {
        let Purge::Due(sealed) = std::mem::replace(&mut self.shared.state().purge, Purge::Stuck) else { return };
        let recorded = self.in_time().and_then(|()| self.own_line(false, sealed.event()));
        let recorded = recorded.and_then(|()| sync::sync(&self.shared));
        let directory = &self.shared.directory;
        let removed = match recorded {
            Ok(()) => keys::keep(directory, sealed.number).and_then(|()| {
                let _alone = locked(&self.shared.removing);
                directory.remove_segment(sealed.number)
            }),
            Err(error) => {
                self.shared.fail(reason_of(&error), &error);
                Ok(()) // it is still there, and looked at again
            }
        };
        match removed {
            Ok(()) => self.shared.state().purge = Purge::Nothing,
            Err(error) => tracing::error!("segment {} of the audit log cannot be removed: {error}", sealed.number),
        }
    }

    /// Two appends with their sync in a row end a failure.
    fn heal(&mut self) -> io::Result<()> {
        if self.shared.no_room.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.shared.directory.reserve()?;
        if let Some(segment) = &self.segment {
            segment.file.set_len(segment.len)?;
        }
        sync::sync(&self.shared)?;
        let mut in_a_row = 0;
        while in_a_row < 2 || self.segment.is_none() {
            match &self.segment {
                Some(_) => self.end_segment(CloseSegment::Rotate)?,
                None => self.begin_segment(OpenReason::Rotate, None)?,
            }
            sync::sync(&self.shared)?;
            in_a_row += 1;
        }
        Ok(())
    }

    /// The last records, if need be into the room kept for them.
    fn finish(&mut self, reason: StopReason) -> io::Result<()> {
        if let Some(segment) = &self.segment {
            segment.file.set_len(segment.len)?;
        } else {
            self.begin_segment(OpenReason::Rotate, None)?;
        }
        // Where it cannot be signed the end is told all the same.
        let _ = self.in_time();
        self.own_line(true, EventKind::ProxyStop { reason })?;
        self.end_segment(CloseSegment::Stop)?;
        sync::sync(&self.shared)?;
        self.shared.directory.release_reserve();
        Ok(())
    }
}

impl Segment {
    /// Takes away what a write that failed left. Tried again before anything else is written.
    fn cut_back(&self) {
        if let Err(error) = self.file.set_len(self.len) {
            tracing::warn!("a segment of the audit log cannot be cut back: {error}");
        }
    }
}

/// Why records cannot be written.
pub(super) fn reason_of(error: &io::Error) -> GapReason {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => GapReason::DiskFull,
        _ => GapReason::IoError,
    }
}

fn is_full(error: &io::Error) -> bool {
    reason_of(error) == GapReason::DiskFull
}

/// Writes until the log is closed or abandoned.
pub(super) fn run(writer: &Mutex<Writer>, shared: &Arc<Shared>) {
    let mut ending = Ending { shared: Arc::clone(shared), closed: false };
    let mut retry = None;
    ending.closed = loop {
        let work = shared.next(&mut retry);
        // One who panicked while it wrote left half of something.
        let Ok(mut writer) = writer.lock() else { break false };
        match work {
            Work::Round => writer.round(),
            Work::Purge => writer.purge(),
            Work::Checkpoint => {
                if let Err(error) = writer.checkpoint() {
                    shared.fail(reason_of(&error), &error);
                }
            }
            Work::Rotate => {
                if let Err(error) = writer.rotate() {
                    shared.fail(reason_of(&error), &error);
                }
            }
            Work::Heal => match writer.heal() {
                Ok(()) => shared.works(),
                Err(error) => tracing::debug!("the audit log still fails: {error}"),
            },
            Work::Close(reason) => break writer.finish(reason).is_ok(),
            Work::Abandon => break false,
        }
    };
}

/// Says that the writer ended, also where it panics: nobody may wait for a thread that is no more.
struct Ending {
    shared: Arc<Shared>,
    /// The last records are on disk.
    closed: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(GapReason::IoError, &"its writer died");
        }
        self.shared.end(self.closed);
    }
}
