//! `[[rule]]`: its keys, and which of them go together.

use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::condition::{self, Conditions};
use super::document::{Document, Key, Span, Text, Value, by_place};
use super::effect;
use super::exception::Exceptions;
use super::groups::Known;
use super::life::{End, Lived};
use super::limit;
use super::mailboxes::{self, Chosen};
use super::messages::{self, Programs};
use super::warning;
use crate::imap::glob::Glob;
use crate::imap::mailbox::MailboxName;
use crate::imap::rights::Right;
use crate::policy::audit::AuditLevel;
use crate::policy::mailboxes::{Mailboxes, Names};
use crate::policy::request::Target;
use crate::policy::rule::{Mode, Rule};

pub(super) const KEYS: [&str; 20] = [
    "id",
    "description",
    "mode",
    "when",
    "unless",
    "mailbox",
    "except_mailbox",
    "hide",
    "aggregates",
    "hide_messages",
    "except_messages",
    "judge",
    "rights",
    "deny_commands",
    "deny_login",
    "limit",
    "audit",
    "alert",
    "from",
    "until",
];

/// A rule as far as it could be read.
pub(super) struct Draft {
    pub(super) id: Option<(Arc<str>, Span)>,
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
    /// Its conditions in one spelling, to be compared.
    pub(super) conditions: String,
    /// The rule, if nothing is wrong with it.
    pub(super) rule: Option<Rule>,
    /// Where `rights` stands.
    pub(super) rights: Option<Span>,
    /// Where EXPUNGE stands in `deny_commands`.
    pub(super) denies_expunge: Option<Span>,
    /// Where `deny_login` stands.
    pub(super) denies_login: Option<Span>,
}

/// All rules and exceptions of a file.
pub(super) fn read_all(
    document: &mut Document<'_>,
    root: &DeTable<'_>,
    known: &mut Known<'_>,
    drafts: &mut Vec<Draft>,
    exceptions: &mut Exceptions,
) {
    for (key, value) in by_place(root) {
        match (&**key.get_ref(), value.get_ref()) {
            (name @ ("rule" | "exception"), DeValue::Array(tables)) => {
                for value in tables.iter() {
                    match document.table(name, value) {
                        Some(table) if name == "rule" => drafts.push(read(document, table, value.span(), known)),
                        Some(table) => exceptions.read(document, table, value.span(), known),
                        None => {}
                    }
                }
            }
            (name @ ("rule" | "exception"), _) => {
                let problem = document.error(key.span(), format!("`{name}` must be a list of tables"));
                document.push(problem.help(format!("begin each {name} with [[{name}]]")));
            }
            _ => document.unknown_key(key, "a rule file", &["rule", "exception"], &[]),
        }
    }
}

/// What is read of one rule; the places of what is there tell whether it goes together.
#[derive(Default)]
struct Read {
    id: Option<(Arc<str>, Span)>,
    mode: Mode,
    conditions: Conditions,
    takes: Option<Chosen>,
    spares: Option<Chosen>,
    /// Where `mailbox` and `except_mailbox` stand, readable or not.
    takes_at: Option<Span>,
    spares_at: Option<Span>,
    hide: Option<Span>,
    aggregates: Option<Span>,
    programs: Programs,
    lived: Lived,
    limit: Option<limit::Read>,
    /// With where it stands.
    audit: Option<(AuditLevel, Span)>,
    effects: effect::Effects,
    /// Where `alert = true` stands.
    alert: Option<Span>,
    /// Keys that are effects, wrong ones, too.
    has_effect: bool,
    /// Something could not be read.
    wrong: bool,
}

fn read(document: &mut Document<'_>, table: &DeTable<'_>, span: Span, known: &mut Known<'_>) -> Draft {
    let mut read = Read::default();
    for (key, value) in by_place(table) {
        read.key(document, key, value, known);
    }
    if !table.contains_key("id") {
        read.wrong = true;
        let problem = document.error(span.clone(), "a rule without an id");
        document.push(problem.help("add id = \"…\": it names the rule in audit events, metrics and explanations"));
    }
    read.check(document, &span);
    read.lived.check(document, "rule", known.context.now);
    read.check_sparing(document);
    let line = document.line(span.start);
    Draft {
        id: read.id.clone(),
        file: Arc::clone(document.path),
        line,
        conditions: read.conditions.spelled(),
        rights: read.effects.rights_at.clone(),
        denies_expunge: read.effects.expunge_at.clone(),
        denies_login: read.effects.deny_login_at.clone(),
        rule: read.into_rule(document.path, line),
    }
}

impl Read {
    fn key(&mut self, document: &mut Document<'_>, key: &Key<'_>, value: &Value<'_>, known: &mut Known<'_>) {
        let name = &**key.get_ref();
        let fine = match name {
            "id" => {
                self.id = document.string(name, value).and_then(|text| read_id(document, &text));
                self.id.is_some()
            }
            "description" => document.string(name, value).is_some(),
            "mode" => {
                let mode = document.string(name, value).and_then(|text| read_mode(document, &text));
                self.mode = mode.unwrap_or_default();
                mode.is_some()
            }
            "when" => condition::read_when(document, value, known, &mut self.conditions),
            "unless" => condition::read_unless(document, value, known, &mut self.conditions),
            "mailbox" => {
                self.takes_at = Some(key.span());
                self.takes = mailboxes::read_takes(document, value);
                self.takes.is_some()
            }
            "except_mailbox" => {
                self.spares_at = Some(key.span());
                self.spares = mailboxes::read_spares(document, value);
                self.spares.is_some()
            }
            "hide" => {
                let hide = document.boolean(name, value);
                self.hide = (hide == Some(true)).then(|| key.span());
                self.has_effect |= hide != Some(false);
                hide.is_some()
            }
            "aggregates" => {
                let shown = document.string(name, value).is_some_and(|text| effect::read_aggregates(document, &text));
                self.aggregates = shown.then(|| key.span());
                shown
            }
            "hide_messages" | "except_messages" | "judge" => {
                self.has_effect |= name == "hide_messages";
                messages::read(document, name, key.span(), value, &mut self.programs)
            }
            "rights" | "deny_commands" | "deny_login" => {
                self.has_effect = true;
                effect::read(document, name, key.span(), value, &mut self.effects)
            }
            "limit" => {
                self.has_effect = true;
                self.limit = limit::read(document, name, value);
                self.limit.is_some()
            }
            "audit" => {
                self.has_effect = true;
                let level = document.string(name, value).and_then(|text| effect::read_audit(document, &text));
                self.audit = level.map(|level| (level, key.span()));
                level.is_some()
            }
            "alert" => {
                let alert = document.boolean(name, value);
                self.alert = (alert == Some(true)).then(|| key.span());
                alert.is_some()
            }
            "from" => self.lived.read(document, End::From, name, value),
            "until" => self.lived.read(document, End::Until, name, value),
            _ => {
                unknown_key(document, key);
                false
            }
        };
        self.wrong |= !fine;
    }

    /// Which keys go together.
    fn check(&mut self, document: &mut Document<'_>, rule: &Span) {
        let place = self.id.as_ref().map_or_else(|| rule.clone(), |(_, span)| span.clone());
        if !self.has_effect && !self.wrong {
            self.wrong = true;
            let problem = document.error(place.clone(), "the rule takes nothing").label("without an effect");
            document
                .push(problem.help("add one of hide, hide_messages, rights, deny_commands, deny_login, limit, audit"));
        }
        if let (Some(hide), None) = (&self.hide, &self.takes_at) {
            self.wrong = true;
            let problem = document.error(hide.clone(), "`hide` without `mailbox`");
            document.push(problem.help("say what is hidden: mailbox = [\"Finance/**\"], or \"**\" for everything"));
        }
        if self.effects.deny_login.is_some() {
            for key in [&self.takes_at, &self.spares_at].into_iter().flatten() {
                self.wrong = true;
                let problem = document.error(key.clone(), "`deny_login` is about no mailbox").label("of no use to it");
                document.push(problem.help("put what is about mailboxes into a rule of its own"));
            }
        }
        let sessions = self.limit.as_ref().and_then(|limit| limit.sessions_at.clone());
        if let (Some(sessions), Some(_)) = (sessions, self.takes_at.as_ref().or(self.spares_at.as_ref())) {
            self.wrong = true;
            let problem = document.error(sessions, "`sessions` is about no mailbox").label("of the whole session");
            document.push(problem.help("put what is about mailboxes into a rule of its own"));
        }
        if let (Some((_, audit)), Mode::Shadow) = (&self.audit, self.mode) {
            self.wrong = true;
            let problem = document.error(audit.clone(), "`audit` in shadow").label("would record nothing else");
            document.push(problem.help("what is recorded cannot be tried out: put it into a rule that is enforced"));
        }
        if let Some(alert) = &self.alert {
            match self.mode {
                Mode::Shadow => warning::alerts_never(document, alert.clone(), "a rule in shadow takes nothing"),
                Mode::Enforce if self.takes_something() => {}
                Mode::Enforce => warning::alerts_never(document, alert.clone(), "the rule takes nothing"),
            }
        }
        self.wrong |= !self.programs.check(document);
        let hides = self.hide.is_some() || self.effects.taken().contains(Right::Lookup);
        let hides_messages = self.programs.hide_at.is_some();
        if let (Some(aggregates), false) = (&self.aggregates, hides || hides_messages || self.wrong) {
            self.wrong = true;
            let problem = document.error(aggregates.clone(), "`aggregates` without `hide`").label("nothing is hidden");
            document.push(problem.help("leave it out"));
        }
        if let (Some(aggregates), true, true) = (&self.aggregates, hides || hides_messages, self.takes_at.is_some()) {
            warning::aggregates_shown(document, aggregates.clone());
        }
        if let Some(span) = self.programs.hide_all() {
            warning::hides_every_message(document, span.clone());
        }
        if hides {
            self.check_hiding(document);
        }
    }

    /// Has it an effect that takes something? A level of recording takes nothing.
    fn takes_something(&self) -> bool {
        self.hide.is_some()
            || self.programs.hide_at.is_some()
            || self.limit.is_some()
            || self.effects.keep.is_some()
            || !self.effects.deny.is_empty()
            || self.effects.deny_login.is_some()
            // What could not be read is said where it stands.
            || self.wrong
    }

    /// A rule that spares all that it takes.
    fn check_sparing(&self, document: &mut Document<'_>) {
        if let Some(unless) = self.conditions.sparing_all() {
            warning::spares_everybody(document, unless.clone());
        }
        let Some(spares) = &self.spares else { return };
        self.check_spares(document, spares);
        let uses = self.takes.as_ref().is_some_and(|takes| !takes.patterns.uses.is_empty());
        let every = |text: &str| spares.patterns.written.iter().any(|spared| spares_all(spared, text));
        let all = match &self.takes {
            Some(takes) => takes.patterns.written.iter().all(|text| every(text)),
            None => every("**"),
        };
        if let (true, false, Some(at)) = (all, uses, &self.spares_at) {
            warning::spares_every_mailbox(document, at.clone());
        }
    }

    /// What is spared must be taken.
    fn check_spares(&self, document: &mut Document<'_>, spares: &Chosen) {
        let Some(takes) = self.takes.as_ref().filter(|takes| takes.patterns.uses.is_empty()) else { return };
        let mailboxes = Mailboxes { takes: Some(takes.patterns.clone()), ..Mailboxes::default() };
        for (glob, span) in spares.patterns.globs.iter().zip(&spares.places) {
            let Some(name) = glob.as_literal().or_else(|| glob.as_subtree()) else { continue };
            let mailbox = MailboxName::new(name);
            let prefix = name.starts_with("INBOX/").then_some("INBOX/");
            let names = Names::new(&Target { prefix, ..Target::new(&mailbox) });
            let below = glob.as_literal().is_none() && mailboxes.may_cover_below(&names);
            if name.split('/').any(|level| level.trim() != level) {
                continue; // which has been said
            }
            let exactly = |text: &str| Glob::exact(text).is_ok_and(|taken| taken.matches(name));
            if !mailboxes.take(&names) && !below {
                warning::spares_elsewhere(document, span.clone(), name, false);
            } else if mailboxes.take(&names)
                && prefix.is_none()
                && !takes.patterns.written.iter().any(|text| exactly(text))
            {
                warning::spares_elsewhere(document, span.clone(), name, true);
            }
        }
    }

    /// Hiding goes by name (contract §5): which mailbox has a special use is told by what exists.
    fn check_hiding(&mut self, document: &mut Document<'_>) {
        for span in [&self.takes, &self.spares].into_iter().flatten().flat_map(|chosen| &chosen.selectors) {
            self.wrong = true;
            let problem = document.error(span.clone(), "what is hidden is told by name, never by special use");
            document.push(problem.help("write the name of the mailbox, for example \"Trash\""));
        }
        if let (Some(rights), Some(_), None) = (&self.effects.rights_at, &self.takes_at, &self.hide) {
            warning::hidden_without_lookup(document, rights.clone());
        }
        match (&self.takes_at, &self.effects.rights_at) {
            (None, Some(rights)) => warning::inbox_hidden(document, rights.clone(), self.spares.as_ref()),
            _ => warning::inbox_covered(document, self.takes.as_ref(), self.spares.as_ref()),
        }
    }

    fn into_rule(self, file: &Arc<Path>, line: usize) -> Option<Rule> {
        let (id, _) = self.id.filter(|_| !self.wrong)?;
        Some(Rule {
            id,
            mode: self.mode,
            file: Arc::clone(file),
            line,
            when: self.conditions.when,
            unless: self.conditions.unless.into(),
            life: self.lived.life,
            exceptions: Vec::new(),
            conditions: 0,
            mailboxes: mailboxes::both(self.takes, self.spares),
            hide: self.hide.is_some(),
            messages: self.programs.into_rule().map(Arc::new),
            shows_aggregates: self.aggregates.is_some(),
            keep: self.effects.keep,
            deny: self.effects.deny,
            deny_login: self.effects.deny_login,
            limits: self.limit.map(|limit| limit.limits),
            audit: self.audit.map(|(level, _)| level),
            alert: self.alert.is_some(),
        })
    }
}

/// Does the first pattern, which spares, match whatever the second does?
fn spares_all(spared: &str, taken: &str) -> bool {
    let is_within =
        |above: &str| taken.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    spared == taken
        || spared == "**"
        || spared.strip_suffix("/**").is_some_and(|above| !above.contains(['*', '?']) && is_within(above))
        || (!taken.contains(['*', '?']) && Glob::exact(spared).is_ok_and(|glob| glob.matches(taken)))
}

fn unknown_key(document: &mut Document<'_>, key: &Key<'_>) {
    if condition::KEYS.contains(&&**key.get_ref()) {
        let problem = document.error(key.span(), format!("`{}` outside of `when`", key.get_ref()));
        return document.push(problem.label("a condition").help(format!("when = {{ {} = … }}", key.get_ref())));
    }
    document.unknown_key(key, "a rule", &KEYS, &[]);
}

fn read_id(document: &mut Document<'_>, text: &Text<'_>) -> Option<(Arc<str>, Span)> {
    if is_kebab_case(text.text) {
        return Some((text.text.into(), text.span.clone()));
    }
    let problem = document.error(text.span.clone(), "an id is written in kebab-case");
    let words = text.text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mended = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    let rule = "lower-case letters, digits, and single hyphens between them";
    let help = if mended.is_empty() { rule.to_owned() } else { format!("{rule}: `{mended}`") };
    document.push(problem.help(help));
    None
}

fn is_kebab_case(id: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit());
    id.split('-').all(word)
}

fn read_mode(document: &mut Document<'_>, text: &Text<'_>) -> Option<Mode> {
    let modes = [Mode::Enforce, Mode::Shadow];
    let mode = modes.into_iter().find(|mode| mode.as_str() == text.text);
    if mode.is_none() {
        let problem = document.error(text.span.clone(), format!("unknown mode `{}`", text.text));
        document.push(problem.help("the modes are \"enforce\" and \"shadow\""));
    }
    mode
}
