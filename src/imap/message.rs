//! Which messages, and with which flags?
//!
//! [`UidSet`] is what the proxy computes with, sorted and without overlap; [`SeqSet`] is what a peer wrote, in its
//! order, with `*` and `$`.
//!
//! ```
//! use imapwarden::imap::message::{Uid, UidSet};
//!
//! let set: UidSet = [3, 4, 5, 9].into_iter().filter_map(Uid::new).collect();
//! assert_eq!(set.to_string(), "3:5,9");
//! ```

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A unique identifier (RFC 9051 §2.3.1.1): never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The largest there is.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of UIDs as ascending runs. Costs as much as it has gaps.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct UidSet {
    /// First and last of each run; ascending, and with a gap between any two.
    runs: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// All from `first` to `last`, in either order.
    #[must_use]
    pub fn run(first: Uid, last: Uid) -> Self {
        let (first, last) = (first.get(), last.get());
        Self { runs: vec![(first.min(last), first.max(last))] }
    }

    /// Adds one; at the end, as UIDs arrive, that is O(1). `false` if it was there.
    pub fn insert(&mut self, uid: Uid) -> bool {
        match self.runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid.get()) => *last = uid.get(),
            Some((_, last)) if uid.get() <= *last => {
                if self.contains(uid) {
                    return false;
                }
                self.insert_run(uid, uid);
            }
            _ => self.runs.push((uid.get(), uid.get())),
        }
        true
    }

    /// Adds all from `first` to `last`, in either order.
    pub fn insert_run(&mut self, first: Uid, last: Uid) {
        let (mut low, mut high) = (first.min(last).get(), first.max(last).get());
        match self.runs.last_mut() {
            Some(run) if run.0 <= low && low <= run.1.saturating_add(1) => {
                run.1 = run.1.max(high);
                return;
            }
            Some(run) if low <= run.1 => {}
            _ => return self.runs.push((low, high)),
        }
        // Runs that touch or overlap the new one are swallowed by it.
        let from = self.runs.partition_point(|run| run.1.saturating_add(1) < low);
        let to = self.runs.partition_point(|run| run.0 <= high.saturating_add(1));
        if let Some(run) = self.runs.get(from).filter(|_| from < to) {
            low = low.min(run.0);
        }
        if let Some(run) = to.checked_sub(1).filter(|at| *at >= from).and_then(|at| self.runs.get(at)) {
            high = high.max(run.1);
        }
        self.runs.splice(from..to.max(from), [(low, high)]);
    }

    /// Takes one out. `false` if it was not there.
    pub fn remove(&mut self, uid: Uid) -> bool {
        let uid = uid.get();
        let at = self.runs.partition_point(|run| run.1 < uid);
        let Some(run) = self.runs.get(at).copied().filter(|run| run.0 <= uid) else { return false };
        let before = (run.0 < uid).then(|| (run.0, uid.saturating_sub(1)));
        let after = (uid < run.1).then(|| (uid.saturating_add(1), run.1));
        self.runs.splice(at..=at, before.into_iter().chain(after));
        true
    }

    /// Is it in the set?
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let uid = uid.get();
        let at = self.runs.partition_point(|run| run.1 < uid);
        self.runs.get(at).is_some_and(|run| run.0 <= uid)
    }

    /// First and last of the run that it is in.
    #[must_use]
    pub fn run_of(&self, uid: Uid) -> Option<(Uid, Uid)> {
        let at = self.runs.partition_point(|run| run.1 < uid.get());
        let (first, last) = *self.runs.get(at)?;
        Some((Uid::new(first)?, Uid::new(last)?)).filter(|(first, _)| *first <= uid)
    }

    /// How many UIDs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.1.saturating_sub(run.0)).saturating_add(1)).sum()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The smallest.
    #[must_use]
    pub fn first(&self) -> Option<Uid> {
        self.runs.first().and_then(|run| Uid::new(run.0))
    }

    /// The largest.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        self.runs.last().and_then(|run| Uid::new(run.1))
    }

    /// First and last of each run, ascending.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = (Uid, Uid)> + '_ {
        self.runs.iter().map(|run| (Uid::new(run.0).unwrap_or(Uid::MAX), Uid::new(run.1).unwrap_or(Uid::MAX)))
    }

    /// Each UID, ascending. A run of a peer's can have four billion: ask [`UidSet::len`] first.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.runs.iter().flat_map(|run| run.0..=run.1).filter_map(Uid::new)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let mut others = other.runs.iter().peekable();
        for &(first, last) in &self.runs {
            let mut low = Some(first);
            while let (Some(from), Some(&&(other_first, other_last))) = (low, others.peek()) {
                if other_first > last {
                    break;
                }
                if from < other_first {
                    runs.push((from, other_first.saturating_sub(1)));
                }
                if other_last >= last {
                    // It may reach into the next run, too.
                    low = None;
                    break;
                }
                low = other_last.checked_add(1).map(|next| next.max(from));
                others.next();
            }
            runs.extend(low.map(|low| (low, last)));
        }
        Self { runs }
    }

    /// Those in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let (mut left, mut right) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (low, high) = (a.0.max(b.0), a.1.min(b.1));
            if low <= high {
                runs.push((low, high));
            }
            if a.1 < b.1 {
                left.next()
            } else {
                right.next()
            };
        }
        Self { runs }
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

/// As a `sequence-set`; nothing where the set is empty, for which IMAP has no form.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.runs.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}:{last}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UidSet({self})")
    }
}

/// One end of a range: a number (never 0) or `*`, the largest in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeqNumber {
    /// A sequence number or UID.
    Number(NonZeroU32),
    /// `*`
    Star,
}

/// `sequence-set` as a peer wrote it: of message numbers or UIDs, which only the command tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeqSet {
    /// Numbers and ranges, in the order written; a single number is a range of one.
    Ranges(Vec<(SeqNumber, SeqNumber)>),
    /// `$`, the saved result of a search (RFC 5182).
    Saved,
}

impl SeqSet {
    /// What it means in a mailbox whose largest number is `largest` (0: no message): ascending, without overlap.
    /// A `*` in an empty mailbox stands for nothing. `None` for `$`.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Option<UidSet> {
        let Self::Ranges(ranges) = self else { return None };
        let number = |end: &SeqNumber| match end {
            SeqNumber::Number(number) => Some(Uid(*number)),
            SeqNumber::Star => Uid::new(largest),
        };
        let mut set = UidSet::new();
        for (first, last) in ranges {
            if let (Some(first), Some(last)) = (number(first), number(last)) {
                set.insert_run(first, last);
            }
        }
        Some(set)
    }

    /// Does it say `*`?
    #[must_use]
    pub fn has_star(&self) -> bool {
        match self {
            Self::Ranges(ranges) => {
                ranges.iter().any(|(a, b)| matches!(a, SeqNumber::Star) || matches!(b, SeqNumber::Star))
            }
            Self::Saved => false,
        }
    }

    /// The largest number written out, if there is one: beyond EXISTS it is a client's mistake.
    #[must_use]
    pub fn largest_number(&self) -> Option<u32> {
        let Self::Ranges(ranges) = self else { return None };
        let ends = ranges.iter().flat_map(|(first, last)| [first, last]);
        ends.filter_map(|end| if let SeqNumber::Number(number) = end { Some(number.get()) } else { None }).max()
    }
}

/// A flag (RFC 9051 §2.3.2). System flags are read in any case; keywords and unknown `\X` flags keep their spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
    /// `\Recent`, which no client may set.
    Recent,
    /// `\*` of PERMANENTFLAGS.
    Any,
    /// Any other `\…`, without the backslash.
    Extension(Arc<str>),
    /// `$Forwarded`, `NonJunk`, …
    Keyword(Arc<str>),
}

impl Flag {
    /// Reads the text of a flag. The grammar has judged its characters; `None` if it is empty or not ASCII.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const SYSTEM: [Flag; 7] =
            [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft, Flag::Recent, Flag::Any];
        if !text.is_ascii() {
            return None;
        }
        let Some(name) = text.strip_prefix('\\') else {
            return (!text.is_empty()).then(|| Self::Keyword(text.into()));
        };
        let system = SYSTEM.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name));
        system.or_else(|| (!name.is_empty()).then(|| Self::Extension(name.into())))
    }

    /// The text without a backslash.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Seen => "Seen",
            Self::Answered => "Answered",
            Self::Flagged => "Flagged",
            Self::Deleted => "Deleted",
            Self::Draft => "Draft",
            Self::Recent => "Recent",
            Self::Any => "*",
            Self::Extension(name) | Self::Keyword(name) => name,
        }
    }

    /// Does it begin with a backslash?
    #[must_use]
    pub const fn is_system(&self) -> bool {
        !matches!(self, Self::Keyword(_))
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backslash = if self.is_system() { "\\" } else { "" };
        write!(f, "{backslash}{}", self.name())
    }
}

/// How much of a message a command reads, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ReadClass {
    /// Its numbers, flags, dates and size.
    #[default]
    Listed,
    /// A search looked into it.
    Searched,
    /// Who and what about: headers and structure.
    Envelope,
    /// A few words of its text.
    Preview,
    /// A part of it.
    Part,
    /// All of it.
    Full,
}

impl ReadClass {
    /// All classes, rising.
    pub const ALL: [Self; 6] = [Self::Listed, Self::Searched, Self::Envelope, Self::Preview, Self::Part, Self::Full];

    /// The word in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Searched => "searched",
            Self::Envelope => "envelope",
            Self::Preview => "preview",
            Self::Part => "part",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for ReadClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(uids: &[u32]) -> UidSet {
        uids.iter().copied().filter_map(Uid::new).collect()
    }

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    #[test]
    fn runs_join_and_part() {
        let rows: [(&str, &[u32], &str); 6] = [
            ("empty", &[], ""),
            ("ascending", &[1, 2, 3], "1:3"),
            ("descending", &[3, 2, 1], "1:3"),
            ("gap filled", &[1, 3, 2], "1:3"),
            ("twice", &[7, 7], "7"),
            ("the largest", &[u32::MAX, u32::MAX - 1], "4294967294:4294967295"),
        ];
        for (name, uids, want) in rows {
            assert_eq!(set(uids).to_string(), want, "{name}");
        }
        let mut runs = set(&[1, 5, 9, 20]);
        runs.insert_run(uid(10), uid(4));
        assert_eq!(runs.to_string(), "1,4:10,20");
        assert!(runs.remove(uid(5)) && !runs.remove(uid(5)));
        assert_eq!(runs.to_string(), "1,4,6:10,20");
        let run_of = |number| runs.run_of(uid(number)).map(|(first, last)| (first.get(), last.get()));
        assert_eq!(
            [5, 6, 10, 11, 20, 21].map(run_of),
            [None, Some((6, 10)), Some((6, 10)), None, Some((20, 20)), None]
        );
        assert_eq!(runs.len(), 8);
    }

    #[test]
    fn sequence_sets_resolve() {
        let number = |n| SeqNumber::Number(NonZeroU32::new(n).unwrap());
        let rows = [
            ("*", vec![(SeqNumber::Star, SeqNumber::Star)], 7, "7"),
            ("* of nothing", vec![(SeqNumber::Star, SeqNumber::Star)], 0, ""),
            ("5:*", vec![(number(5), SeqNumber::Star)], 7, "5:7"),
            ("9:* reaches back", vec![(number(9), SeqNumber::Star)], 7, "7:9"),
            ("4:2,3:6", vec![(number(4), number(2)), (number(3), number(6))], 7, "2:6"),
        ];
        for (name, ranges, largest, want) in rows {
            assert_eq!(SeqSet::Ranges(ranges).resolve(largest).unwrap().to_string(), want, "{name}");
        }
        assert_eq!(SeqSet::Saved.resolve(7), None);
    }

    #[test]
    fn flags() {
        let rows = [("\\seen", Some(Flag::Seen)), ("\\*", Some(Flag::Any)), ("\\", None), ("", None), ("é", None)];
        for (text, want) in rows {
            assert_eq!(Flag::parse(text), want, "{text}");
        }
        for text in ["\\Deleted", "$MDNSent", "NonJunk", "\\X-Own"] {
            assert_eq!(Flag::parse(text).unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(steps in prop::collection::vec((any::<bool>(), 1_u32..60, 0_u32..6), 0..60)) {
            let (mut runs, mut plain) = (UidSet::new(), BTreeSet::new());
            for (add, first, more) in steps {
                if add {
                    runs.insert_run(uid(first), uid(first + more));
                    plain.extend(first..=first + more);
                } else {
                    prop_assert_eq!(runs.remove(uid(first)), plain.remove(&first));
                }
                prop_assert_eq!(runs.iter().map(Uid::get).collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
                prop_assert!(runs.runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
        }

        #[test]
        fn intersection_is_of_both(a in prop::collection::btree_set(1_u32..80, 0..40), b in prop::collection::btree_set(1_u32..80, 0..40)) {
            let both = set(&a.iter().copied().collect::<Vec<_>>()).intersect(&set(&b.iter().copied().collect::<Vec<_>>()));
            prop_assert_eq!(both.iter().map(Uid::get).collect::<Vec<_>>(), a.intersection(&b).copied().collect::<Vec<_>>());
        }

        #[test]
        fn what_is_left_without_the_other(a in prop::collection::btree_set(1_u32..80, 0..60), b in prop::collection::btree_set(1_u32..80, 0..60)) {
            let left = set(&a.iter().copied().collect::<Vec<_>>()).without(&set(&b.iter().copied().collect::<Vec<_>>()));
            prop_assert_eq!(left.iter().map(Uid::get).collect::<Vec<_>>(), a.difference(&b).copied().collect::<Vec<_>>());
            prop_assert!(left.runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}
