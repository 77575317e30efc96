//! `from` and `until`: days in UTC, or times with an offset.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use toml::de::DeValue;
use toml::value::Datetime;

use super::document::{Document, Span, Value};
use super::warning;
use crate::policy::life::Life;

/// Which end of a life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    From,
    Until,
}

/// Both keys, and where their values stand.
#[derive(Default)]
pub(super) struct Lived {
    pub(super) life: Life,
    from_at: Option<Span>,
    until_at: Option<Span>,
}

impl Lived {
    /// Says whether the key could be read.
    pub(super) fn read(&mut self, document: &mut Document<'_>, end: End, key: &str, value: &Value<'_>) -> bool {
        let time = read(document, end, key, value);
        let (place, at) = match end {
            End::From => (&mut self.life.from, &mut self.from_at),
            End::Until => (&mut self.life.until, &mut self.until_at),
        };
        (*place, *at) = (time, time.map(|_| value.span()));
        time.is_some()
    }

    /// Warns where there is no time left. `what` is a rule or an exception.
    pub(super) fn check(&self, document: &mut Document<'_>, what: &str, now: Timestamp) {
        let Some(until_at) = &self.until_at else { return };
        if self.life.is_empty() {
            warning::never_lives(document, what, until_at.clone());
        } else if self.life.is_over(now) {
            warning::has_ended(document, what, until_at.clone());
        }
    }
}

/// The first moment of a day, or of the day behind it; or that time.
pub(super) fn read(document: &mut Document<'_>, end: End, key: &str, value: &Value<'_>) -> Option<Timestamp> {
    let written = match value.get_ref() {
        DeValue::Datetime(written) => Some(*written),
        // With quotes around it, it says the same.
        DeValue::String(text) => text.parse::<Datetime>().ok(),
        _ => None,
    };
    let forms = "2027-03-31, a whole day in UTC, or 2027-03-31T18:00:00Z";
    let Some(written) = written else {
        let problem = document.error(value.span(), format!("`{key}` must be a date or a time"));
        document.push(problem.help(format!("write it as {forms}")));
        return None;
    };
    match (written.date, written.time, written.offset) {
        (Some(_), None, _) => day(&written, end),
        (Some(_), Some(_), Some(_)) => written.to_string().parse().ok(),
        (Some(_), Some(_), None) => {
            let problem = document.error(value.span(), format!("`{key}` is a time without an offset"));
            document.push(
                problem
                    .label("when that is depends on the place")
                    .help("add \"Z\" for UTC, or an offset such as \"+01:00\""),
            );
            return None;
        }
        (None, _, _) => {
            let problem = document.error(value.span(), format!("`{key}` is a time without a day"));
            document.push(problem.help(format!("write it as {forms}; hours of days stand in when.time")));
            return None;
        }
    }
    .or_else(|| {
        let problem = document.error(value.span(), format!("`{key}` is no time that there is"));
        document.push(problem.help(format!("write it as {forms}")));
        None
    })
}

fn day(written: &Datetime, end: End) -> Option<Timestamp> {
    let day: Date = written.to_string().parse().ok()?;
    let day = match end {
        End::From => day,
        End::Until => day.checked_add(1.day()).ok()?,
    };
    Some(day.in_tz("UTC").ok()?.timestamp())
}
