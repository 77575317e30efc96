//! What must hold whatever comes in. Each function takes the fuzzer's bytes; a failure is a panic. The program's own tests
//! run the same functions over random bytes and over every crash that was ever found.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use imapwarden::imap::mailbox::MailboxName;
use imapwarden::imap::message::Uid;
use imapwarden::policy::{Facts, LoadContext, RuleFile, RuleSet, Subject, Target, TlsLevel};
use imapwarden::session::{Clock, InMemory, Limits, ListenerTls, Output, Session, SessionStart, Shared, UpstreamInfo};
use imapwarden::wire::command::{Command, Utf8Mode};
use imapwarden::wire::frame::{CommandFramer, Framed};
use jiff::Timestamp;

/// Where a command ends does not depend on how it was cut.
pub fn frame(data: &[u8]) {
    let whole = CommandFramer::default().next(data, 8192);
    let mut framer = CommandFramer::default();
    for end in 0..=data.len() {
        match framer.next(&data[..end], 8192) {
            Framed::More => {}
            found => return assert_eq!(found, whole),
        }
    }
    assert_eq!(whole, Framed::More);
}

/// Parsing never panics, and what it parses has spans inside the frame.
pub fn command(data: &[u8]) {
    for mode in [Utf8Mode::Off, Utf8Mode::On] {
        if let Ok(command) = Command::parse(data, mode) {
            for (_, mailbox) in command.mailboxes() {
                assert!(mailbox.span().end <= data.len());
            }
        }
        let _ = Command::parse_prefix(data, mode);
    }
}

/// A session takes anything from its upstream; without rules all of it reaches the client or is a fault on record.
pub fn response(data: &[u8]) {
    let mut session = Play::new(RuleSet::empty());
    session.log_in();
    session.client(b"a SELECT INBOX\r\nb UID FETCH 1:* (FLAGS BODY[])\r\nc IDLE\r\n");
    let cut = data.first().map_or(1, |byte| usize::from(*byte).max(1));
    for segment in data.chunks(cut) {
        session.upstream(segment);
    }
}

/// A rule file loads or is refused, with places inside the text.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = RuleFile { path: Arc::from(Path::new("f.toml")), text: text.to_owned() };
    let (_, problems) = RuleSet::load(&[file], &context());
    for span in problems.iter().filter_map(|problem| problem.span.clone()) {
        assert!(span.end <= text.len());
    }
}

fn context() -> LoadContext {
    LoadContext { listeners: vec!["imap".into()], upstreams: vec!["main".into()], ..LoadContext::default() }
}

/// What rules look for in headers, each way of looking once.
const PROGRAMS: [&str; 5] =
    ["SUBJECT secret", "FROM @example.org", "TO ann@example.org", "HEADER Content-Type secret", "SENTON 10-Jan-2027"];

/// Any header can be judged; what matches by every reading also matches by one, and one of it and its opposite hides.
pub fn header(data: &[u8]) {
    let inbox = MailboxName::inbox();
    let subject = Subject {
        user: "ann@example.org".into(),
        actor: "ann@example.org".into(),
        groups: [].into(),
        listener: "imap".into(),
        upstream: "main".into(),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_id: "".into(),
        tls: TlsLevel::Server,
    };
    let facts = Facts { header: Some(data), ..Facts::of(Uid::MAX) };
    let hides = |body: &str| {
        let text = format!("[[rule]]\nid = \"a\"\n{body}\n");
        let file = RuleFile { path: Arc::from(Path::new("f.toml")), text };
        let rules = Arc::new(RuleSet::load(&[file], &context()).0.expect("it is in order"));
        let filter = rules.bind(&subject).message_filter(&Target::new(&inbox), Timestamp::UNIX_EPOCH);
        filter.expect("it hides").judge(&facts, Timestamp::UNIX_EPOCH).hidden
    };
    for program in PROGRAMS {
        let (hidden, opposite) =
            (hides(&format!("hide_messages = '{program}'")), hides(&format!("hide_messages = 'NOT {program}'")));
        let spared = !hides(&format!("hide_messages = 'ALL'\nexcept_messages = '{program}'"));
        assert!(hidden || (opposite && !spared), "{program}");
        assert_eq!(spared, !opposite, "{program}");
    }
}

/// Anything on both sides: nothing goes up that is not a command of ours or one that was permitted, under a tag of ours.
pub fn session(data: &[u8]) {
    let mut session = Play::new(RuleSet::empty());
    session.log_in();
    let mut rest = data;
    while let [control, behind @ ..] = rest {
        let take = usize::from(control & 0x3f).min(behind.len());
        let (segment, behind) = behind.split_at(take);
        match control >> 6 {
            0 | 1 => session.client(segment),
            2 => session.upstream(segment),
            _ => session.answer(),
        }
        rest = behind;
    }
}

/// One session, and what it sent up.
struct Play {
    session: Session,
    now: Instant,
    sent: Vec<u8>,
    closed: bool,
}

const PREFIX: &str = "q7w8e9r0t1y2u";

impl Play {
    fn new(rules: RuleSet) -> Self {
        let now = Instant::now();
        let limits = Limits { max_line: 8192, max_literal: 65536, ..Limits::default() };
        let shared = Shared {
            rules: Arc::new(rules),
            default_domain: None,
            upstreams: vec![Arc::new(UpstreamInfo::new(Arc::from("main"), false, None))],
            limits,
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
            tag_prefix: Arc::from(PREFIX),
        };
        Self { session: Session::new(start, Arc::new(shared), now), now, sent: Vec::new(), closed: false }
    }

    fn log_in(&mut self) {
        self.client(b"l LOGIN ann secret\r\n");
        self.upstream(b"* OK [CAPABILITY IMAP4rev1] ready\r\n");
        self.answer();
        self.sent.clear();
    }

    fn client(&mut self, bytes: &[u8]) {
        self.session.handle_client_bytes(bytes, self.now);
        self.perform();
    }

    fn upstream(&mut self, bytes: &[u8]) {
        self.session.handle_upstream_bytes(bytes, self.now);
        self.perform();
    }

    /// Answers the last command that went up with OK.
    fn answer(&mut self) {
        let text = String::from_utf8_lossy(&self.sent).into_owned();
        let tag = text.lines().rev().filter_map(|line| line.split(' ').next()).find(|word| word.starts_with(PREFIX));
        if let Some(tag) = tag {
            self.upstream(format!("{tag} OK done\r\n").as_bytes());
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::ToUpstream(bytes) => {
                    assert!(!self.closed);
                    self.sent.extend_from_slice(&bytes);
                    self.session.recycle(bytes);
                }
                Output::ToClient(bytes) => self.session.recycle(bytes),
                Output::Intent(_) => self.session.handle_recorded(true, self.now),
                Output::Connect { .. } => self.session.handle_upstream_connected(false, self.now),
                Output::Close => self.closed = true,
                Output::Record(_)
                | Output::Announce(_)
                | Output::Note(_)
                | Output::StartClientTls
                | Output::StartUpstreamTls
                | Output::CloseUpstream => {}
            }
        }
    }
}
