//! `mailbox` and `except_mailbox`.

use toml::de::DeValue;

use super::document::{Document, Span, Text, Value};
use crate::diagnostic::suggest;
use crate::imap::glob::{Glob, GlobError};
use crate::policy::mailboxes::{Mailboxes, Patterns};
use crate::policy::request::SpecialUse;

/// One of the two keys.
pub(super) struct Chosen {
    pub(super) patterns: Patterns,
    /// Where special uses are named.
    pub(super) selectors: Vec<Span>,
    /// Where each of the globs stands.
    pub(super) places: Vec<Span>,
}

pub(super) fn read_takes(document: &mut Document<'_>, value: &Value<'_>) -> Option<Chosen> {
    let texts = document.strings("mailbox", value)?;
    read(document, &texts, Glob::folded)
}

/// An empty list spares nothing, and may stand.
pub(super) fn read_spares(document: &mut Document<'_>, value: &Value<'_>) -> Option<Chosen> {
    let texts = match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => Vec::new(),
        _ => document.strings("except_mailbox", value)?,
    };
    read(document, &texts, Glob::exact)
}

/// `mailbox` of an exception.
pub(super) fn read_excepted(document: &mut Document<'_>, value: &Value<'_>) -> Option<Chosen> {
    let texts = document.strings("mailbox", value)?;
    read(document, &texts, Glob::exact)
}

fn read(
    document: &mut Document<'_>,
    texts: &[Text<'_>],
    compile: fn(&str) -> Result<Glob, GlobError>,
) -> Option<Chosen> {
    let (mut globs, mut places, mut selectors, mut uses) = (Vec::new(), Vec::new(), Vec::new(), SpecialUse::NONE);
    let mut fine = true;
    for text in texts {
        if text.text.starts_with('\\') {
            match read_selector(document, text) {
                Some(selected) => uses = uses | selected,
                None => fine = false,
            }
            selectors.push(text.span.clone());
            continue;
        }
        warn_of_spelling(document, text);
        match compile(text.text) {
            Ok(glob) => {
                globs.push(glob);
                places.push(text.span.clone());
            }
            Err(error) => {
                fine = false;
                document.push(document.error(text.span.clone(), "not a mailbox pattern").label(error.to_string()));
            }
        }
    }
    let (written, all) = texts.iter().map(|text| (text.text.into(), text.span.clone())).collect::<(Vec<_>, Vec<_>)>();
    let patterns = Patterns { globs: globs.into(), uses, written: written.into(), places: all.into() };
    fine.then_some(Chosen { patterns, selectors, places })
}

/// `\Trash`
fn read_selector(document: &mut Document<'_>, text: &Text<'_>) -> Option<SpecialUse> {
    let uses = SpecialUse::from_attribute(text.text);
    if !uses.is_empty() {
        return Some(uses);
    }
    let names: Vec<String> = SpecialUse::NAMES.iter().map(|(name, _)| format!("\\{name}")).collect();
    let problem = document.error(text.span.clone(), format!("unknown special use `{}`", text.text));
    let help = suggest(text.text, names.iter().map(String::as_str))
        .map_or_else(|| format!("the special uses are {}", names.join(" ")), |near| format!("did you mean `{near}`?"));
    document.push(problem.help(help));
    None
}

/// What looks like a name of somewhere else.
fn warn_of_spelling(document: &mut Document<'_>, text: &Text<'_>) {
    if let Some(at) = text.text.find('\\') {
        let span = document.part(text, at..at.saturating_add(1));
        let problem = document.warning(span, "a backslash in a mailbox name").label("stands for itself");
        document.push(problem.help("levels are parted by \"/\" here, whatever the server uses"));
    }
    if text.text.len() > 1 && text.text.ends_with('/') {
        let end = text.text.len();
        let span = document.part(text, end.saturating_sub(1)..end);
        let problem = document.warning(span, "a mailbox pattern ends in \"/\"").label("does not count");
        document.push(
            problem.help(format!("to cover what is below, too, write \"{}/**\"", text.text.trim_end_matches('/'))),
        );
    }
    if let Some(part) = modified_utf7(text.text) {
        let span = document.part(text, part);
        let problem = document.warning(span, "a mailbox pattern in modified UTF-7").label("stands for itself");
        document.push(problem.help("names are UTF-8 here: write the letters themselves"));
    }
}

/// The first `&…-` that could stand for other characters (RFC 3501 §5.1.3).
fn modified_utf7(text: &str) -> Option<Span> {
    text.match_indices('&').find_map(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..)?;
        let (coded, _) = rest.split_once('-')?;
        let base64 = coded.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b','));
        // Of four base64 characters no fewer than three come from one character of two octets.
        (base64 && coded.len() >= 3).then(|| at..at.saturating_add(coded.len()).saturating_add(2))
    })
}

/// The mailboxes of a rule, if it is not about the whole session.
pub(super) fn both(takes: Option<Chosen>, spares: Option<Chosen>) -> Option<Mailboxes> {
    let spares = spares.map(|chosen| chosen.patterns).unwrap_or_default();
    let spares_none = spares.globs.is_empty() && spares.uses.is_empty();
    match takes {
        None if spares_none => None,
        takes => Some(Mailboxes { takes: takes.map(|chosen| chosen.patterns), spares }),
    }
}
