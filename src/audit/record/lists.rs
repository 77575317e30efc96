//! Lists and UID sets: cut where they are long, or going on in the next record.

use std::fmt::Display;
use std::io::Write as _;

use super::Progress;
use super::hashes::Hashes;
use crate::audit::hashing::HashedField;
use crate::audit::json::{self, Object};
use crate::imap::message::{Uid, UidSet};
use crate::session::event::AppendSource;

/// Octets of a section of a message.
const MAX_SECTION: usize = 64;
/// Octets of a list that is not split but cut.
const MAX_LIST: usize = 4 * 1024;
/// Octets of a list, or of a UID set, in one record.
pub(super) const CHUNK: usize = 12 * 1024;

/// A list that is cut where it is long: its last item then says how many are missing.
pub(super) fn short_list(out: &mut Vec<u8>, items: &[impl AsRef<str>], max: usize) {
    let start = out.len();
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if out.len() - start > MAX_LIST {
            let _ = write!(out, "\"+{} more\"", items.len() - index);
            break;
        }
        json::text(out, json::cut(item.as_ref(), max));
    }
    out.push(b']');
}

/// The messages that another was put together from; they go on in the next record.
pub(super) fn long_sources(
    data: &mut Object<'_>,
    sources: &[AppendSource],
    progress: &mut Progress,
    hashes: &mut Hashes<'_>,
) {
    let [_, done, _] = &mut progress.lists;
    let rest = sources.get(*done..).unwrap_or_default();
    if rest.is_empty() {
        return;
    }
    let out = data.key("sources");
    let start = out.len();
    out.push(b'[');
    for (nth, AppendSource { mailbox, uidv, uid, section }) in rest.iter().enumerate() {
        if out.len() - start + hashes.len() > CHUNK {
            progress.more = true;
            break;
        }
        if nth > 0 {
            out.push(b',');
        }
        let mut object = Object::open(out);
        hashes.mailbox(&mut object, (&format!("/data/sources/{nth}"), "mailbox"), mailbox);
        object.maybe_number("uidv", *uidv);
        object.maybe_number("uid", uid.map(Uid::get));
        object.maybe_text("section", section.as_deref(), MAX_SECTION);
        object.close();
        *done += 1;
    }
    out.push(b']');
}

/// A list that goes on in the next record where it is long. `index` tells an event's lists apart.
pub(super) fn long_list(
    data: &mut Object<'_>,
    key: &str,
    items: &[impl Display],
    max: usize,
    index: usize,
    progress: &mut Progress,
) {
    let Some(done) = progress.lists.get_mut(index) else { return };
    let rest = items.get(*done..).unwrap_or_default();
    if rest.is_empty() && *done > 0 {
        return;
    }
    let out = data.key(key);
    let start = out.len();
    out.push(b'[');
    for (nth, item) in rest.iter().enumerate() {
        if out.len() - start > CHUNK {
            progress.more = true;
            break;
        }
        if nth > 0 {
            out.push(b',');
        }
        json::text(out, json::cut(&item.to_string(), max));
        *done += 1;
    }
    out.push(b']');
}

/// Terms of a search, likewise; an event has no other list beside them.
pub(super) fn long_terms(
    data: &mut Object<'_>,
    terms: &[Box<str>],
    max: usize,
    progress: &mut Progress,
    hashes: &mut Hashes<'_>,
) {
    let [done, ..] = &mut progress.lists;
    let rest = terms.get(*done..).unwrap_or_default();
    if rest.is_empty() && *done > 0 {
        return;
    }
    let out = data.key("terms");
    let start = out.len();
    out.push(b'[');
    for (nth, term) in rest.iter().enumerate() {
        if out.len() - start > CHUNK {
            progress.more = true;
            break;
        }
        if nth > 0 {
            out.push(b',');
        }
        hashes.item(out, HashedField::Search, "/data/terms", nth, term, max);
        *done += 1;
    }
    out.push(b']');
}

/// UIDs, left out where their text is longer than 4 KiB: the count beside them stays.
pub(super) fn short_uids(data: &mut Object<'_>, key: &str, uids: Option<&UidSet>) {
    if let Some(uids) = uids.filter(|uids| fitting(uids, 0, MAX_LIST) == uids.len()) {
        write_uids(data.key(key), uids, 0, MAX_LIST, u64::MAX);
    }
}

/// UIDs from where the record before left off; returns how many.
pub(super) fn long_uids(
    data: &mut Object<'_>,
    key: &str,
    uids: Option<&UidSet>,
    progress: &mut Progress,
) -> Option<u64> {
    let uids = uids?;
    if progress.uids > 0 && progress.uids >= uids.len() {
        return Some(0);
    }
    let taken = write_uids(data.key(key), uids, progress.uids, CHUNK, u64::MAX);
    progress.uids += taken;
    progress.more |= progress.uids < uids.len();
    Some(taken)
}

/// Two sets whose members belong together in order: each record holds as many of the one as of the other.
pub(super) fn both_uids(
    data: &mut Object<'_>,
    uids: Option<&UidSet>,
    dst_uids: Option<&UidSet>,
    progress: &mut Progress,
) -> Option<u64> {
    let (Some(uids), Some(dst_uids)) = (uids, dst_uids) else {
        return long_uids(data, "uids", uids, progress).or_else(|| long_uids(data, "dst_uids", dst_uids, progress));
    };
    if progress.uids > 0 && progress.uids >= uids.len() && progress.dst_uids >= dst_uids.len() {
        return Some(0);
    }
    let both = fitting(uids, progress.uids, CHUNK).min(fitting(dst_uids, progress.dst_uids, CHUNK));
    let together = if both == 0 { u64::MAX } else { both };
    let taken = write_uids(data.key("uids"), uids, progress.uids, CHUNK, together);
    progress.uids += taken;
    progress.dst_uids += write_uids(data.key("dst_uids"), dst_uids, progress.dst_uids, CHUNK, together);
    progress.more |= progress.uids < uids.len() || progress.dst_uids < dst_uids.len();
    Some(taken)
}

/// The count to write: the event's own, unless this record holds only some of its UIDs.
pub(super) fn counted(n: Option<u64>, here: Option<u64>, progress: &Progress) -> Option<u64> {
    match here {
        Some(here) if progress.more || progress.uids > here => Some(here),
        _ => n,
    }
}

/// Up to `count` UIDs behind the first `skip`, as an IMAP set of at most `max` octets; returns how many.
pub(super) fn write_uids(out: &mut Vec<u8>, uids: &UidSet, skip: u64, max: usize, count: u64) -> u64 {
    out.push(b'"');
    let start = out.len();
    let mut taken = 0;
    for (first, last) in rest_of(uids, skip) {
        let left = count - taken;
        // Two numbers of ten digits, a colon and a comma.
        if left == 0 || out.len() - start + 22 > max {
            break;
        }
        let n = (last - first + 1).min(left);
        if taken > 0 {
            out.push(b',');
        }
        json::number(out, first);
        if n > 1 {
            out.push(b':');
            json::number(out, first + n - 1);
        }
        taken += n;
    }
    out.push(b'"');
    taken
}

/// How many UIDs behind the first `skip` fit into `max` octets.
fn fitting(uids: &UidSet, skip: u64, max: usize) -> u64 {
    let (mut len, mut n) = (0, 0);
    for (first, last) in rest_of(uids, skip) {
        if len + 22 > max {
            break;
        }
        len += 1 + digits(first) + if first == last { 0 } else { 1 + digits(last) };
        n += last - first + 1;
    }
    n
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The runs behind the first `skip` members.
fn rest_of(uids: &UidSet, mut skip: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
    uids.runs().filter_map(move |(first, last)| {
        let (first, last) = (u64::from(first.get()), u64::from(last.get()));
        let skipped = skip.min(last - first + 1);
        skip -= skipped;
        let first = first + skipped;
        (first <= last).then_some((first, last))
    })
}
