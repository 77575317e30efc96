//! `imapwarden simulate`: what would these rules have made of what happened?

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use super::audit::{Asked, Purpose, Reading, Where, all_logs};
use crate::app::trial::{Change, Difference, Ground, Replay};
use crate::audit::{Number, verify_and_see};
use crate::diagnostic::Sources;
use crate::report::Coverage;

/// Replay an audit log against rules: what they would have refused or hidden that was allowed, the reverse, and what the log
/// cannot decide, by rule and by user. The status is 1 where more would change than --fail-on lets, or the log was altered.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The configuration that names the rules.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The directory of the log; with logs in it that were written beside that, all of them.
    #[arg(long, value_name = "DIR")]
    audit: PathBuf,
    /// End with status 1 where more of it comes out than that: refuse, hide, narrow, allow, undecidable, or change for any
    /// of the first four. Without a number, where it comes out at all.
    #[arg(long, value_name = "WHAT[=N]", value_delimiter = ',')]
    fail_on: Vec<Limit>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    purpose: Purpose,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden simulate --config tomorrow.toml --audit audit --since 7d
  imapwarden simulate --config tomorrow.toml --audit audit --since 7d --fail-on refuse,hide --json
  imapwarden simulate --config tomorrow.toml --audit audit --user 'svc-*' --fail-on change=10";

/// How much may come out.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Of what; `None`: of any change.
    what: Option<Change>,
    most: u64,
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "refuse, hide, narrow, allow, undecidable or change is needed, as refuse or refuse=10";
        let (word, most) = text.split_once('=').unwrap_or((text, "0"));
        let most = most.parse().map_err(|_| WRONG)?;
        let known = Change::ALL.into_iter().filter(|change| *change != Change::Same);
        let what = match word {
            "change" => None,
            word => Some(known.into_iter().find(|change| change.as_str() == word).ok_or(WRONG)?),
        };
        Ok(Self { what, most })
    }
}

impl Limit {
    fn is_past(self, difference: &Difference) -> bool {
        self.what.map_or_else(|| difference.changes(), |what| difference.count(what)) > self.most
    }
}

/// What cannot be read is neither the same nor different.
const UNREADABLE: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = Sources::default();
    let (loaded, problems) = Ground::load(&arguments.config, &mut sources);
    super::test::say(&problems, &sources);
    let Some((ground, _)) = loaded else { return ExitCode::FAILURE };
    let filter = match arguments.asked.filter_with_key(&Where::of_config(&arguments.config)) {
        Ok(filter) => filter,
        Err(problem) => {
            super::test::say(&[problem], &sources);
            return ExitCode::from(UNREADABLE);
        }
    };
    let mut replay = Replay::new(&ground, filter.clone());
    let mut covers = Vec::new();
    for log in all_logs(&arguments.audit) {
        let coverage = Coverage::of(&verify_and_see(&log, None, &mut |seen| replay.see(seen)), &filter);
        if coverage.is_unreadable() {
            eprint!("{coverage}");
            return ExitCode::from(UNREADABLE);
        }
        replay.end_log();
        covers.push(coverage);
    }
    let (difference, sessions) = replay.end();
    let place = Where::of_directory(&arguments.audit);
    let (purpose, hash_key) = (&arguments.purpose, arguments.asked.hash_key());
    let reading =
        Reading { place: &place, directory: &arguments.audit, command: "simulate", filter: &filter, purpose, hash_key };
    let hashed = covers.iter().flat_map(Coverage::hashed).copied().collect();
    reading.leave(Some(difference.asked()), &hashed);
    let rev = ground.rules.rev();
    let mut out = io::stdout().lock();
    let written = match arguments.json {
        true => {
            let mut object = difference.to_json(rev);
            let mut covers = covers.iter().map(|coverage| coverage.json().clone());
            (object["covers"], object["sessions"]) = (covers.next().into(), sessions.into());
            let beside: Vec<_> = covers.collect();
            if !beside.is_empty() {
                object["beside"] = beside.into();
            }
            writeln!(out, "{object}")
        }
        false => {
            let sessions = Number(sessions);
            let then = difference.recorded_under();
            let covers: String = covers.iter().map(ToString::to_string).collect();
            write!(out, "{covers}rules    {rev}, then {then}; asked again what {sessions} sessions did\n\n{difference}")
        }
    };
    let past = arguments.fail_on.iter().any(|limit| limit.is_past(&difference));
    ExitCode::from(u8::from(written.is_err() || past || covers.iter().any(|coverage| coverage.exit_code() == 1)))
}
