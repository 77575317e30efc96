//! Keeping somebody out, as the API asks for it.

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::api::unclear;
use super::control::{Control, LockChange, Locking, Unlocking};

/// `POST /api/v1/locks`
pub(super) async fn lock(
    body: &Map<String, Value>,
    by: Box<str>,
    control: &dyn Control,
    target: &mut Option<Box<str>>,
) -> Answer {
    match locking(body, by) {
        Ok(asked) => changed(control.lock(asked).await, target),
        Err(wrong) => unclear(wrong),
    }
}

/// `DELETE /api/v1/locks/{id}`
pub(super) async fn unlock(asked: Unlocking, control: &dyn Control, target: &mut Option<Box<str>>) -> Answer {
    changed(control.unlock(asked).await, target)
}

fn locking(body: &Map<String, Value>, by: Box<str>) -> Result<Locking, &'static str> {
    if body.keys().any(|key| !["user", "client_ip", "until", "why"].contains(&&**key)) {
        return Err("a lock takes user or client_ip, until, and why");
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let until = text("until").and_then(|until| until.parse::<Timestamp>().ok());
    let until = until.ok_or("a lock always ends: until is a time, as 2027-01-31T18:00:00Z")?;
    if until <= Timestamp::now() {
        return Err("until is over");
    }
    let why = text("why").map(str::trim).filter(|why| !why.is_empty()).ok_or("say why: it stands in the log")?;
    let (user, client_ip) = (text("user").map(str::to_owned), text("client_ip").map(str::to_owned));
    Ok(Locking { user, client_ip, until, why: why.into(), by })
}

fn changed(change: LockChange, target: &mut Option<Box<str>>) -> Answer {
    let problem = Answer::problem;
    match change {
        LockChange::Done(told) => {
            *target = told["id"].as_str().map(Into::into);
            Answer::json(StatusCode::OK, &told)
        }
        LockChange::Unclear => unclear("say whom: user, or client_ip (an address or a network)"),
        LockChange::Missing => problem(StatusCode::NOT_FOUND, "there is no lock of this id"),
        LockChange::TooMany => problem(StatusCode::CONFLICT, "there are too many locks: write a rule with deny_login"),
        LockChange::NotKept => {
            let detail = "nothing was changed: the state directory cannot be written to, the proxy's log says why";
            problem(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
        LockChange::Unavailable => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "nothing was changed: the proxy stops, or its log fails")
        }
    }
}
