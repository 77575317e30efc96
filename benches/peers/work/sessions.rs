//! Sessions that come and go, and sessions that stay.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::crowd::Crowd;
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
pub async fn waiting(bench: &Bench, count: usize) -> io::Result<(Crowd, (Figure, f64))> {
    let before = settled(&bench.roots).await?;
    let sessions = Crowd::gather(&bench.door, count, 0).await?;
    let after = settled(&bench.roots).await?;
    Ok((sessions, each(before, after, count)))
}

fn each(before: u64, after: u64, sessions: usize) -> (Figure, f64) {
    (Figure::Memory, (after as f64 - before as f64) / sessions as f64)
}

/// Memory, once it no longer changes: what is freed, is freed a moment later.
async fn settled(roots: &[u32]) -> io::Result<u64> {
    let (mut last, mut steady) = (usage::pss(roots)?, 0);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = usage::pss(roots)?;
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
    let idle = Crowd::gather(&bench.door, bench.many(2_000), 0).await?;
    let logins = (bench.seconds * 3).as_millis() / PACE.as_millis();
    let (cpu, begun) = (Cpu::of(&bench.roots)?, Instant::now());
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
    let mut measured = turns::per_unit(Cpu::of(&bench.roots)?.since(&cpu), logins as f64)?;
    measured.extend(turns::latencies(&mut latency));
    drop(idle);
    Ok(measured)
}

/// Three of four sessions in IDLE, the fourth with a command a second: CPU of a command, latency, memory of a session.
pub async fn scale(bench: Bench, count: usize) -> io::Result<Measured> {
    let active = bench.many(count) / 4;
    let waiting = bench.many(count) - active;
    let before = settled(&bench.roots).await?;
    let mut crowd = Crowd::gather(&bench.door, waiting, active).await?;
    let after = settled(&bench.roots).await?;
    let cpu = Cpu::of(&bench.roots)?;
    let mut latency = crowd.take_turns(bench.seconds * 4).await?;
    let mut measured = turns::per_unit(Cpu::of(&bench.roots)?.since(&cpu), latency.count() as f64)?;
    measured.extend(turns::latencies(&mut latency));
    measured.push(each(before, after, waiting + active));
    drop(crowd);
    Ok(measured)
}
