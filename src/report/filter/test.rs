//! What one value asks: a pattern of names, a reference, a class of content.

use crate::imap::glob::{Glob, GlobError};
use crate::imap::mailbox::{fold, fold_text};
use crate::imap::message::ReadClass;

/// A glob; case never matters.
#[derive(Debug, Clone)]
pub struct Pattern {
    glob: Glob,
    /// How names are made comparable.
    fold: fn(&str) -> String,
    /// As it was written.
    written: Box<str>,
    /// What it is without wildcards.
    pub(super) literal: Option<Box<str>>,
    /// What stands for that in a log that hashes it.
    pub(super) hashed: Option<Box<str>>,
}

impl Pattern {
    /// Over names of people, programs, rules and types.
    ///
    /// # Errors
    /// Where the text can match nothing.
    pub fn text(pattern: &str) -> Result<Self, GlobError> {
        Ok(Self::of(Glob::text(pattern)?, fold_text, pattern))
    }

    /// Over mailbox names, as in rules.
    ///
    /// # Errors
    /// Where the text can match nothing.
    pub fn mailbox(pattern: &str) -> Result<Self, GlobError> {
        Ok(Self::of(Glob::folded(pattern)?, fold, pattern))
    }

    fn of(glob: Glob, fold: fn(&str) -> String, pattern: &str) -> Self {
        Self {
            glob,
            fold,
            written: pattern.into(),
            literal: (!pattern.contains(['*', '?'])).then(|| pattern.into()),
            hashed: None,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Does it name one, and no others?
    #[must_use]
    pub const fn is_literal(&self) -> bool {
        self.literal.is_some()
    }

    /// Does it match?
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let same = |literal: &Option<Box<str>>| literal.as_deref() == Some(text);
        same(&self.literal) || same(&self.hashed) || self.glob.matches(&(self.fold)(text))
    }
}

/// `SID-CMD`, as a refusal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) sid: String,
    pub(super) cmd: u32,
}

impl std::str::FromStr for Reference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a reference is needed as a refusal has it: 4c2q8m0v7x1t-6";
        let (sid, cmd) = text.rsplit_once('-').ok_or(WRONG)?;
        Ok(Self { sid: sid.to_owned(), cmd: cmd.parse().map_err(|_| WRONG)? })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.sid, self.cmd)
    }
}

/// `part`, or `>=part`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassTest {
    pub(super) class: ReadClass,
    pub(super) or_above: bool,
}

impl std::str::FromStr for ClassTest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (or_above, word) = text.strip_prefix(">=").map_or((false, text), |word| (true, word));
        let class = ReadClass::ALL.into_iter().find(|class| class.as_str() == word.trim());
        let class =
            class.ok_or("a class is needed, such as full or '>=part': listed searched envelope preview part full")?;
        Ok(Self { class, or_above })
    }
}

impl std::fmt::Display for ClassTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.or_above { ">=" } else { "" }, self.class.as_str())
    }
}

impl ClassTest {
    /// Does it hold of this class?
    #[must_use]
    pub fn holds(self, class: ReadClass) -> bool {
        class == self.class || self.or_above && class > self.class
    }
}
