//! The rule files of a configuration, and what changed in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::{Table, Value};

use crate::config::Config;
use crate::diagnostic::{Problem, Sources};
use crate::metrics::RuleFacts;
use crate::policy::{LoadContext, Mode, RuleFile, RuleSet};
use crate::session::event::{EventKind, LoadedBy, RuleEffect, RuleMode};

/// Rules, compiled and as they are written.
#[derive(Debug)]
pub struct Rules {
    /// Compiled.
    pub set: Arc<RuleSet>,
    written: Written,
}

/// How many rules there are, even where some cannot be read; and the rules, where all can.
pub(super) fn load(config: &Config, sources: &mut Sources, problems: &mut Vec<Problem>) -> (usize, Option<Rules>) {
    let read = config.policy.files.iter().map(|path| sources.read(path));
    let (read, unreadable): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    problems.extend(unreadable.into_iter().filter_map(Result::err));
    let files = read.into_iter().filter_map(Result::ok);
    let files: Vec<RuleFile> = files.map(|(path, text)| RuleFile { path, text: text.to_string() }).collect();
    let (set, found) = RuleSet::load(&files, &context(config));
    problems.extend(found);
    let written = Written::of(&files);
    (written.count, set.map(|set| Rules { set: Arc::new(set), written }))
}

/// What rules and their tests refer to.
pub(super) fn context(config: &Config) -> LoadContext {
    LoadContext {
        listeners: config.listeners.iter().map(|listener| listener.name.clone()).collect(),
        upstreams: config.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        default_domain: config.auth.default_domain.clone(),
    }
}

impl Rules {
    /// What takes their place of other rules, or is the first.
    pub(super) fn event(&self, before: Option<&Self>, by: LoadedBy) -> EventKind {
        let nothing = Written::default();
        let (old, new) = (before.map_or(&nothing, |before| &before.written), &self.written);
        EventKind::PolicyLoad {
            rev: Arc::clone(self.set.rev()),
            old_rev: before.map(|before| Arc::clone(before.set.rev())),
            by,
            rules: self.set.len() as u64,
            added: new.ids(|id, _| !old.by_id.contains_key(id)),
            removed: old.ids(|id, _| !new.by_id.contains_key(id)),
            changed: new.ids(|id, rule| old.by_id.get(id).is_some_and(|before| before != rule)),
        }
    }

    /// What metrics know of them.
    pub(super) fn facts(&self) -> Vec<RuleFacts> {
        let rules = self.set.rules().map(|rule| RuleFacts {
            id: Arc::clone(rule.id),
            mode: match rule.mode {
                Mode::Enforce => RuleMode::Enforce,
                Mode::Shadow => RuleMode::Shadow,
            },
            effects: self.written.by_id.get(rule.id).map(effects).unwrap_or_default(),
        });
        rules.collect()
    }
}

/// Rules by id, as they are written: comments and order of keys do not count.
#[derive(Debug, Default)]
struct Written {
    by_id: BTreeMap<Arc<str>, Table>,
    count: usize,
}

impl Written {
    fn of(files: &[RuleFile]) -> Self {
        let documents = files.iter().filter_map(|file| file.text.parse::<Table>().ok());
        let rules = documents.filter_map(|document| match document.get("rule") {
            Some(Value::Array(rules)) => Some(rules.clone()),
            _ => None,
        });
        let rules: Vec<Value> = rules.flatten().collect();
        let count = rules.len();
        let named = rules.into_iter().filter_map(|rule| match rule {
            Value::Table(rule) => Some((Arc::from(rule.get("id")?.as_str()?), rule)),
            _ => None,
        });
        Self { by_id: named.collect(), count }
    }

    fn ids(&self, wanted: impl Fn(&Arc<str>, &Table) -> bool) -> Vec<Arc<str>> {
        self.by_id.iter().filter(|(id, rule)| wanted(id, rule)).map(|(id, _)| Arc::clone(id)).collect()
    }
}

/// What a rule can take: each is counted from 0.
fn effects(rule: &Table) -> Vec<RuleEffect> {
    RuleEffect::ALL.iter().copied().filter(|effect| rule.contains_key(effect.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        let file = RuleFile { path: Arc::from(std::path::Path::new("rules.toml")), text: text.to_owned() };
        let files = [file];
        let (set, problems) = RuleSet::load(&files, &LoadContext::default());
        let set = set.unwrap_or_else(|| panic!("{problems:?}"));
        Rules { set: Arc::new(set), written: Written::of(&files) }
    }

    fn rule(id: &str, more: &str) -> String {
        format!("[[rule]]\nid = \"{id}\"\nmailbox = [\"Finance/**\"]\n{more}\n")
    }

    #[test]
    fn a_reload_tells_which_rules_are_new_gone_and_different() {
        let before =
            rules(&(rule("stays", "hide = true") + &rule("goes", "hide = true") + &rule("changes", "hide = true")));
        let stays = rule("stays", "hide = true # and is commented now");
        let after = rules(&(stays + &rule("comes", "hide = true") + &rule("changes", "rights = \"lr\"")));
        let EventKind::PolicyLoad { old_rev, rules, added, removed, changed, .. } =
            after.event(Some(&before), LoadedBy::Signal)
        else {
            panic!("it is another event");
        };
        assert_eq!((old_rev.as_ref(), rules), (Some(before.set.rev()), 3));
        assert_eq!(
            (&*added, &*removed, &*changed),
            (&["comes".into()][..], &["goes".into()][..], &["changes".into()][..])
        );
    }

    #[test]
    fn metrics_hear_what_each_rule_can_take() {
        let facts = rules(&rule("one", "hide = true\nmode = \"shadow\"")).facts();
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].mode, &*facts[0].effects), (RuleMode::Shadow, &[RuleEffect::Hide][..]));
    }
}
