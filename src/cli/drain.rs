//! `imapwarden drain`: let a running proxy end its sessions, one by one, and stop.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::admin_call::{Asker, Call};
use super::sessions::TIMEOUT;
use crate::config::Role;

/// Let a running proxy end its sessions, one by one, and stop, as SIGTERM does.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    asker: Asker,
    /// Call it off; as long as `drain_delay` is not over.
    #[arg(long)]
    cancel: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (method, body) = if arguments.cancel { ("DELETE", None) } else { ("POST", Some("{}")) };
    arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
        call.tell(method, "/api/v1/drain", body, false, |told| write!(io::stdout(), "{}", said(told)))
    })
}

fn said(told: &Value) -> String {
    match told["draining"] == true {
        true => format!(
            "draining: {} sessions end within {} s, beginning in {} s; until then --cancel calls it off\n",
            told["open"], told["window_s"], told["delay_s"]
        ),
        false => "called off\n".to_owned(),
    }
}
