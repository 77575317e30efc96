//! A rule that takes nothing which another does not take already.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::document::Span;
use super::rule::Draft;
use crate::diagnostic::Problem;
use crate::policy::rule::{Moving, Rule};

/// Of rules that share a pattern so many are looked at: ten thousand alike are told of by the first few.
const MOST: usize = 32;

pub(super) fn about_all(drafts: &[Draft], problems: &mut Vec<Problem>) {
    let mut takers: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    let rules = || drafts.iter().enumerate().filter_map(|(at, draft)| Some((at, draft.rule.as_ref()?)));
    for (at, rule) in rules().filter(|(_, rule)| is_whole(rule)) {
        for pattern in patterns(rule) {
            takers.entry((rule.conditions, pattern)).or_default().push(at);
        }
    }
    for (at, rule) in rules().filter(|(_, rule)| is_compared(rule)) {
        let found = candidates(&takers, rule).filter(|other| *other != at).find_map(|other| {
            let draft = drafts.get(other)?;
            let taker = draft.rule.as_ref()?;
            // Of two that are the same the later one is told.
            let contained =
                taker.id != rule.id && takes_all_of(taker, rule) && (other < at || !takes_all_of(rule, taker));
            contained.then_some((draft, taker))
        });
        if let (Some((draft, taker)), Some((file, span))) = (found, drafts.get(at).and_then(place)) {
            let message = format!("the rule takes nothing that `{}` does not take", taker.id);
            let help = format!(
                "take it out, or change one of them: `{}` stands in {}:{}",
                taker.id,
                draft.file.display(),
                draft.line
            );
            problems.push(Problem::warning(file, span, message).label("without effect").help(help));
        }
    }
}

/// Is all that it does to take what others may take, too?
fn is_compared(rule: &Rule) -> bool {
    rule.is_enforced() && rule.limits.is_none() && rule.messages.is_none() && rule.audit.is_none()
}

fn place(draft: &Draft) -> Option<(&Arc<Path>, Span)> {
    draft.id.as_ref().map(|(_, span)| (&draft.file, span.clone()))
}

/// Rules with the same conditions, or none, that have one of its patterns, or are about everything.
fn candidates<'t>(takers: &'t HashMap<(usize, &str), Vec<usize>>, rule: &'t Rule) -> impl Iterator<Item = usize> + 't {
    let patterns = patterns(rule).chain([EVERYTHING]);
    let places = patterns.flat_map(move |pattern| [(rule.conditions, pattern), (0, pattern)]);
    let found = places.filter_map(|place| takers.get(&place));
    found.flat_map(|rules| rules.iter().copied().take(MOST))
}

/// Stands for a rule without `mailbox`.
const EVERYTHING: &str = "";

fn patterns(rule: &Rule) -> impl Iterator<Item = &str> {
    let takes = takes_of(rule);
    let everything = takes.is_none().then_some(EVERYTHING);
    takes.unwrap_or_default().iter().map(AsRef::as_ref).chain(everything)
}

/// Does it always take what it says?
fn is_whole(rule: &Rule) -> bool {
    rule.is_enforced() && rule.life.is_unbounded() && rule.exceptions.is_empty()
}

fn takes_all_of(taker: &Rule, rule: &Rule) -> bool {
    // "organise" leaves a MOVE that the same rights by their letters do not.
    let moves = |rule: &Rule| match rule.may_move() {
        Moving::Never => 0,
        Moving::Organise => 1,
        Moving::Tidy => 2,
    };
    let rights = rule.taken().is_empty() || moves(taker) <= moves(rule);
    let effects = (!rule.hide || taker.hide)
        && (!rule.hide || !taker.shows_aggregates || rule.shows_aggregates)
        && (rights && taker.taken().contains_all(rule.taken()))
        // Which of two programs hides more cannot be told here.
        && rule.messages.is_none()
        && taker.deny.has_all(rule.deny)
        && (rule.deny_login.is_none() || taker.deny_login.is_some());
    effects && covers(taker, rule)
}

/// Told by the patterns as they are written.
fn covers(taker: &Rule, rule: &Rule) -> bool {
    let within = |some: &[Box<str>], all: &[Box<str>]| some.iter().all(|pattern| all.contains(pattern));
    let takes = match (takes_of(taker), takes_of(rule)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(all), Some(some)) => within(some, all),
    };
    takes && within(spares_of(taker), spares_of(rule))
}

fn takes_of(rule: &Rule) -> Option<&[Box<str>]> {
    rule.mailboxes.as_ref()?.takes.as_ref().map(|takes| &*takes.written)
}

fn spares_of(rule: &Rule) -> &[Box<str>] {
    rule.mailboxes.as_ref().map_or(&[], |mailboxes| &mailboxes.spares.written)
}
