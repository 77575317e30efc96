//! `imapwarden audit init`: the first key of a log that is to be signed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{UNREADABLE, directory_of, say};
use crate::audit::init;

/// Make the first key of a log, and print its public half, to be kept off this machine: `audit verify --key` needs it; and behind
/// it, in a line of its own, that of the log beside it, which the second process of an upgrade writes. From the next start of the
/// proxy on the log is signed each minute, each segment with a key of its own. The proxy must not run.
#[derive(Debug, clap::Args)]
#[group(id = "where", required = true)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory of the log; made where there is none.
    #[arg(value_name = "DIR", group = "where")]
    directory: Option<PathBuf>,
    /// The same.
    #[arg(long, value_name = "DIR", group = "where")]
    dir: Option<PathBuf>,
    /// The configuration that names it.
    #[arg(long, value_name = "FILE", group = "where")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit init --config imapwarden.toml > first-key.txt
  imapwarden audit verify audit --key first-key.txt";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let named = arguments.directory.as_ref().or(arguments.dir.as_ref());
    let directory = named.cloned().or_else(|| arguments.config.as_deref().and_then(directory_of));
    let Some(directory) = directory else { return ExitCode::from(UNREADABLE) };
    match init(&directory, &rustix::system::uname().nodename().to_string_lossy()) {
        Ok(keys) => match keys.iter().try_for_each(|key| writeln!(std::io::stdout(), "{key}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(UNREADABLE),
        },
        Err(error) => {
            say(error.problem());
            ExitCode::FAILURE
        }
    }
}
