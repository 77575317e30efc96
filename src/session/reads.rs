//! What was read? Counted from what was relayed, not from what was asked (audit.md §3).
//!
//! ```text
//!   FETCH 3:5 (UID FLAGS)         ─▶ listed   {11,13}
//!   UID FETCH 11 BODY[]<0.1000>   ─▶ part     11: 1000 octets
//!   UID FETCH 11 BODY[]<1000.…>   ─▶ full     11, the intervals now cover it
//! ```

mod current;

use std::ops::Range;

use crate::imap::message::{Uid, UidSet};
use crate::policy::AuditLevel;
use crate::wire::fetch::FetchEvent;
use crate::wire::fetch_line::FetchLine;
use crate::wire::frame::{ResponseEnd, response_end};
use crate::wire::structure::Structure;

use self::current::{Asked, Current, class_of};
use super::by_the_thousand::uid_of;
use super::coverage::{Coverage, Reach, Section, reach_of};
use super::event::{ReadClass, ReadMessage, ReadSet};
use super::limiting::{FetchBudget, SizeCap};
use super::seq_uids::SeqUids;

/// Most messages in one record; a FETCH that read more is recorded in several.
pub(super) const MAX_MESSAGES: usize = 500;

/// Most messages in doubt about which one command asks.
const MAX_DOUBTFUL: u64 = 64;

/// The reads of one FETCH command.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Highest class of what is asked.
    pub wants: ReadClass,
    /// UIDs that are asked for, as far as they are known.
    pub asked: Option<UidSet>,
    /// The set of sequence numbers that the upstream must be asked about first.
    pub ask: Option<Box<[u8]>>,
    /// Items that went up under another name, and the name that the client knows.
    pub renames: Vec<(&'static str, &'static str)>,
    pub(super) edits: Vec<(Range<usize>, &'static str)>,
    /// Does the command ask for FLAGS? If not, a response with nothing else is news, not a read.
    pub wants_flags: bool,
    /// Slices that the command asks for, each by its first octet and how many: a shorter answer is the end.
    pub slices: Vec<(Section, u64, u64)>,
    /// All that are asked for, where other commands are under way.
    pub others: Vec<(Section, u64, u64)>,
    /// Does it ask for numbered parts?
    pub asks_parts: bool,
    /// It may leave open whether its slices, or its parts, are all of a message.
    pub may_doubt: bool,
    /// Messages of which that is open, since nobody told their size.
    pub doubtful: UidSet,
    /// Messages of which that is open, since nobody told their parts: they stay until that is known.
    pub unknown: UidSet,
    /// Reads of those.
    pub(super) waiting: usize,
    /// UIDs behind sequence numbers, where the proxy asked for them.
    pub uids: SeqUids,
    /// What limits leave of it.
    pub budget: Option<Box<FetchBudget>>,
    /// Its messages must be small enough: their sizes are asked for first.
    pub cap: Option<Box<SizeCap>>,
    /// It sets `\\Seen`, but went up without: the flag is set on what the client gets, and on nothing that is kept from it.
    pub marks: bool,
    /// Messages that the client got.
    pub marked: UidSet,
    pub(super) listed: Class,
    pub(super) envelope: Class,
    pub(super) messages: Vec<ReadMessage>,
    pub(super) bytes: u64,
    pub(super) now: Current,
    /// How much of a message's header is recorded.
    pub level: AuditLevel,
    /// Its messages are what a search in messages has found.
    pub found: bool,
    /// Does the command bring the header with it?
    pub brings_header: bool,
    /// Questions for the headers that the record needs, the last one first, once it is known which those are.
    pub headers_to_ask: Option<Vec<Vec<u8>>>,
}

#[derive(Debug, Default)]
pub(super) struct Class {
    uids: UidSet,
    n: u64,
}

impl Coverage {
    /// The answer to a question of ours for headers: its number, and its text behind the word FETCH. `of`: which message has that
    /// number, where that is known.
    pub fn learn_header(&mut self, seq: u64, text: &[u8], of: Option<Uid>) {
        let line = text.get(..memchr::memchr(b'\n', text).map_or(text.len(), |end| end.saturating_add(1)));
        let line = line.unwrap_or_default();
        let size = if let ResponseEnd::Literal(size) = response_end(line) { Some(size) } else { None };
        let mut reads = Reads { level: AuditLevel::Headers, wants: ReadClass::Envelope, ..Reads::default() };
        reads.begin(seq, false, line, size);
        let rest = text.get(line.len()..).unwrap_or_default();
        if let Some((header, rest)) = size.and_then(|size| rest.split_at_checked(usize::try_from(size).ok()?)) {
            reads.literal_octets(header);
            reads.literal_end();
            reads.fragment(rest, None);
        }
        let Some(uid) = reads.now.uid.filter(|uid| of.is_none_or(|of| of == *uid)) else { return };
        self.headers.note(uid);
        reads.end(self);
    }
}

impl Reads {
    /// A whole response in one line. `false`: its items have other names for the client, and must be changed.
    pub fn add_line(&mut self, line: &FetchLine) -> bool {
        if !self.takes_lines() {
            return false;
        }
        if !line.more_than_flags && !self.wants_flags {
            return true; // news of flags is no read
        }
        let uid = line.uid.and_then(uid_of).or_else(|| self.uids.get(line.seq));
        let class = if line.structure { &mut self.envelope } else { &mut self.listed };
        class.add(uid);
        true
    }

    /// Do lines pass as they are? Not where items have other names for the client, or are to be marked as seen.
    pub fn takes_lines(&self) -> bool {
        self.renames.is_empty() && !self.marks
    }

    /// Lines of nothing but flags, of so many messages whose UIDs follow that of a line that was taken.
    pub fn add_flags(&mut self, behind: Uid, count: u32) {
        let first = Uid::new(behind.get().saturating_add(1));
        let last = Uid::new(behind.get().saturating_add(count));
        if let (Some(first), Some(last), true) = (first, last, count > 0) {
            self.add_flags_of(first, last);
        }
    }

    /// The same, of messages with these UIDs, one after the other.
    pub fn add_flags_of(&mut self, first: Uid, last: Uid) {
        if self.wants_flags {
            self.listed.add_run(first, last); // else it is news, and no read
        }
    }

    /// A FETCH response begins: its number, and its text behind the word FETCH.
    pub fn begin(&mut self, seq: u64, uid_is_number: bool, text: &[u8], literal: Option<u64>) {
        self.now = Current { open: true, seq, only_flags: true, ..Current::default() };
        if uid_is_number {
            self.now.uid = u32::try_from(seq).ok().and_then(Uid::new);
        }
        self.fragment(text, literal);
    }

    /// A fragment of the response.
    pub fn fragment(&mut self, text: &[u8], literal: Option<u64>) {
        let (collects, level, asks_parts) = (self.collects_headers(), self.level, self.asks_parts);
        let asked = Asked { slices: &self.slices, others: &self.others };
        let (now, renames, edits) = (&mut self.now, &self.renames, &mut self.edits);
        let mut scan = std::mem::take(&mut now.scan);
        scan.fragment(text, literal, |event| {
            if !renames.is_empty() {
                edits.extend(rename(text, &event, renames));
            }
            if collects {
                now.collect(text, &event, level);
            }
            if asks_parts {
                now.take_structure(text, &event);
            }
            now.on(event, asked);
        });
        now.scan = scan;
    }

    /// Does the record tell something of headers that pass by? A Message-ID only beside content.
    fn collects_headers(&self) -> bool {
        match self.level {
            AuditLevel::None => false,
            AuditLevel::Metadata => self.wants >= ReadClass::Preview,
            AuditLevel::Headers => true,
        }
    }

    /// Do the lines of flags and envelopes have to be looked at one by one?
    pub fn reads_every_line(&self) -> bool {
        self.level == AuditLevel::Headers
    }

    /// The class that the response under way has reached, or will with the literal that it announces.
    pub fn now_reaches(&self) -> ReadClass {
        let announced = self.now.literal.map_or(ReadClass::Listed, |literal| class_of(literal.item));
        self.now.class.unwrap_or(ReadClass::Listed).max(announced)
    }

    /// Has it told of that message already?
    pub fn has_told(&self, uid: Uid) -> bool {
        self.listed.uids.contains(uid)
            || self.envelope.uids.contains(uid)
            || self.messages.iter().any(|message| message.uid == Some(uid))
    }

    /// Is the response under way news of flags, and nothing else?
    pub fn now_is_news(&self) -> bool {
        self.now.only_flags && self.now.literal.is_none()
    }

    /// The UID that the response under way has told so far.
    pub fn now_uid(&self) -> Option<Uid> {
        self.now.uid
    }

    /// The size of a message was told that is in doubt.
    pub fn learn_size(&mut self, uid: Uid, size: u64, coverage: &mut Coverage) {
        let reach = coverage.learn_size(uid, size);
        self.settle(uid, reach, Some(size));
    }

    /// Is it open of any message whether all of it was read?
    pub fn leaves_open(&self) -> bool {
        !(self.unknown.is_empty() && self.doubtful.is_empty())
    }

    /// Which parts a message has was told, of which that was open.
    pub fn learn_structure(&mut self, uid: Uid, structure: Structure, size: Option<u64>, coverage: &mut Coverage) {
        if self.unknown.remove(uid) {
            let reach = coverage.learn_structure(uid, structure, size);
            self.settle(uid, reach, size);
        }
    }

    /// What is open still of the parts of messages will never be known: it may be that the client has all of them.
    pub fn give_up(&mut self, coverage: &mut Coverage) {
        for uid in std::mem::take(&mut self.unknown).iter() {
            let reach = coverage.give_up(uid);
            self.settle(uid, reach, None);
        }
        self.waiting = 0;
    }

    fn settle(&mut self, uid: Uid, reach: Reach, size: Option<u64>) {
        for message in self.messages.iter_mut().filter(|message| message.uid == Some(uid)) {
            message.size = size.or(message.size);
            if reach == Reach::Full && message.class == ReadClass::Part {
                message.class = ReadClass::Full;
            }
        }
    }

    /// The number that the response under way begins with.
    pub fn now_number(&self) -> u64 {
        self.now.seq
    }

    /// Nobody gets the response under way.
    pub fn forget_response(&mut self) {
        self.now = Current::default();
        self.edits.clear();
    }

    /// Nobody gets the literal that is announced.
    pub fn forget_literal(&mut self) {
        self.now.literal = None;
        self.now.in_header = false;
    }

    /// What must be put in the place of what, in the fragment just read.
    pub fn take_edits(&mut self) -> Vec<(Range<usize>, &'static str)> {
        std::mem::take(&mut self.edits)
    }

    /// Octets of the literal under way were handed on.
    pub fn literal_octets(&mut self, octets: &[u8]) {
        if let Some(header) = self.now.header_text.as_mut().filter(|_| self.now.in_header) {
            header.push(octets, self.level);
        }
        self.literal(octets.len() as u64);
    }

    fn literal(&mut self, octets: u64) {
        if let Some(literal) = &mut self.now.literal {
            literal.seen = literal.seen.saturating_add(octets);
        }
    }

    /// The literal under way is over.
    pub fn literal_end(&mut self) {
        self.now.finish_literal(Asked { slices: &self.slices, others: &self.others });
    }

    /// The response is over, or was cut. Did it hold an item that is not in the table?
    pub fn end(&mut self, coverage: &mut Coverage) -> bool {
        if !self.now.open {
            return false;
        }
        self.now.finish_literal(Asked { slices: &self.slices, others: &self.others });
        let now = std::mem::take(&mut self.now);
        let unknown = now.unknown;
        let Some(mut class) = now.class else { return false };
        if now.only_flags && !self.wants_flags {
            return false;
        }
        let uid = now.uid.or_else(|| u32::try_from(now.seq).ok().and_then(|seq| self.uids.get(seq)));
        let (mut size, mut reach) = (now.size, Reach::Part);
        match uid.filter(|_| !now.slices.is_empty()) {
            Some(uid) => {
                (reach, size) = coverage.add(uid, &now.slices, now.size);
                if let Some(structure) = now.structure.filter(|_| reach != Reach::Full) {
                    reach = coverage.learn_structure(uid, structure, now.size);
                }
            }
            None if !now.slices.is_empty() => {
                // Of a message whose UID nobody told, and of which nobody can be asked.
                reach = match reach_of(&now.slices, now.size) {
                    Reach::Unknown => Reach::Full,
                    reach => reach,
                };
            }
            None => {}
        }
        match (reach, uid) {
            // Be it that this was the header, behind the text.
            (Reach::Full, _) => class = ReadClass::Full,
            (Reach::Doubt, Some(uid)) if class == ReadClass::Part && self.doubtful.len() < MAX_DOUBTFUL => {
                self.doubtful.insert(uid);
            }
            (Reach::Unknown, Some(uid)) if class == ReadClass::Part => {
                self.unknown.insert(uid);
                self.waiting = self.waiting.saturating_add(1);
            }
            (Reach::Unknown | Reach::Doubt | Reach::Part, _) => {}
        }
        if let Some(uid) = uid.filter(|_| self.marks && !now.only_flags) {
            self.marked.insert(uid);
        }
        self.bytes = self.bytes.saturating_add(now.bytes);
        let mut hdr = now.header_text.and_then(|header| header.facts(self.level));
        if let (AuditLevel::Headers, Some(uid)) = (self.level, uid) {
            hdr = coverage.headers.with(uid, hdr);
        }
        match class {
            ReadClass::Listed | ReadClass::Searched => self.listed.add(uid),
            ReadClass::Envelope => self.envelope.add(uid),
            ReadClass::Preview | ReadClass::Part | ReadClass::Full => self.messages.push(ReadMessage {
                uid,
                class,
                bytes: now.bytes,
                size,
                parts: now.parts,
                emailid: now.emailid,
                hdr,
            }),
        }
        unknown
    }

    /// Was nothing delivered?
    pub fn is_empty(&self) -> bool {
        self.listed.n == 0 && self.envelope.n == 0 && self.messages.is_empty()
    }

    /// Messages and octets of each class, for the counters.
    pub fn totals(&self) -> impl Iterator<Item = (ReadClass, u64, u64)> + use<> {
        let mut totals = [
            (self.lowest(), self.listed.n, 0u64),
            (ReadClass::Envelope, self.envelope.n, 0),
            (ReadClass::Preview, 0, 0),
            (ReadClass::Part, 0, 0),
            (ReadClass::Full, 0, 0),
        ];
        for message in &self.messages {
            if let Some(total) = totals.iter_mut().find(|total| total.0 == message.class) {
                total.1 = total.1.saturating_add(1);
                total.2 = total.2.saturating_add(message.bytes);
            }
        }
        totals.into_iter().filter(|total| total.1 > 0)
    }

    /// What is told of a message of which nothing but numbers and flags was.
    fn lowest(&self) -> ReadClass {
        if self.found { ReadClass::Searched } else { ReadClass::Listed }
    }

    /// The messages of one record, as soon as there are enough for one: memory does not grow with what is read, but for some of
    /// which it is open how much that was.
    pub fn take_full_record(&mut self) -> Option<Vec<ReadMessage>> {
        if self.messages.len().saturating_sub(self.waiting) < MAX_MESSAGES {
            return None;
        }
        let waits = |message: &ReadMessage| message.uid.is_some_and(|uid| self.unknown.contains(uid));
        let (waiting, known) = std::mem::take(&mut self.messages).into_iter().partition(waits);
        self.messages = waiting;
        Some(known)
    }

    /// What the records hold: sets of the lower classes (in the first), at most [`MAX_MESSAGES`] messages each.
    pub fn into_records(mut self) -> Vec<(Vec<ReadSet>, Vec<ReadMessage>)> {
        let mut sets = Vec::new();
        for (class, seen) in [(self.lowest(), self.listed), (ReadClass::Envelope, self.envelope)] {
            if seen.n > 0 {
                let uids = (!seen.uids.is_empty()).then_some(seen.uids);
                sets.push(ReadSet { class, uids, n: seen.n, bytes: 0 });
            }
        }
        let mut records = Vec::new();
        loop {
            let rest = self.messages.split_off(self.messages.len().min(MAX_MESSAGES));
            let messages = std::mem::replace(&mut self.messages, rest);
            let sets = std::mem::take(&mut sets);
            records.push((sets, messages));
            if self.messages.is_empty() {
                return records;
            }
        }
    }
}

/// The name of an item that went up as another, and the name that the client knows.
fn rename(
    text: &[u8],
    event: &FetchEvent<'_>,
    renames: &[(&'static str, &'static str)],
) -> Option<(Range<usize>, &'static str)> {
    let (FetchEvent::Inline { at, .. } | FetchEvent::Literal { at, .. }) = *event else { return None };
    renames.iter().find_map(|(from, to)| {
        let span = at..at.saturating_add(from.len());
        let ends = matches!(text.get(span.end), Some(b' ' | b')'));
        (ends && text.get(span.clone())?.eq_ignore_ascii_case(from.as_bytes())).then_some((span, *to))
    })
}

impl Class {
    fn add(&mut self, uid: Option<Uid>) {
        match uid {
            Some(uid) if !self.uids.insert(uid) => {}
            _ => self.n = self.n.saturating_add(1),
        }
    }

    fn add_run(&mut self, first: Uid, last: Uid) {
        if first == last {
            return self.add(Some(first));
        }
        if self.uids.last().is_some_and(|known| known >= first) {
            // Some of them have been told before, perhaps.
            return UidSet::run(first, last).iter().for_each(|uid| self.add(Some(uid)));
        }
        self.uids.insert_run(first, last);
        self.n = self.n.saturating_add(u64::from(last.get().saturating_sub(first.get()))).saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
