//! What an operator asks of a running proxy, over HTTP.
//!
//! ```text
//!   TCP ─▶ server (connections, timeouts) ─▶ guard (Host, Origin) ─▶ route ─▶ /metrics   Metrics::render
//!                                                                         ├─▶ /          the live page, and its files
//!                                                                         ├─▶ /healthz   the process lives
//!                                                                         ├─▶ /readyz    Health::checks
//!                                                                         └─▶ /api/v1/…  access ─▶ Control ─▶ recorded
//! ```
//!
//! Only GET reads and only POST changes; nothing changes without a token. Rules and configuration are changed in files: what
//! is in force is what was read from there.
//!
//! **Invariants.** No answer repeats what the request said. A page of another site cannot read from here, or have anything
//! done, whatever name its owner lets point to this address (DNS rebinding): the guard comes before the route. Every call but
//! of /metrics, /healthz and /readyz is on record before its answer leaves. At most [`MAX_CONNECTIONS`] are open, each for a bounded time.

mod access;
mod answer;
mod api;
mod control;
mod events;
mod guard;
mod locks;
mod overview;
mod query;
mod route;
mod server;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;

pub use access::{TokenFault, Tokens};
pub use control::{
    Access, Call, Control, Drain, Explained, Follow, InForce, LockChange, Locking, Reload, Rule, Unlocking, Work,
};
pub use query::escaped;
pub use server::{Door, MAX_CONNECTIONS, SocketPath, serve};

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::body::{Body, Incoming};
use hyper::{Request, StatusCode};

use self::route::{Found, Route};
use crate::metrics::Metrics;
use answer::Answer;

/// What the answers are made from.
pub struct AdminState {
    /// Rendered at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Asked at `/readyz`.
    pub health: Arc<dyn Health>,
    /// Does what the API is asked for.
    pub control: Arc<dyn Control>,
    /// Who may ask; another one after a reload.
    pub tokens: ArcSwap<Tokens>,
    /// Names by which it is called; others after a reload.
    pub hosts: ArcSwap<Vec<Box<str>>>,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState").finish_non_exhaustive()
    }
}

/// Who knows whether clients may be sent here.
pub trait Health: Send + Sync {
    /// Each check by name (`listeners`, `policy`, `audit`, `draining`), and whether it lets clients come.
    fn checks(&self) -> Vec<(&'static str, bool)>;
}

/// One request. Nothing in it is believed before the guard has passed it.
async fn answer(request: Request<Incoming>, local: IpAddr, state: &AdminState) -> Answer {
    match Found::at(request.uri().path()) {
        Some(Found { route, .. }) if route.is_open() => {
            let answer = read(&request, route, local, state).await;
            if route.is_recorded() { api::recorded(&request, route, answer, state).await } else { answer }
        }
        _ => api::answer(request, local, state).await,
    }
}

/// What everybody who can connect may read.
async fn read(request: &Request<Incoming>, route: Route, local: IpAddr, state: &AdminState) -> Answer {
    if let Err(refusal) = guard::check(request, local, &state.hosts.load()) {
        return refusal.into();
    }
    if route.way(request.method()).is_none() {
        return not_that_way(route);
    }
    if !request.body().is_end_stream() {
        return Answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "a request that reads has no body");
    }
    match route {
        Route::Page => Answer::page("text/html; charset=utf-8", include_str!("page/page.html")),
        Route::Style => Answer::page("text/css; charset=utf-8", include_str!("page/page.css")),
        Route::Script => Answer::page("text/javascript; charset=utf-8", include_str!("page/page.js")),
        Route::Metrics => metrics(Arc::clone(&state.metrics)).await,
        Route::Healthz => Answer::json(StatusCode::OK, &serde_json::json!({ "alive": true })),
        Route::Readyz => readiness(&state.health.checks()),
        // They are answered by `api`.
        _ => nothing_there(),
    }
}

fn nothing_there() -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, "there are /, /metrics, /healthz, /readyz and /api/v1/…")
}

fn not_that_way(route: Route) -> Answer {
    let detail = "GET reads, POST and DELETE change: this takes those that Allow names";
    Answer::problem(StatusCode::METHOD_NOT_ALLOWED, detail).allowing(route.allow())
}

/// Rendering reads files and may take milliseconds: not on a thread that moves mail.
async fn metrics(metrics: Arc<Metrics>) -> Answer {
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(text) => Answer::text("text/plain; version=0.0.4; charset=utf-8", text),
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be rendered"),
    }
}

fn readiness(checks: &[(&'static str, bool)]) -> Answer {
    let ready = checks.iter().all(|(_, ok)| *ok);
    let word = |ok: bool| if ok { "ok" } else { "fail" };
    let named: serde_json::Map<_, _> = checks.iter().map(|(name, ok)| ((*name).to_owned(), word(*ok).into())).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::json(status, &serde_json::json!({ "ready": ready, "checks": named }))
}
