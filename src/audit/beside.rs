//! Logs beside each other: while one process still ends, the one that takes its place writes a log of its own.
//!
//! ```text
//!   <directory>/            the log of whoever finds it free
//!   <directory>/<log id>/   that of whoever does not; taken up again by the next one that does not
//! ```
//!
//! The first record of each names the other logs, with the newest record of each: who takes one away, or cuts it behind that
//! record, is found by what the others say.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::ids;
use super::keys;
use super::line::Line;
use super::note::PublicKey;
use super::report::{Finding, Report};
use super::segment::{self, Noted};
use super::signed::Demands;
use super::verify::{Seen, look};
use crate::session::event::OtherLog;

/// Where a log is, and what is beside it.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub directory: PathBuf,
    /// Its id, where the directory has that name.
    pub log: Option<Arc<str>>,
    /// Where all of them are.
    base: PathBuf,
}

impl Site {
    /// The log of this directory itself.
    pub fn main(base: &Path) -> Self {
        Self { directory: base.to_owned(), log: None, base: base.to_owned() }
    }

    /// Where somebody may write who finds the log of the directory itself taken: first what is there, then a new one.
    pub fn beside(base: &Path) -> io::Result<Vec<Self>> {
        let inner = |log: Arc<str>| Self { directory: base.join(&*log), log: Some(log), base: base.to_owned() };
        Ok(names(base)?.into_iter().chain([ids::log_id()]).map(inner).collect())
    }

    /// The other logs, and the newest record of each that is on disk.
    pub fn others(&self) -> Vec<OtherLog> {
        let all = logs(&self.base).unwrap_or_default();
        let others = all.into_iter().filter(|directory| *directory != self.directory);
        let told = others.filter_map(|directory| {
            let (head, _) = Noted::read(&directory).ok()?;
            Some(OtherLog { log: id_of(&directory)?, seq: head.seq, hash: head.hash.to_string().into() })
        });
        told.collect()
    }
}

/// Directories in this one that are called as logs are.
fn names(base: &Path) -> io::Result<Vec<Arc<str>>> {
    let entries = match fs::read_dir(base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().filter(|name| ids::is_log_id(name) && entry.path().is_dir());
        names.extend(name.map(Arc::from));
    }
    names.sort();
    Ok(names)
}

/// Every log of a directory: its own first, then those in it.
///
/// # Errors
/// Where it cannot be read.
pub fn logs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let inner = names(directory)?.into_iter().map(|name| directory.join(&*name));
    Ok([directory.to_owned()].into_iter().chain(inner).filter(|log| is_begun(log)).collect())
}

fn is_begun(directory: &Path) -> bool {
    directory.join("head").exists() || segment::list(directory).is_ok_and(|segments| !segments.is_empty())
}

/// The id that the first record of a log says.
fn id_of(directory: &Path) -> Option<Arc<str>> {
    let first = segment::list(directory).ok()?.into_iter().next()?;
    let line = segment::first_line(directory, first).ok()??;
    Line::parse(&line).ok().map(|line| Arc::from(&*line.log))
}

/// Makes the first keys of the logs of a directory: of its own, and of those beside it, one of which is made for the process that
/// is going to need it. They are told again as long as the log of the directory has not begun to use its key.
///
/// # Errors
/// They have keys already, a process writes there, or a directory cannot be written to.
pub fn init(base: &Path, node: &str) -> Result<Vec<PublicKey>, OpenError> {
    let (own, refused) = match keys::init(base, node, None) {
        Ok((key, _)) => (Some(key), None),
        Err(error) if error.is_keyed() => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let mut beside = names(base).map_err(|error| OpenError::io(base, "the audit log cannot be read", &error))?;
    if beside.is_empty() {
        beside.push(ids::log_id());
    }
    let mut made: Vec<PublicKey> = own.into_iter().collect();
    for log in beside {
        match keys::init(&base.join(&*log), node, Some(&log)) {
            Ok((key, is_new)) => made.extend(Some(key).filter(|_| is_new || refused.is_none())),
            Err(error) if error.is_keyed() => {}
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if made.is_empty() => Err(error),
        _ => Ok(made),
    }
}

/// Looks at every log of a directory, each by itself and each by what the others say of it. What is demanded is of the first, but
/// for keys: those of the others are told by their names.
#[must_use]
pub fn verify_all(directory: &Path, demands: &Demands) -> Vec<Report> {
    let directories = match logs(directory) {
        Ok(logs) if logs.len() > 1 => logs,
        // That there is none, or that it cannot be read, is said of it.
        Ok(_) | Err(_) => vec![directory.to_owned()],
    };
    let mut named: BTreeMap<String, (Noted, String)> = BTreeMap::new();
    let mut reports: Vec<(String, Report)> = Vec::new();
    for (at, directory) in directories.iter().enumerate() {
        let mut log = String::new();
        let beside = demands_beside(directory, demands);
        let demands = if at == 0 { demands } else { &beside };
        let mut report = look(directory, demands, &mut |seen: Seen<'_>| {
            if log.is_empty() {
                log = seen.line.log.clone().into_owned();
            }
            if seen.line.type_name == "audit.open" {
                told_of_others(seen, &log, &mut named);
            }
        });
        // One that is signed has to be held against its key.
        report.signatures.wanted = true;
        reports.push((log, report));
    }
    for (log, (noted, by)) in named {
        match reports.iter().position(|(known, _)| *known == log) {
            Some(at) => {
                let (Some(directory), Some((_, report))) = (directories.get(at), reports.get_mut(at)) else { continue };
                let again = look(directory, &Demands { expect: Some(noted), ..Demands::default() }, &mut |_| {});
                if again.findings.n > report.findings.n {
                    report.findings = again.findings;
                }
            }
            None => {
                let what = format!("log {log} is missing: {by} names its record {}", noted.seq);
                if let Some((_, report)) = reports.first_mut() {
                    report.findings.push(|| Finding { seq: None, what });
                }
            }
        }
    }
    reports.into_iter().map(|(_, report)| report).collect()
}

/// What is demanded of a log beside the one that the demands are of.
fn demands_beside(directory: &Path, demands: &Demands) -> Demands {
    let log = id_of(directory).unwrap_or_default();
    let key = demands.beside.iter().find(|key| key.log() == &*log).cloned();
    let others = demands.key.iter().chain(&demands.beside).filter(|key| key.log() != &*log).cloned().collect();
    Demands { published: demands.published.clone().filter(|_| key.is_some()), key, beside: others, expect: None }
}

/// Keeps the newest record that is named of each.
fn told_of_others(seen: Seen<'_>, log: &str, named: &mut BTreeMap<String, (Noted, String)>) {
    let record: serde_json::Value = serde_json::from_slice(seen.bytes).unwrap_or_default();
    for (other, head) in record["data"]["others"].as_object().into_iter().flatten() {
        let Some(noted) = head.as_str().and_then(|head| head.parse::<Noted>().ok()) else { continue };
        let by = || (noted, format!("record {} of log {log}", seen.line.seq));
        let known = named.entry(other.clone()).or_insert_with(by);
        if known.0.seq < noted.seq {
            *known = by();
        }
    }
}
