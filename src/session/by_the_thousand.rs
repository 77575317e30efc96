//! Responses that come by the thousand and change nothing: the lines of a FETCH of flags or envelopes, and of a LIST.
//!
//! They reach the client in the segment in which they came, copied once with their neighbours. All that is said of them in
//! the record is counted here; whatever is not of this kind takes the way of [`super::response_path`].

use crate::imap::message::Uid;
use crate::wire::fetch_line::{Detail, fetch_line, flags_line};

use super::Session;
use super::effect::Effect;
use super::event::ReadClass;
use super::reads::Reads;
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
        let mut flags = tells_mod_seqs;
        loop {
            if flags {
                passed = passed.saturating_add(pass_flags(reads, bytes.get(passed..).unwrap_or_default()));
            }
            let Some(line) = fetch_line(bytes.get(passed..).unwrap_or_default(), detail) else { break };
            flags = tells_mod_seqs && !line.more_than_flags;
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
        let effects = self.in_flight.iter_mut().filter(|entry| entry.is_open()).map(|entry| &mut entry.effect);
        effects.into_iter().find(|effect| wanted(effect) || matches!(effect, Effect::Own(_)))
    }
}

/// Lines of flags alone, as they follow each other by the ten thousand. Says how many octets they are.
fn pass_flags(reads: &mut Reads, bytes: &[u8]) -> usize {
    if !reads.takes_lines() {
        return 0;
    }
    let mut passed = 0usize;
    let mut run: Option<(Uid, Uid)> = None;
    // Where a line ends is looked for alone, so that the next one can be read before this one is.
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(passed..=end).unwrap_or_default();
        let Some(uid) = flags_line(line).and_then(Uid::new) else { break };
        run = match run {
            Some((first, last)) if last.get().checked_add(1) == Some(uid.get()) => Some((first, uid)),
            before => {
                before.into_iter().for_each(|(first, last)| reads.add_flags_of(first, last));
                Some((uid, uid))
            }
        };
        passed = passed.saturating_add(line.len());
    }
    run.into_iter().for_each(|(first, last)| reads.add_flags_of(first, last));
    passed
}

/// A UID as an upstream spells it: 0 and numbers beyond 32 bits are none (quirk U03).
pub(super) fn uid_of(number: u64) -> Option<Uid> {
    u32::try_from(number).ok().and_then(Uid::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is recorded of these lines, and how many octets of them passed.
    fn told(text: &str, wants_flags: bool, at_once: bool) -> (usize, String) {
        let mut reads = Reads { wants_flags, ..Reads::default() };
        let (bytes, mut passed) = (text.as_bytes(), 0);
        loop {
            passed += if at_once { pass_flags(&mut reads, &bytes[passed..]) } else { 0 };
            let Some(line) = fetch_line(&bytes[passed..], Detail::Read) else { break };
            assert!(reads.add_line(&line));
            passed += line.len;
        }
        (passed, format!("{:?}", reads.into_records()))
    }

    proptest::proptest! {
        /// In whatever order messages come, and whatever else stands between: the same is recorded.
        #[test]
        fn flags_at_once_are_flags_one_by_one(
            lines in proptest::collection::vec((0u32..3, proptest::option::of(0u32..40), 0u8..9), 0..60),
            wants_flags: bool,
        ) {
            let mut uid = 7;
            let text: String = lines.iter().map(|(step, jump, kind)| {
                uid = jump.unwrap_or(uid + step);
                match kind {
                    0 => format!("* 3 FETCH (FLAGS (\\Seen) UID {uid})\r\n"),
                    1 => format!("* 3 FETCH (UID {uid} RFC822.SIZE 9)\r\n"),
                    2 => format!("* 3 FETCH (UID {uid} FLAGS () MODSEQ (9))\r\n"),
                    3 => format!("* 4000000000 FETCH (UID {uid} FLAGS ())\r\n"),
                    _ => format!("* 3 FETCH (UID {uid} FLAGS (\\Seen $x))\r\n"),
                }
            }).collect();
            let text = text + "* 5 FETCH (UID 9 FLA";
            proptest::prop_assert_eq!(told(&text, wants_flags, true), told(&text, wants_flags, false), "{}", text);
        }
    }

    #[test]
    fn what_has_other_names_for_the_client_is_looked_at() {
        let line = b"* 3 FETCH (UID 7 FLAGS ())\r\n";
        for reads in
            [Reads { marks: true, ..Reads::default() }, Reads { renames: vec![("a", "b")], ..Reads::default() }]
        {
            assert_eq!(pass_flags(&mut { reads }, line), 0);
        }
        assert_eq!(pass_flags(&mut Reads::default(), line), line.len());
    }
}
