//! `durability = "strict"`: nobody is told that a record stands before the disk has it.

use super::*;
use crate::audit::LogFailing;
use crate::session::event::StopReason;

fn strict() -> Bench {
    let mut bench = Bench { durability: Durability::Strict, ..Bench::new(OnFailure::Refuse) };
    // Nobody syncs but those who wait for it, and there is one segment.
    (bench.tuning.sync_after, bench.tuning.segment) = (Duration::from_secs(3600), u64::MAX);
    bench
}

/// The number of the newest record of which the disk has all octets.
fn on_disk(bench: &Bench) -> u64 {
    let bytes = fs::read(bench.segment(1)).expect("it can be read");
    let synced = usize::try_from(bench.disk.synced().0).expect("a small file");
    let lines = bytes[..synced].split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.count() as u64 - 1
}

#[tokio::test]
async fn what_is_told_is_on_disk() {
    let bench = strict();
    let log = bench.log();
    for n in 1..20 {
        let seq = log.submit(entries(n)).await.written().await.expect("it is written");
        assert!(on_disk(&bench) >= seq, "record {seq} was told to stand");
        assert_eq!(head(&bench.directory).seq, seq);
    }
    assert_eq!(bench.disk.synced().1, 1 + 19, "once at the start, once each time");
    log.close(StopReason::Drained).await.expect("it is closed");
    assert_eq!(chained(&bench.directory)[0]["data"]["durability"], "strict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_wait_share_a_sync() {
    let bench = strict();
    let log = bench.log();
    let mut stuck = bench.disk.stuck.subscribe();
    bench.disk.set(Mood::StuckSync);
    let first = log.submit(entries(1)).await;
    stuck.wait_for(|n| *n > 0).await.expect("the disk lives");
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(log.submit(entries(2)).await);
    }
    assert_eq!(log.queue().0, 200, "the disk is at work");
    bench.disk.set(Mood::Works);
    first.written().await.expect("it is written");
    for pending in waiting {
        let seq = pending.written().await.expect("it is written");
        assert!(on_disk(&bench) >= seq, "record {seq} was told to stand");
    }
    assert_eq!(bench.disk.synced().1, 3, "the start, the first, and all others at once");
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_refused() {
    let bench = strict();
    let log = bench.log();
    bench.disk.set(Mood::Unsynced);
    assert_eq!(log.submit(entries(1)).await.written().await, Err(LogFailing));
    assert!(log.failing());
    assert_eq!(head(&bench.directory).seq, 0, "it names what is on disk");
    bench.disk.set(Mood::Works);
    log.watch_failing().wait_for(|failing| !*failing).await.expect("the log lives");
    log.submit(entries(1)).await.written().await.expect("it works again");
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    // The record of what was refused stays: the kernel has it.
    assert_eq!(types(&records)[..3], ["audit.open", "upstream.state", "audit.close"]);
}

#[tokio::test]
async fn a_disk_that_does_not_return_is_noticed_while_somebody_looks_for_room() {
    let mut bench = strict();
    // The syncer looks at the free space many times meanwhile.
    (bench.tuning.stall, bench.tuning.look) = (Duration::from_millis(100), Duration::from_millis(1));
    let log = bench.log();
    bench.disk.set(Mood::StuckSync);
    assert_eq!(log.submit(entries(1)).await.written().await, Err(LogFailing));
    assert!(log.failing());
    bench.disk.set(Mood::Works);
    log.watch_failing().wait_for(|failing| !*failing).await.expect("the log lives");
    log.submit(entries(1)).await.written().await.expect("it works again");
}
