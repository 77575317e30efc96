//! The sockets of a start: those that were handed over, and those that have to be bound.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tokio::net::TcpListener;

use super::Prepared;
use super::start::Places;
use crate::admin::{Door, SocketPath};
use crate::config::{AdminBind, Config, Listener};
use crate::diagnostic::{Problem, Severity};
use crate::metrics::Metrics;
use crate::net::{Bound, Inherited, ServerTls};

/// What the admin port is called among sockets that are handed over.
const ADMIN: &str = "admin";

/// Sockets that are bound and let nobody in yet.
pub(super) struct Sockets {
    /// Of each listener, in the order of the configuration.
    pub bound: Vec<Vec<Bound>>,
    pub admin: Door,
    pub places: Places,
    /// Some were handed over: whoever keeps them hands them to the next process, too.
    pub kept: bool,
}

/// All of them, or every one that cannot be had.
pub(super) fn open(prepared: &Prepared, metrics: &Metrics, mut inherited: Inherited) -> Result<Sockets, Vec<Problem>> {
    let config = &prepared.config;
    let kept = !inherited.is_empty();
    let (mut bound, mut places, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (listener, tls)) in config.listeners.iter().zip(&prepared.server_tls).enumerate() {
        match listen(listener, tls.clone(), metrics, &mut inherited) {
            Ok((place, one)) => {
                places.push(place);
                bound.push(one);
            }
            Err(error) => problems.push(cannot_bind(config, number, listener.bind, &error)),
        }
    }
    let admin = admin(&config.admin.bind, &mut inherited).map_err(|error| {
        let text = config.admin.bind.to_string();
        problems.push(cannot_listen(config, "admin.bind", &text, &error));
    });
    problems.extend(inherited.left().into_iter().map(|socket| {
        let problem =
            Problem::new(Severity::Error, format!("a socket was handed over that nothing here listens on: {socket}"));
        problem.help("a socket is a listener's by its name or its address; `admin` is the admin port's")
    }));
    match admin {
        Ok((admin, place)) if problems.is_empty() => {
            Ok(Sockets { bound, admin, places: Places { listeners: places, admin: place }, kept })
        }
        Ok(_) | Err(()) => Err(problems),
    }
}

/// One listener, on what was handed over for it, or on a socket of its own.
fn listen(
    listener: &Listener,
    tls: Option<ServerTls>,
    metrics: &Metrics,
    inherited: &mut Inherited,
) -> io::Result<(SocketAddr, Vec<Bound>)> {
    let given = inherited.tcp(&listener.name, listener.bind);
    let bound = match given.is_empty() {
        true => vec![Bound::bind(listener, tls, metrics)?],
        false => Bound::kept(listener, tls, metrics, given)?,
    };
    let place = bound.first().ok_or(io::ErrorKind::NotFound)?.local_addr()?;
    if listener.bind.port() != 0 && place.port() != listener.bind.port() {
        tracing::warn!(listener = %listener.name, bind = %listener.bind, %place, "the socket that was handed over has another port");
    }
    Ok((place, bound))
}

/// A listener that a reload adds.
pub(super) fn bind_new(
    config: &Config,
    number: usize,
    tls: Option<ServerTls>,
    metrics: &Metrics,
) -> Result<Vec<Bound>, Problem> {
    let Some(listener) = config.listeners.get(number) else { return Ok(Vec::new()) };
    match Bound::bind(listener, tls, metrics) {
        Ok(bound) => Ok(vec![bound]),
        Err(error) => Err(cannot_bind(config, number, listener.bind, &error)),
    }
}

fn admin(bind: &AdminBind, inherited: &mut Inherited) -> io::Result<(Door, AdminBind)> {
    match bind {
        AdminBind::Tcp(address) => {
            let socket = match inherited.tcp(ADMIN, *address).into_iter().next() {
                Some(given) => given,
                None => std::net::TcpListener::bind(address)?,
            };
            socket.set_nonblocking(true)?;
            let place = socket.local_addr()?;
            Ok((Door::Tcp(TcpListener::from_std(socket)?), AdminBind::Tcp(place)))
        }
        AdminBind::Unix(path) => {
            let (socket, file) = match inherited.unix(ADMIN, path) {
                Some(given) => (given, None),
                None => (bind_path(path)?, Some(SocketPath(path.clone()))),
            };
            socket.set_nonblocking(true)?;
            Ok((Door::Unix(tokio::net::UnixListener::from_std(socket)?, file), bind.clone()))
        }
    }
}

/// For the owner and the group. A file that a process left which nobody listens to any more is no hindrance.
fn bind_path(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_dead =
                UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !is_dead {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        listener => listener?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

fn cannot_bind(config: &Config, number: usize, address: SocketAddr, error: &io::Error) -> Problem {
    cannot_listen(config, &format!("listener.{number}.bind"), &address.to_string(), error)
}

fn cannot_listen(config: &Config, place: &str, address: &str, error: &io::Error) -> Problem {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse if address.starts_with("unix:") => "another process answers at this path",
        io::ErrorKind::AddrInUse => "another program listens there: `ss -ltnp` shows which",
        io::ErrorKind::PermissionDenied if address.starts_with("unix:") => {
            "the directory must be one that the user may write to, such as /run/imapwarden"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: `ip addr` shows those that it has",
        io::ErrorKind::NotFound => "the directory of the socket must be there",
        _ => "name an address that this machine has and a port that is free",
    };
    let why = crate::config::reason(error);
    config.places.error(place, format!("cannot listen on {address}: {why}")).help(help)
}
