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

    /// An error at a value; at its section, or the file, where the value is a default.
    #[must_use]
    pub fn error(&self, key_path: &str, message: impl Into<String>) -> Problem {
        let Some(file) = &self.file else {
            return Problem::new(Severity::Error, message);
        };
        match self.span(key_path) {
            Some(span) => Problem::error(file, span, message),
            None => Problem::in_file(Severity::Error, file.clone(), message),
        }
    }

    /// The place of a value, or of what it stands in.
    pub(super) fn span(&self, key_path: &str) -> Option<Range<usize>> {
        let around = key_path.rsplit_once('.').map(|(around, _)| around);
        self.spans.get(key_path).cloned().or_else(|| self.span(around?))
    }
}
