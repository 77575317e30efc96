//! Sessions: whose, from where, with what, how long, and how it ended.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::data::Data;
use super::filter::{Filter, Who, client_of};
use super::gather::{Asked, Gather};
use super::period;
use super::table::{Cell, Listing, column, flexible};
use crate::audit::{Line, Seen, Text};

/// One session, as far as it was recorded.
#[derive(Debug, Clone, Default)]
struct Session {
    seq: u64,
    sid: String,
    opened: Option<i64>,
    closed: Option<i64>,
    user: Option<String>,
    actor: Option<String>,
    credential: Option<String>,
    ip: Option<String>,
    listener: Option<String>,
    client: Option<String>,
    tls: Option<String>,
    /// Logins that failed.
    failures: u64,
    dur_ms: Option<u64>,
    commands: Option<u64>,
    octets_in: Option<u64>,
    octets_out: Option<u64>,
    full: u64,
    other: u64,
    ended: Option<String>,
}

/// Gathers sessions.
#[derive(Debug, Default)]
struct Gathered {
    open: HashMap<String, Session>,
    done: Vec<Session>,
}

impl Gathered {
    fn see(&mut self, line: &Line<'_>, filter: &Filter) {
        if line.is_new_start() {
            let mut lost: Vec<Session> = self.open.drain().map(|(_, session)| session).collect();
            lost.iter_mut().for_each(|session| session.ended = Some("the proxy died".to_owned()));
            self.done.extend(lost);
        }
        let Some(sid) = &line.sid else { return };
        if !matches!(
            line.type_name,
            "session.open" | "session.close" | "client.id" | "auth.success" | "auth.failure" | "auth.refused"
        ) {
            return;
        }
        let session = self.open.entry(sid.as_str().to_owned()).or_default();
        session.learn(line);
        if line.type_name == "session.close"
            && let Some(session) = self.open.remove(sid.as_str()).filter(|session| session.is_asked(filter))
        {
            self.done.push(session);
        }
    }

    /// All that are asked for, as they were opened.
    fn all(mut self, filter: &Filter, live: bool) -> Vec<Session> {
        let open = self.open.into_values().map(|session| match live {
            true => session,
            false => Session { ended: Some("the proxy died".to_owned()), ..session },
        });
        self.done.extend(open);
        self.done.retain(|session| session.is_asked(filter));
        self.done.sort_by_key(|session| session.seq);
        self.done
    }
}

impl Session {
    fn learn(&mut self, line: &Line<'_>) {
        let owned = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
        let data = line.data::<Data<'_>>().unwrap_or_default();
        if self.sid.is_empty() {
            (self.seq, self.sid) = (line.seq, owned(&line.sid).unwrap_or_default());
        }
        let at = period::micros(line.ts);
        self.ip = self.ip.take().or_else(|| owned(&line.client_ip));
        self.listener = self.listener.take().or_else(|| owned(&line.listener));
        match line.type_name {
            "session.open" => {
                self.opened = Some(at);
                self.tls = data.tls.as_ref().map(|tls| format!("{} {}", tls.version, tls.cipher.as_str()));
            }
            "client.id" => self.client = Some(client_of(&data)),
            "auth.success" => {
                self.user = owned(&line.user);
                self.actor = owned(&line.actor);
                self.credential = owned(&line.credential);
            }
            "auth.failure" | "auth.refused" => {
                self.failures = self.failures.saturating_add(1);
                // Whose it would have been, until somebody gets in.
                self.user = self.user.take().or_else(|| owned(&line.user));
            }
            "session.close" => {
                self.closed = Some(at);
                self.user = owned(&line.user).or_else(|| self.user.take());
                self.dur_ms = data.dur_ms;
                self.commands = data.commands;
                (self.octets_in, self.octets_out) = (data.octets_in, data.octets_out);
                self.full = data.reads.get("full").copied().unwrap_or(0);
                self.other = ["part", "preview"].iter().filter_map(|class| data.reads.get(class)).sum();
                let by = data.by.as_ref().map_or("", |by| by.as_str());
                let reason = data.reason.as_ref().map_or("", |reason| reason.as_str());
                self.ended = Some(format!("{reason} ({by})"));
            }
            _ => {}
        }
    }

    fn is_asked(&self, filter: &Filter) -> bool {
        let who = Who {
            sid: &self.sid,
            user: self.user.as_deref(),
            actor: self.actor.as_deref(),
            credential: self.credential.as_deref(),
            ip: self.ip.as_deref(),
            client: self.client.as_deref(),
        };
        let since = filter.since.as_deref().map(period::micros);
        let until = filter.until.as_deref().map(period::micros);
        filter.is_session(&who)
            && since.is_none_or(|since| self.closed.is_none_or(|closed| closed >= since))
            && until.is_none_or(|until| self.opened.or(self.closed).is_none_or(|opened| opened < until))
    }

    /// TLS in one word.
    fn tls(&self) -> String {
        self.tls
            .as_deref()
            .map_or("none at first".to_owned(), |tls| tls.split(' ').next().unwrap_or_default().to_owned())
    }
}

/// `report sessions`
#[derive(Debug, Default)]
pub struct Sessions(Gathered);

impl Gather for Sessions {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        self.0.see(seen.line, asked.filter);
    }

    fn listing(self: Box<Self>, filter: &Filter, live: bool) -> Listing {
        let sessions = self.0.all(filter, live);
        let sum = |of: fn(&Session) -> u64| sessions.iter().map(of).fold(0, u64::saturating_add);
        let totals = vec![
            ("sessions", "sessions", Cell::Number(sessions.len() as u64)),
            ("full", "read in full", Cell::Number(sum(|session| session.full))),
            ("out", "octets out", Cell::Number(sum(|session| session.octets_out.unwrap_or(0)))),
        ];
        let number = |number: Option<u64>| number.map_or(Cell::None, Cell::Number);
        let row = |session: Session| {
            let tls = session.tls();
            let ended = session.ended.or_else(|| Some("open".to_owned()));
            vec![
                session.opened.into(),
                Cell::Text(session.sid),
                session.user.into(),
                session.ip.into(),
                session.client.into(),
                Cell::Text(tls),
                session.dur_ms.map_or(Cell::None, |ms| Cell::Seconds(ms / 1000)),
                number(session.commands),
                number(session.octets_out),
                Cell::Number(session.full),
                Cell::Number(session.other),
                ended.into(),
                number(session.octets_in),
                session.closed.into(),
                session.tls.into(),
                session.actor.into(),
                session.credential.into(),
                session.listener.into(),
                Cell::Number(session.failures),
            ]
        };
        let columns = vec![
            column("opened", "opened"),
            column("session", "session"),
            flexible("user", "user", 10),
            column("client_ip", "address"),
            flexible("client", "client", 8),
            column("tls_version", "TLS"),
            column("seconds", "lasted"),
            column("commands", "commands"),
            column("out", "octets"),
            column("full", "full"),
            column("part", "part"),
            flexible("ended", "ended", 6),
            column("in", ""),
            column("closed", ""),
            column("tls", ""),
            column("actor", ""),
            column("credential", ""),
            column("listener", ""),
            column("failed_logins", ""),
        ];
        Listing { columns, rows: sessions.into_iter().map(row).collect(), totals }
    }
}

/// `report clients`: which programs, with which TLS.
#[derive(Debug, Default)]
pub struct ClientPrograms(Gathered);

#[derive(Default)]
struct Use {
    sessions: u64,
    users: HashSet<String>,
    addresses: HashSet<String>,
    first: Option<i64>,
    last: Option<i64>,
}

impl Gather for ClientPrograms {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        self.0.see(seen.line, asked.filter);
    }

    fn listing(self: Box<Self>, filter: &Filter, live: bool) -> Listing {
        let mut uses = BTreeMap::<(Option<String>, String), Use>::new();
        let mut sessions = 0_u64;
        for session in self.0.all(filter, live).into_iter().filter(|session| session.user.is_some()) {
            sessions = sessions.saturating_add(1);
            let tls = session.tls.clone().unwrap_or_else(|| session.tls());
            let one = uses.entry((session.client, tls)).or_default();
            one.sessions = one.sessions.saturating_add(1);
            one.users.extend(session.user);
            one.addresses.extend(session.ip);
            one.first = one.first.into_iter().chain(session.opened).min();
            one.last = one.last.into_iter().chain(session.opened).max();
        }
        let mut rows: Vec<_> = uses.into_iter().collect();
        rows.sort_by_key(|(_, one)| std::cmp::Reverse(one.sessions));
        let row = |((client, tls), one): ((Option<String>, String), Use)| {
            let mut users: Vec<String> = one.users.into_iter().collect();
            users.sort();
            vec![
                Cell::Text(client.unwrap_or_else(|| "said nothing".to_owned())),
                Cell::Text(tls),
                Cell::Number(one.sessions),
                Cell::Number(users.len() as u64),
                Cell::Number(one.addresses.len() as u64),
                one.first.into(),
                one.last.into(),
                Cell::List(users),
            ]
        };
        let columns = vec![
            flexible("client", "client", 12),
            flexible("tls", "TLS", 8),
            column("sessions", "sessions"),
            column("users", "users"),
            column("addresses", "addresses"),
            column("first", "first"),
            column("last", "last"),
            column("who", ""),
        ];
        let totals = vec![("sessions", "sessions with a login", Cell::Number(sessions))];
        Listing { columns, rows: rows.into_iter().map(row).collect(), totals }
    }
}
