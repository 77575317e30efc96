//! A hidden mailbox does not exist: not in lists, not by name, in no spelling, and nothing happens to it.
//!
//! `eve` has what the rule hides, `eva` never had it. Whatever they say, they hear the same.

use super::client::{Answer, Client};
use super::dovecot::{Dovecot, Names};
use super::proxy::{Proxy, Settings};

const RULES: &str = r#"
[[rule]]
id = "no-finance"
description = "Finance is need-to-know"
when = { user = ["eve", "eva"] }
mailbox = ["Finance/**", "Entwürfe"]
except_mailbox = ["Finance/Public"]
hide = true
"#;

/// A mailbox that is hidden, however it is written. `{n}` announces the octets that follow it.
const SPELLINGS: &[(&str, &str)] = &[
    ("atom", "Finance/Q3"),
    ("quoted", "\"Finance/Q3\""),
    ("literal", "{10}Finance/Q3"),
    ("literal without waiting", "{10+}Finance/Q3"),
    ("with a trailing delimiter", "\"Finance/Q3/\""),
    ("with an empty level", "Finance//Q3"),
    ("in another case", "fINANCE/q3"),
    ("in UTF-7 that need not be", "\"&AEYAaQBuAGEAbgBjAGU-/Q3\""),
    ("its parent", "Finance"),
    ("its parent, with the delimiter", "Finance/"),
    ("below it", "Finance/Q3/Deeper"),
    ("modified UTF-7", "Entw&APw-rfe"),
    ("modified UTF-7, decomposed", "Entwu&Awg-rfe"),
];

/// Every command that takes a name, with `@` for it.
const COMMANDS: &[&str] = &[
    "SELECT @",
    "EXAMINE @",
    "STATUS @ (MESSAGES UIDNEXT UNSEEN)",
    "CREATE @",
    "DELETE @",
    "RENAME @ Elsewhere",
    "RENAME Projects/Apollo @",
    "SUBSCRIBE @",
    "UNSUBSCRIBE @",
    "LIST \"\" @",
    "LSUB \"\" @",
    "COPY 1 @",
    "UID COPY 1 @",
    "MOVE 1 @",
    "UID MOVE 1 @",
    "APPEND @ {5+}|hello",
    "APPEND @ {5}|hello",
    "APPEND @ (\\Seen) {5}|hello",
];

#[test]
fn a_hidden_mailbox_is_answered_as_one_that_never_was_however_it_is_spelled() {
    let (dovecot, mut proxy) = eve_and_eva(Names::Slash);
    let before = hidden_state(&dovecot);
    let mut both = [proxy.login("eve"), proxy.login("eva")];
    for command in COMMANDS {
        for (spelling, name) in SPELLINGS {
            let [eve, eva] = both.each_mut().map(|client| {
                client.run("SELECT INBOX").ok();
                say(client, command, name)
            });
            assert_eq!(told(&eve), told(&eva), "{command} of the name {spelling}: {name}");
            let listing = command.starts_with("LIST") || command.starts_with("LSUB");
            // The parent exists for the client as far as its visible child needs it.
            let parent = name.trim_end_matches('/') == "Finance";
            if !listing && !parent && !command.starts_with("UNSUBSCRIBE") {
                assert!(eve.status.starts_with("NO") || eve.status.starts_with("BAD"), "{command} {spelling}: {eve:?}");
            }
        }
    }
    both.into_iter().for_each(Client::logout);
    assert_eq!(hidden_state(&dovecot), before, "something happened to it");
    let records = proxy.stop();
    let hidden = records.iter().filter(|record| record["policy"]["verdict"] == "hidden").count();
    assert!(hidden > COMMANDS.len(), "only {hidden} records of hidden names");
}

#[test]
fn a_hidden_mailbox_is_in_no_list() {
    const LISTS: &[&str] = &[
        "LIST \"\" *",
        "LIST \"\" %",
        "LIST \"\" Fin*",
        "LIST \"\" %/%",
        "LIST Finance %",
        "LIST Finance/ %",
        "LIST Finance/ *",
        "LIST \"\" \"\"",
        "LIST \"\" Entw*",
        "LSUB \"\" *",
        "LSUB \"\" %",
        "LSUB Finance/ *",
        "NAMESPACE",
        "CAPABILITY",
    ];
    let (dovecot, mut proxy) = eve_and_eva(Names::Slash);
    let [mut eve, mut eva] = [proxy.login("eve"), proxy.login("eva")];
    for list in LISTS {
        let (of_eve, of_eva) = (eve.run(list).ok(), eva.run(list).ok());
        assert_eq!(sorted(&of_eve), sorted(&of_eva), "{list}");
        let listed = of_eve.whole();
        assert!(!listed.contains("Q3") && !listed.contains("Entw"), "{list}: {listed}");
    }
    let all = eve.run("LIST \"\" *").ok();
    assert!(all.names().contains(&"Finance/Public".to_owned()), "{all:?}");
    let parent = all.lines().into_iter().find(|line| line.ends_with(" Finance") || line.ends_with(" \"Finance\""));
    assert!(parent.is_none_or(|line| line.contains("\\NonExistent")), "a hidden parent that can be opened: {all:?}");
    // The extended forms, where they are offered.
    for list in [
        "LIST (SUBSCRIBED) \"\" *",
        "LIST \"\" * RETURN (SUBSCRIBED CHILDREN)",
        "LIST \"\" * RETURN (STATUS (MESSAGES))",
    ] {
        let (of_eve, of_eva) = (eve.run(list), eva.run(list));
        assert_eq!(sorted(&of_eve), sorted(&of_eva), "{list}");
        assert!(!of_eve.whole().contains("Q3"), "{list}: {of_eve:?}");
    }
    let [eve, eva] = [eve, eva];
    eve.logout();
    eva.logout();
    let records = proxy.stop();
    let of_all =
        records.iter().find(|r| r["type"] == "mailbox.list" && r["user"] == "eve" && r["data"]["pattern"] == "*");
    let of_all = of_all.expect("a record of LIST");
    assert!(of_all["data"]["hidden"].as_u64() >= Some(2), "{of_all}");
    drop(dovecot);
}

#[test]
fn a_rule_goes_by_the_name_whatever_delimiter_and_prefix_the_server_has() {
    let (dovecot, mut proxy) = eve_and_eva(Names::InboxDot);
    let [mut eve, mut eva] = [proxy.login("eve"), proxy.login("eva")];
    for command in ["LIST \"\" *", "LSUB \"\" *", "LIST \"\" INBOX.Fin*", "LIST INBOX. %"] {
        let (of_eve, of_eva) = (eve.run(command).ok(), eva.run(command).ok());
        assert_eq!(sorted(&of_eve), sorted(&of_eva), "{command}");
        assert!(!of_eve.whole().contains("Q3"), "{command}: {of_eve:?}");
    }
    for name in ["INBOX.Finance.Q3", "inbox.Finance.Q3", "Finance.Q3", "INBOX.Finance.Q3.", "INBOX/Finance/Q3"] {
        for command in ["SELECT @", "STATUS @ (MESSAGES)", "CREATE @", "APPEND @ {5+}|hello"] {
            let (of_eve, of_eva) = (say(&mut eve, command, name), say(&mut eva, command, name));
            assert_eq!(told(&of_eve), told(&of_eva), "{command} {name}");
            assert!(!of_eve.status.starts_with("OK"), "{command} {name}: {of_eve:?}");
        }
    }
    eve.run("SELECT INBOX.Finance.Public").ok();
    eve.logout();
    eva.logout();
    proxy.stop();
    drop(dovecot);
}

#[test]
fn who_is_not_meant_sees_everything() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let mut ann = proxy.login("ann");
    let straight = dovecot.login("ann").run("LIST \"\" *").ok();
    assert_eq!(ann.run("LIST \"\" *").ok().names(), straight.names());
    ann.run("SELECT Finance/Q3").ok();
    ann.logout();
    proxy.stop();
}

#[test]
fn a_visible_mailbox_works_in_full_beside_hidden_ones() {
    let (dovecot, mut proxy) = eve_and_eva(Names::Slash);
    let mut eve = proxy.login("eve");
    eve.run("SELECT INBOX").ok();
    assert_eq!(eve.run("FETCH 2 BODY.PEEK[]").ok().literal(), super::mail::message("INBOX", 1).into_bytes());
    eve.run("STORE 1 +FLAGS (\\Flagged)").ok();
    eve.run("COPY 1 Archive").ok();
    eve.run_parts(&[b"APPEND Archive {5}", b"hello"]).ok();
    eve.run("CREATE Mine").ok();
    eve.run("RENAME Mine Yours").ok();
    eve.run("SELECT Yours").ok();
    eve.run("SELECT INBOX").ok();
    eve.run("DELETE Yours").ok();
    let answer = eve.run("STATUS Archive (MESSAGES)").ok();
    assert_eq!(answer.lines(), ["* STATUS Archive (MESSAGES 5)"]);
    eve.logout();
    let mut straight = dovecot.login("eve");
    let names = straight.run("LIST \"\" *").ok().names();
    assert!(!names.contains(&"Yours".to_owned()) && names.contains(&"Finance/Q3".to_owned()), "{names:?}");
    proxy.stop();
}

/// Extensions that name mailboxes, and what could tell of one by the way; `@` is a name.
const EXTENSIONS: &[&str] = &[
    "GETACL @",
    "MYRIGHTS @",
    "LISTRIGHTS @ anyone",
    "SETACL @ anyone lrswipkxtea",
    "DELETEACL @ anyone",
    "GETQUOTAROOT @",
    "GETQUOTA \"\"",
    "GETQUOTA \"User quota\"",
    "SETQUOTA \"User quota\" (STORAGE 1)",
    "GETMETADATA @ (/private/comment /shared/comment)",
    "GETMETADATA (DEPTH infinity) @ /private",
    "GETMETADATA \"\" /shared/admin",
    "SETMETADATA @ (/private/comment \"x\")",
    "NOTIFY SET (mailboxes @ (MessageNew MessageExpunge))",
    "NOTIFY SET STATUS (subtree @ (MessageNew MessageExpunge MailboxName))",
    "NOTIFY SET (personal (MailboxName SubscriptionChange))",
    "ESEARCH IN (mailboxes @) RETURN (COUNT) ALL",
    "ESEARCH IN (subtree @) ALL",
    "ESEARCH IN (personal) RETURN (ALL) ALL",
    "SEARCH X-MAILBOX @",
    "UID FETCH 1 X-MAILBOX",
    "SEARCH RETURN (COUNT ALL) TEXT finance",
    "SEARCH INTHREAD REFS ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "SORT RETURN (ALL COUNT) (SUBJECT) UTF-8 ALL",
    "GENURLAUTH \"imap://eve@localhost/@;UID=1;URLAUTH=anonymous\" INTERNAL",
    "URLFETCH \"imap://eve@localhost/@;UID=1;URLAUTH=user+eve:INTERNAL:00\"",
    "APPEND INBOX CATENATE (URL \"/@/;UID=1\")",
    "APPEND INBOX CATENATE (URL \"/@/;UID=1;SECTION=TEXT\" TEXT {2+}\r\nhi)",
    "REPLACE 1 @ {5+}\r\nhello",
    "UID REPLACE 1 @ (\\Seen) {5+}\r\nhello",
    "CREATE @ (USE (\\Trash))",
    "SELECT @ (CONDSTORE)",
    "SELECT @ (QRESYNC (1700000001 1))",
    "STATUS @ (MESSAGES X-GUID)",
    "STATUS @ (MAILBOXID)",
    "LIST \"\" (@ INBOX) RETURN (STATUS (MESSAGES UIDNEXT) CHILDREN SUBSCRIBED)",
    "LIST \"\" (% @) RETURN (MYRIGHTS)",
    "LIST (RECURSIVEMATCH SUBSCRIBED) \"\" (% @)",
    "LIST (SUBSCRIBED REMOTE) @ *",
    "LIST @ \"\"",
    "LIST \"\" @*",
    "LIST \"\" @%",
    "LIST @/ %",
    "LIST @/.. %",
    "LIST \"../\" *",
    "LIST \"\" \"*/*\"",
    "XLIST \"\" @",
    "LSUB @/ %",
    "LSUB \"\" @/*",
    "RLIST \"\" @",
    "SUBSCRIBE @/",
    "UNSUBSCRIBE @/",
    "CREATE @/",
    "CREATE @/New/",
    "CREATE Projects/../@",
    "RENAME Projects @/Projects",
    "RENAME INBOX @",
    "RENAME @ @",
    "COPY 1 @/",
    "UID MOVE 1 @/New",
    "COPY 99 @",
    "APPEND @ {99999999}",
    "APPEND @ (\\Seen) \"31-Feb-2020 00:00:00 +0000\" {1+}\r\nx",
    "ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2 CONDSTORE",
    "UNAUTHENTICATE",
    "COMPRESS DEFLATE",
    "ID (\"name\" \"x\" \"x-originating-ip\" \"10.0.0.1\")",
    "NAMESPACE",
    "CAPABILITY",
    "CLOSE",
];

#[test]
fn no_extension_tells_of_a_hidden_mailbox() {
    const SERVER: &str = "mail_plugins = acl quota\nprotocol imap {\n  mail_plugins = $mail_plugins imap_acl imap_quota\n  \
         imap_metadata = yes\n}\nmail_attribute_dict = file:%h/attributes\n\
         plugin {\n  acl = vfile\n  quota = maildir:User quota\n}\n";
    for names in [Names::Slash, Names::InboxDot] {
        let dovecot = Dovecot::start_with(&["eve", "eva"], names, SERVER);
        dovecot.take_mailboxes("eva", &["Finance", "Finance.Q3", "Entw&APw-rfe"]);
        let proxy = Settings::before(&dovecot).rules(RULES);
        let mut proxy = proxy.in_limits("drain_delay = \"0s\"\ndrain_window = \"1s\"").start();
        let own = |name: &str| match names {
            Names::Slash => name.to_owned(),
            Names::InboxDot => format!("INBOX.{}", name.replace('/', ".")),
        };
        let mut both = [proxy.login("eve"), proxy.login("eva")];
        for command in EXTENSIONS {
            let mut heard = Vec::new();
            // Hidden, absent where others are hidden, and absent elsewhere.
            let makes = command.starts_with("CREATE") || command.starts_with("RENAME");
            for name in ["Finance/Q3", "Finance/Nope", "Projects/Nope"] {
                if makes && name == "Projects/Nope" {
                    continue; // it shall stay absent
                }
                let [eve, eva] = both.each_mut().map(|client| {
                    client.run("SELECT INBOX").ok();
                    client.run(&command.replace('@', &own(name)))
                });
                assert_eq!(told(&eve), told(&eva), "{command} of {name}");
                let told = eve.whole();
                assert!(!told.contains("canary-") && !told.contains("Entw"), "{command} of {name}: {told}");
                heard.push(self::told(&eve));
            }
            // New names are told apart, for hidden ones are reserved; patterns find what is there.
            let apart = ["CREATE", "RENAME", "LIST", "LSUB", "XLIST"].iter().any(|verb| command.starts_with(verb));
            let apart = apart || !command.contains('@');
            assert!(apart || heard.iter().all(|told| *told == heard[0]), "{command}: {heard:#?}");
        }
        both.into_iter().for_each(Client::logout);
        proxy.stop();
    }
}

#[test]
fn rules_that_begin_to_hide_reach_a_session_that_idles() {
    let dovecot = Dovecot::start(&["eve"]);
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut eve = proxy.login("eve");
    eve.run("SELECT INBOX").ok();
    let tag = eve.send("IDLE");
    assert_eq!(eve.response().as_deref(), Some(&b"+ idling"[..]));
    proxy.place().write("rules/rules-1.toml", RULES);
    proxy.process().signal(super::place::Signal::HUP);
    proxy.metric_reaches("imapwarden_policy_reloads_total", &[("result", "ok")], 1.0);
    // Names are asked for while the client idles; then news come as before.
    let mut straight = dovecot.login("eve");
    straight.run("APPEND INBOX {5+}\r\nhello").ok();
    let news = format!("* {} EXISTS", super::mail::IN_INBOX + 1);
    while eve.response().is_some_and(|response| response != news.as_bytes()) {}
    eve.say("DONE\r\n");
    loop {
        let line = eve.response().expect("an answer to IDLE");
        if line.starts_with(format!("{tag} ").as_bytes()) {
            assert_eq!(line, format!("{tag} OK IDLE completed").into_bytes());
            break;
        }
    }
    eve.run("SELECT Finance/Q3").no("[NONEXISTENT]");
    let names = eve.run("LIST \"\" *").ok().names();
    assert!(!names.contains(&"Finance/Q3".to_owned()), "{names:?}");
    eve.logout();
    straight.logout();
    proxy.stop();
}

/// One user who has what the rule hides, one who does not.
fn eve_and_eva(names: Names) -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start_with(&["eve", "eva"], names, "");
    // The parent of the mailbox that stays visible is the one thing that both must have.
    dovecot.take_mailboxes("eva", &["Finance", "Finance.Q3", "Entw&APw-rfe"]);
    let proxy = Settings::before(&dovecot).rules(RULES).start();
    (dovecot, proxy)
}

/// A command about a name, which may be a literal; `|` stands before the octets of a message.
fn say(client: &mut Client, command: &str, name: &str) -> Answer {
    let (before, after) = command.split_once('@').expect("a place for the name");
    let (after, message) = after.split_once('|').map_or((after, None), |(after, message)| (after, Some(message)));
    let mut parts: Vec<String> = match name.split_once('}') {
        Some((literal, octets)) if name.starts_with('{') => {
            vec![format!("{before}{literal}}}"), format!("{octets}{after}")]
        }
        _ => vec![format!("{before}{name}{after}")],
    };
    parts.extend(message.map(str::to_owned));
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    client.run_parts(&parts)
}

/// All that was told, without the reference, which has the session's id in it.
fn told(answer: &Answer) -> String {
    let whole = answer.whole();
    whole.split_once(" (ref ").map_or(whole.clone(), |(before, _)| before.to_owned())
}

fn sorted(answer: &Answer) -> Vec<String> {
    let mut lines = answer.lines();
    lines.sort();
    lines.push(answer.status.clone());
    lines
}

/// What the hidden mailboxes are like, seen past the proxy.
fn hidden_state(dovecot: &Dovecot) -> Vec<String> {
    let mut straight = dovecot.login("eve");
    let mut seen = Vec::new();
    for name in ["Finance", "Finance/Q3", "Entw&APw-rfe"] {
        seen.extend(straight.run(&format!("STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")).ok().lines());
    }
    seen.extend(straight.run("LSUB \"\" *").ok().names());
    seen.extend(straight.run("LIST \"\" *").ok().names().into_iter().filter(|name| name.starts_with("Fin")));
    straight.logout();
    seen
}
