//! What the record needs of a command that is answered, and nobody has told: it is asked before its client hears the answer.
//!
//! ```text
//!   a1 SEARCH BODY x                   ◀─ * SEARCH 2 3, t1 OK    which UIDs?     ─▶ FETCH 2:3 (UID)
//!   a1 SEARCH RETURN (PARTIAL 1:2 COUNT) BODY x
//!                                      ◀─ … (1:2 3,5) COUNT 4   the others?     ─▶ SEARCH RETURN (ALL) BODY x
//!   a2 UID FETCH 7 BODY[]<0.1000>      ◀─ 1000 octets, t2 OK     all of it?      ─▶ UID FETCH 7 (UID RFC822.SIZE)
//!   a3 UID FETCH 7:9 BODY[1]           ◀─ three parts, t3 OK     all of them?    ─▶ UID FETCH 7:9 (UID RFC822.SIZE BODYSTRUCTURE)
//! ```
//!
//! Who asked by number is asked about by number.
//!
//! Such a command is a barrier: nothing goes up behind it before that is known.

use std::time::Instant;

use crate::imap::message::{Uid, UidSet};
use crate::imap::status::Status;
use crate::wire::response::{Head, head};
use crate::wire::structure::structure_told;

use super::Session;
use super::by_the_thousand::uid_of;
use super::effect::{Effect, Own};
use super::in_flight::{Answered, Entry};
use super::messages::{flags_told, set_in_pieces};
use super::reads::Reads;
use super::recording::is_silent;
use super::response_path::Flow;

/// What is asked for of messages that may have no other parts than those that were relayed. BODYSTRUCTURE, and not BODY: it is what
/// mail programs ask for, so servers have it at hand. The size comes with it, for what turns out to be less than all.
const PARTS: &[u8] = b" (UID RFC822.SIZE BODYSTRUCTURE)";

/// What is asked for of messages of which slices were relayed.
const SIZES: &[u8] = b" (UID RFC822.SIZE)";

/// Longest answer about the parts of one message that is looked at.
const LONGEST: usize = 256 * 1024;

/// A command that is answered, but for its client.
#[derive(Debug)]
pub(super) struct Afterwards {
    pub entry: Box<Entry>,
    status: Option<Status>,
    /// The line that answers it, behind the tag.
    rest: Vec<u8>,
    /// UIDs that a search has found.
    uids: UidSet,
    /// Questions that are still to come, the last one first.
    lines: Vec<Vec<u8>>,
    /// Messages went meanwhile: numbers are not what they were.
    pub disturbed: bool,
}

impl Session {
    /// A command is answered. Where something is to be asked first it does not come back.
    pub(super) fn ask_afterwards(
        &mut self,
        mut entry: Box<Entry>,
        status: Option<Status>,
        rest: &[u8],
        now: Instant,
    ) -> Option<Box<Entry>> {
        if self.held.is_some() || is_silent(entry.audit, entry.judged.as_deref()) {
            return Some(entry);
        }
        if !self.in_flight.is_empty() {
            if !matches!(&entry.effect, Effect::Fetching(reads) if reads.may_doubt && reads.leaves_open()) {
                return Some(entry);
            }
            // Dovecot may tell that it is over before others are that it began with earlier.
            entry.answered = Some(Box::new(Answered { status, rest: rest.to_vec() }));
            self.in_flight.push(entry);
            return None;
        }
        if let Effect::Searching(searching) = &mut entry.effect
            && let Some(line) = searching.take_again()
        {
            let (rest, uids) = (rest.to_vec(), UidSet::new());
            self.afterwards =
                Some(Box::new(Afterwards { entry, status, rest, uids, lines: Vec::new(), disturbed: false }));
            let serial = self.in_flight.next_serial();
            self.in_flight.push(Entry::own(serial, Own::Again, now));
            self.send_with_literals(serial, &line);
            return None;
        }
        let by_number = !entry.verb.is_uid_form();
        let asks = match &mut entry.effect {
            Effect::Searching(searching) if searching.asks_for_uids() && !searching.many => {
                searching.numbers.set().map(|set| (vec![format!("FETCH {set} (UID)").into_bytes()], Own::Found))
            }
            Effect::Fetching(reads) if !reads.unknown.is_empty() => {
                Some((self.questions(reads, by_number, PARTS), Own::Structures))
            }
            Effect::Fetching(reads) if !reads.doubtful.is_empty() => {
                Some((self.questions(reads, by_number, SIZES), Own::Lengths))
            }
            _ => None,
        };
        let Some((mut lines, own)) = asks else { return Some(entry) };
        let Some(line) = lines.pop() else { return Some(entry) };
        let (rest, uids) = (rest.to_vec(), UidSet::new());
        self.afterwards = Some(Box::new(Afterwards { entry, status, rest, uids, lines, disturbed: false }));
        self.send_own_as(&line, own, now);
        None
    }

    /// The question for `items` of messages about which something is open: one, unless the line would grow too long. A client
    /// that asked by number must not hear of messages that go, while it waits for the answer (RFC 9051 §7.5.1): so it is by number.
    fn questions(&self, reads: &mut Reads, by_number: bool, items: &[u8]) -> Vec<Vec<u8>> {
        let mut all = reads.unknown.clone();
        reads.doubtful.runs().for_each(|(first, last)| all.insert_run(first, last));
        let taken = items.len().saturating_add(32);
        let numbers = if by_number && self.view.is_none() { reads.uids.numbers_of(&all) } else { None };
        let (begin, sets) = match (&self.view, numbers) {
            (Some(view), _) => ("UID FETCH ", view.spell_in_pieces(&all, taken)),
            (None, Some(numbers)) => ("FETCH ", set_in_pieces(&numbers, taken)),
            (None, None) => ("UID FETCH ", set_in_pieces(&all, taken)),
        };
        sets.into_iter().rev().map(|set| [begin.as_bytes(), set.as_bytes(), items].concat()).collect()
    }

    /// Is a question under way which parts messages have?
    pub(super) fn asks_structures(&self) -> bool {
        self.in_flight.barring().any(|entry| matches!(entry.effect, Effect::Own(Own::Structures)))
    }

    /// What becomes of a FETCH response that answers it? `None`: it is about something else.
    pub(super) fn route_structure(&self, text: &[u8]) -> Option<Flow> {
        if !self.asks_structures() || !structure_told(text).has_item {
            return None;
        }
        Some(if text.len() > LONGEST { Flow::Drop } else { Flow::Collect })
    }

    /// Such a response is whole.
    pub(super) fn learn_structure(&mut self, response: &[u8]) {
        let Head::Number { number, rest, .. } = head(response) else { return };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.tell_flags_beside(number, response, rest);
        let told = structure_told(response.get(rest..).unwrap_or_default());
        let Some(uid) = told.uid.and_then(uid_of) else { return };
        let Some(Effect::Fetching(reads)) = self.afterwards.as_mut().map(|afterwards| &mut afterwards.entry.effect)
        else {
            return;
        };
        if let Some(size) = told.size {
            reads.learn_size(uid, size, &mut self.coverage);
        }
        if let Some(structure) = told.structure {
            reads.learn_structure(uid, structure, told.size, &mut self.coverage);
        }
    }

    /// Flags that the upstream tells beside it are for the client.
    fn tell_flags_beside(&mut self, number: u32, response: &[u8], rest: usize) {
        if self.view.is_some() {
            self.learn_beside_header(number, response, rest);
            return;
        }
        let text = response.get(rest..).unwrap_or_default();
        if let Some(flags) = flags_told(text) {
            let out = self.out.client();
            out.extend_from_slice(format!("* {number} FETCH (FLAGS (").as_bytes());
            out.extend_from_slice(flags);
            out.extend_from_slice(b"))\r\n");
        }
    }

    /// A message that was asked about.
    pub(super) fn learn_afterwards(&mut self, uid: Uid, size: Option<u64>) {
        let Some(afterwards) = &mut self.afterwards else { return };
        match (&mut afterwards.entry.effect, size) {
            (Effect::Fetching(reads), Some(size)) => reads.learn_size(uid, size, &mut self.coverage),
            (Effect::Searching(_), _) => {
                afterwards.uids.insert(uid);
            }
            _ => {}
        }
    }

    /// All that was counted is known by UID, or by number: then it goes on. What could not be asked is not named.
    pub(super) fn told_again(&mut self, now: Instant) {
        let Some(afterwards) = self.afterwards.take() else { return };
        let Afterwards { mut entry, status, rest, disturbed, .. } = *afterwards;
        if let Effect::Searching(searching) = &mut entry.effect {
            searching.many |= disturbed && !searching.uid;
        }
        if let Some(entry) = self.ask_afterwards(entry, status, &rest, now) {
            self.conclude(entry, status, &rest, now);
        }
    }

    /// It is known, or will never be.
    pub(super) fn known_afterwards(&mut self, ok: bool, now: Instant) {
        if let Some(line) = self.afterwards.as_mut().and_then(|afterwards| afterwards.lines.pop()) {
            return self.send_own_as(&line, Own::Structures, now);
        }
        let Some(afterwards) = self.afterwards.take() else { return };
        let Afterwards { mut entry, status, rest, uids, disturbed, .. } = *afterwards;
        if let Effect::Searching(searching) = &mut entry.effect
            && ok
            && !disturbed
        {
            searching.name(uids);
        }
        self.conclude(entry, status, &rest, now);
    }
}
