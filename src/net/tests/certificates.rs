//! Which certificate a client sees, and what is said of those that cannot be used.

use jiff::Timestamp;
use rcgen::CertificateParams;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::house::{Authority, Plan, Proxy};
use super::peers::{Peer, Speaks, Upstream, client_config};
use crate::config::{CertificatePair, ListenerTls};
use crate::diagnostic::Severity;
use crate::net::ServerTls;

/// The certificate that is shown to a client that asks for `name`.
async fn shown(proxy: &Proxy, authority: &Authority, name: &str) -> Result<Vec<u8>, std::io::Error> {
    let stream = TcpStream::connect(proxy.address).await?;
    let connector = TlsConnector::from(client_config(authority, &[&TLS13]));
    let stream = connector.connect(name.to_owned().try_into().expect("a name"), stream).await?;
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    Ok(chain[0].to_vec())
}

fn octets(pair: &CertificatePair) -> Vec<u8> {
    CertificateDer::from_pem_file(&pair.certificate).expect("a certificate").to_vec()
}

#[tokio::test]
async fn certificates_are_picked_by_name_and_swapped_by_a_reload() {
    let authority = Authority::new();
    let upstream = Upstream::start(Speaks::Clear).await;
    let (first, second) = (authority.sign("first", "one.example.org"), authority.sign("second", "two.example.org"));
    let mut plan = Plan::clear(upstream.address).with_tls(ListenerTls::Implicit, vec![first.clone(), second.clone()]);
    let proxy = Proxy::start(&plan);
    for (name, expected) in [("one.example.org", &first), ("two.example.org", &second)] {
        assert_eq!(shown(&proxy, &authority, name).await.expect(name), octets(expected), "{name}");
    }
    let unknown = shown(&proxy, &authority, "three.example.org").await.expect_err("not its name");
    assert!(unknown.to_string().contains("one.example.org"), "the first is shown: {unknown}");

    let mut open = Peer::connect_tls(proxy.address, "one.example.org", &client_config(&authority, &[&TLS13]))
        .await
        .expect("a session");
    open.hear().await;
    let renewed = authority.sign("renewed", "one.example.org");
    plan.listener.certificates = vec![renewed.clone()];
    proxy.reload(&plan);
    assert_eq!(shown(&proxy, &authority, "one.example.org").await.expect("a certificate"), octets(&renewed));
    open.say("a1 NOOP").await;
    assert_eq!(open.hear().await, "a1 OK NOOP completed", "an open session keeps what it has");
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_recorded_and_one_that_says_nothing_is_not() {
    let authority = Authority::new();
    let upstream = Upstream::start(Speaks::Clear).await;
    let pair = authority.sign("proxy", "mail.example.org");
    let proxy = Proxy::start(&Plan::clear(upstream.address).with_tls(ListenerTls::Implicit, vec![pair]));
    drop(TcpStream::connect(proxy.address).await.expect("a connection"));
    let mut client = Peer::connect(proxy.address).await;
    client.say("a1 LOGIN ann secret").await;
    let refused = proxy.recorded("session.refused", |_| true).await;
    assert_eq!(refused["data"]["reason"], "tls");
    proxy.server.end().await;
    let count = proxy.records().iter().filter(|(kind, _)| kind == "session.refused").count();
    assert_eq!(count, 1);
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_precisely() {
    let authority = Authority::new();
    let good = authority.sign("good", "mail.example.org");
    let other = authority.sign("other", "mail.example.org");
    let write = |name: &str, text: &str| {
        let path = authority.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let expired = {
        let mut params = CertificateParams::new(["mail.example.org".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
        authority.sign_with("expired", params)
    };
    let future = {
        let mut params = CertificateParams::new(["mail.example.org".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
        params.not_after = rcgen::date_time_ymd(3000, 1, 1);
        authority.sign_with("future", params)
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let empty_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let with = |certificate: &std::path::Path, key: &std::path::Path| CertificatePair {
        certificate: certificate.to_owned(),
        private_key: key.to_owned(),
    };
    for (name, pair, severity, key, message) in [
        (
            "missing",
            with(&authority.path("none.pem"), &good.private_key),
            Severity::Error,
            "certificate",
            "cannot read the file: no such file",
        ),
        (
            "a directory",
            with(&authority.path("."), &good.private_key),
            Severity::Error,
            "certificate",
            "cannot read the file: ",
        ),
        (
            "no certificate",
            with(&good.private_key, &good.private_key),
            Severity::Error,
            "certificate",
            "no certificate in the file",
        ),
        (
            "no key",
            with(&good.certificate, &good.certificate),
            Severity::Error,
            "private_key",
            "no private key in the file",
        ),
        (
            "rubbish",
            with(&write("bad.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"), &good.private_key),
            Severity::Error,
            "certificate",
            "not a PEM file: a section is not base64",
        ),
        (
            "no DER",
            with(&write("der.pem", empty_certificate), &good.private_key),
            Severity::Error,
            "certificate",
            "the first certificate cannot be read",
        ),
        (
            "encrypted",
            with(&good.certificate, &write("enc.key", encrypted)),
            Severity::Error,
            "private_key",
            "the private key is encrypted",
        ),
        (
            "of another",
            with(&good.certificate, &other.private_key),
            Severity::Error,
            "private_key",
            "the private key does not belong to the certificate ",
        ),
        ("expired", expired, Severity::Warning, "certificate", "the certificate expired on 2021-02-03"),
        ("early", future, Severity::Warning, "certificate", "the certificate is not valid before 2999-01-01"),
    ] {
        let plan = Plan::clear(([127, 0, 0, 1], 1).into()).with_tls(ListenerTls::Implicit, vec![good.clone(), pair]);
        let (loaded, faults) = ServerTls::load(&plan.listener, Timestamp::now(), None);
        assert_eq!(loaded.is_some(), severity == Severity::Warning, "{name}: only errors keep it from being served");
        let [fault] = &faults[..] else { panic!("{name}: {faults:?}") };
        assert_eq!((fault.severity, fault.certificate, fault.key), (severity, 1, key), "{name}");
        assert!(fault.message.starts_with(message), "{name}: {}", fault.message);
        assert!(fault.problem().file.is_some(), "{name}");
    }
    let plan = Plan::clear(([127, 0, 0, 1], 1).into()).with_tls(ListenerTls::Implicit, vec![good]);
    let (loaded, faults) = ServerTls::load(&plan.listener, Timestamp::now(), None);
    assert_eq!(faults, []);
    assert!(loaded.expect("a certificate").certificates[0].not_after > Timestamp::now());
}
