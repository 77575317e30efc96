//! Signed notes, as <https://c2sp.org/signed-note> and Go's sumdb/note write them, and the keys that sign them.
//!
//! ```text
//!   mx-a1/01k9z3t0m4                             origin: name of the key
//!   1204552                                      records: number of the last one, and one
//!   kVUaLU3GKiLkDvAVEzlyP5phw7aFT+Yd3fF9lCUm7Cg=  hash of the last one
//!
//!   — mx-a1/01k9z3t0m4 j3Ln5n+f…                 id of the key and Ed25519 signature
//! ```
//!
//! Knows nothing of files, nor which key may sign what.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::chain::Hash;

/// What stands before a key in its text: Ed25519.
const ALGORITHM: u8 = 1;
/// Begin of the text of a secret.
const SECRET: &str = "PRIVATE+KEY+";

/// A key that notes are verified with. As text `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: Arc<str>,
    key: [u8; 32],
}

impl PublicKey {
    /// Another key of the same name; `None` where the text is not one.
    pub(super) fn named_alike(&self, key: &str) -> Option<Self> {
        Some(Self { name: Arc::clone(&self.name), key: STANDARD.decode(key).ok()?.try_into().ok()? })
    }

    /// `<node>/<log>`, as they were when the first key was made.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the log.
    #[must_use]
    pub fn log(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(_, log)| log)
    }

    /// The key alone.
    pub(super) fn text(&self) -> String {
        STANDARD.encode(self.key)
    }

    /// The first four octets of a hash over name and key, as a number.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ALGORITHM]);
        hash.update(self.key);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        KeyId([a, b, c, d])
    }

    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

/// Says which key it was; proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<u8> = std::iter::once(ALGORITHM).chain(self.key).collect();
        write!(f, "{}+{}+{}", self.name, self.id(), STANDARD.encode(key))
    }
}

impl FromStr for PublicKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(()) };
        let key = STANDARD.decode(key).map_err(|_| ())?;
        let Some((&ALGORITHM, key)) = key.split_first() else { return Err(()) };
        let key = Self { name: name.into(), key: key.try_into().map_err(|_| ())? };
        if is_name(name) && key.id().to_string() == id { Ok(key) } else { Err(()) }
    }
}

/// What a name may be made of: no blank and no plus sign, that is, and a `/` before the log.
fn is_name(name: &str) -> bool {
    name.contains('/') && !name.contains(|c: char| c == '+' || c.is_whitespace())
}

/// The name of a log's keys.
pub(super) fn name(node: &str, log: &str) -> String {
    let node: String = node.chars().map(|c| if c == '+' || c == '/' || c.is_whitespace() { '-' } else { c }).collect();
    format!("{node}/{log}")
}

/// A key that signs. Wiped from memory when it goes.
pub(super) struct Secret {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Secret {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        // The call blocks until the kernel's generator is seeded, and cannot fail after that.
        getrandom::fill(&mut *seed).expect("the kernel gives random bytes");
        Self::of(name, seed).expect("any 32 octets are a seed")
    }

    fn of(name: &str, seed: Zeroizing<[u8; 32]>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { seed, pair, public: PublicKey { name: name.into(), key } })
    }

    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a text.
    pub fn sign(&self, text: &str) -> Vec<u8> {
        self.pair.sign(text.as_bytes()).as_ref().to_vec()
    }

    /// As it is kept.
    pub fn text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new([ALGORITHM; 33]);
        key[1..].copy_from_slice(&*self.seed);
        let key = Zeroizing::new(STANDARD.encode(*key));
        Zeroizing::new(format!("{SECRET}{}+{}+{}\n", self.public.name, self.public.id(), *key))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().strip_prefix(SECRET)?.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key = Zeroizing::new(STANDARD.decode(key).ok()?);
        let (&ALGORITHM, seed) = key.split_first()? else { return None };
        let secret = Self::of(name, Zeroizing::new(seed.try_into().ok()?))?;
        (is_name(name) && secret.public.id().to_string() == id).then_some(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.public.id()).finish()
    }
}

/// What a note says: so many records, and the last one is this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub origin: String,
    pub size: u64,
    pub hash: Hash,
    pub id: KeyId,
    signature: Vec<u8>,
}

/// Lines of a note.
pub(super) const LINES: usize = 5;

impl Note {
    /// Makes one.
    pub fn signed(secret: &Secret, size: u64, hash: Hash) -> Self {
        let origin = secret.public().name().to_owned();
        let signature = secret.sign(&text(&origin, size, hash));
        Self { origin, size, hash, id: secret.public().id(), signature }
    }

    /// Was it signed with this key?
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.origin == key.name()
            && self.id == key.id()
            && key.verifies(&text(&self.origin, self.size, self.hash), &self.signature)
    }

    /// Reads its lines. Only the form in which it is written: nobody else writes here.
    pub fn parse(lines: &[&str; LINES]) -> Option<Self> {
        let [origin, size, hash, "", signed] = *lines else { return None };
        let (name, signature) = signed.strip_prefix("— ")?.split_once(' ')?;
        let signature = STANDARD.decode(signature).ok()?;
        let (id, signature) = signature.split_first_chunk::<4>()?;
        let hash = Hash::from_bytes(STANDARD.decode(hash).ok()?.try_into().ok()?);
        let number: u64 = size.parse().ok()?;
        let canonical = number.to_string() == size && name == origin && signature.len() == 64;
        let signature = signature.to_vec();
        canonical.then(|| Self { origin: origin.into(), size: number, hash, id: KeyId(*id), signature })
    }
}

fn text(origin: &str, size: u64, hash: Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(hash.as_bytes()))
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [&self.id.0[..], &self.signature].concat();
        let signature = STANDARD.encode(signature);
        write!(f, "{}\n— {} {signature}\n", text(&self.origin, self.size, self.hash), self.origin)
    }
}

/// What `audit.key` signs: which key is the next one, from which segment on, and all that is written before it. Without the
/// last, whoever has a later key could put this signature behind other records.
pub(super) fn announcement(name: &str, segment: u32, key: &str, (seq, prev): (u64, Hash)) -> String {
    format!("{name}\nkey {segment} {key}\n{seq} {prev}\n")
}

/// A signature as it stands in a record.
pub(super) fn spelled(signature: &[u8]) -> String {
    STANDARD.encode(signature)
}

/// The reverse.
pub(super) fn signature(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_others_write_them() {
        // From the documentation of golang.org/x/mod/sumdb/note.
        let secret = "PRIVATE+KEY+PeterNeumann/x+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        assert!(Secret::parse(secret).is_none(), "the id is of another name");
        let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let seed = STANDARD.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").expect("base64");
        let seed = Zeroizing::new(seed[1..].try_into().expect("32 octets"));
        let peter = Secret::of("PeterNeumann", seed).expect("a seed");
        assert_eq!(*peter.text(), format!("{text}\n"));
        assert_eq!(peter.public().to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        let signed = peter.sign(
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
        );
        let signed = [&peter.public().id().0[..], &signed].concat();
        assert_eq!(
            STANDARD.encode(signed),
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
        );
    }

    #[test]
    fn keys_and_notes_have_one_text() {
        let secret = Secret::new("mx-a1/01k9z3t0m4");
        let again = Secret::parse(&secret.text()).expect("its own text");
        assert_eq!(again.public(), secret.public());
        let public: PublicKey = secret.public().to_string().parse().expect("its own text");
        assert_eq!((public.name(), public.log()), ("mx-a1/01k9z3t0m4", "01k9z3t0m4"));
        let note = Note::signed(&secret, 1_204_552, Hash::of(b"line"));
        let text = note.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let read = Note::parse(lines.as_slice().try_into().expect("five lines")).expect("its own text");
        assert_eq!(read, note);
        assert!(read.is_by(&public));
        assert!(!read.is_by(Secret::new("mx-a1/01k9z3t0m4").public()), "another key");
        assert!(!Note { size: 1_204_553, ..read.clone() }.is_by(&public), "another size");
        assert!(!Note { hash: Hash::ZERO, ..read }.is_by(&public), "another hash");
    }

    #[test]
    fn what_is_no_key() {
        for text in ["", "a+b+c", "mx/log+00000000+AQ==", "mx/log"] {
            assert_eq!(text.parse::<PublicKey>(), Err(()), "{text}");
        }
        assert_eq!(name("a b/c+d", "01k9z3t0m4"), "a-b-c-d/01k9z3t0m4");
        assert!(!format!("{:?}", Secret::new("a/b")).contains("PRIVATE"));
    }
}
