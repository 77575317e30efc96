//! `imapwarden schema`: what may stand in which file, for editors.

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

/// Print the JSON Schema of the configuration, of rule files and of their tests, for editors. Without a kind it takes a
/// file of any.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// For files of one kind.
    #[arg(value_enum)]
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// imapwarden.toml
    Configuration,
    /// Rule files
    Rules,
    /// Unit tests of rules, *.test.toml
    Tests,
}

const SCHEMA: &str = include_str!("../../schema/imapwarden.schema.json");

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let text = match arguments.kind {
        None => SCHEMA.to_owned(),
        Some(kind) => of_kind(kind),
    };
    ExitCode::from(u8::from(std::io::stdout().write_all(text.as_bytes()).is_err()))
}

fn of_kind(kind: Kind) -> String {
    let name = match kind {
        Kind::Configuration => "configuration",
        Kind::Rules => "rules",
        Kind::Tests => "tests",
    };
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    if let Some(whole) = schema.as_object_mut() {
        whole.insert("anyOf".to_owned(), json!([{ "$ref": format!("#/definitions/{name}") }]));
    }
    format!("{schema:#}\n")
}
