//! The paths, who may ask for each, and how.
//!
//! A path of the API is a row here, an arm in `api::answer`, and a method of [`super::Control`].

use hyper::Method;

use super::access::Needs;
use crate::config::Role;

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Metrics,
    Healthz,
    Readyz,
    Reload,
}

/// How it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// GET, and HEAD.
    Reads,
    /// POST, of one JSON object or nothing.
    Posts,
}

/// Every path.
pub(super) const ROUTES: [(&str, Route); 4] = [
    ("/metrics", Route::Metrics),
    ("/healthz", Route::Healthz),
    ("/readyz", Route::Readyz),
    ("/api/v1/reload", Route::Reload),
];

impl Route {
    pub(super) fn of(path: &str) -> Option<Self> {
        ROUTES.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
    }

    /// As records and documents write it: never what was sent.
    pub(super) fn path(self) -> &'static str {
        ROUTES.iter().find(|(_, route)| *route == self).map_or("unknown", |(path, _)| path)
    }

    /// Who may; `None`: everybody, and it is not recorded.
    pub(super) const fn needs(self) -> Option<Needs> {
        match self {
            Self::Metrics | Self::Healthz | Self::Readyz => None,
            Self::Reload => Some(Needs { roles: &[Role::Operator], changes: true }),
        }
    }

    pub(super) const fn asks(self) -> Asks {
        match self {
            Self::Metrics | Self::Healthz | Self::Readyz => Asks::Reads,
            Self::Reload => Asks::Posts,
        }
    }
}

impl Asks {
    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Reads => matches!(*method, Method::GET | Method::HEAD),
            Self::Posts => *method == Method::POST,
        }
    }

    /// RFC 9110 §10.2.1
    pub(super) const fn allow(self) -> &'static str {
        match self {
            Self::Reads => "GET, HEAD",
            Self::Posts => "POST",
        }
    }

    pub(super) const fn otherwise(self) -> &'static str {
        match self {
            Self::Reads => "this can only be read",
            Self::Posts => "this is asked for by POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_never_asked_for_by_get() {
        for (path, route) in ROUTES {
            assert_eq!((Route::of(path), route.path()), (Some(route), path));
            let changes = route.needs().is_some_and(|needs| needs.changes);
            assert!(!changes || !route.asks().takes(&Method::GET), "{path}");
            assert_eq!(route.needs().is_some(), path.starts_with("/api/"), "{path}");
        }
        assert_eq!(Route::of("/api/v1/reload/"), None);
    }
}
