//! Do the loops that let clients in still turn?
//!
//! ```text
//!   whoever asks ─▶ beat n ─▶ each loop says n, between two connections ─▶ all have said it
//! ```
//!
//! They are tasks of the runtime whose threads move the mail: if these are stuck, no loop answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Notify, watch};

use super::drain::locked;

/// Asks all loops.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beat: watch::Sender<u64>,
    hearts: Mutex<Vec<Weak<AtomicU64>>>,
    said: Arc<Notify>,
}

/// The part of a loop.
#[derive(Debug)]
pub(super) struct Heart {
    beat: watch::Receiver<u64>,
    last: Arc<AtomicU64>,
    said: Arc<Notify>,
}

impl Pulse {
    /// For a new loop. It counts until it is dropped.
    pub fn heart(&self) -> Heart {
        let beat = self.beat.subscribe();
        let last = Arc::new(AtomicU64::new(*beat.borrow()));
        locked(&self.hearts).push(Arc::downgrade(&last));
        Heart { beat, last, said: Arc::clone(&self.said) }
    }

    /// Returns when each loop has answered; never if one does not.
    pub async fn all_answer(&self) {
        let mut asked = 0;
        self.beat.send_modify(|beat| {
            *beat = beat.wrapping_add(1);
            asked = *beat;
        });
        loop {
            let said = self.said.notified();
            if self.have_all_said(asked) {
                return;
            }
            said.await;
        }
    }

    fn have_all_said(&self, asked: u64) -> bool {
        let mut hearts = locked(&self.hearts);
        hearts.retain(|heart| heart.strong_count() > 0);
        hearts.iter().all(|heart| heart.upgrade().is_none_or(|last| last.load(Ordering::Acquire) >= asked))
    }
}

impl Heart {
    /// Waits until somebody asks, and answers.
    pub async fn answer(&mut self) {
        if self.beat.changed().await.is_err() {
            // Nobody asks any more.
            return std::future::pending().await;
        }
        self.last.store(*self.beat.borrow_and_update(), Ordering::Release);
        self.said.notify_waiters();
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.last.store(u64::MAX, Ordering::Release);
        self.said.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_must_answer() {
        let pulse = Pulse::default();
        let asked = || timeout(Duration::from_secs(1), pulse.all_answer());
        assert!(asked().await.is_ok(), "nobody is to answer");
        let mut alive = pulse.heart();
        let stuck = pulse.heart();
        let answering = tokio::spawn(async move {
            loop {
                alive.answer().await;
            }
        });
        assert!(asked().await.is_err(), "one does not");
        drop(stuck);
        assert!(asked().await.is_ok(), "it is gone");
        answering.abort();
    }
}
