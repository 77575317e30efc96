//! What to change in the rules, where that is obvious.

use super::conditions::names_user;
use super::{Effect, Explainer, Explanation, Names, Outcome};
use crate::imap::glob::Glob;
use crate::imap::mailbox::fold_text;
use crate::imap::rights::{Right, Rights};
use crate::policy::decide::kept_where_moved;
use crate::policy::pattern::TextPattern;
use crate::policy::request::{Role, SpecialUse};
use crate::policy::rule::{Moving, Rule};

impl Explainer<'_> {
    /// What would let it happen, where one rule stands in the way; what would keep it, where a rule nearly does.
    pub(super) fn mend(&self, told: &Explanation) -> Option<String> {
        match told.by().as_slice() {
            [] => self.set.each_rule().find_map(|rule| self.mend_slip(rule)),
            [id] if told.outcome != Outcome::Allowed => {
                let rule = self.set.each_rule().find(|rule| rule.id == *id)?;
                self.mend_rule(rule, told)
            }
            _ => None,
        }
    }

    fn mend_rule(&self, rule: &Rule, told: &Explanation) -> Option<String> {
        let (id, user) = (&rule.id, &self.asked.subject.user);
        let effect = told.took.first()?.effect;
        if effect == Effect::Limit {
            return None; // how much is enough is for people to say
        }
        if effect == Effect::DenyLogin {
            return Some(format!("unless = {{ user = {:?} }} in {id} spares this user", &**user));
        }
        if self.asked.request.is_none() && self.asked.mailbox.is_none() {
            return None; // all that is left is not refused
        }
        if let Some(mend) = self.mend_move(rule) {
            return Some(mend);
        }
        let covered = self.mailboxes.iter().find(|(_, names)| rule.covers(names));
        if let (Some(mailboxes), Some((target, names))) = (&rule.mailboxes, covered) {
            let name = target.name.as_str();
            if nearly_spared(&mailboxes.spares.written, names) {
                return Some(format!("`except_mailbox` compares exactly: in {id}, write {name:?}"));
            }
            return Some(format!("except_mailbox = [{name:?}] in {id} spares it"));
        }
        match effect {
            Effect::DenyCommands => Some(format!("take it from `deny_commands` of {id}")),
            Effect::Rights if rule.may_move() == Moving::Never => {
                let lacking = told.took.iter().fold(Rights::NONE, |all, share| all | share.rights);
                (!lacking.is_empty()).then(|| format!("rights = {:?} in {id}", (rule.kept() | lacking).to_string()))
            }
            Effect::Rights | Effect::Hide | Effect::HideMessages | Effect::DenyLogin | Effect::Limit => None,
        }
    }

    /// "organise" lets messages move to where they are safe.
    fn mend_move(&self, rule: &Rule) -> Option<String> {
        let request = self.asked.request.as_ref()?;
        let kept = kept_where_moved(&self.bound, request, self.asked.at, rule)?;
        let (_, to) = request.targets.iter().find(|(role, _)| *role == Role::MoveTo)?;
        let emptied = Names::new(to).special_use().intersects(SpecialUse::TRASH | SpecialUse::JUNK);
        let (to, id) = (to.name.as_str(), &rule.id);
        if emptied && rule.may_move() == Moving::Organise {
            return Some(format!("rights = \"tidy\" in {id} lets messages go to Trash and Junk"));
        }
        let safe = kept & Rights::of(&[Right::Lookup, Right::Read, Right::Seen, Right::Write, Right::Insert]);
        let covers = self.mailboxes.iter().any(|(target, names)| target.name.as_str() == to && rule.covers(names));
        Some(match rule.mailboxes.as_ref().is_some_and(|mailboxes| mailboxes.takes.is_some()) && !covers {
            true => format!("give {to} to {id}, too: mailbox = [{to:?}, …]"),
            false => format!("give {to} a rule with the same conditions and rights = {:?}", safe.to_string()),
        })
    }

    /// A rule that was probably meant for this user or mailbox, and misses by a slip.
    fn mend_slip(&self, rule: &Rule) -> Option<String> {
        let id = &rule.id;
        if let Some(written) = self.near_user(rule) {
            let user = &self.asked.subject.user;
            return Some(format!("{user} is nearly {written}, which {id} is about: is one of them misspelled?"));
        }
        let (pattern, whole) = self.level_missing(rule)?;
        let met = self.unmet(rule).is_empty();
        met.then(|| format!("{pattern:?} in {id} ends above it: {whole:?} covers what is below, too"))
    }

    /// The user of a rule that differs from this one in a letter or two.
    pub(super) fn near_user<'r>(&self, rule: &'r Rule) -> Option<&'r str> {
        if names_user(rule, &self.facts) {
            return None;
        }
        let user = fold_text(&self.asked.subject.user);
        let user = user.trim();
        let domain = user.rsplit_once('@').map(|(_, domain)| domain);
        let near = |one: &str, other: &str| {
            let steps = strsim::damerau_levenshtein(one, other);
            one.len() > 4 && (1..=2).contains(&steps)
        };
        let slipped = |pattern: &&TextPattern| {
            let literal = pattern.as_literal().is_some_and(|literal| near(user, literal));
            literal || pattern.as_domain().zip(domain).is_some_and(|(meant, domain)| near(domain, &meant))
        };
        let patterns = [&rule.when.user, &rule.when.actor].into_iter().flatten().flat_map(|patterns| patterns.iter());
        patterns
            .filter(|pattern| pattern.as_literal().is_some() || pattern.as_domain().is_some())
            .find(slipped)
            .map(TextPattern::written)
    }

    /// A pattern of the rule that names what is above the mailbox but not what is below, and the one that does.
    pub(super) fn level_missing<'r>(&self, rule: &'r Rule) -> Option<(&'r str, String)> {
        let mailboxes = rule.mailboxes.as_ref()?;
        let takes = mailboxes.takes.as_ref()?;
        if self.mailboxes.iter().any(|(_, names)| mailboxes.take(names)) {
            return None;
        }
        takes.written.iter().find_map(|pattern| {
            let whole = format!("{}/**", pattern.trim_end_matches(['/', '*']));
            let glob = Glob::folded(&whole).ok().filter(|_| whole.len() > 3 && !pattern.ends_with("**"))?;
            let covers = |names: &Names<'_>| names.folded().into_iter().any(|name| glob.matches(name));
            self.mailboxes.iter().any(|(_, names)| covers(names)).then_some((&**pattern, whole))
        })
    }
}

/// Would it be spared but for its case, or blanks, or a form of its letters?
fn nearly_spared(written: &[Box<str>], names: &Names<'_>) -> bool {
    let folded =
        written.iter().filter(|pattern| !pattern.starts_with('\\')).filter_map(|pattern| Glob::folded(pattern).ok());
    folded.into_iter().any(|glob| names.folded().into_iter().any(|name| glob.matches(name)))
}
