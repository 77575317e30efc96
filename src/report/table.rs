//! Rows and columns, for a terminal or as JSON.
//!
//! ```text
//! first read           session       mailbox  uid   class  octets   what is too wide for the terminal ends in …
//! 2027-01-13 02:13:32  4c2q8m0v7x1t  INBOX    4410  full   81,900
//! ```
//!
//! What peers said cannot play with the terminal: see [`printable`].

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Map, Value};

use super::period;
use crate::audit::Number;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    None,
    /// A text.
    Text(String),
    /// A word of ours.
    Word(&'static str),
    /// A count, or octets.
    Number(u64),
    /// A UID, or another number that counts nothing.
    Id(u64),
    /// Microseconds since 1970.
    Time(i64),
    /// A share in percent.
    Percent(u8),
    /// Seconds.
    Seconds(u64),
    /// How many times.
    Times(f64),
    /// A list of texts.
    List(Vec<String>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::None, Self::Text)
    }
}

impl From<Option<i64>> for Cell {
    fn from(time: Option<i64>) -> Self {
        time.map_or(Self::None, Self::Time)
    }
}

impl Cell {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Text(text) => printable(text),
            Self::Word(word) => (*word).to_owned(),
            Self::Number(number) => Number(*number).to_string(),
            Self::Id(number) => number.to_string(),
            Self::Time(at) => period::shown(*at),
            Self::Percent(share) => format!("{share} %"),
            Self::Seconds(seconds) => duration(*seconds),
            Self::Times(times) => format!("{times:.1}"),
            Self::List(items) => match items.as_slice() {
                [] => "-".to_owned(),
                items => printable(&items.join(" ")),
            },
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Word(word) => (*word).into(),
            Self::Number(number) | Self::Id(number) | Self::Seconds(number) => (*number).into(),
            Self::Time(at) => period::rfc3339(*at).into(),
            Self::Percent(share) => (*share).into(),
            Self::Times(times) => (*times).into(),
            Self::List(items) => items.as_slice().into(),
        }
    }

    const fn is_right(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Percent(_) | Self::Seconds(_) | Self::Times(_) | Self::Id(_))
    }
}

/// `3 s`, `12 min`, `5 h 10 min`
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Can the character neither move a cursor, nor end a line, nor turn text around (UAX #9)?
#[must_use]
pub fn is_tame(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// The text with escapes for what is not [tame](is_tame).
#[must_use]
pub fn printable(text: &str) -> String {
    if text.chars().all(is_tame) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_tame(c) {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{:04x}", u32::from(c)); // to a String
        }
        out
    })
}

/// A column: its key in JSON, its head in a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// For programs.
    pub key: &'static str,
    /// For people; a column without one is not shown to them.
    pub head: &'static str,
    /// Octets at which it is cut first where the terminal is narrow; 0: never.
    pub least: usize,
}

/// A column that is never cut.
#[must_use]
pub const fn column(key: &'static str, head: &'static str) -> Column {
    Column { key, head, least: 0 }
}

/// A column that gives way where the terminal is narrow.
#[must_use]
pub const fn flexible(key: &'static str, head: &'static str, least: usize) -> Column {
    Column { key, head, least }
}

/// A table whose widths are known before its rows.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    right: Vec<bool>,
    /// Is there a terminal, whose lines must not be broken?
    cut: bool,
}

impl Table {
    /// A table in which each column is as wide as the widest of `samples`, or its head, and all together no wider than
    /// `terminal`.
    #[must_use]
    pub fn new(columns: &[Column], samples: &[Vec<Cell>], terminal: Option<usize>) -> Self {
        let of = |at: usize| samples.iter().filter_map(move |row| row.get(at));
        let width = |(at, column): (usize, &Column)| {
            let cells = of(at).map(|cell| cell.text().chars().count());
            cells.max().unwrap_or(0).max(column.head.chars().count())
        };
        let mut widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
        let right = (0..columns.len()).map(|at| of(at).any(Cell::is_right)).collect();
        if let Some(terminal) = terminal {
            narrow(columns, &mut widths, terminal);
        }
        Self { columns: columns.to_vec(), widths, right, cut: terminal.is_some() }
    }

    fn line(&self, cells: impl Iterator<Item = String>) -> String {
        const BLANKS: &str = "                                                                                ";
        let mut line = String::with_capacity(self.widths.iter().sum::<usize>().saturating_add(32));
        let shown = self.columns.iter().zip(&self.widths).zip(&self.right).zip(cells);
        for (((_, width), right), cell) in shown.filter(|(((column, _), _), _)| !column.head.is_empty()) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let length = cell.chars().count();
            let mut blanks = width.saturating_sub(length);
            let mut fill = |line: &mut String| {
                while blanks > 0 {
                    let some = BLANKS.get(..blanks).unwrap_or(BLANKS);
                    line.push_str(some);
                    blanks = blanks.saturating_sub(some.len());
                }
            };
            if *right {
                fill(&mut line);
            }
            match self.cut && length > *width {
                true => line.push_str(&fitted(&cell, *width)),
                false => line.push_str(&cell),
            }
            fill(&mut line);
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    /// The heads.
    #[must_use]
    pub fn heads(&self) -> String {
        self.line(self.columns.iter().map(|column| column.head.to_owned()))
    }

    /// A row.
    #[must_use]
    pub fn row(&self, cells: &[Cell]) -> String {
        self.line(cells.iter().map(Cell::text))
    }
}

/// Takes what is too much from the columns that give way, the widest first.
fn narrow(columns: &[Column], widths: &mut [usize], terminal: usize) {
    let shown = columns.iter().filter(|column| !column.head.is_empty()).count();
    let gaps = shown.saturating_sub(1).saturating_mul(2);
    let all = columns.iter().zip(&*widths).filter(|(column, _)| !column.head.is_empty()).map(|(_, width)| width);
    let mut over = all.sum::<usize>().saturating_add(gaps).saturating_sub(terminal);
    while over > 0 {
        let giving = columns.iter().zip(widths.iter_mut());
        let giving = giving.filter(|(column, width)| column.least > 0 && **width > column.least);
        let Some((_, width)) = giving.max_by_key(|(_, width)| **width) else { return };
        *width = width.saturating_sub(1);
        over = over.saturating_sub(1);
    }
}

fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Rows that are many: the widths are settled by the first of them.
#[derive(Debug)]
pub struct Rolling<'c> {
    columns: &'c [Column],
    terminal: Option<usize>,
    held: Vec<Vec<Cell>>,
    table: Option<Table>,
}

/// Rows that are looked at before the widths are settled.
const SAMPLE: usize = 500;

impl<'c> Rolling<'c> {
    /// For a terminal of that width.
    #[must_use]
    pub fn new(columns: &'c [Column], terminal: Option<usize>) -> Self {
        Self { columns, terminal, held: Vec::new(), table: None }
    }

    /// One more row.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn row(&mut self, row: Vec<Cell>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(table) = &self.table {
            return out.write_all(table.row(&row).as_bytes());
        }
        self.held.push(row);
        if self.held.len() >= SAMPLE { self.flush(out) } else { Ok(()) }
    }

    /// All rows by now.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let begins = self.table.is_none();
        let table = self.table.get_or_insert_with(|| Table::new(self.columns, &self.held, self.terminal));
        if begins {
            out.write_all(table.heads().as_bytes())?;
        }
        self.held.drain(..).try_for_each(|row| out.write_all(table.row(&row).as_bytes()))
    }
}

/// Rows of a report that fit into memory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each with a cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// What stands below, as key and cell; the key is the word before it.
    pub totals: Vec<(&'static str, &'static str, Cell)>,
}

impl Listing {
    /// For people.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn print(&self, out: &mut dyn Write, terminal: Option<usize>) -> io::Result<()> {
        let table = Table::new(&self.columns, &self.rows, terminal);
        match self.rows.as_slice() {
            [] => writeln!(out, "nothing")?,
            rows => {
                out.write_all(table.heads().as_bytes())?;
                rows.iter().try_for_each(|row| out.write_all(table.row(row).as_bytes()))?;
            }
        }
        let total: Vec<String> =
            self.totals.iter().map(|(_, words, cell)| format!("{words} {}", cell.text())).collect();
        if total.is_empty() { Ok(()) } else { writeln!(out, "total    {}", total.join(", ")) }
    }

    /// For programs: what stands beside `covers`.
    #[must_use]
    pub fn json(&self) -> (Vec<Value>, Value) {
        let rows = self.rows.iter().map(|row| object(&self.columns, row)).collect();
        let totals = self.totals.iter().map(|(key, _, cell)| ((*key).to_owned(), cell.json()));
        (rows, Value::Object(totals.collect()))
    }
}

/// A row as an object. What is not known is left out.
#[must_use]
pub fn object(columns: &[Column], row: &[Cell]) -> Value {
    let known = columns.iter().zip(row).filter(|(_, cell)| **cell != Cell::None);
    Value::Object(known.map(|(column, cell)| (column.key.to_owned(), cell.json())).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![Cell::Time(1_799_806_412_000_000), "INBOX".into(), Cell::Number(81_900), Cell::Id(4410)],
            vec![Cell::None, "Archive/2027/Something long".into(), Cell::Number(7), Cell::Id(4411)],
        ]
    }

    const COLUMNS: [Column; 4] = [
        column("first_read", "first read"),
        flexible("mailbox", "mailbox", 8),
        column("octets", "octets"),
        column("uid", ""),
    ];

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_its_rows_are_whole_in_json() {
        let listing =
            Listing { columns: COLUMNS.into(), rows: rows(), totals: vec![("messages", "messages", Cell::Number(2))] };
        let print = |terminal| {
            let mut out = Vec::new();
            listing.print(&mut out, terminal).expect("memory can be written to");
            String::from_utf8(out).expect("text")
        };
        let wide = "\
first read           mailbox                      octets
2027-01-13 02:13:32  INBOX                        81,900
-                    Archive/2027/Something long       7
total    messages 2
";
        assert_eq!(print(None), wide);
        let narrow = "\
first read           mailbox      octets
2027-01-13 02:13:32  INBOX        81,900
-                    Archive/20…       7
total    messages 2
";
        assert_eq!(print(Some(40)), narrow);
        assert!(print(Some(10)).contains("Archive…"), "no narrower than its least");
        let (rows, totals) = listing.json();
        assert_eq!(
            rows[0],
            serde_json::json!({"first_read": "2027-01-13T02:13:32.000000Z", "mailbox": "INBOX", "octets": 81900, "uid": 4410})
        );
        assert_eq!(rows[1].get("first_read"), None);
        assert_eq!(totals, serde_json::json!({"messages": 2}));
    }

    #[test]
    fn peers_cannot_play_with_the_terminal() {
        let evil = "a\u{1b}[2J\r\n\u{202e}b\u{9b}c";
        assert_eq!(printable(evil), "a\\u001b[2J\\u000d\\u000a\\u202eb\\u009bc");
        assert_eq!(printable("Entwürfe 🗄"), "Entwürfe 🗄");
        assert_eq!(Cell::Text(evil.into()).json(), serde_json::json!(evil));
    }

    #[test]
    fn durations() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (4_260, "1 h 11 min"), (200_000, "2 days")] {
            assert_eq!(Cell::Seconds(seconds).text(), text);
        }
    }
}
