//! Flags of messages that follow each other on both sides: each line is what the one before lets expect, and no more than that is
//! compared.
//!
//! ```text
//!   * 118 FETCH (UID 3118 FLAGS (\Seen))␍␊     was relayed as * 117 FETCH (UID 3118 FLAGS (\Seen))␍␊
//!   * 119 FETCH (UID 3119                      must come now, and goes out under 118
//!                         FLAGS (\Seen))␍␊     has come before: the client knows these flags, and the line ends there
//! ```

use smallvec::SmallVec;

use crate::imap::message::Uid;
use crate::wire::number::find_either;

use super::View;

/// Text with numbers in it.
#[derive(Debug, Default)]
pub(super) struct Counting {
    text: SmallVec<[u8; 48]>,
    /// Behind the last digit of each.
    ends: SmallVec<[usize; 2]>,
}

impl Counting {
    pub fn word(mut self, word: &str) -> Self {
        self.text.extend_from_slice(word.as_bytes());
        self
    }

    pub fn number(mut self, number: u32) -> Self {
        self.text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.ends.push(self.text.len());
        self
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Each number is one more. `false`: one has a digit more than there is room for, and the text is of no use any more.
    pub fn next(&mut self) -> bool {
        self.ends.iter().all(|end| {
            let digits = self.text.get_mut(..*end).unwrap_or_default();
            for digit in digits.iter_mut().rev() {
                match digit {
                    b'0'..=b'8' => {
                        *digit = digit.saturating_add(1);
                        return true;
                    }
                    b'9' => *digit = b'0',
                    _ => return false,
                }
            }
            false
        })
    }
}

/// What comes next, and what goes out for it.
pub(super) struct Row<'b> {
    comes: Counting,
    goes: Counting,
    /// What stood behind the UID in lines of late: it ends the line, and the client knows the flags.
    seen: SmallVec<[&'b [u8]; 4]>,
}

/// How far that went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Relayed {
    pub octets: usize,
    pub messages: u32,
}

impl<'b> Row<'b> {
    /// Behind a line that was relayed: its number upstream, its UID, its number for the client and what stood behind its UID.
    /// `strips`: the client has not asked for UIDs.
    pub fn behind(seq: u32, uid: Uid, number: u32, strips: bool, items: &'b [u8]) -> Self {
        let comes = Counting::default().word("* ").number(seq).word(" FETCH (UID ").number(uid.get()).word(" ");
        let goes = Counting::default().word("* ").number(number).word(" FETCH (");
        let goes = if strips { goes } else { goes.word("UID ").number(uid.get()).word(" ") };
        Self { comes, goes, seen: SmallVec::from_slice(&[items]) }
    }

    /// Relays what follows, as far as it is that: at most so many lines.
    pub fn relay(&mut self, bytes: &'b [u8], most: u32, view: &View, out: &mut Vec<u8>) -> Relayed {
        let mut relayed = Relayed::default();
        while relayed.messages < most && self.comes.next() && self.goes.next() {
            let rest = bytes.get(relayed.octets..).unwrap_or_default();
            let Some(rest) = rest.strip_prefix(&*self.comes.text) else { break };
            let Some(items) = self.items(rest, view) else { break };
            out.extend_from_slice(&self.goes.text);
            out.extend_from_slice(items);
            relayed.octets = relayed.octets.saturating_add(self.comes.text.len()).saturating_add(items.len());
            relayed.messages = relayed.messages.saturating_add(1);
        }
        relayed
    }

    /// The rest of the line.
    fn items(&mut self, rest: &'b [u8], view: &View) -> Option<&'b [u8]> {
        if let Some(seen) = self.seen.iter().find(|seen| rest.starts_with(seen)) {
            return rest.get(..seen.len());
        }
        let list = rest.strip_prefix(b"FLAGS (")?;
        let end = find_either(b')', b'\n', list)?;
        list.get(end..)?.strip_prefix(b"))\r\n").filter(|_| view.knows_flags(list.get(..end).unwrap_or_default()))?;
        let items = rest.get(..end.saturating_add(b"FLAGS (".len()).saturating_add(b"))\r\n".len()))?;
        if self.seen.len() < self.seen.inline_size() {
            self.seen.push(items);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(strips: bool, lines: &str, most: u32) -> (String, Relayed) {
        let view = View { flags: vec![b"$known".as_slice().into()], ..View::default() };
        let mut row = Row::behind(97, Uid::new(3_997).unwrap(), 88, strips, b"FLAGS ())\r\n");
        let mut out = Vec::new();
        let relayed = row.relay(lines.as_bytes(), most, &view, &mut out);
        (String::from_utf8(out).unwrap(), relayed)
    }

    #[test]
    fn lines_that_follow() {
        let line = |number: u32, uid: u32, flags: &str| format!("* {number} FETCH (UID {uid} FLAGS ({flags}))\r\n");
        let two = line(98, 3_998, "") + &line(99, 3_999, "\\Seen $known");
        let one = line(98, 3_998, "");
        let rows: [(&str, String, u32, u32); 13] = [
            ("flags known and new ones", two.clone(), 9, 2),
            ("no more than asked for", two.clone(), 1, 1),
            ("a digit more", two.clone() + &line(100, 4_000, ""), 9, 2),
            ("another number", one.clone() + &line(100, 3_999, ""), 9, 1),
            ("another UID", one.clone() + &line(99, 4_000, ""), 9, 1),
            ("a keyword nobody told", one.clone() + &line(99, 3_999, "$other"), 9, 1),
            ("another item", one.clone() + "* 99 FETCH (UID 3999 FLAGS () MODSEQ (9))\r\n", 9, 1),
            ("an item before", one.clone() + "* 99 FETCH (MODSEQ (9) UID 3999 FLAGS ())\r\n", 9, 1),
            ("something else", one.clone() + "* 5 EXPUNGE\r\n", 9, 1),
            ("a line that has not ended", one.clone() + "* 99 FETCH (UID 3999 FLAGS ())\r", 9, 1),
            ("flags that have not ended", one.clone() + "* 99 FETCH (UID 3999 FLAGS (\\Se", 9, 1),
            ("nothing", String::new(), 9, 0),
            ("a blank in a list", one.clone() + &line(99, 3_999, "a\r\nb"), 9, 1),
        ];
        for (name, text, most, want) in rows {
            let (heard, relayed) = relay(false, &text, most);
            assert_eq!(relayed.messages, want, "{name}");
            let lines: Vec<&str> = text.split_inclusive("\r\n").take(want as usize).collect();
            assert_eq!(relayed.octets, lines.concat().len(), "{name}");
            let wanted = lines.concat().replace("* 98 ", "* 89 ").replace("* 99 ", "* 90 ");
            assert_eq!(heard, wanted, "{name}");
            let (heard, _) = relay(true, &text, most);
            assert_eq!(heard, wanted.replace("UID 3998 ", "").replace("UID 3999 ", ""), "{name}, without UIDs");
        }
    }
}
