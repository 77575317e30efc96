//! Rules, compiled.

use std::sync::Arc;

use jiff::Timestamp;

use super::bound::Bound;
use super::request::Subject;
use super::verdict::{Hits, LoginVerdict};

/// All rules in force. Immutable: a reload makes another one.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rev: Arc<str>,
}

impl RuleSet {
    /// No rules: everything that the proxy understands is allowed.
    #[must_use]
    pub fn empty() -> Self {
        Self { rev: "e3b0c442".into() }
    }

    /// First 8 hex digits of SHA-256 over all rule files.
    #[must_use]
    pub const fn rev(&self) -> &Arc<str> {
        &self.rev
    }

    /// May this subject log in?
    pub fn login(&self, _subject: &Subject, _at: Timestamp) -> LoginVerdict {
        LoginVerdict::Allowed { shadow: Hits::NONE }
    }

    /// The rules that can touch a session of this subject.
    #[must_use]
    pub fn bind(self: &Arc<Self>, _subject: &Subject) -> Bound {
        Bound::new(Arc::clone(self))
    }
}
