//! What the audit log tells of itself.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge};

use super::family::{ByOne, Maker};
use super::label::{Area, Label};
use super::table as t;
use super::{Metrics, now_seconds};
use crate::session::event::{GapReason, LogObserver};

type Waiting = Box<dyn Fn() -> u64 + Send + Sync>;

pub(super) struct Counters {
    records: ByOne<Area, IntCounter>,
    lost: ByOne<GapReason, IntCounter>,
    failing: IntGauge,
    pub(super) refused: IntCounter,
    queue: IntGauge,
    queue_limit: IntGauge,
    waiting: OnceLock<Waiting>,
    writes: Histogram,
    syncs: Histogram,
    last_write: Gauge,
    last_checkpoint: Gauge,
    disk_free: Gauge,
}

impl Counters {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            records: ByOne::new(&make.counters(&t::AUDIT_RECORDS_TOTAL), &[]),
            lost: ByOne::new(&make.counters(&t::AUDIT_LOST_TOTAL), &[]),
            failing: make.gauge(&t::AUDIT_FAILING),
            refused: make.counter(&t::AUDIT_REFUSED_TOTAL),
            queue: make.gauge(&t::AUDIT_QUEUE),
            queue_limit: make.gauge(&t::AUDIT_QUEUE_LIMIT),
            waiting: OnceLock::new(),
            writes: make.histogram(&t::AUDIT_WRITE_SECONDS),
            syncs: make.histogram(&t::AUDIT_SYNC_SECONDS),
            last_write: make.time(&t::AUDIT_LAST_WRITE_SECONDS),
            last_checkpoint: make.time(&t::AUDIT_LAST_CHECKPOINT_SECONDS),
            disk_free: make.time(&t::AUDIT_DISK_FREE_RATIO),
        }
    }

    pub(super) fn watch_queue(&self, limit: u64, waiting: Waiting) {
        self.queue_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
        let _ = self.waiting.set(waiting);
    }

    /// Before a scrape: reads what nobody tells.
    pub(super) fn refresh(&self) {
        if let Some(waiting) = self.waiting.get() {
            self.queue.set(i64::try_from(waiting()).unwrap_or(i64::MAX));
        }
    }
}

impl LogObserver for Metrics {
    fn recorded(&self, area: &'static str) {
        if let Some(area) = Area::from_word(area) {
            self.log.records.of(area).inc();
        }
    }

    fn wrote(&self, took: Duration) {
        self.log.writes.observe(took.as_secs_f64());
        self.log.last_write.set(now_seconds());
    }

    fn synced(&self, took: Duration) {
        self.log.syncs.observe(took.as_secs_f64());
    }

    fn signed(&self) {
        self.log.last_checkpoint.set(now_seconds());
    }

    fn lost(&self, reason: GapReason, n: u64) {
        self.log.lost.of(reason).inc_by(n);
    }

    fn failing(&self, failing: bool) {
        self.log.failing.set(i64::from(failing));
    }

    fn disk_free(&self, ratio: f64) {
        self.log.disk_free.set(ratio);
    }
}
