//! STATUS that no STATUS asked for: what comes with LIST (RFC 5819), and what NOTIFY tells (RFC 5465 §4).
//!
//! ```text
//!   a1 LIST "" % RETURN (STATUS (MESSAGES))   ◀─ * LIST … INBOX, * STATUS INBOX (MESSAGES 3)     mailbox.status of INBOX
//!   a2 NOTIFY SET STATUS (personal MessageNew) … any time later ◀─ * STATUS Archive (MESSAGES 4) mailbox.status of Archive
//! ```
//!
//! Each has a record as if its mailbox had been asked about, before the client hears of it; what answers a STATUS is recorded
//! with that.

use std::sync::Arc;

use crate::imap::verb::Verb;
use crate::policy::{AuditLevel, Request, Role, Verdict};
use crate::rewrite::mailbox_data::read_status;
use crate::wire::command::folder::StatusKind;
use crate::wire::mailbox::decode_lenient;
use crate::wire::response::{Head, head};

use super::Session;
use super::effect::{Effect, Judged, Own};
use super::event::{EventKind, MailboxRef, Stage, VerdictKind};
use super::names::Resolved;

/// Ordinal and verb of the command that asked.
pub(super) type OfCommand = (u32, Verb);

/// What asked for it.
enum Asked {
    /// STATUS.
    ByName,
    /// LIST.
    WithList(OfCommand),
    /// Nothing that is under way.
    Before,
}

impl Session {
    /// A STATUS response that the client is about to get.
    pub(super) fn record_told_status(&mut self, response: &[u8], rest: usize) {
        if self.answers_status(response.get(rest..).unwrap_or_default()) {
            return;
        }
        let Some((octets, items)) = read_status(response, rest) else { return };
        let target = self.resolve_listed(&octets).unwrap_or_else(|| Resolved {
            name: decode_lenient(&octets, self.utf8_mode(), self.delimiter()).name,
            special: None,
            octets: None,
        });
        let of = match self.status_asked(&target) {
            Asked::ByName => return,
            Asked::WithList(of) => Some(of),
            Asked::Before => None,
        };
        self.record_status_of(of, &target, items.into_iter().map(item_named));
    }

    /// The same, counted here.
    pub(super) fn record_counted_status(&mut self, of: OfCommand, target: &Resolved, response: &[u8]) {
        if let Head::Data { rest, .. } = head(response)
            && let Some((_, items)) = read_status(response, rest)
        {
            self.record_status_of(Some(of), target, items.into_iter().map(item_named));
        }
    }

    fn record_status_of(
        &mut self,
        of: Option<OfCommand>,
        target: &Resolved,
        told: impl IntoIterator<Item = &'static str>,
    ) {
        let targets = [(Role::Status, self.target(target))];
        if self.bound.audit_level(&targets, self.wall) == AuditLevel::None {
            return;
        }
        let policy = match self.bound.decide(&Request::new(Verb::Status, &targets), self.wall) {
            Verdict::Allowed(permit) if !permit.shadow().is_empty() => {
                let (by, shadow) = (permit.by().clone(), permit.shadow().clone());
                Some(self.outcome(&Judged { verdict: Some(VerdictKind::Allowed), by, shadow }))
            }
            Verdict::Allowed(_) | Verdict::Refused(_) => None,
        };
        let mut items = Vec::new();
        for word in told {
            if !items.contains(&word) {
                items.push(word);
            }
        }
        let mut event = self.event(EventKind::MailboxStatus { items });
        (event.cmd, event.verb) = of.unzip();
        event.stage = Some(Stage::Done);
        event.mailbox = Some(Arc::new(MailboxRef::named(Arc::from(target.name.as_str()))));
        event.policy = policy;
        self.out.record(event);
    }

    /// Nearly always the first under way that can have asked is a STATUS of that very name, in letters that are spelled as they are.
    fn answers_status(&self, text: &[u8]) -> bool {
        let asks = |effect: &&Effect| {
            matches!(
                effect,
                Effect::Status { .. } | Effect::Listing { statuses: true, .. } | Effect::Own(Own::Status(_))
            )
        };
        let first = self.in_flight.iter().map(|entry| &entry.effect).find(asks);
        let Some(Effect::Status { mailbox, .. }) = first else { return false };
        let name = mailbox.name.as_bytes();
        let is_plain = |octet: &u8| matches!(octet, b' '..=b'~') && !matches!(octet, b'&' | b'"' | b'\\');
        let text = text.trim_ascii_start();
        let (text, end): (_, &[u8]) = text.strip_prefix(b"\"").map_or((text, b" ("), |text| (text, b"\" ("));
        name.iter().all(is_plain) && text.strip_prefix(name).is_some_and(|items| items.starts_with(end))
    }

    /// Servers answer one command after the other: the first under way that can have asked is the one that did.
    fn status_asked(&self, target: &Resolved) -> Asked {
        let asked = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Status { mailbox, .. } if *mailbox.name == *target.name.as_str() => Some(Asked::ByName),
            Effect::Listing { statuses: true, .. } => Some(Asked::WithList((entry.cmd, entry.verb))),
            Effect::Own(Own::Status(statuses)) if statuses.name == target.name => Some(Asked::WithList(statuses.of)),
            _ => None,
        });
        asked.unwrap_or(Asked::Before)
    }
}

/// As the record has it.
pub(super) fn word_of(kind: StatusKind) -> &'static str {
    StatusKind::ALL.iter().find(|(known, _)| *known == kind).map_or("OTHER", |(_, word)| word)
}

fn item_named(word: &[u8]) -> &'static str {
    let known = StatusKind::ALL.iter().find(|(_, known)| word.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or("OTHER", |(_, word)| word)
}
