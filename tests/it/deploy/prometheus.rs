//! A real Prometheus: with series that were prepared, or scraping a proxy.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use imapwarden::metrics::table::{self, Kind, Row};
use serde_json::Value;

use crate::real::place::{Place, Process, free_address, succeed, tool, until};
use crate::real::proxy::get;

/// Running until dropped.
pub struct Prometheus {
    _place: Place,
    _process: Process,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes as the shipped configuration says, but this proxy, and sooner; with the shipped rules.
    pub fn scraping(admin: SocketAddr) -> Self {
        let place = Place::new();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
        let config = std::fs::read_to_string(shipped.join("prometheus.yml")).expect("it is shipped");
        let here = config.replace("192.0.2.1:9143", &admin.to_string()).replace("_interval: 15s", "_interval: 1s");
        assert!(here.contains(&admin.to_string()) && here.contains("scrape_interval: 1s"), "{here}");
        place.write("prometheus.yml", here);
        place.write("imapwarden.rules.yml", std::fs::read(shipped.join("imapwarden.rules.yml")).expect("rules"));
        Self::start(place)
    }

    /// Knows a series of each metric, up to now: an hour's, and an hour's of a week ago.
    pub fn with_prepared_series() -> Self {
        let place = Place::new();
        let file = place.write("series", prepared(now()));
        let (file, data) = (file.display().to_string(), place.path("data").display().to_string());
        succeed(tool("promtool").args(["tsdb", "create-blocks-from", "openmetrics", &file, &data]));
        place.write("prometheus.yml", "");
        Self::start(place)
    }

    /// With this configuration.
    pub fn with_file(config: &str) -> Self {
        let place = Place::new();
        place.write("prometheus.yml", config);
        Self::start(place)
    }

    fn start(place: Place) -> Self {
        let address = free_address();
        let data = place.path("data").display().to_string();
        let config = place.path("prometheus.yml").display().to_string();
        let arguments = [
            "--config.file",
            &config,
            "--storage.tsdb.path",
            &data,
            "--storage.tsdb.retention.time=10y",
            "--web.listen-address",
            &address.to_string(),
        ];
        let log = place.path("prometheus.log");
        let process = Process::start("prometheus", Path::new("prometheus"), &arguments, &log);
        until("prometheus is ready", || get(address, "/-/ready").filter(|(status, _)| *status == 200));
        Self { _place: place, _process: process, address }
    }

    /// What an expression gives now, or what is wrong with it.
    pub fn ask(&self, expression: &str) -> Result<Vec<Value>, String> {
        let path = format!("/api/v1/query?query={}&time={}", escaped(expression), now());
        let (_, body) = get(self.address, &path).ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["data"]["result"].as_array() {
            Some(result) => Ok(result.clone()),
            None => Err(answer["error"].as_str().unwrap_or(&body).to_owned()),
        }
    }

    /// A page of its own.
    pub fn page(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&get(self.address, path)?.1).ok()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = if byte.is_ascii_alphanumeric() { write!(out, "{}", byte as char) } else { write!(out, "%{byte:02X}") };
        out
    })
}

/// What stands in labels: for each the values that dashboards and alerts ask for.
fn values(label: &str) -> &'static [&'static str] {
    match label {
        "version" => &["0.1.0"],
        "revision" => &["abc"],
        "rev" => &["9b1d02c4"],
        "listener" => &["imaps"],
        "upstream" => &["main"],
        "name" => &["imap.example.org"],
        "rule" => &["archive-is-read-only"],
        "effect" => &["rights"],
        "mode" => &["enforce", "shadow"],
        "status" => &["OK", "UNAVAILABLE", "CUT"],
        "result" => &["success", "credentials", "refused", "ok", "failed"],
        "verdict" => &["allowed", "refused"],
        "kind" => &["fetch_meta", "fetch_content"],
        "state" => &["idle", "selected"],
        _ => &["any"],
    }
}

/// Every family of the table in OpenMetrics, once a minute in two hours: this one, and that of a week ago.
fn prepared(now: u64) -> String {
    let mut out = String::new();
    for row in table::ALL {
        let name = match row.kind {
            Kind::Counter => row.name.trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram(_) => row.name,
        };
        let _ = writeln!(out, "# TYPE {name} {}", row.kind.word());
        for labels in combinations(row) {
            series(&mut out, row, &labels, now);
        }
    }
    out + "# EOF\n"
}

fn series(out: &mut String, row: &Row, labels: &str, now: u64) {
    for minute in (0..60).map(|minute| 604_800 + 60 * minute).chain((0..60).map(|minute| 60 * minute)).rev() {
        let (time, rising) = (now - minute, 1_000_000 - minute);
        match row.kind {
            // A rule that nobody ran into is looked for, too: one series stands still.
            Kind::Counter => {
                let value = if labels.contains("mode=\"shadow\"") { 1_000_000 } else { rising };
                let _ = writeln!(out, "{}{{{labels}}} {value} {time}", row.name);
            }
            Kind::Gauge => {
                let _ = writeln!(out, "{}{{{labels}}} 1 {time}", row.name);
            }
            Kind::Histogram(edges) => {
                let edges = edges.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                for edge in edges {
                    let _ = writeln!(out, "{}_bucket{{{labels},le=\"{edge}\"}} {rising} {time}", row.name);
                }
                let _ = writeln!(
                    out,
                    "{0}_count{{{labels}}} {rising} {time}\n{0}_sum{{{labels}}} {rising} {time}",
                    row.name
                );
            }
        }
    }
}

fn combinations(row: &Row) -> Vec<String> {
    let target = "job=\"imapwarden\",instance=\"mx-a1:9143\"".to_owned();
    row.labels.iter().fold(vec![target], |all, label| {
        let more = all
            .iter()
            .flat_map(|before| values(label).iter().map(move |value| format!("{before},{label}=\"{value}\"")));
        more.collect()
    })
}
