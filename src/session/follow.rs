//! What responses say of the state and of commands under way.

use std::time::Instant;

use crate::imap::message::{Uid, UidSet};
use crate::wire::response::{Code, number};

use super::Session;
use super::coverage::Section;
use super::effect::{CopyUid, Effect, Own};
use super::event::{FaultReason, ReadClass, ResultStatus, Side};
use super::in_flight::Entry;
use super::reads::Reads;
use super::unasked::UNASKED;

impl Session {
    /// Codes that tell of the mailbox being opened.
    pub(super) fn follow_code(&mut self, code: &Code<'_>) {
        if code.is("COPYUID") {
            // MOVE tells it in an untagged OK (RFC 6851 §4.3).
            let known = copy_uid(code.args);
            if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Copying { .. }))
                && let Effect::Copying { code, .. } = &mut entry.effect
            {
                *code = known;
            }
            return;
        }
        if code.is("APPENDUID") {
            // REPLACE tells it likewise (RFC 8508 §3.4).
            if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Appending { .. })) {
                note_append_uid(&mut entry.effect, code);
            }
            return;
        }
        if let Some(opening) = self.opening() {
            if code.is("UIDVALIDITY") {
                opening.uidvalidity = number(code.args).and_then(|number| u32::try_from(number).ok());
            } else if code.is("MAILBOXID") {
                let id = code.args.strip_prefix(b"(").and_then(|id| id.strip_suffix(b")"));
                opening.id =
                    id.map(|id| String::from_utf8_lossy(id.get(..id.len().min(255)).unwrap_or_default()).into());
            } else if code.is("READ-ONLY") {
                opening.read_only = true;
            }
        }
    }

    pub(super) fn follow_code_of(&mut self, code: &Code<'_>) {
        if code.is("CAPABILITY") {
            self.learn_capabilities(code.args);
        }
    }

    pub(super) fn opening(&mut self) -> Option<&mut super::effect::Opening> {
        self.in_flight.barring_mut().find_map(|entry| match &mut entry.effect {
            Effect::Opening(opening) => Some(&mut **opening),
            _ => None,
        })
    }

    pub(super) fn follow_exists(&mut self, number: u64) {
        let exists = u32::try_from(number).unwrap_or(u32::MAX);
        if let Some(opening) = self.opening() {
            opening.exists = Some(exists);
        } else if let Some(selected) = self.state.selected_mut() {
            selected.exists = exists;
        }
    }

    pub(super) fn follow_list(&mut self) {
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Listing { .. }))
            && let Effect::Listing { n, .. } = &mut entry.effect
        {
            *n = n.saturating_add(1);
        }
    }

    /// `* SEARCH 4 7` in answer to our `UID SEARCH DELETED`.
    pub(super) fn learn_deleted(&mut self, list: &[u8]) {
        let mut found = UidSet::new();
        for word in list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')) {
            if let Some(uid) = number(word).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new) {
                found.insert(uid);
            }
        }
        self.set_deleted(found);
    }

    /// The same as `* ESEARCH (TAG "t4") UID ALL 4,7`, as IMAP4rev2 answers.
    pub(super) fn learn_deleted_all(&mut self, list: &[u8]) {
        let mut words = list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
        words.find(|word| word.eq_ignore_ascii_case(b"ALL"));
        self.set_deleted(words.next().and_then(uid_set).unwrap_or_default());
    }

    fn set_deleted(&mut self, found: UidSet) {
        let Some(held) = &mut self.held else { return };
        match &mut held.effect {
            Effect::Expunging { uids, .. } => {
                *uids = Some(match uids.take() {
                    Some(asked) => asked.intersect(&found),
                    None => found,
                });
            }
            Effect::Closing { uids, .. } => *uids = Some(found),
            _ => {}
        }
    }

    /// `* ENABLED UTF8=ACCEPT`: what is on is what the upstream says, not what was asked for. Names are read by it.
    pub(super) fn follow_enabled(&mut self, list: &[u8]) {
        let on = super::upstream::words(list)
            .any(|word| [&b"UTF8=ACCEPT"[..], b"IMAP4REV2"].iter().any(|name| word.eq_ignore_ascii_case(name)));
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Enabling { .. }))
            && let Effect::Enabling { utf8 } = &mut entry.effect
        {
            *utf8 |= on;
        }
    }

    /// Is this FETCH response the answer to our `FETCH set (UID)`, and nothing else?
    pub(super) fn answers_own_fetch(&mut self, seq: u64, text: &[u8]) -> bool {
        let Some(sizes) = self.in_flight.barring().find_map(|entry| match entry.effect {
            Effect::Own(Own::Uids) => Some(false),
            Effect::Own(Own::Sizes | Own::Lengths) => Some(true),
            Effect::Own(Own::Found) => Some(false),
            _ => None,
        }) else {
            return false;
        };
        let inner = text.trim_ascii().strip_prefix(b"(").and_then(|text| text.strip_suffix(b")"));
        let words = inner.map(|inner| inner.split(|byte| *byte == b' ').collect::<Vec<_>>()).unwrap_or_default();
        let uid_at = words.iter().position(|word| word.eq_ignore_ascii_case(b"UID")).map(|at| at.saturating_add(1));
        let uid = uid_at.and_then(|at| words.get(at).copied()).and_then(number);
        let uid = uid.and_then(|uid| u32::try_from(uid).ok()).and_then(Uid::new);
        let size_at = words.iter().position(|word| word.eq_ignore_ascii_case(b"RFC822.SIZE"));
        let size = size_at.and_then(|at| number(words.get(at.saturating_add(1))?)).filter(|_| sizes);
        if let (Some(uid), true) = (uid, self.afterwards.is_some()) {
            self.learn_afterwards(uid, size);
        } else if let (Some(uid), Ok(seq), Some(held)) = (uid, u32::try_from(seq), &mut self.held) {
            match &mut held.effect {
                Effect::Fetching(reads) => {
                    if let (Some(size), Some(cap)) = (size, &mut reads.cap) {
                        cap.sizes.push((seq, uid, size));
                    }
                    reads.uids.insert(seq, uid);
                    reads.asked.get_or_insert_default().insert(uid);
                }
                Effect::Storing { uids, .. } | Effect::Copying { uids, .. } => {
                    uids.get_or_insert_default().insert(uid);
                }
                Effect::Appending { replaced: Some(replaced), .. } => replaced.uid = Some(uid),
                _ => {}
            }
        }
        // What the upstream tells beside it is for the client.
        uid.is_some() && words.len() == if sizes { 4 } else { 2 } && size.is_some() == sizes
    }

    pub(super) fn reads_of(&mut self, serial: u32) -> Option<&mut Reads> {
        if serial == UNASKED {
            return self.unasked.as_deref_mut();
        }
        match &mut self.in_flight.find(|entry| entry.serial == serial)?.effect {
            Effect::Fetching(reads) => Some(reads),
            _ => None,
        }
    }

    /// A FETCH response that the client gets begins: it is counted with the FETCH that it answers, as far as that can be told.
    pub(super) fn begin_fetch_response(
        &mut self,
        seq: u64,
        uid_is_number: bool,
        text: &[u8],
        literal: Option<u64>,
    ) -> Option<u32> {
        let is_read = |entry: &&Entry| matches!(entry.effect, Effect::Fetching(_)) && entry.is_open();
        let several = self.in_flight.iter().filter(is_read).nth(1).is_some();
        let answered = if several { self.answered_fetch(seq, uid_is_number, text, literal) } else { None };
        let wanted = |entry: &Entry| is_read(&entry) && answered.is_none_or(|serial| entry.serial == serial);
        let others = if several { self.slices_asked() } else { Vec::new() };
        if let Some(entry) = self.in_flight.find(wanted)
            && let Effect::Fetching(reads) = &mut entry.effect
        {
            reads.others = others;
            reads.begin(seq, uid_is_number, text, literal);
            if reads.wants >= ReadClass::Preview || reads.now_reaches() < ReadClass::Preview {
                return Some(entry.serial);
            }
            // Content that this one did not ask for: nobody has announced it.
            reads.forget_response();
        }
        self.begin_unasked(seq, uid_is_number, text, literal)
    }

    /// Several are under way, and some upstreams answer them in turns (Dovecot tells that one is over when others are, too): the
    /// first that asked for so much of that message and has not had it. `None`: none of them.
    fn answered_fetch(&mut self, seq: u64, uid_is_number: bool, text: &[u8], literal: Option<u64>) -> Option<u32> {
        let mut scratch = Reads { wants_flags: true, ..Reads::default() };
        scratch.begin(seq, uid_is_number, text, literal);
        let (class, told) = (scratch.now_reaches(), scratch.now_uid());
        let (mut fits, mut has_told) = (None, None);
        for entry in self.in_flight.iter_mut().filter(|entry| entry.is_open()) {
            let Effect::Fetching(reads) = &mut entry.effect else { continue };
            let uid = told.or_else(|| u32::try_from(seq).ok().and_then(|seq| reads.uids.get(seq)));
            // Without its UID it answers one that asked by number: of that it is known.
            let asked = |uid| reads.asked.as_ref().is_none_or(|asked| asked.contains(uid));
            let Some(uid) = uid.filter(|uid| asked(*uid) && reads.wants >= class) else { continue };
            if reads.has_told(uid) {
                has_told = has_told.or(Some(entry.serial));
            } else if reads.wants == class {
                return Some(entry.serial);
            } else {
                fits = fits.or(Some(entry.serial)); // what it wants may stand behind a literal
            }
        }
        fits.or(has_told)
    }

    /// All slices that are asked for: what is shorter than one of them may be longer than another.
    fn slices_asked(&self) -> Vec<(Section, u64, u64)> {
        let reads = self.in_flight.iter().filter_map(|entry| match &entry.effect {
            Effect::Fetching(reads) => Some(reads),
            _ => None,
        });
        reads.flat_map(|reads| reads.slices.iter().copied()).collect()
    }

    pub(super) fn end_fetch_response(&mut self, serial: u32, _now: Instant) {
        let mut coverage = std::mem::take(&mut self.coverage);
        let unknown = self.reads_of(serial).is_some_and(|reads| reads.end(&mut coverage));
        self.coverage = coverage;
        if unknown {
            self.record_fault(Side::Upstream, FaultReason::UnknownItem);
        }
        if serial == UNASKED {
            return self.record_unasked(ResultStatus::Ok);
        }
        if let Some(messages) = self.reads_of(serial).and_then(Reads::take_full_record) {
            self.record_some_reads(serial, messages);
        }
    }
}

/// `APPENDUID uidvalidity uid`, of one message
pub(super) fn note_append_uid(effect: &mut Effect, code: &Code<'_>) {
    if let Effect::Appending { uid, uidv, .. } = effect {
        let mut words = code.args.split(|byte| *byte == b' ');
        *uidv = words.next().and_then(number).and_then(|number| u32::try_from(number).ok());
        *uid = words.next().and_then(number).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new);
    }
}

/// `COPYUID uidvalidity source copies` (RFC 4315 §3)
pub(super) fn copy_uid(args: &[u8]) -> Option<CopyUid> {
    let mut words = args.split(|byte| *byte == b' ');
    let uidvalidity = words.next().and_then(number).and_then(|number| u32::try_from(number).ok())?;
    Some(CopyUid { uidvalidity, source: uid_set(words.next()?)?, copies: uid_set(words.next()?)? })
}

/// `4,7:9`
pub(super) fn uid_set(text: &[u8]) -> Option<UidSet> {
    let mut set = UidSet::new();
    let uid = |text: &[u8]| number(text).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new);
    for part in text.split(|byte| *byte == b',') {
        let mut ends = part.splitn(2, |byte| *byte == b':');
        let first = uid(ends.next()?)?;
        let last = match ends.next() {
            Some(last) => uid(last)?,
            None => first,
        };
        set.insert_run(first.min(last), first.max(last));
    }
    Some(set)
}
