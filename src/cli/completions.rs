//! `imapwarden completions`: so that a shell completes commands and options.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Print a script with which a shell completes commands and options: `source <(imapwarden completions bash)`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    generate(arguments.shell, &mut super::Arguments::command(), "imapwarden", &mut script);
    ExitCode::from(u8::from(std::io::stdout().write_all(&script).is_err()))
}
