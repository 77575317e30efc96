//! EXPUNGE and CLOSE: only what is visible and flagged so goes, by UID; a hidden message keeps its `\Deleted`.
//!
//! ```text
//!   EXPUNGE  ─▶ UID SEARCH DELETED ─▶ those of the view ─▶ UID EXPUNGE 13,20
//!   CLOSE    ─▶ the same, then UNSELECT
//! ```

use std::time::Instant;

use crate::imap::verb::Verb;
use crate::wire::command::{Args, Command};

use super::super::effect::{Effect, Held};
use super::super::refusal::Answer;
use super::Session;
use super::commands::Translated;

impl Session {
    pub(super) fn translate_removal(&mut self, command: &Command<'_>, mut held: Held, now: Instant) -> Translated {
        let closes = command.verb == Verb::Close;
        let read_only = self.state.selected().is_none_or(|selected| selected.read_only);
        let can_expunge = self.leg.capabilities.uidplus && !read_only;
        if closes && matches!(held.effect, Effect::Closing { uids: None, .. }) {
            return Some((held, None)); // rules leave it nothing to expunge: it has become UNSELECT already
        }
        if closes && !can_expunge {
            // Without UID EXPUNGE nobody can say what an EXPUNGE takes.
            held.effect = Effect::Closing { uids: None, by_absence: !self.leg.capabilities.unselect };
            held.line = [self.unselecting().as_slice(), b"\r\n"].concat();
            self.prepare(held, now);
            return None;
        }
        if !can_expunge {
            let text =
                if read_only { "[NOPERM] mailbox is read-only" } else { "[CANNOT] the server has no UID EXPUNGE" };
            self.refuse_held(held, &Answer::Refused { text });
            return None;
        }
        if let Args::UidExpunge(set) = &command.args {
            let meant = self.meant(command, set, now)?;
            self.note_narrowed(&set.set, true, &meant, &mut held);
            let how = super::super::event::ExpungeHow::UidExpunge;
            held.effect = Effect::Expunging { how, uids: Some(meant), ask: None };
        }
        // Which of them are flagged is asked first, and the line is made of the answer.
        self.prepare(held, now);
        None
    }

    /// It is known which messages are flagged: what goes up names those of the view. `None`: nothing has to.
    pub(in crate::session) fn part_removal(&mut self, mut held: Held, now: Instant) -> Option<Held> {
        let uids = match &mut held.effect {
            // Where nothing is found some servers say nothing.
            Effect::Expunging { uids, .. } => uids.get_or_insert_default(),
            Effect::Closing { uids: Some(uids), .. } => uids,
            _ => return Some(held),
        };
        let Some(view) = &self.view else { return Some(held) };
        if view.hides_some_of(uids) {
            view.narrows(held.audit, &mut held.judged);
        }
        *uids = uids.intersect(&view.messages.visible());
        let mut lines: Vec<Vec<u8>> =
            view.spell_in_pieces(uids, 32).into_iter().map(|set| format!("UID EXPUNGE {set}").into_bytes()).collect();
        if let Effect::Closing { by_absence, .. } = &mut held.effect {
            *by_absence = !self.leg.capabilities.unselect;
            lines.push(self.unselecting());
        }
        lines.iter_mut().for_each(|line| line.extend_from_slice(b"\r\n"));
        lines.reverse();
        let Some(first) = lines.pop() else {
            self.finish_here(held, now);
            return None;
        };
        (held.line, held.parts.rest) = (first, lines);
        Some(held)
    }
}
