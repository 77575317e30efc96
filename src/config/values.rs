//! What a configuration says, with every default filled in.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::places::Places;

/// All of it. Paths are absolute; sizes are in octets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// The servers behind the proxy; at least one. The first that matches a user serves it.
    pub upstreams: Vec<Upstream>,
    /// Who decides on logins.
    pub auth: Auth,
    /// The rule files.
    pub policy: Policy,
    /// The audit log.
    pub audit: Audit,
    /// What outlives the process.
    pub state: State,
    /// The admin port.
    pub admin: Admin,
    /// What clients may take.
    pub limits: Limits,
    /// The proxy's own messages.
    pub log: Log,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Where each value stands, for problems that are found later.
    pub places: Places,
}

impl Config {
    /// The file of the key with which values are hashed.
    #[must_use]
    pub fn hash_key_file(&self) -> PathBuf {
        self.audit.hash_key_file.clone().unwrap_or_else(|| self.state.directory.join("audit-hash.key"))
    }
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name in rules, metrics and records.
    pub name: Box<str>,
    /// Address and port.
    pub bind: SocketAddr,
    /// When TLS begins.
    pub tls: ListenerTls,
    /// Picked by SNI; the first is for clients that name no server or an unknown one. Empty where `tls` is off.
    pub certificates: Vec<CertificatePair>,
    /// May a password come in clear?
    pub allow_plaintext_login: bool,
    /// Balancers that say, by the PROXY protocol, whose connection they hand on; nobody else is listened to.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections from one address.
    pub max_connections_per_ip: usize,
}

/// When TLS with a client begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerTls {
    /// At once.
    Implicit,
    /// When the client asks for it.
    Starttls,
    /// Never.
    Off,
}

/// A certificate chain and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePair {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub private_key: PathBuf,
}

/// An IMAP service behind the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in rules, metrics and records.
    pub name: Box<str>,
    /// Tried in this order; at least one.
    pub servers: Vec<Server>,
    /// When TLS begins.
    pub tls: UpstreamTls,
    /// Trusted authorities, a PEM file; the system's roots where there is none.
    pub ca: Option<PathBuf>,
    /// The name that its certificate must have, where it is not the server's host.
    pub server_name: Option<String>,
    /// Is it told who the client is?
    pub forward_client: ForwardClient,
    /// Does it expunge as soon as `\Deleted` is set?
    pub deleted_expunges: bool,
    /// Globs over login names; empty: it serves whom no other serves.
    pub match_user: Vec<String>,
}

/// Is an upstream told who the client is, and how?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardClient {
    /// It is not.
    #[default]
    None,
    /// By ID, before login: `x-originating-ip` and the like, as Dovecot and Cyrus take them from whom they trust.
    Id,
    /// By the PROXY protocol, version 2, before anything else.
    Proxy,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// When TLS with an upstream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamTls {
    /// At once.
    Implicit,
    /// After STARTTLS, which it must offer.
    Starttls,
    /// Never.
    Off,
}

/// Who decides on logins: the upstream, which gets the client's own credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Completes login names without "@".
    pub default_domain: Option<Box<str>>,
}

/// The rule files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Sorted, each once, none of them a `*.test.toml`; as they are named in problems.
    pub files: Vec<PathBuf>,
    /// The `*.test.toml` that globs reach, or that stand beside a file of their name.
    pub tests: Vec<PathBuf>,
    /// The file that says who belongs to which group; as it is named in problems.
    pub groups: GroupsPath,
}

/// The groups file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GroupsPath {
    /// There is none.
    #[default]
    None,
    /// This one.
    File(PathBuf),
    /// One is named that there is not, which has been said.
    Wrong,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Where its segments are.
    pub directory: PathBuf,
    /// What holds when records cannot be written.
    pub on_failure: OnFailure,
    /// When a record counts as written.
    pub durability: Durability,
    /// Free octets below which the log counts as failing.
    pub min_free: u64,
    /// How long segments are kept.
    pub keep: Option<Duration>,
    /// What is written as keyed hashes.
    pub hashed: BTreeSet<Hashed>,
    /// Where their key is, if not where it is by default.
    pub hash_key_file: Option<PathBuf>,
}

/// What can be written as a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hashed {
    /// Names of users and actors.
    User,
    /// Names of mailboxes.
    Mailbox,
    /// Addresses of clients.
    ClientIp,
    /// From and To.
    Address,
    /// Subjects.
    Subject,
    /// What was searched for.
    Search,
}

/// What holds when records cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// What cannot be recorded is not done.
    Refuse,
    /// Serve, and count the loss.
    Continue,
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the kernel has it.
    Batched,
    /// Once the disk has it.
    Strict,
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it is.
    pub bind: AdminBind,
    /// Names by which it is called, beside its address and `localhost`.
    pub hosts: Vec<Box<str>>,
    /// Who may ask for more than metrics and health.
    pub tokens: Vec<AdminToken>,
}

/// Where the admin port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminBind {
    /// Address and port.
    Tcp(SocketAddr),
    /// Path of a socket.
    Unix(PathBuf),
}

impl fmt::Display for AdminBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A token of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// Whose it is, in records: that of `token_file` is called `admin`.
    pub name: Box<str>,
    /// What it lets them do.
    pub role: Role,
    /// The file whose first line it is.
    pub file: PathBuf,
    /// Where the configuration names the file.
    pub place: String,
}

/// What somebody may do through the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sees counts, and no names.
    Viewer,
    /// Sees names and sessions; ends them, drains, reloads.
    Operator,
    /// Sees names and the log; changes nothing.
    Auditor,
    /// All of it.
    Admin,
}

impl Role {
    /// As configuration and records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// What clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte to a login.
    pub pre_auth_timeout: Duration,
    /// Without a byte of the client's.
    pub idle_timeout: Duration,
    /// To connect upstream, and without a byte of the upstream's while a command waits.
    pub upstream_timeout: Duration,
    /// Failed logins of one client address.
    pub auth_failures: Rate,
    /// Between `/readyz` saying 503 and the listeners' end.
    pub drain_delay: Duration,
    /// Over which open sessions are ended.
    pub drain_window: Duration,
    /// Longest command line, literals not counted, in octets.
    pub max_line: usize,
    /// Largest message literal, in octets.
    pub max_literal: u64,
}

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub window: Duration,
}

/// The proxy's own messages, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The least that is written.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
}

/// The least that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops the service.
    Error,
    /// And what needs somebody.
    Warn,
    /// And what changes its state.
    #[default]
    Info,
    /// And each session's steps.
    Debug,
    /// And each frame's.
    Trace,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("audit"),
            on_failure: OnFailure::Refuse,
            durability: Durability::Batched,
            min_free: 256 << 20,
            keep: None,
            hashed: BTreeSet::new(),
            hash_key_file: None,
        }
    }
}

/// What outlives the process and is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where it is; made when it is needed.
    pub directory: PathBuf,
}

impl Default for State {
    fn default() -> Self {
        Self { directory: PathBuf::from("state") }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { bind: AdminBind::Tcp((Ipv4Addr::LOCALHOST, 9143).into()), hosts: Vec::new(), tokens: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pre_auth_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(31 * 60),
            upstream_timeout: Duration::from_secs(60),
            auth_failures: Rate { count: 20, window: Duration::from_secs(600) },
            drain_delay: Duration::from_secs(10),
            drain_window: Duration::from_secs(120),
            max_line: 64 << 10,
            max_literal: 64 << 20,
        }
    }
}

impl Listener {
    /// Open connections, where nothing else is said.
    pub const MAX_CONNECTIONS: usize = 20_000;
    /// Open connections from one address, where nothing else is said.
    pub const MAX_CONNECTIONS_PER_IP: usize = 200;
}
