//! Sealed segments become smaller, and nobody who reads them notices.

use std::sync::Mutex;

use super::signing::{against, process, signed};
use super::*;
use crate::audit::{Seen, newest, pack, verify, verify_and_see};
use crate::session::event::StopReason;

fn packed(bench: &Bench, number: u32) -> PathBuf {
    bench.directory.join(format!("{number:08}.jsonl.zst"))
}

fn pack_now(bench: &Bench, number: u32) {
    let directory = segment::Directory::open(&bench.directory).expect("nobody writes");
    pack::pack(&directory, number, &Mutex::new(())).expect("it can be compressed");
}

/// All lines, as readers are shown them.
fn seen(bench: &Bench) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let report = verify_and_see(&bench.directory, None, &mut |Seen { bytes, .. }| lines.push(bytes.to_vec()));
    assert_eq!(report.exit_code(), 0, "{report}");
    lines
}

#[tokio::test]
async fn what_is_sealed_is_compressed_and_reads_the_same() {
    let (mut bench, key) = signed();
    process(&bench, 40).await;
    let before = seen(&bench);
    bench.tuning.pack = Duration::from_millis(1);
    let last = segment::list(&bench.directory).expect("it can be read").pop().expect("a segment");
    let log = bench.log();
    while (1..last).any(|number| bench.segment(number).exists()) {
        tokio::task::yield_now().await;
    }
    log.submit(entries(1)).await.written().await.expect("it is written");
    log.close(StopReason::Drained).await.expect("it is closed");
    assert!(bench.segment(last).exists() && (1..last).all(|number| packed(&bench, number).exists()));
    assert!(bench.segment(last + 1).exists(), "the open one, and the one before it");
    let after = seen(&bench);
    assert_eq!(before, after[..before.len()]);
    let newest = newest(&bench.directory, 1 << 20).expect("it can be read");
    assert_eq!(newest, after.iter().rev().cloned().collect::<Vec<_>>());
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    drop(log);
    process(&bench, 2).await;
    assert_eq!(against(&bench, &key).exit_code(), 0, "a start takes up a mix");
}

/// What a kill leaves between two steps.
#[tokio::test]
async fn wherever_a_process_died_while_it_compressed_the_log_is_whole() {
    type Undo = fn(&Bench, &[u8]);
    let steps: [(&str, Undo); 3] = [
        ("half is written", |bench, plain| {
            let all = fs::read(packed(bench, 2)).expect("it is there");
            fs::remove_file(packed(bench, 2)).expect("removed");
            fs::write(bench.directory.join("00000002.jsonl.zst.new"), &all[..all.len() / 2]).expect("written");
            fs::write(bench.segment(2), plain).expect("written");
        }),
        ("all is written", |bench, plain| {
            fs::rename(packed(bench, 2), bench.directory.join("00000002.jsonl.zst.new")).expect("renamed");
            fs::write(bench.segment(2), plain).expect("written");
        }),
        ("both are there", |bench, plain| fs::write(bench.segment(2), plain).expect("written")),
    ];
    for (name, undo) in steps {
        let (mut bench, key) = signed();
        process(&bench, 40).await;
        let plain = fs::read(bench.segment(2)).expect("it is there");
        pack_now(&bench, 2);
        assert!(!bench.segment(2).exists());
        undo(&bench, &plain);
        assert_eq!(against(&bench, &key).exit_code(), 0, "{name}");
        bench.tuning.pack = Duration::from_millis(1);
        let log = bench.log();
        while bench.segment(2).exists() {
            tokio::task::yield_now().await;
        }
        log.close(StopReason::Drained).await.expect("it is closed");
        assert!(packed(&bench, 2).exists() && !bench.directory.join("00000002.jsonl.zst.new").exists(), "{name}");
        let report = against(&bench, &key);
        assert_eq!(report.exit_code(), 0, "{name}: {report}");
    }
}

/// A start reads the ends of all segments: it must not unpack them for that, nor trust what is noted there.
#[tokio::test]
async fn the_end_of_a_segment_is_noted_behind_it() {
    let bench = Bench {
        tuning: Tuning { segment: 4 * 1024, ..Bench::new(OnFailure::Refuse).tuning },
        ..Bench::new(OnFailure::Refuse)
    };
    process(&bench, 40).await;
    let last = segment::last_line(&bench.directory, 2, 64 * 1024).expect("it can be read").expect("a line");
    let seq = Line::parse(&last).expect("a record").seq;
    assert_eq!(pack::noted(&bench.directory, 2).expect("it can be read"), None, "it is plain");
    pack_now(&bench, 2);
    let noted = pack::noted(&bench.directory, 2).expect("it can be read");
    assert_eq!(noted, Some(Noted { seq, hash: Hash::of(&last) }));
    assert_eq!(segment::last_line(&bench.directory, 2, 64 * 1024).expect("it can be read"), Some(last));
    // Compressed by somebody else: nothing is noted, and all is read.
    let plain = zstd::decode_all(fs::File::open(packed(&bench, 2)).expect("it is there")).expect("it can be unpacked");
    fs::write(packed(&bench, 2), zstd::encode_all(&*plain, 3).expect("packed")).expect("written");
    assert_eq!(pack::noted(&bench.directory, 2).expect("it can be read"), None);
    assert_eq!(verify(&bench.directory, None).exit_code(), 0);
    process(&bench, 1).await;
    // One that says another end: the proxy does not start.
    let directory = segment::Directory::open(&bench.directory).expect("nobody writes");
    fs::write(bench.segment(2), &plain).expect("written");
    pack::pack(&directory, 2, &Mutex::new(())).expect("compressed");
    drop(directory);
    let mut bytes = fs::read(packed(&bench, 2)).expect("it is there");
    let at = bytes.len() - 10;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    fs::write(packed(&bench, 2), bytes).expect("written");
    let error = bench.open().expect_err("it does not hang together");
    assert!(error.to_string().contains("does not follow"), "{error}");
}

#[tokio::test]
async fn what_is_older_goes_compressed_or_not() {
    let mut bench = Bench::new(OnFailure::Refuse);
    bench.tuning.segment = 4 * 1024;
    process(&bench, 40).await;
    pack_now(&bench, 1);
    pack_now(&bench, 3);
    fs::write(bench.directory.join("00000002.jsonl.zst.new"), "half").expect("written");
    bench.keep = Some(Duration::ZERO);
    bench.tuning.pack = Duration::from_millis(1);
    let log = bench.log();
    while segment::list(&bench.directory).expect("it can be read").len() > 1 {
        tokio::task::yield_now().await;
    }
    log.close(StopReason::Drained).await.expect("it is closed");
    let left: Vec<_> = fs::read_dir(&bench.directory)
        .expect("it can be read")
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.contains(".jsonl"))
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let report = verify(&bench.directory, None);
    assert_eq!(report.exit_code(), 0, "{report}");
}
