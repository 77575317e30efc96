//! What is said of a session: to the audit log, before the bytes move, and to the counters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::imap::status::Status;
use crate::policy::{AuditLevel, Hits};
use crate::wire::response::Code;

use super::auth::Login;
use super::effect::{Effect, Held, Judged};
use super::event::{
    AuthFailureReason, CloseReason, ClosedBy, CommandResult, Event, EventContext, EventKind, FaultReason, KilledBy,
    LimitAction, LimitName, LoginResult, Mechanism, Note, NoteStatus, PolicyOutcome, ReadClass, ReadCounts,
    ReadMessage, ResultStatus, RuleEffect, RuleMode, Side, Stage, TlsFacts, UpstreamError, VerdictKind,
};
use super::in_flight::Entry;
use super::limiting::Over;
use super::locks::Lock;
use super::reads::Reads;
use super::refusal::Answer;
use super::{Output, Session};

impl Session {
    /// The event's context, with whom it is about.
    pub(super) fn name_context(&mut self) {
        let named = !self.subject.user.is_empty();
        self.ctx = Arc::new(EventContext {
            sid: Some(Arc::clone(&self.start.sid)),
            user: named.then(|| Arc::clone(&self.subject.user)),
            actor: (named && self.subject.actor != self.subject.user).then(|| Arc::clone(&self.subject.actor)),
            credential: None,
            client_ip: Some(self.start.client_ip),
            listener: Some(Arc::clone(&self.start.listener)),
            upstream: named.then(|| Arc::clone(&self.subject.upstream)),
        });
    }

    pub(super) fn event(&self, kind: EventKind) -> Event {
        Event::new(Arc::clone(&self.ctx), kind)
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out.push(Output::Note(note));
    }

    pub(super) fn outcome(&self, judged: &Judged) -> PolicyOutcome {
        PolicyOutcome {
            rev: Arc::clone(&self.rev),
            verdict: judged.verdict.unwrap_or(VerdictKind::Allowed),
            by: judged.by.ids(),
            shadow: judged.shadow.ids(),
        }
    }

    pub(super) fn record_open(&mut self) {
        let tls = self.client_tls.as_ref().map(|tls| TlsFacts {
            version: tls.version,
            cipher: tls.cipher.clone(),
            sni: tls.sni.clone(),
            client_cert_sha256: None,
        });
        let event = self.event(EventKind::SessionOpen { port: self.start.client_port, via: self.start.via, tls });
        self.out.record(event);
    }

    pub(super) fn record_close(&mut self, reason: CloseReason, by: ClosedBy, now: Instant) {
        let dur_ms = now.saturating_duration_since(self.opened).as_millis();
        let event = self.event(EventKind::SessionClose {
            reason,
            by,
            dur_ms: u64::try_from(dur_ms).unwrap_or(u64::MAX),
            commands: self.commands,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            reads: self.read_counts,
        });
        self.out.record(event);
    }

    pub(super) fn record_kill(&mut self, by: KilledBy, why: &Arc<str>) {
        let event = self.event(EventKind::SessionKill { by, why: Arc::clone(why) });
        self.out.record(event);
    }

    pub(super) fn record_auth_success(&mut self, login: &Login, now: Instant) {
        let ms = now.saturating_duration_since(login.since).as_millis();
        let upstream = self.leg.info.as_ref().map_or_else(|| Arc::from(""), |info| Arc::clone(&info.name));
        let mech = mechanism(login.mechanism);
        let mut event = self.event(EventKind::AuthSuccess {
            mech,
            groups: self.shared.rules.groups_of(&self.subject),
            upstream,
            ms: u64::try_from(ms).unwrap_or(u64::MAX),
        });
        event.cmd = Some(login.cmd);
        event.verb = Some(login.verb);
        if !self.login_shadow.is_empty() {
            let shadow = std::mem::take(&mut self.login_shadow);
            let judged = Judged { shadow, ..Judged::default() };
            self.note_verdict(&judged, None);
            event.policy = Some(self.outcome(&judged));
        }
        self.out.record(event);
        let duration = now.saturating_duration_since(login.since);
        self.note(Note::LoginDone { mech, result: LoginResult::Success, duration });
        self.count_command(login.verb, login.verb.kind(), NoteStatus::Ok, Some(duration));
    }

    pub(super) fn record_auth_failure(
        &mut self,
        mech: &str,
        reason: AuthFailureReason,
        login: Option<&Login>,
        now: Instant,
    ) {
        let mech = mechanism(mech);
        let mut event = self.event(EventKind::AuthFailure { mech, reason });
        event.cmd = Some(self.commands);
        self.out.record(event);
        let duration = login.map_or(Duration::ZERO, |login| now.saturating_duration_since(login.since));
        let result = match reason {
            AuthFailureReason::Unavailable => LoginResult::Unavailable,
            AuthFailureReason::Expired | AuthFailureReason::Revoked => LoginResult::Expired,
            AuthFailureReason::TooMany => LoginResult::TooMany,
            AuthFailureReason::Credentials | AuthFailureReason::Protocol => LoginResult::Credentials,
        };
        self.note(Note::LoginDone { mech, result, duration });
    }

    pub(super) fn record_auth_refused(&mut self, login: &Login, by: Hits, shadow: Hits, now: Instant) {
        let mech = mechanism(login.mechanism);
        let judged = Judged { verdict: Some(VerdictKind::Refused), by, shadow };
        self.note_verdict(&judged, None);
        self.alert(&judged, Some((login.cmd, login.verb)), (None, None));
        let mut event = self.event(EventKind::AuthRefused { mech });
        event.cmd = Some(login.cmd);
        event.verb = Some(login.verb);
        event.policy = Some(self.outcome(&judged));
        event.result = Some(CommandResult { status: ResultStatus::No, code: Some(Arc::from("AUTHORIZATIONFAILED")) });
        self.out.record(event);
        let duration = now.saturating_duration_since(login.since);
        self.note(Note::LoginDone { mech, result: LoginResult::Refused, duration });
    }

    /// A login of somebody who is kept out: as if a rule denied it.
    pub(super) fn record_auth_locked(&mut self, login: &Login, lock: &Lock, now: Instant) {
        let mech = mechanism(login.mechanism);
        let judged = Judged { verdict: Some(VerdictKind::Refused), ..Judged::default() };
        self.note_verdict(&judged, None);
        let mut event = self.event(EventKind::AuthRefused { mech });
        event.cmd = Some(login.cmd);
        event.verb = Some(login.verb);
        event.policy = Some(PolicyOutcome { by: vec![format!("lock/{}", lock.id).into()], ..self.outcome(&judged) });
        event.result = Some(CommandResult { status: ResultStatus::No, code: Some(Arc::from("AUTHORIZATIONFAILED")) });
        self.out.record(event);
        let duration = now.saturating_duration_since(login.since);
        self.note(Note::LoginDone { mech, result: LoginResult::Refused, duration });
    }

    /// A login that is one too many; the password was right.
    pub(super) fn record_login_limited(&mut self, login: &Login, by: Hits, shadow: Hits, now: Instant) {
        let mech = mechanism(login.mechanism);
        let judged = Judged { verdict: Some(VerdictKind::Limited), by, shadow };
        self.note_verdict(&judged, None);
        self.alert(&judged, Some((login.cmd, login.verb)), (None, None));
        let mut event = self.event(EventKind::AuthRefused { mech });
        event.cmd = Some(login.cmd);
        event.verb = Some(login.verb);
        event.policy = Some(self.outcome(&judged));
        event.result = Some(CommandResult { status: ResultStatus::No, code: Some(Arc::from("LIMIT")) });
        self.out.record(event);
        let duration = now.saturating_duration_since(login.since);
        self.note(Note::LoginDone { mech, result: LoginResult::Refused, duration });
    }

    /// A budget is used up.
    pub(super) fn record_limit_hit(
        &mut self,
        over: &Over,
        command: Option<(u32, crate::imap::verb::Verb)>,
        action: LimitAction,
    ) {
        let mut event = self.event(EventKind::LimitHit {
            limit: LimitName::Rule(Arc::clone(over.rule())),
            kind: over.kind,
            per: over.per,
            used: over.used,
            max: over.max,
            window_s: over.window.map(|window| window.as_secs()),
            action,
        });
        event.cmd = command.map(|(cmd, _)| cmd);
        event.verb = command.map(|(_, verb)| verb);
        self.out.record(event);
    }

    pub(super) fn record_client_id(
        &mut self,
        name: Option<Box<str>>,
        version: Option<Box<str>>,
        os: Option<Box<str>>,
        vendor: Option<Box<str>>,
    ) {
        let event = self.event(EventKind::ClientId { name, version, os, vendor });
        self.out.record(event);
    }

    /// A command that the proxy answered itself.
    pub(super) fn record_local_done(&mut self, held: &mut Held, now: Instant) {
        let entry = Entry {
            serial: 0,
            tag: held.tag.clone(),
            cmd: held.cmd,
            verb: held.verb,
            kind: held.kind,
            since: held.since,
            sent: now,
            effect: std::mem::replace(&mut held.effect, Effect::Plain),
            mailbox: held.mailbox.take(),
            judged: std::mem::take(&mut held.judged).into_recorded(),
            audit: held.audit,
            overhead: Duration::ZERO,
            parts: super::messages::Parts::default(),
            answered: None,
        };
        self.record_done(Box::new(entry), ResultStatus::Ok, None, now);
        self.count_command(held.verb, held.kind, NoteStatus::Ok, Some(now.saturating_duration_since(held.since)));
    }

    pub(super) fn record_fault(&mut self, side: Side, reason: FaultReason) {
        self.record_fault_at(side, reason, None);
    }

    pub(super) fn record_fault_at(&mut self, side: Side, reason: FaultReason, at: Option<u64>) {
        let event = self.event(EventKind::ProtocolFault { side, reason, at });
        self.out.record(event);
    }

    pub(super) fn note_upstream_error(&mut self, reason: UpstreamError) {
        self.note(Note::UpstreamFailed { reason });
    }

    pub(super) fn count_command(
        &mut self,
        verb: crate::imap::verb::Verb,
        kind: crate::imap::verb::CommandKind,
        status: NoteStatus,
        duration: Option<Duration>,
    ) {
        self.note(Note::CommandDone { verb: Some(verb), kind, status, duration, overhead: None });
    }

    /// What the rules said is counted: the verdict, and each rule that took something or would have.
    pub(super) fn note_verdict(&mut self, judged: &Judged, took: Option<Duration>) {
        let verdict = judged.verdict.unwrap_or(VerdictKind::Allowed);
        self.note(Note::Decided { verdict, took });
        self.note_hits(&judged.by, &judged.shadow);
    }

    pub(super) fn note_hits(&mut self, by: &Hits, shadow: &Hits) {
        for (hits, mode) in [(by, RuleMode::Enforce), (shadow, RuleMode::Shadow)] {
            for hit in hits.iter() {
                let effect = match hit.effect {
                    crate::policy::Effect::Hide => RuleEffect::Hide,
                    crate::policy::Effect::Rights => RuleEffect::Rights,
                    crate::policy::Effect::DenyCommands => RuleEffect::DenyCommands,
                    crate::policy::Effect::DenyLogin => RuleEffect::DenyLogin,
                    crate::policy::Effect::HideMessages => RuleEffect::HideMessages,
                    crate::policy::Effect::Limit => RuleEffect::Limit,
                };
                self.out.push(Output::Note(Note::RuleHit { rule: Arc::clone(&hit.rule), effect, mode }));
            }
        }
    }

    /// The record that must stand before a command goes up: what it is going to do (audit.md §3).
    pub(super) fn intent(&self, held: &Held) -> Option<Event> {
        if is_silent(held.audit, Some(&held.judged)) {
            return None;
        }
        let kind = match &held.effect {
            Effect::Fetching(reads) if reads.wants >= ReadClass::Preview => {
                EventKind::MessageRead { uids: reads.asked.clone(), want: reads.wants }
            }
            Effect::Storing { .. }
            | Effect::Copying { .. }
            | Effect::Appending { .. }
            | Effect::Expunging { .. }
            | Effect::Changing { .. } => effect_kind(&held.effect)?,
            Effect::Closing { uids: Some(uids), .. } if !uids.is_empty() => effect_kind(&held.effect)?,
            _ => return None,
        };
        let mut event = self.event(kind);
        event.cmd = Some(held.cmd);
        event.verb = Some(held.verb);
        event.stage = Some(Stage::Intent);
        event.mailbox = mailbox_of(&held.effect).or_else(|| held.mailbox.clone());
        event.policy = Some(self.outcome(&held.judged));
        Some(event)
    }

    /// What really happened.
    pub(super) fn record_done(
        &mut self,
        mut entry: Box<Entry>,
        status: ResultStatus,
        code: Option<&Code<'_>>,
        now: Instant,
    ) {
        let silent = is_silent(entry.audit, entry.judged.as_deref());
        if let Effect::Searching(searching) = &entry.effect
            && searching.content
            && searching.hits > 0
        {
            self.read_counts.add(ReadClass::Searched, searching.hits);
            self.note(Note::Read { class: ReadClass::Searched, messages: searching.hits, bytes: 0 });
        }
        let reads = matches!(entry.effect, Effect::Fetching(_));
        let kind = if silent || reads { None } else { effect_kind_taken(&mut entry) };
        if kind.is_none() && !reads {
            return; // of most commands nothing is said
        }
        let since = entry.since;
        let result = CommandResult { status, code: code.map(|code| String::from_utf8_lossy(code.name).into()) };
        let lat = u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX);
        // LIST is not about the open one.
        let open = entry.mailbox.take().filter(|_| !matches!(entry.effect, Effect::Listing { .. }));
        let mailbox = mailbox_of(&entry.effect).or(open);
        let judged = entry.judged.clone();
        let finish = |event: &mut Event, this: &Self| {
            event.cmd = Some(entry.cmd);
            event.verb = Some(entry.verb);
            event.stage = Some(Stage::Done);
            event.mailbox.clone_from(&mailbox);
            event.policy = judged.as_deref().map(|judged| this.outcome(judged));
            event.result = Some(result.clone());
            event.lat_us = Some(lat);
        };
        if let Effect::Fetching(reads) = entry.effect {
            return self.record_reads(*reads, silent, finish);
        }
        if let Some(kind) = kind {
            let mut event = self.event(kind);
            finish(&mut event, self);
            self.out.record(event);
        }
    }

    /// A FETCH that goes on has read enough to fill a record.
    pub(super) fn record_some_reads(&mut self, serial: u32, msgs: Vec<ReadMessage>) {
        let mut totals = ReadCounts::default();
        let mut octets = ReadCounts::default();
        for message in &msgs {
            totals.add(message.class, 1);
            octets.add(message.class, message.bytes);
        }
        for class in ReadClass::ALL {
            let (messages, bytes) = (totals.of(class), octets.of(class));
            if messages > 0 {
                self.read_counts.add(class, messages);
                self.note(Note::Read { class, messages, bytes });
            }
        }
        let mut event = self.event(EventKind::MessageReadDone { sets: Vec::new(), msgs });
        if let Some(entry) = self.in_flight.by_serial(serial) {
            if is_silent(entry.audit, entry.judged.as_deref()) {
                return;
            }
            event.cmd = Some(entry.cmd);
            event.verb = Some(entry.verb);
            event.mailbox.clone_from(&entry.mailbox);
            event.policy = entry.judged.as_deref().map(|judged| self.outcome(judged));
        }
        event.stage = Some(Stage::Done);
        event.more = true;
        self.out.record(event);
    }

    pub(super) fn record_reads(&mut self, mut reads: Reads, silent: bool, finish: impl Fn(&mut Event, &Self)) {
        if !silent {
            reads.give_up(&mut self.coverage);
        }
        if reads.is_empty() && reads.wants < ReadClass::Preview {
            return; // a FETCH that hit nothing leaves no record
        }
        for (class, messages, bytes) in reads.totals() {
            self.read_counts.add(class, messages);
            self.note(Note::Read { class, messages, bytes });
        }
        if silent {
            return;
        }
        let records = reads.into_records();
        let last = records.len();
        for (at, (sets, msgs)) in records.into_iter().enumerate() {
            let mut event = self.event(EventKind::MessageReadDone { sets, msgs });
            finish(&mut event, self);
            event.more = at.saturating_add(1) < last;
            self.out.record(event);
        }
    }

    /// A refusal by a rule, with the answer that the client gets.
    pub(super) fn record_refused(&mut self, held: &Held, answer: &Answer) {
        let kind = match &held.effect {
            Effect::Fetching(reads) => EventKind::MessageRead { uids: reads.asked.clone(), want: reads.wants },
            effect => effect_kind(effect).unwrap_or(EventKind::CommandRefused),
        };
        let (status, code) = answer.result();
        let mut event = self.event(kind);
        event.cmd = Some(held.cmd);
        event.verb = Some(held.verb);
        event.stage = Some(Stage::Refused);
        event.mailbox = mailbox_of(&held.effect).or_else(|| held.mailbox.clone());
        event.policy = Some(self.outcome(&held.judged));
        event.result = Some(CommandResult {
            status: if status == "NO" { ResultStatus::No } else { ResultStatus::Bad },
            code: code.map(Arc::from),
        });
        self.out.record(event);
        self.count_command(held.verb, held.kind, NoteStatus::No, None);
    }
}

/// Do rules ask that nothing is recorded of it? Of what they narrowed, something is.
pub(super) fn is_silent(level: AuditLevel, judged: Option<&Judged>) -> bool {
    let verdict = judged.and_then(|judged| judged.verdict).unwrap_or(VerdictKind::Allowed);
    level == AuditLevel::None && verdict == VerdictKind::Allowed
}

/// What a command is recorded as that is over, and of which nothing more is asked.
fn effect_kind_taken(entry: &mut Entry) -> Option<EventKind> {
    // What a search found may be long.
    let found = match &mut entry.effect {
        Effect::Searching(searching) => Some(std::mem::take(&mut searching.uids)).filter(|uids| !uids.is_empty()),
        _ => None,
    };
    let mut kind = effect_kind(&entry.effect)?;
    match (&mut kind, &entry.effect) {
        (EventKind::MessageSearch { uids, .. }, _) => *uids = found,
        (EventKind::MessageAppend { hdr, .. }, Effect::Appending { header, .. }) => *hdr = header.facts(entry.audit),
        _ => {}
    }
    Some(kind)
}

/// What an effect is recorded as; `None`: not at all.
fn effect_kind(effect: &Effect) -> Option<EventKind> {
    Some(match effect {
        Effect::Opening(opening) => EventKind::MailboxOpen {
            rw: !opening.read_only,
            exists: opening.exists,
            hidden: opening.hidden.as_ref().map(|hidden| u32::try_from(hidden.len()).unwrap_or(u32::MAX)),
            hidden_uids: opening.hidden.clone().filter(|hidden| !hidden.is_empty()),
        },
        Effect::Closing { uids: Some(uids), .. } if !uids.is_empty() => EventKind::MessageExpunge {
            how: super::event::ExpungeHow::Close,
            n: Some(uids.len()),
            uids: Some(uids.clone()),
        },
        Effect::Listing { op, reference, pattern, n, hidden, .. } => EventKind::MailboxList {
            op: *op,
            reference: reference.clone(),
            pattern: pattern.clone(),
            n: *n,
            hidden: *hidden,
        },
        Effect::Status { items, .. } => EventKind::MailboxStatus { items: items.clone() },
        Effect::Searching(searching) => EventKind::MessageSearch {
            keys: searching.keys.clone(),
            terms: searching.terms.clone(),
            content: searching.content,
            hits: (!searching.saves_only || searching.hits > 0).then_some(searching.hits),
            uids: (!searching.uids.is_empty()).then(|| searching.uids.clone()),
            hidden: searching.hidden,
        },
        Effect::Storing { op, flags, dropped, uids, .. } => EventKind::MessageFlag {
            op: *op,
            flags: flags.clone(),
            dropped: dropped.clone(),
            n: uids.as_ref().map(crate::imap::message::UidSet::len),
            uids: uids.clone(),
        },
        Effect::Copying { op, dst, uids, code, .. } => EventKind::MessageCopy {
            op: *op,
            dst: Arc::clone(dst),
            dst_uidv: code.as_ref().map(|code| code.uidvalidity),
            uids: code.as_ref().map(|code| code.source.clone()).or_else(|| uids.clone()),
            dst_uids: code.as_ref().map(|code| code.copies.clone()),
            n: match code {
                Some(code) => Some(code.source.len()),
                None => uids.as_ref().filter(|uids| uids.is_empty()).map(|_| 0),
            },
        },
        Effect::Appending { size, flags, uid, uidv, replaced, sources, .. } => EventKind::MessageAppend {
            size: *size,
            flags: flags.clone(),
            uid: *uid,
            uidv: *uidv,
            replaces: replaced.as_ref().and_then(|replaced| replaced.uid),
            sources: sources.clone(),
            hdr: None,
        },
        Effect::Expunging { how, uids, .. } => EventKind::MessageExpunge {
            how: *how,
            n: uids.as_ref().map(crate::imap::message::UidSet::len),
            uids: uids.clone(),
        },
        Effect::Changing { op, to, .. } => EventKind::MailboxChange { op: *op, to: to.clone() },
        Effect::Acl { op, who, rights, .. } => {
            EventKind::MailboxAcl { op: *op, who: who.clone(), rights: rights.clone() }
        }
        _ => return None,
    })
}

/// The mailbox that an effect is about, where that is not the selected one.
pub(super) fn mailbox_of(effect: &Effect) -> Option<Arc<super::event::MailboxRef>> {
    match effect {
        Effect::Opening(opening) => Some(Arc::clone(&opening.mailbox)),
        Effect::Appending { dst, .. } => Some(Arc::clone(dst)),
        Effect::Changing { name, .. } => Some(Arc::clone(name)),
        Effect::Acl { mailbox, .. } | Effect::Status { mailbox, .. } => Some(Arc::clone(mailbox)),
        _ => None,
    }
}

pub(super) fn mechanism(name: &str) -> Mechanism {
    Mechanism::ALL.iter().copied().find(|mechanism| mechanism.as_str() == name).unwrap_or(Mechanism::Other)
}

pub(super) fn result_status(status: Option<Status>) -> (ResultStatus, NoteStatus) {
    match status {
        Some(Status::Ok | Status::Preauth) => (ResultStatus::Ok, NoteStatus::Ok),
        Some(Status::No) => (ResultStatus::No, NoteStatus::No),
        Some(Status::Bye) => (ResultStatus::Bye, NoteStatus::No),
        Some(Status::Bad) | None => (ResultStatus::Bad, NoteStatus::Bad),
    }
}
