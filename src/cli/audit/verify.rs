//! `imapwarden audit verify`: are logs what was written, and all of it?

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{UNREADABLE, directory_of, worst};
use crate::audit::{AccessFound, Demands, Noted, Number, PublicKey, Report, logs, verify_access, verify_all};
use crate::diagnostic::{Problem, Severity};
use crate::report::{Coverage, Filter};

/// Tell whether logs are what was written, and all of it. The status is 0 where they are, 1 where one was altered or cut, 2
/// where one cannot be read, and 3 where they are intact but something is missing that the log itself tells. Reads of a log
/// that stand in its access.jsonl are verified likewise.
#[derive(Debug, clap::Args)]
#[group(id = "where", required = true, multiple = true)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory of a log; several for the logs of several nodes.
    #[arg(value_name = "DIR", group = "where")]
    directories: Vec<PathBuf>,
    /// The same.
    #[arg(long, value_name = "DIR", group = "where", conflicts_with_all = ["directories", "config"])]
    dir: Option<PathBuf>,
    /// The configuration that names it.
    #[arg(long, value_name = "FILE", group = "where", conflicts_with = "directories")]
    config: Option<PathBuf>,
    /// A record that was noted elsewhere: it must be there, with this hash. Of one log.
    #[arg(long, value_name = "SEQ:HASH", value_parser = noted)]
    expect: Option<Noted>,
    /// The first key of a log that is signed, and behind it those of logs beside it, a line each; or a file that holds them, as
    /// `audit init` printed it. A later one does, too: what
    /// was signed before it is then not looked at.
    #[arg(long, value_name = "FILE|KEY", value_parser = keys)]
    key: Option<Keys>,
    /// A directory of notes that were published, in any number of files: each must be of this log.
    #[arg(long, value_name = "DIR", requires = "key")]
    published: Option<PathBuf>,
    /// Print one JSON object; of several logs, one a line.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit verify audit
  imapwarden audit verify --config imapwarden.toml
  imapwarden audit verify audit mx-a2/audit
  imapwarden audit verify audit --expect 1204551:kVUaLU3GKiLkDvAVEzlyP5phw7aFT-Yd3fF9lCUm7Cg
  imapwarden audit verify audit --key first-key.txt --published notes";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut directories = arguments.directories.clone();
    directories.extend(arguments.dir.clone());
    if directories.is_empty() {
        directories.extend(arguments.config.as_deref().and_then(directory_of));
    }
    if directories.is_empty() {
        return ExitCode::from(UNREADABLE);
    }
    if directories.len() > 1 && (arguments.expect.is_some() || arguments.key.is_some()) {
        let problem = Problem::new(Severity::Error, "a record, and a key, is one of one log");
        super::say(&problem.help("verify that log by itself with --expect and --key, and the others without"));
        return ExitCode::from(UNREADABLE);
    }
    let Keys { first, beside } = arguments.key.clone().unwrap_or_default();
    let demands = Demands { expect: arguments.expect, key: first, beside, published: arguments.published.clone() };
    let mut out = std::io::stdout();
    let mut statuses = Vec::new();
    for directory in &directories {
        // What somebody read stands with the log that they read.
        let places = logs(directory).unwrap_or_default();
        for (at, report) in verify_all(directory, &demands).iter().enumerate() {
            let read = verify_access(places.get(at).unwrap_or(directory));
            let exit = worst([report.exit_code(), access_status(&read)].into_iter());
            statuses.push(exit);
            let name = (directories.len() > 1).then_some(directory.as_path());
            let text = if arguments.json { json(report, &read, exit, name) } else { words(report, &read, name) };
            if out.write_all(text.as_bytes()).is_err() {
                return ExitCode::from(UNREADABLE);
            }
        }
    }
    ExitCode::from(worst(statuses.into_iter()))
}

type Read = std::io::Result<Option<AccessFound>>;

/// What the chain of reads adds to the status.
fn access_status(read: &Read) -> u8 {
    match read {
        Ok(Some(AccessFound { wrong: Some(_), .. })) => 1,
        Ok(_) => 0,
        Err(_) => UNREADABLE,
    }
}

fn words(report: &Report, read: &Read, name: Option<&Path>) -> String {
    let head = name.map_or_else(String::new, |name| format!("{}\n", name.display()));
    let access = match read {
        Ok(None) => String::new(),
        Ok(Some(AccessFound { records, wrong: None })) => {
            format!("  access    ok      {} reads in access.jsonl\n", Number(*records))
        }
        Ok(Some(AccessFound { wrong: Some((line, what)), .. })) => {
            format!("  access    FAULT   access.jsonl:{line}: {what}                  exit 1\n")
        }
        Err(error) => format!("  access    FAULT   access.jsonl cannot be read: {error}                  exit 2\n"),
    };
    let report = report.to_string();
    // The result stays the last line.
    let result = report.rfind("result:").unwrap_or(report.len());
    let (before, result) = report.split_at_checked(result).unwrap_or((&report, ""));
    [&head, before, &access, result].concat()
}

fn json(report: &Report, read: &Read, exit: u8, name: Option<&Path>) -> String {
    let mut object = Coverage::of(report, &Filter::default()).json().clone();
    let places = report.findings().iter().map(|finding| finding.what.as_str());
    object["places"] = places.chain(report.unsigned().iter().map(String::as_str)).collect();
    let reads = match read {
        Ok(None) => None,
        Ok(Some(AccessFound { records, wrong })) => Some(serde_json::json!({
            "records": records,
            "wrong": wrong.map(|(line, what)| format!("access.jsonl:{line}: {what}")),
        })),
        Err(error) => Some(serde_json::json!({ "wrong": format!("access.jsonl cannot be read: {error}") })),
    };
    if let Some(reads) = reads {
        object["reads"] = reads;
    }
    object["exit"] = exit.into();
    if let Some(name) = name {
        object["directory"] = name.display().to_string().into();
    }
    format!("{object}\n")
}

fn noted(text: &str) -> Result<Noted, &'static str> {
    text.parse().map_err(|()| "a number, a colon and 43 characters are needed, as in the file `head` of the log")
}

/// The key of a log, and those of logs beside it.
#[derive(Debug, Clone, Default)]
struct Keys {
    first: Option<PublicKey>,
    beside: Vec<PublicKey>,
}

/// Keys themselves, one a line, else what a file holds.
fn keys(text: &str) -> Result<Keys, String> {
    let parsed = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(str::parse).collect::<Result<Vec<PublicKey>, ()>>().ok().filter(|keys| !keys.is_empty())
    };
    let held = |text| {
        std::fs::read_to_string(text).map_err(|error| format!("neither a key nor a file that can be read: {error}"))
    };
    let keys = match parsed(text) {
        Some(keys) => Some(keys),
        None => parsed(&held(text)?),
    };
    let mut keys = keys.ok_or("the file holds no key as `imapwarden audit init` prints it")?.into_iter();
    Ok(Keys { first: keys.next(), beside: keys.collect() })
}
