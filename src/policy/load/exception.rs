//! `[[exception]]`: for whom, and where, one rule takes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::condition::{self, LATER};
use super::document::{Document, Key, Span, Text, Value, by_place};
use super::groups::Known;
use super::life::{End, Lived};
use super::mailboxes::{self, Chosen};
use super::rule::Draft;
use super::warning::{self, Clause};
use crate::diagnostic::Problem;
use crate::policy::exception::Exception;
use crate::policy::pattern::TextPattern;

pub(super) const KEYS: [&str; 4] = ["rule", "mailbox", "until", "reason"];

/// All exceptions of all files, as far as they could be read.
#[derive(Default)]
pub(super) struct Exceptions(Vec<Written>);

/// An exception, and where its parts stand.
pub(super) struct Written {
    pub(super) file: Arc<Path>,
    rule: Option<(Box<str>, Span)>,
    /// Where each glob stands, and where special uses are named.
    pub(super) places: Vec<Span>,
    pub(super) selectors: Vec<Span>,
    pub(super) mailbox_at: Option<Span>,
    /// Where each of the patterns of `user` stands.
    pub(super) users: Vec<Span>,
    /// Where `client_ip` stands.
    pub(super) addresses: Option<Span>,
    exception: Option<Exception>,
}

impl Exceptions {
    pub(super) fn read(&mut self, document: &mut Document<'_>, table: &DeTable<'_>, span: Span, known: &mut Known<'_>) {
        self.0.push(read(document, table, span, known));
    }

    /// Gives each to the rule that it names.
    pub(super) fn relax(self, drafts: &mut [Draft], problems: &mut Vec<Problem>) {
        if self.0.is_empty() {
            return;
        }
        let ids: Vec<Arc<str>> =
            drafts.iter().filter_map(|draft| draft.id.as_ref()).map(|(id, _)| id.clone()).collect();
        let mut by_id: HashMap<Arc<str>, &mut Draft> = HashMap::new();
        for draft in drafts {
            if let Some((id, _)) = &draft.id {
                by_id.insert(Arc::clone(id), draft);
            }
        }
        for written in self.0 {
            let Some((id, span)) = &written.rule else { continue };
            let Some(draft) = by_id.get_mut(&**id) else {
                let problem = Problem::error(&written.file, span.clone(), format!("no rule is called `{id}`"));
                let problem = problem.label("an exception names the one rule that it relaxes");
                problems.push(problem.did_you_mean(id, ids.iter().map(AsRef::as_ref)));
                continue;
            };
            if let (Some(rule), Some(exception)) = (&mut draft.rule, &written.exception) {
                check_hiding(&written, rule, problems);
                warning::never_matches(&written, exception, rule, problems);
                rule.exceptions.extend(written.exception);
            }
        }
    }
}

/// Hiding goes by name (contract §5), and so does what spares from it.
fn check_hiding(written: &Written, rule: &crate::policy::rule::Rule, problems: &mut Vec<Problem>) {
    for span in written.selectors.iter().filter(|_| rule.hides_mailboxes()) {
        let message = "what is hidden is told by name, never by special use";
        let problem = Problem::error(&written.file, span.clone(), message);
        problems.push(problem.help("write the name of the mailbox, for example \"Trash\""));
    }
}

/// What is read of one exception.
#[derive(Default)]
struct Read {
    rule: Option<(Box<str>, Span)>,
    chosen: Option<Chosen>,
    lived: Lived,
    reason: Option<Arc<str>>,
    /// Something could not be read.
    wrong: bool,
}

fn read(document: &mut Document<'_>, table: &DeTable<'_>, span: Span, known: &mut Known<'_>) -> Written {
    let (mut read, mut conditions) = (Read::default(), Vec::new());
    let entries = by_place(table);
    for (key, value) in &entries {
        match &**key.get_ref() {
            name if condition::KEYS.contains(&name) => conditions.push((*key, *value)),
            name if KEYS.contains(&name) => read.wrong |= !read.key(document, name, value),
            _ => {
                read.wrong = true;
                unknown_key(document, key);
            }
        }
    }
    let (condition, _) = condition::read_keys(document, &conditions, known, Clause::Exception);
    read.check_missing(document, table, &span);
    if conditions.is_empty() && !table.contains_key("mailbox") && !read.wrong {
        read.wrong = true;
        let problem = document.error(span.clone(), "an exception for everybody and everything");
        document.push(problem.help("say for whom or where: user, group, client_ip, mailbox …; or take the rule out"));
    }
    read.lived.check(document, "exception", known.context.now);
    let users = entries.iter().find(|(key, _)| &**key.get_ref() == "user").map(|(_, value)| places(value));
    let place = |name: &str| entries.iter().find(|(key, _)| &**key.get_ref() == name).map(|(key, _)| key.span());
    let (mailbox_at, addresses) = (place("mailbox"), place("client_ip"));
    let line = document.line(span.start);
    let wrong = read.wrong;
    let (rule, until, reason, chosen) = (read.rule, read.lived.life.until, read.reason, read.chosen);
    let (places, selectors) =
        chosen.as_ref().map(|chosen| (chosen.places.clone(), chosen.selectors.clone())).unwrap_or_default();
    let exception = || {
        Some(Exception {
            condition: condition?,
            mailboxes: chosen.map(|chosen| chosen.patterns),
            until: until?,
            reason: reason?,
            file: Arc::clone(document.path),
            line,
        })
    };
    let exception = if wrong { None } else { exception() };
    let file = Arc::clone(document.path);
    Written { file, rule, places, selectors, mailbox_at, users: users.unwrap_or_default(), addresses, exception }
}

impl Read {
    fn key(&mut self, document: &mut Document<'_>, name: &str, value: &Value<'_>) -> bool {
        match name {
            "rule" => {
                self.rule = document.string(name, value).map(|text| (text.text.into(), text.span));
                self.rule.is_some()
            }
            "mailbox" => {
                self.chosen = mailboxes::read_excepted(document, value);
                self.chosen.is_some()
            }
            "until" => self.lived.read(document, End::Until, name, value),
            _ => {
                self.reason = document.string(name, value).and_then(|text| read_reason(document, &text));
                self.reason.is_some()
            }
        }
    }

    fn check_missing(&mut self, document: &mut Document<'_>, table: &DeTable<'_>, span: &Span) {
        let missing = [
            ("rule", "it names the one rule that it relaxes: rule = \"contractors-no-finance\""),
            ("until", "an exception always ends: until = 2027-03-31"),
            ("reason", "say who agreed to it: reason = \"IR-204, agreed by the CFO\""),
        ];
        for (key, help) in missing.into_iter().filter(|(key, _)| !table.contains_key(*key)) {
            self.wrong = true;
            document.push(document.error(span.clone(), format!("an exception without `{key}`")).help(help));
        }
    }
}

fn unknown_key(document: &mut Document<'_>, key: &Key<'_>) {
    let known: Vec<&str> = KEYS.iter().chain(&condition::KEYS).copied().collect();
    document.unknown_key(key, "an exception", &known, &LATER);
}

fn read_reason(document: &mut Document<'_>, text: &Text<'_>) -> Option<Arc<str>> {
    let reason = text.text.trim();
    if reason.is_empty() {
        let problem = document.error(text.span.clone(), "`reason` without a text");
        document.push(problem.help("say who agreed to it: reason = \"IR-204, agreed by the CFO\""));
        return None;
    }
    Some(reason.into())
}

/// Where a string stands, or each of a list.
fn places(value: &Value<'_>) -> Vec<Span> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(toml::Spanned::span).collect(),
        _ => vec![value.span()],
    }
}

/// The patterns of `user`, with their places.
pub(super) fn users<'w>(
    written: &'w Written,
    exception: &'w Exception,
) -> impl Iterator<Item = (&'w TextPattern, &'w Span)> {
    exception.condition.user.as_deref().unwrap_or_default().iter().zip(&written.users)
}
