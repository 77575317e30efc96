//! A verdict in sentences: which rule took what, why the others did not, and what would mend it.
//!
//! ```text
//!   Asked: who, where from, when ──▶ login ──▶ the command, or the mailbox, or all of it ──▶ Explanation
//!                                                 took, shadow, passed (with the reason), why, mend
//! ```
//!
//! It asks the same doors that sessions ask, so what it says is what happens; only its words are its own.

mod conditions;
mod mend;
mod words;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use self::conditions::listed;
use self::words::{denied, has, left_out, spaced, stays, written};
use super::bound::Bound;
use super::condition::Facts;
use super::decide::{kept_where_moved, rights_taken};
use super::limit::Counted;
use super::mailboxes::{Mailboxes, Names};
use super::request::{Request, Role, SpecialUse, Subject, Target};
use super::rule::{Mode, Moving, Rule, RuleSet};
use super::verdict::{Effect, Hiding, Hits, LoginVerdict, Narrowing, RefusalKind, Verdict};
use crate::imap::rights::{Right, Rights};
use crate::imap::verb::Verb;

/// What is asked: without a request it is about a mailbox, without either about all that is left.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub subject: &'a Subject,
    /// When.
    pub at: Timestamp,
    /// Which mailbox is looked at.
    pub mailbox: Option<Target<'a>>,
    /// Which command is tried.
    pub request: Option<Request<'a>>,
    /// What budgets count of it.
    pub counted: Counted,
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing is taken.
    Allowed,
    /// Less is done, or less is left.
    Narrowed,
    /// The mailbox does not exist for this client.
    Hidden,
    /// It does not happen.
    Refused,
    /// It happens as long as a budget lasts, or does not as its message is too large.
    Limited,
}

impl Outcome {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Narrowed => "narrowed",
            Self::Hidden => "hidden",
            Self::Refused => "refused",
            Self::Limited => "limited",
        }
    }
}

/// What one rule takes with one of its effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub rule: Arc<str>,
    /// Where it stands.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// Which effect.
    pub effect: Effect,
    /// The effect as the rule file has it: `rights = "organise"`.
    pub written: String,
    /// Which rights, where the effect takes rights.
    pub rights: Rights,
}

/// A rule that took nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its id.
    pub rule: Arc<str>,
    /// Where it stands.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// Why not, in a sentence.
    pub why: String,
}

/// What the rules do to what was asked.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// In one word.
    pub outcome: Outcome,
    /// What they say to the login: where it is denied, nothing else comes about.
    pub login: LoginVerdict,
    /// How a command is refused, or a mailbox answered.
    pub refusal: Option<RefusalKind>,
    /// Who hides the mailbox that is looked at.
    pub hiding: Option<Hiding>,
    /// What is left of the rights on it.
    pub rights: Option<Rights>,
    /// What is left out of the command.
    pub narrowing: Narrowing,
    /// Is the message that it brings larger than a limit allows?
    pub too_big: bool,
    /// Who took what.
    pub took: Vec<Share>,
    /// Who would have.
    pub shadow: Vec<Share>,
    /// Rules that name the mailbox or the user, or nearly do, and took nothing.
    pub passed: Vec<Passed>,
    /// What is not told by the above.
    pub why: Vec<String>,
    /// What to change in the rules, where that is obvious.
    pub mend: Option<String>,
}

impl Explanation {
    /// Ids of the rules that took something, each once.
    #[must_use]
    pub fn by(&self) -> Vec<Arc<str>> {
        ids(&self.took)
    }

    /// Ids of the shadow rules that would have.
    #[must_use]
    pub fn shadow_ids(&self) -> Vec<Arc<str>> {
        ids(&self.shadow)
    }
}

fn ids(shares: &[Share]) -> Vec<Arc<str>> {
    let mut ids: Vec<Arc<str>> = shares.iter().map(|share| Arc::clone(&share.rule)).collect();
    ids.dedup();
    ids
}

impl RuleSet {
    /// Says what the rules do to what is asked, and why.
    #[must_use]
    pub fn explain(self: &Arc<Self>, asked: &Asked<'_>) -> Explanation {
        Explainer::new(self, asked).explanation()
    }

    /// Why the rule of that id takes nothing of what is asked; `None` where there is no such rule.
    #[must_use]
    pub fn why_not(self: &Arc<Self>, id: &str, asked: &Asked<'_>) -> Option<String> {
        Some(Explainer::new(self, asked).why_not(self.named(id)?))
    }

    fn named(&self, id: &str) -> Option<&Rule> {
        self.each_rule().find(|rule| &*rule.id == id)
    }
}

/// One question to one set of rules.
struct Explainer<'a> {
    set: &'a Arc<RuleSet>,
    bound: Bound,
    asked: &'a Asked<'a>,
    facts: Facts,
    /// The mailboxes that are asked about.
    mailboxes: Vec<(Target<'a>, Names<'a>)>,
}

impl<'a> Explainer<'a> {
    fn new(set: &'a Arc<RuleSet>, asked: &'a Asked<'a>) -> Self {
        let named = asked.request.iter().flat_map(|request| request.targets.iter().map(|(_, target)| *target));
        let targets = named.chain(asked.mailbox);
        Self {
            set,
            bound: set.bind(asked.subject),
            asked,
            facts: set.facts(asked.subject),
            mailboxes: targets.map(|target| (target, Names::new(&target))).collect(),
        }
    }

    fn explanation(&self) -> Explanation {
        let login = self.bound.login(self.asked.at);
        let mut told = Explanation {
            outcome: Outcome::Allowed,
            refusal: None,
            hiding: self.asked.mailbox.as_ref().map(|target| self.bound.hiding(target, self.asked.at)),
            rights: None,
            narrowing: Narrowing::default(),
            too_big: false,
            took: Vec::new(),
            shadow: self.shares(login.shadow()),
            passed: Vec::new(),
            why: Vec::new(),
            mend: None,
            login,
        };
        if let LoginVerdict::Denied { by, .. } = &told.login {
            (told.outcome, told.took) = (Outcome::Refused, self.shares(by));
            told.why.push("the login is denied, so nothing else comes about".to_owned());
        } else if let Some(request) = &self.asked.request {
            self.tell_request(request, &mut told);
        } else if let Some(mailbox) = &self.asked.mailbox {
            self.tell_mailbox(mailbox, &mut told);
        } else {
            self.tell_all(&mut told);
        }
        told.passed = self.passed(&told);
        told.mend = self.mend(&told);
        told
    }

    fn tell_request(&self, request: &Request<'_>, told: &mut Explanation) {
        let (by, shadow) = match self.bound.decide(request, self.asked.at) {
            Verdict::Allowed(permit) => {
                told.narrowing = permit.narrowing();
                told.outcome = if told.narrowing.is_none() { Outcome::Allowed } else { Outcome::Narrowed };
                (permit.by().clone(), permit.shadow().clone())
            }
            Verdict::Refused(refusal) => {
                told.outcome = if refusal.kind == RefusalKind::Hidden { Outcome::Hidden } else { Outcome::Refused };
                told.refusal = Some(refusal.kind);
                (refusal.by, refusal.shadow)
            }
        };
        told.took = self.shares(&by);
        told.shadow.extend(self.shares(&shadow));
        told.why = self.reasons(request, told);
        if told.refusal.is_none() {
            self.tell_limits(request.targets, request.verb != Verb::Logout, told);
        }
        let about = |target: &Target<'_>| request.targets.iter().any(|(_, about)| about.name == target.name);
        if let Some(mailbox) = self.asked.mailbox.as_ref().filter(|mailbox| !about(mailbox)) {
            told.why.push(format!("{} is not about {}", request.verb, mailbox.name.as_str()));
        }
    }

    fn tell_mailbox(&self, mailbox: &Target<'_>, told: &mut Explanation) {
        let hiding = self.bound.hiding(mailbox, self.asked.at);
        let kept = self.bound.rights(mailbox, self.asked.at);
        told.shadow.extend(self.shares(&hiding.shadow));
        if hiding.is_hidden() {
            (told.outcome, told.refusal) = (Outcome::Hidden, Some(RefusalKind::Hidden));
            told.took = self.shares(&hiding.by);
            return;
        }
        told.outcome = if kept.by.is_empty() { Outcome::Allowed } else { Outcome::Narrowed };
        told.took = self.shares(&kept.by);
        for share in told.took.iter_mut() {
            let Some(why) = stays(share.effect, mailbox) else { continue };
            share.rights = Right::DeleteMailbox.into();
            told.why.push(why);
        }
        told.why.dedup();
        told.shadow.extend(self.shares(&kept.shadow));
        told.rights = Some(kept.rights);
    }

    /// The rules whose budgets count the command, or whose message size it exceeds.
    fn tell_limits(&self, targets: &[(Role, Target<'_>)], command: bool, told: &mut Explanation) {
        let counted = self.asked.counted;
        let limiting = self.bound.limiting(targets, self.asked.at);
        for limiting in limiting.iter().filter(|limiting| limiting.limits.count(command, counted)) {
            let Some(rule) = self.set.named(&limiting.rule) else { continue };
            let share = self.share(rule, Effect::Limit);
            if limiting.mode == Mode::Shadow {
                told.shadow.push(share);
                continue;
            }
            let too_big = limiting.limits.is_too_big(counted);
            told.why.push(match counted.brings.filter(|_| too_big) {
                Some(size) => format!("its message of {size} octets is larger than {} allows", rule.id),
                None => format!("{} counts it; what is left of its budget cannot be told here", rule.id),
            });
            told.too_big |= too_big;
            told.took.push(share);
            if told.outcome == Outcome::Allowed || too_big {
                told.outcome = Outcome::Limited;
            }
        }
    }

    /// Every rule that is in force.
    fn tell_all(&self, told: &mut Explanation) {
        for rule in self.bound.in_force(self.asked.at) {
            let effects = [Effect::Hide, Effect::HideMessages, Effect::Rights, Effect::DenyCommands, Effect::Limit];
            let shares =
                effects.into_iter().filter(|effect| has(&rule, *effect)).map(|effect| self.share(&rule, effect));
            if rule.is_enforced() { told.took.extend(shares) } else { told.shadow.extend(shares) }
        }
        let by_id = |a: &Share, b: &Share| a.rule.cmp(&b.rule);
        told.took.sort_by(by_id);
        told.shadow.sort_by(by_id);
        told.outcome = match told.took.as_slice() {
            [] => Outcome::Allowed,
            took if took.iter().all(|share| share.effect == Effect::Limit) => Outcome::Limited,
            _ => Outcome::Narrowed,
        };
    }

    fn shares(&self, hits: &Hits) -> Vec<Share> {
        hits.iter().filter_map(|hit| Some(self.share(self.set.named(&hit.rule)?, hit.effect))).collect()
    }

    fn share(&self, rule: &Rule, effect: Effect) -> Share {
        let rights = match (effect, &self.asked.request) {
            (Effect::Rights, Some(request)) => rights_taken(&self.bound, request, self.asked.at, rule),
            (Effect::Rights, None) => rule.taken(),
            _ => Rights::NONE,
        };
        let written = written(rule, effect);
        Share { rule: Arc::clone(&rule.id), file: Arc::clone(&rule.file), line: rule.line, effect, written, rights }
    }

    /// What shares alone do not explain.
    fn reasons(&self, request: &Request<'_>, told: &Explanation) -> Vec<String> {
        let mut why = left_out(told.narrowing, request.verb);
        if told.refusal == Some(RefusalKind::Reserved) {
            why.push("a name that a rule hides is not to be had, whether or not it exists".to_owned());
        }
        if let (Some(RefusalKind::NoPerm), Some((_, target))) = (told.refusal, request.targets.first()) {
            why.extend(told.took.iter().filter_map(|share| stays(share.effect, target)));
        }
        for share in told.took.iter().filter(|share| share.effect == Effect::Rights) {
            let Some(rule) = self.set.named(&share.rule) else { continue };
            why.extend(self.cannot_move(request, rule));
        }
        if told.outcome == Outcome::Refused && request.verb.base() == Verb::Rename {
            why.push("RENAME moves all that is below, too: a rule must cover both names in the same way".to_owned());
        }
        why.dedup();
        why
    }

    /// Why "organise" or "tidy" do not let messages move there.
    fn cannot_move(&self, request: &Request<'_>, rule: &Rule) -> Option<String> {
        let kept = kept_where_moved(&self.bound, request, self.asked.at, rule)?;
        let of = |role| request.targets.iter().find(|(of, _)| *of == role).map(|(_, target)| target);
        let (from, to) = (of(Role::MoveFrom)?, of(Role::MoveTo)?);
        let emptied = Names::new(to).special_use().intersects(SpecialUse::TRASH | SpecialUse::JUNK);
        let (from, to) = (from.name.as_str(), to.name.as_str());
        if emptied && rule.may_move() == Moving::Organise {
            return Some(format!("MOVE out of {from} goes nowhere that servers empty by themselves, as they do {to}"));
        }
        let destroying = kept & Rights::of(&[Right::DeleteMessages, Right::Expunge, Right::DeleteMailbox]);
        Some(match destroying.is_empty() {
            true => format!("MOVE out of {from} needs a destination with i; {to} lacks it"),
            false => {
                format!("MOVE out of {from} needs a destination without t, e, x; {to} keeps {}", spaced(destroying))
            }
        })
    }

    /// Rules that name the mailbox or the user, or nearly do.
    fn passed(&self, told: &Explanation) -> Vec<Passed> {
        let took = |rule: &Rule| told.took.iter().chain(&told.shadow).any(|share| share.rule == rule.id);
        // Where the login is denied, rules that apply are not asked any more.
        let asked = |rule: &Rule| !told.login.is_denied() || !self.unmet(rule).is_empty();
        let named = |rule: &Rule| self.names(rule) || self.nearly_names(rule) || self.relaxed(rule, None).is_some();
        let rules = self.set.each_rule().filter(|rule| !took(rule) && named(rule) && asked(rule));
        let passed = rules.map(|rule| Passed {
            rule: Arc::clone(&rule.id),
            file: Arc::clone(&rule.file),
            line: rule.line,
            why: self.why_not(rule),
        });
        passed.collect()
    }

    fn names(&self, rule: &Rule) -> bool {
        let names_mailbox = rule.mailboxes.as_ref().is_some_and(|mailboxes| {
            mailboxes.takes.is_some() && self.mailboxes.iter().any(|(_, names)| mailboxes.take(names))
        });
        names_mailbox || conditions::names_user(rule, &self.facts)
    }

    fn nearly_names(&self, rule: &Rule) -> bool {
        self.near_user(rule).is_some() || self.level_missing(rule).is_some()
    }

    fn why_not(&self, rule: &Rule) -> String {
        let unmet = self.unmet(rule);
        if !unmet.is_empty() {
            return unmet.join("; ");
        }
        self.elsewhere(rule).unwrap_or_else(|| self.not_needed(rule))
    }

    fn unmet(&self, rule: &Rule) -> Vec<String> {
        let unmet = conditions::unmet(self.set, rule, self.asked.subject, &self.facts, self.asked.at);
        unmet.into_iter().chain(self.relaxed(rule, None)).collect()
    }

    /// The exception that holds for that mailbox, or for all there is.
    fn relaxed(&self, rule: &Rule, names: Option<&Names<'_>>) -> Option<String> {
        conditions::relaxed(rule, &self.facts, names, self.asked.at)
    }

    /// It is about other mailboxes.
    fn elsewhere(&self, rule: &Rule) -> Option<String> {
        let covers =
            |(_, names): &(Target<'_>, Names<'_>)| rule.covers(names) && self.relaxed(rule, Some(names)).is_none();
        if self.mailboxes.is_empty() || self.mailboxes.iter().any(covers) {
            return None;
        }
        let says = self.mailboxes.iter().map(|(target, names)| {
            let name = target.name.as_str();
            let patterns = |patterns: &[Box<str>]| listed(patterns.iter().map(ToString::to_string));
            match (&rule.mailboxes, self.relaxed(rule, Some(names))) {
                (Some(Mailboxes { takes: Some(takes), .. }), _) if !rule.takes(names) => {
                    format!("{name} is not in {}", patterns(&takes.written))
                }
                (_, Some(relaxed)) if rule.covers(names) => format!("{name}: {relaxed}"),
                (Some(mailboxes), _) => {
                    format!("`except_mailbox` spares {name}: {}", patterns(&mailboxes.spares.written))
                }
                (None, _) => format!("it is not about {name}"),
            }
        });
        let mut says: Vec<String> = says.collect();
        says.dedup();
        Some(says.join("; "))
    }

    /// It applies, and takes nothing that is asked for.
    fn not_needed(&self, rule: &Rule) -> String {
        let asked_for = match (&self.asked.request, &self.asked.mailbox) {
            (Some(request), _) => request.verb.name(),
            (None, Some(_)) => "the mailbox",
            (None, None) => "this",
        };
        let effects = [
            Effect::Hide,
            Effect::HideMessages,
            Effect::Rights,
            Effect::DenyCommands,
            Effect::DenyLogin,
            Effect::Limit,
        ];
        let says = effects.into_iter().filter(|effect| has(rule, *effect)).map(|effect| match effect {
            Effect::Hide => format!("hides mailboxes, and {asked_for} is about none of them"),
            Effect::HideMessages => format!("hides messages, and {asked_for} goes on without them"),
            Effect::Rights => format!("takes {}, which {asked_for} does not need", spaced(rule.taken())),
            Effect::DenyCommands => format!("denies {}, not {asked_for}", listed(denied(rule))),
            Effect::DenyLogin => "denies logins, and this one was denied by another rule".to_owned(),
            Effect::Limit => format!("has {}, which does not count {asked_for}", written(rule, effect)),
        });
        let says = says.collect::<Vec<_>>();
        match (says.is_empty(), rule.audit) {
            (true, Some(level)) => format!("takes nothing: it says how much is recorded, \"{}\"", level.as_str()),
            (true, None) => "takes nothing: all rights are kept".to_owned(),
            (false, _) => says.join("; "),
        }
    }
}

/// For the test that conditions are told as they are judged.
#[cfg(test)]
pub(super) fn unmet(set: &Arc<RuleSet>, rule: &Rule, subject: &Subject, at: Timestamp) -> Vec<String> {
    Explainer::new(set, &Asked { subject, at, mailbox: None, request: None, counted: Counted::default() }).unmet(rule)
}

#[cfg(test)]
mod tests;
