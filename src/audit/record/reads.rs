//! `message.read`: what was delivered, in as many records as that takes.

use super::data::write_hdr;
use super::hashes::Hashes;
use super::lists::{CHUNK, short_list, write_uids};
use super::spelled::HEAD;
use super::{MAX_LINE, MAX_WORD, Progress};
use crate::audit::json::Object;
use crate::imap::message::Uid;
use crate::session::event::{ReadClass, ReadMessage, ReadSet};

/// Octets that most entries take.
const ENTRY: usize = 128;
/// Messages in one record.
const MAX_MESSAGES: usize = 500;
/// Octets of a line at which its list of messages goes on in the next record; one more message fits behind it.
const LINE_FULL: usize = MAX_LINE - HEAD - 20 * 1024;

/// What was delivered: the classes below `preview` as sets, the others message by message.
pub(super) fn read_done(
    sets: &[ReadSet],
    msgs: &[ReadMessage],
    intent: Option<u64>,
    start: usize,
    progress: &mut Progress,
    hashes: &mut Hashes<'_>,
    data: &mut Object<'_>,
) {
    data.maybe_number("intent", intent);
    let room = LINE_FULL.saturating_sub(data.len() - start);
    let sets = some_sets(sets, room, progress);
    let msgs = some_msgs(msgs, room.saturating_sub(sets.json.len()), progress, hashes);
    data.number("n", sets.n + msgs.n);
    data.number("bytes", sets.bytes + msgs.bytes);
    for (key, shown) in [("sets", sets), ("msgs", msgs)] {
        if shown.entries > 0 {
            let out = data.key(key);
            out.push(b'[');
            out.extend_from_slice(&shown.json);
            out.push(b']');
        }
    }
}

/// The part of a list that fits into this record.
#[derive(Default)]
struct Shown {
    json: Vec<u8>,
    entries: usize,
    n: u64,
    bytes: u64,
}

impl Shown {
    fn entry(&mut self) -> Object<'_> {
        if self.entries > 0 {
            self.json.push(b',');
        }
        self.entries += 1;
        self.json.reserve(ENTRY);
        Object::open(&mut self.json)
    }
}

/// Sets from where the record before left off. One whose UIDs are many goes on in the next record.
fn some_sets(sets: &[ReadSet], room: usize, progress: &mut Progress) -> Shown {
    let mut shown = Shown::default();
    while let Some(set) = sets.get(progress.sets) {
        if shown.entries > 0 && shown.json.len() + CHUNK > room {
            progress.more = true;
            break;
        }
        let begins = progress.uids == 0;
        let mut object = shown.entry();
        object.word("cls", set.class.as_str());
        let taken = set.uids.as_ref().map(|uids| write_uids(object.key("uids"), uids, progress.uids, CHUNK, u64::MAX));
        progress.uids += taken.unwrap_or(0);
        let ends = set.uids.as_ref().is_none_or(|uids| progress.uids >= uids.len());
        let n = if begins && ends { set.n } else { taken.unwrap_or(0) };
        let bytes = if begins { set.bytes } else { 0 };
        object.number("n", n);
        object.number("bytes", bytes);
        object.close();
        (shown.n, shown.bytes) = (shown.n + n, shown.bytes + bytes);
        if !ends {
            progress.more = true;
            break;
        }
        (progress.sets, progress.uids) = (progress.sets + 1, 0);
    }
    shown
}

/// Messages from where the record before left off; none before all sets are written.
fn some_msgs(msgs: &[ReadMessage], room: usize, progress: &mut Progress, hashes: &mut Hashes<'_>) -> Shown {
    let mut shown = Shown::default();
    while let Some(message) = msgs.get(progress.msgs) {
        if progress.more || shown.entries == MAX_MESSAGES || shown.json.len() + hashes.len() > room {
            progress.more = true;
            break;
        }
        let index = shown.entries;
        write_message(shown.entry(), index, message, hashes);
        (shown.n, shown.bytes) = (shown.n + 1, shown.bytes + message.bytes);
        progress.msgs += 1;
    }
    shown
}

fn write_message(mut object: Object<'_>, index: usize, message: &ReadMessage, hashes: &mut Hashes<'_>) {
    let ReadMessage { uid, class, bytes, size, parts, emailid, hdr } = message;
    object.maybe_number("uid", uid.map(Uid::get));
    object.word("cls", class.as_str());
    object.number("bytes", *bytes);
    object.maybe_number("size", *size);
    if *class == ReadClass::Part
        && let Some(size) = size.filter(|size| *size > 0)
    {
        // A part never covers its message: what rounds to 1 stays below.
        let hundredths = (bytes.saturating_mul(100).saturating_add(size / 2) / size).min(99);
        object.displayed("cov", format_args!("0.{hundredths:02}"));
    }
    if !parts.is_empty() {
        short_list(object.key("parts"), parts, MAX_WORD);
    }
    object.maybe_text("emailid", emailid.as_deref(), MAX_WORD);
    if let Some(hdr) = hdr {
        write_hdr(&mut object, &format!("/data/msgs/{index}"), hdr, hashes);
    }
    object.close();
}
