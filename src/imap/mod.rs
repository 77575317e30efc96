//! VOCABULARY: plain values of IMAP. No bytes, no I/O.

pub mod capability;
pub mod glob;
pub mod mailbox;
pub mod message;
pub mod rights;
pub mod status;
pub mod verb;
