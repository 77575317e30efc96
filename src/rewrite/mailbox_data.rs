//! LIST, LSUB and MYRIGHTS as this client may see them; and LIST of the upstream's, read.

use crate::imap::rights::Rights;
use crate::view::mailboxes::{Listed, Row};
use crate::wire::encode;
use crate::wire::mailbox::{self, Utf8Mode};
use crate::wire::response::{Token, token};

/// Writes one line of LIST, LSUB or XLIST.
pub fn write_list(out: &mut Vec<u8>, word: &str, listed: &Listed<'_>, mode: Utf8Mode) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b" (");
    out.extend_from_slice(listed.attributes.join(" ").as_bytes());
    out.extend_from_slice(b") ");
    write_delimiter(out, listed.delimiter);
    out.push(b' ');
    encode::string(out, listed.octets, mode, false);
    if !listed.below.is_empty() {
        let below: Vec<String> = listed.below.iter().map(|option| format!("\"{option}\"")).collect();
        out.extend_from_slice(format!(" (\"CHILDINFO\" ({}))", below.join(" ")).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a hierarchy delimiter: quoted, or NIL.
pub fn write_delimiter(out: &mut Vec<u8>, delimiter: Option<char>) {
    match delimiter {
        Some(delimiter) => {
            let mut text = [0; 4];
            encode::string(out, delimiter.encode_utf8(&mut text).as_bytes(), Utf8Mode::On, false);
        }
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Reads `(attributes) delimiter name`, as LIST, LSUB and XLIST have it behind their word. `None`: not to be read, or a
/// name that cannot be decoded; such a name is known to nobody here.
#[must_use]
pub fn read_list(response: &[u8], rest: usize, mode: Utf8Mode) -> Option<Row> {
    let (Token::Open, mut at) = token(response, rest)? else { return None };
    let mut attributes = Vec::new();
    loop {
        let (next, end) = token(response, at)?;
        at = end;
        match next {
            Token::Close => break,
            Token::Atom(word) => attributes.push(String::from_utf8_lossy(word).into_owned().into_boxed_str()),
            _ => return None,
        }
    }
    let (delimiter, at) = token(response, at)?;
    let delimiter = match delimiter {
        Token::Atom(word) if word.eq_ignore_ascii_case(b"NIL") => None,
        delimiter => single(&delimiter.string()?),
    };
    let (name, _) = token(response, at)?;
    let octets = match name {
        // Unquoted names hold blanks and worse at some servers (quirks M01, U18): the rest of the line is the name.
        Token::Atom(_) => unquoted_name(response, at)?.to_vec(),
        name => name.string()?,
    };
    let read = mailbox::decode_lenient(&octets, mode, delimiter);
    if !read.canonical {
        return None;
    }
    Some(Row {
        name: read.name,
        text: mailbox::decode_text(&octets, mode).ok()?.into(),
        octets: octets.into(),
        subscribed: attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("\\Subscribed")),
        attributes: attributes.into(),
        delimiter,
        listed: false,
    })
}

/// Reads `name (ITEM value …)`, as STATUS has it behind its word: the name, and which items are told. `None`: not to be read.
#[must_use]
pub fn read_status(response: &[u8], rest: usize) -> Option<(Vec<u8>, Vec<&[u8]>)> {
    let (name, end) = token(response, rest)?;
    let (octets, at) = match name {
        Token::Atom(_) => {
            let octets = unquoted_name(response, rest)?;
            (octets.to_vec(), rest.saturating_add(1).saturating_add(octets.len()))
        }
        name => (name.string()?, end),
    };
    let (Token::Open, mut at) = token(response, at)? else { return None };
    let (mut items, mut depth, mut is_value) = (Vec::new(), 0u32, false);
    loop {
        let (next, end) = token(response, at)?;
        at = end;
        match next {
            Token::Open => depth = depth.saturating_add(1),
            Token::Close if depth == 0 => return Some((octets, items)),
            Token::Close => depth = depth.saturating_sub(1),
            Token::Atom(word) if depth == 0 && !is_value => items.push(word),
            Token::Atom(_) | Token::Quoted(_) | Token::Literal(_) => {}
        }
        // A value may be a list: `MAILBOXID (F2212)`.
        is_value = if depth == 0 { !is_value } else { is_value };
    }
}

fn single(string: &[u8]) -> Option<char> {
    let mut letters = std::str::from_utf8(string).ok()?.chars();
    letters.next().filter(|_| letters.next().is_none())
}

fn unquoted_name(response: &[u8], at: usize) -> Option<&[u8]> {
    let line = response.get(at..)?.strip_prefix(b" ")?;
    let line = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
    let end = memchr::memmem::find(line, b" (").unwrap_or(line.len());
    line.get(..end).filter(|name| !name.is_empty())
}

/// A namespace of the upstream's (RFC 2342).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// 0: personal; 1: other users'; 2: shared.
    pub kind: usize,
    /// What names in it begin with, as spelled.
    pub prefix: Vec<u8>,
    /// What parts its levels.
    pub delimiter: Option<char>,
}

/// Reads `(("INBOX." ".")) NIL NIL`, as it stands behind NAMESPACE.
#[must_use]
pub fn read_namespaces(response: &[u8], rest: usize) -> Vec<Namespace> {
    let (mut at, mut kind, mut depth) = (rest, 0usize, 0u32);
    let (mut found, mut strings) = (Vec::new(), Vec::<Vec<u8>>::new());
    while let Some((next, end)) = token(response, at) {
        at = end;
        match next {
            Token::Open => {
                depth = depth.saturating_add(1);
                if depth == 2 {
                    strings.clear(); // what is deeper are extensions, behind the two strings
                }
            }
            Token::Close => {
                if let (2, [prefix, delimiter, ..]) = (depth, strings.as_slice()) {
                    let delimiter = std::str::from_utf8(delimiter).ok().and_then(|text| text.chars().next());
                    found.push(Namespace { kind, prefix: prefix.clone(), delimiter });
                }
                depth = depth.saturating_sub(1);
                kind = kind.saturating_add(usize::from(depth == 0));
            }
            Token::Atom(word) if depth == 0 && word.eq_ignore_ascii_case(b"NIL") => kind = kind.saturating_add(1),
            next => strings.extend(next.string()),
        }
    }
    found
}

/// The first personal namespace with a prefix, and that prefix as names have it: `INBOX/`.
#[must_use]
pub fn personal_prefix(namespaces: &[Namespace], mode: Utf8Mode) -> Option<(&Namespace, Box<str>)> {
    let namespace = namespaces.iter().find(|namespace| namespace.kind == 0 && !namespace.prefix.is_empty())?;
    let name = mailbox::decode_lenient(&namespace.prefix, mode, namespace.delimiter).name;
    let mut prefix = name.as_str().trim_end_matches('/').to_owned();
    prefix.push('/');
    Some((namespace, prefix.into_boxed_str()))
}

/// `* MYRIGHTS mailbox rights` with no more than `kept`. `None` where the line cannot be read with certainty.
#[must_use]
pub fn narrow_myrights(response: &[u8], rest: usize, kept: Rights) -> Option<Vec<u8>> {
    let (_, name_end) = token(response, rest)?;
    let (rights, end) = token(response, name_end)?;
    let letters = rights.string()?;
    if !response.get(end..)?.trim_ascii().is_empty() {
        return None;
    }
    let left = Rights::from_wire(&letters) & kept;
    let mut line = response.get(..name_end)?.to_vec();
    line.push(b' ');
    if left.is_empty() {
        line.extend_from_slice(b"\"\"");
    } else {
        line.extend_from_slice(left.to_string().as_bytes());
    }
    line.extend_from_slice(b"\r\n");
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_list() {
        let rows: &[(&[u8], Option<(&str, Option<char>)>)] = &[
            (b" (\\HasNoChildren) \"/\" INBOX/a\r\n", Some(("INBOX/a", Some('/')))),
            (b" () \".\" \"a.b c\"\r\n", Some(("a/b c", Some('.')))),
            (b" (\\Noselect) NIL \"[Gmail]\"\r\n", Some(("[Gmail]", None))),
            (b" () \"/\" {3}\r\na b\r\n", Some(("a b", Some('/')))),
            (b" () \"\\\\\" Inbox\r\n", Some(("INBOX", Some('\\')))),
            (b" () \"/\" NIL\r\n", Some(("NIL", Some('/')))),
            (b" () \"/\" Sent Items\r\n", Some(("Sent Items", Some('/')))),
            (b" () \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", Some(("a", Some('/')))),
            (b" (\\HasNoChildren\r\n", None),
        ];
        for (line, want) in rows {
            let got = read_list(line, 0, Utf8Mode::Off);
            let got = got.as_ref().map(|row| (row.name.as_str(), row.delimiter));
            assert_eq!(got, *want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn figures_of_status() {
        let rows: &[(&[u8], Option<(&[u8], &[&[u8]])>)] = &[
            (b" INBOX (MESSAGES 3 UIDNEXT 5)\r\n", Some((b"INBOX", &[b"MESSAGES", b"UIDNEXT"]))),
            (b" \"a \\\"b\" (messages 3)\r\n", Some((b"a \"b", &[b"messages"]))),
            (b" a b (MESSAGES 3)\r\n", Some((b"a b", &[b"MESSAGES"]))),
            (b" {3}\r\na b (SIZE 7)\r\n", Some((b"a b", &[b"SIZE"]))),
            (b" a (MAILBOXID (F2) UNSEEN 0 X NIL)\r\n", Some((b"a", &[b"MAILBOXID", b"UNSEEN", b"X"]))),
            (b" a ()\r\n", Some((b"a", &[]))),
            (b" a (MESSAGES 3\r\n", None),
            (b" a\r\n", None),
        ];
        for (line, want) in rows {
            let got = read_status(line, 0);
            let got = got.as_ref().map(|(name, items)| (name.as_slice(), items.as_slice()));
            assert_eq!(got, *want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn namespaces() {
        let rows: [(&[u8], &[(usize, &[u8], Option<char>)], Option<&str>); 3] = [
            (b" ((\"\" \"/\")) NIL NIL", &[(0, b"", Some('/'))], None),
            (
                b" ((\"INBOX.\" \".\")) NIL ((\"Shared.\" \".\"))",
                &[(0, b"INBOX.", Some('.')), (2, b"Shared.", Some('.'))],
                Some("INBOX/"),
            ),
            (b" NIL ((\"~\" \"/\" \"X\" (\"a\"))) NIL", &[(1, b"~", Some('/'))], None),
        ];
        for (line, want, prefix) in rows {
            let got = read_namespaces(line, 0);
            let told: Vec<_> = got.iter().map(|one| (one.kind, one.prefix.as_slice(), one.delimiter)).collect();
            assert_eq!(told, want, "{}", line.escape_ascii());
            assert_eq!(personal_prefix(&got, Utf8Mode::Off).map(|(_, prefix)| prefix).as_deref(), prefix);
        }
    }

    #[test]
    fn myrights() {
        let kept = Rights::preset("read-only").unwrap();
        let line = narrow_myrights(b"* MYRIGHTS \"a b\" lrswipkxte\r\n", 10, kept);
        assert_eq!(line.as_deref(), Some(&b"* MYRIGHTS \"a b\" lr\r\n"[..]));
    }
}
