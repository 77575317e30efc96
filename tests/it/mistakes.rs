//! Mistakes that people make, each with what `check` must say of it: a wrong rule leaks in silence.
//!
//! ```text
//!   === a right that there is not                    tests/it/mistakes/*.txt
//!   [[rule]]
//!   id = "x"
//!   rights = "lr‹z"                                  ‹ is where the problem stands; it is not in the file
//!   >>> error: unknown right `z` | the rights are    severity, words of what is wrong | words of the mend
//! ```
//!
//! Nothing else may be said of the file. `--- name` begins another file; without one it is `rules/seed.toml`. What is sound
//! stands in `tests/it/mistakes/sound` and in the repository's own files: of those nothing at all may be said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where a problem stands.
const MARK: char = '‹';

/// The configuration around a rule file, for mistakes that have none of their own.
const CONFIGURATION: &str = r#"
[[listener]]
name = "imaps"
bind = "127.0.0.1:143"
tls = "off"
allow_plaintext_login = true
proxy_protocol_from = ["127.0.0.1"]

[[listener]]
name = "office"
bind = "127.0.0.1:144"
tls = "off"
allow_plaintext_login = true
proxy_protocol_from = ["::1", "127.0.0.0/8"]

[[upstream]]
name = "main"
servers = ["imap.example.org:993"]

[policy]
rules = ["rules/*.toml"]
groups = "groups.toml"
"#;

const GROUPS: &str =
    "finance = [\"ann@example.org\", \"m.berg@example.org\"]\ncontractors = [\"*@contractor.example\"]\n";

struct Mistake {
    name: String,
    files: BTreeMap<String, String>,
    wanted: Vec<Wanted>,
}

/// What must be said.
#[derive(Debug)]
struct Wanted {
    /// `rules/seed.toml:4:12`
    place: String,
    severity: String,
    says: String,
    mend: String,
}

#[test]
fn each_mistake_is_named_where_it_stands_with_its_mend() {
    let mistakes = all();
    let mut wrong = Vec::new();
    for mistake in &mistakes {
        let (status, problems) = check(&mistake.files);
        let told: Vec<String> = problems.iter().map(told).collect();
        let missing: Vec<&Wanted> =
            mistake.wanted.iter().filter(|wanted| !problems.iter().any(|problem| wanted.is(problem))).collect();
        if !missing.is_empty() || problems.len() != mistake.wanted.len() || status != 1 {
            wrong.push(format!("{}: missing {missing:#?}\nsaid {told:#?}, status {status}", mistake.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), mistakes.len(), wrong.join("\n\n"));
    assert!(mistakes.len() >= 100, "{} mistakes", mistakes.len());
}

#[test]
fn of_what_is_sound_nothing_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rules = 0;
    for file in toml_in(&root.join("rules")).into_iter().chain(toml_in(&root.join("tests/it/mistakes/sound"))) {
        let text = fs::read_to_string(&file).expect("it can be read");
        rules += text.matches("[[rule]]").count();
        let (status, problems) = check(&files([("rules/seed.toml".to_owned(), text)]));
        let told: Vec<String> = problems.iter().map(told).collect();
        assert!(told.is_empty() && status == 0, "{}: {told:#?}", file.display());
    }
    assert!(rules >= 60, "{rules} rules");
}

#[test]
fn an_actor_need_not_be_somebody_whom_an_upstream_serves() {
    let upstream = "servers = [\"imap.example.org:993\"]";
    let configuration =
        CONFIGURATION.replace(upstream, &format!("{upstream}\nmatch_user = [\"*@example.org\", \"root\"]"));
    let rules = "[[rule]]\nid = \"x\"\nwhen = { actor = [\"audit@auditor.example\", \"backup\"], user = [\"*@example.org\", \"root\"] }\n\
                 rights = \"lr\"\n";
    let own = [("imapwarden.toml", configuration.as_str()), ("rules/seed.toml", rules)];
    let own = own.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(check(&files(own)), (0, Vec::new()));
}

impl Wanted {
    fn is(&self, problem: &Value) -> bool {
        let text = |key: &str| problem[key].as_str().unwrap_or_default();
        place(problem) == self.place
            && text("severity") == self.severity
            && text("message").contains(&self.says)
            && (self.mend.is_empty() || format!("{} {}", text("label"), text("help")).contains(&self.mend))
    }
}

fn place(problem: &Value) -> String {
    format!("{}:{}:{}", problem["file"].as_str().unwrap_or_default(), problem["line"], problem["column"])
}

fn told(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    format!("{} {}: {} [{}] ({})", place(problem), text("severity"), text("message"), text("label"), text("help"))
}

/// Status and problems of `check --json --deny-warnings`.
fn check(files: &BTreeMap<String, String>) -> (i32, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("it is ours");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    let arguments = ["check", "--json", "--deny-warnings", "--config", "imapwarden.toml"];
    let done = command.current_dir(folder.path()).args(arguments).output().expect("the program is built");
    let told: Value = serde_json::from_slice(&done.stdout).expect("one object");
    let problems = told["problems"].as_array().expect("a list").clone();
    (done.status.code().expect("it ends by itself"), problems)
}

/// These files, and those that must be there.
fn files(own: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let usual = [("imapwarden.toml", CONFIGURATION), ("groups.toml", GROUPS), ("rules/none.toml", "")];
    let mut files: BTreeMap<String, String> =
        usual.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    files.extend(own);
    files
}

fn all() -> Vec<Mistake> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mistakes");
    let entries = fs::read_dir(folder).expect("the folder is in the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).expect("it can be read"));
    texts.flat_map(|text| text.split("\n=== ").skip(1).map(read).collect::<Vec<_>>()).collect()
}

fn read(block: &str) -> Mistake {
    let (name, rest) = block.split_once('\n').expect("a name, and files");
    let (mut file, mut own, mut wanted) = ("rules/seed.toml".to_owned(), BTreeMap::<String, String>::new(), Vec::new());
    let mut marks: Vec<String> = Vec::new();
    for line in rest.lines() {
        if let Some(other) = line.strip_prefix("--- ") {
            other.clone_into(&mut file);
        } else if let Some(says) = line.strip_prefix(">>> ") {
            wanted.push(says.to_owned());
        } else {
            let text = own.entry(file.clone()).or_default();
            let number = text.lines().count() + 1;
            let mut plain = line.to_owned();
            while let Some(at) = plain.find(MARK) {
                marks.push(format!("{file}:{number}:{}", plain[..at].chars().count() + 1));
                plain.remove(at);
            }
            text.push_str(&plain);
            text.push('\n');
        }
    }
    assert_eq!(marks.len(), wanted.len(), "{name}: a mark for each problem");
    let wanted = marks.into_iter().zip(&wanted).map(|(place, says)| {
        let (severity, rest) = says.split_once(": ").expect("a severity");
        let (says, mend) = rest.split_once(" | ").expect("what is wrong, and the mend");
        Wanted { place, severity: severity.to_owned(), says: says.to_owned(), mend: mend.to_owned() }
    });
    Mistake { name: name.to_owned(), wanted: wanted.collect(), files: files(own) }
}

fn toml_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is in the repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_rules = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".toml") && !name.ends_with(".test.toml")
    };
    paths.filter(is_rules).collect()
}
