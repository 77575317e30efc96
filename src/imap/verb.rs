//! Which commands are there, when are they legal, and what may follow before they are answered?
//!
//! One table. What is not in it is `BAD` and never forwarded, in every scope.
//!
//! ```
//! use imapwarden::imap::verb::{Phase, Verb};
//!
//! assert_eq!(Verb::from_name("uid fetch"), Some(Verb::UidFetch));
//! assert_eq!(Verb::UidFetch.base(), Verb::Fetch);
//! assert!(!Verb::UidFetch.legal_in(Phase::Authenticated));
//! ```

use std::fmt;

/// The states of RFC 9051 §3 in which a command can be legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before login.
    NotAuthenticated,
    /// After login, no mailbox selected.
    Authenticated,
    /// A mailbox is selected.
    Selected,
}

/// May commands behind this one be judged before it is answered?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pipelining {
    /// Yes: it changes nothing that judging depends on.
    Free,
    /// No: its tagged answer decides what the next command is about (design: barriers, in every scope).
    Barrier,
}

/// What a command is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandKind {
    /// Logging in.
    Auth,
    /// Everything about the session and about mailboxes.
    Meta,
    /// Opening a mailbox.
    Select,
    /// FETCH of data about messages. Whether a FETCH asks for content is decided by its items.
    FetchMeta,
    /// FETCH of content.
    FetchContent,
    /// Finding messages.
    Search,
    /// Changing flags, and removing messages that are flagged so.
    Store,
    /// COPY and MOVE.
    Copy,
    /// APPEND and REPLACE.
    Append,
}

impl CommandKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Auth,
        Self::Meta,
        Self::Select,
        Self::FetchMeta,
        Self::FetchContent,
        Self::Search,
        Self::Store,
        Self::Copy,
        Self::Append,
    ];

    /// The label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Meta => "meta",
            Self::Select => "select",
            Self::FetchMeta => "fetch_meta",
            Self::FetchContent => "fetch_content",
            Self::Search => "search",
            Self::Store => "store",
            Self::Copy => "copy",
            Self::Append => "append",
        }
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The words of the table's second column.
struct Legal {
    not_authenticated: bool,
    authenticated: bool,
    selected: bool,
}

const fn legal(not_authenticated: bool, authenticated: bool, selected: bool) -> Legal {
    Legal { not_authenticated, authenticated, selected }
}

const ANY: Legal = legal(true, true, true);
const LOGGED_OUT: Legal = legal(true, false, false);
const LOGGED_IN: Legal = legal(false, true, true);
const SELECTED: Legal = legal(false, false, true);

macro_rules! verbs {
    ($( $(#[$doc:meta])* $verb:ident $name:literal, $legal:ident, $pipelining:ident, $kind:ident, $base:ident, $capability:expr; )*) => {
        /// A command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Verb { $( $(#[$doc])* $verb, )* }

        impl Verb {
            /// Every command, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$verb, )* ];

            /// The canonical name: upper case, `UID` and the verb parted by one space.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$verb => $name, )* }
            }

            /// Is the command legal now?
            #[must_use]
            pub const fn legal_in(self, phase: Phase) -> bool {
                let legal = match self { $( Self::$verb => $legal, )* };
                match phase {
                    Phase::NotAuthenticated => legal.not_authenticated,
                    Phase::Authenticated => legal.authenticated,
                    Phase::Selected => legal.selected,
                }
            }

            /// May commands behind this one be judged before it is answered?
            #[must_use]
            pub const fn pipelining(self) -> Pipelining {
                match self { $( Self::$verb => Pipelining::$pipelining, )* }
            }

            /// What it is counted as. FETCH is `FetchMeta` here; its items may make it `FetchContent`.
            #[must_use]
            pub const fn kind(self) -> CommandKind {
                match self { $( Self::$verb => CommandKind::$kind, )* }
            }

            /// The command without its UID form: `UID FETCH` is a FETCH.
            #[must_use]
            pub const fn base(self) -> Self {
                match self { $( Self::$verb => Self::$base, )* }
            }

            /// The capability that says that this command is there, if it has one to itself; see
            /// [`Verb::is_announced_by`] for those that come with a value.
            #[must_use]
            pub const fn capability(self) -> Option<&'static str> {
                match self { $( Self::$verb => $capability, )* }
            }
        }
    };
}

verbs! {
    // verb        name           legal       behind it  counted as base        capability
    /// RFC 9051 §6.1.1
    Capability     "CAPABILITY",     ANY,        Free,    Meta,      Capability,     None;
    /// RFC 9051 §6.1.2
    Noop           "NOOP",           ANY,        Free,    Meta,      Noop,           None;
    /// RFC 9051 §6.1.3
    Logout         "LOGOUT",         ANY,        Barrier, Meta,      Logout,         None;
    /// RFC 2971
    Id             "ID",             ANY,        Free,    Meta,      Id,             Some("ID");
    /// RFC 9051 §6.2.1
    StartTls       "STARTTLS",       LOGGED_OUT, Barrier, Meta,      StartTls,       Some("STARTTLS");
    /// RFC 9051 §6.2.2
    Authenticate   "AUTHENTICATE",   LOGGED_OUT, Barrier, Auth,      Authenticate,   None;
    /// RFC 9051 §6.2.3
    Login          "LOGIN",          LOGGED_OUT, Barrier, Auth,      Login,          None;
    /// RFC 5161
    Enable         "ENABLE",         LOGGED_IN,  Barrier, Meta,      Enable,         Some("ENABLE");
    /// RFC 9051 §6.3.2
    Select         "SELECT",         LOGGED_IN,  Barrier, Select,    Select,         None;
    /// RFC 9051 §6.3.3
    Examine        "EXAMINE",        LOGGED_IN,  Barrier, Select,    Examine,        None;
    /// RFC 9051 §6.3.4
    Create         "CREATE",         LOGGED_IN,  Free,    Meta,      Create,         None;
    /// RFC 9051 §6.3.5
    Delete         "DELETE",         LOGGED_IN,  Free,    Meta,      Delete,         None;
    /// RFC 9051 §6.3.6
    Rename         "RENAME",         LOGGED_IN,  Free,    Meta,      Rename,         None;
    /// RFC 9051 §6.3.7
    Subscribe      "SUBSCRIBE",      LOGGED_IN,  Free,    Meta,      Subscribe,      None;
    /// RFC 9051 §6.3.8
    Unsubscribe    "UNSUBSCRIBE",    LOGGED_IN,  Free,    Meta,      Unsubscribe,    None;
    /// RFC 9051 §6.3.9, RFC 5258
    List           "LIST",           LOGGED_IN,  Free,    Meta,      List,           None;
    /// RFC 3501 §6.3.9
    Lsub           "LSUB",           LOGGED_IN,  Free,    Meta,      Lsub,           None;
    /// Google's forerunner of SPECIAL-USE; Outlook 2013 and 2016 send it.
    Xlist          "XLIST",          LOGGED_IN,  Free,    Meta,      Xlist,          Some("XLIST");
    /// RFC 9051 §6.3.10
    Namespace      "NAMESPACE",      LOGGED_IN,  Free,    Meta,      Namespace,      Some("NAMESPACE");
    /// RFC 9051 §6.3.11
    Status         "STATUS",         LOGGED_IN,  Free,    Meta,      Status,         None;
    /// RFC 9051 §6.3.12, RFC 3502, RFC 4469
    Append         "APPEND",         LOGGED_IN,  Free,    Append,    Append,         None;
    /// RFC 9051 §6.3.13
    Idle           "IDLE",           LOGGED_IN,  Barrier, Meta,      Idle,           Some("IDLE");
    /// RFC 4978. Known, so that rules can name it; never forwarded.
    Compress       "COMPRESS",       LOGGED_IN,  Barrier, Meta,      Compress,       Some("COMPRESS=DEFLATE");
    /// RFC 4314 §3.1
    SetAcl         "SETACL",         LOGGED_IN,  Free,    Meta,      SetAcl,         None;
    /// RFC 4314 §3.2
    DeleteAcl      "DELETEACL",      LOGGED_IN,  Free,    Meta,      DeleteAcl,      None;
    /// RFC 4314 §3.3
    GetAcl         "GETACL",         LOGGED_IN,  Free,    Meta,      GetAcl,         None;
    /// RFC 4314 §3.4
    ListRights     "LISTRIGHTS",     LOGGED_IN,  Free,    Meta,      ListRights,     None;
    /// RFC 4314 §3.5
    MyRights       "MYRIGHTS",       LOGGED_IN,  Free,    Meta,      MyRights,       None;
    /// RFC 9208 §4.1.2
    GetQuota       "GETQUOTA",       LOGGED_IN,  Free,    Meta,      GetQuota,       None;
    /// RFC 9208 §4.1.3
    GetQuotaRoot   "GETQUOTAROOT",   LOGGED_IN,  Free,    Meta,      GetQuotaRoot,   None;
    /// RFC 9208 §4.1.1
    SetQuota       "SETQUOTA",       LOGGED_IN,  Free,    Meta,      SetQuota,       Some("QUOTASET");
    /// RFC 5464 §4.2
    GetMetadata    "GETMETADATA",    LOGGED_IN,  Free,    Meta,      GetMetadata,    None;
    /// RFC 5464 §4.3
    SetMetadata    "SETMETADATA",    LOGGED_IN,  Free,    Meta,      SetMetadata,    None;
    /// RFC 5465. It changes when numbers may change, hence a barrier.
    Notify         "NOTIFY",         LOGGED_IN,  Barrier, Meta,      Notify,         Some("NOTIFY");
    /// RFC 7377
    Esearch        "ESEARCH",        LOGGED_IN,  Free,    Search,    Esearch,        Some("MULTISEARCH");
    /// RFC 3501 §6.4.1
    Check          "CHECK",          SELECTED,   Free,    Meta,      Check,          None;
    /// RFC 9051 §6.4.1
    Close          "CLOSE",          SELECTED,   Barrier, Store,     Close,          None;
    /// RFC 9051 §6.4.2
    Unselect       "UNSELECT",       SELECTED,   Barrier, Meta,      Unselect,       Some("UNSELECT");
    /// RFC 9051 §6.4.3
    Expunge        "EXPUNGE",        SELECTED,   Free,    Store,     Expunge,        None;
    /// RFC 4315 §2.1
    UidExpunge     "UID EXPUNGE",    SELECTED,   Free,    Store,     Expunge,        None;
    /// RFC 9051 §6.4.4
    Search         "SEARCH",         SELECTED,   Free,    Search,    Search,         None;
    /// RFC 9051 §6.4.9
    UidSearch      "UID SEARCH",     SELECTED,   Free,    Search,    Search,         None;
    /// RFC 9051 §6.4.5
    Fetch          "FETCH",          SELECTED,   Free,    FetchMeta, Fetch,          None;
    /// RFC 9051 §6.4.9
    UidFetch       "UID FETCH",      SELECTED,   Free,    FetchMeta, Fetch,          None;
    /// RFC 9051 §6.4.6
    Store          "STORE",          SELECTED,   Free,    Store,     Store,          None;
    /// RFC 9051 §6.4.9
    UidStore       "UID STORE",      SELECTED,   Free,    Store,     Store,          None;
    /// RFC 9051 §6.4.7
    Copy           "COPY",           SELECTED,   Free,    Copy,      Copy,           None;
    /// RFC 9051 §6.4.9
    UidCopy        "UID COPY",       SELECTED,   Free,    Copy,      Copy,           None;
    /// RFC 9051 §6.4.8
    Move           "MOVE",           SELECTED,   Free,    Copy,      Move,           Some("MOVE");
    /// RFC 9051 §6.4.9
    UidMove        "UID MOVE",       SELECTED,   Free,    Copy,      Move,           Some("MOVE");
    /// RFC 5256
    Sort           "SORT",           SELECTED,   Free,    Search,    Sort,           Some("SORT");
    /// RFC 5256
    UidSort        "UID SORT",       SELECTED,   Free,    Search,    Sort,           Some("SORT");
    /// RFC 5256
    Thread         "THREAD",         SELECTED,   Free,    Search,    Thread,         Some("THREAD");
    /// RFC 5256
    UidThread      "UID THREAD",     SELECTED,   Free,    Search,    Thread,         Some("THREAD");
    /// RFC 8508
    Replace        "REPLACE",        SELECTED,   Free,    Append,    Replace,        Some("REPLACE");
    /// RFC 8508
    UidReplace     "UID REPLACE",    SELECTED,   Free,    Append,    Replace,        Some("REPLACE");
    /// RFC 5267 §4.3.2
    CancelUpdate   "CANCELUPDATE",   SELECTED,   Free,    Meta,      CancelUpdate,   None;
    /// RFC 10022
    UidBatches     "UIDBATCHES",     SELECTED,   Free,    Search,    UidBatches,     Some("UIDBATCHES");
}

const NO_VERB: u8 = u8::MAX;

/// The commands by their first letter: the first one of each, and behind each the next one.
struct ByLetter {
    first: [u8; 32],
    next: [u8; Verb::ALL.len()],
}

static BY_LETTER: ByLetter = {
    let mut by = ByLetter { first: [NO_VERB; 32], next: [NO_VERB; Verb::ALL.len()] };
    let mut at = Verb::ALL.len();
    while at > 0 {
        at -= 1;
        let letter = (Verb::ALL[at].name().as_bytes()[0] & 0x1f) as usize;
        by.next[at] = by.first[letter];
        by.first[letter] = at as u8;
    }
    by
};

impl Verb {
    /// The command of that name, in any case: `"uid fetch"`, `"NOOP"`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let letter = usize::from(name.bytes().next()? & 0x1f);
        let mut next = BY_LETTER.first.get(letter).copied().unwrap_or(NO_VERB);
        while let Some(verb) = Self::ALL.get(usize::from(next)) {
            if verb.name().eq_ignore_ascii_case(name) {
                return Some(*verb);
            }
            next = BY_LETTER.next.get(usize::from(next)).copied().unwrap_or(NO_VERB);
        }
        None
    }

    /// Its `UID` form, which stands behind it in the table.
    #[must_use]
    pub fn uid_form(self) -> Option<Self> {
        Self::ALL.get((self as usize).saturating_add(1)).copied().filter(|verb| *verb != self && verb.base() == self)
    }

    /// Does judging wait for the tagged answer of this command?
    #[must_use]
    pub const fn is_barrier(self) -> bool {
        matches!(self.pipelining(), Pipelining::Barrier)
    }

    /// Does this capability go with the command? `SORT` and `SORT=DISPLAY` with SORT, `THREAD=REFS` with THREAD.
    #[must_use]
    pub fn is_announced_by(self, capability: &[u8]) -> bool {
        self.capability().is_some_and(|own| {
            let (head, rest) = capability.split_at_checked(own.len()).unwrap_or((capability, b"?"));
            head.eq_ignore_ascii_case(own.as_bytes()) && matches!(rest, [] | [b'=', ..])
        })
    }

    /// Is this the `UID` form of another command?
    #[must_use]
    pub fn is_uid_form(self) -> bool {
        self != self.base()
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_in_any_case() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name()), Some(*verb));
            assert_eq!(Verb::from_name(&verb.name().to_lowercase()), Some(*verb));
        }
        for other in ["", "1", "FETCHES", "FETC", "\u{e9}"] {
            assert_eq!(Verb::from_name(other), None, "{other}");
        }
        assert_eq!(Verb::from_name("UID NOOP"), None);
        assert_eq!(Verb::from_name("UID"), None);
    }

    #[test]
    fn uid_forms_share_everything_with_their_base() {
        for verb in Verb::ALL {
            let base = verb.base();
            assert_eq!(base.base(), base);
            assert_eq!(verb.is_uid_form(), verb.name().starts_with("UID "), "{verb}");
            let form = Verb::ALL.iter().copied().find(|form| form.is_uid_form() && form.base() == *verb);
            assert_eq!(verb.uid_form(), form, "{verb}");
            assert_eq!((verb.kind(), verb.pipelining()), (base.kind(), base.pipelining()), "{verb}");
        }
    }

    #[test]
    fn capabilities_that_go_with_a_command() {
        let rows: [(Verb, &[u8], bool); 8] = [
            (Verb::Move, b"move", true),
            (Verb::Sort, b"SORT=DISPLAY", true),
            (Verb::Sort, b"SORTED", false),
            (Verb::UidThread, b"THREAD=REFS", true),
            (Verb::Compress, b"COMPRESS=DEFLATE", true),
            (Verb::Idle, b"ID", false),
            (Verb::Id, b"IDLE", false),
            (Verb::Fetch, b"", false),
        ];
        for (verb, capability, want) in rows {
            assert_eq!(verb.is_announced_by(capability), want, "{verb}");
        }
    }

    #[test]
    fn every_command_is_legal_somewhere() {
        let phases = [Phase::NotAuthenticated, Phase::Authenticated, Phase::Selected];
        for verb in Verb::ALL {
            assert!(phases.iter().any(|phase| verb.legal_in(*phase)), "{verb}");
            assert!(!verb.legal_in(Phase::Authenticated) || verb.legal_in(Phase::Selected), "{verb}");
        }
    }
}
