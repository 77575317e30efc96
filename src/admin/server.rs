//! Connections: how many, how long, how large.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::Content;
use super::{AdminState, answer};

/// Connections at once; more wait in the kernel. A scraper, some probes and a few people need no more.
pub const MAX_CONNECTIONS: usize = 64;

/// For a request to arrive, also the next one on the same connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection ends after that, once its request is answered: one that reads slowly cannot hold a place for ever.
pub(super) const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// The same for one whose answer goes on: whoever looks on comes again.
const STREAM_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// What an answer under way is given when its connection is to end.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Request line and headers, in octets. hyper answers 431 to more.
const MAX_REQUEST: usize = 16 * 1024;

/// Header fields of a request.
const MAX_HEADERS: usize = 64;

/// After an accept that failed for want of something: a moment for it to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where calls come in.
#[derive(Debug)]
pub enum Door {
    /// An address with a port.
    Tcp(TcpListener),
    /// A path, which goes when the door does.
    Unix(UnixListener, Option<SocketPath>),
}

/// A socket's file.
#[derive(Debug)]
pub struct SocketPath(pub PathBuf);

impl Drop for SocketPath {
    fn drop(&mut self) {
        // Where it is gone already there is nothing to be done.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Door {
    /// The next connection, and the address of ours that it came to: that of loopback, where only this host gets in.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let local = stream.local_addr()?.ip();
                Ok((Box::new(stream), local))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Answers on this listener until `stop`; then ends what is open, answers under way first.
pub async fn serve(door: Door, state: Arc<AdminState>, stop: impl Future<Output = ()> + Send) {
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = door.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, local)) => {
                    connections.spawn(converse(stream, local, Arc::clone(&state), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(door);
    drop(stopping);
    while connections.join_next().await.is_some() {}
}

/// Of a connection: longer where somebody looks on, whom `stream` cuts if they do not read.
async fn lifetime(goes_on: &AtomicBool) {
    sleep(CONNECTION_LIFETIME).await;
    if goes_on.load(Ordering::Relaxed) {
        sleep(STREAM_LIFETIME).await;
    }
}

/// One connection, to its end. What goes wrong on it is the client's affair.
async fn converse(stream: Box<dyn Stream>, local: IpAddr, state: Arc<AdminState>, mut stopped: watch::Receiver<()>) {
    let goes_on = Arc::new(AtomicBool::new(false));
    let noting = Arc::clone(&goes_on);
    let service = service_fn(move |request| {
        let (state, noting) = (Arc::clone(&state), Arc::clone(&noting));
        async move {
            let answer = answer(request, local, &state).await;
            noting.store(answer.goes_on(), Ordering::Relaxed);
            Ok::<Response<Content>, Infallible>(answer.into())
        }
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
        () = lifetime(&goes_on) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}
