//! The end: balancers notice, sessions end one by one, the log is closed.
//!
//! ```text
//!   signal ─▶ /readyz 503 ─ drain_delay ─▶ listeners closed ─ drain_window: BYE, one by one ─▶ the rest closed ─▶ proxy.stop
//!      │      (kept sockets: left at once to the process that has them, too)
//!      └─ a second signal, at any time: everything is closed at once
//! ```

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::locks::Keeper;
use super::notify;
use super::record::asked_by_signal;
use super::start::{App, LOOK};
use crate::admin::Drain;
use crate::net::Server;
use crate::session::event::{EventKind, StopReason};

/// What sessions get to say BYE when there is no time.
const AT_ONCE: Duration = Duration::from_secs(1);

impl App {
    /// What the admin API asks for: as a signal would, but for the time of `drain_delay`, in which it can be called off.
    pub(super) async fn drain(&mut self, begin: bool) -> Drain {
        if begin == self.drains_at.is_some() {
            return Drain::NothingToDo;
        }
        let limits = &self.prepared.config.limits;
        let (delay, window) = (limits.drain_delay, limits.drain_window);
        if begin {
            self.drains_at = Some(Instant::now() + delay);
            self.announce(None).await;
            let open = self.server.open_sessions() as u64;
            return Drain::Begun { open, delay_s: delay.as_secs(), window_s: window.as_secs() };
        }
        self.drains_at = None;
        self.readiness.drain(false);
        self.recorder.metrics.draining(false);
        tracing::info!("draining was called off");
        Drain::CalledOff
    }

    /// The moment at which what was announced begins; never without that.
    pub(super) async fn drain_begins(at: Option<Instant>) {
        match at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Ends everything. Without a signal it was announced before.
    pub(super) async fn stop(&mut self, signal: Option<&str>) {
        notify::stopping("draining");
        if signal.is_some() {
            self.announce(signal).await;
        }
        if self.kept {
            // Whoever connects waits for the next process, or has it already. So does who asks here.
            self.server.leave_kept_sockets();
            let _ = self.admin.send(true);
        }
        let delay = if signal.is_some() { self.prepared.config.limits.drain_delay } else { Duration::ZERO };
        let window = self.prepared.config.limits.drain_window;
        let reason = tokio::select! {
            biased;
            second = self.signals.stop() => {
                tracing::warn!(signal = second, "closing at once");
                // What has not ended by then ends with the process.
                let _ = timeout(AT_ONCE, self.server.end()).await;
                StopReason::Forced
            }
            () = follow_locks(&mut self.locks, &self.server) => StopReason::Drained, // it never ends
            reason = drain(&self.server, delay, window) => reason,
        };
        let _ = self.admin.send(true);
        match self.recorder.log.close(reason).await {
            Ok(()) => tracing::info!(%reason, "stopped"),
            Err(error) => tracing::error!(%reason, %error, "stopped, and the last records are missing"),
        }
    }

    async fn announce(&self, signal: Option<&str>) {
        self.readiness.drain(true);
        self.recorder.metrics.draining(true);
        let (open, window) = (self.server.open_sessions(), self.prepared.config.limits.drain_window);
        tracing::info!(signal, sessions = open, "draining");
        if let Some(signal) = signal {
            self.recorder.note(asked_by_signal(signal, "drain", false)).await;
        }
        self.recorder.note(EventKind::ProxyDrain { open: open as u64, window_s: window.as_secs() }).await;
    }
}

/// The next process may have the same locks, and change them: they hold here, too.
async fn follow_locks(locks: &mut Keeper, server: &Server) {
    loop {
        sleep(LOOK).await;
        locks.follow_others(server);
        notify::status(&format!("draining, {} sessions left", server.open_sessions()));
    }
}

async fn drain(server: &Server, delay: Duration, window: Duration) -> StopReason {
    sleep(delay).await;
    let began = Instant::now();
    let nobody = server.open_sessions() == 0;
    server.drain(window).await;
    // At the end of the window sessions were closed in the middle of what they did.
    if nobody || began.elapsed() < window { StopReason::Drained } else { StopReason::Forced }
}
