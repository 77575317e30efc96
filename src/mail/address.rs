//! Addresses (RFC 5322 §3.4): who a field names, whatever the names beside the addresses say.

use smallvec::SmallVec;

use super::fold::{Needle, fold};
use super::punycode;
use super::word::Text;

/// What stands in a field of addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    /// All of it in further readings: without comments, quotes, blanks in addresses; with the letters of `xn--` labels.
    readings: SmallVec<[String; 2]>,
    /// The addresses, folded and spelled out; `None` where readers may find others.
    list: Option<Vec<String>>,
}

impl Addresses {
    pub(super) fn read(value: &[u8], text: &Text) -> Self {
        let mut readings: SmallVec<[String; 2]> = SmallVec::new();
        for whole in text.readings() {
            let bare = without_marks(whole);
            let further = [punycode::spelled_out(whole), punycode::spelled_out(&bare), Some(bare)];
            for text in further.into_iter().flatten().filter(|text| text != whole) {
                if !readings.contains(&text) {
                    readings.push(text);
                }
            }
        }
        let raw = std::str::from_utf8(value).ok().filter(|_| text.is_readable() && text.is_agreed());
        let list = raw.filter(|raw| !hides_marks(raw, text)).and_then(strict_list);
        Self { readings, list }
    }

    /// Is it in one of the further readings?
    pub(super) fn may_have(&self, needle: &Needle) -> bool {
        self.readings.iter().any(|text| needle.is_in(text))
    }

    /// Is it in an address, or in each of them, whoever reads it?
    pub(super) fn are(&self, needle: &Needle, each: bool) -> bool {
        let Some(list) = self.list.as_ref().filter(|list| !list.is_empty()) else { return false };
        let is = |address: &String| needle.is_address(address);
        if each { list.iter().all(is) } else { list.iter().any(is) }
    }
}

/// Without comments, quotes and backslashes, and without blanks where an address has none.
fn without_marks(folded: &str) -> String {
    let mut out = String::with_capacity(folded.len());
    let mut depth = 0_usize;
    for c in folded.chars() {
        match c {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            '"' | '\\' => {}
            _ if depth > 0 => {}
            // Domains take the one for the other (RFC 3490 §3.1).
            '.' | '\u{3002}' => {
                out.truncate(out.trim_end().len());
                out.push('.');
            }
            '@' | '>' => {
                out.truncate(out.trim_end().len());
                out.push(c);
            }
            ' ' if out.ends_with(['.', '@', '<']) => {}
            _ => out.push(c),
        }
    }
    out
}

/// Do encoded words hold what an address is told by? Who decodes before parsing then finds others.
fn hides_marks(raw: &str, text: &Text) -> bool {
    let count = |text: &str| text.chars().filter(|c| matches!(c, '@' | '<' | '>')).count();
    text.lenient.as_ref().is_some_and(|lenient| count(lenient) != count(raw))
}

/// `mailbox-list`, without obsolete forms and groups.
fn strict_list(raw: &str) -> Option<Vec<String>> {
    let mut list = Vec::new();
    for mailbox in split_list(raw)? {
        let address = match mailbox.angle {
            // An address that is not one: which of the two is meant?
            Some(_) if mailbox.outside.contains('@') => return None,
            Some(address) => address,
            None => mailbox.outside,
        };
        list.push(canonical(&address)?);
    }
    Some(list)
}

/// One mailbox of a list, without comments and quoted names.
#[derive(Default)]
struct Parted {
    /// What stands outside of `<…>`.
    outside: String,
    /// What stands in it.
    angle: Option<String>,
}

fn split_list(raw: &str) -> Option<Vec<Parted>> {
    let (mut list, mut current, mut inside) = (Vec::new(), Parted::default(), false);
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '(' => {
                // Only where it parts nothing.
                let stands = current.outside.is_empty() || current.outside.ends_with([' ', '\t']);
                (!inside && (stands || current.angle.is_some())).then_some(())?;
                skip_comment(&mut chars)?;
            }
            '"' => {
                let quoted = quoted(&mut chars)?;
                // Behind it comes the address, or it is the local part of one.
                let is_local = chars.peek() == Some(&'@');
                let target = if inside { current.angle.as_mut()? } else { &mut current.outside };
                if inside || is_local {
                    // Such a local part is written by nobody but who wants to be misread.
                    quoted.chars().all(is_atext).then_some(())?;
                    target.push_str(&quoted);
                }
            }
            '<' if !inside && current.angle.is_none() => {
                current.angle = Some(String::new());
                inside = true;
            }
            '>' if inside => inside = false,
            ',' if !inside => list.push(std::mem::take(&mut current)),
            '<' | '>' | ',' | ':' | ';' | '\\' | ')' | '[' | ']' => return None,
            _ if inside => current.angle.as_mut()?.push(c),
            // Behind `<…>` nothing but blanks.
            _ if current.angle.is_some() => c.is_ascii_whitespace().then_some(())?,
            _ => current.outside.push(c),
        }
    }
    list.push(current);
    (!inside).then_some(list)
}

fn skip_comment(chars: &mut impl Iterator<Item = char>) -> Option<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match chars.next()? {
            '(' => depth = depth.checked_add(1)?,
            ')' => depth = depth.checked_sub(1)?,
            '\\' => drop(chars.next()?),
            _ => {}
        }
    }
    Some(())
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

/// `atext` of RFC 5322 and RFC 6532, and the dot between them.
fn is_atext(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

/// `dot-atom "@" dot-atom`, folded and spelled out.
fn canonical(address: &str) -> Option<String> {
    let (local, domain) = address.trim().split_once('@')?;
    let is_dot_atom = |text: &str| !text.is_empty() && text.chars().all(is_atext) && !text.contains("..");
    if !is_dot_atom(local) || !is_dot_atom(domain) || address.contains("=?") {
        return None;
    }
    let folded = fold(address.trim());
    Some(punycode::spelled_out(&folded).unwrap_or(folded))
}
