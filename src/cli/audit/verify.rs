//! `imapwarden audit verify`: is a log what was written, and all of it?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{UNREADABLE, directory_of};
use crate::audit::{Noted, verify};
use crate::report::{Coverage, Filter};

/// Tell whether a log is what was written, and all of it. The status is 0 where it is, 1 where it was altered or cut, 2
/// where it cannot be read, and 3 where it is intact but something is missing that the log itself tells.
#[derive(Debug, clap::Args)]
#[group(id = "where", required = true)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory of the log.
    #[arg(value_name = "DIR", group = "where")]
    directory: Option<PathBuf>,
    /// The same.
    #[arg(long, value_name = "DIR", group = "where")]
    dir: Option<PathBuf>,
    /// The configuration that names it.
    #[arg(long, value_name = "FILE", group = "where")]
    config: Option<PathBuf>,
    /// A record that was noted elsewhere: it must be there, with this hash.
    #[arg(long, value_name = "SEQ:HASH", value_parser = noted)]
    expect: Option<Noted>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit verify audit
  imapwarden audit verify --config imapwarden.toml
  imapwarden audit verify audit --expect 1204551:kVUaLU3GKiLkDvAVEzlyP5phw7aFT-Yd3fF9lCUm7Cg";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let named = arguments.directory.as_ref().or(arguments.dir.as_ref());
    let directory = named.cloned().or_else(|| arguments.config.as_deref().and_then(directory_of));
    let Some(directory) = directory else { return ExitCode::from(UNREADABLE) };
    let report = verify(&directory, arguments.expect);
    let text = match arguments.json {
        true => {
            let mut object = Coverage::of(&report, &Filter::default()).json().clone();
            object["places"] = report.findings().iter().map(|finding| finding.what.as_str()).collect();
            object["exit"] = report.exit_code().into();
            format!("{object}\n")
        }
        false => report.to_string(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(report.exit_code()),
        Err(_) => ExitCode::from(UNREADABLE),
    }
}

fn noted(text: &str) -> Result<Noted, &'static str> {
    text.parse().map_err(|()| "a number, a colon and 43 characters are needed, as in the file `head` of the log")
}
