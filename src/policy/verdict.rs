//! What the rules say, and which rule took what.

use std::sync::Arc;

use crate::imap::rights::Rights;

/// What a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// `hide`
    Hide,
    /// `hide_messages`
    HideMessages,
    /// `rights`
    Rights,
    /// `deny_commands`
    DenyCommands,
    /// `deny_login`
    DenyLogin,
    /// `limit`
    Limit,
}

impl Effect {
    /// The key in the rule file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::HideMessages => "hide_messages",
            Self::Rights => "rights",
            Self::DenyCommands => "deny_commands",
            Self::DenyLogin => "deny_login",
            Self::Limit => "limit",
        }
    }
}

/// One rule that took something, or would have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hit {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// With which effect.
    pub effect: Effect,
}

/// The rules that took something: sorted, each with each effect once. Allocates nothing while it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hits(Vec<Hit>);

impl Hits {
    /// No rule.
    pub const NONE: Self = Self(Vec::new());

    /// Did none take anything?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rules and their effects.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Hit> {
        self.0.iter()
    }

    /// Ids, each once, in order: what is recorded.
    #[must_use]
    pub fn ids(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self.0.iter().map(|hit| Arc::clone(&hit.rule)).collect();
        ids.dedup();
        ids
    }

    /// Those of both.
    pub fn join(&mut self, other: &Self) {
        other.iter().for_each(|hit| self.add(&hit.rule, hit.effect));
    }

    /// The same with those of another, too.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.join(other);
        both
    }

    /// One more.
    pub fn add(&mut self, rule: &Arc<str>, effect: Effect) {
        let place = self.0.binary_search_by(|hit| hit.rule.cmp(rule).then(hit.effect.cmp(&effect)));
        if let Err(at) = place {
            self.0.insert(at, Hit { rule: Arc::clone(rule), effect });
        }
    }
}

/// What is left out of a command before it goes up. Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Narrowing {
    /// SELECT goes up as EXAMINE and answers `[READ-ONLY]`.
    pub examine: bool,
    /// FETCH goes up with PEEK.
    pub peek: bool,
    /// `\Seen` stays as it is.
    pub drop_seen: bool,
    /// `\Deleted` stays as it is.
    pub drop_deleted: bool,
    /// Other flags stay as they are.
    pub drop_other: bool,
    /// CLOSE answers OK and expunges nothing.
    pub expunge_nothing: bool,
}

impl Narrowing {
    /// Does the command go up as it is?
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Is a flag taken out of it?
    #[must_use]
    pub const fn drops_flags(self) -> bool {
        self.drop_seen || self.drop_deleted || self.drop_other
    }
}

/// Leave to send one command upstream, less what it is narrowed by: no public constructor, neither Clone nor Copy.
#[must_use = "a permit that nobody uses is a command that nobody answers"]
#[derive(Debug)]
pub struct Permit {
    narrowing: Narrowing,
    by: Hits,
    shadow: Hits,
}

impl Permit {
    pub(super) const fn new(narrowing: Narrowing, by: Hits, shadow: Hits) -> Self {
        Self { narrowing, by, shadow }
    }

    /// What is left out.
    #[must_use]
    pub const fn narrowing(&self) -> Narrowing {
        self.narrowing
    }

    /// The rules that narrowed it; empty where nothing is left out.
    #[must_use]
    pub const fn by(&self) -> &Hits {
        &self.by
    }

    /// The shadow rules that would have taken something.
    #[must_use]
    pub const fn shadow(&self) -> &Hits {
        &self.shadow
    }
}

/// How a refusal is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// `NO [NOPERM]`
    NoPerm,
    /// As for a mailbox that does not exist.
    Hidden,
    /// CREATE of, or RENAME to, a name that a hide rule covers: `NO [NOPERM]`, whether or not it exists.
    Reserved,
}

/// A command that does not go up.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How it is answered.
    pub kind: RefusalKind,
    /// The rules that refused it: never empty.
    pub by: Hits,
    /// The shadow rules that would have taken something, too.
    pub shadow: Hits,
}

/// What the rules say to a request.
#[must_use = "a verdict that nobody reads is a rule that nobody enforces"]
#[derive(Debug)]
pub enum Verdict {
    /// It goes up, less what the permit says.
    Allowed(Permit),
    /// It does not.
    Refused(Refusal),
}

/// What the rules say to a login.
#[must_use = "a verdict that nobody reads is a rule that nobody enforces"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginVerdict {
    /// Its credentials decide.
    Allowed {
        /// The shadow rules that would have denied it.
        shadow: Hits,
    },
    /// `NO [AUTHORIZATIONFAILED]`, judged before the password.
    Denied {
        /// The rule's text; of several rules, that of the first by id.
        text: Arc<str>,
        /// The rules that denied it.
        by: Hits,
        /// The shadow rules that would have, too.
        shadow: Hits,
    },
}

impl LoginVerdict {
    /// Is it denied?
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// The shadow rules that would have denied it.
    #[must_use]
    pub const fn shadow(&self) -> &Hits {
        match self {
            Self::Allowed { shadow } | Self::Denied { shadow, .. } => shadow,
        }
    }
}

/// What is left of the rights on a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// At most these.
    pub rights: Rights,
    /// The rules that took some.
    pub by: Hits,
    /// The shadow rules that would have.
    pub shadow: Hits,
}

/// Is a mailbox hidden, and by whom?
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hiding {
    /// The rules that hide it; empty where it is visible.
    pub by: Hits,
    /// The shadow rules that would.
    pub shadow: Hits,
}

impl Hiding {
    /// Does the mailbox not exist for this client?
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        !self.by.is_empty()
    }
}
