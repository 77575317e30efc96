//! Lines of a FETCH of flags or envelopes, under the client's numbers: they come by the ten thousand, and nothing but the number
//! changes in them.
//!
//! Whatever else a line holds, a keyword of which the client has not heard, or a message that is not visible, takes the way of
//! [`super::responses`]. Flags that follow line by line are looked for where they must stand ([`super::in_a_row`]).

use std::io::Write as _;

use crate::imap::message::{Uid, UidSet};
use crate::view::messages::Stretch;
use crate::wire::fetch_line::{Detail, FetchLine, fetch_line};

use super::super::by_the_thousand::uid_of;
use super::super::effect::Effect;
use super::super::event::ReadClass;
use super::super::upstream::LegPhase;
use super::in_a_row::Row;
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
        if reads.budget.is_some() || reads.reads_every_line() {
            return 0;
        }
        // While it is lent nobody else asks for it.
        let Some(asked) = reads.asked.take() else { return 0 };
        let detail = if reads.wants <= ReadClass::Envelope { Detail::Passed } else { Detail::Read };
        let out = self.out.client();
        let (mut at, mut known) = (0_usize, Known::default());
        while let Some(line) = fetch_line(bytes.get(at..).unwrap_or_default(), detail) {
            let text = bytes.get(at..at.saturating_add(line.len)).unwrap_or_default();
            let Some(plain) = Plain::of(text, &line, view) else { break };
            if view.kept_recent.contains(plain.uid) {
                break;
            }
            let Some((number, follow)) = known.number_of(line.seq, plain.uid, view, &asked) else { break };
            if !reads.add_line(&line) {
                break;
            }
            // Writing to a Vec cannot fail.
            let _ = write!(out, "* {number} FETCH (");
            out.extend_from_slice(if strips { plain.items } else { plain.with_uid });
            at = at.saturating_add(line.len);
            if !line.more_than_flags && follow > 0 && view.kept_recent.is_empty() {
                let mut row = Row::behind(line.seq, plain.uid, number, strips, plain.items);
                let relayed = row.relay(bytes.get(at..).unwrap_or_default(), follow, view, out);
                reads.add_flags(plain.uid, relayed.messages);
                at = at.saturating_add(relayed.octets);
            }
        }
        reads.asked = Some(asked);
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

/// The visible messages, and those asked for, that were looked up last.
#[derive(Default)]
struct Known {
    stretch: Option<Stretch>,
    asked: Option<(Uid, Uid)>,
}

impl Known {
    /// The client's number of a message that is visible and asked for, by the upstream's and its UID; and of how many behind it
    /// the same is known, with numbers and UIDs that follow each other.
    fn number_of(&mut self, seq: u32, uid: Uid, view: &View, asked: &UidSet) -> Option<(u32, u32)> {
        if self.stretch.is_none_or(|stretch| stretch.offset(seq).is_none()) {
            self.stretch = view.messages.visible_stretch(seq);
        }
        if self.asked.is_none_or(|(first, last)| uid < first || last < uid) {
            self.asked = asked.run_of(uid);
        }
        let (stretch, (_, last_asked)) = (self.stretch.as_ref()?, self.asked?);
        let offset = stretch.offset(seq)?;
        if stretch.uid.get().checked_add(offset) != Some(uid.get()) {
            return None;
        }
        let visible = stretch.len.saturating_sub(offset).saturating_sub(1);
        let follow = visible.min(last_asked.get().saturating_sub(uid.get()));
        Some((stretch.number.checked_add(offset)?, follow))
    }
}

impl View {
    /// Has the client heard of all of them?
    pub(super) fn knows_flags(&self, list: &[u8]) -> bool {
        let known = |word: &[u8]| word.starts_with(b"\\") || self.flags.iter().any(|flag| **flag == *word);
        list.is_empty() || list.split(|octet| *octet == b' ').all(known)
    }
}
