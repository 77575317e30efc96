//! ENVELOPE: a header as IMAP shows it (RFC 9051 §7.5.2).
//!
//! ```text
//!   From: "Ann Lee" <ann@example.org>   ──▶   (("Ann Lee" NIL "ann" "example.org"))
//! ```
//!
//! Encoded words stay encoded; decoding them is the client's part.

use super::mime::field;
use super::structure::{nstring, string};

/// An address list of RFC 5322 §3.4, as IMAP takes it apart.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    Mailbox { name: Option<Vec<u8>>, route: Option<Vec<u8>>, local: Vec<u8>, host: Vec<u8> },
    GroupStart(Vec<u8>),
    GroupEnd,
}

/// Writes the ENVELOPE of a header.
///
/// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
///            env-in-reply-to SP env-message-id ")"
pub fn write(out: &mut Vec<u8>, header: &[u8]) {
    out.push(b'(');
    nstring(out, field(header, "date").as_deref());
    out.push(b' ');
    nstring(out, field(header, "subject").as_deref());
    let from = field(header, "from").unwrap_or_default();
    for name in ["from", "sender", "reply-to", "to", "cc", "bcc"] {
        out.push(b' ');
        let own = field(header, name).filter(|value| !value.is_empty());
        // Absent or empty, Sender and Reply-To are From.
        let value =
            own.unwrap_or_else(|| if matches!(name, "sender" | "reply-to") { from.clone() } else { Vec::new() });
        addresses(out, &value);
    }
    for name in ["in-reply-to", "message-id"] {
        out.push(b' ');
        nstring(out, field(header, name).as_deref());
    }
    out.push(b')');
}

fn addresses(out: &mut Vec<u8>, value: &[u8]) {
    let list = parse(value);
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for address in &list {
        out.push(b'(');
        match address {
            Address::Mailbox { name, route, local, host } => {
                nstring(out, name.as_deref());
                out.push(b' ');
                nstring(out, route.as_deref());
                out.push(b' ');
                string(out, local);
                out.push(b' ');
                string(out, host);
            }
            Address::GroupStart(name) => {
                out.extend_from_slice(b"NIL NIL ");
                string(out, name);
                out.extend_from_slice(b" NIL");
            }
            Address::GroupEnd => out.extend_from_slice(b"NIL NIL NIL NIL"),
        }
        out.push(b')');
    }
    out.push(b')');
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Vec<u8>),
    Comment(Vec<u8>),
    Special(u8),
}

fn tokens(value: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => behind,
            b'"' => {
                let (text, behind) = delimited(behind, b'"', None);
                tokens.push(Token::Word(text));
                behind
            }
            b'(' => {
                let (text, behind) = delimited(behind, b')', Some(b'('));
                tokens.push(Token::Comment(text));
                behind
            }
            b'<' | b'>' | b'@' | b',' | b':' | b';' => {
                tokens.push(Token::Special(byte));
                behind
            }
            b'[' => {
                let end = memchr::memchr(b']', rest).map_or(rest.len(), |at| at.saturating_add(1));
                let (literal, behind) = rest.split_at_checked(end).unwrap_or((rest, b""));
                tokens.push(Token::Word(literal.to_vec()));
                behind
            }
            _ => {
                let stop = |byte: &u8| {
                    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'(' | b'<' | b'>' | b'@' | b',' | b':' | b';')
                };
                let end = rest.iter().position(stop).unwrap_or(rest.len());
                let (atom, behind) = rest.split_at_checked(end).unwrap_or((rest, b""));
                tokens.push(Token::Word(atom.to_vec()));
                behind
            }
        };
    }
    tokens
}

/// What stands before `close`, without backslashes, and what is behind it. `nested` opens another level.
fn delimited(text: &[u8], close: u8, nested: Option<u8>) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    let mut depth = 0usize;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ if byte == close && depth == 0 => break,
            _ => {
                if byte == close {
                    depth = depth.saturating_sub(1);
                } else if Some(byte) == nested {
                    depth = depth.saturating_add(1);
                }
                out.push(byte);
            }
        }
    }
    (out, bytes.as_slice())
}

fn parse(value: &[u8]) -> Vec<Address> {
    let mut list = Vec::new();
    let mut tokens = tokens(value).into_iter().peekable();
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut comment = None;
    let mut in_group = false;
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => words.push(word),
            Token::Comment(text) => comment = Some(text),
            Token::Special(b':') if !in_group => {
                list.push(Address::GroupStart(std::mem::take(&mut words).join(&b' ')));
                in_group = true;
            }
            Token::Special(b'<') => {
                let inside: Vec<Token> = tokens.by_ref().take_while(|token| *token != Token::Special(b'>')).collect();
                let name = std::mem::take(&mut words).join(&b' ');
                let (route, local, host) = angle(inside);
                let name = Some(name).filter(|name| !name.is_empty()).or_else(|| comment.take());
                list.push(Address::Mailbox { name, route, local, host });
            }
            Token::Special(b'@') => {
                let mut host = Vec::new();
                while let Some(Token::Word(word)) = tokens.peek() {
                    host.extend_from_slice(word);
                    tokens.next();
                }
                // The old form: ann@example.org (Ann Lee)
                if let Some(Token::Comment(text)) = tokens.peek() {
                    comment = Some(text.clone());
                    tokens.next();
                }
                let local = std::mem::take(&mut words).concat();
                list.push(Address::Mailbox { name: comment.take(), route: None, local, host });
            }
            Token::Special(byte) => {
                bare(&mut list, &mut words, &mut comment);
                if byte == b';' && in_group {
                    list.push(Address::GroupEnd);
                    in_group = false;
                }
            }
        }
    }
    bare(&mut list, &mut words, &mut comment);
    if in_group {
        list.push(Address::GroupEnd);
    }
    list
}

/// Words without an address: a local part whose host is missing (never NIL: that would be a group).
fn bare(list: &mut Vec<Address>, words: &mut Vec<Vec<u8>>, comment: &mut Option<Vec<u8>>) {
    let local = std::mem::take(words).concat();
    let name = comment.take();
    if !local.is_empty() {
        list.push(Address::Mailbox { name, route: None, local, host: b"MISSING_DOMAIN".to_vec() });
    }
}

/// `[@a,@b:]local@host`
fn angle(inside: Vec<Token>) -> (Option<Vec<u8>>, Vec<u8>, Vec<u8>) {
    let colon = inside.iter().position(|token| *token == Token::Special(b':'));
    let (route, address) = match colon {
        Some(at) => inside.split_at_checked(at).unwrap_or((&[], &inside)),
        None => (&[][..], &inside[..]),
    };
    let text = |tokens: &[Token]| {
        tokens.iter().fold(Vec::new(), |mut out, token| {
            match token {
                Token::Word(word) => out.extend_from_slice(word),
                Token::Special(b':') | Token::Comment(_) => {}
                Token::Special(byte) => out.push(*byte),
            }
            out
        })
    };
    let route = Some(text(route)).filter(|route| !route.is_empty());
    match address.iter().rposition(|token| *token == Token::Special(b'@')) {
        Some(at) => {
            let (local, host) = address.split_at_checked(at).unwrap_or((address, &[]));
            (route, text(local), text(host.get(1..).unwrap_or_default()))
        }
        None => (route, text(address), b"MISSING_DOMAIN".to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_lists() {
        let rows = [
            ("plain", "ann@example.org", r#"((NIL NIL "ann" "example.org"))"#),
            ("named", "Ann Lee <ann@example.org>", r#"(("Ann Lee" NIL "ann" "example.org"))"#),
            ("quoted", r#""Lee, \"A\"" <ann@x.org>"#, r#"(("Lee, \"A\"" NIL "ann" "x.org"))"#),
            ("comment", "ann@x.org (Ann Lee)", r#"(("Ann Lee" NIL "ann" "x.org"))"#),
            ("two", "a@x.org, B <b@y.org>", r#"((NIL NIL "a" "x.org")("B" NIL "b" "y.org"))"#),
            ("encoded", "=?utf-8?q?J=C3=B6rg?= <j@x.org>", r#"(("=?utf-8?q?J=C3=B6rg?=" NIL "j" "x.org"))"#),
            (
                "group",
                "Team: a@x.org, b@x.org;",
                concat!(r#"((NIL NIL "Team" NIL)(NIL NIL "a" "x.org")"#, r#"(NIL NIL "b" "x.org")(NIL NIL NIL NIL))"#),
            ),
            ("nobody", "undisclosed-recipients:;", r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#),
            ("route", "<@a.org,@b.org:c@d.org>", r#"((NIL "@a.org,@b.org" "c" "d.org"))"#),
            ("no host", "root", r#"((NIL NIL "root" "MISSING_DOMAIN"))"#),
            ("literal host", "a@[192.0.2.1]", r#"((NIL NIL "a" "[192.0.2.1]"))"#),
            ("empty", "", "NIL"),
            ("open ends", "\"a <b", "((NIL NIL \"a <b\" \"MISSING_DOMAIN\"))"),
        ];
        for (name, value, want) in rows {
            let mut out = Vec::new();
            addresses(&mut out, value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out), want, "{name}");
        }
    }

    #[test]
    fn from_stands_in() {
        let mut out = Vec::new();
        write(&mut out, b"From: a@x.org\r\nSubject: hi\r\n there\r\nMessage-ID: <1@x>\r\n\r\n");
        let a = r#"((NIL NIL "a" "x.org"))"#;
        let want = format!(r#"(NIL "hi there" {a} {a} {a} NIL NIL NIL NIL "<1@x>")"#);
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
