//! Every answer in the proxy's own words, in one place: two spellings of one refusal are a leak.

use crate::imap::verb::Verb;

/// A tagged answer in the proxy's own words, without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done.
    Completed(Verb),
    /// Logged in: completed, with capabilities.
    Capabilities(Vec<u8>),
    /// Not on the list of commands.
    UnknownCommand,
    /// The grammar does not have it.
    Syntax,
    /// Not in this state.
    WrongState,
    /// The literal or the command is larger than it may be.
    TooLarge,
    /// No such mailbox (RFC 5530 §3).
    Absent,
    /// No such mailbox to copy to, but it could be created (RFC 9051 §7.1).
    TryCreate,
    /// A rule takes it; the reference leads to its record.
    NotPermitted {
        /// Session id and ordinal.
        reference: String,
    },
    /// A budget is used up; the reference leads to its record.
    Limited {
        /// Session id and ordinal.
        reference: String,
    },
    /// A message is larger than a rule lets it be.
    TooBig {
        /// Session id and ordinal.
        reference: String,
    },
    /// The mailbox is open read-only, and this writes.
    Refused {
        /// What the answer says.
        text: &'static str,
    },
    /// Broken for now: the upstream or the record.
    Unavailable,
    /// The password or token is wrong, as far as the client learns.
    AuthenticationFailed,
    /// A rule denies this login, with the rule's own text.
    LoginDenied {
        /// The rule's text, made fit for a line.
        text: String,
    },
    /// Credentials came in clear.
    PrivacyRequired,
    /// The client ended the exchange with `*`, or sent what is no base64.
    AuthenticationAborted,
}

impl Answer {
    /// Writes the line that answers `tag`.
    pub fn write(&self, tag: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(tag);
        out.push(b' ');
        match self {
            Self::Completed(verb) => put(out, &["OK ", verb.name(), " completed"]),
            Self::Capabilities(list) => {
                put(out, &["OK [CAPABILITY "]);
                out.extend_from_slice(list);
                put(out, &["] logged in"]);
            }
            Self::UnknownCommand => put(out, &["BAD unknown command"]),
            Self::Syntax => put(out, &["BAD syntax error"]),
            Self::WrongState => put(out, &["BAD command not allowed in this state"]),
            Self::TooLarge => put(out, &["BAD [TOOBIG] too large"]),
            Self::Absent => put(out, &["NO [NONEXISTENT] mailbox does not exist"]),
            Self::TryCreate => put(out, &["NO [TRYCREATE] mailbox does not exist"]),
            Self::NotPermitted { reference } => put(out, &["NO [NOPERM] not permitted (ref ", reference, ")"]),
            Self::Limited { reference } => put(out, &["NO [LIMIT] limit reached (ref ", reference, ")"]),
            Self::TooBig { reference } => put(out, &["NO [TOOBIG] message too large (ref ", reference, ")"]),
            Self::Refused { text } => put(out, &["NO ", text]),
            Self::Unavailable => put(out, &["NO [UNAVAILABLE] temporarily unavailable"]),
            Self::AuthenticationFailed => put(out, &["NO [AUTHENTICATIONFAILED] authentication failed"]),
            Self::LoginDenied { text } => put(out, &["NO [AUTHORIZATIONFAILED] ", text]),
            Self::PrivacyRequired => put(out, &["NO [PRIVACYREQUIRED] TLS is required to log in"]),
            Self::AuthenticationAborted => put(out, &["BAD authentication aborted"]),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Status and response code, for the record.
    pub fn result(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Completed(_) | Self::Capabilities(_) => ("OK", None),
            Self::UnknownCommand | Self::Syntax | Self::WrongState | Self::AuthenticationAborted => ("BAD", None),
            Self::TooLarge => ("BAD", Some("TOOBIG")),
            Self::Absent => ("NO", Some("NONEXISTENT")),
            Self::TryCreate => ("NO", Some("TRYCREATE")),
            Self::NotPermitted { .. } => ("NO", Some("NOPERM")),
            Self::Limited { .. } => ("NO", Some("LIMIT")),
            Self::TooBig { .. } => ("NO", Some("TOOBIG")),
            Self::Refused { .. } => ("NO", None),
            Self::Unavailable => ("NO", Some("UNAVAILABLE")),
            Self::AuthenticationFailed => ("NO", Some("AUTHENTICATIONFAILED")),
            Self::LoginDenied { .. } => ("NO", Some("AUTHORIZATIONFAILED")),
            Self::PrivacyRequired => ("NO", Some("PRIVACYREQUIRED")),
        }
    }
}

/// Why the proxy ends a session, in the words the client hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bye {
    /// LOGOUT was asked for.
    Logout,
    /// The upstream or the audit log is away.
    Unavailable,
    /// The client was silent too long.
    Idle,
    /// The client did not log in in time.
    LoginTimeout,
    /// The client sends what cannot be framed, or keeps sending what cannot be read.
    Garbage,
    /// The proxy is stopping.
    Drain,
    /// A rule now denies this login, or hides the open mailbox.
    Policy,
    /// Somebody ends this session.
    Killed,
}

impl Bye {
    /// The untagged line.
    pub fn line(self) -> &'static str {
        match self {
            Self::Logout => "* BYE logging out\r\n",
            Self::Unavailable => "* BYE [UNAVAILABLE] closing connection\r\n",
            Self::Idle => "* BYE idle for too long\r\n",
            Self::LoginTimeout => "* BYE login took too long\r\n",
            Self::Garbage => "* BYE too many errors\r\n",
            Self::Drain => "* BYE server is restarting, please reconnect\r\n",
            Self::Policy => "* BYE closing connection\r\n",
            Self::Killed => "* BYE session ended by an administrator\r\n",
        }
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
