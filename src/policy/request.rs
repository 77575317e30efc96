//! Who asks for what, of which mailbox?
//!
//! ```
//! use imapwarden::imap::mailbox::MailboxName;
//! use imapwarden::imap::verb::Verb;
//! use imapwarden::policy::{FlagChange, FlagsWanted, Request, Role, Target};
//!
//! let (inbox, archive) = (MailboxName::inbox(), MailboxName::new("Archive"));
//! let targets = [(Role::MoveFrom, Target::new(&inbox)), (Role::MoveTo, Target::new(&archive))];
//! let request = Request::new(Verb::UidMove, &targets);
//! let store = Request::new(Verb::Store, &[]).flags(FlagsWanted { seen: true, ..FlagsWanted::NONE });
//! # let _ = (request, store, FlagChange::Add);
//! ```

use std::fmt;
use std::net::IpAddr;
use std::ops::BitOr;
use std::sync::Arc;

use crate::imap::mailbox::MailboxName;
use crate::imap::verb::Verb;

/// Who a session belongs to and where it comes from. Once a part of it changes (an ID, STARTTLS), bind again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Whose mail is opened: the authorization identity, completed by [`super::complete_login`].
    pub user: Arc<str>,
    /// Who proved an identity, completed likewise. `delegated` is true where it differs from `user`.
    pub actor: Arc<str>,
    /// Groups that are told of, beside those whose members the groups file names.
    pub groups: Arc<[Arc<str>]>,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Name of the upstream that serves the user.
    pub upstream: Arc<str>,
    /// The client's address.
    pub client_ip: IpAddr,
    /// `name/version` of the last ID; "" before one came.
    pub client_id: Arc<str>,
    /// TLS with the client.
    pub tls: TlsLevel,
}

/// How far TLS with the client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsLevel {
    /// `none`: in clear.
    None,
    /// `server`: the client verified the proxy.
    Server,
    /// `mutual`: the client showed a certificate that was verified.
    Mutual,
}

impl TlsLevel {
    /// As rule files write them, in order.
    pub const NAMES: [(&'static str, Self); 3] =
        [("none", Self::None), ("server", Self::Server), ("mutual", Self::Mutual)];
}

/// A mailbox that a request is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its canonical name.
    pub name: &'a MailboxName,
    /// What LIST says it is for; `None` where the server tells no special uses (usual names decide then).
    pub special_use: Option<SpecialUse>,
    /// What LIST says that mailboxes below it are for, all together.
    pub uses_below: SpecialUse,
    /// Prefix of the personal namespace with "/" as the delimiter, such as `INBOX/`, if it has one.
    pub prefix: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A mailbox of which nothing but the name is known.
    #[must_use]
    pub const fn new(name: &'a MailboxName) -> Self {
        Self { name, special_use: None, uses_below: SpecialUse::NONE, prefix: None }
    }
}

/// Special uses of a mailbox (RFC 6154, RFC 8457) as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpecialUse(u16);

impl SpecialUse {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// `\All`
    pub const ALL: Self = Self(1 << 0);
    /// `\Archive`
    pub const ARCHIVE: Self = Self(1 << 1);
    /// `\Drafts`
    pub const DRAFTS: Self = Self(1 << 2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 3);
    /// `\Junk`
    pub const JUNK: Self = Self(1 << 4);
    /// `\Sent`
    pub const SENT: Self = Self(1 << 5);
    /// `\Trash`
    pub const TRASH: Self = Self(1 << 6);
    /// `\Important`
    pub const IMPORTANT: Self = Self(1 << 7);
    /// Those that show the same mail again.
    pub const AGGREGATES: Self = Self(Self::ALL.0 | Self::FLAGGED.0 | Self::IMPORTANT.0);

    /// Attributes of LIST, without the backslash.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("All", Self::ALL),
        ("Archive", Self::ARCHIVE),
        ("Drafts", Self::DRAFTS),
        ("Flagged", Self::FLAGGED),
        ("Junk", Self::JUNK),
        ("Sent", Self::SENT),
        ("Trash", Self::TRASH),
        ("Important", Self::IMPORTANT),
    ];

    /// The use of that attribute of LIST, in any case: `\Trash`. Other attributes are [`SpecialUse::NONE`].
    #[must_use]
    pub fn from_attribute(attribute: &str) -> Self {
        let name = attribute.strip_prefix('\\').unwrap_or("");
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(Self::NONE, |(_, uses)| *uses)
    }

    /// What a mailbox with these attributes is for.
    pub fn of<'a>(attributes: impl IntoIterator<Item = &'a str>) -> Self {
        attributes.into_iter().fold(Self::NONE, |all, attribute| all | Self::from_attribute(attribute))
    }

    /// Is there one that is in both?
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Is there none?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SpecialUse {
    /// As LIST says it: `\Sent`; several with blanks between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(_, uses)| self.intersects(*uses));
        let names: Vec<String> = names.map(|(name, _)| format!("\\{name}")).collect();
        f.write_str(&names.join(" "))
    }
}

impl BitOr for SpecialUse {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a command does to a mailbox: the left column of the table of rights goes by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opened for reading and writing.
    Select,
    /// Opened for reading.
    Examine,
    /// Asked for its numbers.
    Status,
    /// To be made.
    Create,
    /// To be removed.
    Delete,
    /// Renamed, with all below it.
    RenameFrom,
    /// The new name.
    RenameTo,
    /// Named where no right but `l` is asked for: SUBSCRIBE, MYRIGHTS, GETQUOTAROOT, GETMETADATA; also the selected
    /// mailbox of commands that neither read nor change messages.
    Named,
    /// Messages are read: FETCH (say in [`Request::flags`] whether it sets `\Seen`).
    Fetch,
    /// Messages are looked for: SEARCH, SORT, THREAD.
    Search,
    /// Flags are changed (say which in [`Request::flags`]).
    Store,
    /// Messages marked as deleted are removed.
    Expunge,
    /// CLOSE: likewise, without a word about it.
    Close,
    /// Messages are copied out of it.
    CopyFrom,
    /// Messages are copied into it.
    CopyTo,
    /// Messages leave it.
    MoveFrom,
    /// Messages are moved into it.
    MoveTo,
    /// A message is put into it (say in [`Request::flags`] with which flags).
    AppendTo,
    /// A message in it is replaced: it leaves for good.
    ReplaceFrom,
    /// Its access list is read or changed.
    Acl,
    /// Its metadata are changed.
    SetMetadata,
}

/// Which mailboxes a command is about, and what it does to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// What it does to the mailbox that it names, or to each of them.
    pub named: Option<Role>,
    /// What it does to the second that it names: RENAME.
    pub second: Option<Role>,
    /// What it does to the selected mailbox.
    pub selected: Option<Role>,
}

impl Roles {
    /// The roles of that command's mailboxes.
    #[must_use]
    pub const fn of(verb: Verb) -> Self {
        const fn named(role: Role) -> Roles {
            Roles { named: Some(role), second: None, selected: None }
        }
        const fn selected(role: Role) -> Roles {
            Roles { named: None, second: None, selected: Some(role) }
        }
        match verb.base() {
            Verb::Select => named(Role::Select),
            Verb::Examine => named(Role::Examine),
            Verb::Create => named(Role::Create),
            Verb::Delete => named(Role::Delete),
            Verb::Rename => Self { named: Some(Role::RenameFrom), second: Some(Role::RenameTo), selected: None },
            Verb::Status => named(Role::Status),
            Verb::Append => named(Role::AppendTo),
            Verb::SetAcl | Verb::DeleteAcl | Verb::GetAcl | Verb::ListRights => named(Role::Acl),
            Verb::SetMetadata => named(Role::SetMetadata),
            Verb::Esearch => named(Role::Search),
            Verb::Notify => named(Role::Status),
            Verb::Subscribe
            | Verb::Unsubscribe
            | Verb::MyRights
            | Verb::GetQuota
            | Verb::GetQuotaRoot
            | Verb::SetQuota
            | Verb::GetMetadata => named(Role::Named),
            Verb::Close => selected(Role::Close),
            Verb::Expunge | Verb::UidExpunge => selected(Role::Expunge),
            Verb::Fetch | Verb::UidFetch => selected(Role::Fetch),
            Verb::Store | Verb::UidStore => selected(Role::Store),
            Verb::Search
            | Verb::UidSearch
            | Verb::Sort
            | Verb::UidSort
            | Verb::Thread
            | Verb::UidThread
            | Verb::UidBatches => selected(Role::Search),
            Verb::Copy | Verb::UidCopy => {
                Self { named: Some(Role::CopyTo), second: None, selected: Some(Role::CopyFrom) }
            }
            Verb::Move | Verb::UidMove => {
                Self { named: Some(Role::MoveTo), second: None, selected: Some(Role::MoveFrom) }
            }
            Verb::Replace | Verb::UidReplace => {
                Self { named: Some(Role::AppendTo), second: None, selected: Some(Role::ReplaceFrom) }
            }
            Verb::Idle | Verb::Check | Verb::CancelUpdate => selected(Role::Named),
            Verb::Capability
            | Verb::Noop
            | Verb::Logout
            | Verb::Id
            | Verb::StartTls
            | Verb::Authenticate
            | Verb::Login
            | Verb::Enable
            | Verb::List
            | Verb::Lsub
            | Verb::Xlist
            | Verb::Namespace
            | Verb::Compress
            | Verb::Unselect => Self { named: None, second: None, selected: None },
        }
    }
}

/// How flags are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FlagChange {
    /// `+FLAGS`; also the flags of APPEND, and the `\Seen` of a FETCH.
    #[default]
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`: those that are not named are taken off.
    Replace,
}

/// Which flags a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlagsWanted {
    /// `\Seen`
    pub seen: bool,
    /// `\Deleted`
    pub deleted: bool,
    /// Any other flag or keyword.
    pub other: bool,
    /// What is done with them.
    pub change: FlagChange,
}

impl FlagsWanted {
    /// No flag.
    pub const NONE: Self = Self { seen: false, deleted: false, other: false, change: FlagChange::Add };
}

/// One command as policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The command.
    pub verb: Verb,
    /// Every mailbox that it names, and the selected one if it works on messages, with what is done to each
    /// ([`Roles::of`]).
    pub targets: &'a [(Role, Target<'a>)],
    /// STORE, APPEND and REPLACE: the flags named. FETCH: `seen` where it would set `\Seen`.
    pub flags: FlagsWanted,
    /// Does the upstream expunge as soon as `\Deleted` is set (quirk `deleted-expunges`)?
    pub deleted_expunges: bool,
}

impl<'a> Request<'a> {
    /// A request that touches no flags.
    #[must_use]
    pub const fn new(verb: Verb, targets: &'a [(Role, Target<'a>)]) -> Self {
        Self { verb, targets, flags: FlagsWanted::NONE, deleted_expunges: false }
    }

    /// The same with these flags.
    #[must_use]
    pub const fn flags(self, flags: FlagsWanted) -> Self {
        Self { flags, ..self }
    }
}
