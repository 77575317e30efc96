//! What is counted, for Prometheus.
//!
//! ```text
//!   session ─▶ Event, Note ─┐
//!   net ─▶ ListenerMetrics, │
//!          UpstreamMetrics ─┼─▶ Metrics ─▶ render() ─▶ GET /metrics
//!   audit ─▶ LogObserver ───┤
//!   app ─▶ policy_loaded … ─┘
//! ```
//!
//! Every family is a row of [`table`]. Every series is made before it is needed and kept at hand, so counting is an
//! addition to an atomic: no lock, no allocation, no look-up by label.
//!
//! **Invariants.** A label holds a name from the configuration or a word of a closed list, never anything that a peer
//! said. Names reach labels only through [`Metrics::listener`], [`Metrics::upstream`], [`Metrics::certificates`] and
//! [`Metrics::policy_loaded`]; what an event or a note says is looked up among them. Metrics has never seen a session.
//!
//! ```
//! use imapwarden::metrics::{Metrics, Settings};
//!
//! let metrics = Metrics::new(Settings { version: "1.0.0", revision: "9b1d02c4" });
//! metrics.listener("imaps").accepted();
//! assert!(metrics.render().contains(r#"imapwarden_connections_accepted_total{listener="imaps"} 1"#));
//! ```

mod family;
mod label;
mod listener;
mod log;
mod looked;
mod observe;
mod process;
mod reading;
mod rules;
mod session;
pub mod table;
#[cfg(test)]
mod tests;
mod upstream;

pub use label::TlsVersion;
pub use listener::ListenerMetrics;
pub use looked::Looked;
pub use reading::Reading;
pub use rules::RuleFacts;
pub use upstream::UpstreamMetrics;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use prometheus::{IntGauge, Registry, TextEncoder};

use family::{ByOne, Maker, Present};
use label::{Outcome, RulesCounted};
use table as t;

/// What the program says of itself: labels of `build_info`.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Its version.
    pub version: &'a str,
    /// The revision of its source.
    pub revision: &'a str,
}

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    listener_families: listener::Families,
    upstream_families: upstream::Families,
    listeners: ArcSwap<Vec<Arc<ListenerMetrics>>>,
    upstreams: ArcSwap<Vec<Arc<UpstreamMetrics>>>,
    sessions: session::Counters,
    rules: rules::Rules,
    log: log::Counters,
    process: process::Process,
    looked: looked::Gauges,
    certificates: Present,
    policy_info: Present,
    policy_rules: ByOne<RulesCounted, IntGauge>,
    reloads: ByOne<Outcome, prometheus::IntCounter>,
    last_reload_ok: IntGauge,
    last_reload: prometheus::Gauge,
    draining: IntGauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes every family of [`table::ALL`].
    #[must_use]
    pub fn new(settings: Settings<'_>) -> Arc<Self> {
        let registry = Registry::new();
        let make = Maker::new(&registry);
        make.gauges(&t::BUILD_INFO).with_label_values(&[settings.version, settings.revision]).set(1);
        let metrics = Self {
            listener_families: listener::Families::new(&make),
            upstream_families: upstream::Families::new(&make),
            listeners: ArcSwap::default(),
            upstreams: ArcSwap::default(),
            sessions: session::Counters::new(&make),
            rules: rules::Rules::new(&make),
            log: log::Counters::new(&make),
            process: process::Process::new(&make),
            looked: looked::Gauges::new(&make),
            certificates: Present::new(make.gauges(&t::TLS_CERTIFICATE_NOT_AFTER_SECONDS)),
            policy_info: Present::new(make.gauges(&t::POLICY_INFO)),
            policy_rules: ByOne::new(&make.gauges(&t::POLICY_RULES), &[]),
            reloads: ByOne::new(&make.counters(&t::POLICY_RELOADS_TOTAL), &[]),
            last_reload_ok: make.gauge(&t::POLICY_LAST_RELOAD_OK),
            last_reload: make.time(&t::POLICY_LAST_RELOAD_SECONDS),
            draining: make.gauge(&t::DRAINING),
            registry,
        };
        Arc::new(metrics)
    }

    /// All of it in the text format of Prometheus. Reads `/proc/self`, so it may block for a moment.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.refresh();
        self.log.refresh();
        self.looked.refresh();
        let families = self.registry.gather();
        let mut text = String::with_capacity(128 * 1024);
        TextEncoder::new()
            .encode_utf8(&families, &mut text)
            .expect("the registry gives no empty family, a String takes all");
        // A family without a series yet is named all the same: its absence would read as a wrong name in a query.
        for row in t::ALL {
            if !families.iter().any(|family| family.name() == row.name) {
                let _ = write!(text, "# HELP {0} {1}\n# TYPE {0} {2}\n", row.name, row.help, row.kind.word());
            }
        }
        text
    }

    /// The counters of a listener, made at the first call. For names from the configuration only.
    #[must_use]
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        if let Some(known) = self.listeners.load().iter().find(|known| &*known.name == name) {
            return Arc::clone(known);
        }
        let new = Arc::new(ListenerMetrics::new(&self.listener_families, name));
        self.listeners.rcu(|known| known.iter().chain([&new]).cloned().collect::<Vec<_>>());
        new
    }

    /// The counters of an upstream, made at the first call. For names from the configuration only.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        if let Some(known) = self.upstreams.load().iter().find(|known| &*known.name == name) {
            return Arc::clone(known);
        }
        let new = Arc::new(UpstreamMetrics::new(&self.upstream_families, name));
        self.upstreams.rcu(|known| known.iter().chain([&new]).cloned().collect::<Vec<_>>());
        new
    }

    /// After a reload: forgets the upstreams that are no longer configured, so that none of them is reported as down.
    pub fn keep_upstreams(&self, names: &[&str]) {
        let (keep, gone): (Vec<_>, Vec<_>) =
            self.upstreams.load().iter().cloned().partition(|known| names.contains(&&*known.name));
        self.upstreams.store(Arc::new(keep));
        for upstream in gone {
            self.upstream_families.forget(&upstream.name);
        }
    }

    /// After a reload: forgets the listeners that are no longer configured and have no session left. Of one that still has
    /// some, sessions are counted until the next reload.
    pub fn keep_listeners(&self, names: &[&str]) {
        let (keep, gone): (Vec<_>, Vec<_>) =
            self.listeners.load().iter().cloned().partition(|known| names.contains(&&*known.name) || known.is_in_use());
        for listener in keep.iter().filter(|known| !names.contains(&&*known.name)) {
            listener.limit(0);
        }
        self.listeners.store(Arc::new(keep));
        for listener in gone {
            self.listener_families.forget(&listener.name);
        }
    }

    /// Connections that all listeners together take at once.
    #[must_use]
    pub fn places(&self) -> u64 {
        self.listeners.load().iter().map(|listener| listener.places()).fold(0, u64::saturating_add)
    }

    /// Where to look, at each scrape, at what nobody tells.
    pub fn watch_proxy(&self, look: impl Fn() -> Looked + Send + Sync + 'static) {
        self.looked.watch(Box::new(look));
    }

    /// When each source beside the rules was read.
    pub fn sources<'a>(&self, sources: impl IntoIterator<Item = (&'a str, SystemTime)>) {
        self.looked.sources(sources);
    }

    /// The certificates in use and when each ends; those of an earlier call are forgotten.
    pub fn certificates<'a>(&self, certificates: impl IntoIterator<Item = (&'a str, SystemTime)>) {
        self.certificates.replace(certificates.into_iter().map(|(name, not_after)| (name, unix_seconds(not_after))));
    }

    /// These rules are in force now. The first 500 are counted by id, the others together.
    pub fn policy_loaded(&self, rev: &str, rules: &[RuleFacts]) {
        self.policy_info.replace([(rev, 1)]);
        let folded = self.rules.replace(rules);
        let of = |counted: RulesCounted| match counted {
            RulesCounted::In(mode) => rules.iter().filter(|rule| rule.mode == mode).count(),
            RulesCounted::Folded => folded,
        };
        for (counted, gauge) in self.policy_rules.iter() {
            gauge.set(i64::try_from(of(counted)).unwrap_or(i64::MAX));
        }
        self.last_reload_ok.set(1);
        self.last_reload.set(now_seconds());
    }

    /// When a rule last took something, or would have, in seconds since 1970; `None` for those that are not counted by id.
    #[must_use]
    pub fn last_hit(&self, rule: &str) -> Option<u64> {
        self.rules.last_hit(rule)
    }

    /// A reload ended. Where it is `ok`, [`Metrics::policy_loaded`] says what is in force now.
    pub fn reload(&self, ok: bool) {
        self.reloads.of(Outcome::from(ok)).inc();
        self.last_reload_ok.set(i64::from(ok));
    }

    /// The proxy drains, or does so no longer.
    pub fn draining(&self, draining: bool) {
        self.draining.set(i64::from(draining));
    }

    /// Where to read how many records wait for the log's writer, and how many may.
    pub fn watch_audit_queue(&self, limit: u64, waiting: impl Fn() -> u64 + Send + Sync + 'static) {
        self.log.watch_queue(limit, Box::new(waiting));
    }
}

/// Seconds since 1970, as Prometheus tells time.
fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, i64::wrapping_neg),
    }
}
