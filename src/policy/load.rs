//! TOML rule files → [`RuleSet`], and everything that is wrong in them at once.
//!
//! ```text
//!   files ─▶ document: tables with places ─▶ rule: keys ─▶ condition, mailboxes, life, effect ─▶ Rule ◀─ exception
//!                                              └──▶ Problem: file, place, what, mend            └─▶ warning: what is odd in it
//! ```
//!
//! Every key of contract.md is either read here or refused as not supported yet; no key is skipped.

mod condition;
pub(super) mod document;
mod doubtful;
mod effect;
mod even;
mod exception;
mod groups;
mod hours;
mod life;
mod limit;
mod mailboxes;
mod messages;
mod nearly;
mod overlap;
mod rule;
mod sparing;
mod spelling;
mod warning;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::document::Document;
use self::exception::Exceptions;
use self::groups::Known;
use self::rule::Draft;
use super::rule::{Rule, RuleSet};
use crate::diagnostic::Problem;

/// A rule file that was read.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Its path, as problems name it.
    pub path: Arc<Path>,
    /// What is in it.
    pub text: String,
}

/// What rules refer to.
#[derive(Debug, Clone, Default)]
pub struct LoadContext {
    /// Names of the listeners.
    pub listeners: Vec<Box<str>>,
    /// Names of the upstreams.
    pub upstreams: Vec<Box<str>>,
    /// The domain of logins without "@".
    pub default_domain: Option<Box<str>>,
    /// Who belongs to which group.
    pub groups: GroupsFile,
    /// Globs over the logins that upstreams serve; `None`: they serve everybody.
    pub served: Option<Vec<Box<str>>>,
    /// The time by which a rule or an exception has ended.
    pub now: Timestamp,
}

/// Where groups are named.
#[derive(Debug, Clone, Default)]
pub enum GroupsFile {
    /// Nowhere.
    #[default]
    None,
    /// In this file.
    Read(RuleFile),
    /// In a file that cannot be read, which has been said.
    Unreadable,
}

impl RuleSet {
    /// Reads rule files. There is a rule set if and only if no problem is an error.
    #[must_use]
    pub fn load(files: &[RuleFile], context: &LoadContext) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut known = Known::read(context, &mut problems);
        let (mut drafts, mut exceptions) = (Vec::new(), Exceptions::default());
        for file in files {
            read_file(file, &mut known, &mut drafts, &mut exceptions, &mut problems);
        }
        find_doubles(&drafts, &mut problems);
        exceptions.relax(&mut drafts, &mut problems);
        let drafts = with_conditions_numbered(drafts);
        warning::about_all(&drafts, &mut problems);
        overlap::about_all(&drafts, &mut problems);
        nearly::about_all(&known, &mut problems);
        let fine = !problems.iter().any(Problem::is_error);
        let rules: Box<[Rule]> = drafts.into_iter().filter_map(|draft| draft.rule).collect();
        (fine.then(|| Self::new(revision(files, &context.groups), rules, known.groups)), problems)
    }
}

fn read_file(
    file: &RuleFile,
    known: &mut Known<'_>,
    drafts: &mut Vec<Draft>,
    exceptions: &mut Exceptions,
    problems: &mut Vec<Problem>,
) {
    let mut document = Document::new(&file.path, &file.text, problems);
    if let Some(root) = document.parse() {
        rule::read_all(&mut document, &root, known, drafts, exceptions);
    }
}

/// First 8 hex digits of SHA-256 over all files.
fn revision(files: &[RuleFile], groups: &GroupsFile) -> Arc<str> {
    let groups = if let GroupsFile::Read(file) = groups { Some(file) } else { None };
    let mut hash = Sha256::new();
    files.iter().chain(groups).for_each(|file| hash.update(file.text.as_bytes()));
    hash.finalize().iter().take(4).map(|octet| format!("{octet:02x}")).collect::<String>().into()
}

fn find_doubles(drafts: &[Draft], problems: &mut Vec<Problem>) {
    let mut first: HashMap<&str, &Draft> = HashMap::new();
    for draft in drafts {
        let Some((id, span)) = &draft.id else { continue };
        match first.get(&**id) {
            Some(other) => problems.push(
                Problem::error(&draft.file, span.clone(), format!("two rules are called `{id}`"))
                    .label("the second")
                    .help(format!("the first stands at {}:{}", other.file.display(), other.line)),
            ),
            None => {
                first.insert(id, draft);
            }
        }
    }
}

/// Rules with the same conditions get the same number, those without any get 0.
fn with_conditions_numbered(mut drafts: Vec<Draft>) -> Vec<Draft> {
    let mut numbers: HashMap<String, usize> = HashMap::from([(String::new(), 0)]);
    for draft in &mut drafts {
        let next = numbers.len();
        let number = *numbers.entry(std::mem::take(&mut draft.conditions)).or_insert(next);
        if let Some(rule) = &mut draft.rule {
            rule.conditions = number;
        }
    }
    drafts
}

#[cfg(test)]
mod tests;
