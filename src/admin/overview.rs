//! What goes on, in numbers: all that the page shows, in one answer.
//!
//! ```text
//!   Metrics ─▶ Reading ─┐
//!   Health ─────────────┼─▶ { ready, audit, now, totals, rules, upstreams, refused, sessions }
//!   Control ────────────┘        totals only rise: whoever asks twice knows what came between
//! ```
//!
//! A viewer sees counts: whose session it is stands there as `u-7f3a`, the same name for the same user until the proxy
//! starts again.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::control::{Control, InForce, Rule};
use super::sessions::{self, Unclear};
use super::{AdminState, Health};
use crate::config::Role;
use crate::metrics::{Metrics, Reading};
use crate::net::Refused;

/// Rules in one overview; all of them are at a path of their own.
const RULES: usize = 100;

/// Where the numbers come from.
pub(super) struct Source {
    metrics: Arc<Metrics>,
    health: Arc<dyn Health>,
    control: Arc<dyn Control>,
}

impl Source {
    pub(super) fn of(state: &AdminState) -> Self {
        Self {
            metrics: Arc::clone(&state.metrics),
            health: Arc::clone(&state.health),
            control: Arc::clone(&state.control),
        }
    }

    /// `GET /api/v1/overview`; the query is about sessions.
    pub(super) fn overview(&self, query: &[(String, String)], role: Role) -> Result<Value, Unclear> {
        let masked = role == Role::Viewer;
        if masked && query.iter().any(|(key, _)| !["sort", "limit", "cursor"].contains(&&**key)) {
            return Err("a viewer sees how many there are, and asks for nobody");
        }
        let (reading, in_force) = (self.metrics.read(), self.control.in_force());
        let checks = self.health.checks();
        let ready = checks.iter().all(|(_, ok)| *ok);
        let checks: Map<String, Value> = checks.iter().map(|(name, ok)| ((*name).to_owned(), (*ok).into())).collect();
        let mut sessions = sessions::list(query, self.control.sessions())?;
        let mut refused: Vec<Value> = self.control.refused().iter().rev().map(refusal).collect();
        if masked {
            sessions["sessions"].as_array_mut().into_iter().flatten().for_each(mask);
            refused.iter_mut().for_each(mask);
        }
        let locks = if masked { Value::Null } else { self.control.locks().into() };
        Ok(json!({
            "node": &*in_force.node,
            "version": in_force.version,
            "uptime_s": in_force.uptime.as_secs(),
            "role": role.as_str(),
            "masked": masked,
            "ready": ready,
            "checks": checks,
            "rev": &*in_force.rev,
            "reload": { "ok": reading.sum("imapwarden_policy_last_reload_ok", &[]) > 0.0,
                        "age_s": age(reading.sum("imapwarden_policy_last_reload_seconds", &[])) },
            "audit": audit(&reading, &in_force),
            "now": now(&reading),
            "totals": totals(&reading),
            "edges": edges(&reading),
            "certificate_s": certificate(&reading),
            "upstreams": upstreams(&reading, &in_force),
            "rules": { "total": in_force.rules.len(), "first": self.rules_of(&reading, in_force.rules.iter().take(RULES)) },
            "refused": refused,
            "locks": locks,
            "sessions": sessions,
        }))
    }

    /// `GET /api/v1/rules`
    pub(super) fn rules(&self) -> Value {
        let (reading, in_force) = (self.metrics.read(), self.control.in_force());
        json!({ "rev": &*in_force.rev, "rules": self.rules_of(&reading, in_force.rules.iter()) })
    }

    /// `GET /api/v1/upstreams`
    pub(super) fn upstreams(&self) -> Value {
        json!({ "upstreams": upstreams(&self.metrics.read(), &self.control.in_force()) })
    }

    fn rules_of<'r>(&self, reading: &Reading, rules: impl Iterator<Item = &'r Rule>) -> Vec<Value> {
        let hits = |mode| reading.by("imapwarden_policy_rule_hits_total", "rule", &[("mode", mode)]);
        let (enforced, shadow) = (hits("enforce"), hits("shadow"));
        let row = |rule: &Rule| {
            let of = |hits: &std::collections::BTreeMap<String, f64>| hits.get(&*rule.id).map(|n| whole(*n));
            let last = self.metrics.last_hit(&rule.id).map(|last| age(seconds(last)));
            json!({
                "id": &*rule.id, "place": &*rule.place, "mode": rule.mode, "hits": of(&enforced), "shadow": of(&shadow),
                "last_s": last,
            })
        };
        rules.map(row).collect()
    }
}

/// `GET /api/v1/audit/head`
pub(super) fn head(in_force: &InForce) -> Value {
    let (seq, hash, log) = &in_force.head;
    json!({ "log": &**log, "seq": seq, "hash": &**hash })
}

fn audit(reading: &Reading, in_force: &InForce) -> Value {
    json!({
        "failing": reading.sum("imapwarden_audit_failing", &[]) > 0.0,
        "lost": whole(reading.sum("imapwarden_audit_lost_total", &[])),
        "refused": whole(reading.sum("imapwarden_audit_refused_total", &[])),
        "queue": whole(reading.sum("imapwarden_audit_queue", &[])),
        "queue_limit": whole(reading.sum("imapwarden_audit_queue_limit", &[])),
        "last_s": age(reading.sum("imapwarden_audit_last_write_seconds", &[])),
        "disk_free": reading.sum("imapwarden_audit_disk_free_ratio", &[]),
        "head": head(in_force),
    })
}

fn now(reading: &Reading) -> Value {
    let states = reading.by("imapwarden_sessions", "state", &[]);
    let states: Map<String, Value> = states.into_iter().map(|(state, n)| (state, whole(n).into())).collect();
    json!({
        "sessions": whole(reading.sum("imapwarden_sessions", &[])),
        "limit": whole(reading.sum("imapwarden_sessions_limit", &[])),
        "states": states,
        "draining": reading.sum("imapwarden_draining", &[]) > 0.0,
    })
}

fn totals(reading: &Reading) -> Value {
    let of = |name: &str, labels: &[(&str, &str)]| whole(reading.sum(&format!("imapwarden_{name}"), labels));
    let both = |name: &str, label: &str, words: &[&str]| -> u64 {
        words.iter().map(|word| of(name, &[(label, word)])).fold(0, u64::saturating_add)
    };
    let content = ["preview", "part", "full"];
    let attempts = of("auth_attempts_total", &[]);
    let logins = of("auth_attempts_total", &[("result", "success")]);
    json!({
        "commands": of("commands_total", &[]),
        "errors": both("commands_total", "status", &["UNAVAILABLE", "CUT"]),
        "logins": logins,
        "failed": attempts.saturating_sub(logins),
        "content": both("messages_read_total", "class", &content),
        "content_bytes": both("message_bytes_total", "class", &content),
        "envelope": of("messages_read_total", &[("class", "envelope")]),
        "refused": both("policy_verdicts_total", "verdict", &["refused", "limited"]),
        "hidden": of("hidden_messages_total", &[]).saturating_add(of("hidden_mailboxes_total", &[])),
        "filter_failures": of("filter_failures_total", &[]),
    })
}

/// Observations up to each edge, in seconds.
fn edges(reading: &Reading) -> Value {
    json!({
        "overhead": reading.edges("imapwarden_overhead_seconds", &[]),
        "sync": reading.edges("imapwarden_audit_sync_seconds", &[]),
        "login": reading.edges("imapwarden_auth_duration_seconds", &[]),
    })
}

fn upstreams(reading: &Reading, in_force: &InForce) -> Vec<Value> {
    let up = reading.by("imapwarden_upstream_up", "upstream", &[]);
    let row = |name: &str| {
        let label = [("upstream", name)];
        let errors = reading.by("imapwarden_upstream_errors_total", "reason", &label);
        let errors: Map<String, Value> =
            errors.into_iter().filter(|(_, n)| *n > 0.0).map(|(reason, n)| (reason, whole(n).into())).collect();
        json!({
            "name": name,
            "up": up.get(name).map(|up| *up > 0.0),
            "sessions": whole(reading.sum("imapwarden_upstream_sessions", &label)),
            "errors": errors,
            "response": reading.edges("imapwarden_upstream_response_seconds", &label),
        })
    };
    in_force.upstreams.iter().map(|name| row(name)).collect()
}

/// In how many seconds the first certificate ends.
fn certificate(reading: &Reading) -> Option<i64> {
    let ends = reading.by("imapwarden_tls_certificate_not_after_seconds", "name", &[]);
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    ends.into_values().reduce(f64::min).map(|end| (end - unix()).round() as i64)
}

fn refusal(refused: &Refused) -> Value {
    let at = jiff::Timestamp::try_from(refused.at).map(|at| format!("{at:.0}")).unwrap_or_default();
    let sid = refused.context.sid.as_deref().unwrap_or_default();
    json!({
        "at": at,
        "sid": sid,
        "ref": refused.cmd.map(|cmd| format!("{sid}-{cmd}")),
        "user": refused.context.user.as_deref(),
        "ip": refused.context.client_ip.map(|ip| ip.to_string()),
        "what": refused.what,
        "mailbox": refused.mailbox.as_ref().map(|mailbox| &*mailbox.name),
        "by": refused.by.iter().map(|rule| &**rule).collect::<Vec<_>>(),
    })
}

/// Nobody's name, address or mailbox is left.
fn mask(row: &mut Value) {
    static KEY: LazyLock<[u8; 16]> = LazyLock::new(|| {
        let mut key = [0; 16];
        getrandom::fill(&mut key).expect("the kernel gives random bytes");
        key
    });
    let name = |user: &str| {
        let digest = Sha256::new().chain_update(*KEY).chain_update(user).finalize();
        format!("u-{:02x}{:02x}", digest[0], digest[1])
    };
    let masked = row["user"].as_str().map(name);
    if let Value::Object(row) = row {
        for key in ["actor", "credential", "sid", "ref", "ip", "port", "mailbox", "client"] {
            row.remove(key);
        }
        row.insert("user".to_owned(), masked.into());
    }
}

fn whole(n: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, which are not negative")]
    let whole = n.max(0.0).round() as u64;
    whole
}

fn seconds(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Seconds since then; `None` where it never was.
fn age(then: f64) -> Option<u64> {
    (then > 0.0).then(|| whole(unix() - then))
}

fn unix() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
