//! Broken configurations and rules beside the exact text that `check` prints.
//!
//! ```text
//!   diagnostics/<name>/imapwarden.toml, rules …  ─▶ check ─▶ diagnostics/<name>/expected.txt
//! ```
//!
//! `BLESS=1` writes what was printed into the files; the difference is then for people to judge.

use std::fs;
use std::path::{Path, PathBuf};

use imapwarden::config;
use imapwarden::diagnostic::{Sources, render, summary};

#[test]
fn every_broken_file_is_explained() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let printed = check(&folder);
        let expected_file = folder.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected_file, &printed).expect("the file is ours");
        }
        let expected = fs::read_to_string(&expected_file).unwrap_or_default();
        if printed != expected {
            wrong.push(format!("{}: expected\n{expected}\nprinted\n{printed}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/diagnostics");
    let entries = fs::read_dir(root).expect("the folder is in the repository");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.sort();
    assert!(folders.len() > 5, "they are found: {folders:?}");
    folders
}

/// What `imapwarden check` prints, without the place where the repository is.
fn check(folder: &Path) -> String {
    let mut sources = Sources::default();
    let (_, problems) = config::read(&folder.join("imapwarden.toml"), &mut sources);
    let text = render(&problems, &sources, false) + &summary(&problems, sources.len(), 0) + "\n";
    text.replace(&format!("{}/", folder.display()), "")
}
