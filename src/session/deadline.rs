//! How long is long enough? Logins, silence, an upstream that does not answer, and the pause after an error.

use std::time::Instant;

use super::event::CloseReason;
use super::refusal::Bye;
use super::{ClientMode, Session};

/// What is waited for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    PreAuth,
    Idle,
    Upstream,
    Pause,
    Hours,
    Pace,
}

impl Session {
    /// A deadline passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        let Some((due, what)) = self.deadline() else { return };
        if due > now || self.closing {
            return;
        }
        match what {
            Deadline::PreAuth => self.end(CloseReason::PreAuthTimeout, Some(Bye::LoginTimeout), now),
            Deadline::Pause => {
                self.pause = None;
                self.pump(now);
            }
            Deadline::Hours => self.on_hours(now),
            Deadline::Pace => {
                let ClientMode::Stream(stream) = &mut self.mode else { return };
                if !stream.keeps_pace(now) {
                    self.end(CloseReason::IdleTimeout, Some(Bye::Idle), now);
                }
            }
            Deadline::Idle => self.end(CloseReason::IdleTimeout, Some(Bye::Idle), now),
            Deadline::Upstream => {
                self.note_upstream_error(super::event::UpstreamError::Timeout);
                if self.login.is_some() {
                    self.give_up_login(now);
                    return self.pump(now);
                }
                self.end(CloseReason::UpstreamTimeout, Some(Bye::Unavailable), now);
            }
        }
    }

    /// When [`Session::handle_deadline`] must be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.closing { None } else { self.deadline().map(|(due, _)| due) }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Deadline)> {
        let limits = &self.shared.limits;
        let client = if self.state.is_before_login() && (self.login.is_none() || self.client_is_asked()) {
            (self.opened + limits.pre_auth_timeout, Deadline::PreAuth)
        } else {
            (self.client_heard.max(self.upstream_heard_in_answer()) + limits.idle_timeout, Deadline::Idle)
        };
        let upstream = self
            .waits_for_upstream()
            .map(|since| (since.max(self.upstream_heard) + limits.upstream_timeout, Deadline::Upstream));
        let pause = self.pause.map(|until| (until, Deadline::Pause));
        let hours = self.rules_change.map(|at| (at, Deadline::Hours));
        let pace = match &self.mode {
            ClientMode::Stream(stream) => stream.looks_at().map(|at| (at, Deadline::Pace)),
            _ => None,
        };
        upstream.into_iter().chain(pause).chain(hours).chain(pace).chain([client]).min_by_key(|(due, _)| *due)
    }

    /// Is it the client's turn in an exchange?
    pub(super) fn client_is_asked(&self) -> bool {
        matches!(self.mode, ClientMode::Sasl(_))
    }

    /// A long answer is no silence of the client's: it may be busy reading.
    pub(super) fn upstream_heard_in_answer(&self) -> Instant {
        if self.in_flight.oldest_waiting().is_some() { self.upstream_heard } else { self.client_heard }
    }

    pub(super) fn waits_for_upstream(&self) -> Option<Instant> {
        if self.login.is_some() && !self.client_is_asked() {
            return Some(self.upstream_heard);
        }
        if matches!(self.mode, ClientMode::Stream(_)) {
            return None; // the client's octets are on their way: it is its turn
        }
        self.in_flight.oldest_waiting().map(|entry| entry.sent)
    }
}
