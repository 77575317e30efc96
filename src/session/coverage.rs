//! How much of each message of the open mailbox was relayed: what comes in slices and parts adds up, over commands.
//!
//! ```text
//!   BODY[]<0.1000>  BODY[]<1000.1000>                  the sum reaches the size, where that is known
//!   BODY[]<2000.1000>, of which there were 17          or the end, which a slice shows that is shorter than was asked for
//!   BODY[HEADER]  BODY[TEXT]                           or header and text, each whole
//! ```
//!
//! A message that may be whole, and whose size nobody has told, is in *doubt*: it is asked for ([`super::afterwards`]).

use std::collections::HashMap;

use crate::imap::message::{Uid, UidSet};

use super::headers::Headers;

/// Most messages of which it is remembered in one session.
const MOST: usize = 2048;

/// What of a message a slice is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `BODY[]`
    Whole,
    /// `BODY[HEADER]`
    Header,
    /// `BODY[TEXT]`
    Text,
    /// `BINARY[]`: the whole message, but other octets.
    Decoded,
}

/// Octets that were relayed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub section: Section,
    /// The first one.
    pub from: u64,
    /// Behind the last one.
    pub to: u64,
    /// Is that the end?
    pub last: bool,
}

/// How much of a message a client has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Not all.
    Part,
    /// All of it, or not: its size was never told.
    Doubt,
    /// All of it.
    Full,
}

/// What was relayed of the messages of the open mailbox.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    messages: HashMap<Uid, Covered>,
    /// Their headers, at level `headers`.
    pub headers: Headers,
}

impl Coverage {
    /// Another mailbox: other UIDs.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.headers.clear();
    }

    /// Of these messages, those of which no header was seen.
    pub fn without_header(&self, uids: &UidSet) -> UidSet {
        self.headers.unseen_of(uids)
    }

    /// Slices of a message were relayed; `size`: where that was told beside them.
    pub fn add(&mut self, uid: Uid, slices: &[Slice], size: Option<u64>) -> Reach {
        if self.messages.len() >= MOST && !self.messages.contains_key(&uid) {
            self.messages.retain(|_, covered| covered.reach() == Reach::Doubt);
            if self.messages.len() >= MOST {
                self.messages.clear();
            }
        }
        let covered = self.messages.entry(uid).or_default();
        covered.size = size.or(covered.size);
        for slice in slices {
            covered.runs(slice.section).add(slice.from, slice.to, slice.last);
        }
        covered.reached()
    }

    /// The size of a message, where it is known.
    pub fn size_of(&self, uid: Uid) -> Option<u64> {
        self.messages.get(&uid)?.size
    }

    /// The size of a message was told. How much of it has the client?
    pub fn learn_size(&mut self, uid: Uid, size: u64) -> Reach {
        let Some(covered) = self.messages.get_mut(&uid) else { return Reach::Part };
        covered.size = Some(size);
        covered.reached()
    }

    /// Are the sizes of all of them known?
    pub fn knows_sizes(&self, uids: &UidSet) -> bool {
        uids.len() <= MOST as u64 && uids.iter().all(|uid| self.size_of(uid).is_some())
    }
}

#[derive(Debug, Default)]
struct Covered {
    whole: Runs,
    header: Runs,
    text: Runs,
    decoded: Runs,
    size: Option<u64>,
}

impl Covered {
    fn runs(&mut self, section: Section) -> &mut Runs {
        match section {
            Section::Whole => &mut self.whole,
            Section::Header => &mut self.header,
            Section::Text => &mut self.text,
            Section::Decoded => &mut self.decoded,
        }
    }

    /// Whoever has all of it may begin anew: what comes then is told by itself.
    fn reached(&mut self) -> Reach {
        let reach = self.reach();
        if reach == Reach::Full {
            let text = self.header.end.and_then(|header| Some(header.saturating_add(self.text.end?)));
            let size = self.size.or(self.whole.end).or(text);
            *self = Self { size, ..Self::default() };
        }
        reach
    }

    fn reach(&self) -> Reach {
        if self.whole.is_whole() || self.decoded.is_whole() || self.header.is_whole() && self.text.is_whole() {
            return Reach::Full;
        }
        // Text follows the header, whose end is known where it is whole.
        let header = self.header.reach().filter(|_| self.header.is_whole());
        let behind = header.and_then(|header| Some(header.saturating_add(self.text.reach()?)));
        match (self.whole.reach().max(behind), self.size) {
            (Some(reach), Some(size)) if reach >= size => Reach::Full,
            (Some(_), None) => Reach::Doubt,
            _ => Reach::Part,
        }
    }
}

/// What is there of a string, in order.
#[derive(Debug, Default)]
struct Runs {
    runs: Vec<(u64, u64)>,
    end: Option<u64>,
}

impl Runs {
    fn add(&mut self, from: u64, to: u64, last: bool) {
        self.end = last.then_some(to).or(self.end);
        self.runs.push((from, to));
        self.runs.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.runs.len());
        for &(from, to) in &self.runs {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.runs = merged;
    }

    /// Up to where it is there without a hole.
    fn reach(&self) -> Option<u64> {
        self.runs.first().filter(|run| run.0 == 0).map(|run| run.1)
    }

    fn is_whole(&self) -> bool {
        matches!((self.reach(), self.end), (Some(reach), Some(end)) if reach >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adds_up() {
        let slice = |section, from, to, last| Slice { section, from, to, last };
        let whole = |from, to| slice(Section::Whole, from, to, false);
        let (header, text) = (slice(Section::Header, 0, 30, true), slice(Section::Text, 0, 70, true));
        let rows: &[(&str, &[Slice], Option<u64>, Reach)] = &[
            ("a slice, its size unknown", &[whole(0, 10)], None, Reach::Doubt),
            ("a slice that is all of it", &[whole(0, 10)], Some(10), Reach::Full),
            ("a slice of a longer one", &[whole(0, 10)], Some(11), Reach::Part),
            ("a slice that is not the first", &[whole(5, 10)], None, Reach::Part),
            ("a hole", &[whole(0, 10), whole(11, 20)], Some(20), Reach::Part),
            ("the last first", &[slice(Section::Whole, 10, 13, true), whole(0, 10)], None, Reach::Full),
            ("header", &[header], Some(100), Reach::Part),
            ("text", &[text], Some(100), Reach::Part),
            ("header and text", &[header, text], None, Reach::Full),
            ("header and some text", &[header, slice(Section::Text, 0, 20, false)], Some(100), Reach::Part),
            ("header and all text", &[header, slice(Section::Text, 0, 70, false)], Some(100), Reach::Full),
            ("header and who knows", &[header, slice(Section::Text, 0, 70, false)], None, Reach::Doubt),
            ("decoded, in part", &[slice(Section::Decoded, 0, 20, false)], Some(20), Reach::Part),
            ("decoded", &[slice(Section::Decoded, 0, 20, true)], Some(100), Reach::Full),
            ("whole, and once more in part", &[slice(Section::Whole, 0, 10, true), whole(0, 5)], None, Reach::Part),
            ("some header and text", &[slice(Section::Header, 0, 20, false), text], Some(100), Reach::Part),
        ];
        let uid = Uid::MAX;
        for (name, slices, size, want) in rows {
            let mut one_by_one = Coverage::default();
            let reach = slices.iter().map(|slice| one_by_one.add(uid, &[*slice], *size)).last();
            assert_eq!(reach, Some(*want), "{name}");
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut coverage = Coverage::default();
        let slice = |to, last| [Slice { section: Section::Whole, from: 0, to, last }];
        let uid = |number| Uid::new(number).unwrap_or(Uid::MAX);
        coverage.add(uid(10_001), &slice(10, false), None);
        for number in 1..=10_000 {
            coverage.add(uid(number), &slice(10, true), None);
            assert!(coverage.messages.len() <= MOST);
        }
        assert_eq!(coverage.learn_size(uid(10_001), 10), Reach::Full, "what is in doubt stays as long as it can");
    }
}
