//! PARTIAL (RFC 9394): a part of what was found, or named, by position.
//!
//! ```text
//!   SEARCH RETURN (PARTIAL 2:3) …      found 11,15:17 ─▶ PARTIAL (2:3 15:16)
//!   UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)             ─▶ UID FETCH 16:17 (FLAGS)
//! ```
//!
//! Positions are counted here, among what is visible: the upstream is never asked for a part.

use std::ops::Range;

use crate::imap::message::{Uid, UidSet};
use crate::wire::command::Fetch;
use crate::wire::command::fetch::{FetchModifierKind, PartialRange};

/// Those that are meant of so many, from 0.
fn positions(range: PartialRange, count: u64) -> Range<u64> {
    let ends = (u64::from(range.first.get()), u64::from(range.last.get()));
    let (low, high) = (ends.0.min(ends.1), ends.0.max(ends.1).min(count));
    match range.from_end {
        false => low.saturating_sub(1).min(high)..high,
        true => count.saturating_sub(high)..count.saturating_sub(low.saturating_sub(1)),
    }
}

/// These of the messages.
pub(super) fn part_of(uids: &UidSet, range: PartialRange) -> UidSet {
    let wanted = positions(range, uids.len());
    let (mut part, mut at) = (UidSet::new(), 0_u64);
    for (first, last) in uids.runs() {
        let len = u64::from(last.get().saturating_sub(first.get())).saturating_add(1);
        let begin = wanted.start.saturating_sub(at);
        let end = wanted.end.saturating_sub(at).min(len);
        at = at.saturating_add(len);
        let uid = |offset: u64| Uid::new(first.get().saturating_add(u32::try_from(offset).ok()?));
        if begin < end
            && let (Some(from), Some(to)) = (uid(begin), uid(end.saturating_sub(1)))
        {
            part.insert_run(from, to);
        }
    }
    part
}

/// How it is written.
pub(super) fn spell(range: PartialRange) -> String {
    let minus = if range.from_end { "-" } else { "" };
    format!("{minus}{}:{minus}{}", range.first, range.last)
}

/// What a FETCH asks for a part of, and where in the frame that stands with the blank before it.
pub(super) fn modifier(fetch: &Fetch<'_>) -> Option<(PartialRange, Range<usize>)> {
    let [modifier] = fetch.modifiers.as_slice() else { return None };
    let FetchModifierKind::Partial(range) = modifier.kind else { return None };
    Some((range, modifier.span.start.saturating_sub(2)..modifier.span.end.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_that_of_a_list(
            uids in prop::collection::btree_set(1_u32..40, 0..30),
            ends in (1_u32..35, 1_u32..35),
            from_end: bool,
        ) {
            let new = |number| NonZeroU32::new(number).unwrap();
            let range = PartialRange { first: new(ends.0), last: new(ends.1), from_end };
            let set: UidSet = uids.iter().copied().filter_map(Uid::new).collect();
            let mut list: Vec<u32> = uids.into_iter().collect();
            if from_end {
                list.reverse();
            }
            let (low, high) = (ends.0.min(ends.1) as usize, ends.0.max(ends.1) as usize);
            let mut want: Vec<u32> = list.into_iter().skip(low - 1).take(high - low + 1).collect();
            want.sort_unstable();
            let part: Vec<u32> = part_of(&set, range).iter().map(Uid::get).collect();
            prop_assert_eq!(part, want);
        }
    }
}
