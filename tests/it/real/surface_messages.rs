//! The ways in which a hidden message could be reached or noticed, one row each, against a real Dovecot: by `eve`, who has
//! three, and by `eva`, who never had any. Both hear the same, and what is hidden is what it was.
//!
//! ```text
//!   INBOX upstream   10 11 12 13 14 15 16 17 18 19 20     hidden: 12, 15, 19 (by sender); the first unseen is 12
//!   seen by both      1  2  ·  3  4  ·  5  6  7  ·  8     15 has \Deleted and $CaseX, which is nowhere else; 17 has \Deleted
//! ```

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, SystemTime};

use super::client::{Client, text};
use super::dovecot::Dovecot;
use super::place::{succeed, tool};
use super::proxy::{Proxy, Settings};

const RULES: &str = "[[rule]]\nid = \"no-secrets\"\nhide_messages = ['FROM \"@secret.example\"']\n";

const HIDDEN: [u32; 3] = [12, 15, 19];

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The client says it and is answered.
    Say(&'static str),
    /// Somebody else does it at the server itself, in INBOX.
    Other(&'static str),
    /// A message comes that is hidden. `eva` gets one that has gone when anybody looks, so that UIDs are the same.
    Secret,
    /// One comes that is not.
    Mail,
    /// The client idles from here on.
    Idle,
    /// It is heard until a line ends so.
    Hear(&'static str),
    /// It idles no more.
    Done,
}

use Turn::{Done, Hear, Idle, Mail, Other, Say, Secret};

/// Number of the case, what is tried, the turns, what must be heard in this order, and what never.
type Row = (u16, &'static str, &'static [Turn], &'static [&'static str], &'static [&'static str]);

const SELECT: Turn = Say("SELECT INBOX");

const ROWS: &[Row] = &[
    (
        43,
        "what SELECT counts",
        &[SELECT],
        &["* 8 EXISTS", "* OK [UNSEEN 4] ", "* OK [UIDNEXT 21] "],
        &["11 EXISTS", "$CaseX", "UNSEEN 3"],
    ),
    (
        45,
        "`*` where a hidden message came last",
        &[SELECT, Secret, Say("UID FETCH 500:* (UID)"), Say("FETCH * (UID)")],
        &["* 8 FETCH (UID 20)", "* 8 FETCH (UID 20)"],
        &["UID 21", "UID 19"],
    ),
    (
        47,
        "a range over hidden ones",
        &[SELECT, Say("UID STORE 10:20 +FLAGS.SILENT ($Seen2)"), Say("SEARCH KEYWORD $Seen2")],
        &["* SEARCH 1 2 3 4 5 6 7 8"],
        &[],
    ),
    (
        49,
        "EXPUNGE beside a hidden \\Deleted",
        &[SELECT, Say("EXPUNGE"), Say("UID SEARCH ALL")],
        &["* 6 EXPUNGE", "* SEARCH 10 11 13 14 16 18 20"],
        &["* 5 EXPUNGE"],
    ),
    (
        51,
        "a hidden arrival in IDLE",
        &[SELECT, Idle, Secret, Mail, Hear("EXISTS"), Done],
        &["* 9 EXISTS"],
        &["10 EXISTS", "11 EXISTS", "12 EXISTS", "2 RECENT"],
    ),
    (
        53,
        "another session's EXPUNGE",
        &[SELECT, Other("UID STORE 16 +FLAGS (\\Deleted)"), Other("UID EXPUNGE 16"), Say("NOOP"), Say("FETCH 5 (UID)")],
        &["* 5 EXPUNGE", "* 5 FETCH (UID 17)"],
        &["7 EXPUNGE"],
    ),
    (
        55,
        "another session flags a hidden one",
        &[
            SELECT,
            Other("UID STORE 15 +FLAGS (\\Flagged)"),
            Say("NOOP"),
            Other("UID STORE 15 -FLAGS (\\Flagged)"),
            Say("NOOP"),
        ],
        &["OK NOOP", "OK NOOP"],
        &["FETCH", "EXPUNGE", "9 EXISTS"],
    ),
    (
        57,
        "a keyword that only a hidden one has",
        &[SELECT, Say("STORE 1 +FLAGS ($CaseX)")],
        &["* FLAGS (", "$CaseX", "* 1 FETCH (FLAGS ("],
        &[],
    ),
    (
        59,
        "UIDNEXT while hidden mail comes",
        &[Say("STATUS INBOX (UIDNEXT)"), Secret, Say("STATUS INBOX (UIDNEXT MESSAGES)")],
        &["* STATUS INBOX (UIDNEXT 21)", "* STATUS INBOX (UIDNEXT 21 MESSAGES 8)"],
        &[],
    ),
    (
        61,
        "SEARCH that counts",
        &[
            SELECT,
            Say("SEARCH RETURN (COUNT) ALL"),
            Say("SEARCH RETURN () ALL"),
            Say("UID SEARCH RETURN (MIN MAX) ALL"),
        ],
        &["COUNT 8", "ALL 1:8", "MIN 10 MAX 20"],
        &["COUNT 11"],
    ),
    (63, "numbers in a program", &[SELECT, Say("UID SEARCH NOT 1:3")], &["* SEARCH 14 16 17 18 20"], &[]),
    (
        65,
        "`$`",
        &[SELECT, Say("UID SEARCH RETURN (SAVE) ALL"), Say("UID STORE $ +FLAGS (\\Flagged)"), Say("SEARCH FLAGGED")],
        &["* SEARCH 1 2 3 4 5 6 7 8"],
        &["UID 12", "UID 15", "UID 19"],
    ),
    (
        67,
        "a keyword that is asked for",
        &[SELECT, Say("SEARCH KEYWORD $CaseX"), Say("SEARCH KEYWORD $Never")],
        &["* SEARCH", "OK SEARCH completed", "* SEARCH", "OK SEARCH completed"],
        &["* SEARCH 1", "NO", "BAD"],
    ),
    (
        69,
        "SORT",
        &[SELECT, Say("SORT (REVERSE ARRIVAL) UTF-8 ALL"), Say("UID SORT (SUBJECT) UTF-8 ALL")],
        &["* SORT 8 7 6 5 4 3 2 1", "* SORT 10 11 13 14 16 17 18 20"],
        &[],
    ),
    (
        71,
        "HIGHESTMODSEQ while a hidden one is flagged",
        &[
            Say("STATUS INBOX (HIGHESTMODSEQ)"),
            Other("UID STORE 15 +FLAGS (\\Flagged)"),
            Say("STATUS INBOX (HIGHESTMODSEQ)"),
            Other("UID STORE 15 -FLAGS (\\Flagged)"),
            SELECT,
        ],
        &["OK [READ-WRITE] SELECT"],
        &[],
    ),
    (
        73,
        "QRESYNC that claims to know",
        &[Say("ENABLE QRESYNC"), Say("SELECT INBOX (QRESYNC (1700000001 1 10:20 (1:11 10:20)))"), Say("NOOP")],
        &["OK NOOP"],
        &["VANISHED", "UID 12", "UID 15", "11 EXISTS"],
    ),
    (
        75,
        "UNCHANGEDSINCE over hidden ones",
        &[SELECT, Say("UID STORE 10:20 (UNCHANGEDSINCE 1) +FLAGS (\\Answered)"), Say("NOOP")],
        &["OK NOOP"],
        &["12", "15,", "19"],
    ),
    (
        79,
        "UID EXPUNGE of hidden ones",
        &[SELECT, Say("UID EXPUNGE 12,15"), Say("UID SEARCH ALL")],
        &["OK UID EXPUNGE completed", "* SEARCH 10 11 13 14 16 17 18 20"],
        &["* 3 EXPUNGE", "NO ", "BAD "],
    ),
    (
        81,
        "MOVE by number",
        &[SELECT, Say("MOVE 3:5 Archive"), Say("UID SEARCH ALL")],
        &[" 13:14,16 ", "EXPUNGE", "EXPUNGE", "EXPUNGE", "* SEARCH 10 11 17 18 20"],
        &["* 7 EXPUNGE", "* 6 EXPUNGE"],
    ),
    (
        83,
        "numbers that only the server has",
        &[SELECT, Say("FETCH 9 (FLAGS)"), Say("STORE 8:11 +FLAGS (\\Seen)"), Say("FETCH 8 (FLAGS)")],
        &["BAD", "BAD", "* 8 FETCH (FLAGS ())"],
        &["* 9 FETCH"],
    ),
    (
        89,
        "DELETE of a mailbox that may hide some",
        &[Say("DELETE Archive"), Say("RENAME Archive Elsewhere"), Say("STATUS Archive (MESSAGES)")],
        &["NO [NOPERM]", "NO [NOPERM]", "* STATUS Archive (MESSAGES 3)"],
        &[],
    ),
    (
        91,
        "an arrival behind many hidden ones",
        &[
            SELECT,
            Secret,
            Secret,
            Secret,
            Say("STATUS INBOX (UIDNEXT)"),
            Mail,
            Say("NOOP"),
            Say("FETCH 9 (UID)"),
            Say("STATUS INBOX (UIDNEXT)"),
        ],
        // RFC 9051 §2.3.1.1: UIDs may have gaps. When the gap came nobody is told.
        &["(UIDNEXT 21)", "* 9 EXISTS", "* 9 FETCH (UID 24)", "(UIDNEXT 25)"],
        &["UIDNEXT 22", "UIDNEXT 23", "UIDNEXT 24"],
    ),
    (93, "\\Recent", &[Secret, Mail, SELECT, Say("SEARCH RECENT")], &["* 1 RECENT", "* SEARCH 9"], &["2 RECENT"]),
    (
        95,
        "an open range, and an arrival meanwhile",
        &[SELECT, Secret, Say("UID COPY 20:* Archive"), Say("STATUS Archive (MESSAGES)")],
        &["* STATUS Archive (MESSAGES 4)"],
        &[],
    ),
];

fn users() -> Vec<String> {
    ROWS.iter().flat_map(|(number, ..)| [format!("eve{number}"), format!("eva{number}")]).collect()
}

#[test]
fn hidden_messages_are_neither_reached_nor_noticed() {
    let users = users();
    let dovecot = Dovecot::start(&users.iter().map(String::as_str).collect::<Vec<_>>());
    users.iter().for_each(|user| lay_out(&dovecot, user));
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let mut wrong = String::new();
    for (number, what, turns, heard, never) in ROWS {
        let [eve, eva] = ["eve", "eva"].map(|who| play(&dovecot, &proxy, &format!("{who}{number}"), turns));
        let mut missing = None;
        let mut rest = eve.as_str();
        for line in *heard {
            match rest.find(line) {
                Some(at) => rest = &rest[at + line.len()..],
                None => missing = missing.or(Some(line)),
            }
        }
        let leaked: Vec<_> = never.iter().filter(|text| eve.contains(*text)).collect();
        let touched = hidden(&dovecot, &format!("eve{number}"));
        if eve != eva || missing.is_some() || !leaked.is_empty() || touched != AS_LAID_OUT {
            writeln!(
                wrong,
                "---- {number}, {what}: missing {missing:?}, heard {leaked:?}, hidden {touched:?}\neve\n{eve}eva\n{eva}"
            )
            .expect("a string");
        }
    }
    let records = proxy.stop();
    let faults = records.iter().filter(|record| record["type"] == "filter.failure").count();
    assert!(wrong.is_empty() && faults == 0, "{faults} failures\n{wrong}");
}

/// What both must have in common to be comparable is left; the rest is not said by anybody twice in the same way.
fn steady(line: &str) -> String {
    let line = line.trim_end();
    let line = line.split(" (ref ").next().unwrap_or(line);
    match line.split_once("COPYUID ") {
        Some((before, rest)) => {
            let (_, uids) = rest.split_once(' ').unwrap_or((rest, ""));
            format!("{before}COPYUID * {uids}")
        }
        None => line.to_owned(),
    }
}

fn play(dovecot: &Dovecot, proxy: &Proxy, user: &str, turns: &[Turn]) -> String {
    let mut client = proxy.login(user);
    let mut other = Client::tls(dovecot.imaps(), &dovecot.ca()).login(user);
    other.run("SELECT Sent").ok();
    let mut heard = String::new();
    let append = |other: &mut Client, from: &str| {
        let text = format!("From: x@{from}\r\nSubject: later\r\n\r\nx\r\n");
        other.run_parts(&[format!("APPEND INBOX {{{}+}}", text.len()).as_bytes(), text.as_bytes()]).ok();
    };
    for turn in turns {
        match turn {
            Say(command) => {
                let answer = client.run(command).whole();
                answer.lines().for_each(|line| writeln!(heard, "{}", steady(line)).expect("a string"));
            }
            Other(command) => {
                other.run("SELECT INBOX").ok();
                other.run(command).ok();
                other.run("SELECT Sent").ok();
            }
            Secret => {
                append(&mut other, "secret.example");
                if user.starts_with("eva") {
                    other.run("SELECT INBOX").ok();
                    other.run("STORE * +FLAGS (\\Deleted)").ok();
                    let uid = other.run("FETCH * (UID)").ok().whole();
                    let uid =
                        uid.split("UID ").nth(1).and_then(|rest| rest.split(')').next()).expect("a UID").to_owned();
                    other.run(&format!("UID EXPUNGE {uid}")).ok();
                    other.run("SELECT Sent").ok();
                }
            }
            Mail => append(&mut other, "example.org"),
            Idle => {
                client.say("i IDLE\r\n");
                hear(&mut client, "idling", &mut heard);
            }
            Hear(end) => hear(&mut client, end, &mut heard),
            Done => {
                client.say("DONE\r\n");
                hear(&mut client, "IDLE completed", &mut heard);
            }
        }
    }
    client.logout();
    other.logout();
    heard
}

/// All that is said until a line has this.
fn hear(client: &mut Client, end: &str, heard: &mut String) {
    loop {
        let line = text(&client.response().expect("a response"));
        writeln!(heard, "{}", steady(&line)).expect("a string");
        if line.contains(end) {
            return;
        }
    }
}

/// Each hidden message's file, with its flags.
const AS_LAID_OUT: [&str; 3] = ["12 ", "15 Ta", "19 "];

fn hidden(dovecot: &Dovecot, user: &str) -> Vec<String> {
    let folder = dovecot.maildir(user);
    let mut found = Vec::new();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let Some((_, rest)) = name.split_once(".H") else { continue };
            let (uid, _) = rest.split_once('.').expect("a UID");
            found.push(format!("{uid} {}", name.split_once(":2,").map_or("", |(_, flags)| flags)));
        }
    }
    found.sort();
    found
}

fn lay_out(dovecot: &Dovecot, user: &str) {
    let folder = dovecot.maildir(user);
    for entry in fs::read_dir(folder.join("cur")).expect("a folder") {
        fs::remove_file(entry.expect("an entry").path()).expect("a message");
    }
    let mut uids = "3 V1700000001 N21\n".to_owned();
    let is_eva = user.starts_with("eva");
    for uid in (10..=20).filter(|uid| !(is_eva && HIDDEN.contains(uid))) {
        let is_hidden = HIDDEN.contains(&uid);
        let (kind, from) = if is_hidden { ("H", "secret.example") } else { ("M", "example.org") };
        let base = format!("17000{uid}000.{kind}{uid}.sample");
        let flags = match uid {
            10 | 11 | 13 => "S",
            15 => "Ta",
            17 => "T",
            _ => "",
        };
        let path = folder.join("cur").join(format!("{base}:2,{flags}"));
        writeln!(uids, "{uid} :{base}").expect("a string");
        let text = format!(
            "From: Boss <boss@{from}>\r\nSubject: s{uid}\r\nDate: Tue, 14 Nov 2023 22:{uid}:20 +0000\r\n\r\nx\r\n"
        );
        fs::write(&path, text).expect("a message");
        let file = fs::File::options().write(true).open(&path).expect("the message");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(uid))).expect("a time");
    }
    fs::write(folder.join("dovecot-uidlist"), uids).expect("the list of UIDs");
    if !is_eva {
        fs::write(folder.join("dovecot-keywords"), "0 $CaseX\n").expect("keywords");
    }
    let owner = format!("--reference={}", folder.join(".Sent").display());
    succeed(tool("chown").arg("-R").arg(owner).arg(&folder));
}
