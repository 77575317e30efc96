//! `imapwarden reload`: a running proxy is told by its admin port to read its files anew.

use std::process::Output;

use super::dovecot::Dovecot;
use super::place::{Signal, output, tool, until};
use super::proxy::{PROGRAM, Proxy, Settings, get};

const NOTHING: &str = "[[rule]]\nid = \"nothing-yet\"\nmailbox = [\"Never/**\"]\nrights = \"lr\"\n";
const NO_FLAGS: &str = "[[rule]]\nid = \"no-flags\"\nmailbox = [\"INBOX\"]\nrights = \"lr\"\n";
const TYPO: &str = "[[rule]]\nid = \"typo\"\nrihgts = \"lr\"\n";

const ADMIN: &str = "admin-admin-admin-admin";
const ON_CALL: &str = "on-call-on-call-on-call";
const TOKENS: &str = "token_file = \"admin.token\"\n\
    [[admin.tokens]]\nname = \"on-call\"\nrole = \"operator\"\ntoken_file = \"on-call.token\"\n\
    [[admin.tokens]]\nname = \"eyes\"\nrole = \"auditor\"\ntoken_file = \"eyes.token\"\n";

#[test]
fn a_reload_by_the_api_is_as_one_by_signal_and_says_what_came_of_it() {
    let (_dovecot, mut proxy) = with_tokens();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("STORE 1 +FLAGS (\\Flagged)").ok();
    proxy.place().write("rules/rules-1.toml", NO_FLAGS);
    let done = by_config(&proxy, &[]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(
        said.starts_with("reloaded: rules ") && said.contains("(1); added no-flags; removed nothing-yet\n"),
        "{said}"
    );
    ann.run("STORE 1 -FLAGS (\\Flagged)").no("[NOPERM]");

    // With a mistake in any file nothing changes, and it is said where it is.
    proxy.place().write("rules/rules-1.toml", TYPO);
    let refused = by_url(&proxy, "on-call.token", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("rules-1.toml:3:1") && said.contains("unknown key `rihgts`"), "{said}");
    assert!(said.contains("did you mean `rights`?") && said.ends_with("what runs stays as it is\n"), "{said}");
    ann.run("STORE 1 -FLAGS (\\Flagged)").no("[NOPERM]");
    let told = by_url(&proxy, "on-call.token", &["--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("one object");
    assert_eq!((&told["status"], &told["problems"]["errors"]), (&422.into(), &1.into()), "{told}");
    assert_eq!(told["problems"]["problems"][0]["line"], 3);
    assert_eq!(proxy.metric("imapwarden_policy_reloads_total", &[("result", "ok")]), 1.0);
    assert_eq!(proxy.metric("imapwarden_policy_reloads_total", &[("result", "failed")]), 2.0);

    // Who may not is told so.
    let auditor = by_url(&proxy, "eyes.token", &[]);
    let said = String::from_utf8_lossy(&auditor.stderr).into_owned();
    assert_eq!((auditor.status.code(), said.as_str()), (Some(1), "the role of this token does not allow that\n"));
    ann.logout();
    let records = proxy.stop();
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).cloned().collect::<Vec<_>>();
    let said = |record: &serde_json::Value| {
        let data = &record["data"];
        let word = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {} {} {} {} {}",
            record["code"].as_str().unwrap_or_default(),
            word("who"),
            word("role"),
            word("method"),
            word("route"),
            data["status"]
        )
    };
    let calls: Vec<String> = of("admin.action").iter().map(said).filter(|call| call.contains("/api/")).collect();
    assert_eq!(
        calls,
        [
            "AD100I admin admin POST /api/v1/reload 200",
            "AD100W on-call operator POST /api/v1/reload 422",
            "AD100W on-call operator POST /api/v1/reload 422",
            "AD100W eyes auditor POST /api/v1/reload 403",
        ]
    );
    assert_eq!(of("policy.load")[1]["data"]["by"], "api");
    assert_eq!(of("policy.load_failed")[0]["data"]["by"], "api");
}

#[test]
fn tokens_are_read_anew_too() {
    let (_dovecot, mut proxy) = with_tokens();
    proxy.place().write("old.token", ON_CALL);
    proxy.place().write("on-call.token", "another-another-another\n");
    assert_eq!(by_url(&proxy, "on-call.token", &[]).status.code(), Some(1), "not yet");
    assert_eq!(by_url(&proxy, "old.token", &[]).status.code(), Some(0));
    assert_eq!(by_url(&proxy, "old.token", &[]).status.code(), Some(1), "no longer");
    assert_eq!(by_url(&proxy, "on-call.token", &[]).status.code(), Some(0));
    // A token that is none keeps what runs as it is.
    proxy.place().write("on-call.token", "short\n");
    let refused = by_config(&proxy, &[]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no token of 16 characters"), "{refused:?}");
    proxy.stop();
}

#[test]
fn without_a_token_nothing_is_reloaded() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(NOTHING).start();
    let refused = by_config(&proxy, &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("`[admin]` names no token that may do that") && said.contains("token_file = "), "{said}");
    proxy.place().write("guess", "guess-guess-guess-guess\n");
    let guessed = by_url(&proxy, "guess", &[]);
    assert_eq!(String::from_utf8_lossy(&guessed.stderr), "this token is not known\n");
    let away = run(tool(PROGRAM)
        .args(["reload", "--admin", "http://127.0.0.1:1", "--token-file"])
        .arg(proxy.place().path("guess")));
    assert!(String::from_utf8_lossy(&away.stderr).contains("no proxy answers at 127.0.0.1:1"), "{away:?}");
    assert_eq!(away.status.code(), Some(1));
    proxy.stop();
}

#[test]
fn a_proxy_that_stops_reloads_nothing() {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).rules(NOTHING).in_admin("token_file = \"admin.token\"");
    let settings = settings.file("admin.token", ADMIN).in_limits("drain_delay = \"10m\"\ndrain_window = \"10m\"");
    let mut proxy = settings.start();
    proxy.process().signal(Signal::TERM);
    let admin = proxy.admin();
    until("it drains", || get(admin, "/readyz").filter(|(status, _)| *status == 503));
    let refused = by_config(&proxy, &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("nothing was reloaded: the proxy stops"), "{said}");
    proxy.process().signal(Signal::TERM);
    proxy.ended_well();
}

#[test]
fn reloads_one_after_the_other_lose_no_session() {
    const RELOADS: usize = 12;
    let (_dovecot, mut proxy) = with_tokens();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    std::thread::scope(|scope| {
        for _ in 0..RELOADS {
            scope.spawn(|| assert_eq!(by_config(&proxy, &[]).status.code(), Some(0)));
        }
        for _ in 0..50 {
            ann.run("UID FETCH 1:* (FLAGS)").ok();
        }
    });
    ann.run("STORE 1 +FLAGS (\\Flagged)").ok();
    ann.logout();
    let records = proxy.stop();
    let loads = records.iter().filter(|record| record["type"] == "policy.load").count();
    assert_eq!(loads, RELOADS + 1);
}

fn with_tokens() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).rules(NOTHING).in_admin(TOKENS);
    let settings = settings.file("admin.token", ADMIN).file("on-call.token", ON_CALL);
    (dovecot, settings.file("eyes.token", "eyes-eyes-eyes-eyes").start())
}

fn by_config(proxy: &Proxy, more: &[&str]) -> Output {
    run(tool(PROGRAM).args(["reload", "--config"]).arg(proxy.place().path("imapwarden.toml")).args(more))
}

fn by_url(proxy: &Proxy, token: &str, more: &[&str]) -> Output {
    let url = format!("http://{}", proxy.admin());
    run(tool(PROGRAM).args(["reload", "--admin", &url, "--token-file"]).arg(proxy.place().path(token)).args(more))
}

fn run(command: &mut std::process::Command) -> Output {
    output(command)
}
