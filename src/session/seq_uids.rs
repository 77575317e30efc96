//! Which UID stands behind which sequence number, as one FETCH of ours told it: as runs, so that it costs as much as the
//! mailbox has gaps.

use crate::imap::message::{Uid, UidSet};

/// Sequence numbers and their UIDs.
#[derive(Debug, Default)]
pub(super) struct SeqUids {
    /// First number, first UID, and length of each run; ascending where the upstream told them so.
    runs: Vec<(u32, u32, u32)>,
    unsorted: bool,
}

impl SeqUids {
    /// The upstream says that this number is this UID.
    pub fn insert(&mut self, seq: u32, uid: Uid) {
        let uid = uid.get();
        match self.runs.last_mut() {
            Some((first, first_uid, len))
                if first.checked_add(*len) == Some(seq) && first_uid.checked_add(*len) == Some(uid) =>
            {
                *len = len.saturating_add(1);
            }
            last => {
                self.unsorted |= last.is_some_and(|last| last.0 >= seq);
                self.runs.push((seq, uid, 1));
            }
        }
    }

    /// The numbers in front of these UIDs, if each has one. Both ascend together (RFC 9051 §2.3.1.2).
    pub fn numbers_of(&mut self, uids: &UidSet) -> Option<UidSet> {
        self.sort();
        let mut numbers = UidSet::new();
        for uid in uids.iter() {
            let at = self.runs.partition_point(|run| run.1 <= uid.get()).checked_sub(1)?;
            let (first, first_uid, len) = *self.runs.get(at)?;
            let offset = uid.get().checked_sub(first_uid).filter(|offset| *offset < len)?;
            numbers.insert(Uid::new(first.checked_add(offset)?)?);
        }
        Some(numbers)
    }

    fn sort(&mut self) {
        if std::mem::take(&mut self.unsorted) {
            self.runs.sort_unstable_by_key(|run| run.0);
        }
    }

    /// The UID behind this number.
    pub fn get(&mut self, seq: u32) -> Option<Uid> {
        self.sort();
        let at = self.runs.partition_point(|run| run.0 <= seq).checked_sub(1)?;
        let (first, first_uid, len) = *self.runs.get(at)?;
        let offset = seq.checked_sub(first).filter(|offset| *offset < len)?;
        first_uid.checked_add(offset).and_then(Uid::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order() {
        let mut map = SeqUids::default();
        for (seq, uid) in [(1, 11), (2, 12), (3, 15), (9, 40), (10, 41), (5, 20)] {
            map.insert(seq, Uid::new(uid).unwrap());
        }
        let rows = [(1, Some(11)), (2, Some(12)), (3, Some(15)), (4, None), (5, Some(20)), (10, Some(41)), (11, None)];
        for (seq, uid) in rows {
            assert_eq!(map.get(seq).map(Uid::get), uid, "{seq}");
        }
        assert_eq!(map.runs.len(), 4);
        let sets: [(&[u32], Option<&str>); 4] =
            [(&[12, 15, 41], Some("2:3,10")), (&[], Some("")), (&[12, 13], None), (&[10], None)];
        for (uids, want) in sets {
            let mut set = UidSet::new();
            for uid in uids {
                set.insert(Uid::new(*uid).unwrap());
            }
            assert_eq!(map.numbers_of(&set).map(|set| set.to_string()).as_deref(), want, "{uids:?}");
        }
    }
}
