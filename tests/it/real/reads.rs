//! Reads by class, as the log has them: in a mailbox as it is, and in one where rules hide a message that would else be there.

use serde_json::Value;

use super::client::Client;
use super::dovecot::Dovecot;
use super::mail;
use super::proxy::{Proxy, Settings};

const RULES: &str =
    "[[rule]]\nid = \"second\"\nmailbox = \"INBOX\"\nhide_messages = ['HEADER Message-ID \"INBOX-1@\"']\n";

/// What a session does in INBOX, and what is recorded of it. Message 2 of what is laid out is not there for the client, so
/// numbers are no UIDs.
const ROWS: &[(&str, &[&str], &[&str])] = &[
    ("numbers", &["FETCH 2,4:5 (FLAGS)"], &["listed 3,5:6 of 3"]),
    ("all of them", &["FETCH 1:* (ENVELOPE)"], &["envelope 1,3:6 of 5"]),
    // It was announced, and then there was nothing.
    ("who is not there", &["UID FETCH 2 (BODY.PEEK[])"], &[""]),
    ("a header", &["FETCH 2 (BODY.PEEK[HEADER.FIELDS (FROM)])"], &["envelope 3 of 1"]),
    ("whole", &["FETCH 1 (BODY.PEEK[])"], &["full 1: whole"]),
    ("by another name", &["FETCH 1 (RFC822)"], &["full 1: whole"]),
    ("header and text", &["FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[TEXT])"], &["full 1: 30 parts TEXT"]),
    (
        "header, then text",
        &["FETCH 1 (BODY.PEEK[HEADER])", "FETCH 1 (BODY.PEEK[TEXT])"],
        &["envelope 1 of 1", "full 1: 30 parts TEXT"],
    ),
    (
        "a field of the header, and text",
        &["FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])"],
        &["part 1: 30 parts TEXT"],
    ),
    ("text", &["FETCH 1 (BODY[TEXT])"], &["part 1: 30 parts TEXT"]),
    // As Dovecot makes it of this mail: its first words.
    ("a preview", &["FETCH 1 (PREVIEW)"], &["preview 1: 28"]),
    ("previews that are not at hand", &["UID FETCH 3:4 (PREVIEW (LAZY))"], &["listed 3:4 of 2"]),
    ("a part", &["FETCH 2 (BODY.PEEK[1.1])"], &["part 3: 19 parts 1.1"]),
    ("a part that is marked read", &["FETCH 2 (BODY[1.2])"], &["part 3: 26 parts 1.2"]),
    ("a part, decoded", &["FETCH 2 (BINARY.PEEK[2])"], &["part 3: 57 parts 2"]),
    ("a part that is all of it", &["FETCH 1 (BODY.PEEK[1])"], &["full 1: 30 parts 1"]),
    ("all of it, decoded", &["FETCH 1 (BINARY[1])"], &["full 1: 30 parts 1"]),
    (
        "parts that are all of it, one decoded",
        &["FETCH 2 (BODY.PEEK[1.1])", "UID FETCH 3 (BODY.PEEK[1.2])", "FETCH 2 (BINARY.PEEK[2])"],
        &["part 3: 19 parts 1.1", "part 3: 26 parts 1.2", "full 3: 57 parts 2"],
    ),
    (
        "a part, and those beside what it is in",
        &["FETCH 2 (BODYSTRUCTURE BODY.PEEK[2])", "FETCH 2 (BODY.PEEK[1.MIME] BODY.PEEK[1])"],
        &["part 3: 76 parts 2", "full 3: 133 parts 1"],
    ),
    (
        "parts, and another mailbox between them",
        &["FETCH 2 (BODY.PEEK[1])", "SELECT Archive", "SELECT INBOX", "FETCH 2 (BODY.PEEK[2])"],
        &["part 3: 133 parts 1", "full 3: 76 parts 2"],
    ),
    (
        "a part in slices",
        &["FETCH 3 (BODY.PEEK[1]<0.60000>)", "UID FETCH 4 (BODY.PEEK[1]<60000.100000>)"],
        &["part 4: 60000 parts 1", "full 4: 64000 parts 1"],
    ),
    ("a slice just as long as the part", &["FETCH 3 (BODY.PEEK[1]<0.124000>)"], &["full 4: 124000 parts 1"]),
    (
        "a slice, and nothing behind the end",
        &["FETCH 3 (BODY.PEEK[1]<0.60000>)", "FETCH 3 (BODY.PEEK[1]<200000.10>)"],
        &["part 4: 60000 parts 1", "part 4: 0 parts 1"],
    ),
    ("a part that is not there", &["FETCH 1 (BODY.PEEK[2])"], &["part 1: 0 parts 2"]),
    (
        "text, and a part of it",
        &["FETCH 1 (BODY[TEXT])", "FETCH 1 (BODY[1]<0.5>)"],
        &["part 1: 30 parts TEXT", "full 1: 5 parts 1"],
    ),
    ("how large a part is", &["FETCH 2 (BINARY.SIZE[2])"], &["listed 3 of 1"]),
    (
        "slices that add up",
        &[
            "FETCH 3 (BODY.PEEK[]<0.60000>)",
            "UID FETCH 4 (BODY.PEEK[]<60000.60000>)",
            "FETCH 3 (BODY.PEEK[]<120000.60000>)",
        ],
        &["part 4: 60000", "part 4: 60000", "full 4: rest"],
    ),
    (
        "slices that leave a hole",
        &[
            "FETCH 3 (BODY.PEEK[]<0.60000>)",
            "FETCH 3 (BODY.PEEK[]<60001.60000>)",
            "FETCH 3 (BODY.PEEK[]<120000.60000>)",
        ],
        &["part 4: 60000", "part 4: 60000", "part 4: rest"],
    ),
    (
        "slices, and another mailbox between them",
        &["FETCH 3 (BODY.PEEK[]<0.60000>)", "SELECT Archive", "SELECT INBOX", "FETCH 3 (BODY.PEEK[]<60000.100000>)"],
        &["part 4: 60000", "full 4: end"],
    ),
    (
        "slices, and nothing open between them",
        &["FETCH 3 (BODY.PEEK[]<0.60000>)", "UNSELECT", "EXAMINE INBOX", "FETCH 3 (BODY.PEEK[]<60000.100000>)"],
        &["part 4: 60000", "full 4: end"],
    ),
    ("slices of two lengths", &["FETCH 3 (BODY.PEEK[]<0.100> BODY.PEEK[TEXT]<0.1000>)"], &["part 4: 1100 parts TEXT"]),
    ("a search by number", &["SEARCH BODY canary-body"], &["search content 5 1,3:6"]),
    ("a search by number, sorted", &["SORT (REVERSE ARRIVAL) US-ASCII BODY canary-body"], &["search content 5 1,3:6"]),
    ("an order by subjects", &["UID SORT (SUBJECT) US-ASCII FLAGGED"], &["search content 1 3"]),
    ("an order by senders, by number", &["SORT (ARRIVAL FROM) US-ASCII FLAGGED"], &["search content 1 3"]),
    ("an order by dates", &["UID SORT (REVERSE DATE ARRIVAL) US-ASCII FLAGGED"], &["search 1 3"]),
    ("threads", &["UID THREAD REFERENCES US-ASCII FLAGGED"], &["search content 1 3"]),
    ("a search by number for one", &["SEARCH NOT SUBJECT \"INBOX 3\" 2:3"], &["search content 1 3"]),
    ("a search in bodies", &["UID SEARCH BODY canary-body"], &["search content 5 1,3:6"]),
    ("a search in subjects", &["UID SEARCH SUBJECT \"INBOX 3\""], &["search content 1 4"]),
    ("the last one", &["UID FETCH 999:* (BODY.PEEK[TEXT]<0.2>)"], &["part 6: 2 parts TEXT"]),
    ("text by another name", &["FETCH 1 (RFC822.TEXT)"], &["part 1: 30 parts TEXT"]),
    ("a search by flags", &["UID SEARCH FLAGGED"], &["search 1 3"]),
    ("how many by body", &["UID SEARCH RETURN (COUNT) BODY canary-body"], &["search content 5 1,3:6"]),
    (
        "how many by number, and the first",
        &["SEARCH RETURN (COUNT MIN) 2:3 BODY canary-body"],
        &["search content 2 3:4"],
    ),
    ("how many, sorted", &["SORT RETURN (COUNT) (ARRIVAL) US-ASCII SUBJECT \"INBOX 3\""], &["search content 1 4"]),
    ("a search for who is not there", &["UID SEARCH HEADER Message-ID INBOX-1@example.org"], &["search content 0 -"]),
];

#[test]
fn reads_by_class_and_uid_of_a_mailbox_as_it_is() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut straight = dovecot.login("ann");
    straight.run("SELECT INBOX").ok();
    straight.run("STORE 2 +FLAGS (\\Deleted)").ok();
    straight.run("EXPUNGE").ok();
    straight.logout();
    all_rows(Settings::before(&dovecot).rules("").start());
}

#[test]
fn reads_by_class_and_uid_where_a_message_is_hidden() {
    let dovecot = Dovecot::start(&["ann"]);
    all_rows(Settings::before(&dovecot).rules(RULES).start());
}

fn all_rows(mut proxy: Proxy) {
    for (_, commands, _) in ROWS {
        let mut ann = proxy.login("ann");
        ann.run("SELECT INBOX").ok();
        for command in *commands {
            ann.run(command).ok();
        }
        ann.logout();
    }
    let records = proxy.stop();
    let mut sessions = records.iter().filter(|record| record["type"] == "auth.success").map(|record| &record["sid"]);
    for (name, _, expected) in ROWS {
        let sid = sessions.next().expect("a session each");
        let of_session = records.iter().filter(|record| record["sid"] == *sid && record["stage"] == "done");
        let told: Vec<String> = of_session.filter_map(told).collect();
        assert_eq!(told, *expected, "{name}");
    }
}

/// `full 4: 128226`, `listed 3,5:6 of 3`, `search content 5 1,3:6`
fn told(record: &Value) -> Option<String> {
    let data = &record["data"];
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    match word(&record["type"]).as_str() {
        "message.read" => {
            let sets = data["sets"].as_array().into_iter().flatten();
            let sets = sets.map(|set| format!("{} {} of {}", word(&set["cls"]), word(&set["uids"]), set["n"]));
            let messages = data["msgs"].as_array().into_iter().flatten().map(|message| {
                let parts = message["parts"].as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(" ");
                let parts = if parts.is_empty() { parts } else { format!(" parts {parts}") };
                let long = mail::message("INBOX", 3).len();
                let octets = match message["bytes"].as_u64().and_then(|octets| usize::try_from(octets).ok()) {
                    Some(octets) if octets == mail::message("INBOX", 0).len() => "whole".to_owned(),
                    Some(octets) if octets == long - 120_000 => "rest".to_owned(),
                    Some(octets) if octets == long - 60_000 => "end".to_owned(),
                    octets => octets.map_or("-".to_owned(), |octets| octets.to_string()),
                };
                format!("{} {}: {octets}{parts}", word(&message["cls"]), message["uid"])
            });
            Some(sets.chain(messages).collect::<Vec<_>>().join("; "))
        }
        "message.search" => {
            let content = if data["content"] == true { "content " } else { "" };
            let hits = data["hits"].as_u64().map_or("-".to_owned(), |hits| hits.to_string());
            Some(format!("search {content}{hits} {}", word(&data["uids"])))
        }
        _ => None,
    }
}

#[test]
fn what_a_search_in_messages_has_saved_is_found_by_it_whatever_is_asked_of_it() {
    const COMMANDS: [&str; 6] = [
        "SEARCH RETURN (SAVE) BODY HTML",
        "UID FETCH $ (UID)",
        "UID SEARCH NOT UID $",
        "FETCH $ (ENVELOPE)",
        "SEARCH RETURN (SAVE) FLAGGED",
        "UID FETCH $ (UID)",
    ];
    let dovecot = Dovecot::start(&["ann"]);
    for (rules, saved) in [("", ["content - -", "- -"]), (RULES, ["content 1 3", "1 3"])] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut ann = proxy.login("ann");
        ann.run("SELECT INBOX").ok();
        for command in COMMANDS {
            ann.run(command).ok();
        }
        ann.logout();
        let others = if rules.is_empty() { "5 1:2,4:6" } else { "4 1,4:6" };
        let told: Vec<String> = proxy.stop().iter().filter_map(told).collect();
        let [of_bodies, of_flags] = saved.map(|saved| format!("search {saved}"));
        let others = format!("search content {others}");
        let expected = [&*of_bodies, "searched 3 of 1", &*others, "envelope 3 of 1", &*of_flags, "listed 3 of 1"];
        assert_eq!(told, expected, "{rules}");
    }
}

#[test]
fn a_search_that_counts_is_answered_as_if_nobody_wrote_it_down() {
    const COMMANDS: [&str; 12] = [
        "SELECT INBOX",
        "UID SEARCH RETURN (COUNT) BODY canary-body",
        "SEARCH RETURN (COUNT MIN MAX) BODY canary-body",
        "SEARCH RETURN (COUNT) 2 BODY nothing-like-it",
        "UID SORT RETURN (COUNT MAX) (REVERSE ARRIVAL) US-ASCII BODY canary-body",
        "UID SEARCH RETURN (SAVE COUNT MAX) UID 2:4 BODY canary-body",
        "UID SEARCH RETURN (COUNT) $",
        "UID FETCH $ (FLAGS)",
        "UID SEARCH RETURN (SAVE MIN) SUBJECT INBOX",
        "UID FETCH $ (FLAGS)",
        "UID SEARCH RETURN (COUNT PARTIAL 2:3) BODY canary-body",
        "UID SEARCH RETURN (COUNT UPDATE) FROM nobody",
    ];
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let answers = |mut client: Client| {
        let answers = COMMANDS.map(|command| {
            let lines = client.run(command).ok().lines();
            let without_tag = |line: String| match line.split_once(" (TAG \"") {
                Some((before, behind)) => before.to_owned() + behind.split_once("\")").expect("the end of a tag").1,
                None => line,
            };
            lines.into_iter().map(without_tag).collect::<Vec<_>>()
        });
        client.logout();
        answers
    };
    let straight = answers(dovecot.login("ann"));
    let through = answers(proxy.login("ann"));
    for ((command, straight), through) in COMMANDS.iter().zip(straight).zip(through).skip(1) {
        assert_eq!(through, straight, "{command}");
    }
    let found: Vec<String> =
        proxy.stop().iter().filter(|record| record["type"] == "message.search").filter_map(told).collect();
    let expected = ["6 1:6", "6 1:6", "0 -", "6 1:6", "3 2:4", "3 2:4", "1 1", "6 1:6", "0 -"];
    assert_eq!(found, expected.map(|found| format!("search content {found}")));
}

#[test]
fn what_a_search_that_goes_on_finds_no_more_was_found() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    ann.run("UID SEARCH RETURN (UPDATE) UNFLAGGED BODY canary-body").ok();
    let news = [ann.run("UID STORE 2 +FLAGS (\\Flagged)").ok(), ann.run("NOOP").ok()];
    assert!(news.iter().any(|news| news.whole().contains("REMOVEFROM (0 2)")), "{news:?}");
    ann.logout();
    let found: Vec<String> =
        proxy.stop().iter().filter(|record| record["type"] == "message.search").filter_map(told).collect();
    assert_eq!(found, ["search content 0 -", "search content 1 2"]);
}

#[test]
fn a_slice_of_just_the_length_of_a_message_is_all_of_it() {
    let dovecot = Dovecot::start(&["ann"]);
    let length = mail::message("INBOX", 3).len();
    for rules in ["", RULES] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut ann = proxy.login("ann");
        ann.run("SELECT INBOX").ok();
        let last = length - 1000;
        for slice in [format!("<0.{length}>"), "<0.1000>".to_owned(), format!("<1000.{last}>")] {
            let got = ann.run(&format!("UID FETCH 4 (BODY.PEEK[]{slice})")).ok();
            assert_eq!(got.starting("* ").len(), 1, "what the proxy asks for itself is not the client's");
        }
        ann.run("SELECT INBOX").ok();
        ann.run(&format!("UID FETCH 4 (BODY.PEEK[]<0.{}>)", length - 1)).ok();
        ann.run("UID FETCH 4 (BODY.PEEK[]<10.1000>)").ok();
        ann.logout();
        let records = proxy.stop();
        let done = records.iter().filter(|record| record["code"] == "MS101I");
        let told: Vec<_> = done
            .map(|record| &record["data"]["msgs"][0])
            .map(|read| (read["cls"].as_str(), read["bytes"].as_u64(), read["size"].as_u64(), read["cov"].as_f64()))
            .collect();
        let (all, most) = (length as u64, length as u64 - 1);
        let expected = [
            (Some("full"), Some(all), Some(all), None),
            // It has been read already, and is now once more.
            (Some("part"), Some(1000), Some(all), Some(0.01)),
            (Some("full"), Some(all - 1000), Some(all), None),
            (Some("part"), Some(most), Some(all), Some(0.99)),
            (Some("part"), Some(1000), Some(all), Some(0.01)),
        ];
        assert_eq!(told, expected, "{rules}");
    }
}

/// A text, and a message of two parts, of which one has a name that is no plain string.
const FORWARDED: &str = "Subject: fwd\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
    --a\r\n\r\nsee below\r\n\
    --a\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: plans\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\r\nhello\r\n\
    --b\r\nContent-Type: text/x; name=\"G\u{f6}r\u{fc}nt \\\"(\"\r\n\r\nworld!\r\n--b--\r\n\
    --a--\r\n";

#[test]
fn parts_of_a_message_in_a_message_are_all_of_it() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("itself", &["1", "2"], &["part", "full"]),
        ("its text", &["1", "2.TEXT"], &["part", "full"]),
        ("its parts", &["2.2", "2.1", "1"], &["part", "part", "full"]),
        ("not all of its parts", &["1", "2.2", "2.HEADER", "2.1.MIME"], &["part", "part"]),
    ];
    let dovecot = Dovecot::start(&["ann"]);
    for rules in ["", "[[rule]]\nid = \"some\"\nmailbox = \"Archive\"\nhide_messages = ['FLAGGED']\n"] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        for (_, parts, _) in rows {
            let mut ann = proxy.login("ann");
            ann.run_parts(&[format!("APPEND Archive {{{}+}}", FORWARDED.len()).as_bytes(), FORWARDED.as_bytes()]).ok();
            ann.run("SELECT Archive").ok();
            for part in *parts {
                let got = ann.run(&format!("UID FETCH 999:* (BODY.PEEK[{part}])")).ok();
                assert_eq!(got.starting("* ").len(), 1, "what the proxy asks for itself is not the client's");
            }
            ann.logout();
        }
        let records = proxy.stop();
        let mut sessions =
            records.iter().filter(|record| record["type"] == "auth.success").map(|record| &record["sid"]);
        for (name, _, expected) in rows {
            let sid = sessions.next().expect("a session each");
            let reads = records.iter().filter(|record| record["sid"] == *sid && record["code"] == "MS101I");
            let told: Vec<&str> = reads.filter_map(|record| record["data"]["msgs"][0]["cls"].as_str()).collect();
            assert_eq!(told, *expected, "{name}: {rules}");
        }
    }
}

#[test]
fn of_a_thousand_messages_it_is_known_which_were_read_by_their_first_part() {
    const ONE: &[u8] = b"Subject: one\r\n\r\nalone\r\n";
    const TWO: &[u8] =
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nfirst\r\n--a\r\n\r\nsecond\r\n--a--\r\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut straight = dovecot.login("ann");
    let messages: Vec<&[u8]> = (0..1_200).map(|at| if at % 3 == 0 { ONE } else { TWO }).collect();
    let mut parts: Vec<Vec<u8>> = vec![b"APPEND Trash".to_vec()];
    for message in &messages {
        let announced = format!(" {{{}+}}", message.len());
        parts.last_mut().expect("one").extend_from_slice(announced.as_bytes());
        parts.push(message.to_vec());
    }
    straight.run_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).ok();
    straight.logout();
    for rules in ["", "[[rule]]\nid = \"some\"\nmailbox = \"Trash\"\nhide_messages = ['FLAGGED']\n"] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut ann = proxy.login("ann");
        ann.run("SELECT Trash").ok();
        ann.run("FETCH 1:* (BODY.PEEK[1])").ok();
        ann.run("UID FETCH 1100:1200 (BODY.PEEK[2])").ok();
        ann.logout();
        let records = proxy.stop();
        let classes = |cmd: u64| -> Vec<(u64, String)> {
            let done = records.iter().filter(|record| record["code"] == "MS101I" && record["cmd"] == cmd);
            let messages = done.flat_map(|record| record["data"]["msgs"].as_array().cloned().unwrap_or_default());
            let mut told: Vec<_> = messages
                .map(|read| (read["uid"].as_u64().unwrap_or(0), read["cls"].as_str().unwrap_or_default().to_owned()))
                .collect();
            told.sort();
            told
        };
        let expected: Vec<_> =
            (1..=1_200).map(|uid: u64| (uid, if uid % 3 == 1 { "full" } else { "part" }.to_owned())).collect();
        assert_eq!(classes(3), expected, "{rules}");
        // Of those that are read already nothing is the second part.
        let expected: Vec<_> =
            (1_100..=1_200).map(|uid: u64| (uid, if uid % 3 == 1 { "part" } else { "full" }.to_owned())).collect();
        assert_eq!(classes(4), expected, "{rules}");
    }
}

#[test]
fn mail_that_notify_sends_is_a_read() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT Archive").ok();
    ann.run("NOTIFY SET (selected (MessageNew (UID BODY.PEEK[TEXT]) MessageExpunge))").ok();
    let mut straight = dovecot.login("ann");
    straight.run_parts(&[b"APPEND Archive {16+}", b"a: b\r\n\r\nsecret\r\n"]).ok();
    straight.logout();
    let got = ann.run("NOOP").ok();
    assert!(got.whole().contains("BODY[TEXT]"), "{}", got.whole());
    ann.logout();
    let records = proxy.stop();
    let reads: Vec<_> = records.iter().filter(|record| record["type"] == "message.read").collect();
    let [intent, done] = reads.as_slice() else { panic!("{reads:#?}") };
    assert_eq!((&intent["stage"], &intent["data"]["uids"]), (&"intent".into(), &"4".into()), "{intent}");
    assert_eq!((&done["stage"], &done["data"]["intent"]), (&"done".into(), &intent["seq"]), "{done}");
    let message = &done["data"]["msgs"][0];
    assert_eq!((&message["cls"], &message["bytes"], &message["uid"]), (&"part".into(), &8.into(), &4.into()), "{done}");
    assert!(proxy.verify().status.success(), "no intent is open");
}

/// More than any buffer on the way holds.
const LARGE: usize = 48 * 1024 * 1024;

fn with_large_message(rules: &str) -> (Dovecot, Proxy, Client) {
    let dovecot = Dovecot::start(&["ann"]);
    let proxy = Settings::before(&dovecot).rules(rules).start();
    let mut straight = dovecot.login("ann");
    let body = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(LARGE / 64);
    straight
        .run_parts(&[format!("APPEND Archive {{{}+}}", body.len() + 2).as_bytes(), &[b"\r\n", &body[..]].concat()])
        .ok();
    straight.logout();
    let mut ann = Client::clear(proxy.clear()).login("ann");
    ann.run("SELECT Archive").ok();
    ann.send("UID FETCH 4 (BODY.PEEK[])");
    assert!(ann.read_more(), "it begins");
    (dovecot, proxy, ann)
}

#[test]
fn a_literal_that_the_client_did_not_take_is_a_part() {
    for rules in ["", "[[rule]]\nid = \"some\"\nmailbox = \"Archive\"\nhide_messages = ['FLAGGED']\n"] {
        let (_dovecot, mut proxy, ann) = with_large_message(rules);
        drop(ann);
        proxy.record("the end of the session", |record| record["type"] == "session.close");
        let records = proxy.stop();
        let read = records.iter().find(|record| record["code"] == "MS101I").expect("a read");
        let message = &read["data"]["msgs"][0];
        assert_eq!((&read["result"]["status"], &message["cls"]), (&"CUT".into(), &"part".into()), "{read}");
        let octets = message["bytes"].as_u64().expect("octets");
        assert!(octets > 0 && octets < LARGE as u64, "{read}");
    }
}

#[test]
fn flags_of_the_last_message_are_recorded_by_its_uid() {
    let dovecot = Dovecot::start(&["ann"]);
    for rules in ["", RULES] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut ann = proxy.login("ann");
        ann.run("SELECT INBOX").ok();
        ann.run("UID STORE 999:* +FLAGS (\\Flagged)").ok();
        ann.run("UID STORE 4:* -FLAGS (\\Flagged)").ok();
        ann.logout();
        let records = proxy.stop();
        let flags = records.iter().filter(|record| record["type"] == "message.flag");
        let told: Vec<_> =
            flags.map(|record| (record["data"]["uids"].as_str(), record["data"]["n"].as_u64())).collect();
        let (last, rest) = ((Some("6"), Some(1)), (Some("4:6"), Some(3)));
        assert_eq!(told, [last, last, rest, rest], "intent and done: {rules}");
    }
}

#[test]
fn what_is_removed_by_star_is_recorded_by_its_uid() {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    for (user, rules) in [("ann", ""), ("bob", RULES)] {
        let mut proxy = Settings::before(&dovecot).rules(rules).start();
        let mut client = proxy.login(user);
        client.run("SELECT INBOX").ok();
        client.run("UID STORE 1:* +FLAGS (\\Deleted)").ok();
        client.run("UID EXPUNGE 999:*").ok();
        client.run("UID SEARCH RETURN (SAVE) UID 3").ok();
        client.run("UID EXPUNGE $").ok();
        client.logout();
        let records = proxy.stop();
        let gone = records.iter().filter(|record| record["type"] == "message.expunge");
        let told: Vec<_> = gone.map(|record| record["data"]["uids"].as_str()).collect();
        assert_eq!(told, [Some("6"), Some("6"), Some("3"), Some("3")], "intent and done: {rules}");
    }
}
