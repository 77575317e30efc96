//! What is counted by rule.
//!
//! ```text
//!   rules  1 … 500 │ 501 …        label rule: the id │ _other
//! ```
//!
//! A reload makes the map anew: rules that stay keep their counts, those that are gone leave the scrape. A hit of a rule
//! that is not (or no longer) in the map counts as `_other`, so none is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntCounterVec};

use super::family::Maker;
use super::label::Label;
use super::table as t;
use crate::session::event::{LimitAction, LimitName, RuleEffect, RuleMode};

/// Rules with a label of their own.
pub(super) const MAX_RULES: usize = 500;

/// The label of the others.
pub(super) const OTHER: &str = "_other";

/// What metrics know of a rule.
#[derive(Debug, Clone)]
pub struct RuleFacts {
    /// Its id.
    pub id: Arc<str>,
    /// Is it in force?
    pub mode: RuleMode,
    /// What it can take. Each is counted from 0; an effect that is not named here appears with its first hit.
    pub effects: Vec<RuleEffect>,
    /// Does it ask for alerts? They are counted from 0, so that the first one is an increase.
    pub alerts: bool,
}

pub(super) struct Rules {
    alerts: IntCounterVec,
    hits: IntCounterVec,
    limits: IntCounterVec,
    /// Rules with a label of their own.
    named: ArcSwap<HashMap<Arc<str>, Arc<Series>>>,
    other: Series,
    /// Held while rules are replaced: two reloads never interleave.
    replacing: Mutex<()>,
}

impl Rules {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            // No series before a rule asks for alerts: the family stands in the scrape by its name.
            alerts: make.counters(&t::POLICY_ALERTS_TOTAL),
            hits: make.counters(&t::POLICY_RULE_HITS_TOTAL),
            limits: make.counters(&t::LIMIT_HITS_TOTAL),
            named: ArcSwap::default(),
            other: Series::new(OTHER.into()),
            replacing: Mutex::default(),
        }
    }

    /// These rules are in force. Tells how many have no label of their own.
    pub(super) fn replace(&self, rules: &[RuleFacts]) -> usize {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.named.load_full();
        let named: HashMap<_, _> = rules
            .iter()
            .take(MAX_RULES)
            .map(|rule| {
                let known = before.get(&rule.id).cloned();
                (Arc::clone(&rule.id), known.unwrap_or_else(|| Arc::new(Series::new(Arc::clone(&rule.id)))))
            })
            .collect();
        for rule in rules.iter().filter(|rule| rule.alerts) {
            let name = if named.contains_key(&rule.id) { &rule.id } else { OTHER };
            self.alerts.with_label_values(&[name]);
        }
        for rule in rules {
            let series = named.get(&rule.id).map_or(&self.other, |series| series);
            for effect in &rule.effects {
                series.of(&self.hits, *effect, rule.mode);
            }
        }
        self.named.store(Arc::new(named));
        for gone in before.iter().filter(|(id, _)| !self.named.load().contains_key(*id)) {
            gone.1.forget(&self.hits);
            // There is none where it never alerted.
            let _ = self.alerts.remove_label_values(&[&*gone.1.rule]);
        }
        rules.len().saturating_sub(MAX_RULES)
    }

    /// A rule took something, or would have.
    pub(super) fn hit(&self, rule: &str, effect: RuleEffect, mode: RuleMode) {
        let named = self.named.load();
        let series = named.get(rule).map_or(&self.other, |series| series);
        series.of(&self.hits, effect, mode).inc();
        series.last.store(super::unix_seconds(SystemTime::now()).unsigned_abs(), Ordering::Relaxed);
    }

    /// When it was last hit.
    pub(super) fn last_hit(&self, rule: &str) -> Option<u64> {
        let named = self.named.load();
        named.get(rule).map(|series| series.last.load(Ordering::Relaxed)).filter(|last| *last > 0)
    }

    /// A request ran into a rule that asks for alerts.
    pub(super) fn alert(&self, rule: &str) {
        let named = self.named.load();
        let name = if named.contains_key(rule) { rule } else { OTHER };
        self.alerts.with_label_values(&[name]).inc();
    }

    /// A limit was reached. Rare, so its series is looked up.
    pub(super) fn limit(&self, limit: &LimitName, action: LimitAction) {
        let named = self.named.load();
        let name = match limit {
            LimitName::Key(key) => key,
            LimitName::Rule(rule) if named.contains_key(rule) => &**rule,
            LimitName::Rule(_) => OTHER,
        };
        self.limits.with_label_values(&[name, action.word()]).inc();
    }
}

/// The hits of one rule.
struct Series {
    rule: Arc<str>,
    /// When it was last hit, in seconds since 1970; 0 for never.
    last: AtomicU64,
    by_effect: [[OnceLock<IntCounter>; RuleMode::ALL.len()]; RuleEffect::ALL.len()],
}

impl Series {
    fn new(rule: Arc<str>) -> Self {
        Self { rule, last: AtomicU64::new(0), by_effect: Default::default() }
    }

    fn of(&self, hits: &IntCounterVec, effect: RuleEffect, mode: RuleMode) -> &IntCounter {
        self.by_effect[effect.index()][mode.index()]
            .get_or_init(|| hits.with_label_values(&[&*self.rule, effect.word(), mode.word()]))
    }

    fn forget(&self, hits: &IntCounterVec) {
        for effect in RuleEffect::ALL {
            for mode in RuleMode::ALL {
                let _ = hits.remove_label_values(&[&*self.rule, effect.word(), mode.word()]);
            }
        }
    }
}
