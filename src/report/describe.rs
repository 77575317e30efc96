//! One record in a few words.
//!
//! ```text
//!   message.read   done    ─▶ read: 1 full, 1 part, 88,213 octets (UID 4410,4412)
//!   message.copy   refused ─▶ copy of UID 4410 to Archive/Private refused by no-export-finance
//! ```

use std::collections::BTreeMap;

use super::data::{Data, Message, class_of};
use super::filter::client_of;
use super::table::printable;
use crate::audit::{Line, Number, Text};
use crate::imap::message::UidSet;

/// Octets of a UID set that is shown whole.
const SET: usize = 40;

/// What happened, without who, when and where.
#[must_use]
pub fn describe(line: &Line<'_>) -> String {
    let mut said = describe_deed(line);
    if let Some(policy) = &line.policy {
        let verb = match policy.verdict {
            "narrowed" => "narrowed by",
            "hidden" => "hidden by",
            "limited" => "limited by",
            _ => "by",
        };
        if !policy.by.is_empty() {
            said.push_str(&format!(" ({verb} {})", list(&policy.by)));
        }
        if !policy.shadow.is_empty() {
            said.push_str(&format!(" (shadow: {})", list(&policy.shadow)));
        }
    }
    said
}

/// The same without the rules that had a part in it: who the mail belongs to need not know them.
#[must_use]
pub fn describe_deed(line: &Line<'_>) -> String {
    let data = line.data::<Data<'_>>().unwrap_or_default();
    let mut said = printable(&what(line, &data));
    match line.stage {
        Some("intent") => said = format!("is about to: {said}"),
        Some("refused") => said.push_str(": refused"),
        _ => {}
    }
    if let Some(result) = line.result.as_ref().filter(|result| result.status != "OK" && line.stage == Some("done")) {
        let code = result.code.as_ref().map_or(String::new(), |code| format!(" [{}]", printable(code.as_str())));
        said.push_str(&format!(": {}{code}", result.status));
    }
    said
}

fn what(line: &Line<'_>, data: &Data<'_>) -> String {
    let verb = line.verb.as_ref().map_or("", |verb| verb.as_str());
    let text = |text: &Option<Text<'_>>| text.as_ref().map_or(String::new(), |text| text.as_str().to_owned());
    match line.type_name {
        "proxy.start" => format!("the proxy starts, version {}", text(&data.version)),
        "proxy.stop" => format!("the proxy stops: {}", text(&data.reason)),
        "proxy.drain" => format!("the proxy drains, {} sessions open", number(data.open)),
        "upstream.state" => format!("upstream {} is {}", text(&data.upstream), spaced(&[&data.state, &data.reason])),
        "session.open" => {
            let tls = data.tls.as_ref().map_or("without TLS", |tls| tls.version);
            format!("connected, {tls}")
        }
        "session.refused" => format!("connection refused: {}", text(&data.reason)),
        "session.close" => format!(
            "ended by {}: {}, {} commands, {} octets out",
            text(&data.by),
            text(&data.reason),
            number(data.commands),
            number(data.octets_out)
        ),
        "session.kill" => format!("killed by {}", text(&data.by)),
        "client.id" => format!("says it is {}", client_of(data)),
        "auth.success" => format!("logged in, {}", text(&data.mech)),
        "auth.failure" => format!("login failed, {}: {}", text(&data.mech), text(&data.reason)),
        "auth.refused" => format!("login refused, {}", text(&data.mech)),
        "mailbox.list" => format!(
            "{} {:?}: {} names, {} hidden",
            text(&data.op),
            text(&data.pattern),
            number(data.n),
            number(data.hidden)
        ),
        "mailbox.status" => format!("asked for {}", list(&data.items)),
        "mailbox.open" => {
            let how = if data.rw == Some(true) { "opened" } else { "opened read-only" };
            let hidden = data.hidden.filter(|n| *n > 0).map_or(String::new(), |n| format!(", {} hidden", Number(n)));
            let exists = data.exists.map_or(String::new(), |n| format!(", {} messages", Number(n)));
            format!("{how}{exists}{hidden}")
        }
        "mailbox.hidden" => format!("{} hidden: {}", number(data.n), uids(data.uids)),
        "mailbox.change" => {
            let to = data.to.as_ref().map_or(String::new(), |to| format!(" to {}", to.as_str()));
            format!("{}{to}", text(&data.op))
        }
        "mailbox.acl" => format!("{verb} {}", spaced(&[&data.who, &data.rights])),
        "message.read" if line.stage != Some("done") => {
            format!("read {} as {}", uids(data.uids), data.want.unwrap_or("?"))
        }
        "message.read" => read(data),
        "message.search" => {
            let into = if data.content { " in content" } else { "" };
            let terms = if data.terms.is_empty() { String::new() } else { format!(" for {}", list(&data.terms)) };
            format!("search by {}{into}{terms}: {} hits", list(&data.keys), number(data.hits))
        }
        "message.flag" => format!("flags {} {} of {}", text(&data.op), list(&data.flags), uids(data.uids)),
        "message.copy" => format!("{} of {} to {}", text(&data.op), uids(data.uids), text(&data.dst)),
        "message.append" => {
            let uid = data.uid.map_or(String::new(), |uid| format!(" as UID {uid}"));
            format!("append of {} octets{uid}", number(data.size))
        }
        "message.expunge" => format!("{} of {}", text(&data.how), uids(data.uids)),
        "command.refused" => verb.to_owned(),
        "limit.hit" => {
            let rule = data.rule.as_ref().or(data.limit.as_ref()).map_or("", |rule| rule.as_str());
            let (used, max) = (number(data.used), number(data.max));
            format!("limit {rule}: {} {used} of {max}, {}", text(&data.kind), text(&data.action))
        }
        "policy.load" => format!("rules {} loaded, {} rules", text(&data.rev), number(data.rules)),
        "policy.load_failed" => format!("rules do not load: {}", data.problems.first().map_or("", Text::as_str)),
        "policy.alert" => "ALERT".to_owned(),
        "policy.expire" => {
            let what = data
                .reason
                .as_ref()
                .map_or("the rule".to_owned(), |why| format!("an exception ({}) from", why.as_str()));
            format!("{what} {} has ended: {}", text(&data.rule), text(&data.until))
        }
        "protocol.fault" => format!("fault of the {}: {}", text(&data.side), text(&data.reason)),
        "filter.failure" => format!("{} could not be filtered: {}", text(&data.response), text(&data.action)),
        "lock.change" => {
            let (op, until) = (text(&data.op), text(&data.until));
            format!("lock {op}: {} until {until}, by {}", text(&data.about), text(&data.by))
        }
        "admin.action" => {
            format!("{} {} by {}", text(&data.method), spaced(&[&data.route, &data.target]), text(&data.who))
        }
        "audit.access" => {
            let asked = spaced(&[&data.command, &data.filter]);
            let asked = asked.trim_end();
            match data.rows {
                Some(rows) => format!("{} read the log: {asked}, {rows} rows", text(&data.who)),
                None => format!("{} begins to read the log: {asked}", text(&data.who)),
            }
        }
        "audit.open" => format!("segment {} begins: {}", number(data.segment), text(&data.reason)),
        "audit.close" => format!("segment ends: {}, {} records", text(&data.reason), number(data.records)),
        "audit.purge" => format!("segment {} removed, older than is kept", number(data.segment)),
        "audit.checkpoint" => "a note was signed over all records so far".to_owned(),
        "audit.key" => format!("key of segment {} announced", number(data.segment)),
        "audit.gap" => {
            format!(
                "{} records lost, {}-{}: {}",
                number(data.n),
                number(data.first),
                number(data.last),
                text(&data.reason)
            )
        }
        _ => match line.data {
            // A type of a later version is shown as it stands.
            Some(data) => format!("{} {}", line.type_name, data),
            None => line.type_name.to_owned(),
        },
    }
}

fn read(data: &Data<'_>) -> String {
    let mut classes = BTreeMap::new();
    for (class, n) in data.sets.iter().map(|set| (set.cls, set.n)).chain(data.msgs.iter().map(|msg| (msg.cls, 1))) {
        let count: &mut u64 = classes.entry(std::cmp::Reverse(class_of(class))).or_default();
        *count = count.saturating_add(n);
    }
    let classes: Vec<String> = classes.iter().map(|(class, n)| format!("{} {}", Number(*n), class.0)).collect();
    let octets = match data.bytes.unwrap_or(0) {
        0 => String::new(),
        octets => format!(", {} octets", Number(octets)),
    };
    let set: UidSet = data.msgs.iter().filter_map(|msg| crate::imap::message::Uid::new(msg.uid?)).collect();
    let set = match data.msgs.is_empty() {
        true => data.sets.first().and_then(|set| set.uids).map(str::to_owned),
        false => Some(set.to_string()),
    };
    let ids: Vec<_> = data.msgs.iter().filter_map(name_of).take(2).collect();
    let ids = if ids.is_empty() || data.msgs.len() > 2 { String::new() } else { format!(" {}", ids.join(" ")) };
    format!("read {}{octets} ({}{ids})", classes.join(", "), uids(set.as_deref()))
}

/// Its subject, else its Message-ID.
fn name_of(message: &Message<'_>) -> Option<String> {
    let hdr = message.hdr.as_ref()?;
    hdr.subject.as_ref().map(|subject| format!("{:?}", subject.as_str())).or_else(|| {
        let id = hdr.message_id.as_ref()?;
        Some(id.as_str().to_owned())
    })
}

fn uids(set: Option<&str>) -> String {
    match set {
        None | Some("") => "messages whose UIDs are not known".to_owned(),
        Some(set) if set.len() <= SET => format!("UID {set}"),
        Some(set) => {
            let shown = set.get(..SET).and_then(|head| head.rsplit_once(',')).map_or("", |(head, _)| head);
            format!("UID {shown},… ({} messages)", Number(super::data::set_of(set).len()))
        }
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| Number(number).to_string())
}

fn list(items: &[Text<'_>]) -> String {
    items.iter().map(Text::as_str).collect::<Vec<_>>().join(" ")
}

fn spaced(words: &[&Option<Text<'_>>]) -> String {
    words.iter().filter_map(|word| word.as_ref().map(Text::as_str)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_in_words() {
        let rows = [
            (
                r#""type":"message.read","code":"MS101I","stage":"done","result":{"status":"OK"},"data":{"intent":3,"n":2,"bytes":88213,"msgs":[{"uid":4410,"cls":"full","bytes":81900},{"uid":4412,"cls":"part","bytes":6313}]}"#,
                "read 1 full, 1 part, 88,213 octets (UID 4410,4412)",
            ),
            (
                r#""type":"message.copy","code":"MS130W","stage":"refused","policy":{"rev":"9b1d02c4","verdict":"refused","by":["no-export-finance"]},"result":{"status":"NO","code":"NOPERM"},"data":{"op":"copy","uids":"4410","dst":"Archive/Private"}"#,
                "copy of UID 4410 to Archive/Private: refused (by no-export-finance)",
            ),
            (
                r#""type":"message.read","code":"MS100I","stage":"intent","data":{"uids":"1:3","want":"full"}"#,
                "is about to: read UID 1:3 as full",
            ),
            (r#""type":"client.id","code":"SE110I","data":{"name":"evil\u001b[2J"}"#, "says it is evil\\u001b[2J"),
            (
                r#""type":"message.expunge","code":"MS150I","stage":"done","result":{"status":"NO","code":"EXPUNGEISSUED"},"data":{"how":"close","uids":"1"}"#,
                "close of UID 1: NO [EXPUNGEISSUED]",
            ),
            (
                r#""type":"policy.alert","code":"PO300W","policy":{"rev":"9b1d02c4","verdict":"hidden","by":["x"]},"data":{"rules":["x"]}"#,
                "ALERT (hidden by x)",
            ),
            (
                r#""type":"policy.expire","code":"PO210I","data":{"rule":"x","until":"2027-01-31T00:00:00Z","reason":"IR-204"}"#,
                "an exception (IR-204) from x has ended: 2027-01-31T00:00:00Z",
            ),
            (
                r#""type":"policy.expire","code":"PO210I","data":{"rule":"x","until":"2027-01-31T00:00:00Z"}"#,
                "the rule x has ended: 2027-01-31T00:00:00Z",
            ),
            (
                r#""type":"audit.access","code":"AL300I","data":{"who":"ann","via":"cli","command":"query","filter":"user=bob","rows":3}"#,
                "ann read the log: query user=bob, 3 rows",
            ),
            (
                r#""type":"audit.access","code":"AL300I","data":{"who":"ann","via":"cli","command":"query","filter":""}"#,
                "ann begins to read the log: query",
            ),
            (r#""type":"later.type","code":"LX100I","data":{"a":1}"#, r#"later.type {"a":1}"#),
        ];
        for (fields, wanted) in rows {
            let line = format!(r#"{{"v":1,"seq":4,"prev":"x","log":"l","node":"n","ts":"t",{fields}}}"#);
            assert_eq!(describe(&Line::parse(line.as_bytes()).expect("a record")), wanted);
        }
    }

    #[test]
    fn long_sets_are_counted() {
        let set: String = (1..200).step_by(2).map(|uid| uid.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(uids(Some(&set)), "UID 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,… (100 messages)");
    }
}
