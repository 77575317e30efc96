//! The listeners that are open: those of the start, and those that reloads add and take away.
//!
//! ```text
//!   name, bind, tls as before ─▶ stays: certificates and limits anew      no longer there ─▶ closed, its sessions stay
//!   anything else             ─▶ bound before anything changes; where that fails nothing does
//! ```

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Prepared, sockets};
use crate::config::{Config, Listener};
use crate::diagnostic::Problem;
use crate::metrics::Metrics;
use crate::net::{self, Bound, ListenerState, Server};

/// Each listener, in the order of the configuration, and what serves them.
#[derive(Debug)]
pub(super) struct Doors {
    states: Vec<Arc<ListenerState>>,
    tasks: JoinSet<()>,
}

/// What a reload makes of one listener.
pub(super) enum Change {
    /// It is the one of that number.
    Stays(usize),
    /// It is new.
    New(Vec<Bound>),
}

impl Doors {
    /// Lets clients in by all of them.
    pub fn open(server: &Arc<Server>, bound: Vec<Vec<Bound>>) -> Self {
        let mut doors = Self { states: Vec::new(), tasks: JoinSet::new() };
        for one in bound {
            doors.add(server, one);
        }
        doors
    }

    fn add(&mut self, server: &Arc<Server>, bound: Vec<Bound>) {
        self.states.extend(bound.first().map(Bound::state));
        for one in bound {
            self.tasks.spawn(net::serve(Arc::clone(server), one));
        }
    }

    /// What has to be done for what was read, with every new socket bound; or why that cannot be.
    pub fn plan(running: &Config, read: &Prepared, metrics: &Metrics) -> Result<Vec<Change>, Vec<Problem>> {
        let (mut changes, mut problems) = (Vec::new(), Vec::new());
        for (number, (listener, tls)) in read.config.listeners.iter().zip(&read.server_tls).enumerate() {
            match running.listeners.iter().position(|before| is_same(before, listener)) {
                Some(before) => changes.push(Change::Stays(before)),
                None => match sockets::bind_new(&read.config, number, tls.clone(), metrics) {
                    Ok(bound) => changes.push(Change::New(bound)),
                    Err(problem) => problems.push(problem),
                },
            }
        }
        if problems.is_empty() { Ok(changes) } else { Err(problems) }
    }

    /// Does it.
    pub fn change(&mut self, server: &Arc<Server>, read: &Prepared, changes: Vec<Change>) {
        let before = std::mem::take(&mut self.states);
        let listeners = read.config.listeners.iter().zip(&read.server_tls);
        for (change, (listener, tls)) in changes.into_iter().zip(listeners) {
            match change {
                Change::Stays(number) => {
                    if let Some(state) = before.get(number) {
                        state.reload(listener, tls.clone());
                        self.states.push(Arc::clone(state));
                    }
                }
                Change::New(bound) => {
                    tracing::info!(listener = %listener.name, address = %listener.bind, "listening");
                    self.add(server, bound);
                }
            }
        }
        for gone in before.iter().filter(|state| !self.states.iter().any(|stays| Arc::ptr_eq(stays, state))) {
            tracing::info!(listener = gone.name(), "no longer listening");
            gone.close();
        }
        // Those that have ended are not waited for at the end.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Waits until none serves any more.
    pub async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Rules and metrics call it by name, it is bound to an address, and clients know when TLS begins there.
fn is_same(before: &Listener, now: &Listener) -> bool {
    (&before.name, before.bind, before.tls) == (&now.name, now.bind, now.tls)
}
