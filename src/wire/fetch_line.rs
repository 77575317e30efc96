//! One FETCH response in one line, of the items that are asked of whole mailboxes.
//!
//! ```text
//!   (UID 34 FLAGS (\\Seen) RFC822.SIZE 900 ENVELOPE ("…" … NIL))␍␊        what a list of messages is made of
//! ```
//!
//! Such lines come by the ten thousand. What is told of them here is what [`super::fetch::FetchScan`] tells, in a quarter of the
//! time; whatever is spelled otherwise is left to it.

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use memchr::memchr;

use super::number::{digits, find_either, short_number};

/// What a line told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchLine {
    /// Its length in octets, CRLF included.
    pub len: usize,
    /// The message's sequence number.
    pub seq: u32,
    /// `UID`
    pub uid: Option<u64>,
    /// Was there an item but FLAGS, UID and MODSEQ?
    pub more_than_flags: bool,
    /// Was there an ENVELOPE, BODY or BODYSTRUCTURE?
    pub structure: bool,
}

/// How well must an ENVELOPE or BODYSTRUCTURE be looked at?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Up to its end: items that tell more may stand behind it.
    Read,
    /// Nobody has asked for items that tell more: where the UID is known the line is taken whole, unless it has the name of
    /// such an item in it.
    Passed,
}

/// Reads the line that the octets begin with, if all of it is there. `None`: it is not of that kind.
#[must_use]
pub fn fetch_line(bytes: &[u8], detail: Detail) -> Option<FetchLine> {
    let (seq, rest) = digits(bytes.strip_prefix(b"* ")?)?;
    let mut told = FetchLine { seq: u32::try_from(seq).ok()?, ..FetchLine::default() };
    let mut rest = rest.strip_prefix(b" FETCH (")?;
    loop {
        rest = item(rest, detail, &mut told)?;
        match rest {
            [b' ', behind @ ..] => rest = behind,
            [b')', b'\r', b'\n', behind @ ..] => {
                told.len = bytes.len().saturating_sub(behind.len());
                return Some(told);
            }
            _ => return None,
        }
    }
}

/// The UID of a line that tells nothing but UID and FLAGS, in this order: what nearly all lines are of a FETCH of flags. `line` is
/// all of it up to its LF. `None`: it is not of that kind, or not as usual, and [`fetch_line`] has to look.
#[must_use]
#[inline]
pub fn flags_line(line: &[u8]) -> Option<u32> {
    let text = line.strip_prefix(b"* ")?;
    let (uid, rest) = digits(text.get(short_number(text)?..)?.strip_prefix(b" FETCH (UID ")?)?;
    let list = rest.strip_prefix(b" FLAGS (")?;
    if list.get(find_either(b')', b'\n', list)?..)? != b"))\r\n" {
        return None;
    }
    u32::try_from(uid).ok()
}

/// One item; what stands behind it.
fn item<'a>(text: &'a [u8], detail: Detail, told: &mut FetchLine) -> Option<&'a [u8]> {
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
        b'E' => structure(text.strip_prefix(b"ENVELOPE (")?, detail, told),
        b'B' => {
            let list = text.strip_prefix(b"BODYSTRUCTURE (").or_else(|| text.strip_prefix(b"BODY ("))?;
            structure(list, detail, told)
        }
        _ => None,
    }
}

fn structure<'a>(list: &'a [u8], detail: Detail, told: &mut FetchLine) -> Option<&'a [u8]> {
    told.more_than_flags = true;
    told.structure = true;
    if detail == Detail::Passed && told.uid.is_some() {
        let end = memchr(b'\n', list)?;
        let line = list.get(..end)?;
        let last = end.checked_sub(2)?;
        let told_all = line.ends_with(b"))\r") && CONTENT.as_ref().is_some_and(|names| names.find(line).is_none());
        if told_all {
            return list.get(last..);
        }
    }
    behind_list(list)
}

/// What the items with content have in their names.
static CONTENT: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(["BODY[", "BINARY", "RFC822", "PREVIEW"]));

/// What stands behind the first `end`, which is in this line.
pub(super) fn up_to(end: u8, text: &[u8]) -> Option<&[u8]> {
    let at = find_either(end, b'\n', text)?;
    (text.get(at) == Some(&end)).then(|| text.get(at.saturating_add(1)..))?
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
            b'\n' => return None,
            _ => {}
        }
    }
}

/// Goes behind the quote that closes a string. Strings of an envelope are short: a loop is faster than a search.
fn skip_quoted(bytes: &mut std::slice::Iter<'_, u8>) -> Option<()> {
    loop {
        match bytes.find(|byte| matches!(byte, b'"' | b'\\' | b'\n'))? {
            b'\n' => return None,
            b'\\' => {
                bytes.next().filter(|byte| **byte != b'\n')?;
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

    fn read(text: &str, detail: Detail) -> Option<FetchLine> {
        let line = format!("* 12 FETCH{text}");
        let told = fetch_line(line.as_bytes(), detail)?;
        assert_eq!((told.len, told.seq), (line.len(), 12));
        Some(FetchLine { len: 0, seq: 0, ..told })
    }

    #[test]
    fn lines() {
        let told = |uid, more_than_flags, structure| {
            Some(FetchLine { uid, more_than_flags, structure, ..FetchLine::default() })
        };
        let rows: &[(&str, &str, Option<FetchLine>)] = &[
            ("flags", " (UID 34 FLAGS (\\Seen $x))\r\n", told(Some(34), false, false)),
            ("no UID", " (FLAGS ())\r\n", told(None, false, false)),
            ("mod-sequence", " (UID 7 FLAGS () MODSEQ (12))\r\n", told(Some(7), false, false)),
            ("size", " (UID 7 RFC822.SIZE 12)\r\n", told(Some(7), true, false)),
            ("date", " (INTERNALDATE \"13-Jan-2027 02:13:32 +0000\" UID 7)\r\n", told(Some(7), true, false)),
            ("envelope", " (UID 7 ENVELOPE (\"d\" \"a)\\\"\" ((NIL)) NIL))\r\n", told(Some(7), true, true)),
            ("a quote inside", " (ENVELOPE (\"<1.\"cv@n\"@v>\") UID 3)\r\n", told(Some(3), true, true)),
            ("structure", " (BODYSTRUCTURE (\"text\" NIL) UID 7)\r\n", told(Some(7), true, true)),
            ("content behind it", " (UID 7 ENVELOPE (\"x\" (NIL)) BODY[] \"(x))\")\r\n", None),
            ("lower case", " (uid 7 flags ())\r\n", None),
            ("content", " (UID 7 BODY[] \"x\")\r\n", None),
            ("a literal", " (UID 7 BODY[] {3}\r\n", None),
            ("a literal inside", " (UID 7 ENVELOPE (\"x\" {3}\r\n", None),
            ("an open list", " (UID 7 ENVELOPE (\"x\" (\r\n", None),
            ("a string over two lines", " (UID 7 ENVELOPE (\"x\r\n\"))\r\n", None),
            ("flags over two lines", " (UID 7 FLAGS (x\r\n))\r\n", None),
            ("something behind it", " (UID 7) x\r\n", None),
            ("a line feed", " (UID 7)\n", None),
            ("too large", " (UID 99999999999999999999)\r\n", None),
            ("empty", " ()\r\n", None),
        ];
        for (name, text, want) in rows {
            for detail in [Detail::Read, Detail::Passed] {
                assert_eq!(read(text, detail), *want, "{name}, {detail:?}");
            }
        }
        assert_eq!(fetch_line(b"* 1 FETCH (UID 7)\r\n* 2 FET", Detail::Read).map(|line| line.len), Some(19));
        assert_eq!(fetch_line(b"* 2 FETCH (UID 7", Detail::Read), None, "not all of it is there");
    }

    #[test]
    fn content_in_a_subject_is_looked_at_closely() {
        let text = " (UID 7 ENVELOPE (\"d\" \"what is BODY[TEXT]?\" ((NIL))))\r\n";
        assert_eq!(read(text, Detail::Passed), read(text, Detail::Read));
    }

    #[test]
    fn lines_of_flags() {
        let rows: [(&str, &[u8], Option<u32>); 13] = [
            ("flags", b"* 12 FETCH (UID 34 FLAGS (\\Seen $x))\r\n", Some(34)),
            ("none", b"* 12 FETCH (UID 34 FLAGS ())\r\n", Some(34)),
            ("no number", b"*  FETCH (UID 34 FLAGS ())\r\n", None),
            ("a long number", b"* 4294967295 FETCH (UID 34 FLAGS ())\r\n", None),
            ("a UID beyond 32 bits", b"* 12 FETCH (UID 4294967296 FLAGS ())\r\n", None),
            ("something before", b"* 12 FETCH (FLAGS () UID 34)\r\n", None),
            ("something behind", b"* 12 FETCH (UID 34 FLAGS () MODSEQ (4))\r\n", None),
            ("content behind", b"* 12 FETCH (UID 34 FLAGS () BODY[] \"))\")\r\n", None),
            ("content like an end", b"* 12 FETCH (UID 34 FLAGS () X (x))\r\n", None),
            ("a literal", b"* 12 FETCH (UID 34 FLAGS ({2}\r\n))\r\n", None),
            ("two lines", b"* 1 FETCH (UID 3 FLAGS ())\r\n* 2 FETCH (UID 4 FLAGS ())\r\n", None),
            ("another case", b"* 12 FETCH (UID 34 Flags ())\r\n", None),
            ("not all of it", b"* 12 FETCH (UID 34 FLAGS ())\r", None),
        ];
        for (name, line, want) in rows {
            assert_eq!(flags_line(line), want, "{name}");
        }
    }

    proptest::proptest! {
        /// Whatever is told of flags at once is what is told with a closer look.
        #[test]
        fn flags_lines_agree(seq in "[0-9]{0,11}", uid in "[0-9]{0,11}", rest in " (FLAGS|flags) \\([ -~]{0,20}\\)[ -~]{0,1}\\)?\r?\n[ -~]{0,9}") {
            let text = format!("* {seq} FETCH (UID {uid}{rest}");
            let end = text.find('\n').map_or(text.len(), |end| end + 1);
            if let Some(uid) = flags_line(&text.as_bytes()[..end]) {
                let line = fetch_line(text.as_bytes(), Detail::Read).map(|line| (line.uid, line.len, line.more_than_flags));
                proptest::prop_assert_eq!(line, Some((Some(u64::from(uid)), end, false)), "{}", text);
            }
        }

        /// What is told here is what the scan tells.
        #[test]
        fn agrees_with_the_scan(parts in proptest::collection::vec("(UID [0-9]{1,3}|MODSEQ \\(7\\)|FLAGS \\([a-z ]{0,4}\\)|ENVELOPE \\([\"a()\\\\ ]{0,9}\\)|RFC822.SIZE 9|BODY \\(\"\"\\)|X)", 1..5)) {
            let text = format!(" ({})\r\n", parts.join(" "));
            if let Some(line) = read(&text, Detail::Read) {
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
