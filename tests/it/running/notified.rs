//! What a service manager is told.

use std::os::unix::net::UnixDatagram;

use super::*;

/// Plays the manager: what it hears, until it has heard this.
fn hear_until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut room = [0; 4096];
    loop {
        let n = socket.recv(&mut room).unwrap_or_else(|error| panic!("`{wanted}` never came: {error}: {heard:?}"));
        let text = String::from_utf8_lossy(&room[..n]).into_owned();
        let is_it = text.lines().any(|line| line.starts_with(wanted));
        heard.push(text);
        if is_it {
            return heard;
        }
    }
}

#[test]
fn it_is_told_when_it_is_ready_reloads_lives_and_stops() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).expect("a free path");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    let child = Command::new(env!("CARGO_BIN_EXE_imapwarden"))
        .current_dir(place.folder.path())
        .args(["run", "--config", "imapwarden.toml"])
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built");
    let mut child = Running(child);
    let heard = hear_until(&socket, "READY=1");
    assert!(heard.last().is_some_and(|last| last.contains("STATUS=0 sessions, rules ")), "{heard:?}");
    for _ in 0..3 {
        hear_until(&socket, "WATCHDOG=1");
    }
    child.signal(Signal::HUP);
    let heard = hear_until(&socket, "RELOADING=1");
    assert!(heard.last().is_some_and(|last| last.contains("MONOTONIC_USEC=")), "{heard:?}");
    hear_until(&socket, "READY=1");
    place.change("[log]", "[log]\nlevel = \"loud\"");
    child.signal(Signal::HUP);
    hear_until(&socket, "RELOADING=1");
    hear_until(&socket, "READY=1");
    child.signal(Signal::TERM);
    hear_until(&socket, "STOPPING=1");
    assert_eq!(child.ends(), Some(0));
}
