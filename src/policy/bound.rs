//! The rules of one session.

use std::sync::Arc;

use jiff::Timestamp;

use super::request::{Request, Target};
use super::rule::RuleSet;
use super::verdict::{Hiding, Hits, Kept, LoginVerdict, Narrowing, Permit, Verdict};
use crate::imap::rights::Rights;

/// How strictly a session's bytes are handled (design: three scopes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// No enforced rule can hide anything here.
    Plain,
    /// An enforced rule could hide a mailbox, at some hour or with some ID.
    Filtered,
}

/// The rules that can touch one session. Bind again when its subject changes and after a reload.
#[derive(Debug, Clone)]
pub struct Bound {
    set: Arc<RuleSet>,
}

impl Bound {
    pub(super) const fn new(set: Arc<RuleSet>) -> Self {
        Self { set }
    }
    /// Of which rules.
    #[must_use]
    pub const fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }
    /// Can mailboxes be hidden here?
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::Plain
    }
    /// Can no rule take anything, nor would a shadow rule?
    #[must_use]
    pub fn is_unruled(&self) -> bool {
        true
    }
    /// Can a rule that names mailboxes apply, in force or in shadow? Then names must be resolved.
    #[must_use]
    pub fn names_mailboxes(&self) -> bool {
        false
    }
    /// Can an enforced rule take rights or commands? Then fewer capabilities are offered.
    #[must_use]
    pub fn restricts(&self) -> bool {
        false
    }
    /// Do the rules, now, take this capability (as the upstream spells it) with a command?
    #[must_use]
    pub fn denies_capability(&self, _token: &[u8], _at: Timestamp) -> bool {
        false
    }
    /// Would this subject's login now be denied? Asked again while the session is open.
    pub fn login(&self, _at: Timestamp) -> LoginVerdict {
        LoginVerdict::Allowed { shadow: Hits::NONE }
    }
    /// When hours next change something for this session.
    #[must_use]
    pub fn next_change(&self, _after: Timestamp) -> Option<Timestamp> {
        None
    }
    /// Is the mailbox hidden now, and by whom?
    #[must_use]
    pub fn hiding(&self, _target: &Target<'_>, _at: Timestamp) -> Hiding {
        Hiding::default()
    }
    /// Is the mailbox hidden now?
    #[must_use]
    pub fn is_hidden(&self, _target: &Target<'_>, _at: Timestamp) -> bool {
        false
    }
    /// Could the mailbox be hidden at some hour or with some ID? Such names are reserved.
    #[must_use]
    pub fn is_reserved(&self, _target: &Target<'_>) -> bool {
        false
    }
    /// Could a name below this one be hidden, at some hour or with some ID?
    #[must_use]
    pub fn hides_below(&self, _target: &Target<'_>) -> bool {
        false
    }
    /// What is left of the rights on a mailbox that is not hidden.
    #[must_use]
    pub fn rights(&self, _target: &Target<'_>, _at: Timestamp) -> Kept {
        Kept { rights: Rights::ALL, by: Hits::NONE, shadow: Hits::NONE }
    }
    /// What the rules say to a request.
    #[inline]
    pub fn decide(&self, _request: &Request<'_>, _at: Timestamp) -> Verdict {
        Verdict::Allowed(Permit::new(Narrowing::default(), Hits::NONE, Hits::NONE))
    }
}
