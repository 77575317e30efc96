//! What is said of rules, as a table: the rule, what is asked, and every word of the answer.

use super::super::request::FlagsWanted;
use super::super::sample::{FRIDAY, ann, at, rules};
use super::*;
use crate::imap::mailbox::MailboxName;

/// `refused by r0: t e; why …; passed r1: …; mend …`
fn said(told: &Explanation) -> String {
    let mut said = told.outcome.as_str().to_owned();
    for share in &told.took {
        let rights = spaced(share.rights);
        let of = if rights.is_empty() { "" } else { " of " };
        said.push_str(&format!("; {} takes {rights}{of}{}", share.rule, share.written));
    }
    told.shadow.iter().for_each(|share| said.push_str(&format!("; shadow {}", share.rule)));
    told.why.iter().for_each(|why| said.push_str(&format!("; why {why}")));
    told.passed.iter().for_each(|passed| said.push_str(&format!("; passed {}: {}", passed.rule, passed.why)));
    told.mend.iter().for_each(|mend| said.push_str(&format!("; mend {mend}")));
    said
}

fn about_mailbox(bodies: &[&str], name: &str) -> String {
    let (name, subject) = (MailboxName::new(name), ann());
    let asked = Asked {
        subject: &subject,
        at: at(FRIDAY),
        mailbox: Some(Target::new(&name)),
        request: None,
        counted: Counted::default(),
    };
    said(&rules(bodies).explain(&asked))
}

#[test]
fn mailboxes() {
    let rows: [(&str, &[&str], &str, &str); 22] = [
        ("no rule", &[], "INBOX", "allowed"),
        (
            "with hidden messages",
            &["mailbox = 'Finance/**'\nhide_messages = ['SUBJECT a', 'SEEN']"],
            "Finance/Q3",
            "narrowed; r0 takes x of hide_messages = [\"SUBJECT a\", \"SEEN\"]; why messages in Finance/Q3, or below it, \
             may be hidden, so it is neither deleted nor renamed; mend except_mailbox = [\"Finance/Q3\"] in r0 spares it",
        ),
        (
            "above one of those",
            &["mailbox = 'Finance/*'\nhide_messages = 'SEEN'"],
            "Finance",
            "narrowed; r0 takes x of hide_messages = [\"SEEN\"]; why messages in Finance, or below it, may be hidden, \
             so it is neither deleted nor renamed",
        ),
        (
            "which shows the same mail again",
            &["mailbox = 'Finance/*'\nhide_messages = 'SEEN'"],
            "[Gmail]/All Mail",
            "hidden; r0 takes hide_messages = [\"SEEN\"]",
        ),
        (
            "hidden",
            &["mailbox = 'Finance/**'\nhide = true"],
            "Finance/Q3",
            "hidden; r0 takes hide = true; mend except_mailbox = [\"Finance/Q3\"] in r0 spares it",
        ),
        (
            "spared, but for its case",
            &["mailbox = 'Finance/**'\nexcept_mailbox = 'Finance/Public'\nhide = true"],
            "finance/public",
            "hidden; r0 takes hide = true; mend `except_mailbox` compares exactly: in r0, write \"finance/public\"",
        ),
        (
            "spared",
            &["mailbox = 'Finance/**'\nexcept_mailbox = 'Finance/Public'\nhide = true"],
            "Finance/Public",
            "narrowed; r0 takes x of hide = true; \
             why names below Finance/Public may be hidden, so it is neither deleted nor renamed",
        ),
        (
            "spared, with all below",
            &["mailbox = 'Finance/**'\nexcept_mailbox = 'Finance/Public/**'\nhide = true"],
            "Finance/Public",
            "allowed; passed r0: `except_mailbox` spares Finance/Public: Finance/Public/**",
        ),
        (
            "read-only",
            &["rights = 'read-only'"],
            "INBOX",
            "narrowed; r0 takes s w i p k x t e a of rights = \"read-only\"; mend rights = \"lrswipkxtea\" in r0",
        ),
        ("in shadow", &["mode = 'shadow'\nmailbox = 'INBOX'\nrights = 'lr'"], "INBOX", "allowed; shadow r0"),
        (
            "another network",
            &["when = { user = '*@example.org', client_ip = ['192.0.2.0/24', '10.1.2.3'] }\nrights = 'lr'"],
            "INBOX",
            "allowed; passed r0: client_ip 203.0.113.5 is not in 192.0.2.0/24, 10.1.2.3",
        ),
        (
            "another hour and another listener",
            &[
                "when = { user = 'ann@*', listener = 'imaps', time = { days = 'Sat', zone = 'Europe/Berlin' }, tls = 'none' }\nrights = 'lr'",
            ],
            "INBOX",
            "allowed; passed r0: tls server is not none; Fri 2027-01-15 10:00 is not within Sat Europe/Berlin",
        ),
        (
            "spared by unless",
            &[
                "when = { user = 'ann@*' }\nunless = [{ client_id = 'x' }, { client_ip = '203.0.113.0/24', tls = ['server'] }]\nrights = 'lr'",
            ],
            "INBOX",
            "allowed; passed r0: `unless` spares: client_ip 203.0.113.5 is in 203.0.113.0/24 and tls server is server",
        ),
        (
            "a slip in a user's name",
            &["when = { user = ['bob@example.org', 'an@example.org'] }\nmailbox = 'INBOX'\nhide = true"],
            "INBOX",
            "allowed; passed r0: user ann@example.org is none of bob@example.org, an@example.org; \
             mend ann@example.org is nearly an@example.org, which r0 is about: is one of them misspelled?",
        ),
        (
            "a level is missing",
            &["mailbox = 'Finance/*'\nhide = true"],
            "Finance/Q3/May",
            "allowed; passed r0: Finance/Q3/May is not in Finance/*; \
             mend \"Finance/*\" in r0 ends above it: \"Finance/**\" covers what is below, too",
        ),
        (
            "another group",
            &["when = { user = 'ann@*', group = ['board'] }\nrights = 'lr'"],
            "INBOX",
            "allowed; passed r0: group finance is not board",
        ),
        (
            "spared by a group",
            &["when = { user = 'ann@*' }\nunless = { group = ['board', 'finance'] }\nrights = 'lr'"],
            "INBOX",
            "allowed; passed r0: `unless` spares: group finance is one of finance, board",
        ),
        (
            "not yet",
            &["mailbox = 'INBOX'\nhide = true\nfrom = 2027-02-01"],
            "INBOX",
            "allowed; passed r0: it begins at 2027-02-01T00:00:00Z",
        ),
        (
            "no longer",
            &["mailbox = 'INBOX'\nhide = true\nuntil = 2027-01-14"],
            "INBOX",
            "allowed; passed r0: it ended at 2027-01-15T00:00:00Z",
        ),
        (
            "relaxed",
            &["rights = 'lr'", "[[exception]]\nrule = 'r0'\nuser = 'ann@*'\nuntil = 2027-01-15\nreason = 'IR-204'"],
            "INBOX",
            "allowed; passed r0: an exception spares until 2027-01-16T00:00:00Z: IR-204",
        ),
        (
            "relaxed for a mailbox",
            &[
                "mailbox = '**'\nrights = 'lr'",
                "[[exception]]\nrule = 'r0'\nmailbox = 'INBOX'\nuntil = 2027-01-15\nreason = 'IR-204'",
            ],
            "INBOX",
            "allowed; passed r0: INBOX: an exception spares until 2027-01-16T00:00:00Z: IR-204",
        ),
        ("rules about others are not told", &["when = { user = 'bob@*' }\nmailbox = 'A'\nhide = true"], "B", "allowed"),
    ];
    for (name, bodies, mailbox, want) in rows {
        assert_eq!(about_mailbox(bodies, mailbox), want, "{name}");
    }
}

fn about_command(bodies: &[&str], verb: Verb, names: &[&str], flags: FlagsWanted) -> String {
    about_counted(bodies, verb, names, flags, Counted::default())
}

fn about_counted(bodies: &[&str], verb: Verb, names: &[&str], flags: FlagsWanted, counted: Counted) -> String {
    let names: Vec<MailboxName> = names.iter().map(|name| MailboxName::new(name)).collect();
    let roles = super::super::request::Roles::of(verb);
    let roles = [roles.selected, roles.named, roles.second].into_iter().flatten();
    let targets: Vec<_> = roles.zip(names.iter().map(Target::new)).collect();
    let subject = ann();
    let request = Request::new(verb, &targets).flags(flags);
    said(&rules(bodies).explain(&Asked {
        subject: &subject,
        at: at(FRIDAY),
        mailbox: None,
        request: Some(request),
        counted,
    }))
}

#[test]
fn commands() {
    let none = FlagsWanted::NONE;
    let deleted = FlagsWanted { deleted: true, ..none };
    let rows: [(&str, &[&str], Verb, &[&str], FlagsWanted, &str); 13] = [
        (
            "organise, to where nothing is safe",
            &["id = \"organise\"\nmailbox = 'INBOX'\nrights = 'organise'"],
            Verb::UidMove,
            &["INBOX", "Archive"],
            none,
            "refused; organise takes t e of rights = \"organise\"; \
             why MOVE out of INBOX needs a destination without t, e, x; Archive keeps x t e; \
             mend give Archive to organise, too: mailbox = [\"Archive\", …]",
        ),
        (
            "organise, to the trash",
            &["rights = 'organise'"],
            Verb::Move,
            &["INBOX", "Trash"],
            none,
            "refused; r0 takes t e of rights = \"organise\"; \
             why MOVE out of INBOX goes nowhere that servers empty by themselves, as they do Trash; \
             mend rights = \"tidy\" in r0 lets messages go to Trash and Junk",
        ),
        ("organise, to where it is safe", &["rights = 'organise'"], Verb::Move, &["INBOX", "A"], none, "allowed"),
        (
            "a flag may not be set",
            &["rights = 'lrsw'"],
            Verb::UidStore,
            &["INBOX"],
            deleted,
            "refused; r0 takes t of rights = \"lrsw\"; mend rights = \"lrswt\" in r0",
        ),
        (
            "one of two flags",
            &["rights = 'lrsw'"],
            Verb::Store,
            &["INBOX"],
            FlagsWanted { seen: true, ..deleted },
            "narrowed; r0 takes t of rights = \"lrsw\"; why STORE leaves \\Deleted as they are; mend rights = \"lrswt\" in r0",
        ),
        (
            "opened for reading only",
            &["mailbox = 'Archive/**'\nrights = 'lr'"],
            Verb::Select,
            &["Archive/1"],
            none,
            "narrowed; r0 takes s w i t e of rights = \"lr\"; why SELECT goes up as EXAMINE and answers [READ-ONLY]; \
             mend except_mailbox = [\"Archive/1\"] in r0 spares it",
        ),
        (
            "a command is denied",
            &["deny_commands = ['COPY', 'APPEND']"],
            Verb::Copy,
            &["A", "B"],
            none,
            "refused; r0 takes deny_commands = [\"APPEND\", \"COPY\"]; mend take it from `deny_commands` of r0",
        ),
        (
            "its UID form alone is denied",
            &["deny_commands = ['UID COPY']"],
            Verb::UidCopy,
            &["A", "B"],
            none,
            "refused; r0 takes deny_commands = [\"UID COPY\"]; mend take it from `deny_commands` of r0",
        ),
        ("and the other form is not", &["deny_commands = ['UID COPY']"], Verb::Copy, &["A", "B"], none, "allowed"),
        (
            "another command is denied",
            &["mailbox = 'A'\ndeny_commands = ['APPEND']"],
            Verb::Copy,
            &["A", "B"],
            none,
            "allowed; passed r0: denies APPEND, not COPY",
        ),
        (
            "rights that are not needed",
            &["mailbox = 'A'\nrights = 'lrswi'"],
            Verb::Search,
            &["A"],
            none,
            "allowed; passed r0: takes p k x t e a, which SEARCH does not need",
        ),
        (
            "something below is hidden",
            &["mailbox = 'Finance/Q3'\nhide = true"],
            Verb::Delete,
            &["Finance"],
            none,
            "refused; r0 takes hide = true; why names below Finance may be hidden, so it is neither deleted nor renamed",
        ),
        (
            "a name that is hidden cannot be had",
            &["mailbox = 'Finance'\nhide = true"],
            Verb::Create,
            &["Finance"],
            none,
            "refused; r0 takes hide = true; why a name that a rule hides is not to be had, whether or not it exists; \
             mend except_mailbox = [\"Finance\"] in r0 spares it",
        ),
    ];
    for (name, bodies, verb, mailboxes, flags, want) in rows {
        assert_eq!(about_command(bodies, verb, mailboxes, flags), want, "{name}");
    }
}

#[test]
fn all_that_is_left() {
    let subject = ann();
    let asked = Asked { subject: &subject, at: at(FRIDAY), mailbox: None, request: None, counted: Counted::default() };
    let told = |bodies: &[&str]| said(&rules(bodies).explain(&asked));
    assert_eq!(
        told(&["mailbox = 'A'\nhide = true\nrights = 'lr'", "mode = 'shadow'\ndeny_commands = 'APPEND'"]),
        "narrowed; r0 takes hide = true; r0 takes s w i p k x t e a of rights = \"lr\"; shadow r1",
    );
    assert_eq!(
        told(&["deny_login = 'No'", "rights = 'lr'"]),
        "refused; r0 takes deny_login = \"No\"; why the login is denied, so nothing else comes about; \
         mend unless = { user = \"ann@example.org\" } in r0 spares this user",
    );
    let other = rules(&["when = { user = 'bob' }\ndeny_login = 'No'"]);
    assert_eq!(other.why_not("r0", &asked).as_deref(), Some("user ann@example.org is not bob"));
    assert_eq!(other.why_not("r1", &asked), None);
}

#[test]
fn limits() {
    let nothing = Counted::default();
    let content = Counted { download: true, messages: true, ..nothing };
    let rows: [(&str, &[&str], Verb, Counted, &str); 8] = [
        (
            "every command counts",
            &["limit = { commands = '50/s' }"],
            Verb::Search,
            nothing,
            "limited; r0 takes limit = { commands = \"50/s\" }; \
             why r0 counts it; what is left of its budget cannot be told here",
        ),
        (
            "content counts",
            &["limit = { messages = '5000/hour' }"],
            Verb::Fetch,
            content,
            "limited; r0 takes limit = { messages = \"5000/hour\" }; \
             why r0 counts it; what is left of its budget cannot be told here",
        ),
        (
            "flags do not",
            &["mailbox = 'A'\nlimit = { messages = '5000/hour' }"],
            Verb::Fetch,
            nothing,
            "allowed; passed r0: has limit = { messages = \"5000/hour\" }, which does not count FETCH",
        ),
        ("elsewhere", &["mailbox = 'B'\nlimit = { commands = '1/s' }"], Verb::Search, nothing, "allowed"),
        (
            "a message that is too large",
            &["limit = { message_size = '1 KiB' }"],
            Verb::Append,
            Counted { brings: Some(1025), ..nothing },
            "limited; r0 takes limit = { message_size = \"1024 B\" }; \
             why its message of 1025 octets is larger than r0 allows",
        ),
        (
            "one that is not",
            &["limit = { message_size = '1 KiB' }"],
            Verb::Append,
            Counted { brings: Some(1024), ..nothing },
            "allowed",
        ),
        (
            "what is refused is not counted",
            &["limit = { commands = '50/s' }", "deny_commands = 'SEARCH'"],
            Verb::Search,
            nothing,
            "refused; r1 takes deny_commands = [\"SEARCH\"]; mend take it from `deny_commands` of r1",
        ),
        ("in shadow", &["mode = 'shadow'\nlimit = { commands = '50/s' }"], Verb::Search, nothing, "allowed; shadow r0"),
    ];
    for (name, bodies, verb, counted, want) in rows {
        assert_eq!(about_counted(bodies, verb, &["A"], FlagsWanted::NONE, counted), want, "{name}");
    }
}
