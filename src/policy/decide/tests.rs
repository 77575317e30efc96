//! The table "without …", a row for each role; then what reaches over one mailbox.

use super::*;
use crate::imap::mailbox::MailboxName;
use crate::imap::verb::Verb;
use crate::policy::request::{FlagsWanted, Roles, Target};
use crate::policy::sample::{FRIDAY, ann, at, by, outcome, rules, shadow};

const SEEN: FlagsWanted = FlagsWanted { seen: true, ..FlagsWanted::NONE };
const DELETED: FlagsWanted = FlagsWanted { deleted: true, ..FlagsWanted::NONE };
const ALL_FLAGS: FlagsWanted = FlagsWanted { seen: true, deleted: true, other: true, change: FlagChange::Add };

/// What `bodies` say to a command of Ann's about the mailboxes `named` (one or two) and `selected`.
fn ask(bodies: &[&str], verb: Verb, named: &[&str], selected: &str, flags: FlagsWanted) -> Verdict {
    ask_of(bodies, verb, named, selected, |request| request.flags(flags))
}

fn ask_of(
    bodies: &[&str],
    verb: Verb,
    named: &[&str],
    selected: &str,
    more: impl for<'r> Fn(Request<'r>) -> Request<'r>,
) -> Verdict {
    let roles = Roles::of(verb);
    let names: Vec<MailboxName> = named.iter().chain([&selected]).map(|name| MailboxName::new(name)).collect();
    let wanted = [roles.named, roles.second].into_iter().flatten().zip(&names);
    let selected = roles.selected.into_iter().zip(names.last());
    let targets: Vec<_> = wanted.chain(selected).map(|(role, name)| (role, Target::new(name))).collect();
    rules(bodies).bind(&ann()).decide(&more(Request::new(verb, &targets)), at(FRIDAY))
}

#[test]
fn without_a_right() {
    // Refused without; done with less without. The mailbox under test is A, any other is B.
    type Row = (
        &'static str,
        Verb,
        &'static [&'static str],
        &'static str,
        FlagsWanted,
        &'static str,
        &'static [(char, &'static str)],
    );
    let none = FlagsWanted::NONE;
    let rows: &[Row] = &[
        ("SELECT", Verb::Select, &["A"], "B", none, "r", &[]),
        ("EXAMINE", Verb::Examine, &["A"], "B", none, "r", &[]),
        ("STATUS", Verb::Status, &["A"], "B", none, "r", &[]),
        ("CREATE", Verb::Create, &["A"], "B", none, "k", &[]),
        ("CREATE below", Verb::Create, &["A/x"], "B", none, "k", &[]),
        ("DELETE", Verb::Delete, &["A"], "B", none, "xte", &[]),
        ("SUBSCRIBE", Verb::Subscribe, &["A"], "B", none, "", &[]),
        ("FETCH of envelopes", Verb::Fetch, &[], "A", none, "r", &[]),
        ("FETCH of a body", Verb::UidFetch, &[], "A", SEEN, "r", &[('s', "peek")]),
        ("SEARCH", Verb::Search, &[], "A", none, "r", &[]),
        ("STORE \\Seen", Verb::Store, &[], "A", SEEN, "s", &[]),
        ("STORE \\Deleted", Verb::Store, &[], "A", DELETED, "t", &[]),
        (
            "STORE of all",
            Verb::UidStore,
            &[],
            "A",
            ALL_FLAGS,
            "",
            &[('s', "-seen"), ('t', "-deleted"), ('w', "-other")],
        ),
        ("EXPUNGE", Verb::Expunge, &[], "A", none, "e", &[]),
        ("UID EXPUNGE", Verb::UidExpunge, &[], "A", none, "e", &[]),
        ("CLOSE", Verb::Close, &[], "A", none, "", &[('e', "expunge nothing")]),
        ("COPY from", Verb::Copy, &["B"], "A", none, "r", &[]),
        ("COPY to", Verb::Copy, &["A"], "B", none, "i", &[]),
        ("MOVE from", Verb::UidMove, &["B"], "A", none, "rte", &[]),
        ("MOVE to", Verb::Move, &["A"], "B", none, "i", &[]),
        ("APPEND", Verb::Append, &["A"], "B", none, "i", &[]),
        (
            "APPEND with flags",
            Verb::Append,
            &["A"],
            "B",
            ALL_FLAGS,
            "i",
            &[('s', "-seen"), ('t', "-deleted"), ('w', "-other")],
        ),
        ("REPLACE in", Verb::Replace, &["B"], "A", none, "te", &[]),
        ("REPLACE to", Verb::Replace, &["A"], "B", none, "i", &[]),
        ("SETACL", Verb::SetAcl, &["A"], "B", none, "a", &[]),
        ("GETACL", Verb::GetAcl, &["A"], "B", none, "a", &[]),
        ("LISTRIGHTS", Verb::ListRights, &["A"], "B", none, "a", &[]),
        ("MYRIGHTS", Verb::MyRights, &["A"], "B", none, "", &[]),
        ("SETMETADATA", Verb::SetMetadata, &["A"], "B", none, "w", &[]),
        ("GETMETADATA", Verb::GetMetadata, &["A"], "B", none, "", &[]),
        ("IDLE", Verb::Idle, &[], "A", none, "", &[]),
        ("NOOP", Verb::Noop, &[], "A", none, "", &[]),
    ];
    for (name, verb, named, selected, flags, refused, less) in rows {
        for right in Right::ALL.into_iter().filter(|right| *right != Right::Lookup) {
            let rule = format!("mailbox = \"A\"\nrights = \"{}\"", Rights::ALL - right.into());
            let verdict = ask(&[&rule], *verb, named, selected, *flags);
            let letter = right.letter();
            let want = match less.iter().find(|(without, _)| *without == letter) {
                _ if refused.contains(letter) => "no",
                Some((_, narrowed)) => narrowed,
                None => "ok",
            };
            assert_eq!(outcome(&verdict), want, "{name} without {letter}");
            assert_eq!(by(&verdict), if want == "ok" { "" } else { "r0:rights" }, "{name} without {letter}");
        }
    }
}

#[test]
fn without_lookup_it_is_hidden() {
    for verb in Verb::ALL {
        let roles = Roles::of(*verb);
        let verdict = ask(&["mailbox = \"A\"\nrights = \"rswipkxtea\""], *verb, &["A", "B"], "A", FlagsWanted::NONE);
        let want = match roles.named.or(roles.selected) {
            None => "ok",
            Some(Role::Create) => "reserved",
            Some(_) => "hidden",
        };
        assert_eq!(outcome(&verdict), want, "{verb}");
        assert_eq!(by(&verdict), if want == "ok" { "" } else { "r0:rights" }, "{verb}");
    }
}

#[test]
fn read_only() {
    let rows: [(&str, &[&str], &str); 5] = [
        ("one rule takes all", &["rights = \"read-only\""], "examine"),
        ("one change is left", &["rights = \"lrs\""], "ok"),
        ("two rules take all", &["rights = \"lrsw\"", "rights = \"lrkite\""], "examine"),
        ("two rules leave one", &["rights = \"lrsw\"", "rights = \"lrwite\""], "ok"),
        ("k, x and a change no message", &["rights = \"lrkxa\""], "examine"),
    ];
    for (name, bodies, want) in rows {
        let verdict = ask(bodies, Verb::Select, &["A"], "A", FlagsWanted::NONE);
        assert_eq!(outcome(&verdict), want, "{name}");
    }
    let verdict = ask(&["rights = \"lrsw\"", "rights = \"lrkite\""], Verb::Select, &["A"], "A", FlagsWanted::NONE);
    assert_eq!(by(&verdict), "r0:rights r1:rights", "both have their share");
}

#[test]
fn store() {
    use FlagChange::{Add, Remove, Replace};
    let rows = [
        ("nothing is named", "lr", "", Add, false, "ok"),
        ("some may be set", "lrs", "sd", Add, false, "-deleted"),
        ("none may be set", "lrw", "sd", Add, false, "no"),
        ("taken off needs the same", "lrs", "d", Remove, false, "no"),
        ("replacing touches all flags", "lrs", "s", Replace, false, "-deleted -other"),
        ("replacing with what may not be set", "lrs", "o", Replace, false, "no"),
        ("clearing all", "lrs", "", Replace, false, "no"),
        ("clearing all with all rights", "lrswt", "", Replace, false, "ok"),
        ("\\Deleted expunges", "lrswt", "d", Add, true, "no"),
        ("\\Deleted expunges, and may", "lrste", "d", Add, true, "ok"),
        ("\\Deleted taken off", "lrswt", "d", Remove, true, "ok"),
        ("\\Deleted expunges, another flag does not", "lrswt", "so", Add, true, "ok"),
        ("replaced without \\Deleted", "lrswt", "s", Replace, true, "ok"),
    ];
    for (name, rights, flags, change, deleted_expunges, want) in rows {
        let [seen, deleted, other] = ['s', 'd', 'o'].map(|flag| flags.contains(flag));
        let rule = format!("rights = \"{rights}\"");
        let verdict = ask_of(&[&rule], Verb::Store, &[], "A", |request| Request {
            deleted_expunges,
            ..request.flags(FlagsWanted { seen, deleted, other, change })
        });
        assert_eq!(outcome(&verdict), want, "{name}");
    }
}

#[test]
fn append_where_deleted_expunges() {
    let verdict = ask_of(&["rights = \"lrswit\""], Verb::Append, &["A"], "B", |request| Request {
        deleted_expunges: true,
        ..request.flags(ALL_FLAGS)
    });
    assert_eq!(outcome(&verdict), "-deleted");
}

#[test]
fn new_names() {
    let hide = "mailbox = [\"HR\", \"Finance/**\", \"a/b/c\"]\nhide = true";
    let no_k = "mailbox = \"A\"\nrights = \"lrswipxtea\"";
    let rows = [
        ("a covered name", hide, Verb::Create, &["HR"][..], "reserved"),
        ("in another spelling", hide, Verb::Create, &["hr/"], "reserved"),
        ("below a covered name", hide, Verb::Create, &["Finance/New"], "reserved"),
        ("right below a hidden one", hide, Verb::Create, &["HR/Jobs"], "reserved"),
        ("above a covered name", hide, Verb::Create, &["a/b"], "ok"),
        ("beside a covered name", hide, Verb::Create, &["a/b/d"], "ok"),
        ("renamed to it", hide, Verb::Rename, &["X", "HR"], "reserved"),
        ("renamed to above it", hide, Verb::Rename, &["X", "a"], "reserved"),
        ("from a hidden name", hide, Verb::Rename, &["HR", "X"], "hidden"),
        ("from a hidden to a covered one", hide, Verb::Rename, &["HR", "Finance"], "hidden"),
        ("from above a hidden one", hide, Verb::Rename, &["a", "X"], "no"),
        ("DELETE above a hidden one", hide, Verb::Delete, &["a/b"], "no"),
        ("DELETE beside one", hide, Verb::Delete, &["a/c"], "ok"),
        ("no k", no_k, Verb::Create, &["A"], "no"),
        ("no k above", no_k, Verb::Create, &["A/new"], "no"),
        ("k two levels above matters not", no_k, Verb::Create, &["A/new/x"], "ok"),
        ("no k above, renamed", no_k, Verb::Rename, &["X", "A/new"], "no"),
    ];
    for (name, rule, verb, named, want) in rows {
        assert_eq!(outcome(&ask(&[rule], verb, named, "INBOX", FlagsWanted::NONE)), want, "{name}");
    }
}

#[test]
fn nothing_is_above_the_first_level_behind_the_prefix() {
    let rules = rules(&["mailbox = \"INBOX\"\nrights = \"lrswite\"", "mailbox = \"Finance\"\nhide = true"]);
    let bound = rules.bind(&ann());
    let rows = [
        (Verb::Create, "INBOX/New", "ok"),
        (Verb::Create, "INBOX/Finance", "reserved"),
        (Verb::Select, "INBOX/Finance", "hidden"),
        (Verb::Select, "Finance", "hidden"),
        (Verb::Select, "INBOX/Finance/Q3", "ok"),
    ];
    for (verb, name, want) in rows {
        let name = MailboxName::new(name);
        let target = Target { prefix: Some("INBOX/"), ..Target::new(&name) };
        let targets = [(Roles::of(verb).named.unwrap(), target)];
        assert_eq!(outcome(&bound.decide(&Request::new(verb, &targets), at(FRIDAY))), want, "{verb} {name}");
    }
}

#[test]
fn rename_moves_all_that_is_below() {
    let rows: [(&str, &[&str], &str, &str, &str); 12] = [
        ("nothing is ruled", &["mailbox = \"Z\"\nrights = \"lr\""], "A", "B", "ok"),
        ("no x", &["rights = \"lrswipktea\""], "A", "B", "no"),
        ("INBOX without x", &["rights = \"lrswipktea\""], "INBOX", "B", "no"),
        ("INBOX without t: its messages are moved", &["rights = \"lrswipkxea\""], "INBOX", "B", "no"),
        ("INBOX without e", &["rights = \"lrswipkxta\""], "INBOX", "B", "no"),
        ("another without t and e", &["rights = \"lrswipkxa\""], "A", "B", "ok"),
        ("out of a rule", &["mailbox = \"A/**\"\nrights = \"lrswikx\""], "A/x", "B", "no"),
        ("within a rule", &["mailbox = \"A/**\"\nrights = \"lrswikx\""], "A/x", "A/y", "ok"),
        ("into a rule", &["mailbox = \"A/**\"\nrights = \"lrswikx\""], "B", "A/y", "ok"),
        ("a rule about something below", &["mailbox = \"A/x\"\nrights = \"lrswikx\""], "A", "B", "no"),
        ("a command is denied there", &["mailbox = \"A\"\ndeny_commands = \"FETCH\""], "A", "B", "no"),
        ("about everything", &["rights = \"lrswikx\"", "deny_commands = \"FETCH\""], "A", "B", "ok"),
    ];
    for (name, bodies, from, to, want) in rows {
        assert_eq!(outcome(&ask(bodies, Verb::Rename, &[from, to], "C", FlagsWanted::NONE)), want, "{name}");
    }
    let (old, new) = (MailboxName::new("A"), MailboxName::new("B"));
    for (uses_below, want) in [(SpecialUse::TRASH, "no"), (SpecialUse::SENT, "ok")] {
        let targets =
            [(Role::RenameFrom, Target { uses_below, ..Target::new(&old) }), (Role::RenameTo, Target::new(&new))];
        let bound = rules(&["mailbox = \"\\\\Trash\"\nrights = \"lrswikx\""]).bind(&ann());
        assert_eq!(outcome(&bound.decide(&Request::new(Verb::Rename, &targets), at(FRIDAY))), want, "{uses_below:?}");
    }
    let denied = ["mailbox = \"A\"\ndeny_commands = \"FETCH\"\nrights = \"lrkx\""];
    let verdict = ask(&denied, Verb::Rename, &["A", "B"], "C", FlagsWanted::NONE);
    assert_eq!(by(&verdict), "r0:rights r0:deny_commands");
}

#[test]
fn organise_and_tidy() {
    let organise = "rights = \"organise\"";
    let tidy = "rights = \"tidy\"";
    let in_a = "mailbox = \"A\"\nrights = \"organise\"";
    let of_ann = "when = { user = \"ann@example.org\" }\nrights = \"organise\"\nmailbox = \"A\"";
    let rows: [(&str, &[&str], &str, &str); 15] = [
        ("to another mailbox", &[organise], "B", "ok"),
        ("not to \\Trash", &[organise], "Trash", "no"),
        ("not to \\Junk", &[organise], "Spam", "no"),
        ("tidy: to \\Trash", &[tidy], "Deleted Items", "ok"),
        ("tidy and organise: not to \\Trash", &[tidy, organise], "Trash", "no"),
        ("to where messages can be destroyed", &[in_a], "B", "no"),
        ("to where they cannot", &[in_a, "mailbox = \"B\"\nrights = \"lri\""], "B", "ok"),
        ("to where they cannot be put", &[in_a, "mailbox = \"B\"\nrights = \"lr\""], "B", "no"),
        ("to where the mailbox can be deleted", &[in_a, "mailbox = \"B\"\nrights = \"lrix\""], "B", "no"),
        ("to a hidden mailbox", &[organise, "mailbox = \"B\"\nhide = true"], "B", "hidden"),
        ("another rule takes t", &[organise, "rights = \"lrswie\""], "B", "no"),
        ("another rule takes e in that mailbox", &[organise, "mailbox = \"A\"\nrights = \"lrswit\""], "B", "no"),
        ("another rule takes what it took", &[organise, "rights = \"lrswite\""], "B", "ok"),
        ("safe by a rule for everybody", &[of_ann, "mailbox = \"B\"\nrights = \"lri\""], "B", "ok"),
        (
            "safe only under other conditions",
            &[of_ann, "when = { client_ip = \"203.0.113.0/24\" }\nmailbox = \"B\"\nrights = \"lri\""],
            "B",
            "no",
        ),
    ];
    for (name, bodies, to, want) in rows {
        for verb in [Verb::Move, Verb::UidMove] {
            assert_eq!(outcome(&ask(bodies, verb, &[to], "A", FlagsWanted::NONE)), want, "{name}");
        }
    }
    let others = [
        ("COPY stays", Verb::Copy, &["B"][..], FlagsWanted::NONE, "ok"),
        ("\\Deleted may not be set", Verb::Store, &[], DELETED, "no"),
        ("\\Seen may", Verb::Store, &[], SEEN, "ok"),
        ("EXPUNGE", Verb::Expunge, &[], FlagsWanted::NONE, "no"),
        ("CLOSE", Verb::Close, &[], FlagsWanted::NONE, "expunge nothing"),
        ("REPLACE", Verb::Replace, &["B"], FlagsWanted::NONE, "no"),
        ("DELETE", Verb::Delete, &["A"], FlagsWanted::NONE, "no"),
        ("RENAME", Verb::Rename, &["A", "C"], FlagsWanted::NONE, "no"),
        ("CREATE", Verb::Create, &["C"], FlagsWanted::NONE, "no"),
    ];
    for (name, verb, named, flags, want) in others {
        assert_eq!(outcome(&ask(&[organise], verb, named, "A", flags)), want, "{name}");
    }
}

#[test]
fn organise_knows_trash_as_the_server_says() {
    let rules = rules(&["rights = \"organise\""]);
    let (from, to) = (MailboxName::inbox(), MailboxName::new("Wastebasket"));
    for (told, want) in [(Some(SpecialUse::TRASH), "no"), (Some(SpecialUse::NONE), "ok"), (None, "ok")] {
        let to = Target { special_use: told, ..Target::new(&to) };
        let targets = [(Role::MoveTo, to), (Role::MoveFrom, Target::new(&from))];
        let verdict = rules.bind(&ann()).decide(&Request::new(Verb::Move, &targets), at(FRIDAY));
        assert_eq!(outcome(&verdict), want, "{told:?}");
    }
}

#[test]
fn denied_commands() {
    let rows = [
        ("a command", "deny_commands = \"APPEND\"", Verb::Append, &["A"][..], "no"),
        ("its UID form", "deny_commands = \"FETCH\"", Verb::UidFetch, &[], "no"),
        ("its UID form alone", "deny_commands = \"uid fetch\"", Verb::UidFetch, &[], "no"),
        ("which leaves the other", "deny_commands = \"uid fetch\"", Verb::Fetch, &[], "ok"),
        ("another", "deny_commands = \"FETCH\"", Verb::Search, &[], "ok"),
        ("without a mailbox", "deny_commands = \"LIST\"", Verb::List, &[], "no"),
        ("there", "mailbox = \"A\"\ndeny_commands = \"STATUS\"", Verb::Status, &["a"], "no"),
        ("not elsewhere", "mailbox = \"A\"\ndeny_commands = \"STATUS\"", Verb::Status, &["C"], "ok"),
        ("with that one selected", "mailbox = \"B\"\ndeny_commands = \"COPY\"", Verb::UidCopy, &["C"], "no"),
        ("but there", "except_mailbox = \"A\"\ndeny_commands = \"STATUS\"", Verb::Status, &["A"], "ok"),
        ("about no mailbox at all", "mailbox = \"B\"\ndeny_commands = \"LIST\"", Verb::List, &[], "ok"),
    ];
    for (name, rule, verb, named, want) in rows {
        let verdict = ask(&[rule], verb, named, "B", FlagsWanted::NONE);
        assert_eq!(outcome(&verdict), want, "{name}");
        assert_eq!(by(&verdict), if want == "no" { "r0:deny_commands" } else { "" }, "{name}");
    }
}

#[test]
fn what_is_hidden_comes_first() {
    let hide = "mailbox = \"A\"\nhide = true";
    let rows: [(&str, &[&str], Verb, &[&str], &str); 5] = [
        ("whatever else is forbidden there", &[hide, "rights = \"l\""], Verb::Select, &["A"], "r0:hide"),
        ("or with the command", &[hide, "deny_commands = \"SELECT\""], Verb::Select, &["A"], "r0:hide"),
        ("or where it is copied from", &[hide, "mailbox = \"B\"\nrights = \"l\""], Verb::Copy, &["A"], "r0:hide"),
        ("all who hide it are named", &[hide, "mailbox = \"*\"\nhide = true"], Verb::Status, &["A"], "r0:hide r1:hide"),
        ("with rights, too", &["mailbox = \"A\"\nhide = true\nrights = \"r\""], Verb::Status, &["A"], "r0:hide"),
    ];
    for (name, bodies, verb, named, want) in rows {
        let verdict = ask(bodies, verb, named, "B", FlagsWanted::NONE);
        assert_eq!((&*outcome(&verdict), &*by(&verdict)), ("hidden", want), "{name}");
    }
}

#[test]
fn shadow_rules_only_say_what_they_would_have_taken() {
    let rows: [(&str, &str, Verb, &[&str], &str, FlagsWanted, &str); 13] = [
        ("hide", "mailbox = \"A\"\nhide = true", Verb::Select, &["A"], "B", FlagsWanted::NONE, "r0:hide"),
        ("a reserved name", "mailbox = \"A\"\nhide = true", Verb::Create, &["A"], "B", FlagsWanted::NONE, "r0:hide"),
        (
            "above a hidden one",
            "mailbox = \"A/b\"\nhide = true",
            Verb::Delete,
            &["A"],
            "B",
            FlagsWanted::NONE,
            "r0:hide",
        ),
        ("elsewhere", "mailbox = \"C\"\nhide = true", Verb::Select, &["A"], "B", FlagsWanted::NONE, ""),
        ("a right", "rights = \"l\"", Verb::Select, &["A"], "B", FlagsWanted::NONE, "r0:rights"),
        ("a right that is not needed", "rights = \"lr\"", Verb::Examine, &["A"], "B", FlagsWanted::NONE, ""),
        ("narrowed to EXAMINE", "rights = \"lr\"", Verb::Select, &["A"], "B", FlagsWanted::NONE, "r0:rights"),
        ("not narrowed", "rights = \"lrs\"", Verb::Select, &["A"], "B", FlagsWanted::NONE, ""),
        ("PEEK", "rights = \"lr\"", Verb::Fetch, &[], "A", SEEN, "r0:rights"),
        ("a command", "deny_commands = \"FETCH\"", Verb::Fetch, &[], "A", FlagsWanted::NONE, "r0:deny_commands"),
        (
            "RENAME",
            "mailbox = \"A\"\nrights = \"lrkx\"",
            Verb::Rename,
            &["A", "C"],
            "B",
            FlagsWanted::NONE,
            "r0:rights",
        ),
        ("MOVE that organise allows", "rights = \"organise\"", Verb::Move, &["B"], "A", FlagsWanted::NONE, ""),
        ("MOVE that it does not", "rights = \"organise\"", Verb::Move, &["Trash"], "A", FlagsWanted::NONE, "r0:rights"),
    ];
    for (name, rule, verb, named, selected, flags, want) in rows {
        let body = format!("mode = \"shadow\"\n{rule}");
        let verdict = ask(&[&body], verb, named, selected, flags);
        assert_eq!((&*outcome(&verdict), &*by(&verdict), &*shadow(&verdict)), ("ok", "", want), "{name}");
    }
    let rest = "mode = \"shadow\"\nrights = \"lrkite\"";
    let verdict = ask(&["rights = \"lrsw\"", rest], Verb::Select, &["A"], "B", FlagsWanted::NONE);
    assert_eq!((&*outcome(&verdict), &*shadow(&verdict)), ("ok", "r1:rights"), "with what the others left");
}

#[test]
fn where_messages_are_hidden() {
    let rule = "mailbox = \"A/b\"\nhide_messages = 'SEEN'";
    let rows: [(&str, Verb, &[&str], &str, &str, &str); 12] = [
        ("it can be opened", Verb::Select, &["A/b"], "B", "ok", ""),
        ("and read", Verb::Fetch, &[], "A/b", "ok", ""),
        ("and expunged, as far as it is seen", Verb::Expunge, &[], "A/b", "ok", ""),
        ("it is not deleted", Verb::Delete, &["A/b"], "B", "no", "r0:hide_messages"),
        ("nor renamed", Verb::Rename, &["A/b", "X"], "B", "no", "r0:hide_messages"),
        ("nor is what is above", Verb::Rename, &["A", "X"], "B", "no", "r0:hide_messages"),
        ("nor deleted", Verb::Delete, &["A"], "B", "no", "r0:hide_messages"),
        ("what is beside it is", Verb::Delete, &["A/c"], "B", "ok", ""),
        ("and what is below", Verb::Delete, &["A/b/c"], "B", "ok", ""),
        ("names are to be had", Verb::Create, &["A/b"], "B", "ok", ""),
        (
            "what shows its mail again is not there",
            Verb::Select,
            &["[Gmail]/All Mail"],
            "B",
            "hidden",
            "r0:hide_messages",
        ),
        ("nor to be had", Verb::Create, &["[Gmail]/All Mail"], "B", "reserved", "r0:hide_messages"),
    ];
    for (name, verb, named, selected, want, hits) in rows {
        let verdict = ask(&[rule], verb, named, selected, FlagsWanted::NONE);
        assert_eq!((outcome(&verdict).as_str(), by(&verdict).as_str()), (want, hits), "{name}");
    }
    let shown = format!("{rule}\naggregates = \"show\"");
    let verdict = ask(&[&shown], Verb::Select, &["[Gmail]/All Mail"], "B", FlagsWanted::NONE);
    assert_eq!(outcome(&verdict), "ok");
    let all = ask(&["hide_messages = 'SEEN'"], Verb::Delete, &["X"], "B", FlagsWanted::NONE);
    assert_eq!(outcome(&all), "no", "a rule without `mailbox` is about every one");
    let relaxed =
        "[[exception]]\nrule = \"r0\"\nuser = \"ann*\"\nmailbox = \"A/b\"\nuntil = 2027-12-31\nreason = \"it\"";
    assert_eq!(outcome(&ask(&[rule, relaxed], Verb::Delete, &["A/b"], "B", FlagsWanted::NONE)), "ok", "an exception");
}
