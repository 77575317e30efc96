//! The rules of an open mailbox change under it: by a reload, an hour, another day, or because messages grow old.
//!
//! What is newly hidden leaves when the RFC next allows it; what is newly visible comes with the next SELECT (contract.md §5):
//! UIDs below the largest that the client knows cannot appear in the middle. What a client says next was perhaps written under
//! other rules: it is looked at when these have been asked, so nothing that they hide is read meanwhile.
//!
//! A mailbox that was open before its messages could be hidden gets a view first ([`super::copy`]).

use crate::imap::message::UidSet;
use crate::policy::Hits;

use super::super::effect::Judged;
use super::super::event::{EventKind, VerdictKind};
use super::facts::Seen;
use super::look::Then;
use super::{Session, View};

impl Session {
    /// The filter that holds now. Where it is another one, all that is shown is judged again.
    pub(super) fn renew_filter(&mut self) {
        let Some(view) = &self.view else { return };
        let due = view.renew_at.is_some_and(|at| at <= self.wall);
        if !due && !self.filter_is_stale {
            return;
        }
        self.filter_is_stale = false;
        let Some(target) = self.state.selected().map(|selected| selected.target.clone()) else { return };
        let filter = self.bound.message_filter(&self.target(&target), self.wall);
        let wall = self.wall;
        let Some(view) = &mut self.view else { return };
        view.set_filter(filter);
        if due && view.renew_at.is_some_and(|at| at <= wall) {
            view.renew_at = None;
            view.again = view.messages.shown();
        }
    }

    /// When must the client's mailbox be looked at again, although nothing happens?
    pub(in crate::session) fn renews_at(&self) -> Option<jiff::Timestamp> {
        self.view.as_ref()?.renew_at
    }

    /// Hours or rules changed: an idle client hears of it now, another with its next command.
    pub(in crate::session) fn rules_moved(&mut self, now: std::time::Instant) {
        self.filter_is_stale = true;
        self.wall = self.shared.clock.at(now);
        if self.view.is_some() && super::fetch::listens(&self.mode) {
            self.renew_filter();
            if self.view.as_ref().is_some_and(|view| view.must_look()) {
                self.pause_idle();
            }
        }
    }
}

impl Session {
    /// Messages of the open mailbox are hidden that the client would have heard of, or has: new mail, a change of rules, hours or
    /// flags.
    pub(super) fn record_hidden(&mut self, hidden: UidSet) {
        let is_open = match self.work.as_ref().map(|work| &work.then) {
            None | Some(Then::Say { .. } | Then::Idle | Then::Read | Then::Copy(_)) => true,
            Some(Then::Status(_, visit)) => visit.is_at_home(),
            // It is said with SELECT.
            Some(Then::Open(..)) => false,
        };
        let Some(open) = self.state.selected().filter(|_| is_open) else { return };
        let mailbox = std::sync::Arc::clone(&open.mailbox);
        let asking = self.view.as_mut().map(|view| {
            view.hidden_by.join(&view.asking.by);
            (view.asking.by.clone(), view.asking.shadow.clone())
        });
        let (by, shadow) = asking.unwrap_or_default();
        self.note_hits(&by, &shadow);
        let judged = Judged { verdict: Some(VerdictKind::Narrowed), by, shadow };
        let mut event = self.event(EventKind::MailboxHidden { uids: hidden });
        event.mailbox = Some(std::sync::Arc::clone(&mailbox));
        event.policy = Some(self.outcome(&judged));
        self.out.record(event);
        self.alert(&judged, None, (Some(mailbox), None));
        if let Some(view) = self.view.as_mut().filter(|view| view.asking.there.is_none()) {
            (view.asking.by, view.asking.shadow) = (Hits::NONE, Hits::NONE);
        }
    }
}

impl View {
    /// From now on this hides.
    pub fn set_filter(&mut self, filter: Option<std::sync::Arc<crate::policy::MessageFilter>>) {
        let digest = filter.as_ref().map(|filter| filter.digest());
        if digest == self.digest {
            return;
        }
        // What the other rules said is nothing to these, be it remembered or about to be.
        self.asking.forget();
        self.renew_at = filter.as_ref().and_then(|filter| filter.changes_at());
        (self.filter, self.digest) = (filter, digest);
        self.again = self.messages.shown();
    }

    /// A shown message grows old: when does the filter next say something else of it?
    pub fn note_age(&mut self, seen: &Seen, now: jiff::Timestamp) {
        if let (Some(filter), Some(came)) = (&self.filter, seen.internal_date) {
            self.renew_at = self.renew_at.into_iter().chain(filter.message_changes_at(came, now)).min();
        }
    }
}
