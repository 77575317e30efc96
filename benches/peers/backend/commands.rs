//! Which answer belongs to which command.
//!
//! ```text
//!   "a1 UID FETCH 1:* (UID FLAGS)"  ─▶  canned.flags, all of them  a1 OK Fetch completed …
//! ```
//!
//! Reads only as much of a command as it takes to tell the answers apart; whether it is legal is nobody's question here.

use super::canned::{Canned, UNSEEN};
use super::session::Out;

/// The first line.
pub const GREETING: &[u8] =
    b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN] Dovecot (Debian) ready.\r\n";

/// The answer to a login, after its tag.
pub const LOGGED_IN: &str = "OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS \
     THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED \
     I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY \
     PREVIEW=FUZZY STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE] Logged in";

/// What the client will send next.
pub enum Next {
    /// A command.
    Line,
    /// DONE; the tag of IDLE.
    Idle(Vec<u8>),
    /// The response to a challenge; the tag of AUTHENTICATE.
    Sasl(Vec<u8>),
}

/// Answers one command, its literals in place.
pub fn answer(command: &[u8], canned: &'static Canned, out: &mut Out) -> Next {
    let (tag, rest) = word(command);
    let (mut name, mut rest) = word(rest);
    if name.eq_ignore_ascii_case(b"UID") {
        (name, rest) = word(rest);
    }
    let mut upper = [0; 16];
    let upper = match upper.get_mut(..name.len()) {
        Some(upper) => {
            upper.copy_from_slice(name);
            upper.make_ascii_uppercase();
            &*upper
        }
        None => b"",
    };
    let done = match upper {
        b"IDLE" => {
            out.text(b"+ idling\r\n");
            return Next::Idle(tag.to_vec());
        }
        b"AUTHENTICATE" if memchr::memchr(b' ', rest).is_none() => {
            out.text(b"+ \r\n");
            return Next::Sasl(tag.to_vec());
        }
        b"AUTHENTICATE" | b"LOGIN" => LOGGED_IN,
        _ => selected(tag, upper, rest, canned, out),
    };
    out.tagged(tag, done);
    Next::Line
}

/// The commands that are answered within themselves.
fn selected(tag: &[u8], name: &[u8], arguments: &[u8], canned: &'static Canned, out: &mut Out) -> &'static str {
    match name {
        b"NOOP" | b"CHECK" => "OK NOOP completed (0.001 + 0.000 secs).",
        b"FETCH" => fetch(arguments, canned, out),
        b"STORE" => store(arguments, canned, out),
        b"STATUS" => {
            let mailbox = memchr::memrchr(b'(', arguments).map_or(arguments, |at| arguments[..at].trim_ascii_end());
            out.text(b"* STATUS ");
            out.text(mailbox);
            let (messages, next) = (canned.messages, canned.messages + 1);
            let items = format!("MESSAGES {messages} RECENT 0 UIDNEXT {next} UIDVALIDITY 1437056785 UNSEEN 20");
            out.text(format!(" ({items})\r\n").as_bytes());
            "OK Status completed (0.001 + 0.000 secs)."
        }
        b"LIST" => list(arguments, canned, out),
        b"LSUB" => {
            out.canned(&canned.lsub);
            "OK Lsub completed (0.001 + 0.000 secs)."
        }
        b"SELECT" | b"EXAMINE" => {
            out.canned(&canned.select);
            if name == b"SELECT" {
                "OK [READ-WRITE] Select completed (0.001 + 0.000 secs)."
            } else {
                "OK [READ-ONLY] Examine completed (0.001 + 0.000 secs)."
            }
        }
        b"SEARCH" if arguments.starts_with(b"RETURN (ALL) ") => {
            let messages = canned.messages;
            let found = match &arguments[b"RETURN (ALL) ".len()..] {
                b"ALL" => format!(" ALL 1:{messages}"),
                b"UNSEEN" => format!(" ALL {}:{messages}", messages.saturating_sub(UNSEEN) + 1),
                _ => String::new(),
            };
            out.text(b"* ESEARCH (TAG \"");
            out.text(tag);
            out.text(format!("\") UID{found}\r\n").as_bytes());
            "OK Search completed (0.001 + 0.000 secs)."
        }
        b"SEARCH" => {
            // Anything but all, like what is deleted: none.
            let all = memchr::memmem::find(arguments, b"ALL").is_some();
            out.canned(if all { &canned.search } else { b"* SEARCH\r\n" });
            "OK Search completed (0.001 + 0.000 secs)."
        }
        b"APPEND" => "OK [APPENDUID 1437056785 10001] Append completed (0.001 + 0.000 secs).",
        b"CAPABILITY" => {
            out.text(b"* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN\r\n");
            "OK Pre-login capabilities listed, post-login capabilities have more."
        }
        b"ID" => {
            out.text(b"* ID (\"name\" \"Dovecot\")\r\n");
            "OK ID completed."
        }
        b"NAMESPACE" => {
            out.text(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
            "OK Namespace completed (0.001 + 0.000 secs)."
        }
        b"ENABLE" => {
            out.text(b"* ENABLED\r\n");
            "OK Enabled (0.001 + 0.000 secs)."
        }
        b"CLOSE" | b"UNSELECT" | b"EXPUNGE" | b"COPY" | b"MOVE" | b"CREATE" | b"DELETE" | b"RENAME" | b"SUBSCRIBE"
        | b"UNSUBSCRIBE" => "OK Completed (0.001 + 0.000 secs).",
        b"LOGOUT" => {
            out.text(b"* BYE Logging out\r\n");
            out.close();
            "OK Logout completed (0.001 + 0.000 secs)."
        }
        _ => "BAD Error in IMAP command: Unknown command (0.001 + 0.000 secs).",
    }
}

fn list(arguments: &[u8], canned: &'static Canned, out: &mut Out) -> &'static str {
    if memchr::memmem::find(arguments, b"(SPECIAL-USE)").is_some() {
        for (name, for_what) in [("Drafts", "Drafts"), ("Junk", "Junk"), ("Sent", "Sent"), ("Trash", "Trash")] {
            out.text(format!("* LIST (\\HasNoChildren \\{for_what}) \"/\" {name}\r\n").as_bytes());
        }
        return "OK List completed (0.001 + 0.000 secs).";
    }
    let arguments = arguments.trim_ascii_end();
    let before = match arguments.strip_suffix(b"\"") {
        // Names may have blanks in them.
        Some(quoted) => memchr::memrchr(b'"', quoted).unwrap_or(0),
        None => memchr::memrchr(b' ', arguments).map_or(0, |at| at + 1),
    };
    let pattern = &arguments[before..];
    match pattern {
        b"\"\"" => out.text(b"* LIST (\\Noselect) \"/\" \"\"\r\n"),
        b"*" | b"\"*\"" => out.canned(&canned.list),
        b"%" | b"\"%\"" => out.canned(&canned.list_top),
        name => {
            out.text(b"* LIST (\\HasNoChildren) \"/\" ");
            out.text(name);
            out.text(b"\r\n");
        }
    }
    "OK List completed (0.001 + 0.000 secs)."
}

fn fetch(arguments: &[u8], canned: &'static Canned, out: &mut Out) -> &'static str {
    let (set, items) = word(arguments);
    let asks = |item: &[u8]| memchr::memmem::find(items, item).is_some();
    let lines = if asks(b"HEADER.FIELDS (") {
        Some(&canned.marks[usize::from(asks(b"FLAGS"))])
    } else if asks(b"BODY[") || asks(b"BODY.PEEK[") {
        None
    } else if asks(b"ENVELOPE") {
        Some(&canned.envelopes)
    } else {
        Some(&canned.flags)
    };
    for part in set.split(|octet| *octet == b',') {
        let (first, last) = range(part, canned);
        match lines {
            Some(lines) => out.canned(lines.of(first, last)),
            None => (first..=last).for_each(|number| body(number, canned, out)),
        }
    }
    "OK Fetch completed (0.001 + 0.000 secs)."
}

fn body(number: u32, canned: &'static Canned, out: &mut Out) {
    let text = if number == 1 { &canned.big } else { &canned.small };
    out.text(format!("* {number} FETCH (UID {number} BODY[] {{{}}}\r\n", text.len()).as_bytes());
    out.canned(text);
    out.text(b")\r\n");
}

fn store(arguments: &[u8], canned: &Canned, out: &mut Out) -> &'static str {
    let (first, last) = range(word(arguments).0, canned);
    for number in first..=last {
        out.text(format!("* {number} FETCH (UID {number} FLAGS (\\Seen))\r\n").as_bytes());
    }
    "OK Store completed (0.001 + 0.000 secs)."
}

/// `7`, `7:9` or `7:*`, within the mailbox.
fn range(set: &[u8], canned: &Canned) -> (u32, u32) {
    let messages = canned.messages;
    let number = |text: &str| if text == "*" { messages } else { text.parse().unwrap_or(1) };
    let set = std::str::from_utf8(set).unwrap_or("1");
    let (first, last) = set.split_once(':').unwrap_or((set, set));
    (number(first).clamp(1, messages), number(last).clamp(1, messages))
}

/// Up to the next blank, and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}
