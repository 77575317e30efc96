//! When is a rule alive? `from = 2027-01-01`, `until = 2027-03-31`
//!
//! ```text
//!   not yet │ alive ──────────────────▶ │ over, for good
//!          from          until, where that is a day, its end
//! ```

use jiff::Timestamp;

/// A span of time, open where an end is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Life {
    pub(super) from: Option<Timestamp>,
    /// Not included.
    pub(super) until: Option<Timestamp>,
}

impl Life {
    /// Until then, from ever.
    pub(super) const fn ending(until: Timestamp) -> Self {
        Self { from: None, until: Some(until) }
    }

    pub(super) fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && !self.is_over(at)
    }

    pub(super) fn is_over(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= at)
    }

    /// Is there no moment in it?
    pub(super) fn is_empty(&self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| until <= from)
    }

    /// Is each moment of the other in it?
    pub(super) fn covers(&self, other: &Self) -> bool {
        let begins = self.from.is_none_or(|from| other.from.is_some_and(|other| from <= other));
        let ends = self.until.is_none_or(|until| other.until.is_some_and(|other| other <= until));
        begins && ends
    }

    /// When it next begins or ends.
    pub(super) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        [self.from, self.until].into_iter().flatten().filter(|edge| *edge > after).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(from: i64, until: i64) -> Life {
        let at = |second| (second != 0).then(|| Timestamp::from_second(second).unwrap());
        Life { from: at(from), until: at(until) }
    }

    #[test]
    fn when_it_is_alive() {
        let rows = [
            ("without ends", life(0, 0), true, false, None),
            ("before it begins", life(11, 0), false, false, Some(11)),
            ("as it begins", life(10, 0), true, false, None),
            ("before it ends", life(0, 11), true, false, Some(11)),
            ("as it ends", life(0, 10), false, true, None),
            ("between", life(9, 20), true, false, Some(20)),
            ("not yet, and then not for ever", life(15, 20), false, false, Some(15)),
            ("over", life(1, 2), false, true, None),
        ];
        let now = Timestamp::from_second(10).unwrap();
        for (name, life, alive, over, next) in rows {
            let next = next.map(|second| Timestamp::from_second(second).unwrap());
            assert_eq!((life.contains(now), life.is_over(now), life.next_change(now)), (alive, over, next), "{name}");
        }
    }

    #[test]
    fn which_outlasts_which() {
        let rows = [
            ("neither ends", life(0, 0), life(0, 0), true),
            ("the other ends", life(0, 0), life(1, 9), true),
            ("it ends itself", life(0, 9), life(0, 0), false),
            ("it ends later", life(1, 9), life(2, 8), true),
            ("it begins later", life(3, 9), life(2, 8), false),
            ("the same", life(1, 9), life(1, 9), true),
        ];
        for (name, own, other, want) in rows {
            assert_eq!(own.covers(&other), want, "{name}");
        }
        assert!(life(9, 9).is_empty() && life(9, 8).is_empty() && !life(8, 9).is_empty() && !life(0, 9).is_empty());
    }
}
