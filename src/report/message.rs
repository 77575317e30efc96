//! Who touched a message: read, flagged, copied, moved, expunged, or was not shown it.
//!
//! ```text
//!   Message-ID ─▶ where it lies (mailbox, UIDVALIDITY, UID) ◀─▶ where copies of it lie ─▶ all that names one of them
//! ```
//!
//! The log names messages by UID and, as far as it was recorded, by Message-ID; so the places are looked for first, over
//! COPY and MOVE in both directions, and on to what was put together from it, until no new one turns up.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::data::{Data, Source, class_of, has, may_name, runs_of};
use super::describe::describe;
use super::filter::{Clients, Filter};
use super::pending::Pending;
use super::period;
use super::table::{Cell, Listing, column, flexible};
use crate::audit::{Item, Line, Number, Reader, Seen};
use crate::imap::message::ReadClass;

/// Which message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its Message-ID.
    MessageId(String),
    /// By UID, in the mailboxes that the filter asks for.
    Uid(u32),
}

/// Where a message lies, for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Lies {
    user: String,
    mailbox: String,
    uidv: Option<u32>,
    uid: u32,
}

/// `report message`
#[derive(Debug)]
pub struct Trace {
    which: Which,
    filter: Filter,
    /// Where a UID is one of this message: what was made of it elsewhere is told, too.
    mailbox: Vec<super::Pattern>,
    places: BTreeSet<Lies>,
    pending: Pending,
}

/// Copies of copies that are followed.
const ROUNDS: usize = 8;

impl Trace {
    /// Of a message, in what the filter asks for.
    #[must_use]
    pub fn new(which: Which, mut filter: Filter) -> Self {
        let mailbox = match which {
            Which::Uid(_) => std::mem::take(&mut filter.mailbox),
            Which::MessageId(_) => Vec::new(),
        };
        Self { which, filter, mailbox, places: BTreeSet::new(), pending: Pending::default() }
    }

    /// The next record of the first pass.
    pub fn see(&mut self, seen: Seen<'_>) {
        self.pending.see(seen.line);
        self.find(seen.line);
    }

    /// Looks for places of the message.
    fn find(&mut self, line: &Line<'_>) {
        if !line.type_name.starts_with("message.") || line.stage == Some("refused") {
            return;
        }
        let may = match &self.which {
            Which::MessageId(id) => line.data.is_some_and(|data| may_name(data, id)),
            Which::Uid(_) => true,
        };
        if !may && !leads_on(line.type_name) {
            return;
        }
        let (Some(mailbox), Some(data)) = (&line.mailbox, line.data::<Data<'_>>()) else { return };
        let user = line.user.as_ref().map_or("", |user| user.as_str());
        let at = |uid: u32, uidv: Option<u32>| Lies {
            user: user.to_owned(),
            mailbox: mailbox.name.clone().into_owned(),
            uidv: uidv.or(mailbox.uidv),
            uid,
        };
        match &self.which {
            Which::MessageId(id) if data.names_message_id(id) => {
                let msgs = data.msgs.iter().filter(|message| {
                    let said = message.hdr.as_ref().and_then(|hdr| hdr.message_id.as_ref());
                    said.is_some_and(|said| super::data::same_id(said.as_str(), id))
                });
                let found: Vec<Lies> = msgs.filter_map(|message| Some(at(message.uid?, None))).collect();
                self.places.extend(found);
                if data.hdr.is_some() {
                    self.places.extend(data.uid.map(|uid| at(uid, data.uidv)));
                }
            }
            Which::Uid(uid) if data.names_uid(*uid) => {
                let matches = |patterns: &[super::Pattern], text: &str| {
                    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
                };
                if matches(&self.filter.user, user) && matches(&self.mailbox, &mailbox.name) {
                    self.places.insert(at(*uid, None));
                }
            }
            Which::MessageId(_) | Which::Uid(_) => {}
        }
        if let Which::Uid(uid) = self.which {
            let of_mailbox = |source: &&Source<'_>| {
                let patterns = &self.mailbox;
                patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(source.mailbox.as_str()))
            };
            let of_user = &self.filter.user;
            let of_user = of_user.is_empty() || of_user.iter().any(|pattern| pattern.matches(user));
            let sources = data.sources.iter().filter(|source| of_user && source.uid == Some(uid));
            self.places.extend(sources.filter(of_mailbox).map(|source| Lies {
                user: user.to_owned(),
                mailbox: source.mailbox.as_str().to_owned(),
                uidv: source.uidv,
                uid,
            }));
        }
        match line.type_name {
            "message.copy" if line.stage == Some("done") => self.follow(user, &mailbox.name, mailbox.uidv, &data),
            "message.append" if self.comes_from(user, &data).is_some() => {
                self.places.extend(data.uid.map(|uid| at(uid, data.uidv)));
            }
            _ => {}
        }
    }

    /// The place of which a message that is put together has something.
    fn comes_from(&self, user: &str, data: &Data<'_>) -> Option<&Lies> {
        let is_it = |source: &Source<'_>, place: &Lies| {
            place.user == user
                && place.mailbox == source.mailbox.as_str()
                && same_validity(place.uidv, source.uidv)
                && source.uid == Some(place.uid)
        };
        data.sources.iter().find_map(|source| self.places.iter().find(|place| is_it(source, place)))
    }

    /// From a place to its copy, and back.
    fn follow(&mut self, user: &str, mailbox: &str, uidv: Option<u32>, data: &Data<'_>) {
        let (Some(dst), Some(from), Some(to)) = (&data.dst, data.uids, data.dst_uids) else { return };
        let here = |uid| Lies { user: user.to_owned(), mailbox: mailbox.to_owned(), uidv, uid };
        let there = |uid| Lies { user: user.to_owned(), mailbox: dst.as_str().to_owned(), uidv: data.dst_uidv, uid };
        let known: Vec<Lies> = self.places.iter().filter(|place| place.user == user).cloned().collect();
        for place in known {
            if place.mailbox == mailbox
                && same_validity(place.uidv, uidv)
                && let Some(uid) = nth_of(from, place.uid).and_then(|nth| member(to, nth))
            {
                self.places.insert(there(uid));
            }
            if place.mailbox == dst.as_str()
                && same_validity(place.uidv, data.dst_uidv)
                && let Some(uid) = nth_of(to, place.uid).and_then(|nth| member(from, nth))
            {
                self.places.insert(here(uid));
            }
        }
    }

    /// All that names one of the places.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn listing(mut self, directory: &Path, live: bool) -> io::Result<Listing> {
        for _ in 0..ROUNDS {
            let before = self.places.len();
            if before == 0 {
                break;
            }
            let _ = Reader::new(directory, None).advance(&mut |item| {
                if let Item::Record(seen) = item
                    && leads_on(seen.line.type_name)
                {
                    self.find(seen.line);
                }
                ControlFlow::Continue(())
            })?;
            if self.places.len() == before {
                break;
            }
        }
        let lost = self.pending.end();
        let mut touches = Touches { live, ..Touches::default() };
        let mut clients = Clients::default();
        let _ = Reader::new(directory, None).advance(&mut |item| {
            if let Item::Record(seen) = item {
                clients.learn(seen.line);
                touches.see(seen.line, &self, &clients, &lost);
                clients.forget(seen.line);
            }
            ControlFlow::Continue(())
        })?;
        Ok(touches.listing(&self.places))
    }

    /// The place that this record names, if any.
    fn named(&self, line: &Line<'_>, data: &Data<'_>) -> Option<&Lies> {
        let user = line.user.as_ref().map_or("", |user| user.as_str());
        let mailbox = line.mailbox.as_ref()?;
        let of_user = || self.places.iter().filter(|place| place.user == user);
        let here = of_user().find(|place| {
            place.mailbox == *mailbox.name
                && same_validity(place.uidv, mailbox.uidv.or(data.uidv))
                && data.names_uid(place.uid)
        });
        here.or_else(|| self.comes_from(user, data)).or_else(|| {
            let dst = data.dst.as_ref()?;
            of_user().find(|place| {
                place.mailbox == dst.as_str()
                    && same_validity(place.uidv, data.dst_uidv)
                    && has(data.dst_uids, place.uid)
            })
        })
    }
}

/// Does it say that a message lies somewhere else, too?
fn leads_on(type_name: &str) -> bool {
    matches!(type_name, "message.copy" | "message.append")
}

/// Where one of them is not known they may be the same: a touch is rather shown than left out.
fn same_validity(a: Option<u32>, b: Option<u32>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

/// At which place in the set stands the UID?
fn nth_of(set: &str, uid: u32) -> Option<u64> {
    let mut before = 0_u64;
    for (first, last) in runs_of(set) {
        let (first, last) = (first.get(), last.get());
        if first <= uid && uid <= last {
            return Some(before.saturating_add(u64::from(uid.saturating_sub(first))));
        }
        before = before.saturating_add(u64::from(last.saturating_sub(first))).saturating_add(1);
    }
    None
}

/// The UID at that place in the set.
fn member(set: &str, mut nth: u64) -> Option<u32> {
    for (first, last) in runs_of(set) {
        let n = u64::from(last.get().saturating_sub(first.get())).saturating_add(1);
        if nth < n {
            return u32::try_from(u64::from(first.get()).saturating_add(nth)).ok();
        }
        nth = nth.saturating_sub(n);
    }
    None
}

#[derive(Default)]
struct Touches {
    rows: Vec<Vec<Cell>>,
    users: HashSet<String>,
    read: u64,
    listed: u64,
    live: bool,
}

impl Touches {
    fn see(&mut self, line: &Line<'_>, trace: &Trace, clients: &Clients, lost: &HashSet<u64>) {
        let types = line.type_name.starts_with("message.") || line.type_name.starts_with("mailbox.");
        let under_way = lost.contains(&line.seq);
        let asked = types && trace.filter.is_in_period(line) && trace.filter.is_about(line, clients);
        if !asked || line.stage == Some("intent") && !under_way {
            return;
        }
        let Some(data) = line.data::<Data<'_>>() else { return };
        let Some(place) = trace.named(line, &data) else { return };
        let Some(what) = self.what(line, &data, place.uid, under_way) else { return };
        let text = |text: &Option<crate::audit::Text<'_>>| -> Cell {
            text.as_ref().map(|text| text.as_str().to_owned()).into()
        };
        self.users.extend(line.actor.as_ref().or(line.user.as_ref()).map(|user| user.as_str().to_owned()));
        self.rows.push(vec![
            Cell::Time(period::micros(line.ts)),
            text(&line.user),
            text(&line.actor),
            text(&line.sid),
            text(&line.client_ip),
            Cell::Text(place.mailbox.clone()),
            Cell::Id(place.uid.into()),
            Cell::Text(what),
            clients.of(line).map(|client| client.to_string()).into(),
            Cell::Id(line.seq),
            line.type_name.into(),
        ]);
    }

    /// In words; `None` where only numbers and flags of it were listed.
    fn what(&mut self, line: &Line<'_>, data: &Data<'_>, uid: u32, under_way: bool) -> Option<String> {
        if under_way {
            self.read = self.read.saturating_add(u64::from(line.type_name == "message.read"));
            let certainty = if self.live { "under way" } else { "assumed, no end was recorded" };
            return Some(format!("{} ({certainty})", describe(line).replace("is about to: ", "")));
        }
        match (line.type_name, line.stage) {
            ("mailbox.open" | "mailbox.hidden", _) => Some("not shown: hidden by the rules".to_owned()),
            ("message.read", Some("done")) => {
                if let Some(message) = data.msgs.iter().find(|message| message.uid == Some(uid)) {
                    self.read = self.read.saturating_add(1);
                    let of = message.size.map_or(String::new(), |size| format!(" of {}", Number(size)));
                    return Some(format!("read {}: {}{of} octets", message.cls, Number(message.bytes)));
                }
                let sets = data.sets.iter().filter(|set| has(set.uids, uid)).map(|set| class_of(set.cls));
                match sets.max()? {
                    ReadClass::Listed => {
                        self.listed = self.listed.saturating_add(1);
                        None
                    }
                    class => Some(format!("read {class}")),
                }
            }
            _ => Some(describe(line)),
        }
    }

    fn listing(self, places: &BTreeSet<Lies>) -> Listing {
        let columns = vec![
            column("ts", "time"),
            flexible("user", "user", 10),
            column("actor", ""),
            column("session", "session"),
            column("client_ip", "address"),
            flexible("mailbox", "mailbox", 8),
            column("uid", "uid"),
            flexible("what", "what", 20),
            column("client", ""),
            column("seq", ""),
            column("type", ""),
        ];
        let totals = vec![
            ("places", "places", Cell::Number(places.len() as u64)),
            ("persons", "persons", Cell::Number(self.users.len() as u64)),
            ("reads", "reads of content", Cell::Number(self.read)),
            ("listed", "listed only", Cell::Number(self.listed)),
        ];
        Listing { columns, rows: self.rows, totals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_sets_are_found_in_the_other_set() {
        for (from, to, uid, wanted) in [
            ("1:3,7", "10:13", 2, Some(11)),
            ("1:3,7", "10:13", 7, Some(13)),
            ("1:3,7", "10:12", 7, None),
            ("1:3", "10:12", 4, None),
        ] {
            assert_eq!(nth_of(from, uid).and_then(|nth| member(to, nth)), wanted, "{from} {to} {uid}");
        }
    }
}
