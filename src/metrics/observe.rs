//! What each event and each note moves.
//!
//! Each thing is counted once: by its event where there is one, else by its note, else by the method that [`Metrics`],
//! [`ListenerMetrics`] or [`UpstreamMetrics`] has for it.

use std::sync::Arc;
use std::time::Duration;

use super::{ListenerMetrics, Metrics, UpstreamMetrics};
use crate::session::event::{Event, EventContext, EventKind, Note, Observer};

impl Observer for Metrics {
    fn event(&self, event: &Event) {
        match &event.kind {
            EventKind::SessionRefused { reason } => {
                self.with_listener(&event.ctx, |listener| listener.refused(*reason));
            }
            EventKind::SessionClose { reason, dur_ms, .. } => {
                let lasted = Duration::from_millis(*dur_ms);
                self.with_listener(&event.ctx, |listener| listener.closed(*reason, lasted));
            }
            EventKind::UpstreamState { upstream, up, .. } => {
                self.with_upstream(Some(upstream), |upstream| upstream.up(*up));
            }
            EventKind::LimitHit { limit, action, .. } => self.rules.limit(limit, *action),
            EventKind::PolicyAlert { rules, to: _ } => rules.iter().for_each(|rule| self.rules.alert(rule)),
            EventKind::ProtocolFault { side, reason, .. } => self.sessions.faults.of(*side, *reason).inc(),
            EventKind::FilterFailure { response, .. } => self.sessions.filter_failures.of(*response).inc(),
            // Logins, commands and reads have notes, which come whether or not a record is made of them.
            EventKind::AuthSuccess { .. }
            | EventKind::AuthFailure { .. }
            | EventKind::AuthRefused { .. }
            | EventKind::MailboxList { .. }
            | EventKind::MailboxStatus { .. }
            | EventKind::MailboxOpen { .. }
            | EventKind::MailboxHidden { .. }
            | EventKind::MailboxChange { .. }
            | EventKind::MailboxAcl { .. }
            | EventKind::MessageRead { .. }
            | EventKind::MessageReadDone { .. }
            | EventKind::MessageSearch { .. }
            | EventKind::MessageFlag { .. }
            | EventKind::MessageCopy { .. }
            | EventKind::MessageAppend { .. }
            | EventKind::MessageExpunge { .. }
            | EventKind::CommandRefused
            // These have methods, which say more.
            | EventKind::SessionOpen { .. }
            | EventKind::PolicyLoad { .. }
            | EventKind::PolicyLoadFailed { .. }
            | EventKind::ProxyStart { .. }
            | EventKind::ProxyStop { .. }
            | EventKind::ProxyDrain { .. }
            // These are in `audit_records_total` and nowhere else.
            | EventKind::ClientId { .. }
            | EventKind::PolicyExpire { .. }
            | EventKind::AuditAccess { .. }
            | EventKind::SessionKill { .. }
            | EventKind::LockChange { .. }
            | EventKind::AdminAction { .. }
            | EventKind::AuditOpen { .. }
            | EventKind::AuditClose { .. }
            | EventKind::AuditPurge { .. }
            | EventKind::AuditCheckpoint { .. }
            | EventKind::AuditKey { .. }
            | EventKind::AuditGap { .. } => {}
        }
    }

    fn note(&self, ctx: &EventContext, note: &Note) {
        let sessions = &self.sessions;
        match note {
            Note::CommandDone { verb, kind, status, duration, overhead } => {
                sessions.commands.of(*verb, *status).inc();
                if let Some(duration) = duration {
                    sessions.durations.of(*kind).observe(duration.as_secs_f64());
                }
                if let Some(overhead) = overhead {
                    sessions.overhead.of(*kind).observe(overhead.as_secs_f64());
                }
            }
            Note::SessionState { from, to } => self.with_listener(ctx, |listener| listener.moved(*from, *to)),
            Note::Decided { verdict, took } => {
                sessions.verdicts.of(*verdict).inc();
                if let Some(took) = took {
                    sessions.decide.observe(took.as_secs_f64());
                }
            }
            Note::RuleHit { rule, effect, mode } => self.rules.hit(rule, *effect, *mode),
            Note::LoginDone { mech, result, duration } => {
                self.with_listener(ctx, |listener| listener.login(*mech, *result, *duration));
            }
            Note::UpstreamResponse { after } => {
                self.with_upstream(ctx.upstream.as_ref(), |upstream| upstream.responded(*after));
            }
            Note::UpstreamFailed { reason } => {
                self.with_upstream(ctx.upstream.as_ref(), |upstream| upstream.failed(*reason));
            }
            Note::Read { class, messages, bytes } => {
                sessions.messages.of(*class).inc_by(*messages);
                sessions.message_bytes.of(*class).inc_by(*bytes);
            }
            Note::Hidden { messages, mailboxes } => {
                sessions.hidden_messages.inc_by(*messages);
                sessions.hidden_mailboxes.inc_by(*mailboxes);
            }
            Note::RefusedForAudit => self.log.refused.inc(),
        }
    }
}

impl Metrics {
    /// There are a few listeners, so a glance over them is the fastest look-up.
    fn with_listener(&self, ctx: &EventContext, count: impl FnOnce(&ListenerMetrics)) {
        let Some(name) = &ctx.listener else { return };
        if let Some(listener) = self.listeners.load().iter().find(|known| known.name == *name) {
            count(listener);
        }
    }

    fn with_upstream(&self, name: Option<&Arc<str>>, count: impl FnOnce(&UpstreamMetrics)) {
        let Some(name) = name else { return };
        if let Some(upstream) = self.upstreams.load().iter().find(|known| known.name == *name) {
            count(upstream);
        }
    }
}
