//! `imapwarden audit tail`: the last records, and those that come.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::access::{Purpose, Reading};
use super::asked::Asked;
use super::query::Format;
use super::{UNREADABLE, Where, failed, is_enough, say};
use crate::report::{Filter, Printer, Tail};

/// Print the last records that are asked for, and with --follow those that come, over the segments that begin, of all logs of
/// the directory by time. Whether a log is whole is not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// How many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on until interrupted.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    purpose: Purpose,
    /// How records are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format jsonl: lines as they stand in the log.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  imapwarden audit tail --dir audit -f
  imapwarden audit tail --dir audit -f --verdict refused --json
  imapwarden audit tail --config imapwarden.toml -n 100 --user m.berg@example.org";

/// Between two looks at a log that grows: a person does not notice.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(directory) = arguments.place.directory() else { return ExitCode::from(UNREADABLE) };
    let filter = match arguments.asked.filter_with_key(&arguments.place) {
        Ok(filter) => filter,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(UNREADABLE);
        }
    };
    let format = if arguments.json { Format::Jsonl } else { arguments.format };
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&directory, arguments, &filter, &mut *format.printer(), &mut out) {
        Err(error) if is_enough(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&directory, &error),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn print(
    directory: &std::path::Path,
    arguments: &Arguments,
    filter: &Filter,
    printer: &mut dyn Printer,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut trouble = |what: &str| eprintln!("not read {what}");
    let (mut tail, last) = Tail::begin(directory, filter, arguments.lines, &mut trouble)?;
    let (place, purpose) = (&arguments.place, &arguments.purpose);
    let command = if arguments.follow { "tail -f" } else { "tail" };
    let reading = Reading { place, directory, command, filter, purpose, hash_key: arguments.asked.hash_key() };
    // What comes later is not counted: this ends when somebody interrupts it.
    reading.leave(u64::try_from(last.len()).ok(), &BTreeSet::new());
    last.print(printer, out)?;
    out.flush()?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        let came = tail.go_on(&mut trouble)?;
        if came.is_empty() {
            std::thread::sleep(LOOK);
        }
        came.print(printer, out)?;
        out.flush()?;
    }
}
