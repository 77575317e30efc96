//! What does a command ask for, as policy sees it?
//!
//! ```text
//!   a1 STORE 1 +FLAGS (\Seen)     ─▶  Store of the selected mailbox, with the flags { seen }
//!   a2 RENAME Old New             ─▶  RenameFrom of the first name, RenameTo of the second
//! ```
//!
//! Sessions ask this of each command; the tools that explain and test rules ask it of a command without a session.

use crate::imap::capability::class;
use crate::imap::message::Flag;
use crate::imap::verb::Verb;
use crate::policy::{FlagChange, FlagsWanted, Role, Roles};
use crate::wire::command::store::StoreAction;
use crate::wire::command::{AppendPrefix, Args, Command, FlagList, MailboxArg, Role as Names};

use super::refusal::Answer;

/// What is done to the mailbox that is named as number `at`, from 0.
#[must_use]
pub fn role_of_named(roles: Roles, at: usize) -> Role {
    let role = if at == 1 { roles.second.or(roles.named) } else { roles.named };
    role.unwrap_or(Role::Named)
}

/// Is it a mailbox that is named, or a pattern, or the server itself?
#[must_use]
pub fn names_mailbox(role: Names, arg: &MailboxArg<'_>) -> bool {
    match role {
        Names::ListReference | Names::ListPattern => false,
        Names::MetadataRead | Names::MetadataChange => !arg.octets().is_empty(),
        _ => true,
    }
}

/// The flags that a command is about, as rights go: `\Seen`, `\Deleted`, and all others.
#[must_use]
pub fn flags_wanted(command: &Command<'_>, read_only: bool) -> FlagsWanted {
    match &command.args {
        Args::Store(store) => {
            let change = match store.action {
                StoreAction::Add => FlagChange::Add,
                StoreAction::Remove => FlagChange::Remove,
                StoreAction::Replace => FlagChange::Replace,
            };
            flags_in([&store.flags], change)
        }
        Args::Fetch(fetch) => FlagsWanted { seen: !read_only && fetch.sets_seen(), ..FlagsWanted::NONE },
        Args::Append(append) => {
            flags_in(append.messages.iter().filter_map(|message| message.flags.as_ref()), FlagChange::Add)
        }
        Args::Replace(replace) => {
            let messages = replace.append.messages.iter();
            flags_in(messages.filter_map(|message| message.flags.as_ref()), FlagChange::Add)
        }
        _ => FlagsWanted::NONE,
    }
}

/// The same of an APPEND or REPLACE up to its message.
#[must_use]
pub fn flags_appended(append: &AppendPrefix<'_>) -> FlagsWanted {
    flags_in(append.messages.iter().filter_map(|head| head.flags.as_ref()), FlagChange::Add)
}

fn flags_in<'l>(lists: impl IntoIterator<Item = &'l FlagList>, change: FlagChange) -> FlagsWanted {
    let mut wanted = FlagsWanted { change, ..FlagsWanted::NONE };
    for arg in lists.into_iter().flat_map(|list| &list.flags) {
        match arg.flag {
            Flag::Seen => wanted.seen = true,
            Flag::Deleted => wanted.deleted = true,
            _ => wanted.other = true,
        }
    }
    wanted
}

/// May a client use this command at all, given whether its session is filtered and whether rules take rights or commands
/// from it? What is not offered is unknown, advertised by the upstream or not.
#[must_use]
pub fn is_offered(verb: Verb, filtered: bool, restricted: bool) -> bool {
    use crate::imap::capability::CapabilityClass;
    // Outlook asks for XLIST wherever it is (quirk C05); it is a LIST.
    if verb == Verb::Xlist {
        return true;
    }
    let Some(capability) = family(verb).or(verb.capability()) else { return true };
    match class(capability.as_bytes()) {
        // A rule that denies a command answers NO, not BAD.
        Some(CapabilityClass::Local) => true,
        // MYRIGHTS states rights, and is told with what is left of them (contract.md §6).
        Some(CapabilityClass::PlainUnruled) if verb == Verb::MyRights => !filtered,
        Some(class) => class.offered(filtered, restricted),
        None => false,
    }
}

/// The capability that a command comes with, where that is not its own name.
const fn family(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::SetAcl | Verb::DeleteAcl | Verb::GetAcl | Verb::ListRights | Verb::MyRights => Some("ACL"),
        Verb::GetQuota | Verb::GetQuotaRoot => Some("QUOTA"),
        Verb::GetMetadata | Verb::SetMetadata => Some("METADATA"),
        Verb::CancelUpdate => Some("CONTEXT=SEARCH"),
        // It comes with the name of an algorithm only.
        Verb::Thread | Verb::UidThread => Some("THREAD=REFERENCES"),
        _ => None,
    }
}

/// The response code with which a mailbox is called absent that is named so.
#[must_use]
pub fn absent_code(role: Names) -> &'static str {
    absent_answer(role).result().1.unwrap_or_default()
}

/// The answer where a mailbox that is named so is not there.
pub(super) fn absent_answer(role: Names) -> Answer {
    match role {
        // As for any absent name: the client may create it, and learns then whether it may.
        Names::CopyTo | Names::MoveTo | Names::AppendTo | Names::ReplaceTo => Answer::TryCreate,
        Names::Create | Names::RenameTo => Answer::Refused { text: "[CANNOT] no name for a mailbox" },
        _ => Answer::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Utf8Mode;

    #[test]
    fn flags() {
        let none = FlagsWanted::NONE;
        let rows: [(&str, &[u8], FlagsWanted); 6] = [
            ("STORE", b"a STORE 1 +FLAGS (\\Seen $x)\r\n", FlagsWanted { seen: true, other: true, ..none }),
            (
                "all flags anew",
                b"a STORE 1 FLAGS.SILENT (\\Deleted)\r\n",
                FlagsWanted { deleted: true, change: FlagChange::Replace, ..none },
            ),
            ("FETCH of content", b"a FETCH 1 BODY[]\r\n", FlagsWanted { seen: true, ..none }),
            ("FETCH that leaves no trace", b"a FETCH 1 BODY.PEEK[]\r\n", none),
            ("APPEND", b"a APPEND x (\\Deleted) {1}\r\nx\r\n", FlagsWanted { deleted: true, ..none }),
            ("NOOP", b"a NOOP\r\n", none),
        ];
        for (name, frame, want) in rows {
            let command = Command::parse(frame, Utf8Mode::Off).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(flags_wanted(&command, false), want, "{name}");
        }
    }

    #[test]
    fn commands_offered() {
        let rows = [
            ("plain", Verb::GetMetadata, false, false, true),
            ("with rules that take rights", Verb::GetMetadata, false, true, false),
            ("filtered", Verb::GetMetadata, true, false, false),
            ("rights can be told with less", Verb::MyRights, false, true, true),
            ("a command of the base", Verb::Status, true, true, true),
        ];
        for (name, verb, filtered, restricted, want) in rows {
            assert_eq!(is_offered(verb, filtered, restricted), want, "{name}");
        }
    }
}
