//! Connections: how many, how long, how large.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{AdminState, answer};

/// Connections at once; more wait in the kernel. A scraper, some probes and a few people need no more.
pub const MAX_CONNECTIONS: usize = 64;

/// For a request to arrive, also the next one on the same connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection ends after that, once its request is answered: one that reads slowly cannot hold a place for ever.
pub(super) const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// What an answer under way is given when its connection is to end.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Request line and headers, in octets. hyper answers 431 to more.
const MAX_REQUEST: usize = 16 * 1024;

/// Header fields of a request.
const MAX_HEADERS: usize = 64;

/// After an accept that failed for want of something: a moment for it to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on this listener until `stop`; then ends what is open, answers under way first.
pub async fn serve(listener: TcpListener, state: Arc<AdminState>, stop: impl Future<Output = ()> + Send) {
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&state), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drop(stopping);
    while connections.join_next().await.is_some() {}
}

/// One connection, to its end. What goes wrong on it is the client's affair.
async fn converse(stream: TcpStream, state: Arc<AdminState>, mut stopped: watch::Receiver<()>) {
    let Ok(local) = stream.local_addr() else { return };
    let local: IpAddr = local.ip();
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<Response<Full<Bytes>>, Infallible>(answer(request, local, &state).await.into()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(MAX_REQUEST)
        .max_headers(MAX_HEADERS)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = stopped.changed() => {}
        () = sleep(CONNECTION_LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}
