//! What the proxy itself does, in the log and in the metrics.

use std::path::Path;
use std::sync::Arc;

use crate::audit::{Entry, Log, LogFailing};
use crate::diagnostic::{Problem, Sources};
use crate::metrics::Metrics;
use crate::session::event::{Event, EventKind, Observer};

/// Writes events that belong to no session.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    pub log: Log,
    pub metrics: Arc<Metrics>,
}

impl Recorder {
    /// Returns when it is written.
    pub async fn record(&self, kind: EventKind) -> Result<(), LogFailing> {
        let event = Box::new(Event::of_proxy(kind));
        self.metrics.event(&event);
        self.log.submit(vec![Entry { event, intent: None }]).await.written().await.map(|_| ())
    }

    /// The same of what has happened already, and happened whether it can be recorded or not.
    pub async fn note(&self, kind: EventKind) {
        let name = kind.type_name();
        if self.record(kind).await.is_err() {
            tracing::error!(record = name, "a record could not be written: the audit log fails");
        }
    }
}

/// Something that a signal asked for.
pub(super) fn asked_by_signal(signal: &str, route: &str, refused: bool) -> EventKind {
    EventKind::AdminAction {
        who: "signal".into(),
        role: None,
        method: signal.into(),
        route: route.into(),
        target: None,
        status: None,
        refused,
    }
}

/// `file:line:column: text`, as in the log and in messages.
pub(super) fn in_one_line(problem: &Problem, sources: &Sources) -> String {
    let position = problem.file.as_deref().zip(problem.span.as_ref());
    let position = position.and_then(|(file, span)| sources.position(file, span.start));
    let file = problem.file.as_deref().map(Path::display);
    match (file, position) {
        (Some(file), Some(at)) => format!("{file}:{}:{}: {}", at.line, at.column, problem.message),
        (Some(file), None) => format!("{file}: {}", problem.message),
        (None, _) => problem.message.clone(),
    }
}
