//! Search programs that can be loaded, and are probably not what was meant.

use super::document::{Document, Span};
use crate::policy::messages::{Day, FieldKey, Test, When, is_same};

/// What hides: does it match something, and who is asked?
pub(super) fn about_hiding(document: &mut Document<'_>, span: &Span, test: &Test, upstream: bool) {
    if never_matches(test) {
        let problem = document.warning(span.clone(), "no message matches this").label("hides nothing");
        document.push(problem.help("all keys of a program must match; OR, or another string, says \"one of these\""));
    }
    if !upstream {
        asks_upstream(document, span, test);
    }
}

/// What spares: does it spare all, or nothing?
pub(super) fn about_sparing(document: &mut Document<'_>, span: &Span, test: &Test, upstream: bool) {
    if never_matches(test) {
        let problem = document.warning(span.clone(), "no message matches this").label("spares nothing");
        document.push(problem.help("all keys of a program must match; OR, or another string, says \"one of these\""));
    }
    if matches!(test, Test::All(tests) if tests.is_empty()) {
        let problem = document.warning(span.clone(), "every message is spared").label("the rule hides nothing");
        document.push(problem.help("\"ALL\" stands in hide_messages, and what is to stay in except_messages"));
    }
    if upstream {
        return;
    }
    asks_upstream(document, span, test);
    let mut names = None;
    test.walk(&mut |test| match test {
        Test::Field(field) if field.key == FieldKey::Addresses => names = Some(field.needle.written().to_owned()),
        _ => {}
    });
    let Some(text) = names else { return };
    if text.trim().contains(char::is_whitespace) {
        let problem = document.warning(span.clone(), format!("no address has `{text}` in it")).label("spares nothing");
        document
            .push(problem.help("senders choose their names: only an address spares, or HEADER From \"…\" by the name"));
    } else if text.contains('.') && !text.contains('@') {
        let problem = document.warning(span.clone(), format!("`{text}` may be any part of an address"));
        let problem = problem.label(format!("also of x@{text}.evil.example"));
        document.push(problem.help(format!("write \"@{text}\" for that domain and no other")));
    }
}

fn asks_upstream(document: &mut Document<'_>, span: &Span, test: &Test) {
    if test.has(|test| matches!(test, Test::Only(_))) {
        let problem = document.warning(span.clone(), "the upstream's SEARCH decides on this");
        let problem = problem.label("servers read bodies in different ways, and senders know");
        document.push(problem.help("HEADER, SUBJECT, FROM, dates, sizes and flags are judged by the proxy itself"));
    }
}

/// Can it be told from the program alone that it matches nothing?
fn never_matches(test: &Test) -> bool {
    match test {
        Test::Any(tests) => tests.iter().all(never_matches),
        Test::Not(test) => always_matches(test),
        Test::All(tests) => {
            let together = together(tests);
            together.iter().any(|test| never_matches(test)) || exclude_each_other(&together)
        }
        _ => false,
    }
}

fn always_matches(test: &Test) -> bool {
    match test {
        Test::All(tests) => tests.iter().all(always_matches),
        Test::Any(tests) => tests.iter().any(always_matches),
        Test::Not(test) => never_matches(test),
        _ => false,
    }
}

/// All that must hold, without the parentheses.
fn together(tests: &[Test]) -> Vec<&Test> {
    let mut all = Vec::new();
    for test in tests {
        match test {
            Test::All(inner) => all.extend(together(inner)),
            test => all.push(test),
        }
    }
    all
}

/// Do two of them never hold together?
fn exclude_each_other(tests: &[&Test]) -> bool {
    tests
        .iter()
        .enumerate()
        .any(|(at, one)| tests.iter().skip(at).any(|other| are_apart(one, other) || are_apart(other, one)))
}

fn are_apart(one: &Test, other: &Test) -> bool {
    match (one, other) {
        (Test::Larger(more), Test::Smaller(less)) => more.saturating_add(1) >= *less,
        (Test::Older(old), Test::Younger(young)) => old > young,
        (Test::Flag(a, true), Test::Flag(b, false)) => is_same(a, b),
        (Test::Date(a, When::Before, end), Test::Date(b, When::Since | When::On, begin)) => {
            a == b && before(*begin, *end) == Some(false)
        }
        (Test::Date(a, When::On, end), Test::Date(b, When::Since, begin)) => {
            a == b && before(*end, *begin) == Some(true)
        }
        (Test::Date(a, When::On, one), Test::Date(b, When::On, other)) => a == b && before(*one, *other) == Some(true),
        _ => false,
    }
}

/// Is that day before the other? A day that moves is not compared with one that does not.
fn before(one: Day, other: Day) -> Option<bool> {
    match (one, other) {
        (Day::Fixed(one), Day::Fixed(other)) => Some(one < other),
        (Day::Today(one), Day::Today(other)) => Some(one < other),
        (Day::Fixed(_), Day::Today(_)) | (Day::Today(_), Day::Fixed(_)) => None,
    }
}
