//! What was refused lately, for whoever looks on. The audit log has all of it; this is the last of it, at hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::drain::locked;
use crate::session::event::{Event, EventContext, EventKind, MailboxRef, Stage};

/// How many are kept.
const KEPT: usize = 100;

/// The last refusals, oldest first.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<VecDeque<Refused>>);

/// One of them.
#[derive(Debug, Clone)]
pub struct Refused {
    /// When.
    pub at: SystemTime,
    /// To whom.
    pub context: Arc<EventContext>,
    /// The command; before login, what was to be done.
    pub what: &'static str,
    /// Ordinal of the command in its session.
    pub cmd: Option<u32>,
    /// Of which mailbox.
    pub mailbox: Option<Arc<MailboxRef>>,
    /// By which rules, or lock.
    pub by: Vec<Arc<str>>,
}

impl Refusals {
    pub fn see(&self, event: &Event) {
        let refused = event.stage == Some(Stage::Refused) || matches!(event.kind, EventKind::AuthRefused { .. });
        if !refused {
            return;
        }
        let refused = Refused {
            at: SystemTime::now(),
            context: Arc::clone(&event.ctx),
            what: event.verb.map_or(event.kind.type_name(), |verb| verb.name()),
            cmd: event.cmd,
            mailbox: event.mailbox.clone(),
            by: event.policy.iter().flat_map(|policy| policy.by.iter().cloned()).collect(),
        };
        let mut last = locked(&self.0);
        if last.len() >= KEPT {
            last.pop_front();
        }
        last.push_back(refused);
    }

    pub fn last(&self) -> Vec<Refused> {
        locked(&self.0).iter().cloned().collect()
    }
}
