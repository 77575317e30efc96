//! Which upstream a session gets, and what becomes of it when that goes away.

use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::house::{Authority, Plan, Proxy, address};
use super::peers::{Peer, Speaks, Upstream, acceptor, client_config, session};
use crate::config::{ListenerTls, UpstreamTls};

#[tokio::test]
async fn a_session_in_clear() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (mut client, mut peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    client.say("a2 NOOP").await;
    let (tag, _) = peer.hear_command("NOOP").await;
    peer.say(&format!("* 3 EXISTS\r\n{tag} OK done")).await;
    assert_eq!(client.hear_until("a2").await, ["* 3 EXISTS", "a2 OK done"]);
    client.say("a3 LOGOUT").await;
    assert_eq!(client.hear_until("a3").await, ["* BYE logging out", "a3 OK LOGOUT completed"]);
    peer.hear_command("LOGOUT").await;
    assert_eq!(client.hear().await, "", "the connection ends");
    proxy.server.end().await;
    let kinds: Vec<_> = proxy.records().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["audit.open", "session.open", "auth.success", "session.close"]);
}

#[tokio::test]
async fn every_way_to_tls_on_both_sides() {
    let authority = Authority::new();
    let theirs = acceptor(&authority.sign("upstream", "imap.example.org"));
    for (name, listener_tls, upstream_tls, version) in [
        ("implicit, TLS 1.3", ListenerTls::Implicit, UpstreamTls::Implicit, &TLS13),
        ("implicit, TLS 1.2", ListenerTls::Implicit, UpstreamTls::Starttls, &TLS12),
        ("STARTTLS, TLS 1.3", ListenerTls::Starttls, UpstreamTls::Starttls, &TLS13),
        ("STARTTLS, TLS 1.2", ListenerTls::Starttls, UpstreamTls::Implicit, &TLS12),
    ] {
        let speaks = match upstream_tls {
            UpstreamTls::Starttls => Speaks::Starttls(theirs.clone()),
            _ => Speaks::Tls(theirs.clone()),
        };
        let upstream = Upstream::start(speaks).await;
        let plan = Plan::clear(upstream.address)
            .with_tls(listener_tls, vec![authority.sign("proxy", "mail.example.org")])
            .with_upstream_tls(upstream_tls, &authority);
        let proxy = Proxy::start(&plan);
        let trusting = client_config(&authority, &[version]);
        let client = if listener_tls == ListenerTls::Implicit {
            Peer::connect_tls(proxy.address, "mail.example.org", &trusting).await.expect(name)
        } else {
            let mut client = Peer::connect(proxy.address).await;
            assert!(client.hear().await.contains("LOGINDISABLED"), "{name}");
            client.say("s1 STARTTLS").await;
            client.hear_until("s1 OK").await;
            let mut client = client.start_tls("mail.example.org", &trusting).await.expect(name);
            client.say("a1 LOGIN ann secret").await;
            client
        };
        let (mut client, mut peer) = if listener_tls == ListenerTls::Implicit {
            session(client, &upstream).await
        } else {
            let mut client = client;
            let (_, peer) = tokio::join!(client.hear_until("a1 OK"), upstream.accept());
            (client, peer)
        };
        client.say("a2 NOOP").await;
        let (tag, _) = peer.hear_command("NOOP").await;
        peer.say(&format!("{tag} OK done")).await;
        assert_eq!(client.hear().await, "a2 OK done", "{name}");
        let opened = proxy.recorded("session.open", |line| !line["data"]["tls"].is_null()).await;
        let facts = &opened["data"]["tls"];
        assert_eq!(facts["version"], if *version == TLS13 { "TLSv1.3" } else { "TLSv1.2" }, "{name}");
        assert_eq!(facts["sni"], "mail.example.org", "{name}");
        assert!(facts["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS_")), "{name}: {facts}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_passed_over_and_said_once() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let mut plan = Plan::clear(upstream.address);
    plan.upstream.servers.insert(0, address(nobody));
    let proxy = Proxy::start(&plan);
    for _ in 0..3 {
        session(Peer::connect(proxy.address).await, &upstream).await;
    }
    let down = proxy.recorded("upstream.state", |_| true).await;
    assert_eq!(down["data"]["server"], nobody.to_string());
    assert_eq!((&down["data"]["state"], &down["data"]["reason"]), (&"down".into(), &"refused".into()));
    let states = proxy.records().into_iter().filter(|(kind, _)| kind == "upstream.state").count();
    assert_eq!(states, 1);
    assert!(proxy.metrics.render().contains(r#"imapwarden_upstream_up{upstream="main"} 1"#));
}

#[tokio::test]
async fn an_upstream_that_nobody_vouches_for_gets_no_password() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (name, signed_by, subject) in [
        ("signed by a stranger", &stranger, "imap.example.org"),
        ("another's certificate", &authority, "other.example.org"),
    ] {
        let acceptor = acceptor(&signed_by.sign("upstream", subject));
        let upstream = Upstream::start(Speaks::Tls(acceptor.clone())).await;
        let plan = Plan::clear(upstream.address).with_upstream_tls(UpstreamTls::Implicit, &authority);
        let proxy = Proxy::start(&plan);
        let mut client = Peer::connect(proxy.address).await;
        client.hear().await;
        client.say("a1 LOGIN ann secret").await;
        let (answer, _refused) = tokio::join!(client.hear(), upstream.fails_to_shake());
        assert_eq!(answer, "a1 NO [UNAVAILABLE] temporarily unavailable", "{name}");
        let down = proxy.recorded("upstream.state", |_| true).await;
        assert_eq!(down["data"]["reason"], "tls", "{name}");
        client.say("a2 NOOP").await;
        assert_eq!(client.hear().await, "a2 OK NOOP completed", "{name}: the client may try again");
    }
}

#[tokio::test]
async fn an_upstream_that_vanishes_ends_the_session_with_bye() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (mut client, mut peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    client.say("a2 SELECT INBOX").await;
    peer.hear_command("SELECT").await;
    peer.say("* 3 EXISTS").await;
    peer.0.shutdown().await.expect("to close");
    drop(peer);
    assert_eq!(client.hear().await, "* 3 EXISTS");
    assert_eq!(client.hear().await, "* BYE [UNAVAILABLE] closing connection");
    assert_eq!(client.hear().await, "");
    let closed = proxy.recorded("session.close", |_| true).await;
    assert_eq!(closed["data"]["reason"], "upstream_closed");
}

#[tokio::test]
async fn bytes_behind_the_answer_to_starttls_are_not_believed() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let plan =
        Plan::clear(listener.local_addr().expect("an address")).with_upstream_tls(UpstreamTls::Starttls, &authority);
    let proxy = Proxy::start(&plan);
    let mut client = Peer::connect(proxy.address).await;
    client.hear().await;
    client.say("a1 LOGIN ann secret").await;
    let mut peer = Peer::new(listener.accept().await.expect("a connection").0);
    peer.say("* OK hello").await;
    let (tag, _) = peer.hear_command("STARTTLS").await;
    peer.say(&format!("{tag} OK go ahead\r\n* OK [ALERT] injected")).await;
    assert_eq!(client.hear().await, "a1 NO [UNAVAILABLE] temporarily unavailable");
    assert_eq!(peer.hear().await, "", "it is left");
}
