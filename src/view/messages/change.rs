//! What changes which messages there are, and how they stand: arrivals, EXPUNGE, rules, and what the client is told.

use super::{CHUNK, Chunk, Message, Messages, Place, Run, Standing};
use crate::imap::message::{Uid, UidSet};

impl Messages {
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

    fn rebuild(&mut self, runs: Vec<Run>) {
        *self = Self::default();
        for run in runs {
            if let Some(first) = Uid::new(run.first) {
                self.push_run(first, run.len, run.standing);
            }
        }
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
}
