//! `[[upstream]]`: the servers behind the proxy.

use std::net::IpAddr;

use super::keys;
use super::table::{Table, Word};
use super::unit::{self, Wrong};
use super::values::{ForwardClient, Server, Upstream, UpstreamTls};

const WORDS: &[(&str, Word<UpstreamTls>)] = &[
    ("implicit", Word::Means(UpstreamTls::Implicit)),
    ("starttls", Word::Means(UpstreamTls::Starttls)),
    ("off", Word::Means(UpstreamTls::Off)),
];

const FORWARD: &[(&str, Word<ForwardClient>)] = &[
    ("none", Word::Means(ForwardClient::None)),
    ("id", Word::Means(ForwardClient::Id)),
    ("proxy", Word::Means(ForwardClient::Proxy)),
];

/// The server expunges as soon as `\Deleted` is set.
const QUIRKS: &[(&str, Word<()>)] = &[("deleted-expunges", Word::Means(()))];

pub(super) fn read(file: &Table<'_>) -> Vec<Upstream> {
    let tables = file.tables(&keys::UPSTREAM);
    if !file.has("upstream") {
        let help = "write an `[[upstream]]` with servers = [\"imap.example.org:993\"]";
        file.reading().missing("no upstream: there is nothing to be a proxy of", help);
    }
    let rest = tables.iter().filter(|table| !table.has("match_user"));
    for table in rest.skip(1) {
        let help = "say whom it serves, such as match_user = [\"*@example.org\"]";
        table.warn("match_user", "never used: an upstream before it serves all users that no other serves", help);
    }
    tables.iter().enumerate().map(|(number, table)| read_one(table, number + 1)).collect()
}

fn read_one(table: &Table<'_>, number: usize) -> Upstream {
    let tls = table.word("tls", WORDS);
    let upstream = Upstream {
        name: super::section::name(table).unwrap_or_else(|| format!("upstream-{number}").into()),
        servers: servers(table, tls.unwrap_or(UpstreamTls::Implicit)),
        tls: tls.unwrap_or(UpstreamTls::Implicit),
        ca: table.readable("ca"),
        server_name: table.parsed("server_name", server_name),
        forward_client: table.word("forward_client", FORWARD).unwrap_or_default(),
        deleted_expunges: has_quirk(table),
        match_user: match_user(table),
    };
    check_tls(table, &upstream);
    upstream
}

fn servers(table: &Table<'_>, tls: UpstreamTls) -> Vec<Server> {
    let usual_port = match tls {
        UpstreamTls::Implicit => 993,
        UpstreamTls::Starttls | UpstreamTls::Off => 143,
    };
    let texts = table.texts("servers");
    if !table.has("servers") || texts.as_ref().is_some_and(Vec::is_empty) {
        let problem = table.error("servers", "an upstream needs `servers`");
        table.reading().problem(problem.help(format!("such as servers = [\"imap.example.org:{usual_port}\"]")));
    }
    let texts = texts.iter().flatten();
    texts.filter_map(|text| table.parse_text("servers", text, |text| unit::server(text, usual_port))).collect()
}

fn server_name(text: &str) -> Result<String, Wrong> {
    if unit::is_host(text) || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("not a name of a host", "write the name in the server's certificate, such as \"imap.example.org\""))
}

fn has_quirk(table: &Table<'_>) -> bool {
    let quirks = table.texts("quirks").unwrap_or_default();
    quirks.iter().filter_map(|text| table.word_of("quirks", text, QUIRKS)).count() > 0
}

fn match_user(table: &Table<'_>) -> Vec<String> {
    let texts = table.texts("match_user");
    if texts.as_ref().is_some_and(Vec::is_empty) {
        let problem = table.error("match_user", "`match_user` matches nobody");
        table
            .reading()
            .problem(problem.help("name some users, such as [\"*@example.org\"], or leave it out for all the rest"));
    }
    texts.iter().flatten().filter_map(|text| table.parse_text("match_user", text, user_glob)).collect()
}

fn user_glob(text: &str) -> Result<String, Wrong> {
    let help = "write a glob, such as \"*@example.org\"";
    match text.trim() {
        "" => Err(Wrong::new("empty", help)),
        regex if regex.starts_with("re:") => Err(Wrong::new("regular expressions are for rules", help)),
        _ => Ok(text.to_owned()),
    }
}

fn check_tls(table: &Table<'_>, upstream: &Upstream) {
    if upstream.tls != UpstreamTls::Off {
        return;
    }
    for key in ["ca", "server_name"].into_iter().filter(|key| table.has(key)) {
        table.warn(key, format!("`{key}` is not used: `tls` is off"), "leave it out, or use TLS");
    }
    if upstream.servers.iter().any(|server| !is_local(&server.host)) {
        let message = "passwords and mail cross the network in clear on their way to the upstream";
        table.warn("tls", message, "use tls = \"implicit\" or \"starttls\"");
    }
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
