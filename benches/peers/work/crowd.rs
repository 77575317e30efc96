//! Sessions that are held, most of them in IDLE: by children of the runner, one for each process of the peer. What a
//! process can have open then bounds neither.
//!
//! ```text
//!   runner ──"--hold-sessions" WAITING ACTIVE FIRST DOOR──▶ child: connects, logs in, SELECT, IDLE
//!          ◀──────────────── ready ────────────────────────
//!          ── milliseconds ───────────────────────────────▶ each active session has a command a second
//!          ◀──────────────── how long each took ───────────
//!          ── end of its standard input ──────────────────▶ ends, and with it its sessions
//! ```

use std::io::{self, BufRead, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::turns;
use crate::descriptors::share;
use crate::load::client::Client;
use crate::load::door::Door;
use crate::load::latency::Latency;
use crate::place::{self, Process};

/// Sessions, until dropped.
pub struct Crowd {
    holders: Vec<Holder>,
}

impl Crowd {
    /// Has so many wait in IDLE, and so many more in INBOX for their turns.
    pub async fn gather(door: &Door, waiting: usize, active: usize) -> io::Result<Self> {
        let doors = door.each().collect::<Vec<_>>();
        let mut holders = Vec::new();
        let mut first = 0;
        for (number, door) in doors.iter().enumerate() {
            let counts = [waiting, active].map(|count| share(count, doors.len(), number));
            holders.push(Holder::start(door, first, counts)?);
            first += counts[0] + counts[1];
        }
        for holder in &mut holders {
            let word = holder.hear().await?;
            if word != "ready" {
                return Err(io::Error::other(word));
            }
        }
        Ok(Self { holders })
    }

    /// Gives each active session a command a second, for so long; says how long each took.
    pub async fn take_turns(&mut self, time: Duration) -> io::Result<Latency> {
        for holder in &mut self.holders {
            holder.line.write_all(format!("{}\n", time.as_millis()).as_bytes()).await?;
        }
        let mut all = Latency::default();
        for holder in &mut self.holders {
            let line = holder.hear().await?;
            all.merge(Latency::of_line(&line).ok_or_else(|| io::Error::other(line))?);
        }
        Ok(all)
    }
}

/// One of the children.
struct Holder {
    line: BufReader<UnixStream>,
    _process: Process,
}

impl Holder {
    fn start(door: &Door, first: usize, counts: [usize; 2]) -> io::Result<Self> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let mut arguments = vec!["--hold-sessions".to_owned()];
        arguments.extend([counts[0], counts[1], first].map(|number| number.to_string()));
        arguments.extend(door.arguments());
        let mut command = place::dying_with_us(&std::env::current_exe()?, &arguments);
        command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?))).stdout(Stdio::from(OwnedFd::from(theirs)));
        let process = Process::spawn(&mut command, PathBuf::from("/dev/null"))?;
        Ok(Self { line: BufReader::new(UnixStream::from_std(ours)?), _process: process })
    }

    async fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.line.read_line(&mut line).await? == 0 {
            return Err(io::Error::other("a process that holds sessions has ended"));
        }
        Ok(line.trim_ascii_end().to_owned())
    }
}

/// The child.
pub fn main(arguments: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match tokio::task::LocalSet::new().block_on(&runtime, hold(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // The runner hears of it where it waits for an answer.
            println!("{}", e.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

async fn hold(arguments: &[String]) -> io::Result<()> {
    let [waiting, active, first, door @ ..] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let number = |word: &String| word.parse::<usize>().map_err(io::Error::other);
    let (waiting, active, first) = (number(waiting)?, number(active)?, number(first)?);
    let door = Door::of(door)?;
    let idle = turns::sessions(&door, first..first + waiting, into_idle).await?;
    let mut busy = turns::sessions(&door, first + waiting..first + waiting + active, turns::into_inbox).await?;
    say("ready")?;
    // Nothing comes on the sessions meanwhile that would have to be read.
    for line in io::stdin().lock().lines() {
        let time = Duration::from_millis(line?.parse().map_err(io::Error::other)?);
        let (sessions, latency) = take_turns(busy, time).await?;
        busy = sessions;
        say(&latency.to_line())?;
    }
    drop(idle);
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn into_idle(client: &mut Client) -> io::Result<()> {
    turns::into_inbox(client).await?;
    client.idle().await
}

/// Each session has a command a second, the sessions evenly apart; all of them stay.
async fn take_turns(sessions: Vec<Client>, time: Duration) -> io::Result<(Vec<Client>, Latency)> {
    let begun = Instant::now();
    let apart = Duration::from_secs(1) / u32::try_from(sessions.len().max(1)).unwrap_or(u32::MAX);
    let mut all = JoinSet::new();
    for (number, mut client) in sessions.into_iter().enumerate() {
        let mut due = begun + apart * u32::try_from(number).unwrap_or(0);
        all.spawn_local(async move {
            let mut latency = Latency::default();
            while due < begun + time {
                tokio::time::sleep_until(due.into()).await;
                // The timer counts in milliseconds: what it adds is not the proxy's.
                let sent = Instant::now();
                client.command(if number % 2 == 0 { "NOOP" } else { "UID FETCH 9981:10000 (UID FLAGS)" }).await?;
                latency.record(sent.elapsed());
                due += Duration::from_secs(1);
            }
            io::Result::Ok((client, latency))
        });
    }
    let (mut sessions, mut latency) = (Vec::new(), Latency::default());
    while let Some(done) = all.join_next().await {
        let (client, its) = done.map_err(io::Error::other)??;
        sessions.push(client);
        latency.merge(its);
    }
    Ok((sessions, latency))
}
