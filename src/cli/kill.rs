//! `imapwarden kill`: end sessions of a running proxy.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::admin_call::{Asker, Call};
use super::sessions::{Filter, TIMEOUT, table};
use crate::config::Role;

/// End sessions of a running proxy, whatever they do. First shows which, and asks.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ids of sessions, as `imapwarden sessions` shows them.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    asker: Asker,
    #[command(flatten)]
    filter: Filter,
    /// Why: stands in the record of each session.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    why: Option<String>,
    /// Show which sessions, and end none.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut filter = arguments.filter.object();
    if !arguments.ids.is_empty() {
        filter.insert("sid".to_owned(), arguments.ids.join(",").into());
    }
    let asked = |dry: bool| json!({ "filter": filter, "dry_run": dry, "why": arguments.why });
    arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
        let mut n = 0;
        if !arguments.yes {
            let shown = call.tell("POST", "/api/v1/kill", Some(&asked(true).to_string()), false, |told| {
                n = told["matched"].as_u64().unwrap_or_default();
                write!(io::stdout(), "{}", table(told))
            })?;
            if arguments.dry_run || n == 0 || shown != ExitCode::SUCCESS {
                return Ok(shown);
            }
            if !confirmed(n)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        call.tell("POST", "/api/v1/kill", Some(&asked(false).to_string()), false, |told: &Value| {
            writeln!(io::stdout(), "{} sessions ended", told["ended"])
        })
    })
}

/// Somebody who sees the question says yes.
fn confirmed(n: u64) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        writeln!(io::stderr(), "nothing was ended: nobody can be asked here; --yes ends them")?;
        return Ok(false);
    }
    write!(io::stdout(), "end these {n} sessions? [y/N] ")?;
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !yes {
        writeln!(io::stdout(), "nothing was ended")?;
    }
    Ok(yes)
}
