//! The chain of a log, line by line: what follows, what does not, and which of two neighbours was altered.
//!
//! ```text
//!   k ◀─prev─ k+1 ◀─prev─ k+2      k+1 names another hash than that of k: one of the two was altered.
//!     ✗           ?                k+2 names the hash of k+1: it was k.  It does not: it was k+1.
//! ```
//!
//! Knows nothing of files. What the records themselves say is the work of [`super::verify`].

use std::collections::BTreeSet;

use serde::Deserialize;

use super::chain::Hash;
use super::line::{Line, NotARecord};
use super::purge::Cut;
use super::record::SCHEMA;
use super::report::{Finding, HeadState, Number, Report};
use super::segment::Noted;
use super::signed::Signed;
use super::verify::Seen;

/// It is not a log of this version, and why.
pub(super) struct Foreign(pub String);

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment.
    pub segment: u32,
    /// Number of the line in it, from 1.
    pub line: u64,
    /// Is the segment compressed? Lines are counted as if it were not.
    pub compressed: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ending = if self.compressed { ".zst" } else { "" };
        write!(f, "{:08}.jsonl{ending}:{}", self.segment, self.line)
    }
}

/// What came before the line at hand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
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
pub(super) struct Scan {
    pub report: Report,
    pub head: Option<Noted>,
    pub expect: Option<Noted>,
    pub head_met: bool,
    pub expect_met: bool,
    pub next_seq: u64,
    pub before: Before,
    pub log: String,
    /// Intents without a done, of the process that writes at this place of the log.
    pub intents: BTreeSet<u64>,
    /// The last record of this segment was audit.close.
    pub closed: bool,
    /// The latest time that a record told.
    pub latest: Vec<u8>,
    /// Segments up to this one are not there, and no record was read yet.
    pub behind: Option<u32>,
    /// Where the log begins then, until a record says that what was before was purged.
    pub cut: Option<Cut>,
    pub signed: Signed,
}

impl Scan {
    pub fn new(head: Option<Noted>, expect: Option<Noted>, signed: Signed) -> Self {
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
            latest: Vec::new(),
            behind: None,
            cut: None,
            signed,
        }
    }

    /// Notes a finding; the same record is named once.
    pub fn find(&mut self, seq: Option<u64>, what: impl FnOnce() -> String) {
        let said = self.report.findings.first.last().is_some_and(|last| seq.is_some() && last.seq == seq);
        if !said {
            self.report.findings.push(|| Finding { seq, what: what() });
        }
    }

    fn altered(&mut self, seq: u64, place: Place) {
        self.find(Some(seq), || format!("record {} was altered ({place})", Number(seq)));
    }

    /// The end of a segment is no whole line: a crash can leave that at the end of a log, and only there.
    pub fn unfinished(&mut self, octets: u64, last: bool, place: Place) {
        self.settle_all();
        let next = self.next_seq;
        if last && self.head.is_none_or(|head| head.seq < next) {
            self.report.torn.push(|| format!("{octets} octets of a line at the end ({place})"));
        } else {
            self.find(Some(next), || format!("record {} is unfinished ({place})", Number(next)));
            self.before = Before::Altered;
        }
    }

    /// A line, and the hash of its bytes.
    pub fn line(
        &mut self,
        bytes: &[u8],
        own: Hash,
        place: Place,
        see: &mut dyn FnMut(Seen<'_>),
    ) -> Result<(), Foreign> {
        if let Before::Newer { version, hash, place: newer } = self.before {
            match serde_json::from_slice::<AnyPrev<'_>>(bytes) {
                // The line behind it bears out that it was written like this.
                Ok(AnyPrev { prev }) if prev.is_none_or(|prev| prev.parse() == Ok(hash)) => {
                    return Err(Foreign(of_version(version, newer)));
                }
                _ => self.before = Before::Unreadable(newer),
            }
        }
        match Line::parse(bytes) {
            Ok(line) => {
                self.record(&line, own, place);
                see(Seen { line: &line, bytes, place });
            }
            Err(NotARecord::Version(version)) if !matches!(self.before, Before::Unreadable(_)) => {
                self.settle_all();
                self.before = Before::Newer { version, hash: own, place };
            }
            Err(NotARecord::Version(_) | NotARecord::Unreadable) => self.unreadable(place),
        }
        Ok(())
    }

    pub fn unreadable(&mut self, place: Place) {
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
    pub fn settle_all(&mut self) {
        self.settle(None);
        self.settle_number(self.head.map_or(0, |head| head.seq.saturating_add(1)));
    }

    fn record(&mut self, line: &Line<'_>, hash: Hash, place: Place) {
        let named = line.prev();
        // A hash that cannot be read is that of nothing.
        self.settle(Some(named.unwrap_or(Hash::ZERO)));
        self.settle_number(line.seq);
        if let Before::Unreadable(at) = self.before {
            self.behind_unreadable(line.seq, at);
        }
        if place.line == 1
            && let Some(cut) = self.behind.and_then(|segment| Cut::before(line, segment))
        {
            self.behind = None;
            self.cut = Some(cut);
            self.before = Before::Record { hash: cut.last.hash, record: None };
            self.next_seq = line.seq;
            self.log = line.log.clone().into_owned();
        }
        let due = self.next_seq;
        let in_order = line.seq == due || line.names_gap(due);
        let record = (line.seq, place);
        let here = Before::Record { hash, record: Some(record) };
        match self.before {
            Before::Record { hash: before, record: earlier } => match (named == Some(before), in_order) {
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
        self.signed.record(line, hash, place);
    }
}

pub(super) fn of_version(version: u64, place: Place) -> String {
    format!("{place}: a record of version {version}, this imapwarden reads version {SCHEMA}")
}
