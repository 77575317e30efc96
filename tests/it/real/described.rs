//! What the whole run of the tests leaves in logs, held against the schema, and against those of the formats it is exported to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use imapwarden::audit::verify_and_see;
use imapwarden::report::{Exported, Printer as _, Words};
use regex::Regex;
use serde_json::Value;

/// Exports of each kind of record that are looked at in a log.
const EACH: usize = 40;

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn of(text: &str) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource("schema.json", serde_json::from_str(text).expect("JSON")).expect("it is a schema");
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error}"));
        Self { schemas, index }
    }

    fn check(&self, value: &Value) {
        if let Err(error) = self.schemas.validate(value, self.index) {
            panic!("{error}\n{value}");
        }
    }
}

static OURS: LazyLock<Schema> = LazyLock::new(|| Schema::of(include_str!("../../../schema/audit-v1.schema.json")));
static OCSF: LazyLock<Schema> = LazyLock::new(|| Schema::of(include_str!("../audit_tools/schemas/ocsf.schema.json")));
static ECS: LazyLock<Schema> = LazyLock::new(|| Schema::of(include_str!("../audit_tools/schemas/ecs.schema.json")));
static CEF: LazyLock<Regex> = LazyLock::new(|| {
    let value = r"(?:[^\\=\x00-\x1f]|\\[\\=nr])*";
    let head = r"CEF:0\|imapwarden\|imapwarden\|[0-9.]+\|[A-Z]{2}[0-9]{3}[IWE]\|[a-z_.]+\|[158]\|";
    Regex::new(&format!("^{head}(?:[A-Za-z0-9]+={value}(?: |$))+$")).expect("a pattern")
});

/// Holds a line of the audit log against its schema.
pub fn is_described(record: &Value) {
    OURS.check(record);
}

/// Holds what a log is exported to against what each format is.
pub fn exports_are_valid(log: &Path) {
    let mut seen_of: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    // That it is whole was seen before, with its key if it has one.
    let _ = verify_and_see(log, None, &mut |seen| {
        let times = seen_of.entry((seen.line.code.to_owned(), seen.line.stage.map(str::to_owned))).or_default();
        *times += 1;
        if *times > EACH {
            return;
        }
        let export = |words| {
            let mut out = Vec::new();
            Exported::new(words).record(seen, &mut out).expect("to memory");
            String::from_utf8(out).expect("UTF-8")
        };
        OCSF.check(&serde_json::from_str(&export(Words::Ocsf)).expect("JSON"));
        ECS.check(&serde_json::from_str(&export(Words::Ecs)).expect("JSON"));
        let event = export(Words::Cef);
        assert!(CEF.is_match(event.trim_end_matches('\n')), "{event}");
    });
    assert!(!seen_of.is_empty(), "nothing is in {}", log.display());
}
