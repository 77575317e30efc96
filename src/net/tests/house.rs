//! A proxy on a free port, its log in a directory of its own, and certificates made for the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::audit::{self, Log};
use crate::config::{self, CertificatePair, Rate, Server as ServerAddress};
use crate::metrics::{self, Metrics};
use crate::net::{Bound, Connector, ListenerState, Server, ServerTls, Trust, serve};
use crate::policy::RuleSet;
use crate::session::event::{Durability, OnFailure};
use crate::session::{Clock, Limits, Shared, UpstreamInfo};

/// What a proxy is built from.
pub struct Plan {
    pub listener: config::Listener,
    pub upstream: config::Upstream,
    pub auth_failures: Rate,
    pub limits: Limits,
}

impl Plan {
    /// Clear on both sides, logins allowed.
    pub fn clear(upstream: SocketAddr) -> Self {
        Self {
            listener: config::Listener {
                name: "test".into(),
                bind: ([127, 0, 0, 1], 0).into(),
                tls: config::ListenerTls::Off,
                certificates: Vec::new(),
                allow_plaintext_login: true,
                proxy_protocol_from: Vec::new(),
                max_connections: 100,
                max_connections_per_ip: 100,
            },
            upstream: config::Upstream {
                name: "main".into(),
                servers: vec![address(upstream)],
                tls: config::UpstreamTls::Off,
                ca: None,
                server_name: None,
                forward_client: config::ForwardClient::None,
                deleted_expunges: false,
                match_user: Vec::new(),
            },
            auth_failures: Rate { count: 1000, window: Duration::from_secs(600) },
            limits: Limits {
                pre_auth_timeout: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(31 * 60),
                upstream_timeout: Duration::from_secs(60),
                max_line: 64 << 10,
                max_literal: 1 << 30,
            },
        }
    }

    /// TLS with clients.
    pub fn with_tls(mut self, tls: config::ListenerTls, certificates: Vec<CertificatePair>) -> Self {
        self.listener.tls = tls;
        self.listener.certificates = certificates;
        self.listener.allow_plaintext_login = false;
        self
    }

    /// TLS with the upstream, verified by this authority.
    pub fn with_upstream_tls(mut self, tls: config::UpstreamTls, authority: &Authority) -> Self {
        self.upstream.tls = tls;
        self.upstream.ca = Some(authority.ca.clone());
        self.upstream.server_name = Some("imap.example.org".into());
        self
    }
}

/// An address as the configuration names it.
pub fn address(of: SocketAddr) -> ServerAddress {
    ServerAddress { host: of.ip().to_string(), port: of.port() }
}

/// A proxy that runs.
pub struct Proxy {
    pub address: SocketAddr,
    pub server: Arc<Server>,
    pub listener: Arc<ListenerState>,
    pub metrics: Arc<Metrics>,
    pub log: Log,
    directory: TempDir,
}

impl Proxy {
    /// Binds, and lets clients in.
    pub fn start(plan: &Plan) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let metrics = Metrics::new(metrics::Settings { version: "test", revision: "test" });
        let settings = audit::Settings {
            directory: directory.path().to_owned(),
            on_failure: OnFailure::Refuse,
            durability: Durability::Batched,
            min_free: 0,
            keep: None,
            hashing: None,
            node: "test".into(),
            version: "test".into(),
        };
        let log = Log::open(settings, Arc::<Metrics>::clone(&metrics) as Arc<_>).expect("a log");
        let tls = ServerTls::load(&plan.listener, Timestamp::now(), None).0;
        let bound = Bound::bind(&plan.listener, tls, &metrics).expect("a free port");
        let server = Server::new(
            log.clone(),
            Arc::clone(&metrics),
            shared(plan),
            vec![connector(plan, &log, &metrics)],
            plan.auth_failures,
        );
        let (address, listener) = (bound.local_addr().expect("an address"), bound.state());
        tokio::spawn(serve(Arc::clone(&server), bound));
        Self { address, server, listener, metrics, log, directory }
    }

    /// What was recorded, in order, as `type` and the line. Only what a waiting session has caused stands for sure.
    pub fn records(&self) -> Vec<(String, serde_json::Value)> {
        let mut paths: Vec<_> = std::fs::read_dir(self.directory.path())
            .expect("the directory of the log")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        paths.sort();
        paths
            .iter()
            .flat_map(|path| std::fs::read_to_string(path).expect("a segment").lines().map(parse).collect::<Vec<_>>())
            .collect()
    }

    /// Waits for a record of this type that `wanted` takes.
    pub async fn recorded(&self, name: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let find = async {
            loop {
                let found = self.records().into_iter().find(|(kind, line)| kind == name && wanted(line));
                if let Some((_, line)) = found {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), find).await;
        found.unwrap_or_else(|_| panic!("no {name} in {:#?}", self.records()))
    }

    /// A reload: what the plan says holds from now on.
    pub fn reload(&self, plan: &Plan) {
        let tls = ServerTls::load(&plan.listener, Timestamp::now(), self.listener.server_tls().as_ref()).0;
        self.listener.reload(&plan.listener, tls);
        let connectors = vec![connector(plan, &self.log, &self.metrics)];
        self.server.reload(shared(plan), connectors, plan.auth_failures);
    }
}

fn parse(line: &str) -> (String, serde_json::Value) {
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    (line["type"].as_str().expect("a type").to_owned(), line)
}

fn shared(plan: &Plan) -> Arc<Shared> {
    let starttls = plan.upstream.tls == config::UpstreamTls::Starttls;
    Arc::new(Shared {
        rules: Arc::new(RuleSet::empty()),
        default_domain: None,
        upstreams: vec![Arc::new(UpstreamInfo::new("main".into(), starttls, None))],
        limits: plan.limits.clone(),
        budgets: Arc::new(crate::session::InMemory::new(Instant::now())),
        locks: Arc::default(),
        verdicts: crate::session::verdicts::in_memory(),
        clock: Arc::new(Clock::new(Instant::now(), Timestamp::now())),
        stopwatch: Instant::now,
    })
}

fn connector(plan: &Plan, log: &Log, metrics: &Metrics) -> Connector {
    let trust = Trust::load(&plan.upstream).expect("what the upstream is verified by");
    let counters = metrics.upstream(&plan.upstream.name);
    Connector::new(&plan.upstream, trust, plan.limits.upstream_timeout, log.clone(), counters)
}

/// Signs certificates for a test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
    /// Its own certificate, PEM.
    pub ca: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, certificate.pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), directory, ca }
    }

    /// A certificate for a name, in files of this stem.
    pub fn sign(&self, stem: &str, name: &str) -> CertificatePair {
        self.sign_with(stem, CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    pub fn sign_with(&self, stem: &str, mut params: CertificateParams) -> CertificatePair {
        params.distinguished_name.push(DnType::CommonName, stem);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let pair = CertificatePair {
            certificate: self.path(&format!("{stem}.pem")),
            private_key: self.path(&format!("{stem}.key")),
        };
        std::fs::write(&pair.certificate, certificate.pem()).expect("a file");
        std::fs::write(&pair.private_key, key.serialize_pem()).expect("a file");
        pair
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }
}
