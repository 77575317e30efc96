//! Locks: made and taken away by the admin API, ended by time.
//!
//! ```text
//!   asked ─▶ on disk ─▶ lock.change in the log ─▶ in force ─▶ every session looks ─▶ answered
//! ```
//!
//! One change after the other: this is the only place that makes any. What cannot be kept or recorded is not done.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::record::Recorder;
use super::start::App;
use crate::admin::{LockChange, Locking};
use crate::audit::ids;
use crate::diagnostic::Problem;
use crate::net::Server;
use crate::policy::complete_login;
use crate::session::event::{EventKind, LockOp};
use crate::session::locks::{Lock, Locked, Locks};
use crate::store::{LockFile, Version, told};

/// More than this nobody has made by hand; each login looks at all of them.
const MOST: usize = 10_000;

/// Where they are kept, and those that hold.
#[derive(Debug)]
pub(super) struct Keeper {
    file: LockFile,
    locks: Arc<Locks>,
    /// That of the file in which they stand.
    version: Option<Version>,
}

impl Keeper {
    /// Reads what was kept. What has ended meanwhile ends with the first look at the clock, and is recorded then.
    pub fn open(directory: &Path) -> Result<Self, Problem> {
        let file = LockFile::in_directory(directory);
        let version = file.version();
        let kept = file.read().map_err(|error| unreadable(&file, &error))?;
        let locks = Arc::new(Locks::default());
        locks.set(kept);
        Ok(Self { file, locks, version })
    }

    pub fn locks(&self) -> Arc<Locks> {
        Arc::clone(&self.locks)
    }

    /// Nobody else changes them as long as what this gives is held, and those hold that the file has.
    async fn hold(&mut self) -> io::Result<File> {
        let file = self.file.clone();
        let held = tokio::task::spawn_blocking(move || file.hold())
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))?;
        self.follow()?;
        Ok(held)
    }

    /// Those hold that another process has written. Were there any?
    fn follow(&mut self) -> io::Result<bool> {
        let version = self.file.version();
        if version == self.version {
            return Ok(false);
        }
        self.locks.set(self.file.read()?);
        self.version = version;
        Ok(true)
    }

    /// Another process that has the same directory, before or after this one, may have changed them.
    pub fn follow_others(&mut self, server: &Server) {
        match self.follow() {
            Ok(true) => server.look_at_locks(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "locks that another process has written cannot be read"),
        }
    }

    /// Others hold from now on, once they are on disk and that is recorded.
    async fn change(&mut self, to: Vec<Arc<Lock>>, events: Vec<EventKind>, recorder: &Recorder) -> Result<(), NotDone> {
        let before = self.locks.all();
        self.keep(to.clone()).await.map_err(NotDone::Disk)?;
        for event in events {
            if recorder.record(event).await.is_err() {
                if let Err(error) = self.keep(before.to_vec()).await {
                    tracing::error!(%error, "locks that are not in force are kept for the next start");
                }
                return Err(NotDone::Log);
            }
        }
        self.locks.set(to);
        self.version = self.file.version();
        Ok(())
    }

    async fn keep(&self, locks: Vec<Arc<Lock>>) -> io::Result<()> {
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&locks)).await;
        written.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

enum NotDone {
    Disk(io::Error),
    Log,
}

impl App {
    /// Keeps somebody out; open sessions of theirs end.
    pub(super) async fn lock(&mut self, asked: Locking) -> LockChange {
        let Some(whom) = self.whom(&asked) else { return LockChange::Unclear };
        let lock = Arc::new(Lock {
            id: ids::lock_id(),
            whom,
            since: now(),
            until: asked.until,
            by: asked.by.into(),
            why: asked.why.into(),
        });
        let held = match self.locks.hold().await {
            Ok(held) => held,
            Err(error) => return self.changed(Err(NotDone::Disk(error)), &lock),
        };
        let mut locks = self.locks.locks().all().to_vec();
        if locks.len() >= MOST {
            return LockChange::TooMany;
        }
        locks.push(Arc::clone(&lock));
        let changed =
            self.locks.change(locks, vec![event(&lock, LockOp::Add, &lock.by, &lock.why)], &self.recorder).await;
        drop(held);
        self.changed(changed, &lock)
    }

    /// Lets somebody in again.
    pub(super) async fn unlock(&mut self, id: &str, by: &str, why: &str) -> LockChange {
        let held = self.locks.hold().await;
        if let Err(error) = &held {
            tracing::error!(%error, "a lock cannot be taken away: nothing was changed");
            return LockChange::NotKept;
        }
        let mut locks = self.locks.locks().all().to_vec();
        let Some(at) = locks.iter().position(|lock| *lock.id == *id) else { return LockChange::Missing };
        let lock = locks.remove(at);
        let changed = self.locks.change(locks, vec![event(&lock, LockOp::Remove, by, why)], &self.recorder).await;
        drop(held);
        self.changed(changed, &lock)
    }

    fn changed(&self, changed: Result<(), NotDone>, lock: &Lock) -> LockChange {
        match changed {
            Ok(()) => {
                self.server.look_at_locks();
                LockChange::Done(told(lock))
            }
            Err(NotDone::Log) => LockChange::Unavailable,
            Err(NotDone::Disk(error)) => {
                tracing::error!(%error, "a lock cannot be kept: nothing was changed");
                LockChange::NotKept
            }
        }
    }

    /// Those whose time is over. They hold no longer in any case; this takes them from the list and records it.
    pub(super) async fn end_locks(&mut self) {
        let now = now();
        if self.locks.locks().all().iter().all(|lock| lock.until > now) {
            return;
        }
        let Ok(_held) = self.locks.hold().await else { return };
        let all = self.locks.locks().all();
        let (ended, left): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|lock| lock.until <= now);
        if ended.is_empty() {
            return;
        }
        let events = ended.iter().map(|lock| event(lock, LockOp::Expire, &lock.by, &lock.why)).collect();
        if self.locks.change(left, events, &self.recorder).await.is_err() {
            tracing::warn!("locks have ended and are still listed: the state directory or the audit log fails");
        }
    }

    fn whom(&self, asked: &Locking) -> Option<Locked> {
        match (&asked.user, &asked.client_ip) {
            (Some(user), None) if !user.trim().is_empty() => {
                let domain = self.prepared.config.auth.default_domain.as_deref();
                Some(Locked::User(complete_login(user.trim(), domain).as_ref().into()))
            }
            (None, Some(network)) => network.parse().ok().map(Locked::From),
            _ => None,
        }
    }
}

fn event(lock: &Lock, op: LockOp, by: &str, why: &str) -> EventKind {
    EventKind::LockChange {
        op,
        lock: Arc::clone(&lock.id),
        subject: lock.whom.to_string().into(),
        until: lock.until.to_string().into(),
        by: by.into(),
        why: why.into(),
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn unreadable(file: &LockFile, error: &io::Error) -> Problem {
    let message = format!("cannot read the locks in {}: {}", file.path().display(), crate::config::reason(error));
    Problem::new(crate::diagnostic::Severity::Error, message)
        .help("it says who is kept out: mend it, or put it aside and make the locks anew")
}
