//! Records, read in the order in which they were written, without a look at the chain.
//!
//! ```text
//!   00000001.jsonl.zst ─▶ lines ─▶ Item::Record     a line of a newer version, rubbish, a missing segment:
//!   00000002.jsonl     ─▶   │                       Item::Trouble, with file and line, and on it goes
//!   (grows)            ─▶ advance again
//! ```
//!
//! Memory is that of one line. What is told of a whole log goes through [`super::verify_and_see`] instead.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::line::{Line, NotARecord};
use super::lines::{Lines, Piece};
use super::scan::{Place, of_version};
use super::segment::{self, Content};
use super::verify::Seen;

/// What a reader meets.
#[derive(Debug)]
pub enum Item<'i> {
    /// A record.
    Record(Seen<'i>),
    /// What is no record, in words, with file and line.
    Trouble(String),
}

/// What has seen an item and says whether it wants more.
pub type See<'s> = dyn FnMut(Item<'_>) -> ControlFlow<()> + 's;

/// Reads a log, and goes on where it grows.
pub struct Reader {
    directory: PathBuf,
    open: Option<Open>,
    /// The number of the segment that was read last, or before which reading begins.
    after: u32,
}

/// A segment that is being read.
struct Open {
    lines: Lines<Content>,
    place: Place,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("directory", &self.directory).field("after", &self.after).finish_non_exhaustive()
    }
}

/// The numbers of a log's segments, in order.
///
/// # Errors
/// Where the directory cannot be read.
pub fn segments(directory: &Path) -> io::Result<Vec<u32>> {
    segment::list(directory)
}

/// Does a process write to the log in this directory?
#[must_use]
pub fn is_live(directory: &Path) -> bool {
    segment::is_locked(directory)
}

impl Reader {
    /// Reads from this segment on; from the first where none is given.
    #[must_use]
    pub fn new(directory: &Path, from: Option<u32>) -> Self {
        Self { directory: directory.to_owned(), open: None, after: from.map_or(0, |from| from.saturating_sub(1)) }
    }

    /// Shows all that is there by now and was not shown yet. Breaks where `see` does.
    ///
    /// # Errors
    /// Where the directory cannot be read. What cannot be read of a segment is shown as trouble.
    pub fn advance(&mut self, see: &mut See<'_>) -> io::Result<ControlFlow<()>> {
        loop {
            if self.read(see).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let Some(next) = segment::list(&self.directory)?.into_iter().find(|number| *number > self.after) else {
                return Ok(ControlFlow::Continue(()));
            };
            // What was written between the last look and the begin of the next segment.
            if self.read(see).is_break() || self.leave(see, next).is_break() || self.enter(next, see).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Octets behind the last whole line of what was read, and where they stand.
    #[must_use]
    pub fn rest(&mut self) -> Option<(u64, Place)> {
        let open = self.open.as_mut()?;
        match open.lines.next() {
            Ok(Piece::Unfinished(n)) if n > 0 => Some((n, open.place)),
            _ => None,
        }
    }

    fn enter(&mut self, number: u32, see: &mut See<'_>) -> ControlFlow<()> {
        self.after = number;
        match segment::read(&self.directory, number) {
            Ok(content) => {
                let place = Place { segment: number, line: 1, compressed: content.is_compressed() };
                self.open = Some(Open { lines: Lines::new(content), place });
                ControlFlow::Continue(())
            }
            Err(error) => see(Item::Trouble(format!("segment {number} cannot be read: {error}"))),
        }
    }

    /// Says what is wrong between two segments.
    fn leave(&mut self, see: &mut See<'_>, next: u32) -> ControlFlow<()> {
        if let Some((octets, place)) = self.rest() {
            see(Item::Trouble(format!("{place}: {octets} octets of a line that never ended")))?;
        }
        let was_open = self.open.take().is_some();
        match next.saturating_sub(self.after) {
            0 | 1 => ControlFlow::Continue(()),
            // Before the first one that is there, they were purged.
            _ if !was_open => ControlFlow::Continue(()),
            2 => see(Item::Trouble(format!("segment {} is missing", next.saturating_sub(1)))),
            _ => see(Item::Trouble(format!(
                "segments {}-{} are missing",
                self.after.saturating_add(1),
                next.saturating_sub(1)
            ))),
        }
    }

    /// All whole lines of the open segment.
    fn read(&mut self, see: &mut See<'_>) -> ControlFlow<()> {
        let Some(open) = &mut self.open else { return ControlFlow::Continue(()) };
        loop {
            let place = open.place;
            let flow = match open.lines.next() {
                Ok(Piece::Line(bytes)) => show(bytes, place, see),
                Ok(Piece::TooLong(_)) => see(Item::Trouble(format!("{place}: longer than any record"))),
                Ok(Piece::Unfinished(_)) => return ControlFlow::Continue(()),
                Err(error) => {
                    self.open = None;
                    return see(Item::Trouble(format!("{place}: cannot be read: {error}")));
                }
            };
            open.place.line = place.line.saturating_add(1);
            flow?;
        }
    }
}

fn show(bytes: &[u8], place: Place, see: &mut See<'_>) -> ControlFlow<()> {
    match Line::parse(bytes) {
        Ok(line) => see(Item::Record(Seen { line: &line, bytes, place })),
        Err(NotARecord::Version(version)) => see(Item::Trouble(of_version(version, place))),
        Err(NotARecord::Unreadable) => see(Item::Trouble(format!("{place}: not a record of an audit log"))),
    }
}
