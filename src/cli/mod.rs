//! The command line: one file a subcommand.
//!
//! ```text
//!   imapwarden demo                     0 when it is ended                               2 usage
//!   imapwarden run --config FILE        0 after a drain, 1 what keeps it from starting
//!   imapwarden check --config FILE      0 fine, 1 problems
//!   imapwarden test --config FILE       0 all rule tests pass, 1 one fails, or there is none
//!   imapwarden explain --config FILE    0 told, 1 the rules do not load
//!   imapwarden preview --config FILE    0 told, 1 a pattern matches nothing, or it cannot be told
//!   imapwarden ready --config FILE      0 clients may come, 1 not
//!   imapwarden reload --config FILE     0 reloaded, 1 not, and why
//!   imapwarden sessions, kill           0 done, 1 not; lock, unlock, drain likewise
//!   imapwarden schema, completions, man 0
//!   imapwarden audit verify DIR         0 intact, 1 altered or cut, 3 incomplete; query, report likewise
//!   imapwarden simulate --config FILE   0 told, 1 more would change than --fail-on lets
//! ```
//!
//! Reads arguments, calls what does the work, prints, and says the exit status. Decides nothing else.

mod admin_call;
mod audit;
mod check;
mod completions;
mod demo;
mod drain;
mod explain;
mod kill;
mod lock;
mod man;
mod preview;
mod ready;
mod reload;
mod run;
mod schema;
mod sessions;
mod simulate;
mod test;
mod who;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Least privilege for mailboxes: an IMAP proxy that enforces access rules and keeps the record.
#[derive(Debug, Parser)]
#[command(name = "imapwarden", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Run(run::Arguments),
    Check(check::Arguments),
    Test(test::Arguments),
    Explain(explain::Arguments),
    Preview(preview::Arguments),
    Ready(ready::Arguments),
    Reload(reload::Arguments),
    Sessions(sessions::Arguments),
    Kill(kill::Arguments),
    Lock(lock::Lock),
    Unlock(lock::Unlock),
    Drain(drain::Arguments),
    Audit(audit::Arguments),
    Simulate(simulate::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Does what the arguments of this process say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version go to standard output with 0, everything else to standard error with 2. Where even that
            // cannot be written, nobody is there to be told.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Preview(arguments) => preview::run(&arguments),
        Command::Ready(arguments) => ready::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Sessions(arguments) => sessions::run(&arguments),
        Command::Kill(arguments) => kill::run(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Unlock(arguments) => lock::unlock(&arguments),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Threads that move mail, one for each processor.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("imapwarden").build()
}

/// Colour where somebody looks, unless they said no (no-color.org).
fn color(stream: &impl IsTerminal) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !unwanted
}
