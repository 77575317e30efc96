//! The paths, who may ask for each, and how.
//!
//! A path of the API is a row here, an arm in `api::run`, and a method of [`super::Control`].

use hyper::Method;

use super::access::Needs;
use crate::config::Role;

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Page,
    Style,
    Script,
    Metrics,
    Healthz,
    Readyz,
    Overview,
    Sessions,
    Session,
    Kill,
    Locks,
    Lock,
    Rules,
    Reload,
    Drain,
    Upstreams,
    AuditHead,
    AuditCheckpoint,
    AuditEvents,
    AuditAccess,
    AuditStream,
    AuditRotate,
    Explain,
    Config,
}

/// What is done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// GET, and HEAD.
    Read,
    /// POST, of one JSON object or nothing.
    Post,
    /// DELETE.
    Delete,
}

/// A path that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'p> {
    pub route: Route,
    /// What the path names, where it names something.
    pub named: &'p str,
}

/// A path, and what can be done there by whom; without needs: by everybody.
struct Row {
    path: &'static str,
    route: Route,
    ways: &'static [(Way, Option<Needs>)],
}

const EVERYBODY: &[(Way, Option<Needs>)] = &[(Way::Read, None)];

/// Sees how many, and of what.
const COUNTS: Option<Needs> = Some(Needs { roles: &[Role::Viewer, Role::Operator, Role::Auditor], changes: false });

/// Reads the log.
const LOG: Option<Needs> = Some(Needs { roles: &[Role::Auditor], changes: false });

/// Only whoever may all.
const ALL: Option<Needs> = Some(Needs { roles: &[], changes: false });

/// Sees names.
const NAMES: Option<Needs> = Some(Needs { roles: &[Role::Operator, Role::Auditor], changes: false });

/// Sees who is kept out.
const LOCKS: Option<Needs> = Some(Needs { roles: &[Role::Operator], changes: false });

/// Changes something.
const CHANGE: Option<Needs> = Some(Needs { roles: &[Role::Operator], changes: true });

/// Tells that they read the log.
const READ: Option<Needs> = Some(Needs { roles: &[Role::Auditor], changes: true });

/// Every path. What stands in braces is any text without a slash.
const ROWS: &[Row] = &[
    Row { path: "/", route: Route::Page, ways: EVERYBODY },
    Row { path: "/page.css", route: Route::Style, ways: EVERYBODY },
    Row { path: "/page.js", route: Route::Script, ways: EVERYBODY },
    Row { path: "/metrics", route: Route::Metrics, ways: EVERYBODY },
    Row { path: "/healthz", route: Route::Healthz, ways: EVERYBODY },
    Row { path: "/readyz", route: Route::Readyz, ways: EVERYBODY },
    Row { path: "/api/v1/overview", route: Route::Overview, ways: &[(Way::Read, COUNTS)] },
    Row { path: "/api/v1/sessions", route: Route::Sessions, ways: &[(Way::Read, NAMES)] },
    Row { path: "/api/v1/sessions/{sid}", route: Route::Session, ways: &[(Way::Read, NAMES), (Way::Delete, CHANGE)] },
    Row { path: "/api/v1/kill", route: Route::Kill, ways: &[(Way::Post, CHANGE)] },
    Row { path: "/api/v1/locks", route: Route::Locks, ways: &[(Way::Read, LOCKS), (Way::Post, CHANGE)] },
    Row { path: "/api/v1/locks/{id}", route: Route::Lock, ways: &[(Way::Delete, CHANGE)] },
    Row { path: "/api/v1/rules", route: Route::Rules, ways: &[(Way::Read, COUNTS)] },
    Row { path: "/api/v1/reload", route: Route::Reload, ways: &[(Way::Post, CHANGE)] },
    Row { path: "/api/v1/drain", route: Route::Drain, ways: &[(Way::Post, CHANGE), (Way::Delete, CHANGE)] },
    Row { path: "/api/v1/upstreams", route: Route::Upstreams, ways: &[(Way::Read, COUNTS)] },
    Row { path: "/api/v1/audit/head", route: Route::AuditHead, ways: &[(Way::Read, COUNTS)] },
    Row { path: "/api/v1/audit/checkpoint", route: Route::AuditCheckpoint, ways: &[(Way::Read, COUNTS)] },
    Row { path: "/api/v1/audit/events", route: Route::AuditEvents, ways: &[(Way::Read, LOG)] },
    Row { path: "/api/v1/audit/access", route: Route::AuditAccess, ways: &[(Way::Post, READ)] },
    Row { path: "/api/v1/audit/stream", route: Route::AuditStream, ways: &[(Way::Read, LOG)] },
    Row { path: "/api/v1/audit/rotate", route: Route::AuditRotate, ways: &[(Way::Post, CHANGE)] },
    Row { path: "/api/v1/explain", route: Route::Explain, ways: &[(Way::Post, NAMES)] },
    Row { path: "/api/v1/config", route: Route::Config, ways: &[(Way::Read, ALL)] },
];

impl<'p> Found<'p> {
    pub(super) fn at(path: &'p str) -> Option<Self> {
        ROWS.iter().find_map(|row| Some(Self { route: row.route, named: named(row.path, path)? }))
    }
}

/// `Some` where the path is that of the row: what it names.
fn named<'p>(row: &str, path: &'p str) -> Option<&'p str> {
    match row.split_once('{') {
        None => (row == path).then_some(""),
        Some((before, _)) => path.strip_prefix(before).filter(|named| !named.is_empty() && !named.contains('/')),
    }
}

impl Route {
    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.route == self)
    }

    fn ways(self) -> &'static [(Way, Option<Needs>)] {
        self.row().map_or(&[], |row| row.ways)
    }

    /// Every way to what is not for everybody, as method and path.
    #[cfg(test)]
    pub(super) fn guarded() -> impl Iterator<Item = (&'static str, &'static str)> {
        let ways = ROWS.iter().flat_map(|row| row.ways.iter().map(move |way| (row, way)));
        ways.filter(|(_, (_, needs))| needs.is_some()).map(|(row, (way, _))| match way {
            Way::Read => ("GET", row.path),
            Way::Post => ("POST", row.path),
            Way::Delete => ("DELETE", row.path),
        })
    }

    /// As records and documents write it: never what was sent.
    pub(super) fn path(self) -> &'static str {
        self.row().map_or("unknown", |row| row.path)
    }

    /// Is it for everybody?
    pub(super) fn is_open(self) -> bool {
        self.ways().iter().all(|(_, needs)| needs.is_none())
    }

    /// What machines ask for every few seconds is not recorded.
    pub(super) const fn is_recorded(self) -> bool {
        !matches!(self, Self::Metrics | Self::Healthz | Self::Readyz)
    }

    /// What this method does here, and what it needs.
    pub(super) fn way(self, method: &Method) -> Option<(Way, Option<Needs>)> {
        self.ways().iter().copied().find(|(way, _)| way.is(method))
    }

    /// RFC 9110 §10.2.1
    pub(super) fn allow(self) -> String {
        let words: Vec<&str> = self.ways().iter().map(|(way, _)| way.allow()).collect();
        words.join(", ")
    }
}

impl Way {
    fn is(self, method: &Method) -> bool {
        match self {
            Self::Read => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => *method == Method::POST,
            Self::Delete => *method == Method::DELETE,
        }
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_never_asked_for_by_get() {
        for row in ROWS {
            let path = row.path.replace("{sid}", "0123abcd").replace("{id}", "0123abcd");
            assert_eq!(Found::at(&path).map(|found| found.route), Some(row.route), "{path}");
            assert_eq!(row.route.path(), row.path);
            for (way, needs) in row.ways {
                assert_eq!(needs.is_some(), path.starts_with("/api/"), "{path}");
                // A question too long for a query is asked by POST, and changes nothing.
                let changes = *way != Way::Read && row.route != Route::Explain;
                assert_eq!(needs.is_some_and(|needs| needs.changes), changes, "{path} {way:?}");
            }
        }
    }

    #[test]
    fn paths_that_name_something() {
        let rows = [
            ("/api/v1/sessions/4c2q8m0v7x1t", Some((Route::Session, "4c2q8m0v7x1t"))),
            ("/api/v1/sessions", Some((Route::Sessions, ""))),
            ("/api/v1/sessions/", None),
            ("/api/v1/sessions/a/b", None),
            ("/api/v1/reload/", None),
            ("/api/v1/reload/x", None),
        ];
        for (path, want) in rows {
            assert_eq!(Found::at(path).map(|found| (found.route, found.named)), want, "{path}");
        }
    }

    #[test]
    fn methods() {
        assert_eq!(Route::Session.allow(), "GET, HEAD, DELETE");
        assert!(Route::Session.way(&Method::HEAD).is_some() && Route::Session.way(&Method::POST).is_none());
    }
}
