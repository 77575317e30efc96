//! STATUS of mailboxes with hidden messages: true whatever happens there, and the open mailbox knows nothing of it.

use super::client::Client;
use super::hidden_messages::{SECRET, same_if_never, until};

const ITEMS: &str = "(MESSAGES RECENT UNSEEN DELETED UIDNEXT UIDVALIDITY)";

fn append(client: &mut Client, mailbox: &str, text: &str) {
    client.run_parts(&[format!("APPEND {mailbox} {{{}+}}", text.len()).as_bytes(), text.as_bytes()]).ok();
}

/// What STATUS says of a mailbox that another client changes in every way, asked twice each time: counted, then remembered.
/// Secrets come last in the list of UIDs: `at` is the first of them that only one of the users has.
#[test]
fn status_is_true_after_every_change() {
    same_if_never(|dovecot, front| {
        let mut client = front.login();
        let mut other = Client::tls(dovecot.imaps(), &dovecot.ca()).login(front.user);
        let mut heard = Vec::new();
        client.run("SELECT INBOX").ok();
        other.run("SELECT Archive").ok();
        let changes: &[&str] = &[
            "NOOP",
            "UID STORE 4:5 +FLAGS.SILENT (\\Seen)",
            "UID STORE 4:5 -FLAGS.SILENT (\\Seen)",
            "UID STORE 1 -FLAGS.SILENT (\\Seen)",
            "UID STORE 2:3 +FLAGS.SILENT (\\Seen \\Deleted)",
            "UID STORE 1:5 -FLAGS.SILENT (\\Deleted)",
            // One is seen and a hidden one no more: there are as many as before.
            "UID STORE 1 +FLAGS.SILENT (\\Seen)",
            "UID STORE 4 -FLAGS.SILENT (\\Seen)",
            "UID STORE 4 +FLAGS.SILENT (\\Seen \\Deleted)",
            "UID STORE 2 +FLAGS.SILENT (\\Deleted)",
            "UID EXPUNGE 2",
        ];
        for change in changes {
            other.run(change).ok();
            heard.extend(asked_twice(&mut client, "Archive"));
        }
        append(&mut other, "Archive", "Subject: seen\r\n\r\nx\r\n");
        heard.extend(asked_twice(&mut client, "Archive"));
        append(&mut other, "Archive", SECRET);
        heard.extend(asked_twice(&mut client, "Archive"));
        other.run("UID STORE 7 +FLAGS (\\Deleted)").ok();
        other.run("UID EXPUNGE 7").ok();
        for mailbox in ["Archive", "Sent", "Trash"] {
            heard.extend(asked_twice(&mut client, mailbox));
        }
        // What is open is as it was.
        heard.extend(client.run("FETCH 1:* (UID FLAGS)").ok().lines());
        client.run("CLOSE").ok();
        heard.extend(asked_twice(&mut client, "INBOX"));
        client.logout();
        other.logout();
        heard
    });
}

fn asked_twice(client: &mut Client, mailbox: &str) -> Vec<String> {
    let ask = |client: &mut Client| client.run(&format!("STATUS {mailbox} {ITEMS}")).ok().lines();
    let (first, again) = (ask(client), ask(client));
    let told = |lines: &[String]| lines.iter().find(|line| line.starts_with("* STATUS")).cloned();
    assert_eq!(told(&first), told(&again), "counted and remembered");
    first
}

/// A visit elsewhere is nothing to the open mailbox: what is recent there stays so, and what others change meanwhile is told.
#[test]
fn a_visit_leaves_the_open_mailbox_as_it_was() {
    same_if_never(|dovecot, front| {
        let mut other = Client::tls(dovecot.imaps(), &dovecot.ca()).login(front.user);
        append(&mut other, "INBOX", "Subject: one\r\n\r\nx\r\n");
        append(&mut other, "INBOX", "Subject: two\r\n\r\nx\r\n");
        let mut client = front.login();
        let mut heard = client.run("SELECT INBOX").ok().lines();
        other.run("EXAMINE INBOX").ok();
        for round in 0..3 {
            // A hidden message comes to another mailbox: only then there is a visit.
            append(&mut other, "Archive", SECRET);
            heard.extend(client.run(&format!("STATUS Archive {ITEMS}")).ok().lines());
            heard.extend(client.run("FETCH 7:8 (FLAGS)").ok().lines());
            heard.extend(client.run("SEARCH RECENT").ok().lines());
            heard.extend(client.run("SEARCH NEW SUBJECT two").ok().lines());
            heard.extend(client.run("SEARCH RETURN (COUNT) OLD").ok().lines());
            let mut changes = Client::tls(dovecot.imaps(), &dovecot.ca()).login(front.user);
            changes.run("SELECT INBOX").ok();
            changes.run(&format!("STORE 1 {}FLAGS (\\Answered)", if round % 2 == 0 { '+' } else { '-' })).ok();
            append(&mut changes, "INBOX", "Subject: more\r\n\r\nx\r\n");
            changes.logout();
            heard.extend(client.run("NOOP").ok().lines());
        }
        client.say("i IDLE\r\n");
        heard.extend(until(&mut client, "+"));
        client.say("DONE\r\n");
        heard.extend(until(&mut client, "i OK"));
        client.logout();
        other.logout();
        heard.retain(|line| !line.contains("ESEARCH") && !line.contains("UIDVALIDITY"));
        heard
    });
}
