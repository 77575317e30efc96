//! Requests that run into rules with `alert = true`: said once a session, rule and mailbox, whatever else is recorded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::imap::verb::Verb;
use crate::policy::Hits;

use super::Session;
use super::effect::{Effect, Held, Judged};
use super::event::{Event, EventKind, MailboxRef, PolicyOutcome, VerdictKind};
use super::in_flight::Entry;
use super::recording::mailbox_of;

/// Pairs of a rule and a mailbox that are told apart. A client may name as many mailboxes as it likes: what comes behind
/// these shares one alert a rule.
const TOLD_APART: usize = 256;

/// What was said in this session: of which rule, and mailbox, or way from one to another.
#[derive(Debug, Default)]
pub(super) struct Alerts(Option<Box<HashSet<(Arc<str>, Arc<str>)>>>);

impl Alerts {
    /// Is it the first time?
    fn is_first(&mut self, rule: &Arc<str>, mailbox: &Arc<str>) -> bool {
        let told = self.0.get_or_insert_default();
        let pair = match told.len() < TOLD_APART {
            true => (Arc::clone(rule), Arc::clone(mailbox)),
            false if told.contains(&(Arc::clone(rule), Arc::clone(mailbox))) => return false,
            false => (Arc::clone(rule), Arc::from("*")),
        };
        told.insert(pair)
    }
}

impl Session {
    /// A command was judged: that is counted, and where rules ask for it, said.
    pub(super) fn note_judged(&mut self, held: &Held, took: Option<Duration>) {
        self.note_verdict(&held.judged, took);
        if held.judged.by.is_empty() {
            return;
        }
        let mailbox = mailbox_of(&held.effect).or_else(|| held.mailbox.clone());
        self.alert(&held.judged, Some((held.cmd, held.verb)), (mailbox, to(&held.effect)));
    }

    /// What came of a command that was under way ran into more rules.
    pub(super) fn alert_of(&mut self, entry: &Entry, by: &Hits, verdict: VerdictKind) {
        let mailbox = mailbox_of(&entry.effect).or_else(|| entry.mailbox.clone());
        let judged = Judged { verdict: Some(verdict), by: by.clone(), shadow: Hits::NONE };
        self.alert(&judged, Some((entry.cmd, entry.verb)), (mailbox, to(&entry.effect)));
    }

    /// Says that somebody ran into these rules, as far as they ask for it. `to`: where things were to go.
    pub(super) fn alert(
        &mut self,
        judged: &Judged,
        command: Option<(u32, Verb)>,
        (mailbox, to): (Option<Arc<MailboxRef>>, Option<Arc<str>>),
    ) {
        if judged.by.is_empty() || !self.shared.rules.may_alert() {
            return;
        }
        let name = mailbox.as_ref().map_or("", |mailbox| &*mailbox.name);
        let name: Arc<str> = to.as_ref().map_or_else(|| name.into(), |to| format!("{name}\0{to}").into());
        let mut rules = judged.by.ids();
        rules.retain(|rule| self.shared.rules.alerts(rule) && self.alerts.is_first(rule, &name));
        if rules.is_empty() {
            return;
        }
        let mut event = Event::new(Arc::clone(&self.ctx), EventKind::PolicyAlert { rules, to });
        event.cmd = command.map(|(cmd, _)| cmd);
        event.verb = command.map(|(_, verb)| verb);
        event.mailbox = mailbox;
        event.policy = Some(PolicyOutcome { shadow: Vec::new(), ..self.outcome(judged) });
        self.out.record(event);
    }
}

fn to(effect: &Effect) -> Option<Arc<str>> {
    match effect {
        Effect::Copying { dst, .. } => Some(Arc::clone(dst)),
        Effect::Changing { to, .. } => to.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_and_mailbox_is_said_once_and_names_without_end_are_not_kept() {
        let mut alerts = Alerts::default();
        let is_first = |alerts: &mut Alerts, rule: &str, mailbox: &str| alerts.is_first(&rule.into(), &mailbox.into());
        for (rule, mailbox, first) in [("a", "X", true), ("a", "X", false), ("a", "Y", true), ("b", "X", true)] {
            assert_eq!(is_first(&mut alerts, rule, mailbox), first, "{rule} {mailbox}");
        }
        let said = (0..10_000).filter(|n| is_first(&mut alerts, "a", &n.to_string())).count();
        assert_eq!((said, alerts.0.as_ref().map_or(0, |told| told.len())), (TOLD_APART - 3 + 1, TOLD_APART + 1));
        assert!(
            !is_first(&mut alerts, "a", "X") && is_first(&mut alerts, "c", "X") && !is_first(&mut alerts, "c", "Y")
        );
    }
}
