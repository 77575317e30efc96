//! `keep`: sealed segments that are older than that go, oldest first, each once the log says so.
//!
//! ```text
//!   sync: a look at the oldest ─▶ Due ─▶ writer: audit.purge {segment, first, last, hash} ─▶ on disk ─▶ removed
//!                                                                  ▲
//!   first line that is left: {"seq": last + 1, "prev": hash} ──────┘ verify, resume: no segment is missing
//! ```

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::chain::{Hash, Position};
use super::line::Line;
use super::lines::{Lines, Piece};
use super::record::MAX_LINE;
use super::segment::{self, Noted};
use super::shared::Shared;
use crate::session::event::EventKind;

/// Type of the record that names what was purged.
const TYPE: &str = "audit.purge";

/// A sealed segment, and what its ends say.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub number: u32,
    /// Number of its first record.
    first: u64,
    /// Its last record.
    last: Noted,
    /// When that was written.
    ended: Timestamp,
}

/// What there is to be purged.
#[derive(Debug, Default)]
pub(super) enum Purge {
    /// Nothing, as far as is known.
    #[default]
    Nothing,
    /// This segment.
    Due(Sealed),
    /// A segment could not be removed: no other one before it.
    Stuck,
}

impl Sealed {
    fn read(directory: &Path, number: u32) -> io::Result<Self> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let mut lines = Lines::new(segment::read(directory, number)?);
        let first = match lines.next()? {
            Piece::Line(bytes) => Line::parse(bytes).map_err(|_| damaged())?.seq,
            Piece::TooLong(_) | Piece::Unfinished(_) => return Err(damaged()),
        };
        let bytes = segment::last_line(directory, number, MAX_LINE)?.ok_or_else(damaged)?;
        let line = Line::parse(&bytes).map_err(|_| damaged())?;
        let ended = line.ts.parse().map_err(|_| damaged())?;
        Ok(Self { number, first, last: Noted { seq: line.seq, hash: Hash::of(&bytes) }, ended })
    }

    /// The record that names it.
    pub fn event(&self) -> EventKind {
        EventKind::AuditPurge {
            segment: self.number,
            first: self.first,
            last: self.last.seq,
            hash: self.last.hash.to_string().into(),
        }
    }

    fn is_older(&self, keep: Duration, now: Timestamp) -> bool {
        Duration::try_from(now.duration_since(self.ended)).is_ok_and(|age| age > keep)
    }
}

/// Is the oldest segment older than is kept? `oldest` is what is known of it from the last look.
pub(super) fn look(shared: &Shared, oldest: &mut Option<Sealed>) {
    let Some(keep) = shared.settings.keep.filter(|_| !shared.failing()) else { return };
    if !matches!(shared.state().purge, Purge::Nothing) {
        *oldest = None;
        return;
    }
    if oldest.is_none() {
        *oldest = find(shared.directory.path()).unwrap_or_else(|error| {
            tracing::debug!("the oldest segment of the audit log cannot be read: {error}");
            None
        });
    }
    if let Some(sealed) = oldest.take_if(|sealed| sealed.is_older(keep, Timestamp::now())) {
        shared.ask_to_purge(sealed);
    }
}

/// The oldest segment, but never that which is open.
fn find(directory: &Path) -> io::Result<Option<Sealed>> {
    match segment::list(directory)?.as_slice() {
        [oldest, _, ..] => Sealed::read(directory, *oldest).map(Some),
        _ => Ok(None),
    }
}

/// Where a log begins whose first segments are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The last of the segments that are gone.
    pub segment: u32,
    /// The last record that is gone.
    pub last: Noted,
}

impl Cut {
    /// Before this line, which is the first that is left.
    pub fn before(line: &Line<'_>, segment: u32) -> Option<Self> {
        Some(Self { segment, last: Noted { seq: line.seq.checked_sub(1)?, hash: line.prev()? } })
    }

    /// Does the record say that all before it was purged?
    pub fn is_named_by(self, line: &Line<'_>) -> bool {
        let facts = &line.facts;
        line.type_name == TYPE
            && facts.segment == Some(u64::from(self.segment))
            && facts.last == Some(self.last.seq)
            && facts.hash.as_ref().and_then(|hash| hash.as_str().parse().ok()) == Some(self.last.hash)
    }
}

/// Where a log begins whose first segment is this one.
pub(super) fn beginning(directory: &Path, first: u32) -> io::Result<Option<(Cut, Position)>> {
    let mut lines = Lines::new(segment::read(directory, first)?);
    let Piece::Line(bytes) = lines.next()? else { return Ok(None) };
    let cut = Line::parse(bytes).ok().and_then(|line| Cut::before(&line, first.checked_sub(1)?));
    Ok(cut.map(|cut| (cut, Position { next_seq: cut.last.seq.saturating_add(1), prev: cut.last.hash })))
}

/// Does the log say so? Told by one of its newest segments, as a rule.
pub(super) fn is_named(directory: &Path, segments: &[u32], cut: Cut) -> io::Result<bool> {
    let finder = Finder::new(TYPE);
    for number in segments.iter().rev() {
        let mut lines = Lines::new(segment::read(directory, *number)?);
        loop {
            match lines.next()? {
                Piece::Line(bytes) if finder.find(bytes).is_some() => {
                    if Line::parse(bytes).is_ok_and(|line| cut.is_named_by(&line)) {
                        return Ok(true);
                    }
                }
                Piece::Unfinished(_) => break,
                Piece::Line(_) | Piece::TooLong(_) => {}
            }
        }
    }
    Ok(false)
}
