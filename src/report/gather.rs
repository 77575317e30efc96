//! What small reports have in common: records in, rows out.

use std::io::{self, Write};

use super::coverage::Coverage;
use super::filter::{Clients, Filter};
use super::reads::Style;
use super::table::Listing;
use crate::audit::Seen;

/// A report whose rows fit into memory.
pub trait Gather {
    /// The next record, whether it is asked for or not.
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>);

    /// What came of it. `live`: a process still writes to the log.
    fn listing(self: Box<Self>, filter: &Filter, live: bool) -> Listing;
}

/// The filter, and what programs said of themselves by now.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What is asked for.
    pub filter: &'a Filter,
    /// Programs.
    pub clients: &'a Clients,
}

impl Asked<'_> {
    /// Is the record asked for, in all that it says?
    #[must_use]
    pub fn matches(&self, seen: Seen<'_>) -> bool {
        self.filter.matches(seen, self.clients)
    }
}

/// Shows records to a report.
pub struct Gathering {
    filter: Filter,
    clients: Clients,
    report: Box<dyn Gather>,
}

impl Gathering {
    /// Of the records that the filter asks for.
    #[must_use]
    pub fn new(report: Box<dyn Gather>, filter: Filter) -> Self {
        Self { filter, clients: Clients::default(), report }
    }

    /// The next record.
    pub fn see(&mut self, seen: Seen<'_>) {
        self.clients.learn(seen.line);
        self.report.see(seen, &Asked { filter: &self.filter, clients: &self.clients });
        self.clients.forget(seen.line);
    }

    /// Prints the report; tells how many rows it has.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn print(self, coverage: &Coverage, live: bool, style: Style, out: &mut dyn Write) -> io::Result<u64> {
        let listing = self.report.listing(&self.filter, live);
        print_listing(&listing, coverage, style, out)
    }
}

/// Prints rows behind what they cover; tells how many.
///
/// # Errors
/// Where it cannot be written.
pub fn print_listing(listing: &Listing, coverage: &Coverage, style: Style, out: &mut dyn Write) -> io::Result<u64> {
    match style {
        Style::Table(terminal) => {
            write!(out, "{coverage}")?;
            listing.print(out, terminal)?;
        }
        Style::Json => {
            let (rows, totals) = listing.json();
            let object = serde_json::json!({"covers": coverage.json(), "rows": rows, "totals": totals});
            writeln!(out, "{object}")?;
        }
    }
    Ok(listing.rows.len() as u64)
}
