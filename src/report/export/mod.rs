//! Records in the words of others: OCSF, ECS, CEF, RFC 5424 and CSV, one event a line.
//!
//! ```text
//!   record ─▶ table: which class, which category ─┬─▶ ocsf    OCSF 1.8, one JSON object
//!             facts: who, where, what, how it went ├─▶ ecs     ECS 9.4, one JSON object
//!                                                  └─▶ cef     CEF:0|…        syslog, csv: without the table
//! ```
//!
//! `log:seq` names a record in each of them, so that whoever gets one twice can tell.

mod cef;
mod csv;
mod ecs;
mod facts;
mod ocsf;
mod syslog;
mod table;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use super::query::Printer;
use crate::audit::{Line, Seen};

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Open Cybersecurity Schema Framework 1.8.
    Ocsf,
    /// Elastic Common Schema 9.4.
    Ecs,
    /// Common Event Format 0.
    Cef,
    /// Syslog (RFC 5424), with the line of the log as its message.
    Syslog,
    /// Comma-separated values (RFC 4180), for spreadsheets.
    Csv,
}

/// Prints records in the words of others.
#[derive(Debug)]
pub struct Exported {
    words: Words,
    begun: bool,
}

impl Exported {
    /// In these words.
    #[must_use]
    pub fn new(words: Words) -> Self {
        Self { words, begun: false }
    }
}

impl Printer for Exported {
    fn record(&mut self, seen: Seen<'_>, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun && self.words == Words::Csv {
            out.write_all(csv::HEADS.as_bytes())?;
        }
        self.begun = true;
        let line = match self.words {
            Words::Ocsf => ocsf::event(seen.line).to_string(),
            Words::Ecs => ecs::event(seen.line).to_string(),
            Words::Cef => cef::event(seen.line),
            Words::Syslog => syslog::message(seen.line, seen.bytes),
            Words::Csv => csv::row(seen.line),
        };
        writeln!(out, "{line}")
    }
}

/// Version of what exports.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How bad a record is, as its code ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Information,
    Warning,
    Fault,
}

impl Severity {
    fn of(line: &Line<'_>) -> Self {
        match line.code.as_bytes().last() {
            Some(b'E') => Self::Fault,
            Some(b'W') => Self::Warning,
            _ => Self::Information,
        }
    }
}
