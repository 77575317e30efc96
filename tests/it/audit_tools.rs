//! `audit query`, `tail` and `report` from outside, on a log that was prepared: every word that they print.
//!
//! ```text
//!   audit_tools/*.console    $ imapwarden audit report reads --dir audit --user m.berg@example.org
//!                            covers   mx-a1, log 01k9z3t0m4, …
//!                            exit 3
//! ```
//!
//! `BLESS=1` writes what was printed into the files; the difference is then for people to judge.

mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The folder in which `audit` is the log, and `tomorrow` other rules.
fn told() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    story::tell(&folder.path().join("audit"));
    for name in ["tomorrow/imapwarden.toml", "tomorrow/rules/finance.toml"] {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("room");
        fs::copy(here().join(name), to).expect("it is in the repository");
    }
    folder
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/audit_tools")
}

#[test]
fn consoles_show_what_is_printed() {
    let folder = told();
    let mut wrong = Vec::new();
    for file in consoles() {
        let mut expected = fs::read_to_string(&file).expect("it can be read");
        let commands = expected.lines().filter_map(|line| line.strip_prefix("$ "));
        let printed: String =
            commands.map(|command| format!("$ {command}\n{}", console(folder.path(), command))).collect();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &printed).expect("the file is ours");
            expected.clone_from(&printed);
        }
        if printed != expected {
            wrong.push(format!("{}: expected\n{expected}\nprinted\n{printed}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_document_shows_what_is_printed() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let text = fs::read_to_string(&document).expect("it can be read");
    let folder = told();
    let (mut shown, mut commands) = (String::new(), 0);
    let mut parts = text.split("```console\n");
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (block, rest) = part.split_once("```\n").expect("a block ends");
        shown.push_str("```console\n");
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            // Narrow enough for a page.
            let output = shell(folder.path(), &format!("export COLUMNS=120; {command}"));
            let said = without_age(&String::from_utf8_lossy(&output.stdout));
            shown.push_str(&format!("$ {command}\n{said}"));
            assert!(output.status.code().is_some_and(|code| code == 0 || code == 3), "{command}: {output:?}");
            commands += 1;
        }
        shown.push_str(&format!("```\n{rest}"));
    }
    if std::env::var_os("BLESS").is_some() {
        return fs::write(&document, shown).expect("the file is ours");
    }
    assert_eq!(shown, text);
    assert!(commands >= 8, "{commands} commands");
}

fn consoles() -> Vec<PathBuf> {
    let entries = fs::read_dir(here()).expect("the folder is in the repository");
    let files = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "console")).collect();
    files.sort();
    assert!(files.len() >= 4, "they are found: {files:?}");
    files
}

fn console(folder: &Path, command: &str) -> String {
    let output = shell(folder, command);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{}{err}exit {}\n", without_age(&out), output.status.code().expect("it ends by itself"))
}

/// How long ago `head` was noted is another time in each run.
fn without_age(text: &str) -> String {
    let Some((before, after)) = text.split_once(" as noted ") else { return text.to_owned() };
    let (_, after) = after.split_once(" ago").expect("so long ago");
    format!("{before} as noted 0.1 s ago{after}")
}

/// A command as documents have it, with this program.
fn shell(folder: &Path, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_imapwarden")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(folder).env("PATH", path).env_remove("COLUMNS");
    shell.output().expect("a shell")
}
