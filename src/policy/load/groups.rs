//! The groups file: `finance = ["ann@example.org", "*@finance.example.org"]`

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::document::{Document, Key, Text, Value, by_place};

use super::nearly::Login;
use super::{GroupsFile, LoadContext, RuleFile, warning};
use crate::diagnostic::Problem;
use crate::imap::mailbox::fold_text;
use crate::policy::groups::Groups;
use crate::policy::pattern::TextPattern;

/// What rules may refer to.
pub(super) struct Known<'c> {
    pub(super) context: &'c LoadContext,
    pub(super) groups: Groups,
    /// The patterns of `user` and `actor` in all rules and exceptions.
    pub(super) logins: Vec<Login>,
    unreadable: bool,
}

/// Where groups come from.
pub(super) enum Source {
    /// From nowhere.
    None,
    /// From a file of this name.
    File(String),
    /// From a file that says nothing.
    Unreadable,
}

impl<'c> Known<'c> {
    /// Reads the groups file, if there is one.
    pub(super) fn read(context: &'c LoadContext, problems: &mut Vec<Problem>) -> Self {
        let mut known = Self { context, groups: Groups::default(), logins: Vec::new(), unreadable: false };
        known.unreadable = match &context.groups {
            GroupsFile::None => false,
            GroupsFile::Unreadable => true,
            GroupsFile::Read(file) => read_file(file, context, &mut known.groups, problems).is_none(),
        };
        known
    }

    pub(super) fn source(&self) -> Source {
        match &self.context.groups {
            _ if self.unreadable => Source::Unreadable,
            GroupsFile::None | GroupsFile::Unreadable => Source::None,
            GroupsFile::Read(RuleFile { path, .. }) => {
                Source::File(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
            }
        }
    }
}

fn read_file(file: &RuleFile, context: &LoadContext, groups: &mut Groups, problems: &mut Vec<Problem>) -> Option<()> {
    let mut document = Document::new(&file.path, &file.text, problems);
    let root = document.parse()?;
    read_all(&mut document, &root, context, groups);
    Some(())
}

fn read_all(document: &mut Document<'_>, root: &DeTable<'_>, context: &LoadContext, groups: &mut Groups) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for (key, value) in by_place(root) {
        let name = &**key.get_ref();
        let line = document.line(key.span().start);
        if is_named(document, key) {
            if let Some(first) = first.insert(fold_text(name).trim().to_owned(), line) {
                let problem = document.error(key.span(), format!("two groups are called `{name}`"));
                document.push(
                    problem.label("case does not matter").help(format!("the first stands in line {first}; join them")),
                );
            }
            read_group(document, name, value, context, groups);
        }
    }
}

fn is_named(document: &mut Document<'_>, key: &Key<'_>) -> bool {
    let name = key.get_ref();
    let fine = !name.trim().is_empty() && !name.contains(['*', '?']) && !name.contains(char::is_control);
    if !fine {
        let problem = document.error(key.span(), format!("a group cannot be called `{name}`"));
        document.push(problem.help("a name has no * and no ?, which rules use for several groups"));
    }
    fine
}

fn read_group(document: &mut Document<'_>, name: &str, value: &Value<'_>, context: &LoadContext, groups: &mut Groups) {
    let group = groups.named(name);
    let members = match value.get_ref() {
        DeValue::Array(members) if members.is_empty() => {
            return warning::group_is_empty(document, name, value.span());
        }
        DeValue::Table(_) => {
            let problem = document.error(value.span(), format!("`{name}` must be a list of logins"));
            return document.push(problem.label("this is a table").help("finance = [\"ann@example.org\"]"));
        }
        _ => document.any_strings(name, value).unwrap_or_default(),
    };
    for member in &members {
        read_member(document, name, member, context, |pattern| groups.add(group, pattern));
    }
}

fn read_member(
    document: &mut Document<'_>,
    group: &str,
    member: &Text<'_>,
    context: &LoadContext,
    add: impl FnOnce(TextPattern) -> bool,
) {
    let pattern = match TextPattern::new(member.text) {
        Ok(pattern) => pattern,
        Err(why) => return document.push(document.error(member.span.clone(), "not a pattern").label(why)),
    };
    if pattern.as_literal().is_some_and(str::is_empty) {
        let problem = document.error(member.span.clone(), format!("a member of `{group}` without a name"));
        return document.push(problem.help("write a login, or take it away"));
    }
    if let (Some(domain), Some(_)) = (&context.default_domain, pattern.as_literal()) {
        warning::user_without_domain(document, member, domain);
    }
    if !add(pattern) {
        warning::member_twice(document, group, member);
    }
}
