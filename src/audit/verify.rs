//! Is a log what was written, and all of it?
//!
//! ```text
//!   segments ─▶ ahead: lines, hashes ─▶ scan: does each follow the one before it? ─▶ Report
//!                                    └─▶ gaps, torn lines, intents without done ─────▶
//! ```
//!
//! Fails closed: what cannot be explained by a log that was written, crashed and taken up again is a finding. Streams;
//! what it remembers is bounded by the commands that were under way at once.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvError, Sender, channel, sync_channel};
use std::time::Duration;

use super::ahead::{self, Ahead, Batch};
use super::hashing::HashedField;
use super::line::Line;
use super::report::{Coverage, HeadState, Number, Report};
use super::scan::{Before, Foreign, Place, Scan, of_version};
use super::segment::{self, Noted};
use super::signed::{Demands, Signed};

/// Looks at a whole log. `expect`: a record that somebody noted elsewhere.
pub fn verify(directory: &Path, expect: Option<Noted>) -> Report {
    verify_with(directory, &Demands { expect, ..Demands::default() })
}

/// Looks at a whole log, and holds it against what is demanded of it. One that is signed has to be held against its key.
pub fn verify_with(directory: &Path, demands: &Demands) -> Report {
    let mut report = look(directory, demands, &mut |_| {});
    report.signatures.wanted = true;
    report
}

/// A record, as it was found.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'s> {
    /// What it says.
    pub line: &'s Line<'s>,
    /// Its bytes, without `\n`.
    pub bytes: &'s [u8],
    /// Where it stands.
    pub place: Place,
}

/// Looks at a whole log and shows each record in it, in order: what is told of a log is of the bytes that were verified. Of
/// a log that was altered, all records are shown that can be read.
pub fn verify_and_see(directory: &Path, expect: Option<Noted>, see: &mut dyn FnMut(Seen<'_>)) -> Report {
    look(directory, &Demands { expect, ..Demands::default() }, see)
}

pub(super) fn look(directory: &Path, demands: &Demands, see: &mut dyn FnMut(Seen<'_>)) -> Report {
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
    let numbers = numbers.as_slice();
    let mut signed = Signed::new(directory, demands.key.clone());
    if let Err(why) = signed.begin(numbers, demands) {
        return foreign(why);
    }
    std::thread::scope(|scope| {
        let (to, ahead) = sync_channel(ahead::BATCHES);
        let (give_back, used) = channel();
        // Half of the work is reading and hashing: another processor's.
        let read = move || ahead::read(directory, numbers, &to, &used);
        if let Err(error) = std::thread::Builder::new().name("audit-reader".into()).spawn_scoped(scope, read) {
            return foreign(format!("no thread can be started to read with: {error}"));
        }
        let last = numbers.last().copied();
        let mut walk = Walk { scan: Scan::new(head, demands.expect, signed), ahead, give_back, live, last };
        match walk.segments(numbers, see) {
            Ok(()) => walk.scan.end(live || segment::is_locked(directory), last, age),
            Err(why) => Report { foreign: Some(why), ..walk.scan.report },
        }
    })
}

fn foreign(why: String) -> Report {
    Report { foreign: Some(why), ..Report::default() }
}

/// While it is renewed it may be seen half done.
fn read_head(directory: &Path) -> (Option<Noted>, Option<Duration>) {
    let read = || Noted::read(directory).ok();
    read().or_else(read).or_else(read).map_or((None, None), |(noted, age)| (Some(noted), age))
}

/// A way through all segments.
struct Walk {
    scan: Scan,
    ahead: Receiver<Ahead>,
    give_back: Sender<Batch>,
    live: bool,
    last: Option<u32>,
}

/// Why a segment cannot be read to its end.
enum Stop {
    Foreign(String),
    Io(io::Error),
}

impl Walk {
    /// All of them; an error where nothing more can be told of the log.
    fn segments(&mut self, numbers: &[u32], see: &mut dyn FnMut(Seen<'_>)) -> Result<(), String> {
        let mut due = 1;
        for number in numbers.iter().copied() {
            match number.saturating_sub(due) {
                0 => {}
                // The first ones may have been purged: a record says so.
                _ if due == 1 => self.scan.behind = Some(number.saturating_sub(1)),
                1 => self.scan.find(None, || format!("segment {due} is missing")),
                _ => self.scan.find(None, || format!("segments {due}-{} are missing", number.saturating_sub(1))),
            }
            due = number.saturating_add(1);
            match self.segment(number, see) {
                Ok(()) => {}
                Err(Stop::Foreign(why)) => return Err(why),
                Err(Stop::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(format!("segment {number} cannot be read: {error}"));
                }
                Err(Stop::Io(error)) => self.scan.lose(number, &error),
            }
        }
        Ok(())
    }

    fn segment(&mut self, number: u32, see: &mut dyn FnMut(Seen<'_>)) -> Result<(), Stop> {
        let last = Some(number) == self.last;
        self.scan.closed = false;
        self.scan.signed.segment(number);
        let mut place = Place { segment: number, line: 0, compressed: false };
        loop {
            match self.ahead.recv() {
                Ok(Ahead::Opened(compressed)) => place.compressed = compressed.map_err(Stop::Io)?,
                Ok(Ahead::Lines(batch)) => {
                    for line in batch.lines() {
                        place.line = place.line.saturating_add(1);
                        match line {
                            Some((bytes, hash)) => self.scan.line(bytes, hash, place, see).map_err(foreign_stop)?,
                            None => self.scan.unreadable(place),
                        }
                    }
                    let _ = self.give_back.send(batch); // whoever reads may be done
                }
                Ok(Ahead::Ended(rest)) => {
                    place.line = place.line.saturating_add(1);
                    match rest.map_err(Stop::Io)? {
                        0 => break,
                        // It is being written.
                        _ if last && self.live => break,
                        n => self.scan.unfinished(n, last, place),
                    }
                    break;
                }
                Err(RecvError) => return Err(Stop::Io(io::Error::other("whoever reads it has failed"))),
            }
        }
        self.scan.signed.end_segment(self.scan.closed, last, self.live);
        if !self.scan.closed && !last {
            self.scan.report.unclosed.push(|| number);
        }
        Ok(())
    }
}

fn foreign_stop(Foreign(why): Foreign) -> Stop {
    Stop::Foreign(why)
}

/// What the records say, and what the end of the log says of it.
impl Scan {
    pub(super) fn cover(&mut self, line: &Line<'_>, place: Place) {
        if self.log != line.log {
            self.log = line.log.clone().into_owned();
        }
        self.report.records = self.report.records.saturating_add(1);
        if line.ts.as_bytes() < self.latest.as_slice() {
            self.report.clock.push(|| line.seq);
        } else {
            self.latest.clear();
            self.latest.extend_from_slice(line.ts.as_bytes());
        }
        if self.report.hashed.len() < HashedField::ALL.len() {
            let fields = line.hashed().into_iter().filter_map(|pointer| HashedField::of_pointer(pointer.as_str()));
            self.report.hashed.extend(fields);
        }
        let coverage = self.report.coverage.get_or_insert_with(|| Coverage {
            log: line.log.clone().into_owned(),
            node: line.node.clone().into_owned(),
            segments: (place.segment, place.segment),
            records: (line.seq, line.seq),
        });
        (coverage.segments.1, coverage.records.1) = (place.segment, line.seq);
    }

    /// The first record of a segment opens it, and nothing stands behind its close.
    pub(super) fn place_in_segment(&mut self, line: &Line<'_>, place: Place) {
        let (seq, opens) = (line.seq, line.type_name == "audit.open");
        let first = place.line == 1;
        if opens != first || first && line.facts.segment != Some(u64::from(place.segment)) || self.closed {
            let what = || format!("record {} is out of place in its segment ({place})", Number(seq));
            self.find(Some(seq), what);
        }
        self.closed = line.type_name == "audit.close";
        if self.closed && line.facts.records != Some(place.line) && self.report.findings.n == 0 {
            self.find(Some(seq), || format!("record {} counts its segment wrong ({place})", Number(seq)));
        }
    }

    /// What the records themselves say to be missing.
    pub(super) fn content(&mut self, line: &Line<'_>, due: u64) {
        match (line.type_name, line.stage, line.intent()) {
            ("audit.open", ..) => {
                if let Some(n) = line.facts.torn {
                    let segment = line.facts.segment.unwrap_or_default();
                    self.report.torn.push(|| format!("{} octets before segment {segment}, set aside", Number(n)));
                }
                if line.is_new_start() {
                    self.give_up_intents();
                }
            }
            ("audit.purge", ..) if self.cut.is_some_and(|cut| cut.is_named_by(line)) => {
                let seq = line.seq;
                self.report.purged = self.cut.take().map(|cut| (cut.segment, cut.last.seq, seq));
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
        let types = line.facts.by_type.iter().flatten();
        let types: Vec<_> = types.map(|(name, n)| format!("{} {}", Number(*n), name.as_str())).collect();
        let reason = line.facts.reason.as_ref().map_or("", |reason| reason.as_str());
        let at = line.ts.get(..19).unwrap_or(line.ts);
        self.report.gaps.push(|| format!("{}-{} ({}) {reason} {at}Z", Number(first), Number(last), types.join(", ")));
    }

    /// The rest of a segment cannot be read; what comes behind it is of interest all the same.
    fn lose(&mut self, number: u32, error: &io::Error) {
        self.settle_all();
        self.find(None, || format!("segment {number} cannot be read: {error}"));
        self.before = Before::Altered;
    }

    /// The process that announced them is no more.
    fn give_up_intents(&mut self) {
        for seq in std::mem::take(&mut self.intents) {
            self.report.intents.push(|| seq);
        }
    }

    fn end(mut self, live: bool, last: Option<u32>, age: Option<Duration>) -> Report {
        self.settle_all();
        self.signed.end();
        self.report.signatures = std::mem::take(&mut self.signed.found);
        if let Some(segment) = self.behind.take().or(self.cut.map(|cut| cut.segment)) {
            self.find(Some(0), || match segment {
                1 => "segment 1 is missing".into(),
                _ => format!("segments 1-{segment} are missing"),
            });
        }
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
