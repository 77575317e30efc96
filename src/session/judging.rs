//! The rules of this session, and what happens when they change under it: a reload, an hour, another ID.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::policy::LoginVerdict;

use super::event::{CloseReason, KilledBy};
use super::locks::Lock;
use super::refusal::Bye;
use super::{Session, Shared};

/// The clock is looked at this often at least, where hours matter: it may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Why a reload ends a session.
const SWITCHED_ON: &str = "rules hide now, and what was switched on cannot be taken back";
const NUMBERS: &str = "rules hide no more, and numbers are those of what was shown";
const HIDDEN: &str = "rules hide the open mailbox";

impl Session {
    /// The rules that can touch this session, as it is now.
    pub(super) fn bind_rules(&mut self, now: Instant) {
        self.rev = Arc::clone(self.shared.rules.rev());
        self.bound = self.shared.rules.bind(&self.subject);
        self.name_owners();
        self.rules_moved(now);
        self.await_change(now);
    }

    /// When do hours change something?
    pub(super) fn await_change(&mut self, now: Instant) {
        let at = self.shared.clock.at(now);
        self.rules_change = self.bound.next_change(at).into_iter().chain(self.renews_at()).min().map(|change| {
            let wait = Duration::try_from(change.duration_since(at)).unwrap_or_default();
            now + wait.clamp(Duration::from_millis(1), LOOK_AGAIN)
        });
    }

    /// Can a rule hide anything here (design: scopes)?
    pub(super) fn filtered(&self) -> bool {
        self.bound.scope() == crate::policy::Scope::Filtered
    }

    /// Would this login now be denied, or is the open mailbox now hidden? Then the session ends.
    pub(super) fn judge_again(&mut self, now: Instant) -> bool {
        if self.ends_for_lock(now) {
            return false;
        }
        let taken_by = match self.bound.login(self.shared.clock.at(now)) {
            LoginVerdict::Denied { by, .. } => Some(by),
            LoginVerdict::Allowed { .. } => self.selected_is_hidden_by(now),
        };
        self.needs_view = taken_by.is_none() && self.selected_needs_view();
        let Some(by) = taken_by else { return true };
        self.end_by_rules(KilledBy::Rule, &by.ids().join(" "), now);
        false
    }

    /// Rules end the session: the record says which, or why.
    pub(super) fn end_by_rules(&mut self, by: KilledBy, why: &str, now: Instant) {
        if !self.closing {
            self.record_kill(by, &Arc::from(why));
        }
        self.end(CloseReason::Policy, Some(Bye::Policy), now);
    }

    /// The lock that keeps out whoever this is, or would be.
    pub(super) fn lock_holding(&self, now: Instant) -> Option<Arc<Lock>> {
        self.shared.locks.holding(&self.subject, self.shared.clock.at(now))
    }

    /// Ends the session of somebody who is kept out.
    pub(super) fn ends_for_lock(&mut self, now: Instant) -> bool {
        let Some(lock) = self.lock_holding(now) else { return false };
        self.handle_kill(KilledBy::Lock, &lock.why, now);
        true
    }

    /// Is a mailbox open in which messages may be hidden now, and could not before? Then it gets a view, and what is hidden leaves.
    fn selected_needs_view(&self) -> bool {
        self.view.is_none()
            && self.work.is_none()
            && self.state.selected().is_some_and(|selected| self.guards_mailbox(&selected.target))
    }

    /// Hours changed.
    pub(super) fn on_hours(&mut self, now: Instant) {
        self.rules_moved(now);
        self.await_change(now);
        self.judge_again(now);
    }

    /// A reload: the rules, limits and upstreams that hold from the next command on.
    pub fn handle_shared(&mut self, shared: Arc<Shared>, now: Instant) {
        let bound = shared.rules.bind(&self.subject);
        let hides = !self.filtered() && bound.scope() == crate::policy::Scope::Filtered;
        let hides_messages = self.view.is_none() && bound.may_hide_messages();
        if !self.state.is_before_login() && (hides || hides_messages) {
            // What is under way was judged by looser rules, and is answered as they let it.
            self.turning = Some(shared);
            self.pause_idle();
        } else {
            self.turning = None;
            self.take_rules(shared, now);
        }
        self.pump(now);
    }

    /// Nothing is under way any more: from here on rules hide.
    pub(super) fn turn_if_quiet(&mut self, now: Instant) {
        if self.turning.is_none() || !self.is_quiet() || self.closing {
            return;
        }
        let Some(shared) = self.turning.take() else { return };
        let was_filtered = self.filtered();
        if self.switched_on && !was_filtered {
            // What was switched on cannot be taken back: the client begins anew.
            return self.end_by_rules(KilledBy::Reload, SWITCHED_ON, now);
        }
        self.turned = !was_filtered;
        self.take_rules(shared, now);
        if !self.closing && !was_filtered {
            self.begin_names(now);
        }
    }

    /// Is nothing under way, on either side?
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
            && self.work.is_none()
            && self.held.is_none()
            && self.login.is_none()
            && self.gate.is_none()
            && self.appending.is_none()
            && self.doomed.is_none()
            && self.reading.between_responses()
            && matches!(self.mode, super::ClientMode::Command | super::ClientMode::Idle)
    }

    fn take_rules(&mut self, shared: Arc<Shared>, now: Instant) {
        self.shared = shared;
        if self.state.is_before_login() {
            return;
        }
        let was_filtered = self.filtered();
        let hid_messages = self.may_hide_messages();
        let knew_names = self.bound.names_mailboxes();
        self.bind_rules(now);
        self.move_seats(now);
        let under_way = !self.in_flight.is_empty() || self.held.is_some() || self.appending.is_some();
        if self.may_hide_messages() && !hid_messages && (under_way || self.switched_beyond) {
            // What is under way or was switched on under looser rules cannot be taken back: the client begins anew.
            return self.end_by_rules(KilledBy::Reload, SWITCHED_ON, now);
        }
        if self.view.is_some() && !self.filtered() {
            // Nothing can be hidden any more, and numbers are still those of a view: the client begins anew.
            return self.end_by_rules(KilledBy::Reload, NUMBERS, now);
        }
        if !self.judge_again(now) {
            return;
        }
        if self.bound.names_mailboxes() && (!knew_names || self.filtered() != was_filtered) {
            self.names_changed(); // asked for at the next command: now may be the middle of one, or IDLE
        }
    }

    /// All names are known since rules began to hide: the open mailbox has to be one of them. It was opened by another name of
    /// its own, perhaps.
    pub(super) fn names_known(&mut self, now: Instant) {
        if std::mem::take(&mut self.turned)
            && self.state.selected().is_some_and(|selected| !self.exists(&selected.target))
        {
            self.end_by_rules(KilledBy::Reload, HIDDEN, now);
        }
    }
}
