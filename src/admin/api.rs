//! A request that is not for everybody.
//!
//! ```text
//!   guard ─▶ route ─▶ method, Content-Type ─▶ access ─▶ body ─▶ Control ─▶ answer ─▶ recorded ─▶ sent
//!     └────────┴──────────────┴──────────────────┴────────┴──▶ refused ──────▲
//! ```
//!
//! **Invariant.** No answer leaves before its call is on record; where that cannot be, the answer is 503.

use std::net::IpAddr;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};

use super::AdminState;
use super::access::{Caller, Denied};
use super::answer::Answer;
use super::control::{Call, Reload};
use super::guard;
use super::route::{Asks, Route};

/// Octets of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// One call, recorded. `None` for the route: there is nothing at that path.
pub(super) async fn answer(
    request: Request<Incoming>,
    route: Option<Route>,
    local: IpAddr,
    state: &AdminState,
) -> Answer {
    let mut call = Call {
        who: "nobody".into(),
        role: None,
        method: method(request.method()),
        route: route.map_or("unknown", Route::path),
        target: None,
        status: 0,
    };
    let answer = match admit(&request, route, local, state) {
        Ok((route, caller)) => {
            (call.who, call.role) = (caller.who, Some(caller.role));
            match body(request).await {
                Ok(body) => run(route, &body, state).await,
                Err(refusal) => refusal,
            }
        }
        Err((refusal, caller)) => {
            if let Some(Caller { who, role }) = caller {
                (call.who, call.role) = (who, Some(role));
            }
            refusal
        }
    };
    call.status = answer.status().as_u16();
    match state.control.record(call).await {
        true => answer,
        false => Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the audit log fails: this call is not on record"),
    }
}

/// What was asked for, and by whom; or why not, and by whom where that is known.
fn admit(
    request: &Request<Incoming>,
    route: Option<Route>,
    local: IpAddr,
    state: &AdminState,
) -> Result<(Route, Caller), (Answer, Option<Caller>)> {
    guard::check(request, local).map_err(|stranger| (stranger.into(), None))?;
    let Some((route, needs)) = route.and_then(|route| Some((route, route.needs()?))) else {
        return Err((super::nothing_there(), None));
    };
    let asks = route.asks();
    if !asks.takes(request.method()) {
        return Err((super::not_that_way(asks), None));
    }
    if asks == Asks::Posts && !is_json(request.headers()) {
        // What a form of another site can send is not let in, whatever it carries.
        return Err((Answer::problem(StatusCode::FORBIDDEN, "send Content-Type: application/json"), None));
    }
    let caller = state.tokens.load().caller(request.headers(), local.is_loopback(), needs);
    match caller {
        Ok(caller) => Ok((route, caller)),
        Err(Denied::Role(caller)) => {
            let refusal = Answer::problem(StatusCode::FORBIDDEN, "the role of this token does not allow that");
            Err((refusal, Some(caller)))
        }
        Err(Denied::NoToken) => {
            let detail = "send a token: Authorization: Bearer …; [admin] token_file names its file";
            Err((Answer::problem(StatusCode::UNAUTHORIZED, detail).challenging(), None))
        }
        Err(Denied::WrongToken) => {
            Err((Answer::problem(StatusCode::UNAUTHORIZED, "this token is not known").challenging(), None))
        }
    }
}

/// The object that was sent; an empty one where nothing was.
async fn body(request: Request<Incoming>) -> Result<Map<String, Value>, Answer> {
    let refused = |status, detail| Err(Answer::problem(status, detail));
    let Ok(octets) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or did not come");
    };
    let octets = octets.to_bytes();
    if octets.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&octets) {
        Ok(Value::Object(object)) => Ok(object),
        _ => refused(StatusCode::BAD_REQUEST, "the body is one JSON object, or nothing"),
    }
}

async fn run(route: Route, body: &Map<String, Value>, state: &AdminState) -> Answer {
    match route {
        Route::Reload if body.is_empty() => reloaded(state.control.reload().await),
        Route::Reload => Answer::problem(StatusCode::BAD_REQUEST, "a reload takes no parameters"),
        // They are answered without this module.
        Route::Metrics | Route::Healthz | Route::Readyz => super::nothing_there(),
    }
}

fn reloaded(reload: Reload) -> Answer {
    match reload {
        Reload::Done { told } => Answer::json(StatusCode::OK, &told),
        Reload::Refused { problems, text } => {
            let detail = "nothing was reloaded: what runs stays as it is";
            let more = json!({ "problems": problems, "text": text });
            Answer::problem_with(StatusCode::UNPROCESSABLE_ENTITY, detail, more)
        }
        Reload::Unavailable => {
            Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "nothing was reloaded: the proxy stops, or its log fails")
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

/// Never what was sent.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
