//! From a row of the table to series at hand.
//!
//! ```text
//!   Row ─▶ Maker ─▶ a family of the crate `prometheus` ─▶ ByOne, ByTwo: its series, by the place of a label's value
//! ```

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::label::Label;
use super::table::{Kind, Row};

/// Makes families and registers them.
pub(super) struct Maker<'a> {
    registry: &'a Registry,
}

/// The table is a constant: whether its rows can be made is seen in the first test that makes them.
const SOUND: &str = "the table of metrics is sound";

impl<'a> Maker<'a> {
    pub(super) const fn new(registry: &'a Registry) -> Self {
        Self { registry }
    }

    pub(super) fn counters(&self, row: &Row) -> IntCounterVec {
        assert_eq!(row.kind, Kind::Counter, "{}", row.name);
        self.registered(IntCounterVec::new(options(row), row.labels).expect(SOUND))
    }

    pub(super) fn gauges(&self, row: &Row) -> IntGaugeVec {
        assert_eq!(row.kind, Kind::Gauge, "{}", row.name);
        self.registered(IntGaugeVec::new(options(row), row.labels).expect(SOUND))
    }

    pub(super) fn histograms(&self, row: &Row) -> HistogramVec {
        let Kind::Histogram(edges) = row.kind else { panic!("{} is no histogram", row.name) };
        let options = HistogramOpts::from(options(row)).buckets(edges.to_vec());
        self.registered(HistogramVec::new(options, row.labels).expect(SOUND))
    }

    pub(super) fn counter(&self, row: &Row) -> IntCounter {
        self.counters(row).with_label_values::<&str>(&[])
    }

    pub(super) fn gauge(&self, row: &Row) -> IntGauge {
        self.gauges(row).with_label_values::<&str>(&[])
    }

    pub(super) fn histogram(&self, row: &Row) -> Histogram {
        self.histograms(row).with_label_values::<&str>(&[])
    }

    /// A gauge of fractions: times and ratios.
    pub(super) fn time(&self, row: &Row) -> Gauge {
        assert_eq!(row.kind, Kind::Gauge, "{}", row.name);
        self.registered(GaugeVec::new(options(row), row.labels).expect(SOUND)).with_label_values::<&str>(&[])
    }

    /// A counter of fractions: CPU time.
    pub(super) fn fractions(&self, row: &Row) -> Counter {
        assert_eq!(row.kind, Kind::Counter, "{}", row.name);
        self.registered(CounterVec::new(options(row), row.labels).expect(SOUND)).with_label_values::<&str>(&[])
    }

    fn registered<C: Collector + Clone + 'static>(&self, family: C) -> C {
        self.registry.register(Box::new(family.clone())).expect(SOUND);
        family
    }
}

fn options(row: &Row) -> Opts {
    Opts::new(row.name, row.help)
}

/// Series by the values of one label.
pub(super) struct ByOne<L, M> {
    series: Box<[M]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M: Clone> ByOne<L, M> {
    /// Those of a family whose other labels come first and have these values.
    pub(super) fn new<B: MetricVecBuilder<M = M>>(family: &MetricVec<B>, before: &[&str]) -> Self
    where
        M: prometheus::core::Metric,
    {
        let series = L::all().map(|value| family.with_label_values(&[before, &[value.word()]].concat())).collect();
        Self { series, label: PhantomData }
    }

    /// That of one value.
    pub(super) fn of(&self, value: L) -> &M {
        &self.series[value.index()]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (L, &M)> {
        L::all().zip(&self.series)
    }
}

/// Series by the values of two labels.
pub(super) struct ByTwo<K, L, M> {
    rows: Box<[ByOne<L, M>]>,
    label: PhantomData<fn(K)>,
}

impl<K: Label, L: Label, M: Clone + prometheus::core::Metric> ByTwo<K, L, M> {
    /// Those of a family whose other labels come first and have these values.
    pub(super) fn new<B: MetricVecBuilder<M = M>>(family: &MetricVec<B>, before: &[&str]) -> Self {
        let rows = K::all().map(|value| ByOne::new(family, &[before, &[value.word()]].concat())).collect();
        Self { rows, label: PhantomData }
    }

    /// That of two values.
    pub(super) fn of(&self, first: K, second: L) -> &M {
        self.rows[first.index()].of(second)
    }
}

/// A family of facts with one label, of which those that no longer hold are taken away.
pub(super) struct Present {
    family: IntGaugeVec,
    names: Mutex<HashMap<Box<str>, i64>>,
}

impl Present {
    pub(super) fn new(family: IntGaugeVec) -> Self {
        Self { family, names: Mutex::default() }
    }

    /// These hold now, and no others.
    pub(super) fn replace<'a>(&self, facts: impl IntoIterator<Item = (&'a str, i64)>) {
        let new: HashMap<Box<str>, i64> = facts.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in &new {
            self.family.with_label_values(&[&**name]).set(*value);
        }
        for gone in names.keys().filter(|name| !new.contains_key(*name)) {
            let _ = self.family.remove_label_values(&[&**gone]);
        }
        *names = new;
    }
}
