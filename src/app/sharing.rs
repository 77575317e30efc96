//! What sessions share, made from a configuration.

use std::sync::Arc;
use std::time::Instant;

use super::Prepared;
use crate::audit::Log;
use crate::config::{Config, ForwardClient, Upstream, UpstreamTls};
use crate::imap::glob::{Glob, GlobError};
use crate::imap::mailbox::fold_text;
use crate::metrics::Metrics;
use crate::net::Connector;
use crate::session::locks::Locks;
use crate::session::verdicts::Verdicts;
use crate::session::{Budgets, Clock, InMemory, Limits, Shared, UpstreamInfo, UserTest};

/// The rules, limits and upstreams in force. Of an upstream that is as it was before, what has been learnt stays known.
pub(super) fn shared(
    prepared: &Prepared,
    clock: Arc<Clock>,
    verdicts: Arc<dyn Verdicts>,
    locks: Arc<Locks>,
    before: Option<(&Config, &Shared)>,
) -> Shared {
    let config = &prepared.config;
    let upstreams = config.upstreams.iter().map(|upstream| {
        let known = before.and_then(|(config, shared)| {
            config.upstreams.contains(upstream).then_some(())?;
            shared.upstreams.iter().find(|info| *info.name == *upstream.name)
        });
        known.map_or_else(|| Arc::new(upstream_info(upstream)), Arc::clone)
    });
    Shared {
        rules: Arc::clone(&prepared.rules.set),
        default_domain: config.auth.default_domain.clone(),
        upstreams: upstreams.collect(),
        limits: Limits {
            pre_auth_timeout: config.limits.pre_auth_timeout,
            idle_timeout: config.limits.idle_timeout,
            upstream_timeout: config.limits.upstream_timeout,
            max_line: config.limits.max_line,
            max_literal: config.limits.max_literal,
        },
        budgets: before.map_or_else(budgets, |(_, shared)| Arc::clone(&shared.budgets)),
        locks,
        verdicts,
        clock,
        stopwatch: Instant::now,
    }
}

/// Those of one process: full at its start.
fn budgets() -> Arc<dyn Budgets> {
    Arc::new(InMemory::new(Instant::now()))
}

/// The ways to the upstreams.
pub(super) fn connectors(prepared: &Prepared, log: &Log, metrics: &Metrics) -> Vec<Connector> {
    let timeout = prepared.config.limits.upstream_timeout;
    let upstreams = prepared.config.upstreams.iter().zip(&prepared.trust);
    let connector = |(upstream, trust): (&Upstream, &Option<_>)| {
        Connector::new(upstream, Clone::clone(trust), timeout, log.clone(), metrics.upstream(&upstream.name))
    };
    upstreams.map(connector).collect()
}

fn upstream_info(upstream: &Upstream) -> UpstreamInfo {
    let starttls = upstream.tls == UpstreamTls::Starttls;
    UpstreamInfo::new(Arc::from(&*upstream.name), starttls, serves(&upstream.match_user))
        .tells_client(upstream.forward_client == ForwardClient::Id)
        .deleted_expunges(upstream.deleted_expunges)
}

/// Whom an upstream serves: whoever one of the globs matches, in any case.
pub(super) fn serves(match_user: &[String]) -> Option<UserTest> {
    if match_user.is_empty() {
        return None;
    }
    let globs: Vec<Glob> = match_user.iter().filter_map(|text| user_glob(text).ok()).collect();
    Some(Box::new(move |user| {
        let user = fold_text(user);
        globs.iter().any(|glob| glob.matches(user.trim()))
    }))
}

/// One of `match_user`.
pub(super) fn user_glob(text: &str) -> Result<Glob, GlobError> {
    Glob::text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_serve_whom_their_globs_match() {
        for (globs, user, served) in [
            (&["*@example.org"][..], "ann@example.org", true),
            (&["*@example.org"], "Ann@Example.ORG", true),
            (&["*@example.org"], "ann@example.org.evil.example", false),
            (&["*@example.org", "root"], "root", true),
            (&["a??@example.org"], "ann@example.org", true),
            (&["a??@example.org"], "anna@example.org", false),
        ] {
            let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
            let serves = serves(&globs).expect("there are globs");
            assert_eq!(serves(user), served, "{globs:?} {user}");
        }
        assert!(serves(&[]).is_none(), "everybody is served without");
    }
}
