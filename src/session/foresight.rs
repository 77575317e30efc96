//! What is a command about to do? Worked out before it goes up, followed until its answer, recorded then.

use std::sync::Arc;

use crate::imap::message::SeqSet;
use crate::imap::verb::Verb;
use crate::policy::AuditLevel;
use crate::wire::command::{Args, Command, FetchKind, MailboxArg};
use crate::wire::list::ReturnKind;
use crate::wire::search::{SearchReturn, SortBy};
use crate::wire::structure::PartNumber;

use super::Session;
use super::contexts::goes_on;
use super::coverage::Section;
use super::effect::{Effect, Held, Opening, Searching};
use super::event::{AclOp, CopyOp, ExpungeHow, FlagOp, ListOp, MailboxChange, MailboxRef, ReadClass};
use super::names::Resolved;
use super::parts::PartOf;
use super::reads::Reads;
use super::told_status::word_of;

/// Octets of a search term that are recorded.
const MAX_TERM: usize = 256;

impl Session {
    /// Is the open mailbox one in which nothing can be changed?
    pub(super) fn opened_read_only(&self) -> bool {
        self.state.selected().is_some_and(|selected| selected.read_only)
    }

    /// What a command is followed as.
    pub(super) fn effect_of<'a>(
        &self,
        command: &Command<'_>,
        mut names: impl Iterator<Item = (&'a MailboxArg<'a>, &'a Resolved)>,
    ) -> Effect {
        let first = names.next().map(|(_, resolved)| resolved);
        let named = || {
            let name = first.map_or("", |resolved| resolved.name.as_str());
            Arc::new(MailboxRef::named(Arc::from(name)))
        };
        let change = |op| Effect::Changing { op, name: named(), to: None };
        match &command.args {
            Args::Open(_) => match first {
                Some(resolved) => Effect::Opening(Box::new(Opening {
                    mailbox: named(),
                    target: resolved.clone(),
                    examine: command.verb == Verb::Examine,
                    exists: None,
                    uidvalidity: None,
                    id: None,
                    read_only: command.verb == Verb::Examine,
                    guarded: self.guards_mailbox(resolved).then(Box::default),
                    hidden: None,
                })),
                None => Effect::Plain,
            },
            Args::Create(_) => change(MailboxChange::Create),
            Args::Mailbox(_) => match command.verb {
                Verb::Delete => change(MailboxChange::Delete),
                Verb::Subscribe => change(MailboxChange::Subscribe),
                Verb::Unsubscribe => change(MailboxChange::Unsubscribe),
                Verb::GetAcl | Verb::MyRights => {
                    let op = if command.verb == Verb::MyRights { AclOp::MyRights } else { AclOp::Get };
                    Effect::Acl { op, mailbox: named(), target: first.cloned(), who: None, rights: None }
                }
                _ => Effect::Plain,
            },
            Args::Rename(_) => {
                let to = names.next().map(|(_, resolved)| Arc::from(resolved.name.as_str()));
                Effect::Changing { op: MailboxChange::Rename, name: named(), to }
            }
            Args::List(list) => {
                let text = |arg: &MailboxArg<'_>| String::from_utf8_lossy(arg.octets()).into_owned();
                Effect::Listing {
                    op: if command.verb == Verb::Lsub { ListOp::Lsub } else { ListOp::List },
                    reference: text(&list.reference).into(),
                    pattern: list.patterns.iter().map(text).collect::<Vec<_>>().join(" ").into(),
                    n: 0,
                    hidden: 0,
                    statuses: list.returns.iter().flatten().any(|option| matches!(option.kind, ReturnKind::Status(_))),
                }
            }
            Args::Status(status) => Effect::Status {
                mailbox: named(),
                items: status.items.iter().map(|item| word_of(item.kind)).collect(),
                guarded: first.filter(|first| self.guards_mailbox(first)).cloned().map(Box::new),
            },
            Args::SetAcl(acl) => Effect::Acl {
                op: AclOp::Set,
                mailbox: named(),
                target: None,
                who: acl.identifier.as_str().map(Into::into),
                rights: acl.rights.as_str().map(Into::into),
            },
            Args::Acl(acl) => Effect::Acl {
                op: if command.verb == Verb::ListRights { AclOp::ListRights } else { AclOp::Delete },
                mailbox: named(),
                target: None,
                who: acl.identifier.as_str().map(Into::into),
                rights: None,
            },
            Args::Fetch(fetch) => Effect::Fetching(Box::new(self.reads_for(command, fetch))),
            Args::Search(_) | Args::Esearch(_) | Args::Sort(_) | Args::Thread(_) => {
                let mut searching = searching(command);
                searching.content |= uses_saved(command) && self.saved_by_content();
                Effect::Searching(Box::new(searching))
            }
            Args::Store(store) => {
                let (uids, ask) = self.asked(&store.set.set, command.verb.is_uid_form());
                Effect::Storing {
                    op: match store.action {
                        crate::wire::command::store::StoreAction::Add => FlagOp::Add,
                        crate::wire::command::store::StoreAction::Remove => FlagOp::Remove,
                        crate::wire::command::store::StoreAction::Replace => FlagOp::Replace,
                    },
                    flags: store.flags.flags.iter().map(|arg| arg.flag.clone()).collect(),
                    dropped: Vec::new(),
                    uids,
                    ask: ask.then(|| text_of(command.frame(), &store.set.span)),
                }
            }
            Args::Copy(copy) => {
                let (uids, ask) = self.asked(&copy.set.set, command.verb.is_uid_form());
                Effect::Copying {
                    op: if command.verb.base() == Verb::Move { CopyOp::Move } else { CopyOp::Copy },
                    dst: Arc::from(first.map_or("", |resolved| resolved.name.as_str())),
                    uids,
                    code: None,
                    ask: ask.then(|| text_of(command.frame(), &copy.set.span)),
                    guarded: first.filter(|first| self.guards_mailbox(first)).cloned().map(Box::new),
                }
            }
            Args::Append(append) => self.appending(command, append, None, first),
            Args::Replace(replace) => self.appending(command, &replace.append, Some(&replace.set), first),
            Args::UidExpunge(set) => {
                let (uids, ask) = self.asked(&set.set, true);
                let ask = ask.then(|| text_of(command.frame(), &set.span));
                Effect::Expunging { how: ExpungeHow::UidExpunge, uids, ask }
            }
            Args::None => match command.verb {
                Verb::Expunge => Effect::Expunging { how: ExpungeHow::Expunge, uids: None, ask: None },
                Verb::Close => Effect::Closing { uids: Some(crate::imap::message::UidSet::new()), by_absence: false },
                Verb::Unselect => Effect::Closing { uids: None, by_absence: false },
                Verb::Idle => {
                    Effect::Idle { confirmed: false, done: false, broken: false, pausing: false, resumed: false }
                }
                _ => Effect::Plain,
            },
            _ => Effect::Plain,
        }
    }

    /// Does `$` stand for what a search in messages has found? Who asks for anything of those learns which they are.
    fn saved_by_content(&self) -> bool {
        let saving = self.in_flight.iter().filter_map(|entry| match &entry.effect {
            Effect::Searching(searching) if searching.saves => Some(searching.content),
            _ => None,
        });
        saving.last().unwrap_or(self.saved_content)
    }

    /// The UIDs of a set, or whether the upstream must be asked which they are.
    pub(super) fn asked(&self, set: &SeqSet, uid_form: bool) -> (Option<crate::imap::message::UidSet>, bool) {
        if !uid_form {
            return (None, true);
        }
        match set {
            SeqSet::Saved => (None, true),
            // `*` is the largest UID there is, and that is in `999:*` though it be 7 (RFC 9051 §9 `seq-range`): nobody knows it here.
            SeqSet::Ranges(_) if set.has_star() => (None, true),
            SeqSet::Ranges(_) => (set.resolve(u32::MAX), false),
        }
    }

    pub(super) fn reads_for(&self, command: &Command<'_>, fetch: &crate::wire::command::Fetch<'_>) -> Reads {
        let uid_form = command.verb.is_uid_form();
        let says_uid = uid_form || fetch.items.iter().any(|item| item.kind == FetchKind::Uid);
        let (asked, _) = self.asked(&fetch.set.set, uid_form);
        let unknown = asked.is_none();
        let slices: Vec<_> = fetch.items.iter().filter_map(|item| slice_of(&item.kind)).collect();
        let is_part = |slice: &(Section, u64, u64)| matches!(slice.0, Section::Part(..));
        let sized = asked.as_ref().is_some_and(|asked| self.coverage.knows_sizes(asked));
        // Who has the first part may have all of them.
        let asks_first = fetch.items.iter().filter_map(|item| part_of(&item.kind)).any(|part| part.is_first());
        let parted = || asked.as_ref().is_some_and(|asked| self.coverage.knows_structures(asked));
        Reads {
            wants: fetch.class(),
            wants_flags: wants_flags(fetch),
            asks_parts: fetch.items.iter().any(|item| part_of(&item.kind).is_some()),
            may_doubt: slices.iter().any(|slice| !is_part(slice)) && !sized || asks_first && !parted(),
            slices,
            found: fetch.set.set == SeqSet::Saved && self.saved_by_content(),
            brings_header: fetch.items.iter().any(|item| brings_header(&item.kind)),
            asked,
            ask: (unknown && (!says_uid || fetch.class() >= ReadClass::Preview))
                .then(|| text_of(command.frame(), &fetch.set.span)),
            ..Reads::default()
        }
    }
}

/// Is the message's own header in it from its first octet?
fn brings_header(kind: &FetchKind<'_>) -> bool {
    use crate::wire::command::fetch::SectionText;
    match kind {
        FetchKind::Rfc822 | FetchKind::Rfc822Header => true,
        FetchKind::Section { section, partial: None } => {
            section.part.is_empty() && matches!(section.text, SectionText::Whole | SectionText::Header)
        }
        _ => false,
    }
}

/// Would a response that tells flags and no more be an answer, and not news?
fn wants_flags(fetch: &crate::wire::command::Fetch<'_>) -> bool {
    let mut kinds = fetch.items.iter().map(|item| &item.kind);
    kinds.clone().any(|kind| matches!(kind, FetchKind::Flags | FetchKind::All | FetchKind::Fast | FetchKind::Full))
        || kinds.all(|kind| matches!(kind, FetchKind::Uid | FetchKind::ModSeq))
}

/// The numbered part that is asked for, or of which the text is.
fn part_of(kind: &FetchKind<'_>) -> Option<PartNumber> {
    use crate::wire::command::fetch::SectionText;
    match kind {
        FetchKind::Section { section, .. } if !section.part.is_empty() => {
            matches!(section.text, SectionText::Whole | SectionText::Text).then(|| PartNumber::of(&section.part))
        }
        FetchKind::Binary { part, .. } if !part.is_empty() => Some(PartNumber::of(part)),
        _ => None,
    }
}

/// A slice that is asked for, of what adds up.
fn slice_of(kind: &FetchKind<'_>) -> Option<(Section, u64, u64)> {
    use crate::wire::command::fetch::SectionText;
    let (section, (from, octets)) = match kind {
        FetchKind::Section { section, partial } if section.part.is_empty() => match section.text {
            SectionText::Whole => (Section::Whole, (*partial)?),
            SectionText::Text => (Section::Text, (*partial)?),
            SectionText::Header => (Section::Header, (*partial)?),
            SectionText::HeaderFieldsNot(_) => (Section::Fields, (*partial)?),
            SectionText::HeaderFields(_) | SectionText::Mime => return None,
        },
        FetchKind::Section { section, partial } => match section.text {
            SectionText::Whole => (Section::Part(part_of(kind)?, PartOf::All), (*partial)?),
            SectionText::Text => (Section::Part(part_of(kind)?, PartOf::Text), (*partial)?),
            SectionText::Header
            | SectionText::HeaderFields(_)
            | SectionText::HeaderFieldsNot(_)
            | SectionText::Mime => return None,
        },
        FetchKind::Binary { part, partial } if part.is_empty() => (Section::Decoded, (*partial)?),
        FetchKind::Binary { partial, .. } => (Section::Part(part_of(kind)?, PartOf::Decoded), (*partial)?),
        _ => return None,
    };
    Some((section, from, octets))
}

fn text_of(frame: &[u8], span: &std::ops::Range<usize>) -> Box<[u8]> {
    frame.get(span.clone()).unwrap_or_default().into()
}

impl Held {
    /// How much of it is recorded, now that it is known.
    pub(super) fn set_audit(&mut self, level: AuditLevel, command: &Command<'_>) {
        self.audit = level;
        match &mut self.effect {
            Effect::Fetching(reads) => reads.level = level,
            Effect::Searching(searching) if level == AuditLevel::Headers => searching.terms = terms(command),
            _ => {}
        }
    }
}

/// What a search looks for.
fn terms(command: &Command<'_>) -> Vec<Box<str>> {
    use crate::wire::search::KeyKind;
    let mut terms = Vec::new();
    for key in command.search_keys().unwrap_or_default() {
        key.walk(&mut |key| {
            let (KeyKind::Field(_, text)
            | KeyKind::Header(_, text)
            | KeyKind::Body(text)
            | KeyKind::Text(text)
            | KeyKind::Vendor(_, text)) = &key.kind
            else {
                return;
            };
            let term = String::from_utf8_lossy(text.octets.get(..text.octets.len().min(MAX_TERM)).unwrap_or_default());
            terms.push(term.into());
        });
    }
    terms
}

/// Is one of the criteria what another search has found?
fn uses_saved(command: &Command<'_>) -> bool {
    use crate::wire::search::KeyKind;
    let mut uses = false;
    for key in command.search_keys().unwrap_or_default() {
        key.walk(&mut |key| match &key.kind {
            KeyKind::Set(set) | KeyKind::Uid(set) => uses |= set.set == SeqSet::Saved,
            _ => {}
        });
    }
    uses
}

fn searching(command: &Command<'_>) -> Searching {
    let keys = command.search_keys().unwrap_or_default();
    let mut names = Vec::new();
    let mut content = false;
    for key in keys {
        content |= key.reads_content();
        key.walk(&mut |key| {
            let name = key_name(&key.kind);
            if !names.contains(&name) {
                names.push(name);
            }
        });
    }
    // An order by texts tells of them, whatever it is that is found (audit.md §3).
    let order: &[&'static str] = match &command.args {
        Args::Sort(sort) => &sort.criteria.iter().filter_map(|key| sorted_text(key.by)).collect::<Vec<_>>(),
        Args::Thread(thread) if thread.algorithm.is("ORDEREDSUBJECT") => &["SUBJECT"],
        Args::Thread(_) => &["SUBJECT", "REFERENCES"],
        _ => &[],
    };
    content |= !order.is_empty();
    for name in order {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let returns = match &command.args {
        Args::Search(search) => search.returns.as_ref(),
        Args::Esearch(esearch) => esearch.search.returns.as_ref(),
        Args::Sort(sort) => sort.returns.as_ref(),
        _ => None,
    };
    // ESEARCH always tells UIDs (RFC 7377 §2.1).
    let uid = command.verb.is_uid_form() || command.verb == Verb::Esearch;
    let options = returns.map(|returns| returns.options.as_slice()).unwrap_or_default();
    let saves = options.contains(&SearchReturn::Save);
    let saves_only = saves && options.len() == 1;
    let all = [SearchReturn::All, SearchReturn::Count];
    Searching {
        keys: names,
        content,
        uid,
        saves,
        saves_only,
        tells_all: options.is_empty() || options.iter().any(|option| all.contains(option)),
        goes_on: goes_on(returns),
        ..Searching::default()
    }
}

/// The text of a message that SORT goes by, if it is one.
const fn sorted_text(by: SortBy) -> Option<&'static str> {
    match by {
        SortBy::Cc => Some("CC"),
        SortBy::From | SortBy::DisplayFrom => Some("FROM"),
        SortBy::Subject => Some("SUBJECT"),
        SortBy::To | SortBy::DisplayTo => Some("TO"),
        SortBy::Arrival | SortBy::Date | SortBy::Size | SortBy::Relevancy => None,
    }
}

/// The criterion's name, for the record; never what it looks for.
fn key_name(kind: &crate::wire::search::KeyKind<'_>) -> &'static str {
    use crate::wire::search::{DateOf, Field, KeyKind};
    match kind {
        KeyKind::All => "ALL",
        KeyKind::New => "NEW",
        KeyKind::Flag(..) => "FLAG",
        KeyKind::Field(Field::Bcc, _) => "BCC",
        KeyKind::Field(Field::Cc, _) => "CC",
        KeyKind::Field(Field::From, _) => "FROM",
        KeyKind::Field(Field::Subject, _) => "SUBJECT",
        KeyKind::Field(Field::To, _) => "TO",
        KeyKind::Header(..) => "HEADER",
        KeyKind::Body(_) => "BODY",
        KeyKind::Text(_) => "TEXT",
        KeyKind::Date(DateOf::Internal, ..) => "DATE",
        KeyKind::Date(DateOf::Sent, ..) => "SENTDATE",
        KeyKind::Date(DateOf::Saved, ..) => "SAVEDATE",
        KeyKind::Larger(_) => "LARGER",
        KeyKind::Smaller(_) => "SMALLER",
        KeyKind::Older(_) => "OLDER",
        KeyKind::Younger(_) => "YOUNGER",
        KeyKind::Set(_) => "SET",
        KeyKind::Uid(_) => "UID",
        KeyKind::ModSeq(_) => "MODSEQ",
        KeyKind::SaveDateSupported => "SAVEDATESUPPORTED",
        KeyKind::EmailId(_) => "EMAILID",
        KeyKind::ThreadId(_) => "THREADID",
        KeyKind::Fuzzy(_) => "FUZZY",
        KeyKind::Not(_) => "NOT",
        KeyKind::Or(..) => "OR",
        KeyKind::And(_) => "AND",
        KeyKind::Vendor(name, _) => name,
    }
}
