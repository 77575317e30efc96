//! What it costs to record, and how fast a log is verified.
//!
//! ```text
//! cargo bench --bench audit               in a directory under TMPDIR, which should be on a disk
//!
//! Beside it, what the disk does with the same octets and nothing else: a write for each so many records, and a sync each 50 ms.
//! ```

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imapwarden::audit::{Entry, Log, Settings, verify};
use imapwarden::imap::verb::Verb;
use imapwarden::session::event::{
    Durability, Event, EventContext, EventKind, GapReason, LogObserver, MailboxRef, OnFailure, ReadClass, ReadMessage,
    Stage, StopReason,
};

/// Octets of a record as they are made here.
const RECORD: usize = 510;

/// Listens to nothing.
struct Nobody;

impl LogObserver for Nobody {
    fn recorded(&self, _: &'static str) {}
    fn wrote(&self, _: Duration) {}
    fn synced(&self, _: Duration) {}
    fn signed(&self) {}
    fn lost(&self, _: GapReason, _: u64) {}
    fn failing(&self, _: bool) {}
    fn disk_free(&self, _: f64) {}
}

fn main() {
    let directory = std::env::temp_dir().join(format!("imapwarden-bench-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for (name, sessions, records, durability) in [
        ("1 session", 1, 20_000, Durability::Batched),
        ("64 sessions", 64, 3_000, Durability::Batched),
        ("1,000 sessions", 1000, 300, Durability::Batched),
        ("1 session, strict", 1, 2_000, Durability::Strict),
        ("64 sessions, strict", 64, 300, Durability::Strict),
    ] {
        let _ = fs::remove_dir_all(&directory);
        let settings = Settings {
            directory: directory.clone(),
            on_failure: OnFailure::Refuse,
            durability,
            min_free: 0,
            keep: None,
            hashing: None,
            node: "mx-a1".into(),
            version: "0.1.0".into(),
        };
        let log = Log::open(settings, Arc::new(Nobody)).expect("the log opens");
        let began = Instant::now();
        let mut waits = runtime.block_on(record(&log, sessions, records));
        let took = began.elapsed();
        let (writer, sync) = (cpu("audit-writer"), cpu("audit-sync"));
        let all = f64::from(sessions * records);
        waits.sort_unstable();
        let at = |part: usize| waits.get(waits.len() * part / 1000).copied().unwrap_or_default().as_micros();
        println!(
            "{name:<16} {:>9.0} records/s   writer {:.2} µs, sync {:.2} µs of CPU a record   waits p50 {} µs, p99 {} µs, p99.9 {} µs",
            all / took.as_secs_f64(),
            writer.as_secs_f64() * 1e6 / all,
            sync.as_secs_f64() * 1e6 / all,
            at(500),
            at(990),
            at(999),
        );
        runtime.block_on(log.close(StopReason::Drained)).expect("it is closed");
    }
    for (name, records) in [("disk, a record a write", 1), ("disk, 64 records a write", 64)] {
        println!("{name:<24} {:>9.0} records/s", disk(&directory, records).expect("the disk can be written to"));
    }
    let bytes: u64 = fs::read_dir(&directory)
        .expect("it can be read")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"))
        .filter_map(|entry| entry.metadata().ok().map(|about| about.len()))
        .sum();
    let this = Path::new("/proc/thread-self");
    let before = spent(this);
    let report = verify(&directory, None);
    let rate = bytes as f64 / 1e6 / (spent(this) - before).as_secs_f64();
    println!("verify           {:.0} MB at {rate:.0} MB a second of CPU", bytes as f64 / 1e6);
    let _ = fs::remove_dir_all(&directory);
    assert_eq!(report.exit_code(), 0, "{report}");
}

/// Records of the usual size that this disk takes in a second, so many at once.
fn disk(directory: &Path, records: usize) -> std::io::Result<f64> {
    let path = directory.with_extension("disk");
    let mut file = fs::File::create(&path)?;
    let lines = vec![b'x'; RECORD * records];
    let (began, mut synced, mut written) = (Instant::now(), Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&lines)?;
        written += records;
        if synced.elapsed() >= Duration::from_millis(50) {
            file.sync_data()?;
            synced = Instant::now();
        }
    }
    file.sync_data()?;
    let rate = written as f64 / began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

/// So many records from each of so many sessions, each waiting for its own.
async fn record(log: &Log, sessions: u32, records: u32) -> Vec<Duration> {
    let tasks: Vec<_> = (0..sessions)
        .map(|session| {
            let log = log.clone();
            tokio::spawn(async move {
                let ctx = context(session);
                let mut waits = Vec::new();
                for n in 0..records {
                    let began = Instant::now();
                    let entry = Entry { event: Box::new(read(&ctx, n)), intent: Some(u64::from(n)) };
                    log.submit(vec![entry]).await.written().await.expect("it is written");
                    waits.push(began.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.expect("no session fails"));
    }
    waits
}

fn context(session: u32) -> Arc<EventContext> {
    Arc::new(EventContext {
        sid: Some(format!("{session:0>12}").into()),
        user: Some("m.berg@example.org".into()),
        client_ip: Some([203, 0, 113, 77].into()),
        listener: Some("imaps".into()),
        upstream: Some("dovecot".into()),
        ..EventContext::proxy()
    })
}

/// The done of a read of one message.
fn read(ctx: &Arc<EventContext>, n: u32) -> Event {
    let uid = imapwarden::imap::message::Uid::new(n + 1);
    let message = ReadMessage {
        uid,
        class: ReadClass::Full,
        bytes: 81_900,
        size: Some(81_900),
        parts: Vec::new(),
        emailid: None,
        hdr: None,
    };
    let mut event = Event::new(Arc::clone(ctx), EventKind::MessageReadDone { sets: Vec::new(), msgs: vec![message] });
    event.cmd = Some(n);
    event.verb = Some(Verb::UidFetch);
    event.stage = Some(Stage::Done);
    event.mailbox = Some(Arc::new(MailboxRef::named("INBOX".into())));
    event
}

/// Time that the thread of this name has had a processor.
fn cpu(name: &str) -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok).map(|task| task.path());
    let of_name = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
    of_name.map(|task| spent(&task)).sum()
}

fn spent(task: &Path) -> Duration {
    let text = fs::read_to_string(task.join("schedstat")).expect("Linux");
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("a number"))
}
