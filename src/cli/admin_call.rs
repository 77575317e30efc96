//! A call to the admin port of a running proxy.
//!
//! ```text
//!   --config FILE            address of [admin] bind, first token in it that may
//!   --admin URL --token-file F
//! ```
//!
//! HTTP/1.0, so that an answer ends where its connection does. Nothing but the standard library opens the socket: there is no
//! runtime here that would be worth its start.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{self, AdminBind, Role};
use crate::diagnostic::{Problem, Severity, Sources, render};

/// To connect: who listens answers at once.
const CONNECT: Duration = Duration::from_secs(2);

/// An answer holds lists at most.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// Which proxy, and who asks.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
pub(super) struct Which {
    /// The configuration that it runs with: `[admin]` says where to ask, and with which token.
    #[arg(long, value_name = "FILE", group = "which")]
    config: Option<PathBuf>,
    /// Its admin port, as http://127.0.0.1:9143 or unix:/run/imapwarden/admin.sock.
    #[arg(long, value_name = "URL", group = "which", requires = "token_file")]
    admin: Option<String>,
}

/// The token, where no configuration names it.
#[derive(Debug, clap::Args)]
pub(super) struct TokenFile {
    /// A file whose first line is the token.
    #[arg(long, value_name = "F", requires = "admin")]
    token_file: Option<PathBuf>,
}

/// Which proxy is asked, with whose token.
#[derive(Debug, clap::Args)]
pub(super) struct Asker {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    token: TokenFile,
}

impl Asker {
    /// Does something with the proxy that is meant; what went wrong is said.
    pub fn then(
        &self,
        roles: &[Role],
        timeout: Duration,
        work: impl FnOnce(&Call) -> io::Result<ExitCode>,
    ) -> ExitCode {
        let complain = |problems: &[Problem], sources: &Sources| {
            eprint!("{}", render(problems, sources, super::color(&io::stderr())));
            ExitCode::FAILURE
        };
        match Call::of(&self.which, &self.token, roles, timeout) {
            Ok(call) => work(&call).unwrap_or_else(|error| complain(&[call.unanswered(&error)], &Sources::default())),
            Err((problems, sources)) => complain(&problems, &sources),
        }
    }
}

/// Where to ask, and how.
pub(super) struct Call {
    place: AdminBind,
    token: Option<Zeroizing<String>>,
    /// How long the answer may take.
    timeout: Duration,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What came with it.
    pub body: String,
}

impl Answer {
    /// What was asked for was done.
    pub fn is_ok(&self) -> bool {
        self.status == 200
    }
}

impl Call {
    /// To whoever may be asked by everybody.
    pub const fn open(place: AdminBind, timeout: Duration) -> Self {
        Self { place, token: None, timeout }
    }

    /// With the token of somebody who has one of these roles.
    pub fn of(
        which: &Which,
        token: &TokenFile,
        roles: &[Role],
        timeout: Duration,
    ) -> Result<Self, (Vec<Problem>, Sources)> {
        let mut sources = Sources::default();
        let found = match (&which.config, &which.admin) {
            (Some(config), _) => by_config(config, roles, &mut sources),
            (None, Some(url)) => address(url).map_err(|problem| vec![problem]).map(|at| (at, token.token_file.clone())),
            (None, None) => Err(Vec::new()), // clap asks for one of them
        };
        let found = found.and_then(|(place, file)| {
            let token = file.as_deref().map(read_token).transpose().map_err(|problem| vec![problem])?;
            Ok(Self { place, token, timeout })
        });
        found.map_err(|problems| (problems, sources))
    }

    /// As a configuration says, with the token of somebody who has one of these roles; `None` where that cannot be had.
    pub fn by_config(path: &Path, roles: &[Role], timeout: Duration) -> Option<Self> {
        let (address, file) = by_config(path, roles, &mut Sources::default()).ok()?;
        let token = read_token(&file?).ok()?;
        Some(Self { place: address, token: Some(token), timeout })
    }

    /// Asks, and reads the whole answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&str>) -> io::Result<Answer> {
        match &self.place {
            AdminBind::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, CONNECT)?;
                stream.set_read_timeout(Some(self.timeout))?;
                stream.set_write_timeout(Some(CONNECT))?;
                self.converse(stream, &address.to_string(), (method, path, body))
            }
            AdminBind::Unix(socket) => {
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(Some(self.timeout))?;
                stream.set_write_timeout(Some(CONNECT))?;
                self.converse(stream, "localhost", (method, path, body))
            }
        }
    }

    fn converse(
        &self,
        mut stream: impl Read + Write,
        host: &str,
        (method, path, body): (&str, &str, Option<&str>),
    ) -> io::Result<Answer> {
        let mut request = Zeroizing::new(format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n"));
        if let Some(token) = &self.token {
            request.push_str("Authorization: Bearer ");
            request.push_str(token);
            request.push_str("\r\n");
        }
        if let Some(body) = body {
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        // In one piece: who answers the first of several may be gone before the last.
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
        read_answer(&answer).ok_or_else(|| io::Error::other("what listens there is no HTTP server"))
    }

    /// Asks, and says what was answered: as it came, or by `said`; a refusal by its `detail`.
    pub fn tell(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        json: bool,
        said: impl FnOnce(&Value) -> io::Result<()>,
    ) -> io::Result<ExitCode> {
        let answer = self.ask(method, path, body)?;
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let written = match (json, answer.is_ok()) {
            (true, _) => write!(io::stdout(), "{}", answer.body),
            (false, true) => said(&told),
            (false, false) => writeln!(io::stderr(), "{}", told["detail"].as_str().unwrap_or("refused")),
        };
        Ok(ExitCode::from(u8::from(written.is_err() || !answer.is_ok())))
    }

    /// What is said where nobody answers.
    pub fn unanswered(&self, error: &io::Error) -> Problem {
        let problem = Problem::new(Severity::Error, format!("no proxy answers at {}: {error}", self.place));
        problem.help("is imapwarden running, and was `[admin] bind` changed since it started?")
    }
}

fn read_answer(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

fn by_config(path: &Path, roles: &[Role], sources: &mut Sources) -> Result<(AdminBind, Option<PathBuf>), Vec<Problem>> {
    // An error elsewhere in the file is not this command's affair: what runs has read an earlier version of it.
    let (config, problems) = config::read(path, sources);
    let Some(config) = config else { return Err(problems) };
    let may = |role: Role| role == Role::Admin || roles.contains(&role);
    let token = config.admin.tokens.iter().find(|token| may(token.role));
    match token {
        Some(token) => Ok((reachable(&config.admin.bind), Some(token.file.clone()))),
        None => {
            let mut wrong: Vec<Problem> = problems;
            wrong.retain(|problem| config.places.is_about(problem, "admin"));
            let problem = config.places.error("admin", "`[admin]` names no token that may do that");
            wrong.push(
                problem.help(
                    "a change needs one: token_file = \"admin.token\"; make it: head -c 24 /dev/urandom | base64",
                ),
            );
            Err(wrong)
        }
    }
}

/// What listens on every address is asked on loopback.
pub(super) fn reachable(bind: &AdminBind) -> AdminBind {
    let bind = match bind {
        AdminBind::Tcp(bind) => *bind,
        AdminBind::Unix(path) => return AdminBind::Unix(path.clone()),
    };
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    AdminBind::Tcp(SocketAddr::new(ip, bind.port()))
}

/// `http://127.0.0.1:9143`, `unix:/run/imapwarden/admin.sock`
fn address(url: &str) -> Result<AdminBind, Problem> {
    if let Some(path) = url.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(AdminBind::Unix(path.into()));
    }
    let wrong = |why: String| {
        let problem = Problem::new(Severity::Error, format!("cannot ask `{url}`: {why}"));
        problem
            .help("write the admin port as http://127.0.0.1:9143, or unix:/path; through other networks, in a tunnel")
    };
    let place = url.strip_prefix("http://").ok_or_else(|| wrong("it does not begin with http://".to_owned()))?;
    let place = place.strip_suffix('/').unwrap_or(place);
    let found = place.to_socket_addrs().map_err(|error| wrong(error.to_string()));
    found?.next().map(AdminBind::Tcp).ok_or_else(|| wrong("no address".to_owned()))
}

fn read_token(file: &Path) -> Result<Zeroizing<String>, Problem> {
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        Problem::in_file(Severity::Error, file, format!("cannot read the token: {}", config::reason(&error)))
    })?;
    let token = text.lines().next().unwrap_or_default().trim();
    match !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic()) {
        true => Ok(Zeroizing::new(token.to_owned())),
        false => Err(Problem::in_file(Severity::Error, file, "the first line of the file is no token")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// One answer to whoever comes first, and what they sent.
    fn answered(answer: &'static str, token: Option<&str>, body: Option<&str>) -> (io::Result<Answer>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let token = token.map(|token| Zeroizing::new(token.to_owned()));
        let got = Call { place: AdminBind::Tcp(address), token, timeout: CONNECT }.ask("POST", "/api/v1/reload", body);
        (got, server.join().unwrap().replace(&address.to_string(), "PLACE"))
    }

    #[test]
    fn a_call_is_one_request_and_its_answer() {
        let (answer, sent) = answered("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}\n", Some("secret"), Some("{}"));
        let answer = answer.unwrap();
        assert_eq!((answer.is_ok(), answer.body.as_str()), (true, "{}\n"));
        assert_eq!(
            sent,
            "POST /api/v1/reload HTTP/1.0\r\nHost: PLACE\r\nAuthorization: Bearer secret\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
        let (answer, sent) = answered("HTTP/1.0 503 Service Unavailable\r\n\r\n{}", None, None);
        assert_eq!((answer.unwrap().is_ok(), sent.contains("Authorization")), (false, false));
        assert!(answered("* OK IMAP4rev1 200\r\n", None, None).0.is_err());
        assert!(answered("", None, None).0.is_err());
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let rows =
            [("0.0.0.0:9143", "127.0.0.1:9143"), ("[::]:9143", "[::1]:9143"), ("192.0.2.1:9143", "192.0.2.1:9143")];
        for (bind, want) in rows {
            assert_eq!(reachable(&AdminBind::Tcp(bind.parse().unwrap())), AdminBind::Tcp(want.parse().unwrap()));
        }
    }

    #[test]
    fn urls() {
        for (url, want) in [
            ("http://127.0.0.1:9143", Some("127.0.0.1:9143")),
            ("http://[::1]:9143/", Some("[::1]:9143")),
            ("https://127.0.0.1:9143", None),
            ("127.0.0.1:9143", None),
            ("http://127.0.0.1", None),
            ("unix:", None),
        ] {
            assert_eq!(address(url).ok(), want.map(|want| AdminBind::Tcp(want.parse().unwrap())), "{url}");
        }
        assert_eq!(address("unix:/run/a.sock").ok(), Some(AdminBind::Unix("/run/a.sock".into())));
    }
}
