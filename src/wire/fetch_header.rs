//! One FETCH response with the header fields that a rule goes by.
//!
//! ```text
//!   (UID 34 FLAGS (\Seen) BODY[HEADER.FIELDS (X-A)] {8}␍␊X-A: b␍␊)␍␊        what the judging of a whole mailbox is made of
//! ```
//!
//! Such responses come by the hundred thousand. Whatever is spelled otherwise is left to those who read every item.

use super::fetch_line::up_to;
use super::number::digits;

/// What a response told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchHeader<'a> {
    /// Its length in octets, CRLF included.
    pub len: usize,
    /// The message's sequence number.
    pub seq: u32,
    /// `UID`
    pub uid: u64,
    /// What stands in `FLAGS (…)`, if that is there.
    pub flags: Option<&'a [u8]>,
    /// The fields.
    pub header: &'a [u8],
}

/// Reads the response that the octets begin with, if all of it is there. `None`: it is not of that kind.
#[must_use]
pub fn fetch_header(bytes: &[u8]) -> Option<FetchHeader<'_>> {
    let (seq, rest) = digits(bytes.strip_prefix(b"* ")?)?;
    let seq = u32::try_from(seq).ok()?;
    let mut rest = rest.strip_prefix(b" FETCH (")?;
    let (mut uid, mut flags, mut header) = (None, None, None);
    loop {
        rest = match rest.first()? {
            b'U' if uid.is_none() => {
                let (number, behind) = digits(rest.strip_prefix(b"UID ")?)?;
                uid = Some(number);
                behind
            }
            b'F' if flags.is_none() => {
                let list = rest.strip_prefix(b"FLAGS (")?;
                let behind = up_to(b')', list)?;
                flags = list.get(..list.len().saturating_sub(behind.len()).saturating_sub(1));
                behind
            }
            b'B' if header.is_none() => {
                let (octets, behind) = fields(rest)?;
                header = Some(octets);
                behind
            }
            _ => return None,
        };
        match rest {
            [b' ', behind @ ..] => rest = behind,
            [b')', b'\r', b'\n', behind @ ..] => {
                let len = bytes.len().saturating_sub(behind.len());
                return Some(FetchHeader { len, seq, uid: uid?, flags, header: header? });
            }
            _ => return None,
        }
    }
}

/// `BODY[HEADER.FIELDS (…)]` and its literal; what stands behind it.
fn fields(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let names = text.strip_prefix(b"BODY[HEADER.FIELDS (")?;
    let length = names.iter().take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b' ')).count();
    let (size, behind) = digits(names.get(length..)?.strip_prefix(b")] {")?)?;
    behind.strip_prefix(b"}\r\n")?.split_at_checked(usize::try_from(size).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses() {
        let rows: [(&str, &str, Option<(Option<&str>, &str)>); 15] = [
            (
                "flags",
                "UID 7 FLAGS (\\Seen $x) BODY[HEADER.FIELDS (X-A)] {8}\r\nX-A: b\r\n",
                Some((Some("\\Seen $x"), "X-A: b\r\n")),
            ),
            ("no flags", "UID 7 BODY[HEADER.FIELDS (X-A From)] {2}\r\n\r\n", Some((None, "\r\n"))),
            ("the UID behind it", "BODY[HEADER.FIELDS (X-A)] {0}\r\n UID 7", Some((None, ""))),
            ("a parenthesis in it", "UID 7 BODY[HEADER.FIELDS (X)] {6}\r\n)\r\n* 1", Some((None, ")\r\n* 1"))),
            ("no UID", "BODY[HEADER.FIELDS (X-A)] {2}\r\n\r\n", None),
            ("no fields", "UID 7 FLAGS ()", None),
            ("a quoted value", "UID 7 BODY[HEADER.FIELDS (X-A)] \"\"", None),
            ("a quoted name", "UID 7 BODY[HEADER.FIELDS (\"X-A\")] {2}\r\n\r\n", None),
            ("another section", "UID 7 BODY[HEADER] {2}\r\n\r\n", None),
            ("another item", "UID 7 BODY[HEADER.FIELDS (X)] {2}\r\n\r\n MODSEQ (3)", None),
            ("two UIDs", "UID 7 UID 8 BODY[HEADER.FIELDS (X)] {2}\r\n\r\n", None),
            ("two values", "UID 7 BODY[HEADER.FIELDS (X)] {1}\r\na BODY[HEADER.FIELDS (X)] {1}\r\nb", None),
            ("more than is said", "UID 7 BODY[HEADER.FIELDS (X)] {1}\r\nab", None),
            ("less than is said", "UID 7 BODY[HEADER.FIELDS (X)] {99}\r\nab", None),
            ("larger than anything", "UID 7 BODY[HEADER.FIELDS (X)] {99999999999999999}\r\nab", None),
        ];
        for (name, items, want) in rows {
            let text = format!("* 12 FETCH ({items})\r\n");
            let behind = format!("{text}* 13 FETCH (");
            let told = fetch_header(behind.as_bytes());
            let want = want.map(|(flags, header)| FetchHeader {
                len: text.len(),
                seq: 12,
                uid: 7,
                flags: flags.map(str::as_bytes),
                header: header.as_bytes(),
            });
            assert_eq!(told, want, "{name}");
            assert!((0..text.len()).all(|cut| fetch_header(&text.as_bytes()[..cut]).is_none()), "{name}, cut");
        }
    }
}
