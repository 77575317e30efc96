//! A command as it is written on a command line or in a test: `UID MOVE 4410 Archive`.

use std::ops::Range;

use crate::imap::mailbox::MailboxName;
use crate::imap::message::Flag;
use crate::imap::verb::{Phase, Verb};
use crate::policy::{Counted, FlagChange, FlagsWanted, Request, Role, Roles, Target};
use crate::session::asks::{absent_code, flags_appended, flags_wanted, names_mailbox, role_of_named};
use crate::session::event::ReadClass;
use crate::wire::command::{Args, Command, CommandPrefix, MailboxArg, Role as Names, Utf8Mode};

/// A command without a session, as policy must know it.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which command.
    pub verb: Verb,
    /// The mailboxes that it names, then the selected one, with what is done to each.
    targets: Vec<(Role, MailboxName)>,
    /// How many of them it names.
    named: usize,
    flags: FlagsWanted,
    /// What budgets count of it.
    pub counted: Counted,
    /// The response code where a mailbox that it names is not there.
    pub absent_code: &'static str,
}

/// Why a text is no command that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the text.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What a record says of its command.
#[derive(Debug, Clone, Default)]
pub struct Recorded<'r> {
    /// The command.
    pub verb: &'r str,
    /// The mailbox that it was about.
    pub mailbox: Option<&'r str>,
    /// Where messages were to go.
    pub copied_to: Option<&'r str>,
    /// The new name.
    pub renamed_to: Option<&'r str>,
    /// Flags that it named.
    pub flags: Vec<&'r str>,
    /// What was to be done with them.
    pub op: &'r str,
    /// The class of what was to be read.
    pub want: &'r str,
    /// Octets of the message that it brought.
    pub size: Option<u64>,
}

impl Recorded<'_> {
    fn flags(&self) -> FlagsWanted {
        let change = match self.op {
            "remove" => FlagChange::Remove,
            "replace" => FlagChange::Replace,
            _ => FlagChange::Add,
        };
        let flags: Vec<Flag> = self.flags.iter().filter_map(|flag| Flag::parse(flag)).collect();
        let other = flags.iter().any(|flag| !matches!(flag, Flag::Seen | Flag::Deleted));
        FlagsWanted { seen: flags.contains(&Flag::Seen), deleted: flags.contains(&Flag::Deleted), other, change }
    }

    fn counted(&self) -> Counted {
        let class = ReadClass::ALL.iter().copied().find(|class| class.as_str() == self.want);
        let reaches = |least: ReadClass| class.is_some_and(|class| class >= least);
        Counted { download: reaches(ReadClass::Envelope), messages: reaches(ReadClass::Preview), brings: self.size }
    }
}

/// Commands are read as clients send them, under a tag.
const TAG: &str = "t ";

/// Policy knows levels by "/", whatever a server parts them with.
const DELIMITER: Option<char> = Some('/');

impl Question {
    /// Reads a command; `selected` is the mailbox that is open.
    ///
    /// # Errors
    /// Where it is no command, or cannot be tried like this.
    pub fn parse(text: &str, selected: Option<&str>) -> Result<Self, Fault> {
        let whole = 0..text.len();
        if text.contains(['\r', '\n']) && !text.contains('}') {
            return Err(fault(whole, "a command is one line", None));
        }
        let frame = format!("{TAG}{text}\r\n");
        let mode = if text.is_ascii() { Utf8Mode::Off } else { Utf8Mode::On };
        let question = match Command::parse_prefix(frame.as_bytes(), mode) {
            Ok(CommandPrefix::MessageLiteral(message)) => {
                let append = &message.append;
                let names = std::iter::once((Names::AppendTo, &append.mailbox));
                let asked = Self::of(append.verb, names, flags_appended(append), mode, text);
                asked.map(|asked| asked.counting(Counted { brings: Some(message.literal.size), ..Counted::default() }))
            }
            _ => {
                let command = Command::parse(frame.as_bytes(), mode).map_err(|error| syntax(text, error))?;
                let asked = Self::of(command.verb, command.mailboxes(), flags_wanted(&command, false), mode, text);
                asked.map(|asked| asked.counting(counted(&command)))
            }
        }?;
        question.in_state(selected, whole)
    }

    /// The same of a command that is on record. `None`: it came before the login, or its mailbox is not told.
    #[must_use]
    pub fn of_record(record: &Recorded<'_>) -> Option<Self> {
        let verb = Verb::from_name(record.verb)?;
        let name = |name: Option<&str>| name.map(MailboxName::new);
        let (mailbox, copied_to) = (name(record.mailbox), name(record.copied_to));
        let roles = Roles::of(verb);
        let (named, selected) = match (roles.named, roles.selected) {
            (Some(to), Some(from)) if copied_to.is_some() => ([Some((to, copied_to?)), None], Some((from, mailbox?))),
            // REPLACE: which mailbox was open is not on record.
            (Some(role), _) => ([Some((role, mailbox?)), roles.second.zip(name(record.renamed_to))], None),
            (None, Some(role)) => ([None, None], Some((role, mailbox?))),
            (None, None) if verb.legal_in(Phase::Authenticated) => ([None, None], None),
            (None, None) => return None,
        };
        let mut targets: Vec<(Role, MailboxName)> = named.into_iter().flatten().collect();
        let named = targets.len();
        targets.extend(selected);
        let absent_code = match roles.named {
            Some(Role::CopyTo | Role::MoveTo | Role::AppendTo) => absent_code(Names::AppendTo),
            _ => absent_code(Names::Open),
        };
        Some(Self { verb, targets, named, flags: record.flags(), counted: record.counted(), absent_code })
    }

    fn counting(self, counted: Counted) -> Self {
        Self { counted, ..self }
    }

    /// To open a mailbox.
    #[must_use]
    pub fn open(mailbox: &str) -> Self {
        let targets = vec![(Role::Select, MailboxName::new(mailbox))];
        let absent_code = absent_code(Names::Open);
        let counted = Counted::default();
        Self { verb: Verb::Select, targets, named: 1, flags: FlagsWanted::NONE, counted, absent_code }
    }

    /// The same of a command that may set `\Seen`.
    #[must_use]
    pub fn setting_seen(self) -> Self {
        Self { flags: FlagsWanted { seen: true, ..FlagsWanted::NONE }, ..self }
    }

    fn of<'a>(
        verb: Verb,
        names: impl Iterator<Item = (Names, &'a MailboxArg<'a>)>,
        flags: FlagsWanted,
        mode: Utf8Mode,
        text: &str,
    ) -> Result<Self, Fault> {
        let (mut targets, mut code) = (Vec::new(), absent_code(Names::Open));
        for (role, arg) in names.filter(|(role, arg)| names_mailbox(*role, arg)) {
            let name = arg.name(mode, DELIMITER).map_err(|error| {
                let help = "as clients send it: modified UTF-7, with \"&-\" for \"&\", or UTF-8";
                fault(place(text, arg.span()), format!("not a mailbox name: {error}"), Some(help))
            })?;
            if targets.is_empty() {
                code = absent_code(role);
            }
            targets.push((role_of_named(Roles::of(verb), targets.len()), name));
        }
        let counted = Counted::default();
        Ok(Self { verb, named: targets.len(), targets, flags, counted, absent_code: code })
    }

    /// What is about the selected mailbox needs one.
    fn in_state(mut self, selected: Option<&str>, whole: Range<usize>) -> Result<Self, Fault> {
        let verb = self.verb;
        if !verb.legal_in(Phase::Authenticated) && !verb.legal_in(Phase::Selected) {
            let help = "what rules say to logins is told without a command";
            return Err(fault(whole, format!("{verb} comes before the login is over"), Some(help)));
        }
        match (selected, Roles::of(verb).selected) {
            (Some(mailbox), Some(role)) => self.targets.push((role, MailboxName::new(mailbox))),
            (None, _) if !verb.legal_in(Phase::Authenticated) => {
                let help = "say which mailbox is open";
                return Err(fault(whole, format!("{verb} works on the selected mailbox"), Some(help)));
            }
            _ => {}
        }
        Ok(self)
    }

    /// The mailboxes that it names.
    pub fn named(&self) -> impl Iterator<Item = &MailboxName> {
        self.targets.iter().take(self.named).map(|(_, name)| name)
    }

    /// What the request borrows.
    #[must_use]
    pub fn targets(&self) -> Vec<(Role, Target<'_>)> {
        self.targets.iter().map(|(role, name)| (*role, Target::new(name))).collect()
    }

    /// The command as policy sees it.
    #[must_use]
    pub fn request<'t>(&self, targets: &'t [(Role, Target<'t>)], deleted_expunges: bool) -> Request<'t> {
        Request { deleted_expunges, ..Request::new(self.verb, targets).flags(self.flags) }
    }
}

/// What budgets count of a command, as sessions do.
fn counted(command: &Command<'_>) -> Counted {
    let Args::Fetch(fetch) = &command.args else { return Counted::default() };
    Counted { download: fetch.class() >= ReadClass::Envelope, messages: fetch.is_content(), brings: None }
}

fn fault(at: Range<usize>, message: impl Into<String>, help: Option<&str>) -> Fault {
    Fault { at, message: message.into(), help: help.map(str::to_owned) }
}

/// A place in the frame as one in the text.
fn place(text: &str, span: Range<usize>) -> Range<usize> {
    let within = |at: usize| at.saturating_sub(TAG.len()).min(text.len());
    within(span.start)..within(span.end)
}

fn syntax(text: &str, error: crate::wire::error::SyntaxError) -> Fault {
    let at = place(text, error.at..error.at);
    let end = text.get(at.start..).and_then(|rest| rest.chars().next()).map_or(at.start, |c| at.start + c.len_utf8());
    let verb = text.split_ascii_whitespace().find(|word| !word.eq_ignore_ascii_case("UID")).unwrap_or_default();
    let help = match Verb::from_name(verb).or_else(|| Verb::from_name(text.trim())) {
        Some(Verb::Append | Verb::Replace) => {
            Some("end it with the size of the message: APPEND Archive {310}".to_owned())
        }
        Some(_) => None,
        None => {
            let names = Verb::ALL.iter().map(|verb| verb.name());
            crate::diagnostic::suggest(verb, names).map(|near| format!("did you mean `{near}`?"))
        }
    };
    Fault { at: at.start..end, message: format!("not a command: expected {}", error.expected), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_ask_what_sessions_ask() {
        let rows = [
            ("a set of the selected mailbox", "UID STORE 1 +FLAGS (\\Seen)", Some("INBOX"), "Store INBOX"),
            ("from here to there", "UID MOVE 4410 Archive", Some("INBOX"), "MoveTo Archive, MoveFrom INBOX"),
            ("two names", "RENAME \"Old/x\" New", None, "RenameFrom Old/x, RenameTo New"),
            ("the open mailbox plays no part", "STATUS A (MESSAGES)", Some("INBOX"), "Status A"),
            ("a message that comes", "APPEND Archive (\\Deleted) {310}", None, "AppendTo Archive"),
            ("a message that is there", "APPEND Archive {2}\r\nhi", None, "AppendTo Archive"),
            ("UTF-8", "SELECT \"Entwürfe\"", None, "Select Entwürfe"),
            ("modified UTF-7", "SELECT Entw&APw-rfe", None, "Select Entwürfe"),
            ("patterns name nothing", "LIST \"\" *", None, ""),
            ("the server itself", "GETMETADATA \"\" /comment", None, ""),
        ];
        for (name, text, selected, want) in rows {
            let question = Question::parse(text, selected).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            let said = question.targets.iter().map(|(role, mailbox)| format!("{role:?} {}", mailbox.as_str()));
            assert_eq!(said.collect::<Vec<_>>().join(", "), want, "{name}");
        }
        let append = Question::parse("APPEND Archive (\\Deleted) {310}", None);
        assert_eq!(append.map(|append| (append.flags.deleted, append.absent_code)), Ok((true, "TRYCREATE")));
    }

    #[test]
    fn what_cannot_be_asked() {
        let rows = [
            ("no command", "STROE 1 FLAGS x", None, 0..1, "not a command: expected a command", "did you mean `STORE`?"),
            (
                "a set is missing",
                "UID STORE +FLAGS (x)",
                Some("A"),
                10..11,
                "not a command: expected a sequence set",
                "",
            ),
            (
                "no size",
                "APPEND Archive",
                None,
                14..14,
                "",
                "end it with the size of the message: APPEND Archive {310}",
            ),
            (
                "nothing is open",
                "EXPUNGE",
                None,
                0..7,
                "EXPUNGE works on the selected mailbox",
                "say which mailbox is open",
            ),
            (
                "the login",
                "LOGIN a b",
                None,
                0..9,
                "LOGIN comes before the login is over",
                "what rules say to logins is told without a command",
            ),
            (
                "a name that is none",
                "SELECT A&B",
                None,
                7..10,
                "not a mailbox name: not canonical modified UTF-7",
                "as",
            ),
            ("two lines", "NOOP\r\nNOOP", None, 0..10, "a command is one line", ""),
        ];
        for (name, text, selected, at, message, help) in rows {
            let fault = Question::parse(text, selected).expect_err(name);
            assert_eq!(fault.at, at, "{name}: {fault:?}");
            assert!(fault.message.contains(message), "{name}: {fault:?}");
            assert!(fault.help.unwrap_or_default().starts_with(help), "{name}");
        }
    }
}
