//! SEARCH, SORT and THREAD: asked of what is visible, by UID, and answered here in whatever form was asked for.
//!
//! ```text
//!   a1 SEARCH RETURN (MIN COUNT) 2:* NOT SEEN ─▶ UID SEARCH RETURN (ALL) UID 11,15:20 UID 15:20 NOT SEEN
//!                                             ◀─ * ESEARCH (TAG "t7") UID ALL 15,20
//!   * ESEARCH (TAG "a1") MIN 2 COUNT 2
//! ```
//!
//! The upstream is never asked of anything else, so what is hidden cannot answer; and what it finds besides is not told. Where
//! that does not fit into a line, searches go up in pieces. What is threaded in pieces is not threaded, and threads of more than
//! is visible are others (RFC 5256 §3: messages are tied by what a third one refers to): what is visible is saved at the
//! upstream first (RFC 5182), or nothing is threaded.

use std::time::Instant;

use crate::imap::message::{SeqSet, Uid, UidSet};
use crate::imap::status::Status;
use crate::wire::command::fetch::PartialRange;
use crate::wire::command::{Args, Command};
use crate::wire::patch::Patch;
use crate::wire::response::{Keyword, number};
use crate::wire::search::{Key, KeyKind, Program, Returns, SearchReturn, SortBy, SortKey};

use super::super::effect::{Effect, Held};
use super::super::event::FaultReason;
use super::super::follow::uid_set;
use super::super::in_flight::Entry;
use super::super::refusal::Answer;
use super::commands::{TOO_MANY, Translated};
use super::sets::LINE;
use super::thread::Threads;
use super::{Session, View, partial};

/// Most messages that are threaded at an upstream that cannot save what is visible. It goes by how many there are, not by how
/// much room their ranges take, as with COPY: what is hidden between them makes that more.
const MOST_THREADED: u64 = 5_000;

/// What a search has found, and how that is to be said.
#[derive(Debug, Default)]
pub(in crate::session) struct Results {
    uids: UidSet,
    /// In the order of SORT.
    order: Vec<Uid>,
    sorted: bool,
    /// What THREAD says.
    threads: Option<Box<Threads>>,
    by_uid: bool,
    returns: Option<Vec<SearchReturn>>,
}

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Search,
    Sort,
    Thread,
}

impl Session {
    pub(super) fn translate_search(&mut self, command: &Command<'_>, mut held: Held, now: Instant) -> Translated {
        let (program, returns, asked) = match &command.args {
            Args::Search(search) => (&search.program, search.returns.as_ref(), Asked::Search),
            Args::Sort(sort) => (&sort.program, sort.returns.as_ref(), Asked::Sort),
            Args::Thread(thread) => (&thread.program, None, Asked::Thread),
            _ => return Some((held, None)),
        };
        let view = self.view.as_ref()?;
        let Some(keys) = view.keys(command.frame(), program) else {
            self.bad_command(command.frame(), &Answer::Syntax, FaultReason::CommandSyntax, now);
            return None;
        };
        if let Args::Sort(sort) = &command.args
            && !tells_of_no_others(&sort.criteria)
        {
            self.refuse_held(held, &Answer::Refused { text: "[CANNOT] not sorted by that here" });
            return None;
        }
        let results = Results {
            sorted: asked == Asked::Sort,
            threads: (asked == Asked::Thread).then(Box::default),
            by_uid: command.verb.is_uid_form(),
            returns: returns.map(|returns| returns.options.clone()),
            ..Results::default()
        };
        let capabilities = &self.leg.capabilities;
        let lines = match asked {
            Asked::Thread => view.thread_lines(command, program, &keys, capabilities.searchres),
            Asked::Search | Asked::Sort => {
                let sorted = asked == Asked::Sort;
                Some(view.search_lines(command, program, returns, &keys, sorted, capabilities.esearch))
            }
        };
        let Some(mut lines) = lines else {
            self.refuse_held(held, &Answer::Refused { text: TOO_MANY });
            return None;
        };
        if let Effect::Searching(searching) = &mut held.effect {
            searching.guarded = Some(Box::new(results));
        }
        lines.reverse();
        match lines.pop() {
            Some(first) => {
                (held.line, held.parts.rest) = (first, lines);
                self.prepare(held, now);
            }
            None => self.finish_search_here(held, now),
        }
        None
    }

    /// A search in which there is nothing to be found.
    fn finish_search_here(&mut self, mut held: Held, now: Instant) {
        let mut line = Vec::new();
        if let (Effect::Searching(searching), Some(view)) = (&mut held.effect, &mut self.view)
            && let Some(results) = searching.guarded.take()
        {
            view.answer(*results, &held.tag, &mut line);
        }
        Answer::Completed(held.verb).write(&held.tag, &mut line);
        let hush = held.parts.hush;
        self.record_local_done(&mut held, now);
        self.say_settled(line, hush, now);
    }

    /// Numbers that the client's search has found.
    pub(super) fn take_results(&mut self, keyword: Keyword, list: &[u8]) {
        let entry = self.in_flight.find(|entry| matches!(entry.effect, Effect::Searching(_)));
        let Some(Effect::Searching(searching)) = entry.map(|entry| &mut entry.effect) else { return };
        let Some(results) = &mut searching.guarded else { return };
        if let Some(threads) = &mut results.threads {
            if keyword == Keyword::Thread {
                threads.read(list);
            }
            return;
        }
        if keyword == Keyword::Thread {
            return;
        }
        let words = list.split(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
        if keyword == Keyword::Esearch {
            let mut words = words;
            words.find(|word| word.eq_ignore_ascii_case(b"ALL"));
            for (first, last) in words.next().and_then(uid_set).unwrap_or_default().runs() {
                results.uids.insert_run(first, last);
            }
            return;
        }
        for uid in words.filter_map(|word| Uid::new(u32::try_from(number(word)?).ok()?)) {
            if results.uids.insert(uid) && results.sorted {
                results.order.push(uid);
            }
        }
    }

    /// The client's search is answered.
    pub(in crate::session) fn finish_search(&mut self, entry: &mut Entry, status: Option<Status>) {
        let (Effect::Searching(searching), Some(view)) = (&mut entry.effect, &mut self.view) else { return };
        let Some(mut results) = searching.guarded.take() else { return };
        if status != Some(Status::Ok) {
            if results.saves() && status == Some(Status::No) {
                view.saved = UidSet::new();
            }
            return;
        }
        let visible = view.messages.visible();
        let found = results.threads.as_ref().map_or(&results.uids, |threads| threads.uids());
        searching.hidden = Some(found.intersect(&view.messages.hidden()).len()).filter(|hidden| *hidden > 0);
        if let Some(threads) = &mut results.threads {
            threads.keep(&visible);
            results.uids = threads.uids().clone();
        }
        results.uids = results.uids.intersect(&visible);
        results.order.retain(|uid| results.uids.contains(*uid));
        searching.hits = results.uids.len();
        searching.uids = results.uids.clone();
        view.answer(*results, &entry.tag, self.out.client());
    }
}

impl View {
    /// The keys of a program with UIDs in the place of what names messages. `None`: they name a number that is not there.
    fn keys(&self, frame: &[u8], program: &Program<'_>) -> Option<Vec<u8>> {
        let keys = frame.get(program.keys_span.clone())?;
        let mut patch = Patch::new(keys);
        let begin = program.keys_span.start;
        let mut known = true;
        for key in &program.keys {
            key.walk(&mut |key| known &= self.translate_key(key, begin, &mut patch));
        }
        known.then(|| patch.to_vec())
    }

    fn translate_key(&self, key: &Key<'_>, begin: usize, patch: &mut Patch<'_>) -> bool {
        let span = key.span.start.saturating_sub(begin)..key.span.end.saturating_sub(begin);
        let (set, by_uid) = match &key.kind {
            KeyKind::Set(set) => (set, false),
            KeyKind::Uid(set) => (set, true),
            kind => {
                if let Some(text) = self.recent_key(kind) {
                    patch.replace(span, text);
                }
                return true;
            }
        };
        let Ok(meant) = self.meant(&set.set, by_uid) else { return false };
        let text = match self.reaching(&set.set, by_uid, &meant) {
            text if text.is_empty() => "NOT ALL".to_owned(),
            text => format!("UID {text}"),
        };
        patch.replace(span, text);
        true
    }

    /// The set in a key, as ranges of UIDs. They may reach over what is hidden, or is not there: the search is asked of what
    /// is visible only.
    fn reaching(&self, set: &SeqSet, by_uid: bool, meant: &UidSet) -> String {
        if meant.is_empty() || *set == SeqSet::Saved {
            return self.spell(meant);
        }
        let last = self.messages.last_told().map_or(0, Uid::get);
        let said = set.resolve(if by_uid { last } else { self.messages.client_count() }).unwrap_or_default();
        if by_uid {
            return said.to_string();
        }
        let uid = |number: Uid| self.messages.by_client(number.get()).map(|message| message.uid);
        let mut reached = UidSet::new();
        for (first, last) in said.runs() {
            if let (Some(first), Some(last)) = (uid(first), uid(last)) {
                reached.insert_run(first, last);
            }
        }
        reached.to_string()
    }

    fn search_lines(
        &self,
        command: &Command<'_>,
        program: &Program<'_>,
        returns: Option<&Returns>,
        keys: &[u8],
        sorted: bool,
        esearch: bool,
    ) -> Vec<Vec<u8>> {
        let from = returns.map_or(command.verb_span.end, |returns| returns.span.end).saturating_add(1);
        // The charset, and what to sort by, as the client said it.
        let said = command.frame().get(from..program.keys_span.start).unwrap_or_default();
        let head: &[u8] = match (sorted, esearch) {
            (true, _) => b"UID SORT ",
            (false, true) => b"UID SEARCH RETURN (ALL) ",
            (false, false) => b"UID SEARCH ",
        };
        let visible = self.messages.visible();
        let line = |set: &str| [head, said, b"UID ", set.as_bytes(), b" ", keys, b"\r\n"].concat();
        let taken = said.len().saturating_add(keys.len()).saturating_add(64);
        let pieces = self.spell_in_pieces(&visible, taken.min(LINE / 2));
        match (pieces.as_slice(), sorted) {
            // What is sorted in pieces is not sorted: the whole stretch is asked for, and what is hidden in it is left out.
            ([_, _, ..], true) => {
                let ends = visible.first().zip(visible.last());
                ends.map(|(first, last)| line(&format!("{first}:{last}"))).into_iter().collect()
            }
            (pieces, _) => pieces.iter().map(|set| line(set)).collect(),
        }
    }

    /// The lines of a THREAD. `None`: there is too much to be threaded.
    fn thread_lines(
        &self,
        command: &Command<'_>,
        program: &Program<'_>,
        keys: &[u8],
        saves: bool,
    ) -> Option<Vec<Vec<u8>>> {
        let from = command.verb_span.end.saturating_add(1);
        // The algorithm and the charset, as the client said them.
        let said = command.frame().get(from..program.keys_span.start).unwrap_or_default();
        let line = |set: &str| [b"UID THREAD ", said, set.as_bytes(), b" ", keys, b"\r\n"].concat();
        let visible = self.messages.visible();
        if !saves {
            let fits = visible.len() <= MOST_THREADED;
            return fits.then(|| match visible.is_empty() {
                true => Vec::new(),
                false => vec![line(&format!("UID {}", self.spell(&visible)))],
            });
        }
        let taken = said.len().saturating_add(keys.len()).saturating_add(64);
        let mut pieces = self.spell_in_pieces(&visible, taken.min(LINE / 2));
        Some(match (pieces.pop(), pieces.is_empty()) {
            (None, _) => Vec::new(),
            (Some(all), true) => vec![line(&format!("UID {all}"))],
            (Some(_), false) => [self.saving_lines(&visible), vec![line("$")]].concat(),
        })
    }

    /// Lines that save these messages at the upstream.
    pub(super) fn saving_lines(&self, uids: &UidSet) -> Vec<Vec<u8>> {
        let piece = |(at, set): (usize, String)| {
            let saved = if at == 0 { "" } else { "OR $ " };
            format!("UID SEARCH RETURN (SAVE) {saved}UID {set}\r\n").into_bytes()
        };
        self.spell_in_pieces(uids, 64).into_iter().enumerate().map(piece).collect()
    }

    /// What was found, in the form that was asked for; kept for `$`, where that was asked for.
    fn answer(&mut self, results: Results, tag: &[u8], out: &mut Vec<u8>) {
        if results.saves() {
            self.saved = results.saved();
        }
        let told = |uid: &Uid| if results.by_uid { Some(uid.get()) } else { self.messages.by_uid(*uid)?.number };
        if let Some(threads) = &results.threads {
            out.extend_from_slice(b"* THREAD");
            if !results.uids.is_empty() {
                out.push(b' ');
            }
            threads.write(|uid| told(&uid), out);
            out.extend_from_slice(b"\r\n");
            return;
        }
        let numbers = || if results.by_uid { results.uids.clone() } else { self.messages.numbers_of(&results.uids) };
        let Some(returns) = &results.returns else {
            out.extend_from_slice(if results.sorted { b"* SORT" } else { b"* SEARCH" });
            if results.sorted {
                results.order.iter().filter_map(told).for_each(|number| push_number(out, number));
            } else {
                numbers().iter().for_each(|number| push_number(out, number.get()));
            }
            out.extend_from_slice(b"\r\n");
            return;
        };
        let all = returns.is_empty();
        let asks = |option| returns.contains(&option);
        if !all && returns.iter().all(|option| *option == SearchReturn::Save) {
            return; // it was to be kept, and that is all
        }
        out.extend_from_slice(b"* ESEARCH (TAG \"");
        out.extend_from_slice(tag);
        out.extend_from_slice(b"\")");
        if results.by_uid {
            out.extend_from_slice(b" UID");
        }
        let (min, max) = results.ends();
        for (option, word, end) in [(SearchReturn::Min, " MIN", min), (SearchReturn::Max, " MAX", max)] {
            if let Some(number) = end.as_ref().and_then(told).filter(|_| asks(option)) {
                out.extend_from_slice(word.as_bytes());
                push_number(out, number);
            }
        }
        if (all || asks(SearchReturn::All)) && !results.uids.is_empty() {
            out.extend_from_slice(b" ALL ");
            if results.sorted {
                let numbers: Vec<String> = results.order.iter().filter_map(told).map(|n| n.to_string()).collect();
                out.extend_from_slice(numbers.join(",").as_bytes());
            } else {
                out.extend_from_slice(numbers().to_string().as_bytes());
            }
        }
        if let Some(range) = results.part() {
            let part = partial::part_of(&results.uids, range);
            let numbers = if results.by_uid { part } else { self.messages.numbers_of(&part) };
            let list = if numbers.is_empty() { "NIL".to_owned() } else { numbers.to_string() };
            out.extend_from_slice(format!(" PARTIAL ({} {list})", partial::spell(range)).as_bytes());
        }
        if asks(SearchReturn::Count) {
            out.extend_from_slice(format!(" COUNT {}", results.uids.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Results {
    fn saves(&self) -> bool {
        self.returns.as_ref().is_some_and(|returns| returns.contains(&SearchReturn::Save))
    }

    /// The first and the last that were found, in order.
    fn ends(&self) -> (Option<Uid>, Option<Uid>) {
        match self.sorted {
            true => (self.order.first().copied(), self.order.last().copied()),
            false => (self.uids.first(), self.uids.last()),
        }
    }

    /// Which part of it was asked for.
    fn part(&self) -> Option<PartialRange> {
        self.returns.iter().flatten().find_map(|option| match option {
            SearchReturn::Partial(range) => Some(*range),
            _ => None,
        })
    }

    /// What `$` holds from now on (RFC 5182 §2.1, RFC 9394 §3.2): all, unless only the ends or a part were asked for.
    fn saved(&self) -> UidSet {
        let asks = |option| self.returns.as_ref().is_some_and(|returns| returns.contains(&option));
        let ends = asks(SearchReturn::Min) || asks(SearchReturn::Max);
        let part = self.part();
        if !ends && part.is_none() || asks(SearchReturn::All) || asks(SearchReturn::Count) {
            return self.uids.clone();
        }
        let (min, max) = self.ends();
        let min = min.filter(|_| asks(SearchReturn::Min));
        let max = max.filter(|_| asks(SearchReturn::Max));
        let part = part.map(|range| partial::part_of(&self.uids, range)).unwrap_or_default();
        part.iter().chain(min).chain(max).collect()
    }
}

fn push_number(out: &mut Vec<u8>, number: u32) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _ = write!(out, " {number}");
}

/// Does the order that these give tell of no messages but those that are sorted? Dovecot 2.3 keeps for each text a
/// number that comes from all messages of a mailbox, and messages with the same text do not always have the same one: so
/// they come in an order that tells of others, unless the next that counts is how they are numbered. Relevance, too, is
/// relative to all others (RFC 6203 §5).
fn tells_of_no_others(criteria: &[SortKey]) -> bool {
    criteria.iter().enumerate().all(|(at, key)| match key.by {
        SortBy::Arrival | SortBy::Date | SortBy::Size => true,
        SortBy::Cc | SortBy::From | SortBy::Subject | SortBy::To | SortBy::DisplayFrom | SortBy::DisplayTo => {
            !key.reverse && at.saturating_add(1) == criteria.len()
        }
        SortBy::Relevancy => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_tell_of_others() {
        for (criteria, tells) in [
            ("ARRIVAL", false),
            ("REVERSE DATE REVERSE SIZE", false),
            ("SUBJECT", false),
            ("REVERSE DATE SUBJECT", false),
            ("REVERSE SUBJECT", true),
            ("SUBJECT DATE", true),
            ("FROM SUBJECT", true),
            ("DISPLAYTO ARRIVAL", true),
            ("RELEVANCY", true),
        ] {
            let frame = format!("a SORT ({criteria}) UTF-8 ALL\r\n");
            let command = Command::parse(frame.as_bytes(), Utf8Mode::Off).expect("a command");
            let Args::Sort(sort) = &command.args else { panic!("{criteria}") };
            assert_eq!(!tells_of_no_others(&sort.criteria), tells, "{criteria}");
        }
    }
    use crate::view::messages::Standing;
    use crate::wire::command::Utf8Mode;

    /// With so many messages, of which every other one is hidden, or none.
    fn lines(count: u32, scattered: bool, saves: bool) -> Option<Vec<Vec<u8>>> {
        let mut view = View::default();
        for number in 1..=count {
            let uid = |uid| Uid::new(uid).unwrap_or(Uid::MAX);
            view.messages.push(uid(2 * number), Standing::Visible);
            view.messages.push(uid(2 * number + 1), if scattered { Standing::Hidden } else { Standing::Visible });
        }
        let command = Command::parse(b"a UID THREAD REFS UTF-8 ALL\r\n", Utf8Mode::Off).unwrap();
        let Args::Thread(thread) = &command.args else { panic!("THREAD") };
        view.thread_lines(&command, &thread.program, b"ALL", saves)
    }

    #[test]
    fn what_is_threaded_goes_up_as_a_whole() {
        let rows = [
            ("none", 0, true, true, Some(0)),
            ("a stretch", 100_000, false, true, Some(1)),
            ("scattered", 1_000, true, true, Some(1)),
            ("in more than a line", 3_000, true, true, Some(3)),
            ("the same where nothing is saved", 3_000, true, false, Some(1)),
            ("many where nothing is saved", 5_001, true, false, None),
            ("as many in a stretch", 2_501, false, false, None),
            ("not as many", 2_500, false, false, Some(1)),
        ];
        for (name, count, scattered, saves, want) in rows {
            let lines = lines(count, scattered, saves);
            assert_eq!(lines.as_ref().map(Vec::len), want, "{name}");
            let lines = lines.unwrap_or_default();
            if let Some((last, saving)) = lines.split_last() {
                assert!(last.starts_with(b"UID THREAD REFS UTF-8 ") && last.ends_with(b" ALL\r\n"), "{name}");
                assert_eq!(last.as_slice() == b"UID THREAD REFS UTF-8 $ ALL\r\n", !saving.is_empty(), "{name}");
                let fits = |line: &Vec<u8>| line.len() < LINE && line.starts_with(b"UID SEARCH RETURN (SAVE) ");
                assert!(saving.iter().all(fits), "{name}");
            }
        }
    }
}
