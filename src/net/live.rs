//! What can be seen of a session while it is open.
//!
//! ```text
//!   octets, counts ─▶ additions to atomics of the session's own
//!   session.open, auth.success, client.id, mailbox.open, a change of state ─▶ its facts, behind a lock of its own
//!                                                          Server::live ─▶ whoever asks reads both, now and then
//! ```
//!
//! It is told what is recorded and counted anyway, so nobody can see more of a session here than in the log: a mailbox whose
//! opening a rule with `audit = "none"` keeps out of it has no name here either. A command costs
//! some additions that no other processor waits for; a lock is taken where somebody logs in or opens a mailbox.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::drain::locked;
use super::relay::now;
use crate::imap::verb::Verb;
use crate::session::event::{
    Event, EventContext, EventKind, MailboxRef, Note, NoteStatus, ReadClass, ResultStatus, SessionPhase, Stage,
};

/// Commands that are remembered.
const LAST: usize = 20;

/// No command yet, and one that the grammar does not know.
const NONE: u8 = u8::MAX;
const OTHER: u8 = u8::MAX - 1;

/// An open session, from outside.
#[derive(Debug)]
pub struct Live {
    since: SystemTime,
    began: Instant,
    octets_in: AtomicU64,
    octets_out: AtomicU64,
    /// Of messages, of class preview and above.
    content: AtomicU64,
    reads: [AtomicU64; ReadClass::ALL.len()],
    commands: AtomicU32,
    refused: AtomicU32,
    /// When the client was last heard, in seconds after the beginning.
    heard: AtomicU32,
    last: [AtomicU8; LAST],
    /// Octets that its legs hold.
    held: AtomicU32,
    /// A mailbox was opened by the command that is about to be counted.
    opened: AtomicBool,
    facts: Mutex<Facts>,
}

/// What changes when a session moves.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Who, from where, by which listener, to which upstream.
    pub context: Arc<EventContext>,
    /// The client's port.
    pub port: u16,
    /// Version of TLS with the client.
    pub tls: Option<&'static str>,
    /// What the client says it is: name/version.
    pub client: Box<str>,
    /// The open mailbox.
    pub mailbox: Option<Arc<MailboxRef>>,
    /// Where it stands.
    pub phase: Option<SessionPhase>,
}

impl Facts {
    /// The session's id.
    #[must_use]
    pub fn sid(&self) -> &str {
        self.context.sid.as_deref().unwrap_or_default()
    }

    /// Whose mail is opened; nothing before login.
    #[must_use]
    pub fn user(&self) -> &str {
        self.context.user.as_deref().unwrap_or_default()
    }

    /// The client's address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.context.client_ip
    }

    /// The state in one word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.phase.map_or("preauth", SessionPhase::as_str)
    }
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Octets from the client.
    pub octets_in: u64,
    /// Octets to the client.
    pub octets_out: u64,
    /// Octets of what was read of messages.
    pub content: u64,
    /// Messages of class preview and above.
    pub messages: u64,
    /// Commands that were answered.
    pub commands: u32,
    /// Requests that were refused.
    pub refused: u32,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            since: SystemTime::now(),
            began: now(),
            octets_in: AtomicU64::new(0),
            octets_out: AtomicU64::new(0),
            content: AtomicU64::new(0),
            reads: Default::default(),
            commands: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            heard: AtomicU32::new(0),
            last: std::array::from_fn(|_| AtomicU8::new(NONE)),
            held: AtomicU32::new(0),
            opened: AtomicBool::new(false),
            facts: Mutex::default(),
        }
    }
}

impl Live {
    /// When it began.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// For how long it is open.
    #[must_use]
    pub fn age(&self) -> Duration {
        now().saturating_duration_since(self.began)
    }

    /// For how long the client has said nothing.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.age().saturating_sub(Duration::from_secs(self.heard.load(Ordering::Relaxed).into()))
    }

    /// What it is about.
    #[must_use]
    pub fn facts(&self) -> Facts {
        locked(&self.facts).clone()
    }

    /// What was counted.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let messages = [ReadClass::Preview, ReadClass::Part, ReadClass::Full].map(|class| self.read(class));
        Counted {
            octets_in: self.octets_in.load(Ordering::Relaxed),
            octets_out: self.octets_out.load(Ordering::Relaxed),
            content: self.content.load(Ordering::Relaxed),
            messages: messages.iter().fold(0, |sum, n| sum.saturating_add(*n)),
            commands: self.commands.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Messages of each class that were read, by its word; only where there were some.
    pub fn reads(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ReadClass::ALL.into_iter().map(|class| (class.as_str(), self.read(class))).filter(|(_, n)| *n > 0)
    }

    /// The last commands, oldest first.
    #[must_use]
    pub fn last(&self) -> Vec<&'static str> {
        let next = self.commands.load(Ordering::Relaxed) as usize % LAST;
        let (newer, older) = self.last.split_at(next);
        older.iter().chain(newer).filter_map(|verb| word(verb.load(Ordering::Relaxed))).collect()
    }

    /// One of this user, with the user's name as its id.
    #[cfg(test)]
    pub(crate) fn of(user: &str, ip: IpAddr, mailbox: &str) -> Self {
        let context = EventContext {
            sid: Some(user.into()),
            user: Some(user.into()),
            client_ip: Some(ip),
            ..EventContext::default()
        };
        let mailbox = Some(Arc::new(MailboxRef::named(mailbox.into())));
        Self { facts: Mutex::new(Facts { context: Arc::new(context), mailbox, ..Facts::default() }), ..Self::default() }
    }

    fn read(&self, class: ReadClass) -> u64 {
        self.reads.get(class as usize).map_or(0, |n| n.load(Ordering::Relaxed))
    }

    /// Whose mail is open; `None` before login.
    #[must_use]
    pub fn user(&self) -> Option<Arc<str>> {
        locked(&self.facts).context.user.clone()
    }

    /// Octets that wait in it for a peer.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed).into()
    }

    pub(super) fn holds(&self, octets: usize) {
        self.held.store(u32::try_from(octets).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// `at` is the time of the turn, where there were octets.
    pub(super) fn received(&self, octets: u64, at: Option<Instant>) {
        add(&self.octets_in, octets);
        let Some(at) = at else { return };
        let after = at.saturating_duration_since(self.began).as_secs();
        self.heard.store(u32::try_from(after).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(super) fn sent(&self, octets: usize) {
        add(&self.octets_out, octets as u64);
    }

    pub(super) fn note(&self, note: &Note) {
        match note {
            Note::CommandDone { verb, status, .. } => {
                self.done(*verb);
                if matches!(verb, Some(Verb::Select | Verb::Examine)) && *status == NoteStatus::Ok {
                    self.opened_unsaid();
                }
            }
            Note::Read { class, messages, bytes } => {
                if let Some(n) = self.reads.get(*class as usize) {
                    add(n, *messages);
                }
                add(&self.content, *bytes);
            }
            Note::SessionState { to, .. } => self.moved(*to),
            Note::Decided { .. }
            | Note::RuleHit { .. }
            | Note::LoginDone { .. }
            | Note::UpstreamResponse { .. }
            | Note::UpstreamFailed { .. }
            | Note::Hidden { .. }
            | Note::RefusedForAudit => {}
        }
    }

    /// Only this session's task writes here: a reading and a writing are enough.
    fn done(&self, verb: Option<Verb>) {
        let at = self.commands.load(Ordering::Relaxed);
        let number = verb.map_or(OTHER, |verb| verb as u8);
        if let Some(place) = self.last.get(at as usize % LAST) {
            place.store(number, Ordering::Relaxed);
        }
        self.commands.store(at.wrapping_add(1), Ordering::Relaxed);
    }

    /// A mailbox was opened, and the record did not say which.
    fn opened_unsaid(&self) {
        if !self.opened.swap(false, Ordering::Relaxed) {
            locked(&self.facts).mailbox = None;
        }
    }

    fn moved(&self, to: Option<SessionPhase>) {
        let mut facts = locked(&self.facts);
        facts.phase = to;
        if matches!(to, Some(SessionPhase::Preauth | SessionPhase::Authenticated) | None) {
            facts.mailbox = None;
        }
    }

    pub(super) fn event(&self, event: &Event) {
        if event.stage == Some(Stage::Refused) || matches!(event.kind, EventKind::AuthRefused { .. }) {
            self.refused.store(self.refused.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            return;
        }
        match &event.kind {
            EventKind::SessionOpen { port, tls, .. } => {
                let mut facts = locked(&self.facts);
                facts.context = Arc::clone(&event.ctx);
                facts.port = *port;
                facts.tls = tls.as_ref().map(|tls| tls.version);
            }
            EventKind::AuthSuccess { .. } => locked(&self.facts).context = Arc::clone(&event.ctx),
            EventKind::ClientId { name, version, .. } => {
                let said = [name.as_deref().unwrap_or_default(), version.as_deref().unwrap_or_default()];
                let said = said.join("/");
                locked(&self.facts).client = said.trim_matches('/').into();
            }
            EventKind::MailboxOpen { .. }
                if event.result.as_ref().is_some_and(|result| result.status == ResultStatus::Ok) =>
            {
                self.opened.store(true, Ordering::Relaxed);
                locked(&self.facts).mailbox.clone_from(&event.mailbox);
            }
            _ => {} // nothing else moves a session
        }
    }
}

/// As above: nobody else writes.
fn add(to: &AtomicU64, n: u64) {
    to.store(to.load(Ordering::Relaxed).saturating_add(n), Ordering::Relaxed);
}

fn word(number: u8) -> Option<&'static str> {
    match number {
        NONE => None,
        OTHER => Some("OTHER"),
        number => Verb::ALL.get(usize::from(number)).map(|verb| verb.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::CommandResult;

    fn note_of(verb: Option<Verb>) -> Note {
        let kind = crate::imap::verb::CommandKind::Meta;
        Note::CommandDone { verb, kind, status: NoteStatus::Ok, duration: None, overhead: None }
    }

    #[test]
    fn the_last_commands_stand_in_their_order() {
        let live = Live::default();
        assert_eq!(live.last(), Vec::<&str>::new());
        live.note(&note_of(Some(Verb::Noop)));
        live.note(&note_of(None));
        assert_eq!(live.last(), ["NOOP", "OTHER"]);
        for _ in 0..LAST {
            live.note(&note_of(Some(Verb::Fetch)));
        }
        live.note(&note_of(Some(Verb::Logout)));
        let last = live.last();
        assert_eq!((last.len(), last.first(), last.last()), (LAST, Some(&"FETCH"), Some(&"LOGOUT")));
        assert_eq!(live.counted().commands, 23);
    }

    #[test]
    fn what_it_is_told_it_tells() {
        let live = Live::default();
        let context = Arc::new(EventContext { user: Some("ann".into()), ..EventContext::default() });
        let mailbox = Some(Arc::new(MailboxRef::named("INBOX".into())));
        let opened = |status| Event {
            mailbox: mailbox.clone(),
            result: Some(CommandResult::plain(status)),
            stage: Some(Stage::Done),
            ..Event::new(
                Arc::clone(&context),
                EventKind::MailboxOpen { rw: true, exists: None, hidden: None, hidden_uids: None },
            )
        };
        let name = |live: &Live| live.facts().mailbox.map(|mailbox| mailbox.name.to_string());
        live.event(&opened(ResultStatus::No));
        assert_eq!(name(&live), None, "what did not open is not open");
        live.event(&opened(ResultStatus::Ok));
        live.note(&note_of(Some(Verb::Select)));
        // Another, whose opening no record tells.
        live.note(&note_of(Some(Verb::Examine)));
        assert_eq!(name(&live), None);
        live.event(&opened(ResultStatus::Ok));
        live.note(&note_of(Some(Verb::Examine)));
        let moved = |to| Note::SessionState { from: None, to };
        live.note(&moved(Some(SessionPhase::Idle)));
        assert_eq!((name(&live).as_deref(), live.facts().state()), (Some("INBOX"), "idle"));
        live.note(&moved(Some(SessionPhase::Authenticated)));
        assert_eq!((name(&live), live.facts().state()), (None, "authenticated"));
        for class in [ReadClass::Listed, ReadClass::Part, ReadClass::Full] {
            live.note(&Note::Read { class, messages: 2, bytes: 10 });
        }
        live.received(5, Some(now()));
        live.sent(7);
        let counted = live.counted();
        assert_eq!((counted.messages, counted.content), (4, 30));
        assert_eq!((counted.octets_in, counted.octets_out), (5, 7));
        assert_eq!(live.reads().collect::<Vec<_>>(), [("listed", 2), ("part", 2), ("full", 2)]);
    }
}
