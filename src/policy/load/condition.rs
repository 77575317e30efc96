//! `when` and `unless`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use toml::de::DeTable;

use super::document::{Document, Key, Span, Text, Value, by_place};
use super::groups::{Known, Source};
use super::nearly::Login;
use super::warning::{self, Clause};
use super::{hours, sparing, spelling};
use crate::policy::condition::Condition;
use crate::policy::groups::GroupId;
use crate::policy::hours::Hours;
use crate::policy::pattern::TextPattern;
use crate::policy::request::TlsLevel;

pub(super) const KEYS: [&str; 10] =
    ["user", "actor", "delegated", "group", "listener", "upstream", "client_ip", "client_id", "tls", "time"];

pub(super) const LATER: [&str; 1] = ["credential"];

/// Both keys, and one spelling of them to compare them by.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) when: Condition,
    pub(super) unless: Vec<Condition>,
    when_spelled: Vec<String>,
    unless_spelled: Vec<(Vec<String>, Span)>,
}

impl Conditions {
    /// Empty where there are none.
    pub(super) fn spelled(&self) -> String {
        let mut unless: Vec<String> = self.unless_spelled.iter().map(|(table, _)| table.join("; ")).collect();
        unless.sort();
        let when = (!self.when_spelled.is_empty()).then(|| format!("when {}\n", self.when_spelled.join("; ")));
        when.into_iter().chain(unless.iter().map(|table| format!("unless {table}\n"))).collect()
    }

    /// A table of `unless` that spares everybody whom `when` is about.
    pub(super) fn sparing_all(&self) -> Option<&Span> {
        let tables = self.unless.iter().zip(&self.unless_spelled);
        let mut spares = tables.filter(|(unless, (spelled, _))| {
            let same = |key: &str| {
                let of_key = |spelled: &&String| spelled.split_once(" = ").is_some_and(|(name, _)| name == key);
                let spelled = spelled.iter().find(of_key);
                spelled.is_some_and(|spelled| self.when_spelled.contains(spelled))
            };
            sparing::covers(unless, &self.when, same)
        });
        spares.next().map(|(_, (_, span))| span)
    }
}

pub(super) fn read_when(
    document: &mut Document<'_>,
    value: &Value<'_>,
    known: &mut Known<'_>,
    conditions: &mut Conditions,
) -> bool {
    let Some(table) = document.table("when", value) else { return false };
    if table.is_empty() {
        warning::when_is_empty(document, value.span());
    }
    let (condition, spelled) = read_table(document, table, known, Clause::When);
    conditions.when_spelled = spelled;
    let fine = condition.is_some();
    conditions.when = condition.unwrap_or_default();
    fine
}

/// A table, or several of which any spares.
pub(super) fn read_unless(
    document: &mut Document<'_>,
    value: &Value<'_>,
    known: &mut Known<'_>,
    conditions: &mut Conditions,
) -> bool {
    let Some(tables) = document.tables("unless", value) else { return false };
    let mut fine = true;
    for value in tables {
        let Some(table) = document.table("unless", value) else { return false };
        if table.is_empty() {
            let problem = document.error(value.span(), "`unless` without a condition").label("spares everybody");
            document.push(problem.help("name a condition, or leave the rule out"));
            fine = false;
            continue;
        }
        let (condition, spelled) = read_table(document, table, known, Clause::Unless);
        fine &= condition.is_some();
        conditions.unless.extend(condition);
        conditions.unless_spelled.push((spelled, value.span()));
    }
    fine
}

/// One table; `None` where a part of it cannot be read.
fn read_table(
    document: &mut Document<'_>,
    table: &DeTable<'_>,
    known: &mut Known<'_>,
    clause: Clause,
) -> (Option<Condition>, Vec<String>) {
    read_keys(document, &by_place(table), known, clause)
}

/// Some keys of one table, likewise.
pub(super) fn read_keys(
    document: &mut Document<'_>,
    keys: &[(&Key<'_>, &Value<'_>)],
    known: &mut Known<'_>,
    clause: Clause,
) -> (Option<Condition>, Vec<String>) {
    let mut reader = Reader { document, known, clause, condition: Condition::default(), spelled: Vec::new() };
    let mut fine = true;
    for (key, value) in keys {
        fine &= reader.key(key, value).is_some();
    }
    reader.check_together(keys);
    reader.spelled.sort();
    (fine.then_some(reader.condition), reader.spelled)
}

struct Reader<'r, 'd, 'c> {
    document: &'r mut Document<'d>,
    known: &'r mut Known<'c>,
    clause: Clause,
    condition: Condition,
    /// Each key with its values in order.
    spelled: Vec<String>,
}

impl Reader<'_, '_, '_> {
    /// Keys that are probably meant as alternatives, and hold only together.
    fn check_together(&mut self, keys: &[(&Key<'_>, &Value<'_>)]) {
        let (Some(users), Some(groups)) = (&self.condition.user, &self.condition.group) else { return };
        let at = keys.iter().find(|(key, _)| &**key.get_ref() == "group").map(|(key, _)| key.span());
        let (Some(at), Source::File(_)) = (at, self.known.source()) else { return };
        if !self.known.groups.could_hold(groups, users) {
            warning::nobody_is_both(self.document, self.clause, at);
        } else if self.clause.spares() {
            warning::both_must_hold(self.document, self.clause, at);
        }
    }

    fn key(&mut self, key: &Key<'_>, value: &Value<'_>) -> Option<()> {
        let name = &**key.get_ref();
        match name {
            "user" => self.condition.user = Some(self.users(name, value)?),
            "actor" => self.condition.actor = Some(self.users(name, value)?),
            "delegated" => {
                let delegated = self.document.boolean(name, value)?;
                warning::delegated_is_not_seen(self.document, key.span());
                self.spell(name, [delegated.to_string()]);
                self.condition.delegated = Some(delegated);
            }
            "group" => self.condition.group = Some(self.groups(name, value)?),
            "listener" => self.condition.listener = Some(self.names(name, value, &self.known.context.listeners)?),
            "upstream" => self.condition.upstream = Some(self.names(name, value, &self.known.context.upstreams)?),
            "client_ip" => self.condition.client_ip = Some(self.networks(name, value)?),
            "client_id" => {
                if self.clause.spares() {
                    warning::client_id_spares(self.document, key.span());
                }
                let (texts, patterns) = self.patterns(name, value)?;
                let both = texts.iter().zip(&patterns);
                both.for_each(|(text, pattern)| spelling::client_id(self.document, text, pattern));
                self.condition.client_id = Some(patterns);
            }
            "tls" => self.condition.tls = Some(self.levels(name, value)?),
            "time" => self.condition.time = Some(self.time(name, value)?),
            _ => {
                match super::rule::KEYS.contains(&name) {
                    true => warning::beside_when(self.document, self.clause, name, key.span()),
                    false => self.document.unknown_key(key, &format!("`{}`", self.clause.key()), &KEYS, &LATER),
                }
                return None;
            }
        }
        Some(())
    }

    fn spell(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let mut values: Vec<String> = values.into_iter().collect();
        values.sort();
        self.spelled.push(format!("{key} = {values:?}"));
    }

    fn patterns<'t>(&mut self, key: &str, value: &'t Value<'_>) -> Option<(Vec<Text<'t>>, Box<[TextPattern]>)> {
        let texts = self.document.strings(key, value)?;
        let patterns: Vec<_> = texts.iter().map(|text| self.pattern(text)).collect();
        self.spell(key, texts.iter().map(|text| text.text.to_owned()));
        Some((texts, patterns.into_iter().collect::<Option<_>>()?))
    }

    fn pattern(&mut self, text: &Text<'_>) -> Option<TextPattern> {
        let pattern = TextPattern::new(text.text);
        pattern
            .map_err(|why| self.document.push(self.document.error(text.span.clone(), "not a pattern").label(why)))
            .ok()
    }

    fn users(&mut self, key: &str, value: &Value<'_>) -> Option<Box<[TextPattern]>> {
        let (texts, patterns) = self.patterns(key, value)?;
        for (text, pattern) in texts.iter().zip(&patterns) {
            spelling::login(self.document, key, text, pattern);
            self.login(key, text, pattern);
            let file = Arc::clone(self.document.path);
            self.known.logins.push(Login { pattern: pattern.clone(), file, span: text.span.clone() });
        }
        Some(patterns)
    }

    /// Can somebody of that name log in here?
    fn login(&mut self, key: &str, text: &Text<'_>, pattern: &TextPattern) {
        let literal = pattern.as_literal().filter(|literal| !literal.is_empty());
        if let Some(group) = literal.filter(|name| !name.contains('@')).and_then(|name| self.known.groups.find(name)) {
            return warning::user_is_a_group(self.document, text, &self.known.groups.written(&[group]));
        }
        match &self.known.context.default_domain {
            Some(domain) if literal.is_some_and(|name| !name.contains('@')) => {
                warning::user_without_domain(self.document, text, domain);
            }
            // Who proves an identity need not be somebody whose mail is there.
            _ if key == "actor" => {}
            _ => warning::served_by_none(self.document, text, pattern, self.known.context.served.as_deref()),
        }
    }

    fn groups(&mut self, key: &str, value: &Value<'_>) -> Option<Box<[GroupId]>> {
        let (texts, patterns) = self.patterns(key, value)?;
        let groups: Vec<_> = texts.iter().zip(&patterns).map(|(text, pattern)| self.group(text, pattern)).collect();
        let mut groups: Vec<GroupId> = groups.into_iter().collect::<Option<Vec<_>>>()?.concat();
        groups.sort_unstable();
        groups.dedup();
        Some(groups.into())
    }

    fn group(&mut self, text: &Text<'_>, pattern: &TextPattern) -> Option<Box<[GroupId]>> {
        let found = self.known.groups.matching(pattern);
        if !found.is_empty() {
            return Some(found);
        }
        match self.known.source() {
            Source::Unreadable => return None, // which has been said
            Source::None => warning::group_without_source(self.document, text),
            Source::File(file) => {
                let problem = self.document.error(text.span.clone(), format!("unknown group `{}`", text.text));
                let problem = problem.label(format!("{file} does not name it"));
                self.document.push(match text.text.contains('@') {
                    true => problem.help(format!("is it a login? user = {:?}", text.text)),
                    false => problem.did_you_mean(text.text, self.known.groups.names()),
                });
                return None;
            }
        }
        // Whoever tells of groups, as `explain` does, may still name it.
        Some(pattern.as_literal().map(|_| self.known.groups.named(text.text)).into_iter().collect())
    }

    fn names(&mut self, key: &str, value: &Value<'_>, known: &[Box<str>]) -> Option<Box<[TextPattern]>> {
        let (texts, patterns) = self.patterns(key, value)?;
        for (text, pattern) in texts.iter().zip(&patterns) {
            warning::names_nothing(self.document, key, text, pattern, known);
        }
        Some(patterns)
    }

    fn networks(&mut self, key: &str, value: &Value<'_>) -> Option<Box<[IpNet]>> {
        let texts = self.document.strings(key, value)?;
        let nets: Vec<_> = texts.iter().map(|text| self.network(text)).collect();
        let nets: Box<[IpNet]> = nets.into_iter().collect::<Option<_>>()?;
        self.spell(key, nets.iter().map(ToString::to_string));
        Some(nets)
    }

    fn network(&mut self, text: &Text<'_>) -> Option<IpNet> {
        let net = text.text.parse::<IpNet>().ok().or_else(|| text.text.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(net) = net else {
            let problem = self.document.error(text.span.clone(), format!("`{}` is no network", text.text));
            let help = "an address, or a network such as 203.0.113.0/24 or 2001:db8::/32";
            self.document.push(problem.label("cannot be read").help(help));
            return None;
        };
        warning::network(self.document, self.clause, text.span.clone(), &net.trunc());
        if net.addr() != net.network() {
            let problem = self.document.warning(text.span.clone(), "the address is none of a whole network");
            self.document.push(problem.label(format!("taken for {}", net.trunc())));
        }
        Some(canonical(net.trunc()))
    }

    fn levels(&mut self, key: &str, value: &Value<'_>) -> Option<Box<[TlsLevel]>> {
        let texts = self.document.strings(key, value)?;
        let levels: Vec<_> = texts.iter().map(|text| self.level(text)).collect();
        self.spell(key, texts.iter().map(|text| text.text.to_owned()));
        levels.into_iter().collect()
    }

    fn level(&mut self, text: &Text<'_>) -> Option<TlsLevel> {
        let level = TlsLevel::NAMES.iter().find(|(name, _)| *name == text.text).map(|(_, level)| *level);
        let problem = match level {
            Some(TlsLevel::None | TlsLevel::Server) => return level,
            Some(TlsLevel::Mutual) => self
                .document
                .error(text.span.clone(), "tls = \"mutual\" is not supported yet")
                .label("can never match")
                .help("client certificates are not asked for; use \"server\" for any TLS"),
            None => self
                .document
                .error(text.span.clone(), format!("unknown TLS level `{}`", text.text))
                .help("the levels are \"none\" and \"server\""),
        };
        self.document.push(problem);
        None
    }

    fn time(&mut self, key: &str, value: &Value<'_>) -> Option<Box<[Hours]>> {
        let tables = self.document.tables(key, value)?;
        if tables.is_empty() {
            return self.document.empty_list(value.span(), key);
        }
        let windows: Vec<_> = tables.iter().map(|table| hours::read(self.document, table)).collect();
        let windows: Box<[_]> = windows.into_iter().collect::<Option<_>>()?;
        for (window, table) in windows.iter().zip(&tables) {
            warning::hours(self.document, self.clause, table.span(), window);
        }
        self.spell(key, windows.iter().map(hours::spell));
        Some(windows)
    }
}

/// On a socket of both families clients of IPv4 have addresses in `::ffff:0:0/96`, which are compared as IPv4.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    four.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(net, IpNet::V4)
}
