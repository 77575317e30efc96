//! `mailbox` and `except_mailbox`.

use toml::de::DeValue;

use super::document::{Document, Span, Text, Value};
use super::spelling;
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
    read(document, &texts, Glob::folded, false)
}

/// An empty list spares nothing, and may stand.
pub(super) fn read_spares(document: &mut Document<'_>, value: &Value<'_>) -> Option<Chosen> {
    let texts = match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => Vec::new(),
        _ => document.strings("except_mailbox", value)?,
    };
    read(document, &texts, Glob::exact, true)
}

/// `mailbox` of an exception.
pub(super) fn read_excepted(document: &mut Document<'_>, value: &Value<'_>) -> Option<Chosen> {
    let texts = document.strings("mailbox", value)?;
    read(document, &texts, Glob::exact, true)
}

fn read(
    document: &mut Document<'_>,
    texts: &[Text<'_>],
    compile: fn(&str) -> Result<Glob, GlobError>,
    spares: bool,
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
        match compile(text.text) {
            Ok(glob) => {
                spelling::mailbox(document, text, spares);
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

/// The mailboxes of a rule, if it is not about the whole session.
pub(super) fn both(takes: Option<Chosen>, spares: Option<Chosen>) -> Option<Mailboxes> {
    let spares = spares.map(|chosen| chosen.patterns).unwrap_or_default();
    let spares_none = spares.globs.is_empty() && spares.uses.is_empty();
    match takes {
        None if spares_none => None,
        takes => Some(Mailboxes { takes: takes.map(|chosen| chosen.patterns), spares }),
    }
}
