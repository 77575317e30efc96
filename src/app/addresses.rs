//! Are the addresses that rules look at those of clients?

use std::net::IpAddr;

use crate::config::{Config, Listener};
use crate::diagnostic::{Problem, Severity};
use crate::policy::RuleSet;

/// Who comes by loopback comes from this host, unless somebody says otherwise: a balancer, a tunnel, a web mailer.
pub(super) fn doubt(config: &Config, rules: Option<&RuleSet>, problems: &mut Vec<Problem>) {
    for (number, listener) in config.listeners.iter().enumerate() {
        let warning = |key: &str, message: String| {
            config.places.problem(Severity::Warning, &format!("listener.{number}.{key}"), message)
        };
        if !listener.bind.ip().is_loopback() {
            continue;
        }
        if !listener.proxy_protocol_from.is_empty() && !is_reached(listener) {
            let message = "nobody at these addresses can connect to a loopback address".to_owned();
            problems.push(
                warning("proxy_protocol_from", message).help("name 127.0.0.1 or ::1, or bind to another address"),
            );
        } else if listener.proxy_protocol_from.is_empty() && rules.is_some_and(RuleSet::looks_at_addresses) {
            let message = format!(
                "rules look at addresses of clients, and all who come by `{}` come from this host",
                listener.name
            );
            let help = "name what stands before it in `proxy_protocol_from`, or bind to an address that clients reach";
            problems.push(warning("bind", message).help(help));
        }
    }
}

fn is_reached(listener: &Listener) -> bool {
    let loopback = [IpAddr::from([127, 0, 0, 1]), listener.bind.ip()];
    listener
        .proxy_protocol_from
        .iter()
        .any(|from| from.network().is_loopback() || loopback.iter().any(|ip| from.contains(ip)))
}
