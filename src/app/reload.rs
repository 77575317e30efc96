//! SIGHUP or the admin API: configuration, rules and certificates are read anew and take the place of what runs, together or
//! not at all.

use std::sync::Arc;

use serde_json::{Value, json};

use super::doors::{Change, Doors};
use super::record::{asked_by_signal, in_one_line};
use super::start::App;
use super::{Found, Prepared, notify, restart, sharing};
use crate::admin::Reload;
use crate::diagnostic::{Problem, Severity, Sources, render, to_json};
use crate::session::event::{EventKind, LoadedBy};

/// What stands in the way, as it is recorded, and as it is told to whoever asked.
struct InTheWay {
    problems: Vec<Problem>,
    sources: Sources,
}

impl App {
    /// The same as [`App::reload`]; that a signal asked for it is recorded.
    pub(super) async fn reload_by_signal(&mut self, signal: &str) {
        let reload = self.reload(LoadedBy::Signal).await;
        let refused = !matches!(reload, Reload::Done { .. });
        self.recorder.note(asked_by_signal(signal, "reload", refused)).await;
    }

    /// Changes what can be changed under open sessions, or nothing, and says so.
    pub(super) async fn reload(&mut self, by: LoadedBy) -> Reload {
        notify::reloading();
        let reload = match self.read_anew().await {
            Ok((prepared, changes, warnings)) => self.swap(prepared, changes, by, &warnings).await,
            Err(way) => {
                let lines: Vec<Box<str>> = way.lines().map(String::into_boxed_str).collect();
                for problem in &lines {
                    tracing::error!(%problem, "not reloaded");
                }
                self.recorder.note(EventKind::PolicyLoadFailed { by, problems: lines }).await;
                let InTheWay { problems, sources } = &way;
                Reload::Refused { problems: to_json(problems, sources), text: render(problems, sources, false) }
            }
        };
        self.recorder.metrics.reload(matches!(reload, Reload::Done { .. }));
        notify::ready(&self.status());
        reload
    }

    /// Reads all files, away from the threads that move mail; with the warnings, for whoever asked.
    async fn read_anew(&self) -> Result<(Prepared, Vec<Change>, Value), InTheWay> {
        let (path, before) = (self.path.clone(), Arc::clone(&self.prepared));
        let read = tokio::task::spawn_blocking(move || Prepared::load_after(Some(&before), &path)).await;
        let Found { prepared, mut problems, sources, .. } = read.map_err(|error| InTheWay {
            problems: vec![Problem::new(Severity::Error, error.to_string())],
            sources: Sources::default(),
        })?;
        if let Some(read) = &prepared {
            problems.extend(restart::needed(&self.prepared.config, &read.config));
        }
        let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(Problem::is_error);
        for problem in &warnings {
            tracing::warn!(problem = in_one_line(problem, &sources), "configuration warning");
        }
        let Some(prepared) = prepared.filter(|_| errors.is_empty()) else {
            return Err(InTheWay { problems: errors, sources });
        };
        match Doors::plan(&self.prepared.config, &prepared, &self.recorder.metrics) {
            Ok(changes) => Ok((prepared, changes, to_json(&warnings, &sources)["problems"].take())),
            Err(problems) => Err(InTheWay { problems, sources }),
        }
    }

    /// Puts what was read in the place of what runs; only once the log has it.
    async fn swap(&mut self, prepared: Prepared, changes: Vec<Change>, by: LoadedBy, warnings: &Value) -> Reload {
        let loaded = prepared.rules.event(Some(&self.prepared.rules), by);
        let told = told(&loaded, warnings);
        if self.recorder.record(loaded).await.is_err() {
            tracing::error!("not reloaded: the audit log fails");
            return Reload::Unavailable;
        }
        let before = (&self.prepared.config, &*self.server.shared());
        self.state.follow(&prepared);
        let verdicts = self.state.verdicts();
        let shared =
            Arc::new(sharing::shared(&prepared, Arc::clone(&self.clock), verdicts, self.locks.locks(), Some(before)));
        let connectors = sharing::connectors(&prepared, &self.recorder.log, &self.recorder.metrics);
        self.server.reload(shared, connectors, prepared.config.limits.auth_failures);
        self.doors.change(&self.server, &prepared, changes);
        if let Some(logging) = &self.logging {
            logging.set_level(prepared.config.log.level);
        }
        self.admin_state.tokens.store(Arc::new(prepared.tokens.clone()));
        self.admin_state.hosts.store(Arc::new(prepared.config.admin.hosts.clone()));
        prepared.tell(&self.recorder.metrics);
        self.prepared = Arc::new(prepared);
        let rules = &self.prepared.rules.set;
        tracing::info!(rev = %rules.rev(), rules = rules.len(), "reloaded");
        Reload::Done { told }
    }
}

impl InTheWay {
    fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| in_one_line(problem, &self.sources))
    }
}

/// What differs, for whoever asked: as it is recorded.
fn told(loaded: &EventKind, warnings: &Value) -> Value {
    let EventKind::PolicyLoad { rev, old_rev, rules, added, removed, changed, by: _ } = loaded else {
        return Value::Null;
    };
    json!({
        "rev": &**rev,
        "old_rev": old_rev.as_deref(),
        "rules": rules,
        "added": added.iter().map(|id| &**id).collect::<Vec<_>>(),
        "removed": removed.iter().map(|id| &**id).collect::<Vec<_>>(),
        "changed": changed.iter().map(|id| &**id).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
