//! A Courier of the test's own: a server of another kind, with `INBOX.` before all names and "." between levels.
//!
//! ```text
//!   connection ─▶ LOGIN (here) ─▶ imapd, with the connection as its input and output
//! ```
//!
//! Debian's packages of Courier and of Dovecot exclude each other, and Courier asks a daemon of the whole system who may log
//! in. So tests/run unpacks the packages below the build directory, and logins are taken here; from then on it is
//! Courier alone that answers. Each session is a process of its own, which ends with its connection.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::Client;
use super::dovecot::{Names, password};
use super::mail;
use super::place::Place;

/// Where tests/run has put it.
const ROOT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/courier");

/// As its own configuration has it in Debian, with access lists.
const CAPABILITY: &str =
    "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE ACL ACL2=UNION";

/// Running until dropped.
pub struct Courier {
    place: Place,
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Courier {
    /// With the sample mail for each of these users, and a subscription to all of it.
    pub fn start(users: &[&str]) -> Self {
        assert!(imapd().exists(), "courier is not there: ./tests/run gets it");
        let place = Place::new();
        for user in users {
            let home = place.path("mail").join(user);
            mail::lay_out(&home, Names::InboxDot);
            // On disk its names are in UTF-8.
            fs::rename(home.join("Maildir/.Entw&APw-rfe"), home.join("Maildir/.Entwürfe")).expect("the mailbox");
            fs::write(home.join("Maildir/courierimapsubscribed"), subscriptions(&home)).expect("a file");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let over = Arc::new(AtomicBool::new(false));
        let courier = Self { place, address, over: Arc::clone(&over) };
        let mail = courier.place.path("mail");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (mail, over) = (mail.clone(), Arc::clone(&over));
                // The kernel ends a session with the thread that began it: it stays.
                std::thread::spawn(move || {
                    stream.ok().and_then(|stream| log_in(stream, &mail)).map(|imapd| see_off(imapd, &over))
                });
            }
        });
        courier
    }

    /// Where it answers, in clear.
    pub fn imap(&self) -> SocketAddr {
        self.address
    }

    /// Straight to a user's mail, past every proxy.
    pub fn login(&self, user: &str) -> Client {
        Client::clear(self.address).login(user)
    }

    /// Maildir of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.place.path("mail").join(user).join("Maildir")
    }

    /// Takes mailboxes from a user, as if they had never been: names on disk, `Finance.Q3`.
    pub fn take_mailboxes(&self, user: &str, names: &[&str]) {
        let maildir = self.maildir(user);
        for name in names {
            fs::remove_dir_all(maildir.join(format!(".{name}"))).expect("the mailbox");
        }
        let home = maildir.parent().expect("a home");
        fs::write(maildir.join("courierimapsubscribed"), subscriptions(home)).expect("subscriptions");
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that the listener looks
    }
}

/// Waits for the end of a session, and brings it about when the test is over.
fn see_off(mut imapd: Child, over: &AtomicBool) {
    while imapd.try_wait().is_ok_and(|ended| ended.is_none()) {
        if over.load(Ordering::SeqCst) {
            let _ = imapd.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn imapd() -> PathBuf {
    Path::new(ROOT).join("usr/bin/imapd")
}

/// To all mailboxes that are there.
fn subscriptions(home: &Path) -> String {
    let entries = fs::read_dir(home.join("Maildir")).expect("a Maildir").map(|entry| entry.expect("an entry"));
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    names.sort();
    names.iter().map(|name| format!("INBOX{name}\n")).collect()
}

/// Speaks with a client until it has logged in, and leaves it to Courier.
fn log_in(mut stream: TcpStream, mail: &Path) -> Option<Child> {
    stream.write_all(format!("* OK [CAPABILITY {CAPABILITY} AUTH=PLAIN] Courier-IMAP ready.\r\n").as_bytes()).ok()?;
    loop {
        let line = line(&mut stream)?;
        let mut words = line.split(' ').map(|word| word.trim_matches('"'));
        let (tag, verb) = (words.next()?, words.next()?.to_ascii_uppercase());
        let answer = match verb.as_str() {
            "CAPABILITY" => format!("* CAPABILITY {CAPABILITY} AUTH=PLAIN\r\n{tag} OK CAPABILITY completed\r\n"),
            "LOGIN" => {
                let (user, secret) = (words.next()?, words.next()?);
                let home = mail.join(user);
                if secret == password(user) && home.exists() {
                    return Some(imapd_of(stream, user, tag, &home));
                }
                format!("{tag} NO Login failed.\r\n")
            }
            "LOGOUT" => {
                let _ = stream.write_all(format!("* BYE Courier-IMAP server shutting down\r\n{tag} OK\r\n").as_bytes());
                return None;
            }
            _ => format!("{tag} NO Error in IMAP command received by server.\r\n"),
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

/// One line, and not an octet more: what follows is Courier's to read.
fn line(stream: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    let mut octet = [0];
    while line.last() != Some(&b'\n') {
        stream.read_exact(&mut octet).ok()?;
        line.extend_from_slice(&octet);
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Ends with its connection, and with the test.
fn imapd_of(stream: TcpStream, user: &str, tag: &str, home: &Path) -> Child {
    let out = OwnedFd::from(stream.try_clone().expect("the connection"));
    let libraries = ["usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
    let libraries = libraries.map(|folder| format!("{ROOT}/{folder}")).join(":");
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--"])
        .arg(imapd())
        .arg("Maildir")
        .current_dir(home)
        .env_clear()
        .env("LD_LIBRARY_PATH", libraries)
        .env("HOME", home)
        .env("AUTHENTICATED", user)
        .env("IMAPLOGINTAG", tag)
        .env("TCPREMOTEIP", "127.0.0.1")
        .env("TCPREMOTEPORT", "1")
        .env("IMAP_CAPABILITY", CAPABILITY)
        .env("IMAP_ACL", "1")
        .env("IMAP_KEYWORDS", "1")
        .env("IMAP_USELOCKS", "0")
        .env("IMAP_TRASHFOLDERNAME", "Trash")
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(out))
        .stderr(Stdio::null())
        .spawn()
        .expect("courier's imapd")
}
