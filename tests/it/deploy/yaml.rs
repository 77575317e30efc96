//! YAML as values, and held against a schema.

use std::process::Stdio;

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::real::place::{Place, succeed, tool};

/// Every document of a file, as Debian's python3-yaml reads it.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    let place = Place::new();
    let file = std::fs::File::open(place.write("file.yaml", text)).expect("it was written");
    let script = "import json, sys, yaml\n\
                  try: print(json.dumps(list(yaml.safe_load_all(sys.stdin))))\n\
                  except yaml.YAMLError as error: print(json.dumps(str(error)))";
    // Debian's own Python has the package, whichever else comes first in PATH.
    let read = succeed(tool("/usr/bin/python3").args(["-c", script]).stdin(Stdio::from(file)));
    match serde_json::from_str(&read).expect("it prints JSON") {
        Value::Array(documents) => Ok(documents),
        other => Err(other.to_string()),
    }
}

/// What a schema has against a value.
pub fn complaint(schema: &str, value: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", serde_json::from_str(schema).expect("it is JSON")).expect("it is a schema");
    let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error}"));
    schemas.validate(value, index).err().map(|error| error.to_string())
}

/// All strings that a path of keys leads to; lists are walked through.
pub fn all<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    let Some((key, rest)) = path.split_first() else { return vec![value] };
    match value {
        Value::Array(list) => list.iter().flat_map(|item| all(item, path)).collect(),
        Value::Object(map) if *key == "*" => map.values().flat_map(|item| all(item, rest)).collect(),
        Value::Object(map) => map.get(*key).map(|item| all(item, rest)).unwrap_or_default(),
        _ => Vec::new(),
    }
}
