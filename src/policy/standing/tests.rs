//! What exceptions spare, and what the ends of a rule's life change.

use std::sync::Arc;

use crate::imap::mailbox::MailboxName;
use crate::imap::verb::Verb;
use crate::policy::bound::Bound;
use crate::policy::request::{FlagsWanted, Request, Roles, SpecialUse, Subject, Target};
use crate::policy::sample::{FRIDAY, ann, at, by, outcome, rules};
use crate::policy::{RuleSet, Scope};

/// A rule, and an exception from it that ends on the Saturday.
fn relaxed(rule: &str, exception: &str) -> Arc<RuleSet> {
    let exception = format!("[[exception]]\nrule = \"r0\"\nuntil = 2027-01-16\nreason = \"IR-204\"\n{exception}");
    rules(&[rule, &exception])
}

fn ask(bound: &Bound, verb: Verb, named: &[&str], selected: Option<&str>, time: &str) -> String {
    let roles = Roles::of(verb);
    let names: Vec<MailboxName> = named.iter().copied().chain(selected).map(MailboxName::new).collect();
    let wanted = [roles.named, roles.second].into_iter().flatten().zip(&names);
    let selected = roles.selected.into_iter().zip(names.last());
    let targets: Vec<_> = wanted.chain(selected).map(|(role, name)| (role, Target::new(name))).collect();
    let flags = FlagsWanted { other: true, ..FlagsWanted::NONE };
    outcome(&bound.decide(&Request::new(verb, &targets).flags(flags), at(time)))
}

#[test]
fn whom_an_exception_spares() {
    let login = |exception: &str, subject: &Subject, time: &str| {
        relaxed("deny_login = \"No\"", exception).bind(subject).login(at(time)).is_denied()
    };
    let detail = Subject { user: "ann+x@example.org".into(), ..ann() };
    let told = Subject { groups: [Arc::from("board")].into(), ..ann() };
    let thunderbird = Subject { client_id: "Thunderbird/128".into(), ..ann() };
    let rows = [
        ("whom it is for", "user = \"ann@example.org\"", ann(), FRIDAY, false),
        ("nobody else", "user = \"bob@example.org\"", ann(), FRIDAY, true),
        ("all keys must hold", "user = \"ann*\"\nlistener = \"office\"", ann(), FRIDAY, true),
        ("all readings must be meant", "user = \"ann@example.org\"", detail.clone(), FRIDAY, true),
        ("and are", "user = \"*@example.org\"", detail, FRIDAY, false),
        ("a group", "group = \"finance\"", ann(), FRIDAY, false),
        ("another group", "group = \"board\"", ann(), FRIDAY, true),
        ("a group that is told of", "group = \"board\"", told, FRIDAY, false),
        ("its last day", "user = \"ann*\"", ann(), "2027-01-16T23:59:59Z", false),
        ("no longer", "user = \"ann*\"", ann(), "2027-01-17T00:00:00Z", true),
        ("at its hours", "time = { days = \"Fri\" }", ann(), FRIDAY, false),
        ("at other hours", "time = { days = \"Sat\" }", ann(), FRIDAY, true),
        ("with this ID", "client_id = \"Thunderbird/*\"", thunderbird, FRIDAY, false),
        ("without it", "client_id = \"Thunderbird/*\"", ann(), FRIDAY, true),
        ("a mailbox is nothing to a login", "mailbox = \"INBOX\"", ann(), FRIDAY, true),
    ];
    for (name, exception, subject, time, denied) in rows {
        assert_eq!(login(exception, &subject, time), denied, "{name}");
    }
}

#[test]
fn which_mailboxes_an_exception_spares() {
    type Row =
        (&'static str, &'static str, &'static str, Verb, &'static [&'static str], Option<&'static str>, &'static str);
    let hide = "hide = true\nmailbox = \"Finance/**\"";
    let read = "rights = \"lr\"\nmailbox = \"Archive/**\"";
    let deny = "deny_commands = \"APPEND\"";
    let rows: [Row; 20] = [
        ("not spared", hide, "mailbox = \"Finance/Q3\"", Verb::Select, &["Finance/Q4"], None, "hidden"),
        ("spared", hide, "mailbox = \"Finance/Q3\"", Verb::Select, &["Finance/Q3"], None, "ok"),
        ("exactly", hide, "mailbox = \"Finance/Q3\"", Verb::Select, &["finance/q3"], None, "hidden"),
        ("all below", hide, "mailbox = \"Finance/Q3/**\"", Verb::Select, &["Finance/Q3/May"], None, "ok"),
        ("of no mailbox in particular", hide, "user = \"ann*\"", Verb::Select, &["Finance/Q4"], None, "ok"),
        ("created", hide, "mailbox = \"Finance/Q3/**\"", Verb::Create, &["Finance/Q3/New"], None, "ok"),
        (
            "created below what is hidden",
            hide,
            "mailbox = \"Finance/Q3\"",
            Verb::Create,
            &["Finance/Q3"],
            None,
            "reserved",
        ),
        ("deleted above some", hide, "mailbox = \"Finance/Q3\"", Verb::Delete, &["Finance"], None, "hidden"),
        (
            "deleted above all",
            "hide = true\nmailbox = \"A/B/**\"",
            "mailbox = \"A/**\"",
            Verb::Delete,
            &["A"],
            None,
            "ok",
        ),
        ("deleted above one", "hide = true\nmailbox = \"A/**\"", "mailbox = \"A\"", Verb::Delete, &["A"], None, "no"),
        ("a right", read, "mailbox = \"Archive/In\"", Verb::Append, &["Archive/In"], None, "ok"),
        ("not a right", read, "mailbox = \"Archive/In\"", Verb::Append, &["Archive/Out"], None, "no"),
        ("one of two", read, "mailbox = \"Archive/In\"", Verb::Copy, &["Archive/Out"], Some("Archive/In"), "no"),
        ("of every mailbox", "rights = \"lr\"", "mailbox = \"Scratch\"", Verb::Store, &[], Some("Scratch"), "ok"),
        ("a command there", deny, "mailbox = \"Drafts\"", Verb::Append, &["Drafts"], None, "ok"),
        ("a command elsewhere", deny, "mailbox = \"Drafts\"", Verb::Append, &["INBOX"], None, "no"),
        (
            "a command nowhere",
            "deny_commands = \"NAMESPACE\"",
            "mailbox = \"Drafts\"",
            Verb::Namespace,
            &[],
            None,
            "no",
        ),
        ("renamed out of it", read, "mailbox = \"Archive/In/**\"", Verb::Rename, &["Archive/In", "Old"], None, "ok"),
        ("renamed, what is below", read, "mailbox = \"Archive\"", Verb::Rename, &["Archive", "Old"], None, "no"),
        (
            "renamed, and then not spared",
            "deny_commands = \"APPEND\"",
            "mailbox = \"A/**\"",
            Verb::Rename,
            &["B", "A/B"],
            None,
            "no",
        ),
    ];
    for (name, rule, exception, verb, named, selected, want) in rows {
        let bound = relaxed(rule, exception).bind(&ann());
        assert_eq!(ask(&bound, verb, named, selected, FRIDAY), want, "{name}");
    }
}

#[test]
fn when_the_exception_has_ended() {
    let bound = relaxed("hide = true\nmailbox = \"Finance/**\"", "mailbox = \"Finance/Q3\"").bind(&ann());
    let select = |time| ask(&bound, Verb::Select, &["Finance/Q3"], None, time);
    assert_eq!(
        (select("2027-01-16T23:59:59Z"), select("2027-01-17T00:00:00Z")),
        ("ok".to_owned(), "hidden".to_owned())
    );
    assert_eq!(bound.next_change(at(FRIDAY)), Some(at("2027-01-17T00:00:00Z")));
    assert_eq!(bound.next_change(at("2027-01-17T00:00:00Z")), None);
}

#[test]
fn mailboxes_that_show_the_same_mail_again() {
    let all = MailboxName::new("All");
    let target = Target { special_use: Some(SpecialUse::ALL), ..Target::new(&all) };
    let rule = "hide = true\nmailbox = \"Finance/**\"";
    for (exception, hidden) in
        [("mailbox = \"Finance/Q3\"", true), ("mailbox = \"All\"", false), ("tls = \"server\"", false)]
    {
        let bound = relaxed(rule, exception).bind(&ann());
        assert_eq!(bound.is_hidden(&target, at(FRIDAY)), hidden, "{exception}");
    }
}

#[test]
fn what_is_told_of_exceptions() {
    let set = relaxed("rights = \"lr\"", "mailbox = \"Scratch\"");
    let bound = set.bind(&ann());
    let told = |name: Option<&str>, time: &str| {
        let name = name.map(MailboxName::new);
        let found = bound.exceptions(name.as_ref().map(Target::new).as_ref(), at(time));
        found
            .iter()
            .map(|held| format!("{} {} {} {}", held.rule, held.reason, held.until, held.line))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(Some("Scratch"), FRIDAY), ["r0 IR-204 2027-01-17T00:00:00Z 4"]);
    assert!(told(Some("INBOX"), FRIDAY).is_empty());
    assert!(told(None, FRIDAY).is_empty());
    assert!(told(Some("Scratch"), "2027-02-01T00:00:00Z").is_empty());
}

#[test]
fn a_life_does_not_change_the_scope() {
    let hide = "hide = true\nmailbox = \"Finance\"\n";
    let finance = MailboxName::new("Finance");
    let rows = [
        ("not yet", "from = 2027-02-01", false, true),
        ("now", "until = 2027-02-01", true, true),
        ("over", "until = 2027-01-01", false, false),
    ];
    for (name, life, hidden, reserved) in rows {
        let bound = rules(&[&format!("{hide}{life}")]).bind(&ann());
        let target = Target::new(&finance);
        assert_eq!(bound.scope(), Scope::Filtered, "{name}");
        assert_eq!(bound.is_hidden(&target, at(FRIDAY)), hidden, "{name}");
        assert_eq!(bound.is_reserved(&target, at(FRIDAY)), reserved, "{name}");
        assert_eq!(ask(&bound, Verb::Create, &["Finance"], None, FRIDAY) == "reserved", reserved, "{name}");
    }
    let spared = relaxed(&format!("{hide}until = 2027-02-01"), "user = \"ann*\"").bind(&ann());
    assert_eq!(spared.scope(), Scope::Filtered, "exceptions end");
}

#[test]
fn organise_moves_to_where_nothing_is_destroyed_as_long_as_it_holds() {
    let to = |bodies: &[&str]| {
        let bound = rules(bodies).bind(&ann());
        ask(&bound, Verb::UidMove, &["Safe"], Some("INBOX"), FRIDAY)
    };
    let organise = "rights = \"organise\"\nmailbox = \"INBOX\"";
    let safe = "rights = \"lrsi\"\nmailbox = \"Safe\"";
    let ending = format!("{safe}\nuntil = 2027-06-30");
    let both_end = format!("{organise}\nuntil = 2027-03-31");
    let exception = |keys: &str| format!("[[exception]]\nrule = \"r1\"\nuntil = 2027-12-31\nreason = \"x\"\n{keys}");
    let rows = [
        ("as long", vec![organise.to_owned(), safe.to_owned()], "ok"),
        ("not as long", vec![organise.to_owned(), ending.clone()], "no"),
        ("longer", vec![both_end, ending], "ok"),
        ("with an exception", vec![organise.to_owned(), safe.to_owned(), exception("mailbox = \"Safe\"")], "no"),
        (
            "with one at other hours",
            vec![organise.to_owned(), safe.to_owned(), exception("time = { days = \"Mon\" }")],
            "no",
        ),
        ("with one for somebody else", vec![organise.to_owned(), safe.to_owned(), exception("user = \"bob\"")], "ok"),
        ("with one elsewhere", vec![organise.to_owned(), safe.to_owned(), exception("mailbox = \"Unsafe\"")], "ok"),
    ];
    for (name, bodies, want) in rows {
        assert_eq!(to(&bodies.iter().map(String::as_str).collect::<Vec<_>>()), want, "{name}");
    }
}

#[test]
fn a_capability_is_offered_where_an_exception_lets_its_command_through() {
    let bound = relaxed("deny_commands = \"MOVE\"", "mailbox = \"Drafts\"").bind(&ann());
    assert!(!bound.denies_capability(b"MOVE", at(FRIDAY)));
    assert!(bound.denies_capability(b"MOVE", at("2027-02-01T00:00:00Z")));
}

#[test]
fn an_exception_relaxes_no_other_rule() {
    let exception = "[[exception]]\nrule = \"r0\"\nuser = \"ann*\"\nuntil = 2027-12-31\nreason = \"x\"";
    let bound = rules(&["rights = \"lr\"", "rights = \"lrs\"", exception]).bind(&ann());
    let name = MailboxName::inbox();
    let targets = [(crate::policy::Role::AppendTo, Target::new(&name))];
    assert_eq!(by(&bound.decide(&Request::new(Verb::Append, &targets), at(FRIDAY))), "r1:rights");
}
