//! SIGHUP: configuration, rules and certificates are read anew and take the place of what runs, together or not at all.

use std::sync::Arc;

use super::record::{asked_by_signal, in_one_line};
use super::start::App;
use super::{Found, Prepared, restart, sharing};
use crate::diagnostic::Problem;
use crate::session::event::{EventKind, LoadedBy};

impl App {
    /// Changes what can be changed under open sessions, or nothing, and says so.
    pub(super) async fn reload(&mut self, by: LoadedBy, signal: &str) {
        let reloaded = match self.read_anew().await {
            Ok(prepared) => self.swap(prepared, by).await,
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(%problem, "not reloaded");
                }
                let problems = problems.into_iter().map(String::into_boxed_str).collect();
                self.recorder.note(EventKind::PolicyLoadFailed { by, problems }).await;
                false
            }
        };
        self.recorder.metrics.reload(reloaded);
        self.recorder.note(asked_by_signal(signal, "reload", !reloaded)).await;
    }

    /// Reads all files, away from the threads that move mail. What is wrong comes as lines.
    async fn read_anew(&self) -> Result<Prepared, Vec<String>> {
        let (path, before) = (self.path.clone(), Arc::clone(&self.prepared));
        let read = tokio::task::spawn_blocking(move || Prepared::load_after(Some(&before), &path)).await;
        let Found { prepared, mut problems, sources, .. } = read.map_err(|error| vec![error.to_string()])?;
        if let Some(read) = &prepared {
            problems.extend(restart::needed(&self.prepared.config, &read.config));
        }
        let (errors, warnings): (Vec<_>, Vec<_>) = problems.iter().partition(|problem| problem.is_error());
        for problem in warnings {
            tracing::warn!(problem = in_one_line(problem, &sources), "configuration warning");
        }
        let lines =
            |problems: Vec<&Problem>| problems.into_iter().map(|problem| in_one_line(problem, &sources)).collect();
        prepared.filter(|_| errors.is_empty()).ok_or_else(|| lines(errors))
    }

    /// Puts what was read in the place of what runs; only once the log has it.
    async fn swap(&mut self, prepared: Prepared, by: LoadedBy) -> bool {
        if self.recorder.record(prepared.rules.event(Some(&self.prepared.rules), by)).await.is_err() {
            tracing::error!("not reloaded: the audit log fails");
            return false;
        }
        let before = (&self.prepared.config, &*self.server.shared());
        self.state.follow(&prepared);
        let verdicts = self.state.verdicts();
        let shared = Arc::new(sharing::shared(&prepared, Arc::clone(&self.clock), verdicts, Some(before)));
        let connectors = sharing::connectors(&prepared, &self.recorder.log, &self.recorder.metrics);
        let listeners = prepared.config.listeners.iter().zip(&prepared.server_tls);
        for (state, (listener, tls)) in self.listeners.iter().zip(listeners) {
            state.reload(listener, tls.clone());
        }
        self.server.reload(shared, connectors, prepared.config.limits.auth_failures);
        if let Some(logging) = &self.logging {
            logging.set_level(prepared.config.log.level);
        }
        prepared.tell(&self.recorder.metrics);
        self.prepared = Arc::new(prepared);
        let rules = &self.prepared.rules.set;
        tracing::info!(rev = %rules.rev(), rules = rules.len(), "reloaded");
        true
    }
}
