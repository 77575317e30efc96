//! Fields as senders write them, and what may be found in them.

use super::{Found, Header, Needle};

fn text(header: &[u8], name: &str, needle: &str) -> Option<Found> {
    let header = Header::read(header).unwrap();
    let found = header.fields(name).map(|field| field.text_has(&Needle::new(needle))).collect::<Vec<_>>();
    found.first().copied()
}

#[test]
fn texts() {
    use Found::{Not, Perhaps, Surely};
    let rows: [(&str, &[u8], &str, Found); 6] = [
        ("as it is", b"Subject: Top Secret\r\n", "secret", Surely),
        ("something else", b"Subject: Top\r\n", "secret", Not),
        ("folded", b"Subject: Top\r\n  Secret\r\n", "top secret", Surely),
        ("encoded", b"Subject: =?utf-8?q?s=65cret?=\r\n", "secret", Surely),
        ("encoded within a word", b"Subject: a=?utf-8?q?secret?=b\r\n", "asecretb", Perhaps),
        ("no such charset", b"Subject: =?x-none?q?plans?=\r\n", "secret", Perhaps),
    ];
    for (name, header, needle, want) in rows {
        assert_eq!(text(header, "subject", needle), Some(want), "{name}");
    }
}
