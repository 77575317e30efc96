//! EVENTS → hash-chained JSON lines.
//!
//! ```text
//!   session ─▶ log ─▶ record, json ─▶ shared (queue) ─▶ writer ─▶ segment ─▶ 00000001.jsonl, 00000002.jsonl, …
//!             spelled ahead └─ in_place, pace ─────────────▲│ chain ▲
//!              resume (at start) ──────────┘                     ├── sync: on disk, then head   pack: sealed ─▶ .zst
//!              watch: no word for 5 s                            │
//!   verify ─▶ scan ─▶ ahead ─▶ lines ◀──────────────────────────┘      report ─▶ people
//!   reader ────────────▶ line: a record as readers see it
//!
//!   keys (at start, at the end of a segment, each minute) ─▶ note ─▶ 00000001.notes        verify ─▶ signed ─▶ note
//! ```
//!
//! What happened is recorded before its bytes move: a session waits until its records are in the kernel, and for the disk
//! only with `durability = "strict"`. Each line names the hash of the one before it; the newest hash is noted in `head`. While nothing can be recorded
//! the log fails, and what it should record is refused, or counted and named later, as `on_failure` says.
//!
//! **Invariants:** all file I/O of the log is in [`segment`] and [`keys`], and of what they open; only who holds the writer gives numbers; no record is told to
//! stand before the kernel has it; what is lost is named by a record.

mod access;
mod ahead;
mod beside;
pub mod chain;
mod decision;
mod error;
mod hashing;
pub mod ids;
mod in_place;
mod json;
mod keys;
mod lent;
mod line;
mod lines;
mod log;
mod note;
mod pace;
mod pack;
mod purge;
mod reader;
pub mod record;
mod report;
mod resume;
mod scan;
mod segment;
mod shared;
mod signed;
pub mod stamp;
mod sync;
mod tail;
mod verify;
mod watch;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use access::{AccessFound, append_access, verify_access};
pub use beside::{init, logs, verify_all};
pub use decision::{Decision, Reference, decision};
pub use error::{LogFailing, OpenError};
pub use hashing::{HashKey, HashedField, Hashing, NotAKey, new_key};
pub use line::{Line, Mailbox, NotARecord, Outcome, Policy, Text};
pub use log::{Entry, Log, Pending, Settings};
pub use note::{KeyId, PublicKey};
pub use reader::{Item, Reader, See, is_live, segments};
pub use report::{Finding, Number, Report, Summary};
pub use scan::Place;
pub use segment::Noted;
pub use shared::Rotated;
pub use signed::Demands;
pub use tail::newest;
pub use verify::{Seen, verify, verify_and_see, verify_with};
