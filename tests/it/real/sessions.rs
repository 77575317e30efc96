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

#[test]
fn a_drain_is_announced_called_off_and_done() {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).rules("").in_admin("token_file = \"admin.token\"\n");
    let settings = settings.in_limits("drain_delay = \"1m\"\n").file("admin.token", ADMIN);
    let mut proxy = settings.start();
    let ready = |proxy: &Proxy| super::proxy::get(proxy.admin(), "/readyz").map(|(status, _)| status);
    let mut ann = proxy.login("ann");
    let begun = said(&ask(&proxy, &["drain"]));
    assert!(begun.starts_with("draining: 1 sessions end within ") && begun.contains("beginning in 60 s"), "{begun}");
    assert_eq!(ready(&proxy), Some(503));
    assert_eq!(ask(&proxy, &["drain"]).status.code(), Some(1), "it does already");
    ann.run("NOOP").ok();
    assert_eq!(said(&ask(&proxy, &["drain", "--cancel"])), "called off\n");
    assert_eq!(ready(&proxy), Some(200));
    assert_eq!(ask(&proxy, &["drain", "--cancel"]).status.code(), Some(1), "it does not");
    ann.logout();

    let text = std::fs::read_to_string(proxy.place().path("imapwarden.toml")).expect("it was written");
    proxy.place().write("imapwarden.toml", text.replace("drain_delay = \"1m\"", "drain_delay = \"0s\""));
    said(&ask(&proxy, &["reload"]));
    said(&ask(&proxy, &["drain"]));
    let records = proxy.ended_well();
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("proxy.drain").len(), &of("proxy.stop")[0]["data"]["reason"]), (2, &"drained".into()));
    assert!(of("admin.action").iter().all(|record| record["data"]["who"] != "signal"));
}

#[test]
fn rules_records_and_the_configuration_are_told() {
    let dovecot = Dovecot::start(&["ann"]);
    let rules = "[[rule]]\nid = \"no-flags\"\nmailbox = [\"INBOX\"]\nrights = \"lr\"\n\
                 [[rule]]\nid = \"no-append\"\nmode = \"shadow\"\ndeny_commands = [\"NOOP\"]\n";
    let settings = Settings::before(&dovecot).rules(rules).in_admin("token_file = \"admin.token\"\n");
    let mut proxy = settings.file("admin.token", ADMIN).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("STORE 1 +FLAGS (\\Flagged)").no("[NOPERM]");
    ann.run("NOOP").ok();
    let told = |path: &str| serde_json::from_str::<Value>(&get(&proxy, path)).expect("one object");
    let rules = told("/api/v1/rules");
    let rule = |at: usize| ["id", "mode", "hits", "shadow"].map(|key| rules["rules"][at][key].clone());
    assert_eq!(rule(0)[..2], ["no-flags".into(), Value::from("enforce")]);
    assert!(rule(0)[2].as_u64() >= Some(1) && rule(0)[3] == Value::Null, "{rules}");
    assert!(rule(1)[3].as_u64() >= Some(1) && rule(1)[2] == Value::Null, "{rules}");
    assert!(rules["rules"][0]["place"].as_str().is_some_and(|place| place.ends_with("rules-1.toml:1")), "{rules}");
    assert!(rules["rules"][0]["last_s"].as_u64().is_some());
    let upstreams = told("/api/v1/upstreams");
    assert_eq!((&upstreams["upstreams"][0]["up"], &upstreams["upstreams"][0]["sessions"]), (&true.into(), &1.into()));
    let head = told("/api/v1/audit/head");
    let events = told("/api/v1/audit/events?refused=true&user=ann");
    assert_eq!(events["records"][0]["policy"]["by"], serde_json::json!(["no-flags"]), "{events}");
    assert_eq!(events["records"].as_array().map(Vec::len), Some(1));
    assert!(head["seq"].as_u64() > events["records"][0]["seq"].as_u64() && head["log"] == events["records"][0]["log"]);
    let overview = told("/api/v1/overview");
    let refused = &overview["refused"][0];
    assert_eq!(
        (&refused["user"], &refused["what"], &refused["mailbox"]),
        (&"ann".into(), &"STORE".into(), &"INBOX".into())
    );
    assert_eq!((&overview["ready"], &overview["now"]["sessions"]), (&true.into(), &1.into()));
    let config = told("/api/v1/config");
    assert_eq!(config["admin"]["tokens"][0], serde_json::json!({ "name": "admin", "role": "admin", "token": "***" }));
    assert!(!config.to_string().contains(ADMIN));
    ann.logout();
    proxy.stop();
}
