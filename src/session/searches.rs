//! What do searches find? Counted as the upstream tells it, and by UID.
//!
//! ```text
//!   a1 UID SEARCH BODY x   ◀─ * SEARCH 12 15                    2 hits, UIDs 12,15
//!   a2 SEARCH BODY x       ◀─ * SEARCH 2 3                      2 hits, and before a2 is answered:
//!                          ─▶ FETCH 2:3 (UID)                   which UIDs they are
//!   a3 THREAD …            ◀─ * THREAD (2)(3 6 (4 23))          5 hits
//!   a4 … RETURN (MIN)      ◀─ * ESEARCH (TAG "t9") UID MIN 4    1 hit, as far as anybody was told
//! ```
//!
//! Between a search by numbers and a FETCH behind it no EXPUNGE may come (RFC 9051 §7.5.1), as long as nothing else is
//! under way; where one comes all the same, the UIDs stay unknown and the record has the number of hits alone.

use std::sync::Arc;

use crate::imap::message::{Uid, UidSet};
use crate::wire::number::{blank_and_number, digits};
use crate::wire::response::{Token, number, token};

use super::Session;
use super::effect::{Effect, Searching};
use super::event::{EventKind, MailboxRef, Note, ReadClass, Stage};
use super::follow::uid_set;
use super::recording::is_silent;

/// Most runs that are kept of what a search finds: more do not fit into its record (audit.md §2).
const MAX_RUNS: usize = 2048;

/// Longest set that is asked about.
const MAX_SET: usize = 4096;

impl Searching {
    /// The numbers of its answer.
    fn follow(&mut self, list: &[u8]) {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\n');
        // In nearly all of a list nothing else occurs.
        let mut rest = blank_and_number(list, |number| self.hit(u64::from(number)));
        loop {
            let word = rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
            rest = rest.get(word..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            // `(MODSEQ 917)` and the like: no number of a message.
            let Some((number, behind)) = digits(rest).filter(|(_, behind)| behind.first().is_none_or(blank)) else {
                let end = rest.iter().position(blank).unwrap_or(rest.len());
                rest = rest.get(end..).unwrap_or_default();
                continue;
            };
            rest = behind;
            self.hit(number);
        }
    }

    /// One more, in a list that has no count.
    #[inline]
    fn hit(&mut self, number: u64) {
        self.hits = self.hits.saturating_add(1);
        if let Some(number) = u32::try_from(number).ok().and_then(Uid::new) {
            self.told(number, number);
        }
    }

    fn told(&mut self, first: Uid, last: Uid) {
        if self.many {
            return;
        }
        let numbers = if self.uid { &mut self.uids } else { &mut self.numbers.0 };
        numbers.insert_run(first, last);
        if numbers.runs().len() > MAX_RUNS {
            *numbers = UidSet::new();
            self.many = true;
        }
    }

    /// Must be asked which UIDs it finds?
    pub fn asks_for_uids(&self) -> bool {
        self.content && !self.uid && self.guarded.is_none()
    }

    /// May more have to be asked when it is over?
    pub fn asks_afterwards(&self) -> bool {
        self.asks_for_uids() || self.again.is_some()
    }

    /// The line that asks for what it has counted and not told.
    pub fn take_again(&mut self) -> Option<Box<[u8]>> {
        let told = if self.uid { &self.uids } else { &self.numbers.0 };
        let line = self.again.take();
        line.filter(|_| self.hits > told.len() && !self.many)
    }

    /// The UIDs of what was found by number, if these are all of them.
    pub fn name(&mut self, uids: UidSet) {
        if uids.len() == self.numbers.0.len() {
            self.uids = uids;
        }
    }
}

/// Sequence numbers that a search has found, as runs.
#[derive(Debug, Default)]
pub(super) struct Numbers(UidSet);

impl Numbers {
    /// As IMAP writes sets. `None`: there are none, or it is too long.
    pub fn set(&self) -> Option<String> {
        let set = self.0.to_string();
        (!set.is_empty() && set.len() <= MAX_SET).then_some(set)
    }
}

/// Numbers of a list that comes in pieces, which may end within one.
#[derive(Debug, Default)]
pub(super) struct NumberList {
    number: Option<u64>,
    /// Within a word that is none, or in parentheses that hold none.
    skips: bool,
    /// Is it of THREAD, where parentheses are about messages?
    threads: bool,
    depth: u32,
}

impl NumberList {
    pub fn new(threads: bool) -> Self {
        Self { threads, ..Self::default() }
    }

    fn feed(&mut self, octets: &[u8], mut found: impl FnMut(u64)) {
        for octet in octets {
            match octet {
                b'0'..=b'9' if !self.skips && self.depth == 0 => {
                    let digit = u64::from(octet & 0x0f);
                    self.number = Some(self.number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                }
                b' ' | b'\r' | b'\n' | b'(' | b')' => {
                    self.skips = false;
                    if let Some(number) = self.number.take() {
                        found(number);
                    }
                    match octet {
                        // `(MODSEQ 917)`: no number of a message.
                        b'(' if !self.threads => self.depth = self.depth.saturating_add(1),
                        b')' if !self.threads => self.depth = self.depth.saturating_sub(1),
                        _ => {}
                    }
                }
                _ => {
                    self.skips = true;
                    self.number = None;
                }
            }
        }
    }
}

impl Session {
    /// `* SEARCH 2 84 882`
    pub(super) fn follow_search(&mut self, list: &[u8]) {
        if let Some(searching) = self.searching(None) {
            searching.follow(list);
        }
    }

    /// `* THREAD (2)(3 6 (4 23)(44 7 96))`
    pub(super) fn follow_thread(&mut self, list: &[u8]) {
        self.follow_numbers(&mut NumberList::new(true), list);
    }

    /// A piece of such a list. Where it is the last one its line end is in it.
    pub(super) fn follow_numbers(&mut self, numbers: &mut NumberList, piece: &[u8]) {
        if let Some(searching) = self.searching(None) {
            numbers.feed(piece, |number| searching.hit(number));
        }
    }

    /// `* ESEARCH (TAG "a") UID COUNT 3 ALL 4:6`
    pub(super) fn follow_esearch(&mut self, list: &[u8]) {
        let correlator = Correlator::read(list);
        let told = Told::read(correlator.items);
        let serial = correlator.tag.as_deref().and_then(|tag| self.own_serial(tag));
        if let (Some(serial), None) = (serial, serial.and_then(|serial| self.in_flight.by_serial(serial))) {
            return self.record_context(serial, told);
        }
        if let (Some(serial), Some(mailbox)) = (serial, correlator.mailbox) {
            let delimiter = self.delimiter();
            let name = crate::wire::mailbox::decode_lenient(&mailbox, self.utf8_mode(), delimiter).name;
            let mailbox = MailboxRef { name: Arc::from(name.as_str()), uidv: correlator.uidv, id: None };
            return self.record_found_in(serial, &Arc::new(mailbox), &told);
        }
        let Some(searching) = self.searching(serial) else { return };
        searching.hits = searching.hits.saturating_add(told.hits());
        for (first, last) in told.numbers.runs() {
            searching.told(first, last);
        }
    }

    /// The same, in answer to our question what a search has found besides.
    pub(super) fn learn_again(&mut self, list: &[u8]) {
        let told = Told::read(Correlator::read(list).items);
        let Some(afterwards) = &mut self.afterwards else { return };
        if let Effect::Searching(searching) = &mut afterwards.entry.effect {
            told.numbers.runs().for_each(|(first, last)| searching.told(first, last));
        }
    }

    /// A search in several mailboxes (RFC 7377) tells of each by itself, and is recorded so.
    fn record_found_in(&mut self, serial: u32, mailbox: &Arc<MailboxRef>, told: &Told) {
        let Some(entry) = self.in_flight.by_serial(serial) else { return };
        let Effect::Searching(searching) = &entry.effect else { return };
        let (content, hits) = (searching.content, told.hits());
        let silent = is_silent(entry.audit, entry.judged.as_deref());
        let mut event = self.event(EventKind::MessageSearch {
            keys: searching.keys.clone(),
            terms: searching.terms.clone(),
            content,
            hits: Some(hits),
            uids: (!told.numbers.is_empty()).then(|| told.numbers.clone()),
            hidden: None,
        });
        event.cmd = Some(entry.cmd);
        event.verb = Some(entry.verb);
        event.stage = Some(Stage::Done);
        event.more = true;
        event.mailbox = Some(Arc::clone(mailbox));
        event.policy = entry.judged.as_deref().map(|judged| self.outcome(judged));
        if content && hits > 0 {
            self.read_counts.add(ReadClass::Searched, hits);
            self.note(Note::Read { class: ReadClass::Searched, messages: hits, bytes: 0 });
        }
        if !silent {
            self.out.record(event);
        }
    }

    /// The search that an answer is of: the one of this number, else the one that has waited longest.
    fn searching(&mut self, serial: Option<u32>) -> Option<&mut Searching> {
        let entry = self.in_flight.find(|entry| {
            matches!(entry.effect, Effect::Searching(_)) && serial.is_none_or(|serial| entry.serial == serial)
        })?;
        match &mut entry.effect {
            Effect::Searching(searching) => Some(searching),
            _ => None,
        }
    }

    /// A message goes: numbers that were found may be those of others now.
    pub(super) fn disturb_searches(&mut self) {
        if let Some(afterwards) = &mut self.afterwards {
            afterwards.disturbed = true;
        }
        for entry in self.in_flight.iter_mut() {
            if let Effect::Searching(searching) = &mut entry.effect
                && searching.hits > 0
            {
                searching.many = true;
            }
        }
    }
}

/// What stands in the parentheses that an ESEARCH response begins with, and what behind them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Correlator<'a> {
    pub tag: Option<Vec<u8>>,
    mailbox: Option<Vec<u8>>,
    uidv: Option<u32>,
    items: &'a [u8],
}

impl<'a> Correlator<'a> {
    pub fn read(list: &'a [u8]) -> Self {
        let mut told = Self { items: list, ..Self::default() };
        let Some((Token::Open, mut at)) = token(list, 0) else { return told };
        told.items = &[];
        while let Some((word, end)) = token(list, at) {
            if word == Token::Close {
                told.items = list.get(end..).unwrap_or_default();
                break;
            }
            let Some((value, end)) = token(list, end) else { break };
            let is = |name: &str| matches!(word, Token::Atom(word) if word.eq_ignore_ascii_case(name.as_bytes()));
            let value = value.string();
            if is("TAG") {
                told.tag = value;
            } else if is("MAILBOX") {
                told.mailbox = value;
            } else if is("UIDVALIDITY") {
                told.uidv = value.and_then(|value| number(&value)).and_then(|number| u32::try_from(number).ok());
            }
            at = end;
        }
        told
    }
}

/// What an ESEARCH response tells of messages.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub numbers: UidSet,
    count: u64,
    /// What a search that goes on finds no more.
    removed: UidSet,
}

impl Told {
    /// `UID COUNT 3 ALL 4:6`, `MIN 4`, `PARTIAL (1:100 4,6:9)` (RFC 9394), `ADDTO (0 9 1 12:13)` (RFC 5267)
    fn read(items: &[u8]) -> Self {
        let mut told = Self::default();
        let mut words = items.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("COUNT") {
                told.count = words.next().and_then(number).unwrap_or(0);
            } else if is("ALL") || is("MIN") || is("MAX") {
                told.add(words.next().unwrap_or_default(), false);
            } else if is("PARTIAL") || is("ADDTO") || is("REMOVEFROM") {
                let removed = is("REMOVEFROM");
                while let (Some(_), Some(set)) = (words.next(), words.next()) {
                    told.add(set.strip_suffix(b")").unwrap_or(set), removed);
                    if set.ends_with(b")") {
                        break;
                    }
                }
            }
        }
        told
    }

    fn add(&mut self, set: &[u8], removed: bool) {
        let numbers = if removed { &mut self.removed } else { &mut self.numbers };
        for (first, last) in uid_set(set).unwrap_or_default().runs() {
            numbers.insert_run(first, last);
        }
    }

    /// What is found no more was found.
    pub fn take_removed(&mut self) {
        for (first, last) in std::mem::take(&mut self.removed).runs() {
            self.numbers.insert_run(first, last);
        }
    }

    /// As many as are told to be there, or as are told of.
    pub fn hits(&self) -> u64 {
        self.count.max(self.numbers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// However a list is spelled: what counts are its words that are numbers.
        #[test]
        fn a_search_found_what_it_says(list in "( {1,2}([0-9]{1,11}|[a-z(]{1,3}|[0-9]{1,2}[a-z)]|-1|\r)){0,9} ?\r?\n?") {
            let words = list.split([' ', '\r', '\n']).filter(|word| !word.is_empty());
            let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
            let uids: UidSet = numbers.iter().filter_map(|number| Uid::new(u32::try_from(*number).ok()?)).collect();
            let mut searching = Searching { uid: true, ..Searching::default() };
            searching.follow(list.as_bytes());
            proptest::prop_assert_eq!(searching.hits, numbers.len() as u64, "{:?}", &list);
            proptest::prop_assert_eq!(searching.uids, uids);
        }
    }

    #[test]
    fn numbers_in_pieces() {
        let rows: &[(&str, bool, &[&str], &[u64])] = &[
            ("whole", false, &[" 2 84 882\r\n"], &[2, 84, 882]),
            ("cut within a number", false, &[" 2 8", "4 88", "2\r\n"], &[2, 84, 882]),
            ("a mod-sequence", false, &[" 2 (MODSEQ 9", "17)\r\n"], &[2]),
            ("a word", false, &[" 2 x7 8\r\n"], &[2, 8]),
            ("threads", true, &[" (2)(3 6 (4 2", "3)(44 7 96))\r\n"], &[2, 3, 6, 4, 23, 44, 7, 96]),
        ];
        for (name, threads, pieces, want) in rows {
            let (mut list, mut got) = (NumberList::new(*threads), Vec::new());
            for piece in *pieces {
                list.feed(piece.as_bytes(), |number| got.push(number));
            }
            assert_eq!(got, *want, "{name}");
        }
    }

    #[test]
    fn correlators() {
        let rows: &[(&str, &str, Option<&str>, Option<&str>, &str)] = &[
            ("a tag", " (TAG \"t1\") UID ALL 4", Some("t1"), None, " UID ALL 4"),
            (
                "a mailbox",
                " (TAG \"t1\" MAILBOX \"x) ALL 1\" UIDVALIDITY 7) ALL 4",
                Some("t1"),
                Some("x) ALL 1"),
                " ALL 4",
            ),
            ("a literal", " (MAILBOX {2}\r\na) TAG \"t1\") MIN 4", Some("t1"), Some("a)"), " MIN 4"),
            ("none", " UID COUNT 0", None, None, " UID COUNT 0"),
            ("not closed", " (TAG \"t1\" MAILBOX {3}\r\n", Some("t1"), None, ""),
        ];
        for (name, text, tag, mailbox, items) in rows {
            let told = Correlator::read(text.as_bytes());
            let octets = |text: &Option<&str>| text.map(|text| text.as_bytes().to_vec());
            assert_eq!(
                (told.tag, told.mailbox, told.items),
                (octets(tag), octets(mailbox), items.as_bytes()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_esearch_tells() {
        let rows = [
            (" UID COUNT 3", 3, ""),
            (" UID MIN 4 MAX 9 COUNT 5\r\n", 5, "4,9"),
            (" UID ALL 4:6,9 MODSEQ 77\r\n", 4, "4:6,9"),
            (" UID PARTIAL (1:10 4:5) COUNT 77", 77, "4:5"),
            (" PARTIAL (-1:-10 NIL)", 0, ""),
            (" UID ADDTO (0 9 1 12:13)", 3, "9,12:13"),
            (" UID REMOVEFROM (0 9) ADDTO (0 7)", 1, "7"),
            ("", 0, ""),
        ];
        for (text, hits, set) in rows {
            let told = Told::read(text.as_bytes());
            assert_eq!((told.hits(), Numbers(told.numbers).set().unwrap_or_default().as_str()), (hits, set), "{text}");
        }
    }
}
