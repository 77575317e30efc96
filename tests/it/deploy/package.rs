//! The Debian package: made of the binary that the tests built, looked at by lintian, and installed.
//!
//! ```text
//!   deploy/debian/build ─▶ .deb ─▶ lintian: no errors
//!                           ├─▶ the same as an older version ─┐
//!                           └─▶ package.sh ◀──────────────────┘  install, start, upgrade, remove, purge, install again
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::real::place::{Place, output};
use crate::real::proxy::PROGRAM;

/// Compressing, unpacking and installing all of it takes its time on a machine that is busy.
fn patiently(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "900"]).arg(program.as_ref());
    command.env("LC_ALL", "C.UTF-8").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What a command said, on both streams.
fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn must(command: &mut Command) -> String {
    let done = output(command);
    assert!(done.status.success(), "{command:?}: {}: {}", done.status, said(&done));
    said(&done)
}

/// Errors that lintian finds, as their tags.
fn errors(package: &Path, looking_for: &[&str]) -> Vec<String> {
    let done =
        output(patiently("lintian").args(["--allow-root", "--tag-display-limit", "0"]).args(looking_for).arg(package));
    let said = said(&done);
    // 0: none, 2: some; everything else is trouble of its own (127: not installed? ./tests/run installs it).
    assert!(matches!(done.status.code(), Some(0 | 2)) && !said.contains("cannot"), "lintian: {}: {said}", done.status);
    said.lines().filter_map(|line| line.strip_prefix("E: ")).map(str::to_owned).collect()
}

/// A package that was unpacked, changed and packed again.
fn repacked(place: &Place, unpacked: &Path, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let copy = place.path(name);
    must(patiently("cp").arg("-a").arg(unpacked).arg(&copy));
    change(&copy);
    let package = place.path(&format!("{name}.deb"));
    must(patiently("dpkg-deb").args(["-Znone", "--root-owner-group", "--build"]).arg(&copy).arg(&package));
    fs::remove_dir_all(&copy).expect("it is ours");
    package
}

/// The whole life of a package, from `old` to `new`.
fn live(place: &Place, name: &str, old: &Path, new: &Path) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/deploy/package.sh");
    let folder = place.path(name);
    fs::create_dir(&folder).expect("it is ours");
    output(patiently(script).arg(folder).arg(old).arg(new))
}

#[test]
fn its_changes_are_told_of_this_version() {
    let changes = include_str!("../../../deploy/debian/changelog");
    assert!(changes.starts_with(&format!("imapwarden ({}-1) ", env!("CARGO_PKG_VERSION"))), "{changes}");
}

#[test]
fn the_package_installs_starts_upgrades_and_goes() {
    let place = Place::new();
    let (built, unpacked) = (place.path("built"), place.path("unpacked"));
    must(patiently("deploy/debian/build").arg(PROGRAM).arg(&built).env("FAST", "1"));
    let package = fs::read_dir(&built).expect("a folder").next().expect("a package").expect("an entry").path();
    assert_eq!(errors(&package, &[]), [""; 0]);
    must(patiently("dpkg-deb").arg("-R").arg(&package).arg(&unpacked));

    let control = |folder: &Path| folder.join("DEBIAN/control");
    let older = repacked(&place, &unpacked, "older", |folder| {
        let text = fs::read_to_string(control(folder)).expect("a control file");
        let version = format!("Version: {}-", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version), "{text}");
        fs::write(control(folder), text.replace(&version, "Version: 0.0.1-")).expect("it is ours");
    });
    let lived = live(&place, "life", &older, &package);
    assert!(lived.status.success(), "{}", said(&lived));
    assert_eq!(said(&lived).lines().last(), Some("package: done"));

    // What the checks are worth: each finds a package that is broken.
    let broken = repacked(&place, &unpacked, "unlicensed", |folder| {
        fs::remove_file(folder.join("usr/share/doc/imapwarden/copyright")).expect("there is one");
    });
    assert_eq!(errors(&broken, &["--tags", "no-copyright-file"]), ["imapwarden: no-copyright-file"]);
    let broken = repacked(&place, &unpacked, "careless", |folder| {
        fs::write(folder.join("DEBIAN/postrm"), "#!/bin/sh\nrm -rf /var/log/imapwarden\n").expect("it is ours");
    });
    let lived = live(&place, "careless-life", &older, &broken);
    assert!(!lived.status.success() && said(&lived).contains("the log does not survive a remove"), "{}", said(&lived));
}
