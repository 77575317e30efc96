//! File descriptors: a session takes two.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Segments, pipes, listeners, the admin port, what looks up names.
const OTHERS: u64 = 128;

/// Asks for as many as this user may have. Too few for what the listeners take is said, since it shows only under load.
pub(super) fn provide(config: &Config) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = getrlimit(Resource::Nofile);
        }
    }
    let sessions = config.listeners.iter().map(|listener| listener.max_connections as u64);
    let wanted = sessions.fold(OTHERS, |sum, sessions| sum.saturating_add(sessions.saturating_mul(2)));
    if let Some(limit) = limit.current.filter(|limit| *limit < wanted) {
        tracing::warn!(limit, wanted, "fewer file descriptors than `max_connections` needs: raise LimitNOFILE");
    }
}
