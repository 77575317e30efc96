//! What is shipped beside the program fits it.

mod package;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use imapwarden::metrics::table;

const RULES: &str = include_str!("../../deploy/prometheus/imapwarden.rules.yml");
const RULE_TESTS: &str = include_str!("../../deploy/prometheus/imapwarden.rules.test.yml");

fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    text.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn each_alert_has_its_tests_and_its_runbook() {
    let alerts = values(RULES, "alert:");
    assert_eq!(alerts, ["ImapwardenFilterFailure", "ImapwardenAuditFailing", "ImapwardenAuditCheckpointStale"]);
    for key in ["severity:", "summary:", "description:", "runbook_url:"] {
        assert_eq!(values(RULES, key).len(), alerts.len(), "{key}");
    }
    for (alert, page) in alerts.iter().zip(values(RULES, "runbook_url:")) {
        assert_eq!(page, format!("docs/runbooks/{alert}.md"));
        assert!(RULE_TESTS.contains(&format!("alertname: {alert}")), "{alert} is not tested");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect(page);
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {alert}");
        assert_eq!(headings, [&*title, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"], "{page}");
    }
}

#[test]
fn each_metric_that_is_named_is_there() {
    let known: BTreeSet<&str> = table::ALL.iter().map(|row| row.name).collect();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for text in [RULES, RULE_TESTS] {
        let words: Vec<&str> = text.split(|c| !is_name(c)).filter(|word| word.starts_with("imapwarden_")).collect();
        assert!(!words.is_empty());
        for word in words {
            assert!(known.contains(word), "{word}");
        }
    }
}

#[test]
fn a_service_is_given_the_time_to_drain() {
    let unit = include_str!("../../deploy/systemd/imapwarden.service");
    let stop: u64 = values(unit, "TimeoutStopSec=").concat().parse().expect("seconds");
    // `drain_delay` and `drain_window` at their defaults.
    assert!(stop > 10 + 120);
}
