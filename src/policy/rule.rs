//! Rules, compiled, and found by the user they are about.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::audit::AuditLevel;
use super::bound::{Bound, Held, judge_login};
use super::condition::{Condition, Facts};
use super::exception::Exception;
use super::groups::{GroupId, Groups};
use super::life::Life;
use super::limit::{Limits, Per};
use super::mailboxes::{Mailboxes, Names};
use super::messages::MessageRule;
use super::pattern::TextPattern;
use super::request::Subject;
use super::standing::BoundRule;
use super::verdict::{Effect, LoginVerdict};
use crate::imap::rights::{Right, Rights};
use crate::imap::verb::Verb;

/// Is a rule applied, or only evaluated?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Applied.
    #[default]
    Enforce,
    /// Evaluated and counted, not applied.
    Shadow,
}

impl Mode {
    /// As rule files and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// What is told of a rule: its name, whether it is applied, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct RuleInfo<'a> {
    /// Its id.
    pub id: &'a Arc<str>,
    /// Is it applied?
    pub mode: Mode,
    /// In which file it stands.
    pub file: &'a Arc<Path>,
    /// At which line, from 1.
    pub line: usize,
}

/// The MOVE that a preset allows although it keeps neither `t` nor `e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moving {
    /// No preset, or "read-only": none.
    Never,
    /// "organise": to where nothing can be destroyed.
    Organise,
    /// "tidy": also to `\Trash` and `\Junk`.
    Tidy,
}

/// `rights`
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) rights: Rights,
    pub(super) moving: Moving,
    /// The preset, where it is written as one.
    pub(super) preset: Option<&'static str>,
}

/// Commands: one that has a UID form stands for both, a UID form for itself alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Verbs(u128);

impl Verbs {
    pub(super) fn add(&mut self, verb: Verb) {
        let with_forms = Verb::ALL.iter().filter(|form| **form == verb || form.base() == verb);
        with_forms.for_each(|form| self.0 |= 1 << (*form as u32));
    }

    pub(super) fn has(self, verb: Verb) -> bool {
        self.0 & (1 << (verb as u32)) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Are all of the others among them?
    pub(super) fn has_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Does nothing stay that this capability announces? Without `UID MOVE` there still is MOVE.
    pub(super) fn deny_capability(self, token: &[u8]) -> bool {
        let announced = |verb: Verb| verb.is_announced_by(token);
        let stays = |verb: Verb| announced(verb.base()) && !self.has(verb.base());
        Verb::ALL.iter().any(|verb| self.has(*verb) && announced(*verb) && !stays(*verb))
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) mode: Mode,
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
    pub(super) when: Condition,
    /// Any of them spares.
    pub(super) unless: Box<[Condition]>,
    /// `from` and `until`
    pub(super) life: Life,
    /// Where any of them holds, it takes nothing.
    pub(super) exceptions: Vec<Exception>,
    /// The same number for rules with the same conditions; 0 for those without any.
    pub(super) conditions: usize,
    /// `None`: it is about the whole session.
    pub(super) mailboxes: Option<Mailboxes>,
    pub(super) hide: bool,
    /// `hide_messages`, with `except_messages` and `judge`
    pub(super) messages: Option<Arc<MessageRule>>,
    /// `aggregates = "show"`
    pub(super) shows_aggregates: bool,
    pub(super) keep: Option<Keep>,
    pub(super) deny: Verbs,
    pub(super) deny_login: Option<Arc<str>>,
    pub(super) limits: Option<Limits>,
    /// `audit`
    pub(super) audit: Option<AuditLevel>,
    /// `alert`
    pub(super) alert: bool,
}

impl Rule {
    pub(super) fn is_enforced(&self) -> bool {
        self.mode == Mode::Enforce
    }

    /// What it leaves of the rights.
    pub(super) fn kept(&self) -> Rights {
        self.keep.map_or(Rights::ALL, |keep| keep.rights)
    }

    /// What it takes of them.
    pub(super) fn taken(&self) -> Rights {
        Rights::ALL - self.kept()
    }

    /// The effect by which it hides mailboxes: without `l` they are hidden, too; where messages are, those are that show the
    /// same mail again.
    pub(super) fn hiding(&self) -> Option<Effect> {
        match (self.hides_mailboxes(), &self.messages) {
            (true, _) if self.hide => Some(Effect::Hide),
            (true, _) => Some(Effect::Rights),
            (false, Some(_)) => Some(Effect::HideMessages),
            (false, None) => None,
        }
    }

    /// Does it hide the mailboxes that it covers?
    pub(super) fn hides_mailboxes(&self) -> bool {
        self.hide || self.taken().contains(Right::Lookup)
    }

    /// Does it hide messages in that mailbox?
    pub(super) fn hides_messages_in(&self, names: &Names<'_>) -> bool {
        self.messages.is_some() && self.covers(names)
    }

    /// Can it take anything of a command?
    pub(super) fn takes_of_commands(&self) -> bool {
        self.hiding().is_some() || !self.taken().is_empty() || !self.deny.is_empty()
    }

    pub(super) fn may_move(&self) -> Moving {
        self.keep.map_or(Moving::Never, |keep| keep.moving)
    }

    /// Is it about this mailbox?
    pub(super) fn covers(&self, names: &Names<'_>) -> bool {
        self.mailboxes.as_ref().is_none_or(|mailboxes| mailboxes.cover(names))
    }

    /// Does `mailbox` name it, if there is one?
    pub(super) fn takes(&self, names: &Names<'_>) -> bool {
        self.mailboxes.as_ref().is_none_or(|mailboxes| mailboxes.take(names))
    }

    /// Could it be about a name below?
    pub(super) fn may_cover_below(&self, names: &Names<'_>) -> bool {
        self.mailboxes.as_ref().is_none_or(|mailboxes| mailboxes.may_cover_below(names))
    }

    /// Does it hide this mailbox? With any mailbox those go that show the same mail again.
    pub(super) fn hides(&self, names: &Names<'_>) -> bool {
        self.hiding().is_some()
            && ((self.hides_mailboxes() && self.covers(names)) || (!self.shows_aggregates && names.is_aggregate()))
    }

    /// Could it hide a name below?
    pub(super) fn may_hide_below(&self, names: &Names<'_>) -> bool {
        self.hiding().is_some()
            && ((self.hides_mailboxes() && self.may_cover_below(names))
                || (!self.shows_aggregates && names.is_above_aggregates()))
    }

    /// Must names be resolved for it? To move things one must know which mailbox is `\Trash`.
    pub(super) fn names_mailboxes(&self) -> bool {
        self.mailboxes.is_some()
            || self.hiding().is_some()
            || self.may_move() != Moving::Never
            || self.exceptions.iter().any(|exception| exception.mailboxes.is_some())
    }

    /// Does it depend on what the server says a mailbox is for?
    pub(super) fn depends_on_use(&self) -> bool {
        let mut exceptions = self.exceptions.iter().filter_map(|exception| exception.mailboxes.as_ref());
        self.hiding().is_some()
            || self.may_move() != Moving::Never
            || self.mailboxes.as_ref().is_some_and(Mailboxes::name_uses)
            || exceptions.any(|mailboxes| mailboxes.name_uses())
    }
}

/// All rules in force. Immutable: a reload makes another one.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rev: Arc<str>,
    rules: Box<[Rule]>,
    groups: Groups,
    index: Index,
    /// What sessions have in common.
    pub(super) held: Arc<Held>,
    alerting: HashSet<Arc<str>>,
}

/// When a rule, or an exception from one, is over for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleEnd<'a> {
    /// Id of the rule.
    pub rule: &'a Arc<str>,
    /// The first moment that is no longer in it.
    pub until: Timestamp,
    /// The reason of the exception; `None` where it is the rule itself.
    pub exception: Option<&'a Arc<str>>,
}

impl RuleSet {
    /// No rules: everything that the proxy understands is allowed.
    #[must_use]
    pub fn empty() -> Self {
        // The beginning of SHA-256 over nothing.
        Self::new("e3b0c442".into(), Box::default(), Groups::default())
    }

    pub(super) fn new(rev: Arc<str>, rules: Box<[Rule]>, groups: Groups) -> Self {
        let alerting = rules.iter().filter(|rule| rule.alert && rule.is_enforced());
        let alerting = alerting.map(|rule| Arc::clone(&rule.id)).collect();
        Self { rev, index: Index::of(&rules), rules, groups, held: Arc::default(), alerting }
    }

    /// First 8 hex digits of SHA-256 over all rule files, and the groups file.
    #[must_use]
    pub const fn rev(&self) -> &Arc<str> {
        &self.rev
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Are there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Does any rule hide messages, be it in shadow?
    #[must_use]
    pub fn hides_messages(&self) -> bool {
        self.rules.iter().any(|rule| rule.messages.is_some())
    }

    /// Does any rule go by where clients are, other than on this host?
    #[must_use]
    pub fn looks_at_addresses(&self) -> bool {
        let elsewhere = |condition: &Condition| {
            condition.client_ip.iter().flatten().any(|network| !network.network().is_loopback())
        };
        self.rules.iter().any(|rule| {
            let exceptions = rule.exceptions.iter().map(|exception| &exception.condition);
            let mut conditions = [&rule.when].into_iter().chain(&rule.unless).chain(exceptions);
            conditions.any(elsewhere) || rule.limits.as_ref().is_some_and(|limits| limits.per == Per::ClientIp)
        })
    }

    /// What is told of each rule, in the order of files and lines.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = RuleInfo<'_>> {
        self.rules.iter().map(|rule| RuleInfo { id: &rule.id, mode: rule.mode, file: &rule.file, line: rule.line })
    }

    /// Does any rule ask for alerts?
    #[must_use]
    pub fn may_alert(&self) -> bool {
        !self.alerting.is_empty()
    }

    /// Does this rule ask for an alert where it takes something?
    #[must_use]
    pub fn alerts(&self, rule: &str) -> bool {
        self.alerting.contains(rule)
    }

    /// All ends that are said, in the order of the rules.
    pub fn ends(&self) -> impl Iterator<Item = RuleEnd<'_>> {
        self.rules.iter().flat_map(|rule| {
            let own = rule.life.until.map(|until| RuleEnd { rule: &rule.id, until, exception: None });
            let exceptions = rule.exceptions.iter();
            own.into_iter().chain(exceptions.map(|exception| RuleEnd {
                rule: &rule.id,
                until: exception.until,
                exception: Some(&exception.reason),
            }))
        })
    }

    pub(super) fn each_rule(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn rule(&self, at: u32) -> Option<&Rule> {
        self.rules.get(at as usize)
    }

    /// May this subject log in?
    pub fn login(&self, subject: &Subject, at: Timestamp) -> LoginVerdict {
        judge_login(self, &self.bound_rules(subject), at)
    }

    /// The rules that can touch a session of this subject.
    #[must_use]
    pub fn bind(self: &Arc<Self>, subject: &Subject) -> Bound {
        Bound::new(Arc::clone(self), self.bound_rules(subject))
    }

    /// The groups in which rules see this subject.
    #[must_use]
    pub fn groups_of(&self, subject: &Subject) -> Vec<Arc<str>> {
        if self.groups.is_empty() {
            return Vec::new();
        }
        self.groups.told(&self.facts(subject).groups)
    }

    /// Names of the groups that rules know.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.names()
    }

    /// Can rules ask for a group of that name?
    #[must_use]
    pub fn knows_group(&self, name: &str) -> bool {
        self.groups.find(name).is_some()
    }

    pub(super) fn facts(&self, subject: &Subject) -> Facts {
        Facts::of(subject, &self.groups)
    }

    /// Names of these groups.
    pub(super) fn group_names(&self, groups: &[GroupId]) -> Vec<Arc<str>> {
        self.groups.written(groups)
    }

    fn bound_rules(&self, subject: &Subject) -> Vec<BoundRule> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let facts = self.facts(subject);
        let candidates = self.index.candidates(&facts, self.rules.len());
        candidates.into_iter().filter_map(|at| BoundRule::of(at, self.rule(at)?, &facts)).collect()
    }
}

/// Which rules may be about a user, without asking each.
#[derive(Debug, Clone, Default)]
struct Index {
    /// Rules about single users, by reading.
    users: HashMap<Box<str>, Vec<u32>>,
    /// Rules about all users of a domain.
    domains: HashMap<Box<str>, Vec<u32>>,
    /// Rules about groups.
    groups: HashMap<GroupId, Vec<u32>>,
    /// All others.
    rest: Vec<u32>,
}

impl Index {
    fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (at, rule) in (0u32..).zip(rules) {
            let users = rule.when.user.as_deref().unwrap_or_default();
            if users.is_empty() || !users.iter().all(is_indexed) {
                match rule.when.group.as_deref() {
                    Some(groups) => groups.iter().for_each(|id| index.groups.entry(*id).or_default().push(at)),
                    None => index.rest.push(at),
                }
                continue;
            }
            for pattern in users {
                if let Some(user) = pattern.as_literal() {
                    index.users.entry(user.into()).or_default().push(at);
                } else if let Some(domain) = pattern.as_domain() {
                    index.domains.entry(domain.into()).or_default().push(at);
                }
            }
        }
        index
    }

    /// In the order of the rules, each once.
    fn candidates(&self, facts: &Facts, all: usize) -> Vec<u32> {
        if facts.user.is_anybody() || facts.groups.is_anybody() {
            return (0u32..).take(all).collect();
        }
        let mut found = self.rest.clone();
        for user in facts.user.iter() {
            found.extend(self.users.get(user).into_iter().flatten());
            let domain = user.rsplit_once('@').map(|(_, domain)| domain);
            found.extend(domain.and_then(|domain| self.domains.get(domain)).into_iter().flatten());
        }
        found.extend(facts.groups.all().filter_map(|group| self.groups.get(&group)).flatten());
        let mut seen = HashSet::new();
        found.retain(|at| seen.insert(*at));
        found.sort_unstable();
        found
    }
}

fn is_indexed(pattern: &TextPattern) -> bool {
    pattern.as_literal().is_some() || pattern.as_domain().is_some()
}
