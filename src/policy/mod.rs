//! RULES × REQUEST → VERDICT: pure, total, no clock, no await.

mod bound;
mod identity;
mod request;
mod rule;
mod verdict;

pub use bound::{Bound, Scope};
pub use identity::complete_login;
pub use request::{FlagChange, FlagsWanted, Request, Role, Roles, SpecialUse, Subject, Target, TlsLevel};
pub use rule::RuleSet;
pub use verdict::{Effect, Hiding, Hit, Hits, Kept, LoginVerdict, Narrowing, Permit, Refusal, RefusalKind, Verdict};
