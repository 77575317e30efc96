//! Capability lists and PERMANENTFLAGS with less in them.

use crate::imap::rights::{Right, Rights};

/// Writes the words of `list` that `keep` keeps. What is cut goes with the blank before it (at the very beginning, with the
/// one behind it); all other bytes stay.
pub fn filter_words(list: &[u8], keep: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    let (mut at, before) = (0, out.len());
    while at < list.len() {
        let blanks = list.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == b' ').count();
        let begin = at.saturating_add(blanks);
        let rest = list.get(begin..).unwrap_or_default();
        let len = rest.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n')).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        if word.is_empty() {
            // Blanks at the end, and the line end, are the upstream's affair (quirks U29, U30).
            out.extend_from_slice(list.get(at..).unwrap_or_default());
            return;
        }
        if keep(word) {
            out.extend_from_slice(list.get(at..begin.saturating_add(len)).unwrap_or_default());
        }
        at = begin.saturating_add(len);
        if out.len() == before && blanks == 0 {
            at = at.saturating_add(usize::from(list.get(at) == Some(&b' ')));
        }
    }
}

/// The flags in `(…)` that these rights let a client change (RFC 4314 §4): `s` for `\Seen`, `t` for `\Deleted`, `w` for
/// all others and for new keywords.
#[must_use]
pub fn narrow_flags(list: &[u8], rights: Rights) -> Vec<u8> {
    let inner = list.strip_prefix(b"(").unwrap_or(list);
    let inner = inner.strip_suffix(b")").unwrap_or(inner);
    let kept = inner.split(|byte| *byte == b' ').filter(|flag| {
        let right = match flag.to_ascii_lowercase().as_slice() {
            b"" => return false,
            b"\\seen" => Right::Seen,
            b"\\deleted" => Right::DeleteMessages,
            _ => Right::Write,
        };
        rights.contains(right)
    });
    let mut out = b"(".to_vec();
    out.extend_from_slice(&kept.collect::<Vec<_>>().join(&b' '));
    out.push(b')');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let rows: &[(&str, &str)] = &[
            (" IMAP4rev1 X-FOO IDLE\r\n", " IMAP4rev1 IDLE\r\n"),
            ("X-FOO X-BAR IDLE ", "IDLE "),
            ("X-FOO", ""),
            ("IDLE X-FOO", "IDLE"),
            ("", ""),
        ];
        for (list, want) in rows {
            let mut out = Vec::new();
            filter_words(list.as_bytes(), |word| !word.starts_with(b"X"), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), *want);
        }
    }

    #[test]
    fn flags() {
        let only_seen = Rights::of(&[Right::Lookup, Right::Read, Right::Seen]);
        assert_eq!(narrow_flags(b"(\\Answered \\Deleted \\Seen \\*)", only_seen), b"(\\Seen)");
        assert_eq!(narrow_flags(b"(\\Answered \\Deleted \\Seen \\*)", Rights::NONE), b"()");
    }
}
