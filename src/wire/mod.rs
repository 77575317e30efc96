//! BYTES ⇄ VOCABULARY: the grammar of RFC 9051 section 9 and of the extensions that imapwarden understands.

pub mod command;
pub mod encode;
pub mod envelope;
pub mod error;
pub mod fetch;
pub mod fetch_header;
pub mod fetch_line;
pub mod frame;
pub mod list;
pub mod mailbox;
pub mod number;
pub mod patch;
pub mod response;
pub mod sasl;
pub mod search;
pub mod structure;
pub mod url;
