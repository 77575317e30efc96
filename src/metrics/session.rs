//! What is counted over all sessions together.

use prometheus::{Histogram, IntCounter};

use super::family::{ByOne, ByTwo, Maker};
use super::table as t;
use crate::imap::message::ReadClass;
use crate::imap::verb::{CommandKind, Verb};
use crate::session::event::{FaultReason, FilteredResponse, NoteStatus, Side, VerdictKind};

pub(super) struct Counters {
    pub(super) commands: ByTwo<Option<Verb>, NoteStatus, IntCounter>,
    pub(super) durations: ByOne<CommandKind, Histogram>,
    pub(super) overhead: ByOne<CommandKind, Histogram>,
    pub(super) faults: ByTwo<Side, FaultReason, IntCounter>,
    pub(super) verdicts: ByOne<VerdictKind, IntCounter>,
    pub(super) decide: Histogram,
    pub(super) hidden_messages: IntCounter,
    pub(super) hidden_mailboxes: IntCounter,
    pub(super) filter_failures: ByOne<FilteredResponse, IntCounter>,
    pub(super) messages: ByOne<ReadClass, IntCounter>,
    pub(super) message_bytes: ByOne<ReadClass, IntCounter>,
}

impl Counters {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            commands: ByTwo::new(&make.counters(&t::COMMANDS_TOTAL), &[]),
            durations: ByOne::new(&make.histograms(&t::COMMAND_DURATION_SECONDS), &[]),
            overhead: ByOne::new(&make.histograms(&t::OVERHEAD_SECONDS), &[]),
            faults: ByTwo::new(&make.counters(&t::PROTOCOL_FAULTS_TOTAL), &[]),
            verdicts: ByOne::new(&make.counters(&t::POLICY_VERDICTS_TOTAL), &[]),
            decide: make.histogram(&t::POLICY_DECIDE_SECONDS),
            hidden_messages: make.counter(&t::HIDDEN_MESSAGES_TOTAL),
            hidden_mailboxes: make.counter(&t::HIDDEN_MAILBOXES_TOTAL),
            filter_failures: ByOne::new(&make.counters(&t::FILTER_FAILURES_TOTAL), &[]),
            messages: ByOne::new(&make.counters(&t::MESSAGES_READ_TOTAL), &[]),
            message_bytes: ByOne::new(&make.counters(&t::MESSAGE_BYTES_TOTAL), &[]),
        }
    }
}
