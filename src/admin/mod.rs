//! What an operator asks of a running proxy, over HTTP.
//!
//! ```text
//!   TCP ─▶ server (connections, timeouts) ─▶ guard (Host, Origin) ─▶ route ─▶ /metrics   Metrics::render
//!                                                                         ├─▶ /healthz   the process lives
//!                                                                         └─▶ /readyz    Health::checks
//! ```
//!
//! It only reads: nothing here can change what the proxy does. Requests are never recorded, bodies never read.
//!
//! **Invariants.** No answer repeats what the request said. A page of another site cannot read from here, whatever name
//! its owner lets point to this address (DNS rebinding): the guard comes before the route. At most
//! [`MAX_CONNECTIONS`] are open, each for a bounded time.

mod answer;
mod guard;
mod server;
#[cfg(test)]
mod tests;

pub use server::{MAX_CONNECTIONS, serve};

use std::sync::Arc;

use hyper::{Method, Request, StatusCode};

use crate::metrics::Metrics;
use answer::Answer;

/// What the answers are made from.
pub struct AdminState {
    /// Rendered at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Asked at `/readyz`.
    pub health: Arc<dyn Health>,
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

/// The paths, and what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Metrics,
    Healthz,
    Readyz,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/metrics" => Some(Self::Metrics),
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            _ => None,
        }
    }
}

/// One request. Nothing in it is believed before the guard has passed it.
async fn answer<B: hyper::body::Body>(request: &Request<B>, local: std::net::IpAddr, state: &AdminState) -> Answer {
    if let Err(refusal) = guard::check(request, local) {
        return refusal.into();
    }
    let Some(route) = Route::of(request.uri().path()) else {
        return Answer::problem(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz");
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "this can only be read").allowing("GET, HEAD");
    }
    if !request.body().is_end_stream() {
        return Answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "a request that reads has no body");
    }
    match route {
        Route::Metrics => metrics(Arc::clone(&state.metrics)).await,
        Route::Healthz => Answer::json(StatusCode::OK, &serde_json::json!({ "alive": true })),
        Route::Readyz => readiness(&state.health.checks()),
    }
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
