//! The sections that there are once, and names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table::{Table, Word};
use super::unit::{self, Wrong};
use super::values::{
    Admin, AdminBind, AdminToken, Audit, Auth, Durability, Hashed, Limits, Log, LogFormat, LogLevel, OnFailure, Policy,
    Role, State,
};
use super::{keys, rule_files};

const MODES: &[(&str, Word<()>)] = &[("passthrough", Word::Means(())), ("local", Word::NotYet), ("http", Word::NotYet)];
const ON_FAILURE: &[(&str, Word<OnFailure>)] =
    &[("refuse", Word::Means(OnFailure::Refuse)), ("continue", Word::Means(OnFailure::Continue))];
const DURABILITY: &[(&str, Word<Durability>)] =
    &[("batched", Word::Means(Durability::Batched)), ("strict", Word::Means(Durability::Strict))];
const HASHED: &[(&str, Word<Hashed>)] = &[
    ("user", Word::Means(Hashed::User)),
    ("mailbox", Word::Means(Hashed::Mailbox)),
    ("client_ip", Word::Means(Hashed::ClientIp)),
    ("address", Word::Means(Hashed::Address)),
    ("subject", Word::Means(Hashed::Subject)),
    ("search", Word::Means(Hashed::Search)),
];
const LEVELS: &[(&str, Word<LogLevel>)] = &[
    ("error", Word::Means(LogLevel::Error)),
    ("warn", Word::Means(LogLevel::Warn)),
    ("info", Word::Means(LogLevel::Info)),
    ("debug", Word::Means(LogLevel::Debug)),
    ("trace", Word::Means(LogLevel::Trace)),
];
const ROLES: &[(&str, Word<Role>)] = &[
    ("viewer", Word::Means(Role::Viewer)),
    ("operator", Word::Means(Role::Operator)),
    ("auditor", Word::Means(Role::Auditor)),
    ("admin", Word::Means(Role::Admin)),
];
/// What the token of `token_file` is called.
const ADMIN: &str = "admin";
/// Where nothing else is said.
const ADMIN_PORT: u16 = 9143;
/// Octets of `sun_path`, without the one at its end.
const LONGEST_SOCKET: usize = 107;
const FORMATS: &[(&str, Word<LogFormat>)] =
    &[("text", Word::Means(LogFormat::Text)), ("json", Word::Means(LogFormat::Json))];

/// RFC 9051 §5.4: an autologout timer MUST be at least 30 minutes.
const IDLE_AT_LEAST: Duration = Duration::from_secs(30 * 60);
/// RFC 7162 §4: a server should accept command lines of 8192 octets.
const LINE_SHOULD_BE: u64 = 8192;
/// Below this, a login may not fit.
const LINE_AT_LEAST: u64 = 1024;

pub(super) fn auth(file: &Table<'_>) -> Auth {
    let Some(table) = file.table(&keys::AUTH) else { return Auth::default() };
    table.word("mode", MODES);
    Auth { default_domain: table.parsed("default_domain", domain) }
}

pub(super) fn policy(file: &Table<'_>) -> Policy {
    let help = "write `[policy]` with rules = [\"rules/*.toml\"]; rules = [] says that there are none";
    let Some(table) = file.table(&keys::POLICY) else {
        if !file.has("policy") {
            file.reading().missing("`[policy]` is missing", help);
        }
        return Policy::default();
    };
    if !table.has("rules") {
        table.reading().problem(table.error("rules", "`[policy]` needs `rules`").help(help));
    }
    rule_files::named(&table)
}

/// A path that is not said stands beside the file, too.
fn beside(file: &Table<'_>, directory: &Path) -> PathBuf {
    let path = file.reading().folder().join(directory);
    std::path::absolute(&path).unwrap_or(path)
}

pub(super) fn state(file: &Table<'_>) -> State {
    let default = || beside(file, &State::default().directory);
    let Some(table) = file.table(&keys::STATE) else { return State { directory: default() } };
    let directory = table.path("directory").unwrap_or_else(default);
    if directory.exists() && !directory.is_dir() {
        table.reading().problem(table.error("directory", "state needs a directory").label("this is a file"));
    }
    State { directory }
}

pub(super) fn audit(file: &Table<'_>) -> Audit {
    let default = Audit::default();
    let Some(table) = file.table(&keys::AUDIT) else {
        return Audit { directory: beside(file, &default.directory), ..default };
    };
    let on_failure = table.word("on_failure", ON_FAILURE).unwrap_or(default.on_failure);
    let durability = table.word("durability", DURABILITY).unwrap_or(default.durability);
    if durability == Durability::Strict && on_failure == OnFailure::Continue {
        let problem = table.error("durability", "\"strict\" and on_failure = \"continue\" contradict each other");
        let help = "what need not be recorded need not be on disk first: leave one of the two out";
        table.reading().problem(problem.help(help));
    }
    let directory = table.path("directory").unwrap_or_else(|| beside(file, &default.directory));
    if directory.exists() && !directory.is_dir() {
        table.reading().problem(table.error("directory", "the audit log needs a directory").label("this is a file"));
    }
    let hashed = table.texts("hashed").unwrap_or_default();
    let hashed = hashed.iter().filter_map(|text| table.word_of("hashed", text, HASHED)).collect();
    let hash_key_file = table.path("hash_key_file").filter(|path| is_apart(&table, path, &directory));
    Audit {
        hashed,
        hash_key_file,
        directory,
        on_failure,
        durability,
        min_free: table.parsed("min_free", unit::size).unwrap_or(default.min_free),
        keep: table.parsed("keep", unit::days),
    }
}

/// Whoever is given the log must not get the key with it.
fn is_apart(table: &Table<'_>, key: &Path, log: &Path) -> bool {
    if !key.starts_with(log) {
        return true;
    }
    let problem = table.error("hash_key_file", "the key of the hashes would lie with the log");
    table.reading().problem(problem.help("whoever has both can test guesses: put it elsewhere, such as in state/"));
    false
}

pub(super) fn admin(file: &Table<'_>) -> Admin {
    let default = Admin::default();
    let Some(table) = file.table(&keys::ADMIN) else { return default };
    let tokens = tokens(&table);
    let bind = admin_bind(&table).unwrap_or(default.bind);
    let hosts = table.texts("hosts").unwrap_or_default();
    let hosts = hosts.iter().filter_map(|text| table.parse_text("hosts", text, host)).collect();
    if matches!(bind, AdminBind::Tcp(address) if !address.ip().is_loopback()) {
        let help = "bind to a loopback address such as 127.0.0.1:9143, or let a firewall say who may connect";
        let message = match tokens.is_empty() {
            true => "everybody who can connect reads the admin port",
            false => "everybody who can connect reads the metrics, and tokens cross the network in clear",
        };
        table.warn("bind", message, help);
    }
    Admin { bind, hosts, tokens }
}

/// An address, or the path of a socket.
fn admin_bind(table: &Table<'_>) -> Option<AdminBind> {
    let folder = table.reading().folder().to_owned();
    table.parsed("bind", |text| match text.strip_prefix("unix:") {
        None => unit::bind(text, ADMIN_PORT).map(AdminBind::Tcp),
        Some("") => Err(Wrong::new("no path", "write one, such as \"unix:/run/imapwarden/admin.sock\"")),
        Some(path) => {
            let path = folder.join(path);
            let path = std::path::absolute(&path).unwrap_or(path);
            match path.as_os_str().len() {
                ..=LONGEST_SOCKET => Ok(AdminBind::Unix(path)),
                _ => Err(Wrong::new("too long for the path of a socket", "107 octets are all that the system takes")),
            }
        }
    })
}

fn host(text: &str) -> Result<Box<str>, Wrong> {
    match unit::is_host(text) {
        true => Ok(text.to_lowercase().into()),
        false => {
            Err(Wrong::new("not the name of a host", "write it without a port, such as \"imap-admin.example.org\""))
        }
    }
}

/// That of `token_file` first.
fn tokens(admin: &Table<'_>) -> Vec<AdminToken> {
    let own = admin.readable("token_file").map(|file| AdminToken {
        name: ADMIN.into(),
        role: Role::Admin,
        file,
        place: "admin.token_file".to_owned(),
    });
    let mut tokens: Vec<AdminToken> = own.into_iter().collect();
    for (number, table) in admin.tables(&keys::TOKENS).iter().enumerate() {
        let (name, role, file) = (name(table), table.word("role", ROLES), table.readable("token_file"));
        for (key, help) in [
            ("name", "it stands in the audit log: name = \"on-call\""),
            ("role", "it is one of \"viewer\", \"operator\", \"auditor\", \"admin\""),
            ("token_file", "the first line of that file is the token"),
        ] {
            if !table.has(key) {
                table.reading().problem(table.error(key, format!("a token needs `{key}`")).help(help));
            }
        }
        let Some(((name, role), file)) = name.zip(role).zip(file) else { continue };
        if *name == *ADMIN || tokens.iter().any(|token| token.name == name) {
            let problem = table.error("name", format!("two tokens are called `{name}`"));
            table
                .reading()
                .problem(problem.help("the audit log says by name who did what; that of token_file is `admin`"));
        }
        tokens.push(AdminToken { name, role, file, place: format!("admin.tokens.{number}.token_file") });
    }
    tokens
}

pub(super) fn limits(file: &Table<'_>) -> Limits {
    let default = Limits::default();
    let Some(table) = file.table(&keys::LIMITS) else { return default };
    let limits = Limits {
        pre_auth_timeout: table.parsed("pre_auth_timeout", timeout).unwrap_or(default.pre_auth_timeout),
        idle_timeout: table.parsed("idle_timeout", timeout).unwrap_or(default.idle_timeout),
        upstream_timeout: table.parsed("upstream_timeout", timeout).unwrap_or(default.upstream_timeout),
        auth_failures: table.parsed("auth_failures", unit::rate).unwrap_or(default.auth_failures),
        drain_delay: table.parsed("drain_delay", unit::time).unwrap_or(default.drain_delay),
        drain_window: table.parsed("drain_window", unit::time).unwrap_or(default.drain_window),
        max_line: table.parsed("max_line", line).unwrap_or(default.max_line),
        max_literal: table.parsed("max_literal", unit::size).unwrap_or(default.max_literal),
    };
    if limits.idle_timeout < IDLE_AT_LEAST {
        table.warn("idle_timeout", "clients count on 30 minutes (RFC 9051 §5.4)", "leave it at 31m");
    }
    if (limits.max_line as u64) < LINE_SHOULD_BE {
        table.warn("max_line", "clients count on lines of 8 KiB (RFC 7162 §4)", "leave it at 64 KiB");
    }
    limits
}

pub(super) fn log(file: &Table<'_>) -> Log {
    let Some(table) = file.table(&keys::LOG) else { return Log::default() };
    Log {
        level: table.word("level", LEVELS).unwrap_or_default(),
        format: table.word("format", FORMATS).unwrap_or_default(),
    }
}

/// What a listener or upstream is called: a label in metrics, a word in rules.
pub(super) fn name(table: &Table<'_>) -> Option<Box<str>> {
    table.parsed("name", |text| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match !text.is_empty() && text.len() <= 63 && text.bytes().all(is_plain) {
            true => Ok(text.into()),
            false => Err(Wrong::new("it is a label in metrics", "1 to 63 of a-z, A-Z, 0-9, `-`, `_` and `.`")),
        }
    })
}

fn domain(text: &str) -> Result<Box<str>, Wrong> {
    if unit::is_host(text) {
        return Ok(text.to_lowercase().into());
    }
    Err(Wrong::new("not a domain", "write it without \"@\", such as \"example.org\""))
}

fn timeout(text: &str) -> Result<Duration, Wrong> {
    match unit::time(text)? {
        Duration::ZERO => {
            Err(Wrong::new("nobody could be that fast", "write a time that clients can keep, such as \"30s\""))
        }
        time => Ok(time),
    }
}

fn line(text: &str) -> Result<usize, Wrong> {
    let wrong = |label: &str| Wrong::new(label, "64 KiB is the default; 2 MiB takes the longest sets of messages seen");
    match unit::size(text)? {
        size if size < LINE_AT_LEAST => Err(wrong("too short for a login")),
        size => usize::try_from(size).map_err(|_| wrong("too long")),
    }
}
