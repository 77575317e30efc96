//! Hidden messages do not exist, for real mail programs: `eve` has what the rule hides, `eva` never had it. Through the proxy
//! both have the same mail, whatever is done to it.

use std::fmt::Debug;
use std::fs;

use super::client::{Client, text};
use super::dovecot::Dovecot;
use super::front::Front;
use super::mail_programs;
use super::mirrors;
use super::place::{Place, succeed};
use super::proxy::Settings;

pub const RULES: &str = r#"
[[rule]]
id = "no-secrets"
when = { user = ["eve", "eva"] }
mailbox = ["INBOX", "Archive", "Sent", "Trash"]
hide_messages = ['HEADER X-Classification secret']
"#;

pub const SECRET: &str = "From: Boss <boss@example.org>\r\nTo: eve@example.org\r\nSubject: merger\r\nMessage-ID: <x@example.org>\r\n\
                      Date: Tue, 14 Nov 2023 23:00:20 +0000\r\nX-Classification: =?utf-8?q?s=65cret?=\r\n\r\nof companies\r\n";

/// Folders, as they stand on disk, in which `eve` has secrets behind what both have.
const WITH_SECRETS: &[(&str, usize, usize)] = &[("", 6, 3), (".Archive", 3, 2), (".Sent", 1, 1), (".Trash", 0, 2)];

/// Does it as `eva`, then as `eve`: both come out equal, and all secrets of `eve` are as they were.
#[track_caller]
pub fn same_if_never<T: PartialEq + Debug>(scenario: impl Fn(&Dovecot, &Front) -> T) {
    same_if_never_under(RULES, &[], scenario);
}

/// The same under other rules, which hide messages as `RULES` does, and these mailboxes, named as on disk.
#[track_caller]
pub fn same_if_never_under<T: PartialEq + Debug>(
    rules: &str,
    hidden: &[&str],
    scenario: impl Fn(&Dovecot, &Front) -> T,
) {
    let dovecot = Dovecot::start(&["eve", "eva"]);
    dovecot.take_mailboxes("eva", hidden);
    ["eve", "eva"].iter().for_each(|user| with_secrets(&dovecot, user));
    let before = secrets(&dovecot);
    assert_eq!(before.len(), 8, "{before:?}");
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let never = scenario(&dovecot, &proxy.front("eva"));
    let hidden = scenario(&dovecot, &proxy.front("eve"));
    assert!(hidden == never, "who never had them {never:#?}\nwho must not see them {hidden:#?}");
    assert_eq!(secrets(&dovecot), before, "something happened to what is hidden");
    let records = proxy.stop();
    let faults = records
        .iter()
        .filter(|record| record["type"] == "protocol.fault" || record["type"] == "filter.failure")
        .collect::<Vec<_>>();
    assert!(faults.is_empty(), "{faults:#?}");
    let hides = records.iter().any(|record| record["user"] == "eve" && record["data"]["hidden"].as_u64() >= Some(1));
    assert!(hides, "nothing was hidden");
}

/// Adds the secrets to all folders that have some.
pub fn with_secrets(dovecot: &Dovecot, user: &str) {
    for (folder, visible, secrets) in WITH_SECRETS {
        add_secrets(dovecot, user, folder, *visible, *secrets);
    }
}

/// Both users' mailbox goes on behind the secrets; only `eve` has them.
fn add_secrets(dovecot: &Dovecot, user: &str, folder: &str, visible: usize, count: usize) {
    let folder = if folder.is_empty() { dovecot.maildir(user) } else { dovecot.maildir(user).join(folder) };
    let list = folder.join("dovecot-uidlist");
    let mut uids = fs::read_to_string(&list).expect("the list of UIDs");
    let (head, rows) = uids.split_once('\n').expect("a head");
    let next = visible + count + 1;
    let head = head.split(" N").next().expect("a head");
    uids = format!("{head} N{next}\n{rows}");
    for at in 0..count {
        let flags = ["ST", "", "T"].get(at).expect("flags");
        let file = format!("1700000{at}00.H{at}.sample:2,{flags}");
        if user == "eve" {
            fs::write(folder.join("cur").join(&file), SECRET).expect("a message");
            uids.push_str(&format!("{} :{file}\n", visible + 1 + at));
        }
    }
    fs::write(&list, uids).expect("the list of UIDs");
    super::place::succeed(
        super::place::tool("chown")
            .arg("-R")
            .arg(format!("--reference={}", dovecot.maildir(user).display()))
            .arg(&folder),
    );
}

/// Every secret on disk: where, and with which flags.
pub fn secrets(dovecot: &Dovecot) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["eve", "eva"].iter().map(|user| dovecot.maildir(user)).collect();
    folders.retain(|folder| folder.exists());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|text| text == SECRET.as_bytes()) {
                let name = path.display().to_string();
                let (base, flags) = name.rsplit_once(":2,").unwrap_or((&name, ""));
                found.push(format!("{} {flags}", base.split(",S=").next().unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn mbsync_keeps_a_mirror_of_what_is_visible() {
    same_if_never(|dovecot, front| mirrors::MBSYNC.keep(front, |round| mirrors::others(dovecot, front.user, round)));
}

#[test]
fn offlineimap_keeps_a_mirror_of_what_is_visible() {
    same_if_never(|dovecot, front| {
        mirrors::OFFLINEIMAP.keep(front, |round| mirrors::others(dovecot, front.user, round))
    });
}

#[test]
fn neomutt_reads_and_changes_what_is_visible() {
    same_if_never(|dovecot, front| {
        // The second time it has remembered headers, and others have been there meanwhile.
        let place = Place::new();
        let once = mail_programs::neomutt(front, &place, "all", "<first-entry><flag-message><sync-mailbox>");
        mirrors::others(dovecot, front.user, 1);
        let keys = "<last-entry><delete-message><sync-mailbox><change-folder><kill-line>+Archive<enter>";
        let again = mail_programs::neomutt(front, &place, "again", keys);
        mirrors::others(dovecot, front.user, 2);
        (once, again, mail_programs::neomutt(front, &place, "at-last", ""))
    });
}

#[test]
fn imapflow_walks_changes_and_listens_as_if_nothing_were_hidden() {
    same_if_never(|dovecot, front| {
        let run = |part| {
            let hides = if front.user == "eve" { "yes" } else { "no" };
            succeed(front.imapflow(part, dovecot).env("SECRET", SECRET).env("HIDES", hides))
        };
        let heard = run("listen");
        (heard, run("walk"), run("change"))
    });
}

#[test]
fn imapclient_walks_and_changes_what_is_visible() {
    same_if_never(|_, front| {
        let walked = mail_programs::run(front, "walk.py");
        (walked, mail_programs::run(front, "change.py"))
    });
}

#[test]
fn imapclient_idles_as_if_nothing_were_hidden() {
    same_if_never(|_, front| mail_programs::run(front, "idle.py"));
}

/// A second client brings, flags and removes messages of both kinds while the first one idles: it hears of those it may see.
#[test]
fn an_idle_client_hears_of_what_is_visible_only() {
    same_if_never(|dovecot, front| {
        let mut client = front.login();
        client.run("SELECT INBOX").ok();
        let mut other = Client::tls(dovecot.imaps(), &dovecot.ca()).login(front.user);
        other.run("SELECT INBOX").ok();
        client.say("i IDLE\r\n");
        let mut heard = until(&mut client, "+");
        let append = |other: &mut Client, text: &str| {
            other.run_parts(&[format!("APPEND INBOX {{{}+}}", text.len()).as_bytes(), text.as_bytes()]).ok();
        };
        append(&mut other, SECRET);
        append(&mut other, "Subject: seen\r\n\r\nx\r\n");
        heard.extend(until(&mut client, "EXISTS"));
        // The secret is flagged and goes, then the other one is flagged.
        other.run("UID STORE 10 +FLAGS (\\Flagged)").ok();
        other.run("UID STORE 10 +FLAGS (\\Deleted)").ok();
        other.run("UID EXPUNGE 10").ok();
        other.run("UID STORE 11 +FLAGS (\\Flagged)").ok();
        heard.extend(until(&mut client, "Flagged"));
        other.run("UID STORE 11 +FLAGS (\\Deleted)").ok();
        other.run("UID EXPUNGE 11").ok();
        heard.extend(until(&mut client, "EXPUNGE"));
        client.say("DONE\r\n");
        heard.extend(until(&mut client, "i OK"));
        heard.extend(client.run("UID SEARCH ALL").ok().lines());
        client.logout();
        heard
    });
}

#[test]
fn nothing_leaves_a_mailbox_that_is_open_read_only() {
    same_if_never(|_, front| {
        let mut client = front.login();
        client.run("EXAMINE INBOX").ok();
        for command in ["MOVE 1 Trash", "UID MOVE 1:* Archive", "UID EXPUNGE 1:*", "UID STORE 1 +FLAGS (\\Deleted)"] {
            client.run(command).no("[NOPERM]");
        }
        let heard: Vec<_> = client.run("UID SEARCH ALL").ok().lines();
        assert!(heard.concat().contains("SEARCH 1 2 3 4 5 6"), "{heard:?}");
        client.logout();
        heard
    });
}

/// All that is said until this is, but for who is the first to see a message.
pub fn until(client: &mut Client, what: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let response = client.response().expect("a response");
        let line = text(&response).trim_end().replace(" \\Recent", "").replace("\\Recent", "");
        let is_last = line.contains(what);
        if !line.ends_with(" RECENT") {
            heard.push(line);
        }
        if is_last {
            return heard;
        }
    }
}

/// Every other of four thousand: sets that are cut into several lines, and results that are put together again.
#[test]
fn a_mailbox_of_which_every_other_message_is_hidden() {
    const MESSAGES: usize = 10_200;
    let dovecot = Dovecot::start(&["eve"]);
    let folder = dovecot.maildir("eve").join(".Archive");
    for entry in fs::read_dir(folder.join("cur")).expect("a folder") {
        fs::remove_file(entry.expect("an entry").path()).expect("a message");
    }
    let mut uids = format!("3 V1700000001 N{}\n", MESSAGES + 1);
    for uid in 1..=MESSAGES {
        let file = format!("17{uid:08}.M{uid}.sample:2,");
        let text = if uid % 2 == 0 { SECRET } else { "Subject: lunch\r\n\r\nx\r\n" };
        fs::write(folder.join("cur").join(&file), text).expect("a message");
        uids.push_str(&format!("{uid} :{file}\n"));
    }
    fs::write(folder.join("dovecot-uidlist"), uids).expect("the list of UIDs");
    let owner = format!("--reference={}", dovecot.maildir("eve").display());
    super::place::succeed(super::place::tool("chown").arg("-R").arg(owner).arg(&folder));

    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let mut client = proxy.login("eve");
    let half = MESSAGES / 2;
    for _ in 0..2 {
        let opened = client.run("SELECT Archive").ok().lines();
        assert!(opened.contains(&format!("* {half} EXISTS")), "{opened:?}");
    }
    let flags = client.run("UID FETCH 1:* (FLAGS)").ok().lines();
    assert_eq!(flags.len(), half);
    assert_eq!(flags[half - 1], format!("* {half} FETCH (UID {} FLAGS ())", MESSAGES - 1));
    let found = client.run("SEARCH RETURN (COUNT MIN MAX) 2:* SUBJECT lunch").ok().lines();
    assert!(found[0].ends_with(&format!("MIN 2 MAX {half} COUNT {}", half - 1)), "{found:?}");
    let sorted = client.run("UID SORT (REVERSE ARRIVAL) UTF-8 ALL").ok().lines();
    assert_eq!(sorted[0].split(' ').count(), half + 2);
    client.run("COPY 1:* Trash").ok();
    assert_eq!(client.run("STATUS Trash (MESSAGES)").ok().lines(), [format!("* STATUS Trash (MESSAGES {half})")]);
    client.run("STORE 1:* +FLAGS.SILENT (\\Deleted)").ok();
    assert_eq!(client.run("EXPUNGE").ok().lines().len(), half);
    assert_eq!(client.run("UID SEARCH ALL").ok().lines(), ["* SEARCH"]);
    client.logout();
    let mut straight = dovecot.login("eve");
    straight.run("SELECT Archive").ok();
    let left = straight.run("SEARCH RETURN (COUNT) UNDELETED SUBJECT merger").ok().lines();
    assert!(left[0].ends_with(&format!("COUNT {half}")), "{left:?}");
    straight.logout();
    // Dovecot is asked to sort all from the first visible one to the last, and to search those that are visible.
    let records = proxy.stop();
    let searches = records.iter().filter(|record| record["type"] == "message.search");
    let told: Vec<_> =
        searches.map(|record| (record["data"]["hits"].as_u64(), record["data"]["hidden"].as_u64())).collect();
    let count = |count: usize| Some(count as u64);
    assert_eq!(told, [(count(half - 1), None), (count(half), count(half - 1)), (count(0), None)]);
}
