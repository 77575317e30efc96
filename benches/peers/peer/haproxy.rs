//! HAProxy in TCP mode: knows nothing of IMAP, and is what a proxy that understands it is measured by.

use std::io;
use std::net::SocketAddr;

use super::Doors;
use crate::place::{self, Place, Process};

/// Starts it: one process, a thread for each CPU, as it does by itself; or a whole one for each backend.
pub fn start(place: &Place, doors: &Doors, backends: &[SocketAddr]) -> io::Result<Vec<Process>> {
    backends.iter().enumerate().map(|(number, backend)| one(place, doors, number, *backend)).collect()
}

fn one(place: &Place, doors: &Doors, number: usize, backend: SocketAddr) -> io::Result<Process> {
    let Some(program) = place::program("haproxy") else { return Err(io::ErrorKind::NotFound.into()) };
    let user = if rustix::process::getuid().is_root() { "user nobody\n  group nogroup" } else { "" };
    let text = format!(
        "global\n  \
           maxconn {sessions}\n  \
           {user}\n  \
           ssl-default-bind-options ssl-min-ver TLSv1.3\n\
         defaults\n  \
           mode tcp\n  \
           backlog 4096\n  \
           timeout connect 10s\n  \
           timeout client 1h\n  \
           timeout server 1h\n\
         frontend imap\n  \
           bind {plain}\n  \
           bind {tls} ssl crt {root}/tls/both.pem\n  \
           default_backend imap\n\
         backend imap\n  \
           server backend {backend}\n",
        sessions = doors.sessions,
        plain = doors.plain[number],
        tls = doors.tls[number],
        root = place.root(),
    );
    let file = place.write(&format!("haproxy/{number}.cfg"), text)?;
    Process::start(&program, &["-db", "-f", &file.display().to_string()], place.path(&format!("haproxy/{number}.log")))
}
