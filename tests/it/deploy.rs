//! What is shipped beside the program fits it.

mod alerts;
mod compose;
mod dashboards;
mod image;
mod kubernetes;
mod metrics_page;
mod package;
mod pages;
mod prometheus;
mod scraped;
mod unit;
mod vector;
mod yaml;

use std::collections::BTreeSet;

use imapwarden::metrics::table;

const RULES: &str = include_str!("../../deploy/prometheus/imapwarden.rules.yml");
const RULE_TESTS: &str = include_str!("../../deploy/prometheus/imapwarden.rules.test.yml");
const LONG_TESTS: &str = include_str!("../../deploy/prometheus/imapwarden.long.test.yml");

#[test]
fn each_metric_that_is_named_is_there() {
    let known: BTreeSet<&str> = table::ALL.iter().map(|row| row.name).collect();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for text in [RULES, RULE_TESTS, LONG_TESTS] {
        let words: Vec<&str> = text.split(|c| !is_name(c)).filter(|word| word.starts_with("imapwarden_")).collect();
        assert!(!words.is_empty());
        for word in words {
            assert!(known.contains(word.trim_end_matches("_bucket")), "{word}");
        }
    }
}
