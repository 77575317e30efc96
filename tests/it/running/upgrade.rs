//! A new process takes the place of the old one at noon, on sockets that somebody keeps. The test plays the service manager.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::*;

/// The sockets, which outlive every process.
struct Kept {
    imap: TcpListener,
    admin: TcpListener,
    notify: UnixDatagram,
}

impl Kept {
    fn new(place: &Place) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let kept = Self {
            imap: listen(),
            admin: listen(),
            notify: UnixDatagram::bind(place.path("notify")).expect("a free path"),
        };
        kept.notify.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        place.write("", "");
        place.change("bind = \"127.0.0.1:0\"", &format!("bind = \"{}\"", kept.imap()));
        place.change("[admin]\nbind = \"127.0.0.1:0\"", &format!("[admin]\nbind = \"{}\"", kept.admin_address()));
        kept
    }

    fn imap(&self) -> SocketAddr {
        self.imap.local_addr().expect("it is bound")
    }

    fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr().expect("it is bound")
    }

    /// A process with these sockets as descriptors 3 and 4, which a shell has put there.
    fn spawn(&self, place: &Place, log: &str) -> Child {
        let given = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor")));
        let log = fs::File::create(place.path(log)).expect("it is ours");
        Command::new("sh")
            .args(["-c", "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_imapwarden"))
            .args(["run", "--config", "imapwarden.toml"])
            .current_dir(place.folder.path())
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", "imap:admin")
            .env("NOTIFY_SOCKET", place.path("notify"))
            .stdin(given(&self.imap))
            .stdout(given(&self.admin))
            .stderr(log)
            .spawn()
            .expect("the program is built")
    }

    /// The same, ready.
    fn start(&self, place: &Place, log: &str) -> Running {
        let child = Running(self.spawn(place, log));
        self.hear("READY=1");
        child
    }

    fn hear(&self, wanted: &str) {
        let mut room = [0; 4096];
        loop {
            let n = self.notify.recv(&mut room).unwrap_or_else(|error| panic!("`{wanted}` never came: {error}"));
            if String::from_utf8_lossy(&room[..n]).lines().any(|line| line == wanted) {
                return;
            }
        }
    }
}

/// What a client of many met.
#[derive(Default)]
struct Met {
    sessions: usize,
    /// When it was told to come again.
    byes: Vec<Instant>,
    wrong: Vec<String>,
}

/// Comes, logs in, says something and goes, again and again.
fn come_and_go(address: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Met> {
    thread::spawn(move || {
        let mut met = Met::default();
        while !stop.load(Ordering::Relaxed) {
            match one_session(address) {
                Ok(true) => met.sessions += 1,
                Ok(false) => met.byes.push(Instant::now()),
                Err(wrong) => met.wrong.push(wrong),
            }
        }
        met
    })
}

/// `false`: it was told to come again.
fn one_session(address: SocketAddr) -> Result<bool, String> {
    let stream = TcpStream::connect(address).map_err(|error| format!("refused: {error}"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let mut stream = BufReader::new(stream);
    let next = |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(|error| format!("broken: {error}"))?;
        Ok::<String, String>(line)
    };
    let greeting = next(&mut stream)?;
    if !greeting.starts_with("* OK") {
        return Err(format!("greeted with {greeting:?}"));
    }
    for (tag, command) in [("a", "LOGIN ann@example.org secret"), ("b", "NOOP"), ("c", "LOGOUT")] {
        if write!(stream.get_mut(), "{tag} {command}\r\n").is_err() {
            // Whoever hangs up has said why.
        }
        loop {
            let line = next(&mut stream)?;
            if line.starts_with("* BYE server is restarting") {
                return Ok(false);
            }
            if line.starts_with(&format!("{tag} OK")) {
                break;
            }
            if line.is_empty() || line.starts_with(&format!("{tag} ")) {
                return Err(format!("{command}: {line:?}"));
            }
        }
    }
    Ok(true)
}

#[test]
fn an_upgrade_under_load_refuses_nobody() {
    let place = Place::new();
    let kept = Kept::new(&place);
    place.change("drain_delay = \"0s\"", "drain_delay = \"300ms\"");
    place.change("drain_window = \"1m\"", "drain_window = \"2s\"");
    let mut old = kept.start(&place, "old.log");
    let idle: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = Client::new(kept.imap());
            client.log_in();
            write!(client.0.get_mut(), "i IDLE\r\n").expect("it reads");
            assert!(client.line().starts_with("+"));
            client
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4).map(|_| come_and_go(kept.imap(), Arc::clone(&stop))).collect();
    let mut new = kept.start(&place, "new.log");
    let asked = Instant::now();
    old.signal(Signal::TERM);
    let said: Vec<_> =
        idle.into_iter().map(|mut client| thread::spawn(move || (client.line(), Instant::now()))).collect();
    for told in said {
        let (line, at) = told.join().expect("it ends");
        assert!(line.starts_with("* BYE server is restarting"), "{line:?}");
        let after = at.duration_since(asked);
        assert!(after >= Duration::from_millis(300) && after < Duration::from_secs(4), "{after:?}");
    }
    assert_eq!(old.ends(), Some(0));
    // The port answers as before, by the new process: it is ready, and has the sessions.
    let ready = get(kept.admin_address(), "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(one_session(kept.imap()) == Ok(true));
    stop.store(true, Ordering::Relaxed);
    let mut sessions = 0;
    for client in load {
        let met = client.join().expect("it ends");
        assert_eq!(met.wrong, [""; 0]);
        assert!(met.byes.iter().all(|at| *at > asked), "nobody is sent away before");
        sessions += met.sessions;
    }
    assert!(sessions > 20, "{sessions}");
    new.signal(Signal::TERM);
    assert_eq!(new.ends(), Some(0));
    // Two logs, each whole, and the second names the first.
    let verified = Command::new(env!("CARGO_BIN_EXE_imapwarden"))
        .args(["audit", "verify"])
        .arg(place.path("audit"))
        .output()
        .expect("the program is built");
    let text = String::from_utf8_lossy(&verified.stdout);
    assert_eq!((verified.status.code(), text.matches("result: intact").count()), (Some(0), 2), "{text}");
}

/// A page of the admin port.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn who_connects_between_two_processes_waits() {
    let place = Place::new();
    let kept = Kept::new(&place);
    let mut first = kept.start(&place, "first.log");
    first.signal(Signal::TERM);
    assert_eq!(first.ends(), Some(0));
    let waiting = come_and_go(kept.imap(), Arc::new(AtomicBool::new(true)));
    let early = thread::spawn({
        let address = kept.imap();
        move || one_session(address)
    });
    let mut second = kept.start(&place, "second.log");
    assert_eq!(early.join().expect("it ends"), Ok(true));
    assert!(waiting.join().expect("it ends").wrong.is_empty());
    second.signal(Signal::TERM);
    assert_eq!(second.ends(), Some(0));
    assert_eq!(fs::read_dir(place.path("audit")).expect("a log").flatten().filter(|e| e.path().is_dir()).count(), 0);
}

#[test]
fn a_lock_reaches_the_process_that_ends() {
    let place = Place::new();
    let kept = Kept::new(&place);
    fs::write(place.path("admin.token"), "0123456789abcdef0123456789abcdef\n").expect("it is ours");
    place.change("[log]", "token_file = \"admin.token\"\n[log]");
    place.change("drain_delay = \"0s\"", "drain_delay = \"1h\"");
    let mut old = kept.start(&place, "old.log");
    let mut client = Client::new(kept.imap());
    client.log_in();
    let mut new = kept.start(&place, "new.log");
    old.signal(Signal::TERM);
    kept.hear("STOPPING=1");
    let locked = Command::new(env!("CARGO_BIN_EXE_imapwarden"))
        .current_dir(place.folder.path())
        .args([
            "lock",
            "--config",
            "imapwarden.toml",
            "--user",
            "ann@example.org",
            "--for",
            "1h",
            "--why",
            "phone was stolen",
        ])
        .output()
        .expect("the program is built");
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    let line = client.line();
    assert!(line.starts_with("* BYE") && !line.contains("restarting"), "{line}");
    // Once more, and at once.
    old.signal(Signal::TERM);
    assert_eq!(old.ends(), Some(0));
    new.signal(Signal::TERM);
    kept.hear("STOPPING=1");
    new.signal(Signal::TERM);
    assert_eq!(new.ends(), Some(0));
}

#[test]
fn a_socket_that_belongs_to_nothing_keeps_it_from_starting() {
    let place = Place::new();
    let kept = Kept::new(&place);
    place.change("name = \"imap\"", "name = \"other\"");
    place.change(&format!("bind = \"{}\"", kept.imap()), "bind = \"127.0.0.1:0\"");
    let mut child = Running(kept.spawn(&place, "run.log"));
    assert_eq!(child.ends(), Some(1));
    let said = fs::read_to_string(place.path("run.log")).expect("it writes text");
    assert!(said.contains("a socket was handed over that nothing here listens on: imap"), "{said}");
}
