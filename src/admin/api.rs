//! A request that is not for everybody.
//!
//! ```text
//!   guard ─▶ route ─▶ method, Content-Type ─▶ access ─▶ body ─▶ Control ─▶ answer ─▶ recorded ─▶ sent
//!     └────────┴──────────────┴──────────────────┴────────┴──▶ refused ──────▲
//! ```
//!
//! **Invariant.** No answer leaves before its call is on record; where that cannot be, the answer is 503.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};

use super::AdminState;
use super::access::{Caller, Denied};
use super::answer::Answer;
use super::control::{Access, Call, Control, Drain, Explained, Reload, Unlocking};
use super::route::{Found, Route, Way};
use super::sessions::{Filter, Window};
use super::{events, guard, locks, overview, query, sessions, stream};
use crate::audit::Rotated;
use crate::config::Role;
use crate::net::Live;

/// Octets of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// One call, recorded.
pub(super) async fn answer(request: Request<Incoming>, local: IpAddr, state: &AdminState) -> Answer {
    let path = request.uri().path().to_owned();
    let found = Found::at(&path);
    let mut call = Call {
        who: "nobody".into(),
        role: None,
        method: method(request.method()),
        route: found.map_or("unknown", |found| found.route.path()),
        target: None,
        status: 0,
    };
    let answer = match admit(&request, found, local, state) {
        Ok((found, way, caller)) => {
            (call.who, call.role) = (caller.who.clone(), Some(caller.role));
            match asked(request, found, way, caller.who).await {
                Ok(asked) => run(asked, state, caller.role, &mut call.target).await,
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
    on_record(call, answer, state).await
}

/// The answer to what is for everybody, once it is on record.
pub(super) async fn recorded(request: &Request<Incoming>, route: Route, answer: Answer, state: &AdminState) -> Answer {
    let call = Call {
        who: "nobody".into(),
        role: None,
        method: method(request.method()),
        route: route.path(),
        target: None,
        status: answer.status().as_u16(),
    };
    on_record(call, answer, state).await
}

async fn on_record(call: Call, answer: Answer, state: &AdminState) -> Answer {
    match state.control.record(call).await {
        true => answer,
        false => Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the audit log fails: this call is not on record"),
    }
}

/// What was asked for, and by whom; or why not, and by whom where that is known.
fn admit<'p>(
    request: &Request<Incoming>,
    found: Option<Found<'p>>,
    local: IpAddr,
    state: &AdminState,
) -> Result<(Found<'p>, Way, Caller), (Answer, Option<Caller>)> {
    guard::check(request, local, &state.hosts.load()).map_err(|stranger| (stranger.into(), None))?;
    let Some(found) = found else { return Err((super::nothing_there(), None)) };
    let Some((way, Some(needs))) = found.route.way(request.method()) else {
        return Err((super::not_that_way(found.route), None));
    };
    if way == Way::Post && !is_json(request.headers()) {
        // What a form of another site can send is not let in, whatever it carries.
        return Err((Answer::problem(StatusCode::FORBIDDEN, "send Content-Type: application/json"), None));
    }
    let caller = state.tokens.load().caller(request.headers(), local.is_loopback(), needs);
    match caller {
        Ok(caller) => Ok((found, way, caller)),
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

/// A request that may be answered.
struct Asked<'p> {
    route: Route,
    way: Way,
    /// What the path names.
    named: &'p str,
    /// Name of the token.
    by: Box<str>,
    query: Vec<(String, String)>,
    body: Map<String, Value>,
}

async fn asked(request: Request<Incoming>, found: Found<'_>, way: Way, by: Box<str>) -> Result<Asked<'_>, Answer> {
    let Some(query) = query::pairs(request.uri().query().unwrap_or_default()) else {
        return Err(unclear("the query is no list of key=value, in UTF-8"));
    };
    let Found { route, named } = found;
    Ok(Asked { route, way, named, by, query, body: body(request).await? })
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

/// Does it. `target` is what it is done to, for the record.
async fn run(asked: Asked<'_>, state: &AdminState, role: Role, target: &mut Option<Box<str>>) -> Answer {
    let control = &*state.control;
    match (asked.route, asked.way) {
        (Route::Overview, _) => overview(asked.query, role, state).await,
        (Route::Rules | Route::Upstreams, _) => counted(asked.route, state).await,
        (Route::AuditHead, _) => Answer::json(StatusCode::OK, &overview::head(&control.in_force())),
        (Route::AuditCheckpoint, _) => match control.checkpoint() {
            Some(note) => Answer::text("text/plain; charset=utf-8", note.as_ref().to_owned()),
            None => {
                Answer::problem(StatusCode::NOT_FOUND, "the audit log has no key: `imapwarden audit init` makes one")
            }
        },
        (Route::AuditEvents, _) => events_of(asked.query, asked.by, control).await,
        (Route::AuditAccess, _) => match accessed(&asked.body, &asked.by) {
            Some(access) => {
                on_access(access, control, Answer::json(StatusCode::OK, &json!({ "recorded": true }))).await
            }
            None => unclear("an access has who, command, filter, rows and maybe case"),
        },
        (Route::AuditStream, _) => stream_of(asked.query, asked.by, control).await,
        (Route::AuditRotate, _) if asked.body.is_empty() => rotated(control.rotate().await),
        (Route::AuditRotate, _) => unclear("a rotation takes no parameters"),
        (Route::Explain, _) => {
            *target = asked.body.get("user").and_then(Value::as_str).map(|user| format!("user={user}").into());
            explained(control.explain(asked.body).await)
        }
        (Route::Config, _) => match control.config().await {
            Some(told) => Answer::json(StatusCode::OK, &told),
            None => Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the proxy stops"),
        },
        (Route::Drain, way) if asked.body.is_empty() => drained(control.drain(way == Way::Post).await),
        (Route::Drain, _) => unclear("a drain takes no parameters"),
        (Route::Sessions, _) => sessions_of(asked.query, control.sessions()).await,
        (Route::Session, Way::Delete) => kill_one(&asked, control, target),
        (Route::Session, _) => match sessions::one(asked.named, control.sessions()) {
            Some(told) => found(&told, asked.named, target),
            None => no_session(),
        },
        (Route::Kill, _) => kill(&asked.body, control, target),
        (Route::Locks, Way::Post) => locks::lock(&asked.body, asked.by, control, target).await,
        (Route::Locks, _) => Answer::json(StatusCode::OK, &json!({ "locks": control.locks() })),
        (Route::Lock, _) => {
            let why = why(&asked.query).into();
            locks::unlock(Unlocking { id: asked.named.into(), why, by: asked.by }, control, target).await
        }
        (Route::Reload, _) if asked.body.is_empty() => reloaded(control.reload().await),
        (Route::Reload, _) => unclear("a reload takes no parameters"),
        // They are answered without this module.
        (Route::Page | Route::Style | Route::Script | Route::Metrics | Route::Healthz | Route::Readyz, _) => {
            super::nothing_there()
        }
    }
}

/// Thousands of them are sorted: not on a thread that moves mail.
async fn sessions_of(query: Vec<(String, String)>, live: Vec<Arc<Live>>) -> Answer {
    match tokio::task::spawn_blocking(move || sessions::list(&query, live)).await {
        Ok(Ok(told)) => Answer::json(StatusCode::OK, &told),
        Ok(Err(wrong)) => unclear(wrong),
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the sessions cannot be listed"),
    }
}

/// All numbers of the page; reading them takes as long as a scrape.
async fn overview(query: Vec<(String, String)>, role: Role, state: &AdminState) -> Answer {
    let source = overview::Source::of(state);
    match tokio::task::spawn_blocking(move || source.overview(&query, role)).await {
        Ok(Ok(told)) => Answer::json(StatusCode::OK, &told),
        Ok(Err(wrong)) => unclear(wrong),
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be read"),
    }
}

async fn counted(route: Route, state: &AdminState) -> Answer {
    let source = overview::Source::of(state);
    let told =
        tokio::task::spawn_blocking(move || if route == Route::Rules { source.rules() } else { source.upstreams() });
    match told.await {
        Ok(told) => Answer::json(StatusCode::OK, &told),
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be read"),
    }
}

/// What a tool that read the files tells of it. `case` may be null, and `rows` where that is not known yet.
fn accessed(body: &Map<String, Value>, by: &str) -> Option<Access> {
    let text = |key: &str| body.get(key)?.as_str();
    if body.keys().any(|key| !["who", "command", "filter", "rows", "case"].contains(&&**key)) {
        return None;
    }
    let case = match body.get("case") {
        None | Some(Value::Null) => None,
        Some(case) => Some(case.as_str()?.into()),
    };
    let rows = match body.get("rows") {
        Some(Value::Null) => None,
        rows => Some(rows?.as_u64()?),
    };
    Some(Access {
        who: format!("{} as {by}", text("who")?).into(),
        by_tool: true,
        command: text("command")?.into(),
        filter: text("filter")?.into(),
        rows,
        case,
    })
}

/// Somebody read it here.
fn read_by(who: Box<str>, route: Route, query: &[(String, String)], rows: u64) -> Access {
    let filter: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let filter = filter.join(" ").into();
    Access { who, by_tool: false, command: route.path().into(), filter, rows: Some(rows), case: None }
}

/// What was read of the log leaves once that is on record.
async fn on_access(access: Access, control: &dyn Control, answer: Answer) -> Answer {
    match control.accessed(access).await {
        true => answer,
        false => Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the audit log fails: this reading is not on record"),
    }
}

async fn events_of(query: Vec<(String, String)>, by: Box<str>, control: &dyn Control) -> Answer {
    let asked = match events::Asked::of(&query) {
        Ok(asked) => asked,
        Err(wrong) => return unclear(wrong),
    };
    match control.newest_records().await {
        Ok(lines) => match tokio::task::spawn_blocking(move || asked.of_lines(&lines)).await {
            Ok(told) => {
                let rows = told["records"].as_array().map_or(0, |records| records.len() as u64);
                let access = read_by(by, Route::AuditEvents, &query, rows);
                on_access(access, control, Answer::json(StatusCode::OK, &told)).await
            }
            Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the records cannot be read"),
        },
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the audit log cannot be read"),
    }
}

async fn stream_of(query: Vec<(String, String)>, by: Box<str>, control: &dyn Control) -> Answer {
    let asked = match events::Asked::of(&query) {
        Ok(asked) => asked,
        Err(wrong) => return unclear(wrong),
    };
    let Some(place) = stream::place() else {
        return Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "too many look on already");
    };
    match control.follow().await {
        Ok(follow) => {
            // How much will be shown nobody knows yet.
            let access = read_by(by, Route::AuditStream, &query, 0);
            on_access(access, control, Answer::events(stream::begin(asked, follow, place))).await
        }
        Err(_) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the audit log cannot be read"),
    }
}

fn rotated(rotated: Option<Rotated>) -> Answer {
    match rotated {
        Some(Rotated { sealed, open }) => Answer::json(StatusCode::OK, &json!({ "sealed": sealed, "open": open })),
        None => {
            Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "no segment was sealed: the proxy stops, or its log fails")
        }
    }
}

fn explained(explained: Explained) -> Answer {
    match explained {
        Explained::Told(told) => Answer::json(StatusCode::OK, &told),
        Explained::Unclear(why) => {
            Answer::problem_with(StatusCode::BAD_REQUEST, "this cannot be asked", json!({ "why": why }))
        }
        Explained::Unavailable => Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the proxy stops"),
    }
}

fn drained(drain: Drain) -> Answer {
    match drain {
        Drain::Begun { open, delay_s, window_s } => Answer::json(
            StatusCode::OK,
            &json!({ "draining": true, "open": open, "delay_s": delay_s, "window_s": window_s }),
        ),
        Drain::CalledOff => Answer::json(StatusCode::OK, &json!({ "draining": false })),
        Drain::NothingToDo => Answer::problem(StatusCode::CONFLICT, "nothing was changed: it is so already"),
        Drain::Unavailable => {
            Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "nothing was changed: sessions are ending already")
        }
    }
}

fn found(told: &Value, named: &str, target: &mut Option<Box<str>>) -> Answer {
    *target = Some(named.into());
    Answer::json(StatusCode::OK, told)
}

fn no_session() -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, "no session of this id is open")
}

/// `DELETE /api/v1/sessions/{sid}?why=`
fn kill_one(asked: &Asked<'_>, control: &dyn Control, target: &mut Option<Box<str>>) -> Answer {
    match control.kill(&HashSet::from([asked.named.into()]), why(&asked.query)) {
        0 => no_session(),
        n => found(&json!({ "ended": n }), asked.named, target),
    }
}

fn why(query: &[(String, String)]) -> &str {
    query.iter().find(|(key, _)| key == "why").map_or("", |(_, why)| why)
}

/// `POST /api/v1/kill`
fn kill(body: &Map<String, Value>, control: &dyn Control, target: &mut Option<Box<str>>) -> Answer {
    if body.keys().any(|key| !["filter", "dry_run", "why"].contains(&&**key)) {
        return unclear("a kill takes filter, dry_run and why");
    }
    let filter = match body.get("filter").and_then(Value::as_object).map(Filter::of_object) {
        Some(Ok(filter)) if !filter.is_empty() => filter,
        Some(Err(wrong)) => return unclear(wrong),
        Some(Ok(_)) | None => return unclear("say which sessions: filter, an object that is not empty"),
    };
    *target = Some(filter.said().into());
    let why = body.get("why").and_then(Value::as_str).unwrap_or_default().trim();
    let mut told = sessions::listed(&filter, &Window::default(), control.sessions());
    match body.get("dry_run") {
        Some(Value::Bool(true)) => {
            told["dry_run"] = true.into();
            Answer::json(StatusCode::OK, &told)
        }
        Some(Value::Bool(false)) | None if why.is_empty() => {
            unclear("say why: it stands in the record of each session")
        }
        Some(Value::Bool(false)) | None => {
            let sids = filter.of(control.sessions()).iter().map(|(_, facts)| facts.sid().into()).collect();
            Answer::json(StatusCode::OK, &json!({ "ended": control.kill(&sids, why) }))
        }
        Some(_) => unclear("dry_run is true or false"),
    }
}

pub(super) fn unclear(detail: &'static str) -> Answer {
    Answer::problem(StatusCode::BAD_REQUEST, detail)
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
