//! What a client may do now, and what each command does.
//!
//! ```text
//!   NotAuthenticated ──LOGIN──▶ Authenticated ──SELECT──▶ Selected ──CLOSE──▶ Authenticated
//!                                                                   any of them ──LOGOUT──▶ Logout
//! ```
//!
//! A command writes its untagged responses and ends in an [`Outcome`]; the tag and the socket are the server's.

use std::borrow::Cow;

use tokio::sync::watch;

use super::incoming::{Expected, MAX_MESSAGE};
use super::store::{Account, Store};
use super::view::{Expunges, View, put};
use crate::imap::mailbox::MailboxName;
use crate::imap::verb::{Phase, Verb};
use crate::wire::command::{Args, Command, MailboxArg, Utf8Mode, login};
use crate::wire::error::SyntaxError;
use crate::wire::sasl::Plain;

/// What works, but for how to log in.
pub(super) const CAPABILITIES: &str = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN SPECIAL-USE \
    LIST-EXTENDED LIST-STATUS STATUS=SIZE UNSELECT UIDPLUS MOVE MULTIAPPEND ESEARCH WITHIN APPENDLIMIT=67108864";

/// The text of a tagged OK, with its response code; an empty one says that the command is completed.
pub(super) type Outcome = Result<Cow<'static, str>, Refused>;

/// A tagged response that is not OK: its text, with its response code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    No(Cow<'static, str>),
    Bad(Cow<'static, str>),
}

impl Refused {
    pub const fn no(text: &'static str) -> Self {
        Self::No(Cow::Borrowed(text))
    }

    pub const fn bad(text: &'static str) -> Self {
        Self::Bad(Cow::Borrowed(text))
    }
}

impl From<SyntaxError> for Refused {
    fn from(error: SyntaxError) -> Self {
        Self::Bad(error.to_string().into())
    }
}

/// The OK that says no more than that.
pub(super) const DONE: Outcome = Ok(Cow::Borrowed(""));

/// One client's session.
pub(super) struct Session {
    store: Store,
    pub(super) state: State,
    /// Responses that have not been sent.
    pub(super) out: Vec<u8>,
}

pub(super) enum State {
    NotAuthenticated,
    Authenticated(Account),
    Selected(Account, View),
    Logout,
}

impl Session {
    pub fn new(store: Store) -> Self {
        Self { store, state: State::NotAuthenticated, out: Vec::new() }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Logout)
    }

    /// Is the command legal in this state?
    pub fn admit(&self, verb: Verb) -> Result<(), Refused> {
        let phase = match self.state {
            State::NotAuthenticated => Phase::NotAuthenticated,
            State::Authenticated(_) => Phase::Authenticated,
            State::Selected(..) => Phase::Selected,
            State::Logout => return Err(Refused::bad("the session is over")),
        };
        if verb.legal_in(phase) {
            return Ok(());
        }
        Err(Refused::bad(match phase {
            Phase::NotAuthenticated => "log in first",
            Phase::Authenticated if verb.legal_in(Phase::Selected) => "select a mailbox first",
            Phase::Authenticated | Phase::Selected => "already logged in",
        }))
    }

    /// Is the literal worth sending? Mail that could not be kept is refused before it is on its way.
    pub fn may_send(&self, expected: &Expected<'_>) -> Result<(), Refused> {
        match expected {
            Expected::Argument | Expected::OneMore => Ok(()),
            Expected::Message(append) => {
                self.admit(append.verb)?;
                if append.verb != Verb::Append {
                    return Err(Refused::bad("not supported here"));
                }
                let name = mailbox_name(&append.mailbox)?;
                match self.account()?.lock().by_name(&name) {
                    Some(_) => Ok(()),
                    None => Err(Refused::no("[TRYCREATE] no such mailbox")),
                }
            }
        }
    }

    /// Does what the command says. FETCH, IDLE and AUTHENTICATE are conversations and have doors of their own.
    pub fn execute(&mut self, command: &Command<'_>) -> Outcome {
        let by_uid = command.verb.is_uid_form();
        match &command.args {
            Args::Login(login) => self.login(login),
            Args::Id(_) => self.id(),
            Args::Enable(_) => self.untagged("ENABLED"), // there is nothing to enable (RFC 5161 §3.1)
            Args::Open(open) => self.open(open, command.verb == Verb::Examine),
            Args::Create(create) => self.create(create),
            Args::Mailbox(mailbox) => match command.verb {
                Verb::Delete => self.delete(mailbox),
                Verb::Subscribe => self.subscribe(mailbox, true),
                Verb::Unsubscribe => self.subscribe(mailbox, false),
                _ => unsupported(),
            },
            Args::Rename(rename) => self.rename(rename),
            Args::List(list) => match command.verb {
                Verb::List => self.list(list),
                Verb::Lsub => self.lsub(list),
                _ => unsupported(),
            },
            Args::Status(status) => self.status(status),
            Args::Append(append) => self.append(append),
            Args::Search(search) => self.search(search, by_uid, command.tag.text),
            Args::Store(store) => self.store(store, by_uid),
            Args::Copy(copy) => self.copy(copy, by_uid, command.verb.base() == Verb::Move),
            Args::UidExpunge(set) => self.expunge(Some(set)),
            Args::None => self.without_arguments(command.verb),
            Args::Fetch(_)
            | Args::Authenticate(_)
            | Args::Compress(_)
            | Args::Replace(_)
            | Args::SetAcl(_)
            | Args::Acl(_)
            | Args::GetQuota(_)
            | Args::SetQuota(_)
            | Args::GetMetadata(_)
            | Args::SetMetadata(_)
            | Args::Notify(_)
            | Args::Esearch(_)
            | Args::Sort(_)
            | Args::Thread(_)
            | Args::CancelUpdate(_)
            | Args::UidBatches(_) => unsupported(),
        }
    }

    fn without_arguments(&mut self, verb: Verb) -> Outcome {
        match verb {
            Verb::Noop | Verb::Check => DONE,
            Verb::Capability => {
                let auth = if matches!(self.state, State::NotAuthenticated) { " AUTH=PLAIN" } else { "" };
                self.untagged(&format!("CAPABILITY {CAPABILITIES}{auth}"))
            }
            Verb::Logout => {
                self.state = State::Logout;
                self.untagged("BYE logging out")
            }
            Verb::Namespace => self.untagged(r#"NAMESPACE (("" "/")) NIL NIL"#),
            Verb::Close => self.close(),
            Verb::Unselect => {
                self.unselect();
                DONE
            }
            Verb::Expunge => self.expunge(None),
            _ => unsupported(),
        }
    }

    fn login(&mut self, login: &login::Login<'_>) -> Outcome {
        self.authenticated(login.user.as_str().unwrap_or_default(), &login.password.octets)
    }

    /// Nobody here may act for somebody else.
    pub fn plain(&mut self, plain: &Plain<'_>) -> Outcome {
        if plain.delegated {
            return Err(Refused::no("[AUTHORIZATIONFAILED] log in as yourself"));
        }
        self.authenticated(&plain.named.user, plain.password)
    }

    fn authenticated(&mut self, user: &str, password: &[u8]) -> Outcome {
        let account = self.store.login(user, password);
        let account = account.ok_or(Refused::no("[AUTHENTICATIONFAILED] wrong name or password"))?;
        self.state = State::Authenticated(account);
        Ok(format!("[CAPABILITY {CAPABILITIES}] logged in").into())
    }

    fn id(&mut self) -> Outcome {
        let version = env!("CARGO_PKG_VERSION");
        self.untagged(&format!(r#"ID ("name" "imapwarden demo server" "version" "{version}")"#))
    }

    pub(super) fn untagged(&mut self, text: &str) -> Outcome {
        put(&mut self.out, format_args!("* {text}\r\n"));
        DONE
    }

    pub(super) fn account(&self) -> Result<&Account, Refused> {
        match &self.state {
            State::Authenticated(account) | State::Selected(account, _) => Ok(account),
            State::NotAuthenticated | State::Logout => Err(Refused::bad("log in first")),
        }
    }

    /// The account and the selected mailbox.
    pub(super) fn selected(&self) -> Result<(&Account, &View), Refused> {
        match &self.state {
            State::Selected(account, view) => Ok((account, view)),
            _ => Err(Refused::bad("select a mailbox first")),
        }
    }

    /// As `selected`, if the mailbox may be changed.
    pub(super) fn writable(&self) -> Result<(&Account, &View), Refused> {
        let (account, view) = self.selected()?;
        if view.read_only { Err(Refused::no("the mailbox is selected read-only")) } else { Ok((account, view)) }
    }

    /// Leaves the selected mailbox.
    pub(super) fn unselect(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Logout) {
            State::Selected(account, _) => State::Authenticated(account),
            other => other,
        };
    }

    /// Wakes when something changes in the account.
    pub fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.account().ok().map(Account::changes)
    }

    /// Tells what has changed in the selected mailbox, as far as the command that ends now allows (RFC 9051 §7.5.1).
    pub fn announce(&mut self, verb: Verb) {
        let State::Selected(account, view) = &mut self.state else { return };
        let expunges = match verb {
            Verb::Fetch | Verb::Store | Verb::Search => Expunges::Withheld,
            _ => Expunges::Told,
        };
        let mut mailboxes = account.lock();
        match mailboxes.by_id_mut(view.mailbox) {
            Some(mailbox) => view.announce(mailbox, expunges, verb.is_uid_form(), &mut self.out),
            None => {
                drop(mailboxes);
                self.out.extend_from_slice(b"* BYE the selected mailbox has been deleted\r\n");
                self.state = State::Logout;
            }
        }
    }
}

fn unsupported() -> Outcome {
    Err(Refused::bad("not supported here"))
}

/// The name that an argument spells.
pub(super) fn mailbox_name(argument: &MailboxArg<'_>) -> Result<MailboxName, Refused> {
    let name = argument.name(Utf8Mode::Off, Some('/'));
    name.map_err(|error| Refused::No(format!("[CANNOT] the name of the mailbox is no good: {error}").into()))
}

const _: () = assert!(MAX_MESSAGE == 67_108_864, "APPENDLIMIT says what is taken");
