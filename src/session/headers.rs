//! What of a message's header passes by, for the record (audit.md §5): at level `metadata` the Message-ID where content is
//! read, at level `headers` who it is from and to, its date and subject, too, and remembered for the mailbox that is open.

use std::collections::HashMap;

use crate::imap::message::{Uid, UidSet};
use crate::mail;
use crate::policy::AuditLevel;

use super::Session;
use super::effect::{Effect, Held, Own};
use super::event::{HeaderFacts, ReadClass};

/// Octets of a header that are looked at.
const MOST: usize = 64 * 1024;
/// What is asked for: no more than fits into a response that is collected.
const ASKED: &[u8] = b" (UID BODY.PEEK[HEADER.FIELDS (Message-ID From To Date Subject)]<0.16384>)";
/// Messages whose headers are remembered in one session.
const REMEMBERED: usize = 2000;

impl Session {
    /// At level `headers` a record of content says what it is content of: what has not passed by, and will not, is asked for
    /// before the command goes up.
    pub(super) fn needs_headers(&self, held: &Held) -> bool {
        let Effect::Fetching(reads) = &held.effect else { return false };
        if held.audit != AuditLevel::Headers || reads.wants < ReadClass::Preview || reads.brings_header {
            return false;
        }
        match (&reads.headers_to_ask, &reads.asked) {
            (Some(lines), _) => !lines.is_empty(),
            (None, asked) => asked.as_ref().is_some_and(|asked| !self.coverage.without_header(asked).is_empty()),
        }
    }

    /// The next question for them. Where messages may be hidden it names those of the view, in lines that servers take.
    pub(super) fn next_header_question(&mut self, held: &mut Held) -> Option<Vec<u8>> {
        let Effect::Fetching(reads) = &mut held.effect else { return None };
        if reads.headers_to_ask.is_none() {
            let unseen = self.coverage.without_header(reads.asked.as_ref()?);
            let sets = match &self.view {
                Some(view) => view.spell_in_pieces(&unseen, ASKED.len().saturating_add(16)),
                None => vec![unseen.to_string()],
            };
            let lines = sets.into_iter().rev().map(|set| [b"UID FETCH ", set.as_bytes(), ASKED].concat());
            reads.headers_to_ask = Some(lines.collect());
        }
        reads.headers_to_ask.as_mut()?.pop()
    }

    /// Is this the answer to a question of ours for headers?
    pub(super) fn answers_headers(&self, text: &[u8]) -> bool {
        self.asks_headers() && memchr::memmem::find(&text.to_ascii_uppercase(), b"BODY[HEADER.FIELDS").is_some()
    }

    /// Is a question of ours for headers under way?
    pub(super) fn asks_headers(&self) -> bool {
        self.in_flight.barring().any(|entry| matches!(entry.effect, Effect::Own(Own::Headers)))
    }
}

/// The first octets of a message, up to its empty line, as they pass by.
#[derive(Default)]
pub(super) struct HeaderText {
    /// What there is of a piece that did not come at once.
    octets: Vec<u8>,
    whole: bool,
    /// What the pieces before it tell.
    told: Option<Box<HeaderFacts>>,
}

impl HeaderText {
    /// More of the piece at hand, of which as much is told as the level asks for.
    pub fn push(&mut self, octets: &[u8], level: AuditLevel) {
        if self.whole {
            return;
        }
        // Nearly always all of it is in the first read: then nothing need be kept.
        if self.octets.is_empty()
            && let Some(header) = mail::header_end(octets).and_then(|end| octets.get(..end.min(MOST)))
        {
            self.told = together(self.told.take(), facts(header, level));
            self.whole = true;
            return;
        }
        let room = MOST.saturating_sub(self.octets.len());
        let seam = self.octets.len().saturating_sub(3);
        self.octets.extend_from_slice(octets.get(..room.min(octets.len())).unwrap_or_default());
        if let Some(end) = mail::header_end(self.octets.get(seam..).unwrap_or_default()) {
            self.octets.truncate(seam.saturating_add(end));
            self.told = self.facts(level);
            self.octets.clear();
            self.whole = true;
        }
        self.whole |= self.octets.len() >= MOST;
    }

    /// Another piece of the header begins: fields that were asked for by themselves.
    pub fn begin(&mut self) {
        if !self.octets.is_empty() && !self.octets.ends_with(b"\n") {
            self.octets.extend_from_slice(b"\r\n");
        }
        self.whole = self.octets.len() >= MOST;
    }

    /// What it tells, as far as the level asks for it.
    pub fn facts(&self, level: AuditLevel) -> Option<Box<HeaderFacts>> {
        together(self.told.clone(), facts(&self.octets, level))
    }
}

impl std::fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeaderText").field("octets", &self.octets.len()).finish_non_exhaustive()
    }
}

/// What is known, and, where nothing is, what was seen since.
fn together(known: Option<Box<HeaderFacts>>, seen: Option<Box<HeaderFacts>>) -> Option<Box<HeaderFacts>> {
    match (known, seen) {
        (Some(mut known), Some(seen)) => {
            fill(&mut known, *seen, Option::or);
            Some(known)
        }
        (known, seen) => known.or(seen),
    }
}

/// What a header tells, as far as the level asks for it.
pub(super) fn facts(header: &[u8], level: AuditLevel) -> Option<Box<HeaderFacts>> {
    let mut facts = HeaderFacts::default();
    match level {
        AuditLevel::None => {}
        AuditLevel::Metadata => facts.message_id = mail::message_id(header).map(Into::into),
        AuditLevel::Headers => {
            let told = mail::told(header);
            facts.message_id = told.message_id.map(Into::into);
            facts.from = told.from.map(Into::into);
            facts.to = told.to.map(Into::into);
            facts.date = told.date.map(Into::into);
            facts.subject = told.subject.map(Into::into);
        }
    }
    (facts != HeaderFacts::default()).then(|| Box::new(facts))
}

/// The headers of messages of the open mailbox that passed by at level `headers`.
#[derive(Debug, Default)]
pub(super) struct Headers(HashMap<Uid, Box<HeaderFacts>>);

impl Headers {
    pub fn clear(&mut self) {
        self.0 = HashMap::new();
    }

    /// It was asked for, and may have no field that is told.
    pub fn note(&mut self, uid: Uid) {
        if self.0.len() < REMEMBERED {
            self.0.entry(uid).or_default();
        }
    }

    /// Of these messages, those of which nothing is known.
    pub fn unseen_of(&self, uids: &UidSet) -> UidSet {
        uids.without(&self.0.keys().copied().filter(|uid| uids.contains(*uid)).collect())
    }

    /// What is known of the message, with what has just been seen of it.
    pub fn with(&mut self, uid: Uid, seen: Option<Box<HeaderFacts>>) -> Option<Box<HeaderFacts>> {
        let Some(seen) = seen else {
            return self.0.get(&uid).filter(|known| ***known != HeaderFacts::default()).cloned();
        };
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&uid) {
            self.clear();
        }
        let known = self.0.entry(uid).or_default();
        fill(known, *seen, |known, seen| seen.or(known));
        Some(known.clone())
    }
}

/// Puts two headers of a message together, field by field.
fn fill(
    known: &mut HeaderFacts,
    seen: HeaderFacts,
    choose: fn(Option<Box<str>>, Option<Box<str>>) -> Option<Box<str>>,
) {
    let HeaderFacts { message_id, from, to, date, subject } = seen;
    let fields = [
        (&mut known.message_id, message_id),
        (&mut known.from, from),
        (&mut known.to, to),
        (&mut known.date, date),
        (&mut known.subject, subject),
    ];
    for (known, seen) in fields {
        *known = choose(known.take(), seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_at_its_empty_line_however_it_comes() {
        let mail = b"Message-ID: <a@b>\r\nSubject: x\r\n\r\nFrom: body@x\r\n";
        for cut in 0..mail.len() {
            let mut text = HeaderText::default();
            let pieces = [&mail[..cut], &mail[cut..], b"To: later@x\r\n"];
            pieces.iter().for_each(|octets| text.push(octets, AuditLevel::Headers));
            let facts = text.facts(AuditLevel::Headers).map(|facts| *facts).unwrap_or_default();
            let told = [facts.message_id, facts.subject, facts.from, facts.to].map(Option::unwrap_or_default);
            assert_eq!(told.each_ref().map(|field| &**field), ["<a@b>", "x", "", ""], "cut at {cut}");
        }
    }

    #[test]
    fn pieces_that_were_asked_for_by_themselves_add_up() {
        let (first, second) = (b"Subject: x\r\n\r\n", b"Message-ID: <a@b>\r\nSubject: y\r\n\r\n");
        for cut in 0..first.len() {
            let mut text = HeaderText::default();
            text.begin();
            [&first[..cut], &first[cut..]].iter().for_each(|octets| text.push(octets, AuditLevel::Headers));
            text.begin();
            text.push(second, AuditLevel::Headers);
            let facts = text.facts(AuditLevel::Headers).map(|facts| *facts).unwrap_or_default();
            assert_eq!((facts.message_id.as_deref(), facts.subject.as_deref()), (Some("<a@b>"), Some("x")), "{cut}");
        }
    }

    #[test]
    fn levels() {
        let header = b"Message-ID: <a@b>\r\nFrom: ann@x\r\nTo: bob@x\r\nDate: now\r\nSubject: s\r\n";
        let all = ["<a@b>", "ann@x", "bob@x", "now", "s"];
        for (level, n) in [(AuditLevel::None, 0), (AuditLevel::Metadata, 1), (AuditLevel::Headers, 5)] {
            let facts = facts(header, level).map(|facts| *facts).unwrap_or_default();
            let fields = [facts.message_id, facts.from, facts.to, facts.date, facts.subject];
            let told: Vec<&str> = fields.iter().flatten().map(|field| &**field).collect();
            assert_eq!(told, all[..n], "{level:?}");
        }
        assert!(facts(b"X: y\r\n", AuditLevel::Headers).is_none());
    }

    #[test]
    fn what_was_seen_of_a_message_adds_up_and_is_bounded() {
        let mut headers = Headers::default();
        let uid = |number| Uid::new(number).unwrap();
        let seen = |subject: Option<&str>, from: Option<&str>| {
            Some(Box::new(HeaderFacts {
                subject: subject.map(Into::into),
                from: from.map(Into::into),
                ..HeaderFacts::default()
            }))
        };
        assert_eq!(headers.with(uid(1), None), None);
        headers.with(uid(1), seen(Some("s"), None));
        assert_eq!(headers.with(uid(1), seen(None, Some("a@b"))), seen(Some("s"), Some("a@b")));
        for number in 2..=5000 {
            headers.with(uid(number), seen(Some("s"), None));
        }
        assert!(headers.0.len() <= REMEMBERED);
    }
}
