//! Who holds what a rule hides? A program that has read a message may have kept it.
//!
//! ```text
//!   message.read of the log ─▶ (rule, user, client, credential) ─▶ messages, how many of them in full, last when
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::audit::{Line, Number, Text};
use crate::imap::message::ReadClass;
use crate::report::table::printable;

/// Rows that are named; the others are counted.
const ROWS: usize = 40;

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    /// Which rule hides it.
    rule: String,
    user: String,
    /// What the client said of itself, or where it came from if it said nothing.
    client: String,
    /// The proxy's own credential that it used.
    credential: Option<String>,
}

/// A message: mailbox, UIDVALIDITY, UID.
type Key = (Box<str>, Option<u32>, u32);

#[derive(Debug, Default)]
struct Held {
    messages: BTreeSet<Key>,
    full: BTreeSet<Key>,
    last: String,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Holders(BTreeMap<Holder, Held>);

impl Holders {
    /// That record says that content of this message was delivered. `client`: what it said of itself.
    pub fn add(&mut self, rule: &str, line: &Line<'_>, client: Option<&str>, uid: u32, class: ReadClass) {
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
        let client = client.filter(|client| !client.is_empty()).map(str::to_owned);
        let holder = Holder {
            rule: rule.to_owned(),
            user: text(&line.user).unwrap_or_default(),
            client: client.or_else(|| text(&line.client_ip)).unwrap_or_default(),
            credential: text(&line.credential),
        };
        let held = self.0.entry(holder).or_default();
        let (name, uidv) = line.mailbox.as_ref().map_or(("", None), |mailbox| (&*mailbox.name, mailbox.uidv));
        let key: Key = (name.into(), uidv, uid);
        if class == ReadClass::Full {
            held.full.insert(key.clone());
        }
        held.messages.insert(key);
        if *held.last < *line.ts {
            held.last = line.ts.to_owned();
        }
    }

    /// Does nobody?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows = self.0.iter().map(|(holder, held)| {
            json!({
                "rule": holder.rule,
                "user": holder.user,
                "client": holder.client,
                "credential": holder.credential,
                "messages": held.messages.len(),
                "full": held.full.len(),
                "last": held.last,
            })
        });
        rows.collect()
    }
}

/// `  hide-board-mail  m.berg@example.org  Thunderbird/128, credential crm  3 messages, 2 in full, last 2027-01-12T02:13:37`
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |holder: &Holder| {
            let by = holder.credential.as_ref().map_or_else(String::new, |name| format!(", credential {name}"));
            [printable(&holder.rule), printable(&holder.user), printable(&format!("{}{by}", holder.client))]
        };
        let rows: Vec<_> = self.0.iter().take(ROWS).map(|(holder, held)| (told(holder), held)).collect();
        let width = |at: usize| {
            rows.iter().filter_map(|(told, _)| told.get(at)).map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2)];
        for ([rule, user, client], held) in &rows {
            let [a, b, c] = widths;
            let count = held.messages.len();
            let plural = if count == 1 { "" } else { "s" };
            let (count, full) = (Number(count as u64), Number(held.full.len() as u64));
            let last = held.last.get(..19).unwrap_or(&held.last);
            writeln!(
                f,
                "  {rule:<a$}  {user:<b$}  {client:<c$}  {count} message{plural}, {full} in full, last {last}"
            )?;
        }
        match self.0.len().saturating_sub(ROWS) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
