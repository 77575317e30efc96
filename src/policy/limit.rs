//! Budgets as values: usage in, remainder out. Knows no clock and no store.
//!
//! ```text
//!   limit = { download = "2 GiB/day" }
//!
//!   used    ▇▇▇▇▇▇▆▆▅▅▄▄▃▃▂▂▁▁____      drains evenly, all of it in one day
//!           └ take 2 GiB: there are no more now, half of it in half a day
//! ```
//!
//! ```
//! use imapwarden::policy::{Quota, Usage};
//! use std::time::Duration;
//!
//! let quota = Quota { max: 10, window: Duration::from_secs(100) };
//! let used = Usage::NONE.take(quota, 8, 0).unwrap();
//! assert_eq!(used.take(quota, 4, 0), Err(8));
//! assert!(used.take(quota, 4, 20_000_000_000).is_ok(), "2 of 8 are back after 20 seconds");
//! ```

use std::fmt;
use std::time::Duration;

/// So much in that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Octets, messages or commands; 1 at least.
    pub max: u64,
    /// In which time; a nanosecond at least.
    pub window: Duration,
}

impl Quota {
    fn window(self) -> u128 {
        self.window.as_nanos().max(1)
    }

    /// The time in which so much drains, rounded up.
    fn time_of(self, amount: u64) -> u64 {
        let time = u128::from(amount).saturating_mul(self.window()).div_ceil(u128::from(self.max.max(1)));
        u64::try_from(time).unwrap_or(u64::MAX)
    }

    /// What drains in that time, rounded up.
    fn amount_in(self, time: u64) -> u64 {
        let amount = u128::from(time).saturating_mul(u128::from(self.max)).div_ceil(self.window());
        u64::try_from(amount).unwrap_or(u64::MAX)
    }
}

/// How much of a quota is used: the moment at which nothing of it will be, in nanoseconds of whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Usage(u64);

impl Usage {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// What is used at that moment.
    #[must_use]
    pub fn used(self, quota: Quota, now: u64) -> u64 {
        quota.amount_in(self.0.saturating_sub(now))
    }

    /// Is nothing used at that moment?
    #[must_use]
    pub const fn is_none(self, now: u64) -> bool {
        self.0 <= now
    }

    /// Takes so much, if that much is left; else tells what is used.
    pub fn take(self, quota: Quota, amount: u64, now: u64) -> Result<Self, u64> {
        let taken = self.charge(quota, amount, now);
        let fits = u128::from(taken.0.saturating_sub(now)) <= quota.window();
        if fits { Ok(taken) } else { Err(self.used(quota, now)) }
    }

    /// Takes so much, left or not.
    #[must_use]
    pub fn charge(self, quota: Quota, amount: u64, now: u64) -> Self {
        Self(self.0.max(now).saturating_add(quota.time_of(amount)))
    }

    /// Gives so much back that was taken.
    #[must_use]
    pub fn give_back(self, quota: Quota, amount: u64) -> Self {
        Self(self.0.saturating_sub(quota.time_of(amount)))
    }
}

/// For whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Per {
    /// A user, with all addresses and sessions.
    #[default]
    User,
    /// A client's address.
    ClientIp,
    /// A session.
    Session,
}

impl Per {
    /// As rule files write them.
    pub const NAMES: [(&'static str, Self); 3] =
        [("user", Self::User), ("client_ip", Self::ClientIp), ("session", Self::Session)];
}

/// What is counted of a [`Quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Octets of what was read of messages: headers, structure and content.
    Download,
    /// Messages of which content was read.
    Messages,
    /// Commands received.
    Commands,
}

/// `limit = { … }`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `download`
    pub download: Option<Quota>,
    /// `messages`
    pub messages: Option<Quota>,
    /// `commands`
    pub commands: Option<Quota>,
    /// `sessions` at the same time
    pub sessions: Option<u64>,
    /// `message_size`, in octets
    pub message_size: Option<u64>,
    /// For whom.
    pub per: Per,
}

impl Limits {
    /// The quota for what is counted so.
    #[must_use]
    pub const fn quota(&self, measure: Measure) -> Option<Quota> {
        match measure {
            Measure::Download => self.download,
            Measure::Messages => self.messages,
            Measure::Commands => self.commands,
        }
    }
}

/// What budgets count of a request, beside that it is a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counted {
    /// Does it read headers, structure or content?
    pub download: bool,
    /// Does it read content?
    pub messages: bool,
    /// The size of the message that it brings.
    pub brings: Option<u64>,
}

impl Limits {
    /// Can such a command run into one of them?
    #[must_use]
    pub fn count(&self, command: bool, counted: Counted) -> bool {
        (command && self.commands.is_some())
            || (counted.download && self.download.is_some())
            || (counted.messages && (self.messages.is_some() || self.message_size.is_some()))
            || self.is_too_big(counted)
    }

    /// Is the message that it brings too large?
    #[must_use]
    pub fn is_too_big(&self, counted: Counted) -> bool {
        counted.brings.zip(self.message_size).is_some_and(|(size, max)| size > max)
    }
}

impl fmt::Display for Quota {
    /// `5000/3600s`; windows that have a name by it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window.as_secs() {
            1 => write!(f, "{}/s", self.max),
            60 => write!(f, "{}/m", self.max),
            3600 => write!(f, "{}/hour", self.max),
            86_400 => write!(f, "{}/day", self.max),
            seconds => write!(f, "{}/{seconds}s", self.max),
        }
    }
}

impl fmt::Display for Limits {
    /// As rule files have it, sizes in octets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = |key: &str, quota: Option<Quota>| quota.map(|quota| format!("{key} = \"{quota}\""));
        let per = Per::NAMES.iter().find(|(_, per)| *per == self.per && self.per != Per::default());
        let octets = |quota: Quota| format!("download = \"{}\"", quota.to_string().replacen('/', " B/", 1));
        let keys = [
            self.download.map(octets),
            quota("messages", self.messages),
            quota("commands", self.commands),
            self.sessions.map(|sessions| format!("sessions = {sessions}")),
            self.message_size.map(|size| format!("message_size = \"{size} B\"")),
            per.map(|(name, _)| format!("per = \"{name}\"")),
        ];
        f.write_str(&keys.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn quota(max: u64, seconds: u64) -> Quota {
        Quota { max, window: Duration::from_secs(seconds) }
    }

    #[test]
    fn what_is_left() {
        let ten = quota(10, 100);
        let rows: [(&str, &[(u64, u64)], u64, u64, Result<(), u64>); 9] = [
            ("nothing is used", &[], 10, 0, Ok(())),
            ("more than all", &[], 11, 0, Err(0)),
            ("the rest", &[(7, 0)], 3, 0, Ok(())),
            ("more than the rest", &[(7, 0)], 4, 0, Err(7)),
            ("a part has drained", &[(10, 0)], 1, 10, Ok(())),
            ("not quite", &[(10, 0)], 1, 9, Err(10)),
            ("all has", &[(10, 0)], 10, 100, Ok(())),
            ("no more than all has", &[(10, 0)], 11, 10_000, Err(0)),
            ("more than there was", &[(25, 0)], 1, 150, Err(10)),
        ];
        for (name, charges, amount, at, want) in rows {
            let used = charges.iter().fold(Usage::NONE, |used, (n, at)| used.charge(ten, *n, at * SECOND));
            assert_eq!(used.take(ten, amount, at * SECOND).map(drop), want, "{name}");
        }
    }

    #[test]
    fn what_is_given_back() {
        let ten = quota(10, 100);
        let used = Usage::NONE.charge(ten, 10, SECOND).give_back(ten, 4);
        assert_eq!(used.used(ten, SECOND), 6);
        assert!(used.give_back(ten, 6).is_none(SECOND));
    }

    #[test]
    fn what_no_number_can_hold_is_never_left() {
        let most = Quota { max: u64::MAX, window: Duration::MAX };
        let one = Quota { max: 1, window: Duration::MAX };
        assert!(Usage::NONE.take(most, 1, 0).is_ok());
        let used = Usage::NONE.charge(one, u64::MAX, u64::MAX);
        assert_eq!(used.used(quota(1, 1), 0), u64::MAX / SECOND + 1);
        assert!(used.take(quota(1, 1), 1, 5).is_err());
    }

    #[test]
    fn as_rule_files_have_it() {
        let limits = Limits {
            download: Some(quota(2048, 86_400)),
            messages: Some(quota(10, 600)),
            commands: Some(quota(50, 1)),
            sessions: Some(3),
            message_size: Some(1024),
            per: Per::ClientIp,
        };
        let want = "download = \"2048 B/day\", messages = \"10/600s\", commands = \"50/s\", sessions = 3, \
                    message_size = \"1024 B\", per = \"client_ip\"";
        assert_eq!(limits.to_string(), want);
        assert_eq!(Limits { sessions: Some(1), ..Limits::default() }.to_string(), "sessions = 1");
    }

    proptest::proptest! {
        #[test]
        fn never_more_than_the_quota_and_what_drains(
            max in 1u64..1_000_000, seconds in 1u64..100_000, takes in proptest::collection::vec((0u64..2_000_000, 0u64..10_000_000_000), 1..50),
        ) {
            let quota = quota(max, seconds);
            let (mut used, mut now, mut taken) = (Usage::NONE, 0u64, 0u128);
            for (amount, passes) in takes {
                now += passes;
                if let Ok(after) = used.take(quota, amount, now) {
                    used = after;
                    taken += u128::from(amount);
                }
                let most = u128::from(max) + u128::from(now) * u128::from(max) / (u128::from(seconds) * u128::from(SECOND));
                proptest::prop_assert!(taken <= most + 1, "{taken} of {most}");
            }
        }
    }
}
