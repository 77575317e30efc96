//! Test files, and the exact text that is said of broken ones.

use super::*;
use crate::diagnostic::{Sources, render};

fn read(text: &str) -> (Vec<RuleTest>, String) {
    let mut sources = Sources::default();
    let file = RuleFile { path: sources.insert("rules/a.test.toml", text), text: text.to_owned() };
    let context = LoadContext {
        listeners: vec!["imaps".into()],
        upstreams: vec!["main".into()],
        groups: crate::policy::sample::groups_file("board = \"bob@example.org\""),
        ..LoadContext::default()
    };
    let mut problems = Vec::new();
    let tests = read_tests(&file, &context, &mut problems);
    let ids = "[[rule]]\nid = \"contractors-read-only\"\nrights = \"lr\"\n".to_owned();
    let (set, _) = RuleSet::load(&[RuleFile { path: Path::new("a.toml").into(), text: ids }], &context);
    check_ids(&tests, &set.unwrap(), &mut problems);
    (tests, render(&problems, &sources, false))
}

#[test]
fn every_key_is_read() {
    let text = r#"
[[test]]
name = "first"
given = { user = "eve@contractor.example", actor = "admin", group = "board", client_ip = "203.0.113.5", client_id = "x/1", listener = "imaps", upstream = "main", tls = "none", at = 2027-01-15T09:30:00+01:00 }
mailbox = "Projects"
command = "UID STORE 1 +FLAGS (\\Deleted)"
expect = { login = true, visible = true, allowed = false, by = ["contractors-read-only"] }

[[test]]
name = 'second'
given = { at = "2027-01-15T08:30:00Z" }
command = 'NOOP'
expect = { allowed = true }
"#;
    let (tests, said) = read(text);
    let [first, second] = tests.as_slice() else { panic!("{said}") };
    assert_eq!(said, "");
    assert_eq!((&*first.name, first.line, second.line), ("first", 2, 9));
    let given = Given {
        user: Some("eve@contractor.example".into()),
        actor: Some("admin".into()),
        groups: first.given.groups.clone(),
        client_ip: Some("203.0.113.5".parse().unwrap()),
        client_id: Some("x/1".into()),
        listener: Some("imaps".into()),
        upstream: Some("main".into()),
        tls: Some(TlsLevel::None),
        at: Some("2027-01-15T08:30:00Z".parse().unwrap()),
    };
    assert_eq!((&first.given, second.given.at), (&given, given.at));
    assert_eq!(first.given.groups.iter().map(|(group, _)| &**group).collect::<Vec<_>>(), ["board"]);
    assert_eq!(first.expect.login.zip(first.expect.visible).zip(first.expect.allowed), Some(((true, true), false)));
    assert_eq!(first.expect.by.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["contractors-read-only"]);
    // A part is found where the text is written as it is.
    let [escaped, plain] = [first, second].map(|test| test.command.clone().unwrap());
    assert_eq!((&*escaped.text, escaped.part(4..9)), ("UID STORE 1 +FLAGS (\\Deleted)", escaped.span.clone()));
    assert_eq!(&text[plain.part(1..3)], "OO");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let (tests, said) = read(include_str!("tests/broken.toml"));
    assert_eq!(said, include_str!("tests/broken.txt"));
    assert_eq!(tests.len(), 5, "what can be read is");
}
