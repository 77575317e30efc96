//! May clients be sent here?

use std::sync::atomic::{AtomicBool, Ordering};

use crate::admin::Health;
use crate::audit::Log;

/// Asked at `/readyz`. Made once the rules are compiled and every listener is bound: nothing runs without them.
#[derive(Debug)]
pub(super) struct Readiness {
    log: Log,
    draining: AtomicBool,
}

impl Readiness {
    pub const fn new(log: Log) -> Self {
        Self { log, draining: AtomicBool::new(false) }
    }

    /// Are balancers to look elsewhere?
    pub fn drain(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }
}

impl Health for Readiness {
    fn checks(&self) -> Vec<(&'static str, bool)> {
        let draining = self.draining.load(Ordering::Relaxed);
        vec![("listeners", true), ("policy", true), ("audit", !self.log.failing()), ("draining", !draining)]
    }
}
