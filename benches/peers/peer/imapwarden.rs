//! imapwarden as it comes: audit log at its default durability, metrics, and (or not) 100 rules.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::Doors;
use crate::place::{self, Place, Process};

/// Starts it.
pub fn start(program: &Path, place: &Place, doors: &Doors, backend: SocketAddr, rules: bool) -> io::Result<Process> {
    let folder = if rules { "imapwarden" } else { "imapwarden-no-rules" };
    let text = format!(
        "[[listener]]\n\
         name = \"imap\"\n\
         bind = \"{plain}\"\n\
         tls = \"off\"\n\
         allow_plaintext_login = true\n\
         max_connections = {sessions}\n\
         max_connections_per_ip = {sessions}\n\
         \n\
         [[listener]]\n\
         name = \"imaps\"\n\
         bind = \"{tls}\"\n\
         certificate = \"{root}/tls/chain.pem\"\n\
         private_key = \"{root}/tls/key.pem\"\n\
         max_connections = {sessions}\n\
         max_connections_per_ip = {sessions}\n\
         \n\
         [[upstream]]\n\
         name = \"main\"\n\
         servers = [\"{backend}\"]\n\
         tls = \"off\"\n\
         \n\
         [policy]\n\
         rules = [{files}]\n\
         \n\
         [audit]\n\
         directory = \"audit\"\n\
         \n\
         [admin]\n\
         bind = \"{admin}\"\n",
        sessions = doors.sessions,
        plain = doors.plain,
        tls = doors.tls,
        root = place.root(),
        files = if rules { "\"rules.toml\"" } else { "" },
        admin = place::free_address()?,
    );
    let file = place.write(&format!("{folder}/imapwarden.toml"), text)?;
    place.write(&format!("{folder}/rules.toml"), hundred_rules())?;
    let log = place.path(&format!("{folder}/log"));
    Process::start(program, &["run", "--config", &file.display().to_string()], log)
}

/// Rules as a company has them. Some are about everybody, the users here among them; what they take is not asked for.
fn hundred_rules() -> String {
    let mut text = String::new();
    for at in 0..90 {
        let effect = match at % 3 {
            0 => "hide = true",
            1 => "rights = \"read-only\"",
            _ => "rights = \"lrs\"",
        };
        write!(
            text,
            "[[rule]]\nid = \"department-{at}\"\n\
             when = {{ user = [\"*@department{at}.example\", \"head{at}@example.org\"] }}\n\
             mailbox = [\"Finance/{at}/**\", \"Customers/Secret {at}\"]\n{effect}\n\n"
        )
        .expect("a string takes all");
    }
    for at in 0..10 {
        write!(
            text,
            "[[rule]]\nid = \"everybody-{at}\"\nmailbox = [\"Archive/{year}/**\", \"Retention/{at}\"]\nrights = \"read-only\"\n\n",
            year = 2005 + at
        )
        .expect("a string takes all");
    }
    text
}
