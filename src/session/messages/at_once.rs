//! Lines of a FETCH of flags or envelopes, under the client's numbers: they come by the ten thousand, and nothing but the number
//! changes in them.
//!
//! Whatever else a line holds, a keyword of which the client has not heard, or a message that is not visible, takes the way of
//! [`super::responses`].

use std::io::Write as _;

use crate::imap::message::Uid;
use crate::view::messages::Stretch;
use crate::wire::fetch_line::{Detail, FetchLine, fetch_line};

use super::super::by_the_thousand::uid_of;
use super::super::effect::Effect;
use super::super::event::ReadClass;
use super::super::upstream::LegPhase;
use super::{Session, View};

impl Session {
    /// Relays such lines for as long as there are any; says how many octets that was. Asked between responses only.
    pub(in crate::session) fn relay_at_once(&mut self, bytes: &[u8]) -> usize {
        if self.leg.phase != LegPhase::Ready || self.opening_now().is_some() || !bytes.starts_with(b"* ") {
            return 0;
        }
        let Some(view) = &self.view else { return 0 };
        let Some(entry) = self.in_flight.iter_mut().next() else { return 0 };
        let strips = entry.parts.by_number;
        let Effect::Fetching(reads) = &mut entry.effect else { return 0 };
        if reads.budget.is_some() || reads.asked.is_none() || reads.reads_every_line() {
            return 0;
        }
        let detail = if reads.wants <= ReadClass::Envelope { Detail::Passed } else { Detail::Read };
        let out = self.out.client();
        let (mut at, mut stretch) = (0_usize, None);
        while let Some(line) = fetch_line(bytes.get(at..).unwrap_or_default(), detail) {
            let text = bytes.get(at..at.saturating_add(line.len)).unwrap_or_default();
            let Some(plain) = Plain::of(text, &line, view) else { break };
            if view.kept_recent.contains(plain.uid) {
                break;
            }
            let asked = reads.asked.as_ref().is_some_and(|asked| asked.contains(plain.uid));
            let Some(number) = view.number_of(line.seq, plain.uid, &mut stretch).filter(|_| asked) else { break };
            if !reads.add_line(&line) {
                break;
            }
            // Writing to a Vec cannot fail.
            let _ = write!(out, "* {number} FETCH (");
            out.extend_from_slice(if strips { plain.items } else { plain.with_uid });
            at = at.saturating_add(line.len);
        }
        at
    }
}

/// A line that begins with its UID.
struct Plain<'a> {
    uid: Uid,
    /// From its UID on.
    with_uid: &'a [u8],
    /// What stands behind that.
    items: &'a [u8],
}

impl<'a> Plain<'a> {
    fn of(text: &'a [u8], line: &FetchLine, view: &View) -> Option<Self> {
        let uid = uid_of(line.uid?)?;
        let open = memchr::memchr(b'(', text)?.saturating_add(1);
        let with_uid = text.get(open..)?;
        let behind = with_uid.strip_prefix(b"UID ")?;
        let digits = behind.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let items = behind.get(digits..)?.strip_prefix(b" ")?;
        memchr::memmem::find(items, b"MODSEQ").is_none().then_some(())?;
        match items.strip_prefix(b"FLAGS (") {
            Some(flags) => {
                let list = flags.get(..memchr::memchr(b')', flags)?)?;
                view.knows_flags(list).then_some(())?;
            }
            // Elsewhere in the line they are looked for by those who have the time.
            None => memchr::memmem::find(items, b"FLAGS").is_none().then_some(())?,
        }
        Some(Self { uid, with_uid, items })
    }
}

impl View {
    /// The client's number of a message that is visible, by the upstream's and its UID.
    fn number_of(&self, seq: u32, uid: Uid, stretch: &mut Option<Stretch>) -> Option<u32> {
        if stretch.is_none_or(|stretch| stretch.offset(seq).is_none()) {
            *stretch = self.messages.visible_stretch(seq);
        }
        let stretch = stretch.as_ref()?;
        let offset = stretch.offset(seq)?;
        (stretch.uid.get().checked_add(offset) == Some(uid.get())).then(|| stretch.number.checked_add(offset))?
    }

    /// Has the client heard of all of them?
    fn knows_flags(&self, list: &[u8]) -> bool {
        let known = |word: &[u8]| word.starts_with(b"\\") || self.flags.iter().any(|flag| **flag == *word);
        list.is_empty() || list.split(|octet| *octet == b' ').all(known)
    }
}
