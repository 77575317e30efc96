//! Many sessions: what it costs to look at them, and that all of them end in peace. As many as `IMAPWARDEN_SESSIONS` says (5000
//! for the figures in docs/performance.md), else fewer.

use std::time::Instant;

use super::*;

/// Sessions of one test run.
fn sessions() -> usize {
    std::env::var("IMAPWARDEN_SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// Each takes two descriptors here.
fn room_for(sessions: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let wanted = u64::try_from(sessions * 2 + 200).expect("a number");
    assert!(limit.maximum.is_none_or(|most| most >= wanted), "{sessions} sessions need {wanted} descriptors");
}

/// CPU seconds of the proxy so far.
fn cpu(metrics: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    line.and_then(|value| value.parse().ok()).expect("it is there")
}

#[test]
fn all_of_many_sessions_end_within_the_window() {
    let sessions = sessions();
    let window = Duration::from_secs(if sessions < 1000 { 2 } else { 60 });
    room_for(sessions);
    let place = Place::new();
    let more = sessions + 100;
    place.write(&format!("max_connections_per_ip = {more}\nmax_connections = {more}"), "");
    place.change("drain_window = \"1m\"", &format!("drain_window = \"{}s\"", window.as_secs()));
    let proxy = Proxy::start(&place);
    let mut clients: Vec<Client> = (0..sessions)
        .map(|_| {
            let mut client = proxy.connect();
            client.log_in();
            assert!(client.say("SELECT INBOX").starts_with("a OK"));
            write!(client.0.get_mut(), "i IDLE\r\n").expect("it reads");
            assert!(client.line().starts_with('+'));
            client
        })
        .collect();

    const TIMES: u32 = 20;
    let mut took = [Duration::ZERO; 2];
    let mut spent = [0.0; 2];
    for (at, path) in ["/metrics", "/api/v1/overview?sort=octets"].into_iter().enumerate() {
        let before = cpu(&proxy.get("/metrics"));
        let began = Instant::now();
        for _ in 0..TIMES {
            assert!(proxy.get(path).starts_with("HTTP/1.1 200"));
        }
        took[at] = began.elapsed() / TIMES;
        spent[at] = (cpu(&proxy.get("/metrics")) - before) / f64::from(TIMES);
    }
    let metrics = proxy.get("/metrics");
    let state = format!("imapwarden_sessions{{listener=\"imap\",state=\"idle\"}} {sessions}");
    assert!(metrics.contains(&state) && metrics.contains("imapwarden_users 1\n"), "{state}");
    eprintln!(
        "{sessions} sessions: /metrics {:?} (CPU {:.1} ms), overview {:?} (CPU {:.1} ms)",
        took[0],
        spent[0] * 1e3,
        took[1],
        spent[1] * 1e3
    );
    // Far above what it takes: a machine that is busy must not fail this.
    assert!(took.iter().all(|took| *took < Duration::from_secs(2)), "{took:?}");

    let began = Instant::now();
    proxy.signal(Signal::TERM);
    for client in &mut clients {
        let line = client.line();
        assert_eq!(line, "* BYE server is restarting, please reconnect\r\n");
    }
    let heard = began.elapsed();
    drop(clients);
    assert_eq!(proxy.ends_with(), Some(0));
    eprintln!(
        "{sessions} sessions: the last BYE after {heard:?} of {window:?}, the process after {:?}",
        began.elapsed()
    );
    let closed = place.records("session.close");
    assert_eq!(closed.len(), sessions);
    assert!(closed.iter().all(|record| record["data"]["reason"] == "drain"), "no other reason");
    assert_eq!(place.records("proxy.stop")[0]["data"]["reason"], "drained");
    for kind in ["upstream.state", "protocol.fault", "filter.failure"] {
        assert_eq!(place.records(kind), [Value::Null; 0], "{kind}");
    }
}
