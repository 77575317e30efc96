//! One response, upstream to client: read this second.
//!
//! ```text
//!   bytes ─▶ lines and literals ─▶ head ─┬─ tagged        ─▶ done: state, record, the client's own tag
//!                                        ├─ continuation  ─▶ whoever owns the next "+"
//!                                        └─ untagged      ─▶ followed, then passed, changed or kept
//! ```
//!
//! In plain scope what is not changed passes byte for byte, as it comes; a response is held only up to its line end.

use std::borrow::Cow;
use std::time::Instant;

use crate::imap::status::Status;
use crate::wire::frame::{ResponseEnd, response_end};
use crate::wire::response::{self, Head, Keyword, Numbered};

use super::capability::begin_of_args;
use super::effect::{Effect, Own};
use super::event::{CloseReason, FaultReason, Side};
use super::in_flight::Tag;
use super::refusal::Bye;
use super::searches::NumberList;
use super::upstream::LegPhase;
use super::{ClientMode, Session};

/// A line longer than this passes in pieces, where nothing in it is to be changed.
const HOLD: usize = 64 * 1024;

/// A FETCH line is held longer, so that its items can be recorded.
const HOLD_FETCH: usize = 1024 * 1024;

/// Longest response that is collected over its literals.
const COLLECT: usize = 256 * 1024;

/// What becomes of the response under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Flow {
    /// The client gets it as it is.
    #[default]
    Pass,
    /// Nobody gets it.
    Drop,
    /// It is collected, and judged when it is whole.
    Collect,
}

/// Where the reading of responses stands.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Bytes of a line that has not ended.
    held: Vec<u8>,
    /// How many of them have been searched for the line end.
    searched: usize,
    /// Octets of a literal that are still to come.
    literal: u64,
    /// In a response that went on over a literal.
    inside: bool,
    /// In a line that passes in pieces.
    long: bool,
    flow: Flow,
    collected: Vec<u8>,
    /// The FETCH whose response this is, by its serial.
    pub(super) fetch: Option<u32>,
    /// The client has been given NIL instead of the literal under way.
    skips: bool,
    /// The list that a line holds which passes in pieces.
    numbers: Option<NumberList>,
    /// What is put in the place of what in the line under way.
    pub(super) edits: Vec<(std::ops::Range<usize>, Cow<'static, str>)>,
    /// The response passes under another number: its UID is looked at.
    pub(super) uid_check: Option<super::messages::UidCheck>,
}

impl Reading {
    pub fn relax(&mut self) {
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        self.collected = Vec::new();
    }

    /// Has the client a part of a response whose rest is still to come? Words of ours would be read as the mail in it.
    pub fn client_is_inside(&self) -> bool {
        self.flow == Flow::Pass && (self.literal > 0 || self.inside || self.long)
    }

    /// Is nothing of a response held or awaited?
    pub fn between_responses(&self) -> bool {
        self.held.is_empty() && self.literal == 0 && !self.inside && !self.long
    }
}

impl Session {
    pub(super) fn read_responses(&mut self, bytes: &[u8], now: Instant) {
        let mut held = std::mem::take(&mut self.reading.held);
        if held.is_empty() {
            let used = self.read_from(bytes, now);
            held.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            held.extend_from_slice(bytes);
            let used = self.read_from(&held, now);
            held.drain(..used.min(held.len()));
        }
        if held.is_empty() && held.capacity() > HOLD {
            held = Vec::new();
        }
        self.reading.held = held;
    }

    /// Reads what is whole; says how many bytes that was. Lines that need no thought are handed on together.
    fn read_from(&mut self, bytes: &[u8], now: Instant) -> usize {
        let mut at = 0;
        let mut passed = 0;
        while !self.closing {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if self.reading.literal > 0 {
                let take = usize::try_from(self.reading.literal).unwrap_or(usize::MAX).min(rest.len());
                self.on_literal_octets(rest.get(..take).unwrap_or_default());
                at = at.saturating_add(take);
                passed = at;
                continue;
            }
            if self.reading.searched == 0 && !self.reading.inside && !self.reading.long {
                let whole = self.pass_at_once(rest);
                if whole > 0 {
                    at = at.saturating_add(whole);
                    continue;
                }
                let judged = self.judge_at_once(rest);
                if judged > 0 {
                    self.hand_on(bytes.get(passed..at));
                    at = at.saturating_add(judged);
                    passed = at;
                    continue;
                }
                let relayed = self.relay_at_once(rest);
                if relayed > 0 {
                    at = at.saturating_add(relayed);
                    passed = at;
                    continue;
                }
            }
            let from = self.reading.searched.min(rest.len());
            let Some(found) = memchr::memchr(b'\n', rest.get(from..).unwrap_or_default()) else {
                self.hand_on(bytes.get(passed..at));
                passed = at;
                self.reading.searched = rest.len();
                if self.pass_piece(rest, now) {
                    at = bytes.len();
                    passed = at;
                    self.reading.searched = 0;
                }
                break;
            };
            self.reading.searched = 0;
            let end = from.saturating_add(found).saturating_add(1);
            let line = rest.get(..end).unwrap_or_default();
            self.hand_on(bytes.get(passed..at));
            at = at.saturating_add(end);
            passed = at;
            self.on_line(line, at < bytes.len(), now);
        }
        self.hand_on(bytes.get(passed..at));
        at
    }

    fn hand_on(&mut self, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty() && !self.closing) {
            self.out.client().extend_from_slice(bytes);
        }
    }

    /// A line that has grown long without an end passes in pieces where nothing in it needs to be seen whole.
    fn pass_piece(&mut self, piece: &[u8], now: Instant) -> bool {
        if self.reading.long {
            if let Some(serial) = self.reading.fetch {
                self.charge_piece(serial, piece.len());
            }
            self.follow_piece(piece);
            self.pass(piece);
            return true;
        }
        if piece.len() < HOLD {
            return false;
        }
        let passes = match response::head(piece) {
            // Where messages may be hidden a line is looked at as a whole.
            _ if self.guards() && !self.reading.inside => false,
            _ if self.reading.inside => self.reading.flow != Flow::Collect && piece.len() >= HOLD_FETCH,
            Head::Number { what: Numbered::Fetch | Numbered::UidFetch, .. } => piece.len() >= HOLD_FETCH,
            Head::Data { keyword: Keyword::Capability, .. } | Head::Tagged { .. } | Head::Continuation => false,
            Head::Data { keyword: Keyword::Esearch, .. } => piece.len() >= HOLD_FETCH,
            Head::Data { .. } | Head::Status { .. } | Head::Number { .. } => {
                !self.filtered() || self.is_number_list(piece)
            }
        };
        if !passes {
            if piece.len() >= HOLD_FETCH.saturating_mul(4) {
                self.upstream_fault(FaultReason::LineTooLong, now);
            }
            return false;
        }
        if !self.reading.inside {
            let (_, flow) = self.route(piece, None, true, now);
            self.reading.flow = flow;
        }
        self.reading.long = true;
        self.pass_edited(piece);
        true
    }

    /// A list goes on that began in the piece before.
    fn follow_piece(&mut self, piece: &[u8]) {
        if let Some(mut numbers) = self.reading.numbers.take() {
            self.follow_numbers(&mut numbers, piece);
            self.reading.numbers = Some(numbers);
        }
    }

    fn is_number_list(&self, line: &[u8]) -> bool {
        matches!(
            response::head(line),
            Head::Data { keyword: Keyword::Search | Keyword::Sort | Keyword::Thread | Keyword::Vanished, .. }
        )
    }

    fn on_literal_octets(&mut self, octets: &[u8]) {
        let count = octets.len() as u64;
        self.reading.literal = self.reading.literal.saturating_sub(count);
        let done = self.reading.literal == 0;
        if self.reading.skips {
            self.reading.skips = !done;
            return;
        }
        if let Some(serial) = self.reading.fetch
            && let Some(reads) = self.reads_of(serial)
        {
            reads.literal_octets(octets);
            if done {
                reads.literal_end();
            }
        }
        self.pass(octets);
    }

    fn pass(&mut self, bytes: &[u8]) {
        match self.reading.flow {
            Flow::Pass => self.out.client().extend_from_slice(bytes),
            Flow::Drop => {}
            Flow::Collect => self.reading.collected.extend_from_slice(bytes),
        }
    }

    /// One line, its end included; `more`: do bytes stand behind it?
    fn on_line(&mut self, line: &[u8], more: bool, now: Instant) {
        let mut literal = match response_end(line) {
            ResponseEnd::Complete => None,
            ResponseEnd::Literal(size) => Some(size),
            ResponseEnd::Overflow => return self.upstream_fault(FaultReason::LiteralSize, now),
        };
        if self.reading.long {
            self.follow_piece(line);
            self.pass(line);
        } else if self.reading.inside {
            self.on_fragment(line, literal, now);
        } else if self.leg.phase != LegPhase::Ready {
            return self.on_line_before_ready(line, more, now);
        } else {
            let (announced, flow) = self.route(line, literal, false, now);
            literal = announced;
            self.reading.flow = flow;
            self.reading.collected.clear();
            self.pass_edited(line);
        }
        match literal {
            Some(size) => self.await_literal(size, now),
            None => {
                if self.reading.flow == Flow::Collect {
                    self.finish_collected(now);
                }
                self.finish_response(now);
            }
        }
    }

    fn await_literal(&mut self, size: u64, now: Instant) {
        self.reading.inside = true;
        self.reading.long = false;
        self.reading.literal = size;
        if size == 0 {
            self.on_literal_octets(&[]);
        }
        if self.reading.flow == Flow::Collect
            && (self.reading.collected.len() as u64).saturating_add(size) > COLLECT as u64
        {
            if self.asks_structures() {
                self.reading.collected.clear();
                self.reading.flow = Flow::Drop; // it stays unknown
                return;
            }
            if self.looking().is_none() {
                return self.filter_failed(now);
            }
            let begun = std::mem::take(&mut self.reading.collected);
            self.too_large_to_judge(&begun);
            self.reading.flow = Flow::Drop;
        }
    }

    fn on_fragment(&mut self, line: &[u8], literal: Option<u64>, now: Instant) {
        if let Some(serial) = self.reading.fetch
            && let Some(reads) = self.reads_of(serial)
        {
            reads.fragment(line, literal);
            self.reading.edits = borrowed(reads.take_edits(), 0);
            if !self.admits_fragment(serial, line.len(), literal) {
                let brace = memchr::memrchr(b'{', line).unwrap_or(line.len());
                let begin = brace.saturating_sub(usize::from(line.get(..brace).is_some_and(|b| b.ends_with(b"~"))));
                self.reading.edits.push((begin..line.len(), Cow::Borrowed("NIL")));
                self.reading.skips = true;
            }
        }
        if !self.check_fragment(line, literal, now) {
            return;
        }
        self.pass_edited(line);
    }

    /// A line of a FETCH response in which items have other names for the client.
    fn pass_edited(&mut self, line: &[u8]) {
        let edits = std::mem::take(&mut self.reading.edits);
        if edits.is_empty() {
            return self.pass(line);
        }
        let mut patch = crate::wire::patch::Patch::new(line);
        for (span, name) in edits {
            patch.replace(span, name);
        }
        self.pass(&patch.to_vec());
    }

    fn finish_response(&mut self, now: Instant) {
        self.reading.inside = false;
        self.reading.long = false;
        self.reading.uid_check = None;
        self.reading.numbers = None;
        if let Some(serial) = self.reading.fetch.take() {
            self.end_fetch_response(serial, now);
        }
    }

    /// Decides what becomes of a response from its first line, and follows what it says. Lines that need other bytes
    /// than the upstream's are written here and dropped. The literal comes back `None` where the line is text to its end.
    fn route(&mut self, line: &[u8], literal: Option<u64>, piece: bool, now: Instant) -> (Option<u64>, Flow) {
        let head = response::head(line);
        if self.guards()
            && let Some(routed) = self.route_guarded(&head, line, literal, now)
        {
            return routed;
        }
        match head {
            Head::Tagged { tag, rest } => (None, self.on_tagged(tag, rest, line, now)),
            Head::Continuation => {
                self.on_continuation(line, now);
                (None, Flow::Drop)
            }
            Head::Status { status, text } => (None, self.on_untagged_status(status, text, line, now)),
            Head::Number { number, what, rest } => {
                let text = line.get(rest..).unwrap_or_default();
                (literal, self.on_number(number, what, text, literal, line.len()))
            }
            Head::Data { keyword, rest } => (literal, self.on_data(keyword, rest, line, literal, piece, now)),
        }
    }

    fn on_line_before_ready(&mut self, line: &[u8], more: bool, now: Instant) {
        let head = response::head(line);
        match (self.leg.phase, head) {
            (LegPhase::Greeting, Head::Status { status, text }) => {
                // Dovecot may tell that it waits before it greets; it greets when it is ready.
                self.on_greeting(status, text, more, now);
            }
            (LegPhase::Starttls(serial), Head::Tagged { tag, rest }) if self.own_serial(tag) == Some(serial) => {
                let status = response::tagged_status(rest).map(|(status, _)| status);
                self.on_starttls_answer(status, more, now);
            }
            (LegPhase::Asking(_), Head::Data { keyword: Keyword::Capability, rest }) => {
                self.learn_capabilities(line.get(rest..).unwrap_or_default());
            }
            (LegPhase::Asking(serial), Head::Tagged { tag, .. }) if self.own_serial(tag) == Some(serial) => {
                self.introduce_or_log_in(now);
            }
            // Whatever it says: it was told.
            (LegPhase::Introducing(serial), Head::Tagged { tag, .. }) if self.own_serial(tag) == Some(serial) => {
                self.send_login(now);
            }
            (_, Head::Status { status: Status::Bye, .. }) | (LegPhase::Greeting, _) => {
                self.note_upstream_error(super::event::UpstreamError::Bye);
                self.give_up_login(now);
            }
            _ => {} // said in the clear, or out of turn: believed by nobody
        }
    }

    /// The number of the own tag that `tag` is.
    pub(super) fn own_serial(&self, tag: &[u8]) -> Option<u32> {
        let digits = tag.strip_prefix(self.start.tag_prefix.as_bytes())?;
        let (number, rest) = crate::wire::number::digits(digits)?;
        (rest.is_empty() && digits.len() <= 10).then(|| u32::try_from(number).ok())?
    }

    fn on_tagged(&mut self, tag: &[u8], rest: &[u8], line: &[u8], now: Instant) -> Flow {
        let entry = self.own_serial(tag).and_then(|serial| self.in_flight.take(serial));
        let Some(entry) = entry else {
            // Junk between responses occurs (quirks S01, S06, S07). It completes nothing.
            if !line.trim_ascii().is_empty() {
                self.note_fault(Side::Upstream, FaultReason::UnknownTag);
            }
            return if self.filtered() { Flow::Drop } else { Flow::Pass };
        };
        let status = response::tagged_status(rest);
        // "t7 + idling" of old Gromox (quirk S21) completes nothing either.
        if status.is_none() && rest.starts_with(b"+") {
            self.in_flight.push(entry);
            self.on_continuation(b"+ idling\r\n", now);
            return Flow::Drop;
        }
        self.complete(entry, status.map(|(status, _)| status), rest, now);
        Flow::Drop
    }

    fn on_continuation(&mut self, line: &[u8], now: Instant) {
        if self.gate.is_some() {
            return self.open_gate(now);
        }
        if self.login.is_some() {
            return self.on_login_continuation(line, now);
        }
        if let ClientMode::AwaitStream(_) = self.mode {
            return self.begin_stream(line, now);
        }
        let idling = self
            .in_flight
            .find(|entry| matches!(entry.effect, Effect::Idle { confirmed: false, .. }))
            .map(|entry| entry.serial);
        if let Some(serial) = idling {
            return self.on_idle_confirmed(serial, line);
        }
        // Nobody asked (surface F.4). In plain scope it is not the first thing that a server says out of turn, and what the
        // client makes of it cannot become a command that was not judged.
        self.note_fault(Side::Upstream, FaultReason::UnexpectedContinuation);
        if !self.filtered() {
            self.out.client().extend_from_slice(line);
        }
    }

    fn on_untagged_status(&mut self, status: Status, text: &[u8], line: &[u8], now: Instant) -> Flow {
        let code = response::code(text);
        if status == Status::Bye {
            return self.on_upstream_bye(line, now);
        }
        if let Some(code) = &code {
            self.follow_code(code);
        }
        if self.login.is_some()
            && let Some(code) = code.filter(|code| code.is("CAPABILITY"))
        {
            self.learn_capabilities(code.args);
        }
        if self.filtered() {
            return self.filter_untagged_status(code.as_ref(), now);
        }
        match code {
            Some(code) if code.is("CAPABILITY") => {
                let line = self.filter_capability_line(line, begin_of_args(line, text, &code), code.args);
                self.out.client().extend_from_slice(&line);
                Flow::Drop
            }
            Some(code) if code.is("PERMANENTFLAGS") && self.narrows_flags() => {
                let line = self.narrow_permanent_flags(line, code.args);
                self.out.client().extend_from_slice(&line);
                Flow::Drop
            }
            Some(code) if code.is("INPROGRESS") || code.is("NOUPDATE") => self.with_clients_tag(line),
            _ => Flow::Pass,
        }
    }

    /// Correlators name the command by its tag: the client knows it by another (RFC 9051 §7.3.4, RFC 9585, RFC 5267 §4.4).
    pub(super) fn with_clients_tag(&mut self, line: &[u8]) -> Flow {
        let Some((at, tag)) = self.clients_tag_in(line) else { return Flow::Pass };
        let out = self.out.client();
        out.extend_from_slice(line.get(..at.start).unwrap_or_default());
        out.extend_from_slice(&tag);
        out.extend_from_slice(line.get(at.end..).unwrap_or_default());
        Flow::Drop
    }

    /// Where a tag of ours stands in a line, and the client's.
    fn clients_tag_in(&self, line: &[u8]) -> Option<(std::ops::Range<usize>, Tag)> {
        let prefix = self.start.tag_prefix.as_bytes();
        let at = memchr::memmem::find(line, prefix)?;
        let digits = line.get(at.saturating_add(prefix.len())..)?.iter().take_while(|byte| byte.is_ascii_digit());
        let end = at.saturating_add(prefix.len()).saturating_add(digits.count());
        let serial = self.own_serial(line.get(at..end)?)?;
        let under_way = self.in_flight.by_serial(serial).map(|entry| &entry.tag);
        Some((at..end, under_way.or_else(|| self.tag_of_context(serial))?.clone()))
    }

    fn on_number(&mut self, number: u64, what: Numbered, text: &[u8], literal: Option<u64>, line_len: usize) -> Flow {
        match what {
            Numbered::Exists => {
                self.follow_exists(number);
                Flow::Pass
            }
            Numbered::Expunge => {
                if let Some(selected) = self.state.selected_mut() {
                    selected.exists = selected.exists.saturating_sub(1);
                }
                self.disturb_searches();
                Flow::Pass
            }
            Numbered::Fetch | Numbered::UidFetch => {
                if self.answers_own_fetch(number, text) {
                    return Flow::Drop;
                }
                if self.answers_headers(text) {
                    return Flow::Collect;
                }
                if let Some(flow) = self.route_structure(text) {
                    return flow;
                }
                self.reading.fetch = self.begin_fetch_response(number, what == Numbered::UidFetch, text, literal);
                if let Some(reads) = self.reading.fetch.and_then(|serial| self.reads_of(serial)) {
                    let offset = line_len.saturating_sub(text.len());
                    self.reading.edits = borrowed(reads.take_edits(), offset);
                }
                if let Some(serial) = self.reading.fetch
                    && !self.admits_response(serial, line_len, literal)
                {
                    self.reading.fetch = None;
                    self.reading.edits.clear();
                    return Flow::Drop;
                }
                self.leave_out_mod_seq(text, line_len.saturating_sub(text.len()), literal)
            }
            Numbered::Recent => Flow::Pass,
            Numbered::Other if self.filtered() => Flow::Drop,
            Numbered::Other => Flow::Pass,
        }
    }

    fn on_data(
        &mut self,
        keyword: Keyword,
        rest: usize,
        line: &[u8],
        literal: Option<u64>,
        piece: bool,
        now: Instant,
    ) -> Flow {
        if let Some(flow) = self.answers_own(keyword, rest, line) {
            return flow;
        }
        match keyword {
            Keyword::Capability => {
                let list = line.get(rest..).unwrap_or_default();
                if !self.state.is_before_login() || self.login.is_some() {
                    self.learn_capabilities(list);
                }
                let line = self.filter_capability_line(line, rest, list);
                self.out.client().extend_from_slice(&line);
                Flow::Drop
            }
            Keyword::Search | Keyword::Sort | Keyword::Thread if piece => {
                let mut numbers = NumberList::new(keyword == Keyword::Thread);
                self.follow_numbers(&mut numbers, line.get(rest..).unwrap_or_default());
                self.reading.numbers = Some(numbers);
                Flow::Pass
            }
            Keyword::Search | Keyword::Sort => {
                self.follow_search(line.get(rest..).unwrap_or_default());
                Flow::Pass
            }
            Keyword::Thread => {
                self.follow_thread(line.get(rest..).unwrap_or_default());
                Flow::Pass
            }
            // What a search over many mailboxes finds has their names in it (RFC 7377): nobody here can have asked for one.
            Keyword::Esearch if self.filtered() && names_a_mailbox(line.get(rest..).unwrap_or_default()) => Flow::Drop,
            // The name of a mailbox in it came as a literal.
            Keyword::Esearch if literal.is_some() => Flow::Collect,
            // So much of it is handed on as it comes, ALL included where only the record asked for it.
            Keyword::Esearch if piece => {
                self.follow_esearch(line.get(rest..).unwrap_or_default());
                let tag = self.clients_tag_in(line);
                self.reading.edits.extend(tag.map(|(at, tag)| (at, String::from_utf8_lossy(&tag).into_owned().into())));
                Flow::Pass
            }
            Keyword::Esearch => self.relay_esearch(line, rest),
            Keyword::Enabled => {
                self.follow_enabled(line.get(rest..).unwrap_or_default());
                Flow::Pass
            }
            Keyword::Vanished => {
                self.disturb_searches();
                Flow::Pass
            }
            Keyword::Flags => Flow::Pass,
            Keyword::Myrights if self.bound.restricts() || self.filtered() => Flow::Collect,
            Keyword::Status if self.bound.restricts() && !self.filtered() => Flow::Collect,
            _ if self.filtered() => self.filter_data(keyword, now),
            // Whose figures it tells stands in the literal.
            Keyword::Status if literal.is_some() => Flow::Collect,
            Keyword::Status => {
                self.record_told_status(line, rest);
                Flow::Pass
            }
            Keyword::List | Keyword::Lsub | Keyword::Xlist => {
                self.learn_delimiter(line, rest);
                self.follow_list();
                Flow::Pass
            }
            // UIDBATCHES (RFC 10022) is not in the table; it has a correlator like ESEARCH.
            Keyword::Other => self.with_clients_tag(line),
            _ => Flow::Pass,
        }
    }

    fn on_upstream_bye(&mut self, line: &[u8], now: Instant) -> Flow {
        self.upstream_bye = true;
        if self.login.is_some() {
            self.note_upstream_error(super::event::UpstreamError::Bye);
            self.give_up_login(now);
            return Flow::Drop;
        }
        if self.logging_out() {
            // Ours has been said, or is about to be.
            return Flow::Drop;
        }
        if self.filtered() {
            self.end(CloseReason::UpstreamBye, Some(Bye::Unavailable), now);
            return Flow::Drop;
        }
        // The upstream's own words; what it still answers passes until it closes (quirk S15).
        self.out.client().extend_from_slice(line);
        self.client_told_bye = true;
        Flow::Drop
    }

    /// An own command's answer, as far as it is data.
    fn answers_own(&mut self, keyword: Keyword, rest: usize, line: &[u8]) -> Option<Flow> {
        let own = self.in_flight.barring().find_map(|entry| match &entry.effect {
            Effect::Own(own) => Some(own),
            _ => None,
        })?;
        match (own, keyword) {
            (Own::Names | Own::Delimiter | Own::Uses | Own::Name(_), Keyword::List)
            | (Own::Subscriptions, Keyword::Lsub | Keyword::List)
            | (Own::Namespace, Keyword::Namespace) => Some(Flow::Collect),
            (Own::Look(look), Keyword::Status) if look.asks_status() => Some(Flow::Collect),
            (Own::Deleted, Keyword::Search) => {
                self.learn_deleted(line.get(rest..).unwrap_or_default());
                Some(Flow::Drop)
            }
            (Own::Deleted, Keyword::Esearch) => {
                self.learn_deleted_all(line.get(rest..).unwrap_or_default());
                Some(Flow::Drop)
            }
            (Own::Again, Keyword::Esearch) => {
                self.learn_again(line.get(rest..).unwrap_or_default());
                Some(Flow::Drop)
            }
            (Own::Id, Keyword::Id) => Some(Flow::Drop),
            (Own::Capability, Keyword::Capability) => {
                self.learn_capabilities(line.get(rest..).unwrap_or_default());
                Some(Flow::Drop)
            }
            _ => None,
        }
    }

    /// A collected response is whole.
    fn finish_collected(&mut self, now: Instant) {
        let collected = std::mem::take(&mut self.reading.collected);
        self.reading.flow = Flow::Pass;
        match response::head(&collected) {
            Head::Number { number, rest, .. } if self.asks_headers() => {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let of = self.learn_beside_header(number, &collected, rest);
                self.coverage.learn_header(u64::from(number), collected.get(rest..).unwrap_or_default(), of);
            }
            Head::Number { .. } if self.asks_structures() => self.learn_structure(&collected),
            Head::Number { .. } => self.learn_facts(&collected),
            Head::Data { keyword, rest } => self.on_collected_data(keyword, rest, &collected, now),
            Head::Continuation | Head::Status { .. } | Head::Tagged { .. } => {}
        }
        self.reading.collected = collected;
        self.reading.collected.clear();
    }

    fn on_collected_data(&mut self, keyword: Keyword, rest: usize, response: &[u8], now: Instant) {
        let own = self.in_flight.barring().any(|entry| matches!(entry.effect, Effect::Own(_)));
        match keyword {
            Keyword::Myrights => self.narrow_myrights(response, rest, now),
            Keyword::List | Keyword::Lsub if own => self.learn_name(keyword, response, rest, now),
            Keyword::Esearch => {
                if self.relay_esearch(response, rest) == Flow::Pass {
                    self.out.client().extend_from_slice(response);
                }
            }
            Keyword::Namespace if own => self.learn_namespace(response, rest),
            Keyword::Status if self.learn_status(response, rest) || self.filtered() && !self.asks_status() => {}
            Keyword::Status if self.filtered() => self.filter_status(response, rest, now),
            Keyword::Status => self.narrow_status(response, rest),
            _ => self.filter_failed(now),
        }
    }
}

/// Is there a mailbox in the correlator of this ESEARCH response?
fn names_a_mailbox(text: &[u8]) -> bool {
    let Some(correlator) = text.trim_ascii_start().strip_prefix(b"(") else { return false };
    let words = correlator.split(|octet| octet.is_ascii_whitespace() || *octet == b')');
    words.into_iter().any(|word| word.eq_ignore_ascii_case(b"MAILBOX") || word.eq_ignore_ascii_case(b"UIDVALIDITY"))
}

/// Edits of what begins at this offset of the line.
pub(super) fn borrowed(
    edits: Vec<(std::ops::Range<usize>, &'static str)>,
    offset: usize,
) -> Vec<(std::ops::Range<usize>, Cow<'static, str>)> {
    let moved = |span: std::ops::Range<usize>| span.start.saturating_add(offset)..span.end.saturating_add(offset);
    edits.into_iter().map(|(span, name)| (moved(span), Cow::Borrowed(name))).collect()
}
