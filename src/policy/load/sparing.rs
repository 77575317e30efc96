//! Does `unless` spare all whom `when` is about?
//!
//! ```text
//!   when = { user = "ann@example.org" }   unless = { user = "*@example.org" }   ─▶ the rule takes nothing
//! ```
//!
//! Says yes only where it can be told from the keys alone.

use ipnet::IpNet;

use crate::policy::condition::Condition;
use crate::policy::pattern::TextPattern;

/// Is every key of `unless` met by whomever `when` is about? `same`: the keys that are spelled alike in both.
pub(super) fn covers(unless: &Condition, when: &Condition, same: impl Fn(&str) -> bool) -> bool {
    let texts = |key: &str, unless: &Option<Box<[TextPattern]>>, when: &Option<Box<[TextPattern]>>| {
        unless.is_none() || same(key) || says_nothing(unless) || texts_cover(unless, when)
    };
    let groups = || match (&unless.group, &when.group) {
        (Some(spared), Some(about)) => about.iter().all(|group| spared.contains(group)),
        (spared, _) => spared.is_none(),
    };
    texts("user", &unless.user, &when.user)
        && texts("actor", &unless.actor, &when.actor)
        && texts("listener", &unless.listener, &when.listener)
        && texts("upstream", &unless.upstream, &when.upstream)
        && texts("client_id", &unless.client_id, &when.client_id)
        && (unless.delegated.is_none() || unless.delegated == when.delegated)
        && (same("group") || groups())
        && (same("client_ip") || nets_cover(unless.client_ip.as_deref(), when.client_ip.as_deref()))
        && match (&unless.tls, &when.tls) {
            (Some(spared), Some(about)) => about.iter().all(|level| spared.contains(level)),
            (spared, _) => spared.is_none(),
        }
        && (unless.time.is_none() || same("time"))
}

fn says_nothing(patterns: &Option<Box<[TextPattern]>>) -> bool {
    patterns.as_deref().unwrap_or_default().iter().any(|pattern| pattern.written().trim() == "*")
}

fn texts_cover(unless: &Option<Box<[TextPattern]>>, when: &Option<Box<[TextPattern]>>) -> bool {
    let (Some(spared), Some(about)) = (unless, when) else { return false };
    let covered = |pattern: &TextPattern| {
        spared.iter().any(|spared| {
            let literal = pattern.as_literal().is_some_and(|name| spared.matches(name));
            let domain = pattern.as_domain().is_some_and(|domain| spared.as_domain() == Some(domain));
            literal || domain || spared.written() == pattern.written()
        })
    };
    about.iter().all(covered)
}

fn nets_cover(unless: Option<&[IpNet]>, when: Option<&[IpNet]>) -> bool {
    match (unless, when) {
        (None, _) => true,
        (Some(spared), Some(about)) => about.iter().all(|net| spared.iter().any(|spared| spared.contains(net))),
        (Some(spared), None) => ["0.0.0.0/0", "::/0"]
            .iter()
            .all(|all| all.parse::<IpNet>().is_ok_and(|all| spared.iter().any(|spared| spared.contains(&all)))),
    }
}
