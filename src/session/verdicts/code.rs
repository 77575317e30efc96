//! Entries as they are stored: numbers of 7 bits an octet, runs by the distance from the one before.
//!
//! ```text
//!   mailbox     edition, UIDVALIDITY, floor or 0, digests: digest, judged, counted; contents, if they are known
//!   judged      kinds: what lasts, runs: distance from the run before, length
//! ```

use super::{Contents, Counts, Judged, MOST_DIGESTS, Mailbox, Remembered, Said};
use crate::imap::message::{Uid, UidSet};
use crate::policy::Lasting;

/// What was written in another way is not read.
const EDITION: u64 = 2;

#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or(0));
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.0.extend_from_slice(octets);
    }

    fn uids(&mut self, uids: &UidSet) {
        self.number(uids.runs().len() as u64);
        let mut end = 0;
        for (first, last) in uids.runs() {
            self.number(u64::from(first.get().saturating_sub(end)));
            self.number(u64::from(last.get().saturating_sub(first.get())));
            end = last.get();
        }
    }

    pub(super) fn judged(judged: &Judged) -> Vec<u8> {
        let mut out = Self::default();
        out.number(judged.kinds().len() as u64);
        for (lasting, uids) in judged.kinds() {
            out.octets(lasting.as_bytes());
            out.uids(uids);
        }
        out.0
    }

    pub(super) fn contents(contents: &Contents) -> Vec<u8> {
        let mut out = Self::default();
        out.number(u64::from(contents.uid_next));
        out.uids(&contents.uids);
        if let Some((mod_seq, unseen)) = &contents.unseen {
            out.number(*mod_seq);
            out.uids(unseen);
        }
        out.0
    }

    /// A number that may be missing.
    fn maybe(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        number.into_iter().for_each(|number| self.number(number));
    }
}

impl Mailbox {
    pub(super) fn written(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(EDITION);
        out.number(u64::from(self.uid_validity));
        out.number(self.floor.map_or(0, |floor| u64::from(floor.get())));
        out.number(self.digests.len() as u64);
        for known in &self.digests {
            out.0.extend_from_slice(&known.digest);
            out.octets(&known.judged);
            out.number(u64::from(known.counted.is_some()));
            if let Some((said, counts)) = &known.counted {
                let numbers = [said.uid_next, said.messages, counts.messages];
                numbers.into_iter().for_each(|number| out.number(u64::from(number)));
                out.maybe(said.highest_mod_seq);
                let numbers = [said.recent, counts.unseen, counts.deleted, counts.recent];
                numbers.into_iter().for_each(|number| out.maybe(number.map(u64::from)));
            }
        }
        out.0.extend_from_slice(&self.contents);
        out.0
    }

    /// `None` where it was written by something else, or is damaged.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(octets);
        if reader.number()? != EDITION {
            return None;
        }
        let (uid_validity, floor) = (reader.small()?, Uid::new(reader.small()?));
        let known = usize::try_from(reader.number()?).ok().filter(|known| *known <= MOST_DIGESTS)?;
        let digests = (0..known).map(|_| reader.remembered()).collect::<Option<_>>()?;
        let contents = reader.0;
        // What cannot be read now will not be read when it is asked for.
        let sound = contents.is_empty() || Reader::new(contents).contents().is_some();
        sound.then(|| Self { uid_validity, floor, contents: contents.into(), digests, used: 0 })
    }
}

pub(super) struct Reader<'r>(&'r [u8]);

impl<'r> Reader<'r> {
    pub(super) const fn new(octets: &'r [u8]) -> Self {
        Self(octets)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn taken(&mut self, count: usize) -> Option<&'r [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octets(&mut self) -> Option<&'r [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.taken(count)
    }

    fn uids(&mut self) -> Option<UidSet> {
        let (mut uids, mut end) = (UidSet::new(), 0_u32);
        for _ in 0..self.number()? {
            let first = end.checked_add(self.small()?)?;
            end = first.checked_add(self.small()?)?;
            uids.insert_run(Uid::new(first)?, Uid::new(end)?);
        }
        Some(uids)
    }

    /// Nothing where it is damaged: then it is judged again.
    pub(super) fn judged(mut self) -> Option<Judged> {
        let mut judged = Judged::default();
        for _ in 0..self.number()? {
            let lasting = Lasting::from_bytes(self.octets()?);
            judged.kinds.insert(lasting, self.uids()?);
        }
        self.0.is_empty().then_some(judged)
    }

    pub(super) fn contents(mut self) -> Option<Contents> {
        let (uid_next, uids) = (self.small()?, self.uids()?);
        let unseen = if self.0.is_empty() { None } else { Some((self.number()?, self.uids()?)) };
        self.0.is_empty().then_some(Contents { uid_next, uids, unseen })
    }

    fn maybe(&mut self) -> Option<Option<u64>> {
        match self.number()? {
            0 => Some(None),
            _ => self.number().map(Some),
        }
    }

    fn maybe_small(&mut self) -> Option<Option<u32>> {
        self.maybe()?.map(u32::try_from).transpose().ok()
    }

    fn remembered(&mut self) -> Option<Remembered> {
        let digest = self.taken(32)?.try_into().ok()?;
        let judged = self.octets()?;
        // What cannot be read now will not be read when it is asked for.
        Reader::new(judged).judged()?;
        let counted = if self.number()? == 0 { None } else { Some(self.counted()?) };
        Some(Remembered { digest, judged: judged.into(), counted })
    }

    fn counted(&mut self) -> Option<(Said, Counts)> {
        let (uid_next, said_messages, messages) = (self.small()?, self.small()?, self.small()?);
        let highest_mod_seq = self.maybe()?;
        let said = Said { uid_next, messages: said_messages, recent: self.maybe_small()?, highest_mod_seq };
        let (unseen, deleted, recent) = (self.maybe_small()?, self.maybe_small()?, self.maybe_small()?);
        Some((said, Counts { messages, unseen, deleted, recent }))
    }
}
