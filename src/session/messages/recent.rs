//! `\Recent` of the client's mailbox, after it has been left and opened again.
//!
//! To open it is to be told of its new messages, and whoever is told first has them (RFC 3501 §2.3.2): the second time the
//! upstream calls them recent no more, although they are for this client. Whether the proxy went away must not show.

use std::borrow::Cow;
use std::ops::Range;

use crate::imap::message::{Flag, Uid};
use crate::wire::search::KeyKind;

use super::View;

impl View {
    /// The mailbox is opened again: what is recent stays so.
    pub fn keep_recent(&mut self) {
        self.kept_recent = self.recent.clone();
    }

    /// Puts `\Recent` into a list of flags that lacks it. `offset`: where `text` begins in what is edited.
    pub fn recent_edit(
        &self,
        uid: Uid,
        text: &[u8],
        flags: Option<&Range<usize>>,
        offset: usize,
    ) -> Option<(Range<usize>, Cow<'static, str>)> {
        let list = text.get(flags?.clone()).filter(|_| self.kept_recent.contains(uid))?;
        if list.split(|octet| *octet == b' ').any(|flag| flag.eq_ignore_ascii_case(br"\Recent")) {
            return None;
        }
        let at = flags?.end.saturating_add(offset);
        Some((at..at, Cow::Borrowed(if list.is_empty() { r"\Recent" } else { r" \Recent" })))
    }

    /// `RECENT`, `OLD` and `NEW`, asked of an upstream that knows no better: by UID.
    pub fn recent_key(&self, kind: &KeyKind<'_>) -> Option<String> {
        if self.kept_recent.is_empty() {
            return None;
        }
        let recent = self.spell(&self.recent.intersect(&self.messages.visible()));
        let (key, no_key) = match recent.is_empty() {
            true => ("NOT ALL".to_owned(), "ALL".to_owned()),
            false => (format!("UID {recent}"), format!("NOT UID {recent}")),
        };
        match kind {
            KeyKind::Flag(Flag::Recent, true) => Some(key),
            KeyKind::Flag(Flag::Recent, false) => Some(no_key),
            KeyKind::New => Some(format!("({key} UNSEEN)")),
            _ => None,
        }
    }
}
