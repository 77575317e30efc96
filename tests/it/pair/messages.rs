//! Arguments that are about messages: sets, items, keys, flags, and messages themselves.

use super::names::{Line, Pool};
use super::random::Random;

const ITEMS: &[&str] = &[
    "FLAGS",
    "UID",
    "INTERNALDATE",
    "RFC822.SIZE",
    "ENVELOPE",
    "BODY",
    "BODYSTRUCTURE",
    "MODSEQ",
    "BODY[]",
    "BODY.PEEK[]",
    "BODY[HEADER]",
    "BODY[TEXT]",
    "BODY.PEEK[TEXT]<0.10>",
    "BODY[1]",
    "BODY.PEEK[1.MIME]",
    "BODY[HEADER.FIELDS (Subject From)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Received)]",
    "RFC822",
    "RFC822.HEADER",
    "RFC822.TEXT",
    "BINARY[1]",
    "BINARY.PEEK[2]",
    "BINARY.SIZE[1]",
    "PREVIEW",
    "PREVIEW (LAZY)",
    "SAVEDATE",
    "EMAILID",
    "THREADID",
    "X-GUID",
    "X-MAILBOX",
    "X-REAL-UID",
    "SNIPPET",
    "BODY[9]",
    "BODY[1]<5.1000000>",
];

const KEYS: &[&str] = &[
    "ALL",
    "ANSWERED",
    "DELETED",
    "NOT DELETED",
    "DRAFT",
    "FLAGGED",
    "NEW",
    "OLD",
    "RECENT",
    "SEEN",
    "UNSEEN",
    "UNDELETED",
    "KEYWORD $Important",
    "UNKEYWORD Project",
    "LARGER 200",
    "SMALLER 300",
    "SINCE 14-Nov-2023",
    "BEFORE 15-Nov-2023",
    "ON 14-Nov-2023",
    "SENTSINCE 1-Jan-2020",
    "SENTON 14-Nov-2023",
    "SUBJECT Archive",
    "FROM ann",
    "TO bob",
    "CC \"\"",
    "BODY text",
    "TEXT finance",
    "HEADER Message-ID \"\"",
    "HEADER Subject \"2\"",
    "OR SEEN FLAGGED",
    "(SEEN NOT FLAGGED)",
    "OR (DELETED) (OR UNSEEN LARGER 1)",
    "MODSEQ 1",
    "MODSEQ \"/flags/\\\\seen\" all 2",
    "YOUNGER 1000000000",
    "OLDER 86400",
    "SAVEDSINCE 1-Jan-2020",
    "SAVEDATESUPPORTED",
    "EMAILID M1",
    "X-MAILBOX Finance",
    "INTHREAD REFS ALL",
    "FUZZY SUBJECT x",
    "$",
    "MIMEPART CHILD EXISTS",
];

const FLAGS: &[&str] = &[
    "\\Seen",
    "\\Deleted",
    "\\Flagged",
    "\\Answered",
    "\\Draft",
    "$Important",
    "Project",
    "\\Seen",
    "\\Deleted",
    "$Forwarded",
    "\\Recent",
    "\\*",
    "\\Later",
];

const CHARSETS: &[&str] = &["UTF-8", "US-ASCII", "utf-8", "ISO-8859-1", "X-UNKNOWN"];

pub fn put_set(r: &mut Random, line: &mut Line) {
    if r.chance(25) {
        line.text("1:*");
        return;
    }
    let number = |r: &mut Random| match r.below(14) {
        0 => "*".to_owned(),
        1 => "4294967295".to_owned(),
        2 => "17".to_owned(),
        _ => (1 + r.below(6)).to_string(),
    };
    if r.chance(4) {
        line.text(r.pick(&["$", "0", "1,", ":", "1:2:3", "4294967296", "1.5", "*:*", "1:*,$"]));
        return;
    }
    let parts: Vec<String> = (0..=r.below(3))
        .map(|_| if r.chance(40) { format!("{}:{}", number(r), number(r)) } else { number(r) })
        .collect();
    line.text(&parts.join(","));
}

pub fn put_items(r: &mut Random, line: &mut Line) {
    if r.chance(10) {
        line.text(r.pick(&["ALL", "FAST", "FULL", "(ALL)", "()", "(UID", "FLAGS UID"]));
        return;
    }
    let items = r.some(ITEMS, 3);
    line.text(&if items.len() == 1 && r.chance(60) { items[0].to_owned() } else { format!("({})", items.join(" ")) });
    if r.chance(10) {
        line.text(r.pick(&[
            " (CHANGEDSINCE 1)",
            " (CHANGEDSINCE 3 VANISHED)",
            " (PARTIAL 1:2)",
            " (PARTIAL -1:-2)",
            " (X 1)",
        ]));
    }
}

pub fn put_search(r: &mut Random, line: &mut Line) {
    let returns = ["MIN", "MAX", "ALL", "COUNT", "SAVE", "PARTIAL 1:3", "CONTEXT", "UPDATE", "RELEVANCY"];
    if r.chance(30) {
        let count = r.below(4);
        let chosen: Vec<&str> = (0..count)
            .map(|_| {
                let most = if r.chance(90) { 5 } else { returns.len() };
                returns[r.below(most)]
            })
            .collect();
        line.text(&format!("RETURN ({}) ", chosen.join(" ")));
    }
    if r.chance(10) {
        line.text("CHARSET ").text(r.pick(CHARSETS)).text(" ");
    }
    put_keys(r, line);
}

pub fn put_keys(r: &mut Random, line: &mut Line) {
    for at in 0..=r.below(3) {
        if at > 0 {
            line.text(" ");
        }
        match r.below(10) {
            0 => put_set(r, line),
            1 => {
                line.text("UID ");
                put_set(r, line);
            }
            2 => {
                line.text("SUBJECT ");
                let what = r.pick(&["Finance", "HR", "INBOX", "2", "\u{fc}"]);
                line.string(r, what.as_bytes());
            }
            _ => {
                line.text(r.pick(KEYS));
            }
        }
    }
}

pub fn put_sort(r: &mut Random, line: &mut Line, program: &[&str]) {
    if r.chance(10) {
        line.text("RETURN (COUNT MIN) ");
    }
    line.text(r.pick(program)).text(" ").text(r.pick(CHARSETS)).text(" ");
    put_keys(r, line);
}

pub fn put_flags(r: &mut Random, line: &mut Line) {
    line.text(&format!("({})", if r.chance(5) { String::new() } else { r.some(FLAGS, 2).join(" ") }));
}

pub fn put_store(r: &mut Random, line: &mut Line) {
    if r.chance(8) {
        line.text(r.pick(&["(UNCHANGEDSINCE 1) ", "(UNCHANGEDSINCE 1000) ", "(UNCHANGEDSINCE x) "]));
    }
    line.text(r.pick(&[
        "FLAGS ",
        "+FLAGS ",
        "-FLAGS ",
        "+FLAGS.SILENT ",
        "-FLAGS.SILENT ",
        "FLAGS.SILENT ",
        "+flags ",
        "X-FLAGS ",
    ]));
    if r.chance(20) {
        line.text(&r.some(FLAGS, 1).join(" "));
    } else {
        put_flags(r, line);
    }
}

/// What stands behind the name in APPEND, and in REPLACE.
pub fn put_messages(pool: &Pool, r: &mut Random, line: &mut Line, several: bool) {
    let count = if several && r.chance(15) { 2 + r.below(2) } else { 1 };
    for at in 0..count {
        if r.chance(50) {
            line.text(" ");
            put_flags(r, line);
        }
        if r.chance(30) {
            line.text(r.pick(&[
                " \"14-Nov-2023 10:00:00 +0000\"",
                " \" 1-Jan-2020 00:00:00 +0130\"",
                " \"31-Feb-2020 00:00:00 +0000\"",
                " \"bad\"",
            ]));
        }
        line.text(" ");
        let text = format!("Subject: appended {at}\r\nMessage-ID: <n{}@example.org>\r\n\r\nx\r\n", r.below(1000));
        match r.below(20) {
            0 => line.literal_as(r, "~", text.as_bytes()),
            1 => {
                line.text("UTF8 (");
                line.literal_as(r, "~", text.as_bytes()).text(")")
            }
            2 => {
                let name = pool.name(r);
                line.text("CATENATE (URL ");
                line.string(r, format!("/{name}/;UID=1").as_bytes());
                if r.chance(50) {
                    line.text(" TEXT ");
                    line.literal(r, b"text");
                }
                line.text(")")
            }
            3 => line.literal(r, b""),
            4 => line.literal(r, b"a b NOOP\r\nc SELECT Finance\r\n"),
            5 => line.text("\"quoted\""),
            _ => line.literal(r, text.as_bytes()),
        };
    }
}
