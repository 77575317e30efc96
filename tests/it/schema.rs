//! The JSON Schema for editors, held against the files in this repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// What the program prints, ready to be asked.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn printed(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
        let output = command.arg("schema").args(arguments).output().expect("the program is built");
        assert_eq!(output.status.code(), Some(0));
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let json = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        compiler.add_resource("schema.json", json).expect("it is a schema");
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error}"));
        Self(schemas, index)
    }

    fn takes(&self, file: &Path) -> Result<(), String> {
        let text = fs::read_to_string(file).expect("it can be read");
        let document: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let json = json(toml::Value::Table(document));
        self.0.validate(&json, self.1).map_err(|error| format!("{}: {error}", file.display()))
    }
}

#[test]
fn files_that_load_are_taken() {
    let any = Schema::printed(&[]);
    let kinds = ["configuration", "rules", "tests"].map(|kind| Schema::printed(&[kind]));
    let [configurations, rules, tests] = [files("config", ""), files("rules", ""), files("rules", ".test")];
    assert!(configurations.len() >= 2 && rules.len() >= 8 && tests.len() == rules.len());
    for (kind, files) in [configurations, rules, tests].into_iter().enumerate() {
        for file in files {
            assert_eq!((any.takes(&file), kinds[kind].takes(&file)), (Ok(()), Ok(())));
            let others = kinds.iter().enumerate().filter(|(other, _)| *other != kind);
            for (_, other) in others {
                assert!(other.takes(&file).is_err(), "{} is of one kind", file.display());
            }
        }
    }
}

#[test]
fn files_with_mistakes_are_not() {
    let any = Schema::printed(&[]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "tests/it/diagnostics/keys/imapwarden.toml",
        "tests/it/diagnostics/values/imapwarden.toml",
        "src/policy/load/tests/keys.toml",
        "src/policy/load/tests/ids.toml",
        "src/policy/rule_test/tests/broken.toml",
        "tests/it/policy_tools/broken.test.toml",
    ] {
        assert!(any.takes(&here.join(file)).is_err(), "{file}");
    }
}

/// All `*.toml` of a folder that end so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(root).expect("the folder").map(|entry| entry.expect("an entry").path());
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = |path: &PathBuf| path.extension().is_some_and(|end| end == "toml");
    let kind = |path: &PathBuf| stem(path).ends_with(".test") != ending.is_empty();
    entries.filter(|path| wanted(path) && kind(path)).collect()
}

/// As editors see it: dates are texts.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}
