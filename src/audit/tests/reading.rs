//! What readers get: plain and compressed segments, what is no record, and a log that grows.

use std::ops::ControlFlow;

use super::*;
use crate::audit::{Item, Reader, verify, verify_and_see};
use crate::session::event::StopReason;

/// A log of three segments, closed.
async fn three_segments() -> Bench {
    let bench = Bench::new(OnFailure::Refuse);
    for _ in 0..3 {
        let log = bench.log();
        log.submit(entries(40)).await.written().await.expect("it is written");
        log.close(StopReason::Drained).await.expect("it is closed");
    }
    bench
}

/// As `zstd --rm` does it.
fn compress(bench: &Bench, number: u32) {
    let plain = bench.segment(number);
    let packed = zstd::encode_all(&*fs::read(&plain).expect("it is there"), 3).expect("memory can be compressed");
    fs::write(plain.with_extension("jsonl.zst"), packed).expect("it can be written");
    fs::remove_file(plain).expect("it is there");
}

/// Numbers of the records, and what is no record.
fn shown(reader: &mut Reader) -> (Vec<u64>, Vec<String>) {
    let (mut numbers, mut troubles) = (Vec::new(), Vec::new());
    let flow = reader.advance(&mut |item| {
        match item {
            Item::Record(seen) => numbers.push(seen.line.seq),
            Item::Trouble(what) => troubles.push(what),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(flow.expect("the directory can be read"), ControlFlow::Continue(()));
    (numbers, troubles)
}

fn read(bench: &Bench) -> (Vec<u64>, Vec<String>) {
    shown(&mut Reader::new(&bench.directory, None))
}

#[tokio::test]
async fn compressed_segments_are_read_verified_and_taken_up() {
    let bench = three_segments().await;
    let (all, none) = read(&bench);
    assert_eq!((all.len(), none), (3 * 43, vec![]));
    compress(&bench, 1);
    compress(&bench, 2);
    assert_eq!(read(&bench), (all.clone(), vec![]));
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 0, "{report}");
    let mut seen = Vec::new();
    let report = verify_and_see(&bench.directory, None, &mut |record| seen.push(record.line.seq));
    assert_eq!((report.exit_code(), seen), (0, all));

    // The next start follows the chain through them, also where the last one is compressed.
    compress(&bench, 3);
    let log = bench.log();
    log.close(StopReason::Drained).await.expect("it is closed");
    drop(log);
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[tokio::test]
async fn what_was_altered_in_a_compressed_segment_is_found() {
    let bench = three_segments().await;
    let text = fs::read_to_string(bench.segment(2)).expect("UTF-8");
    fs::write(bench.segment(2), text.replacen("dovecot", "evil", 1)).expect("it can be written");
    compress(&bench, 2);
    let report = verify(&bench.directory, None);
    assert_eq!((report.exit_code(), report.findings()[0].seq), (1, Some(44)), "{report}");
    assert!(report.to_string().contains("(00000002.jsonl.zst:2)"), "{report}");
    assert!(bench.open().is_ok(), "what a start checks is the chain of its own segment, and the links");
}

#[tokio::test]
async fn a_compressed_segment_that_is_cut_is_no_silent_end() {
    let bench = three_segments().await;
    compress(&bench, 2);
    let path = bench.segment(2).with_extension("jsonl.zst");
    let bytes = fs::read(&path).expect("it is there");
    for (name, damaged) in [("cut", &bytes[..bytes.len() / 2]), ("rubbish", b"rubbish"), ("empty", b"")] {
        fs::write(&path, damaged).expect("it can be written");
        let report = verify(&bench.directory, None);
        assert_eq!(report.exit_code(), 1, "{name}: {report}");
        let (numbers, troubles) = read(&bench);
        let (first, third) = ((0..43).collect::<Vec<_>>(), (86..129).collect::<Vec<_>>());
        assert!(numbers.starts_with(&first) && numbers.ends_with(&third), "{name}: {numbers:?}");
        assert_eq!(troubles.len(), 1, "{name}: {troubles:?}");
        assert!(bench.open().is_err(), "{name}: the next segment does not follow");
    }
}

#[tokio::test]
async fn what_is_no_record_is_said_with_file_and_line() {
    let bench = three_segments().await;
    let bytes = fs::read(bench.segment(2)).expect("it is there");
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let newer = String::from_utf8_lossy(lines[3]).replace("{\"v\":1,", "{\"v\":2,").into_bytes();
    let long = [vec![b'x'; 300_000], vec![b'\n']].concat();
    for (name, line, said) in [
        ("newer", &*newer, "00000002.jsonl:4: a record of version 2, this imapwarden reads version 1"),
        ("rubbish", b"\xff\xfe\x00\n", "00000002.jsonl:4: not a record of an audit log"),
        ("other JSON", b"{\"a\":[]}\n", "00000002.jsonl:4: not a record of an audit log"),
        ("endless", &*long, "00000002.jsonl:4: longer than any record"),
    ] {
        let with = [lines[..3].concat(), line.to_vec(), lines[4..].concat()].concat();
        fs::write(bench.segment(2), with).expect("it can be written");
        let (numbers, troubles) = read(&bench);
        assert_eq!((numbers.len(), troubles), (3 * 43 - 1, vec![said.to_owned()]), "{name}");
    }
    fs::write(bench.segment(2), lines[..4].concat().split_last().expect("bytes").1).expect("it can be written");
    let (_, troubles) = read(&bench);
    assert_eq!(troubles, [format!("00000002.jsonl:4: {} octets of a line that never ended", lines[3].len() - 1)]);
    fs::remove_file(bench.segment(2)).expect("it is there");
    assert_eq!(read(&bench).1, ["segment 2 is missing"]);
    fs::remove_file(bench.segment(1)).expect("it is there");
    assert_eq!(read(&bench).1, Vec::<String>::new(), "a purge begins at the first one");
}

#[tokio::test]
async fn a_reader_follows_a_log_that_grows_over_its_segments() {
    let bench = Bench::new(OnFailure::Refuse);
    let log = bench.log();
    let mut reader = Reader::new(&bench.directory, None);
    assert_eq!(shown(&mut reader).0, [0]);
    let mut due = 1;
    for n in [1, 2, 400, 3] {
        log.submit(entries(n)).await.written().await.expect("it is written");
        let (numbers, troubles) = shown(&mut reader);
        assert_eq!((numbers.first(), troubles), (Some(&due), vec![]));
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        due = numbers.last().expect("some") + 1;
    }
    assert!(segment::list(&bench.directory).expect("it can be read").len() > 1, "it rotated");
    log.close(StopReason::Drained).await.expect("it is closed");
    assert_eq!(shown(&mut reader).0, [due, due + 1]);
    assert!(reader.rest().is_none());
}
