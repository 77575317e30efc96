//! A refusal leads to its record, by the reference in its text: `imapwarden explain --decision`.

use std::process::Output;

use serde_json::{Value, json};

use super::client::Client;
use super::dovecot::{Dovecot, password};
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const RULES: &str = r#"
[[rule]]
id = "archive-read-only"
mailbox = ["Archive/**"]
rights = "read-only"

[[rule]]
id = "no-trash"
mailbox = ["Trash"]
rights = "lrs"

[[rule]]
id = "no-subscriptions"
deny_commands = ["SUBSCRIBE"]

[[rule]]
id = "small-messages"
limit = { message_size = "1 KiB" }

[[rule]]
id = "staff-only"
when = { group = "guests" }
deny_login = "Staff only"
"#;

const GROUPS: &str = "guests = [\"bob\"]\n";

#[test]
fn a_refusal_is_explained_by_its_reference() {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let mut proxy = Settings::before(&dovecot)
        .rules(RULES)
        .file("groups.toml", GROUPS)
        .in_policy("groups = \"groups.toml\"")
        .start();
    let mut ann = proxy.login("ann");
    ann.run("ID (\"name\" \"tests\" \"version\" \"1.0\")").ok();
    let mut refused = Vec::new();
    for (name, command, rule, verdict, said) in [
        (
            "flags",
            "UID STORE 1:2 +FLAGS (\\Deleted)",
            "archive-read-only",
            "refused",
            "UID STORE add \\Deleted of 1:2 in",
        ),
        ("a copy", "COPY 1 Trash", "no-trash", "refused", "COPY copy"),
        ("a move", "UID MOVE 1 Sent", "archive-read-only", "refused", "UID MOVE move of 1 in Archive to Sent"),
        ("all that is deleted", "EXPUNGE", "archive-read-only", "refused", "EXPUNGE in Archive"),
        (
            "another name",
            "RENAME Archive/2024 Old",
            "archive-read-only",
            "refused",
            "RENAME rename in Archive/2024 to Old",
        ),
        ("a command", "SUBSCRIBE INBOX", "no-subscriptions", "refused", "SUBSCRIBE"),
        ("too large to be read", "FETCH 4 BODY[]", "small-messages", "limited", "FETCH"),
        ("too large to be put there", "APPEND INBOX {2000+}", "small-messages", "limited", "APPEND in INBOX"),
    ] {
        let mailbox = if name.contains("large") { "INBOX" } else { "Archive" };
        ann.run(&format!("SELECT {mailbox}")).ok();
        let status = match command.ends_with("+}") {
            true => ann.run_parts(&[command.as_bytes(), &[b'x'; 2000]]).no("").status,
            false => ann.run(command).no("").status,
        };
        let (_, reference) = status.split_once("(ref ").unwrap_or_else(|| panic!("{name}: {status}"));
        refused.push((name, reference.trim_end_matches([')', '\r', '\n']).to_owned(), rule, verdict, said));
    }
    ann.logout();
    let denied = Client::tls(proxy.imaps(), &proxy.ca()).run(&format!("LOGIN bob {}", password("bob"))).no("").status;
    assert!(denied.contains("Staff only"), "{denied}");
    let record = proxy.record("a login that is refused", |record| record["type"] == "auth.refused");
    let of_bob = format!("{}-{}", record["sid"].as_str().expect("a session"), record["cmd"]);
    refused.push(("a login", of_bob, "staff-only", "refused", "LOGIN"));

    for (name, reference, rule, verdict, said) in &refused {
        let told = json(&explain(&proxy, reference, &["--json"]));
        let record = &told["decision"]["record"];
        assert_eq!(
            (&record["policy"]["by"], &record["policy"]["verdict"]),
            (&json!([rule]), &json!(verdict)),
            "{name}"
        );
        // The rules are the same, so they say the same today; the size of a message that is to be read is not theirs to know.
        assert_eq!((&told["by"], &told["verdict"]), (&json!([rule]), &json!(verdict)), "{name}: {told}");
        assert_eq!(told["rev"], record["policy"]["rev"], "{name}");
        let text = text(&explain(&proxy, reference, &[]));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(&format!("record    {reference}  ")) && lines[0].contains(".jsonl:"), "{text}");
        assert!(lines[2].starts_with(&format!("command   {said}")), "{name}: {text}");
        assert!(lines[3].starts_with(&format!("then      {verdict} NO [")), "{name}: {text}");
        assert!(
            text.contains(&format!("took      {rule}  ")) && text.contains("rules/rules-1.toml:"),
            "{name}: {text}"
        );
        assert!(text.contains("today     the rules are the same"), "{name}: {text}");
    }
    let (_, large, ..) = &refused[6];
    assert!(text(&explain(&proxy, large, &[])).contains("limit     message_size: "), "what was too much");
    let who = text(&explain(&proxy, &refused[0].1, &[]));
    assert!(who.contains("who       ann from 127.0.0.1 at imaps to main with tests/1.0\n"), "{who}");

    // Other rules say something else of the same request.
    proxy
        .place()
        .write("rules/rules-1.toml", RULES.replace("archive-read-only", "archive-kept").replace("read-only", "lrsit"));
    let told = text(&explain(&proxy, &refused[0].1, &[]));
    assert!(told.contains("took      archive-read-only  which is no longer among the rules"), "{told}");
    assert!(told.contains("today     the rules are others") && told.contains("allowed"), "{told}");
    proxy.stop();
}

#[test]
fn a_reference_that_leads_nowhere_is_said_to() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    let unknown = explain(&proxy, "aaaaaaaaaaaa-1", &[]);
    assert_eq!(unknown.status.code(), Some(1));
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("there is no record of `aaaaaaaaaaaa-1`"), "{said}");
    assert_eq!(explain(&proxy, "six", &[]).status.code(), Some(2));
    assert_eq!(explain(&proxy, "aaaaaaaaaaaa-1", &["--user", "ann"]).status.code(), Some(2));
    proxy.place().write("elsewhere/none", "");
    let elsewhere = proxy.place().path("elsewhere/audit");
    let away = explain(&proxy, "aaaaaaaaaaaa-1", &["--audit", elsewhere.to_str().expect("a path in UTF-8")]);
    assert_eq!(away.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&away.stderr).contains("cannot read the audit log"));
    proxy.stop();
}

fn explain(proxy: &Proxy, reference: &str, more: &[&str]) -> Output {
    let config = proxy.place().path("imapwarden.toml");
    let mut command = tool(PROGRAM);
    output(command.args(["explain", "--config"]).arg(config).args(["--decision", reference]).args(more))
}

fn text(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn json(done: &Output) -> Value {
    serde_json::from_str(&text(done)).expect("one object")
}
