//! RULES × REQUEST → VERDICT: pure, total, no clock, no await.

mod audit;
mod bound;
mod condition;
mod decide;
mod exception;
mod explain;
mod groups;
mod hours;
mod identity;
mod life;
mod limit;
mod load;
mod lookup;
mod mailboxes;
mod messages;
mod pattern;
#[cfg(test)]
mod properties;
mod request;
mod rule;
mod rule_test;
#[cfg(test)]
mod sample;
mod special_use;
mod standing;
mod survey;
mod verdict;

pub use audit::AuditLevel;
pub use bound::{Bound, Limiting, Scope};
pub use exception::ExceptionInfo;
pub use explain::{Asked, Explanation, Outcome, Passed, Share};
pub use identity::{budget_owner, complete_login, may_mean};
pub use limit::{Counted, Limits, Measure, Per, Quota, Usage};
pub use load::{GroupsFile, LoadContext, RuleFile};
pub use messages::{
    Facts, FilterRule, InternalDate, Judgement, Lasting, MessageFilter, Needs, RuleNumbers, UpstreamSearch,
};
pub use request::{FlagChange, FlagsWanted, Request, Role, Roles, SpecialUse, Subject, Target, TlsLevel};
pub use rule::{Mode, RuleEnd, RuleInfo, RuleSet};
pub use rule_test::{Expect, Given, Placed, RuleTest, check_ids, read_tests};
pub use survey::{Pattern, PatternKey};
pub use verdict::{Effect, Hiding, Hit, Hits, Kept, LoginVerdict, Narrowing, Permit, Refusal, RefusalKind, Verdict};
