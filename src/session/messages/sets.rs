//! Which messages does a client mean? And how is that said upstream?
//!
//! ```text
//!   FETCH 2:*      numbers of the view     ─▶  UIDs of those that are there  ─▶  13,15:20
//!   UID FETCH 1:*  UIDs that it may know   ─▶  the same                          a line of at most 8,000 octets each
//!   FETCH $        what was saved
//! ```
//!
//! Numbers and `*` never go up: they mean something else there, or will when the command arrives.

use crate::imap::message::{SeqSet, Uid, UidSet};

use super::View;

/// Octets of a line that every server takes (RFC 7162 §4, RFC 2683 §3.2.1.5).
pub(super) const LINE: usize = 8_000;

/// Octets of a line that most servers take: for a FETCH of which sizes are asked first.
pub(super) const LONG_LINE: usize = 60_000;

/// Names a number that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct NoSuchNumber;

impl View {
    /// The messages of a set that are there.
    pub fn meant(&self, set: &SeqSet, by_uid: bool) -> Result<UidSet, NoSuchNumber> {
        let visible = || self.messages.visible();
        if *set == SeqSet::Saved {
            return Ok(self.saved.intersect(&visible()));
        }
        if by_uid {
            // In an empty mailbox `*` is no message, and `7:*` none either.
            let last = self.messages.last_told().map_or(0, Uid::get);
            return Ok(set.resolve(last).unwrap_or_default().intersect(&visible()));
        }
        let count = self.messages.client_count();
        if count == 0 || set.largest_number().is_some_and(|largest| largest > count) {
            return Err(NoSuchNumber);
        }
        Ok(self.messages.uids_of(&set.resolve(count).unwrap_or_default()))
    }

    /// Are hidden messages in a set, of which these are visible? Numbers are of what the client knows.
    pub fn names_hidden(&self, set: &SeqSet, by_uid: bool, visible: &UidSet) -> bool {
        let last = self.messages.last_told().map_or(0, Uid::get);
        let said = match set {
            SeqSet::Saved => self.saved.clone(),
            SeqSet::Ranges(_) if by_uid => set.resolve(last).unwrap_or_default(),
            SeqSet::Ranges(_) => return false,
        };
        said.len() > visible.len() && self.hides_some_of(&said)
    }

    /// Are some of these hidden?
    pub fn hides_some_of(&self, uids: &UidSet) -> bool {
        !self.messages.hidden().intersect(uids).is_empty()
    }

    /// `set` in as few ranges as hold nothing else.
    pub fn spell(&self, set: &UidSet) -> String {
        spell(&self.messages.stretches(set))
    }

    /// The same in pieces that leave so much room in a line.
    pub fn spell_in_pieces(&self, set: &UidSet, taken: usize) -> Vec<String> {
        pieces(&self.messages.stretches(set), LINE.saturating_sub(taken).max(LINE / 4))
    }
}

/// A set of UIDs, in pieces for lines that servers take, of which so many octets are taken.
pub(in crate::session) fn set_in_pieces(set: &UidSet, taken: usize) -> Vec<String> {
    pieces(&set.runs().collect::<Vec<_>>(), LINE.saturating_sub(taken).max(LINE / 4))
}

fn spell(stretches: &[(Uid, Uid)]) -> String {
    pieces(stretches, usize::MAX).pop().unwrap_or_default()
}

fn pieces(stretches: &[(Uid, Uid)], room: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (first, last) in stretches {
        let one = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match pieces.last_mut() {
            Some(piece) if piece.len().saturating_add(one.len()) < room => {
                piece.push(',');
                piece.push_str(&one);
            }
            _ => pieces.push(one),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::messages::Standing;
    use crate::wire::command::{Args, Command, Utf8Mode};

    fn view() -> View {
        let mut view = View::default();
        let rows = [(11, Standing::Visible), (12, Standing::Hidden), (15, Standing::Visible), (20, Standing::Visible)];
        for (uid, standing) in rows {
            view.messages.push(Uid::new(uid).unwrap(), standing);
        }
        view.messages.lose(Uid::new(20).unwrap());
        view.saved = [11, 12, 20].into_iter().filter_map(Uid::new).collect();
        view
    }

    #[test]
    fn what_a_set_means() {
        // 11 and 15 are visible as 1 and 2, 12 is hidden, 20 is gone and still number 3.
        let rows = [
            ("numbers", "FETCH 1:2 FLAGS", Some("11,15")),
            ("to the end, which is gone", "FETCH 2:* FLAGS", Some("15")),
            ("the last, which is gone", "FETCH * FLAGS", Some("")),
            ("beyond the end", "FETCH 1,4 FLAGS", None),
            ("UIDs", "UID FETCH 1:* FLAGS", Some("11,15")),
            ("hidden and absent UIDs alike", "UID FETCH 12:14 FLAGS", Some("")),
            ("from beyond the end", "UID FETCH 99:* FLAGS", Some("")),
            ("what was saved", "FETCH $ FLAGS", Some("11")),
            ("what was saved, by UID", "UID FETCH $ FLAGS", Some("11")),
        ];
        let view = view();
        for (name, text, want) in rows {
            let frame = format!("a {text}\r\n");
            let command = Command::parse(frame.as_bytes(), Utf8Mode::Off).unwrap();
            let Args::Fetch(fetch) = &command.args else { panic!("{name}") };
            let meant = view.meant(&fetch.set.set, command.verb.is_uid_form());
            assert_eq!(meant.ok().map(|set| set.to_string()).as_deref(), want, "{name}");
        }
        let empty = View::default();
        let all = SeqSet::Ranges(vec![]);
        assert_eq!(empty.meant(&all, false), Err(NoSuchNumber));
    }

    #[test]
    fn a_long_set_goes_in_pieces() {
        let stretches: Vec<_> = (1..=9).map(|n| (Uid::new(n * 10).unwrap(), Uid::new(n * 10 + 1).unwrap())).collect();
        let whole = spell(&stretches);
        assert_eq!(whole, "10:11,20:21,30:31,40:41,50:51,60:61,70:71,80:81,90:91");
        let pieces = pieces(&stretches, 20);
        assert!(pieces.iter().all(|piece| piece.len() < 20), "{pieces:?}");
        assert_eq!(pieces.join(","), whole);
    }
}
