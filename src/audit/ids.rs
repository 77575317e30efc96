//! Random names: of sessions, of logs, of the tags that a session uses upstream.
//!
//! Base32 in Crockford's alphabet, in lower case: no letter that a person reading it out could take for another.

use std::sync::Arc;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A session's id: 60 random bits.
#[must_use]
pub fn session_id() -> Arc<str> {
    random::<12>().into()
}

/// The unguessable start of the tags that a session uses upstream: 65 random bits.
#[must_use]
pub fn tag_prefix() -> Arc<str> {
    random::<13>().into()
}

/// A log's id: 50 random bits.
#[must_use]
pub fn log_id() -> Arc<str> {
    random::<10>().into()
}

/// Is this written as a log's id is?
pub(super) fn is_log_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|octet| ALPHABET.contains(&octet))
}

/// A lock's id: 40 random bits.
#[must_use]
pub fn lock_id() -> Arc<str> {
    random::<8>().into()
}

/// `N` characters, each of 5 random bits.
fn random<const N: usize>() -> String {
    let mut bytes = [0; N];
    // The call blocks until the kernel's generator is seeded, and cannot fail after that.
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_length_and_alphabet_and_differ() {
        for (id, len) in [(session_id(), 12), (tag_prefix(), 13), (log_id(), 10)] {
            assert_eq!(id.len(), len);
            assert!(id.bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        }
        assert!(is_log_id(&log_id()) && !is_log_id(&session_id()) && !is_log_id("state-file"));
        assert_ne!(session_id(), session_id());
    }
}
