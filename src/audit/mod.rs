//! EVENTS → hash-chained JSON lines.

pub mod chain;
pub mod ids;
mod json;
pub mod record;
