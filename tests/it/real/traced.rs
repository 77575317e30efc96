//! What goes first, by the calls that the program makes: no octet of mail reaches a client, and no change the upstream, before the
//! record of it stands, in the kernel or (`durability = "strict"`) on the disk. Whoever is killed has made the calls up to some
//! place in this list: so it holds for SIGKILL at each of them.
//!
//! ```text
//!   pwrite64(segment, … "stage":"intent" …) ─▶ fdatasync(segment) = 0 ─▶ sendto(upstream, "t7 UID FETCH …") ─▶ sendto(client, "* 1 FETCH …
//!   pwrite64(segment, … "stage":"done" …)   ─▶ fdatasync(segment) = 0 ─▶ sendto(client, "read-4 OK …")
//! ```

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::client::Client;
use super::dovecot::{Dovecot, password};
use super::place::until;
use super::proxy::{Proxy, Settings};
use super::trace::{Call, calls};

/// Each client has an account of its own: of several in one, Dovecot may find the folder that one of them is creating before that is
/// done, and say that it exists.
const CLIENTS: [&str; 3] = ["ann", "bob", "cid"];
const ROUNDS: usize = 12;

/// What somebody did: `read 4`, `create Box-0-1`. Tags of clients are its words.
type Deed = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    InTheKernel,
    OnDisk,
}

#[test]
fn the_record_is_on_disk_before_anything_moves() {
    let told = traced("strict");
    let seen = Seen::of(&calls(&told.trace), told.upstream, told.client);
    seen.holds_all(&told.got);
    assert_eq!(seen.early(Stands::OnDisk), [""; 0]);
}

#[test]
fn the_record_is_in_the_kernel_before_anything_moves() {
    let told = traced("batched");
    let seen = Seen::of(&calls(&told.trace), told.upstream, told.client);
    seen.holds_all(&told.got);
    assert_eq!(seen.early(Stands::InTheKernel), [""; 0]);
    // The disk is not waited for: were it to be, that would be found.
    assert!(!seen.early(Stands::OnDisk).is_empty());
    // And records that come too late are, each of them.
    let mut late = calls(&told.trace);
    let end = late.last().map_or(0, |call| call.ended);
    for call in late.iter_mut().filter(|call| call.name == "pwrite64") {
        (call.began, call.ended) = (end + 1, end + 1);
    }
    let early = Seen::of(&late, told.upstream, told.client).early(Stands::InTheKernel);
    assert_eq!(early.len(), 3 * told.got.values().sum::<usize>() - told.changes);
}

/// How it came out.
struct Told {
    trace: String,
    upstream: u16,
    client: u16,
    /// Reads that clients have had, and changes that were done, each as often as it was.
    got: BTreeMap<Deed, usize>,
    changes: usize,
}

fn traced(durability: &str) -> Told {
    let dovecot = Dovecot::start(&CLIENTS);
    let settings = Settings::before_clear(dovecot.imap()).in_audit(&format!("durability = \"{durability}\""));
    let mut proxy = settings.traced().start();
    let clients: Vec<_> = (CLIENTS.iter().enumerate())
        .map(|(number, user)| {
            let mut client = Client::clear(proxy.clear());
            client.run(&format!("LOGIN {user} {}", password(user))).ok();
            client.run("SELECT INBOX").ok();
            std::thread::spawn(move || deeds(client, number))
        })
        .collect();
    let mut got = BTreeMap::new();
    for deed in clients.into_iter().flat_map(|client| client.join().expect("a client")) {
        *got.entry(deed).or_default() += 1;
    }
    let changes = got.iter().filter(|(deed, _)| !deed.starts_with("read")).map(|(_, times)| *times).sum();
    proxy.stop();
    let (upstream, client) = (dovecot.imap().port(), proxy.clear().port());
    Told { trace: trace_of(&proxy), upstream, client, got, changes }
}

/// The trace, once strace has written all of it.
fn trace_of(proxy: &Proxy) -> String {
    let file = proxy.place().path("trace");
    until("strace ends", || {
        let trace = fs::read(&file).ok()?;
        let last = trace.trim_ascii_end().rsplit(|octet| *octet == b'\n').next()?;
        String::from_utf8_lossy(last).contains("+++ exited").then(|| String::from_utf8_lossy(&trace).into_owned())
    })
}

/// Reads and changes, some of them in one segment, each under a tag that says what it is.
fn deeds(mut client: Client, number: usize) -> Vec<Deed> {
    let mut done = Vec::new();
    for round in 0..ROUNDS {
        let uid = [1, 2, 3, 5, 6][(round + number) % 5];
        let (flagged, name) = ((round + 1) % 3 + 1, format!("Box-{number}-{round}"));
        let commands = [
            (format!("read {uid}"), format!("UID FETCH {uid} (UID BODY.PEEK[])")),
            (format!("flag {flagged}"), format!("UID STORE {flagged} +FLAGS.SILENT (\\Flagged)")),
            (format!("create {name}"), format!("CREATE {name}")),
            (format!("copy {uid}"), format!("UID COPY {uid} Trash")),
            (format!("append {name}"), format!("APPEND {name} {{8+}}\r\na: b\r\n\r\n")),
            (format!("read {uid}"), format!("UID FETCH {uid} (UID BODY.PEEK[])")),
        ];
        let tag = |deed: &str| deed.replace(' ', "_");
        let lines: Vec<String> = commands.iter().map(|(deed, line)| format!("{} {line}\r\n", tag(deed))).collect();
        // One after the other, or pipelined.
        for lines in lines.chunks(if round % 2 == 0 { 1 } else { 2 }) {
            client.say(lines.concat());
            for _ in lines {
                while let Some(response) = client.response() {
                    let response = super::client::text(&response);
                    if !response.starts_with("* ") {
                        assert!(response.contains(" OK "), "{response}");
                        break;
                    }
                }
            }
        }
        done.extend(commands.into_iter().map(|(deed, _)| deed));
    }
    client.logout();
    done
}

/// When something happened, as line of the trace.
type Moments = BTreeMap<Deed, Vec<usize>>;

/// What a trace tells.
#[derive(Debug, Default)]
struct Seen {
    /// Records of what is about to be done, and of what was: in the kernel, and on disk.
    intents: [Moments; 2],
    dones: [Moments; 2],
    /// Commands that went up.
    commands: Moments,
    /// Mail whose first octet went to a client.
    mail: Moments,
    /// Answers.
    answers: Moments,
}

impl Seen {
    fn of(calls: &[Call], upstream: u16, client: u16) -> Self {
        let mut seen = Self::default();
        for call in calls.iter().filter(|call| call.name == "pwrite64" && call.on.ends_with(".jsonl")) {
            seen.records(call, calls);
        }
        let is_upstream = |on: &str| on.ends_with(&format!("->127.0.0.1:{upstream}]"));
        let is_client = |on: &str| on.contains(&format!(":{client}->"));
        for (on, stream) in streams(calls) {
            if is_upstream(&on) {
                stream.lines(|at, line| note(&mut seen.commands, command_in(line), at));
            } else if is_client(&on) {
                stream.lines(|at, line| {
                    note(&mut seen.mail, mail_in(line), at);
                    note(&mut seen.answers, answer_in(line), at);
                });
            }
        }
        seen
    }

    fn records(&mut self, written: &Call, calls: &[Call]) {
        let synced = |call: &&Call| {
            matches!(call.name.as_str(), "fdatasync" | "fsync") && call.on == written.on && call.began > written.ended
        };
        let on_disk = calls.iter().filter(synced).map(|call| call.ended).min();
        for line in written.octets.split(|octet| *octet == b'\n') {
            let Ok(record) = serde_json::from_slice::<Value>(line) else { continue };
            let Some(deed) = deed_of(&record) else { continue };
            let all = match record["stage"].as_str() {
                Some("intent") => &mut self.intents,
                Some("done") => &mut self.dones,
                _ => continue,
            };
            for (moments, at) in all.iter_mut().zip([Some(written.ended), on_disk]) {
                note(moments, Some(deed.clone()), at.unwrap_or(usize::MAX));
            }
        }
    }

    /// Is all of it in the trace that was done?
    fn holds_all(&self, got: &BTreeMap<Deed, usize>) {
        let times = |moments: &Moments, deed: &str| moments.get(deed).map_or(0, Vec::len);
        for (deed, expected) in got {
            let mail = if deed.starts_with("read") { times(&self.mail, deed) } else { *expected };
            let seen = [times(&self.commands, deed), mail, times(&self.answers, deed)];
            assert_eq!(seen, [*expected; 3], "{deed}: went up, came down, was answered");
        }
        let moved = [&self.commands, &self.mail, &self.answers];
        let places: usize = moved.iter().flat_map(|moments| moments.values().map(Vec::len)).sum();
        assert!(places >= 500, "{places} places at which it matters where it is killed");
    }

    /// What moved before its record stood. The n-th of a deed is behind the n-th record of it.
    fn early(&self, stands: Stands) -> Vec<String> {
        let at = usize::from(stands == Stands::OnDisk);
        let pairs = [
            ("went up", &self.commands, &self.intents[at]),
            ("came down", &self.mail, &self.intents[at]),
            ("was answered", &self.answers, &self.dones[at]),
        ];
        let mut early = Vec::new();
        for (what, moved, recorded) in pairs {
            for (deed, moments) in moved {
                let mut stood = recorded.get(deed).cloned().unwrap_or_default();
                stood.sort_unstable();
                for (n, moment) in moments.iter().enumerate() {
                    if stood.get(n).is_none_or(|stood| stood >= moment) {
                        early.push(format!(
                            "{deed}, number {n}, {what} at line {moment}, recorded at {:?}",
                            stood.get(n)
                        ));
                    }
                }
            }
        }
        early
    }
}

fn note(moments: &mut Moments, deed: Option<Deed>, at: usize) {
    if let Some(deed) = deed {
        let all = moments.entry(deed).or_default();
        all.push(at);
        all.sort_unstable();
    }
}

/// All octets that went over a connection, and where each piece began.
#[derive(Debug, Default)]
struct Stream {
    octets: Vec<u8>,
    pieces: Vec<(usize, usize)>,
}

impl Stream {
    fn lines(&self, mut see: impl FnMut(usize, &str)) {
        let mut from = 0;
        for line in self.octets.split_inclusive(|octet| *octet == b'\n') {
            let piece = self.pieces.partition_point(|(begin, _)| *begin <= from) - 1;
            see(self.pieces[piece].1, String::from_utf8_lossy(line).trim_end());
            from += line.len();
        }
    }
}

fn streams(calls: &[Call]) -> BTreeMap<String, Stream> {
    let mut streams: BTreeMap<String, Stream> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.on.starts_with("TCP:") && !call.octets.is_empty()) {
        let stream = streams.entry(call.on.clone()).or_default();
        stream.pieces.push((stream.octets.len(), call.began));
        stream.octets.extend(&call.octets);
    }
    streams
}

fn deed_of(record: &Value) -> Option<Deed> {
    let data = &record["data"];
    let uid = || match record["stage"].as_str() {
        Some("done") if record["type"] == "message.read" => data["msgs"][0]["uid"].to_string(),
        _ => data["uids"].as_str().unwrap_or_default().to_owned(),
    };
    let name = || record["mailbox"]["name"].as_str().unwrap_or_default().to_owned();
    Some(match record["type"].as_str()? {
        "message.read" => format!("read {}", uid()),
        "message.flag" => format!("flag {}", uid()),
        "message.copy" => format!("copy {}", uid()),
        "mailbox.change" => format!("create {}", name()),
        "message.append" => format!("append {}", name()),
        _ => return None,
    })
}

/// `t7 UID FETCH 4 (UID BODY.PEEK[])`, as it goes up.
fn command_in(line: &str) -> Option<Deed> {
    let words: Vec<&str> = line.split(' ').collect();
    Some(match words.as_slice() {
        [_, "UID", "FETCH", uid, "(UID", "BODY.PEEK[])"] => format!("read {uid}"),
        [_, "UID", "STORE", uid, ..] => format!("flag {uid}"),
        [_, "UID", "COPY", uid, ..] => format!("copy {uid}"),
        [_, "CREATE", name] => format!("create {}", name.trim_matches('"')),
        [_, "APPEND", name, ..] => format!("append {}", name.trim_matches('"')),
        _ => return None,
    })
}

/// `* 4 FETCH (UID 4 BODY[] {21}`
fn mail_in(line: &str) -> Option<Deed> {
    let (head, rest) = line.split_once(" FETCH (UID ")?;
    let (uid, _) = rest.split_once(" BODY[] {")?;
    head.starts_with("* ").then(|| format!("read {uid}"))
}

/// `read_4 OK Fetch completed`
fn answer_in(line: &str) -> Option<Deed> {
    let (tag, _) = line.split_once(" OK ")?;
    let (what, of) = tag.split_once('_')?;
    ["read", "flag", "copy", "create", "append"].contains(&what).then(|| format!("{what} {of}"))
}
