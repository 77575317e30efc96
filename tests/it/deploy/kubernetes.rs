//! The manifests: their form, whether they fit together, and a proxy that runs with what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::yaml::{all, complaint, documents};
use crate::real::place::{Place, Process, Signal, free_address, output, succeed, tool, until};
use crate::real::proxy::{PROGRAM, get};

const MANIFESTS: &str = include_str!("../../../deploy/kubernetes/imapwarden.yaml");
const SCHEMA: &str = include_str!("kubernetes.schema.json");

fn one<'d>(all: &'d [Value], kind: &str) -> &'d Value {
    all.iter().find(|document| document["kind"] == kind).unwrap_or(&Value::Null)
}

/// What is wrong with manifests.
fn problems(text: &str) -> Vec<String> {
    let documents = match documents(text) {
        Ok(documents) => documents,
        Err(error) => return vec![error],
    };
    let mut wrong: Vec<String> = documents
        .iter()
        .filter_map(|document| {
            complaint(SCHEMA, document)
                .map(|said| format!("{} {}: {said}", document["kind"], document["metadata"]["name"]))
        })
        .collect();
    let set = one(&documents, "StatefulSet");
    let (pod, labels) = (&set["spec"]["template"]["spec"], &set["spec"]["template"]["metadata"]["labels"]);
    let container = &pod["containers"][0];
    for (what, selector) in documents.iter().flat_map(|document| {
        let paths = [["spec", "selector", "matchLabels"], ["spec", "podSelector", "matchLabels"]]
            .map(|path| all(document, &path));
        let services = if document["kind"] == "Service" { all(document, &["spec", "selector"]) } else { Vec::new() };
        paths.into_iter().flatten().chain(services).map(|selector| (&document["kind"], selector)).collect::<Vec<_>>()
    }) {
        let Some(selector) = selector.as_object() else { continue };
        if selector.iter().any(|(label, value)| labels.get(label) != Some(value)) {
            wrong.push(format!("{what} selects no pod"));
        }
    }
    let names =
        |values: Vec<&Value>| values.into_iter().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>();
    let ports = names(all(container, &["ports", "name"]));
    let asked = ["startupProbe", "livenessProbe", "readinessProbe"]
        .map(|probe| all(container, &[probe, "httpGet", "port"]))
        .concat();
    let served = documents.iter().flat_map(|document| all(document, &["spec", "ports", "targetPort"]));
    let let_in = documents.iter().flat_map(|document| all(document, &["spec", "ingress", "ports", "port"]));
    let unknown = names(asked.into_iter().chain(served).chain(let_in).collect());
    wrong.extend(unknown.difference(&ports).map(|port| format!("no port is called {port}")));
    let volumes = names(all(pod, &["volumes", "name"]));
    let claims = names(all(set, &["spec", "volumeClaimTemplates", "metadata", "name"]));
    let there: BTreeSet<String> = volumes.union(&claims).cloned().collect();
    let mounted = names(all(container, &["volumeMounts", "name"]));
    wrong.extend(
        mounted.symmetric_difference(&there).map(|name| format!("the volume {name} is not both there and mounted")),
    );
    let maps = names(
        documents.iter().filter(|d| d["kind"] == "ConfigMap").flat_map(|d| all(d, &["metadata", "name"])).collect(),
    );
    wrong.extend(
        names(all(pod, &["volumes", "configMap", "name"])).difference(&maps).map(|name| format!("no ConfigMap {name}")),
    );
    let headless =
        documents.iter().find(|d| d["kind"] == "Service" && d["metadata"]["name"] == set["spec"]["serviceName"]);
    if headless.is_none_or(|service| service["spec"]["clusterIP"] != "None") {
        wrong.push("serviceName names no headless Service".to_owned());
    }
    if pod["serviceAccountName"] != one(&documents, "ServiceAccount")["metadata"]["name"] {
        wrong.push("no such ServiceAccount".to_owned());
    }
    wrong.extend(configuration(&documents, pod, container));
    wrong
}

/// What `imapwarden check` and the pod's own times have against the configuration.
fn configuration(documents: &[Value], pod: &Value, container: &Value) -> Vec<String> {
    let place = Place::new();
    let file = lay_out(&place, documents, container, &[]);
    let checked = output(tool(PROGRAM).args(["check", "--config", &file]));
    let mut wrong = Vec::new();
    if !checked.status.success() {
        wrong.push(String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout));
    }
    let text = fs::read_to_string(&file).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let bound: BTreeSet<u64> = [&table["listener"][0]["bind"], &table["admin"]["bind"]]
        .iter()
        .filter_map(|bind| bind.as_str()?.rsplit(':').next()?.parse().ok())
        .collect();
    let opened: BTreeSet<u64> =
        all(container, &["ports", "containerPort"]).into_iter().filter_map(Value::as_u64).collect();
    if bound != opened {
        wrong.push(format!("it listens on {bound:?}, the pod opens {opened:?}"));
    }
    // drain_delay 15 s, drain_window 2 min, and what the hook waits.
    let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
    if pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30) <= before + 15 + 120 {
        wrong.push("it is killed before it has drained".to_owned());
    }
    wrong
}

/// The mounted files below a folder, and certificates; the configuration's path. Paths in it are those of the folder.
fn lay_out(place: &Place, documents: &[Value], container: &Value, words: &[(&str, &str)]) -> String {
    let root = place.path("root").display().to_string();
    let maps = documents.iter().filter(|document| document["kind"] == "ConfigMap");
    for map in maps {
        let folder = if map["metadata"]["name"] == "imapwarden" { "imapwarden" } else { "imapwarden-rules" };
        for (name, text) in map["data"].as_object().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default().replace("\"/", &format!("\"{root}/"));
            let text = words.iter().fold(text, |text, (from, to)| text.replace(from, to));
            place.write(&format!("root/etc/{folder}/{name}"), text);
        }
    }
    for (name, of) in [("tls.crt", "chain.pem"), ("tls.key", "key.pem")] {
        place.write(&format!("root/etc/imapwarden-tls/{name}"), fs::read(place.path("tls").join(of)).expect("a file"));
    }
    place.write("root/etc/imapwarden-admin/admin.token", "a-token-of-this-test\n");
    let arguments: Vec<&str> = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{root}{}", arguments.last().unwrap_or(&""))
}

#[test]
fn the_manifests_have_their_form_and_fit_together() {
    assert_eq!(problems(MANIFESTS), [""; 0]);
    for (name, from, to) in [
        ("no YAML", "data:\n", "data: [\n"),
        ("a key that is none", "readinessProbe:", "readynessProbe:"),
        (
            "a label of nobody",
            "  selector:\n    app.kubernetes.io/name: imapwarden\n",
            "  selector:\n    app.kubernetes.io/name: imap\n",
        ),
        ("a port of nobody", "targetPort: imaps", "targetPort: imap"),
        ("a volume that is not there", "- name: data\n              mountPath", "- name: log\n              mountPath"),
        ("rules that do not load", "rights = \"read-only\"", "rights = \"read-onyl\""),
        ("another port in the configuration", "bind = \"[::]:1993\"", "bind = \"[::]:993\""),
        ("too little time to drain", "terminationGracePeriodSeconds: 170", "terminationGracePeriodSeconds: 60"),
        ("a file elsewhere", "mountPath: /data\n", "mountPath: data\n"),
        ("no such ConfigMap", "            name: imapwarden-rules", "            name: imapwarden-rule"),
    ] {
        assert!(MANIFESTS.contains(from), "{name}: {from}");
        assert_ne!(problems(&MANIFESTS.replacen(from, to, 1)), [""; 0], "{name}");
    }
}

#[test]
fn a_proxy_runs_with_them_and_answers_the_probes() {
    let documents = documents(MANIFESTS).expect("YAML");
    let container = &one(&documents, "StatefulSet")["spec"]["template"]["spec"]["containers"][0];
    let place = Place::new();
    let (imaps, admin) = (free_address(), free_address());
    let words = [("[::]:1993", imaps.to_string()), ("[::]:9143", admin.to_string())];
    let words = words.each_ref().map(|(from, to)| (*from, to.as_str()));
    let config = lay_out(&place, &documents, container, &words);
    fs::create_dir_all(place.path("root/data")).expect("the volume");
    let arguments: Vec<&str> =
        container["args"].as_array().expect("arguments").iter().filter_map(Value::as_str).collect();
    let arguments = [&arguments[..arguments.len() - 1], &[&*config]].concat();
    let mut proxy = Process::start("imapwarden", Path::new(PROGRAM), &arguments, &place.path("proxy.log"));
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().expect(probe);
        until(probe, || get(admin, path).filter(|(status, _)| *status == 200));
    }
    // What reloads it after a change.
    let reloaded = succeed(tool(PROGRAM).args(["reload", "--config", &config]));
    assert!(reloaded.contains("rules"), "{reloaded}");
    assert!(place.path("root/data/audit").is_dir(), "the log is on the volume");
    proxy.signal(Signal::TERM);
    until("it drains", || get(admin, "/readyz").filter(|(status, _)| *status == 503));
    proxy.signal(Signal::TERM);
    assert!(proxy.wait().success());
}
