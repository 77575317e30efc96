//! `[audit] hashed`: what is hashed stands nowhere in the log, and is found by whoever has the key.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::{Value, json};

use super::dovecot::{Dovecot, password};
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const MAIL: &[u8] = b"Message-ID: <known-id@example.org>\r\nFrom: Canary <canary-from@example.net>\r\n\
    To: canary-to@example.org, b@example.org\r\nSubject: Canary Rosinante\r\n\r\nbody\r\n";

const RULES: &str = "[[rule]]\nid = \"look\"\naudit = \"headers\"\n\
    [[rule]]\nid = \"kept\"\nmailbox = \"Finance/**\"\nrights = \"lr\"\n";

fn run(proxy: &Proxy, words: &[&str]) -> (Output, String) {
    let answer = output(tool(PROGRAM).args(words));
    let said = String::from_utf8_lossy(&answer.stdout).into_owned() + &String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.code().is_some_and(|status| status < 2), "{words:?}: {said}\n{}", proxy.log());
    (answer, said)
}

fn recorded() -> (Proxy, Vec<Value>, String) {
    let dovecot = Dovecot::start(&["ann"]);
    let hashed = "hashed = [\"user\", \"mailbox\", \"client_ip\", \"address\", \"subject\", \"search\"]\n";
    let mut proxy = Settings::before(&dovecot).rules(RULES).in_audit(hashed).start();
    let mut ann = proxy.login("ann");
    ann.run("CREATE Canary-Box").ok();
    ann.run_parts(&[format!("APPEND Canary-Box {{{}+}}", MAIL.len()).as_bytes(), MAIL]).ok();
    ann.run("LIST \"\" Canary-*").ok();
    ann.run("SELECT Canary-Box").ok();
    ann.run("UID FETCH 1:* (BODY.PEEK[])").ok();
    ann.run("UID SEARCH SUBJECT \"canary rosinante\"").ok();
    ann.run("UID MOVE 1 Archive").ok();
    ann.run("SELECT Finance/Q3").ok();
    let refused = ann.run("STORE 1 +FLAGS (\\Flagged)").no("NOPERM");
    let reference = refused.reference();
    ann.logout();
    let records = proxy.stop();
    (proxy, records, reference)
}

#[test]
fn what_is_hashed_is_found_by_its_key_alone() {
    let (proxy, records, reference) = recorded();
    let text = serde_json::to_string(&records).expect("JSON").to_lowercase();
    for secret in ["canary", "\"ann\"", "127.0.0.1", "archive", "b@example.org", "osinante"] {
        assert!(!text.contains(secret), "{secret} stands in the log");
    }
    assert!(text.contains("<known-id@example.org>"), "Message-IDs are not hashed");
    let pointers: BTreeSet<&str> =
        records.iter().filter_map(|record| record["hashed"].as_array()).flatten().filter_map(Value::as_str).collect();
    let expected = [
        "/client_ip",
        "/data/dst",
        "/data/hdr/from",
        "/data/hdr/subject",
        "/data/hdr/to",
        "/data/msgs/0/hdr/from",
        "/data/msgs/0/hdr/subject",
        "/data/msgs/0/hdr/to",
        "/data/pattern",
        "/data/terms/0",
        "/mailbox/name",
        "/user",
    ];
    assert_eq!(pointers, BTreeSet::from(expected));

    let config = proxy.place().path("imapwarden.toml");
    let config = config.to_str().expect("UTF-8");
    let key = proxy.place().path("state/audit-hash.key");
    assert_eq!(fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    let key = key.to_str().expect("UTF-8");
    let hash = |field: &str, value: &str| {
        let (answer, said) = run(&proxy, &["audit", "hash", field, value, "--hash-key", key]);
        assert_eq!(answer.status.code(), Some(0));
        assert_eq!(run(&proxy, &["audit", "hash", field, value, "--config", config]).1, said);
        said.trim().to_owned()
    };
    let read = records.iter().find(|record| record["code"] == "MS101I").expect("a read");
    assert_eq!(read["user"], json!(hash("user", " ANN ")));
    assert_eq!(read["client_ip"], json!(hash("client_ip", "127.0.0.1")));
    let hdr = &read["data"]["msgs"][0]["hdr"];
    assert_eq!(hdr["subject"], json!(hash("subject", "canary rosinante")));
    let addresses = [hash("address", "canary-to@example.org"), hash("address", "B@example.org")];
    assert_eq!(hdr["to"], json!(addresses.join(",")));
    let search = records.iter().find(|record| record["type"] == "message.search").expect("a search");
    assert_eq!(search["data"]["terms"], json!([hash("search", "Canary Rosinante")]));

    // By what it was, with the key; without it that something may be missed is said.
    let dir = proxy.place().path("audit");
    let dir = dir.to_str().expect("UTF-8");
    let query = [
        "audit",
        "query",
        "--mailbox",
        "canary-box",
        "--user",
        "Ann",
        "--ip",
        "127.0.0.0/24",
        "--json",
        "--class",
        "full",
    ];
    for (way, found) in [(&["--config", config][..], 2), (&["--dir", dir, "--hash-key", key], 2), (&["--dir", dir], 0)]
    {
        let answer = output(tool(PROGRAM).args([&query[..], way].concat()));
        let (lines, covers) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
        assert_eq!(lines.lines().count(), found, "{way:?}: {covers}\n{lines}");
        let said = if found == 0 { "may miss what is hashed here" } else { "also looked for as hashed with key" };
        assert!(covers.contains(said), "{covers}");
    }
    let (_, report) = run(&proxy, &["audit", "report", "reads", "--config", config, "--user", "ann", "--json"]);
    let report: Value = serde_json::from_str(report.lines().collect::<String>().as_str()).expect("one object");
    assert_eq!(report["rows"][0]["user"], json!(hash("user", "ann")), "as it stands in the log");
    for key in [&["--config", config][..], &["--dir", dir]] {
        run(&proxy, &[&["audit", "tail", "--user", "ann", "--mailbox", "canary-box"], key].concat());
    }
    // What the tools write of themselves tells no more than the log does.
    let access = fs::read_to_string(proxy.place().path("audit/access.jsonl")).expect("reads of the log");
    assert!(!access.to_lowercase().contains("canary") && !access.contains("=ann"), "{access}");
    assert!(
        access.contains(&format!("user={}", hash("user", "ann"))) && access.contains("user=? mailbox=? ip=?"),
        "{access}"
    );

    let (_, simulated) = run(&proxy, &["simulate", "--config", config, "--audit", dir]);
    assert!(simulated.contains("undecidable") && simulated.contains("hashes: whose mail"), "{simulated}");
    let (_, explained) = run(&proxy, &["explain", "--config", config, "--decision", &reference, "--audit", dir]);
    assert!(explained.contains("they cannot be asked: user and mailbox and client_ip stands hashed"), "{explained}");
}

#[test]
fn a_key_that_is_none_keeps_the_proxy_from_starting() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").in_audit("hashed = [\"subject\"]\n").start();
    proxy.login("ann").logout();
    proxy.stop();
    let (config, key) = (proxy.place().path("imapwarden.toml"), proxy.place().path("state/audit-hash.key"));
    let before = fs::read_to_string(&key).expect("a key");
    fs::write(&key, format!("{}\n", password("ann"))).expect("it is ours");
    let checked = output(tool(PROGRAM).args(["check", "--config"]).arg(&config));
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.code() == Some(1) && said.contains("not a key") && said.contains("audit-hash.key"),
        "{said}"
    );
    assert!(!said.contains(&password("ann")));
    fs::write(&key, &before).expect("it is ours");
    proxy.run_again();
    proxy.stop();
    assert_eq!(fs::read_to_string(&key).expect("a key"), before, "the key is made once");
}
