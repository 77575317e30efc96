//! The unit of the service: systemd understands it, and finds little that it leaves open.

use std::path::Path;
use std::process::Output;

use crate::real::place::{Place, output, tool};
use crate::real::proxy::PROGRAM;

const UNIT: &str = include_str!("../../../deploy/systemd/imapwarden.service");

/// `systemd-analyze` about a unit whose program is the one that the tests built.
fn analyzed(text: &str, arguments: &[&str]) -> Output {
    let place = Place::new();
    let file = place.write("imapwarden.service", text.replace("/usr/bin/imapwarden", PROGRAM));
    output(tool("systemd-analyze").args(arguments).arg(file))
}

/// What systemd says against a unit: it warns of what it does not know, and goes on.
fn is_understood(text: &str) -> bool {
    let done = analyzed(text, &["verify"]);
    done.status.success() && String::from_utf8_lossy(&done.stderr).trim().is_empty()
}

fn is_closed(text: &str) -> bool {
    assert!(Path::new(PROGRAM).exists());
    analyzed(text, &["security", "--offline=true", "--threshold=20"]).status.success()
}

#[test]
fn systemd_understands_the_unit_and_it_leaves_little_open() {
    assert!(is_understood(UNIT), "{:?}", analyzed(UNIT, &["verify"]));
    assert!(is_closed(UNIT), "{:?}", analyzed(UNIT, &["security", "--offline=true", "--threshold=20"]));
    let without = |beginning: &str| {
        let kept: Vec<&str> = UNIT.lines().filter(|line| !line.starts_with(beginning)).collect();
        assert!(kept.len() < UNIT.lines().count(), "{beginning}");
        kept.join("\n")
    };
    assert!(!is_understood(&UNIT.replacen("Restart=", "Restrat=", 1)), "a key that is none");
    assert!(!is_understood(&UNIT.replacen("ExecStart=/usr", "ExecStart=/user", 1)), "a program that is not there");
    assert!(!is_closed(&without("SystemCallFilter")), "every system call");
    assert!(!is_closed(&without("CapabilityBoundingSet")), "every capability");
}

#[test]
fn it_is_given_the_time_to_drain() {
    let stop = UNIT.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
    // `drain_delay` and `drain_window` at their defaults.
    assert!(stop.parse::<u64>().expect("seconds") > 10 + 120);
}
