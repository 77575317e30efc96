//! One [`Event`] → one line of the log, or several where it is long.
//!
//! ```text
//!   Event ─▶ {"v":1,"seq":3,"prev":"…","log":"…","node":"…","ts":"…","type":"message.read", … ,"data":{…}}\n
//! ```
//!
//! A line has at most 64 KiB. What is longer goes on in further records of the same type, each but the last with
//! `"more":true`: single values stand in each of them, lists and UID sets go on where the record before left off, and the
//! counts `n` and `bytes` are those of the record itself. Knows nothing of files.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;

use super::chain::{HASH_TEXT, Position};
use super::json::{self, Object};
use crate::imap::message::UidSet;
use crate::session::event::{
    Event, EventContext, EventKind, HeaderFacts, LimitName, MailboxRef, PolicyOutcome, ReadClass, ReadMessage, ReadSet,
    TlsFacts,
};

/// Version of the schema.
pub const SCHEMA: u64 = 1;
/// Octets of a line, its `\n` included.
pub const MAX_LINE: usize = 64 * 1024;

/// Octets of names of people, credentials, upstreams, rules and the like.
const MAX_WORD: usize = 255;
/// Octets of a mailbox name.
const MAX_MAILBOX: usize = 1024;
/// Octets of one value of a client's ID.
const MAX_CLIENT_ID: usize = 64;
/// Octets of a search term, and of a field of a message's header.
const MAX_TERM: usize = 256;
/// Octets of a problem in a rule file.
const MAX_PROBLEM: usize = 512;
/// Problems of a load that failed.
const MAX_PROBLEMS: usize = 20;
/// Messages in one record.
const MAX_MESSAGES: usize = 500;
/// Octets of a list that is not split but cut.
const MAX_LIST: usize = 4 * 1024;
/// Octets of a list, or of a UID set, in one record.
const CHUNK: usize = 12 * 1024;
/// Octets of a line at which its list of messages goes on in the next record; one more message fits behind it.
const LINE_FULL: usize = MAX_LINE - 20 * 1024;

/// Which log, on which node: the same in all its lines.
#[derive(Debug, Clone)]
pub struct LogName {
    /// Id of the chain.
    pub log: Arc<str>,
    /// Host name.
    pub node: Arc<str>,
}

/// Writes `event` as the next lines of the log and moves `position` behind them. `intent` is the number of the record
/// that announced this one. Returns how many lines that took.
pub fn write(
    event: &Event,
    at: Timestamp,
    name: &LogName,
    intent: Option<u64>,
    position: &mut Position,
    out: &mut Vec<u8>,
) -> u64 {
    let mut progress = Progress::default();
    let mut lines = 0;
    loop {
        let start = out.len();
        let more = line(event, at, name, intent, *position, &mut progress, out);
        *position = position.after(out.get(start..).unwrap_or_default());
        out.push(b'\n');
        lines += 1;
        debug_assert!(out.len() - start <= MAX_LINE, "{} octets of {}", out.len() - start, event.kind.type_name());
        if !more {
            return lines;
        }
    }
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

/// One line without its `\n`; `true` where the event goes on in another.
fn line(
    event: &Event,
    at: Timestamp,
    name: &LogName,
    intent: Option<u64>,
    position: Position,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let mut record = Object::open(out);
    record.number("v", SCHEMA);
    record.number("seq", position.next_seq);
    let prev = record.key("prev");
    prev.push(b'"');
    position.prev.write(prev);
    prev.push(b'"');
    record.text("log", &name.log, 10);
    record.text("node", &name.node, 63);
    record.quoted("ts", format_args!("{at:.6}"));
    let (type_name, code) = event.kind.spelled(event.stage);
    record.word("type", type_name);
    record.word("code", code);
    who(&mut record, event);
    if let Some(mailbox) = &event.mailbox {
        write_mailbox(&mut record, mailbox);
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
        data(event, intent, start, progress, record.key("data"));
    }
    if progress.more || event.more {
        record.flag("more", true);
    }
    record.close();
    progress.more
}

/// Session, command and person.
fn who(record: &mut Object<'_>, event: &Event) {
    let EventContext { sid, user, actor, credential, client_ip, listener, upstream } = &*event.ctx;
    record.maybe_text("sid", sid.as_deref(), 12);
    if let Some(cmd) = event.cmd {
        record.number("cmd", cmd);
        record.word("verb", event.verb.map_or("OTHER", |verb| verb.name()));
    }
    if let Some(stage) = event.stage {
        record.word("stage", stage.as_str());
    }
    record.maybe_text("user", user.as_deref(), MAX_WORD);
    record.maybe_text("actor", actor.as_deref().filter(|actor| Some(*actor) != user.as_deref()), MAX_WORD);
    record.maybe_text("credential", credential.as_deref(), MAX_WORD);
    if let Some(client_ip) = client_ip {
        record.quoted("client_ip", client_ip);
    }
    record.maybe_text("listener", listener.as_deref(), MAX_WORD);
    record.maybe_text("upstream", upstream.as_deref(), MAX_WORD);
}

fn write_mailbox(record: &mut Object<'_>, mailbox: &MailboxRef) {
    let mut object = Object::open(record.key("mailbox"));
    object.text("name", &mailbox.name, MAX_MAILBOX);
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

/// The `data` of each type (audit.md §2). `start` is where the line begins in `out`.
fn data(event: &Event, intent: Option<u64>, start: usize, progress: &mut Progress, out: &mut Vec<u8>) {
    use EventKind as K;
    let mut data = Object::open(out);
    match &event.kind {
        K::ProxyStart { version, config_sha256 } => {
            data.text("version", version, MAX_WORD);
            data.text("config_sha256", config_sha256, 64);
        }
        K::ProxyStop { reason } => data.word("reason", reason.as_str()),
        K::ProxyDrain { open, window_s } => {
            data.number("open", open);
            data.number("window_s", window_s);
        }
        K::UpstreamState { upstream, server, up, reason } => {
            data.text("upstream", upstream, MAX_WORD);
            data.maybe_text("server", server.as_deref(), MAX_WORD);
            data.word("state", if *up { "up" } else { "down" });
            data.maybe_word("reason", reason.map(|reason| reason.as_str()));
        }
        K::SessionOpen { port, via, tls } => {
            data.number("port", port);
            if let Some(via) = via {
                data.quoted("via", via);
            }
            if let Some(tls) = tls {
                write_tls(data.key("tls"), tls);
            }
        }
        K::SessionRefused { reason } => data.word("reason", reason.as_str()),
        K::SessionClose { reason, by, dur_ms, commands, bytes_in, bytes_out, reads } => {
            data.word("reason", reason.as_str());
            data.word("by", by.as_str());
            data.number("dur_ms", dur_ms);
            data.number("commands", commands);
            data.number("in", bytes_in);
            data.number("out", bytes_out);
            let mut classes = Object::open(data.key("reads"));
            for class in ReadClass::ALL {
                classes.maybe_number(class.as_str(), Some(reads.of(class)).filter(|n| *n > 0));
            }
            classes.close();
        }
        K::SessionKill { by, why } => {
            data.word("by", by.as_str());
            data.text("why", why, MAX_WORD);
        }
        K::ClientId { name, version, os, vendor } => {
            data.maybe_text("name", name.as_deref(), MAX_CLIENT_ID);
            data.maybe_text("version", version.as_deref(), MAX_CLIENT_ID);
            data.maybe_text("os", os.as_deref(), MAX_CLIENT_ID);
            data.maybe_text("vendor", vendor.as_deref(), MAX_CLIENT_ID);
        }
        K::AuthSuccess { mech, groups, upstream, ms } => {
            data.word("mech", mech.as_str());
            if !groups.is_empty() {
                short_list(data.key("groups"), groups, MAX_WORD);
            }
            data.text("upstream", upstream, MAX_WORD);
            data.number("ms", ms);
        }
        K::AuthFailure { mech, reason } => {
            data.word("mech", mech.as_str());
            data.word("reason", reason.as_str());
        }
        K::AuthRefused { mech } => data.word("mech", mech.as_str()),
        K::MailboxList { op, reference, pattern, n, hidden } => {
            data.word("op", op.as_str());
            data.text("ref", reference, MAX_MAILBOX);
            data.text("pattern", pattern, MAX_MAILBOX);
            data.number("n", n);
            data.number("hidden", hidden);
        }
        K::MailboxStatus { items } => short_list(data.key("items"), items, MAX_WORD),
        K::MailboxOpen { rw, exists, hidden, hidden_uids } => {
            data.flag("rw", *rw);
            data.maybe_number("exists", *exists);
            data.maybe_number("hidden", *hidden);
            short_uids(&mut data, "hidden_uids", hidden_uids.as_ref());
        }
        K::MailboxHidden { uids } => {
            short_uids(&mut data, "uids", Some(uids));
            data.number("n", uids.len());
        }
        K::MailboxChange { op, to } => {
            data.word("op", op.as_str());
            data.maybe_number("intent", intent);
            data.maybe_text("to", to.as_deref(), MAX_MAILBOX);
        }
        K::MailboxAcl { who, rights } => {
            data.maybe_text("who", who.as_deref(), MAX_WORD);
            data.maybe_text("rights", rights.as_deref(), 64);
        }
        K::MessageRead { uids, want } => {
            long_uids(&mut data, "uids", uids.as_ref(), progress);
            data.word("want", want.as_str());
        }
        K::MessageReadDone { sets, msgs } => read_done(sets, msgs, intent, start, progress, &mut data),
        K::MessageSearch { keys, terms, content, hits, uids, hidden } => {
            short_list(data.key("keys"), keys, MAX_WORD);
            if !terms.is_empty() {
                long_list(&mut data, "terms", terms, MAX_TERM, 0, progress);
            }
            data.flag("content", *content);
            data.maybe_number("hits", *hits);
            short_uids(&mut data, "uids", uids.as_ref());
            data.maybe_number("hidden", *hidden);
        }
        K::MessageFlag { op, flags, dropped, uids, n } => {
            data.word("op", op.as_str());
            data.maybe_number("intent", intent);
            long_list(&mut data, "flags", flags, MAX_WORD, 0, progress);
            if !dropped.is_empty() {
                long_list(&mut data, "dropped", dropped, MAX_WORD, 1, progress);
            }
            let here = long_uids(&mut data, "uids", uids.as_ref(), progress);
            data.maybe_number("n", counted(*n, here, progress));
        }
        K::MessageCopy { op, dst, dst_uidv, uids, dst_uids, n } => {
            data.word("op", op.as_str());
            data.maybe_number("intent", intent);
            data.text("dst", dst, MAX_MAILBOX);
            data.maybe_number("dst_uidv", *dst_uidv);
            let here = both_uids(&mut data, uids.as_ref(), dst_uids.as_ref(), progress);
            data.maybe_number("n", counted(*n, here, progress));
        }
        K::MessageAppend { size, flags, uid, uidv, replaces, hdr } => {
            data.maybe_number("intent", intent);
            data.number("size", size);
            long_list(&mut data, "flags", flags, MAX_WORD, 0, progress);
            data.maybe_number("uid", *uid);
            data.maybe_number("uidv", *uidv);
            data.maybe_number("replaces", *replaces);
            write_hdr(&mut data, hdr.as_deref());
        }
        K::MessageExpunge { how, uids, n } => {
            data.word("how", how.as_str());
            data.maybe_number("intent", intent);
            let here = long_uids(&mut data, "uids", uids.as_ref(), progress);
            data.maybe_number("n", counted(*n, here, progress));
        }
        K::CommandRefused => {}
        K::LimitHit { limit, kind, per, used, max, window_s, action } => {
            match limit {
                LimitName::Rule(rule) => data.text("rule", rule, MAX_WORD),
                LimitName::Key(key) => data.word("limit", key),
            }
            data.word("kind", kind.as_str());
            data.word("per", per.as_str());
            data.number("used", used);
            data.number("max", max);
            data.maybe_number("window_s", *window_s);
            data.word("action", action.as_str());
        }
        K::PolicyLoad { rev, old_rev, by, rules, added, removed, changed } => {
            data.text("rev", rev, 8);
            data.maybe_text("old_rev", old_rev.as_deref(), 8);
            data.word("by", by.as_str());
            data.number("rules", rules);
            long_list(&mut data, "added", added, MAX_WORD, 0, progress);
            long_list(&mut data, "removed", removed, MAX_WORD, 1, progress);
            long_list(&mut data, "changed", changed, MAX_WORD, 2, progress);
        }
        K::PolicyLoadFailed { by, problems } => {
            data.word("by", by.as_str());
            let first = problems.get(..MAX_PROBLEMS).unwrap_or(problems);
            long_list(&mut data, "problems", first, MAX_PROBLEM, 0, progress);
        }
        K::ProtocolFault { side, reason, at } => {
            data.word("side", side.as_str());
            data.word("reason", reason.as_str());
            data.maybe_number("at", *at);
        }
        K::FilterFailure { response, action } => {
            data.word("response", response.as_str());
            data.word("action", action.as_str());
        }
        K::LockChange { op, lock, subject, until, by, why } => {
            data.word("op", op.as_str());
            data.text("lock", lock, MAX_WORD);
            data.text("subject", subject, MAX_WORD);
            data.text("until", until, MAX_WORD);
            data.text("by", by, MAX_WORD);
            data.text("why", why, MAX_WORD);
        }
        K::AdminAction { who, role, method, route, target, status, refused: _ } => {
            data.text("who", who, MAX_WORD);
            data.maybe_text("role", role.as_deref(), MAX_WORD);
            data.text("method", method, MAX_WORD);
            data.text("route", route, MAX_WORD);
            data.maybe_text("target", target.as_deref(), MAX_WORD);
            data.maybe_number("status", *status);
        }
        K::AuditOpen { reason, segment, version, on_failure, durability, torn, others } => {
            data.word("reason", reason.as_str());
            data.number("segment", segment);
            data.text("version", version, MAX_WORD);
            data.word("on_failure", on_failure.as_str());
            data.word("durability", durability.as_str());
            data.maybe_number("torn", *torn);
            if !others.is_empty() {
                let mut named = Object::open(data.key("others"));
                others
                    .iter()
                    .for_each(|other| named.text(&other.log, &format!("{}:{}", other.seq, other.hash), MAX_WORD));
                named.close();
            }
        }
        K::AuditClose { reason, records } => {
            data.word("reason", reason.as_str());
            data.number("records", records);
        }
        K::AuditPurge { segment, first, last, hash } => {
            data.number("segment", segment);
            data.number("first", first);
            data.number("last", last);
            data.text("hash", hash, HASH_TEXT);
        }
        K::AuditCheckpoint { size, hash, key } => {
            data.number("size", size);
            data.text("hash", hash, HASH_TEXT);
            data.text("key", key, 8);
        }
        K::AuditKey { segment, old, new, public, sig } => {
            data.number("segment", segment);
            data.maybe_text("old", old.as_deref(), 8);
            data.text("new", new, 8);
            data.text("pub", public, 44);
            data.text("sig", sig, 88);
        }
        K::AuditGap { first, last, n, by_type, reason } => {
            data.number("first", first);
            data.number("last", last);
            data.number("n", n);
            let mut types = Object::open(data.key("by_type"));
            by_type.iter().for_each(|(name, n)| types.number(name, n));
            types.close();
            data.word("reason", reason.as_str());
        }
    }
    data.close();
}

fn write_tls(out: &mut Vec<u8>, tls: &TlsFacts) {
    let mut object = Object::open(out);
    object.word("version", tls.version);
    object.text("cipher", &tls.cipher, 64);
    object.maybe_text("sni", tls.sni.as_deref(), MAX_WORD);
    object.maybe_text("client_cert_sha256", tls.client_cert_sha256.as_deref(), 64);
    object.close();
}

fn write_hdr(data: &mut Object<'_>, hdr: Option<&HeaderFacts>) {
    let Some(HeaderFacts { message_id, from, to, date, subject }) = hdr else { return };
    let mut object = Object::open(data.key("hdr"));
    object.maybe_text("message_id", message_id.as_deref(), MAX_TERM);
    object.maybe_text("from", from.as_deref(), MAX_TERM);
    object.maybe_text("to", to.as_deref(), MAX_TERM);
    object.maybe_text("date", date.as_deref(), MAX_TERM);
    object.maybe_text("subject", subject.as_deref(), MAX_TERM);
    object.close();
}

/// What was delivered: the classes below `preview` as sets, the others message by message.
fn read_done(
    sets: &[ReadSet],
    msgs: &[ReadMessage],
    intent: Option<u64>,
    start: usize,
    progress: &mut Progress,
    data: &mut Object<'_>,
) {
    data.maybe_number("intent", intent);
    let room = LINE_FULL.saturating_sub(data.len() - start);
    let sets = some_sets(sets, room, progress);
    let msgs = some_msgs(msgs, room.saturating_sub(sets.json.len()), progress);
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
fn some_msgs(msgs: &[ReadMessage], room: usize, progress: &mut Progress) -> Shown {
    let mut shown = Shown::default();
    while let Some(message) = msgs.get(progress.msgs) {
        if progress.more || shown.entries == MAX_MESSAGES || shown.json.len() > room {
            progress.more = true;
            break;
        }
        write_message(shown.entry(), message);
        (shown.n, shown.bytes) = (shown.n + 1, shown.bytes + message.bytes);
        progress.msgs += 1;
    }
    shown
}

fn write_message(mut object: Object<'_>, message: &ReadMessage) {
    let ReadMessage { uid, class, bytes, size, parts, emailid, hdr } = message;
    object.maybe_number("uid", *uid);
    object.word("cls", class.as_str());
    object.number("bytes", bytes);
    object.maybe_number("size", *size);
    if *class == ReadClass::Part
        && let Some(size) = size.filter(|size| *size > 0)
    {
        // A part never covers its message: what rounds to 1 stays below.
        let hundredths = (bytes.saturating_mul(100).saturating_add(size / 2) / size).min(99);
        object.number("cov", format_args!("0.{hundredths:02}"));
    }
    if !parts.is_empty() {
        short_list(object.key("parts"), parts, MAX_WORD);
    }
    object.maybe_text("emailid", emailid.as_deref(), MAX_WORD);
    write_hdr(&mut object, hdr.as_deref());
    object.close();
}

/// A list that is cut where it is long: its last item then says how many are missing.
fn short_list(out: &mut Vec<u8>, items: &[impl AsRef<str>], max: usize) {
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

/// A list that goes on in the next record where it is long. `index` tells an event's lists apart.
fn long_list(
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

/// UIDs, left out where their text is longer than 4 KiB: the count beside them stays.
fn short_uids(data: &mut Object<'_>, key: &str, uids: Option<&UidSet>) {
    if let Some(uids) = uids.filter(|uids| fitting(uids, 0, MAX_LIST) == uids.len()) {
        write_uids(data.key(key), uids, 0, MAX_LIST, u64::MAX);
    }
}

/// UIDs from where the record before left off; returns how many.
fn long_uids(data: &mut Object<'_>, key: &str, uids: Option<&UidSet>, progress: &mut Progress) -> Option<u64> {
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
fn both_uids(
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
fn counted(n: Option<u64>, here: Option<u64>, progress: &Progress) -> Option<u64> {
    match here {
        Some(here) if progress.more || progress.uids > here => Some(here),
        _ => n,
    }
}

/// Up to `count` UIDs behind the first `skip`, as an IMAP set of at most `max` octets; returns how many.
fn write_uids(out: &mut Vec<u8>, uids: &UidSet, skip: u64, max: usize, count: u64) -> u64 {
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
        let _ = if n == 1 { write!(out, "{first}") } else { write!(out, "{first}:{}", first + n - 1) };
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
