//! The rules of sessions, held once where they are the same: a hundred rules about everybody are not a hundred for each
//! of ten thousand sessions.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{BoundRule, MANY, Own};

/// What is held by the sessions that are open.
#[derive(Debug, Default)]
pub(in crate::policy) struct Held {
    hasher: RandomState,
    /// By the hash of the rules. Of two sets with the same hash the later one is held by its own sessions only.
    sets: Mutex<HashMap<u64, Weak<Own>>>,
}

impl Held {
    /// What is held already for these rules, or else what `make` makes of them.
    pub(super) fn own(&self, rules: Vec<BoundRule>, make: impl FnOnce(Vec<BoundRule>) -> Own) -> Arc<Own> {
        // A few are no burden, and most logins then wait for no lock.
        if rules.len() < MANY {
            return Arc::new(make(rules));
        }
        let hash = self.hasher.hash_one(&rules);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = sets.get(&hash).and_then(Weak::upgrade).filter(|own| *own.rules == *rules) {
            return own;
        }
        let own = Arc::new(make(rules));
        if sets.len() == sets.capacity() {
            sets.retain(|_, own| own.strong_count() > 0);
        }
        sets.insert(hash, Arc::downgrade(&own));
        own
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
