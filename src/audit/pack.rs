//! Sealed segments are compressed, on a thread that nobody waits for.
//!
//! ```text
//!   00000041.jsonl ─▶ 00000041.jsonl.zst.new ─ synced, read again, the same ─▶ 00000041.jsonl.zst ─▶ the plain one goes
//!   00000042.jsonl   the newest sealed one stays as it is, for who looks at what happened lately
//!   00000043.jsonl   open
//! ```
//!
//! Until the last step the plain one is what readers take: a process that dies between two steps leaves a log that is whole,
//! and the next look begins again. Behind the frame stands a skippable one with what the last line says of itself, so that a
//! start need not unpack all segments to see that they hang together; `verify` does not rely on it.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::chain::Hash;
use super::line::Line;
use super::record::MAX_LINE;
use super::segment::{self, Directory, Noted, compressed_path, create, segment_path};
use super::shared::{Shared, locked};

/// As dense as is worth the time: 535 MB a second, a tenth of the octets.
const LEVEL: i32 = 3;
/// Octets that are read at once.
const BUFFER: usize = 128 * 1024;
/// RFC 8878 §3.1.2: a frame that is passed over, and how many octets it has.
const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// Compresses what is sealed, until the writer ends.
pub(super) fn run(shared: &Shared) {
    // Of this thread alone: mail comes first.
    let _ = rustix::process::nice(10);
    let (mut seen, mut failed) = (None, 0);
    while shared.wait_to_pack() {
        let begun = shared.begun.load(Ordering::Relaxed);
        if seen == Some(begun) || shared.failing() || shared.no_room.load(Ordering::Relaxed) {
            continue;
        }
        match pack_all(shared, &mut failed) {
            Ok(true) => seen = Some(begun),
            Ok(false) => {}
            Err(error) => tracing::debug!("the segments of the audit log cannot be listed: {error}"),
        }
    }
}

/// `true`: nothing is left to be compressed.
fn pack_all(shared: &Shared, failed: &mut u32) -> io::Result<bool> {
    let before = *failed;
    for number in shared.directory.sealed()?.into_iter().filter(|number| *number > before) {
        if shared.unsynced().ended || shared.failing() {
            return Ok(false);
        }
        if let Err(error) = pack(&shared.directory, number, &shared.removing) {
            // It stays as it is, which is said once.
            tracing::warn!("segment {number} of the audit log cannot be compressed: {error}");
            *failed = number;
        }
    }
    Ok(true)
}

impl Shared {
    /// Waits for a while; `false`: the writer ended.
    fn wait_to_pack(&self) -> bool {
        let mut unsynced = self.unsynced();
        let until = Instant::now() + self.tuning.pack;
        while !unsynced.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            unsynced = self.ended.wait_timeout(unsynced, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// Compresses one segment, and then removes the plain one. `removing` keeps others from doing that meanwhile.
pub(super) fn pack(directory: &Directory, number: u32, removing: &Mutex<()>) -> io::Result<()> {
    let (plain, packed) = (segment_path(directory.path(), number), compressed_path(directory.path(), number));
    let new = new_path(directory.path(), number);
    let made =
        last(directory.path(), number).and_then(|last| compress(&plain, &new, last)).and_then(|()| same(&plain, &new));
    if let Err(error) = made {
        let _ = fs::remove_file(&new); // else the next try writes over it
        return Err(error);
    }
    directory.sync_names()?;
    let _alone = locked(removing);
    if !plain.exists() {
        return fs::remove_file(&new); // it was purged
    }
    fs::rename(&new, &packed)?;
    directory.sync_names()?;
    fs::remove_file(&plain)?;
    directory.sync_names()
}

/// Where it is written before it counts.
pub(super) fn new_path(directory: &Path, number: u32) -> PathBuf {
    compressed_path(directory, number).with_extension("zst.new")
}

fn compress(plain: &Path, new: &Path, last: Option<Noted>) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(create(new, true)?, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut BufReader::with_capacity(BUFFER, File::open(plain)?), &mut encoder)?;
    let mut file = encoder.finish()?;
    if let Some(noted) = last {
        let text = noted.text();
        file.write_all(&SKIPPABLE)?;
        file.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
        file.write_all(&text)?;
    }
    file.sync_all()
}

/// Nothing is removed before what takes its place was read back.
fn same(plain: &Path, new: &Path) -> io::Result<()> {
    let mut plain = BufReader::with_capacity(BUFFER, File::open(plain)?);
    let mut packed = BufReader::with_capacity(BUFFER, zstd::Decoder::new(File::open(new)?)?);
    loop {
        let (one, other) = (plain.fill_buf()?, packed.fill_buf()?);
        let n = one.len().min(other.len());
        if one.get(..n) != other.get(..n) || (n == 0 && one.len() != other.len()) {
            return Err(io::Error::other("what was compressed does not read the same"));
        }
        if n == 0 {
            return Ok(());
        }
        plain.consume(n);
        packed.consume(n);
    }
}

/// The last record of a segment that is not compressed yet; none where it does not end in one.
fn last(directory: &Path, number: u32) -> io::Result<Option<Noted>> {
    let bytes = segment::last_line(directory, number, MAX_LINE)?;
    Ok(bytes.and_then(|bytes| Some(Noted { seq: Line::parse(&bytes).ok()?.seq, hash: Hash::of(&bytes) })))
}

/// The last record of a compressed segment, as it was noted behind it; none where it was compressed by somebody else.
pub(super) fn noted(directory: &Path, number: u32) -> io::Result<Option<Noted>> {
    let mut file = match File::open(segment_path(directory, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            BufReader::with_capacity(256, File::open(compressed_path(directory, number))?)
        }
        Err(error) => return Err(error),
        Ok(_) => return Ok(None),
    };
    let frame = Noted::TEXT + 8;
    let len = file.get_ref().metadata()?.len();
    let Some(from) = len.checked_sub(frame as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(from))?;
    let mut octets = Vec::with_capacity(frame);
    file.take(frame as u64).read_to_end(&mut octets)?;
    let size = u32::try_from(Noted::TEXT).map_err(io::Error::other)?.to_le_bytes();
    let text = octets.strip_prefix(&SKIPPABLE).and_then(|octets| octets.strip_prefix(&size));
    Ok(text.and_then(|text| std::str::from_utf8(text).ok()).and_then(Noted::from_text))
}
