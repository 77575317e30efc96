//! What does a proxy cost? imapwarden beside the proxies that people trust today, in one run.
//!
//! ```text
//!                      ┌─▶ imapwarden, with 100 rules and without ─┐
//!   load (this process)├─▶ nginx's mail proxy ─────────────────────┤
//!   in clear and in    ├─▶ HAProxy in TCP mode ────────────────────┼─▶ backend: canned answers (a child of this process),
//!   TLS 1.3            ├─▶ Dovecot's proxy ────────────────────────┤            or a real Dovecot
//!                      └─▶ nothing ────────────────────────────────┘
//! ```
//!
//! `cargo bench --bench peers` measures all and prints tables; `-- --help` says how to measure less. Needs Debian's
//! packages of the peers, and says which are missing.

mod backend;
mod curves;
mod descriptors;
mod load;
mod options;
mod peer;
mod place;
mod report;
mod runner;
mod usage;
mod work;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = std::env::args().collect::<Vec<_>>();
    let result = match arguments.as_slice() {
        // The runner starts itself as the backend.
        [_, word, chain, key, mailboxes, messages] if word == "--serve-backend" => {
            let size = mailboxes.parse().ok().zip(messages.parse().ok());
            let (mailboxes, messages) = size.expect("numbers, as the runner writes them");
            backend::main(Path::new(chain), Path::new(key), backend::Size { mailboxes, messages })
        }
        _ => return runner::main(&options::Options::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("backend: {e}");
            ExitCode::FAILURE
        }
    }
}
