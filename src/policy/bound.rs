//! The rules of one session.
//!
//! ```text
//!   all rules ──bind: who, from where──▶ could apply, at some hour or with some ID ──at each command──▶ in force now
//!                                        scope(), is_reserved(), hides_below()                          everything else
//! ```
//!
//! What does not apply is left out once, at login: a command costs what the rules of its own session cost.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use smallvec::SmallVec;

use super::audit::AuditLevel;
use super::decide;
use super::exception::ExceptionInfo;
use super::limit::Limits;
use super::lookup::{Lookup, Shelf};
use super::mailboxes::Names;
use super::messages::{MessageFilter, MessageRule};
use super::request::{Request, Role, Target};
use super::rule::{Mode, Rule, RuleSet};
use super::standing::{BoundRule, Standing};
use super::verdict::{Effect, Hiding, Hits, Kept, LoginVerdict, Verdict};
use crate::imap::rights::{Right, Rights};

/// How strictly a session's bytes are handled (design: three scopes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// No enforced rule can hide anything here.
    Plain,
    /// An enforced rule could hide a mailbox, at some hour or with some ID.
    Filtered,
}

/// The rules that can touch one session. Bind again when its subject changes and after a reload.
#[derive(Debug, Clone)]
pub struct Bound {
    set: Arc<RuleSet>,
    own: Arc<Own>,
}

/// What sessions have in common that the same rules can touch.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) rules: Box<[BoundRule]>,
    scope: Scope,
    restricts: bool,
    names_mailboxes: bool,
    depends_on_use: bool,
    hides_messages: bool,
    /// Which of the rules have limits.
    limiting: Box<[usize]>,
    /// Does one of them say how much is recorded?
    audits: bool,
    /// Which can be about a name; made when it is first asked for.
    lookup: OnceLock<Lookup>,
}

/// Fewer are asked sooner than looked up. Tests look all of them up.
const MANY: usize = if cfg!(test) { 1 } else { 9 };

/// A rule whose limits hold for a request.
#[derive(Debug, Clone)]
pub struct Limiting {
    /// Its id.
    pub rule: Arc<str>,
    /// Is it applied, or only evaluated?
    pub mode: Mode,
    /// What it limits.
    pub limits: Limits,
}

impl Bound {
    pub(super) fn new(set: Arc<RuleSet>, rules: Vec<BoundRule>) -> Self {
        let own = set.held.own(rules, |rules| Own::new(&set, rules));
        Self { set, own }
    }

    /// The same, which asks each of its rules.
    #[cfg(test)]
    pub(super) fn asking_each(&self) -> Self {
        let lookup = OnceLock::from(Lookup::finding_all(self.own.rules.len()));
        Self { own: Arc::new(Own { lookup, ..Own::clone(&self.own) }), ..self.clone() }
    }

    /// Of which rules.
    #[must_use]
    pub const fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Can mailboxes be hidden here?
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.own.scope
    }

    /// Can no rule take anything, nor would a shadow rule?
    #[must_use]
    pub fn is_unruled(&self) -> bool {
        self.own.rules.is_empty()
    }

    /// Can a rule that names mailboxes apply, in force or in shadow? Then names must be resolved.
    #[must_use]
    pub fn names_mailboxes(&self) -> bool {
        self.own.names_mailboxes
    }

    /// Does a rule that can apply depend on what the server says a mailbox is for? Then it must be asked.
    #[must_use]
    pub fn depends_on_use(&self) -> bool {
        self.own.depends_on_use
    }

    /// Can an enforced rule take rights or commands, or limit something? Then fewer capabilities are offered.
    #[must_use]
    pub fn restricts(&self) -> bool {
        self.own.restricts
    }

    /// Do the rules, now, take this capability (as the upstream spells it) with a command?
    #[must_use]
    pub fn denies_capability(&self, token: &[u8], at: Timestamp) -> bool {
        self.in_force(at)
            .filter(|rule| rule.is_enforced() && !rule.deny.is_empty())
            .filter(|rule| rule.mailboxes.is_none() && !rule.spares_some())
            .any(|rule| rule.deny.deny_capability(token))
    }

    /// Would this subject's login now be denied? Asked again while the session is open.
    pub fn login(&self, at: Timestamp) -> LoginVerdict {
        judge_login(&self.set, &self.own.rules, at)
    }

    /// When hours, or the beginning or end of a rule or exception, next change something for this session.
    #[must_use]
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let rules = self.own.rules.iter().filter_map(|bound| Some((bound, self.set.rule(bound.at)?)));
        rules.filter_map(|(bound, rule)| bound.next_change(rule, after)).min()
    }

    /// Is the mailbox hidden now, and by whom?
    #[must_use]
    pub fn hiding(&self, target: &Target<'_>, at: Timestamp) -> Hiding {
        let mut hiding = Hiding::default();
        if self.own.names_mailboxes {
            let names = Names::new(target);
            for rule in self.about(&names, false, at).filter(|rule| rule.in_force && rule.hides(&names)) {
                let hits = if rule.is_enforced() { &mut hiding.by } else { &mut hiding.shadow };
                rule.hiding().into_iter().for_each(|effect| hits.add(&rule.id, effect));
            }
        }
        hiding
    }

    /// Is the mailbox hidden now?
    #[must_use]
    pub fn is_hidden(&self, target: &Target<'_>, at: Timestamp) -> bool {
        let hides = |names: &Names<'_>| {
            self.about(names, false, at).any(|rule| rule.in_force && rule.is_enforced() && rule.hides(names))
        };
        self.own.scope == Scope::Filtered && hides(&Names::new(target))
    }

    /// Could the mailbox be hidden at some hour or with some ID? Such names are reserved.
    #[must_use]
    pub fn is_reserved(&self, target: &Target<'_>, at: Timestamp) -> bool {
        let reserves =
            |names: &Names<'_>| self.about(names, false, at).any(|rule| rule.is_enforced() && rule.hides(names));
        self.own.scope == Scope::Filtered && reserves(&Names::new(target))
    }

    /// Could a name below this one be hidden, at some hour or with some ID?
    #[must_use]
    pub fn hides_below(&self, target: &Target<'_>, at: Timestamp) -> bool {
        let hides = |names: &Names<'_>| {
            self.about(names, true, at).any(|rule| rule.is_enforced() && rule.may_hide_below(names))
        };
        self.own.scope == Scope::Filtered && hides(&Names::new(target))
    }

    /// Could messages be hidden in any mailbox, at some hour or with some ID?
    #[must_use]
    pub fn may_hide_messages(&self) -> bool {
        self.own.hides_messages
    }

    /// Could messages be hidden in this mailbox, at some hour or with some ID?
    #[must_use]
    pub fn may_hide_messages_in(&self, target: &Target<'_>, at: Timestamp) -> bool {
        let hides = |names: &Names<'_>| {
            // Exceptions end, too.
            self.about(names, false, at).any(|rule| rule.is_enforced() && Rule::hides_messages_in(&rule, names))
        };
        self.own.scope == Scope::Filtered && hides(&Names::new(target))
    }

    /// The rules that could hide messages in this mailbox, at some hour or with some ID: by id, in order.
    #[must_use]
    pub fn message_rules_of(&self, target: &Target<'_>, at: Timestamp) -> Vec<Arc<str>> {
        let names = Names::new(target);
        let rules = self.about(&names, false, at);
        let hiding = rules.filter(|rule| rule.is_enforced() && Rule::hides_messages_in(rule, &names));
        let mut ids: Vec<_> = hiding.map(|rule| Arc::clone(&rule.id)).collect();
        ids.sort();
        ids
    }

    /// What judges the messages of this mailbox now, shadow rules included. `None`: no enforced rule hides any.
    #[must_use]
    pub fn message_filter(&self, target: &Target<'_>, at: Timestamp) -> Option<Arc<MessageFilter>> {
        let rules = self.message_rules(target, at);
        let is_enforced = rules.iter().any(|(_, mode, _)| *mode == Mode::Enforce);
        is_enforced.then(|| Arc::new(MessageFilter::of(rules, at)))
    }

    /// What would judge them if all rules were enforced: for explanations, and to count what shadow rules would hide.
    #[must_use]
    pub fn shadow_message_filter(&self, target: &Target<'_>, at: Timestamp) -> Option<Arc<MessageFilter>> {
        let rules = self.message_rules(target, at);
        (!rules.is_empty()).then(|| Arc::new(MessageFilter::of(rules, at)))
    }

    fn message_rules(&self, target: &Target<'_>, at: Timestamp) -> Vec<(Arc<str>, Mode, Arc<MessageRule>)> {
        if !self.could_apply().any(|rule| rule.messages.is_some()) {
            return Vec::new();
        }
        let names = Names::new(target);
        let hiding = self.about(&names, false, at).filter(|rule| rule.in_force && rule.hides_messages_in(&names));
        let programs =
            hiding.filter_map(|rule| Some((Arc::clone(&rule.id), rule.mode, Arc::clone(rule.messages.as_ref()?))));
        // The order of rules does not matter, and so not what is remembered under a digest.
        let mut programs: Vec<_> = programs.collect();
        programs.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        programs
    }

    /// What is left of the rights on a mailbox that is not hidden.
    #[must_use]
    pub fn rights(&self, target: &Target<'_>, at: Timestamp) -> Kept {
        let mut kept = Kept { rights: Rights::ALL, by: Hits::NONE, shadow: Hits::NONE };
        if self.is_unruled() {
            return kept;
        }
        let names = Names::new(target);
        for rule in self.about(&names, true, at) {
            if rule.in_force && !rule.taken().is_empty() && rule.covers(&names) {
                kept.take(&rule, rule.taken(), Effect::Rights);
            }
            if rule.may_hide_below(&names) || rule.may_hide_messages_from(&names) {
                rule.hiding().into_iter().for_each(|effect| kept.take(&rule, Right::DeleteMailbox.into(), effect));
            }
        }
        kept
    }

    /// What the rules say to a request.
    #[inline]
    pub fn decide(&self, request: &Request<'_>, at: Timestamp) -> Verdict {
        if self.own.rules.is_empty() { decide::allowed() } else { decide::decide(self, request, at) }
    }

    /// Can a rule limit something, in force or in shadow?
    #[must_use]
    pub fn limits(&self) -> bool {
        !self.own.limiting.is_empty()
    }

    /// The rules whose limits hold now for a request about these mailboxes, or about none.
    pub fn limiting(&self, targets: &[(Role, Target<'_>)], at: Timestamp) -> Vec<Limiting> {
        if !self.limits() {
            return Vec::new();
        }
        let names: Vec<Names<'_>> = targets.iter().map(|(_, target)| Names::new(target)).collect();
        let is_about = |rule: &Standing<'_>| match names.as_slice() {
            [] => rule.mailboxes.is_none(),
            names => names.iter().any(|names| rule.covers(names)),
        };
        let holding = self.each_limiting(at).filter(|rule| rule.in_force && is_about(rule));
        holding.filter_map(|rule| Limiting::of(&rule)).collect()
    }

    /// How much is recorded of what is done to these mailboxes, or of what is about none: the highest level that rules ask
    /// for, now.
    pub fn audit_level(&self, targets: &[(Role, Target<'_>)], at: Timestamp) -> AuditLevel {
        if !self.own.audits {
            return AuditLevel::default();
        }
        let asked = |is_about: &dyn Fn(&Standing<'_>) -> bool| {
            let holding = self.in_force(at).filter(|rule| rule.is_enforced() && is_about(rule));
            holding.filter_map(|rule| rule.audit).max().unwrap_or_default()
        };
        let each = targets.iter().map(|(_, target)| Names::new(target)).map(|names| asked(&|rule| rule.covers(&names)));
        each.max().unwrap_or_else(|| asked(&|rule| rule.mailboxes.is_none()))
    }

    /// The rules that limit how many sessions there are at the same time, and whether each is in force now.
    pub fn limiting_sessions(&self, at: Timestamp) -> Vec<(Limiting, bool)> {
        let limiting = self.each_limiting(at).filter_map(|rule| Some((Limiting::of(&rule)?, rule.in_force)));
        limiting.filter(|(limiting, _)| limiting.limits.sessions.is_some()).collect()
    }

    fn each_limiting(&self, at: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        let rules = self.own.limiting.iter().filter_map(|number| self.own.rules.get(*number));
        rules.filter_map(move |bound| bound.standing(self.set.rule(bound.at)?, at))
    }

    /// The exceptions that hold now for that mailbox, or for everything.
    #[must_use]
    pub fn exceptions(&self, target: Option<&Target<'_>>, at: Timestamp) -> Vec<ExceptionInfo<'_>> {
        let names = target.map(Names::new);
        let mut found = Vec::new();
        self.each(at).for_each(|rule| found.extend(rule.told(names.as_ref())));
        found
    }

    /// Rules that could apply at some hour and with some ID.
    fn could_apply(&self) -> impl Iterator<Item = &Rule> {
        self.own.rules.iter().filter_map(|bound| self.set.rule(bound.at))
    }

    /// Rules that apply now.
    pub(super) fn in_force(&self, at: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        self.each(at).filter(|rule| rule.in_force)
    }

    /// Those of them that may be about this name, or one below it.
    fn about(&self, names: &Names<'_>, below: bool, at: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        self.about_any([(names, below)].into_iter(), at).into_iter()
    }

    /// Those of them that may be about one of these names, or about none in particular.
    pub(super) fn about_any<'n, 't: 'n>(
        &self,
        names: impl Iterator<Item = (&'n Names<'t>, bool)>,
        at: Timestamp,
    ) -> SmallVec<[Standing<'_>; 8]> {
        if self.own.rules.len() < MANY {
            return self.each(at).collect();
        }
        let shelf = Shelf { set: &self.set, rules: &self.own.rules };
        let found = self.own.lookup.get_or_init(|| Lookup::of(shelf)).find(shelf, names);
        let rules = found.iter().filter_map(|number| self.own.rules.get(*number as usize));
        rules.filter_map(|bound| bound.standing(self.set.rule(bound.at)?, at)).collect()
    }

    /// Rules that could apply, and how they stand now. What is over never will again.
    pub(super) fn each(&self, at: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        self.own.rules.iter().filter_map(move |bound| bound.standing(self.set.rule(bound.at)?, at))
    }
}

impl Own {
    fn new(set: &RuleSet, rules: Vec<BoundRule>) -> Self {
        let numbered = || rules.iter().enumerate().filter_map(|(at, bound)| Some((at, set.rule(bound.at)?)));
        let could_apply = || numbered().map(|(_, rule)| rule);
        let enforced = || could_apply().filter(|rule| rule.is_enforced());
        let hides = enforced().any(|rule| rule.hiding().is_some());
        let takes = |rule: &Rule| !rule.taken().is_empty() || !rule.deny.is_empty() || rule.limits.is_some();
        Self {
            scope: if hides { Scope::Filtered } else { Scope::Plain },
            restricts: enforced().any(takes),
            names_mailboxes: could_apply().any(Rule::names_mailboxes),
            depends_on_use: could_apply().any(Rule::depends_on_use),
            hides_messages: enforced().any(|rule| rule.messages.is_some()),
            limiting: numbered().filter(|(_, rule)| rule.limits.is_some()).map(|(at, _)| at).collect(),
            audits: enforced().any(|rule| rule.audit.is_some()),
            lookup: OnceLock::new(),
            rules: rules.into(),
        }
    }
}

impl Limiting {
    fn of(rule: &Rule) -> Option<Self> {
        Some(Self { rule: Arc::clone(&rule.id), mode: rule.mode, limits: rule.limits? })
    }
}

impl Kept {
    fn take(&mut self, rule: &Rule, rights: Rights, effect: Effect) {
        if rule.is_enforced() {
            self.rights = self.rights - rights;
            self.by.add(&rule.id, effect);
        } else {
            self.shadow.add(&rule.id, effect);
        }
    }
}

/// `deny_login`; of several texts that of the first rule by id, so that the order of rules does not matter.
pub(super) fn judge_login(set: &RuleSet, rules: &[BoundRule], at: Timestamp) -> LoginVerdict {
    let (mut by, mut shadow) = (Hits::NONE, Hits::NONE);
    let mut first: Option<(&Arc<str>, &Arc<str>)> = None;
    for bound in rules {
        let Some(rule) = set.rule(bound.at) else { continue };
        let Some(text) = &rule.deny_login else { continue };
        if !bound.standing(rule, at).is_some_and(|rule| rule.in_force) {
            continue;
        }
        if !rule.is_enforced() {
            shadow.add(&rule.id, Effect::DenyLogin);
            continue;
        }
        by.add(&rule.id, Effect::DenyLogin);
        if first.is_none_or(|(id, _)| rule.id < *id) {
            first = Some((&rule.id, text));
        }
    }
    match first {
        Some((_, text)) => LoginVerdict::Denied { text: Arc::clone(text), by, shadow },
        None => LoginVerdict::Allowed { shadow },
    }
}

mod held;
pub(super) use held::Held;

#[cfg(test)]
mod tests;
