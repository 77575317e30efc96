//! Whoever reads the log leaves a record of it: in the log, through a proxy that runs, else beside it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Where;
use super::keys::{Key, key_for};
use crate::audit::{HashedField, Hashing, Line, append_access, is_live, newest};
use crate::cli::admin_call::Call;
use crate::config::Role;
use crate::report::Coverage;
use crate::report::Filter;
use crate::session::event::{AccessVia, EventKind};

/// For what the log is read.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Purpose {
    /// The case that this is for: it stands in the record that the reading leaves (audit.access).
    #[arg(long, value_name = "ID")]
    case: Option<String>,
}

/// To be asked, and answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was read.
pub(super) struct Reading<'r> {
    pub place: &'r Where,
    pub directory: &'r Path,
    /// The tool.
    pub command: &'r str,
    pub filter: &'r Filter,
    /// Records or rows that were shown.
    pub rows: u64,
    pub purpose: &'r Purpose,
}

impl Reading<'_> {
    /// Leaves the record; that it could not be left is said, and keeps nobody from reading: whoever has the files can.
    pub fn leave(&self, hash_key: Option<&Path>, coverage: &Coverage) {
        if self.told_to_the_proxy() {
            return;
        }
        let key = match key_for(self.place, hash_key) {
            Ok(Key::Read(key)) => Some(key),
            Ok(Key::None) | Err(_) => None,
        };
        let mut fields = coverage.hashed().clone();
        fields.extend(hashed_lately(self.directory));
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
            rows: self.rows,
            case: self.purpose.case.as_deref().map(Into::into),
        };
        let node = rustix::system::uname().nodename().to_string_lossy().as_ref().into();
        if let Err(error) = append_access(self.directory, event, node, hashing) {
            eprintln!("this reading is on no record: {error}");
        }
    }

    /// In the log itself, which only the process that writes it may do.
    fn told_to_the_proxy(&self) -> bool {
        let Some(config) = self.place.config_file().filter(|_| is_live(self.directory)) else { return false };
        let Some(call) = Call::by_config(config, &[Role::Auditor], TIMEOUT) else { return false };
        let body = json!({
            "who": account(),
            "command": self.command,
            "filter": self.filter.said(&BTreeSet::new()),
            "rows": self.rows,
            "case": self.purpose.case,
        });
        call.ask("POST", "/api/v1/audit/access", Some(&body.to_string())).is_ok_and(|answer| answer.is_ok())
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
