//! Who does this SASL exchange say it is? One reading of each mechanism, or none.
//!
//! ```text
//!   PLAIN        authzid NUL authcid NUL password                        RFC 4616
//!   XOAUTH2      user=… ^A auth=Bearer … ^A ^A                           Google's
//!   OAUTHBEARER  n,a=…, ^A host=… ^A auth=Bearer … ^A ^A                 RFC 7628
//!   SCRAM-*      n,a=…,n=…,r=…                                           RFC 5802
//! ```
//!
//! A message that two servers could read in two ways is refused: what was judged must be what is done. Secrets are
//! looked past, never copied.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64 as RFC 4648 has it, padding and all, and no bits in the padding: one text for one value.
const CANONICAL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Mechanisms that are let through; `-PLUS` variants are not, as the channel ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// draft-murchison-sasl-login
    Login,
    /// Google's and Microsoft's
    Xoauth2,
    /// RFC 7628
    Oauthbearer,
    /// RFC 5802
    ScramSha1,
    /// RFC 7677
    ScramSha256,
}

impl Mechanism {
    /// All of them, best first.
    pub const ALL: [Self; 6] =
        [Self::ScramSha256, Self::ScramSha1, Self::Oauthbearer, Self::Xoauth2, Self::Plain, Self::Login];

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
            Self::Oauthbearer => "OAUTHBEARER",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    /// The mechanism of this name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Does the exchange go on behind the client's first message?
    #[must_use]
    pub fn is_relayed(self) -> bool {
        matches!(self, Self::ScramSha1 | Self::ScramSha256)
    }
}

/// Who an exchange names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Whose mail is to be opened: the authorization identity, or the authentication identity where none is given.
    pub user: String,
    /// Who proves an identity.
    pub actor: String,
}

/// The message cannot be read in exactly one way, or names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Decodes a line of base64 (without its line end). `=` alone is the empty message of RFC 4959 §3.
///
/// # Errors
/// The line is not canonical base64.
pub fn decode(line: &[u8]) -> Result<Vec<u8>, Unreadable> {
    if line == b"=" { Ok(Vec::new()) } else { CANONICAL.decode(line).map_err(|_| Unreadable) }
}

/// Encodes a message as a line of base64.
#[must_use]
pub fn encode(message: &[u8]) -> String {
    CANONICAL.encode(message)
}

/// Whom the client's first message of `mechanism` names. (LOGIN has no such message: its first is the name itself.)
///
/// # Errors
/// [`Unreadable`]
pub fn named(mechanism: Mechanism, message: &[u8]) -> Result<Named, Unreadable> {
    match mechanism {
        Mechanism::Plain => plain(message).map(|plain| plain.named),
        Mechanism::Login => identity(message).map(|user| Named { actor: user.clone(), user }),
        Mechanism::Xoauth2 => xoauth2(message),
        Mechanism::Oauthbearer => oauthbearer(message),
        Mechanism::ScramSha1 | Mechanism::ScramSha256 => scram(message),
    }
}

/// A message of PLAIN, taken apart.
#[derive(Clone)]
pub struct Plain<'a> {
    /// Whom it names.
    pub named: Named,
    /// Was an authorization identity given that differs from the authentication identity?
    pub delegated: bool,
    /// The password.
    pub password: &'a [u8],
}

impl std::fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("named", &self.named).field("password", &"[redacted]").finish()
    }
}

/// message = [authzid] UTF8NUL authcid UTF8NUL passwd
///
/// # Errors
/// Not exactly two NULs, no authentication identity, or an identity that is no text.
pub fn plain(message: &[u8]) -> Result<Plain<'_>, Unreadable> {
    let mut parts = message.split(|&byte| byte == 0);
    let (Some(authzid), Some(authcid), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unreadable);
    };
    let actor = identity(authcid)?;
    let user = if authzid.is_empty() { actor.clone() } else { identity(authzid)? };
    let delegated = user != actor;
    Ok(Plain { named: Named { user, actor }, delegated, password })
}

/// XOAUTH2: `user=` {user} ^A `auth=Bearer ` {token} ^A ^A, no key twice.
fn xoauth2(message: &[u8]) -> Result<Named, Unreadable> {
    let body = message.strip_suffix(b"\x01\x01").ok_or(Unreadable)?;
    let user = identity(unique(body.split(|&byte| byte == 1), b"user=", b"auth=")?)?;
    Ok(Named { actor: user.clone(), user })
}

/// client-resp = (gs2-header kvsep *kvpair kvsep) (RFC 7628 §3.1); the identity is the `a=` of the header.
fn oauthbearer(message: &[u8]) -> Result<Named, Unreadable> {
    let body = message.strip_suffix(b"\x01\x01").ok_or(Unreadable)?;
    let mut parts = body.split(|&byte| byte == 1);
    let header = parts.next().ok_or(Unreadable)?;
    let (flag, rest) = split_comma(header)?;
    let (authzid, rest) = split_comma(rest)?;
    if !matches!(flag, b"n" | b"y") || !rest.is_empty() {
        return Err(Unreadable);
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    for pair in parts {
        let key = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        if key.is_empty() || !pair.contains(&b'=') || seen.iter().any(|other| other.eq_ignore_ascii_case(key)) {
            return Err(Unreadable);
        }
        seen.push(key);
    }
    if !seen.iter().any(|key| key.eq_ignore_ascii_case(b"auth")) {
        return Err(Unreadable);
    }
    // Where the token alone says who it is, nothing here can be judged: refused (design: one reading or none).
    let user = sasl_name(authzid.strip_prefix(b"a=").ok_or(Unreadable)?)?;
    Ok(Named { actor: user.clone(), user })
}

/// client-first-message = gs2-header [reserved-mext ","] username "," nonce ["," extensions] (RFC 5802 §7)
fn scram(message: &[u8]) -> Result<Named, Unreadable> {
    let (flag, rest) = split_comma(message)?;
    let (authzid, bare) = split_comma(rest)?;
    if !matches!(flag, b"n" | b"y") {
        return Err(Unreadable); // "p=…" binds a channel that ends here
    }
    let mut attributes = bare.split(|&byte| byte == b',');
    let name = attributes.next().and_then(|attribute| attribute.strip_prefix(b"n=")).ok_or(Unreadable)?;
    let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix(b"r=")).ok_or(Unreadable)?;
    let mut seen = vec![b'n', b'r'];
    for attribute in attributes {
        match attribute {
            [key, b'=', ..] if key.is_ascii_alphabetic() && *key != b'm' && !seen.contains(key) => seen.push(*key),
            _ => return Err(Unreadable),
        }
    }
    let actor = sasl_name(name)?;
    let user = match authzid {
        b"" => actor.clone(),
        authzid => sasl_name(authzid.strip_prefix(b"a=").ok_or(Unreadable)?)?,
    };
    if nonce.is_empty() { Err(Unreadable) } else { Ok(Named { user, actor }) }
}

fn split_comma(bytes: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let at = memchr::memchr(b',', bytes).ok_or(Unreadable)?;
    Ok((bytes.get(..at).ok_or(Unreadable)?, bytes.get(at.saturating_add(1)..).ok_or(Unreadable)?))
}

/// The value behind `wanted`; it and `other` stand there exactly once each and nothing else does.
fn unique<'a>(parts: impl Iterator<Item = &'a [u8]>, wanted: &[u8], other: &[u8]) -> Result<&'a [u8], Unreadable> {
    let starts = |part: &[u8], key: &[u8]| part.get(..key.len()).is_some_and(|head| head.eq_ignore_ascii_case(key));
    let (mut value, mut others) = (None, 0u32);
    for part in parts {
        if starts(part, wanted) && value.is_none() {
            value = part.get(wanted.len()..);
        } else if starts(part, other) && others == 0 {
            others = 1;
        } else {
            return Err(Unreadable);
        }
    }
    value.filter(|_| others == 1).ok_or(Unreadable)
}

/// saslname = 1*(value-safe-char / "=2C" / "=3D") (RFC 5801 §4)
fn sasl_name(bytes: &[u8]) -> Result<String, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('=');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(2).ok_or(Unreadable)?;
        out.push(match escape {
            "2C" => ',',
            "3D" => '=',
            _ => return Err(Unreadable),
        });
        out.push_str(rest);
    }
    identity(out.as_bytes())
}

/// A name that can be judged: text, not empty, without controls, of at most 255 octets.
///
/// # Errors
/// It is none.
pub fn identity(bytes: &[u8]) -> Result<String, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err(Unreadable);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        use Mechanism::{Oauthbearer, Plain, ScramSha1, Xoauth2};
        let rows: &[(&str, Mechanism, &[u8], Option<(&str, &str)>)] = &[
            ("plain", Plain, b"\0ann\0pw", Some(("ann", "ann"))),
            ("plain with authzid", Plain, b"bob\0ann\0pw", Some(("bob", "ann"))),
            ("plain, one NUL", Plain, b"ann\0pw", None),
            ("plain, three NULs", Plain, b"\0ann\0pw\0", None),
            ("plain, nobody", Plain, b"\0\0pw", None),
            ("plain, control", Plain, b"\0an\nn\0pw", None),
            ("xoauth2", Xoauth2, b"user=ann\x01auth=Bearer t\x01\x01", Some(("ann", "ann"))),
            ("xoauth2, user twice", Xoauth2, b"user=ann\x01user=bob\x01auth=Bearer t\x01\x01", None),
            ("xoauth2, no token", Xoauth2, b"user=ann\x01\x01", None),
            ("oauthbearer", Oauthbearer, b"n,a=ann,\x01host=h\x01auth=Bearer t\x01\x01", Some(("ann", "ann"))),
            ("oauthbearer, nobody", Oauthbearer, b"n,,\x01auth=Bearer t\x01\x01", None),
            ("oauthbearer, escape", Oauthbearer, b"n,a=a=2Cb,\x01auth=Bearer t\x01\x01", Some(("a,b", "a,b"))),
            ("oauthbearer, auth twice", Oauthbearer, b"n,a=a,\x01auth=Bearer t\x01Auth=x\x01\x01", None),
            ("scram", ScramSha1, b"n,,n=ann,r=abc", Some(("ann", "ann"))),
            ("scram with authzid", ScramSha1, b"n,a=bob,n=ann,r=abc", Some(("bob", "ann"))),
            ("scram with binding", ScramSha1, b"p=tls-unique,,n=ann,r=abc", None),
            ("scram, n twice", ScramSha1, b"n,,n=ann,r=abc,n=bob", None),
            ("scram, mandatory extension", ScramSha1, b"n,,m=x,n=ann,r=abc", None),
        ];
        for (name, mechanism, message, want) in rows {
            let got = named(*mechanism, message).ok();
            let want = want.map(|(user, actor)| Named { user: user.to_owned(), actor: actor.to_owned() });
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn only_canonical_base64() {
        assert_eq!(decode(b"AGFubgBwdw==").as_deref(), Ok(&b"\0ann\0pw"[..]));
        assert_eq!(decode(b"=").as_deref(), Ok(&b""[..]));
        for line in [&b"AGFubgBwdw"[..], b"AGFubgBwdx==", b"AGFubgBwdw==\r", b"AGF ubgBwdw=="] {
            assert_eq!(decode(line), Err(Unreadable), "{}", line.escape_ascii());
        }
    }
}
