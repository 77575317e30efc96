//! A clock that jumps, under a log that is signed: order is by number, and the log stays whole.

use serde_json::Value;

use super::dovecot::Dovecot;
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

/// Where the clock is while somebody reads the message with that UID.
const JUMPS: [(u32, &str); 5] = [(1, "+0"), (2, "-2h"), (3, "+3d"), (5, "-40d"), (6, "+0")];

fn records_of(proxy: &mut Proxy) -> Vec<Value> {
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    for (uid, clock) in JUMPS {
        proxy.place().write("clock", clock);
        ann.run(&format!("UID FETCH {uid} (BODY.PEEK[])")).ok();
    }
    ann.logout();
    proxy.stop()
}

#[test]
fn a_clock_that_jumps_back_changes_no_order_and_breaks_no_log() {
    let dovecot = Dovecot::start(&["ann"]);
    // With a key: a jump must not look as if notes had been held back.
    let mut proxy = Settings::before(&dovecot).signed().clock().start();
    let records = records_of(&mut proxy);
    let numbers = records.iter().map(|record| record["seq"].as_u64().expect("a number"));
    assert!(numbers.clone().eq(0..records.len() as u64), "{:?}", numbers.collect::<Vec<_>>());
    let intents = records.iter().filter(|record| record["type"] == "message.read" && record["stage"] == "intent");
    let read: Vec<(String, jiff::Timestamp)> = intents
        .map(|record| {
            (record["data"]["uids"].to_string(), record["ts"].as_str().expect("a time").parse().expect("a time"))
        })
        .collect();
    assert_eq!(
        read.iter().map(|(uids, _)| uids.as_str()).collect::<Vec<_>>(),
        JUMPS.map(|(uid, _)| format!("\"{uid}\""))
    );
    let hours = |from: usize, to: usize| (read[to].1.duration_since(read[from].1).as_secs() + 1800).div_euclid(3600);
    assert_eq!([hours(0, 1), hours(1, 2), hours(2, 3), hours(0, 4)], [-2, 74, -43 * 24, 0]);
    // Records that are older than one before them.
    let times: Vec<&str> = records.iter().map(|record| record["ts"].as_str().expect("a time")).collect();
    let back: Vec<usize> =
        (0..times.len()).filter(|at| times[..*at].iter().any(|before| *before > times[*at])).collect();
    assert!(back.len() >= 6, "{times:?}");
    let done = proxy.verify();
    let said = String::from_utf8_lossy(&done.stdout);
    let noted = format!("  clock     {:<8}back in time, first at record {}: order is by number\n", back.len(), back[0]);
    assert!(said.contains(&noted), "{said}");
    assert!(said.contains("signed    ok") && done.status.success(), "{said}");
    let audit = proxy.place().path("audit");
    let report = output(tool(PROGRAM).args(["audit", "report", "reads", "--dir"]).arg(&audit));
    let said = String::from_utf8_lossy(&report.stdout);
    let noted = format!("clock    went back, times {}: order is by number, never by time\n", back.len());
    assert!(said.contains(&noted), "{said}");
    assert!(said.contains("5 messages with content"), "{said}");
}
