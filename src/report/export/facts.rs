//! What exports ask of a record beside its own fields.

use crate::audit::{Line, Text};
use crate::report::data::Data;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was meant.
    Success,
    /// Refused, failed or cut.
    Failure,
    /// Not known yet: an announcement.
    Unknown,
}

/// What the rules did about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing was taken.
    Allowed,
    /// It was not done.
    Denied,
    /// Only a rule in shadow would have taken something.
    Observed,
    /// It was done with less.
    Modified,
}

/// How it went.
#[must_use]
pub fn outcome(line: &Line<'_>) -> Outcome {
    let status = line.result.as_ref().map(|result| result.status);
    match (line.type_name, line.stage, status) {
        (_, Some("intent"), _) => Outcome::Unknown,
        (_, Some("refused"), _) => Outcome::Failure,
        (_, _, Some("OK")) => Outcome::Success,
        (_, _, Some(_)) => Outcome::Failure,
        (
            "auth.failure" | "auth.refused" | "session.refused" | "command.refused" | "limit.hit"
            | "policy.load_failed" | "protocol.fault" | "filter.failure" | "audit.gap" | "session.kill",
            ..,
        ) => Outcome::Failure,
        _ if line.code.ends_with('W') && line.type_name == "admin.action" => Outcome::Failure,
        _ => Outcome::Success,
    }
}

/// What the rules did; `None` where they were not asked.
#[must_use]
pub fn action(line: &Line<'_>) -> Option<Action> {
    if matches!(line.type_name, "session.refused" | "limit.hit" | "command.refused" | "auth.refused") {
        return Some(Action::Denied);
    }
    let policy = line.policy.as_ref()?;
    Some(match policy.verdict {
        "refused" | "hidden" | "limited" => Action::Denied,
        "narrowed" => Action::Modified,
        _ if !policy.shadow.is_empty() => Action::Observed,
        _ => Action::Allowed,
    })
}

/// Rules that took something, or else would have.
#[must_use]
pub fn rules(line: &Line<'_>) -> Vec<String> {
    let owned = |rules: &[Text<'_>]| rules.iter().map(|rule| rule.as_str().to_owned()).collect::<Vec<_>>();
    let by = line.policy.as_ref().map(|policy| match policy.by.as_slice() {
        [] => owned(&policy.shadow),
        by => owned(by),
    });
    match by {
        Some(rules) if !rules.is_empty() => rules,
        _ => line
            .data::<Data<'_>>()
            .and_then(|data| data.rule)
            .map(|rule| rule.as_str().to_owned())
            .into_iter()
            .collect(),
    }
}

/// Messages that it was about, and octets of content.
#[must_use]
pub fn counts(data: &Data<'_>) -> (Option<u64>, Option<u64>) {
    (data.n.or(data.hits), data.bytes.or(data.octets_out).or(data.size))
}

/// `log:seq`
#[must_use]
pub fn uid(line: &Line<'_>) -> String {
    format!("{}:{}", line.log, line.seq)
}

/// Is it an address, or what stands for one in a log that hashes them?
pub fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}
