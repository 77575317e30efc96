//! `imapwarden ready`: may clients be sent to the proxy that runs with this configuration?

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::config;
use crate::diagnostic::{Problem, Severity, Sources, render};

/// Ask a running proxy whether clients may be sent to it (for container and service checks).
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration that it runs with: `[admin] bind` says where to ask.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// For each step: health checks wait a few seconds at most.
const TIMEOUT: Duration = Duration::from_secs(2);

/// An answer is a few hundred octets.
const MAX_ANSWER: u64 = 16 * 1024;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut sources = Sources::default();
    // An error elsewhere in the file is not this command's affair: what runs has read an earlier version of it.
    let (config, mut problems) = config::read(&arguments.config, &mut sources);
    if let Some(config) = config {
        let address = reachable(config.admin.bind);
        match ask(address) {
            Ok(answer) => {
                // The exit status is the answer; where nobody reads the words, it still is.
                let _ = write!(io::stdout(), "{}", body(&answer));
                return ExitCode::from(u8::from(!is_ok(&answer)));
            }
            Err(error) => problems.push(unanswered(address, &error)),
        }
    }
    eprint!("{}", render(&problems, &sources, super::color(&io::stderr())));
    ExitCode::FAILURE
}

fn unanswered(address: SocketAddr, error: &io::Error) -> Problem {
    let problem = Problem::new(Severity::Error, format!("no proxy answers at {address}: {error}"));
    problem.help("is imapwarden running, and was `[admin] bind` changed since it started?")
}

/// What listens on every address is asked on loopback.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

/// HTTP/1.0: the answer ends where the connection does.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // In one piece: who answers the first of several may be gone before the last.
    stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.") {
        Ok(answer)
    } else {
        Err(io::Error::other("what listens there is no HTTP server"))
    }
}

fn is_ok(answer: &str) -> bool {
    answer.split(' ').nth(1) == Some("200")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::admin::{AdminState, Health, serve};
    use crate::metrics::{Metrics, Settings};

    /// One answer to whoever comes first.
    fn answered(answer: &'static str) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let got = ask(address);
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.0\r\n"));
        got
    }

    #[test]
    fn the_status_decides() {
        let ready = answered("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"ready\":true}\n").unwrap();
        assert_eq!((is_ok(&ready), body(&ready)), (true, "{\"ready\":true}\n"));
        let draining = answered("HTTP/1.0 503 Service Unavailable\r\n\r\n{}").unwrap();
        assert_eq!((is_ok(&draining), body(&draining)), (false, "{}"));
        assert!(answered("* OK IMAP4rev1 200\r\n").is_err());
        assert!(answered("").is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_admin_server_answers() {
        struct Ready;
        impl Health for Ready {
            fn checks(&self) -> Vec<(&'static str, bool)> {
                vec![("listeners", true)]
            }
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::new(Settings { version: "1.2.3", revision: "abcdef0" });
        let server =
            tokio::spawn(serve(listener, Arc::new(AdminState { metrics, health: Arc::new(Ready) }), pending()));
        let answer = tokio::task::spawn_blocking(move || ask(address)).await.unwrap().unwrap();
        assert_eq!((is_ok(&answer), body(&answer)), (true, "{\"checks\":{\"listeners\":\"ok\"},\"ready\":true}\n"));
        server.abort();
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let rows =
            [("0.0.0.0:9143", "127.0.0.1:9143"), ("[::]:9143", "[::1]:9143"), ("192.0.2.1:9143", "192.0.2.1:9143")];
        for (bind, want) in rows {
            assert_eq!(reachable(bind.parse().unwrap()), want.parse().unwrap());
        }
    }
}
