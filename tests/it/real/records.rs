//! The audit log holds what happened: each login, mailbox, message read, change and refusal, by UID and by how much of it.

use std::fs;

use serde_json::{Value, json};

use super::client::Answer;
use super::dovecot::Dovecot;
use super::mail;
use super::proxy::{Proxy, Settings};

#[test]
fn a_session_is_recorded_from_login_to_logout_with_uids_and_octets() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    // The first UIDs go, so that no number of a message is its UID.
    let mut straight = dovecot.login("ann");
    straight.run("SELECT INBOX").ok();
    straight.run("STORE 1 +FLAGS (\\Deleted)").ok();
    straight.run("EXPUNGE").ok();
    straight.logout();

    let mut ann = proxy.login("ann");
    ann.run("ID (\"name\" \"tests\" \"version\" \"1.0\")").ok();
    ann.run("SELECT INBOX").ok();
    ann.run("FETCH 1:3 (FLAGS INTERNALDATE)").ok();
    ann.run("FETCH 1 (UID ENVELOPE)").ok();
    let whole = ann.run("FETCH 3 BODY.PEEK[]").ok().literal();
    let text = ann.run("UID FETCH 5 (BODY[TEXT])").ok().literal();
    let slice = ann.run("UID FETCH 4 (BODY.PEEK[]<10.100>)").ok().literal();
    let hits = ann.run("UID SEARCH BODY canary-body").ok().lines();
    ann.run("STORE 1:2 +FLAGS (\\Flagged mine)").ok();
    let copied = ann.run("COPY 1:2 Archive").ok().status;
    ann.run("UID MOVE 6 Projects/Apollo").ok();
    let appended = ann.run_parts(&[b"APPEND Archive (\\Seen) {6+}", b"canary"]).ok().status;
    ann.run("UID STORE 2 +FLAGS.SILENT (\\Deleted)").ok();
    ann.run("EXPUNGE").ok();
    ann.run("STATUS Archive (MESSAGES UNSEEN)").ok();
    ann.run("CREATE New").ok();
    ann.run("RENAME New Newer").ok();
    ann.run("DELETE Newer").ok();
    ann.run("SELECT Nowhere").no("");
    ann.logout();
    let log = Log(proxy.stop());
    assert_eq!(text.len(), 30);
    assert_eq!((whole.len(), slice.len()), (mail::message("INBOX", 3).len(), 100));
    assert!(copied.contains("COPYUID 1700000001 2:3 4:5"), "{copied}");

    let open = log.one("session.open", |_| true);
    assert_eq!((&open["listener"], &open["client_ip"]), (&json!("imaps"), &json!("127.0.0.1")), "{open}");
    assert_eq!(open["data"]["tls"]["version"], "TLSv1.3", "{open}");
    let login = log.one("auth.success", |_| true);
    assert_eq!(
        (&login["user"], &login["data"]["mech"], &login["upstream"]),
        (&json!("ann"), &json!("LOGIN"), &json!("main"))
    );
    assert_eq!(log.one("client.id", |_| true)["data"]["name"], "tests");
    let opened = log.one("mailbox.open", |r| r["result"]["status"] == "OK");
    assert_eq!(opened["mailbox"], json!({"name": "INBOX", "uidv": mail::UIDVALIDITY}), "{opened}");
    assert_eq!((&opened["data"]["rw"], &opened["data"]["exists"]), (&json!(true), &json!(5)), "{opened}");
    log.one("mailbox.open", |r| r["mailbox"]["name"] == "Nowhere" && r["result"]["status"] == "NO");

    // Reads: `sets` for what is less than a body, `msgs` for bodies.
    let reads: Vec<_> = log.0.iter().filter(|r| r["type"] == "message.read" && r["stage"] == "done").collect();
    assert_eq!(reads.len(), 5, "{reads:#?}");
    assert_eq!(set(reads[0]), ("listed".to_owned(), "2:4".to_owned(), 3), "{}", reads[0]);
    assert_eq!(set(reads[1]), ("envelope".to_owned(), "2".to_owned(), 1), "{}", reads[1]);
    for (read, uid, class, octets) in
        [(reads[2], 4, "full", whole.len()), (reads[3], 5, "part", text.len()), (reads[4], 4, "part", slice.len())]
    {
        let message = &read["data"]["msgs"][0];
        assert_eq!(
            (&message["uid"], &message["cls"], &message["bytes"]),
            (&json!(uid), &json!(class), &json!(octets)),
            "{read}"
        );
        let intent = log.0.iter().find(|r| r["seq"] == read["data"]["intent"]).expect("an intent");
        assert_eq!(
            (&intent["stage"], &intent["data"]["uids"]),
            (&json!("intent"), &json!(uid.to_string())),
            "{intent}"
        );
        assert!(intent["seq"].as_u64() < read["seq"].as_u64());
    }
    let search = log.one("message.search", |_| true);
    assert_eq!((&search["data"]["content"], &search["data"]["keys"]), (&json!(true), &json!(["BODY"])), "{search}");
    let found = hits.iter().find_map(|line| line.strip_prefix("* SEARCH ")).map_or(0, |uids| uids.split(' ').count());
    assert_eq!(search["data"]["hits"], json!(found), "{search} {hits:?}");

    // Changes, by the UIDs that they had and got.
    let flagged = log.done("message.flag", |r| r["data"]["uids"] == "2:3");
    assert_eq!(
        (&flagged["data"]["op"], &flagged["data"]["flags"]),
        (&json!("add"), &json!(["\\Flagged", "mine"])),
        "{flagged}"
    );
    let copy = log.done("message.copy", |r| r["data"]["op"] == "copy");
    assert_eq!(
        (&copy["data"]["dst"], &copy["data"]["uids"], &copy["data"]["dst_uids"]),
        (&json!("Archive"), &json!("2:3"), &json!("4:5")),
        "{copy}"
    );
    let moved = log.done("message.copy", |r| r["data"]["op"] == "move");
    assert_eq!((&moved["data"]["dst"], &moved["data"]["uids"]), (&json!("Projects/Apollo"), &json!("6")), "{moved}");
    let append = log.done("message.append", |_| true);
    assert_eq!((&append["data"]["size"], &append["mailbox"]["name"]), (&json!(6), &json!("Archive")), "{append}");
    assert!(
        appended.contains(&format!("APPENDUID {} {} ", mail::UIDVALIDITY, append["data"]["uid"]).trim_end().to_owned()),
        "{appended} {append}"
    );
    assert_eq!(log.done("message.expunge", |_| true)["data"]["uids"], "2");
    for (op, name) in [("create", "New"), ("rename", "New"), ("delete", "Newer")] {
        assert_eq!(log.done("mailbox.change", |r| r["data"]["op"] == op)["mailbox"]["name"], name);
    }
    log.one("mailbox.status", |r| r["mailbox"]["name"] == "Archive");
    let close = log.one("session.close", |_| true);
    assert_eq!((&close["data"]["by"], &close["data"]["reads"]["full"]), (&json!("client"), &json!(1)), "{close}");
    // Each record of the session has its id, and who it was.
    for record in log.0.iter().filter(|r| r.get("cmd").is_some() && r["type"] != "auth.success") {
        assert_eq!((&record["sid"], &record["user"]), (&open["sid"], &json!("ann")), "{record}");
    }
}

#[test]
fn what_the_log_says_was_read_is_what_the_client_got() {
    const ITEMS: &[&str] = &[
        "FLAGS",
        "RFC822.SIZE",
        "INTERNALDATE",
        "ENVELOPE",
        "BODYSTRUCTURE",
        "BODY.PEEK[HEADER]",
        "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
        "BODY.PEEK[TEXT]",
        "BODY.PEEK[1]",
        "BODY.PEEK[]",
        "BODY.PEEK[]<0.77>",
        "BODY.PEEK[]<5.100000>",
        "BODY.PEEK[TEXT]<0.10>",
        "RFC822.HEADER",
        "RFC822.TEXT",
        "RFC822",
        "BODY[1.MIME]",
        "BODY.PEEK[2]",
    ];
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    let mut random = Random(2024);
    let mut expected = Vec::new();
    for _ in 0..60 {
        // A session each, for intervals add up within one.
        let mut ann = proxy.login("ann");
        ann.run("EXAMINE INBOX").ok();
        let mut items = vec!["UID"];
        items.extend((0..1 + random.below(3)).map(|_| ITEMS[random.below(ITEMS.len())]));
        let first = 1 + random.below(mail::IN_INBOX);
        let last = first + random.below(mail::IN_INBOX + 1 - first);
        let by_uid = ["", "UID "][random.below(2)];
        let command = format!("{by_uid}FETCH {first}:{last} ({})", items.join(" "));
        let answer = ann.run(&command).ok();
        expected.push((command, octets_of_bodies(&answer)));
        ann.logout();
    }
    let records = proxy.stop();
    let reads: Vec<_> = records.iter().filter(|r| r["type"] == "message.read" && r["stage"] == "done").collect();
    assert_eq!(reads.len(), expected.len());
    for (read, (command, octets)) in reads.iter().zip(&expected) {
        let messages = read["data"]["msgs"].as_array().cloned().unwrap_or_default();
        let logged: Vec<(u64, u64)> =
            messages.iter().map(|m| (m["uid"].as_u64().unwrap_or(0), m["bytes"].as_u64().unwrap_or(0))).collect();
        assert_eq!(&logged, octets, "{command}: {read}");
        assert_eq!(read["data"]["n"].as_u64(), Some(count_of(command)), "{command}: {read}");
    }
}

#[test]
fn a_log_that_was_altered_is_found_out() {
    let (mut proxy, _dovecot) = short_session();
    proxy.stop();
    let segment = proxy.place().path("audit").join(first_segment(&proxy));
    let whole = fs::read_to_string(&segment).expect("a segment");
    let lines: Vec<&str> = whole.lines().collect();
    let rows: Vec<(&str, String)> = vec![
        ("edited", whole.replacen("\"ann\"", "\"bob\"", 1)),
        ("a line less", [&lines[..2], &lines[3..]].concat().join("\n") + "\n"),
        ("a line twice", [&lines[..3], &lines[2..]].concat().join("\n") + "\n"),
        ("two lines swapped", [&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat().join("\n") + "\n"),
        ("the end cut", lines[..lines.len() - 1].join("\n") + "\n"),
        ("the last line edited", {
            let (head, tail) = whole.split_at(whole.len() - 20);
            head.to_owned() + &tail.replace('"', "'")
        }),
    ];
    for (name, altered) in rows {
        assert_ne!(altered, whole, "{name}");
        fs::write(&segment, altered).expect("the segment");
        let verified = proxy.verify();
        assert_eq!(verified.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&verified.stdout));
    }
    fs::write(&segment, whole).expect("the segment");
    assert_eq!(proxy.verify().status.code(), Some(0));
}

#[test]
fn a_second_process_does_not_take_the_log_of_the_first() {
    let (mut proxy, _dovecot) = short_session();
    let second = super::place::output(
        super::place::tool(super::proxy::PROGRAM).args(["run", "--config"]).arg(proxy.place().path("imapwarden.toml")),
    );
    assert_eq!(second.status.code(), Some(1), "{}", String::from_utf8_lossy(&second.stderr));
    proxy.login("ann").logout();
    proxy.stop();
}

fn short_session() -> (Proxy, Dovecot) {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("FETCH 1 BODY[]").ok();
    ann.logout();
    (proxy, dovecot)
}

fn first_segment(proxy: &Proxy) -> String {
    let names = fs::read_dir(proxy.place().path("audit")).expect("the log").map(|e| e.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".jsonl"))
        .min()
        .expect("a segment")
}

/// UIDs, and octets of bodies (not of headers) that were sent for each, where any were asked for.
fn octets_of_bodies(answer: &Answer) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for response in &answer.untagged {
        let line = super::client::text(response);
        let (_, after) = line.split_once("UID ").expect("a UID");
        let uid = after.split([' ', ')']).next().and_then(|uid| uid.parse().ok()).expect("a UID");
        if let Some(octets) = bodies_in(response) {
            all.push((uid, octets));
        }
    }
    all
}

/// Octets of all strings that are bodies in one FETCH response; `None` where it has none.
fn bodies_in(response: &[u8]) -> Option<u64> {
    const BODIES: &[&str] = &["BODY[]", "BODY[]<", "BODY[TEXT]", "BODY[1]", "BODY[2]", "RFC822", "RFC822.TEXT"];
    let mut octets = None;
    let mut rest = response;
    while let Some(open) = rest.windows(1).position(|w| w == b"{" || w == b"\"") {
        let before = super::client::text(&rest[..open]);
        let item = before.trim_end().rsplit([' ', '(']).next().unwrap_or_default().to_owned();
        let (size, skip) = string_at(&rest[open..]);
        if BODIES.iter().any(|body| {
            item == *body || body.ends_with('<') && item.starts_with(body) || item.starts_with(&format!("{body}<"))
        }) {
            octets = Some(octets.unwrap_or(0) + size);
        }
        rest = &rest[open + skip..];
    }
    // A part that is not there comes as NIL, or as an empty string.
    let nothing = BODIES.iter().any(|body| super::client::text(response).contains(&format!("{body} NIL")));
    octets.or(nothing.then_some(0))
}

/// Octets in the string that begins here, and octets that it takes.
fn string_at(text: &[u8]) -> (u64, usize) {
    if text[0] == b'{' {
        let end = text.windows(3).position(|w| w == b"}\r\n").expect("a literal");
        let size: usize = super::client::text(&text[1..end]).parse().expect("a size");
        return (size as u64, end + 3 + size);
    }
    let mut escaped = false;
    let mut size = 0;
    for (at, octet) in text.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => {
                escaped = true;
                continue;
            }
            b'"' => return (size, at + 1),
            _ => {}
        }
        size += 1;
    }
    panic!("an open string in {:?}", super::client::text(text));
}

fn count_of(command: &str) -> u64 {
    let set = command.trim_start_matches("UID ").split(' ').nth(1).expect("a set");
    let (first, last) = set.split_once(':').expect("a range");
    last.parse::<u64>().expect("a number") - first.parse::<u64>().expect("a number") + 1
}

fn set(read: &Value) -> (String, String, u64) {
    let set = &read["data"]["sets"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&set["cls"]), text(&set["uids"]), set["n"].as_u64().unwrap_or(0))
}

/// Records of a log.
struct Log(Vec<Value>);

impl Log {
    /// The one record of this type of which this holds.
    #[track_caller]
    fn one(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> &Value {
        let found: Vec<_> = self.0.iter().filter(|record| record["type"] == kind && holds(record)).collect();
        assert_eq!(
            found.len(),
            1,
            "{kind}: {found:#?} of {:#?}",
            self.0.iter().filter(|r| r["type"] == kind).collect::<Vec<_>>()
        );
        found[0]
    }

    /// The one that says that it is done; an intent stands before it.
    #[track_caller]
    fn done(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> &Value {
        let done = self.one(kind, |record| record["stage"] == "done" && holds(record));
        let intent = self.one(kind, |record| record["stage"] == "intent" && record["cmd"] == done["cmd"]);
        assert_eq!(done["data"]["intent"], intent["seq"], "{done}");
        assert_eq!(done["result"]["status"], "OK", "{done}");
        done
    }
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).expect("small")
    }
}
