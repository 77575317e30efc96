//! Which records are asked for.
//!
//! ```text
//!   --user ann@* --ip 203.0.113.0/24 --class '>=part' --since 7d
//!     who ───────────┘                 what ┘           when ┘      keys: AND, a key said twice: OR
//! ```

mod hashes;
mod test;

#[cfg(test)]
mod tests;

pub use test::{ClassTest, Pattern, Reference};

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::data::{Data, class_of, may_name};
use crate::audit::{Line, Seen, Text};

/// What must hold of a record. Of a key without a value nothing is asked.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose mail.
    pub user: Vec<Pattern>,
    /// Who proved an identity: the user, where nobody else is named.
    pub actor: Vec<Pattern>,
    /// The proxy's own credential.
    pub credential: Vec<Pattern>,
    /// The mailbox, or one that messages or its name go to.
    pub mailbox: Vec<Pattern>,
    /// UID of a message.
    pub uid: Vec<u32>,
    /// Message-ID of a message.
    pub message_id: Vec<String>,
    /// Session id.
    pub sid: Vec<String>,
    /// Session id and ordinal of the command.
    pub reference: Vec<Reference>,
    /// Client's address.
    pub ip: Vec<IpNet>,
    /// What the client said of itself.
    pub client: Vec<Pattern>,
    /// Type.
    pub type_name: Vec<Pattern>,
    /// Class of content reached, or asked for.
    pub class: Option<ClassTest>,
    /// A rule that took something, or would have.
    pub rule: Vec<Pattern>,
    /// What the rules decided.
    pub verdict: Vec<String>,
    /// Not before, as records write times.
    pub since: Option<String>,
    /// Before, as records write times.
    pub until: Option<String>,
    /// What stands for an address that is asked for, where addresses are hashed.
    pub hashed_ips: HashSet<String>,
    /// The key with which values that are asked for were hashed.
    pub key: Option<Box<str>>,
}

impl Filter {
    /// Is this the client's address that is asked for?
    fn takes_ip(&self, ip: Option<&str>) -> bool {
        self.ip.is_empty()
            || ip.is_some_and(|text| match text.parse::<IpAddr>() {
                Ok(ip) => self.ip.iter().any(|net| net.contains(&ip)),
                Err(_) => self.hashed_ips.contains(text),
            })
    }

    /// Does all that is asked hold of the record?
    #[must_use]
    pub fn matches(&self, seen: Seen<'_>, clients: &Clients) -> bool {
        let line = seen.line;
        self.is_in_period(line) && self.is_about(line, clients) && self.decided_so(line) && self.says(line)
    }

    /// Was it then?
    #[must_use]
    pub fn is_in_period(&self, line: &Line<'_>) -> bool {
        self.since.as_deref().is_none_or(|since| line.ts >= since)
            && self.until.as_deref().is_none_or(|until| line.ts < until)
    }

    /// Was it they, there, with that?
    #[must_use]
    pub fn is_about(&self, line: &Line<'_>, clients: &Clients) -> bool {
        any(&self.user, line.user.as_ref())
            && any(&self.actor, line.actor.as_ref().or(line.user.as_ref()))
            && any(&self.credential, line.credential.as_ref())
            && one_of(&self.sid, line.sid.as_ref())
            && self.is_referred_to(line)
            && self.came_from(line)
            && (self.client.is_empty()
                || any(&self.client, clients.of(line).map(|said| Text((&**said).into())).as_ref()))
            && (self.type_name.is_empty() || self.type_name.iter().any(|pattern| pattern.matches(line.type_name)))
            && self.is_of_mailbox(line)
    }

    /// Is it a session that is asked for, of which all is known by now?
    #[must_use]
    pub fn is_session(&self, session: &Who<'_>) -> bool {
        let any = |patterns: &[Pattern], text: Option<&str>| {
            patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
        };
        any(&self.user, session.user)
            && any(&self.actor, session.actor.or(session.user))
            && any(&self.credential, session.credential)
            && any(&self.client, session.client)
            && (self.sid.is_empty() || self.sid.iter().any(|sid| sid == session.sid))
            && self.takes_ip(session.ip)
    }

    fn is_referred_to(&self, line: &Line<'_>) -> bool {
        let same = |reference: &Reference| {
            line.cmd == Some(reference.cmd) && line.sid.as_ref().is_some_and(|sid| sid.as_str() == reference.sid)
        };
        self.reference.is_empty() || self.reference.iter().any(same)
    }

    fn came_from(&self, line: &Line<'_>) -> bool {
        self.takes_ip(line.client_ip.as_ref().map(Text::as_str))
    }

    fn is_of_mailbox(&self, line: &Line<'_>) -> bool {
        self.mailbox.is_empty() || {
            let matches = |name: &str| self.mailbox.iter().any(|pattern| pattern.matches(name));
            line.mailbox.as_ref().is_some_and(|mailbox| matches(&mailbox.name))
                || moves(line).is_some_and(|data: Data<'_>| {
                    let sources = data.sources.into_iter().map(|source| source.mailbox);
                    [data.dst, data.to].into_iter().flatten().chain(sources).any(|name| matches(name.as_str()))
                })
        }
    }

    fn decided_so(&self, line: &Line<'_>) -> bool {
        let policy = line.policy.as_ref();
        let verdict = || policy.is_some_and(|policy| self.verdict.iter().any(|verdict| verdict == policy.verdict));
        let rule = || {
            let rules = policy.into_iter().flat_map(|policy| policy.by.iter().chain(&policy.shadow));
            let of_limit = (line.type_name == "limit.hit").then(|| line.data::<Data<'_>>()?.rule).flatten();
            rules.chain(&of_limit).any(|rule| self.rule.iter().any(|pattern| pattern.matches(rule.as_str())))
        };
        (self.verdict.is_empty() || verdict()) && (self.rule.is_empty() || rule())
    }

    /// Is a question about messages asked, which only `data` answers?
    #[must_use]
    pub fn asks_for_messages(&self) -> bool {
        !self.uid.is_empty() || !self.message_id.is_empty() || self.class.is_some()
    }

    fn says(&self, line: &Line<'_>) -> bool {
        if !self.asks_for_messages() {
            return true;
        }
        let named = |id: &String| line.data.is_some_and(|data| may_name(data, id));
        if !self.message_id.is_empty() && !self.message_id.iter().any(named) {
            return false;
        }
        let Some(data) = line.data::<Data<'_>>() else { return false };
        (self.uid.is_empty() || self.uid.iter().any(|uid| data.names_uid(*uid)))
            && (self.message_id.is_empty() || self.message_id.iter().any(|id| data.names_message_id(id)))
            && self.class.is_none_or(|test| {
                let reached = data.sets.iter().map(|set| set.cls).chain(data.msgs.iter().map(|message| message.cls));
                let mut reached = reached.map(class_of).peekable();
                match reached.peek() {
                    Some(_) => reached.any(|class| test.holds(class)),
                    None => data.class().is_some_and(|class| test.holds(class)),
                }
            })
    }
}

/// Whose session it was.
#[derive(Debug, Clone, Copy)]
pub struct Who<'w> {
    /// Its id.
    pub sid: &'w str,
    /// Whose mail.
    pub user: Option<&'w str>,
    /// Who proved an identity, where it is somebody else.
    pub actor: Option<&'w str>,
    /// The proxy's own credential.
    pub credential: Option<&'w str>,
    /// The client's address.
    pub ip: Option<&'w str>,
    /// What the program said of itself.
    pub client: Option<&'w str>,
}

/// What goes somewhere: only these types have a second mailbox.
fn moves<'l>(line: &Line<'l>) -> Option<Data<'l>> {
    matches!(line.type_name, "message.copy" | "message.append" | "mailbox.change").then(|| line.data()).flatten()
}

fn any(patterns: &[Pattern], text: Option<&Text<'_>>) -> bool {
    patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text.as_str())))
}

fn one_of(wanted: &[String], text: Option<&Text<'_>>) -> bool {
    wanted.is_empty() || text.is_some_and(|text| wanted.iter().any(|wanted| wanted == text.as_str()))
}

/// What the programs said of themselves whose sessions are open.
#[derive(Debug, Default)]
pub struct Clients {
    by_session: HashMap<Box<str>, Arc<str>>,
}

impl Clients {
    /// Learns from a record. To be told of each, in order.
    pub fn learn(&mut self, line: &Line<'_>) {
        match (line.type_name, &line.sid) {
            ("client.id", Some(sid)) => {
                if let Some(data) = line.data::<Data<'_>>() {
                    self.by_session.insert(sid.as_str().into(), client_of(&data).into());
                }
            }
            // Whoever still asks of the record at hand was asked first.
            ("audit.open", _) if line.is_new_start() => self.by_session.clear(),
            _ => {}
        }
    }

    /// The session is over: what it said is of no interest any more.
    pub fn forget(&mut self, line: &Line<'_>) {
        if let ("session.close", Some(sid)) = (line.type_name, &line.sid) {
            self.by_session.remove(sid.as_str());
        }
    }

    /// What the program of this record's session said by now.
    #[must_use]
    pub fn of(&self, line: &Line<'_>) -> Option<&Arc<str>> {
        self.by_session.get(line.sid.as_ref()?.as_str())
    }
}

/// `name/version`, as rules see it.
#[must_use]
pub fn client_of(data: &Data<'_>) -> String {
    let name = data.name.as_ref().map_or("", |name| name.as_str());
    match &data.version {
        Some(version) => format!("{name}/{}", version.as_str()),
        None => name.to_owned(),
    }
}
