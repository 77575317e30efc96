//! `test` and `explain` from outside: every word that they print.
//!
//! ```text
//!   policy_tools/*.console    $ imapwarden test --config imapwarden.toml
//!                             ok    a contractor cannot see Finance     rules/contractors.test.toml:1
//!                             …
//!                             exit 0
//! ```
//!
//! Commands run in that folder. What goes to standard error stands behind what goes to standard output. `BLESS=1` writes what
//! was printed into the files; the difference is then for people to judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn consoles_show_what_is_printed() {
    let mut wrong = Vec::new();
    for file in consoles() {
        let mut expected = fs::read_to_string(&file).expect("it can be read");
        let commands = expected.lines().filter_map(|line| line.strip_prefix("$ imapwarden "));
        let printed: String = commands.map(|command| format!("$ imapwarden {command}\n{}", run(command))).collect();
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
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = fs::read_to_string(&document).expect("it can be read");
    let (mut shown, mut commands) = (String::new(), 0);
    let mut parts = text.split("```console\n");
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (block, rest) = part.split_once("```\n").expect("a block ends");
        let command = block.lines().next().and_then(|line| line.strip_prefix("$ imapwarden ")).expect("a command");
        let printed = String::from_utf8(output(command).stdout).expect("it prints text");
        shown.push_str(&format!("```console\n$ imapwarden {command}\n{printed}```\n{rest}"));
        commands += 1;
    }
    if std::env::var_os("BLESS").is_some() {
        return fs::write(&document, shown).expect("the file is ours");
    }
    assert_eq!((shown, commands), (text, 2));
}

#[test]
fn programs_get_json() {
    let explain = |more: &str| -> serde_json::Value {
        let output = output(&format!(
            "explain --json --config imapwarden.toml --at 2027-01-15T09:00:00Z --user eve@contractor.example {more}"
        ));
        assert_eq!(output.status.code(), Some(0), "{more}");
        serde_json::from_slice(&output.stdout).expect("one object")
    };
    for (more, verdict, by) in [
        ("--mailbox INBOX --command 'FETCH 1 FLAGS'", "allowed", &[][..]),
        ("--mailbox Finance/Q3", "hidden", &["contractors-no-finance"]),
        ("--command 'STATUS Finance (MESSAGES)'", "hidden", &["contractors-no-finance"]),
        ("--ip 203.0.113.5 --mailbox INBOX --command EXPUNGE", "refused", &["contractors-read-only"]),
        ("--ip 203.0.113.5 --command 'SELECT INBOX'", "narrowed", &["contractors-read-only"]),
        ("--tls none", "refused", &["tls-floor"]),
    ] {
        let told = explain(more);
        assert_eq!((&told["verdict"], &told["by"]), (&verdict.into(), &by.into()), "{more}");
        assert!(told["shadow"].is_array() && told["took"].as_array().map(Vec::len) == Some(by.len()), "{more}");
    }
    let tests = output("test --json --config imapwarden.toml");
    let told: serde_json::Value = serde_json::from_slice(&tests.stdout).expect("one object");
    assert_eq!((&told["failed"], &told["rules"]), (&0.into(), &6.into()));
}

#[test]
fn rules_to_copy_come_with_tests_that_reach_each_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let names = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    let (tests, rules): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.ends_with(".test.toml"));
    let wanted: Vec<String> = rules.iter().map(|name| name.replace(".toml", ".test.toml")).collect();
    assert_eq!(tests, wanted, "each file has tests beside it");
    assert!(rules.len() > 12, "{rules:?}");
    let document = include_str!("../../docs/rules.md");
    let untold: Vec<_> = rules.iter().filter(|name| !document.contains(&format!("(../rules/{name})"))).collect();
    assert!(untold.is_empty(), "not in docs/rules.md: {untold:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    let output = command.current_dir(&folder).arg("test").args(&tests).output().expect("the program is built");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("; never: ") && !said.contains("note: "), "{said}");
}

fn consoles() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the folder is in the repository");
    let files = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "console")).collect();
    files.sort();
    assert!(files.len() >= 3, "they are found: {files:?}");
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/policy_tools")
}

fn run(command: &str) -> String {
    let output = output(command);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("it prints text"));
    let status = output.status.code().expect("it ends by itself");
    format!("{out}{err}exit {status}\n")
}

fn output(command: &str) -> std::process::Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    program.current_dir(folder()).args(words(command)).output().expect("the program is built")
}

/// Words, as a shell parts them; only single quotes are known.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_ascii_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}
