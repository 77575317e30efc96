//! The rules of this session, and what happens when they change under it: a reload, an hour, another ID.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::CloseReason;
use super::refusal::Bye;
use super::{Session, Shared};

/// The clock is looked at this often at least, where hours matter: it may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

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
        let denied = self.bound.login(self.shared.clock.at(now)).is_denied();
        let stays = !denied && !self.selected_is_hidden(now) && !self.selected_needs_view();
        if !stays {
            self.end(CloseReason::Policy, Some(Bye::Policy), now);
        }
        stays
    }

    /// Is a mailbox open in which messages may be hidden now, and could not before? What was told of it cannot be taken back.
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
        let new_scope = self.filtered() && !was_filtered || self.may_hide_messages() && !hid_messages;
        if new_scope && (under_way || self.switched_on) {
            // What is under way or was switched on under looser rules cannot be taken back: the client begins anew.
            return self.end(CloseReason::Policy, Some(Bye::Policy), now);
        }
        if !self.judge_again(now) {
            return;
        }
        if self.bound.names_mailboxes() && (!knew_names || self.filtered() != was_filtered) {
            self.names_changed(); // asked for at the next command: now may be the middle of one, or IDLE
        }
        self.pump(now);
    }
}
