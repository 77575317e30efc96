//! Reads of the log that no running proxy takes down: `access.jsonl` beside the segments, a chain of its own.
//!
//! ```text
//!   audit query ─▶ POST /api/v1/audit/access ─▶ audit.access in the log        where a proxy runs and may be asked
//!              └─▶ access.jsonl, {"seq":0, … }                                  else
//! ```
//!
//! The segments are evidence, and whoever reads a copy of them must not change it: so what the tools write themselves
//! stands apart. Whoever may write the directory may also take this file away; it tells of those who mean no harm.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::FlockOperation;

use super::chain::Position;
use super::hashing::Hashing;
use super::ids;
use super::line::Line;
use super::record::{self, LogName, MAX_LINE};
use super::segment;
use super::stamp::Stamp;
use crate::session::event::{Event, EventKind};

/// The file's name.
const FILE: &str = "access.jsonl";

/// Writes down that somebody read the log, behind what was written there before.
///
/// # Errors
/// Where the directory cannot be written to, or what stands in the file is no such chain.
pub fn append_access(
    directory: &Path,
    kind: EventKind,
    node: Arc<str>,
    hashing: Option<Arc<Hashing>>,
) -> io::Result<()> {
    let mut file = segment::create(&directory.join(FILE), false)?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    let (log, mut position, end) = newest(&mut file)?;
    // What a process that died left of a line, nobody was told that it stands.
    file.set_len(end)?;
    let name = LogName { log: log.unwrap_or_else(ids::log_id), node, hashing };
    let mut lines = Vec::new();
    record::write(&Event::of_proxy(kind), &Stamp::new(Timestamp::now()), &name, None, &mut position, &mut lines);
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&lines)?;
    file.sync_data()
}

/// The id of the chain, what comes next in it, and where its whole lines end.
fn newest(file: &mut File) -> io::Result<(Option<Arc<str>>, Position, u64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * MAX_LINE as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(2 * MAX_LINE as u64).read_to_end(&mut tail)?;
    let Some(end) = memchr::memrchr(b'\n', &tail) else {
        return if from == 0 { Ok((None, Position::START, 0)) } else { Err(not_a_chain()) };
    };
    let whole = tail.get(..end).unwrap_or_default();
    let last = memchr::memrchr(b'\n', whole).map_or(whole, |at| whole.get(at.saturating_add(1)..).unwrap_or_default());
    let line = Line::parse(last).map_err(|_| not_a_chain())?;
    let position = Position { next_seq: line.seq, ..Position::START }.after(last);
    let end = from.saturating_add(end as u64).saturating_add(1);
    Ok((Some(line.log.as_ref().into()), position, end))
}

fn not_a_chain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is not what this program writes"))
}

/// What was found in that file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFound {
    /// Whole lines that follow each other from the first one on.
    pub records: u64,
    /// The first line that does not, from 1, and what is wrong with it.
    pub wrong: Option<(u64, &'static str)>,
}

/// Are the reads that were written down what was written? `None` where there are none.
///
/// # Errors
/// Where the file cannot be read.
pub fn verify_access(directory: &Path) -> io::Result<Option<AccessFound>> {
    let octets = match fs::read(directory.join(FILE)) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = AccessFound { records: 0, wrong: None };
    let (mut position, mut log) = (Position::START, None);
    for bytes in octets.split_inclusive(|octet| *octet == b'\n') {
        let Some(bytes) = bytes.strip_suffix(b"\n") else { break };
        let wrong = match Line::parse(bytes) {
            Err(_) => Some("not a record of this version"),
            Ok(line) if log.as_deref().is_some_and(|log| *log != *line.log) => Some("of another chain"),
            Ok(line) if !line.follows(position) => Some("does not follow the line before it"),
            Ok(line) => {
                log = Some(line.log.into_owned());
                None
            }
        };
        if let Some(what) = wrong {
            found.wrong = Some((found.records.saturating_add(1), what));
            break;
        }
        found.records = found.records.saturating_add(1);
        position = position.after(bytes);
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::AccessVia;

    fn access(rows: u64) -> EventKind {
        EventKind::AuditAccess {
            who: "ann".into(),
            via: AccessVia::Cli,
            command: "query".into(),
            filter: "user=bob".into(),
            rows: Some(rows),
            case: Some("IR-204".into()),
        }
    }

    #[test]
    fn reads_are_chained_and_what_was_done_to_them_is_found() {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let path = folder.path().join(FILE);
        let add = |rows| append_access(folder.path(), access(rows), "mx-a1".into(), None);
        let verify = || verify_access(folder.path()).expect("it can be read");
        assert_eq!(verify(), None);
        (0..3).for_each(|rows| add(rows).expect("it is ours"));
        // A process that died in the middle of a line.
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, [&whole[..], b"{\"v\":1,\"se"].concat()).expect("it is ours");
        add(3).expect("it is ours");
        assert_eq!(verify(), Some(AccessFound { records: 4, wrong: None }));
        let text = fs::read_to_string(&path).expect("it is there");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[3].contains("\"seq\":3") && lines[3].contains("\"case\":\"IR-204\""), "{}", lines[3]);
        for (name, changed, line) in [
            ("edited", text.replacen("\"rows\":1", "\"rows\":9", 1), 3),
            ("taken out", format!("{}\n{}\n", lines[0], lines[2]), 2),
            ("rubbish", format!("{}\nrubbish\n", lines[0]), 2),
        ] {
            fs::write(&path, changed).expect("it is ours");
            assert_eq!(verify().and_then(|found| found.wrong).map(|(line, _)| line), Some(line), "{name}");
        }
        assert!(add(4).is_err(), "nothing is written behind rubbish");
    }
}
