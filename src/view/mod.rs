//! WHAT THIS CLIENT MAY KNOW EXISTS.

pub mod mailboxes;
pub mod messages;
