//! What have a server's processes taken? CPU time and memory, as `/proc` has them.
//!
//! ```text
//!   root ─┬─ worker ─┬─ thread     CPU: schedstat of every thread, in nanoseconds
//!         └─ worker  └─ thread     memory: Pss of every process
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Duration;

/// CPU time of a process and its descendants, up to a moment.
pub struct Cpu {
    /// Nanoseconds of each thread that lives, by process and thread.
    threads: BTreeMap<(u32, u32), u64>,
    /// Of the same processes with all threads and children that have ended, in the kernel's ticks: coarser.
    ticks: u64,
}

impl Cpu {
    /// Of the processes with these ids, up to now.
    pub fn of(roots: &[u32]) -> io::Result<Self> {
        let (mut threads, mut ticks) = (BTreeMap::new(), 0);
        for process in tree(roots)? {
            ticks += process.ticks;
            // A thread or process that has ended in between has no folder any more: the ticks still know it.
            let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", process.id)) else { continue };
            for task in tasks.flatten() {
                let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
                if let Some(nanoseconds) = text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()) {
                    threads.insert((process.id, id), nanoseconds);
                }
            }
        }
        let lives = |root: &u32| threads.keys().any(|(process, _)| process == root);
        if let Some(root) = roots.iter().find(|root| !lives(root)) {
            return Err(io::Error::other(format!("/proc/{root} has no CPU times: the process has ended")));
        }
        Ok(Self { threads, ticks })
    }

    /// Taken since then.
    pub fn since(&self, earlier: &Self) -> Duration {
        if earlier.threads.keys().all(|thread| self.threads.contains_key(thread)) {
            let sum = |cpu: &Self| cpu.threads.values().sum::<u64>();
            return Duration::from_nanos(sum(self).saturating_sub(sum(earlier)));
        }
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
    }
}

/// Memory of processes and their descendants, in KiB; shared pages in shares.
///
/// Without pages of files: sessions take none, and what a program's share of a library is changes with every program
/// that starts or ends.
pub fn pss(roots: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for process in tree(roots)? {
        let path = format!("/proc/{}/smaps_rollup", process.id);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound) || e.raw_os_error() == Some(3) => continue,
            Err(e) => return Err(io::Error::new(e.kind(), format!("{path}: {e}"))),
        };
        let kib = |line: &str| line.trim().trim_end_matches(" kB").parse::<u64>().ok();
        let counts = ["Pss_Anon:", "Pss_Shmem:"];
        let lines = text.lines().filter_map(|line| counts.iter().find_map(|name| line.strip_prefix(name)));
        sum += lines.filter_map(kib).sum::<u64>();
    }
    Ok(sum)
}

struct ProcessStat {
    id: u32,
    parent: u32,
    ticks: u64,
}

/// Processes and all below them.
fn tree(roots: &[u32]) -> io::Result<Vec<ProcessStat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        all.extend(fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| stat(id, &text)));
    }
    let mut ours = roots.iter().copied().collect::<BTreeSet<_>>();
    loop {
        let before = ours.len();
        ours.extend(
            all.iter().filter(|process| ours.contains(&process.parent)).map(|process| process.id).collect::<Vec<_>>(),
        );
        if ours.len() == before {
            break;
        }
    }
    Ok(all.into_iter().filter(|process| ours.contains(&process.id)).collect())
}

/// proc(5): the name stands in parentheses and may hold anything.
fn stat(id: u32, text: &str) -> Option<ProcessStat> {
    let fields = text.rsplit_once(')')?.1.split_ascii_whitespace().collect::<Vec<_>>();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    // utime, stime, and cutime, cstime of children that have been waited for.
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(ProcessStat { id, parent: u32::try_from(number(1)?).ok()?, ticks })
}
