//! EVENTS → hash-chained JSON lines.
//!
//! ```text
//!   session ─▶ log ─▶ shared (queue) ─▶ writer ─▶ record ─▶ segment ─▶ 00000001.jsonl, 00000002.jsonl, …
//!                                          │      chain, json    ▲
//!              resume (at start) ──────────┘                     ├── sync: on disk, then head
//!              watch: no word for 5 s                            │
//!   verify ─▶ scan ─▶ lines ◀────────────────────────────────────┘      report ─▶ people
//! ```
//!
//! What happened is recorded before its bytes move: a session waits until its records are in the kernel, and never for the
//! disk. Each line names the hash of the one before it; the newest hash is noted in `head`. While nothing can be recorded
//! the log fails, and what it should record is refused, or counted and named later, as `on_failure` says.
//!
//! **Invariants:** all file I/O is in [`segment`], and of what it opens; only the writer gives numbers; no record is told to
//! stand before the kernel has it; what is lost is named by a record.

pub mod chain;
mod decision;
mod error;
pub mod ids;
mod json;
mod lines;
mod log;
pub mod record;
mod report;
mod resume;
mod scan;
mod segment;
mod shared;
mod sync;
mod verify;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

pub use decision::{Decision, Reference, decision};
pub use error::{LogFailing, OpenError};
pub use log::{Entry, Log, Pending, Settings};
pub use report::{Finding, Report};
pub use segment::Noted;
pub use verify::verify;
