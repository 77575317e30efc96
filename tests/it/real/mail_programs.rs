//! curl, neomutt, openssl and Python's IMAPClient, doing what people do with them.

use std::process::Stdio;

use super::front::{Front, same_both_ways};
use super::mail;
use super::place::{Place, output, succeed, tool};

#[test]
fn curl_lists_reads_searches_and_uploads() {
    same_both_ways(|_, front| {
        let list = succeed(front.curl("").args(["--request", "LIST \"\" *"]));
        assert!(list.contains("Entw&APw-rfe"), "{list}");
        let read = succeed(&mut front.curl("INBOX;UID=4"));
        assert_eq!(read, mail::message("INBOX", 3), "the message as it lies on disk");
        let part = succeed(&mut front.curl("INBOX;UID=3;SECTION=2"));
        assert!(part.starts_with("JVBERi0"), "{part}");
        let place = Place::new();
        let letter = mail::message("uploaded", 2);
        succeed(front.curl("Archive").arg("--upload-file").arg(place.write("letter", &letter)));
        assert_eq!(succeed(&mut front.curl("Archive;UID=4")), letter, "the upload, read back");
        let found = succeed(&mut front.curl("Archive?HEADER%20Message-ID%20uploaded-2"));
        let flagged = succeed(front.curl("INBOX").args(["--request", "STORE 1 +FLAGS (\\Flagged)"]));
        let absent = output(&mut front.curl("Nowhere;UID=1"));
        (list, read, part, found, flagged, absent.status.code())
    });
}

#[test]
fn neomutt_saves_flags_and_deletes() {
    same_both_ways(|_, front| {
        let place = Place::new();
        let keys = "<first-entry><flag-message><last-entry><delete-message><sync-mailbox>\
                    <change-folder><kill-line>+Archive<enter>";
        let saved = neomutt(front, &place, "saved", keys);
        let messages = saved.lines().filter(|line| line.starts_with("Message-ID: ")).count();
        assert_eq!(messages, mail::IN_INBOX, "{saved}");
        let mut client = front.login();
        client.run("SELECT INBOX").ok();
        let flags = client.run("FETCH 1:* (UID FLAGS)").ok().lines();
        client.logout();
        assert_eq!(flags.len(), mail::IN_INBOX - 1, "the last one is gone: {flags:?}");
        assert!(flags[0].contains("\\Flagged"), "{flags:?}");
        (saved, flags)
    });
}

/// neomutt saves all of INBOX, then these keys are struck; what it saved. In one place it remembers headers.
pub fn neomutt(front: &Front, place: &Place, name: &str, keys: &str) -> String {
    let [saved, headers] = [format!("{name}.mbox"), "headers".to_owned()].map(|name| place.path(&name));
    std::fs::create_dir_all(&headers).expect("a folder");
    let settings = format!(
        "set folder = imaps://{user}@localhost:{port}/\nset spoolfile = +INBOX\nset imap_pass = \"{password}\"\n\
         set ssl_ca_certificates_file = {ca}\nset certificate_file =\nset ssl_force_tls = yes\nset ssl_use_system_certs = no\n\
         set header_cache = {headers}/\nset message_cachedir =\nset mbox_type = mbox\nset confirmappend = no\nset delete = yes\n\
         set quit = yes\nset wait_key = no\nset save_empty = no\nset sleep_time = 0\nset timeout = 1\nset mail_check = 0\n\
         set move = no\nset sort = mailbox-order\nset smime_is_default = no\nset crypt_use_gpgme = no\n\
         push '<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{saved}<enter><untag-pattern>~A<enter>{keys}<quit>'\n",
        user = front.user,
        port = front.imaps.port(),
        password = front.password(),
        ca = front.ca.display(),
        saved = saved.display(),
        headers = headers.display(),
    );
    let file = place.write("muttrc", settings);
    run_in_terminal(&format!("neomutt -n -F {}", file.display()), place);
    let saved = std::fs::read_to_string(&saved).expect("what neomutt saved");
    saved.lines().filter(|line| !line.starts_with("From ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imapclient_walks_all_folders() {
    same_both_ways(|_, front| {
        let walked = succeed(&mut front.python("walk.py"));
        assert!(walked.contains("Entwürfe"), "{walked}");
        walked
    });
}

#[test]
fn imapclient_changes_mail_and_folders() {
    same_both_ways(|_, front| succeed(&mut front.python("change.py")));
}

#[test]
fn imapclient_hears_of_new_mail_in_idle() {
    same_both_ways(|_, front| succeed(&mut front.python("idle.py")));
}

#[test]
fn openssl_speaks_all_lines_at_once() {
    same_both_ways(|_, front| {
        let lines = format!(
            "a LOGIN {} {}\nb EXAMINE INBOX\nc FETCH 2 (FLAGS BODY.PEEK[])\nd STATUS Archive (MESSAGES UIDNEXT)\n\
             e UID SEARCH ALL\nf LOGOUT\n",
            front.user,
            front.password()
        );
        let implicit = s_client(front, &format!("localhost:{}", front.imaps.port()), &[], &lines);
        let upgraded = s_client(front, &format!("localhost:{}", front.imap.port()), &["-starttls", "imap"], &lines);
        assert!(implicit.contains("canary-body"), "{implicit}");
        let tags = ["a OK ", "b OK ", "c OK ", "d OK ", "e OK ", "f OK "];
        for heard in [&implicit, &upgraded] {
            assert!(tags.iter().all(|tag| heard.lines().any(|line| line.starts_with(tag))), "{heard}");
        }
        (without_greetings(&implicit), without_greetings(&upgraded))
    });
}

/// What one of the Python scripts says.
pub fn run(front: &Front, script: &str) -> String {
    succeed(&mut front.python(script))
}

fn s_client(front: &Front, address: &str, more: &[&str], lines: &str) -> String {
    let place = Place::new();
    let lines = std::fs::File::open(place.write("lines", lines)).expect("the lines");
    let mut openssl = tool("openssl");
    openssl.args([
        "s_client",
        "-quiet",
        "-crlf",
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
        "-connect",
        address,
    ]);
    openssl.arg("-CAfile").arg(&front.ca).args(more).stdin(Stdio::from(lines));
    succeed(&mut openssl)
}

/// A program that draws on a terminal gets one.
fn run_in_terminal(command: &str, place: &Place) {
    let mut script = tool("script");
    script.args(["--quiet", "--return", "--command", command]).arg(place.path("screen"));
    script.env("TERM", "xterm").env("HOME", place.path("home")).stdout(Stdio::null());
    let done = output(&mut script);
    let screen = std::fs::read(place.path("screen")).unwrap_or_default();
    assert!(done.status.success(), "{command}: {}\n{}", done.status, String::from_utf8_lossy(&screen));
}

/// What was answered, without the words of greeting and leaving, which are the proxy's own, and without how long Dovecot
/// took. It answers pipelined commands in an order of its own.
fn without_greetings(heard: &str) -> Vec<String> {
    const OWN: &[&str] = &["* OK ", "* CAPABILITY", "a OK", "* BYE", "f OK", ". OK"];
    let lines = heard.lines().filter(|line| !OWN.iter().any(|own| line.starts_with(own)));
    let steady = |line: &str| line.split_once(" completed (").map_or(line, |(before, _)| before).to_owned();
    let mut lines: Vec<_> = lines.map(steady).collect();
    lines.sort();
    lines
}
