//! Logs that somebody, or a disk, has had their way with: no tool dies of them, and none says that they are whole.

use std::io::sink;
use std::path::{Path, PathBuf};

use imapwarden::audit::verify_and_see;
use imapwarden::report::{
    By, ClientPrograms, Coverage, Exported, Filter, Gather, Gathering, Printer as _, Reads, Refusals, Rules, Searches,
    Sessions, Style, Timeline, Trace, Volume, Which, Words, describe, print_listing,
};
use serde_json::{Value, json};

use super::told;

const ROUNDS: usize = 300;

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end.max(1) as u64).expect("small")
    }
}

/// Values that no writer writes there.
fn odd(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(-1),
        json!(u64::MAX),
        json!(1.5e300),
        json!(true),
        json!(""),
        json!("x".repeat(3_000)),
        json!("1:4294967295"),
        json!("4294967295:1,0,*,7:"),
        json!("2027-13-99T99:99:99Z"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("\u{1b}[2J\u{202e}\r\n|=\\"),
        json!([]),
        json!([[[[1]]], {}, "full", -7]),
        json!({}),
        json!({"uid": 0, "cls": "none", "bytes": -1, "cov": 1e9, "name": 7}),
    ];
    values[random.below(values.len())].clone()
}

/// Puts something else in one place of a record, however deep.
fn replace(value: &mut Value, random: &mut Random) {
    let inner: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    let at = random.below(inner.len());
    match inner.into_iter().nth(at) {
        Some(inner) if random.below(4) > 0 => replace(inner, random),
        Some(inner) => *inner = odd(random),
        None => *value = odd(random),
    }
}

/// One of many ways in which a segment can be another.
fn mangle(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    let lines: Vec<Vec<u8>> = bytes.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    let line = random.below(lines.len());
    let with = |line_now: Vec<u8>| {
        let mut lines = lines.clone();
        lines[line] = line_now;
        lines.concat()
    };
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes.truncate(at),
        2 => drop(bytes.splice(at..at, std::iter::repeat_n(b'"', 70_000))),
        3 => drop(bytes.splice(at..at, (0..50).map(|_| u8::try_from(random.below(256)).expect("an octet")))),
        4 => drop(bytes.drain(at..(at + 40).min(bytes.len()))),
        5 => *bytes = with([&lines[line][..], &lines[random.below(lines.len())]].concat()),
        _ => {
            let mut record: Value = serde_json::from_slice(&lines[line]).expect("JSON");
            replace(&mut record, random);
            *bytes = with(format!("{record}\n").into_bytes());
        }
    }
}

/// All that is told of it. The exit status.
fn tell(log: &Path) -> u8 {
    let filter = Filter::default;
    let ways = [By::Message, By::User, By::Mailbox, By::Session];
    let mut reads: Vec<Reads> = ways.into_iter().map(|by| Reads::new(by, filter())).collect();
    let small: [Box<dyn Gather>; 6] = [
        Box::new(Sessions::default()),
        Box::new(ClientPrograms::default()),
        Box::new(Refusals::default()),
        Box::new(Searches::default()),
        Box::new(Volume::new(3)),
        Box::new(Rules::new([], None)),
    ];
    let mut small: Vec<Gathering> = small.into_iter().map(|report| Gathering::new(report, filter())).collect();
    let (mut timeline, mut owner) = (Timeline::new(filter()), Timeline::for_owner(filter()));
    let mut traces =
        [Which::Uid(4_398), Which::MessageId("<q4-plan@example.org>".into())].map(|of| Trace::new(of, filter()));
    let report = verify_and_see(log, None, &mut |seen| {
        assert!(!describe(seen.line).is_empty());
        for words in [Words::Ocsf, Words::Ecs, Words::Cef, Words::Syslog, Words::Csv] {
            Exported::new(words).record(seen, &mut sink()).expect("to nowhere");
        }
        reads.iter_mut().for_each(|report| report.see(seen));
        small.iter_mut().for_each(|report| report.see(seen));
        timeline.see(seen);
        owner.see(seen);
        traces.iter_mut().for_each(|trace| trace.see(seen));
    });
    let coverage = Coverage::of(&report, &filter());
    let style = Style::Table(Some(100));
    // What cannot be told is said: none of these dies.
    reads.into_iter().for_each(|report| drop(report.print(&coverage, false, Style::Json, &mut sink())));
    small.into_iter().for_each(|report| drop(report.print(&coverage, false, style, &mut sink())));
    for timeline in [timeline, owner] {
        drop(timeline.print(log, &coverage, style, &mut sink()));
    }
    for trace in traces {
        drop(trace.listing(log, false).and_then(|listing| print_listing(&listing, &coverage, style, &mut sink())));
    }
    report.exit_code()
}

#[test]
fn whatever_stands_in_a_log_is_told_or_said_to_be_wrong() {
    let folder = told();
    let log = folder.path().join("audit");
    let segments: Vec<(PathBuf, Vec<u8>)> = [1, 2]
        .map(|number| log.join(format!("{number:08}.jsonl")))
        .map(|path| (path.clone(), std::fs::read(path).expect("a segment")))
        .into();
    assert_eq!(tell(&log), 3, "as it is: a crash is in it");
    let mut random = Random(2027);
    for round in 0..ROUNDS {
        let (path, whole) = &segments[random.below(2)];
        let mut bytes = whole.clone();
        mangle(&mut bytes, &mut random);
        std::fs::write(path, &bytes).expect("it can be written");
        let status = tell(&log);
        assert!(
            bytes == *whole || matches!(status, 1 | 2),
            "round {round}: {status} for\n{}",
            String::from_utf8_lossy(&bytes)
        );
        std::fs::write(path, whole).expect("it can be written");
    }
    assert_eq!(tell(&log), 3, "as it was");
}
