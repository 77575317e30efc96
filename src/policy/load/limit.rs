//! `limit = { download = "2 GiB/day", messages = "5000/hour", commands = "50/s", sessions = 10, message_size = "25 MiB" }`

use std::time::Duration;

use bytesize::ByteSize;
use toml::de::DeValue;

use super::document::{Document, Key, Span, Text, Value, by_place};
use super::warning;
use crate::policy::limit::{Limits, Per, Quota};

pub(super) const KEYS: [&str; 6] = ["download", "messages", "commands", "sessions", "message_size", "per"];

/// One of them stands for so much time.
const WINDOWS: [(&[&str], u64); 5] = [
    (&["s", "sec", "second", "seconds"], 1),
    (&["m", "min", "minute", "minutes"], 60),
    (&["h", "hour", "hours"], 60 * 60),
    (&["d", "day", "days"], 24 * 60 * 60),
    (&["w", "week", "weeks"], 7 * 24 * 60 * 60),
];

/// The header of a message alone is larger.
const SMALLEST: u64 = 256;

const DOWNLOAD: &str = "write how much in which time, such as \"2 GiB/day\" or \"500 MiB/hour\"";
const MESSAGES: &str = "write how many in which time, such as \"5000/hour\"";
const COMMANDS: &str = "write how many in which time, such as \"50/s\" or \"1000/10m\"";
const SIZE: &str = "write a number with B, KiB, MiB, GiB, kB, MB or GB, such as \"25 MiB\"";

/// The limits of a rule, and where `sessions` stands.
pub(super) struct Read {
    pub(super) limits: Limits,
    pub(super) sessions_at: Option<Span>,
}

pub(super) fn read(document: &mut Document<'_>, name: &str, value: &Value<'_>) -> Option<Read> {
    let table = document.table(name, value)?;
    let (mut limits, mut sessions_at) = (Limits::default(), None);
    let mut fine = true;
    for (key, value) in by_place(table) {
        if &**key.get_ref() == "sessions" {
            sessions_at = Some(key.span());
        }
        fine &= read_key(document, key, value, &mut limits).is_some();
    }
    if table.keys().all(|key| &**key.get_ref() == "per") {
        let problem = document.error(value.span(), "`limit` without a budget").label("limits nothing");
        document.push(problem.help("name one of download, messages, commands, sessions, message_size"));
        return None;
    }
    if let (Some(span), Per::Session) = (&sessions_at, limits.per) {
        warning::sessions_of_a_session(document, span.clone());
    }
    fine.then_some(Read { limits, sessions_at })
}

fn read_key(document: &mut Document<'_>, key: &Key<'_>, value: &Value<'_>, limits: &mut Limits) -> Option<()> {
    let name = &**key.get_ref();
    match name {
        "download" => {
            let text = document.string(name, value)?;
            limits.download = Some(quota(document, name, &text, size, DOWNLOAD)?);
        }
        "messages" | "commands" => {
            let text = document.string(name, value)?;
            let help = if name == "messages" { MESSAGES } else { COMMANDS };
            let quota = Some(quota(document, name, &text, |count| count.parse().ok(), help)?);
            if name == "messages" {
                limits.messages = quota;
            } else {
                limits.commands = quota;
            }
        }
        "sessions" => limits.sessions = Some(read_sessions(document, name, value)?),
        "message_size" => {
            let text = document.string(name, value)?;
            limits.message_size = Some(read_size(document, name, &text)?);
        }
        "per" => {
            let text = document.string(name, value)?;
            limits.per = read_per(document, &text)?;
        }
        _ => {
            document.unknown_key(key, "`limit`", &KEYS, &[]);
            return None;
        }
    }
    Some(())
}

/// `2 GiB/day`
fn quota(
    document: &mut Document<'_>,
    key: &str,
    text: &Text<'_>,
    amount: impl Fn(&str) -> Option<u64>,
    help: &str,
) -> Option<Quota> {
    let parts = text.text.split_once('/').map(|(much, time)| (amount(much.trim()), window(time.trim())));
    let label = match parts {
        Some((Some(0), Some(_))) => return nothing_left(document, key, text.span.clone()),
        Some((Some(max), Some(window))) => return Some(Quota { max, window }),
        Some((None, _)) => "how much is that?",
        Some((Some(_), None)) => "in which time?",
        None => "in which time? it is missing",
    };
    let problem = document.error(text.span.clone(), format!("`{key}` cannot be `{}`", text.text));
    document.push(problem.label(label).help(help));
    None
}

fn nothing_left<T>(document: &mut Document<'_>, key: &str, span: Span) -> Option<T> {
    let problem = document.error(span, format!("`{key}` leaves nothing")).label("a budget of nothing");
    let help = match key {
        "sessions" => "to keep somebody out, use deny_login",
        "commands" => "to take commands away, use deny_commands",
        _ => "to take reading away, use rights without \"r\", or hide",
    };
    document.push(problem.help(help));
    None
}

/// `day`, `10m`
fn window(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count: u64 = if count.is_empty() { 1 } else { count.parse().ok().filter(|count| *count > 0)? };
    let unit = unit.trim().to_ascii_lowercase();
    let (_, seconds) = WINDOWS.iter().find(|(names, _)| names.contains(&&*unit))?;
    Some(Duration::from_secs(count.checked_mul(*seconds)?))
}

/// `25 MiB`, in octets. A bare number could be anything.
fn size(text: &str) -> Option<u64> {
    text.bytes().next_back().filter(u8::is_ascii_alphabetic)?;
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

fn read_size(document: &mut Document<'_>, key: &str, text: &Text<'_>) -> Option<u64> {
    match size(text.text.trim()) {
        Some(0) => nothing_left(document, key, text.span.clone()),
        Some(size) => {
            if size < SMALLEST {
                warning::smaller_than_messages(document, text.span.clone());
            }
            Some(size)
        }
        None => {
            let problem = document.error(text.span.clone(), format!("`{key}` cannot be `{}`", text.text));
            document.push(problem.label("not a size").help(SIZE));
            None
        }
    }
}

fn read_sessions(document: &mut Document<'_>, key: &str, value: &Value<'_>) -> Option<u64> {
    let count = match value.get_ref() {
        DeValue::Integer(count) => u64::from_str_radix(count.as_str(), count.radix()).ok(),
        _ => None,
    };
    match count {
        Some(0) => nothing_left(document, key, value.span()),
        Some(count) => Some(count),
        None => {
            let problem = document.error(value.span(), format!("`{key}` must be a whole number, 1 or more"));
            document.push(problem.help("write how many may be open at the same time: sessions = 10"));
            None
        }
    }
}

fn read_per(document: &mut Document<'_>, text: &Text<'_>) -> Option<Per> {
    let known = Per::NAMES.iter().find(|(name, _)| *name == text.text).map(|(_, per)| *per);
    if known.is_some() {
        return known;
    }
    let problem = match text.text {
        "credential" => document.error(text.span.clone(), "per = \"credential\" is not supported yet").help(
            "the proxy has no credentials of its own; this version knows \"user\", \"client_ip\" and \"session\"",
        ),
        _ => document
            .error(text.span.clone(), format!("unknown `per` `{}`", text.text))
            .help("it is \"user\", \"client_ip\" or \"session\"")
            .did_you_mean(text.text, Per::NAMES.iter().map(|(name, _)| *name)),
    };
    document.push(problem);
    None
}
