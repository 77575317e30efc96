//! SIGHUP reads everything anew, SIGTERM drains, a second one stops, and SIGKILL leaves a log that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::client::Client;
use super::dovecot::{Dovecot, password};
use super::place::{Signal, until};
use super::proxy::{Proxy, Settings, get};

const NO_FLAGS: &str = "[[rule]]\nid = \"no-flags\"\nmailbox = [\"INBOX\"]\nrights = \"lr\"\n";
const HIDE: &str = "[[rule]]\nid = \"hide-projects\"\nmailbox = [\"Projects/**\"]\nhide = true\n";
const NOTHING: &str = "[[rule]]\nid = \"nothing-yet\"\nmailbox = [\"Never/**\"]\nrights = \"lr\"\n";

#[test]
fn a_reload_reaches_sessions_that_are_open() {
    let (_dovecot, mut proxy) = with_rules(NOTHING);
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("STORE 1 +FLAGS (\\Flagged)").ok();
    reload(&mut proxy, NO_FLAGS, "ok", 1.0);
    ann.run("STORE 1 -FLAGS (\\Flagged)").no("[NOPERM]");
    reload(&mut proxy, NOTHING, "ok", 2.0);
    ann.run("STORE 1 -FLAGS (\\Flagged)").ok();
    let mut reader = proxy.login("ann");
    reader.run("SELECT Projects/Apollo").ok();
    let tag = reader.send("IDLE");
    assert!(reader.response().is_some_and(|line| line.starts_with(b"+")));
    reload(&mut proxy, HIDE, "ok", 3.0);
    // The mailbox that is now hidden ends its session, in IDLE too.
    let heard = reader.rest();
    assert!(heard.iter().any(|line| line.starts_with("* BYE")), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with(&format!("{tag} OK"))), "{heard:?}");
    // A session that is between two commands goes on, under the rules that hold now.
    let names = ann.run("LIST \"\" *").ok().names();
    assert!(!names.iter().any(|name| name.starts_with("Projects")), "{names:?}");
    ann.logout();
    let records = proxy.stop();
    let loads: Vec<_> = records.iter().filter(|record| record["type"] == "policy.load").collect();
    assert_eq!(loads.len(), 4, "{loads:#?}");
    assert_eq!(loads[3]["data"]["added"][0], "hide-projects");
    assert_eq!(loads[3]["data"]["removed"][0], "nothing-yet");
}

#[test]
fn a_reload_with_a_mistake_changes_nothing_and_says_why() {
    let (_dovecot, mut proxy) = with_rules(NO_FLAGS);
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    reload(&mut proxy, "[[rule]]\nid = \"typo\"\nrihgts = \"lr\"\n", "failed", 1.0);
    ann.run("STORE 1 +FLAGS (\\Flagged)").no("[NOPERM]");
    assert_eq!(proxy.metric("imapwarden_policy_last_reload_ok", &[]), 0.0);
    assert!(proxy.log().contains("rules-1.toml:3:1: unknown key `rihgts`"), "{}", proxy.log());
    ann.logout();
    let records = proxy.stop();
    assert!(records.iter().any(|record| record["type"] == "policy.load_failed"), "{records:#?}");
}

#[test]
fn sigterm_says_bye_to_everybody_and_ends_with_a_whole_log() {
    let (_dovecot, mut proxy) = with_rules(NOTHING);
    let mut idle = proxy.login("ann");
    idle.run("SELECT INBOX").ok();
    idle.send("IDLE");
    assert!(idle.response().is_some_and(|line| line.starts_with(b"+")));
    let mut selected = proxy.login("ann");
    selected.run("SELECT INBOX").ok();
    let mut before_login = Client::tls(proxy.imaps(), &proxy.ca());
    proxy.process().signal(Signal::TERM);
    for (who, client) in [("in IDLE", &mut idle), ("selected", &mut selected), ("before login", &mut before_login)] {
        let heard = client.rest();
        assert!(heard.iter().any(|line| line.starts_with("* BYE")), "{who}: {heard:?}");
    }
    let records = proxy.ended_well();
    let last: Vec<_> = records.iter().rev().take(2).map(|record| record["type"].as_str().unwrap_or("")).collect();
    assert_eq!(last, ["audit.close", "proxy.stop"]);
    assert!(records.iter().any(|record| record["type"] == "proxy.drain"));
    let closes = records.iter().filter(|record| record["type"] == "session.close").count();
    assert_eq!(closes, 3);
}

#[test]
fn while_it_drains_it_is_not_ready_and_a_second_sigterm_stops_it_at_once() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).in_limits("drain_delay = \"10m\"\ndrain_window = \"10m\"").start();
    let mut ann = proxy.login("ann");
    proxy.process().signal(Signal::TERM);
    let admin = proxy.admin();
    let (_, body) = until("not ready", || get(admin, "/readyz").filter(|(status, _)| *status == 503));
    assert!(body.contains("draining"), "{body}");
    assert_eq!(get(admin, "/healthz").map(|(status, _)| status), Some(200));
    // Listeners still accept, for balancers have not noticed yet.
    ann.run("NOOP").ok();
    proxy.login("ann").logout();
    proxy.process().signal(Signal::TERM);
    proxy.killed = true;
    proxy.ended_well();
}

#[test]
fn after_sigkill_under_load_the_log_is_whole_and_goes_on() {
    const CLIENTS: usize = 4;
    let (_dovecot, mut proxy) = with_rules(NOTHING);
    proxy.killed = true;
    let (over, got) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (over, got) = (Arc::clone(&over), Arc::clone(&got));
            let mut client = proxy.login("ann");
            client.run("SELECT INBOX").ok();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client.say_if_heard(b"x UID FETCH 1:6 (BODY.PEEK[])\r\n");
                    while client.read_more() {
                        let heard = client.take_heard();
                        got.fetch_add(heard.windows(6).filter(|w| w == b"BODY[]").count(), Ordering::Relaxed);
                        if heard.windows(5).any(|w| w == b"\nx OK") {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    until("mail was read", || (got.load(Ordering::Relaxed) > 60).then_some(()));
    proxy.process().signal(Signal::KILL);
    proxy.process().wait();
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    let verified = proxy.verify();
    assert!(matches!(verified.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&verified.stdout));
    let records = proxy.records();
    let intents = records.iter().filter(|record| record["code"] == "MS100I").count();
    assert!(got.load(Ordering::Relaxed) <= intents * 6, "mail was read without a word of it before: {intents} intents");
    let last = records.last().expect("records")["seq"].as_u64().expect("a number");

    proxy.run_again();
    proxy.login("ann").logout();
    let records = proxy.stop();
    let sequence: Vec<_> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert!(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers are missing");
    assert!(sequence.last() > Some(&last));
    let logs: std::collections::BTreeSet<_> = records.iter().map(|record| record["log"].to_string()).collect();
    assert_eq!(logs.len(), 1, "one chain: {logs:?}");
}

#[test]
fn a_certificate_that_was_renewed_is_in_use_after_a_reload() {
    let (_dovecot, mut proxy) = with_rules(NOTHING);
    proxy.login("ann").logout();
    super::certificate::write(&proxy.place().path("tls")); // a new authority, too
    reload(&mut proxy, NOTHING, "ok", 1.0);
    let mut ann = Client::tls(proxy.imaps(), &proxy.ca());
    ann.run(&format!("LOGIN ann {}", password("ann"))).ok();
    ann.logout();
    proxy.stop();
}

fn with_rules(rules: &str) -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).rules(rules).start();
    (dovecot, proxy)
}

/// Other rules, SIGHUP, and the word that it was heard.
fn reload(proxy: &mut Proxy, rules: &str, result: &str, times: f64) {
    proxy.place().write("rules/rules-1.toml", rules);
    proxy.process().signal(Signal::HUP);
    proxy.metric_reaches("imapwarden_policy_reloads_total", &[("result", result)], times);
}
