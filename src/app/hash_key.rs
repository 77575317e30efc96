//! The key with which values in the log are hashed: read, and made where there is none yet.
//!
//! A key that is gone makes what was hashed with it unfindable, and nothing else: the next start makes another, whose id
//! stands in each hash.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::{HashKey, HashedField, Hashing, new_key};
use crate::config::{Config, Hashed};
use crate::diagnostic::{Problem, Severity};

/// The key in a file; `None` where there is no such file.
///
/// # Errors
/// Where it cannot be read, or is none.
pub fn read(path: &Path) -> Result<Option<HashKey>, Problem> {
    let problem = |message: String| Problem::in_file(Severity::Error, path, message);
    let text = match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("the key of the audit log's hashes cannot be read: {error}"))),
    };
    HashKey::parse(&text).map(Some).map_err(|wrong| {
        problem(wrong.to_string()).help(
            "take the file back from a backup; or away: then another key is made, and nobody finds what was hashed",
        )
    })
}

/// Is there anything wrong with it, as far as can be told without making one?
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    if !config.audit.hashed.is_empty() {
        problems.extend(read(&config.hash_key_file()).err());
    }
}

/// What this log hashes; `None` where it hashes nothing.
pub(super) fn load_or_make(config: &Config) -> Result<Option<Arc<Hashing>>, Problem> {
    if config.audit.hashed.is_empty() {
        return Ok(None);
    }
    let path = config.hash_key_file();
    let key = match read(&path)? {
        Some(key) => key,
        None => {
            let failed = |error: io::Error| {
                Problem::in_file(
                    Severity::Error,
                    path.as_path(),
                    format!("no key can be made for the audit log's hashes: {error}"),
                )
            };
            make(&path).map_err(failed)?;
            let made = read(&path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            tracing::info!(key = made.id(), file = %path.display(), "made a key for the hashes of the audit log");
            made
        }
    };
    let fields = config.audit.hashed.iter().map(|field| hashed(*field)).collect();
    Ok(Some(Arc::new(Hashing { key, fields })))
}

/// Whole or not at all, and for nobody else to read.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let text = new_key().map_err(io::Error::other)?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}

/// As records call it.
pub(super) const fn hashed(field: Hashed) -> HashedField {
    match field {
        Hashed::User => HashedField::User,
        Hashed::Mailbox => HashedField::Mailbox,
        Hashed::ClientIp => HashedField::ClientIp,
        Hashed::Address => HashedField::Address,
        Hashed::Subject => HashedField::Subject,
        Hashed::Search => HashedField::Search,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_for_nobody_else_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let path = folder.path().join("state/audit-hash.key");
        assert!(read(&path).expect("nothing is wrong").is_none());
        make(&path).expect("it is ours");
        let key = read(&path).expect("it is a key").expect("it is there");
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).expect("it is a key").expect("it is there").id(), key.id());
        fs::write(&path, "short").expect("it is ours");
        assert!(read(&path).expect_err("it is none").message.starts_with("not a key"));
    }
}
