//! Is this request meant for us, and not sent by a page of another site?
//!
//! ```text
//!   page of evil.example ─▶ its name now points to 127.0.0.1 ─▶ GET /metrics, Host: evil.example ─▶ 403
//! ```
//!
//! The Host must be the address that was connected to, or this host's own name for itself. The port is not compared: a
//! page that came from this host is not kept out by it, and tunnels change it.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode, Version};

use super::answer::Answer;

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No Host, or several, or one that is none.
    NoHost,
    /// A name that is not ours.
    Host,
    /// From a page that is not ours.
    Origin,
}

impl From<Stranger> for Answer {
    fn from(stranger: Stranger) -> Self {
        let (status, detail) = match stranger {
            Stranger::NoHost => (StatusCode::BAD_REQUEST, "send exactly one Host header"),
            Stranger::Host => (StatusCode::FORBIDDEN, "the Host must be the address of this server, or localhost"),
            Stranger::Origin => (StatusCode::FORBIDDEN, "the Origin must be this server's own"),
        };
        Self::problem(status, detail)
    }
}

/// `local` is the address that the client connected to, `hosts` are further names of it.
pub(super) fn check<B>(request: &Request<B>, local: IpAddr, hosts: &[Box<str>]) -> Result<(), Stranger> {
    let host = match only(request.headers(), HOST)? {
        Some(host) => Some(host.to_str().ok().and_then(|host| host.parse().ok()).ok_or(Stranger::NoHost)?),
        // Health checks in HTTP/1.0 send none. A browser always does, so none is no page.
        None if request.version() == Version::HTTP_10 => None,
        None => return Err(Stranger::NoHost),
    };
    // RFC 9112 §3.2.2: a target in absolute form counts instead of the Host; here both must be ours.
    if ![host.as_ref(), request.uri().authority()]
        .into_iter()
        .flatten()
        .all(|name| is_ours(name, local) || is_named(name, hosts))
    {
        return Err(Stranger::Host);
    }
    match only(request.headers(), ORIGIN)? {
        Some(origin) if !is_origin_of(origin, host.as_ref(), hosts) => Err(Stranger::Origin),
        _ => Ok(()),
    }
}

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, Stranger> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Stranger::NoHost),
    }
}

fn is_ours(authority: &Authority, local: IpAddr) -> bool {
    let host = authority.host();
    if authority.as_str().contains('@') {
        return false;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    literal.parse::<IpAddr>().is_ok_and(|address| {
        let address = address.to_canonical();
        address == local.to_canonical() || address.is_loopback()
    })
}

fn is_named(authority: &Authority, hosts: &[Box<str>]) -> bool {
    !authority.as_str().contains('@') && hosts.iter().any(|host| authority.host().eq_ignore_ascii_case(host))
}

/// What stands before us under a name that was said may speak TLS.
fn is_origin_of(origin: &HeaderValue, host: Option<&Authority>, hosts: &[Box<str>]) -> bool {
    let Some(host) = host else { return false };
    let schemes: &[&str] = if is_named(host, hosts) { &["http", "https"] } else { &["http"] };
    schemes.iter().any(|scheme| origin.as_bytes().eq_ignore_ascii_case(format!("{scheme}://{host}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.0.2.1";

    fn verdict(target: &str, version: Version, headers: &[(&str, &str)]) -> Result<(), Stranger> {
        let mut request = Request::builder().uri(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap(), LOCAL.parse().unwrap(), &["ops.example.org".into()])
    }

    #[test]
    fn hosts() {
        let rows = [
            ("the address", "192.0.2.1:9143", Ok(())),
            ("the address, another port", "192.0.2.1:80", Ok(())),
            ("the address, no port", "192.0.2.1", Ok(())),
            ("the address, mapped", "[::ffff:192.0.2.1]:9143", Ok(())),
            ("localhost", "localhost:9143", Ok(())),
            ("localhost in another case", "LocalHost", Ok(())),
            ("loopback", "127.0.0.1:9143", Ok(())),
            ("loopback, IPv6", "[::1]:9143", Ok(())),
            ("a name that was said", "Ops.example.org", Ok(())),
            ("with a port", "ops.example.org:8443", Ok(())),
            ("behind a user", "x@ops.example.org", Err(Stranger::Host)),
            ("a name below it", "evil.ops.example.org", Err(Stranger::Host)),
            ("another address", "192.0.2.2:9143", Err(Stranger::Host)),
            ("unspecified", "0.0.0.0:9143", Err(Stranger::Host)),
            ("a name", "evil.example", Err(Stranger::Host)),
            ("a name that begins as ours", "192.0.2.1.evil.example:9143", Err(Stranger::Host)),
            ("a name that ends as ours", "evil.localhost", Err(Stranger::Host)),
            ("with a dot", "localhost.", Err(Stranger::Host)),
            ("behind a user", "evil@localhost", Err(Stranger::Host)),
            ("a number", "2130706433", Err(Stranger::Host)),
            ("nothing", "", Err(Stranger::NoHost)),
            ("no authority", "a b", Err(Stranger::NoHost)),
            ("a path", "localhost/", Err(Stranger::NoHost)),
        ];
        for (name, host, want) in rows {
            assert_eq!(verdict("/metrics", Version::HTTP_11, &[("host", host)]), want, "{name}");
        }
    }

    #[test]
    fn no_host_is_for_health_checks_only() {
        assert_eq!(verdict("/", Version::HTTP_10, &[]), Ok(()));
        assert_eq!(verdict("/", Version::HTTP_11, &[]), Err(Stranger::NoHost));
        assert_eq!(verdict("/", Version::HTTP_10, &[("host", "evil.example")]), Err(Stranger::Host));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(verdict("/", Version::HTTP_11, &twice), Err(Stranger::NoHost));
    }

    #[test]
    fn an_absolute_target_must_be_ours_too() {
        let host = [("host", "localhost")];
        assert_eq!(verdict("http://localhost:9143/metrics", Version::HTTP_11, &host), Ok(()));
        assert_eq!(verdict("http://evil.example/metrics", Version::HTTP_11, &host), Err(Stranger::Host));
    }

    #[test]
    fn origins() {
        let rows = [
            ("its own", "http://localhost:9143", Ok(())),
            ("another port", "http://localhost:3000", Err(Stranger::Origin)),
            ("another scheme", "https://localhost:9143", Err(Stranger::Origin)),
            ("another site", "http://evil.example", Err(Stranger::Origin)),
            ("a file", "null", Err(Stranger::Origin)),
        ];
        for (name, origin, want) in rows {
            let headers = [("host", "localhost:9143"), ("origin", origin)];
            assert_eq!(verdict("/metrics", Version::HTTP_11, &headers), want, "{name}");
        }
        assert_eq!(verdict("/", Version::HTTP_10, &[("origin", "http://x")]), Err(Stranger::Origin));
        for (origin, want) in [
            ("https://ops.example.org", Ok(())),
            ("http://ops.example.org", Ok(())),
            ("https://evil.example", Err(Stranger::Origin)),
        ] {
            let headers = [("host", "ops.example.org"), ("origin", origin)];
            assert_eq!(verdict("/metrics", Version::HTTP_11, &headers), want, "{origin}");
        }
    }
}
