//! A value of a person → the hash that stands for it in the log.
//!
//! ```text
//!   "Invoice 4711 " ─▶ NFC, trimmed, lower case ─▶ HMAC-SHA256(key, "subject" 00 …) ─▶ h:9f31c2d0:Yq3l…   16 octets of it
//! ```
//!
//! The same value gives the same hash, so that records can be found and counted; without the key a hash tells nothing, with
//! it guesses can be tested. The key stands in a file of its own, never in the log; its id tells which key it was. The field
//! is part of what is hashed: a name in a subject does not look like the same name of a user.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

/// What may be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashedField {
    /// Whose mail, and who proved an identity.
    User,
    /// Names of mailboxes, and patterns of names.
    Mailbox,
    /// The client's address.
    ClientIp,
    /// Addresses in From and To.
    Address,
    /// Subjects.
    Subject,
    /// What was searched for.
    Search,
}

impl HashedField {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::User, Self::Mailbox, Self::ClientIp, Self::Address, Self::Subject, Self::Search];

    /// As the configuration names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mailbox => "mailbox",
            Self::ClientIp => "client_ip",
            Self::Address => "address",
            Self::Subject => "subject",
            Self::Search => "search",
        }
    }

    /// The field that a JSON pointer of a record's `hashed` is about.
    #[must_use]
    pub fn of_pointer(pointer: &str) -> Option<Self> {
        let of_header = pointer.contains("/hdr/");
        Some(match pointer.rsplit('/').next()? {
            "user" | "actor" | "who" => Self::User,
            "client_ip" => Self::ClientIp,
            "from" => Self::Address,
            "to" if of_header => Self::Address,
            "subject" if of_header => Self::Subject,
            "name" | "mailbox" | "dst" | "to" | "ref" | "pattern" => Self::Mailbox,
            _ if pointer.starts_with("/data/terms/") => Self::Search,
            // Of a lock, a request: whoever is meant is said by a key within.
            _ => return None,
        })
    }
}

impl FromStr for HashedField {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let field = Self::ALL.into_iter().find(|field| field.as_str() == text);
        field.ok_or("one of user, mailbox, client_ip, address, subject, search is needed")
    }
}

/// Octets of a new key.
const KEY: usize = 32;
/// Octets of a hash that are written.
const CUT: usize = 16;
/// Octets that SHA-256 takes at once.
const BLOCK: usize = 64;

/// A key, ready to hash with.
#[derive(Clone)]
pub struct HashKey {
    /// The state behind the key's inner and outer block (RFC 2104).
    inner: Sha256,
    outer: Sha256,
    id: Box<str>,
}

/// What is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a key: 32 octets in base64url are needed, on one line")
    }
}

/// A new key, as its file holds it.
///
/// # Errors
/// Where the system gives no random octets.
pub fn new_key() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut octets = Zeroizing::new([0; KEY]);
    getrandom::fill(&mut *octets)?;
    Ok(Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(*octets))))
}

impl HashKey {
    /// Reads a key as its file holds it.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let octets = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| NotAKey)?);
        if octets.len() == KEY { Ok(Self::of(&octets)) } else { Err(NotAKey) }
    }

    /// `key` has at most [`BLOCK`] octets.
    fn of(key: &[u8]) -> Self {
        let state = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
            Sha256::new_with_prefix(*block)
        };
        let mut made = Self { inner: state(0x36), outer: state(0x5c), id: Box::default() };
        made.id = made.mac(&[b"id"]).iter().take(4).map(|octet| format!("{octet:02x}")).collect();
        made
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        parts.iter().for_each(|part| inner.update(part));
        self.outer.clone().chain_update(inner.finalize()).finalize().into()
    }

    /// Which key it is: eight hexadecimal digits that do not tell the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What stands in the log for a value.
    #[must_use]
    pub fn hash(&self, field: HashedField, value: &str) -> String {
        let value = comparable(field, value);
        let mac = self.mac(&[field.as_str().as_bytes(), b"\0", value.as_bytes()]);
        let mut text = format!("h:{}:", self.id);
        URL_SAFE_NO_PAD.encode_string(mac.first_chunk::<CUT>().unwrap_or(&[0; CUT]), &mut text);
        text
    }

    /// What stands in the log for addresses with commas between them: each has a hash of its own.
    #[must_use]
    pub fn hash_each(&self, field: HashedField, values: &str) -> String {
        let hashes: Vec<String> = values.split(',').map(|value| self.hash(field, value)).collect();
        hashes.join(",")
    }
}

/// Spellings that mean the same are one value.
fn comparable(field: HashedField, value: &str) -> String {
    if field == HashedField::ClientIp
        && let Ok(address) = value.trim().parse::<IpAddr>()
    {
        return address.to_string();
    }
    if is_nfc(value) { value.trim().to_lowercase() } else { value.nfc().collect::<String>().trim().to_lowercase() }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a log hashes, and with which key.
#[derive(Debug, Clone)]
pub struct Hashing {
    /// With this key.
    pub key: HashKey,
    /// These.
    pub fields: BTreeSet<HashedField>,
}

impl Hashing {
    /// Is this hashed?
    #[must_use]
    pub fn covers(&self, field: HashedField) -> bool {
        self.fields.contains(&field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n").expect("a key")
    }

    #[test]
    fn it_is_the_hmac_of_the_rfc() {
        // RFC 4231, test cases 1 and 2.
        let hex = |octets: [u8; 32]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let one = HashKey::of(&[0x0b; 20]).mac(&[b"Hi ", b"There"]);
        assert_eq!(hex(one), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let two = HashKey::of(b"Jefe").mac(&[b"what do ya want for nothing?"]);
        assert_eq!(hex(two), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn spellings_of_one_value_have_one_hash_and_fields_are_apart() {
        use HashedField as F;
        let hash = key().hash(F::Subject, "Grüße");
        assert_eq!(hash.len(), "h:".len() + 8 + 1 + 22, "{hash}");
        for (name, field, value, same) in [
            ("case", F::Subject, "GRÜSSE", false),
            ("upper case", F::Subject, "GRÜßE", true),
            ("blanks", F::Subject, "  Grüße\t", true),
            ("decomposed", F::Subject, "Gru\u{308}ße", true),
            ("another field", F::Search, "Grüße", false),
            ("another value", F::Subject, "Grüsse", false),
        ] {
            assert_eq!(key().hash(field, value) == hash, same, "{name}");
        }
        assert_eq!(key().hash(F::ClientIp, "2001:DB8:0::1"), key().hash(F::ClientIp, "2001:db8::1"));
        assert_eq!(
            key().hash_each(F::Address, "a@b, C@d"),
            [key().hash(F::Address, "a@b"), key().hash(F::Address, "c@d")].join(",")
        );
    }

    #[test]
    fn keys_are_told_apart_and_kept_to_themselves() {
        let (one, two) = (new_key().expect("random"), new_key().expect("random"));
        let (one, two) = (HashKey::parse(&one).expect("a key"), HashKey::parse(&two).expect("a key"));
        assert_ne!(one.id(), two.id());
        assert_ne!(one.hash(HashedField::User, "ann"), two.hash(HashedField::User, "ann"));
        assert!(!format!("{:?}", key()).contains("AAEC") && format!("{:?}", key()).contains(key().id()));
        for wrong in ["", "AAEC", "secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAA"] {
            assert_eq!(HashKey::parse(wrong).err(), Some(NotAKey), "{wrong}");
        }
    }
}
