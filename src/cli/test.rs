//! `imapwarden test`: unit tests of rules.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use crate::app::trial::{Suite, run as run_suite};
use crate::diagnostic::{Problem, Severity, Sources, render};

/// Run the unit tests of rules (`*.test.toml`) and say which rules none of them reaches. A test is named with its file and
/// line; one that fails says why each rule that it names took nothing.
#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = true)]
pub(super) struct Arguments {
    /// The configuration whose rules are tested; without it, the rules that stand beside the test files.
    #[arg(long, value_name = "FILE", group = "what")]
    config: Option<PathBuf>,
    /// Test files; without them, all that stand beside the rules of the configuration.
    #[arg(value_name = "RULE-TEST-FILES", group = "what")]
    files: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = Sources::default();
    let (suite, problems) = match &arguments.config {
        Some(config) => Suite::of_config(config, &arguments.files, &mut sources),
        None => Suite::of_files(&arguments.files, &mut sources),
    };
    say(&problems, &sources);
    let Some(suite) = suite else { return ExitCode::FAILURE };
    let report = run_suite(&suite, Timestamp::now());
    if report.is_empty() {
        let problem = Problem::new(Severity::Error, "there is no test");
        say(&[problem.help("tests of rules/finance.toml are in rules/finance.test.toml: [[test]]")], &sources);
    }
    let text = if arguments.json { format!("{}\n", report.to_json()) } else { report.to_string() };
    let written = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(written.is_err() || !report.is_good()))
}

/// On standard error, beside what is printed.
pub(super) fn say(problems: &[Problem], sources: &Sources) {
    let mut out = std::io::stderr().lock();
    let text = render(problems, sources, super::color(&out));
    let _ = out.write_all(text.as_bytes()); // where nobody can be told, the exit status says it
}
