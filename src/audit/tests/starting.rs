//! What a start finds, takes up, sets aside or refuses.

use super::*;
use crate::session::event::StopReason;

/// A log of some records that nobody closed, as a killed process leaves it.
async fn killed(bench: &Bench) -> u64 {
    let log = bench.log();
    log.submit(entries(3)).await.written().await.expect("it is written")
}

fn append(path: &Path, bytes: &[u8]) {
    let mut all = fs::read(path).expect("it can be read");
    all.extend_from_slice(bytes);
    fs::write(path, all).expect("it can be written");
}

#[tokio::test]
async fn a_start_takes_up_the_chain() {
    let bench = Bench::new(OnFailure::Refuse);
    for _ in 0..3 {
        killed(&bench).await;
    }
    let log = bench.log();
    log.close(StopReason::Drained).await.expect("it is closed");
    drop(log);
    killed(&bench).await;
    let records = chained(&bench.directory);
    assert_eq!(records.len(), 3 * 4 + 3 + 4);
    let opens: Vec<_> = records.iter().filter(|record| record["type"] == "audit.open").collect();
    let reasons: Vec<_> = opens.iter().map(|open| open["data"]["reason"].as_str().expect("a reason")).collect();
    assert_eq!(reasons, ["first", "start", "start", "start", "start"]);
    assert!(records.iter().all(|record| record["log"] == records[0]["log"]));
}

#[tokio::test]
async fn an_unfinished_line_is_set_aside_and_said() {
    let bench = Bench::new(OnFailure::Refuse);
    killed(&bench).await;
    append(&bench.segment(1), b"{\"v\":1,\"seq\":4,\"prev");
    killed(&bench).await;
    let records = chained(&bench.directory);
    assert_eq!(records[4]["type"], "audit.open");
    assert_eq!(records[4]["data"]["torn"], 20);
    let kept = fs::read(bench.directory.join("00000001.torn")).expect("it was kept");
    assert_eq!(kept, b"{\"v\":1,\"seq\":4,\"prev");
}

#[tokio::test]
async fn garbage_of_a_power_cut_behind_head_is_set_aside_too() {
    let bench = Bench::new(OnFailure::Refuse);
    killed(&bench).await;
    append(&bench.segment(1), b"\0\0\0\0\n{\"v\":1}\n");
    drop(bench.log());
    assert_eq!(chained(&bench.directory)[4]["data"]["torn"], 13);
}

#[tokio::test]
async fn a_log_that_died_in_its_first_line_begins_anew() {
    for (name, bytes) in [("empty", &b""[..]), ("torn", b"{\"v\":1,\"se")] {
        let bench = Bench::new(OnFailure::Refuse);
        fs::create_dir_all(&bench.directory).expect("it can be made");
        fs::write(bench.segment(1), bytes).expect("it can be written");
        drop(bench.log());
        let records = chained(&bench.directory);
        assert_eq!(records[0]["data"]["reason"], "first", "{name}");
        assert_eq!(records[0]["data"]["segment"], 1, "{name}");
    }
}

#[tokio::test]
async fn a_segment_that_died_in_its_first_line_is_taken_again() {
    let bench = Bench::new(OnFailure::Refuse);
    killed(&bench).await;
    for bytes in [&b""[..], b"{\"v\":1"] {
        let next = segment::list(&bench.directory).expect("it can be read").len() as u32 + 1;
        fs::write(bench.segment(next), bytes).expect("it can be written");
        drop(bench.log());
        let records = chained(&bench.directory);
        assert_eq!(records.last().expect("a record")["data"]["segment"], next);
    }
}

#[tokio::test]
async fn what_no_crash_explains_keeps_the_proxy_from_starting() {
    type Tamper = fn(&Bench);
    let cases: [(&str, Tamper, &str); 9] = [
        ("a line cut", |bench| cut(&bench.segment(3), 1), "`head` names record 11"),
        ("a line's end cut", |bench| cut_bytes(&bench.segment(3), 1), "record 11 in segment 3"),
        ("a line edited", |bench| edit(&bench.segment(3), 1), "record 10 in segment 3"),
        ("the last line edited", |bench| edit(&bench.segment(3), 3), "record 11 is not the one that `head` names"),
        ("the last segment missing", |bench| fs::remove_file(bench.segment(3)).expect("is"), "`head` names record 11"),
        ("a segment missing", |bench| fs::remove_file(bench.segment(2)).expect("is"), "segment 2 is missing"),
        ("no segment", |bench| (1..4).for_each(|n| fs::remove_file(bench.segment(n)).expect("is")), "none is left"),
        ("no head", |bench| fs::remove_file(bench.directory.join("head")).expect("is"), "`head` is missing"),
        ("a sealed segment cut", |bench| cut(&bench.segment(1), 1), "does not follow"),
    ];
    for (name, tamper, expected) in cases {
        let bench = Bench::new(OnFailure::Refuse);
        for _ in 0..3 {
            killed(&bench).await;
        }
        wait_for_head(&bench, 11).await;
        tamper(&bench);
        let error = bench.open().expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(error.help().contains("keep this directory as evidence"), "{name}: {}", error.help());
    }
}

/// Ends a log in order, so that `head` names its last record.
async fn wait_for_head(bench: &Bench, seq: u64) {
    let newest = chained(&bench.directory).len() as u64 - 1;
    assert_eq!(newest, seq);
    let text = fs::read(bench.segment(3)).expect("it can be read");
    let last = text.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line");
    let file = fs::OpenOptions::new().write(true).open(bench.directory.join("head")).expect("there is a head");
    Noted { seq, hash: Hash::of(last) }.write(&RealDisk, &file).expect("it can be written");
}

fn cut(path: &Path, lines: usize) {
    let text = fs::read_to_string(path).expect("it can be read");
    let kept: Vec<_> = text.split_inclusive('\n').collect();
    fs::write(path, kept[..kept.len() - lines].concat()).expect("it can be written");
}

fn cut_bytes(path: &Path, bytes: usize) {
    let text = fs::read(path).expect("it can be read");
    fs::write(path, &text[..text.len() - bytes]).expect("it can be written");
}

fn edit(path: &Path, line: usize) {
    let text = fs::read_to_string(path).expect("it can be read");
    let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
    lines[line] = lines[line].replace("down", "DOWN");
    fs::write(path, lines.concat()).expect("it can be written");
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_not_touched() {
    let bench = Bench::new(OnFailure::Refuse);
    killed(&bench).await;
    append(&bench.segment(1), b"{\"v\":2,\"number\":4}\n");
    let before = fs::read(bench.segment(1)).expect("it can be read");
    let error = bench.open().expect_err("it is newer");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(fs::read(bench.segment(1)).expect("it can be read"), before);
}

#[tokio::test]
async fn only_one_process_writes() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let error = bench.open().expect_err("it is locked");
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(error.help().contains("directory of its own"), "{}", error.help());
    drop(log);
    drop(bench.log());
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_said_with_what_to_do() {
    let temp = tempfile::tempdir().expect("a directory");
    let file = temp.path().join("file");
    fs::write(&file, "").expect("it can be written");
    for (name, directory) in
        [("a file", file.clone()), ("below a file", file.join("audit")), ("no file system", "/proc/audit".into())]
    {
        let bench = Bench { directory, ..Bench::new(OnFailure::Refuse) };
        let error = bench.open().expect_err(name);
        assert!(error.to_string().contains("directory cannot be created"), "{name}: {error}");
        assert!(error.help().contains("`[audit] directory`"), "{name}: {}", error.help());
        assert_eq!(error.problem().file.as_deref(), Some(&*bench.directory), "{name}");
    }
}

#[tokio::test]
async fn without_room_there_is_no_start() {
    let bench = Bench { min_free: 1 << 30, ..Bench::new(OnFailure::Refuse) };
    bench.disk.set_free((1 << 30) - 1);
    let error = bench.open().expect_err("there is no room");
    assert_eq!(error.to_string(), "only 1023 MiB are free on the audit log's disk, 1024 MiB are needed");
    assert!(error.help().contains("`[audit] min_free`"), "{}", error.help());
    bench.disk.set_free(1 << 30);
    drop(bench.log());
}
