//! Builds all of it from a configuration, and keeps it running.
//!
//! ```text
//!   files ─▶ Prepared ─▶ start: log, sockets, admin ─▶ App::run ─▶ stop: drain, last records
//!                                                        │  ▲
//!                              SIGHUP, POST /api/v1/reload ─▶ reload
//! ```
//!
//! Everything that can be wrong is found before the first socket is bound, and everything that a reload changes is
//! changed together or not at all.

mod addresses;
mod asked;
mod descriptors;
mod desk;
mod doors;
mod facts;
pub mod hash_key;
mod holders;
mod locks;
mod logging;
mod notify;
mod prepared;
pub mod preview;
mod readiness;
mod record;
mod reload;
mod restart;
mod rules;
mod sharing;
mod signals;
mod sockets;
mod start;
mod state;
mod stop;
pub mod trial;

pub use logging::Logging;
pub use prepared::{Found, Prepared};
pub use rules::Rules;
pub use start::{App, Places};
