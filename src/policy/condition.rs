//! Does a rule apply? `when` and `unless`.
//!
//! ```text
//!   at login, and with each ID            at each command
//!   user, actor, listener, address …  ─▶  hours                 ─▶ in force now?
//!                      └▶ could it be, at any hour and with any ID? That decides the session's scope.
//! ```
//!
//! Keys of a table: all must hold. Values of a key: one of them. In doubt `when` holds and `unless` does not.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::groups::{GroupId, Groups, Memberships};
use super::hours::Hours;
use super::identity::{Differ, Readings};
use super::pattern::TextPattern;
use super::request::{Subject, TlsLevel};
use crate::imap::mailbox::fold_text;

/// One table of conditions. A key that is not there holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    pub(super) user: Option<Box<[TextPattern]>>,
    pub(super) actor: Option<Box<[TextPattern]>>,
    pub(super) delegated: Option<bool>,
    pub(super) group: Option<Box<[GroupId]>>,
    pub(super) listener: Option<Box<[TextPattern]>>,
    pub(super) upstream: Option<Box<[TextPattern]>>,
    pub(super) client_ip: Option<Box<[IpNet]>>,
    pub(super) client_id: Option<Box<[TextPattern]>>,
    pub(super) tls: Option<Box<[TlsLevel]>>,
    pub(super) time: Option<Box<[Hours]>>,
}

/// A subject, made ready to be compared.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) user: Readings,
    pub(super) actor: Readings,
    pub(super) delegated: Differ,
    pub(super) groups: Memberships,
    pub(super) listener: String,
    pub(super) upstream: String,
    pub(super) client_ip: IpAddr,
    pub(super) client_id: String,
    pub(super) tls: TlsLevel,
}

impl Facts {
    pub(super) fn of(subject: &Subject, groups: &Groups) -> Self {
        let (user, actor) = (Readings::of(&subject.user), Readings::of(&subject.actor));
        let text = |text: &str| fold_text(text).trim().to_owned();
        Self {
            delegated: user.differ(&actor),
            groups: groups.of(&user, &actor, &subject.groups),
            user,
            actor,
            listener: text(&subject.listener),
            upstream: text(&subject.upstream),
            // On a socket of both families ::ffff:203.0.113.5 is 203.0.113.5.
            client_ip: subject.client_ip.to_canonical(),
            client_id: text(&subject.client_id),
            tls: subject.tls,
        }
    }
}

impl Condition {
    /// `when`, but for hours and ID: does it hold for any reading of the names?
    pub(super) fn may_hold(&self, facts: &Facts) -> bool {
        let delegated = |wanted| if wanted { facts.delegated.can } else { !facts.delegated.must };
        self.user.as_deref().is_none_or(|user| facts.user.any(|name| matches(user, name)))
            && self.actor.as_deref().is_none_or(|actor| facts.actor.any(|name| matches(actor, name)))
            && self.delegated.is_none_or(delegated)
            && self.group.as_deref().is_none_or(|groups| facts.groups.any_in(groups))
            && self.connection_holds(facts)
    }

    /// `unless`, but for hours and ID: does it hold for all readings of the names?
    pub(super) fn must_hold(&self, facts: &Facts) -> bool {
        let delegated = |wanted| if wanted { facts.delegated.must } else { !facts.delegated.can };
        self.user.as_deref().is_none_or(|user| facts.user.all(|name| matches(user, name)))
            && self.actor.as_deref().is_none_or(|actor| facts.actor.all(|name| matches(actor, name)))
            && self.delegated.is_none_or(delegated)
            && self.group.as_deref().is_none_or(|groups| facts.groups.all_in(groups))
            && self.connection_holds(facts)
    }

    fn connection_holds(&self, facts: &Facts) -> bool {
        self.listener.as_deref().is_none_or(|listener| matches(listener, &facts.listener))
            && self.upstream.as_deref().is_none_or(|upstream| matches(upstream, &facts.upstream))
            && self.client_ip.as_deref().is_none_or(|nets| nets.iter().any(|net| net.contains(&facts.client_ip)))
            && self.tls.as_deref().is_none_or(|levels| levels.contains(&facts.tls))
    }

    /// Does it hold with the ID that was sent last?
    pub(super) fn id_holds(&self, facts: &Facts) -> bool {
        self.client_id.as_deref().is_none_or(|ids| matches(ids, &facts.client_id))
    }

    /// Does it hold at this time?
    pub(super) fn time_holds(&self, at: Timestamp) -> bool {
        self.time.as_deref().is_none_or(|time| time.iter().any(|hours| hours.contain(at)))
    }

    /// When that can next change.
    pub(super) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.time.iter().flatten().filter_map(|hours| hours.next_change(after)).min()
    }
}

pub(super) fn matches(patterns: &[TextPattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}
