//! Octets by the million: nothing is kept of them, and who does not read holds up whom he should.

use std::sync::LazyLock;
use std::time::Duration;

use rustls::version::TLS13;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::house::{Authority, Plan, Proxy};
use super::peers::{Peer, Speaks, Upstream, acceptor, client_config, session};
use crate::config::{ListenerTls, UpstreamTls};

/// 64 MiB: more than all buffers of the kernel on the way.
const SIZE: usize = 64 << 20;
const CHUNK: usize = 256 << 10;

/// Octets that tell where they stand.
fn octets(at: usize, n: usize) -> &'static [u8] {
    static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=250).cycle().take(CHUNK + 251).collect());
    &PATTERN[at % 251..][..n]
}

async fn read_literal(peer: &mut Peer, size: usize) {
    let mut chunk = vec![0; CHUNK];
    for at in (0..size).step_by(CHUNK) {
        peer.hear_octets(&mut chunk).await.expect("octets");
        assert!(chunk == *octets(at, CHUNK), "octets at {at} are others");
    }
}

async fn write_literal(peer: &mut Peer, size: usize) {
    for at in (0..size).step_by(CHUNK) {
        peer.send(octets(at, CHUNK)).await;
    }
    peer.0.flush().await.expect("a peer that reads");
}

async fn tls_on_both_sides() -> (Proxy, Peer, Peer) {
    let authority = Authority::new();
    let theirs = acceptor(&authority.sign("upstream", "imap.example.org"));
    let upstream = Upstream::start(Speaks::Tls(theirs)).await;
    let plan = Plan::clear(upstream.address)
        .with_tls(ListenerTls::Implicit, vec![authority.sign("proxy", "mail.example.org")])
        .with_upstream_tls(UpstreamTls::Implicit, &authority);
    let proxy = Proxy::start(&plan);
    let config = client_config(&authority, &[&TLS13]);
    let client = Peer::connect_tls(proxy.address, "mail.example.org", &config).await.expect("TLS");
    let (client, peer) = session(client, &upstream).await;
    (proxy, client, peer)
}

async fn clear_on_both_sides() -> (Proxy, Peer, Peer) {
    let upstream = Upstream::start(Speaks::Clear).await;
    let proxy = Proxy::start(&Plan::clear(upstream.address));
    let (client, peer) = session(Peer::connect(proxy.address).await, &upstream).await;
    (proxy, client, peer)
}

async fn select(client: &mut Peer, peer: &mut Peer) {
    client.say("s1 SELECT INBOX").await;
    let (tag, _) = peer.hear_command("SELECT").await;
    peer.say(&format!("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-WRITE] done")).await;
    client.hear_until("s1 OK").await;
}

/// A FETCH of one large message to a client that does not read at first: the upstream is held up after what fits into
/// the buffers of the kernel, and not one octet is lost.
async fn fetch_to_a_slow_reader((proxy, mut client, mut peer): (Proxy, Peer, Peer)) {
    select(&mut client, &mut peer).await;
    client.say("a2 UID FETCH 5 BODY[]").await;
    let (tag, _) = peer.hear_command("UID FETCH").await;
    peer.send(format!("* 1 FETCH (UID 5 BODY[] {{{SIZE}}}\r\n").as_bytes()).await;
    let mut sent = 0;
    while let Ok(n) = timeout(Duration::from_millis(500), peer.0.write(octets(sent, CHUNK))).await {
        sent += n.expect("a peer that reads");
        assert!(sent < SIZE, "all of it went to nobody");
    }
    assert!(sent < SIZE / 2, "{sent} octets went to nobody");
    let reading = async {
        assert_eq!(client.hear().await, format!("* 1 FETCH (UID 5 BODY[] {{{SIZE}}}"));
        read_literal(&mut client, SIZE).await;
        client.hear_until("a2 OK").await
    };
    let writing = async {
        while sent < SIZE {
            let n = CHUNK.min(SIZE - sent);
            peer.send(octets(sent, n)).await;
            sent += n;
        }
        peer.say(&format!(")\r\n{tag} OK done")).await;
    };
    let (lines, ()) = tokio::join!(reading, writing);
    assert_eq!(lines, [")", "a2 OK done"]);
    let done = proxy.recorded("message.read", |line| line["stage"] == "done").await;
    assert_eq!(done["data"]["bytes"], SIZE);
    assert!(done["data"]["intent"].is_u64(), "it was announced: {done}");
}

#[tokio::test]
async fn a_fetch_to_a_slow_reader_in_clear() {
    fetch_to_a_slow_reader(clear_on_both_sides().await).await;
}

#[tokio::test]
async fn a_fetch_to_a_slow_reader_under_tls() {
    fetch_to_a_slow_reader(tls_on_both_sides().await).await;
}

async fn append((proxy, mut client, mut peer): (Proxy, Peer, Peer)) {
    select(&mut client, &mut peer).await;
    client.send(format!("a2 APPEND INBOX {{{SIZE}}}\r\n").as_bytes()).await;
    client.0.flush().await.expect("a peer that reads");
    let receiving = async {
        let (tag, line) = peer.hear_command("APPEND").await;
        assert_eq!(line, format!("APPEND INBOX {{{SIZE}}}"));
        peer.say("+ go").await;
        read_literal(&mut peer, SIZE).await;
        assert_eq!(peer.hear().await, "");
        peer.say(&format!("{tag} OK [APPENDUID 7 9] done")).await;
    };
    let sending = async {
        assert!(client.hear().await.starts_with("+ "));
        write_literal(&mut client, SIZE).await;
        client.say("").await;
        client.hear().await
    };
    let ((), answer) = tokio::join!(receiving, sending);
    assert_eq!(answer, "a2 OK [APPENDUID 7 9] done");
    let done = proxy.recorded("message.append", |line| line["stage"] == "done").await;
    assert_eq!(done["data"]["size"], SIZE);
    assert!(done["data"]["intent"].is_u64(), "it was announced: {done}");
}

#[tokio::test]
async fn an_append_in_clear() {
    append(clear_on_both_sides().await).await;
}

#[tokio::test]
async fn an_append_under_tls() {
    append(tls_on_both_sides().await).await;
}

#[tokio::test]
async fn a_client_that_vanishes_inside_a_literal_never_ends_it() {
    let (proxy, mut client, mut peer) = clear_on_both_sides().await;
    select(&mut client, &mut peer).await;
    client.say("a2 APPEND INBOX {1000}").await;
    let begun = async {
        peer.hear_command("APPEND").await;
        peer.say("+ go").await;
    };
    let sending = async {
        client.hear().await;
        client.send(octets(0, 500)).await;
        client.0.flush().await.expect("a peer that reads");
        client
    };
    let ((), client) = tokio::join!(begun, sending);
    drop(client);
    let mut rest = Vec::new();
    timeout(Duration::from_secs(20), peer.0.read_to_end(&mut rest)).await.expect("the end").expect("an end in order");
    assert_eq!(rest, octets(0, 500), "its part of the literal, and the end of the stream");
    let done = proxy.recorded("message.append", |line| line["stage"] == "done").await;
    assert_eq!(done["result"]["status"], "CUT");
}

#[tokio::test]
async fn a_client_that_sends_no_more_still_hears_its_answers() {
    let (_proxy, mut client, mut peer) = clear_on_both_sides().await;
    client.send(b"a2 NOOP\r\na3 NOOP\r\n").await;
    client.0.shutdown().await.expect("to close one side");
    for _ in 0..2 {
        let (tag, _) = peer.hear_command("NOOP").await;
        peer.say(&format!("{tag} OK done")).await;
    }
    assert_eq!(client.hear_until("a3").await, ["a2 OK done", "a3 OK done"]);
    assert_eq!(client.hear().await, "");
}

/// A client that never reads is left after five minutes, and its upstream with it.
#[tokio::test]
async fn a_client_that_never_reads_is_left() {
    let (proxy, mut client, mut peer) = clear_on_both_sides().await;
    select(&mut client, &mut peer).await;
    client.say("a2 UID FETCH 5 BODY[]").await;
    peer.hear_command("UID FETCH").await;
    peer.send(format!("* 1 FETCH (UID 5 BODY[] {{{SIZE}}}\r\n").as_bytes()).await;
    let mut sent = 0;
    while let Ok(n) = timeout(Duration::from_millis(500), peer.0.write(octets(sent, CHUNK))).await {
        sent += n.expect("a peer that reads");
    }
    tokio::time::pause(); // from here the clock goes from timer to timer
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _ = peer.0.read_to_end(&mut rest).await;
    assert!(begun.elapsed() >= Duration::from_secs(4 * 60), "after {:?}", begun.elapsed());
    proxy.server.end().await;
    let records = proxy.records();
    let (_, closed) = records.iter().find(|(kind, _)| kind == "session.close").expect("an end");
    assert_eq!((&closed["data"]["reason"], &closed["data"]["by"]), (&"limit".into(), &"proxy".into()));
}

/// An upstream that takes no more of an APPEND is given up after `upstream_timeout`.
#[tokio::test]
async fn an_upstream_that_never_reads_is_given_up() {
    let (_proxy, mut client, mut peer) = clear_on_both_sides().await;
    select(&mut client, &mut peer).await;
    client.say(&format!("a2 APPEND INBOX {{{SIZE}}}")).await;
    peer.hear_command("APPEND").await;
    peer.say("+ go").await;
    client.hear().await;
    let mut sent = 0;
    while let Ok(n) = timeout(Duration::from_millis(500), client.0.write(octets(sent, CHUNK))).await {
        sent += n.expect("a peer that reads");
        assert!(sent < SIZE, "all of it went to nobody");
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut said = String::new();
    let _ = client.0.read_line(&mut said).await;
    assert_eq!(said, "* BYE [UNAVAILABLE] closing connection\r\n");
    assert!(begun.elapsed() >= Duration::from_secs(50), "after {:?}", begun.elapsed());
}

#[tokio::test]
async fn octet_by_octet_under_tls() {
    let (_proxy, mut client, mut peer) = tls_on_both_sides().await;
    for octet in b"a2 NOOP\r\n" {
        client.send(&[*octet]).await;
        client.0.flush().await.expect("a peer that reads");
    }
    let (tag, _) = peer.hear_command("NOOP").await;
    for octet in format!("* 7 EXISTS\r\n{tag} OK done\r\n").bytes() {
        peer.send(&[octet]).await;
        peer.0.flush().await.expect("a peer that reads");
    }
    assert_eq!(client.hear_until("a2").await, ["* 7 EXISTS", "a2 OK done"]);
}
