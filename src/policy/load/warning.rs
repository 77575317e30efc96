//! What can be loaded, and is probably not what was meant.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::{Document, Span, Text};
use super::exception::{Written, users};
use super::mailboxes::Chosen;
use super::rule::Draft;
use crate::diagnostic::{Problem, suggest};
use crate::imap::glob::Glob;
use crate::imap::mailbox::{MailboxName, fold_text};
use crate::imap::rights::{Right, Rights};
use crate::imap::verb::Verb;
use ipnet::IpNet;

use crate::policy::exception::Exception;
use crate::policy::hours::{Days, Hours};
use crate::policy::identity::Readings;
use crate::policy::mailboxes::Names;
use crate::policy::pattern::TextPattern;
use crate::policy::request::Target;
use crate::policy::rule::{Moving, Rule};

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    When,
    Unless,
    Exception,
}

impl Clause {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::When => "when",
            Self::Unless => "unless",
            Self::Exception => "exception",
        }
    }

    /// Whoever it is about is spared.
    pub(super) fn spares(self) -> bool {
        self != Self::When
    }
}

/// `what` is a rule or an exception, whose `until` stands at `until`.
pub(super) fn has_ended(document: &mut Document<'_>, what: &str, until: Span) {
    let problem = document.warning(until, format!("the {what} has ended"));
    document.push(problem.label("before now").help(format!("take the {what} out, or give it another `until`")));
}

pub(super) fn never_lives(document: &mut Document<'_>, what: &str, until: Span) {
    let problem = document.warning(until, format!("the {what} is never in force")).label("not later than `from`");
    document.push(problem.help("`until` must be later than `from`"));
}

pub(super) fn alerts_never(document: &mut Document<'_>, alert: Span, why: &str) {
    let problem = document.warning(alert, "`alert` never alerts").label(why);
    document.push(problem.help("it alerts where the rule takes something: give it an effect, in force"));
}

pub(super) fn spares_everybody(document: &mut Document<'_>, unless: Span) {
    let problem = document.warning(unless, "the rule spares everybody whom it is about").label("takes nothing");
    document.push(problem.help("`unless` says no more than `when`: name only those who are to be spared"));
}

pub(super) fn spares_every_mailbox(document: &mut Document<'_>, except_mailbox: Span) {
    let problem = document.warning(except_mailbox, "every mailbox of the rule is spared").label("takes nothing");
    document.push(problem.help("name in `except_mailbox` only what is to be spared of `mailbox`"));
}

pub(super) fn sessions_of_a_session(document: &mut Document<'_>, sessions: Span) {
    let problem = document.warning(sessions, "`sessions` is never reached").label("a session is one session");
    document.push(problem.help("count them per = \"user\" or per = \"client_ip\""));
}

pub(super) fn group_without_source(document: &mut Document<'_>, text: &Text<'_>) {
    let problem = document.warning(text.span.clone(), "there are no groups").label("never matches");
    document.push(problem.help("name a file that has them: groups = \"groups.toml\" in [policy]"));
}

pub(super) fn group_is_empty(document: &mut Document<'_>, name: &str, span: Span) {
    let problem = document.warning(span, format!("nobody is in the group `{name}`")).label("without members");
    document.push(problem.help("conditions on it never match"));
}

pub(super) fn member_twice(document: &mut Document<'_>, group: &str, member: &Text<'_>) {
    let problem = document.warning(member.span.clone(), format!("`{}` stands in `{group}` twice", member.text));
    document.push(problem.help("take one of them away"));
}

pub(super) fn client_id_spares(document: &mut Document<'_>, key: Span) {
    let problem = document.warning(key, "`client_id` spares from a rule").label("the client's own claim");
    document.push(problem.help("anybody can send the ID of another program; rely on client_ip or listener"));
}

pub(super) fn delegated_is_not_seen(document: &mut Document<'_>, key: Span) {
    let problem = document.warning(key, "`delegated` does not see logins with XOAUTH2 and OAUTHBEARER");
    document.push(problem.label("their tokens are not read").help("there `actor` is taken to be `user`"));
}

pub(super) fn user_without_domain(document: &mut Document<'_>, text: &Text<'_>, domain: &str) {
    if !text.text.contains('@') {
        let problem = document.warning(text.span.clone(), format!("no login is called `{}`", text.text));
        document.push(
            problem
                .label("names are completed by default_domain before rules see them")
                .help(format!("write `{}@{domain}`", text.text)),
        );
    }
}

/// A listener or upstream that is not there.
pub(super) fn names_nothing(
    document: &mut Document<'_>,
    key: &str,
    text: &Text<'_>,
    pattern: &TextPattern,
    known: &[Box<str>],
) {
    if known.iter().any(|name| pattern.matches(fold_text(name).trim())) {
        return;
    }
    let problem = document.warning(text.span.clone(), format!("no {key} is called `{}`", text.text));
    let help = match suggest(text.text, known.iter().map(AsRef::as_ref)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("there is no {key}"),
        None => format!("there is {}", known.join(", ")),
    };
    document.push(problem.label("never matches").help(help));
}

/// With its numbers in another form, the command does the same.
pub(super) fn uid_form_alone(document: &mut Document<'_>, verb: Verb, span: Span) {
    let problem = document.warning(span, format!("`{verb}` is denied, and {} is not", verb.base()));
    document.push(problem.label("the same can be done by number").help(format!("write \"{}\" for both", verb.base())));
}

pub(super) fn when_is_empty(document: &mut Document<'_>, when: Span) {
    let problem = document.warning(when, "`when` without a condition").label("is about everybody");
    document.push(problem.help("name a condition, or leave it out"));
}

fn instead_of_both(clause: Clause) -> &'static str {
    match clause {
        Clause::When => "for either write two rules, one for each",
        Clause::Unless => "for either write a list of tables: unless = [{ user = … }, { group = … }]",
        Clause::Exception => "for either write two exceptions",
    }
}

/// No member of the group is one of `user`.
pub(super) fn nobody_is_both(document: &mut Document<'_>, clause: Clause, group: Span) {
    let problem = document.warning(group, "nobody in the group is one of `user`").label("all keys must hold");
    document.push(problem.help(instead_of_both(clause)));
}

pub(super) fn both_must_hold(document: &mut Document<'_>, clause: Clause, group: Span) {
    let message = format!("`{}` spares only who is one of `user` and in the group", clause.key());
    let problem = document.warning(group, message).label("all keys must hold");
    document.push(problem.help(instead_of_both(clause)));
}

pub(super) fn user_is_a_group(document: &mut Document<'_>, text: &Text<'_>, group: &[Arc<str>]) {
    let group = group.first().map(AsRef::as_ref).unwrap_or_default();
    let problem = document.warning(text.span.clone(), format!("`{}` is a group", text.text)).label("not a login");
    document.push(problem.help(format!("write group = {group:?}")));
}

/// Every upstream says whom it serves, and none says them.
pub(super) fn served_by_none(
    document: &mut Document<'_>,
    text: &Text<'_>,
    pattern: &TextPattern,
    served: Option<&[Box<str>]>,
) {
    let Some(served) = served else { return };
    let serves =
        |name: &str| served.iter().any(|text| Glob::text(text).is_ok_and(|glob| glob.matches(fold_text(name).trim())));
    let is_served = match (pattern.as_literal(), pattern.as_domain()) {
        (Some(""), _) | (None, None) => true,
        (Some(name), _) => serves(name),
        (None, Some(domain)) => {
            let ends = |text: &str| fold_text(text).trim().ends_with(&format!("@{domain}"));
            serves(&format!("anybody@{domain}")) || served.iter().any(|text| ends(text))
        }
    };
    if !is_served {
        let problem = document.warning(text.span.clone(), format!("no upstream serves `{}`", text.text));
        let help = format!("`match_user` of the upstreams names {}", served.join(", "));
        document.push(problem.label("cannot log in here").help(help));
    }
}

pub(super) fn network(document: &mut Document<'_>, clause: Clause, span: Span, net: &IpNet) {
    if net.prefix_len() == 0 {
        let problem = match clause.spares() {
            true => document.warning(span, "every address is spared").label("all there are"),
            false => document.warning(span, "every address of one family").label("all there are"),
        };
        return document
            .push(problem.help(
                "leave `client_ip` out where addresses do not matter; 0.0.0.0/0 is about IPv4, ::/0 about IPv6",
            ));
    }
    if clause.spares() && super::spelling::is_private(net) {
        let message =
            format!("a private network spares from {}", if clause == Clause::Unless { "the rule" } else { "it" });
        let problem = document.warning(span, message).label("behind a balancer or NAT everybody may come from it");
        document.push(problem.help("name the single hosts that are meant, or a listener of their own"));
    }
}

/// From eight to six, with the hours the other way round?
pub(super) fn hours(document: &mut Document<'_>, clause: Clause, span: Span, hours: &Hours) {
    let (morning, evening) = (5 * 60..=12 * 60, 14 * 60..=22 * 60);
    let reversed = evening.contains(&hours.from) && morning.contains(&hours.until);
    let mut week = Days::NONE;
    week.add(0, 4);
    if clause == Clause::Unless && reversed && hours.days == week {
        let problem = document.warning(span.clone(), "the rule is spared at night, and holds in office hours");
        let [from, until] = [hours.until, hours.from].map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60));
        document.push(problem.label("these hours pass midnight").help(format!("by day it is \"{from}-{until}\"")));
    }
    let zone = hours.zone.iana_name().unwrap_or_default();
    if ["EST", "MST", "HST"].contains(&zone) {
        let problem = document.warning(span, format!("`{zone}` knows no summer time")).label("the same all year");
        return document.push(problem.help("name a place, such as \"America/New_York\""));
    }
    if let Some(offset) = zone
        .strip_prefix("Etc/GMT")
        .filter(|offset| offset.starts_with(['+', '-']) && *offset != "+0" && *offset != "-0")
    {
        let (behind, hours) = offset.split_at(1);
        let way = if behind == "+" { "behind" } else { "ahead of" };
        let problem = document.warning(span, format!("`{zone}` is {hours} h {way} UTC")).label("the sign is reversed");
        document.push(problem.help("name a place, such as \"Europe/Berlin\""));
    }
}

/// An error: what it asks for stands in the rule itself.
pub(super) fn beside_when(document: &mut Document<'_>, clause: Clause, key: &str, span: Span) {
    let problem = document.error(span, format!("`{key}` in `{}`", clause.key())).label("no condition");
    document.push(problem.help(format!("it stands beside it: {key} = …, on a line of its own")));
}

/// A list has one of its texts twice.
pub(super) fn stands_twice(document: &mut Document<'_>, text: &Text<'_>) {
    let problem = document.warning(text.span.clone(), format!("`{}` stands in the list twice", text.text));
    document.push(problem.label("the second").help("take it away, or write what was to stand there"));
}

pub(super) fn smaller_than_messages(document: &mut Document<'_>, span: Span) {
    let problem = document.warning(span, "no message is that small").label("octets, not more");
    document.push(problem.help("write such as \"25 MiB\""));
}

/// Reading is still possible.
pub(super) fn examine_stays(document: &mut Document<'_>, span: Span) {
    let problem = document.warning(span, "SELECT is denied, and EXAMINE is not").label("mailboxes can still be read");
    document.push(problem.help("to keep mail from being read take rights: without `r`, or hide = true"));
}

pub(super) fn hidden_without_lookup(document: &mut Document<'_>, rights: Span) {
    let problem = document.warning(rights, "without `l` the mailboxes are hidden").label("`l` is missing");
    document.push(problem.help("add `l` if they are to be seen, or say hide = true"));
}

/// Of what the rule does not take nothing can be spared.
pub(super) fn spares_elsewhere(document: &mut Document<'_>, span: Span, text: &str, another_case: bool) {
    let problem = match another_case {
        false => document.warning(span, format!("`mailbox` does not take `{text}`")).label("spares nothing"),
        true => document
            .warning(span, format!("`{text}` is written in another case than in `mailbox`"))
            .label("what spares is compared letter by letter"),
    };
    document.push(problem.help(match another_case {
        false => "name in `except_mailbox` only what is to be spared of `mailbox`",
        true => "write both as the server does: `imapwarden preview` shows its names",
    }));
}

pub(super) fn text_is_not_ascii(document: &mut Document<'_>, text: &Text<'_>) {
    let problem = document.warning(text.span.clone(), "the text of a response is not ASCII");
    document.push(problem.label("clients of IMAP4rev1 may not show it"));
}

pub(super) fn keeps_all(document: &mut Document<'_>, text: &Text<'_>) {
    let problem = document.warning(text.span.clone(), "all rights are kept").label("takes nothing");
    document.push(problem.help("name the rights that may stay, for example \"lrs\""));
}

pub(super) fn aggregates_shown(document: &mut Document<'_>, key: Span) {
    let problem = document.warning(key, "what is hidden may be seen in mailboxes that show all mail");
    document
        .push(problem.label("\\All, \\Flagged and \\Important stay visible").help("leave it out to hide those, too"));
}

pub(super) fn hides_every_message(document: &mut Document<'_>, span: Span) {
    let problem = document.warning(span, "every message is hidden").label("leaves empty mailboxes");
    document.push(problem.help("except_messages says which stay; hide = true hides the mailboxes themselves"));
}

/// By one of the patterns of `mailbox`.
pub(super) fn inbox_covered(document: &mut Document<'_>, takes: Option<&Chosen>, spares: Option<&Chosen>) {
    let mut takes = takes.into_iter().flat_map(|takes| takes.patterns.globs.iter().zip(&takes.places));
    if let Some((_, span)) = takes.find(|(glob, _)| glob.matches("inbox")) {
        inbox_hidden(document, span.clone(), spares);
    }
}

pub(super) fn inbox_hidden(document: &mut Document<'_>, span: Span, spares: Option<&Chosen>) {
    if !spares.is_some_and(|spares| spares.patterns.globs.iter().any(|glob| glob.matches("INBOX"))) {
        let problem = document.warning(span, "INBOX is hidden").label("covers INBOX");
        document.push(problem.help("mail programs rely on it; except_mailbox = [\"INBOX\"] keeps it"));
    }
}

/// An exception from what the rule does not take.
pub(super) fn never_matches(written: &Written, exception: &Exception, rule: &Rule, problems: &mut Vec<Problem>) {
    let mut warn = |span: &Span, message: String, help: String| {
        let problem = Problem::warning(&written.file, span.clone(), message);
        problems.push(problem.label("the exception never matches").help(help));
    };
    if let (Some(at), true) = (&written.mailbox_at, takes_only_logins(rule)) {
        let message = format!("`{}` is about no mailbox", rule.id);
        return warn(at, message, "leave `mailbox` out: the other keys say who may log in".to_owned());
    }
    let globs = exception.mailboxes.iter().flat_map(|mailboxes| &mailboxes.globs);
    for (_, span) in globs.zip(&written.places).filter(|(glob, _)| takes_nothing_from(rule, glob)) {
        let message = format!("`{}` takes nothing there", rule.id);
        warn(span, message, format!("name what the rule covers: it stands in {}:{}", rule.file.display(), rule.line));
    }
    let meets = |net: &IpNet| {
        let mut about = rule.when.client_ip.iter().flatten();
        about.any(|about| about.contains(net) || net.contains(about))
    };
    if let (Some(at), Some(nets), Some(_)) = (&written.addresses, &exception.condition.client_ip, &rule.when.client_ip)
        && !nets.iter().any(meets)
    {
        let message = format!("`{}` is not about these addresses", rule.id);
        warn(at, message, "name addresses that the rule is about".to_owned());
    }
    let about = rule.when.user.as_deref().unwrap_or_default();
    for (pattern, span) in users(written, exception).filter(|_| !about.is_empty()) {
        let Some(user) = pattern.as_literal() else { continue };
        if !Readings::of(user).any(|name| about.iter().any(|pattern| pattern.matches(name))) {
            let message = format!("`{}` is not about `{user}`", rule.id);
            warn(span, message, "name somebody whom the rule is about".to_owned());
        }
    }
}

fn takes_only_logins(rule: &Rule) -> bool {
    rule.deny_login.is_some()
        && rule.hiding().is_none()
        && rule.taken().is_empty()
        && rule.deny.is_empty()
        && rule.limits.is_none()
        && rule.audit.is_none()
}

/// Can it be told from the pattern that the rule covers nothing of it?
fn takes_nothing_from(rule: &Rule, glob: &Glob) -> bool {
    let Some(name) = glob.as_literal().or_else(|| glob.as_subtree()) else { return false };
    let by_use = rule.mailboxes.as_ref().and_then(|mailboxes| mailboxes.takes.as_ref());
    if by_use.is_some_and(|takes| !takes.uses.is_empty()) {
        return false; // the server says which mailbox that is
    }
    let mailbox = MailboxName::new(name);
    let prefix = name.starts_with("INBOX/").then_some("INBOX/");
    let names = Names::new(&Target { prefix, ..Target::new(&mailbox) });
    let below = glob.as_literal().is_none() && (rule.may_cover_below(&names) || rule.may_hide_below(&names));
    !(rule.covers(&names) || rule.hides(&names) || below)
}

/// What can be seen only with all rules at hand.
pub(super) fn about_all(drafts: &[Draft], problems: &mut Vec<Problem>) {
    // What is taken everywhere, by conditions.
    let mut everywhere: HashMap<usize, Rights> = HashMap::new();
    for rule in drafts.iter().filter_map(|draft| draft.rule.as_ref()) {
        if rule.is_enforced() && rule.mailboxes.is_none() {
            let taken = everywhere.entry(rule.conditions).or_default();
            *taken = *taken | rule.taken();
        }
    }
    let taken_elsewhere = |rule: &Rule| {
        let taken = |conditions| everywhere.get(&conditions).copied().unwrap_or_default();
        taken(0) | taken(rule.conditions)
    };
    for draft in drafts {
        let Some(rule) = &draft.rule else { continue };
        if let Some(span) = &draft.denies_expunge {
            close_expunges(draft, rule, span, taken_elsewhere(rule), problems);
        }
        if let Some(span) = &draft.denies_login {
            nobody_logs_in(draft, rule, span, problems);
        }
        if let Some(span) = draft.rights.as_ref().filter(|_| rule.may_move() != Moving::Never) {
            nowhere_to_move(draft, rule, span, taken_elsewhere(rule), problems);
        }
    }
}

fn nobody_logs_in(draft: &Draft, rule: &Rule, span: &Span, problems: &mut Vec<Problem>) {
    if rule.conditions == 0 && rule.is_enforced() && rule.life.is_unbounded() && rule.exceptions.is_empty() {
        let problem = Problem::warning(&draft.file, span.clone(), "nobody can log in");
        let help = "say whom it is about: when = { … }, or who is spared: unless = { … }";
        problems.push(problem.label("is about everybody, at all times").help(help));
    }
}

fn close_expunges(draft: &Draft, rule: &Rule, span: &Span, elsewhere: Rights, problems: &mut Vec<Problem>) {
    if !(rule.taken() | elsewhere).contains(Right::Expunge) {
        let denied = if rule.deny.has(Verb::Expunge) { "EXPUNGE" } else { "UID EXPUNGE" };
        let problem = Problem::warning(&draft.file, span.clone(), format!("{denied} is denied while `e` stays"));
        let help = "to protect mail take rights: without `e`, `t` and `x`, as in rights = \"lrswipka\"";
        let label = match rule.deny.has(Verb::Expunge) {
            true => "CLOSE and MOVE still remove messages",
            false => "EXPUNGE, CLOSE and MOVE still remove messages",
        };
        problems.push(problem.label(label).help(help));
    }
}

fn nowhere_to_move(draft: &Draft, rule: &Rule, span: &Span, elsewhere: Rights, problems: &mut Vec<Problem>) {
    let destroying = Rights::of(&[Right::DeleteMessages, Right::Expunge, Right::DeleteMailbox]);
    if rule.mailboxes.is_some() && !elsewhere.contains_all(destroying) {
        let problem = Problem::warning(&draft.file, span.clone(), "other mailboxes keep `t`, `e` or `x`");
        let help = "give them a rule with the same conditions that keeps `i` and none of these";
        problems.push(problem.label("messages cannot be moved from here to those").help(help));
    }
}
