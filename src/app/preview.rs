//! What do the rules leave of somebody's own mailboxes, and which patterns match nothing there?
//!
//! ```text
//!   rules, as `explain` loads them ─┐
//!   upstream ─visit─▶ house: names, ┼─▶ Preview: folders with what is left of each ─▶ account: in words, in JSON
//!     special uses, rights          └─▶ near: patterns that match nothing, and what was meant
//! ```
//!
//! Mailboxes and messages are judged as sessions judge them, and nothing is changed upstream. Of messages that is looked at which
//! rules that hide some go by: mostly fields of the header.

mod account;
mod house;
mod mail;
mod near;
mod readers;

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
pub use mail::Mail;
pub use readers::Readers;

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

/// One mailbox.
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
    /// What rules that hide messages do to those in it. `None`: no such rule is about it, or it cannot be opened.
    pub mail: Option<Mail>,
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
        let bound = ground.rules.bind(&subject);
        let told = ground.ask(given, None, None, at);
        let judge = Judge { bound: &bound, denied: told.explanation.login.is_denied(), at };
        let (house, folders) = judge.visit(&connector, visitor).await.map_err(|error| {
            let servers = format!("upstream.{number}.servers");
            vec![config.places.error(&servers, error.to_string()).help(help_of(&error))]
        })?;
        let patterns = bound.patterns(at);
        let unmatched = patterns.iter().filter(|pattern| !house.matches(pattern));
        let unmatched = unmatched.map(|pattern| near::problem(pattern, &house, &subject.user)).collect();
        let remarks = near::left_below(&patterns, &house);
        let patterns = patterns.len();
        Ok(Self { user: subject.user, upstream: subject.upstream, told, folders, patterns, unmatched, remarks })
    }
}

/// What is asked of each mailbox.
struct Judge<'a> {
    bound: &'a Bound,
    /// Is the login denied?
    denied: bool,
    at: Timestamp,
}

impl Judge<'_> {
    async fn visit(&self, connector: &Connector, visitor: Visitor<'_>) -> Result<(House, Vec<Folder>), VisitError> {
        let mut visit = Visit::begin(connector).await?;
        visit.login(visitor.user, visitor.actor, visitor.password).await?;
        let house = House::look(&mut visit).await?;
        let mut folders = Vec::with_capacity(house.rows.len());
        for row in &house.rows {
            let mut folder = Folder::of(&house, row, self);
            let filter = self.bound.shadow_message_filter(&house.target(row), self.at);
            if let Some(filter) = filter.filter(|_| folder.visible && folder.exists) {
                folder.mail = Mail::look(&mut visit, row, &filter, self.at).await?;
            }
            folders.push(folder);
        }
        visit.end().await;
        Ok((house, folders))
    }
}

fn help_of(error: &VisitError) -> &'static str {
    match error {
        VisitError::Unreachable(_) | VisitError::Broken(_) => "`imapwarden run` could not reach it, either",
        VisitError::Refused(_) => "is it the user's own password, and the login name as the server knows it?",
        VisitError::NoPassword => "preview needs AUTHENTICATE PLAIN, or LOGIN; with --actor, the former",
    }
}

impl Folder {
    fn of(house: &House, row: &house::Row, judge: &Judge<'_>) -> Self {
        let Judge { bound, denied, at } = *judge;
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
            mail: None,
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
