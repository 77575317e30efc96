//! `rights`, `deny_commands`, `deny_login`, `aggregates`, `audit`.

use std::sync::Arc;

use super::document::{Document, Span, Text, Value};
use super::warning;
use crate::diagnostic::suggest;
use crate::imap::rights::{Right, Rights};
use crate::imap::verb::Verb;
use crate::policy::audit::AuditLevel;
use crate::policy::rule::{Keep, Moving, Verbs};

/// Presets of `rights`, the first of each as it is suggested.
const PRESETS: [&str; 4] = ["read-only", "organise", "organize", "tidy"];

/// Whoever wants these denied wants `deny_login`; and what ends a session, or tells who the client is, harms nobody.
const NEVER_DENIED: [Verb; 5] = [Verb::Login, Verb::Authenticate, Verb::StartTls, Verb::Logout, Verb::Id];

/// What the three keys say.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) keep: Option<Keep>,
    pub(super) rights_at: Option<Span>,
    pub(super) deny: Verbs,
    pub(super) expunge_at: Option<Span>,
    /// Where SELECT stands.
    select_at: Option<Span>,
    /// UID forms that are named.
    pub(super) uid_forms: Vec<(Verb, Span)>,
    pub(super) deny_login: Option<Arc<str>>,
    pub(super) deny_login_at: Option<Span>,
}

impl Effects {
    pub(super) fn taken(&self) -> Rights {
        self.keep.map_or(Rights::NONE, |keep| Rights::ALL - keep.rights)
    }
}

/// Says whether the key could be read.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    key: Span,
    value: &Value<'_>,
    effects: &mut Effects,
) -> bool {
    match name {
        "rights" => {
            effects.keep = document.string(name, value).and_then(|text| read_rights(document, &text));
            effects.rights_at = Some(key);
            effects.keep.is_some()
        }
        "deny_commands" => read_commands(document, name, value, effects),
        _ => {
            effects.deny_login = document.string(name, value).and_then(|text| read_login_text(document, &text));
            effects.deny_login_at = effects.deny_login.is_some().then_some(key);
            effects.deny_login.is_some()
        }
    }
}

pub(super) fn read_audit(document: &mut Document<'_>, text: &Text<'_>) -> Option<AuditLevel> {
    let level = AuditLevel::ALL.into_iter().find(|level| level.as_str() == text.text);
    if level.is_none() {
        let known = AuditLevel::ALL.map(AuditLevel::as_str);
        let help = suggest(text.text, known)
            .map_or_else(|| format!("the levels are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        document.push(document.error(text.span.clone(), format!("unknown level `{}`", text.text)).help(help));
    }
    level
}

fn read_rights(document: &mut Document<'_>, text: &Text<'_>) -> Option<Keep> {
    if let Some(rights) = Rights::preset(text.text) {
        let moving = match text.text {
            "organise" | "organize" => Moving::Organise,
            "tidy" => Moving::Tidy,
            _ => Moving::Never,
        };
        let preset = PRESETS.into_iter().find(|preset| *preset == text.text);
        return Some(Keep { rights, moving, preset });
    }
    let unknown: Vec<(usize, char)> =
        text.text.char_indices().filter(|(_, letter)| Right::from_letter(*letter).is_none()).collect();
    if unknown.is_empty() {
        let rights = text.text.chars().filter_map(Right::from_letter).collect();
        if rights == Rights::ALL {
            warning::keeps_all(document, text);
        }
        return Some(Keep { rights, moving: Moving::Never, preset: None });
    }
    if let Some(near) = suggest(text.text, PRESETS) {
        let problem = document.error(text.span.clone(), format!("unknown preset `{}`", text.text));
        document.push(problem.help(format!("did you mean `{near}`?")));
        return None;
    }
    for (at, letter) in unknown {
        let span = document.part(text, at..at.saturating_add(letter.len_utf8()));
        let problem = document.error(span, format!("unknown right `{letter}`")).label("not a right of RFC 4314");
        document.push(problem.help("the rights are l r s w i p k x t e a; `x` deletes mailboxes"));
    }
    None
}

fn read_commands(document: &mut Document<'_>, key: &str, value: &Value<'_>, effects: &mut Effects) -> bool {
    let Some(texts) = document.strings(key, value) else { return false };
    let mut fine = true;
    for text in texts {
        let Some(verb) = read_command(document, &text) else {
            fine = false;
            continue;
        };
        effects.deny.add(verb);
        if verb.is_uid_form() && verb != Verb::UidExpunge {
            effects.uid_forms.push((verb, text.span.clone()));
        }
        if verb == Verb::Select {
            effects.select_at = Some(text.span.clone());
        }
        if verb.base() == Verb::Expunge && effects.expunge_at.is_none() {
            effects.expunge_at = Some(text.span);
        }
    }
    let alone = effects.uid_forms.iter().filter(|(verb, _)| !effects.deny.has(verb.base()));
    alone.for_each(|(verb, span)| warning::uid_form_alone(document, *verb, span.clone()));
    if let Some(span) = effects.select_at.clone().filter(|_| !effects.deny.has(Verb::Examine)) {
        warning::examine_stays(document, span);
    }
    fine
}

fn read_command(document: &mut Document<'_>, text: &Text<'_>) -> Option<Verb> {
    let words = text.text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let Some(verb) = Verb::from_name(&words) else {
        let problem = document.error(text.span.clone(), format!("unknown command `{}`", text.text));
        let problem = problem.did_you_mean(&words, Verb::ALL.iter().map(|verb| verb.name()));
        document.push(problem.label("what is not known is never forwarded, whatever the rules"));
        return None;
    };
    if NEVER_DENIED.contains(&verb) {
        let problem = document.error(text.span.clone(), format!("`{verb}` cannot be denied"));
        document.push(problem.help("deny_login refuses logins; the other commands of a session's life stay"));
        return None;
    }
    Some(verb)
}

fn read_login_text(document: &mut Document<'_>, text: &Text<'_>) -> Option<Arc<str>> {
    // The text of a response, in one line (RFC 3501 §9, resp-text).
    let problem = if text.text.trim().is_empty() {
        document.error(text.span.clone(), "`deny_login` without a text").label("the client would be told nothing")
    } else if text.text.chars().any(char::is_control) {
        document
            .error(text.span.clone(), "a control character in the text of a response")
            .label("one line is all it has")
    } else {
        if !text.text.is_ascii() {
            warning::text_is_not_ascii(document, text);
        }
        return Some(text.text.into());
    };
    document.push(problem.help("deny_login = \"Not from this network\""));
    None
}

/// The only value there is.
pub(super) fn read_aggregates(document: &mut Document<'_>, text: &Text<'_>) -> bool {
    let known = text.text == "show";
    if !known {
        let problem = document.error(text.span.clone(), format!("unknown value `{}` of `aggregates`", text.text));
        document.push(problem.help("the only value is \"show\"; without the key they are hidden"));
    }
    known
}
