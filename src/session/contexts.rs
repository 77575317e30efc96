//! Searches that go on (RFC 5267): with RETURN (UPDATE) the client is told what else they find, until the mailbox is closed.
//!
//! ```text
//!   a1 UID SEARCH RETURN (UPDATE) BODY x   ◀─ * ESEARCH (TAG "t7") UID ALL 4     the search, answered
//!                                          ◀─ * ESEARCH (TAG "t7") UID ADDTO (0 9)   any time later: one hit more
//!   a2 CANCELUPDATE "a1"                   ─▶ CANCELUPDATE "t7"
//! ```
//!
//! The upstream knows it by a tag of ours, and the client by its own. What they find is recorded as what any search does.

use std::sync::Arc;

use crate::policy::AuditLevel;
use crate::wire::command::Text;
use crate::wire::patch::Patch;
use crate::wire::search::{Returns, SearchReturn};

use super::Session;
use super::effect::{Effect, Judged};
use super::event::{CommandResult, EventKind, MailboxRef, Note, ReadClass, ResultStatus, Stage};
use super::in_flight::{Entry, Tag};
use super::recording::is_silent;
use super::searches::Told;

/// Most of them in one session. Clients have one for each view that is open.
const MAX_CONTEXTS: usize = 64;

/// A search that goes on.
#[derive(Debug)]
pub(super) struct Context {
    serial: u32,
    tag: Tag,
    cmd: u32,
    verb: crate::imap::verb::Verb,
    audit: AuditLevel,
    judged: Option<Box<Judged>>,
    mailbox: Option<Arc<MailboxRef>>,
    keys: Vec<&'static str>,
    terms: Vec<Box<str>>,
    content: bool,
    uid: bool,
    tells_all: bool,
}

/// Does it ask to be told what else is found?
pub(super) fn goes_on(returns: Option<&Returns>) -> bool {
    returns.is_some_and(|returns| returns.options.contains(&SearchReturn::Update))
}

impl Session {
    /// May one more search go on?
    pub(super) fn has_room_for_context(&self, effect: &Effect) -> bool {
        let asked = |effect: &Effect| matches!(effect, Effect::Searching(searching) if searching.goes_on);
        let under_way = || self.in_flight.iter().filter(|entry| asked(&entry.effect)).count();
        !asked(effect) || self.contexts.len().saturating_add(under_way()) < MAX_CONTEXTS
    }

    /// A search is answered in OK: does it go on?
    pub(super) fn note_context(&mut self, entry: &Entry) {
        match &entry.effect {
            Effect::Searching(searching) if searching.goes_on => self.contexts.push(Context {
                serial: entry.serial,
                tag: entry.tag.clone(),
                cmd: entry.cmd,
                verb: entry.verb,
                audit: entry.audit,
                judged: entry.judged.clone(),
                mailbox: entry.mailbox.clone(),
                keys: searching.keys.clone(),
                terms: searching.terms.clone(),
                content: searching.content,
                uid: searching.uid,
                tells_all: searching.tells_all,
            }),
            Effect::Cancelling(serials) => self.contexts.retain(|context| !serials.contains(&context.serial)),
            _ => {}
        }
    }

    /// The client's tag of the search that had this number.
    pub(super) fn tag_of_context(&self, serial: u32) -> Option<&Tag> {
        self.contexts.iter().find(|context| context.serial == serial).map(|context| &context.tag)
    }

    /// CANCELUPDATE names searches by the client's tags: the upstream knows them by others.
    pub(super) fn cancel_contexts(&self, tags: &[Text<'_>], patch: &mut Patch<'_>, effect: &mut Effect) {
        let mut serials = Vec::new();
        for text in tags {
            let known = self.contexts.iter().rev().find(|context| *context.tag == *text.octets);
            if let Some(context) = known {
                patch.replace(text.span.clone(), format!("\"{}{}\"", self.start.tag_prefix, context.serial));
                serials.push(context.serial);
            }
        }
        *effect = Effect::Cancelling(serials);
    }

    /// A search that was answered before has found more: the record goes before what the client is told.
    pub(super) fn record_context(&mut self, serial: u32, mut told: Told) {
        let Some(context) = self.contexts.iter().find(|context| context.serial == serial) else { return };
        if !context.tells_all {
            told.take_removed(); // that it was found is told only now
        }
        let (hits, uids) = (told.hits(), &told.numbers);
        if !context.content || hits == 0 {
            return;
        }
        let silent = is_silent(context.audit, context.judged.as_deref());
        let mut event = self.event(EventKind::MessageSearch {
            keys: context.keys.clone(),
            terms: context.terms.clone(),
            content: true,
            hits: Some(hits),
            uids: (context.uid && !uids.is_empty()).then(|| uids.clone()),
            hidden: None,
        });
        event.cmd = Some(context.cmd);
        event.verb = Some(context.verb);
        event.stage = Some(Stage::Done);
        event.mailbox.clone_from(&context.mailbox);
        event.policy = context.judged.as_deref().map(|judged| self.outcome(judged));
        event.result = Some(CommandResult { status: ResultStatus::Ok, code: None });
        self.read_counts.add(ReadClass::Searched, hits);
        self.note(Note::Read { class: ReadClass::Searched, messages: hits, bytes: 0 });
        if !silent {
            self.out.record(event);
        }
    }

    /// The open mailbox is none any more, or another one: what was remembered of it is of no use.
    pub(super) fn forget_mailbox(&mut self) {
        let left = self.state.selected().map(|selected| Arc::clone(&selected.mailbox));
        self.shelf.put(left, &mut self.coverage);
        self.contexts.clear();
        self.saved_content = false;
    }
}
