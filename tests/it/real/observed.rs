//! What an operator sees: /metrics, /healthz, /readyz, and TLS as it was configured.

use std::process::Stdio;

use super::certificate::Authority;
use super::client::Client;
use super::dovecot::Dovecot;
use super::place::{Place, output, succeed, tool};
use super::proxy::{Proxy, Settings, get};

#[test]
fn prometheus_takes_the_metrics_of_a_busy_proxy() {
    let (_dovecot, mut proxy) = busy();
    let page = proxy.page("/metrics");
    let place = Place::new();
    let file = std::fs::File::open(place.write("metrics", &page)).expect("the page");
    succeed(tool("promtool").args(["check", "metrics"]).stdin(Stdio::from(file)));
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 3_000, "{series} series");
    assert!(!page.contains("ann") || !page.contains("\"ann\""), "a user in a label");
    assert!(!page.contains("Archive"), "a mailbox in a label");
    proxy.stop();
}

#[test]
fn metrics_count_what_was_done() {
    let (_dovecot, mut proxy) = busy();
    let of = |name: &str, labels: &[(&str, &str)]| proxy.metric(&format!("imapwarden_{name}"), labels);
    assert_eq!(of("auth_attempts_total", &[("listener", "imaps"), ("mechanism", "LOGIN"), ("result", "success")]), 1.0);
    assert_eq!(of("auth_attempts_total", &[("result", "credentials")]), 1.0);
    assert_eq!(of("commands_total", &[("verb", "UID FETCH"), ("status", "OK")]), 2.0);
    assert_eq!(of("commands_total", &[("verb", "STORE"), ("status", "NO")]), 1.0);
    assert_eq!(of("commands_total", &[("verb", "SELECT"), ("status", "OK")]), 1.0);
    assert_eq!(of("messages_read_total", &[("class", "full")]), 2.0);
    assert_eq!(of("messages_read_total", &[("class", "listed")]), 6.0);
    assert!(of("message_bytes_total", &[("class", "full")]) > 100_000.0);
    assert_eq!(of("policy_verdicts_total", &[("verdict", "refused")]), 1.0);
    assert_eq!(
        of("policy_rule_hits_total", &[("rule", "archive"), ("mode", "enforce")]),
        2.0,
        "SELECT as EXAMINE, and STORE"
    );
    assert_eq!(of("policy_rules", &[("mode", "enforce")]), 1.0);
    assert_eq!(of("sessions", &[]), 1.0, "one session is open");
    assert_eq!(of("connections_accepted_total", &[("listener", "imaps")]), 2.0);
    assert_eq!(of("tls_handshakes_total", &[("result", "ok")]), 2.0);
    assert_eq!(of("upstream_up", &[("upstream", "main")]), 1.0);
    assert!(of("upstream_response_seconds_count", &[("upstream", "main")]) > 0.0);
    assert_eq!(of("filter_failures_total", &[]), 0.0);
    assert_eq!(of("audit_failing", &[]), 0.0);
    let records = proxy.records().len() as f64;
    assert_eq!(of("audit_records_total", &[]), records);
    proxy.stop();
}

#[test]
fn health_and_readiness_are_told_by_name() {
    let (_dovecot, mut proxy) = busy();
    assert_eq!(get(proxy.admin(), "/healthz").map(|(status, _)| status), Some(200));
    let ready = proxy.page("/readyz");
    for check in ["listeners", "policy", "audit", "draining"] {
        assert!(ready.contains(check), "{check} is not in {ready}");
    }
    assert_eq!(get(proxy.admin(), "/nothing").map(|(status, _)| status), Some(404));
    proxy.stop();
}

#[test]
fn tls_is_of_version_1_2_or_1_3() {
    let (_dovecot, mut proxy) = busy();
    let place = Place::new();
    let lines = place.write("lines", "a LOGOUT\n");
    let connect = |version: &str| {
        let mut openssl = tool("openssl");
        openssl.args(["s_client", "-quiet", "-crlf", "-verify_return_error", version, "-connect"]);
        openssl.arg(format!("localhost:{}", proxy.imaps().port())).arg("-CAfile").arg(proxy.ca());
        // What Debian's OpenSSL does not speak by itself is asked for.
        openssl.args(["-cipher", "DEFAULT@SECLEVEL=0"]);
        output(openssl.stdin(Stdio::from(std::fs::File::open(&lines).expect("the lines"))))
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let heard = connect(version);
        assert!(String::from_utf8_lossy(&heard.stdout).contains("a OK"), "{version}: {heard:?}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let heard = connect(version);
        assert!(!heard.status.success() && heard.stdout.is_empty(), "{version}: {heard:?}");
    }
    assert_eq!(proxy.metric("imapwarden_tls_handshakes_total", &[("result", "failed")]), 2.0);
    proxy.stop();
}

#[test]
fn the_certificate_is_picked_by_the_name_that_the_client_asks_for() {
    let dovecot = Dovecot::start(&["ann"]);
    let other = Place::new();
    let authority = Authority::new();
    let (chain, key) = authority.certify(&["other.example"]);
    let (chain, key) = (other.write("chain.pem", chain), other.write("key.pem", key));
    let more = format!(
        "[[listener.certificates]]\ncertificate = \"{}\"\nprivate_key = \"{}\"",
        chain.display(),
        key.display()
    );
    let mut proxy = Settings::before(&dovecot).in_listener(&more).start();
    for (asked, wanted) in
        [("other.example", "other.example"), ("localhost", "localhost"), ("unknown.example", "localhost")]
    {
        let mut openssl = tool("openssl");
        openssl.args(["s_client", "-servername", asked, "-connect", &proxy.imaps().to_string()]);
        let shown = String::from_utf8_lossy(&output(&mut openssl).stdout).into_owned();
        let mut text = tool("openssl");
        let place = Place::new();
        let pem = std::fs::File::open(place.write("pem", shown)).expect("what was shown");
        let names = succeed(text.args(["x509", "-noout", "-ext", "subjectAltName"]).stdin(Stdio::from(pem)));
        assert!(names.contains(wanted), "{asked}: {names}");
    }
    proxy.stop();
}

/// A session that has done a few things and is still open.
fn busy() -> (Dovecot, Held) {
    let dovecot = Dovecot::start(&["ann"]);
    let rules = "[[rule]]\nid = \"archive\"\nmailbox = [\"Archive\"]\nrights = \"read-only\"\n";
    let proxy = Settings::before(&dovecot).rules(rules).start();
    let mut wrong = Client::tls(proxy.imaps(), &proxy.ca());
    wrong.run("LOGIN ann canary-wrong").no("");
    wrong.logout();
    let mut ann = proxy.login("ann");
    ann.run("EXAMINE INBOX").ok();
    ann.run("FETCH 1:6 (FLAGS)").ok();
    ann.run("UID FETCH 2 (BODY.PEEK[])").ok();
    ann.run("UID FETCH 4 (BODY.PEEK[])").ok();
    ann.run("SELECT Archive").ok();
    ann.run("STORE 1 +FLAGS (\\Seen)").no("[NOPERM]");
    // What was refused before it may be counted a moment later: the session's end is waited for.
    proxy.record("the end of the failed login", |record| record["type"] == "session.close");
    (dovecot, Held { proxy, _session: ann })
}

/// The proxy, and the session that keeps it busy.
struct Held {
    proxy: Proxy,
    _session: Client,
}

impl std::ops::Deref for Held {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Proxy {
        &mut self.proxy
    }
}
