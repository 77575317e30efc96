//! Where a log stands when the proxy starts.
//!
//! ```text
//!   00000001 ──link── 00000002 ──link── 00000003  every line ─▶ Position ─▶ next segment
//!                                               └ what broke off behind `head` ─▶ 00000003.torn
//! ```
//!
//! Links between segments are checked, and each line of the last one; the whole log is the work of [`super::verify`]. What
//! cannot be explained by a crash keeps the proxy from starting: a start that went on would renew `head`, and with it wipe
//! out the proof that something was cut.

use std::io;
use std::path::Path;

use super::chain::Position;
use super::error::OpenError;
use super::keys::{self, Left};
use super::line::{Line, NotARecord};
use super::lines::{Lines, Piece};
use super::record::MAX_LINE;
use super::segment::{self, Content, Directory, Noted};
use super::{pack, purge};

/// Segments that are looked at for the key that was announced last: the newest one has it, or the one before it.
const SEGMENTS: usize = 3;

/// Where the log goes on.
#[derive(Debug)]
pub(super) struct Resumed {
    /// What it told last; no id where it begins.
    pub left: Left,
    /// Behind its last record.
    pub position: Position,
    /// Number of the next segment.
    pub segment: u32,
    /// Octets that were set aside.
    pub torn: Option<u64>,
}

/// Finds out where the log in `directory` stands, and sets aside what broke off.
pub(super) fn resume(directory: &Directory) -> Result<Resumed, OpenError> {
    let path = directory.path();
    let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
    let mut numbers = segment::list(path).map_err(unreadable)?;
    let head = match Noted::read(path) {
        Ok((noted, _)) => Some(noted),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => None,
        Err(error) => return Err(unreadable(error)),
    };
    let begin = begin(path, &numbers)?;
    let first = numbers.first().copied().unwrap_or(1);
    if let Some(missing) = (first..).zip(&numbers).find_map(|(wanted, found)| (wanted != *found).then_some(wanted)) {
        return Err(OpenError::altered(path, &format!("segment {missing} is missing")));
    }
    check_links(path, &numbers, begin)?;

    let mut resumed = Resumed { left: Left::default(), position: Position::START, segment: 1, torn: None };
    while let Some(number) = numbers.pop() {
        let before = if numbers.is_empty() { begin } else { before(path, number)? };
        let walked = walk(path, number, head, before)?;
        if walked.rest > 0 {
            let error = |error: io::Error| OpenError::io(path, "an unfinished line cannot be set aside", &error);
            resumed.torn = Some(directory.set_aside(number, walked.len).map_err(error)?);
        }
        resumed.position = walked.position;
        resumed.segment = number;
        if walked.len > 0 {
            let closed = walked.closed.then(|| {
                (number, Noted { seq: walked.position.next_seq.saturating_sub(1), hash: walked.position.prev })
            });
            resumed.left =
                Left { log: walked.log, key: newest_key(path, number, &numbers)?, closed, last: Some(number) };
            resumed.segment =
                number.checked_add(1).ok_or_else(|| OpenError::altered(path, "the numbers of segments end"))?;
            break;
        }
    }
    check_head(path, head, &resumed)?;
    Ok(resumed)
}

/// The key that was announced last. A log that has one says so in each segment or at the end of the one before; where there
/// is a key, and it was not announced, all of the log may have been written before it was made.
fn newest_key(path: &Path, last: u32, before: &[u32]) -> Result<Option<(u32, String)>, OpenError> {
    let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
    for number in std::iter::once(last).chain(before.iter().rev().copied()).take(SEGMENTS) {
        let announced = keys::announced_in(path, number).map_err(unreadable)?;
        if announced.is_some() {
            return Ok(announced);
        }
    }
    Ok(None)
}

/// Each segment but the last begins where the one before it ends.
fn check_links(path: &Path, numbers: &[u32], begin: Position) -> Result<(), OpenError> {
    let sealed = numbers.split_last().map_or(&[][..], |(_, sealed)| sealed);
    for (at, number) in sealed.iter().enumerate() {
        let position = if at == 0 { begin } else { before(path, *number)? };
        let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
        let mut lines = Lines::new(segment::read(path, *number).map_err(unreadable)?);
        let linked = match lines.next().map_err(unreadable)? {
            Piece::Line(line) => Line::parse(line).is_ok_and(|line| line.follows(position)),
            Piece::TooLong(_) | Piece::Unfinished(_) => false,
        };
        if !linked {
            return Err(OpenError::altered(path, &format!("segment {number} does not follow the one before it")));
        }
    }
    Ok(())
}

/// Where the first segment begins. Those before it may be gone only if the log says that they were purged.
fn begin(path: &Path, numbers: &[u32]) -> Result<Position, OpenError> {
    let Some(first) = numbers.first().copied().filter(|first| *first > 1) else { return Ok(Position::START) };
    let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
    if let Some((cut, position)) = purge::beginning(path, first).map_err(unreadable)?
        && purge::is_named(path, numbers, cut).map_err(unreadable)?
    {
        return Ok(position);
    }
    let what = if first == 2 { "segment 1 is missing".into() } else { format!("segments 1-{} are missing", first - 1) };
    Err(OpenError::altered(path, &what))
}

/// Where the segment before this one ends.
fn before(path: &Path, number: u32) -> Result<Position, OpenError> {
    let Some(number) = number.checked_sub(1).filter(|number| *number > 0) else { return Ok(Position::START) };
    let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
    if let Some(noted) = pack::noted(path, number).map_err(unreadable)? {
        return Ok(Position { next_seq: noted.seq.saturating_add(1), prev: noted.hash });
    }
    let line = segment::last_line(path, number, MAX_LINE).map_err(unreadable)?;
    let position = line.as_deref().and_then(|bytes| {
        let line = Line::parse(bytes).ok()?;
        Some(Position { next_seq: line.seq, ..Position::START }.after(bytes))
    });
    position.ok_or_else(|| OpenError::altered(path, &format!("segment {number} does not end in a record")))
}

/// How far a segment holds.
struct Walked {
    log: Option<String>,
    /// Its last record is `audit.close`.
    closed: bool,
    position: Position,
    /// Octets of its whole lines.
    len: u64,
    /// Octets behind them.
    rest: u64,
}

/// Follows the chain through a segment. What a crash can have left behind the record that `head` names is the rest.
fn walk(path: &Path, number: u32, head: Option<Noted>, mut position: Position) -> Result<Walked, OpenError> {
    let unreadable = |error: io::Error| OpenError::io(path, "the audit log cannot be read", &error);
    let content = segment::read(path, number).map_err(unreadable)?;
    // Only a sealed segment is compressed: no crash leaves a rest in it.
    let size = match &content {
        Content::Plain(file) => Some(file.metadata().map_err(unreadable)?.len()),
        Content::Compressed(_) => None,
    };
    let (mut log, mut len, mut whole, mut closed) = (None, 0, true, false);
    let mut lines = Lines::new(content);
    loop {
        let bytes = match lines.next().map_err(unreadable)? {
            Piece::Line(bytes) => bytes,
            Piece::Unfinished(0) => break,
            Piece::Unfinished(_) | Piece::TooLong(_) => {
                whole = false;
                break;
            }
        };
        let line = match Line::parse(bytes) {
            Ok(line) if line.follows(position) => line,
            Ok(_) | Err(NotARecord::Unreadable) => {
                whole = false;
                break;
            }
            Err(NotARecord::Version(v)) => {
                return Err(OpenError::foreign(path, &format!("a line of segment {number} is of version {v}")));
            }
        };
        position = Position { next_seq: line.seq, ..position }.after(bytes);
        len += bytes.len() as u64 + 1;
        if head.is_some_and(|head| head.seq == line.seq && head.hash != position.prev) {
            return Err(OpenError::altered(path, &format!("record {} is not the one that `head` names", line.seq)));
        }
        closed = line.type_name == "audit.close";
        log.get_or_insert_with(|| line.log.into_owned());
    }
    if size.is_none() && !whole {
        return Err(OpenError::altered(path, &format!("record {} in segment {number}", position.next_seq)));
    }
    let rest = size.unwrap_or(len).saturating_sub(len);
    if rest > 0 && head.is_some_and(|head| head.seq >= position.next_seq) {
        return Err(OpenError::altered(path, &format!("record {} in segment {number}", position.next_seq)));
    }
    Ok(Walked { log, closed, position, len, rest })
}

/// `head` never names more than there is, and is missing only where a log died while it was begun.
fn check_head(path: &Path, head: Option<Noted>, resumed: &Resumed) -> Result<(), OpenError> {
    let next = resumed.position.next_seq;
    match head {
        Some(head) if head.seq >= next => {
            let what = match next.checked_sub(1) {
                Some(last) => format!("`head` names record {}, the last one that is left is {last}", head.seq),
                None => format!("`head` names record {}, none is left", head.seq),
            };
            Err(OpenError::altered(path, &what))
        }
        None if next > 1 => Err(OpenError::altered(path, "`head` is missing or damaged")),
        Some(_) | None => Ok(()),
    }
}
