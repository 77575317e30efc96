//! Which sessions are open, and how news reach them: a reload, a failing audit log, the end.
//!
//! ```text
//!   reload, audit log ─▶ Sessions::tell ─▶ a flag and a wake-up for each session
//!   drain ─▶ one session after the other, in random order, spread over the window ─▶ at its end all that are left
//! ```
//!
//! A session costs one entry here and one flag: it looks at the flag when it is woken, and fetches the news itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::live::Live;
use crate::session::event::KilledBy;

/// What the sessions that are told last have to end in, or a tenth of the window.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a session is to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal(u8);

impl Signal {
    /// Nothing new.
    pub const NONE: Self = Self(0);
    /// Rules, limits or upstreams were loaded anew.
    pub const RELOAD: Self = Self(1);
    /// The audit log began to fail, or works again.
    pub const AUDIT: Self = Self(2);
    /// End between two commands.
    pub const DRAIN: Self = Self(4);
    /// End now.
    pub const END: Self = Self(8);
    /// Somebody ends this one: [`Control::order`] says who and why.
    pub const KILL: Self = Self(16);
    /// Somebody is kept out, or no longer.
    pub const LOCKS: Self = Self(32);

    /// Is this among it?
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How one session is reached.
#[derive(Debug, Default)]
pub(super) struct Control {
    signals: AtomicU8,
    waker: Mutex<Option<Waker>>,
    order: Mutex<Option<Order>>,
    /// What can be seen of it.
    pub live: Arc<Live>,
}

/// That a session is to end.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub by: KilledBy,
    pub why: Arc<str>,
}

impl Control {
    fn signal(&self, signal: Signal) {
        self.signals.fetch_or(signal.0, Ordering::Release);
        if let Some(waker) = locked(&self.waker).as_ref() {
            waker.wake_by_ref();
        }
    }

    fn kill(&self, order: Order) {
        *locked(&self.order) = Some(order);
        self.signal(Signal::KILL);
    }

    /// Why it is to end.
    pub fn order(&self) -> Option<Order> {
        locked(&self.order).take()
    }

    /// What there is to look at; whoever comes later wakes this task.
    pub fn take(&self, waker: &Waker) -> Signal {
        self.take_as(waker, &mut None)
    }

    /// The same. `known`: whom they would wake as it is, so that nothing is locked with each turn of a task.
    pub fn take_as(&self, waker: &Waker, known: &mut Option<Waker>) -> Signal {
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *locked(&self.waker) = Some(waker.clone());
            *known = Some(waker.clone());
        }
        if self.signals.load(Ordering::Relaxed) == 0 {
            return Signal::NONE;
        }
        Signal(self.signals.swap(0, Ordering::Acquire))
    }
}

/// All open sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<Open>,
    /// Told when the last one ends.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Open {
    controls: HashMap<u64, Arc<Control>>,
    next: u64,
}

/// A session's entry; it ends with the session.
#[derive(Debug)]
pub(super) struct Entry {
    sessions: Arc<Sessions>,
    number: u64,
    /// How this session is reached.
    pub control: Arc<Control>,
}

impl Sessions {
    /// Enters a session.
    pub fn enter(self: &Arc<Self>) -> Entry {
        let control = Arc::new(Control::default());
        let mut open = locked(&self.open);
        let number = open.next;
        open.next = number.wrapping_add(1);
        open.controls.insert(number, Arc::clone(&control));
        Entry { sessions: Arc::clone(self), number, control }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        locked(&self.open).controls.len()
    }

    /// Tells all of them.
    pub fn tell(&self, signal: Signal) {
        for control in self.controls() {
            control.signal(signal);
        }
    }

    /// What can be seen of each that has begun.
    pub fn live(&self) -> Vec<Arc<Live>> {
        locked(&self.open).controls.values().map(|control| Arc::clone(&control.live)).collect()
    }

    /// Ends these, whatever they do, and says how many of them are still there.
    pub fn kill(&self, sids: &HashSet<Arc<str>>, order: &Order) -> usize {
        let named = |control: &Arc<Control>| sids.contains(control.live.facts().sid());
        let killed: Vec<_> = self.controls().into_iter().filter(named).collect();
        killed.iter().for_each(|control| control.kill(order.clone()));
        killed.len()
    }

    fn controls(&self) -> Vec<Arc<Control>> {
        locked(&self.open).controls.values().cloned().collect()
    }

    /// Ends them one by one over the window, then all that are left, and waits until none is. Clients that reconnect at
    /// once must not all come in the same second, so each gets its moment by lot.
    pub async fn drain(&self, window: Duration) {
        let mut controls = self.controls();
        shuffle(&mut controls);
        // The last ones need some of it to end.
        let spread = window.saturating_sub((window / 10).min(LAST_WORDS));
        let (begin, count) = (Instant::now(), u32::try_from(controls.len()).unwrap_or(u32::MAX).max(1));
        for (at, control) in controls.iter().enumerate() {
            let share = spread.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX)) / count;
            if self.all_ended_by(begin + share).await {
                return;
            }
            control.signal(Signal::DRAIN);
        }
        drop(controls);
        if !self.all_ended_by(begin + window).await {
            self.end().await;
        }
    }

    /// Ends all of them now, and waits until none is open.
    pub async fn end(&self) {
        self.tell(Signal::END);
        self.all_ended().await;
    }

    async fn all_ended_by(&self, moment: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.all_ended() => true,
            () = sleep_until(moment) => false,
        }
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = locked(&self.sessions.open);
        open.controls.remove(&self.number);
        if open.controls.is_empty() {
            open.controls = HashMap::new();
            self.sessions.ended.notify_waiters();
        }
    }
}

/// Nothing panics while it holds one of these locks; if it did, what is behind it would still be whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fisher and Yates, with the kernel's random bits.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = getrandom::u64().unwrap_or_default();
        let count = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(random % count).unwrap_or(0));
    }
}
