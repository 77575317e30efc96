//! Sessions by number, in a few octets each: a year's log has millions.

use std::collections::HashMap;

use super::names::Names;
use crate::audit::Line;

/// What is known of a session.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    sid: u64,
    /// Number of its user.
    pub user: u32,
    /// Number of its address.
    pub ip: u32,
    /// Number of what its program said of itself.
    pub client: u32,
    /// Was content of a message delivered in it?
    pub read: bool,
}

/// All sessions of which something was asked.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Of those that are open.
    numbers: HashMap<u64, u32>,
    all: Vec<Session>,
    /// Ids that are not of our form.
    others: Names,
}

/// The digits of session ids (base32 without what could be mistaken).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a session id.
const LENGTH: usize = 12;
/// Marks the number of an id that is not of our form.
const OTHER: u64 = 1 << 63;

impl Sessions {
    /// The number of a record's session.
    pub fn number(&mut self, line: &Line<'_>, user: u32, ip: u32, client: u32) -> u32 {
        let sid = self.pack(line.sid.as_ref().map_or("", |sid| sid.as_str()));
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(sid).or_insert(next);
        if number == next {
            self.all.push(Session { sid, user, ip, client, read: false });
        } else if let Some(session) = usize::try_from(number).ok().and_then(|at| self.all.get_mut(at)) {
            session.client = client;
        }
        number
    }

    /// It is over: no record of it comes any more.
    pub fn forget(&mut self, line: &Line<'_>) {
        let sid = self.pack(line.sid.as_ref().map_or("", |sid| sid.as_str()));
        self.numbers.remove(&sid);
    }

    /// Notes that content was delivered.
    pub fn has_read(&mut self, number: u32) {
        if let Some(session) = usize::try_from(number).ok().and_then(|at| self.all.get_mut(at)) {
            session.read = true;
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<Session> {
        usize::try_from(number).ok().and_then(|at| self.all.get(at)).copied()
    }

    /// In how many was content delivered?
    pub fn reading(&self) -> impl Iterator<Item = &Session> {
        self.all.iter().filter(|session| session.read)
    }

    /// The id of a session.
    #[must_use]
    pub fn id(&self, session: Session) -> String {
        if session.sid & OTHER != 0 {
            return self.others.text(u32::try_from(session.sid & !OTHER).unwrap_or(u32::MAX)).to_owned();
        }
        let digit = |at: usize| {
            let bits = session.sid >> (5 * (LENGTH - 1 - at)) & 31;
            usize::try_from(bits).ok().and_then(|at| DIGITS.get(at)).map_or('?', |digit| char::from(*digit))
        };
        (0..LENGTH).map(digit).collect()
    }

    fn pack(&mut self, sid: &str) -> u64 {
        let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).map(|at| at as u64);
        let packed = sid.bytes().try_fold(0_u64, |packed, byte| Some(packed << 5 | digit(byte)?));
        packed.filter(|_| sid.len() == LENGTH).unwrap_or_else(|| OTHER | u64::from(self.others.number(sid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive() {
        let mut sessions = Sessions::default();
        let line = |sid: &str| {
            format!(
                r#"{{"v":1,"seq":1,"prev":"x","log":"l","node":"n","ts":"t","type":"x","code":"AA100I","sid":"{sid}"}}"#
            )
        };
        for (at, sid) in
            ["4c2q8m0v7x1t", "000000000000", "zzzzzzzzzzzz", "short", "UPPERCASE123", ""].iter().enumerate()
        {
            let text = line(sid);
            let record = Line::parse(text.as_bytes()).expect("a record");
            let number = sessions.number(&record, 1, 2, 3);
            assert_eq!(number, u32::try_from(at).expect("few"));
            assert_eq!(sessions.number(&record, 1, 2, 4), number, "once a session");
            let session = sessions.get(number).expect("it is there");
            assert_eq!((sessions.id(session), session.client), ((*sid).to_owned(), 4));
        }
        let text = line("4c2q8m0v7x1t");
        let record = Line::parse(text.as_bytes()).expect("a record");
        sessions.forget(&record);
        assert_eq!(sessions.number(&record, 1, 2, 3), 6, "it was over");
    }
}
