//! Which records are asked for, on the command line.

use std::path::PathBuf;

use ipnet::IpNet;
use jiff::Timestamp;

use super::Where;
use super::keys::{Key, key_for};
use crate::diagnostic::Problem;
use crate::report::filter::{ClassTest, Reference};
use crate::report::period::{End, as_recorded, instant};
use crate::report::{Filter, Pattern};

/// Which records. A key said several times asks for any of its values; all keys must hold.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(in crate::cli) struct Asked {
    /// Whose mail; * and ? stand for anything.
    #[arg(long, value_name = "U", value_parser = Pattern::text)]
    user: Vec<Pattern>,
    /// Who proved an identity, be it the user or another.
    #[arg(long, value_name = "A", value_parser = Pattern::text)]
    actor: Vec<Pattern>,
    /// The proxy's own credential that was used.
    #[arg(long, value_name = "C", value_parser = Pattern::text)]
    credential: Vec<Pattern>,
    /// The mailbox, or one that messages went to; globs as in rules: 'Finance/**'.
    #[arg(long, value_name = "M", value_parser = Pattern::mailbox)]
    mailbox: Vec<Pattern>,
    /// UID of a message.
    #[arg(long, value_name = "UID", value_parser = clap::value_parser!(u32).range(1..))]
    uid: Vec<u32>,
    /// Message-ID of a message, as far as it was recorded.
    #[arg(long, value_name = "ID")]
    message_id: Vec<String>,
    /// Session id.
    #[arg(long, value_name = "SID")]
    sid: Vec<String>,
    /// Reference of a refusal, as its text has it: 4c2q8m0v7x1t-6.
    #[arg(long = "ref", value_name = "REF")]
    reference: Vec<Reference>,
    /// The client's address, or its network: 203.0.113.0/24.
    #[arg(long, value_name = "NET", value_parser = network)]
    ip: Vec<IpNet>,
    /// What the program said of itself, as name/version, from then on: 'Thunderbird/*'.
    #[arg(long, value_name = "S", value_parser = Pattern::text)]
    client: Vec<Pattern>,
    /// Type of the record: message.read, 'auth.*'.
    #[arg(long = "type", value_name = "TYPE", value_parser = Pattern::text)]
    type_name: Vec<Pattern>,
    /// How much of a message: full, '>=part'.
    #[arg(long, value_name = "CLASS")]
    class: Option<ClassTest>,
    /// A rule that took something, or would have in shadow.
    #[arg(long, value_name = "ID", value_parser = Pattern::text)]
    rule: Vec<Pattern>,
    /// What the rules decided.
    #[arg(long, value_parser = ["allowed", "narrowed", "hidden", "refused", "limited"])]
    verdict: Vec<String>,
    /// From then on: a day (2027-01-13, in UTC), a time (2027-01-13T09:30:00Z), or so long ago (7d, 12h, 30m).
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Up to then; a day is included.
    #[arg(long, value_name = "WHEN", value_parser = until)]
    until: Option<Timestamp>,
    /// The key with which the log hashes values, to look for them by what they were; with --config it is found by itself.
    #[arg(long, value_name = "FILE")]
    hash_key: Option<PathBuf>,
}

impl Asked {
    fn filter(&self) -> Filter {
        let Self {
            user,
            actor,
            credential,
            mailbox,
            uid,
            message_id,
            sid,
            reference,
            ip,
            client,
            type_name,
            class,
            rule,
            verdict,
            since,
            until,
            hash_key: _,
        } = self.clone();
        Filter {
            user,
            actor,
            credential,
            mailbox,
            uid,
            message_id,
            sid,
            reference,
            ip,
            client,
            type_name,
            class,
            rule,
            verdict,
            since: since.map(as_recorded),
            until: until.map(as_recorded),
            ..Filter::default()
        }
    }

    /// The file of a key that was named.
    pub(in crate::cli) fn hash_key(&self) -> Option<&std::path::Path> {
        self.hash_key.as_deref()
    }

    /// The same, also for what a log hashes, where its key may be read.
    ///
    /// # Errors
    /// Where a key is named that is none.
    pub(in crate::cli) fn filter_with_key(&self, place: &Where) -> Result<Filter, Problem> {
        let mut filter = self.filter();
        match key_for(place, self.hash_key.as_deref()) {
            Ok(Key::Read(key)) => filter.with_key(&key),
            Ok(Key::None) => {}
            Err(problem) if self.hash_key.is_some() => return Err(problem),
            // Who may read the log need not be allowed to read the key; that something may be missed is said with the log.
            Err(_) => {}
        }
        Ok(filter)
    }
}

/// An address is a network of one.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "an address or a network is needed: 203.0.113.7, 2001:db8::/32")
}

fn since(text: &str) -> Result<Timestamp, &'static str> {
    instant(text, End::Since, Timestamp::now())
}

fn until(text: &str) -> Result<Timestamp, &'static str> {
    instant(text, End::Until, Timestamp::now())
}
