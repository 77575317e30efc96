//! What was read of each message, over any number of records, in bounded memory.
//!
//! ```text
//!   add(key, read) ─▶ table in memory ── full? sorted ─▶ run on disk ┐
//!                                    ── full? sorted ─▶ run on disk ─┼─▶ merge: each key once, in order
//!                                       the rest, sorted ────────────┘
//! ```
//!
//! Runs lie in a file without a name, in the directory for temporary files: nobody else opens it, and it is gone with the
//! process, however that ends.

mod runs;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;

use self::runs::Runs;
use crate::imap::message::ReadClass;

/// Whose reads, in which mailbox, of which message. Rows come out in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Number of a session or user.
    pub group: u32,
    /// Number of a mailbox.
    pub mailbox: u32,
    /// Its UID; 0 where the upstream never told it.
    pub uid: u32,
}

/// What a header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Message-ID.
    pub message_id: Option<String>,
    /// From.
    pub from: Option<String>,
    /// To.
    pub to: Option<String>,
    /// Date.
    pub date: Option<String>,
    /// Subject.
    pub subject: Option<String>,
}

impl Header {
    fn fields(&self) -> [&Option<String>; 5] {
        [&self.message_id, &self.from, &self.to, &self.date, &self.subject]
    }

    fn octets(&self) -> usize {
        self.fields().iter().map(|field| field.as_ref().map_or(0, String::len)).sum()
    }

    fn join(&mut self, other: Self) {
        let Self { message_id, from, to, date, subject } = other;
        let fields = [(&mut self.message_id, message_id), (&mut self.from, from), (&mut self.to, to)];
        for (mine, theirs) in fields.into_iter().chain([(&mut self.date, date), (&mut self.subject, subject)]) {
            if mine.is_none() {
                *mine = theirs;
            }
        }
    }
}

/// How sure it is that a message was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Octets were seen to go to the client.
    Observed,
    /// The command is under way: it may still read, or have read.
    UnderWay,
    /// An intent whose end nobody recorded: taken as read in full.
    Assumed,
}

impl Certainty {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::UnderWay => "under way",
            Self::Assumed => "assumed",
        }
    }
}

/// What was read of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// First time, in microseconds since 1970.
    pub first: i64,
    /// Last time.
    pub last: i64,
    /// How often.
    pub times: u32,
    /// Octets delivered.
    pub octets: u64,
    /// Octets of the message; 0 where never seen.
    pub size: u64,
    /// The highest class.
    pub class: ReadClass,
    /// The least certain read that no observed one outdoes.
    pub certainty: Certainty,
    /// What its header says.
    pub header: Option<Box<Header>>,
}

impl Reading {
    /// The same message, read again.
    fn join(&mut self, other: Self) {
        // Of what was seen to be read in full nothing is left to be assumed.
        self.certainty = match (self.class, other.class) {
            (mine, theirs) if mine == theirs => self.certainty.min(other.certainty),
            (mine, theirs) if mine > theirs => self.certainty,
            _ => other.certainty,
        };
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.times = self.times.saturating_add(other.times);
        self.octets = self.octets.saturating_add(other.octets);
        self.size = self.size.max(other.size);
        self.class = self.class.max(other.class);
        match (&mut self.header, other.header) {
            (Some(mine), Some(theirs)) => mine.join(*theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }

    /// How much of it, in percent. Octets that were read twice count twice: never too little. A part is never all.
    #[must_use]
    pub fn cover(&self) -> Option<u8> {
        if self.class == ReadClass::Full {
            return Some(100);
        }
        let share = self.octets.saturating_mul(100).saturating_add(self.size / 2).checked_div(self.size)?;
        Some(u8::try_from(share).unwrap_or(99).clamp(1, 99))
    }
}

/// Keys held in memory.
const HELD: usize = 400_000;
/// Octets of headers held in memory.
const HEADERS: usize = 32 * 1024 * 1024;

/// What was read of each message.
#[derive(Debug)]
pub struct Ledger {
    held: HashMap<Key, Reading>,
    headers: usize,
    most: usize,
    runs: Option<Runs>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::holding(HELD)
    }
}

impl Ledger {
    /// One that holds so many keys in memory.
    #[must_use]
    pub fn holding(most: usize) -> Self {
        Self { held: HashMap::new(), headers: 0, most, runs: None }
    }

    /// Adds what was read of a message.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn add(&mut self, key: Key, read: Reading) -> io::Result<()> {
        self.headers = self.headers.saturating_add(read.header.as_ref().map_or(0, |header| header.octets()));
        match self.held.entry(key) {
            std::collections::hash_map::Entry::Occupied(mut entry) => entry.get_mut().join(read),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(read);
            }
        }
        if self.held.len() >= self.most || self.headers > HEADERS { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut rows: Vec<(Key, Reading)> = self.held.drain().collect();
        self.headers = 0;
        rows.sort_unstable_by_key(|(key, _)| *key);
        if self.runs.is_none() {
            self.runs = Some(Runs::new()?);
        }
        match &mut self.runs {
            Some(runs) => runs.write(&rows),
            None => Ok(()),
        }
    }

    /// Shows each message once, in the order of keys.
    ///
    /// # Errors
    /// Where the temporary file cannot be read, or `see` fails.
    pub fn each(mut self, see: &mut dyn FnMut(Key, Reading) -> io::Result<()>) -> io::Result<()> {
        if self.runs.is_some() {
            self.spill()?;
        }
        let Some(runs) = self.runs else {
            let mut rows: Vec<(Key, Reading)> = self.held.into_iter().collect();
            rows.sort_unstable_by_key(|(key, _)| *key);
            return rows.into_iter().try_for_each(|(key, read)| see(key, read));
        };
        let mut readers = runs.readers()?;
        let mut next = BinaryHeap::new();
        let mut waiting: Vec<Option<Reading>> = Vec::new();
        for (at, reader) in readers.iter_mut().enumerate() {
            let row = reader.next()?;
            next.extend(row.as_ref().map(|(key, _)| Reverse((*key, at))));
            waiting.push(row.map(|(_, read)| read));
        }
        let mut current: Option<(Key, Reading)> = None;
        while let Some(Reverse((key, at))) = next.pop() {
            let (Some(reader), Some(slot)) = (readers.get_mut(at), waiting.get_mut(at)) else { break };
            let Some(read) = slot.take() else { break };
            if let Some((after, read)) = reader.next()? {
                next.push(Reverse((after, at)));
                *slot = Some(read);
            }
            match &mut current {
                Some((same, all)) if *same == key => all.join(read),
                _ => {
                    if let Some((key, read)) = current.replace((key, read)) {
                        see(key, read)?;
                    }
                }
            }
        }
        current.map_or(Ok(()), |(key, read)| see(key, read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn read(at: i64, octets: u64, class: usize, certainty: Certainty, id: Option<u8>) -> Reading {
        let header = id.map(|id| {
            Box::new(Header { message_id: Some(format!("<{id}@x>")), subject: Some("ä".into()), ..Header::default() })
        });
        Reading { first: at, last: at, times: 1, octets, size: octets, class: ReadClass::ALL[class], certainty, header }
    }

    fn all(ledger: Ledger) -> Vec<(Key, Reading)> {
        let mut rows = Vec::new();
        let each = ledger.each(&mut |key, read| {
            rows.push((key, read));
            Ok(())
        });
        each.expect("the temporary file can be read");
        rows
    }

    proptest! {
        #[test]
        fn however_little_is_held_the_rows_are_the_same(
            adds in prop::collection::vec(
                (0_u32..4, 0_u32..3, 0_u32..6, -5_i64..5, 0_u64..100, 0_usize..6, any::<bool>(), prop::option::of(0_u8..2)),
                0..80,
            ),
            most in 1_usize..20,
        ) {
            let (mut small, mut large) = (Ledger::holding(most), Ledger::holding(1000));
            let mut plain = BTreeMap::<Key, (u64, i64, ReadClass)>::new();
            for (group, mailbox, uid, at, octets, class, sure, id) in adds {
                let key = Key { group, mailbox, uid };
                let certainty = if sure { Certainty::Observed } else { Certainty::Assumed };
                for ledger in [&mut small, &mut large] {
                    ledger.add(key, read(at, octets, class, certainty, id)).expect("it can be written");
                }
                let sum = plain.entry(key).or_insert((0, at, ReadClass::Listed));
                *sum = (sum.0 + octets, sum.1.min(at), sum.2.max(ReadClass::ALL[class]));
            }
            let rows = all(small);
            prop_assert_eq!(&rows, &all(large));
            let sums: BTreeMap<_, _> = rows.iter().map(|(key, row)| (*key, (row.octets, row.first, row.class))).collect();
            prop_assert_eq!(sums, plain);
            prop_assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn what_was_seen_in_full_is_not_assumed() {
        let (part, full) = (4, 5);
        for (name, first, second, wanted) in [
            ("seen in full", (full, Certainty::Observed), (full, Certainty::Assumed), Certainty::Observed),
            ("seen in part", (part, Certainty::Observed), (full, Certainty::Assumed), Certainty::Assumed),
            ("seen in part later", (full, Certainty::Assumed), (part, Certainty::Observed), Certainty::Assumed),
        ] {
            let mut row = read(1, 1, first.0, first.1, None);
            row.join(read(2, 1, second.0, second.1, None));
            assert_eq!((row.class, row.certainty), (ReadClass::Full, wanted), "{name}");
        }
    }

    #[test]
    fn cover() {
        let of = |octets, size, class| Reading { size, ..read(1, octets, class, Certainty::Observed, None) }.cover();
        assert_eq!([of(6_313, 240_551, 4), of(1, 1_000_000, 4), of(500, 100, 4)], [Some(3), Some(1), Some(99)]);
        assert_eq!([of(0, 0, 4), of(0, 0, 5)], [None, Some(100)]);
    }
}
