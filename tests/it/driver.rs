//! One session without sockets. Bytes go in, what comes out is kept by side; records are spelled as the log would.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imapwarden::audit::chain::Position;
use imapwarden::audit::record::{self, LogName};
use imapwarden::audit::stamp::Stamp;
use imapwarden::policy::{GroupsFile, LoadContext, RuleFile, RuleSet};
use imapwarden::session::verdicts::{Verdicts, in_memory};
use imapwarden::session::{
    ClientTls, Clock, InMemory, Limits, ListenerTls, Output, Session, SessionStart, Shared, UpstreamInfo,
};

/// The session under test and everything it has said.
pub struct Driver {
    pub session: Session,
    start: SessionStart,
    shared: Arc<Shared>,
    pub now: Instant,
    /// What the client has heard and nobody has looked at.
    pub client: Vec<u8>,
    /// What the upstream has heard and nobody has looked at.
    pub upstream: Vec<u8>,
    /// Records as lines of the log.
    pub records: Vec<String>,
    pub closed: bool,
    pub upstream_closed: bool,
    /// Does the audit log work?
    pub recording: bool,
    /// Is the upstream reachable?
    pub reachable: bool,
    pub intents: usize,
}

/// How a session begins.
pub struct Setting {
    pub tls: ListenerTls,
    pub allow_plaintext_login: bool,
    pub starttls_upstream: bool,
    pub rules: Arc<RuleSet>,
    pub default_domain: Option<Box<str>>,
    pub limits: Limits,
    pub tag_prefix: &'static str,
    pub verdicts: Arc<dyn Verdicts>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            tls: ListenerTls::Off,
            allow_plaintext_login: true,
            starttls_upstream: false,
            rules: Arc::new(RuleSet::empty()),
            default_domain: None,
            limits: Limits::default(),
            tag_prefix: "t",
            verdicts: in_memory(),
        }
    }
}

/// The rules of a text, which must be without fault.
pub fn rules(text: &str, default_domain: Option<&str>) -> Arc<RuleSet> {
    rules_and_groups(text, GroupsFile::None, default_domain)
}

/// The same, and who belongs to which group.
pub fn rules_and_groups(text: &str, groups: GroupsFile, default_domain: Option<&str>) -> Arc<RuleSet> {
    let file = RuleFile { path: Arc::from(Path::new("transcript.toml")), text: text.to_owned() };
    let context = LoadContext {
        listeners: vec!["imap".into()],
        upstreams: vec!["main".into()],
        default_domain: default_domain.map(Into::into),
        groups,
        ..LoadContext::default()
    };
    let (rules, problems) = RuleSet::load(&[file], &context);
    Arc::new(rules.unwrap_or_else(|| panic!("rules of a transcript: {problems:#?}\n{text}")))
}

pub fn shared(setting: Setting, now: Instant) -> Arc<Shared> {
    let upstream = UpstreamInfo::new(Arc::from("main"), setting.starttls_upstream, None);
    Arc::new(Shared {
        rules: setting.rules,
        default_domain: setting.default_domain,
        upstreams: vec![Arc::new(upstream)],
        limits: setting.limits,
        budgets: Arc::new(InMemory::new(now)),
        locks: Arc::default(),
        verdicts: setting.verdicts,
        clock: Arc::new(Clock::new(now, "2027-01-13T10:00:00Z".parse().expect("a time"))),
        stopwatch: Instant::now,
    })
}

impl Driver {
    pub fn new(setting: Setting) -> Self {
        let now = Instant::now();
        let start = SessionStart {
            sid: Arc::from("4c2q8m0v7x1t"),
            listener: Arc::from("imap"),
            client_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)),
            client_port: 50_000,
            connected_to: None,
            via: None,
            tls: setting.tls,
            allow_plaintext_login: setting.allow_plaintext_login,
            tag_prefix: Arc::from(setting.tag_prefix),
        };
        Self::begin(start, shared(setting, now), now)
    }

    /// One more session of the same proxy, with this id.
    pub fn another(&self, sid: &str, client_ip: [u8; 4]) -> Self {
        let client_ip = IpAddr::V4(Ipv4Addr::from(client_ip));
        let start = SessionStart { sid: Arc::from(sid), client_ip, ..self.start.clone() };
        Self::begin(start, Arc::clone(&self.shared), self.now)
    }

    fn begin(start: SessionStart, shared: Arc<Shared>, now: Instant) -> Self {
        let mut driver = Self {
            session: Session::new(start.clone(), Arc::clone(&shared), now),
            start,
            shared,
            now,
            client: Vec::new(),
            upstream: Vec::new(),
            records: Vec::new(),
            closed: false,
            upstream_closed: false,
            recording: true,
            reachable: true,
            intents: 0,
        };
        driver.perform();
        driver
    }

    /// Bytes of the client's, as one segment.
    pub fn client_says(&mut self, bytes: &[u8]) {
        self.session.handle_client_bytes(bytes, self.now);
        self.perform();
    }

    /// Bytes of the upstream's, as one segment.
    pub fn upstream_says(&mut self, bytes: &[u8]) {
        self.session.handle_upstream_bytes(bytes, self.now);
        self.perform();
    }

    /// The rules are loaded anew.
    pub fn reload(&mut self, rules: Arc<RuleSet>) {
        let old = &self.shared;
        let shared = Shared {
            rules,
            default_domain: old.default_domain.clone(),
            upstreams: old.upstreams.clone(),
            limits: old.limits.clone(),
            budgets: Arc::clone(&old.budgets),
            locks: Arc::default(),
            verdicts: Arc::clone(&old.verdicts),
            clock: Arc::clone(&old.clock),
            stopwatch: old.stopwatch,
        };
        self.shared = Arc::new(shared);
        self.session.handle_shared(Arc::clone(&self.shared), self.now);
        self.perform();
    }

    /// Time passes, and deadlines with it.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.session.handle_deadline(self.now);
            self.perform();
        }
        self.now = until;
    }

    /// Does what the session wants done, as the relay would.
    pub fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::ToClient(bytes) => {
                    assert!(!self.closed, "bytes behind Close");
                    self.client.extend_from_slice(&bytes);
                    self.session.recycle(bytes);
                }
                Output::ToUpstream(bytes) => {
                    assert!(!self.closed, "bytes behind Close");
                    self.upstream.extend_from_slice(&bytes);
                    self.session.recycle(bytes);
                }
                Output::Record(event) | Output::Announce(event) => {
                    self.spell(&event);
                    if !self.recording {
                        self.session.handle_record_failed(self.now);
                    }
                }
                Output::Intent(event) => {
                    if self.recording {
                        self.spell(&event);
                    }
                    self.intents += 1;
                    self.session.handle_recorded(self.recording, self.now);
                }
                Output::Note(_) => {}
                Output::Connect { .. } if self.reachable => self.session.handle_upstream_connected(false, self.now),
                Output::Connect { .. } => {
                    let why = imapwarden::session::ConnectFailure::Refused;
                    self.session.handle_upstream_failed(why, self.now);
                }
                Output::StartClientTls => {
                    let tls = ClientTls { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384".into(), sni: None };
                    self.session.handle_client_tls(tls, self.now);
                }
                Output::StartUpstreamTls => self.session.handle_upstream_tls(self.now),
                Output::CloseUpstream => self.upstream_closed = true,
                Output::Close => self.closed = true,
            }
        }
    }

    fn spell(&mut self, event: &imapwarden::session::event::Event) {
        let name = LogName { log: Arc::from("01k9z3t0m4"), node: Arc::from("test"), hashing: None };
        let mut position = Position::START;
        let mut out = Vec::new();
        record::write(event, &Stamp::new(jiff::Timestamp::UNIX_EPOCH), &name, None, &mut position, &mut out);
        self.records.extend(String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned));
    }

    /// Logs in as `user` with LOGIN, the upstream offering `capabilities`; what was said is forgotten.
    pub fn log_in(&mut self, user: &str, capabilities: &str) {
        self.client_says(format!("l LOGIN {user} secret\r\n").as_bytes());
        self.upstream_says(format!("* OK [CAPABILITY {capabilities}] ready\r\n").as_bytes());
        let tag = self.own_tag();
        self.upstream_says(format!("{tag} OK [CAPABILITY {capabilities}] logged in\r\n").as_bytes());
        let heard = String::from_utf8_lossy(&self.client).into_owned();
        assert!(heard.contains("l OK"), "login: {heard}");
        self.client.clear();
    }

    /// The tag of the first line that the upstream has heard; all that it has heard is forgotten.
    pub fn own_tag(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.upstream).into_owned();
        self.upstream.clear();
        line.split(' ').next().unwrap_or_default().to_owned()
    }
}
