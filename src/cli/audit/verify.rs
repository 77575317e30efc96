//! `imapwarden audit verify`: is a log what was written, and all of it?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{UNREADABLE, directory_of, worst};
use crate::audit::{Demands, Noted, PublicKey, Report, verify_all};
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
    /// The first key of a log that is signed, or a file that holds it, as `audit init` printed it. A later one does, too: what
    /// was signed before it is then not looked at.
    #[arg(long, value_name = "FILE|KEY", value_parser = key)]
    key: Option<PublicKey>,
    /// A directory of notes that were published, in any number of files: each must be of this log.
    #[arg(long, value_name = "DIR", requires = "key")]
    published: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit verify audit
  imapwarden audit verify --config imapwarden.toml
  imapwarden audit verify audit --expect 1204551:kVUaLU3GKiLkDvAVEzlyP5phw7aFT-Yd3fF9lCUm7Cg
  imapwarden audit verify audit --key first-key.txt --published notes";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let named = arguments.directory.as_ref().or(arguments.dir.as_ref());
    let directory = named.cloned().or_else(|| arguments.config.as_deref().and_then(directory_of));
    let Some(directory) = directory else { return ExitCode::from(UNREADABLE) };
    let demands =
        Demands { expect: arguments.expect, key: arguments.key.clone(), published: arguments.published.clone() };
    let reports = verify_all(&directory, &demands);
    let told = |report: &Report| match arguments.json {
        true => {
            let mut object = Coverage::of(report, &Filter::default()).json().clone();
            let places = report.findings().iter().map(|finding| finding.what.as_str());
            object["places"] = places.chain(report.unsigned().iter().map(String::as_str)).collect();
            object["exit"] = report.exit_code().into();
            format!("{object}\n")
        }
        false => report.to_string(),
    };
    let text: String = reports.iter().map(told).collect();
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(worst(reports.iter().map(Report::exit_code))),
        Err(_) => ExitCode::from(UNREADABLE),
    }
}

fn noted(text: &str) -> Result<Noted, &'static str> {
    text.parse().map_err(|()| "a number, a colon and 43 characters are needed, as in the file `head` of the log")
}

/// A key itself, else what a file holds.
fn key(text: &str) -> Result<PublicKey, String> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let held =
        std::fs::read_to_string(text).map_err(|error| format!("neither a key nor a file that can be read: {error}"))?;
    held.parse().map_err(|()| "the file holds no key as `imapwarden audit init` prints it".into())
}
