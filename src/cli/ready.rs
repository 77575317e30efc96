//! `imapwarden ready`: may clients be sent to the proxy that runs with this configuration?

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::admin_call::{Call, reachable};
use crate::config;
use crate::diagnostic::{Sources, render};

/// Ask a running proxy whether clients may be sent to it (for container and service checks).
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration that it runs with: `[admin] bind` says where to ask.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Health checks wait a few seconds at most.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = Sources::default();
    // An error elsewhere in the file is not this command's affair: what runs has read an earlier version of it.
    let (config, mut problems) = config::read(&arguments.config, &mut sources);
    if let Some(config) = config {
        let call = Call::open(reachable(&config.admin.bind), TIMEOUT);
        match call.ask("GET", "/readyz", None) {
            Ok(answer) => {
                // The exit status is the answer; where nobody reads the words, it still is.
                let _ = write!(io::stdout(), "{}", answer.body);
                return ExitCode::from(u8::from(!answer.is_ok()));
            }
            Err(error) => problems.push(call.unanswered(&error)),
        }
    }
    eprint!("{}", render(&problems, &sources, super::color(&io::stderr())));
    ExitCode::FAILURE
}
