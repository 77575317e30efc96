//! When something is broken: upstreams that die, fall silent or lie. What was not done is never OK.

use super::client::Client;
use super::dovecot::Dovecot;
use super::proxy::{Proxy, Settings};
use super::script::{Reply, serve};

/// What the client says, what the upstream does about it.
type Row = (&'static str, &'static str, fn(&str) -> Reply);

const ROWS: &[Row] = &[
    ("dies inside a literal", "FETCH 1 (UID BODY.PEEK[])", |command| {
        if command.contains("BODY") {
            Reply::SayAndClose("* 1 FETCH (UID 21 BODY[] {1000}\r\n0123456789")
        } else {
            Reply::Say("* 1 FETCH (UID 21)\r\n{tag} OK done\r\n")
        }
    }),
    ("dies inside a line", "NOOP", |_| Reply::SayAndClose("* 4 EXI")),
    ("dies instead of the tagged answer", "LIST \"\" *", |_| Reply::SayAndClose("* LIST () \"/\" INBOX\r\n")),
    ("dies before a word", "LIST \"\" *", |_| Reply::SayAndClose("")),
    ("says BYE", "STATUS INBOX (MESSAGES)", |_| Reply::SayAndClose("* BYE going down\r\n")),
    ("falls silent", "NOOP", |_| Reply::Nothing),
    ("falls silent inside a literal", "UID FETCH 21 (UID BODY.PEEK[])", |_| {
        Reply::Say("* 1 FETCH (UID 21 BODY[] {1000}\r\n0123456789")
    }),
    ("answers another tag", "NOOP", |_| Reply::SayAndClose("zz99 OK done\r\n")),
];

#[test]
fn a_command_that_the_upstream_did_not_complete_never_ends_in_ok() {
    for (what, command, answer) in ROWS {
        let mut proxy = before(*answer);
        let mut client = proxy.login("ann");
        client.run("SELECT INBOX").ok();
        client.say(format!("x {command}\r\n"));
        while client.read_more() {}
        let heard = super::client::text(&client.take_heard());
        assert!(!heard.contains("x OK"), "upstream {what}: {heard}");
        // Inside a literal no BYE can be said: it would be read as mail.
        let inside = what.contains("literal");
        assert!(inside || heard.contains("* BYE"), "upstream {what}: no BYE in {heard:?}");
        assert!(!inside || heard.ends_with("0123456789"), "upstream {what}: {heard:?}");
        let close = proxy.record("session.close", |record| record["type"] == "session.close");
        assert_ne!(close["data"]["by"], "client", "upstream {what}: {close}");
        proxy.stop();
    }
}

#[test]
fn a_read_that_was_cut_is_recorded_with_the_octets_that_came() {
    let mut proxy = before(ROWS[0].2);
    let mut client = proxy.login("ann");
    client.run("SELECT INBOX").ok();
    client.say("x FETCH 1 (BODY.PEEK[])\r\n");
    while client.read_more() {}
    let records = proxy.stop();
    let read = records.iter().find(|r| r["type"] == "message.read" && r["stage"] == "done").expect("a done record");
    let message = &read["data"]["msgs"][0];
    assert_eq!(read["result"]["status"], "CUT", "{read}");
    assert_eq!(
        (message["uid"].as_u64(), message["cls"].as_str(), message["bytes"].as_u64()),
        (Some(21), Some("part"), Some(10)),
        "{read}"
    );
}

#[test]
fn a_dovecot_that_ends_says_so_to_idle_sessions_and_the_next_login_is_unavailable() {
    let mut dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    let mut client = proxy.login("ann");
    client.run("SELECT INBOX").ok();
    let tag = client.send("IDLE");
    assert_eq!(client.response().as_deref(), Some(b"+ idling".as_slice()));
    dovecot.stop();
    let heard = client.rest();
    assert!(heard.iter().any(|line| line.starts_with("* BYE")), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with(&format!("{tag} OK"))), "{heard:?}");
    let mut next = Client::tls(proxy.imaps(), &proxy.ca());
    next.run("LOGIN ann canary-ann").no("[UNAVAILABLE]");
    assert_eq!(proxy.metric("imapwarden_upstream_up", &[("upstream", "main")]), 0.0);
    let refused = [("upstream", "main"), ("reason", "refused")];
    assert_eq!(proxy.metric("imapwarden_upstream_errors_total", &refused), 1.0);
    proxy.stop();
}

#[test]
fn what_is_no_command_is_refused_and_never_goes_up() {
    let mut proxy = before(|command: &str| {
        assert!(command.starts_with("NOOP"), "this went up: {command}");
        Reply::Say("{tag} OK done\r\n")
    });
    for garbage in [
        "FROBNICATE 1",
        "FETCH 1",
        "SELECT",
        "FETCH 1 (BODY[)",
        "STORE 1 FLAGS",
        "UID FETCH x FLAGS",
        "LOGIN a b",
        "XLIST2 \"\" *",
    ] {
        let mut client = proxy.login("ann");
        client.run("SELECT INBOX").ok();
        client.run(garbage).bad();
        client.run("NOOP").ok();
        client.logout();
    }
    for torn in
        ["a NOOP\nb NOOP\r\n", "a NOOP\0\r\n", "a SELECT {99999999999999999999}\r\n", "\r\n\r\n\r\na LIST \"\" {4\r\n"]
    {
        let mut client = proxy.login("ann");
        client.say(torn);
        client.say_if_heard(b"z LOGOUT\r\n");
        let heard = client.rest();
        assert!(!heard.iter().any(|line| line.starts_with("a OK")), "{torn:?}: {heard:?}");
    }
    // Who sends nothing else is shown the door.
    let mut client = proxy.login("ann");
    client.say("garbage\r\n".repeat(50));
    assert!(client.rest().iter().any(|line| line.starts_with("* BYE")));
    let records = proxy.stop();
    assert!(records.iter().any(|record| record["type"] == "protocol.fault" && record["data"]["side"] == "client"));
}

#[test]
fn an_append_that_is_refused_does_not_become_commands() {
    let rules = "[[rule]]\nid = \"no-append\"\nrights = \"read-only\"\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let mut client = proxy.login("ann");
    // Sends the literal although nobody asked for it: its lines are mail.
    client.say("a APPEND INBOX {44}\r\nx CREATE Smuggled\r\ny CREATE Smuggled2\r\nz NOOP\r\n");
    client.say_if_heard(b"q LOGOUT\r\n");
    let heard = client.rest();
    assert!(heard.iter().any(|line| line.starts_with("a NO")), "{heard:?}");
    let names = dovecot.login("ann").run("LIST \"\" *").ok().names();
    assert!(!names.iter().any(|name| name.starts_with("Smuggled")), "{names:?}");
    proxy.stop();
}

fn before(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Proxy {
    let limits = "drain_delay = \"0s\"\ndrain_window = \"1s\"\nupstream_timeout = \"2s\"";
    Settings::before_clear(serve(answer)).in_limits(limits).start()
}
