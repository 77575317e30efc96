//! The keys of a log, and the notes that they sign: one key a segment, each announced by the one before it and then wiped.
//!
//! ```text
//!   <directory>/key             the secret of the open segment
//!               key.next        that of the next one, from before it is announced until it takes the place of the first
//!               00000042.notes  what was signed of a segment, one note behind the other
//!               keys.jsonl      records that announced the keys of segments that were purged
//!
//!   … audit.key {new, signed by old}  audit.close │ last note │ old wiped, next takes its place │ audit.open …
//!   killed: │ audit.open  audit.key {new, signed by old}  │ old wiped, next takes its place │ …
//! ```
//!
//! What a kill leaves between two of these steps is told apart by what the log announced last.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::chain::{Hash, Position};
use super::error::OpenError;
use super::line::Line;
use super::lines::{Lines, Piece};
use super::note::{self, LINES, Note, PublicKey, Secret};
use super::segment::{self, Directory, Noted, create};
use crate::session::event::EventKind;

/// Type of the record that announces a key.
pub(super) const TYPE: &str = "audit.key";

const KEY: &str = "key";
const NEXT: &str = "key.next";
const PURGED: &str = "keys.jsonl";

/// Octets of a key file; no name is that long.
const MAX_KEY: u64 = 1024;

/// The `data` of `audit.key`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Announcement {
    /// The segment that the key signs.
    pub segment: u32,
    /// Id of the key that signed this; none where it is the first.
    pub old: Option<String>,
    /// The key.
    #[serde(rename = "pub")]
    pub public: String,
    /// Over the key, and over all that was written before this record.
    pub sig: String,
}

/// How a log was left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Its id.
    pub log: Option<String>,
    /// The key that was announced last, and the segment that it is for.
    pub key: Option<(u32, String)>,
    /// The last segment and its last record, where that is `audit.close`.
    pub closed: Option<(u32, Noted)>,
    /// The last segment that has a record.
    pub last: Option<u32>,
}

/// Signs what the writer wrote.
#[derive(Debug)]
pub(super) struct Signer {
    /// Of the open segment, or of the one before it while that is not ended.
    secret: Secret,
    /// The one that takes its place, and the segment that it is for.
    next: Option<(u32, Secret)>,
    /// The segment that a record says `secret` is for.
    announced: Option<u32>,
    /// A segment was closed, and its last note may not be written.
    closed: Option<(u32, Noted)>,
    /// When the oldest record was written that no note covers.
    pub uncovered: Option<Timestamp>,
}

impl Signer {
    /// The keys of a log that was left so; none where it has none.
    pub fn take_up(directory: &Directory, left: &Left) -> Result<Option<Self>, OpenError> {
        let path = directory.path();
        let failed = |error: io::Error| OpenError::io(path, "the keys of the audit log cannot be read", &error);
        let (key, next) = (read(path, KEY).map_err(failed)?, read(path, NEXT).map_err(failed)?);
        if key.is_none() && next.is_none() && left.key.is_none() && !path.join(KEY).exists() {
            return Ok(None);
        }
        let signer = match &left.key {
            None => key.map(|secret| Self::with(secret, None, None)),
            Some((segment, public)) => {
                let is_announced = |key: &Secret| key.public().text() == *public;
                match (key, next.filter(is_announced)) {
                    // Its announcement stands, and the one before it was not put away yet.
                    (Some(secret), Some(next)) if !is_announced(&secret) => {
                        Some(Self { closed: left.closed, ..Self::with(secret, Some((*segment, next)), None) })
                    }
                    (_, Some(next)) => Some(Self::with(next, None, Some(*segment))),
                    (key, None) => key.filter(is_announced).map(|secret| Self::with(secret, None, Some(*segment))),
                }
            }
        };
        let Some(signer) = signer else { return Err(OpenError::no_key(path)) };
        if left.log.as_deref().is_some_and(|log| log != signer.name().log()) {
            return Err(OpenError::no_key(path));
        }
        if let Some(last) = segment::list(path).map_err(failed)?.last() {
            mend(path, *last).map_err(failed)?;
        }
        // What was announced may be in the kernel only: it has to outlive the key that announced it.
        if let Some(number) = left.last.filter(|_| signer.next.is_some()) {
            segment::sync(path, number).map_err(failed)?;
        }
        Ok(Some(signer))
    }

    fn with(secret: Secret, next: Option<(u32, Secret)>, announced: Option<u32>) -> Self {
        Self { secret, next, announced, closed: None, uncovered: None }
    }

    /// The key of the open segment.
    pub fn name(&self) -> &PublicKey {
        self.secret.public()
    }

    /// Has a record to say which key this segment is signed with?
    pub fn is_announced(&self, segment: u32) -> bool {
        self.announced == Some(segment)
    }

    /// Makes the key of `segment`, unless it is the first of all.
    pub fn prepare(&mut self, directory: &Directory, segment: u32) -> io::Result<()> {
        if self.announced.is_some() {
            let next = Secret::new(self.name().name());
            write(directory, NEXT, &next)?;
            self.next = Some((segment, next));
        }
        Ok(())
    }

    /// The record that announces it, to be written at this position.
    pub fn announce(&self, segment: u32, at: Position) -> EventKind {
        let new = self.next.as_ref().map_or(&self.secret, |(_, next)| next).public();
        let text = note::announcement(new.name(), segment, &new.text(), (at.next_seq, at.prev));
        EventKind::AuditKey {
            segment,
            old: self.next.is_some().then(|| self.name().id().to_string().into()),
            new: new.id().to_string().into(),
            public: new.text().into(),
            sig: note::spelled(&self.secret.sign(&text)).into(),
        }
    }

    /// That record is written; so is, where the segment before was closed, its last line.
    pub fn is_written(&mut self, segment: u32, closed: Option<(u32, Noted)>) {
        match self.next {
            Some(_) => self.closed = closed,
            None => self.announced = Some(segment),
        }
    }

    /// Is there something left of a segment that has ended?
    pub const fn is_unsettled(&self) -> bool {
        self.next.is_some()
    }

    /// Signs the end of a closed segment, and puts the next key in the place of the one that did. What is signed has to be
    /// on disk, and so has the record that announces the next key.
    pub fn settle(&mut self, directory: &Directory) -> io::Result<Option<Note>> {
        let Some((segment, next)) = self.next.take() else { return Ok(None) };
        match self.put_away(directory, &next) {
            Ok(note) => {
                // What it covered ends here; the next segment has records of its own.
                (self.secret, self.announced, self.closed) = (next, Some(segment), None);
                Ok(note)
            }
            Err(error) => {
                self.next = Some((segment, next));
                Err(error)
            }
        }
    }

    fn put_away(&mut self, directory: &Directory, next: &Secret) -> io::Result<Option<Note>> {
        let path = directory.path();
        let mut last = None;
        if let Some((number, noted)) = self.closed {
            let size = noted.seq.saturating_add(1);
            let notes = notes(path, number)?.notes;
            last = match notes.last() {
                Some(note) if note.size == size => None,
                _ => Some(self.note(directory, number, noted)?),
            };
        }
        // The process may have died between the two.
        if read(path, KEY)?.is_none_or(|key| key.public() != next.public()) {
            wipe(&path.join(KEY))?;
            fs::rename(path.join(NEXT), path.join(KEY))?;
            directory.sync_names()?;
        }
        Ok(last)
    }

    /// Signs that the log was this when it had so many records, in the notes of a segment.
    pub fn note(&mut self, directory: &Directory, number: u32, newest: Noted) -> io::Result<Note> {
        let note = Note::signed(&self.secret, newest.seq.saturating_add(1), newest.hash);
        let path = notes_path(directory.path(), number);
        let begins = !path.exists();
        let file = create(&path, false)?;
        let len = file.metadata()?.len();
        let text = note.to_string();
        let written = file.write_all_at(text.as_bytes(), len).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = file.set_len(len); // else the next start does
            return Err(error);
        }
        if begins {
            directory.sync_names()?;
        }
        self.uncovered = None;
        Ok(note)
    }
}

/// Makes the first key of a log, or tells it again as long as the log has not begun to use it; and was it made? A log that has
/// not begun gets this id.
pub(super) fn init(directory: &Path, node: &str, id: Option<&str>) -> Result<(PublicKey, bool), OpenError> {
    let locked = Directory::open(directory)?;
    let failed = |error: io::Error| OpenError::io(directory, "the keys of the audit log cannot be written", &error);
    let numbers = segment::list(directory).map_err(failed)?;
    for number in numbers.iter().rev() {
        if announced_in(directory, *number).map_err(failed)?.is_some() {
            return Err(OpenError::has_key(directory));
        }
    }
    let log = match numbers.first() {
        Some(first) => log_of(directory, *first).map_err(failed)?,
        None => None,
    };
    let log = log.or(id.map(str::to_owned)).unwrap_or_else(|| super::ids::log_id().to_string());
    let name = note::name(node, &log);
    if let Some(key) =
        read(directory, KEY).map_err(failed)?.filter(|key| key.public().log() == log || numbers.is_empty())
    {
        return Ok((key.public().clone(), false));
    }
    let key = Secret::new(&name);
    write(&locked, KEY, &key).map_err(failed)?;
    Ok((key.public().clone(), true))
}

fn log_of(directory: &Path, number: u32) -> io::Result<Option<String>> {
    let mut lines = Lines::new(segment::read(directory, number)?);
    Ok(match lines.next()? {
        Piece::Line(bytes) => Line::parse(bytes).ok().map(|line| line.log.into_owned()),
        Piece::TooLong(_) | Piece::Unfinished(_) => None,
    })
}

/// A secret that is kept; none where there is no file, or not that of a key.
fn read(directory: &Path, name: &str) -> io::Result<Option<Secret>> {
    let mut text = Zeroizing::new(String::new());
    match File::open(directory.join(name)) {
        Ok(file) => match file.take(MAX_KEY).read_to_string(&mut text) {
            Ok(_) => Ok(Secret::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(directory: &Directory, name: &str, key: &Secret) -> io::Result<()> {
    let mut file = create(&directory.path().join(name), true)?;
    file.write_all(key.text().as_bytes())?;
    file.sync_all()?;
    directory.sync_names()
}

/// Writes over what is there, so that it does not stay on the disk when the file goes.
fn wipe(path: &Path) -> io::Result<()> {
    match File::options().write(true).open(path) {
        Ok(file) => {
            let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
            file.write_all_at(&vec![0; len], 0)?;
            file.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The announcement that a segment holds last: which key, and for which segment.
pub(super) fn announced_in(directory: &Path, number: u32) -> io::Result<Option<(u32, String)>> {
    let mut last = None;
    announcements(directory, number, &mut |line, _| {
        if let Some(Announcement { segment, public, .. }) = line.data() {
            last = Some((segment, public));
        }
    })?;
    Ok(last)
}

/// Shows each record of a segment that announces a key, and its bytes.
fn announcements(directory: &Path, number: u32, see: &mut dyn FnMut(&Line<'_>, &[u8])) -> io::Result<()> {
    let finder = memchr::memmem::Finder::new(TYPE);
    let mut lines = Lines::new(segment::read(directory, number)?);
    loop {
        match lines.next()? {
            Piece::Line(bytes) if finder.find(bytes).is_some() => {
                if let Ok(line) = Line::parse(bytes).map(|line| (line.type_name == TYPE).then_some(line))
                    && let Some(line) = line
                {
                    see(&line, bytes);
                }
            }
            Piece::Unfinished(_) => return Ok(()),
            Piece::Line(_) | Piece::TooLong(_) => {}
        }
    }
}

/// Before a segment goes: what it says of keys is still needed to get from the first key to those of today.
pub(super) fn keep(directory: &Directory, number: u32) -> io::Result<()> {
    let path = directory.path().join(PURGED);
    let mut text = Vec::new();
    announcements(directory.path(), number, &mut |_, bytes| {
        text.extend_from_slice(bytes);
        text.push(b'\n');
    })?;
    if text.is_empty() {
        return Ok(());
    }
    let file = create(&path, false)?;
    let len = file.metadata()?.len();
    file.write_all_at(&text, len)?;
    file.sync_all()?;
    directory.sync_names()
}

/// The records that announced the keys of segments that are gone, each as its bytes.
pub(super) fn kept(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    match fs::read(directory.join(PURGED)) {
        Ok(text) => Ok(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What was signed of a segment.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// As far as they can be read.
    pub notes: Vec<Note>,
    /// Octets of these.
    len: u64,
    /// Octets behind them.
    pub rest: u64,
}

/// Reads the notes of a segment; where there is no file, none.
pub(super) fn notes(directory: &Path, number: u32) -> io::Result<Notes> {
    match fs::read(notes_path(directory, number)) {
        Ok(bytes) => Ok(Notes::of(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Notes::default()),
        Err(error) => Err(error),
    }
}

impl Notes {
    pub fn of(bytes: &[u8]) -> Self {
        let mut read = Self { rest: bytes.len() as u64, ..Self::default() };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                bytes.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
            }
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for lines in lines.chunks_exact(LINES) {
            let len: usize = lines.iter().map(|line| line.len()).sum();
            let ended: Vec<&str> = lines.iter().filter_map(|line| line.strip_suffix('\n')).collect();
            let Some(note) = ended.as_slice().try_into().ok().and_then(Note::parse) else { break };
            read.notes.push(note);
            read.len = read.len.saturating_add(len as u64);
            read.rest = read.rest.saturating_sub(len as u64);
        }
        read
    }
}

/// Cuts what a process that died left of a note.
fn mend(directory: &Path, number: u32) -> io::Result<()> {
    let Notes { len, rest, .. } = notes(directory, number)?;
    if rest > 0 {
        let file = File::options().write(true).open(notes_path(directory, number))?;
        file.set_len(len)?;
        file.sync_all()?;
    }
    Ok(())
}

/// The numbers of the segments that have notes.
pub(super) fn noted(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".notes"));
        numbers.extend(stem.filter(|stem| stem.len() >= 8).and_then(|stem| stem.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn notes_path(directory: &Path, number: u32) -> std::path::PathBuf {
    directory.join(format!("{number:08}.notes"))
}

/// The hash that a record's `prev` names, and its number: what its signature covers.
pub(super) fn place_of(line: &Line<'_>) -> Option<(u64, Hash)> {
    Some((line.seq, line.prev()?))
}
