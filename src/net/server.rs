//! What all sessions of the process share, and what is done to all of them: reload, drain, stop.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::acquaint::acquaint;
use super::admission::AuthFailures;
use super::drain::{Order, Sessions, Signal};
use super::live::Live;
use super::pulse::Pulse;
use super::refusals::{Refusals, Refused};
use super::upstream::Connector;
use crate::audit::Log;
use crate::config::Rate;
use crate::metrics::Metrics;
use crate::session::Shared;
use crate::session::event::{Event, EventContext, KilledBy, Note, Observer};

/// The proxy's sessions and what they share.
#[derive(Debug)]
pub struct Server {
    pub(super) log: Log,
    pub(super) metrics: Arc<Metrics>,
    pub(super) shared: ArcSwap<Shared>,
    pub(super) failures: AuthFailures,
    connectors: ArcSwap<Vec<Arc<Connector>>>,
    pub(super) sessions: Arc<Sessions>,
    refusals: Refusals,
    /// Which listeners accept?
    listening: watch::Sender<Accepting>,
    pub(super) pulse: Pulse,
}

/// Which sockets are accepted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepting {
    /// All of them.
    All,
    /// Those that nobody keeps for the next process.
    Own,
    /// None.
    None,
}

impl Accepting {
    /// Is a socket accepted from that somebody keeps, or that nobody does?
    pub fn takes(self, kept: bool) -> bool {
        match self {
            Self::All => true,
            Self::Own => !kept,
            Self::None => false,
        }
    }
}

impl Server {
    /// Nothing listens yet: that is [`super::serve`]'s. Must be called in a runtime: a task tells sessions of the log.
    #[must_use]
    pub fn new(
        log: Log,
        metrics: Arc<Metrics>,
        shared: Arc<Shared>,
        upstreams: Vec<Connector>,
        auth_failures: Rate,
    ) -> Arc<Self> {
        let sessions = Arc::new(Sessions::default());
        tokio::spawn(tell_of_the_log(log.watch_failing(), Arc::downgrade(&sessions)));
        Arc::new(Self {
            log,
            metrics,
            shared: ArcSwap::new(shared),
            failures: AuthFailures::new(auth_failures),
            connectors: ArcSwap::from_pointee(upstreams.into_iter().map(Arc::new).collect()),
            sessions,
            refusals: Refusals::default(),
            listening: watch::Sender::new(Accepting::All),
            pulse: Pulse::default(),
        })
    }

    /// Asks upstreams what they offer before login, those of a reload included, until the server is gone.
    pub fn acquaint(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        acquaint(Arc::downgrade(self))
    }

    /// What holds from now on: for new sessions at once, for open ones from their next command on. Connections that
    /// stand keep what they have.
    pub fn reload(&self, shared: Arc<Shared>, upstreams: Vec<Connector>, auth_failures: Rate) {
        self.connectors.store(Arc::new(upstreams.into_iter().map(Arc::new).collect()));
        self.failures.set_rate(auth_failures);
        self.shared.store(shared);
        self.sessions.tell(Signal::RELOAD);
    }

    /// What is in force.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.load_full()
    }

    /// How many there may be.
    #[must_use]
    pub fn places(&self) -> u64 {
        self.metrics.places()
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.count()
    }

    /// What can be seen of the sessions that are open.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Live>> {
        self.sessions.live()
    }

    /// What was refused lately, oldest first.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.refusals.last()
    }

    /// Ends the sessions of these ids, whatever they do; it says BYE and is recorded. Tells how many were there.
    #[must_use]
    pub fn kill(&self, sids: &HashSet<Arc<str>>, why: &str) -> usize {
        self.sessions.kill(sids, &Order { by: KilledBy::Admin, why: why.into() })
    }

    /// The locks have changed: sessions of those who are kept out end.
    pub fn look_at_locks(&self) {
        self.sessions.tell(Signal::LOCKS);
    }

    /// Ends the listeners; sessions stay.
    pub fn stop_listening(&self) {
        self.listening.send_replace(Accepting::None);
    }

    /// Ends those whose sockets somebody keeps: who connects there now waits for the next process, or has it already.
    pub fn leave_kept_sockets(&self) {
        self.listening.send_if_modified(|accepting| {
            let all = *accepting == Accepting::All;
            *accepting = if all { Accepting::Own } else { *accepting };
            all
        });
    }

    /// Are listeners and the audit log at work? Returns when all have answered, and does not if one never does. `false`: the
    /// log has ended.
    pub async fn answers(&self) -> bool {
        self.pulse.all_answer().await;
        self.log.answers().await
    }

    /// Ends the listeners, then the sessions one by one over the window, each between two of its commands; at the end of
    /// the window all that are left. Returns when none is open.
    pub async fn drain(&self, window: Duration) {
        self.stop_listening();
        self.sessions.drain(window).await;
    }

    /// Ends the listeners and all sessions now. Returns when none is open.
    pub async fn end(&self) {
        self.stop_listening();
        self.sessions.end().await;
    }

    pub(super) fn listening(&self) -> watch::Receiver<Accepting> {
        self.listening.subscribe()
    }

    pub(super) fn connector(&self, name: &str) -> Option<Arc<Connector>> {
        self.connectors.load().iter().find(|connector| connector.name() == name).map(Arc::clone)
    }

    pub(super) fn observe_event(&self, event: &Event) {
        self.metrics.event(event);
        self.refusals.see(event);
    }

    pub(super) fn observe_note(&self, context: &EventContext, note: &Note) {
        self.metrics.note(context, note);
    }
}

async fn tell_of_the_log(mut failing: watch::Receiver<bool>, sessions: std::sync::Weak<Sessions>) {
    while failing.changed().await.is_ok() {
        let Some(sessions) = sessions.upgrade() else { return };
        sessions.tell(Signal::AUDIT);
    }
}
