//! An IMAP server that is faster than any proxy before it: every answer is in memory before it is asked for.
//!
//! ```text
//!   one read ─▶ commands (however many it brought) ─▶ canned answers ─▶ one write
//! ```
//!
//! One thread, in a process of its own, so that its CPU time is its own. Ends when its standard input does: whoever
//! started it need not live to end it. Knows no user, takes every password, keeps nothing that it is sent.

mod canned;
mod commands;
mod session;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use canned::Canned;
pub use canned::{BIG, SEARCH_LINE, Size, is_secret};

use crate::load::tls;

/// Serves until standard input ends; says on standard output where, in clear and in TLS.
pub fn main(doors: [SocketAddr; 2], chain: &Path, key: &Path, size: Size) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls::server(chain, key)?);
    let canned: &'static Canned = Box::leak(Box::new(Canned::new(size)));
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (plain, tls) = (listen(doors[0])?, listen(doors[1])?);
        let mut out = io::stdout().lock();
        writeln!(out, "{} {}", plain.local_addr()?, tls.local_addr()?)?;
        out.flush()?;
        drop(out);
        tokio::spawn(accept(plain, canned, None));
        accept(tls, canned, Some(acceptor)).await;
        Ok(())
    })
}

/// A queue that holds a storm of connections; the standard library's is 128.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")))?;
    socket.listen(4096)
}

async fn accept(listener: TcpListener, canned: &'static Canned, acceptor: Option<TlsAcceptor>) {
    let acceptor = acceptor.map(Arc::new);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, canned, acceptor.clone()))),
            Err(e) => {
                eprintln!("backend: {e}");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

/// A client that goes away, in whatever way, is no matter of the backend's.
async fn serve(stream: TcpStream, canned: &'static Canned, acceptor: Option<Arc<TlsAcceptor>>) {
    let _ = stream.set_nodelay(true);
    let _ = match acceptor {
        None => session::run(stream, canned).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => session::run(stream, canned).await,
            Err(e) => Err(e),
        },
    };
}
