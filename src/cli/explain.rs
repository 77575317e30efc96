//! `imapwarden explain`: what do the rules do to that, and which of them?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::who::Who;
use crate::app::trial::{Ground, Question, to_json, to_text};
use crate::diagnostic::{Problem, Sources};

/// Say what the rules do to a request, which of them took what, and why others did not. Without a mailbox and a command
/// it is about all that is left.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose mail is opened.
    #[arg(long, value_name = "U")]
    user: String,
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
    let Some((ground, _)) = loaded else { return ExitCode::FAILURE };
    if let Some(problem) = arguments.who.unknown(&ground) {
        super::test::say(&[problem], &sources);
        return ExitCode::from(USAGE);
    }
    let given = arguments.who.given(&arguments.user);
    let told = ground.ask(&given, mailbox, question.as_ref(), arguments.who.at());
    let rev = ground.rules.rev();
    let text = if arguments.json { format!("{}\n", to_json(&told, rev)) } else { to_text(&told, rev) };
    ExitCode::from(u8::from(std::io::stdout().write_all(text.as_bytes()).is_err()))
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
