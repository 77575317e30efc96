//! `imapwarden audit`: the log's own tools.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::audit::{Noted, verify};
use crate::config;
use crate::diagnostic::{Sources, render};

/// The audit log's own tools.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    Verify(Verify),
}

/// Tell whether a log is what was written, and all of it. The status is 0 where it is, 1 where it was altered or cut, 2
/// where it cannot be read, and 3 where it is intact but something is missing that the log itself tells.
#[derive(Debug, clap::Args)]
#[group(id = "where", required = true)]
struct Verify {
    /// The directory of the log.
    #[arg(value_name = "DIR", group = "where")]
    directory: Option<PathBuf>,
    /// The configuration that names it.
    #[arg(long, value_name = "FILE", group = "where")]
    config: Option<PathBuf>,
    /// A record that was noted elsewhere: it must be there, with this hash.
    #[arg(long, value_name = "SEQ:HASH", value_parser = noted)]
    expect: Option<Noted>,
}

/// What cannot be read is neither intact nor altered.
const UNREADABLE: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.tool {
        Tool::Verify(arguments) => run_verify(arguments),
    }
}

fn run_verify(arguments: &Verify) -> ExitCode {
    let Some(directory) = directory(arguments) else { return ExitCode::from(UNREADABLE) };
    let report = verify(&directory, arguments.expect);
    match write!(std::io::stdout(), "{report}") {
        Ok(()) => ExitCode::from(report.exit_code()),
        Err(_) => ExitCode::from(UNREADABLE),
    }
}

/// An error elsewhere in the configuration does not matter here.
fn directory(arguments: &Verify) -> Option<PathBuf> {
    let Some(path) = &arguments.config else { return arguments.directory.clone() };
    let mut sources = Sources::default();
    let (config, problems) = config::read(path, &mut sources);
    if config.is_none() {
        let mut out = std::io::stderr().lock();
        let text = render(&problems, &sources, super::color(&out));
        let _ = out.write_all(text.as_bytes()); // where nobody can be told, the exit status says it
    }
    config.map(|config| config.audit.directory)
}

fn noted(text: &str) -> Result<Noted, &'static str> {
    text.parse().map_err(|()| "a number, a colon and 43 characters are needed, as in the file `head` of the log")
}
