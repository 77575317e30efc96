//! The upstream's leg until it can take commands: greeting, STARTTLS, capabilities.
//!
//! ```text
//!   Away ─Connect─▶ Connecting ─greeting─▶ [Starttls ─OK─▶ Handshake] ─▶ [Asking CAPABILITY] ─▶ [Introducing] ─▶ Ready
//! ```
//!
//! Nothing heard before TLS is believed after it, and nothing may stand behind the answer to STARTTLS (quirk V12).

use std::sync::Arc;

use super::shared::UpstreamInfo;
use crate::wire::sasl::Mechanism;

/// How far the upstream's leg has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegPhase {
    /// No connection.
    Away,
    /// The connection was asked for.
    Connecting,
    /// Connected, not greeted yet.
    Greeting,
    /// STARTTLS went up under this number.
    Starttls(u32),
    /// TLS is being agreed on.
    Handshake,
    /// CAPABILITY went up under this number, before login.
    Asking(u32),
    /// ID went up under this number, before login: who the client is.
    Introducing(u32),
    /// Takes commands.
    Ready,
    /// It said BYE, or is gone.
    Gone,
}

/// What the upstream can do, as far as sending commands depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Has a list been seen since the connection, TLS or login last changed it?
    pub known: bool,
    /// `SASL-IR` (RFC 4959)
    pub sasl_ir: bool,
    /// `AUTH=PLAIN`
    pub auth_plain: bool,
    /// `STARTTLS`
    pub starttls: bool,
    /// `UIDPLUS` (RFC 4315)
    pub uidplus: bool,
    /// `UNSELECT` (RFC 3691)
    pub unselect: bool,
    /// `UTF8=ACCEPT` (RFC 9755)
    pub utf8: bool,
    /// `CATENATE` (RFC 4469)
    pub catenate: bool,
    /// `REPLACE` (RFC 8508)
    pub replace: bool,
    /// Is it Gmail?
    pub gmail: bool,
    /// `SPECIAL-USE` (RFC 6154)
    pub special_use: bool,
    /// `LIST-EXTENDED` (RFC 5258)
    pub list_extended: bool,
    /// `NAMESPACE` (RFC 2342)
    pub namespace: bool,
    /// `ID` (RFC 2971)
    pub id: bool,
    /// `ESEARCH` (RFC 4731)
    pub esearch: bool,
    /// `SEARCHRES` (RFC 5182)
    pub searchres: bool,
    /// `CONDSTORE` (RFC 7162)
    pub condstore: bool,
}

impl Capabilities {
    /// Reads a list of capabilities.
    pub fn read<'a>(list: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut capabilities = Self { known: true, ..Self::default() };
        for name in list {
            let field = match name.to_ascii_uppercase().as_slice() {
                b"SASL-IR" => &mut capabilities.sasl_ir,
                b"AUTH=PLAIN" => &mut capabilities.auth_plain,
                b"STARTTLS" => &mut capabilities.starttls,
                b"UIDPLUS" => &mut capabilities.uidplus,
                b"UNSELECT" => &mut capabilities.unselect,
                b"UTF8=ACCEPT" | b"UTF8=ONLY" => &mut capabilities.utf8,
                b"CATENATE" => &mut capabilities.catenate,
                b"REPLACE" => &mut capabilities.replace,
                b"NAMESPACE" => &mut capabilities.namespace,
                b"ID" => &mut capabilities.id,
                b"ESEARCH" => &mut capabilities.esearch,
                b"SEARCHRES" => &mut capabilities.searchres,
                b"CONDSTORE" | b"QRESYNC" => &mut capabilities.condstore,
                b"SPECIAL-USE" => &mut capabilities.special_use,
                b"LIST-EXTENDED" => &mut capabilities.list_extended,
                b"X-GM-EXT-1" => &mut capabilities.gmail,
                _ => continue,
            };
            *field = true;
        }
        capabilities
    }
}

/// The words of a capability list.
pub(super) fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).filter(|word| !word.is_empty())
}

/// The upstream's leg.
#[derive(Debug)]
pub(super) struct UpstreamLeg {
    pub phase: LegPhase,
    pub info: Option<Arc<UpstreamInfo>>,
    pub capabilities: Capabilities,
    /// Under TLS?
    pub tls: bool,
    /// Is the mechanism of the login under way one that goes on over several messages?
    pub relaying: Option<Mechanism>,
}

impl Default for UpstreamLeg {
    fn default() -> Self {
        Self { phase: LegPhase::Away, info: None, capabilities: Capabilities::default(), tls: false, relaying: None }
    }
}

impl UpstreamLeg {
    /// Is a message gone as soon as `\Deleted` is set? At Gmail it can be, by a setting of the account.
    pub fn deleted_expunges(&self) -> bool {
        self.capabilities.gmail || self.info.as_ref().is_some_and(|info| info.deleted_expunges)
    }

    /// Is there a connection, or one on its way?
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, LegPhase::Away | LegPhase::Gone)
    }
}
