//! A mailbox in which messages may be hidden: every number in it is the view's, up and down.
//!
//! ```text
//!   SELECT     ─▶ open      UIDs, then facts of what is not judged yet ─▶ EXISTS, UNSEEN, UIDNEXT … of what is left
//!   FETCH 2:*  ─▶ commands  which messages are that? ─▶ UID FETCH 13,15:20        (sets: never a client's number)
//!   * 3 FETCH  ─▶ responses upstream's number ─▶ the client's, or nobody's
//!   * 9 EXISTS ─▶ look      what has come is judged before anybody hears of it
//!              ─▶ tell      then EXPUNGE, EXISTS, flags, at the moments at which the RFC has them
//! ```
//!
//! In such a mailbox nothing that the upstream says of messages passes by itself, and nothing that the client says of them
//! goes up as it is. What is not translated here is not offered there ([`offer`]).

mod at_once;
mod commands;
mod contents;
mod copy;
pub mod facts;
mod fetch;
mod figures;
mod idle;
mod in_a_row;
mod judge;
mod judge_at_once;
mod learn;
mod left_out;
mod look;
mod offer;
mod open;
mod partial;
mod peek;
mod recent;
mod remove;
mod renew;
mod responses;
mod search;
mod sets;
mod status;
mod tell;
mod thread;

use std::sync::Arc;

use crate::imap::message::{Flag, Uid, UidSet};
use crate::policy::{Hits, MessageFilter};
use crate::view::messages::Messages;

pub(super) use fetch::flags_told;
pub(super) use look::{Look, Work};
pub(super) use offer::{is_withheld, switches_on};
pub(super) use open::Guarded;
pub(super) use responses::UidCheck;
pub(super) use search::Results;
pub(super) use sets::set_in_pieces;

use super::Session;
use super::verdicts::Place;

/// The open mailbox as the client may know it.
#[derive(Debug, Default)]
pub(super) struct View {
    /// All messages, as far as their UIDs are known.
    messages: Messages,
    /// Messages behind those, of which nothing is known but that they have come.
    pending: u32,
    /// It was open before it got a view: until all is known numbers pass as they are.
    adopting: bool,
    /// What hides here, now.
    filter: Option<Arc<MessageFilter>>,
    /// Tells it from others.
    digest: Option<[u8; 32]>,
    /// When it must be asked for again: the day has changed then, or a message is old.
    renew_at: Option<jiff::Timestamp>,
    /// Shown messages that must be judged again: their flags changed, or the rules.
    again: UidSet,
    /// Messages whose flags changed, of which the client hears once they are judged.
    news: UidSet,
    /// What their flags are, as far as that is known.
    fresh_flags: Vec<(Uid, Vec<Flag>)>,
    /// Those that have come since anybody looked.
    recent: UidSet,
    /// Of those, the ones of which the upstream no longer says so: it was left and opened again ([`recent`]).
    kept_recent: UidSet,
    /// `$` (RFC 5182).
    saved: UidSet,
    /// System flags, and the keywords that the client has been told of.
    flags: Vec<Box<[u8]>>,
    /// The largest UID that the client has been told of.
    top: Option<Uid>,
    /// Whose mailbox it is, for what is remembered of it.
    place: Option<Place>,
    /// The same for what clients of its rules were told.
    told_in: Option<Place>,
    /// The largest UID that is remembered as told.
    floor: Option<Uid>,
    /// The rules that hide something here.
    hidden_by: Hits,
    /// What is being found out.
    asking: look::Asking,
}

/// What a client's command becomes, as far as it does not fit into one of the upstream's.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Lines that follow, the last one first.
    pub rest: Vec<Vec<u8>>,
    /// May EXPUNGE be told with its answer?
    pub hush: Hush,
    /// Is it known what rules say to its messages where they are to be copied to?
    pub destination_known: bool,
    /// Do its messages go by number, so that their UIDs were not asked for?
    pub by_number: bool,
}

/// May EXPUNGE be told now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hush {
    /// The client waits for it: it removes messages, or it idles.
    No,
    /// Not before a command that was written when the client could not know of it (RFC 9051 §5.5).
    #[default]
    BeforeNumbers,
    /// The command counts on numbers (RFC 9051 §7.5.1).
    Yes,
}

impl Session {
    /// Is what the upstream says of messages the view's business, now?
    pub(super) fn guards(&self) -> bool {
        match self.opening_now() {
            Some(opening) => opening.guarded.is_some(),
            // Where nothing is open nothing can be said of messages.
            None => self.view.is_some() || self.nothing_is_open() && self.may_hide_messages(),
        }
    }

    fn nothing_is_open(&self) -> bool {
        matches!(self.state, super::state::State::Authenticated)
    }

    /// The open mailbox is none any more, or another one.
    pub(super) fn leave_view(&mut self) {
        self.view = None;
        self.work = None;
    }
}
