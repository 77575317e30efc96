//! `[[listener]]`: where clients connect.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::keys;
use super::table::{Table, Word};
use super::unit;
use super::values::{CertificatePair, Listener, ListenerTls};

const WORDS: &[(&str, Word<ListenerTls>)] = &[
    ("implicit", Word::Means(ListenerTls::Implicit)),
    ("starttls", Word::Means(ListenerTls::Starttls)),
    ("off", Word::Means(ListenerTls::Off)),
];

pub(super) fn read(file: &Table<'_>) -> Vec<Listener> {
    let tables = file.tables(&keys::LISTENER);
    if !file.has("listener") {
        let help = "write a `[[listener]]` with `bind`, `certificate` and `private_key`";
        file.reading().missing("no listener: clients could not connect", help);
    }
    tables.iter().enumerate().map(|(number, table)| read_one(table, number + 1)).collect()
}

fn read_one(table: &Table<'_>, number: usize) -> Listener {
    let tls = table.word("tls", WORDS);
    let allow_plaintext_login = table.boolean("allow_plaintext_login");
    let listener = Listener {
        name: super::section::name(table).unwrap_or_else(|| format!("listener-{number}").into()),
        bind: bind(table),
        tls: tls.unwrap_or(ListenerTls::Implicit),
        certificates: certificates(table),
        allow_plaintext_login: allow_plaintext_login.unwrap_or(false),
        proxy_protocol_from: balancers(table),
        max_connections: table.count("max_connections").unwrap_or(Listener::MAX_CONNECTIONS),
        max_connections_per_ip: table.count("max_connections_per_ip").unwrap_or(Listener::MAX_CONNECTIONS_PER_IP),
    };
    let understood = [(tls.is_some(), "tls"), (allow_plaintext_login.is_some(), "allow_plaintext_login")];
    if understood.iter().all(|(read, key)| *read || !table.has(key)) {
        check_tls(table, &listener);
        check_clear_text(table, &listener);
    }
    listener
}

fn bind(table: &Table<'_>) -> SocketAddr {
    if !table.has("bind") {
        let problem = table.error("bind", "a listener needs `bind`");
        table.reading().problem(problem.help("write an address and a port, such as bind = \"0.0.0.0:993\""));
    }
    table.parsed("bind", |text| unit::bind(text, 993)).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into())
}

fn balancers(table: &Table<'_>) -> Vec<IpNet> {
    let Some(texts) = table.texts("proxy_protocol_from") else { return Vec::new() };
    if texts.is_empty() {
        let problem = table.error("proxy_protocol_from", "`proxy_protocol_from` names nobody");
        table.reading().problem(problem.help("name the balancers, such as [\"10.0.0.0/8\"], or leave it out"));
    }
    let networks = texts.iter().filter_map(|text| {
        let network = table.parse_text("proxy_protocol_from", text, unit::network)?;
        if network.prefix_len() == 0 {
            let help = "name the addresses of the balancers alone: whoever is believed can be any client";
            table.warn(
                "proxy_protocol_from",
                format!("everybody of `{network}` is believed to be whoever they say"),
                help,
            );
        }
        Some(network)
    });
    networks.collect()
}

fn certificates(listener: &Table<'_>) -> Vec<CertificatePair> {
    let own = (listener.has("certificate") || listener.has("private_key")).then_some(listener);
    let more = listener.tables(&keys::CERTIFICATES);
    own.into_iter().chain(&more).filter_map(certificate_pair).collect()
}

fn certificate_pair(table: &Table<'_>) -> Option<CertificatePair> {
    for (key, other) in [("certificate", "private_key"), ("private_key", "certificate")] {
        if !table.has(key) {
            let problem = table.error(other, format!("`{key}` is missing"));
            table.reading().problem(problem.help("a certificate and its private key come together"));
        }
    }
    let (certificate, private_key) = (table.readable("certificate"), table.readable("private_key"));
    Some(CertificatePair { certificate: certificate?, private_key: private_key? })
}

fn check_tls(table: &Table<'_>, listener: &Listener) {
    let has_certificate = ["certificate", "private_key", "certificates"].iter().any(|key| table.has(key));
    match listener.tls {
        ListenerTls::Off => {
            for key in ["certificate", "certificates"].into_iter().filter(|key| table.has(key)) {
                table.warn(
                    key,
                    format!("`{key}` is not used: `tls` is off"),
                    "leave it out, or take `tls = \"off\"` away",
                );
            }
        }
        ListenerTls::Implicit | ListenerTls::Starttls if !has_certificate => {
            let problem = table.error("tls", "TLS needs `certificate` and `private_key`");
            table
                .reading()
                .problem(problem.help("name the two files, or write tls = \"off\" for a listener on loopback"));
        }
        ListenerTls::Implicit | ListenerTls::Starttls => {}
    }
}

/// Where could a password be read on its way?
fn check_clear_text(table: &Table<'_>, listener: &Listener) {
    let (allowed, local) = (listener.allow_plaintext_login, listener.bind.ip().is_loopback());
    match listener.tls {
        ListenerTls::Off if !allowed => table.warn(
            "tls",
            "nobody can log in here: without TLS, logins are refused",
            "use TLS, or write allow_plaintext_login = true for a listener on loopback",
        ),
        ListenerTls::Off if !local => table.warn(
            "tls",
            "passwords and mail cross the network in clear",
            "use TLS, or bind to a loopback address such as 127.0.0.1",
        ),
        ListenerTls::Starttls if allowed && !local => table.warn(
            "allow_plaintext_login",
            "passwords may cross the network in clear",
            "leave it out: clients then use STARTTLS before they log in",
        ),
        ListenerTls::Implicit if allowed => table.warn(
            "allow_plaintext_login",
            "`allow_plaintext_login` is without effect: all of this listener's connections use TLS",
            "leave it out",
        ),
        ListenerTls::Implicit | ListenerTls::Starttls | ListenerTls::Off => {}
    }
}
