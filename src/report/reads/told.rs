//! What was gathered of reads, as rows.
//!
//! ```text
//! first read           session       mailbox  uid   class  octets  cover  certainty
//! 2027-01-13 02:13:32  4c2q8m0v7x1t  INBOX    4410  full   81,900  100 %  observed
//! also     envelope 40, listed 1,839, search hits 0 · hidden 3 (hide-board-mail) · refused 1 COPY (no-export-finance)
//! total    1 session, 2 messages with content, 88,213 octets
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{By, Glances, Reads, Style};
use crate::audit::Number;
use crate::imap::message::ReadClass;
use crate::report::coverage::Coverage;
use crate::report::ledger::{Certainty, Header, Key, Ledger, Reading};
use crate::report::seen::Session;
use crate::report::table::{Cell, Column, Rolling, column, flexible, object};

impl Reads {
    /// Prints it. `live`: a process still writes to the log.
    ///
    /// # Errors
    /// Where it cannot be written, or the temporary file failed.
    pub fn print(mut self, coverage: &Coverage, live: bool, style: Style, out: &mut dyn Write) -> io::Result<u64> {
        self.give_up(if live { Certainty::UnderWay } else { Certainty::Assumed });
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut totals = Totals { octets: self.octets, ..Totals::default() };
        for session in self.sessions.reading() {
            let count = self.sessions_of.entry(session.user).or_default();
            *count = count.saturating_add(1);
            totals.sessions = totals.sessions.saturating_add(1);
        }
        let ledger = std::mem::take(&mut self.ledger);
        let mut shown = 0_u64;
        match style {
            Style::Table(terminal) => {
                write!(out, "{coverage}")?;
                let columns = self.columns();
                let mut rolling = Rolling::new(&columns, terminal);
                self.rows(ledger, &mut totals, false, &mut |row| {
                    shown = shown.saturating_add(1);
                    rolling.row(row, &mut *out)
                })?;
                rolling.flush(out)?;
                self.also(out)?;
                writeln!(out, "total    {totals}")?;
            }
            Style::Json => {
                write!(out, "{{\"covers\":{},\"rows\":[", coverage.json())?;
                let columns = self.columns();
                let mut comma = "";
                self.rows(ledger, &mut totals, true, &mut |row| {
                    write!(out, "{comma}\n{}", object(&columns, &row))?;
                    comma = ",";
                    shown = shown.saturating_add(1);
                    Ok(())
                })?;
                writeln!(out, "\n],\"also\":{},\"totals\":{}}}", self.also_json(), totals.json())?;
            }
        }
        Ok(shown)
    }

    fn columns(&self) -> Vec<Column> {
        let only = |patterns: &[crate::report::Pattern]| matches!(patterns, [one] if one.is_literal());
        let user = if only(&self.filter.user) { "" } else { "user" };
        match self.by {
            By::Message => vec![
                column("first_read", "first read"),
                flexible("user", user, 10),
                column("session", "session"),
                flexible("mailbox", "mailbox", 8),
                column("uid", "uid"),
                column("class", "class"),
                column("octets", "octets"),
                column("cover", "cover"),
                column("certainty", "certainty"),
                flexible("message", "message", 8),
                column("client_ip", ""),
                column("client", ""),
                column("uidvalidity", ""),
                column("last_read", ""),
                column("times", ""),
                column("size", ""),
                column("message_id", ""),
                column("from", ""),
                column("to", ""),
                column("date", ""),
                column("subject", ""),
            ],
            By::User | By::Mailbox | By::Session => {
                let mut columns = match self.by {
                    By::Session => vec![
                        column("session", "session"),
                        flexible("user", user, 10),
                        column("client_ip", "address"),
                        flexible("client", "client", 8),
                    ],
                    By::Mailbox => vec![
                        flexible("user", "user", 10),
                        flexible("mailbox", "mailbox", 10),
                        column("uidvalidity", ""),
                    ],
                    By::User | By::Message => vec![flexible("user", "user", 10), column("sessions", "sessions")],
                };
                columns.extend([
                    column("messages", "messages"),
                    column("full", "full"),
                    column("part", "part"),
                    column("preview", "preview"),
                    column("octets", "octets"),
                    column("assumed", "assumed"),
                ]);
                if self.by == By::User {
                    columns.extend([
                        column("envelope", "envelope"),
                        column("searched", ""),
                        column("listed", "listed"),
                    ]);
                }
                columns.extend([column("first_read", "first read"), column("last_read", "last read")]);
                columns
            }
        }
    }

    fn rows(
        &self,
        ledger: Ledger,
        totals: &mut Totals,
        all: bool,
        row: &mut dyn FnMut(Vec<Cell>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.by == By::Message {
            return ledger.each(&mut |key, reading| {
                totals.messages = totals.messages.saturating_add(1);
                row(self.message(key, &reading, all))
            });
        }
        let per_mailbox = self.by == By::Mailbox;
        let mut sum: Option<(Key, Sum)> = None;
        ledger.each(&mut |key, reading| {
            totals.messages = totals.messages.saturating_add(1);
            let same = |of: &Key| of.group == key.group && (!per_mailbox || of.mailbox == key.mailbox);
            match &mut sum {
                Some((of, sum)) if same(of) => sum.add(&reading),
                _ => {
                    if let Some((of, sum)) = sum.replace((key, Sum::of(&reading))) {
                        row(self.sum(of, &sum))?;
                    }
                }
            }
            Ok(())
        })?;
        sum.map_or(Ok(()), |(of, sum)| row(self.sum(of, &sum)))
    }

    /// With `all` also what only programs get, which stands behind the rest.
    fn message(&self, key: Key, reading: &Reading, all: bool) -> Vec<Cell> {
        let session = self.sessions.get(key.group);
        let header = reading.header.as_deref();
        let of = |field: fn(&Header) -> &Option<String>| -> Cell { header.and_then(|h| field(h).clone()).into() };
        let (mailbox, uidv) = self.mailboxes.of(key.mailbox);
        let named = header.and_then(|header| header.subject.clone().or_else(|| header.message_id.clone()));
        let mut row = vec![
            Cell::Time(reading.first),
            session.map_or(Cell::None, |session| self.users.text(session.user).into()),
            session.map_or(Cell::None, |session| Cell::Text(self.sessions.id(session))),
            mailbox.into(),
            if key.uid == 0 { Cell::None } else { Cell::Id(key.uid.into()) },
            Cell::Word(reading.class.as_str()),
            Cell::Number(reading.octets),
            reading.cover().map_or(Cell::None, Cell::Percent),
            Cell::Word(reading.certainty.as_str()),
            named.into(),
        ];
        if all {
            row.extend([
                session.map_or(Cell::None, |session| known(self.addresses.text(session.ip))),
                session.map_or(Cell::None, |session| known(self.programs.text(session.client))),
                uidv.map_or(Cell::None, |uidv| Cell::Id(uidv.into())),
                Cell::Time(reading.last),
                Cell::Number(reading.times.into()),
                if reading.size == 0 { Cell::None } else { Cell::Number(reading.size) },
                of(|header| &header.message_id),
                of(|header| &header.from),
                of(|header| &header.to),
                of(|header| &header.date),
                of(|header| &header.subject),
            ]);
        }
        row
    }

    fn sum(&self, key: Key, sum: &Sum) -> Vec<Cell> {
        let mut row = match self.by {
            By::Session => {
                let session = self.sessions.get(key.group);
                let of = |text: fn(&Self, Session) -> Cell| session.map_or(Cell::None, |s| text(self, s));
                vec![
                    of(|this, session| Cell::Text(this.sessions.id(session))),
                    of(|this, session| this.users.text(session.user).into()),
                    of(|this, session| known(this.addresses.text(session.ip))),
                    of(|this, session| known(this.programs.text(session.client))),
                ]
            }
            By::Mailbox => {
                let (mailbox, uidv) = self.mailboxes.of(key.mailbox);
                let uidv = uidv.map_or(Cell::None, |uidv| Cell::Id(uidv.into()));
                vec![self.users.text(key.group).into(), mailbox.into(), uidv]
            }
            By::User | By::Message => {
                let sessions = self.sessions_of.get(&key.group).copied().unwrap_or(0);
                vec![self.users.text(key.group).into(), Cell::Number(sessions)]
            }
        };
        row.extend([sum.messages, sum.full, sum.part, sum.preview, sum.octets, sum.assumed].map(Cell::Number));
        if self.by == By::User {
            let Glances { listed, searched, envelope } = self.glances.get(&key.group).copied().unwrap_or_default();
            row.extend([envelope, searched, listed].map(Cell::Number));
        }
        row.extend([Cell::Time(sum.first), Cell::Time(sum.last)]);
        row
    }

    fn glanced(&self) -> Glances {
        self.glances.values().fold(Glances::default(), |all, of| Glances {
            listed: all.listed.saturating_add(of.listed),
            searched: all.searched.saturating_add(of.searched),
            envelope: all.envelope.saturating_add(of.envelope),
        })
    }

    /// Messages that were hidden, by rules.
    fn hidden_by(&self) -> BTreeMap<&str, u64> {
        self.hidden.iter().fold(BTreeMap::new(), |mut all, ((rules, ..), n)| {
            let count: &mut u64 = all.entry(rules).or_default();
            *count = count.saturating_add(*n);
            all
        })
    }

    /// `also     envelope 40, listed 1,839, search hits 0 · hidden 3 (hide-board-mail) · refused 1 COPY (no-export-finance)`
    fn also(&self, out: &mut dyn Write) -> io::Result<()> {
        let Glances { listed, searched, envelope } = self.glanced();
        let (envelope, listed, searched) = (Number(envelope), Number(listed), Number(searched));
        let mut parts = vec![format!("envelope {envelope}, listed {listed}, search hits {searched}")];
        parts.extend(self.hidden_by().iter().map(|(rules, n)| format!("hidden {}{}", Number(*n), in_brackets(rules))));
        let refused = self.refused.iter();
        parts.extend(refused.map(|((verb, rules), n)| format!("refused {} {verb}{}", Number(*n), in_brackets(rules))));
        let mut head = "also";
        for some in parts.chunks(4) {
            writeln!(out, "{head:<8} {}", some.join(" · "))?;
            head = "";
        }
        Ok(())
    }

    fn also_json(&self) -> Value {
        let Glances { listed, searched, envelope } = self.glanced();
        let hidden = self.hidden_by().into_iter().map(|(rules, n)| json!({"rules": rules, "messages": n}));
        let refused = self.refused.iter();
        let refused = refused.map(|((verb, rules), n)| json!({"verb": verb, "rules": rules, "times": n}));
        json!({
            "listed": listed,
            "searched": searched,
            "envelope": envelope,
            "hidden": hidden.collect::<Vec<_>>(),
            "refused": refused.collect::<Vec<_>>(),
        })
    }
}

fn in_brackets(rules: &str) -> String {
    if rules.is_empty() { String::new() } else { format!(" ({rules})") }
}

fn known(text: &str) -> Cell {
    if text.is_empty() { Cell::None } else { text.into() }
}

/// What was read of many messages.
struct Sum {
    messages: u64,
    full: u64,
    part: u64,
    preview: u64,
    octets: u64,
    assumed: u64,
    first: i64,
    last: i64,
}

impl Sum {
    fn of(reading: &Reading) -> Self {
        let mut sum = Self {
            messages: 0,
            full: 0,
            part: 0,
            preview: 0,
            octets: 0,
            assumed: 0,
            first: reading.first,
            last: reading.last,
        };
        sum.add(reading);
        sum
    }

    fn add(&mut self, reading: &Reading) {
        let count = match reading.class {
            ReadClass::Full => &mut self.full,
            ReadClass::Part => &mut self.part,
            ReadClass::Preview | ReadClass::Envelope | ReadClass::Searched | ReadClass::Listed => &mut self.preview,
        };
        *count = count.saturating_add(1);
        self.messages = self.messages.saturating_add(1);
        self.octets = self.octets.saturating_add(reading.octets);
        self.assumed = self.assumed.saturating_add(u64::from(reading.certainty != Certainty::Observed));
        self.first = self.first.min(reading.first);
        self.last = self.last.max(reading.last);
    }
}

#[derive(Debug, Default)]
struct Totals {
    sessions: u64,
    messages: u64,
    octets: u64,
}

impl Totals {
    fn json(&self) -> Value {
        json!({"sessions": self.sessions, "messages": self.messages, "octets": self.octets})
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = |n: u64| if n == 1 { "" } else { "s" };
        write!(f, "{} session{}, ", Number(self.sessions), s(self.sessions))?;
        write!(f, "{} message{} with content, ", Number(self.messages), s(self.messages))?;
        write!(f, "{} octets", Number(self.octets))
    }
}
