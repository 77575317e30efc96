//! Records that are asked for, one a line, as they stand in the log or in words.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::describe::describe;
use super::filter::{Clients, Filter};
use super::period;
use super::table::{Cell, Column, Rolling, column, flexible};
use crate::audit::{Item, Line, Reader, Seen};

const COLUMNS: [Column; 6] = [
    column("ts", "time"),
    column("seq", "record"),
    flexible("user", "user", 12),
    column("ref", "command"),
    flexible("mailbox", "mailbox", 10),
    flexible("what", "what", 24),
];

/// What writes records, in whatever form.
pub trait Printer {
    /// One record.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn record(&mut self, seen: Seen<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// All that was held back.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Lines as they stand in the log, byte for byte.
#[derive(Debug, Default)]
pub struct AsWritten;

impl Printer for AsWritten {
    fn record(&mut self, seen: Seen<'_>, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(seen.bytes)?;
        out.write_all(b"\n")
    }
}

/// In words, for people.
#[derive(Debug)]
pub struct InWords(Rolling<'static>);

impl InWords {
    /// For a terminal of that width.
    #[must_use]
    pub fn new(terminal: Option<usize>) -> Self {
        Self(Rolling::new(&COLUMNS, terminal))
    }
}

impl Printer for InWords {
    fn record(&mut self, seen: Seen<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.0.row(row(seen.line), out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.0.flush(out)
    }
}

fn row(line: &Line<'_>) -> Vec<Cell> {
    let sid = line.sid.as_ref().map(|sid| sid.as_str());
    let command = match (sid, line.cmd) {
        (Some(sid), Some(cmd)) => Some(format!("{sid}-{cmd}")),
        (sid, _) => sid.map(str::to_owned),
    };
    vec![
        Cell::Time(period::micros(line.ts)),
        Cell::Id(line.seq),
        line.user.as_ref().map(|user| user.as_str().to_owned()).into(),
        command.into(),
        line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned()).into(),
        Cell::Text(describe(line)),
    ]
}

/// Prints the records that are asked for, in order; what is no record goes to `trouble`.
///
/// # Errors
/// Where the log cannot be read, or nothing can be written.
pub fn query(
    directory: &Path,
    filter: &Filter,
    printer: &mut dyn Printer,
    out: &mut dyn Write,
    trouble: &mut dyn FnMut(&str),
) -> io::Result<u64> {
    let mut asking = Asking::new(filter);
    let (mut found, mut failed) = (0_u64, None);
    let flow = Reader::new(directory, None).advance(&mut |item| {
        let Some(seen) = asking.asked(&item, trouble) else { return ControlFlow::Continue(()) };
        found = found.saturating_add(1);
        written(printer.record(seen, out), &mut failed)
    })?;
    match failed {
        Some(error) if flow.is_break() => Err(error),
        _ => printer.end(out).map(|()| found),
    }
}

fn written(result: io::Result<()>, failed: &mut Option<io::Error>) -> ControlFlow<()> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failed = Some(error);
            ControlFlow::Break(())
        }
    }
}

/// A filter, with what it must remember of the records before.
pub(super) struct Asking<'f> {
    filter: &'f Filter,
    clients: Clients,
}

impl<'f> Asking<'f> {
    pub fn new(filter: &'f Filter) -> Self {
        Self { filter, clients: Clients::default() }
    }

    pub fn asked<'i>(&mut self, item: &Item<'i>, trouble: &mut dyn FnMut(&str)) -> Option<Seen<'i>> {
        match item {
            Item::Trouble(what) => {
                trouble(what);
                None
            }
            Item::Record(seen) => {
                self.clients.learn(seen.line);
                let asked = self.filter.matches(*seen, &self.clients);
                self.clients.forget(seen.line);
                asked.then_some(*seen)
            }
        }
    }
}
