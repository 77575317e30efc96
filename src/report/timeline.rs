//! What one user did, or was done in their name, in the order in which it happened.
//!
//! ```text
//!   first pass, verified:  which sessions are theirs?  which intents have no done?
//!   second pass:           their records, in words
//! ```
//!
//! A connection has no user until somebody logs in: that is why there are two. For an owner: only what others did in their
//! mail, and no word of rules.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::coverage::Coverage;
use super::describe::{describe, describe_deed};
use super::filter::{Clients, Filter};
use super::pending::Pending;
use super::period;
use super::reads::Style;
use super::table::{Cell, Column, Rolling, column, flexible, object};
use crate::audit::{Item, Line, Number, Reader, Seen};

const COLUMNS: [Column; 10] = [
    column("ts", "time"),
    column("session", "session"),
    flexible("client_ip", "address", 12),
    flexible("mailbox", "mailbox", 8),
    flexible("what", "what", 24),
    column("seq", ""),
    column("type", ""),
    column("cmd", ""),
    column("user", ""),
    column("client", ""),
];

const OWNER: [Column; 8] = [
    column("ts", "time"),
    flexible("actor", "who", 12),
    flexible("client_ip", "address", 12),
    flexible("mailbox", "mailbox", 8),
    flexible("what", "what", 24),
    column("session", ""),
    column("seq", ""),
    column("client", ""),
];

/// `report timeline`, `report owner`
#[derive(Debug)]
pub struct Timeline {
    for_owner: bool,
    filter: Filter,
    clients: Clients,
    sessions: HashSet<String>,
    pending: Pending,
}

impl Timeline {
    /// Of the sessions of whoever the filter asks for.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            for_owner: false,
            filter,
            clients: Clients::default(),
            sessions: HashSet::new(),
            pending: Pending::default(),
        }
    }

    /// Of what others did in the mail of whoever the filter asks for.
    #[must_use]
    pub fn for_owner(filter: Filter) -> Self {
        Self { for_owner: true, ..Self::new(filter) }
    }

    /// The next record of the first pass.
    pub fn see(&mut self, seen: Seen<'_>) {
        let line = seen.line;
        self.clients.learn(line);
        self.pending.see(line);
        if let Some(sid) = &line.sid
            && line.user.is_some()
            && self.filter.is_about(line, &self.clients)
            && !self.sessions.contains(sid.as_str())
        {
            self.sessions.insert(sid.as_str().to_owned());
        }
        self.clients.forget(line);
    }

    /// Prints what happened.
    ///
    /// # Errors
    /// Where the log cannot be read, or nothing can be written.
    pub fn print(
        mut self,
        directory: &Path,
        coverage: &Coverage,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<u64> {
        self.clients = Clients::default();
        let lost = self.pending.end();
        let (terminal, json) = match style {
            Style::Table(terminal) => (terminal, false),
            Style::Json => (None, true),
        };
        match json {
            true => write!(out, "{{\"covers\":{},\"rows\":[", coverage.json())?,
            false => write!(out, "{coverage}")?,
        }
        let columns: &[Column] = if self.for_owner { &OWNER } else { &COLUMNS };
        let mut rolling = Rolling::new(columns, terminal);
        let (mut rows, mut failed) = (0_u64, None);
        let mut comma = "";
        let _ = Reader::new(directory, None).advance(&mut |item| {
            let Item::Record(seen) = item else { return ControlFlow::Continue(()) };
            self.clients.learn(seen.line);
            let shown = self.shows(seen, &lost);
            let row = shown.then(|| self.row(seen.line, lost.contains(&seen.line.seq)));
            self.clients.forget(seen.line);
            let Some(row) = row else { return ControlFlow::Continue(()) };
            rows = rows.saturating_add(1);
            let written = match json {
                true => write!(out, "{comma}\n{}", object(columns, &row)),
                false => rolling.row(row, &mut *out),
            };
            comma = ",";
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        rolling.flush(out)?;
        match json {
            true => writeln!(out, "\n],\"totals\":{{\"records\":{rows}}}}}")?,
            false => writeln!(out, "total    records {}", Number(rows))?,
        }
        Ok(rows)
    }

    /// An announcement is shown where no end was recorded.
    fn shows(&self, seen: Seen<'_>, lost: &HashSet<u64>) -> bool {
        let line = seen.line;
        if line.stage == Some("intent") && !lost.contains(&line.seq) {
            return false;
        }
        if self.for_owner && !is_of_others(line) {
            return false;
        }
        if line.user.is_some() {
            return self.filter.matches(seen, &self.clients);
        }
        let theirs = line.sid.as_ref().is_some_and(|sid| self.sessions.contains(sid.as_str()));
        let whole = self.filter.mailbox.is_empty() && self.filter.type_name.is_empty();
        theirs && whole && !self.filter.asks_for_messages() && self.filter.is_in_period(line)
    }

    fn row(&self, line: &Line<'_>, lost: bool) -> Vec<Cell> {
        let text = |text: &Option<crate::audit::Text<'_>>| -> Cell {
            text.as_ref().map(|text| text.as_str().to_owned()).into()
        };
        let said = if self.for_owner { describe_deed(line) } else { describe(line) };
        let what = match lost {
            true => format!("ASSUMED, no end was recorded: {}", said.replace("is about to: ", "")),
            false => said,
        };
        if self.for_owner {
            return vec![
                Cell::Time(period::micros(line.ts)),
                text(&line.actor),
                text(&line.client_ip),
                line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned()).into(),
                Cell::Text(what),
                text(&line.sid),
                Cell::Id(line.seq),
                self.clients.of(line).map(|client| client.to_string()).into(),
            ];
        }
        vec![
            Cell::Time(period::micros(line.ts)),
            text(&line.sid),
            text(&line.client_ip),
            line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned()).into(),
            Cell::Text(what),
            Cell::Id(line.seq),
            line.type_name.into(),
            line.cmd.map_or(Cell::None, |cmd| Cell::Id(cmd.into())),
            text(&line.user),
            self.clients.of(line).map(|client| client.to_string()).into(),
        ]
    }
}

/// Somebody else did something in the mail of its user: what was refused was not done.
fn is_of_others(line: &Line<'_>) -> bool {
    let of_mail = line.type_name.starts_with("message.") || line.type_name.starts_with("mailbox.");
    // An actor is written where it is not the user.
    line.actor.is_some() && of_mail && line.type_name != "mailbox.hidden" && line.stage != Some("refused")
}
