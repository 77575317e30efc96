//! The attacks of the manual, each found where it says so; and those that it says are not.

use super::signing::{against, process, signed};
use super::*;
use crate::audit::keys;
use crate::audit::note::{Note, Secret};
use crate::audit::{Demands, PublicKey, verify, verify_with};

/// Three processes over several segments each, and one that left the last segment open.
async fn a_log() -> (Bench, PublicKey, u32) {
    let (bench, key) = signed();
    for _ in 0..3 {
        process(&bench, 20).await;
    }
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "{report}");
    let last = segment::list(&bench.directory).expect("it can be read").pop().expect("a segment");
    (bench, key, last)
}

fn copy(bench: &Bench) -> Bench {
    let other = Bench::new(OnFailure::Refuse);
    fs::create_dir_all(&other.directory).expect("it can be made");
    for entry in fs::read_dir(&bench.directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            continue; // for the log beside
        }
        fs::copy(&path, other.directory.join(path.file_name().expect("a name"))).expect("it can be copied");
    }
    other
}

/// Changes the lines of a file.
fn lines(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs::read_to_string(path).expect("it can be read");
    let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.concat()).expect("it can be written");
}

/// What somebody does who knows how lines hang together: links all of them anew, and forges `head`.
fn chain_anew(bench: &Bench) {
    let mut position = Position::START;
    for number in segment::list(&bench.directory).expect("it can be read") {
        lines(&bench.segment(number), |lines| {
            for line in lines {
                let mut record: Value = serde_json::from_str(line).expect("JSON");
                let (prev, seq) = (record["prev"].to_string(), record["seq"].to_string());
                let linked = line.replacen(&prev, &format!("\"{}\"", position.prev), 1);
                let linked = linked.replacen(&format!("\"seq\":{seq}"), &format!("\"seq\":{}", position.next_seq), 1);
                record["seq"] = position.next_seq.into();
                position = position.after(linked.trim_end().as_bytes());
                *line = linked;
            }
        });
    }
    let file = fs::OpenOptions::new().write(true).open(bench.directory.join("head")).expect("there is a head");
    let newest = Noted { seq: position.next_seq - 1, hash: position.prev };
    newest.write(&RealDisk, &file).expect("it can be written");
}

#[tokio::test]
async fn what_is_done_to_lines_is_found_by_the_chain() {
    let (whole, key, last) = a_log().await;
    type Attack = fn(&mut Vec<String>);
    let attacks: [(&str, Attack); 6] = [
        ("altered", |lines| lines[3] = lines[3].replace("down", "up")),
        ("dropped", |lines| drop(lines.remove(3))),
        ("inserted", |lines| lines.insert(3, lines[3].replace("down", "up"))),
        ("reordered", |lines| lines.swap(3, 4)),
        ("replayed", |lines| lines.push(lines[3].clone())),
        ("truncated", |lines| lines.truncate(3)),
    ];
    for (name, attack) in attacks {
        for number in [1, 2, last] {
            let bench = copy(&whole);
            lines(&bench.segment(number), attack);
            for report in [verify(&bench.directory, None), against(&bench, &key)] {
                assert_eq!(report.exit_code(), 1, "{name} in {number}: {report}");
                assert!(report.to_string().contains("chain     broken"), "{name} in {number}: {report}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_done_to_segments_is_found() {
    let (whole, key, last) = a_log().await;
    type Attack = fn(&Bench, u32);
    let attacks: [(&str, Attack); 5] = [
        ("dropped", |bench, _| fs::remove_file(bench.segment(2)).expect("removed")),
        ("dropped with its notes", |bench, _| {
            fs::remove_file(bench.segment(2)).expect("removed");
            fs::remove_file(keys::notes_path(&bench.directory, 2)).expect("removed");
        }),
        ("swapped", |bench, _| {
            let (two, three) = (fs::read(bench.segment(2)).expect("read"), fs::read(bench.segment(3)).expect("read"));
            fs::write(bench.segment(2), three).expect("written");
            fs::write(bench.segment(3), two).expect("written");
        }),
        ("replayed behind the end", |bench, last| {
            fs::copy(bench.segment(2), bench.segment(last + 1)).map(drop).expect("copied");
        }),
        ("the last one cut off", |bench, last| fs::remove_file(bench.segment(last)).expect("removed")),
    ];
    for (name, attack) in attacks {
        let bench = copy(&whole);
        attack(&bench, last);
        let report = against(&bench, &key);
        assert_eq!(report.exit_code(), 1, "{name}: {report}");
        assert!(report.to_string().contains("chain     broken"), "{name}: {report}");
    }
}

#[tokio::test]
async fn a_rewrite_with_a_right_chain_is_found_by_the_key() {
    let (whole, key, last) = a_log().await;
    type Attack = fn(&Bench, u32);
    let attacks: [(&str, Attack, &str); 7] = [
        (
            "one line altered",
            |bench, _| lines(&bench.segment(2), |lines| lines[3] = lines[3].replace("down", "up")),
            "was not signed with the one before",
        ),
        (
            "one line dropped",
            |bench, _| lines(&bench.segment(2), |lines| drop(lines.remove(3))),
            "was not signed with the one before",
        ),
        (
            "a line altered behind the last announcement",
            |bench, last| {
                lines(&bench.segment(last), |lines| *lines.last_mut().expect("a line") = altered_close(lines))
            },
            "is not the one that a note names",
        ),
        (
            "notes dropped, too",
            |bench, _| {
                lines(&bench.segment(2), |lines| lines[3] = lines[3].replace("down", "up"));
                fs::remove_file(keys::notes_path(&bench.directory, 2)).expect("removed");
            },
            "was not signed with the one before",
        ),
        (
            "as if each process had died at once: nothing closed, no notes",
            |bench, last| {
                for number in 1..=last {
                    let _ = fs::remove_file(keys::notes_path(&bench.directory, number));
                    lines(&bench.segment(number), |lines| {
                        lines
                            .retain(|line| !line.contains("\"audit.checkpoint\"") && !line.contains("\"audit.close\""));
                        lines[2] = lines[2].replace("down", "up");
                    });
                }
            },
            "was not signed with the one before",
        ),
        (
            "the last segment cut, and head forged",
            |bench, last| {
                fs::remove_file(bench.segment(last)).expect("removed");
            },
            "and no such segment",
        ),
        (
            "the tail cut, and head forged",
            |bench, last| {
                lines(&bench.segment(last), |lines| lines.truncate(4));
            },
            "there are",
        ),
    ];
    for (name, attack, found) in attacks {
        let bench = copy(&whole);
        attack(&bench, last);
        chain_anew(&bench);
        let report = against(&bench, &key);
        assert_eq!(report.exit_code(), 1, "{name}: {report}");
        assert!(report.to_string().contains("signed    broken"), "{name}: {report}");
        assert!(report.to_string().contains(found), "{name}: {report}");
    }
}

/// The last line, as if the proxy had ended otherwise.
fn altered_close(lines: &[String]) -> String {
    lines.last().expect("a line").replace("\"stop\"", "\"rotate\"")
}

/// Somebody who has the key of today, and rewrites what was before it: all secrets of the past are gone.
#[tokio::test]
async fn who_has_the_key_of_today_cannot_rewrite_yesterday() {
    let (whole, key, last) = a_log().await;
    let today = Secret::parse(&fs::read_to_string(whole.directory.join("key")).expect("a key")).expect("a key");
    let bench = copy(&whole);
    lines(&bench.segment(2), |lines| lines[3] = lines[3].replace("down", "up"));
    chain_anew(&bench);
    // Every note signed anew with the key that there is.
    for number in 1..=last {
        let records = chained_segment(&bench, number);
        let path = keys::notes_path(&bench.directory, number);
        let old = keys::notes(&bench.directory, number).expect("notes").notes;
        let forged = old.iter().filter_map(|note| {
            let hash = records.iter().find(|(seq, _)| seq + 1 == note.size)?.1;
            Some(Note::signed(&today, note.size, hash).to_string())
        });
        fs::write(path, forged.collect::<String>()).expect("written");
    }
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("not signed with the key of its segment"), "{report}");
}

fn chained_segment(bench: &Bench, number: u32) -> Vec<(u64, Hash)> {
    let text = fs::read_to_string(bench.segment(number)).expect("it can be read");
    let record = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        (record["seq"].as_u64().expect("a number"), Hash::of(line.as_bytes()))
    };
    text.lines().map(record).collect()
}

#[tokio::test]
async fn what_is_done_to_notes_is_found() {
    let (whole, key, last) = a_log().await;
    type Attack = fn(&mut Vec<String>);
    let attacks: [(&str, Attack, &str); 7] = [
        ("all dropped", |lines| lines.clear(), "missing"),
        ("the first dropped", |lines| drop(lines.drain(..5)), "missing"),
        ("the last dropped", |lines| lines.truncate(lines.len() - 5), "the last note of segment"),
        ("replayed", |lines| lines.extend_from_within(..5), "twice or out of order"),
        ("size altered", |lines| lines[1] = "4\n".into(), "is not signed with the key"),
        (
            "size beyond the log",
            |lines| {
                let at = lines.len() - 4;
                lines[at] = "999999\n".into();
            },
            "is over 999,999 records",
        ),
        (
            "torn",
            |lines| {
                lines.truncate(lines.len() - 1);
            },
            "octets behind the notes",
        ),
    ];
    // The first segment of a process has two notes at least.
    for number in [1, last] {
        for (name, attack, found) in attacks {
            if number == last
                && keys::notes(&whole.directory, last).expect("notes").notes.len() < 2
                && name == "replayed"
            {
                continue;
            }
            let bench = copy(&whole);
            lines(&keys::notes_path(&bench.directory, number), attack);
            let report = against(&bench, &key);
            assert_eq!(report.exit_code(), 1, "{name} in {number}: {report}");
            if number == 1 {
                assert!(report.to_string().contains(found), "{name} in {number}: {report}");
            }
        }
    }
    // Those of another segment, and those of another log.
    let bench = copy(&whole);
    fs::copy(keys::notes_path(&bench.directory, 1), keys::notes_path(&bench.directory, 2)).expect("copied");
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 1, "another segment's: {report}");
    let (other, ..) = a_log().await;
    let bench = copy(&whole);
    fs::copy(keys::notes_path(&other.directory, 1), keys::notes_path(&bench.directory, 1)).expect("copied");
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 1, "another log's: {report}");
    assert!(report.to_string().contains("signed    broken"), "{report}");
}

/// What was published cannot be taken back, even by who has the key.
#[tokio::test]
async fn a_published_note_is_held_against_the_log() {
    let (whole, key, last) = a_log().await;
    let published = tempfile::tempdir().expect("a directory");
    let demands = Demands { key: Some(key.clone()), published: Some(published.path().into()), ..Demands::default() };
    for number in 1..=last {
        let name = format!("{number}.txt");
        fs::copy(keys::notes_path(&whole.directory, number), published.path().join(name)).expect("copied");
    }
    let report = verify_with(&whole.directory, &demands);
    assert_eq!(report.exit_code(), 0, "{report}");
    assert!(report.to_string().contains("published ok"), "{report}");
    // Cut where the last process began, as if it had never run.
    let bench = copy(&whole);
    let opens =
        |number: &u32| fs::read_to_string(bench.segment(*number)).expect("read").contains("\"reason\":\"start\"");
    let from = (1..=last).rfind(opens).expect("a start");
    for number in from..=last {
        fs::remove_file(bench.segment(number)).expect("removed");
        fs::remove_file(keys::notes_path(&bench.directory, number)).expect("removed");
    }
    chain_anew(&bench);
    let report = against(&bench, &key);
    assert_eq!(report.exit_code(), 0, "a log that ends in order is whole to who has nothing from outside: {report}");
    let report = verify_with(&bench.directory, &demands);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(report.to_string().contains("a note was published over"), "{report}");
    fs::write(published.path().join("other.txt"), "no note").expect("written");
    let report = verify_with(&whole.directory, &demands);
    assert_eq!(report.exit_code(), 2, "{report}");
}

/// A note that is older than two intervals is none for what came after.
#[tokio::test]
async fn a_note_in_time_is_wanted() {
    let (mut bench, key) = signed();
    bench.tuning.segment = 1024 * 1024;
    process(&bench, 5).await;
    let whole = copy(&bench);
    // Later records, as if somebody had kept notes from being written.
    lines(&whole.segment(1), |lines| {
        for line in lines.iter_mut().skip(6) {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let ts: jiff::Timestamp = record["ts"].as_str().expect("a time").parse().expect("a time");
            let later = ts.checked_add(jiff::SignedDuration::from_secs(121)).expect("a time");
            *line = line.replace(record["ts"].as_str().expect("a time"), &format!("{later:.6}"));
        }
    });
    let report = against(&whole, &key);
    assert!(report.to_string().contains("no note was signed in the two minutes before record"), "{report}");
}

/// What the manual says is not found, so that nobody believes more than there is.
#[tokio::test]
async fn what_is_not_found_without_a_key() {
    let bench = Bench::new(OnFailure::Refuse);
    process(&bench, 5).await;
    lines(&bench.segment(1), |lines| lines[2] = lines[2].replace("down", "up"));
    chain_anew(&bench);
    assert_eq!(verify(&bench.directory, None).exit_code(), 0, "no key, and no head noted elsewhere");
}
