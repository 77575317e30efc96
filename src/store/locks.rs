//! Locks, in `[state] directory`: written and on disk before whoever asked hears of it.
//!
//! ```text
//!   {"v":1,"locks":[{"id":"…","user":"ann@example.org","since":"…","until":"…","by":"on-call","why":"phone was stolen"}]}
//! ```
//!
//! A new file takes the place of the old one as a whole. A file that cannot be read keeps the proxy from starting: it would
//! let in whom somebody has locked out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::session::locks::{Lock, Locked};

/// The file in the directory.
const FILE: &str = "locks.json";

/// What is being written.
const NEW: &str = "locks.json.new";

/// Held by whoever changes them.
const HELD: &str = "locks.held";

/// A version of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    file: u64,
    len: u64,
    changed: (i64, i64),
}

/// Where locks are kept.
#[derive(Debug, Clone)]
pub struct LockFile {
    directory: PathBuf,
}

impl LockFile {
    /// In this directory, which is made when there is something to be kept.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Which version of it is there: another process may have written it.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let facts = fs::metadata(self.path()).ok()?;
        Some(Version { file: facts.ino(), len: facts.len(), changed: (facts.mtime(), facts.mtime_nsec()) })
    }

    /// Waits until no other process changes it, and keeps others from that as long as it is held.
    ///
    /// # Errors
    /// If that cannot be asked for.
    pub fn hold(&self) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(HELD);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(file)
    }

    /// What was kept.
    ///
    /// # Errors
    /// If there is a file and it cannot be read.
    pub fn read(&self) -> io::Result<Vec<Arc<Lock>>> {
        let text = match fs::read_to_string(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        locks_of(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no list of locks"))
    }

    /// Keeps these and no others. On disk when it returns.
    ///
    /// # Errors
    /// If that cannot be done: then what was there stays.
    pub fn write(&self, locks: &[Arc<Lock>]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let new = self.directory.join(NEW);
        let text = json!({ "v": 1, "locks": locks.iter().map(|lock| told(lock)).collect::<Vec<_>>() });
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.directory)?.sync_all()
    }
}

/// A lock as the file and the API have it.
#[must_use]
pub fn told(lock: &Lock) -> Value {
    let mut told = json!({
        "id": &*lock.id, "since": lock.since.to_string(), "until": lock.until.to_string(), "by": &*lock.by, "why": &*lock.why,
    });
    match &lock.whom {
        Locked::User(user) => told["user"] = (**user).into(),
        Locked::From(network) => told["client_ip"] = network.to_string().into(),
    }
    told
}

/// All of them, or `None`: one that is not understood may keep anybody out.
fn locks_of(text: &str) -> Option<Vec<Arc<Lock>>> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value["v"] != 1 {
        return None;
    }
    value["locks"].as_array()?.iter().map(|lock| lock_of(lock).map(Arc::new)).collect()
}

fn lock_of(value: &Value) -> Option<Lock> {
    let word = |key: &str| value[key].as_str();
    let time = |key: &str| word(key)?.parse::<Timestamp>().ok();
    let whom = match (word("user"), word("client_ip")) {
        (Some(user), None) => Locked::User(user.into()),
        (None, Some(network)) => Locked::From(network.parse().ok()?),
        _ => return None,
    };
    let (id, by, why) = (word("id")?.into(), word("by")?.into(), word("why")?.into());
    Some(Lock { id, whom, since: time("since")?, until: time("until")?, by, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(id: &str, whom: Locked) -> Arc<Lock> {
        let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(1_900_000_000).unwrap());
        Arc::new(Lock { id: id.into(), whom, since, until, by: "ops".into(), why: "\"lost\"\n".into() })
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = LockFile::in_directory(&directory.path().join("state"));
        assert_eq!(file.read().unwrap(), []);
        let locks =
            [lock("a", Locked::User("ann@x".into())), lock("b", Locked::From("2001:db8::/64".parse().unwrap()))];
        file.write(&locks).unwrap();
        assert_eq!(file.read().unwrap(), locks);
        // What a crash left half written is not looked at.
        fs::write(directory.path().join("state").join(NEW), "{\"v\":1,\"lo").unwrap();
        assert_eq!(file.read().unwrap(), locks);
        file.write(&[]).unwrap();
        assert_eq!(file.read().unwrap(), []);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = LockFile::in_directory(directory.path());
        let row = "\"since\":\"1970-01-01T00:00:00Z\",\"until\":\"2030-01-01T00:00:00Z\",\"by\":\"x\",\"why\":\"x\"";
        for (name, text) in [
            ("nothing", String::new()),
            ("a part", "{\"v\":1,\"locks\":[".to_owned()),
            ("another version", "{\"v\":2,\"locks\":[]}".to_owned()),
            ("nobody", format!("{{\"v\":1,\"locks\":[{{\"id\":\"a\",{row}}}]}}")),
            ("somebody of a kind to come", format!("{{\"v\":1,\"locks\":[{{\"id\":\"a\",\"group\":\"x\",{row}}}]}}")),
            ("no address", format!("{{\"v\":1,\"locks\":[{{\"id\":\"a\",\"client_ip\":\"x\",{row}}}]}}")),
        ] {
            fs::write(file.path(), text).unwrap();
            assert!(file.read().is_err(), "{name}");
        }
    }

    #[test]
    fn where_nothing_can_be_written_what_was_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(LockFile::in_directory(&file.join("state")).write(&[]).is_err());
    }
}
