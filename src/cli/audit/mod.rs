//! `imapwarden audit`: the log's own tools.
//!
//! ```text
//!   verify   is it what was written, and all of it?       report   what people ask of it     init   a key to sign it
//!   query    records, as they stand or in words           tail     the last ones, and those that come
//!   hash     what stands there for a value that is hashed          rotate   a new segment, of a proxy that runs
//! ```

mod access;
mod asked;
mod hash;
mod init;
mod keys;
mod query;
mod report;
mod rotate;
mod tail;
mod verify;

pub(super) use access::{Purpose, Reading};
pub(super) use asked::Asked;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::audit::logs;
use crate::config;
use crate::diagnostic::{Problem, Severity, Sources, render};

/// The audit log's own tools.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    Verify(verify::Arguments),
    Init(init::Arguments),
    #[command(visible_alias = "export")]
    Query(query::Arguments),
    Tail(tail::Arguments),
    Report(report::Arguments),
    Hash(hash::Arguments),
    Rotate(rotate::Arguments),
}

/// What cannot be read is neither intact nor altered.
const UNREADABLE: u8 = 2;

/// Where packages put it.
const CONFIG: &str = "/etc/imapwarden/imapwarden.toml";

/// Which log.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Where {
    /// The directory of the log.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
    /// The configuration that names it; without either, /etc/imapwarden/imapwarden.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.tool {
        Tool::Verify(arguments) => verify::run(arguments),
        Tool::Init(arguments) => init::run(arguments),
        Tool::Query(arguments) => query::run(arguments),
        Tool::Tail(arguments) => tail::run(arguments),
        Tool::Report(arguments) => report::run(arguments),
        Tool::Hash(arguments) => hash::run(arguments),
        Tool::Rotate(arguments) => rotate::run(arguments),
    }
}

impl Where {
    /// That of this directory.
    pub(super) fn of_directory(dir: &Path) -> Self {
        Self { dir: Some(dir.to_owned()), config: None }
    }

    /// That of a configuration.
    pub(super) fn of_config(config: &Path) -> Self {
        Self { dir: None, config: Some(config.to_owned()) }
    }

    /// The configuration that names it, if one does.
    fn config_file(&self) -> Option<&Path> {
        match (&self.dir, &self.config) {
            (Some(_), _) => None,
            (None, Some(config)) => Some(config),
            (None, None) => Some(Path::new(CONFIG)).filter(|path| path.is_file()),
        }
    }

    /// The directory; where none can be told, why not was said.
    fn directory(&self) -> Option<PathBuf> {
        match (&self.dir, &self.config) {
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(config)) => directory_of(config),
            (None, None) if Path::new(CONFIG).is_file() => directory_of(Path::new(CONFIG)),
            (None, None) => {
                let problem = Problem::new(Severity::Error, format!("which log? there is no {CONFIG}"));
                say(&problem.help("name its directory with --dir, or the configuration with --config"));
                None
            }
        }
    }
}

/// Every log: that of the directory, and those of processes that wrote beside it.
pub(super) fn all_logs(directory: &Path) -> Vec<PathBuf> {
    match logs(directory) {
        Ok(logs) if !logs.is_empty() => logs,
        // What is wrong with it is said by whoever reads it.
        Ok(_) | Err(_) => vec![directory.to_owned()],
    }
}

/// An error elsewhere in the configuration does not matter here.
fn directory_of(config: &Path) -> Option<PathBuf> {
    let mut sources = Sources::default();
    let (config, problems) = config::read(config, &mut sources);
    if config.is_none() {
        let out = std::io::stderr();
        eprint!("{}", render(&problems, &sources, super::color(&out)));
    }
    config.map(|config| config.audit.directory)
}

fn say(problem: &Problem) {
    super::test::say(std::slice::from_ref(problem), &Sources::default());
}

/// Columns that a table may have: as COLUMNS says, else those of the terminal; `None` where nobody looks.
fn terminal() -> Option<usize> {
    let out = std::io::stdout();
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let looks = || {
        let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        size.map(|size| usize::from(size.ws_col))
    };
    told.or_else(looks).filter(|columns| *columns > 0)
}

/// What is told of several logs: altered counts more than unreadable, and that more than incomplete.
fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    const ORDER: [u8; 4] = [0, 3, 2, 1];
    let rank = |code: &u8| ORDER.iter().position(|known| known == code).unwrap_or(ORDER.len());
    codes.max_by_key(rank).unwrap_or(0)
}

/// Whoever reads has seen enough: no reason to complain.
fn is_enough(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Says that it cannot go on.
fn failed(directory: &Path, error: &std::io::Error) -> ExitCode {
    if !is_enough(error) {
        say(&Problem::in_file(Severity::Error, directory, format!("the audit log cannot be read: {error}")));
    }
    ExitCode::from(UNREADABLE)
}
