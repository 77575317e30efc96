//! Rules as they are written, messages as they come.

mod evasions;
mod random;

use jiff::Timestamp;

use super::{Facts, InternalDate, Judgement, MessageFilter, Needs};
use crate::imap::mailbox::MailboxName;
use crate::imap::message::{Flag, Uid};
use crate::policy::request::Target;
use crate::policy::sample::{FRIDAY, ann, at, rules};
use std::sync::Arc;

/// The filter of INBOX on that Friday.
fn filter(bodies: &[&str]) -> Option<Arc<MessageFilter>> {
    let inbox = MailboxName::inbox();
    rules(bodies).bind(&ann()).message_filter(&Target::new(&inbox), at(FRIDAY))
}

fn one(body: &str) -> Arc<MessageFilter> {
    filter(&[body]).unwrap()
}

/// A message without anything odd about it.
fn mail() -> Facts<'static> {
    Facts {
        uid: Uid::new(7).unwrap(),
        flags: &[Flag::Seen],
        internal_date: InternalDate::parse("10-Jan-2027 23:30:00 -0500"),
        size: Some(1000),
        header: Some(b"From: Ann <ann@example.org>\r\nDate: Sun, 10 Jan 2027 23:29:00 -0500\r\nSubject: Plans\r\n\r\n"),
        found: &[],
    }
}

fn judge(filter: &MessageFilter, facts: &Facts<'_>) -> Judgement {
    filter.judge(facts, at(FRIDAY))
}

fn hides(body: &str, facts: &Facts<'_>) -> bool {
    judge(&one(body), facts).hidden
}

#[test]
fn of_some_facts_what_is_sure_is_told_and_nothing_else() {
    let recorded = Facts {
        flags: &[],
        internal_date: None,
        header: Some(b"From: ann@example.org\r\nSubject: Plans\r\n"),
        ..mail()
    };
    let known = Needs { size: true, fields: ["from", "subject"].map(Into::into).into(), ..Needs::default() };
    let rows: [(&str, &str, Option<bool>); 17] = [
        ("a subject", "SUBJECT plans", Some(true)),
        ("another subject", "SUBJECT lunch", Some(false)),
        ("an address", "FROM @example.org", Some(true)),
        ("another address", "FROM boss@example.org", Some(false)),
        ("a name could stand beside it", "FROM Boss", None),
        ("all of a field", "HEADER From Boss", None),
        ("a field that is not recorded", "HEADER X-Class secret", None),
        ("its absence", "NOT HEADER X-Class secret", None),
        ("a size", "LARGER 500", Some(true)),
        ("a flag", "FLAGGED", None),
        ("a day", "BEFORE 1-Jan-2027", None),
        ("a Date field that is missing in the record", "SENTBEFORE 1-Jan-2027", None),
        ("a UID", "UID 7:9", Some(true)),
        ("the body", "BODY x", None),
        ("one side is enough", "OR SUBJECT plans BODY x", Some(true)),
        ("both are needed", "SUBJECT plans BODY x", None),
        ("one side is enough to say no", "SUBJECT lunch BODY x", Some(false)),
    ];
    for (name, program, expected) in rows {
        let filter = one(&format!("hide_messages = '{program}'"));
        let told = filter.judge_partly(&recorded, &known, at(FRIDAY)).map(|judgement| judgement.hidden);
        assert_eq!(told, expected, "{name}");
    }
    let rows: [(&str, &str, Option<bool>); 4] = [
        ("spared", "hide_messages = 'ALL'\nexcept_messages = 'FROM \"@example.org\"'", Some(false)),
        ("not spared", "hide_messages = 'ALL'\nexcept_messages = 'SUBJECT lunch'", Some(true)),
        ("spared perhaps", "hide_messages = 'ALL'\nexcept_messages = 'SEEN'", None),
        ("the upstream's to say", "hide_messages = 'SUBJECT plans'\njudge = \"upstream\"", None),
    ];
    for (name, body, expected) in rows {
        let told = one(body).judge_partly(&recorded, &known, at(FRIDAY)).map(|judgement| judgement.hidden);
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn what_each_key_tests() {
    let keyword = [Flag::Seen, Flag::Keyword("$Secret".into())];
    let tagged = Facts { flags: &keyword, ..mail() };
    let rows: [(&str, &str, Facts<'_>, bool); 26] = [
        ("all", "ALL", mail(), true),
        ("nothing", "NOT ALL", mail(), false),
        ("a flag", "SEEN", mail(), true),
        ("a flag that is not set", "FLAGGED", mail(), false),
        ("the absence of one", "UNFLAGGED", mail(), true),
        ("a keyword in another case", "KEYWORD $secret", tagged, true),
        ("no such keyword", "UNKEYWORD $SECRET", tagged, false),
        ("a keyword is no system flag", "KEYWORD Seen", mail(), false),
        ("a day in its own zone", "ON 10-Jan-2027", mail(), true),
        ("not in UTC", "ON 11-Jan-2027", mail(), false),
        ("before today less five", "BEFORE {today-4d}", mail(), true),
        ("not before that day", "BEFORE {today-5d}", mail(), false),
        ("since that day", "SINCE {today-5d}", mail(), true),
        ("the Date field", "SENTON 10-Jan-2027", mail(), true),
        ("the Date field, before", "SENTBEFORE 10-Jan-2027", mail(), false),
        ("larger", "LARGER 999", mail(), true),
        ("not larger than itself", "LARGER 1000", mail(), false),
        ("smaller", "SMALLER 1001", mail(), true),
        ("older than a day", "OLDER 86400", mail(), true),
        ("younger than a week", "YOUNGER 604800", mail(), true),
        ("a UID", "UID 1:6,7", mail(), true),
        ("others", "UID 8:9", mail(), false),
        ("one of two", "OR SUBJECT plan FLAGGED", mail(), true),
        ("both of two", "SUBJECT plan FLAGGED", mail(), false),
        ("in parentheses", "NOT (SUBJECT plan FLAGGED)", mail(), true),
        ("a field that is there", "HEADER Subject \"\"", mail(), true),
    ];
    for (name, program, facts, want) in rows {
        assert_eq!(hides(&format!("hide_messages = '{program}'"), &facts), want, "{name}");
    }
}

#[test]
fn what_is_missing_is_hidden() {
    let nothing = Facts { internal_date: None, size: None, header: None, ..mail() };
    for program in ["SUBJECT x", "NOT SUBJECT x", "LARGER 5", "NOT LARGER 5", "BEFORE 1-Jan-2000", "OLDER 5", "BODY x"]
    {
        assert!(hides(&format!("hide_messages = '{program}'"), &nothing), "{program}");
        let spared = format!("hide_messages = 'ALL'\nexcept_messages = '{program}'");
        assert!(hides(&spared, &nothing), "spared by {program}");
    }
}

#[test]
fn who_hides() {
    let filter = filter(&[
        "hide_messages = 'SUBJECT plans'",
        "mode = \"shadow\"\nhide_messages = 'SEEN'",
        "mailbox = \"Archive\"\nhide_messages = 'ALL'",
        "hide_messages = ['FLAGGED', 'LARGER 10']\nexcept_messages = 'UID 9'",
    ])
    .unwrap();
    let judgement = judge(&filter, &mail());
    let (by, shadow) = filter.hits(&judgement);
    assert!(judgement.hidden);
    assert_eq!((by.ids(), shadow.ids()), (vec!["r0".into(), "r3".into()], vec!["r1".into()]));
    let spared = Facts { uid: Uid::new(9).unwrap(), header: Some(b"Subject: x\r\n"), ..mail() };
    assert!(!judge(&filter, &spared).hidden);
}

#[test]
fn only_enforced_rules_hide() {
    assert!(filter(&["mode = \"shadow\"\nhide_messages = 'ALL'"]).is_none());
    assert!(filter(&["mailbox = \"Archive\"\nhide_messages = 'ALL'"]).is_none());
    assert!(filter(&["rights = \"lr\""]).is_none());
}

#[test]
fn what_lasts_is_remembered() {
    let filter =
        one("hide_messages = ['SUBJECT plans FLAGGED', 'OLDER 86400 LARGER 999']\nexcept_messages = 'KEYWORD ok'");
    assert!(!filter.lasting());
    let (again, all) = (filter.needs_again(), filter.needs());
    assert_eq!((again.flags, again.internal_date, again.size, again.fields.len()), (true, true, false, 0));
    assert_eq!((all.size, &*all.fields), (true, &["subject".into()][..]));
    let lasting = filter.judge_lasting(&mail());
    fn now(flags: &[Flag]) -> Facts<'_> {
        Facts { flags, internal_date: mail().internal_date, ..Facts::of(mail().uid) }
    }
    let at_once = |facts: &Facts<'_>| filter.judge_changing(&lasting, facts, at(FRIDAY)).hidden;
    assert!(at_once(&now(&[])), "old and large");
    let ok = [Flag::Keyword("OK".into())];
    assert!(!at_once(&now(&ok)), "spared now");
    assert!(filter.looks_at(&Flag::Flagged) && !filter.looks_at(&Flag::Seen));
    let young: Timestamp = "2027-01-11T05:00:00Z".parse().unwrap();
    let soon = |flags| filter.judge_changing(&lasting, &now(flags), young).hidden;
    assert!(!soon(&[]) && soon(&[Flag::Flagged]));
    let came = mail().internal_date.unwrap();
    assert_eq!(filter.message_changes_at(came, young), Some("2027-01-12T04:30:00Z".parse().unwrap()));
}

#[test]
fn what_goes_by_fields_alone() {
    let rows = [
        ("a field", "hide_messages = 'HEADER X-A b'", true),
        (
            "fields, and none of others",
            "hide_messages = ['FROM a', 'SENTON 1-Jan-2027']\nexcept_messages = 'NOT SUBJECT b'",
            true,
        ),
        ("a flag", "hide_messages = 'OR HEADER X-A b FLAGGED'", false),
        ("a size", "hide_messages = ['HEADER X-A b', 'LARGER 5']", false),
        ("a day", "hide_messages = 'HEADER X-A b BEFORE 1-Jan-2027'", false),
        ("an age", "hide_messages = 'HEADER X-A b OLDER 5'", false),
        ("a UID", "hide_messages = 'HEADER X-A b'\nexcept_messages = 'UID 7'", false),
        ("a body", "hide_messages = 'HEADER X-A b BODY c'", false),
        ("the upstream", "hide_messages = 'HEADER X-A b'\njudge = \"upstream\"", false),
        ("nothing", "hide_messages = 'ALL'", false),
    ];
    for (name, body, want) in rows {
        assert_eq!(one(body).goes_by_fields(), want, "{name}");
    }
}

#[test]
fn digests_tell_programs_apart() {
    let bodies = [
        "hide_messages = 'SUBJECT a'",
        "hide_messages = 'SUBJECT b'",
        "hide_messages = ['SUBJECT a', 'SUBJECT b']",
        "hide_messages = 'SUBJECT a SUBJECT b'",
        "hide_messages = 'SUBJECT a'\nexcept_messages = 'SUBJECT b'",
        "hide_messages = 'SUBJECT a'\njudge = \"upstream\"",
        "hide_messages = 'BEFORE {today}'",
        "hide_messages = 'BEFORE {today-1d}'",
    ];
    let digests: std::collections::HashSet<[u8; 32]> = bodies.iter().map(|body| one(body).digest()).collect();
    assert_eq!(digests.len(), bodies.len());
    assert_eq!(one("hide_messages = 'subject   \"a\"'").digest(), one(bodies[0]).digest());
    assert_eq!(one("hide_messages = 'BEFORE 15-Jan-2027'").digest(), one(bodies[6]).digest());
    assert_eq!(one(bodies[6]).changes_at(), Some("2027-01-16T00:00:00Z".parse().unwrap()));
    assert_eq!(one(bodies[0]).changes_at(), None);
}

#[test]
fn what_the_upstream_is_asked() {
    let rows: [(&str, &str, &[&str]); 7] = [
        ("nothing", "hide_messages = 'SUBJECT a'", &[]),
        ("body", "hide_messages = 'BODY \"top secret\"'", &["BODY \"top secret\""]),
        ("in a tree", "hide_messages = 'OR BODY a SUBJECT b'", &["BODY \"a\""]),
        ("together", "hide_messages = ['BODY a', 'SEEN', 'TEXT b']", &["OR BODY \"a\" TEXT \"b\""]),
        ("not ASCII", "hide_messages = 'BODY \"Grüße\"'", &["BODY {7}\r\nGrüße"]),
        (
            "all of it",
            "hide_messages = ['FROM a', 'NOT SEEN BEFORE {today-1d}']\nexcept_messages = 'LARGER 5'\njudge = \"upstream\"",
            &["OR FROM \"a\" (NOT SEEN BEFORE 14-Jan-2027)", "LARGER 5"],
        ),
        ("a day that is saved", "hide_messages = 'SAVEDBEFORE {today}'", &["SAVEDBEFORE 15-Jan-2027"]),
    ];
    for (name, body, want) in rows {
        let filter = one(body);
        let asked: Vec<String> =
            filter.searches().iter().map(|search| String::from_utf8(search.pieces.concat()).unwrap()).collect();
        assert_eq!(asked, want, "{name}");
    }
    let filter = one("hide_messages = ['BODY a', 'SUBJECT b']\nexcept_messages = 'TEXT c'");
    let found = |found| Facts { found, ..mail() };
    let rows = [
        ("found", &[Some(true), Some(false)][..], true),
        ("not found", &[Some(false), Some(false)][..], false),
        ("spared", &[Some(true), Some(true)][..], false),
        ("no answer", &[None, Some(false)][..], true),
        ("no answer to what spares", &[Some(true), None][..], true),
    ];
    for (name, answers, want) in rows {
        assert_eq!(judge(&filter, &found(answers)).hidden, want, "{name}");
    }
}
