//! The door to the log: sessions hand over batches of events and wait until they stand.
//!
//! ```text
//!   session ─▶ Log::submit ─▶ queue, 4,096 records ─▶ writer ─▶ write(2) ─▶ Pending::written
//!              waits while full   (its thread, or the   └─▶ sync: fdatasync ≤ 50 ms or 256 records later, then head
//!                                  session: in_place)
//!                                                  watch: no word for 5 s? the log fails
//! ```
//!
//! Sessions wait for the kernel; for the disk only where [`Durability::Strict`] says so, and then all that was handed over
//! while the disk was at work share its next turn. While the log fails, [`OnFailure::Refuse`] answers at once that the
//! batch does not stand; [`OnFailure::Continue`] counts it, gives its numbers away and names them in `audit.gap`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch as changes};

use super::beside::Site;
use super::chain::Hash;
use super::error::{LogFailing, OpenError};
use super::hashing::Hashing;
use super::in_place::Way;
use super::lent::Lent;
use super::segment::{Disk, RealDisk};
use super::shared::{Batch, Rotated, Shared, Stop, are_last_words};
use super::writer::{self, Writer};
use super::{in_place, pack, sync, watch};
use crate::session::event::{Durability, Event, LogObserver, OnFailure, StopReason};

/// Where and how to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory of the segments; made where there is none.
    pub directory: PathBuf,
    /// What holds while records cannot be written.
    pub on_failure: OnFailure,
    /// When a record counts as written.
    pub durability: Durability,
    /// Octets of the disk that must be free, or 5 % of it, whichever is less.
    pub min_free: u64,
    /// How long sealed segments are kept; for ever where it is not said.
    pub keep: Option<Duration>,
    /// What is hashed, if anything is.
    pub hashing: Option<Arc<Hashing>>,
    /// Host name.
    pub node: Arc<str>,
    /// Version of this program.
    pub version: Arc<str>,
}

/// Time between two notes that are signed. No record is older than two of these before a note covers it.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// What only tests set otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuning {
    /// Octets of a segment at which the next one begins.
    pub segment: u64,
    /// How long a record may be in the kernel only.
    pub sync_after: Duration,
    /// Silence after which the log fails.
    pub stall: Duration,
    /// Time between two attempts to end a failure.
    pub retry: Duration,
    /// Time between two looks at the free space.
    pub look: Duration,
    /// Time between two notes that are signed.
    pub checkpoint: Duration,
    /// Time between two looks for segments to compress.
    pub pack: Duration,
    /// Age at which a segment takes no more records.
    pub rotate: Duration,
}

impl Tuning {
    /// As audit.md says.
    pub const STANDARD: Self = Self {
        segment: 64 * 1024 * 1024,
        sync_after: Duration::from_millis(50),
        stall: Duration::from_secs(5),
        retry: Duration::from_millis(500),
        look: Duration::from_millis(400),
        checkpoint: INTERVAL,
        pack: Duration::from_secs(5),
        rotate: Duration::from_secs(60 * 60),
    };
}

/// One event to record.
#[derive(Debug)]
pub struct Entry {
    /// What happened.
    pub event: Box<Event>,
    /// Number of the record that announced it.
    pub intent: Option<u64>,
}

/// The audit log. A clone is another handle to the same log; with the last one the log ends as if the process had died,
/// unless it was [closed](Log::close).
#[derive(Debug, Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Writer>>,
    threads: Vec<JoinHandle<()>>,
}

impl Log {
    /// Takes up the log in a directory, or begins one, and starts to write.
    ///
    /// # Errors
    ///
    /// The directory cannot be written to, another process writes there, what is there was altered, or there is no room.
    pub fn open(settings: Settings, observer: Arc<dyn LogObserver>) -> Result<Self, OpenError> {
        Self::open_with(settings, observer, Tuning::STANDARD, Arc::new(RealDisk))
    }

    /// The same for a process that is to take the place of another, which may still write there: then in a directory in that
    /// one, as a log of its own. The two name each other.
    ///
    /// # Errors
    ///
    /// As above, but that another process writes there.
    pub fn open_beside(settings: Settings, observer: Arc<dyn LogObserver>) -> Result<Self, OpenError> {
        let open = |site: &Site| {
            Self::open_at(site, settings.clone(), Arc::clone(&observer), Tuning::STANDARD, Arc::new(RealDisk))
        };
        let base = &settings.directory;
        let mut opened = open(&Site::main(base));
        if !opened.as_ref().is_err_and(OpenError::is_taken) {
            return opened;
        }
        let sites = Site::beside(base).map_err(|error| OpenError::io(base, "the audit log cannot be read", &error))?;
        for site in sites {
            opened = open(&site);
            if !opened.as_ref().is_err_and(OpenError::is_taken) {
                break;
            }
        }
        opened
    }

    pub(super) fn open_with(
        settings: Settings,
        observer: Arc<dyn LogObserver>,
        tuning: Tuning,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, OpenError> {
        Self::open_at(&Site::main(&settings.directory), settings, observer, tuning, disk)
    }

    fn open_at(
        site: &Site,
        settings: Settings,
        observer: Arc<dyn LogObserver>,
        tuning: Tuning,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, OpenError> {
        let writer = Writer::open(site, settings, observer, tuning, disk)?;
        let shared = writer.shared();
        let writer = Arc::new(Mutex::new(writer));
        let path = shared.directory.path().to_owned();
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.into())
                .spawn(work)
                .map_err(|error| OpenError::io(&path, "no thread can be started for the audit log", &error))
        };
        let (to_write, to_sync, to_watch) = (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
        let to_pack = Arc::clone(&shared);
        let mut handle = Handle { shared, writer: Arc::clone(&writer), threads: Vec::with_capacity(4) };
        // Should one not start, dropping the handle ends those that did.
        handle.threads.push(start("audit-writer", Box::new(move || writer::run(&writer, &to_write)))?);
        handle.threads.push(start("audit-sync", Box::new(move || sync::run(&to_sync)))?);
        handle.threads.push(start("audit-pack", Box::new(move || pack::run(&to_pack)))?);
        handle.threads.push(start("audit-watch", Box::new(move || watch::run(&to_watch)))?);
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Hands over events that belong together, in order. Waits while the queue is full.
    ///
    /// What is handed over is recorded even where nobody waits for the result.
    pub async fn submit(&self, batch: Vec<Entry>) -> Pending {
        let shared = &*self.handle.shared;
        if batch.is_empty() {
            return Pending(Waiting::Known(Ok(shared.head().0)));
        }
        let last_words = are_last_words(&batch);
        if shared.refusing() && !last_words {
            return Pending(Waiting::Known(Err(LogFailing)));
        }
        let spelled = Lent::spell(batch, shared.name.hashing.as_deref());
        let way = in_place::way(shared);
        if way == Way::AtOnce
            && let Some(written) = in_place::write_at_once(shared, &self.handle.writer, &spelled)
        {
            return Pending(Waiting::Known(written));
        }
        let lines = spelled.len();
        if !shared.has_room_for(lines).await {
            return Pending(Waiting::Known(Err(LogFailing)));
        }
        let (done, mut written) = oneshot::channel();
        shared.enqueue(Batch { lines, last_words, done }, &spelled);
        drop(spelled);
        if way == Way::Together
            && let Some(told) = in_place::write_together(shared, &self.handle.writer, &mut written).await
        {
            return Pending(Waiting::Known(told));
        }
        in_place::write(shared, &self.handle.writer);
        Pending(Waiting::For(written))
    }

    /// Does the log fail, so that nothing may happen that it should record? Never under [`OnFailure::Continue`].
    #[must_use]
    pub fn failing(&self) -> bool {
        self.handle.shared.refusing()
    }

    /// Lets the log fail until it has tried again, for tests of those who wait for it.
    #[cfg(test)]
    pub(crate) fn fail(&self) {
        self.handle.shared.fail(crate::session::event::GapReason::IoError, &"a test says so");
    }

    /// Tells when [`Log::failing`] changes.
    #[must_use]
    pub fn watch_failing(&self) -> changes::Receiver<bool> {
        self.handle.shared.watch_refusing()
    }

    /// Number and hash of the newest record, and the id of the log.
    #[must_use]
    pub fn head(&self) -> (u64, Hash, Arc<str>) {
        let (seq, hash) = self.handle.shared.head();
        (seq, hash, Arc::clone(&self.handle.shared.name.log))
    }

    /// The newest note, as it was signed; none where the log has no key.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<str>> {
        self.handle.shared.newest_note()
    }

    /// Where it is written.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.handle.shared.directory.path()
    }

    /// Waits for word of the writer: it is at work, be it that the log fails. `false`: it has ended.
    pub async fn answers(&self) -> bool {
        let (word, heard) = oneshot::channel();
        self.handle.shared.ask(word);
        heard.await.is_ok()
    }

    /// Seals the open segment and begins the next one.
    ///
    /// # Errors
    ///
    /// The log fails, or ends.
    pub async fn rotate(&self) -> Result<Rotated, LogFailing> {
        let (word, rotated) = oneshot::channel();
        self.handle.shared.ask_to_rotate(word);
        rotated.await.map_err(|_| LogFailing)
    }

    /// Records waiting to be written, and how many may wait.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        self.handle.shared.queued()
    }

    /// Records `proxy.stop`, ends the segment and has the disk hold it. Nothing can be recorded after that.
    ///
    /// # Errors
    ///
    /// The log fails, and the last records could not be written even into the room kept for them.
    pub async fn close(&self, reason: StopReason) -> Result<(), LogFailing> {
        let (done, closed) = oneshot::channel();
        self.handle.shared.stop(Stop::Close(reason, done));
        closed.await.map_err(|_| LogFailing)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop(Stop::Abandon);
        for thread in self.threads.drain(..) {
            // One that panicked has said so, and made the log fail.
            let _ = thread.join();
        }
    }
}

/// A batch that was handed over.
#[derive(Debug)]
#[must_use = "what was not recorded must not happen"]
pub struct Pending(Waiting);

#[derive(Debug)]
enum Waiting {
    Known(Result<u64, LogFailing>),
    For(oneshot::Receiver<u64>),
}

impl Pending {
    /// Waits until the whole batch is in the kernel: no kill of this process can lose it; with [`Durability::Strict`] until
    /// it is on disk, and no loss of power can. Gives the number of its last
    /// record.
    ///
    /// # Errors
    ///
    /// The log fails, and the batch must be taken as not recorded.
    pub async fn written(self) -> Result<u64, LogFailing> {
        match self.0 {
            Waiting::Known(result) => result,
            Waiting::For(written) => written.await.map_err(|_| LogFailing),
        }
    }
}
