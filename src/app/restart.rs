//! What a reload cannot change: the admin port, the log that is open.

use crate::config::Config;
use crate::diagnostic::Problem;

/// Every difference between what runs and what was read that needs a restart. Where there is one, nothing is reloaded.
pub(super) fn needed(running: &Config, read: &Config) -> Vec<Problem> {
    let values = [
        ("admin.bind", running.admin.bind != read.admin.bind),
        ("audit.directory", running.audit.directory != read.audit.directory),
        ("audit.on_failure", running.audit.on_failure != read.audit.on_failure),
        ("audit.durability", running.audit.durability != read.audit.durability),
        ("audit.keep", running.audit.keep != read.audit.keep),
        ("audit.hashed", running.audit.hashed != read.audit.hashed),
        ("audit.hash_key_file", running.hash_key_file() != read.hash_key_file() && !read.audit.hashed.is_empty()),
        ("audit.min_free", running.audit.min_free != read.audit.min_free),
        ("state.directory", running.state.directory != read.state.directory),
        ("log.format", running.log.format != read.log.format),
    ];
    values.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| problem(read, key)).collect()
}

fn problem(read: &Config, key: &str) -> Problem {
    let problem = read.places.error(key, format!("another `{key}` needs a restart"));
    problem.help("nothing was reloaded; take the change back, or restart imapwarden")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    const BEFORE: &str = "[[listener]]\nbind = \"127.0.0.1:143\"\ntls = \"off\"\nallow_plaintext_login = true\n
        [[upstream]]\nservers = [\"imap.example.org:993\"]\n[policy]\nrules = []\n
        [audit]\n[state]\n[admin]\n[limits]\n[log]\n";

    fn read(text: &str) -> Config {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let path = folder.path().join("imapwarden.toml");
        std::fs::write(folder.path().join("c"), "").expect("it is ours");
        std::fs::write(&path, text).expect("it is ours");
        let (config, problems) = Config::load(&path, &mut Sources::default());
        assert_eq!(problems, []);
        // Of another folder each time, which is no difference of interest here.
        let mut config = config.expect("there are no problems");
        if !text.contains("[audit]\ndirectory") {
            config.audit.directory = "audit".into();
        }
        if !text.contains("[state]\ndirectory") {
            config.state.directory = "state".into();
        }
        config
    }

    #[test]
    fn what_needs_a_restart() {
        let second =
            "[[listener]]\nbind = \"127.0.0.1:144\"\ntls = \"off\"\nallow_plaintext_login = true\n[[upstream]]";
        for (name, from, to, problems) in [
            ("nothing", "", "", 0),
            ("limits", "[limits]", "[limits]\nmax_line = \"1 MiB\"\ndrain_delay = \"1s\"", 0),
            ("another upstream", "imap.example.org", "imap.example.net", 0),
            ("the level", "[log]", "[log]\nlevel = \"debug\"", 0),
            ("the format", "[log]", "[log]\nformat = \"json\"", 1),
            ("the address of a listener", "127.0.0.1:143", "127.0.0.1:1143", 0),
            ("the name of a listener", "[[listener]]", "[[listener]]\nname = \"imap\"", 0),
            (
                "when TLS begins",
                "tls = \"off\"\nallow_plaintext_login = true",
                "certificate = \"c\"\nprivate_key = \"c\"",
                0,
            ),
            ("a new listener", "[[upstream]]", second, 0),
            ("the admin port", "[admin]", "[admin]\nbind = \"127.0.0.1:9144\"", 1),
            ("what outlives it", "[state]", "[state]\ndirectory = \"kept\"", 1),
            (
                "the audit log",
                "[audit]",
                "[audit]\ndirectory = \"log\"\non_failure = \"continue\"\nmin_free = \"1 MiB\"",
                3,
            ),
            ("what is hashed", "[audit]", "[audit]\nhashed = [\"user\"]", 1),
            ("a key that hashes nothing", "[audit]", "[audit]\nhash_key_file = \"k\"", 0),
            ("how it is written", "[audit]", "[audit]\ndurability = \"strict\"\nkeep = \"90d\"", 2),
        ] {
            let needed = needed(&read(BEFORE), &read(&BEFORE.replacen(from, to, 1)));
            assert_eq!(needed.len(), problems, "{name}: {needed:?}");
            assert!(needed.iter().all(|problem| problem.is_error() && problem.message.ends_with("needs a restart")));
        }
    }
}
