//! The tree is the architecture: which module may use which.
//!
//! ```text
//!   src/wire/fetch.rs   use crate::imap::verb::Verb;      wire ─▶ imap   in the table
//!   src/policy/bound.rs crate::net::Server::new()         policy ─▶ net  not in the table: the test fails
//! ```
//!
//! An arrow that is missing here is missing on purpose. Think twice before adding one, and then write down why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module, or a file of one that may use more, and what it may use besides std and itself: modules of ours, and those crates
/// that are `WATCHED`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("imap", &[]),
    ("wire", &["imap", "nom"]),
    ("diagnostic", &[]),
    ("mail", &[]),
    // What a field of a message says is read by `mail`.
    ("policy", &["imap", "mail", "regex", "ipnet"]),
    ("policy/load", &["diagnostic", "wire::search", "toml"]),
    ("policy/rule_test", &["diagnostic", "toml"]),
    ("view", &["imap"]),
    ("rewrite", &["imap", "wire", "view"]),
    ("session", &["imap", "wire", "policy", "view", "rewrite", "mail"]),
    // The writer is a thread of its own; sessions wait for its word on a channel.
    ("audit", &["imap", "policy", "session::event", "diagnostic", "tokio::sync"]),
    // A session may write itself: not on a runtime whose only worker it would hold up.
    ("audit/in_place", &["tokio::runtime", "tokio::task"]),
    // Networks are asked for as in rules.
    ("report", &["audit", "imap", "ipnet"]),
    ("metrics", &["imap", "session::event", "prometheus"]),
    ("store", &["session::verdicts", "session::locks", "redb"]),
    // Networks are written as in rules.
    ("config", &["diagnostic", "toml", "ipnet"]),
    ("credential", &["imap", "diagnostic", "toml"]),
    // Problems of certificates are found where rustls lives.
    (
        "net",
        &[
            "session",
            "policy",
            "audit",
            "metrics",
            "config",
            "credential",
            "diagnostic",
            "tokio",
            "tokio_rustls",
            "rustls",
            "socket2",
            "ipnet",
        ],
    ),
    // Commands are named as in records.
    ("net/live", &["imap"]),
    // Sessions are asked for as in rules: by globs, and by networks.
    ("admin/events", &["imap"]),
    ("admin/sessions", &["imap", "ipnet"]),
    ("admin", &["net", "audit", "metrics", "config", "policy", "hyper", "hyper_util", "http_body_util", "tokio"]),
    ("demo", &["imap", "wire", "net", "tokio"]),
];

/// Crates that decide what a module is; small ones, such as memchr, may be used anywhere.
const WATCHED: &[&str] = &[
    "clap",
    "http_body_util",
    "hyper",
    "hyper_util",
    "ipnet",
    "nom",
    "prometheus",
    "redb",
    "regex",
    "rustls",
    "socket2",
    "tokio",
    "tokio_rustls",
    "toml",
];

/// Modules that put everything together.
const TOPS: &[&str] = &["app", "cli", "lib", "main"];

/// Modules that never wait, read a clock, or touch a socket or file.
const WITHOUT_IO: &[&str] = &["imap", "mail", "wire", "policy", "view", "rewrite", "session"];

/// How they would.
const IO: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    ".await",
    "async fn",
];

/// One path in a file, without `crate::`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    line: usize,
    path: String,
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for file in sources() {
        let (module, place) = place_of(&file);
        if TOPS.contains(&module.as_str()) {
            continue;
        }
        let Some(allowed) = allowed(&place) else {
            wrong.push(format!("{}: module `{module}` is not in the table", file.display()));
            continue;
        };
        let code = code_of(&file);
        for found in uses(&code).into_iter().chain(crates_in(&shipped(&place, &code))) {
            let within = |allowed: &&&str| found.path == ***allowed || found.path.starts_with(&format!("{allowed}::"));
            if found.path.split("::").next() != Some(&module) && !allowed.iter().any(|a| within(&a)) {
                wrong.push(format!("{}:{}: {module} uses {}", file.display(), found.line, found.path));
            }
        }
    }
    assert!(wrong.is_empty(), "not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_has_no_io() {
    let mut wrong = Vec::new();
    for file in sources() {
        let (module, place) = place_of(&file);
        if !WITHOUT_IO.contains(&module.as_str()) {
            continue;
        }
        for (at, line) in shipped(&place, &code_of(&file)).lines().enumerate() {
            for io in IO.iter().filter(|io| mentions(line, io)) {
                wrong.push(format!("{}:{}: {module} uses {io}", file.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "the core is sans-IO:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_crate_is_in_the_table() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).chain(TOPS.iter().copied()).collect();
    let found: BTreeSet<String> = sources().iter().map(|file| place_of(file).0).collect();
    let unknown: Vec<_> = found.iter().filter(|module| !known.contains(module.as_str())).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    assert!(found.len() > 10, "the source is not where it was: {found:?}");
}

#[test]
fn paths_are_found_however_they_are_written() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("a use", "use crate::imap::verb::Verb;", &["imap::verb::Verb"]),
        (
            "a group",
            "use crate::{imap::Verb, wire::{fetch::{A, B}, list}};",
            &["imap::Verb", "wire::fetch::A", "wire::fetch::B", "wire::list"],
        ),
        ("over lines", "use crate::wire::{\n    fetch,\n    list,\n};", &["wire::fetch", "wire::list"]),
        ("inline", "let x = crate::net::Server::new();", &["net::Server::new"]),
        ("visibility", "pub(crate) fn x() {}", &[]),
        ("a comment", "// crate::net is not used\n/* crate::net */", &[]),
        ("a text", "\"crate::net\"", &[]),
        ("renamed", "use crate::wire::fetch as f;", &["wire::fetch"]),
        ("glob", "use crate::net::*;", &["net::*"]),
        ("nested tests", "mod tests { use crate::demo::server; }", &["demo::server"]),
    ];
    for (name, text, wanted) in rows {
        let found: Vec<_> = uses(&code(text)).into_iter().map(|found| found.path).collect();
        assert_eq!(found, *wanted, "{name}");
    }
}

/// All of `src` but tests, which may use what they test with.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source") {
            let path = entry.expect("an entry").path();
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if is_test {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Module at the top, and the path of a file within `src`, without its ending.
fn place_of(file: &Path) -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = file.strip_prefix(root).expect("in src").with_extension("").display().to_string();
    let module = place.split('/').next().unwrap_or_default().to_owned();
    (module, place)
}

/// What a file may use: its folder's part of the table, and its own.
fn allowed(place: &str) -> Option<Vec<&'static str>> {
    let module = place.split('/').next().unwrap_or_default();
    let folder = MAY_USE.iter().find(|(name, _)| *name == module)?;
    let own = MAY_USE
        .iter()
        .filter(|(name, _)| name.contains('/') && (place == *name || place.starts_with(&format!("{name}/"))));
    Some(folder.1.iter().chain(own.flat_map(|(_, extras)| extras.iter())).copied().collect())
}

fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source file");
    // Tests stand at the end of a file.
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    code(&text[..end])
}

/// Without tests, which may use what they like of other people's crates, and read files.
fn shipped(place: &str, code: &str) -> String {
    if place.ends_with("/tests") || place.contains("/tests/") {
        return String::new();
    }
    // By custom they stand at the end.
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// The text without comments and without what stands in quotes, line for line.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            'r' if !ends_in_word(&out) => raw_string(rest),
            '"' => string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let taken = if skipped == 0 { first.len_utf8() } else { skipped };
        let (head, tail) = rest.split_at(taken);
        match skipped {
            0 => out.push_str(head),
            _ => out.extend(head.chars().filter(|c| *c == '\n')),
        }
        rest = tail;
    }
    out
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Octets of the raw string that begins here, or 0.
fn raw_string(text: &str) -> usize {
    let marks = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + marks..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(marks));
    let start = marks + 2;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Octets of a character in quotes, or 0 where a lifetime begins.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => text[2..].find('\'').map_or(0, |_| 3 + text[3..].find('\'').unwrap_or(0) + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// All paths behind `crate::`, groups taken apart.
fn uses(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if ends_in_word(&code[..at]) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let mut paths = Vec::new();
        take_apart("", &code[at..], &mut paths);
        let within = paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        found.extend(within.map(|path| Use { line, path: path.to_owned() }));
    }
    found
}

/// The watched crates that are named.
fn crates_in(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        for name in WATCHED {
            for (start, _) in line.match_indices(&format!("{name}::")) {
                // Behind `::` it is a module of something else.
                if !ends_in_word(&line[..start]) && !line[..start].ends_with("::") {
                    let mut paths = Vec::new();
                    take_apart("", &line[start..], &mut paths);
                    found.extend(paths.into_iter().map(|path| Use { line: at + 1, path }));
                }
            }
        }
    }
    found
}

/// Reads a path or a group; what is left of the text.
fn take_apart<'t>(prefix: &str, text: &'t str, found: &mut Vec<String>) -> &'t str {
    let mut rest = text.trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '*')).unwrap_or(rest.len());
    let path = format!("{prefix}{}", &rest[..end]);
    rest = &rest[end..];
    if !path.ends_with("::") {
        if !path.is_empty() {
            found.push(path.trim_end_matches(':').to_owned());
        }
        return rest;
    }
    let Some(mut inside) = rest.strip_prefix('{') else {
        found.push(path.trim_end_matches(':').to_owned()); // a turbofish
        return rest;
    };
    loop {
        inside = take_apart(&path, inside, found).trim_start();
        if let Some(renamed) = inside.strip_prefix("as ") {
            inside = renamed.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').trim_start();
        }
        inside = match inside.strip_prefix(',') {
            Some(more) if !more.trim_start().starts_with('}') => more,
            Some(more) => return more.trim_start().trim_start_matches('}'),
            None => return inside.trim_start_matches('}'),
        };
    }
}

/// Is the word in the line, as a word?
fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = word.starts_with('.') || !ends_in_word(&line[..at]);
        let after = line[at + word.len()..].chars().next();
        before && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
