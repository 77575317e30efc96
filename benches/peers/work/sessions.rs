//! Sessions that come and go, and sessions that stay.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Bench, Figure, Measured, turns};
use crate::load::client::Client;
use crate::load::door::Door;
use crate::load::latency::Latency;
use crate::usage::{self, Cpu};

/// 16 clients that connect, log in and leave.
pub async fn login(bench: Bench) -> io::Result<Measured> {
    let door = bench.door.clone();
    let turn = async move |number: &mut usize| {
        Client::session(&door, *number).await?.logout().await?;
        *number += 16;
        Ok(1.0)
    };
    turns::measure(&bench, (0..16).collect(), turn).await
}

/// The same clients, each with the tickets that it was given before.
pub async fn login_with_ticket(bench: Bench) -> io::Result<Measured> {
    struct Returning {
        door: Door,
        first: bool,
    }
    let clients = (0..16).map(|_| Returning { door: bench.door.with_tickets(), first: true }).collect();
    let turn = async |subject: &mut Returning| {
        let client = Client::session(&subject.door, 0).await?;
        if !client.resumed() && !subject.first {
            let why = "a ticket was not taken: this would measure full handshakes";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        subject.first = false;
        client.logout().await?;
        Ok(1.0)
    };
    turns::measure(&bench, clients, turn).await
}

/// The same clients, who open INBOX, too.
pub async fn enter(bench: Bench) -> io::Result<Measured> {
    let door = bench.door.clone();
    let turn = async move |number: &mut usize| {
        let mut client = Client::session(&door, *number).await?;
        client.command("SELECT INBOX").await?;
        client.logout().await?;
        *number += 16;
        Ok(1.0)
    };
    turns::measure(&bench, (0..16).collect(), turn).await
}

/// Memory of sessions in IDLE.
pub async fn idle(bench: Bench) -> io::Result<Measured> {
    let count = bench.many(5_000);
    Ok(vec![waiting(&bench, count).await?.1])
}

/// So many sessions in IDLE, and the memory that they take.
pub async fn waiting(bench: &Bench, count: usize) -> io::Result<(Vec<Client>, (Figure, f64))> {
    let before = settled(bench.root).await?;
    let sessions = turns::sessions(bench, count, into_idle).await?;
    let after = settled(bench.root).await?;
    let memory = each(before, after, sessions.len());
    Ok((sessions, memory))
}

async fn into_idle(client: &mut Client) -> io::Result<()> {
    client.command("SELECT INBOX").await?;
    client.idle().await
}

fn each(before: u64, after: u64, sessions: usize) -> (Figure, f64) {
    (Figure::Memory, (after as f64 - before as f64) / sessions as f64)
}

/// Memory, once it no longer changes: what is freed, is freed a moment later.
async fn settled(root: u32) -> io::Result<u64> {
    let (mut last, mut steady) = (usage::pss(root)?, 0);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = usage::pss(root)?;
        steady = if now.abs_diff(last) * 200 <= now { steady + 1 } else { 0 };
        last = now;
        if steady == 3 {
            break;
        }
    }
    Ok(last)
}

/// Logins at a steady pace while others wait: 200 in a second, whether or not those before are done.
pub async fn logins_beside_idle(bench: Bench) -> io::Result<Measured> {
    const PACE: Duration = Duration::from_millis(5);
    let idle = turns::sessions(&bench, bench.many(2_000), into_idle).await?;
    let logins = (bench.seconds * 3).as_millis() / PACE.as_millis();
    let (cpu, begun) = (Cpu::of(bench.root)?, Instant::now());
    let mut all = JoinSet::new();
    for number in 0..usize::try_from(logins).expect("a few thousand") {
        let door = bench.door.clone();
        let due = begun + PACE * u32::try_from(number).expect("a few thousand");
        all.spawn_local(async move {
            tokio::time::sleep_until(due.into()).await;
            // The timer counts in milliseconds: what it adds is not the proxy's.
            let begun = Instant::now();
            Client::session(&door, number).await?.logout().await?;
            io::Result::Ok(begun.elapsed())
        });
    }
    let mut latency = Latency::default();
    while let Some(took) = all.join_next().await {
        latency.record(took.map_err(io::Error::other)??);
    }
    let mut measured = turns::per_unit(Cpu::of(bench.root)?.since(&cpu), logins as f64)?;
    measured.extend(turns::latencies(&mut latency));
    drop(idle);
    Ok(measured)
}

/// Three of four sessions in IDLE, the fourth with a command a second: CPU of a command, latency, memory of a session.
pub async fn scale(bench: Bench, count: usize) -> io::Result<Measured> {
    let active = bench.many(count) / 4;
    let waiting = bench.many(count) - active;
    let before = settled(bench.root).await?;
    let idle = turns::sessions(&bench, waiting, into_idle).await?;
    let busy = turns::selected(&bench, active).await?;
    let after = settled(bench.root).await?;
    let (cpu, begun) = (Cpu::of(bench.root)?, Instant::now());
    let (mut latency, commands) = paced(busy, begun, bench.seconds * 4).await?;
    let mut measured = turns::per_unit(Cpu::of(bench.root)?.since(&cpu), commands)?;
    measured.extend(turns::latencies(&mut latency));
    measured.push(each(before, after, waiting + active));
    drop(idle);
    Ok(measured)
}

/// Each session has a command a second, the sessions evenly apart.
async fn paced(sessions: Vec<Client>, begun: Instant, time: Duration) -> io::Result<(Latency, f64)> {
    let apart = Duration::from_secs(1) / u32::try_from(sessions.len()).unwrap_or(u32::MAX);
    let mut all = JoinSet::new();
    for (number, mut client) in sessions.into_iter().enumerate() {
        let mut due = begun + apart * u32::try_from(number).unwrap_or(0);
        all.spawn_local(async move {
            let mut latency = Latency::default();
            let mut commands = 0.0;
            while due < begun + time {
                tokio::time::sleep_until(due.into()).await;
                let sent = Instant::now();
                client.command(if number % 2 == 0 { "NOOP" } else { "UID FETCH 9981:10000 (UID FLAGS)" }).await?;
                latency.record(sent.elapsed());
                commands += 1.0;
                due += Duration::from_secs(1);
            }
            io::Result::Ok((latency, commands))
        });
    }
    let (mut latency, mut commands) = (Latency::default(), 0.0);
    while let Some(done) = all.join_next().await {
        let (its, count) = done.map_err(io::Error::other)??;
        latency.merge(its);
        commands += count;
    }
    Ok((latency, commands))
}
