//! Items of a FETCH response that the client does not get: UIDs that were asked for by us, and mod-sequences.
//!
//! Mod-sequences move when hidden messages change, in some accounts those of all mailboxes (quirk `account-modseq`), so no
//! session from which messages may be hidden has any. An upstream tells them unasked where CONDSTORE has been switched on
//! (RFC 7162 §3.1), and the proxy's own STATUS does that ([`super::peek`]).

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use crate::wire::fetch::{FetchEvent, FetchScan, ItemKind};

use super::super::response_path::Flow;
use super::Session;
use super::responses::UidCheck;

/// `MODSEQ (12)`, if it is that which stands there.
pub(super) fn mod_seq_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let item = text.get(at..)?;
    item.get(..6).filter(|name| name.eq_ignore_ascii_case(b"MODSEQ"))?;
    let open = 6_usize.saturating_add(item.get(6..)?.iter().take_while(|octet| **octet == b' ').count());
    let is_number = |octet: &&u8| octet.is_ascii_digit() || **octet == b' ';
    let value = item.get(open..)?;
    let end = match value.strip_prefix(b"(") {
        Some(list) => {
            let end = list.iter().take_while(is_number).count();
            list.get(end).filter(|octet| **octet == b')')?;
            end.saturating_add(2)
        }
        None => value.iter().take_while(|octet| octet.is_ascii_digit()).count(),
    };
    Some(at..at.saturating_add(open).saturating_add(end))
}

/// These items, each with the blank that parts it from its neighbour.
pub(super) fn left_out(text: &[u8], items: [Option<Range<usize>>; 2]) -> SmallVec<[Range<usize>; 2]> {
    let mut spans: SmallVec<[Range<usize>; 2]> = items.into_iter().flatten().collect();
    spans.sort_unstable_by_key(|span| span.start);
    if let [one, other] = spans.as_slice()
        && text.get(one.end..other.start).is_some_and(|between| between == b" ")
    {
        spans = SmallVec::from_elem(one.start..other.end, 1);
    }
    spans.into_iter().map(|span| with_blank(text, span)).collect()
}

fn with_blank(text: &[u8], span: Range<usize>) -> Range<usize> {
    let before = span.start.checked_sub(1).filter(|at| text.get(*at) == Some(&b' '));
    match before {
        Some(before) if text.get(..before).is_some_and(|head| !head.ends_with(b"(")) => before..span.end,
        _ if text.get(span.end) == Some(&b' ') => span.start..span.end.saturating_add(1),
        _ => span,
    }
}

/// The same span of a text that begins there.
pub(super) fn moved(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start.saturating_add(by)..span.end.saturating_add(by)
}

impl Session {
    /// A FETCH response of a mailbox whose numbers pass goes out without its mod-sequence, and not at all where it has nothing
    /// else to say. `offset`: where `text` begins in its line.
    pub(in crate::session) fn leave_out_mod_seq(&mut self, text: &[u8], offset: usize, literal: Option<u64>) -> Flow {
        if !self.may_hide_messages() || literal.is_none() && memchr::memmem::find(text, b"MODSEQ").is_none() {
            return Flow::Pass;
        }
        let (mut mod_seq, mut says_more) = (None, self.reading.fetch.is_some());
        let mut scan = FetchScan::default();
        scan.fragment(text, literal, |event| match event {
            FetchEvent::Uid { .. } => {}
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Flags && mod_seq_at(text, at).is_some() => {
                mod_seq = mod_seq_at(text, at);
            }
            _ => says_more = true,
        });
        if !says_more {
            return Flow::Drop;
        }
        let spans = left_out(text, [mod_seq, None]);
        self.reading.edits.extend(spans.into_iter().map(|span| (moved(&span, offset), Cow::Borrowed(""))));
        self.reading.uid_check = literal.map(|_| UidCheck { scan, uid: None, strip: false });
        Flow::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_response() {
        let rows = [
            ("(UID 7 FLAGS ())", "(FLAGS ())"),
            ("(FLAGS () UID 7)", "(FLAGS ())"),
            ("(UID 7 MODSEQ (3))", "()"),
            ("(UID 7 MODSEQ (3) FLAGS ())", "(FLAGS ())"),
            ("(MODSEQ (3) UID 7 FLAGS ())", "(FLAGS ())"),
            ("(FLAGS () UID 7 MODSEQ (3))", "(FLAGS ())"),
            ("(UID 7 FLAGS (x) MODSEQ (3))", "(FLAGS (x))"),
            ("(MODSEQ (3) FLAGS (x) UID 7)", "(FLAGS (x))"),
            ("( UID 7 FLAGS ())", "( FLAGS ())"),
            ("(MODSEQ 3 UID 7 FLAGS (x))", "(FLAGS (x))"),
            ("(MODSEQ (x) UID 7)", "(MODSEQ (x))"),
        ];
        for (text, want) in rows {
            let uid = text.find("UID 7").map(|at| at..at + 5);
            let mod_seq = text.find("MODSEQ").and_then(|at| mod_seq_at(text.as_bytes(), at));
            let mut patch = crate::wire::patch::Patch::new(text.as_bytes());
            for span in left_out(text.as_bytes(), [uid, mod_seq]) {
                patch.replace(span, "");
            }
            assert_eq!(String::from_utf8_lossy(&patch.to_vec()), want, "{text}");
        }
    }
}
