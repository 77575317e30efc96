//! What was refused, by rule and user; and which rules took something at all.

use std::collections::{BTreeMap, HashSet};

use super::data::Data;
use super::filter::Filter;
use super::gather::{Asked, Gather};
use super::period;
use super::table::{Cell, Listing, column, flexible};
use crate::audit::{Line, Seen, Text};

/// `report refusals`
#[derive(Debug, Default)]
pub struct Refusals {
    rows: BTreeMap<(String, String, String), Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    times: u64,
    first: i64,
    last: i64,
    mailboxes: BTreeMap<String, ()>,
    reference: Option<String>,
}

/// Mailboxes that are named in a row.
const NAMED: usize = 3;

impl Gather for Refusals {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        let line = seen.line;
        let refused = line.stage == Some("refused")
            || matches!(line.type_name, "auth.refused" | "session.refused" | "limit.hit" | "command.refused");
        if !refused || !asked.matches(seen) {
            return;
        }
        let data = line.data::<Data<'_>>().unwrap_or_default();
        let what = match line.type_name {
            "session.refused" => format!("connection: {}", text(&data.reason)),
            "auth.refused" => "login".to_owned(),
            "limit.hit" => format!("limit: {}", text(&data.kind)),
            _ => text(&line.verb),
        };
        let rule = match rules(line).as_str() {
            "" => data.rule.as_ref().or(data.limit.as_ref()).map_or("the proxy itself", Text::as_str).to_owned(),
            rules => rules.to_owned(),
        };
        let at = period::micros(line.ts);
        let row = self
            .rows
            .entry((rule, text(&line.user), what))
            .or_insert_with(|| Refused { first: at, ..Refused::default() });
        row.times = row.times.saturating_add(1);
        row.first = row.first.min(at);
        row.last = row.last.max(at);
        if let Some(mailbox) = line.mailbox.as_ref().filter(|_| row.mailboxes.len() <= NAMED) {
            row.mailboxes.insert(mailbox.name.clone().into_owned(), ());
        }
        if let (Some(sid), Some(cmd)) = (&line.sid, line.cmd) {
            row.reference = Some(format!("{}-{cmd}", sid.as_str()));
        }
    }

    fn listing(self: Box<Self>, _filter: &Filter, _live: bool) -> Listing {
        let times = self.rows.values().map(|row| row.times).fold(0, u64::saturating_add);
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.times));
        let row = |((rule, user, what), row): ((String, String, String), Refused)| {
            let more = if row.mailboxes.len() > NAMED { Some("…".to_owned()) } else { None };
            let mailboxes = row.mailboxes.into_keys().take(NAMED).chain(more).collect();
            vec![
                Cell::Text(rule),
                if user.is_empty() { Cell::None } else { Cell::Text(user) },
                Cell::Text(what),
                Cell::Number(row.times),
                Cell::List(mailboxes),
                Cell::Time(row.last),
                row.reference.into(),
                Cell::Time(row.first),
            ]
        };
        let columns = vec![
            flexible("rule", "rule", 12),
            flexible("user", "user", 10),
            column("command", "command"),
            column("times", "times"),
            flexible("mailboxes", "mailboxes", 9),
            column("last", "last"),
            column("ref", "reference"),
            column("first", ""),
        ];
        let totals = vec![("refused", "refused", Cell::Number(times))];
        Listing { columns, rows: rows.into_iter().map(row).collect(), totals }
    }
}

/// `report rules`
#[derive(Debug, Default)]
pub struct Rules {
    rows: BTreeMap<String, Hits>,
    /// Only those without a hit since then.
    never: Option<i64>,
}

#[derive(Debug, Default)]
struct Hits {
    took: u64,
    shadow: u64,
    users: HashSet<String>,
    last: Option<i64>,
}

impl Rules {
    /// `known`: the rules of the configuration, which are listed also where the log never names them. `never`: only rules
    /// without a hit since then, in microseconds since 1970.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = String>, never: Option<i64>) -> Self {
        Self { rows: known.into_iter().map(|rule| (rule, Hits::default())).collect(), never }
    }

    fn hit(&mut self, rule: &str, line: &Line<'_>, shadow: bool) {
        if !self.rows.contains_key(rule) {
            self.rows.insert(rule.to_owned(), Hits::default());
        }
        let Some(hits) = self.rows.get_mut(rule) else { return };
        let count = if shadow { &mut hits.shadow } else { &mut hits.took };
        *count = count.saturating_add(1);
        if let Some(user) = &line.user
            && !hits.users.contains(user.as_str())
        {
            hits.users.insert(user.as_str().to_owned());
        }
        hits.last = hits.last.max(Some(period::micros(line.ts)));
    }
}

impl Gather for Rules {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        let line = seen.line;
        // An intent and its done are one command.
        if line.stage == Some("intent") || line.more || !asked.matches(seen) {
            return;
        }
        if let Some(policy) = &line.policy {
            policy.by.iter().for_each(|rule| self.hit(rule.as_str(), line, false));
            policy.shadow.iter().for_each(|rule| self.hit(rule.as_str(), line, true));
        }
        if line.type_name == "limit.hit"
            && let Some(rule) = line.data::<Data<'_>>().and_then(|data| data.rule)
        {
            self.hit(rule.as_str(), line, false);
        }
    }

    fn listing(self: Box<Self>, _filter: &Filter, _live: bool) -> Listing {
        let never = self.never;
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.retain(|(_, hits)| never.is_none_or(|since| hits.last.is_none_or(|last| last < since)));
        rows.sort_by_key(|(_, hits)| std::cmp::Reverse((hits.took, hits.shadow)));
        let totals = vec![("rules", "rules", Cell::Number(rows.len() as u64))];
        let row = |(rule, hits): (String, Hits)| {
            let last = hits.last.map_or(Cell::Text("never".to_owned()), Cell::Time);
            vec![
                Cell::Text(rule),
                Cell::Number(hits.took),
                Cell::Number(hits.shadow),
                Cell::Number(hits.users.len() as u64),
                last,
            ]
        };
        let columns = vec![
            flexible("rule", "rule", 16),
            column("hits", "hits"),
            column("shadow", "in shadow"),
            column("users", "users"),
            column("last", "last hit"),
        ];
        Listing { columns, rows: rows.into_iter().map(row).collect(), totals }
    }
}

fn text(text: &Option<Text<'_>>) -> String {
    text.as_ref().map_or(String::new(), |text| text.as_str().to_owned())
}

fn rules(line: &Line<'_>) -> String {
    let by = line.policy.iter().flat_map(|policy| &policy.by);
    by.map(Text::as_str).collect::<Vec<_>>().join(" ")
}
