//! Subjects that take turn after turn until the time is up: the closed loop behind most work loads.
//!
//! ```text
//!   subjects ─▶ warm up (a fifth of the time) ─▶ CPU read ─▶ turns, all subjects at once ─▶ CPU read
//! ```

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Bench, Figure, Measured};
use crate::load::client::Client;
use crate::load::door::Door;
use crate::load::latency::Latency;
use crate::usage::Cpu;

/// Logins at once while sessions are prepared.
const LOGINS: usize = 64;

/// What a number of turns came to.
struct Turns<S> {
    subjects: Vec<S>,
    units: f64,
    latency: Latency,
}

/// Has all subjects take turns, each turn saying how many units it did.
pub async fn measure<S, T>(bench: &Bench, subjects: Vec<S>, turn: T) -> io::Result<Measured>
where
    S: 'static,
    T: AsyncFn(&mut S) -> io::Result<f64> + Clone + 'static,
{
    let warm = take(subjects, bench.seconds / 5, turn.clone()).await?;
    let (cpu, begun) = (Cpu::of(&bench.roots)?, Instant::now());
    let mut done = take(warm.subjects, bench.seconds, turn).await?;
    let (took, cpu) = (begun.elapsed(), Cpu::of(&bench.roots)?.since(&cpu));
    let mut measured = per_unit(cpu, done.units)?;
    measured.push((Figure::Rate, done.units / took.as_secs_f64()));
    measured.extend(latencies(&mut done.latency));
    Ok(measured)
}

/// CPU time for each unit.
pub fn per_unit(cpu: Duration, units: f64) -> io::Result<Measured> {
    if units <= 0.0 {
        return Err(io::Error::other("nothing was done in the time given"));
    }
    Ok(vec![(Figure::Cpu, cpu.as_secs_f64() * 1e6 / units)])
}

/// Half and 99 of 100.
pub fn latencies(latency: &mut Latency) -> Measured {
    let half = latency.percentile(0.5).map(|value| (Figure::P50, value));
    let most = latency.percentile(0.99).map(|value| (Figure::P99, value));
    half.into_iter().chain(most).collect()
}

async fn take<S, T>(subjects: Vec<S>, time: Duration, turn: T) -> io::Result<Turns<S>>
where
    S: 'static,
    T: AsyncFn(&mut S) -> io::Result<f64> + Clone + 'static,
{
    let until = Instant::now() + time;
    let mut all = JoinSet::new();
    for mut subject in subjects {
        let turn = turn.clone();
        all.spawn_local(async move {
            let (mut units, mut latency) = (0.0, Latency::default());
            let mut begun = Instant::now();
            while begun < until {
                units += turn(&mut subject).await?;
                let now = Instant::now();
                latency.record(now - begun);
                begun = now;
            }
            io::Result::Ok((subject, units, latency))
        });
    }
    let mut sum = Turns { subjects: Vec::new(), units: 0.0, latency: Latency::default() };
    while let Some(done) = all.join_next().await {
        let (subject, units, latency) = done.map_err(io::Error::other)??;
        sum.subjects.push(subject);
        sum.units += units;
        sum.latency.merge(latency);
    }
    Ok(sum)
}

/// Sessions of the users with these numbers, each prepared by `prepare`.
pub async fn sessions<P>(door: &Door, numbers: Range<usize>, prepare: P) -> io::Result<Vec<Client>>
where
    P: AsyncFn(&mut Client) -> io::Result<()> + Clone + 'static,
{
    let mut ready = Vec::with_capacity(numbers.len());
    let mut all = JoinSet::new();
    for number in numbers {
        while all.len() >= LOGINS {
            let client = all.join_next().await.expect("some are under way").map_err(io::Error::other)?;
            ready.push(client?);
        }
        let (door, prepare) = (door.clone(), prepare.clone());
        all.spawn_local(async move {
            let mut client = Client::session(&door, number).await?;
            prepare(&mut client).await?;
            io::Result::Ok(client)
        });
    }
    while let Some(client) = all.join_next().await {
        ready.push(client.map_err(io::Error::other)??);
    }
    Ok(ready)
}

/// Sessions in INBOX.
pub async fn selected(bench: &Bench, count: usize) -> io::Result<Vec<Client>> {
    sessions(&bench.door, 0..count, into_inbox).await
}

/// Opens it.
pub async fn into_inbox(client: &mut Client) -> io::Result<()> {
    client.command("SELECT INBOX").await.map(drop)
}
