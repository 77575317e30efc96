//! Every mailbox that a command names, and what it does there.

use super::append::{Append, MessageData};
use super::notify::Notify;
use super::{Args, Command, MailboxArg};
use crate::imap::verb::Verb;

/// What a command does with a mailbox that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// SELECT, EXAMINE
    Open,
    /// STATUS
    Status,
    /// CREATE
    Create,
    /// DELETE
    Delete,
    /// RENAME, the name that is
    RenameFrom,
    /// RENAME, the name that shall be
    RenameTo,
    /// SUBSCRIBE
    Subscribe,
    /// UNSUBSCRIBE
    Unsubscribe,
    /// COPY
    CopyTo,
    /// MOVE
    MoveTo,
    /// APPEND
    AppendTo,
    /// REPLACE
    ReplaceTo,
    /// LIST, LSUB, XLIST: no name yet, but what patterns are relative to
    ListReference,
    /// LIST, LSUB, XLIST: a pattern, which may name many
    ListPattern,
    /// SETACL, DELETEACL
    AclChange,
    /// GETACL, LISTRIGHTS
    AclRead,
    /// MYRIGHTS
    MyRights,
    /// GETMETADATA; the empty name is the server
    MetadataRead,
    /// SETMETADATA; the empty name is the server
    MetadataChange,
    /// GETQUOTAROOT
    QuotaRoot,
    /// NOTIFY
    Notify,
    /// ESEARCH
    Search,
}

/// In the order in which they stand.
pub(super) fn of<'c, 'f>(command: &'c Command<'f>) -> Vec<(Role, &'c MailboxArg<'f>)> {
    match &command.args {
        Args::Open(open) => vec![(Role::Open, &open.mailbox)],
        Args::Create(create) => vec![(Role::Create, &create.mailbox)],
        Args::Mailbox(mailbox) => vec![(role_of(command.verb), mailbox)],
        Args::Rename(rename) => vec![(Role::RenameFrom, &rename.from), (Role::RenameTo, &rename.to)],
        Args::List(list) => {
            let patterns = list.patterns.iter().map(|pattern| (Role::ListPattern, pattern));
            std::iter::once((Role::ListReference, &list.reference)).chain(patterns).collect()
        }
        Args::Status(status) => vec![(Role::Status, &status.mailbox)],
        Args::Append(append) => vec![(Role::AppendTo, &append.mailbox)],
        Args::Replace(replace) => vec![(Role::ReplaceTo, &replace.append.mailbox)],
        Args::SetAcl(acl) => vec![(Role::AclChange, &acl.mailbox)],
        Args::Acl(acl) => vec![(role_of(command.verb), &acl.mailbox)],
        Args::GetMetadata(get) => vec![(Role::MetadataRead, &get.mailbox)],
        Args::SetMetadata(set) => vec![(Role::MetadataChange, &set.mailbox)],
        Args::Notify(Notify::Set { groups, .. }) => {
            let named = groups.iter().flat_map(|group| group.mailboxes.named());
            named.map(|mailbox| (Role::Notify, mailbox)).collect()
        }
        Args::Esearch(esearch) => {
            let named = esearch.sources.iter().flat_map(super::notify::MailboxFilter::named);
            named.map(|mailbox| (Role::Search, mailbox)).collect()
        }
        Args::Copy(copy) => vec![(role_of(command.verb), &copy.mailbox)],
        Args::None
        | Args::Id(_)
        | Args::Authenticate(_)
        | Args::Login(_)
        | Args::Enable(_)
        | Args::Compress(_)
        | Args::GetQuota(_)
        | Args::SetQuota(_)
        | Args::Notify(Notify::Nothing)
        | Args::Search(_)
        | Args::Sort(_)
        | Args::Thread(_)
        | Args::Fetch(_)
        | Args::Store(_)
        | Args::UidExpunge(_)
        | Args::CancelUpdate(_)
        | Args::UidBatches(_) => Vec::new(),
    }
}

/// What the verbs that share a shape do with their mailbox.
fn role_of(verb: Verb) -> Role {
    match verb {
        Verb::Delete => Role::Delete,
        Verb::Subscribe => Role::Subscribe,
        Verb::Unsubscribe => Role::Unsubscribe,
        Verb::GetAcl | Verb::ListRights => Role::AclRead,
        Verb::DeleteAcl | Verb::SetAcl => Role::AclChange,
        Verb::MyRights => Role::MyRights,
        Verb::GetQuotaRoot => Role::QuotaRoot,
        Verb::Copy | Verb::UidCopy => Role::CopyTo,
        Verb::Move | Verb::UidMove => Role::MoveTo,
        _ => Role::Open,
    }
}

impl Append<'_> {
    /// Does the command read other messages by URL (RFC 4469)?
    #[must_use]
    pub fn has_urls(&self) -> bool {
        self.messages.iter().any(|message| match &message.data {
            MessageData::Literal(_) | MessageData::Utf8(_) => false,
            MessageData::Catenate(parts) => {
                parts.iter().any(|part| matches!(part, super::append::CatenatePart::Url(_)))
            }
        })
    }
}
