//! Whoever reads the log leaves a record of it: in the log, through a proxy that runs, else beside it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Where;
use super::keys::{Key, key_for};
use crate::audit::{HashedField, Hashing, Line, append_access, is_live, logs, newest};
use crate::cli::admin_call::Call;
use crate::config::Role;
use crate::report::Filter;
use crate::session::event::{AccessVia, EventKind};

/// For what the log is read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct Purpose {
    /// The case that this is for: it stands in the record that the reading leaves (audit.access).
    #[arg(long, value_name = "ID")]
    case: Option<String>,
}

/// To be asked, and answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is read.
pub(in crate::cli) struct Reading<'r> {
    pub place: &'r Where,
    /// Where all logs are.
    pub directory: &'r Path,
    /// The tool.
    pub command: &'r str,
    pub filter: &'r Filter,
    pub purpose: &'r Purpose,
    pub hash_key: Option<&'r Path>,
}

impl Reading<'_> {
    /// Leaves the record of it: records or rows that are shown, and of what there are hashes in the log as far as it was looked
    /// at. That it could not be left is said, and keeps nobody from reading: whoever has the files can.
    pub fn leave(&self, rows: Option<u64>, hashed: &BTreeSet<HashedField>) {
        if self.told_to_the_proxy(rows) {
            return;
        }
        let key = match key_for(self.place, self.hash_key) {
            Ok(Key::Read(key)) => Some(key),
            Ok(Key::None) | Err(_) => None,
        };
        let mut fields = hashed.clone();
        for log in self.logs() {
            fields.extend(hashed_lately(&log));
        }
        let secret = match &key {
            Some(_) => BTreeSet::new(),
            None => fields.clone(),
        };
        let hashing = key.map(|key| Arc::new(Hashing { key: *key, fields }));
        let event = EventKind::AuditAccess {
            who: account().into(),
            via: AccessVia::Cli,
            command: self.command.into(),
            filter: self.filter.said(&secret).into(),
            rows,
            case: self.purpose.case.as_deref().map(Into::into),
        };
        let node = rustix::system::uname().nodename().to_string_lossy().as_ref().into();
        if let Err(error) = append_access(self.directory, event, node, hashing) {
            eprintln!("this reading is on no record: {error}");
        }
    }

    fn logs(&self) -> Vec<PathBuf> {
        logs(self.directory).unwrap_or_default()
    }

    /// In the log itself, which only the process that writes it may do.
    fn told_to_the_proxy(&self, rows: Option<u64>) -> bool {
        let live = || self.logs().iter().any(|log| is_live(log));
        let Some(config) = self.place.config_file().filter(|_| live()) else { return false };
        let Some(call) = Call::by_config(config, &[Role::Auditor], TIMEOUT) else { return false };
        let body = json!({
            "who": account(),
            "command": self.command,
            "filter": self.filter.said(&BTreeSet::new()),
            "rows": rows,
            "case": self.purpose.case,
        });
        call.ask("POST", "/api/v1/audit/access", Some(&body.to_string())).is_ok_and(|answer| answer.is_ok())
    }
}

/// Octets that are held until it is known how much is shown; what is more begins to be shown before.
const HELD: usize = 1024 * 1024;

/// Output that begins once it is on record that somebody reads the log: whoever is killed while it goes on has read.
pub(in crate::cli) struct Shown<'r, W> {
    reading: Reading<'r>,
    out: W,
    held: Vec<u8>,
    begun: bool,
    /// Of what there are hashes in the logs, as far as they were looked at.
    pub hashed: BTreeSet<HashedField>,
}

impl<'r, W: Write> Shown<'r, W> {
    pub fn new(reading: Reading<'r>, out: W) -> Self {
        Self { reading, out, held: Vec::new(), begun: false, hashed: BTreeSet::new() }
    }

    fn begin(&mut self, rows: Option<u64>) -> io::Result<()> {
        self.reading.leave(rows, &self.hashed);
        self.begun = true;
        self.out.write_all(&std::mem::take(&mut self.held))
    }

    /// All is there that is shown: so many records or rows.
    pub fn end(mut self, rows: u64) -> io::Result<()> {
        match self.begun {
            // How many they were becomes known only now.
            true => self.reading.leave(Some(rows), &self.hashed),
            false => self.begin(Some(rows))?,
        }
        self.out.flush()
    }

    /// Nothing of the log is shown, but why.
    pub fn end_unread(mut self) -> io::Result<()> {
        self.out.write_all(&self.held)?;
        self.out.flush()
    }
}

impl<W: Write> Write for Shown<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.begun {
            return self.out.write(octets);
        }
        self.held.extend_from_slice(octets);
        if self.held.len() > HELD {
            self.begin(None)?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.begun { self.out.flush() } else { Ok(()) }
    }
}

/// Octets at the end of the log that tell what it hashes, where nobody looked at all of it.
const LATELY: u64 = 1024 * 1024;

fn hashed_lately(directory: &Path) -> BTreeSet<HashedField> {
    let lines = newest(directory, LATELY).unwrap_or_default();
    let lines = lines.iter().filter_map(|line| Line::parse(line).ok());
    let pointers = lines.flat_map(|line| line.hashed());
    pointers.filter_map(|pointer| HashedField::of_pointer(pointer.as_str())).collect()
}

/// The account on this machine, and behind `sudo` whose it was.
fn account() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    let name = named.unwrap_or_else(|| format!("uid {uid}"));
    match std::env::var("SUDO_USER") {
        Ok(behind) if uid == 0 && !behind.is_empty() => format!("{name}, sudo by {behind}"),
        _ => name,
    }
}
