//! LIST and LSUB: which names match, and what is said of each (RFC 3501 §6.3.8, RFC 5258, RFC 5819, RFC 6154).
//!
//! ```text
//!   names   INBOX  a  a/b  a/b/c     a is only a level of names: \Noselect
//!   LIST    (SUBSCRIBED RECURSIVEMATCH) "" "%"   ──▶  * LIST (…) "/" a ("CHILDINFO" ("SUBSCRIBED"))
//! ```

use std::collections::BTreeSet;

use super::commands::{DONE, Outcome, Refused, Session};
use super::folders::{status_line, write_name};
use super::store::Mailboxes;
use crate::imap::mailbox::MailboxName;
use crate::wire::command::Utf8Mode;
use crate::wire::command::folder::StatusItem;
use crate::wire::list::{List, ReturnKind, SelectKind};
use crate::wire::mailbox::decode_text;

/// What LIST was asked for, beyond patterns.
#[derive(Default)]
struct Options<'c> {
    extended: bool,
    only_subscribed: bool,
    only_special: bool,
    recursive: bool,
    tell_subscribed: bool,
    status: &'c [StatusItem],
}

impl<'c> Options<'c> {
    fn read(list: &'c List<'_>) -> Result<Self, Refused> {
        let select = list.select.as_deref().unwrap_or_default();
        let returns = list.returns.as_deref().unwrap_or_default();
        let mut options = Self {
            extended: list.select.is_some() || list.returns.is_some() || list.patterns.len() > 1,
            ..Self::default()
        };
        for option in select {
            match option.kind {
                SelectKind::Subscribed => options.only_subscribed = true,
                SelectKind::SpecialUse => options.only_special = true,
                SelectKind::RecursiveMatch => options.recursive = true,
                SelectKind::Remote => {} // nothing here is remote, so it adds nothing
            }
        }
        for option in returns {
            match &option.kind {
                ReturnKind::Subscribed => options.tell_subscribed = true,
                ReturnKind::Children | ReturnKind::SpecialUse => {} // always told
                ReturnKind::Status(items) => options.status = items,
                ReturnKind::MyRights | ReturnKind::Metadata(_) => {
                    return Err(Refused::bad("that return option is not supported"));
                }
            }
        }
        if options.recursive && !options.only_subscribed && !options.only_special {
            return Err(Refused::bad("RECURSIVEMATCH needs another selection option")); // RFC 5258 §3.1
        }
        options.tell_subscribed |= options.only_subscribed;
        Ok(options)
    }

    fn selects(&self, mailboxes: &Mailboxes, name: &MailboxName) -> bool {
        let special = mailboxes.by_name(name).is_some_and(|mailbox| mailbox.special_use.is_some());
        (!self.only_subscribed || mailboxes.subscribed.contains(name)) && (!self.only_special || special)
    }
}

impl Session {
    pub(super) fn list(&mut self, list: &List<'_>) -> Outcome {
        let options = Options::read(list)?;
        if list.asks_for_delimiter() && !options.extended {
            return self.untagged(r#"LIST (\Noselect) "/" """#);
        }
        let patterns = patterns(list)?;
        let mut out = Vec::new();
        {
            let mailboxes = self.account()?.lock();
            let names = all_names(&mailboxes);
            for name in names.iter().filter(|name| patterns.iter().any(|pattern| matches(pattern, name))) {
                list_one(&mut out, &mailboxes, &names, name, &options)?;
            }
        }
        self.out.append(&mut out);
        DONE
    }

    pub(super) fn lsub(&mut self, list: &List<'_>) -> Outcome {
        let patterns = patterns(list)?;
        let subscribed = self.account()?.lock().subscribed.clone();
        let mut lines = subscribed.iter().map(|name| (name.clone(), "")).collect::<std::collections::BTreeMap<_, _>>();
        if patterns.iter().any(|pattern| pattern.ends_with('%')) {
            // "foo/bar" is subscribed and "%" asked: then foo, though it is not (RFC 3501 §6.3.9).
            for above in subscribed.iter().flat_map(ancestors) {
                lines.entry(above).or_insert("\\Noselect");
            }
        }
        for (name, attribute) in lines {
            if patterns.iter().any(|pattern| matches(pattern, &name)) {
                self.out.extend_from_slice(format!("* LSUB ({attribute}) \"/\" ").as_bytes());
                write_name(&mut self.out, &name);
                self.out.extend_from_slice(b"\r\n");
            }
        }
        DONE
    }
}

fn list_one(
    out: &mut Vec<u8>,
    mailboxes: &Mailboxes,
    names: &BTreeSet<MailboxName>,
    name: &MailboxName,
    options: &Options<'_>,
) -> Result<(), Refused> {
    let exists = mailboxes.by_name(name).is_some();
    let is_level = mailboxes.has_children(name);
    let selected = options.selects(mailboxes, name) && (exists || is_level || options.only_subscribed);
    let selected_below =
        options.recursive && names.iter().any(|other| other.is_below(name) && options.selects(mailboxes, other));
    if !selected && !selected_below {
        return Ok(());
    }
    let attributes = attributes(mailboxes, name, options).join(" ");
    out.extend_from_slice(format!("* LIST ({attributes}) \"/\" ").as_bytes());
    write_name(out, name);
    if selected_below {
        let what = if options.only_subscribed { "SUBSCRIBED" } else { "SPECIAL-USE" };
        out.extend_from_slice(format!(" (\"CHILDINFO\" (\"{what}\"))").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if exists && !options.status.is_empty() {
        out.append(&mut status_line(mailboxes, name, options.status)?);
    }
    Ok(())
}

fn attributes(mailboxes: &Mailboxes, name: &MailboxName, options: &Options<'_>) -> Vec<&'static str> {
    let mailbox = mailboxes.by_name(name);
    let mut attributes = Vec::new();
    if mailbox.is_none() {
        attributes.push(if options.extended { "\\NonExistent" } else { "\\Noselect" });
    }
    attributes.push(if mailboxes.has_children(name) { "\\HasChildren" } else { "\\HasNoChildren" });
    if options.tell_subscribed && mailboxes.subscribed.contains(name) {
        attributes.push("\\Subscribed");
    }
    attributes.extend(mailbox.and_then(|mailbox| mailbox.special_use));
    attributes
}

/// Mailboxes, subscriptions, and every level above them.
fn all_names(mailboxes: &Mailboxes) -> BTreeSet<MailboxName> {
    let own = mailboxes.iter().map(|(name, _)| name).chain(&mailboxes.subscribed);
    own.flat_map(|name| std::iter::once(name.clone()).chain(ancestors(name))).collect()
}

fn ancestors(name: &MailboxName) -> impl Iterator<Item = MailboxName> {
    std::iter::successors(name.parent(), MailboxName::parent)
}

/// The patterns behind their reference, as text. Here a reference is no more than a beginning (RFC 9051 §6.3.9.5).
fn patterns(list: &List<'_>) -> Result<Vec<String>, Refused> {
    let text = |octets: &[u8]| {
        decode_text(octets, Utf8Mode::Off).map_err(|error| Refused::No(format!("[CANNOT] {error}").into()))
    };
    let reference = text(list.reference.octets())?;
    list.patterns.iter().map(|pattern| Ok(format!("{reference}{}", text(pattern.octets())?))).collect()
}

/// Does the name match? `*` is any text, `%` any within a level; INBOX matches in any case.
fn matches(pattern: &str, name: &MailboxName) -> bool {
    let name_text: Vec<char> = name.as_str().chars().collect();
    wild(&pattern.chars().collect::<Vec<_>>(), &name_text)
        || (name.is_inbox() && wild(&pattern.to_ascii_uppercase().chars().collect::<Vec<_>>(), &name_text))
}

/// Every prefix of the name is tried against every prefix of the pattern once: no pattern is slow.
fn wild(pattern: &[char], name: &[char]) -> bool {
    // reached[n]: the pattern so far matches the first n characters.
    let mut reached: Vec<bool> = std::iter::once(true).chain(name.iter().map(|_| false)).collect();
    for part in pattern {
        let mut next = Vec::with_capacity(reached.len());
        let mut before = None; // the character before this place, and whether the wildcard had come to that place
        for (place, was) in reached.iter().enumerate() {
            let last = place.checked_sub(1).and_then(|at| name.get(at));
            let now = match part {
                '*' | '%' => *was || (before == Some(true) && (*part == '*' || last != Some(&'/'))),
                c => last == Some(c) && place.checked_sub(1).and_then(|at| reached.get(at)) == Some(&true),
            };
            next.push(now);
            before = Some(now);
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_names() {
        let rows = [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a", false),
            ("a*", "ab/c", true),
            ("%/%", "a/b", true),
            ("%/%", "a/b/c", false),
            ("*c", "a/b/c", true),
            ("*b", "a/b/c", false),
            ("a%c", "abc", true),
            ("a%c", "a/c", false),
            ("inbox", "INBOX", true),
            ("iN%", "INBOX", true),
            ("work", "Work", false),
            ("", "a", false),
            ("**%%*", "x/y", true),
        ];
        for (pattern, name, want) in rows {
            assert_eq!(matches(pattern, &MailboxName::new(name)), want, "{pattern} {name}");
        }
    }
}
