//! THE ONLY SOCKETS.
//!
//! ```text
//!   client ─▶ listener ─▶ leg ─┐                       ┌─ leg ◀─ upstream
//!                              ├─▶ relay ◀─▶ Session ──┤
//!   drain: news for all ───────┘                       └─▶ audit log, metrics
//! ```
//!
//! [`Server`] is what all sessions share; [`Bound::bind`] and [`serve`] let clients in. Read `relay` first, then `outputs`:
//! one task a session, and a session knows nothing of sockets, TLS or time.
//!
//! **Invariants.** Nothing but this module opens a socket. No octet leaves before the record that it stands behind. A
//! session that waits holds no buffer.

mod acquaint;
mod admission;
mod certificate;
mod channel;
mod drain;
mod inherited;
mod leg;
mod listener;
mod live;
mod outputs;
mod proxy_protocol;
mod pulse;
mod refusals;
mod relay;
mod server;
mod talk;
mod tls;
mod upstream;
mod visit;

pub use inherited::{Inherited, Listening};
pub use listener::{Bound, ListenerState, serve};
pub use live::{Counted, Facts, Live};
pub use refusals::Refused;
pub use server::Server;
pub use tls::{CertificateFacts, ServerTls, TlsFault, Trust};
pub use upstream::Connector;
pub use visit::{Visit, VisitError};

/// Octets that one session holds at most for its peers.
pub const MOST_HELD: u64 = leg::MOST_HELD as u64;

#[cfg(test)]
mod tests;
