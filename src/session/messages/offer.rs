//! What is not offered where messages may be hidden: what is not filtered yet is not there at all, never half-filtered.
//!
//! Mod-sequences move when hidden messages change, sizes and windows count them. Servers put what has the same subject into an
//! order that they remember of all messages (Dovecot 2.3), so there are no threads by subject; those by references are threaded
//! from what is visible.

use crate::imap::verb::Verb;
use crate::wire::command::folder::{StatusItem, StatusKind};
use crate::wire::command::{Args, Command, FetchKind};
use crate::wire::list::ReturnKind;
use crate::wire::response::Code;
use crate::wire::search::{KeyKind, Returns, SearchReturn};

use super::super::effect::Effect;
use super::super::in_flight::Entry;
use super::{Session, partial};

/// Capabilities that such a session does not have.
const WITHHELD: [&str; 5] = ["CONDSTORE", "QRESYNC", "STATUS=SIZE", "THREAD=ORDEREDSUBJECT", "UIDBATCHES"];

/// Is it withheld?
pub(in crate::session) fn is_withheld(token: &[u8]) -> bool {
    WITHHELD.iter().any(|name| token.eq_ignore_ascii_case(name.as_bytes()))
}

/// Does it switch something on, for the rest of the session, that such a session does not have?
pub(in crate::session) fn switches_on(command: &Command<'_>) -> bool {
    match &command.args {
        Args::Enable(words) => words.iter().any(|word| is_withheld(word.text.as_bytes())),
        _ => !is_offered(command),
    }
}

impl Session {
    /// Can messages be hidden from this client, in any mailbox?
    pub(in crate::session) fn may_hide_messages(&self) -> bool {
        self.bound.may_hide_messages()
    }

    /// Does a response code of an answer tell of what may be hidden?
    pub(in crate::session) fn withholds_code(&self, entry: &Entry, code: &Code<'_>) -> bool {
        let of_view = ["UIDNEXT", "UNSEEN", "UIDVALIDITY", "PERMANENTFLAGS"];
        let here = self.guards() && of_view.iter().any(|name| code.is(name));
        // Where a message may be hidden that nobody has judged, its UID is not told.
        let there = match &entry.effect {
            Effect::Appending { guarded, .. } => *guarded && code.is("APPENDUID"),
            _ => false,
        };
        here || there || self.withholds_code_here(code)
    }

    /// The same of any response: mod-sequences may be counted per account.
    pub(in crate::session) fn withholds_code_here(&self, code: &Code<'_>) -> bool {
        let appends_there =
            || self.in_flight.iter().any(|entry| matches!(entry.effect, Effect::Appending { guarded: true, .. }));
        self.may_hide_messages() && ["HIGHESTMODSEQ", "NOMODSEQ", "MODIFIED"].iter().any(|name| code.is(name))
            || code.is("APPENDUID") && appends_there()
    }

    /// May the client use all that this command uses?
    pub(in crate::session) fn offers_here(&self, command: &Command<'_>) -> bool {
        !self.may_hide_messages() || is_offered(command)
    }
}

fn is_offered(command: &Command<'_>) -> bool {
    if command.verb.base() == Verb::UidBatches {
        return false;
    }
    let by_arguments = match &command.args {
        Args::Open(open) => open.params.is_empty(),
        Args::Fetch(fetch) => {
            (fetch.modifiers.is_empty() || partial::modifier(fetch).is_some())
                && !fetch.items.iter().any(|item| matches!(item.kind, FetchKind::ModSeq | FetchKind::Vendor(_)))
        }
        Args::Store(store) => store.unchanged_since.is_none(),
        Args::Status(status) => items_are_offered(&status.items),
        Args::List(list) => list.returns.iter().flatten().all(|option| match &option.kind {
            ReturnKind::Status(items) => items_are_offered(items),
            _ => true,
        }),
        Args::Search(search) => returns_are_offered(search.returns.as_ref()) && parts_are_one(search.returns.as_ref()),
        Args::Thread(thread) => {
            ["REFERENCES", "REFS"].iter().any(|name| thread.algorithm.text.eq_ignore_ascii_case(name))
        }
        // PARTIAL of what is sorted belongs to CONTEXT=SORT (RFC 5267 §4.4).
        Args::Sort(sort) => returns_are_offered(sort.returns.as_ref()) && parts(sort.returns.as_ref()).next().is_none(),
        _ => true,
    };
    let mut by_keys = true;
    for key in command.search_keys().unwrap_or_default() {
        by_keys &= !key.any(|key| matches!(key.kind, KeyKind::ModSeq(_) | KeyKind::Fuzzy(_) | KeyKind::Vendor(..)));
    }
    by_arguments && by_keys
}

fn items_are_offered(items: &[StatusItem]) -> bool {
    let withheld = |kind| matches!(kind, StatusKind::Size | StatusKind::HighestModSeq | StatusKind::DeletedStorage);
    !items.iter().any(|item| withheld(item.kind))
}

fn returns_are_offered(returns: Option<&Returns>) -> bool {
    let is_offered = |option: &SearchReturn| {
        matches!(
            option,
            SearchReturn::Min
                | SearchReturn::Max
                | SearchReturn::All
                | SearchReturn::Count
                | SearchReturn::Save
                | SearchReturn::Partial(_)
        )
    };
    returns.is_none_or(|returns| returns.options.iter().all(is_offered))
}

fn parts(returns: Option<&Returns>) -> impl Iterator<Item = &SearchReturn> {
    let options = returns.into_iter().flat_map(|returns| &returns.options);
    options.filter(|option| matches!(option, SearchReturn::Partial(_)))
}

/// One PARTIAL, or ALL, or neither (RFC 9394 §3.1).
fn parts_are_one(returns: Option<&Returns>) -> bool {
    let all = returns.is_some_and(|returns| returns.options.contains(&SearchReturn::All));
    parts(returns).count() <= usize::from(!all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Utf8Mode;

    #[test]
    fn what_is_not_filtered_is_not_there() {
        let rows = [
            ("SELECT x", true),
            ("SELECT x (CONDSTORE)", false),
            ("UID FETCH 1:* (FLAGS BODY.PEEK[])", true),
            ("FETCH 1 (UID MODSEQ)", false),
            ("FETCH 1 FLAGS (CHANGEDSINCE 7)", false),
            ("STORE 1 (UNCHANGEDSINCE 7) +FLAGS (x)", false),
            ("STATUS x (MESSAGES UIDNEXT UNSEEN)", true),
            ("STATUS x (HIGHESTMODSEQ)", false),
            ("STATUS x (SIZE)", false),
            ("LIST \"\" * RETURN (CHILDREN)", true),
            ("LIST \"\" * RETURN (STATUS (MESSAGES))", true),
            ("LIST \"\" * RETURN (STATUS (MESSAGES SIZE))", false),
            ("SEARCH RETURN (SAVE MIN) NOT SEEN", true),
            ("SEARCH RETURN (SAVE PARTIAL 1:10) ALL", true),
            ("SEARCH RETURN (ALL PARTIAL 1:10) ALL", false),
            ("SEARCH RETURN (PARTIAL 1:10 PARTIAL -1:-10) ALL", false),
            ("SEARCH RETURN (PARTIAL 1:10 CONTEXT) ALL", false),
            ("SORT RETURN (PARTIAL 1:10) (DATE) UTF-8 ALL", false),
            ("UID FETCH 1:* FLAGS (PARTIAL -1:-10)", true),
            ("UID FETCH 1:* FLAGS (PARTIAL -1:-10 CHANGEDSINCE 7)", false),
            ("UID FETCH 1:* FLAGS (PARTIAL 1:2 PARTIAL 1:2)", false),
            ("SEARCH NOT (SEEN MODSEQ 7)", false),
            ("SORT (DATE) UTF-8 ALL", true),
            ("THREAD REFERENCES UTF-8 ALL", true),
            ("UID THREAD refs UTF-8 ALL", true),
            ("THREAD ORDEREDSUBJECT UTF-8 ALL", false),
            ("THREAD X-OTHER UTF-8 ALL", false),
        ];
        for (text, want) in rows {
            let frame = format!("a {text}\r\n");
            let command = Command::parse(frame.as_bytes(), Utf8Mode::Off).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(is_offered(&command), want, "{text}");
        }
    }
}
