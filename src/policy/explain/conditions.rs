//! Which condition keeps a rule from applying, in words.

use jiff::Timestamp;

use crate::policy::condition::{Condition, Facts, matches};
use crate::policy::exception::Exception;
use crate::policy::groups::GroupId;
use crate::policy::hours::Hours;
use crate::policy::life::Life;
use crate::policy::mailboxes::Names;
use crate::policy::pattern::TextPattern;
use crate::policy::request::{Subject, TlsLevel};
use crate::policy::rule::{Rule, RuleSet};

/// More values of a key than this are only counted.
const SHOWN: usize = 4;

/// In which of the two a table stands: in doubt `when` holds and `unless` does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    When,
    Unless,
}

/// Why the rule does not apply to this subject now, exceptions apart; empty where it does.
pub(super) fn unmet(set: &RuleSet, rule: &Rule, subject: &Subject, facts: &Facts, at: Timestamp) -> Vec<String> {
    let asked = Asking { set, subject, facts, at };
    let when = asked.keys(&rule.when, Clause::When);
    let missing = when.into_iter().filter(|key| !key.holds).map(|key| key.says);
    let spares = rule.unless.iter().map(|table| asked.keys(table, Clause::Unless));
    let spares = spares.filter(|keys| keys.iter().all(|key| key.holds)).map(|keys| {
        let keys: Vec<String> = keys.into_iter().map(|key| key.says).collect();
        format!("`unless` spares: {}", keys.join(" and "))
    });
    dead(rule, at).into_iter().chain(missing).chain(spares).collect()
}

/// Is it not alive now?
fn dead(rule: &Rule, at: Timestamp) -> Option<String> {
    let Life { from, until } = rule.life;
    match (from.filter(|from| at < *from), until.filter(|until| *until <= at)) {
        (Some(from), _) => Some(format!("it begins at {from}")),
        (_, Some(until)) => Some(format!("it ended at {until}")),
        (None, None) => None,
    }
}

/// Which exception holds for that mailbox, or, without one, for all there is?
pub(super) fn relaxed(rule: &Rule, facts: &Facts, names: Option<&Names<'_>>, at: Timestamp) -> Option<String> {
    let holds = |exception: &&Exception| {
        let about = match (&exception.mailboxes, names) {
            (None, _) => true,
            (Some(spares), Some(names)) => spares.spare(names),
            (Some(_), None) => false,
        };
        about && exception.holds(at) && exception.condition.must_hold(facts) && exception.condition.id_holds(facts)
    };
    let exception = rule.exceptions.iter().find(holds)?;
    Some(format!("an exception spares until {}: {}", exception.until, exception.reason))
}

/// Is the rule about single users or actors, this one among them?
pub(super) fn names_user(rule: &Rule, facts: &Facts) -> bool {
    let names = |patterns: &Option<Box<[TextPattern]>>, readings: &crate::policy::identity::Readings| {
        patterns.as_deref().is_some_and(|patterns| readings.any(|name| matches(patterns, name)))
    };
    names(&rule.when.user, &facts.user) || names(&rule.when.actor, &facts.actor)
}

/// A key of a table, and what there is to say of it.
struct Key {
    holds: bool,
    says: String,
}

struct Asking<'a> {
    set: &'a RuleSet,
    subject: &'a Subject,
    facts: &'a Facts,
    at: Timestamp,
}

impl Asking<'_> {
    fn keys(&self, table: &Condition, clause: Clause) -> Vec<Key> {
        let Self { subject, facts, .. } = self;
        let reads = |patterns: &[TextPattern], readings: &crate::policy::identity::Readings| match clause {
            Clause::When => readings.any(|name| matches(patterns, name)),
            Clause::Unless => readings.all(|name| matches(patterns, name)),
        };
        let text = |key: &str, value: &str, patterns: &[TextPattern], holds: bool| Key {
            holds,
            says: format!("{key} {} {}", shown(value), compared(holds, patterns.iter().map(TextPattern::written))),
        };
        let mut keys = Vec::new();
        if let Some(patterns) = &table.user {
            keys.push(text("user", &subject.user, patterns, reads(patterns, &facts.user)));
        }
        if let Some(patterns) = &table.actor {
            keys.push(text("actor", &subject.actor, patterns, reads(patterns, &facts.actor)));
        }
        if let Some(wanted) = table.delegated {
            keys.push(self.delegated(wanted, clause));
        }
        if let Some(groups) = &table.group {
            keys.push(self.group(groups, clause));
        }
        if let Some(patterns) = &table.listener {
            keys.push(text("listener", &subject.listener, patterns, matches(patterns, &facts.listener)));
        }
        if let Some(patterns) = &table.upstream {
            keys.push(text("upstream", &subject.upstream, patterns, matches(patterns, &facts.upstream)));
        }
        if let Some(nets) = &table.client_ip {
            let holds = nets.iter().any(|net| net.contains(&facts.client_ip));
            let is = if holds { "is in" } else { "is not in" };
            let nets = nets.iter().map(|net| match net.prefix_len() == net.max_prefix_len() {
                true => net.addr().to_string(),
                false => net.to_string(),
            });
            keys.push(Key { holds, says: format!("client_ip {} {is} {}", facts.client_ip, listed(nets)) });
        }
        if let Some(patterns) = &table.client_id {
            keys.push(text("client_id", &subject.client_id, patterns, table.id_holds(facts)));
        }
        if let Some(levels) = &table.tls {
            let holds = levels.contains(&subject.tls);
            let says = format!("tls {} {}", level(subject.tls), compared(holds, levels.iter().map(|tls| level(*tls))));
            keys.push(Key { holds, says });
        }
        if let Some(windows) = &table.time {
            keys.push(self.time(windows, table.time_holds(self.at)));
        }
        keys
    }

    fn delegated(&self, wanted: bool, clause: Clause) -> Key {
        let differ = self.facts.delegated;
        let holds = match (clause, wanted) {
            (Clause::When, true) => differ.can,
            (Clause::When, false) => !differ.must,
            (Clause::Unless, true) => differ.must,
            (Clause::Unless, false) => !differ.can,
        };
        let is = if differ.can { "may be somebody else" } else { "is the same" };
        let is = if differ.must { "is somebody else" } else { is };
        Key { holds, says: format!("delegated = {wanted}: the actor {} {is}", shown(&self.subject.actor)) }
    }

    fn group(&self, groups: &[GroupId], clause: Clause) -> Key {
        let holds = match clause {
            Clause::When => self.facts.groups.any_in(groups),
            Clause::Unless => self.facts.groups.all_in(groups),
        };
        let own = self.set.groups_of(self.subject);
        let own = if own.is_empty() { "\"\"".to_owned() } else { own.join(", ") };
        let names = self.set.group_names(groups);
        Key { holds, says: format!("group {own} {}", compared(holds, names.iter().map(AsRef::as_ref))) }
    }

    fn time(&self, windows: &[Hours], holds: bool) -> Key {
        let zone = windows.first().map_or(jiff::tz::TimeZone::UTC, |hours| hours.zone.clone());
        let local = zone.to_datetime(self.at).strftime("%a %Y-%m-%d %H:%M").to_string();
        let is = if holds { "is within" } else { "is not within" };
        Key { holds, says: format!("{local} {is} {}", listed(windows.iter().map(ToString::to_string))) }
    }
}

fn level(tls: TlsLevel) -> &'static str {
    TlsLevel::NAMES.iter().find(|(_, level)| *level == tls).map_or("none", |(name, _)| name)
}

/// `is *@example.org`, `is none of a, b`
fn compared<'t>(holds: bool, patterns: impl ExactSizeIterator<Item = &'t str>) -> String {
    let is = match (holds, patterns.len()) {
        (true, 1) => "is",
        (false, 1) => "is not",
        (true, _) => "is one of",
        (false, _) => "is none of",
    };
    format!("{is} {}", listed(patterns.map(|pattern| shown(pattern).to_owned())))
}

/// The first few of them.
pub(super) fn listed(values: impl ExactSizeIterator<Item = String>) -> String {
    let more = values.len().saturating_sub(SHOWN);
    let mut text = values.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "\"\"" } else { text }
}
