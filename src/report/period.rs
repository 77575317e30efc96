//! From when to when, as people write it.
//!
//! ```text
//!   2027-01-13              that day in UTC; as an end, the day included
//!   2027-01-13T09:30:00Z    that instant, with any offset
//!   7d, 12h, 30m            so long ago
//! ```

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Which end of a period is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `--since`
    Since,
    /// `--until`
    Until,
}

/// Reads one end of a period.
///
/// # Errors
/// Where it is neither a day, nor a time, nor so long ago.
pub fn instant(text: &str, end: End, now: Timestamp) -> Result<Timestamp, &'static str> {
    const WRONG: &str =
        "a day (2027-01-13, in UTC), a time (2027-01-13T09:30:00Z) or so long ago (7d, 12h, 30m) is needed";
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        let day = if end == End::Until { day.tomorrow().map_err(|_| WRONG)? } else { day };
        let midnight = day.to_zoned_datetime(TimeZone::UTC).map_err(|_| WRONG)?;
        return Ok(midnight.timestamp());
    }
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(WRONG)?;
    let number: i64 = number.trim().parse().map_err(|_| WRONG)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(WRONG),
    };
    let ago = number.checked_mul(seconds).filter(|ago| *ago >= 0).ok_or(WRONG)?;
    now.checked_sub(SignedDuration::from_secs(ago)).map_err(|_| WRONG)
}

/// As records write a time: texts of this form are in order when the times are.
#[must_use]
pub fn as_recorded(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Microseconds since 1970 of a time as records write it; 0 where it is none.
#[must_use]
pub fn micros(ts: &str) -> i64 {
    plain_micros(ts.as_bytes()).or_else(|| ts.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)).unwrap_or(0)
}

/// `2027-01-13T02:13:32.005484Z`, and nothing else: ten million times a report.
fn plain_micros(ts: &[u8]) -> Option<i64> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
        b'.',
        f1,
        f2,
        f3,
        f4,
        f5,
        f6,
        b'Z',
    ] = ts
    else {
        return None;
    };
    let number = |digits: &[&u8]| {
        digits.iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(i64::from(**digit - b'0')))
        })
    };
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[mo1, mo2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000 + number(&[f1, f2, f3, f4, f5, f6])?)
}

/// Days since 1970-01-01 of the Gregorian calendar, for years 0 to 9999 (the eras of Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2027-01-13 02:13:32`
#[must_use]
pub fn shown(micros: i64) -> String {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let (year, month, day) = civil_from_days(micros.div_euclid(DAY));
    let second = micros.rem_euclid(DAY) / SECOND;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    if !(0..=9_999).contains(&year) {
        return "?".to_owned();
    }
    let mut text = *b"0000-00-00 00:00:00";
    let fields = [(year / 100, 0), (year % 100, 2), (month, 5), (day, 8), (hour, 11), (minute, 14), (second, 17)];
    for (number, at) in fields {
        // Each is below 100.
        let digits = [number / 10, number % 10].map(|digit| b'0'.saturating_add(u8::try_from(digit).unwrap_or(0)));
        if let Some(place) = text.get_mut(at..at + 2) {
            place.copy_from_slice(&digits);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Year, month and day of days since 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era.saturating_mul(400) + year_of_era + i64::from(month <= 2), month, day)
}

/// `2027-01-13`
#[must_use]
pub fn shown_day(micros: i64) -> String {
    let mut text = shown(micros);
    text.truncate(10);
    text
}

/// As JSON has it.
#[must_use]
pub fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), as_recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_of_periods() {
        let now: Timestamp = "2027-01-15T12:00:00Z".parse().expect("a time");
        for (text, since, until) in [
            ("2027-01-13", "2027-01-13T00:00:00Z", "2027-01-14T00:00:00Z"),
            ("2027-01-13T10:30:00+01:00", "2027-01-13T09:30:00Z", "2027-01-13T09:30:00Z"),
            ("7d", "2027-01-08T12:00:00Z", "2027-01-08T12:00:00Z"),
            ("90m", "2027-01-15T10:30:00Z", "2027-01-15T10:30:00Z"),
        ] {
            for (end, wanted) in [(End::Since, since), (End::Until, until)] {
                assert_eq!(instant(text, end, now), Ok(wanted.parse().expect("a time")), "{text}");
            }
        }
        for wrong in ["", "yesterday", "d", "-7d", "7w", "2027-13-01", "99999999999999999d", "ü"] {
            assert!(instant(wrong, End::Since, now).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn microseconds_are_those_of_the_time(at in -62_135_596_800_000_000_i64..253_402_200_000_000_000) {
            let text = as_recorded(Timestamp::from_microsecond(at).expect("in range"));
            prop_assert_eq!(micros(&text), at);
            prop_assert_eq!(shown(at), text[..19].replace('T', " "));
            prop_assert_eq!(rfc3339(at), text);
        }

        #[test]
        fn what_is_no_time_is_none(text in ".{0,30}") {
            let at = micros(&text);
            prop_assert!(at == 0 || text.parse::<Timestamp>().is_ok());
        }
    }
}
