//! Did you mean …?

/// The known word nearest to what was written, if any is near enough to be meant.
///
/// Swapped neighbours count as one step, and a third of the letters may be wrong: `lisener` is `listener`,
/// `rights` is never `limit`.
pub fn suggest<'c>(word: &str, known: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = word.to_lowercase();
    let steps_allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(steps, candidate)| *steps <= steps_allowed && *steps < candidate.chars().count())
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["listener", "upstream", "auth", "policy", "tls", "bind"];
        for (word, expected) in [
            ("lisener", Some("listener")),
            ("Listener", Some("listener")),
            ("upsteram", Some("upstream")),
            ("tsl", Some("tls")),
            ("polices", Some("policy")),
            ("x", None),
            ("rules", None),
            ("", None),
        ] {
            assert_eq!(suggest(word, known), expected, "{word}");
        }
    }
}
