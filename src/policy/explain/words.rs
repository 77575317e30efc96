//! Rules and what they take, in the words of the rule file and of RFC 4314.

use crate::imap::rights::Rights;
use crate::imap::verb::Verb;
use crate::policy::request::Target;
use crate::policy::rule::Rule;
use crate::policy::verdict::{Effect, Narrowing};

/// Does the rule have that effect?
pub(super) fn has(rule: &Rule, effect: Effect) -> bool {
    match effect {
        Effect::Hide => rule.hide,
        Effect::HideMessages => rule.messages.is_some(),
        Effect::Rights => !rule.taken().is_empty(),
        Effect::DenyCommands => !rule.deny.is_empty(),
        Effect::DenyLogin => rule.deny_login.is_some(),
        Effect::Limit => rule.limits.is_some(),
    }
}

/// As it is written in the rule file.
pub(super) fn written(rule: &Rule, effect: Effect) -> String {
    match effect {
        Effect::Hide => "hide = true".to_owned(),
        Effect::HideMessages => {
            let programs = rule.messages.as_ref().map(|messages| &*messages.written.hide).unwrap_or_default();
            format!("hide_messages = {programs:?}")
        }
        Effect::Rights => {
            let kept = rule.keep.map(|keep| keep.preset.map_or_else(|| keep.rights.to_string(), str::to_owned));
            format!("rights = {:?}", kept.unwrap_or_default())
        }
        Effect::DenyCommands => format!("deny_commands = {:?}", denied(rule).collect::<Vec<_>>()),
        Effect::DenyLogin => format!("deny_login = {:?}", rule.deny_login.as_deref().unwrap_or_default()),
        Effect::Limit => format!("limit = {{ {} }}", rule.limits.map(|limits| limits.to_string()).unwrap_or_default()),
    }
}

/// Each without its UID form, which goes with it.
pub(super) fn denied(rule: &Rule) -> std::vec::IntoIter<String> {
    let goes_with = |verb: Verb| verb.is_uid_form() && rule.deny.has(verb.base());
    let verbs = Verb::ALL.iter().filter(|verb| rule.deny.has(**verb) && !goes_with(**verb));
    verbs.map(|verb| verb.name().to_owned()).collect::<Vec<_>>().into_iter()
}

/// `t e`
pub(super) fn spaced(rights: Rights) -> String {
    rights.iter().map(|right| right.letter().to_string()).collect::<Vec<_>>().join(" ")
}

/// Why the mailbox is neither deleted nor renamed, where it is by that effect.
pub(super) fn stays(effect: Effect, target: &Target<'_>) -> Option<String> {
    let name = target.name.as_str();
    match effect {
        Effect::Hide => Some(format!("names below {name} may be hidden, so it is neither deleted nor renamed")),
        Effect::HideMessages => {
            Some(format!("messages in {name}, or below it, may be hidden, so it is neither deleted nor renamed"))
        }
        Effect::Rights | Effect::DenyCommands | Effect::DenyLogin | Effect::Limit => None,
    }
}

pub(super) fn left_out(narrowing: Narrowing, verb: Verb) -> Vec<String> {
    let flags = [
        (narrowing.drop_seen, "\\Seen"),
        (narrowing.drop_deleted, "\\Deleted"),
        (narrowing.drop_other, "flags other than \\Seen and \\Deleted"),
    ];
    let stays = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| format!("{verb} leaves {flag} as they are"));
    let others = [
        (narrowing.examine, format!("{verb} goes up as EXAMINE and answers [READ-ONLY]")),
        (narrowing.peek, format!("{verb} goes up as PEEK: \\Seen stays as it is")),
        (narrowing.expunge_nothing, format!("{verb} answers OK and expunges nothing")),
    ];
    others.into_iter().filter(|(is, _)| *is).map(|(_, says)| says).chain(stays).collect()
}
