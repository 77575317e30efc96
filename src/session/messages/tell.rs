//! What the client has not been told yet, told at a moment at which it may be.
//!
//! ```text
//!   EXPUNGE   not with the answer to FETCH, STORE or SEARCH, nor before a command that counts on numbers
//!   EXISTS    whenever there is more, behind EXPUNGE
//!   FETCH     flags that others changed
//! ```

use std::io::Write as _;
use std::time::Instant;

use crate::imap::message::{Flag, Uid, UidSet};
use crate::view::messages::Standing;
use crate::wire::command::Command;
use crate::wire::frame::{CommandFramer, Framed};
use crate::wire::response::{Code, number};

use super::super::effect::Effect;
use super::super::follow::uid_set;
use super::super::in_flight::Entry;
use super::look::Then;
use super::{Hush, Session, View};

/// Messages that were appended to the open mailbox.
#[derive(Debug)]
pub(in crate::session) struct Appended {
    uidvalidity: u32,
    uids: UidSet,
    /// Is it told before what is gone, as REPLACE has it (RFC 8508 §3.4)?
    first: bool,
}

impl Session {
    /// Says a tagged line, and before it what has happened meanwhile: once that has been looked at.
    pub(in crate::session) fn say_settled(&mut self, line: Vec<u8>, hush: Hush, now: Instant) {
        self.say_appended(line, hush, None, now);
    }

    /// The same of an APPEND to the open mailbox: its UID is told where the message is one that the client may see.
    pub(in crate::session) fn say_appended(
        &mut self,
        line: Vec<u8>,
        hush: Hush,
        appended: Option<Appended>,
        now: Instant,
    ) {
        self.renew_filter();
        if self.view.as_ref().is_some_and(|view| view.must_look()) {
            return self.begin_work(Then::Say { line, hush, appended }, now);
        }
        self.say_told(&line, hush, appended);
        self.answer_waiting(now);
    }

    /// All that came meanwhile has been looked at.
    pub(super) fn say_told(&mut self, line: &[u8], hush: Hush, appended: Option<Appended>) {
        let seen = appended.filter(|appended| {
            let shown = self.view.as_ref().map(|view| view.messages.shown());
            shown.is_some_and(|shown| appended.uids.intersect(&shown) == appended.uids)
        });
        if let Some(Appended { uidvalidity, uids, first: true }) = &seen
            && let Some(uid) = uids.first()
        {
            append_uid(self.out.client(), *uidvalidity, uid);
        }
        self.tell(hush);
        let line = with_append_uid(line, seen.filter(|seen| !seen.first));
        self.out.client().extend_from_slice(&line);
    }

    /// What was appended to the open mailbox, as the upstream says it.
    pub(in crate::session) fn appended_here(&self, entry: &Entry, code: Option<&Code<'_>>) -> Option<Appended> {
        let Effect::Appending { dst, guarded: true, replaced, uid, uidv, .. } = &entry.effect else { return None };
        let open = self.state.selected().filter(|open| *open.mailbox.name == *dst.name)?;
        // APPEND tells of many in its code, REPLACE of one before it is answered.
        let mut words = code.filter(|code| code.is("APPENDUID")).map(|code| code.args.split(|octet| *octet == b' '));
        let (uidvalidity, uids) = match &mut words {
            Some(words) => (
                words.next().and_then(number).and_then(|number| u32::try_from(number).ok())?,
                words.next().and_then(uid_set)?,
            ),
            None => ((*uidv)?, UidSet::run((*uid)?, (*uid)?)),
        };
        let first = replaced.is_some();
        (open.mailbox.uidv == Some(uidvalidity)).then_some(Appended { uidvalidity, uids, first })
    }

    /// Tells what may be told now.
    pub(super) fn tell(&mut self, hush: Hush) {
        let quiet = match hush {
            Hush::No => false,
            Hush::BeforeNumbers => self.next_counts_on_numbers(),
            Hush::Yes => true,
        };
        let Some(view) = &mut self.view else { return };
        view.tell(quiet, self.out.client());
        view.keep_floor(&*self.shared.verdicts);
    }

    /// Is there a command already that was written before the client could know of an EXPUNGE (RFC 9051 §5.5)?
    pub(super) fn next_counts_on_numbers(&self) -> bool {
        if self.inbox.is_empty() {
            return false;
        }
        match CommandFramer::default().next(&self.inbox, usize::MAX) {
            Framed::Complete { end } => {
                let frame = self.inbox.get(..end).unwrap_or_default();
                // Behind a command that names none there may be another one that does.
                end < self.inbox.len()
                    || Command::parse(frame, self.utf8_mode()).is_ok_and(|next| next.uses_sequence_numbers())
            }
            Framed::More | Framed::Literal { .. } | Framed::Fault { .. } => true,
        }
    }
}

impl View {
    fn tell(&mut self, quiet: bool, out: &mut Vec<u8>) {
        if !quiet && self.messages.owes_expunge() {
            for number in self.messages.tell_expunged() {
                line(out, number, "EXPUNGE");
            }
        }
        if self.messages.tell_new() {
            line(out, self.messages.client_count(), "EXISTS");
            line(out, self.recent_count(), "RECENT");
            self.note_top();
        }
        for (uid, flags) in std::mem::take(&mut self.fresh_flags) {
            let message = self.messages.by_uid(uid).filter(|message| message.standing == Standing::Visible);
            let Some(number) = message.and_then(|message| message.number) else { continue };
            let kept = Some(Flag::Recent).filter(|flag| self.kept_recent.contains(uid) && !flags.contains(flag));
            let list = flags.iter().chain(&kept).map(ToString::to_string).collect::<Vec<_>>().join(" ");
            self.tell_keywords(list.as_bytes(), out);
            line(out, number, &format!("FETCH (UID {uid} FLAGS ({list}))"));
        }
        self.news = UidSet::new();
    }

    /// How many of those that the client knows are `\Recent`.
    pub fn recent_count(&self) -> u32 {
        let recent = self.recent.intersect(&self.messages.visible()).len();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }

    /// UIDs up to the largest that the client knows are never told as UIDNEXT again.
    pub fn note_top(&mut self) {
        self.top = self.top.max(self.messages.last_told());
    }

    /// What UIDNEXT says: one more than the largest UID that the client was told of, so that what is hidden never moves it.
    pub fn uid_next(&self) -> u32 {
        let top = self.top.max(self.messages.last_told());
        top.map_or(1, |uid| Uid::get(uid).saturating_add(1))
    }

    /// Keywords in a list of flags, of which the client has not heard: it is told that there are such flags (RFC 9051 §7.3.5).
    pub fn tell_keywords(&mut self, list: &[u8], out: &mut Vec<u8>) {
        let words = list.split(|octet| *octet == b' ').filter(|word| !word.is_empty() && !word.starts_with(b"\\"));
        let mut new = false;
        for word in words {
            let known = self.flags.iter().any(|flag| flag.eq_ignore_ascii_case(word));
            if !known && self.flags.len() < MAX_FLAGS && crate::wire::encode::is_atom(word) {
                self.flags.push(word.into());
                new = true;
            }
        }
        // Of a mailbox that was open before it got a view the other flags are not known.
        if new && self.flags.iter().any(|flag| flag.starts_with(b"\\")) {
            self.write_flags(out);
        }
    }

    pub fn write_flags(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* FLAGS (");
        for (at, flag) in self.flags.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(flag);
        }
        out.extend_from_slice(b")\r\n");
    }
}

/// Most flags that are remembered as told.
const MAX_FLAGS: usize = 512;

/// `a1 OK APPEND completed` with its code.
fn with_append_uid(line: &[u8], appended: Option<Appended>) -> Vec<u8> {
    let (Some(Appended { uidvalidity, uids, .. }), Some(at)) = (appended, memchr::memmem::find(line, b" OK ")) else {
        return line.to_vec();
    };
    let (before, behind) = line.split_at(at.saturating_add(4));
    [before, format!("[APPENDUID {uidvalidity} {uids}] ").as_bytes(), behind].concat()
}

/// The same in a line of its own.
pub(super) fn append_uid(out: &mut Vec<u8>, uidvalidity: u32, uid: Uid) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "* OK [APPENDUID {uidvalidity} {uid}] ok\r\n");
}

pub(super) fn line(out: &mut Vec<u8>, number: u32, word: &str) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "* {number} {word}\r\n");
}
