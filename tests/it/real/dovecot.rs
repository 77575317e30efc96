//! A Dovecot of the test's own: two ports on loopback, a handful of users, mail in Maildir.
//!
//! Runs as whoever runs the tests. Where that is root, its mail processes are those of `mail`, for Dovecot serves no mail
//! as root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use base64::Engine as _;

use super::client::Client;
use super::mail;
use super::place::{Place, Process, free_address, until};

/// What differs between one Dovecot and another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `Finance/Q3`
    Slash,
    /// `INBOX.Finance.Q3`: a prefix, and a delimiter that is not the proxy's.
    InboxDot,
}

/// Running until dropped.
pub struct Dovecot {
    place: Place,
    process: Option<Process>,
    imap: SocketAddr,
    imaps: SocketAddr,
}

/// The key by which this Dovecot knows tokens: as secret as a password.
pub const TOKEN_KEY: &str = "canary-key";

/// The password of a user: in nothing that the proxy writes.
pub fn password(user: &str) -> String {
    format!("canary-{user}")
}

impl Dovecot {
    /// With the sample mail for each of these users.
    pub fn start(users: &[&str]) -> Self {
        Self::start_with(users, Names::Slash, "")
    }

    /// The same, with names as given and more configuration.
    pub fn start_with(users: &[&str], names: Names, more: &str) -> Self {
        let place = Place::new();
        let owner = Owner::of_this_process();
        let logins = users.iter().map(|user| format!("{user}:{{PLAIN}}{}::::::\n", password(user)));
        place.write("users", logins.collect::<String>());
        place.write("keys/default/HS256/default", base64::engine::general_purpose::STANDARD.encode(TOKEN_KEY));
        for user in users {
            mail::lay_out(&place.path("mail").join(user), names);
        }
        fs::create_dir_all(place.path("mail")).expect("a folder");
        owner.give(&place.path("mail"));
        let mut dovecot = Self { place, process: None, imap: free_address(), imaps: free_address() };
        // Another process may take a port between the choice and the start.
        let started = (0..5).any(|_| dovecot.run(&owner, names, more));
        assert!(started, "dovecot does not start (installed? ./tests/run installs it):\n{}", dovecot.log());
        dovecot
    }

    fn run(&mut self, owner: &Owner, names: Names, more: &str) -> bool {
        (self.imap, self.imaps) = (free_address(), free_address());
        let text = self.configuration(owner, names, more);
        let file = self.place.write("dovecot.conf", text);
        let keys = self.place.path("keys");
        let tokens = format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/\nusername_attribute = sub\n",
            keys.display()
        );
        self.place.write("tokens.conf", tokens);
        let file = file.to_str().expect("a path in UTF-8");
        let log = self.place.path("dovecot.log");
        let mut process = Process::start("dovecot", Path::new("dovecot"), &["-F", "-c", file], &log);
        let (imap, imaps) = (self.imap, self.imaps);
        let up = until("dovecot listens", || {
            if process.ended().is_some() {
                return Some(false);
            }
            (TcpStream::connect(imaps).is_ok() && greets(imap)).then_some(true)
        });
        self.process = up.then_some(process);
        up
    }

    fn configuration(&self, owner: &Owner, names: Names, more: &str) -> String {
        let root = self.place.path("");
        let root = root.to_str().expect("a path in UTF-8").trim_end_matches('/');
        let (separator, prefix) = match names {
            Names::Slash => ("/", ""),
            Names::InboxDot => (".", "INBOX."),
        };
        let (imap, imaps) = (self.imap.port(), self.imaps.port());
        let (uid, gid, server_users) = (owner.uid, owner.gid, &owner.server_users);
        format!(
            "base_dir = {root}/run\n\
             state_dir = {root}/state\n\
             log_path = {root}/dovecot.log\n\
             protocols = imap\n\
             listen = 127.0.0.1\n\
             {server_users}\
             ssl = yes\n\
             ssl_cert = <{root}/tls/chain.pem\n\
             ssl_key = <{root}/tls/key.pem\n\
             ssl_min_protocol = TLSv1.2\n\
             disable_plaintext_auth = no\n\
             auth_mechanisms = plain login scram-sha-1 scram-sha-256 oauthbearer xoauth2\n\
             auth_failure_delay = 0\n\
             mail_location = maildir:~/Maildir\n\
             mail_max_userip_connections = 0\n\
             first_valid_uid = 1\n\
             first_valid_gid = 1\n\
             namespace inbox {{\n  inbox = yes\n  separator = {separator}\n  prefix = {prefix}\n\
               mailbox Sent {{\n    special_use = \\Sent\n  }}\n  mailbox Trash {{\n    special_use = \\Trash\n  }}\n}}\n\
             passdb {{\n  driver = passwd-file\n  args = {root}/users\n}}\n\
             passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {root}/tokens.conf\n}}\n\
             userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={root}/mail/%u\n}}\n\
             service imap-login {{\n  chroot =\n\
               inet_listener imap {{\n    port = {imap}\n  }}\n\
               inet_listener imaps {{\n    port = {imaps}\n    ssl = yes\n  }}\n}}\n\
             service anvil {{\n  chroot =\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
             service stats {{\n  chroot =\n}}\n\
             {more}\n"
        )
    }

    /// Where it answers in clear, with STARTTLS.
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// Where it answers in TLS.
    pub fn imaps(&self) -> SocketAddr {
        self.imaps
    }

    /// Who certified it.
    pub fn ca(&self) -> PathBuf {
        self.place.ca()
    }

    /// Maildir of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.place.path("mail").join(user).join("Maildir")
    }

    /// Takes mailboxes from a user, as if they had never been: names on disk, `Finance.Q3`.
    pub fn take_mailboxes(&self, user: &str, names: &[&str]) {
        let maildir = self.maildir(user);
        let file = maildir.join("subscriptions");
        let mut subscribed = fs::read_to_string(&file).expect("subscriptions");
        for name in names {
            fs::remove_dir_all(maildir.join(format!(".{name}"))).expect("the mailbox");
            subscribed = subscribed.replace(&format!("\n{}\n", name.replace('.', "\t")), "\n");
        }
        fs::write(&file, subscribed).expect("subscriptions");
    }

    /// Straight to a user's mail, past every proxy.
    pub fn login(&self, user: &str) -> Client {
        Client::tls(self.imaps, &self.ca()).login(user)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path("dovecot.log")).unwrap_or_default()
    }

    /// Ends it, and all sessions with it.
    pub fn stop(&mut self) {
        self.process = None;
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("---- dovecot.log\n{}", self.log());
        }
    }
}

/// Is it ready for logins? Before it is, Dovecot greets with an excuse.
fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("* OK [CAPABILITY")
}

/// Whose the mail is.
pub struct Owner {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What Dovecot is told of its own processes.
    pub server_users: String,
}

impl Owner {
    /// Whoever runs the tests, or `mail` where that is root.
    pub fn of_this_process() -> Self {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        if uid == 0 {
            // Debian's base-passwd: mail:x:8:8. Dovecot's own processes run as its package has them.
            return Self { uid: 8, gid: 8, server_users: String::new() };
        }
        let name = |flag| super::place::succeed(super::place::tool("id").arg(flag)).trim().to_owned();
        let (user, group) = (name("-un"), name("-gn"));
        let server_users =
            format!("default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n");
        Self { uid, gid, server_users }
    }

    /// Makes a folder theirs.
    pub fn give(&self, folder: &Path) {
        if rustix::process::getuid().as_raw() != self.uid {
            let owner = format!("{}:{}", self.uid, self.gid);
            super::place::succeed(super::place::tool("chown").arg("-R").arg(owner).arg(folder));
        }
    }
}
