//! The rule files of a configuration, and what changed in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use toml::{Table, Value};

use super::App;
use crate::audit::{Line, logs, newest};
use crate::config::{Config, GroupsPath};
use crate::diagnostic::{Problem, Sources};
use crate::metrics::RuleFacts;
use crate::policy::{GroupsFile, LoadContext, Mode, RuleFile, RuleSet};
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
    let context = LoadContext { groups: groups(config, sources, problems), now: Timestamp::now(), ..context(config) };
    let (set, found) = RuleSet::load(&files, &context);
    problems.extend(found);
    let written = Written::of(&files);
    (written.count, set.map(|set| Rules { set: Arc::new(set), written }))
}

/// What rules and their tests refer to, but for groups.
pub(super) fn context(config: &Config) -> LoadContext {
    LoadContext {
        listeners: config.listeners.iter().map(|listener| listener.name.clone()).collect(),
        upstreams: config.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        default_domain: config.auth.default_domain.clone(),
        served: served(config),
        ..LoadContext::default()
    }
}

/// `None`: one of the upstreams serves whom no other serves.
fn served(config: &Config) -> Option<Vec<Box<str>>> {
    let everybody = config.upstreams.iter().any(|upstream| upstream.match_user.is_empty());
    let globs = config.upstreams.iter().flat_map(|upstream| &upstream.match_user);
    (!everybody && !config.upstreams.is_empty()).then(|| globs.map(|text| text.as_str().into()).collect())
}

fn groups(config: &Config, sources: &mut Sources, problems: &mut Vec<Problem>) -> GroupsFile {
    let path = match &config.policy.groups {
        GroupsPath::None => return GroupsFile::None,
        GroupsPath::Wrong => return GroupsFile::Unreadable,
        GroupsPath::File(path) => path,
    };
    match sources.read(path) {
        Ok((path, text)) => GroupsFile::Read(RuleFile { path, text: text.to_string() }),
        Err(problem) => {
            problems.push(problem);
            GroupsFile::Unreadable
        }
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
            alerts: self.set.alerts(rule.id),
        });
        rules.collect()
    }
}

impl App {
    /// Rules and exceptions whose end has come since the last look: they take, or spare, nothing any more, and that is
    /// recorded. What ended while nobody ran is told with the first look: the last one was with the last record of the log.
    pub(super) async fn end_rules(&mut self) {
        let now = Timestamp::now();
        if now <= self.ended {
            return; // a clock that went back tells nothing twice
        }
        let set = Arc::clone(&self.prepared.rules.set);
        for end in set.ends().filter(|end| self.ended < end.until && end.until <= now) {
            let event = EventKind::PolicyExpire {
                rule: Arc::clone(end.rule),
                until: end.until.to_string().into(),
                exception: end.exception.cloned(),
            };
            self.recorder.note(event).await;
        }
        self.ended = now;
    }
}

/// When the last record was made in the logs of this directory, before anything is added to them; now, where there is none.
pub(super) fn last_told(directory: &Path) -> Timestamp {
    let newest = logs(directory).unwrap_or_default().into_iter().filter_map(|log| {
        let lines = newest(&log, 128 * 1024).ok()?;
        lines.iter().find_map(|line| Line::parse(line).ok()?.ts.parse::<Timestamp>().ok())
    });
    let now = Timestamp::now();
    // A clock that went back: what ended since then is told again, rather than never.
    newest.max().map_or(now, |told| told.min(now))
}

/// Rules by id, as they are written: comments and order of keys do not count.
#[derive(Debug, Default)]
struct Written {
    by_id: BTreeMap<Arc<str>, Table>,
    count: usize,
}

impl Written {
    fn of(files: &[RuleFile]) -> Self {
        let documents: Vec<Table> = files.iter().filter_map(|file| file.text.parse().ok()).collect();
        let rules: Vec<Table> = tables(&documents, "rule").collect();
        let count = rules.len();
        let named = rules.into_iter().filter_map(|rule| Some((Arc::from(rule.get("id")?.as_str()?), rule)));
        let mut written = Self { by_id: named.collect(), count };
        tables(&documents, "exception").for_each(|exception| written.relax(exception));
        written
    }

    /// An exception is a part of the rule that it names.
    fn relax(&mut self, exception: Table) {
        let rule = exception.get("rule").and_then(Value::as_str);
        if let Some(rule) = rule.and_then(|rule| self.by_id.get_mut(rule))
            && let Value::Array(list) = rule.entry("exception").or_insert_with(|| Value::Array(Vec::new()))
        {
            list.push(Value::Table(exception));
        }
    }

    fn ids(&self, wanted: impl Fn(&Arc<str>, &Table) -> bool) -> Vec<Arc<str>> {
        self.by_id.iter().filter(|(id, rule)| wanted(id, rule)).map(|(id, _)| Arc::clone(id)).collect()
    }
}

/// All tables of that name.
fn tables<'d>(documents: &'d [Table], name: &str) -> impl Iterator<Item = Table> + use<'d> {
    let name = name.to_owned();
    let lists = documents.iter().filter_map(move |document| document.get(&name)?.as_array());
    lists.flatten().filter_map(|value| value.as_table().cloned())
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
    fn an_exception_is_a_change_of_its_rule() {
        let before = rules(&(rule("one", "hide = true") + &rule("two", "hide = true")));
        let exception = "[[exception]]\nrule = \"two\"\nmailbox = \"Finance/Q3\"\nuntil = 2999-01-01\nreason = \"x\"\n";
        let after = rules(&(rule("one", "hide = true") + &rule("two", "hide = true") + exception));
        let EventKind::PolicyLoad { rules, added, removed, changed, .. } = after.event(Some(&before), LoadedBy::Signal)
        else {
            panic!("it is another event");
        };
        assert_eq!((rules, added.len(), removed.len(), &*changed), (2, 0, 0, &["two".into()][..]));
    }

    #[test]
    fn metrics_hear_what_each_rule_can_take() {
        let facts = rules(&rule("one", "hide = true\nmode = \"shadow\"")).facts();
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].mode, &*facts[0].effects), (RuleMode::Shadow, &[RuleEffect::Hide][..]));
    }
}
