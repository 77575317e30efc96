//! A FETCH response under the client's number.
//!
//! ```text
//!   * 3 FETCH (UID 13 FLAGS (\Seen))     upstream
//!   * 2 FETCH (FLAGS (\Seen))            client, that asked by number and not for UIDs
//! ```
//!
//! Which message it is about is known by the upstream's number and by the UID, and both must agree: literals stream through,
//! so what has begun under a wrong number could not be taken back.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;

use crate::imap::message::{Flag, Uid};
use crate::view::messages::{Message, Standing};
use crate::wire::fetch::{FetchEvent, FetchScan, ItemKind};

use super::super::ClientMode;
use super::super::by_the_thousand::uid_of;
use super::super::effect::{Effect, Own};
use super::super::event::FilteredResponse;
use super::super::response_path::Flow;
use super::Look;
use super::facts;
use super::left_out::{left_out, mod_seq_at, moved};
use super::responses::UidCheck;
use super::{Session, View};

/// What the first line of a FETCH response says.
#[derive(Debug, Default)]
struct First {
    uid: Option<Uid>,
    /// Where its UID stands.
    uid_at: Option<Range<usize>>,
    /// Where the list of its flags stands, without parentheses.
    flags: Option<Range<usize>>,
    /// Where its mod-sequence stands.
    mod_seq: Option<Range<usize>>,
    /// Does it say anything else?
    says_more: bool,
    /// And that is no flags?
    tells_of_message: bool,
    scan: FetchScan,
}

impl First {
    fn read(text: &[u8], literal: Option<u64>) -> Self {
        let mut first = Self::default();
        let mut scan = FetchScan::default();
        scan.fragment(text, literal, |event| match event {
            FetchEvent::Uid { uid, at, len } => {
                first.uid = uid_of(uid);
                first.uid_at = Some(at..at.saturating_add(len));
            }
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Flags => match mod_seq_at(text, at) {
                Some(span) => first.mod_seq = Some(span),
                None => {
                    first.flags = first.flags.take().or_else(|| list_of_flags(text, at));
                    first.says_more = true;
                }
            },
            _ => (first.says_more, first.tells_of_message) = (true, true),
        });
        first.scan = scan;
        first
    }
}

/// What stands in the `FLAGS (…)` of a FETCH response, from behind the word FETCH to its first literal.
pub(in crate::session) fn flags_told(text: &[u8]) -> Option<&[u8]> {
    let line = text.get(..memchr::memchr(b'\n', text).map_or(text.len(), |end| end.saturating_add(1)))?;
    text.get(First::read(line, None).flags?)
}

/// What stands in `FLAGS (…)`; MODSEQ is none.
fn list_of_flags(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    if !rest.get(..5)?.eq_ignore_ascii_case(b"FLAGS") {
        return None;
    }
    let open = memchr::memchr(b'(', rest)?.saturating_add(1);
    let close = memchr::memchr(b')', rest)?;
    (open <= close).then(|| at.saturating_add(open)..at.saturating_add(close))
}

impl Session {
    pub(super) fn on_guarded_fetch(
        &mut self,
        number: u32,
        rest: usize,
        line: &[u8],
        literal: Option<u64>,
        now: Instant,
    ) -> (Option<u64>, Flow) {
        let text = line.get(rest..).unwrap_or_default();
        let adopting = self.view.as_ref().is_some_and(|view| view.adopting);
        match self.looking() {
            None | Some(Look::Peek | Look::Mark) => {}
            // Numbers pass still, and so do news: what was asked comes in no FETCH.
            Some(Look::All | Look::Recent | Look::Sync) if adopting && literal.is_none() => {
                return (literal, self.leave_out_mod_seq(text, rest, literal));
            }
            Some(_) => return (literal, Flow::Collect),
        }
        if self
            .in_flight
            .barring()
            .any(|entry| matches!(entry.effect, Effect::Own(Own::Sizes | Own::Uids | Own::Lengths)))
        {
            self.answers_own_fetch(u64::from(number), text);
            return (literal, Flow::Drop);
        }
        if let Some(flow) = self.route_structure(text) {
            return (literal, flow);
        }
        let first = First::read(text, literal);
        let Some(view) = &mut self.view else { return (literal, Flow::Drop) };
        let Some(message) = view.messages.by_upstream(number) else {
            // It has come and nobody has been told; or it is no number at all.
            let known = view.messages.upstream_count().saturating_add(view.pending);
            if number == 0 || number > known {
                self.numbers_fault(now);
            }
            return (literal, Flow::Drop);
        };
        if first.uid.is_some_and(|uid| uid != message.uid) {
            self.numbers_fault(now);
            return (literal, Flow::Drop);
        }
        let Some(client_number) = message.number.filter(|_| message.standing == Standing::Visible) else {
            view.judge_again(message);
            return (literal, Flow::Drop);
        };
        if self.answers_headers(text) {
            return (literal, Flow::Collect);
        }
        let answer = self.answered_by(message.uid);
        if !first.says_more && answer.is_none_or(|(serial, _)| self.reads_of(serial).is_none()) {
            // A mod-sequence alone, as STORE has it even where it is to be silent (RFC 7162 §3.1.3).
            return (literal, Flow::Drop);
        }
        if answer.is_none() && self.withholds_news(message, &first) {
            self.pause_idle();
            return (literal, Flow::Drop);
        }
        if answer.is_none() && first.tells_of_message {
            // Content that nobody asked for is nobody's.
            return (literal, Flow::Drop);
        }
        if let (Some(view), Some(flags)) = (&mut self.view, &first.flags) {
            let list = text.get(flags.clone()).unwrap_or_default();
            view.tell_keywords(list, self.out.client());
        }
        let strip = answer.is_some_and(|(_, strip)| strip);
        self.relay_fetch(client_number, message, first, answer.map(|(serial, _)| serial), strip, rest, line, literal)
    }

    /// What an answer to a question of ours for headers says beside them; and which message it is about, where that is known.
    pub(in crate::session) fn learn_beside_header(&mut self, number: u32, response: &[u8], rest: usize) -> Option<Uid> {
        let view = self.view.as_mut()?;
        view.news_of(number, facts::read(response, rest).flags);
        view.messages.by_upstream(number).map(|message| message.uid)
    }

    /// The command of the client's that this message answers, and whether its UID was not asked for.
    fn answered_by(&self, uid: Uid) -> Option<(u32, bool)> {
        self.in_flight.iter().find_map(|entry| {
            let asked = match &entry.effect {
                Effect::Fetching(reads) => reads.asked.as_ref(),
                Effect::Storing { uids, .. } => uids.as_ref(),
                _ => None,
            };
            asked?.contains(uid).then_some((entry.serial, entry.parts.by_number))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "all that a response consists of")]
    fn relay_fetch(
        &mut self,
        client_number: u32,
        message: Message,
        first: First,
        serial: Option<u32>,
        strip: bool,
        rest: usize,
        line: &[u8],
        literal: Option<u64>,
    ) -> (Option<u64>, Flow) {
        let text = line.get(rest..).unwrap_or_default();
        // It is counted with the FETCH that asked for it; STORE and news are no reads.
        let reading = serial.filter(|serial| self.reads_of(*serial).is_some());
        if reading.is_some() {
            self.reading.fetch = self.begin_fetch_response(u64::from(client_number), false, text, literal);
        }
        let mut edits = match self.reading.fetch.and_then(|serial| self.reads_of(serial)) {
            Some(reads) => super::super::response_path::borrowed(reads.take_edits(), rest),
            None => Vec::new(),
        };
        if let Some(serial) = self.reading.fetch
            && !self.admits_response(serial, line.len(), literal)
        {
            self.reading.fetch = None;
            return (literal, Flow::Drop);
        }
        edits.push((0..rest, Cow::Owned(format!("* {client_number} FETCH"))));
        if let Some(view) = &self.view {
            edits.extend(view.recent_edit(message.uid, text, first.flags.as_ref(), rest));
        }
        let left_out = left_out(text, [first.uid_at.clone().filter(|_| strip), first.mod_seq.clone()]);
        edits.extend(left_out.into_iter().map(|span| (moved(&span, rest), Cow::Borrowed(""))));
        self.reading.edits = edits;
        self.reading.uid_check = literal.map(|_| UidCheck { scan: first.scan, uid: Some(Some(message.uid)), strip });
        (literal, Flow::Pass)
    }

    /// A relayed response goes on behind a literal. `false`: it is about another message than it began with.
    pub(in crate::session) fn check_fragment(&mut self, line: &[u8], literal: Option<u64>, now: Instant) -> bool {
        let Some(check) = &mut self.reading.uid_check else { return true };
        let (mut same, mut found, mut mod_seq, mut flags) = (true, None, None, None);
        let mut scan = std::mem::take(&mut check.scan);
        scan.fragment(line, literal, |event| match event {
            FetchEvent::Uid { uid, at, len } => {
                same &= check.uid.is_none_or(|expected| uid_of(uid) == expected);
                found = Some(at..at.saturating_add(len));
            }
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Flags => match mod_seq_at(line, at) {
                Some(span) => mod_seq = Some(span),
                None => flags = flags.take().or_else(|| list_of_flags(line, at)),
            },
            _ => {}
        });
        check.scan = scan;
        if let (Some(view), Some(Some(uid))) = (&self.view, check.uid) {
            self.reading.edits.extend(view.recent_edit(uid, line, flags.as_ref(), 0));
        }
        let left_out = left_out(line, [found.filter(|_| check.strip), mod_seq]);
        self.reading.edits.extend(left_out.into_iter().map(|span| (span, Cow::Borrowed(""))));
        if !same {
            self.end_filtered(FilteredResponse::Fetch, now);
        }
        same
    }

    /// Flags changed by which rules may go: the client hears of it when it has been judged again.
    fn withholds_news(&mut self, message: Message, first: &First) -> bool {
        let Some(view) = &mut self.view else { return true };
        let by_flags = view.filter.as_ref().is_some_and(|filter| filter.needs().flags);
        if by_flags && first.flags.is_some() {
            view.again.insert(message.uid);
            view.news.insert(message.uid);
        }
        by_flags
    }

    /// After a STORE of the client's: what it changed may hide what it changed.
    pub(in crate::session) fn judge_stored(&mut self, effect: &Effect) {
        let (Effect::Storing { uids: Some(uids), flags, .. }, Some(view)) = (effect, &mut self.view) else { return };
        if view.filter.as_ref().is_some_and(|filter| filter.needs().flags) {
            for (first, last) in uids.runs() {
                view.again.insert_run(first, last);
            }
        }
        let words: Vec<String> =
            flags.iter().filter(|flag| matches!(flag, Flag::Keyword(_))).map(ToString::to_string).collect();
        view.tell_keywords(words.join(" ").as_bytes(), self.out.client());
    }
}

impl View {
    /// Flags of a message changed of which the client does not hear: does that hide it? Says whether rules go by flags.
    pub fn judge_again(&mut self, message: Message) -> bool {
        let by_flags = self.filter.as_ref().is_some_and(|filter| filter.needs().flags);
        if by_flags && matches!(message.standing, Standing::Visible | Standing::New) {
            self.again.insert(message.uid);
        }
        by_flags
    }

    /// Flags of a message changed while the proxy asked for something: the client hears of it at the next moment at which it
    /// may, where rules go by flags once it has been judged again.
    pub fn news_of(&mut self, number: u32, flags: Option<Vec<Flag>>) {
        let Some(message) = self.messages.by_upstream(number) else { return };
        let (by_flags, visible) = (self.judge_again(message), message.standing == Standing::Visible);
        match flags {
            Some(_) if by_flags && visible => drop(self.news.insert(message.uid)),
            Some(flags) if visible => {
                self.fresh_flags.retain(|(uid, _)| *uid != message.uid);
                self.fresh_flags.push((message.uid, flags));
            }
            Some(_) | None => {}
        }
    }
}

/// Does a client hear of things as they happen?
pub(super) const fn listens(mode: &ClientMode) -> bool {
    matches!(mode, ClientMode::Idle)
}
