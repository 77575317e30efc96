//! Rules on trial, without a server: one question explained, or the unit tests of rules run.
//!
//! ```text
//!   configuration, rules ─▶ Ground ─┐
//!   user, address, time ────────────┼─▶ Told: what the rules do, and why ─▶ account: in words, in JSON
//!   command ─▶ Question ────────────┘
//!   *.test.toml ─▶ suite ─▶ run: each test asks the ground ─▶ Report: passed, failed, rules reached
//!   audit log ─▶ replay: each command asks the ground ─▶ Difference: what would come out otherwise, and who holds what goes
//! ```
//!
//! Sessions ask policy the same in the same way: commands are parsed by `wire`, what they ask for comes from
//! `session::asks`.

mod account;
mod difference;
mod ground;
mod past;
mod question;
mod reads;
mod replay;
mod run;
mod suite;

pub use account::{to_json, to_text};
pub use difference::{Change, Difference};
pub use ground::{Ground, Told};
pub use past::Past;
pub use question::{Fault, Question};
pub use replay::Replay;
pub use run::{Report, run};
pub use suite::{Suite, check};
