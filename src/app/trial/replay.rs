//! A log, asked again under other rules.
//!
//! ```text
//!   auth.success, client.id, session.open ─▶ who it is ─┐
//!   a command's record ─▶ Question ─────────────────────┼─▶ policy, at the time of the record ─▶ Change
//!   what came out then ─────────────────────────────────┘
//! ```
//!
//! Each command and login counts once: by its done or refusal, by its announcement where no end was recorded. What the log
//! does not say is undecidable, never guessed: names that a LIST gave, whether a FETCH would set `\Seen`, what was left of
//! a budget, which messages a rule hides that goes by what a record does not have, what stands there hashed. Special use is judged by
//! the usual names, since the log does not tell it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::Ground;
use super::difference::{Change, Difference, Judged};
use super::question::{Question, Recorded};
use super::reads::Reads;
use crate::audit::{HashedField, Line, Seen, Text};
use crate::imap::mailbox::MailboxName;
use crate::imap::verb::Verb;
use crate::policy::{Bound, Given, Hits, LoginVerdict, RefusalKind, Role, Scope, Target, TlsLevel, Verdict};
use crate::report::Filter;
use crate::report::data::{Data, ReadData, class_of};
use crate::report::filter::{Clients, client_of};
use crate::session::asks::is_offered;

/// Asks rules again what a log says that others decided.
pub struct Replay<'g> {
    ground: &'g Ground,
    filter: Filter,
    clients: Clients,
    sessions: HashMap<String, Known>,
    /// Announcements, until their end is recorded.
    announced: HashMap<u64, Vec<u8>>,
    /// What rules say to the messages of the command whose end is being read: it may take several records.
    reads: Reads,
    difference: Difference,
    /// Sessions of which something was asked.
    asked: HashSet<String>,
}

/// What is known of a session.
#[derive(Default)]
struct Known {
    groups: Vec<String>,
    client_id: Option<String>,
    tls: Option<TlsLevel>,
    /// The rules that can touch it, and whether its upstream expunges at once.
    bound: Option<(Bound, bool)>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Done,
    Narrowed,
    Refused,
    Hidden,
}

/// What would come of it now.
struct Comes {
    came: Came,
    rules: Vec<String>,
}

/// Not decidable, and why.
type Undecidable = &'static str;

const LISTED: Undecidable = "LIST: which names it gave is not in the log";
const SEEN: Undecidable = "FETCH: whether it would set \\Seen is not in the log";
const LIMITED: Undecidable = "limits: what was left of a budget then is not known now";
const MESSAGES: Undecidable = "messages hidden by rules: which would be now is not in the log";
const NO_MAILBOX: Undecidable = "the record names no mailbox";
const HASHED: Undecidable = "hashes: whose mail, from where or which mailbox is not in the log";
const UNKNOWN: Undecidable = "the command is not known to this version";

impl<'g> Replay<'g> {
    /// Of what the filter asks for.
    #[must_use]
    pub fn new(ground: &'g Ground, filter: Filter) -> Self {
        Self {
            ground,
            filter,
            clients: Clients::default(),
            sessions: HashMap::new(),
            announced: HashMap::new(),
            reads: Reads::default(),
            difference: Difference::default(),
            asked: HashSet::new(),
        }
    }

    /// The next record.
    pub fn see(&mut self, seen: Seen<'_>) {
        let line = seen.line;
        self.clients.learn(line);
        if line.is_new_start() {
            self.end_announced();
            self.sessions.clear();
        }
        self.learn(line);
        match (line.type_name, line.stage) {
            _ if !self.filter.matches(seen, &self.clients) => {}
            (_, Some("intent")) if !line.more => {
                self.announced.insert(line.seq, seen.bytes.to_vec());
            }
            ("auth.success" | "auth.refused", _) => self.login(line),
            ("message.read", Some("done")) => {
                self.read(line);
                if !line.more {
                    self.command(line);
                    self.reads = Reads::default();
                }
            }
            (_, Some("done" | "refused")) if !line.more => self.command(line),
            _ => {}
        }
        if line.stage == Some("done")
            && !line.more
            && let Some(intent) = line.intent()
        {
            self.announced.remove(&intent);
        }
        self.clients.forget(line);
        if let ("session.close", Some(sid)) = (line.type_name, &line.sid) {
            self.sessions.remove(sid.as_str());
        }
    }

    /// All of a log was shown: what comes then is of another, with other sessions and numbers.
    pub fn end_log(&mut self) {
        self.end_announced();
        self.sessions.clear();
        self.reads = Reads::default();
    }

    /// What would come out otherwise, and of how many sessions.
    #[must_use]
    pub fn end(mut self) -> (Difference, u64) {
        self.end_announced();
        (self.difference, self.asked.len() as u64)
    }

    /// Of which no end was recorded, that was done.
    fn end_announced(&mut self) {
        let mut announced: Vec<_> = std::mem::take(&mut self.announced).into_iter().collect();
        announced.sort_unstable_by_key(|(seq, _)| *seq);
        for (_, bytes) in announced {
            if let Ok(line) = Line::parse(&bytes) {
                self.command(&line);
            }
        }
    }

    fn learn(&mut self, line: &Line<'_>) {
        let Some(sid) = &line.sid else { return };
        if !matches!(line.type_name, "session.open" | "client.id" | "auth.success" | "auth.refused") {
            return;
        }
        let Some(data) = line.data::<Data<'_>>() else { return };
        let known = self.sessions.entry(sid.as_str().to_owned()).or_default();
        known.bound = None;
        match line.type_name {
            "session.open" => {
                known.tls = data.tls.as_ref().map(|tls| match tls.client_cert_sha256 {
                    Some(_) => TlsLevel::Mutual,
                    None => TlsLevel::Server,
                });
            }
            "client.id" => known.client_id = Some(client_of(&data)),
            _ => known.groups = data.groups.iter().map(|group| group.as_str().to_owned()).collect(),
        }
    }

    /// What do rules say to the messages that were read, and who has them?
    fn read(&mut self, line: &Line<'_>) {
        let (Some(data), Some(at), Some(mailbox)) = (line.data::<ReadData<'_>>(), time(line), &line.mailbox) else {
            self.reads.unsure = true;
            return;
        };
        let name = MailboxName::new(&mailbox.name);
        let target = Target::new(&name);
        let (bound, _) = self.bound(line);
        let hiding = bound.hiding(&target, at);
        let filter = bound.message_filter(&target, at);
        let client = self.clients.of(line).map(ToString::to_string);
        let (reads, holders) = (&mut self.reads, &mut self.difference.holders);
        let mut hold = |rule: &str, uid, class| holders.add(rule, line, client.as_deref(), uid, class);
        if hiding.is_hidden() {
            for message in &data.msgs {
                hiding.by.ids().iter().for_each(|rule| hold(rule, message.uid.unwrap_or(0), class_of(message.cls)));
            }
        } else if let Some(filter) = filter {
            reads.judge(&data, &filter, at, hold);
        }
    }

    fn login(&mut self, line: &Line<'_>) {
        if by_lock(line) {
            return; // no rule refused it, and none lets it in
        }
        let was = match line.policy.as_ref().map(|policy| policy.verdict) {
            Some("limited") => return self.undecidable(line, LIMITED),
            _ if line.type_name == "auth.refused" => Came::Refused,
            _ => Came::Done,
        };
        if is_hashed(line) {
            return self.undecidable(line, HASHED);
        }
        let Some(at) = time(line) else { return self.undecidable(line, UNKNOWN) };
        let comes = match self.bound(line).0.login(at) {
            LoginVerdict::Denied { by, .. } => Comes { came: Came::Refused, rules: ids(&by) },
            LoginVerdict::Allowed { .. } => Comes { came: Came::Done, rules: Vec::new() },
        };
        self.compare(line, was, comes);
    }

    fn command(&mut self, line: &Line<'_>) {
        let was = match (line.stage, line.policy.as_ref().map(|policy| policy.verdict)) {
            (_, Some("limited")) => return self.undecidable(line, LIMITED),
            (_, Some("hidden")) => Came::Hidden,
            (Some("refused"), _) => Came::Refused,
            (_, Some("narrowed")) => Came::Narrowed,
            _ => Came::Done,
        };
        match self.asks(line, was) {
            Ok(comes) => self.compare(line, was, comes),
            // The same rules do the same, with what was known then.
            Err(_) if line.policy.as_ref().is_some_and(|policy| *policy.rev == **self.ground.rules.rev()) => {
                self.count(line, Change::Same, Vec::new(), None);
            }
            Err(why) => self.undecidable(line, why),
        }
    }

    /// What comes of the command now.
    fn asks(&mut self, line: &Line<'_>, was: Came) -> Result<Comes, Undecidable> {
        if is_hashed(line) {
            return Err(HASHED);
        }
        let verb = match line.type_name {
            // With LIST, or by NOTIFY, too: it is what STATUS of that mailbox tells.
            "mailbox.status" => Verb::Status,
            _ => line.verb.as_ref().and_then(|verb| Verb::from_name(verb.as_str())).ok_or(UNKNOWN)?,
        };
        let data = line.data::<Data<'_>>().unwrap_or_default();
        let at = time(line).ok_or(UNKNOWN)?;
        let judged = self.reads.clone();
        let (bound, deleted_expunges) = self.bound(line);
        if let LoginVerdict::Denied { by, .. } = bound.login(at) {
            return Ok(Comes { came: Came::Refused, rules: ids(&by) });
        }
        let filtered = bound.scope() == Scope::Filtered;
        if !is_offered(verb, filtered, bound.restricts()) {
            return Ok(Comes { came: Came::Refused, rules: Vec::new() });
        }
        let is_list = matches!(verb, Verb::List | Verb::Lsub | Verb::Xlist);
        let reads = matches!(verb, Verb::Fetch | Verb::UidFetch);
        let was_read = line.type_name == "message.read" && line.stage == Some("done");
        let mailbox = line.mailbox.as_ref().map(|mailbox| &*mailbox.name);
        let op = data.op.as_ref().map_or("", Text::as_str);
        let question = Question::of_record(&Recorded {
            verb: verb.name(),
            mailbox,
            copied_to: data.dst.as_ref().map(Text::as_str),
            renamed_to: data.to.as_ref().map(Text::as_str),
            // Those that went up, and those that rules took.
            flags: data.flags.iter().chain(&data.dropped).map(Text::as_str).collect(),
            op,
            ..Recorded::default()
        });
        let mut question = question.ok_or(NO_MAILBOX)?;
        if reads {
            question = question.setting_seen();
        }
        let targets = question.targets();
        let (came, by) = match bound.decide(&question.request(&targets, *deleted_expunges), at) {
            Verdict::Allowed(permit) if permit.narrowing().is_none() => (Came::Done, ids(permit.by())),
            Verdict::Allowed(permit) => (Came::Narrowed, ids(permit.by())),
            Verdict::Refused(refusal) => match refusal.kind {
                RefusalKind::Hidden => (Came::Hidden, ids(&refusal.by)),
                RefusalKind::NoPerm | RefusalKind::Reserved => (Came::Refused, ids(&refusal.by)),
            },
        };
        let hides =
            |(role, target): &(Role, Target<'_>)| meets_messages(*role) && bound.may_hide_messages_in(target, at);
        match came {
            Came::Done | Came::Narrowed if is_list && (filtered || data.hidden.unwrap_or(0) > 0) => Err(LISTED),
            // Which messages it was about is told of reads, and what came of them.
            Came::Done | Came::Narrowed if was_read && !judged.hidden_by.is_empty() => {
                Ok(Comes { came: Came::Hidden, rules: judged.hidden_by })
            }
            Came::Done | Came::Narrowed if targets.iter().any(hides) && (!was_read || judged.unsure) => Err(MESSAGES),
            Came::Narrowed if reads && was == Came::Done => Err(SEEN),
            came => Ok(Comes { came, rules: by }),
        }
    }

    fn compare(&mut self, line: &Line<'_>, was: Came, comes: Comes) {
        let change = match (was, comes.came) {
            (was, comes) if was == comes => Change::Same,
            (Came::Refused | Came::Hidden, Came::Done | Came::Narrowed) | (Came::Narrowed, Came::Done) => Change::Allow,
            // Not done either way, but in other words.
            (Came::Refused, Came::Hidden) | (Came::Done | Came::Narrowed, Came::Hidden) => Change::Hide,
            (Came::Hidden, Came::Refused) | (Came::Done | Came::Narrowed, Came::Refused) => Change::Refuse,
            (Came::Done, Came::Narrowed) => Change::Narrow,
            _ => Change::Same,
        };
        let rules = match change {
            Change::Allow => {
                line.policy.iter().flat_map(|policy| &policy.by).map(|rule| rule.as_str().to_owned()).collect()
            }
            _ => comes.rules,
        };
        self.count(line, change, rules, None);
    }

    fn undecidable(&mut self, line: &Line<'_>, why: Undecidable) {
        self.count(line, Change::Undecidable, Vec::new(), Some(why));
    }

    fn count(&mut self, line: &Line<'_>, change: Change, rules: Vec<String>, why: Option<Undecidable>) {
        if let Some(sid) = &line.sid
            && !self.asked.contains(sid.as_str())
        {
            self.asked.insert(sid.as_str().to_owned());
        }
        if let Some(policy) = &line.policy
            && !self.difference.revisions.contains(&*policy.rev)
        {
            self.difference.revisions.insert(policy.rev.clone().into_owned());
        }
        let user = line.user.as_ref().map_or("", Text::as_str);
        let example = if change == Change::Same { String::new() } else { example(line) };
        self.difference.add(Judged { change, rules, why, user, example });
    }

    /// The rules that can touch the record's session.
    fn bound(&mut self, line: &Line<'_>) -> &(Bound, bool) {
        let sid = line.sid.as_ref().map_or("", |sid| sid.as_str());
        if !self.sessions.contains_key(sid) {
            self.sessions.insert(sid.to_owned(), Known::default());
        }
        let known = self.sessions.entry(sid.to_owned()).or_default();
        let ground = self.ground;
        known.bound.get_or_insert_with(|| {
            let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().into());
            let (subject, deleted_expunges) = ground.subject(&Given {
                user: text(&line.user),
                actor: text(&line.actor),
                groups: known.groups.iter().map(|group| (group.as_str().into(), 0..0)).collect(),
                client_ip: line.client_ip.as_ref().and_then(|ip| ip.as_str().parse().ok()),
                client_id: known.client_id.as_deref().map(Into::into),
                listener: text(&line.listener),
                upstream: text(&line.upstream),
                tls: known.tls,
                at: None,
            });
            (ground.rules.bind(&subject), deleted_expunges)
        })
    }
}

/// Does it hold hashes in place of what rules go by?
fn is_hashed(line: &Line<'_>) -> bool {
    line.hashed().iter().any(|pointer| match HashedField::of_pointer(pointer.as_str()) {
        Some(HashedField::User | HashedField::Mailbox | HashedField::ClientIp) => true,
        Some(HashedField::Address | HashedField::Subject | HashedField::Search) | None => false,
    })
}

/// Does it matter which messages are there?
fn meets_messages(role: Role) -> bool {
    match role {
        Role::Select
        | Role::Examine
        | Role::Status
        | Role::Fetch
        | Role::Search
        | Role::Store
        | Role::Expunge
        | Role::Close
        | Role::CopyFrom
        | Role::MoveFrom
        | Role::ReplaceFrom => true,
        Role::Create
        | Role::Delete
        | Role::RenameFrom
        | Role::RenameTo
        | Role::Named
        | Role::CopyTo
        | Role::MoveTo
        | Role::AppendTo
        | Role::Acl
        | Role::SetMetadata => false,
    }
}

fn time(line: &Line<'_>) -> Option<Timestamp> {
    line.ts.parse().ok()
}

fn ids(hits: &Hits) -> Vec<String> {
    hits.ids().iter().map(ToString::to_string).collect()
}

/// `UID COPY Finance/Q4 2027-01-12T02:13:37 (4c2q8m0v7x1t-13)`
fn example(line: &Line<'_>) -> String {
    let verb = line.verb.as_ref().map_or(line.type_name, Text::as_str);
    let mailbox = line.mailbox.as_ref().map_or(String::new(), |mailbox| format!(" {}", mailbox.name));
    let reference = match (&line.sid, line.cmd) {
        (Some(sid), Some(cmd)) => format!(" ({}-{cmd})", sid.as_str()),
        _ => String::new(),
    };
    format!("{verb}{mailbox} {}{reference}", line.ts.get(..19).unwrap_or(line.ts))
}
/// Somebody was locked out.
fn by_lock(line: &Line<'_>) -> bool {
    line.policy.iter().flat_map(|policy| &policy.by).any(|rule| rule.as_str().starts_with("lock/"))
}
