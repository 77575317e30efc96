//! Which messages of a mailbox do rules hide?
//!
//! ```text
//!   EXAMINE ─▶ FETCH 1:500 (UID FLAGS …) ─▶ UID SEARCH of what only the server knows ─▶ the rules' own judge ─▶ Mail
//! ```
//!
//! Asked for is what sessions ask for, by PEEK: nothing is marked as read.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::house::Row;
use crate::imap::message::{Uid, UidSet};
use crate::net::{Visit, VisitError};
use crate::policy::{Judgement, MessageFilter, Mode, UpstreamSearch};
use crate::session::facts::{self, Seen};
use crate::wire::encode;
use crate::wire::mailbox::Utf8Mode;
use crate::wire::response::{Head, Numbered, head, number};

/// Messages that are looked at together: what is said of them is one answer.
const AT_ONCE: u32 = 500;

/// How many messages there are, and what rules do to them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// All that the server has.
    pub messages: u64,
    /// Those that do not exist for this client.
    pub hidden: u64,
    /// UIDVALIDITY of the mailbox.
    pub uidvalidity: Option<u32>,
    /// Which each rule hides, also those that hide none.
    pub by: BTreeMap<Arc<str>, UidSet>,
    /// Which each rule in shadow would hide.
    pub shadow: BTreeMap<Arc<str>, UidSet>,
}

impl Mail {
    /// Of a mailbox that is there. `None`: it cannot be opened.
    pub(super) async fn look(
        visit: &mut Visit,
        row: &Row,
        filter: &MessageFilter,
        at: Timestamp,
    ) -> Result<Option<Self>, VisitError> {
        let mut command = b"EXAMINE ".to_vec();
        encode::astring(&mut command, row.octets(), Utf8Mode::Off, false);
        let told = match visit.run(&command).await {
            Ok(told) => told,
            Err(VisitError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut mail = Self::default();
        for rule in filter.rules() {
            let counts = if rule.mode == Mode::Enforce { &mut mail.by } else { &mut mail.shadow };
            counts.insert(Arc::clone(&rule.id), UidSet::new());
        }
        mail.uidvalidity = told.iter().find_map(|line| uidvalidity(line));
        let (mut next, mut exists) = (1u32, 0);
        follow(&told, &mut next, &mut exists);
        while next <= exists {
            let last = exists.min(next.saturating_add(AT_ONCE - 1));
            let told = visit.run(format!("FETCH {next}:{last} {}", facts::items(filter.needs())).as_bytes()).await?;
            next = last.saturating_add(1);
            follow(&told, &mut next, &mut exists);
            let seen: Vec<Seen> = told.iter().filter_map(|line| read(line)).collect();
            let mut found = Vec::new();
            for search in filter.searches() {
                let uids: UidSet = seen.iter().filter_map(|seen| seen.uid).collect();
                found.push(mail.ask(visit, search, &uids, &mut next, &mut exists).await?);
            }
            seen.iter().for_each(|seen| mail.count(seen, &found, filter, at));
        }
        Ok(Some(mail))
    }

    /// Which of them the server finds. `None`: it does not answer, and then they are hidden.
    async fn ask(
        &self,
        visit: &mut Visit,
        search: &UpstreamSearch,
        uids: &UidSet,
        next: &mut u32,
        exists: &mut u32,
    ) -> Result<Option<UidSet>, VisitError> {
        let Some((first, last)) = uids.first().zip(uids.last()) else { return Ok(Some(UidSet::new())) };
        let charset = if search.is_utf8 { "CHARSET UTF-8 " } else { "" };
        let mut pieces: Vec<Vec<u8>> = search.pieces.iter().map(|piece| piece.to_vec()).collect();
        if let Some(piece) = pieces.first_mut() {
            *piece = [format!("UID SEARCH {charset}UID {first}:{last} ").as_bytes(), piece].concat();
        }
        match visit.run_in_pieces(&pieces).await {
            Ok(told) => {
                follow(&told, next, exists);
                Ok(Some(told.iter().flat_map(|line| found(line)).collect()))
            }
            Err(VisitError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, seen: &Seen, found: &[Option<UidSet>], filter: &MessageFilter, at: Timestamp) {
        let Some(uid) = seen.uid else { return };
        let found: Vec<Option<bool>> = found.iter().map(|set| set.as_ref().map(|set| set.contains(uid))).collect();
        let Judgement { hidden, by, shadow } = filter.judge(&seen.facts(uid, &found), at);
        self.messages = self.messages.saturating_add(1);
        self.hidden = self.hidden.saturating_add(u64::from(hidden));
        for (numbers, uids) in [(by, &mut self.by), (shadow, &mut self.shadow)] {
            for rule in numbers.iter().filter_map(|number| filter.rules().get(usize::from(*number))) {
                uids.entry(Arc::clone(&rule.id)).or_default().insert(uid);
            }
        }
    }
}

/// How many there are, and which is the next one: others may remove some meanwhile.
fn follow(told: &[Vec<u8>], next: &mut u32, exists: &mut u32) {
    for line in told {
        match head(line) {
            Head::Number { number, what: Numbered::Exists, .. } => *exists = u32::try_from(number).unwrap_or(u32::MAX),
            Head::Number { number, what: Numbered::Expunge, .. } => {
                *exists = exists.saturating_sub(1);
                if number < u64::from(*next) {
                    *next = next.saturating_sub(1).max(1);
                }
            }
            _ => {}
        }
    }
}

fn read(line: &[u8]) -> Option<Seen> {
    match head(line) {
        Head::Number { what: Numbered::Fetch, rest, .. } => Some(facts::read(line, rest)),
        _ => None,
    }
}

/// `* SEARCH 3 5`
fn found(line: &[u8]) -> Vec<Uid> {
    let words = line.trim_ascii_end().split(|octet| *octet == b' ');
    match line.get(..8) {
        Some(word) if word.eq_ignore_ascii_case(b"* SEARCH") => {
            words.filter_map(|word| Uid::new(u32::try_from(number(word)?).ok()?)).collect()
        }
        _ => Vec::new(),
    }
}

/// `* OK [UIDVALIDITY 7]`
fn uidvalidity(line: &[u8]) -> Option<u32> {
    let code = memchr::memmem::find(line, b"[UIDVALIDITY ")?;
    let digits = line.get(code.checked_add(13)?..)?.split(|octet| *octet == b']').next()?;
    u32::try_from(number(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_followed() {
        let rows: [(&str, &[&[u8]], (u32, u32)); 5] = [
            ("opened", &[b"* 12 EXISTS\r\n", b"* 0 RECENT\r\n"], (6, 12)),
            ("one of those behind goes", &[b"* 7 EXPUNGE\r\n"], (6, 9)),
            ("one of those that were looked at goes", &[b"* 2 EXPUNGE\r\n"], (5, 9)),
            ("more come", &[b"* 5 EXPUNGE\r\n", b"* 30 EXISTS\r\n"], (5, 30)),
            ("a number that does not fit", &[b"* 99999999999999999999 EXISTS\r\n"], (6, u32::MAX)),
        ];
        for (name, told, expected) in rows {
            let told: Vec<Vec<u8>> = told.iter().map(|line| line.to_vec()).collect();
            let (mut next, mut exists) = (6, 10);
            follow(&told, &mut next, &mut exists);
            assert_eq!((next, exists), expected, "{name}");
        }
    }

    #[test]
    fn words_of_the_server() {
        assert_eq!(uidvalidity(b"* OK [UIDVALIDITY 1700000001] UIDs valid\r\n"), Some(1_700_000_001));
        assert_eq!(uidvalidity(b"* OK [UIDNEXT 7] next\r\n"), None);
        let uids = |line: &[u8]| found(line).into_iter().map(Uid::get).collect::<Vec<_>>();
        assert_eq!(uids(b"* SEARCH 3 5 4294967295\r\n"), [3, 5, u32::MAX]);
        assert_eq!(uids(b"* search\r\n"), [0; 0]);
        assert_eq!(uids(b"* 3 EXISTS\r\n"), [0; 0]);
    }
}
