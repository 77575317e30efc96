//! Sessions that write themselves, on a runtime of several workers.

use super::*;
use crate::audit::LogFailing;
use crate::session::event::StopReason;

/// Many sessions at once, and syncs and new segments between them: one chain, and whoever was told is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_writes_there_is_one_chain_and_nobody_is_forgotten() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let sessions: Vec<_> = (0..32)
        .map(|session| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for n in 0..100 {
                    let batch = log.submit(entries(1 + (session + n) % 3)).await;
                    told.push(batch.written().await.expect("it is written"));
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for session in sessions {
        told.extend(session.await.expect("no session panics"));
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    assert!(segment::list(&bench.directory).expect("it can be read").len() > 5, "segments were full");
    let numbers: std::collections::HashSet<_> = told.iter().collect();
    assert_eq!(numbers.len(), told.len(), "each batch has a number of its own");
    let of_sessions = records.iter().filter(|record| record["type"] == "upstream.state").count();
    let submitted: usize = (0..32).flat_map(|session| (0..100).map(move |n| 1 + (session + n) % 3)).sum();
    assert_eq!(of_sessions, submitted);
    assert!(told.iter().all(|seq| records[*seq as usize]["type"] == "upstream.state"));
}

/// What was handed over is recorded, also where its session ends while others are let go first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_while_it_waits_for_others_is_recorded() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let waits = tokio::spawn({
        let log = log.clone();
        async move {
            let mut submitting = Box::pin(log.submit(entries(1)));
            std::future::poll_fn(|context| std::task::Poll::Ready(submitting.as_mut().poll(context).is_pending())).await
        }
    });
    assert!(waits.await.expect("it does not panic"), "at first sessions write together");
    log.close(StopReason::Drained).await.expect("it is closed");
    let records = chained(&bench.directory);
    assert_eq!(records.iter().filter(|record| record["type"] == "upstream.state").count(), 1);
}

/// The session that wrote is held up as long as the disk is; all others are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_disk_that_gives_no_word_holds_up_one_session() {
    let mut bench = Bench::new(OnFailure::Refuse);
    bench.tuning.stall = Duration::from_millis(50);
    // No sync comes between: whoever comes first writes itself.
    bench.tuning.sync_after = Duration::from_secs(60);
    let log = bench.log();
    bench.disk.set(Mood::Stuck);
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let log = log.clone();
        sessions.spawn(async move { log.submit(entries(1)).await.written().await });
    }
    for _ in 1..20 {
        let answer = sessions.join_next().await.expect("there are more").expect("no session panics");
        assert_eq!(answer, Err(LogFailing));
    }
    assert!(log.failing());
    bench.disk.set(Mood::Works);
    let last = sessions.join_next().await.expect("there is one more").expect("it does not panic");
    assert_eq!(last, Err(LogFailing), "what it wrote in the end came too late");
    log.watch_failing().wait_for(|failing| !failing).await.expect("the log lives");
    log.submit(entries(1)).await.written().await.expect("it works again");
    log.close(StopReason::Drained).await.expect("it is closed");
    chained(&bench.directory);
}

/// A write that fails is answered to those who wait, and nothing of it stays, as where the thread writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_cannot_write_is_refused_until_it_can() {
    for mood in [Mood::Full, Mood::Half] {
        let bench = Bench::new(OnFailure::Refuse);
        let log = bench.log();
        bench.disk.set(mood);
        let refused = tokio::spawn({
            let log = log.clone();
            async move { log.submit(entries(2)).await.written().await }
        });
        assert_eq!(refused.await.expect("it does not panic"), Err(LogFailing), "{mood:?}");
        bench.disk.set(Mood::Works);
        log.watch_failing().wait_for(|failing| !failing).await.expect("the log lives");
        let written = tokio::spawn({
            let log = log.clone();
            async move { log.submit(entries(2)).await.written().await }
        });
        written.await.expect("it does not panic").expect("it works again");
        log.close(StopReason::Drained).await.expect("it is closed");
        let records = chained(&bench.directory);
        assert_eq!(records.iter().filter(|record| record["type"] == "upstream.state").count(), 2, "{mood:?}");
    }
}
