//! A mailbox that was opened before: while the upstream says of it what it said then, nothing is asked.
//!
//! ```text
//!   SELECT ─▶ EXISTS, UIDNEXT as before?          the messages are those of then     (else UID SEARCH ALL)
//!             HIGHESTMODSEQ as before?            so are those that are unseen       (else UID SEARCH UNSEEN)
//!             0 RECENT?                           none is                            (else UID SEARCH RECENT)
//! ```
//!
//! An upstream that says so wrongly is found out by the first message that comes with another UID than its number has here.

use crate::imap::message::UidSet;
use crate::view::messages::Standing;
use crate::wire::response::{Code, number};

use super::super::verdicts::{Contents, Verdicts};
use super::View;
use super::look::Look;

/// What the upstream says of a mailbox while it opens it, as far as it tells whether anything has changed there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// EXISTS
    exists: Option<u32>,
    /// RECENT
    recent: Option<u32>,
    /// UIDNEXT
    uid_next: Option<u32>,
    /// HIGHESTMODSEQ
    mod_seq: Option<u64>,
    /// Something came or went while it was said.
    moved: bool,
}

impl Told {
    pub fn exists(&mut self, number: u64) {
        self.moved |= self.exists.is_some();
        self.exists = u32::try_from(number).ok();
    }

    pub fn expunge(&mut self) {
        self.moved = true;
    }

    pub fn recent(&mut self, number: u64) {
        self.recent = u32::try_from(number).ok();
    }

    pub fn code(&mut self, code: &Code<'_>) {
        let said = || number(code.args);
        if code.is("UIDNEXT") {
            self.uid_next = said().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        } else if code.is("HIGHESTMODSEQ") {
            self.mod_seq = said();
        }
    }

    /// Are these all the messages that there were when it was said?
    fn fits(&self, uid_next: u32, uids: &UidSet) -> bool {
        let all_below = uids.last().is_none_or(|last| last.get() < uid_next);
        !self.moved
            && self.uid_next == Some(uid_next)
            && all_below
            && self.exists.is_some_and(|exists| u64::from(exists) == uids.len())
    }
}

impl View {
    /// The mailbox has been opened: what must be asked, beside what rules say to its messages?
    pub(super) fn begin_contents(&mut self, told: &Told, verdicts: &dyn Verdicts) {
        self.asking.wants = Vec::with_capacity(2);
        if told.moved || told.recent != Some(0) {
            self.asking.wants.push(Look::Recent);
        }
        let known = self.place.as_ref().and_then(|place| verdicts.contents(place));
        let known = known.filter(|known| told.fits(known.uid_next, &known.uids));
        let unseen = known.as_ref().and_then(|known| known.unseen.as_ref());
        match unseen.filter(|(mod_seq, _)| told.mod_seq == Some(*mod_seq)) {
            Some((_, unseen)) => (self.asking.unseen, self.asking.knows_unseen) = (unseen.clone(), true),
            None => self.asking.wants.push(Look::Unseen),
        }
        if let Some(known) = known {
            self.push_all(known.uids);
        }
    }

    /// All messages of a mailbox of which none is known yet.
    pub(super) fn push_all(&mut self, all: UidSet) {
        for (first, last) in all.runs() {
            let len = last.get().saturating_sub(first.get()).saturating_add(1);
            self.messages.push_run(first, len, Standing::Hidden);
        }
        self.pending = 0;
        self.asking.unjudged = all;
    }

    /// The mailbox is open, and this is what was said of it.
    pub(super) fn keep_contents(&self, told: &Told, verdicts: &dyn Verdicts) {
        let (Some(place), Some(uid_next)) = (&self.place, told.uid_next) else { return };
        let uids = self.messages.upstream();
        if told.fits(uid_next, &uids) {
            let mod_seq = told.mod_seq.filter(|_| self.asking.knows_unseen);
            let unseen = mod_seq.map(|mod_seq| (mod_seq, self.asking.unseen.clone()));
            verdicts.keep_contents(place, &Contents { uid_next, uids, unseen });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::message::Uid;

    #[test]
    fn what_fits() {
        let set = |numbers: &[u32]| numbers.iter().copied().filter_map(Uid::new).collect::<UidSet>();
        let told = Told { exists: Some(2), uid_next: Some(9), ..Told::default() };
        let rows = [
            ("the same", told, set(&[3, 8]), true),
            ("one more", told, set(&[3, 7, 8]), false),
            ("one beyond UIDNEXT", told, set(&[3, 9]), false),
            ("another UIDNEXT", Told { uid_next: Some(10), ..told }, set(&[3, 8]), false),
            ("no UIDNEXT", Told { uid_next: None, ..told }, set(&[3, 8]), false),
            ("no EXISTS", Told { exists: None, ..told }, set(&[]), false),
            ("moved meanwhile", Told { moved: true, ..told }, set(&[3, 8]), false),
            ("empty", Told { exists: Some(0), ..told }, set(&[]), true),
        ];
        for (name, told, uids, want) in rows {
            assert_eq!(told.fits(9, &uids), want, "{name}");
        }
    }
}
