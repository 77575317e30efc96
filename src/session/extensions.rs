//! Which extensions do the arguments of a command use? What is not offered cannot be used, advertised by the upstream or
//! not: an argument may reach what the command alone does not.
//!
//! ```text
//!   a1 APPEND x CATENATE (URL "/Finance/;UID=1")   ─▶  CATENATE: reads another mailbox
//!   a2 SELECT x (QRESYNC (7 9))                    ─▶  QRESYNC: changes how numbers are told
//! ```

use smallvec::SmallVec;

use crate::imap::capability::class;
use crate::wire::command::append::{Message, MessageData, MessageForm};
use crate::wire::command::fetch::FetchModifierKind;
use crate::wire::command::folder::{OpenKind, StatusItem, StatusKind};
use crate::wire::command::{Args, Command, Fetch, FetchKind};
use crate::wire::list::{List, ReturnKind};
use crate::wire::search::{Key, KeyKind, Returns, SearchReturn, SortBy};

/// Capabilities, each at most once or twice.
type Used = SmallVec<[&'static str; 4]>;

/// What Gmail understands and nobody here: it passes in plain scope.
const VENDOR: &str = "X-GM-EXT-1";

/// Are the extensions that the command's arguments use offered, given whether the session is filtered and whether rules
/// take rights or commands from it?
#[must_use]
pub fn are_offered(command: &Command<'_>, filtered: bool, restricted: bool) -> bool {
    used(command).iter().all(|capability| is_offered(capability, filtered, restricted))
}

/// May a message come in this form?
pub(super) fn form_is_offered(form: MessageForm, filtered: bool, restricted: bool) -> bool {
    capability_of(form).is_none_or(|capability| is_offered(capability, filtered, restricted))
}

fn is_offered(capability: &str, filtered: bool, restricted: bool) -> bool {
    match class(capability.as_bytes()) {
        Some(class) => class.offered(filtered, restricted),
        None => capability == VENDOR && !filtered,
    }
}

const fn capability_of(form: MessageForm) -> Option<&'static str> {
    match form {
        MessageForm::Plain => None,
        MessageForm::Utf8 => Some("UTF8=ACCEPT"),
        MessageForm::Catenate => Some("CATENATE"),
    }
}

fn used(command: &Command<'_>) -> Used {
    let mut used = Used::new();
    match &command.args {
        Args::Append(append) => used.extend(append.messages.iter().filter_map(in_message)),
        Args::Replace(replace) => used.extend(replace.append.messages.iter().filter_map(in_message)),
        Args::Create(create) if !create.special_use.is_empty() => used.push("CREATE-SPECIAL-USE"),
        Args::Open(open) => {
            let resync = open.params.iter().any(|param| matches!(param.kind, OpenKind::Qresync { .. }));
            used.extend(resync.then_some("QRESYNC"));
        }
        Args::Status(status) => used.extend(status.items.iter().filter_map(in_status)),
        Args::List(list) => in_list(list, &mut used),
        Args::Fetch(fetch) => in_fetch(fetch, &mut used),
        Args::Search(search) => in_returns(search.returns.as_ref(), "CONTEXT=SEARCH", &mut used),
        Args::Esearch(esearch) => in_returns(esearch.search.returns.as_ref(), "CONTEXT=SEARCH", &mut used),
        Args::Sort(sort) => {
            in_returns(sort.returns.as_ref(), "CONTEXT=SORT", &mut used);
            used.extend(sort.criteria.iter().any(|key| key.by == SortBy::Relevancy).then_some("SEARCH=FUZZY"));
        }
        _ => {}
    }
    for key in command.search_keys().unwrap_or_default() {
        key.walk(&mut |key| used.extend(in_key(key)));
    }
    used
}

fn in_message(message: &Message<'_>) -> Option<&'static str> {
    match message.data {
        MessageData::Literal(_) => None,
        MessageData::Utf8(_) => capability_of(MessageForm::Utf8),
        MessageData::Catenate(_) => capability_of(MessageForm::Catenate),
    }
}

fn in_status(item: &StatusItem) -> Option<&'static str> {
    match item.kind {
        StatusKind::MailboxId => Some("OBJECTID"),
        StatusKind::DeletedStorage => Some("QUOTA"),
        _ => None,
    }
}

fn in_list(list: &List<'_>, used: &mut Used) {
    for option in list.returns.iter().flatten() {
        match &option.kind {
            ReturnKind::Subscribed | ReturnKind::Children | ReturnKind::SpecialUse => {}
            ReturnKind::Status(items) => {
                used.push("LIST-STATUS");
                used.extend(items.iter().filter_map(in_status));
            }
            ReturnKind::MyRights => used.push("LIST-MYRIGHTS"),
            ReturnKind::Metadata(_) => used.push("LIST-METADATA"),
        }
    }
}

fn in_fetch(fetch: &Fetch<'_>, used: &mut Used) {
    for item in &fetch.items {
        match item.kind {
            FetchKind::EmailId | FetchKind::ThreadId => used.push("OBJECTID"),
            FetchKind::Vendor(_) => used.push(VENDOR),
            _ => {}
        }
    }
    let vanished = fetch.modifiers.iter().any(|modifier| modifier.kind == FetchModifierKind::Vanished);
    used.extend(vanished.then_some("QRESYNC"));
}

fn in_returns(returns: Option<&Returns>, context: &'static str, used: &mut Used) {
    for option in returns.iter().flat_map(|returns| &returns.options) {
        match option {
            SearchReturn::Context | SearchReturn::Update => used.push(context),
            SearchReturn::Relevancy => used.push("SEARCH=FUZZY"),
            _ => {}
        }
    }
}

fn in_key(key: &Key<'_>) -> Option<&'static str> {
    match key.kind {
        KeyKind::Fuzzy(_) => Some("SEARCH=FUZZY"),
        KeyKind::EmailId(_) | KeyKind::ThreadId(_) => Some("OBJECTID"),
        KeyKind::Vendor(..) => Some(VENDOR),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Utf8Mode;

    #[test]
    fn extensions_offered() {
        // In plain scope, with rules that take rights, in filtered scope.
        let rows: [(&str, [bool; 3]); 16] = [
            ("APPEND x {1+}\r\nx", [true, true, true]),
            ("APPEND x UTF8 (~{1+}\r\nx)", [true, true, false]),
            ("APPEND x CATENATE (URL \"/Finance/;UID=1\")", [true, false, false]),
            ("APPEND x {1+}\r\nx CATENATE (TEXT {1+}\r\nx)", [true, false, false]),
            ("CREATE x (USE (\\Trash))", [true, true, false]),
            ("SELECT x (CONDSTORE)", [true, true, true]),
            ("SELECT x (QRESYNC (7 9))", [true, true, false]),
            ("STATUS x (MESSAGES MAILBOXID)", [true, true, false]),
            ("LIST \"\" * RETURN (CHILDREN STATUS (MESSAGES))", [true, true, true]),
            ("LIST \"\" * RETURN (METADATA /private/comment)", [true, false, false]),
            ("UID FETCH 1 (UID EMAILID)", [true, true, false]),
            ("UID FETCH 1 X-GM-LABELS", [true, true, false]),
            ("UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", [true, true, false]),
            ("SEARCH RETURN (UPDATE) ALL", [true, false, false]),
            ("SEARCH NOT (SEEN FUZZY SUBJECT x)", [true, true, false]),
            ("SORT (SUBJECT) UTF-8 OR SEEN THREADID T1", [true, true, false]),
        ];
        for (text, want) in rows {
            let frame = format!("a {text}\r\n");
            let command = Command::parse(frame.as_bytes(), Utf8Mode::Off).unwrap_or_else(|e| panic!("{text}: {e}"));
            let scopes = [(false, false), (false, true), (true, true)];
            assert_eq!(scopes.map(|(filtered, ruled)| are_offered(&command, filtered, ruled)), want, "{text}");
        }
    }
}
