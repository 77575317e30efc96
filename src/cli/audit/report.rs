//! `imapwarden audit report`: what people ask of the log.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::access::{Purpose, Reading, Shown};
use super::asked::Asked;
use super::query::end;
use super::{UNREADABLE, Where, all_logs, failed, is_enough, say, terminal, worst};
use crate::app::trial::Ground;
use crate::audit::{Seen, is_live, verify_and_see};
use crate::diagnostic::{Problem, Severity, Sources};
use crate::report::period::{End, instant};
use crate::report::{
    By, ClientPrograms, Coverage, Filter, Gather, Gathering, Reads, Refusals, Rules, Searches, Sessions, Style,
    Timeline, Trace, Volume, Which, print_listing,
};

/// Say what the log tells: who read what, who was refused, how much left. Each report says first what it covers. The status
/// is that of `verify`: reports of a log that was altered still print, marked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Who read what: each message of which content was delivered, how much of it, and how sure that is.
    #[command(after_help = "\
Examples:
  imapwarden audit report reads --dir audit --user m.berg@example.org --since 2027-01-13
  imapwarden audit report reads --dir audit --by user --since 30d
  imapwarden audit report reads --dir audit --mailbox 'Finance/**' --class full --json")]
    Reads {
        /// What a row is about.
        #[arg(long, value_enum, default_value_t = Rows::Message)]
        by: Rows,
        #[command(flatten)]
        common: Common,
    },
    /// Sessions: whose, from where, with what, how long, and how they ended.
    #[command(after_help = "\
Examples:
  imapwarden audit report sessions --dir audit --user m.berg@example.org --since 7d
  imapwarden audit report sessions --dir audit --ip 203.0.113.0/24 --json")]
    Sessions {
        #[command(flatten)]
        common: Common,
    },
    /// What one user did, or was done in their name, in the order in which it happened.
    #[command(after_help = "\
Examples:
  imapwarden audit report timeline --dir audit --user m.berg@example.org --since 2027-01-12
  imapwarden audit report timeline --dir audit --sid 4c2q8m0v7x1t")]
    Timeline {
        #[command(flatten)]
        common: Common,
    },
    /// What others than a user did in that user's mail, in order, without a word of rules: fit to hand to that user.
    #[command(after_help = "\
Examples:
  imapwarden audit report owner --dir audit --user m.berg@example.org --since 90d")]
    Owner {
        #[command(flatten)]
        common: Common,
    },
    /// Who touched a message: read, flagged, copied, moved or expunged it, or was not shown it. Copies are followed.
    #[command(after_help = "\
Examples:
  imapwarden audit report message '<board-2027-01@example.org>' --dir audit
  imapwarden audit report message 4410 --mailbox INBOX --user m.berg@example.org --dir audit")]
    Message {
        /// Its Message-ID, or its UID with --mailbox.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// How much left, by user and day, against the median of that user's days: the most unusual first.
    #[command(
        visible_alias = "exfil",
        after_help = "\
Examples:
  imapwarden audit report exfil --dir audit --since 30d
  imapwarden audit report volume --dir audit --user m.berg@example.org --top 0"
    )]
    Volume {
        /// How many rows; 0 for all.
        #[arg(long, value_name = "N", default_value_t = 20)]
        top: usize,
        #[command(flatten)]
        common: Common,
    },
    /// Which programs are used, by how many, with which TLS.
    #[command(after_help = "\
Examples:
  imapwarden audit report clients --dir audit --since 90d
  imapwarden audit report clients --dir audit --client 'Outlook/*' --json")]
    Clients {
        #[command(flatten)]
        common: Common,
    },
    /// What was refused, by rule and user.
    #[command(
        visible_alias = "denies",
        after_help = "\
Examples:
  imapwarden audit report denies --dir audit --since 7d
  imapwarden audit report refusals --dir audit --rule no-export-finance"
    )]
    Refusals {
        #[command(flatten)]
        common: Common,
    },
    /// Rules, how often they took something or would have in shadow, and when last. With --config also those never hit.
    #[command(after_help = "\
Examples:
  imapwarden audit report rules --config imapwarden.toml
  imapwarden audit report rules --config imapwarden.toml --never 30d")]
    Rules {
        /// Only rules without a hit for so long.
        #[arg(long, value_name = "TIME", value_parser = ago)]
        never: Option<Timestamp>,
        #[command(flatten)]
        common: Common,
    },
    /// What was searched for; terms only where the rules had them recorded.
    #[command(after_help = "\
Examples:
  imapwarden audit report searches --dir audit --user m.berg@example.org --since 7d")]
    Searches {
        #[command(flatten)]
        common: Common,
    },
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// A message, as read in one session
    Message,
    /// A user
    User,
    /// A mailbox of a user
    Mailbox,
    /// A session
    Session,
}

#[derive(Debug, Clone, clap::Args)]
struct Common {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    purpose: Purpose,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl What {
    /// As it is asked for, with what a filter does not say.
    fn name(&self) -> String {
        match self {
            Self::Reads { by, .. } => format!("reads by {}", format!("{by:?}").to_lowercase()),
            Self::Sessions { .. } => "sessions".to_owned(),
            Self::Timeline { .. } => "timeline".to_owned(),
            Self::Owner { .. } => "owner".to_owned(),
            Self::Message { id, .. } => format!("message {id}"),
            Self::Volume { .. } => "volume".to_owned(),
            Self::Clients { .. } => "clients".to_owned(),
            Self::Refusals { .. } => "refusals".to_owned(),
            Self::Rules { .. } => "rules".to_owned(),
            Self::Searches { .. } => "searches".to_owned(),
        }
    }

    fn common(&self) -> &Common {
        match self {
            Self::Reads { common, .. }
            | Self::Sessions { common }
            | Self::Timeline { common }
            | Self::Owner { common }
            | Self::Message { common, .. }
            | Self::Volume { common, .. }
            | Self::Clients { common }
            | Self::Refusals { common }
            | Self::Rules { common, .. }
            | Self::Searches { common } => common,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let common = arguments.what.common();
    let filter = common.asked.filter_with_key(&common.place);
    let usage =
        filter.as_ref().map_or_else(|problem| Some(problem.clone()), |filter| unusable(&arguments.what, filter));
    let (Ok(filter), None) = (filter, &usage) else {
        usage.iter().for_each(say);
        return ExitCode::from(UNREADABLE);
    };
    let Some(directory) = common.place.directory() else { return ExitCode::from(UNREADABLE) };
    let command = format!("report {}", arguments.what.name());
    let reading = Reading {
        place: &common.place,
        directory: &directory,
        command: &command,
        filter: &filter,
        purpose: &common.purpose,
        hash_key: common.asked.hash_key(),
    };
    let mut out = Shown::new(reading, BufWriter::new(io::stdout().lock()));
    let mut rows = None;
    let logs = all_logs(&directory);
    let status = worst(logs.iter().map(|log| one(log, &arguments.what, &filter, &mut rows, &mut out)));
    end(out, rows, &directory, status)
}

/// What is told of one log, and the status. `rows`: what was shown, as soon as anything may be.
fn one<W: Write>(directory: &Path, what: &What, filter: &Filter, rows: &mut Option<u64>, out: &mut Shown<'_, W>) -> u8 {
    let style = if what.common().json { Style::Json } else { Style::Table(terminal()) };
    match report(what, directory, filter.clone(), style, (rows, out)) {
        Ok(coverage) => coverage.exit_code(),
        Err(error) if is_enough(&error) => 0,
        Err(error) => {
            failed(directory, &error);
            UNREADABLE
        }
    }
}

/// What clap cannot tell.
fn unusable(what: &What, filter: &Filter) -> Option<Problem> {
    let problem = |message: &str, help: &str| Some(Problem::new(Severity::Error, message).help(help));
    match what {
        What::Timeline { .. }
            if filter.user.is_empty() && filter.actor.is_empty() && filter.sid.is_empty() && filter.ip.is_empty() =>
        {
            problem("a timeline of whom?", "name a user, an actor, a session or an address: --user ann@example.org")
        }
        What::Owner { .. } if filter.user.is_empty() => {
            problem("the mail of whom?", "name the user whom it belongs to: --user ann@example.org")
        }
        What::Message { id, .. } if id.parse::<u32>().is_ok() && filter.mailbox.is_empty() => problem(
            "a UID is one of a mailbox",
            "say which: --mailbox INBOX, and with --user whose; or give the Message-ID",
        ),
        _ => None,
    }
}

fn report<W: Write>(
    what: &What,
    directory: &Path,
    filter: Filter,
    style: Style,
    (rows, out): (&mut Option<u64>, &mut Shown<'_, W>),
) -> io::Result<Coverage> {
    // Asked before the log is read: what is under way then may end meanwhile, never the other way round.
    let live = is_live(directory);
    let asked = filter.clone();
    let covers = |see: &mut dyn FnMut(Seen<'_>)| covered(directory, &asked, see);
    let small: Box<dyn Gather> = match what {
        What::Reads { by, .. } => {
            let mut reads = Reads::new((*by).into(), filter);
            let coverage = covers(&mut |seen| reads.see(seen));
            return printed(coverage, rows, out, |coverage, out| reads.print(coverage, live, style, out));
        }
        What::Timeline { .. } | What::Owner { .. } => {
            let for_owner = matches!(what, What::Owner { .. });
            let mut timeline = if for_owner { Timeline::for_owner(filter) } else { Timeline::new(filter) };
            let coverage = covers(&mut |seen| timeline.see(seen));
            return printed(coverage, rows, out, |coverage, out| timeline.print(directory, coverage, style, out));
        }
        What::Message { id, .. } => {
            let which = id.parse().map_or_else(|_| Which::MessageId(id.clone()), Which::Uid);
            let mut trace = Trace::new(which, filter);
            let coverage = covers(&mut |seen| trace.see(seen));
            return printed(coverage, rows, out, |coverage, out| {
                print_listing(&trace.listing(directory, live)?, coverage, style, out)
            });
        }
        What::Sessions { .. } => Box::new(Sessions::default()),
        What::Clients { .. } => Box::new(ClientPrograms::default()),
        What::Refusals { .. } => Box::new(Refusals::default()),
        What::Searches { .. } => Box::new(Searches::default()),
        What::Volume { top, .. } => Box::new(Volume::new(*top)),
        What::Rules { never, common } => {
            Box::new(Rules::new(known_rules(common), never.map(Timestamp::as_microsecond)))
        }
    };
    let mut gathering = Gathering::new(small, filter);
    let coverage = covers(&mut |seen| gathering.see(seen));
    printed(coverage, rows, out, |coverage, out| gathering.print(coverage, live, style, out))
}

/// Verifies the log, shows each record, and says what is covered.
fn covered(directory: &Path, filter: &Filter, see: &mut dyn FnMut(Seen<'_>)) -> Coverage {
    Coverage::of(&verify_and_see(directory, None, see), filter)
}

/// Of a log that cannot be read, nothing is told but why.
fn printed<W: Write>(
    coverage: Coverage,
    rows: &mut Option<u64>,
    out: &mut Shown<'_, W>,
    print: impl FnOnce(&Coverage, &mut dyn Write) -> io::Result<u64>,
) -> io::Result<Coverage> {
    if coverage.is_unreadable() {
        eprint!("{coverage}");
        return Ok(coverage);
    }
    let rows = rows.get_or_insert(0);
    out.hashed.extend(coverage.hashed());
    *rows = rows.saturating_add(print(&coverage, out)?);
    Ok(coverage)
}

/// The rules that are in force with this configuration; none where it does not load, which is said.
fn known_rules(common: &Common) -> Vec<String> {
    let Some(config) = &common.place.config else { return Vec::new() };
    let mut sources = Sources::default();
    let (loaded, problems) = Ground::load(config, &mut sources);
    crate::cli::test::say(&problems, &sources);
    loaded.map_or_else(Vec::new, |(ground, _)| ground.rules.rules().map(|rule| rule.id.to_string()).collect())
}

fn ago(text: &str) -> Result<Timestamp, &'static str> {
    instant(text, End::Since, Timestamp::now())
}

impl From<Rows> for By {
    fn from(rows: Rows) -> Self {
        match rows {
            Rows::Message => Self::Message,
            Rows::User => Self::User,
            Rows::Mailbox => Self::Mailbox,
            Rows::Session => Self::Session,
        }
    }
}
