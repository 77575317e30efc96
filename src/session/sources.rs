//! Messages of which an APPEND puts another together (CATENATE, RFC 4469): what is copied so has to stand in the record.
//!
//! ```text
//!   a APPEND Drafts CATENATE (URL "/INBOX/;UID=20" TEXT {3}     a message, or a part of it
//!   hi URL "/Sent/;UID=4/;SECTION=1.2")                         and so on, in each line of the command
//! ```

use std::sync::Arc;

use crate::imap::mailbox::MailboxName;
use crate::imap::message::Uid;
use crate::wire::command::append::{Append, CatenatePart, MessageData};
use crate::wire::command::{Command, SetArg, Text};
use crate::wire::url::message_url;

use super::Session;
use super::append::replaced;
use super::effect::Effect;
use super::event::{AppendSource, MailboxRef};

/// Octets of a URL that is recorded as it stands.
const MAX_URL: usize = 1024;

impl Session {
    /// What it is put together from, too.
    pub(super) fn follow_urls<'u>(&mut self, serial: u32, urls: impl Iterator<Item = &'u Text<'u>>) {
        let mut read: Vec<_> = urls.map(|url| self.source(url)).collect();
        if let Some(entry) = self.in_flight.find(|entry| entry.serial == serial)
            && let Effect::Appending { sources, .. } = &mut entry.effect
        {
            sources.append(&mut read);
        }
    }

    /// The message that a URL of a client's names.
    pub(super) fn source(&self, url: &Text<'_>) -> AppendSource {
        let as_it_stands =
            |text: &[u8]| String::from_utf8_lossy(text.get(..text.len().min(MAX_URL)).unwrap_or(text)).into();
        let Some(read) = message_url(&url.octets) else {
            return AppendSource { mailbox: as_it_stands(&url.octets), uidv: None, uid: None, section: None };
        };
        let selected = || self.state.selected().map(|selected| Box::from(&*selected.mailbox.name));
        let named = |name: String| match self.delimiter() {
            Some(delimiter) if delimiter != '/' => MailboxName::new(&name.replace(delimiter, "/")).as_str().into(),
            _ => MailboxName::new(&name).as_str().into(),
        };
        AppendSource {
            mailbox: read.mailbox.map(named).or_else(selected).unwrap_or_default(),
            uidv: read.uidvalidity,
            uid: Uid::new(read.uid),
            section: read.section.map(Into::into),
        }
    }

    /// What an APPEND or REPLACE is followed as that has no literal: all of it comes from other messages.
    pub(super) fn appending(
        &self,
        command: &Command<'_>,
        append: &Append<'_>,
        set: Option<&SetArg>,
        to: Option<&super::names::Resolved>,
    ) -> Effect {
        let urls = append.messages.iter().flat_map(|message| match &message.data {
            MessageData::Catenate(parts) => parts.as_slice(),
            MessageData::Literal(_) | MessageData::Utf8(_) => &[],
        });
        let sources = urls.filter_map(|part| match part {
            CatenatePart::Url(url) => Some(self.source(url)),
            CatenatePart::Text(_) => None,
        });
        let flags = append.messages.iter().filter_map(|message| message.flags.as_ref());
        Effect::Appending {
            dst: Arc::new(MailboxRef::named(Arc::from(to.map_or("", |to| to.name.as_str())))),
            size: 0,
            flags: flags.flat_map(|list| list.flags.iter().map(|arg| arg.flag.clone())).collect(),
            uid: None,
            uidv: None,
            guarded: to.is_some_and(|to| self.guards_mailbox(to)),
            cancelled: None,
            header: Box::default(),
            sources: sources.collect(),
            replaced: set.map(|set| Box::new(replaced(command.frame(), set, command.verb))),
        }
    }
}
