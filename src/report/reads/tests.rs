//! Reports of reads agree with a plain list of what was delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::audit::chain::{Hash, Position};
use crate::audit::record::{LogName, write};
use crate::audit::stamp::Stamp;
use crate::audit::verify_and_see;
use crate::imap::message::{Uid, UidSet};
use crate::imap::verb::Verb;
use crate::report::Coverage;
use crate::session::event::{
    CloseSegment, Durability, Event, EventContext, EventKind, MailboxRef, OnFailure, OpenReason, ReadMessage, ReadSet,
    Stage,
};

/// What happens in a log, one after the other.
#[derive(Debug, Clone)]
enum Step {
    /// A read that ends: session, mailbox, UIDs with class and octets; announced in so many records and delivered in so many.
    Read { session: usize, mailbox: usize, uids: BTreeSet<u32>, class: usize, octets: u64, events: usize },
    /// A read of which nobody knows the end.
    Lost { session: usize, mailbox: usize, uids: BTreeSet<u32> },
    /// Flags of some.
    Glance { session: usize, mailbox: usize, uids: BTreeSet<u32> },
    /// The process dies, and another starts.
    Restart,
}

const SESSIONS: [(&str, &str); 3] =
    [("4c2q8m0v7x1t", "ann"), ("7h3n0r8m4k2p", "ann"), ("3v9c2d7s5g1w", "m.berg@example.org")];
const MAILBOXES: [(&str, u32); 3] = [("INBOX", 7), ("INBOX", 8), ("Archive/\"ä\"", 7)];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uids = || prop::collection::btree_set(1_u32..40, 1..6);
    let step = prop_oneof![
        6 => (0_usize..3, 0_usize..3, uids(), 3_usize..6, 0_u64..5_000, 1_usize..3)
            .prop_map(|(session, mailbox, uids, class, octets, events)| Step::Read { session, mailbox, uids, class, octets, events }),
        1 => (0_usize..3, 0_usize..3, uids()).prop_map(|(session, mailbox, uids)| Step::Lost { session, mailbox, uids }),
        2 => (0_usize..3, 0_usize..3, uids()).prop_map(|(session, mailbox, uids)| Step::Glance { session, mailbox, uids }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..40)
}

/// Writes the log in `directory`.
struct Log {
    position: Position,
    lines: Vec<u8>,
    segment: u32,
    records: u64,
}

impl Log {
    fn record(&mut self, event: &Event, intent: Option<u64>) -> u64 {
        let name = LogName { log: "01k9z3t0m4".into(), node: "mx-a1".into(), hashing: None };
        let at = jiff::Timestamp::from_second(1_800_000_000 + i64::try_from(self.position.next_seq).expect("few"));
        self.records +=
            write(event, &Stamp::new(at.expect("in range")), &name, intent, &mut self.position, &mut self.lines);
        self.position.next_seq - 1
    }

    fn open(&mut self, reason: OpenReason) {
        (self.segment, self.records) = (self.segment + 1, 0);
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

    fn leave(&mut self, directory: &Path) {
        fs::write(directory.join(format!("{:08}.jsonl", self.segment)), &self.lines).expect("room");
        let last = self.lines.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line");
        let head = format!("{:>20} {}\n", self.position.next_seq - 1, Hash::of(last));
        fs::write(directory.join("head"), head).expect("room");
        self.lines.clear();
    }
}

fn event(session: usize, mailbox: usize, stage: Stage, kind: EventKind) -> Event {
    let (sid, user) = SESSIONS[session];
    let ctx = EventContext { sid: Some(sid.into()), user: Some(user.into()), ..EventContext::proxy() };
    let mut event = Event::new(Arc::new(ctx), kind);
    (event.cmd, event.verb, event.stage) = (Some(1), Some(Verb::UidFetch), Some(stage));
    let (name, uidv) = MAILBOXES[mailbox];
    event.mailbox = Some(Arc::new(MailboxRef { name: name.into(), uidv: Some(uidv), id: None }));
    event
}

fn set(uids: &BTreeSet<u32>) -> UidSet {
    uids.iter().copied().filter_map(Uid::new).collect()
}

fn tell(steps: &[Step], directory: &Path) {
    let mut log = Log { position: Position::START, lines: Vec::new(), segment: 0, records: 0 };
    log.open(OpenReason::First);
    for step in steps {
        match step {
            Step::Read { session, mailbox, uids, class, octets, events } => {
                let asked = EventKind::MessageRead { uids: Some(set(uids)), want: ReadClass::Full };
                let intent = log.record(&event(*session, *mailbox, Stage::Intent, asked), None);
                let messages: Vec<ReadMessage> = uids
                    .iter()
                    .map(|uid| ReadMessage {
                        uid: Uid::new(*uid),
                        class: ReadClass::ALL[*class],
                        bytes: octets + u64::from(*uid),
                        size: Some(octets + 50),
                        parts: vec![],
                        emailid: None,
                        hdr: None,
                    })
                    .collect();
                let chunks: Vec<_> = messages.chunks(messages.len().div_ceil(*events)).collect();
                for (at, chunk) in chunks.iter().enumerate() {
                    let kind = EventKind::MessageReadDone { sets: vec![], msgs: chunk.to_vec() };
                    let mut done = event(*session, *mailbox, Stage::Done, kind);
                    done.more = at + 1 < chunks.len();
                    log.record(&done, Some(intent));
                }
            }
            Step::Lost { session, mailbox, uids } => {
                let asked = EventKind::MessageRead { uids: Some(set(uids)), want: ReadClass::Full };
                log.record(&event(*session, *mailbox, Stage::Intent, asked), None);
            }
            Step::Glance { session, mailbox, uids } => {
                let read = ReadSet { class: ReadClass::Listed, n: uids.len() as u64, uids: Some(set(uids)), bytes: 0 };
                let kind = EventKind::MessageReadDone { sets: vec![read], msgs: vec![] };
                log.record(&event(*session, *mailbox, Stage::Done, kind), None);
            }
            Step::Restart => {
                log.leave(directory);
                log.open(OpenReason::Start);
            }
        }
    }
    let records = log.records + 1;
    log.record(&Event::of_proxy(EventKind::AuditClose { reason: CloseSegment::Stop, records }), None);
    log.leave(directory);
}

/// Class, octets, times, and whether it is only assumed, of each message; by session or by user.
type Rows = BTreeMap<(String, String, u64, u64), (ReadClass, u64, u64, bool)>;

fn naive(steps: &[Step], user: Option<&str>) -> (Rows, u64) {
    let (mut rows, mut listed) = (Rows::new(), 0);
    let mut add = |session: usize, mailbox: usize, uid: u32, class: ReadClass, octets: u64, assumed: bool| {
        let (sid, _) = SESSIONS[session];
        let (name, uidv) = MAILBOXES[mailbox];
        let key = (sid.to_owned(), name.to_owned(), u64::from(uidv), u64::from(uid));
        let row = rows.entry(key).or_insert((class, 0, 0, assumed));
        row.3 = match class.cmp(&row.0) {
            std::cmp::Ordering::Greater => assumed,
            std::cmp::Ordering::Equal => row.3 && assumed,
            std::cmp::Ordering::Less => row.3,
        };
        *row = (row.0.max(class), row.1 + octets, row.2 + 1, row.3);
    };
    let asked = |session: &usize| user.is_none_or(|user| SESSIONS[*session].1 == user);
    for step in steps {
        match step {
            Step::Read { session, mailbox, uids, class, octets, .. } if asked(session) => uids.iter().for_each(|uid| {
                add(*session, *mailbox, *uid, ReadClass::ALL[*class], octets + u64::from(*uid), false);
            }),
            Step::Lost { session, mailbox, uids } if asked(session) => {
                uids.iter().for_each(|uid| add(*session, *mailbox, *uid, ReadClass::Full, 0, true));
            }
            Step::Glance { session, uids, .. } if asked(session) => listed += uids.len() as u64,
            _ => {}
        }
    }
    (rows, listed)
}

fn report(directory: &Path, by: By, filter: Filter) -> Value {
    let mut reads = Reads::new(by, filter.clone());
    let verified = verify_and_see(directory, None, &mut |seen| reads.see(seen));
    assert!([0, 3].contains(&verified.exit_code()), "{verified}");
    let mut out = Vec::new();
    let coverage = Coverage::of(&verified, &filter);
    reads.print(&coverage, false, Style::Json, &mut out).expect("memory can be written to");
    serde_json::from_slice(&out).expect("one object")
}

fn rows(report: &Value) -> Rows {
    let rows = report["rows"].as_array().expect("rows").iter();
    let text = |row: &Value, key: &str| row[key].as_str().expect(key).to_owned();
    let number = |row: &Value, key: &str| row[key].as_u64().expect(key);
    rows.map(|row| {
        let key = (text(row, "session"), text(row, "mailbox"), number(row, "uidvalidity"), number(row, "uid"));
        let class = class_of(&text(row, "class"));
        (key, (class, number(row, "octets"), number(row, "times"), text(row, "certainty") == "assumed"))
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn reports_agree_with_a_plain_list(steps in steps(), one_user in any::<bool>()) {
        let temp = tempfile::tempdir().expect("a directory");
        tell(&steps, temp.path());
        let user = one_user.then_some("ann");
        let filter = Filter {
            user: user.map(|user| crate::report::Pattern::text(user).expect("a pattern")).into_iter().collect(),
            ..Filter::default()
        };
        let (expected, listed) = naive(&steps, user);
        let told = report(temp.path(), By::Message, filter.clone());
        prop_assert_eq!(&rows(&told), &expected);
        prop_assert_eq!(&told["also"]["listed"], &Value::from(listed));
        prop_assert_eq!(&told["totals"]["messages"], &Value::from(expected.len() as u64));
        let octets: u64 = expected.values().map(|row| row.1).sum();
        prop_assert_eq!(&told["totals"]["octets"], &Value::from(octets));

        // A user's messages are those of all sessions, each once.
        let users: BTreeMap<&str, BTreeSet<_>> = expected.keys().fold(BTreeMap::new(), |mut all, (sid, name, uidv, uid)| {
            let (_, user) = SESSIONS.iter().find(|(known, _)| known == sid).expect("one of ours");
            all.entry(*user).or_insert_with(BTreeSet::new).insert((name, uidv, uid));
            all
        });
        let told = report(temp.path(), By::User, filter);
        let counted: BTreeMap<_, _> = told["rows"].as_array().expect("rows").iter()
            .map(|row| (row["user"].as_str().expect("a user"), row["messages"].as_u64().expect("a number"))).collect();
        prop_assert_eq!(counted, users.iter().map(|(user, uids)| (*user, uids.len() as u64)).collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn an_intent_that_takes_many_records_is_one() {
    let temp = tempfile::tempdir().expect("a directory");
    let uids: BTreeSet<u32> = (1..10_000).step_by(2).collect();
    let (session, mailbox) = (0, 0);
    tell(&[Step::Lost { session, mailbox, uids: uids.clone() }], temp.path());
    let told = report(temp.path(), By::Message, Filter::default());
    let lines = fs::read_to_string(temp.path().join("00000001.jsonl")).expect("UTF-8");
    assert!(lines.contains("\"more\":true"), "it takes more than one");
    assert_eq!(told["totals"]["messages"], uids.len() as u64);
    // More than a mailbox can hold is not listed one by one.
    let temp = tempfile::tempdir().expect("a directory");
    let mut log = Log { position: Position::START, lines: Vec::new(), segment: 0, records: 0 };
    log.open(OpenReason::First);
    let everything = UidSet::run(Uid::new(1).expect("1"), Uid::MAX);
    let asked = EventKind::MessageRead { uids: Some(everything), want: ReadClass::Full };
    log.record(&event(0, 0, Stage::Intent, asked), None);
    log.leave(temp.path());
    let told = report(temp.path(), By::Message, Filter::default());
    assert_eq!((&told["totals"]["messages"], &told["rows"][0]["certainty"]), (&1.into(), &"assumed".into()));
}
