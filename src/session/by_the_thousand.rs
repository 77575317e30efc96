//! Responses that come by the thousand and change nothing: the lines of a FETCH of flags or envelopes, and of a LIST.
//!
//! They reach the client in the segment in which they came, copied once with their neighbours. All that is said of them in
//! the record is counted here; whatever is not of this kind takes the way of [`super::response_path`].

use crate::imap::message::Uid;
use crate::wire::fetch_line::{Detail, fetch_line};

use super::Session;
use super::effect::Effect;
use super::event::ReadClass;
use super::upstream::LegPhase;

impl Session {
    /// How many octets are whole lines that pass as they are, with nothing more to be done? Asked between responses only.
    pub(super) fn pass_at_once(&mut self, bytes: &[u8]) -> usize {
        if self.leg.phase != LegPhase::Ready || self.guards() {
            return 0;
        }
        match bytes {
            [b'*', b' ', b'1'..=b'9', ..] => self.pass_fetch_lines(bytes),
            [b'*', b' ', b'L', ..] => self.pass_list_lines(bytes),
            _ => 0,
        }
    }

    fn pass_fetch_lines(&mut self, bytes: &[u8]) -> usize {
        // Which of several commands a response answers can be unclear: where one of them has a budget, that pays for each.
        let tells_mod_seqs = !self.may_hide_messages();
        let paid = |effect: &Effect| matches!(effect, Effect::Fetching(reads) if reads.budget.is_some());
        if self.in_flight.iter().any(|entry| paid(&entry.effect)) {
            return 0;
        }
        let Some(Effect::Fetching(reads)) = self.first_effect(|effect| matches!(effect, Effect::Fetching(_))) else {
            return 0;
        };
        if reads.reads_every_line() {
            return 0;
        }
        let detail = if reads.wants <= ReadClass::Envelope { Detail::Passed } else { Detail::Read };
        let mut passed = 0usize;
        while let Some(line) = fetch_line(bytes.get(passed..).unwrap_or_default(), detail) {
            let text = || bytes.get(passed..passed.saturating_add(line.len)).unwrap_or_default();
            if !tells_mod_seqs && memchr::memmem::find(text(), b"MODSEQ").is_some() || !reads.add_line(&line) {
                break;
            }
            passed = passed.saturating_add(line.len);
        }
        passed
    }

    fn pass_list_lines(&mut self, bytes: &[u8]) -> usize {
        if self.filtered() || !self.knows_delimiter() {
            return 0;
        }
        let Some(Effect::Listing { n, .. }) = self.first_effect(|effect| matches!(effect, Effect::Listing { .. }))
        else {
            return 0;
        };
        let mut passed = 0usize;
        while let Some(rest) = bytes.get(passed..)
            && (rest.starts_with(b"* LIST (") || rest.starts_with(b"* LSUB ("))
            && let Some(line) = rest.get(..memchr::memchr(b'\n', rest).map_or(0, |end| end.saturating_add(1)))
            && line.ends_with(b"\r\n")
            && !line.ends_with(b"}\r\n")
        {
            *n = n.saturating_add(1);
            passed = passed.saturating_add(line.len());
        }
        passed
    }

    /// What the first such command is there for, unless one of our own is before it.
    fn first_effect(&mut self, wanted: impl Fn(&Effect) -> bool) -> Option<&mut Effect> {
        let effects = self.in_flight.iter_mut().map(|entry| &mut entry.effect);
        effects.into_iter().find(|effect| wanted(effect) || matches!(effect, Effect::Own(_)))
    }
}

/// A UID as an upstream spells it: 0 and numbers beyond 32 bits are none (quirk U03).
pub(super) fn uid_of(number: u64) -> Option<Uid> {
    u32::try_from(number).ok().and_then(Uid::new)
}
