//! `POST /api/v1/explain`: the question of `imapwarden explain`, asked of what is in force.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Prepared;
use super::trial::{Ground, Question, to_json};
use crate::admin::Explained;
use crate::policy::{Given, TlsLevel};

/// What may be said, as the options of the command.
const KEYS: [&str; 10] = ["user", "actor", "group", "ip", "client_id", "listener", "tls", "at", "mailbox", "command"];

/// What the rules do to it, as `explain --json` tells it.
pub(super) fn explain(prepared: &Prepared, asked: &Map<String, Value>) -> Explained {
    let ground = Ground::of(&prepared.config, prepared.rules.set.clone());
    match answer(&ground, asked) {
        Ok(told) => Explained::Told(told),
        Err(why) => Explained::Unclear(why),
    }
}

fn answer(ground: &Ground, asked: &Map<String, Value>) -> Result<Value, String> {
    if let Some(key) = asked.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let unknown: String = key.chars().filter(|letter| !letter.is_control()).take(40).collect();
        return Err(format!("unknown key `{unknown}`: ask with {}", KEYS.join(", ")));
    }
    let user = text(asked, "user")?.ok_or("say whose mail is opened: user")?;
    let at = parsed::<Timestamp>(asked, "at", "a time as 2027-01-15T09:30:00+01:00")?;
    let groups = groups(asked)?;
    let given = Given {
        user: Some(user.into()),
        actor: text(asked, "actor")?.map(Into::into),
        groups: groups.iter().map(|group| ((*group).into(), 0..0)).collect(),
        client_ip: parsed(asked, "ip", "an address")?,
        client_id: text(asked, "client_id")?.map(Into::into),
        listener: text(asked, "listener")?.map(Into::into),
        upstream: None,
        tls: text(asked, "tls")?.map(level).transpose()?,
        at,
    };
    if given.listener.as_ref().is_some_and(|name| !ground.context.listeners.contains(name)) {
        return Err("no listener is called like that".to_owned());
    }
    if groups.iter().any(|group| !ground.rules.knows_group(group)) {
        return Err("a group that neither the groups file nor a rule names".to_owned());
    }
    let mailbox = text(asked, "mailbox")?;
    let question = text(asked, "command")?.map(|command| Question::parse(command, mailbox)).transpose();
    let question = question.map_err(|fault| format!("the command cannot be tried: {}", fault.message))?;
    let told = ground.ask(&given, mailbox, question.as_ref(), at.unwrap_or_else(Timestamp::now));
    Ok(to_json(&told, ground.rules.rev()))
}

fn text<'a>(asked: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match asked.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` is a text")),
    }
}

fn parsed<T: std::str::FromStr>(asked: &Map<String, Value>, key: &str, what: &str) -> Result<Option<T>, String> {
    text(asked, key)?.map(|text| text.parse().map_err(|_| format!("`{key}` is {what}"))).transpose()
}

/// One, or a list.
fn groups(asked: &Map<String, Value>) -> Result<Vec<&str>, String> {
    match asked.get("group") {
        Some(Value::Array(groups)) => {
            groups.iter().map(|group| group.as_str().ok_or_else(|| "`group` is a list of texts".to_owned())).collect()
        }
        _ => Ok(text(asked, "group")?.into_iter().collect()),
    }
}

fn level(name: &str) -> Result<TlsLevel, String> {
    let known = TlsLevel::NAMES.iter().find(|(known, _)| *known == name).map(|(_, level)| *level);
    known.ok_or_else(|| "`tls` is none or server".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::RuleSet;

    #[test]
    fn questions_that_cannot_be_asked() {
        let ground = Ground::of_rules(std::sync::Arc::new(RuleSet::empty()));
        for (asked, want) in [
            (json!({}), Err("say whose mail")),
            (json!({ "user": "ann" }), Ok("allowed")),
            (
                json!({ "user": "ann", "mailbox": "INBOX", "command": "UID FETCH 1 BODY[]", "ip": "192.0.2.1" }),
                Ok("allowed"),
            ),
            (json!({ "user": "ann", "tls": "none", "at": "2027-01-15T09:30:00+01:00" }), Ok("allowed")),
            (json!({ "user": 5 }), Err("`user` is a text")),
            (json!({ "user": "ann", "usr": "x" }), Err("unknown key `usr`")),
            (json!({ "user": "ann", "ip": "x" }), Err("`ip` is an address")),
            (json!({ "user": "ann", "at": "soon" }), Err("`at` is a time")),
            (json!({ "user": "ann", "tls": "much" }), Err("`tls` is")),
            (json!({ "user": "ann", "group": [1] }), Err("`group` is a list")),
            (json!({ "user": "ann", "group": ["finance"] }), Err("a group that")),
            (json!({ "user": "ann", "listener": "imaps" }), Err("no listener")),
            (json!({ "user": "ann", "command": "FETCH" }), Err("the command cannot be tried")),
        ] {
            match (answer(&ground, asked.as_object().unwrap()), want) {
                (Ok(told), Ok(verdict)) => assert_eq!(told["verdict"], verdict, "{asked}"),
                (Err(why), Err(begin)) => assert!(why.starts_with(begin), "{asked}: {why}"),
                (found, _) => panic!("{asked}: {found:?}"),
            }
        }
    }
}
