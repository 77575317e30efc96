//! Each key, and what a log of hashes makes of it.

use super::*;
use crate::audit::{HashKey, HashedField, Place};
use crate::imap::message::ReadClass;

const READ: &str = r#"{"v":1,"seq":4,"prev":"x","log":"l","node":"n","ts":"2027-01-13T02:13:32.053604Z","type":"message.read","code":"MS101I","sid":"4c2q8m0v7x1t","cmd":5,"verb":"UID FETCH","stage":"done","user":"M.Berg@example.org","actor":"admin","client_ip":"203.0.113.77","mailbox":{"name":"INBOX/Süd","uidv":7},"policy":{"rev":"9b1d02c4","verdict":"narrowed","by":["hide-board-mail"],"shadow":["later"]},"result":{"status":"OK"},"data":{"intent":3,"n":2,"bytes":88213,"msgs":[{"uid":4410,"cls":"full","bytes":81900},{"uid":4412,"cls":"part","bytes":6313,"hdr":{"message_id":"<x@y>"}}]}}"#;
const ID: &str = r#"{"v":1,"seq":1,"prev":"x","log":"l","node":"n","ts":"2027-01-13T02:13:30.000000Z","type":"client.id","code":"SE110I","sid":"4c2q8m0v7x1t","data":{"name":"Thunderbird","version":"128.0"}}"#;

fn ask(change: impl FnOnce(&mut Filter)) -> bool {
    let mut filter = Filter::default();
    change(&mut filter);
    let mut clients = Clients::default();
    clients.learn(&Line::parse(ID.as_bytes()).expect("a record"));
    let line = Line::parse(READ.as_bytes()).expect("a record");
    let place = Place { segment: 1, line: 4, compressed: false };
    filter.matches(Seen { line: &line, bytes: READ.as_bytes(), place }, &clients)
}

fn text(pattern: &str) -> Vec<Pattern> {
    vec![Pattern::text(pattern).expect("a pattern")]
}

#[test]
fn each_key_asks_its_own() {
    let mailbox = |pattern| vec![Pattern::mailbox(pattern).expect("a pattern")];
    let rows: [(&str, bool, bool); 14] = [
        ("user", ask(|f| f.user = text("M.BERG@*")), ask(|f| f.user = text("admin"))),
        ("actor", ask(|f| f.actor = text("admin")), ask(|f| f.actor = text("m.berg@example.org"))),
        ("credential", ask(|f| f.credential = vec![]), ask(|f| f.credential = text("*"))),
        ("mailbox", ask(|f| f.mailbox = mailbox("inbox/**")), ask(|f| f.mailbox = mailbox("INBOX"))),
        ("uid", ask(|f| f.uid = vec![1, 4412]), ask(|f| f.uid = vec![4411])),
        ("Message-ID", ask(|f| f.message_id = vec!["x@y".into()]), ask(|f| f.message_id = vec!["x".into()])),
        ("session", ask(|f| f.sid = vec!["4c2q8m0v7x1t".into()]), ask(|f| f.sid = vec!["4c".into()])),
        (
            "reference",
            ask(|f| f.reference = vec!["4c2q8m0v7x1t-5".parse().expect("one")]),
            ask(|f| f.reference = vec!["4c2q8m0v7x1t-6".parse().expect("one")]),
        ),
        (
            "address",
            ask(|f| f.ip = vec!["203.0.113.0/24".parse().expect("one")]),
            ask(|f| f.ip = vec!["2001:db8::/32".parse().expect("one")]),
        ),
        ("client", ask(|f| f.client = text("thunderbird/*")), ask(|f| f.client = text("Outlook/*"))),
        ("type", ask(|f| f.type_name = text("message.*")), ask(|f| f.type_name = text("mailbox.*"))),
        ("class", ask(|f| f.class = ">=part".parse().ok()), ask(|f| f.class = "envelope".parse().ok())),
        ("rule", ask(|f| f.rule = text("later")), ask(|f| f.rule = text("other"))),
        ("verdict", ask(|f| f.verdict = vec!["narrowed".into()]), ask(|f| f.verdict = vec!["allowed".into()])),
    ];
    for (name, found, missed) in rows {
        assert!(found, "{name} holds");
        assert!(!missed, "{name} does not");
    }
    let at = |f: &mut Filter, since: &str, until: &str| {
        (f.since, f.until) = (Some(since.to_owned()), Some(until.to_owned()));
    };
    assert!(ask(|f| at(f, "2027-01-13T02:13:32.053604Z", "2027-01-13T02:13:32.053605Z")));
    assert!(!ask(|f| at(f, "2027-01-13T02:13:32.053605Z", "2027-01-14T00:00:00.000000Z")));
    assert!(!ask(|f| at(f, "2027-01-01T00:00:00.000000Z", "2027-01-13T02:13:32.053604Z")));
    assert!(!ask(|f| (f.user, f.uid) = (text("m.berg*"), vec![1])), "keys: AND");
}

#[test]
fn what_is_no_value_is_said() {
    assert!("fool".parse::<ClassTest>().is_err());
    assert!("4c2q8m0v7x1t".parse::<Reference>().is_err());
    assert_eq!(">=part".parse(), Ok(ClassTest { class: ReadClass::Part, or_above: true }));
}

#[test]
fn what_is_hashed_is_found_by_what_it_was() {
    let key = HashKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("a key");
    let hashed = READ
        .replace("M.Berg@example.org", &key.hash(HashedField::User, "m.berg@example.org"))
        .replace("203.0.113.77", &key.hash(HashedField::ClientIp, "203.0.113.77"))
        .replace("INBOX/Süd", &key.hash(HashedField::Mailbox, "inbox/süd"));
    let asks = |with_key: bool, change: &dyn Fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        if with_key {
            filter.with_key(&key);
        }
        let line = Line::parse(hashed.as_bytes()).expect("a record");
        let place = Place { segment: 1, line: 4, compressed: false };
        let told = filter.on_hashes(&HashedField::ALL.into());
        (filter.matches(Seen { line: &line, bytes: hashed.as_bytes(), place }, &Clients::default()), told)
    };
    let mailbox = |pattern| vec![Pattern::mailbox(pattern).expect("a pattern")];
    let rows: [(&str, &dyn Fn(&mut Filter), bool); 8] = [
        ("user", &|f| f.user = text("M.Berg@example.org"), true),
        ("another user", &|f| f.user = text("ann"), false),
        ("a pattern", &|f| f.user = text("m.berg@*"), false),
        ("mailbox", &|f| f.mailbox = mailbox("INBOX/SÜD"), true),
        ("address", &|f| f.ip = vec!["203.0.113.77/32".parse().expect("one")], true),
        ("network", &|f| f.ip = vec!["203.0.112.0/22".parse().expect("one")], true),
        ("large network", &|f| f.ip = vec!["203.0.0.0/8".parse().expect("one")], false),
        ("another address", &|f| f.ip = vec!["203.0.113.78/32".parse().expect("one")], false),
    ];
    for (name, change, found) in rows {
        let (matches, told) = asks(true, change);
        assert_eq!(matches, found, "{name}");
        let told = told.expect("it is said");
        assert!(told.contains("also looked for as hashed with key"), "{name}: {told}");
        assert_eq!(told.contains("a hash is of one value"), name == "a pattern" || name == "large network", "{told}");
        let (matches, told) = asks(false, change);
        assert!(!matches && told.is_some_and(|told| told.contains("may miss")), "{name}");
    }
    assert_eq!(asks(false, &|f| f.sid = vec!["4c2q8m0v7x1t".into()]).1, None);
}
