//! Names at login.

use std::borrow::Cow;

/// A name without "@" is one of the default domain's.
#[must_use]
pub fn complete_login<'a>(name: &'a str, default_domain: Option<&str>) -> Cow<'a, str> {
    match default_domain {
        Some(domain) if !name.contains('@') && !name.is_empty() => Cow::Owned(format!("{}@{domain}", name.trim())),
        _ => Cow::Borrowed(name),
    }
}
