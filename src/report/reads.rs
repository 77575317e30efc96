//! Who read what: each message of which content was delivered, and how sure that is.
//!
//! ```text
//!   intent ─▶ pending ─┬─ done ─▶ ledger: what was delivered         observed
//!                      └─ none: the process died ─▶ ledger: in full  assumed
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::coverage::Coverage;
use super::data::{Data, Hdr, Message, ReadData, class_of, has, same_id, set_of};
use super::filter::{Clients, Filter};
use super::ledger::{Certainty, Header, Key, Ledger, Reading};
use super::names::{Mailboxes, Names};
use super::period;
use super::seen::Sessions;
use super::table::{Cell, Column, Rolling, column, flexible, object};
use crate::audit::{Line, Number, Seen, Text};
use crate::imap::message::ReadClass;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A message, read in a session.
    Message,
    /// All that a user's mail was read of.
    User,
    /// A mailbox of a user.
    Mailbox,
    /// A session.
    Session,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people, in a terminal of that width, if there is one.
    Table(Option<usize>),
    /// One JSON object.
    Json,
}

/// UIDs of one intent that are listed one by one where nobody recorded its end.
const LISTED: u64 = 20_000;

/// A read that was announced.
struct Pending {
    session: u32,
    user: u32,
    mailbox: u32,
    uids: String,
    at: i64,
}

/// What a user's mail was read of below the classes that count message by message.
#[derive(Debug, Default, Clone, Copy)]
struct Glances {
    listed: u64,
    searched: u64,
    envelope: u64,
}

/// Gathers reads.
pub struct Reads {
    by: By,
    filter: Filter,
    clients: Clients,
    users: Names,
    addresses: Names,
    programs: Names,
    mailboxes: Mailboxes,
    sessions: Sessions,
    ledger: Ledger,
    pending: HashMap<u64, Pending>,
    /// UIDs of an intent that takes more than one record.
    begun: String,
    glances: HashMap<u32, Glances>,
    /// In how many sessions content of a user's mail was delivered.
    sessions_of: HashMap<u32, u64>,
    /// By rules, user and mailbox: what is hidden is hidden at each opening.
    hidden: BTreeMap<(String, String, String), u64>,
    refused: BTreeMap<(String, String), u64>,
    octets: u64,
    failed: Option<io::Error>,
}

impl Reads {
    /// Of the records that the filter asks for.
    #[must_use]
    pub fn new(by: By, filter: Filter) -> Self {
        Self {
            by,
            filter,
            clients: Clients::default(),
            users: Names::default(),
            addresses: Names::default(),
            programs: Names::default(),
            mailboxes: Mailboxes::default(),
            sessions: Sessions::default(),
            ledger: Ledger::default(),
            pending: HashMap::new(),
            begun: String::new(),
            glances: HashMap::new(),
            sessions_of: HashMap::new(),
            hidden: BTreeMap::new(),
            refused: BTreeMap::new(),
            octets: 0,
            failed: None,
        }
    }

    /// The next record.
    pub fn see(&mut self, seen: Seen<'_>) {
        let line = seen.line;
        match line.type_name {
            "message.read" => self.read(line),
            "message.search" | "mailbox.open" => self.look(line),
            "client.id" => self.clients.learn(line),
            "session.close" => {
                self.clients.forget(line);
                self.sessions.forget(line);
            }
            "audit.open" if line.is_new_start() => {
                self.clients.learn(line);
                self.give_up(Certainty::Assumed);
            }
            _ => {}
        }
        if (line.stage == Some("refused") || line.type_name == "auth.refused") && self.asks(line) {
            self.refusal(line);
        }
    }

    fn asks(&self, line: &Line<'_>) -> bool {
        self.filter.is_in_period(line) && self.filter.is_about(line, &self.clients)
    }

    fn read(&mut self, line: &Line<'_>) {
        match line.stage {
            Some("intent") if self.asks(line) => self.announced(line),
            Some("done") => {
                if let Some(intent) = line.intent().filter(|_| !line.more) {
                    self.pending.remove(&intent);
                }
                if self.asks(line) {
                    self.delivered(line);
                }
            }
            _ => {}
        }
    }

    /// Numbers of session, user and mailbox.
    fn numbers(&mut self, line: &Line<'_>) -> (u32, u32, u32) {
        let text = |text: &Option<Text<'_>>| text.as_ref().map_or(String::new(), |text| text.as_str().to_owned());
        let user = match &line.user {
            Some(user) => self.users.number(user.as_str()),
            None => self.users.number(""),
        };
        let ip = self.addresses.number(&text(&line.client_ip));
        let program = self.programs.number(self.clients.of(line).map_or("", |client| client));
        let mailbox = line.mailbox.as_ref().map_or(("", None), |mailbox| (&*mailbox.name, mailbox.uidv));
        (self.sessions.number(line, user, ip, program), user, self.mailboxes.number(mailbox.0, mailbox.1))
    }

    fn announced(&mut self, line: &Line<'_>) {
        let Some(data) = line.data::<ReadData<'_>>() else { return };
        if let Some(uids) = data.uids {
            let comma = if self.begun.is_empty() { "" } else { "," };
            self.begun.push_str(comma);
            self.begun.push_str(uids);
        }
        if line.more {
            return;
        }
        let (session, user, mailbox) = self.numbers(line);
        let uids = std::mem::take(&mut self.begun);
        self.pending.insert(line.seq, Pending { session, user, mailbox, uids, at: period::micros(line.ts) });
    }

    fn delivered(&mut self, line: &Line<'_>) {
        let Some(data) = line.data::<ReadData<'_>>() else { return };
        let (session, user, mailbox) = self.numbers(line);
        let glances = self.glances.entry(user).or_default();
        for set in data.sets.iter().filter(|set| self.filter.uid.iter().all(|uid| has(set.uids, *uid))) {
            let count = match class_of(set.cls) {
                ReadClass::Listed => &mut glances.listed,
                ReadClass::Searched => &mut glances.searched,
                _ => &mut glances.envelope,
            };
            *count = count.saturating_add(set.n);
        }
        let at = period::micros(line.ts);
        for message in data.msgs.iter().filter(|message| is_asked(&self.filter, message)) {
            self.octets = self.octets.saturating_add(message.bytes);
            self.sessions.has_read(session);
            let reading = Reading {
                first: at,
                last: at,
                times: 1,
                octets: message.bytes,
                size: message.size.unwrap_or(0),
                class: class_of(message.cls),
                certainty: Certainty::Observed,
                header: message.hdr.as_ref().map(|hdr| Box::new(header(hdr))),
            };
            let key = Key { group: group(self.by, session, user), mailbox, uid: message.uid.unwrap_or(0) };
            if let Err(error) = self.ledger.add(key, reading) {
                self.failed.get_or_insert(error);
            }
        }
    }

    /// What was announced and of which no end was recorded was done, in full.
    fn give_up(&mut self, certainty: Certainty) {
        let mut pending: Vec<(u64, Pending)> = self.pending.drain().collect();
        pending.sort_unstable_by_key(|(seq, _)| *seq);
        for (_, Pending { session, user, mailbox, uids, at }) in pending {
            let reading = Reading {
                first: at,
                last: at,
                times: 1,
                octets: 0,
                size: 0,
                class: ReadClass::Full,
                certainty,
                header: None,
            };
            let whole = set_of(&uids);
            let listed: Vec<u32> = match whole.len() {
                // Of a set as large as a mailbox can be, no row a message.
                0 | LISTED.. => vec![0],
                _ => whole.iter().map(crate::imap::message::Uid::get).collect(),
            };
            let asked = |uid: &u32| {
                self.filter.uid.is_empty()
                    || self.filter.uid.iter().any(|asked| has(Some(&uids), *asked) && (*uid == 0 || uid == asked))
            };
            let none_by_id = !self.filter.message_id.is_empty();
            let class = self.filter.class.is_none_or(|test| test.holds(ReadClass::Full));
            for uid in listed.into_iter().filter(asked).filter(|_| class && !none_by_id) {
                self.sessions.has_read(session);
                let key = Key { group: group(self.by, session, user), mailbox, uid };
                if let Err(error) = self.ledger.add(key, reading.clone()) {
                    self.failed.get_or_insert(error);
                }
            }
        }
    }

    /// Searches that looked into content, and what was hidden.
    fn look(&mut self, line: &Line<'_>) {
        if !self.asks(line) || line.stage == Some("refused") {
            return;
        }
        let Some(data) = line.data::<Data<'_>>() else { return };
        if line.type_name == "message.search" && data.content {
            let user = self.users.number(line.user.as_ref().map_or("", |user| user.as_str()));
            let glances = self.glances.entry(user).or_default();
            glances.searched = glances.searched.saturating_add(data.hits.unwrap_or(0));
        }
        if let Some(hidden) = data.hidden.filter(|n| *n > 0 && line.type_name == "mailbox.open") {
            let user = line.user.as_ref().map_or("", Text::as_str).to_owned();
            let mailbox = line.mailbox.as_ref().map_or(String::new(), |mailbox| mailbox.name.clone().into_owned());
            let count = self.hidden.entry((rules(line), user, mailbox)).or_default();
            *count = hidden.max(*count);
        }
    }

    fn refusal(&mut self, line: &Line<'_>) {
        let verb = line.verb.as_ref().map_or(line.type_name, |verb| verb.as_str());
        let count = self.refused.entry((verb.to_owned(), rules(line))).or_default();
        *count = count.saturating_add(1);
    }

    /// Prints it. `live`: a process still writes to the log.
    ///
    /// # Errors
    /// Where it cannot be written, or the temporary file failed.
    pub fn print(mut self, coverage: &Coverage, live: bool, style: Style, out: &mut dyn Write) -> io::Result<()> {
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
        match style {
            Style::Table(terminal) => {
                write!(out, "{coverage}")?;
                let columns = self.columns();
                let mut rolling = Rolling::new(&columns, terminal);
                self.rows(ledger, &mut totals, &mut |row| rolling.row(row, &mut *out))?;
                rolling.flush(out)?;
                self.also(out)?;
                writeln!(out, "total    {totals}")
            }
            Style::Json => {
                write!(out, "{{\"covers\":{},\"rows\":[", coverage.json())?;
                let columns = self.columns();
                let mut comma = "";
                self.rows(ledger, &mut totals, &mut |row| {
                    write!(out, "{comma}\n{}", object(&columns, &row))?;
                    comma = ",";
                    Ok(())
                })?;
                writeln!(out, "\n],\"also\":{},\"totals\":{}}}", self.also_json(), totals.json())
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        let only = |patterns: &[super::Pattern]| matches!(patterns, [one] if one.is_literal());
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
        row: &mut dyn FnMut(Vec<Cell>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.by == By::Message {
            return ledger.each(&mut |key, reading| {
                totals.messages = totals.messages.saturating_add(1);
                row(self.message(key, &reading))
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

    fn message(&self, key: Key, reading: &Reading) -> Vec<Cell> {
        let session = self.sessions.get(key.group);
        let header = reading.header.as_deref();
        let of = |field: fn(&Header) -> &Option<String>| -> Cell { header.and_then(|h| field(h).clone()).into() };
        let (mailbox, uidv) = self.mailboxes.of(key.mailbox);
        let named = header.and_then(|header| header.subject.clone().or_else(|| header.message_id.clone()));
        vec![
            Cell::Time(reading.first),
            session.map_or(Cell::None, |session| self.users.text(session.user).into()),
            session.map_or(Cell::None, |session| Cell::Text(self.sessions.id(session))),
            mailbox.into(),
            if key.uid == 0 { Cell::None } else { Cell::Id(key.uid.into()) },
            reading.class.as_str().into(),
            Cell::Number(reading.octets),
            reading.cover().map_or(Cell::None, Cell::Percent),
            reading.certainty.as_str().into(),
            named.into(),
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
        ]
    }

    fn sum(&self, key: Key, sum: &Sum) -> Vec<Cell> {
        let mut row = match self.by {
            By::Session => {
                let session = self.sessions.get(key.group);
                let of = |text: fn(&Self, super::seen::Session) -> Cell| session.map_or(Cell::None, |s| text(self, s));
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

fn group(by: By, session: u32, user: u32) -> u32 {
    match by {
        By::Message | By::Session => session,
        By::User | By::Mailbox => user,
    }
}

fn is_asked(filter: &Filter, message: &Message<'_>) -> bool {
    let id = || message.hdr.as_ref().and_then(|hdr| hdr.message_id.as_ref());
    let named = |wanted: &String| id().is_some_and(|said| same_id(said.as_str(), wanted));
    (filter.uid.is_empty() || message.uid.is_some_and(|uid| filter.uid.contains(&uid)))
        && filter.class.is_none_or(|test| test.holds(class_of(message.cls)))
        && (filter.message_id.is_empty() || filter.message_id.iter().any(named))
}

fn header(hdr: &Hdr<'_>) -> Header {
    let owned = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
    Header {
        message_id: owned(&hdr.message_id),
        from: owned(&hdr.from),
        to: owned(&hdr.to),
        date: owned(&hdr.date),
        subject: owned(&hdr.subject),
    }
}

/// Ids of the rules that took something.
fn rules(line: &Line<'_>) -> String {
    let by = line.policy.iter().flat_map(|policy| &policy.by);
    by.map(Text::as_str).collect::<Vec<_>>().join(" ")
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
