//! An IMAP server in memory with sample mail, and the tour that `imapwarden demo` gives with it. Tests use the same
//! server as an upstream.
//!
//! ```text
//!   server ── incoming ──▶ commands ──▶ view ──▶ store      a connection, a command, its numbers, the mail
//!             folders list messages search ──▶ text
//!                                    fetch ──▶ section mime envelope structure
//!   sample ── attachment ──▶ store                          what is in it at first;  tour: what to do with it
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
mod tour;
mod view;

pub use sample::{LOGIN, sample_store};
pub use tour::{RULES, TourPlaces, tour};
