//! Goes through seeds, and tells of the first few that fail with as little as shows it. What differs once has differed:
//! nothing is tried again until it fits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::script::Step;

/// Sessions that are going on at once: more than there are processors, for each waits now and then.
const AT_ONCE: usize = 6;

/// Failures after which it is enough.
const ENOUGH: usize = 5;

/// A number in the environment.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The seed that shall be played alone.
pub fn one_seed() -> Option<u64> {
    number("IMAPWARDEN_SEED")
}

/// Plays `count` sessions, or as many as the environment says. `plan` makes the session of a seed, `wrong` says what is
/// wrong with it, if something is.
pub fn hunt(count: u64, plan: impl Fn(u64) -> Vec<Step> + Sync, wrong: impl Fn(u64, &[Step]) -> Option<String> + Sync) {
    each(count, |seed| {
        let steps = plan(seed);
        let why = wrong(seed, &steps)?;
        eprintln!("seed {seed} fails; what it does not need is left out");
        Some(shrink(steps, why, |steps| wrong(seed, steps)))
    });
}

/// The same, where steps cannot be left out.
pub fn each(count: u64, wrong: impl Fn(u64) -> Option<String> + Sync) {
    let count = number("IMAPWARDEN_SESSIONS").unwrap_or(count);
    let first = one_seed().or(number("IMAPWARDEN_FIRST")).unwrap_or(0);
    let count = one_seed().map_or(count, |_| 1);
    eprintln!("seeds {first} to {}", first + count - 1);
    let (next, failed) = (AtomicU64::new(first), AtomicUsize::new(0));
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.load(Ordering::Relaxed) >= ENOUGH {
                return;
            }
            if let Some(why) = wrong(seed) {
                failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("---- seed {seed}: {why}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(search);
        }
    });
    assert_eq!(failed.into_inner(), 0, "sessions failed, see above; IMAPWARDEN_SEED=… plays one of them alone");
}

/// What is wrong with as few steps as still show it.
fn shrink(mut steps: Vec<Step>, mut why: String, wrong: impl Fn(&[Step]) -> Option<String>) -> String {
    match wrong(&steps) {
        Some(again) => why = again,
        None => return format!("seen once, and not the second time:\n{why}"),
    }
    let mut size = steps.len().div_ceil(2);
    loop {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match wrong(&fewer) {
                Some(reason) => (steps, why) = (fewer, reason),
                None => at += size,
            }
        }
        if size == 1 {
            return why;
        }
        size /= 2;
    }
}
