//! Access lists (RFC 4314) and quotas (RFC 9208): what others may do, and how much.

use nom::Parser;
use nom::combinator::{map, verify};
use nom::sequence::separated_pair;

use super::token::{Cursor, MailboxArg, Parsed, Text, Word, astring, atom, expect, list0, mailbox, number64, sp};

/// SETACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAcl<'f> {
    /// Of which mailbox.
    pub mailbox: MailboxArg<'f>,
    /// Whose rights.
    pub identifier: Text<'f>,
    /// The letters, with `+` or `-` before them where rights are added or taken.
    pub rights: Text<'f>,
}

/// ```abnf
/// setacl          = "SETACL" SP mailbox SP identifier SP mod-rights
/// mod-rights      = astring       ; +rights to add, -rights to remove, rights to replace
/// ```
pub(crate) fn set_acl(i: Cursor<'_>) -> Parsed<'_, SetAcl<'_>> {
    let rights = expect("rights", verify(astring, |text: &Text<'_>| is_rights(&text.octets)));
    map((mailbox, sp, astring, sp, rights), |(mailbox, (), identifier, (), rights)| SetAcl {
        mailbox,
        identifier,
        rights,
    })
    .parse(i)
}

/// `[+/-]` and letters or digits (RFC 4314 §3.1, §4)
fn is_rights(octets: &[u8]) -> bool {
    let letters = octets.strip_prefix(b"+").or_else(|| octets.strip_prefix(b"-")).unwrap_or(octets);
    letters.iter().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit())
}

/// DELETEACL, LISTRIGHTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl<'f> {
    /// Of which mailbox.
    pub mailbox: MailboxArg<'f>,
    /// Whose rights.
    pub identifier: Text<'f>,
}

/// `deleteacl = "DELETEACL" SP mailbox SP identifier`
pub(crate) fn acl(i: Cursor<'_>) -> Parsed<'_, Acl<'_>> {
    map((mailbox, sp, astring), |(mailbox, (), identifier)| Acl { mailbox, identifier }).parse(i)
}

/// SETQUOTA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetQuota<'f> {
    /// The quota root.
    pub root: Text<'f>,
    /// Resources and their limits.
    pub limits: Vec<(Word<'f>, u64)>,
}

/// ```abnf
/// setquota        = "SETQUOTA" SP quota-root-name SP setquota-list
/// setquota-list   = "(" [setquota-resource *(SP setquota-resource)] ")"
/// ```
pub(crate) fn set_quota(i: Cursor<'_>) -> Parsed<'_, SetQuota<'_>> {
    let limits = list0(separated_pair(atom, sp, number64));
    map((astring, sp, limits), |(root, (), limits)| SetQuota { root, limits }).parse(i)
}
