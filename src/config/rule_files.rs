//! `[policy] rules` and `groups`: which files hold rules, and which one the groups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::table::{Table, Text, reason};
use super::values::{GroupsPath, Policy};

/// As a shell does: what begins with a dot (an editor's lock file) is not meant.
const LIKE_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

const RULES: &str = "rules";

/// The files that are named or matched, and the tests beside them. A groups file that a glob matches is none of them.
pub(super) fn named(policy: &Table<'_>) -> Policy {
    let groups = groups(policy);
    let of_groups = if let GroupsPath::File(path) = &groups { path.canonicalize().ok() } else { None };
    let texts = policy.texts("rules").unwrap_or_default();
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    for text in &texts {
        let before = files.len();
        match is_glob(text.value) {
            true => matching(policy, text, &mut files, &mut tests),
            false => files.extend(one(policy, text, RULES)),
        }
        warn_of_double(policy, text, files.split_at(before));
    }
    files.retain(|path| of_groups.is_none() || path.canonicalize().ok() != of_groups);
    let own_tests = files.iter().map(|file| file.with_extension("test.toml")).filter(|path| path.is_file());
    tests.extend(own_tests.collect::<Vec<_>>());
    Policy { files: each_once(files), tests: each_once(tests), groups }
}

/// All that it names was named before.
fn warn_of_double(policy: &Table<'_>, text: &Text<'_>, (before, found): (&[PathBuf], &[PathBuf])) {
    let identity = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let before: Vec<PathBuf> = before.iter().map(identity).collect();
    if !found.is_empty() && found.iter().all(|path| before.contains(&identity(path))) {
        let message = match is_glob(text.value) {
            true => format!("all that `{}` matches is read already", text.value),
            false => format!("`{}` is read already", text.value),
        };
        let problem = policy.reading().warning(text.span.clone(), message).label("another of the list reaches it");
        policy.reading().problem(problem.help("each file is read once: take it away"));
    }
}

/// The file that is named, if there is one.
fn groups(policy: &Table<'_>) -> GroupsPath {
    let Some(text) = policy.text("groups") else {
        return if policy.has("groups") { GroupsPath::Wrong } else { GroupsPath::None };
    };
    one(policy, &text, "groups").map_or(GroupsPath::Wrong, GroupsPath::File)
}

/// Sorted, however often each is reached.
fn each_once(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut by_identity = BTreeMap::new();
    for path in paths {
        by_identity.entry(path.canonicalize().unwrap_or_else(|_| path.clone())).or_insert(path);
    }
    let mut paths: Vec<PathBuf> = by_identity.into_values().collect();
    paths.sort();
    paths
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn one(policy: &Table<'_>, text: &Text<'_>, wanted: &str) -> Option<PathBuf> {
    let reading = policy.reading();
    let path = reading.folder().join(text.value);
    let problem = match path.metadata() {
        Ok(_) if is_rule_test(&path) => reading
            .error(text.span.clone(), format!("`{}` holds tests, not {wanted}", text.value))
            .help("take it away: tests are found beside the rules by their name"),
        Ok(facts) if facts.is_dir() => {
            let problem = reading.error(text.span.clone(), format!("`{}` is a directory", text.value));
            match wanted {
                RULES => {
                    problem.help(format!("write \"{}/*.toml\" for the files in it", text.value.trim_end_matches('/')))
                }
                _ => problem.help("name the one file that has them"),
            }
        }
        Ok(_) => return Some(path),
        Err(error) => reading
            .error(text.span.clone(), format!("cannot read the file: {}", reason(&error)))
            .label(format!("looked for {}", absolute(&path).display()))
            .help("paths are relative to the file they stand in"),
    };
    reading.problem(problem);
    None
}

/// A glob reaches rules and tests alike.
fn matching(policy: &Table<'_>, text: &Text<'_>, files: &mut Vec<PathBuf>, tests: &mut Vec<PathBuf>) {
    let reading = policy.reading();
    let at = |message: String| reading.error(text.span.clone(), message);
    let folder = Pattern::escape(&reading.folder().to_string_lossy());
    let pattern = Path::new(&folder).join(text.value);
    let found = match glob::glob_with(&pattern.to_string_lossy(), LIKE_A_SHELL) {
        Ok(found) => found,
        Err(error) => {
            reading.problem(at(format!("`{}` is no glob: {}", text.value, error.msg.to_lowercase())));
            return;
        }
    };
    let before = (files.len(), tests.len());
    for entry in found {
        match entry {
            Ok(path) if is_rule_test(&path) => tests.push(path),
            Ok(path) if path.is_dir() => {}
            Ok(path) => files.push(path),
            Err(error) => {
                let why = reason(error.error());
                reading.problem(at(format!("cannot read `{}`: {why}", error.path().display())));
            }
        }
    }
    if files.len() == before.0 {
        let label = match tests.len() == before.1 {
            true => format!("looked for {}", absolute(&pattern).display()),
            false => String::from("only tests (*.test.toml), which are no rules"),
        };
        reading.problem(
            at(format!("no file matches `{}`", text.value))
                .label(label)
                .help("rules = [] says that there are no rules"),
        );
    }
}

/// Tests of rules stand beside them and are never rules.
fn is_rule_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.toml"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
