//! What the system asks of the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGHUP: read everything anew.
    Reload,
    /// SIGTERM or SIGINT (Ctrl-C): drain, then stop; the second time, stop at once.
    Stop(&'static str),
}

/// The signals that are listened to, from before the first socket is bound.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one. Nothing is lost where the wait is given up.
    pub async fn next(&mut self) -> Asked {
        // Of two at once, the end is what counts.
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next one that asks for an end.
    pub async fn stop(&mut self) -> &'static str {
        loop {
            if let Asked::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}
