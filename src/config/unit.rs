//! Sizes, times and rates as people write them.
//!
//! ```text
//!   "25 MiB" ─▶ 26214400      "1h 30m" ─▶ 5400 s      "20/10m" ─▶ 20 in 600 s
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use jiff::SignedDuration;

use super::values::{Rate, Server};

/// What is wrong with a value (it stands beside the carets) and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub label: String,
    pub help: String,
}

impl Wrong {
    pub(super) fn new(label: impl Into<String>, help: impl Into<String>) -> Self {
        Self { label: label.into(), help: help.into() }
    }
}

/// `25 MiB`, in octets.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong = || Wrong::new("not a size", "write a number with B, KiB, MiB, GiB, kB, MB or GB, such as \"25 MiB\"");
    match text.trim().bytes().next_back() {
        Some(last) if last.is_ascii_alphabetic() => {}
        Some(_) | None => return Err(wrong()),
    }
    text.trim().parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| wrong())
}

/// `30s`, `31m`, `1h 30m`; not negative.
pub(super) fn time(text: &str) -> Result<Duration, Wrong> {
    let wrong = || Wrong::new("not a time", "write a number with ms, s, m or h, such as \"30s\" or \"1h 30m\"");
    let span: SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| Wrong::new("a time before now", "write it without the minus"))
}

/// `90d`, `12w`: at least a day, and no more than anybody lives.
pub(super) fn days(text: &str) -> Result<Duration, Wrong> {
    let wrong = |label| Wrong::new(label, "write days or weeks, such as \"90d\"");
    let text = text.trim();
    let in_days = |unit: &str, days: u32| text.strip_suffix(unit)?.trim().parse::<u32>().ok()?.checked_mul(days);
    match in_days("d", 1).or(in_days("w", 7)) {
        None => Err(wrong("not a number of days")),
        Some(0) => Err(wrong("nothing would be kept")),
        Some(days) if days > 36_500 => Err(wrong("more than a hundred years")),
        Some(days) => Ok(Duration::from_secs(u64::from(days).saturating_mul(86_400))),
    }
}

/// `20/10m`, and `5/s` for `5/1s`.
pub(super) fn rate(text: &str) -> Result<Rate, Wrong> {
    let wrong = || Wrong::new("not a rate", "write how many in which time, such as \"20/10m\"");
    let (count, window) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count.trim().parse().map_err(|_| wrong())?;
    let window = window.trim();
    let window = match window.starts_with(|first: char| first.is_ascii_digit()) {
        true => time(window),
        false => time(&format!("1{window}")),
    };
    let window = window.map_err(|_| wrong())?;
    if count == 0 || window.is_zero() {
        return Err(Wrong::new("nothing would pass", "write how many in which time, such as \"20/10m\""));
    }
    Ok(Rate { count, window })
}

/// `0.0.0.0:993`, `[::]:993`. The usual port is for the mend.
pub(super) fn bind(text: &str, usual_port: u16) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let help = match text.rsplit_once(':') {
        Some(("" | "*", port)) if port.parse::<u16>().is_ok() => {
            format!("write \"[::]:{port}\" for all addresses of both families, \"0.0.0.0:{port}\" for IPv4 alone")
        }
        _ if text.parse::<std::net::Ipv4Addr>().is_ok() => format!("the port is missing: \"{text}:{usual_port}\""),
        _ if text.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok() => {
            format!("the port is missing: \"[{}]:{usual_port}\"", text.trim_matches(['[', ']']))
        }
        _ => format!("write an address and a port, such as \"127.0.0.1:{usual_port}\"; names are not taken"),
    };
    Err(Wrong::new("not an address with a port", help))
}

/// `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.1`.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let help = "write an address or a network, such as \"10.0.0.0/8\"";
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (Err(_), Ok(address)) => address.into(),
        (Err(_), Err(_)) => return Err(Wrong::new("not a network", help)),
    };
    if network.addr() != network.network() {
        return Err(Wrong::new("an address in a network", format!("write \"{}\"", network.trunc())));
    }
    Ok(network)
}

/// `imap.example.org:993`, `192.0.2.1:993`, `[2001:db8::1]:993`.
pub(super) fn server(text: &str, usual_port: u16) -> Result<Server, Wrong> {
    let wrong = |help: String| Err(Wrong::new("not a host with a port", help));
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return wrong(format!("write \"[{address}]:{usual_port}\""));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return wrong(format!("the port is missing: \"{text}:{usual_port}\""));
    };
    let port = match port.parse::<u16>() {
        Ok(port) if port != 0 => port,
        Ok(_) | Err(_) => return wrong(String::from("the port is a number from 1 to 65535")),
    };
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => Ok(Server { host: inner.to_owned(), port }),
        None if is_host(host) => Ok(Server { host: host.to_owned(), port }),
        Some(_) | None => {
            wrong(format!("write a name or an address before the port, such as \"imap.example.org:{port}\""))
        }
    }
}

/// A name as DNS and certificates know it, or an IPv4 address.
pub(super) fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("25 MiB", Some(25 << 20)),
            ("64KiB", Some(64 << 10)),
            ("1 GiB", Some(1 << 30)),
            ("10 MB", Some(10_000_000)),
            ("1.5 KiB", Some(1536)),
            ("0 B", Some(0)),
            ("25", None),
            ("", None),
            ("MiB", None),
            ("-1 MiB", None),
            ("25 MiBs", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("31m", Some(31 * 60_000)),
            ("2 minutes", Some(120_000)),
            ("1h 30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("30", None),
            ("-30s", None),
            ("30s ago", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(time(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, expected) in [
            ("20/10m", Some((20, 600))),
            ("5 / 1s", Some((5, 1))),
            ("5000/h", Some((5000, 3600))),
            ("0/10m", None),
            ("20/0s", None),
            ("20", None),
            ("20/", None),
            ("-1/s", None),
            ("many/10m", None),
        ] {
            let expected = expected.map(|(count, window)| Rate { count, window: Duration::from_secs(window) });
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_to_bind() {
        for (text, expected) in [
            ("0.0.0.0:993", Ok(())),
            ("[::1]:0", Ok(())),
            (":993", Err("write \"[::]:993\"")),
            ("127.0.0.1", Err("the port is missing: \"127.0.0.1:993\"")),
            ("::", Err("the port is missing: \"[::]:993\"")),
            ("localhost:993", Err("write an address and a port")),
            ("", Err("write an address and a port")),
            ("0.0.0.0:99999", Err("write an address and a port")),
        ] {
            match (bind(text, 993), expected) {
                (Ok(_), Ok(())) => {}
                (Err(wrong), Err(help)) => assert!(wrong.help.starts_with(help), "{text}: {}", wrong.help),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("192.0.2.1", Some("192.0.2.1/32")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("10.0.0.1/8", None),
            ("10.0.0.0/33", None),
            ("balancer.example.org", None),
            ("", None),
        ] {
            assert_eq!(network(text).ok().map(|network| network.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(network("10.0.0.1/8").unwrap_err().help, "write \"10.0.0.0/8\"");
    }

    #[test]
    fn servers() {
        let server_of = |host: &str, port| Some(Server { host: host.to_owned(), port });
        for (text, expected) in [
            ("imap.example.org:993", server_of("imap.example.org", 993)),
            ("192.0.2.1:143", server_of("192.0.2.1", 143)),
            ("[2001:db8::1]:993", server_of("2001:db8::1", 993)),
            ("dovecot_1:143", server_of("dovecot_1", 143)),
            ("imap.example.org", None),
            ("2001:db8::1", None),
            ("imap.example.org:0", None),
            ("imap.example.org:imaps", None),
            ("imaps://imap.example.org:993", None),
            ("[imap.example.org]:993", None),
            (":993", None),
            ("a..b:993", None),
        ] {
            assert_eq!(server(text, 993).ok(), expected, "{text}");
        }
        assert_eq!(Server { host: "2001:db8::1".into(), port: 993 }.to_string(), "[2001:db8::1]:993");
    }
}
