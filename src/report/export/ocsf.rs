//! OCSF 1.8: classes of the table, with the profile `security_control`.

use serde_json::{Map, Value, json};

use super::facts::{Action, Outcome, action, is_address, outcome, rules, uid};
use super::table::{Class, row};
use super::{Severity, VERSION};
use crate::audit::{Line, Text};
use crate::report::data::Data;
use crate::report::describe;
use crate::report::filter::client_of;
use crate::report::period;

/// The event of a record.
#[must_use]
pub fn event(line: &Line<'_>) -> Value {
    let data = line.data::<Data<'_>>().unwrap_or_default();
    let row = row(line, &data);
    let mut event = Map::new();
    let class = row.class.uid();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            event.insert(key.to_owned(), value);
        }
    };
    put("class_uid", class.into());
    put("category_uid", (class / 1000).into());
    put("activity_id", row.activity.into());
    put("type_uid", (class * 100 + row.activity).into());
    put("time", period::micros(line.ts).div_euclid(1000).into());
    put("timezone_offset", 0.into());
    put("message", describe(line).into());
    put(
        "severity_id",
        match Severity::of(line) {
            Severity::Information => 1,
            Severity::Warning => 3,
            Severity::Fault => 4,
        }
        .into(),
    );
    // Of a finding this is how far somebody has dealt with it: not at all.
    let status = match (row.class, outcome(line)) {
        (Class::Finding, _) | (_, Outcome::Success) => 1,
        (_, Outcome::Failure) => 2,
        (_, Outcome::Unknown) => 0,
    };
    put("status_id", status.into());
    put("status_code", line.result.as_ref().map(|result| status_code(result.status, result.code.as_ref())).into());
    put("duration", line.lat_us.map(|us| us / 1000).into());
    put("metadata", metadata(line));
    let done = action(line).map(|action| match action {
        Action::Allowed => 1,
        Action::Denied => 2,
        Action::Observed => 3,
        Action::Modified => 4,
    });
    put("action_id", done.into());
    if let Some(rule) = rules(line).first() {
        put("firewall_rule", json!({"uid": rule, "name": rule}));
    }
    put("unmapped", json!({"imap": unmapped(line)}));
    of_class(row.class, line, &data, &mut put);
    Value::Object(event)
}

fn of_class(class: Class, line: &Line<'_>, data: &Data<'_>, put: &mut dyn FnMut(&str, Value)) {
    match class {
        Class::Base => {}
        Class::Finding => {
            let title = rules(line).join(" ");
            put("finding_info", json!({"uid": uid(line), "title": title, "types": [line.type_name]}));
            put("is_alert", true.into());
        }
        Class::Authentication => {
            put("user", user(&line.user));
            put("actor", actor(line));
            put("src_endpoint", client(line, data));
            put("service", json!({"name": "imap"}));
            put("session", session(line));
            put("is_remote", true.into());
            if let Some(mech) = &data.mech {
                put("auth_protocol_id", 99.into());
                put("auth_protocol", mech.as_str().into());
            }
        }
        Class::Entity => {
            let revision = text(&data.rev);
            put(
                "entity",
                json!({"name": "rules", "type": "policy", "uid": revision.unwrap_or_else(|| line.type_name.into())}),
            );
        }
        Class::Network => {
            put("src_endpoint", client(line, data));
            put(
                "dst_endpoint",
                json!({"hostname": line.node, "svc_name": text(&line.listener).unwrap_or_else(|| "imap".into())}),
            );
            put("app_name", "imap".into());
            if let Some(tls) = &data.tls {
                let mut facts = json!({"version": tls.version, "cipher": tls.cipher.as_str()});
                if let Some(sni) = text(&tls.sni) {
                    facts["sni"] = sni.into();
                }
                put("tls", facts);
            }
            if let (Some(octets_in), Some(octets_out)) = (data.octets_in, data.octets_out) {
                put("traffic", json!({"bytes_in": octets_in, "bytes_out": octets_out}));
            }
        }
        Class::Lifecycle => put("app", product()),
        Class::Api => {
            let who = text(&data.who).unwrap_or_else(|| "unknown".into());
            put("actor", json!({"user": {"name": who}}));
            let operation = [text(&data.method), text(&data.route)].into_iter().flatten().collect::<Vec<_>>().join(" ");
            put("api", json!({"operation": operation, "service": {"name": "imapwarden admin"}}));
            put("src_endpoint", json!({"hostname": line.node}));
        }
        Class::Datastore => {
            put("actor", actor(line));
            put("src_endpoint", client(line, data));
            put("dst_endpoint", json!({"hostname": line.node, "svc_name": "imap"}));
            put("database", database(line));
        }
    }
}

fn text(text: &Option<Text<'_>>) -> Option<String> {
    text.as_ref().map(|text| text.as_str().to_owned())
}

fn status_code(status: &str, code: Option<&Text<'_>>) -> String {
    code.map_or_else(|| status.to_owned(), |code| format!("{status} {}", code.as_str()))
}

fn product() -> Value {
    json!({"name": "imapwarden", "vendor_name": "imapwarden", "version": VERSION})
}

fn metadata(line: &Line<'_>) -> Value {
    json!({
        "version": "1.8.0",
        "profiles": ["security_control"],
        "product": product(),
        "uid": uid(line),
        "sequence": line.seq,
        "event_code": line.code,
        "log_name": line.type_name,
        "original_time": line.ts,
    })
}

fn user(user: &Option<Text<'_>>) -> Value {
    user.as_ref().map_or(Value::Null, |user| json!({"name": user.as_str()}))
}

/// Who proved an identity; before that, only the session is known.
fn actor(line: &Line<'_>) -> Value {
    let mut actor = json!({"session": session(line)});
    if line.user.is_some() {
        let mut who = user(if line.actor.is_some() { &line.actor } else { &line.user });
        if let Some(credential) = text(&line.credential) {
            who["credential_uid"] = credential.into();
        }
        actor["user"] = who;
    }
    actor
}

fn session(line: &Line<'_>) -> Value {
    json!({"uid": text(&line.sid).unwrap_or_else(|| "unknown".into()), "is_remote": true})
}

fn client(line: &Line<'_>, data: &Data<'_>) -> Value {
    let mut client = match text(&line.client_ip) {
        Some(ip) if is_address(&ip) => json!({"ip": ip}),
        // A hash.
        Some(ip) => json!({"uid": ip}),
        None => json!({"name": "unknown"}),
    };
    if let Some(port) = data.port {
        client["port"] = port.into();
    }
    if line.type_name == "client.id" {
        client["svc_name"] = client_of(data).into();
    }
    client
}

/// A mailbox; where none is named, all that the upstream has of the user.
fn database(line: &Line<'_>) -> Value {
    let name = match &line.mailbox {
        Some(mailbox) => mailbox.name.clone().into_owned(),
        None => text(&line.upstream).unwrap_or_else(|| "mailboxes".into()),
    };
    let kind = if line.mailbox.is_some() { "IMAP mailbox" } else { "IMAP mailboxes" };
    let mut database = json!({"name": name, "type_id": 99, "type": kind});
    if let Some(uidv) = line.mailbox.as_ref().and_then(|mailbox| mailbox.uidv) {
        database["uid"] = uidv.to_string().into();
    }
    database
}

/// What has no place elsewhere: the command, and all that the type says.
fn unmapped(line: &Line<'_>) -> Value {
    let mut imap = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            imap.insert(key.to_owned(), value);
        }
    };
    put("node", Some(line.node.clone().into_owned().into()));
    put("verb", text(&line.verb).map(Value::from));
    put("cmd", line.cmd.map(Value::from));
    put("stage", line.stage.map(Value::from));
    put("credential", text(&line.credential).map(Value::from));
    put("upstream", text(&line.upstream).map(Value::from));
    put("user", text(&line.user).map(Value::from));
    put("rules", Some(rules(line)).filter(|rules| !rules.is_empty()).map(Value::from));
    put("data", line.data.and_then(|data| serde_json::from_str(data).ok()));
    Value::Object(imap)
}
