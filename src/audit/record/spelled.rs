//! Lines as far as they can be spelled before it is their turn: all but their number, the hash of the line before, and the time.
//!
//! ```text
//!   session:  event ─▶ "type":"message.read", … }          by itself, while others write
//!   writer:   {"v":1,"seq":3,"prev":"…", … ,"ts":"…", + that + \n
//! ```

use super::super::chain::Position;
use super::super::hashing::Hashing;
use super::super::json::Object;
use super::super::stamp::Stamp;
use super::{LogName, MAX_LINE, Progress, SCHEMA, rest};
use crate::session::event::Event;

/// Octets of what is written before these, at most.
pub(super) const HEAD: usize = 1024;

/// Lines that have no place yet, in order.
#[derive(Debug, Default)]
pub struct Spelled {
    text: Vec<u8>,
    lines: Vec<Sort>,
}

/// What a line is.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// The type of its event.
    pub type_name: &'static str,
    /// The first two letters of its code.
    pub area: &'static str,
    /// Octets of what is spelled of it.
    len: usize,
}

impl Spelled {
    /// Spells an event behind what is there. `intent` is the number of the record that announced it.
    pub fn add(&mut self, event: &Event, intent: Option<u64>, hashing: Option<&Hashing>) {
        let (type_name, area) = (event.kind.type_name(), event.kind.area());
        let mut progress = Progress::default();
        loop {
            let start = self.text.len();
            let more = rest(event, hashing, intent, &mut progress, &mut self.text);
            self.lines.push(Sort { type_name, area, len: self.text.len().saturating_sub(start) });
            if !more {
                return;
            }
        }
    }

    /// How many lines that are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Octets of memory that it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
    }

    /// The lines and what they are.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], Sort)> {
        let mut from = 0_usize;
        self.lines.iter().map(move |sort| {
            let to = from.saturating_add(sort.len);
            let line = self.text.get(from..to).unwrap_or_default();
            from = to;
            (line, *sort)
        })
    }

    /// What the lines are.
    pub fn sorts(&self) -> impl Iterator<Item = Sort> {
        self.lines.iter().copied()
    }

    /// Puts others behind them.
    pub fn append(&mut self, others: &Self) {
        self.text.extend_from_slice(&others.text);
        self.lines.extend_from_slice(&others.lines);
    }

    /// Moves the first `n` of them to `into`, which is empty.
    pub fn take_front(&mut self, n: usize, into: &mut Self) {
        if n >= self.lines.len() {
            return std::mem::swap(self, into);
        }
        into.lines.extend(self.lines.drain(..n));
        let octets = into.lines.iter().map(|sort| sort.len).sum::<usize>().min(self.text.len());
        into.text.extend(self.text.drain(..octets));
    }
}

/// Writes a line where it belongs, and moves `position` behind it.
pub fn place(line: &[u8], at: &Stamp, name: &LogName, position: &mut Position, out: &mut Vec<u8>) {
    let start = out.len();
    let mut head = Object::open(out);
    head.number("v", SCHEMA);
    head.number("seq", position.next_seq);
    let prev = head.key("prev");
    prev.push(b'"');
    position.prev.write(prev);
    prev.push(b'"');
    head.text("log", &name.log, 10);
    head.text("node", &name.node, 63);
    head.word("ts", at.as_str());
    out.push(b',');
    debug_assert!(out.len() - start <= HEAD, "a head of {} octets", out.len() - start);
    out.extend_from_slice(line);
    *position = position.after(out.get(start..).unwrap_or_default());
    out.push(b'\n');
    debug_assert!(out.len() - start <= MAX_LINE, "a line of {} octets", out.len() - start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::EventKind;

    #[test]
    fn lines_keep_their_order_whoever_takes_some_of_them() {
        let event = |open| Event::of_proxy(EventKind::ProxyDrain { open, window_s: 1 });
        let mut queue = Spelled::default();
        for open in 1..4 {
            let mut one = Spelled::default();
            one.add(&event(open), None, None);
            queue.append(&one);
        }
        let said = |spelled: &Spelled| spelled.lines().map(|(line, _)| line.to_vec()).collect::<Vec<_>>();
        let all = said(&queue);
        let (mut first, mut others) = (Spelled::default(), Spelled::default());
        queue.take_front(1, &mut first);
        assert_eq!((said(&first), said(&queue)), (all[..1].to_vec(), all[1..].to_vec()));
        queue.take_front(2, &mut others);
        assert_eq!((said(&others), queue.is_empty()), (all[1..].to_vec(), true));
    }
}
