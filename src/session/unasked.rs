//! Mail that no FETCH asked for: what NOTIFY (RFC 5465 §5.2) sends of new messages, and what an upstream tells out of turn.
//!
//! ```text
//!   a1 NOTIFY SET (selected (MessageNew (UID BODY.PEEK[TEXT])))
//!   …    ◀─ * 9 FETCH (UID 31 BODY[TEXT] {5}      an intent for 31; then the octets; then what was delivered
//! ```
//!
//! It is recorded as any read is, but without a command. News of flags are no read.

use crate::imap::message::{ReadClass, UidSet};
use crate::policy::{AuditLevel, Role};

use super::effect::Judged;
use super::event::{CommandResult, Event, EventKind, ResultStatus, Stage};
use super::reads::Reads;
use super::{Output, Session};

/// Stands for a response that answers no command; numbers of ours begin behind it.
pub(super) const UNASKED: u32 = 0;

impl Session {
    /// A FETCH response begins that no FETCH asked for. `None`: it is news, or nothing that is recorded.
    pub(super) fn begin_unasked(
        &mut self,
        seq: u64,
        uid_is_number: bool,
        text: &[u8],
        literal: Option<u64>,
    ) -> Option<u32> {
        // Asked for by nobody it may hold anything: its header is of interest in any case.
        let mut reads = Reads { level: self.audit_level_here(), wants: ReadClass::Full, ..Reads::default() };
        reads.begin(seq, uid_is_number, text, literal);
        if reads.now_is_news() {
            return None;
        }
        // What stands behind a literal is not known yet.
        let want = if literal.is_some() { ReadClass::Full } else { reads.now_reaches() };
        if want >= ReadClass::Preview && reads.level != AuditLevel::None {
            let uids = reads.now_uid().map(|uid| UidSet::run(uid, uid));
            let mut event = self.unasked_event(EventKind::MessageRead { uids, want });
            event.stage = Some(Stage::Intent);
            event.policy = Some(self.outcome(&Judged::default()));
            self.out.push(Output::Announce(Box::new(event)));
        }
        self.unasked = Some(Box::new(reads));
        Some(UNASKED)
    }

    /// It is over, or was cut.
    pub(super) fn record_unasked(&mut self, status: ResultStatus) {
        let Some(reads) = self.unasked.take() else { return };
        let silent = reads.level == AuditLevel::None;
        self.record_reads(*reads, silent, |event, this| {
            event.stage = Some(Stage::Done);
            event.mailbox = this.state.selected().map(|selected| selected.mailbox.clone());
            event.result = Some(CommandResult { status, code: None });
        });
    }

    fn unasked_event(&self, kind: EventKind) -> Event {
        let mut event = self.event(kind);
        event.mailbox = self.state.selected().map(|selected| selected.mailbox.clone());
        event
    }

    /// How much is recorded of what is read in the open mailbox.
    fn audit_level_here(&self) -> AuditLevel {
        let Some(selected) = self.state.selected() else { return AuditLevel::default() };
        self.bound.audit_level(&[(Role::Named, self.target(&selected.target))], self.wall)
    }
}
