//! Real clients before the proxy, a real Dovecot behind it.
//!
//! ```text
//!   Thunderbird  mbsync  offlineimap  neomutt  curl  IMAPClient  imapflow  openssl  client.rs
//!                        │ TLS
//!                 imapwarden run        proxy.rs: configuration, rules, audit log, /metrics
//!                        │ TLS
//!                     Dovecot           dovecot.rs: mail.rs laid out for each user
//! ```
//!
//! What a mail program does it does twice: straight at Dovecot as one user, through the proxy as another with the same
//! mail. Both must come out equal, so a scenario is known to be right before the proxy is blamed.
//!
//! Each test has servers of its own (a Dovecot is up in 50 ms), on ports of its own, and none outlives it.

mod certificate;
pub mod client;
mod courier;
mod described;
pub mod dovecot;
mod front;
mod mail;
pub mod place;
pub mod proxy;
mod script;
mod trace;

mod balancers;
mod broken;
mod captured;
mod clock;
mod decisions;
mod disk;
mod every_type;
mod figures;
mod hashed;
mod held;
mod hidden;
mod hidden_messages;
mod hidden_status;
mod hidden_thunderbird;
mod killed;
mod large;
mod levels;
mod limits;
mod live_page;
mod locks;
mod logins;
mod mail_programs;
mod mbsync;
mod mirrors;
mod observed;
mod offlineimap;
mod on_courier;
mod preview;
mod reads;
mod recorded_too;
mod records;
mod reload;
mod rights;
mod secrets;
mod sessions;
mod signals;
mod signed;
mod simulated;
mod surface_messages;
mod threads;
mod thunderbird;
mod traced;
