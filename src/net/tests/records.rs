//! What cannot be recorded does not happen, and news reach sessions that are open.

use std::time::Duration;

use super::house::{Plan, Proxy};
use super::peers::{Peer, Speaks, Upstream, session};
use crate::session::event::StopReason;

async fn ready() -> (Proxy, Peer, Peer) {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (mut client, mut peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    client.say("s1 SELECT INBOX").await;
    let (tag, _) = peer.hear_command("SELECT").await;
    peer.say(&format!("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-WRITE] done")).await;
    client.hear_until("s1 OK").await;
    (proxy, client, peer)
}

#[tokio::test]
async fn a_command_that_cannot_be_announced_does_not_go_up() {
    let (proxy, mut client, mut peer) = ready().await;
    proxy.log.close(StopReason::Forced).await.expect("to close");
    for command in ["UID FETCH 5 BODY[]", "UID STORE 5 +FLAGS (\\Seen)", "CREATE Other"] {
        client.say(&format!("a2 {command}")).await;
        assert_eq!(client.hear().await, "a2 NO [UNAVAILABLE] temporarily unavailable", "{command}");
    }
    client.say("a3 NOOP").await;
    let (tag, _) = peer.hear_command("NOOP").await;
    peer.say(&format!("{tag} OK done")).await;
    assert_eq!(client.hear().await, "a3 OK done", "what leaves no record works as ever");
}

#[tokio::test]
async fn an_answer_whose_record_cannot_be_written_is_not_given() {
    let (proxy, mut client, mut peer) = ready().await;
    client.say("a2 UID FETCH 5 BODY[]").await;
    let (tag, _) = peer.hear_command("UID FETCH").await;
    proxy.log.close(StopReason::Forced).await.expect("to close");
    peer.say(&format!("* 1 FETCH (UID 5 BODY[] {{3}}\r\nabc)\r\n{tag} OK done")).await;
    let mut heard = Vec::new();
    loop {
        match client.hear().await {
            line if line.is_empty() => break,
            line => heard.push(line),
        }
    }
    assert_eq!(heard.last().expect("a word"), "* BYE [UNAVAILABLE] closing connection");
    assert!(!heard.iter().any(|line| line.starts_with("a2 OK")), "{heard:?}");
}

#[tokio::test]
async fn a_session_ends_though_its_end_cannot_be_recorded() {
    let (proxy, mut client, mut peer) = ready().await;
    proxy.log.close(StopReason::Forced).await.expect("to close");
    client.say("a2 LOGOUT").await;
    assert_eq!(client.hear_until("a2 OK").await.len(), 2);
    assert_eq!(client.hear().await, "");
    peer.hear_command("LOGOUT").await;
    drop(client);
    proxy.server.end().await;
}

#[tokio::test]
async fn while_the_log_fails_clients_are_sent_away_and_idle_is_silent() {
    let (proxy, mut client, mut peer) = ready().await;
    client.say("a2 IDLE").await;
    peer.hear_command("IDLE").await;
    peer.say("+ idling").await;
    client.hear().await;
    proxy.log.fail();
    peer.say("* 2 EXISTS").await;
    let mut second = Peer::connect(proxy.address).await;
    assert_eq!(second.hear().await, "* BYE [UNAVAILABLE] closing connection");
    assert!(proxy.metrics.render().contains(r#"connections_refused_total{listener="test",reason="audit"} 1"#));
    assert_eq!(client.hear().await, "* 2 EXISTS");
    assert!(!proxy.log.failing(), "not before it works again");
}

#[tokio::test]
async fn a_reload_reaches_an_open_session() {
    let upstream = Upstream::start(Speaks::Clear).await;
    let mut plan = Plan::clear(upstream.address);
    let proxy = Proxy::start(&plan);
    let (mut client, mut peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    client.say("a2 IDLE").await;
    let (_tag, _) = peer.hear_command("IDLE").await;
    peer.say("+ idling").await;
    assert_eq!(client.hear().await, "+ idling");
    plan.limits.idle_timeout = Duration::from_millis(10);
    proxy.reload(&plan);
    assert_eq!(client.hear().await, "* BYE idle for too long");
}
