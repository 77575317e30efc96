//! Is a log what was written, and all of it?
//!
//! ```text
//!   segments ─▶ lines ─▶ does each follow the one before it? ─▶ Report
//!                        prev ≠ hash(k): was k altered, or k + 1? The line behind k + 1 knows.
//! ```
//!
//! Fails closed: what cannot be explained by a log that was written, crashed and taken up again is a finding. Streams;
//! what it remembers is bounded by the commands that were under way at once.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::chain::Hash;
use super::lines::{Line, Lines, NotARecord, Piece};
use super::record::SCHEMA;
use super::report::{Coverage, Finding, HeadState, Number, Report};
use super::segment::{self, Noted};

/// Looks at a whole log. `expect`: a record that somebody noted elsewhere.
pub fn verify(directory: &Path, expect: Option<Noted>) -> Report {
    let live = segment::is_locked(directory);
    // Before the lines: what it names was written before it, so a log that grows is no contradiction.
    let (head, age) = read_head(directory);
    let numbers = match segment::list(directory) {
        Ok(numbers) => numbers,
        Err(error) => return foreign(format!("{} cannot be read: {error}", directory.display())),
    };
    if numbers.is_empty() && head.is_none() {
        return foreign(format!("there is no audit log in {}", directory.display()));
    }
    let mut scan = Scan::new(head, expect);
    let last = numbers.last().copied();
    let mut due = 1;
    for number in numbers {
        if number > due {
            let what = if number - due == 1 {
                format!("segment {due} is missing")
            } else {
                format!("segments {due}-{} are missing", number - 1)
            };
            scan.find(None, || what);
        }
        due = number.saturating_add(1);
        if let Err(stop) = scan.segment(directory, number, Some(number) == last, live) {
            return match stop {
                Stop::Foreign(why) => Report { foreign: Some(why), ..scan.report },
                Stop::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    foreign(format!("segment {number} cannot be read: {error}"))
                }
                Stop::Io(error) => {
                    scan.find(None, || format!("segment {number} cannot be read: {error}"));
                    scan.report
                }
            };
        }
    }
    scan.end(live || segment::is_locked(directory), last, age)
}

fn foreign(why: String) -> Report {
    Report { foreign: Some(why), ..Report::default() }
}

/// While it is renewed it may be seen half done.
fn read_head(directory: &Path) -> (Option<Noted>, Option<Duration>) {
    let read = || Noted::read(directory).ok();
    read().or_else(read).or_else(read).map_or((None, None), |(noted, age)| (Some(noted), age))
}

/// Why a scan cannot go on.
enum Stop {
    Foreign(String),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08}.jsonl:{}", self.segment, self.line)
    }
}

/// What came before the line at hand.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// A record with this hash, its number and place; without them: the begin of the log.
    Record { hash: Hash, record: Option<(u64, Place)> },
    /// A record that does not name the hash of the one before it: one of the two was altered.
    Doubtful { hash: Hash, earlier: Option<(u64, Place)>, record: (u64, Place) },
    /// One that names the record before it, but whose number is not the next: what is its own?
    Misnumbered(Place),
    /// One that was altered: what it says binds nobody.
    Altered,
    /// Lines that are no records.
    Unreadable(Place),
    /// A line that says it is of a newer version.
    Newer { version: u64, hash: Hash, place: Place },
}

/// Any version names the line before in the same way, or says nothing of it.
#[derive(Deserialize)]
struct AnyPrev<'l> {
    prev: Option<&'l str>,
}

/// What a scan knows so far.
struct Scan {
    report: Report,
    head: Option<Noted>,
    expect: Option<Noted>,
    head_met: bool,
    expect_met: bool,
    next_seq: u64,
    before: Before,
    log: String,
    /// Intents without a done, of the process that writes at this place of the log.
    intents: BTreeSet<u64>,
    /// The last record of this segment was audit.close.
    closed: bool,
}

impl Scan {
    fn new(head: Option<Noted>, expect: Option<Noted>) -> Self {
        Self {
            report: Report::default(),
            head,
            expect,
            head_met: false,
            expect_met: false,
            next_seq: 0,
            before: Before::Record { hash: Hash::ZERO, record: None },
            log: String::new(),
            intents: BTreeSet::new(),
            closed: false,
        }
    }

    /// Notes a finding; the same record is named once.
    fn find(&mut self, seq: Option<u64>, what: impl FnOnce() -> String) {
        let said = self.report.findings.first.last().is_some_and(|last| seq.is_some() && last.seq == seq);
        if !said {
            self.report.findings.push(|| Finding { seq, what: what() });
        }
    }

    fn altered(&mut self, seq: u64, place: Place) {
        self.find(Some(seq), || format!("record {} was altered ({place})", Number(seq)));
    }

    fn segment(&mut self, directory: &Path, number: u32, last: bool, live: bool) -> Result<(), Stop> {
        let mut lines = Lines::new(segment::read(directory, number)?);
        self.closed = false;
        let mut place = Place { segment: number, line: 0 };
        loop {
            place.line += 1;
            match lines.next()? {
                Piece::Line(bytes) => self.line(bytes, place)?,
                Piece::TooLong(_) => self.unreadable(place),
                Piece::Unfinished(0) => break,
                Piece::Unfinished(_) if last && live => break,
                Piece::Unfinished(n) => {
                    self.unfinished(n, last, place);
                    break;
                }
            }
        }
        if !self.closed && !last {
            self.report.unclosed.push(|| number);
        }
        Ok(())
    }

    /// The end of a segment is no whole line: a crash can leave that at the end of a log, and only there.
    fn unfinished(&mut self, octets: u64, last: bool, place: Place) {
        self.settle_all();
        let next = self.next_seq;
        if last && self.head.is_none_or(|head| head.seq < next) {
            self.report.torn.push(|| format!("{octets} octets of a line at the end ({place})"));
        } else {
            self.find(Some(next), || format!("record {} is unfinished ({place})", Number(next)));
            self.before = Before::Altered;
        }
    }

    fn line(&mut self, bytes: &[u8], place: Place) -> Result<(), Stop> {
        if let Before::Newer { version, hash, place: newer } = self.before {
            match serde_json::from_slice::<AnyPrev<'_>>(bytes) {
                // The line behind it bears out that it was written like this.
                Ok(AnyPrev { prev }) if prev.is_none_or(|prev| prev.parse() == Ok(hash)) => {
                    return Err(Stop::Foreign(of_version(version, newer)));
                }
                _ => self.before = Before::Unreadable(newer),
            }
        }
        match Line::parse(bytes) {
            Ok(line) => self.record(&line, Hash::of(bytes), place),
            Err(NotARecord::Version(version)) if !matches!(self.before, Before::Unreadable(_)) => {
                let hash = Hash::of(bytes);
                self.settle_all();
                self.before = Before::Newer { version, hash, place };
            }
            Err(NotARecord::Version(_) | NotARecord::Unreadable) => self.unreadable(place),
        }
        Ok(())
    }

    fn unreadable(&mut self, place: Place) {
        self.settle_all();
        if !matches!(self.before, Before::Unreadable(_)) {
            self.before = Before::Unreadable(place);
        }
    }

    /// Ends a doubt about the last two records: the later one is intact if what `named` is its hash.
    fn settle(&mut self, named: Option<Hash>) {
        let Before::Doubtful { hash, earlier, record } = self.before else { return };
        match earlier {
            Some((seq, place)) if named.is_none_or(|named| named == hash) => {
                self.altered(seq, place);
                self.before = Before::Record { hash, record: Some(record) };
            }
            _ => {
                self.altered(record.0, record.1);
                self.before = Before::Altered;
            }
        }
    }

    /// What stands behind a record with a wrong number says which is its own.
    fn settle_number(&mut self, next: u64) {
        if let Before::Misnumbered(place) = self.before {
            let own = next.saturating_sub(1).max(self.next_seq);
            self.altered(own, place);
            self.next_seq = own.saturating_add(1);
            self.before = Before::Altered;
        }
    }

    /// No record comes that could end a doubt, but maybe `head` does.
    fn settle_all(&mut self) {
        self.settle(None);
        self.settle_number(self.head.map_or(0, |head| head.seq.saturating_add(1)));
    }

    fn record(&mut self, line: &Line<'_>, hash: Hash, place: Place) {
        // A hash that cannot be read is that of nothing.
        self.settle(Some(line.prev().unwrap_or(Hash::ZERO)));
        self.settle_number(line.seq);
        if let Before::Unreadable(at) = self.before {
            self.behind_unreadable(line.seq, at);
        }
        let due = self.next_seq;
        let in_order = line.seq == due || line.names_gap(due);
        let record = (line.seq, place);
        let here = Before::Record { hash, record: Some(record) };
        match self.before {
            Before::Record { hash: before, record: earlier } => match (line.prev() == Some(before), in_order) {
                (true, true) => self.take(line, hash, place, here),
                // It names the line before it, so this is its place, and the number is not its own.
                (true, false) => {
                    self.closed = line.type_name == "audit.close";
                    self.before = Before::Misnumbered(place);
                }
                (false, true) => self.take(line, hash, place, Before::Doubtful { hash, earlier, record }),
                (false, false) => self.out_of_order(line, hash, place),
            },
            // Its number may have been altered as well, and with it how many were lost.
            _ if line.seq >= due => self.take(line, hash, place, here),
            _ => self.out_of_order(line, hash, place),
        }
    }

    fn behind_unreadable(&mut self, seq: u64, place: Place) {
        let due = self.next_seq;
        match seq.checked_sub(1) {
            Some(last) if last > due => {
                self.find(Some(due), || format!("records {}-{} cannot be read ({place})", Number(due), Number(last)))
            }
            Some(last) if last == due => {
                self.find(Some(due), || format!("record {} cannot be read ({place})", Number(due)));
            }
            _ => self.find(Some(due), || format!("a line before record {} is no record ({place})", Number(due))),
        }
        self.next_seq = due.max(seq);
        self.before = Before::Altered;
    }

    fn out_of_order(&mut self, line: &Line<'_>, hash: Hash, place: Place) {
        let (due, seq) = (self.next_seq, line.seq);
        if seq > due {
            let last = seq.saturating_sub(1);
            self.find(Some(due), || {
                if last == due {
                    format!("record {} is missing ({place})", Number(due))
                } else {
                    format!("records {}-{} are missing ({place})", Number(due), Number(last))
                }
            });
            self.take(line, hash, place, Before::Record { hash, record: Some((seq, place)) });
        } else if seq.saturating_add(1) == due {
            self.find(Some(seq), || format!("record {} stands there twice ({place})", Number(seq)));
        } else {
            self.find(Some(due), || format!("record {} stands where {} is due ({place})", Number(seq), Number(due)));
        }
    }

    /// Goes on behind a record.
    fn take(&mut self, line: &Line<'_>, hash: Hash, place: Place, before: Before) {
        let (seq, due) = (line.seq, self.next_seq);
        let linked = matches!((self.before, before), (Before::Record { .. }, Before::Record { .. }));
        self.before = before;
        self.next_seq = seq.saturating_add(1);
        if let Some(head) = self.head.filter(|head| head.seq == seq) {
            self.head_met = true;
            self.settle(Some(head.hash));
            if head.hash != hash {
                self.report.head = HeadState::Wrong;
                self.find(Some(seq), || format!("record {} is not the one that `head` names ({place})", Number(seq)));
            }
        }
        if let Some(expect) = self.expect.filter(|expect| expect.seq == seq) {
            self.expect_met = true;
            if expect.hash == hash {
                self.report.expected = Some(seq);
            } else {
                self.find(Some(seq), || format!("record {} is not the one that was given ({place})", Number(seq)));
            }
        }
        if linked && seq == due && line.log != self.log && seq > 0 {
            self.find(Some(seq), || format!("record {} is of another log ({place})", Number(seq)));
        }
        self.cover(line, place);
        self.place_in_segment(line, place);
        self.content(line, due);
    }

    fn cover(&mut self, line: &Line<'_>, place: Place) {
        if self.log != line.log {
            self.log = line.log.clone().into_owned();
        }
        self.report.records = self.report.records.saturating_add(1);
        let coverage = self.report.coverage.get_or_insert_with(|| Coverage {
            log: line.log.clone().into_owned(),
            node: line.node.clone().into_owned(),
            segments: (place.segment, place.segment),
            records: (line.seq, line.seq),
        });
        (coverage.segments.1, coverage.records.1) = (place.segment, line.seq);
    }

    /// The first record of a segment opens it, and nothing stands behind its close.
    fn place_in_segment(&mut self, line: &Line<'_>, place: Place) {
        let (seq, opens) = (line.seq, line.type_name == "audit.open");
        let first = place.line == 1;
        if opens != first || first && line.data.segment != Some(u64::from(place.segment)) || self.closed {
            let what = || format!("record {} is out of place in its segment ({place})", Number(seq));
            self.find(Some(seq), what);
        }
        self.closed = line.type_name == "audit.close";
        if self.closed && line.data.records != Some(place.line) && self.report.findings.n == 0 {
            self.find(Some(seq), || format!("record {} counts its segment wrong ({place})", Number(seq)));
        }
    }

    /// What the records themselves say to be missing.
    fn content(&mut self, line: &Line<'_>, due: u64) {
        match (line.type_name, line.stage, line.data.intent) {
            ("audit.open", ..) => {
                if let Some(n) = line.data.torn {
                    let segment = line.data.segment.unwrap_or_default();
                    self.report.torn.push(|| format!("{} octets before segment {segment}, set aside", Number(n)));
                }
                if line.data.reason.as_deref() != Some("rotate") {
                    self.give_up_intents();
                }
            }
            ("audit.gap", ..) if line.names_gap(due) => self.gap(line, due),
            (_, Some("intent"), _) if !line.more => {
                self.intents.insert(line.seq);
            }
            (_, Some("done"), Some(intent)) if !line.more => {
                self.intents.remove(&intent);
            }
            _ => {}
        }
    }

    fn gap(&mut self, line: &Line<'_>, first: u64) {
        let last = line.seq.saturating_sub(1);
        self.report.missing = self.report.missing.saturating_add(line.seq.saturating_sub(first));
        let types = line.data.by_type.iter().flatten();
        let types: Vec<_> = types.map(|(name, n)| format!("{} {name}", Number(*n))).collect();
        let reason = line.data.reason.as_deref().unwrap_or_default();
        let at = line.ts.get(..19).unwrap_or(line.ts);
        self.report.gaps.push(|| format!("{}-{} ({}) {reason} {at}Z", Number(first), Number(last), types.join(", ")));
    }

    /// The process that announced them is no more.
    fn give_up_intents(&mut self) {
        for seq in std::mem::take(&mut self.intents) {
            self.report.intents.push(|| seq);
        }
    }

    fn end(mut self, live: bool, last: Option<u32>, age: Option<Duration>) -> Report {
        self.settle_all();
        let next = self.next_seq;
        match self.before {
            Before::Newer { version, hash, place } => {
                if self.head.is_none_or(|head| head.seq < next || head.hash == hash) {
                    return Report { foreign: Some(of_version(version, place)), ..self.report };
                }
                self.find(Some(next), || format!("record {} cannot be read ({place})", Number(next)));
            }
            Before::Unreadable(place) if self.report.coverage.is_none() && self.head.is_none() => {
                return foreign(format!("{place}: not a record of an audit log"));
            }
            Before::Unreadable(place) => {
                self.find(Some(next), || format!("record {} cannot be read ({place})", Number(next)));
            }
            Before::Record { .. } | Before::Doubtful { .. } | Before::Misnumbered(_) | Before::Altered => {}
        }
        self.end_of_head(age);
        if let Some(Noted { seq, .. }) = self.expect.filter(|_| !self.expect_met) {
            self.find(Some(seq), || format!("record {}, which was given, is not there", Number(seq)));
        }
        if !live {
            self.give_up_intents();
            if let Some(last) = last.filter(|_| !self.closed) {
                self.report.unclosed.push(|| last);
            }
        }
        self.report
    }

    fn end_of_head(&mut self, age: Option<Duration>) {
        let next = self.next_seq;
        match self.head {
            None => self.find(None, || "the file `head` is missing or damaged".into()),
            Some(head) if head.seq >= next => {
                self.report.head = HeadState::Wrong;
                self.find(Some(next), || match head.seq == next {
                    true => format!("record {} is cut off: `head` names it", Number(next)),
                    false => {
                        format!("records {}-{} are cut off: `head` names the last", Number(next), Number(head.seq))
                    }
                });
            }
            Some(head) if !self.head_met => {
                self.report.head = HeadState::Wrong;
                self.find(Some(head.seq), || format!("record {}, which `head` names, is not there", Number(head.seq)));
            }
            Some(head) if !matches!(self.report.head, HeadState::Wrong) => {
                self.report.head = HeadState::Met { seq: head.seq, age };
            }
            Some(_) => {}
        }
    }
}

fn of_version(version: u64, place: Place) -> String {
    format!("{place}: a record of version {version}, this imapwarden reads version {SCHEMA}")
}
