//! Where each value stands in the file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Problem, Severity};

/// Key path (`listener.0.certificate`) → place. For problems that are found after the file was read: a certificate that
/// does not load, a port that is taken.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: Option<Arc<Path>>,
    spans: BTreeMap<String, Range<usize>>,
}

impl Places {
    pub(super) fn new(file: Arc<Path>) -> Self {
        Self { file: Some(file), spans: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, key_path: String, span: Range<usize>) {
        self.spans.insert(key_path, span);
    }

    /// Does the file say this value?
    #[must_use]
    pub fn says(&self, key_path: &str) -> bool {
        self.spans.contains_key(key_path)
    }

    /// Is the problem about this value, or about something in it?
    #[must_use]
    pub fn is_about(&self, problem: &Problem, key_path: &str) -> bool {
        let value = self.spans.get(key_path).filter(|_| problem.file == self.file);
        value.zip(problem.span.as_ref()).is_some_and(|(value, span)| value.start <= span.start && span.end <= value.end)
    }

    /// An error at a value; at its section, or the file, where the value is a default.
    #[must_use]
    pub fn error(&self, key_path: &str, message: impl Into<String>) -> Problem {
        self.problem(Severity::Error, key_path, message)
    }

    /// The same for a warning.
    #[must_use]
    pub fn problem(&self, severity: Severity, key_path: &str, message: impl Into<String>) -> Problem {
        let problem = match &self.file {
            Some(file) => Problem::in_file(severity, file.clone(), message),
            None => Problem::new(severity, message),
        };
        Problem { span: self.span(key_path), ..problem }
    }

    /// The place of a value, or of what it stands in.
    pub(super) fn span(&self, key_path: &str) -> Option<Range<usize>> {
        let around = key_path.rsplit_once('.').map(|(around, _)| around);
        self.spans.get(key_path).cloned().or_else(|| self.span(around?))
    }
}
