//! What responses say of the state and of commands under way; and what becomes of a command when its answer comes.

use std::sync::Arc;
use std::time::Instant;

use crate::imap::message::{Uid, UidSet};
use crate::imap::rights::{Right, Rights};
use crate::imap::status::Status;
use crate::imap::verb::Verb;
use crate::rewrite::{mailbox_data, status_data};
use crate::view::mailboxes::Query;
use crate::wire::command::{Args, Command};
use crate::wire::response::{self, Code, Keyword, number};

use super::effect::{CopyUid, Effect, Held, Own};
use super::event::{
    CloseReason, Event, EventKind, FaultReason, FilterAction, FilteredResponse, MailboxRef, Note, Side,
};
use super::in_flight::Entry;
use super::reads::Reads;
use super::recording::result_status;
use super::refusal::{Answer, Bye};
use super::response_path::Flow;
use super::state::Selected;
use super::{ClientMode, Session};

/// Response codes that may be told of a filtered session's commands, as they are (surface B.3).
const PASSING_CODES: [&str; 13] = [
    "READ-ONLY",
    "READ-WRITE",
    "APPENDUID",
    "COPYUID",
    "MODIFIED",
    "UIDVALIDITY",
    "UIDNEXT",
    "UNSEEN",
    "NOMODSEQ",
    "HIGHESTMODSEQ",
    "PERMANENTFLAGS",
    "UIDNOTSTICKY",
    "NOTSAVED",
];

/// Response codes of refusals that say nothing of what is hidden.
const PASSING_REFUSALS: [&str; 10] = [
    "NONEXISTENT",
    "ALREADYEXISTS",
    "NOPERM",
    "OVERQUOTA",
    "TOOBIG",
    "LIMIT",
    "CANNOT",
    "UNAVAILABLE",
    "UNKNOWN-CTE",
    "BADCHARSET",
];

impl Session {
    /// A command is answered. `rest` is its line behind the tag.
    pub(super) fn complete(&mut self, entry: Entry, status: Option<Status>, rest: &[u8], now: Instant) {
        self.close_gate(entry.serial);
        if matches!(entry.effect, Effect::LoggingIn) {
            self.on_login_answer(status, rest, now);
            return;
        }
        let text = response::tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        let code = response::code(text);
        if let Some(code) = &code {
            self.follow_code_of(code);
        }
        if let Effect::Own(own) = entry.effect {
            return self.complete_own(&own, status, now);
        }
        let ok = status == Some(Status::Ok);
        let mut entry = entry;
        self.note(Note::UpstreamResponse { after: now.saturating_duration_since(entry.sent) });
        let answer = self.answer_of(&mut entry, status, rest, code.as_ref());
        self.move_state(&mut entry, status, code.as_ref());
        let (result, note) = result_status(status);
        let (verb, kind, serial, overhead) = (entry.verb, entry.kind, entry.serial, entry.overhead);
        let duration = (verb != Verb::Idle).then(|| now.saturating_duration_since(entry.since));
        if let Some(code) = code.as_ref().filter(|code| code.is("COPYUID")) {
            if let Effect::Copying { code: known, .. } = &mut entry.effect {
                *known = copy_uid(code.args).or(known.take());
            }
        }
        if let (Effect::Appending { uid, uidv, .. }, Some(code)) =
            (&mut entry.effect, code.as_ref().filter(|code| code.is("APPENDUID")))
        {
            let mut words = code.args.split(|byte| *byte == b' ');
            *uidv = words.next().and_then(number).and_then(|number| u32::try_from(number).ok());
            *uid = words.next().and_then(number).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new);
        }
        let changes_names =
            ok && matches!(verb, Verb::Create | Verb::Delete | Verb::Rename | Verb::Subscribe | Verb::Unsubscribe);
        if changes_names {
            self.names_changed();
        }
        self.record_done(entry, result, code.as_ref(), now);
        self.note(Note::CommandDone { verb: Some(verb), kind, status: note, duration, overhead: Some(overhead) });
        if let Some(answer) = self.refuse_stream(serial, answer) {
            self.out.client().extend_from_slice(&answer);
        }
        self.answer_waiting(now);
    }

    /// Answers of ours that waited for their turn.
    fn answer_waiting(&mut self, now: Instant) {
        while let Some(entry) = self.in_flight.pop_local() {
            if let Effect::Local(line) = entry.effect {
                self.out.client().extend_from_slice(&line);
            }
        }
        if self.in_flight.is_empty() {
            if let Some(line) = self.logout.take() {
                return self.finish_logout(&line, now);
            }
            self.resume_held(now);
        }
    }

    /// The tagged line for the client.
    fn answer_of(
        &mut self,
        entry: &mut Entry,
        status: Option<Status>,
        rest: &[u8],
        code: Option<&Code<'_>>,
    ) -> Vec<u8> {
        let mut line = entry.tag.to_vec();
        line.push(b' ');
        if let Effect::Idle { broken: true, .. } = entry.effect {
            line.clear();
            Answer::Syntax.write(&entry.tag, &mut line);
            return line;
        }
        if self.filtered() {
            self.write_filtered_answer(entry, status, code, &mut line);
            return line;
        }
        match (&entry.effect, code) {
            (_, Some(code)) if code.is("CAPABILITY") => line.extend_from_slice(&self.filter_capability_code(rest)),
            (Effect::Copying { .. }, Some(_)) | (_, _) => line.extend_from_slice(rest),
        }
        line
    }

    /// In filtered scope the words are the proxy's own (surface R6).
    fn write_filtered_answer(
        &self,
        entry: &Entry,
        status: Option<Status>,
        code: Option<&Code<'_>>,
        line: &mut Vec<u8>,
    ) {
        let passing: &[&str] = if status == Some(Status::Ok) { &PASSING_CODES } else { &PASSING_REFUSALS };
        let code = code.filter(|code| passing.iter().any(|name| code.is(name)));
        let word = match status {
            Some(Status::Ok) => "OK ",
            Some(Status::No | Status::Bye | Status::Preauth) => "NO ",
            Some(Status::Bad) | None => "BAD ",
        };
        line.extend_from_slice(word.as_bytes());
        match code {
            // A destination that is gone is told as one that never was.
            None if status == Some(Status::No)
                && matches!(entry.effect, Effect::Copying { .. } | Effect::Appending { .. }) =>
            {
                line.extend_from_slice(b"[CANNOT] ");
            }
            None => {}
            Some(code) => {
                line.push(b'[');
                line.extend_from_slice(code.name);
                if !code.args.is_empty() {
                    line.push(b' ');
                    line.extend_from_slice(code.args);
                }
                line.extend_from_slice(b"] ");
            }
        }
        line.extend_from_slice(entry.verb.name().as_bytes());
        line.extend_from_slice(if status == Some(Status::Ok) { b" completed\r\n" } else { b" failed\r\n" });
    }

    /// The state moves on the tagged answer (RFC 9051 §3).
    fn move_state(&mut self, entry: &mut Entry, status: Option<Status>, code: Option<&Code<'_>>) {
        match (&mut entry.effect, status) {
            (Effect::Opening(opening), Some(Status::Ok)) => {
                opening.read_only = opening.examine || code.is_some_and(|code| code.is("READ-ONLY"));
                let mailbox = Arc::new(MailboxRef {
                    name: Arc::clone(&opening.mailbox.name),
                    uidv: opening.uidvalidity,
                    id: None,
                });
                opening.mailbox = Arc::clone(&mailbox);
                self.coverage.clear();
                self.state.opened(Selected {
                    mailbox,
                    target: opening.target.clone(),
                    read_only: opening.read_only,
                    exists: opening.exists.unwrap_or(0),
                });
            }
            // NO leaves nothing selected; BAD leaves what was (RFC 9051 §6.3.2).
            (Effect::Opening(_), Some(Status::No)) | (Effect::Closing { .. }, Some(Status::Ok)) => {
                self.coverage.clear();
                self.state.closed();
            }
            (Effect::Enabling { utf8 }, Some(Status::Ok)) => self.utf8 |= *utf8,
            (Effect::Idle { done, .. }, _) => {
                if !*done && matches!(self.mode, ClientMode::Idle) {
                    self.mode = ClientMode::Command;
                    self.swallow_done = true;
                }
            }
            _ => {}
        }
        self.state_moved();
    }

    fn complete_own(&mut self, own: &Own, status: Option<Status>, now: Instant) {
        let failed = status != Some(Status::Ok);
        match own {
            // Which names there are must be known; that there are no namespaces, or subscriptions, may be.
            Own::Names if failed => {
                return self.end(CloseReason::UpstreamFault, Some(Bye::Unavailable), now);
            }
            Own::Uids | Own::Deleted => {
                if let Some(held) = self.held.take() {
                    if failed {
                        // The client's own command would fail the same way: nothing of it goes up.
                        self.refuse_held(*held, &Answer::Refused { text: "[CANNOT] the messages could not be found" });
                    } else {
                        self.record_intent(*held, now);
                    }
                }
            }
            _ => {}
        }
        self.answer_waiting(now);
    }

    /// Codes that tell of the mailbox being opened.
    pub(super) fn follow_code(&mut self, code: &Code<'_>) {
        if code.is("COPYUID") {
            // MOVE tells it in an untagged OK (RFC 6851 §4.3).
            let known = copy_uid(code.args);
            if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Copying { .. }))
                && let Effect::Copying { code, .. } = &mut entry.effect
            {
                *code = known;
            }
            return;
        }
        if let Some(opening) = self.opening() {
            if code.is("UIDVALIDITY") {
                opening.uidvalidity = number(code.args).and_then(|number| u32::try_from(number).ok());
            } else if code.is("READ-ONLY") {
                opening.read_only = true;
            }
        }
    }

    fn follow_code_of(&mut self, code: &Code<'_>) {
        if code.is("CAPABILITY") {
            self.learn_capabilities(code.args);
        }
    }

    fn opening(&mut self) -> Option<&mut super::effect::Opening> {
        let entry = self.in_flight.find(|entry| matches!(entry.effect, Effect::Opening(_)))?;
        match &mut entry.effect {
            Effect::Opening(opening) => Some(opening),
            _ => None,
        }
    }

    pub(super) fn follow_exists(&mut self, number: u64) {
        let exists = u32::try_from(number).unwrap_or(u32::MAX);
        if let Some(opening) = self.opening() {
            opening.exists = Some(exists);
        } else if let Some(selected) = self.state.selected_mut() {
            selected.exists = exists;
        }
    }

    pub(super) fn follow_list(&mut self) {
        if let Some(entry) = self.in_flight.find(|entry| matches!(entry.effect, Effect::Listing { .. }))
            && let Effect::Listing { n, .. } = &mut entry.effect
        {
            *n = n.saturating_add(1);
        }
    }

    /// `* SEARCH 2 84 882`
    pub(super) fn follow_search(&mut self, list: &[u8], piece: bool) {
        let Some(searching) = self.searching() else { return };
        for word in list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).filter(|word| !word.is_empty()) {
            let Some(number) = number(word).filter(|_| word.iter().all(u8::is_ascii_digit)) else { continue };
            searching.hits = searching.hits.saturating_add(1);
            if searching.uid
                && !piece
                && let Some(uid) = u32::try_from(number).ok().and_then(Uid::new)
            {
                searching.uids.insert(uid);
            }
        }
    }

    /// `* ESEARCH (TAG "a") UID COUNT 3 ALL 4:6`
    pub(super) fn follow_esearch(&mut self, list: &[u8]) {
        let Some(searching) = self.searching() else { return };
        let mut words = list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"COUNT") {
                searching.hits = words.next().and_then(number).unwrap_or(0);
            } else if word.eq_ignore_ascii_case(b"ALL") && searching.uid {
                searching.uids = words.next().and_then(uid_set).unwrap_or_default();
                searching.hits = searching.hits.max(searching.uids.len());
            }
        }
    }

    fn searching(&mut self) -> Option<&mut super::effect::Searching> {
        let entry = self.in_flight.find(|entry| matches!(entry.effect, Effect::Searching(_)))?;
        match &mut entry.effect {
            Effect::Searching(searching) => Some(searching),
            _ => None,
        }
    }

    /// `* SEARCH 4 7` in answer to our `UID SEARCH DELETED`.
    pub(super) fn learn_deleted(&mut self, list: &[u8]) {
        let Some(held) = &mut self.held else { return };
        let mut found = UidSet::new();
        for word in list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')) {
            if let Some(uid) = number(word).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new) {
                found.insert(uid);
            }
        }
        match &mut held.effect {
            Effect::Expunging { uids, .. } => {
                *uids = Some(match uids.take() {
                    Some(asked) => asked.intersect(&found),
                    None => found,
                });
            }
            Effect::Closing { uids } => *uids = Some(found),
            _ => {}
        }
    }

    /// Is this FETCH response the answer to our `FETCH set (UID)`, and nothing else?
    pub(super) fn answers_own_fetch(&mut self, seq: u64, text: &[u8]) -> bool {
        if !self.in_flight.iter().any(|entry| matches!(entry.effect, Effect::Own(Own::Uids))) {
            return false;
        }
        let inner = text.trim_ascii().strip_prefix(b"(").and_then(|text| text.strip_suffix(b")"));
        let words = inner.map(|inner| inner.split(|byte| *byte == b' ').collect::<Vec<_>>()).unwrap_or_default();
        let uid_at = words.iter().position(|word| word.eq_ignore_ascii_case(b"UID")).map(|at| at.saturating_add(1));
        let uid = uid_at.and_then(|at| words.get(at).copied()).and_then(number);
        let uid = uid.and_then(|uid| u32::try_from(uid).ok()).and_then(Uid::new);
        if let (Some(uid), Ok(seq), Some(held)) = (uid, u32::try_from(seq), &mut self.held) {
            match &mut held.effect {
                Effect::Fetching(reads) => {
                    reads.uids.insert(seq, uid);
                    reads.asked.get_or_insert_default().insert(uid);
                }
                Effect::Storing { uids, .. } | Effect::Copying { uids, .. } => {
                    uids.get_or_insert_default().insert(uid);
                }
                _ => {}
            }
        }
        // What the upstream tells beside it is for the client.
        words.len() == 2 && uid.is_some()
    }

    pub(super) fn reads_of(&mut self, serial: u32) -> Option<&mut Reads> {
        match &mut self.in_flight.find(|entry| entry.serial == serial)?.effect {
            Effect::Fetching(reads) => Some(reads),
            _ => None,
        }
    }

    /// A FETCH response that the client gets begins: it is counted with the FETCH that has waited longest.
    pub(super) fn begin_fetch_response(
        &mut self,
        seq: u64,
        uid_is_number: bool,
        text: &[u8],
        literal: Option<u64>,
    ) -> Option<u32> {
        let entry = self.in_flight.find(|entry| matches!(entry.effect, Effect::Fetching(_)))?;
        let serial = entry.serial;
        if let Effect::Fetching(reads) = &mut entry.effect {
            reads.begin(seq, uid_is_number, text, literal);
        }
        Some(serial)
    }

    pub(super) fn end_fetch_response(&mut self, serial: u32, _now: Instant) {
        let mut coverage = std::mem::take(&mut self.coverage);
        let unknown = self.reads_of(serial).is_some_and(|reads| reads.end(&mut coverage));
        self.coverage = coverage;
        if unknown {
            self.record_fault(Side::Upstream, FaultReason::UnknownItem);
        }
    }

    /// What is left of the rights on the mailbox that is open, or being opened.
    fn rights_here(&mut self) -> Rights {
        let at = self.wall;
        let target = match self.opening() {
            Some(opening) => opening.target.clone(),
            None => match self.state.selected() {
                Some(selected) => selected.target.clone(),
                None => return Rights::ALL,
            },
        };
        self.bound.rights(&self.target(&target), at).rights
    }

    pub(super) fn narrows_flags(&mut self) -> bool {
        if !self.bound.restricts() {
            return false;
        }
        !self.rights_here().contains_all(Rights::of(&[Right::Seen, Right::Write, Right::DeleteMessages]))
    }

    /// PERMANENTFLAGS, less those that may not be changed (contract.md §6).
    pub(super) fn narrow_permanent_flags(&mut self, line: &[u8], list: &[u8]) -> Vec<u8> {
        let rights = self.rights_here();
        let begin = memchr::memmem::find(line, list).unwrap_or(line.len());
        let mut out = line.get(..begin).unwrap_or_default().to_vec();
        out.extend_from_slice(&status_data::narrow_flags(list, rights));
        out.extend_from_slice(line.get(begin.saturating_add(list.len())..).unwrap_or_default());
        out
    }

    pub(super) fn narrow_myrights(&mut self, response: &[u8], rest: usize, now: Instant) {
        let target = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Acl { target: Some(target), .. } if entry.verb == Verb::MyRights => Some(target.clone()),
            _ => None,
        });
        let kept = target.map(|target| self.bound.rights(&self.target(&target), self.wall).rights);
        match kept.and_then(|kept| mailbox_data::narrow_myrights(response, rest, kept)) {
            Some(line) => self.out.client().extend_from_slice(&line),
            None => self.filter_failed(now),
        }
    }

    /// An untagged status response of a filtered session's upstream: what it says of the open mailbox passes, in the
    /// proxy's own words.
    pub(super) fn filter_untagged_status(&mut self, code: Option<&Code<'_>>, _now: Instant) -> Flow {
        let Some(code) = code.filter(|code| PASSING_CODES.iter().any(|name| code.is(name))) else { return Flow::Drop };
        let args = if code.is("PERMANENTFLAGS") && self.narrows_flags() {
            status_data::narrow_flags(code.args, self.rights_here())
        } else {
            code.args.to_vec()
        };
        let out = self.out.client();
        out.extend_from_slice(b"* OK [");
        out.extend_from_slice(code.name);
        if !args.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&args);
        }
        out.extend_from_slice(b"] ok\r\n");
        Flow::Drop
    }

    /// Untagged data that is not about messages, in filtered scope: an allow-list of one.
    pub(super) fn filter_data(&mut self, keyword: Keyword, _now: Instant) -> Flow {
        match keyword {
            Keyword::Status if self.in_flight.iter().any(|entry| matches!(entry.effect, Effect::Status { .. })) => {
                Flow::Collect
            }
            _ => Flow::Drop,
        }
    }

    /// STATUS of a mailbox that was asked for passes.
    pub(super) fn filter_status(&mut self, response: &[u8], rest: usize, now: Instant) {
        let asked = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Status { mailbox, .. } => Some(Arc::clone(&mailbox.name)),
            _ => None,
        });
        let named = response::token(response, rest).and_then(|(name, _)| name.string());
        let named = named.map(|octets| {
            let delimiter = self.delimiter();
            crate::wire::mailbox::decode_lenient(&octets, self.utf8_mode(), delimiter).name
        });
        match (asked, named) {
            (Some(asked), Some(named)) if *asked == *named.as_str() => {
                self.out.client().extend_from_slice(response);
            }
            _ => self.filter_failed(now),
        }
    }

    /// A response that cannot be filtered with certainty: none of it is relayed, the session ends (contract.md §7).
    pub(super) fn filter_failed(&mut self, now: Instant) {
        let event = Event::new(
            Arc::clone(&self.ctx),
            EventKind::FilterFailure { response: FilteredResponse::Other, action: FilterAction::Closed },
        );
        self.out.record(event);
        self.end(CloseReason::FilterFailure, Some(Bye::Unavailable), now);
    }

    /// LIST, LSUB, XLIST and NAMESPACE of a filtered session are answered from the view. Says whether it was one.
    pub(super) fn answer_from_view(&mut self, command: &Command<'_>, held: &mut Held, now: Instant) -> bool {
        let mut out = Vec::new();
        match &command.args {
            Args::List(list) => {
                use crate::wire::list::{ReturnKind, SelectKind};
                let returns = list.returns.as_deref().unwrap_or_default();
                let known = |kind: &ReturnKind<'_>| {
                    matches!(kind, ReturnKind::Subscribed | ReturnKind::Children | ReturnKind::SpecialUse)
                };
                let selects = list.select.as_deref().unwrap_or_default();
                let recursive = selects.iter().any(|option| option.kind == SelectKind::RecursiveMatch);
                if recursive || !returns.iter().all(|option| known(&option.kind)) {
                    self.bad_command(command.frame(), &Answer::Syntax, FaultReason::CommandSyntax, now);
                    return true;
                }
                let word = match command.verb {
                    Verb::Lsub => "LSUB",
                    Verb::Xlist => "XLIST",
                    _ => "LIST",
                };
                let patterns =
                    list.patterns.iter().map(|pattern| self.joined(list.reference.octets(), pattern.octets()));
                let patterns: Vec<String> = patterns.collect();
                if list.asks_for_delimiter() {
                    self.write_root(word, &mut out);
                } else {
                    let subscribed = selects.iter().any(|option| option.kind == SelectKind::Subscribed);
                    let query = Query {
                        patterns: &patterns,
                        subscribed: subscribed || command.verb == Verb::Lsub,
                        special_use: selects.iter().any(|option| option.kind == SelectKind::SpecialUse),
                        say_subscribed: subscribed
                            || returns.iter().any(|option| matches!(option.kind, ReturnKind::Subscribed)),
                        extended: list.select.is_some() || list.returns.is_some(),
                        lsub: command.verb == Verb::Lsub,
                    };
                    let (n, withheld) = self.write_list_answer(word, &query, &mut out);
                    if let Effect::Listing { n: lines, hidden, .. } = &mut held.effect {
                        (*lines, *hidden) = (n, withheld);
                    }
                    if withheld > 0 {
                        self.note(Note::Hidden { messages: 0, mailboxes: withheld });
                    }
                }
            }
            Args::None if command.verb == Verb::Namespace => self.write_namespaces(&mut out),
            _ => return false,
        }
        Answer::Completed(command.verb).write(&held.tag, &mut out);
        self.record_local_done(held, now);
        self.answer_in_turn(out);
        true
    }

    /// Reference and pattern as one (RFC 3501 §6.3.8); octets that are no name match nothing.
    fn joined(&self, reference: &[u8], pattern: &[u8]) -> String {
        let text = |octets: &[u8]| crate::wire::mailbox::decode_text(octets, self.utf8_mode()).ok();
        match (text(reference), text(pattern)) {
            (Some(reference), Some(pattern)) => reference + &pattern,
            _ => "\0".to_owned(),
        }
    }
}

/// `COPYUID uidvalidity source copies` (RFC 4315 §3)
fn copy_uid(args: &[u8]) -> Option<CopyUid> {
    let mut words = args.split(|byte| *byte == b' ');
    let uidvalidity = words.next().and_then(number).and_then(|number| u32::try_from(number).ok())?;
    Some(CopyUid { uidvalidity, source: uid_set(words.next()?)?, copies: uid_set(words.next()?)? })
}

/// `4,7:9`
fn uid_set(text: &[u8]) -> Option<UidSet> {
    let mut set = UidSet::new();
    let uid = |text: &[u8]| number(text).and_then(|number| u32::try_from(number).ok()).and_then(Uid::new);
    for part in text.split(|byte| *byte == b',') {
        let mut ends = part.splitn(2, |byte| *byte == b':');
        let first = uid(ends.next()?)?;
        let last = match ends.next() {
            Some(last) => uid(last)?,
            None => first,
        };
        set.insert_run(first.min(last), first.max(last));
    }
    Some(set)
}
