//! Messages of any size pass in constant memory.

use std::fs;

use super::client::Client;
use super::dovecot::Dovecot;
use super::place::until;
use super::proxy::Settings;

/// Far more than any buffer; `IMAPWARDEN_TEST_MIB=1024` for the size that is promised.
const MIB: usize = 256;

/// What may be added to the resident memory of a proxy by any number of octets.
const ROOM: u64 = 24 * 1024;

#[test]
fn a_large_append_and_fetch_take_constant_memory() {
    let mib = std::env::var("IMAPWARDEN_TEST_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(MIB);
    let size = mib << 20;
    let dovecot = Dovecot::start(&["ann"]);
    let limits = "drain_delay = \"0s\"\ndrain_window = \"1s\"\nmax_literal = \"2 GiB\"";
    let mut proxy = Settings::before(&dovecot).in_limits(limits).start();
    let mut client = proxy.login("ann");
    client.run("SELECT INBOX").ok();
    client.run("FETCH 4 BODY.PEEK[]").ok(); // warm
    let id = proxy.process().id();
    let before = peak(id);

    // Lines without CR would be changed by Dovecot.
    let block = b"canary-body: sixty-two octets of a message, and CRLF at its end.\r\n".repeat(1 << 14);
    client.say(format!("a APPEND Archive {{{size}}}\r\n"));
    assert_eq!(client.response().as_deref().map(|line| line[0]), Some(b'+'));
    let mut left = size;
    while left > 0 {
        let now = left.min(block.len());
        client.say(&block[..now]);
        left -= now;
    }
    client.say("\r\n");
    let done = super::client::text(&client.response().expect("an answer"));
    assert!(done.starts_with("a OK"), "{done}");
    let appended = peak(id);

    client.run("SELECT Archive").ok();
    client.say("b UID FETCH 4 (BODY.PEEK[])\r\n");
    let mut got = 0;
    let mut end = Vec::new();
    while !end.ends_with(b"\r\n") || !end.windows(5).any(|w| w == b"\nb OK") {
        assert!(client.read_more(), "closed after {got} octets");
        let heard = client.take_heard();
        got += heard.len();
        end.extend_from_slice(&heard);
        end.drain(..end.len().saturating_sub(200));
    }
    assert!(got > size, "{got} octets of {size}");
    let fetched = peak(id);
    client.logout();
    println!("peak resident memory: {before} KiB, {appended} KiB after APPEND, {fetched} KiB after FETCH of {mib} MiB");
    assert!(fetched - before < ROOM, "{before} KiB before, {appended} after APPEND, {fetched} after FETCH");
    let records = proxy.stop();
    let read = records.iter().rev().find(|r| r["type"] == "message.read" && r["stage"] == "done").expect("a read");
    assert_eq!(read["data"]["msgs"][0]["bytes"].as_u64(), Some(size as u64), "{read}");
}

#[test]
fn a_message_beyond_the_limit_is_refused_before_it_is_sent() {
    let dovecot = Dovecot::start(&["ann"]);
    let limits = "drain_delay = \"0s\"\ndrain_window = \"1s\"\nmax_literal = \"1 MiB\"";
    let mut proxy = Settings::before(&dovecot).in_limits(limits).start();
    let mut client = proxy.login("ann");
    let answer = client.run_parts(&[b"APPEND INBOX {1048577}", b""]);
    assert!(answer.status.contains("[TOOBIG]"), "{answer:?}");
    client.run("NOOP").ok();
    client.logout();
    assert_eq!(dovecot.login("ann").run("STATUS INBOX (MESSAGES)").ok().lines(), ["* STATUS INBOX (MESSAGES 6)"]);
    proxy.stop();
}

#[test]
fn idle_sessions_cost_little() {
    const SESSIONS: usize = 100;
    let dovecot =
        Dovecot::start_with(&["ann"], super::dovecot::Names::Slash, "service imap {\n  process_limit = 200\n}\n");
    let mut proxy = Settings::before(&dovecot).start();
    let idle = |client: &mut Client| {
        client.run("SELECT INBOX").ok();
        client.say("i IDLE\r\n");
        assert!(client.response().is_some_and(|line| line.starts_with(b"+")));
    };
    let mut sessions = vec![proxy.login("ann")];
    idle(&mut sessions[0]);
    let before = resident(proxy.process().id());
    for _ in 1..SESSIONS {
        let mut client = proxy.login("ann");
        idle(&mut client);
        sessions.push(client);
    }
    let after = resident(proxy.process().id());
    println!("{} KiB a session", (after - before) / SESSIONS as u64);
    assert!((after - before) / (SESSIONS as u64) < 200, "{before} KiB, then {after} KiB with {SESSIONS} idle sessions");
    assert_eq!(proxy.metric("imapwarden_sessions", &[("state", "idle")]), SESSIONS as f64);
    drop(sessions);
    until("all sessions have ended", || (proxy.metric("imapwarden_sessions", &[]) == 0.0).then_some(()));
    proxy.stop();
}

/// The most memory that a process ever had, in KiB.
fn peak(id: u32) -> u64 {
    memory(id, "VmHWM:")
}

/// Memory that it has now, in KiB.
fn resident(id: u32) -> u64 {
    memory(id, "VmRSS:")
}

fn memory(id: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
