//! Broken configurations and rules beside the exact text that `check` prints.
//!
//! ```text
//!   diagnostics/<name>/imapwarden.toml, rules …  ─▶ check ─▶ diagnostics/<name>/expected.txt
//! ```
//!
//! `BLESS=1` writes what was printed into the files; the difference is then for people to judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        let fine = printed.lines().any(|line| line.starts_with("0 errors, "));
        assert_eq!(printed.ends_with("exit 0\n"), fine, "{}", folder.display());
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

/// What `imapwarden check` prints and its exit status, without the place where the repository is.
fn check(folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    command.current_dir(folder).args(["check", "--config", "imapwarden.toml"]);
    let output = command.output().expect("the program is built");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let status = output.status.code().expect("it ends by itself");
    text.replace(&format!("{}/", folder.display()), "") + &format!("exit {status}\n")
}
