//! One [`Event`] → one line of the log, or several where it is long.
//!
//! ```text
//!   Event ─▶ {"v":1,"seq":3,"prev":"…","log":"…","node":"…","ts":"…","type":"message.read", … ,"data":{…}}\n
//! ```
//!
//! Nearly all of it is spelled before its number is known ([`Spelled`]), by the session that has something to say.
//!
//! A line has at most 64 KiB. What is longer goes on in further records of the same type, each but the last with
//! `"more":true`: single values stand in each of them, lists and UID sets go on where the record before left off, and the
//! counts `n` and `bytes` are those of the record itself. Knows nothing of files.

mod data;
mod hashes;
mod lists;
mod reads;
mod spelled;

use std::sync::Arc;

use self::data::data;
use self::hashes::Hashes;
use self::lists::short_list;
pub use self::spelled::{Sort, Spelled, place};
use super::chain::Position;
use super::hashing::{HashedField, Hashing};
use super::json::Object;
use super::stamp::Stamp;
use crate::session::event::{Event, EventContext, EventKind, MailboxRef, PolicyOutcome};

/// Version of the schema.
pub const SCHEMA: u64 = 1;
/// Octets of a line, its `\n` included.
pub const MAX_LINE: usize = 64 * 1024;

/// Octets of names of people, credentials, upstreams, rules and the like.
const MAX_WORD: usize = 255;
/// Octets of a mailbox name.
const MAX_MAILBOX: usize = 1024;

/// Which log, on which node: the same in all its lines.
#[derive(Debug, Clone)]
pub struct LogName {
    /// Id of the chain.
    pub log: Arc<str>,
    /// Host name.
    pub node: Arc<str>,
    /// What is hashed, if anything is.
    pub hashing: Option<Arc<Hashing>>,
}

/// Writes `event` as the next lines of the log and moves `position` behind them. `intent` is the number of the record
/// that announced this one. Returns how many lines that took.
pub fn write(
    event: &Event,
    at: &Stamp,
    name: &LogName,
    intent: Option<u64>,
    position: &mut Position,
    out: &mut Vec<u8>,
) -> u64 {
    let mut spelled = Spelled::default();
    spelled.add(event, intent, name.hashing.as_deref());
    spelled.lines().for_each(|(line, _)| place(line, at, name, position, out));
    spelled.len() as u64
}

/// How much of an event's lists is written.
#[derive(Debug, Default)]
struct Progress {
    /// UIDs of the first set.
    uids: u64,
    /// UIDs of the second set.
    dst_uids: u64,
    /// Items of each list, in the order in which they are written.
    lists: [usize; 3],
    /// Sets of a read that are complete.
    sets: usize,
    /// Messages of a read.
    msgs: usize,
    /// Something is left for the next record.
    more: bool,
}

/// One line from its type on, without its `\n`; `true` where the event goes on in another.
fn rest(
    event: &Event,
    hashing: Option<&Hashing>,
    intent: Option<u64>,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let mut hashes = Hashes::new(hashing);
    let mut record = Object::go_on(out);
    let (type_name, code) = event.kind.spelled(event.stage);
    record.word("type", type_name);
    record.word("code", code);
    who(&mut record, event, &mut hashes);
    if let Some(mailbox) = &event.mailbox {
        write_mailbox(&mut record, mailbox, &mut hashes);
    }
    if let Some(policy) = &event.policy {
        write_policy(&mut record, policy);
    }
    if let Some(result) = &event.result {
        let mut object = Object::open(record.key("result"));
        object.word("status", result.status.as_str());
        object.maybe_text("code", result.code.as_deref(), MAX_WORD);
        object.close();
    }
    record.maybe_number("lat_us", event.lat_us);

    progress.more = false;
    // Verbs without a type of their own have nothing to say beside themselves.
    if !matches!(event.kind, EventKind::CommandRefused) {
        data(event, intent, start, progress, &mut hashes, record.key("data"));
    }
    if progress.more || event.more {
        record.flag("more", true);
    }
    hashes.write(&mut record);
    record.close();
    progress.more
}

/// Session, command and person.
fn who(record: &mut Object<'_>, event: &Event, hashes: &mut Hashes<'_>) {
    let EventContext { sid, user, actor, credential, client_ip, listener, upstream } = &*event.ctx;
    record.maybe_text("sid", sid.as_deref(), 12);
    if let Some(cmd) = event.cmd {
        record.number("cmd", cmd);
        record.word("verb", event.verb.map_or("OTHER", |verb| verb.name()));
    }
    if let Some(stage) = event.stage {
        record.word("stage", stage.as_str());
    }
    hashes.maybe_text(record, ("", "user"), HashedField::User, user.as_deref(), MAX_WORD);
    let actor = actor.as_deref().filter(|actor| Some(*actor) != user.as_deref());
    hashes.maybe_text(record, ("", "actor"), HashedField::User, actor, MAX_WORD);
    record.maybe_text("credential", credential.as_deref(), MAX_WORD);
    if let Some(client_ip) = client_ip {
        hashes.address(record, ("", "client_ip"), *client_ip);
    }
    record.maybe_text("listener", listener.as_deref(), MAX_WORD);
    record.maybe_text("upstream", upstream.as_deref(), MAX_WORD);
}

fn write_mailbox(record: &mut Object<'_>, mailbox: &MailboxRef, hashes: &mut Hashes<'_>) {
    let mut object = Object::open(record.key("mailbox"));
    hashes.mailbox(&mut object, ("/mailbox", "name"), &mailbox.name);
    object.maybe_number("uidv", mailbox.uidv);
    object.maybe_text("id", mailbox.id.as_deref(), MAX_WORD);
    object.close();
}

fn write_policy(record: &mut Object<'_>, policy: &PolicyOutcome) {
    let mut object = Object::open(record.key("policy"));
    object.text("rev", &policy.rev, 8);
    object.word("verdict", policy.verdict.as_str());
    if !policy.by.is_empty() {
        short_list(object.key("by"), &policy.by, MAX_WORD);
    }
    if !policy.shadow.is_empty() {
        short_list(object.key("shadow"), &policy.shadow, MAX_WORD);
    }
    object.close();
}
