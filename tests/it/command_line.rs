//! Arguments, output and exit status of the program.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in the root of the repository.
fn imapwarden(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
    output.expect("the program is built")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it prints text")
}

#[test]
fn exit_statuses() {
    for (name, arguments, status) in [
        ("version", &["--version"][..], 0),
        ("help", &["--help"], 0),
        ("help of a subcommand", &["check", "--help"], 0),
        ("nothing", &[], 2),
        ("an unknown subcommand", &["chekc"], 2),
        ("a missing option", &["check"], 2),
        ("ready without a configuration", &["ready"], 2),
        ("ready with a configuration that is not there", &["ready", "--config", "config/none.toml"], 1),
        ("an unknown option", &["check", "--config", "x", "--loud"], 2),
        ("a file without problems", &["check", "--config", "config/minimal.toml"], 0),
        ("reload without a proxy to ask", &["reload"], 2),
        ("reload by two ways", &["reload", "--config", "x", "--admin", "http://x", "--token-file", "x"], 2),
        ("reload without a token", &["reload", "--admin", "http://127.0.0.1:1"], 2),
        ("reload with what is no address", &["reload", "--admin", "ftp://x", "--token-file", "x"], 1),
        ("reload where nothing may", &["reload", "--config", "config/minimal.toml"], 1),
        ("sessions without a proxy to ask", &["sessions"], 2),
        ("kill without a reason", &["kill", "--config", "config/minimal.toml", "--user", "ann"], 2),
        ("kill where nothing may", &["kill", "--config", "config/minimal.toml", "--user", "ann", "--why", "x"], 1),
        ("lock without an end", &["lock", "--config", "config/minimal.toml", "--user", "ann", "--why", "x"], 2),
        ("lock for no time", &["lock", "--config", "x", "--user", "ann", "--why", "x", "--for", "0s"], 2),
        ("unlock of nothing", &["unlock", "--config", "config/minimal.toml"], 2),
        ("drain without a proxy to ask", &["drain", "--cancel"], 2),
        ("preview without a user", &["preview", "--config", "config/minimal.toml"], 2),
        ("neither with warnings denied", &["check", "--config", "config/minimal.toml", "--deny-warnings"], 0),
        ("a file that is not there", &["check", "--config", "config/none.toml"], 1),
        ("no log to verify", &["audit", "verify"], 2),
        ("a log that is not there", &["audit", "verify", "config"], 2),
        ("a log named twice", &["audit", "verify", "audit", "--config", "config/minimal.toml"], 2),
        ("a note that is none", &["audit", "verify", "audit", "--expect", "7"], 2),
        ("a query of no log", &["audit", "query", "--dir", "config"], 2),
        ("a query of what is no class", &["audit", "query", "--dir", "config", "--class", "most"], 2),
        ("a query of two logs", &["audit", "query", "--dir", "a", "--config", "b"], 2),
        ("a tail of what is not there", &["audit", "tail", "--dir", "nowhere"], 2),
        ("a report of nothing", &["audit", "report"], 2),
        ("a report of no log", &["audit", "report", "reads", "--dir", "config"], 2),
        ("help of a report", &["audit", "report", "reads", "--help"], 0),
        ("simulate without a log", &["simulate", "--config", "config/minimal.toml"], 2),
        ("simulate with no log", &["simulate", "--config", "config/minimal.toml", "--audit", "config"], 2),
        ("simulate without rules", &["simulate", "--config", "config/none.toml", "--audit", "config"], 1),
        ("no rules and no tests", &["test"], 2),
        ("tests that pass", &["test", "rules/contractor.test.toml"], 0),
        ("tests that are not there", &["test", "rules/none.test.toml"], 1),
        ("a configuration without tests", &["test", "--config", "config/minimal.toml"], 1),
        ("explain without a configuration", &["explain", "--user", "ann"], 2),
        ("explain without a user", &["explain", "--config", "config/minimal.toml"], 2),
        ("explain", &["explain", "--config", "config/minimal.toml", "--user", "ann", "--tls", "server"], 0),
        ("explain what is no command", &["explain", "--config", "x", "--user", "ann", "--command", "STROE"], 2),
        ("a time that is none", &["explain", "--config", "config/minimal.toml", "--user", "a", "--at", "noon"], 2),
        ("explain without rules", &["explain", "--config", "config/none.toml", "--user", "ann"], 1),
        ("a schema", &["schema"], 0),
        ("a schema of one kind", &["schema", "rules"], 0),
        ("a schema of what is none", &["schema", "mail"], 2),
        ("completions", &["completions", "zsh"], 0),
        ("completions of no shell", &["completions"], 2),
        ("a port that is none", &["demo", "--port-offset", "60000"], 2),
        ("warnings", &["check", "--config", "tests/it/diagnostics/clear_text/imapwarden.toml"], 0),
        ("denied", &["check", "--deny-warnings", "--config", "tests/it/diagnostics/clear_text/imapwarden.toml"], 1),
    ] {
        assert_eq!(imapwarden(arguments).status.code(), Some(status), "{name}");
    }
}

#[test]
fn shells_complete_every_command() {
    let help = imapwarden(&["--help"]);
    let commands = text(&help.stdout).lines().skip_while(|line| *line != "Commands:").skip(1);
    let first_words = commands.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<_> =
        first_words.filter(|line| !line.starts_with(' ')).filter_map(|l| l.split(' ').next()).collect();
    assert!(commands.contains(&"explain") && commands.len() >= 9, "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = imapwarden(&["completions", shell]);
        let missing: Vec<_> = commands.iter().filter(|command| !text(&script.stdout).contains(**command)).collect();
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
}

#[test]
fn the_version_is_one_line() {
    assert_eq!(text(&imapwarden(&["--version"]).stdout), concat!("imapwarden ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_demo_on_ports_that_are_taken_says_how_to_take_others() {
    let taken = (20_000..u16::MAX - 9143).find_map(|offset| {
        let listener = TcpListener::bind(("127.0.0.1", 1143 + offset)).ok()?;
        Some((offset, listener))
    });
    let (offset, _listener) = taken.expect("a free port");
    let output = imapwarden(&["demo", "--port-offset", &offset.to_string()]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("address already in use") && said.contains("--port-offset"), "{said}");
}

#[test]
fn editors_get_json() {
    let file = Path::new("tests/it/diagnostics/missing/imapwarden.toml");
    let output = imapwarden(&["check", "--json", "--config", &file.display().to_string()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((output.status.code(), &json["errors"]), (Some(1), &serde_json::json!(3)));
    assert_eq!(json["problems"][0]["file"], serde_json::json!(file));
}
