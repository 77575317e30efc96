//! COUNT tells how many messages a search has found, and not which: the record must say which were tested.
//!
//! ```text
//!   a1 UID SEARCH RETURN (COUNT) BODY x   ─▶ UID SEARCH RETURN (COUNT ALL) BODY x
//!   * ESEARCH (TAG "a1") UID COUNT 2      ◀─ * ESEARCH (TAG "t7") UID COUNT 2 ALL 4,9
//! ```
//!
//! With COUNT in it ALL changes neither what `$` stands for (RFC 5182 §2.4) nor the mod-sequence that is told (RFC 4731 §3.2).
//! PARTIAL and ALL exclude each other (RFC 9394 §3.1): where more is counted than a part, all is asked for behind it
//! ([`super::afterwards`]).

use std::ops::Range;

use crate::wire::command::{Args, Command};
use crate::wire::patch::Patch;
use crate::wire::response::{Token, token};
use crate::wire::search::{Returns, SearchReturn};

use super::Session;
use super::effect::{Effect, Held};
use super::recording::is_silent;
use super::response_path::Flow;
use super::searches::Correlator;

/// Where a search that looks into messages tells how many it has found, and not which: it goes up so that both are told.
pub(super) fn ask_which(command: &Command<'_>, patch: &mut Patch<'_>, held: &mut Held) {
    let silent = is_silent(held.audit, Some(&held.judged));
    let Effect::Searching(searching) = &mut held.effect else { return };
    let Some(returns) = returns_of(command).filter(|_| searching.content && !silent) else { return };
    let asks = |option| returns.options.contains(&option);
    let partial = returns.options.iter().any(|option| matches!(option, SearchReturn::Partial(_)));
    // Relevancies tell how many there are, too; but beside MIN and MAX they leave `$` to those.
    let ends = asks(SearchReturn::Min) || asks(SearchReturn::Max);
    let counts = asks(SearchReturn::Relevancy) && !(asks(SearchReturn::Save) && ends);
    if !(asks(SearchReturn::Count) || counts) || asks(SearchReturn::All) {
        return;
    }
    if partial {
        searching.again = all_of(command);
        return;
    }
    patch.insert(returns.span.end.saturating_sub(1), " ALL");
    searching.adds_all = true;
}

/// The same search, for all that it finds.
fn all_of(command: &Command<'_>) -> Option<Box<[u8]>> {
    let program = match &command.args {
        Args::Search(search) => &search.program,
        Args::Sort(sort) => &sort.program,
        _ => return None,
    };
    let frame = command.frame();
    let form: &[u8] = if command.verb.is_uid_form() { b"UID SEARCH RETURN (ALL) " } else { b"SEARCH RETURN (ALL) " };
    let charset = program.charset.as_ref().and_then(|charset| frame.get(charset.span.clone()));
    let charset = charset.map(|charset| [b"CHARSET ", charset, b" "].concat()).unwrap_or_default();
    Some([form, &charset, frame.get(program.keys_span.clone())?, b"\r\n"].concat().into())
}

fn returns_of<'c>(command: &'c Command<'_>) -> Option<&'c Returns> {
    match &command.args {
        Args::Search(search) => search.returns.as_ref(),
        Args::Esearch(esearch) => esearch.search.returns.as_ref(),
        Args::Sort(sort) => sort.returns.as_ref(),
        _ => None,
    }
}

impl Session {
    /// An ESEARCH response, whole: followed, and handed on with what its client has asked for. `Pass`: as it is.
    pub(super) fn relay_esearch(&mut self, response: &[u8], rest: usize) -> Flow {
        let list = response.get(rest..).unwrap_or_default();
        self.follow_esearch(list);
        let Some(all) = all_in(response, rest).filter(|_| self.has_added_all(list)) else {
            return self.with_clients_tag(response);
        };
        let (before, behind) = (response.get(..all.start), response.get(all.end..));
        let told = [before.unwrap_or_default(), behind.unwrap_or_default()].concat();
        if self.with_clients_tag(&told) == Flow::Pass {
            self.out.client().extend_from_slice(&told);
        }
        Flow::Drop
    }

    fn has_added_all(&self, list: &[u8]) -> bool {
        let serial = Correlator::read(list).tag.and_then(|tag| self.own_serial(&tag));
        let mut searches = self.in_flight.iter().filter_map(|entry| match &entry.effect {
            Effect::Searching(searching) if serial.is_none_or(|serial| entry.serial == serial) => Some(searching),
            _ => None,
        });
        searches.next().is_some_and(|searching| searching.adds_all)
    }
}

/// Where ALL stands in an ESEARCH response, with what it tells and the blank before it.
fn all_in(response: &[u8], rest: usize) -> Option<Range<usize>> {
    let mut at = match token(response, rest)? {
        (Token::Open, _) => end_of_value(response, rest)?,
        _ => rest,
    };
    loop {
        let (name, end) = token(response, at)?;
        let Token::Atom(name) = name else { return None };
        if name.eq_ignore_ascii_case(b"UID") {
            at = end; // it has no value
            continue;
        }
        let behind = end_of_value(response, end)?;
        if name.eq_ignore_ascii_case(b"ALL") {
            return Some(at..behind);
        }
        at = behind;
    }
}

/// The end of the word, string or list that begins here.
fn end_of_value(response: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0u32;
    loop {
        let (next, end) = token(response, at)?;
        at = end;
        match next {
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => depth = depth.checked_sub(1)?,
            Token::Atom(_) | Token::Quoted(_) | Token::Literal(_) => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out() {
        let rows: [(&str, &str, Option<&str>); 9] = [
            ("at the end", " (TAG \"a\") UID COUNT 2 ALL 4,9\r\n", Some(" (TAG \"a\") UID COUNT 2\r\n")),
            ("between", " (TAG \"a\") MIN 4 ALL 4,9 COUNT 2\r\n", Some(" (TAG \"a\") MIN 4 COUNT 2\r\n")),
            ("behind a list", " UID RELEVANCY (4 99) all 4:9\r\n", Some(" UID RELEVANCY (4 99)\r\n")),
            (
                "in the name of a mailbox",
                " (TAG \"a\" MAILBOX \"x) ALL 1\" UIDVALIDITY 7) COUNT 1 ALL 5\r\n",
                Some(" (TAG \"a\" MAILBOX \"x) ALL 1\" UIDVALIDITY 7) COUNT 1\r\n"),
            ),
            (
                "in a literal",
                " (MAILBOX {8}\r\n ALL 1:2 TAG \"a\") COUNT 1 ALL 5\r\n",
                Some(" (MAILBOX {8}\r\n ALL 1:2 TAG \"a\") COUNT 1\r\n"),
            ),
            ("a value that is called so", " (TAG \"a\") X ALL COUNT 1\r\n", None),
            ("none", " (TAG \"a\") UID COUNT 0\r\n", None),
            ("cut", " (TAG \"a\") UID COUNT 0 ALL\r\n", None),
            ("not closed", " (TAG \"a\" ALL 4\r\n", None),
        ];
        for (name, response, want) in rows {
            let all = all_in(response.as_bytes(), 0);
            let told = all.map(|all| [&response[..all.start], &response[all.end..]].concat());
            assert_eq!(told.as_deref(), want, "{name}");
        }
    }
}
