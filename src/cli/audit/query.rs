//! `imapwarden audit query`: records, as they stand or in words.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use super::access::{Purpose, Reading, Shown};
use super::asked::Asked;
use super::{UNREADABLE, Where, all_logs, failed, is_enough, say, terminal, worst};
use crate::audit::{Seen, verify};
use crate::report::{AsWritten, Coverage, Exported, Filter, InWords, Printer, Words, query};

/// Print records that are asked for, in the order in which they were written. What the log covers is said first: with a
/// table on standard output, else on standard error. The status is that of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    purpose: Purpose,
    /// How records are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format jsonl: lines as they stand in the log.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Do not look first whether the log is whole: sooner, and nothing is proved.
    #[arg(long)]
    unverified: bool,
}

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// In words, for people
    Table,
    /// Lines as they stand in the log
    Jsonl,
    /// Rows for spreadsheets (RFC 4180)
    Csv,
    /// Open Cybersecurity Schema Framework 1.8, an event a line
    Ocsf,
    /// Elastic Common Schema 9.4, a document a line
    Ecs,
    /// Common Event Format
    Cef,
    /// Syslog (RFC 5424), with the line of the log as its message
    Syslog,
}

impl Format {
    pub(super) fn printer(self) -> Box<dyn Printer> {
        match self {
            Self::Table => Box::new(InWords::new(terminal())),
            Self::Jsonl => Box::new(AsWritten),
            Self::Csv => Box::new(Exported::new(Words::Csv)),
            Self::Ocsf => Box::new(Exported::new(Words::Ocsf)),
            Self::Ecs => Box::new(Exported::new(Words::Ecs)),
            Self::Cef => Box::new(Exported::new(Words::Cef)),
            Self::Syslog => Box::new(Exported::new(Words::Syslog)),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit query --dir audit --user m.berg@example.org --since 7d
  imapwarden audit query --dir audit --type 'message.*' --class '>=part' --ip 203.0.113.0/24 --json
  imapwarden audit query --config imapwarden.toml --ref 4c2q8m0v7x1t-6
  imapwarden audit query --dir audit --since 1d --format ocsf >events.ocsf.jsonl";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(directory) = arguments.place.directory() else { return ExitCode::from(UNREADABLE) };
    let filter = match arguments.asked.filter_with_key(&arguments.place) {
        Ok(filter) => filter,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(UNREADABLE);
        }
    };
    let reading = Reading {
        place: &arguments.place,
        directory: &directory,
        command: "query",
        filter: &filter,
        purpose: &arguments.purpose,
        hash_key: arguments.asked.hash_key(),
    };
    let mut out = Shown::new(reading, BufWriter::new(io::stdout().lock()));
    let mut rows = None;
    let logs = all_logs(&directory);
    let status = worst(logs.iter().map(|log| one(log, arguments, &filter, &mut rows, &mut out)));
    end(out, rows, &directory, status)
}

/// All logs are read. `rows`: what is shown; nothing where none of them can be read.
pub(super) fn end<W: Write>(out: Shown<'_, W>, rows: Option<u64>, directory: &Path, status: u8) -> ExitCode {
    let ended = match rows {
        Some(rows) => out.end(rows),
        None => out.end_unread(),
    };
    match ended {
        Err(error) if !is_enough(&error) => {
            failed(directory, &error);
            ExitCode::from(UNREADABLE)
        }
        _ => ExitCode::from(status),
    }
}

/// One log, and the status. `rows`: what was shown, as soon as anything may be.
fn one<W: Write>(
    directory: &Path,
    arguments: &Arguments,
    filter: &Filter,
    rows: &mut Option<u64>,
    out: &mut Shown<'_, W>,
) -> u8 {
    let format = if arguments.json { Format::Jsonl } else { arguments.format };
    let coverage = match arguments.unverified {
        true => Coverage::unverified(filter),
        false => Coverage::of(&verify(directory, None), filter),
    };
    if coverage.is_unreadable() {
        eprint!("{coverage}");
        return UNREADABLE;
    }
    let rows = rows.get_or_insert(0);
    out.hashed.extend(coverage.hashed());
    let said = match format == Format::Table {
        true => write!(out, "{coverage}"),
        false => write!(io::stderr(), "{coverage}"),
    };
    let mut printer = format.printer();
    let printed = said.and_then(|()| {
        let mut counting = Counting { printer: &mut *printer, rows };
        query(directory, filter, &mut counting, out, &mut |what| eprintln!("not read {what}"))
    });
    match printed {
        Err(error) if !is_enough(&error) => {
            failed(directory, &error);
            UNREADABLE
        }
        _ => coverage.exit_code(),
    }
}

/// Counts what another prints.
pub(super) struct Counting<'c> {
    pub printer: &'c mut dyn Printer,
    pub rows: &'c mut u64,
}

impl Printer for Counting<'_> {
    fn record(&mut self, seen: Seen<'_>, out: &mut dyn Write) -> io::Result<()> {
        *self.rows = self.rows.saturating_add(1);
        self.printer.record(seen, out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.printer.end(out)
    }
}
