//! When in the week? `time = { days = "Mon-Fri", hours = "22:00-06:00", zone = "Europe/Berlin" }`
//!
//! ```text
//!   days = "Fri"   hours = "22:00-06:00"      Fri 22 ─────────── 24 ─────────── 06 Sat
//! ```
//!
//! Hours may pass midnight; they belong to the day on which they begin.

use std::fmt;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

/// Days of the week as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days(u8);

impl Days {
    pub(super) const ALL: Self = Self(0x7f);
    pub(super) const NONE: Self = Self(0);

    /// Names of the days, Monday first.
    pub(super) const NAMES: [&'static str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

    /// From one day to the other, both included, over the end of the week if need be.
    pub(super) fn add(&mut self, from: u8, to: u8) {
        let mut day = from % 7;
        self.0 |= 1 << day;
        while day != to % 7 {
            day = (day + 1) % 7;
            self.0 |= 1 << day;
        }
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl fmt::Display for Days {
    /// `Mon-Fri`, `Mon,Wed`, `Sat-Mon`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |day: u8| self.0 & (1 << (day % 7)) != 0;
        let name = |day: u8| Self::NAMES.get(usize::from(day % 7)).and_then(|name| name.get(..3)).unwrap_or_default();
        // Days that follow on one that is not in the set begin a run.
        let runs = (0u8..7).filter(|day| has(*day) && !has(*day + 6)).map(|first| {
            let length = (1u8..7).take_while(|further| has(first + further)).count();
            let last = first.saturating_add(u8::try_from(length).unwrap_or(0));
            if length == 0 { name(first).to_owned() } else { format!("{}-{}", name(first), name(last)) }
        });
        f.write_str(&runs.collect::<Vec<_>>().join(","))
    }
}

/// Some hours of some days in one time zone.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    pub(super) days: Days,
    /// In minutes; `until` is not included, and not later than `from` where they pass midnight.
    pub(super) from: u16,
    pub(super) until: u16,
    pub(super) zone: TimeZone,
}

impl fmt::Display for Hours {
    /// `Mon-Fri 08:00-18:00 Europe/Berlin`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Days::ALL {
            write!(f, "{} ", self.days)?;
        }
        if (self.from, self.until) != (0, DAY) {
            write!(f, "{:02}:{:02}-{:02}:{:02} ", self.from / 60, self.from % 60, self.until / 60, self.until % 60)?;
        }
        f.write_str(self.zone.iana_name().unwrap_or("UTC"))
    }
}

impl Hours {
    /// Is it now?
    pub(super) fn contain(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at);
        let minute = u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap_or(0);
        let today = self.days.has(local.weekday());
        if self.from < self.until {
            return today && self.from <= minute && minute < self.until;
        }
        let yesterday = self.days.has(local.weekday().previous());
        (today && minute >= self.from) || (yesterday && minute < self.until)
    }

    /// When that can next change. Told too early at times (a clock that is put back), never too late.
    pub(super) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(after).date();
        // A window that began yesterday can end today; the same day of the next week is the farthest.
        let first = (-1..=8)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .filter(|day| self.days.has(day.weekday()))
            .flat_map(|day| self.edges(day))
            .flat_map(|local| {
                let edge = self.zone.to_ambiguous_timestamp(local);
                [edge.earlier().ok(), edge.later().ok()]
            })
            .flatten()
            .filter(|edge| *edge > after)
            .min();
        let shift = self.zone.following(after).next().map(|shift| shift.timestamp());
        first.into_iter().chain(shift).min()
    }

    /// Where the window that begins on that day begins and ends.
    fn edges(&self, day: Date) -> impl Iterator<Item = DateTime> {
        let midnight = day.at(0, 0, 0, 0);
        let until = if self.from < self.until { self.until } else { self.until.saturating_add(DAY) };
        [self.from, until]
            .into_iter()
            .filter_map(move |minutes| midnight.checked_add(i64::from(minutes).minutes()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: Days, from: u16, until: u16, zone: &str) -> Hours {
        Hours { days, from, until, zone: TimeZone::get(zone).unwrap() }
    }

    fn weekdays() -> Days {
        let mut days = Days::NONE;
        days.add(0, 4);
        days
    }

    fn friday() -> Days {
        let mut days = Days::NONE;
        days.add(4, 4);
        days
    }

    #[test]
    fn when_it_is() {
        // 2027-01-15 is a Friday.
        let office = hours(weekdays(), 8 * 60, 18 * 60, "Europe/Berlin");
        let night = hours(friday(), 22 * 60, 6 * 60, "Europe/Berlin");
        let all_day = hours(friday(), 0, DAY, "UTC");
        let rows = [
            ("at eight in Berlin", &office, "2027-01-15T07:00:00Z", true),
            ("a minute before", &office, "2027-01-15T06:59:59Z", false),
            ("at six in the evening", &office, "2027-01-15T17:00:00Z", false),
            ("in summer time", &office, "2027-07-16T06:00:00Z", true),
            ("on Saturday", &office, "2027-01-16T09:00:00Z", false),
            ("Friday night", &night, "2027-01-15T21:00:00Z", true),
            ("still Friday's night on Saturday", &night, "2027-01-16T04:59:00Z", true),
            ("Saturday night", &night, "2027-01-16T22:00:00Z", false),
            ("early on Friday, Thursday's night", &night, "2027-01-15T03:00:00Z", false),
            ("midnight", &all_day, "2027-01-15T00:00:00Z", true),
            ("the last minute", &all_day, "2027-01-15T23:59:59Z", true),
            ("the next day", &all_day, "2027-01-16T00:00:00Z", false),
        ];
        for (name, hours, at, want) in rows {
            assert_eq!(hours.contain(at.parse().unwrap()), want, "{name}");
        }
    }

    #[test]
    fn days_go_round() {
        let mut days = Days::NONE;
        days.add(5, 0);
        let weekend = [Weekday::Saturday, Weekday::Sunday, Weekday::Monday];
        assert!(weekend.into_iter().all(|day| days.has(day)) && !days.has(Weekday::Tuesday));
    }

    #[test]
    fn how_they_are_told() {
        let mut some = Days::NONE;
        [(0, 0), (2, 3), (5, 6)].into_iter().for_each(|(from, to)| some.add(from, to));
        let rows = [
            ("office hours", hours(weekdays(), 8 * 60, 18 * 60, "Europe/Berlin"), "Mon-Fri 08:00-18:00 Europe/Berlin"),
            ("a whole day", hours(friday(), 0, DAY, "UTC"), "Fri UTC"),
            ("every night", hours(Days::ALL, 22 * 60, 6 * 60 + 5, "UTC"), "22:00-06:05 UTC"),
            ("round the end of the week", hours(some, 0, DAY, "UTC"), "Wed-Thu,Sat-Mon UTC"),
        ];
        for (name, hours, want) in rows {
            assert_eq!(hours.to_string(), want, "{name}");
        }
    }

    #[test]
    fn what_comes_next() {
        let office = hours(weekdays(), 8 * 60, 18 * 60, "Europe/Berlin");
        let night = hours(friday(), 22 * 60, 6 * 60, "UTC");
        let rows = [
            ("it begins", &office, "2027-01-15T06:00:00Z", "2027-01-15T07:00:00Z"),
            ("it ends", &office, "2027-01-15T07:00:00Z", "2027-01-15T17:00:00Z"),
            ("over the weekend", &office, "2027-01-15T17:00:00Z", "2027-01-18T07:00:00Z"),
            ("it ends on the day after", &night, "2027-01-15T23:00:00Z", "2027-01-16T06:00:00Z"),
            ("in a week", &night, "2027-01-16T06:00:00Z", "2027-01-22T22:00:00Z"),
        ];
        for (name, hours, after, want) in rows {
            assert_eq!(hours.next_change(after.parse().unwrap()), Some(want.parse().unwrap()), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_changes_before_the_next_change(
            start in 1_798_000_000i64..1_830_000_000, mask in 1u8..0x80, from in 0u16..DAY, until in 1u16..=DAY,
            step in 1i64..100,
        ) {
            proptest::prop_assume!(from != until);
            let hours = hours(Days(mask), from, until, "Europe/Berlin");
            let after = Timestamp::from_second(start).unwrap();
            let now = hours.contain(after);
            let next = hours.next_change(after).unwrap();
            let between = start + (next.as_second() - start) * step / 100;
            if between < next.as_second() {
                proptest::prop_assert_eq!(hours.contain(Timestamp::from_second(between).unwrap()), now);
            }
        }
    }
}
