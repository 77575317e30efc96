//! What all sessions share and none of them changes: the rules in force, the limits, what is known of each upstream.
//! A reload makes a new one and tells every session ([`super::Session::handle_shared`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::budgets::Budgets;
use super::locks::Locks;
use super::verdicts::Verdicts;
use crate::policy::RuleSet;
use crate::wire::sasl::Mechanism;

/// Made at start and at each reload.
#[derive(Debug)]
pub struct Shared {
    /// The rules in force.
    pub rules: Arc<RuleSet>,
    /// Completes login names without "@".
    pub default_domain: Option<Box<str>>,
    /// The upstreams in the order of the configuration: the first that matches a user serves it.
    pub upstreams: Vec<Arc<UpstreamInfo>>,
    /// What a session may take.
    pub limits: Limits,
    /// What all sessions draw on together. A reload hands it on.
    pub budgets: Arc<dyn Budgets>,
    /// Who is kept out for now. A reload hands them on.
    pub locks: Arc<Locks>,
    /// What rules said to messages, remembered over sessions. A reload hands it on.
    pub verdicts: Arc<dyn Verdicts>,
    /// Tells wall time.
    pub clock: Arc<Clock>,
    /// Tells how long deciding took; a session reads no clock of its own.
    pub stopwatch: fn() -> Instant,
}

/// What a session may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte to a login.
    pub pre_auth_timeout: Duration,
    /// Without a byte of the client's.
    pub idle_timeout: Duration,
    /// Without a byte of the upstream's while a command waits.
    pub upstream_timeout: Duration,
    /// Longest command line, literals not counted, in octets.
    pub max_line: usize,
    /// Largest message literal, in octets.
    pub max_literal: u64,
}

impl Default for Limits {
    /// As the configuration has them by default.
    fn default() -> Self {
        Self {
            pre_auth_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(31 * 60),
            upstream_timeout: Duration::from_secs(60),
            max_line: 64 * 1024,
            max_literal: 64 * 1024 * 1024,
        }
    }
}

/// Is this user served?
pub type UserTest = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// One upstream, as far as a session must know it.
pub struct UpstreamInfo {
    /// Its name in rules, metrics and records.
    pub name: Arc<str>,
    /// Must STARTTLS be asked for?
    pub starttls: bool,
    /// Is it told by ID who the client is (`forward_client = "id"`)?
    pub tells_client: bool,
    /// Does it expunge as soon as `\Deleted` is set (quirk `deleted-expunges`)?
    pub deleted_expunges: bool,
    /// Whose mail it serves; `None`: everybody's.
    serves: Option<UserTest>,
    /// SASL mechanisms that it was seen to offer, a bit each; the top bit says that it has been seen.
    mechanisms: AtomicU8,
}

impl std::fmt::Debug for UpstreamInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamInfo").field("name", &self.name).finish_non_exhaustive()
    }
}

const SEEN: u8 = 0x80;

impl UpstreamInfo {
    /// An upstream of which nothing is known yet.
    #[must_use]
    pub fn new(name: Arc<str>, starttls: bool, serves: Option<UserTest>) -> Self {
        Self { name, starttls, tells_client: false, deleted_expunges: false, serves, mechanisms: AtomicU8::new(0) }
    }

    /// The same, told by ID who the client is, or not.
    #[must_use]
    pub fn tells_client(self, tells_client: bool) -> Self {
        Self { tells_client, ..self }
    }

    /// The same with the quirk `deleted-expunges`, or without.
    #[must_use]
    pub fn deleted_expunges(self, deleted_expunges: bool) -> Self {
        Self { deleted_expunges, ..self }
    }

    /// Remembers what it offers before login, seen as capability names.
    pub fn learn<'a>(&self, capabilities: impl Iterator<Item = &'a [u8]>) {
        let mut bits = SEEN;
        for capability in capabilities {
            let name = match capability.get(..5) {
                Some(head) if head.eq_ignore_ascii_case(b"AUTH=") => capability.get(5..).unwrap_or_default(),
                _ => continue,
            };
            if let Some(mechanism) = Mechanism::from_name(name) {
                bits |= bit(mechanism);
            }
        }
        if self.mechanisms.load(Ordering::Relaxed) != bits {
            self.mechanisms.store(bits, Ordering::Relaxed);
        }
    }

    /// Has it been seen what it offers?
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.mechanisms.load(Ordering::Relaxed) & SEEN != 0
    }

    /// Does it take this mechanism, as far as is known? PLAIN can always be had, by LOGIN if need be.
    #[must_use]
    pub fn offers(&self, mechanism: Mechanism) -> bool {
        let bits = self.mechanisms.load(Ordering::Relaxed);
        bits & bit(mechanism) != 0 || matches!(mechanism, Mechanism::Plain | Mechanism::Login)
    }
}

fn bit(mechanism: Mechanism) -> u8 {
    match mechanism {
        Mechanism::Plain => 1,
        Mechanism::Login => 2,
        Mechanism::Xoauth2 => 4,
        Mechanism::Oauthbearer => 8,
        Mechanism::ScramSha1 => 16,
        Mechanism::ScramSha256 => 32,
    }
}

impl Shared {
    /// The upstream that serves this user.
    #[must_use]
    pub fn upstream_for(&self, user: &str) -> Option<&Arc<UpstreamInfo>> {
        let matching = self.upstreams.iter().find(|info| info.serves.as_ref().is_some_and(|serves| serves(user)));
        matching.or_else(|| self.upstreams.iter().find(|info| info.serves.is_none()))
    }

    /// The mechanisms to offer before it is known who comes: those that every upstream takes.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(|mechanism| self.upstreams.iter().all(|upstream| upstream.offers(*mechanism)))
    }
}

/// Wall time, told from the monotonic time that a session is given; the two are brought together now and then by the
/// caller, so that a step of the clock reaches rules with hours.
#[derive(Debug)]
pub struct Clock {
    base: Instant,
    at_base: AtomicI64,
}

impl Clock {
    /// `wall` is the time at `now`.
    #[must_use]
    pub fn new(now: Instant, wall: jiff::Timestamp) -> Self {
        Self { base: now, at_base: AtomicI64::new(wall.as_microsecond()) }
    }

    /// It is `wall` at `now`.
    pub fn set(&self, now: Instant, wall: jiff::Timestamp) {
        let since = i64::try_from(now.saturating_duration_since(self.base).as_micros()).unwrap_or(i64::MAX);
        self.at_base.store(wall.as_microsecond().saturating_sub(since), Ordering::Relaxed);
    }

    /// The wall time at `now`.
    #[must_use]
    pub fn at(&self, now: Instant) -> jiff::Timestamp {
        let since = i64::try_from(now.saturating_duration_since(self.base).as_micros()).unwrap_or(i64::MAX);
        let micros = self.at_base.load(Ordering::Relaxed).saturating_add(since);
        jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
    }
}
