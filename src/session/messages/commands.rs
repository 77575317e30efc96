//! A command about messages, as it goes up: by UIDs of those that are there for this client, and no others.
//!
//! ```text
//!   a1 FETCH 2:* (FLAGS)        ─▶  UID FETCH 13,15:20 (FLAGS)
//!   a2 UID STORE 12 +FLAGS (x)  ─▶  nothing: 12 is hidden, or never was. OK, as for a message that has been expunged
//!   a3 COPY 9 Archive           ─▶  BAD: there is no number 9
//! ```

use std::time::Instant;

use crate::imap::message::{SeqSet, UidSet};
use crate::imap::verb::Verb;
use crate::policy::AuditLevel;
use crate::wire::command::{Args, Command, Fetch, SetArg};
use crate::wire::patch::Patch;

use super::super::effect::{Effect, Held, Judged};
use super::super::event::{FaultReason, VerdictKind};
use super::super::refusal::Answer;
use super::sets::LONG_LINE;
use super::{Hush, Parts, Session, View, partial};

/// Stands for the set in a command until it is known how it is cut: no command line holds it.
const PLACE: &str = "\0";

pub(super) const TOO_MANY: &str = "[LIMIT] too many messages at once";

/// A command that goes up, and which messages it names wherever [`PLACE`] stands, if it names any. `None`: it is answered.
pub(in crate::session) type Translated = Option<(Held, Option<UidSet>)>;

impl Session {
    /// Says by UID what a command says of messages. Edits the patch; [`Session::part_line`] cuts the line.
    pub(in crate::session) fn translate(
        &mut self,
        command: &Command<'_>,
        patch: &mut Patch<'_>,
        mut held: Held,
        now: Instant,
    ) -> Translated {
        let by_uid = command.verb.is_uid_form();
        held.parts = Parts { hush: hush_of(command), by_number: !by_uid && !asks_for_uid(command), ..Parts::default() };
        match &command.args {
            Args::Fetch(fetch) => self.translate_fetch(command, fetch, patch, held, now),
            Args::Store(store) => self.translate_set(command, &store.set, Verb::UidStore, patch, held, now),
            Args::Copy(copy) => {
                let form = if command.verb.base() == Verb::Move { Verb::UidMove } else { Verb::UidCopy };
                self.translate_set(command, &copy.set, form, patch, held, now)
            }
            Args::UidExpunge(_) | Args::None
                if matches!(command.verb, Verb::UidExpunge | Verb::Expunge | Verb::Close) =>
            {
                self.translate_removal(command, held, now)
            }
            Args::Search(_) | Args::Sort(_) | Args::Thread(_) => self.translate_search(command, held, now),
            // They name no messages of the open mailbox.
            Args::None
            | Args::Id(_)
            | Args::Authenticate(_)
            | Args::Login(_)
            | Args::Enable(_)
            | Args::Compress(_)
            | Args::Open(_)
            | Args::Create(_)
            | Args::Mailbox(_)
            | Args::Rename(_)
            | Args::List(_)
            | Args::Status(_)
            | Args::Append(_)
            | Args::SetAcl(_)
            | Args::Acl(_)
            | Args::GetQuota(_)
            | Args::SetQuota(_)
            | Args::GetMetadata(_)
            | Args::SetMetadata(_)
            | Args::CancelUpdate(_) => Some((held, None)),
            // They are not offered here.
            Args::UidExpunge(_) | Args::Replace(_) | Args::Notify(_) | Args::Esearch(_) | Args::UidBatches(_) => {
                self.bad_command(command.frame(), &Answer::UnknownCommand, FaultReason::UnknownCommand, now);
                None
            }
        }
    }

    fn translate_fetch(
        &mut self,
        command: &Command<'_>,
        fetch: &Fetch<'_>,
        patch: &mut Patch<'_>,
        held: Held,
        now: Instant,
    ) -> Translated {
        let (mut held, mut meant) = self.translate_set(command, &fetch.set, Verb::UidFetch, patch, held, now)?;
        if let (Some((range, span)), Some(all)) = (partial::modifier(fetch), &mut meant) {
            *all = partial::part_of(all, range);
            patch.replace(span, "");
            if let Effect::Fetching(reads) = &mut held.effect {
                reads.asked = Some(all.clone());
            }
        }
        Some((held, meant))
    }

    fn translate_set(
        &mut self,
        command: &Command<'_>,
        set: &SetArg,
        form: Verb,
        patch: &mut Patch<'_>,
        mut held: Held,
        now: Instant,
    ) -> Translated {
        let meant = self.meant(command, set, now)?;
        self.note_narrowed(&set.set, command.verb.is_uid_form(), &meant, &mut held);
        match &mut held.effect {
            Effect::Fetching(reads) => {
                reads.asked = Some(meant.clone());
                reads.ask = None;
            }
            Effect::Storing { uids, ask, .. } | Effect::Copying { uids, ask, .. } => {
                *uids = Some(meant.clone());
                *ask = None;
            }
            _ => {}
        }
        patch.replace(command.verb_span.clone(), form.name());
        patch.replace(set.span.clone(), PLACE);
        Some((held, Some(meant)))
    }

    /// A command that names hidden messages does less than it says.
    pub(super) fn note_narrowed(&self, set: &SeqSet, by_uid: bool, visible: &UidSet, held: &mut Held) {
        if let Some(view) = self.view.as_ref().filter(|view| view.names_hidden(set, by_uid, visible)) {
            view.narrows(held.audit, &mut held.judged);
        }
    }

    /// The messages of a set that are there. `None`: it names a number that is not, and that is answered.
    pub(super) fn meant(&mut self, command: &Command<'_>, set: &SetArg, now: Instant) -> Option<UidSet> {
        let view = self.view.as_ref()?;
        let by_uid = command.verb.is_uid_form() || command.verb == Verb::UidExpunge;
        match view.meant(&set.set, by_uid) {
            Ok(meant) => Some(meant),
            Err(_) => {
                self.bad_command(command.frame(), &Answer::Syntax, FaultReason::CommandSyntax, now);
                None
            }
        }
    }

    /// Cuts the line at the place of its set, into as many as there must be. `None`: it is answered.
    pub(in crate::session) fn part_line(&mut self, mut held: Held, meant: &UidSet, now: Instant) -> Option<Held> {
        if meant.is_empty() {
            // As if the messages had been expunged (RFC 9051 §6.4.9): there is nothing to be done.
            self.finish_here(held, now);
            return None;
        }
        held = self.asks_destination(held, meant, now)?;
        let line = std::mem::take(&mut held.line);
        let at = memchr::memchr(0, &line)?;
        let (before, behind) = (line.get(..at)?, line.get(at.saturating_add(PLACE.len())..)?);
        let view = self.view.as_ref()?;
        if matches!(held.effect, Effect::Copying { .. }) {
            let Some(mut lines) = self.copy_lines(before, meant, behind) else {
                self.refuse_held(held, &Answer::Refused { text: TOO_MANY });
                return None;
            };
            lines.reverse();
            (held.line, held.parts.rest) = (lines.pop().unwrap_or_default(), lines);
            return Some(held);
        }
        let capped = match &mut held.effect {
            Effect::Fetching(reads) => reads.cap.is_some(),
            _ => false,
        };
        let mut sets = if capped {
            vec![view.spell(meant)]
        } else {
            view.spell_in_pieces(meant, before.len().saturating_add(behind.len()).saturating_add(32))
        };
        if sets.iter().any(|set| set.len() > LONG_LINE) {
            self.refuse_held(held, &Answer::Refused { text: TOO_MANY });
            return None;
        }
        if let (Effect::Fetching(reads), Some(set)) = (&mut held.effect, sets.first())
            && let Some(cap) = &mut reads.cap
        {
            cap.place(set.as_bytes(), before.len());
        }
        sets.reverse();
        let mut lines = sets.into_iter().map(|set| [before, set.as_bytes(), behind].concat());
        held.parts.rest = lines.by_ref().collect();
        held.line = held.parts.rest.pop().unwrap_or_default();
        Some(held)
    }

    /// A command that the upstream has nothing to do with.
    pub(super) fn finish_here(&mut self, mut held: Held, now: Instant) {
        let line = self.local_answer(&held.tag, &Answer::Completed(held.verb));
        let hush = held.parts.hush;
        self.record_local_done(&mut held, now);
        self.say_settled(line, hush, now);
    }
}

impl View {
    /// A command does less than it says, for what is hidden. Where nothing of it is recorded, that is not either.
    pub fn narrows(&self, level: AuditLevel, judged: &mut Judged) {
        if level != AuditLevel::None {
            judged.verdict = Some(VerdictKind::Narrowed);
            judged.by.join(&self.hidden_by);
        }
    }
}

/// May EXPUNGE be told with the answer? A UID SEARCH can count on numbers, too.
fn hush_of(command: &Command<'_>) -> Hush {
    let searches = matches!(command.verb.base(), Verb::Search | Verb::Sort | Verb::Thread);
    let counts = matches!(command.verb, Verb::Fetch | Verb::Store | Verb::Search | Verb::Sort | Verb::Thread)
        || searches && command.uses_sequence_numbers();
    let removes = matches!(command.verb.base(), Verb::Expunge | Verb::UidExpunge | Verb::Move);
    match (counts, removes) {
        (true, _) => Hush::Yes,
        (false, true) => Hush::No,
        (false, false) => Hush::BeforeNumbers,
    }
}

fn asks_for_uid(command: &Command<'_>) -> bool {
    use crate::wire::command::FetchKind;
    matches!(&command.args, Args::Fetch(fetch) if fetch.items.iter().any(|item| item.kind == FetchKind::Uid))
}
