//! Alerts: each is told how to be answered, fires when it should, and is silent when it should be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::real::place::{Place, output, succeed, tool};

const RULES: &str = include_str!("../../../deploy/prometheus/imapwarden.rules.yml");
const TESTS: [&str; 2] = ["imapwarden.rules.test.yml", "imapwarden.long.test.yml"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)).map(|value| value.trim().trim_matches('"')).collect()
}

/// Rules and their tests, in a folder where they may be changed.
fn copied() -> Place {
    let place = Place::new();
    for name in ["imapwarden.rules.yml", "prometheus.yml"].iter().chain(&TESTS) {
        place.write(name, fs::read(folder().join(name)).expect("it is shipped"));
    }
    place
}

#[test]
fn each_alert_says_what_it_means_and_what_to_do() {
    let alerts = values(RULES, "alert:");
    assert!(alerts.len() > 20, "{alerts:?}");
    for key in ["severity:", "summary:", "description:", "dashboard_url:", "runbook_url:"] {
        assert_eq!(values(RULES, key).len(), alerts.len(), "{key}");
    }
    for severity in values(RULES, "severity:") {
        assert!(["page", "ticket", "none"].contains(&severity), "{severity}");
    }
    for dashboard in values(RULES, "dashboard_url:") {
        let shipped = ["imapwarden-service", "imapwarden-policy"].map(|uid| format!("/d/{uid}"));
        assert!(shipped.contains(&dashboard.to_owned()), "{dashboard}");
    }
    for (alert, page) in alerts.iter().zip(values(RULES, "runbook_url:")) {
        assert_eq!(page, format!("docs/runbooks/{alert}.md"));
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect(page);
        let headings: Vec<&str> =
            text.lines().filter(|line| line.starts_with("# ") || line.starts_with("## ")).collect();
        // A comment in a block of commands is no heading.
        let headings: Vec<&str> = headings.into_iter().filter(|line| !line.starts_with("# not run")).collect();
        let title = format!("# {alert}");
        assert_eq!(headings, [&*title, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"], "{page}");
    }
}

#[test]
fn no_runbook_is_about_an_alert_that_is_gone() {
    let alerts = values(RULES, "alert:");
    for page in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks")).expect("runbooks") {
        let page = page.expect("an entry").path();
        let name = page.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(alerts.contains(&&*name), "{name}");
    }
}

#[test]
fn each_alert_fires_in_one_test_and_is_silent_in_another() {
    let tests: String = TESTS.iter().map(|name| fs::read_to_string(folder().join(name)).expect("tests")).collect();
    for alert in values(RULES, "alert:") {
        let checks: Vec<&str> = tests.split("alertname: ").filter(|check| check.starts_with(alert)).collect();
        let (silent, firing): (Vec<&str>, Vec<&str>) = checks
            .into_iter()
            .partition(|check| check.lines().next().is_some_and(|line| line.contains("exp_alerts: [] }")));
        assert!(!firing.is_empty(), "{alert} never fires");
        assert!(!silent.is_empty() || alert == "ImapwardenWatchdog", "{alert} is never silent");
    }
    let place = copied();
    succeed(tool("promtool").args(["check", "rules", "imapwarden.rules.yml"]).current_dir(place.path("")));
    succeed(tool("promtool").args(["check", "config", "prometheus.yml"]).current_dir(place.path("")));
    succeed(tool("promtool").args(["test", "rules"]).args(TESTS).current_dir(place.path("")));
}

#[test]
fn rules_that_are_broken_are_found() {
    let place = copied();
    for (name, from, to, test) in [
        ("a threshold", "imapwarden_audit_failing == 1", "imapwarden_audit_failing == 2", true),
        ("a time", "for: 1m\n", "for: 0s\n", true),
        ("what it is about", "imapwarden_upstream_up == 0\n", "imapwarden_upstream_up == 1\n", true),
        ("its words", "cannot write its audit log", "cannot write", true),
        ("its syntax", "imapwarden_audit_failing == 1", "imapwarden_audit_failing == ", false),
    ] {
        assert!(RULES.contains(from), "{name}: {from}");
        place.write("imapwarden.rules.yml", RULES.replacen(from, to, 1));
        let arguments = if test { ["test", "rules", TESTS[0]] } else { ["check", "rules", "imapwarden.rules.yml"] };
        let done = output(tool("promtool").args(arguments).current_dir(place.path("")));
        assert!(matches!(done.status.code(), Some(1..=3)), "{name}: {done:?}");
    }
}
