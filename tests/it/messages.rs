//! Rules that hide messages change under an open session: what is newly hidden leaves when it may, what is newly visible
//! comes with the next SELECT, and a mailbox that was open without a view is not shown any further.

use std::sync::Arc;
use std::time::Duration;

use imapwarden::policy::RuleSet;
use proptest::prelude::*;

use crate::driver::{Driver, Setting, rules};

const OFFERED: &str = "IMAP4rev1 UIDPLUS UNSELECT ESEARCH IDLE CONDSTORE";

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
    /// What the upstream was asked.
    asked: Vec<String>,
}

fn hiding(program: &str) -> Arc<RuleSet> {
    rules(&format!("[[rule]]\nid = \"a\"\nhide_messages = ['{program}']\n"), None)
}

impl Ann {
    fn under(rules: Arc<RuleSet>) -> Self {
        let mut ann =
            Self { driver: Driver::new(Setting { rules, ..Setting::default() }), idle: None, asked: Vec::new() };
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
                self.asked.push(line.to_owned());
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
        "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Archive\r\n".to_owned()
    } else if command.starts_with("STATUS") {
        let name = command.split('"').nth(1).unwrap_or_default();
        format!("* STATUS {name} (MESSAGES 4 UIDNEXT 21 UIDVALIDITY 7 HIGHESTMODSEQ 5)\r\n")
    } else if command.starts_with("SELECT") || command.starts_with("EXAMINE") {
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
    ann.driver.upstream.clear();
    ann.driver.client_says(b"b FETCH 2:3 (BODY.PEEK[TEXT])\r\n");
    let asked = String::from_utf8_lossy(&ann.driver.upstream).into_owned();
    assert!(asked.contains("UID FETCH 12:20 (UID FLAGS"), "they are judged before the command is looked at: {asked}");
    assert_eq!(ann.hear(), ["b OK FETCH completed"], "nothing is told with FETCH");
    assert!(ann.asked.iter().any(|line| line.ends_with("UID FETCH 20 (BODY.PEEK[TEXT])")), "{:?}", ann.asked);
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
fn a_mailbox_that_was_open_without_a_view_gets_one() {
    let mut ann = Ann::under(Arc::new(RuleSet::empty()));
    ann.driver.client_says(b"a SELECT INBOX\r\n");
    assert_eq!(ann.hear(), ["* 4 EXISTS", "a OK done"]);
    ann.driver.reload(hiding("OR SUBJECT merger SUBJECT salary"));
    assert_eq!(ann.hear(), [""; 0], "nothing is told between commands");
    ann.asked.clear();
    assert_eq!(ann.say("b UID FETCH 1:* (BODY.PEEK[TEXT])"), ["* 3 EXPUNGE", "* 1 EXPUNGE"]);
    assert!(ann.asked.iter().any(|line| line.ends_with("UID FETCH 12,20 (BODY.PEEK[TEXT])")), "{:?}", ann.asked);
    assert_eq!(ann.say("c FETCH 3 (FLAGS)"), ["c BAD syntax error"]);
}

#[test]
fn so_it_does_while_the_client_idles() {
    let mut ann = Ann::under(Arc::new(RuleSet::empty()));
    ann.driver.client_says(b"a SELECT INBOX\r\n");
    ann.hear();
    assert_eq!(ann.say("b IDLE"), ["+ idling"]);
    ann.driver.reload(hiding("SUBJECT salary"));
    assert_eq!(ann.hear(), ["* 3 EXPUNGE"]);
    assert!(ann.idle.is_some(), "the upstream idles again");
    assert_eq!(ann.say("DONE"), ["b OK IDLE completed"]);
}

#[test]
fn a_session_from_which_mailboxes_were_hidden_before_likewise() {
    let filtered = rules("[[rule]]\nid = \"f\"\nmailbox = \"Finance\"\nhide = true\n", None);
    let mut ann = Ann::under(filtered);
    assert_eq!(ann.say("a SELECT INBOX"), ["* 4 EXISTS", "a OK SELECT completed"]);
    ann.driver.reload(hiding("SUBJECT dinner"));
    ann.driver.reload(hiding("SUBJECT lunch"));
    assert_eq!(ann.say("b NOOP"), ["* 2 EXPUNGE", "b OK NOOP completed"], "only the last rules count");
}

/// It is 10:00: rules begin and end at 10:05, by their hours or their own life.
#[test]
fn hours_and_lives_of_rules_reach_an_open_mailbox() {
    let rows = [
        ("hours begin", "when = { time = { hours = \"10:05-18:00\" } }", true),
        ("hours end", "unless = { time = { hours = \"10:05-18:00\" } }", false),
        ("a life begins", "from = 2027-01-13T10:05:00Z", true),
        ("a life ends", "until = 2027-01-13T10:05:00Z", false),
    ];
    for (name, when, begins) in rows {
        let rule = format!("[[rule]]\nid = \"a\"\nhide_messages = ['SUBJECT salary']\n{when}\n");
        let (before, after) = if begins { (4, 3) } else { (3, 4) };
        for idles in [true, false] {
            let mut ann = Ann::under(rules(&rule, None));
            assert_eq!(ann.say("a SELECT INBOX")[0], format!("* {before} EXISTS"), "{name}");
            if idles {
                ann.say("b IDLE");
            }
            ann.driver.wait(Duration::from_secs(301));
            let gone: &[&str] = if begins { &["* 3 EXPUNGE"] } else { &[] };
            let mut heard = ann.hear();
            if !idles {
                assert_eq!(heard, [""; 0], "{name}: nothing is told between commands");
                ann.asked.clear();
                heard = ann.say("c UID FETCH 15 (BODY.PEEK[TEXT])");
                let asked = ann.asked.iter().any(|line| line.contains("UID FETCH 15 (BODY.PEEK[TEXT])"));
                assert!(!asked, "{name}: {:?}", ann.asked);
                assert_eq!(ann.say("d NOOP"), ["d OK NOOP completed"], "{name}");
            }
            assert_eq!(heard, gone, "{name}, idle: {idles}");
            if idles {
                ann.say("DONE");
            }
            assert_eq!(ann.say("e SELECT INBOX")[0], format!("* {after} EXISTS"), "{name}");
        }
    }
}

/// Of those who see more UIDNEXT tells more; of those who see less it tells nothing of that, whoever asked before.
#[test]
fn uidnext_goes_by_what_was_told_under_the_same_rules() {
    let named =
        |id: &str, program: &str| rules(&format!("[[rule]]\nid = \"{id}\"\nhide_messages = ['{program}']\n"), None);
    let mut ann = Ann::under(named("strict", "OR SUBJECT salary SUBJECT dinner"));
    let uid_next = |ann: &mut Ann| {
        ann.driver.client_says(b"a SELECT INBOX\r\n");
        ann.answer();
        let heard = String::from_utf8(std::mem::take(&mut ann.driver.client)).expect("text");
        let (_, behind) = heard.split_once("[UIDNEXT ").expect("UIDNEXT");
        behind.split_once(']').expect("its end").0.to_owned()
    };
    assert_eq!(uid_next(&mut ann), "13");
    ann.driver.reload(named("lenient", "SUBJECT salary"));
    assert_eq!(uid_next(&mut ann), "21");
    ann.driver.reload(named("strict", "OR SUBJECT salary SUBJECT dinner"));
    assert_eq!(uid_next(&mut ann), "13", "what others were told is not told here");
    ann.driver.reload(named("lenient", "OR SUBJECT salary SUBJECT dinner"));
    assert_eq!(uid_next(&mut ann), "21", "but what was told once is not taken back");
}

/// Who says a number knows nothing of what goes at that moment: what it would mean then is somebody else's message.
#[test]
fn a_number_never_comes_to_mean_another_message() {
    for (command, bye) in [("b FETCH 2 (FLAGS)", true), ("b UID FETCH 12 (FLAGS)", false)] {
        let mut ann = Ann::under(Arc::new(RuleSet::empty()));
        ann.driver.client_says(b"a SELECT INBOX\r\n");
        ann.hear();
        ann.driver.reload(hiding("SUBJECT salary"));
        ann.hear();
        ann.driver.client_says(format!("{command}\r\n").as_bytes());
        ann.driver.upstream_says(b"* 1 EXPUNGE\r\n");
        let heard = String::from_utf8_lossy(&ann.driver.client).into_owned();
        assert_eq!(
            heard,
            if bye { "* BYE [UNAVAILABLE] closing connection\r\n" } else { "* 1 EXPUNGE\r\n" },
            "{command}"
        );
    }
}

#[test]
fn what_was_switched_on_before_cannot_be_filtered() {
    let filtered = rules("[[rule]]\nid = \"f\"\nmailbox = \"Finance\"\nhide = true\n", None);
    let mut ann = Ann::under(filtered);
    ann.say("a ENABLE CONDSTORE");
    ann.driver.reload(hiding("SUBJECT merger"));
    assert_eq!(ann.hear(), ["* BYE closing connection"]);
}

/// What an upstream may say that lies about everything but which message is secret: UIDs from 1000 on are.
fn lies() -> impl Strategy<Value = String> {
    let visible = 1_u32..30;
    prop_oneof![
        (0_u32..9).prop_map(|n| format!("* {n} EXISTS\r\n")),
        (0_u32..9).prop_map(|n| format!("* {n} EXPUNGE\r\n")),
        (0_u32..9).prop_map(|n| format!("* {n} RECENT\r\n")),
        (0_u32..9, visible.clone()).prop_map(|(n, uid)| format!("* {n} FETCH (UID {uid} FLAGS (\\Seen x))\r\n")),
        (0_u32..9, visible.clone()).prop_map(|(n, uid)| {
            format!("* {n} FETCH (FLAGS () UID {uid} BODY[HEADER.FIELDS (X)] {{2}}\r\n\r\n)\r\n")
        }),
        (0_u32..9, 1000_u32..1009).prop_map(|(n, uid)| {
            format!("* {n} FETCH (UID {uid} FLAGS () BODY[HEADER.FIELDS (X)] \"X: secret\")\r\n")
        }),
        (0_u32..9).prop_map(|n| format!("* {n} FETCH (BODY[] {{4}}\r\nmail UID 7)\r\n")),
        (visible, 1000_u32..1009).prop_map(|(uid, secret)| format!("* SEARCH {uid} {secret}\r\n")),
        Just("* ESEARCH (TAG \"t1\") UID ALL 3,5:7,1001:1003\r\n".to_owned()),
        Just("* OK [UIDVALIDITY 7] ok\r\n".to_owned()),
        Just("* OK [COPYUID 7 3,1001 8:9] ok\r\n".to_owned()),
        Just("* VANISHED 1001\r\n".to_owned()),
        (0_u32..9)
            .prop_map(|n| format!("* STATUS Archive (MESSAGES {n} UIDNEXT 1001 UIDVALIDITY 7 HIGHESTMODSEQ {n})\r\n")),
        (0_u32..9).prop_map(|n| format!("* OK [HIGHESTMODSEQ {n}] so many\r\n")),
        (0_u32..9).prop_map(|n| format!("* {n} FETCH (UID {n} MODSEQ (1001))\r\n")),
        Just("* FLAGS (\\Seen Secret1001)\r\n".to_owned()),
        Just("+ go\r\n".to_owned()),
    ]
}

const SAID: &[&str] = &[
    "SELECT INBOX",
    "EXAMINE INBOX",
    "NOOP",
    "FETCH 1:* (FLAGS)",
    "UID FETCH 1:* (UID BODY[])",
    "STORE 1 +FLAGS (x)",
    "SEARCH RETURN (SAVE ALL) NOT 1",
    "UID SEARCH ALL",
    "UID STORE $ +FLAGS (\\Deleted)",
    "MOVE 1 INBOX",
    "EXPUNGE",
    "STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
    "STATUS Archive (MESSAGES UIDNEXT UNSEEN)",
    "LIST \"\" * RETURN (STATUS (MESSAGES DELETED))",
    "IDLE",
    "DONE",
    "CLOSE",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever an upstream says in whatever order, nothing breaks, and no UID of a secret message comes down or is made a
    /// command of the client's.
    #[test]
    fn an_upstream_that_lies_opens_nothing(
        steps in prop::collection::vec((prop::option::of(prop::sample::select(SAID)), prop::collection::vec(lies(), 0..4), any::<u8>()), 0..40),
    ) {
        let mut ann = Ann::under(hiding("HEADER X secret"));
        ann.driver.client.clear();
        let mut told = Vec::new();
        let mut waiting: Vec<String> = Vec::new();
        for (at, (says, lies, answers)) in steps.into_iter().enumerate() {
            if ann.driver.closed {
                break;
            }
            match says {
                Some("DONE") => ann.driver.client_says(b"DONE\r\n"),
                Some(command) => ann.driver.client_says(format!("c{at} {command}\r\n").as_bytes()),
                None => {}
            }
            let up = String::from_utf8(std::mem::take(&mut ann.driver.upstream)).expect("text");
            waiting.extend(up.lines().filter_map(|line| line.split_once(' ')).map(|(tag, _)| tag.to_owned()));
            for lie in &lies {
                if !ann.driver.closed {
                    ann.driver.upstream_says(lie.as_bytes());
                }
            }
            for _ in 0..answers % 4 {
                if !ann.driver.closed && !waiting.is_empty() {
                    let (tag, word) = (waiting.remove(0), if answers % 11 == 0 { "NO" } else { "OK" });
                    ann.driver.upstream_says(format!("{tag} {word} [READ-WRITE] done\r\n").as_bytes());
                }
            }
            told.append(&mut ann.driver.client);
        }
        told.append(&mut ann.driver.client);
        let told = String::from_utf8_lossy(&told);
        for secret in 1000..1009 {
            prop_assert!(!told.contains(&secret.to_string()), "{told}");
        }
    }

    /// The same of one that answers as it should, and says what it should not in between: 11 and 15 are hidden.
    #[test]
    fn lies_between_honest_answers_open_nothing(
        steps in prop::collection::vec((prop::sample::select(SAID), prop::option::weighted(0.3, slips())), 1..30),
    ) {
        let mut ann = Ann::under(hiding("OR SUBJECT merger SUBJECT salary"));
        let mut told = ann.say("a SELECT INBOX");
        for (at, (command, slip)) in steps.into_iter().enumerate() {
            if ann.driver.closed {
                break;
            }
            // A tag without digits: they would be read as UIDs.
            let tag = format!("c{}", "x".repeat(at));
            let line = if command == "DONE" { command.to_owned() } else { format!("{tag} {command}") };
            ann.driver.client_says(format!("{line}\r\n").as_bytes());
            if let Some(slip) = slip.filter(|_| !ann.driver.closed) {
                ann.driver.upstream_says(slip.as_bytes());
            }
            ann.answer();
            told.push(String::from_utf8_lossy(&std::mem::take(&mut ann.driver.client)).into_owned());
        }
        for line in told.iter().flat_map(|heard| heard.lines()).filter(|line| !line.starts_with('c')) {
            let words = line.split(|c: char| !c.is_ascii_digit());
            prop_assert!(!words.into_iter().any(|word| word == "11" || word == "15"), "{told:#?}");
            prop_assert!(!line.contains("hush"), "{told:#?}");
        }
    }
}

/// What such an upstream may let slip.
fn slips() -> impl Strategy<Value = String> {
    let uid = prop::sample::select(vec![7_u32, 11, 12, 15, 20, 21]);
    prop_oneof![
        (4_u32..7).prop_map(|n| format!("* {n} EXISTS\r\n")),
        (1_u32..5).prop_map(|n| format!("* {n} EXPUNGE\r\n")),
        (1_u32..6, uid.clone()).prop_map(|(n, uid)| format!("* {n} FETCH (UID {uid} FLAGS (\\Seen x))\r\n")),
        Just("* 1 FETCH (UID 11 FLAGS (hush))\r\n".to_owned()),
        Just("* 3 FETCH (UID 15 BODY[] {4}\r\nhush)\r\n".to_owned()),
        uid.prop_map(|uid| format!("* SEARCH 11 {uid} 15\r\n")),
        Just("* ESEARCH (TAG \"t1\") UID ALL 11:20\r\n".to_owned()),
        Just("* OK [COPYUID 7 11,15 11,15] ok\r\n".to_owned()),
        Just("* STATUS INBOX (MESSAGES 11 UIDNEXT 15)\r\n".to_owned()),
        Just("* STATUS Archive (MESSAGES 4 UIDNEXT 15 UIDVALIDITY 7 HIGHESTMODSEQ 6)\r\n".to_owned()),
        Just("* OK [HIGHESTMODSEQ 15] so many\r\n".to_owned()),
        Just("* 2 FETCH (MODSEQ (15) FLAGS (x))\r\n".to_owned()),
        Just("* FLAGS (hush)\r\n".to_owned()),
    ]
}
