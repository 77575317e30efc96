//! How long did each take? All of them are kept; a percentile is one of them.

use std::time::Duration;

/// Durations, in nanoseconds.
#[derive(Debug, Default, Clone)]
pub struct Latency(Vec<u32>);

impl Latency {
    /// One more; what is longer than four seconds counts as that.
    pub fn record(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Those of another, too.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// As another process of this program is told of them.
    pub fn to_line(&self) -> String {
        self.0.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    /// What `to_line` wrote.
    pub fn of_line(line: &str) -> Option<Self> {
        line.split_ascii_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>().map(Self)
    }

    /// Microseconds within which this share of them was done.
    pub fn percentile(&mut self, share: f64) -> Option<f64> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        let at = (share * last as f64).round() as usize;
        self.0.get(at).map(|nanoseconds| f64::from(*nanoseconds) / 1000.0)
    }
}
