//! How much of each message of the open mailbox was relayed: what comes in slices and parts adds up, over commands.
//!
//! ```text
//!   BODY[]<0.1000>  BODY[]<1000.1000>                  the sum reaches the size, where that is known
//!   BODY[]<2000.1000>, of which there were 17          or the end, which a slice shows that is shorter than was asked for
//!   BODY[HEADER]  BODY[TEXT]                           or header and text, each whole
//!   BODY[1]  BODY[2]                                   or all numbered parts ([`super::parts`])
//! ```
//!
//! What was relayed of a mailbox is put on a *shelf* when another one is opened, for whoever comes back to read the rest. Where
//! there is too much to be remembered, it is remembered of which messages: who reads on in one of them is taken to have all of it.
//!
//! A message that may be whole, and whose size nobody has told, is in *doubt*: it is asked for ([`super::afterwards`]). So it is where
//! nobody has told which parts it has; such a message *waits*, and is not forgotten until the command is over that read it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::imap::message::{Uid, UidSet};
use crate::wire::structure::{PartNumber, Structure};

use super::event::MailboxRef;
use super::headers::Headers;
use super::parts::{PartOf, Parts};

/// Most messages of which it is remembered in one mailbox, and in all on the shelf.
const MOST: usize = 512;

/// Most mailboxes on the shelf.
const MOST_MAILBOXES: usize = 64;

/// Most messages that wait for the word which parts they have. Of more, all is told to be read.
const MOST_WAITING: usize = 4096;

/// Most numbered parts of all messages of one mailbox, and in all on the shelf.
const MOST_PARTS: usize = 8192;

/// Most runs of UIDs whose messages are forgotten.
const MOST_FORGOTTEN: usize = 4096;

/// Most pieces of one that are told apart.
const MOST_RUNS: usize = 256;

/// What of a message a slice is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `BODY[]`
    Whole,
    /// `BODY[HEADER]`
    Header,
    /// `BODY[HEADER.FIELDS.NOT (…)]`: taken for all of it, though other octets.
    Fields,
    /// `BODY[TEXT]`
    Text,
    /// `BINARY[]`: the whole message, but other octets.
    Decoded,
    /// `BODY[1]`, `BODY[1.TEXT]`, `BINARY[1]`
    Part(PartNumber, PartOf),
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
    /// All of it, or not: which parts it has was never told.
    Unknown,
    /// All of it.
    Full,
}

/// What was relayed of the messages of the open mailbox.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    messages: HashMap<Uid, Covered>,
    /// How many of them wait.
    waiting: usize,
    /// How many numbered parts they have, or fewer.
    most_parts: usize,
    /// Messages of which something was relayed, and nobody knows what any more.
    forgotten: UidSet,
    /// Their headers, at level `headers`.
    pub headers: Headers,
}

/// What was relayed of mailboxes that were open before.
#[derive(Debug, Default)]
pub(super) struct Shelf(Vec<(Arc<MailboxRef>, Coverage)>);

impl Shelf {
    /// A mailbox is left. Without its UIDVALIDITY nobody could tell whether it is the same that is opened again.
    pub fn put(&mut self, mailbox: Option<Arc<MailboxRef>>, coverage: &mut Coverage) {
        let mut left = std::mem::take(coverage);
        left.settle();
        let Some(mailbox) = mailbox.filter(|mailbox| mailbox.uidv.is_some()) else { return };
        left.headers.clear();
        left.messages.retain(|_, covered| covered.has_content());
        if left.messages.is_empty() && left.forgotten.is_empty() {
            return;
        }
        if self.0.len() >= MOST_MAILBOXES {
            self.0.remove(0);
        }
        self.0.push((mailbox, left));
        let mut messages: usize = self.0.iter().map(|(_, coverage)| coverage.messages.len()).sum();
        let mut parts: usize = self.0.iter().map(|(_, coverage)| coverage.parts()).sum();
        for (_, coverage) in &mut self.0 {
            if messages <= MOST && parts <= MOST_PARTS {
                break;
            }
            messages = messages.saturating_sub(coverage.messages.len());
            parts = parts.saturating_sub(coverage.parts());
            coverage.forget();
        }
    }

    /// A mailbox is opened: was it open before?
    pub fn take(&mut self, mailbox: &MailboxRef) -> Option<Coverage> {
        let is_it = |known: &MailboxRef| known.name == mailbox.name && known.uidv == mailbox.uidv;
        let at = self.0.iter().position(|(known, _)| is_it(known))?;
        Some(self.0.remove(at).1)
    }
}

impl Coverage {
    /// It is too much to be remembered: but of which messages.
    fn forget(&mut self) {
        let forgotten = &mut self.forgotten;
        self.messages.retain(|uid, covered| {
            if !covered.waits && covered.has_content() {
                forgotten.insert(*uid);
            }
            covered.waits
        });
        if self.forgotten.runs().count() > MOST_FORGOTTEN
            && let (Some(first), Some(last)) = (self.forgotten.first(), self.forgotten.last())
        {
            self.forgotten.insert_run(first, last);
        }
    }

    /// Of these messages, those of which no header was seen.
    pub fn without_header(&self, uids: &UidSet) -> UidSet {
        self.headers.unseen_of(uids)
    }

    /// Slices of a message were relayed; `size`: where that was told beside them. Whoever has all of it may begin anew: what
    /// comes then is told by itself. And its size, if it is known.
    pub fn add(&mut self, uid: Uid, slices: &[Slice], size: Option<u64>) -> (Reach, Option<u64>) {
        self.make_room(uid, slices);
        let forgotten = &self.forgotten;
        let covered = self.messages.entry(uid).or_insert_with(|| Covered {
            forgotten: !forgotten.is_empty() && forgotten.contains(uid),
            ..Covered::default()
        });
        covered.size = size.or(covered.size);
        for slice in slices {
            covered.add(*slice);
        }
        let size = covered.size;
        (self.reached(uid), size)
    }

    /// What is remembered may be one message more, and its parts.
    fn make_room(&mut self, uid: Uid, slices: &[Slice]) {
        let is_known = self.messages.contains_key(&uid);
        let is_full = |this: &Self| this.messages.len().saturating_sub(this.waiting) >= MOST;
        if !is_known && is_full(self) {
            self.messages.retain(|_, covered| covered.waits || covered.has_content());
            if is_full(self) {
                self.forget();
            }
        }
        let new = slices.iter().filter(|slice| matches!(slice.section, Section::Part(..))).count();
        self.most_parts = self.most_parts.saturating_add(new);
        if new > 0 && self.most_parts > MOST_PARTS {
            if self.parts().saturating_add(new) > MOST_PARTS {
                self.settle();
                self.forget();
            }
            self.most_parts = self.parts().saturating_add(new);
        }
    }

    fn parts(&self) -> usize {
        self.messages.values().map(|covered| covered.parts.len()).sum()
    }

    fn reached(&mut self, uid: Uid) -> Reach {
        let Some(covered) = self.messages.get_mut(&uid) else { return Reach::Part };
        let reach = match covered.reach() {
            Reach::Unknown if !covered.waits && self.waiting >= MOST_WAITING => Reach::Full,
            reach => reach,
        };
        let waits = reach == Reach::Unknown;
        match (std::mem::replace(&mut covered.waits, waits), waits) {
            (false, true) => self.waiting = self.waiting.saturating_add(1),
            (true, false) => self.waiting = self.waiting.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        if reach == Reach::Full {
            self.begin_anew(uid);
        }
        reach
    }

    /// All of a message was told to be read: what comes of it then is told by itself.
    fn begin_anew(&mut self, uid: Uid) {
        let waited = self.messages.remove(&uid).is_some_and(|covered| covered.waits);
        self.waiting = self.waiting.saturating_sub(usize::from(waited));
        if self.forgotten.contains(uid) {
            self.forgotten.remove(uid);
        }
    }

    /// Nothing is asked any more of what waits.
    pub fn settle(&mut self) {
        if self.waiting > 0 {
            self.messages.values_mut().for_each(|covered| covered.waits = false);
            self.waiting = 0;
        }
    }

    /// Which parts a message has was told, and perhaps its size. How much of it has the client?
    pub fn learn_structure(&mut self, uid: Uid, structure: Structure, size: Option<u64>) -> Reach {
        let Some(covered) = self.messages.get_mut(&uid) else {
            // Forgotten meanwhile: it may have been all.
            return if self.forgotten.contains(uid) { self.give_up(uid) } else { Reach::Part };
        };
        covered.size = size.or(covered.size);
        covered.parts.learn(structure);
        self.reached(uid)
    }

    /// Which parts a message has cannot be learnt, and it may be that the client has all of it.
    pub fn give_up(&mut self, uid: Uid) -> Reach {
        self.begin_anew(uid);
        Reach::Full
    }

    /// Is it known of all of them which parts they have?
    pub fn knows_structures(&self, uids: &UidSet) -> bool {
        let is_known = |uid| self.messages.get(&uid).is_some_and(|covered| covered.parts.are_known());
        uids.len() <= MOST as u64 && uids.iter().all(is_known)
    }

    /// The size of a message, where it is known.
    pub fn size_of(&self, uid: Uid) -> Option<u64> {
        self.messages.get(&uid)?.size
    }

    /// The size of a message was told. How much of it has the client?
    pub fn learn_size(&mut self, uid: Uid, size: u64) -> Reach {
        let Some(covered) = self.messages.get_mut(&uid) else { return Reach::Part };
        covered.size = Some(size);
        self.reached(uid)
    }

    /// Are the sizes of all of them known?
    pub fn knows_sizes(&self, uids: &UidSet) -> bool {
        uids.len() <= MOST as u64 && uids.iter().all(|uid| self.size_of(uid).is_some())
    }
}

/// How much of a message are these, if it is not known which one it is?
pub(super) fn reach_of(slices: &[Slice], size: Option<u64>) -> Reach {
    let mut covered = Covered { size, ..Covered::default() };
    slices.iter().for_each(|slice| covered.add(*slice));
    covered.reach()
}

#[derive(Debug, Default)]
struct Covered {
    whole: Runs,
    header: Runs,
    fields: Runs,
    text: Runs,
    decoded: Runs,
    parts: Parts,
    /// It is asked for which parts it has.
    waits: bool,
    size: Option<u64>,
    /// There was more of it.
    forgotten: bool,
}

impl Covered {
    fn add(&mut self, slice: Slice) {
        let runs = match slice.section {
            Section::Whole => &mut self.whole,
            Section::Fields => &mut self.fields,
            Section::Text => &mut self.text,
            Section::Decoded => &mut self.decoded,
            Section::Header => {
                // What a message begins with.
                self.whole.add(slice.from, slice.to, false);
                &mut self.header
            }
            Section::Part(number, of) => {
                self.forgotten |= !self.parts.add(number, of, slice);
                return;
            }
        };
        runs.add(slice.from, slice.to, slice.last);
    }

    /// Is there more than a header?
    fn has_content(&self) -> bool {
        let runs = [&self.text.runs, &self.decoded.runs];
        !self.parts.is_empty() || runs.into_iter().any(|runs| !runs.is_empty()) || self.whole.runs != self.header.runs
    }

    fn reach(&self) -> Reach {
        let together = self.together();
        let in_parts = self.fields.is_whole() && self.text.is_whole();
        let is_read_on = self.forgotten && self.has_content();
        // Whole text has all numbered parts in it.
        let in_numbered = self.text.is_whole() && self.parts.has_octets();
        if is_read_on || together.is_whole() || self.decoded.is_whole() || in_parts || in_numbered {
            return Reach::Full;
        }
        match (together.reach(), self.size, self.parts.reach()) {
            (_, _, Reach::Full) => Reach::Full,
            (Some(reach), Some(size), _) if reach >= size => Reach::Full,
            (_, _, Reach::Unknown) => Reach::Unknown,
            (Some(_), None, _) => Reach::Doubt,
            _ => Reach::Part,
        }
    }

    /// With the text behind the header, where it is known how long that is.
    fn together(&self) -> Runs {
        let mut whole = self.whole.clone();
        // Known by its own end, or as what text leaves of the size that was read to its end.
        let left = || self.size?.checked_sub(self.text.length()?);
        if let Some(header) = self.header.length().or_else(left) {
            let behind = |at: u64| at.saturating_add(header);
            self.text.runs.iter().for_each(|(from, to)| whole.add(behind(*from), behind(*to), false));
            whole.end = whole.end.into_iter().chain(self.text.end.map(behind)).min();
        }
        whole
    }
}

/// What is there of a string, in order.
#[derive(Debug, Default, Clone)]
pub(super) struct Runs {
    runs: Vec<(u64, u64)>,
    end: Option<u64>,
}

impl Runs {
    pub fn add(&mut self, from: u64, to: u64, last: bool) {
        if last {
            // One that is empty, behind the end, tells no more than that there is one.
            self.end = Some(self.end.map_or(to, |end| end.min(to)));
        }
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
        if self.runs.len() > MOST_RUNS {
            self.close_a_hole();
        }
    }

    /// Who reads in so many pieces is taken to have the octets of the smallest hole between them, too: rather too much is told
    /// than too little, or without an end remembered.
    fn close_a_hole(&mut self) {
        let holes = self.runs.windows(2).enumerate();
        let size = |pair: &[(u64, u64)]| match pair {
            [(_, end), (begin, _)] => begin.saturating_sub(*end),
            _ => u64::MAX,
        };
        let Some(at) = holes.min_by_key(|(_, pair)| size(pair)).map(|(at, _)| at) else { return };
        let (_, end) = self.runs.remove(at.saturating_add(1));
        if let Some(before) = self.runs.get_mut(at) {
            before.1 = end;
        }
    }

    /// Up to where it is there without a hole.
    pub fn reach(&self) -> Option<u64> {
        self.runs.first().filter(|run| run.0 == 0).map(|run| run.1)
    }

    /// How long it is, where that is known: an end behind which nothing was is no more than a bound.
    fn length(&self) -> Option<u64> {
        self.end.filter(|end| *end == 0 || self.runs.iter().any(|(from, to)| from < to && to == end))
    }

    pub fn has_octets(&self) -> bool {
        self.runs.iter().any(|(from, to)| from < to)
    }

    pub fn is_whole(&self) -> bool {
        matches!((self.reach(), self.end), (Some(reach), Some(end)) if reach >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_octet_by_octet_takes_no_more_memory_and_is_told_to_have_all_of_it_in_the_end() {
        let (mut runs, size) = (Runs::default(), 10_000);
        for at in (0..size).step_by(2).chain((1..size).step_by(2)) {
            runs.add(at, at + 1, at + 1 == size);
            assert!(runs.runs.len() <= MOST_RUNS, "{at}");
        }
        assert!(runs.is_whole());
        let mut far = Runs::default();
        for at in 0..=MOST_RUNS as u64 {
            far.add(at * at, at * at + 1, false);
        }
        assert_eq!(far.runs.get(..2), Some(&[(0, 2), (4, 5)][..]), "two that touch");
        far.add(1_000_000, 1_000_001, false);
        assert_eq!(far.runs.get(..2), Some(&[(0, 5), (9, 10)][..]), "the smallest hole is closed");
    }

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
            ("header, its size unknown", &[header], None, Reach::Doubt),
            ("header", &[header], Some(100), Reach::Part),
            ("header, and from within it on", &[header, slice(Section::Whole, 20, 100, true)], None, Reach::Full),
            (
                "some text, header, and the rest",
                &[slice(Section::Text, 0, 20, false), header, whole(50, 100)],
                Some(100),
                Reach::Full,
            ),
            (
                "the end of the header, and all of it otherwise",
                &[whole(0, 10), slice(Section::Header, 10, 30, true), text],
                None,
                Reach::Full,
            ),
            (
                "nothing behind the end, then header and text",
                &[slice(Section::Whole, 400, 400, true), text, header],
                None,
                Reach::Full,
            ),
            ("the begin, and text", &[whole(0, 40), text], Some(100), Reach::Full),
            ("not enough of the begin, and text", &[whole(0, 20), text], Some(100), Reach::Part),
            ("most fields, and text", &[slice(Section::Fields, 0, 20, true), text], None, Reach::Full),
            (
                "most fields, and from within it on",
                &[slice(Section::Fields, 0, 30, true), slice(Section::Whole, 20, 100, true)],
                None,
                Reach::Part,
            ),
            (
                "the begin, and text from within it on",
                &[whole(0, 40), slice(Section::Text, 10, 70, true)],
                Some(100),
                Reach::Full,
            ),
            (
                "the begin, and text behind it",
                &[whole(0, 40), slice(Section::Text, 11, 70, true)],
                Some(100),
                Reach::Part,
            ),
            (
                "nothing behind the end of the header, and all of it otherwise",
                &[slice(Section::Header, 99, 99, true), whole(0, 40), text],
                Some(100),
                Reach::Full,
            ),
            ("text", &[text], Some(100), Reach::Part),
            ("header and text", &[header, text], None, Reach::Full),
            ("header and some text", &[header, slice(Section::Text, 0, 20, false)], Some(100), Reach::Part),
            ("header and all text", &[header, slice(Section::Text, 0, 70, false)], Some(100), Reach::Full),
            ("header and who knows", &[header, slice(Section::Text, 0, 70, false)], None, Reach::Doubt),
            ("nothing behind the end", &[whole(0, 10), slice(Section::Whole, 99, 99, true)], None, Reach::Doubt),
            (
                "the end, and nothing behind it",
                &[slice(Section::Whole, 0, 10, true), slice(Section::Whole, 99, 99, true)],
                None,
                Reach::Part,
            ),
            ("decoded, in part", &[slice(Section::Decoded, 0, 20, false)], Some(20), Reach::Part),
            ("decoded", &[slice(Section::Decoded, 0, 20, true)], Some(100), Reach::Full),
            ("whole, and once more in part", &[slice(Section::Whole, 0, 10, true), whole(0, 5)], None, Reach::Doubt),
            ("some header and text", &[slice(Section::Header, 0, 20, false), text], Some(100), Reach::Part),
        ];
        let uid = Uid::MAX;
        for (name, slices, size, want) in rows {
            let mut one_by_one = Coverage::default();
            let reach = slices.iter().map(|slice| one_by_one.add(uid, &[*slice], *size).0).last();
            assert_eq!(reach, Some(*want), "{name}");
        }
    }

    #[test]
    fn who_comes_back_to_a_mailbox_reads_on() {
        let mailbox = |name: &str, uidv| Arc::new(MailboxRef { uidv, ..MailboxRef::named(name.into()) });
        let slice = |from, to| [Slice { section: Section::Whole, from, to, last: false }];
        let (inbox, other) = (mailbox("INBOX", Some(1)), mailbox("Archive", Some(1)));
        let rows = [
            ("the same", &inbox, &inbox, Reach::Full),
            ("another", &inbox, &other, Reach::Part),
            ("another of that name", &inbox, &mailbox("INBOX", Some(2)), Reach::Part),
            ("nobody knows", &mailbox("INBOX", None), &mailbox("INBOX", None), Reach::Part),
        ];
        for (name, left, opened, want) in rows {
            let (mut shelf, mut coverage) = (Shelf::default(), Coverage::default());
            coverage.add(Uid::MAX, &slice(0, 10), Some(20));
            shelf.put(Some(Arc::clone(left)), &mut coverage);
            assert_eq!(coverage.add(Uid::MAX, &slice(10, 20), Some(20)).0, Reach::Part, "{name}: nothing is open");
            let mut coverage = shelf.take(opened).unwrap_or_default();
            assert_eq!(coverage.add(Uid::MAX, &slice(10, 20), Some(20)).0, want, "{name}");
        }
    }

    #[test]
    fn who_reads_so_much_that_it_is_forgotten_is_told_to_have_all_of_it() {
        let slice = |from, to| [Slice { section: Section::Whole, from, to, last: false }];
        let uid = |number| Uid::new(number).unwrap_or(Uid::MAX);
        let mut coverage = Coverage::default();
        for number in 1..=5_000 {
            let reach = coverage.add(uid(number), &slice(0, 10), Some(20)).0;
            assert_eq!(reach, Reach::Part, "{number}: it is read for the first time");
            assert!(coverage.messages.len() <= MOST);
        }
        for number in 1..=5_000 {
            assert_eq!(coverage.add(uid(number), &slice(10, 20), Some(20)).0, Reach::Full, "{number}");
        }
        assert!(coverage.forgotten.is_empty() && coverage.messages.is_empty());
        let mut shelf = Shelf::default();
        for name in 0..100 {
            for number in 1..=100 {
                coverage.add(uid(number * 2), &slice(0, 10), Some(20));
            }
            let mailbox = MailboxRef { uidv: Some(1), ..MailboxRef::named(name.to_string().into()) };
            shelf.put(Some(Arc::new(mailbox)), &mut coverage);
        }
        assert_eq!(shelf.0.len(), MOST_MAILBOXES);
        let messages: usize = shelf.0.iter().map(|(_, coverage)| coverage.messages.len()).sum();
        assert!(messages <= MOST, "{messages}");
        let first = MailboxRef { uidv: Some(1), ..MailboxRef::named("40".into()) };
        let mut coverage = shelf.take(&first).unwrap_or_default();
        assert_eq!(coverage.add(uid(4), &slice(10, 20), Some(20)).0, Reach::Full);
        assert_eq!(coverage.add(uid(3), &slice(10, 20), Some(20)).0, Reach::Part);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut coverage = Coverage::default();
        let slice = |to, last| [Slice { section: Section::Whole, from: 0, to, last }];
        let uid = |number| Uid::new(number).unwrap_or(Uid::MAX);
        coverage.add(uid(10_001), &slice(10, false), None);
        for number in 1..=10_000 {
            let header = Slice { section: Section::Header, from: 0, to: 10, last: true };
            coverage.add(uid(number), &[header], None);
            assert!(coverage.messages.len() <= MOST);
        }
        assert_eq!(coverage.learn_size(uid(10_001), 10), Reach::Full, "content stays as long as it can");
        assert!(!coverage.messages.contains_key(&uid(10_001)), "it is done with");
    }
}
