//! `imapwarden audit hash`: what stands in the log for a value.

use std::path::PathBuf;
use std::process::ExitCode;

use super::keys::{Key, key_for};
use super::{UNREADABLE, Where};
use crate::audit::HashedField;

/// Print what stands in the log for a value that [audit] hashed covers. Blanks around it, case, and how accents are
/// composed do not matter.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What it is: user (also of an actor), mailbox, client_ip, address, subject, search.
    #[arg(value_name = "FIELD")]
    field: HashedField,
    /// The value.
    #[arg(value_name = "VALUE")]
    value: String,
    /// The configuration that names the key; without either, /etc/imapwarden/imapwarden.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of the key.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    hash_key: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit hash subject 'Invoice 4711' --config imapwarden.toml
  imapwarden audit hash user ann@example.org --hash-key state/audit-hash.key";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let place = Where { dir: None, config: arguments.config.clone() };
    let named = arguments.hash_key.as_deref();
    match key_for(&place, named) {
        Ok(Key::Read(key)) => {
            println!("{}", key.hash(arguments.field, &arguments.value));
            ExitCode::SUCCESS
        }
        Ok(Key::None) => {
            super::say(&super::keys::missing());
            ExitCode::from(UNREADABLE)
        }
        Err(problem) => {
            super::say(&problem);
            ExitCode::from(UNREADABLE)
        }
    }
}
