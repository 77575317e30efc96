//! The closed lists of words that stand in records and labels.

use std::fmt;
use std::sync::Arc;

/// Makes an enum of names that stand in records and metrics labels: the names are the contract, the variants are ours.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in records and labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use names;

names! {
    /// Where in a command's life an event stands (audit.md §3).
    Stage {
        /// Before the command goes up.
        Intent = "intent",
        /// What really happened.
        Done = "done",
        /// Nothing went up.
        Refused = "refused",
    }
}

names! {
    /// What became of a request.
    VerdictKind {
        /// Nothing was taken.
        Allowed = "allowed",
        /// Went up or came back with less.
        Narrowed = "narrowed",
        /// Answered as absent.
        Hidden = "hidden",
        /// Refused.
        Refused = "refused",
        /// A budget is used up.
        Limited = "limited",
    }
}

names! {
    /// How a command ended.
    ResultStatus {
        /// Tagged OK.
        Ok = "OK",
        /// Tagged NO.
        No = "NO",
        /// Tagged BAD.
        Bad = "BAD",
        /// The peer, or the proxy, said BYE instead.
        Bye = "BYE",
        /// The connection was lost first.
        Cut = "CUT",
    }
}

names! {
    /// Why the proxy stops.
    StopReason {
        /// SIGTERM or SIGINT, and all sessions ended.
        Drained = "drained",
        /// A second signal, or the end of the drain window.
        Forced = "forced",
        /// It could not go on.
        Error = "error",
    }
}

names! {
    /// What went wrong with an upstream.
    UpstreamError {
        /// Connection refused, or no address.
        Refused = "refused",
        /// Nothing came in time.
        Timeout = "timeout",
        /// TLS failed.
        Tls = "tls",
        /// It refuses the proxy's own login.
        Auth = "auth",
        /// It said BYE.
        Bye = "bye",
        /// It could not be understood.
        Syntax = "syntax",
        /// The connection was lost.
        Reset = "reset",
    }
}

names! {
    /// Why a connection is turned away.
    RefusedReason {
        /// The listener's `max_connections`.
        TooMany = "too_many",
        /// The listener's `max_connections_per_ip`.
        TooManyFromAddress = "too_many_from_address",
        /// The address failed to log in too often.
        AuthFailures = "auth_failures",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The PROXY protocol header was missing or wrong.
        ProxyProtocol = "proxy_protocol",
        /// The proxy is draining.
        Draining = "draining",
        /// The audit log fails.
        Audit = "audit",
    }
}

names! {
    /// Why a session ended.
    CloseReason {
        /// LOGOUT.
        Logout = "logout",
        /// The client's connection ended without LOGOUT.
        ClientClosed = "client_closed",
        /// The upstream's connection ended without BYE.
        UpstreamClosed = "upstream_closed",
        /// The upstream said BYE.
        UpstreamBye = "upstream_bye",
        /// The upstream was silent for too long.
        UpstreamTimeout = "upstream_timeout",
        /// The upstream could not be understood.
        UpstreamFault = "upstream_fault",
        /// Nobody logged in within `pre_auth_timeout`.
        PreAuthTimeout = "pre_auth_timeout",
        /// The client was silent for `idle_timeout`.
        IdleTimeout = "idle_timeout",
        /// STARTTLS failed.
        Tls = "tls",
        /// Framing was lost, or too much that could not be understood.
        ClientFault = "client_fault",
        /// Too many logins failed.
        AuthFailures = "auth_failures",
        /// The rules no longer let this session be.
        Policy = "policy",
        /// A response could not be filtered.
        FilterFailure = "filter_failure",
        /// A limit was reached.
        Limit = "limit",
        /// The audit log fails.
        Audit = "audit",
        /// The proxy drained.
        Drain = "drain",
        /// Somebody ended it: `session.kill` says who and why.
        Killed = "killed",
        /// A fault of the proxy itself.
        Internal = "internal",
    }
}

names! {
    /// Who, or what, ended a session that would have gone on.
    KilledBy {
        /// Somebody, by the admin API.
        Admin = "admin",
        /// A lock.
        Lock = "lock",
        /// Rules that deny the login now, or hide the open mailbox.
        Rule = "rule",
        /// Other rules, under which what the session has done or switched on would not have been.
        Reload = "reload",
    }
}

names! {
    /// What is done with a lock.
    LockOp {
        /// It holds from now on.
        Add = "add",
        /// Somebody took it away.
        Remove = "remove",
        /// Its time is over.
        Expire = "expire",
    }
}

names! {
    /// Who ended a session.
    ClosedBy {
        /// The client.
        Client = "client",
        /// The upstream.
        Upstream = "upstream",
        /// The proxy.
        Proxy = "proxy",
    }
}

names! {
    /// How somebody logs in. The verb tells LOGIN from AUTHENTICATE LOGIN.
    Mechanism {
        /// The LOGIN command, or SASL LOGIN.
        Login = "LOGIN",
        /// SASL PLAIN (RFC 4616).
        Plain = "PLAIN",
        /// XOAUTH2 (Google, Microsoft).
        Xoauth2 = "XOAUTH2",
        /// OAUTHBEARER (RFC 7628).
        Oauthbearer = "OAUTHBEARER",
        /// SCRAM-SHA-1 (RFC 5802).
        ScramSha1 = "SCRAM-SHA-1",
        /// SCRAM-SHA-256 (RFC 7677).
        ScramSha256 = "SCRAM-SHA-256",
        /// EXTERNAL (RFC 4422 appendix A).
        External = "EXTERNAL",
        /// Any other, which is not offered.
        Other = "OTHER",
    }
}

names! {
    /// Why a login failed.
    AuthFailureReason {
        /// The upstream, or the proxy's own store, says no.
        Credentials = "credentials",
        /// The credential's time is over.
        Expired = "expired",
        /// The credential was revoked.
        Revoked = "revoked",
        /// Nobody could be asked.
        Unavailable = "unavailable",
        /// Too many failures, or too many sessions.
        TooMany = "too_many",
        /// The exchange was not understood, or was cancelled.
        Protocol = "protocol",
    }
}

names! {
    /// LIST or LSUB.
    ListOp {
        /// LIST.
        List = "LIST",
        /// LSUB.
        Lsub = "LSUB",
    }
}

names! {
    /// What is done with the rights on a mailbox.
    AclOp {
        /// SETACL.
        Set = "set",
        /// DELETEACL.
        Delete = "delete",
        /// GETACL.
        Get = "get",
        /// LISTRIGHTS.
        ListRights = "list_rights",
        /// MYRIGHTS.
        MyRights = "my_rights",
    }
}

names! {
    /// What is done to a mailbox.
    MailboxChange {
        /// CREATE.
        Create = "create",
        /// DELETE.
        Delete = "delete",
        /// RENAME.
        Rename = "rename",
        /// SUBSCRIBE.
        Subscribe = "subscribe",
        /// UNSUBSCRIBE.
        Unsubscribe = "unsubscribe",
    }
}

names! {
    /// What STORE does with flags.
    FlagOp {
        /// `+FLAGS`
        Add = "add",
        /// `-FLAGS`
        Remove = "remove",
        /// `FLAGS`
        Replace = "replace",
    }
}

names! {
    /// COPY or MOVE.
    CopyOp {
        /// COPY.
        Copy = "copy",
        /// MOVE.
        Move = "move",
    }
}

names! {
    /// How messages are expunged.
    ExpungeHow {
        /// EXPUNGE.
        Expunge = "expunge",
        /// UID EXPUNGE.
        UidExpunge = "uid_expunge",
        /// CLOSE.
        Close = "close",
    }
}

names! {
    /// What a limit counts.
    LimitKind {
        /// Octets delivered.
        Download = "download",
        /// Messages delivered.
        Messages = "messages",
        /// Commands.
        Commands = "commands",
        /// Sessions at the same time.
        Sessions = "sessions",
        /// Octets of one message.
        MessageSize = "message_size",
        /// Failed logins.
        AuthFailures = "auth_failures",
        /// Commands that could not be understood.
        BadCommands = "bad_commands",
        /// Octets of a line.
        Line = "line",
        /// Octets of a literal.
        Literal = "literal",
    }
}

/// Which limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitName {
    /// That of a rule, by its id.
    Rule(Arc<str>),
    /// That of a key in `[limits]`, or of a listener.
    Key(&'static str),
}

names! {
    /// For whom a limit counts.
    LimitPer {
        /// A user.
        User = "user",
        /// A credential.
        Credential = "credential",
        /// A client's address.
        ClientIp = "client_ip",
        /// A session.
        Session = "session",
        /// A listener.
        Listener = "listener",
    }
}

names! {
    /// What is done when a limit is reached.
    LimitAction {
        /// NO, or BAD.
        Refuse = "refuse",
        /// Later.
        Delay = "delay",
        /// BYE.
        Close = "close",
    }
}

names! {
    /// What made the proxy read its rules.
    LoadedBy {
        /// Its start.
        Start = "start",
        /// SIGHUP.
        Signal = "signal",
        /// The admin API.
        Api = "api",
    }
}

names! {
    /// A side of the proxy.
    Side {
        /// The client's.
        Client = "client",
        /// The upstream's.
        Upstream = "upstream",
    }
}

names! {
    /// What was wrong with bytes.
    FaultReason {
        /// LF without CR before it.
        BareLf = "bare_lf",
        /// CR without LF after it.
        BareCr = "bare_cr",
        /// A NUL outside a binary literal.
        Nul = "nul",
        /// A line past `max_line`.
        LineTooLong = "line_too_long",
        /// A literal past its limit.
        LiteralTooLong = "literal_too_long",
        /// A literal's size that is no number, or overflows.
        LiteralSize = "literal_size",
        /// Bytes behind STARTTLS, before the handshake.
        BytesBehindStarttls = "bytes_behind_starttls",
        /// A command that the grammar does not know.
        UnknownCommand = "unknown_command",
        /// A command that does not follow its grammar.
        CommandSyntax = "command_syntax",
        /// A command that is not legal in this state.
        WrongState = "wrong_state",
        /// A tag that is none, or `+`.
        BadTag = "bad_tag",
        /// A SASL exchange that does not follow its mechanism.
        Sasl = "sasl",
        /// A response that does not follow its grammar.
        ResponseSyntax = "response_syntax",
        /// A tagged response to nothing that is under way.
        UnknownTag = "unknown_tag",
        /// A continuation request that nobody waits for.
        UnexpectedContinuation = "unexpected_continuation",
        /// A response that has no place in this state.
        OutOfPlace = "out_of_place",
        /// A FETCH item that the table of read classes lacks.
        UnknownItem = "unknown_item",
        /// The connection ended inside a line or a literal.
        Truncated = "truncated",
    }
}

names! {
    /// Which response could not be filtered.
    FilteredResponse {
        /// LIST, LSUB.
        List = "list",
        /// STATUS.
        Status = "status",
        /// NAMESPACE.
        Namespace = "namespace",
        /// MYRIGHTS, ACL, LISTRIGHTS.
        Rights = "rights",
        /// FETCH.
        Fetch = "fetch",
        /// SEARCH, ESEARCH, SORT, THREAD.
        Search = "search",
        /// EXISTS, EXPUNGE, VANISHED.
        Numbers = "numbers",
        /// OK, NO, BAD, BYE.
        Condition = "condition",
        /// Any other.
        Other = "other",
    }
}

names! {
    /// What is done with a response that cannot be filtered.
    FilterAction {
        /// It is not relayed.
        Withheld = "withheld",
        /// The session ends, too.
        Closed = "closed",
    }
}

names! {
    /// By which way the log was read.
    AccessVia {
        /// With the tools of this program.
        Cli = "cli",
        /// Over the admin API.
        Api = "api",
    }
}

names! {
    /// Why a segment begins.
    OpenReason {
        /// A new log.
        First = "first",
        /// The proxy started.
        Start = "start",
        /// The segment before is full.
        Rotate = "rotate",
    }
}

names! {
    /// Why a segment ends.
    CloseSegment {
        /// It is full.
        Rotate = "rotate",
        /// The proxy stops.
        Stop = "stop",
    }
}

names! {
    /// Why records were lost.
    GapReason {
        /// No room on disk.
        DiskFull = "disk_full",
        /// Any other error of writing.
        IoError = "io_error",
    }
}

names! {
    /// `[audit] on_failure`: what holds when records cannot be written.
    OnFailure {
        /// What cannot be recorded is not done.
        Refuse = "refuse",
        /// Serve, and count the loss.
        Continue = "continue",
    }
}

names! {
    /// `[audit] durability`: when records are on disk.
    Durability {
        /// In the kernel before their bytes move, on disk within 50 ms.
        Batched = "batched",
        /// On disk before their bytes move.
        Strict = "strict",
    }
}
