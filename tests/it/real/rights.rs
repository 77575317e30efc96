//! Rights that are taken: what is refused, what is done with less, and what that leaves on the server.

use super::client::Client;
use super::dovecot::Dovecot;
use super::proxy::{Proxy, Settings};

const READ_ONLY: &str = r#"
[[rule]]
id = "archive-read-only"
mailbox = ["Archive/**"]
rights = "read-only"
"#;

#[test]
fn a_read_only_mailbox_opens_read_only_and_reads_leave_no_trace() {
    let (dovecot, mut proxy) = read_only();
    let mut ann = proxy.login("ann");
    let opened = ann.run("SELECT Archive").ok();
    assert!(opened.status.contains("[READ-ONLY]"), "{opened:?}");
    for fetch in [
        "FETCH 1 BODY[]",
        "UID FETCH 1 (FLAGS BODY[TEXT])",
        "FETCH 1 RFC822",
        "FETCH 1 RFC822.TEXT",
        "FETCH 1 BODY[]<0.10>",
    ] {
        ann.run(fetch).ok();
    }
    ann.logout();
    assert_eq!(flags(&dovecot, "Archive"), ["1 ()", "2 (\\Seen)", "3 (\\Flagged \\Seen)"]);
    proxy.stop();
}

#[test]
fn in_a_read_only_mailbox_everything_that_changes_is_refused_with_a_reference() {
    let (dovecot, mut proxy) = read_only();
    let mut ann = proxy.login("ann");
    let mut references = Vec::new();
    ann.run("SELECT Archive").ok();
    for command in [
        "STORE 1 +FLAGS (\\Seen)",
        "STORE 1 FLAGS (\\Flagged)",
        "UID STORE 1 -FLAGS.SILENT (mine)",
        "STORE 1 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "MOVE 1 INBOX",
        "UID MOVE 1:* Projects/Apollo",
    ] {
        references.push((command, ann.run(command).no("[NOPERM]").reference()));
    }
    ann.run("COPY 1 INBOX").ok();
    ann.run("CLOSE").ok();
    ann.run("SELECT INBOX").ok();
    for command in [
        "COPY 1 Archive",
        "UID MOVE 1 Archive/2024",
        "CREATE Archive/2025",
        "DELETE Archive/2024",
        "RENAME Archive/2024 Old",
        "RENAME Projects Archive/Projects",
    ] {
        references.push((command, ann.run(command).no("[NOPERM]").reference()));
    }
    for (name, parts) in [
        ("APPEND, waiting", [b"APPEND Archive {5}".as_slice(), b"hello"]),
        ("APPEND, not waiting", [b"APPEND Archive/2024 {5+}", b"hello"]),
        ("APPEND with flags", [b"APPEND \"archive/\" (\\Seen) {5+}", b"hello"]),
    ] {
        let answer = ann.run_parts(&parts);
        assert!(answer.status.starts_with("NO"), "{name}: {answer:?}");
    }
    // What is refused leaves the session as it was.
    assert!(ann.run("NOOP").ok().lines().is_empty());
    ann.logout();
    assert_eq!(flags(&dovecot, "Archive"), ["1 ()", "2 (\\Seen)", "3 (\\Flagged \\Seen)"]);
    let mut straight = dovecot.login("ann");
    assert_eq!(straight.run("STATUS INBOX (MESSAGES)").ok().lines(), ["* STATUS INBOX (MESSAGES 7)"]);
    let names = straight.run("LIST \"\" Archive*").ok().names();
    assert_eq!(names, ["Archive", "Archive/2024"]);
    let records = proxy.stop();
    for (command, reference) in references {
        let (sid, ordinal) = reference.rsplit_once('-').expect("a session and an ordinal");
        let found =
            records.iter().find(|record| record["sid"] == sid && record["cmd"].as_u64() == ordinal.parse().ok());
        let found = found.unwrap_or_else(|| panic!("{command}: {reference} is not in the log"));
        assert_eq!(found["stage"], "refused", "{command}: {found}");
        assert_eq!(found["policy"]["verdict"], "refused", "{command}: {found}");
        assert_eq!(found["policy"]["by"][0], "archive-read-only", "{command}: {found}");
        assert_eq!(found["result"]["code"], "NOPERM", "{command}: {found}");
        assert!(command.starts_with(found["verb"].as_str().unwrap_or("-")), "{command}: {found}");
    }
}

#[test]
fn without_t_and_e_nothing_is_destroyed() {
    let rules = "[[rule]]\nid = \"keep\"\nmailbox = [\"INBOX\"]\nrights = \"lrswi\"\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let mut ann = proxy.login("ann");
    let opened = ann.run("SELECT INBOX").ok();
    assert!(opened.status.contains("[READ-WRITE]"), "{opened:?}");
    let permanent = opened.starting("* OK [PERMANENTFLAGS");
    assert!(
        permanent.len() == 1 && !permanent[0].contains("\\Deleted") && permanent[0].contains("\\Seen"),
        "{opened:?}"
    );
    ann.run("STORE 1 +FLAGS (\\Seen \\Deleted)").ok(); // what may be set is set
    ann.run("STORE 2 +FLAGS (\\Deleted)").no("[NOPERM]");
    ann.run("EXPUNGE").no("[NOPERM]");
    ann.run("MOVE 1 Trash").no("[NOPERM]");
    // Who has set \Deleted elsewhere does not lose the message by a CLOSE here.
    let mut straight = dovecot.login("ann");
    straight.run("SELECT INBOX").ok();
    straight.run("STORE 6 +FLAGS (\\Deleted)").ok();
    straight.logout();
    ann.run("CLOSE").ok();
    ann.logout();
    assert_eq!(
        flags(&dovecot, "INBOX"),
        ["1 (\\Seen)", "2 (\\Seen)", "3 (\\Flagged \\Seen)", "4 (\\Answered \\Seen)", "5 ()", "6 (\\Deleted \\Seen)"]
    );
    proxy.stop();
}

#[test]
fn without_s_reading_leaves_messages_unread() {
    let rules = "[[rule]]\nid = \"no-seen\"\nmailbox = [\"INBOX\"]\nrights = \"lrwitekxa\"\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    let whole = ann.run("FETCH 1 BODY[]").ok();
    assert_eq!(whole.literal(), super::mail::message("INBOX", 0).into_bytes());
    assert!(whole.lines()[0].contains("BODY[] {"), "the item as it was asked for: {whole:?}");
    let old = ann.run("FETCH 5 RFC822").ok();
    assert!(old.lines()[0].contains("RFC822 {"), "the item as it was asked for: {old:?}");
    ann.run("STORE 1 +FLAGS (\\Seen)").no("[NOPERM]");
    ann.run("STORE 1 +FLAGS (\\Flagged)").ok();
    ann.logout();
    assert_eq!(flags(&dovecot, "INBOX")[..1], ["1 (\\Flagged)"]);
    assert_eq!(flags(&dovecot, "INBOX")[4..5], ["5 ()"]);
    let records = proxy.stop();
    let read = records.iter().find(|record| record["code"] == "MS100I").expect("an intent to read");
    assert_eq!(read["policy"]["verdict"], "narrowed", "{read}");
}

#[test]
fn in_shadow_a_rule_changes_nothing_and_is_counted() {
    let rules = READ_ONLY.replace("rights =", "mode = \"shadow\"\nrights =")
        + "[[rule]]\nid = \"would-hide\"\nmode = \"shadow\"\nmailbox = [\"Finance/**\"]\nhide = true\n";
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let mut proxy = Settings::before(&dovecot).rules(&rules).start();
    let run = |mut client: Client| {
        let mut heard = Vec::new();
        for command in [
            "LIST \"\" *",
            "SELECT Archive",
            "STORE 1 +FLAGS (\\Deleted)",
            "EXPUNGE",
            "SELECT Finance/Q3",
            "FETCH 1 BODY[]",
        ] {
            heard.push(without_times(&client.run(command).ok().whole()));
        }
        client.logout();
        heard
    };
    assert_eq!(run(proxy.login("ann")), run(dovecot.login("bob")));
    assert!(
        proxy.metric("imapwarden_policy_rule_hits_total", &[("rule", "archive-read-only"), ("mode", "shadow")]) > 0.0
    );
    let records = proxy.stop();
    let would = |rule: &str| {
        records.iter().any(|r| r["policy"]["shadow"].as_array().is_some_and(|s| s.iter().any(|id| id == rule)))
    };
    assert!(would("archive-read-only") && would("would-hide"), "{records:#?}");
    assert!(records.iter().all(|record| record["policy"]["by"].is_null()), "{records:#?}");
}

#[test]
fn a_command_that_is_denied_is_refused_in_both_its_forms_and_not_offered() {
    let rules = "[[rule]]\nid = \"no-moves\"\ndeny_commands = [\"MOVE\", \"APPEND\", \"UID EXPUNGE\", \"UID COPY\"]\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let mut ann = proxy.login("ann");
    let offered = ann.run("CAPABILITY").ok().whole();
    assert!(!offered.split_whitespace().any(|word| word == "MOVE"), "{offered}");
    ann.run("SELECT INBOX").ok();
    ann.run("MOVE 1 Archive").no("[NOPERM]");
    ann.run("UID MOVE 1 Archive").no("[NOPERM]");
    ann.run("UID EXPUNGE 1").no("[NOPERM]");
    // Of these the UID form alone is named.
    ann.run("EXPUNGE").ok();
    ann.run("UID COPY 1 Archive").no("[NOPERM]");
    ann.run_parts(&[b"APPEND Archive {5}", b"hello"]).no("[NOPERM]");
    ann.run("COPY 1 Archive").ok();
    ann.logout();
    proxy.stop();
}

fn read_only() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).rules(READ_ONLY).start();
    (dovecot, proxy)
}

/// UIDs and flags as they are on the server.
fn flags(dovecot: &Dovecot, mailbox: &str) -> Vec<String> {
    let mut straight = dovecot.login("ann");
    straight.run(&format!("EXAMINE {mailbox}")).ok();
    let lines = straight.run("UID FETCH 1:* (FLAGS)").ok().lines();
    straight.logout();
    let shown = lines.into_iter().map(|line| {
        let (_, rest) = line.split_once("UID ").expect("a UID");
        let (uid, rest) = rest.split_once(" FLAGS (").expect("flags");
        let mut flags: Vec<_> = rest.trim_end_matches(')').split(' ').filter(|flag| *flag != "\\Recent").collect();
        flags.sort_unstable();
        format!("{uid} ({})", flags.join(" "))
    });
    shown.collect()
}

/// Without how long Dovecot took.
fn without_times(text: &str) -> String {
    text.lines().map(|line| line.split_once(" (0.").map_or(line, |(before, _)| before)).collect::<Vec<_>>().join("\n")
}
