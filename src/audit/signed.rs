//! Was it signed, by the keys that lead back to the one that somebody keeps elsewhere, and in time?
//!
//! ```text
//!   --key ─▶ audit.key {new} ─▶ audit.key {new} ─▶ …      each over all records before it, signed with the one before
//!               │ segment 1       │ segment 2
//!               ▼                 ▼
//!   00000001.notes             00000002.notes             each note: so many records, the hash of the last, in time
//! ```
//!
//! Follows the scan record by record and fails closed: what should be signed and is not is a finding.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use super::chain::Hash;
use super::keys::{self, Announcement, Notes, TYPE, place_of};
use super::line::Line;
use super::log::INTERVAL;
use super::note::{self, Note, PublicKey};
use super::report::{Number, Signatures};
use super::scan::Place;

/// What a log is held against, beside itself.
#[derive(Debug, Clone, Default)]
pub struct Demands {
    /// A record that was noted elsewhere.
    pub expect: Option<super::Noted>,
    /// The first key of the log, or a later one: what was signed before that one is not looked at.
    pub key: Option<PublicKey>,
    /// Those of logs beside it.
    pub beside: Vec<PublicKey>,
    /// Directory of notes that were published.
    pub published: Option<PathBuf>,
}

/// Looks at the signatures of a log.
pub(super) struct Signed {
    directory: PathBuf,
    key: Option<PublicKey>,
    pub found: Signatures,
    trust: Trust,
    /// Notes of this segment that no record was met for, oldest last.
    notes: Vec<Note>,
    /// Those of the segment that was the last one before any line was read: a log that grows is no contradiction.
    last: Option<(u32, Notes)>,
    /// Notes that were published, by the record that they cover, oldest last.
    published: Vec<Note>,
    /// What the newest note that was met says.
    met: Option<(u64, Hash)>,
    /// Seconds and fraction at which the next record needs a note before it.
    late: Option<String>,
    segment: u32,
    /// Octets behind the notes of this segment.
    rest: u64,
    /// A key was announced in this segment: for which.
    announced: Option<u32>,
    next_seq: u64,
}

/// Which key is believed.
enum Trust {
    /// The one that was given has not been met.
    None,
    /// This one, for this segment; maybe the next one, too.
    Key { key: PublicKey, segment: u32, next: Option<(u32, PublicKey)> },
    /// A key was announced that the one before did not sign: nothing behind it is believed.
    Broken,
}

/// The `data` of `audit.checkpoint`.
#[derive(Deserialize)]
struct Checkpoint<'l> {
    size: u64,
    hash: &'l str,
}

impl Signed {
    pub fn new(directory: &Path, key: Option<PublicKey>) -> Self {
        Self {
            directory: directory.to_owned(),
            key,
            found: Signatures::default(),
            trust: Trust::None,
            notes: Vec::new(),
            last: None,
            published: Vec::new(),
            met: None,
            late: None,
            segment: 0,
            rest: 0,
            announced: None,
            next_seq: 0,
        }
    }

    /// What is read before the first line: announcements of segments that were purged, notes of the newest one, and those that
    /// were published.
    pub fn begin(&mut self, numbers: &[u32], demands: &Demands) -> Result<(), String> {
        if self.key.is_none() {
            return Ok(());
        }
        let failed = |what: &str, error: io::Error| format!("{what} cannot be read: {error}");
        if let Some(last) = numbers.last() {
            let notes = keys::notes(&self.directory, *last).map_err(|error| failed("the newest notes", error))?;
            self.last = Some((*last, notes));
        }
        let first = numbers.first().copied().unwrap_or(1);
        if first > 1 {
            let kept = keys::kept(&self.directory).map_err(|error| failed("keys.jsonl", error))?;
            for bytes in kept {
                match Line::parse(&bytes) {
                    Ok(line) if line.type_name == TYPE => self.kept(&line, first),
                    _ => self.find(|| "a line of keys.jsonl is no record that announces a key".into()),
                }
            }
        }
        for number in keys::noted(&self.directory).map_err(|error| failed("the directory", error))? {
            if numbers.binary_search(&number).is_err() {
                self.find(|| format!("there are notes of segment {number}, and no such segment"));
            }
        }
        if let Some(directory) = &demands.published {
            let mut notes = published(directory).map_err(|error| failed("what was published", error))?;
            notes.retain(|note| !demands.beside.iter().any(|key| key.name() == note.origin));
            self.published = notes;
        }
        Ok(())
    }

    fn find(&mut self, what: impl FnOnce() -> String) {
        self.found.findings.push(what);
    }

    /// An announcement in a segment that was purged.
    fn kept(&mut self, line: &Line<'_>, first: u32) {
        let Some(announcement) = line.data::<Announcement>() else { return };
        let again = matches!(&self.trust, Trust::Key { segment, next, .. }
            if announcement.segment <= next.as_ref().map_or(*segment, |(segment, _)| *segment));
        if announcement.segment <= first && !again {
            self.enter(announcement.segment.saturating_sub(1));
            if !self.announce(line, &announcement) {
                self.find(|| {
                    format!("a key of keys.jsonl was not signed with the one before: record {}", Number(line.seq))
                });
                self.trust = Trust::Broken;
            }
            self.enter(announcement.segment);
        }
    }

    /// A key that was announced for a segment is that of the segment.
    fn enter(&mut self, number: u32) {
        if let Trust::Key { key, segment, next } = &mut self.trust
            && let Some((for_segment, new)) = next.take_if(|(next, _)| *next <= number)
        {
            (*key, *segment) = (new, for_segment);
        }
    }

    /// A segment begins.
    pub fn segment(&mut self, number: u32) {
        (self.segment, self.announced, self.late) = (number, None, None);
        self.enter(number);
        if self.key.is_none() {
            return;
        }
        let read = match self.last.take_if(|(last, _)| *last == number) {
            Some((_, notes)) => Ok(notes),
            None => keys::notes(&self.directory, number),
        };
        match read {
            Ok(notes) => self.take_up(notes),
            Err(error) => self.find(|| format!("the notes of segment {number} cannot be read: {error}")),
        }
    }

    fn take_up(&mut self, Notes { mut notes, rest, .. }: Notes) {
        let number = self.segment;
        self.rest = rest;
        if let Some(pair) = notes.windows(2).find(|pair| pair[0].size >= pair[1].size) {
            let size = pair[1].size;
            self.find(|| {
                format!("a note of segment {number} stands there twice or out of order, over {}", Number(size))
            });
        }
        notes.reverse();
        self.notes = notes;
    }

    /// A record that follows the one before it.
    pub fn record(&mut self, line: &Line<'_>, hash: Hash, place: Place) {
        if line.type_name == TYPE {
            self.found.announced = true;
        }
        if self.key.is_none() {
            return;
        }
        self.next_seq = line.seq.saturating_add(1);
        if line.type_name == TYPE {
            match line.data::<Announcement>() {
                Some(announcement) => self.announced_here(line, &announcement, place),
                None => {
                    self.find(|| format!("record {} announces no key that can be read ({place})", Number(line.seq)))
                }
            }
        } else if place.line == 2 && self.lacks_key() {
            let segment = self.segment;
            self.find(|| format!("no key is announced for segment {segment} ({place})"));
        }
        if line.type_name == "audit.checkpoint" {
            self.checkpoint(line, place);
        }
        self.in_time(line, place);
        self.notes_on(line.seq, hash, place);
    }

    fn lacks_key(&self) -> bool {
        matches!(&self.trust, Trust::Key { segment, .. } if *segment != self.segment)
    }

    fn announced_here(&mut self, line: &Line<'_>, announcement: &Announcement, place: Place) {
        let seq = line.seq;
        self.announced = Some(announcement.segment);
        let opening = place.line == 2 && announcement.segment == self.segment;
        if !opening && announcement.segment != self.segment.saturating_add(1) {
            self.find(|| format!("record {} announces a key for another segment ({place})", Number(seq)));
        }
        let again = matches!(&self.trust, Trust::Key { segment, .. } if opening && *segment == self.segment);
        if again {
            return self.find(|| format!("record {} announces a second key ({place})", Number(seq)));
        }
        if !self.announce(line, announcement) {
            self.find(|| {
                format!("the key that record {} announces was not signed with the one before ({place})", Number(seq))
            });
            self.trust = Trust::Broken;
        }
        if opening {
            self.enter(self.segment);
        }
    }

    /// Takes an announcement up; `false`: it is not signed as it should be.
    fn announce(&mut self, line: &Line<'_>, announcement: &Announcement) -> bool {
        let Some(given) = &self.key else { return true };
        let Some(new) = given.named_alike(&announcement.public) else { return false };
        let signer = match &self.trust {
            Trust::Broken => return true, // that was said
            Trust::Key { key, .. } => key,
            Trust::None if new == *given && announcement.old.is_none() => &new,
            Trust::None => {
                // What was signed with keys before the given one is not for it to tell.
                if new == *given {
                    self.found.from = announcement.segment;
                    self.trust = Trust::Key { key: new, segment: announcement.segment, next: None };
                }
                return true;
            }
        };
        let text = place_of(line)
            .map(|place| note::announcement(new.name(), announcement.segment, &announcement.public, place));
        let signed =
            text.zip(note::signature(&announcement.sig)).is_some_and(|(text, sig)| signer.verifies(&text, &sig));
        match &mut self.trust {
            Trust::Key { next, .. } if signed => *next = Some((announcement.segment, new)),
            Trust::None if signed => {
                self.found.from = announcement.segment;
                self.trust = Trust::Key { key: new, segment: announcement.segment, next: None };
            }
            Trust::Key { .. } | Trust::None | Trust::Broken => {}
        }
        signed && line.log == given.log()
    }

    /// It says that a note was signed: where is it?
    fn checkpoint(&mut self, line: &Line<'_>, place: Place) {
        if !self.is_in_force() {
            return;
        }
        let said = line.data::<Checkpoint<'_>>().and_then(|said| Some((said.size, said.hash.parse().ok()?)));
        if said.is_some() && said == self.met {
            return;
        }
        // It was signed after the notes of an open segment were read.
        let now = keys::notes(&self.directory, self.segment).map(|notes| notes.notes).unwrap_or_default();
        let note = now.into_iter().find(|note| said == Some((note.size, note.hash)));
        if !note.is_some_and(|note| self.is_signed(&note)) {
            self.find(|| format!("the note that record {} tells of is missing ({place})", Number(line.seq)));
        }
        self.met = said;
        self.late = None;
    }

    fn is_in_force(&self) -> bool {
        matches!(&self.trust, Trust::Key { segment, .. } if *segment == self.segment)
    }

    fn is_signed(&self, note: &Note) -> bool {
        matches!(&self.trust, Trust::Key { key, segment, .. } if *segment == self.segment && note.is_by(key))
    }

    /// Is there a note for what was written two intervals before this?
    fn in_time(&mut self, line: &Line<'_>, place: Place) {
        // The last lines of a segment may have waited for the disk to work again.
        if !self.is_in_force() || matches!(line.type_name, TYPE | "audit.close" | "audit.gap") {
            return;
        }
        match &self.late {
            None => self.late = line.ts.parse().ok().and_then(|at: Timestamp| late(at)),
            Some(late) if line.ts > late.as_str() => {
                let seq = Number(line.seq);
                self.find(|| format!("no note was signed in the two minutes before record {seq} ({place})"));
                self.late = None;
            }
            Some(_) => {}
        }
    }

    /// The notes that name this record as the last one.
    fn notes_on(&mut self, seq: u64, hash: Hash, place: Place) {
        let size = seq.saturating_add(1);
        while let Some(note) = self.notes.pop_if(|note| note.size <= size) {
            if !self.is_in_force() {
                continue; // of keys before the one that was given
            }
            self.found.notes = self.found.notes.saturating_add(1);
            if note.size < size {
                self.find(|| format!("a note is over {} records, and none ends there ({place})", Number(note.size)));
            } else if !self.is_signed(&note) {
                self.find(|| {
                    format!(
                        "the note over {} records is not signed with the key of its segment ({place})",
                        Number(size)
                    )
                });
            } else if note.hash != hash {
                self.find(|| format!("record {} is not the one that a note names ({place})", Number(seq)));
            } else {
                (self.met, self.late, self.found.up_to) = (Some((size, hash)), None, Some(seq));
            }
        }
        while let Some(note) = self.published.pop_if(|note| note.size <= size) {
            if !self.is_in_force() {
                continue;
            }
            if note.size < size || note.hash != hash || !self.is_signed(&note) {
                self.find(|| {
                    format!(
                        "record {} is not the one that was published ({place})",
                        Number(note.size.saturating_sub(1))
                    )
                });
            } else {
                self.found.published = self.found.published.saturating_add(1);
            }
        }
    }

    /// A segment ends. Is it the last one, and somebody writes to it?
    pub fn end_segment(&mut self, closed: bool, last: bool, live: bool) {
        let number = self.segment;
        match std::mem::take(&mut self.rest) {
            0 => {}
            rest if last && !live => {
                self.found.torn.push(|| format!("{rest} octets behind the notes of segment {number}"))
            }
            _ if last => {}
            rest => self.find(|| format!("{rest} octets behind the notes of segment {number} are no note")),
        }
        let rest = std::mem::take(&mut self.notes);
        if !self.is_in_force() {
            return;
        }
        if let Some(note) = rest.first() {
            let (noted, there) = (Number(note.size), Number(self.next_seq));
            self.find(|| format!("a note of segment {number} is over {noted} records, there are {there}"));
        }
        if !closed {
            return;
        }
        if self.announced != Some(number.saturating_add(1)) {
            self.find(|| format!("segment {number} ends without announcing the next key"));
        }
        if self.met.is_none_or(|(size, _)| size != self.next_seq) && !(last && live) {
            self.find(|| format!("the last note of segment {number} is missing"));
        }
    }

    /// The log ends.
    pub fn end(&mut self) {
        let Some(key) = &self.key else { return };
        let id = key.id();
        if !self.found.announced {
            self.find(|| "this log announces no key".into());
        } else if matches!(self.trust, Trust::None) {
            self.find(|| format!("this log does not announce the key {id}, nor is it in keys.jsonl"));
        }
        let there = Number(self.next_seq);
        if let Some(note) = self.published.first() {
            let size = Number(note.size);
            self.find(|| format!("a note was published over {size} records, there are {there}"));
        }
        self.found.checked = true;
    }
}

/// Two intervals later, as records spell it.
fn late(at: Timestamp) -> Option<String> {
    let interval = jiff::SignedDuration::try_from(INTERVAL * 2).ok()?;
    at.checked_add(interval).ok().map(|at| format!("{at:.6}"))
}

/// All notes in the files of a directory, those over the most records first.
fn published(directory: &Path) -> io::Result<Vec<Note>> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            let read = Notes::of(&std::fs::read(&path)?);
            if read.rest > 0 || read.notes.is_empty() {
                return Err(io::Error::other(format!("{} holds what is no note", path.display())));
            }
            notes.extend(read.notes);
        }
    }
    notes.sort_by_key(|note| std::cmp::Reverse(note.size));
    Ok(notes)
}
