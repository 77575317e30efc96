//! `time = { days = "Mon-Fri", hours = "08:00-18:00", zone = "Europe/Berlin" }`

use jiff::tz::{TimeZone, db};

use super::document::{Document, Span, Text, Value, by_place};
use crate::diagnostic::suggest;
use crate::policy::hours::{DAY, Days, Hours};

pub(super) const KEYS: [&str; 3] = ["days", "hours", "zone"];

pub(super) fn read(document: &mut Document<'_>, value: &Value<'_>) -> Option<Hours> {
    let table = document.table("time", value)?;
    let mut hours = Hours { days: Days::ALL, from: 0, until: DAY, zone: TimeZone::UTC };
    let mut fine = true;
    for (key, value) in by_place(table) {
        let name = &**key.get_ref();
        if !KEYS.contains(&name) {
            document.unknown_key(key, "`time`", &KEYS, &[]);
            fine = false;
            continue;
        }
        let read = document.string(name, value).and_then(|text| match name {
            "days" => read_days(document, &text).map(|days| hours.days = days),
            "hours" => read_hours(document, &text).map(|(from, until)| (hours.from, hours.until) = (from, until)),
            _ => read_zone(document, &text).map(|zone| hours.zone = zone),
        });
        fine &= read.is_some();
    }
    if !table.contains_key("days") && !table.contains_key("hours") {
        let problem = document.error(value.span(), "`time` without `days` or `hours`").label("means always");
        document.push(problem.help("time = { days = \"Mon-Fri\", hours = \"08:00-18:00\", zone = \"Europe/Berlin\" }"));
        return None;
    }
    fine.then_some(hours)
}

/// In one spelling.
pub(super) fn spell(hours: &Hours) -> String {
    format!("{:?} {}-{} {}", hours.days, hours.from, hours.until, hours.zone.iana_name().unwrap_or("UTC"))
}

/// `Mon-Fri`, `Mon,Wed`, `Fri-Mon,Wed`
fn read_days(document: &mut Document<'_>, text: &Text<'_>) -> Option<Days> {
    let mut days = Days::NONE;
    let mut at = 0usize;
    for part in text.text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let to_at = at.saturating_add(part.len()).saturating_sub(to.len());
        let from = read_day(document, text, from, at)?;
        let to = read_day(document, text, to, to_at)?;
        days.add(from, to);
        at = at.saturating_add(part.len()).saturating_add(1);
    }
    Some(days)
}

/// A day by its name, or the first three letters of it.
fn read_day(document: &mut Document<'_>, text: &Text<'_>, word: &str, at: usize) -> Option<u8> {
    let name = word.trim();
    let short = |day: &str| day.get(..3).is_some_and(|short| short.eq_ignore_ascii_case(name));
    let days = (0u8..).zip(Days::NAMES);
    let found = days.into_iter().find(|(_, day)| day.eq_ignore_ascii_case(name) || short(day));
    if found.is_none() {
        let span = document.part(text, trimmed(word, at));
        let problem = document.error(span, format!("unknown day `{name}`"));
        document.push(problem.help("the days are Mon Tue Wed Thu Fri Sat Sun: \"Mon-Fri\", \"Mon,Wed\""));
    }
    found.map(|(number, _)| number)
}

/// Where the word stands without the blanks around it.
fn trimmed(word: &str, at: usize) -> Span {
    let start = at.saturating_add(word.len().saturating_sub(word.trim_start().len()));
    start..start.saturating_add(word.trim().len())
}

/// `08:00-18:00`, `22:00-06:00`
fn read_hours(document: &mut Document<'_>, text: &Text<'_>) -> Option<(u16, u16)> {
    let times = text.text.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
    let help = "from-until, as in \"08:00-18:00\" or, past midnight, \"22:00-06:00\"; a day ends at 24:00";
    let problem = match times {
        Some((from, until)) if from != until && from < DAY && until > 0 => return Some((from, until)),
        // Midnight ends the day before it as well as it begins the next.
        Some((from, 0)) if 0 < from && from < DAY => return Some((from, DAY)),
        Some((from, until)) if from == until => document.error(text.span.clone(), "the hours begin where they end"),
        Some(_) | None => document.error(text.span.clone(), format!("`{}` are no hours", text.text)),
    };
    document.push(problem.help(help));
    None
}

fn minutes(time: &str) -> Option<u16> {
    let (hour, minute) = time.trim().split_once(':')?;
    let two_digits = |text: &str| {
        (text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && total <= DAY).then_some(total)
}

fn read_zone(document: &mut Document<'_>, text: &Text<'_>) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(text.text) {
        return Some(zone);
    }
    let names: Vec<String> = db().available().map(|name| name.to_string()).collect();
    let problem = document.error(text.span.clone(), format!("unknown time zone `{}`", text.text));
    let help = suggest(text.text, names.iter().map(String::as_str)).map_or_else(
        || "time zones have names such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    document.push(problem.help(help));
    None
}
