//! Broken rule files beside the exact text that is said of them.

use super::*;
use crate::diagnostic::{Sources, render};

fn context() -> LoadContext {
    LoadContext {
        served: None,
        listeners: vec!["imaps".into(), "office".into()],
        upstreams: vec!["main".into()],
        default_domain: Some("example.org".into()),
        groups: crate::policy::sample::groups_file("finance = [\"ann@example.org\"]\nboard = [\"bob@example.org\"]\n"),
        now: "2027-01-15T09:00:00Z".parse().unwrap(),
    }
}

fn load(texts: &[(&str, &str)]) -> (Option<RuleSet>, Vec<Problem>, String) {
    let mut sources = Sources::default();
    let files: Vec<RuleFile> = texts
        .iter()
        .map(|(path, text)| RuleFile { path: sources.insert(path, *text), text: (*text).to_owned() })
        .collect();
    let (set, problems) = RuleSet::load(&files, &context());
    let text = render(&problems, &sources, false);
    (set, problems, text)
}

/// `BLESS=1` writes what is said into the files; the difference is then for people to judge.
fn bless(name: &str, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        let file = format!("{}/src/policy/load/tests/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, text).unwrap();
    }
}

macro_rules! snapshots {
    ($( $name:ident, $loads:literal; )*) => {
        $( #[test]
        fn $name() {
            let toml = include_str!(concat!("tests/", stringify!($name), ".toml"));
            let path = concat!("rules/", stringify!($name), ".toml");
            let (set, problems, text) = load(&[(path, toml)]);
            bless(stringify!($name), &text);
            assert_eq!(text, include_str!(concat!("tests/", stringify!($name), ".txt")));
            assert_eq!(set.is_some(), $loads);
            assert_eq!(problems.iter().any(Problem::is_error), !$loads);
        } )*
    };
}

snapshots! {
    keys, false;
    ids, false;
    syntax, false;
    together, false;
    conditions, false;
    effects, false;
    warnings, true;
    lives, false;
    exceptions, false;
    ended, true;
    limits, false;
    messages, false;
    doubtful, true;
}

#[test]
fn groups() {
    let text = include_str!("tests/groups.toml");
    let mut sources = Sources::default();
    let path = sources.insert("groups.toml", text);
    let groups = GroupsFile::Read(RuleFile { path, text: text.to_owned() });
    let rule = "[[rule]]\nid = \"a\"\ndeny_login = \"No\"\nwhen.group = [\"finanse\", \"b*\", \"x*\"]\n";
    let path = sources.insert("rules/a.toml", rule);
    let files = [RuleFile { path, text: rule.to_owned() }];
    let (set, problems) = RuleSet::load(&files, &LoadContext { groups, ..context() });
    let text = render(&problems, &sources, false);
    bless("groups", &text);
    assert_eq!(text, include_str!("tests/groups.txt"));
    assert!(set.is_none());
}

#[test]
fn groups_are_a_part_of_the_revision() {
    let rev = |groups| RuleSet::load(&[], &LoadContext { groups, ..context() }).0.unwrap().rev().clone();
    let file = crate::policy::sample::groups_file;
    let [none, empty, one, other] =
        [GroupsFile::None, file(""), file("a = \"ann@x.org\""), file("a = \"bob@x.org\"")].map(rev);
    assert_eq!(none, empty);
    assert!(none != one && one != other);
}

#[test]
fn without_a_source_of_groups() {
    let rule = "[[rule]]\nid = \"a\"\ndeny_login = \"No\"\nwhen.group = \"finance\"\n";
    let files = [RuleFile { path: Path::new("a.toml").into(), text: rule.to_owned() }];
    let said = |groups| {
        let (set, problems) = RuleSet::load(&files, &LoadContext { groups, ..context() });
        (set.is_some(), problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>())
    };
    assert_eq!(said(GroupsFile::None), (true, vec!["there are no groups".to_owned()]));
    // What is wrong with the file has been said.
    assert_eq!(said(GroupsFile::Unreadable).1, Vec::<String>::new());
    let broken = said(crate::policy::sample::groups_file("a = "));
    assert!(!broken.0 && broken.1.len() == 1, "{broken:?}");
}

#[test]
fn ids_are_unique_over_all_files() {
    let rule = "[[rule]]\nid = \"a\"\nrights = \"lr\"\n";
    let (set, _, text) = load(&[("rules/1.toml", rule), ("rules/2.toml", rule)]);
    let expected = "\
error: two rules are called `a`
 --> rules/2.toml:2:6
  |
2 | id = \"a\"
  |      ^^^ the second
  = help: the first stands at rules/1.toml:1
";
    assert!(set.is_none());
    assert_eq!(text, expected);
}

#[test]
fn what_is_told_of_rules() {
    let text = "# one\n\n[[rule]]\nid = \"a\"\ndeny_commands = \"LIST\"\n[[rule]]\nid = \"b\"\nmode = \"shadow\"\nrights = \"lr\"\n";
    let (set, problems, _) = load(&[("rules/1.toml", text)]);
    let set = set.unwrap();
    let told: Vec<_> =
        set.rules().map(|rule| (&**rule.id, rule.mode.as_str(), rule.file.to_str(), rule.line)).collect();
    let file = Some("rules/1.toml");
    assert_eq!(told, [("a", "enforce", file, 3), ("b", "shadow", file, 6)]);
    assert_eq!((set.len(), problems.len(), set.rev().len()), (2, 0, 8));
}

#[test]
fn no_files_are_no_rules() {
    let (set, problems) = RuleSet::load(&[], &LoadContext::default());
    let set = set.unwrap();
    assert_eq!((set.len(), set.rev(), problems.len()), (0, RuleSet::empty().rev(), 0));
}

#[test]
fn rules_to_copy_load_without_a_word() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut seen = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = Path::new(path.file_name().unwrap());
        if name.extension().is_some_and(|end| end == "toml") && !name.to_string_lossy().ends_with(".test.toml") {
            let file = RuleFile { path: name.into(), text: std::fs::read_to_string(&path).unwrap() };
            let (set, problems) = RuleSet::load(&[file], &LoadContext { default_domain: None, ..context() });
            assert_eq!((set.is_some(), problems), (true, Vec::new()), "{}", name.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn editors_know_every_key_that_is_read_and_no_other() {
    use crate::policy::rule_test;
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../schema/imapwarden.schema.json")).unwrap();
    let exception: Vec<&str> = exception::KEYS.iter().chain(&condition::KEYS).copied().collect();
    let rows: [(&str, &[&str]); 9] = [
        ("limit", &limit::KEYS),
        ("rules", &["rule", "exception"]),
        ("exception", &exception),
        ("rule", &rule::KEYS),
        ("condition", &condition::KEYS),
        ("time", &hours::KEYS),
        ("test", &rule_test::KEYS),
        ("given", &rule_test::GIVEN),
        ("expect", &rule_test::EXPECT),
    ];
    for (name, keys) in rows {
        let properties = schema["definitions"][name]["properties"].as_object().expect(name);
        let known: std::collections::BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(known, keys.iter().copied().collect(), "{name}");
    }
}

#[test]
fn ten_thousand_rules_load() {
    let rule = |n: usize| {
        format!(
            "[[rule]]\nid = \"rule-{n}\"\nwhen = {{ user = \"user{n}@example.org\", client_ip = \"10.0.0.0/8\" }}\n\
             unless = {{ time = {{ days = \"Mon-Fri\", hours = \"08:00-18:00\", zone = \"Europe/Berlin\" }} }}\n\
             mailbox = [\"Finance/{n}/**\", \"*/Secret-{n}\"]\nhide = true\nrights = \"lrs\"\n"
        )
    };
    let text: String = (0..10_000).map(rule).collect();
    let (set, problems) = RuleSet::load(&[RuleFile { path: Path::new("rules/many.toml").into(), text }], &context());
    assert_eq!(problems, []);
    assert_eq!(set.map(|set| set.len()), Some(10_000));
}
