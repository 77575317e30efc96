//! `imapwarden audit tail`: the last records, and those that come.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::asked::Asked;
use super::query::Format;
use super::{UNREADABLE, Where, failed, is_enough};
use crate::report::{Printer, Tail};

/// Print the last records that are asked for, and with --follow those that come, over the segments that begin. Whether the
/// log is whole is not looked at.
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
    let format = if arguments.json { Format::Jsonl } else { arguments.format };
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&directory, arguments, &mut *format.printer(), &mut out) {
        Err(error) if is_enough(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&directory, &error),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn print(
    directory: &std::path::Path,
    arguments: &Arguments,
    printer: &mut dyn Printer,
    out: &mut dyn Write,
) -> io::Result<()> {
    let filter = arguments.asked.filter();
    let mut trouble = |what: &str| eprintln!("not read {what}");
    let mut tail = Tail::begin(directory, &filter, arguments.lines, printer, out, &mut trouble)?;
    out.flush()?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(LOOK);
        tail.go_on(printer, out, &mut trouble)?;
        out.flush()?;
    }
}
