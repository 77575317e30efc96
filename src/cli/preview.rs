//! `imapwarden preview`: what do the rules leave of somebody's own mailboxes?

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::who::Who;
use crate::app::preview::{Preview, Readers, Visitor, to_json, to_text};
use crate::app::trial::Ground;
use crate::diagnostic::{Problem, Severity, Sources, render};

/// Log in upstream as a user, and show what the rules leave there: every mailbox with its rights, what is hidden struck out, how
/// many messages each rule hides; and each pattern of the rules that matches nothing, with the name that was probably
/// meant. The status is 1 where there is one. Nothing is changed. Of messages only that is looked at which rules go by.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose mailboxes.
    #[arg(long, value_name = "U")]
    user: String,
    /// A file with the password (with --actor, theirs); without it, the terminal is asked.
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
    /// The directory of an audit log: which clients and credentials have read what the rules hide.
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// As for arguments that clap does not understand.
const USAGE: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = Sources::default();
    let (loaded, problems) = Ground::load(&arguments.config, &mut sources);
    super::test::say(&problems, &sources);
    let Some((ground, config)) = loaded else { return ExitCode::FAILURE };
    if let Some(problem) = arguments.who.unknown(&ground) {
        super::test::say(&[problem], &sources);
        return ExitCode::from(USAGE);
    }
    let actor = arguments.who.actor.as_deref();
    let password = match password(arguments.password_file.as_deref(), actor.unwrap_or(&arguments.user)) {
        Ok(password) => password,
        Err(problem) => {
            super::test::say(&[problem], &sources);
            return ExitCode::from(USAGE);
        }
    };
    let visitor = Visitor { user: &arguments.user, actor, password: &password };
    let given = arguments.who.given(&arguments.user);
    let looked =
        super::runtime().map_err(|error| vec![Problem::new(Severity::Error, format!("cannot start: {error}"))]);
    let looked =
        looked.and_then(|runtime| runtime.block_on(Preview::of(&ground, &config, &given, visitor, arguments.who.at())));
    match looked {
        Ok(preview) => {
            let readers = arguments.audit.as_deref().map(|audit| Readers::of(&preview, audit));
            tell(&preview, readers.as_ref(), ground.rules.rev(), &sources, arguments.json)
        }
        Err(problems) => {
            super::test::say(&problems, &sources);
            ExitCode::FAILURE
        }
    }
}

fn tell(preview: &Preview, readers: Option<&Readers>, rev: &str, sources: &Sources, json: bool) -> ExitCode {
    let mut out = io::stdout().lock();
    let color = super::color(&out);
    let text = match json {
        true => {
            let mut object = to_json(preview, rev, sources);
            if let Some(Readers { holders, coverage }) = readers {
                (object["held"], object["covers"]) = (holders.to_json(), coverage.json().clone());
            }
            format!("{object}\n")
        }
        false => {
            let problems = [preview.remarks.as_slice(), &preview.unmatched].concat();
            to_text(preview, rev, color) + &readers.map(told).unwrap_or_default() + &render(&problems, sources, color)
        }
    };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let altered = readers.is_some_and(|readers| readers.coverage.exit_code() == 1 || readers.coverage.is_unreadable());
    ExitCode::from(u8::from(written.is_err() || altered || !preview.unmatched.is_empty()))
}

/// Who has read what is hidden.
fn told(readers: &Readers) -> String {
    let Readers { holders, coverage } = readers;
    match holders.is_empty() {
        true => format!("\nread already: nothing\n{coverage}"),
        false => format!("\nread already\n{holders}{coverage}"),
    }
}

/// From the file, or from whoever sits at the terminal.
fn password(file: Option<&Path>, whose: &str) -> Result<Zeroizing<String>, Problem> {
    let Some(file) = file else { return ask(whose).map_err(no_terminal) };
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        let message = format!("cannot read the password: {}", crate::config::reason(&error));
        Problem::in_file(Severity::Error, file, message)
    })?;
    let line = text.lines().next().unwrap_or_default();
    match line {
        "" => Err(Problem::in_file(Severity::Error, file, "the file has no password in its first line")),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

fn no_terminal(error: io::Error) -> Problem {
    let problem = Problem::new(Severity::Error, format!("there is no terminal to ask for the password: {error}"));
    problem.help("name a file that has it: --password-file FILE")
}

/// What is typed shows nowhere.
fn ask(whose: &str) -> io::Result<Zeroizing<String>> {
    let mut terminal = fs::File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(terminal.as_fd())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    write!(terminal, "Password of {whose}: ")?;
    tcsetattr(terminal.as_fd(), OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = BufReader::new(&terminal).read_line(&mut line);
    tcsetattr(terminal.as_fd(), OptionalActions::Now, &before)?;
    writeln!(terminal)?;
    read?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
