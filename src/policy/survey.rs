//! Each pattern of the rules of one session by itself, to be tried on the mailboxes that exist.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::bound::Bound;
use super::mailboxes::{Mailboxes, Names, Patterns};
use super::request::{SpecialUse, Target};
use super::rule::Rule;
use crate::imap::glob::Glob;

/// Where a pattern stands in its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternKey {
    /// In `mailbox`: what is taken from.
    Mailbox,
    /// In `except_mailbox`: what is spared.
    ExceptMailbox,
    /// In `mailbox` of an exception: what is spared, too.
    Exception,
}

impl PatternKey {
    /// Is it compared exactly?
    #[must_use]
    pub const fn spares(self) -> bool {
        match self {
            Self::Mailbox => false,
            Self::ExceptMailbox | Self::Exception => true,
        }
    }
}

/// One pattern of a rule that could apply to a session.
#[derive(Debug)]
pub struct Pattern<'b> {
    /// Id of the rule.
    pub rule: &'b Arc<str>,
    /// In which file it stands.
    pub file: &'b Arc<Path>,
    /// Where in it.
    pub span: &'b Range<usize>,
    /// Under which key.
    pub key: PatternKey,
    /// As it is written.
    pub written: &'b str,
    /// The special use that it selects, if it selects one.
    pub special_use: Option<SpecialUse>,
    tried: Mailboxes,
}

impl Pattern<'_> {
    /// Does it match that mailbox, as the rule would?
    #[must_use]
    pub fn matches(&self, target: &Target<'_>) -> bool {
        let names = Names::new(target);
        if self.key.spares() { self.tried.spares.spare(&names) } else { self.tried.take(&names) }
    }
}

impl Bound {
    /// Every pattern of the rules that could apply, at some hour or with some ID, and are not over.
    #[must_use]
    pub fn patterns(&self, at: Timestamp) -> Vec<Pattern<'_>> {
        let mut found = Vec::new();
        for standing in self.each(at) {
            let rule = standing.rule();
            if let Some(mailboxes) = &rule.mailboxes {
                let takes = mailboxes.takes.as_ref();
                takes.into_iter().for_each(|takes| add(&mut found, rule, &rule.file, takes, PatternKey::Mailbox));
                add(&mut found, rule, &rule.file, &mailboxes.spares, PatternKey::ExceptMailbox);
            }
            for exception in standing.exceptions_to_come() {
                let spares = exception.mailboxes.as_ref();
                let file = &exception.file;
                spares.into_iter().for_each(|spares| add(&mut found, rule, file, spares, PatternKey::Exception));
            }
        }
        found
    }
}

fn add<'b>(found: &mut Vec<Pattern<'b>>, rule: &'b Rule, file: &'b Arc<Path>, patterns: &'b Patterns, key: PatternKey) {
    for (written, span) in patterns.written.iter().zip(&patterns.places) {
        let uses = SpecialUse::from_attribute(written);
        let compile = if key.spares() { Glob::exact } else { Glob::folded };
        let globs = if uses.is_empty() { compile(written).ok() } else { None };
        let alone = Patterns { globs: globs.into_iter().collect(), uses, ..Patterns::default() };
        let tried = match key.spares() {
            true => Mailboxes { takes: None, spares: alone },
            false => Mailboxes { takes: Some(alone), spares: Patterns::default() },
        };
        let special_use = (!uses.is_empty()).then_some(uses);
        found.push(Pattern { rule: &rule.id, file, span, key, written, special_use, tried });
    }
}
