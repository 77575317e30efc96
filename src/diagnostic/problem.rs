//! One thing that is wrong, and its place.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The service cannot start, or the meaning is unknown: nothing starts, nothing is reloaded.
    Error,
    /// Something is merely without effect, or probably not what was meant.
    Warning,
}

impl Severity {
    /// The word that stands before the message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem: what is wrong (`message`), where, what about the place is wrong (`label`), and what to do (`help`).
///
/// Messages are lower case, without a full stop, the user's words in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The file it is in; none for what concerns no file.
    pub file: Option<Arc<Path>>,
    /// Byte range in the text of `file`; none where the file as a whole is meant.
    pub span: Option<Range<usize>>,
    /// Stands beside the carets.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// An error at a place of a file.
    pub fn error(file: &Arc<Path>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { file: Some(file.clone()), span: Some(span), ..Self::new(Severity::Error, message) }
    }

    /// A warning at a place of a file.
    pub fn warning(file: &Arc<Path>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { file: Some(file.clone()), span: Some(span), ..Self::new(Severity::Warning, message) }
    }

    /// A problem with a file or directory as a whole: it cannot be read, written, or used.
    pub fn in_file(severity: Severity, file: impl Into<Arc<Path>>, message: impl Into<String>) -> Self {
        Self { file: Some(file.into()), ..Self::new(severity, message) }
    }

    /// A problem that has no place in any file.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), file: None, span: None, label: None, help: None }
    }

    /// Says what about the place is wrong.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `did you mean …` as help, where one of the known words is near.
    #[must_use]
    pub fn did_you_mean<'c>(self, word: &str, known: impl IntoIterator<Item = &'c str>) -> Self {
        match super::suggest(word, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Whether nothing can start with it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Where it stands among others: by file, then by place.
    pub(super) fn order(&self) -> (bool, Option<&Path>, usize, usize) {
        let span = self.span.clone().unwrap_or(0..0);
        (self.file.is_none(), self.file.as_deref(), span.start, span.end)
    }
}
