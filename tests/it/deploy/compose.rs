//! The compose file: its form, the files that it mounts, and the same set run as plain processes.
//!
//! ```text
//!   traffic.sh ─▶ imapwarden ─▶ dovecot        with compose/*.toml, *.conf, *.yml as they are,
//!                     ▲                         but for addresses, folders and users
//!                 prometheus
//! ```

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::prometheus::Prometheus;
use super::yaml::{all, complaint, documents};
use crate::real::dovecot::Owner;
use crate::real::place::{Place, Process, free_address, output, succeed, tool, until};
use crate::real::proxy::{PROGRAM, get};

const SCHEMA: &str = include_str!("compose.schema.json");

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn shipped(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What is wrong with a compose file.
fn problems(text: &str) -> Vec<String> {
    let file = match documents(text) {
        Ok(documents) if documents.len() == 1 => documents.into_iter().next().expect("one"),
        Ok(documents) => return vec![format!("{} documents", documents.len())],
        Err(error) => return vec![error],
    };
    let mut wrong: Vec<String> = complaint(SCHEMA, &file).into_iter().collect();
    let known = |kind: &str, name: &str| file[kind].get(name).is_some();
    for volume in all(&file, &["services", "*", "volumes"]).into_iter().filter_map(Value::as_array).flatten() {
        let source = volume.as_str().and_then(|text| text.split(':').next()).unwrap_or_default();
        let there = if source.starts_with('.') { deploy().join(source).exists() } else { known("volumes", source) };
        if !there {
            wrong.push(format!("{source} is nowhere"));
        }
    }
    for build in all(&file, &["services", "*", "build"]) {
        let context = deploy().join(build["context"].as_str().unwrap_or_default());
        if !context.join(build["dockerfile"].as_str().unwrap_or("Dockerfile")).exists() {
            wrong.push(format!("{build}: no such file"));
        }
    }
    for named in
        all(&file, &["services", "*", "networks"]).into_iter().chain(all(&file, &["services", "*", "depends_on"]))
    {
        let names: Vec<&str> = match named {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            Value::Object(map) => map.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let unknown = names.into_iter().filter(|name| !known("networks", name) && !known("services", name));
        wrong.extend(unknown.map(|name| format!("{name} is neither a network nor a service")));
    }
    wrong
}

#[test]
fn the_file_has_its_form_and_what_it_mounts_is_there() {
    let text = shipped("compose.yaml");
    assert_eq!(problems(&text), [""; 0]);
    for (name, from, to) in [
        ("no YAML", "services:\n", "services: [\n"),
        ("a key that is none", "read_only: true", "readonly: true"),
        ("a file that is not there", "./compose/imapwarden.toml:", "./compose/imapwarden.tml:"),
        ("a volume that nobody names", "- log:/log", "- logs:/log"),
        ("a service that is none", "depends_on: [prometheus]", "depends_on: [prom]"),
        ("a port that the world reaches", "\"127.0.0.1:1143:1143\"", "\"1143:1143\""),
        ("an image without a version", "busybox:1.36", "busybox"),
        ("no such Dockerfile", "dockerfile: deploy/Dockerfile", "dockerfile: Dockerfile"),
    ] {
        assert!(text.contains(from), "{name}: {from}");
        assert_ne!(problems(&text.replacen(from, to, 1)), [""; 0], "{name}");
    }
}

#[test]
fn what_grafana_is_given_fits_together() {
    let sources = documents(&shipped("compose/grafana/datasources.yml")).expect("YAML");
    let boards = documents(&shipped("compose/grafana/dashboards.yml")).expect("YAML");
    let source = &sources[0]["datasources"][0];
    assert_eq!((&source["type"], &source["isDefault"]), (&Value::from("prometheus"), &Value::from(true)));
    let compose = shipped("compose.yaml");
    let port = source["url"].as_str().and_then(|url| url.rsplit(':').next()).expect("a port");
    assert!(compose.contains(&format!(":{port}:{port}\"")), "{port}");
    let folder = boards[0]["providers"][0]["options"]["path"].as_str().expect("a folder");
    assert!(compose.contains(&format!("- ./grafana:{folder}:ro")), "{folder}");
}

/// Text of a file with this run's own words; each must be there.
fn here(name: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(shipped(name), |text, (from, to)| {
        assert!(text.contains(from), "{name}: {from}");
        text.replace(from, to)
    })
}

struct Set {
    place: Place,
    _dovecot: Process,
    _proxy: Process,
    imap: SocketAddr,
    admin: SocketAddr,
}

impl Set {
    fn start() -> Self {
        let place = Place::new();
        let [imap, admin, dovecot] = [free_address(), free_address(), free_address()];
        let root = place.path("").display().to_string();
        let root = root.trim_end_matches('/');
        let owner = Owner::of_this_process();
        fs::create_dir_all(place.path("mail")).expect("a folder");
        owner.give(&place.path("mail"));
        let process = Self::dovecot(&place, root, dovecot, &owner);

        place.write("rules/demo.toml", shipped("compose/rules/demo.toml"));
        place.write("admin.token", shipped("compose/admin.token"));
        let config = place.write(
            "imapwarden.toml",
            here(
                "compose/imapwarden.toml",
                &[
                    ("0.0.0.0:1143", &imap.to_string()),
                    ("0.0.0.0:9143", &admin.to_string()),
                    ("dovecot:143", &dovecot.to_string()),
                    ("/var/log/imapwarden", &format!("{root}/log")),
                    ("/var/lib/imapwarden", &format!("{root}/state")),
                ],
            ),
        );
        let config = config.display().to_string();
        succeed(tool(PROGRAM).args(["check", "--config", &config]));
        let proxy =
            Process::start("imapwarden", Path::new(PROGRAM), &["run", "--config", &config], &place.path("proxy.log"));
        // What the image asks for its health.
        until("the proxy is ready", || {
            output(tool(PROGRAM).args(["ready", "--config", &config])).status.success().then_some(())
        });
        Self { place, _dovecot: process, _proxy: proxy, imap, admin }
    }

    fn dovecot(place: &Place, root: &str, address: SocketAddr, owner: &Owner) -> Process {
        let text = here(
            "compose/dovecot.conf",
            &[
                ("/srv/mail", &format!("{root}/mail")),
                ("/dev/stderr", &format!("{root}/dovecot.log")),
                ("uid=vmail gid=vmail", &format!("uid={} gid={}", owner.uid, owner.gid)),
                ("listen = *", "listen = 127.0.0.1"),
                ("port = 143\n", &format!("port = {}\n", address.port())),
            ],
        );
        // What a container has to itself.
        let own = format!(
            "base_dir = {root}/run\nstate_dir = {root}/dovecot-state\nfirst_valid_gid = 1\n{}\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\nservice imap-login {{\n  chroot =\n}}\n",
            owner.server_users
        );
        let file = place.write("dovecot.conf", text + &own).display().to_string();
        let process = Process::start("dovecot", Path::new("dovecot"), &["-F", "-c", &file], &place.path("dovecot.out"));
        until("dovecot listens", || std::net::TcpStream::connect(address).ok());
        process
    }
}

#[test]
fn the_same_set_runs_as_plain_processes() {
    let set = Set::start();
    let script = deploy().join("compose/traffic.sh");
    let mut traffic = tool("sh");
    traffic.arg(script).env("SERVER", format!("imap://{}", set.imap)).env("ROUNDS", "3").env("PAUSE", "0");
    let seen = succeed(traffic.current_dir(set.place.path("")));
    assert!(seen.contains("Subject: message 1") && seen.contains("Archive"), "{seen}");
    assert!(!seen.contains("Finance"), "{seen}");

    let prometheus = Prometheus::with_file(&here(
        "compose/prometheus.yml",
        &[
            ("172.28.143.10:9143", &set.admin.to_string()),
            (
                "/etc/prometheus/imapwarden.rules.yml",
                &deploy().join("prometheus/imapwarden.rules.yml").display().to_string(),
            ),
            ("_interval: 5s", "_interval: 1s"),
        ],
    ));
    for expression in [
        "up{job=\"imapwarden\"} == 1",
        "sum(imapwarden_auth_attempts_total{result=\"success\"}) > 0",
        "sum(imapwarden_messages_read_total{class=\"full\"}) > 0",
        "sum(imapwarden_policy_rule_hits_total{rule=\"archive-is-read-only\", mode=\"enforce\"}) > 0",
        "sum(imapwarden_policy_rule_hits_total{rule=\"would-refuse-copies\", mode=\"shadow\"}) > 0",
        "sum(imapwarden_hidden_mailboxes_total) > 0",
    ] {
        until(expression, || prometheus.ask(expression).ok().filter(|found| !found.is_empty()));
    }
    assert_eq!(get(set.admin, "/").map(|(status, _)| status), Some(200), "the live page");
}
