//! Budgets that sessions share, and that outlive them.
//!
//! ```text
//!   session 1  NOOP NOOP ─┐
//!   session 2       NOOP ─┴─▶ 3 of 3 commands of Ann's are used: NO [LIMIT], for her and for nobody else
//! ```

use std::sync::Arc;
use std::time::Duration;

use imapwarden::policy::RuleSet;

use crate::driver::{Driver, Setting, rules};

const CAPABILITIES: &str = "IMAP4rev1 IDLE APPENDLIMIT=35651584";
const HOME: [u8; 4] = [203, 0, 113, 5];
const AWAY: [u8; 4] = [198, 51, 100, 7];

fn limit(limit: &str) -> Arc<RuleSet> {
    rules(&format!("[[rule]]\nid = \"r1\"\nlimit = {{ {limit} }}\n"), None)
}

fn driver(rules: &Arc<RuleSet>) -> Driver {
    Driver::new(Setting { rules: Arc::clone(rules), ..Setting::default() })
}

/// The tagged answer to NOOP, without its tag and reference.
fn noop(driver: &mut Driver) -> String {
    driver.client.clear();
    driver.upstream.clear();
    driver.client_says(b"n NOOP\r\n");
    if !driver.upstream.is_empty() {
        let tag = driver.own_tag();
        driver.upstream_says(format!("{tag} OK done\r\n").as_bytes());
    }
    heard(driver, "n ")
}

fn heard(driver: &mut Driver, tag: &str) -> String {
    let text = String::from_utf8_lossy(&std::mem::take(&mut driver.client)).into_owned();
    let answer =
        text.lines().find_map(|line| line.strip_prefix(tag)).unwrap_or_else(|| panic!("no answer in {text:?}"));
    answer.split(" (ref").next().unwrap_or_default().to_owned()
}

/// Tries to log in; the upstream says yes. What the client is told.
fn log_in(driver: &mut Driver, user: &str) -> String {
    driver.client.clear();
    driver.upstream.clear();
    driver.client_says(format!("l LOGIN {user} secret\r\n").as_bytes());
    driver.upstream_says(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n").as_bytes());
    let tag = driver.own_tag();
    driver.upstream_says(format!("{tag} OK [CAPABILITY {CAPABILITIES}] logged in\r\n").as_bytes());
    heard(driver, "l ")
}

#[test]
fn budgets_are_of_users_addresses_or_sessions() {
    // Whether the second session is let through, once the first has used everything up.
    let rows = [
        ("the same user", "user", "ann@example.org", AWAY, false),
        ("however it is written", "user", " Ann+phone@Example.ORG ", AWAY, false),
        ("another user", "user", "bob@example.org", HOME, true),
        ("the same address", "client_ip", "bob@example.org", HOME, false),
        ("another address", "client_ip", "ann@example.org", AWAY, true),
        ("another session", "session", "ann@example.org", HOME, true),
    ];
    for (name, per, user, address, passes) in rows {
        let rules = limit(&format!("commands = \"2/hour\", per = \"{per}\""));
        let mut first = driver(&rules);
        first.log_in("ann@example.org", CAPABILITIES);
        assert_eq!([noop(&mut first), noop(&mut first)], ["OK done", "OK done"], "{name}");
        assert_eq!(noop(&mut first), "NO [LIMIT] limit reached", "{name}");
        let mut second = first.another("000000000002", address);
        assert!(log_in(&mut second, &format!("\"{user}\"")).starts_with("OK"), "{name}");
        let want = if passes { "OK done" } else { "NO [LIMIT] limit reached" };
        assert_eq!(noop(&mut second), want, "{name}");
    }
}

#[test]
fn budgets_survive_reconnects_and_reloads() {
    let rules = limit("commands = \"2/hour\"");
    let mut first = driver(&rules);
    first.log_in("ann@example.org", CAPABILITIES);
    assert_eq!([noop(&mut first), noop(&mut first)], ["OK done", "OK done"]);
    first.session.handle_client_lost(first.now);
    let mut second = first.another("000000000002", HOME);
    second.log_in("ann@example.org", CAPABILITIES);
    assert_eq!(noop(&mut second), "NO [LIMIT] limit reached");
    second.reload(Arc::clone(&rules));
    assert_eq!(noop(&mut second), "NO [LIMIT] limit reached");
    second.wait(Duration::from_secs(1200));
    assert_eq!(noop(&mut second), "NO [LIMIT] limit reached", "a third of an hour is not yet one of two");
    second.wait(Duration::from_secs(601));
    assert_eq!(noop(&mut second), "OK done");
    second.reload(limit("commands = \"3/hour\""));
    let answers = [noop(&mut second), noop(&mut second), noop(&mut second), noop(&mut second)];
    assert_eq!(answers.map(|answer| answer == "OK done"), [true, true, true, false], "another quota, another budget");
}

#[test]
fn no_more_sessions_than_that() {
    let rules = limit("sessions = 2");
    let mut first = driver(&rules);
    assert!(log_in(&mut first, "ann@example.org").starts_with("OK"));
    let mut second = first.another("000000000002", AWAY);
    assert!(log_in(&mut second, "ann@example.org").starts_with("OK"));

    let mut third = first.another("000000000003", AWAY);
    assert_eq!(log_in(&mut third, "ann@example.org"), "NO [LIMIT] limit reached");
    assert!(third.upstream_closed && !third.closed, "the client may try again");
    let records = third.records.join("\n");
    for want in [
        "\"type\":\"limit.hit\"",
        "\"kind\":\"sessions\",\"per\":\"user\",\"used\":2,\"max\":2,\"action\":\"refuse\"",
        "\"type\":\"auth.refused\"",
        "\"verdict\":\"limited\",\"by\":[\"r1\"]",
    ] {
        assert!(records.contains(want), "{want} in\n{records}");
    }
    assert!(!records.contains("auth.success"), "{records}");

    let mut other = first.another("000000000004", AWAY);
    assert!(log_in(&mut other, "bob@example.org").starts_with("OK"));

    second.client_says(b"o LOGOUT\r\n");
    assert!(second.closed);
    third.upstream_closed = false;
    assert!(log_in(&mut third, "ann@example.org").starts_with("OK"), "there is room again");
    drop(first);
    let mut fifth = third.another("000000000005", AWAY);
    assert!(log_in(&mut fifth, "ann@example.org").starts_with("OK"), "a session that is gone does not count");
}

#[test]
fn a_login_that_fails_takes_no_place() {
    let rules = limit("sessions = 1");
    let mut first = driver(&rules);
    first.client_says(b"l LOGIN ann@example.org wrong\r\n");
    first.upstream_says(b"* OK ready\r\n");
    let tag = first.own_tag();
    first.upstream_says(format!("{tag} NO wrong\r\n").as_bytes());
    let mut second = first.another("000000000002", HOME);
    assert!(log_in(&mut second, "ann@example.org").starts_with("OK"));
    assert_eq!(log_in(&mut first, "ann@example.org"), "NO [LIMIT] limit reached");
}

#[test]
fn sessions_count_from_the_reload_that_limits_them() {
    let none = Arc::new(RuleSet::empty());
    let (mut first, rules) = (driver(&none), limit("sessions = 1"));
    first.log_in("ann@example.org", CAPABILITIES);
    first.reload(Arc::clone(&rules));
    assert_eq!(noop(&mut first), "OK done", "who is there stays");
    let mut second = first.another("000000000002", HOME);
    assert_eq!(log_in(&mut second, "ann@example.org"), "NO [LIMIT] limit reached");
    first.reload(Arc::clone(&none));
    first.reload(rules);
    drop(first);
    assert!(log_in(&mut second, "ann@example.org").starts_with("OK"));
}

#[test]
fn in_shadow_nothing_is_refused() {
    let text = "[[rule]]\nid = \"r1\"\nmode = \"shadow\"\nlimit = { sessions = 1, commands = \"1/hour\" }\n";
    let rules = rules(text, None);
    let mut first = driver(&rules);
    assert!(log_in(&mut first, "ann@example.org").starts_with("OK"));
    let mut second = first.another("000000000002", HOME);
    assert!(log_in(&mut second, "ann@example.org").starts_with("OK"));
    let records = second.records.join("\n");
    assert!(records.contains("\"shadow\":[\"r1\"]") && !records.contains("limit.hit"), "{records}");
    assert_eq!([noop(&mut second), noop(&mut second)], ["OK done", "OK done"]);
}

#[test]
fn the_size_that_may_be_appended_is_told() {
    for (size, told) in [("1 MiB", "APPENDLIMIT=1048576]"), ("1 GiB", "APPENDLIMIT=35651584]")] {
        let mut driver = driver(&limit(&format!("message_size = \"{size}\"")));
        let answer = log_in(&mut driver, "ann@example.org");
        assert!(answer.contains(told), "{answer}");
    }
}
