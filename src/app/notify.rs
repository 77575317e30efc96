//! What the service manager is told, where there is one (`NOTIFY_SOCKET`): sd_notify(3).

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{sleep, timeout};

use crate::net::Server;

/// Clients are let in.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Files are read anew; [`ready`] ends that.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It ends.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// How it stands, in a line.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Nobody is waited for: a manager that does not listen is none of ours.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager is not told");
    }
}

/// Tells it, twice in the time that it gives, that listeners and the audit log are at work; where they are not, it is not told,
/// and restarts the process.
pub(super) async fn watchdog(server: Arc<Server>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let half = limit / 2;
    loop {
        match timeout(half, server.answers()).await {
            Ok(true) => tell(&[NotifyState::Watchdog]),
            // The log is closed: the process is at its end.
            Ok(false) => return,
            Err(_) => {
                tracing::error!(
                    limit_s = limit.as_secs(),
                    "listeners or the audit log do not answer: the watchdog is not told"
                );
                continue;
            }
        }
        sleep(half.min(Duration::from_secs(60))).await;
    }
}
