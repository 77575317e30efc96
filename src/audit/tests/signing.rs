//! Keys, and what they sign: over restarts, kills, new segments and purges.

use super::*;
use crate::audit::keys;
use crate::audit::note::{Note, Secret};
use crate::audit::{Demands, PublicKey, Report, init, verify, verify_with};
use crate::session::event::StopReason;

pub(super) fn against(bench: &Bench, key: &PublicKey) -> Report {
    verify_with(&bench.directory, &Demands { key: Some(key.clone()), ..Demands::default() })
}

/// A bench whose log has a key.
pub(super) fn signed() -> (Bench, PublicKey) {
    let mut bench = Bench::new(OnFailure::Refuse);
    bench.tuning.segment = 4 * 1024;
    let key = init(&bench.directory, "mx-a1").expect("keys are made").remove(0);
    (bench, key)
}

/// One process, with so many records.
pub(super) async fn process(bench: &Bench, records: usize) {
    let log = bench.log();
    write(&log, records).await;
    log.close(StopReason::Drained).await.expect("it is closed");
}

async fn write(log: &Log, records: usize) {
    for _ in 0..records {
        log.submit(entries(1)).await.written().await.expect("it is written");
    }
}

fn notes(bench: &Bench, number: u32) -> Vec<Note> {
    keys::notes(&bench.directory, number).expect("they can be read").notes
}

#[tokio::test]
async fn each_segment_has_a_key_of_its_own_and_its_end_is_signed() {
    let (bench, key) = signed();
    for _ in 0..3 {
        process(&bench, 30).await;
    }
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    let records = chained(&bench.directory);
    let last = segment::list(&bench.directory).expect("it can be read").pop().expect("a segment");
    assert!(last > 6, "segments were full");
    assert_eq!(keys::noted(&bench.directory).expect("it can be read"), (1..=last).collect::<Vec<_>>());
    let ids: Vec<_> = (1..=last).map(|number| notes(&bench, number).pop().expect("a note").id.to_string()).collect();
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "one key a segment");
    assert_eq!(ids[0], key.id().to_string());
    let closes = records.windows(2).filter(|pair| pair[1]["type"] == "audit.close");
    assert!(closes.clone().all(|pair| pair[0]["type"] == "audit.key"));
    assert_eq!(closes.count() as u32, last);
    assert!(*bench.told.signed.lock().expect("no panic") >= u64::from(last) + 3);
    assert_eq!(records[0]["log"], key.log());
}

/// The secret part of a key file. Plus signs may be in it, too.
fn seed(text: &str) -> String {
    text.trim_end().splitn(5, '+').nth(4).expect("a seed").to_owned()
}

#[tokio::test]
async fn an_old_secret_is_in_no_file() {
    let (bench, key) = signed();
    let first = fs::read_to_string(bench.directory.join("key")).expect("a key");
    let seed = seed(&first);
    process(&bench, 40).await;
    for entry in fs::read_dir(&bench.directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            continue; // for the log beside
        }
        let bytes = fs::read(&path).expect("it can be read");
        assert!(memchr::memmem::find(&bytes, seed.as_bytes()).is_none(), "{}", path.display());
    }
    let kept = fs::read_to_string(bench.directory.join("key")).expect("a key");
    assert_ne!(Secret::parse(&kept).expect("a key").public(), &key);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(bench.directory.join("key")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_idle_log_is_signed_each_interval() {
    let (mut bench, key) = signed();
    bench.tuning.checkpoint = Duration::from_millis(2);
    let log = bench.log();
    let newest = || log.checkpoint().expect("it has a key");
    let first = newest();
    while newest() == first {
        tokio::task::yield_now().await;
    }
    let note = newest();
    assert!(note.starts_with(&format!("{}\n", key.name())), "{note}");
    log.close(StopReason::Drained).await.expect("it is closed");
    assert!(types(&chained(&bench.directory)).iter().filter(|name| **name == "audit.checkpoint").count() >= 2);
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[tokio::test]
async fn a_log_that_announces_a_key_wants_it() {
    let (bench, key) = signed();
    process(&bench, 3).await;
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("name the first one with --key"), "{report}");
    assert!(report.to_string().contains("result: signed, and not held against its key"), "{report}");
    let other = Secret::new(key.name());
    let report = against(&bench, other.public());
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("does not announce the key"), "{report}");
    let unsigned = Bench::new(OnFailure::Refuse);
    process(&unsigned, 3).await;
    let report = against(&unsigned, &key);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("announces no key"), "{report}");
}

#[tokio::test]
async fn a_key_may_come_later_and_a_later_key_does() {
    let mut bench = Bench::new(OnFailure::Refuse);
    bench.tuning.segment = 4 * 1024;
    process(&bench, 30).await;
    let key = init(&bench.directory, "mx-a1").expect("keys are made").remove(0);
    assert_eq!(init(&bench.directory, "mx-a1").expect("they are told again")[0], key);
    process(&bench, 30).await;
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    let refused = init(&bench.directory, "mx-a1").expect_err("it is used");
    assert!(refused.to_string().contains("announces its keys already"), "{refused}");
    // What was announced later leads on, too.
    let (segment, later) = keys::announced_in(&bench.directory, 4).expect("it can be read").expect("a key");
    let report = against(&bench, &key.named_alike(&later).expect("a key"));
    assert_eq!(report.exit_code(), 0, "{report}");
    assert!(report.to_string().contains(&format!("from segment {segment} on")), "{report}");
}

#[tokio::test]
async fn a_killed_process_leaves_a_log_that_is_signed_on() {
    let (bench, key) = signed();
    for _ in 0..4 {
        let log = bench.log();
        write(&log, 14).await;
        drop(log);
        let report = against(&bench, &key);
        assert_eq!(report.exit_code(), 3, "{report}");
    }
    process(&bench, 3).await;
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 3, "{report}");
    assert!(report.to_string().contains("signed    ok"), "{report}");
}

/// What a kill may leave between any two steps of the way from one key to the next.
#[tokio::test]
async fn wherever_a_process_died_on_the_way_to_the_next_key_the_next_one_goes_on() {
    type Undo = fn(&Bench, &str, &str);
    let steps: [(&str, Undo); 5] = [
        ("nothing was put away", |bench, old, new| {
            fs::write(bench.directory.join("key"), old).expect("written");
            fs::write(bench.directory.join("key.next"), new).expect("written");
            cut_last_note(bench);
        }),
        ("half of the last note was written", |bench, old, new| {
            fs::write(bench.directory.join("key"), old).expect("written");
            fs::write(bench.directory.join("key.next"), new).expect("written");
            let path = keys::notes_path(&bench.directory, 1);
            let text = fs::read(&path).expect("notes");
            fs::write(path, &text[..text.len() - 30]).expect("written");
        }),
        ("the last note was written", |bench, old, new| {
            fs::write(bench.directory.join("key"), old).expect("written");
            fs::write(bench.directory.join("key.next"), new).expect("written");
        }),
        ("the old key was wiped", |bench, old, new| {
            fs::write(bench.directory.join("key"), "\0".repeat(old.len())).expect("written");
            fs::write(bench.directory.join("key.next"), new).expect("written");
        }),
        ("all was done, and the next key begun", |bench, _, new| {
            fs::write(bench.directory.join("key.next"), &new[..20]).expect("written");
        }),
    ];
    for (name, undo) in steps {
        let (mut bench, key) = signed();
        bench.tuning.segment = 1024 * 1024;
        let old = fs::read_to_string(bench.directory.join("key")).expect("a key");
        process(&bench, 3).await;
        let new = fs::read_to_string(bench.directory.join("key")).expect("a key");
        undo(&bench, &old, &new);
        process(&bench, 3).await;
        let report = against(&bench, &key);
        assert_eq!(report.exit_code(), 0, "{name}: {report}");
        let seed = seed(&old);
        for file in ["key", "key.next"] {
            let text = fs::read_to_string(bench.directory.join(file)).unwrap_or_default();
            assert!(!text.contains(&seed), "{name}: {file} has the old key");
        }
    }
}

fn cut_last_note(bench: &Bench) {
    let path = keys::notes_path(&bench.directory, 1);
    let text = fs::read_to_string(&path).expect("notes");
    let kept: Vec<_> = text.split_inclusive('\n').collect();
    fs::write(&path, kept[..kept.len() - 5].concat()).expect("written");
}

/// Killed behind the first lines of a segment, which announce its key, before the old one was put away.
#[tokio::test]
async fn a_key_that_was_announced_by_a_start_that_died_is_taken_up() {
    let (mut bench, key) = signed();
    bench.tuning.segment = 1024 * 1024;
    let log = bench.log();
    write(&log, 2).await;
    drop(log);
    let old = fs::read_to_string(bench.directory.join("key")).expect("a key");
    let log = bench.log();
    drop(log);
    let new = fs::read_to_string(bench.directory.join("key")).expect("a key");
    assert_ne!(old, new);
    // As if the second start had died behind its first two lines.
    let lines = fs::read_to_string(bench.segment(2)).expect("a segment");
    let two: Vec<&str> = lines.split_inclusive('\n').take(2).collect();
    fs::write(bench.segment(2), two.concat()).expect("written");
    fs::remove_file(keys::notes_path(&bench.directory, 2)).expect("notes");
    let file = fs::OpenOptions::new().write(true).open(bench.directory.join("head")).expect("there is a head");
    let line: Value = serde_json::from_str(two[1]).expect("JSON");
    Noted { seq: line["seq"].as_u64().expect("a number"), hash: Hash::of(two[1].trim_end().as_bytes()) }
        .write(&RealDisk, &file)
        .expect("written");
    fs::write(bench.directory.join("key"), &old).expect("written");
    fs::write(bench.directory.join("key.next"), &new).expect("written");
    process(&bench, 2).await;
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 3, "{report}");
    assert!(report.to_string().contains("signed    ok"), "{report}");
}

#[tokio::test]
async fn without_the_key_that_was_announced_there_is_no_start() {
    for (name, change) in [
        ("missing", (|bench| fs::remove_file(bench.directory.join("key")).expect("removed")) as fn(&Bench)),
        ("damaged", |bench| fs::write(bench.directory.join("key"), "PRIVATE+KEY+x").expect("written")),
        ("another", |bench| {
            let log = chained(&bench.directory)[0]["log"].as_str().expect("an id").to_owned();
            let text = Secret::new(&format!("mx-a1/{log}")).text();
            fs::write(bench.directory.join("key"), &*text).expect("written");
        }),
    ] {
        let (bench, _) = signed();
        process(&bench, 3).await;
        change(&bench);
        let error = bench.open().expect_err(name);
        assert!(error.to_string().contains("the key that it announced last"), "{name}: {error}");
        assert!(error.help().contains("bring the file back"), "{name}");
    }
}

#[tokio::test]
async fn keys_lead_over_segments_that_were_purged() {
    let (mut bench, key) = signed();
    process(&bench, 40).await;
    bench.keep = Some(Duration::ZERO);
    let log = bench.log();
    while segment::list(&bench.directory).expect("it can be read").len() > 1 {
        tokio::task::yield_now().await;
    }
    write(&log, 20).await;
    log.close(StopReason::Drained).await.expect("it is closed");
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    assert!(report.to_string().contains("signed    ok"), "{report}");
    let kept = bench.directory.join("keys.jsonl");
    let text = fs::read_to_string(&kept).expect("it is there");
    fs::write(&kept, text.split_inclusive('\n').skip(1).collect::<String>()).expect("written");
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 1, "{report}");
}

#[tokio::test]
async fn a_segment_that_somebody_ended_is_signed_as_any_other() {
    let (bench, key) = signed();
    let log = bench.log();
    for _ in 0..3 {
        write(&log, 2).await;
        log.rotate().await.expect("it works");
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(keys::noted(&bench.directory).expect("it can be read"), [1, 2, 3, 4]);
}
