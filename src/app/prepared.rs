//! Everything that a configuration names, read and ready to run; or every problem that stands in the way.
//!
//! ```text
//!   configuration ─▶ rule files ─▶ certificates ─▶ Prepared        nothing is bound, written or changed
//!         └──────────────┴──────────────┴────────▶ problems
//! ```

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::addresses;
use super::hash_key;
use super::record::in_one_line;
use super::rules::{self, Rules};
use super::sharing;
use super::trial;
use crate::admin::Tokens;
use crate::config::{self, Config, ListenerTls, Upstream};
use crate::diagnostic::{Problem, Severity, Sources};
use crate::net::{ServerTls, TlsFault, Trust};
use crate::policy::RuleSet;

/// What starts a proxy, or takes the place of what runs.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration.
    pub config: Config,
    /// The rules.
    pub rules: Rules,
    /// What each listener speaks TLS with; `None` where it does not.
    pub server_tls: Vec<Option<ServerTls>>,
    /// How each upstream is verified; `None` where it is spoken to in clear.
    pub trust: Vec<Option<Trust>>,
    /// Who may use the admin API.
    pub tokens: Tokens,
}

/// What was found in the files.
#[derive(Debug)]
pub struct Found {
    /// Ready to run; exactly where none of the problems is an error.
    pub prepared: Option<Prepared>,
    /// All of them.
    pub problems: Vec<Problem>,
    /// The texts that they point into.
    pub sources: Sources,
    /// How many rules were read.
    pub rules: usize,
}

impl Found {
    /// Each problem in a line: `file:line:column: text`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| in_one_line(problem, &self.sources))
    }
}

impl Prepared {
    /// Reads the configuration and all that it names. What is wrong in one file does not keep the others from being read.
    #[must_use]
    pub fn load(path: &Path) -> Found {
        Self::load_after(None, path)
    }

    /// The same, with the unit tests of the rules, which do not keep a proxy from starting.
    #[must_use]
    pub fn check(path: &Path) -> Found {
        Self::read(None, path, trial::check)
    }

    /// The same for a reload: sessions of TLS that clients were given before can be taken up again.
    pub(super) fn load_after(before: Option<&Self>, path: &Path) -> Found {
        Self::read(before, path, |_, _, _, _| ())
    }

    fn read(
        before: Option<&Self>,
        path: &Path,
        and_then: impl FnOnce(&Config, Option<&Arc<RuleSet>>, &mut Sources, &mut Vec<Problem>),
    ) -> Found {
        let mut sources = Sources::default();
        let (config, mut problems) = config::read(path, &mut sources);
        let Some(config) = config else {
            return Found { prepared: None, problems, sources, rules: 0 };
        };
        let server_tls = server_tls(&config, before, &mut problems);
        let trust = trust(&config, &mut problems);
        let tokens = tokens(&config, &mut problems);
        hash_key::check(&config, &mut problems);
        check_users(&config, &mut problems);
        let (count, rules) = rules::load(&config, &mut sources, &mut problems);
        addresses::doubt(&config, rules.as_ref().map(|rules| &*rules.set), &mut problems);
        and_then(&config, rules.as_ref().map(|rules| &rules.set), &mut sources, &mut problems);
        let starts = !problems.iter().any(Problem::is_error);
        let prepared = rules.filter(|_| starts).map(|rules| Self { config, rules, server_tls, trust, tokens });
        Found { prepared, problems, sources, rules: count }
    }
}

impl Prepared {
    /// The certificates that are served, by the name of their listener, and when the time of each is over.
    pub(super) fn certificates(&self) -> Vec<(String, Timestamp)> {
        let listeners = self.config.listeners.iter().zip(&self.server_tls);
        let named = listeners.flat_map(|(listener, tls)| {
            let certificates = tls.iter().flat_map(|tls| &tls.certificates).enumerate();
            certificates.map(|(number, facts)| match number {
                0 => (listener.name.to_string(), facts.not_after),
                number => (format!("{}/{}", listener.name, number + 1), facts.not_after),
            })
        });
        named.collect()
    }
}

fn server_tls(config: &Config, before: Option<&Prepared>, problems: &mut Vec<Problem>) -> Vec<Option<ServerTls>> {
    let now = Timestamp::now();
    let listeners = config.listeners.iter().enumerate().map(|(number, listener)| {
        if listener.tls == ListenerTls::Off || listener.certificates.is_empty() {
            return None; // what is missing has been said
        }
        let before = before.and_then(|before| {
            let at = before.config.listeners.iter().position(|before| before.name == listener.name)?;
            before.server_tls.get(at)?.as_ref()
        });
        let (loaded, faults) = ServerTls::load(listener, now, before);
        let pairs = certificate_places(config, number);
        let all_read = pairs.len() == listener.certificates.len();
        problems.extend(faults.iter().map(|fault| {
            let place = pairs.get(fault.certificate).filter(|_| all_read);
            placed(config, fault, place.map(|pair| format!("{pair}.{}", fault.key)))
        }));
        loaded
    });
    listeners.collect()
}

/// Where the certificates of a listener are named, in their order: beside its address, then in tables of their own.
fn certificate_places(config: &Config, number: usize) -> Vec<String> {
    let listener = format!("listener.{number}");
    let own = config.places.says(&format!("{listener}.certificate"));
    let more = (0..).map(|pair| format!("{listener}.certificates.{pair}"));
    let more = more.take_while(|pair| config.places.says(pair)).collect::<Vec<_>>();
    own.then_some(listener).into_iter().chain(more).collect()
}

fn trust(config: &Config, problems: &mut Vec<Problem>) -> Vec<Option<Trust>> {
    let upstreams = config.upstreams.iter().enumerate();
    upstreams.map(|(number, upstream)| trust_in(config, number, upstream, problems)).collect()
}

/// How the upstream of that number is verified.
pub(super) fn trust_in(
    config: &Config,
    number: usize,
    upstream: &Upstream,
    problems: &mut Vec<Problem>,
) -> Option<Trust> {
    let place = format!("upstream.{number}");
    if upstream.ca.is_none() && config.places.says(&format!("{place}.ca")) {
        return None; // it cannot be read, which has been said
    }
    Trust::load(upstream).unwrap_or_else(|faults| {
        problems.extend(faults.iter().map(|fault| placed(config, fault, Some(format!("{place}.{}", fault.key)))));
        None
    })
}

fn tokens(config: &Config, problems: &mut Vec<Problem>) -> Tokens {
    let (tokens, faults) = Tokens::load(&config.admin);
    problems.extend(faults.into_iter().map(|fault| {
        let severity = if fault.fatal { Severity::Error } else { Severity::Warning };
        config.places.problem(severity, &fault.place, fault.message).help(fault.help)
    }));
    tokens
}

fn check_users(config: &Config, problems: &mut Vec<Problem>) {
    for (number, upstream) in config.upstreams.iter().enumerate() {
        let wrong = upstream.match_user.iter().filter_map(|text| Some((text, sharing::user_glob(text).err()?)));
        problems.extend(wrong.map(|(text, error)| {
            let place = format!("upstream.{number}.match_user");
            config.places.error(&place, format!("`match_user` cannot be `{text}`: {error}"))
        }));
    }
}

/// What is wrong with a file of TLS, where the configuration names it.
fn placed(config: &Config, fault: &TlsFault, place: Option<String>) -> Problem {
    match place {
        Some(place) => config.places.problem(fault.severity, &place, fault.message.clone()).help(fault.help),
        None => fault.problem(),
    }
}
