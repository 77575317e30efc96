//! What `imapwarden audit verify` found, in words.
//!
//! ```text
//! log 01k9z3t0m4  node mx-a1  segments 1-42  records 0-1,204,551
//!   chain     ok      1,204,523 records; 29 numbers missing, all named by a gap
//!   head      ok      1,204,551 as noted 0.4 s ago
//!   signed    no      this log announces no key: a rewrite by its owner would not be seen
//!   gap       1       880,112-880,140 (29 message.read) disk_full 2027-01-09T22:14:07Z
//! result: intact, incomplete                                                  exit 3
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::hashing::HashedField;

/// Items of one kind that are shown; the others are counted.
const SHOWN: usize = 20;

/// What became of a log.
#[derive(Debug, Default)]
#[must_use]
pub struct Report {
    pub(super) coverage: Option<Coverage>,
    /// Why this is not a log of this version, or cannot be read.
    pub(super) foreign: Option<String>,
    pub(super) findings: Some20<Finding>,
    pub(super) head: HeadState,
    pub(super) expected: Option<u64>,
    pub(super) records: u64,
    pub(super) missing: u64,
    /// The last segment and the last record that were purged, and the record that says so.
    pub(super) purged: Option<(u32, u64, u64)>,
    pub(super) gaps: Some20<String>,
    pub(super) torn: Some20<String>,
    pub(super) intents: Some20<u64>,
    pub(super) unclosed: Some20<u32>,
    pub(super) clock: Some20<u64>,
    pub(super) hashed: BTreeSet<HashedField>,
    pub(super) signatures: Signatures,
}

/// What was found of signatures.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    /// Somebody asked whether the log is signed.
    pub wanted: bool,
    /// It announces a key.
    pub announced: bool,
    /// A key was given, and all was held against it.
    pub checked: bool,
    /// Notes that were looked at.
    pub notes: u64,
    /// The first segment that was.
    pub from: u32,
    /// The last record that a note is over.
    pub up_to: Option<u64>,
    /// Notes that were published, and are of this log.
    pub published: u64,
    /// Notes that a process which died did not end.
    pub torn: Some20<String>,
    /// What is not signed as it should be.
    pub findings: Some20<String>,
}

impl Signatures {
    /// The log says that it is signed, and nobody has looked.
    const fn is_unchecked(&self) -> bool {
        self.wanted && self.announced && !self.checked
    }
}

/// Which part of which log was looked at.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    pub log: String,
    pub node: String,
    pub segments: (u32, u32),
    pub records: (u64, u64),
}

/// A place where the log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Number of the record, where one can be told.
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What the `head` file says.
#[derive(Debug, Default)]
pub(super) enum HeadState {
    /// Nothing that could be understood, or there is none.
    #[default]
    Missing,
    /// It names a record that is there.
    Met { seq: u64, age: Option<Duration> },
    /// It names a record that is not there, or another one: a finding says so.
    Wrong,
}

/// The first of many, and how many.
#[derive(Debug)]
pub(super) struct Some20<T> {
    pub first: Vec<T>,
    pub n: u64,
}

impl<T> Default for Some20<T> {
    fn default() -> Self {
        Self { first: Vec::new(), n: 0 }
    }
}

impl<T> Some20<T> {
    pub fn push(&mut self, make: impl FnOnce() -> T) {
        if self.first.len() < SHOWN {
            self.first.push(make());
        }
        self.n = self.n.saturating_add(1);
    }
}

impl Report {
    /// 0: intact and complete. 1: altered or cut. 2: not a log of this version, or it cannot be read. 3: intact, but
    /// something is missing that the log itself tells.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.foreign.is_some() {
            2
        } else if self.findings.n + self.signatures.findings.n > 0 || self.signatures.is_unchecked() {
            1
        } else if self.gaps.n + self.torn.n + self.intents.n + self.unclosed.n + self.signatures.torn.n > 0 {
            3
        } else {
            0
        }
    }

    /// What is not signed as it should be, in order; the first twenty.
    #[must_use]
    pub fn unsigned(&self) -> &[String] {
        &self.signatures.findings.first
    }

    /// Where the log is not what was written, in order; the first twenty.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings.first
    }
}

/// A report in numbers, and in the words that stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<'r> {
    /// Id of the log and host name, as far as there is a record.
    pub log: Option<(&'r str, &'r str)>,
    /// First and last segment.
    pub segments: (u32, u32),
    /// First and last record.
    pub records: (u64, u64),
    /// Why it cannot be read at all.
    pub foreign: Option<&'r str>,
    /// Places where it is not what was written.
    pub findings: u64,
    /// Gaps that the log names; the first of them in words.
    pub gaps: (u64, &'r [String]),
    /// Numbers in these gaps.
    pub missing: u64,
    /// Torn lines; the first of them in words.
    pub torn: (u64, &'r [String]),
    /// Intents without a done, whose process is gone.
    pub intents: u64,
    /// Segments without their last line.
    pub unclosed: u64,
    /// How often the clock went back.
    pub clock: u64,
    /// Of what there are hashes in it.
    pub hashed: &'r BTreeSet<HashedField>,
}

impl Report {
    /// The whole of it for programs.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        let coverage = self.coverage.as_ref();
        Summary {
            log: coverage.map(|coverage| (&*coverage.log, &*coverage.node)),
            segments: coverage.map_or((0, 0), |coverage| coverage.segments),
            records: coverage.map_or((0, 0), |coverage| coverage.records),
            foreign: self.foreign.as_deref(),
            findings: self.findings.n.saturating_add(self.signatures.findings.n),
            gaps: (self.gaps.n, &self.gaps.first),
            missing: self.missing,
            torn: (self.torn.n, &self.torn.first),
            intents: self.intents.n,
            unclosed: self.unclosed.n,
            clock: self.clock.n,
            hashed: &self.hashed,
        }
    }

    /// `intact, complete` and the like.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.exit_code() {
            0 => "intact, complete",
            1 if self.findings.n + self.signatures.findings.n == 0 => "signed, and not held against its key",
            1 => "altered or cut",
            2 => "not a log that can be read",
            _ => "intact, incomplete",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(coverage) = &self.coverage {
            writeln!(f, "{coverage}")?;
        }
        if let Some(foreign) = &self.foreign {
            writeln!(f, "  {foreign}")?;
        } else {
            self.mechanisms(f)?;
            self.missing_parts(f)?;
        }
        writeln!(f, "{:<76}exit {}", format!("result: {}", self.verdict()), self.exit_code())
    }
}

impl Report {
    fn mechanisms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { what, .. } in &self.findings.first {
            row(f, "chain", "broken", what)?;
        }
        let more = self.findings.n.saturating_sub(self.findings.first.len() as u64);
        if more > 0 {
            row(f, "chain", "broken", format_args!("{} places more", Number(more)))?;
        }
        if self.findings.n == 0 {
            let records = Number(self.records);
            let missing = Number(self.missing);
            if self.missing > 0 {
                row(
                    f,
                    "chain",
                    "ok",
                    format_args!("{records} records; {missing} numbers missing, all named by a gap"),
                )?;
            } else {
                row(f, "chain", "ok", format_args!("{records} records"))?;
            }
        }
        match &self.head {
            HeadState::Missing => row(f, "head", "missing", "the file `head` is missing or damaged")?,
            HeadState::Wrong => row(f, "head", "broken", "it names a record that is not there")?,
            HeadState::Met { seq, age } => {
                let last = self.coverage.as_ref().map_or(*seq, |coverage| coverage.records.1);
                let newer = last.saturating_sub(*seq);
                let newer = if newer > 0 { format!("; {} are newer", Number(newer)) } else { String::new() };
                row(f, "head", "ok", format_args!("{} as noted{}{newer}", Number(*seq), Ago(*age)))?;
            }
        }
        if let Some(seq) = self.expected {
            row(f, "expect", "ok", format_args!("{} as given", Number(seq)))?;
        }
        if let Some((segment, last, seq)) = self.purged {
            let what = format_args!("up to segment {segment}, record {}, as record {} says", Number(last), Number(seq));
            row(f, "purged", "ok", what)?;
        }
        self.signed(f)
    }

    fn signed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signatures { announced, checked, notes, from, up_to, published, findings, .. } = &self.signatures;
        for what in &findings.first {
            row(f, "signed", "broken", what)?;
        }
        let more = findings.n.saturating_sub(findings.first.len() as u64);
        if more > 0 {
            row(f, "signed", "broken", format_args!("{} places more", Number(more)))?;
        }
        match (findings.n, up_to) {
            (0, Some(up_to)) if *checked => {
                let notes = Number(*notes);
                let up_to = Number(*up_to);
                row(f, "signed", "ok", format_args!("{notes} notes, from segment {from} on, up to record {up_to}"))?;
            }
            (0, None) if *checked => {
                row(f, "signed", "ok", format_args!("from segment {from} on, no note is due yet"))?
            }
            (0, _) if self.signatures.is_unchecked() => {
                row(f, "signed", "broken", "this log announces a key: name the first one with --key")?;
            }
            (0, _) if *announced => row(f, "signed", "-", "not looked at: `imapwarden audit verify --key` does")?,
            (0, _) => row(f, "signed", "no", "this log announces no key: a rewrite by its owner would not be seen")?,
            _ => {}
        }
        if *published > 0 {
            row(f, "published", "ok", format_args!("{} notes", Number(*published)))?;
        }
        Ok(())
    }

    fn missing_parts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rows(f, "gap", &self.gaps)?;
        rows(f, "torn", &self.torn)?;
        rows(f, "torn", &self.signatures.torn)?;
        if let Some(first) = self.clock.first.first() {
            let what = format_args!("back in time, first at record {}: order is by number", Number(*first));
            row(f, "clock", &Number(self.clock.n).to_string(), what)?;
        }
        if self.intents.n > 0 {
            let numbers: Vec<_> = self.intents.first.iter().map(|seq| Number(*seq).to_string()).collect();
            let more = if self.intents.n > numbers.len() as u64 { " …" } else { "" };
            let what = format_args!("without done, taken as done in full: {}{more}", numbers.join(" "));
            row(f, "intent", &Number(self.intents.n).to_string(), what)?;
        }
        if self.unclosed.n > 0 {
            let numbers: Vec<_> = self.unclosed.first.iter().map(u32::to_string).collect();
            let more = if self.unclosed.n > numbers.len() as u64 { " …" } else { "" };
            let what = format_args!("without audit.close, nobody writes to it: segment {}{more}", numbers.join(" "));
            row(f, "unclosed", &Number(self.unclosed.n).to_string(), what)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, state: &str, what: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<9} {state:<7} {what}")
}

/// The first item stands beside the count, the others below it.
fn rows(f: &mut fmt::Formatter<'_>, name: &str, items: &Some20<String>) -> fmt::Result {
    let mut head = (name, Number(items.n).to_string());
    for item in &items.first {
        row(f, head.0, &head.1, item)?;
        head = ("", String::new());
    }
    let more = items.n.saturating_sub(items.first.len() as u64);
    if more > 0 { row(f, "", "", format_args!("{} more", Number(more))) } else { Ok(()) }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, node, segments, records } = self;
        write!(f, "log {log}  node {node}  segments {}-{}", segments.0, segments.1)?;
        write!(f, "  records {}-{}", Number(records.0), Number(records.1))
    }
}

/// A number with its thousands set apart.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

struct Ago(Option<Duration>);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(age) = self.0 else { return Ok(()) };
        match age.as_secs() {
            0..60 => write!(f, " {:.1} s ago", age.as_secs_f64()),
            secs @ 60..3_600 => write!(f, " {} min ago", secs / 60),
            secs @ 3_600..172_800 => write!(f, " {} h ago", secs / 3_600),
            secs => write!(f, " {} days ago", secs / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_as_documented() {
        let mut report = Report {
            coverage: Some(Coverage {
                log: "01k9z3t0m4".into(),
                node: "mx-a1".into(),
                segments: (1, 42),
                records: (0, 1_204_551),
            }),
            head: HeadState::Met { seq: 1_204_551, age: Some(Duration::from_millis(400)) },
            records: 1_204_523,
            missing: 29,
            ..Report::default()
        };
        report.gaps.push(|| "880,112-880,140 (29 message.read) disk_full 2027-01-09T22:14:07Z".into());
        let expected = "\
log 01k9z3t0m4  node mx-a1  segments 1-42  records 0-1,204,551
  chain     ok      1,204,523 records; 29 numbers missing, all named by a gap
  head      ok      1,204,551 as noted 0.4 s ago
  signed    no      this log announces no key: a rewrite by its owner would not be seen
  gap       1       880,112-880,140 (29 message.read) disk_full 2027-01-09T22:14:07Z
result: intact, incomplete                                                  exit 3
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn of_many_the_first_are_shown_and_all_are_counted() {
        let mut report = Report::default();
        for seq in 0..25 {
            report.findings.push(|| Finding { seq: Some(seq), what: format!("record {seq}") });
            report.intents.push(|| seq);
        }
        let text = report.to_string();
        assert!(text.contains("  chain     broken  record 19\n  chain     broken  5 places more\n"), "{text}");
        assert!(text.contains("  intent    25      without done, taken as done in full: 0 1 2"), "{text}");
        assert!(text.contains(" 19 …\n"), "{text}");
        assert_eq!(report.exit_code(), 1);
    }

    #[test]
    fn numbers_and_ages() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_204_551, "1,204,551")] {
            assert_eq!(Number(number).to_string(), text);
        }
        for (secs, text) in
            [(59.94, " 59.9 s ago"), (60.0, " 1 min ago"), (7_200.0, " 2 h ago"), (200_000.0, " 2 days ago")]
        {
            assert_eq!(Ago(Some(Duration::from_secs_f64(secs))).to_string(), text);
        }
    }
}
