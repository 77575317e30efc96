//! `imapwarden reload`: let a running proxy read its files anew.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::admin_call::{Call, TokenFile, Which};
use crate::config::Role;
use crate::diagnostic::render;

/// Let a running proxy read its configuration, rules and certificates anew, all of them or, where anything is wrong, none;
/// and say what has changed, or what stands in the way.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    token: TokenFile,
    /// Print the answer as it came: one JSON object.
    #[arg(long)]
    json: bool,
}

/// To read some ten thousand rules.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let call = match Call::of(&arguments.which, &arguments.token, &[Role::Operator], TIMEOUT) {
        Ok(call) => call,
        Err((problems, sources)) => {
            eprint!("{}", render(&problems, &sources, super::color(&io::stderr())));
            return ExitCode::FAILURE;
        }
    };
    let answer = match call.ask("POST", "/api/v1/reload", Some("{}")) {
        Ok(answer) => answer,
        Err(error) => {
            let problem = call.unanswered(&error);
            eprint!("{}", render(&[problem], &crate::diagnostic::Sources::default(), super::color(&io::stderr())));
            return ExitCode::FAILURE;
        }
    };
    let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let written = match (arguments.json, answer.is_ok()) {
        (true, _) => write!(io::stdout(), "{}", answer.body),
        (false, true) => write!(io::stdout(), "{}", difference(&told)),
        (false, false) => write!(io::stderr(), "{}", refusal(&told)),
    };
    ExitCode::from(u8::from(written.is_err() || !answer.is_ok()))
}

/// `reloaded: rules b4db9fcb, were 9b1d02c4 (42); added hide-hr; changed no-export`
fn difference(told: &Value) -> String {
    let word = |key: &str| told[key].as_str().unwrap_or_default();
    let mut text = format!("reloaded: rules {}, were {} ({})", word("rev"), word("old_rev"), told["rules"]);
    for key in ["added", "removed", "changed"] {
        let ids: Vec<&str> = told[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !ids.is_empty() {
            text.push_str(&format!("; {key} {}", ids.join(", ")));
        }
    }
    text.push('\n');
    for warning in told["warnings"].as_array().into_iter().flatten() {
        let place = warning["file"].as_str().zip(warning["line"].as_u64());
        let place = place.map_or_else(String::new, |(file, line)| format!("{file}:{line}: "));
        text.push_str(&format!("warning: {place}{}\n", warning["message"].as_str().unwrap_or_default()));
    }
    text
}

fn refusal(told: &Value) -> String {
    let word = |key: &str| told[key].as_str().unwrap_or_default();
    format!("{}{}\n", word("text"), word("detail"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said() {
        let told = json!({
            "rev": "b4db9fcb", "old_rev": "9b1d02c4", "rules": 42, "added": ["a", "b"], "removed": [], "changed": ["c"],
            "warnings": [{ "file": "rules/a.toml", "line": 3, "message": "INBOX is hidden" }],
        });
        assert_eq!(
            difference(&told),
            "reloaded: rules b4db9fcb, were 9b1d02c4 (42); added a, b; changed c\n\
             warning: rules/a.toml:3: INBOX is hidden\n"
        );
        let refused = json!({ "detail": "nothing was reloaded: what runs stays as it is", "text": "error: no\n" });
        assert_eq!(refusal(&refused), "error: no\nnothing was reloaded: what runs stays as it is\n");
    }
}
