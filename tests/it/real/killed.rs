//! SIGKILL under load, again and again: what clients and the upstream saw has its record, and the log goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use super::client::Client;
use super::dovecot::Dovecot;
use super::place::{Signal, until};
use super::proxy::{Proxy, Settings};

/// Kills, each after so many commands of all clients together, and a random time. Where a process can be killed at all its calls
/// say ([`super::traced`]): this is about what is left then, and about the next start.
const KILLS: [usize; 24] = [1, 2, 3, 5, 6, 7, 9, 11, 12, 14, 15, 18, 21, 24, 27, 30, 33, 37, 41, 46, 52, 61, 80, 120];
const CLIENTS: usize = 3;

#[test]
fn nothing_was_read_or_changed_without_a_record_before_it() {
    for durability in ["batched", "strict"] {
        let dovecot = Dovecot::start(&["ann"]);
        let mut proxy = Settings::before(&dovecot).signed().in_audit(&format!("durability = \"{durability}\"")).start();
        proxy.killed = true;
        // How often content of each UID reached a client.
        let mut read: BTreeMap<String, usize> = BTreeMap::new();
        for (round, after) in KILLS.into_iter().enumerate() {
            for uid in load_then_kill(&mut proxy, round, after) {
                *read.entry(uid).or_default() += 1;
            }
            let verified = proxy.verify();
            let said = String::from_utf8_lossy(&verified.stdout);
            assert_eq!(verified.status.code(), Some(3), "{durability}, kill {round}: {said}");
            compare(&proxy.records(), &read, &dovecot, &format!("{durability}, kill {round}"));
            proxy.run_again();
        }
        let records = proxy.stop();
        compare(&records, &read, &dovecot, durability);
        let numbers: Vec<_> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{durability}: numbers are missing");
        let starts = records.iter().filter(|record| record["type"] == "audit.open");
        assert!(starts.clone().all(|open| open["data"]["durability"] == durability));
        assert!(starts.count() > KILLS.len());
    }
}

/// The UIDs of which content came to a client, each as often as it came.
fn load_then_kill(proxy: &mut Proxy, round: usize, after: usize) -> Vec<String> {
    let (over, commands) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = proxy.login("ann");
            client.run("SELECT INBOX").ok();
            load(client, format!("Box-{round}-{number}"), Arc::clone(&over), Arc::clone(&commands))
        })
        .collect();
    until("commands were done", || (commands.load(Ordering::Relaxed) >= after).then_some(()));
    // Somewhere between two commands or in one: each run of this test adds other places.
    let moment = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), round) % 3_000;
    let until = std::time::Instant::now() + std::time::Duration::from_micros(moment);
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
    proxy.process().signal(Signal::KILL);
    proxy.process().wait();
    over.store(true, Ordering::Relaxed);
    clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
}

/// Reads and changes until the connection ends.
fn load(
    mut client: Client,
    name: String,
    over: Arc<AtomicBool>,
    commands: Arc<AtomicUsize>,
) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut read = Vec::new();
        for n in 0.. {
            let uid = (n % 6 + 1).to_string();
            let heard = run(&mut client, &format!("x UID FETCH {uid} (UID BODY.PEEK[])\r\n"));
            let times = heard.windows(8).filter(|octets| octets == b"BODY[] {").count();
            read.extend(std::iter::repeat_n(uid, times));
            run(&mut client, &format!("x CREATE {name}-{n}\r\n"));
            commands.fetch_add(1, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                return read;
            }
        }
        read
    })
}

/// All that is heard until the answer, or the end.
fn run(client: &mut Client, command: &str) -> Vec<u8> {
    client.say_if_heard(command.as_bytes());
    let mut heard = Vec::new();
    while client.read_more() {
        heard.extend(client.take_heard());
        let answered = |octets: &[u8]| octets == b"\nx " || octets == b"x OK" || octets == b"x NO";
        if heard.starts_with(b"x ") || heard.windows(3).any(answered) {
            break;
        }
    }
    heard.extend(client.take_heard());
    heard
}

/// What was read and what there is against what the log announced.
fn compare(records: &[Value], read: &BTreeMap<String, usize>, dovecot: &Dovecot, when: &str) {
    let intents = |kind: &str| {
        let kind = kind.to_owned();
        records.iter().filter(move |record| record["stage"] == "intent" && record["type"] == kind)
    };
    for (uid, times) in read {
        let announced = intents("message.read").filter(|record| record["data"]["uids"] == **uid).count();
        assert!(*times <= announced, "{when}: UID {uid} was read {times} times, announced {announced} times");
    }
    let announced: BTreeSet<&str> =
        intents("mailbox.change").filter_map(|record| record["mailbox"]["name"].as_str()).collect();
    let mut straight = dovecot.login("ann");
    let there = straight.run("LIST \"\" Box-*").ok().names();
    straight.logout();
    let unsaid: Vec<_> = there.iter().filter(|name| !announced.contains(name.as_str())).collect();
    assert!(unsaid.is_empty(), "{when}: created without a word of it before: {unsaid:?}");
    assert!(!there.is_empty() && !read.is_empty(), "{when}: something was done");
}
