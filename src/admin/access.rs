//! Who asks, and what may they?
//!
//! ```text
//!   Authorization: Bearer 7fA…  ─▶ one of the tokens ─▶ Caller { who: "ops", role: operator } ─▶ allowed by the route?
//!   none, from this host, and there are no tokens ─▶ Caller { who: "local", role: admin } for what reads
//! ```
//!
//! Of tokens only hashes are kept. Each is compared with what was sent in the same time, whatever it is, and all of them are.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Admin, AdminToken, Role};

/// Characters of a token: nobody guesses 16 of 62.
const SHORTEST: usize = 16;

/// All tokens in force.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Token>);

#[derive(Clone)]
struct Token {
    who: Box<str>,
    role: Role,
    hash: [u8; 32],
}

/// What is wrong with the file of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFault {
    /// Where the configuration names it.
    pub place: String,
    /// Does it stand in the way?
    pub fatal: bool,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// Whoever was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token; `local` without one.
    pub who: Box<str>,
    /// What they may.
    pub role: Role,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    /// A token is needed.
    NoToken,
    /// It is none of ours.
    WrongToken,
    /// Who it is may not do that.
    Role(Caller),
}

/// What a route lets whom do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Any of these; `admin` may everything.
    pub roles: &'static [Role],
    /// Does it change something?
    pub changes: bool,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|token| (&token.who, token.role))).finish()
    }
}

impl Tokens {
    /// Reads the files that the configuration names, and says what is wrong with them.
    #[must_use]
    pub fn load(admin: &Admin) -> (Self, Vec<TokenFault>) {
        let (mut tokens, mut faults) = (Self::default(), Vec::new());
        for named in &admin.tokens {
            match read(named, &mut faults) {
                Some(hash) if tokens.0.iter().any(|token| token.hash == hash) => {
                    let message = "the same token stands in another file".to_owned();
                    faults.push(fault(named, message, "a token says who somebody is: give each one of its own"));
                }
                Some(hash) => tokens.0.push(Token { who: named.name.clone(), role: named.role, hash }),
                None => {}
            }
        }
        (tokens, faults)
    }

    /// Who sent this request? `local`: from this host, to an address of its own.
    pub(super) fn caller(&self, headers: &HeaderMap, local: bool, needs: Needs) -> Result<Caller, Denied> {
        let caller = match sent(headers) {
            Some(token) => self.named(&token).ok_or(Denied::WrongToken)?,
            None if local && self.0.is_empty() && !needs.changes => Caller { who: "local".into(), role: Role::Admin },
            None => return Err(Denied::NoToken),
        };
        match caller.role == Role::Admin || needs.roles.contains(&caller.role) {
            true => Ok(caller),
            false => Err(Denied::Role(caller)),
        }
    }

    fn named(&self, token: &[u8]) -> Option<Caller> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.hash.ct_eq(&hash)) {
                found = Some(token);
            }
        }
        found.map(|token| Caller { who: token.who.clone(), role: token.role })
    }
}

/// What stands behind `Bearer`; `None` without exactly one such header.
fn sent(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, None) = (values.next()?, values.next()) else { return Some(Vec::new()) };
    let (scheme, token) = first.as_bytes().split_at_checked("Bearer ".len())?;
    let token = if scheme.eq_ignore_ascii_case(b"Bearer ") { token.trim_ascii() } else { b"" };
    Some(token.to_vec())
}

fn read(named: &AdminToken, faults: &mut Vec<TokenFault>) -> Option<[u8; 32]> {
    let text = match fs::read_to_string(&named.file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read the token: {}", crate::config::reason(&error));
            faults.push(fault(named, message, "the first line of the file is the token"));
            return None;
        }
    };
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < SHORTEST || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        let message = format!("the first line of the file is no token of {SHORTEST} characters or more");
        faults.push(fault(named, message, "make one: head -c 24 /dev/urandom | base64"));
        return None;
    }
    let mode = fs::metadata(&named.file).map(|facts| facts.permissions().mode()).unwrap_or(0);
    if mode & 0o007 != 0 {
        let message = "everybody on this host can read the token".to_owned();
        faults.push(TokenFault { fatal: false, ..fault(named, message, "chmod 640 it, or 600") });
    }
    Some(Sha256::digest(token).into())
}

fn fault(named: &AdminToken, message: String, help: &'static str) -> TokenFault {
    TokenFault { place: named.place.clone(), fatal: true, message, help }
}

#[cfg(test)]
pub(super) fn tokens(rows: &[(&str, Role, &str)]) -> Tokens {
    let token = |(who, role, token): &(&str, Role, &str)| Token {
        who: (*who).into(),
        role: *role,
        hash: Sha256::digest(token).into(),
    };
    Tokens(rows.iter().map(token).collect())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const READ: Needs = Needs { roles: &[Role::Operator, Role::Auditor], changes: false };
    const CHANGE: Needs = Needs { roles: &[Role::Operator], changes: true };

    fn asked(tokens: &Tokens, sent: &[&str], local: bool, needs: Needs) -> String {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        match tokens.caller(&headers, local, needs) {
            Ok(caller) => format!("{} as {}", caller.who, caller.role.as_str()),
            Err(Denied::NoToken) => "no token".to_owned(),
            Err(Denied::WrongToken) => "wrong token".to_owned(),
            Err(Denied::Role(caller)) => format!("not as {}", caller.role.as_str()),
        }
    }

    #[test]
    fn who_may_what() {
        let none = Tokens::default();
        let some = tokens(&[
            ("admin", Role::Admin, "all-of-it-all-of-it"),
            ("ops", Role::Operator, "ops-ops-ops-ops-ops"),
            ("eyes", Role::Auditor, "eyes-eyes-eyes-eyes"),
            ("wall", Role::Viewer, "wall-wall-wall-wall"),
        ]);
        let rows: [(&str, &Tokens, &[&str], bool, Needs, &str); 14] = [
            ("here, without any token", &none, &[], true, READ, "local as admin"),
            ("a change always needs one", &none, &[], true, CHANGE, "no token"),
            ("elsewhere", &none, &[], false, READ, "no token"),
            ("a token that nobody has", &none, &["Bearer x"], true, READ, "wrong token"),
            ("where there are some, reading needs one", &some, &[], true, READ, "no token"),
            ("admin may all", &some, &["Bearer all-of-it-all-of-it"], false, CHANGE, "admin as admin"),
            ("in any case", &some, &["bearer ops-ops-ops-ops-ops"], false, CHANGE, "ops as operator"),
            ("an auditor reads", &some, &["Bearer eyes-eyes-eyes-eyes"], false, READ, "eyes as auditor"),
            ("and changes nothing", &some, &["Bearer eyes-eyes-eyes-eyes"], false, CHANGE, "not as auditor"),
            ("a viewer sees less", &some, &["Bearer wall-wall-wall-wall"], false, READ, "not as viewer"),
            ("a part of a token", &some, &["Bearer ops-ops-ops-ops"], false, READ, "wrong token"),
            ("another scheme", &some, &["Basic ops-ops-ops-ops-ops"], false, READ, "wrong token"),
            ("nothing behind it", &some, &["Bearer "], false, READ, "wrong token"),
            (
                "two of them",
                &some,
                &["Bearer ops-ops-ops-ops-ops", "Bearer all-of-it-all-of-it"],
                false,
                READ,
                "wrong token",
            ),
        ];
        for (name, tokens, sent, local, needs, want) in rows {
            assert_eq!(asked(tokens, sent, local, needs), want, "{name}");
        }
        assert!(!format!("{some:?}").contains("ops-ops"), "{some:?}");
    }

    #[test]
    fn files_of_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str, text: &str, mode: u32| {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            AdminToken { name: name.into(), role: Role::Operator, file, place: name.to_owned() }
        };
        let tokens = vec![
            named("fine", "0123456789abcdef\nand a remark\n", 0o640),
            named("again", "0123456789abcdef", 0o600),
            named("short", "0123456789abcde\n", 0o600),
            named("blank", "0123456789 abcdef\n", 0o600),
            named("open", "abcdef0123456789\n", 0o644),
            AdminToken {
                name: "gone".into(),
                role: Role::Admin,
                file: folder.path().join("gone"),
                place: "gone".into(),
            },
        ];
        let (loaded, faults) = Tokens::load(&Admin { tokens, ..Admin::default() });
        let said: Vec<(&str, bool)> = faults.iter().map(|fault| (&*fault.place, fault.fatal)).collect();
        assert_eq!(said, [("again", true), ("short", true), ("blank", true), ("open", false), ("gone", true)]);
        assert_eq!(loaded.0.iter().map(|token| &*token.who).collect::<Vec<_>>(), ["fine", "open"]);
        assert!(loaded.named(b"0123456789abcdef").is_some() && loaded.named(b"and a remark").is_none());
    }
}
