//! What `verify` finds, and where.

use super::*;
use crate::audit::{Report, verify};
use crate::session::event::{Stage, StopReason};

/// A log of three segments, closed, with a gap in the second: records 0 to 23.
async fn whole() -> Bench {
    let mut bench = Bench::new(OnFailure::Continue);
    bench.tuning.retry = Duration::from_millis(1);
    let log = bench.log();
    log.submit(entries(6)).await.written().await.expect("it is written");
    bench.disk.set(Mood::Full);
    log.submit(entries(3)).await.written().await.expect("it is counted");
    bench.disk.set(Mood::Works);
    while bench.told.failing.lock().expect("no panic").len() < 2 {
        tokio::task::yield_now().await;
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    drop(log);
    let log = bench.log();
    log.submit(entries(6)).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    let names = ["audit.open"; 1].into_iter().chain(["upstream.state"; 6]);
    let names = names.chain(["audit.gap", "audit.close", "audit.open", "proxy.stop", "audit.close", "audit.open"]);
    let names = names.chain(["upstream.state"; 6]).chain(["proxy.stop", "audit.close"]);
    assert_eq!(types(&chained(&bench.directory)), names.collect::<Vec<_>>());
    bench
}

/// The files of a log, to be put back after each attempt on them.
struct Copy {
    directory: TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
    head: Noted,
}

impl Copy {
    fn of(bench: &Bench) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let names = ["00000001.jsonl", "00000002.jsonl", "00000003.jsonl", "head"];
        let files = names
            .map(|name| (directory.path().join(name), fs::read(bench.directory.join(name)).expect("it can be read")));
        let copy = Self { directory, files: files.into(), head: head(&bench.directory) };
        copy.put_back();
        copy
    }

    fn put_back(&self) {
        for (path, bytes) in &self.files {
            fs::write(path, bytes).expect("it can be written");
        }
    }

    fn verify(&self) -> Report {
        verify(self.directory.path(), None)
    }

    /// The lines of a segment, with their `\n`.
    fn lines(&self, segment: usize) -> Vec<Vec<u8>> {
        self.files[segment - 1].1.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn write(&self, segment: usize, lines: &[Vec<u8>]) {
        fs::write(&self.files[segment - 1].0, lines.concat()).expect("it can be written");
    }
}

fn seq_of(line: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(line).expect("JSON")["seq"].as_u64().expect("a number")
}

fn first_finding(report: &Report) -> Option<u64> {
    report.findings().first().and_then(|finding| finding.seq)
}

#[tokio::test]
async fn a_whole_log_is_said_to_be_whole() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    log.submit(entries(3)).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    let (seq, hash, id) = log.head();
    drop(log);
    let report = verify(&bench.directory, Some(Noted { seq, hash }));
    assert_eq!(report.exit_code(), 0, "{report}");
    let text = report.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("log {id}  node mx-a1  segments 1-1  records 0-5"));
    assert_eq!(lines[1], "  chain     ok      6 records");
    assert!(lines[2].starts_with("  head      ok      5 as noted 0."), "{text}");
    assert_eq!(lines[3], "  expect    ok      5 as given");
    assert_eq!(lines[5], format!("{:<76}exit 0", "result: intact, complete"));
}

#[tokio::test]
async fn a_gap_is_named_and_makes_it_incomplete() {
    let report = Copy::of(&whole().await).verify();
    assert_eq!(report.exit_code(), 3, "{report}");
    let text = report.to_string();
    assert!(text.contains("  chain     ok      21 records; 3 numbers missing, all named by a gap\n"), "{text}");
    assert!(text.contains("  gap       1       7-9 (3 upstream.state) disk_full 20"), "{text}");
}

#[tokio::test]
async fn every_line_edited_deleted_doubled_or_swapped_is_found() {
    let copy = Copy::of(&whole().await);
    for segment in 1..=3 {
        let lines = copy.lines(segment);
        for at in 0..lines.len() {
            let seq = seq_of(&lines[at]);
            let check = |name: &str, expected: u64, lines: &[Vec<u8>]| {
                copy.put_back();
                copy.write(segment, lines);
                let report = copy.verify();
                assert_eq!((first_finding(&report), report.exit_code()), (Some(expected), 1), "{name} {seq}: {report}");
            };
            let mut edited = lines.clone();
            let node = String::from_utf8(lines[at].clone()).expect("UTF-8").replace("mx-a1", "mx-b2");
            edited[at] = node.into_bytes();
            check("edited", seq, &edited);

            // The numbers that a deleted gap names are missing, too.
            let first = if seq == 10 { 7 } else { seq };
            let mut deleted = lines.clone();
            deleted.remove(at);
            check("deleted", first, &deleted);

            let mut doubled = lines.clone();
            doubled.insert(at, lines[at].clone());
            check("doubled", seq, &doubled);

            if at > 0 {
                let mut swapped = lines.clone();
                swapped.swap(at - 1, at);
                check("swapped", if seq_of(&lines[at - 1]) == 10 { 7 } else { seq_of(&lines[at - 1]) }, &swapped);

                let mut foreign = lines.clone();
                foreign.insert(at, b"{\"v\":1}\n".to_vec());
                check("rubbish before", if seq == 10 { 7 } else { seq }, &foreign);
            }
        }
    }
}

#[tokio::test]
async fn a_line_forged_with_a_right_chain_breaks_it_for_the_next() {
    let copy = Copy::of(&whole().await);
    let mut lines = copy.lines(3);
    let (at, seq) = (3, seq_of(&lines[3]));
    let before = Hash::of(lines[at - 1].strip_suffix(b"\n").expect("a line"));
    let text = String::from_utf8(lines[at].clone()).expect("UTF-8").replace("dovecot", "evil");
    assert!(text.contains(&before.to_string()));
    lines.insert(at, text.into_bytes());
    copy.write(3, &lines);
    let report = copy.verify();
    assert_eq!((first_finding(&report), report.exit_code()), (Some(seq), 1), "{report}");
}

#[tokio::test]
async fn what_is_cut_is_found_by_head() {
    let copy = Copy::of(&whole().await);
    let lines = copy.lines(3);
    for keep in 0..lines.len() {
        copy.write(3, &lines[..keep]);
        let report = copy.verify();
        assert_eq!((first_finding(&report), report.exit_code()), (Some(seq_of(&lines[keep])), 1), "{report}");
        let text = report.to_string();
        assert!(text.contains("cut off: `head` names") && text.contains("head      broken"), "{text}");
    }
    for (segment, first) in [(1, 0), (2, 12), (3, 15)] {
        copy.put_back();
        fs::remove_file(&copy.files[segment - 1].0).expect("it is there");
        let report = copy.verify();
        let found = report.findings().iter().find_map(|finding| finding.seq);
        assert_eq!((found, report.exit_code()), (Some(first), 1), "{report}");
        assert!(segment == 3 || report.to_string().contains(&format!("segment {segment} is missing")), "{report}");
    }
}

#[tokio::test]
async fn head_and_what_was_noted_elsewhere() {
    let copy = Copy::of(&whole().await);
    let head = &copy.files[3];
    for damage in [&b""[..], b"x\n", &head.1[..20]] {
        fs::write(&head.0, damage).expect("it can be written");
        assert_eq!(copy.verify().exit_code(), 1);
    }
    fs::remove_file(&head.0).expect("it is there");
    let report = copy.verify();
    assert_eq!(report.exit_code(), 1);
    assert!(report.to_string().contains("head      missing"), "{report}");

    copy.put_back();
    let right = copy.head;
    for (name, noted, code) in [
        ("the head", right, 3),
        ("another hash", Noted { hash: Hash::ZERO, ..right }, 1),
        ("another number", Noted { seq: right.seq - 1, ..right }, 1),
        ("one that was cut", Noted { seq: right.seq + 1, ..right }, 1),
    ] {
        assert_eq!(verify(copy.directory.path(), Some(noted)).exit_code(), code, "{name}");
    }
}

/// A small generator: the same bits in every run.
struct Bits(u64);

impl Bits {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[tokio::test]
async fn a_thousand_flipped_bits_are_found_where_they_are() {
    let copy = Copy::of(&whole().await);
    let mut bits = Bits(4711);
    for _ in 0..1000 {
        let segment = 1 + bits.below(3);
        let mut bytes = copy.files[segment - 1].1.clone();
        let (at, bit) = (bits.below(bytes.len()), bits.below(8));
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let seq = seq_of(&copy.lines(segment)[line]);
        bytes[at] ^= 1 << bit;
        copy.put_back();
        fs::write(&copy.files[segment - 1].0, &bytes).expect("it can be written");
        let report = copy.verify();
        let found = (first_finding(&report), report.exit_code());
        let expected = if seq == 10 && found.0 == Some(7) { 7 } else { seq };
        assert_eq!(found, (Some(expected), 1), "segment {segment}, octet {at}, bit {bit}, record {seq}: {report}");
    }
    for at in (0..copy.files[3].1.len() * 8).step_by(7) {
        let mut bytes = copy.files[3].1.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        fs::write(&copy.files[3].0, &bytes).expect("it can be written");
        copy.write(1, &copy.lines(1));
        assert_eq!(copy.verify().exit_code(), 1, "bit {at} of head");
    }
}

#[tokio::test]
async fn a_crash_leaves_it_intact_but_incomplete() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let mut intent = entry();
    intent.event.stage = Some(Stage::Intent);
    let seq = log.submit(vec![intent]).await.written().await.expect("it is written");
    let live = verify(&bench.directory, None);
    assert_eq!(live.exit_code(), 0, "what is under way is no fault: {live}");
    drop(log);
    let crashed = verify(&bench.directory, None);
    assert_eq!(crashed.exit_code(), 3, "{crashed}");
    assert!(crashed.to_string().contains("  intent    1       without done, taken as done in full: 1\n"), "{crashed}");
    assert!(crashed.to_string().contains("without audit.close, nobody writes to it: segment 1"), "{crashed}");

    let mut bytes = fs::read(bench.segment(1)).expect("it can be read");
    bytes.extend_from_slice(b"{\"v\":1");
    fs::write(bench.segment(1), &bytes).expect("it can be written");
    let torn = verify(&bench.directory, None);
    assert_eq!(torn.exit_code(), 3, "{torn}");
    assert!(torn.to_string().contains("  torn      1       6 octets of a line at the end"), "{torn}");

    let log = bench.log();
    let mut done = entry();
    (done.event.stage, done.intent) = (Some(Stage::Done), Some(seq));
    log.submit(vec![done]).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    let taken_up = verify(&bench.directory, None);
    assert_eq!(taken_up.exit_code(), 3, "{taken_up}");
    assert!(taken_up.to_string().contains("  torn      1       6 octets before segment 2, set aside"), "{taken_up}");
}

#[tokio::test]
async fn an_intent_with_its_done_is_complete() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let kind = || EventKind::MessageExpunge { how: crate::session::event::ExpungeHow::Expunge, uids: None, n: None };
    for _ in 0..3 {
        let mut intent = Event::of_proxy(kind());
        intent.stage = Some(Stage::Intent);
        let intent = vec![Entry { event: Box::new(intent), intent: None }];
        let seq = log.submit(intent).await.written().await.expect("it is written");
        let mut done = Event::of_proxy(kind());
        done.stage = Some(Stage::Done);
        let done = vec![Entry { event: Box::new(done), intent: Some(seq) }];
        log.submit(done).await.written().await.expect("it is written");
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[tokio::test]
async fn what_is_no_log_of_this_version_is_not_called_altered() {
    let copy = Copy::of(&whole().await);
    let mut lines = copy.lines(3);
    let last = lines.len() - 1;
    lines[last] = String::from_utf8(lines[last].clone()).expect("UTF-8").replace("{\"v\":1,", "{\"v\":2,").into_bytes();
    copy.write(3, &lines);
    assert_eq!(copy.verify().exit_code(), 1, "`head` names what was version 1");
    let hash = Hash::of(lines[last].strip_suffix(b"\n").expect("a line"));
    fs::write(&copy.files[3].0, format!("{:>20} {hash}\n", copy.head.seq)).expect("it can be written");
    let newer = copy.verify();
    assert_eq!(newer.exit_code(), 2, "{newer}");
    assert!(newer.to_string().contains("00000003.jsonl:9: a record of version 2"), "{newer}");

    let temp = tempfile::tempdir().expect("a directory");
    let none = verify(temp.path(), None);
    assert_eq!(none.exit_code(), 2);
    assert!(none.to_string().contains("there is no audit log in"), "{none}");
    fs::write(temp.path().join("00000001.jsonl"), b"\x7fELF\x01\x02\n\xff\xfe\n").expect("it can be written");
    let rubbish = verify(temp.path(), None);
    assert_eq!(rubbish.exit_code(), 2);
    assert!(rubbish.to_string().contains("00000001.jsonl:1: not a record"), "{rubbish}");
    assert_eq!(verify(&temp.path().join("nowhere"), None).exit_code(), 2);
}
