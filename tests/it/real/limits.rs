//! Limits before a real Dovecot: what is kept from a client, what stays unread, and what comes all the same.

use super::client::{Answer, Client};
use super::dovecot::Dovecot;
use super::proxy::{Proxy, Settings};

/// Octets of each message that a test appends.
const SIZE: usize = 10_000;

#[test]
fn what_a_download_budget_keeps_back_stays_unread() {
    let (dovecot, mut proxy) = under("download = \"25 kB/day\"");
    let mut ann = with_messages(&proxy, &dovecot, 3);
    let answer = ann.run("FETCH 1:3 BODY[]").no("[LIMIT]");
    assert_eq!(delivered(&answer), ["1", "2"], "{:?}", answer.lines());
    assert_eq!(seen(&dovecot), [true, true, false]);
    // Spent by all sessions of a user, whatever is asked for; lists are free.
    let mut again = proxy.login("ann");
    again.run("EXAMINE Large").ok();
    assert_eq!(delivered(&again.run("UID FETCH 3 RFC822").no("[LIMIT]")), [""; 0]);
    for free in ["FETCH 1:* (UID FLAGS RFC822.SIZE)", "SEARCH UNSEEN", "STATUS Large (MESSAGES)"] {
        again.run(free).ok();
    }
    // Another user has a budget of her own.
    let mut bob = proxy.login("bob");
    bob.run("SELECT INBOX").ok();
    bob.run("FETCH 1 BODY[]").ok();
    let hit = proxy.record("the limit", |record| record["type"] == "limit.hit");
    assert_eq!(
        (hit["data"]["kind"].as_str(), hit["data"]["rule"].as_str()),
        (Some("download"), Some("limits")),
        "{hit}"
    );
    [ann, again, bob].into_iter().for_each(Client::logout);
    proxy.stop();
}

#[test]
fn a_message_larger_than_the_whole_budget_is_read_in_slices_only() {
    let (dovecot, mut proxy) = under("download = \"8 kB/day\"");
    let mut ann = with_messages(&proxy, &dovecot, 1);
    assert_eq!(delivered(&ann.run("FETCH 1 BODY[]").no("[LIMIT]")), [""; 0]);
    assert_eq!(seen(&dovecot), [false]);
    // Nothing of the budget is lost to what was not delivered.
    assert_eq!(delivered(&ann.run("FETCH 1 BODY[]<0.4000>").ok()), ["1"]);
    assert_eq!(delivered(&ann.run("FETCH 1 BODY[]<4000.3500>").ok()), ["1"]);
    assert_eq!(delivered(&ann.run("FETCH 1 BODY[]<7500.4000>").no("[LIMIT]")), [""; 0]);
    ann.logout();
    proxy.stop();
}

#[test]
fn messages_are_counted_and_what_is_over_stays_unread() {
    let (dovecot, mut proxy) = under("messages = \"2/day\"");
    let mut ann = with_messages(&proxy, &dovecot, 4);
    ann.run("UID FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])").ok();
    let answer = ann.run("UID FETCH 1:4 (FLAGS BODY[TEXT])").no("[LIMIT]");
    assert_eq!(delivered(&answer), ["1", "2"]);
    let marked = answer.lines().iter().filter(|line| line.contains("\\Seen")).count();
    assert_eq!(marked, 2, "the client hears that they are marked: {:?}", answer.lines());
    assert_eq!(seen(&dovecot), [true, true, false, false]);
    ann.run("FETCH 3 BODY.PEEK[1]").no("[LIMIT]");
    ann.logout();
    proxy.stop();
}

#[test]
fn large_messages_are_neither_read_nor_put_anywhere() {
    let (dovecot, mut proxy) = under("message_size = \"9 kB\"");
    let mut ann = with_messages(&proxy, &dovecot, 2);
    straight(&dovecot, &["APPEND Large {5+}\r\nsmall"]);
    ann.run("NOOP").ok();
    let answer = ann.run("FETCH 1:* BODY[]").no("[TOOBIG]");
    assert_eq!(delivered(&answer), ["3"]);
    assert_eq!(seen(&dovecot), [false, false, true]);
    for form in ["FETCH 1 BODY[]<0.10>", "FETCH 1 BODY.PEEK[1]", "UID FETCH 1 RFC822.TEXT", "FETCH 1 BINARY.PEEK[1]"] {
        assert_eq!(delivered(&ann.run(form).no("[TOOBIG]")), [""; 0], "{form}");
    }
    ann.run("FETCH 1 (RFC822.SIZE ENVELOPE BODY.PEEK[HEADER])").ok();
    let large = "x".repeat(9_001);
    ann.run("APPEND Large {9001}").no("[TOOBIG]");
    ann.run(&format!("APPEND Large {{9001+}}\r\n{large}")).no("[TOOBIG]");
    // A large message behind small ones: none of them is stored.
    let several: [&[u8]; 4] = [b"APPEND Large {5}", b"small {5}", b"small {9001}", large.as_bytes()];
    ann.run_parts(&several).no("[TOOBIG]");
    ann.run(&format!("APPEND Large {{5+}}\r\nsmall {{9001+}}\r\n{large} {{5+}}\r\nsmall")).no("[TOOBIG]");
    assert_eq!(ann.run("STATUS INBOX (UNSEEN)").ok().lines().len(), 1, "the session goes on");
    assert_eq!(seen(&dovecot), [false, false, true]);
    let hits = proxy.records().iter().filter(|record| record["type"] == "limit.hit").count();
    assert!(hits >= 8, "only {hits} records of limits");
    ann.logout();
    proxy.stop();
}

#[test]
fn commands_and_sessions_are_counted() {
    let (dovecot, mut proxy) = under("commands = \"5/day\", sessions = 2");
    let mut ann = proxy.login("ann");
    let mut second = proxy.login("ann");
    let mut third = Client::tls(proxy.imaps(), &proxy.ca());
    third.run(&format!("LOGIN ann {}", super::dovecot::password("ann"))).no("[LIMIT]");
    let bob = proxy.login("bob");
    for _ in 0..2 {
        ann.run("NOOP").ok();
        second.run("SELECT INBOX").ok();
    }
    ann.run("CAPABILITY").ok();
    for (at, command) in ["NOOP", "SELECT INBOX", "LIST \"\" *", "ID NIL", "IDLE"].iter().enumerate() {
        [&mut ann, &mut second][at % 2].run(command).no("[LIMIT]");
    }
    ann.logout();
    third.run(&format!("LOGIN ann {}", super::dovecot::password("ann"))).ok();
    [second, third, bob].into_iter().for_each(Client::logout);
    proxy.stop();
    drop(dovecot);
}

fn under(limit: &str) -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let rules = format!("[[rule]]\nid = \"limits\"\nlimit = {{ {limit} }}\n");
    let proxy = Settings::before(&dovecot).rules(&rules).start();
    (dovecot, proxy)
}

/// Ann, with a mailbox of so many large messages open.
fn with_messages(proxy: &Proxy, dovecot: &Dovecot, count: usize) -> Client {
    let message = format!("Subject: large\r\n\r\n{}", "x".repeat(SIZE - 18));
    let append = format!("APPEND Large {{{SIZE}+}}\r\n{message}");
    let commands: Vec<&str> = std::iter::once("CREATE Large").chain((0..count).map(|_| &*append)).collect();
    straight(dovecot, &commands);
    let mut ann = proxy.login("ann");
    ann.run("SELECT Large").ok();
    ann
}

fn straight(dovecot: &Dovecot, commands: &[&str]) {
    let mut straight = dovecot.login("ann");
    for command in commands {
        straight.run(command).ok();
    }
    straight.logout();
}

/// Numbers of the messages of which content came.
fn delivered(answer: &Answer) -> Vec<String> {
    let content = |line: &&String| line.contains("BODY[") || line.contains("RFC822") || line.contains("BINARY[");
    let number = |line: &String| line.split(' ').nth(1).unwrap_or_default().to_owned();
    answer.lines().iter().filter(content).map(number).collect()
}

/// Which messages are marked as read, seen past the proxy.
fn seen(dovecot: &Dovecot) -> Vec<bool> {
    let mut straight = dovecot.login("ann");
    straight.run("EXAMINE Large").ok();
    let flags = straight.run("FETCH 1:* (FLAGS)").ok();
    straight.logout();
    flags.starting("* ").iter().filter(|line| line.contains("FETCH")).map(|line| line.contains("\\Seen")).collect()
}
