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
mod export;
pub mod filter;
mod gather;
mod ledger;
mod message;
mod names;
mod pending;
pub mod period;
mod query;
mod reads;
mod refusals;
mod searches;
mod seen;
mod sessions;
pub mod table;
mod tail;
mod timeline;
mod volume;

pub use coverage::Coverage;
pub use describe::describe;
pub use export::{Exported, Words};
pub use filter::{Clients, Filter, Pattern};
pub use gather::{Gather, Gathering, print_listing};
pub use message::{Trace, Which};
pub use query::{AsWritten, InWords, Printer, query};
pub use reads::{By, Reads, Style};
pub use refusals::{Refusals, Rules};
pub use searches::Searches;
pub use sessions::{ClientPrograms, Sessions};
pub use tail::{Records, Tail};
pub use timeline::Timeline;
pub use volume::Volume;
