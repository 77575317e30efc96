//! Figures of mailboxes that no STATUS asked for: what comes with LIST, and what NOTIFY tells. Each has its record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dovecot::Dovecot;
use super::proxy::Settings;

/// `INBOX (MESSAGES UNSEEN)`, and how often.
type Told = BTreeMap<String, usize>;

/// Name and items, as the client got them.
fn told(lines: &[String]) -> Told {
    let mut told = Told::new();
    for line in lines {
        let (name, figures) = line.trim_start_matches("* STATUS ").split_once(" (").expect("figures");
        let words: Vec<&str> = figures.trim_end_matches(')').split(' ').step_by(2).collect();
        // Dovecot spells what is not ASCII as a literal.
        let name = name.rsplit("\r\n").next().unwrap_or(name).trim_matches('"').replace("&APw-", "ü");
        *told.entry(format!("{name} ({})", words.join(" "))).or_default() += 1;
    }
    told
}

/// The same, as it is recorded of a command.
fn recorded(records: &[Value], verb: Option<&str>) -> Told {
    let mut told = Told::new();
    for record in records.iter().filter(|record| record["type"] == "mailbox.status" && record["verb"].as_str() == verb)
    {
        let items = record["data"]["items"].as_array().expect("items").iter().filter_map(Value::as_str);
        let items = items.collect::<Vec<_>>().join(" ");
        *told.entry(format!("{} ({items})", record["mailbox"]["name"].as_str().expect("a name"))).or_default() += 1;
    }
    told
}

#[test]
fn figures_that_come_with_a_list_are_recorded_for_each_mailbox() {
    const HIDES: &str = "[[rule]]\nid = \"finance\"\nmailbox = \"Finance/**\"\nhide = true\n";
    const RIGHTS: &str = "[[rule]]\nid = \"drop\"\nmailbox = \"Sent\"\nrights = \"lsw\"\n";
    const MESSAGES: &str =
        "[[rule]]\nid = \"lunch\"\nmailbox = [\"Archive\", \"INBOX\"]\nhide_messages = ['SUBJECT \"Lunch\"']\n";
    const NONE: &str = "[[rule]]\nid = \"quiet\"\nmailbox = \"Archive\"\naudit = \"none\"\n";
    let dovecot = Dovecot::start(&["ann"]);
    let rows: [(&str, &str, &[&str]); 5] = [
        ("no rule", "", &[]),
        ("rights are taken", RIGHTS, &["Sent"]),
        ("mailboxes are hidden", HIDES, &["Finance/Q3"]),
        ("messages are hidden", MESSAGES, &[]),
        ("one is not recorded", NONE, &[]),
    ];
    for (name, rules, untold) in rows {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut ann = proxy.login("ann");
        ann.run("SELECT INBOX").ok();
        let answer = ann.run("LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))").ok();
        let mut expected = told(&answer.starting("* STATUS "));
        assert!(expected.len() >= 5, "{name}: {expected:?}");
        let is_of = |told: &Told, mailbox: &str| told.keys().any(|key| key.starts_with(&format!("{mailbox} (")));
        assert!(untold.iter().all(|mailbox| !is_of(&expected, mailbox)), "{name}: {expected:?}");
        ann.run("STATUS INBOX (UIDNEXT)").ok();
        ann.logout();
        let records = proxy.stop();
        if rules == NONE {
            assert!(expected.remove("Archive (MESSAGES UNSEEN)").is_some());
        }
        assert_eq!(recorded(&records, Some("LIST")), expected, "{name}");
        assert_eq!(recorded(&records, Some("STATUS")), Told::from([("INBOX (UIDNEXT)".to_owned(), 1)]), "{name}");
        let listed = records.iter().find(|record| record["type"] == "mailbox.list").expect("LIST is recorded");
        let of_list = records.iter().filter(|record| record["type"] == "mailbox.status" && record["verb"] == "LIST");
        assert!(of_list.clone().all(|record| record["cmd"] == listed["cmd"]), "{name}");
    }
}

#[test]
fn figures_that_notify_tells_are_recorded() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut ann = proxy.login("ann");
    let first = ann.run("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))").ok();
    let mut straight = dovecot.login("ann");
    straight.run_parts(&[b"APPEND Archive {8+}", b"a: b\r\n\r\n"]).ok();
    straight.logout();
    ann.send("IDLE");
    let mut lines = first.starting("* STATUS ");
    let before = lines.len();
    while lines.len() == before {
        let response = super::client::text(&ann.response().expect("a response"));
        lines.extend(response.starts_with("* STATUS ").then(|| response.trim_end().to_owned()));
    }
    ann.say("DONE\r\n");
    lines.extend(ann.run("NOOP").ok().starting("* STATUS "));
    ann.logout();
    let records = proxy.stop();
    let expected = told(&lines);
    assert!(expected.keys().any(|told| told.starts_with("Archive (MESSAGES ")), "{expected:?}");
    assert_eq!(recorded(&records, None), expected);
}
