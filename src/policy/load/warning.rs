//! What can be loaded, and is probably not what was meant.

use std::collections::HashMap;

use super::document::{Document, Span, Text};
use super::exception::{Written, users};
use super::mailboxes::Chosen;
use super::rule::Draft;
use crate::diagnostic::{Problem, suggest};
use crate::imap::glob::Glob;
use crate::imap::mailbox::{MailboxName, fold_text};
use crate::imap::rights::{Right, Rights};
use crate::policy::exception::Exception;
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
        if let Some(span) = draft.rights.as_ref().filter(|_| rule.may_move() != Moving::Never) {
            nowhere_to_move(draft, rule, span, taken_elsewhere(rule), problems);
        }
    }
}

fn close_expunges(draft: &Draft, rule: &Rule, span: &Span, elsewhere: Rights, problems: &mut Vec<Problem>) {
    if !(rule.taken() | elsewhere).contains(Right::Expunge) {
        let problem = Problem::warning(&draft.file, span.clone(), "EXPUNGE is denied while `e` stays");
        let help = "to protect mail take rights: without `e`, `t` and `x`, as in rights = \"lrswipka\"";
        problems.push(problem.label("CLOSE and MOVE still remove messages").help(help));
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
