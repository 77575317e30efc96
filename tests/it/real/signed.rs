//! A log with a key: made, signed, given out, and verified by who has the first key.

use serde_json::Value;

use super::dovecot::Dovecot;
use super::place::{output, tool};
use super::proxy::{PROGRAM, Settings, get};

#[test]
fn a_log_with_a_key_is_signed_and_verified() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).signed().start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("UID FETCH 1 (BODY.PEEK[])").ok();
    ann.logout();
    // A start signs before it serves.
    let note = proxy.page("/api/v1/audit/checkpoint");
    let lines: Vec<&str> = note.lines().collect();
    let key = std::fs::read_to_string(proxy.place().path("first-key.txt")).expect("it was printed");
    let name = key.split('+').next().expect("a name");
    assert_eq!(lines[0], name, "{note}");
    assert!(lines[4].starts_with(&format!("— {name} ")), "{note}");
    assert!(proxy.metric("imapwarden_audit_last_checkpoint_seconds", &[]) > 1_700_000_000.0);
    let verified = proxy.verify();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(0), "while it runs: {said}");
    assert!(said.contains("signed    ok"), "{said}");
    let init = |arguments: &[&str]| {
        let file = proxy.place().path("imapwarden.toml");
        output(tool(PROGRAM).args(["audit", "init", "--config"]).arg(file).args(arguments))
    };
    let running = init(&[]);
    assert!(String::from_utf8_lossy(&running.stderr).contains("another process writes"), "{running:?}");
    proxy.process().signal(super::place::Signal::TERM);
    let records = proxy.ended_well();
    let types: Vec<_> = records.iter().filter_map(|record| record["type"].as_str()).collect();
    assert_eq!(types[..2], ["audit.open", "audit.key"]);
    assert_eq!(types[types.len() - 2..], ["audit.key", "audit.close"]);
    let checkpoint = records.iter().find(|record| record["type"] == "audit.checkpoint").expect("a checkpoint");
    assert_eq!(checkpoint["data"]["size"].to_string(), lines[1]);
    let again = init_after(&proxy);
    assert!(again.contains("announces its keys already"), "{again}");
    without_its_key(&proxy);
}

fn init_after(proxy: &super::proxy::Proxy) -> String {
    let done = output(tool(PROGRAM).args(["audit", "init"]).arg(proxy.place().path("audit")));
    assert_eq!(done.status.code(), Some(1));
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Not taken for whole; nor with another key.
fn without_its_key(proxy: &super::proxy::Proxy) {
    let directory = proxy.place().path("audit");
    let bare = output(tool(PROGRAM).args(["audit", "verify", "--json"]).arg(&directory));
    assert_eq!(bare.status.code(), Some(1));
    let other = proxy.place().path("other");
    let made = output(tool(PROGRAM).args(["audit", "init"]).arg(other));
    let key = String::from_utf8(made.stdout).expect("UTF-8");
    let done = output(tool(PROGRAM).args(["audit", "verify", "--json"]).arg(&directory).args(["--key", key.trim()]));
    let told: Value = serde_json::from_slice(&done.stdout).expect("one object");
    assert_eq!((done.status.code(), &told["exit"]), (Some(1), &1.into()), "{told}");
    assert!(told["places"].to_string().contains("does not announce the key"), "{told}");
}

#[test]
fn a_log_without_a_key_gives_no_note() {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).start();
    assert_eq!(get(proxy.admin(), "/api/v1/audit/checkpoint").map(|(status, _)| status), Some(404));
    assert_eq!(proxy.metric("imapwarden_audit_last_checkpoint_seconds", &[]), 0.0);
}
