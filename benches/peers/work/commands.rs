//! Short commands: what a proxy takes for each, whatever is in it.

use std::io;

use super::{Bench, Measured, turns};
use crate::load::client::Client;

/// 64 sessions, each with one NOOP under way.
pub async fn noop(bench: Bench) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, 64).await?;
    turns::measure(&bench, sessions, noops).await
}

/// 64 sessions, each with one FETCH of a small message under way: two records for each.
pub async fn small_fetch(bench: Bench) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, 64).await?;
    let command = format!("UID FETCH {} (UID BODY.PEEK[])", bench.size.messages);
    let turn = async move |client: &mut Client| {
        let answer = client.command(&command).await?;
        super::transfers::at_least(answer.untagged, 1, "FETCH responses")?;
        Ok(1.0)
    };
    turns::measure(&bench, sessions, turn).await
}

/// One session and nothing else on its way: how much longer does an answer take?
pub async fn single(bench: Bench) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, 1).await?;
    turns::measure(&bench, sessions, noops).await
}

async fn noops(client: &mut Client) -> io::Result<f64> {
    client.command("NOOP").await.map(|_| 1.0)
}

/// Four sessions, each with 64 NOOPs in a write.
pub async fn noop_pipelined(bench: Bench) -> io::Result<Measured> {
    let sessions = turns::selected(&bench, 4).await?;
    let turn = async |client: &mut Client| client.pipeline(std::iter::repeat_n("NOOP", 64)).await.map(|_| 64.0);
    turns::measure(&bench, sessions, turn).await
}

/// Four sessions that ask after 50 mailboxes at a time, as mail readers do when they start.
pub async fn status(bench: Bench) -> io::Result<Measured> {
    const COUNT: usize = 50;
    let sessions = turns::sessions(&bench.door, 0..4, async |_: &mut Client| Ok(())).await?;
    let commands = (0..COUNT)
        .map(|at| format!("STATUS \"Projects/Apollo {}\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)", at * 4))
        .collect::<Vec<_>>();
    let turn = async move |client: &mut Client| {
        let answer = client.pipeline(commands.iter().map(String::as_str)).await?;
        super::transfers::at_least(answer.untagged, COUNT as u64, "STATUS responses")?;
        Ok(COUNT as f64)
    };
    turns::measure(&bench, sessions, turn).await
}

/// A mail reader looks in: connects, reads what is new, waits, and leaves. 16 commands.
pub async fn visit(bench: Bench) -> io::Result<Measured> {
    let door = bench.door.clone();
    let last = bench.size.messages;
    let recent = format!("{}:{last}", last - 19);
    let turn = async move |number: &mut usize| {
        let mut client = Client::connect(&door).await?;
        client.command("CAPABILITY").await?;
        client.authenticate(&door.user(*number)).await?;
        client.command("ID (\"name\" \"Reader\" \"version\" \"128.0\")").await?;
        client.command("NAMESPACE").await?;
        client.command("LIST \"\" \"%\"").await?;
        client.command("STATUS Drafts (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)").await?;
        client.command("STATUS Sent (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)").await?;
        client.command("SELECT INBOX").await?;
        client.command(&format!("UID FETCH {recent} (UID FLAGS)")).await?;
        client.command(&format!("UID FETCH {recent} (UID ENVELOPE)")).await?;
        client.command(&format!("UID FETCH {last} (UID BODY.PEEK[])")).await?;
        client.command(&format!("UID STORE {last} +FLAGS (\\Seen)")).await?;
        client.idle().await?;
        client.done().await?;
        client.command("NOOP").await?;
        client.command("CLOSE").await?;
        client.logout().await?;
        *number += 16;
        Ok(16.0)
    };
    turns::measure(&bench, (0..16).collect(), turn).await
}
