//! A log on a disk that can be full, broken or stuck.

mod beside;
mod failing;
mod in_place;
mod killing;
mod packing;
mod purging;
mod reading;
pub(crate) mod schema;
mod signing;
mod starting;
mod strict;
mod tampering;
mod verifying;
mod writing;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::chain::{Hash, Position};
use super::line::Line;
use super::log::Tuning;
use super::segment::{self, Disk, Noted, RealDisk, Space};
use super::{Entry, Log, OpenError, Settings};
use crate::session::event::{Durability, Event, EventKind, GapReason, LogObserver, OnFailure, UpstreamError};

/// How the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    /// No write of segments finds room.
    Full,
    /// No write of segments finds room but that of the reserve.
    FullButReserve,
    /// A part of each write arrives.
    Half,
    /// Syncs fail.
    Unsynced,
    /// Writes do not return.
    Stuck,
    /// Syncs do not return.
    StuckSync,
}

/// A disk with moods.
struct MoodyDisk {
    directory: PathBuf,
    mood: Mutex<Mood>,
    changed: Condvar,
    free: Mutex<Option<u64>>,
    /// Octets of segments that are on disk, and how often it was asked to hold some.
    synced: Mutex<(u64, u64)>,
    /// Calls that do not return.
    stuck: tokio::sync::watch::Sender<usize>,
}

impl MoodyDisk {
    fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no test panics with it") = mood;
        self.changed.notify_all();
    }

    fn set_free(&self, free: u64) {
        *self.free.lock().expect("no test panics with it") = Some(free);
    }

    /// Waits while this is the mood, and says which comes.
    fn while_stuck(&self, stuck: Mood) -> Mood {
        let mut mood = self.mood.lock().expect("no test panics with it");
        if *mood == stuck {
            self.stuck.send_modify(|n| *n += 1);
            mood = self.changed.wait_while(mood, |mood| *mood == stuck).expect("no test panics with it");
            self.stuck.send_modify(|n| *n -= 1);
        }
        *mood
    }

    /// Octets of the newest segment that are on disk, and how often it was asked to hold some.
    fn synced(&self) -> (u64, u64) {
        *self.synced.lock().expect("no test panics with it")
    }
}

impl Disk for MoodyDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let full = match self.while_stuck(Mood::Stuck) {
            Mood::Full => true,
            Mood::FullButReserve => self.directory.join("reserve").exists(),
            Mood::Half => {
                RealDisk.write_at(file, &bytes[..bytes.len() / 2], at)?;
                true
            }
            Mood::Works | Mood::Unsynced | Mood::Stuck | Mood::StuckSync => false,
        };
        if full { Err(io::ErrorKind::StorageFull.into()) } else { RealDisk.write_at(file, bytes, at) }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let handed = file.metadata()?.len();
        if self.while_stuck(Mood::StuckSync) == Mood::Unsynced {
            return Err(io::Error::other("no"));
        }
        RealDisk.sync(file)?;
        let mut synced = self.synced.lock().expect("no test panics with it");
        *synced = (handed, synced.1 + 1);
        Ok(())
    }

    fn space(&self, directory: &File) -> io::Result<Space> {
        match *self.free.lock().expect("no test panics with it") {
            Some(free) => Ok(Space { free, total: u64::MAX }),
            None => RealDisk.space(directory),
        }
    }
}

/// Remembers what the log told.
#[derive(Debug, Default)]
struct Told {
    lost: Mutex<u64>,
    failing: Mutex<Vec<bool>>,
    recorded: Mutex<u64>,
    signed: Mutex<u64>,
}

impl LogObserver for Told {
    fn recorded(&self, _area: &'static str) {
        *self.recorded.lock().expect("no test panics with it") += 1;
    }
    fn wrote(&self, _took: Duration) {}
    fn synced(&self, _took: Duration) {}
    fn signed(&self) {
        *self.signed.lock().expect("no test panics with it") += 1;
    }
    fn lost(&self, _reason: GapReason, n: u64) {
        *self.lost.lock().expect("no test panics with it") += n;
    }
    fn failing(&self, failing: bool) {
        self.failing.lock().expect("no test panics with it").push(failing);
    }
    fn disk_free(&self, ratio: f64) {
        assert!((0.0..=1.0).contains(&ratio));
    }
}

/// A directory, and what a log in it needs.
struct Bench {
    _temp: TempDir,
    directory: PathBuf,
    disk: Arc<MoodyDisk>,
    told: Arc<Told>,
    on_failure: OnFailure,
    durability: Durability,
    min_free: u64,
    keep: Option<Duration>,
    tuning: Tuning,
}

impl Bench {
    fn new(on_failure: OnFailure) -> Self {
        let temp = tempfile::tempdir().expect("a directory");
        let directory = temp.path().join("audit");
        let disk = MoodyDisk {
            directory: directory.clone(),
            mood: Mutex::new(Mood::Works),
            changed: Condvar::new(),
            free: Mutex::new(None),
            synced: Mutex::new((0, 0)),
            stuck: tokio::sync::watch::Sender::new(0),
        };
        Self {
            directory,
            _temp: temp,
            disk: Arc::new(disk),
            told: Arc::default(),
            on_failure,
            durability: Durability::Batched,
            min_free: 0,
            keep: None,
            tuning: Tuning {
                segment: 64 * 1024,
                sync_after: Duration::from_millis(5),
                stall: Duration::from_secs(60),
                retry: Duration::from_millis(5),
                look: Duration::from_millis(5),
                checkpoint: Duration::from_secs(60),
                // Most tests look into plain segments.
                pack: Duration::from_secs(60 * 60),
                rotate: Duration::from_secs(3600),
            },
        }
    }

    fn open(&self) -> Result<Log, OpenError> {
        let settings = Settings {
            directory: self.directory.clone(),
            on_failure: self.on_failure,
            durability: self.durability,
            min_free: self.min_free,
            keep: self.keep,
            hashing: None,
            node: "mx-a1".into(),
            version: "0.1.0".into(),
        };
        Log::open_with(settings, Arc::clone(&self.told) as _, self.tuning, Arc::clone(&self.disk) as _)
    }

    fn log(&self) -> Log {
        self.open().expect("the log opens")
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{number:08}.jsonl"))
    }

    fn lost(&self) -> u64 {
        *self.told.lost.lock().expect("no test panics with it")
    }
}

fn entry() -> Entry {
    let kind = EventKind::UpstreamState {
        upstream: "dovecot".into(),
        server: Some("mail.example.org:993".into()),
        up: false,
        reason: Some(UpstreamError::Timeout),
    };
    Entry { event: Box::new(Event::of_proxy(kind)), intent: None }
}

fn entries(n: usize) -> Vec<Entry> {
    (0..n).map(|_| entry()).collect()
}

/// Every line of a log, checked to be one chain.
fn chained(directory: &Path) -> Vec<Value> {
    let mut position = Position::START;
    let mut records = Vec::new();
    for number in segment::list(directory).expect("it can be read") {
        let bytes = fs::read(directory.join(format!("{number:08}.jsonl"))).expect("it can be read");
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "segment {number} is torn");
        for bytes in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = Line::parse(bytes).expect("a record");
            assert!(line.follows(position), "{} behind {position:?}", String::from_utf8_lossy(bytes));
            position = Position { next_seq: line.seq, prev: Hash::ZERO }.after(bytes);
            records.push(serde_json::from_slice(bytes).expect("JSON"));
        }
    }
    records
}

fn types(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["type"].as_str().expect("a type")).collect()
}

fn head(directory: &Path) -> Noted {
    Noted::read(directory).expect("there is a head").0
}
