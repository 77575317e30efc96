//! Every type of record there is occurs, and each line is as the schema describes it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::Client;
use super::dovecot::{Dovecot, Names, password};
use super::place::Signal;
use super::proxy::Settings;

const SCHEMA: &str = include_str!("../../../schema/audit-v1.schema.json");

/// Types that no server and client provoke at will, and the test that does: file and name.
const ELSEWHERE: [(&str, &str, &str); 11] = [
    ("audit.key", include_str!("signed.rs"), "a_log_with_a_key_is_signed_and_verified"),
    ("audit.checkpoint", include_str!("signed.rs"), "a_log_with_a_key_is_signed_and_verified"),
    ("policy.alert", include_str!("recorded_too.rs"), "whoever_runs_into_a_rule_that_alerts_is_told_of_once"),
    ("policy.expire", include_str!("recorded_too.rs"), "the_end_of_a_rule_and_of_an_exception_is_recorded"),
    ("audit.access", include_str!("recorded_too.rs"), "whoever_reads_the_log_stands_in_it"),
    ("session.kill", include_str!("sessions.rs"), "a_kill_ends_a_session_in_idle_at_once_and_is_recorded"),
    ("lock.change", include_str!("locks.rs"), "an_address_is_kept_out_and_a_lock_ends_by_itself"),
    ("audit.gap", include_str!("../../../src/audit/tests/failing.rs"), "what_is_lost_is_counted_and_named_first"),
    (
        "audit.purge",
        include_str!("../../../src/audit/tests/purging.rs"),
        "what_is_older_goes_oldest_first_and_the_log_says_so",
    ),
    ("mailbox.hidden", include_str!("hidden_status.rs"), "what_leaves_an_open_mailbox_is_recorded"),
    ("filter.failure", include_str!("hidden_messages.rs"), "filter.failure"),
];

const RULES: &str = "[[rule]]\nid = \"no-eve\"\ndeny_login = \"No\"\nwhen.user = \"eve\"\n\
    [[rule]]\nid = \"no-namespaces\"\ndeny_commands = [\"NAMESPACE\"]\n\
    [[rule]]\nid = \"sent\"\nmailbox = \"Sent\"\nrights = \"lr\"\n\
    [[rule]]\nid = \"little\"\nlimit = { message_size = \"1 KiB\" }\n";

const ACL: &str = "mail_plugins = acl\nprotocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\n\
    plugin {\n  acl = vfile\n}\n";

#[test]
fn every_type_occurs_and_is_described() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let types = schema["$defs"]["type"]["enum"].as_array().expect("types").iter();
    let types: BTreeSet<String> = types.filter_map(Value::as_str).map(str::to_owned).collect();
    let mut seen: BTreeSet<String> =
        provoked().iter().filter_map(|record| record["type"].as_str()).map(str::to_owned).collect();
    for (name, test, called) in ELSEWHERE {
        assert!(test.contains(called) && test.contains(name), "{name} is provoked by {called}");
        seen.insert(name.to_owned());
    }
    let missing: Vec<_> = types.difference(&seen).collect();
    assert!(missing.is_empty(), "nothing provokes {missing:?}");
    let unknown: Vec<_> = seen.difference(&types).collect();
    assert!(unknown.is_empty(), "the schema does not know {unknown:?}");
}

/// One session after the other; what is recorded is held against the schema when the proxy ends.
fn provoked() -> Vec<Value> {
    let mut dovecot = Dovecot::start_with(&["ann", "eve"], Names::Slash, ACL);
    let mut proxy = Settings::before(&dovecot).rules(RULES).in_listener("max_connections_per_ip = 2").start();
    let mut ann = proxy.login("ann");
    for command in [
        "ID (\"name\" \"tests\")",
        "LIST \"\" *",
        "STATUS Archive (MESSAGES)",
        "SELECT INBOX",
        "UID FETCH 1 (FLAGS)",
        "UID FETCH 1 (BODY.PEEK[])",
        "UID SEARCH FLAGGED",
        "UID STORE 1 +FLAGS (\\Flagged)",
        "UID COPY 1 Archive",
        "UID STORE 2 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "CREATE New",
        "MYRIGHTS Archive",
    ] {
        ann.run(command).ok();
    }
    ann.run_parts(&[b"APPEND Archive {3+}", b"a\r\n"]).ok();
    ann.run("UID COPY 1 Sent").no("NOPERM");
    ann.run("NAMESPACE").no("NOPERM");
    ann.run("UID FETCH 4 (BODY.PEEK[])").no("TOOBIG");
    ann.run("FROBNICATE").bad();
    let mut second = Client::tls(proxy.imaps(), &proxy.ca());
    drop(Client::tls(proxy.imaps(), &proxy.ca())); // one too many
    second.run("LOGIN ann wrong").no("");
    second.run(&format!("LOGIN eve {}", password("eve"))).no("");
    second.logout();
    ann.logout();
    for (rules, result) in [("[[rule]]\nid = 7\n", "failed"), (RULES, "ok")] {
        proxy.place().write("rules/rules-1.toml", rules);
        proxy.process().signal(Signal::HUP);
        proxy.metric_reaches("imapwarden_policy_reloads_total", &[("result", result)], 1.0);
    }
    dovecot.stop();
    let mut late = Client::tls(proxy.imaps(), &proxy.ca());
    late.run(&format!("LOGIN ann {}", password("ann"))).no("UNAVAILABLE");
    late.logout();
    proxy.stop()
}
