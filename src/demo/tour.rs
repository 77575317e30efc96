//! What `imapwarden demo` prints: commands to copy, and what each of them shows.
//!
//! ```text
//!   places (addresses, certificate, audit log)  ──▶  1. The folder tree …
//!                                                       curl --insecure …
//! ```
//!
//! Every command stands on one line or in one block, works as it is, and needs nothing from the one before.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::sample::LOGIN;

/// The rules of the tour.
pub const RULES: &str = include_str!("../../rules/demo.toml");

/// Where the parts of the demo can be found.
#[derive(Debug, Clone, Copy)]
pub struct TourPlaces<'a> {
    /// IMAP with STARTTLS.
    pub imap: SocketAddr,
    /// IMAP with TLS from the first byte.
    pub imaps: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
    /// The certificate of both listeners, in PEM: its own issuer, and good for `localhost`.
    pub certificate: &'a Path,
    /// What the proxy runs with.
    pub configuration: &'a Path,
    /// A file with the password of the sample account.
    pub password: &'a Path,
    /// The audit log.
    pub audit_dir: &'a Path,
    /// This program, as a shell finds it.
    pub program: &'a Path,
}

/// A step: what it shows, and what to type.
struct Step {
    shows: &'static str,
    command: String,
}

/// The text of the tour.
#[must_use]
pub fn tour(places: &TourPlaces<'_>) -> String {
    let (user, password) = LOGIN;
    let TourPlaces { imap, imaps, admin, .. } = places;
    let mut text = format!(
        "imapwarden demo: a proxy between your mail program and a sample mailbox in memory\n\n\
         \x20 IMAP, TLS at once   {imaps}\n\
         \x20 IMAP, STARTTLS      {imap}\n\
         \x20 login               {user}, password {password}\n\
         \x20 certificate         {} (made for this run)\n\
         \x20 audit log           {}\n\
         \x20 live page           http://{admin}/ (sessions, what was read, refusals)\n\
         \x20 metrics, health     http://{admin}/metrics, http://{admin}/readyz\n\n\
         The rules hide Finance and confidential mail, make Archive read-only, deny DELETE and RENAME, and try out\n\
         one more on Sent without applying it (rules/demo.toml in the sources). In another terminal:\n",
        places.certificate.display(),
        places.audit_dir.display(),
    );
    for (number, step) in (1..).zip(steps(places)) {
        let number: u32 = number;
        // At the beginning of lines: a block that is copied with blanks before it is another block.
        write!(text, "\n{number}. {}\n\n{}\n", step.shows, step.command).expect("a String takes all text");
    }
    text += "\nCtrl-C ends the demo; its mail is gone with it.\n";
    text
}

fn steps(places: &TourPlaces<'_>) -> Vec<Step> {
    let TourPlaces { admin, .. } = places;
    let audit = quoted(&places.audit_dir.to_string_lossy()).into_owned();
    let program = quoted(&places.program.to_string_lossy()).into_owned();
    let step = |shows, command| Step { shows, command };
    vec![
        step("The folder tree. Finance and Finance/Board exist behind the proxy; here they do not.", curl(places, "")),
        step(
            "The same tree as the rules see it: what is left of each mailbox, which rule took what, how many messages are hidden.",
            preview(places),
        ),
        step(
            "Finance by name: the same answer as for a name that nobody has (try Nowhere).",
            said(places, "", "STATUS Finance (MESSAGES)"),
        ),
        step(
            "A message. It is as the server has it; that it was read is in the audit log.",
            curl(places, "INBOX;MAILINDEX=1"),
        ),
        step("A search, of what is unread.", curl(places, "INBOX?UNSEEN")),
        step(
            "A hidden message: the server has one more than this counts, about a takeover …",
            said(places, "", "STATUS INBOX (MESSAGES)"),
        ),
        step("… which no search finds (try lunch).", curl(places, "INBOX?SUBJECT%20takeover")),
        step("The archive can be read …", curl(places, "Archive/2024;MAILINDEX=2")),
        step(
            "… and not be changed. \"ref\" finds this refusal in the audit log.",
            said(places, "Archive/2024", "STORE 1 +FLAGS (\\Deleted)"),
        ),
        step("A command that the rules deny.", said(places, "", "DELETE Trash")),
        step(
            "A rule in shadow mode lets this pass, and records and counts what it would have done.",
            said(places, "Sent", "STORE 1 +FLAGS (\\Deleted)"),
        ),
        step("New mail is pushed: leave this running (it selects INBOX and idles) …", idle(places)),
        step("… and append a message from another terminal. APPEND to the archive is refused.", python(places)),
        step("IMAP by hand, after STARTTLS: `a LOGIN demo demo`, `b LIST \"\" *`, `c LOGOUT`.", by_hand(places)),
        step("A mail program for the terminal.", neomutt(places)),
        step("The whole mailbox as a Maildir. A second run of mbsync finds nothing to do.", mbsync(places)),
        step(
            "What the proxy counts: commands, refusals, hits of each rule.",
            format!(
                "curl --silent http://{admin}/metrics | grep -E '^imapwarden_(commands|policy_verdicts|policy_rule_hits)_total'"
            ),
        ),
        step(
            "What it recorded: logins, mailboxes opened, messages read, refusals.",
            format!("tail -n 5 {audit}/*.jsonl"),
        ),
        step(
            "Each record is chained to the one before. Change a byte of the log and run this again.",
            format!("{program} audit verify {audit}"),
        ),
    ]
}

/// curl on a mailbox or a message. `-k`: whatever the certificate, as it was made a moment ago.
fn curl(places: &TourPlaces<'_>, path: &str) -> String {
    let (user, password) = LOGIN;
    format!("curl -k -u {user}:{password} 'imaps://{}/{path}'", places.imaps)
}

/// As the user's own login upstream, past the proxy.
fn preview(places: &TourPlaces<'_>) -> String {
    let [program, config, password] = [places.program, places.configuration, places.password]
        .map(|path| quoted(&path.to_string_lossy()).into_owned());
    format!("{program} preview --config {config} --user {} --password-file {password}", LOGIN.0)
}

/// A command sent by curl, from there to its tagged response: sed cuts it out of the conversation.
fn said(places: &TourPlaces<'_>, path: &str, command: &str) -> String {
    let (user, password) = LOGIN;
    let verb = command.split(' ').next().unwrap_or_default();
    format!(
        "curl -ksv -u {user}:{password} -X '{command}' 'imaps://{}/{path}' 2>&1 | sed -n '/^> .* {verb}/,/^< A/{{/^[<>]/p;}}'",
        places.imaps
    )
}

fn idle(places: &TourPlaces<'_>) -> String {
    let (user, password) = LOGIN;
    format!(
        "(printf 'a LOGIN {user} {password}\\r\\nb SELECT INBOX\\r\\nc IDLE\\r\\n'; sleep 600) | \
         openssl s_client -quiet -connect {} 2>/dev/null",
        places.imaps
    )
}

fn python(places: &TourPlaces<'_>) -> String {
    let (user, password) = LOGIN;
    format!(
        "python3 -c 'import imaplib, ssl\n\
         m = imaplib.IMAP4_SSL(\"{}\", {}, ssl_context=ssl._create_unverified_context())\n\
         m.login(\"{user}\", \"{password}\")\n\
         for box in (\"INBOX\", \"Archive\"): print(box, m.append(box, None, None, b\"Subject: hello\\r\\n\\r\\nhello\\r\\n\"))'",
        places.imaps.ip(),
        places.imaps.port()
    )
}

fn by_hand(places: &TourPlaces<'_>) -> String {
    format!("openssl s_client -quiet -crlf -starttls imap -connect {}", places.imap)
}

fn neomutt(places: &TourPlaces<'_>) -> String {
    let (user, password) = LOGIN;
    let port = places.imaps.port();
    let account =
        format!("set imap_user={user} imap_pass={password} folder=imaps://localhost:{port}/ spoolfile=+INBOX");
    let trust = format!("set certificate_file=\"{}\"", places.certificate.display());
    format!("neomutt -n -F /dev/null -e {} -e {}", quoted(&account), quoted(&trust))
}

fn mbsync(places: &TourPlaces<'_>) -> String {
    let (user, password) = LOGIN;
    let port = places.imaps.port();
    let certificate = places.certificate.display();
    format!(
        "rm -rf demo-mail && mkdir demo-mail && cat >demo-mail/mbsyncrc <<'END'\n\
         IMAPStore demo\nHost localhost\nPort {port}\nUser {user}\nPass {password}\nSSLType IMAPS\n\
         CertificateFile \"{certificate}\"\n\n\
         MaildirStore local\nSubFolders Verbatim\nPath demo-mail/\nInbox demo-mail/INBOX\n\n\
         Channel demo\nFar :demo:\nNear :local:\nPatterns *\nCreate Near\nSync Pull\nSyncState *\n\
         END\n\
         mbsync -c demo-mail/mbsyncrc -a"
    )
}

/// A text as one word of a shell.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '@' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(directory: &str) -> String {
        tour(&TourPlaces {
            imap: ([127, 0, 0, 1], 1143).into(),
            imaps: ([127, 0, 0, 1], 1993).into(),
            admin: ([127, 0, 0, 1], 9143).into(),
            certificate: Path::new("/tmp/demo.pem"),
            configuration: Path::new("/tmp/demo.toml"),
            password: Path::new("/tmp/password"),
            audit_dir: Path::new(directory),
            program: Path::new("imapwarden"),
        })
    }

    #[test]
    fn steps_are_numbered_and_whole() {
        let text = text("/tmp/audit");
        for step in 1..=19 {
            assert!(text.contains(&format!("\n{step}. ")), "{step}");
        }
        for wanted in [
            "imaps://127.0.0.1:1993/",
            "-connect 127.0.0.1:1143",
            "http://127.0.0.1:9143/metrics",
            "audit verify /tmp/audit\n",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(text.lines().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn every_rule_says_what_it_is_for() {
        let rules: toml::Table = RULES.parse().unwrap();
        let rules = rules["rule"].as_array().unwrap();
        let effects = ["hide", "hide_messages", "rights", "deny_commands"];
        for rule in rules.iter().filter_map(toml::Value::as_table) {
            assert!(rule.contains_key("id") && rule.contains_key("description"), "{rule}");
            assert!(effects.iter().any(|effect| rule.contains_key(*effect)), "{rule}");
        }
        assert_eq!(rules.len(), 5);
    }

    #[test]
    fn texts_are_one_word() {
        let rows = [("/tmp/a", "/tmp/a"), ("/tmp/my audit", "'/tmp/my audit'"), ("it's", "'it'\\''s'"), ("", "''")];
        for (path, want) in rows {
            assert_eq!(quoted(path), want);
        }
        assert!(text("/tmp/my audit").contains("tail -n 5 '/tmp/my audit'/*.jsonl\n"));
    }
}
