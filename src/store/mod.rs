//! WHAT OUTLIVES THE PROCESS, and is no evidence: verdicts on messages and floors under UIDNEXT, in `[state] directory`.
//!
//! ```text
//!   sessions ─▶ Memory ──changes, each second──▶ one thread ─▶ verdicts.redb
//!                  ▲───────restored at start─────────┘
//! ```
//!
//! Locks are kept apart from these ([`LockFile`]): what somebody asked for is on disk before they hear of it.
//!
//! Sessions never wait for it, and never read from it: all of it is in memory. What a crash takes is the last second; what
//! is damaged is put aside and begun anew. Either costs time, and no answer.

mod locks;

pub use locks::{LockFile, Version, told};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use crate::session::verdicts::Memory;

/// The file in the directory.
const FILE: &str = "verdicts.redb";

/// What was found damaged.
const BROKEN: &str = "verdicts.redb.broken";

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("mailboxes");

/// How long a change waits at most.
const DELAY: Duration = Duration::from_secs(1);

/// Of the file, what redb keeps in memory: all of it is in [`Memory`] already.
const CACHE: usize = 1024 * 1024;

/// Writes down what changes, until it is dropped: then the rest, too.
#[derive(Debug)]
pub struct Store {
    /// Dropped first: that ends the thread.
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Restores what is there, and begins to write down what changes.
    ///
    /// # Errors
    /// If the directory cannot be made, or no thread can.
    pub fn open(directory: &Path, memory: &Arc<Memory>) -> io::Result<Self> {
        Self::writing_every(DELAY, directory, memory)
    }

    fn writing_every(delay: Duration, directory: &Path, memory: &Arc<Memory>) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        memory.watch();
        let mut keeper =
            Keeper { directory: directory.to_owned(), memory: Arc::clone(memory), database: None, told: false };
        keeper.open();
        let (stop, stopped) = channel();
        let writer = Builder::new().name("store".to_owned()).spawn(move || keeper.keep(&stopped, delay))?;
        Ok(Self { stop: Some(stop), writer: Some(writer) })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::warn!("the store of verdicts broke off");
        }
    }
}

struct Keeper {
    directory: PathBuf,
    memory: Arc<Memory>,
    /// `None` while another process has it: then changes wait in memory.
    database: Option<Database>,
    /// It has been said that it does not work.
    told: bool,
}

impl Keeper {
    fn keep(mut self, stopped: &Receiver<()>, delay: Duration) {
        loop {
            let goes_on = matches!(stopped.recv_timeout(delay), Err(RecvTimeoutError::Timeout));
            if self.database.is_none() {
                self.open();
            }
            self.write();
            if !goes_on {
                return;
            }
        }
    }

    fn open(&mut self) {
        match self.opened() {
            Ok(database) => self.database = Some(database),
            // The process before this one still writes: it is soon gone.
            Err(Wrong::InUse) => {}
            Err(Wrong::Other(error)) => self.tell(&error),
        }
    }

    fn opened(&self) -> Result<Database, Wrong> {
        let file = self.directory.join(FILE);
        match self.read(&file) {
            Err(Wrong::Other(error)) if file.exists() => {
                tracing::warn!(file = %file.display(), %error, "verdicts cannot be read: begun anew, judged again");
                let aside = self.directory.join(BROKEN);
                fs::rename(&file, &aside).map_err(|error| Wrong::Other(error.to_string()))?;
                self.read(&file)
            }
            result => result,
        }
    }

    /// Opens the file and restores what is in it.
    fn read(&self, file: &Path) -> Result<Database, Wrong> {
        let database = Database::builder().set_cache_size(CACHE).create(file)?;
        let transaction = database.begin_write().map_err(wrong)?;
        transaction.open_table(TABLE).map_err(wrong)?;
        transaction.commit().map_err(wrong)?;
        let table = database.begin_read().map_err(wrong)?.open_table(TABLE).map_err(wrong)?;
        for entry in table.iter().map_err(wrong)? {
            let (key, value) = entry.map_err(wrong)?;
            self.memory.restore(std::iter::once((key.value(), value.value())));
        }
        Ok(database)
    }

    fn write(&mut self) {
        let Some(database) = &self.database else { return };
        let changes = self.memory.changes();
        if changes.is_empty() {
            return;
        }
        if let Err(Wrong::Other(error)) = put(database, &changes) {
            // What was to be written is judged again after a restart.
            self.tell(&error);
        }
    }

    fn tell(&mut self, error: &str) {
        if !self.told {
            tracing::warn!(directory = %self.directory.display(), error, "verdicts are not kept over a restart");
        }
        self.told = true;
    }
}

fn put(database: &Database, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), Wrong> {
    let transaction = database.begin_write().map_err(wrong)?;
    {
        let mut table = transaction.open_table(TABLE).map_err(wrong)?;
        for (key, entry) in changes {
            match entry {
                Some(entry) => drop(table.insert(key.as_slice(), entry.as_slice()).map_err(wrong)?),
                None => drop(table.remove(key.as_slice()).map_err(wrong)?),
            }
        }
    }
    transaction.commit().map_err(wrong)
}

#[derive(Debug)]
enum Wrong {
    InUse,
    Other(String),
}

fn wrong(error: impl std::fmt::Display) -> Wrong {
    Wrong::Other(error.to_string())
}

impl From<DatabaseError> for Wrong {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            other => wrong(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::imap::message::Uid;
    use crate::policy::Lasting;
    use crate::session::verdicts::{Judged, Place, Verdicts};

    const DIGEST: [u8; 32] = [7; 32];

    fn place(number: u32) -> Place {
        Place::new("ann@example.org", "main", &number.to_be_bytes(), 1)
    }

    fn judged(number: u32) -> Judged {
        let mut judged = Judged::default();
        judged.insert(Uid::new(number).unwrap(), &Lasting::from_bytes(&[2]));
        judged
    }

    fn open(directory: &Path) -> (Arc<Memory>, Store) {
        let memory = Arc::new(Memory::default());
        let store = Store::open(directory, &memory).unwrap();
        (memory, store)
    }

    #[test]
    fn what_was_remembered_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        for round in 1..4_u32 {
            let (memory, store) = open(directory.path());
            for number in 1..round {
                assert_eq!(memory.recall(&place(number), &DIGEST), judged(number), "round {round}");
                assert_eq!(memory.floor(&place(number)).map(Uid::get), Some(number));
            }
            memory.remember(&place(round), &DIGEST, &judged(round));
            memory.raise_floor(&place(round), Uid::new(round).unwrap());
            drop(store);
        }
    }

    #[test]
    fn what_is_damaged_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        for (name, octets) in
            [("garbage", vec![b'x'; 70_000]), ("nothing", Vec::new()), ("a few octets", b"redb\x1a".to_vec())]
        {
            fs::write(directory.path().join(FILE), octets).unwrap();
            let (memory, store) = open(directory.path());
            memory.remember(&place(5), &DIGEST, &judged(5));
            drop(store);
            let (memory, store) = open(directory.path());
            assert_eq!(memory.recall(&place(5), &DIGEST), judged(5), "{name}");
            drop(store);
        }
        assert!(directory.path().join(BROKEN).exists());
    }

    #[test]
    fn another_process_may_have_it_still() {
        let directory = tempfile::tempdir().unwrap();
        let (first, its_store) = open(directory.path());
        first.remember(&place(1), &DIGEST, &judged(1));
        let (second, store) = open(directory.path());
        second.remember(&place(2), &DIGEST, &judged(2));
        drop(its_store);
        // Its last attempt finds the file free.
        drop(store);
        let (third, _store) = open(directory.path());
        let known = [1, 2].map(|number| third.recall(&place(number), &DIGEST) == judged(number));
        assert_eq!(known, [true, true]);
    }

    /// Plays the process that is killed, in a process of its own.
    fn write_until_killed(directory: &Path) {
        let memory = Arc::new(Memory::default());
        let _store = Store::writing_every(Duration::from_millis(1), directory, &memory).unwrap();
        for number in 1.. {
            memory.remember(&place(number), &DIGEST, &judged(number));
            println!("{number}");
        }
    }

    #[test]
    fn whoever_is_killed_loses_the_last_moment_only() {
        const DIRECTORY: &str = "IMAPWARDEN_TEST_KILLED";
        if let Some(directory) = std::env::var_os(DIRECTORY) {
            return write_until_killed(Path::new(&directory));
        }
        let test = "store::tests::whoever_is_killed_loses_the_last_moment_only";
        let mut most = 0;
        for lines in [500, 3000, 1500, 700, 4000] {
            let directory = tempfile::tempdir().unwrap();
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([test, "--exact", "--nocapture"])
                .env(DIRECTORY, directory.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let last = output.lines().nth(lines);
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(last.is_some() && directory.path().join(FILE).exists());
            let (memory, _store) = open(directory.path());
            let is_kept = |number: &u32| memory.recall(&place(*number), &DIGEST) == judged(*number);
            let last = (1..20_000).rfind(is_kept).unwrap_or(0);
            // What one round of writing misses the next one has.
            assert!((1..last.saturating_sub(1000)).all(|number| is_kept(&number)), "of {last}");
            assert!(!directory.path().join(BROKEN).exists());
            most = most.max(last);
        }
        assert!(most > 0);
    }

    #[test]
    fn without_a_place_to_write_it_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Store::open(&file.join("state"), &Arc::new(Memory::default())).is_err());
    }
}
