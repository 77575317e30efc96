//! Problems as text for people and as JSON for editors.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::problem::{Problem, Severity};
use super::source::Sources;

/// All problems as people read them, by file and place. Colour is an addition; it carries no meaning of its own.
pub fn render(problems: &[Problem], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    sorted(problems).into_iter().fold(String::new(), |mut text, problem| {
        text.push_str(&renderer.render(&[group(problem, sources)]));
        text.push('\n');
        if let Some(file) = problem.file.as_deref().filter(|file| !is_placed(problem, file, sources)) {
            push_file(&mut text, file, color);
        }
        if let Some(help) = &problem.help {
            push_help(&mut text, help, gutter(problem, sources), color);
        }
        text
    })
}

/// `1 error, 0 warnings in 3 files, 42 rules`
pub fn summary(problems: &[Problem], files: usize, rules: usize) -> String {
    let [errors, warnings] = counts(problems);
    let [errors, warnings] = [counted(errors, "error"), counted(warnings, "warning")];
    let [files, rules] = [counted(files, "file"), counted(rules, "rule")];
    format!("{errors}, {warnings} in {files}, {rules}")
}

/// All problems for programs: `{"problems": […], "errors": 1, "warnings": 0}`.
pub fn to_json(problems: &[Problem], sources: &Sources) -> Value {
    let [errors, warnings] = counts(problems);
    let problems: Vec<Value> = sorted(problems).into_iter().map(|problem| problem_json(problem, sources)).collect();
    json!({ "problems": problems, "errors": errors, "warnings": warnings })
}

fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.order());
    sorted
}

fn counts(problems: &[Problem]) -> [usize; 2] {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    [errors, problems.len() - errors]
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Whether a line of the file can be shown.
fn is_placed(problem: &Problem, file: &Path, sources: &Sources) -> bool {
    problem.span.is_some() && sources.text(file).is_some()
}

fn group<'p>(problem: &'p Problem, sources: &'p Sources) -> Group<'p> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str());
    let Some(file) = &problem.file else {
        return Group::with_title(title);
    };
    let Some((text, span)) = sources.text(file).zip(problem.span.clone()) else {
        return Group::with_title(title);
    };
    // Only the line itself is handed over: the renderer looks through all that it is given, for each problem.
    let span = on_one_line(text, span);
    let start = sources.line_start(file, span.start).unwrap_or(0);
    let line = text[start..].lines().next().unwrap_or_default();
    let number = sources.position(file, span.start).map_or(1, |position| position.line);
    let annotation = AnnotationKind::Primary.span(span.start - start..span.end - start).label(problem.label.as_deref());
    title.element(Snippet::source(line).line_start(number).path(file.display().to_string()).annotation(annotation))
}

/// A place is one line: of what spans several (a table, an open string), the first.
fn on_one_line(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    let line_end = text[start..end].find(['\r', '\n']).map_or(end, |newline| start + newline);
    start..line_end
}

/// How far the `|` stands from the margin: behind the line number.
fn gutter(problem: &Problem, sources: &Sources) -> usize {
    let file_and_span = problem.file.as_deref().zip(problem.span.as_ref());
    let position = file_and_span.and_then(|(file, span)| sources.position(file, span.start));
    position.map_or(1, |position| position.line.to_string().len())
}

const BLUE: &str = "\x1b[1m\x1b[94m";
const BOLD: &str = "\x1b[1m";
const END: &str = "\x1b[0m";

/// Of a file without a line to show: its name, where it stands in the others.
fn push_file(text: &mut String, file: &Path, color: bool) {
    let [blue, end] = if color { [BLUE, END] } else { [""; 2] };
    writeln!(text, " {blue}-->{end} {}", file.display()).expect("writing to a String cannot fail");
}

/// The renderer's own footers stand apart by an empty line; these follow the carets.
fn push_help(text: &mut String, help: &str, gutter: usize, color: bool) {
    let [blue, bold, end] = if color { [BLUE, BOLD, END] } else { [""; 3] };
    for (number, line) in help.lines().enumerate() {
        let written = match number {
            0 => writeln!(text, "{:gutter$} {blue}={end} {bold}help{end}: {line}", ""),
            _ => writeln!(text, "{:gutter$}         {line}", ""),
        };
        written.expect("writing to a String cannot fail");
    }
}

fn problem_json(problem: &Problem, sources: &Sources) -> Value {
    let at = |offset: usize| problem.file.as_deref().and_then(|file| sources.position(file, offset));
    let start = problem.span.as_ref().and_then(|span| at(span.start));
    let end = problem.span.as_ref().and_then(|span| at(span.end));
    json!({
        "severity": problem.severity.name(),
        "message": problem.message,
        "file": problem.file.as_ref().map(|file| file.display().to_string()),
        "line": start.map(|position| position.line),
        "column": start.map(|position| position.column),
        "end_line": end.map(|position| position.line),
        "end_column": end.map(|position| position.column),
        "label": problem.label,
        "help": problem.help,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn finance() -> (Sources, Arc<Path>) {
        let mut sources = Sources::default();
        let text = format!("{}rights = \"lrz\"\nhide = tru\n", "\n".repeat(13));
        let file = sources.insert("rules/finance.toml", text);
        (sources, file)
    }

    #[test]
    fn a_problem_shows_its_line_and_the_mend() {
        let (sources, file) = finance();
        let problem = Problem::error(&file, 25..26, "unknown right `z`")
            .label("not a right of RFC 4314")
            .help("the rights are l r s w i p k x t e a; `x` deletes mailboxes");
        let expected = "\
error: unknown right `z`
  --> rules/finance.toml:14:13
   |
14 | rights = \"lrz\"
   |             ^ not a right of RFC 4314
   = help: the rights are l r s w i p k x t e a; `x` deletes mailboxes
";
        assert_eq!(render(&[problem], &sources, false), expected);
    }

    #[test]
    fn problems_stand_in_the_order_of_files_and_places() {
        let (sources, file) = finance();
        let problems = [
            Problem::new(Severity::Warning, "nothing in particular"),
            Problem::error(&file, 35..38, "unknown value"),
            Problem::in_file(Severity::Error, Path::new("audit"), "cannot write here: permission denied")
                .help("the user that runs imapwarden needs to write there\nsee chown(1)"),
            Problem::warning(&file, 13..27, "from one line to the next"),
        ];
        let expected = "\
error: cannot write here: permission denied
 --> audit
  = help: the user that runs imapwarden needs to write there
          see chown(1)
warning: from one line to the next
  --> rules/finance.toml:14:1
   |
14 | rights = \"lrz\"
   | ^^^^^^^^^^^^^^
error: unknown value
  --> rules/finance.toml:15:8
   |
15 | hide = tru
   |        ^^^
warning: nothing in particular
";
        assert_eq!(render(&problems, &sources, false), expected);
        assert_eq!(summary(&problems, 3, 1), "2 errors, 2 warnings in 3 files, 1 rule");
    }

    #[test]
    fn places_past_the_end_or_inside_a_character_do_no_harm() {
        let mut sources = Sources::default();
        let file = sources.insert("a.toml", "x = \"é\"");
        let backwards = std::ops::Range { start: 3, end: 2 };
        for span in [6..7, 5..6, 8..8, 99..120, backwards] {
            let problem = Problem::error(&file, span.clone(), "here");
            assert!(render(&[problem], &sources, true).contains("a.toml:1:"), "{span:?}");
        }
        let mut sources = Sources::default();
        let file = sources.insert("empty.toml", "");
        assert!(render(&[Problem::error(&file, 0..0, "here")], &sources, false).contains("empty.toml"));
    }

    #[test]
    fn editors_get_lines_and_columns() {
        let (sources, file) = finance();
        let json = to_json(&[Problem::error(&file, 25..26, "unknown right `z`").help("mend")], &sources);
        assert_eq!(json["errors"], 1);
        let problem = &json["problems"][0];
        assert_eq!(
            (&problem["line"], &problem["column"], &problem["end_column"]),
            (&json!(14), &json!(13), &json!(14))
        );
        assert_eq!((&problem["help"], &problem["label"]), (&json!("mend"), &Value::Null));
    }
}
