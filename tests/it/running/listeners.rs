//! Listeners and the admin port: added, taken away, on a path.

use super::*;

fn listener(name: &str, address: SocketAddr) -> String {
    format!("[[listener]]\nname = \"{name}\"\nbind = \"{address}\"\ntls = \"off\"\nallow_plaintext_login = true\n")
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound")
}

#[test]
fn listeners_come_and_go_with_a_reload() {
    let place = Place::new();
    let mut proxy = Proxy::start(&place);
    let mut before = proxy.connect();
    before.log_in();
    let second = free();
    place.change("[[upstream]]", &(listener("second", second) + "[[upstream]]"));
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    let mut there = Client::new(second);
    there.log_in();
    // An address that is taken: nothing changes, and the others serve on.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let third = listener("third", taken.local_addr().expect("it is bound"));
    place.change("[[upstream]]", &(third.clone() + "[[upstream]]"));
    proxy.signal(Signal::HUP);
    let problem = proxy.wait_for("not reloaded");
    assert!(problem["problem"].as_str().expect("it says what").contains("cannot listen on"), "{problem}");
    assert!(Client::new(second).say("NOOP").starts_with("a OK"));
    place.change(&third, "");
    // The first goes, and the second has another address.
    let moved = free();
    let first = "[[listener]]\nname = \"imap\"\nbind = \"127.0.0.1:0\"\ntls = \"off\"\nallow_plaintext_login = true\n";
    place.change(first, "");
    place.change(&second.to_string(), &moved.to_string());
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert!(Client::new(moved).say("NOOP").starts_with("a OK"));
    for gone in [proxy.imap, second] {
        let mut tries = 0;
        while TcpStream::connect(gone).is_ok() {
            tries += 1;
            assert!(tries < 1000, "{gone} still listens");
            std::thread::yield_now();
        }
    }
    assert!(before.say("NOOP").starts_with("a OK"), "a session outlives its listener");
    assert!(there.say("NOOP").starts_with("a OK"));
    let metrics = proxy.get("/metrics");
    assert!(metrics.contains("imapwarden_sessions_limit{listener=\"imap\"} 0"), "{metrics}");
    drop(before);
    proxy.wait_until_metrics(|metrics| {
        !metrics.contains("imapwarden_sessions{listener=\"imap\",state=\"authenticated\"} 1")
    });
    proxy.signal(Signal::HUP);
    proxy.wait_for("reloaded");
    assert!(!proxy.get("/metrics").contains("listener=\"imap\""), "of what is gone nothing is told");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ends_with(), Some(0));
}

impl Proxy {
    fn wait_until_metrics(&self, are: impl Fn(&str) -> bool) {
        let until = std::time::Instant::now() + PATIENCE;
        while !are(&self.get("/metrics")) {
            assert!(std::time::Instant::now() < until, "{}", self.get("/metrics"));
        }
    }
}

/// A command of the program, and what it prints.
fn program(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    let output = command.current_dir(place.folder.path()).args(arguments).output().expect("the program is built");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_admin_port_may_be_a_socket_of_this_host() {
    let place = Place::new();
    fs::write(place.path("admin.token"), "0123456789abcdef0123456789abcdef\n").expect("it is ours");
    place
        .change("[admin]\nbind = \"127.0.0.1:0\"", "[admin]\nbind = \"unix:admin.sock\"\ntoken_file = \"admin.token\"");
    // What a killed process left is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(place.path("admin.sock")).expect("a free path"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_imapwarden"))
        .current_dir(place.folder.path())
        .args(["run", "--config", "imapwarden.toml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let mut messages = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut child = Running(child);
    let imap = address(&wait_for(&mut messages, "listening"));
    wait_for(&mut messages, "admin port");
    let mut client = Client::new(imap);
    client.log_in();
    let config = ["--config", "imapwarden.toml"];
    assert_eq!(program(&place, &[&["ready"], &config[..]].concat()).0, Some(0));
    let (status, told) = program(&place, &[&["sessions"], &config[..]].concat());
    assert!(status == Some(0) && told.contains("ann@example.org"), "{told}");
    let url = format!("unix:{}", place.path("admin.sock").display());
    let by_url = ["kill", "--admin", &url, "--token-file", "admin.token", "--user", "ann*", "--why", "left", "--yes"];
    let (status, told) = program(&place, &by_url);
    assert_eq!(status, Some(0), "{told}");
    assert!(client.line().starts_with("* BYE"));
    child.signal(Signal::TERM);
    assert_eq!(child.ends(), Some(0));
    assert!(!place.path("admin.sock").exists(), "nothing is left of it");
    assert_eq!(program(&place, &[&["ready"], &config[..]].concat()).0, Some(1));
}
