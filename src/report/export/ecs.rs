//! ECS 9.4: one document a record.

use serde_json::{Map, Value, json};

use super::facts::{Outcome, counts, is_address, outcome, rules, uid};
use super::table::row;
use super::{Severity, VERSION};
use crate::audit::{Line, Text};
use crate::report::data::{Data, Hdr};
use crate::report::describe;
use crate::report::filter::client_of;

/// The document of a record.
#[must_use]
pub fn event(line: &Line<'_>) -> Value {
    let data = line.data::<Data<'_>>().unwrap_or_default();
    let row = row(line, &data);
    let kind = if matches!(line.type_name, "policy.alert" | "detect.finding") { "alert" } else { "event" };
    let mut event = json!({
        "id": uid(line),
        "code": line.code,
        "action": line.type_name,
        "kind": kind,
        "category": [row.category],
        "type": [row.kind],
        "outcome": match outcome(line) {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Unknown => "unknown",
        },
        "sequence": line.seq,
        "severity": match Severity::of(line) {
            Severity::Information => 1,
            Severity::Warning => 5,
            Severity::Fault => 8,
        },
        "module": "imapwarden",
        "dataset": "imapwarden.audit",
        "provider": "imapwarden",
    });
    if let Some(us) = line.lat_us {
        event["duration"] = us.saturating_mul(1000).into();
    }
    if let Some(reason) = &data.reason {
        event["reason"] = reason.as_str().into();
    }
    let mut document = json!({
        "@timestamp": line.ts,
        "ecs": {"version": "9.4.0"},
        "message": describe(line),
        "event": event,
        "host": {"name": line.node},
        "observer": {"type": "proxy", "product": "imapwarden", "vendor": "imapwarden", "version": VERSION, "hostname": line.node},
        "network": {"application": "imap"},
        "labels": labels(line, &data),
    });
    let mut put = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(document)) = (value, document.as_object_mut()) {
            document.insert(key.to_owned(), value);
        }
    };
    put("user", user(line, &data));
    put("source", source(line, &data));
    put("rule", rules(line).first().map(|rule| json!({"id": rule, "name": rule})));
    put("tls", tls(&data));
    put("email", email(&data));
    put("user_agent", (line.type_name == "client.id").then(|| json!({"original": client_of(&data)})));
    document
}

/// Who acts; whose mail it is, where that is another.
fn user(line: &Line<'_>, data: &Data<'_>) -> Option<Value> {
    let user = line.user.as_ref().map(Text::as_str);
    let who = data.who.as_ref().map(Text::as_str).filter(|_| line.type_name == "admin.action");
    match (line.actor.as_ref().map(Text::as_str), user.or(who)?) {
        (Some(actor), user) => Some(json!({"name": actor, "effective": {"name": user}})),
        (None, user) => Some(json!({"name": user})),
    }
}

fn source(line: &Line<'_>, data: &Data<'_>) -> Option<Value> {
    let ip = line.client_ip.as_ref()?.as_str();
    let mut source = json!({"address": ip});
    if is_address(ip) {
        source["ip"] = ip.into();
    }
    if let Some(port) = data.port {
        source["port"] = port.into();
    }
    if let Some(octets) = data.octets_in {
        source["bytes"] = octets.into();
    }
    Some(source)
}

fn tls(data: &Data<'_>) -> Option<Value> {
    let tls = data.tls.as_ref()?;
    let version = tls.version.strip_prefix("TLSv").unwrap_or(tls.version);
    let mut facts = json!({"version": version, "version_protocol": "tls", "cipher": tls.cipher.as_str()});
    let mut client = Map::new();
    if let Some(sni) = &tls.sni {
        client.insert("server_name".into(), sni.as_str().into());
    }
    if let Some(hash) = &tls.client_cert_sha256 {
        client.insert("hash".into(), json!({"sha256": hash.as_str().to_uppercase()}));
    }
    if !client.is_empty() {
        facts["client"] = Value::Object(client);
    }
    Some(facts)
}

/// Of one message; of several, all is in `labels`.
fn email(data: &Data<'_>) -> Option<Value> {
    let hdr: &Hdr<'_> = match (&data.hdr, data.msgs.as_slice()) {
        (Some(hdr), _) => hdr,
        (None, [message]) => message.hdr.as_ref()?,
        (None, _) => return None,
    };
    let mut email = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            email.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
    put("message_id", text(&hdr.message_id).map(Value::from));
    put("subject", text(&hdr.subject).map(Value::from));
    put("from", text(&hdr.from).map(|from| json!({"address": [from]})));
    put("to", text(&hdr.to).map(|to| json!({"address": [to]})));
    Some(Value::Object(email)).filter(|email| email.as_object().is_some_and(|email| !email.is_empty()))
}

/// Labels are texts without structure.
fn labels(line: &Line<'_>, data: &Data<'_>) -> Value {
    let mut labels = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            labels.insert(format!("imap_{key}"), value.into());
        }
    };
    let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
    put("sid", text(&line.sid));
    put("cmd", line.cmd.map(|cmd| cmd.to_string()));
    put("verb", text(&line.verb));
    put("stage", line.stage.map(str::to_owned));
    put("credential", text(&line.credential));
    put("listener", text(&line.listener));
    put("upstream", text(&line.upstream));
    put("mailbox", line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned()));
    put("uidvalidity", line.mailbox.as_ref().and_then(|mailbox| mailbox.uidv).map(|uidv| uidv.to_string()));
    put("verdict", line.policy.as_ref().map(|policy| policy.verdict.to_owned()));
    put("rules", Some(rules(line).join(" ")).filter(|rules| !rules.is_empty()));
    put("status", line.result.as_ref().map(|result| result.status.to_owned()));
    put("response_code", line.result.as_ref().and_then(|result| text(&result.code)));
    put("class", data.class().map(|class| class.as_str().to_owned()));
    let (messages, octets) = counts(data);
    put("messages", messages.map(|n| n.to_string()));
    put("octets", octets.map(|n| n.to_string()));
    put("data", line.data.map(|data| data.to_owned()));
    Value::Object(labels)
}
