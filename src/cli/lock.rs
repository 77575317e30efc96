//! `imapwarden lock`, `imapwarden unlock`: keep somebody out of a running proxy for a time.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_call::{Asker, Call};
use super::sessions::TIMEOUT;
use crate::admin::escaped;
use crate::config::{Role, duration};

/// Keep a user or an address out for a time: no login, and open sessions end. Without either, show the locks that hold.
#[derive(Debug, clap::Args)]
pub(super) struct Lock {
    #[command(flatten)]
    asker: Asker,
    /// Whose mail nobody may open, and who may open nobody's.
    #[arg(long, value_name = "USER", conflicts_with = "ip", requires = "why", requires = "end")]
    user: Option<String>,
    /// The address or network that nobody may come from.
    #[arg(long, value_name = "NET", requires = "why", requires = "end")]
    ip: Option<String>,
    /// For how long, as 30m or 7d.
    #[arg(long = "for", value_name = "TIME", group = "end", value_parser = time)]
    span: Option<Duration>,
    /// Until then, as 2027-01-31T18:00:00Z.
    #[arg(long, value_name = "TIME", group = "end")]
    until: Option<Timestamp>,
    /// Why: stands in the log.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// Let somebody in again who was locked out.
#[derive(Debug, clap::Args)]
pub(super) struct Unlock {
    /// Id of the lock, as `imapwarden lock` shows it.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    asker: Asker,
    /// Why: stands in the log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text).filter(|time| !time.is_zero()).ok_or_else(|| "write a time as 90s, 30m, 2h or 7d".to_owned())
}

pub(super) fn lock(arguments: &Lock) -> ExitCode {
    let end = arguments.until.or_else(|| arguments.span.and_then(|span| Timestamp::now().checked_add(span).ok()));
    let mut asked = json!({ "why": arguments.why, "until": end.map(|end| end.to_string()) });
    match (&arguments.user, &arguments.ip) {
        (Some(user), _) => asked["user"] = user.as_str().into(),
        (None, Some(ip)) => asked["client_ip"] = ip.as_str().into(),
        (None, None) => {
            return arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
                call.tell("GET", "/api/v1/locks", None, false, |told| write!(io::stdout(), "{}", list(told)))
            });
        }
    }
    arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
        call.tell("POST", "/api/v1/locks", Some(&asked.to_string()), false, |told| {
            write!(io::stdout(), "locked: {}", line(told))
        })
    })
}

pub(super) fn unlock(arguments: &Unlock) -> ExitCode {
    let path = format!("/api/v1/locks/{}?why={}", escaped(&arguments.id), escaped(&arguments.why));
    arguments.asker.then(&[Role::Operator], TIMEOUT, |call: &Call| {
        call.tell("DELETE", &path, None, false, |told| write!(io::stdout(), "unlocked: {}", line(told)))
    })
}

fn list(told: &Value) -> String {
    let locks = told["locks"].as_array().map(Vec::as_slice).unwrap_or_default();
    match locks {
        [] => "no locks\n".to_owned(),
        locks => locks.iter().map(line).collect(),
    }
}

/// `k3x9q2 ann@example.org until 2027-01-31T18:00:00Z by on-call: phone was stolen`
fn line(lock: &Value) -> String {
    let word = |key: &str| lock[key].as_str().unwrap_or_default().replace(char::is_control, "\u{fffd}");
    let whom = if lock["user"].is_null() { word("client_ip") } else { word("user") };
    format!("{} {whom} until {} by {}: {}\n", word("id"), word("until"), word("by"), word("why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let lock = json!({
            "id": "k3x9q2", "user": "ann\u{7}", "until": "2027-01-31T18:00:00Z", "by": "on-call", "why": "phone was stolen",
        });
        let said = "k3x9q2 ann\u{fffd} until 2027-01-31T18:00:00Z by on-call: phone was stolen\n";
        assert_eq!(line(&lock), said);
        assert_eq!(list(&json!({ "locks": [lock] })), said);
        assert_eq!(list(&json!({ "locks": [] })), "no locks\n");
    }
}
