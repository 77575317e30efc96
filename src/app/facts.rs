//! The configuration as it is in force, for whoever may see it. Of secrets not even the file is read.

use serde_json::{Value, json};

use super::hash_key;
use crate::config::{Config, ForwardClient, GroupsPath, Listener, ListenerTls, OnFailure, Upstream, UpstreamTls};

/// What stands for a secret.
const SECRET: &str = "***";

/// What holds, defaults included.
pub(super) fn of(config: &Config) -> Value {
    let limits = &config.limits;
    let tokens = config
        .admin
        .tokens
        .iter()
        .map(|token| json!({ "name": &*token.name, "role": token.role.as_str(), "token": SECRET }));
    let paths = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    json!({
        "sha256": config.sha256,
        "listener": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "upstream": config.upstreams.iter().map(upstream).collect::<Vec<_>>(),
        "auth": { "default_domain": config.auth.default_domain.as_deref() },
        "policy": {
            "rules": paths(&config.policy.files),
            "groups": match &config.policy.groups {
                GroupsPath::File(path) => Some(path.display().to_string()),
                GroupsPath::None | GroupsPath::Wrong => None,
            },
        },
        "audit": {
            "directory": config.audit.directory.display().to_string(),
            "on_failure": if config.audit.on_failure == OnFailure::Refuse { "refuse" } else { "continue" },
            "min_free": config.audit.min_free,
            "hashed": config.audit.hashed.iter().map(|field| hash_key::hashed(*field).as_str()).collect::<Vec<_>>(),
        },
        "state": { "directory": config.state.directory.display().to_string() },
        "admin": { "bind": config.admin.bind.to_string(), "hosts": config.admin.hosts, "tokens": tokens.collect::<Vec<_>>() },
        "limits": {
            "pre_auth_timeout_s": limits.pre_auth_timeout.as_secs(),
            "idle_timeout_s": limits.idle_timeout.as_secs(),
            "upstream_timeout_s": limits.upstream_timeout.as_secs(),
            "auth_failures": format!("{}/{}s", limits.auth_failures.count, limits.auth_failures.window.as_secs()),
            "drain_delay_s": limits.drain_delay.as_secs(),
            "drain_window_s": limits.drain_window.as_secs(),
            "max_line": limits.max_line,
            "max_literal": limits.max_literal,
        },
    })
}

fn listener(listener: &Listener) -> Value {
    json!({
        "name": &*listener.name,
        "bind": listener.bind.to_string(),
        "tls": match listener.tls {
            ListenerTls::Implicit => "implicit",
            ListenerTls::Starttls => "starttls",
            ListenerTls::Off => "off",
        },
        "certificates": listener.certificates.iter().map(|pair| pair.certificate.display().to_string()).collect::<Vec<_>>(),
        "allow_plaintext_login": listener.allow_plaintext_login,
        "proxy_protocol_from": listener.proxy_protocol_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "max_connections": listener.max_connections,
        "max_connections_per_ip": listener.max_connections_per_ip,
    })
}

fn upstream(upstream: &Upstream) -> Value {
    json!({
        "name": &*upstream.name,
        "servers": upstream.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tls": match upstream.tls {
            UpstreamTls::Implicit => "implicit",
            UpstreamTls::Starttls => "starttls",
            UpstreamTls::Off => "off",
        },
        "ca": upstream.ca.as_ref().map(|path| path.display().to_string()),
        "server_name": upstream.server_name,
        "forward_client": match upstream.forward_client {
            ForwardClient::None => "none",
            ForwardClient::Id => "id",
            ForwardClient::Proxy => "proxy",
        },
        "deleted_expunges": upstream.deleted_expunges,
        "match_user": upstream.match_user,
    })
}
