//! Numbers, chain, segments, waiting.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::audit::shared::QUEUE;
use crate::session::event::StopReason;

#[tokio::test]
async fn a_batch_stands_before_it_is_told() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let seq = log.submit(entries(3)).await.written().await.expect("it is written");
    assert_eq!(seq, 3, "behind audit.open");
    let records = chained(&bench.directory);
    assert_eq!(types(&records), ["audit.open", "upstream.state", "upstream.state", "upstream.state"]);
    assert_eq!((log.head().0, &*log.head().2), (3, records[0]["log"].as_str().expect("an id")));
    assert_eq!(log.submit(Vec::new()).await.written().await, Ok(3), "nothing stands already");
}

#[tokio::test]
async fn a_closed_log_ends_in_its_close_and_takes_nothing_more() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    log.submit(entries(1)).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    assert_eq!(types(&records), ["audit.open", "upstream.state", "proxy.stop", "audit.close"]);
    assert_eq!(records[3]["data"]["records"], 4);
    assert_eq!(head(&bench.directory), Noted { seq: 3, hash: log.head().1 });
    assert!(log.submit(entries(1)).await.written().await.is_err());
    assert!(log.close(StopReason::Drained).await.is_err());
    assert!(!bench.directory.join("reserve").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_share_one_chain_over_many_segments() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let sessions: Vec<_> = (0..20)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut last = 0;
                for _ in 0..50 {
                    let seq = log.submit(entries(2)).await.written().await.expect("it is written");
                    assert!(seq > last, "a session's records keep their order");
                    last = seq;
                }
            })
        })
        .collect();
    for session in sessions {
        session.await.expect("no session fails");
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    let states = types(&records).into_iter().filter(|name| *name == "upstream.state").count();
    assert_eq!(states, 20 * 50 * 2);
    assert_eq!(*bench.told.recorded.lock().expect("no panic"), records.len() as u64);
    let segments = segment::list(&bench.directory).expect("it can be read");
    assert!(segments.len() > 5);
    for number in segments {
        let text = fs::read_to_string(bench.segment(number)).expect("it can be read");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["type"], "audit.open");
        assert_eq!(lines[0]["data"]["segment"], number);
        assert_eq!(lines[lines.len() - 1]["type"], "audit.close");
        assert_eq!(lines[lines.len() - 1]["data"]["records"], lines.len());
    }
}

#[tokio::test]
async fn a_full_queue_makes_sessions_wait_and_loses_nothing() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let mut stuck = bench.disk.stuck.subscribe();
    bench.disk.set(Mood::Stuck);
    let first = log.submit(entries(1)).await;
    stuck.wait_for(|n| *n > 0).await.expect("the disk lives");
    let filling = log.submit(entries(QUEUE)).await;
    assert_eq!(log.queue(), (QUEUE, QUEUE));
    let mut waiting = pin!(log.submit(entries(1)));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    bench.disk.set(Mood::Works);
    assert_eq!(first.written().await, Ok(1));
    assert_eq!(filling.written().await, Ok(1 + QUEUE as u64 + rotations(&bench, 2)));
    let last = waiting.await.written().await.expect("it is written");
    assert_eq!(chained(&bench.directory).len() as u64, last + 1);
}

/// Records that changes of segment made, of the log's own, before the last round.
fn rotations(bench: &Bench, each: u64) -> u64 {
    let segments = segment::list(&bench.directory).expect("it can be read").len() as u64;
    (segments - 1).min(1) * each
}

#[tokio::test]
async fn a_batch_larger_than_the_queue_passes() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    log.submit(entries(QUEUE + 1)).await.written().await.expect("it is written");
    log.submit(entries(1)).await.written().await.expect("there is room again");
}

#[tokio::test]
async fn what_nobody_waits_for_is_written() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    drop(log.submit(entries(1)).await);
    let waiting = pin!(log.submit(entries(1))).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(pending) = waiting else { panic!("there is room") };
    assert_eq!(pending.written().await, Ok(2));
}

#[tokio::test]
async fn head_follows_without_being_asked() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let seq = log.submit(entries(1)).await.written().await.expect("it is written");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while head(&bench.directory).seq < seq {
        assert!(std::time::Instant::now() < deadline, "head stays behind");
        tokio::task::yield_now().await;
    }
    assert_eq!(head(&bench.directory).hash, log.head().1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_new_segment_gets_one_while_others_write() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let writes = |log: Log| async move {
        for _ in 0..40 {
            log.submit(entries(1)).await.written().await.expect("it is written");
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writes(log.clone()))).collect();
    let mut open = 0;
    for _ in 0..5 {
        let rotated = log.rotate().await.expect("it works");
        assert!(rotated.sealed >= open, "{rotated:?} behind {open}");
        assert_eq!(rotated.open, rotated.sealed + 1);
        let sealed = fs::read_to_string(bench.segment(rotated.sealed)).expect("it can be read");
        assert!(sealed.lines().last().is_some_and(|line| line.contains("\"audit.close\"")), "{rotated:?}");
        assert!(bench.segment(rotated.open).exists());
        open = rotated.open;
    }
    for writer in writers {
        writer.await.expect("none fails");
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let states = types(&chained(&bench.directory)).into_iter().filter(|name| *name == "upstream.state").count();
    assert_eq!(states, 160);
    assert!(log.rotate().await.is_err(), "it has ended");
}

#[tokio::test]
async fn while_the_log_fails_no_segment_is_asked_for() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    bench.disk.set(Mood::Full);
    assert!(log.rotate().await.is_err(), "the end of the segment finds no room");
    assert!(log.rotate().await.is_err(), "and it fails now");
    bench.disk.set(Mood::Works);
    let mut failing = log.watch_failing();
    failing.wait_for(|failing| !*failing).await.expect("the log lives");
    log.rotate().await.expect("it works again");
    log.close(StopReason::Drained).await.expect("it is closed");
    chained(&bench.directory);
}
