//! Builds all of it from a configuration.

mod prepared;

pub use prepared::{Found, Prepared};
