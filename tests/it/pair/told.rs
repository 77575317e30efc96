//! What was told, less what nobody promised: session ids, the server's clock, numbers that it draws.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::play::Transcript;
use super::script::{Step, shown};

/// A transcript, made comparable.
pub fn told(transcript: &Transcript) -> Vec<String> {
    let mut seen = Seen::default();
    let mut steps: Vec<String> = transcript.heard.iter().map(|heard| seen.plain(&shown_lines(heard))).collect();
    if transcript.silent {
        steps.push("(an answer never came)".to_owned());
    }
    steps
}

/// What went up, made comparable.
pub fn sent_up(octets: &[u8], user: &str) -> String {
    use base64::Engine;
    let mut text = shown_lines(octets);
    for password in [&*crate::real::dovecot::password(user), "wrong"] {
        let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"));
        text = text.replace(&plain, "PLAIN");
    }
    Seen::default().plain(&text.replace(user, "USER"))
}

fn shown_lines(octets: &[u8]) -> String {
    shown(octets).replace("\\r\\n", "\n").replace("\\\\", "\\").replace("\\\"", "\"")
}

/// Numbers and ids in the order in which they appeared.
#[derive(Default)]
struct Seen(HashMap<String, usize>);

impl Seen {
    fn name(&mut self, word: &str) -> String {
        let next = self.0.len() + 1;
        format!("#{}", self.0.entry(word.to_owned()).or_insert(next))
    }

    fn plain(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let word: usize = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            if word == 0 {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            if let Some(end) = date(rest) {
                out.push_str("DATE");
                rest = &rest[end..];
                continue;
            }
            let (head, tail) = rest.split_at(word);
            let number = head.len() == 10 && head.starts_with('1') && head.bytes().all(|b| b.is_ascii_digit());
            let id = head.len() >= 32 && head.bytes().all(|b| b.is_ascii_hexdigit());
            if number || id {
                out.push_str(&self.name(head));
            } else if out.ends_with("(ref ") && head.len() == 12 {
                out.push_str("SID");
            } else {
                out.push_str(head);
            }
            rest = tail;
        }
        out
    }
}

/// Ends a date of this year, as INTERNALDATE and SAVEDATE have it?
fn date(text: &str) -> Option<usize> {
    const FORM: &[u8] = b"00-aaa-0000 00:00:00 +0000";
    let head = text.as_bytes().get(..FORM.len())?;
    let fits = head.iter().zip(FORM).all(|(have, want)| match want {
        b'0' => have.is_ascii_digit(),
        b'a' => have.is_ascii_alphabetic(),
        b'+' => matches!(have, b'+' | b'-'),
        other => have == other,
    });
    (fits && text.get(7..11)? >= "2024").then_some(FORM.len())
}

/// Both sides, step by step; what differs is marked.
pub fn side_by_side(steps: &[Step], a: &[String], b: &[String]) -> String {
    let mut out = String::new();
    let said = steps.iter().map(ToString::to_string).chain(["(the rest)".to_owned()]);
    for (at, said) in said.enumerate() {
        writeln!(out, "{said}").expect("a string");
        let none = String::new();
        let (a, b) = (a.get(at).unwrap_or(&none), b.get(at).unwrap_or(&none));
        if a == b {
            for line in a.lines() {
                writeln!(out, "      {line}").expect("a string");
            }
            continue;
        }
        for (mark, text) in [("A !!!", a), ("B !!!", b)] {
            for line in text.lines() {
                writeln!(out, "{mark} {line}").expect("a string");
            }
        }
    }
    out
}
