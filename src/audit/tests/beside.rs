//! Two logs in one directory: of a process that ends, and of the one that takes its place.

use super::*;
use crate::audit::{Demands, PublicKey, init, logs, verify_all};
use crate::session::event::StopReason;

impl Bench {
    fn beside(&self) -> Log {
        let settings = Settings {
            directory: self.directory.clone(),
            on_failure: self.on_failure,
            durability: self.durability,
            min_free: self.min_free,
            keep: self.keep,
            hashing: None,
            node: "mx-a1".into(),
            version: "0.1.0".into(),
        };
        Log::open_beside(settings, Arc::clone(&self.told) as _).expect("the log opens")
    }
}

async fn write(log: &Log, n: usize) {
    log.submit(entries(n)).await.written().await.expect("it is written");
}

fn codes(directory: &Path) -> Vec<u8> {
    verify_all(directory, &Demands::default()).iter().map(|report| report.exit_code()).collect()
}

#[tokio::test]
async fn who_finds_the_log_taken_writes_beside_it() {
    let bench = Bench::new(OnFailure::Refuse);
    let first = bench.beside();
    assert_eq!(first.directory(), bench.directory, "nobody writes there");
    write(&first, 3).await;
    assert!(bench.open().is_err(), "without leave there is no second one");
    let second = bench.beside();
    let (_, _, id) = second.head();
    assert_eq!(second.directory(), bench.directory.join(&*id));
    write(&second, 2).await;
    write(&first, 1).await;
    let third = bench.beside();
    assert_eq!(logs(&bench.directory).expect("it can be read").len(), 3);
    for log in [&first, &second, &third] {
        log.close(StopReason::Drained).await.expect("it is closed");
    }
    drop((first, second, third));
    assert_eq!(codes(&bench.directory), [0, 0, 0]);
    let open = &chained(&bench.directory.join(&*id))[0];
    let others = open["data"]["others"].as_object().expect("the other is named");
    assert_eq!(others.len(), 1, "{open}");
    // The next ones take up what is there.
    let again = [bench.beside(), bench.beside()];
    assert_eq!(again[0].directory(), bench.directory);
    assert_eq!(logs(&bench.directory).expect("it can be read").len(), 3);
    for log in &again {
        log.close(StopReason::Drained).await.expect("it is closed");
    }
}

#[tokio::test]
async fn what_is_missing_is_found_by_what_the_others_say() {
    let bench = Bench::new(OnFailure::Refuse);
    let first = bench.beside();
    write(&first, 3).await;
    let second = bench.beside();
    let (_, _, id) = second.head();
    let inner = second.directory().to_owned();
    write(&second, 3).await;
    for log in [&first, &second] {
        log.close(StopReason::Drained).await.expect("it is closed");
    }
    drop((first, second));
    // A start that names both.
    let third = bench.beside();
    third.close(StopReason::Drained).await.expect("it is closed");
    drop(third);
    assert_eq!(codes(&bench.directory), [0, 0]);
    // Cut with its head renewed: by itself it is whole.
    let segment = inner.join("00000001.jsonl");
    let text = fs::read_to_string(&segment).expect("it can be read");
    let kept: Vec<&str> = text.lines().take(2).collect();
    fs::write(&segment, format!("{}\n", kept.join("\n"))).expect("it can be written");
    let last = format!("{:>20} {}\n", 1, Hash::of(kept[1].as_bytes()));
    let before = fs::read(inner.join("head")).expect("it can be read");
    fs::write(inner.join("head"), last).expect("it can be written");
    assert_eq!(codes(&bench.directory)[1], 1, "the other log names a record that is gone");
    fs::write(inner.join("head"), before).expect("it can be written");
    fs::write(&segment, text).expect("it can be written");
    fs::remove_dir_all(&inner).expect("it goes");
    let reports = verify_all(&bench.directory, &Demands::default());
    assert_eq!(reports.len(), 1);
    assert!(reports[0].to_string().contains(&format!("log {id} is missing")), "{}", reports[0]);
    assert_eq!(reports[0].exit_code(), 1);
}

#[tokio::test]
async fn a_writer_that_is_stuck_gives_no_word() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    assert!(log.answers().await);
    bench.disk.set(Mood::Full);
    assert!(log.submit(entries(1)).await.written().await.is_err());
    assert!(log.answers().await, "it fails, and is at work");
    bench.disk.set(Mood::Works);
    while log.failing() {
        tokio::task::yield_now().await;
    }
    bench.disk.set(Mood::Stuck);
    let waiting = log.submit(entries(1)).await;
    let mut stuck = bench.disk.stuck.subscribe();
    stuck.wait_for(|n| *n > 0).await.expect("the disk lives");
    let asked = tokio::time::timeout(Duration::from_millis(100), log.answers()).await;
    assert!(asked.is_err(), "the disk holds it up");
    bench.disk.set(Mood::Works);
    assert!(log.answers().await && waiting.written().await.is_ok());
    log.close(StopReason::Drained).await.expect("it is closed");
    while log.answers().await {
        tokio::task::yield_now().await;
    }
}

/// Exit statuses, with these keys.
fn with_keys(directory: &Path, keys: &[&PublicKey]) -> Vec<u8> {
    let (first, beside) = keys.split_first().expect("a key");
    let beside = beside.iter().map(|key| (*key).clone()).collect();
    let demands = Demands { key: Some((*first).clone()), beside, ..Demands::default() };
    verify_all(directory, &demands).iter().map(|report| report.exit_code()).collect()
}

#[tokio::test]
async fn the_log_beside_is_signed_with_keys_of_its_own() {
    let bench = Bench::new(OnFailure::Refuse);
    let [main, side] = init(&bench.directory, "mx-a1").expect("keys are made").try_into().expect("two keys");
    assert_eq!(logs(&bench.directory).expect("it can be read").len(), 0, "neither has begun");
    let (first, second) = (bench.beside(), bench.beside());
    let ids = [&first, &second].map(|log| log.head().2.to_string());
    assert_eq!([main.log(), side.log()], [&*ids[0], &*ids[1]]);
    for log in [&first, &second] {
        write(log, 3).await;
        log.close(StopReason::Drained).await.expect("it is closed");
    }
    drop((first, second));
    assert_eq!(with_keys(&bench.directory, &[&main, &side]), [0, 0]);
    assert_eq!(with_keys(&bench.directory, &[&main]), [0, 1], "it announces a key");
    assert_eq!(with_keys(&bench.directory, &[&side, &main]), [1, 1], "the first is of the log of the directory");
    // Both have used theirs: nothing is told again, and nothing made.
    assert!(init(&bench.directory, "mx-a1").is_err());
    // Who writes the one beside anew has not its key.
    let beside = bench.directory.join(side.log());
    for name in ["00000001.notes", "key"] {
        let kept = std::fs::read(beside.join(name)).expect("it is there");
        std::fs::remove_file(beside.join(name)).expect("it is ours");
        let expected = if name == "key" { [0, 0] } else { [0, 1] };
        assert_eq!(with_keys(&bench.directory, &[&main, &side]), expected, "{name}");
        std::fs::write(beside.join(name), kept).expect("it is ours");
    }
}

#[tokio::test]
async fn a_log_that_is_signed_already_gets_a_key_for_the_one_beside() {
    let bench = Bench::new(OnFailure::Refuse);
    let main = init(&bench.directory, "mx-a1").expect("keys are made").remove(0);
    // As versions before this one left it.
    let side = std::fs::read_dir(&bench.directory).expect("it is ours").flatten().find(|entry| entry.path().is_dir());
    std::fs::remove_dir_all(side.expect("a log beside").path()).expect("it is ours");
    let log = bench.beside();
    write(&log, 1).await;
    log.close(StopReason::Drained).await.expect("it is closed");
    drop(log);
    let made = init(&bench.directory, "mx-a1").expect("one is made");
    assert_eq!(made.len(), 1);
    assert_ne!(made[0].log(), main.log());
    assert!(init(&bench.directory, "mx-a1").is_err(), "it was told");
}
