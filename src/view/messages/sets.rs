//! Sets of messages: how they stand, and what they are on the other side.

use super::{Messages, Standing};
use crate::imap::message::{Uid, UidSet};

impl Messages {
    /// All that the client knows and that is there.
    #[must_use]
    pub fn visible(&self) -> UidSet {
        self.standing(|standing| standing == Standing::Visible)
    }

    /// All that the client may know and that is there, told or not.
    #[must_use]
    pub fn shown(&self) -> UidSet {
        self.standing(|standing| matches!(standing, Standing::Visible | Standing::New))
    }

    /// All that the upstream has.
    #[must_use]
    pub fn upstream(&self) -> UidSet {
        self.standing(Standing::is_up)
    }

    /// All that is there and that the client must not know.
    #[must_use]
    pub fn hidden(&self) -> UidSet {
        self.standing(|standing| matches!(standing, Standing::Hidden | Standing::Leaving))
    }

    fn standing(&self, wanted: impl Fn(Standing) -> bool) -> UidSet {
        let mut set = UidSet::new();
        for run in self.all_runs().filter(|run| wanted(run.standing)) {
            if let (Some(first), Some(last)) = (Uid::new(run.first), Uid::new(run.end().saturating_sub(1))) {
                set.insert_run(first, last);
            }
        }
        set
    }

    /// The UIDs of those of these client numbers that are there.
    #[must_use]
    pub fn uids_of(&self, numbers: &UidSet) -> UidSet {
        let mut set = UidSet::new();
        let mut before = 0_u32;
        let mut wanted = numbers.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_down()) {
            let (low, high) = (before.saturating_add(1), before.saturating_add(run.len));
            before = high;
            while let Some(&(first, last)) = wanted.peek() {
                let (from, to) = (first.max(low), last.min(high));
                if from <= to && run.standing == Standing::Visible {
                    let uid = |number: u32| Uid::new(run.first.saturating_add(number.saturating_sub(low)));
                    if let (Some(first), Some(last)) = (uid(from), uid(to)) {
                        set.insert_run(first, last);
                    }
                }
                if last > high {
                    break;
                }
                wanted.next();
            }
        }
        set
    }

    /// First and last UID of stretches that hold all of `set` and nothing else that the upstream has: as few as there can
    /// be, since a gap between two UIDs holds nothing and never will.
    #[must_use]
    pub fn stretches(&self, set: &UidSet) -> Vec<(Uid, Uid)> {
        let mut stretches: Vec<(Uid, Uid)> = Vec::new();
        let mut joins = false;
        let mut wanted = set.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_up()) {
            let mut at = run.first;
            while at < run.end() {
                while wanted.peek().is_some_and(|(_, last)| *last < at) {
                    wanted.next();
                }
                let inside = wanted.peek().filter(|(first, _)| *first < run.end());
                let Some(&(first, last)) = inside else {
                    joins = false;
                    break;
                };
                if first > at {
                    joins = false; // one that is not wanted stands between
                }
                let (from, to) = (first.max(at), last.min(run.end().saturating_sub(1)));
                if let (Some(from), Some(to)) = (Uid::new(from), Uid::new(to)) {
                    match stretches.last_mut().filter(|_| joins) {
                        Some(stretch) => stretch.1 = to,
                        None => stretches.push((from, to)),
                    }
                }
                joins = true;
                at = to.saturating_add(1);
            }
        }
        stretches
    }

    /// The client's numbers of these messages, of those that it knows.
    #[must_use]
    pub fn numbers_of(&self, set: &UidSet) -> UidSet {
        let mut numbers = UidSet::new();
        let mut before = 0_u32;
        let mut wanted = set.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_down()) {
            while let Some(&(first, last)) = wanted.peek() {
                let (from, to) = (first.max(run.first), last.min(run.end().saturating_sub(1)));
                if from <= to {
                    let number =
                        |uid: u32| Uid::new(before.saturating_add(uid.saturating_sub(run.first)).saturating_add(1));
                    if let (Some(first), Some(last)) = (number(from), number(to)) {
                        numbers.insert_run(first, last);
                    }
                }
                if last >= run.end() {
                    break;
                }
                wanted.next();
            }
            before = before.saturating_add(run.len);
        }
        numbers
    }
}
