//! The end: balancers notice, sessions end one by one, the log is closed.
//!
//! ```text
//!   signal ─▶ /readyz 503 ─ drain_delay ─▶ listeners closed ─ drain_window: BYE, one by one ─▶ the rest closed ─▶ proxy.stop
//!      └─ a second signal, at any time: everything is closed at once
//! ```

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::record::asked_by_signal;
use super::start::App;
use crate::config::Limits;
use crate::net::Server;
use crate::session::event::{EventKind, StopReason};

/// What sessions get to say BYE when there is no time.
const AT_ONCE: Duration = Duration::from_secs(1);

impl App {
    /// Ends everything.
    pub(super) async fn stop(&mut self, signal: &str) {
        self.announce(signal).await;
        let reason = tokio::select! {
            biased;
            second = self.signals.stop() => {
                tracing::warn!(signal = second, "closing at once");
                // What has not ended by then ends with the process.
                let _ = timeout(AT_ONCE, self.server.end()).await;
                StopReason::Forced
            }
            reason = drain(&self.server, &self.prepared.config.limits) => reason,
        };
        let _ = self.admin.send(true);
        match self.recorder.log.close(reason).await {
            Ok(()) => tracing::info!(%reason, "stopped"),
            Err(error) => tracing::error!(%reason, %error, "stopped, and the last records are missing"),
        }
    }

    async fn announce(&self, signal: &str) {
        self.readiness.drain();
        self.recorder.metrics.draining(true);
        let (open, window) = (self.server.open_sessions(), self.prepared.config.limits.drain_window);
        tracing::info!(signal, sessions = open, "draining");
        self.recorder.note(asked_by_signal(signal, "drain", false)).await;
        self.recorder.note(EventKind::ProxyDrain { open: open as u64, window_s: window.as_secs() }).await;
    }
}

async fn drain(server: &Server, limits: &Limits) -> StopReason {
    sleep(limits.drain_delay).await;
    let began = Instant::now();
    let nobody = server.open_sessions() == 0;
    server.drain(limits.drain_window).await;
    // At the end of the window sessions were closed in the middle of what they did.
    if nobody || began.elapsed() < limits.drain_window { StopReason::Drained } else { StopReason::Forced }
}
