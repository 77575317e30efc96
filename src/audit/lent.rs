//! Room in which a session spells its lines: each worker has some and lends it, so that a record asks for no memory.

use std::cell::Cell;
use std::ops::Deref;

use super::hashing::Hashing;
use super::log::Entry;
use super::record::Spelled;

/// More than this is not kept for the next.
const KEEP: usize = 64 * 1024;

thread_local! {
    static ROOM: Cell<Spelled> = Cell::default();
}

/// Lines that a session hands over.
#[derive(Debug)]
pub(super) struct Lent(Spelled);

impl Lent {
    /// The lines of these events.
    pub fn spell(entries: Vec<Entry>, hashing: Option<&Hashing>) -> Self {
        let mut spelled = ROOM.take();
        spelled.clear();
        for Entry { event, intent } in entries {
            spelled.add(&event, intent, hashing);
        }
        Self(spelled)
    }
}

impl Deref for Lent {
    type Target = Spelled;

    fn deref(&self) -> &Spelled {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.0.capacity() <= KEEP {
            // Where the thread is ending nobody needs it.
            let _ = ROOM.try_with(|room| room.set(std::mem::take(&mut self.0)));
        }
    }
}
