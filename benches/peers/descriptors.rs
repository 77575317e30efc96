//! As many sessions as a work load has take as many descriptors, and the peers inherit the runner's limit.
//!
//! ```text
//!   limit, sessions ─▶ one process of each part (peer, backend, load), or as many as the limit makes necessary, or too few
//! ```

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a run asks for: two for each of 20,000 sessions, and room.
const WANTED: u64 = 65_536;

/// What a server needs beside its sessions.
const SPARE: u64 = 500;

/// Processes of each part, at most: with more it would be their own cost that is measured.
const MOST: u64 = 8;

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

    /// In how many processes of each part so many sessions fit; or what to say where they do not.
    pub fn processes(&self, sessions: u64, divisible: bool) -> Result<usize, String> {
        let most = if divisible { MOST } else { 1 };
        processes(self.limit, sessions).filter(|count| *count <= most).map_or_else(
            || {
                let needed = least(sessions, most);
                Err(format!(
                    "needs {needed} descriptors, the limit is {} and this user may not raise it: ulimit -Hn {needed} as one \
                     who has CAP_SYS_RESOURCE, or LimitNOFILE={needed}",
                    self.limit
                ))
            },
            |count| Ok(usize::try_from(count).unwrap_or(1)),
        )
    }
}

/// One, where it has two descriptors for each session; else as many as have them, dealt out unevenly by a twentieth.
pub fn processes(limit: u64, sessions: u64) -> Option<u64> {
    let room = limit.saturating_sub(SPARE);
    if 2 * sessions <= room {
        return Some(1);
    }
    uneven(sessions).checked_div(room).map(|whole| whole + u64::from(!uneven(sessions).is_multiple_of(room)))
}

/// The least limit with which so many sessions fit into so many processes.
pub fn least(sessions: u64, processes: u64) -> u64 {
    SPARE + if processes <= 1 { 2 * sessions } else { uneven(sessions).div_ceil(processes) }
}

fn uneven(sessions: u64) -> u64 {
    2 * sessions + sessions / 10
}

/// How many of so many the process with this number has.
pub fn share(count: usize, processes: usize, number: usize) -> usize {
    count / processes + usize::from(number < count % processes)
}
