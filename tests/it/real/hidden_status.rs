//! STATUS of mailboxes with hidden messages: true whatever happens there, and the open mailbox knows nothing of it.

use super::client::Client;
use super::dovecot::Dovecot;
use super::hidden_messages::{SECRET, same_if_never, until};
use super::place::Signal;
use super::proxy::Settings;

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
        heard.extend(client.run("LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))").ok().lines());
        assert_eq!(heard.iter().filter(|line| line.starts_with("* STATUS INBOX")).count(), 1, "{heard:?}");
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

/// `mailbox.hidden`: a reload takes messages out of a mailbox that is open, first without a view, and new mail is not let in.
#[test]
fn what_leaves_an_open_mailbox_is_recorded() {
    let dovecot = Dovecot::start(&["ann"]);
    let rule = |program: &str| format!("[[rule]]\nid = \"hides\"\nhide_messages = ['{program}']\n");
    let mut proxy = Settings::before(&dovecot).rules("").start();
    let mut ann = proxy.login("ann");
    let exists = ann.run("SELECT INBOX").ok().lines().into_iter().find(|line| line.ends_with("EXISTS"));
    assert_eq!(exists.as_deref(), Some("* 6 EXISTS"));
    // A session hears of new rules soon, and no later than that.
    let mut reload = |program: &str, command: &str, heard: &[&str]| {
        proxy.place().write("rules/rules-1.toml", rule(program));
        proxy.process().signal(Signal::HUP);
        super::place::until("the new rules hold", || (told(&ann.run(command).ok().lines()) == heard).then_some(()));
    };
    reload("UID 2", "NOOP", &["* 2 EXPUNGE"]);
    reload("OR UID 2:3 SUBJECT secret", "FETCH 2 (UID)", &[]);
    append(&mut dovecot.login("ann"), "INBOX", "Subject: secret\r\n\r\nx\r\n");
    assert_eq!(told(&ann.run("NOOP").ok().lines()), ["* 2 EXPUNGE"]);
    assert_eq!(told(&ann.run("FETCH 1:* (UID)").ok().lines()).len(), 4);
    ann.logout();
    let records = proxy.stop();
    let hidden: Vec<_> = records.iter().filter(|record| record["type"] == "mailbox.hidden").collect();
    let uids: Vec<_> = hidden.iter().filter_map(|record| record["data"]["uids"].as_str()).collect();
    assert_eq!(uids, ["2", "3", "7"]);
    for record in hidden {
        assert_eq!(record["policy"]["by"], serde_json::json!(["hides"]), "{record}");
        assert_eq!((&record["mailbox"]["name"], &record["data"]["n"]), (&"INBOX".into(), &1.into()), "{record}");
    }
}

fn told(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| !line.starts_with("* FLAGS")).collect()
}
