//! What the record says was read against what arrived at the client: random FETCHes, several under way at once, connections that
//! are cut at any octet.
//!
//! ```text
//!   capture ─▶ responses ─▶ items ─▶ octets of each message that the client has      record ─▶ classes and octets
//!                                          └──────────── must be the same ────────────────────────┘
//! ```
//!
//! Nothing here is the program's own: responses are read anew, and what adds up is found out octet by octet.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::{Client, text};
use super::dovecot::Dovecot;
use super::mail;
use super::proxy::{Proxy, Settings};

const SESSIONS: usize = 200;

const ITEMS: &[&str] = &[
    "FLAGS",
    "RFC822.SIZE",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "PREVIEW",
    "RFC822.HEADER",
    "RFC822",
    "RFC822.TEXT",
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[HEADER]<0.50>",
    "BODY.PEEK[HEADER]<50.5000>",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
    "BODY.PEEK[1]",
    "BODY.PEEK[1]<0.20>",
    "BODY.PEEK[1]<20.200000>",
    "BODY.PEEK[1]<0.30>",
    "BODY.PEEK[1.1]",
    "BODY.PEEK[1.2]",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[2]",
    "BODY.PEEK[2]<0.78>",
    "BINARY.PEEK[1]",
    "BINARY.PEEK[2]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[TEXT]<0.10>",
    "BODY.PEEK[TEXT]<10.200000>",
    "BODY.PEEK[]<0.77>",
    "BODY.PEEK[]<0.400>",
    "BODY.PEEK[]<77.323>",
    "BODY.PEEK[]<400.100000>",
    "BODY.PEEK[]<100400.100000>",
    "BODY.PEEK[]<900000.10>",
];

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).expect("small")
    }
}

/// An item of a FETCH response: its name, where the value begins in the message if it is a slice, and the value's octets.
#[derive(Debug)]
struct Item {
    name: String,
    origin: Option<usize>,
    /// Nothing for numbers and lists; NIL is said by `nil`.
    octets: Option<usize>,
    nil: bool,
    /// Nothing came behind it: it may have been cut.
    cut: bool,
}

/// A FETCH response, as far as it has come.
#[derive(Debug)]
struct Response {
    number: usize,
    items: Vec<Item>,
}

/// The FETCH responses that were heard, in order; the last may end anywhere.
fn responses(heard: &[u8]) -> Vec<Response> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < heard.len() {
        let rest = &heard[at..];
        let line = find(rest, b"\n");
        let Some(open) = find(rest, b" FETCH (").filter(|open| line.is_none_or(|end| *open < end)) else {
            at += line.map_or(rest.len(), |end| end + 1);
            continue;
        };
        let number = text(&rest[2..open]).parse().expect("a number");
        let mut response = Response { number, items: Vec::new() };
        at += open + 8 + items(&rest[open + 8..], &mut response.items);
        all.push(response);
    }
    all
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The items up to the end of the response; how many octets that is.
fn items(text: &[u8], items: &mut Vec<Item>) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != b'\n' {
        if matches!(text[at], b' ' | b')' | b'\r') {
            at += 1;
            continue;
        }
        let name = text[at..].iter().scan(0, |depth, octet| {
            *depth += i32::from(*octet == b'[') - i32::from(*octet == b']');
            (*depth > 0 || !matches!(*octet, b' ' | b')' | b'\r')).then_some(*octet)
        });
        let name = super::client::text(&name.collect::<Vec<u8>>());
        at += name.len();
        let (name, origin) = match name.split_once('<') {
            Some((name, origin)) => (name.to_owned(), origin.trim_end_matches('>').parse().ok()),
            None => (name, None),
        };
        at += usize::from(text.get(at) == Some(&b' '));
        let (octets, nil, used) = value(&text[at.min(text.len())..]);
        at += used;
        items.push(Item { name, origin, octets, nil, cut: at >= text.len() });
    }
    (at + 1).min(text.len())
}

/// A value that begins here, as far as it has come: octets of a string, is it NIL, and octets that it takes.
fn value(text: &[u8]) -> (Option<usize>, bool, usize) {
    match text.first() {
        Some(b'~') => {
            let (octets, nil, used) = value(&text[1..]);
            (octets, nil, used + 1)
        }
        Some(b'{') => match find(text, b"}\r\n") {
            Some(end) => {
                let size: usize = super::client::text(&text[1..end]).parse().expect("a size");
                let there = size.min(text.len() - end - 3);
                (Some(there), false, end + 3 + there)
            }
            None => (None, false, text.len()),
        },
        Some(b'"') => {
            let (mut size, mut escaped) = (0, false);
            for (at, octet) in text.iter().enumerate().skip(1) {
                match octet {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => return (Some(size), false, at + 1),
                    _ => {}
                }
                size += 1;
            }
            (Some(size), false, text.len())
        }
        Some(b'(') => {
            let (mut depth, mut at) = (0, 0);
            while at < text.len() {
                match text[at] {
                    b'"' | b'{' => {
                        at += value(&text[at..]).2;
                        continue;
                    }
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            (None, false, at)
        }
        _ => {
            let end = text.iter().position(|octet| matches!(octet, b' ' | b')' | b'\r')).unwrap_or(text.len());
            (None, text[..end].eq_ignore_ascii_case(b"NIL"), end)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Listed,
    Envelope,
    Preview,
    Part,
    Full,
}

fn class_of(item: &Item) -> Class {
    match item.name.as_str() {
        _ if item.nil => Class::Listed,
        "UID" | "FLAGS" | "RFC822.SIZE" => Class::Listed,
        "ENVELOPE" | "BODYSTRUCTURE" | "RFC822.HEADER" | "BODY[1.MIME]" => Class::Envelope,
        name if name.starts_with("BODY[HEADER") => Class::Envelope,
        "PREVIEW" => Class::Preview,
        "BODY[]" | "RFC822" if item.origin.is_none() && !item.cut => Class::Full,
        _ => Class::Part,
    }
}

/// What a client has of each message since it had all of it last: octets of the message, and of each of its numbered parts.
#[derive(Default)]
struct Holds {
    messages: BTreeMap<u64, (Vec<bool>, Parts)>,
    /// How often it had all of one by its numbered parts.
    by_parts: usize,
}

/// Octets of numbered parts, and of the text that these are in, by their names.
type Parts = BTreeMap<&'static str, Vec<bool>>;

/// The numbered parts of a message, as they stand in it, and its text; and which of them are all of it, in one way or the other.
fn parts_of(mail: &str, text: usize) -> (Parts, &'static [&'static [&'static str]]) {
    let between = |begin: &str, end: &str| {
        let from = mail.find(begin).expect("it begins") + begin.len();
        mail[from..].find(end).expect("it ends")
    };
    let of = |length| vec![false; length];
    let text = ("TEXT", of(mail.len() - text));
    if mail.contains("multipart") {
        let parts = [
            ("1", of(between("boundary=inner\r\n\r\n", "\r\n--=_edge"))),
            ("1.1", of(between("text/plain\r\n\r\n", "\r\n--inner"))),
            ("1.2", of(between("text/html\r\n\r\n", "\r\n--inner--"))),
            ("2", of(between("filename=\"bill {4}.pdf\"\r\n\r\n", "\r\n--=_edge--"))),
        ];
        return (parts.into_iter().chain([text]).collect(), &[&["1", "2"], &["1.1", "1.2", "2"]]);
    }
    ([("1", text.1.clone()), text].into(), &[&["1"]])
}

impl Holds {
    /// Class and octets of content, as a record should have them.
    fn take(&mut self, uid: u64, response: &Response) -> (Class, u64) {
        let mail = mail::message("INBOX", usize::try_from(uid).expect("small") - 1);
        let header = mail.find("\r\n\r\n").expect("a header ends") + 4;
        let (new, ways) = parts_of(&mail, header);
        let (held, parts) = self.messages.entry(uid).or_insert_with(|| (vec![false; mail.len()], new));
        let mut class = Class::Listed;
        let mut bytes = 0;
        for item in &response.items {
            class = class.max(class_of(item));
            let octets = item.octets.unwrap_or(0);
            if class_of(item) >= Class::Preview {
                bytes += octets as u64;
            }
            let name =
                item.name.trim_start_matches("RFC822.").trim_start_matches("BODY[").trim_start_matches("BINARY[");
            if let Some(part) = parts.get_mut(name.trim_end_matches(']')) {
                let from = item.origin.unwrap_or(0).min(part.len());
                let decoded = item.name.starts_with("BINARY") && !item.cut && item.octets.is_some();
                let to = if decoded { part.len() } else { (from + octets).min(part.len()) };
                part[from..to].fill(true);
            }
            let base = match item.name.as_str() {
                "BODY[]" | "RFC822" | "BODY[HEADER]" | "RFC822.HEADER" => 0,
                "BODY[TEXT]" | "RFC822.TEXT" => header,
                _ => continue,
            };
            let from = (base + item.origin.unwrap_or(0)).min(mail.len());
            held[from..(from + octets).min(mail.len())].fill(true);
        }
        // The header alone completes nothing where nothing is missing already.
        let touched = response
            .items
            .iter()
            .any(|item| item.octets.is_some_and(|octets| octets > 0) && class_of(item) >= Class::Envelope);
        let all = |octets: &Vec<bool>| octets.iter().all(|octet| *octet);
        let numbered = parts.iter().any(|(name, octets)| *name != "TEXT" && octets.contains(&true));
        let in_parts =
            ways.iter().any(|way| way.iter().all(|part| all(&parts[part]))) || numbered && all(&parts["TEXT"]);
        if touched && (all(held) || in_parts) {
            self.by_parts += usize::from(class < Class::Full && !all(held));
            class = Class::Full;
            held.fill(false);
            parts.values_mut().for_each(|part| part.fill(false));
        }
        (class, bytes)
    }
}

/// Class and octets of each time that content of a message was told, by UID.
type Told = BTreeMap<u64, Vec<(String, u64)>>;

fn told(records: &[&Value]) -> Told {
    let mut told = Told::new();
    for message in records.iter().flat_map(|record| record["data"]["msgs"].as_array().into_iter().flatten()) {
        let word = message["cls"].as_str().expect("a class").to_owned();
        let (uid, bytes) = (message["uid"].as_u64().expect("a UID"), message["bytes"].as_u64().expect("octets"));
        told.entry(uid).or_default().push((word, bytes));
    }
    told.values_mut().for_each(|times| times.sort());
    told
}

/// One session: its commands go up at once. `cut`: the client goes after so many octets.
fn session(proxy: &Proxy, commands: &[String], cut: Option<usize>) -> Vec<u8> {
    let mut ann = Client::clear(proxy.clear()).login("ann");
    ann.run("EXAMINE INBOX").ok();
    let all: String = commands.iter().enumerate().map(|(at, command)| format!("x{at} {command}\r\n")).collect();
    ann.say(&all);
    let last = format!("x{} ", commands.len() - 1);
    let mut heard = ann.take_heard();
    let over = |heard: &[u8]| heard.split(|octet| *octet == b'\n').any(|line| line.starts_with(last.as_bytes()));
    while !over(&heard) && cut.is_none_or(|cut| heard.len() < cut) && ann.read_more() {
        heard.extend(ann.take_heard());
    }
    if cut.is_none() {
        ann.logout();
    }
    heard
}

#[test]
fn the_record_has_what_arrived_at_the_client() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut random = Random(77);
    let mut sessions = Vec::new();
    for at in 0..SESSIONS {
        let commands: Vec<String> = (0..1 + random.below(5))
            .map(|_| {
                let items: Vec<&str> = (0..1 + random.below(3)).map(|_| ITEMS[random.below(ITEMS.len())]).collect();
                let first = 1 + random.below(mail::IN_INBOX);
                let set = match random.below(4) {
                    0 => "1:*".to_owned(),
                    1 => first.to_string(),
                    2 => format!("{first}:*"),
                    _ => format!("{first},{}", 1 + random.below(mail::IN_INBOX)),
                };
                format!("{}FETCH {set} ({})", ["", "UID "][random.below(2)], items.join(" "))
            })
            .collect();
        let cut = (at % 4 == 0).then(|| 1 + random.below(60_000));
        let heard = session(&proxy, &commands, cut);
        sessions.push((commands, cut, heard));
    }
    let records = proxy.stop();
    let sids: Vec<&str> = records
        .iter()
        .filter(|record| record["type"] == "auth.success")
        .filter_map(|record| record["sid"].as_str())
        .collect();
    assert_eq!(sids.len(), SESSIONS);
    let (mut compared, mut by_parts) = (0, 0);
    for (sid, (commands, cut, heard)) in sids.into_iter().zip(&sessions) {
        let done: Vec<&Value> = records
            .iter()
            .filter(|record| record["sid"] == sid && record["type"] == "message.read" && record["stage"] == "done")
            .collect();
        let what = format!("{sid} {commands:?}, cut at {cut:?}");
        assert!(done.iter().all(|record| record["cmd"].as_u64() > Some(2)), "{what}: all of it was asked for");
        let (mut holds, mut got) = (Holds::default(), Told::new());
        for response in responses(heard) {
            // Nothing was ever expunged: numbers are UIDs.
            let uid = response.number as u64;
            let (class, bytes) = holds.take(uid, &response);
            if class >= Class::Preview {
                got.entry(uid).or_default().push((format!("{class:?}").to_lowercase(), bytes));
            }
        }
        got.values_mut().for_each(|times| times.sort());
        let told = told(&done);
        by_parts += holds.by_parts;
        compared += got.values().map(Vec::len).sum::<usize>();
        if cut.is_none() {
            assert_eq!(told, got, "{what}");
            continue;
        }
        // More may have been handed to the socket than was taken from it: never less.
        for (uid, times) in &got {
            let told = told.get(uid).unwrap_or_else(|| panic!("{what}: no word of UID {uid}"));
            let octets = |times: &[(String, u64)]| times.iter().map(|(_, bytes)| bytes).sum::<u64>();
            let full = |times: &[(String, u64)]| times.iter().filter(|(class, _)| class == "full").count();
            assert!(
                told.len() >= times.len() && octets(told) >= octets(times),
                "{what}: UID {uid}: {told:?} {times:?}"
            );
            assert!(full(told) >= full(times), "{what}: UID {uid}: {told:?} {times:?}");
        }
    }
    assert!(compared > 500 && by_parts > 50, "{compared} messages were compared, {by_parts} were read by their parts");
    assert!(proxy.verify().status.success(), "no intent is open");
}
