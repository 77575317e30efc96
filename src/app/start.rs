//! From files that are in order to a proxy that serves, and what then moves it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::desk::{self, Desk, Wish};
use super::doors::Doors;
use super::locks::Keeper;
use super::readiness::Readiness;
use super::record::Recorder;
use super::rules::last_told;
use super::signals::{Asked, Signals};
use super::sockets::{self, Sockets};
use super::state::State;
use super::{Logging, Prepared, descriptors, facts, hash_key, notify, sharing};
use crate::admin::{self, AdminState};
use crate::audit::{Log, Settings};
use crate::config::{AdminBind, Config, Durability, GroupsPath, OnFailure};
use crate::diagnostic::{Problem, Severity};
use crate::metrics::{self, Looked, Metrics};
use crate::net::{Inherited, MOST_HELD, Server};
use crate::session::Clock;
use crate::session::event::{self, EventKind, LoadedBy, StopReason};
use crate::session::locks::{Locked, Locks};

/// How often wall time and monotonic time are brought together: a step of the clock reaches rules with hours.
const CLOCK: Duration = Duration::from_secs(5);

/// How often locks are looked for that another process has made: it may still end while this one serves, or the reverse.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// A proxy that serves.
#[derive(Debug)]
pub struct App {
    /// The configuration, for reloads.
    pub(super) path: PathBuf,
    /// What is in force.
    pub(super) prepared: Arc<Prepared>,
    pub(super) server: Arc<Server>,
    pub(super) doors: Doors,
    /// Somebody keeps our sockets for the next process.
    pub(super) kept: bool,
    pub(super) recorder: Recorder,
    pub(super) readiness: Arc<Readiness>,
    pub(super) clock: Arc<Clock>,
    pub(super) state: State,
    pub(super) locks: Keeper,
    /// When sessions begin to end, where somebody has asked for that.
    pub(super) drains_at: Option<tokio::time::Instant>,
    pub(super) logging: Option<Logging>,
    pub(super) signals: Signals,
    /// What the admin API asks for.
    pub(super) wishes: mpsc::Receiver<Wish>,
    /// Up to when ends of rules were recorded.
    pub(super) ended: Timestamp,
    pub(super) admin_state: Arc<AdminState>,
    /// Ends the admin port.
    pub(super) admin: watch::Sender<bool>,
    /// What serves it.
    admin_task: JoinHandle<()>,
    places: Places,
}

/// Where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Each listener, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    /// The admin port.
    pub admin: AdminBind,
}

impl App {
    /// Opens the log, binds every address that nobody has bound for it, and serves. Must be called in a runtime.
    ///
    /// # Errors
    ///
    /// All that stands in the way; then nothing is bound.
    pub async fn start(
        prepared: Prepared,
        path: PathBuf,
        logging: Option<Logging>,
        inherited: Inherited,
    ) -> Result<Self, Vec<Problem>> {
        let config = &prepared.config;
        // First of all: from the first message on, a signal must not end the process as if it knew none.
        let signals = Signals::listen()
            .map_err(|error| vec![Problem::new(Severity::Error, format!("cannot listen to signals: {error}"))])?;
        let locks = Keeper::open(&config.state.directory).map_err(|problem| vec![problem])?;
        let version = env!("CARGO_PKG_VERSION");
        let revision = option_env!("IMAPWARDEN_REVISION").unwrap_or("unknown");
        let metrics = Metrics::new(metrics::Settings { version, revision });
        let ended = last_told(&config.audit.directory);
        let log = open_log(config, &metrics, !inherited.is_empty()).map_err(|problem| vec![problem])?;
        let recorder = Recorder { log, metrics };
        let began = begin(&prepared, &recorder).await.map_err(|problem| vec![problem]);
        let sockets = match began.and_then(|()| sockets::open(&prepared, &recorder.metrics, inherited)) {
            Ok(sockets) => sockets,
            Err(problems) => {
                // What keeps it from starting is said by the problems; that this record is missing, by the log.
                let _ = recorder.log.close(StopReason::Error).await;
                return Err(problems);
            }
        };
        Ok(Self::serve(prepared, path, (logging, signals), (recorder, locks, ended), sockets))
    }

    fn serve(
        prepared: Prepared,
        path: PathBuf,
        (logging, signals): (Option<Logging>, Signals),
        (recorder, locks, ended): (Recorder, Keeper, Timestamp),
        Sockets { bound, admin, places, kept }: Sockets,
    ) -> Self {
        let Recorder { log, metrics } = recorder.clone();
        let clock = Arc::new(Clock::new(Instant::now(), Timestamp::now()));
        let mut state = State::default();
        state.follow(&prepared);
        let shared = Arc::new(sharing::shared(&prepared, Arc::clone(&clock), state.verdicts(), locks.locks(), None));
        let connectors = sharing::connectors(&prepared, &log, &metrics);
        let rate = prepared.config.limits.auth_failures;
        let server = Server::new(log.clone(), Arc::clone(&metrics), shared, connectors, rate);
        prepared.tell(&metrics);
        tokio::spawn(server.acquaint());
        let readiness = Arc::new(Readiness::new(log.clone()));
        let (stop_admin, mut stopped) = watch::channel(false);
        let (desk, wishes) = Desk::new(recorder.clone(), Arc::clone(&server), log.directory().to_owned());
        let admin_state = Arc::new(AdminState {
            metrics,
            health: Arc::clone(&readiness) as _,
            control: Arc::new(desk),
            tokens: ArcSwap::from_pointee(prepared.tokens.clone()),
            hosts: ArcSwap::from_pointee(prepared.config.admin.hosts.clone()),
        });
        recorder.metrics.watch_proxy(look(&server, locks.locks()));
        let served = Arc::clone(&admin_state);
        let serve_admin = async move {
            admin::serve(admin, served, async move { drop(stopped.wait_for(|stopped| *stopped).await) }).await;
        };
        for (listener, address) in prepared.config.listeners.iter().zip(&places.listeners) {
            tracing::info!(listener = %listener.name, %address, "listening");
        }
        tracing::info!(address = %places.admin, "admin port");
        let doors = Doors::open(&server, bound);
        let admin_task = tokio::spawn(serve_admin);
        descriptors::provide(&prepared.config);
        tokio::spawn(notify::watchdog(Arc::clone(&server)));
        Self {
            path,
            prepared: Arc::new(prepared),
            server,
            doors,
            kept,
            recorder,
            readiness,
            clock,
            state,
            locks,
            drains_at: None,
            logging,
            signals,
            wishes,
            ended,
            admin_state,
            admin: stop_admin,
            admin_task,
            places,
        }
    }

    /// Where it can be reached.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// Serves until a signal asks for the end, and ends as it asks.
    pub async fn run(mut self) {
        let (mut clock, mut look) = (tokio::time::interval(CLOCK), tokio::time::interval(LOOK));
        notify::ready(&self.status());
        let stopped_by = loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Reload => self.reload_by_signal("SIGHUP").await,
                    Asked::Stop(signal) => break Some(signal),
                },
                Some(wish) = self.wishes.recv() => self.grant(wish).await,
                () = Self::drain_begins(self.drains_at) => break None,
                _ = clock.tick() => {
                    self.clock.set(Instant::now(), Timestamp::now());
                    self.end_locks().await;
                    self.end_rules().await;
                    notify::status(&self.status());
                }
                _ = look.tick() => self.locks.follow_others(&self.server),
            }
        };
        desk::close(&mut self.wishes);
        self.stop(stopped_by).await;
        // A task of ours that panicked has said so on standard error.
        self.doors.ended().await;
        let _ = self.admin_task.await;
    }
}

impl App {
    /// For whoever asks the service manager.
    pub(super) fn status(&self) -> String {
        let rules = &self.prepared.rules.set;
        format!("{} sessions, rules {}", self.server.open_sessions(), rules.rev())
    }

    async fn grant(&mut self, wish: Wish) {
        match wish {
            // Whoever asked may be gone: it is done all the same.
            Wish::Reload(reply) => drop(reply.send(self.reload(LoadedBy::Api).await)),
            Wish::Config(reply) => drop(reply.send(facts::of(&self.prepared.config))),
            Wish::Prepared(reply) => drop(reply.send(Arc::clone(&self.prepared))),
            Wish::Drain(begin, reply) => drop(reply.send(self.drain(begin).await)),
            Wish::Lock(asked, reply) => drop(reply.send(self.lock(asked).await)),
            Wish::Unlock(asked, reply) => drop(reply.send(self.unlock(&asked.id, &asked.by, &asked.why).await)),
        }
    }
}

impl Prepared {
    /// Tells metrics what is in force.
    pub(super) fn tell(&self, metrics: &Metrics) {
        let names: Vec<&str> = self.config.upstreams.iter().map(|upstream| &*upstream.name).collect();
        metrics.keep_upstreams(&names);
        let names: Vec<&str> = self.config.listeners.iter().map(|listener| &*listener.name).collect();
        metrics.keep_listeners(&names);
        let groups = matches!(self.config.policy.groups, GroupsPath::File(_)).then_some(("groups", SystemTime::now()));
        metrics.sources(groups);
        let certificates = self.certificates();
        let time = |end: &Timestamp| UNIX_EPOCH + Duration::from_secs(u64::try_from(end.as_second()).unwrap_or(0));
        metrics.certificates(certificates.iter().map(|(name, end)| (name.as_str(), time(end))));
        metrics.policy_loaded(self.rules.set.rev(), &self.rules.facts());
    }
}

/// Who was handed sockets takes the place of a process that may still end: then the log may be one beside its own.
fn open_log(config: &Config, metrics: &Arc<Metrics>, beside: bool) -> Result<Log, Problem> {
    let settings = Settings {
        directory: config.audit.directory.clone(),
        on_failure: match config.audit.on_failure {
            OnFailure::Refuse => event::OnFailure::Refuse,
            OnFailure::Continue => event::OnFailure::Continue,
        },
        durability: match config.audit.durability {
            Durability::Batched => event::Durability::Batched,
            Durability::Strict => event::Durability::Strict,
        },
        min_free: config.audit.min_free,
        keep: config.audit.keep,
        hashing: hash_key::load_or_make(config)?,
        node: rustix::system::uname().nodename().to_string_lossy().as_ref().into(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let opened = match beside {
        true => Log::open_beside(settings, Arc::clone(metrics) as _),
        false => Log::open(settings, Arc::clone(metrics) as _),
    };
    let log = opened.map_err(|error| match config.places.says("audit.directory") {
        true => config.places.error("audit.directory", error.to_string()).help(error.help()),
        false => error.problem().clone(),
    })?;
    let (_, limit) = log.queue();
    let queue = log.clone();
    metrics.watch_audit_queue(limit as u64, move || queue.queue().0 as u64);
    Ok(log)
}

/// The first records: who starts, with what.
async fn begin(prepared: &Prepared, recorder: &Recorder) -> Result<(), Problem> {
    let started = EventKind::ProxyStart {
        version: env!("CARGO_PKG_VERSION").into(),
        config_sha256: prepared.config.sha256.as_str().into(),
    };
    let loaded = prepared.rules.event(None, LoadedBy::Start);
    for kind in [started, loaded] {
        let failing = |failing| prepared.config.places.error("audit.directory", format!("{failing}"));
        recorder.record(kind).await.map_err(failing)?;
    }
    Ok(())
}

/// What is looked up at each scrape.
fn look(server: &Arc<Server>, locks: Arc<Locks>) -> impl Fn() -> Looked + Send + Sync + 'static {
    let server = Arc::downgrade(server);
    move || {
        let Some(server) = server.upgrade() else { return Looked::default() };
        let live = server.live();
        let users: HashSet<Arc<str>> = live.iter().filter_map(|live| live.user()).collect();
        let locked = locks.all();
        let by_name = locked.iter().filter(|lock| matches!(lock.whom, Locked::User(_))).count() as u64;
        Looked {
            users: users.len() as u64,
            buffered: live.iter().map(|live| live.held()).fold(0, u64::saturating_add),
            buffer_limit: server.places().saturating_mul(MOST_HELD),
            locked_users: by_name,
            locked_addresses: (locked.len() as u64).saturating_sub(by_name),
        }
    }
}
