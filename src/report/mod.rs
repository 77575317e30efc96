//! A LOG → WHAT PEOPLE ASK OF IT.
//!
//! ```text
//!   audit::verify_and_see ─▶ Seen ─▶ filter ─▶ reads, sessions, refusals, … ─▶ table ─▶ people
//!                        └─▶ coverage (said first)                           └▶ JSON  ─▶ programs
//! ```
//!
//! A report is made of the records that were verified in the same pass, and says first what it covers. What is not known is
//! never left out: an intent without its done counts as done, and in full.
//!
//! **Invariant:** reads logs through [`crate::audit`] only, and writes nothing but what it prints.

pub mod coverage;
pub mod data;
mod describe;
pub mod filter;
pub mod period;
mod query;
pub mod table;

pub use coverage::Coverage;
pub use describe::describe;
pub use filter::{Clients, Filter, Pattern};
pub use query::{AsWritten, InWords, Printer, Tail, query};
