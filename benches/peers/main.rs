//! What does a proxy cost? imapwarden beside the proxies that people trust today, in one run.
//!
//! ```text
//!                      ┌─▶ imapwarden, with 100 rules and without ─┐
//!   load (this process,├─▶ nginx's mail proxy ─────────────────────┤
//!   many sessions: its ├─▶ HAProxy in TCP mode ────────────────────┼─▶ backend: canned answers (a child of this process),
//!   children)          ├─▶ Dovecot's proxy ────────────────────────┤            or a real Dovecot
//!                      └─▶ nothing ────────────────────────────────┘
//! ```
//!
//! `cargo bench --bench peers` measures all and prints tables; `-- --help` says how to measure less. Needs Debian's
//! packages of the peers, and says which are missing. Clients come in clear and in TLS 1.3.

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
        [_, word, plain, tls, chain, key, mailboxes, messages] if word == "--serve-backend" => {
            let size = mailboxes.parse().ok().zip(messages.parse().ok());
            let (mailboxes, messages) = size.expect("numbers, as the runner writes them");
            let doors = [plain, tls].map(|door| door.parse().expect("an address, as the runner writes it"));
            backend::main(doors, Path::new(chain), Path::new(key), backend::Size { mailboxes, messages })
        }
        // And as the clients of many sessions.
        [_, word, arguments @ ..] if word == "--hold-sessions" => return work::crowd::main(arguments),
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
