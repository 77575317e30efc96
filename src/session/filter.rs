//! What a client may hear where rules hide or take something: an allow-list in the proxy's own words (surface B), names from
//! the view, and rights less what rules took.

use std::sync::Arc;
use std::time::Instant;

use crate::imap::rights::{Right, Rights};
use crate::imap::status::Status;
use crate::rewrite::status_data;
use crate::wire::response;
use crate::wire::response::{Code, Keyword};

use super::Session;
use super::effect::Effect;
use super::event::{CloseReason, Event, EventKind, FilterAction, FilteredResponse};
use super::in_flight::Entry;
use super::refusal::Bye;
use super::response_path::Flow;

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
    /// In filtered scope the words are the proxy's own (surface R6).
    pub(super) fn write_filtered_answer(
        &self,
        entry: &Entry,
        status: Option<Status>,
        code: Option<&Code<'_>>,
        line: &mut Vec<u8>,
    ) {
        let passing: &[&str] = if status == Some(Status::Ok) { &PASSING_CODES } else { &PASSING_REFUSALS };
        let code = code.filter(|code| passing.iter().any(|name| code.is(name)) && !self.withholds_code(entry, code));
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

    /// What is left of the rights on the mailbox that is open, or being opened.
    pub(super) fn rights_here(&mut self) -> Rights {
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

    /// An untagged status response of a filtered session's upstream: what it says of the open mailbox passes, in the
    /// proxy's own words.
    pub(super) fn filter_untagged_status(&mut self, code: Option<&Code<'_>>, _now: Instant) -> Flow {
        let passes =
            |code: &&Code<'_>| PASSING_CODES.iter().any(|name| code.is(name)) && !self.withholds_code_here(code);
        let Some(code) = code.filter(passes) else { return Flow::Drop };
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
            Keyword::Status if self.asks_status() => Flow::Collect,
            _ => Flow::Drop,
        }
    }

    /// STATUS of a mailbox that was asked for passes.
    pub(super) fn filter_status(&mut self, response: &[u8], rest: usize, now: Instant) {
        let named = response::token(response, rest).and_then(|(name, _)| name.string());
        let named = named.map(|octets| {
            let delimiter = self.delimiter();
            crate::wire::mailbox::decode_lenient(&octets, self.utf8_mode(), delimiter).name
        });
        match named {
            Some(named) if self.asks_status_of(&named) => {
                self.record_told_status(response, rest);
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
}
