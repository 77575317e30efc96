//! Who is turned away, and how sessions end that are told to.

use std::time::Duration;

use super::house::{Plan, Proxy};
use super::peers::{Peer, Speaks, Upstream, session};
use crate::config::Rate;

#[tokio::test]
async fn connections_past_the_limits_are_refused_and_recorded() {
    let upstream = Upstream::start(Speaks::Clear).await;
    for (name, max, max_per_ip, reason) in
        [("in all", 1, 100, "too_many"), ("by address", 100, 1, "too_many_from_address")]
    {
        let mut plan = Plan::clear(upstream.address);
        (plan.listener.max_connections, plan.listener.max_connections_per_ip) = (max, max_per_ip);
        let proxy = Proxy::start(&plan);
        let mut first = Peer::connect(proxy.address).await;
        assert!(first.hear().await.starts_with("* OK"), "{name}");
        let mut second = Peer::connect(proxy.address).await;
        assert_eq!(second.hear().await, "* BYE [UNAVAILABLE] too many connections", "{name}");
        assert_eq!(second.hear().await, "", "{name}");
        let refused = proxy.recorded("session.refused", |_| true).await;
        assert_eq!(refused["data"]["reason"], reason, "{name}");
        first.say("a1 LOGOUT").await;
        first.hear_until("a1 OK").await;
        drop(first);
        proxy.recorded("session.close", |_| true).await;
        while proxy.server.open_sessions() > 0 {
            tokio::task::yield_now().await;
        }
        let mut third = Peer::connect(proxy.address).await;
        assert!(third.hear().await.starts_with("* "), "{name}");
    }
}

#[tokio::test]
async fn who_fails_to_log_in_too_often_is_delayed_then_refused() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = Plan::clear(upstream.address);
    plan.auth_failures = Rate { count: 3, window: Duration::from_secs(600) };
    let proxy = Proxy::start(&plan);
    let mut client = Peer::connect(proxy.address).await;
    client.hear().await;
    for (tag, delayed) in [("a1", false), ("a2", true), ("a3", true)] {
        client.say(&format!("{tag} LOGIN ann wrong")).await;
        let asked = std::time::Instant::now();
        upstream.refuse_login().await;
        assert!(client.hear().await.starts_with(&format!("{tag} NO [AUTHENTICATIONFAILED]")));
        assert_eq!(asked.elapsed() >= Duration::from_millis(500), delayed, "{tag}");
    }
    client.say("a4 LOGIN ann secret").await;
    assert_eq!(client.hear().await, "a4 NO [AUTHENTICATIONFAILED] authentication failed", "not even the right one");
    assert!(client.hear().await.starts_with("* BYE"));
    let mut again = Peer::connect(proxy.address).await;
    assert_eq!(again.hear().await, "* BYE [UNAVAILABLE] too many failed logins, try again later");
    for action in ["delay", "refuse"] {
        let hit = proxy.recorded("limit.hit", |line| line["data"]["action"] == action).await;
        assert_eq!(hit["data"]["limit"], "auth_failures");
    }
    let failure = proxy.recorded("auth.failure", |line| line["data"]["reason"] == "too_many").await;
    assert_eq!(failure["user"], "ann");
    proxy.recorded("session.refused", |line| line["data"]["reason"] == "auth_failures").await;
}

#[tokio::test]
async fn a_drain_waits_for_commands_and_ends_the_rest() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (mut idle, _idle_peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    let (mut busy, mut busy_peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    busy.say("a2 NOOP").await;
    let (tag, _) = busy_peer.hear_command("NOOP").await;
    let play = async {
        assert_eq!(idle.hear().await, "* BYE server is restarting, please reconnect");
        busy_peer.say(&format!("{tag} OK done")).await;
        assert_eq!(busy.hear().await, "a2 OK done");
        assert_eq!(busy.hear().await, "* BYE server is restarting, please reconnect");
        drop((idle, busy));
    };
    tokio::join!(proxy.server.drain(Duration::from_secs(2)), play);
    assert_eq!(proxy.server.open_sessions(), 0);
    assert!(tokio::net::TcpStream::connect(proxy.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn what_is_left_at_the_end_of_the_window_is_ended() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (mut busy, mut peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    busy.say("a2 NOOP").await;
    peer.hear_command("NOOP").await;
    let play = async {
        assert_eq!(busy.hear().await, "* BYE server is restarting, please reconnect");
        drop(busy);
    };
    tokio::join!(proxy.server.drain(Duration::from_millis(50)), play);
    let closed = proxy.recorded("session.close", |_| true).await;
    assert_eq!(closed["data"]["reason"], "drain");
}
