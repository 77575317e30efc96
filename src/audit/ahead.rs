//! Lines and their hashes, read ahead of whoever asks.
//!
//! ```text
//!   segment ─▶ lines ─▶ SHA-256 ─▶ batch ══▶ scan, reports        on another processor
//!                          ▲                   │
//!                          └───── used ◀═══════┘
//! ```
//!
//! Memory is that of a few batches: who reads waits for who asks.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};

use super::chain::Hash;
use super::lines::{Lines, Piece};
use super::segment;

/// Octets of lines that are handed over at once.
const BATCH: usize = 128 * 1024;
/// Batches that are read ahead.
pub(super) const BATCHES: usize = 8;

/// What comes next of the segments.
pub(super) enum Ahead {
    /// A segment begins; is it compressed?
    Opened(io::Result<bool>),
    /// Some of its lines.
    Lines(Batch),
    /// It ends, with so many octets behind its last whole line.
    Ended(io::Result<u64>),
}

/// Lines that stand one behind the other.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`, and its hash; none for one that was too long to be kept.
    ends: Vec<(usize, Option<Hash>)>,
}

impl Batch {
    /// The lines and their hashes; none for one that is too long to be a record.
    pub fn lines(&self) -> impl Iterator<Item = Option<(&[u8], Hash)>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, hash)| {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            hash.map(|hash| (bytes, hash))
        })
    }

    fn push(&mut self, line: Option<&[u8]>) {
        self.bytes.extend_from_slice(line.unwrap_or_default());
        self.ends.push((self.bytes.len(), line.map(Hash::of)));
    }
}

/// Reads the segments of these numbers, until nobody asks any more.
pub(super) fn read(directory: &Path, numbers: &[u32], to: &SyncSender<Ahead>, used: &Receiver<Batch>) {
    for number in numbers {
        let told = match segment::read(directory, *number) {
            Err(error) => to.send(Ahead::Opened(Err(error))),
            Ok(content) => to
                .send(Ahead::Opened(Ok(content.is_compressed())))
                .and_then(|()| to.send(Ahead::Ended(lines(Lines::new(content), to, used)))),
        };
        if told.is_err() {
            return;
        }
    }
}

fn lines(mut lines: Lines<segment::Content>, to: &SyncSender<Ahead>, used: &Receiver<Batch>) -> io::Result<u64> {
    let mut batch = Batch::default();
    let end = loop {
        match lines.next() {
            Ok(Piece::Line(line)) => batch.push(Some(line)),
            Ok(Piece::TooLong(_)) => batch.push(None),
            Ok(Piece::Unfinished(rest)) => break Ok(rest),
            Err(error) => break Err(error),
        }
        if batch.bytes.len() >= BATCH {
            let mut next = used.try_recv().unwrap_or_default();
            next.bytes.clear();
            next.ends.clear();
            // Where nobody asks, the end is not told either.
            if to.send(Ahead::Lines(std::mem::replace(&mut batch, next))).is_err() {
                return Ok(0);
            }
        }
    };
    let _ = to.send(Ahead::Lines(batch)); // likewise
    end
}
