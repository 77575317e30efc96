//! What is counted by listener.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::{ByOne, ByTwo, Maker};
use super::label::{Direction, Label, Outcome, TlsVersion};
use super::table as t;
use crate::session::event::{CloseReason, LoginResult, Mechanism, RefusedReason, SessionPhase};

pub(super) struct Families {
    accepted: IntCounterVec,
    refused: IntCounterVec,
    sessions: IntGaugeVec,
    limit: IntGaugeVec,
    closed: IntCounterVec,
    lasted: HistogramVec,
    handshakes: IntCounterVec,
    bytes: IntCounterVec,
    attempts: IntCounterVec,
    durations: HistogramVec,
}

impl Families {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            accepted: make.counters(&t::CONNECTIONS_ACCEPTED_TOTAL),
            refused: make.counters(&t::CONNECTIONS_REFUSED_TOTAL),
            sessions: make.gauges(&t::SESSIONS),
            limit: make.gauges(&t::SESSIONS_LIMIT),
            closed: make.counters(&t::SESSIONS_CLOSED_TOTAL),
            lasted: make.histograms(&t::SESSION_DURATION_SECONDS),
            handshakes: make.counters(&t::TLS_HANDSHAKES_TOTAL),
            bytes: make.counters(&t::CLIENT_BYTES_TOTAL),
            attempts: make.counters(&t::AUTH_ATTEMPTS_TOTAL),
            durations: make.histograms(&t::AUTH_DURATION_SECONDS),
        }
    }
}

impl Families {
    pub(super) fn forget(&self, name: &str) {
        let _ = self.accepted.remove_label_values(&[name]);
        let _ = self.limit.remove_label_values(&[name]);
        let _ = self.durations.remove_label_values(&[name]);
        let _ = self.lasted.remove_label_values(&[name]);
        for reason in RefusedReason::all() {
            let _ = self.refused.remove_label_values(&[name, reason.word()]);
        }
        for phase in SessionPhase::all() {
            let _ = self.sessions.remove_label_values(&[name, phase.word()]);
        }
        for reason in CloseReason::all() {
            let _ = self.closed.remove_label_values(&[name, reason.word()]);
        }
        for direction in Direction::all() {
            let _ = self.bytes.remove_label_values(&[name, direction.word()]);
        }
        for version in Option::<TlsVersion>::all() {
            for outcome in Outcome::all() {
                let _ = self.handshakes.remove_label_values(&[name, version.word(), outcome.word()]);
            }
        }
        for mechanism in Mechanism::all() {
            for result in LoginResult::all() {
                let _ = self.attempts.remove_label_values(&[name, mechanism.word(), result.word()]);
            }
        }
    }
}

/// The counters of one listener. Fetched once, with [`super::Metrics::listener`]; each method is an addition.
pub struct ListenerMetrics {
    pub(super) name: Arc<str>,
    accepted: IntCounter,
    refused: ByOne<RefusedReason, IntCounter>,
    sessions: ByOne<SessionPhase, IntGauge>,
    limit: IntGauge,
    closed: ByOne<CloseReason, IntCounter>,
    lasted: Histogram,
    handshakes: ByTwo<Option<TlsVersion>, Outcome, IntCounter>,
    bytes: ByOne<Direction, IntCounter>,
    attempts: ByTwo<Mechanism, LoginResult, IntCounter>,
    durations: Histogram,
}

impl std::fmt::Debug for ListenerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ListenerMetrics {
    pub(super) fn new(families: &Families, name: &str) -> Self {
        let label = &[name];
        Self {
            name: name.into(),
            accepted: families.accepted.with_label_values(label),
            refused: ByOne::new(&families.refused, label),
            sessions: ByOne::new(&families.sessions, label),
            limit: families.limit.with_label_values(label),
            closed: ByOne::new(&families.closed, label),
            lasted: families.lasted.with_label_values(label),
            handshakes: ByTwo::new(&families.handshakes, label),
            bytes: ByOne::new(&families.bytes, label),
            attempts: ByTwo::new(&families.attempts, label),
            durations: families.durations.with_label_values(label),
        }
    }

    /// It takes this many connections at once.
    pub fn limit(&self, max_connections: u64) {
        self.limit.set(i64::try_from(max_connections).unwrap_or(i64::MAX));
    }

    /// A TCP connection was accepted.
    pub fn accepted(&self) {
        self.accepted.inc();
    }

    /// A connection was turned away, and no record says so. Where one does, its event is what counts.
    pub fn refused(&self, reason: RefusedReason) {
        self.refused.of(reason).inc();
    }

    /// A TLS handshake ended, implicit or after STARTTLS; `version` where one was agreed on.
    pub fn tls_handshake(&self, version: Option<TlsVersion>, ok: bool) {
        self.handshakes.of(version, Outcome::from(ok)).inc();
    }

    /// Octets came from a client.
    pub fn received(&self, octets: u64) {
        self.bytes.of(Direction::In).inc_by(octets);
    }

    /// Octets went to a client.
    pub fn sent(&self, octets: u64) {
        self.bytes.of(Direction::Out).inc_by(octets);
    }

    pub(super) fn moved(&self, from: Option<SessionPhase>, to: Option<SessionPhase>) {
        // First the new one: a scrape between the two must not see fewer sessions than there are.
        if let Some(to) = to {
            self.sessions.of(to).inc();
        }
        if let Some(from) = from {
            self.sessions.of(from).dec();
        }
    }

    pub(super) fn closed(&self, reason: CloseReason, lasted: Duration) {
        self.closed.of(reason).inc();
        self.lasted.observe(lasted.as_secs_f64());
    }

    /// How many connections it takes at once.
    pub(super) fn places(&self) -> u64 {
        u64::try_from(self.limit.get()).unwrap_or(0)
    }

    /// Are there sessions of it?
    pub(super) fn is_in_use(&self) -> bool {
        self.sessions.iter().any(|(_, sessions)| sessions.get() != 0)
    }

    pub(super) fn login(&self, mech: Mechanism, result: LoginResult, took: Duration) {
        self.attempts.of(mech, result).inc();
        self.durations.observe(took.as_secs_f64());
    }
}
