//! What was searched for: criteria by name, terms where they were recorded, and how much was found.

use super::data::Data;
use super::filter::Filter;
use super::gather::{Asked, Gather};
use super::period;
use super::table::{Cell, Listing, column, flexible};
use crate::audit::{Seen, Text};

/// `report searches`
#[derive(Debug, Default)]
pub struct Searches {
    rows: Vec<Vec<Cell>>,
    hits: u64,
}

impl Gather for Searches {
    fn see(&mut self, seen: Seen<'_>, asked: &Asked<'_>) {
        let line = seen.line;
        if line.type_name != "message.search" || !asked.matches(seen) {
            return;
        }
        let Some(data) = line.data::<Data<'_>>() else { return };
        let list = |items: &[Text<'_>]| Cell::List(items.iter().map(|item| item.as_str().to_owned()).collect());
        self.hits = self.hits.saturating_add(data.hits.unwrap_or(0));
        self.rows.push(vec![
            Cell::Time(period::micros(line.ts)),
            line.user.as_ref().map(|user| user.as_str().to_owned()).into(),
            line.sid.as_ref().map(|sid| sid.as_str().to_owned()).into(),
            line.mailbox.as_ref().map(|mailbox| mailbox.name.clone().into_owned()).into(),
            list(&data.keys),
            list(&data.terms),
            if line.stage == Some("refused") { "refused".into() } else { data.hits.map_or(Cell::None, Cell::Number) },
            data.content.then(|| "yes".to_owned()).into(),
        ]);
    }

    fn listing(self: Box<Self>, _filter: &Filter, _live: bool) -> Listing {
        let columns = vec![
            column("ts", "time"),
            flexible("user", "user", 10),
            column("session", "session"),
            flexible("mailbox", "mailbox", 8),
            flexible("keys", "criteria", 12),
            flexible("terms", "terms", 10),
            column("hits", "hits"),
            column("content", "in content"),
        ];
        let totals = vec![
            ("searches", "searches", Cell::Number(self.rows.len() as u64)),
            ("hits", "hits", Cell::Number(self.hits)),
        ];
        Listing { columns, rows: self.rows, totals }
    }
}
