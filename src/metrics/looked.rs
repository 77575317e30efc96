//! What is looked up at each scrape, as nobody tells it.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use prometheus::{IntGauge, IntGaugeVec};

use super::family::{Maker, Present};
use super::table as t;

/// What can be seen of the proxy at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Users that are logged in.
    pub users: u64,
    /// Octets that sessions hold.
    pub buffered: u64,
    /// Octets that they would hold at most.
    pub buffer_limit: u64,
    /// Users that are locked out.
    pub locked_users: u64,
    /// Addresses and networks that are.
    pub locked_addresses: u64,
}

type Look = Box<dyn Fn() -> Looked + Send + Sync>;

pub(super) struct Gauges {
    look: OnceLock<Look>,
    users: IntGauge,
    buffered: IntGauge,
    buffer_limit: IntGauge,
    locks: IntGaugeVec,
    ages: Present,
    read: Mutex<BTreeMap<Box<str>, SystemTime>>,
}

impl Gauges {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let locks = make.gauges(&t::LOCKS);
        for subject in ["user", "client_ip"] {
            locks.with_label_values(&[subject]).set(0);
        }
        Self {
            look: OnceLock::new(),
            users: make.gauge(&t::USERS),
            buffered: make.gauge(&t::BUFFERED_BYTES),
            buffer_limit: make.gauge(&t::BUFFER_LIMIT_BYTES),
            locks,
            ages: Present::new(make.gauges(&t::POLICY_SOURCE_AGE_SECONDS)),
            read: Mutex::default(),
        }
    }

    pub(super) fn watch(&self, look: Look) {
        let _ = self.look.set(look);
    }

    pub(super) fn sources<'a>(&self, sources: impl IntoIterator<Item = (&'a str, SystemTime)>) {
        let read = sources.into_iter().map(|(source, read)| (source.into(), read)).collect();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }

    /// Before a scrape.
    pub(super) fn refresh(&self) {
        let now = SystemTime::now();
        let age = |read: SystemTime| now.duration_since(read).map_or(0, |age| whole(age.as_secs()));
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.ages.replace(read.iter().map(|(source, read)| (&**source, age(*read))));
        let Some(look) = self.look.get() else { return };
        let looked = look();
        self.users.set(whole(looked.users));
        self.buffered.set(whole(looked.buffered));
        self.buffer_limit.set(whole(looked.buffer_limit));
        self.locks.with_label_values(&["user"]).set(whole(looked.locked_users));
        self.locks.with_label_values(&["client_ip"]).set(whole(looked.locked_addresses));
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
