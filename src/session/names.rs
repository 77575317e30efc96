//! Which mailbox does a name mean?
//!
//! ```text
//!   no rule names mailboxes    nothing is asked, names pass as they are
//!   rules take rights there    each name is asked for before its first use: LIST "" name
//!   rules may hide             all names are asked for, after login and when they may have changed: LIST "" *
//! ```
//!
//! A name is judged as the upstream spells it, so that an alias does not escape a rule, and in filtered scope it goes up in
//! that spelling, too.

use std::collections::HashMap;
use std::sync::Arc;

use std::time::{Duration, Instant};

use crate::imap::mailbox::MailboxName;
use crate::policy::{Hits, Role, SpecialUse, Target};
use crate::rewrite::mailbox_data::{Namespace, personal_prefix, read_list, read_namespaces};
use crate::view::mailboxes::{Listed, NameTable, Query, Row};
use crate::wire::command::{MailboxArg, Utf8Mode};
use crate::wire::response::Keyword;

use super::effect::Own;
use super::refusal::Bye;
use super::{CloseReason, Session};

/// Absent names ask the upstream again, but no more often than this in [`REFRESH_WINDOW`].
const MAX_REFRESHES: u32 = 8;

const REFRESH_WINDOW: Duration = Duration::from_secs(2);

/// Most names of which an answer is remembered, where each is asked for.
const MAX_ASKED: usize = 10_000;

/// A mailbox, as far as rules must know it.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub name: MailboxName,
    pub special: Option<SpecialUse>,
    /// The upstream's spelling, where it listed the name.
    pub octets: Option<Arc<[u8]>>,
}

/// What is known of the upstream's names.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: NameTable,
    /// Names that were asked for one by one: what the upstream calls them; `None` where it lists no such mailbox.
    asked: HashMap<MailboxName, Option<MailboxName>>,
    /// Since when refreshes are counted, and how many there were.
    refreshed: Option<(Instant, u32)>,
    /// Names may have changed since.
    stale: bool,
    delimiter: Option<char>,
    /// Does LIST say of any mailbox what it is for?
    tells_special_use: bool,
    /// Was that asked of all?
    uses_known: bool,
    prefix: Option<Box<str>>,
    namespaces: Vec<Namespace>,
}

impl Session {
    pub(super) fn delimiter(&self) -> Option<char> {
        self.names.delimiter.or(Some('/'))
    }

    pub(super) fn utf8_mode(&self) -> Utf8Mode {
        if self.utf8 { Utf8Mode::On } else { Utf8Mode::Off }
    }

    /// Fetches the upstream's names after a login: where none is hidden not before a command needs them.
    pub(super) fn names_after_login(&mut self, now: Instant) {
        if self.filtered() || !self.leg.capabilities.known {
            return self.begin_names(now);
        }
        self.names.stale = true;
    }

    /// Fetches the upstream's names, where rules need them.
    pub(super) fn begin_names(&mut self, now: Instant) {
        if !self.leg.capabilities.known && (self.bound.restricts() || self.filtered()) {
            self.send_own_as(b"CAPABILITY", Own::Capability, now);
        }
        if !self.bound.names_mailboxes() {
            return;
        }
        if self.names.namespaces.is_empty() {
            self.send_own_as(b"NAMESPACE", Own::Namespace, now);
        }
        self.names.table = NameTable::default();
        self.names.asked = HashMap::new();
        self.names.stale = false;
        if self.filtered() {
            self.send_own_as(b"LIST \"\" \"*\"", Own::Names, now);
            self.send_own_as(b"LSUB \"\" \"*\"", Own::Subscriptions, now);
            return;
        }
        if self.names.delimiter.is_none() && !self.leg.capabilities.namespace {
            self.send_own_as(b"LIST \"\" \"\"", Own::Delimiter, now); // else NAMESPACE says it
        }
        if self.bound.depends_on_use() && self.leg.capabilities.special_use && self.leg.capabilities.list_extended {
            self.send_own_as(b"LIST (SPECIAL-USE) \"\" \"*\"", Own::Uses, now);
        }
    }

    /// All mailboxes that are for something are known now, if there are any.
    pub(super) fn uses_answered(&mut self) {
        self.names.uses_known = self.names.tells_special_use;
    }

    /// Where rules take rights on mailboxes: asks how the upstream spells this name, if that was not asked before. Says whether
    /// the answer has to be waited for.
    pub(super) fn asks_for_name(&mut self, arg: &MailboxArg<'_>, now: Instant) -> bool {
        if self.filtered() || !self.bound.names_mailboxes() || arg.octets().iter().any(|octet| b"*%".contains(octet)) {
            return false; // a wildcard would ask for others, too: such a name is judged as it is spelled
        }
        let Ok(name) = arg.name(self.utf8_mode(), self.delimiter()) else { return false };
        if name.is_inbox() || self.names.asked.contains_key(&name) || self.names.table.get(&name).is_some() {
            return false;
        }
        let mut line = b"LIST \"\" ".to_vec();
        crate::wire::encode::string(&mut line, arg.octets(), self.utf8_mode(), false);
        if memchr::memchr(b'\n', &line).is_some() {
            return false; // it cannot be quoted, and no mailbox is called so
        }
        if !self.in_flight.is_empty() {
            return true; // what the upstream answers to ours must be told from what it answers to the client's LIST
        }
        if self.names.asked.len() >= MAX_ASKED {
            self.names.asked = HashMap::new();
            self.names.table = NameTable::default();
        }
        self.names.asked.insert(name.clone(), None);
        self.send_own_as(&line, Own::Name(name), now);
        true
    }

    /// The answer to [`Session::asks_for_name`] is complete: where it listed nothing the name is judged as it is spelled.
    pub(super) fn name_answered(&mut self, name: &MailboxName) {
        if self.names.table.get(name).is_some() {
            self.names.asked.insert(name.clone(), Some(name.clone()));
        }
    }

    /// Names may have changed upstream.
    pub(super) fn names_changed(&mut self) {
        self.names.stale = true;
    }

    /// Fetches the names again if they changed; says whether it has to be waited for.
    pub(super) fn refresh_names(&mut self, now: Instant) -> bool {
        let refresh = self.names.stale && self.bound.names_mailboxes();
        if refresh && self.in_flight.is_empty() {
            self.begin_names(now);
            return !self.in_flight.is_empty(); // there may be nothing to ask for
        }
        refresh
    }

    /// May an absent name ask the upstream again? Counts it.
    pub(super) fn may_refresh(&mut self, now: Instant) -> bool {
        let window = self.names.refreshed.filter(|(since, _)| now.saturating_duration_since(*since) < REFRESH_WINDOW);
        let (since, count) = window.unwrap_or((now, 0));
        self.names.refreshed = Some((since, count.saturating_add(1)));
        count < MAX_REFRESHES
    }

    /// What a name in a command means; `None`: it cannot be read where rules name mailboxes, so it means nothing.
    pub(super) fn resolve(&self, arg: &MailboxArg<'_>) -> Option<Resolved> {
        let delimiter = self.delimiter();
        let ruled = self.bound.names_mailboxes();
        match arg.name(self.utf8_mode(), delimiter) {
            Ok(name) => {
                // CREATE may carry the delimiter at its end (RFC 9051 §6.3.4); as a name it is the one before it.
                let row = self.names.table.get(&name).or_else(|| {
                    self.names.asked.get(&name).and_then(Option::as_ref).and_then(|real| self.names.table.get(real))
                });
                let told = row.is_some_and(|row| !(self.filtered() && self.row_is_hidden(row)));
                if ruled && !told && reaches_elsewhere(&name) {
                    return None; // who knows which mailbox a server takes it for
                }
                Some(Resolved {
                    special: row.and_then(|row| self.told_use(row)),
                    octets: row.map(|row| row.octets.clone()),
                    name: row.map_or(name, |row| row.name.clone()),
                })
            }
            Err(_) if ruled => None,
            Err(_) => Some(Resolved {
                name: crate::wire::mailbox::decode_lenient(arg.octets(), self.utf8_mode(), delimiter).name,
                special: None,
                octets: None,
            }),
        }
    }

    /// What a name in a response means; `None` as in [`Session::resolve`].
    pub(super) fn resolve_listed(&self, octets: &[u8]) -> Option<Resolved> {
        let read = crate::wire::mailbox::decode_lenient(octets, self.utf8_mode(), self.delimiter());
        let row = self.names.table.get(&read.name);
        (read.canonical || !self.bound.names_mailboxes()).then(|| Resolved {
            special: row.and_then(|row| self.told_use(row)),
            octets: row.map(|row| row.octets.clone()),
            name: read.name,
        })
    }

    /// Is it a name that can be read, of a mailbox that is not there for this client?
    pub(super) fn is_absent(&self, arg: &MailboxArg<'_>) -> bool {
        self.resolve(arg).is_some_and(|resolved| !self.exists(&resolved))
    }

    pub(super) fn knows_delimiter(&self) -> bool {
        self.names.delimiter.is_some()
    }

    /// Names are recorded with "/" between levels: what LIST says of the delimiter is remembered.
    pub(super) fn learn_delimiter(&mut self, line: &[u8], rest: usize) {
        if self.names.delimiter.is_none() {
            self.names.delimiter = read_list(line, rest, self.utf8_mode()).and_then(|row| row.delimiter);
        }
    }

    pub(super) fn target<'a>(&'a self, resolved: &'a Resolved) -> Target<'a> {
        Target { special_use: resolved.special, prefix: self.names.prefix.as_deref(), ..Target::new(&resolved.name) }
    }

    /// The same for a role: what moves or removes a mailbox is about those below it, too.
    pub(super) fn target_as<'a>(&'a self, role: Role, resolved: &'a Resolved) -> Target<'a> {
        let target = self.target(resolved);
        match role {
            Role::RenameFrom | Role::Delete => Target { uses_below: self.uses_below(&resolved.name), ..target },
            _ => target,
        }
    }

    /// What mailboxes below it are for that this client may see: with it they would be renamed.
    fn uses_below(&self, name: &MailboxName) -> SpecialUse {
        if !self.names.tells_special_use {
            return SpecialUse::NONE;
        }
        let below = self.names.table.below(name).map(|row| (row, special_use(row)));
        let visible = below.filter(|(row, uses)| !(uses.is_empty() || self.filtered() && self.row_is_hidden(row)));
        visible.fold(SpecialUse::NONE, |all, (_, uses)| all | uses)
    }

    fn row_is_hidden(&self, row: &Row) -> bool {
        let target =
            Target { special_use: self.told_use(row), prefix: self.names.prefix.as_deref(), ..Target::new(&row.name) };
        self.bound.is_hidden(&target, self.wall)
    }

    /// What LIST says that it is for. A server that says so of no mailbox tells no special uses.
    fn told_use(&self, row: &Row) -> Option<SpecialUse> {
        let uses = special_use(row);
        // Of one name alone it cannot be said whether the server tells special uses at all.
        let told = if self.filtered() { self.names.tells_special_use } else { self.names.uses_known };
        (told || !uses.is_empty()).then_some(uses)
    }

    /// Does the mailbox exist for this client? In filtered scope only what the upstream listed and no rule hides does.
    pub(super) fn exists(&self, resolved: &Resolved) -> bool {
        if !self.filtered() {
            return true;
        }
        self.names.table.get(&resolved.name).is_some_and(|row| row.exists() && !self.row_is_hidden(row))
    }

    /// Is it subscribed to, and not hidden? Then UNSUBSCRIBE of it may go up.
    pub(super) fn is_subscribed(&self, resolved: &Resolved) -> bool {
        self.names.table.get(&resolved.name).is_some_and(|row| row.subscribed && !self.row_is_hidden(row))
    }

    pub(super) fn selected_is_hidden_by(&self, now: Instant) -> Option<Hits> {
        let at = self.shared.clock.at(now);
        let target = self.target(&self.state.selected()?.target);
        self.bound.is_hidden(&target, at).then(|| self.bound.hiding(&target, at).by)
    }

    /// A line of LIST or LSUB that we asked for.
    pub(super) fn learn_name(&mut self, keyword: Keyword, response: &[u8], rest: usize, now: Instant) {
        let Some(row) = read_list(response, rest, self.utf8_mode()) else {
            // Nobody can tell which name this is: for this client it does not exist.
            return self.note_fault(super::event::Side::Upstream, super::event::FaultReason::ResponseSyntax);
        };
        self.names.delimiter = row.delimiter.or(self.names.delimiter);
        self.names.tells_special_use |= !special_use(&row).is_empty();
        let asked = self.in_flight.iter().find_map(|entry| match &entry.effect {
            super::effect::Effect::Own(Own::Name(name)) => Some(name.clone()),
            super::effect::Effect::Own(Own::Delimiter) => Some(MailboxName::new("")),
            _ => None,
        });
        if let Some(asked) = asked.filter(|asked| *asked != row.name && !asked.as_str().is_empty()) {
            self.names.asked.insert(asked, Some(row.name.clone()));
        }
        if row.name.as_str().is_empty() {
            return; // the root: only its delimiter is of interest
        }
        let subscriptions = keyword == Keyword::Lsub;
        if subscriptions {
            self.names.table.subscribe(row)
        } else {
            self.names.table.list(row)
        }
        if self.names.table.len() > 200_000 {
            self.end(CloseReason::UpstreamFault, Some(Bye::Unavailable), now);
        }
    }

    /// `* NAMESPACE (("INBOX." ".")) NIL NIL`
    pub(super) fn learn_namespace(&mut self, response: &[u8], rest: usize) {
        self.names.namespaces.extend(read_namespaces(response, rest));
        let first = self.names.namespaces.first().and_then(|namespace| namespace.delimiter);
        self.names.delimiter = self.names.delimiter.or(first);
        if let Some((namespace, prefix)) = personal_prefix(&self.names.namespaces, self.utf8_mode()) {
            self.names.delimiter = namespace.delimiter.or(self.names.delimiter);
            self.names.prefix = Some(prefix);
        }
    }

    /// Answers NAMESPACE with those in which this client can see something.
    pub(super) fn write_namespaces(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* NAMESPACE");
        for kind in 0..3 {
            let shown: Vec<&Namespace> = self
                .names
                .namespaces
                .iter()
                .filter(|namespace| namespace.kind == kind && (kind == 0 || self.shows_something_in(namespace)))
                .collect();
            if shown.is_empty() {
                out.extend_from_slice(if kind == 0 && self.names.namespaces.is_empty() {
                    b" ((\"\" \"/\"))"
                } else {
                    b" NIL"
                });
                continue;
            }
            out.extend_from_slice(b" (");
            for namespace in shown {
                out.push(b'(');
                crate::wire::encode::string(out, &namespace.prefix, self.utf8_mode(), false);
                out.push(b' ');
                crate::rewrite::mailbox_data::write_delimiter(out, namespace.delimiter);
                out.push(b')');
            }
            out.push(b')');
        }
        out.extend_from_slice(b"\r\n");
    }

    fn shows_something_in(&self, namespace: &Namespace) -> bool {
        let query = Query {
            patterns: &["*".to_owned()],
            subscribed: false,
            special_use: false,
            recursive: false,
            say_subscribed: false,
            extended: false,
            lsub: false,
        };
        let (lines, _) = self
            .names
            .table
            .answer(&query, |row| row.octets.starts_with(&namespace.prefix) && !self.row_is_hidden(row));
        !lines.is_empty()
    }

    /// What LIST, LSUB or XLIST says, from the table; and how many lines were withheld.
    pub(super) fn listed(&self, query: &Query<'_>) -> (Vec<Listed<'_>>, u64) {
        self.names.table.answer(query, |row| !self.row_is_hidden(row))
    }

    /// The mailbox of a row of the table.
    pub(super) fn resolved_row(&self, row: &Row) -> Resolved {
        Resolved { name: row.name.clone(), special: self.told_use(row), octets: Some(row.octets.clone()) }
    }

    /// The answer to `LIST "" ""`: the delimiter (RFC 9051 §6.3.9).
    pub(super) fn write_root(&self, word: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* ");
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b" (\\Noselect) ");
        crate::rewrite::mailbox_data::write_delimiter(out, self.names.delimiter);
        out.extend_from_slice(b" \"\"\r\n");
    }
}

fn special_use(row: &Row) -> SpecialUse {
    SpecialUse::of(row.attributes.iter().map(AsRef::as_ref))
}

/// Has it a level that means another place where mailboxes are files: `..`, `.`, a home, the root? Such a name is one only if
/// the upstream itself lists it.
fn reaches_elsewhere(name: &MailboxName) -> bool {
    let name = name.as_str();
    name.starts_with(['/', '~']) || name.split('/').any(|level| matches!(level, "." | ".."))
}
