//! Which tests are there, and of which rules?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Ground, Question};
use crate::app::rules::context;
use crate::config::{Config, reason};
use crate::diagnostic::{Problem, Severity, Sources};
use crate::policy::{LoadContext, RuleFile, RuleSet, RuleTest, check_ids, read_tests};

/// Tests, each with the rules that it is of.
pub struct Suite {
    pub(super) parts: Vec<Part>,
}

/// Tests of the same rules.
pub(super) struct Part {
    pub ground: Ground,
    pub cases: Vec<Case>,
}

/// A test whose command is understood.
pub(super) struct Case {
    pub test: RuleTest,
    pub question: Option<Question>,
}

impl Suite {
    /// Tests of the rules that a configuration names: these files, or all that stand beside the rules.
    pub fn of_config(config: &Path, files: &[PathBuf], sources: &mut Sources) -> (Option<Self>, Vec<Problem>) {
        let (loaded, mut problems) = Ground::load(config, sources);
        let Some((ground, config)) = loaded else { return (None, problems) };
        let files = if files.is_empty() { &config.policy.tests } else { files };
        let mut found = Vec::new();
        let cases = read(files, &ground.context, Some(&ground.rules), sources, &mut found);
        let runs = !found.iter().any(Problem::is_error);
        problems.extend(found);
        (runs.then(|| Self { parts: vec![Part { ground, cases }] }), problems)
    }

    /// Tests of the rules beside them: those of the file of the same name, or, where there is none, of all files.
    pub fn of_files(files: &[PathBuf], sources: &mut Sources) -> (Option<Self>, Vec<Problem>) {
        let (mut problems, mut by_rules) = (Vec::new(), BTreeMap::<Vec<PathBuf>, Vec<PathBuf>>::new());
        for file in files {
            match rules_beside(file) {
                Ok(rules) => by_rules.entry(rules).or_default().push(file.clone()),
                Err(problem) => problems.push(problem),
            }
        }
        let mut parts = Vec::new();
        for (rules, tests) in by_rules {
            let Some(rules) = load(&rules, sources, &mut problems) else { continue };
            let ground = Ground::of_rules(Arc::new(rules));
            let cases = read(&tests, &ground.context, Some(&ground.rules), sources, &mut problems);
            parts.push(Part { ground, cases });
        }
        let runs = !problems.iter().any(Problem::is_error);
        (runs.then_some(Self { parts }), problems)
    }
}

/// Finds what is wrong in the tests beside the rules of a configuration.
pub fn check(config: &Config, rules: Option<&Arc<RuleSet>>, sources: &mut Sources, problems: &mut Vec<Problem>) {
    read(&config.policy.tests, &context(config), rules, sources, problems);
}

fn read(
    files: &[PathBuf],
    context: &LoadContext,
    rules: Option<&Arc<RuleSet>>,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Vec<Case> {
    let mut tests = Vec::new();
    for path in files {
        match sources.read(path) {
            Ok((path, text)) => tests.extend(read_tests(&RuleFile { path, text: text.to_string() }, context, problems)),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(rules) = rules {
        check_ids(&tests, rules, problems);
    }
    tests.into_iter().filter_map(|test| understood(test, problems)).collect()
}

/// Where something is allowed of a mailbox and no command is named, opening it is meant.
fn understood(test: RuleTest, problems: &mut Vec<Problem>) -> Option<Case> {
    let mailbox = test.mailbox.as_ref().map(|mailbox| &*mailbox.text);
    let question = match &test.command {
        None => mailbox.filter(|_| test.expect.allowed.is_some()).map(Question::open),
        Some(command) => match Question::parse(&command.text, mailbox) {
            Ok(question) => Some(question),
            Err(fault) => {
                let problem = Problem::error(&test.file, command.part(fault.at), fault.message);
                problems.push(match fault.help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
                return None;
            }
        },
    };
    Some(Case { test, question })
}

fn load(files: &[PathBuf], sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<RuleSet> {
    let mut read = Vec::new();
    for path in files {
        match sources.read(path) {
            Ok((path, text)) => read.push(RuleFile { path, text: text.to_string() }),
            Err(problem) => problems.push(problem),
        }
    }
    let (rules, found) = RuleSet::load(&read, &LoadContext::default());
    problems.extend(found.into_iter().filter(Problem::is_error));
    rules
}

const TEST: &str = ".test.toml";

fn rules_beside(test: &Path) -> Result<Vec<PathBuf>, Problem> {
    let name = test.file_name().unwrap_or_default().to_string_lossy();
    let own = name.strip_suffix(TEST).map(|stem| test.with_file_name(format!("{stem}.toml")));
    if let Some(own) = own.filter(|own| own.is_file()) {
        return Ok(vec![own]);
    }
    let folder = test.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Problem::in_file(Severity::Error, folder, format!("cannot look for rules: {}", reason(&error)))
    })?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let is_rules = |name: &String| name.ends_with(".toml") && !name.ends_with(TEST) && !name.starts_with('.');
    let mut rules: Vec<PathBuf> = names.filter(is_rules).map(|name| test.with_file_name(name)).collect();
    rules.sort();
    if rules.is_empty() || !test.is_file() {
        let message = if test.is_file() { "no rules stand beside these tests" } else { "there are no such tests" };
        let problem = Problem::in_file(Severity::Error, test, message);
        return Err(problem.help("name the configuration that the rules are of: --config FILE"));
    }
    Ok(rules)
}
