//! What do hidden messages cost? A mailbox of 100,000 messages of which one in a hundred is hidden by a field of its header.
//!
//! ```text
//!                            ┌─▶ nothing ───────────────────────┐
//!   client (this process) ───┼─▶ imapwarden without rules ──────┼─▶ canned answers, or a real Dovecot with that mailbox
//!                            └─▶ imapwarden, hiding messages ───┘
//! ```
//!
//! `cargo bench --bench hidden` measures all of it in turn and prints medians beside the bounds that they have to stay below.
//! The load, the backend and the servers are those of `benches/peers`.

#[path = "../peers/backend/mod.rs"]
#[allow(dead_code, unused_imports, reason = "peers needs all of it")]
mod backend;
#[path = "../peers/load/mod.rs"]
#[allow(dead_code, unused_imports, reason = "peers needs all of it")]
mod load;
mod measure;
#[path = "../peers/peer/mod.rs"]
#[allow(dead_code, unused_imports, reason = "peers needs all of it")]
mod peer;
#[path = "../peers/place.rs"]
#[allow(dead_code, unused_imports, reason = "peers needs all of it")]
mod place;
mod report;
#[path = "../peers/usage.rs"]
mod usage;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use peer::Kind;

/// CPU time, waits and memory of mailboxes in which messages are hidden.
#[derive(Debug, Parser)]
#[command(name = "hidden", bin_name = "cargo bench --bench hidden --")]
struct Options {
    /// All of it so many times; the report has the medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One round: shows that it works, not what it costs
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
    /// Messages in the mailbox
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=999_999))]
    messages: u32,
    /// Only before this backend
    #[arg(long, value_enum)]
    before: Option<Backend>,
    /// The imapwarden to measure, instead of the one just built
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_imapwarden"))]
    imapwarden: PathBuf,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// Answers from memory
    Canned,
    /// A real server
    Dovecot,
}

impl Backend {
    const ALL: [Self; 2] = [Self::Canned, Self::Dovecot];

    fn title(self) -> String {
        match self {
            Self::Canned => "canned answers".to_owned(),
            Self::Dovecot => format!("Dovecot {}, Maildir", Kind::Dovecot.version(Path::new("dovecot"))),
        }
    }

    /// What has to be there and is not.
    fn missing(self) -> Option<String> {
        (self == Self::Dovecot && Kind::Dovecot.missing().is_some()).then(|| {
            "the real server is missing: apt-get install --no-install-recommends dovecot-imapd\n        \
             or leave it out: --before canned"
                .to_owned()
        })
    }
}

fn main() -> ExitCode {
    let arguments = std::env::args().collect::<Vec<_>>();
    let result = match arguments.as_slice() {
        // The runner starts itself as the backend.
        [_, word, plain, tls, chain, key, mailboxes, messages] if word == "--serve-backend" => {
            let size = mailboxes.parse().ok().zip(messages.parse().ok());
            let (mailboxes, messages) = size.expect("numbers, as the runner writes them");
            let doors = [plain, tls].map(|door| door.parse().expect("an address, as the runner writes it"));
            backend::main(doors, Path::new(chain), Path::new(key), backend::Size { mailboxes, messages })
        }
        _ => run(&Options::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("hidden: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let backends = Backend::ALL.into_iter().filter(|backend| options.before.is_none_or(|only| only == *backend));
    let backends = backends.collect::<Vec<_>>();
    let setpriv = place::program("setpriv")
        .is_none()
        .then(|| "setpriv is missing: apt-get install --no-install-recommends util-linux".to_owned());
    let lacking = backends.iter().filter_map(|backend| backend.missing()).chain(setpriv).collect::<Vec<_>>();
    if !lacking.is_empty() {
        return Err(io::Error::other(lacking.join("\nhidden: ")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    print!("{}", report::head(options));
    for backend in backends {
        // Ended with all that it started when a Ctrl-C comes, too.
        let measured = runtime.block_on(async {
            tokio::select! {
                measured = measure::all(options, backend) => measured,
                _ = tokio::signal::ctrl_c() => Err(io::Error::from(io::ErrorKind::Interrupted)),
            }
        })?;
        print!("{}", report::table(&backend.title(), &measured));
    }
    Ok(())
}
