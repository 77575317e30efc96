//! What the rules left of a command goes up.
//!
//! ```text
//!   Permit ─▶ patch (names, EXAMINE, PEEK, flags) ─▶ [UIDs asked for] ─▶ [intent recorded] ─▶ up, under a tag of ours
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::imap::verb::Verb;
use crate::policy::Permit;
use crate::wire::command::{Args, Command, FetchKind, MailboxArg};
use crate::wire::patch::Patch;

use super::effect::{Effect, Held, Judged, Own};
use super::event::VerdictKind;
use super::in_flight::Entry;
use super::recording::is_silent;
use super::refusal::Answer;
use super::{ClientMode, Output, Session};

impl Session {
    /// What the rules left of a command goes up, after what must come first.
    pub(super) fn forward(
        &mut self,
        command: &Command<'_>,
        permit: Permit,
        mut held: Held,
        names: &[(&MailboxArg<'_>, Option<Arc<[u8]>>)],
        took: Option<Duration>,
        now: Instant,
    ) {
        let narrowing = permit.narrowing();
        let narrowed = !narrowing.is_none();
        held.judged = Judged {
            verdict: Some(if narrowed { VerdictKind::Narrowed } else { VerdictKind::Allowed }),
            by: permit.by().clone(),
            shadow: permit.shadow().joined(&held.judged.shadow),
        };
        self.note_judged(&held, took);
        if self.audit_failing && self.is_recorded(&held) {
            self.note(super::event::Note::RefusedForAudit);
            held.judged = Judged::default();
            return self.refuse_held(held, &Answer::Unavailable);
        }
        if !self.has_room_for_context(&held.effect) {
            return self.refuse_held(held, &Answer::Refused { text: "[LIMIT] too many searches that go on" });
        }
        if self.filtered() && self.answer_from_view(command, &mut held, now) {
            return;
        }
        if let (Args::Status(status), Effect::Status { guarded: Some(target), .. }) = (&command.args, &held.effect) {
            let target = target.clone();
            return self.begin_status(held, *target, status.items.iter().map(|item| item.kind).collect(), now);
        }
        let frame = command.frame();
        let mut patch = Patch::new(frame);
        for (arg, octets) in names {
            // In filtered scope only the upstream's own spelling goes up (surface R2).
            if let (true, Some(octets)) = (self.filtered(), octets) {
                let mut text = Vec::new();
                crate::wire::encode::string(&mut text, octets, self.utf8_mode(), false);
                patch.replace(arg.span(), text);
            }
        }
        match &command.args {
            Args::Open(_) if narrowing.examine => {
                patch.replace(command.verb_span.clone(), "EXAMINE");
                if let Effect::Opening(opening) = &mut held.effect {
                    opening.examine = true;
                }
            }
            Args::Fetch(fetch) if narrowing.peek || self.marks_later(fetch, &mut held.effect) => {
                for item in fetch.items.iter().filter(|item| !item.peek) {
                    peek(&mut patch, frame, item, &mut held.effect);
                }
            }
            // What upstreams make of it in a mailbox that is open read-only may tell of others (Dovecot keeps new keywords at times,
            // and moves).
            Args::Store(_) | Args::Copy(_)
                if matches!(command.verb.base(), Verb::Store | Verb::Move)
                    && self.filtered()
                    && self.opened_read_only() =>
            {
                return self.refuse_held(held, &Answer::Refused { text: "[NOPERM] mailbox is read-only" });
            }
            Args::Store(store) if narrowing.drops_flags() => {
                self.drop_flags(&mut patch, store, narrowing, &mut held.effect);
            }
            Args::None if narrowing.expunge_nothing && command.verb == Verb::Close => {
                let read_only = self.state.selected().is_some_and(|selected| selected.read_only);
                let by_absence = !read_only && !self.leg.capabilities.unselect;
                held.effect = Effect::Closing { uids: None, by_absence };
                if !read_only {
                    patch.replace(command.verb_span.clone(), self.unselecting());
                }
            }
            Args::Search(_) | Args::Esearch(_) | Args::Sort(_) if !self.guards() => {
                super::counted::ask_which(command, &mut patch, &mut held);
            }
            Args::CancelUpdate(tags) => self.cancel_contexts(tags, &mut patch, &mut held.effect),
            Args::Enable(words) if !self.narrow_enable(words, &mut patch, &mut held) => return,
            _ => {}
        }
        self.switched_on |= self.switches_on(command);
        self.switched_beyond |= super::messages::switches_on(command);
        let mut meant = None;
        if self.guards() {
            let Some((translated, messages)) = self.translate(command, &mut patch, held, now) else { return };
            (held, meant) = (translated, messages);
        }
        let from = command.tag.span.end.saturating_add(1);
        // The tag is never touched by a patch: what stands behind it is where it was.
        held.line = self.out.take_line();
        patch.write_from(from, &mut held.line);
        if let Some(meant) = meant {
            match self.part_line(held, &meant, now) {
                Some(parted) => held = parted,
                None => return,
            }
        }
        self.prepare(held, now);
    }

    /// Does it switch something on that lasts, and that is not offered where rules hide?
    fn switches_on(&self, command: &Command<'_>) -> bool {
        use crate::imap::capability::class;
        match &command.args {
            Args::Enable(words) => {
                words.iter().any(|word| class(word.text.as_bytes()).is_some_and(|class| !class.offered(true, false)))
            }
            Args::Search(_) | Args::Sort(_) => !super::extensions::are_offered(command, true, false),
            _ => matches!(command.verb, Verb::Notify | Verb::CancelUpdate),
        }
    }

    /// A command that closes the open mailbox and expunges nothing. Without UNSELECT (RFC 3691) it is the EXAMINE of a mailbox
    /// that is not there: its NO leaves none selected (RFC 9051 §6.3.2).
    pub(super) fn unselecting(&self) -> Vec<u8> {
        if self.leg.capabilities.unselect {
            b"UNSELECT".to_vec()
        } else {
            format!("EXAMINE \"{}-{}\"", self.start.sid, self.start.tag_prefix).into_bytes()
        }
    }

    /// ENABLE goes up with what is offered; where nothing is left, nothing is enabled (RFC 5161 §3.1).
    pub(super) fn narrow_enable(
        &mut self,
        words: &[crate::wire::command::Word<'_>],
        patch: &mut Patch<'_>,
        held: &mut Held,
    ) -> bool {
        let kept: Vec<&str> = words.iter().map(|word| word.text).filter(|word| self.may_enable(word)).collect();
        held.effect = Effect::Enabling { utf8: false };
        if kept.is_empty() {
            let mut line = b"* ENABLED\r\n".to_vec();
            Answer::Completed(Verb::Enable).write(&held.tag, &mut line);
            self.answer_in_turn(line);
            return false;
        }
        if kept.len() < words.len()
            && let (Some(first), Some(last)) = (words.first(), words.last())
        {
            patch.replace(first.span.start..last.span.end, kept.join(" "));
        }
        true
    }

    pub(super) fn drop_flags(
        &self,
        patch: &mut Patch<'_>,
        store: &crate::wire::command::store::Store,
        narrowing: crate::policy::Narrowing,
        effect: &mut Effect,
    ) {
        use crate::imap::message::Flag;
        let dropped = |flag: &Flag| match flag {
            Flag::Seen => narrowing.drop_seen,
            Flag::Deleted => narrowing.drop_deleted,
            _ => narrowing.drop_other,
        };
        let kept: Vec<String> =
            store.flags.flags.iter().filter(|arg| !dropped(&arg.flag)).map(|arg| arg.flag.to_string()).collect();
        patch.replace(store.flags.span.clone(), format!("({})", kept.join(" ")));
        if store.action == crate::wire::command::store::StoreAction::Replace {
            // Replacing would clear flags that may not be touched: those that may be set are added (RFC 4314 §4).
            let silent = if store.silent { ".SILENT" } else { "" };
            patch.replace(store.action_span.clone(), format!("+FLAGS{silent}"));
        }
        if let Effect::Storing { flags, dropped: gone, .. } = effect {
            let (lost, left) = std::mem::take(flags).into_iter().partition(dropped);
            *gone = lost;
            *flags = left;
        }
    }

    pub(super) fn is_recorded(&self, held: &Held) -> bool {
        !matches!(
            held.effect,
            Effect::Plain
                | Effect::Cancelling(_)
                | Effect::Idle { .. }
                | Effect::Enabling { .. }
                | Effect::Closing { uids: None, .. }
        ) || matches!(held.verb, Verb::Idle)
    }

    /// Asks first for the UIDs that the record needs, where the command does not name them.
    pub(super) fn prepare(&mut self, mut held: Held, now: Instant) {
        let own = match &held.effect {
            Effect::Fetching(reads) if reads.cap.is_some() => {
                reads.cap.as_ref().map(|cap| (fetch_sizes(&cap.set, cap.form(held.verb)), Own::Sizes))
            }
            Effect::Fetching(reads) if reads.ask.is_some() => {
                reads.ask.clone().map(|set| (fetch_uids(&set, held.verb), Own::Uids))
            }
            Effect::Storing { ask: Some(set), .. } | Effect::Copying { ask: Some(set), .. } => {
                Some((fetch_uids(set, held.verb), Own::Uids))
            }
            Effect::Appending { replaced: Some(replaced), .. } => {
                replaced.ask.as_ref().map(|number| (fetch_uids(number, held.verb), Own::Uids))
            }
            Effect::Expunging { .. } | Effect::Closing { uids: Some(_), .. }
                if !self.state.selected().is_some_and(|selected| selected.read_only) =>
            {
                Some((search_deleted(&held.effect), Own::Deleted))
            }
            _ => None,
        };
        match own {
            // What the upstream answers to ours must be told from what it answers to the client's.
            Some((line, own)) if self.in_flight.is_empty() => {
                self.held = Some(Box::new(held));
                self.send_own_as(&line, own, now);
            }
            Some(_) => {
                held.wait_quiet = true;
                self.held = Some(Box::new(held));
            }
            None => {
                held.ready = now;
                self.record_intent(held, now);
            }
        }
    }

    /// All before it is answered: a command that waited for quiet goes on.
    pub(super) fn resume_held(&mut self, now: Instant) {
        if self.in_flight.is_empty()
            && let Some(mut held) = self.held.take_if(|held| held.wait_quiet)
        {
            held.wait_quiet = false;
            self.prepare(*held, now);
        }
    }

    /// The UIDs are known: the record goes first (audit.md §3).
    pub(super) fn record_intent(&mut self, mut held: Held, now: Instant) {
        if self.guards() {
            match self.part_removal(held, now) {
                Some(parted) => held = parted,
                None => return,
            }
        }
        if self.needs_headers(&held) {
            if !self.in_flight.is_empty() {
                held.wait_quiet = true;
                self.held = Some(Box::new(held));
                return;
            }
            if let Some(line) = self.next_header_question(&mut held) {
                self.held = Some(Box::new(held));
                return self.send_own_as(&line, Own::Headers, now);
            }
        }
        match self.intent(&held) {
            Some(event) => {
                self.held = Some(Box::new(held));
                self.out.push(Output::Intent(Box::new(event)));
            }
            None => self.send_held(held, now),
        }
    }

    /// Up it goes.
    pub(super) fn send_held(&mut self, mut held: Held, now: Instant) {
        let serial = self.in_flight.next_serial();
        let idle = held.verb == Verb::Idle;
        let (line, stream) = (std::mem::take(&mut held.line), held.stream.take());
        self.in_flight.push(Self::entry_of(held, serial, now));
        if idle {
            self.mode = ClientMode::Idle;
            self.move_phase(Some(super::event::SessionPhase::Idle));
        }
        match stream {
            Some(stream) => self.send_stream(serial, &line, stream, now),
            None => self.send_with_literals(serial, &line),
        }
        self.out.keep_line(line);
    }

    /// What is followed of a command until its answer.
    pub(super) fn entry_of(mut held: Held, serial: u32, now: Instant) -> Box<Entry> {
        let judged = held.judged.into_recorded();
        if let Effect::Fetching(reads) = &mut held.effect
            && is_silent(held.audit, judged.as_deref())
        {
            reads.may_doubt = false; // nothing will be asked
        }
        Box::new(Entry {
            serial,
            tag: held.tag,
            cmd: held.cmd,
            verb: held.verb,
            kind: held.kind,
            since: held.since,
            sent: now,
            effect: held.effect,
            mailbox: held.mailbox,
            judged,
            audit: held.audit,
            overhead: now.saturating_duration_since(held.ready),
            parts: held.parts,
            answered: None,
        })
    }
}

/// The form of an item that leaves `\Seen` alone. The old forms have none of their own: they become sections, and the answer
/// is given their name again.
fn peek(patch: &mut Patch<'_>, frame: &[u8], item: &crate::wire::command::FetchItem<'_>, effect: &mut Effect) {
    let rename = |effect: &mut Effect, from: &'static str, to: &'static str| {
        if let Effect::Fetching(reads) = effect {
            reads.renames.push((from, to));
        }
    };
    match item.kind {
        FetchKind::Rfc822 => {
            patch.replace(item.span.clone(), "BODY.PEEK[]");
            rename(effect, "BODY[]", "RFC822");
        }
        FetchKind::Rfc822Text => {
            patch.replace(item.span.clone(), "BODY.PEEK[TEXT]");
            rename(effect, "BODY[TEXT]", "RFC822.TEXT");
        }
        _ => {
            let text = frame.get(item.span.clone()).unwrap_or_default();
            if let Some(bracket) = memchr::memchr(b'[', text) {
                patch.insert(item.span.start.saturating_add(bracket), ".PEEK");
            }
        }
    }
}

/// Which of the messages that are to be removed are flagged?
fn search_deleted(effect: &Effect) -> Vec<u8> {
    match effect {
        Effect::Expunging { ask: Some(set), .. } => [b"UID SEARCH DELETED UID ", &**set].concat(),
        _ => b"UID SEARCH DELETED".to_vec(),
    }
}

fn fetch_uids(set: &[u8], verb: Verb) -> Vec<u8> {
    fetch(set, verb, b" (UID)")
}

fn fetch_sizes(set: &[u8], verb: Verb) -> Vec<u8> {
    fetch(set, verb, b" (UID RFC822.SIZE)")
}

fn fetch(set: &[u8], verb: Verb, items: &[u8]) -> Vec<u8> {
    let form: &[u8] = if verb.is_uid_form() { b"UID FETCH " } else { b"FETCH " };
    [form, set, items].concat()
}
