//! A log to ask: three days of a small server, in which an account is taken over on a Tuesday night.
//!
//! ```text
//!   segment 1   Mon  m.berg and ann.lee read mail
//!               Tue  02:11 somebody guesses m.berg's password, reads, searches, copies; 02:31 the machine loses power
//!   segment 2   Tue  07:58 it starts again; m.berg reads mail      Wed  it is stopped
//! ```
//!
//! Written by what writes real logs, at times of our own.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use imapwarden::audit::chain::{Hash, Position};
use imapwarden::audit::record::{LogName, write};
use imapwarden::audit::stamp::Stamp;
use imapwarden::imap::message::{Flag, Uid, UidSet};
use imapwarden::imap::verb::Verb;
use imapwarden::session::event::{
    AuthFailureReason, CloseReason, CloseSegment, ClosedBy, CommandResult, CopyOp, Durability, Event, EventContext,
    EventKind, FlagOp, GapReason, HeaderFacts, LimitAction, LimitKind, LimitName, LimitPer, ListOp, LoadedBy,
    MailboxRef, Mechanism, OnFailure, OpenReason, PolicyOutcome, ReadClass, ReadCounts, ReadMessage, ReadSet,
    ResultStatus, Stage, StopReason, TlsFacts, VerdictKind,
};
use jiff::Timestamp;

/// The rules that the log names.
pub const REV: &str = "9b1d02c4";

/// A log that is being written.
pub struct Story<'d> {
    directory: &'d Path,
    position: Position,
    segment: u32,
    lines: Vec<u8>,
    records: u64,
    now: Timestamp,
}

impl<'d> Story<'d> {
    pub fn begin(directory: &'d Path, at: &str) -> Self {
        fs::create_dir_all(directory).expect("a folder");
        let now = time(at);
        Self { directory, position: Position::START, segment: 0, lines: Vec::new(), records: 0, now }
    }

    pub fn at(&mut self, at: &str) {
        self.now = time(at);
    }

    /// A second later.
    fn tick(&mut self) {
        self.now = self.now.checked_add(jiff::SignedDuration::from_millis(1_250)).expect("in range");
    }

    /// Writes an event; the number of its last record.
    pub fn record(&mut self, event: &Event, intent: Option<u64>) -> u64 {
        let name = LogName { log: "01k9z3t0m4".into(), node: "mx-a1".into(), hashing: None };
        self.records += write(event, &Stamp::new(self.now), &name, intent, &mut self.position, &mut self.lines);
        self.tick();
        self.position.next_seq - 1
    }

    pub fn open(&mut self, reason: OpenReason) {
        self.segment += 1;
        let open = EventKind::AuditOpen {
            reason,
            segment: self.segment,
            version: "0.1.0".into(),
            on_failure: OnFailure::Refuse,
            durability: Durability::Batched,
            torn: None,
            others: Vec::new(),
        };
        self.record(&Event::of_proxy(open), None);
        self.record(
            &Event::of_proxy(EventKind::ProxyStart { version: "0.1.0".into(), config_sha256: "c0ffee".into() }),
            None,
        );
        let load = EventKind::PolicyLoad {
            rev: REV.into(),
            old_rev: None,
            by: LoadedBy::Start,
            rules: 3,
            added: vec![],
            removed: vec![],
            changed: vec![],
        };
        self.record(&Event::of_proxy(load), None);
    }

    /// The segment ends as it is, as after a loss of power.
    pub fn leave(&mut self) {
        fs::write(self.directory.join(format!("{:08}.jsonl", self.segment)), &self.lines).expect("room");
        let last = self.lines.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line");
        let head = format!("{:>20} {}\n", self.position.next_seq - 1, Hash::of(last));
        fs::write(self.directory.join("head"), head).expect("room");
        self.lines.clear();
        self.records = 0;
    }

    /// Goes on in the segment that was left.
    pub fn take_up(&mut self) {
        let path = self.directory.join(format!("{:08}.jsonl", self.segment));
        self.lines = fs::read(path).expect("it is there");
        self.records = self.lines.iter().filter(|byte| **byte == b'\n').count() as u64;
    }

    pub fn close(&mut self) {
        self.record(&Event::of_proxy(EventKind::ProxyStop { reason: StopReason::Drained }), None);
        let records = self.records + 1;
        self.record(&Event::of_proxy(EventKind::AuditClose { reason: CloseSegment::Stop, records }), None);
        self.leave();
    }
}

fn time(at: &str) -> Timestamp {
    at.parse().expect("a time")
}

/// A session of the story.
pub struct Session {
    sid: &'static str,
    before: Arc<EventContext>,
    ctx: Arc<EventContext>,
    cmd: u32,
    mailbox: Option<Arc<MailboxRef>>,
    reads: ReadCounts,
}

/// `id`: what the program says of itself.
pub fn session(story: &mut Story<'_>, sid: &'static str, user: &str, ip: &str, id: Option<(&str, &str)>) -> Session {
    let ip: IpAddr = ip.parse().expect("an address");
    let before = Arc::new(EventContext {
        sid: Some(sid.into()),
        client_ip: Some(ip),
        listener: Some("imaps".into()),
        ..EventContext::proxy()
    });
    let ctx = EventContext { user: Some(user.into()), upstream: Some("main".into()), ..(*before).clone() };
    let mut session = Session { sid, before, ctx: Arc::new(ctx), cmd: 1, mailbox: None, reads: ReadCounts::default() };
    let cipher = "TLS13_AES_256_GCM_SHA384".into();
    let tls = TlsFacts { version: "TLSv1.3", cipher, sni: Some("imap.example.org".into()), client_cert_sha256: None };
    let open = EventKind::SessionOpen { port: 51_022, via: None, tls: Some(tls) };
    story.record(&Event::new(Arc::clone(&session.before), open), None);
    if let Some((name, version)) = id {
        session.cmd += 1;
        let kind =
            EventKind::ClientId { name: Some(name.into()), version: Some(version.into()), os: None, vendor: None };
        story.record(&Event::new(Arc::clone(&session.before), kind), None);
    }
    session
}

impl Session {
    /// Somebody else proved who they are.
    pub fn by(mut self, actor: &str) -> Self {
        self.ctx = Arc::new(EventContext { actor: Some(actor.into()), ..(*self.ctx).clone() });
        self
    }

    fn event(&mut self, verb: Verb, stage: Option<Stage>, kind: EventKind) -> Event {
        let mut event = Event::new(Arc::clone(&self.ctx), kind);
        (event.cmd, event.verb, event.stage) = (Some(self.cmd), Some(verb), stage);
        event.mailbox.clone_from(&self.mailbox);
        event.policy = Some(outcome(VerdictKind::Allowed, &[]));
        if stage == Some(Stage::Done) {
            event.result = Some(CommandResult::plain(ResultStatus::Ok));
            event.lat_us = Some(1_870);
        }
        event
    }

    pub fn fails(&mut self, story: &mut Story<'_>) {
        let kind = EventKind::AuthFailure { mech: Mechanism::Plain, reason: AuthFailureReason::Credentials };
        let mut event = self.event(Verb::Authenticate, None, kind);
        event.policy = None;
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn logs_in(&mut self, story: &mut Story<'_>) {
        let kind = EventKind::AuthSuccess { mech: Mechanism::Plain, groups: vec![], upstream: "main".into(), ms: 31 };
        let mut event = self.event(Verb::Authenticate, None, kind);
        event.policy = None;
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn lists(&mut self, story: &mut Story<'_>, n: u64, hidden: u64) {
        let kind = EventKind::MailboxList { op: ListOp::List, reference: "".into(), pattern: "*".into(), n, hidden };
        let event = self.event(Verb::List, Some(Stage::Done), kind);
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn opens(&mut self, story: &mut Story<'_>, name: &str, exists: u32, hidden: &[u32], rule: &str) {
        self.mailbox = Some(Arc::new(MailboxRef { name: name.into(), uidv: Some(1_700_000_001), id: None }));
        let uids: UidSet = hidden.iter().copied().filter_map(Uid::new).collect();
        let kind = EventKind::MailboxOpen {
            rw: true,
            exists: Some(exists),
            hidden: u32::try_from(hidden.len()).ok(),
            hidden_uids: (!hidden.is_empty()).then_some(uids),
        };
        let mut event = self.event(Verb::Select, Some(Stage::Done), kind);
        if !hidden.is_empty() {
            event.policy = Some(outcome(VerdictKind::Narrowed, &[rule]));
        }
        story.record(&event, None);
        self.cmd += 1;
    }

    /// Flags and the like of many.
    pub fn glances(&mut self, story: &mut Story<'_>, class: ReadClass, uids: &str) {
        let uids = set(uids);
        self.reads.add(class, uids.len());
        let read = ReadSet { class, n: uids.len(), uids: Some(uids), bytes: 0 };
        let kind = EventKind::MessageReadDone { sets: vec![read], msgs: vec![] };
        let event = self.event(Verb::UidFetch, Some(Stage::Done), kind);
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn searches(&mut self, story: &mut Story<'_>, keys: &[&'static str], uids: &str) {
        let uids = set(uids);
        self.reads.add(ReadClass::Searched, uids.len());
        let kind = EventKind::MessageSearch {
            keys: keys.to_vec(),
            terms: vec![],
            content: true,
            hits: Some(uids.len()),
            uids: Some(uids),
            hidden: None,
        };
        let event = self.event(Verb::UidSearch, Some(Stage::Done), kind);
        story.record(&event, None);
        self.cmd += 1;
    }

    /// Announces to read; the number of the record.
    pub fn asks_for(&mut self, story: &mut Story<'_>, uids: &str) -> u64 {
        let kind = EventKind::MessageRead { uids: Some(set(uids)), want: ReadClass::Full };
        let event = self.event(Verb::UidFetch, Some(Stage::Intent), kind);
        story.record(&event, None)
    }

    pub fn reads(&mut self, story: &mut Story<'_>, messages: Vec<ReadMessage>) {
        let uids: UidSet = messages.iter().filter_map(|message| message.uid).collect();
        let intent = self.asks_for(story, &uids.to_string());
        messages.iter().for_each(|message| self.reads.add(message.class, 1));
        let kind = EventKind::MessageReadDone { sets: vec![], msgs: messages };
        let event = self.event(Verb::UidFetch, Some(Stage::Done), kind);
        story.record(&event, Some(intent));
        self.cmd += 1;
    }

    pub fn flags(&mut self, story: &mut Story<'_>, op: FlagOp, uids: &str) {
        let kind = || EventKind::MessageFlag {
            op,
            flags: vec![Flag::Seen],
            dropped: vec![],
            uids: Some(set(uids)),
            n: Some(set(uids).len()),
        };
        let event = self.event(Verb::UidStore, Some(Stage::Intent), kind());
        let intent = story.record(&event, None);
        let event = self.event(Verb::UidStore, Some(Stage::Done), kind());
        story.record(&event, Some(intent));
        self.cmd += 1;
    }

    pub fn copies(&mut self, story: &mut Story<'_>, uids: &str, dst: &str, dst_uids: &str) {
        let kind = |dst_uids: Option<UidSet>| EventKind::MessageCopy {
            op: CopyOp::Copy,
            dst: dst.into(),
            dst_uidv: dst_uids.as_ref().map(|_| 1_700_000_007),
            uids: Some(set(uids)),
            dst_uids,
            n: Some(set(uids).len()),
        };
        let event = self.event(Verb::UidCopy, Some(Stage::Intent), kind(None));
        let intent = story.record(&event, None);
        let event = self.event(Verb::UidCopy, Some(Stage::Done), kind(Some(set(dst_uids))));
        story.record(&event, Some(intent));
        self.cmd += 1;
    }

    pub fn is_refused_a_copy(&mut self, story: &mut Story<'_>, uids: &str, dst: &str, rule: &str) {
        let kind = EventKind::MessageCopy {
            op: CopyOp::Copy,
            dst: dst.into(),
            dst_uidv: None,
            uids: Some(set(uids)),
            dst_uids: None,
            n: None,
        };
        let mut event = self.event(Verb::UidCopy, Some(Stage::Refused), kind);
        event.policy = Some(outcome(VerdictKind::Refused, &[rule]));
        event.result = Some(CommandResult { status: ResultStatus::No, code: Some("NOPERM".into()) });
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn hits_a_limit(&mut self, story: &mut Story<'_>, rule: &str) {
        let kind = EventKind::LimitHit {
            limit: LimitName::Rule(rule.into()),
            kind: LimitKind::Download,
            per: LimitPer::User,
            used: 5_242_880,
            max: 5_242_880,
            window_s: Some(86_400),
            action: LimitAction::Refuse,
        };
        let mut event = self.event(Verb::UidFetch, None, kind);
        event.policy = None;
        story.record(&event, None);
        self.cmd += 1;
    }

    pub fn ends(self, story: &mut Story<'_>, out: u64) {
        let kind = EventKind::SessionClose {
            reason: CloseReason::Logout,
            by: ClosedBy::Client,
            dur_ms: 1_250 * u64::from(self.cmd),
            commands: self.cmd,
            bytes_in: 900,
            bytes_out: out,
            reads: self.reads,
        };
        assert_eq!(self.sid.len(), 12);
        story.record(&Event::new(self.ctx, kind), None);
    }
}

fn outcome(verdict: VerdictKind, by: &[&str]) -> PolicyOutcome {
    PolicyOutcome { rev: REV.into(), verdict, by: by.iter().map(|id| Arc::from(*id)).collect(), shadow: vec![] }
}

fn set(text: &str) -> UidSet {
    let mut set = UidSet::new();
    for run in text.split(',') {
        let (first, last) = run.split_once(':').unwrap_or((run, run));
        let uid = |text: &str| Uid::new(text.parse().expect("a number")).expect("not 0");
        set.insert_run(uid(first), uid(last));
    }
    set
}

/// A message of which so much was delivered.
pub fn message(uid: u32, class: ReadClass, bytes: u64, size: u64) -> ReadMessage {
    let parts = if class == ReadClass::Part { vec!["1.1".into()] } else { vec![] };
    ReadMessage { uid: Uid::new(uid), class, bytes, size: Some(size), parts, emailid: None, hdr: None }
}

pub fn with_id(mut message: ReadMessage, id: &str, subject: Option<&str>) -> ReadMessage {
    let header = HeaderFacts {
        message_id: Some(id.into()),
        from: subject.map(|_| "Ann Lee <ann.lee@example.org>".into()),
        to: subject.map(|_| "m.berg@example.org".into()),
        date: subject.map(|_| "Mon, 11 Jan 2027 15:02:11 +0000".into()),
        subject: subject.map(Into::into),
    };
    message.hdr = Some(Box::new(header));
    message
}

/// A log that lost some of its records, and says which.
pub fn with_a_gap(directory: &Path) {
    let mut story = Story::begin(directory, "2027-01-09T22:14:07Z");
    story.open(OpenReason::First);
    let (first, n) = (story.position.next_seq, 29);
    story.position.next_seq += n;
    let gap = EventKind::AuditGap {
        first,
        last: first + n - 1,
        n,
        by_type: vec![("message.read", n)],
        reason: GapReason::DiskFull,
    };
    story.record(&Event::of_proxy(gap), None);
    story.close();
}

/// The three days.
pub fn tell(directory: &Path) {
    let mut story = Story::begin(directory, "2027-01-11T06:30:00Z");
    let story = &mut story;
    story.open(OpenReason::First);

    story.at("2027-01-11T08:01:14Z");
    let mut berg = session(story, "7h3n0r8m4k2p", BERG, "198.51.100.20", Some(("Thunderbird", "128.5.0")));
    berg.logs_in(story);
    berg.lists(story, 6, 1);
    berg.opens(story, "INBOX", 1_842, &[4_101, 4_187, 4_350], "hide-board-mail");
    berg.glances(story, ReadClass::Listed, "2500:4338");
    berg.glances(story, ReadClass::Envelope, "4398:4401");
    berg.reads(story, vec![with_id(message(4_398, ReadClass::Full, 12_040, 12_040), "<q4-plan@example.org>", None)]);
    berg.reads(story, vec![message(4_399, ReadClass::Part, 2_100, 90_411)]);
    berg.flags(story, FlagOp::Add, "4398");
    berg.ends(story, 402_118);

    story.at("2027-01-11T09:12:40Z");
    let mut ann = session(story, "3v9c2d7s5g1w", "ann.lee@example.org", "198.51.100.31", Some(("Apple Mail", "16.0")));
    ann.logs_in(story);
    ann.opens(story, "INBOX", 822, &[], "");
    ann.reads(story, vec![message(812, ReadClass::Full, 31_004, 31_004)]);
    ann.ends(story, 58_220);

    story.at("2027-01-12T02:11:04Z");
    let mut thief = session(story, "4c2q8m0v7x1t", BERG, "203.0.113.77", None);
    thief.fails(story);
    thief.fails(story);
    story.at("2027-01-12T02:13:20Z");
    thief.logs_in(story);
    thief.lists(story, 6, 1);
    thief.opens(story, "INBOX", 1_851, &[4_101, 4_187, 4_350], "hide-board-mail");
    thief.searches(story, &["SUBJECT", "BODY"], "4398,4410:4412,4415");
    thief.glances(story, ReadClass::Envelope, "4380:4419");
    let invoice = "Invoice 4711 and the new account";
    thief.reads(
        story,
        vec![
            with_id(message(4_410, ReadClass::Full, 81_900, 81_900), "<invoice-4711@example.org>", Some(invoice)),
            message(4_412, ReadClass::Part, 6_313, 240_551),
        ],
    );
    thief.copies(story, "4410", "Drafts", "77");
    thief.flags(story, FlagOp::Remove, "4410");
    thief.opens(story, "Finance/Q4", 310, &[], "");
    thief.reads(
        story,
        (12..=16).map(|uid| message(uid, ReadClass::Full, 50_000 + u64::from(uid), 50_000 + u64::from(uid))).collect(),
    );
    thief.is_refused_a_copy(story, "12:16", "Archive/Private", "no-export-finance");
    thief.hits_a_limit(story, "download-5mib");
    story.at("2027-01-12T02:31:07Z");
    thief.asks_for(story, "17:19");
    story.leave();

    story.at("2027-01-12T07:58:00Z");
    story.open(OpenReason::Start);
    story.at("2027-01-12T08:03:10Z");
    let mut berg = session(story, "5k8t2w6q9d3f", BERG, "198.51.100.20", Some(("Thunderbird", "128.5.0")));
    berg.logs_in(story);
    berg.opens(story, "INBOX", 1_851, &[4_101, 4_187, 4_350], "hide-board-mail");
    berg.reads(
        story,
        vec![with_id(message(4_410, ReadClass::Full, 81_900, 81_900), "<invoice-4711@example.org>", Some(invoice))],
    );
    berg.ends(story, 90_144);
    story.at("2027-01-13T18:00:00Z");
    story.close();
}

const BERG: &str = "m.berg@example.org";
