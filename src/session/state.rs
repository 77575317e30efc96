//! The states of RFC 9051 §3, and every transition.
//!
//! ```text
//!   NotAuthenticated ──login OK──▶ Authenticated ──SELECT OK──▶ Selected
//!                                       ▲  └────── SELECT NO, CLOSE OK ◀──┘
//!                 any ──LOGOUT, BYE──▶ Logout
//! ```
//!
//! A state moves on the upstream's tagged answer, never on the request: a SELECT that was sent is not an open mailbox.

use std::sync::Arc;

use crate::imap::verb::Phase;

use super::event::{MailboxRef, SessionPhase};
use super::names::Resolved;

/// Where the session stands.
#[derive(Debug)]
pub(super) enum State {
    /// Nobody is logged in.
    NotAuthenticated,
    /// Somebody is; nothing is selected.
    Authenticated,
    /// A mailbox is selected.
    Selected(Box<Selected>),
    /// Over, but for what is still to be said.
    Logout,
}

/// The selected mailbox.
#[derive(Debug)]
pub(super) struct Selected {
    /// Its name and UIDVALIDITY, for the record.
    pub mailbox: Arc<MailboxRef>,
    /// What the policy knows it by.
    pub target: Resolved,
    /// Opened by EXAMINE, or as one.
    pub read_only: bool,
    /// The last EXISTS.
    pub exists: u32,
}

impl State {
    pub fn is_before_login(&self) -> bool {
        matches!(self, Self::NotAuthenticated)
    }

    pub fn selected(&self) -> Option<&Selected> {
        match self {
            Self::Selected(selected) => Some(selected),
            _ => None,
        }
    }

    pub fn selected_mut(&mut self) -> Option<&mut Selected> {
        match self {
            Self::Selected(selected) => Some(selected),
            _ => None,
        }
    }

    /// The state as the table of commands knows it; `None` when nothing is legal any more.
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::NotAuthenticated => Some(Phase::NotAuthenticated),
            Self::Authenticated => Some(Phase::Authenticated),
            Self::Selected(_) => Some(Phase::Selected),
            Self::Logout => None,
        }
    }

    /// The state as the metrics know it.
    pub fn label(&self) -> SessionPhase {
        match self {
            Self::NotAuthenticated => SessionPhase::Preauth,
            Self::Authenticated => SessionPhase::Authenticated,
            Self::Selected(_) => SessionPhase::Selected,
            Self::Logout => SessionPhase::Draining,
        }
    }

    /// SELECT or EXAMINE was answered OK.
    pub fn opened(&mut self, selected: Selected) {
        if matches!(self, Self::Authenticated | Self::Selected(_)) {
            *self = Self::Selected(Box::new(selected));
        }
    }

    /// SELECT was answered NO, or CLOSE or UNSELECT with OK: nothing is selected (RFC 9051 §6.3.2).
    pub fn closed(&mut self) {
        if matches!(self, Self::Selected(_)) {
            *self = Self::Authenticated;
        }
    }
}
