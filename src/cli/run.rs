//! `imapwarden run`: the proxy.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::{App, Found, Logging, Prepared};
use crate::diagnostic::{Problem, Severity, Sources, render};
use crate::net::Inherited;

/// Run the proxy. SIGHUP reads everything anew; SIGTERM and SIGINT drain, then stop.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut found = Prepared::load(&arguments.config);
    let Some(prepared) = found.prepared.take() else {
        say(&found.problems, &found.sources);
        return ExitCode::FAILURE;
    };
    // Before there are other threads: it changes the environment.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            let problem =
                Problem::new(Severity::Error, format!("sockets that were handed over cannot be taken: {error}"));
            say(&[problem.help("LISTEN_FDS says how many there are; each must be a listening socket")], &found.sources);
            return ExitCode::FAILURE;
        }
    };
    match serve(prepared, &found, arguments.config.clone(), inherited) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            say(&problems, &found.sources);
            ExitCode::FAILURE
        }
    }
}

fn serve(prepared: Prepared, found: &Found, path: PathBuf, inherited: Inherited) -> Result<(), Vec<Problem>> {
    let other =
        |what: &str, error: &dyn std::fmt::Display| vec![Problem::new(Severity::Error, format!("{what}: {error}"))];
    let logging = Logging::begin(prepared.config.log).map_err(|error| other("cannot write messages", &error))?;
    // Nothing but warnings, since it starts: messages like others, so that what reads them can.
    found.lines().for_each(|problem| tracing::warn!(problem, "configuration warning"));
    let runtime = super::runtime().map_err(|error| other("cannot start", &error))?;
    runtime.block_on(async {
        App::start(prepared, path, Some(logging), inherited).await?.run().await;
        Ok(())
    })
}

/// On standard error, where the messages of a service are read.
fn say(problems: &[Problem], sources: &Sources) {
    let mut out = std::io::stderr().lock();
    let text = render(problems, sources, super::color(&out));
    // Where nobody can be told, the exit status says it.
    let _ = out.write_all(text.as_bytes());
}
