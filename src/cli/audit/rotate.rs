//! `imapwarden audit rotate`: have a running proxy seal the open segment and begin the next one.

use std::io::{self, Write};
use std::process::ExitCode;

use super::super::admin_call::{Asker, Call};
use super::super::sessions::TIMEOUT;
use crate::config::Role;

/// Have a running proxy seal the segment that it writes, and begin the next one: what was recorded up to now is in files that no
/// longer change, to be copied, or handed over. It needs a token of an operator.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    asker: Asker,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit rotate --config imapwarden.toml
  imapwarden audit rotate --admin http://127.0.0.1:9143 --token-file admin.token";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
        call.tell("POST", "/api/v1/audit/rotate", Some("{}"), arguments.json, |told| {
            writeln!(io::stdout(), "segment {} is sealed, records go to segment {}", told["sealed"], told["open"])
        })
    })
}
