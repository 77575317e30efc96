//! What was counted, read back by the page that shows it.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::Metrics;

/// All metrics at one moment.
#[derive(Debug)]
pub struct Reading(Vec<MetricFamily>);

impl Metrics {
    /// Reads all of them; takes as long as a scrape.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.log.refresh();
        Reading(self.registry.gather())
    }
}

impl Reading {
    /// The sum over the series with these labels; 0 where there are none. Of histograms the number of observations.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|(kind, series)| value(kind, series)).sum()
    }

    /// The same, apart by one label.
    #[must_use]
    pub fn by(&self, name: &str, label: &str, labels: &[(&str, &str)]) -> BTreeMap<String, f64> {
        let mut by = BTreeMap::new();
        for (kind, series) in self.series(name, labels) {
            let word = series.get_label().iter().find(|pair| pair.name() == label).map_or("", |pair| pair.value());
            *by.entry(word.to_owned()).or_default() += value(kind, series);
        }
        by
    }

    /// Observations up to each edge, over the series with these labels.
    #[must_use]
    pub fn edges(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, u64)> {
        let mut edges: Vec<(f64, u64)> = Vec::new();
        for (_, series) in self.series(name, labels) {
            for (at, bucket) in series.get_histogram().get_bucket().iter().enumerate() {
                match edges.get_mut(at) {
                    Some((_, n)) => *n = n.saturating_add(bucket.cumulative_count()),
                    None => edges.push((bucket.upper_bound(), bucket.cumulative_count())),
                }
            }
        }
        edges
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = (MetricType, &Metric)> {
        let family = self.0.iter().find(|family| family.name() == name);
        let all =
            family.into_iter().flat_map(|family| family.get_metric().iter().map(|one| (family.get_field_type(), one)));
        all.filter(move |(_, series)| {
            let has = |(name, value): &(&str, &str)| {
                series.get_label().iter().any(|pair| pair.name() == *name && pair.value() == *value)
            };
            labels.iter().all(has)
        })
    }
}

fn value(kind: MetricType, series: &Metric) -> f64 {
    match kind {
        MetricType::COUNTER => series.get_counter().get_value(),
        MetricType::GAUGE => series.get_gauge().get_value(),
        MetricType::HISTOGRAM => count(series.get_histogram().get_sample_count()),
        MetricType::SUMMARY | MetricType::UNTYPED => 0.0,
    }
}

fn count(n: u64) -> f64 {
    // 52 bits are enough for what is counted.
    f64::from(u32::try_from(n >> 32).unwrap_or(0)) * 4_294_967_296.0
        + f64::from(u32::try_from(n & 0xffff_ffff).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn what_was_counted_is_read() {
        let metrics = Metrics::new(Settings { version: "1", revision: "x" });
        let imaps = metrics.listener("imaps");
        imaps.accepted();
        imaps.accepted();
        metrics.listener("imap").accepted();
        let reading = metrics.read();
        let accepted = "imapwarden_connections_accepted_total";
        assert_eq!(reading.sum(accepted, &[]), 3.0);
        assert_eq!(reading.sum(accepted, &[("listener", "imaps")]), 2.0);
        assert_eq!(reading.sum("imapwarden_none", &[]), 0.0);
        assert_eq!(
            reading.by(accepted, "listener", &[]).into_iter().collect::<Vec<_>>(),
            [("imap".to_owned(), 1.0), ("imaps".to_owned(), 2.0)]
        );
        metrics.upstream("main").connected(std::time::Duration::from_millis(3));
        let edges = metrics.read().edges("imapwarden_upstream_connect_seconds", &[("upstream", "main")]);
        assert_eq!(edges.iter().find(|(_, n)| *n == 1).map(|(edge, _)| *edge), Some(0.005));
        assert_eq!(metrics.read().sum("imapwarden_upstream_connect_seconds", &[]), 1.0);
    }
}
