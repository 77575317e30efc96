//! The program while it runs: start, reload, drain, stop, and the records of each. The demo's server is the upstream.

mod listeners;
mod many;
mod notified;
mod upgrade;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imapwarden::demo;
use rustix::process::{Pid, Signal, kill_process};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a configuration.
struct Place {
    folder: TempDir,
    /// Ends with the test.
    _upstream: tokio::runtime::Runtime,
    upstream: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        let (listener, upstream) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            (listener, address)
        });
        let store = demo::store::Store::empty_with(&[("ann@example.org", "secret")]);
        runtime.spawn(demo::server::serve(listener, store));
        let place = Self { folder: tempfile::tempdir().expect("a folder of our own"), _upstream: runtime, upstream };
        fs::create_dir(place.path("rules")).expect("it is ours");
        place.write("", "");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration; `listener` and `limits` are further lines of these sections.
    fn write(&self, listener: &str, limits: &str) {
        let text = format!(
            "[[listener]]\nname = \"imap\"\nbind = \"127.0.0.1:0\"\ntls = \"off\"\nallow_plaintext_login = true\n{listener}\n\
             [[upstream]]\nservers = [\"{}\"]\ntls = \"off\"\n[policy]\nrules = []\n[admin]\nbind = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n[limits]\ndrain_delay = \"0s\"\ndrain_window = \"1m\"\n{limits}",
            self.upstream
        );
        fs::write(self.path("imapwarden.toml"), text).expect("it is ours");
    }

    /// Replaces one line by others.
    fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("imapwarden.toml")).expect("it was written");
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.path("imapwarden.toml"), text.replacen(from, to, 1)).expect("it is ours");
    }

    /// A certificate of this name, and its key.
    fn certify(&self, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a name");
        fs::write(self.path("cert.pem"), made.cert.pem()).expect("it is ours");
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).expect("it is ours");
    }

    /// What the audit log holds of a type.
    fn records(&self, kind: &str) -> Vec<Value> {
        let mut segments: Vec<_> = fs::read_dir(self.path("audit"))
            .expect("there is a log")
            .map(|entry| entry.expect("readable").path())
            .collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        segments.sort();
        let text: String = segments.iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
        let records = text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON"));
        records.filter(|record: &Value| record["type"] == kind).collect()
    }
}

/// `imapwarden run`.
struct Proxy {
    child: Child,
    messages: BufReader<ChildStderr>,
    imap: SocketAddr,
    admin: SocketAddr,
}

impl Proxy {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_imapwarden"))
            .current_dir(place.folder.path())
            .args(["run", "--config", "imapwarden.toml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let mut messages = BufReader::new(child.stderr.take().expect("it is piped"));
        let imap = address(&wait_for(&mut messages, "listening"));
        let admin = address(&wait_for(&mut messages, "admin port"));
        Self { child, messages, imap, admin }
    }

    fn wait_for(&mut self, message: &str) -> Value {
        wait_for(&mut self.messages, message)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    fn ends_with(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.messages.read_to_string(&mut rest).expect("it writes text");
        self.child.wait().expect("it ends").code()
    }

    fn connect(&self) -> Client {
        Client::new(self.imap)
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).expect("the admin port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

impl Drop for Proxy {
    /// Of a test that failed nothing is left behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    fn ends(&mut self) -> Option<i32> {
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The certificate that is served there.
fn certificate_of(address: SocketAddr) -> Vec<u8> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let verifier = Arc::new(Remembering(Arc::clone(&seen)));
    let builder = builder.expect("both versions").dangerous().with_custom_certificate_verifier(verifier);
    let name = "localhost".try_into().expect("a name");
    let config = Arc::new(builder.with_no_client_auth());
    let mut tls = rustls::ClientConnection::new(config, name).expect("a configuration");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    // It ends where the verifier, which has seen enough, refuses.
    assert!(tls.complete_io(&mut stream).is_err());
    let certificate = seen.lock().expect("nobody panicked").clone();
    assert!(!certificate.is_empty());
    certificate
}

/// Looks at a certificate and goes no further.
#[derive(Debug)]
struct Remembering(Arc<Mutex<Vec<u8>>>);

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().expect("nobody panicked") = certificate.to_vec();
        Err(rustls::Error::General("seen".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("never asked".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("never asked".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// The next message of this text; those before it are passed over.
fn wait_for(messages: &mut BufReader<ChildStderr>, message: &str) -> Value {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(messages.read_line(&mut line).expect("it writes text"), 0, "`{message}` never came:\n{seen}");
        let json: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        if json["fields"]["message"] == message {
            return json["fields"].clone();
        }
        seen.push_str(&line);
    }
}

fn address(fields: &Value) -> SocketAddr {
    fields["address"].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        stream.set_nodelay(true).expect("it is a socket");
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().starts_with("* OK"));
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    /// Says a command and gives its tagged answer.
    fn say(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "a {command}\r\n").expect("it reads");
        loop {
            let line = self.line();
            if line.starts_with("a ") || line.is_empty() {
                return line;
            }
        }
    }

    fn log_in(&mut self) {
        assert!(self.say("LOGIN ann@example.org secret").starts_with("a OK"));
    }
}

#[test]
fn it_serves_and_ends_with_every_record() {
    let place = Place::new();
    let proxy = Proxy::start(&place);
    let mut client = proxy.connect();
    client.log_in();
    assert!(client.say("SELECT INBOX").starts_with("a OK"));
    assert!(proxy.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(proxy.get("/metrics").contains("imapwarden_upstream_up{upstream=\"upstream-1\"} 1"));
    proxy.signal(Signal::TERM);
    assert!(client.line().starts_with("* BYE"));
    assert_eq!(proxy.ends_with(), Some(0));
    for (kind, data) in [
        ("proxy.start", "version"),
        ("policy.load", "rev"),
        ("admin.action", "method"),
        ("proxy.drain", "open"),
        ("proxy.stop", "reason"),
    ] {
        let records = place.records(kind);
        assert_eq!(records.len(), 1, "{kind}: {records:?}");
        assert!(!records[0]["data"][data].is_null(), "{records:?}");
    }
    assert_eq!(place.records("proxy.drain")[0]["data"]["open"], 1);
    assert_eq!(place.records("proxy.stop")[0]["data"]["reason"], "drained");
    assert_eq!(place.records("auth.success").len(), 1);
}

#[test]
fn a_reload_takes_all_or_nothing() {
    let place = Place::new();
    let mut proxy = Proxy::start(&place);
    let mut client = proxy.connect();
    client.log_in();
    for (name, from, to) in [
        ("a value that is wrong", "[log]", "[log]\nlevel = \"loud\""),
        ("what needs a restart", "[admin]\nbind = \"127.0.0.1:0\"", "[admin]\nbind = \"127.0.0.2:0\""),
    ] {
        place.write("", "");
        place.change(from, to);
        proxy.signal(Signal::HUP);
        let problem = proxy.wait_for("not reloaded");
        let problem = problem["problem"].as_str().expect("it says what");
        assert!(problem.starts_with("imapwarden.toml:"), "{name}: {problem}");
    }
    place.write("max_connections_per_ip = 1", "");
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert!(client.say("NOOP").starts_with("a OK"), "a session that is open stays");
    let metrics = proxy.get("/metrics");
    for line in [
        "policy_reloads_total{result=\"failed\"} 2",
        "policy_reloads_total{result=\"ok\"} 1",
        "policy_last_reload_ok 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let mut refused = BufReader::new(TcpStream::connect(proxy.imap).expect("it listens"));
    let mut line = String::new();
    refused.read_line(&mut line).expect("a line");
    assert!(line.starts_with("* BYE"), "the new limit holds: {line}");
    proxy.signal(Signal::INT);
    assert_eq!(proxy.ends_with(), Some(0));
    assert_eq!(place.records("policy.load_failed").len(), 2);
    assert_eq!(place.records("policy.load").len(), 2);
    let refused: Vec<_> = place.records("admin.action").iter().map(|record| record["code"].clone()).collect();
    assert_eq!(refused, ["AD100W", "AD100W", "AD100I", "AD100I"]);
}

#[test]
fn new_rules_reach_sessions_that_are_open() {
    let place = Place::new();
    place.change("rules = []", "rules = [\"rules/*.toml\"]");
    let rule = |id: &str, more: &str| format!("[[rule]]\nid = \"{id}\"\n{more}\n");
    let harmless = rule("harmless", "when = { user = [\"eve@example.org\"] }\ndeny_commands = [\"COMPRESS\"]");
    fs::write(place.path("rules/rules.toml"), &harmless).expect("it is ours");
    let mut proxy = Proxy::start(&place);
    let mut client = proxy.connect();
    client.log_in();
    assert!(client.say("CREATE Other").starts_with("a OK"));
    let read_only = rule("read-only", "mailbox = [\"**\"]\nrights = \"lrs\"");
    fs::write(place.path("rules/rules.toml"), harmless.clone() + &read_only).expect("it is ours");
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert!(client.say("CREATE Another").starts_with("a NO [NOPERM]"));
    let nobody = rule("read-only", "deny_login = \"not today\"");
    fs::write(place.path("rules/rules.toml"), nobody).expect("it is ours");
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert!(client.line().starts_with("* BYE"), "whose login would now be denied");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ends_with(), Some(0));
    let loads = place.records("policy.load");
    let ids = |load: usize, key: &str| loads[load]["data"][key].clone();
    assert_eq!((loads.len(), ids(1, "added"), ids(2, "changed")), (3, json!(["read-only"]), json!(["read-only"])));
    assert_eq!((ids(2, "removed"), ids(2, "by")), (json!(["harmless"]), json!("signal")));
    assert_eq!(ids(2, "old_rev"), ids(1, "rev"));
}

#[test]
fn new_certificates_are_for_those_who_come() {
    let place = Place::new();
    place.certify("first.example");
    place
        .change("tls = \"off\"\nallow_plaintext_login = true", "certificate = \"cert.pem\"\nprivate_key = \"key.pem\"");
    let mut proxy = Proxy::start(&place);
    let metrics = proxy.get("/metrics");
    let line = metrics.lines().find(|line| line.starts_with("imapwarden_tls_certificate_not_after_seconds"));
    assert!(line.is_some_and(|line| line.contains("{name=\"imap\"}")), "{line:?}");
    let before = certificate_of(proxy.imap);
    fs::write(place.path("key.pem"), "no key").expect("it is ours");
    proxy.signal(Signal::HUP);
    proxy.wait_for("not reloaded");
    assert_eq!(certificate_of(proxy.imap), before, "what cannot be used changes nothing");
    place.certify("second.example");
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert_ne!(certificate_of(proxy.imap), before);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ends_with(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    place.write("", "");
    place.change("drain_delay = \"0s\"", "drain_delay = \"1h\"");
    let mut proxy = Proxy::start(&place);
    let mut client = proxy.connect();
    client.log_in();
    proxy.signal(Signal::TERM);
    proxy.wait_for("draining");
    assert!(proxy.get("/readyz").starts_with("HTTP/1.1 503"), "balancers are told");
    let mut late = proxy.connect();
    late.log_in();
    proxy.signal(Signal::TERM);
    assert!(client.line().starts_with("* BYE"));
    assert_eq!(proxy.ends_with(), Some(0));
    assert_eq!(place.records("proxy.stop")[0]["data"]["reason"], "forced");
}

#[test]
fn what_keeps_it_from_starting_is_said_and_nothing_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for (name, from, to, expected) in [
        ("a port that is taken", "127.0.0.1:0", address.as_str(), "--> imapwarden.toml:3:8"),
        ("a log that cannot be", "[log]", "[audit]\ndirectory = \"/proc/audit\"\n[log]", "--> imapwarden.toml:15:13"),
        ("a value that is wrong", "[log]", "[log]\nlevel = \"loud\"", "--> imapwarden.toml:15:9"),
    ] {
        let place = Place::new();
        place.change(from, to);
        let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
        let output = command.current_dir(place.folder.path()).args(["run", "--config", "imapwarden.toml"]).output();
        let output = output.expect("the program is built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{name}: {said}");
        assert_eq!(said.matches("error: ").count(), 1, "{name}: {said}");
    }
}
