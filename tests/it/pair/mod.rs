//! Non-interference, held against random sessions: two accounts on a real Dovecot that differ only in what rules hide hear
//! the same, whatever a client says, and what is hidden is what it was.
//!
//! ```text
//!   seed ─▶ generator ─▶ session ─┬─▶ twin A (has nothing hidden) ─▶ transcript ─┐
//!                                 └─▶ twin B (has it)             ─▶ transcript ─┴─ equal? and B's hidden mail as before?
//! ```
//!
//! A failure names its seed, after leaving out all steps that it does not need. `IMAPWARDEN_SEED=17` plays that one alone
//! and prints both sides; `IMAPWARDEN_SESSIONS=20` plays so many instead of all, `IMAPWARDEN_FIRST=5000` others.

mod forbidden;
mod generator;
mod ground;
mod hunt;
mod lists;
mod messages;
mod monotone;
mod names;
mod play;
mod random;
mod roads;
mod script;
mod told;
mod twins;
mod world;
