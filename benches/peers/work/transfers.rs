//! Long answers, and long messages the other way: what a proxy takes for a megabyte (1,000,000 octets).

use std::io;
use std::rc::Rc;

use super::{Bench, Measured, turns};
use crate::backend::{BIG, SEARCH_LINE};
use crate::load::client::Client;

/// Sessions that transfer at once.
const SESSIONS: usize = 4;

/// `LIST "" "*"`.
pub async fn list(bench: Bench) -> io::Result<Measured> {
    let mailboxes = bench.size.mailboxes as u64;
    answers(bench, "LIST \"\" \"*\"".to_owned(), mailboxes, 0).await
}

/// `LSUB "" "*"`.
pub async fn lsub(bench: Bench) -> io::Result<Measured> {
    let mailboxes = bench.size.mailboxes as u64;
    answers(bench, "LSUB \"\" \"*\"".to_owned(), mailboxes, 0).await
}

/// Flags of every message: short lines.
pub async fn flags(bench: Bench) -> io::Result<Measured> {
    let messages = bench.size.messages.into();
    answers(bench, "UID FETCH 1:* (UID FLAGS)".to_owned(), messages, 0).await
}

/// Envelopes of every message: long lines, some with literals.
pub async fn envelope(bench: Bench) -> io::Result<Measured> {
    let messages = bench.size.messages.into();
    answers(bench, "UID FETCH 1:* (UID ENVELOPE)".to_owned(), messages, 0).await
}

/// Lines of 64 KiB.
pub async fn search(bench: Bench) -> io::Result<Measured> {
    answers(bench, "UID SEARCH ALL".to_owned(), 1, SEARCH_LINE as u64).await
}

/// One message of 25 MiB.
pub async fn fetch(bench: Bench) -> io::Result<Measured> {
    answers(bench, "UID FETCH 1 (UID BODY.PEEK[])".to_owned(), 1, BIG as u64).await
}

/// CPU time for each line of the answer to this command.
pub async fn lines(bench: &Bench, command: &str, untagged: u64) -> io::Result<Measured> {
    let sessions = turns::selected(bench, SESSIONS).await?;
    let command = command.to_owned();
    let turn = async move |client: &mut Client| {
        let answer = client.command(&command).await?;
        at_least(answer.untagged, untagged, "responses")?;
        Ok(answer.untagged as f64)
    };
    turns::measure(bench, sessions, turn).await
}

/// Four sessions that ask the same again and again; the answer has so many responses and octets at least.
async fn answers(bench: Bench, command: String, untagged: u64, octets: u64) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, SESSIONS).await?;
    let turn = async move |client: &mut Client| {
        let answer = client.command(&command).await?;
        at_least(answer.untagged, untagged, "responses")?;
        at_least(answer.octets, octets, "octets")?;
        Ok(answer.octets as f64 / 1e6)
    };
    turns::measure(&bench, sessions, turn).await
}

/// Four sessions that append, by turns with a literal that waits to be asked for and with one that does not.
pub async fn append(bench: Bench) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, SESSIONS).await?;
    let line = [b"RG8gbm90IGNvcHkgd2hhdCBuZWVkIG5vdCBiZS4=".repeat(2).as_slice(), b"\r\n"].concat();
    let message: Rc<[u8]> = line.iter().copied().cycle().take(BIG).collect();
    let turn = async move |client: &mut Client| {
        client.append(&message, true).await?;
        client.append(&message, false).await?;
        Ok(2.0 * message.len() as f64 / 1e6)
    };
    turns::measure(&bench, sessions, turn).await
}

/// Was all there?
pub fn at_least(count: u64, wanted: u64, what: &str) -> io::Result<()> {
    if count >= wanted { Ok(()) } else { Err(io::Error::other(format!("{count} {what}, not {wanted}"))) }
}
