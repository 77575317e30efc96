use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::access::tokens;
use super::route::Route;
use super::server::{CONNECTION_LIFETIME, GRACE};
use super::{
    Access, AdminState, Call, Control, Door, Drain, Explained, Follow, Health, InForce, LockChange, Locking,
    MAX_CONNECTIONS, Reload, Rule, Tokens, Unlocking, Work, serve,
};
use crate::config::Role;
use crate::metrics::{Metrics, Settings};
use crate::net::{Live, Refused};

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

/// A log to which one record is written.
struct OneRecord(bool);

impl Follow for OneRecord {
    fn come(&mut self) -> std::io::Result<Vec<Vec<u8>>> {
        let first = !std::mem::replace(&mut self.0, true);
        Ok(first.then(|| br#"{"seq":7,"type":"session.open"}"#.to_vec()).into_iter().collect())
    }
}

/// Does nothing, and remembers what it was asked.
#[derive(Default)]
struct Remembering {
    reloads: AtomicUsize,
    killed: Mutex<Vec<String>>,
    calls: Mutex<Vec<Call>>,
    accesses: Mutex<Vec<Access>>,
    log_fails: AtomicBool,
}

impl Control for Remembering {
    fn reload(&self) -> Work<'_, Reload> {
        let before = self.reloads.fetch_add(1, Ordering::Relaxed);
        let told = serde_json::json!({ "rev": "b", "old_rev": "a" });
        let problems = serde_json::json!({ "problems": [], "errors": 1, "warnings": 0 });
        Box::pin(async move {
            match before {
                0 => Reload::Done { told },
                1 => Reload::Refused { problems, text: "error: no".to_owned() },
                _ => Reload::Unavailable,
            }
        })
    }

    fn in_force(&self) -> InForce {
        let rule = Rule { id: "no-finance".into(), place: "rules/a.toml:3".into(), mode: "enforce" };
        InForce { rev: "9b1d02c4".into(), rules: vec![rule], upstreams: vec!["main".into()], ..InForce::default() }
    }

    fn refused(&self) -> Vec<Refused> {
        Vec::new()
    }

    fn checkpoint(&self) -> Option<std::sync::Arc<str>> {
        Some("mx-a1/01k9z3t0m4\n7\n".into())
    }

    fn rotate(&self) -> Work<'_, Option<crate::audit::Rotated>> {
        Box::pin(async { Some(crate::audit::Rotated { sealed: 41, open: 42 }) })
    }

    fn newest_records(&self) -> Work<'_, std::io::Result<Vec<Vec<u8>>>> {
        Box::pin(async { Ok(vec![br#"{"seq":1,"type":"proxy.start"}"#.to_vec()]) })
    }

    fn config(&self) -> Work<'_, Option<serde_json::Value>> {
        Box::pin(async { Some(serde_json::json!({ "sha256": "0" })) })
    }

    fn explain(&self, asked: serde_json::Map<String, serde_json::Value>) -> Work<'_, Explained> {
        Box::pin(async move {
            match asked.get("user") {
                Some(_) => Explained::Told(serde_json::json!({ "verdict": "allowed" })),
                None => Explained::Unclear("say whose mail is opened: user".to_owned()),
            }
        })
    }

    fn follow(&self) -> Work<'_, std::io::Result<Box<dyn Follow>>> {
        Box::pin(async { Ok(Box::new(OneRecord(false)) as Box<dyn Follow>) })
    }

    fn drain(&self, begin: bool) -> Work<'_, Drain> {
        Box::pin(async move {
            if begin { Drain::Begun { open: 2, delay_s: 10, window_s: 120 } } else { Drain::NothingToDo }
        })
    }

    fn locks(&self) -> Vec<serde_json::Value> {
        vec![serde_json::json!({ "id": "k3x9q2" })]
    }

    fn lock(&self, asked: Locking) -> Work<'_, LockChange> {
        let whom = asked.user.or(asked.client_ip);
        Box::pin(async move {
            match whom.as_deref() {
                Some("full") => LockChange::NotKept,
                Some(_) => LockChange::Done(serde_json::json!({ "id": "k3x9q2", "by": asked.by, "why": asked.why })),
                None => LockChange::Unclear,
            }
        })
    }

    fn unlock(&self, asked: Unlocking) -> Work<'_, LockChange> {
        let known = &*asked.id == "k3x9q2";
        Box::pin(async move {
            match known {
                true => LockChange::Done(serde_json::json!({ "id": asked.id, "by": asked.by, "why": asked.why })),
                false => LockChange::Missing,
            }
        })
    }

    fn sessions(&self) -> Vec<Arc<Live>> {
        let ip = "192.0.2.1".parse().unwrap();
        ["ann", "bob"].map(|user| Arc::new(Live::of(user, ip, "INBOX"))).to_vec()
    }

    fn kill(&self, sids: &HashSet<Arc<str>>, why: &str) -> usize {
        let mut killed: Vec<String> = sids.iter().map(|sid| format!("{sid}: {why}")).collect();
        killed.retain(|killed| killed.starts_with("ann") || killed.starts_with("bob"));
        killed.sort();
        let n = killed.len();
        self.killed.lock().unwrap().extend(killed);
        n
    }

    fn accessed(&self, access: Access) -> Work<'_, bool> {
        self.accesses.lock().unwrap().push(access);
        Box::pin(async { !self.log_fails.load(Ordering::Relaxed) })
    }

    fn record(&self, call: Call) -> Work<'_, bool> {
        self.calls.lock().unwrap().push(call);
        Box::pin(async { !self.log_fails.load(Ordering::Relaxed) })
    }
}

struct Server {
    address: SocketAddr,
    health: Arc<Checks>,
    control: Arc<Remembering>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Tokens::default()).await
    }

    async fn start_with(tokens: Tokens) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Checks::default());
        let metrics = Metrics::new(Settings { version: "1.2.3", revision: "abcdef0" });
        let control = Arc::new(Remembering::default());
        let state = Arc::new(AdminState {
            metrics,
            health: Arc::clone(&health) as Arc<dyn Health>,
            control: Arc::clone(&control) as Arc<dyn Control>,
            tokens: ArcSwap::from_pointee(tokens),
            hosts: ArcSwap::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(Door::Tcp(listener), state, async {
            let _ = stopped.await;
        }));
        Self { address, health, control, stop, served }
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

    /// The calls that were recorded since they were last asked for.
    fn recorded(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.control.calls.lock().unwrap());
        let said = calls.into_iter().map(|call| {
            let role = call.role.map_or("-", Role::as_str);
            format!("{} as {role}: {} {} {}", call.who, call.method, call.route, call.status)
        });
        said.collect()
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
        ("no such path", get("/api/v1/session", "localhost"), "404", "Not Found"),
        ("nearly a path", get("/metrics/", "localhost"), "404", "Not Found"),
        ("another page", get("/index.html", "localhost"), "404", "Not Found"),
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

fn some_tokens() -> Tokens {
    tokens(&[
        ("admin", Role::Admin, "admin-admin-admin-admin"),
        ("ops", Role::Operator, "ops-ops-ops-ops-ops-ops"),
        ("eyes", Role::Auditor, "eyes-eyes-eyes-eyes"),
        ("wall", Role::Viewer, "wall-wall-wall-wall"),
    ])
}

/// A reload with these header fields besides Host, and this body.
fn reload(fields: &[&str], body: &str) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    format!(
        "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n{body}"
    )
}

const JSON: &str = "Content-Type: application/json";
const OPS: &str = "Authorization: Bearer ops-ops-ops-ops-ops-ops";

#[tokio::test]
async fn who_may_reload_and_what_is_recorded_of_it() {
    let rows: [(&str, &[&str], &str, &str, &str); 13] = [
        ("an operator", &[JSON, OPS], "", "200", "ops as operator: POST /api/v1/reload 200"),
        ("with an object", &["content-type: Application/JSON; charset=utf-8", OPS], "{ }", "200", "ops as operator"),
        ("admin", &[JSON, "Authorization: Bearer admin-admin-admin-admin"], "", "200", "admin as admin"),
        ("an auditor", &[JSON, "Authorization: Bearer eyes-eyes-eyes-eyes"], "", "403", "eyes as auditor"),
        ("a viewer", &[JSON, "Authorization: Bearer wall-wall-wall-wall"], "", "403", "wall as viewer"),
        ("nobody", &[JSON], "", "401", "nobody as -: POST /api/v1/reload 401"),
        ("a wrong token", &[JSON, "Authorization: Bearer ops"], "", "401", "nobody as -"),
        ("a form", &["Content-Type: application/x-www-form-urlencoded", OPS], "a=b", "403", "nobody as -"),
        ("no type at all", &[OPS], "", "403", "nobody as -"),
        ("another site's page", &[JSON, OPS, "Origin: http://evil.example"], "", "403", "nobody as -"),
        ("its own page", &[JSON, OPS, "Origin: http://localhost"], "", "200", "ops as operator"),
        ("what it does not know", &[JSON, OPS], "{\"dry_run\": true}", "400", "ops as operator"),
        ("no object", &[JSON, OPS], "[]", "400", "ops as operator"),
    ];
    for (name, fields, sent, code, recorded) in rows {
        let server = Server::start_with(some_tokens()).await;
        let response = server.exchange(reload(fields, sent)).await;
        assert_eq!(status(&response), code, "{name}: {response}");
        assert_eq!(server.control.reloads.load(Ordering::Relaxed), usize::from(code == "200"), "{name}");
        let calls = server.recorded();
        assert!(calls.len() == 1 && calls[0].starts_with(recorded) && calls[0].ends_with(code), "{name}: {calls:?}");
        assert_eq!(header(&response, "www-authenticate"), (code == "401").then_some("Bearer"), "{name}");
        assert!(!response.contains("ops-ops"), "{name}");
    }
}

#[tokio::test]
async fn what_comes_of_a_reload_is_told() {
    let server = Server::start_with(some_tokens()).await;
    let mut answers = Vec::new();
    for code in ["200", "422", "503"] {
        let response = server.exchange(reload(&[JSON, OPS], "")).await;
        assert_eq!(status(&response), code);
        answers.push(serde_json::from_str::<serde_json::Value>(body(&response)).unwrap());
    }
    assert_eq!((&answers[0]["rev"], &answers[0]["old_rev"]), (&"b".into(), &"a".into()));
    assert_eq!((&answers[1]["text"], &answers[1]["problems"]["errors"]), (&"error: no".into(), &1.into()));
    assert_eq!(answers[1]["title"], "Unprocessable Entity");
    assert!(answers[2]["detail"].is_string());
}

#[tokio::test]
async fn without_tokens_nothing_is_changed() {
    let server = Server::start().await;
    for fields in [&[JSON][..], &[JSON, OPS], &[JSON, "Authorization: Bearer "]] {
        assert_eq!(status(&server.exchange(reload(fields, "")).await), "401", "{fields:?}");
    }
    assert_eq!(server.control.reloads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn nothing_is_changed_by_get_and_all_is_recorded_but_what_everybody_reads() {
    let server = Server::start_with(some_tokens()).await;
    let get = server.exchange(reload(&[JSON, OPS], "").replacen("POST", "GET", 1)).await;
    assert_eq!((status(&get), header(&get, "allow")), ("405", Some("POST")));
    for path in ["/metrics", "/healthz", "/readyz"] {
        server.get(path).await;
    }
    let foreign = "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.exchange(foreign).await), "403");
    let unknown = server.get("/api/v1/canary").await;
    assert_eq!(status(&unknown), "404");
    assert_eq!(
        server.recorded(),
        ["nobody as -: GET /api/v1/reload 405", "nobody as -: GET unknown 404"],
        "in words of ours"
    );
    assert_eq!(server.control.reloads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let server = Server::start_with(some_tokens()).await;
    server.control.log_fails.store(true, Ordering::Relaxed);
    let response = server.exchange(reload(&[JSON, OPS], "")).await;
    assert_eq!(status(&response), "503");
    assert!(!body(&response).contains("rev"), "{response}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let server = Server::start_with(some_tokens()).await;
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(128 * 1024));
    assert_eq!(status(&server.exchange(reload(&[JSON, OPS], &large)).await), "413");
    assert_eq!(server.control.reloads.load(Ordering::Relaxed), 0);
}

/// A call with ops' token.
fn call(method: &str, target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n{OPS}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let by_name = r#"{"filter":{"user":"a*"},"why":"left"}"#;
    let dry = r#"{"filter":{"user":"a*"},"dry_run":true}"#;
    let rows: [(&str, &str, &str, &str, &str, &[&str]); 14] = [
        ("all of them", "GET", "/api/v1/sessions", "", "200", &[]),
        ("one", "GET", "/api/v1/sessions/ann", "", "200", &[]),
        ("none", "GET", "/api/v1/sessions/cid", "", "404", &[]),
        ("asked in a way unknown", "GET", "/api/v1/sessions?usr=ann", "", "400", &[]),
        ("a broken query", "GET", "/api/v1/sessions?user=%", "", "400", &[]),
        ("one is ended", "DELETE", "/api/v1/sessions/ann?why=lost+phone", "", "200", &["ann: lost phone"]),
        ("none is", "DELETE", "/api/v1/sessions/cid", "", "404", &[]),
        ("a dry run", "POST", "/api/v1/kill", dry, "200", &[]),
        ("by a filter", "POST", "/api/v1/kill", by_name, "200", &["ann: left"]),
        ("no filter", "POST", "/api/v1/kill", r#"{"why":"left"}"#, "400", &[]),
        ("an empty one", "POST", "/api/v1/kill", r#"{"filter":{},"why":"left"}"#, "400", &[]),
        ("no reason", "POST", "/api/v1/kill", r#"{"filter":{"user":"a*"}}"#, "400", &[]),
        ("no such filter", "POST", "/api/v1/kill", r#"{"filter":{"limit":"1"},"why":"x"}"#, "400", &[]),
        ("no such key", "POST", "/api/v1/kill", r#"{"filter":{"user":"a"},"dryrun":true,"why":"x"}"#, "400", &[]),
    ];
    let server = Server::start_with(some_tokens()).await;
    for (name, method, target, body, code, killed) in rows {
        let response = server.exchange(call(method, target, body)).await;
        assert_eq!(status(&response), code, "{name}: {response}");
        assert_eq!(*std::mem::take(&mut *server.control.killed.lock().unwrap()), *killed, "{name}");
        assert_eq!(server.control.calls.lock().unwrap().len(), 1, "{name}");
        let last = server.control.calls.lock().unwrap().pop().unwrap();
        let target = last.target.as_deref();
        let known = ["ann", "user=a*"];
        assert!(target.is_none_or(|target| known.contains(&target)), "{name}: {target:?}");
    }
    let told = server.exchange(call("POST", "/api/v1/kill", dry)).await;
    let told: serde_json::Value = serde_json::from_str(body(&told)).unwrap();
    assert_eq!((&told["matched"], &told["sessions"][0]["user"]), (&1.into(), &"ann".into()));
}

#[tokio::test]
async fn who_may_see_and_end_sessions() {
    let server = Server::start_with(some_tokens()).await;
    for (token, seen, ended) in [
        ("ops-ops-ops-ops-ops-ops", "200", "200"),
        ("admin-admin-admin-admin", "200", "200"),
        ("eyes-eyes-eyes-eyes", "200", "403"),
        ("wall-wall-wall-wall", "403", "403"),
        ("guess", "401", "401"),
    ] {
        let as_this = |method, target| call(method, target, "").replace("ops-ops-ops-ops-ops-ops", token);
        assert_eq!(status(&server.exchange(as_this("GET", "/api/v1/sessions")).await), seen, "{token}");
        assert_eq!(status(&server.exchange(as_this("GET", "/api/v1/sessions/ann")).await), seen, "{token}");
        assert_eq!(status(&server.exchange(as_this("DELETE", "/api/v1/sessions/ann")).await), ended, "{token}");
    }
}

#[tokio::test]
async fn locks_are_asked_for_in_full() {
    let rows = [
        ("a user", "POST", "", r#"{"user":"ann","until":"2999-01-01T00:00:00Z","why":"left"}"#, "200"),
        ("an address", "POST", "", r#"{"client_ip":"192.0.2.1","until":"2999-01-01T00:00:00+02:00","why":"x"}"#, "200"),
        ("nobody", "POST", "", r#"{"until":"2999-01-01T00:00:00Z","why":"left"}"#, "400"),
        ("for ever", "POST", "", r#"{"user":"ann","why":"left"}"#, "400"),
        ("until yesterday", "POST", "", r#"{"user":"ann","until":"1999-01-01T00:00:00Z","why":"left"}"#, "400"),
        ("without a reason", "POST", "", r#"{"user":"ann","until":"2999-01-01T00:00:00Z","why":" "}"#, "400"),
        ("a group", "POST", "", r#"{"group":"x","until":"2999-01-01T00:00:00Z","why":"left"}"#, "400"),
        ("what cannot be kept", "POST", "", r#"{"user":"full","until":"2999-01-01T00:00:00Z","why":"left"}"#, "500"),
        ("those that hold", "GET", "", "", "200"),
        ("taken away", "DELETE", "/k3x9q2?why=back", "", "200"),
        ("none is", "DELETE", "/other", "", "404"),
    ];
    let server = Server::start_with(some_tokens()).await;
    for (name, method, at, body, code) in rows {
        let response = server.exchange(call(method, &format!("/api/v1/locks{at}"), body)).await;
        assert_eq!(status(&response), code, "{name}: {response}");
        let last = server.control.calls.lock().unwrap().pop().unwrap();
        let done = code == "200" && method != "GET";
        assert_eq!(last.target.as_deref(), done.then_some("k3x9q2"), "{name}");
    }
    let eyes = call("GET", "/api/v1/locks", "").replace("ops-ops-ops-ops-ops-ops", "eyes-eyes-eyes-eyes");
    assert_eq!(status(&server.exchange(eyes).await), "403");
}

/// What each role is let in to, and is told: every path of the table, each way.
#[tokio::test]
async fn what_each_role_may_see() {
    const LOCK: &str = r#"{"user":"ann","until":"2999-01-01T00:00:00Z","why":"left"}"#;
    const ACCESS: &str = r#"{"who":"ann","command":"query","filter":"user=bob","rows":3}"#;
    const KILL: &str = r#"{"filter":{"user":"a*"},"dry_run":true}"#;
    let rows = [
        ("GET", "/api/v1/overview", "", ["200", "200", "200", "200"]),
        ("GET", "/api/v1/rules", "", ["200", "200", "200", "200"]),
        ("GET", "/api/v1/upstreams", "", ["200", "200", "200", "200"]),
        ("GET", "/api/v1/audit/head", "", ["200", "200", "200", "200"]),
        ("GET", "/api/v1/audit/checkpoint", "", ["200", "200", "200", "200"]),
        ("GET", "/api/v1/sessions", "", ["403", "200", "200", "200"]),
        ("GET", "/api/v1/sessions/{sid}", "", ["403", "200", "200", "200"]),
        ("DELETE", "/api/v1/sessions/{sid}", "", ["403", "200", "403", "200"]),
        ("POST", "/api/v1/kill", KILL, ["403", "200", "403", "200"]),
        ("GET", "/api/v1/locks", "", ["403", "200", "403", "200"]),
        ("POST", "/api/v1/locks", LOCK, ["403", "200", "403", "200"]),
        ("DELETE", "/api/v1/locks/{id}", "", ["403", "200", "403", "200"]),
        ("GET", "/api/v1/audit/events", "", ["403", "403", "200", "200"]),
        ("POST", "/api/v1/audit/access", ACCESS, ["403", "403", "200", "200"]),
        ("GET", "/api/v1/audit/stream", "", ["403", "403", "200", "200"]),
        ("POST", "/api/v1/audit/rotate", "", ["403", "200", "403", "200"]),
        ("POST", "/api/v1/explain", r#"{"user":"ann"}"#, ["403", "200", "200", "200"]),
        ("GET", "/api/v1/config", "", ["403", "403", "403", "200"]),
        ("POST", "/api/v1/drain", "", ["403", "200", "403", "200"]),
        ("DELETE", "/api/v1/drain", "", ["403", "409", "403", "409"]),
        ("POST", "/api/v1/reload", "", ["403", "200", "403", "422"]),
    ];
    let asked: Vec<_> = rows.iter().map(|(method, path, ..)| (*method, *path)).collect();
    let mut there: Vec<_> = Route::guarded().collect();
    there.retain(|way| !asked.contains(way));
    assert_eq!(there, [], "each has a row");
    let tokens = ["wall-wall-wall-wall", "ops-ops-ops-ops-ops-ops", "eyes-eyes-eyes-eyes", "admin-admin-admin-admin"];
    let server = Server::start_with(some_tokens()).await;
    for (method, path, body, codes) in rows {
        let target = path.replace("{sid}", "ann").replace("{id}", "k3x9q2");
        for (token, code) in tokens.into_iter().zip(codes) {
            let request = call(method, &target, body).replace("ops-ops-ops-ops-ops-ops", token);
            let mut stream = server.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            // One of them goes on for as long as somebody listens.
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).await.unwrap();
            assert_eq!(begin, *format!("HTTP/1.1 {code}").as_bytes(), "{method} {path} by {token}");
        }
        let recorded = server.recorded();
        let of_it = recorded.iter().filter(|call| call.contains(&format!(": {method} {path} "))).count();
        assert_eq!((recorded.len(), of_it), (tokens.len(), tokens.len()), "each call is recorded: {recorded:?}");
    }
}

#[tokio::test]
async fn records_come_as_they_are_written() {
    let server = Server::start_with(some_tokens()).await;
    let request = call("GET", "/api/v1/audit/stream?type=session.*", "")
        .replace("ops-ops-ops-ops-ops-ops", "eyes-eyes-eyes-eyes");
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut heard, mut part) = (String::new(), [0; 1024]);
    while !heard.contains("id: 7\ndata: {\"seq\":7,\"type\":\"session.open\"}\n\n") {
        let n = stream.read(&mut part).await.unwrap();
        assert!(n > 0, "{heard}");
        heard.push_str(std::str::from_utf8(&part[..n]).unwrap());
    }
    assert_eq!(header(&heard, "content-type"), Some("text/event-stream"));
    let wrong = call("GET", "/api/v1/audit/stream?usr=x", "").replace("ops-ops-ops-ops-ops-ops", "eyes-eyes-eyes-eyes");
    assert_eq!(status(&server.exchange(wrong).await), "400");
}

#[tokio::test]
async fn what_cannot_be_explained_says_why() {
    let server = Server::start_with(some_tokens()).await;
    let response = server.exchange(call("POST", "/api/v1/explain", "{}")).await;
    assert_eq!(status(&response), "400");
    assert!(body(&response).contains("say whose mail is opened"), "{response}");
}

#[tokio::test]
async fn a_viewer_sees_no_names() {
    let server = Server::start_with(some_tokens()).await;
    let told = |token: &str| {
        let asked = call("GET", "/api/v1/overview?sort=user", "").replace("ops-ops-ops-ops-ops-ops", token);
        async { serde_json::from_str::<serde_json::Value>(body(&server.exchange(asked).await)).unwrap() }
    };
    let (seen, masked) = (told("ops-ops-ops-ops-ops-ops").await, told("wall-wall-wall-wall").await);
    assert_eq!((&seen["masked"], &seen["sessions"]["sessions"][0]["user"]), (&false.into(), &"ann".into()));
    assert_eq!((&masked["masked"], &masked["sessions"]["total"]), (&true.into(), &2.into()));
    let user = masked["sessions"]["sessions"][0]["user"].as_str().unwrap();
    assert!(user.len() == 6 && user.starts_with("u-"), "{user}");
    let asked = call("GET", "/api/v1/overview?user=ann", "").replace("ops-ops-ops-ops-ops-ops", "wall-wall-wall-wall");
    assert_eq!(status(&server.exchange(asked).await), "400", "who asks for somebody learns whether they are there");
    let text = masked.to_string();
    assert!(["ann", "bob", "192.0.2.1", "INBOX"].iter().all(|name| !text.contains(name)), "{text}");
    assert_eq!(seen["rules"]["first"][0]["id"], "no-finance");
    assert_eq!((&seen["now"]["sessions"], &seen["audit"]["failing"]), (&0.into(), &false.into()));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let server = Server::start_with(some_tokens()).await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let response = server.get(path).await;
        assert_eq!((status(&response), header(&response, "content-type")), ("200", Some(content_type)), "{path}");
        let policy = header(&response, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        let text = body(&response);
        assert!(!text.contains("//cdn") && !text.contains("https:") && !text.contains("http:"), "{path}");
        assert!(!text.contains("innerHTML") && !text.contains("eval("), "{path}");
    }
    assert_eq!(server.recorded().len(), 3);
    let foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.exchange(foreign).await), "403");
}
