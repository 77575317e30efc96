//! Who read what: each message of which content was delivered, and how sure that is.
//!
//! ```text
//!   intent ─▶ pending ─┬─ done ─▶ ledger: what was delivered         observed
//!                      └─ none: the process died ─▶ ledger: in full  assumed
//! ```

mod told;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::data::{Data, Hdr, Message, ReadData, class_of, has, same_id, set_of};
use super::filter::{Clients, Filter};
use super::ledger::{Certainty, Header, Key, Ledger, Reading};
use super::names::{Mailboxes, Names};
use super::period;
use super::seen::Sessions;
use crate::audit::{Line, Seen, Text};
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
        let user = self.users.number(line.user.as_ref().map_or("", Text::as_str));
        let ip = self.addresses.number(line.client_ip.as_ref().map_or("", Text::as_str));
        let program = self.programs.number(self.clients.of(line).map_or("", |client| client));
        let (name, uidv) = line.mailbox.as_ref().map_or(("", None), |mailbox| (&*mailbox.name, mailbox.uidv));
        (self.sessions.number(line, user, ip, program), user, self.mailboxes.number(name, uidv))
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
