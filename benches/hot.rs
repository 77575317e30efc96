//! The functions that every command or response passes through.
//!
//! ```text
//! cargo bench --bench hot                 nanoseconds for each, on this machine, now
//! benches/instructions                    instructions for each, under callgrind: comparable between commits
//! ```

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imapwarden::audit::chain::Position;
use imapwarden::audit::record::{self, LogName, Spelled};
use imapwarden::audit::stamp::Stamp;
use imapwarden::imap::mailbox::MailboxName;
use imapwarden::imap::message::Uid;
use imapwarden::imap::verb::Verb;
use imapwarden::policy::{Facts, LoadContext, Request, Role, RuleFile, RuleSet, Subject, Target, TlsLevel};
use imapwarden::session::event::{Event, EventContext, EventKind, MailboxRef, ReadClass, Stage};
use imapwarden::session::{Clock, InMemory, Limits, ListenerTls, Output, Session, SessionStart, Shared, UpstreamInfo};
use imapwarden::wire::command::{Command, Utf8Mode};
use imapwarden::wire::frame::CommandFramer;
use imapwarden::wire::response;

/// A name, and a function that does its work so many times.
type Bench = (&'static str, fn(u64));

const BENCHES: &[Bench] = &[
    ("framer", framer),
    ("command-parse", command_parse),
    ("response-head", response_head),
    ("decide-no-rules", |n| decide(n, &rules(0))),
    ("decide-100-rules", |n| decide(n, &rules(100))),
    ("decide-10000-rules", |n| decide(n, &rules(10_000))),
    ("decide-10-for-all", |n| decide(n, &rules_for_all(10))),
    ("decide-100-for-all", |n| decide(n, &rules_for_all(100))),
    ("decide-10000-for-all", |n| decide(n, &rules_for_all(10_000))),
    ("decide-100-wild", |n| decide(n, &wild_rules(100))),
    ("judge-header", |n| judge(n, "HEADER X-Class secret", b"X-Class: public\r\n\r\n")),
    ("judge-subject-encoded", |n| judge(n, "SUBJECT secret", SUBJECT)),
    ("judge-from", |n| judge(n, "FROM @example.net", b"From: Ann Miller <ann@example.org>\r\n\r\n")),
    ("command-round-trip", command_round_trip),
    ("noop-pipelined", noop_pipelined),
    ("status-pipelined", status_pipelined),
    ("flags-line", flags_line),
    ("flags-line-gaps", |n| flags_lines(n, 3)),
    ("flags-line-following", |n| flags_lines(n, 1)),
    ("search-number", search_number),
    ("envelope-line", envelope_line),
    ("literal-64k", literal),
    ("fetch-unrecorded", |n| small_fetch(n, "audit = \"none\"\n")),
    ("fetch-recorded", |n| small_fetch(n, "audit = \"metadata\"\n")),
    ("audit-record", audit_record),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [name, count] = arguments.as_slice() {
        let bench = BENCHES.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no benchmark `{name}`"));
        return bench.1(count.parse().expect("how many times"));
    }
    if arguments.first().is_some_and(|argument| argument == "--list") {
        return BENCHES.iter().for_each(|(name, _)| println!("{name}"));
    }
    for (name, bench) in BENCHES {
        bench(200);
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            bench(20_000);
            best = best.min(begun.elapsed());
        }
        println!("{name:<22} {:>9.1} ns", best.as_secs_f64() * 1e9 / 20_000.0);
    }
}

const COMMAND: &[u8] = b"A1234 UID FETCH 10234:10300 (UID FLAGS BODY.PEEK[HEADER.FIELDS (From To Subject Date)])\r\n";

fn framer(n: u64) {
    for _ in 0..n {
        black_box(CommandFramer::default().next(black_box(COMMAND), 65536));
    }
}

fn command_parse(n: u64) {
    for _ in 0..n {
        black_box(Command::parse(black_box(COMMAND), Utf8Mode::Off).is_ok());
    }
}

fn response_head(n: u64) {
    for _ in 0..n {
        black_box(response::head(black_box(b"* 4711 FETCH (UID 10234 FLAGS (\\Seen \\Answered))\r\n")));
    }
}

const SUBJECT: &[u8] = b"Subject: =?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe_aus_der?=\r\n =?utf-8?q?_Buchhaltung?=\r\n\r\n";

/// One message by one rule, from its fetched fields to the judgement.
fn judge(n: u64, program: &str, header: &[u8]) {
    let text = format!("[[rule]]\nid = \"hides\"\nhide_messages = '{program}'\n");
    let (inbox, now) = (MailboxName::inbox(), jiff::Timestamp::UNIX_EPOCH);
    let filter = load(text).bind(&subject()).message_filter(&Target::new(&inbox), now).expect("a filter");
    let uid = Uid::new(4711).expect("not 0");
    for _ in 0..n {
        let facts = Facts { header: Some(black_box(header)), ..Facts::of(uid) };
        black_box(filter.judge_lasting(&facts));
    }
}

fn rules(count: usize) -> Arc<RuleSet> {
    let mut text = String::new();
    for at in 0..count {
        text.push_str(&format!(
            "[[rule]]\nid = \"r-{at}\"\nwhen = {{ user = [\"user{at}@example.org\", \"*@dept{at}.example\"] }}\n\
             mailbox = [\"Finance/{at}/**\"]\nrights = \"read-only\"\n\n"
        ));
    }
    // Two that touch the subject, as in a real set.
    text.push_str("[[rule]]\nid = \"everybody\"\nmailbox = [\"Archive/**\"]\nrights = \"read-only\"\n");
    text.push_str("[[rule]]\nid = \"one-user\"\nwhen = { user = \"ann@example.org\" }\nmailbox = [\"Projects/**\"]\nrights = \"lrs\"\n");
    if count == 0 {
        return Arc::new(RuleSet::empty());
    }
    load(text)
}

/// Each is about this subject, too, and about mailboxes of its own; two name what is asked for.
fn rules_for_all(count: usize) -> Arc<RuleSet> {
    let mut text = String::new();
    for at in 0..count {
        let pattern = if at < 2 { "Archive/*".to_owned() } else { format!("Team-{at}/**") };
        text.push_str(&format!(
            "[[rule]]\nid = \"r-{at}\"\nmailbox = [\"{pattern}\", \"Finance/{at}/Q?/**\"]\nrights = \"read-only\"\n"
        ));
    }
    load(text)
}

/// Patterns that no level can be told from.
fn wild_rules(count: usize) -> Arc<RuleSet> {
    let rule = |at| {
        let patterns = format!("[\"**/Secret-{at}\", \"*-{at}/Finance/**\"]");
        format!("[[rule]]\nid = \"r-{at}\"\nmailbox = {patterns}\nhide = true\n")
    };
    load((0..count).map(rule).collect())
}

fn load(text: String) -> Arc<RuleSet> {
    let file = RuleFile { path: Arc::from(Path::new("bench.toml")), text };
    let context =
        LoadContext { listeners: vec!["imap".into()], upstreams: vec!["main".into()], ..LoadContext::default() };
    let (rules, problems) = RuleSet::load(&[file], &context);
    Arc::new(rules.unwrap_or_else(|| panic!("{problems:?}")))
}

fn subject() -> Subject {
    Subject {
        user: Arc::from("ann@example.org"),
        actor: Arc::from("ann@example.org"),
        groups: Arc::default(),
        listener: Arc::from("imap"),
        upstream: Arc::from("main"),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_id: Arc::from(""),
        tls: TlsLevel::Server,
    }
}

fn decide(n: u64, rules: &Arc<RuleSet>) {
    let bound = rules.bind(&subject());
    let name = MailboxName::new("Archive/2024");
    let at = jiff::Timestamp::UNIX_EPOCH;
    for _ in 0..n {
        let targets = [(Role::Fetch, Target::new(&name))];
        let _ = black_box(bound.decide(&Request::new(Verb::UidFetch, black_box(&targets)), at));
    }
}

/// A session with a selected mailbox and no rules.
fn session() -> Session {
    session_under(Arc::new(RuleSet::empty()))
}

fn session_under(rules: Arc<RuleSet>) -> Session {
    let now = Instant::now();
    let shared = Shared {
        rules,
        default_domain: None,
        upstreams: vec![Arc::new(UpstreamInfo::new(Arc::from("main"), false, None))],
        limits: Limits::default(),
        budgets: Arc::new(InMemory::new(now)),
        locks: Arc::default(),
        verdicts: imapwarden::session::verdicts::in_memory(),
        clock: Arc::new(Clock::new(now, jiff::Timestamp::UNIX_EPOCH)),
        stopwatch: Instant::now,
    };
    let start = SessionStart {
        sid: Arc::from("4c2q8m0v7x1t"),
        listener: Arc::from("imap"),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_port: 1,
        connected_to: None,
        via: None,
        tls: ListenerTls::Off,
        allow_plaintext_login: true,
        tag_prefix: Arc::from("q7w8e9r0t1y2u"),
    };
    let mut session = Session::new(start, Arc::new(shared), now);
    client(&mut session, b"l LOGIN ann secret\r\n");
    upstream(&mut session, b"* OK [CAPABILITY IMAP4rev1] ready\r\n");
    upstream(&mut session, b"q7w8e9r0t1y2u1 OK [CAPABILITY IMAP4rev1] in\r\n");
    session.handle_client_bytes(b"s SELECT INBOX\r\n", Instant::now());
    serve(&mut session, b"* 5 EXISTS\r\n");
    session
}

fn client(session: &mut Session, bytes: &[u8]) {
    session.handle_client_bytes(bytes, Instant::now());
    drain(session);
}

fn upstream(session: &mut Session, bytes: &[u8]) {
    session.handle_upstream_bytes(bytes, Instant::now());
    drain(session);
}

fn drain(session: &mut Session) {
    while let Some(output) = session.poll_output() {
        match output {
            Output::ToClient(bytes) | Output::ToUpstream(bytes) => session.recycle(black_box(bytes)),
            Output::Intent(_) => session.handle_recorded(true, Instant::now()),
            Output::Connect { .. } => session.handle_upstream_connected(false, Instant::now()),
            other => drop(black_box(other)),
        }
    }
}

/// A server that answers each line with the same data and OK, until nothing more comes up.
fn serve(session: &mut Session, data: &[u8]) {
    loop {
        let mut answers = Vec::new();
        while let Some(output) = session.poll_output() {
            match output {
                Output::ToUpstream(lines) => {
                    let lines_of = lines.split_inclusive(|octet| *octet == b'\n');
                    for tag in lines_of.filter_map(|line| line.split(|octet| *octet == b' ').next()) {
                        answers.extend_from_slice(data);
                        answers.extend_from_slice(tag);
                        answers.extend_from_slice(b" OK done.\r\n");
                    }
                    session.recycle(lines);
                }
                Output::ToClient(bytes) => session.recycle(black_box(bytes)),
                other => drop(black_box(other)),
            }
        }
        if answers.is_empty() {
            return;
        }
        session.handle_upstream_bytes(&answers, Instant::now());
    }
}

/// NOOP up, its answer down: framer, parse, decide, tag, in flight, tag back.
fn command_round_trip(n: u64) {
    let mut session = session();
    for at in 0..n {
        client(&mut session, b"A1234 NOOP\r\n");
        let answer = format!("q7w8e9r0t1y2u{} OK NOOP completed.\r\n", at + 3);
        upstream(&mut session, answer.as_bytes());
    }
}

/// The same, 64 at a time.
fn noop_pipelined(n: u64) {
    pipelined(n, &session, |_| "NOOP".to_owned(), 64, b"");
}

/// 50 mailboxes, none of which the ten rules about everybody name.
fn status_pipelined(n: u64) {
    let session = || session_under(rules_for_all(10));
    let command = |at| format!("STATUS \"Projects/Apollo {at}\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)");
    let data = b"* STATUS \"Projects/Apollo 4\" (MESSAGES 3 RECENT 0 UIDNEXT 4711 UIDVALIDITY 1437056785 UNSEEN 1)\r\n";
    pipelined(n, &session, command, 50, data);
}

fn pipelined(n: u64, session: &dyn Fn() -> Session, command: impl Fn(u64) -> String, at_once: u64, data: &[u8]) {
    let lines: String = (0..at_once).map(|at| format!("A{} {}\r\n", 1000 + at, command(at))).collect();
    let mut session = session();
    let mut left = n;
    while left > 0 {
        session.handle_client_bytes(lines.as_bytes(), Instant::now());
        serve(&mut session, data);
        left = left.saturating_sub(at_once);
    }
}

/// Flags as a mailbox has them, with UIDs so far apart.
fn flags_lines(n: u64, apart: u64) {
    let mut session = session();
    client(&mut session, b"f UID FETCH 1:* (UID FLAGS)\r\n");
    let flags = ["\\Answered \\Seen", "\\Seen", "\\Seen", "\\Flagged \\Seen", "\\Seen", "\\Seen", "", "\\Seen NonJunk"];
    let mut text = Vec::new();
    for number in 1..=n {
        text.extend_from_slice(b"* ");
        push_digits(&mut text, 10_000 + number);
        text.extend_from_slice(b" FETCH (UID ");
        push_digits(&mut text, 10_000 + number * apart);
        text.extend_from_slice(b" FLAGS (");
        text.extend_from_slice(flags[(number % 8) as usize].as_bytes());
        text.extend_from_slice(b"))\r\n");
    }
    text.chunks(65_536).for_each(|bytes| upstream(&mut session, bytes));
}

/// Five of them: formatting would cost more than what is measured.
fn push_digits(text: &mut Vec<u8>, number: u64) {
    text.extend([10_000, 1_000, 100, 10, 1].map(|place| b'0' + (number / place % 10) as u8));
}

/// A number of a long answer to UID SEARCH.
fn search_number(n: u64) {
    let mut session = session();
    client(&mut session, b"f UID SEARCH ALL\r\n");
    let mut line = b"* SEARCH".to_vec();
    for at in 0..n {
        line.push(b' ');
        push_digits(&mut line, 10_000 + at * 3);
    }
    line.extend_from_slice(b"\r\n");
    line.chunks(65_536).for_each(|bytes| upstream(&mut session, bytes));
}

fn responses(n: u64, line: &[u8]) {
    let mut session = session();
    client(&mut session, b"f UID FETCH 1:* (UID FLAGS ENVELOPE)\r\n");
    let many = line.repeat(64);
    let mut left = n;
    while left > 0 {
        upstream(&mut session, &many);
        left = left.saturating_sub(64);
    }
}

fn flags_line(n: u64) {
    responses(n, b"* 4711 FETCH (UID 10234 FLAGS (\\Seen \\Answered))\r\n");
}

fn envelope_line(n: u64) {
    responses(
        n,
        b"* 4711 FETCH (UID 10234 ENVELOPE (\"Wed, 13 Jan 2027 02:13:32 +0000\" \"Minutes of the board\" \
          ((\"Ann Lee\" NIL \"ann\" \"example.org\")) ((\"Ann Lee\" NIL \"ann\" \"example.org\")) \
          ((\"Ann Lee\" NIL \"ann\" \"example.org\")) ((\"Bob Roe\" NIL \"bob\" \"example.org\")) NIL NIL NIL \
          \"<20270113021332.4711@example.org>\"))\r\n",
    );
}

/// 64 KiB of a message that passes by.
fn literal(n: u64) {
    let mut session = session();
    client(&mut session, b"f UID FETCH 7 (BODY[])\r\n");
    let size = n.saturating_mul(65536);
    upstream(&mut session, format!("* 1 FETCH (UID 7 BODY[] {{{size}}}\r\n").as_bytes());
    let octets = vec![b'x'; 65536];
    for _ in 0..n {
        upstream(&mut session, &octets);
    }
}

/// A message of 8 KiB, with the lines of the log that tell of it.
fn small_fetch(n: u64, audit: &str) {
    let mut session = session_under(load(format!("[[rule]]\nid = \"audit\"\n{audit}")));
    let header = "Return-Path: <ann@example.org>\r\nReceived: from mx.example.org by mail.example.net; Wed, 13 Jan 2027 02:13:31 +0000\r\n\
        Date: Wed, 13 Jan 2027 02:13:32 +0000\r\nFrom: Ann Lee <ann@example.org>\r\nTo: Bob Roe <bob@example.org>\r\n\
        Subject: Minutes of the board\r\nMessage-ID: <20270113021332.4711@example.org>\r\n\r\n";
    let message = format!("{header}{}", "x".repeat(8192 - header.len()));
    let data = format!("* 5 FETCH (UID 4711 BODY[] {{{}}}\r\n{message})\r\n", message.len());
    let name = LogName { log: Arc::from("01k9z3t0m4"), node: Arc::from("mx-a1"), hashing: None };
    let (mut spelled, mut lines, mut position) = (Spelled::default(), Vec::new(), Position::START);
    let mut stamp = Stamp::new(jiff::Timestamp::now());
    let mut write = |event: Box<Event>| {
        spelled.clear();
        lines.clear();
        spelled.add(&event, None, None);
        stamp.set(jiff::Timestamp::now());
        spelled.lines().for_each(|(line, _)| record::place(line, &stamp, &name, &mut position, &mut lines));
    };
    let mut answer = Vec::new();
    for _ in 0..n {
        session.handle_client_bytes(b"A1234 UID FETCH 4711 (UID BODY.PEEK[])\r\n", Instant::now());
        for _ in 0..2 {
            while let Some(output) = session.poll_output() {
                match output {
                    Output::ToUpstream(line) => {
                        let tag = line.split(|octet| *octet == b' ').next().unwrap_or_default();
                        answer.clear();
                        answer.extend_from_slice(data.as_bytes());
                        answer.extend_from_slice(tag);
                        answer.extend_from_slice(b" OK done.\r\n");
                        session.recycle(line);
                    }
                    Output::ToClient(octets) => session.recycle(black_box(octets)),
                    Output::Intent(event) => {
                        write(event);
                        session.handle_recorded(true, Instant::now());
                    }
                    Output::Record(event) => write(event),
                    other => drop(black_box(other)),
                }
            }
            if !answer.is_empty() {
                session.handle_upstream_bytes(&answer, Instant::now());
                answer.clear();
            }
        }
    }
}

fn audit_record(n: u64) {
    let ctx = Arc::new(EventContext {
        sid: Some(Arc::from("4c2q8m0v7x1t")),
        user: Some(Arc::from("ann@example.org")),
        client_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listener: Some(Arc::from("imap")),
        upstream: Some(Arc::from("main")),
        ..EventContext::default()
    });
    let uids = imapwarden::imap::message::Uid::new(4711).map(|uid| std::iter::once(uid).collect());
    let mut event = Event::new(ctx, EventKind::MessageRead { uids, want: ReadClass::Full });
    event.cmd = Some(7);
    event.verb = Some(Verb::UidFetch);
    event.stage = Some(Stage::Intent);
    event.mailbox = Some(Arc::new(MailboxRef::named(Arc::from("INBOX"))));
    let name = LogName { log: Arc::from("01k9z3t0m4"), node: Arc::from("mx-a1"), hashing: None };
    let mut position = Position::START;
    let mut stamp = Stamp::new(jiff::Timestamp::now());
    let mut out = Vec::new();
    for _ in 0..n {
        out.clear();
        stamp.set(jiff::Timestamp::now());
        record::write(black_box(&event), &stamp, &name, None, &mut position, &mut out);
    }
}
