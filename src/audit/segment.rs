//! The files of a log: all file I/O of the audit log is here.
//!
//! ```text
//!   <directory>/00000001.jsonl   sealed: its last line is audit.close; 00000001.jsonl.zst is the same, compressed
//!               00000001.torn    bytes of an unfinished line that stood behind it, kept aside
//!               00000002.jsonl   open: lines are appended
//!               head             number and hash of the newest record that is on disk
//!               lock             locked by the process that writes
//!               reserve          room for the last records, should the disk be full
//!   the keys and what they signed: see keys
//! ```
//!
//! Knows names, bytes and places in files; nothing of records but that they end in `\n`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::chain::{HASH_TEXT, Hash};
use super::error::OpenError;
use super::lines::{Lines, Piece};
use super::{keys, pack};

/// Octets kept for the last records.
const RESERVE: u64 = 16 * 1024 * 1024;
/// Octets of a compressed segment that is unpacked to look at its end.
const UNPACKED: u64 = 1024 * 1024;
/// Octets of the `head` file.
const HEAD_TEXT: usize = 20 + 1 + HASH_TEXT + 1;

/// What the log asks of a disk. A trait, so that tests can have one that is full, broken or slow.
pub(super) trait Disk: Send + Sync {
    /// Hands bytes to the kernel.
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Has the disk hold what the kernel was handed.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// How much room there is.
    fn space(&self, directory: &File) -> io::Result<Space>;
}

/// Room on a disk, in octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// For a process that is not root.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// The disk under the directory.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn space(&self, directory: &File) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(directory)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// A log's directory, locked by this process.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// For syncing names and asking for space.
    handle: File,
    /// Held for as long as this lives.
    _lock: File,
}

impl Directory {
    /// Makes the directory where there is none, and locks it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |what: &str, error: &io::Error| OpenError::io(path, what, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed("the audit directory cannot be created", &error))?;
        let handle = File::open(path).map_err(|error| failed("the audit directory cannot be read", &error))?;
        let lock = create(&path.join("lock"), false)
            .map_err(|error| failed("the audit directory cannot be written to", &error))?;
        // `audit verify` asks who holds the lock by taking it for an instant: that must not keep a proxy from starting.
        let mut tries = 0;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { path: path.to_owned(), handle, _lock: lock }),
                Err(Errno::WOULDBLOCK) if tries < 10 => tries += 1,
                Err(Errno::WOULDBLOCK) => return Err(OpenError::locked(path)),
                Err(error) => return Err(failed("the audit directory cannot be locked", &error.into())),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For [`Disk::space`].
    pub fn handle(&self) -> &File {
        &self.handle
    }

    /// A new segment. One of that number without a byte in it, left by a process that died, is taken as new.
    pub fn create_segment(&self, number: u32) -> io::Result<File> {
        let file = create(&segment_path(&self.path, number), false)?;
        if file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.sync_names()?;
        Ok(file)
    }

    /// Cuts what stands behind the first `len` octets of a segment, and keeps it in a file of its own.
    pub fn set_aside(&self, number: u32, len: u64) -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(segment_path(&self.path, number))?;
        // A start that died between the two steps finds both again: what is kept is never written over.
        let mut aside = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path.join(format!("{number:08}.torn")))?;
        file.seek(SeekFrom::Start(len))?;
        let torn = io::copy(&mut file, &mut aside)?;
        aside.sync_all()?;
        file.set_len(len)?;
        file.sync_all()?;
        self.sync_names()?;
        Ok(torn)
    }

    /// Removes a segment, however it is kept, and what was set aside of it.
    pub fn remove_segment(&self, number: u32) -> io::Result<()> {
        let aside = self.path.join(format!("{number:08}.torn"));
        let (plain, compressed) = (segment_path(&self.path, number), compressed_path(&self.path, number));
        let (new, notes) = (pack::new_path(&self.path, number), keys::notes_path(&self.path, number));
        for path in [aside, plain, compressed, new, notes] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.sync_names()
    }

    /// The segments that may be compressed and are not: not the open one, nor the one before it.
    pub fn sealed(&self) -> io::Result<Vec<u32>> {
        let mut numbers = list(&self.path)?;
        numbers.truncate(numbers.len().saturating_sub(2));
        numbers.retain(|number| segment_path(&self.path, *number).exists());
        Ok(numbers)
    }

    /// The file that names the newest record, to be renewed.
    pub fn head_file(&self) -> io::Result<File> {
        create(&self.path.join("head"), false)
    }

    /// Keeps room for the last records.
    pub fn reserve(&self) -> io::Result<()> {
        let file = create(&self.path.join("reserve"), true)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE) {
            // A file system that cannot promise room: `min_free` has to do.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives that room to whatever is written next. Was there any?
    pub fn release_reserve(&self) -> bool {
        fs::remove_file(self.path.join("reserve")).is_ok()
    }

    /// Has the disk hold the names of new files.
    pub fn sync_names(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

/// A file of ours, never through a link.
pub(super) fn create(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(truncate)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
}

pub(super) fn segment_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:08}.jsonl"))
}

pub(super) fn compressed_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:08}.jsonl.zst"))
}

/// The numbers of the segments in a directory, in order.
pub(super) fn list(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let plain = name.to_str().map(|name| name.strip_suffix(".zst").unwrap_or(name));
        let number = plain.and_then(|name| name.strip_suffix(".jsonl")).and_then(|stem| stem.parse().ok());
        numbers.extend(number.filter(|number| {
            [segment_path(directory, *number), compressed_path(directory, *number)]
                .iter()
                .any(|path| path.file_name() == Some(&name))
        }));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// A segment's lines, however they are kept.
pub(super) enum Content {
    Plain(File),
    Compressed(Box<zstd::Decoder<'static, BufReader<File>>>),
}

impl Content {
    pub fn is_compressed(&self) -> bool {
        matches!(self, Self::Compressed(_))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Compressed(decoder) => decoder.read(buffer),
        }
    }
}

/// A segment, to be read. While it is compressed it is there twice: the plain one is whole.
pub(super) fn read(directory: &Path, number: u32) -> io::Result<Content> {
    match File::open(segment_path(directory, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = File::open(compressed_path(directory, number))?;
            Ok(Content::Compressed(Box::new(zstd::Decoder::new(file)?)))
        }
        plain => plain.map(Content::Plain),
    }
}

/// Has the disk hold a segment that somebody else wrote.
pub(super) fn sync(directory: &Path, number: u32) -> io::Result<()> {
    match read(directory, number)? {
        Content::Plain(file) => file.sync_all(),
        Content::Compressed(_) => Ok(()), // it was when it was made
    }
}

/// The first line of a segment without its `\n`, if there is a whole one.
pub(super) fn first_line(directory: &Path, number: u32) -> io::Result<Option<Vec<u8>>> {
    match Lines::new(read(directory, number)?).next()? {
        Piece::Line(line) => Ok(Some(line.to_vec())),
        Piece::TooLong(_) | Piece::Unfinished(_) => Ok(None),
    }
}

/// The last `\n`-ended line of a segment without its `\n`, if it is no longer than `max`.
pub(super) fn last_line(directory: &Path, number: u32, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut file = match read(directory, number)? {
        Content::Plain(file) => file,
        compressed @ Content::Compressed(_) => return last_of(Lines::new(compressed), max),
    };
    let len = file.metadata()?.len();
    let from = len.saturating_sub(max as u64);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(max as u64).read_to_end(&mut tail)?;
    let Some((b'\n', lines)) = tail.split_last() else { return Ok(None) };
    let start = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
    Ok(lines.get(start..).filter(|_| start > 0 || from == 0).map(<[u8]>::to_vec))
}

/// The last octets of a segment, at most `max`, and whether these are all of it; `None` where it is compressed and large.
pub(super) fn end(directory: &Path, number: u32, max: u64) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut file = match read(directory, number)? {
        Content::Plain(file) => file,
        Content::Compressed(decoder) => {
            let mut octets = Vec::new();
            decoder.take(UNPACKED + 1).read_to_end(&mut octets)?;
            let cut = octets.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
            let whole = octets.len() as u64 <= UNPACKED;
            return Ok(whole.then(|| (octets.split_off(cut), cut == 0)));
        }
    };
    let from = file.metadata()?.len().saturating_sub(max);
    let mut octets = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(max).read_to_end(&mut octets)?;
    Ok(Some((octets, from == 0)))
}

fn last_of(mut lines: Lines<Content>, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut last = None;
    loop {
        match lines.next()? {
            Piece::Line(line) => {
                let kept: &mut Vec<u8> = last.get_or_insert_default();
                kept.clear();
                kept.extend_from_slice(line);
            }
            Piece::Unfinished(0) => return Ok(last.filter(|line| line.len() < max)),
            Piece::TooLong(_) | Piece::Unfinished(_) => return Ok(None),
        }
    }
}

/// Does a process write to this log?
pub(super) fn is_locked(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join("lock")) else { return false };
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

/// A record as somebody noted it: its number, and the hash of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// Number of the record.
    pub seq: u64,
    /// Hash of its line.
    pub hash: Hash,
}

impl FromStr for Noted {
    type Err = ();

    /// `SEQ:HASH`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, hash) = text.split_once(':').ok_or(())?;
        Ok(Self { seq: seq.parse().map_err(|_| ())?, hash: hash.parse()? })
    }
}

impl Noted {
    /// Renews the `head` file.
    ///
    /// In place, not by a new file and a rename: the text has always the same length and lies in one sector, so a crash
    /// leaves the old one or the new one, while a renamed file that was not synced for itself may come back empty. It costs
    /// one write instead of four calls and a change of the directory, many times a second.
    pub(super) fn write(self, disk: &dyn Disk, file: &File) -> io::Result<()> {
        disk.write_at(file, &self.text(), 0)
    }

    /// Octets of its text.
    pub(super) const TEXT: usize = HEAD_TEXT;

    /// Number and hash, in a line that has always the same length.
    pub(super) fn text(self) -> Vec<u8> {
        format!("{:>20} {}\n", self.seq, self.hash).into_bytes()
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (seq, hash) = text.strip_suffix('\n')?.trim_start_matches(' ').split_once(' ')?;
        Some(Self { seq: seq.parse().ok()?, hash: hash.parse().ok()? })
    }

    /// Reads the `head` file, and how long ago it was renewed.
    pub(super) fn read(directory: &Path) -> io::Result<(Self, Option<Duration>)> {
        let mut file = File::open(directory.join("head"))?;
        let mut text = String::new();
        (&mut file).take(2 * HEAD_TEXT as u64).read_to_string(&mut text)?;
        let noted = Self::from_text(&text);
        let age = file.metadata()?.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        noted.map(|noted| (noted, age)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_may_look_or_write() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("a/b");
        let directory = Directory::open(&path).expect("it can be made");
        let _file = directory.create_segment(1).expect("it is new");
        directory.reserve().expect("there is room");
        assert_eq!(mode(&path), 0o700);
        for name in ["lock", "00000001.jsonl", "reserve"] {
            assert_eq!(mode(&path.join(name)), 0o600, "{name}");
        }
        assert!(is_locked(&path));
        let refused = Directory::open(&path).expect_err("it is locked");
        assert!(refused.to_string().contains("another process"), "{refused}");
        drop(directory);
        assert!(!is_locked(&path));
        Directory::open(&path).expect("nobody holds it");
    }

    #[test]
    fn segments_are_known_by_their_names() {
        let temp = tempfile::tempdir().expect("a directory");
        for name in [
            "00000010.jsonl",
            "00000002.jsonl",
            "00000002.jsonl.zst",
            "00000003.jsonl.zst",
            "00000004.jsonl.zst.new",
            "00000005.zst",
            "123456789.jsonl",
            "2.jsonl",
            "x.jsonl",
            "00000003.torn",
            "head",
        ] {
            fs::write(temp.path().join(name), "").expect("it can be written");
        }
        assert_eq!(list(temp.path()).expect("it can be read"), [2, 3, 10, 123_456_789]);
    }

    #[test]
    fn the_last_line() {
        let temp = tempfile::tempdir().expect("a directory");
        for (name, bytes, expected) in [
            ("empty", "", None),
            ("one", "one\n", Some("one")),
            ("two", "one\ntwo\n", Some("two")),
            ("unfinished", "one\ntw", None),
            ("too long", "one\nabcdefghij\n", None),
        ] {
            fs::write(temp.path().join("00000001.jsonl"), bytes).expect("it can be written");
            let line = last_line(temp.path(), 1, 8).expect("it can be read");
            assert_eq!(line.as_deref(), expected.map(str::as_bytes), "{name}");
            let packed = zstd::encode_all(bytes.as_bytes(), 3).expect("memory can be compressed");
            fs::write(temp.path().join("00000002.jsonl.zst"), packed).expect("it can be written");
            let line = last_line(temp.path(), 2, 8).expect("it can be read");
            assert_eq!(line.as_deref(), expected.map(str::as_bytes), "{name}, compressed");
        }
    }

    #[test]
    fn the_head_is_what_was_written() {
        let temp = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(temp.path()).expect("it can be locked");
        let file = directory.head_file().expect("it can be made");
        for seq in [0, 1, 1_204_551, u64::MAX, 7] {
            let noted = Noted { seq, hash: Hash::of(&seq.to_be_bytes()) };
            noted.write(&RealDisk, &file).expect("there is room");
            assert_eq!(Noted::read(temp.path()).expect("it can be read").0, noted);
            assert_eq!(format!("{seq}:{}", noted.hash).parse(), Ok(noted));
        }
        for damaged in ["", "7", "7 AAAA\n", "x", "7 \n"] {
            fs::write(temp.path().join("head"), damaged).expect("it can be written");
            assert!(Noted::read(temp.path()).is_err(), "{damaged:?}");
        }
    }
}
