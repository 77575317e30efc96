//! What Thunderbird holds of an account of which a part is hidden is what it holds of one that never had it.
//!
//! Each step waits until Thunderbird holds what the proxy shows to a client that only looks: so it came to see all of it. What
//! it holds then is compared between the one who has the hidden messages and the one who never had them.

use serde_json::{Value, json};

use super::dovecot::Dovecot;
use super::front::Front;
use super::hidden_messages::{RULES, same_if_never_under, secrets, with_secrets};
use super::mirrors::{self, NO_RULE, begin};
use super::place::{Place, until};
use super::proxy::Settings;
use super::thunderbird::Thunderbird;

const FOLDERS: &str = r#"
[[rule]]
id = "no-finance"
when = { user = ["eve", "eva"] }
mailbox = ["Finance/**", "Entwürfe"]
except_mailbox = ["Finance/Public"]
hide = true
"#;

const LETTER: &str = "From: eve@example.org\r\nTo: ann@example.org\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
                      Message-ID: <letter@example.org>\r\nDate: Wed, 15 Nov 2023 08:00:00 +0000\r\n\r\nA letter.\r\n";

/// UIDs and flags of what a folder shows to somebody who only looks, as the program names flags.
fn shown(front: &Front, folder: &str) -> Vec<(u32, Vec<String>)> {
    let mut client = front.login();
    client.run(&format!("EXAMINE \"{folder}\"")).ok();
    let lines = client.run("UID FETCH 1:* (UID FLAGS)").ok().lines();
    client.logout();
    let mut shown: Vec<_> =
        lines.iter().filter(|line| line.contains(" FETCH (")).map(|line| uid_and_flags(line)).collect();
    shown.sort();
    shown
}

/// `* 2 FETCH (UID 7 FLAGS (\Seen $Label1))`
fn uid_and_flags(line: &str) -> (u32, Vec<String>) {
    let (before, flags) = line.trim_end_matches(')').split_once("FLAGS (").expect("flags");
    let uid = before.split("UID ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a UID");
    let flags = flags.trim_end_matches(')').to_lowercase();
    let mut flags: Vec<String> = flags.split(' ').filter(|flag| !flag.is_empty()).map(str::to_owned).collect();
    flags.retain(|flag| flag != "\\recent");
    flags.sort();
    (uid.parse().expect("a UID"), flags)
}

/// The UID of the message that stands there in the list.
fn uid(front: &Front, folder: &str, at: usize) -> u32 {
    shown(front, folder)[at].0
}

/// Waits until it holds of a folder what is shown there: because it listens, or because it looks. As it comes, it does not
/// hold what is marked as deleted.
fn holds(thunderbird: &mut Thunderbird, front: &Front, folder: &str, looks: bool) -> Value {
    let mut shown = shown(front, folder);
    shown.retain(|(_, flags)| flags.iter().all(|flag| flag != "\\deleted"));
    thunderbird.does("holds", json!([folder, shown, looks]))
}

/// Waits until a folder shows so many messages, and so many with this flag.
fn server_has(front: &Front, folder: &str, count: usize, flag: &str, flagged: usize) {
    until(&format!("{folder} has {count} messages, {flagged} of them {flag}"), || {
        let shown = shown(front, folder);
        let with_flag = shown.iter().filter(|(_, flags)| flags.iter().any(|one| one == flag)).count();
        (shown.len() == count && with_flag == flagged).then_some(())
    });
}

/// What it has of every folder.
fn everything(thunderbird: &mut Thunderbird, front: &Front) -> Vec<Value> {
    let mut told = vec![thunderbird.does("discover", json!([]))];
    let folders = told[0].as_array().expect("a list").clone();
    for folder in folders {
        let name = folder[0].as_str().expect("a name");
        if name == "Finance" {
            continue; // what is left of it has no messages
        }
        told.push(json!([name, holds(thunderbird, front, name, true), thunderbird.does("copies", json!([name]))]));
    }
    told
}

/// Others change mail while it listens to INBOX.
fn others(thunderbird: &mut Thunderbird, dovecot: &Dovecot, front: &Front, round: usize) -> Vec<Value> {
    thunderbird.idles("INBOX");
    mirrors::others(dovecot, front.user, round);
    vec![holds(thunderbird, front, "INBOX", false), holds(thunderbird, front, "Archive", true)]
}

/// Somebody puts a letter into these folders.
fn deliver(front: &Front, folders: &[&str]) {
    let mut client = front.login();
    for folder in folders {
        let append = format!("APPEND \"{folder}\" () {{{}+}}", LETTER.len());
        client.run_parts(&[append.as_bytes(), LETTER.as_bytes()]).ok();
    }
    client.logout();
}

/// Waits until the counts beside the names of folders are those that somebody counts in them.
fn counts(thunderbird: &mut Thunderbird, front: &Front) -> Value {
    let folders = thunderbird.does("folders", json!([]));
    let mut counted = Vec::new();
    for folder in folders.as_array().expect("a list") {
        let name = folder[0].as_str().expect("a name");
        let messages = if name == "Finance" { Vec::new() } else { shown(front, name) };
        let unread = messages.iter().filter(|(_, flags)| flags.iter().all(|flag| flag != "\\seen")).count();
        counted.push(json!([name, messages.len(), unread]));
    }
    thunderbird.does("counts", json!([counted]));
    json!(counted)
}

#[test]
fn thunderbird_holds_what_it_would_if_nothing_were_hidden() {
    let hidden = ["Finance", "Finance.Q3", "Entw&APw-rfe"];
    same_if_never_under(&format!("{RULES}{FOLDERS}"), &hidden, |dovecot, front| {
        let place = Place::new();
        let mut thunderbird = Thunderbird::start(&place, front);
        let mut told = everything(&mut thunderbird, front);
        told.push(counts(&mut thunderbird, front));
        told.push(thunderbird.does("click", json!(["INBOX"])));
        told.push(thunderbird.does("reads", json!([uid(front, "INBOX", 4), 6])));
        server_has(front, "INBOX", 6, "\\seen", 5);
        told.extend(others(&mut thunderbird, dovecot, front, 1));
        told.extend(its_own_changes(&mut thunderbird, front));
        told.extend(others(&mut thunderbird, dovecot, front, 2));
        for words in ["merger", "Boss", "companies", "canary-body", "from others"] {
            told.push(thunderbird.does("search", json!(["INBOX", words])));
        }
        thunderbird.ends();
        // What it kept is what it finds.
        deliver(front, &["Archive", "Sent"]);
        let mut thunderbird = Thunderbird::start_again(&place);
        told.push(counts(&mut thunderbird, front));
        told.extend(everything(&mut thunderbird, front));
        thunderbird.ends();
        told
    });
}

/// Flags, moves, deletes in both ways, compacts; makes, fills, renames and discards a folder.
fn its_own_changes(thunderbird: &mut Thunderbird, front: &Front) -> Vec<Value> {
    let mut told = Vec::new();
    let [first, second, third] = [0, 1, 2].map(|at| uid(front, "INBOX", at));
    thunderbird.does("flag", json!(["INBOX", first, true]));
    thunderbird.does("read", json!(["INBOX", second, true]));
    thunderbird.does("tag", json!(["INBOX", third, "$label2"]));
    server_has(front, "INBOX", 6, "$label2", 1);
    // What is copied to the disk is moved there first, and half a second later at the server. What it is told meanwhile it
    // may forget, whoever the server is.
    thunderbird.does("copy", json!(["INBOX", [first], "Archive", false]));
    server_has(front, "Archive", 5, "\\flagged", 2);
    thunderbird.does("copy", json!(["INBOX", [second], "Archive", true]));
    server_has(front, "INBOX", 5, "\\seen", 3);
    thunderbird.does("remove", json!(["INBOX", [third], false]));
    server_has(front, "INBOX", 4, "$label2", 0);
    told.push(holds(thunderbird, front, "INBOX", true));
    for folder in ["Archive", "Trash"] {
        told.push(holds(thunderbird, front, folder, true));
    }
    thunderbird.does("remove", json!(["INBOX", [first], true]));
    server_has(front, "INBOX", 4, "\\deleted", 1);
    thunderbird.does("compact", json!(["INBOX"]));
    server_has(front, "INBOX", 3, "\\deleted", 0);
    told.push(holds(thunderbird, front, "INBOX", true));
    thunderbird.does("emptyTrash", json!([]));
    server_has(front, "Trash", 0, "\\deleted", 0);
    told.push(holds(thunderbird, front, "Trash", true));
    thunderbird.does("store", json!(["Sent", LETTER]));
    server_has(front, "Sent", 2, "\\seen", 1);
    // It looks by itself. Where it looks twice at a time it counts what it stored twice, whoever the server is.
    thunderbird.rests();
    told.push(holds(thunderbird, front, "Sent", true));
    thunderbird.does("create", json!(["Grüße & mehr", "Gr&APwA3w-e &- mehr"]));
    // Others fill it: where Thunderbird itself has stored something it looks again later, by the name of then.
    deliver(front, &["Gr&APwA3w-e &- mehr"]);
    told.push(holds(thunderbird, front, "Gr&APwA3w-e &- mehr", true));
    // Whatever it was still about to do under the old name is done.
    thunderbird.rests();
    thunderbird.does("rename", json!(["Gr&APwA3w-e &- mehr", "More"]));
    told.push(holds(thunderbird, front, "More", true));
    thunderbird.rests();
    thunderbird.does("discard", json!(["More"]));
    told.push(thunderbird.does("folders", json!([])));
    told.push(holds(thunderbird, front, "INBOX", true));
    told
}

/// docs/mirrors.md says so.
#[test]
fn thunderbird_lets_go_of_what_a_rule_begins_to_hide() {
    let dovecot = Dovecot::start(&["eve"]);
    with_secrets(&dovecot, "eve");
    let before = secrets(&dovecot);
    let mut proxy = Settings::before(&dovecot).rules(NO_RULE).start();
    let front = proxy.front("eve");
    let place = Place::new();
    let mut thunderbird = Thunderbird::start(&place, &front);
    thunderbird.does("discover", json!([]));
    let secrets_in =
        |held: &Value| held.as_array().expect("a list").iter().filter(|message| message[0] == "merger").count();
    for folder in ["Archive", "INBOX"] {
        assert_eq!(secrets_in(&holds(&mut thunderbird, &front, folder, true)), 1, "{folder} without a rule");
        thunderbird.does("copies", json!([folder]));
    }
    thunderbird.idles("INBOX");

    begin(&mut proxy, RULES, 1.0);
    assert_eq!(secrets_in(&holds(&mut thunderbird, &front, "INBOX", false)), 0, "it listens to INBOX");
    assert_eq!(secrets_in(&holds(&mut thunderbird, &front, "Archive", true)), 0, "it looks into Archive");
    let on_disk = |thunderbird: &mut Thunderbird| {
        let disk = thunderbird.does("disk", json!(["INBOX"]));
        disk.as_str().expect("text").contains("of companies")
    };
    assert!(on_disk(&mut thunderbird), "the copy is where it was");
    thunderbird.does("compact", json!(["INBOX"]));
    until("the copy is gone from the disk", || (!on_disk(&mut thunderbird)).then_some(()));
    holds(&mut thunderbird, &front, "INBOX", true);
    assert_eq!(secrets(&dovecot), before, "something happened to what is hidden");

    begin(&mut proxy, NO_RULE, 2.0);
    for folder in ["Archive", "INBOX"] {
        assert_eq!(secrets_in(&holds(&mut thunderbird, &front, folder, true)), 1, "{folder} when the rule has ended");
    }
    thunderbird.ends();
    assert_eq!(secrets(&dovecot), before, "something happened to what was hidden");
    proxy.stop();
}
