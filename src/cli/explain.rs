//! `imapwarden explain`: what do the rules do to that, and which of them?

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use crate::app::trial::{Ground, Question, to_json, to_text};
use crate::diagnostic::{Problem, Severity, Sources, suggest};
use crate::policy::{Given, TlsLevel};

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
    /// Who proved an identity, where it is somebody else.
    #[arg(long, value_name = "A")]
    actor: Option<String>,
    /// A group in which they are, beside those whose members the groups file names; several times for several.
    #[arg(long, value_name = "G")]
    group: Vec<String>,
    /// The client's address.
    #[arg(long, value_name = "A")]
    ip: Option<IpAddr>,
    /// What the client says of itself (IMAP ID), as name/version.
    #[arg(long, value_name = "S")]
    client_id: Option<String>,
    /// Name of the listener; without it, the first.
    #[arg(long, value_name = "L")]
    listener: Option<String>,
    /// TLS with the client; without it, as the listener has it.
    #[arg(long, value_parser = ["none", "server"])]
    tls: Option<String>,
    /// When, as 2027-01-15T09:30:00+01:00; without it, now.
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
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
    let unknown = unknown_listener(arguments.listener.as_deref(), &ground);
    if let Some(problem) = unknown.or_else(|| unknown_group(&arguments.group, &ground)) {
        super::test::say(&[problem], &sources);
        return ExitCode::from(USAGE);
    }
    let at = arguments.at.unwrap_or_else(Timestamp::now);
    let told = ground.ask(&arguments.given(), mailbox, question.as_ref(), at);
    let rev = ground.rules.rev();
    let text = if arguments.json { format!("{}\n", to_json(&told, rev)) } else { to_text(&told, rev) };
    ExitCode::from(u8::from(std::io::stdout().write_all(text.as_bytes()).is_err()))
}

impl Arguments {
    fn given(&self) -> Given {
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        let level = |name: &String| TlsLevel::NAMES.iter().find(|(known, _)| known == name).map(|(_, level)| *level);
        Given {
            user: Some(self.user.as_str().into()),
            actor: text(&self.actor),
            groups: self.group.iter().map(|group| (group.as_str().into(), 0..0)).collect(),
            client_ip: self.ip,
            client_id: text(&self.client_id),
            listener: text(&self.listener),
            upstream: None,
            tls: self.tls.as_ref().and_then(level),
            at: self.at,
        }
    }
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

fn unknown_group(groups: &[String], ground: &Ground) -> Option<Problem> {
    let unknown = groups.iter().find(|group| !ground.rules.knows_group(group))?;
    let problem = Problem::new(Severity::Error, format!("unknown group `{unknown}`"));
    Some(match suggest(unknown, ground.rules.groups()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("no rule can ask for it: neither the groups file nor a rule names it"),
    })
}

fn unknown_listener(listener: Option<&str>, ground: &Ground) -> Option<Problem> {
    let listener = listener?;
    let known = || ground.context.listeners.iter().map(|name| &**name);
    if known().any(|name| name == listener) {
        return None;
    }
    let problem = Problem::new(Severity::Error, format!("no listener is called `{listener}`"));
    Some(match suggest(listener, known()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("there is {}", known().collect::<Vec<_>>().join(", "))),
    })
}
