//! One refusal, found by the reference that the client was told, and what the log knows of its session.
//!
//! ```text
//!   NO [NOPERM] not permitted (ref 4c2q8m0v7x1t-6)
//!                                   └── sid ───┘ └ cmd
//!   session.open ─▶ auth.success ─▶ client.id ─▶ … ─▶ the record of command 6
//! ```
//!
//! It reads; whether the log is whole is for `verify` to say.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use serde_json::Value;

use super::lines::{Lines, Piece};
use super::segment;

/// Session and command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    sid: String,
    cmd: u32,
}

impl FromStr for Reference {
    type Err = ();

    /// With or without the words around it, as it is copied from a mail program.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim().trim_start_matches('(').trim_end_matches(')');
        let text = text.strip_prefix("ref ").unwrap_or(text).trim();
        let (sid, cmd) = text.rsplit_once('-').ok_or(())?;
        let well_formed = sid.len() == 12 && sid.bytes().all(|octet| octet.is_ascii_alphanumeric());
        match cmd.parse() {
            Ok(cmd) if well_formed => Ok(Self { sid: sid.to_ascii_lowercase(), cmd }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sid, self.cmd)
    }
}

/// What the log has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// The record of the command.
    pub record: Value,
    /// Where it stands: segment and line.
    pub place: (u32, u64),
    /// The budget that was used up, if one was: `limit.hit`.
    pub limit: Option<Value>,
    /// `session.open` of the session.
    pub open: Option<Value>,
    /// The login before it.
    pub login: Option<Value>,
    /// The ID that the client had sent last.
    pub id: Option<Value>,
}

/// Looks for a command. `None`: the log says nothing of it.
///
/// # Errors
/// Where the log cannot be read.
pub fn decision(directory: &Path, reference: &Reference) -> io::Result<Option<Decision>> {
    let mut found = Decision::default();
    for number in segment::list(directory)? {
        let mut lines = Lines::new(segment::read(directory, number)?);
        let mut line = 0;
        loop {
            line += 1;
            match lines.next()? {
                Piece::Line(bytes) => {
                    if memchr::memmem::find(bytes, reference.sid.as_bytes()).is_some()
                        && let Ok(record) = serde_json::from_slice::<Value>(bytes)
                        && record["sid"] == *reference.sid
                    {
                        found.take(record, reference.cmd, (number, line));
                    }
                }
                Piece::TooLong(_) => {}
                Piece::Unfinished(_) => break,
            }
        }
    }
    Ok(Some(found).filter(|found| !found.record.is_null()))
}

impl Decision {
    fn take(&mut self, record: Value, cmd: u32, place: (u32, u64)) {
        let of_command = record["cmd"].as_u64() == Some(u64::from(cmd));
        let slot = match record["type"].as_str() {
            Some("limit.hit") if of_command => &mut self.limit,
            _ if of_command && self.is_better(&record) => {
                (self.record, self.place) = (record, place);
                return;
            }
            Some("session.open") => &mut self.open,
            // What came behind the command says nothing of how it was judged.
            Some("auth.success") if self.record.is_null() => &mut self.login,
            Some("client.id") if self.record.is_null() => &mut self.id,
            _ => return,
        };
        *slot = Some(record);
    }

    /// Of several records of one command the one that took something counts.
    fn is_better(&self, record: &Value) -> bool {
        let took = |record: &Value| record["policy"]["verdict"].as_str().is_some_and(|verdict| verdict != "allowed");
        self.record.is_null() || (took(record) && !took(&self.record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_they_are_copied() {
        let rows = [
            ("as it is", "4c2q8m0v7x1t-6", Some("4c2q8m0v7x1t-6")),
            ("with its words", "(ref 4c2q8m0v7x1t-6)", Some("4c2q8m0v7x1t-6")),
            ("with blanks", " ref 4C2Q8M0V7X1T-6 ", Some("4c2q8m0v7x1t-6")),
            ("a session alone", "4c2q8m0v7x1t", None),
            ("a session that is none", "4c2q-6", None),
            ("no number", "4c2q8m0v7x1t-x", None),
        ];
        for (name, text, want) in rows {
            let read = text.parse::<Reference>().map(|reference| reference.to_string()).ok();
            assert_eq!(read.as_deref(), want, "{name}");
        }
    }

    #[test]
    fn the_record_that_took_something_is_found_with_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let line = |cmd: &str, rest: &str| format!("{{\"sid\":\"4c2q8m0v7x1t\"{cmd},{rest}}}\n");
        let text = [
            line("", "\"type\":\"session.open\",\"data\":{\"port\":1}"),
            line(",\"cmd\":1", "\"type\":\"auth.success\",\"data\":{\"groups\":[\"staff\"]}"),
            line("", "\"type\":\"client.id\",\"data\":{\"name\":\"one\"}"),
            line(",\"cmd\":6", "\"type\":\"message.read\",\"stage\":\"intent\",\"policy\":{\"verdict\":\"allowed\"}"),
            line(",\"cmd\":6", "\"type\":\"message.read\",\"stage\":\"done\",\"policy\":{\"verdict\":\"limited\"}"),
            line(",\"cmd\":6", "\"type\":\"limit.hit\",\"data\":{\"used\":5}"),
            line("", "\"type\":\"client.id\",\"data\":{\"name\":\"two\"}"),
            "{\"sid\":\"aaaaaaaaaaaa\",\"cmd\":6,\"type\":\"x\",\"why\":\"4c2q8m0v7x1t\"}\n".to_owned(),
        ];
        std::fs::write(folder.path().join("00000001.jsonl"), text.concat()).unwrap();
        let reference = "4c2q8m0v7x1t-6".parse().unwrap();
        let found = decision(folder.path(), &reference).unwrap().unwrap();
        assert_eq!((&found.record["stage"], found.place), (&Value::from("done"), (1, 5)));
        assert_eq!(found.login.unwrap()["data"]["groups"][0], "staff");
        assert_eq!(found.id.unwrap()["data"]["name"], "one");
        assert!(found.open.is_some() && found.limit.is_some());
        let other = "4c2q8m0v7x1t-7".parse().unwrap();
        assert_eq!(decision(folder.path(), &other).unwrap(), None);
    }
}
