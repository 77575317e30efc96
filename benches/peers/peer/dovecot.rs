//! Dovecot's proxy: login processes that stay, each with many sessions.

use std::io;
use std::net::SocketAddr;

use super::Doors;
use crate::place::{self, Place, Process};

/// Starts it: a login process for each CPU, as its documentation has it for many sessions, or as many as can hold them.
///
/// It listens on as many addresses as there are backends; whoever comes in at one is sent on to the backend there.
pub fn start(place: &Place, doors: &Doors, backends: &[SocketAddr]) -> io::Result<Process> {
    let Some(program) = place::program("dovecot") else { return Err(io::ErrorKind::NotFound.into()) };
    let text = format!(
        "base_dir = {root}/dovecot/run\n\
         state_dir = {root}/dovecot/state\n\
         log_path = {root}/dovecot/log\n\
         protocols = imap\n\
         listen = {listen}\n\
         {users}\
         ssl = yes\n\
         ssl_cert = <{root}/tls/chain.pem\n\
         ssl_key = <{root}/tls/key.pem\n\
         ssl_min_protocol = TLSv1.2\n\
         disable_plaintext_auth = no\n\
         auth_mechanisms = plain login\n\
         auth_verbose = no\n\
         mail_max_userip_connections = 0\n\
         verbose_proctitle = no\n\
         passdb {{\n  driver = static\n  args = nopassword=y proxy=y host=%{{lip}} port={port}\n}}\n\
         userdb {{\n  driver = static\n  args = uid=65534 gid=65534 home=/nonexistent\n}}\n\
         default_client_limit = {connections}\n\
         default_vsz_limit = 0\n\
         service imap-login {{\n  chroot =\n  service_count = 0\n  process_min_avail = {processes}\n  process_limit = {processes}\n  \
           client_limit = {sessions}\n  \
           inet_listener imap {{\n    port = {plain}\n  }}\n  \
           inet_listener imaps {{\n    port = {tls}\n    ssl = yes\n  }}\n}}\n\
         service anvil {{\n  chroot =\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
         service stats {{\n  chroot =\n}}\n",
        root = place.root(),
        users = internal_users(),
        listen = doors.plain.iter().map(|door| door.ip().to_string()).collect::<Vec<_>>().join(", "),
        port = backends[0].port(),
        connections = doors.sessions * 5 / 2,
        processes = doors.cpus().max(backends.len()),
        sessions = doors.sessions,
        plain = doors.plain[0].port(),
        tls = doors.tls[0].port(),
    );
    let file = place.write("dovecot/dovecot.conf", text)?;
    Process::start(&program, &["-F", "-c", &file.display().to_string()], place.path("dovecot/log"))
}

/// Whose its processes are where it is not root that starts them: all the same user's.
pub fn internal_users() -> String {
    if rustix::process::getuid().is_root() {
        return String::new();
    }
    let name = |flag: &str| {
        let said = std::process::Command::new("id").arg(flag).output();
        said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
    };
    let (user, group) = (name("-un"), name("-gn"));
    format!("default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n")
}
