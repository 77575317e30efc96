//! How fast a large log is verified and asked, and in how much memory.
//!
//! ```text
//! cargo bench --bench reading                     ten million events in a directory under TMPDIR (5 GB)
//! EVENTS=1000000 cargo bench --bench reading
//! ```
//!
//! Each report runs in a process of its own, so that its memory is its own.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use imapwarden::audit::chain::{Hash, Position};
use imapwarden::audit::record::{LogName, write};
use imapwarden::audit::stamp::Stamp;
use imapwarden::imap::message::{Uid, UidSet};
use imapwarden::imap::verb::Verb;
use imapwarden::session::event::{
    CloseReason, CloseSegment, ClosedBy, CommandResult, Durability, Event, EventContext, EventKind, MailboxRef,
    Mechanism, OnFailure, OpenReason, PolicyOutcome, ReadClass, ReadCounts, ReadMessage, ResultStatus, Stage,
    VerdictKind,
};
use jiff::{SignedDuration, Timestamp};

/// Octets of a segment.
const SEGMENT: usize = 64 * 1024 * 1024;
/// Reads in a session.
const READS: u64 = 47;

fn main() {
    let events = std::env::var("EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let directory = std::env::temp_dir().join(format!("imapwarden-reading-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let began = Instant::now();
    let mut story = Story::begin(&directory);
    story.tell(events);
    let (records, octets) = story.end();
    let megabytes = octets as f64 / 1e6;
    println!("written          {records} records, {megabytes:.0} MB in {:.1} s", began.elapsed().as_secs_f64());
    for (name, arguments) in [
        ("verify", &["verify"][..]),
        ("report reads", &["report", "reads"]),
        ("  by user", &["report", "reads", "--by", "user"]),
        ("  of one user", &["report", "reads", "--user", "user17@example.org"]),
        ("report exfil", &["report", "exfil"]),
        ("report sessions", &["report", "sessions"]),
    ] {
        run(name, arguments, &directory, megabytes);
    }
    fs::remove_dir_all(&directory).expect("it is ours");
}

/// Runs the program; says how long it took, its processor time, and the most memory that it had.
fn run(name: &str, arguments: &[&str], directory: &Path, megabytes: f64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    command.arg("audit").args(arguments).arg("--dir").arg(directory);
    command.stdout(File::create("/dev/null").expect("Linux"));
    let began = Instant::now();
    let mut child = command.spawn().expect("it is built");
    let status = format!("/proc/{}/status", child.id());
    let stat = format!("/proc/{}/stat", child.id());
    let (mut most, mut cpu) = (0.0_f64, 0.0_f64);
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("it is ours") {
            break ended;
        }
        let number = |text: &str| text.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        let said = fs::read_to_string(&status).unwrap_or_default();
        most = said.lines().find(|line| line.starts_with("VmHWM")).and_then(number).unwrap_or(0.0).max(most);
        cpu = fs::read_to_string(&stat).ok().as_deref().and_then(spent).unwrap_or(0.0).max(cpu);
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(ended.code(), Some(0), "{name}");
    let took = began.elapsed().as_secs_f64();
    println!(
        "{name:<16} {took:>6.1} s, {cpu:>5.1} s of CPU, {:>4.0} MB/s, at most {:.0} MB of memory",
        megabytes / took,
        most / 1024.0
    );
}

/// Seconds of a processor that all threads of a process have had, as /proc/PID/stat tells it (proc(5): utime and stime).
fn spent(stat: &str) -> Option<f64> {
    let (_, behind_the_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_the_name.split(' ').skip(11).map(|ticks| ticks.parse::<f64>().ok());
    Some((fields.next()?? + fields.next()??) / TICKS)
}

/// Ticks in a second, on any Linux.
const TICKS: f64 = 100.0;

/// A log that is being written.
struct Story<'d> {
    directory: &'d Path,
    name: LogName,
    position: Position,
    segment: u32,
    lines: Vec<u8>,
    records: u64,
    in_segment: u64,
    octets: u64,
    now: Timestamp,
    last: Vec<u8>,
    random: u64,
}

impl<'d> Story<'d> {
    fn begin(directory: &'d Path) -> Self {
        let mut story = Self {
            directory,
            name: LogName { log: "01k9z3t0m4".into(), node: "mx-a1".into(), hashing: None },
            position: Position::START,
            segment: 0,
            lines: Vec::with_capacity(SEGMENT + 1024 * 1024),
            records: 0,
            in_segment: 0,
            octets: 0,
            now: "2027-01-11T08:00:00Z".parse().expect("a time"),
            last: Vec::new(),
            random: 4711,
        };
        story.open(OpenReason::First);
        story
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % end
    }

    fn record(&mut self, event: &Event, intent: Option<u64>) -> u64 {
        self.now = self.now.checked_add(SignedDuration::from_micros(60_000)).expect("in range");
        let written = write(event, &Stamp::new(self.now), &self.name, intent, &mut self.position, &mut self.lines);
        self.records += written;
        self.in_segment += written;
        self.position.next_seq - 1
    }

    fn open(&mut self, reason: OpenReason) {
        (self.segment, self.in_segment) = (self.segment + 1, 0);
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
    }

    fn close(&mut self, reason: CloseSegment) {
        let records = self.in_segment + 1;
        self.record(&Event::of_proxy(EventKind::AuditClose { reason, records }), None);
        let path = self.directory.join(format!("{:08}.jsonl", self.segment));
        let mut file = BufWriter::new(File::create(path).expect("room"));
        file.write_all(&self.lines).expect("room");
        file.flush().expect("room");
        self.octets += self.lines.len() as u64;
        let last = self.lines.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line");
        self.last = last.to_vec();
        self.lines.clear();
    }

    fn tell(&mut self, events: u64) {
        while self.records < events {
            self.session();
            if self.lines.len() > SEGMENT {
                self.close(CloseSegment::Rotate);
                self.open(OpenReason::Rotate);
            }
        }
    }

    /// One session: a login, a mailbox, and messages read one by one.
    fn session(&mut self) {
        let user = format!("user{}@example.org", self.below(1_000));
        let sid = format!("{:0>12}", self.records);
        let before = Arc::new(EventContext {
            sid: Some(sid.into()),
            client_ip: Some([198, 51, 100, 20].into()),
            listener: Some("imaps".into()),
            ..EventContext::proxy()
        });
        let ctx =
            Arc::new(EventContext { user: Some(user.into()), upstream: Some("main".into()), ..(*before).clone() });
        self.record(&Event::new(before, EventKind::SessionOpen { port: 50_000, via: None, tls: None }), None);
        let login = EventKind::AuthSuccess { mech: Mechanism::Plain, groups: vec![], upstream: "main".into(), ms: 12 };
        self.record(&Event::new(Arc::clone(&ctx), login), None);
        let name = ["INBOX", "Archive/2027", "Projects/Apollo"][self.below(3) as usize];
        let mailbox = Arc::new(MailboxRef { name: name.into(), uidv: Some(1_700_000_001), id: None });
        let mut reads = ReadCounts::default();
        for cmd in 2..u32::try_from(READS).expect("few") + 2 {
            let uid = Uid::new(u32::try_from(self.below(100_000) + 1).expect("small")).expect("not 0");
            let size = 2_000 + self.below(200_000);
            let mut event = Event::new(
                Arc::clone(&ctx),
                EventKind::MessageRead { uids: Some(UidSet::run(uid, uid)), want: ReadClass::Full },
            );
            (event.cmd, event.verb, event.stage) = (Some(cmd), Some(Verb::UidFetch), Some(Stage::Intent));
            event.mailbox = Some(Arc::clone(&mailbox));
            event.policy = Some(PolicyOutcome {
                rev: "9b1d02c4".into(),
                verdict: VerdictKind::Allowed,
                by: vec![],
                shadow: vec![],
            });
            let intent = self.record(&event, None);
            let message = ReadMessage {
                uid: Some(uid),
                class: ReadClass::Full,
                bytes: size,
                size: Some(size),
                parts: vec![],
                emailid: None,
                hdr: None,
            };
            reads.add(ReadClass::Full, 1);
            event.kind = EventKind::MessageReadDone { sets: vec![], msgs: vec![message] };
            event.stage = Some(Stage::Done);
            event.result = Some(CommandResult::plain(ResultStatus::Ok));
            event.lat_us = Some(1_870);
            self.record(&event, Some(intent));
        }
        let close = EventKind::SessionClose {
            reason: CloseReason::Logout,
            by: ClosedBy::Client,
            dur_ms: 20_000,
            commands: 50,
            bytes_in: 2_000,
            bytes_out: 5_000_000,
            reads,
        };
        self.record(&Event::new(ctx, close), None);
    }

    fn end(mut self) -> (u64, u64) {
        self.close(CloseSegment::Stop);
        let head = format!("{:>20} {}\n", self.position.next_seq - 1, Hash::of(&self.last));
        fs::write(self.directory.join("head"), head).expect("room");
        (self.records, self.octets)
    }
}
