//! What rules said to messages, remembered over sessions: nothing is judged twice.
//!
//! ```text
//!   session ─▶ recall (whose mailbox, which digest) ─▶ UIDs by what lasts of their judgement
//!           ─▶ remember …, raise the floor under UIDNEXT, count for STATUS
//! ```
//!
//! A session asks and goes on: no call waits, and a lost answer costs time, never truth. Behind [`Memory`] may stand a disk
//! that is written to later ([`Memory::changes`]); here nothing knows of it.

mod code;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::code::{Reader, Writer};
use crate::imap::message::{Uid, UidSet};
use crate::policy::{Facts, Lasting, MessageFilter};

/// Whose mailbox, and since when its UIDs hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    key: Key,
    uid_validity: u32,
}

/// Hides whose mailbox it is: the file does not tell.
type Key = [u8; 32];

impl Place {
    /// The mailbox by its name at the upstream.
    #[must_use]
    pub fn new(user: &str, upstream: &str, mailbox: &[u8], uid_validity: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [user.as_bytes(), upstream.as_bytes(), mailbox] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { key: hash.finalize().into(), uid_validity }
    }
}

/// UIDs by what lasts of their judgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    kinds: BTreeMap<Lasting, UidSet>,
}

impl Judged {
    /// What is remembered of that message.
    #[must_use]
    pub fn of(&self, uid: Uid) -> Option<&Lasting> {
        self.kinds.iter().find(|(_, uids)| uids.contains(uid)).map(|(lasting, _)| lasting)
    }

    /// Remembers it.
    pub fn insert(&mut self, uid: Uid, lasting: &Lasting) {
        match self.kinds.get_mut(lasting) {
            Some(uids) => drop(uids.insert(uid)),
            None => drop(self.kinds.insert(lasting.clone(), std::iter::once(uid).collect())),
        }
    }

    /// Remembers it of all from `first` to `last`.
    pub fn insert_run(&mut self, first: Uid, last: Uid, lasting: &Lasting) {
        match self.kinds.get_mut(lasting) {
            Some(uids) => uids.insert_run(first, last),
            None => drop(self.kinds.insert(lasting.clone(), UidSet::run(first, last))),
        }
    }

    /// Is nothing remembered?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Each kind of judgement and its UIDs.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = (&Lasting, &UidSet)> {
        self.kinds.iter()
    }

    /// What a filter says to these messages, as far as it is remembered. Of one whose judgement does not all last nothing is
    /// said: for each message it takes what may have changed.
    #[must_use]
    pub fn sort(&self, filter: &MessageFilter, uids: &UidSet) -> Sorted {
        let mut sorted = Sorted { unknown: uids.clone(), ..Sorted::default() };
        if !filter.lasting() {
            return sorted;
        }
        for (lasting, known) in &self.kinds {
            let known = known.intersect(uids);
            let Some(any) = known.first() else { continue };
            // Neither flags nor the clock have a say, nor does it matter which message it is.
            let hidden = filter.judge_changing(lasting, &Facts::of(any), Timestamp::UNIX_EPOCH).hidden;
            let of_its_kind = if hidden { &mut sorted.hidden } else { &mut sorted.shown };
            known.runs().for_each(|(first, last)| of_its_kind.insert_run(first, last));
            sorted.unknown = sorted.unknown.without(&known);
        }
        sorted
    }

    /// What the other remembers, too.
    pub fn join(&mut self, other: &Self) {
        for (lasting, uids) in &other.kinds {
            let own = self.kinds.entry(lasting.clone()).or_default();
            uids.runs().for_each(|(first, last)| own.insert_run(first, last));
        }
    }
}

/// Messages of which it is remembered what rules said to them, and the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sorted {
    /// Nothing hides these.
    pub shown: UidSet,
    /// These do not exist for the client.
    pub hidden: UidSet,
    /// These are to be judged.
    pub unknown: UidSet,
}

/// What the upstream says of a mailbox: while it says the same, nothing has changed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// UIDNEXT
    pub uid_next: u32,
    /// MESSAGES
    pub messages: u32,
    /// RECENT, where it was asked for.
    pub recent: Option<u32>,
    /// HIGHESTMODSEQ; without it flags may have changed.
    pub highest_mod_seq: Option<u64>,
}

impl Said {
    /// Are there the same messages as when it said the other? A message that goes makes MESSAGES smaller, unless one comes, and
    /// that makes UIDNEXT larger.
    const fn has_messages_of(&self, then: &Self) -> bool {
        self.uid_next == then.uid_next && self.messages == then.messages
    }

    /// Have they the same flags?
    fn has_flags_of(&self, then: &Self) -> bool {
        self.highest_mod_seq.is_some() && self.highest_mod_seq == then.highest_mod_seq
    }
}

/// How many messages are visible in a mailbox, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All of them.
    pub messages: u32,
    /// UNSEEN
    pub unseen: Option<u32>,
    /// DELETED
    pub deleted: Option<u32>,
    /// RECENT
    pub recent: Option<u32>,
}

impl Counts {
    /// What of it still holds, if it was counted when the upstream said `then`, and now it says `now`. `lasting`: no flag
    /// and no clock has a say in what is visible.
    #[must_use]
    pub fn still_true(self, then: &Said, now: &Said, lasting: bool) -> Option<Self> {
        let same_flags = now.has_flags_of(then);
        if !now.has_messages_of(then) || !(lasting || same_flags) {
            return None;
        }
        // `\Recent` is no flag that a mod-sequence counts (RFC 7162 §3.1.1). It is taken from messages, never given to one that
        // was there.
        let same_recent = now.recent.is_some() && now.recent == then.recent;
        Some(Self {
            messages: self.messages,
            unseen: self.unseen.filter(|_| same_flags),
            deleted: self.deleted.filter(|_| same_flags),
            recent: self.recent.filter(|_| same_recent),
        })
    }

    /// What either of them counts, of the same messages.
    fn joined(self, other: Self) -> Self {
        Self {
            messages: self.messages,
            unseen: self.unseen.or(other.unseen),
            deleted: self.deleted.or(other.deleted),
            recent: self.recent.or(other.recent),
        }
    }
}

/// What was in a mailbox when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// UIDNEXT then. While the upstream says the same, and as many messages as these, they are these: none has come, so none can
    /// have gone (RFC 9051 §2.3.1.1).
    pub uid_next: u32,
    /// All messages, the hidden ones among them.
    pub uids: UidSet,
    /// HIGHESTMODSEQ then, and which messages were unseen: they are for as long as the upstream says that number.
    pub unseen: Option<(u64, UidSet)>,
}

/// What outlives sessions.
pub trait Verdicts: fmt::Debug + Send + Sync {
    /// What is remembered under this digest.
    fn recall(&self, place: &Place, digest: &[u8; 32]) -> Judged;

    /// Remembers these, too.
    fn remember(&self, place: &Place, digest: &[u8; 32], judged: &Judged);

    /// The largest UID that this user was ever told of in the mailbox.
    fn floor(&self, place: &Place) -> Option<Uid>;

    /// The user is told of this one.
    fn raise_floor(&self, place: &Place, uid: Uid);

    /// What was in the mailbox when it was opened last.
    fn contents(&self, place: &Place) -> Option<Contents>;

    /// This is in it.
    fn keep_contents(&self, place: &Place, contents: &Contents);

    /// What was counted last, and what the upstream said then.
    fn counts(&self, place: &Place, digest: &[u8; 32]) -> Option<(Said, Counts)>;

    /// This was counted when it did.
    fn count(&self, place: &Place, digest: &[u8; 32], said: &Said, counts: Counts);
}

/// Rules change, and with `{today}` in them every day. Of one mailbox so many are remembered.
const MOST_DIGESTS: usize = 4;

/// In octets. 100,000 messages of which 1000 are hidden here and there take about 4 KiB.
const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// Contents that take more octets are not kept: a mailbox with so many gaps is asked for again.
const MOST_CONTENTS: usize = 64 * 1024;

/// What an entry costs beside what is in it.
const OVERHEAD: usize = 160;

/// So that the sessions of many threads seldom meet.
const SHARDS: usize = 64;

/// What is remembered, in memory.
pub struct Memory {
    shards: Box<[Mutex<Shard>]>,
    /// Of each shard, in octets.
    limit: usize,
}

#[derive(Debug, Default)]
struct Shard {
    mailboxes: HashMap<Key, Mailbox>,
    octets: usize,
    /// Counts accesses.
    clock: u64,
    /// What a disk has yet to hear of.
    changed: HashMap<Key, Change>,
    /// Does anybody ask for changes?
    watched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Written,
    Gone,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Mailbox {
    uid_validity: u32,
    floor: Option<Uid>,
    /// As [`code`] writes it, or nothing.
    contents: Box<[u8]>,
    /// The one used last stands last.
    digests: Vec<Remembered>,
    used: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    digest: [u8; 32],
    /// As [`code`] writes it: a tenth of what it takes otherwise.
    judged: Box<[u8]>,
    counted: Option<(Said, Counts)>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

impl Memory {
    /// An empty one that keeps about so many octets: what was used longest ago is forgotten.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), limit: limit / SHARDS }
    }

    /// Takes up what [`Memory::changes`] once gave, and notes further changes. What cannot be read is left out.
    pub fn restore<'e>(&self, entries: impl Iterator<Item = (&'e [u8], &'e [u8])>) {
        for (key, entry) in entries {
            let Ok(key) = Key::try_from(key) else { continue };
            let mut shard = self.shard(&key);
            match Mailbox::read(entry) {
                // What a session has said meanwhile is newer.
                Some(mailbox) if !shard.mailboxes.contains_key(&key) => shard.put(key, mailbox),
                Some(_) => {}
                None => drop(shard.changed.insert(key, Change::Gone)),
            }
            shard.shrink(self.limit);
        }
    }

    /// From now on changes are noted.
    pub fn watch(&self) {
        self.shards.iter().for_each(|shard| locked(shard).watched = true);
    }

    /// What has changed since it was asked last: by key the entry, or nothing where it is gone.
    #[must_use]
    pub fn changes(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut changes = Vec::new();
        for shard in &self.shards {
            let mut shard = locked(shard);
            for (key, change) in std::mem::take(&mut shard.changed) {
                let entry = shard.mailboxes.get(&key).filter(|_| change == Change::Written).map(Mailbox::written);
                changes.push((key.to_vec(), entry));
            }
        }
        changes
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let at = usize::from(key.first().copied().unwrap_or(0)) % SHARDS;
        // There are as many as that.
        locked(&self.shards[at])
    }

    fn read<T>(&self, place: &Place, read: impl FnOnce(&Mailbox) -> Option<T>) -> Option<T> {
        let mut shard = self.shard(&place.key);
        let clock = shard.tick();
        let mailbox = shard.mailboxes.get_mut(&place.key).filter(|known| known.uid_validity == place.uid_validity)?;
        mailbox.used = clock;
        read(mailbox)
    }

    /// Says whether it changed something.
    fn write(&self, place: &Place, write: impl FnOnce(&mut Mailbox) -> bool) {
        let mut shard = self.shard(&place.key);
        let used = shard.tick();
        let known = shard.take(&place.key).filter(|known| known.uid_validity == place.uid_validity);
        let mut mailbox = known.unwrap_or_else(|| Mailbox { uid_validity: place.uid_validity, ..Mailbox::default() });
        mailbox.used = used;
        let changed = write(&mut mailbox);
        shard.put(place.key, mailbox);
        if changed {
            shard.note(place.key, Change::Written);
        }
        shard.shrink(self.limit);
    }
}

impl Shard {
    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    fn take(&mut self, key: &Key) -> Option<Mailbox> {
        let mailbox = self.mailboxes.remove(key)?;
        self.octets = self.octets.saturating_sub(mailbox.octets());
        Some(mailbox)
    }

    fn put(&mut self, key: Key, mailbox: Mailbox) {
        self.octets = self.octets.saturating_add(mailbox.octets());
        self.mailboxes.insert(key, mailbox);
    }

    fn note(&mut self, key: Key, change: Change) {
        if self.watched {
            self.changed.insert(key, change);
        }
    }

    /// Forgets what was used longest ago, a quarter at once.
    fn shrink(&mut self, limit: usize) {
        if self.octets <= limit {
            return;
        }
        let mut by_use: Vec<(u64, Key)> = self.mailboxes.iter().map(|(key, mailbox)| (mailbox.used, *key)).collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            if self.octets <= limit / 4 * 3 {
                break;
            }
            self.take(&key);
            self.note(key, Change::Gone);
        }
    }
}

impl Mailbox {
    fn octets(&self) -> usize {
        let digests = self.digests.iter().map(|known| known.judged.len().saturating_add(OVERHEAD)).sum::<usize>();
        digests.saturating_add(self.contents.len()).saturating_add(OVERHEAD)
    }

    fn find(&self, digest: &[u8; 32]) -> Option<&Remembered> {
        self.digests.iter().find(|known| known.digest == *digest)
    }

    /// What is remembered under that digest, which was used last from now on.
    fn under(&mut self, digest: &[u8; 32]) -> &mut Remembered {
        let known = self.digests.iter().position(|known| known.digest == *digest).map(|at| self.digests.remove(at));
        if known.is_none() && self.digests.len() >= MOST_DIGESTS {
            self.digests.remove(0);
        }
        let known = known.unwrap_or_else(|| Remembered { digest: *digest, judged: Box::default(), counted: None });
        self.digests.push_mut(known)
    }
}

impl Verdicts for Memory {
    fn recall(&self, place: &Place, digest: &[u8; 32]) -> Judged {
        let octets = self.read(place, |mailbox| Some(mailbox.find(digest)?.judged.clone()));
        octets.and_then(|octets| Reader::new(&octets).judged()).unwrap_or_default()
    }

    fn remember(&self, place: &Place, digest: &[u8; 32], judged: &Judged) {
        if judged.is_empty() {
            return;
        }
        self.write(place, |mailbox| {
            let remembered = mailbox.under(digest);
            let mut all = Reader::new(&remembered.judged).judged().unwrap_or_default();
            all.join(judged);
            let octets = Writer::judged(&all);
            let changed = octets != *remembered.judged;
            remembered.judged = octets.into();
            changed
        });
    }

    fn floor(&self, place: &Place) -> Option<Uid> {
        self.read(place, |mailbox| mailbox.floor)
    }

    fn raise_floor(&self, place: &Place, uid: Uid) {
        if self.floor(place).is_some_and(|floor| floor >= uid) {
            return;
        }
        self.write(place, |mailbox| {
            mailbox.floor = mailbox.floor.max(Some(uid));
            true
        });
    }

    fn contents(&self, place: &Place) -> Option<Contents> {
        let octets = self.read(place, |mailbox| Some(mailbox.contents.clone()))?;
        Reader::new(&octets).contents()
    }

    fn keep_contents(&self, place: &Place, contents: &Contents) {
        let octets =
            Some(Writer::contents(contents)).filter(|octets| octets.len() <= MOST_CONTENTS).unwrap_or_default();
        if self.read(place, |mailbox| Some(*mailbox.contents == octets)) == Some(true) {
            return;
        }
        self.write(place, |mailbox| {
            mailbox.contents = octets.into();
            true
        });
    }

    fn counts(&self, place: &Place, digest: &[u8; 32]) -> Option<(Said, Counts)> {
        self.read(place, |mailbox| mailbox.find(digest)?.counted)
    }

    fn count(&self, place: &Place, digest: &[u8; 32], said: &Said, counts: Counts) {
        self.write(place, |mailbox| {
            let counted = &mut mailbox.under(digest).counted;
            let known = counted.filter(|(then, _)| then == said).map(|(_, known)| known);
            let counts = known.map_or(counts, |known| counts.joined(known));
            counted.replace((*said, counts)) != Some((*said, counts))
        });
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that is empty.
#[must_use]
pub fn in_memory() -> Arc<dyn Verdicts> {
    Arc::new(Memory::default())
}

#[cfg(test)]
mod tests;
