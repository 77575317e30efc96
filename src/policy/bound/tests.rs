//! What applies to whom and when, and what is said of a whole session.

use std::net::IpAddr;

use super::*;
use crate::imap::mailbox::MailboxName;
use crate::policy::request::{SpecialUse, Subject, TlsLevel};
use crate::policy::sample::{FRIDAY, ann, at, hits, rules};

const NIGHT: &str = "2027-01-15T22:00:00Z";

fn denied(body: &str, subject: &Subject, time: &str) -> bool {
    let body = format!("{body}\ndeny_login = \"No\"");
    let set = rules(&[&body]);
    let denied = set.login(subject, at(time)).is_denied();
    assert_eq!(set.bind(subject).login(at(time)).is_denied(), denied, "{body}: before and after login");
    denied
}

#[test]
fn sessions_hold_the_same_rules_once() {
    let set = rules(&["mailbox = \"Finance/**\"\nhide = true", "when.client_id = \"mutt*\"\nrights = \"lr\""]);
    let (one, other) = (set.bind(&ann()), set.bind(&Subject { user: "bob@example.org".into(), ..ann() }));
    assert!(Arc::ptr_eq(&one.own, &other.own));
    let mutt = set.bind(&Subject { client_id: "mutt/2.2".into(), ..ann() });
    assert!(!Arc::ptr_eq(&one.own, &mutt.own), "another rule is in force");
    assert!(one.is_hidden(&Target::new(&MailboxName::new("Finance/Q3")), at(FRIDAY)));
}

#[test]
fn what_no_session_holds_is_forgotten() {
    let bodies: Vec<String> = (0..300).map(|n| format!("when.user = \"u{n}@example.org\"\nrights = \"lr\"")).collect();
    let set = rules(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    for n in 0..300 {
        let subject = Subject { user: format!("u{n}@example.org").into(), ..ann() };
        assert_eq!(set.bind(&subject).own.rules.len(), 1, "u{n}");
    }
    assert!(set.held.count() < 20, "{}", set.held.count());
}

#[test]
fn when_a_rule_applies() {
    let rows = [
        ("without conditions", "", true),
        ("user", "when.user = \"Ann@Example.org\"", true),
        ("another user", "when.user = \"bob@example.org\"", false),
        ("one of several", "when.user = [\"bob@example.org\", \"*@example.org\"]", true),
        ("a regular expression", "when.user = \"re:ann@.*\"", true),
        ("actor", "when.actor = \"ann*\"", true),
        ("delegated", "when.delegated = true", false),
        ("not delegated", "when.delegated = false", true),
        ("listener", "when.listener = \"IMAPS\"", true),
        ("upstream", "when.upstream = \"m?in\"", true),
        ("network", "when.client_ip = [\"10.0.0.0/8\", \"203.0.113.0/24\"]", true),
        ("another network", "when.client_ip = \"2001:db8::/32\"", false),
        ("network of mapped addresses", "when.client_ip = \"::ffff:203.0.113.0/120\"", true),
        ("no ID", "when.client_id = \"\"", true),
        ("an ID", "when.client_id = \"mutt*\"", false),
        ("TLS", "when.tls = [\"server\"]", true),
        ("no TLS", "when.tls = \"none\"", false),
        ("hours", "when.time = { hours = \"08:00-18:00\", zone = \"Europe/Berlin\" }", true),
        ("other hours", "when.time = { hours = \"18:00-08:00\", zone = \"Europe/Berlin\" }", false),
        ("one of several hours", "when.time = [{ days = \"Sun\" }, { days = \"Thu-Sat\" }]", true),
        ("two keys", "when = { user = \"ann@*\", listener = \"imaps\" }", true),
        ("two keys, one fails", "when = { user = \"ann@*\", listener = \"office\" }", false),
        ("spared", "unless.user = \"ann@*\"", false),
        ("spared by both keys only", "unless = { user = \"ann@*\", listener = \"office\" }", true),
        ("spared by one of two tables", "unless = [{ user = \"bob@*\" }, { listener = \"imaps\" }]", false),
        ("spared at these hours", "unless.time = { days = \"Fri\" }", false),
        ("spared at other hours", "unless.time = { days = \"Sat,Sun\" }", true),
        ("spared, but not now", "unless = { user = \"ann@*\", time = { days = \"Sat\" } }", true),
        ("a group", "when.group = \"finance\"", true),
        ("another group", "when.group = [\"board\"]", false),
        ("one of several groups", "when.group = [\"bo*\", \"FINANCE\"]", true),
        ("spared by a group", "unless.group = \"finance\"", false),
        ("it lives", "from = 2027-01-01\nuntil = 2027-01-31", true),
        ("its first day", "from = 2027-01-15", true),
        ("its last day", "until = 2027-01-15", true),
        ("it begins tomorrow", "from = 2027-01-16", false),
        ("it ended yesterday", "until = 2027-01-14", false),
        ("it ends now", "until = 2027-01-15T10:00:00+01:00", false),
        ("it ends in a second", "until = 2027-01-15T09:00:01Z", true),
        ("it begins now", "from = 2027-01-15T09:00:00Z", true),
        ("spared with this ID", "unless.client_id = \"\"", false),
    ];
    for (name, body, want) in rows {
        assert_eq!(denied(body, &ann(), FRIDAY), want, "{name}");
    }
}

#[test]
fn doubt_has_one_answer() {
    let rows = [
        ("detail: when", "ann+x@example.org", "when.user = \"ann@example.org\"", true),
        ("detail: unless", "ann+x@example.org", "unless.user = \"ann@example.org\"", true),
        ("all readings are spared", "ann+x@example.org", "unless.user = \"*@example.org\"", false),
        ("a master user: the user", "ann*admin", "when.user = \"ann\"", true),
        ("a master user: the master", "ann*admin", "when.user = \"admin\"", true),
        ("a master user may be delegated", "ann*admin", "when.delegated = true", true),
        ("and may not", "ann*admin", "when.delegated = false", true),
        ("a blank at its end", "ann@example.org ", "when.user = \"ann@example.org\"", true),
        ("width", "ａnn@example.org", "unless.user = \"ann@example.org\"", false),
        ("too many readings: when", "a*b*c*d*e*f*g*h*i*j", "when.user = \"ann\"", true),
        ("group: when", "eve*bob@example.org", "when.group = \"board\"", true),
        ("group: unless", "ann+x@example.org", "unless.group = \"finance\"", true),
        ("group: unless, each reading in one", "eve+x@finance.example", "unless.group = \"finance\"", false),
        ("too many readings: when a group", "a*b*c*d*e*f*g*h*i*j", "when.group = \"board\"", true),
        ("too many readings: unless", "a*b*c*d*e*f*g*h*i*j", "unless.user = \"*\"", true),
    ];
    for (name, login, body, want) in rows {
        let subject = Subject { user: login.into(), actor: login.into(), ..ann() };
        assert_eq!(denied(body, &subject, FRIDAY), want, "{name}");
    }
}

#[test]
fn the_rest_of_a_subject() {
    let mapped: IpAddr = "::ffff:198.51.100.7".parse().unwrap();
    let rows = [
        (
            "IPv4 on a socket of both families",
            Subject { client_ip: mapped, ..ann() },
            "when.client_ip = \"198.51.100.7\"",
        ),
        ("delegated", Subject { actor: "bob@example.org".into(), ..ann() }, "when.delegated = true"),
        ("in clear", Subject { tls: TlsLevel::None, ..ann() }, "when.tls = \"none\""),
        ("an ID", Subject { client_id: "Mutt/2.2".into(), ..ann() }, "when.client_id = \"mutt/*\""),
    ];
    for (name, subject, body) in rows {
        assert!(denied(body, &subject, FRIDAY) && !denied(body, &ann(), FRIDAY), "{name}");
    }
}

#[test]
fn of_several_denials_the_first_by_id_speaks() {
    let set = rules(&[
        "id = \"b\"\ndeny_login = \"B\"",
        "id = \"a\"\ndeny_login = \"A\"",
        "id = \"c\"\nmode = \"shadow\"\ndeny_login = \"C\"",
    ]);
    let LoginVerdict::Denied { text, by, shadow } = set.login(&ann(), at(FRIDAY)) else { panic!("allowed") };
    assert_eq!((&*text, &*hits(&by), &*hits(&shadow)), ("A", "a:deny_login b:deny_login", "c:deny_login"));
}

#[test]
fn what_a_session_is_like() {
    const HIDE: &str = "mailbox = \"A\"\nhide = true\n";
    // Filtered, ruled at all, names mailboxes, restricts.
    let rows: [(&str, String, [bool; 4]); 13] = [
        ("somebody else's rule", format!("{HIDE}when.user = \"bob\""), [false, false, false, false]),
        ("spared for good", format!("{HIDE}unless.user = \"ann*\""), [false, false, false, false]),
        ("hide", HIDE.to_owned(), [true, true, true, false]),
        ("hide at another hour", format!("{HIDE}when.time = {{ days = \"Sun\" }}"), [true, true, true, false]),
        ("hide with another ID", format!("{HIDE}when.client_id = \"x\""), [true, true, true, false]),
        ("hide, but at these hours", format!("{HIDE}unless.time = {{ days = \"Fri\" }}"), [true, true, true, false]),
        ("hide, but with this ID", format!("{HIDE}unless.client_id = \"\""), [true, true, true, false]),
        ("hide in shadow", format!("{HIDE}mode = \"shadow\""), [false, true, true, false]),
        ("rights", "rights = \"lr\"".to_owned(), [false, true, false, true]),
        ("rights without l", "rights = \"r\"".to_owned(), [true, true, true, true]),
        ("organise must know \\Trash", "rights = \"organise\"".to_owned(), [false, true, true, true]),
        ("commands there", "mailbox = \"A\"\ndeny_commands = \"MOVE\"".to_owned(), [false, true, true, true]),
        ("a login", "deny_login = \"No\"\nwhen.time = { days = \"Sun\" }".to_owned(), [false, true, false, false]),
    ];
    for (name, body, want) in rows {
        let bound = rules(&[&body]).bind(&ann());
        let told = [bound.scope() == Scope::Filtered, !bound.is_unruled(), bound.names_mailboxes(), bound.restricts()];
        assert_eq!(told, want, "{name}");
    }
}

#[test]
fn what_is_hidden() {
    let night = "mailbox = [\"Finance/**\", \"a/b\"]\nhide = true\nwhen.time = { hours = \"20:00-06:00\" }";
    let bound = rules(&[night, "mode = \"shadow\"\nmailbox = \"Finance\"\nhide = true"]).bind(&ann());
    let rows = [
        ("Finance", false, true, true, true),
        ("finance/Q3", false, true, true, true),
        ("a", false, false, false, true),
        ("a/b", false, true, true, false),
        ("INBOX", false, false, false, false),
    ];
    for (name, by_day, by_night, reserved, above) in rows {
        let mailbox = MailboxName::new(name);
        let target = Target::new(&mailbox);
        assert_eq!(bound.is_hidden(&target, at(FRIDAY)), by_day, "{name} by day");
        assert_eq!(bound.is_hidden(&target, at(NIGHT)), by_night, "{name} at night");
        assert_eq!(bound.hiding(&target, at(NIGHT)).is_hidden(), by_night, "{name} at night, by whom");
        assert_eq!(bound.is_reserved(&target, at(FRIDAY)), reserved, "{name} is reserved");
        assert_eq!(bound.hides_below(&target, at(FRIDAY)), above, "{name} is above");
    }
    let finance = MailboxName::new("Finance");
    let hiding = bound.hiding(&Target::new(&finance), at(NIGHT));
    assert_eq!((&*hits(&hiding.by), &*hits(&hiding.shadow)), ("r0:hide", "r1:hide"));
}

#[test]
fn what_shows_the_same_mail_again() {
    let hidden = |body: &str, name: &str, told| {
        let name = MailboxName::new(name);
        rules(&[body]).bind(&ann()).is_hidden(&Target { special_use: told, ..Target::new(&name) }, at(FRIDAY))
    };
    let hide = "mailbox = \"Finance\"\nhide = true";
    let show = "mailbox = \"Finance\"\nhide = true\naggregates = \"show\"";
    assert!(hidden(hide, "Everything", Some(SpecialUse::ALL)) && hidden(hide, "Stars", Some(SpecialUse::FLAGGED)));
    assert!(
        hidden(hide, "[Gmail]/All Mail", None)
            && hidden("rights = \"r\"\nmailbox = \"A\"", "X", Some(SpecialUse::IMPORTANT))
    );
    assert!(!hidden(hide, "Sent", Some(SpecialUse::SENT)) && !hidden(hide, "Important", None));
    assert!(!hidden(show, "Everything", Some(SpecialUse::ALL)) && hidden(show, "Finance", Some(SpecialUse::NONE)));
    assert!(!hidden("rights = \"lr\"", "Everything", Some(SpecialUse::ALL)));
}

#[test]
fn rights_that_are_left() {
    let bodies = [
        "rights = \"lrswitex\"",
        "mailbox = \"Archive/**\"\nrights = \"read-only\"",
        "mailbox = \"HR/Secret\"\nhide = true",
        "mode = \"shadow\"\nrights = \"l\"",
        "rights = \"lr\"\nwhen.time = { days = \"Sun\" }",
    ];
    let bound = rules(&bodies).bind(&ann());
    let rows = [
        ("INBOX", "lrswixte", "r0:rights", "r3:rights"),
        ("archive/2020", "lr", "r0:rights r1:rights", "r3:rights"),
        ("HR", "lrswite", "r0:rights r2:hide", "r3:rights"),
    ];
    for (name, rights, by, shadow) in rows {
        let mailbox = MailboxName::new(name);
        let kept = bound.rights(&Target::new(&mailbox), at(FRIDAY));
        assert_eq!((&*kept.rights.to_string(), &*hits(&kept.by), &*hits(&kept.shadow)), (rights, by, shadow), "{name}");
    }
}

#[test]
fn capabilities_that_go_with_commands() {
    let denies = |body: &str, token: &str| rules(&[body]).bind(&ann()).denies_capability(token.as_bytes(), at(FRIDAY));
    let rows = [
        ("its own", "deny_commands = [\"APPEND\", \"MOVE\"]", "MOVE", true),
        ("the other form stays", "deny_commands = [\"APPEND\", \"UID MOVE\"]", "MOVE", false),
        ("with a value", "deny_commands = \"THREAD\"", "THREAD=REFS", true),
        ("another's", "deny_commands = \"MOVE\"", "IDLE", false),
        ("one mailbox only", "mailbox = \"A\"\ndeny_commands = \"MOVE\"", "MOVE", false),
        ("in shadow", "mode = \"shadow\"\ndeny_commands = \"MOVE\"", "MOVE", false),
        ("not now", "deny_commands = \"MOVE\"\nwhen.time = { days = \"Sun\" }", "MOVE", false),
    ];
    for (name, body, token, want) in rows {
        assert_eq!(denies(body, token), want, "{name}");
    }
}

#[test]
fn hours_that_come() {
    let next = |body: &str| rules(&[body]).bind(&ann()).next_change(at(FRIDAY)).map(|time| time.to_string());
    let hours = "{ hours = \"08:00-18:00\" }";
    let rows = [
        ("of when", format!("rights = \"lr\"\nwhen.time = {hours}"), Some("2027-01-15T18:00:00Z")),
        ("of unless", format!("rights = \"lr\"\nunless.time = {hours}"), Some("2027-01-15T18:00:00Z")),
        (
            "of a shadow rule",
            format!("mode = \"shadow\"\nrights = \"lr\"\nwhen.time = {hours}"),
            Some("2027-01-15T18:00:00Z"),
        ),
        ("of somebody else", format!("rights = \"lr\"\nwhen = {{ user = \"bob\", time = {hours} }}"), None),
        ("of what does not spare Ann", format!("rights = \"lr\"\nunless = {{ user = \"bob\", time = {hours} }}"), None),
        ("none", "rights = \"lr\"".to_owned(), None),
    ];
    for (name, body, want) in rows {
        assert_eq!(next(&body).as_deref(), want, "{name}");
    }
}

#[test]
fn rules_are_found_by_user() {
    let bodies: Vec<String> = (0..500)
        .map(|n| format!("when.user = [\"user{n}@example.org\", \"*@d{n}.example\"]\nrights = \"lr\""))
        .collect();
    let set = rules(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    for (user, want) in [
        ("user7@example.org", 1),
        ("USER7+x@example.org", 1),
        ("anybody@d8.example", 1),
        ("user9@d8.example*user9@example.org", 2),
        ("user500@example.org", 0),
    ] {
        let bound = set.bind(&Subject { user: user.into(), ..ann() });
        assert_eq!(bound.could_apply().count(), want, "{user}");
    }
}
