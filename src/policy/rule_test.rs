//! Unit tests of rules, as `*.test.toml` has them, and everything that is wrong in them at once.
//!
//! ```toml
//! [[test]]
//! name = "a contractor does not see Finance"
//! given = { user = "eve@contractor.example", client_ip = "203.0.113.5" }
//! mailbox = "Finance/Q3"
//! expect = { visible = false, by = ["contractors-no-finance"] }
//! ```
//!
//! Reads them only. Commands are not understood here, since policy has never seen a byte; who runs a test turns its
//! command into a request.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use toml::de::{DeTable, DeValue};

use super::load::document::{Document, Key, Span, Text, Value, by_place};
use super::load::{LoadContext, RuleFile};
use super::request::TlsLevel;
use super::rule::RuleSet;
use crate::diagnostic::Problem;

pub(super) const KEYS: [&str; 5] = ["name", "given", "mailbox", "command", "expect"];

pub(super) const GIVEN: [&str; 9] =
    ["user", "actor", "group", "client_ip", "client_id", "listener", "upstream", "tls", "at"];

const LATER: [&str; 1] = ["credential"];

pub(super) const EXPECT: [&str; 4] = ["login", "visible", "allowed", "by"];

/// A text of a test file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The text.
    pub text: Box<str>,
    /// Its place, with the quotes.
    pub span: Span,
    /// Where its first octet stands, if it is written as it is.
    begins: Option<usize>,
}

impl Placed {
    fn of(document: &Document<'_>, text: &Text<'_>) -> Self {
        let whole = document.part(text, 0..text.text.len());
        Self { text: text.text.into(), begins: (whole != text.span).then_some(whole.start), span: text.span.clone() }
    }

    /// The place of a part of it; of the whole, where it is written with escapes.
    #[must_use]
    pub fn part(&self, part: Span) -> Span {
        let at = |offset: usize| self.begins.map(|begins| begins.saturating_add(offset.min(self.text.len())));
        at(part.start).zip(at(part.end)).map_or_else(|| self.span.clone(), |(start, end)| start..end)
    }
}

/// Who asks, from where and when, as far as a test says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Whose mail is opened.
    pub user: Option<Box<str>>,
    /// Who proved an identity, where it is somebody else.
    pub actor: Option<Box<str>>,
    /// Groups, beside those whose members the groups file names.
    pub groups: Vec<(Box<str>, Span)>,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// `name/version` of its ID.
    pub client_id: Option<Box<str>>,
    /// Name of the listener.
    pub listener: Option<Box<str>>,
    /// Name of the upstream.
    pub upstream: Option<Box<str>>,
    /// TLS with the client.
    pub tls: Option<TlsLevel>,
    /// When.
    pub at: Option<Timestamp>,
}

/// What must come out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// May they log in?
    pub login: Option<bool>,
    /// Does the mailbox exist for them?
    pub visible: Option<bool>,
    /// Does the command go up, perhaps with less?
    pub allowed: Option<bool>,
    /// Rules that must be among those that took something.
    pub by: Vec<(Box<str>, Span)>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTest {
    /// In which file it stands.
    pub file: Arc<Path>,
    /// At which line, from 1.
    pub line: usize,
    /// What it is called.
    pub name: Box<str>,
    /// Who asks.
    pub given: Given,
    /// Which mailbox is looked at, or is open.
    pub mailbox: Option<Placed>,
    /// Which command is tried.
    pub command: Option<Placed>,
    /// What must come out.
    pub expect: Expect,
}

/// Reads a test file.
pub fn read_tests(file: &RuleFile, context: &LoadContext, problems: &mut Vec<Problem>) -> Vec<RuleTest> {
    let mut document = Document::new(&file.path, &file.text, problems);
    let Some(root) = document.parse() else { return Vec::new() };
    let mut reader = Reader { document, context };
    let tests = reader.file(&root);
    if root.is_empty() {
        let problem = reader.document.warning(0..0, "no test is in it");
        reader.document.push(problem.help("begin each test with [[test]]"));
    }
    tests
}

/// Tests can only expect something of rules that there are, and somebody to be in groups that there are.
pub fn check_ids(tests: &[RuleTest], set: &RuleSet, problems: &mut Vec<Problem>) {
    let unknown = tests.iter().flat_map(|test| test.expect.by.iter().map(move |by| (test, by)));
    let unknown = unknown.filter(|(_, (id, _))| !set.rules().any(|rule| **rule.id == **id));
    problems.extend(unknown.map(|(test, (id, span))| {
        let problem = Problem::error(&test.file, span.clone(), format!("no rule is called `{id}`"));
        problem.did_you_mean(id, set.rules().map(|rule| &**rule.id))
    }));
    let groups = tests.iter().flat_map(|test| test.given.groups.iter().map(move |group| (test, group)));
    let unknown = groups.filter(|(_, (group, _))| !set.knows_group(group));
    problems.extend(unknown.map(|(test, (group, span))| {
        let problem = Problem::error(&test.file, span.clone(), format!("unknown group `{group}`"));
        problem.label("no rule can ask for it").did_you_mean(group, set.groups())
    }));
}

struct Reader<'d> {
    document: Document<'d>,
    context: &'d LoadContext,
}

impl Reader<'_> {
    fn file(&mut self, root: &DeTable<'_>) -> Vec<RuleTest> {
        let mut tests = Vec::new();
        for (key, value) in by_place(root) {
            match (&**key.get_ref(), value.get_ref()) {
                ("test", DeValue::Array(items)) => {
                    for item in items.iter() {
                        if let Some(table) = self.document.table("test", item) {
                            tests.push(self.test(table, &item.span()));
                        }
                    }
                }
                ("test", _) => {
                    let problem = self.document.error(key.span(), "`test` must be a list of tables");
                    self.document.push(problem.help("begin each test with [[test]]"));
                }
                _ => self.document.unknown_key(key, "a test file", &["test"], &[]),
            }
        }
        tests
    }

    /// What can be read of it is, so that all that is wrong is said.
    fn test(&mut self, table: &DeTable<'_>, span: &Span) -> RuleTest {
        let mut test = RuleTest {
            file: Arc::clone(self.document.path),
            line: self.document.line(span.start),
            name: Box::default(),
            given: Given::default(),
            mailbox: None,
            command: None,
            expect: Expect::default(),
        };
        for (key, value) in by_place(table) {
            self.key(&mut test, key, value);
        }
        for (key, example) in [("name", "\"nobody else sees Finance\""), ("expect", "{ visible = false }")] {
            if !table.contains_key(key) {
                let problem = self.document.error(span.clone(), format!("a test without `{key}`"));
                self.document.push(problem.help(format!("{key} = {example}")));
            }
        }
        self.check_about(table);
        test
    }

    fn key(&mut self, test: &mut RuleTest, key: &Key<'_>, value: &Value<'_>) {
        let name = &**key.get_ref();
        match name {
            "name" => test.name = self.text(name, value).map(|name| name.text).unwrap_or_default(),
            "given" => test.given = self.given(value),
            "mailbox" => test.mailbox = self.text(name, value),
            "command" => test.command = self.text(name, value),
            "expect" => test.expect = self.expect(value),
            _ => self.document.unknown_key(key, "a test", &KEYS, &[]),
        }
    }

    /// What is expected must be about something.
    fn check_about(&mut self, table: &DeTable<'_>) {
        if table.contains_key("mailbox") || table.contains_key("command") {
            return;
        }
        let expects = |key: &str| table.get("expect").and_then(|expect| expect.get_ref().as_table()?.get(key));
        let lonely = [
            ("visible", "mailbox", "mailbox = \"Finance/Q3\""),
            ("allowed", "command", "command = \"UID STORE 1 +FLAGS (\\\\Deleted)\""),
        ];
        for (key, without, help) in lonely {
            if let Some(value) = expects(key) {
                let problem = self.document.error(value.span(), format!("`{key}` is expected without a `{without}`"));
                self.document.push(problem.help(help));
            }
        }
    }

    fn text(&mut self, key: &str, value: &Value<'_>) -> Option<Placed> {
        let text = self.document.string(key, value)?;
        if text.text.trim().is_empty() {
            self.document.push(self.document.error(text.span, format!("`{key}` is empty")));
            return None;
        }
        Some(Placed::of(&self.document, &text))
    }

    fn given(&mut self, value: &Value<'_>) -> Given {
        let mut given = Given::default();
        let table = self.document.table("given", value);
        for (key, value) in table.map(by_place).unwrap_or_default() {
            self.given_key(&mut given, key, value);
        }
        given
    }

    fn given_key(&mut self, given: &mut Given, key: &Key<'_>, value: &Value<'_>) {
        let name = &**key.get_ref();
        match name {
            "user" => given.user = self.word(name, value),
            "actor" => given.actor = self.word(name, value),
            "group" => {
                let groups = self.document.strings(name, value).unwrap_or_default();
                given.groups = groups.into_iter().map(|group| (group.text.into(), group.span)).collect();
            }
            "client_id" => given.client_id = self.word(name, value),
            "listener" => given.listener = self.name(name, value, |context| &context.listeners),
            "upstream" => given.upstream = self.name(name, value, |context| &context.upstreams),
            "client_ip" => given.client_ip = self.address(name, value),
            "tls" => given.tls = self.level(name, value),
            "at" => given.at = self.time(value),
            _ => self.document.unknown_key(key, "`given`", &GIVEN, &LATER),
        }
    }

    fn word(&mut self, key: &str, value: &Value<'_>) -> Option<Box<str>> {
        Some(self.document.string(key, value)?.text.into())
    }

    /// Where it is known which there are, there must be one of that name.
    fn name(&mut self, key: &str, value: &Value<'_>, known: fn(&LoadContext) -> &Vec<Box<str>>) -> Option<Box<str>> {
        let text = self.document.string(key, value)?;
        let known = known(self.context);
        if known.is_empty() || known.iter().any(|name| **name == *text.text) {
            return Some(text.text.into());
        }
        let problem = self.document.error(text.span, format!("no {key} is called `{}`", text.text));
        let problem = problem.help(format!("there is {}", known.join(", ")));
        self.document.push(problem.did_you_mean(text.text, known.iter().map(AsRef::as_ref)));
        None
    }

    fn address(&mut self, key: &str, value: &Value<'_>) -> Option<IpAddr> {
        let text = self.document.string(key, value)?;
        let address = text.text.parse().ok();
        if address.is_none() {
            let problem = self.document.error(text.span, format!("`{}` is no address", text.text));
            self.document.push(problem.help("one address of a client, such as 203.0.113.5 or 2001:db8::1"));
        }
        address
    }

    fn level(&mut self, key: &str, value: &Value<'_>) -> Option<TlsLevel> {
        let text = self.document.string(key, value)?;
        let level = TlsLevel::NAMES.iter().find(|(name, _)| *name == text.text).map(|(_, level)| *level);
        match level {
            Some(TlsLevel::None | TlsLevel::Server) => return level,
            Some(TlsLevel::Mutual) => {
                let problem = self.document.error(text.span, "tls = \"mutual\" is not supported yet");
                self.document.push(problem.help("client certificates are not asked for; use \"server\" for any TLS"));
            }
            None => {
                let problem = self.document.error(text.span, format!("unknown TLS level `{}`", text.text));
                self.document.push(problem.help("the levels are \"none\" and \"server\""));
            }
        }
        None
    }

    /// RFC 3339, as a string or as TOML has it.
    fn time(&mut self, value: &Value<'_>) -> Option<Timestamp> {
        let text = match value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            _ => self.document.string("at", value)?.text.to_owned(),
        };
        let time = text.parse().ok();
        if time.is_none() {
            let problem = self.document.error(value.span(), format!("`{text}` is no time"));
            self.document.push(problem.help("date, time and offset (RFC 3339): 2027-01-15T09:30:00+01:00"));
        }
        time
    }

    fn expect(&mut self, value: &Value<'_>) -> Expect {
        let mut expect = Expect::default();
        let Some(table) = self.document.table("expect", value) else { return expect };
        if table.is_empty() {
            let problem = self.document.error(value.span(), "nothing is expected").label("a test that cannot fail");
            self.document.push(problem.help(format!("say one of {}", EXPECT.join(", "))));
        }
        for (key, value) in by_place(table) {
            let name = &**key.get_ref();
            match name {
                "login" => expect.login = self.document.boolean(name, value),
                "visible" => expect.visible = self.document.boolean(name, value),
                "allowed" => expect.allowed = self.document.boolean(name, value),
                "by" => {
                    let ids = self.document.strings(name, value).unwrap_or_default();
                    expect.by = ids.into_iter().map(|id| (id.text.into(), id.span)).collect();
                }
                _ => self.document.unknown_key(key, "`expect`", &EXPECT, &[]),
            }
        }
        expect
    }
}

#[cfg(test)]
mod tests;
