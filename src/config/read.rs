//! The whole file, section by section.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::table::{Reading, Table};
use super::values::Config;
use super::{checks, keys, listener, section, upstream};
use crate::diagnostic::{Problem, Sources};

impl Config {
    /// Reads a configuration. There is one exactly where none of the problems is an error.
    pub fn load(path: &Path, sources: &mut Sources) -> (Option<Self>, Vec<Problem>) {
        let (config, problems) = read(path, sources);
        let starts = !problems.iter().any(Problem::is_error);
        (config.filter(|_| starts), problems)
    }
}

/// Reads as much as can be understood: a configuration may stand beside errors, so that the rules and certificates that
/// it names can be looked at, too. Nothing may run with it then. `None` only where the file is no TOML.
pub fn read(path: &Path, sources: &mut Sources) -> (Option<Config>, Vec<Problem>) {
    let (file, text) = match sources.read(path) {
        Ok(read) => read,
        Err(problem) => return (None, vec![problem]),
    };
    let reading = Reading::new(file);
    let (document, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        let config = read_file(&Table::new(&reading, &keys::FILE, (document.get_ref(), 0..0), String::new()));
        let (places, problems) = reading.finish();
        return (Some(Config { sha256: sha256(&text), places, ..config }), problems);
    }
    // Of several errors at one place the last is the innermost: the string that is not closed, not the list around it.
    let by_place: BTreeMap<_, _> = errors.iter().map(|error| (error.span().map(|span| span.start), error)).collect();
    for error in by_place.into_values() {
        reading.problem(reading.error(error.span().unwrap_or(0..0), error.message()));
    }
    (None, reading.finish().1)
}

fn read_file(file: &Table<'_>) -> Config {
    let config = Config {
        listeners: listener::read(file),
        upstreams: upstream::read(file),
        auth: section::auth(file),
        policy: section::policy(file),
        audit: section::audit(file),
        admin: section::admin(file),
        limits: section::limits(file),
        log: section::log(file),
        sha256: String::new(),
        places: super::Places::default(),
    };
    checks::names(file, &config);
    checks::binds(file, &config);
    config
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        hex
    })
}
