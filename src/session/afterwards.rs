//! What the record needs of a command that is answered, and nobody has told: it is asked before its client hears the answer.
//!
//! ```text
//!   a1 SEARCH BODY x                   ◀─ * SEARCH 2 3, t1 OK    which UIDs?     ─▶ FETCH 2:3 (UID)
//!   a1 SEARCH RETURN (PARTIAL 1:2 COUNT) BODY x
//!                                      ◀─ … (1:2 3,5) COUNT 4   the others?     ─▶ SEARCH RETURN (ALL) BODY x
//!   a2 UID FETCH 7 BODY[]<0.1000>      ◀─ 1000 octets, t2 OK     all of it?      ─▶ UID FETCH 7 (UID RFC822.SIZE)
//! ```
//!
//! Such a command is a barrier: nothing goes up behind it before that is known.

use std::time::Instant;

use crate::imap::message::{Uid, UidSet};
use crate::imap::status::Status;

use super::Session;
use super::effect::{Effect, Own};
use super::in_flight::Entry;
use super::recording::is_silent;

/// A command that is answered, but for its client.
#[derive(Debug)]
pub(super) struct Afterwards {
    pub entry: Box<Entry>,
    status: Option<Status>,
    /// The line that answers it, behind the tag.
    rest: Vec<u8>,
    /// UIDs that a search has found.
    uids: UidSet,
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
        if !self.in_flight.is_empty() || self.held.is_some() || is_silent(entry.audit, entry.judged.as_deref()) {
            return Some(entry);
        }
        if let Effect::Searching(searching) = &mut entry.effect
            && let Some(line) = searching.take_again()
        {
            let (rest, uids) = (rest.to_vec(), UidSet::new());
            self.afterwards = Some(Box::new(Afterwards { entry, status, rest, uids, disturbed: false }));
            let serial = self.in_flight.next_serial();
            self.in_flight.push(Entry::own(serial, Own::Again, now));
            self.send_with_literals(serial, &line);
            return None;
        }
        let asks = match &entry.effect {
            Effect::Searching(searching) if searching.asks_for_uids() && !searching.many => {
                searching.numbers.set().map(|set| (format!("FETCH {set} (UID)"), Own::Found))
            }
            Effect::Fetching(reads) if !reads.doubtful.is_empty() => {
                Some((format!("UID FETCH {} (UID RFC822.SIZE)", reads.doubtful), Own::Lengths))
            }
            _ => None,
        };
        let Some((line, own)) = asks else { return Some(entry) };
        let (rest, uids) = (rest.to_vec(), UidSet::new());
        self.afterwards = Some(Box::new(Afterwards { entry, status, rest, uids, disturbed: false }));
        self.send_own_as(line.as_bytes(), own, now);
        None
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
        let Some(afterwards) = self.afterwards.take() else { return };
        let Afterwards { mut entry, status, rest, uids, disturbed } = *afterwards;
        if let Effect::Searching(searching) = &mut entry.effect
            && ok
            && !disturbed
        {
            searching.name(uids);
        }
        self.conclude(entry, status, &rest, now);
    }
}
