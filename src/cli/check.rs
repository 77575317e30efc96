//! `imapwarden check`: every problem of the configuration, the rules, their tests and the certificates.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::Prepared;
use crate::diagnostic::{Problem, render, summary, to_json};

/// Read configuration, rules, their tests and certificates, and print every problem with its place and the mend.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Count warnings as problems.
    #[arg(long)]
    deny_warnings: bool,
    /// Print one JSON object, for editors.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let found = Prepared::check(&arguments.config);
    let is_fatal = |problem: &Problem| problem.is_error() || arguments.deny_warnings;
    let mut out = std::io::stdout().lock();
    let text = match arguments.json {
        true => to_json(&found.problems, &found.sources).to_string(),
        false => {
            let problems = render(&found.problems, &found.sources, super::color(&out));
            problems + &summary(&found.problems, found.sources.len(), found.rules)
        }
    };
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    ExitCode::from(u8::from(written.is_err() || found.problems.iter().any(is_fatal)))
}
