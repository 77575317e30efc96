//! When a record is made, as its line tells it.

use jiff::Timestamp;

/// Octets of the fraction and the `Z` behind it.
const FRACTION: usize = 7;

/// A moment in UTC, to the microsecond: `2027-01-13T02:13:32.005484Z`. Moments of one second share what is dear to spell.
#[derive(Debug)]
pub struct Stamp {
    second: i64,
    text: String,
}

impl Stamp {
    /// A moment.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { second: at.as_second(), text: format!("{at:.6}") }
    }

    /// Another moment in its place.
    pub fn set(&mut self, at: Timestamp) {
        let micros = u32::try_from(at.subsec_microsecond()).ok().filter(|_| at.as_second() == self.second);
        let begin = micros.and_then(|micros| Some((micros, self.text.len().checked_sub(FRACTION)?)));
        // Before 1970 fractions count backwards, and `second` is nearer to 1970 than the text's.
        match begin.filter(|_| at > Timestamp::UNIX_EPOCH) {
            Some((micros, begin)) => {
                self.text.truncate(begin);
                let digits = 1_000_000_u32.saturating_add(micros);
                self.text.push_str(itoa::Buffer::new().format(digits).get(1..).unwrap_or_default());
                self.text.push('Z');
            }
            None => *self = Self::new(at),
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_was_said_before_it_says_what_the_time_is(
            moments in prop::collection::vec((-3_i64..3, 0_i32..1_000_000_000, prop::bool::ANY), 1..20),
        ) {
            let mut stamp = Stamp::new(Timestamp::MIN);
            for (second, nanos, late) in moments {
                let second = if late { second + 1_800_000_000 } else { second };
                let at = Timestamp::new(second, if second < 0 { -nanos } else { nanos }).expect("a moment");
                stamp.set(at);
                prop_assert_eq!(stamp.as_str(), format!("{at:.6}"));
            }
        }
    }
}
