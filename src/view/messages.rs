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

use crate::imap::message::{Uid, UidSet};

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

    /// Adds a message behind all others, as they arrive. `false`: its UID is not larger than theirs.
    pub fn push(&mut self, uid: Uid, standing: Standing) -> bool {
        self.push_run(uid, 1, standing)
    }

    /// Adds messages with consecutive UIDs, of which `first` is the first.
    pub fn push_run(&mut self, first: Uid, len: u32, standing: Standing) -> bool {
        if self.last().is_some_and(|last| last >= first) || first.get().checked_add(len.saturating_sub(1)).is_none() {
            return false;
        }
        let run = Run { first: first.get(), len, standing };
        if self.chunks.last().is_none_or(|chunk| chunk.runs.len() >= CHUNK) {
            self.chunks.push(Chunk::default());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            match chunk.runs.last_mut() {
                Some(last) if last.standing == standing && last.end() == run.first => {
                    last.len = last.len.saturating_add(len);
                }
                _ => chunk.runs.push(run),
            }
            chunk.up = chunk.up.saturating_add(run.up());
            chunk.down = chunk.down.saturating_add(run.down());
        }
        self.up = self.up.saturating_add(run.up());
        self.down = self.down.saturating_add(run.down());
        true
    }

    /// The upstream expunged the message with this number: the message as it stood. It is gone, or, where the client knows
    /// it, waits to be told.
    pub fn expunge(&mut self, number: u32) -> Option<Message> {
        let place = self.place_of(number, |chunk| chunk.up, Run::up)?;
        let message = self.at(place)?;
        let after = message.standing.is_down().then_some(Standing::Gone);
        self.change(place, after);
        Some(message)
    }

    /// The message with this UID is gone upstream: as [`Messages::expunge`].
    pub fn lose(&mut self, uid: Uid) -> Option<Message> {
        let place = self.place_of_uid(uid.get())?;
        let message = self.at(place).filter(|message| message.standing.is_up())?;
        let after = message.standing.is_down().then_some(Standing::Gone);
        self.change(place, after);
        Some(message)
    }

    /// The client must no longer know it. What it was not told of it never will be.
    pub fn hide(&mut self, uid: Uid) {
        let Some(place) = self.place_of_uid(uid.get()) else { return };
        match self.at(place).map(|message| message.standing) {
            Some(Standing::Visible) => self.change(place, Some(Standing::Leaving)),
            Some(Standing::New) => self.change(place, Some(Standing::Hidden)),
            _ => {}
        }
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

    /// Says which messages the client loses now, as numbers to be told in this order: the largest first, so that none changes
    /// another.
    pub fn tell_expunged(&mut self) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut number = self.down;
        let mut runs = Vec::new();
        for run in self.all_runs().rev() {
            match run.standing {
                Standing::Gone | Standing::Leaving => {
                    let first = number.saturating_sub(run.len).saturating_add(1);
                    numbers.extend((first..=number).rev());
                }
                Standing::Visible | Standing::New | Standing::Hidden => {}
            }
            number = number.saturating_sub(run.down());
        }
        if numbers.is_empty() {
            return numbers;
        }
        for run in self.all_runs() {
            match run.standing {
                Standing::Gone => {}
                Standing::Leaving => runs.push(Run { standing: Standing::Hidden, ..run }),
                Standing::Visible | Standing::New | Standing::Hidden => runs.push(run),
            }
        }
        self.rebuild(runs);
        numbers
    }

    /// The client is told of all that is new. Says whether anything was.
    pub fn tell_new(&mut self) -> bool {
        if !self.owes_exists() {
            return false;
        }
        let told = |run: Run| match run.standing {
            Standing::New => Run { standing: Standing::Visible, ..run },
            _ => run,
        };
        let runs = self.all_runs().map(told).collect();
        self.rebuild(runs);
        true
    }

    /// All that the client knows and that is there.
    #[must_use]
    pub fn visible(&self) -> UidSet {
        self.standing(|standing| standing == Standing::Visible)
    }

    /// All that the client may know and that is there, told or not.
    #[must_use]
    pub fn shown(&self) -> UidSet {
        self.standing(|standing| matches!(standing, Standing::Visible | Standing::New))
    }

    /// All that the upstream has.
    #[must_use]
    pub fn upstream(&self) -> UidSet {
        self.standing(Standing::is_up)
    }

    /// All that is there and that the client must not know.
    #[must_use]
    pub fn hidden(&self) -> UidSet {
        self.standing(|standing| matches!(standing, Standing::Hidden | Standing::Leaving))
    }

    /// Hidden messages stand otherwise from now on: the client may know them.
    pub fn show(&mut self, set: &UidSet, standing: Standing) {
        if set.is_empty() {
            return;
        }
        let mut runs = Vec::new();
        let mut wanted = set.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs() {
            if run.standing != Standing::Hidden {
                runs.push(run);
                continue;
            }
            let mut at = run.first;
            while at < run.end() {
                while wanted.peek().is_some_and(|(_, last)| *last < at) {
                    wanted.next();
                }
                let (end, standing) = match wanted.peek() {
                    Some(&(first, last)) if first <= at => (last.saturating_add(1), standing),
                    Some(&(first, _)) => (first, run.standing),
                    None => (run.end(), run.standing),
                };
                let end = end.min(run.end());
                runs.push(Run { first: at, len: end.saturating_sub(at), standing });
                at = end;
            }
        }
        self.rebuild(runs);
    }

    fn standing(&self, wanted: impl Fn(Standing) -> bool) -> UidSet {
        let mut set = UidSet::new();
        for run in self.all_runs().filter(|run| wanted(run.standing)) {
            if let (Some(first), Some(last)) = (Uid::new(run.first), Uid::new(run.end().saturating_sub(1))) {
                set.insert_run(first, last);
            }
        }
        set
    }

    /// The UIDs of those of these client numbers that are there.
    #[must_use]
    pub fn uids_of(&self, numbers: &UidSet) -> UidSet {
        let mut set = UidSet::new();
        let mut before = 0_u32;
        let mut wanted = numbers.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_down()) {
            let (low, high) = (before.saturating_add(1), before.saturating_add(run.len));
            before = high;
            while let Some(&(first, last)) = wanted.peek() {
                let (from, to) = (first.max(low), last.min(high));
                if from <= to && run.standing == Standing::Visible {
                    let uid = |number: u32| Uid::new(run.first.saturating_add(number.saturating_sub(low)));
                    if let (Some(first), Some(last)) = (uid(from), uid(to)) {
                        set.insert_run(first, last);
                    }
                }
                if last > high {
                    break;
                }
                wanted.next();
            }
        }
        set
    }

    /// First and last UID of stretches that hold all of `set` and nothing else that the upstream has: as few as there can
    /// be, since a gap between two UIDs holds nothing and never will.
    #[must_use]
    pub fn stretches(&self, set: &UidSet) -> Vec<(Uid, Uid)> {
        let mut stretches: Vec<(Uid, Uid)> = Vec::new();
        let mut joins = false;
        let mut wanted = set.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_up()) {
            let mut at = run.first;
            while at < run.end() {
                while wanted.peek().is_some_and(|(_, last)| *last < at) {
                    wanted.next();
                }
                let inside = wanted.peek().filter(|(first, _)| *first < run.end());
                let Some(&(first, last)) = inside else {
                    joins = false;
                    break;
                };
                if first > at {
                    joins = false; // one that is not wanted stands between
                }
                let (from, to) = (first.max(at), last.min(run.end().saturating_sub(1)));
                if let (Some(from), Some(to)) = (Uid::new(from), Uid::new(to)) {
                    match stretches.last_mut().filter(|_| joins) {
                        Some(stretch) => stretch.1 = to,
                        None => stretches.push((from, to)),
                    }
                }
                joins = true;
                at = to.saturating_add(1);
            }
        }
        stretches
    }

    /// The client's numbers of these messages, of those that it knows.
    #[must_use]
    pub fn numbers_of(&self, set: &UidSet) -> UidSet {
        let mut numbers = UidSet::new();
        let mut before = 0_u32;
        let mut wanted = set.runs().map(|(first, last)| (first.get(), last.get())).peekable();
        for run in self.all_runs().filter(|run| run.standing.is_down()) {
            while let Some(&(first, last)) = wanted.peek() {
                let (from, to) = (first.max(run.first), last.min(run.end().saturating_sub(1)));
                if from <= to {
                    let number =
                        |uid: u32| Uid::new(before.saturating_add(uid.saturating_sub(run.first)).saturating_add(1));
                    if let (Some(first), Some(last)) = (number(from), number(to)) {
                        numbers.insert_run(first, last);
                    }
                }
                if last >= run.end() {
                    break;
                }
                wanted.next();
            }
            before = before.saturating_add(run.len);
        }
        numbers
    }

    fn all_runs(&self) -> impl DoubleEndedIterator<Item = Run> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.runs.iter().copied())
    }

    fn rebuild(&mut self, runs: Vec<Run>) {
        *self = Self::default();
        for run in runs {
            if let Some(first) = Uid::new(run.first) {
                self.push_run(first, run.len, run.standing);
            }
        }
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

    /// The message there stands otherwise from now on; `None`: it is no more.
    fn change(&mut self, place: Place, after: Option<Standing>) {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else { return };
        let Some(run) = chunk.runs.get(place.run).copied() else { return };
        let one = Run { first: run.first.saturating_add(place.offset), len: 1, ..run };
        let before = Run { len: place.offset, ..run };
        let behind = Run { first: one.end(), len: run.len.saturating_sub(place.offset).saturating_sub(1), ..run };
        let changed = after.map(|standing| Run { standing, ..one });
        let parts: smallvec::SmallVec<[Run; 3]> =
            [Some(before), changed, Some(behind)].into_iter().flatten().filter(|run| run.len > 0).collect();
        chunk.runs.splice(place.run..=place.run, parts);
        // Neighbours that have become alike are one.
        let from = place.run.saturating_sub(1);
        let mut joined: smallvec::SmallVec<[Run; 5]> = smallvec::SmallVec::new();
        let to = place.run.saturating_add(4).min(chunk.runs.len());
        for run in chunk.runs.get(from..to).unwrap_or_default() {
            match joined.last_mut() {
                Some(last) if last.standing == run.standing && last.end() == run.first => {
                    last.len = last.len.saturating_add(run.len);
                }
                _ => joined.push(*run),
            }
        }
        chunk.runs.splice(from..to, joined);
        let (gained_up, gained_down) = changed.map_or((0, 0), |run| (run.up(), run.down()));
        for (sum, lost, gained) in [
            (&mut chunk.up, one.up(), gained_up),
            (&mut chunk.down, one.down(), gained_down),
            (&mut self.up, one.up(), gained_up),
            (&mut self.down, one.down(), gained_down),
        ] {
            *sum = sum.saturating_sub(lost).saturating_add(gained);
        }
        if chunk.runs.is_empty() {
            self.chunks.remove(place.chunk);
        } else if chunk.runs.len() > CHUNK {
            self.split(place.chunk);
        }
    }

    fn split(&mut self, at: usize) {
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let mut behind = Vec::with_capacity(CHUNK);
        behind.extend(chunk.runs.drain(CHUNK / 2..));
        let sums = |runs: &[Run]| {
            let sum = |len: fn(Run) -> u32| runs.iter().map(|run| len(*run)).fold(0, u32::saturating_add);
            (sum(Run::up), sum(Run::down))
        };
        (chunk.up, chunk.down) = sums(&chunk.runs);
        let (up, down) = sums(&behind);
        self.chunks.insert(at.saturating_add(1), Chunk { runs: behind, up, down });
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
