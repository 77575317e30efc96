//! The key of a log's hashes, as far as whoever asks may read it.

use std::path::{Path, PathBuf};

use super::Where;
use crate::app::hash_key;
use crate::audit::HashKey;
use crate::config;
use crate::diagnostic::{Problem, Severity, Sources};

/// A key, or none.
pub(super) enum Key {
    /// This.
    Read(Box<HashKey>),
    /// None is named, or there is none yet.
    None,
}

/// The key that is named, or that the configuration names.
pub(super) fn key_for(place: &Where, named: Option<&Path>) -> Result<Key, Problem> {
    let file = match named {
        Some(file) => file.to_owned(),
        None => match of_config(place) {
            Some(file) => file,
            None => return Ok(Key::None),
        },
    };
    match hash_key::read(&file)? {
        Some(key) => Ok(Key::Read(Box::new(key))),
        None if named.is_some() => Err(Problem::in_file(Severity::Error, file.as_path(), "there is no such file").help(
            "name the file of the key: audit-hash.key in the state directory, unless `hash_key_file` says otherwise",
        )),
        None => Ok(Key::None),
    }
}

/// What is wrong with the configuration is said by whoever looks for the log.
fn of_config(place: &Where) -> Option<PathBuf> {
    let path = place.config_file()?;
    let (config, _) = config::read(path, &mut Sources::default());
    config.map(|config| config.hash_key_file())
}

/// What to say where one is needed.
pub(super) fn missing() -> Problem {
    Problem::new(Severity::Error, "no key: nothing was hashed here yet, or it is not said where the key is")
        .help("name the configuration with --config, or the file of the key with --hash-key")
}
