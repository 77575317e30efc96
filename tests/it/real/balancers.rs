//! A real HAProxy before the proxy and a real Dovecot behind it: whose session it is, from the first to the last.

use std::path::Path;

use super::client::Client;
use super::dovecot::{Dovecot, Names};
use super::place::{Place, Process, free_address, until};
use super::proxy::Settings;

/// An address of this host that is no server's.
const CLIENT: [u8; 4] = [127, 0, 0, 5];

/// HAProxy with a frontend that hands on to `server`, as `how` says, and looks every 50 ms whether it is well.
fn haproxy(place: &Place, server: std::net::SocketAddr, how: &str) -> (Process, std::net::SocketAddr) {
    let address = free_address();
    let text = format!(
        "global\n  log stderr local0\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n\
         listen imaps\n  bind {address}\n  server proxy {server} {how} check inter 50\n"
    );
    let file = place.write("haproxy.cfg", text);
    let arguments = ["-db", "-f", file.to_str().expect("a path in UTF-8")];
    let process = Process::start("haproxy", Path::new("haproxy"), &arguments, &place.path("haproxy.log"));
    until("haproxy listens", || std::net::TcpStream::connect(address).ok());
    (process, address)
}

/// What Dovecot says of the login of this user.
fn login_of<'l>(log: &'l str, user: &str) -> Option<&'l str> {
    log.lines().find(|line| line.contains(&format!("Login: user=<{user}>")))
}

#[test]
fn whose_session_it_is_reaches_dovecot() {
    let trusting = "login_trusted_networks = 127.0.0.1/32\n\
                    login_log_format_elements = user=<%u> rip=%r rport=%b lip=%l session=<%{session}>\n";
    let dovecot = Dovecot::start_with(&["ann", "bob"], Names::Slash, trusting);
    for (user, how, forged) in [
        ("ann", "send-proxy", ""),
        ("bob", "send-proxy-v2 check-send-proxy", "ID (\"x-originating-ip\" \"192.0.2.99\")"),
    ] {
        let mut proxy = Settings::before(&dovecot)
            .in_listener("proxy_protocol_from = [\"127.0.0.1\"]")
            .in_upstream("forward_client = \"id\"")
            .start();
        let place = Place::new();
        let (_haproxy, front) = haproxy(&place, proxy.imaps(), how);
        let mut client = Client::tls_from(CLIENT, front, &proxy.ca());
        if !forged.is_empty() {
            client.run(forged).ok();
        }
        let mut client = client.login(user);
        let open = proxy
            .record("the session", |record| record["type"] == "session.open" && record["client_ip"] == "127.0.0.5");
        assert_eq!(open["data"]["via"], "127.0.0.1", "{open}");
        let log = dovecot.log();
        let login = until("the login", || login_of(&log, user));
        for told in [
            "rip=127.0.0.5".to_owned(),
            format!("rport={}", open["data"]["port"]),
            format!("session=<{}>", open["sid"].as_str().unwrap()),
        ] {
            assert!(login.contains(&told), "{told}: {login}");
        }
        client.run("LOGOUT").ok();
        let records = proxy.stop();
        let refused: Vec<_> = records.iter().filter(|record| record["type"] == "session.refused").collect();
        assert!(refused.is_empty(), "a balancer's own looks are refused: {refused:?}");
    }
}

#[test]
fn dovecot_hears_the_proxy_protocol() {
    let port = free_address().port();
    let expecting = format!(
        "haproxy_trusted_networks = 127.0.0.1/32\n\
         login_log_format_elements = user=<%u> rip=%r rport=%b lip=%l lport=%a\n\
         service imap-login {{\n  inet_listener imaps_behind {{\n    port = {port}\n    ssl = yes\n    haproxy = yes\n  }}\n}}\n"
    );
    let dovecot = Dovecot::start_with(&["ann"], Names::Slash, &expecting);
    let mut proxy = Settings::before(&dovecot).upstream_at(port).in_upstream("forward_client = \"proxy\"").start();
    let mut client = Client::tls_from(CLIENT, proxy.imaps(), &proxy.ca()).login("ann");
    let log = dovecot.log();
    let login = until("the login", || login_of(&log, "ann"));
    let reached = format!("lport={}", proxy.imaps().port());
    assert!(login.contains("rip=127.0.0.5") && login.contains(&reached), "{login}");
    client.run("LOGOUT").ok();
    proxy.stop();
}
