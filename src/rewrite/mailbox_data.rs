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
    encode::string(out, &listed.octets, mode, false);
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
        octets: octets.into_boxed_slice(),
        subscribed: attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("\\Subscribed")),
        attributes,
        delimiter,
        listed: false,
    })
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
    fn myrights() {
        let kept = Rights::preset("read-only").unwrap();
        let line = narrow_myrights(b"* MYRIGHTS \"a b\" lrswipkxte\r\n", 10, kept);
        assert_eq!(line.as_deref(), Some(&b"* MYRIGHTS \"a b\" lr\r\n"[..]));
    }
}
