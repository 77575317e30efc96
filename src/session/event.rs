//! Being written by the audit side: the closed list of what can be recorded.

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {}
