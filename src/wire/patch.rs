//! The parts of a frame that change, and all the rest as it came.
//!
//! ```
//! use imapwarden::wire::patch::Patch;
//!
//! let mut patch = Patch::new(b"a1 SELECT Archive\r\n");
//! patch.replace(0..2, "t7").replace(3..9, "EXAMINE");
//! assert_eq!(patch.to_vec(), b"t7 EXAMINE Archive\r\n");
//! ```

use std::borrow::Cow;
use std::ops::Range;

/// Edits of one frame. With none, input and output are the same bytes.
#[derive(Debug, Clone)]
pub struct Patch<'f> {
    frame: &'f [u8],
    /// In order, never overlapping, never beyond the frame.
    edits: Vec<(Range<usize>, Cow<'f, [u8]>)>,
}

impl<'f> Patch<'f> {
    /// No edit yet.
    #[must_use]
    pub const fn new(frame: &'f [u8]) -> Self {
        Self { frame, edits: Vec::new() }
    }

    /// Puts `text` in the place of `span`; an empty span inserts. Edits may come in any order.
    ///
    /// # Panics
    /// If the span is not of this frame or overlaps an edit: spans come from the parser that read the frame, and two
    /// reasons to change one thing are a mistake that must not reach the wire.
    pub fn replace(&mut self, span: Range<usize>, text: impl IntoPatch<'f>) -> &mut Self {
        assert!(span.start <= span.end && span.end <= self.frame.len(), "a span of the frame");
        let at = self.edits.partition_point(|(edit, _)| (edit.start, edit.end) <= (span.start, span.end));
        let before = at.checked_sub(1).and_then(|at| self.edits.get(at)).is_none_or(|(edit, _)| edit.end <= span.start);
        let behind = self.edits.get(at).is_none_or(|(edit, _)| span.end <= edit.start);
        assert!(before && behind, "edits do not overlap");
        self.edits.insert(at, (span, text.into_patch()));
        self
    }

    /// Leaves `span` out.
    pub fn remove(&mut self, span: Range<usize>) -> &mut Self {
        self.replace(span, &b""[..])
    }

    /// Puts `text` before the octet at `at`; behind what was put there before.
    pub fn insert(&mut self, at: usize, text: impl IntoPatch<'f>) -> &mut Self {
        self.replace(at..at, text)
    }

    /// Is there an edit?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Writes the frame as edited, from this octet on, which stands before all edits.
    pub fn write_from(&self, begin: usize, out: &mut Vec<u8>) {
        debug_assert!(self.edits.first().is_none_or(|(span, _)| span.start >= begin), "an edit before the beginning");
        out.reserve(self.frame.len().saturating_sub(begin).saturating_add(16));
        let mut from = begin;
        for (span, text) in &self.edits {
            out.extend_from_slice(self.frame.get(from..span.start).unwrap_or_default());
            out.extend_from_slice(text);
            from = span.end;
        }
        out.extend_from_slice(self.frame.get(from..).unwrap_or_default());
    }

    /// The frame as edited.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_from(0, &mut out);
        out
    }
}

/// What can be put in the place of something.
pub trait IntoPatch<'f> {
    /// The octets.
    fn into_patch(self) -> Cow<'f, [u8]>;
}

impl<'f> IntoPatch<'f> for &'f str {
    fn into_patch(self) -> Cow<'f, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }
}

impl<'f> IntoPatch<'f> for &'f [u8] {
    fn into_patch(self) -> Cow<'f, [u8]> {
        Cow::Borrowed(self)
    }
}

impl IntoPatch<'_> for String {
    fn into_patch(self) -> Cow<'static, [u8]> {
        Cow::Owned(self.into_bytes())
    }
}

impl<'f> IntoPatch<'f> for Cow<'f, str> {
    fn into_patch(self) -> Cow<'f, [u8]> {
        match self {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}

impl IntoPatch<'_> for Vec<u8> {
    fn into_patch(self) -> Cow<'static, [u8]> {
        Cow::Owned(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edits_in_any_order() {
        let mut patch = Patch::new(b"abcdef");
        patch.replace(4..5, "E").remove(0..1).insert(2, "-").insert(6, "!").insert(2, "+");
        assert_eq!(patch.to_vec(), b"b-+cdEf!");
        let mut touching = Patch::new(b"abc");
        touching.replace(1..2, "B").insert(1, "<").insert(2, ">").replace(0..1, "A");
        assert_eq!(touching.to_vec(), b"A<B>c");
    }

    #[test]
    #[should_panic(expected = "edits do not overlap")]
    fn overlap_is_a_mistake() {
        Patch::new(b"abcdef").replace(1..4, "x").replace(3..5, "y");
    }

    proptest! {
        #[test]
        fn no_edits_same_bytes(frame in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Patch::new(&frame).to_vec(), frame);
        }

        #[test]
        fn replacing_parts_by_themselves_changes_nothing(frame in prop::collection::vec(any::<u8>(), 1..80), cuts in prop::collection::btree_set(0_usize..80, 0..6)) {
            let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= frame.len()).collect();
            let mut patch = Patch::new(&frame);
            for pair in cuts.chunks_exact(2).rev() {
                patch.replace(pair[0]..pair[1], frame[pair[0]..pair[1]].to_vec());
            }
            prop_assert_eq!(patch.to_vec(), frame);
        }
    }
}
