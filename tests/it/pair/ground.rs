//! What all sessions of a test share: a Dovecot or two, and a proxy before each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use imapwarden::session::Shared;

use super::play::Road;
use super::roads::{Direct, Socket, shared};
use super::world::{self, Home};
use crate::real::client::Client;
use crate::real::dovecot::{Dovecot, Names};
use crate::real::proxy::{Proxy, Settings};

/// What Dovecot has besides. Who logs in is who he says, and has a home of his own. Extensions that rules must not leave
/// are on: what gets through does something.
const DOVECOT: &str = "\
mail_fsync = never
info_log_path = /dev/null
passdb {
  driver = static
  args = password=canary-%u
}
service imap-login {
  service_count = 0
}
service imap {
  service_count = 500
}
namespace inbox {
  mailbox Junk {
    special_use = \\Junk
  }
}
mail_plugins = acl quota
protocol imap {
  mail_plugins = $mail_plugins imap_acl imap_quota
  imap_metadata = yes
}
mail_attribute_dict = file:%h/attributes
plugin {
  acl = vfile
  quota = maildir:User quota
}
";

/// How sessions reach the upstream.
pub enum Way {
    /// The session alone, with these rules.
    Direct(Arc<Shared>),
    /// The program.
    Program(Box<Proxy>),
}

/// A Dovecot and what stands before it.
pub struct Ground {
    pub dovecot: Dovecot,
    way: Way,
    began: Instant,
    homes: AtomicU64,
}

/// Somebody else, who is at the server itself.
pub struct Straight {
    dovecot: SocketAddr,
    user: String,
}

impl Straight {
    /// Lets the server look at a mailbox, if it is there: what has come gets its UID.
    pub fn examine(&self, mailbox: &str) {
        let mut client = Client::clear(self.dovecot).login(&self.user);
        client.run(&format!("EXAMINE \"{mailbox}\""));
        client.logout();
    }

    /// One of the messages that anybody may see gets a keyword, or loses it.
    pub fn mark(&self, mailbox: &str, nth: usize) {
        let mut client = Client::clear(self.dovecot).login(&self.user);
        client.run(&format!("SELECT \"{mailbox}\""));
        let found = client.run("UID SEARCH RETURN (ALL) NOT HEADER X-Secret yes NOT KEYWORD $Hidden").whole();
        let marked = client.run("UID SEARCH RETURN (MIN) NOT HEADER X-Secret yes KEYWORD $Hidden").whole();
        let number = |text: &str, word: &str| {
            let rest = text.split_once(word)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        match (number(&marked, " MIN "), number(&found, " ALL ")) {
            (Some(uid), _) if nth.is_multiple_of(2) => client.run(&format!("UID STORE {uid} -FLAGS.SILENT ($Hidden)")),
            (_, Some(uid)) => client.run(&format!("UID STORE {uid} +FLAGS.SILENT ($Hidden)")),
            _ => client.run("NOOP"),
        };
        client.logout();
    }
}

impl Ground {
    /// The session alone before it.
    pub fn direct(names: Names, rules: &str) -> Self {
        let began = Instant::now();
        Self::new(names, began, |_| Way::Direct(shared(rules, began)))
    }

    /// The program before it.
    pub fn program(names: Names, rules: &str) -> Self {
        let settings = |dovecot: &Dovecot| {
            Settings::before_clear(dovecot.imap())
                .rules(rules)
                .in_limits("drain_delay = \"0s\"\ndrain_window = \"1s\"\nauth_failures = \"1000000/1m\"")
        };
        Self::new(names, Instant::now(), |dovecot| Way::Program(Box::new(settings(dovecot).start())))
    }

    fn new(names: Names, began: Instant, way: impl FnOnce(&Dovecot) -> Way) -> Self {
        let dovecot = Dovecot::start_with(&[], names, DOVECOT);
        let way = way(&dovecot);
        Self { dovecot, way, began, homes: AtomicU64::new(0) }
    }

    /// A number that no account has had.
    pub fn number(&self) -> u64 {
        self.homes.fetch_add(1, Ordering::Relaxed)
    }

    /// A new account, with mail as `lay_out` has it.
    pub fn home(&self, user: &str, lay_out: impl FnOnce(&std::path::Path)) -> Home {
        let maildir: PathBuf = self.dovecot.maildir(user);
        lay_out(&maildir);
        let home = Home { maildir };
        world::give_home(home.folder());
        home
    }

    /// Somebody else at the server itself.
    pub fn straight(&self, user: &str) -> Straight {
        Straight { dovecot: self.dovecot.imap(), user: user.to_owned() }
    }

    /// A connection to the proxy. What goes up is kept in `up`, where it can be seen.
    pub fn open(&self, up: &Rc<RefCell<Vec<u8>>>) -> Box<dyn Road> {
        let dovecot: SocketAddr = self.dovecot.imap();
        match &self.way {
            Way::Direct(shared) => Box::new(Direct::open(Arc::clone(shared), dovecot, self.began, Rc::clone(up))),
            Way::Program(proxy) => Box::new(Socket::open(proxy.clear())),
        }
    }
}
