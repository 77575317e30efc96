//! The whole file, section by section.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::table::{Reading, Table};
use super::values::Config;
use super::{checks, keys, listener, section, upstream};
use crate::diagnostic::{Problem, Sources};

impl Config {
    /// Reads a configuration. There is one exactly where none of the problems is an error.
    pub fn load(path: &Path, sources: &mut Sources) -> (Option<Self>, Vec<Problem>) {
        let (config, problems) = read(path, sources);
        let starts = !problems.iter().any(Problem::is_error);
        (config.filter(|_| starts), problems)
    }
}

/// Reads as much as can be understood: a configuration may stand beside errors, so that the rules and certificates that
/// it names can be looked at, too. Nothing may run with it then. `None` only where the file is no TOML.
pub fn read(path: &Path, sources: &mut Sources) -> (Option<Config>, Vec<Problem>) {
    let (file, text) = match sources.read(path) {
        Ok(read) => read,
        Err(problem) => return (None, vec![problem]),
    };
    let reading = Reading::new(file);
    let (document, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        let config = read_file(&Table::new(&reading, &keys::FILE, (document.get_ref(), 0..0), String::new()));
        let (places, problems) = reading.finish();
        return (Some(Config { sha256: sha256(&text), places, ..config }), problems);
    }
    // Of several errors at one place the last is the innermost: the string that is not closed, not the list around it.
    let by_place: BTreeMap<_, _> = errors.iter().map(|error| (error.span().map(|span| span.start), error)).collect();
    for error in by_place.into_values() {
        reading.problem(reading.error(error.span().unwrap_or(0..0), error.message()));
    }
    (None, reading.finish().1)
}

fn read_file(file: &Table<'_>) -> Config {
    let config = Config {
        listeners: listener::read(file),
        upstreams: upstream::read(file),
        auth: section::auth(file),
        policy: section::policy(file),
        audit: section::audit(file),
        state: section::state(file),
        admin: section::admin(file),
        limits: section::limits(file),
        log: section::log(file),
        sha256: String::new(),
        places: super::Places::default(),
    };
    checks::names(file, &config);
    checks::binds(file, &config);
    config
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        hex
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Auth, ForwardClient, Listener, ListenerTls, OnFailure, Role, UpstreamTls};
    use super::*;

    const REFERENCE: &str = include_str!("../../config/imapwarden.toml");

    /// A folder with a configuration and every file that it names.
    fn folder_with(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder of our own");
        for inner in ["tls", "rules"] {
            std::fs::create_dir(folder.path().join(inner)).expect("it is ours");
        }
        for file in ["fullchain.pem", "privkey.pem", "other.pem", "other-key.pem", "upstream-ca.pem"] {
            std::fs::write(folder.path().join("tls").join(file), "").expect("it is ours");
        }
        for file in ["b.toml", "a.toml", "a.test.toml", ".#a.toml"] {
            std::fs::write(folder.path().join("rules").join(file), "").expect("it is ours");
        }
        for file in ["groups.toml", "admin.token", "on-call.token"] {
            std::fs::write(folder.path().join(file), "").expect("it is ours");
        }
        std::fs::write(folder.path().join("imapwarden.toml"), text).expect("it is ours");
        folder
    }

    fn load(folder: &tempfile::TempDir) -> Config {
        let (config, problems) = Config::load(&folder.path().join("imapwarden.toml"), &mut Sources::default());
        assert_eq!(problems, []);
        config.expect("there is one without problems")
    }

    /// The reference with its keys in force: `# key = value` becomes `key = value`.
    fn uncommented() -> String {
        let is_key =
            |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let lines = REFERENCE.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    #[test]
    fn the_smallest_file_is_enough() {
        let folder = folder_with(include_str!("../../config/minimal.toml"));
        let config = load(&folder);
        let listener = config.listeners.first().expect("it has one");
        assert_eq!((&*listener.name, listener.max_connections_per_ip), ("listener-1", 200));
        let upstream = config.upstreams.first().expect("it has one");
        assert_eq!((&*upstream.name, upstream.tls), ("upstream-1", UpstreamTls::Implicit));
        assert_eq!(config.audit.directory, folder.path().join("audit"));
        assert_eq!(config.admin.bind.to_string(), "127.0.0.1:9143");
        assert!(config.policy.files.is_empty());
    }

    #[test]
    fn the_reference_holds_every_key_at_its_default() {
        let (commented, in_force) = (load(&folder_with(REFERENCE)), load(&folder_with(&uncommented())));
        let listener = |config: &Config| Listener {
            certificates: Vec::new(),
            proxy_protocol_from: Vec::new(),
            ..config.listeners[0].clone()
        };
        assert_eq!(listener(&commented), listener(&in_force));
        assert_eq!(commented.upstreams[0].name, in_force.upstreams[0].name);
        assert_eq!(commented.upstreams[0].tls, in_force.upstreams[0].tls);
        assert_eq!(commented.upstreams[0].deleted_expunges, in_force.upstreams[0].deleted_expunges);
        assert_eq!((commented.limits, commented.log), (in_force.limits, in_force.log));
        assert_eq!((&commented.admin.bind, commented.admin.tokens.len()), (&in_force.admin.bind, 0));
        let tokens = in_force.admin.tokens.iter().map(|token| (&*token.name, token.role));
        assert_eq!(tokens.collect::<Vec<_>>(), [("admin", Role::Admin), ("on-call", Role::Operator)]);
        assert_eq!(commented.audit.on_failure, in_force.audit.on_failure);
        assert_eq!(commented.audit.min_free, in_force.audit.min_free);
    }

    #[test]
    fn the_reference_shows_every_key_that_is_read_and_no_other() {
        let mut sections: Vec<(String, Vec<String>)> = Vec::new();
        for line in uncommented().lines() {
            match line.strip_prefix('[') {
                Some(head) => sections.push((head.trim_matches(['[', ']']).to_owned(), Vec::new())),
                None => {
                    let key = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', '#']));
                    let section = sections.last_mut().map(|(_, keys)| keys);
                    section.into_iter().zip(key).for_each(|(keys, (key, _))| keys.push(key.to_owned()));
                }
            }
        }
        for section in keys::SECTIONS {
            let shown = sections.iter().find(|(name, _)| name == section.name).map(|(_, keys)| keys.clone());
            // Tables in tables have a head of their own.
            let read = section.keys.iter().filter(|key| !["certificates", "tokens"].contains(*key));
            assert_eq!(shown.unwrap_or_default(), read.copied().collect::<Vec<_>>(), "[{}]", section.name);
        }
        assert_eq!(sections.len(), keys::SECTIONS.len());
    }

    #[test]
    fn every_key_is_read() {
        let folder = folder_with(&format!(
            "{}\n{}",
            "[[listener]]\nname = \"mail\"\nbind = \"127.0.0.1:143\"\ntls = \"starttls\"\ncertificate = \"tls/fullchain.pem\"
             private_key = \"tls/privkey.pem\"\nallow_plaintext_login = true\nproxy_protocol_from = [\"10.0.0.0/8\", \"192.0.2.1\"]\nmax_connections = 7\nmax_connections_per_ip = 3
             [[listener.certificates]]\ncertificate = \"tls/other.pem\"\nprivate_key = \"tls/other-key.pem\"
             [[upstream]]\nname = \"main\"\nservers = [\"[::1]:143\", \"b.example.org:1430\"]\ntls = \"starttls\"
             ca = \"tls/upstream-ca.pem\"\nserver_name = \"imap.example.org\"\nforward_client = \"id\"\nquirks = [\"deleted-expunges\"]
             match_user = [\"*@example.org\"]",
            "[auth]\ndefault_domain = \"Example.org\"\n[policy]\nrules = [\"rules/b.toml\", \"rules/*.toml\"]
             [audit]\ndirectory = \"log\"\non_failure = \"continue\"\nmin_free = \"1 MiB\"\n[admin]\nbind = \"unix:a.sock\"\nhosts = [\"Ops.example.org\"]
             [limits]\npre_auth_timeout = \"1m\"\nidle_timeout = \"1h\"\nupstream_timeout = \"5s\"\nauth_failures = \"3/m\"
             drain_delay = \"0s\"\ndrain_window = \"1s\"\nmax_line = \"1 MiB\"\nmax_literal = \"1 GiB\"
             [log]\nlevel = \"debug\"\nformat = \"json\""
        ));
        let config = load(&folder);
        let listener = &config.listeners[0];
        assert_eq!((&*listener.name, listener.tls, listener.certificates.len()), ("mail", ListenerTls::Starttls, 2));
        assert_eq!((listener.max_connections, listener.max_connections_per_ip), (7, 3));
        assert!(listener.allow_plaintext_login && listener.certificates[1].private_key.ends_with("tls/other-key.pem"));
        let upstream = &config.upstreams[0];
        let servers: Vec<_> = upstream.servers.iter().map(ToString::to_string).collect();
        assert_eq!(
            (&*upstream.name, upstream.tls, servers),
            ("main", UpstreamTls::Starttls, vec!["[::1]:143".into(), "b.example.org:1430".into()])
        );
        assert!(upstream.deleted_expunges && upstream.ca.as_ref().is_some_and(|ca| ca.is_absolute()));
        assert_eq!(
            (upstream.server_name.as_deref(), &*upstream.match_user),
            (Some("imap.example.org"), &["*@example.org".to_owned()][..])
        );
        assert_eq!(config.auth, Auth { default_domain: Some("example.org".into()) });
        let files: Vec<_> = config.policy.files.iter().filter_map(|file| file.file_name()).collect();
        assert_eq!(files, ["a.toml", "b.toml"]);
        assert!(config.audit.directory.ends_with("log"));
        assert_eq!((config.audit.on_failure, config.audit.min_free), (OnFailure::Continue, 1 << 20));
        assert_eq!(config.admin.bind.to_string(), format!("unix:{}", folder.path().join("a.sock").display()));
        assert_eq!(config.admin.hosts, ["ops.example.org".into()]);
        assert_eq!(upstream.forward_client, ForwardClient::Id);
        assert_eq!(
            listener.proxy_protocol_from,
            ["10.0.0.0/8".parse().expect("a network"), "192.0.2.1/32".parse().expect("one")]
        );
        assert_eq!(
            (config.limits.auth_failures.count, config.limits.auth_failures.window),
            (3, Duration::from_secs(60))
        );
        assert_eq!((config.limits.max_line, config.limits.max_literal), (1 << 20, 1 << 30));
        assert_eq!((config.limits.drain_delay, config.limits.drain_window), (Duration::ZERO, Duration::from_secs(1)));
        assert_eq!(format!("{:?} {:?}", config.log.level, config.log.format), "Debug Json");
        assert_eq!(config.sha256.len(), 64);
    }
}
