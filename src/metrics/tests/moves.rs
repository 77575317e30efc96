//! What moves which series, and by how much.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::table::{self, Kind};
use super::super::{Metrics, TlsVersion};
use super::{ctx, fresh, rule, samples};
use crate::imap::message::ReadClass;
use crate::imap::verb::{CommandKind, Verb};
use crate::session::event::*;

/// A name, what is told, and the series that it moves.
type Row<T> = (&'static str, T, &'static [(&'static str, f64)]);

/// The samples that `act` moves, the process's own aside.
fn moved_by(metrics: &Metrics, act: impl FnOnce(&Metrics)) -> BTreeMap<String, f64> {
    let before = metrics.render();
    act(metrics);
    let after = metrics.render();
    let before = samples(&before);
    samples(&after)
        .into_iter()
        .filter(|(series, _)| !series.starts_with("process_"))
        .map(|(series, value)| (series, value - before.get(series).unwrap_or(&0.0)))
        .filter(|(_, change)| *change != 0.0)
        .map(|(series, change)| (series.replacen("imapwarden_", "", 1), change))
        .collect()
}

fn served() -> Arc<Metrics> {
    let metrics = fresh();
    let (_, _) = (metrics.listener("imaps"), metrics.upstream("main"));
    metrics.policy_loaded("9b1d02c4", &[rule("no-finance", &[RuleEffect::Hide, RuleEffect::Rights])]);
    metrics
}

#[test]
fn notes_move_counters() {
    let ms = Duration::from_millis;
    let done = |verb, status, duration, overhead| Note::CommandDone {
        verb,
        kind: CommandKind::Search,
        status,
        duration,
        overhead,
    };
    let rows: [Row<Note>; 14] = [
        (
            "a command with all its times",
            done(Some(Verb::UidSearch), NoteStatus::Ok, Some(ms(500)), Some(Duration::from_micros(62500))),
            &[
                (r#"commands_total{status="OK",verb="UID SEARCH"}"#, 1.0),
                (r#"command_duration_seconds_count{kind="search"}"#, 1.0),
                (r#"command_duration_seconds_sum{kind="search"}"#, 0.5),
                (r#"overhead_seconds_count{kind="search"}"#, 1.0),
                (r#"overhead_seconds_sum{kind="search"}"#, 0.0625),
            ],
        ),
        (
            "one without",
            done(Some(Verb::Idle), NoteStatus::Cut, None, None),
            &[(r#"commands_total{status="CUT",verb="IDLE"}"#, 1.0)],
        ),
        (
            "what is no command",
            done(None, NoteStatus::Bad, None, None),
            &[(r#"commands_total{status="BAD",verb="OTHER"}"#, 1.0)],
        ),
        (
            "a session begins",
            Note::SessionState { from: None, to: Some(SessionPhase::Preauth) },
            &[(r#"sessions{listener="imaps",state="preauth"}"#, 1.0)],
        ),
        (
            "a session moves on",
            Note::SessionState { from: Some(SessionPhase::Selected), to: Some(SessionPhase::Idle) },
            &[
                (r#"sessions{listener="imaps",state="selected"}"#, -1.0),
                (r#"sessions{listener="imaps",state="idle"}"#, 1.0),
            ],
        ),
        (
            "a session ends",
            Note::SessionState { from: Some(SessionPhase::Draining), to: None },
            &[(r#"sessions{listener="imaps",state="draining"}"#, -1.0)],
        ),
        (
            "a verdict",
            Note::Decided { verdict: VerdictKind::Hidden, took: Some(Duration::from_nanos(1_000_000_000)) },
            &[
                (r#"policy_verdicts_total{verdict="hidden"}"#, 1.0),
                ("policy_decide_seconds_count", 1.0),
                ("policy_decide_seconds_sum", 1.0),
            ],
        ),
        (
            "a verdict that nobody timed",
            Note::Decided { verdict: VerdictKind::Allowed, took: None },
            &[(r#"policy_verdicts_total{verdict="allowed"}"#, 1.0)],
        ),
        (
            "a rule",
            Note::RuleHit { rule: "no-finance".into(), effect: RuleEffect::Rights, mode: RuleMode::Enforce },
            &[(r#"policy_rule_hits_total{effect="rights",mode="enforce",rule="no-finance"}"#, 1.0)],
        ),
        (
            "a rule of an earlier revision",
            Note::RuleHit { rule: "gone".into(), effect: RuleEffect::Hide, mode: RuleMode::Shadow },
            &[(r#"policy_rule_hits_total{effect="hide",mode="shadow",rule="_other"}"#, 1.0)],
        ),
        (
            "a login",
            Note::LoginDone { mech: Mechanism::ScramSha256, result: LoginResult::Success, duration: ms(250) },
            &[
                (r#"auth_attempts_total{listener="imaps",mechanism="SCRAM-SHA-256",result="success"}"#, 1.0),
                (r#"auth_duration_seconds_count{listener="imaps"}"#, 1.0),
                (r#"auth_duration_seconds_sum{listener="imaps"}"#, 0.25),
            ],
        ),
        (
            "the upstream answers",
            Note::UpstreamResponse { after: ms(125) },
            &[
                (r#"upstream_response_seconds_count{upstream="main"}"#, 1.0),
                (r#"upstream_response_seconds_sum{upstream="main"}"#, 0.125),
            ],
        ),
        (
            "messages read",
            Note::Read { class: ReadClass::Full, messages: 3, bytes: 900 },
            &[(r#"messages_read_total{class="full"}"#, 3.0), (r#"message_bytes_total{class="full"}"#, 900.0)],
        ),
        (
            "things hidden",
            Note::Hidden { messages: 2, mailboxes: 5 },
            &[("hidden_messages_total", 2.0), ("hidden_mailboxes_total", 5.0)],
        ),
    ];
    for (name, note, want) in rows {
        let metrics = served();
        let moved = moved_by(&metrics, |metrics| metrics.note(&ctx(), &note));
        check(name, moved, want);
    }
    let moved = moved_by(&served(), |metrics| {
        metrics.note(&ctx(), &Note::UpstreamFailed { reason: UpstreamError::Timeout });
        metrics.note(&ctx(), &Note::RefusedForAudit);
    });
    check(
        "errors",
        moved,
        &[(r#"upstream_errors_total{reason="timeout",upstream="main"}"#, 1.0), ("audit_refused_total", 1.0)],
    );
}

/// Buckets follow from count and sum and are looked at in a test of their own.
fn check(name: &str, mut moved: BTreeMap<String, f64>, want: &[(&str, f64)]) {
    moved.retain(|series, _| !series.contains("_bucket{"));
    let want: BTreeMap<String, f64> = want.iter().map(|(series, change)| ((*series).to_owned(), *change)).collect();
    assert_eq!(moved, want, "{name}");
}

#[test]
fn events_move_counters() {
    let limit = |limit| EventKind::LimitHit {
        limit,
        kind: LimitKind::Line,
        per: LimitPer::Session,
        used: 1,
        max: 1,
        window_s: None,
        action: LimitAction::Close,
    };
    let close = EventKind::SessionClose {
        reason: CloseReason::UpstreamBye,
        by: ClosedBy::Upstream,
        dur_ms: 1,
        commands: 1,
        bytes_in: 5,
        bytes_out: 6,
        reads: ReadCounts::default(),
    };
    let state = |up| EventKind::UpstreamState { upstream: "main".into(), server: None, up, reason: None };
    let refused = EventKind::SessionRefused { reason: RefusedReason::TooManyFromAddress };
    let fault = EventKind::ProtocolFault { side: Side::Upstream, reason: FaultReason::UnknownItem, at: Some(7) };
    let filter = EventKind::FilterFailure { response: FilteredResponse::List, action: FilterAction::Closed };
    let rows: [Row<EventKind>; 10] = [
        (
            "a connection turned away",
            refused,
            &[(r#"connections_refused_total{listener="imaps",reason="too_many_from_address"}"#, 1.0)],
        ),
        (
            "the end of a session",
            close,
            &[
                (r#"sessions_closed_total{listener="imaps",reason="upstream_bye"}"#, 1.0),
                (r#"session_duration_seconds_count{listener="imaps"}"#, 1.0),
                (r#"session_duration_seconds_sum{listener="imaps"}"#, 0.001),
            ],
        ),
        ("an upstream that is up", state(true), &[(r#"upstream_up{upstream="main"}"#, 1.0)]),
        ("an upstream that is down", state(false), &[]),
        (
            "a key's limit",
            limit(LimitName::Key("max_line")),
            &[(r#"limit_hits_total{action="close",limit="max_line"}"#, 1.0)],
        ),
        (
            "a rule's limit",
            limit(LimitName::Rule("no-finance".into())),
            &[(r#"limit_hits_total{action="close",limit="no-finance"}"#, 1.0)],
        ),
        (
            "an unknown rule's limit",
            limit(LimitName::Rule("gone".into())),
            &[(r#"limit_hits_total{action="close",limit="_other"}"#, 1.0)],
        ),
        ("a fault", fault, &[(r#"protocol_faults_total{reason="unknown_item",side="upstream"}"#, 1.0)]),
        ("a failure to filter", filter, &[(r#"filter_failures_total{reason="list"}"#, 1.0)]),
        (
            "what has a note",
            EventKind::AuthFailure { mech: Mechanism::Plain, reason: AuthFailureReason::Credentials },
            &[],
        ),
    ];
    for (name, kind, want) in rows {
        let event = Event::new(Arc::new(ctx()), kind);
        let moved = moved_by(&served(), |metrics| metrics.event(&event));
        check(name, moved, want);
    }
}

#[test]
fn net_log_and_reloads_move_counters() {
    let second = Duration::from_secs(1);
    let rows: [Row<fn(&Metrics)>; 14] = [
        ("accepted", |m| m.listener("imaps").accepted(), &[(r#"connections_accepted_total{listener="imaps"}"#, 1.0)]),
        ("limit", |m| m.listener("imaps").limit(20_000), &[(r#"sessions_limit{listener="imaps"}"#, 20_000.0)]),
        (
            "unrecorded refusal",
            |m| m.listener("imaps").refused(RefusedReason::Audit),
            &[(r#"connections_refused_total{listener="imaps",reason="audit"}"#, 1.0)],
        ),
        (
            "handshake",
            |m| m.listener("imaps").tls_handshake(Some(TlsVersion::Tls13), true),
            &[(r#"tls_handshakes_total{listener="imaps",result="ok",version="TLSv1.3"}"#, 1.0)],
        ),
        (
            "no handshake",
            |m| m.listener("imaps").tls_handshake(None, false),
            &[(r#"tls_handshakes_total{listener="imaps",result="failed",version="none"}"#, 1.0)],
        ),
        (
            "octets",
            |m| {
                m.listener("imaps").received(1);
                m.listener("imaps").sent(2);
                m.upstream("main").received(3);
                m.upstream("main").sent(4);
            },
            &[
                (r#"client_bytes_total{direction="in",listener="imaps"}"#, 1.0),
                (r#"client_bytes_total{direction="out",listener="imaps"}"#, 2.0),
                (r#"upstream_bytes_total{direction="in",upstream="main"}"#, 3.0),
                (r#"upstream_bytes_total{direction="out",upstream="main"}"#, 4.0),
            ],
        ),
        (
            "connected",
            |m| {
                m.upstream("main").connected(Duration::from_millis(500));
                m.upstream("main").opened();
                m.upstream("main").opened();
                m.upstream("main").closed();
            },
            &[
                (r#"upstream_connect_seconds_count{upstream="main"}"#, 1.0),
                (r#"upstream_connect_seconds_sum{upstream="main"}"#, 0.5),
                (r#"upstream_up{upstream="main"}"#, 1.0),
                (r#"upstream_sessions{upstream="main"}"#, 1.0),
            ],
        ),
        (
            "certificate",
            |m| m.certificates([("tls/cert.pem", UNIX_EPOCH + Duration::from_secs(77))]),
            &[(r#"tls_certificate_not_after_seconds{name="tls/cert.pem"}"#, 77.0)],
        ),
        (
            "failed reload",
            |m| m.reload(false),
            &[(r#"policy_reloads_total{result="failed"}"#, 1.0), ("policy_last_reload_ok", -1.0)],
        ),
        ("draining", |m| m.draining(true), &[("draining", 1.0)]),
        ("record", |m| m.recorded("MS"), &[(r#"audit_records_total{area="MS"}"#, 1.0)]),
        ("lost", |m| m.lost(GapReason::DiskFull, 12), &[(r#"audit_lost_total{reason="disk_full"}"#, 12.0)]),
        ("failing", |m| m.failing(true), &[("audit_failing", 1.0)]),
        (
            "disk and queue",
            |m| {
                m.disk_free(0.25);
                m.watch_audit_queue(4096, || 17);
            },
            &[("audit_disk_free_ratio", 0.25), ("audit_queue", 17.0), ("audit_queue_limit", 4096.0)],
        ),
    ];
    for (name, act, want) in rows {
        check(name, moved_by(&served(), act), want);
    }
    let metrics = served();
    let moved = moved_by(&metrics, |metrics| {
        metrics.wrote(second);
        metrics.synced(second * 2);
    });
    assert_eq!(moved.get("audit_write_seconds_sum"), Some(&1.0));
    assert_eq!(moved.get("audit_sync_seconds_sum"), Some(&2.0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - moved["audit_last_write_seconds"]).abs() < 60.0);
}

#[test]
fn observations_fall_into_the_buckets_of_the_table() {
    let metrics = served();
    let overhead = Some(Duration::from_millis(5));
    let kind = CommandKind::Meta;
    metrics.note(&ctx(), &Note::CommandDone { verb: None, kind, status: NoteStatus::Ok, duration: None, overhead });
    let text = metrics.render();
    let Kind::Histogram(edges) = table::OVERHEAD_SECONDS.kind else { unreachable!() };
    for edge in edges {
        let series = format!(r#"imapwarden_overhead_seconds_bucket{{kind="meta",le="{edge}"}}"#);
        assert_eq!(samples(&text)[&*series], if *edge < 0.005 { 0.0 } else { 1.0 }, "{series}");
    }
}
