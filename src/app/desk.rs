//! Where the admin API leaves what is to be done, and whoever runs the proxy takes it up: one thing after the other.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::record::Recorder;
use super::{Prepared, asked};
use crate::admin::{
    Access, Call, Control, Drain, Explained, Follow, InForce, LockChange, Locking, Reload, Rule, Unlocking, Work,
};
use crate::audit::{Item, Reader, Rotated, newest, segments};
use crate::net::{Live, Refused, Server};
use crate::policy::{Mode, RuleInfo};
use crate::session::event::{AccessVia, EventKind};
use crate::store::told;

/// Calls that may wait at the same time; more wait for room.
const ROOM: usize = 16;

/// Octets at the end of the log among which records are looked for.
const NEWEST: u64 = 4 * 1024 * 1024;

/// What is to be done, and who waits for word of it.
#[derive(Debug)]
pub(super) enum Wish {
    /// Read everything anew.
    Reload(oneshot::Sender<Reload>),
    /// Tell the configuration.
    Config(oneshot::Sender<Value>),
    /// Say what is in force.
    Prepared(oneshot::Sender<Arc<Prepared>>),
    /// Begin to drain, or call that off.
    Drain(bool, oneshot::Sender<Drain>),
    /// Keep somebody out.
    Lock(Locking, oneshot::Sender<LockChange>),
    /// Let somebody in again.
    Unlock(Unlocking, oneshot::Sender<LockChange>),
}

/// The side of the API.
#[derive(Debug)]
pub(super) struct Desk {
    wishes: mpsc::Sender<Wish>,
    recorder: Recorder,
    server: Arc<Server>,
    /// Where the audit log is.
    audit: PathBuf,
    began: Instant,
}

impl Desk {
    /// With where the wishes come out.
    pub fn new(recorder: Recorder, server: Arc<Server>, audit: PathBuf) -> (Self, mpsc::Receiver<Wish>) {
        let (wishes, taken) = mpsc::channel(ROOM);
        (Self { wishes, recorder, server, audit, began: Instant::now() }, taken)
    }

    /// Waits for word; `None` where nobody takes it up any more.
    async fn ask<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Option<T> {
        let (reply, word) = oneshot::channel();
        self.wishes.send(wish(reply)).await.ok()?;
        word.await.ok()
    }
}

impl Control for Desk {
    fn reload(&self) -> Work<'_, Reload> {
        Box::pin(async { self.ask(Wish::Reload).await.unwrap_or(Reload::Unavailable) })
    }

    fn in_force(&self) -> InForce {
        let shared = self.server.shared();
        let rule = |rule: RuleInfo<'_>| Rule {
            id: (&**rule.id).into(),
            place: format!("{}:{}", rule.file.display(), rule.line).into(),
            mode: if rule.mode == Mode::Shadow { "shadow" } else { "enforce" },
        };
        let (seq, hash, log) = self.recorder.log.head();
        InForce {
            version: env!("CARGO_PKG_VERSION"),
            node: rustix::system::uname().nodename().to_string_lossy().into(),
            uptime: self.began.elapsed(),
            rev: (&**shared.rules.rev()).into(),
            rules: shared.rules.rules().map(rule).collect(),
            upstreams: shared.upstreams.iter().map(|upstream| (&*upstream.name).into()).collect(),
            head: (seq, hash.to_string().into(), (&*log).into()),
        }
    }

    fn refused(&self) -> Vec<Refused> {
        self.server.refused()
    }

    fn checkpoint(&self) -> Option<Arc<str>> {
        self.recorder.log.checkpoint()
    }

    fn rotate(&self) -> Work<'_, Option<Rotated>> {
        Box::pin(async { self.recorder.log.rotate().await.ok() })
    }

    fn newest_records(&self) -> Work<'_, io::Result<Vec<Vec<u8>>>> {
        let directory = self.audit.clone();
        let read = tokio::task::spawn_blocking(move || newest(&directory, NEWEST));
        Box::pin(async { read.await.unwrap_or_else(|error| Err(io::Error::other(error))) })
    }

    fn config(&self) -> Work<'_, Option<Value>> {
        Box::pin(async { self.ask(Wish::Config).await })
    }

    fn explain(&self, asked: Map<String, Value>) -> Work<'_, Explained> {
        Box::pin(async move {
            let Some(prepared) = self.ask(Wish::Prepared).await else { return Explained::Unavailable };
            let told = tokio::task::spawn_blocking(move || asked::explain(&prepared, &asked)).await;
            told.unwrap_or(Explained::Unavailable)
        })
    }

    fn follow(&self) -> Work<'_, io::Result<Box<dyn Follow>>> {
        let directory = self.audit.clone();
        let opened = tokio::task::spawn_blocking(move || Follower::at_the_end_of(&directory));
        Box::pin(async {
            let follower = opened.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
            Ok(Box::new(follower) as Box<dyn Follow>)
        })
    }

    fn drain(&self, begin: bool) -> Work<'_, Drain> {
        Box::pin(async move { self.ask(|reply| Wish::Drain(begin, reply)).await.unwrap_or(Drain::Unavailable) })
    }

    fn locks(&self) -> Vec<Value> {
        self.server.shared().locks.all().iter().map(|lock| told(lock)).collect()
    }

    fn lock(&self, asked: Locking) -> Work<'_, LockChange> {
        Box::pin(async { self.ask(|reply| Wish::Lock(asked, reply)).await.unwrap_or(LockChange::Unavailable) })
    }

    fn unlock(&self, asked: Unlocking) -> Work<'_, LockChange> {
        Box::pin(async { self.ask(|reply| Wish::Unlock(asked, reply)).await.unwrap_or(LockChange::Unavailable) })
    }

    fn sessions(&self) -> Vec<Arc<Live>> {
        self.server.live()
    }

    fn kill(&self, sids: &HashSet<Arc<str>>, why: &str) -> usize {
        self.server.kill(sids, why)
    }

    fn accessed(&self, access: Access) -> Work<'_, bool> {
        let Access { who, by_tool, command, filter, rows, case } = access;
        let via = if by_tool { AccessVia::Cli } else { AccessVia::Api };
        let event = EventKind::AuditAccess { who: who.into(), via, command: command.into(), filter, rows, case };
        Box::pin(async move { self.recorder.record(event).await.is_ok() })
    }

    fn record(&self, call: Call) -> Work<'_, bool> {
        Box::pin(async move { self.recorder.record(asked_by_call(call)).await.is_ok() })
    }
}

/// Reads what is written to the log from now on.
struct Follower(Reader);

impl Follower {
    fn at_the_end_of(directory: &Path) -> io::Result<Self> {
        let mut reader = Reader::new(directory, segments(directory)?.last().copied());
        let _ = reader.advance(&mut |_| ControlFlow::Continue(()))?;
        Ok(Self(reader))
    }
}

impl Follow for Follower {
    fn come(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        let _ = self.0.advance(&mut |item| {
            if let Item::Record(seen) = item {
                lines.push(seen.bytes.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        Ok(lines)
    }
}

/// `admin.action` of a call. What got an error was refused.
fn asked_by_call(call: Call) -> EventKind {
    EventKind::AdminAction {
        who: call.who.into(),
        role: call.role.map(|role| role.as_str().into()),
        method: call.method.into(),
        route: call.route.into(),
        target: call.target,
        status: Some(call.status),
        refused: call.status >= 400,
    }
}

/// Nobody takes anything up any more: who waits hears so.
pub(super) fn close(wishes: &mut mpsc::Receiver<Wish>) {
    wishes.close();
    while wishes.try_recv().is_ok() {}
}
