//! What is behind the peers: the canned backend, or a real Dovecot with a mailbox in it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::dovecot::internal_users;
use crate::backend::{self, Size};
use crate::place::{self, Place, Process};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// This program's own backend.
    Canned,
    /// A server with mail on disk.
    Dovecot,
}

/// A server that holds the mail.
pub struct Upstream {
    /// Where it answers in clear: an address of each process.
    pub plain: Vec<SocketAddr>,
    /// Where it answers in TLS.
    pub tls: Vec<SocketAddr>,
    /// How many users it knows: `user0@example.org` and on.
    pub users: usize,
    /// Its mailboxes, and the messages in INBOX.
    pub size: Size,
    /// Its processes.
    pub processes: Vec<Process>,
}

/// Messages in the real one's INBOX, for the work loads.
const REAL_MESSAGES: u32 = 1_000;

impl Upstream {
    /// Starts it; the canned one in so many processes.
    pub fn start(behind: Behind, place: &Place, processes: usize) -> io::Result<Self> {
        match behind {
            Behind::Canned => Self::canned(place, Size::default(), processes),
            Behind::Dovecot => Self::dovecot(place, REAL_MESSAGES),
        }
    }

    /// The canned one, with so much mail.
    pub fn canned(place: &Place, size: Size, processes: usize) -> io::Result<Self> {
        let mut upstream = Self { plain: Vec::new(), tls: Vec::new(), users: 1_000, size, processes: Vec::new() };
        for number in 0..processes {
            // The first takes the ports that it is given, the others the same on their own addresses.
            let ports = upstream.plain.first().zip(upstream.tls.first());
            let (plain, tls) = ports.map_or((0, 0), |(plain, tls)| (plain.port(), tls.port()));
            let doors = [plain, tls].map(|port| SocketAddr::from((place::loopback(number), port)));
            let ([plain, tls], process) = answering(place, size, doors)?;
            upstream.plain.push(plain);
            upstream.tls.push(tls);
            upstream.processes.push(process);
        }
        Ok(upstream)
    }

    /// The real one, with so many messages. One user, for each session is a process and a mailbox of its own would be a thousand files.
    pub fn dovecot(place: &Place, messages: u32) -> io::Result<Self> {
        let program = place::program("dovecot").ok_or(io::ErrorKind::NotFound)?;
        let (plain, tls) = (place::free_address()?, place::free_address()?);
        // Dovecot serves no mail as root. Debian's base-passwd: mail:x:8:8.
        let own = (rustix::process::getuid(), rustix::process::getgid());
        let (uid, gid) = if own.0.is_root() { (8, 8) } else { (own.0.as_raw(), own.1.as_raw()) };
        lay_out_mail(place, messages, uid, gid)?;
        let file = place.write("real/dovecot.conf", configuration(place, plain.port(), tls.port(), uid, gid))?;
        let log = place.path("real/log");
        let mut process = Process::start(&program, &["-F", "-c", &file.display().to_string()], log)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !greets(plain) {
            if process.ended() || Instant::now() > deadline {
                return Err(io::Error::other(format!("the real Dovecot does not start:\n{}", process.last_words())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let size = Size { mailboxes: 3, messages };
        Ok(Self { plain: vec![plain], tls: vec![tls], users: 1, size, processes: vec![process] })
    }
}

/// One process of the canned backend, and where it says that it answers.
fn answering(place: &Place, size: Size, doors: [SocketAddr; 2]) -> io::Result<([SocketAddr; 2], Process)> {
    let own = std::env::current_exe()?;
    let files = ["tls/chain.pem", "tls/key.pem"].map(|name| place.path(name).display().to_string());
    let sizes = [size.mailboxes.to_string(), size.messages.to_string()];
    let doors = doors.map(|door| door.to_string());
    let arguments =
        ["--serve-backend", &doors[0], &doors[1], &files[0], &files[1], &sizes[0], &sizes[1]].map(str::to_owned);
    let mut command = place::dying_with_us(&own, &arguments);
    let log = place.path("backend.log");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(&log)?);
    let mut process = Process::spawn(&mut command, log)?;
    let mut line = String::new();
    let out = process.child().stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line)?;
    let addresses = line.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>();
    match addresses.as_deref() {
        Ok([plain, tls]) => Ok(([*plain, *tls], process)),
        _ => Err(io::Error::other(format!("the backend does not start: {line}{}", process.last_words()))),
    }
}

fn configuration(place: &Place, plain: u16, tls: u16, uid: u32, gid: u32) -> String {
    format!(
        "base_dir = {root}/real/run\n\
         state_dir = {root}/real/state\n\
         log_path = {root}/real/log\n\
         protocols = imap\n\
         listen = 127.0.0.1\n\
         {users}\
         ssl = yes\n\
         ssl_cert = <{root}/tls/chain.pem\n\
         ssl_key = <{root}/tls/key.pem\n\
         disable_plaintext_auth = no\n\
         auth_mechanisms = plain login\n\
         mail_location = maildir:~/Maildir\n\
         mail_max_userip_connections = 0\n\
         first_valid_uid = 1\n\
         first_valid_gid = 1\n\
         namespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
         passdb {{\n  driver = static\n  args = password=secret\n}}\n\
         userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={root}/real/mail/%u\n}}\n\
         service imap-login {{\n  chroot =\n  service_count = 0\n  process_min_avail = 1\n  \
           inet_listener imap {{\n    port = {plain}\n  }}\n  \
           inet_listener imaps {{\n    port = {tls}\n    ssl = yes\n  }}\n}}\n\
         service anvil {{\n  chroot =\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
         service stats {{\n  chroot =\n}}\n",
        root = place.root(),
        users = internal_users(),
    )
}

/// A Maildir with messages of some 2 KiB, the last twenty unread, one of a hundred classified.
fn lay_out_mail(place: &Place, messages: u32, uid: u32, gid: u32) -> io::Result<()> {
    let mail = place.path("real/mail");
    let maildir = mail.join("user0@example.org/Maildir");
    if maildir.exists() {
        return Ok(());
    }
    for folder in
        ["cur", "new", "tmp", ".Drafts/cur", ".Drafts/new", ".Drafts/tmp", ".Sent/cur", ".Sent/new", ".Sent/tmp"]
    {
        fs::create_dir_all(maildir.join(folder))?;
    }
    for number in 1..=messages {
        let secret = if backend::is_secret(number) { "X-Classification: secret\r\n" } else { "" };
        let text = format!(
            "From: Ann Author <ann@example.org>\r\nTo: dev@lists.example.org\r\nSubject: Minutes {number}\r\n\
             Date: Tue, 12 Mar 2024 09:41:12 +0100\r\nMessage-ID: <{number}.4711@mail.example.org>\r\n{secret}\r\n{}",
            "It was agreed that nothing is copied which need not be.\r\n".repeat(32)
        );
        let flags = if number > messages - 20 { "" } else { "S" };
        fs::write(maildir.join(format!("cur/1710{number:06}.M{number}P1.bench:2,{flags}")), text)?;
    }
    if rustix::process::getuid().is_root() {
        let owner = format!("{uid}:{gid}");
        let done = std::process::Command::new("chown").arg("-R").arg(owner).arg(&mail).status()?;
        if !done.success() {
            return Err(io::Error::other(format!("chown of {} failed", mail.display())));
        }
    }
    Ok(())
}

/// Is it ready for logins? Before it is, Dovecot greets with an excuse.
fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = std::net::TcpStream::connect(address) else { return false };
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("* OK [CAPABILITY")
}
