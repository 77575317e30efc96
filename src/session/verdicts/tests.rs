//! What is remembered comes back, in no more room than it may take.

use proptest::prelude::*;

use super::*;

fn place(mailbox: &str, uid_validity: u32) -> Place {
    Place::new("ann@example.org", "main", mailbox.as_bytes(), uid_validity)
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn judged(rows: &[(u8, u32)]) -> Judged {
    let mut judged = Judged::default();
    rows.iter().for_each(|(kind, number)| judged.insert(uid(*number), &Lasting::from_bytes(&[*kind])));
    judged
}

const DIGEST: [u8; 32] = [7; 32];

#[test]
fn judgements_are_joined() {
    let memory = Memory::default();
    memory.remember(&place("INBOX", 1), &DIGEST, &judged(&[(0, 1), (2, 2), (0, 3)]));
    memory.remember(&place("INBOX", 1), &DIGEST, &judged(&[(0, 2_000_000_000), (1, 4)]));
    let known = memory.recall(&place("INBOX", 1), &DIGEST);
    assert_eq!(known, judged(&[(0, 1), (0, 3), (0, 2_000_000_000), (1, 4), (2, 2)]));
    assert_eq!(known.of(uid(2)).map(Lasting::as_bytes), Some(&[2][..]));
    assert_eq!(known.of(uid(5)), None);
    let others = [place("Archive", 1), place("INBOX", 2), Place::new("bob@example.org", "main", b"INBOX", 1)];
    assert!(others.iter().all(|other| memory.recall(other, &DIGEST).is_empty()));
    assert!(memory.recall(&place("INBOX", 1), &[8; 32]).is_empty());
}

/// The filter of a rule for everybody.
fn filter(body: &str) -> Arc<MessageFilter> {
    use crate::imap::mailbox::MailboxName;
    use crate::policy::{LoadContext, RuleFile, RuleSet, Subject, Target, TlsLevel};
    let text = format!("[[rule]]\nid = \"a\"\n{body}\n");
    let file = RuleFile { path: std::path::Path::new("a.toml").into(), text };
    let context = LoadContext::default();
    let rules = Arc::new(RuleSet::load(&[file], &context).0.unwrap());
    let subject = Subject {
        user: "ann".into(),
        actor: "ann".into(),
        groups: [].into(),
        listener: "imap".into(),
        upstream: "main".into(),
        client_ip: "127.0.0.1".parse().unwrap(),
        client_id: "".into(),
        tls: TlsLevel::None,
    };
    let inbox = MailboxName::inbox();
    rules.bind(&subject).message_filter(&Target::new(&inbox), Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn what_is_remembered_need_not_be_judged() {
    let sizes = filter("hide_messages = 'LARGER 10'");
    let mut judged = Judged::default();
    for number in 1..=9 {
        let facts = Facts { size: Some(if number % 3 == 0 { 11 } else { 9 }), ..Facts::of(uid(number)) };
        judged.insert(uid(number), &sizes.judge_lasting(&facts));
    }
    assert_eq!(judged.kinds().len(), 2);
    let asked = UidSet::run(uid(3), uid(12));
    let Sorted { shown, hidden, unknown } = judged.sort(&sizes, &asked);
    assert_eq!((shown.to_string(), hidden.to_string()), ("4:5,7:8".to_owned(), "3,6,9".to_owned()));
    assert_eq!(unknown.to_string(), "10:12");
    let changing = filter("hide_messages = 'LARGER 10 SEEN'");
    assert_eq!(judged.sort(&changing, &asked).unknown, asked);
}

#[test]
fn names_do_not_run_together() {
    assert_ne!(Place::new("a", "bc", b"", 1), Place::new("ab", "c", b"", 1));
}

#[test]
fn another_uid_validity_forgets() {
    let memory = Memory::default();
    memory.remember(&place("INBOX", 1), &DIGEST, &judged(&[(0, 1)]));
    memory.raise_floor(&place("INBOX", 1), uid(9));
    memory.raise_floor(&place("INBOX", 2), uid(3));
    assert_eq!(memory.floor(&place("INBOX", 2)), Some(uid(3)));
    assert!(memory.recall(&place("INBOX", 1), &DIGEST).is_empty());
    assert_eq!(memory.floor(&place("INBOX", 1)), None);
}

#[test]
fn a_floor_only_rises() {
    let memory = Memory::default();
    [5, 3, 7, 7, 1].into_iter().for_each(|number| memory.raise_floor(&place("INBOX", 1), uid(number)));
    assert_eq!(memory.floor(&place("INBOX", 1)), Some(uid(7)));
}

#[test]
fn counts_hold_while_the_upstream_says_the_same() {
    let memory = Memory::default();
    let said = Said { uid_next: 9, messages: 8, recent: Some(3), highest_mod_seq: Some(77) };
    let counts = Counts { messages: 6, unseen: Some(2), deleted: Some(0), recent: Some(1) };
    memory.count(&place("INBOX", 1), &DIGEST, &said, Counts { deleted: None, ..counts });
    memory.count(&place("INBOX", 1), &DIGEST, &said, Counts { unseen: None, ..counts });
    assert_eq!(memory.counts(&place("INBOX", 1), &DIGEST), Some((said, counts)), "of the same messages");
    assert_eq!(memory.counts(&place("INBOX", 1), &[8; 32]), None);
    memory.count(
        &place("INBOX", 1),
        &DIGEST,
        &Said { messages: 7, ..said },
        Counts { messages: 5, ..Counts::default() },
    );
    let known = memory.counts(&place("INBOX", 1), &DIGEST).map(|(_, counts)| counts);
    assert_eq!(known, Some(Counts { messages: 5, ..Counts::default() }), "of others");
}

#[test]
fn counts_hold_as_far_as_what_the_upstream_says_proves_it() {
    let then = Said { uid_next: 9, messages: 8, recent: Some(3), highest_mod_seq: Some(77) };
    let counts = Counts { messages: 6, unseen: Some(2), deleted: Some(0), recent: Some(1) };
    let by_messages = Counts { unseen: None, deleted: None, ..counts };
    let rows = [
        ("nothing changed", then, Some(counts), Some(counts)),
        ("one has come", Said { uid_next: 10, ..then }, None, None),
        ("one has gone", Said { messages: 7, ..then }, None, None),
        ("flags changed", Said { highest_mod_seq: Some(78), ..then }, Some(by_messages), None),
        ("nobody knows of flags", Said { highest_mod_seq: None, ..then }, Some(by_messages), None),
        (
            "somebody has seen them",
            Said { recent: Some(2), ..then },
            Some(Counts { recent: None, ..counts }),
            Some(Counts { recent: None, ..counts }),
        ),
        (
            "nobody asked",
            Said { recent: None, ..then },
            Some(Counts { recent: None, ..counts }),
            Some(Counts { recent: None, ..counts }),
        ),
    ];
    for (name, now, lasting, changing) in rows {
        assert_eq!(counts.still_true(&then, &now, true), lasting, "{name}");
        assert_eq!(counts.still_true(&then, &now, false), changing, "{name}, where flags have a say");
    }
    let without = Said { highest_mod_seq: None, ..then };
    assert_eq!(counts.still_true(&without, &without, false), None, "without mod-sequences nothing proves it");
}

#[test]
fn of_old_digests_the_last_few_are_known() {
    let memory = Memory::default();
    for digest in 0..10 {
        memory.remember(&place("INBOX", 1), &[digest; 32], &judged(&[(0, 1)]));
        memory.remember(&place("INBOX", 1), &[0; 32], &judged(&[(0, 2)]));
    }
    let known: Vec<u8> =
        (0..10).filter(|digest| !memory.recall(&place("INBOX", 1), &[*digest; 32]).is_empty()).collect();
    assert_eq!(known, [0, 7, 8, 9], "what is used stays");
}

#[test]
fn what_is_not_used_makes_room() {
    let memory = Memory::new(SHARDS * 40 * OVERHEAD);
    memory.watch();
    for number in 0..20_000_u32 {
        memory.remember(&place(&number.to_string(), 1), &DIGEST, &judged(&[(0, number + 1)]));
        memory.recall(&place("0", 1), &DIGEST);
    }
    let octets: usize = memory.shards.iter().map(|shard| locked(shard).octets).sum();
    assert!(octets <= SHARDS * 40 * OVERHEAD, "{octets}");
    assert!(
        !memory.recall(&place("0", 1), &DIGEST).is_empty() && !memory.recall(&place("19999", 1), &DIGEST).is_empty()
    );
    assert!(memory.recall(&place("1", 1), &DIGEST).is_empty());
    let (kept, gone): (Vec<_>, Vec<_>) = memory.changes().into_iter().partition(|(_, entry)| entry.is_some());
    assert_eq!(kept.len() + gone.len(), 20_000);
    assert!(kept.len() < 64 * 40);
}

#[test]
fn contents_are_kept_and_restored() {
    let memory = Memory::default();
    memory.watch();
    let set = |numbers: &[u32]| numbers.iter().copied().map(uid).collect::<UidSet>();
    let rows = [
        ("nothing in it", Contents { uid_next: 1, uids: UidSet::new(), unseen: None }),
        ("without mod-sequences", Contents { uid_next: 90, uids: set(&[3, 4, 5, 80]), unseen: None }),
        ("nothing unseen", Contents { uid_next: 90, uids: set(&[3, 4]), unseen: Some((u64::MAX, UidSet::new())) }),
        ("unseen", Contents { uid_next: u32::MAX, uids: set(&[3, 4, 9]), unseen: Some((7, set(&[3, 9]))) }),
    ];
    for (name, contents) in rows {
        memory.remember(&place("INBOX", 1), &DIGEST, &judged(&[(0, 1), (2, 5)]));
        memory.keep_contents(&place("INBOX", 1), &contents);
        assert_eq!(memory.contents(&place("INBOX", 1)).as_ref(), Some(&contents), "{name}");
        assert_eq!(memory.contents(&place("INBOX", 2)), None, "{name}: another UIDVALIDITY");
        let changes = memory.changes();
        let other = Memory::default();
        other.restore(changes.iter().filter_map(|(key, entry)| Some((&key[..], entry.as_deref()?))));
        assert_eq!(other.contents(&place("INBOX", 1)), Some(contents.clone()), "{name}");
        assert!(!other.recall(&place("INBOX", 1), &DIGEST).is_empty(), "{name}");
        memory.keep_contents(&place("INBOX", 1), &contents);
        assert!(memory.changes().is_empty(), "{name}: nothing has changed");
    }
    // Every other one of many is there: what would take too much room is not kept.
    let uids = (1..100_000).map(|number| uid(2 * number)).collect();
    memory.keep_contents(&place("INBOX", 1), &Contents { uid_next: u32::MAX, uids, unseen: None });
    assert_eq!(memory.contents(&place("INBOX", 1)), None);
}

#[test]
fn a_large_mailbox_is_small() {
    let mut judged = Judged::default();
    for number in 1..=100_000 {
        judged.insert(uid(number), &Lasting::from_bytes(&[if number % 100 == 7 { 2 } else { 0 }]));
    }
    assert!(Writer::judged(&judged).len() < 5000, "{}", Writer::judged(&judged).len());
}

#[test]
fn what_is_damaged_is_left_out() {
    let memory = Memory::default();
    memory.watch();
    memory.remember(&place("INBOX", 1), &DIGEST, &judged(&[(0, 1), (2, 5)]));
    memory.count(
        &place("INBOX", 1),
        &DIGEST,
        &Said { uid_next: 9, messages: 8, recent: Some(1), highest_mod_seq: None },
        Counts::default(),
    );
    let (key, entry) = memory.changes().remove(0);
    let entry = entry.unwrap();
    for cut in 0..entry.len() {
        let other = Memory::default();
        other.restore(std::iter::once((&key[..], &entry[..cut])));
        assert!(other.recall(&place("INBOX", 1), &DIGEST).is_empty(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn what_changes_is_restored(
        rows in prop::collection::vec((0..3_u8, 1..5000_u32, 0..4_u8, 0..3_u8), 0..60), floor in prop::option::of(1..u32::MAX),
    ) {
        let memory = Memory::default();
        memory.watch();
        for (kind, number, mailbox, digest) in &rows {
            memory.remember(&place(&mailbox.to_string(), 1), &[*digest; 32], &judged(&[(*kind, *number)]));
        }
        floor.into_iter().for_each(|floor| memory.raise_floor(&place("0", 1), uid(floor)));
        let changes = memory.changes();
        prop_assert!(memory.changes().is_empty());
        let entries = changes.iter().filter_map(|(key, entry)| Some((&key[..], entry.as_deref()?)));
        let other = Memory::default();
        other.restore(entries);
        for mailbox in 0..4_u8 {
            let place = place(&mailbox.to_string(), 1);
            prop_assert_eq!(memory.floor(&place), other.floor(&place));
            for digest in 0..3_u8 {
                prop_assert_eq!(memory.recall(&place, &[digest; 32]), other.recall(&place, &[digest; 32]));
            }
        }
    }

    #[test]
    fn no_entry_breaks_it(key in any::<Vec<u8>>(), entry in any::<Vec<u8>>()) {
        let memory = Memory::default();
        memory.restore(std::iter::once((&key[..], &entry[..])));
        prop_assert!(memory.changes().len() <= 1);
    }
}
