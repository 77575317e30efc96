//! A TOML document with places: what is read of it, and what is said of what cannot be.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::warning;
use crate::diagnostic::{Problem, suggest};

pub(in crate::policy) type Key<'t> = Spanned<DeString<'t>>;
pub(in crate::policy) type Value<'t> = Spanned<DeValue<'t>>;
pub(in crate::policy) type Span = Range<usize>;

/// One file while it is read.
pub(in crate::policy) struct Document<'d> {
    pub(in crate::policy) path: &'d Arc<Path>,
    text: &'d str,
    /// Where each line begins.
    lines: Vec<usize>,
    problems: &'d mut Vec<Problem>,
}

/// A string and its place.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Text<'t> {
    pub(in crate::policy) text: &'t str,
    pub(in crate::policy) span: Span,
}

impl<'d> Document<'d> {
    pub(in crate::policy) fn new(path: &'d Arc<Path>, text: &'d str, problems: &'d mut Vec<Problem>) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1))).collect();
        Self { path, text, lines, problems }
    }

    /// The root table. Where the TOML itself is broken that alone is told: what follows from it would mislead.
    pub(in crate::policy) fn parse(&mut self) -> Option<DeTable<'d>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let problem = Problem::error(self.path, span.clone(), error.message()).label("not TOML");
            self.problems.push(match toml_help(self.text, span) {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
        errors.is_empty().then(|| root.into_inner())
    }

    pub(in crate::policy) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    pub(in crate::policy) fn error(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::error(self.path, span, message)
    }

    pub(in crate::policy) fn warning(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::warning(self.path, span, message)
    }

    pub(in crate::policy) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(in crate::policy) fn unknown_key(&mut self, key: &Key<'_>, of: &str, known: &[&str], later: &[&str]) {
        let name = key.get_ref();
        if later.contains(&&**name) {
            return self.not_yet(key);
        }
        let help = suggest(name, known.iter().copied())
            .map_or_else(|| format!("the keys are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        self.push(
            self.error(key.span(), format!("unknown key `{name}`")).label(format!("not a key of {of}")).help(help),
        );
    }

    pub(in crate::policy) fn not_yet(&mut self, key: &Key<'_>) {
        let help = "leave it out: what it asks for would not be done";
        self.push(self.error(key.span(), format!("`{}` is not supported yet", key.get_ref())).help(help));
    }

    pub(in crate::policy) fn string<'t>(&mut self, key: &str, value: &'t Value<'_>) -> Option<Text<'t>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Text { text, span: value.span() }),
            other => self.wrong_type(value.span(), key, "a string", other),
        }
    }

    /// One string, or a list of some, each once.
    pub(in crate::policy) fn strings<'t>(&mut self, key: &str, value: &'t Value<'_>) -> Option<Vec<Text<'t>>> {
        let texts = self.any_strings(key, value)?;
        let mut seen = HashSet::new();
        let doubles = texts.iter().filter(|text| !seen.insert(text.text));
        doubles.for_each(|text| warning::stands_twice(self, text));
        Some(texts)
    }

    /// The same, some of them twice.
    pub(in crate::policy) fn any_strings<'t>(&mut self, key: &str, value: &'t Value<'_>) -> Option<Vec<Text<'t>>> {
        match value.get_ref() {
            DeValue::Array(items) if items.is_empty() => self.empty_list(value.span(), key),
            DeValue::Array(items) => {
                // An error anywhere lets nothing start: what else is wrong can be told from the items that are strings.
                Some(items.iter().filter_map(|item| self.string(key, item)).collect())
            }
            DeValue::String(text) => Some(vec![Text { text, span: value.span() }]),
            other => self.wrong_type(value.span(), key, "a string or a list of strings", other),
        }
    }

    pub(in crate::policy) fn boolean(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => self.wrong_type(value.span(), key, "true or false", other),
        }
    }

    pub(in crate::policy) fn table<'t, 'i>(&mut self, key: &str, value: &'t Value<'i>) -> Option<&'t DeTable<'i>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => self.wrong_type(value.span(), key, "a table", other),
        }
    }

    /// One table, or a list of some.
    pub(in crate::policy) fn tables<'t, 'i>(&mut self, key: &str, value: &'t Value<'i>) -> Option<Vec<&'t Value<'i>>> {
        match value.get_ref() {
            DeValue::Table(_) => Some(vec![value]),
            DeValue::Array(items) => Some(items.iter().filter(|item| self.table(key, item).is_some()).collect()),
            other => self.wrong_type(value.span(), key, "a table or a list of tables", other),
        }
    }

    pub(in crate::policy) fn empty_list<T>(&mut self, span: Span, key: &str) -> Option<T> {
        let problem = self.error(span, format!("`{key}` is an empty list")).label("nothing can match");
        self.push(problem.help("leave the key out if it is not to matter"));
        None
    }

    fn wrong_type<T>(&mut self, span: Span, key: &str, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        self.push(self.error(span, format!("`{key}` must be {wanted}")).label(format!("this is {}", kind(found))));
        None
    }

    /// The place of a part of a string; of the whole, where it is written with escapes.
    pub(in crate::policy) fn part(&self, text: &Text<'_>, part: Span) -> Span {
        let between_quotes = text.span.start.saturating_add(1)..text.span.end.saturating_sub(1);
        if self.text.get(between_quotes.clone()) == Some(text.text) {
            let at = |offset: usize| between_quotes.start.saturating_add(offset);
            return at(part.start)..at(part.end);
        }
        text.span.clone()
    }
}

/// Keys in the order in which they stand.
pub(in crate::policy) fn by_place<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// What TOML does not say of mistakes that people make.
fn toml_help(text: &str, span: Span) -> Option<&'static str> {
    let line = text.get(..span.start)?.rsplit('\n').next()?.len();
    let line = text.get(span.start.saturating_sub(line)..)?.lines().next()?;
    if line.contains(['“', '”', '„', '‘', '’']) {
        return Some("TOML knows the straight quotes \" and ' only");
    }
    let single = line.split('"').skip(1).step_by(2).any(|inside| inside.replace("\\\\", "").contains('\\'));
    if single {
        return Some(
            "between double quotes a backslash is written twice, \"\\\\Trash\"; between single ones once, '\\Trash'",
        );
    }
    let (_, value) = line.split_once('=')?;
    let plain = value.trim().starts_with(|c: char| c.is_alphabetic())
        && !["true", "false", "inf", "nan"].contains(&value.trim());
    plain.then_some("texts stand between quotes; true and false do not")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
