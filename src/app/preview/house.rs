//! What is there: asked of the upstream as sessions ask.

use crate::imap::mailbox::MailboxName;
use crate::imap::rights::Rights;
use crate::net::{Visit, VisitError};
use crate::policy::{Pattern, SpecialUse, Target};
use crate::rewrite::mailbox_data::{personal_prefix, read_list, read_namespaces};
use crate::view::mailboxes::{NameTable, Row as Listed};
use crate::wire::encode;
use crate::wire::mailbox::Utf8Mode;
use crate::wire::response::token;

/// Somebody's mailboxes.
#[derive(Debug, Default)]
pub(super) struct House {
    /// INBOX first, then by name.
    pub rows: Vec<Row>,
    /// Of the personal namespace.
    pub prefix: Option<Box<str>>,
    /// Does the server say of any mailbox what it is for?
    pub tells_special_use: bool,
}

/// One name.
#[derive(Debug)]
pub(super) struct Row {
    pub name: MailboxName,
    /// Can it be opened?
    pub exists: bool,
    pub subscribed: bool,
    pub special_use: SpecialUse,
    /// What the server allows, if it tells.
    pub rights: Option<Rights>,
    octets: Box<[u8]>,
}

impl House {
    pub async fn look(visit: &mut Visit) -> Result<Self, VisitError> {
        let (mut house, mut table) = (Self::default(), NameTable::default());
        if visit.offers("NAMESPACE") {
            let told = visit.run(b"NAMESPACE").await?;
            let found: Vec<_> = told.iter().flat_map(|line| lists(line, b"* NAMESPACE", read_namespaces)).collect();
            house.prefix = personal_prefix(&found, Utf8Mode::Off).map(|(_, prefix)| prefix);
        }
        let asks_uses = visit.offers("SPECIAL-USE") && visit.offers("LIST-EXTENDED");
        let list: &[u8] = if asks_uses { b"LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { b"LIST \"\" \"*\"" };
        for line in visit.run(list).await? {
            lists(&line, b"* LIST", named).into_iter().for_each(|row| table.list(row));
        }
        for line in visit.run(b"LSUB \"\" \"*\"").await? {
            lists(&line, b"* LSUB", named).into_iter().for_each(|row| table.subscribe(row));
        }
        house.rows = table.rows().filter(|row| !row.name.as_str().is_empty()).map(Row::of).collect();
        house.rows.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        house.tells_special_use = house.rows.iter().any(|row| !row.special_use.is_empty());
        if visit.offers("ACL") {
            for row in house.rows.iter_mut().filter(|row| row.exists) {
                row.ask_rights(visit).await?;
            }
        }
        Ok(house)
    }

    /// What rules know of a mailbox.
    pub fn target<'a>(&'a self, row: &'a Row) -> Target<'a> {
        let told = self.tells_special_use.then_some(row.special_use);
        Target { special_use: told, prefix: self.prefix.as_deref(), ..Target::new(&row.name) }
    }

    pub fn matches(&self, pattern: &Pattern<'_>) -> bool {
        self.rows.iter().any(|row| pattern.matches(&self.target(row)))
    }

    /// Every name, with the personal prefix and without.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        self.rows.iter().flat_map(move |row| {
            let name = row.name.as_str();
            let bare = name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
            bare.into_iter().chain([name])
        })
    }
}

impl Row {
    /// The name as the server has it.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn of(row: &Listed) -> Self {
        Self {
            exists: row.exists(),
            subscribed: row.subscribed,
            special_use: SpecialUse::of(row.attributes.iter().map(AsRef::as_ref)),
            rights: None,
            name: row.name.clone(),
            octets: (*row.octets).into(),
        }
    }

    async fn ask_rights(&mut self, visit: &mut Visit) -> Result<(), VisitError> {
        let mut command = b"MYRIGHTS ".to_vec();
        encode::astring(&mut command, &self.octets, Utf8Mode::Off, false);
        if memchr::memchr(b'\n', &command).is_some() {
            return Ok(()); // it would need a literal: nobody calls a mailbox so
        }
        match visit.run(&command).await {
            Ok(told) => self.rights = told.iter().find_map(|line| rights(line)),
            // It may be listed, and not be ours to ask about: then nothing is said of its rights.
            Err(VisitError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What `read` makes of a response that begins with these words.
fn lists<T>(line: &[u8], words: &[u8], read: impl FnOnce(&[u8], usize) -> Vec<T>) -> Vec<T> {
    match line.split_at_checked(words.len()) {
        Some((head, _)) if head.eq_ignore_ascii_case(words) => read(line, words.len()),
        _ => Vec::new(),
    }
}

/// A name that cannot be read is known to nobody, as in sessions.
fn named(line: &[u8], rest: usize) -> Vec<Listed> {
    read_list(line, rest, Utf8Mode::Off).into_iter().collect()
}

fn rights(line: &[u8]) -> Option<Rights> {
    let words = b"* MYRIGHTS";
    let (head, _) = line.split_at_checked(words.len())?;
    let (_, end) = token(line, words.len()).filter(|_| head.eq_ignore_ascii_case(words))?;
    let (letters, _) = token(line, end)?;
    Some(Rights::from_wire(&letters.string()?))
}
