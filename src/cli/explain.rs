//! `imapwarden explain`: what do the rules do to that, and which of them?

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::audit::{Purpose, Reading, Where};
use super::who::Who;
use crate::app::trial::{Ground, Past, Question, to_json, to_text};
use crate::audit::{Reference, decision, logs};
use crate::diagnostic::{Problem, Severity, Sources};
use crate::report::Filter;

/// Say what the rules do to a request, which of them took what, and why others did not. Without a mailbox and a command
/// it is about all that is left. A refusal of the past is named by the reference that its client was told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose mail is opened.
    #[arg(long, value_name = "U", required_unless_present = "decision")]
    user: Option<String>,
    /// A refusal, by the reference in its text: what is on record of it, and what today's rules say to the same request.
    #[arg(long, value_name = "REF", value_parser = reference, conflicts_with_all = ASKED)]
    decision: Option<Reference>,
    /// The audit log where it is looked for; without it, that of the configuration.
    #[arg(long, value_name = "DIR", requires = "decision")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
    /// Which mailbox is looked at, or is open; UTF-8, with "/" between levels.
    #[arg(long, value_name = "M")]
    mailbox: Option<String>,
    /// Which command is tried, such as 'UID FETCH 1 BODY[]'.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the record of a decision says, and nobody else.
const ASKED: [&str; 9] = ["user", "actor", "group", "ip", "client_id", "listener", "tls", "mailbox", "command"];

/// As for arguments that clap does not understand.
const USAGE: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mailbox = arguments.mailbox.as_deref();
    let question = match arguments.command.as_deref().map(|command| (command, Question::parse(command, mailbox))) {
        None => None,
        Some((_, Ok(question))) => Some(question),
        Some((command, Err(fault))) => return unusable(command, &fault),
    };
    let mut sources = Sources::default();
    let (loaded, problems) = Ground::load(&arguments.config, &mut sources);
    super::test::say(&problems, &sources);
    let Some((ground, config)) = loaded else { return ExitCode::FAILURE };
    if let Some(reference) = &arguments.decision {
        let directory = arguments.audit.as_deref().unwrap_or(&config.audit.directory);
        return explain_decision(arguments, reference, directory, &ground);
    }
    if let Some(problem) = arguments.who.unknown(&ground) {
        super::test::say(&[problem], &sources);
        return ExitCode::from(USAGE);
    }
    let given = arguments.who.given(arguments.user.as_deref().unwrap_or_default());
    let told = ground.ask(&given, mailbox, question.as_ref(), arguments.who.at());
    let rev = ground.rules.rev();
    print(if arguments.json { format!("{}\n", to_json(&told, rev)) } else { to_text(&told, rev) })
}

fn print(text: String) -> ExitCode {
    ExitCode::from(u8::from(std::io::stdout().write_all(text.as_bytes()).is_err()))
}

/// What is on record, then what is asked of the rules as they are.
fn explain_decision(arguments: &Arguments, reference: &Reference, directory: &Path, ground: &Ground) -> ExitCode {
    let logs = logs(directory).ok().filter(|logs| !logs.is_empty()).unwrap_or_else(|| vec![directory.to_owned()]);
    let mut found = logs.iter().map(|log| decision(log, reference));
    let problem = match found.find(|found| !matches!(found, Ok(None))).unwrap_or(Ok(None)) {
        Ok(Some(found)) => {
            let past = Past::of(found, ground, arguments.who.at);
            let rev = ground.rules.rev();
            let hashed = past.hashed();
            leave_access(arguments, reference, directory);
            return print(if arguments.json {
                let mut told = match hashed.is_empty() {
                    true => to_json(&past.told, rev),
                    false => serde_json::json!({ "verdict": "undecidable", "hashed": hashed }),
                };
                told["decision"] = past.to_json(reference);
                format!("{told}\n")
            } else {
                let today = if hashed.is_empty() { to_text(&past.told, rev) } else { String::new() };
                past.to_text(reference) + &today
            });
        }
        Ok(None) => Problem::in_file(Severity::Error, directory, format!("there is no record of `{reference}`"))
            .help("is it the log of the proxy that refused it, and has that part of it been purged?"),
        Err(error) => {
            let message = format!("cannot read the audit log: {}", crate::config::reason(&error));
            Problem::in_file(Severity::Error, directory, message)
        }
    };
    super::test::say(&[problem], &Sources::default());
    ExitCode::FAILURE
}

/// That somebody read of it in the log.
fn leave_access(arguments: &Arguments, reference: &Reference, directory: &Path) {
    let named = arguments.audit.is_some();
    let place = if named { Where::of_directory(directory) } else { Where::of_config(&arguments.config) };
    let command = format!("explain {reference}");
    let (filter, purpose) = (Filter::default(), Purpose::default());
    let reading =
        Reading { place: &place, directory, command: &command, filter: &filter, purpose: &purpose, hash_key: None };
    reading.leave(Some(1), &BTreeSet::new());
}

fn reference(text: &str) -> Result<Reference, &'static str> {
    text.parse().map_err(|()| "it is as the client was told it: 4c2q8m0v7x1t-6")
}

/// The command cannot be tried.
fn unusable(command: &str, fault: &crate::app::trial::Fault) -> ExitCode {
    let mut sources = Sources::default();
    let file = sources.insert("--command", command);
    let problem = Problem::error(&file, fault.at.clone(), fault.message.clone());
    let problem = match &fault.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    };
    super::test::say(&[problem], &sources);
    ExitCode::from(USAGE)
}
