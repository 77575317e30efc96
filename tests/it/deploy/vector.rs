//! The way of the log to other stores: what the file names is there, and its cases are about records as they are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::yaml::{all, complaint, documents};

const FILE: &str = include_str!("../../../deploy/vector/imapwarden.yaml");
const UNIT: &str = include_str!("../../../deploy/systemd/imapwarden.service");
const SCHEMA: &str = include_str!("../../../schema/audit-v1.schema.json");

/// What is wrong with such a file.
fn problems(text: &str) -> Vec<String> {
    let file = match documents(text) {
        Ok(documents) if documents.len() == 1 => documents.into_iter().next().expect("one"),
        Ok(documents) => return vec![format!("{} documents", documents.len())],
        Err(error) => return vec![error],
    };
    let mut wrong = Vec::new();
    let named =
        |kind: &str| file[kind].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<BTreeSet<_>>();
    let dropping = all(&file, &["transforms", "*", "reroute_dropped"]).contains(&&Value::Bool(true));
    let mut there: BTreeSet<String> = named("sources").union(&named("transforms")).cloned().collect();
    there.extend(named("transforms").iter().filter(|_| dropping).map(|name| format!("{name}.dropped")));
    let inputs = [all(&file, &["transforms", "*", "inputs"]), all(&file, &["sinks", "*", "inputs"])].concat();
    for input in inputs.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
        if !there.contains(input) {
            wrong.push(format!("nothing is called {input}"));
        }
    }
    let sinks: BTreeSet<&str> = all(&file, &["sinks", "*", "type"]).into_iter().filter_map(Value::as_str).collect();
    if !["kafka", "clickhouse", "loki"].iter().all(|kind| sinks.contains(kind)) {
        wrong.push(format!("sinks are {sinks:?}"));
    }
    let labels =
        file["sinks"]["loki"]["labels"].as_object().map(|map| map.keys().map(String::as_str).collect::<BTreeSet<_>>());
    if labels != Some(BTreeSet::from(["node", "area"])) {
        wrong.push(format!("labels are {labels:?}"));
    }
    let log = UNIT.lines().find_map(|line| line.strip_prefix("LogsDirectory=")).expect("it has one");
    if file["sources"]["segments"]["include"][0] != format!("/var/log/{log}/*.jsonl") {
        wrong.push("the segments are elsewhere".to_owned());
    }
    wrong.extend(fields(&file));
    let cases = file["tests"].as_array().into_iter().flatten();
    wrong.into_iter().chain(cases.flat_map(case)).collect()
}

/// Fields that are made of fields that no record has.
fn fields(file: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let known: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let made = BTreeSet::from(["message", "id", "area", "timestamp"]);
    let source = file["transforms"]["records"]["source"].as_str().unwrap_or_default();
    let named = source.split(|letter: char| !(letter.is_ascii_alphanumeric() || "._".contains(letter)));
    let named = named.filter_map(|word| word.strip_prefix('.')).filter(|field| !field.is_empty());
    named
        .filter(|field| !known.contains(field) && !made.contains(field))
        .map(|field| format!("no record has {field}"))
        .collect()
}

/// A case that is about no record, or expects what would not come.
fn case(case: &Value) -> Vec<String> {
    let line = case["inputs"][0]["log_fields"]["message"].as_str().unwrap_or_default();
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        let silent = case["no_outputs_from"][0] == "records";
        return if silent { Vec::new() } else { vec![format!("{}: no JSON", case["name"])] };
    };
    let mut wrong: Vec<String> = complaint(SCHEMA, &record).into_iter().collect();
    let said = case["outputs"][0]["conditions"][0]["source"].as_str().unwrap_or_default();
    let id = format!("{}:{}", record["log"].as_str().unwrap_or_default(), record["seq"]);
    let area = record["code"].as_str().and_then(|code| code.get(..2)).unwrap_or_default();
    for wanted in [format!("assert_eq!(.id, \"{id}\")"), format!("assert_eq!(.area, \"{area}\")")] {
        if !said.contains(&wanted) {
            wrong.push(format!("{}: it says nothing like {wanted}", case["name"]));
        }
    }
    wrong
}

#[test]
fn the_file_fits_together_and_its_cases_are_records() {
    assert_eq!(problems(FILE), [""; 0]);
    for (name, from, to) in [
        ("no YAML", "sinks:\n", "sinks: [\n"),
        ("an input that is not there", "inputs: [segments]", "inputs: [segment]"),
        ("a user as a label", "      node: \"{{ node }}\"\n", "      user: \"{{ user }}\"\n"),
        ("another folder", "/var/log/imapwarden/*.jsonl", "/var/log/imapwarden/*.json"),
        ("a field that no record has", "int!(.seq)", "int!(.sequence)"),
        ("a case about no record", "\"type\":\"session.close\"", "\"type\":\"session.end\""),
        ("a case that expects something else", "\"01k9z3t0m4:12\"", "\"01k9z3t0m4:13\""),
    ] {
        assert!(FILE.contains(from), "{name}: {from}");
        assert_ne!(problems(&FILE.replacen(from, to, 1)), [""; 0], "{name}");
    }
}
