//! What the API asks of the proxy: the door between this module and whoever runs it.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::audit::Rotated;
use crate::config::Role;
use crate::net::{Live, Refused};

/// Something that takes its time.
pub type Work<'w, T> = Pin<Box<dyn Future<Output = T> + Send + 'w>>;

/// Who can do what is asked for.
pub trait Control: Send + Sync {
    /// Reads configuration, rules and certificates anew, all of them or none.
    fn reload(&self) -> Work<'_, Reload>;

    /// What is in force.
    fn in_force(&self) -> InForce;

    /// What was refused lately, oldest first.
    fn refused(&self) -> Vec<Refused>;

    /// The newest signed note over the audit log; `None` where the log has no key.
    fn checkpoint(&self) -> Option<Arc<str>>;

    /// Seals the open segment of the audit log and begins the next one; `None`: the log fails, or ends.
    fn rotate(&self) -> Work<'_, Option<Rotated>>;

    /// The newest records of the audit log, newest first, as far back as it is read here; an error where it cannot be read.
    fn newest_records(&self) -> Work<'_, std::io::Result<Vec<Vec<u8>>>>;

    /// The configuration, without secrets; `None` where the proxy stops.
    fn config(&self) -> Work<'_, Option<Value>>;

    /// What the rules in force do to a request, as the command `explain` tells it.
    fn explain(&self, asked: Map<String, Value>) -> Work<'_, Explained>;

    /// Where the records come out that are written from now on.
    fn follow(&self) -> Work<'_, std::io::Result<Box<dyn Follow>>>;

    /// Begins to drain, or calls that off.
    fn drain(&self, begin: bool) -> Work<'_, Drain>;

    /// The locks that hold, as they are told.
    fn locks(&self) -> Vec<Value>;

    /// Keeps somebody out.
    fn lock(&self, asked: Locking) -> Work<'_, LockChange>;

    /// Lets somebody in again.
    fn unlock(&self, asked: Unlocking) -> Work<'_, LockChange>;

    /// What can be seen of the sessions that are open.
    fn sessions(&self) -> Vec<Arc<Live>>;

    /// Ends the sessions of these ids; tells how many were there.
    fn kill(&self, sids: &HashSet<Arc<str>>, why: &str) -> usize;

    /// Writes down that somebody read the log; `false` where that cannot be done.
    fn accessed(&self, access: Access) -> Work<'_, bool>;

    /// Writes a call down; `false` where that cannot be done.
    fn record(&self, call: Call) -> Work<'_, bool>;
}

/// Reads the log where it grows.
pub trait Follow: Send {
    /// The lines that have come since the last time. May block.
    ///
    /// # Errors
    /// Where the log cannot be read.
    fn come(&mut self) -> std::io::Result<Vec<Vec<u8>>>;
}

/// What the rules do to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explained {
    /// As the command tells it with `--json`.
    Told(Value),
    /// The question cannot be asked, and why.
    Unclear(String),
    /// The proxy stops.
    Unavailable,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// What was read is in force.
    Done {
        /// The revisions of the rules and the ids that differ, as `policy.load` has them, and warnings.
        told: Value,
    },
    /// Nothing has changed.
    Refused {
        /// Every problem as `check --json` tells it.
        problems: Value,
        /// The same as people read it.
        text: String,
    },
    /// Nobody reloads any more, or the audit log fails.
    Unavailable,
}

/// What runs.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    /// Version of the program.
    pub version: &'static str,
    /// Host name.
    pub node: Box<str>,
    /// For how long it runs.
    pub uptime: Duration,
    /// Revision of the rules.
    pub rev: Box<str>,
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// Names of the upstreams, in their order.
    pub upstreams: Vec<Box<str>>,
    /// Number and hash of the newest record, and the log's id.
    pub head: (u64, Box<str>, Box<str>),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: Box<str>,
    /// `file:line`
    pub place: Box<str>,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

/// What came of a wish to drain, or not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// It drains: first nobody new is sent here, then sessions end.
    Begun {
        /// Open sessions.
        open: u64,
        /// Seconds in which it can be called off.
        delay_s: u64,
        /// Seconds in which sessions end then.
        window_s: u64,
    },
    /// It goes on as if nothing had been.
    CalledOff,
    /// It drained already, or did not.
    NothingToDo,
    /// Sessions are ending already.
    Unavailable,
}

/// Who is to be kept out: one of the two, until when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locking {
    /// A user.
    pub user: Option<String>,
    /// An address, or a network.
    pub client_ip: Option<String>,
    /// A lock always ends.
    pub until: Timestamp,
    /// Why.
    pub why: Box<str>,
    /// Name of the token.
    pub by: Box<str>,
}

/// Who is to be let in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocking {
    /// Id of the lock.
    pub id: Box<str>,
    /// Why.
    pub why: Box<str>,
    /// Name of the token.
    pub by: Box<str>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// On disk, on record, and in force.
    Done(Value),
    /// It does not say whom.
    Unclear,
    /// There is no such lock.
    Missing,
    /// There are too many.
    TooMany,
    /// The state directory cannot be written to: nothing was changed.
    NotKept,
    /// The proxy stops, or the audit log fails: nothing was changed.
    Unavailable,
}

/// Somebody read the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Name of the token, and in front of it whom a tool says it works for.
    pub who: Box<str>,
    /// Did they read files, and tell us?
    pub by_tool: bool,
    /// The tool, or the route.
    pub command: Box<str>,
    /// What was asked for.
    pub filter: Box<str>,
    /// How much was shown; `None` where that is not known before it is.
    pub rows: Option<u64>,
    /// The case that it was for.
    pub case: Option<Box<str>>,
}

/// A call as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Name of the token; `local` without one, `nobody` for who was not let in.
    pub who: Box<str>,
    /// What they may.
    pub role: Option<Role>,
    /// The method; `OTHER` for what HTTP does not know.
    pub method: &'static str,
    /// The path, as in the documents.
    pub route: &'static str,
    /// On what, where the path or the request names something.
    pub target: Option<Box<str>>,
    /// What was answered.
    pub status: u16,
}
