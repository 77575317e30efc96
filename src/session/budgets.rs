//! What all sessions draw on together: the budgets of rules with `limit`.
//!
//! ```text
//!   session ─▶ take 4711 of (rule, download, ann@example.org) ─▶ taken │ so much is used: refuse
//!           ─▶ enter (rule, sessions, ann@example.org) … leave
//! ```
//!
//! A session asks and goes on: no call waits. What several nodes share would stand behind the same trait; here it is in
//! memory, and forgotten at a restart.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::policy::{Measure, Quota, Usage};

/// Whose budget of which rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// The user, address or session that it counts for.
    pub of: Arc<str>,
}

/// One budget. Once its rule says another quota, it is another budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// Whose.
    pub owner: Owner,
    /// What is counted.
    pub measure: Measure,
    /// How much there is of it.
    pub quota: Quota,
}

/// Budgets that outlive sessions.
pub trait Budgets: fmt::Debug + Send + Sync {
    /// Takes so much if that much is left; else tells what is used.
    fn take(&self, account: &Account, amount: u64, now: Instant) -> Result<(), u64>;

    /// Takes so much, left or not.
    fn charge(&self, account: &Account, amount: u64, now: Instant);

    /// Gives back what was taken in vain.
    fn give_back(&self, account: &Account, amount: u64);

    /// What is used.
    fn used(&self, account: &Account, now: Instant) -> u64;

    /// One more session, if there are fewer than `max`; else tells how many there are.
    fn enter(&self, owner: &Owner, max: u64) -> Result<(), u64>;

    /// A session fewer.
    fn leave(&self, owner: &Owner);
}

/// Budgets of one process.
pub struct InMemory {
    begun: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// So that the sessions of many threads seldom meet.
const SHARDS: usize = 64;

/// A shard looks for entries to let go once it has so many, and then whenever it has twice what was left.
const SWEPT_FIRST: usize = 64;

#[derive(Debug, Default)]
struct Shard {
    usage: HashMap<Account, Usage>,
    sessions: HashMap<Owner, u64>,
    swept_at: usize,
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory").finish_non_exhaustive()
    }
}

impl InMemory {
    /// Nothing is used yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard { swept_at: SWEPT_FIRST, ..Shard::default() })).collect();
        Self { begun: now, hasher: RandomState::new(), shards }
    }

    /// How many budgets are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).usage.len()).sum()
    }

    /// Is none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, owner: &Owner) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(owner) as usize % SHARDS;
        // There are as many as that.
        locked(&self.shards[at])
    }

    fn at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Shard {
    fn of(&self, account: &Account) -> Usage {
        self.usage.get(account).copied().unwrap_or_default()
    }

    /// A budget that is full again needs no entry.
    fn set(&mut self, account: &Account, usage: Usage, now: u64) {
        if let Some(known) = self.usage.get_mut(account) {
            *known = usage;
            return;
        }
        if self.usage.len() >= self.swept_at {
            self.usage.retain(|_, usage| !usage.is_none(now));
            self.swept_at = SWEPT_FIRST.max(self.usage.len().saturating_mul(2));
        }
        self.usage.insert(account.clone(), usage);
    }
}

impl Budgets for InMemory {
    fn take(&self, account: &Account, amount: u64, now: Instant) -> Result<(), u64> {
        let now = self.at(now);
        let mut shard = self.shard(&account.owner);
        let usage = shard.of(account).take(account.quota, amount, now)?;
        shard.set(account, usage, now);
        Ok(())
    }

    fn charge(&self, account: &Account, amount: u64, now: Instant) {
        let now = self.at(now);
        let mut shard = self.shard(&account.owner);
        let usage = shard.of(account).charge(account.quota, amount, now);
        shard.set(account, usage, now);
    }

    fn give_back(&self, account: &Account, amount: u64) {
        if let Some(usage) = self.shard(&account.owner).usage.get_mut(account) {
            *usage = usage.give_back(account.quota, amount);
        }
    }

    fn used(&self, account: &Account, now: Instant) -> u64 {
        let now = self.at(now);
        self.shard(&account.owner).of(account).used(account.quota, now)
    }

    fn enter(&self, owner: &Owner, max: u64) -> Result<(), u64> {
        let mut shard = self.shard(owner);
        match shard.sessions.get_mut(owner) {
            Some(open) if *open >= max => return Err(*open),
            Some(open) => *open = open.saturating_add(1),
            None => {
                shard.sessions.insert(owner.clone(), 1);
            }
        }
        Ok(())
    }

    fn leave(&self, owner: &Owner) {
        let mut shard = self.shard(owner);
        if let Some(open) = shard.sessions.get_mut(owner) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                shard.sessions.remove(owner);
            }
        }
    }
}

/// A session that counts, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    budgets: Arc<dyn Budgets>,
    owner: Owner,
}

impl Seat {
    /// One more, if there are fewer than `max`; else tells how many there are.
    pub(super) fn take(budgets: &Arc<dyn Budgets>, owner: Owner, max: u64) -> Result<Self, u64> {
        budgets.enter(&owner, max)?;
        Ok(Self { budgets: Arc::clone(budgets), owner })
    }

    pub(super) const fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.budgets.leave(&self.owner);
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn owner(of: &str) -> Owner {
        Owner { rule: "rule".into(), of: of.into() }
    }

    fn account(of: &str) -> Account {
        let quota = Quota { max: 10, window: Duration::from_secs(10) };
        Account { owner: owner(of), measure: Measure::Commands, quota }
    }

    #[test]
    fn each_has_a_budget_of_its_own() {
        let now = Instant::now();
        let budgets = InMemory::new(now);
        assert_eq!(budgets.take(&account("ann"), 8, now), Ok(()));
        assert_eq!(budgets.take(&account("ann"), 3, now), Err(8));
        assert_eq!(budgets.take(&account("bob"), 3, now), Ok(()));
        let messages = Account { measure: Measure::Messages, ..account("ann") };
        assert_eq!(budgets.take(&messages, 10, now), Ok(()));
        assert_eq!(budgets.take(&account("ann"), 3, now + Duration::from_secs(1)), Ok(()));
        budgets.give_back(&account("ann"), 4);
        budgets.charge(&account("ann"), 1, now);
        assert_eq!((budgets.used(&account("ann"), now), budgets.used(&account("eve"), now)), (8, 0));
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let now = Instant::now();
        let budgets = InMemory::new(now);
        for user in 0..100_000u32 {
            let time = now + Duration::from_millis(u64::from(user));
            assert_eq!(budgets.take(&account(&user.to_string()), 1, time), Ok(()), "one of ten, a second each");
        }
        assert!(budgets.len() < 2 * SHARDS * SWEPT_FIRST, "{} are left", budgets.len());
        assert!(!budgets.is_empty());
    }

    #[test]
    fn sessions_come_and_go() {
        let budgets: Arc<dyn Budgets> = Arc::new(InMemory::new(Instant::now()));
        let take = |of| Seat::take(&budgets, owner(of), 2);
        let (first, second) = (take("ann").unwrap(), take("ann").unwrap());
        assert_eq!(take("ann").map(drop), Err(2));
        assert_eq!(take("bob").map(drop), Ok(()));
        drop(second);
        assert_eq!(take("ann").unwrap().owner(), first.owner());
        assert_eq!(Seat::take(&budgets, owner("ann"), 1).map(drop), Err(1));
    }
}
