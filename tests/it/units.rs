//! The units of systemd: sound, as closed as they say, and fitting each other and the configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect(name)
}

/// Lines that say something.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    lines(text).into_iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// In a folder of their own, with a program that is there.
fn installed() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder of our own");
    for name in ["imapwarden.service", "imapwarden@.service", "imapwarden.socket"] {
        let text = unit(name).replace("/usr/bin/imapwarden", "/bin/true").replace("User=imapwarden", "User=root");
        fs::write(place.path().join(name), text.replace("Group=imapwarden", "Group=root")).expect("it is ours");
    }
    place
}

fn analyze(arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).args(files).output().expect("systemd is installed");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn systemd_finds_nothing_wrong() {
    let place = installed();
    let path = |name: &str| place.path().join(name);
    for name in ["imapwarden.service", "imapwarden@a.service", "imapwarden.socket"] {
        let (fine, said) = analyze(&["verify", "--man=no"], &[path(name)]);
        let about_us = said.lines().filter(|line| line.contains("imapwarden")).collect::<Vec<_>>();
        assert!(fine && about_us.is_empty(), "{name}: {said}");
    }
    let broken =
        fs::read_to_string(path("imapwarden.service")).expect("it was written").replace("Type=notify", "Type=notfiy");
    fs::write(path("imapwarden.service"), broken).expect("it is ours");
    let (_, said) = analyze(&["verify", "--man=no"], &[path("imapwarden.service")]);
    assert!(said.contains("notfiy"), "a broken copy is seen: {said}");
}

#[test]
fn they_are_as_closed_as_they_say() {
    for name in ["imapwarden.service", "imapwarden@.service"] {
        let (fine, said) = analyze(&["security", "--offline=true", "--threshold=20"], &[folder().join(name)]);
        assert!(fine, "{name}: {said}");
    }
    let place = tempfile::tempdir().expect("a folder of our own");
    let open = place.path().join("open.service");
    let text = unit("imapwarden.service").replace("ProtectSystem=strict\n", "").replace("PrivateDevices=yes\n", "");
    fs::write(&open, text.replace("CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", "")).expect("it is ours");
    assert!(!analyze(&["security", "--offline=true", "--threshold=20"], &[open]).0, "an open one is seen");
}

#[test]
fn the_two_that_take_turns_are_as_the_one() {
    let (one, two) = (unit("imapwarden.service"), unit("imapwarden@.service"));
    let mut two = lines(&two);
    two.retain(|line| *line != "Sockets=imapwarden.socket");
    let plain: Vec<String> = two.iter().map(|line| line.replace("imapwarden (%i)", "imapwarden")).collect();
    assert_eq!(plain, lines(&one));
}

#[test]
fn the_sockets_are_those_of_the_reference() {
    let addresses = unit("imapwarden.socket");
    let reference = include_str!("../../config/imapwarden.toml");
    let binds: Vec<&str> = reference
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").strip_prefix("bind = \"")?.split('"').next())
        .collect();
    assert_eq!(values(&addresses, "ListenStream"), binds);
}
