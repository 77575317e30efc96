//! What stands in a scrape.

mod moves;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::rules::MAX_RULES;
use super::table::{self, Kind};
use super::{Metrics, RuleFacts, Settings};
use crate::imap::verb::Verb;
use crate::session::event::*;

/// What a monitoring system may rely on; it is written out here so that a change of the table is seen.
const NAMES: &str = "
    build_info connections_accepted_total connections_refused_total sessions sessions_limit sessions_closed_total
    tls_handshakes_total tls_certificate_not_after_seconds client_bytes_total upstream_bytes_total auth_attempts_total
    auth_duration_seconds commands_total command_duration_seconds overhead_seconds protocol_faults_total upstream_up
    upstream_sessions upstream_connect_seconds upstream_response_seconds upstream_errors_total policy_verdicts_total
    policy_rule_hits_total policy_alerts_total policy_decide_seconds policy_info policy_rules policy_reloads_total
    policy_last_reload_ok policy_last_reload_seconds hidden_messages_total hidden_mailboxes_total filter_failures_total
    messages_read_total message_bytes_total limit_hits_total audit_records_total audit_lost_total audit_failing
    audit_refused_total audit_queue audit_queue_limit audit_write_seconds audit_sync_seconds audit_last_write_seconds
    audit_last_checkpoint_seconds audit_disk_free_ratio draining session_duration_seconds users buffered_bytes buffer_limit_bytes locks
    policy_source_age_seconds";

const PROCESS_NAMES: &str = "
    process_cpu_seconds_total process_open_fds process_max_fds process_virtual_memory_bytes
    process_resident_memory_bytes process_start_time_seconds process_threads";

fn fresh() -> Arc<Metrics> {
    Metrics::new(Settings { version: "1.2.3", revision: "abcdef0" })
}

fn expected_names() -> BTreeSet<String> {
    let own = NAMES.split_whitespace().map(|name| format!("imapwarden_{name}"));
    own.chain(PROCESS_NAMES.split_whitespace().map(str::to_owned)).collect()
}

/// The samples of a scrape, by name and labels as they stand there.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series, value.parse().unwrap()))
        .collect()
}

fn rule(id: &str, effects: &[RuleEffect]) -> RuleFacts {
    RuleFacts { id: id.into(), mode: RuleMode::Enforce, effects: effects.to_vec(), alerts: false }
}

fn ctx() -> EventContext {
    EventContext { listener: Some("imaps".into()), upstream: Some("main".into()), ..EventContext::default() }
}

#[test]
fn every_name_stands_in_the_scrape_with_its_meaning_and_type_and_no_other() {
    for (name, metrics) in [("at the start", fresh()), ("in service", everything())] {
        let text = metrics.render();
        let said = |what: &str| -> BTreeSet<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(what));
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        assert_eq!(said("# HELP "), expected_names(), "{name}");
        assert_eq!(said("# TYPE "), expected_names(), "{name}");
        assert_eq!(text.matches("# HELP ").count(), expected_names().len(), "{name}: each once");
        assert_eq!(text.matches("# TYPE ").count(), expected_names().len(), "{name}: each once");
    }
}

#[test]
fn rows_follow_the_customs_of_prometheus() {
    for row in table::ALL {
        let suffix = |suffix| row.name.ends_with(suffix);
        assert_eq!(suffix("_total"), row.kind == Kind::Counter, "{}", row.name);
        assert!(!row.help.ends_with('.') && row.help.len() > 10 && !row.help.contains('\\'), "{}", row.name);
        if let Kind::Histogram(edges) = row.kind {
            assert!(suffix("_seconds"), "{}", row.name);
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{}", row.name);
        }
    }
}

#[test]
fn series_bear_the_labels_of_their_row() {
    let metrics = everything();
    let text = metrics.render();
    for row in table::ALL {
        for series in samples(&text).keys() {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            if name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count") != row.name {
                continue;
            }
            let names: BTreeSet<&str> =
                labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).filter(|n| *n != "le").collect();
            assert_eq!(names, row.labels.iter().copied().collect(), "{series}");
        }
    }
}

#[test]
fn a_reload_takes_away_what_is_gone_and_keeps_the_counts_of_what_stays() {
    let metrics = fresh();
    let hit = |metrics: &Metrics, rule: &str| {
        metrics.note(&ctx(), &Note::RuleHit { rule: rule.into(), effect: RuleEffect::Hide, mode: RuleMode::Enforce });
    };
    metrics.policy_loaded("aaaaaaaa", &[rule("stays", &[]), rule("goes", &[RuleEffect::Hide])]);
    metrics.certificates([("old", UNIX_EPOCH), ("kept", UNIX_EPOCH)]);
    let _ = (metrics.upstream("old"), metrics.upstream("kept"));
    hit(&metrics, "stays");
    hit(&metrics, "goes");

    let shadow = RuleFacts { mode: RuleMode::Shadow, ..rule("new", &[RuleEffect::DenyCommands]) };
    metrics.policy_loaded("bbbbbbbb", &[rule("stays", &[]), shadow]);
    metrics.certificates([("kept", UNIX_EPOCH)]);
    metrics.keep_upstreams(&["kept"]);
    metrics.reload(true);
    hit(&metrics, "stays");
    hit(&metrics, "goes");

    let text = metrics.render();
    let samples = samples(&text);
    let of = |series: &str| samples.get(&*format!("imapwarden_{series}")).copied();
    let rows = [
        (r#"policy_rule_hits_total{effect="hide",mode="enforce",rule="stays"}"#, Some(2.0)),
        (r#"policy_rule_hits_total{effect="hide",mode="enforce",rule="goes"}"#, None),
        (r#"policy_rule_hits_total{effect="hide",mode="enforce",rule="_other"}"#, Some(1.0)),
        (r#"policy_rule_hits_total{effect="deny_commands",mode="shadow",rule="new"}"#, Some(0.0)),
        (r#"policy_info{rev="aaaaaaaa"}"#, None),
        (r#"policy_info{rev="bbbbbbbb"}"#, Some(1.0)),
        (r#"policy_rules{mode="enforce"}"#, Some(1.0)),
        (r#"policy_rules{mode="shadow"}"#, Some(1.0)),
        (r#"policy_rules{mode="folded"}"#, Some(0.0)),
        (r#"policy_reloads_total{result="ok"}"#, Some(1.0)),
        ("policy_last_reload_ok", Some(1.0)),
        (r#"tls_certificate_not_after_seconds{name="old"}"#, None),
        (r#"tls_certificate_not_after_seconds{name="kept"}"#, Some(0.0)),
        (r#"upstream_sessions{upstream="old"}"#, None),
        (r#"upstream_sessions{upstream="kept"}"#, Some(0.0)),
    ];
    for (series, want) in rows {
        assert_eq!(of(series), want, "{series}");
    }
    assert!(!text.contains("\"old\""));
}

/// More rules than have a label, each with all effects that a rule can have at once, and everything counted once.
fn everything() -> Arc<Metrics> {
    let metrics = fresh();
    for listener in ["imaps", "imap"] {
        metrics.listener(listener).limit(100);
    }
    for upstream in ["main", "archive"] {
        metrics.upstream(upstream).up(true);
    }
    metrics.certificates([("tls/cert.pem", UNIX_EPOCH)]);
    let effects = [RuleEffect::Hide, RuleEffect::Rights, RuleEffect::DenyCommands];
    let rules: Vec<_> = (0..MAX_RULES + 100).map(|n| rule(&format!("rule-{n}"), &effects)).collect();
    metrics.policy_loaded("9b1d02c4", &rules);
    for rule in rules {
        let hit = Note::RuleHit { rule: rule.id, effect: RuleEffect::Hide, mode: RuleMode::Enforce };
        metrics.note(&ctx(), &hit);
    }
    for verb in Verb::ALL {
        let kind = verb.kind();
        for status in NoteStatus::ALL {
            let duration = Some(Duration::from_millis(3));
            let note = Note::CommandDone { verb: Some(*verb), kind, status: *status, duration, overhead: duration };
            metrics.note(&ctx(), &note);
        }
    }
    metrics
}

#[test]
fn five_hundred_rules_and_all_verbs_make_few_series_and_a_quick_scrape() {
    let metrics = everything();
    let text = metrics.render();
    let samples = samples(&text);
    assert!(samples.len() < 3000, "{} series", samples.len());
    let folded = r#"imapwarden_policy_rule_hits_total{effect="hide",mode="enforce",rule="_other"}"#;
    assert_eq!(samples[folded], 100.0);
    assert_eq!(samples[r#"imapwarden_policy_rules{mode="folded"}"#], 100.0);
    assert!(!text.contains(r#"rule="rule-500""#) && text.contains(r#"rule="rule-499""#));

    let scrape = |_| {
        let begin = Instant::now();
        assert!(!metrics.render().is_empty());
        begin.elapsed()
    };
    // The fastest of some: what else the machine does is not what is measured.
    let fastest = (0..10).map(scrape).min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn nothing_that_a_peer_says_becomes_a_label() {
    let canary: Arc<str> = "canary@example.org".into();
    let ctx = EventContext {
        sid: Some(Arc::clone(&canary)),
        user: Some(Arc::clone(&canary)),
        actor: Some(Arc::clone(&canary)),
        credential: Some(Arc::clone(&canary)),
        client_ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99))),
        listener: Some(Arc::clone(&canary)),
        upstream: Some(Arc::clone(&canary)),
    };
    let metrics = everything();
    metrics.note(&ctx, &Note::SessionState { from: None, to: Some(SessionPhase::Preauth) });
    metrics.note(&ctx, &Note::UpstreamResponse { after: Duration::ZERO });
    metrics.note(&ctx, &Note::UpstreamFailed { reason: UpstreamError::Bye });
    let (effect, mode) = (RuleEffect::Hide, RuleMode::Enforce);
    metrics.note(&ctx, &Note::RuleHit { rule: Arc::clone(&canary), effect, mode });
    let refused = EventKind::SessionRefused { reason: RefusedReason::Tls };
    let down = EventKind::UpstreamState { upstream: canary, server: None, up: false, reason: None };
    for kind in [refused, down] {
        metrics.event(&Event::new(Arc::new(ctx.clone()), kind));
    }
    let text = metrics.render();
    assert!(!text.contains("canary") && !text.contains("192.0.2.99"));
}

#[test]
fn the_process_is_told() {
    let metrics = fresh();
    let text = metrics.render();
    let samples = samples(&text);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let start = samples["process_start_time_seconds"];
    assert!(now - start >= -1.0 && now - start < 86_400.0, "{start}");
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    assert!(samples["process_virtual_memory_bytes"] >= samples["process_resident_memory_bytes"]);
    assert!(samples["process_open_fds"] >= 3.0 && samples["process_open_fds"] <= samples["process_max_fds"]);
    assert!(samples["process_threads"] >= 1.0);
    assert!(samples["process_cpu_seconds_total"] >= 0.0);
}

#[test]
fn a_name_of_the_configuration_is_escaped() {
    let metrics = fresh();
    metrics.listener("a\"b\\c\nd").accepted();
    assert!(metrics.render().contains(r#"imapwarden_connections_accepted_total{listener="a\"b\\c\nd"} 1"#));
}
