//! Clients: many, correct and quick.
//!
//! ```text
//!   Door ──connect──▶ Client ── command, pipeline, append, idle ──▶ reads exactly to the tagged response
//!    └─ in clear, or TLS 1.3 with or without tickets                 └─ Responses: lines, literals counted
//! ```

pub mod client;
pub mod door;
pub mod latency;
mod responses;
mod stream;
pub mod tls;
