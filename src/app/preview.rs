//! What do the rules leave of somebody's own mailboxes, and which patterns match nothing there?
//!
//! ```text
//!   rules, as `explain` loads them ─┐
//!   upstream ─visit─▶ house: names, ┼─▶ Preview: folders with what is left of each ─▶ account: in words, in JSON
//!     special uses, rights          └─▶ near: patterns that match nothing, and what was meant
//! ```
//!
//! The mailboxes are judged as sessions judge them; nothing is changed upstream, and no message is looked at.

mod account;
mod house;
mod near;

use std::sync::Arc;

use jiff::Timestamp;

use self::house::House;
use super::prepared::trust_in;
use super::trial::{Ground, Told};
use crate::config::Config;
use crate::diagnostic::{Problem, Severity};
use crate::imap::mailbox::MailboxName;
use crate::imap::rights::Rights;
use crate::metrics::{Metrics, Settings};
use crate::net::{Connector, Visit, VisitError};
use crate::policy::{Bound, Given, Hits, PatternKey, SpecialUse, Target};

pub use account::{to_json, to_text};

/// What is left.
#[derive(Debug)]
pub struct Preview {
    /// Whose mailboxes, as rules see the name.
    pub user: Arc<str>,
    /// At which upstream.
    pub upstream: Arc<str>,
    /// What the rules do to the session as a whole.
    pub told: Told,
    /// All mailboxes, and levels above some.
    pub folders: Vec<Folder>,
    /// How many patterns were tried.
    pub patterns: usize,
    /// A problem for each pattern that matches nothing.
    pub unmatched: Vec<Problem>,
    /// Patterns that match a mailbox, and not what lies below it there.
    pub remarks: Vec<Problem>,
}

/// One mailbox. How many of its messages are hidden, and by which rule, will stand here, too.
#[derive(Debug)]
pub struct Folder {
    /// Its name, "/" between levels.
    pub name: MailboxName,
    /// Can it be opened?
    pub exists: bool,
    /// What it is for, as the server tells, or as its name does.
    pub special_use: SpecialUse,
    /// Is it subscribed to?
    pub subscribed: bool,
    /// Is it there for this client?
    pub visible: bool,
    /// What is left of the rights; those of the server, where it tells them.
    pub rights: Rights,
    /// Who hides it, or takes rights.
    pub by: Hits,
    /// Who would, were it enforced.
    pub shadow: Hits,
}

/// Whose mailboxes are looked at, and how.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// The login name, as the client sends it.
    pub user: &'a str,
    /// Whose password it is, where it is somebody else's.
    pub actor: Option<&'a str>,
    /// The password.
    pub password: &'a str,
}

impl Preview {
    /// Logs in upstream, and holds the rules against what is there.
    ///
    /// # Errors
    /// What keeps it from that.
    pub async fn of(
        ground: &Ground,
        config: &Config,
        given: &Given,
        visitor: Visitor<'_>,
        at: Timestamp,
    ) -> Result<Self, Vec<Problem>> {
        let (subject, _) = ground.subject(given);
        let place = config.upstreams.iter().position(|upstream| *upstream.name == *subject.upstream);
        let Some((number, upstream)) = place.and_then(|at| Some((at, config.upstreams.get(at)?))) else {
            let problem = Problem::new(Severity::Error, format!("no upstream serves `{}`", subject.user));
            return Err(vec![problem.help("one without `match_user` serves the rest")]);
        };
        let mut problems = Vec::new();
        let trust = trust_in(config, number, upstream, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let metrics = Metrics::new(Settings { version: env!("CARGO_PKG_VERSION"), revision: "unknown" });
        let counters = metrics.upstream(&upstream.name);
        let connector = Connector::new(upstream, trust, config.limits.upstream_timeout, None, counters);
        let house = visit(&connector, visitor).await.map_err(|error| {
            let servers = format!("upstream.{number}.servers");
            vec![config.places.error(&servers, error.to_string()).help(help_of(&error))]
        })?;
        let bound = ground.rules.bind(&subject);
        let told = ground.ask(given, None, None, at);
        let denied = told.explanation.login.is_denied();
        let folders = house.rows.iter().map(|row| Folder::of(&house, row, &bound, denied, at)).collect();
        let patterns = bound.patterns(at);
        let unmatched = patterns.iter().filter(|pattern| !house.matches(pattern));
        let unmatched = unmatched.map(|pattern| near::problem(pattern, &house, &subject.user)).collect();
        let remarks = near::left_below(&patterns, &house);
        let patterns = patterns.len();
        Ok(Self { user: subject.user, upstream: subject.upstream, told, folders, patterns, unmatched, remarks })
    }
}

async fn visit(connector: &Connector, visitor: Visitor<'_>) -> Result<House, VisitError> {
    let mut visit = Visit::begin(connector).await?;
    visit.login(visitor.user, visitor.actor, visitor.password).await?;
    let house = House::look(&mut visit).await?;
    visit.end().await;
    Ok(house)
}

fn help_of(error: &VisitError) -> &'static str {
    match error {
        VisitError::Unreachable(_) | VisitError::Broken(_) => "`imapwarden run` could not reach it, either",
        VisitError::Refused(_) => "is it the user's own password, and the login name as the server knows it?",
        VisitError::NoPassword => "preview needs AUTHENTICATE PLAIN, or LOGIN; with --actor, the former",
    }
}

impl Folder {
    fn of(house: &House, row: &house::Row, bound: &Bound, denied: bool, at: Timestamp) -> Self {
        let target: Target<'_> = house.target(row);
        let hiding = bound.hiding(&target, at);
        let visible = !denied && !hiding.is_hidden();
        let kept = bound.rights(&target, at);
        let server = row.rights.unwrap_or(Rights::ALL);
        let mut shadow = hiding.shadow;
        kept.shadow.iter().for_each(|hit| shadow.add(&hit.rule, hit.effect));
        Self {
            name: row.name.clone(),
            exists: row.exists,
            special_use: target.special_use.unwrap_or_else(|| SpecialUse::usual(row.name.as_str())),
            subscribed: row.subscribed,
            visible,
            rights: if visible { kept.rights & server } else { Rights::NONE },
            by: if visible { kept.by } else { hiding.by },
            shadow,
        }
    }
}

/// Under which key of a rule file a pattern stands.
const fn key_of(key: PatternKey) -> &'static str {
    match key {
        PatternKey::Mailbox => "`mailbox`",
        PatternKey::ExceptMailbox => "`except_mailbox`",
        PatternKey::Exception => "an exception",
    }
}
