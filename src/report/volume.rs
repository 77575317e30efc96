//! How much left, by user and day, against what is usual for that user.
//!
//! ```text
//!   octets of a day ÷ the median of the user's days with reads = times
//! ```
//!
//! The median is of the whole log, also where a period is asked for: what is unusual needs what is usual.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::data::{ReadData, class_of};
use super::filter::Filter;
use super::gather::{Asked, Gather};
use super::period;
use super::table::{Cell, Listing, column, flexible};
use crate::audit::{Seen, Text};
use crate::imap::message::ReadClass;

/// `report volume`
#[derive(Debug)]
pub struct Volume {
    days: BTreeMap<String, BTreeMap<i64, Day>>,
    /// Rows that are shown; 0: all.
    top: usize,
}

#[derive(Debug, Default)]
struct Day {
    octets: u64,
    messages: u64,
    full: u64,
    sessions: HashSet<String>,
    addresses: HashSet<String>,
    /// Is it in the period that is asked for?
    asked: bool,
}

const DAY: i64 = 86_400_000_000;

impl Volume {
    /// The `top` rows; 0: all.
    #[must_use]
    pub fn new(top: usize) -> Self {
        Self { days: BTreeMap::new(), top }
    }
}

impl Gather for Volume {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        let line = seen.line;
        let is_read = line.type_name == "message.read" && line.stage == Some("done");
        if !is_read || !asked.filter.is_about(line, asked.clients) {
            return;
        }
        let Some(data) = line.data::<ReadData<'_>>().filter(|data| !data.msgs.is_empty()) else { return };
        let user = line.user.as_ref().map_or("", Text::as_str);
        if !self.days.contains_key(user) {
            self.days.insert(user.to_owned(), BTreeMap::new());
        }
        let Some(days) = self.days.get_mut(user) else { return };
        let day = days.entry(period::micros(line.ts).div_euclid(DAY)).or_default();
        day.asked |= asked.filter.is_in_period(line);
        for message in &data.msgs {
            day.octets = day.octets.saturating_add(message.bytes);
            day.messages = day.messages.saturating_add(1);
            day.full = day.full.saturating_add(u64::from(class_of(message.cls) == ReadClass::Full));
        }
        note(&mut day.sessions, line.sid.as_ref());
        note(&mut day.addresses, line.client_ip.as_ref());
    }

    fn listing(self: Box<Self>, _filter: &Filter, _live: bool) -> Listing {
        let mut rows = Vec::new();
        for (user, days) in self.days {
            let median = median(days.values().map(|day| day.octets).collect());
            let mut known = HashMap::<String, i64>::new();
            for (at, day) in days {
                let new = day.addresses.iter().filter(|address| !known.contains_key(*address)).count();
                let first = known.is_empty();
                known.extend(day.addresses.iter().map(|address| (address.clone(), at)));
                if day.asked {
                    rows.push((user.clone(), at, day, median, if first { 0 } else { new as u64 }));
                }
            }
        }
        let times = |octets: u64, median: u64| octets as f64 / median.max(1) as f64;
        let octets = rows.iter().map(|(_, _, day, ..)| day.octets).fold(0, u64::saturating_add);
        let all = rows.len() as u64;
        rows.sort_by(|a, b| {
            times(b.2.octets, b.3).total_cmp(&times(a.2.octets, a.3)).then(b.2.octets.cmp(&a.2.octets))
        });
        if self.top > 0 {
            rows.truncate(self.top);
        }
        let row = |(user, at, day, median, new): (String, i64, Day, u64, u64)| {
            vec![
                Cell::Text(user),
                Cell::Text(period::shown_day(at.saturating_mul(DAY))),
                Cell::Number(day.octets),
                Cell::Number(median),
                Cell::Times((times(day.octets, median) * 10.0).round() / 10.0),
                Cell::Number(day.messages),
                Cell::Number(day.full),
                Cell::Number(day.sessions.len() as u64),
                Cell::Number(day.addresses.len() as u64),
                Cell::Number(new),
            ]
        };
        let columns = vec![
            flexible("user", "user", 10),
            column("day", "day"),
            column("octets", "octets"),
            column("median", "median"),
            column("times_median", "times"),
            column("messages", "messages"),
            column("full", "full"),
            column("sessions", "sessions"),
            column("addresses", "addresses"),
            column("new_addresses", "new"),
        ];
        let totals = vec![("days", "days with reads", Cell::Number(all)), ("octets", "octets", Cell::Number(octets))];
        Listing { columns, rows: rows.into_iter().map(row).collect(), totals }
    }
}

fn note(seen: &mut HashSet<String>, text: Option<&Text<'_>>) {
    if let Some(text) = text
        && !seen.contains(text.as_str())
    {
        seen.insert(text.as_str().to_owned());
    }
}

/// The lower of the two in the middle, where there are two.
fn median(mut octets: Vec<u64>) -> u64 {
    octets.sort_unstable();
    octets.get(octets.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (octets, wanted) in [(vec![], 0), (vec![7], 7), (vec![9, 1], 1), (vec![1000, 2, 3], 3)] {
            assert_eq!(median(octets), wanted);
        }
    }
}
