//! `imapwarden demo`: everything on this machine, nothing to set up.
//!
//! ```text
//!   clients ─▶ 127.0.0.1:1143, :1993 ─▶ the proxy, as `run` runs it ─▶ a sample mailbox in memory
//!              admin port :9143            └─▶ audit log in a folder that is printed
//! ```

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use rcgen::CertifiedKey;

use crate::app::{App, Found, Prepared};
use crate::config::AdminBind;
use crate::demo::{self, TourPlaces};
use crate::diagnostic::{Problem, Severity, Sources, render};
use crate::net::Inherited;

/// Show what rules do: a sample mailbox, the proxy before it, and commands to copy. Nothing is installed; the mail is gone when it ends.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Add this to the ports 1143 (STARTTLS), 1993 (TLS) and 9143 (admin).
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=MAX_OFFSET))]
    port_offset: u16,
}

/// The highest of the ports stays one.
const MAX_OFFSET: i64 = (u16::MAX - 9143) as i64;

/// What keeps it from starting.
type Failure = (Vec<Problem>, Sources);

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let began = super::runtime().map_err(|error| failure("cannot start", &error));
    match began.and_then(|runtime| runtime.block_on(serve(arguments.port_offset))) {
        Ok(()) => ExitCode::SUCCESS,
        Err((problems, sources)) => {
            let mut out = io::stderr().lock();
            let text = render(&problems, &sources, super::color(&out));
            let _ = out.write_all(text.as_bytes()); // where nobody can be told, the exit status says it
            ExitCode::FAILURE
        }
    }
}

async fn serve(offset: u16) -> Result<(), Failure> {
    let upstream = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let upstream = upstream.and_then(|upstream| Ok((upstream.local_addr()?, upstream)));
    let (address, upstream) = upstream.map_err(|error| failure("no port for the sample mailbox", &error))?;
    let folder = Folder::make(offset, address).map_err(|error| failure("cannot write the demo's files", &error))?;
    let Found { prepared, problems, sources, .. } = Prepared::load(&folder.configuration());
    let Some(prepared) = prepared else { return Err((problems, sources)) };
    let app = match App::start(prepared, folder.configuration(), None, Inherited::default()).await {
        Ok(app) => app,
        Err(problems) => {
            folder.remove();
            return Err((problems.into_iter().map(port_taken).collect(), Sources::default()));
        }
    };
    tokio::spawn(demo::server::serve(upstream, demo::sample_store()));
    // Where nobody reads it, the demo runs all the same.
    let _ = io::stdout().write_all(tour(&app, &folder).as_bytes()).and_then(|()| io::stdout().flush());
    app.run().await;
    println!("the audit log stays in {}", folder.audit().display());
    Ok(())
}

fn tour(app: &App, folder: &Folder) -> String {
    let admin = match app.places().admin {
        AdminBind::Tcp(address) => address,
        AdminBind::Unix(_) => (Ipv4Addr::LOCALHOST, 0).into(), // the demo's own file names an address
    };
    let [imap, imaps] = [0, 1].map(|number| app.places().listeners.get(number).copied().unwrap_or(admin));
    demo::tour(&TourPlaces {
        imap,
        imaps,
        admin,
        certificate: &folder.certificate(),
        configuration: &folder.configuration(),
        password: &folder.password(),
        audit_dir: &folder.audit(),
        program: &std::env::current_exe().unwrap_or_else(|_| PathBuf::from("imapwarden")),
    })
}

/// The files of one demo, in a folder of their own.
struct Folder(PathBuf);

impl Folder {
    fn make(offset: u16, upstream: SocketAddr) -> io::Result<Self> {
        let name = format!("imapwarden-demo-{:08x}", getrandom::u32().map_err(io::Error::other)?);
        let folder = Self(std::env::temp_dir().join(name));
        // Fails where somebody has made one of this name; only its owner may look into it.
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder.0)?;
        fs::create_dir(folder.0.join("rules"))?;
        fs::write(folder.0.join("rules/demo.toml"), demo::RULES)?;
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).map_err(io::Error::other)?;
        fs::write(folder.certificate(), cert.pem())?;
        fs::write(folder.0.join("key.pem"), signing_key.serialize_pem())?;
        fs::write(folder.password(), format!("{}\n", demo::LOGIN.1))?;
        fs::write(folder.configuration(), configuration(offset, upstream))?;
        Ok(folder)
    }

    /// Of a demo that did not begin nothing is of interest.
    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0); // what is left is the system's to clear away, as all that lies there
    }

    fn configuration(&self) -> PathBuf {
        self.0.join("imapwarden.toml")
    }

    fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }
}

/// An ordinary configuration, to look at and to change.
fn configuration(offset: u16, upstream: SocketAddr) -> String {
    let [starttls, implicit, admin] = [1143, 1993, 9143].map(|port: u16| port.saturating_add(offset));
    format!(
        r#"# What `imapwarden demo` runs with. Change it or the rules, and send the demo SIGHUP.

[[listener]]
name = "imap"
bind = "127.0.0.1:{starttls}"
tls = "starttls"
certificate = "certificate.pem"
private_key = "key.pem"
allow_plaintext_login = true

[[listener]]
name = "imaps"
bind = "127.0.0.1:{implicit}"
certificate = "certificate.pem"
private_key = "key.pem"

[[upstream]]
name = "sample"
servers = ["{upstream}"]
tls = "off"

[policy]
rules = ["rules/*.toml"]

[audit]
min_free = "1 MiB"

[admin]
bind = "127.0.0.1:{admin}"

[limits]
drain_delay = "0s"
drain_window = "1s"
"#
    )
}

fn failure(what: &str, error: &dyn std::fmt::Display) -> Failure {
    (vec![Problem::new(Severity::Error, format!("{what}: {error}"))], Sources::default())
}

/// Nobody has written this configuration: no place in it is of interest, but the way to other ports is.
fn port_taken(problem: Problem) -> Problem {
    let is_port = problem.message.starts_with("cannot listen on");
    let help = if is_port { Some(String::from("take other ports, such as --port-offset 1000")) } else { problem.help };
    Problem { file: None, span: None, help, ..problem }
}
