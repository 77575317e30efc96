//! What keeps a log from recording: at its start, with what to do about it, and later.

use std::io;
use std::path::Path;

use crate::diagnostic::{Problem, Severity};

/// The log cannot record, and what it cannot record must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot record")]
pub struct LogFailing;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problem.message)]
pub struct OpenError {
    problem: Box<Problem>,
    is_taken: bool,
    has_key: bool,
}

impl OpenError {
    /// It, with its directory and what to do.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &str {
        self.problem.help.as_deref().unwrap_or_default()
    }

    /// Does another process write there?
    pub(super) fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// Is it that the log has its first key since long?
    pub(super) fn is_keyed(&self) -> bool {
        self.has_key
    }

    fn new(directory: &Path, message: String, help: &str) -> Self {
        let problem = Box::new(Problem::in_file(Severity::Error, directory, message).help(help));
        Self { problem, is_taken: false, has_key: false }
    }

    /// A file or the directory itself refuses what has to be done with it.
    pub(super) fn io(directory: &Path, what: &str, error: &io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the user that runs imapwarden own the directory, or name another in `[audit] directory`"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "`[audit] directory` names a directory, which is created where it is missing"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room, or name a directory on another disk in `[audit] directory`"
            }
            _ => "`[audit] directory` has to be a directory that imapwarden can create and write to",
        };
        Self::new(directory, format!("{what}: {error}"), help)
    }

    /// Another process writes there.
    pub(super) fn locked(directory: &Path) -> Self {
        let message = "another process writes to the audit log in this directory".into();
        let help = "stop it, or give each process a directory of its own in `[audit] directory`";
        Self { is_taken: true, ..Self::new(directory, message, help) }
    }

    /// Too little space is free.
    pub(super) fn no_room(directory: &Path, free: u64, needed: u64) -> Self {
        Self::new(
            directory,
            format!("only {} MiB are free on the audit log's disk, {} MiB are needed", free >> 20, needed >> 20),
            "make room, name a directory on another disk, or lower `[audit] min_free`",
        )
    }

    /// What is there is not what was written.
    pub(super) fn altered(directory: &Path, what: &str) -> Self {
        Self::new(
            directory,
            format!("the audit log was altered or cut: {what}"),
            "keep this directory as evidence, look at it with `imapwarden audit verify`, and name an empty one in `[audit] directory`",
        )
    }

    /// The log announced a key, and that is not here.
    pub(super) fn no_key(directory: &Path) -> Self {
        Self::new(
            directory,
            "the audit log is signed, and the file `key` does not hold the key that it announced last".into(),
            "bring the file back; if it is lost, keep this directory as evidence and name an empty one in `[audit] directory`",
        )
    }

    /// The log has its first key since long.
    pub(super) fn has_key(directory: &Path) -> Self {
        let message = "this audit log announces its keys already".into();
        let help = "its first key was printed when it was made, and is not kept here; a log in an empty directory gets a new one";
        Self { has_key: true, ..Self::new(directory, message, help) }
    }

    /// Lines of a version that this program does not know.
    pub(super) fn foreign(directory: &Path, what: &str) -> Self {
        Self::new(
            directory,
            format!("this is not an audit log of this version: {what}"),
            "run the version that wrote it, or name another directory in `[audit] directory`",
        )
    }
}
