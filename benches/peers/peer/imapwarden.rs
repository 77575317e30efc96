//! imapwarden as it comes: audit log at its default durability, metrics; with 100 rules or none.

use std::io;

use super::{Doors, Kind, Plan};
use crate::place::{self, Process};

/// Starts it: one process, or a whole one for each backend.
pub fn start(kind: Kind, plan: &Plan<'_>, doors: &Doors) -> io::Result<Vec<Process>> {
    (0..plan.upstream.plain.len()).map(|number| one(kind, plan, doors, number)).collect()
}

fn one(kind: Kind, plan: &Plan<'_>, doors: &Doors, number: usize) -> io::Result<Process> {
    let (place, backend) = (plan.place, plan.upstream.plain[number]);
    // The audit log and the state of each are in its own folder.
    let folder = if number == 0 { kind.argument() } else { format!("{}-{number}", kind.argument()) };
    let rules = rules(kind, plan.rules);
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
        plain = doors.plain[number],
        tls = doors.tls[number],
        root = place.root(),
        files = if rules.is_empty() { "" } else { "\"rules.toml\"" },
        admin = place::free_address()?,
    );
    let file = place.write(&format!("{folder}/imapwarden.toml"), text)?;
    place.write(&format!("{folder}/rules.toml"), rules)?;
    let log = place.path(&format!("{folder}/log"));
    Process::start(plan.imapwarden, &["run", "--config", &file.display().to_string()], log)
}

/// Hides what senders have marked.
const HIDING_MESSAGES: &str = "[[rule]]\nid = \"secret\"\nhide_messages = 'HEADER \"X-Classification\" \"secret\"'\n";

/// Rules as a company has them: nine of ten about others, the tenth about everybody.
fn rules(kind: Kind, count: usize) -> String {
    let special = match kind {
        Kind::Imapwarden => count / 10,
        // There are ten years of Archive to hide.
        Kind::ImapwardenHiding => count.min(10),
        _ => 0,
    };
    let others = (0..count - special).map(about_others);
    match kind {
        Kind::Imapwarden => others.chain((0..special).map(about_everybody)).collect(),
        Kind::ImapwardenUnrecorded => {
            rules(Kind::Imapwarden, count) + "[[rule]]\nid = \"unrecorded\"\naudit = \"none\"\n"
        }
        Kind::ImapwardenOthers => others.collect(),
        Kind::ImapwardenHiding => others.chain((0..special).map(hiding)).collect(),
        Kind::ImapwardenHidingMessages => HIDING_MESSAGES.to_owned(),
        _ => String::new(),
    }
}

/// A department's, and none of the users here is in it.
fn about_others(at: usize) -> String {
    let effect = match at % 3 {
        0 => "hide = true",
        1 => "rights = \"read-only\"",
        _ => "rights = \"lrs\"",
    };
    format!(
        "[[rule]]\nid = \"department-{at}\"\n\
         when = {{ user = [\"*@department{at}.example\", \"head{at}@example.org\"] }}\n\
         mailbox = [\"Finance/{at}/**\", \"Customers/Secret {at}\"]\n{effect}\n\n"
    )
}

/// Everybody's, and hides mailboxes that are there.
fn hiding(at: usize) -> String {
    format!(
        "[[rule]]\nid = \"hidden-{at}\"\nmailbox = [\"Finance/2024-0{at}\", \"Archive/200{at}/**\"]\nhide = true\n\n"
    )
}

/// Everybody's, the users here among them; what it takes they do not ask for, and it hides nothing.
fn about_everybody(at: usize) -> String {
    let year = 2005 + at;
    format!(
        "[[rule]]\nid = \"everybody-{at}\"\nmailbox = [\"Archive/{year}/**\", \"Retention/{at}\"]\nrights = \"read-only\"\n\n"
    )
}
