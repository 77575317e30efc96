//! One FETCH response in one line, of the items that are asked of whole mailboxes.
//!
//! ```text
//!   (UID 34 FLAGS (\\Seen) RFC822.SIZE 900 ENVELOPE ("…" … NIL))␍␊        what a list of messages is made of
//! ```
//!
//! Such lines come by the ten thousand. What is told of them here is what [`super::fetch::FetchScan`] tells, in a quarter of the
//! time; whatever is spelled otherwise is left to it.

use memchr::memchr;

/// What a line told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchLine {
    /// `UID`
    pub uid: Option<u64>,
    /// Was there an item but FLAGS, UID and MODSEQ?
    pub more_than_flags: bool,
    /// Was there an ENVELOPE, BODY or BODYSTRUCTURE?
    pub structure: bool,
}

/// Reads the line from behind the word `FETCH`, its blank included, to its CRLF. `None`: it is not of that kind.
#[must_use]
pub fn fetch_line(text: &[u8]) -> Option<FetchLine> {
    let mut told = FetchLine::default();
    let mut rest = text.strip_prefix(b" (")?;
    loop {
        rest = item(rest, &mut told)?;
        match rest {
            [b' ', behind @ ..] => rest = behind,
            b")\r\n" => return Some(told),
            _ => return None,
        }
    }
}

/// One item; what stands behind it.
fn item<'a>(text: &'a [u8], told: &mut FetchLine) -> Option<&'a [u8]> {
    match text.first()? {
        b'U' => {
            let (uid, rest) = digits(text.strip_prefix(b"UID ")?)?;
            told.uid = Some(uid);
            Some(rest)
        }
        // No flag holds a parenthesis.
        b'F' => up_to(b')', text.strip_prefix(b"FLAGS (")?),
        b'M' => up_to(b')', text.strip_prefix(b"MODSEQ (")?),
        b'R' => {
            told.more_than_flags = true;
            digits(text.strip_prefix(b"RFC822.SIZE ")?).map(|(_, rest)| rest)
        }
        b'I' => {
            told.more_than_flags = true;
            up_to(b'"', text.strip_prefix(b"INTERNALDATE \"")?)
        }
        b'E' => structure(text.strip_prefix(b"ENVELOPE (")?, told),
        b'B' => {
            let list = text.strip_prefix(b"BODYSTRUCTURE (").or_else(|| text.strip_prefix(b"BODY ("))?;
            structure(list, told)
        }
        _ => None,
    }
}

fn structure<'a>(list: &'a [u8], told: &mut FetchLine) -> Option<&'a [u8]> {
    told.more_than_flags = true;
    told.structure = true;
    behind_list(list)
}

fn up_to(end: u8, text: &[u8]) -> Option<&[u8]> {
    text.get(memchr(end, text)?.checked_add(1)?..)
}

fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))?;
        rest = behind;
    }
    (rest.len() < text.len()).then_some((number, rest))
}

/// What stands behind the parenthesis that closes a list which is open. Quotes inside strings that are not escaped (quirk E03)
/// are told from closing ones by what follows.
fn behind_list(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 1u32;
    let mut bytes = text.iter();
    loop {
        match bytes.next()? {
            b'"' => skip_quoted(&mut bytes)?,
            b'(' => depth = depth.checked_add(1)?,
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(bytes.as_slice());
                }
            }
            _ => {}
        }
    }
}

/// Goes behind the quote that closes a string. Strings of an envelope are short: a loop is faster than a search.
fn skip_quoted(bytes: &mut std::slice::Iter<'_, u8>) -> Option<()> {
    loop {
        match bytes.find(|byte| matches!(byte, b'"' | b'\\'))? {
            b'\\' => {
                bytes.next()?;
            }
            _ if matches!(bytes.as_slice().first(), None | Some(b' ' | b'(' | b')' | b']' | b'\r' | b'\n')) => {
                return Some(());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fetch::{FetchEvent, FetchScan, ItemKind};
    use super::*;

    #[test]
    fn lines() {
        let told = |uid, more_than_flags, structure| Some(FetchLine { uid, more_than_flags, structure });
        let rows: &[(&str, &str, Option<FetchLine>)] = &[
            ("flags", " (UID 34 FLAGS (\\Seen $x))\r\n", told(Some(34), false, false)),
            ("no UID", " (FLAGS ())\r\n", told(None, false, false)),
            ("mod-sequence", " (UID 7 FLAGS () MODSEQ (12))\r\n", told(Some(7), false, false)),
            ("size", " (UID 7 RFC822.SIZE 12)\r\n", told(Some(7), true, false)),
            ("date", " (INTERNALDATE \"13-Jan-2027 02:13:32 +0000\" UID 7)\r\n", told(Some(7), true, false)),
            ("envelope", " (UID 7 ENVELOPE (\"d\" \"a)\\\"\" ((NIL)) NIL))\r\n", told(Some(7), true, true)),
            ("a quote inside", " (ENVELOPE (\"<1.\"cv@n\"@v>\") UID 3)\r\n", told(Some(3), true, true)),
            ("structure", " (BODYSTRUCTURE (\"text\" NIL) UID 7)\r\n", told(Some(7), true, true)),
            ("lower case", " (uid 7 flags ())\r\n", None),
            ("content", " (UID 7 BODY[] \"x\")\r\n", None),
            ("a literal", " (UID 7 BODY[] {3}\r\n", None),
            ("an open list", " (UID 7 ENVELOPE (\"x\" (\r\n", None),
            ("something behind it", " (UID 7) x\r\n", None),
            ("a line feed", " (UID 7)\n", None),
            ("too large", " (UID 99999999999999999999)\r\n", None),
            ("empty", " ()\r\n", None),
        ];
        for (name, text, want) in rows {
            assert_eq!(fetch_line(text.as_bytes()), *want, "{name}");
        }
    }

    proptest::proptest! {
        /// What is told here is what the scan tells.
        #[test]
        fn agrees_with_the_scan(parts in proptest::collection::vec("(UID [0-9]{1,3}|MODSEQ \\(7\\)|FLAGS \\([a-z ]{0,4}\\)|ENVELOPE \\([\"a()\\\\ ]{0,9}\\)|RFC822.SIZE 9|BODY \\(\"\"\\)|X)", 1..5)) {
            let text = format!(" ({})\r\n", parts.join(" "));
            if let Some(line) = fetch_line(text.as_bytes()) {
                let mut told = FetchLine::default();
                let mut unknown = false;
                FetchScan::default().fragment(text.as_bytes(), None, |event| match event {
                    FetchEvent::Uid { uid, .. } => told.uid = Some(uid),
                    FetchEvent::Size(_) => told.more_than_flags = true,
                    FetchEvent::Inline { item, .. } => {
                        told.structure |= item.kind == ItemKind::Structure;
                        told.more_than_flags |= !matches!(item.kind, ItemKind::Flags);
                        unknown |= item.kind == ItemKind::Unknown;
                    }
                    FetchEvent::Literal { .. } | FetchEvent::Opaque => unknown = true,
                });
                proptest::prop_assert!(!unknown, "{text}");
                proptest::prop_assert_eq!(line, told, "{}", text);
            }
        }
    }
}
