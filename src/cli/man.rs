//! `imapwarden man`: manual pages, for packages and for `man`.
//!
//! ```text
//!   the command line           ─▶ man1/imapwarden.1, man1/imapwarden-check.1 …
//!   config/imapwarden.toml     ─▶ man5/imapwarden.toml.5
//!   docs/rules.md              ─▶ man5/imapwarden-rules.5
//! ```
//!
//! Made of what there is already, so that no page can say something else.

mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The reference of the configuration.
const CONFIGURATION: &str = include_str!("../../config/imapwarden.toml");
/// What rules are.
const RULES: &str = include_str!("../../docs/rules.md");

/// Write the manual pages below a folder: `imapwarden man /usr/local/share/man`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where: `man1` and `man5` are made in it.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match write_pages(&arguments.directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write_pages(directory: &Path) -> io::Result<()> {
    let (commands, files) = (directory.join("man1"), directory.join("man5"));
    fs::create_dir_all(&commands)?;
    fs::create_dir_all(&files)?;
    clap_mangen::generate_to(super::Arguments::command(), &commands)?;
    fs::write(commands.join("imapwarden.1"), program()?)?;
    let configuration = page::reference("imapwarden.toml", "configuration of imapwarden", CONFIGURATION);
    fs::write(files.join("imapwarden.toml.5"), ended(configuration))?;
    let rules = page::document("imapwarden-rules", "rules of imapwarden, and their tests", RULES);
    fs::write(files.join("imapwarden-rules.5"), ended(rules))
}

/// The page of the program: what the command line knows of itself, and what it does not.
fn program() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(super::Arguments::command().disable_help_subcommand(true)).render(&mut page)?;
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [
        ("0", "done, or fine"),
        ("1", "not done, or something is wrong, which is said on standard error"),
        ("2", "the command line is wrong"),
        ("3", "of `audit verify`: what is there is intact, and something is missing"),
    ] {
        more.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    more.control("SH", ["SIGNALS"]);
    for (signal, meaning) in [
        ("SIGHUP", "reads configuration, rules and certificates again; where anything is wrong, nothing changes"),
        ("SIGTERM, SIGINT", "ends sessions one by one, then stops; a second one stops at once"),
    ] {
        more.control("TP", []).text([bold(signal)]).text([roman(meaning)]);
    }
    page.extend_from_slice(more.to_roff().as_bytes());
    Ok(ended(String::from_utf8_lossy(&page).into_owned()).into_bytes())
}

/// With what is to be read next.
fn ended(page: String) -> String {
    let mut more = Roff::new();
    more.control("SH", ["SEE ALSO"]);
    more.text([bold("imapwarden"), roman("(1), "), bold("imapwarden.toml"), roman("(5), ")]);
    more.text([bold("imapwarden-rules"), roman("(5)")]);
    page + &more.to_roff()
}
