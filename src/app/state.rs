//! What outlives the process, opened once rules need it.

use std::sync::Arc;

use super::Prepared;
use crate::session::verdicts::{Memory, Verdicts};
use crate::store::Store;

/// What rules said to messages: in memory, and from the first rule that hides some on a disk, too.
#[derive(Debug, Default)]
pub(super) struct State {
    memory: Arc<Memory>,
    store: Option<Store>,
}

impl State {
    /// Where no rule hides messages there is nothing to be kept. What cannot be kept is judged again after a restart.
    pub(super) fn follow(&mut self, prepared: &Prepared) {
        if self.store.is_some() || !prepared.rules.set.hides_messages() {
            return;
        }
        let directory = &prepared.config.state.directory;
        match Store::open(directory, &self.memory) {
            Ok(store) => self.store = Some(store),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "verdicts are not kept over a restart");
            }
        }
    }

    pub(super) fn verdicts(&self) -> Arc<dyn Verdicts> {
        Arc::clone(&self.memory) as _
    }
}
