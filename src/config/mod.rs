//! The configuration file, read and resolved.
//!
//! ```text
//!   imapwarden.toml ─▶ table ─▶ listener, upstream, section ─▶ Config
//!                        │               │        ▲
//!                      keys            unit     checks          every problem at once, each with its place
//! ```
//!
//! Knows what may stand in the file and what it means: units, defaults, paths, and which keys go together. Reads no rule
//! and no certificate, opens no socket. Keys that a later version will take are told apart from keys that nobody knows.
//!
//! ```no_run
//! use imapwarden::{config::Config, diagnostic::Sources};
//! let mut sources = Sources::default();
//! let (config, problems) = Config::load("imapwarden.toml".as_ref(), &mut sources);
//! assert_eq!(config.is_none(), problems.iter().any(|problem| problem.is_error()));
//! ```

mod checks;
pub mod keys;
mod listener;
mod places;
mod read;
mod rule_files;
mod section;
mod table;
mod unit;
mod upstream;
mod values;

/// A time as people write it: `90s`, `1h`.
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    unit::time(text).ok()
}

pub use places::Places;
pub use read::read;
pub use table::reason;
pub use values::{
    Admin, AdminBind, AdminToken, Audit, Auth, CertificatePair, Config, Durability, ForwardClient, GroupsPath, Hashed,
    Limits, Listener, ListenerTls, Log, LogFormat, LogLevel, OnFailure, Policy, Rate, Role, Server, State, Upstream,
    UpstreamTls,
};
