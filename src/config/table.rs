//! A table of the file, read key by key; what is wrong is noted and reading goes on.

use std::cell::RefCell;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Section;
use super::places::Places;
use super::unit::Wrong;
use crate::diagnostic::{Problem, Severity};

/// What is gathered while a file is read.
pub(super) struct Reading {
    file: Arc<Path>,
    problems: RefCell<Vec<Problem>>,
    places: RefCell<Places>,
}

impl Reading {
    pub(super) fn new(file: Arc<Path>) -> Self {
        let places = RefCell::new(Places::new(file.clone()));
        Self { file, problems: RefCell::default(), places }
    }

    pub(super) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::error(&self.file, span, message)
    }

    pub(super) fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::warning(&self.file, span, message)
    }

    /// What concerns the file as a whole: something is missing.
    pub(super) fn missing(&self, message: impl Into<String>, help: &str) {
        self.problem(Problem::in_file(Severity::Error, self.file.clone(), message).help(help));
    }

    /// The place of a value, or of what it stands in.
    pub(super) fn place(&self, key_path: &str) -> Range<usize> {
        self.places.borrow().span(key_path).unwrap_or(0..0)
    }

    /// What relative paths are relative to.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    pub(super) fn finish(self) -> (Places, Vec<Problem>) {
        (self.places.into_inner(), self.problems.into_inner())
    }
}

/// A value of the user's, with its place.
#[derive(Clone)]
pub(super) struct Text<'t> {
    pub value: &'t str,
    pub span: Range<usize>,
}

/// One of the words that a key takes.
pub(super) enum Word<T> {
    Means(T),
    NotYet,
}

/// A table and what may stand in it.
pub(super) struct Table<'t> {
    reading: &'t Reading,
    entries: &'t DeTable<'t>,
    /// Its own place: the head.
    pub span: Range<usize>,
    /// As in [`Places`].
    path: String,
}

impl<'t> Table<'t> {
    /// Notes at once which keys have no business here.
    pub(super) fn new(
        reading: &'t Reading,
        section: &'static Section,
        (entries, span): (&'t DeTable<'t>, Range<usize>),
        path: String,
    ) -> Self {
        let table = Self { reading, entries, span: span.clone(), path };
        for (key, value) in entries.iter() {
            let word: &str = key.get_ref();
            table.reading.places.borrow_mut().note(table.path_of(word), value.span());
            if section.later.contains(&word) {
                table.reading.problem(not_yet(reading.error(key.span(), format!("`{word}` is not supported yet"))));
            } else if !section.keys.contains(&word) {
                table.reading.problem(unknown_key(
                    reading.error(key.span(), format!("unknown key `{word}`")),
                    section,
                    word,
                ));
            }
        }
        reading.places.borrow_mut().note(table.path.clone(), span);
        table
    }

    pub(super) const fn reading(&self) -> &'t Reading {
        self.reading
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The place of a value; of the table where the key is missing.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.entries.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// An error at a value, or at the table where the key is missing.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> Problem {
        self.reading.error(self.span_of(key), message)
    }

    /// Notes a warning at a value.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>, help: &str) {
        self.reading.problem(Problem::warning(&self.reading.file, self.span_of(key), message).help(help));
    }

    pub(super) fn text(&self, key: &str) -> Option<Text<'t>> {
        self.value(key, "a string", as_text)
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key, "`true` or `false`", |value| value.get_ref().as_bool())
    }

    /// A whole number, 1 at least.
    pub(super) fn count(&self, key: &str) -> Option<usize> {
        self.value(key, "a whole number, 1 or more", |value| {
            let integer = value.get_ref().as_integer()?;
            usize::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|count| *count > 0)
        })
    }

    /// A text in the form that `parse` knows.
    pub(super) fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        self.parse_text(key, &self.text(key)?, parse)
    }

    /// One text of a list, likewise.
    pub(super) fn parse_text<T>(
        &self,
        key: &str,
        text: &Text<'_>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let Wrong { label, help } = match parse(text.value) {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        let problem = self.reading.error(text.span.clone(), format!("`{key}` cannot be `{}`", text.value));
        self.reading.problem(problem.label(label).help(help));
        None
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, Word<T>)]) -> Option<T> {
        let text = self.text(key)?;
        self.word_of(key, &text, words)
    }

    pub(super) fn word_of<T: Copy>(&self, key: &str, text: &Text<'_>, words: &[(&str, Word<T>)]) -> Option<T> {
        let known = || words.iter().filter(|(_, word)| matches!(word, Word::Means(_))).map(|(name, _)| *name);
        let one_of = || known().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let at = |message: String| self.reading.error(text.span.clone(), message);
        match words.iter().find(|(name, _)| *name == text.value) {
            Some((_, Word::Means(value))) => return Some(*value),
            Some((_, Word::NotYet)) => {
                let problem = at(format!("`{key} = \"{}\"` is not supported yet", text.value));
                self.reading.problem(not_yet(problem).help(format!("this version knows {}", one_of())));
            }
            None => {
                let problem =
                    at(format!("unknown `{key}` `{}`", text.value)).help(format!("it is one of {}", one_of()));
                self.reading.problem(problem.did_you_mean(text.value, known()));
            }
        }
        None
    }

    /// A list of texts; `None` where the key is missing.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Text<'t>>> {
        let items = self.value(key, "a list of strings", |value| value.get_ref().as_array())?;
        let texts = items.iter().filter_map(|item| {
            let text = as_text(item);
            if text.is_none() {
                self.reading.problem(wrong_type(self.reading, item, key, "a list of strings"));
            }
            text
        });
        Some(texts.collect())
    }

    /// The path that a text says, absolute.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.value.is_empty() {
            self.reading.problem(self.reading.error(text.span, format!("`{key}` is empty")).help("write a path"));
            return None;
        }
        let path = self.reading.folder().join(text.value);
        Some(std::path::absolute(&path).unwrap_or(path))
    }

    /// The path of a file that can be read.
    pub(super) fn readable(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        // Facts first: opening a pipe would wait for its other end.
        let why = match path.metadata().map(|facts| (facts.is_file(), facts.is_dir())) {
            Ok((true, _)) => match File::open(&path) {
                Ok(_) => return Some(path),
                Err(error) => reason(&error),
            },
            Ok((false, true)) => String::from("it is a directory"),
            Ok((false, false)) => String::from("it is no regular file"),
            Err(error) => reason(&error),
        };
        let help = "paths are relative to the file they stand in";
        self.reading
            .problem(self.error(key, format!("cannot read the file: {why}")).label(looked_at(&path)).help(help));
        None
    }

    /// The one table of this name; an empty one where there is none.
    pub(super) fn table(&self, section: &'static Section) -> Option<Table<'t>> {
        let key = last_word(section.name);
        let value = self.entries.get(key)?;
        match value.get_ref().as_table() {
            Some(entries) => Some(self.inner(section, entries, value.span(), self.path_of(key))),
            None => {
                let problem = self.reading.error(value.span(), format!("`{key}` must be one table"));
                self.reading.problem(problem.help(format!("write `[{}]`", section.name)));
                None
            }
        }
    }

    /// All tables of this name.
    pub(super) fn tables(&self, section: &'static Section) -> Vec<Table<'t>> {
        let key = last_word(section.name);
        let Some(value) = self.entries.get(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map(|items| items.iter().collect::<Vec<_>>()).unwrap_or_default();
        if value.get_ref().as_array().is_none() || items.iter().any(|item| !item.get_ref().is_table()) {
            let problem = self.reading.error(value.span(), format!("`{key}` must be a list of tables"));
            self.reading.problem(problem.help(format!("write `[[{}]]`, once for each", section.name)));
        }
        let tables = items.into_iter().enumerate().filter_map(|(number, item)| {
            let entries = item.get_ref().as_table()?;
            Some(self.inner(section, entries, item.span(), format!("{}.{number}", self.path_of(key))))
        });
        tables.collect()
    }

    fn inner(&self, section: &'static Section, entries: &'t DeTable<'t>, span: Range<usize>, path: String) -> Self {
        Table::new(self.reading, section, (entries, span), path)
    }

    fn value<T>(&self, key: &str, wanted: &str, take: impl Fn(&'t Spanned<DeValue<'t>>) -> Option<T>) -> Option<T> {
        let value = self.entries.get(key)?;
        let taken = take(value);
        if taken.is_none() {
            self.reading.problem(wrong_type(self.reading, value, key, wanted));
        }
        taken
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn as_text<'t>(value: &'t Spanned<DeValue<'t>>) -> Option<Text<'t>> {
    value.get_ref().as_str().map(|text| Text { value: text, span: value.span() })
}

fn wrong_type(reading: &Reading, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) -> Problem {
    let problem = reading.error(value.span(), format!("`{key}` must be {wanted}"));
    match value.get_ref() {
        DeValue::Integer(_) if wanted.starts_with("a whole number") => problem.label("out of range"),
        other => problem.label(format!("this is of type {}", other.type_str())),
    }
}

fn not_yet(problem: Problem) -> Problem {
    problem.label("for a later version").help("leave it out")
}

fn unknown_key(problem: Problem, section: &Section, word: &str) -> Problem {
    let known = section.keys.join(", ");
    let (place, several) = match section.name {
        "" => (String::from("the file"), "sections"),
        name if section.many => (format!("`[[{name}]]`"), "keys"),
        name => (format!("`[{name}]`"), "keys"),
    };
    problem.help(format!("{several} of {place}: {known}")).did_you_mean(word, section.keys.iter().copied())
}

/// `looked for /etc/imapwarden/tls/key.pem`
fn looked_at(path: &Path) -> String {
    format!("looked for {}", path.display())
}

fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// An error of the system in its own words, without its number.
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
