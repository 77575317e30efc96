//! One scenario, two ways in: straight at Dovecot, and through the proxy.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::client::Client;
use super::dovecot::{Dovecot, password};
use super::place::tool;
use super::proxy::Settings;

/// What a mail program is told in its account settings.
#[derive(Debug, Clone)]
pub struct Front {
    /// Login name.
    pub user: &'static str,
    /// TLS from the first octet.
    pub imaps: SocketAddr,
    /// STARTTLS.
    pub imap: SocketAddr,
    /// Who certified the server.
    pub ca: PathBuf,
}

impl Front {
    /// Straight at Dovecot.
    pub fn straight(dovecot: &Dovecot, user: &'static str) -> Self {
        Self { user, imaps: dovecot.imaps(), imap: dovecot.imap(), ca: dovecot.ca() }
    }

    /// The password of its user.
    pub fn password(&self) -> String {
        password(self.user)
    }

    /// A raw client that is logged in.
    pub fn login(&self) -> Client {
        Client::tls(self.imaps, &self.ca).login(self.user)
    }

    /// curl, with all but the path and what to do.
    pub fn curl(&self, path: &str) -> Command {
        let mut curl = tool("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(&self.ca);
        curl.arg("--user").arg(format!("{}:{}", self.user, self.password()));
        curl.arg(format!("imaps://localhost:{}/{path}", self.imaps.port()));
        curl
    }

    /// One part of `flow.js`, imapflow's script; `dovecot` is where somebody else changes mail.
    pub fn imapflow(&self, part: &str, dovecot: &Dovecot) -> Command {
        const HOME: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/imapflow/node_modules");
        assert!(std::path::Path::new(HOME).exists(), "imapflow is not installed in {HOME}: ./tests/run installs it");
        let mut node = tool("node");
        node.arg(format!("{}/tests/it/real/flow.js", env!("CARGO_MANIFEST_DIR"))).arg(part);
        node.env("NODE_PATH", HOME)
            .env("IMAPS_PORT", self.imaps.port().to_string())
            .env("UPSTREAM_PORT", dovecot.imaps().port().to_string())
            .env("UPSTREAM_CA", dovecot.ca())
            .env("CA", &self.ca)
            .env("USER", self.user)
            .env("PASSWORD", self.password());
        node
    }

    /// One of the Python scripts beside this file.
    pub fn python(&self, script: &str) -> Command {
        const PYTHON: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/mail-programs/bin/python3");
        assert!(
            std::path::Path::new(PYTHON).exists(),
            "IMAPClient is not installed in {PYTHON}: ./tests/run installs it"
        );
        let mut python = tool(PYTHON);
        python.arg("-B").arg(format!("{}/tests/it/real/{script}", env!("CARGO_MANIFEST_DIR")));
        python
            .env("IMAPS_PORT", self.imaps.port().to_string())
            .env("IMAP_PORT", self.imap.port().to_string())
            .env("CA", &self.ca)
            .env("USER", self.user)
            .env("PASSWORD", self.password());
        python
    }
}

/// Does it straight as `bob`, then through the proxy as `ann`: both come out equal.
#[track_caller]
pub fn same_both_ways<T: PartialEq + Debug>(scenario: impl Fn(&Dovecot, &Front) -> T) {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let straight = scenario(&dovecot, &Front::straight(&dovecot, "bob"));
    let mut proxy = Settings::before(&dovecot).start();
    let proxied = scenario(&dovecot, &proxy.front("ann"));
    assert!(proxied == straight, "straight {straight:#?}\nthrough the proxy {proxied:#?}");
    let records = proxy.stop();
    let logins = records.iter().filter(|record| record["type"] == "auth.success" && record["user"] == "ann").count();
    assert!(logins > 0, "no login is in the audit log");
    let faults = records.iter().filter(|record| record["type"] == "protocol.fault").collect::<Vec<_>>();
    assert!(faults.is_empty(), "the proxy found fault with a mail program: {faults:#?}");
}
