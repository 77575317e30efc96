//! Which number does this client use for that message?
//!
//! ```text
//!   UID        11   12   15   16   20        12 is hidden, 16 was expunged and the client has not been told
//!   upstream    1    2    3    ·    4
//!   client      1    ·    2    3    4
//! ```
//!
//! Told by `session` what there is and how it stands; knows nothing of rules or bytes. Messages are kept as runs of
//! consecutive UIDs that stand alike, in chunks that know their sums: a number or a UID is found by looking at the sums, and
//! then into one chunk. Memory goes by runs, hence by gaps and hidden messages, not by messages.

mod change;
mod sets;

use crate::imap::message::Uid;

/// How a message stands between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Upstream has it, the client knows it.
    Visible,
    /// Upstream has it, and the client may know it: it has not been told yet.
    New,
    /// Upstream has it, the client must not know it.
    Hidden,
    /// Upstream has it, the client knows it, and must lose it.
    Leaving,
    /// Upstream has it no more, the client does not know that yet.
    Gone,
}

impl Standing {
    const fn is_up(self) -> bool {
        !matches!(self, Self::Gone)
    }

    const fn is_down(self) -> bool {
        matches!(self, Self::Visible | Self::Leaving | Self::Gone)
    }
}

/// Messages whose UIDs follow each other and that stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    len: u32,
    standing: Standing,
}

impl Run {
    const fn end(self) -> u32 {
        self.first.saturating_add(self.len)
    }

    const fn up(self) -> u32 {
        if self.standing.is_up() { self.len } else { 0 }
    }

    const fn down(self) -> u32 {
        if self.standing.is_down() { self.len } else { 0 }
    }
}

/// Runs that are looked through one by one.
#[derive(Debug, Default)]
struct Chunk {
    runs: Vec<Run>,
    up: u32,
    down: u32,
}

/// Runs in a chunk, at most.
const CHUNK: usize = 64;

/// Where something is: chunk, run, and which message of the run.
#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: usize,
    run: usize,
    offset: u32,
    /// Client numbers before the run.
    down: u32,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// How it stands.
    pub standing: Standing,
    /// Its number for the client, if it has one.
    pub number: Option<u32>,
}

/// Visible messages that follow each other on both sides, and by UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first one's number upstream.
    pub upstream: u32,
    /// Its number for the client.
    pub number: u32,
    /// Its UID.
    pub uid: Uid,
    /// How many.
    pub len: u32,
}

impl Stretch {
    /// Which of them has this number upstream, from 0.
    #[must_use]
    pub fn offset(&self, upstream: u32) -> Option<u32> {
        upstream.checked_sub(self.upstream).filter(|offset| *offset < self.len)
    }
}

/// All messages of a mailbox that either side knows of, by UID.
#[derive(Debug, Default)]
pub struct Messages {
    chunks: Vec<Chunk>,
    up: u32,
    down: u32,
}

impl Messages {
    /// How many the upstream has.
    #[must_use]
    pub const fn upstream_count(&self) -> u32 {
        self.up
    }

    /// How many the client knows: EXISTS, less what it was told to be expunged.
    #[must_use]
    pub const fn client_count(&self) -> u32 {
        self.down
    }

    /// The message with this number upstream.
    #[must_use]
    pub fn by_upstream(&self, number: u32) -> Option<Message> {
        let place = self.place_of(number, |chunk| chunk.up, Run::up)?;
        self.at(place)
    }

    /// Those that follow the message with this number upstream, if it is visible.
    #[must_use]
    pub fn visible_stretch(&self, number: u32) -> Option<Stretch> {
        let place = self.place_of(number, |chunk| chunk.up, Run::up)?;
        let message = self.at(place).filter(|message| message.standing == Standing::Visible)?;
        let run = *self.chunks.get(place.chunk)?.runs.get(place.run)?;
        let len = run.len.saturating_sub(place.offset);
        Some(Stretch { upstream: number, number: message.number?, uid: message.uid, len })
    }

    /// How many behind the message with this number upstream have numbers and UIDs that follow its own, and stand alike.
    #[must_use]
    pub fn following(&self, number: u32) -> u32 {
        let place = self.place_of(number, |chunk| chunk.up, Run::up);
        let run = place.and_then(|place| Some((place, self.chunks.get(place.chunk)?.runs.get(place.run)?)));
        run.map_or(0, |(place, run)| run.len.saturating_sub(place.offset).saturating_sub(1))
    }

    /// The message with this number for the client.
    #[must_use]
    pub fn by_client(&self, number: u32) -> Option<Message> {
        let place = self.place_of(number, |chunk| chunk.down, Run::down)?;
        self.at(place)
    }

    /// The message with this UID.
    #[must_use]
    pub fn by_uid(&self, uid: Uid) -> Option<Message> {
        self.at(self.place_of_uid(uid.get())?)
    }

    /// The largest UID that either side knows of.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        let run = self.chunks.last()?.runs.last()?;
        Uid::new(run.end().saturating_sub(1))
    }

    /// The largest UID that the client knows.
    #[must_use]
    pub fn last_told(&self) -> Option<Uid> {
        let down = |run: &&Run| run.standing.is_down();
        let mut chunks = self.chunks.iter().rev().filter(|chunk| chunk.down > 0);
        let run = chunks.find_map(|chunk| chunk.runs.iter().rev().find(down))?;
        Uid::new(run.end().saturating_sub(1))
    }

    /// Is there something that the client must be told to be expunged?
    #[must_use]
    pub fn owes_expunge(&self) -> bool {
        let owed = |run: &Run| matches!(run.standing, Standing::Gone | Standing::Leaving);
        self.chunks.iter().any(|chunk| chunk.runs.iter().any(owed))
    }

    /// Has something arrived that the client has not been told of?
    #[must_use]
    pub fn owes_exists(&self) -> bool {
        let new = |run: &Run| run.standing == Standing::New;
        self.chunks.iter().rev().any(|chunk| chunk.runs.iter().rev().any(new))
    }

    fn all_runs(&self) -> impl DoubleEndedIterator<Item = Run> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.runs.iter().copied())
    }

    fn place_of(&self, number: u32, sum: impl Fn(&Chunk) -> u32, len: impl Fn(Run) -> u32) -> Option<Place> {
        let mut left = number.checked_sub(1)?;
        let mut down = 0_u32;
        for (at, chunk) in self.chunks.iter().enumerate() {
            if left >= sum(chunk) {
                left = left.saturating_sub(sum(chunk));
                down = down.saturating_add(chunk.down);
                continue;
            }
            for (run_at, run) in chunk.runs.iter().enumerate() {
                if left < len(*run) {
                    return Some(Place { chunk: at, run: run_at, offset: left, down });
                }
                left = left.saturating_sub(len(*run));
                down = down.saturating_add(run.down());
            }
        }
        None
    }

    fn place_of_uid(&self, uid: u32) -> Option<Place> {
        let first = |chunk: &Chunk| chunk.runs.first().map_or(u32::MAX, |run| run.first);
        let at = self.chunks.partition_point(|chunk| first(chunk) <= uid).checked_sub(1)?;
        let chunk = self.chunks.get(at)?;
        let run_at = chunk.runs.partition_point(|run| run.first <= uid).checked_sub(1)?;
        let run = *chunk.runs.get(run_at)?;
        let offset = uid.checked_sub(run.first).filter(|offset| *offset < run.len)?;
        let before = self.chunks.iter().take(at).map(|chunk| chunk.down).fold(0, u32::saturating_add);
        let inside = chunk.runs.iter().take(run_at).map(|run| run.down()).fold(0, u32::saturating_add);
        Some(Place { chunk: at, run: run_at, offset, down: before.saturating_add(inside) })
    }

    fn at(&self, place: Place) -> Option<Message> {
        let run = *self.chunks.get(place.chunk)?.runs.get(place.run)?;
        let number = place.down.saturating_add(place.offset).saturating_add(1);
        Some(Message {
            uid: Uid::new(run.first.checked_add(place.offset)?)?,
            standing: run.standing,
            number: run.standing.is_down().then_some(number),
        })
    }

    /// Octets that it takes, as far as they depend on what is in it.
    #[must_use]
    pub fn memory(&self) -> usize {
        let chunks = self.chunks.capacity().saturating_mul(size_of::<Chunk>());
        let runs = self.chunks.iter().map(|chunk| chunk.runs.capacity().saturating_mul(size_of::<Run>()));
        chunks.saturating_add(runs.fold(0, usize::saturating_add))
    }
}

#[cfg(test)]
mod tests;
