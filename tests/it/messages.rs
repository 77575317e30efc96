//! Rules that hide messages change under an open session: what is newly hidden leaves when it may, what is newly visible
//! comes with the next SELECT, and a mailbox that was open without a view is not shown any further.

use std::sync::Arc;
use std::time::Duration;

use imapwarden::policy::RuleSet;

use crate::driver::{Driver, Setting, rules};

const OFFERED: &str = "IMAP4rev1 UIDPLUS UNSELECT ESEARCH IDLE";

/// What the upstream has: UID, subject, when it came. It is 10:00 when a test begins.
const MAIL: [(u32, &str, &str); 4] = [
    (11, "merger", "13-Jan-2027 08:00:00 +0000"),
    (12, "lunch", "13-Jan-2027 09:10:00 +0000"),
    (15, "salary", "13-Jan-2027 09:50:00 +0000"),
    (20, "dinner", "13-Jan-2027 09:59:00 +0000"),
];

struct Ann {
    driver: Driver,
    idle: Option<String>,
}

fn hiding(program: &str) -> Arc<RuleSet> {
    rules(&format!("[[rule]]\nid = \"a\"\nhide_messages = ['{program}']\n"), None)
}

impl Ann {
    fn under(rules: Arc<RuleSet>) -> Self {
        let mut ann = Self { driver: Driver::new(Setting { rules, ..Setting::default() }), idle: None };
        ann.driver.client.clear();
        ann.driver.log_in("ann@example.org", OFFERED);
        ann.answer();
        ann
    }

    /// Says a command, and hears what comes until nothing more does: lines, without what SELECT says of flags and UIDs.
    fn say(&mut self, line: &str) -> Vec<String> {
        self.driver.client_says(format!("{line}\r\n").as_bytes());
        self.hear()
    }

    fn hear(&mut self) -> Vec<String> {
        self.answer();
        let heard = String::from_utf8(std::mem::take(&mut self.driver.client)).expect("text");
        let told = |line: &&str| !["FLAGS", "UID", "UNSEEN", "RECENT"].iter().any(|word| line.contains(word));
        heard.lines().filter(told).map(str::to_owned).collect()
    }

    /// The upstream, for as long as it is asked something.
    fn answer(&mut self) {
        while !self.driver.upstream.is_empty() {
            let asked = String::from_utf8(std::mem::take(&mut self.driver.upstream)).expect("text");
            for line in asked.lines() {
                let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
                let said = match command {
                    "IDLE" => {
                        self.idle = Some(tag.to_owned());
                        "+ idling\r\n".to_owned()
                    }
                    "" => format!("{} OK done\r\n", self.idle.take().expect("an IDLE that ends")),
                    _ => format!("{}{tag} OK done\r\n", data(tag, command)),
                };
                self.driver.upstream_says(said.as_bytes());
            }
        }
    }
}

/// What a server with that mail says.
fn data(tag: &str, command: &str) -> String {
    if command.starts_with("LIST") {
        "* LIST () \"/\" INBOX\r\n".to_owned()
    } else if command.starts_with("SELECT") {
        format!("* {} EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n", MAIL.len())
    } else if command.ends_with("RETURN (ALL) ALL") {
        let uids = MAIL.map(|(uid, ..)| uid.to_string()).join(",");
        format!("* ESEARCH (TAG \"{tag}\") UID ALL {uids}\r\n")
    } else if command.starts_with("UID FETCH") {
        let row = |(at, (uid, subject, came)): (usize, (u32, &str, &str))| {
            let header = format!("BODY[HEADER.FIELDS (SUBJECT)] \"Subject: {subject}\"");
            format!("* {} FETCH (UID {uid} FLAGS () INTERNALDATE \"{came}\" {header})\r\n", at + 1)
        };
        MAIL.into_iter().enumerate().map(row).collect()
    } else {
        String::new()
    }
}

#[test]
fn what_is_newly_hidden_leaves_and_what_is_newly_visible_waits_for_select() {
    let mut ann = Ann::under(hiding("SUBJECT merger"));
    assert_eq!(ann.say("a SELECT INBOX"), ["* 3 EXISTS", "a OK [READ-WRITE] SELECT completed"]);
    ann.driver.reload(hiding("OR SUBJECT merger SUBJECT salary"));
    assert_eq!(ann.hear(), [""; 0], "nothing is told between commands");
    assert_eq!(ann.say("b FETCH 2 (UID)"), ["b OK FETCH completed"], "nor with FETCH, and it is not there any more");
    assert_eq!(ann.say("c NOOP"), ["* 2 EXPUNGE", "c OK NOOP completed"]);
    ann.driver.reload(hiding("SUBJECT nothing"));
    assert_eq!(ann.say("d NOOP"), ["d OK NOOP completed"]);
    assert_eq!(ann.say("e SELECT INBOX"), ["* 4 EXISTS", "e OK [READ-WRITE] SELECT completed"]);
}

#[test]
fn an_idle_client_hears_that_rules_changed() {
    let mut ann = Ann::under(hiding("SUBJECT merger"));
    ann.say("a SELECT INBOX");
    assert_eq!(ann.say("b IDLE"), ["+ idling"]);
    ann.driver.reload(hiding("OR SUBJECT merger SUBJECT salary"));
    assert_eq!(ann.hear(), ["* 2 EXPUNGE"]);
    assert!(ann.idle.is_some(), "the upstream idles again");
    assert_eq!(ann.say("DONE"), ["b OK IDLE completed"]);
}

#[test]
fn messages_that_grow_old_leave() {
    // In force when a message is an hour old: the first is, the second will be at 10:10.
    let mut ann = Ann::under(hiding("OLDER 3600"));
    assert_eq!(ann.say("a SELECT INBOX"), ["* 3 EXISTS", "a OK [READ-WRITE] SELECT completed"]);
    ann.driver.wait(Duration::from_secs(300));
    assert_eq!(ann.say("b NOOP"), ["b OK NOOP completed"]);
    assert_eq!(ann.say("c IDLE"), ["+ idling"]);
    ann.driver.wait(Duration::from_secs(301));
    assert_eq!(ann.hear(), ["* 1 EXPUNGE"]);
    assert_eq!(ann.say("DONE"), ["c OK IDLE completed"]);
}

#[test]
fn a_mailbox_that_was_open_without_a_view_is_shown_no_further() {
    let mut ann = Ann::under(Arc::new(RuleSet::empty()));
    ann.driver.client_says(b"a SELECT INBOX\r\n");
    assert_eq!(ann.hear(), ["* 4 EXISTS", "a OK done"]);
    ann.driver.reload(hiding("SUBJECT merger"));
    assert_eq!(ann.hear(), ["* BYE closing connection"]);
    assert!(ann.driver.closed);
}

#[test]
fn what_was_switched_on_before_cannot_be_filtered() {
    let filtered = rules("[[rule]]\nid = \"f\"\nmailbox = \"Finance\"\nhide = true\n", None);
    let mut ann = Ann::under(filtered);
    ann.say("a ENABLE CONDSTORE");
    ann.driver.reload(hiding("SUBJECT merger"));
    assert_eq!(ann.hear(), ["* BYE closing connection"]);
}
