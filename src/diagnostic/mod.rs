//! What is wrong in a file, where, and how to mend it.
//!
//! ```text
//! error: unknown right `z`
//!   --> rules/finance.toml:14:13
//!    |
//! 14 | rights = "lrz"
//!    |             ^ not a right of RFC 4314
//!    = help: the rights are l r s w i p k x t e a; `x` deletes mailboxes
//! ```
//!
//! A [`Problem`] is a message with a place; [`Sources`] keeps the texts that places point into; [`render`] shows all
//! problems to people, [`to_json`] to editors. Nothing here knows what the files mean.
//!
//! ```
//! use imapwarden::diagnostic::{Problem, Sources, render};
//! let mut sources = Sources::default();
//! let file = sources.insert("rules/finance.toml", "rights = \"lrz\"\n");
//! let problem = Problem::error(&file, 12..13, "unknown right `z`").label("not a right of RFC 4314");
//! assert!(render(&[problem], &sources, false).contains("--> rules/finance.toml:1:13"));
//! ```

mod problem;
mod render;
mod source;
mod suggest;

pub use problem::{Problem, Severity};
pub use render::{render, summary, to_json};
pub use source::{Position, Sources};
pub use suggest::suggest;
