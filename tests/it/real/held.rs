//! Before a rule hides messages: how many, and who has read them already. By the account itself (`preview`), and by the log
//! alone (`simulate`), which says where it cannot know.

use serde_json::Value;

use super::dovecot::{Dovecot, password};
use super::hidden_messages::{RULES, secrets, with_secrets};
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const RECORDS_HEADERS: &str = "[[rule]]\nid = \"records\"\nmailbox = [\"INBOX\"]\naudit = \"headers\"\n";

/// What the log can decide: at level `headers` it has subjects.
const BY_SUBJECT: &str = r#"
[[rule]]
id = "no-mergers"
mailbox = ["INBOX"]
hide_messages = ['SUBJECT merger']

[[rule]]
id = "no-finance"
mailbox = ["Finance"]
hide = true

[[rule]]
id = "later"
mode = "shadow"
mailbox = ["INBOX"]
hide_messages = ['LARGER 100000', 'BODY "companies"']
"#;

/// Two programs read `eve`'s mail while no rule hides any of it; then the rules are these.
fn read_then(rules: &str) -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["eve"]);
    with_secrets(&dovecot, "eve");
    let mut straight = dovecot.login("eve");
    straight.run_parts(&[b"APPEND INBOX {24+}", b"Subject: lunch\r\n\r\nat one"]).ok();
    straight.logout();
    let mut proxy = Settings::before(&dovecot).rules(RECORDS_HEADERS).start();
    let mut mirror = proxy.login("eve");
    mirror.run("ID (\"name\" \"mirror\" \"version\" \"3\")").ok();
    mirror.run("SELECT INBOX").ok();
    mirror.run("UID FETCH 7:* (FLAGS BODY.PEEK[])").ok();
    mirror.run("SELECT Finance").ok();
    mirror.run("UID FETCH 1 (BODY.PEEK[])").ok();
    mirror.logout();
    let mut glance = proxy.login("eve");
    glance.run("SELECT INBOX").ok();
    glance.run("UID FETCH 8 (BODY.PEEK[TEXT]<0.4>)").ok();
    glance.run("UID FETCH 10 (BODY.PEEK[])").ok();
    glance.run("FETCH 1:* (FLAGS)").ok();
    glance.logout();
    proxy.stop();
    proxy.place().write("rules/rules-1.toml", rules);
    proxy.place().write("password", format!("{}\n", password("eve")));
    (dovecot, proxy)
}

fn run(proxy: &Proxy, arguments: &[&str]) -> String {
    let mut command = tool(PROGRAM);
    command.current_dir(proxy.place().path("")).args(arguments);
    let done = output(&mut command);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{said}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    said
}

const PREVIEW: &[&str] =
    &["preview", "--config", "imapwarden.toml", "--user", "eve", "--password-file", "password", "--audit", "audit"];
const SIMULATE: &[&str] = &["simulate", "--config", "imapwarden.toml", "--audit", "audit"];

#[test]
fn what_rules_hide_of_an_account_is_counted_and_who_has_read_it_is_told() {
    let (dovecot, proxy) = read_then(BY_SUBJECT);
    let before = secrets(&dovecot);
    let said = run(&proxy, PREVIEW);
    let (_, told) = said.split_once("\nhidden messages\n").unwrap_or_else(|| panic!("{said}"));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "  no-mergers     3 of 10 in INBOX", "{said}");
    assert_eq!(lines[1], "  (later would)  4 of 10 in INBOX", "one is large, of three the body matches: {said}");
    assert_eq!(lines[3], "read already", "{said}");
    let row = |line: &str| line.split(", last ").next().unwrap_or_default().to_owned();
    let rows: Vec<String> = lines[4..8].iter().map(|line| row(line)).collect();
    assert_eq!(
        rows,
        [
            "  later       eve  127.0.0.1  1 message, 0 in full",
            "  later       eve  mirror/3   3 messages, 3 in full",
            "  no-finance  eve  mirror/3   1 message, 1 in full",
            "  no-mergers  eve  127.0.0.1  1 message, 0 in full",
        ],
        "{said}"
    );
    assert_eq!(row(lines[8]), "  no-mergers  eve  mirror/3   3 messages, 3 in full", "{said}");
    assert!(lines[9].starts_with("covers "), "{said}");
    // Nothing was changed by looking.
    assert_eq!(secrets(&dovecot), before);

    let json: Value = serde_json::from_str(&run(&proxy, &[PREVIEW, &["--json"]].concat())).expect("one object");
    let inbox = json["mailboxes"].as_array().and_then(|all| all.iter().find(|folder| folder["name"] == "INBOX"));
    let inbox = &inbox.expect("INBOX")["messages"];
    assert_eq!((&inbox["all"], &inbox["hidden"]), (&10.into(), &3.into()), "{json:#}");
    assert_eq!((&inbox["by"]["no-mergers"], &inbox["shadow"]["later"]), (&3.into(), &4.into()), "{json:#}");
    assert_eq!(json["held"].as_array().map(Vec::len), Some(5), "{json:#}");
}

/// Rules of every kind that is judged in a way of its own.
const COUNTED: &str = r#"
[[rule]]
id = "of-the-boss"
mailbox = ["INBOX"]
hide_messages = ['FROM boss@example.org', 'FLAGGED']

[[rule]]
id = "large-or-told"
hide_messages = ['LARGER 100000', 'BODY "companies"', 'ON 14-Nov-2023 SEEN']
except_messages = ['SUBJECT "apollo"']

[[rule]]
id = "by-the-server"
mailbox = ["Archive/**"]
hide_messages = ['TEXT "grüße"', 'SUBJECT "2024"']
judge = "upstream"
"#;

#[test]
fn what_preview_counts_is_what_a_client_finds() {
    let (_dovecot, mut proxy) = read_then(COUNTED);
    let json: Value = serde_json::from_str(&run(&proxy, &[PREVIEW, &["--json"]].concat())).expect("one object");
    proxy.run_again();
    let mut client = proxy.login("eve");
    let mut hidden = 0;
    for folder in json["mailboxes"].as_array().expect("mailboxes") {
        let name = folder["name"].as_str().expect("a name").replace('\u{fc}', "&APw-");
        let count = |key: &str| folder["messages"][key].as_u64().unwrap_or_else(|| panic!("{folder:#}"));
        let told = client.run(&format!("STATUS \"{name}\" (MESSAGES)")).ok().whole();
        assert!(told.contains(&format!("(MESSAGES {})", count("all") - count("hidden"))), "{told}{folder:#}");
        hidden += count("hidden");
    }
    assert!(hidden > 8 && json["hidden_messages"] == hidden, "{hidden} {json:#}");
    client.logout();
    proxy.stop();
}

#[test]
fn a_log_with_headers_says_which_reads_would_be_hidden_and_which_it_cannot_decide() {
    let (_dovecot, proxy) = read_then(BY_SUBJECT);
    let told: Value = serde_json::from_str(&run(&proxy, &[SIMULATE, &["--json"]].concat())).expect("one object");
    // Two reads of what is about mergers; SELECT and FETCH in Finance.
    assert_eq!(told["counts"]["hide"], 4, "{told:#}");
    // What was opened or listed: twice, and once.
    assert_eq!(told["counts"]["undecidable"], 3, "{told:#}");
    let held: Vec<String> = told["held"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {} of {}", word("rule"), word("client"), row["full"], row["messages"])
        })
        .collect();
    assert_eq!(
        held,
        ["no-finance mirror/3 1 of 1", "no-mergers 127.0.0.1 0 of 1", "no-mergers mirror/3 3 of 3"],
        "{told:#}"
    );
    let text = run(&proxy, SIMULATE);
    assert!(text.contains("\nread already\n  no-finance  eve  mirror/3   1 message, 1 in full, last "), "{text}");

    // What no log has is never guessed.
    proxy.place().write("rules/rules-1.toml", RULES);
    let told: Value = serde_json::from_str(&run(&proxy, &[SIMULATE, &["--json"]].concat())).expect("one object");
    assert_eq!((&told["counts"]["hide"], &told["held"]), (&0.into(), &Value::Array(Vec::new())), "{told:#}");
    assert!(told["counts"]["undecidable"].as_u64() >= Some(5), "{told:#}");
}
