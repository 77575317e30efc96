//! What to measure.

use std::path::PathBuf;

use clap::Parser;

use crate::peer::Kind;
use crate::work::Leg;

/// CPU time, latency and memory of imapwarden and its peers, measured in one run.
#[derive(Debug, Parser)]
#[command(name = "peers", bin_name = "cargo bench --bench peers --")]
pub struct Options {
    /// Each work load on each peer in turn, so many times; the report has the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Only the work load of this name, or all with this in their names; may be repeated
    #[arg(long, value_name = "WORK")]
    pub only: Vec<String>,
    /// Which peers, and in which order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST",
        default_values_t = [Kind::Direct, Kind::Imapwarden, Kind::ImapwardenNoRules, Kind::Nginx, Kind::Haproxy, Kind::Dovecot])]
    pub peers: Vec<Kind>,
    /// Only clients in clear, or only those in TLS
    #[arg(long, value_enum)]
    pub client: Option<Leg>,
    /// One short round, and a tenth of the sessions where there are thousands: shows that it works, not what it costs
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// How long each measurement takes, where it is not its work that says so
    #[arg(long, default_value_t = 0.6, value_parser = seconds)]
    pub seconds: f64,
    /// Tables as docs/performance.md has them
    #[arg(long)]
    pub markdown: bool,
    /// The imapwarden to measure, instead of the one just built
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_imapwarden"))]
    pub imapwarden: PathBuf,
    /// Not the peers: how imapwarden's cost grows with sessions, mailboxes, messages and rules; draws it into this file (SVG)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "peers", "client"])]
    pub curves: Option<PathBuf>,
    /// Names of the work loads, and nothing else
    #[arg(long)]
    pub list: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// Long enough to do something in, and not so long that patience ends first.
fn seconds(word: &str) -> Result<f64, String> {
    let seconds = word.parse::<f64>().map_err(|e| e.to_string())?;
    if (0.01..=30.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.01 to 30".to_owned()) }
}
