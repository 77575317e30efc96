//! Every key there is, in one table: what is read, what a later version will read.

/// A kind of table in the file, and what may stand in it.
#[derive(Debug)]
pub struct Section {
    /// As its head is written, without brackets; empty for the file itself.
    pub name: &'static str,
    /// May there be several, as `[[name]]`?
    pub many: bool,
    /// Keys that are read.
    pub keys: &'static [&'static str],
    /// Keys that are not supported yet.
    pub later: &'static [&'static str],
}

/// The file itself.
pub const FILE: Section = Section {
    name: "",
    many: false,
    keys: &["listener", "upstream", "auth", "policy", "audit", "state", "admin", "limits", "log"],
    later: &[],
};

/// Where clients connect.
pub const LISTENER: Section = Section {
    name: "listener",
    many: true,
    keys: &[
        "name",
        "bind",
        "tls",
        "certificate",
        "private_key",
        "certificates",
        "allow_plaintext_login",
        "proxy_protocol_from",
        "max_connections",
        "max_connections_per_ip",
    ],
    later: &["client_ca", "require_client_certificate"],
};

/// More certificates of a listener.
pub const CERTIFICATES: Section =
    Section { name: "listener.certificates", many: true, keys: &["certificate", "private_key"], later: &[] };

/// The servers behind the proxy.
pub const UPSTREAM: Section = Section {
    name: "upstream",
    many: true,
    keys: &["name", "servers", "tls", "ca", "server_name", "forward_client", "quirks", "match_user"],
    later: &["master_user", "master_password_file"],
};

/// Who decides on logins.
pub const AUTH: Section =
    Section { name: "auth", many: false, keys: &["mode", "default_domain"], later: &["credentials"] };

/// The rule files.
pub const POLICY: Section = Section { name: "policy", many: false, keys: &["rules", "groups"], later: &[] };

/// The audit log.
pub const AUDIT: Section = Section {
    name: "audit",
    many: false,
    keys: &["directory", "on_failure", "durability", "min_free", "keep", "hashed", "hash_key_file"],
    later: &[],
};

/// What outlives the process.
pub const STATE: Section = Section { name: "state", many: false, keys: &["directory"], later: &[] };

/// The admin port.
pub const ADMIN: Section =
    Section { name: "admin", many: false, keys: &["bind", "hosts", "token_file", "tokens"], later: &[] };

/// Who else may ask it for what.
pub const TOKENS: Section =
    Section { name: "admin.tokens", many: true, keys: &["name", "role", "token_file"], later: &[] };

/// What clients may take.
pub const LIMITS: Section = Section {
    name: "limits",
    many: false,
    keys: &[
        "pre_auth_timeout",
        "idle_timeout",
        "upstream_timeout",
        "auth_failures",
        "drain_delay",
        "drain_window",
        "max_line",
        "max_literal",
    ],
    later: &[],
};

/// The proxy's own messages.
pub const LOG: Section = Section { name: "log", many: false, keys: &["level", "format"], later: &[] };

/// All of them, in the order of the documents.
pub const SECTIONS: [&Section; 11] =
    [&LISTENER, &CERTIFICATES, &UPSTREAM, &AUTH, &POLICY, &AUDIT, &STATE, &ADMIN, &TOKENS, &LIMITS, &LOG];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const SCHEMA: &str = include_str!("../../schema/imapwarden.schema.json");

    #[test]
    fn editors_know_every_key_that_is_read_and_no_other() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("it is JSON");
        let known = |definition: &str| -> BTreeSet<String> {
            let properties = schema["definitions"][definition]["properties"].as_object();
            properties.expect(definition).keys().cloned().collect()
        };
        for section in SECTIONS.iter().copied().chain([&FILE]) {
            let definition = match section.name {
                "" => "configuration",
                name => name.rsplit('.').next().unwrap_or(name),
            };
            let read: BTreeSet<String> = section.keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(known(definition), read, "{definition}");
        }
    }
}
