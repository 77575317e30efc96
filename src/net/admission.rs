//! Who may come in: how many connections stand, and who failed to log in too often.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::drain::locked;
use crate::config::Rate;
use crate::session::event::{AuthFailureReason, RefusedReason};

/// Connections of one listener, in all and by address.
#[derive(Debug, Default)]
pub(super) struct Connections {
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Connections {
    /// Counts one in, or says why not.
    pub fn enter(&self, address: IpAddr, max: usize, max_per_address: usize) -> Result<(), RefusedReason> {
        let mut standing = locked(&self.standing);
        standing.enter(max)?;
        let named = standing.name(address, max_per_address);
        if named.is_err() {
            standing.all = standing.all.saturating_sub(1);
        }
        named
    }

    /// Counts one in of whom it is not known yet where they are, or says why not.
    pub fn enter_unnamed(&self, max: usize) -> Result<(), RefusedReason> {
        locked(&self.standing).enter(max)
    }

    /// Of one that is counted it is known now where they are; or says why they may not stay.
    pub fn name(&self, address: IpAddr, max_per_address: usize) -> Result<(), RefusedReason> {
        locked(&self.standing).name(address, max_per_address)
    }

    /// Counts one out.
    pub fn leave(&self, address: Option<IpAddr>) {
        let mut standing = locked(&self.standing);
        standing.all = standing.all.saturating_sub(1);
        let Some(address) = address else { return };
        if let Some(here) = standing.by_address.get_mut(&address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                standing.by_address.remove(&address);
            }
        }
    }
}

impl Standing {
    fn enter(&mut self, max: usize) -> Result<(), RefusedReason> {
        if self.all >= max {
            return Err(RefusedReason::TooMany);
        }
        self.all = self.all.saturating_add(1);
        Ok(())
    }

    fn name(&mut self, address: IpAddr, max_per_address: usize) -> Result<(), RefusedReason> {
        let here = self.by_address.entry(address).or_default();
        if *here >= max_per_address {
            return Err(RefusedReason::TooManyFromAddress);
        }
        *here = here.saturating_add(1);
        Ok(())
    }
}

/// Failed logins by client address.
#[derive(Debug)]
pub(super) struct AuthFailures {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    rate: Rate,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    failures: u32,
}

/// What a failed login leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Consequence {
    /// Failures in the window, this one included.
    pub failures: u32,
    /// How many are allowed, and in which time.
    pub rate: Rate,
    /// How long the answer is held back.
    pub delay: Duration,
    /// Did this one begin the delays (`delay` is not zero), or the refusals?
    pub crossed: bool,
}

/// Longest time that an answer is held back.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Addresses beyond which those whose window is over are forgotten at once.
const MANY: usize = 10_000;

/// Addresses that are kept at most. Whoever commands more of them is not held up by counting them.
const MOST: usize = 100_000;

impl AuthFailures {
    /// So many are allowed in such a time.
    pub fn new(rate: Rate) -> Self {
        Self { counts: Mutex::new(Counts { rate, by_address: HashMap::new() }) }
    }

    /// Another rate holds from now on.
    pub fn set_rate(&self, rate: Rate) {
        locked(&self.counts).rate = rate;
    }

    /// A login failed. `None` if that says nothing about who tried.
    pub fn failed(&self, address: IpAddr, reason: AuthFailureReason, now: Instant) -> Option<Consequence> {
        match reason {
            AuthFailureReason::Credentials
            | AuthFailureReason::Expired
            | AuthFailureReason::Revoked
            | AuthFailureReason::Protocol => {}
            AuthFailureReason::Unavailable | AuthFailureReason::TooMany => return None,
        }
        let mut counts = locked(&self.counts);
        let rate = counts.rate;
        counts.make_room(now);
        let count = counts.by_address.entry(network(address)).or_insert(Count { since: now, failures: 0 });
        if now.saturating_duration_since(count.since) > rate.window {
            *count = Count { since: now, failures: 0 };
        }
        count.failures = count.failures.saturating_add(1);
        let failures = count.failures;
        // Half of what is allowed passes at full speed: people mistype.
        let late = failures.saturating_sub(rate.count / 2);
        let delay = Duration::from_millis(500).saturating_mul(late).min(MAX_DELAY);
        Some(Consequence { failures, rate, delay, crossed: late == 1 || failures == rate.count })
    }

    /// Has this address failed so often that it is turned away?
    pub fn refuses(&self, address: IpAddr, now: Instant) -> bool {
        let counts = locked(&self.counts);
        counts.by_address.get(&network(address)).is_some_and(|count| {
            count.failures >= counts.rate.count && now.saturating_duration_since(count.since) <= counts.rate.window
        })
    }
}

impl Counts {
    fn make_room(&mut self, now: Instant) {
        if self.by_address.len() < MANY {
            return;
        }
        let window = self.rate.window;
        // Looking through all of them is paid for by those that have come since the last time.
        if self.by_address.len() == self.by_address.capacity() || self.by_address.len() >= MOST {
            self.by_address.retain(|_, count| now.saturating_duration_since(count.since) <= window);
        }
        if self.by_address.len() >= MOST {
            self.by_address.clear();
        }
    }
}

/// One who has an address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn connections_are_limited_in_all_and_by_address() {
        let connections = Connections::default();
        let (ann, eve) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(connections.enter(ann, 3, 2), Ok(()));
        assert_eq!(connections.enter(ann, 3, 2), Ok(()));
        assert_eq!(connections.enter(ann, 3, 2), Err(RefusedReason::TooManyFromAddress));
        assert_eq!(connections.enter(eve, 3, 2), Ok(()));
        assert_eq!(connections.enter(eve, 3, 2), Err(RefusedReason::TooMany));
        connections.leave(Some(ann));
        assert_eq!(connections.enter_unnamed(3), Ok(()), "somebody behind a balancer");
        assert_eq!(connections.enter_unnamed(3), Err(RefusedReason::TooMany));
        assert_eq!(connections.name(ann, 1), Err(RefusedReason::TooManyFromAddress));
        assert_eq!(connections.name(ann, 2), Ok(()));
        connections.leave(Some(ann));
        assert_eq!(connections.enter_unnamed(3), Ok(()));
        connections.leave(None);
        assert_eq!(connections.enter(eve, 3, 2), Ok(()));
    }

    #[test]
    fn failures_are_delayed_then_refused_then_forgotten() {
        let failures = AuthFailures::new(Rate { count: 4, window: Duration::from_secs(600) });
        let (eve, begin) = (ip("192.0.2.2"), Instant::now());
        let fail = |at| failures.failed(eve, AuthFailureReason::Credentials, at).expect("it counts");
        for (name, delay_ms, crossed, refused) in [
            ("first", 0, false, false),
            ("second", 0, false, false),
            ("third: delays begin", 500, true, false),
            ("fourth: refusals begin", 1000, true, true),
            ("fifth, in a session that stood already", 1500, false, true),
        ] {
            let consequence = fail(begin);
            assert_eq!(consequence.delay, Duration::from_millis(delay_ms), "{name}");
            assert_eq!(consequence.crossed, crossed, "{name}");
            assert_eq!(failures.refuses(eve, begin), refused, "{name}");
        }
        assert!(!failures.refuses(ip("192.0.2.3"), begin), "another address");
        let later = begin + Duration::from_secs(601);
        assert!(!failures.refuses(eve, later), "the window is over");
        assert_eq!(fail(later).failures, 1, "and a new one begins");
    }

    #[test]
    fn an_upstream_that_is_away_is_nobodys_failure() {
        let failures = AuthFailures::new(Rate { count: 1, window: Duration::from_secs(600) });
        assert_eq!(failures.failed(ip("192.0.2.2"), AuthFailureReason::Unavailable, Instant::now()), None);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let failures = AuthFailures::new(Rate { count: 2, window: Duration::from_secs(600) });
        let now = Instant::now();
        for address in ["2001:db8::1", "2001:db8::ffff:2"] {
            let _ = failures.failed(ip(address), AuthFailureReason::Credentials, now);
        }
        assert!(failures.refuses(ip("2001:db8::3"), now));
        assert!(!failures.refuses(ip("2001:db8:0:1::3"), now));
    }
}
