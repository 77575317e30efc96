//! Parts of messages by the thousand: how often a server is asked which there are, and what becomes of answers that are too large.

use std::fmt::Write as _;

use crate::driver::{Driver, Setting};

const OFFERED: &str = "IMAP4rev1 UIDPLUS UNSELECT IDLE";
const LEAF: &str = r#"("text" "plain" NIL NIL NIL "7bit" 1 1)"#;

/// A session in INBOX.
fn opened() -> Driver {
    let mut driver = Driver::new(Setting::default());
    driver.log_in("ann@example.org", OFFERED);
    driver.client_says(b"s SELECT INBOX\r\n");
    let tag = driver.own_tag();
    driver.upstream_says(format!("* 9999 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK done\r\n").as_bytes());
    driver.client.clear();
    driver.records.clear();
    driver
}

/// What the upstream has heard since, one line; its tag, and the rest.
fn heard(driver: &mut Driver) -> (String, String) {
    let lines = String::from_utf8(std::mem::take(&mut driver.upstream)).expect("text");
    assert_eq!(lines.matches("\r\n").count(), 1, "{lines}");
    let (tag, line) = lines.trim_end().split_once(' ').expect("a tag");
    (tag.to_owned(), line.to_owned())
}

/// How often these classes stand in the records.
fn counts(driver: &Driver) -> [usize; 2] {
    let all = driver.records.concat();
    ["full", "part"].map(|class| all.matches(&format!("\"cls\":\"{class}\"")).count())
}

#[test]
fn a_thousand_messages_are_one_question() {
    // By the distance of their UIDs: a line of them may be too long for one.
    for (name, step, questions) in [("in a row", 1, 1), ("with gaps", 70_000, 2)] {
        let mut driver = opened();
        let uids = |count: usize| (1..=count).map(|at| (at, at * step));
        driver.client_says(b"a UID FETCH 1:99999999 (BODY.PEEK[1])\r\n");
        let (tag, _) = heard(&mut driver);
        let mut answer = String::new();
        for (number, uid) in uids(1_000) {
            write!(answer, "* {number} FETCH (UID {uid} BODY[1] \"x\")\r\n").expect("a string");
        }
        driver.upstream_says(answer.as_bytes());
        assert_eq!(counts(&driver), [0, 0], "{name}: it is not known yet");
        driver.upstream_says(format!("{tag} OK done\r\n").as_bytes());
        let mut asked = 0;
        while !driver.upstream.is_empty() {
            let (tag, line) = heard(&mut driver);
            asked += 1;
            let set =
                line.strip_prefix("UID FETCH ").and_then(|line| line.strip_suffix(" (UID RFC822.SIZE BODYSTRUCTURE)"));
            let set = set.unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(line.len() < 8_000, "{name}");
            let mut answer = String::new();
            for (number, uid) in uids(1_000) {
                let is_asked = set == format!("{step}:1000") || set.split(',').any(|one| one == uid.to_string());
                if is_asked {
                    // Every fourth one has nothing else.
                    let more = if number % 4 == 0 { "" } else { LEAF };
                    write!(
                        answer,
                        "* {number} FETCH (UID {uid} RFC822.SIZE 9 BODYSTRUCTURE ({LEAF}{more} \"mixed\"))\r\n"
                    )
                    .expect("a string");
                }
            }
            driver.upstream_says(format!("{answer}{tag} OK done\r\n").as_bytes());
        }
        assert_eq!(asked, questions, "{name}");
        assert_eq!(counts(&driver), [250, 750], "{name}");
        assert!(driver.client.ends_with(b"a OK done\r\n"), "{name}");
        assert!(
            !driver.client.windows(13).any(|text| text == b"BODYSTRUCTURE"),
            "{name}: that is nothing for the client"
        );
    }
}

#[test]
fn of_more_messages_than_are_asked_for_all_is_told() {
    let mut driver = opened();
    driver.client_says(b"a UID FETCH 1:9999 (BODY.PEEK[1])\r\n");
    let (tag, _) = heard(&mut driver);
    for uid in 1..=5_000 {
        driver.upstream_says(format!("* {uid} FETCH (UID {uid} BODY[1] \"x\")\r\n").as_bytes());
    }
    driver.upstream_says(format!("{tag} OK done\r\n").as_bytes());
    let (tag, line) = heard(&mut driver);
    assert_eq!(line, "UID FETCH 1:4096 (UID RFC822.SIZE BODYSTRUCTURE)");
    for uid in 1..=4_096 {
        let answer = format!("* {uid} FETCH (UID {uid} BODYSTRUCTURE ({LEAF}{LEAF} \"mixed\"))\r\n");
        driver.upstream_says(answer.as_bytes());
    }
    driver.upstream_says(format!("{tag} OK done\r\n").as_bytes());
    assert_eq!(counts(&driver), [904, 4_096]);
}

#[test]
fn an_answer_that_is_too_large_is_none() {
    let name = "n".repeat(300_000);
    let answers = [
        ("a literal", format!("(\"text\" \"plain\" (\"name\" {{300000}}\r\n{name}) NIL NIL \"7bit\" 1 1)")),
        ("a string", format!("(\"text\" \"plain\" (\"name\" \"{name}\") NIL NIL \"7bit\" 1 1)")),
        (
            "a line that passes in pieces",
            format!("(\"text\" \"plain\" (\"name\" \"{}\") NIL NIL \"7bit\" 1 1)", name.repeat(5)),
        ),
        (
            "many literals",
            format!(
                "(\"text\" \"plain\" ({}) NIL NIL \"7bit\" 1 1)",
                format!("\"a\" {{20000}}\r\n{}", "n".repeat(20_000)).repeat(20)
            ),
        ),
    ];
    for (name, structure) in answers {
        let mut driver = opened();
        driver.client_says(b"a UID FETCH 1:2 (BODY.PEEK[1])\r\n");
        let (tag, _) = heard(&mut driver);
        let answer = format!("* 1 FETCH (UID 1 BODY[1] \"x\")\r\n* 2 FETCH (UID 2 BODY[1] \"x\")\r\n{tag} OK done\r\n");
        driver.upstream_says(answer.as_bytes());
        let (tag, _) = heard(&mut driver);
        let client = driver.client.clone();
        let answer = format!("* 1 FETCH (UID 1 BODYSTRUCTURE {structure})\r\n");
        answer.as_bytes().chunks(16 * 1024).for_each(|piece| driver.upstream_says(piece));
        assert_eq!(driver.client, client, "{name}");
        // It does not keep the next one from being read.
        let answer = format!("* 2 FETCH (UID 2 BODYSTRUCTURE ({LEAF}{LEAF} \"mixed\"))\r\n{tag} OK done\r\n");
        driver.upstream_says(answer.as_bytes());
        assert!(driver.client.ends_with(b"a OK done\r\n") && !driver.closed, "{name}");
        assert_eq!(counts(&driver), [1, 1], "{name}");
    }
}
