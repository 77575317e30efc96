//! EVENTS → hash-chained JSON lines.

pub mod chain;
mod error;
pub mod ids;
mod json;
mod lines;
mod log;
pub mod record;
mod report;
mod resume;
mod segment;
mod shared;
mod sync;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{LogFailing, OpenError};
pub use log::{Entry, Log, Pending, Settings};
pub use report::{Finding, Report};
pub use segment::Noted;
pub use verify::verify;
