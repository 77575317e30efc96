//! What must be asked of a message to judge it, and what a FETCH response says of it.

use crate::imap::message::{Flag, Uid};
use crate::policy::{Facts, InternalDate, Needs};
use crate::wire::command::Utf8Mode;
use crate::wire::encode;
use crate::wire::response::{Token, number, token};

/// What is known of a message, as far as the response said it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// UID
    pub uid: Option<Uid>,
    /// FLAGS
    pub flags: Option<Vec<Flag>>,
    /// INTERNALDATE
    pub internal_date: Option<InternalDate>,
    /// RFC822.SIZE
    pub size: Option<u64>,
    /// The fields that were asked for.
    pub header: Option<Vec<u8>>,
}

impl Seen {
    /// What rules go by, of the message of this UID; `found` says which of their searches found it.
    #[must_use]
    pub fn facts<'f>(&'f self, uid: Uid, found: &'f [Option<bool>]) -> Facts<'f> {
        Facts {
            flags: self.flags.as_deref().unwrap_or_default(),
            internal_date: self.internal_date,
            size: self.size,
            header: self.header.as_deref(),
            found,
            ..Facts::of(uid)
        }
    }
}

/// The items of a FETCH that asks for these.
#[must_use]
pub fn items(needs: &Needs) -> String {
    let mut items = String::from("(UID FLAGS");
    if needs.internal_date {
        items.push_str(" INTERNALDATE");
    }
    if needs.size {
        items.push_str(" RFC822.SIZE");
    }
    if !needs.fields.is_empty() {
        items.push_str(" BODY.PEEK[HEADER.FIELDS (");
        for (at, field) in needs.fields.iter().enumerate() {
            if at > 0 {
                items.push(' ');
            }
            let mut name = Vec::new();
            encode::astring(&mut name, field.as_bytes(), Utf8Mode::Off, false);
            items.push_str(&String::from_utf8_lossy(&name));
        }
        items.push_str(")]");
    }
    items.push(')');
    items
}

/// Reads a whole response from behind the word FETCH. What cannot be read is missing, and doubt about it hides the message.
#[must_use]
pub fn read(response: &[u8], at: usize) -> Seen {
    let mut seen = Seen::default();
    let Some((Token::Open, mut at)) = token(response, at) else { return seen };
    while let Some((Token::Atom(name), behind)) = token(response, at) {
        let Some(end) = item(response, name, behind, &mut seen) else { break };
        at = end;
    }
    seen
}

fn item(response: &[u8], name: &[u8], at: usize, seen: &mut Seen) -> Option<usize> {
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    if is(b"FLAGS") {
        let (flags, end) = flags(response, at)?;
        seen.flags = Some(flags);
        return Some(end);
    }
    if name.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"BODY[")) {
        let (value, end) = token(response, behind_section(response, name, at)?)?;
        seen.header = match value {
            Token::Atom(nil) if nil.eq_ignore_ascii_case(b"NIL") => Some(Vec::new()),
            Token::Quoted(_) | Token::Literal(_) => value.string(),
            Token::Atom(_) | Token::Open | Token::Close => None,
        };
        return Some(end);
    }
    let (value, end) = token(response, at)?;
    match value {
        Token::Atom(word) if is(b"UID") => {
            seen.uid = number(word).and_then(|uid| u32::try_from(uid).ok()).and_then(Uid::new);
        }
        Token::Atom(word) if is(b"RFC822.SIZE") => seen.size = number(word),
        Token::Quoted(text) if is(b"INTERNALDATE") => {
            seen.internal_date = std::str::from_utf8(text).ok().and_then(InternalDate::parse);
        }
        Token::Open => return behind_list(response, end),
        _ => {}
    }
    Some(end)
}

/// `BODY[HEADER.FIELDS (From)]` holds blanks and parentheses: where it ends.
fn behind_section(response: &[u8], name: &[u8], mut at: usize) -> Option<usize> {
    if name.ends_with(b"]") {
        return Some(at);
    }
    loop {
        let (next, end) = token(response, at)?;
        at = end;
        if matches!(next, Token::Atom(word) if word.ends_with(b"]")) {
            return Some(at);
        }
    }
}

/// Where a list ends whose parenthesis has been read.
fn behind_list(response: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1_u32;
    while depth > 0 {
        let (next, end) = token(response, at)?;
        at = end;
        match next {
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Some(at)
}

/// A list of flags; a list in it (quirk U21) is part of it.
fn flags(response: &[u8], at: usize) -> Option<(Vec<Flag>, usize)> {
    let (Token::Open, mut at) = token(response, at)? else { return None };
    let (mut flags, mut depth) = (Vec::new(), 1_u32);
    while depth > 0 {
        let (next, end) = token(response, at)?;
        at = end;
        match next {
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => depth = depth.saturating_sub(1),
            next => flags.extend(next.string().and_then(|word| Flag::parse(std::str::from_utf8(&word).ok()?))),
        }
    }
    Some((flags, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts() {
        let response =
            b"* 3 FETCH (UID 7 FLAGS (\\Seen $x) INTERNALDATE \" 1-Feb-2024 10:00:00 +0000\" RFC822.SIZE 99 \
              BODY[HEADER.FIELDS (FROM \"X-A\")] {9}\r\nX-A: b\r\n\r MODSEQ (4))\r\n";
        let seen = read(response, 9);
        assert_eq!((seen.uid.map(Uid::get), seen.size), (Some(7), Some(99)));
        assert_eq!(seen.flags, Some(vec![Flag::Seen, Flag::parse("$x").unwrap()]));
        assert_eq!(seen.header.as_deref(), Some(&b"X-A: b\r\n\r"[..]));
        assert!(seen.internal_date.is_some());
        let rows: [(&str, &[u8], Option<&[u8]>); 4] = [
            ("nothing", b" (UID 7 BODY[HEADER.FIELDS (X)] NIL)\r\n", Some(b"")),
            ("quoted", b" (BODY[HEADER.FIELDS (X)] \"X: y\" UID 7)\r\n", Some(b"X: y")),
            ("broken", b" (UID 7 BODY[HEADER.FIELDS (X)\r\n", None),
            ("in between", b" (UID 7 MODSEQ (3) BODY[HEADER.FIELDS (X)] \"\")\r\n", Some(b"")),
        ];
        for (name, text, header) in rows {
            let seen = read(text, 0);
            assert_eq!((seen.uid.map(Uid::get), seen.header.as_deref()), (Some(7), header), "{name}");
        }
    }
}
