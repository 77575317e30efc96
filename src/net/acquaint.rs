//! What does each upstream offer before login? Asked once, so that the first client has the same choice as all others.
//!
//! ```text
//!   connect ─▶ greeting ─▶ [STARTTLS ─▶ TLS] ─▶ CAPABILITY ─▶ LOGOUT
//!        └─ away ─▶ again a little later, for as long as nothing is known
//! ```
//!
//! Sessions learn the same whenever somebody logs in. But a client that logs in with a token, and is not told that it may,
//! never would: somebody has to ask before. Knows nothing of clients; no credentials ever pass here.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::server::Server;
use super::talk::{Talk, behind, starts_with};
use super::upstream::{Connected, Connector};
use crate::session::UpstreamInfo;

/// From one round to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// Asks every upstream of which nothing is known, for as long as there is a server. Those of a reload come in turn.
pub(super) async fn acquaint(server: Weak<Server>) {
    while let Some(server) = server.upgrade() {
        let mut asked = JoinSet::new();
        for info in server.shared().upstreams.iter().filter(|info| !info.is_known()) {
            if let Some(connector) = server.connector(&info.name) {
                asked.spawn(ask(connector, Arc::clone(info)));
            }
        }
        drop(server);
        while asked.join_next().await.is_some() {}
        sleep(AGAIN).await;
    }
}

async fn ask(connector: Arc<Connector>, info: Arc<UpstreamInfo>) {
    // Why it cannot be reached has been said by the connector.
    let Ok(connected) = connector.connect(None).await else { return };
    let limit = connector.timeout();
    match timeout(limit, capabilities(connected, &connector)).await {
        Ok(Ok(list)) => info.learn(list.split(|octet| *octet == b' ')),
        Ok(Err(error)) => tracing::debug!(upstream = %info.name, %error, "the upstream does not say what it offers"),
        Err(_) => tracing::debug!(upstream = %info.name, "the upstream does not say what it offers in time"),
    }
}

/// What stands behind `* CAPABILITY`.
async fn capabilities(connected: Connected, connector: &Connector) -> io::Result<Vec<u8>> {
    let mut talk = Talk::begin(connected, connector).await?;
    talk.say(b"s2 CAPABILITY\r\n".to_vec());
    let mut told = None;
    let list = loop {
        let line = talk.response().await?;
        if let Some(list) = behind(&line, b"* CAPABILITY ") {
            told = Some(list.trim_ascii_end().to_vec());
        } else if let Some(status) = behind(&line, b"s2 ") {
            let list = told.filter(|_| starts_with(status, b"OK"));
            break list.ok_or(io::ErrorKind::InvalidData)?;
        }
    };
    talk.say(b"s3 LOGOUT\r\n".to_vec());
    talk.close().await;
    Ok(list)
}
