//! Which sessions are open, as far as somebody asks: filtered, sorted, a window of them.
//!
//! ```text
//!   user=*@example.org&older=1h&sort=octets&limit=50  ─▶  Filter, Window ─▶ { total, matched, sessions: […], next }
//! ```

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::config;
use crate::imap::glob::Glob;
use crate::imap::mailbox::fold_text;
use crate::net::{Counted, Facts, Live};

/// Sessions in one answer, where nothing is said, and at most.
const LIMIT: usize = 50;
const MOST: usize = 500;

/// Which sessions. All that is said must hold; without anything all of them are meant.
#[derive(Debug, Default)]
pub(super) struct Filter {
    user: Option<Glob>,
    ip: Option<IpNet>,
    mailbox: Option<Glob>,
    client: Option<Glob>,
    state: Option<Box<str>>,
    listener: Option<Box<str>>,
    upstream: Option<Box<str>>,
    sid: Option<HashSet<Box<str>>>,
    older: Option<Duration>,
    /// As it was said, for the record.
    said: Vec<String>,
}

/// In which order, and which part of it.
#[derive(Debug)]
pub(super) struct Window {
    sort: Sort,
    limit: usize,
    skip: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Age,
    Content,
    Octets,
    Quiet,
    User,
}

/// What is asked in a way that this does not know.
pub(super) type Unclear = &'static str;

impl Filter {
    /// One pair of a query. `false`: it is none of a filter's.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, Unclear> {
        let glob = |value: &str| Glob::text(value).map(Some).map_err(|_| "this is no pattern: * and ? are special");
        match key {
            "user" => self.user = glob(value)?,
            "mailbox" => self.mailbox = glob(value)?,
            "client" => self.client = glob(value)?,
            "ip" => self.ip = Some(network(value).ok_or("ip is an address, or a network as 192.0.2.0/24")?),
            "state" => self.state = Some(value.into()),
            "listener" => self.listener = Some(value.into()),
            "upstream" => self.upstream = Some(value.into()),
            "sid" => self.sid = Some(value.split(',').map(Into::into).collect()),
            "older" => self.older = Some(config::duration(value).ok_or("older is a time, as 90s or 1h")?),
            _ => return Ok(false),
        }
        self.said.push(format!("{key}={value}"));
        Ok(true)
    }

    /// The `filter` of a call that changes something.
    pub(super) fn of_object(object: &Map<String, Value>) -> Result<Self, Unclear> {
        let mut filter = Self::default();
        for (key, value) in object {
            let value = value.as_str().ok_or("what a filter asks for is text")?;
            if !filter.take(key, value)? {
                return Err("a filter has user, ip, mailbox, client, state, listener, upstream, sid, older");
            }
        }
        Ok(filter)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    pub(super) fn said(&self) -> String {
        self.said.join(" ")
    }

    fn takes(&self, live: &Live, facts: &Facts) -> bool {
        let text = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|glob| glob.matches(&fold_text(text)));
        let word = |wanted: &Option<Box<str>>, word: &str| wanted.as_ref().is_none_or(|wanted| **wanted == *word);
        let context = &facts.context;
        let mailbox = facts.mailbox.as_ref().map_or("", |mailbox| &mailbox.name);
        let actor = context.actor.as_deref().unwrap_or(facts.user());
        !facts.sid().is_empty()
            && (text(&self.user, facts.user()) || text(&self.user, actor))
            && self.ip.is_none_or(|net| facts.ip().is_some_and(|ip| net.contains(&ip)))
            && text(&self.mailbox, mailbox)
            && text(&self.client, &facts.client)
            && word(&self.state, facts.state())
            && word(&self.listener, context.listener.as_deref().unwrap_or_default())
            && word(&self.upstream, context.upstream.as_deref().unwrap_or_default())
            && self.sid.as_ref().is_none_or(|sids| sids.contains(facts.sid()))
            && self.older.is_none_or(|older| live.age() >= older)
    }

    /// Those that it takes.
    pub(super) fn of(&self, live: Vec<Arc<Live>>) -> Vec<(Arc<Live>, Facts)> {
        let with_facts = live.into_iter().map(|live| {
            let facts = live.facts();
            (live, facts)
        });
        with_facts.filter(|(live, facts)| self.takes(live, facts)).collect()
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { sort: Sort::Age, limit: LIMIT, skip: 0 }
    }
}

impl Window {
    fn take(&mut self, key: &str, value: &str) -> Result<bool, Unclear> {
        let number = |value: &str| value.parse::<usize>().map_err(|_| "limit and cursor are numbers");
        match key {
            "sort" => {
                self.sort = match value {
                    "age" => Sort::Age,
                    "content" => Sort::Content,
                    "octets" => Sort::Octets,
                    "quiet" => Sort::Quiet,
                    "user" => Sort::User,
                    _ => return Err("sort is age, content, octets, quiet or user"),
                }
            }
            "limit" => self.limit = number(value)?.clamp(1, MOST),
            "cursor" => self.skip = number(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The largest first, or names in their order; those that are equal by their ids, so that windows do not overlap.
    fn sort(&self, sessions: &mut [(Arc<Live>, Facts)]) {
        let down = |number: u64| std::cmp::Reverse(number);
        let key = |(live, facts): &(Arc<Live>, Facts)| {
            let Counted { octets_in, octets_out, content, .. } = live.counted();
            let number = match self.sort {
                Sort::Age => live.age().as_secs(),
                Sort::Quiet => live.quiet().as_secs(),
                Sort::Content => content,
                Sort::Octets => octets_in.saturating_add(octets_out),
                Sort::User => 0,
            };
            let name = if self.sort == Sort::User { facts.user() } else { "" };
            (down(number), name.to_owned(), facts.sid().to_owned())
        };
        sessions.sort_by_cached_key(key);
    }
}

/// `GET /api/v1/sessions`
pub(super) fn list(query: &[(String, String)], live: Vec<Arc<Live>>) -> Result<Value, Unclear> {
    let (mut filter, mut window) = (Filter::default(), Window::default());
    for (key, value) in query {
        if !filter.take(key, value)? && !window.take(key, value)? {
            return Err(
                "ask by user, ip, mailbox, client, state, listener, upstream, sid, older; sort, limit and cursor",
            );
        }
    }
    Ok(listed(&filter, &window, live))
}

/// What a kill would end: the first of them, by age.
pub(super) fn listed(filter: &Filter, window: &Window, live: Vec<Arc<Live>>) -> Value {
    let mut total = live.len();
    let mut sessions = filter.of(live);
    if filter.is_empty() {
        total = sessions.len(); // those whose TLS is not there yet are no sessions
    }
    window.sort(&mut sessions);
    let matched = sessions.len();
    let rows: Vec<Value> =
        sessions.iter().skip(window.skip).take(window.limit).map(|(live, facts)| row(live, facts)).collect();
    let next = window.skip.saturating_add(rows.len());
    let mut answer = json!({ "total": total, "matched": matched, "sessions": rows });
    if next < matched {
        answer["next"] = next.to_string().into();
    }
    answer
}

/// `GET /api/v1/sessions/{sid}`
pub(super) fn one(sid: &str, live: Vec<Arc<Live>>) -> Option<Value> {
    let with_facts = live.into_iter().map(|live| (live.facts(), live));
    let (facts, live) =
        with_facts.filter(|(facts, _)| !facts.sid().is_empty()).find(|(facts, _)| facts.sid() == sid)?;
    let mut told = row(&live, &facts);
    told["last"] = live.last().into();
    told["reads"] = live.reads().map(|(class, n)| (class.to_owned(), n.into())).collect::<Map<_, _>>().into();
    Some(told)
}

fn row(live: &Live, facts: &Facts) -> Value {
    let (context, counted) = (&facts.context, live.counted());
    let since = jiff::Timestamp::try_from(live.since()).map(|since| format!("{since:.0}")).unwrap_or_default();
    let mut row = json!({
        "sid": facts.sid(),
        "ip": facts.ip().map(|ip| ip.to_string()),
        "port": facts.port,
        "listener": context.listener.as_deref(),
        "state": facts.state(),
        "since": since,
        "age_s": live.age().as_secs(),
        "quiet_s": live.quiet().as_secs(),
        "commands": counted.commands,
        "refused": counted.refused,
        "in": counted.octets_in,
        "out": counted.octets_out,
        "messages": counted.messages,
        "content": counted.content,
    });
    let mailbox = facts.mailbox.as_ref().map(|mailbox| &*mailbox.name);
    let more = [
        ("user", context.user.as_deref()),
        ("actor", context.actor.as_deref()),
        ("credential", context.credential.as_deref()),
        ("upstream", context.upstream.as_deref()),
        ("tls", facts.tls),
        ("client", Some(&*facts.client).filter(|client| !client.is_empty())),
        ("mailbox", mailbox),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            row[key] = value.into();
        }
    }
    row
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Vec<(String, String)> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn asked(text: &str) -> Result<(usize, Option<String>), Unclear> {
        let live = ["ann", "bob", "cid"].map(|user| Arc::new(Live::of(user, "192.0.2.1".parse().unwrap(), "INBOX")));
        let told = list(&query(text), live.to_vec())?;
        let users = told["sessions"].as_array().unwrap();
        Ok((users.len(), users.first().map(|first| first["user"].as_str().unwrap().to_owned())))
    }

    #[test]
    fn filters_and_windows() {
        let first = |n: usize, user: &str| Ok((n, Some(user.to_owned())));
        let rows = [
            ("sort=user", first(3, "ann")),
            ("sort=user&limit=2&cursor=1", first(2, "bob")),
            ("sort=user&cursor=9", Ok((0, None))),
            ("user=B?b", first(1, "bob")),
            ("user=b", Ok((0, None))),
            ("mailbox=in*&user=c*", first(1, "cid")),
            ("ip=192.0.2.0/24&sort=user", first(3, "ann")),
            ("ip=192.0.2.2", Ok((0, None))),
            ("state=preauth&sort=user", first(3, "ann")),
            ("state=idle", Ok((0, None))),
            ("older=1h", Ok((0, None))),
            ("sid=bob,none", first(1, "bob")),
            ("listener=imaps", Ok((0, None))),
            ("ip=x", Err("ip is an address, or a network as 192.0.2.0/24")),
            ("older=soon", Err("older is a time, as 90s or 1h")),
            ("sort=name", Err("sort is age, content, octets, quiet or user")),
            ("limit=many", Err("limit and cursor are numbers")),
        ];
        for (text, want) in rows {
            assert_eq!(asked(text), want, "{text}");
        }
        assert!(asked("usr=ann").is_err());
    }

    #[test]
    fn windows_say_where_the_next_begins() {
        let live = ["ann", "bob", "cid"].map(|user| Arc::new(Live::of(user, "192.0.2.1".parse().unwrap(), "INBOX")));
        let told = |text| list(&query(text), live.to_vec()).unwrap();
        assert_eq!((&told("limit=2")["next"], &told("limit=2")["matched"]), (&"2".into(), &3.into()));
        assert_eq!(told("limit=2&cursor=2")["next"], Value::Null);
        assert_eq!(told("user=ann")["total"], 3);
    }

    #[test]
    fn a_filter_of_an_object_knows_what_it_knows() {
        let of = |value: Value| Filter::of_object(value.as_object().unwrap()).map(|filter| filter.said());
        assert_eq!(of(json!({ "user": "ann*" })), Ok("user=ann*".to_owned()));
        assert!(of(json!({ "sort": "age" })).is_err() && of(json!({ "user": 1 })).is_err());
        assert_eq!(of(json!({})), Ok(String::new()));
    }
}
