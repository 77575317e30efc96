//! A disk that is full, broken or stuck, and well again.

use super::*;
use crate::audit::LogFailing;
use crate::session::event::StopReason;

/// Submits until it stands, or fails, and says which.
async fn one(log: &Log) -> Result<u64, LogFailing> {
    log.submit(entries(1)).await.written().await
}

async fn until_failing(log: &Log, failing: bool) {
    log.watch_failing().wait_for(|now| *now == failing).await.expect("the log lives");
    assert_eq!(log.failing(), failing);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_until_it_can() {
    for mood in [Mood::Full, Mood::Half] {
        let bench = Bench::new(OnFailure::Refuse);
        let log = bench.log();
        assert_eq!(one(&log).await, Ok(1));
        bench.disk.set(mood);
        assert_eq!(one(&log).await, Err(LogFailing), "{mood:?}");
        assert!(log.failing());
        assert_eq!(one(&log).await, Err(LogFailing), "{mood:?}");
        bench.disk.set(Mood::Works);
        until_failing(&log, false).await;
        one(&log).await.expect("it works again");
        log.close(StopReason::Drained).await.expect("it is closed");
        let records = chained(&bench.directory);
        let expected = [
            "audit.open",
            "upstream.state",
            "audit.close",
            "audit.open",
            "upstream.state",
            "proxy.stop",
            "audit.close",
        ];
        assert_eq!(types(&records), expected, "{mood:?}: no number is missing");
        assert_eq!(*bench.told.failing.lock().expect("no panic"), [true, false]);
        assert_eq!(bench.lost(), 0);
    }
}

#[tokio::test]
async fn what_is_lost_is_counted_and_named_first() {
    let bench = Bench::new(OnFailure::Continue);
    let log = bench.log();
    assert_eq!(one(&log).await, Ok(1));
    bench.disk.set(Mood::Full);
    for seq in 2..7 {
        assert_eq!(one(&log).await, Ok(seq), "nobody is refused");
        assert!(!log.failing(), "nothing is refused");
    }
    assert_eq!(*bench.told.failing.lock().expect("no panic"), [true]);
    bench.disk.set(Mood::Works);
    // Not watched under `continue`: the first record that stands comes behind the gap.
    let mut last = 7;
    while *bench.told.failing.lock().expect("no panic") != [true, false] {
        last = one(&log).await.expect("nobody is refused") + 1;
        tokio::task::yield_now().await;
    }
    one(&log).await.expect("nobody is refused");
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    let gaps: Vec<_> = records.iter().filter(|record| record["type"] == "audit.gap").collect();
    assert_eq!(gaps[0]["data"]["first"], 2);
    assert_eq!(gaps[0]["data"]["reason"], "disk_full");
    assert_eq!(records[2], *gaps[0], "the first that is written again");
    let named: u64 = gaps.iter().map(|gap| gap["data"]["n"].as_u64().expect("a count")).sum();
    let by_type: u64 = gaps.iter().map(|gap| sum(&gap["data"]["by_type"])).sum();
    assert!(named >= 5 && named <= last, "{named}");
    assert_eq!((named, named), (by_type, bench.lost()));
}

fn sum(by_type: &Value) -> u64 {
    by_type.as_object().expect("an object").values().map(|n| n.as_u64().expect("a count")).sum()
}

#[tokio::test]
async fn a_sync_that_fails_is_a_failure_and_is_made_good() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    bench.disk.set(Mood::Unsynced);
    assert_eq!(one(&log).await, Ok(1), "nobody waits for the disk");
    until_failing(&log, true).await;
    assert_eq!(head(&bench.directory).seq, 0, "it names what is on disk");
    bench.disk.set(Mood::Works);
    until_failing(&log, false).await;
    let records = chained(&bench.directory);
    assert_eq!(types(&records), ["audit.open", "upstream.state", "audit.close", "audit.open"]);
    assert_eq!(head(&bench.directory).seq, 3);
}

#[tokio::test]
async fn records_that_the_kernel_forgot_are_not_taken_for_written() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    bench.disk.set(Mood::Unsynced);
    assert_eq!(one(&log).await, Ok(1));
    until_failing(&log, true).await;
    let text = fs::read_to_string(bench.segment(1)).expect("it can be read");
    let lost = text.replace("down", "\0\0\0\0");
    let file = fs::OpenOptions::new().write(true).open(bench.segment(1)).expect("it is there");
    std::os::unix::fs::FileExt::write_all_at(&file, lost.as_bytes(), 0).expect("it can be written");
    bench.disk.set(Mood::Works);
    assert!(log.close(StopReason::Forced).await.is_err(), "its last records would follow none");
    assert!(log.failing());
    drop(log);
    drop(bench.log());
    let records = chained(&bench.directory);
    assert_eq!(types(&records), ["audit.open", "audit.open"]);
    assert!(records[1]["data"]["torn"].as_u64().is_some_and(|torn| torn > 100));
}

#[tokio::test]
async fn a_disk_that_gives_no_word_fails_the_log() {
    for on_failure in [OnFailure::Refuse, OnFailure::Continue] {
        let mut bench = Bench::new(on_failure);
        bench.tuning.stall = Duration::from_millis(50);
        let log = bench.log();
        bench.disk.set(Mood::Stuck);
        let writing = log.submit(entries(2)).await;
        let mut stuck = bench.disk.stuck.subscribe();
        stuck.wait_for(|n| *n > 0).await.expect("the disk lives");
        let queued = log.submit(entries(1)).await;
        let answers = (writing.written().await, queued.written().await);
        match on_failure {
            OnFailure::Refuse => assert_eq!(answers, (Err(LogFailing), Err(LogFailing))),
            OnFailure::Continue => assert_eq!(answers, (Ok(2), Ok(3))),
        }
        bench.disk.set(Mood::Works);
        stuck.wait_for(|n| *n == 0).await.expect("the disk lives");
        until_failing(&log, false).await;
        log.close(StopReason::Drained).await.expect("it is closed");
        let records = chained(&bench.directory);
        let names = types(&records);
        assert_eq!(names[..3], ["audit.open", "upstream.state", "upstream.state"], "what was under way stands");
        assert_eq!(names[3], if on_failure == OnFailure::Continue { "audit.gap" } else { names[3] });
        assert_eq!(bench.lost(), u64::from(on_failure == OnFailure::Continue));
    }
}

#[tokio::test]
async fn the_log_fails_before_the_disk_is_full() {
    let mut bench = Bench::new(OnFailure::Refuse);
    bench.min_free = 1 << 30;
    bench.disk.set_free(1 << 30);
    let log = bench.log();
    one(&log).await.expect("there is room");
    bench.disk.set_free((1 << 30) - 1);
    until_failing(&log, true).await;
    assert_eq!(one(&log).await, Err(LogFailing));
    bench.disk.set_free(1 << 30);
    until_failing(&log, false).await;
    one(&log).await.expect("there is room again");
    chained(&bench.directory);
}

#[tokio::test]
async fn the_last_records_have_room_kept_for_them() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    one(&log).await.expect("it is written");
    bench.disk.set(Mood::FullButReserve);
    assert_eq!(one(&log).await, Err(LogFailing));
    let action = EventKind::AdminAction {
        who: "signal".into(),
        role: None,
        method: "SIGHUP".into(),
        route: "reload".into(),
        target: None,
        status: None,
        refused: false,
    };
    let action = vec![Entry { event: Box::new(Event::of_proxy(action)), intent: None }];
    assert!(bench.directory.join("reserve").exists(), "an ordinary record does not take it");
    assert_eq!(log.submit(action).await.written().await, Ok(2));
    log.close(StopReason::Forced).await.expect("it is closed");
    let records = chained(&bench.directory);
    assert_eq!(types(&records)[2], "admin.action");
    assert_eq!(types(&records)[records.len() - 2..], ["proxy.stop", "audit.close"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_closed_says_so() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    bench.disk.set(Mood::Full);
    assert_eq!(log.close(StopReason::Drained).await, Err(LogFailing));
}

#[tokio::test]
async fn a_segment_that_somebody_removed_is_missed() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    fs::remove_file(bench.segment(1)).expect("it is there");
    one(&log).await.expect("the kernel takes it");
    until_failing(&log, true).await;
    assert_eq!(one(&log).await, Err(LogFailing));
    drop(log);
    let error = bench.open().expect_err("records are gone");
    assert!(error.to_string().contains("none is left"), "{error}");
}
