//! `keep`: what is older goes, once the log says so, and nothing else does.

use super::*;
use crate::audit::verify;
use crate::session::event::StopReason;

/// Everything is too old at once.
fn forgetful() -> Bench {
    let mut bench = Bench::new(OnFailure::Refuse);
    (bench.keep, bench.tuning.look) = (Some(Duration::ZERO), Duration::from_millis(1));
    bench
}

/// A log of several segments, closed.
async fn segments(bench: &Bench, n: usize) {
    for _ in 0..n {
        let log = bench.log();
        log.submit(entries(3)).await.written().await.expect("it is written");
        log.close(StopReason::Drained).await.expect("it is closed");
    }
}

fn numbers(bench: &Bench) -> Vec<u32> {
    segment::list(&bench.directory).expect("it can be read")
}

async fn until_one_is_left(bench: &Bench) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while numbers(bench).len() > 1 {
        assert!(std::time::Instant::now() < deadline, "{:?} are left", numbers(bench));
        tokio::task::yield_now().await;
    }
}

fn lines(bench: &Bench, number: u32) -> Vec<Value> {
    let text = fs::read_to_string(bench.segment(number)).expect("it can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn what_is_older_goes_oldest_first_and_the_log_says_so() {
    let mut bench = Bench::new(OnFailure::Refuse);
    segments(&bench, 4).await;
    let ends: Vec<Value> = (1..=4).map(|number| lines(&bench, number).pop().expect("an end")).collect();
    bench = Bench { keep: forgetful().keep, tuning: forgetful().tuning, ..bench };
    let log = bench.log();
    until_one_is_left(&bench).await;
    log.submit(entries(1)).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    let left = lines(&bench, 5);
    let purged: Vec<&Value> = left.iter().filter(|line| line["type"] == "audit.purge").collect();
    assert_eq!(purged.len(), 4);
    for ((number, purged), end) in (1..).zip(purged).zip(&ends) {
        let data = &purged["data"];
        assert_eq!((data["segment"].as_u64(), &data["last"]), (Some(number), &end["seq"]), "{purged}");
    }
    let report = verify(&bench.directory, None);
    assert_eq!(
        (report.exit_code(), report.to_string().contains("purged    ok      up to segment 4")),
        (0, true),
        "{report}"
    );
    // And it is taken up again.
    drop(log);
    segments(&Bench { keep: None, ..bench }, 1).await;
}

#[tokio::test]
async fn nothing_goes_before_its_time_or_without_being_asked() {
    for keep in [None, Some(Duration::from_secs(3600))] {
        let mut bench = forgetful();
        bench.keep = keep;
        segments(&bench, 2).await;
        let log = bench.log();
        // As many looks at the disk as two records with their sync take.
        for seq in [20, 40] {
            log.submit(entries(seq)).await.written().await.expect("it is written");
        }
        log.close(StopReason::Drained).await.expect("it is closed");
        assert_eq!(numbers(&bench), [1, 2, 3], "{keep:?}");
        assert_eq!(verify(&bench.directory, None).exit_code(), 0);
    }
}

#[tokio::test]
async fn a_first_segment_that_is_missing_unsaid_is_found() {
    let bench = Bench::new(OnFailure::Refuse);
    segments(&bench, 3).await;
    fs::remove_file(bench.segment(1)).expect("it is there");
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("segment 1 is missing"), "{report}");
    let error = bench.open().expect_err("nobody said so").to_string();
    assert!(error.contains("segment 1 is missing"), "{error}");
}

#[tokio::test]
async fn more_than_was_purged_is_found_and_what_was_purged_is_bound_to_its_hash() {
    let mut bench = Bench::new(OnFailure::Refuse);
    segments(&bench, 2).await;
    bench = Bench { keep: forgetful().keep, tuning: forgetful().tuning, ..bench };
    let log = bench.log();
    until_one_is_left(&bench).await;
    log.close(StopReason::Drained).await.expect("it is closed");
    drop(log);
    bench.keep = None;
    segments(&bench, 2).await;
    assert_eq!((numbers(&bench), verify(&bench.directory, None).exit_code()), (vec![3, 4, 5], 0));
    // The next one, too: no record says so.
    let third = fs::read(bench.segment(3)).expect("it can be read");
    fs::remove_file(bench.segment(3)).expect("it is there");
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("segments 1-3 are missing"), "{report}");
    assert!(bench.open().is_err());
    fs::write(bench.segment(3), third).expect("it can be written");
    // A first line that was rewritten to follow something else is not what the record names.
    let text = fs::read_to_string(bench.segment(3)).expect("it can be read");
    let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let prev = first["prev"].as_str().expect("a hash");
    fs::write(bench.segment(3), text.replacen(prev, &Hash::of(b"else").to_string(), 1)).expect("it can be written");
    assert_eq!(verify(&bench.directory, None).exit_code(), 1);
    assert!(bench.open().is_err());
}

#[tokio::test]
async fn a_segment_is_there_until_its_record_is_on_disk() {
    let bench = Bench::new(OnFailure::Refuse);
    segments(&bench, 2).await;
    let bench = Bench { keep: forgetful().keep, tuning: forgetful().tuning, ..bench };
    bench.disk.set(Mood::Works);
    let log = {
        let log = bench.log();
        bench.disk.set(Mood::Unsynced);
        log
    };
    if numbers(&bench).len() == 3 {
        log.watch_failing().wait_for(|failing| *failing).await.expect("the log lives");
    }
    let left = numbers(&bench);
    bench.disk.set(Mood::Works);
    until_one_is_left(&bench).await;
    assert!(left.contains(&3), "{left:?}");
    drop(log);
    assert_eq!(verify(&bench.directory, None).findings(), []);
}
