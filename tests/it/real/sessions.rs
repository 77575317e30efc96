//! `imapwarden sessions` and `imapwarden kill`: who is connected is seen, and sent away, whatever they do.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::dovecot::Dovecot;
use super::place::{output, succeed, tool, until};
use super::proxy::{PROGRAM, Proxy, Settings};

const ADMIN: &str = "admin-admin-admin-admin";

/// What a kill may take at most.
const AT_ONCE: Duration = Duration::from_secs(1);

fn proxy() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let settings = Settings::before(&dovecot).rules("").in_admin("token_file = \"admin.token\"\n");
    (dovecot, settings.file("admin.token", ADMIN).start())
}

fn ask(proxy: &Proxy, words: &[&str]) -> Output {
    let (command, more) = words.split_first().expect("a subcommand");
    output(tool(PROGRAM).args([command, "--config"]).arg(proxy.place().path("imapwarden.toml")).args(more))
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn sessions(proxy: &Proxy, filter: &[&str]) -> Vec<Value> {
    let told = ask(proxy, &[&["sessions", "--json", "--sort", "user"], filter].concat());
    let told: Value = serde_json::from_str(&said(&told)).expect("one object");
    told["sessions"].as_array().expect("a list").clone()
}

/// What curl gets there.
fn get(proxy: &Proxy, path: &str) -> String {
    let bearer = format!("Authorization: Bearer {ADMIN}");
    succeed(
        tool("curl")
            .args(["--silent", "--show-error", "--fail", "--header", &bearer])
            .arg(format!("http://{}{path}", proxy.admin())),
    )
}

fn idle(client: &mut Client) {
    client.run("SELECT INBOX").ok();
    client.send("IDLE");
    assert!(client.response().is_some_and(|line| line.starts_with(b"+")));
}

#[test]
fn who_is_connected_and_what_they_do_is_seen() {
    let (_dovecot, mut proxy) = proxy();
    assert_eq!(sessions(&proxy, &[]), [Value::Null; 0]);
    let mut ann = proxy.login("ann");
    ann.run("ID (\"name\" \"Mutt\" \"version\" \"2.2\")").ok();
    ann.run("SELECT INBOX").ok();
    let literal = ann.run("FETCH 1 BODY.PEEK[]").ok().literal().len();
    let mut bob = proxy.login("bob");
    idle(&mut bob);

    let seen = sessions(&proxy, &[]);
    let word = |at: usize, key: &str| seen[at][key].as_str().unwrap_or("-").to_owned();
    assert_eq!([word(0, "user"), word(1, "user")], ["ann", "bob"]);
    assert_eq!([word(0, "state"), word(1, "state")], ["selected", "idle"]);
    assert_eq!([word(0, "client"), word(1, "client")], ["Mutt/2.2", "-"]);
    assert_eq!([word(0, "mailbox"), word(1, "mailbox")], ["INBOX", "INBOX"]);
    assert_eq!((&seen[0]["ip"], &seen[0]["messages"]), (&"127.0.0.1".into(), &1.into()));
    assert_eq!(seen[0]["content"], literal as u64);
    assert!(seen[0]["out"].as_u64() > Some(literal as u64) && word(0, "tls").starts_with("TLSv1."));

    let sid = word(0, "sid");
    let one: Value = serde_json::from_str(&get(&proxy, &format!("/api/v1/sessions/{sid}"))).expect("one object");
    assert_eq!(one["last"], serde_json::json!(["LOGIN", "ID", "SELECT", "FETCH"]));
    assert_eq!(one["reads"], serde_json::json!({ "full": 1 }));
    assert_eq!(sessions(&proxy, &["--state", "idle"]).len(), 1);
    assert_eq!(sessions(&proxy, &["--user", "A*", "--client", "mutt/*"]).len(), 1);
    assert_eq!(sessions(&proxy, &["--ip", "192.0.2.0/24"]).len(), 0);
    let table = said(&ask(&proxy, &["sessions"]));
    assert!(table.starts_with("id ") && table.ends_with("2 of 2 sessions, 2 shown\n"), "{table}");

    ann.run("CLOSE").ok();
    assert_eq!(sessions(&proxy, &["--user", "ann"])[0]["mailbox"], Value::Null);
    ann.logout();
    until("ann is gone", || (sessions(&proxy, &[]).len() == 1).then_some(()));
    drop(bob);
    until("bob is gone", || sessions(&proxy, &[]).is_empty().then_some(()));
    proxy.stop();
}

#[test]
fn a_kill_ends_a_session_in_idle_at_once_and_is_recorded() {
    let (_dovecot, mut proxy) = proxy();
    let (mut ann, mut bob) = (proxy.login("ann"), proxy.login("bob"));
    idle(&mut ann);
    idle(&mut bob);

    let dry = said(&ask(&proxy, &["kill", "--user", "ann", "--dry-run"]));
    assert!(dry.contains("ann") && dry.ends_with("1 of 2 sessions, 1 shown\n"), "{dry}");
    let unasked = ask(&proxy, &["kill", "--user", "ann", "--why", "phone was stolen"]);
    assert_eq!(unasked.status.code(), Some(1), "nobody is there to be asked");
    let all = ask(&proxy, &["kill", "--why", "all of them", "--yes"]);
    assert!(String::from_utf8_lossy(&all.stderr).contains("say which sessions"), "{all:?}");
    assert_eq!(sessions(&proxy, &[]).len(), 2);

    let began = Instant::now();
    let done = said(&ask(&proxy, &["kill", "--user", "ann", "--why", "phone was stolen", "--yes"]));
    assert_eq!(
        (done.as_str(), ann.rest()),
        ("1 sessions ended\n", vec!["* BYE session ended by an administrator".into()])
    );
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    until("ann is gone", || (sessions(&proxy, &[]).len() == 1).then_some(()));
    bob.say("DONE\r\n");
    bob.run("NOOP").ok();

    // By its id; and one that was never open is said not to be.
    let sid = sessions(&proxy, &[])[0]["sid"].as_str().expect("an id").to_owned();
    assert_eq!(said(&ask(&proxy, &["kill", &sid, "none", "--why", "again", "--yes"])), "1 sessions ended\n");
    assert!(bob.rest().iter().any(|line| line.starts_with("* BYE")));
    assert_eq!(said(&ask(&proxy, &["kill", &sid, "--why", "again", "--yes"])), "0 sessions ended\n");

    let records = proxy.stop();
    let of = |kind: &str, user: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["type"] == kind && record["user"] == user).collect()
    };
    let (kill, close) = (of("session.kill", "ann")[0], of("session.close", "ann")[0]);
    assert_eq!(kill["data"], serde_json::json!({ "by": "admin", "why": "phone was stolen" }));
    assert_eq!((&close["data"]["reason"], &close["data"]["by"]), (&"killed".into(), &"proxy".into()));
    assert!(kill["seq"].as_u64() < close["seq"].as_u64());
    assert_eq!(of("session.kill", "bob").len(), 1);
    let targets: Vec<&str> = records
        .iter()
        .filter(|record| record["type"] == "admin.action" && record["data"]["route"] == "/api/v1/kill")
        .filter_map(|record| record["data"]["target"].as_str())
        .collect();
    assert_eq!(targets[0], "user=ann");
}

/// A client that reads nothing, with a large answer under way, holds nobody up.
#[test]
fn a_kill_reaches_a_session_in_the_middle_of_an_answer() {
    let (_dovecot, mut proxy) = proxy();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    for _ in 0..200 {
        ann.send("FETCH 1:* BODY.PEEK[]");
    }
    until("the answer does not fit", || (sessions(&proxy, &[])[0]["content"].as_u64() > Some(0)).then_some(()));
    let done = said(&ask(&proxy, &["kill", "--user", "ann", "--why", "runs away", "--yes"]));
    assert_eq!(done, "1 sessions ended\n");
    let record = proxy.record("the end", |record| record["type"] == "session.close");
    assert_eq!(record["data"]["reason"], "killed");
    drop(ann);
    proxy.stop();
}
