//! What the kernel says of this process, read from `/proc/self` at each scrape. Where it cannot be read (no Linux, no
//! `/proc`) the values stay 0.

use std::fs;
use std::sync::{Mutex, PoisonError};

use prometheus::{Counter, IntGauge};

use super::family::Maker;
use super::table as t;

pub(super) struct Process {
    cpu: Counter,
    open_fds: IntGauge,
    max_fds: IntGauge,
    virtual_memory: IntGauge,
    resident_memory: IntGauge,
    threads: IntGauge,
    /// Two scrapes at once must not both add the same CPU time.
    refreshing: Mutex<()>,
}

impl Process {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        // Its metrics are among the first things that a process makes. The kernel knows the moment better, but only
        // relative to the boot of the machine, which `ProcSubset=pid` hides from a service.
        make.time(&t::PROCESS_START_TIME_SECONDS).set(super::now_seconds());
        Self {
            cpu: make.fractions(&t::PROCESS_CPU_SECONDS_TOTAL),
            open_fds: make.gauge(&t::PROCESS_OPEN_FDS),
            max_fds: make.gauge(&t::PROCESS_MAX_FDS),
            virtual_memory: make.gauge(&t::PROCESS_VIRTUAL_MEMORY_BYTES),
            resident_memory: make.gauge(&t::PROCESS_RESIDENT_MEMORY_BYTES),
            threads: make.gauge(&t::PROCESS_THREADS),
            refreshing: Mutex::default(),
        }
    }

    pub(super) fn refresh(&self) {
        let _refreshing = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            let ticks = rustix::param::clock_ticks_per_second() as f64;
            self.cpu.inc_by((stat.cpu_ticks as f64 / ticks - self.cpu.get()).max(0.0));
            self.virtual_memory.set(stat.virtual_bytes);
            self.resident_memory.set(stat.resident_pages.saturating_mul(page_size()));
            self.threads.set(stat.threads);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them reads this directory.
            self.open_fds.set(i64::try_from(open.count()).unwrap_or(i64::MAX).saturating_sub(1));
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        self.max_fds.set(limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX)));
    }
}

fn page_size() -> i64 {
    i64::try_from(rustix::param::page_size()).unwrap_or(i64::MAX)
}

/// proc(5), `/proc/pid/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: i64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `rest` begins with field 3.
        let field = |number: usize| fields.get(number.checked_sub(3)?).copied();
        let utime: u64 = field(14)?.parse().ok()?;
        let stime: u64 = field(15)?.parse().ok()?;
        Some(Self {
            cpu_ticks: utime.saturating_add(stime),
            threads: field(20)?.parse().ok()?,
            virtual_bytes: field(23)?.parse().ok()?,
            resident_pages: field(24)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_any_program_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 12345 4096000 321 18446744073709551615 1";
        let want = Stat { cpu_ticks: 300, threads: 7, virtual_bytes: 4_096_000, resident_pages: 321 };
        for name in ["imapwarden", "a b", ") R 1 (", ""] {
            assert_eq!(Stat::parse(&format!("42 ({name}) {fields}")).as_ref(), Some(&want), "{name}");
            assert_eq!(Stat::parse(&format!("42 ({name}) S 1 2")), None, "{name}");
        }
    }
}
