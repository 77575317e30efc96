//! What each type says beside whom it is about.

use super::hashes::Hashes;
use super::lists::{both_uids, counted, long_list, long_sources, long_terms, long_uids, short_list, short_uids};
use super::reads::read_done;
use super::{MAX_MAILBOX, MAX_WORD, Progress};
use crate::audit::chain::HASH_TEXT;
use crate::audit::hashing::HashedField;
use crate::audit::json::Object;
use crate::imap::message::Uid;
use crate::session::event::{Event, EventKind, HeaderFacts, LimitName, ReadClass, TlsFacts};

/// Where all of it stands.
const DATA: &str = "/data";
/// Octets of one value of a client's ID.
const MAX_CLIENT_ID: usize = 64;
/// Octets of a search term, and of a field of a message's header.
const MAX_TERM: usize = 256;
/// Octets of a problem in a rule file.
const MAX_PROBLEM: usize = 512;
/// Problems of a load that failed.
const MAX_PROBLEMS: usize = 20;

/// The `data` of each type (audit.md §2). `start` is where the line begins in `out`.
pub(super) fn data(
    event: &Event,
    intent: Option<u64>,
    start: usize,
    progress: &mut Progress,
    hashes: &mut Hashes<'_>,
    out: &mut Vec<u8>,
) {
    use EventKind as K;
    let mut data = Object::open(out);
    match &event.kind {
        K::ProxyStart { version, config_sha256 } => {
            data.text("version", version, MAX_WORD);
            data.text("config_sha256", config_sha256, 64);
        }
        K::ProxyStop { reason } => data.word("reason", reason.as_str()),
        K::ProxyDrain { open, window_s } => {
            data.number("open", *open);
            data.number("window_s", *window_s);
        }
        K::UpstreamState { upstream, server, up, reason } => {
            data.text("upstream", upstream, MAX_WORD);
            data.maybe_text("server", server.as_deref(), MAX_WORD);
            data.word("state", if *up { "up" } else { "down" });
            data.maybe_word("reason", reason.map(|reason| reason.as_str()));
        }
        K::SessionOpen { port, via, tls } => {
            data.number("port", *port);
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
            data.number("dur_ms", *dur_ms);
            data.number("commands", *commands);
            data.number("in", *bytes_in);
            data.number("out", *bytes_out);
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
            data.number("ms", *ms);
        }
        K::AuthFailure { mech, reason } => {
            data.word("mech", mech.as_str());
            data.word("reason", reason.as_str());
        }
        K::AuthRefused { mech } => data.word("mech", mech.as_str()),
        K::MailboxList { op, reference, pattern, n, hidden } => {
            data.word("op", op.as_str());
            hashes.mailbox(&mut data, (DATA, "ref"), reference);
            hashes.mailbox(&mut data, (DATA, "pattern"), pattern);
            data.number("n", *n);
            data.number("hidden", *hidden);
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
            hashes.maybe_text(&mut data, (DATA, "to"), HashedField::Mailbox, to.as_deref(), MAX_MAILBOX);
        }
        K::MailboxAcl { op, who, rights } => {
            data.word("op", op.as_str());
            hashes.maybe_text(&mut data, (DATA, "who"), HashedField::User, who.as_deref(), MAX_WORD);
            data.maybe_text("rights", rights.as_deref(), 64);
        }
        K::MessageRead { uids, want } => {
            long_uids(&mut data, "uids", uids.as_ref(), progress);
            data.word("want", want.as_str());
        }
        K::MessageReadDone { sets, msgs } => read_done(sets, msgs, intent, start, progress, hashes, &mut data),
        K::MessageSearch { keys, terms, content, hits, uids, hidden } => {
            short_list(data.key("keys"), keys, MAX_WORD);
            if !terms.is_empty() {
                long_terms(&mut data, terms, MAX_TERM, progress, hashes);
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
            hashes.mailbox(&mut data, (DATA, "dst"), dst);
            data.maybe_number("dst_uidv", *dst_uidv);
            let here = both_uids(&mut data, uids.as_ref(), dst_uids.as_ref(), progress);
            data.maybe_number("n", counted(*n, here, progress));
        }
        K::MessageAppend { size, flags, uid, uidv, replaces, sources, hdr } => {
            data.maybe_number("intent", intent);
            data.number("size", *size);
            long_list(&mut data, "flags", flags, MAX_WORD, 0, progress);
            data.maybe_number("uid", uid.map(Uid::get));
            data.maybe_number("uidv", *uidv);
            data.maybe_number("replaces", replaces.map(Uid::get));
            if !sources.is_empty() {
                long_sources(&mut data, sources, progress, hashes);
            }
            if let Some(hdr) = hdr {
                write_hdr(&mut data, DATA, hdr, hashes);
            }
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
            data.number("used", *used);
            data.number("max", *max);
            data.maybe_number("window_s", *window_s);
            data.word("action", action.as_str());
        }
        K::PolicyLoad { rev, old_rev, by, rules, added, removed, changed } => {
            data.text("rev", rev, 8);
            data.maybe_text("old_rev", old_rev.as_deref(), 8);
            data.word("by", by.as_str());
            data.number("rules", *rules);
            long_list(&mut data, "added", added, MAX_WORD, 0, progress);
            long_list(&mut data, "removed", removed, MAX_WORD, 1, progress);
            long_list(&mut data, "changed", changed, MAX_WORD, 2, progress);
        }
        K::PolicyLoadFailed { by, problems } => {
            data.word("by", by.as_str());
            let first = problems.get(..MAX_PROBLEMS).unwrap_or(problems);
            long_list(&mut data, "problems", first, MAX_PROBLEM, 0, progress);
        }
        K::PolicyAlert { rules, to } => {
            short_list(data.key("rules"), rules, MAX_WORD);
            hashes.maybe_text(&mut data, (DATA, "to"), HashedField::Mailbox, to.as_deref(), MAX_MAILBOX);
        }
        K::PolicyExpire { rule, until, exception } => {
            data.text("rule", rule, MAX_WORD);
            data.text("until", until, MAX_WORD);
            data.maybe_text("reason", exception.as_deref(), MAX_WORD);
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
            hashes.subject(&mut data, (DATA, "subject"), subject);
            data.text("until", until, MAX_WORD);
            data.text("by", by, MAX_WORD);
            data.text("why", why, MAX_WORD);
        }
        K::AdminAction { who, role, method, route, target, status, refused: _ } => {
            data.text("who", who, MAX_WORD);
            data.maybe_text("role", role.as_deref(), MAX_WORD);
            data.text("method", method, MAX_WORD);
            data.text("route", route, MAX_WORD);
            if let Some(target) = target {
                hashes.subject(&mut data, (DATA, "target"), target);
            }
            data.maybe_number("status", *status);
        }
        K::AuditAccess { who, via, command, filter, rows, case } => {
            data.text("who", who, MAX_WORD);
            data.word("via", via.as_str());
            data.text("command", command, MAX_WORD);
            hashes.subject(&mut data, (DATA, "filter"), filter);
            data.maybe_number("rows", *rows);
            data.maybe_text("case", case.as_deref(), MAX_WORD);
        }
        K::AuditOpen { reason, segment, version, on_failure, durability, torn, others } => {
            data.word("reason", reason.as_str());
            data.number("segment", *segment);
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
            data.number("records", *records);
        }
        K::AuditPurge { segment, first, last, hash } => {
            data.number("segment", *segment);
            data.number("first", *first);
            data.number("last", *last);
            data.text("hash", hash, HASH_TEXT);
        }
        K::AuditCheckpoint { size, hash, key } => {
            data.number("size", *size);
            data.text("hash", hash, HASH_TEXT);
            data.text("key", key, 8);
        }
        K::AuditKey { segment, old, new, public, sig } => {
            data.number("segment", *segment);
            data.maybe_text("old", old.as_deref(), 8);
            data.text("new", new, 8);
            data.text("pub", public, 44);
            data.text("sig", sig, 88);
        }
        K::AuditGap { first, last, n, by_type, reason } => {
            data.number("first", *first);
            data.number("last", *last);
            data.number("n", *n);
            let mut types = Object::open(data.key("by_type"));
            by_type.iter().for_each(|(name, n)| types.number(name, *n));
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

/// `place` is the pointer of the object that `hdr` stands in.
pub(super) fn write_hdr(data: &mut Object<'_>, place: &str, hdr: &HeaderFacts, hashes: &mut Hashes<'_>) {
    let HeaderFacts { message_id, from, to, date, subject } = hdr;
    let mut object = Object::open(data.key("hdr"));
    let place = &format!("{place}/hdr");
    object.maybe_text("message_id", message_id.as_deref(), MAX_TERM);
    hashes.maybe_text(&mut object, (place, "from"), HashedField::Address, from.as_deref(), MAX_TERM);
    hashes.maybe_text(&mut object, (place, "to"), HashedField::Address, to.as_deref(), MAX_TERM);
    object.maybe_text("date", date.as_deref(), MAX_TERM);
    hashes.maybe_text(&mut object, (place, "subject"), HashedField::Subject, subject.as_deref(), MAX_TERM);
    object.close();
}
