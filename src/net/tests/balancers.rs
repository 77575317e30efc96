//! Connections that a balancer hands on: whose they are, and who is believed.

use std::time::Duration;

use super::house::{Authority, Plan, Proxy};
use super::peers::{Peer, Speaks, Upstream, client_config, session};
use crate::config::{ForwardClient, ListenerTls};

const SPOKEN: &str = "PROXY TCP4 203.0.113.5 192.0.2.1 50000 993\r\n";

fn behind_a_balancer(upstream: &Upstream) -> Plan {
    let mut plan = Plan::clear(upstream.address);
    plan.listener.proxy_protocol_from = vec!["127.0.0.0/8".parse().expect("a network")];
    plan
}

async fn handed_on(proxy: &Proxy, header: &str) -> Peer {
    let mut peer = Peer::connect(proxy.address).await;
    peer.send(header.as_bytes()).await;
    peer.say("").await; // an empty line is passed over, and flushes what stands before it
    peer
}

#[tokio::test]
async fn a_session_is_the_clients_whose_it_is() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&behind_a_balancer(&upstream));
    let _session = session(handed_on(&proxy, SPOKEN).await, &upstream).await;
    let open = proxy.recorded("session.open", |_| true).await;
    assert_eq!((&open["client_ip"], &open["data"]["port"]), (&"203.0.113.5".into(), &50000.into()), "{open}");
    assert_eq!(open["data"]["via"], "127.0.0.1", "{open}");
    let _own = session(handed_on(&proxy, "PROXY UNKNOWN\r\n").await, &upstream).await;
    let open = proxy.recorded("session.open", |line| line["client_ip"] == "127.0.0.1").await;
    assert!(open["data"].get("via").is_none(), "{open}");
}

#[tokio::test]
async fn limits_go_by_the_clients_address() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = behind_a_balancer(&upstream);
    (plan.listener.max_connections, plan.listener.max_connections_per_ip) = (3, 1);
    let proxy = Proxy::start(&plan);
    let mut peers = Vec::new();
    for client in ["203.0.113.5", "203.0.113.6"] {
        let mut peer = handed_on(&proxy, &SPOKEN.replace("203.0.113.5", client)).await;
        assert!(peer.hear().await.starts_with("* OK"), "{client}");
        peers.push(peer);
    }
    let mut again = handed_on(&proxy, SPOKEN).await;
    assert_eq!(again.hear().await, "* BYE [UNAVAILABLE] too many connections");
    let refused = proxy.recorded("session.refused", |_| true).await;
    assert_eq!(
        (&refused["data"]["reason"], &refused["client_ip"]),
        (&"too_many_from_address".into(), &"203.0.113.5".into())
    );
    let _silent = Peer::connect(proxy.address).await;
    while proxy.server.open_sessions() < 3 {
        tokio::task::yield_now().await;
    }
    let mut fourth = Peer::connect(proxy.address).await;
    assert_eq!(fourth.hear().await, "* BYE [UNAVAILABLE] too many connections", "who has said nothing counts, too");
    let refused = proxy.recorded("session.refused", |line| line["data"]["reason"] == "too_many").await;
    assert!(refused.get("client_ip").is_none(), "nobody knows whose it was: {refused}");
}

#[tokio::test]
async fn without_a_header_nobody_of_a_balancers_comes_in() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = behind_a_balancer(&upstream);
    plan.limits.pre_auth_timeout = Duration::from_millis(50);
    let proxy = Proxy::start(&plan);
    for (name, said) in [("another protocol", "a1 LOGIN ann secret\r\n"), ("half a header", "PROXY TCP4 203.0")] {
        let mut peer = Peer::connect(proxy.address).await;
        peer.send(said.as_bytes()).await;
        tokio::io::AsyncWriteExt::flush(&mut peer.0).await.expect("it reads");
        assert_eq!(peer.hear().await, "", "{name}");
    }
    let reasons = |proxy: &Proxy| {
        let refused = proxy.records().into_iter().filter(|(kind, _)| kind == "session.refused");
        refused.filter(|(_, line)| line["data"]["reason"] == "proxy_protocol").count()
    };
    while reasons(&proxy) < 2 {
        tokio::task::yield_now().await;
    }
    drop(Peer::connect(proxy.address).await); // a look whether the port is open
    while proxy.server.open_sessions() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reasons(&proxy), 2);
    let counted = "imapwarden_connections_refused_total{listener=\"test\",reason=\"proxy_protocol\"} 2";
    assert!(proxy.metrics.render().contains(counted));
}

#[tokio::test]
async fn from_anybody_else_no_header_is_taken() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = Plan::clear(upstream.address);
    plan.listener.proxy_protocol_from = vec!["192.0.2.0/24".parse().expect("a network")];
    let proxy = Proxy::start(&plan);
    let mut peer = handed_on(&proxy, SPOKEN).await;
    assert!(peer.hear().await.starts_with("* OK"));
    assert!(peer.hear().await.starts_with("PROXY BAD"), "it is a command that nobody knows");
    let open = proxy.recorded("session.open", |_| true).await;
    assert_eq!(open["client_ip"], "127.0.0.1");
}

#[tokio::test]
async fn tls_begins_behind_the_header() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let authority = Authority::new();
    let pair = authority.sign("front", "mail.example.org");
    let config = client_config(&authority, rustls::ALL_VERSIONS);
    for tls in [ListenerTls::Implicit, ListenerTls::Starttls] {
        let proxy = Proxy::start(&behind_a_balancer(&upstream).with_tls(tls, vec![pair.clone()]));
        let mut peer = Peer::connect(proxy.address).await;
        peer.send(SPOKEN.as_bytes()).await;
        if tls == ListenerTls::Starttls {
            peer.say("s1 STARTTLS").await;
            peer.hear_until("s1 OK").await;
        } else {
            tokio::io::AsyncWriteExt::flush(&mut peer.0).await.expect("it reads");
        }
        let mut peer = peer.start_tls("mail.example.org", &config).await.expect("TLS");
        peer.say("a1 NOOP").await;
        peer.hear_until("a1 OK").await;
        let open = proxy.recorded("session.open", |_| true).await;
        assert_eq!(open["client_ip"], "203.0.113.5", "{tls:?}");
    }
}

#[tokio::test]
async fn an_upstream_is_told_whose_connection_it_is() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = behind_a_balancer(&upstream);
    plan.upstream.forward_client = ForwardClient::Proxy;
    let proxy = Proxy::start(&plan);
    let mut client = handed_on(&proxy, SPOKEN).await;
    client.hear().await;
    client.say("a1 LOGIN ann secret").await;
    let mut heard = [0; 28];
    upstream.connected().await.hear_octets(&mut heard).await.expect("a header");
    let want: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x05\xc0\0\x02\x01\xc3\x50\x03\xe1";
    assert_eq!(heard, want);
}
