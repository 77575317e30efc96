use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::server::{CONNECTION_LIFETIME, GRACE};
use super::{AdminState, Health, MAX_CONNECTIONS, serve};
use crate::metrics::{Metrics, Settings};

#[derive(Default)]
struct Checks {
    draining: AtomicBool,
}

impl Health for Checks {
    fn checks(&self) -> Vec<(&'static str, bool)> {
        let draining = self.draining.load(Ordering::Relaxed);
        vec![("listeners", true), ("policy", true), ("audit", true), ("draining", !draining)]
    }
}

struct Server {
    address: SocketAddr,
    health: Arc<Checks>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Checks::default());
        let metrics = Metrics::new(Settings { version: "1.2.3", revision: "abcdef0" });
        let state = Arc::new(AdminState { metrics, health: Arc::clone(&health) as Arc<dyn Health> });
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, state, async {
            let _ = stopped.await;
        }));
        Self { address, health, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and reads until the server closes.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)).await
    }
}

/// A server that closes while it has not read all resets the connection: what came before counts.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut part).await {
        text.extend_from_slice(&part[..n]);
    }
    String::from_utf8(text).unwrap()
}

fn head(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or(response, |(head, _)| head)
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head(response).split("\r\n").filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn status(response: &str) -> &str {
    response.strip_prefix("HTTP/1.1 ").or(response.strip_prefix("HTTP/1.0 ")).and_then(|rest| rest.get(..3)).unwrap()
}

#[tokio::test]
async fn metrics_are_rendered() {
    let server = Server::start().await;
    let response = server.get("/metrics?from=prometheus").await;
    assert_eq!(status(&response), "200");
    assert_eq!(header(&response, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(body(&response).contains("imapwarden_build_info{revision=\"abcdef0\",version=\"1.2.3\"} 1\n"));
}

#[tokio::test]
async fn the_process_lives() {
    let server = Server::start().await;
    server.health.draining.store(true, Ordering::Relaxed);
    let response = server.get("/healthz").await;
    assert_eq!((status(&response), body(&response)), ("200", "{\"alive\":true}\n"));
}

#[tokio::test]
async fn readiness_names_each_check() {
    let server = Server::start().await;
    let rows = [
        (false, "200", r#"{"checks":{"audit":"ok","draining":"ok","listeners":"ok","policy":"ok"},"ready":true}"#),
        (true, "503", r#"{"checks":{"audit":"ok","draining":"fail","listeners":"ok","policy":"ok"},"ready":false}"#),
    ];
    for (draining, code, want) in rows {
        server.health.draining.store(draining, Ordering::Relaxed);
        let response = server.get("/readyz").await;
        assert_eq!((status(&response), body(&response).trim_end()), (code, want));
        assert_eq!(header(&response, "content-type"), Some("application/json"));
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_head_is_an_answer_without_its_body() {
    let server = Server::start().await;
    for path in ["/metrics", "/healthz", "/readyz", "/nowhere"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let response = server.exchange(request).await;
        let whole = server.get(path).await;
        assert_eq!(status(&response), status(&whole), "{path}");
        assert_eq!(body(&response), "", "{path}");
        let length: usize = header(&response, "content-length").unwrap().parse().unwrap();
        // Times and counts of the process change between the two by a digit or so.
        assert!(length.abs_diff(body(&whole).len()) < 64, "{path}");
    }
}

#[tokio::test]
async fn errors_are_problems() {
    let server = Server::start().await;
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let rows = [
        ("no such path", get("/api/v1/sessions", "localhost"), "404", "Not Found"),
        ("nearly a path", get("/metrics/", "localhost"), "404", "Not Found"),
        ("the page is not there", get("/", "localhost"), "404", "Not Found"),
        ("a foreign host", get("/metrics", "evil.example"), "403", "Forbidden"),
        ("a foreign host elsewhere", get("/nowhere", "evil.example"), "403", "Forbidden"),
        ("no host", "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n".into(), "400", "Bad Request"),
        (
            "a foreign page",
            "GET /readyz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
                .into(),
            "403",
            "Forbidden",
        ),
        (
            "a change",
            "POST /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b".into(),
            "405",
            "Method Not Allowed",
        ),
        (
            "a method of its own",
            "FROB /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into(),
            "405",
            "Method Not Allowed",
        ),
        (
            "a body",
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc".into(),
            "413",
            "Payload Too Large",
        ),
    ];
    for (name, request, code, title) in rows {
        let response = server.exchange(request).await;
        assert_eq!(status(&response), code, "{name}");
        assert_eq!(header(&response, "content-type"), Some("application/problem+json"), "{name}");
        assert_eq!(header(&response, "allow"), (code == "405").then_some("GET, HEAD"), "{name}");
        let problem: serde_json::Value = serde_json::from_str(body(&response)).unwrap();
        assert_eq!((&problem["type"], &problem["title"]), (&"about:blank".into(), &title.into()), "{name}");
        assert_eq!(problem["status"].to_string(), code, "{name}");
        assert!(problem["detail"].is_string(), "{name}");
        assert!(!body(&response).contains("evil") && !body(&response).contains("nowhere"), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_request_gets_no_further() {
    let server = Server::start().await;
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(32 * 1024));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(100));
    let rows = [
        ("a long field", long, "431"),
        ("many fields", many, "431"),
        ("IMAP", "a1 LOGIN ann secret\r\n\r\n".into(), "400"),
        ("TLS", "\u{16}\u{3}\u{1}\r\n\r\n".into(), "400"),
    ];
    for (name, request, code) in rows {
        let response = server.exchange(request).await;
        assert_eq!(status(&response), code, "{name}");
        assert_eq!(body(&response), "", "{name}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_one_of_http_1_0_needs_no_host() {
    let server = Server::start().await;
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = server.exchange([one, one, last].concat()).await;
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 3);
    let response = server.exchange("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&response), "200");
}

#[tokio::test]
async fn a_client_that_closes_its_side_is_answered() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(read_to_end(&mut stream).await.contains("imapwarden_build_info"));
}

/// The clock stands still but for the timeouts that all wait for.
#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_ends_the_connection() {
    let server = Server::start().await;
    for begun in ["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: local"] {
        let mut stream = server.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, "", "{begun}");
    }
}

/// Its place is given to others, with more answers under way than sockets can hold.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped() {
    const ASKED: usize = 1000;
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(ASKED).as_bytes()).await.unwrap();
    tokio::time::sleep(CONNECTION_LIFETIME + GRACE * 2).await;
    let got = read_to_end(&mut stream).await.matches("HTTP/1.1 200 OK").count();
    assert!((1..ASKED).contains(&got), "{got}");
}

#[tokio::test]
async fn those_past_the_bound_wait_for_a_place() {
    let server = Server::start().await;
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut part = [0; 512];
        assert!(stream.read(&mut part).await.unwrap() > 0); // answered, so it holds a place
        open.push(stream);
    }
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    // All that runs here has had its turn many times over, and this one got no answer.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        let mut part = [0; 1];
        assert!(waiting.try_read(&mut part).is_err());
    }
    drop(open.pop());
    assert_eq!(status(&read_to_end(&mut waiting).await), "200");
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_takes_no_more() {
    let server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut part = [0; 512];
    assert!(idle.read(&mut part).await.unwrap() > 0);
    server.stop.send(()).unwrap();
    assert_eq!(read_to_end(&mut idle).await, "");
    server.served.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
