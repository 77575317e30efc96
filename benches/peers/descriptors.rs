//! As many sessions as a work load has take as many descriptors, and the peers inherit the runner's limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a run asks for: two for each of 20,000 sessions, and room.
const WANTED: u64 = 65_536;

/// What a server needs beside its sessions.
pub const SPARE: u64 = 500;

/// The limit, and how it came about.
pub struct Descriptors {
    /// How many one process may have open.
    pub limit: u64,
    /// What it was before.
    pub was: u64,
}

impl Descriptors {
    /// Raises the limit as far as this user may.
    pub fn raise() -> Self {
        let before = getrlimit(Resource::Nofile);
        let was = before.current.unwrap_or(u64::MAX);
        let hard = before.maximum.unwrap_or(u64::MAX);
        let wanted = was.max(WANTED);
        // Root may go beyond the hard limit; anybody else up to it.
        let tries = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)];
        for (current, maximum) in tries {
            if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: Some(maximum) }).is_ok() {
                break;
            }
        }
        Self { limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), was }
    }

    /// How many sessions a proxy can hold with two for each.
    pub fn sessions(&self) -> u64 {
        (self.limit.min(WANTED).saturating_sub(SPARE)) / 2
    }

    /// What to say where a work load needs more.
    pub fn too_few(&self, needed: u64) -> Option<String> {
        (self.limit < needed).then(|| {
            format!(
                "needs {needed} descriptors, the limit is {} and this user may not raise it: ulimit -Hn {needed} as one who \
                 has CAP_SYS_RESOURCE, or LimitNOFILE={needed}",
                self.limit
            )
        })
    }
}
