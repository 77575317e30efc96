//! nginx's mail proxy. Whom to ask where a user's server is, it asks over HTTP: here, itself.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Doors;
use crate::place::{self, Place, Process};

/// Debian's module.
pub fn module() -> Option<PathBuf> {
    Some(PathBuf::from("/usr/lib/nginx/modules/ngx_mail_module.so")).filter(|file| file.is_file())
}

/// Starts it: a worker for each CPU, as it does by itself; or a whole one for each backend.
///
/// It has several workers, but nothing in its mail proxy keeps one of them from taking more clients than it has descriptors for.
pub fn start(place: &Place, doors: &Doors, backends: &[SocketAddr]) -> io::Result<Vec<Process>> {
    backends.iter().enumerate().map(|(number, backend)| one(place, doors, number, *backend)).collect()
}

fn one(place: &Place, doors: &Doors, number: usize, backend: SocketAddr) -> io::Result<Process> {
    let (Some(program), Some(module)) = (place::program("nginx"), module()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let auth = place::free_address()?;
    let folder = format!("nginx/{number}");
    for temporary in ["body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        fs::create_dir_all(place.path(&folder).join(temporary))?;
    }
    let user = if rustix::process::getuid().is_root() { "user nobody nogroup;" } else { "" };
    let text = format!(
        "load_module {module};\n\
         {user}\n\
         daemon off;\n\
         worker_processes {workers};\n\
         pid {root}/{folder}/pid;\n\
         error_log {root}/{folder}/log error;\n\
         events {{ worker_connections {connections}; }}\n\
         mail {{\n\
           auth_http {auth}/auth;\n\
           imap_auth plain login;\n\
           imap_capabilities IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+;\n\
           ssl_certificate {root}/tls/chain.pem;\n\
           ssl_certificate_key {root}/tls/key.pem;\n\
           ssl_protocols TLSv1.3;\n\
           timeout 1h;\n\
           proxy_timeout 1h;\n\
           server {{ listen {plain} backlog=4096; protocol imap; }}\n\
           server {{ listen {tls} ssl backlog=4096; protocol imap; }}\n\
         }}\n\
         http {{\n\
           access_log off;\n\
           client_body_temp_path {root}/{folder}/body;\n\
           proxy_temp_path {root}/{folder}/proxy;\n\
           fastcgi_temp_path {root}/{folder}/fastcgi;\n\
           uwsgi_temp_path {root}/{folder}/uwsgi;\n\
           scgi_temp_path {root}/{folder}/scgi;\n\
           server {{\n\
             listen {auth} backlog=4096;\n\
             location = /auth {{\n\
               add_header Auth-Status OK;\n\
               add_header Auth-Server {address};\n\
               add_header Auth-Port {port};\n\
               return 204;\n\
             }}\n\
           }}\n\
         }}\n",
        module = module.display(),
        root = place.root(),
        // A session has two, and a third for as long as nginx asks itself.
        connections = doors.sessions * 5 / 2,
        workers = doors.cpus().div_ceil(doors.plain.len()),
        plain = doors.plain[number],
        tls = doors.tls[number],
        address = backend.ip(),
        port = backend.port(),
    );
    let file = place.write(&format!("{folder}/nginx.conf"), text)?;
    let log = place.path(&format!("{folder}/log"));
    Process::start(&program, &["-c", &file.display().to_string(), "-e", &log.display().to_string()], log)
}
