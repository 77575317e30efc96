//! CEF 0: `CEF:0|imapwarden|imapwarden|version|code|type|severity|extension`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::facts::{Outcome, action, counts, is_address, outcome, rules, uid};
use super::{Severity, VERSION};
use crate::audit::{Line, Text};
use crate::report::data::Data;
use crate::report::period;
use crate::report::table::is_tame;

/// The event of a record.
#[must_use]
pub fn event(line: &Line<'_>) -> String {
    let data = line.data::<Data<'_>>().unwrap_or_default();
    let severity = match Severity::of(line) {
        Severity::Information => 1,
        Severity::Warning => 5,
        Severity::Fault => 8,
    };
    let mut event = String::from("CEF:0");
    for field in ["imapwarden", "imapwarden", VERSION, line.code, line.type_name] {
        event.push('|');
        event.push_str(&in_head(field));
    }
    event.push_str(&format!("|{severity}|"));
    let owned = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
    let outcome = match outcome(line) {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Unknown => "unknown",
    };
    let done = action(line).map(|action| format!("{action:?}").to_lowercase());
    let (messages, octets) = counts(&data);
    let mailbox = line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned());
    let rules = Some(rules(line).join(" ")).filter(|rules| !rules.is_empty());
    let fields = [
        ("rt", Some(period::micros(line.ts).div_euclid(1000).to_string())),
        ("externalId", Some(uid(line))),
        ("dvchost", Some(line.node.clone().into_owned())),
        ("src", owned(&line.client_ip).filter(|ip| ip.parse::<Ipv4Addr>().is_ok())),
        // A hash.
        ("shost", owned(&line.client_ip).filter(|ip| !is_address(ip))),
        ("suser", owned(&line.actor).or_else(|| owned(&line.user))),
        ("duser", owned(&line.user)),
        ("act", done.or_else(|| owned(&line.verb))),
        ("outcome", Some(outcome.to_owned())),
        ("reason", owned(&data.reason)),
        ("cs1", owned(&line.sid)),
        ("cs2", mailbox),
        ("cs3", rules),
        ("c6a2", owned(&line.client_ip).filter(|ip| ip.parse::<Ipv6Addr>().is_ok())),
        ("cn1", messages.map(|n| n.to_string())),
        ("cn2", octets.map(|n| n.to_string())),
    ];
    let labels = [
        ("cs1", "sid"),
        ("cs2", "mailbox"),
        ("cs3", "rules"),
        ("c6a2", "Source IPv6 Address"),
        ("cn1", "messages"),
        ("cn2", "octets"),
    ];
    let mut gap = "";
    for (key, value) in fields.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        if let Some((_, label)) = labels.iter().find(|(labelled, _)| *labelled == key) {
            event.push_str(&format!("{gap}{key}Label={label}"));
            gap = " ";
        }
        event.push_str(&format!("{gap}{key}={}", in_extension(&value)));
        gap = " ";
    }
    event
}

fn in_head(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// What the format has escapes for, and what would play with the terminal of whoever looks at it.
fn in_extension(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\\' => out.push_str("\\\\"),
            '=' => out.push_str("\\="),
            '\r' | '\n' => out.push_str("\\n"),
            // Not escapes of the format: a backslash that stands for itself, and what was meant.
            c if !is_tame(c) => out.push_str(&format!("\\\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        out
    })
}
