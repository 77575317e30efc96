//! Who asks, from where, when: the options that `explain` and `preview` share.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::app::trial::Ground;
use crate::diagnostic::{Problem, Severity, suggest};
use crate::policy::{Given, TlsLevel};

/// What rules ask for, besides the user.
#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// Who proved an identity, where it is somebody else.
    #[arg(long, value_name = "A")]
    pub actor: Option<String>,
    /// A group in which they are, beside those whose members the groups file names; several times for several.
    #[arg(long, value_name = "G")]
    group: Vec<String>,
    /// The client's address.
    #[arg(long, value_name = "A")]
    ip: Option<IpAddr>,
    /// What the client says of itself (IMAP ID), as name/version.
    #[arg(long, value_name = "S")]
    client_id: Option<String>,
    /// Name of the listener; without it, the first.
    #[arg(long, value_name = "L")]
    listener: Option<String>,
    /// TLS with the client; without it, as the listener has it.
    #[arg(long, value_parser = ["none", "server"])]
    tls: Option<String>,
    /// When, as 2027-01-15T09:30:00+01:00; without it, now.
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<Timestamp>,
}

impl Who {
    /// The time that is meant.
    pub fn at(&self) -> Timestamp {
        self.at.unwrap_or_else(Timestamp::now)
    }

    pub fn given(&self, user: &str) -> Given {
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        let level = |name: &String| TlsLevel::NAMES.iter().find(|(known, _)| known == name).map(|(_, level)| *level);
        Given {
            user: Some(user.into()),
            actor: text(&self.actor),
            groups: self.group.iter().map(|group| (group.as_str().into(), 0..0)).collect(),
            client_ip: self.ip,
            client_id: text(&self.client_id),
            listener: text(&self.listener),
            upstream: None,
            tls: self.tls.as_ref().and_then(level),
            at: self.at,
        }
    }

    /// A name that nothing in the configuration has.
    pub fn unknown(&self, ground: &Ground) -> Option<Problem> {
        unknown_listener(self.listener.as_deref(), ground).or_else(|| unknown_group(&self.group, ground))
    }
}

fn unknown_group(groups: &[String], ground: &Ground) -> Option<Problem> {
    let unknown = groups.iter().find(|group| !ground.rules.knows_group(group))?;
    let problem = Problem::new(Severity::Error, format!("unknown group `{unknown}`"));
    Some(match suggest(unknown, ground.rules.groups()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("no rule can ask for it: neither the groups file nor a rule names it"),
    })
}

fn unknown_listener(listener: Option<&str>, ground: &Ground) -> Option<Problem> {
    let listener = listener?;
    let known = || ground.context.listeners.iter().map(|name| &**name);
    if known().any(|name| name == listener) {
        return None;
    }
    let problem = Problem::new(Severity::Error, format!("no listener is called `{listener}`"));
    Some(match suggest(listener, known()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("there is {}", known().collect::<Vec<_>>().join(", "))),
    })
}
