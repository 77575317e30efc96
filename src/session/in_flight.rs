//! Commands that await their tagged answer, in the order in which they came.
//!
//! ```text
//!   client tag   own tag      doing
//!   a1           t…k1         Opening INBOX            ← a barrier: what is behind it is not judged yet
//!   a2           –            Local "a2 BAD …"         ← says its piece when it comes to the front (quirk C11)
//!   –            t…k3         Own(UidsOf 3:5)          ← nobody's but ours
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::imap::status::Status;
use crate::imap::verb::{CommandKind, Verb};
use crate::policy::AuditLevel;

use super::effect::{Effect, Judged, Own};
use super::event::MailboxRef;

/// A tag of the client's. Most are short.
pub(super) type Tag = SmallVec<[u8; 16]>;

/// A command that is not over.
#[derive(Debug)]
pub(super) struct Entry {
    /// Number of its own tag upstream.
    pub serial: u32,
    /// The client's tag; empty for the proxy's own commands.
    pub tag: Tag,
    /// Ordinal of the command in its session.
    pub cmd: u32,
    /// What it is.
    pub verb: Verb,
    /// What it is counted as.
    pub kind: CommandKind,
    /// When its last octet had come.
    pub since: Instant,
    /// When it went up.
    pub sent: Instant,
    /// What is followed until it ends.
    pub effect: Effect,
    /// The mailbox that was selected.
    pub mailbox: Option<Arc<MailboxRef>>,
    /// What the policy said, where it had something to say.
    pub judged: Option<Box<Judged>>,
    /// How much of it is recorded.
    pub audit: AuditLevel,
    /// Time that the proxy itself took before it went up.
    pub overhead: Duration,
    /// What is left of it to be sent, in a mailbox where messages may be hidden.
    pub parts: super::messages::Parts,
    /// The upstream has answered it, before others that went up earlier: what is to be asked behind it waits for those.
    pub answered: Option<Box<Answered>>,
}

/// How a command was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub status: Option<Status>,
    /// The line behind the tag.
    pub rest: Vec<u8>,
}

impl Entry {
    /// Must what comes behind it wait for its answer? That never changes while it is under way.
    fn bars(&self) -> bool {
        match &self.effect {
            Effect::Local(_) => false,
            Effect::Own(_) | Effect::Opening(_) | Effect::Idle { .. } => true,
            // What it leaves to be marked is in the mailbox that is open now.
            Effect::Fetching(reads) if reads.marks => true,
            // Nothing may come between it and the question which UIDs it has found, or whether its slices are all of a message.
            Effect::Searching(searching) if searching.asks_afterwards() => true,
            Effect::Fetching(reads) if reads.may_doubt => true,
            _ => self.verb.is_barrier(),
        }
    }

    /// An answer of the proxy's that waits for its turn.
    pub fn local(line: Vec<u8>, now: Instant) -> Self {
        Self { effect: Effect::Local(line), ..Self::own(0, Own::Id, now) }
    }

    /// A command of the proxy's own.
    pub fn own(serial: u32, own: Own, now: Instant) -> Self {
        Self {
            serial,
            tag: Tag::new(),
            cmd: 0,
            verb: Verb::Noop,
            kind: CommandKind::Meta,
            since: now,
            sent: now,
            effect: Effect::Own(own),
            mailbox: None,
            judged: None,
            audit: AuditLevel::default(),
            overhead: Duration::ZERO,
            parts: super::messages::Parts::default(),
            answered: None,
        }
    }

    /// May the upstream still tell something in answer to it?
    pub fn is_open(&self) -> bool {
        self.answered.is_none()
    }
}

/// All commands that are not over.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Each in a place of its own: they come and go at one end, are looked for in the middle, and are not small.
    entries: VecDeque<Box<Entry>>,
    serial: u32,
    /// How many of them are barriers.
    barriers: usize,
}

impl InFlight {
    /// A number for the next tag of ours.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    pub fn push(&mut self, entry: impl Into<Box<Entry>>) {
        let entry = entry.into();
        self.barriers = self.barriers.saturating_add(entry.bars().into());
        self.entries.push_back(entry);
    }

    /// What an answer waits for that stands in it already.
    pub fn push_front(&mut self, entry: impl Into<Box<Entry>>) {
        let entry = entry.into();
        self.barriers = self.barriers.saturating_add(entry.bars().into());
        self.entries.push_front(entry);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Must what comes next wait for an answer?
    pub fn has_barrier(&self) -> bool {
        debug_assert_eq!(self.barriers, self.entries.iter().filter(|entry| entry.bars()).count());
        self.barriers > 0
    }

    /// Takes out the entry whose tag this is.
    pub fn take(&mut self, serial: u32) -> Option<Box<Entry>> {
        let at = self.entries.iter().position(|entry| entry.serial == serial)?;
        let entry = self.entries.remove(at)?;
        self.barriers = self.barriers.saturating_sub(entry.bars().into());
        Some(entry)
    }

    pub fn find(&mut self, mut wanted: impl FnMut(&Entry) -> bool) -> Option<&mut Entry> {
        self.iter_mut().find(|entry| wanted(entry))
    }

    pub fn by_serial(&self, serial: u32) -> Option<&Entry> {
        self.iter().find(|entry| entry.serial == serial)
    }

    /// Takes the first entry if it only waited for its turn to speak.
    pub fn pop_local(&mut self) -> Option<Box<Entry>> {
        match self.entries.front()?.effect {
            Effect::Local(_) => self.entries.pop_front(),
            _ => None,
        }
    }

    /// Takes the only entry, if it has been answered.
    pub fn pop_answered(&mut self) -> Option<(Box<Entry>, Answered)> {
        if self.entries.len() != 1 {
            return None;
        }
        let entry = self.entries.front_mut()?;
        let (answered, serial) = (*entry.answered.take()?, entry.serial);
        Some((self.take(serial)?, answered))
    }

    /// The command that has waited longest for the upstream, IDLE excepted.
    pub fn oldest_waiting(&self) -> Option<&Entry> {
        self.iter().find(|entry| !matches!(entry.effect, Effect::Local(_) | Effect::Idle { .. }))
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Box<Entry>> {
        self.barriers = 0;
        std::mem::take(&mut self.entries).into_iter()
    }

    /// Where one of the proxy's own, a SELECT or IDLE may be. Asked with each response; mostly there is none, however many
    /// commands are under way.
    pub fn barring(&self) -> impl Iterator<Item = &Entry> {
        let count = if self.has_barrier() { self.entries.len() } else { 0 };
        self.iter().take(count)
    }

    /// The same, to be followed.
    pub fn barring_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let count = if self.has_barrier() { self.entries.len() } else { 0 };
        self.iter_mut().take(count)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|entry| &**entry)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().map(|entry| &mut **entry)
    }

    /// Gives memory back when nothing is under way.
    pub fn relax(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }
}
