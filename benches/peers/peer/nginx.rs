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

/// Starts it.
pub fn start(place: &Place, doors: &Doors, backend: SocketAddr) -> io::Result<Process> {
    let (Some(program), Some(module)) = (place::program("nginx"), module()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let auth = place::free_address()?;
    for folder in ["body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        fs::create_dir_all(place.path("nginx").join(folder))?;
    }
    let user = if rustix::process::getuid().is_root() { "user nobody nogroup;" } else { "" };
    let text = format!(
        "load_module {module};\n\
         {user}\n\
         daemon off;\n\
         worker_processes auto;\n\
         pid {root}/nginx/pid;\n\
         error_log {root}/nginx/log error;\n\
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
           client_body_temp_path {root}/nginx/body;\n\
           proxy_temp_path {root}/nginx/proxy;\n\
           fastcgi_temp_path {root}/nginx/fastcgi;\n\
           uwsgi_temp_path {root}/nginx/uwsgi;\n\
           scgi_temp_path {root}/nginx/scgi;\n\
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
        plain = doors.plain,
        tls = doors.tls,
        address = backend.ip(),
        port = backend.port(),
    );
    let file = place.write("nginx/nginx.conf", text)?;
    let log = place.path("nginx/log");
    Process::start(&program, &["-c", &file.display().to_string(), "-e", &log.display().to_string()], log)
}
