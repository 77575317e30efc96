//! `simulate` says of a log what really comes out: the same commands are run without rules and with them.

use std::path::Path;

use serde_json::Value;

use super::dovecot::Dovecot;
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const RULES: &str = r#"
[[rule]]
id = "archive-read-only"
mailbox = ["Archive/**"]
rights = "read-only"

[[rule]]
id = "no-projects"
mailbox = ["Projects/**"]
hide = true

[[rule]]
id = "no-subscriptions"
deny_commands = ["SUBSCRIBE"]
"#;

/// Commands that leave the mailboxes as they are, whether they are allowed or not.
const COMMANDS: [&str; 14] = [
    "SELECT INBOX",
    "UID FETCH 1:3 (FLAGS BODY.PEEK[])",
    "STORE 1 +FLAGS (\\Flagged)",
    "COPY 1 Archive",
    "SUBSCRIBE INBOX",
    "STATUS Projects/Apollo (MESSAGES)",
    "STATUS Archive (MESSAGES)",
    "CREATE Archive/New",
    "CREATE Projects/New",
    "SELECT Projects/Apollo",
    "SELECT Archive",
    "STORE 1 +FLAGS (\\Flagged)",
    "UID STORE 1 -FLAGS (\\Flagged \\Seen)",
    "UID SEARCH BODY canary",
];

/// Runs all of them; the records.
fn run(dovecot: &Dovecot, rules: &str) -> (Proxy, Vec<Value>) {
    let mut proxy = Settings::before(dovecot).rules(rules).start();
    let mut ann = proxy.login("ann");
    for command in COMMANDS {
        ann.run(command);
    }
    ann.logout();
    let records = proxy.stop();
    (proxy, records)
}

fn simulate(config: &Path, audit: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let mut simulate = tool(PROGRAM);
    simulate.args(["simulate", "--json", "--config"]).arg(config).arg("--audit").arg(audit).args(more);
    let done = output(&mut simulate);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    (done.status.code(), value)
}

/// How many commands came out like that.
fn came(records: &[Value], verdict: &str) -> u64 {
    let ends = records.iter().filter(|record| record["stage"] == "done" || record["stage"] == "refused");
    ends.filter(|record| record["policy"]["verdict"] == verdict).count() as u64
}

#[test]
fn what_rules_would_do_is_what_they_do() {
    let [free, ruled] = [Dovecot::start(&["ann"]), Dovecot::start(&["ann"])];
    let (before, _) = run(&free, "");
    let (after, records) = run(&ruled, RULES);
    let place = |proxy: &Proxy| (proxy.place().path("imapwarden.toml"), proxy.place().path("audit"));
    let ((no_rules, free_log), (rules, ruled_log)) = (place(&before), place(&after));

    let (status, told) = simulate(&rules, &free_log, &["--fail-on", "refuse,hide"]);
    let counts = &told["counts"];
    for (change, verdict) in [("refuse", "refused"), ("hide", "hidden"), ("narrow", "narrowed")] {
        assert_eq!(counts[change], came(&records, verdict), "{change}: {told:#}\n{records:#?}");
    }
    let some = ["refuse", "hide", "narrow"].iter().all(|change| counts[change].as_u64() > Some(0));
    assert!(some && counts["undecidable"] == 0 && counts["allow"] == 0, "{told:#}");
    assert_eq!(status, Some(1), "{told:#}");

    let (status, told) = simulate(&rules, &ruled_log, &["--fail-on", "change,undecidable"]);
    assert_eq!((status, told["counts"]["same"].as_u64() > Some(10)), (Some(0), true), "the same rules: {told:#}");

    let (status, told) = simulate(&no_rules, &ruled_log, &["--fail-on", "refuse,hide"]);
    let taken = ["refused", "hidden", "narrowed"].map(|verdict| came(&records, verdict)).iter().sum::<u64>();
    assert_eq!((status, &told["counts"]["allow"]), (Some(0), &taken.into()), "no rules: {told:#}");
    let rules: Vec<&str> =
        told["by_rule"].as_array().expect("rows").iter().filter_map(|row| row["rule"].as_str()).collect();
    assert_eq!(rules, ["archive-read-only", "no-projects", "no-subscriptions"], "{told:#}");
}
