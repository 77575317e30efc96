//! An IMAP server in memory with sample mail, and the tour that `imapwarden demo` gives with it. Tests use the same
//! server as an upstream.
//!
//! ```text
//!   server ── wire::command ──▶ commands ──▶ view ──▶ store        a connection's loop, a command, numbers, mail
//!                               list search fetch ──▶ mime envelope structure
//! ```
//!
//! It speaks IMAP4rev1 as clients expect it and keeps nothing: no TLS, no quotas, no disk. It is no part of what is
//! proxied and judges nothing; the rules of the tour are ordinary files that the proxy reads.

mod attachment;
mod commands;
pub mod envelope;
mod fetch;
mod folders;
mod incoming;
mod list;
mod messages;
pub mod mime;
mod sample;
mod search;
mod section;
pub mod server;
pub mod store;
pub mod structure;
mod text;
mod view;

pub use sample::{LOGIN, sample_store};
