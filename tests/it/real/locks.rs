//! `imapwarden lock`: nobody locked out logs in, whoever is in is sent away, and a proxy that is killed still knows it.

use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::dovecot::{Dovecot, password};
use super::place::{output, tool, until};
use super::proxy::{PROGRAM, Proxy, Settings};

const AT_ONCE: Duration = Duration::from_secs(1);
const REFUSED: &str = "[AUTHORIZATIONFAILED] locked by an administrator";

fn proxy() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let settings = Settings::before(&dovecot).rules("").in_admin("token_file = \"admin.token\"\n");
    (dovecot, settings.file("admin.token", "admin-admin-admin-admin").start())
}

fn ask(proxy: &Proxy, words: &[&str]) -> Output {
    let (command, more) = words.split_first().expect("a subcommand");
    output(tool(PROGRAM).args([command, "--config"]).arg(proxy.place().path("imapwarden.toml")).args(more))
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The id in `locked: ID …`.
fn id_in(said: &str) -> String {
    said.split(' ').nth(1).expect("an id").to_owned()
}

fn is_let_in(proxy: &Proxy, user: &str) -> bool {
    let mut client = super::client::Client::clear(proxy.clear());
    let answer = client.run(&format!("LOGIN {user} {}", password(user)));
    if answer.status.starts_with("OK") {
        client.logout();
        return true;
    }
    answer.no(REFUSED);
    false
}

#[test]
fn whoever_is_locked_out_is_sent_away_and_stays_out_though_the_proxy_is_killed() {
    let (_dovecot, mut proxy) = proxy();
    let (mut ann, mut bob) = (proxy.login("ann"), proxy.login("bob"));
    ann.run("SELECT INBOX").ok();
    ann.send("IDLE");
    assert!(ann.response().is_some_and(|line| line.starts_with(b"+")));
    assert_eq!(said(&ask(&proxy, &["lock"])), "no locks\n");

    let began = Instant::now();
    let locked = said(&ask(&proxy, &["lock", "--user", "Ann", "--for", "2h", "--why", "phone was stolen"]));
    assert!(locked.contains(" Ann until ") && locked.ends_with(" by admin: phone was stolen\n"), "{locked}");
    assert_eq!(ann.rest(), ["* BYE session ended by an administrator"]);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(!is_let_in(&proxy, "ann") && !is_let_in(&proxy, "ann+lists"));
    bob.run("NOOP").ok();

    // It was on disk before it was answered.
    proxy.killed = true;
    proxy.process().signal(Signal::KILL);
    proxy.process().wait();
    proxy.run_again();
    assert!(!is_let_in(&proxy, "ann") && is_let_in(&proxy, "bob"));
    assert_eq!(said(&ask(&proxy, &["lock"])), locked.replacen("locked: ", "", 1));

    // A reload does not let her in either; who takes the lock away does.
    said(&ask(&proxy, &["reload"]));
    assert!(!is_let_in(&proxy, "ann"));
    let id = id_in(&locked);
    assert_eq!(said(&ask(&proxy, &["unlock", &id, "--why", "found again"])), locked.replacen("locked", "unlocked", 1));
    assert!(is_let_in(&proxy, "ann"));
    assert_eq!(ask(&proxy, &["unlock", &id]).status.code(), Some(1), "it is gone");

    let records = proxy.stop();
    let changes: Vec<Value> =
        records.iter().filter(|record| record["type"] == "lock.change").map(|record| record["data"].clone()).collect();
    let said = |change: &Value| ["op", "lock", "subject", "by", "why"].map(|key| change[key].clone());
    assert_eq!(said(&changes[0]), ["add", &id, "user=Ann", "admin", "phone was stolen"].map(Value::from));
    assert_eq!(said(&changes[1]), ["remove", &id, "user=Ann", "admin", "found again"].map(Value::from));
    assert_eq!(changes.len(), 2);
    let kill = records.iter().find(|record| record["type"] == "session.kill").expect("ann was in");
    assert_eq!(kill["data"], json!({ "by": "lock", "why": "phone was stolen" }));
    let refused = records.iter().find(|record| record["type"] == "auth.refused").expect("she came again");
    assert_eq!((&refused["policy"]["by"], &refused["user"]), (&json!([format!("lock/{id}")]), &json!("ann")));
    assert_eq!(refused["result"], json!({ "status": "NO", "code": "AUTHORIZATIONFAILED" }));
}

#[test]
fn an_address_is_kept_out_and_a_lock_ends_by_itself() {
    let (_dovecot, mut proxy) = proxy();
    let mut ann = proxy.login("ann");
    let locked = said(&ask(&proxy, &["lock", "--ip", "127.0.0.0/8", "--for", "1s", "--why", "guesses"]));
    assert!(locked.contains(" 127.0.0.0/8 until "), "{locked}");
    assert!(ann.rest().iter().any(|line| line.starts_with("* BYE")));
    until("the lock ends", || is_let_in(&proxy, "ann").then_some(()));
    proxy.record("its end", |record| record["type"] == "lock.change" && record["data"]["op"] == "expire");
    until("it is listed no more", || (said(&ask(&proxy, &["lock"])) == "no locks\n").then_some(()));
    proxy.stop();
}

#[test]
fn what_cannot_be_kept_is_not_in_force() {
    let (_dovecot, mut proxy) = proxy();
    proxy.place().write("state", "a file where the directory should be");
    let refused = ask(&proxy, &["lock", "--user", "ann", "--for", "2h", "--why", "x"]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("the state directory cannot be written to"),
        "{refused:?}"
    );
    assert_eq!(refused.status.code(), Some(1));
    assert!(is_let_in(&proxy, "ann"));
    assert!(proxy.stop().iter().all(|record| record["type"] != "lock.change"));
}

/// It would let in whoever is locked out.
#[test]
fn a_proxy_that_cannot_read_its_locks_does_not_start() {
    let (_dovecot, mut proxy) = proxy();
    said(&ask(&proxy, &["lock", "--user", "ann", "--for", "2h", "--why", "x"]));
    let file = proxy.place().path("state/locks.json");
    let text = std::fs::read_to_string(&file).expect("it was written");
    proxy.stop();
    std::fs::write(&file, &text[..text.len() / 2]).expect("it is ours");
    let started = output(tool(PROGRAM).args(["run", "--config"]).arg(proxy.place().path("imapwarden.toml")));
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert_eq!(started.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read the locks in") && said.contains("help: it says who is kept out"), "{said}");
}
