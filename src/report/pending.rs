//! Which commands were announced and never ended?

use std::collections::HashSet;

use crate::audit::Line;

/// Announced commands. To be told of each record, in order.
#[derive(Debug, Default)]
pub struct Pending {
    open: HashSet<u64>,
    lost: HashSet<u64>,
}

impl Pending {
    /// The next record.
    pub fn see(&mut self, line: &Line<'_>) {
        match line.stage {
            Some("intent") if !line.more => {
                self.open.insert(line.seq);
            }
            Some("done") if !line.more => {
                if let Some(intent) = line.intent() {
                    self.open.remove(&intent);
                }
            }
            _ if line.is_new_start() => self.lost.extend(self.open.drain()),
            _ => {}
        }
    }

    /// Those without an end: their process died, or they are under way.
    #[must_use]
    pub fn end(&mut self) -> HashSet<u64> {
        self.lost.extend(self.open.drain());
        std::mem::take(&mut self.lost)
    }
}
