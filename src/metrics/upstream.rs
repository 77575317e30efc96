//! What is counted by upstream.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::{ByOne, Maker};
use super::label::{Direction, Label};
use super::table as t;
use crate::session::event::UpstreamError;

pub(super) struct Families {
    bytes: IntCounterVec,
    up: IntGaugeVec,
    sessions: IntGaugeVec,
    connects: HistogramVec,
    responses: HistogramVec,
    errors: IntCounterVec,
}

impl Families {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            bytes: make.counters(&t::UPSTREAM_BYTES_TOTAL),
            up: make.gauges(&t::UPSTREAM_UP),
            sessions: make.gauges(&t::UPSTREAM_SESSIONS),
            connects: make.histograms(&t::UPSTREAM_CONNECT_SECONDS),
            responses: make.histograms(&t::UPSTREAM_RESPONSE_SECONDS),
            errors: make.counters(&t::UPSTREAM_ERRORS_TOTAL),
        }
    }

    /// Takes away the series of an upstream that is no longer configured. Sessions that it still has count on unseen.
    pub(super) fn forget(&self, name: &str) {
        for direction in Direction::ALL {
            let _ = self.bytes.remove_label_values(&[name, direction.word()]);
        }
        for reason in UpstreamError::ALL {
            let _ = self.errors.remove_label_values(&[name, reason.word()]);
        }
        let _ = self.up.remove_label_values(&[name]);
        let _ = self.sessions.remove_label_values(&[name]);
        let _ = self.connects.remove_label_values(&[name]);
        let _ = self.responses.remove_label_values(&[name]);
    }
}

/// The counters of one upstream. Fetched once, with [`super::Metrics::upstream`]; each method is an addition.
pub struct UpstreamMetrics {
    pub(super) name: Arc<str>,
    bytes: ByOne<Direction, IntCounter>,
    /// Made when it was first tried: what is not known is neither up nor down.
    up: OnceLock<IntGauge>,
    ups: IntGaugeVec,
    sessions: IntGauge,
    connects: Histogram,
    responses: Histogram,
    errors: ByOne<UpstreamError, IntCounter>,
}

impl std::fmt::Debug for UpstreamMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

impl UpstreamMetrics {
    pub(super) fn new(families: &Families, name: &str) -> Self {
        let label = &[name];
        Self {
            name: name.into(),
            bytes: ByOne::new(&families.bytes, label),
            up: OnceLock::new(),
            ups: families.up.clone(),
            sessions: families.sessions.with_label_values(label),
            connects: families.connects.with_label_values(label),
            responses: families.responses.with_label_values(label),
            errors: ByOne::new(&families.errors, label),
        }
    }

    /// A connection was made (TLS included): it is up.
    pub fn connected(&self, took: Duration) {
        self.connects.observe(took.as_secs_f64());
        self.up(true);
    }

    /// Could it be reached when this was last tried?
    pub fn up(&self, up: bool) {
        self.up.get_or_init(|| self.ups.with_label_values(&[&*self.name])).set(i64::from(up));
    }

    /// A connection to it is open.
    pub fn opened(&self) {
        self.sessions.inc();
    }

    /// A connection that was open is no more.
    pub fn closed(&self) {
        self.sessions.dec();
    }

    /// Octets came from it.
    pub fn received(&self, octets: u64) {
        self.bytes.of(Direction::In).inc_by(octets);
    }

    /// Octets went to it.
    pub fn sent(&self, octets: u64) {
        self.bytes.of(Direction::Out).inc_by(octets);
    }

    /// It answered a command, so long after that was whole.
    pub fn responded(&self, after: Duration) {
        self.responses.observe(after.as_secs_f64());
    }

    pub(super) fn failed(&self, reason: UpstreamError) {
        self.errors.of(reason).inc();
    }
}
