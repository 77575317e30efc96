//! Who may not come in for now, whatever the rules say.
//!
//! ```text
//!   admin API ─▶ lock { user or address, until } ─▶ every login asks; every open session looks once when they change
//! ```
//!
//! A lock acts as a rule `lock/<id>` that denies a login, and it always ends. Where a login name can be read in several ways,
//! a lock on any of them holds.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::policy::{Subject, may_mean};

/// All that hold, or held a moment ago.
#[derive(Debug, Default)]
pub struct Locks(ArcSwap<Vec<Arc<Lock>>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name, in records as `lock/<id>`.
    pub id: Arc<str>,
    /// Who is kept out.
    pub whom: Locked,
    /// When it was made.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Who made it.
    pub by: Arc<str>,
    /// Why.
    pub why: Arc<str>,
}

/// Who is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// Whoever opens this user's mail, or proves to be this user.
    User(Arc<str>),
    /// Whoever comes from here.
    From(Network),
}

/// An address, or all that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// It is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNetwork;

impl Locks {
    /// These hold from now on, and no others.
    pub fn set(&self, locks: Vec<Arc<Lock>>) {
        self.0.store(Arc::new(locks));
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Arc<Lock>>> {
        self.0.load_full()
    }

    /// The one that keeps this subject out at that time.
    #[must_use]
    pub fn holding(&self, subject: &Subject, at: Timestamp) -> Option<Arc<Lock>> {
        let locks = self.0.load();
        locks.iter().find(|lock| lock.until > at && lock.whom.is(subject)).map(Arc::clone)
    }
}

impl Locked {
    fn is(&self, subject: &Subject) -> bool {
        match self {
            Self::User(user) => may_mean(&subject.user, user) || may_mean(&subject.actor, user),
            Self::From(network) => network.holds(subject.client_ip),
        }
    }
}

/// As records have it.
impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user={user}"),
            Self::From(network) => write!(f, "client_ip={network}"),
        }
    }
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => shift(u32::from(ours) ^ u32::from(theirs), 32, self.prefix) == 0,
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differs = u128::from(ours) ^ u128::from(theirs);
                differs.checked_shr(128_u32.saturating_sub(self.prefix.into())).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// What is left of the first `prefix` bits.
fn shift(bits: u32, width: u32, prefix: u8) -> u32 {
    bits.checked_shr(width.saturating_sub(prefix.into())).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address = address.parse::<IpAddr>().map_err(|_| NoNetwork)?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), str::parse).map_err(|_| NoNetwork)?;
        // Nobody means the whole world, and a part of a network of 0 bits is all of it.
        if prefix == 0 || prefix > most { Err(NoNetwork) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        match self.prefix == most {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TlsLevel;

    fn subject(user: &str, actor: &str, ip: &str) -> Subject {
        Subject {
            user: user.into(),
            actor: actor.into(),
            groups: Arc::new([]),
            listener: "imaps".into(),
            upstream: "main".into(),
            client_ip: ip.parse().unwrap(),
            client_id: "".into(),
            tls: TlsLevel::Server,
        }
    }

    fn locks(whom: &[Locked]) -> Locks {
        let locks = Locks::default();
        let lock = |whom: &Locked| {
            let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(100).unwrap());
            Arc::new(Lock { id: "1".into(), whom: whom.clone(), since, until, by: "ops".into(), why: "x".into() })
        };
        locks.set(whom.iter().map(lock).collect());
        locks
    }

    #[test]
    fn who_is_kept_out() {
        let user = |user: &str| Locked::User(user.into());
        let from = |net: &str| Locked::From(net.parse().unwrap());
        let rows = [
            ("the user", user("ann@x"), subject("ann@x", "ann@x", "192.0.2.1"), true),
            ("another", user("ann@x"), subject("bob@x", "bob@x", "192.0.2.1"), false),
            ("in any case", user("Ann@X"), subject("ANN@x", "ANN@x", "192.0.2.1"), true),
            ("a blank at the end", user("ann@x"), subject("ann@x ", "ann@x ", "192.0.2.1"), true),
            ("with detail", user("ann@x"), subject("ann+lists@x", "ann+lists@x", "192.0.2.1"), true),
            ("as whom one acts", user("ann@x"), subject("bob@x", "ann@x", "192.0.2.1"), true),
            ("a master user's way", user("ann@x"), subject("ann@x*admin", "ann@x*admin", "192.0.2.1"), true),
            ("an address", from("192.0.2.1"), subject("ann", "ann", "192.0.2.1"), true),
            ("the next address", from("192.0.2.1"), subject("ann", "ann", "192.0.2.2"), false),
            ("a network", from("192.0.2.0/24"), subject("ann", "ann", "192.0.2.200"), true),
            ("beside it", from("192.0.2.0/24"), subject("ann", "ann", "192.0.3.1"), false),
            ("mapped", from("192.0.2.1"), subject("ann", "ann", "::ffff:192.0.2.1"), true),
            ("IPv6", from("2001:db8::/64"), subject("ann", "ann", "2001:db8::77"), true),
            ("beside it", from("2001:db8::/64"), subject("ann", "ann", "2001:db8:0:1::1"), false),
            ("of another family", from("::/1"), subject("ann", "ann", "192.0.2.1"), false),
        ];
        for (name, whom, subject, held) in rows {
            let held_now =
                |at| locks(std::slice::from_ref(&whom)).holding(&subject, Timestamp::from_second(at).unwrap());
            assert_eq!(held_now(99).is_some(), held, "{name}");
            assert!(held_now(100).is_none(), "{name}: it has ended");
        }
    }

    #[test]
    fn networks() {
        for (text, want) in [
            ("192.0.2.1", Ok("192.0.2.1")),
            ("192.0.2.0/24", Ok("192.0.2.0/24")),
            ("192.0.2.1/32", Ok("192.0.2.1")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("0.0.0.0/0", Err(NoNetwork)),
            ("192.0.2.0/33", Err(NoNetwork)),
            ("192.0.2.0/-1", Err(NoNetwork)),
            ("ann", Err(NoNetwork)),
        ] {
            assert_eq!(text.parse::<Network>().map(|network| network.to_string()), want.map(str::to_owned), "{text}");
        }
    }
}
