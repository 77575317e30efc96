//! A refusal that is on record, asked again: of the rules as they are today.
//!
//! ```text
//!   Decision: record, session ─▶ who, where from, when ─▶ Given ─┐
//!                             └─▶ verb, mailboxes, flags ─▶ Question ─┴─▶ Ground::ask
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::question::Recorded;
use super::{Ground, Question, Told};
use crate::audit::{Decision, HashedField, Reference};
use crate::policy::{Given, TlsLevel};

/// What was decided, and what would be today.
#[derive(Debug)]
pub struct Past {
    decision: Decision,
    /// What today's rules do to the same request.
    pub told: Told,
    /// Of rules that took something then, and are still there: where they stand.
    places: Vec<(String, Option<String>)>,
    today: String,
}

impl Past {
    /// Asks again; at the time of the record, if no other is given.
    #[must_use]
    pub fn of(decision: Decision, ground: &Ground, at: Option<Timestamp>) -> Self {
        let given = given(&decision);
        let question = question(&decision.record);
        let then = decision.record["ts"].as_str().and_then(|ts| ts.parse().ok());
        let told = ground.ask(&given, None, question.as_ref(), at.or(then).unwrap_or_else(Timestamp::now));
        let place = |id: &str| {
            let rule = ground.rules.rules().find(|rule| **rule.id == *id)?;
            Some(format!("{}:{}", rule.file.display(), rule.line))
        };
        let places = ids(&decision.record["policy"]["by"]).map(|id| (id.to_owned(), place(id))).collect();
        Self { decision, told, places, today: ground.rules.rev().to_string() }
    }

    /// Fields that are hashes in the record, so that nobody can ask again.
    #[must_use]
    pub fn hashed(&self) -> Vec<&'static str> {
        let fields = ids(&self.decision.record["hashed"]).filter_map(HashedField::of_pointer);
        let judged =
            fields.filter(|field| matches!(field, HashedField::User | HashedField::Mailbox | HashedField::ClientIp));
        judged.collect::<BTreeSet<_>>().into_iter().map(HashedField::as_str).collect()
    }

    /// What is said of it before the account of today, for people.
    #[must_use]
    pub fn to_text(&self, reference: &Reference) -> String {
        let record = &self.decision.record;
        let mut text = String::new();
        let (segment, line) = self.decision.place;
        let ts = word(&record["ts"]);
        push(&mut text, "record", &format!("{reference}  {ts}  {segment:08}.jsonl:{line}"));
        push(&mut text, "who", &self.who());
        push(&mut text, "command", &command(record));
        let (status, code) = (word(&record["result"]["status"]), word(&record["result"]["code"]));
        let answer = if code.is_empty() { status.to_owned() } else { format!("{status} [{code}]") };
        let rev = word(&record["policy"]["rev"]);
        let verdict = record["policy"]["verdict"].as_str().unwrap_or("not judged");
        push(&mut text, "then", &format!("{:<55} rules {rev}", format!("{verdict} {answer}")));
        for (id, place) in &self.places {
            let place = place.as_deref().unwrap_or("which is no longer among the rules");
            push(&mut text, "took", &format!("{id}  {place}"));
        }
        if let Some(limit) = &self.decision.limit {
            push(&mut text, "limit", &self::limit(&limit["data"]));
        }
        let same = if *rev == *self.today { "the rules are the same" } else { "the rules are others" };
        match self.hashed() {
            hashed if hashed.is_empty() => push(&mut text, "today", &format!("{same}; they say of that request:")),
            hashed => {
                let what =
                    format!("{same}; they cannot be asked: {} stands hashed in the record", hashed.join(" and "));
                push(&mut text, "today", &what);
            }
        }
        text
    }

    /// The record, and what is known of its rules, for programs.
    #[must_use]
    pub fn to_json(&self, reference: &Reference) -> Value {
        let (segment, line) = self.decision.place;
        let rules = self.places.iter().map(|(id, place)| json!({ "rule": id, "place": place }));
        json!({
            "ref": reference.to_string(),
            "segment": segment,
            "line": line,
            "record": self.decision.record,
            "limit": self.decision.limit,
            "rules": rules.collect::<Vec<_>>(),
        })
    }

    fn who(&self) -> String {
        let record = &self.decision.record;
        let id = client_id(&self.decision);
        let mut who = word(&record["user"]).to_owned();
        for (before, part) in [
            ("by ", word(&record["actor"])),
            ("from ", word(&record["client_ip"])),
            ("at ", word(&record["listener"])),
            ("to ", word(&record["upstream"])),
            ("with ", id.as_str()),
        ] {
            if !part.is_empty() {
                let _ = write!(who, " {before}{part}"); // to a String
            }
        }
        who.trim_start().to_owned()
    }
}

fn push(text: &mut String, head: &str, rest: &str) {
    let _ = writeln!(text, "{head:<9} {}", rest.trim_end()); // to a String
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ids(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// `UID STORE add \Deleted of 1:3 in Archive`
fn command(record: &Value) -> String {
    let data = &record["data"];
    let mut text = word(&record["verb"]).to_owned();
    let flags: Vec<&str> = ids(&data["flags"]).chain(ids(&data["dropped"])).collect();
    let parts = [
        ("", word(&data["op"]).to_owned()),
        ("", flags.join(" ")),
        ("of ", word(&data["uids"]).to_owned()),
        ("in ", word(&record["mailbox"]["name"]).to_owned()),
        ("to ", [word(&data["dst"]), word(&data["to"])].concat()),
    ];
    for (before, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        let _ = write!(text, " {before}{part}"); // to a String
    }
    text
}

/// `commands: 50 of 50 used, per user, in 1 s`
fn limit(data: &Value) -> String {
    let number = |key: &str| data[key].as_u64().unwrap_or_default();
    let window = data["window_s"].as_u64().map_or_else(String::new, |seconds| format!(", in {seconds} s"));
    let (kind, per) = (word(&data["kind"]), word(&data["per"]));
    match kind {
        "message_size" => format!("{kind}: {} octets, of {} allowed", number("used"), number("max")),
        _ => format!("{kind}: {} of {} used, per {per}{window}", number("used"), number("max")),
    }
}

/// `name/version`, as rules compare it.
fn client_id(decision: &Decision) -> String {
    let Some(id) = &decision.id else { return String::new() };
    let [name, version] = ["name", "version"].map(|key| word(&id["data"][key]));
    if name.is_empty() && version.is_empty() { String::new() } else { format!("{name}/{version}") }
}

/// As the session was known then.
fn given(decision: &Decision) -> Given {
    let record = &decision.record;
    let text = |value: &Value| value.as_str().map(Into::into);
    let tls = decision.open.as_ref().map(|open| match open["data"]["tls"].is_object() {
        true => TlsLevel::Server,
        false => TlsLevel::None,
    });
    let groups = decision.login.iter().flat_map(|login| ids(&login["data"]["groups"]));
    Given {
        user: text(&record["user"]),
        actor: text(&record["actor"]),
        groups: groups.map(|group| (group.into(), 0..0)).collect(),
        client_ip: record["client_ip"].as_str().and_then(|ip| ip.parse().ok()),
        client_id: Some(client_id(decision).into()),
        listener: text(&record["listener"]),
        upstream: text(&record["upstream"]),
        tls,
        at: None,
    }
}

/// `None`: it was about the login, or the record does not say of which mailboxes.
fn question(record: &Value) -> Option<Question> {
    let data = &record["data"];
    Question::of_record(&Recorded {
        verb: word(&record["verb"]),
        mailbox: record["mailbox"]["name"].as_str(),
        copied_to: data["dst"].as_str(),
        renamed_to: data["to"].as_str(),
        flags: ids(&data["flags"]).chain(ids(&data["dropped"])).collect(),
        op: word(&data["op"]),
        want: word(&data["want"]),
        size: data["size"].as_u64(),
    })
}
