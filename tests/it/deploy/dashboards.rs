//! Dashboards: what they ask for exists, can be asked, and is answered; and each panel says what to do.

use std::collections::BTreeSet;

use imapwarden::metrics::table;
use serde_json::Value;

use super::prometheus::Prometheus;

const DASHBOARDS: [(&str, &str); 2] = [
    ("imapwarden-service", include_str!("../../../deploy/grafana/imapwarden-service.json")),
    ("imapwarden-policy", include_str!("../../../deploy/grafana/imapwarden-policy.json")),
];

/// What Grafana puts for a variable.
const VARIABLES: [(&str, &str); 5] = [
    ("$job", ".*"),
    ("$instance", ".*"),
    ("$listener", ".*"),
    ("$upstream", ".*"),
    // Four times the scrape interval, and a second point where that is a minute.
    ("$__rate_interval", "5m"),
];

/// What is asked for that may have no answer while all is well, so none is wanted of prepared series: nothing.
fn dashboards() -> Vec<(&'static str, Value)> {
    DASHBOARDS.iter().map(|(uid, text)| (*uid, serde_json::from_str(text).expect(uid))).collect()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] != "row")
}

/// Each expression, with where it stands.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push((panel["title"].to_string(), target["expr"].as_str().unwrap_or_default().to_owned()));
        }
    }
    for mark in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        all.push((mark["name"].to_string(), mark["expr"].as_str().unwrap_or_default().to_owned()));
    }
    for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
        // `label_values(series, label)`
        let asked = variable["query"]["query"].as_str().unwrap_or_default();
        let series = asked.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(", "));
        all.extend(series.map(|(series, _)| (variable["name"].to_string(), series.to_owned())));
    }
    all
}

fn filled(expression: &str) -> String {
    VARIABLES.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// Names in an expression that are not in the table.
fn unknown(expression: &str) -> Vec<String> {
    let mut known = BTreeSet::new();
    for row in table::ALL {
        known.insert(row.name.to_owned());
        known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", row.name)));
    }
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names = words.filter(|word| word.starts_with("imapwarden_") || word.starts_with("process_"));
    names.filter(|name| !known.contains(*name)).map(str::to_owned).collect()
}

/// What Prometheus has against an expression: an error, or that nothing comes.
fn complaint(prometheus: &Prometheus, expression: &str) -> Option<String> {
    match prometheus.ask(&filled(expression)) {
        Err(error) => Some(error),
        Ok(result) if result.is_empty() => Some("nothing comes".to_owned()),
        Ok(_) => None,
    }
}

#[test]
fn each_panel_says_what_to_do_and_where_it_stands() {
    for (uid, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], uid);
        let names: Vec<_> =
            dashboard["templating"]["list"].as_array().expect("variables").iter().map(|v| &v["name"]).collect();
        assert_eq!(names, ["datasource", "job", "instance", "listener", "upstream"]);
        let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().expect("a title");
            let said = panel["description"].as_str().unwrap_or_default();
            assert!(said.len() > 30 && said.ends_with('.') && !said.contains(". "), "{title}: one sentence: {said}");
            assert!(ids.insert(panel["id"].to_string()) && titles.insert(title), "{title}: twice");
            assert!(
                panel["gridPos"]["x"].as_u64().zip(panel["gridPos"]["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24),
                "{title}"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn each_expression_is_answered_by_a_prometheus() {
    let prometheus = Prometheus::with_prepared_series();
    let mut asked = 0;
    for (uid, dashboard) in dashboards() {
        for (place, expression) in expressions(&dashboard) {
            assert_eq!(unknown(&expression), [""; 0], "{uid}: {place}");
            // What marks a drain, or a reload, is there at its moment only.
            let moment = ["\"Drains\"", "\"Rules\""].contains(&&*place);
            let complaint = complaint(&prometheus, &expression).filter(|said| !(moment && said == "nothing comes"));
            assert_eq!(complaint, None, "{uid}: {place}: {}", filled(&expression));
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
    // And what is broken is found.
    assert_eq!(unknown("sum(imapwarden_commands{job=\"x\"})"), ["imapwarden_commands"]);
    assert!(complaint(&prometheus, "sum(imapwarden_commands_total{job=\"x\"})").is_some(), "nobody has this label");
    assert!(complaint(&prometheus, "sum(imapwarden_commands_total{").is_some_and(|said| said.contains("parse error")));
}
